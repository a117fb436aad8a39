//! Splitting an exploration: part of what is left to do, with all that is needed to do it elsewhere.
//!
//! Every item stands for executions of its own, whoever explores them. So a frame that holds a copy of the graph as the
//! item needs it, and that item alone, is an exploration that shares nothing with the one it came from.

use super::{Explorer, Frame, Item, Ways};
use crate::graph::EventId;

impl Explorer {
    /// Gives away the oldest item, which stands for most; none if there are too few to share.
    pub(crate) fn donate(&mut self) -> Option<Frame> {
        let left: usize = self.frames.iter().map(|frame| frame.items.len()).sum();
        let frame = self.frames.iter_mut().find(|frame| !frame.items.is_empty()).filter(|_| left > 1)?;
        let item = frame.items.remove(0);
        let end = frame.items.first().map_or(frame.options.len(), |next| next.options);
        let options: Vec<_> = frame.options.drain(item.options..end).collect();
        for later in &mut frame.items {
            later.options -= options.len();
        }
        let mut graph = frame.graph.clone();
        let length = item.at as usize + usize::from(!matches!(item.ways, Ways::Instead(_)));
        graph.truncate(length);
        let Item { at, ways, spent, .. } = item;
        let revisit = frame.revisit.filter(|&(_, by): &(EventId, EventId)| by <= at);
        Some(Frame { graph, items: vec![Item { at, options: 0, ways, spent }], options, revisit })
    }

    /// Makes what somebody else gave away all that is left to do.
    pub(crate) fn adopt(&mut self, frame: Frame) {
        self.frames.clear();
        self.frames.push(frame);
    }
}

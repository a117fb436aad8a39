//! Backward revisits: which reads a write may revisit, and what is left of the graph when it does.

use super::{Explorer, Frame, Way, Ways};
use crate::consistency::floor_without;
use crate::graph::{Clock, Event, EventId, Graph, Kind, NONE, Update};

impl Explorer {
    /// Notes the reads that `write`, the last event, not yet placed, may revisit.
    pub(super) fn push_revisits(&mut self, write: EventId) {
        let start = self.top().options.len();
        let Frame { graph, options, .. } = self.frames.last_mut().expect("the exploration has not ended");
        let loc = graph.event(write).loc;
        // Most locations are private for a while.
        if graph.location(loc).accesses.len() < 2 {
            return;
        }
        let past = graph.clock(write, Clock::Porf);
        for id in (0..write).rev() {
            if graph.covers(past, id) {
                continue;
            }
            let overlooked = self.faults.revisits_over_writes && graph.event(id).is_write();
            if !overlooked && !is_canonical(graph, id, past) {
                break;
            }
            let event = graph.event(id);
            if event.is_read() && event.loc == loc && !graph.means_nothing_new(event.update, write) {
                options.push(Way { to: id, spurious: false });
                if matches!(event.update, Update::Exchange { weak: true, .. }) {
                    options.push(Way { to: id, spurious: true });
                }
            }
        }
        if self.faults.skip_revisits && options.len() > start {
            options.pop();
        }
        self.push_item(write, start, Ways::Revisits);
    }

    /// Opens a frame in which the read `way` reads from `by`. False: there is no such graph that is consistent, or not
    /// yet: the places of `by` in it are tried one by one.
    pub(super) fn revisit(&mut self, way: Way, by: EventId) -> bool {
        let mut frame = self.spare.pop().unwrap_or_else(|| Frame {
            graph: Graph::new(self.model.causality(), self.graph().capacity(), self.faults),
            items: Vec::new(),
            options: Vec::new(),
            revisit: None,
        });
        frame.items.clear();
        frame.options.clear();
        let mut ids = core::mem::take(&mut self.ids);
        self.graph().restrict(way.to, by, &mut frame.graph, &mut ids);
        let (read, by) = (ids[way.to as usize], ids[by as usize]);
        self.ids = ids;
        frame.revisit = Some((read, by));
        self.frames.push(frame);

        let graph = self.graph_mut();
        let loc = graph.event(by).loc;
        if graph.location(loc).writes.contains(&by) {
            graph.displace(by);
        }
        graph.event_mut(by).revisits = true;
        let mut event: Event = *graph.event(read);
        self.resolve(&mut event, Way { to: by, spurious: way.spurious });
        let took_effect_anyway = way.spurious && !self.may_fail_spuriously_from(&event, by);
        if took_effect_anyway {
            // The compare-exchange fails by itself, or may not fail spuriously once more.
            return false;
        }
        let graph = self.graph_mut();
        graph.replace_read(read, event);
        let start = self.top().options.len();
        self.push_places(read, by);
        self.push_item(by, start, Ways::Places);
        false
    }

    fn may_fail_spuriously_from(&self, event: &Event, by: EventId) -> bool {
        self.may_fail_spuriously(event.update, self.effect(event.update, event.loc, by))
    }

    /// The places that `by` can take when `read` reads from it.
    fn push_places(&mut self, read: EventId, by: EventId) {
        let graph = self.graph();
        let event = *graph.event(by);
        let least = [by, read]
            .map(|id| floor_without(graph, event.loc, graph.clock(id, Clock::Hb), &[by, read]))
            .into_iter()
            .max()
            .unwrap_or(0);
        let last = graph.location(event.loc).writes.len();
        if event.rmw {
            let source = graph.event(event.link).link;
            let place = graph.rank(source);
            if place >= least && graph.taker(event.loc, source).is_none() {
                self.push_option(place);
            }
            return;
        }
        for place in (least..=last).filter(|&place| !self.is_within_rmw(event.loc, place)).collect::<Vec<_>>() {
            self.push_option(place);
        }
    }
}

/// Whether an event looks as if it had been added last, after what was added before it and `past`.
fn is_canonical(graph: &Graph, id: EventId, past: &[u16]) -> bool {
    let event = graph.event(id);
    let is_earlier = |other: EventId| other == NONE || other < id || graph.covers(past, other);
    let nothing_later = |rank: usize| graph.location(event.loc).writes[rank..].iter().all(|&other| !is_earlier(other));
    match event.kind {
        Kind::Read => !event.spurious && is_earlier(event.link) && nothing_later(graph.last_alike(id)),
        Kind::Write => !event.revisits && is_placed(graph, id) && nothing_later(graph.rank(id)),
        Kind::Choice => event.value == 0 || event.link == 0,
        Kind::Death => false,
        Kind::Fence | Kind::Spawn | Kind::Join | Kind::Woken | Kind::Quiet => true,
    }
}

fn is_placed(graph: &Graph, write: EventId) -> bool {
    graph.location(graph.event(write).loc).writes.get(graph.event(write).place as usize) == Some(&write)
}

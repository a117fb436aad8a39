//! What the running thread did last, for harnesses that draw executions themselves.

use super::Execution;
use crate::graph::{EventId, Graph, Kind, NONE, Update};

/// The running thread's last access to a location.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LastAccess {
    /// Its number in this run; a read-modify-write has one, that of its write.
    pub number: u32,
    /// Of a read: the number of the write that it read from; `Some(None)` is the first value of the location. What only
    /// waits and wakes is passed over.
    pub reads_from: Option<Option<u32>>,
    /// How many writes of the location come after the one that it read, or after itself if it wrote.
    pub behind: usize,
    /// Of a write: what the location held just before it, in the order of its writes.
    pub replaced: Option<u64>,
}

impl Execution {
    /// The last event of the running thread, if it is an access.
    pub(crate) fn last_access(&self) -> Option<LastAccess> {
        let graph = self.explorer.graph();
        let last = self.threads.get(self.running)?.executed.checked_sub(1)?;
        let id = *graph.row(self.running).get(last)?;
        let event = graph.event(id);
        if !matches!(event.kind, Kind::Read | Kind::Write) {
            return None;
        }
        let is_write = event.kind == Kind::Write;
        let reading =
            if is_write && event.rmw { Some(graph.event(event.link)) } else { Some(event).filter(|_| !is_write) };
        // A store to a location with a queue shows nobody what it read.
        let source = reading.filter(|reading| !matches!(reading.update, Update::Blind(_))).map(|reading| reading.link);
        let rank = if is_write { graph.rank(id) } else { graph.span(id).1 };
        let replaced = is_write.then(|| graph.value(event.loc, graph.at_rank(event.loc, rank - 1)));
        Some(LastAccess {
            number: id,
            reads_from: source.map(|source| changed_by(graph, source)),
            behind: graph.location(event.loc).writes.len() - rank,
            replaced,
        })
    }
}

/// The write that gave a location the value that it has after `write`, which may have changed its queue only.
fn changed_by(graph: &Graph, mut write: EventId) -> Option<EventId> {
    while write != NONE {
        let event = graph.event(write);
        if !event.rmw {
            break;
        }
        let reading = graph.event(event.link);
        let queue_only = matches!(reading.update, Update::Wait { .. } | Update::Wake { .. } | Update::Leave(_));
        if !queue_only {
            break;
        }
        write = reading.link;
    }
    (write != NONE).then_some(write)
}

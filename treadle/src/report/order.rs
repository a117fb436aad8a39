//! One order of a graph's events in which to tell them.

use crate::graph::{Clock, Event, EventId, Graph, Kind, NONE};

/// An event in the order of telling. Of a read-modify-write, the reading half stands for both.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Told {
    pub(crate) id: EventId,
    /// The writing half.
    pub(crate) writes: Option<EventId>,
    /// How many writes of its location, of those told before, come after what it reads, or after itself.
    pub(crate) behind: usize,
}

/// Orders all events along causality, and along coherence as far as that goes (if the execution is sequentially
/// consistent, all the way), with as few changes of thread as a simple choice brings.
pub(crate) fn tell(graph: &Graph) -> Vec<Told> {
    let mut teller =
        Teller { graph, done: vec![false; graph.len()], next: vec![0; graph.threads().max(1)], told: Vec::new() };
    let mut thread = 0;
    loop {
        let all: Vec<usize> = core::iter::once(thread).chain(0..graph.threads()).collect();
        let ready = |strictly: bool| all.iter().copied().find(|&thread| teller.is_ready(thread, strictly));
        let Some(chosen) = ready(true).or_else(|| ready(false)) else { break };
        thread = chosen;
        teller.tell_next(thread);
    }
    teller.told
}

struct Teller<'a> {
    graph: &'a Graph,
    done: Vec<bool>,
    next: Vec<usize>,
    told: Vec<Told>,
}

impl Teller<'_> {
    fn is_done(&self, id: EventId) -> bool {
        id == NONE || self.done[id as usize]
    }

    /// Whether the thread's next event can be told: all that it depends on has been; strictly, also all that comes
    /// before it in coherence order.
    fn is_ready(&self, thread: usize, strictly: bool) -> bool {
        let row = self.graph.row(thread);
        let Some(&id) = row.get(self.next[thread]) else { return false };
        let is_started = self.next[thread] > 0 || self.graph.spawned_by(thread).is_none_or(|id| self.is_done(id));
        let event = self.graph.event(id);
        let is_enabled = match event.kind {
            Kind::Read | Kind::Woken => self.is_done(event.link),
            Kind::Quiet => {
                let past = self.graph.clock(id, Clock::Porf);
                (0..id).all(|other| self.is_done(other) || !self.graph.covers(past, other))
            }
            Kind::Join => self.graph.row(event.link as usize).iter().all(|&id| self.is_done(id)),
            _ => true,
        };
        let write = row.get(self.next[thread] + 1).copied().filter(|_| event.rmw).or(event.is_write().then_some(id));
        is_started
            && is_enabled
            && (!strictly || write.is_none_or(|write| self.is_next_in_coherence(write)))
            && (!strictly || !event.is_read() || self.reads_newest(id))
    }

    fn is_next_in_coherence(&self, write: EventId) -> bool {
        let event = self.graph.event(write);
        let rank = self.graph.rank(write);
        self.graph.location(event.loc).accesses.iter().all(|&access| {
            let is_own = access == write || access == event.link;
            is_own || self.graph.span(access).1 >= rank || self.is_done(access)
        })
    }

    fn reads_newest(&self, read: EventId) -> bool {
        self.told_from(self.graph.event(read), self.graph.span(read).1) == 0
    }

    fn tell_next(&mut self, thread: usize) {
        let id = self.graph.row(thread)[self.next[thread]];
        let event = self.graph.event(id);
        let writes = event.rmw.then(|| self.graph.row(thread)[self.next[thread] + 1]);
        let behind = match event.kind {
            Kind::Read => self.told_from(event, self.graph.span(id).1),
            Kind::Write => self.told_from(event, self.graph.rank(id)),
            _ => 0,
        };
        self.done[id as usize] = true;
        if let Some(write) = writes {
            self.done[write as usize] = true;
        }
        self.next[thread] += 1 + usize::from(writes.is_some());
        self.told.push(Told { id, writes, behind });
    }

    fn told_from(&self, event: &Event, rank: usize) -> usize {
        self.graph.location(event.loc).writes[rank..].iter().filter(|&&write| self.is_done(write)).count()
    }
}

//! The part of a graph that a backward revisit keeps.

use super::{Clock, Event, EventId, Graph, Kind, NONE};

impl Graph {
    /// Makes `into` the graph of all events up to `read` and of all in the causal past of the last event, the write
    /// `by`, with that itself. `ids` becomes the table from old ids to new ones. `by` has to be placed, and what reads
    /// from it is not changed.
    ///
    /// What is kept is closed under causality but for the sources of revisited reads; that no such read loses its source
    /// is what the condition for a revisit makes sure of.
    pub(crate) fn restrict(&self, read: EventId, by: EventId, into: &mut Self, ids: &mut Vec<EventId>) {
        into.causality = self.causality;
        into.events.clear();
        into.clocks.reset(self.clocks.threads());
        into.rows.resize_with(self.rows.len(), Default::default);
        for row in &mut into.rows {
            row.events.clear();
            row.spawned_by = None;
        }
        into.locations.resize_with(self.locations.len(), Default::default);
        for location in &mut into.locations {
            location.writes.clear();
            location.accesses.clear();
        }
        into.queues.clear();
        into.initial.clone_from(&self.initial);
        into.sc.clear();
        into.sc_accesses = 0;
        into.deaths = 0;
        ids.clear();
        let past = self.clock(by, Clock::Porf);
        for id in 0..self.next_id() {
            let kept = id <= read || id == by || self.covers(past, id);
            ids.push(if kept { into.next_id() } else { NONE });
            if kept {
                into.copy(self, id);
            }
        }
        for event in &mut into.events {
            if event.link != NONE && !matches!(event.kind, Kind::Spawn | Kind::Join | Kind::Choice) {
                event.link = ids[event.link as usize];
            }
            if event.fence != NONE {
                event.fence = ids[event.fence as usize];
            }
        }
        for (row, old) in into.rows.iter_mut().zip(&self.rows) {
            row.spawned_by = old.spawned_by.map(|id| ids[id as usize]).filter(|&id| id != NONE);
        }
        for (location, old) in into.locations.iter_mut().zip(&self.locations) {
            let kept = old.writes.iter().map(|&id| ids[id as usize]).filter(|&id| id != NONE);
            location.writes.extend(kept);
            for (place, &id) in location.writes.iter().enumerate() {
                into.events[id as usize].place = u32::try_from(place).expect("writes are counted in 32 bits");
            }
        }
    }

    /// Appends a copy of an event of another graph, links and place unchanged.
    fn copy(&mut self, from: &Self, id: EventId) {
        let new = self.next_id();
        let mut event: Event = *from.event(id);
        let queue = if event.is_write() { from.queue(id) } else { &[] };
        event.queue = (
            u32::try_from(self.queues.len()).expect("queues are counted in 32 bits"),
            u32::try_from(queue.len()).expect("waiters are counted in 32 bits"),
        );
        self.queues.extend_from_slice(queue);
        self.clocks.push_from(&from.clocks, id);
        self.rows[usize::from(event.thread)].events.push(new);
        if event.loc != super::NOWHERE {
            self.locations[event.loc as usize].accesses.push(new);
        }
        self.count(&event, new);
        self.events.push(event);
    }
}

//! Executions drawn at random, for programs that have too many.
//!
//! Each event is added in one of the ways in which it can be; nothing is kept for later. There are no revisits: a read
//! reads what is there, so who comes first has to be drawn as well. What is old is drawn less often than what is new.

use super::{Added, Explorer, Way};
use crate::graph::{Effect, Event, EventId};

impl Explorer {
    /// Adds a read of something that can be read.
    pub(super) fn read_something(&mut self, event: Event, least: usize) -> Added {
        let (at, loc) = (self.graph().next_id(), event.loc);
        let mut rank = self.graph().location(loc).writes.len();
        while rank > least && self.draw(3) == Some(0) {
            rank -= 1;
        }
        for rank in (rank..=self.graph().location(loc).writes.len()).chain((least..rank).rev()) {
            let to = self.graph().at_rank(loc, self.graph().first_alike(event.update, loc, least, rank));
            let effect = self.effect(event.update, loc, to);
            let spurious = self.may_fail_spuriously(event.update, effect) && self.draw(4) == Some(0);
            if effect != Effect::Stuck || rank == self.graph().location(loc).writes.len() {
                if self.read_from(event, Way { to, spurious }) {
                    return self.added_read(at, true);
                }
                self.graph_mut().truncate(at as usize);
            }
        }
        Added::Impossible
    }

    /// Puts a write, the last event, somewhere where it can be.
    pub(super) fn place_somewhere(&mut self, at: EventId, least: usize) {
        let loc = self.graph().event(at).loc;
        let last = self.graph().location(loc).writes.len();
        let mut place = last;
        while place > least && self.draw(3) == Some(0) {
            place -= 1;
        }
        for place in place..=last {
            if place == last || !self.is_within_rmw(loc, place) {
                self.graph_mut().place(at, place);
                if place == last || self.admits() {
                    return;
                }
                self.graph_mut().displace(at);
            }
        }
    }
}

//! What distinguishes one execution graph from another, whatever the order in which its events were added.

use super::{Graph, Kind, NONE};
use core::hash::{Hash, Hasher};
use std::collections::hash_map::DefaultHasher;

impl Graph {
    /// A hash of 128 bits over every thread's events, with what each reads from, and every location's coherence order.
    pub(crate) fn fingerprint(&self) -> u128 {
        let half = |salt: u64| {
            let mut hasher = DefaultHasher::new();
            salt.hash(&mut hasher);
            self.feed(&mut hasher);
            u128::from(hasher.finish())
        };
        half(1) << 64 | half(2)
    }

    fn feed(&self, hasher: &mut impl Hasher) {
        let name = |id| {
            if id == NONE {
                return None;
            }
            let event = self.event(id);
            Some((event.thread, event.pos))
        };
        for thread in 0..self.threads() {
            self.row(thread).len().hash(hasher);
            for &id in self.row(thread) {
                let event = self.event(id);
                (event.kind, event.loc, event.rmw, event.spurious, event.stuck).hash(hasher);
                match event.kind {
                    Kind::Read if event.is_idle() => {
                        let (first, _) = self.span(id);
                        name(self.at_rank(event.loc, first)).hash(hasher);
                    }
                    Kind::Read | Kind::Woken => name(event.link).hash(hasher),
                    Kind::Choice => event.value.hash(hasher),
                    _ => {}
                }
            }
        }
        // How many locations are known besides those that were written depends on what was explored before.
        for (index, location) in self.locations().iter().enumerate().filter(|(_, location)| !location.writes.is_empty())
        {
            (index, location.writes.len()).hash(hasher);
            location.writes.iter().for_each(|&write| name(write).hash(hasher));
        }
    }
}

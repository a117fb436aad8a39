//! What an execution showed to its lanes: what each of their operations returned.
//!
//! Two engines, or two orders of one, that explore the same executions find the same set of outcomes.

use super::run::{Run, current_lane};
use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};

impl Run {
    /// Notes what an operation showed the calling lane.
    pub(super) fn saw(&self, value: u64) {
        self.with_lane(current_lane(), |lane| lane.seen = digest((lane.seen, value)));
    }

    /// The execution has come to its end: notes its outcome, if the plan asks for that.
    pub fn end_execution(&self) {
        if self.plan.outcomes {
            // Lanes that repair after others are added in the order of the run, which says nothing.
            let lanes = self.lanes.borrow();
            let outcome = lanes.iter().fold(0, |sum: u64, lane| sum.wrapping_add(digest((&lane.name, lane.seen))));
            self.outcomes.borrow_mut().insert(outcome);
        }
    }

    /// Digests of the outcomes of all executions that came to their ends: what each operation of each lane returned.
    pub fn outcomes(&self) -> BTreeSet<u64> {
        self.outcomes.borrow().clone()
    }
}

/// The same for the same value in every process of this program.
fn digest(value: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

//! Bugs that real systems had, and what is planted to see that the models notice each.

use super::Mutant;
use crate::gallery::{self, Exhibit};

/// A bug of others.
#[derive(Clone, Copy, Debug)]
pub struct Known {
    /// What is wrong.
    pub bug: &'static str,
    /// Where it was.
    pub seen: &'static str,
    /// What has the same mistake here.
    pub planted: &'static [Planted],
}

/// Something that is wrong on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Planted {
    /// A [wrong variant](super::all) of an algorithm.
    Variant(&'static str),
    /// A patch in `models/faults`.
    Fault(&'static str),
    /// An exhibit of the [gallery].
    Exhibit(&'static str),
}

use Planted::{Exhibit as Shown, Fault, Variant};

/// All of them.
pub const ALL: [Known; 9] = [
    Known {
        bug: "the flag that others wait is dropped when a robust mutex passes to the heir of a dead owner",
        seen: "glibc, sourceware.org bug 20973",
        planted: &[Variant("heir_drops_waiters")],
    },
    Known {
        bug: "a thread killed in the middle of its unlock leaves those asleep whom it should have woken",
        seen: "glibc, sourceware.org bug 20985",
        planted: &[Variant("unlockers_wake_is_lost"), Variant("walk_wakes_nobody")],
    },
    Known {
        bug: "a broadcast of a condition variable blocks for ever after waiters were killed",
        seen: "glibc, the class of sourceware.org bug 21422",
        planted: &[Fault("condvar_notify_all_waits_for_the_woken")],
    },
    Known {
        bug: "a cell of a queue is lost with the process that holds it, and its peers go round for ever",
        seen: "eclipse-iceoryx/iceoryx issue 1546",
        planted: &[Fault("pool_buffers_of_the_dead_are_lost"), Fault("queue_walk_finishes_no_slot")],
    },
    Known {
        bug: "a process killed while it creates an object leaves one for which all others wait for ever",
        seen: "boostorg/interprocess issues 128 and 163",
        planted: &[Fault("once_dead_maker_has_the_turn_for_ever"), Fault("ready_before_it_is_made")],
    },
    Known {
        bug: "the heir of a dead owner takes over with a store instead of a compare-exchange",
        seen: "wherever a lock is recovered",
        planted: &[Variant("heir_stores_blindly")],
    },
    Known {
        bug: "a semaphore is posted with Acquire and waited for with Release",
        seen: "a code base in use",
        planted: &[Variant("orderings_swapped")],
    },
    Known {
        bug: "a place of a queue is claimed in one step and published in another; a sender killed in between blocks all receivers",
        seen: "the bounded ring of the textbooks",
        planted: &[Shown("claim"), Fault("queue_taken_slot_is_waited_for")],
    },
    Known {
        bug: "one counts up while another counts down, and neither step is whole",
        seen: "every lecture",
        planted: &[Shown("counter")],
    },
];

impl Planted {
    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Variant(name) | Fault(name) | Shown(name) => name,
        }
    }

    /// The wrong variant, if it is one.
    #[must_use]
    pub fn variant(self) -> Option<Mutant> {
        let Variant(name) = self else { return None };
        super::all().into_iter().find(|mutant| mutant.name == name)
    }

    /// The exhibit, if it is one.
    #[must_use]
    pub fn exhibit(self) -> Option<Exhibit> {
        let Shown(name) = self else { return None };
        gallery::all().into_iter().find(|exhibit| exhibit.name == name)
    }
}

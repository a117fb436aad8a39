//! The models, one file for each file of `src/primitives/`, two (`annexes`, `delivery`) for what several of them do together, and one
//! (`space`) for a part of channels.

mod annexes;
mod barrier;
mod channel;
mod choice;
mod commit;
mod condvar;
mod delivery;
mod deviations;
mod ends;
mod event;
mod gate;
mod mailbox;
mod messages;
pub(crate) mod mutex;
mod once;
mod owned_semaphore;
mod participants;
mod pool;
mod queue;
mod registry;
mod rendezvous;
mod right;
mod ring;
mod role;
mod rwlock;
mod select;
pub(crate) mod semaphore;
mod space;
mod stream;
mod unbounded;
mod undertaker;
mod waiting;

pub use deviations::{Deviations, deviations};

use crate::world::Model;

/// Models that are too large for loom, even without preemptions: the three together took 24 GiB, and had not ended.
pub const NOT_ON_LOOM: [&str; 3] = [
    "owned_semaphore/four_share_one_permit",
    "owned_semaphore/two_die_all_comes_home",
    "select/wake_is_passed_on_past_a_larger_one",
];

/// Every model that there is.
#[must_use]
pub fn all() -> Vec<Model> {
    [
        barrier::MODELS,
        channel::MODELS,
        space::MODELS,
        choice::MODELS,
        commit::MODELS,
        condvar::MODELS,
        ends::MODELS,
        event::MODELS,
        gate::MODELS,
        mailbox::MODELS,
        delivery::MODELS,
        mutex::MODELS,
        once::MODELS,
        owned_semaphore::MODELS,
        participants::MODELS,
        pool::MODELS,
        annexes::MODELS,
        queue::MODELS,
        registry::MODELS,
        rendezvous::MODELS,
        right::MODELS,
        ring::MODELS,
        role::MODELS,
        rwlock::MODELS,
        select::MODELS,
        semaphore::MODELS,
        stream::MODELS,
        unbounded::MODELS,
        undertaker::MODELS,
        waiting::MODELS,
    ]
    .concat()
}

//! The models, one file for each file of `src/primitives/`.

pub(crate) mod mutex;
mod participants;
mod registry;
mod ring;
mod role;
pub(crate) mod semaphore;
mod stream;
mod undertaker;
mod waiting;

use crate::world::Model;

/// Every model that there is.
#[must_use]
pub fn all() -> Vec<Model> {
    [
        mutex::MODELS,
        participants::MODELS,
        registry::MODELS,
        ring::MODELS,
        role::MODELS,
        semaphore::MODELS,
        stream::MODELS,
        undertaker::MODELS,
        waiting::MODELS,
    ]
    .concat()
}

/// Models whose exploration takes longer than a change may wait for: `ci/deep` runs them.
pub const DEEP: &[&str] = &[
    "participants/late_claimer_hides_a_mark",
    "participants/process_leaves_while_another_surveys",
    "ring/producer_dies_successor_overwrites",
    "ring/undertaker_dies_consumer_is_told",
    "role/holders_die_in_turn",
    "role/three_hold_in_turn",
    "role/timed_claim_leaves_no_trace",
    "role/try_claim_ends_alone",
    "role/waiter_dies_wake_is_not_lost",
    "semaphore/four_share_one_permit",
    "semaphore/producer_feeds_three_consumers",
    "semaphore/releaser_dies_what_it_released_counts",
    "semaphore/timed_acquire_leaves_no_trace",
    "semaphore/try_operations_end_alone",
    "semaphore/waiter_dies_wake_is_not_lost",
    "semaphore/waiters_of_different_size",
    "undertaker/exit_stands_in_for_marks",
    "undertaker/heir_of_a_walkers_entry",
    "undertaker/heir_of_a_walkers_slot",
    "undertaker/keepers_watch_each_other",
    "undertaker/newcomer_dies",
    "undertaker/newcomer_where_all_died",
    "undertaker/one_dies_the_next_completes",
    "undertaker/slow_walker_and_the_next_process",
    "undertaker/slow_walker_for_a_lone_thread",
    "undertaker/stopped_keeper_delays_nobody",
];

/// The models that gate a change.
#[must_use]
pub fn gate() -> Vec<Model> {
    all().into_iter().filter(|model| !DEEP.contains(&model.name)).collect()
}

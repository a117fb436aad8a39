//! How far treadle explores models that have too many executions for a change to wait for.
//!
//! A deviation is an older value read, a write put before another one, a write that comes first after all, a wait that
//! runs out. Without a bound every execution is explored; so are most models.

/// How many deviations an execution may have; `None` is no bound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Deviations {
    /// Without faults.
    pub plain: Option<u32>,
    /// With one planned fault.
    pub faulty: Option<u32>,
}

/// The bounds of the model with this name.
#[must_use]
pub fn deviations(name: &str) -> Deviations {
    match BOUNDED.iter().find(|(model, ..)| *model == name) {
        Some(&(_, plain, faulty)) => Deviations { plain, faulty },
        None => Deviations::default(),
    }
}

/// Models, with their bounds without and with a planned fault.
const BOUNDED: &[(&str, Option<u32>, Option<u32>)] = &[
    ("mutex/heir_dies_next_is_told", None, Some(3)),
    ("mutex/heir_gives_up", None, Some(5)),
    ("mutex/timed_lock_leaves_no_trace", Some(9), None),
    ("mutex/waiters_survive_takeover", None, Some(5)),
    ("participants/late_claimer_hides_a_mark", None, Some(9)),
    ("ring/consumer_dies_successor_reads_again", None, Some(8)),
    ("ring/producer_dies_while_consumer_waits_for_any", Some(9), Some(7)),
    ("ring/two_slots_four_messages", Some(10), None),
    ("role/holders_die_in_turn", None, Some(3)),
    ("role/timed_claim_leaves_no_trace", Some(9), None),
    ("role/waiter_dies_wake_is_not_lost", None, Some(6)),
    ("semaphore/four_share_one_permit", Some(6), None),
    ("semaphore/four_share_two_permits", Some(6), None),
    ("semaphore/producer_feeds_three_consumers", Some(7), None),
    ("semaphore/release_reaches_past_a_larger_one", Some(7), None),
    ("semaphore/release_reaches_past_two_larger_ones", Some(4), None),
    ("semaphore/releaser_dies_what_it_released_counts", Some(7), Some(4)),
    ("semaphore/timed_acquire_leaves_no_trace", Some(8), None),
    ("semaphore/waiter_dies_wake_is_not_lost", Some(7), Some(6)),
    ("semaphore/waiters_of_different_size", Some(7), Some(5)),
    ("semaphore/woken_one_reaches_past_a_larger_one", Some(4), None),
    ("undertaker/every_keeper_hears_of_a_newcomer", Some(8), None),
    ("undertaker/keepers_watch_each_other", Some(5), Some(4)),
    ("undertaker/last_thread_tells_every_keeper", Some(6), None),
    ("undertaker/newcomer_dies", None, Some(5)),
    ("undertaker/one_dies_the_next_completes", Some(6), Some(5)),
    ("undertaker/stopped_keeper_delays_nobody", Some(6), None),
    ("undertaker/stopped_keepers_delay_nobody", Some(3), None),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_a_models() {
        let models = crate::catalogue::all();
        for (name, ..) in BOUNDED {
            assert!(models.iter().any(|model| model.name == *name), "no model is called {name}");
        }
    }
}

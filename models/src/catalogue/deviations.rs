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
    ("barrier/a_death_during_a_reset_is_told", None, Some(6)),
    ("barrier/one_of_three_dies_both_others_are_told", None, Some(11)),
    ("channel/bounded_receiver_dies_sender_is_told", Some(8), Some(5)),
    ("channel/bounded_sender_dies_receiver_drains", None, Some(5)),
    ("channel/receiver_dies_who_watches_for_space_is_told", None, Some(6)),
    ("channel/rendezvous_receiver_dies_sender_is_told", Some(8), Some(4)),
    ("channel/rendezvous_sender_dies_receiver_is_told", None, Some(4)),
    ("channel/two_who_receive_are_both_told_of_the_end", Some(8), Some(6)),
    ("channel/unbounded_sender_dies_receiver_drains", None, Some(6)),
    ("channel/who_peeks_at_an_unbounded_one_dies", None, Some(6)),
    ("channel/who_peeks_dies", None, Some(7)),
    ("channel/who_watches_for_space_costs_nobody_a_wake", Some(13), Some(13)),
    ("commit/a_message_takes_effect_once", None, Some(5)),
    ("condvar/a_vain_notification_loses_nobody", Some(12), None),
    ("condvar/notifier_dies_what_it_added_is_found", Some(14), Some(6)),
    ("condvar/notifier_of_all_dies_all_are_woken", Some(11), Some(8)),
    ("condvar/notifiers_race_and_none_is_lost", Some(14), None),
    ("condvar/notify_all_ends_all_waits", Some(12), None),
    ("condvar/timed_wait_leaves_no_trace", Some(11), None),
    ("condvar/two_items_two_notifications_two_waiters", Some(10), None),
    ("condvar/waiter_dies_nobody_hangs", Some(10), Some(9)),
    ("condvar/woken_one_dies_before_it_passes_on", Some(11), Some(8)),
    ("gate/signaller_dies", Some(12), Some(12)),
    ("gate/three_items_three_wait", Some(8), None),
    ("gate/woken_one_dies", Some(12), Some(12)),
    ("mailbox/all_who_wait_are_told_of_what_is_put_aside", Some(7), Some(7)),
    ("mailbox/closer_dies_both_sides_are_told", None, Some(7)),
    ("mailbox/each_type_goes_to_who_wants_it", Some(12), Some(11)),
    ("mailbox/given_on_nothing_is_lost", Some(11), None),
    ("mailbox/heir_receives_what_the_dead_did_not", None, Some(6)),
    ("mailbox/holder_ends_sender_is_told", Some(9), Some(4)),
    ("mailbox/rendezvous_holder_ends_sender_is_told", Some(8), Some(4)),
    ("mailbox/shared_one_ends_with_its_receivers", None, Some(9)),
    ("mailbox/who_did_not_finish_dies_another_gets_it", Some(12), Some(5)),
    ("mailbox/who_it_is_offered_to_dies_sender_is_told", None, Some(5)),
    ("mailbox/who_looks_for_a_type_dies_nothing_is_lost", None, Some(5)),
    ("mailbox/who_was_given_it_dies_it_is_gone", Some(12), Some(5)),
    ("mutex/all_are_told_that_it_is_given_up", None, Some(12)),
    ("mutex/heir_dies_next_is_told", None, Some(9)),
    ("owned_semaphore/four_share_one_permit", Some(6), None),
    ("owned_semaphore/holder_of_several_dies", Some(15), Some(13)),
    ("owned_semaphore/holder_of_two_dies_both_are_served", Some(9), Some(9)),
    ("owned_semaphore/one_of_three_dies_none_is_lost", Some(13), Some(13)),
    ("owned_semaphore/taken_in_two_parts", Some(14), Some(14)),
    ("owned_semaphore/three_share_two_permits", Some(10), None),
    ("owned_semaphore/timed_acquire_leaves_no_trace", Some(9), Some(9)),
    ("owned_semaphore/two_die_all_comes_home", Some(8), Some(6)),
    ("owned_semaphore/two_share_one_permit_twice", Some(11), None),
    ("owned_semaphore/waiters_of_different_size", Some(9), None),
    ("pool/owner_dies_buffer_comes_home", Some(10), Some(10)),
    ("pool/three_share_two_buffers", Some(10), None),
    ("queue/both_ends_die", Some(9), Some(9)),
    ("queue/full_is_no_excuse", Some(13), Some(13)),
    ("queue/receiver_dies_away_from_the_tail", Some(6), Some(6)),
    ("queue/receiver_dies_message_is_gone", Some(6), Some(6)),
    ("queue/receiver_dies_message_is_redelivered", Some(6), Some(6)),
    ("queue/receivers_die_in_turn", Some(6), Some(6)),
    ("queue/sender_dies_nobody_waits_for_it", Some(8), Some(8)),
    ("queue/timed_calls_leave_no_trace", Some(16), Some(16)),
    ("queue/two_messages_one_slot", Some(13), Some(13)),
    ("queue/two_receivers", Some(9), None),
    ("queue/two_senders", Some(13), None),
    ("queue/two_senders_one_slot", Some(10), None),
    ("rendezvous/both_die", Some(6), Some(6)),
    ("rendezvous/receiver_dies", Some(6), Some(6)),
    ("rendezvous/receiver_dies_another_comes", Some(4), Some(4)),
    ("rendezvous/sender_dies", Some(5), Some(5)),
    ("rendezvous/sender_dies_another_comes", Some(5), Some(5)),
    ("rendezvous/they_meet_twice", Some(14), None),
    ("rendezvous/try_calls_end_alone", Some(6), Some(6)),
    ("rendezvous/two_receivers", Some(7), None),
    ("rendezvous/two_senders", Some(7), None),
    ("ring/consumer_dies_successor_reads_again", None, Some(18)),
    ("ring/producer_dies_while_consumer_waits_for_any", Some(14), Some(14)),
    ("role/holders_die_in_turn", None, Some(9)),
    ("right/closed_while_others_wait", None, Some(11)),
    ("right/offered_again_to_one_who_was_given_it_before", Some(9), Some(5)),
    ("right/offerer_and_the_one_it_is_offered_to_die", None, Some(10)),
    ("right/who_it_is_offered_to_dies", None, Some(7)),
    ("rwlock/one_of_two_readers_dies", Some(7), Some(7)),
    ("rwlock/reader_and_two_writers", Some(11), None),
    ("rwlock/reader_dies_and_an_undertaker", Some(8), Some(8)),
    ("rwlock/reader_that_stands_in_dies_too", Some(5), Some(5)),
    ("rwlock/timed_calls_leave_no_trace", Some(11), Some(11)),
    ("rwlock/two_readers_and_a_writer", Some(10), None),
    ("rwlock/writer_dies_and_an_undertaker", Some(6), Some(6)),
    // With 8 the mutant `cleared_after_vain_wake` is not noticed.
    ("select/end_is_passed_on", Some(6), Some(5)),
    ("select/long_message_costs_nobody_a_wake", Some(15), Some(15)),
    ("select/long_message_waits_for_an_annex_of_the_dead", None, Some(7)),
    ("select/message_wake_is_passed_on", Some(11), Some(8)),
    ("select/one_of_two_offers_passes", Some(8), Some(6)),
    ("select/one_of_two_who_meet_dies", Some(8), Some(6)),
    ("select/permit_wake_is_passed_on", Some(14), Some(12)),
    ("select/selecting_one_dies_wake_is_not_lost", None, Some(10)),
    ("select/sender_dies_select_is_told", None, Some(7)),
    ("select/try_calls_end_alone", Some(5), Some(3)),
    ("select/two_meet_at_one_of_two_places", Some(13), Some(11)),
    ("select/two_meet_crosswise", Some(8), Some(6)),
    ("select/two_meet_at_one_place", Some(10), Some(8)),
    ("select/wake_for_a_buffer_is_passed_on", Some(11), Some(6)),
    ("select/wake_is_passed_on_past_a_larger_one", Some(5), Some(5)),
    ("select/wake_for_one_permit_is_not_robbed", Some(12), Some(12)),
    ("select/wake_for_one_permit_is_passed_on", Some(12), Some(10)),
    ("select/who_chooses_a_request_dies", Some(8), Some(4)),
    ("select/who_chooses_an_offer_dies", Some(6), Some(3)),
    ("select/who_offers_dies", Some(6), Some(5)),
    ("select/who_only_looks_is_told_of_an_open_offer", Some(12), Some(10)),
    ("select/who_waits_behind_one_put_aside_is_told", Some(5), Some(4)),
    ("semaphore/four_share_one_permit", Some(9), None),
    ("semaphore/four_share_two_permits", Some(10), None),
    ("semaphore/producer_feeds_three_consumers", Some(10), None),
    ("semaphore/release_reaches_past_two_larger_ones", Some(5), None),
    ("semaphore/releaser_dies_past_two_larger_ones", Some(5), Some(5)),
    ("semaphore/releaser_dies_what_it_released_counts", None, Some(11)),
    ("semaphore/waiters_of_different_size", Some(12), Some(10)),
    ("semaphore/wake_that_a_larger_one_took_is_made_good", Some(6), None),
    ("semaphore/woken_one_reaches_past_a_larger_one", Some(5), None),
    ("unbounded/both_ends_die", Some(9), Some(9)),
    ("unbounded/empty_is_no_excuse", Some(11), Some(11)),
    ("unbounded/late_receiver_is_not_led_astray", Some(9), None),
    ("unbounded/nodes_are_used_again", Some(11), None),
    ("unbounded/receiver_dies_message_is_gone", Some(6), Some(6)),
    ("unbounded/receiver_dies_message_is_there_again", None, Some(6)),
    ("unbounded/sender_dies_nobody_waits_for_it", Some(10), Some(10)),
    ("unbounded/thread_ends_with_a_message", None, Some(9)),
    ("unbounded/two_receivers", Some(12), None),
    ("unbounded/two_senders", Some(15), None),
    ("undertaker/keepers_watch_each_other", Some(9), Some(9)),
    ("undertaker/last_thread_tells_every_keeper", Some(8), None),
    ("undertaker/one_dies_the_next_completes", Some(12), Some(12)),
    ("undertaker/stopped_keeper_delays_nobody", Some(11), None),
    ("undertaker/stopped_keepers_delay_nobody", Some(4), None),
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

//! Well-known clients, explored completely: their numbers of executions, which no schedule changes.
#![cfg(not(loom))]

mod support {
    #[allow(dead_code, reason = "clients of the example, too")]
    pub(crate) mod clients;
}

use std::time::Duration;
use support::clients::{awaited_lock, buffer, mpmc, mutex, semaphore, spin_lock, spsc, store_buffering, ticket_lock};
use treadle::{Builder, MemoryModel, Problem, Schedule};

fn executions(schedule: Schedule, client: impl Fn() + Sync + Send + 'static) -> u64 {
    let mut builder = Builder::new();
    builder.schedule = schedule;
    builder.max_duration = Some(Duration::from_secs(120));
    let report = builder.explore(client).unwrap_or_else(|failure| panic!("{failure}"));
    assert_eq!(report.inconclusive, None);
    report.executions
}

fn check(name: &str, expected: u64, client: impl Fn() + Clone + Sync + Send + 'static) {
    for schedule in [Schedule::Leftmost, Schedule::Rightmost, Schedule::Shuffled(3)] {
        assert_eq!(executions(schedule, client.clone()), expected, "{name}, {schedule:?}");
    }
}

#[test]
fn a_futex_mutex() {
    check("2×1", 8, || mutex(2, 1));
    check("2×2", 258, || mutex(2, 2));
    check("3×1", 1_674, || mutex(3, 1));
    assert_eq!(executions(Schedule::Leftmost, || mutex(2, 3)), 10_352);
}

#[test]
fn a_counting_semaphore() {
    check("3 of 2", 28_800, || semaphore(3, 2));
}

#[test]
fn locks_have_as_many_executions_as_there_are_orders() {
    for (threads, orders) in [(2, 2), (3, 6), (4, 24), (5, 120)] {
        check("spin lock", orders, move || spin_lock(threads));
        check("awaited lock", orders, move || awaited_lock(threads));
        check("ticket lock", orders, move || ticket_lock(threads));
    }
}

#[test]
fn queues() {
    check("single sender, 3 messages", 9, || spsc(3));
    check("single sender, 4 messages", 27, || spsc(4));
    check("2 senders, 1 receiver", 8, || mpmc(2, 1, 1));
    check("2 senders, 2 receivers", 48, || mpmc(2, 2, 1));
    check("2 senders of two, 1 receiver", 288, || mpmc(2, 1, 2));
}

#[test]
fn a_blocking_buffer() {
    check("2 messages", 2_984, || buffer(2));
}

#[test]
fn what_takes_seconds() {
    let count = |client: fn()| executions(Schedule::Leftmost, client);
    assert_eq!(count(|| semaphore(3, 1)), 2_427_000);
    assert_eq!(count(|| buffer(3)), 570_320);
    assert_eq!(count(|| mpmc(2, 2, 2)), 58_304);
}

#[test]
#[ignore = "takes minutes: ci/deep runs it"]
fn what_takes_minutes() {
    let report = Builder::new().explore(|| mutex(4, 1)).expect("it is right");
    assert_eq!((report.executions, report.complete), (12_074_568, true));
}

#[test]
fn store_buffering_needs_its_fence_but_under_sequential_consistency() {
    let explore = |memory_model, fenced| {
        let mut builder = Builder::new();
        builder.memory_model = memory_model;
        builder.explore(move || store_buffering(fenced)).map(|report| report.executions)
    };
    assert_eq!(explore(MemoryModel::Rc11, true).expect("the fences forbid it"), 3);
    assert_eq!(explore(MemoryModel::Rc11, false).expect_err("it is allowed").problem, Problem::Panic);
    assert_eq!(explore(MemoryModel::Sc, false).expect("it is forbidden"), 3);
}

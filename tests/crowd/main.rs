//! A crowd at one channel, or one mailbox: 256 senders, threads of several processes, and receivers that sleep when they begin.
//!
//! Each sender gets so many messages through, also while the others go on and send a multiple of that. Every message is received
//! once, and those of a sender by no receiver in another order; in the end every receiver is told that nobody is left. Whoever
//! waits too long says for what.
//!
//! **Limits.** A region has at most 120 processes with 256 threads each. Here there are 8 processes of 32 senders, up to 8 of up
//! to 8 receivers, and the director's; and, once, all senders in one process.
//!
//! **Futex calls.** From the moment at which the senders begin until the last message is received there are at most
//! [`BOUND`] of them for each message, on average. What threads and processes cost that end is counted by itself.
//!
//! `SELVEDGE_RUNS` is the number of messages that each sender has to get through; [`EACH`] if it is not set.
#![cfg(not(loom))]

#[path = "../support"]
mod support {
    pub(crate) mod actors;
    pub(crate) mod alone;
    pub(crate) mod pair;
    pub(crate) mod patience;
    pub(crate) mod proc;
    pub(crate) mod shared;
}

mod cast;
mod futex;

use cast::{Board, MOST, Plan, Signs, Through, receivers, senders};
use futex::Counter;
use selvedge::Deadline;
use selvedge::Region;
use selvedge::message::Capacity;
use selvedge::primitives::waiting::Wait;
use selvedge::sync::{AtomicU32, WaitOutcome, futex_wait, futex_wake};
use std::io::{PipeWriter, Write, pipe};
use std::thread;
use std::time::Duration;
use support::actors::{Actor, fork};
use support::alone::alone;
use support::patience::PATIENCE;
use support::proc;
use support::shared::Shared;

const LIMIT: Duration = Duration::from_secs(300);
/// Senders of a crowd.
const SENDERS: usize = 256;
/// Messages that each has to get through.
const EACH: usize = 20;
/// Futex calls for each message, on average.
const BOUND: f64 = 2.0;
/// The channel has room for one of four senders.
const BOUNDED: Capacity = Capacity::Bounded(64);

fn each() -> usize {
    std::env::var("SELVEDGE_RUNS").map_or(EACH, |runs| runs.parse().expect("SELVEDGE_RUNS is a number"))
}

/// Waits until it holds; or says who has not come how far.
#[track_caller]
fn until(what: &str, region: &Region, board: &Board, actors: &[Actor], mut condition: impl FnMut() -> bool) {
    let deadline = Deadline::after(PATIENCE);
    while !condition() {
        let ended = actors.iter().any(Actor::is_dead);
        if ended || deadline.has_passed() {
            let why = if ended { "one of them has ended" } else { "it takes too long" };
            let asleep = asleep(region);
            panic!("waited for {what}, and {why}: {asleep} sleep at the channel; {}", board.progress());
        }
        thread::sleep(Duration::from_micros(200));
    }
}

/// How many threads sleep at the channel.
fn asleep(region: &Region) -> usize {
    let inspection = region.inspect();
    let waiters = inspection.object(cast::CHANNEL).map_or(&[][..], |seen| &seen.waiters);
    waiters.iter().filter(|waiter| proc::is_asleep(waiter.tid)).count()
}

/// Gives a sign to each sender.
fn give(pipe: &PipeWriter) {
    let mut pipe = pipe;
    pipe.write_all(&[0; SENDERS]).expect("somebody reads");
}

/// One crowd; and what a message costs, if that can be counted here.
fn play(plan: Plan) -> Option<f64> {
    let counter = Counter::install();
    let region = plan.make();
    let board = Board::new();
    let [(begin, may_begin), (end, may_end)] = [(); 2].map(|()| pipe().expect("a pipe"));
    let signs = Signs { begin, end };
    let mut actors = receivers(plan, &board);
    actors.extend(senders(plan, &board, &signs));
    until("all to come", &region, &board, &actors, || board.ready() == SENDERS + plan.receivers);
    until("the receivers to sleep", &region, &board, &actors, || asleep(&region) == plan.receivers);
    let so_far = || counter.as_ref().map(Counter::so_far).ok();
    let before = so_far();
    give(&may_begin);
    until("all messages", &region, &board, &actors, || board.are_done() && board.sent() == board.received());
    let between = so_far();
    give(&may_end);
    plan.close(&region);
    for actor in actors {
        assert!(actor.dies_within(PATIENCE), "an actor does not end: {}", board.progress());
        actor.succeed();
    }
    board.judge(plan);
    region.unlink().expect("a region");
    let (sent, after) = (board.sent(), so_far());
    let (Some(before), Some(between), Some(after)) = (before, between, after) else {
        println!("{plan}: {sent} messages; not counted: {}", counter.expect_err("it counts"));
        return None;
    };
    let (calls, ends) = (between.since(before), after.since(between));
    let average = calls.all() as f64 / sent as f64;
    println!(
        "{plan}: {sent} messages, {}; {} waits and {} wakes, {average:.3} for each; {} and {} when all end",
        board.spread(),
        calls.waits,
        calls.wakes,
        ends.waits,
        ends.wakes
    );
    Some(average)
}

/// Those that are dear: in which a message takes more than so many futex calls.
fn crowds(plans: impl IntoIterator<Item = Plan>) -> Vec<String> {
    let is_dear = |plan: &Plan| play(*plan).is_some_and(|average| average > BOUND);
    plans.into_iter().filter(is_dear).map(|plan| plan.to_string()).collect()
}

/// With one receiver, with some and with many.
fn plans(through: Through, capacity: Capacity, most: usize) -> Vec<Plan> {
    let plan = |wait| move |receivers| Plan { through, capacity, wait, receivers, processes: 8, each: each(), most };
    [Wait::default(), Wait::Block].into_iter().flat_map(|wait| [1, 8, 64].map(plan(wait))).collect()
}

fn unbounded() -> Capacity {
    Capacity::Unbounded { quota: SENDERS * each() }
}

#[test]
fn all_get_through_a_bounded_channel() {
    alone(LIMIT, || {
        assert_eq!(
            crowds(plans(Through::Channel, BOUNDED, each())),
            [""; 0],
            "more than {BOUND} calls for each message"
        )
    });
}

#[test]
fn all_get_through_an_unbounded_channel() {
    alone(LIMIT, || {
        assert_eq!(
            crowds(plans(Through::Channel, unbounded(), each())),
            [""; 0],
            "more than {BOUND} calls for each message"
        )
    });
}

#[test]
fn all_get_through_a_bounded_mailbox() {
    alone(LIMIT, || {
        let plans = plans(Through::Mailbox, BOUNDED, each());
        assert_eq!(crowds(plans), [""; 0], "more than {BOUND} calls for each message");
    });
}

#[test]
fn all_get_through_an_unbounded_mailbox() {
    alone(LIMIT, || {
        let plans = plans(Through::Mailbox, unbounded(), each());
        assert_eq!(crowds(plans), [""; 0], "more than {BOUND} calls for each message");
    });
}

#[test]
fn all_get_through_while_others_go_on() {
    alone(LIMIT, || {
        assert_eq!(crowds(plans(Through::Channel, BOUNDED, MOST)), [""; 0], "more than {BOUND} calls for each message")
    });
}

#[test]
fn all_senders_are_threads_of_one_process() {
    alone(LIMIT, || {
        let plan = |capacity| Plan { processes: 1, ..plans(Through::Channel, capacity, each())[1] };
        assert_eq!(crowds([BOUNDED, unbounded()].map(plan)), [""; 0], "more than {BOUND} calls for each message");
    });
}

/// Where there is hardly room, nearly every message has its sender and its receiver sleep and be woken, and others who find the
/// room taken: [`BOUND`] does not hold, and what it takes is printed.
#[test]
fn all_get_through_where_there_is_hardly_room() {
    alone(LIMIT, || {
        let tight = [Capacity::Zero, Capacity::Bounded(1)];
        for dear in crowds(tight.into_iter().flat_map(|capacity| plans(Through::Channel, capacity, each()))) {
            println!("more than {BOUND} futex calls for each message: {dear}");
        }
    });
}

#[test]
fn the_count_sees_the_calls_that_are_made() {
    const CALLS: u32 = 100;
    alone(LIMIT, || {
        let counter = match Counter::install() {
            Ok(counter) => counter,
            Err(error) => return println!("not counted here: {error}"),
        };
        let before = counter.so_far();
        let word = Shared::new(AtomicU32::new(0));
        fork("who calls", || {
            thread::scope(|scope| {
                scope.spawn(|| {
                    (0..CALLS).for_each(|_| {
                        futex_wake(&word, 1);
                    });
                });
                for _ in 0..CALLS {
                    // It holds another value: nobody sleeps.
                    assert_eq!(futex_wait(&word, 1, None), WaitOutcome::Changed);
                }
            });
        })
        .succeed();
        let calls = counter.so_far().since(before);
        assert_eq!((calls.waits, calls.wakes), (CALLS.into(), CALLS.into()));
    });
}

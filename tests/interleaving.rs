//! Two processes at one object: one is held up after each machine instruction of its call, and the other one acts there.
//!
//! Tests that let processes run freely seldom make them meet within a few instructions, on a loaded machine hardly ever.
//! Here they do, at every place there is: the victim is traced and makes single steps. What this does not show is what
//! a weaker memory than this machine's would; that is for the models.
#![cfg(not(loom))]

mod support {
    pub(crate) mod actors;
    pub(crate) mod alone;
    pub(crate) mod patience;
    pub(crate) mod proc;
    pub(crate) mod shared;
    pub(crate) mod tracing;
}

use selvedge::Region;
use selvedge::region::{RecvError, RegionOptions, RoleError, SendError};
use std::cell::{Cell, RefCell};
use std::time::Duration;
use support::actors::fork;
use support::alone::alone;
use support::shared::{Mark, Shared};
use support::tracing::{Path, Reached, Traced, await_call, finish_call, let_go, may_trace, stay_on_one_processor};

/// For all instructions of one call.
const LIMIT: Duration = Duration::from_secs(120);
/// A call of more instructions than this waits for something in a loop.
const MOST: u32 = 5_000;
const REGION: &str = "interleaving";

fn options() -> RegionOptions {
    RegionOptions::new().processes(4).threads(4).objects(4).arena(16 << 10).backstop(None)
}

/// Opened by the victim, or made by the director.
fn region() -> Region {
    options().open_or_create(REGION).expect("a region")
}

/// What victim and director tell each other.
#[derive(Debug, Default)]
struct Board {
    traced: Traced,
    answer: Mark,
    judged: Mark,
}

const NO: u32 = 1;
const YES: u32 = 2;

impl Board {
    /// The victim's call, which is traced.
    fn call<R>(&self, call: impl FnOnce() -> R) -> R {
        self.traced.call(call)
    }

    /// The victim says whether it succeeded, and keeps what it has until that was judged.
    fn say(&self, success: bool) {
        self.answer.set(if success { YES } else { NO });
        self.judged.wait("the judgement");
    }
}

/// Holds the victim up after 0, 1, 2, … instructions of its call, until there are no more, and lets the `other` process,
/// this one, act there. Then the victim goes on, and `judge` is told whether it succeeded, and what the other one has.
fn at_each_instruction<T>(
    call: &str,
    victim: impl Fn(&Board),
    mut other: impl FnMut() -> T,
    mut judge: impl FnMut(bool, T),
) {
    if !may_trace() {
        return eprintln!("skipped: this machine forbids tracing");
    }
    stay_on_one_processor();
    let (mut steps, mut path) = (0, Path::default());
    while steps < MOST {
        let board = Shared::new(Board::default());
        let actor = fork("the victim", || victim(&board));
        await_call(&actor);
        let reached = path.make_steps(&actor, steps);
        let others = other();
        if reached == Reached::There {
            finish_call(&actor);
        }
        let_go(&actor);
        judge(board.answer.wait("the victim's answer") == YES, others);
        board.judged.set(YES);
        actor.succeed();
        // One that took another way was held up at the end of its call; the next one is led step by step.
        steps += u32::from(reached == Reached::There);
        if reached == Reached::End {
            assert!(steps > 10, "{call}: {steps} instructions are none of a call");
            return println!("{call}: held up after each of {steps} instructions");
        }
    }
    panic!("{call}: no end after {MOST} instructions");
}

#[test]
fn the_last_permit_is_acquired_once() {
    alone(LIMIT, || {
        let open = || region().semaphore("permits", 1).expect("a semaphore");
        let permits = open();
        at_each_instruction(
            "try_acquire",
            |board| {
                let permits = open();
                board.say(board.call(|| permits.try_acquire(1)).is_ok());
            },
            || permits.try_acquire(1).is_ok(),
            |victim, other| {
                assert!(victim != other, "the last permit was acquired by {}", if victim { "both" } else { "nobody" });
                assert_eq!(permits.available(), 0);
                permits.release().expect("room");
            },
        );
    });
}

#[test]
fn permits_that_are_acquired_and_released_at_once_are_all_counted() {
    alone(LIMIT, || {
        let open = || region().semaphore("permits", 3).expect("a semaphore");
        let permits = open();
        at_each_instruction(
            "acquire, while another acquires",
            |board| {
                let permits = open();
                board.say(board.call(|| permits.acquire()).is_ok());
            },
            || permits.try_acquire(2).is_ok(),
            |victim, other| {
                assert_eq!((victim, other, permits.available()), (true, true, 0));
                permits.release_many(3).expect("room");
            },
        );
        let release = |board: &Board| {
            let permits = open();
            board.say(board.call(|| permits.release()).is_ok());
        };
        at_each_instruction(
            "release, while another acquires",
            release,
            || permits.try_acquire(2).is_ok(),
            |victim, other| {
                assert_eq!((victim, other, permits.available()), (true, true, 2));
                permits.release().expect("room");
            },
        );
        at_each_instruction(
            "release, while another releases",
            release,
            || permits.release().is_ok(),
            |victim, other| {
                assert_eq!((victim, other, permits.available()), (true, true, 5));
                permits.try_acquire(2).expect("they are there");
            },
        );
    });
}

#[test]
fn a_mutex_is_locked_once() {
    alone(LIMIT, || {
        let open = || region().mutex("mutex", [0_u64; 2]).expect("a mutex");
        let mutex = open();
        at_each_instruction(
            "try_lock",
            |board| {
                let mutex = open();
                let guard = board.call(|| mutex.try_lock());
                board.say(guard.is_ok());
            },
            || mutex.try_lock(),
            |victim, other| {
                assert!(victim != other.is_ok(), "locked by {}", if victim { "both" } else { "nobody" });
            },
        );
        at_each_instruction(
            "write and unlock",
            |board| {
                let mutex = open();
                let mut guard = mutex.lock().expect("free");
                board.call(|| {
                    guard[0] += 1;
                    // The compiler must not make one store of the two.
                    std::hint::black_box(&mut guard);
                    guard[1] += 1;
                    drop(guard);
                });
                board.say(true);
            },
            || mutex.try_lock().map(|guard| *guard).ok(),
            |_, seen| {
                let [one, other] = *mutex.try_lock().expect("free");
                assert_eq!(one, other);
                assert!(seen.is_none_or(|seen| seen == [one, other]), "{seen:?} was seen under the lock");
            },
        );
    });
}

/// Two words that belong together.
fn pair(number: u64) -> [u64; 2] {
    [number, !number]
}

#[test]
fn a_message_is_seen_whole_and_once() {
    alone(LIMIT, || {
        let open = || region().ring("ring", 2).expect("a ring");
        let receiver = RefCell::new(open().receiver().expect("free"));
        // Another one each time: what lies in the slot from before is another message.
        let next = Cell::new(0);
        at_each_instruction(
            "send",
            |board| {
                let mut sender = open().sender().expect("free");
                let message = pair(next.get());
                board.say(board.call(|| sender.send(message)).is_ok());
            },
            || receiver.borrow_mut().try_recv(),
            |victim, seen| {
                let later = receiver.borrow_mut().try_recv();
                let (message, nothing) = (Ok(pair(next.get())), Err(RecvError::Empty));
                assert!(victim);
                assert!(
                    [&seen, &later] == [&message, &nothing] || [&seen, &later] == [&nothing, &message],
                    "{seen:?}, {later:?}"
                );
                next.set(next.get() + 1);
            },
        );
    });
}

#[test]
fn room_is_made_once() {
    alone(LIMIT, || {
        let open = || region().ring("ring", 2).expect("a ring");
        let sender = RefCell::new(open().sender().expect("free"));
        let next = Cell::new(0);
        let send = || {
            let sent = sender.borrow_mut().try_send(pair(next.get()));
            next.set(next.get() + u64::from(sent.is_ok()));
            sent
        };
        // Full between rounds, and once more as soon as the victim has made room.
        let fill = || while send().is_ok() {};
        fill();
        at_each_instruction(
            "receive",
            |board| {
                let mut receiver = open().receiver().expect("free");
                let oldest = pair(next.get() - 2);
                board.say(board.call(|| receiver.recv()) == Ok(oldest));
            },
            send,
            |victim, sent| {
                assert!(victim, "the oldest message was not received");
                let expected = if sent.is_ok() { Err(SendError::Full(pair(next.get()))) } else { Ok(()) };
                assert!(sent.is_ok() || matches!(sent, Err(SendError::Full(_))), "{sent:?}");
                assert_eq!(send(), expected, "there is room for one");
            },
        );
    });
}

#[test]
fn an_end_is_taken_once() {
    alone(LIMIT, || {
        let open = || region().ring::<[u64; 2]>("ring", 2).expect("a ring");
        let ring = open();
        at_each_instruction(
            "try_sender",
            |board| {
                let ring = open();
                let sender = board.call(|| ring.try_sender());
                board.say(sender.is_ok());
            },
            || ring.try_sender().map_err(|error| assert_eq!(error, RoleError::Taken)).ok(),
            |victim, other| {
                assert!(victim != other.is_some(), "taken by {}", if victim { "both" } else { "nobody" });
            },
        );
    });
}

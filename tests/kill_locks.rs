//! SIGKILL before every synchronisation step of the operations of owned semaphore and readers-writer lock.
//!
//! As in `kill.rs`: the survivors get on within their deadline, with keepers alone to repair.
#![cfg(not(loom))]

mod support {
    pub(crate) mod actors;
    pub(crate) mod alone;
    pub(crate) mod patience;
    pub(crate) mod proc;
    pub(crate) mod shared;
    pub(crate) mod sweep;
}

use selvedge::Region;
use selvedge::primitives::waiting::Wait;
use selvedge::region::{OwnedSemaphore, RegionOptions, RwLock, RwLockError};
use std::time::Duration;
use support::actors::{Actor, fork};
use support::alone::alone;
use support::patience::{PATIENCE, until};
use support::shared::{Mark, Shared};
use support::sweep::sweep;

const LIMIT: Duration = Duration::from_secs(120);
const REGION: &str = "kill-locks";
const NAME: &str = "object";

fn options() -> RegionOptions {
    RegionOptions::new().processes(5).threads(4).objects(4).arena(16 << 10).backstop(None)
}

fn opened() -> Region {
    options().open(REGION).expect("the director has made it")
}

/// What the processes of one round tell each other.
#[derive(Debug, Default)]
struct Board {
    ready: Mark,
    waits: Mark,
    go_on: Mark,
}

impl Board {
    fn until_waiting(&self, waiter: &Actor) {
        until("the waiter sleeps", || {
            assert!(!waiter.is_dead(), "it was to wait");
            self.waits.get() != 0 && waiter.is_asleep()
        });
    }
}

fn permits(region: &Region) -> OwnedSemaphore {
    region.owned_semaphore(NAME, 2).expect("a semaphore").with_wait(Wait::Block)
}

const ALL: &str = "all permits are there";

/// All permits come home, within the survivors' deadline.
fn all_home(semaphore: &OwnedSemaphore) -> &'static str {
    drop(semaphore.acquire_timeout(2, PATIENCE).expect("they come home"));
    assert_eq!(semaphore.available(), 2);
    ALL
}

#[test]
fn permits_are_taken_and_given_back() {
    alone(LIMIT, || {
        let region = options().create(REGION).expect("a region");
        let stage = permits(&region);
        sweep("owned semaphore: take two, give back, take one, give back", [ALL], |round| {
            let board = Shared::new(Board::default());
            let victim = round.victim(&board.ready, |steps| {
                let semaphore = permits(&opened());
                board.ready.set(1);
                steps.take(|| drop(semaphore.try_acquire(2).expect("two are there")));
                steps.take(|| drop(semaphore.try_acquire(1).expect("two are there")));
            });
            (victim.end(), all_home(&stage))
        });
    });
}

#[test]
fn permits_are_given_back_while_others_wait() {
    alone(LIMIT, || {
        let region = options().create(REGION).expect("a region");
        let stage = permits(&region);
        sweep("owned semaphore: give back while somebody waits", [ALL], |round| {
            let board = Shared::new(Board::default());
            let victim = round.victim(&board.ready, |steps| {
                let semaphore = permits(&opened());
                let permit = semaphore.acquire_many(2).expect("two are there");
                board.ready.set(1);
                board.go_on.wait("the others wait");
                steps.take(|| drop(permit));
            });
            let waiters = [1, 2].map(|n| {
                board.waits.set(0);
                let waiter = fork("the waiter", || {
                    let semaphore = permits(&opened());
                    board.waits.set(1);
                    drop(semaphore.acquire_timeout(n, PATIENCE).expect("it gets some"));
                });
                board.until_waiting(&waiter);
                waiter
            });
            board.go_on.set(1);
            let ending = victim.end();
            waiters.into_iter().for_each(Actor::succeed);
            (ending, all_home(&stage))
        });
    });
}

#[test]
fn somebody_waits_for_permits() {
    alone(LIMIT, || {
        let region = options().create(REGION).expect("a region");
        let stage = permits(&region);
        sweep("owned semaphore: wait for a permit, take it", [ALL], |round| {
            let board = Shared::new(Board::default());
            let held = stage.acquire_many(2).expect("two are there");
            let victim = round.victim(&board.ready, |steps| {
                let semaphore = permits(&opened());
                board.ready.set(1);
                steps.take(|| drop(semaphore.acquire().expect("it comes")));
            });
            until("the victim sleeps or is dead", || victim.is_dead() || victim.is_asleep());
            drop(held);
            (victim.end(), all_home(&stage))
        });
    });
}

type Pair = [u32; 2];

fn lock(region: &Region) -> RwLock<Pair> {
    region.rwlock(NAME, [0, 0]).expect("a lock").with_wait(Wait::Block)
}

const UNTOUCHED: &str = "consistent, untouched";
const TOLD_UNTOUCHED: &str = "told of the death, untouched";
const TOLD_HALF: &str = "told of the death, half written";
const TOLD_WHOLE: &str = "told of the death, written";
const WRITTEN: &str = "consistent, written";

/// What a reader finds, as a number that fits a mark: the sum of the pair, and 10 if it is told of a death.
fn found(lock: &RwLock<Pair>) -> u32 {
    match lock.read_timeout(PATIENCE) {
        Ok(pair) => 1 + pair[0] + pair[1],
        Err(RwLockError::OwnerDied(pair)) => 11 + pair[0] + pair[1],
        Err(error) => panic!("a survivor waited {PATIENCE:?} to read: {error}"),
    }
}

fn state_of(found: u32) -> &'static str {
    match found {
        1 => UNTOUCHED,
        11 => TOLD_UNTOUCHED,
        12 => TOLD_HALF,
        13 => TOLD_WHOLE,
        3 => WRITTEN,
        other => panic!("torn, and nobody was told: {other}"),
    }
}

/// The next writer puts zeros there again.
fn mend(lock: &RwLock<Pair>) {
    let guard = lock.write_timeout(PATIENCE);
    let mut guard = guard.unwrap_or_else(|error| error.into_guard().expect("it is free in time"));
    *guard = [0, 0];
    guard.mark_consistent();
}

#[test]
fn somebody_writes() {
    alone(LIMIT, || {
        let region = options().create(REGION).expect("a region");
        let stage = lock(&region);
        let states = [UNTOUCHED, TOLD_UNTOUCHED, TOLD_HALF, TOLD_WHOLE, WRITTEN];
        sweep("readers-writer lock: write", states, |round| {
            let board = Shared::new(Board::default());
            let victim = round.victim(&board.ready, |steps| {
                let lock = lock(&opened());
                board.ready.set(1);
                steps.take(|| {
                    let mut pair = lock.write().expect("free");
                    for value in pair.iter_mut() {
                        *value += 1;
                        // Between the two writes is a step at which it can be killed.
                        selvedge::sync::fence(selvedge::sync::Ordering::SeqCst);
                    }
                });
            });
            let (ending, state) = (victim.end(), state_of(found(&stage)));
            mend(&stage);
            (ending, state)
        });
    });
}

#[test]
fn somebody_stops_writing_while_others_wait() {
    alone(LIMIT, || {
        let region = options().create(REGION).expect("a region");
        let stage = lock(&region);
        sweep("readers-writer lock: stop writing while others wait", [TOLD_WHOLE, WRITTEN], |round| {
            let board = Shared::new(Board::default());
            let told = Shared::new(Mark::default());
            let victim = round.victim(&board.ready, |steps| {
                let lock = lock(&opened());
                let mut pair = lock.write().expect("free");
                *pair = [1, 1];
                board.ready.set(1);
                board.go_on.wait("the others wait");
                steps.take(|| drop(pair));
            });
            let reader = fork("the reader", || {
                let lock = lock(&opened());
                board.waits.set(1);
                told.set(found(&lock));
            });
            board.until_waiting(&reader);
            board.go_on.set(1);
            let ending = victim.end();
            reader.succeed();
            mend(&stage);
            (ending, state_of(told.get()))
        });
    });
}

const GOES_ON: &str = "the writer goes on";

#[test]
fn somebody_reads_while_a_writer_waits() {
    alone(LIMIT, || {
        let region = options().create(REGION).expect("a region");
        let stage = lock(&region);
        sweep("readers-writer lock: stop reading while a writer waits", [GOES_ON], |round| {
            let board = Shared::new(Board::default());
            let victim = round.victim(&board.ready, |steps| {
                let lock = lock(&opened());
                let pair = lock.read().expect("free");
                board.ready.set(1);
                board.go_on.wait("the writer waits");
                steps.take(|| drop(pair));
            });
            let writer = fork("the writer", || {
                let lock = lock(&opened());
                board.waits.set(1);
                drop(lock.write_timeout(PATIENCE).expect("the reader is gone"));
            });
            board.until_waiting(&writer);
            board.go_on.set(1);
            let ending = victim.end();
            writer.succeed();
            drop(stage.try_write().expect("nobody is there"));
            (ending, GOES_ON)
        });
    });
}

#[test]
fn somebody_comes_to_read_while_one_writes() {
    alone(LIMIT, || {
        let region = options().create(REGION).expect("a region");
        let stage = lock(&region);
        sweep("readers-writer lock: wait to read, read", [GOES_ON], |round| {
            let board = Shared::new(Board::default());
            let held = stage.write().expect("free");
            let victim = round.victim(&board.ready, |steps| {
                let lock = lock(&opened());
                board.ready.set(1);
                steps.take(|| drop(lock.read().expect("the writer stops")));
            });
            until("the victim sleeps or is dead", || victim.is_dead() || victim.is_asleep());
            drop(held);
            drop(stage.write_timeout(PATIENCE).expect("no dead reader counts"));
            (victim.end(), GOES_ON)
        });
    });
}

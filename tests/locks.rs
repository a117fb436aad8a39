//! Owned semaphore and readers-writer lock between real processes: what they promise, and what a `kill -9` does.
#![cfg(not(loom))]

mod support {
    pub(crate) mod actors;
    pub(crate) mod alone;
    pub(crate) mod patience;
    pub(crate) mod proc;
    pub(crate) mod shared;
}

use selvedge::Region;
use selvedge::region::{ObjectErrorKind, PermitError, RegionOptions, RwLockError};
use std::time::Duration;
use support::actors::{Actor, die_alone, fork};
use support::alone::alone;
use support::patience::{PATIENCE, until};
use support::shared::{Mark, Shared};

const LIMIT: Duration = Duration::from_secs(120);
const REGION: &str = "locks";
/// How long a wait in vain waits.
const SHORT: Duration = Duration::from_millis(2);

fn options() -> RegionOptions {
    RegionOptions::new().processes(8).threads(4).objects(8).arena(64 << 10).backstop(None)
}

fn made() -> Region {
    options().create(REGION).expect("a region")
}

fn opened() -> Region {
    options().open(REGION).expect("the director has made it")
}

fn until_asleep(actor: &Actor, entered: &Mark) {
    until("somebody waits", || actor.is_dead() || (entered.get() != 0 && actor.is_asleep()));
    assert!(!actor.is_dead(), "it was to wait");
}

#[test]
fn permits_are_counted_and_given_back() {
    let region = options().anonymous().expect("a region");
    let semaphore = region.owned_semaphore("permits", 3).expect("a semaphore");
    let two = semaphore.acquire_many(2).expect("three are there");
    let one = semaphore.try_acquire(1).expect("one is there");
    assert_eq!((two.count(), one.count(), semaphore.available()), (2, 1, 0));
    assert!(matches!(semaphore.try_acquire(1), Err(PermitError::WouldBlock)));
    assert!(matches!(semaphore.acquire_timeout(1, SHORT), Err(PermitError::TimedOut)));
    let too_many = semaphore.acquire_many(4).expect_err("there are three in all");
    insta::assert_snapshot!(too_many, @"semaphore `permits`: asked for 4 permits, there are 3 in all");
    drop(two);
    assert_eq!(semaphore.available(), 2);
    drop(one);
    // Made once: what another asks for later changes nothing.
    assert_eq!(region.owned_semaphore("permits", 1).expect("it is there").permits(), 3);
    // 32 thread slots have 6 bits; a sequence has 38.
    let error = region.owned_semaphore("large", 5_000).expect_err("too many");
    assert_eq!(error.kind(), ObjectErrorKind::TooManyPermits { given: 5_000, most: 4_095 });
    let largest = region.owned_semaphore("large", 4_095).expect("as many as possible");
    drop(largest.acquire_many(4_095).expect("they are there"));
    assert_eq!(largest.available(), 4_095);
}

#[test]
fn permits_of_the_killed_come_home() {
    alone(LIMIT, || {
        let region = made();
        let semaphore = region.owned_semaphore("permits", 4).expect("a semaphore");
        for round in 0..20_u32 {
            let (holds, waits) = (Shared::new(Mark::default()), Shared::new(Mark::default()));
            let holder = fork("the holder", || {
                let semaphore = opened().owned_semaphore("permits", 4).expect("it is there");
                let _many = semaphore.acquire_many(3).expect("they are there");
                let _one = semaphore.acquire().expect("one is left");
                holds.set(1);
                loop {
                    std::thread::park();
                }
            });
            holds.wait("somebody holds all");
            let waiter = fork("the waiter", || {
                let semaphore = opened().owned_semaphore("permits", 4).expect("it is there");
                waits.set(1);
                drop(semaphore.acquire_timeout(1 + round % 4, PATIENCE).expect("they come home"));
            });
            until_asleep(&waiter, &waits);
            holder.kill_and_reap();
            waiter.succeed();
            drop(semaphore.acquire_timeout(4, PATIENCE).expect("all are there"));
        }
    });
}

#[test]
fn permits_of_a_thread_that_ends_come_home() {
    let region = options().anonymous().expect("a region");
    let semaphore = region.owned_semaphore("permits", 2).expect("a semaphore");
    std::thread::scope(|scope| {
        // Joined: the scope alone does not wait for what a thread does when it ends.
        let thread = scope.spawn(|| std::mem::forget(semaphore.acquire().expect("two are there")));
        thread.join().expect("it forgets its permit");
    });
    assert_eq!(semaphore.available(), 2, "what was forgotten comes home with the thread");
    // Nobody is told of the death of one thread; whoever waits for long looks for it.
    let region = options().backstop(Some(SHORT)).anonymous().expect("a region");
    let semaphore = region.owned_semaphore("permits", 1).expect("a semaphore");
    let killed = semaphore.clone();
    std::thread::spawn(move || {
        std::mem::forget(killed.acquire().expect("one is there"));
        die_alone();
    });
    until("the permit is taken", || semaphore.available() == 0);
    drop(semaphore.acquire_timeout(1, PATIENCE).expect("it comes home"));
}

#[test]
fn a_forked_child_does_not_give_back_what_is_its_parents() {
    alone(LIMIT, || {
        let region = made();
        let semaphore = region.owned_semaphore("permits", 2).expect("a semaphore");
        let lock = region.rwlock("lock", 0_u8).expect("a lock");
        let (permit, guard) = (semaphore.acquire().expect("two are there"), lock.write().expect("free"));
        let mut inherited = Some((permit, guard));
        fork("the child", || drop(inherited.take())).succeed();
        assert_eq!(semaphore.available(), 1);
        let other = fork("another process", || {
            let lock = opened().rwlock("lock", 0_u8).expect("it is there");
            assert!(matches!(lock.try_read().map(drop).map_err(RwLockError::give_up), Err(RwLockError::WouldBlock)));
        });
        other.succeed();
        drop(inherited.take());
        assert_eq!(semaphore.available(), 2);
        drop(lock.try_read().expect("free again"));
    });
}

#[test]
fn many_read_and_one_writes() {
    alone(LIMIT, || {
        let region = made();
        let lock = region.rwlock("pair", [0_u64; 2]).expect("a lock");
        let actors: Vec<Actor> = (0..4)
            .map(|index| {
                fork("a user", || {
                    let lock = opened().rwlock("pair", [0_u64; 2]).expect("it is there");
                    for _ in 0..2_000 {
                        if index == 0 {
                            let mut pair = lock.write_timeout(PATIENCE).expect("it is free in time");
                            pair[0] += 1;
                            pair[1] += 1;
                        } else {
                            let pair = lock.read_timeout(PATIENCE).expect("it is free in time");
                            assert_eq!(pair[0], pair[1]);
                            // A thread that reads may read once more.
                            assert_eq!(*lock.try_read().expect("it reads already"), *pair);
                        }
                    }
                })
            })
            .collect();
        actors.into_iter().for_each(Actor::succeed);
        assert_eq!(*lock.read().expect("free"), [2_000; 2]);
        let reads = lock.read().expect("free");
        assert!(matches!(lock.try_write().map_err(RwLockError::give_up), Err(RwLockError::Relocked)));
        drop(reads);
        let writes = lock.write().expect("free");
        assert!(matches!(lock.read().map_err(RwLockError::give_up), Err(RwLockError::Relocked)));
        assert!(matches!(lock.write().map_err(RwLockError::give_up), Err(RwLockError::Relocked)));
        drop(writes);
    });
}

#[test]
fn a_writer_that_waits_keeps_readers_out() {
    alone(LIMIT, || {
        let region = made();
        let lock = region.rwlock("value", 0_u32).expect("a lock");
        let reads = lock.read().expect("free");
        let entered = Shared::new(Mark::default());
        let writer = fork("the writer", || {
            let lock = opened().rwlock("value", 0_u32).expect("it is there");
            entered.set(1);
            *lock.write_timeout(PATIENCE).expect("the reader stops") = 1;
        });
        until_asleep(&writer, &entered);
        let refused = Shared::new(Mark::default());
        let reader = fork("another reader", || {
            let lock = opened().rwlock("value", 0_u32).expect("it is there");
            assert!(matches!(lock.try_read().map(drop).map_err(RwLockError::give_up), Err(RwLockError::WouldBlock)));
            refused.set(1);
            assert_eq!(*lock.read_timeout(PATIENCE).expect("the writer stops"), 1);
        });
        until_asleep(&reader, &refused);
        assert_eq!(*reads, 0);
        drop(reads);
        writer.succeed();
        reader.succeed();
    });
}

#[test]
fn readers_and_writers_that_are_killed() {
    alone(LIMIT, || {
        let region = made();
        let lock = region.rwlock("pair", [0_u64; 2]).expect("a lock");
        let inside = |name, writes: bool| {
            let entered = Shared::new(Mark::default());
            let actor = fork(name, || {
                let lock = opened().rwlock("pair", [0_u64; 2]).expect("it is there");
                if writes {
                    let mut pair = lock.write().expect("free");
                    pair[0] += 1;
                    entered.set(1);
                    std::thread::park();
                } else {
                    let _pair = lock.read().expect("free");
                    entered.set(1);
                    std::thread::park();
                }
            });
            entered.wait("it is in");
            actor
        };
        // A dead reader does not count.
        inside("a reader to be killed", false).kill_and_reap();
        drop(lock.write_timeout(PATIENCE).expect("the dead reader is not counted"));
        // A dead writer is told of, to all, until somebody declares the value consistent.
        inside("a writer to be killed", true).kill_and_reap();
        let torn = lock.read_timeout(PATIENCE).map(drop).expect_err("the writer died").into_guard();
        assert_eq!(*torn.expect("it can be read"), [1, 0]);
        assert!(matches!(lock.read_timeout(PATIENCE).map_err(RwLockError::give_up), Err(RwLockError::OwnerDied(()))));
        let unmended = lock.write_timeout(PATIENCE).map(drop).expect_err("the writer died").into_guard();
        drop(unmended.expect("it can be written"));
        let mut mended = lock.write_timeout(PATIENCE).map(drop).expect_err("still").into_guard().expect("a guard");
        mended[1] = 1;
        mended.mark_consistent();
        drop(mended);
        assert_eq!(*lock.read().expect("it is whole"), [1, 1]);
        // A writer that only waited leaves nothing.
        let reads = lock.read().expect("free");
        let entered = Shared::new(Mark::default());
        let waiting = fork("a writer that waits", || {
            let lock = opened().rwlock("pair", [0_u64; 2]).expect("it is there");
            entered.set(1);
            let _ = lock.write();
        });
        until_asleep(&waiting, &entered);
        waiting.kill_and_reap();
        drop(reads);
        assert_eq!(*lock.read_timeout(PATIENCE).expect("nobody wrote"), [1, 1]);
    });
}

//! Event, condition variable, barrier and what is made once, between real processes: what they promise, and what a
//! `kill -9` does.
#![cfg(not(loom))]

mod support {
    pub(crate) mod actors;
    pub(crate) mod alone;
    pub(crate) mod patience;
    pub(crate) mod proc;
    pub(crate) mod shared;
}

use selvedge::Region;
use selvedge::region::{BarrierError, EventError, LockError, OnceError, Passed, RegionOptions};
use std::time::Duration;
use support::actors::{Actor, fork};
use support::alone::alone;
use support::patience::{PATIENCE, until};
use support::shared::{Mark, Shared};

const LIMIT: Duration = Duration::from_secs(120);
const REGION: &str = "coordination";
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

/// Waits until the process sleeps.
fn until_asleep(actor: &Actor, entered: &Mark) {
    until("somebody waits", || actor.is_dead() || (entered.get() != 0 && actor.is_asleep()));
    assert!(!actor.is_dead(), "it was to wait");
}

#[test]
fn an_event_releases_all_processes_that_wait() {
    alone(LIMIT, || {
        let region = made();
        let event = region.event("ready").expect("an event");
        assert_eq!(event.wait_timeout(SHORT), Err(EventError::TimedOut));
        let entered = Shared::new([Mark::default(), Mark::default(), Mark::default()]);
        let waiters: Vec<Actor> = (0..3)
            .map(|index| {
                fork("a waiter", || {
                    let event = opened().event("ready").expect("it is there");
                    entered[index].set(1);
                    event.wait_timeout(PATIENCE).expect("it is set");
                })
            })
            .collect();
        waiters.iter().enumerate().for_each(|(index, waiter)| until_asleep(waiter, &entered[index]));
        assert_eq!(event.set(), Ok(true));
        // Whoever waited before is not told otherwise.
        assert_eq!(event.reset(), Ok(true));
        waiters.into_iter().for_each(Actor::succeed);
        assert_eq!((event.is_set(), event.reset()), (Ok(false), Ok(false)));
    });
}

#[test]
fn waiters_that_were_killed_owe_nothing() {
    alone(LIMIT, || {
        let region = made();
        let (stock, changed) =
            (region.mutex("stock", 0_u64).expect("a mutex"), region.condvar("changed").expect("one"));
        let entered = Shared::new(Mark::default());
        let take = || {
            let region = opened();
            let (stock, changed) = (region.mutex("stock", 0_u64).expect("it"), region.condvar("changed").expect("it"));
            let mut stock = stock.lock().unwrap_or_else(|error| error.into_guard().expect("somebody died"));
            entered.set(entered.get() + 1);
            while *stock == 0 {
                stock = match changed.wait_timeout(stock, PATIENCE) {
                    Ok((stock, timed_out)) => {
                        assert!(!timed_out, "a waiter was not woken");
                        stock
                    }
                    Err(LockError::OwnerDied((mut stock, _))) => {
                        stock.mark_consistent();
                        stock
                    }
                    Err(error) => panic!("{error:?}"),
                };
            }
            *stock -= 1;
            stock.mark_consistent();
        };
        // As many as make the condition variable of glibc 2.36 hang in its broadcast, and two that live.
        for round in 0..3 {
            entered.set(0);
            let killed: Vec<Actor> = (0..4)
                .map(|index| {
                    let waiter = fork("a waiter to be killed", take);
                    until("it waits", || entered.get() > index && waiter.is_asleep());
                    waiter
                })
                .collect();
            let survivors: Vec<Actor> = (0..2)
                .map(|index| {
                    let waiter = fork("a waiter", take);
                    until("it waits", || entered.get() > 4 + index && waiter.is_asleep());
                    waiter
                })
                .collect();
            killed.into_iter().for_each(Actor::kill_and_reap);
            *stock.lock().unwrap_or_else(|error| error.into_guard().expect("somebody died")) += 2;
            if round == 0 {
                changed.notify_all().expect("the region is there");
            } else {
                changed.notify_one().expect("the region is there");
                changed.notify_one().expect("the region is there");
            }
            survivors.into_iter().for_each(Actor::succeed);
            assert_eq!(*stock.lock().expect("nobody died holding it"), 0);
        }
    });
}

#[test]
fn a_wait_with_a_mutex_of_another_region_is_refused() {
    let (one, other) = (Region::anonymous().expect("a region"), Region::anonymous().expect("a region"));
    let mutex = one.mutex("mutex", 1_u8).expect("a mutex");
    let condvar = other.condvar("condvar").expect("a condition variable");
    let refused = condvar.wait(mutex.lock().expect("free"));
    assert!(matches!(refused, Err(LockError::OtherRegion(_))), "{refused:?}");
    assert_eq!(*mutex.try_lock().expect("it was unlocked"), 1);
}

#[test]
fn members_meet_and_are_told_of_a_death() {
    alone(LIMIT, || {
        let region = made();
        let barrier = region.barrier("start", 3).expect("a barrier");
        let mine = barrier.join().expect("a free place");
        assert_eq!(mine.wait_timeout(SHORT), Err(BarrierError::TimedOut));
        let (entered, rounds) = (Shared::new([Mark::default(), Mark::default()]), Shared::new(Mark::default()));
        let members: Vec<Actor> = (0..2)
            .map(|index| {
                fork("a member", || {
                    let member = opened().barrier("start", 3).expect("it is there").join().expect("a free place");
                    for _ in 0..100 {
                        member.wait_timeout(PATIENCE).expect("all arrive");
                    }
                    entered[index].set(1);
                    match member.wait_timeout(PATIENCE) {
                        Err(BarrierError::Broken(_)) => rounds.set(1),
                        other => panic!("{other:?}"),
                    }
                })
            })
            .collect();
        let last = (0..100).filter(|_| mine.wait_timeout(PATIENCE).expect("all arrive") == Passed::AsLast).count();
        assert!(last <= 100);
        let full = barrier.join().expect_err("three are there");
        assert!(matches!(full, BarrierError::Full { members: 3, .. }), "{full}");
        members.iter().enumerate().for_each(|(index, member)| until_asleep(member, &entered[index]));
        let [victim, survivor] = <[Actor; 2]>::try_from(members).expect("two");
        victim.kill_and_reap();
        rounds.wait("the survivor is told");
        survivor.succeed();
        until("the barrier is seen broken", || barrier.is_broken() == Ok(true));
        assert!(matches!(mine.wait(), Err(BarrierError::Broken(_))));
        assert_eq!((barrier.reset(), barrier.reset()), (Ok(true), Ok(false)));
        // Places of the dead and of who left are free; two others come and all meet.
        let others: Vec<Actor> = (0..2)
            .map(|_| {
                fork("another member", || {
                    let barrier = opened().barrier("start", 3).expect("it is there");
                    barrier.join().expect("a free place").wait_timeout(PATIENCE).expect("all arrive");
                })
            })
            .collect();
        mine.wait_timeout(PATIENCE).expect("all arrive");
        others.into_iter().for_each(Actor::succeed);
    });
}

#[test]
fn a_value_is_made_once_whoever_is_killed_making_it() {
    alone(LIMIT, || {
        let region = made();
        let value = region.once::<[u64; 2]>("value").expect("a place");
        let started = Shared::new(Mark::default());
        let maker = fork("the maker that is killed", || {
            let value = opened().once::<[u64; 2]>("value").expect("it is there");
            let _ = value.get_or_init(|| {
                started.set(1);
                loop {
                    std::thread::park();
                }
            });
        });
        started.wait("somebody makes the value");
        assert_eq!(value.get_or_init_timeout(|| [9, 9], SHORT), Err(OnceError::TimedOut));
        assert_eq!(value.get(), Ok(None));
        let entered = Shared::new(Mark::default());
        let heir = fork("the heir", || {
            let value = opened().once::<[u64; 2]>("value").expect("it is there");
            entered.set(1);
            assert_eq!(value.get_or_init_timeout(|| [7, 8], PATIENCE), Ok([7, 8]));
        });
        until_asleep(&heir, &entered);
        maker.kill_and_reap();
        heir.succeed();
        assert_eq!(value.get(), Ok(Some([7, 8])));
        assert_eq!(value.get_or_init(|| [1, 1]), Ok([7, 8]));
    });
}

#[test]
fn who_fails_to_make_a_value_leaves_it_to_the_next() {
    let region = Region::anonymous().expect("a region");
    let value = region.once::<u32>("value").expect("a place");
    assert_eq!(value.get_or_try_init(|| Err("no")), Err(OnceError::Failed("no")));
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| value.get_or_init(|| panic!("no"))));
    assert!(panicked.is_err());
    let again = value.clone();
    let recursive = value.get_or_try_init(|| again.get_or_init(|| 1));
    assert!(matches!(recursive, Err(OnceError::Failed(OnceError::Recursive(_)))), "{recursive:?}");
    assert_eq!(value.get_or_init(|| 5), Ok(5));
}

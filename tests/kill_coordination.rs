//! SIGKILL before every synchronisation step of the operations of event, condition variable, barrier and once.
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
use selvedge::region::{Barrier, BarrierError, Condvar, Event, Mutex, Once, RegionOptions};
use std::time::Duration;
use support::actors::{Actor, fork};
use support::alone::alone;
use support::patience::{PATIENCE, until};
use support::shared::{Mark, Shared};
use support::sweep::sweep;

const LIMIT: Duration = Duration::from_secs(120);
const REGION: &str = "kill-coordination";
const NAME: &str = "object";

fn options() -> RegionOptions {
    RegionOptions::new().processes(5).threads(4).objects(4).arena(16 << 10).backstop(None)
}

fn made() -> Region {
    options().create(REGION).expect("a region")
}

fn opened() -> Region {
    options().open(REGION).expect("the director has made it")
}

/// What the processes of one round tell each other.
#[derive(Debug, Default)]
struct Board {
    ready: Mark,
    waits: Mark,
    told: Mark,
}

fn until_waiting(board: &Board, waiter: &Actor) {
    until("the waiter sleeps", || {
        assert!(!waiter.is_dead(), "it was to wait");
        board.waits.get() != 0 && waiter.is_asleep()
    });
}

#[test]
fn an_event_is_set_while_somebody_waits() {
    let event = |region: &Region| -> Event { region.event(NAME).expect("an event") };
    alone(LIMIT, || {
        let region = made();
        let stage = event(&region);
        sweep("event: set it while somebody waits", ["not set", "set"], |round| {
            let board = Shared::new(Board::default());
            stage.reset().expect("the region is there");
            let waiter = fork("the waiter", || {
                let event = event(&opened());
                board.waits.set(1);
                event.wait_timeout(PATIENCE).expect("it is set");
            });
            until_waiting(&board, &waiter);
            let victim = round.victim(&board.ready, |steps| {
                let event = event(&opened());
                board.ready.set(1);
                steps.take(|| event.set().expect("the region is there"));
            });
            let ending = victim.end();
            let was_set = stage.is_set().expect("the region is there");
            if !was_set {
                stage.set().expect("the region is there");
            }
            waiter.succeed();
            (ending, if was_set { "set" } else { "not set" })
        });
    });
}

#[test]
fn a_value_is_made() {
    let once = |region: &Region| -> Once<[u64; 2]> { region.once(NAME).expect("a place") };
    alone(LIMIT, || {
        let region = made();
        sweep("once: make the value", ["not made", "made"], |round| {
            let board = Shared::new(Board::default());
            let stage = once(&region);
            let victim = round.victim(&board.ready, |steps| {
                let once = once(&opened());
                board.ready.set(1);
                steps.take(|| once.get_or_init(|| [1, 2]).expect("nobody else makes it"));
            });
            let ending = victim.end();
            let found = stage.get().expect("the region is there");
            let value = stage.get_or_init_timeout(|| [3, 4], PATIENCE).expect("it can be made again");
            assert_eq!(value, found.unwrap_or([3, 4]));
            region.remove_object(NAME).expect("it is there");
            match found {
                None => (ending, "not made"),
                Some([1, 2]) => (ending, "made"),
                Some(torn) => panic!("{torn:?}"),
            }
        });
    });
}

#[test]
fn somebody_is_notified() {
    let stock = |region: &Region| -> (Mutex<u64>, Condvar) {
        (region.mutex("stock", 0).expect("a mutex"), region.condvar(NAME).expect("a condition variable"))
    };
    alone(LIMIT, || {
        let region = made();
        let (goods, _) = stock(&region);
        sweep("condition variable: notify one who waits", ["who waits goes on"], |round| {
            let board = Shared::new(Board::default());
            let waiter = fork("the waiter", || {
                let (goods, changed) = stock(&opened());
                let mut goods = goods.lock().expect("free");
                board.waits.set(1);
                while *goods == 0 {
                    let timed_out;
                    (goods, timed_out) = changed.wait_timeout(goods, PATIENCE).expect("nobody dies holding it");
                    assert!(!timed_out, "nobody was told");
                }
                *goods -= 1;
            });
            until_waiting(&board, &waiter);
            *goods.lock().expect("the waiter lets go of it") += 1;
            let victim = round.victim(&board.ready, |steps| {
                let (_, changed) = stock(&opened());
                board.ready.set(1);
                steps.take(|| changed.notify_one().expect("the region is there"));
            });
            // Killed before it has notified, its death wakes those who wait.
            let ending = victim.end();
            waiter.succeed();
            assert_eq!(*goods.lock().expect("free"), 0);
            (ending, "who waits goes on")
        });
    });
}

const BROKEN: &str = "broken";
const MET: &str = "all have met";

fn barrier(region: &Region) -> Barrier {
    region.barrier(NAME, 2).expect("a barrier")
}

/// One round of a barrier between the victim and somebody else, who waits before the victim comes, or comes after it waits.
fn meet(victim_is_last: bool) {
    alone(LIMIT, || {
        let region = made();
        let operation = if victim_is_last { "barrier: arrive last" } else { "barrier: arrive first" };
        sweep(operation, [BROKEN, MET], |round| {
            let board = Shared::new(Board::default());
            let stage = barrier(&region);
            let other = || {
                let member = barrier(&opened()).join().expect("a free place");
                board.waits.set(1);
                board.told.set(match member.wait_timeout(PATIENCE) {
                    Ok(_) => 1,
                    Err(BarrierError::Broken(_)) => 2,
                    Err(error) => panic!("{error}"),
                });
            };
            let waiter = victim_is_last.then(|| fork("the other member", other));
            waiter.iter().for_each(|waiter| until_waiting(&board, waiter));
            let victim = round.victim(&board.ready, |steps| {
                let member = barrier(&opened()).join().expect("a free place");
                board.ready.set(1);
                steps.take(|| member.wait_timeout(PATIENCE).expect("the other comes"));
            });
            until("the victim sleeps or is through", || victim_is_last || victim.is_dead() || victim.is_asleep());
            let waiter = waiter.unwrap_or_else(|| fork("the other member", other));
            let told = board.told.wait("the other member is told");
            waiter.succeed();
            let ending = victim.end();
            drop(stage);
            region.remove_object(NAME).expect("it is there");
            (ending, if told == 1 { MET } else { BROKEN })
        });
    });
}

#[test]
fn a_member_arrives_last() {
    meet(true);
}

#[test]
fn a_member_arrives_first() {
    meet(false);
}

//! Two deaths in a row, or a death and a wake in a row, 0 to 60 µs apart: no waiter may be lost.
//!
//! Each scenario aims at one of the ways in which a waiter is lost for ever: the owner dies and then the waiter that was
//! woken for it; the waiter that an unlock woke dies and takes the wake along; a waiter's queue entry outlives it and
//! eats a wake. The repair is that of the keepers alone: the timed backstop is off in every process. It has a test of
//! its own at the end.
//!
//! `SELVEDGE_RUNS` is the number of runs of each scenario; [`RUNS`] if it is not set.
#![cfg(not(loom))]

mod stage;

#[path = "../support"]
mod support {
    pub(crate) mod actors;
    pub(crate) mod alone;
    pub(crate) mod patience;
    pub(crate) mod proc;
    pub(crate) mod shared;
}

use selvedge::region::{LockError, RegionOptions};
use stage::{Object, Part, Stage};
use std::time::{Duration, Instant};
use support::actors::{Actor, die_alone, fork};
use support::alone::alone;
use support::patience::{spin, until};
use support::proc;

const REGION: &str = "death";
/// How often each scenario is played.
const RUNS: u32 = 1_000;
/// For all runs of a scenario.
const LIMIT: Duration = Duration::from_secs(600);
/// Objects that a walk visits, where it is to take long.
const OBJECTS: u32 = 500;
/// Threads of a victim that has several.
const THREADS: usize = 4;

fn options() -> RegionOptions {
    RegionOptions::new().processes(8).threads(8).objects(600).arena(1 << 20).backstop(None)
}

fn runs() -> u32 {
    let given = std::env::var("SELVEDGE_RUNS").ok();
    given.map_or(RUNS, |runs| runs.parse().expect("SELVEDGE_RUNS is a number"))
}

/// Two events of run `run` lie this far apart: 0 to 60 µs, each as often as any other.
fn gap(run: u32) -> Duration {
    Duration::from_micros(u64::from(run * 7 % 61))
}

/// A process that holds the mutex, or the permit that comes home, until it is killed.
fn owner(stage: &Stage, object: Object) -> Actor {
    let owner = fork("the owner", || {
        stage.processors.spread_out();
        let part = Part::open();
        let _held = part.hold(object);
        stage.board.owner_has_it.set(stage.run);
        stage.board.never.wait("the kill");
    });
    stage.board.owner_has_it.wait_while(stage.run - 1, "the owner has the mutex");
    owner
}

fn owner_dies_then_the_waiter(scenario: &str, object: Object, threads: usize) {
    alone(LIMIT, || {
        Stage::new(object).play(scenario, |stage, gap| {
            let owner = owner(stage, object);
            let victim = stage.sleeping_victim(object, threads);
            stage.survivor_sleeps();
            owner.kill();
            spin(gap);
            victim.kill();
            stage.survivor_is_through();
            owner.kill_and_reap();
            victim.kill_and_reap();
            stage.part.pass_through(object);
        });
    });
}

fn unlock_then_the_waiter_dies(scenario: &str, object: Object, threads: usize) {
    alone(LIMIT, || {
        Stage::new(object).play(scenario, |stage, gap| {
            let guard = stage.part.hold(object);
            let victim = stage.sleeping_victim(object, threads);
            stage.survivor_sleeps();
            drop(guard);
            spin(gap);
            victim.kill();
            stage.survivor_is_through();
            victim.kill_and_reap();
            stage.part.pass_through(object);
        });
    });
}

fn waiter_dies_then_unlock(scenario: &str, object: Object, threads: usize) {
    alone(LIMIT, || {
        Stage::new(object).play(scenario, |stage, gap| {
            let guard = stage.part.hold(object);
            let victim = stage.sleeping_victim(object, threads);
            stage.survivor_sleeps();
            victim.kill();
            spin(gap);
            drop(guard);
            stage.survivor_is_through();
            victim.kill_and_reap();
            stage.part.pass_through(object);
        });
    });
}

#[test]
fn owner_dies_then_the_woken_waiter() {
    owner_dies_then_the_waiter("owner dies, then the woken waiter", Object::Mutex, 1);
}

#[test]
fn owner_unlocks_then_the_woken_waiter_dies() {
    unlock_then_the_waiter_dies("owner unlocks, then the woken waiter dies", Object::Mutex, 1);
}

#[test]
fn waiter_dies_then_the_owner_unlocks() {
    waiter_dies_then_unlock("waiter dies, then the owner unlocks", Object::Mutex, 1);
}

#[test]
fn owner_of_a_permit_dies_then_the_woken_waiter() {
    owner_dies_then_the_waiter("owner of a permit dies, then the woken waiter", Object::Owned, 1);
}

#[test]
fn owner_gives_a_permit_back_then_the_woken_waiter_dies() {
    unlock_then_the_waiter_dies("owner gives its permit back, then the woken waiter dies", Object::Owned, 1);
}

#[test]
fn waiter_dies_then_the_owner_gives_its_permit_back() {
    waiter_dies_then_unlock("waiter dies, then the owner gives its permit back", Object::Owned, 1);
}

/// Its threads leave their queues one by one, some of them after its keeper's death was announced.
#[test]
fn owner_dies_then_a_woken_waiter_of_several_threads() {
    owner_dies_then_the_waiter("owner dies, then a process with several waiters", Object::Mutex, THREADS);
}

#[test]
fn owner_unlocks_then_a_woken_waiter_of_several_threads_dies() {
    unlock_then_the_waiter_dies("owner unlocks, then a process with several waiters dies", Object::Mutex, THREADS);
}

#[test]
fn waiter_of_several_threads_dies_then_the_owner_unlocks() {
    waiter_dies_then_unlock("a process with several waiters dies, then the owner unlocks", Object::Mutex, THREADS);
}

/// The keeper that does the repair dies doing it: the others go on.
#[test]
fn owner_dies_then_an_undertaker_in_its_walk() {
    alone(LIMIT, || {
        let stage = Stage::new(Object::Mutex);
        // A walk takes its time where there is much to visit.
        let region = &stage.part.region;
        let visited: Vec<_> = (0..OBJECTS).map(|number| region.semaphore(&format!("object {number}"), 0)).collect();
        assert!(visited.iter().all(Result::is_ok));
        stage.play("owner dies, then an undertaker in its walk", |stage, gap| {
            let owner = owner(stage, Object::Mutex);
            let undertaker = fork("the undertaker", || {
                stage.processors.choose(stage.run);
                let _part = Part::open();
                stage.board.victim_enters.set(stage.run);
                stage.board.never.wait("the kill");
            });
            stage.board.victim_enters.wait_while(stage.run - 1, "the undertaker is attached");
            stage.survivor_sleeps();
            owner.kill();
            spin(gap);
            undertaker.kill();
            stage.survivor_is_through();
            owner.kill_and_reap();
            undertaker.kill_and_reap();
            stage.part.pass_through(Object::Mutex);
        });
    });
}

/// A permit or message that the dead may have taken with them is made good, then the survivor must be served.
fn gift_scenario(scenario: &str, object: Object, threads: usize, deaths: impl Fn(&Stage, &Actor, Duration)) {
    alone(LIMIT, || {
        let mut taken = 0;
        Stage::new(object).play(scenario, |stage, gap| {
            let part = &stage.part;
            let victim = stage.sleeping_victim(object, threads);
            stage.survivor_sleeps();
            deaths(stage, &victim, gap);
            victim.kill_and_reap();
            let mut served = false;
            until("the survivor gets what is there", || {
                let none_left = part.left(object) == 0;
                let asleep = stage.survivor().is_asleep();
                served = stage.board.survivor_is_through.get() == stage.run;
                served || (none_left && asleep)
            });
            if !served {
                taken += 1;
                part.give(object);
            }
            stage.survivor_is_through();
            // What somebody had sent who died is not counted until the next comes by: then there was one too many.
            assert!(part.take_rest(object) <= u32::from(!served), "one was given for each that was taken");
        });
        println!("  the dead took {taken} along");
    });
}

/// Something is given, then the victim dies that was woken for it.
fn gift_then_the_waiter_dies(scenario: &str, object: Object, threads: usize) {
    gift_scenario(scenario, object, threads, |stage, victim, gap| {
        stage.part.give(object);
        spin(gap);
        victim.kill();
    });
}

/// The victim dies, then something is given.
fn waiter_dies_then_a_gift(scenario: &str, object: Object) {
    gift_scenario(scenario, object, 1, |stage, victim, gap| {
        victim.kill();
        spin(gap);
        stage.part.give(object);
    });
}

#[test]
fn release_then_the_woken_waiter_dies() {
    gift_then_the_waiter_dies("release, then the woken waiter dies", Object::Permit, 1);
}

#[test]
fn waiter_dies_then_release() {
    waiter_dies_then_a_gift("waiter dies, then release", Object::Permit);
}

#[test]
fn release_then_a_woken_waiter_of_several_threads_dies() {
    gift_then_the_waiter_dies("release, then a process with several waiters dies", Object::Permit, THREADS);
}

#[test]
fn message_then_the_woken_receiver_dies() {
    gift_then_the_waiter_dies("a message is sent, then the woken receiver dies", Object::Message, 1);
}

#[test]
fn receiver_dies_then_a_message() {
    waiter_dies_then_a_gift("a receiver dies, then a message is sent", Object::Message);
}

/// The message of a sender that is killed may have been sent or not; then the receiver that it woke dies.
#[test]
fn sender_dies_then_the_woken_receiver() {
    gift_scenario("a sender dies, then the woken receiver", Object::Message, 1, |stage, victim, gap| {
        let sender = fork("the sender", || {
            stage.processors.spread_out();
            let part = Part::open();
            stage.board.owner_has_it.set(stage.run);
            part.give(Object::Message);
            stage.board.never.wait("the kill");
        });
        stage.board.owner_has_it.wait_while(stage.run - 1, "the sender sends");
        spin(gap);
        sender.kill();
        spin(gap);
        victim.kill();
        sender.kill_and_reap();
    });
}

/// Nobody is told when a single thread of a living process dies: the waiter's own timed look finds it.
#[test]
fn owner_dies_alone() {
    alone(LIMIT, || {
        let stage = Stage::new(Object::Mutex);
        let process = fork("the owner's process", || {
            let part = Part::open();
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    let _held = part.hold(Object::Mutex);
                    stage.board.owner_has_it.set(1);
                    die_alone()
                });
                stage.board.never.wait("the end");
            });
        });
        stage.board.owner_has_it.wait("the owner has the mutex");
        until("the owner is dead", || proc::threads(process.pid()) == 2);
        let untold = stage.part.mutex().lock_timeout(Duration::from_millis(300));
        assert!(matches!(untold, Err(LockError::TimedOut)), "the backstop is off here, so this waits in vain");
        drop(untold);

        let heir = fork("the heir", || {
            let region = RegionOptions::new().open(REGION).expect("the director has made it");
            let part = Part::of(region);
            let begin = Instant::now();
            let heir = part.mutex().lock_timeout(Duration::from_secs(10));
            assert!(matches!(heir, Err(LockError::OwnerDied(_))), "not told by the backstop: {heir:?}");
            println!("an owner that died alone was noticed after {:.1?}", begin.elapsed());
            heir.expect_err("as above").into_guard().expect("as above").mark_consistent();
        });
        heir.succeed();
        assert!(!process.is_dead(), "the rest of its process lives on");
        stage.part.pass_through(Object::Mutex);
        process.kill_and_reap();
    });
}

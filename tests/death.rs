//! Two deaths in a row, or a death and a wake in a row, 0 to 60 µs apart: no waiter may be lost.
//!
//! Each scenario aims at one of the ways in which a waiter is lost for ever: the owner dies and then the waiter that was
//! woken for it; the waiter that an unlock woke dies and takes the wake along; a waiter's queue entry outlives it and
//! eats a wake. The repair is that of the keepers alone: the timed backstop is off in every process. It has a test of
//! its own at the end.
//!
//! `SELVEDGE_RUNS` is the number of runs of each scenario; [`RUNS`] if it is not set.
#![cfg(not(loom))]

mod support {
    pub(crate) mod actors;
    pub(crate) mod alone;
    pub(crate) mod patience;
    pub(crate) mod proc;
    pub(crate) mod shared;
}

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use selvedge::Region;
use selvedge::primitives::waiting::Wait;
use selvedge::region::{LockError, Mutex, RegionOptions, Semaphore};
use std::sync::Barrier;
use std::time::{Duration, Instant};
use support::actors::{Actor, die_alone, fork};
use support::alone::alone;
use support::patience::{PATIENCE, spin, until};
use support::proc;
use support::shared::{Mark, Shared};

const REGION: &str = "death";
/// How often each scenario is played.
const RUNS: u32 = 3_000;
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

/// The director keeps to one processor. In every second run so does the victim: then a wake makes it ready to run, and
/// the kill that follows hits it before it does. Everybody else runs anywhere.
struct Processors {
    all: CpuSet,
    directors: CpuSet,
}

impl Processors {
    fn new() -> Self {
        let all = sched_getaffinity(None).expect("the own affinity");
        let first = (0..CpuSet::MAX_CPU).find(|cpu| all.is_set(*cpu)).expect("a processor to run on");
        let mut directors = CpuSet::new();
        directors.set(first);
        sched_setaffinity(None, &directors).expect("one of those allowed");
        Self { all, directors }
    }

    /// Called by a new process, which begins where the director is.
    fn spread_out(&self) {
        sched_setaffinity(None, &self.all).expect("those allowed at the beginning");
    }

    /// Called by the victim of run `run`.
    fn choose(&self, run: u32) {
        sched_setaffinity(None, if run.is_multiple_of(2) { &self.directors } else { &self.all }).expect("as above");
    }
}

/// What the processes tell each other; the marks are numbers of runs.
#[derive(Debug, Default)]
struct Board {
    owner_has_it: Mark,
    victim_enters: Mark,
    survivors_turn: Mark,
    survivor_enters: Mark,
    survivor_is_through: Mark,
    /// Never set: who waits for it waits to be killed.
    never: Mark,
}

/// What a process has open.
struct Part {
    region: Region,
    mutex: Mutex<u64>,
    permits: Semaphore,
}

impl Part {
    fn of(region: Region) -> Self {
        let mutex = region.mutex("mutex", 0).expect("a mutex").with_wait(Wait::Block);
        let permits = region.semaphore("permits", 0).expect("a semaphore").with_wait(Wait::Block);
        Self { region, mutex, permits }
    }

    fn open() -> Self {
        Self::of(options().open(REGION).expect("the director has made it"))
    }

    /// Locks and unlocks, however it is granted.
    fn pass_through(&self) {
        match self.mutex.lock_timeout(PATIENCE) {
            Ok(guard) => drop(guard),
            Err(LockError::OwnerDied(mut guard)) => guard.mark_consistent(),
            Err(error) => panic!("waited {PATIENCE:?} for the mutex: {error}"),
        }
    }
}

/// What victim and survivor wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Object {
    Mutex,
    Permit,
}

/// The director, who is attached too, and the survivor: both live through all runs.
struct Stage {
    part: Part,
    processors: Processors,
    board: Shared<Board>,
    survivor: Option<Actor>,
    run: u32,
}

impl Stage {
    fn new(survivor_waits_for: Object) -> Self {
        let part = Part::of(options().create(REGION).expect("a region"));
        let (processors, board) = (Processors::new(), Shared::new(Board::default()));
        let mut stage = Self { part, processors, board, survivor: None, run: 0 };
        stage.survivor = Some(stage.start_survivor(survivor_waits_for));
        stage
    }

    fn start_survivor(&self, object: Object) -> Actor {
        fork("the survivor", || {
            self.processors.spread_out();
            let part = Part::open();
            for run in 1.. {
                self.board.survivors_turn.wait_while(run - 1, "the survivor's next turn");
                self.board.survivor_enters.set(run);
                match object {
                    Object::Mutex => part.pass_through(),
                    Object::Permit => part.permits.acquire_timeout(1, PATIENCE).expect("a permit"),
                }
                self.board.survivor_is_through.set(run);
            }
        })
    }

    fn survivor(&self) -> &Actor {
        self.survivor.as_ref().expect("started in new")
    }

    /// A process that waits for the mutex or a permit, asleep when this returns; with `threads` threads that all do.
    fn sleeping_victim(&self, object: Object, threads: usize) -> Actor {
        let run = self.run;
        let victim = fork("the victim", || {
            self.processors.choose(run);
            let part = Part::open();
            let wait = || match object {
                Object::Mutex => part.pass_through(),
                Object::Permit => part.permits.acquire().expect("a permit"),
            };
            let together = Barrier::new(threads);
            std::thread::scope(|scope| {
                for _ in 1..threads {
                    scope.spawn(|| {
                        together.wait();
                        wait();
                    });
                }
                together.wait();
                self.board.victim_enters.set(run);
                wait();
            });
            self.board.never.wait("the kill");
        });
        until("the victim sleeps", || self.board.victim_enters.get() == run && victim.is_asleep());
        victim
    }

    /// The survivor waits, behind the victim.
    fn survivor_sleeps(&self) {
        self.board.survivors_turn.set(self.run);
        until("the survivor sleeps", || self.board.survivor_enters.get() == self.run && self.survivor().is_asleep());
    }

    #[track_caller]
    fn survivor_is_through(&self) {
        let before = self.run - 1;
        let what = format!("run {}, gap {:?}: the survivor gets what it waits for", self.run, gap(self.run));
        assert_eq!(self.board.survivor_is_through.wait_while(before, &what), self.run);
    }

    /// Plays a scenario `runs` times.
    fn play(mut self, scenario: &str, mut run: impl FnMut(&Self, Duration)) {
        let begin = Instant::now();
        for number in 1..=runs() {
            self.run = number;
            run(&self, gap(number));
        }
        println!("{scenario}: no waiter lost in {} runs, {:.1?}", self.run, begin.elapsed());
    }
}

/// A process that holds the mutex until it is killed.
fn owner(stage: &Stage) -> Actor {
    let owner = fork("the owner", || {
        stage.processors.spread_out();
        let part = Part::open();
        let _guard = part.mutex.lock().expect("free");
        stage.board.owner_has_it.set(stage.run);
        stage.board.never.wait("the kill");
    });
    stage.board.owner_has_it.wait_while(stage.run - 1, "the owner has the mutex");
    owner
}

fn owner_dies_then_the_waiter(scenario: &str, threads: usize) {
    alone(LIMIT, || {
        Stage::new(Object::Mutex).play(scenario, |stage, gap| {
            let owner = owner(stage);
            let victim = stage.sleeping_victim(Object::Mutex, threads);
            stage.survivor_sleeps();
            owner.kill();
            spin(gap);
            victim.kill();
            stage.survivor_is_through();
            owner.kill_and_reap();
            victim.kill_and_reap();
            stage.part.pass_through();
        });
    });
}

fn unlock_then_the_waiter_dies(scenario: &str, threads: usize) {
    alone(LIMIT, || {
        Stage::new(Object::Mutex).play(scenario, |stage, gap| {
            let guard = stage.part.mutex.lock().expect("consistent");
            let victim = stage.sleeping_victim(Object::Mutex, threads);
            stage.survivor_sleeps();
            drop(guard);
            spin(gap);
            victim.kill();
            stage.survivor_is_through();
            victim.kill_and_reap();
            stage.part.pass_through();
        });
    });
}

fn waiter_dies_then_unlock(scenario: &str, threads: usize) {
    alone(LIMIT, || {
        Stage::new(Object::Mutex).play(scenario, |stage, gap| {
            let guard = stage.part.mutex.lock().expect("consistent");
            let victim = stage.sleeping_victim(Object::Mutex, threads);
            stage.survivor_sleeps();
            victim.kill();
            spin(gap);
            drop(guard);
            stage.survivor_is_through();
            victim.kill_and_reap();
            stage.part.pass_through();
        });
    });
}

#[test]
fn owner_dies_then_the_woken_waiter() {
    owner_dies_then_the_waiter("owner dies, then the woken waiter", 1);
}

#[test]
fn owner_unlocks_then_the_woken_waiter_dies() {
    unlock_then_the_waiter_dies("owner unlocks, then the woken waiter dies", 1);
}

#[test]
fn waiter_dies_then_the_owner_unlocks() {
    waiter_dies_then_unlock("waiter dies, then the owner unlocks", 1);
}

/// Its threads leave their queues one by one, some of them after its keeper's death was announced.
#[test]
fn owner_dies_then_a_woken_waiter_of_several_threads() {
    owner_dies_then_the_waiter("owner dies, then a process with several waiters", THREADS);
}

#[test]
fn owner_unlocks_then_a_woken_waiter_of_several_threads_dies() {
    unlock_then_the_waiter_dies("owner unlocks, then a process with several waiters dies", THREADS);
}

#[test]
fn waiter_of_several_threads_dies_then_the_owner_unlocks() {
    waiter_dies_then_unlock("a process with several waiters dies, then the owner unlocks", THREADS);
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
            let owner = owner(stage);
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
            stage.part.pass_through();
        });
    });
}

/// A permit that the dead may have taken with them is made good, then the survivor must be served.
fn permit_scenario(scenario: &str, threads: usize, deaths: impl Fn(&Stage, &Actor, Duration)) {
    alone(LIMIT, || {
        let mut taken = 0;
        Stage::new(Object::Permit).play(scenario, |stage, gap| {
            let permits = &stage.part.permits;
            let victim = stage.sleeping_victim(Object::Permit, threads);
            stage.survivor_sleeps();
            deaths(stage, &victim, gap);
            victim.kill_and_reap();
            let mut served = false;
            until("the survivor gets the permit that is there", || {
                let none_left = permits.available() == 0;
                let asleep = stage.survivor().is_asleep();
                served = stage.board.survivor_is_through.get() == stage.run;
                served || (none_left && asleep)
            });
            if !served {
                taken += 1;
                permits.release().expect("room for one");
            }
            stage.survivor_is_through();
            assert_eq!(permits.available(), 0, "one was released for each that was taken");
        });
        println!("  the dead took {taken} permits along");
    });
}

#[test]
fn release_then_the_woken_waiter_dies() {
    permit_scenario("release, then the woken waiter dies", 1, |stage, victim, gap| {
        stage.part.permits.release().expect("room for one");
        spin(gap);
        victim.kill();
    });
}

#[test]
fn waiter_dies_then_release() {
    permit_scenario("waiter dies, then release", 1, |stage, victim, gap| {
        victim.kill();
        spin(gap);
        stage.part.permits.release().expect("room for one");
    });
}

#[test]
fn release_then_a_woken_waiter_of_several_threads_dies() {
    permit_scenario("release, then a process with several waiters dies", THREADS, |stage, victim, gap| {
        stage.part.permits.release().expect("room for one");
        spin(gap);
        victim.kill();
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
                    let _guard = part.mutex.lock().expect("free");
                    stage.board.owner_has_it.set(1);
                    die_alone()
                });
                stage.board.never.wait("the end");
            });
        });
        stage.board.owner_has_it.wait("the owner has the mutex");
        until("the owner is dead", || proc::threads(process.pid()) == 2);
        let untold = stage.part.mutex.lock_timeout(Duration::from_millis(300));
        assert!(matches!(untold, Err(LockError::TimedOut)), "the backstop is off here, so this waits in vain");
        drop(untold);

        let heir = fork("the heir", || {
            let region = RegionOptions::new().open(REGION).expect("the director has made it");
            let part = Part::of(region);
            let begin = Instant::now();
            let heir = part.mutex.lock_timeout(Duration::from_secs(10));
            assert!(matches!(heir, Err(LockError::OwnerDied(_))), "not told by the backstop: {heir:?}");
            println!("an owner that died alone was noticed after {:.1?}", begin.elapsed());
            heir.expect_err("as above").into_guard().expect("as above").mark_consistent();
        });
        heir.succeed();
        assert!(!process.is_dead(), "the rest of its process lives on");
        stage.part.pass_through();
        process.kill_and_reap();
    });
}

//! Two deaths in a row, or a death and a wake in a row, 0 to 60 µs apart: no waiter may be lost.
//!
//! Each scenario aims at one of the ways in which a waiter is lost for ever: the owner dies and then the waiter that was
//! woken for it; the waiter that an unlock woke dies and takes the wake along; a waiter's queue entry outlives it and
//! eats a wake. The repair is that of the keepers alone: the timed backstop is off in every process. It has a test of
//! its own at the end.
//!
//! `SELVEDGE_RUNS` is the number of runs of each scenario; 250 if it is not set.
#![cfg(not(loom))]

mod support {
    pub(crate) mod actors;
    pub(crate) mod alone;
    pub(crate) mod patience;
    pub(crate) mod proc;
    pub(crate) mod shared;
}

use selvedge::Region;
use selvedge::primitives::waiting::Wait;
use selvedge::region::{LockError, Mutex, RegionOptions, Semaphore};
use std::time::{Duration, Instant};
use support::actors::{Actor, die_alone, fork};
use support::alone::alone;
use support::patience::{PATIENCE, spin, until};
use support::proc;
use support::shared::{Mark, Shared};

const REGION: &str = "death";
/// For all runs of a scenario.
const LIMIT: Duration = Duration::from_secs(600);
/// Threads of a victim that has several.
const THREADS: usize = 4;

fn options() -> RegionOptions {
    RegionOptions::new().processes(8).threads(8).objects(600).arena(1 << 20).backstop(None)
}

fn runs() -> u32 {
    let given = std::env::var("SELVEDGE_RUNS").ok();
    given.map_or(250, |runs| runs.parse().expect("SELVEDGE_RUNS is a number"))
}

/// Two events of run `run` lie this far apart: 0 to 60 µs, each as often as any other.
fn gap(run: u32) -> Duration {
    Duration::from_micros(u64::from(run * 7 % 61))
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
    _region: Region,
    mutex: Mutex<u64>,
    permits: Semaphore,
}

impl Part {
    fn of(region: Region) -> Self {
        let mutex = region.mutex("mutex", 0).expect("a mutex").with_wait(Wait::Block);
        let permits = region.semaphore("permits", 0).expect("a semaphore").with_wait(Wait::Block);
        Self { _region: region, mutex, permits }
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
    board: Shared<Board>,
    survivor: Option<Actor>,
    run: u32,
}

impl Stage {
    fn new(survivor_waits_for: Object) -> Self {
        let part = Part::of(options().create(REGION).expect("a region"));
        let mut stage = Self { part, board: Shared::new(Board::default()), survivor: None, run: 0 };
        stage.survivor = Some(stage.start_survivor(survivor_waits_for));
        stage
    }

    fn start_survivor(&self, object: Object) -> Actor {
        fork("the survivor", || {
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
            let part = Part::open();
            let wait = || match object {
                Object::Mutex => part.pass_through(),
                Object::Permit => part.permits.acquire().expect("a permit"),
            };
            std::thread::scope(|scope| {
                for _ in 1..threads {
                    scope.spawn(wait);
                }
                self.board.victim_enters.set(run);
                wait();
            });
            self.board.never.wait("the kill");
        });
        until("the victim sleeps", || {
            self.board.victim_enters.get() == run
                && victim.is_asleep()
                && (threads == 1 || (proc::threads(victim.pid()) == threads + 1 && proc::all_asleep(victim.pid())))
        });
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

#[test]
fn owner_dies_then_the_woken_waiter() {
    alone(LIMIT, || {
        Stage::new(Object::Mutex).play("owner dies, then the woken waiter", |stage, gap| {
            let owner = fork("the owner", || {
                let part = Part::open();
                let _guard = part.mutex.lock().expect("free");
                stage.board.owner_has_it.set(stage.run);
                stage.board.never.wait("the kill");
            });
            stage.board.owner_has_it.wait_while(stage.run - 1, "the owner has the mutex");
            let victim = stage.sleeping_victim(Object::Mutex, 1);
            stage.survivor_sleeps();
            owner.kill();
            spin(gap);
            victim.kill();
            stage.survivor_is_through();
            owner.kill_and_reap();
            victim.kill_and_reap();
        });
    });
}

fn unlock_then_the_woken_waiter_dies(threads: usize) {
    Stage::new(Object::Mutex).play("unlock, then the woken waiter dies", |stage, gap| {
        let guard = stage.part.mutex.lock().expect("the survivor left it consistent");
        let victim = stage.sleeping_victim(Object::Mutex, threads);
        stage.survivor_sleeps();
        drop(guard);
        spin(gap);
        victim.kill();
        stage.survivor_is_through();
        victim.kill_and_reap();
        stage.part.pass_through();
    });
}

#[test]
fn unlock_then_the_woken_waiter_dies_alone() {
    alone(LIMIT, || unlock_then_the_woken_waiter_dies(1));
}

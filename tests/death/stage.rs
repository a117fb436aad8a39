//! Who takes part in a scenario, and what they wait for.

use crate::support::actors::{Actor, fork};
use crate::support::patience::{PATIENCE, until};

use crate::support::shared::{Mark, Shared};
use crate::{REGION, gap, options, runs};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use selvedge::Region;
use selvedge::primitives::waiting::Wait;
use selvedge::region::{LockError, Mutex, MutexGuard, OwnedSemaphore, Permit, Queue, Semaphore};
use std::sync::Barrier;
use std::time::{Duration, Instant};

/// Longer than the test has patience: a waiter that was lost must not be saved by its own deadline.
const LONG: Duration = Duration::from_secs(2 * PATIENCE.as_secs());

/// The director keeps to one processor. In every second run so does the victim: then a wake makes it ready to run, and
/// the kill that follows hits it before it does. Everybody else runs anywhere.
pub(crate) struct Processors {
    all: CpuSet,
    directors: CpuSet,
}

impl Processors {
    pub(crate) fn new() -> Self {
        let all = sched_getaffinity(None).expect("the own affinity");
        let first = (0..CpuSet::MAX_CPU).find(|cpu| all.is_set(*cpu)).expect("a processor to run on");
        let mut directors = CpuSet::new();
        directors.set(first);
        sched_setaffinity(None, &directors).expect("one of those allowed");
        Self { all, directors }
    }

    /// Called by a new process, which begins where the director is.
    pub(crate) fn spread_out(&self) {
        sched_setaffinity(None, &self.all).expect("those allowed at the beginning");
    }

    /// Called by the victim of run `run`.
    pub(crate) fn choose(&self, run: u32) {
        sched_setaffinity(None, if run.is_multiple_of(2) { &self.directors } else { &self.all }).expect("as above");
    }
}

/// What the processes tell each other; the marks are numbers of runs.
#[derive(Debug, Default)]
pub(crate) struct Board {
    pub(crate) owner_has_it: Mark,
    pub(crate) victim_enters: Mark,
    survivors_turn: Mark,
    survivor_enters: Mark,
    pub(crate) survivor_is_through: Mark,
    /// Never set: who waits for it waits to be killed.
    pub(crate) never: Mark,
}

/// What a process has open.
pub(crate) struct Part {
    pub(crate) region: Region,
    mutex: Mutex<u64>,
    pub(crate) permits: Semaphore,
    owned: OwnedSemaphore,
    pub(crate) messages: Queue<u64>,
}

/// The mutex, or the one permit that comes home, in somebody's hands; dropping it gives it up.
#[derive(Debug)]
pub(crate) enum Held<'a> {
    Mutex { _guard: MutexGuard<'a, u64> },
    Owned { _permit: Permit<'a> },
}

impl Part {
    pub(crate) fn of(region: Region) -> Self {
        let mutex = region.mutex("mutex", 0).expect("a mutex").with_wait(Wait::Block);
        let permits = region.semaphore("permits", 0).expect("a semaphore").with_wait(Wait::Block);
        let owned = region.owned_semaphore("owned", 1).expect("a semaphore").with_wait(Wait::Block);
        let messages = region.queue("messages", 4).expect("a queue").with_wait(Wait::Block);
        Self { region, mutex, permits, owned, messages }
    }

    pub(crate) fn open() -> Self {
        Self::of(options().open(REGION).expect("the director has made it"))
    }

    pub(crate) fn mutex(&self) -> &Mutex<u64> {
        &self.mutex
    }

    /// Takes what is there for one at a time, and nobody has it.
    pub(crate) fn hold(&self, object: Object) -> Held<'_> {
        match object {
            Object::Mutex => Held::Mutex { _guard: self.mutex.lock().expect("free and consistent") },
            Object::Owned => Held::Owned { _permit: self.owned.acquire().expect("it is there") },
            Object::Permit | Object::Message => panic!("nobody holds a {object:?}"),
        }
    }

    /// Waits for what is there for one at a time, and takes it; what comes home or is unlocked is given up again.
    pub(crate) fn pass_through(&self, object: Object) {
        match object {
            Object::Mutex => match self.mutex.lock_timeout(LONG) {
                Ok(guard) => drop(guard),
                Err(LockError::OwnerDied(mut guard)) => guard.mark_consistent(),
                Err(error) => panic!("waited {LONG:?} for the mutex: {error}"),
            },
            Object::Owned => drop(self.owned.acquire_timeout(1, LONG).expect("the permit comes home")),
            Object::Permit => self.permits.acquire_timeout(1, LONG).expect("a permit"),
            Object::Message => drop(self.messages.recv_timeout(LONG).expect("a message")),
        }
    }

    /// Lets one go on who waits.
    pub(crate) fn give(&self, object: Object) {
        match object {
            Object::Permit => self.permits.release().expect("room for one"),
            Object::Message => self.messages.send_timeout(7, PATIENCE).expect("there is space"),
            Object::Mutex | Object::Owned => panic!("a {object:?} is given up by dropping it"),
        }
    }

    /// Permits or messages that nobody has taken.
    pub(crate) fn left(&self, object: Object) -> u32 {
        match object {
            Object::Message => u32::try_from(self.messages.len()).expect("few"),
            _ => self.permits.available(),
        }
    }

    /// Takes permits or messages that are left, and says how many there were.
    pub(crate) fn take_rest(&self, object: Object) -> u32 {
        let took = || match object {
            Object::Message => self.messages.try_recv().is_ok(),
            _ => self.permits.try_acquire(1).is_ok(),
        };
        u32::try_from(std::iter::repeat_with(took).take_while(|took| *took).count()).expect("few")
    }
}

/// What victim and survivor wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Object {
    /// One holds it at a time, and the next is told of a death.
    Mutex,
    /// One holds it at a time, and it comes home.
    Owned,
    /// Taken, and gone with who has taken it.
    Permit,
    /// The same.
    Message,
}

/// The director, who is attached too, and the survivor: both live through all runs.
pub(crate) struct Stage {
    pub(crate) part: Part,
    pub(crate) processors: Processors,
    pub(crate) board: Shared<Board>,
    survivor: Option<Actor>,
    pub(crate) run: u32,
}

impl Stage {
    pub(crate) fn new(survivor_waits_for: Object) -> Self {
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
                part.pass_through(object);
                self.board.survivor_is_through.set(run);
            }
        })
    }

    pub(crate) fn survivor(&self) -> &Actor {
        self.survivor.as_ref().expect("started in new")
    }

    /// A process that waits for the mutex or a permit, asleep when this returns; with `threads` threads that all do.
    pub(crate) fn sleeping_victim(&self, object: Object, threads: usize) -> Actor {
        let run = self.run;
        let victim = fork("the victim", || {
            self.processors.choose(run);
            let part = Part::open();
            let wait = || part.pass_through(object);
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
    pub(crate) fn survivor_sleeps(&self) {
        self.board.survivors_turn.set(self.run);
        until("the survivor sleeps", || self.board.survivor_enters.get() == self.run && self.survivor().is_asleep());
    }

    #[track_caller]
    pub(crate) fn survivor_is_through(&self) {
        let before = self.run - 1;
        let what = format!("run {}, gap {:?}: the survivor gets what it waits for", self.run, gap(self.run));
        assert_eq!(self.board.survivor_is_through.wait_while(before, &what), self.run);
    }

    /// Plays a scenario `runs` times.
    pub(crate) fn play(mut self, scenario: &str, mut run: impl FnMut(&Self, Duration)) {
        let begin = Instant::now();
        for number in 1..=runs() {
            self.run = number;
            run(&self, gap(number));
        }
        println!("{scenario}: no waiter lost in {} runs, {:.1?}", self.run, begin.elapsed());
    }
}

//! SIGKILL before every synchronisation step of the operations of mutex and semaphore, of the first and last use of a
//! region, and of the undertaker's walk.
//!
//! Each test sweeps one operation ([`sweep`]): a child process performs it and is killed before its step 0, 1, 2, … The
//! survivors must get on within their deadline and find what the victim's steps so far have made of things. What is
//! repaired is repaired by keepers alone: the timed backstop is off, except where it is what is tested.
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
use selvedge::region::{AcquireError, LockError, Mutex, RegionOptions, Semaphore};
use std::time::Duration;
use support::actors::{Actor, Ending, die_alone, fork};
use support::alone::alone;
use support::patience::{PATIENCE, until};
use support::proc;
use support::shared::{Mark, Shared};
use support::sweep::sweep;

/// For a whole sweep.
const LIMIT: Duration = Duration::from_secs(120);
const REGION: &str = "kill";
/// How long the victim of a timed call waits in vain.
const SHORT: Duration = Duration::from_millis(2);

fn options() -> RegionOptions {
    RegionOptions::new().processes(5).threads(4).objects(4).arena(16 << 10).backstop(None)
}

/// What the processes of one round tell each other.
#[derive(Debug, Default)]
struct Board {
    ready: Mark,
    pause: Mark,
    go_on: Mark,
    waiter_enters: Mark,
    waiter_got: Mark,
    found: [Mark; 2],
}

type Pair = [u32; 2];

const CLEAN: u32 = 1;
const OWNER_DIED: u32 = 2;
const NOT_RECOVERABLE: u32 = 3;

const FREE_UNTOUCHED: &str = "free, untouched";
const OWNED_UNTOUCHED: &str = "owner died, untouched";
const OWNED_HALF: &str = "owner died, half written";
const OWNED_WHOLE: &str = "owner died, written";
const FREE_WHOLE: &str = "free, written";

/// A mutex over a pair of equal numbers, both of which a victim raises; the director, who survives, has it open.
struct Lock {
    region: Region,
    mutex: Mutex<Pair>,
}

/// What somebody finds who locks the mutex.
type Found = (u32, Pair);

impl Lock {
    /// Made by the director.
    fn new(options: &RegionOptions) -> Self {
        Self::of(options.create(REGION).expect("a region"))
    }

    /// Opened by a child. It takes part, which is no part of what is swept.
    fn open(options: &RegionOptions) -> Self {
        let lock = Self::of(options.open(REGION).expect("the director has made it"));
        assert!(matches!(lock.mutex.reset([0, 0]), Ok(false)), "a call that changes nothing");
        lock
    }

    fn of(region: Region) -> Self {
        let mutex = region.mutex("pair", [0, 0]).expect("a mutex").with_wait(Wait::Block);
        Self { region, mutex }
    }

    /// A round begins: the mutex is free and consistent. Returns the number in the pair.
    fn begin(&self) -> u32 {
        let guard = self.mutex.try_lock().expect("nobody else is there");
        assert_eq!(guard[0], guard[1]);
        guard[0]
    }

    /// What the victim does with the mutex once it has it.
    fn write(pair: &mut impl std::ops::DerefMut<Target = Pair>) {
        pair[0] += 1;
        pair[1] += 1;
    }

    /// Locks within the survivors' deadline, makes the pair whole, unlocks.
    fn get(&self) -> Result<Found, LockError<()>> {
        let (how, mut guard) = match self.mutex.lock_timeout(PATIENCE) {
            Ok(guard) => (CLEAN, guard),
            Err(LockError::OwnerDied(guard)) => (OWNER_DIED, guard),
            Err(LockError::NotRecoverable) => return Err(LockError::NotRecoverable),
            Err(error) => panic!("a survivor waited {PATIENCE:?} for the mutex: {error}"),
        };
        let found = *guard;
        guard[1] = found[0];
        guard.mark_consistent();
        Ok((how, found))
    }

    /// The director gets the mutex and says what that tells of the victim.
    fn judge(&self, before: u32) -> &'static str {
        let found = self.get().expect("nobody gave it up");
        replacement_works();
        state_of(found, before)
    }

    /// Somebody who waits for the mutex: asleep when this returns, or through already if it was free.
    fn waiter(&self, board: &Board, options: &RegionOptions) -> Actor {
        let waiter = fork("the waiter", || {
            let lock = Self::open(options);
            board.waiter_enters.set(1);
            let how = match lock.get() {
                Ok((how, found)) => {
                    board.found[0].set(found[0]);
                    board.found[1].set(found[1]);
                    how
                }
                Err(_) => NOT_RECOVERABLE,
            };
            board.waiter_got.set(how);
        });
        until_waiting(board, &waiter);
        waiter
    }

    /// A process that locks the mutex and is killed before anything else happens.
    fn owner_dies(&self) {
        let locked = Shared::new(Mark::default());
        let owner = fork("the first owner", || {
            let lock = Self::open(&options());
            let _guard = lock.mutex.lock().expect("free");
            locked.set(1);
            locked.wait_while(1, "the end");
        });
        locked.wait("the first owner has the mutex");
        owner.kill_and_reap();
    }
}

fn until_waiting(board: &Board, waiter: &Actor) {
    until("the waiter sleeps or is through", || {
        board.waiter_got.get() != 0 || waiter.is_dead() || (board.waiter_enters.get() != 0 && waiter.is_asleep())
    });
}

/// The waiter, who must not be lost, is through; how that went and what it found.
fn waiter_is_through(board: &Board, waiter: Actor) -> Found {
    let how = board.waiter_got.wait("the waiter gets what it waits for");
    waiter.succeed();
    (how, [board.found[0].get(), board.found[1].get()])
}

fn state_of((how, found): Found, before: u32) -> &'static str {
    match (how, found[0] - before, found[1] - before) {
        (CLEAN, 0, 0) => FREE_UNTOUCHED,
        (OWNER_DIED, 0, 0) => OWNED_UNTOUCHED,
        (OWNER_DIED, 1, 0) => OWNED_HALF,
        (OWNER_DIED, 1, 1) => OWNED_WHOLE,
        (CLEAN, 1, 1) => FREE_WHOLE,
        torn => panic!("no kill can lead to this: {torn:?}"),
    }
}

/// After every kill somebody new attaches, works, and leaves.
fn replacement_works() {
    let replacement = fork("the replacement", || {
        let lock = Lock::open(&options());
        let (how, found) = lock.get().expect("nobody gave it up");
        assert_eq!((how, found[0]), (CLEAN, found[1]));
    });
    replacement.succeed();
}

#[test]
fn mutex_without_contention() {
    alone(LIMIT, || {
        let stage = Lock::new(&options());
        let states = [FREE_UNTOUCHED, OWNED_UNTOUCHED, OWNED_HALF, OWNED_WHOLE, FREE_WHOLE];
        sweep("mutex: lock, write, unlock", states, |round| {
            let (before, board) = (stage.begin(), Shared::new(Board::default()));
            let victim = round.victim(&board.ready, |steps| {
                let lock = Lock::open(&options());
                board.ready.set(1);
                steps.take(|| Lock::write(&mut lock.mutex.lock().expect("free")));
            });
            (victim.end(), stage.judge(before))
        });
    });
}

#[test]
fn mutex_by_try_lock() {
    alone(LIMIT, || {
        let stage = Lock::new(&options());
        let states = [FREE_UNTOUCHED, OWNED_UNTOUCHED, OWNED_HALF, OWNED_WHOLE, FREE_WHOLE];
        sweep("mutex: try_lock, write, unlock", states, |round| {
            let (before, board) = (stage.begin(), Shared::new(Board::default()));
            let victim = round.victim(&board.ready, |steps| {
                let lock = Lock::open(&options());
                board.ready.set(1);
                steps.take(|| Lock::write(&mut lock.mutex.try_lock().expect("free")));
            });
            (victim.end(), stage.judge(before))
        });
    });
}

#[test]
fn mutex_unlocked_with_a_waiter() {
    alone(LIMIT, || {
        let stage = Lock::new(&options());
        let states = [FREE_UNTOUCHED, OWNED_UNTOUCHED, OWNED_HALF, OWNED_WHOLE, FREE_WHOLE];
        sweep("mutex: lock, write, unlock while somebody waits", states, |round| {
            let (before, board) = (stage.begin(), Shared::new(Board::default()));
            let victim = round.victim(&board.ready, |steps| {
                let lock = Lock::open(&options());
                board.ready.set(1);
                let guard = steps.take(|| {
                    let mut guard = lock.mutex.lock().expect("free");
                    Lock::write(&mut guard);
                    guard
                });
                board.pause.set(1);
                board.go_on.wait("somebody waits for the mutex");
                steps.take(|| drop(guard));
            });
            until("the victim holds the mutex or is dead", || board.pause.get() != 0 || victim.is_dead());
            let waiter = stage.waiter(&board, &options());
            board.go_on.set(1);
            let ending = victim.end();
            let found = waiter_is_through(&board, waiter);
            assert_eq!(stage.judge(found.1[0]), FREE_UNTOUCHED, "the waiter left it consistent");
            (ending, state_of(found, before))
        });
    });
}

#[test]
fn mutex_as_a_waiter_before_another() {
    alone(LIMIT, || {
        let stage = Lock::new(&options());
        let states = [FREE_UNTOUCHED, OWNED_UNTOUCHED, OWNED_HALF, OWNED_WHOLE, FREE_WHOLE];
        sweep("mutex: wait for it before another, write, unlock", states, |round| {
            let (before, board) = (stage.begin(), Shared::new(Board::default()));
            let held = stage.mutex.lock().expect("free");
            let victim = round.victim(&board.ready, |steps| {
                let lock = Lock::open(&options());
                board.ready.set(1);
                steps.take(|| Lock::write(&mut lock.mutex.lock().expect("its owner lives")));
            });
            until("the victim sleeps or is dead", || victim.is_dead() || victim.is_asleep());
            let waiter = stage.waiter(&board, &options());
            drop(held);
            let ending = victim.end();
            let found = waiter_is_through(&board, waiter);
            assert_eq!(stage.judge(found.1[0]), FREE_UNTOUCHED, "the waiter left it consistent");
            (ending, state_of(found, before))
        });
    });
}

#[test]
fn mutex_as_an_heir() {
    alone(LIMIT, || {
        let stage = Lock::new(&options());
        let states = [OWNED_UNTOUCHED, OWNED_HALF, OWNED_WHOLE, FREE_WHOLE];
        sweep("mutex: inherit it, write, declare it consistent, unlock", states, |round| {
            let (before, board) = (stage.begin(), Shared::new(Board::default()));
            stage.owner_dies();
            let victim = round.victim(&board.ready, |steps| {
                let lock = Lock::open(&options());
                board.ready.set(1);
                steps.take(|| {
                    let mut guard = lock.mutex.lock().expect_err("its owner died").into_guard().expect("inherited");
                    Lock::write(&mut guard);
                    guard.mark_consistent();
                });
            });
            (victim.end(), stage.judge(before))
        });
    });
}

#[test]
fn mutex_given_up_by_an_heir_with_a_waiter() {
    alone(LIMIT, || {
        let stage = Lock::new(&options());
        let states = [OWNED_UNTOUCHED, "not recoverable"];
        sweep("mutex: inherit it and give it up while somebody waits", states, |round| {
            let (before, board) = (stage.begin(), Shared::new(Board::default()));
            stage.owner_dies();
            let victim = round.victim(&board.ready, |steps| {
                let lock = Lock::open(&options());
                board.ready.set(1);
                let guard =
                    steps.take(|| lock.mutex.lock().expect_err("its owner died").into_guard().expect("inherited"));
                board.pause.set(1);
                board.go_on.wait("somebody waits for the mutex");
                steps.take(|| drop(guard));
            });
            until("the victim holds the mutex or is dead", || board.pause.get() != 0 || victim.is_dead());
            let waiter = stage.waiter(&board, &options());
            board.go_on.set(1);
            let ending = victim.end();
            let found = waiter_is_through(&board, waiter);
            if found.0 != NOT_RECOVERABLE {
                return (ending, state_of(found, before));
            }
            assert!(matches!(stage.mutex.lock(), Err(LockError::NotRecoverable)), "for all, until the reset");
            assert_eq!(stage.mutex.reset([before, before]), Ok(true));
            replacement_works();
            (ending, "not recoverable")
        });
    });
}

#[test]
fn mutex_waited_for_in_vain() {
    alone(LIMIT, || {
        let stage = Lock::new(&options());
        sweep("mutex: wait for it until the deadline", [FREE_UNTOUCHED], |round| {
            let (before, board) = (stage.begin(), Shared::new(Board::default()));
            let held = stage.mutex.lock().expect("free");
            let victim = round.victim(&board.ready, |steps| {
                let lock = Lock::open(&options());
                board.ready.set(1);
                let answer = steps.take(|| lock.mutex.lock_timeout(SHORT).map(drop));
                assert!(matches!(answer, Err(LockError::TimedOut)));
            });
            let waiter = stage.waiter(&board, &options());
            let ending = victim.end();
            drop(held);
            let found = waiter_is_through(&board, waiter);
            assert_eq!(stage.judge(found.1[0]), FREE_UNTOUCHED, "the waiter left it consistent");
            (ending, state_of(found, before))
        });
    });
}

/// A sleeper whose wait takes long does the undertaker's work for a thread that died alone, of which nobody is told.
#[test]
fn the_walk_of_a_sleeper() {
    const VICTIMS_BACKSTOP: Duration = Duration::from_millis(1);
    const WAITERS_BACKSTOP: Duration = Duration::from_millis(20);
    alone(LIMIT, || {
        let stage = Lock::new(&options());
        const SERVED: &str = "the waiter is served";
        sweep("walk: for an owner that died alone, while somebody waits", [SERVED], |round| {
            let (before, board) = (stage.begin(), Shared::new(Board::default()));
            let owner = fork("the owner's process", || {
                let lock = Lock::open(&options());
                std::thread::scope(|scope| {
                    scope.spawn(|| {
                        let _guard = lock.mutex.lock().expect("free");
                        die_alone()
                    });
                    board.go_on.wait("the end");
                });
            });
            until("the owner has died alone", || {
                matches!(stage.mutex.try_lock(), Err(LockError::WouldBlock)) && proc::threads(owner.pid()) == 2
            });
            let victim = round.victim(&board.ready, |steps| {
                let lock = Lock::open(&options().backstop(Some(VICTIMS_BACKSTOP)));
                board.ready.set(1);
                // Its own walk may have woken the waiter, who may have been faster.
                match steps.take(|| lock.mutex.lock()) {
                    Ok(guard) => drop(guard),
                    Err(error) => error.into_guard().expect("inherited").mark_consistent(),
                }
            });
            let waiter = stage.waiter(&board, &options().backstop(Some(WAITERS_BACKSTOP)));
            let ending = victim.end();
            let (how, found) = waiter_is_through(&board, waiter);
            assert!(how == OWNER_DIED || ending == Ending::DONE, "somebody died holding it");
            assert_eq!(found, [before, before]);
            // The victim may have come after the waiter, and died with it.
            assert!([FREE_UNTOUCHED, OWNED_UNTOUCHED].contains(&stage.judge(before)));
            owner.kill_and_reap();
            (ending, SERVED)
        });
    });
}

/// The part of the region layer that runs on the caller's own thread: a thread slot, an object made or opened, handles
/// given back, the process detached.
#[test]
fn first_and_last_use_of_a_region() {
    const FRESH: &str = "fresh";
    alone(LIMIT, || {
        let stage = Lock::new(&options());
        let states = ["no object", "object left behind"];
        sweep("region: take part, make an object, lock it, leave", states, |round| {
            let board = Shared::new(Board::default());
            let victim = round.victim(&board.ready, |steps| {
                let region = options().open(REGION).expect("the director has made it");
                board.ready.set(1);
                steps.take(|| {
                    let fresh = region.mutex(FRESH, 7_u64).expect("room for an object");
                    *fresh.lock().expect("free") += 1;
                    drop(fresh);
                    drop(region);
                });
            });
            let ending = victim.end();
            let names: Vec<_> = stage.region.objects().expect("a list").into_iter().map(|entry| entry.name).collect();
            let state = if names.iter().any(|name| name == FRESH) { states[1] } else { states[0] };
            // Whole or not there; lockable in any case; and its place serves the next round.
            let fresh = stage.region.mutex(FRESH, 7_u64).expect("made or opened");
            match fresh.lock_timeout(PATIENCE) {
                Ok(value) => assert!([7, 8].contains(&*value), "{}", *value),
                Err(LockError::OwnerDied(mut guard)) => {
                    assert!([7, 8].contains(&*guard), "{}", *guard);
                    guard.mark_consistent();
                }
                Err(error) => panic!("the director waited {PATIENCE:?} for the object: {error}"),
            };
            drop(fresh);
            stage.region.remove_object(FRESH).expect("it is there");
            until("only the director is attached", || stage.region.participants().len() == 1);
            replacement_works();
            (ending, state)
        });
    });
}

/// A counting semaphore that is empty between rounds; the director, who survives, has it open.
struct Permits {
    _region: Region,
    permits: Semaphore,
}

impl Permits {
    fn new() -> Self {
        Self::of(options().create(REGION).expect("a region"))
    }

    fn open() -> Self {
        let stage = Self::of(options().open(REGION).expect("the director has made it"));
        // Takes part, which is no part of what is swept.
        stage.permits.acquire_many(0).expect("no permit at all");
        stage
    }

    fn of(region: Region) -> Self {
        let permits = region.semaphore("permits", 0).expect("a semaphore").with_wait(Wait::Block);
        Self { _region: region, permits }
    }

    /// Somebody who waits for one permit: asleep when this returns, or through already if there was one.
    fn waiter(&self, board: &Board) -> Actor {
        let waiter = fork("the waiter", || {
            let stage = Self::open();
            board.waiter_enters.set(1);
            stage.permits.acquire_timeout(1, PATIENCE).expect("a permit for the waiter");
            board.waiter_got.set(CLEAN);
        });
        until_waiting(board, &waiter);
        waiter
    }

    /// Waits until the waiter is through, or sleeps rightly: there is no permit for it. Says which.
    fn settles(&self, board: &Board, waiter: &Actor) -> bool {
        let mut served = false;
        until("the waiter gets the permit that is there", || {
            let none_left = self.permits.available() == 0;
            let asleep = waiter.is_asleep();
            served = board.waiter_got.get() != 0;
            served || (none_left && asleep)
        });
        served
    }

    /// Serves the waiter if it still waits, and takes back what is left. Returns the difference of what was given here
    /// and what was taken: as many permits must have come from elsewhere, or, below zero, have gone elsewhere.
    fn balance(&self, board: &Board, waiter: Actor) -> i64 {
        let served = self.settles(board, &waiter);
        if !served {
            self.permits.release().expect("room for one");
        }
        waiter_is_through(board, waiter);
        let left = self.permits.available();
        self.permits.try_acquire(left).expect("nobody else is there");
        1 + i64::from(left) - i64::from(!served)
    }
}

const NOT_TAKEN: &str = "permits untouched";
const TAKEN: &str = "permits gone with the victim";
const GIVEN_BACK: &str = "permits given back";

/// Permits that the victim kept tell nothing of whether it gave them back: what came before does.
fn state_of_permits(kept: i64, has_taken: &mut bool) -> &'static str {
    match (kept, *has_taken) {
        (1.., _) => {
            *has_taken = true;
            TAKEN
        }
        (0, false) => NOT_TAKEN,
        (0, true) => GIVEN_BACK,
        _ => panic!("there are {} permits too many", -kept),
    }
}

#[test]
fn semaphore_without_contention() {
    alone(LIMIT, || {
        let stage = Permits::new();
        let mut has_taken = false;
        sweep("semaphore: acquire, release", [NOT_TAKEN, TAKEN, GIVEN_BACK], |round| {
            let board = Shared::new(Board::default());
            let victim = round.victim(&board.ready, |steps| {
                let stage = Permits::open();
                board.ready.set(1);
                board.go_on.wait("there is a permit");
                steps.take(|| {
                    stage.permits.acquire().expect("there is one");
                    stage.permits.release().expect("room for one");
                });
            });
            stage.permits.release().expect("room for one");
            board.go_on.set(1);
            let ending = victim.end();
            let waiter = stage.waiter(&board);
            (ending, state_of_permits(1 - stage.balance(&board, waiter), &mut has_taken))
        });
    });
}

#[test]
fn semaphore_released_to_a_waiter() {
    alone(LIMIT, || {
        let stage = Permits::new();
        sweep("semaphore: release while somebody waits", ["not released", "released"], |round| {
            let board = Shared::new(Board::default());
            let victim = round.victim(&board.ready, |steps| {
                let stage = Permits::open();
                board.ready.set(1);
                board.go_on.wait("somebody waits");
                steps.take(|| stage.permits.release().expect("room for one"));
            });
            let waiter = stage.waiter(&board);
            board.go_on.set(1);
            let ending = victim.end();
            let state = match stage.balance(&board, waiter) {
                0 => "not released",
                1 => "released",
                wrong => panic!("the victim cannot have released {wrong}"),
            };
            (ending, state)
        });
    });
}

#[test]
fn semaphore_as_a_waiter_before_another() {
    alone(LIMIT, || {
        let stage = Permits::new();
        for released in [1, 2] {
            let mut has_taken = false;
            let operation = format!("semaphore: wait before another for one of {released}, release it");
            sweep(&operation, [NOT_TAKEN, TAKEN, GIVEN_BACK], |round| {
                let board = Shared::new(Board::default());
                let victim = round.victim(&board.ready, |steps| {
                    let stage = Permits::open();
                    board.ready.set(1);
                    steps.take(|| {
                        stage.permits.acquire().expect("one will come");
                        stage.permits.release().expect("room for one");
                    });
                });
                until("the victim sleeps or is dead", || victim.is_dead() || victim.is_asleep());
                let waiter = stage.waiter(&board);
                stage.permits.release_many(released).expect("room for them");
                let ending = victim.end();
                (ending, state_of_permits(i64::from(released) - stage.balance(&board, waiter), &mut has_taken))
            });
        }
    });
}

#[test]
fn semaphore_several_at_once_before_another() {
    alone(LIMIT, || {
        let stage = Permits::new();
        let mut has_taken = false;
        let operation = "semaphore: wait before another for three of three, release them";
        sweep(operation, [NOT_TAKEN, TAKEN, GIVEN_BACK], |round| {
            let board = Shared::new(Board::default());
            let victim = round.victim(&board.ready, |steps| {
                let stage = Permits::open();
                board.ready.set(1);
                steps.take(|| {
                    stage.permits.acquire_many(3).expect("three will come");
                    stage.permits.release_many(3).expect("room for them");
                });
            });
            until("the victim sleeps or is dead", || victim.is_dead() || victim.is_asleep());
            // Two are too few for the victim, whatever it does.
            stage.permits.release_many(2).expect("room for them");
            until("the victim sleeps or is dead", || victim.is_dead() || victim.is_asleep());
            stage.permits.release().expect("room for one");
            let ending = victim.end();
            let waiter = stage.waiter(&board);
            (ending, state_of_permits(3 - stage.balance(&board, waiter), &mut has_taken))
        });
    });
}

#[test]
fn semaphore_waited_for_in_vain() {
    alone(LIMIT, || {
        let stage = Permits::new();
        sweep("semaphore: wait until the deadline", [NOT_TAKEN], |round| {
            let board = Shared::new(Board::default());
            let victim = round.victim(&board.ready, |steps| {
                let stage = Permits::open();
                board.ready.set(1);
                let answer = steps.take(|| stage.permits.acquire_timeout(1, SHORT));
                assert_eq!(answer, Err(AcquireError::TimedOut));
            });
            let waiter = stage.waiter(&board);
            let ending = victim.end();
            stage.permits.release().expect("room for one");
            (ending, state_of_permits(1 - stage.balance(&board, waiter), &mut false))
        });
    });
}

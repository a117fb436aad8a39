//! Robust mutual exclusion.
//!
//! **Purpose.** At most one thread holds the mutex. When the holder dies, exactly one heir gets it next and is told; an
//! heir that gives it up without having declared the data consistent makes the mutex unusable for everybody until it
//! is reset.
//!
//! **Layout.** One `u32`, which is also the futex word.
//!
//! | bits | content |
//! |---|---|
//! | 31 | `WAITERS`: somebody may sleep |
//! | 30 | `DEAD`: the owner has died; set by the undertaker alone |
//! | 29 | `NOT_RECOVERABLE`: an heir gave up; owner is 0 |
//! | 0 to 16 | owner's thread slot plus one; 0 when nobody holds it |
//!
//! **Protocol.**
//! 1. *lock*: swing 0 to the own slot. If somebody holds it, set `WAITERS` and sleep on exactly that word. Who has slept
//!    takes the word with `WAITERS`, since others may sleep still.
//! 2. A word with `DEAD` is taken by swinging it to the own slot, `WAITERS` kept: the heir.
//! 3. *unlock*: swap 0 (or `NOT_RECOVERABLE`); if `WAITERS` was set, wake one (or all).
//! 4. *undertaker*: if the word names a dead thread, swing it to the same with `DEAD`.
//!
//! **Invariants.**
//! - I1: between a successful swing to slot `s` and the swap of `s` away, only the undertaker changes the owner part of
//!   the word, and only by setting `DEAD` when `s` has stopped.
//! - I2: if somebody sleeps on the word and nobody is on the way to wake them, `WAITERS` is set and the owner is alive,
//!   or the owner's death has yet to be repaired, which ends in waking all.
//! - I3: only words with `DEAD` are taken from an owner. A locker that took over on seeing the owner's mark could, when
//!   stalled, take it from a living owner after the slot was reused.
//!
//! **Orderings.**
//!
//! | operation | ordering | pairs with | publishes |
//! |---|---|---|---|
//! | lock's swing | Acquire | unlock's swap | the data |
//! | takeover's swing | Acquire | the swing that set `DEAD` | the dead owner's writes |
//! | unlock's swap | Release | lock's swing | the data |
//! | setting `DEAD` | Release | takeover's swing | the dead owner's writes, which the undertaker has by the mark |
//! | setting `WAITERS` | Relaxed | | nothing |
//!
//! **Death.** Before the swing to the own slot: nothing happened. After it: the word names the dead; the undertaker sets
//! `DEAD` and wakes. After unlock's swap and before the wake: the word is free and sleepers have nobody to wake them;
//! they have named the object, and the undertaker wakes them. A waiter that was woken and dies: the same. An heir that
//! dies: as an owner; the next heir is told again.
//!
//! **Models.** `mutex/*`.
//!
//! **References.** Drepper, "Futexes Are Tricky", 2011 (mutex 2); POSIX.1-2008 robust mutexes; glibc bugs 20973 (the
//! waiters bit lost at takeover) and 20985 (killed inside unlock).

use super::participants::ThreadSlot;
use super::undertaker::{Dead, Repair};
use super::waiting::{Caller, ObjectId};
use crate::sync::{AtomicU32, Deadline, Ordering, WaitOutcome, futex_wake, spin_loop};

const UNLOCKED: u32 = 0;
const WAITERS: u32 = 1 << 31;
const DEAD: u32 = 1 << 30;
const NOT_RECOVERABLE: u32 = 1 << 29;
const OWNER: u32 = (1 << 17) - 1;

/// The control block of a robust mutex.
#[derive(Debug)]
#[repr(transparent)]
pub struct RawMutex {
    word: AtomicU32,
}

/// How a mutex was acquired.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acquired {
    /// From a holder that unlocked it.
    Clean,
    /// From a holder that died: what it guards may be half done.
    OwnerDied,
}

/// Why a mutex was not acquired.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockError {
    /// Somebody holds it (non-blocking calls only).
    WouldBlock,
    /// The deadline passed (timed calls only).
    TimedOut,
    /// The calling thread holds it already and would wait for itself for ever.
    Relocked,
    /// An heir gave it up without declaring the data consistent; only a reset helps.
    NotRecoverable,
}

/// What the data is worth when a mutex is unlocked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leaves {
    /// The data is consistent.
    Consistent,
    /// The holder inherited the mutex and did not declare the data consistent.
    Inconsistent,
}

/// A mutex as somebody sees it who does not want it, as of a moment ago; for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MutexSeen {
    /// Nobody holds it.
    Unlocked,
    /// A thread does; `None` is one that no region has (damaged memory).
    Held(Option<ThreadSlot>),
    /// Its owner has died and nobody has taken it since.
    OwnerDied,
    /// An heir gave it up.
    NotRecoverable,
}

enum Step {
    Acquired(Acquired),
    Retry(u32),
    Held(u32),
}

fn owner(slot: ThreadSlot) -> u32 {
    u32::from(slot.0) + 1
}

impl RawMutex {
    /// An unlocked mutex.
    #[must_use]
    #[track_caller]
    pub fn new() -> Self {
        Self { word: AtomicU32::new(UNLOCKED) }
    }

    /// Locks it, waiting as long as it takes or until `deadline`.
    ///
    /// # Errors
    /// [`LockError`], except `WouldBlock`.
    #[inline]
    pub fn lock(
        &self,
        caller: &Caller<'_>,
        object: ObjectId,
        deadline: Option<Deadline>,
    ) -> Result<Acquired, LockError> {
        // Acquire: pairs with the Release in unlock; receives the data.
        match self.word.compare_exchange(UNLOCKED, owner(caller.slot), Ordering::Acquire, Ordering::Relaxed) {
            // dead here: the word names us; the undertaker sets DEAD.
            Ok(_) => Ok(Acquired::Clean),
            Err(found) => self.lock_slow(caller, object, deadline, found),
        }
    }

    /// Locks it if nobody living holds it; never blocks.
    ///
    /// # Errors
    /// `WouldBlock`, `NotRecoverable`.
    #[inline]
    pub fn try_lock(&self, slot: ThreadSlot) -> Result<Acquired, LockError> {
        let mut found = UNLOCKED;
        loop {
            match self.attempt(found, owner(slot), 0)? {
                Step::Acquired(how) => return Ok(how),
                Step::Retry(newer) => found = newer,
                Step::Held(_) => return Err(LockError::WouldBlock),
            }
        }
    }

    /// One try to take the word, last seen as `found`; `keep` is `WAITERS` for a caller that has slept.
    fn attempt(&self, found: u32, me: u32, keep: u32) -> Result<Step, LockError> {
        if found & NOT_RECOVERABLE != 0 {
            return Err(LockError::NotRecoverable);
        }
        let (new, how) = if found & DEAD != 0 {
            (me | (found & WAITERS) | keep, Acquired::OwnerDied)
        } else if found == UNLOCKED {
            (me | keep, Acquired::Clean)
        } else {
            return Ok(Step::Held(found));
        };
        // Acquire: pairs with the Release in unlock or in bury; receives the data, or what the dead owner wrote.
        match self.word.compare_exchange(found, new, Ordering::Acquire, Ordering::Relaxed) {
            Ok(_) => Ok(Step::Acquired(how)),
            Err(newer) => Ok(Step::Retry(newer)),
        }
    }

    #[cold]
    fn lock_slow(
        &self,
        caller: &Caller<'_>,
        object: ObjectId,
        deadline: Option<Deadline>,
        mut found: u32,
    ) -> Result<Acquired, LockError> {
        let me = owner(caller.slot);
        let mut keep = 0;
        let mut spins = caller.spins();
        loop {
            let held = match self.attempt(found, me, keep)? {
                Step::Acquired(how) => return Ok(how),
                Step::Retry(newer) => {
                    found = newer;
                    continue;
                }
                Step::Held(held) => held,
            };
            if held & OWNER == me {
                return Err(LockError::Relocked);
            }
            if spins > 0 && held & WAITERS == 0 {
                spins -= 1;
                spin_loop();
                // Relaxed: only a candidate for the compare-and-swap in attempt.
                found = self.word.load(Ordering::Relaxed);
                continue;
            }
            if held & WAITERS == 0 {
                // Relaxed: says only that somebody sleeps; the word's modification order is what unlock's swap reads.
                if let Err(newer) =
                    self.word.compare_exchange(held, held | WAITERS, Ordering::Relaxed, Ordering::Relaxed)
                {
                    found = newer;
                    continue;
                }
            }
            // dead here: WAITERS is set for nobody; the next unlock makes a system call in vain.
            let outcome = caller.sleep(object, &self.word, held | WAITERS, deadline);
            keep = WAITERS;
            // Whoever was woken finds it unlocked as a rule; the compare-and-swap in attempt tells if not.
            found = UNLOCKED;
            if outcome == WaitOutcome::TimedOut {
                // Relaxed: as above.
                return match self.attempt(self.word.load(Ordering::Relaxed), me, keep)? {
                    Step::Acquired(how) => Ok(how),
                    Step::Retry(_) | Step::Held(_) => Err(LockError::TimedOut),
                };
            }
        }
    }

    /// Unlocks it, which the caller holds.
    #[inline]
    pub fn unlock(&self, leaves: Leaves) {
        let free = match leaves {
            Leaves::Consistent => UNLOCKED,
            Leaves::Inconsistent => NOT_RECOVERABLE,
        };
        // Release: pairs with the Acquire in attempt; publishes the data.
        let old = self.word.swap(free, Ordering::Release);
        // dead here: nobody holds it, sleepers are not woken; the undertaker wakes all whom a slot names.
        if old & WAITERS != 0 {
            self.wake_slow(leaves);
        }
    }

    #[cold]
    fn wake_slow(&self, leaves: Leaves) {
        let count = match leaves {
            Leaves::Consistent => 1,
            // Nobody will get it any more: all must be told.
            Leaves::Inconsistent => u32::MAX,
        };
        futex_wake(&self.word, count);
    }

    /// Takes a mutex that is not recoverable, so that its data can be written anew. False: it is not in that state.
    ///
    /// The caller then holds it as an heir does.
    #[must_use]
    pub fn reset(&self, slot: ThreadSlot) -> bool {
        // Acquire: pairs with the Release of the unlock that gave up.
        self.word.compare_exchange(NOT_RECOVERABLE, owner(slot), Ordering::Acquire, Ordering::Relaxed).is_ok()
    }

    /// Whether its last holder died and nobody has taken it since, as of a moment ago.
    #[must_use]
    pub fn is_left_by_the_dead(&self) -> bool {
        // Relaxed: whoever takes it looks again.
        self.word.load(Ordering::Relaxed) & DEAD != 0
    }

    /// The thread slot that holds it, as of a moment ago; for people and tests.
    #[must_use]
    pub fn holder(&self) -> Option<ThreadSlot> {
        (self.word.peek() & OWNER).checked_sub(1).and_then(|slot| u16::try_from(slot).ok()).map(ThreadSlot)
    }

    /// Whether an heir gave it up; for people and tests.
    #[must_use]
    pub fn is_not_recoverable(&self) -> bool {
        self.word.peek() & NOT_RECOVERABLE != 0
    }

    /// What it is, as of a moment ago, from a single look; for people and tests.
    #[must_use]
    pub fn seen(&self) -> MutexSeen {
        let word = self.word.peek();
        match word & OWNER {
            _ if word & NOT_RECOVERABLE != 0 => MutexSeen::NotRecoverable,
            _ if word & DEAD != 0 => MutexSeen::OwnerDied,
            0 => MutexSeen::Unlocked,
            owner => MutexSeen::Held(u16::try_from(owner - 1).ok().map(ThreadSlot)),
        }
    }
}

impl Default for RawMutex {
    #[track_caller]
    fn default() -> Self {
        Self::new()
    }
}

impl Repair for RawMutex {
    fn bury(&self, dead: &Dead<'_>) {
        // Relaxed: only a candidate for the compare-and-swap. Read by a write, so that the walk comes after every sleeper
        // that the dead thread was woken before (I1 of waiting).
        let mut found = self.word.fetch_or(0, Ordering::Relaxed);
        loop {
            let named = (found & OWNER).checked_sub(1).and_then(|slot| u16::try_from(slot).ok()).map(ThreadSlot);
            if found & DEAD != 0 || !named.is_some_and(|slot| dead.includes(slot)) {
                return;
            }
            // Release: pairs with the Acquire in attempt; hands on what the dead owner wrote.
            match self.word.compare_exchange(found, found | DEAD, Ordering::Release, Ordering::Relaxed) {
                // dead here: DEAD is set, nobody woken; the process word still says so, the next walker wakes them.
                Ok(_) => return,
                Err(newer) => found = newer,
            }
        }
    }

    fn wake_all(&self) {
        futex_wake(&self.word, u32::MAX);
    }
}

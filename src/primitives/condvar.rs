//! Condition variable: waiting for what a mutex guards to change.
//!
//! **Purpose.** A holder of a [mutex](super::mutex) unlocks it and sleeps until somebody notifies, then locks it again.
//! The condition is the caller's; waits can end without it, so callers look again.
//!
//! **Layout.** One `u32`, which is also the futex word, and nothing for each waiter: one that is killed owes nothing.
//!
//! | bits | content |
//! |---|---|
//! | 31 | `WAITERS`: somebody may sleep |
//! | 0 to 30 | how often somebody has notified, modulo 2³¹ |
//!
//! **Protocol.**
//! 1. *wait*, under the mutex: read the word, set `WAITERS` if it is not; unlock; sleep on exactly that word; lock.
//! 2. *notify one*: one more in the count; if `WAITERS` was set, wake one. If that found nobody, one more in the count
//!    without `WAITERS`, if nothing has changed meanwhile, and wake all: so that notifying nobody costs no system call
//!    for long.
//! 3. *notify all*: one more in the count without `WAITERS`; if it was set, wake all.
//!
//! **Invariants.**
//! - I1: every notification changes the count, so nobody who read the word before it falls asleep after it.
//! - I2: if somebody sleeps, `WAITERS` is set, or whoever cleared it is on the way to wake all. It is never cleared
//!   because a wake found nobody, without waking all afterwards: somebody may have fallen asleep between the two.
//!
//! A notification takes effect with its wake: whoever falls asleep between the count and the wake of another's call is
//! one of those who wait, and may be the one who is woken.
//!
//! A waiter between reading the word and sleeping while others notify exactly 2³¹ times sleeps although it was notified.
//!
//! **Orderings.** All relaxed: what the condition says is guarded by the mutex. A waiter reads the word before it
//! unlocks, and whoever changes the condition notifies after having locked, so that its notification is not in what the
//! waiter read. Nor is the undertaker's count for it: that comes after its death, and so after the waiter unlocked.
//!
//! **Death.** Of anybody, it ends all waits: the undertaker counts one more and wakes all who named the object. So
//! nobody sleeps on if the dead had changed the condition and not yet notified, or counted and not yet woken; and if it
//! was woken itself, another gets what it was woken for. The mutex sees to its own.
//!
//! **Models.** `condvar/*`.
//!
//! **References.** Birrell, "Implementing Condition Variables with Semaphores", 2003, for what is hard without a counting
//! word; glibc bug 21422 and its like, in which a waiter that is killed makes a broadcast wait for ever.

use super::mutex::{Acquired, Leaves, LockError, RawMutex};
use super::undertaker::{Dead, Repair};
use super::waiting::{Caller, ObjectId};
use crate::sync::{AtomicU32, Deadline, Ordering, WaitOutcome, futex_wake};

const WAITERS: u32 = 1 << 31;
const COUNT: u32 = WAITERS - 1;

/// The control block of a condition variable.
#[derive(Debug)]
#[repr(transparent)]
pub struct RawCondvar {
    word: AtomicU32,
}

/// The mutex with which somebody waits.
#[derive(Clone, Copy, Debug)]
pub struct Locked<'a> {
    /// The mutex, which the caller holds.
    pub mutex: &'a RawMutex,
    /// The object that it is, as sleepers name it.
    pub object: ObjectId,
    /// What its data is worth while the caller waits.
    pub leaves: Leaves,
}

/// How a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waited {
    /// The deadline passed.
    pub timed_out: bool,
    /// How the mutex was locked again, or why it was not.
    pub mutex: Result<Acquired, LockError>,
}

impl RawCondvar {
    /// A condition variable for which nobody waits.
    #[must_use]
    #[track_caller]
    pub fn new() -> Self {
        Self { word: AtomicU32::new(0) }
    }

    /// Unlocks the mutex, sleeps until notified, as long as it takes or until `deadline`, and locks the mutex again, as
    /// long as that takes.
    pub fn wait(
        &self,
        caller: &Caller<'_>,
        object: ObjectId,
        locked: Locked<'_>,
        deadline: Option<Deadline>,
    ) -> Waited {
        // Relaxed, as all here: see the table.
        let mut found = self.word.load(Ordering::Relaxed);
        while found & WAITERS == 0 {
            match self.word.compare_exchange(found, found | WAITERS, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => found |= WAITERS,
                Err(newer) => found = newer,
            }
        }
        // dead here: WAITERS is set for nobody; the mutex names the dead.
        locked.mutex.unlock(locked.leaves);
        let outcome = caller.sleep(object, &self.word, found, deadline);
        // dead here: a wake that was for us is lost; the undertaker wakes all.
        let mutex = locked.mutex.lock(caller, locked.object, None);
        Waited { timed_out: outcome == WaitOutcome::TimedOut, mutex }
    }

    /// Ends the wait of one who waits, if anybody does. Never blocks.
    #[inline]
    pub fn notify_one(&self) {
        let notified = self.count_one_more(WAITERS);
        if notified & WAITERS != 0 {
            self.wake_slow(notified);
        }
    }

    /// Ends the waits of all who wait. Never blocks.
    #[inline]
    pub fn notify_all(&self) {
        if self.count_one_more(0) & WAITERS != 0 {
            futex_wake(&self.word, u32::MAX);
        }
    }

    /// One more in the count, of the flags those in `keep`. Returns the new count with the flags as they were.
    #[inline]
    fn count_one_more(&self, keep: u32) -> u32 {
        let mut found = self.word.load(Ordering::Relaxed);
        loop {
            let notified = found.wrapping_add(1) & COUNT;
            let flags = found & WAITERS;
            match self.word.compare_exchange(found, notified | (flags & keep), Ordering::Relaxed, Ordering::Relaxed) {
                // dead here: those who sleep do not know; the undertaker wakes all whom a slot names.
                Ok(_) => return notified | flags,
                Err(newer) => found = newer,
            }
        }
    }

    #[cold]
    fn wake_slow(&self, notified: u32) {
        if futex_wake(&self.word, 1) > 0 {
            return;
        }
        let nobody = notified.wrapping_add(1) & COUNT;
        if self.word.compare_exchange(notified, nobody, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            futex_wake(&self.word, u32::MAX);
        }
    }
}

impl Default for RawCondvar {
    #[track_caller]
    fn default() -> Self {
        Self::new()
    }
}

impl Repair for RawCondvar {
    /// Nothing to repair: every step is whole or did not happen. The dead may have been about to notify: one more in the
    /// count, so that who has looked at its condition before, and does not sleep yet, looks again.
    fn bury(&self, _dead: &Dead<'_>) {
        // A write, so that the walk comes after every sleeper that the dead thread was woken before (I1 of waiting).
        self.count_one_more(WAITERS);
    }

    fn wake_all(&self) {
        futex_wake(&self.word, u32::MAX);
    }
}

//! Event: something has happened, or has not yet.
//!
//! **Purpose.** `set` says that it has, `reset` that it has not; `wait` returns when it has. A wait that began before a
//! `set` returns even if a `reset` follows at once: what happened is not taken back for those who were waiting for it.
//!
//! **Layout.** One `u32`, which is also the futex word.
//!
//! | bits | content |
//! |---|---|
//! | 31 | `WAITERS`: somebody may sleep |
//! | 30 | `SET`: it has happened |
//! | 0 to 29 | how often it has been set, modulo 2³⁰ |
//!
//! **Protocol.**
//! 1. *set*: if not `SET`, one more in the count, `SET`, no `WAITERS`, in one step; if `WAITERS` was set, wake all.
//! 2. *reset*: clear `SET`.
//! 3. *wait*: return if `SET`. Else keep the count, set `WAITERS`, sleep on exactly that word; return when `SET`, or
//!    another count, is seen.
//!
//! **Invariants.**
//! - I1: the count changes with every step from not set to set, and never otherwise.
//! - I2: if somebody sleeps, `WAITERS` is set in the word on which it sleeps, or whoever cleared it is on the way to
//!   wake all.
//!
//! A wait during which the event is set exactly 2³⁰ times and reset as often, all before the waiter looks, takes it for
//! unset; it returns at the next `set`.
//!
//! **Orderings.**
//!
//! | operation | ordering | pairs with | publishes |
//! |---|---|---|---|
//! | set's swing | Release | wait's load | what the setter did |
//! | reset's `and`, setting `WAITERS` | Relaxed | | nothing; both continue the release sequence of the last set |
//! | wait's loads | Acquire | set's swing | |
//!
//! A `set` of an event that is set already publishes nothing: whoever waits is told of the first.
//!
//! **Death.** Killed before set's swing: nothing happened. After it and before the wake: the sleepers named the object
//! and the undertaker wakes all of them. A waiter that is killed leaves at most `WAITERS`, and costs the next `set` a
//! vain system call.
//!
//! **Models.** `event/*`.
//!
//! **References.** The event count of Reed and Kanodia, "Synchronization with Eventcounts and Sequencers", CACM 22(2),
//! 1979.

use super::undertaker::{Dead, Repair};
use super::waiting::{Caller, ObjectId};
use crate::sync::{AtomicU32, Deadline, Ordering, WaitOn, WaitOutcome, futex_wake, spin_loop};

const WAITERS: u32 = 1 << 31;
const SET: u32 = 1 << 30;
const COUNT: u32 = SET - 1;

/// The control block of an event.
#[derive(Debug)]
#[repr(transparent)]
pub struct RawEvent {
    word: AtomicU32,
}

/// A moment in the life of an event: since when somebody waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment(u32);

/// The deadline passed, and it had not happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimedOut;

impl RawEvent {
    /// An event that has happened already, or not.
    #[must_use]
    #[track_caller]
    pub fn new(set: bool) -> Self {
        Self { word: AtomicU32::new(if set { SET } else { 0 }) }
    }

    /// Says that it has happened; true if it had not before. Never blocks.
    #[inline]
    pub fn set(&self) -> bool {
        // Relaxed: only a candidate for the compare-and-swap.
        let mut found = self.word.load(Ordering::Relaxed);
        while found & SET == 0 {
            let happened = SET | (found.wrapping_add(1) & COUNT);
            // Release: pairs with the Acquire in wait; publishes what the caller did.
            match self.word.compare_exchange(found, happened, Ordering::Release, Ordering::Relaxed) {
                // dead here: it has happened and the sleepers do not know; the undertaker wakes all whom a slot names.
                Ok(_) => {
                    if found & WAITERS != 0 {
                        futex_wake(&self.word, u32::MAX);
                    }
                    return true;
                }
                Err(newer) => found = newer,
            }
        }
        false
    }

    /// Says that it has not happened, or not again; true if it had. Never blocks.
    #[inline]
    pub fn reset(&self) -> bool {
        // Relaxed: it publishes nothing, and lets through what the last set published.
        self.word.fetch_and(!SET, Ordering::Relaxed) & SET != 0
    }

    /// Whether it has happened. Never blocks; if so, what the setter did happens before the return.
    #[inline]
    #[must_use]
    pub fn is_set(&self) -> bool {
        // Acquire: pairs with the Release in set.
        self.word.load(Ordering::Acquire) & SET != 0
    }

    /// The present moment. Never blocks.
    #[must_use]
    pub fn now(&self) -> Moment {
        // Relaxed: it says nothing of what happened.
        Moment(self.word.load(Ordering::Relaxed) & COUNT)
    }

    /// Whether it has happened, or had since that moment. Never blocks; if so, what the setter did happens before the return.
    #[must_use]
    pub fn has_happened_since(&self, moment: Moment) -> bool {
        // Acquire: pairs with the Release in set.
        let found = self.word.load(Ordering::Acquire);
        found & SET != 0 || found & COUNT != moment.0
    }

    /// Announces somebody who will look once more and then sleep; and on what. Never blocks.
    #[must_use]
    pub fn arm(&self) -> WaitOn<'_> {
        // Relaxed: says only that somebody sleeps.
        let found = self.word.fetch_or(WAITERS, Ordering::Relaxed);
        WaitOn { word: &self.word, expected: found | WAITERS }
    }

    /// Whether somebody may wait for it, as of a moment ago; for people and tests.
    #[must_use]
    pub fn has_waiters(&self) -> bool {
        // Relaxed: it may be old by the time it is read.
        self.word.load(Ordering::Relaxed) & WAITERS != 0
    }

    /// Waits until it has happened, as long as that takes or until `deadline`.
    ///
    /// # Errors
    /// [`TimedOut`].
    #[inline]
    pub fn wait(&self, caller: &Caller<'_>, object: ObjectId, deadline: Option<Deadline>) -> Result<(), TimedOut> {
        // Acquire: pairs with the Release in set.
        let found = self.word.load(Ordering::Acquire);
        if found & SET != 0 { Ok(()) } else { self.wait_slow(caller, object, deadline, found) }
    }

    #[cold]
    fn wait_slow(
        &self,
        caller: &Caller<'_>,
        object: ObjectId,
        deadline: Option<Deadline>,
        mut found: u32,
    ) -> Result<(), TimedOut> {
        let before = found & COUNT;
        let mut spins = caller.spins();
        let mut timed_out = false;
        loop {
            if found & SET != 0 || found & COUNT != before {
                return Ok(());
            }
            if timed_out {
                return Err(TimedOut);
            }
            if spins > 0 && found & WAITERS == 0 {
                spins -= 1;
                spin_loop();
            } else {
                if found & WAITERS == 0
                    // Acquire, of a failure: as the load below. Relaxed, of a success: says only that somebody sleeps.
                    && let Err(newer) =
                        self.word.compare_exchange(found, found | WAITERS, Ordering::Relaxed, Ordering::Acquire)
                {
                    found = newer;
                    continue;
                }
                // dead here: WAITERS is set for nobody.
                timed_out = caller.sleep(object, &self.word, found | WAITERS, deadline) == WaitOutcome::TimedOut;
            }
            // Acquire: pairs with the Release in set.
            found = self.word.load(Ordering::Acquire);
        }
    }
}

impl Repair for RawEvent {
    /// Nothing to repair: every step is whole or did not happen.
    fn bury(&self, _dead: &Dead<'_>) {
        // Relaxed: it changes nothing. A write, so that the walk comes after every sleeper that the dead thread was woken
        // before (I1 of waiting).
        self.word.fetch_or(0, Ordering::Relaxed);
    }

    fn wake_all(&self) {
        futex_wake(&self.word, u32::MAX);
    }
}

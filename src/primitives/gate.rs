//! Gate: where those wait who found nothing, for words that are not the one on which they sleep.
//!
//! **Purpose.** Who waits for a queue's next item cannot sleep on the queue: no `u32` there says all that matters. It
//! sleeps on a gate, and whoever brings something about signals it. A signal makes a system call only if somebody may
//! sleep.
//!
//! **Layout.** One `u32`, which is also the futex word: bit 0 `SLEEPERS`, bit 1 `APART`, above them the changes, modulo
//! 2³⁰.
//!
//! **Protocol.**
//! 1. *wait*: set `SLEEPERS`, and `APART` if what serves another here may not serve oneself; fence; try. Found nothing:
//!    sleep while the word is what it was after that; again. Who found something after it had slept signals in turn if
//!    there is more: a wake for one is one wake for all who sleep.
//! 2. *signal*, after what it is about: fence; if `SLEEPERS` is set, clear both flags and change the word in one step,
//!    wake one, or all; all, if `APART` was set. After a wake for one: fence; if `APART` is set, signal all.
//! 3. *undertaker*: change the word.
//!
//! **Invariants.**
//! - I1: of somebody who waits and somebody who signals one sees the other: `SLEEPERS`, fence, try there; what it is
//!   about, fence, the word here.
//! - I2: whoever is woken sets `SLEEPERS` before it tries again, for all who sleep still; so the flag is never lost with
//!   the wake, nor because a wake found nobody.
//! - I3: all who wait at one gate wait for the same, so that whatever serves one of them serves any; or all are woken.
//!   A wake for one leaves others asleep whom no later signal finds until the one has set the flag again: so while
//!   somebody waits for something of its own no wake is for one.
//! - I4: who waits apart and goes to sleep between the change and the wake that follows may be woken in place of
//!   another, and finds nothing. It has set `APART` before, so whoever woke it sees that, and wakes all.
//!
//! **Orderings.**
//!
//! | operation | ordering | pairs with | publishes |
//! |---|---|---|---|
//! | `SLEEPERS`, fence, try | SeqCst fence | what a signal is about, fence, load or change of the word | I1; what the signal is about |
//! | the undertaker's change | Release | `SLEEPERS` set, fence | what was repaired |
//!
//! **Death.** Of who signals, before the wake, or of who is woken: the undertaker changes the word and wakes all whom a
//! slot names; each sets `SLEEPERS` again.
//!
//! **Models.** `gate/*`, and those of what is built with it.
//!
//! **References.** Eventcounts: Reed and Kanodia, "Synchronization with eventcounts and sequencers", CACM 1979.

use super::waiting::{Caller, ObjectId};
use crate::sync::{AtomicU32, Deadline, Ordering, WaitOn, WaitOutcome, fence, futex_wake, spin_loop};

const SLEEPERS: u32 = 1;
const APART: u32 = 2;
const CHANGE: u32 = 4;

/// What somebody waits for at a gate, beside others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waits {
    /// For the same as they: what serves one of them serves any.
    Alike,
    /// For something of its own. Meanwhile each signal wakes all.
    Apart,
}

/// A gate; part of a control block.
#[derive(Debug)]
#[repr(transparent)]
pub struct RawGate {
    word: AtomicU32,
}

/// Why there is no answer: not now, or not in time; or for some other reason.
pub trait Refusal: PartialEq {
    /// Not without waiting.
    const WOULD_BLOCK: Self;
    /// Not in time.
    const TIMED_OUT: Self;
}

impl RawGate {
    /// A gate at which nobody waits.
    #[must_use]
    #[track_caller]
    pub fn new() -> Self {
        Self { word: AtomicU32::new(0) }
    }

    /// Tries until it is done, sleeping in between, as long as it takes or until `deadline`; then there is nothing.
    ///
    /// `more` says whether somebody else who waits here could go on.
    pub fn wait<R>(
        &self,
        caller: &Caller<'_>,
        object: ObjectId,
        deadline: Option<Deadline>,
        attempt: impl FnMut() -> Option<R>,
        more: impl Fn() -> bool,
    ) -> Option<R> {
        self.wait_as(Waits::Alike, caller, object, deadline, attempt, more)
    }

    fn wait_as<R>(
        &self,
        waits: Waits,
        caller: &Caller<'_>,
        object: ObjectId,
        deadline: Option<Deadline>,
        mut attempt: impl FnMut() -> Option<R>,
        more: impl Fn() -> bool,
    ) -> Option<R> {
        let mut spins = caller.spins();
        let (mut slept, mut timed_out) = (false, false);
        while spins > 0 {
            if let Some(done) = attempt() {
                return Some(done);
            }
            spins -= 1;
            spin_loop();
        }
        loop {
            let armed = self.arm_as(waits);
            // SeqCst: pairs with the fence in signal (I1): whoever was refused the flag by a change sees what that is about.
            fence(Ordering::SeqCst);
            if let Some(done) = attempt() {
                // dead here: a wake may be due to others; the undertaker wakes all whom a slot names.
                if slept && more() {
                    self.signal();
                }
                return Some(done);
            }
            if timed_out {
                return None;
            }
            timed_out = caller.sleep(object, armed.word, armed.expected, deadline) == WaitOutcome::TimedOut;
            slept = true;
        }
    }

    /// Announces somebody who will try once more, after a fence, and then sleep; and on what. Never blocks.
    #[must_use]
    pub fn arm(&self) -> WaitOn<'_> {
        self.arm_as(Waits::Alike)
    }

    /// The same, of somebody who waits for what others here wait for, or apart from them.
    #[must_use]
    pub fn arm_as(&self, waits: Waits) -> WaitOn<'_> {
        let flags = if waits == Waits::Apart { SLEEPERS | APART } else { SLEEPERS };
        // Relaxed: before the fence. A write in any case: a wake orders nothing, and a load after it might find the flag
        // that the signal has cleared (I2).
        let found = self.word.fetch_or(flags, Ordering::Relaxed);
        WaitOn { word: &self.word, expected: found | flags }
    }

    /// Announces somebody who waits here already, and whom a wake may have missed. A fence, and a signal if there is something to
    /// wait for no more, follow. Never blocks.
    pub fn announce(&self) {
        let _ = self.arm();
    }

    /// An attempt, and if it would block, as many more as it takes while waiting, as long as that takes or until `deadline`.
    ///
    /// `more` says whether somebody else who waits here could go on.
    ///
    /// # Errors
    /// Those of the attempt, but "timed out" for "would block".
    #[inline]
    pub fn until<R, E: Refusal>(
        &self,
        caller: &Caller<'_>,
        object: ObjectId,
        deadline: Option<Deadline>,
        attempt: impl Fn() -> Result<R, E>,
        more: impl Fn() -> bool,
    ) -> Result<R, E> {
        self.until_as(Waits::Alike, caller, object, deadline, attempt, more)
    }

    /// The same, of somebody who waits for what others here wait for, or apart from them.
    ///
    /// # Errors
    /// As there.
    #[inline]
    pub fn until_as<R, E: Refusal>(
        &self,
        waits: Waits,
        caller: &Caller<'_>,
        object: ObjectId,
        deadline: Option<Deadline>,
        attempt: impl Fn() -> Result<R, E>,
        more: impl Fn() -> bool,
    ) -> Result<R, E> {
        let once = || match attempt() {
            Err(error) if error == E::WOULD_BLOCK => None,
            answer => Some(answer),
        };
        once().or_else(|| self.wait_as(waits, caller, object, deadline, once, more)).unwrap_or(Err(E::TIMED_OUT))
    }

    /// Wakes one of those who wait, if there are any, after something that one of them waits for; all, if one waits apart. Never
    /// blocks.
    #[inline]
    pub fn signal(&self) {
        self.signal_to(1);
    }

    /// Wakes all who wait, where they wait for different things. Never blocks.
    #[inline]
    pub fn signal_all(&self) {
        self.signal_to(u32::MAX);
    }

    #[inline]
    fn signal_to(&self, count: u32) {
        // SeqCst: pairs with the fence in wait (I1).
        fence(Ordering::SeqCst);
        // Relaxed: after the fence.
        let found = self.word.load(Ordering::Relaxed);
        if found & SLEEPERS != 0 {
            self.signal_slow(found, count);
        }
    }

    #[cold]
    fn signal_slow(&self, mut found: u32, count: u32) {
        while found & SLEEPERS != 0 {
            let count = if found & APART == 0 { count } else { u32::MAX };
            let changed = (found & !(SLEEPERS | APART)).wrapping_add(CHANGE);
            // Relaxed: after the fence.
            if let Err(newer) = self.word.compare_exchange(found, changed, Ordering::Relaxed, Ordering::Relaxed) {
                found = newer;
                continue;
            }
            // dead here: nobody is woken; the undertaker wakes all whom a slot names.
            futex_wake(&self.word, count);
            if count == u32::MAX {
                return;
            }
            // SeqCst: pairs with the fence in wait, of who has gone to sleep since, and been woken in place of another (I4).
            fence(Ordering::SeqCst);
            // Relaxed: after the fence.
            found = self.word.load(Ordering::Relaxed);
            if found & APART == 0 {
                return;
            }
        }
    }

    /// Changes the word, as an undertaker does before it wakes all.
    pub fn change(&self) {
        // Release: pairs with the fence in wait, after its change of the word; publishes what was repaired.
        self.word.fetch_add(CHANGE, Ordering::Release);
    }

    /// Wakes everybody who sleeps here.
    pub fn wake_all(&self) {
        futex_wake(&self.word, u32::MAX);
    }
}

impl Default for RawGate {
    #[track_caller]
    fn default() -> Self {
        Self::new()
    }
}

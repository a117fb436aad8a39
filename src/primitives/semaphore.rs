//! Counting semaphore: an integer that is never negative.
//!
//! **Purpose.** `release` adds permits, `acquire` takes them and waits while there are too few. Permits belong to nobody:
//! one thread may release what another acquired, and a permit that a dead thread had taken is not given back. Mutual
//! exclusion that survives its holder is a [mutex](super::mutex).
//!
//! **Layout.** One `u32`, which is also the futex word.
//!
//! | bits | content |
//! |---|---|
//! | 31 | `WAITERS`: somebody may sleep |
//! | 30 | `MANY`: somebody who needs more than one permit may sleep |
//! | 0 to 29 | permits |
//!
//! **Protocol.**
//! 1. *acquire n*: if there are `n` permits, subtract them. Who has slept sets `WAITERS` again, since others may sleep
//!    still, and passes the wake on if permits are left.
//! 2. Otherwise set `WAITERS` (and `MANY`, if `n > 1`) and sleep on exactly that word. Who sets `MANY` while there are
//!    permits, too few for itself, wakes one before it sleeps: a wake for one may be on its way to somebody who needs
//!    less, and it could take that wake (the kernel wakes by priority) without taking a permit.
//! 3. *release n*: add `n` and clear both flags in one step; if `MANY` was set wake all, else if `WAITERS` was, wake one.
//!
//! **Invariants.**
//! - I1: the count never falls below zero: permits are subtracted by compare-and-swap from a count that has them.
//! - I2: if somebody sleeps who could proceed, a wake is on its way: the flag is set, or a woken thread has yet to look.
//!   A flag is never cleared because a wake found nobody: a sleeper may be between setting it and sleeping.
//! - I3: if somebody who needs several permits sleeps, `MANY` is set or all are being woken. So whoever a wake for one
//!   reaches can go on with one permit, or finds it gone, or set `MANY` when it was there, and has made good for it.
//!
//! **Orderings.**
//!
//! | operation | ordering | pairs with | publishes |
//! |---|---|---|---|
//! | release's swing | Release | acquire's swing | what the releaser did |
//! | acquire's swing | Acquire | release's swing, through any number of swings in between (they continue its release sequence) | |
//! | setting a flag | Relaxed | | nothing |
//!
//! **Death.** Killed before the swing: nothing happened. After acquire's: the permits are gone with the thread, as the
//! caller chose. After release's and before the wake, or woken and before looking: the sleepers named the object and the
//! undertaker wakes all of them; each looks for itself.
//!
//! **Models.** `semaphore/*`.
//!
//! **References.** Dijkstra, EWD 123, 1965; POSIX `sem_wait`; glibc bug 13690 (a new semaphore's word touched after
//! post): here a release's last access to the word is its swing, the wake names only the address.

use super::undertaker::{Dead, Repair};
use super::waiting::{Caller, ObjectId};
use crate::sync::{AtomicU32, Deadline, Ordering, WaitOn, WaitOutcome, futex_wake, spin_loop};

const WAITERS: u32 = 1 << 31;
const MANY: u32 = 1 << 30;
const COUNT: u32 = MANY - 1;

/// The control block of a counting semaphore.
#[derive(Debug)]
#[repr(transparent)]
pub struct RawSemaphore {
    word: AtomicU32,
}

/// Why permits were not acquired.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AcquireError {
    /// There are too few (non-blocking calls only).
    WouldBlock,
    /// The deadline passed (timed calls only).
    TimedOut,
    /// More were asked for than a semaphore can ever hold.
    TooMany,
}

/// Why permits were not released: the count would exceed [`RawSemaphore::MAX`]. Nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overflow;

impl RawSemaphore {
    /// The most permits that a semaphore holds.
    pub const MAX: u32 = COUNT;

    /// A semaphore with `permits` permits, at most [`MAX`](Self::MAX).
    #[must_use]
    #[track_caller]
    pub fn new(permits: u32) -> Self {
        Self { word: AtomicU32::new(permits.min(Self::MAX)) }
    }

    /// Takes `n` permits if there are as many; never blocks.
    ///
    /// # Errors
    /// `WouldBlock`, `TooMany`.
    #[inline]
    pub fn try_acquire(&self, n: u32) -> Result<(), AcquireError> {
        if n > Self::MAX {
            return Err(AcquireError::TooMany);
        }
        self.attempt(n).map_err(|_| AcquireError::WouldBlock)
    }

    /// Takes `n` permits, or returns the word that has too few.
    #[inline]
    fn attempt(&self, n: u32) -> Result<(), u32> {
        // Relaxed: only a candidate for the compare-and-swap.
        let mut found = self.word.load(Ordering::Relaxed);
        while found & COUNT >= n {
            // Acquire: pairs with the Release in release.
            match self.word.compare_exchange(found, found - n, Ordering::Acquire, Ordering::Relaxed) {
                Ok(_) => return Ok(()),
                Err(newer) => found = newer,
            }
        }
        Err(found)
    }

    /// Takes `n` permits, all or none, waiting as long as it takes or until `deadline`.
    ///
    /// # Errors
    /// `TimedOut`, `TooMany`.
    #[inline]
    pub fn acquire(
        &self,
        caller: &Caller<'_>,
        object: ObjectId,
        n: u32,
        deadline: Option<Deadline>,
    ) -> Result<(), AcquireError> {
        if n > Self::MAX {
            return Err(AcquireError::TooMany);
        }
        match self.attempt(n) {
            Ok(()) => Ok(()),
            Err(found) => self.acquire_slow(caller, object, n, deadline, found),
        }
    }

    #[cold]
    fn acquire_slow(
        &self,
        caller: &Caller<'_>,
        object: ObjectId,
        n: u32,
        deadline: Option<Deadline>,
        mut found: u32,
    ) -> Result<(), AcquireError> {
        let flags = if n > 1 { WAITERS | MANY } else { WAITERS };
        let mut keep = 0;
        let mut spins = caller.spins();
        let mut timed_out = false;
        loop {
            if found & COUNT >= n {
                let left = (found - n) | keep;
                // Acquire: pairs with the Release in release.
                match self.word.compare_exchange(found, left, Ordering::Acquire, Ordering::Relaxed) {
                    Ok(_) => {
                        // dead here: a wake may be due to others; the undertaker wakes all whom a slot names.
                        if keep != 0 && left & COUNT > 0 {
                            self.pass_on(left);
                        }
                        return Ok(());
                    }
                    Err(newer) => found = newer,
                }
                continue;
            }
            if timed_out {
                return Err(AcquireError::TimedOut);
            }
            if spins > 0 && found & WAITERS == 0 {
                spins -= 1;
                spin_loop();
                // Relaxed: only a candidate for the compare-and-swaps.
                found = self.word.load(Ordering::Relaxed);
                continue;
            }
            if found & flags != flags {
                // Relaxed: says only that somebody sleeps.
                match self.word.compare_exchange(found, found | flags, Ordering::Relaxed, Ordering::Relaxed) {
                    // dead here: the permits that are there reach others as if we had not come.
                    Ok(_) if found & COUNT > 0 => self.make_good(),
                    Ok(_) => {}
                    Err(newer) => {
                        found = newer;
                        continue;
                    }
                }
            }
            timed_out = caller.sleep(object, &self.word, found | flags, deadline) == WaitOutcome::TimedOut;
            keep = WAITERS;
            // Relaxed: as above.
            found = self.word.load(Ordering::Relaxed);
        }
    }

    /// Announces somebody who will try once more to take `n` permits and then sleep; and on what. Never blocks.
    #[must_use]
    pub fn arm(&self, n: u32) -> WaitOn<'_> {
        let flags = if n > 1 { WAITERS | MANY } else { WAITERS };
        // Relaxed: says only that somebody sleeps.
        let found = self.word.fetch_or(flags, Ordering::Relaxed);
        // dead here: as in acquire.
        if found & flags != flags && found & COUNT > 0 {
            self.make_good();
        }
        WaitOn { word: &self.word, expected: found | flags }
    }

    /// Gives a wake on that whoever has armed it may have taken and made no use of. Never blocks.
    pub fn pass_wake_on(&self) {
        // Relaxed: not older than the own arming, which comes before.
        let left = self.word.load(Ordering::Relaxed);
        if left & COUNT > 0 {
            self.pass_on(left);
        }
    }

    /// Wakes one for the one whom we could rob of a wake (I3).
    #[cold]
    fn make_good(&self) {
        futex_wake(&self.word, 1);
    }

    /// Gives a wake on to somebody else: more permits are left than the woken thread took.
    #[cold]
    fn pass_on(&self, left: u32) {
        futex_wake(&self.word, if left & MANY != 0 { u32::MAX } else { 1 });
    }

    /// Adds `n` permits; never blocks.
    ///
    /// # Errors
    /// [`Overflow`].
    #[inline]
    pub fn release(&self, n: u32) -> Result<(), Overflow> {
        // Relaxed: only a candidate for the compare-and-swap.
        let mut found = self.word.load(Ordering::Relaxed);
        loop {
            let count = (found & COUNT).checked_add(n).filter(|count| *count <= Self::MAX).ok_or(Overflow)?;
            // Release: pairs with the Acquire in acquire; publishes what the releaser did.
            match self.word.compare_exchange(found, count, Ordering::Release, Ordering::Relaxed) {
                // dead here: permits are there, sleepers not woken; the undertaker wakes all whom a slot names.
                Ok(_) if found & WAITERS == 0 => return Ok(()),
                Ok(_) => {
                    self.wake_slow(found);
                    return Ok(());
                }
                Err(newer) => found = newer,
            }
        }
    }

    #[cold]
    fn wake_slow(&self, found: u32) {
        futex_wake(&self.word, if found & MANY != 0 { u32::MAX } else { 1 });
    }

    /// The permits that are there, as of a moment ago.
    #[must_use]
    pub fn available(&self) -> u32 {
        // Relaxed: a number that may be old by the time it is read promises no order.
        self.word.load(Ordering::Relaxed) & COUNT
    }
}

impl Repair for RawSemaphore {
    /// Nothing to repair: permits belong to nobody, and every step is whole or did not happen.
    fn bury(&self, _dead: &Dead<'_>) {
        // Relaxed: it changes nothing. A write, so that the walk comes after every sleeper that the dead thread was woken
        // before (I1 of waiting).
        self.word.fetch_or(0, Ordering::Relaxed);
    }

    fn wake_all(&self) {
        futex_wake(&self.word, u32::MAX);
    }
}

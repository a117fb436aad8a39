//! Once: something is initialised by one, whoever of them lives to finish it.
//!
//! **Purpose.** Of all who come, one gets the turn to initialise; the others wait. When that one dies, or gives its
//! turn up, another gets it and is told that somebody began before. When one has finished, nobody gets a turn any more,
//! and all see what was initialised.
//!
//! **Layout.** Two `u32`: the state (`FRESH`, `BEGUN`, `DONE`), and a [robust mutex](super::mutex), whose holder has
//! the turn.
//!
//! ```text
//! FRESH ──turn──> BEGUN ──finish──> DONE
//!                 │   ^
//!                 └───┘ death, or given up: another turn
//! ```
//!
//! **Protocol.**
//! 1. *begin*: return if `DONE`. Else lock the mutex; if it is `DONE` by now, unlock and return. Else write `BEGUN`:
//!    the turn.
//! 2. *finish*: write `DONE`, unlock.
//! 3. *give up*: unlock.
//!
//! **Invariants.**
//! - I1: the state is written by the holder of the mutex only, and never after `DONE`.
//! - I2: if the state is `BEGUN` and nobody holds the mutex, whoever had the last turn gave it up or died.
//!
//! **Orderings.**
//!
//! | operation | ordering | pairs with | publishes |
//! |---|---|---|---|
//! | `DONE` written | Release | begin's first load | what was initialised |
//! | begin's first load | Acquire | `DONE` written | |
//! | the other accesses of the state | Relaxed | | under the mutex, which orders them |
//!
//! **Death.** Before `BEGUN` is written: the mutex names the dead; the next gets a first turn. After it: the next is
//! told that somebody began. After `DONE` and before the unlock: the mutex's heir finds `DONE`. Waiters are the
//! mutex's.
//!
//! **Models.** `once/*`.
//!
//! **References.** POSIX `pthread_once`, which says nothing of an initialiser that dies.

use super::mutex::{Leaves, LockError, MutexSeen, RawMutex};
use super::undertaker::{Dead, Repair};
use super::waiting::{Caller, ObjectId};
use crate::sync::{AtomicU32, Deadline, Ordering};

const FRESH: u32 = 0;
const BEGUN: u32 = 1;
const DONE: u32 = 2;

/// The control block of something that is initialised once.
#[derive(Debug)]
#[repr(C)]
pub struct RawOnce {
    state: AtomicU32,
    turn: RawMutex,
}

/// What somebody who comes finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// It has been initialised; what was written is seen.
    Done,
    /// The caller is to initialise it, and then to [`finish`](RawOnce::finish) or to [give up](RawOnce::give_up).
    First,
    /// The same, and somebody who died or gave up has begun: what is there may be half done.
    Again,
}

/// How far it is, as of a moment ago; for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnceSeen {
    /// Nobody has begun.
    Fresh,
    /// Somebody has begun.
    Begun,
    /// It has been initialised.
    Done,
    /// It holds what nobody writes (damaged memory).
    Corrupt,
}

/// Why there was no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnceError {
    /// Somebody else has the turn (non-blocking calls only).
    WouldBlock,
    /// Somebody else had the turn until the deadline (timed calls only).
    TimedOut,
    /// The calling thread has the turn already: the initialiser would wait for itself.
    Recursive,
}

impl From<LockError> for OnceError {
    fn from(error: LockError) -> Self {
        match error {
            // Turns are always given up consistent, so that the mutex never becomes unrecoverable.
            LockError::WouldBlock | LockError::NotRecoverable => Self::WouldBlock,
            LockError::TimedOut => Self::TimedOut,
            LockError::Relocked => Self::Recursive,
        }
    }
}

impl RawOnce {
    /// Something that has yet to be initialised.
    #[must_use]
    #[track_caller]
    pub fn new() -> Self {
        Self { state: AtomicU32::new(FRESH), turn: RawMutex::new() }
    }

    /// Whether it has been initialised; if so, what was written is seen. Never blocks.
    #[inline]
    #[must_use]
    pub fn is_done(&self) -> bool {
        // Acquire: pairs with the Release in finish.
        self.state.load(Ordering::Acquire) == DONE
    }

    /// How far it is, and what its mutex is, whose holder has the turn; for people and tests.
    #[must_use]
    pub fn seen(&self) -> (OnceSeen, MutexSeen) {
        let state = match self.state.peek() {
            FRESH => OnceSeen::Fresh,
            BEGUN => OnceSeen::Begun,
            DONE => OnceSeen::Done,
            _ => OnceSeen::Corrupt,
        };
        (state, self.turn.seen())
    }

    /// Gets the turn, or learns that none is needed, waiting while somebody else has it.
    ///
    /// # Errors
    /// `TimedOut`, `Recursive`.
    #[inline]
    pub fn begin(&self, caller: &Caller<'_>, object: ObjectId, deadline: Option<Deadline>) -> Result<Turn, OnceError> {
        if self.is_done() {
            return Ok(Turn::Done);
        }
        self.turn.lock(caller, object, deadline)?;
        Ok(self.look())
    }

    /// The same, and never blocks.
    ///
    /// # Errors
    /// `WouldBlock`.
    #[inline]
    pub fn try_begin(&self, caller: &Caller<'_>) -> Result<Turn, OnceError> {
        if self.is_done() {
            return Ok(Turn::Done);
        }
        self.turn.try_lock(caller.slot)?;
        Ok(self.look())
    }

    /// What whoever has just locked the mutex finds.
    fn look(&self) -> Turn {
        // Relaxed: under the mutex.
        match self.state.load(Ordering::Relaxed) {
            DONE => {
                self.turn.unlock(Leaves::Consistent);
                Turn::Done
            }
            FRESH => {
                // Relaxed: under the mutex.
                self.state.store(BEGUN, Ordering::Relaxed);
                Turn::First
            }
            _ => Turn::Again,
        }
    }

    /// Says that it has been initialised; the caller has the turn. Never blocks.
    #[inline]
    pub fn finish(&self) {
        // Release: pairs with the Acquire in is_done; publishes what was initialised.
        self.state.store(DONE, Ordering::Release);
        // dead here: it is done, and the mutex names the dead; its heir looks and finds it done.
        self.turn.unlock(Leaves::Consistent);
    }

    /// Gives the turn up to whoever comes next. Never blocks.
    pub fn give_up(&self) {
        self.turn.unlock(Leaves::Consistent);
    }
}

impl Default for RawOnce {
    #[track_caller]
    fn default() -> Self {
        Self::new()
    }
}

impl Repair for RawOnce {
    fn bury(&self, dead: &Dead<'_>) {
        self.turn.bury(dead);
    }

    fn wake_all(&self) {
        self.turn.wake_all();
    }
}

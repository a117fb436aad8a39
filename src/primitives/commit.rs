//! Commit: changes of a value, each of which takes place whole or not at all, whoever is killed.
//!
//! **Purpose.** Of two copies of a value one is current. Who changes it writes the other, and makes that the current
//! one in one step. So whoever comes after a death finds the value as it was before the change or after it, and has
//! nothing to repair: what is to take place together, say the effect of a message and the note that it was received, is
//! written in one change.
//!
//! **Layout.** A `u32`, how often the value was changed, of which bit 0 says which copy is current; a
//! [mutex](super::mutex).
//!
//! **Protocol.**
//! 1. *begin*: lock the mutex, from whomever: that its last holder died does not matter. Read the word.
//! 2. Write the copy that is not current, all of it.
//! 3. *commit*: write the word plus one: here the change takes place. Unlock. Or *abandon*: unlock.
//!
//! To read: begin, read the current copy, abandon.
//!
//! **Invariants.**
//! - I1: the current copy is written by nobody; the other by who holds the mutex.
//! - I2: who holds the mutex finds the word as its last writer left it; and of a copy that is current all was written
//!   before.
//!
//! **Orderings.**
//!
//! | operation | ordering | pairs with | publishes |
//! |---|---|---|---|
//! | word plus one | Release | the end of the thread: what precedes it in the program is done when it is | the copy |
//! | all else | that of the mutex | | the copies and the word |
//!
//! **Death.** Before the word is written: nothing has changed, and what the other copy holds does not matter. After it:
//! the change took place. The undertaker repairs the mutex.
//!
//! **Models.** `commit/*`.
//!
//! **References.** Shadow paging: Lorie, "Physical integrity in a large segmented database", ACM TODS 1977.

use super::mutex::{Leaves, LockError, MutexSeen, RawMutex};
use super::undertaker::{Dead, Repair};
use super::waiting::{Caller, ObjectId};
use crate::sync::{AtomicU32, Deadline, Ordering};

/// The control block of a value that is changed by commits.
#[derive(Debug)]
#[repr(C)]
pub struct RawCommit {
    mutex: RawMutex,
    changes: AtomicU32,
}

/// A change that was begun, by who holds the mutex.
#[derive(Debug)]
#[must_use = "it is to be committed or abandoned"]
pub struct Change {
    /// How often the value was changed before.
    before: u32,
}

impl Change {
    /// Which of the two copies is current.
    #[must_use]
    pub fn current(&self) -> usize {
        usize::from(self.before & 1 != 0)
    }

    /// Which of them is to be written.
    #[must_use]
    pub fn other(&self) -> usize {
        1 - self.current()
    }
}

impl RawCommit {
    /// A value whose first copy is current.
    #[must_use]
    #[track_caller]
    pub fn new() -> Self {
        Self { mutex: RawMutex::new(), changes: AtomicU32::new(0) }
    }

    /// Begins a change, or a look, waiting for others as long as it takes or until `deadline`.
    ///
    /// # Errors
    /// `TimedOut`, `Relocked`.
    pub fn begin(
        &self,
        caller: &Caller<'_>,
        object: ObjectId,
        deadline: Option<Deadline>,
    ) -> Result<Change, LockError> {
        // Whose holder died is as good as any other.
        let _ = self.mutex.lock(caller, object, deadline)?;
        // Relaxed: written by who held the mutex.
        Ok(Change { before: self.changes.load(Ordering::Relaxed) })
    }

    /// Makes the copy current that was written. Never blocks.
    pub fn commit(&self, change: Change) {
        // Release: no write of the copy comes after it, wherever the thread is killed.
        self.changes.store(change.before.wrapping_add(1), Ordering::Release);
        // dead here: it has taken place; the undertaker unlocks.
        self.mutex.unlock(Leaves::Consistent);
    }

    /// Leaves all as it was. Never blocks.
    pub fn abandon(&self, _change: Change) {
        self.mutex.unlock(Leaves::Consistent);
    }

    /// What the mutex is, as of a moment ago; for people and tests.
    #[must_use]
    pub fn seen(&self) -> MutexSeen {
        self.mutex.seen()
    }

    /// How often the value was changed, modulo 2³², as of a moment ago; for people and tests.
    #[must_use]
    pub fn changes(&self) -> u32 {
        self.changes.peek()
    }
}

impl Default for RawCommit {
    #[track_caller]
    fn default() -> Self {
        Self::new()
    }
}

impl Repair for RawCommit {
    fn bury(&self, dead: &Dead<'_>) {
        self.mutex.bury(dead);
    }

    fn wake_all(&self) {
        self.mutex.wake_all();
    }
}

//! Owned semaphore: permits that come home when the thread that took them dies.
//!
//! **Purpose.** A fixed number of permits. A thread takes some, gives back what it took, and what it still has when it
//! ends or is killed, at any step, is given back for it: none is lost and none is made. What System V's `SEM_UNDO`
//! promises, without its races.
//!
//! **Layout.** A `u64`, the word; a `u32`, the gate, on which sleepers sleep; a `u32`, the number of permits; and for
//! each thread slot a `u64`, its entry in the ledger. How many bits a field has follows from the number of slots and of
//! permits ([`Format`]).
//!
//! | word, from bit 0 | entry, from bit 0 |
//! |---|---|
//! | permits that are there | permits that the thread has |
//! | `WAITERS`: somebody may sleep | how many its next operation takes or gives |
//! | `RETURN`: all that the actor had came home | 1: it gives them |
//! | actor: thread slot + 1 of the last operation | sequence of the last operation that is entered |
//! | sequence of that operation | |
//!
//! **Protocol.**
//! 1. Every operation first enters the last one in the ledger (*help*): if the actor's entry has another sequence than
//!    the word, and the word is still the same, swing the entry to that sequence, with what the actor has now. So at
//!    most the last operation is ever not entered, and the word says whose it is.
//! 2. *acquire n*: read the gate, then the word; help. With `n` permits there: write into the own entry what is meant to
//!    be done, then swing the word. Else set `WAITERS` and sleep while the gate is what was read first.
//! 3. *release n*: help, write what is meant, swing the word to one without `WAITERS`. If it was set: change the gate,
//!    wake all, since they may need different numbers.
//! 4. *undertaker*, for each thread that died: help; if its entry has permits, swing the word to one with `RETURN`, its
//!    slot, and so many permits more; again, until it has none. Then change the gate, in any case.
//!
//! **Invariants.**
//! - I1: permits that are there, and permits in the ledger with the last operation entered, add up to those there ever
//!   were.
//! - I2: what an entry means to do is written only by its thread, when its last operation has been entered; it takes
//!   effect by the swing of the word alone. So whoever enters an operation reads what it meant.
//! - I3: an entry changes its sequence only when the word is helped, under a word that was validated after the entry was
//!   read. So a late helper's swing fails.
//! - I4: a thread that comes back after exactly as many operations as there are sequences does not take the number that
//!   its entry bears: that operation would pass for entered. For a swing to be mistaken, a stalled thread would have to
//!   miss exactly all 2³⁸ or more.
//! - I5: a sleeper read the gate before it saw too few permits, and whoever adds some changes the gate afterwards if
//!   `WAITERS` was set.
//!
//! **Orderings.**
//!
//! | operation | ordering | pairs with | publishes |
//! |---|---|---|---|
//! | swing of the word | Release | loads of it, Acquire, before every swing | what the actor meant, what was entered before, and what who gives permits did |
//! | what is meant, entered | Release | loads of an entry, Acquire | that the word had changed: validation sees it |
//! | gate changed | Release | load of the gate, Acquire | the word with permits |
//! | `WAITERS` set | Relaxed | | nothing; it continues the release sequence |
//!
//! **Death.** Before the swing of the word: nothing happened. After acquire's: the undertaker enters it, and returns
//! the permits. After release's: the permits are there; the undertaker changes the gate and wakes all whom a slot
//! names. Of the undertaker: every step is whole, the next goes on.
//!
//! **Models.** `owned_semaphore/*`.
//!
//! **References.** Helping by the next operation: Herlihy, "Wait-free synchronization", TOPLAS 1991. `semop(2)`,
//! `SEM_UNDO`, section "Bugs".

use super::participants::ThreadSlot;
use super::undertaker::{Dead, Repair};
use super::waiting::{Caller, ObjectId};
use crate::sync::{AtomicU32, AtomicU64, Deadline, Ordering, WaitOutcome, futex_wake, spin_loop};

mod format;

pub use format::Format;
use format::{Entry, Word};

/// The control block of an owned semaphore.
#[derive(Debug)]
#[repr(C)]
pub struct RawOwnedSemaphore {
    word: AtomicU64,
    gate: AtomicU32,
    /// Written when it is made.
    permits: AtomicU32,
}

/// An owned semaphore with its ledger.
#[derive(Clone, Copy, Debug)]
pub struct OwnedSemaphore<'a> {
    control: &'a RawOwnedSemaphore,
    ledger: &'a [AtomicU64],
    format: Format,
}

/// Why permits were not acquired.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AcquireError {
    /// There are too few (non-blocking calls only).
    WouldBlock,
    /// The deadline passed (timed calls only).
    TimedOut,
    /// More were asked for than there are in all.
    TooMany,
    /// The ledger has no entry for the caller.
    NoEntry,
}

/// Why permits were not released: the thread has not as many. Nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotHeld;

/// What an operation does to the permits that are there.
#[derive(Clone, Copy)]
enum Step {
    Takes(u32),
    Gives(u32),
}

/// Why an attempt was none.
enum Refused {
    /// There are too few permits, in this word.
    TooFew(u64),
    /// The thread has too few.
    NotHeld,
}

impl RawOwnedSemaphore {
    /// A semaphore with `permits` permits.
    #[must_use]
    #[track_caller]
    pub fn new(permits: u32) -> Self {
        let word = AtomicU64::new(u64::from(permits));
        Self { word, gate: AtomicU32::new(0), permits: AtomicU32::new(permits) }
    }

    /// An entry of the ledger: nothing is held.
    #[must_use]
    #[track_caller]
    pub fn entry() -> AtomicU64 {
        AtomicU64::new(0)
    }

    /// The most permits that a semaphore can have in a region with so many thread slots.
    #[must_use]
    pub fn most(slots: usize) -> u32 {
        Format::most(slots)
    }

    /// The semaphore with its ledger, which has an entry for every thread slot.
    #[must_use]
    pub fn with<'a>(&'a self, ledger: &'a [AtomicU64]) -> OwnedSemaphore<'a> {
        OwnedSemaphore { control: self, ledger, format: Format::new(ledger.len(), self.permits.peek()) }
    }
}

impl<'a> OwnedSemaphore<'a> {
    /// The same with sequences of so few bits, which wrap soon: for tests. All who use it have to agree.
    #[must_use]
    pub fn with_sequence_bits(self, bits: u32) -> Self {
        Self { format: self.format.with_sequence_bits(bits), ..self }
    }

    /// Takes `n` permits if there are as many; never blocks.
    ///
    /// # Errors
    /// `WouldBlock`, `TooMany`, `NoEntry`.
    #[inline]
    pub fn try_acquire(&self, slot: ThreadSlot, n: u32) -> Result<(), AcquireError> {
        let entry = self.own_entry(slot, n)?;
        self.swing(slot, entry, Step::Takes(n)).map(drop).map_err(|_| AcquireError::WouldBlock)
    }

    fn own_entry(&self, slot: ThreadSlot, n: u32) -> Result<&'a AtomicU64, AcquireError> {
        if n > self.permits() {
            return Err(AcquireError::TooMany);
        }
        self.ledger.get(usize::from(slot.0)).ok_or(AcquireError::NoEntry)
    }

    /// Takes `n` permits, all or none, waiting as long as it takes or until `deadline`.
    ///
    /// # Errors
    /// `TimedOut`, `TooMany`, `NoEntry`.
    #[inline]
    pub fn acquire(
        &self,
        caller: &Caller<'_>,
        object: ObjectId,
        n: u32,
        deadline: Option<Deadline>,
    ) -> Result<(), AcquireError> {
        let entry = self.own_entry(caller.slot, n)?;
        match self.swing(caller.slot, entry, Step::Takes(n)) {
            Ok(_) => Ok(()),
            Err(_) => self.acquire_slow(caller, object, entry, n, deadline),
        }
    }

    #[cold]
    fn acquire_slow(
        &self,
        caller: &Caller<'_>,
        object: ObjectId,
        entry: &AtomicU64,
        n: u32,
        deadline: Option<Deadline>,
    ) -> Result<(), AcquireError> {
        let mut spins = caller.spins();
        let mut timed_out = false;
        loop {
            // Acquire: pairs with the change of the gate; whoever sees it sees the permits.
            let gate = self.control.gate.load(Ordering::Acquire);
            let Err(Refused::TooFew(found)) = self.swing(caller.slot, entry, Step::Takes(n)) else { return Ok(()) };
            if timed_out {
                return Err(AcquireError::TimedOut);
            }
            let waiters = self.format.waiters();
            if spins > 0 && found & waiters == 0 {
                spins -= 1;
                spin_loop();
                continue;
            }
            // Relaxed: says only that somebody sleeps.
            if found & waiters == 0
                && self
                    .control
                    .word
                    .compare_exchange(found, found | waiters, Ordering::Relaxed, Ordering::Relaxed)
                    .is_err()
            {
                continue;
            }
            timed_out = caller.sleep(object, &self.control.gate, gate, deadline) == WaitOutcome::TimedOut;
        }
    }

    /// Gives `n` of the permits back that the thread has; never blocks.
    ///
    /// # Errors
    /// [`NotHeld`].
    #[inline]
    pub fn release(&self, slot: ThreadSlot, n: u32) -> Result<(), NotHeld> {
        let entry = self.ledger.get(usize::from(slot.0)).ok_or(NotHeld)?;
        let replaced = self.swing(slot, entry, Step::Gives(n)).map_err(|_| NotHeld)?;
        // dead here: the permits are there and sleepers not told; the undertaker tells them.
        if replaced & self.format.waiters() != 0 {
            self.tell_slow();
        }
        Ok(())
    }

    #[cold]
    fn tell_slow(&self) {
        // Release: pairs with the Acquire in acquire_slow; publishes the word.
        self.control.gate.fetch_add(1, Ordering::Release);
        futex_wake(&self.control.gate, u32::MAX);
    }

    /// Enters the last operation, then does the next in the name of `slot`. Returns the word that it replaced.
    #[inline]
    fn swing(&self, slot: ThreadSlot, own: &AtomicU64, step: Step) -> Result<u64, Refused> {
        // Acquire: pairs with the swing of the word, here and below; what its actor meant is seen.
        let mut found = self.control.word.load(Ordering::Acquire);
        loop {
            if let Err(newer) = self.help(found) {
                found = newer;
                continue;
            }
            let word = self.format.word(found);
            // Relaxed: our own last operation was entered before the word that was just read, or by ourselves.
            let seen = own.load(Ordering::Relaxed);
            let entry = self.format.entry(seen);
            let (count, gives, n) = match step {
                Step::Takes(n) => (word.count.checked_sub(n).ok_or(Refused::TooFew(found))?, false, n),
                Step::Gives(n) if entry.held < n => return Err(Refused::NotHeld),
                Step::Gives(n) => (word.count.saturating_add(n).min(self.permits()), true, n),
            };
            let meant = self.format.entry_bits(Entry { gives, amount: n, ..entry });
            if meant != seen {
                // Release: who reads it sees that our last operation has been entered (I3).
                own.store(meant, Ordering::Release);
            }
            let sequence = self.format.after(word.sequence, entry.sequence);
            let next = Word { sequence, actor: named(slot), returns: false, waiters: word.waiters && !gives, count };
            // dead here: what is meant has no effect.
            // Release: publishes what is meant, what was entered, and what a releaser did. An acquirer has received that with
            // the word that it replaces: no other is the same (I4).
            let next = self.format.word_bits(next);
            match self.control.word.compare_exchange(found, next, Ordering::Release, Ordering::Acquire) {
                Ok(_) => return Ok(found),
                Err(newer) => found = newer,
            }
        }
    }

    /// Enters in the ledger what the last operation did. An error is the word that has come in between.
    #[inline]
    fn help(&self, found: u64) -> Result<(), u64> {
        let word = self.format.word(found);
        // None: nobody has done anything yet.
        let actor = word.actor.checked_sub(1).and_then(|slot| usize::try_from(slot).ok());
        let Some(place) = actor.and_then(|slot| self.ledger.get(slot)) else { return Ok(()) };
        // Acquire: pairs with what later operations of the actor wrote, so that the next load sees their word.
        let seen = place.load(Ordering::Acquire);
        let entry = self.format.entry(seen);
        if entry.sequence == word.sequence {
            return Ok(());
        }
        // Acquire: as in swing, for who goes on with it. If it is the same, the entry was that of this word (I3).
        let now = self.control.word.load(Ordering::Acquire);
        if now != found {
            return Err(now);
        }
        let held = self.held(word, entry, false);
        let entered = Entry { sequence: word.sequence, held, gives: false, amount: 0 };
        // Release: who reads the entry sees the word. A failure: somebody else entered it.
        let entered = self.format.entry_bits(entered);
        let _ = place.compare_exchange(seen, entered, Ordering::Release, Ordering::Relaxed);
        Ok(())
    }

    /// How many permits there are in all.
    #[must_use]
    pub fn permits(&self) -> u32 {
        self.format.permits()
    }

    /// The permits that are there, as of a moment ago.
    #[must_use]
    pub fn available(&self) -> u32 {
        // Relaxed: a number that may be old by the time it is read promises no order.
        self.format.word(self.control.word.load(Ordering::Relaxed)).count
    }

    /// Calls `visit` for every thread slot that has permits, as of a moment ago; only looks, for people and tests.
    pub fn for_each_holder(&self, visit: &mut dyn FnMut(ThreadSlot)) {
        let word = self.format.word(self.control.word.peek());
        for (index, entry) in self.ledger.iter().enumerate() {
            let Some(slot) = u16::try_from(index).ok().map(ThreadSlot) else { return };
            let entry = self.format.entry(entry.peek());
            let is_entered = word.actor != named(slot) || entry.sequence == word.sequence;
            if self.held(word, entry, is_entered) > 0 {
                visit(slot);
            }
        }
    }

    /// What an entry says once the operation of `word` has been entered in it.
    fn held(&self, word: Word, entry: Entry, is_entered: bool) -> u32 {
        match (is_entered, word.returns, entry.gives) {
            (true, ..) => entry.held,
            (_, true, _) => 0,
            (_, false, true) => entry.held.saturating_sub(entry.amount),
            (_, false, false) => entry.held.saturating_add(entry.amount).min(self.permits()),
        }
    }

    /// How many permits the thread in this slot has, as of a moment ago. Never blocks.
    #[must_use]
    pub fn held_by(&self, slot: ThreadSlot) -> u32 {
        self.ledger.get(usize::from(slot.0)).map_or(0, |entry| self.entered(entry).1)
    }

    /// A word whose operation has been entered, and the permits in an entry under it.
    fn entered(&self, entry: &AtomicU64) -> (u64, u32) {
        // Acquire: as in swing.
        let mut found = self.control.word.load(Ordering::Acquire);
        while let Err(newer) = self.help(found) {
            found = newer;
        }
        // Relaxed: what was entered up to that word is seen, and nothing later can be wrong: the word would have changed.
        (found, self.format.entry(entry.load(Ordering::Relaxed)).held)
    }
}

fn named(slot: ThreadSlot) -> u64 {
    u64::from(slot.0) + 1
}

impl Repair for OwnedSemaphore<'_> {
    fn bury(&self, dead: &Dead<'_>) {
        for slot in dead.slots() {
            let Some(place) = self.ledger.get(usize::from(slot.0)) else { continue };
            loop {
                let (found, held) = self.entered(place);
                if held == 0 {
                    break;
                }
                let word = self.format.word(found);
                // Relaxed: only its thread, and whoever enters what is in the word, write it.
                let last = self.format.entry(place.load(Ordering::Relaxed)).sequence;
                let next = self.format.word_bits(Word {
                    sequence: self.format.after(word.sequence, last),
                    actor: named(slot),
                    returns: true,
                    waiters: false,
                    count: word.count.saturating_add(held).min(self.permits()),
                });
                // dead here: they came home, and it is not entered; whoever comes next enters it.
                // Release: as any swing. A failure: somebody else did something; look again.
                let _ = self.control.word.compare_exchange(found, next, Ordering::Release, Ordering::Relaxed);
            }
        }
        // Release: as in tell_slow. In any case: the dead, or a walker that died, may have owed it.
        self.control.gate.fetch_add(1, Ordering::Release);
    }

    fn wake_all(&self) {
        futex_wake(&self.control.gate, u32::MAX);
    }
}

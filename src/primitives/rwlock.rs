//! Readers-writer lock: many read at once, or one writes; the dead do neither.
//!
//! **Purpose.** Readers do not disturb each other: each writes a place of its own and nothing that others write. A writer
//! keeps new readers out while it waits, so that it is not starved. A reader that dies is not counted; a writer that dies
//! leaves the data marked, and whoever comes next, reader or writer, is told until somebody declares it consistent.
//!
//! **Layout.** A [mutex](super::mutex), the writers' *turn*; a `u32`, the state, on which readers sleep; a `u32`, the
//! drain, on which the writer sleeps whose turn it is; and for each thread slot a `u32`, its place.
//!
//! | state | place |
//! |---|---|
//! | bit 0 `WAITERS`: a reader may sleep | bit 31 `WAITED`: the writer may sleep until it is left |
//! | bit 1 `WANTED`: a writer writes or waits for the readers; only who has the turn changes it | how often its thread reads |
//! | bit 2 `WRITING`: it has waited for all readers | |
//! | bit 3 `INCONSISTENT`: a writer died writing, and nobody has declared the data consistent | |
//! | bit 4 `ORPHANED`: the turn was left by the dead, at some time since a writer stopped | |
//! | above: changes, modulo 2²⁷ | |
//!
//! **Protocol.**
//! 1. *read*: say so in the own place; fence; look at the state. Not `WANTED`: it is granted. Else leave the place again,
//!    set `WAITERS`, and sleep while the state is the same. Who reads already reads once more without looking.
//! 2. *leave*: swing the own place to 0. If it was `WAITED`, change the drain and wake its sleeper.
//! 3. *write*: lock the turn; set `WANTED`; fence; wait for each place to be left: read the drain, then the place, set
//!    `WAITED`, sleep while the drain is the same. Then set `WRITING`.
//! 4. *stop writing*: clear `WANTED`, `WRITING`, `WAITERS` in one step that changes the state; wake the readers; unlock
//!    the turn.
//! 5. *undertaker*: the turn is repaired as any mutex, and if the dead have left it, the state is `ORPHANED`; the
//!    places of the dead are left for them; drain and state are changed in any case.
//! 6. Whoever finds `WANTED` and `ORPHANED` takes the turn, if it is left by the dead still, and stops writing for the
//!    dead one: if that one was `WRITING`, the data is `INCONSISTENT`. So does the next writer.
//!
//! **Invariants.**
//! - I1: of a reader and the writer one sees the other: place, fence, state there; state, fence, place here.
//! - I2: `WANTED` is set only while somebody has the turn, or died having it, or is gone from it with step 6 to come.
//! - I3: `WRITING` is set before the first write and cleared after the last, by the one who writes; so the data is whole
//!   unless `WRITING` or `INCONSISTENT` was found.
//! - I4: a place is written by its own thread alone, and `WAITED` into it by the writer while its thread reads; after its
//!   thread's death by the undertaker.
//!
//! **Orderings.**
//!
//! | operation | ordering | pairs with | publishes |
//! |---|---|---|---|
//! | place, fence, state | SeqCst fence | `WANTED`, fence, places | I1 |
//! | place left | Release | loads of places, Acquire | that the reads are over |
//! | state cleared | Release | load of the state in read, Acquire | what was written; the next writer has it by the turn |
//! | `WRITING` set | Acquire | | what is written does not move before it |
//! | drain changed | Release | load of the drain, Acquire | the place that was left |
//! | `ORPHANED` set | Release | load of the state in read, Acquire | that the turn is left by the dead |
//!
//! **Death.** Of a reader: its place is left for it. Having left a place that was `WAITED`: the undertaker changes the
//! drain and wakes. Of a writer: step 6. Between state and turn in step 4: the turn is left by the dead, and nothing
//! else. Of who does step 6: it has the turn, so it is left by the dead again.
//!
//! **Models.** `rwlock/*`.
//!
//! **References.** Places of their own for readers: the "big reader" lock of Linux 2.4; Calciu et al., "NUMA-aware
//! reader-writer locks", PPoPP 2013, for distributed readers and a writer that drains them.

use super::mutex::{Acquired, Leaves, LockError, MutexSeen, RawMutex};
use super::participants::ThreadSlot;
use super::undertaker::{Dead, Repair};
use super::waiting::{Caller, ObjectId};
use crate::sync::{AtomicU32, Deadline, Ordering, WaitOutcome, fence, futex_wake, spin_loop};

const WAITERS: u32 = 1;
const WANTED: u32 = 1 << 1;
const WRITING: u32 = 1 << 2;
const INCONSISTENT: u32 = 1 << 3;
const ORPHANED: u32 = 1 << 4;
const CHANGE: u32 = 1 << 5;
/// Bit of a place.
const WAITED: u32 = 1 << 31;

/// The control block of a readers-writer lock.
#[derive(Debug)]
#[repr(C)]
pub struct RawRwLock {
    turn: RawMutex,
    state: AtomicU32,
    drain: AtomicU32,
}

/// A readers-writer lock with its places.
#[derive(Clone, Copy, Debug)]
pub struct RwLock<'a> {
    control: &'a RawRwLock,
    places: &'a [AtomicU32],
}

/// What the data is worth that was locked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Granted {
    /// It is whole.
    Consistent,
    /// A writer died writing it, and nobody has declared it consistent since.
    Inconsistent,
}

/// Why it was not locked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RwLockError {
    /// Somebody writes or waits to, or, for a writer, somebody reads (non-blocking calls only).
    WouldBlock,
    /// The deadline passed (timed calls only).
    TimedOut,
    /// The calling thread writes already, or, for a writer, reads: it would wait for itself for ever.
    Relocked,
    /// There is no place for the caller.
    NoPlace,
}

impl From<LockError> for RwLockError {
    fn from(error: LockError) -> Self {
        match error {
            // The turn is always unlocked consistent.
            LockError::WouldBlock | LockError::NotRecoverable => Self::WouldBlock,
            LockError::TimedOut => Self::TimedOut,
            LockError::Relocked => Self::Relocked,
        }
    }
}

impl RawRwLock {
    /// An unlocked lock.
    #[must_use]
    #[track_caller]
    pub fn new() -> Self {
        Self { turn: RawMutex::new(), state: AtomicU32::new(0), drain: AtomicU32::new(0) }
    }

    /// A place in which nobody reads.
    #[must_use]
    #[track_caller]
    pub fn place() -> AtomicU32 {
        AtomicU32::new(0)
    }

    /// The lock with its places, one for every thread slot.
    #[must_use]
    pub fn with<'a>(&'a self, places: &'a [AtomicU32]) -> RwLock<'a> {
        RwLock { control: self, places }
    }
}

impl Default for RawRwLock {
    #[track_caller]
    fn default() -> Self {
        Self::new()
    }
}

fn granted(state: u32) -> Granted {
    if state & INCONSISTENT == 0 { Granted::Consistent } else { Granted::Inconsistent }
}

impl<'a> RwLock<'a> {
    /// Begins to read if nobody writes or waits to; never blocks.
    ///
    /// # Errors
    /// `WouldBlock`, `NoPlace`; `WouldBlock` also where the caller itself writes.
    #[inline]
    pub fn try_read(&self, slot: ThreadSlot) -> Result<Granted, RwLockError> {
        let place = self.place(slot)?;
        loop {
            match self.attempt(place) {
                Ok(how) => return Ok(how),
                Err(state) if self.stop_for_the_dead(slot, state) => {}
                Err(_) => return Err(RwLockError::WouldBlock),
            }
        }
    }

    fn place(&self, slot: ThreadSlot) -> Result<&'a AtomicU32, RwLockError> {
        self.places.get(usize::from(slot.0)).ok_or(RwLockError::NoPlace)
    }

    /// One try to read; an error is the state that says that somebody writes.
    #[inline]
    fn attempt(&self, place: &AtomicU32) -> Result<Granted, u32> {
        // Relaxed: while nobody reads in it, only the caller writes it; so it does while it reads, but for WAITED.
        if place.load(Ordering::Relaxed) != 0 {
            // Relaxed: it reads already, and all is ordered by that.
            place.fetch_add(1, Ordering::Relaxed);
            return Ok(granted(self.control.state.load(Ordering::Relaxed)));
        }
        // Relaxed: the fence orders it.
        place.store(1, Ordering::Relaxed);
        // dead here: the undertaker leaves the place.
        // SeqCst: pairs with the fence in write (I1).
        fence(Ordering::SeqCst);
        // Acquire: pairs with the Release of who stopped writing, and of the undertaker.
        let state = self.control.state.load(Ordering::Acquire);
        if state & WANTED == 0 {
            return Ok(granted(state));
        }
        self.leave(place);
        Err(state)
    }

    /// Reads no more, in this place.
    fn leave(&self, place: &AtomicU32) {
        // Release: pairs with the writer's Acquire load of the place; what was read comes before what it writes.
        if place.swap(0, Ordering::Release) & WAITED != 0 {
            self.tell_slow();
        }
    }

    #[cold]
    fn tell_slow(&self) {
        // dead here: the undertaker changes the drain and wakes the writer.
        // Release: pairs with the Acquire in drain; publishes that the place is left.
        self.control.drain.fetch_add(1, Ordering::Release);
        futex_wake(&self.control.drain, 1);
    }

    /// Begins to read, waiting as long as it takes or until `deadline`.
    ///
    /// # Errors
    /// `TimedOut`, `Relocked`, `NoPlace`.
    #[inline]
    pub fn read(
        &self,
        caller: &Caller<'_>,
        object: ObjectId,
        deadline: Option<Deadline>,
    ) -> Result<Granted, RwLockError> {
        let place = self.place(caller.slot)?;
        match self.attempt(place) {
            Ok(how) => Ok(how),
            Err(state) => self.read_slow(caller, object, place, deadline, state),
        }
    }

    #[cold]
    fn read_slow(
        &self,
        caller: &Caller<'_>,
        object: ObjectId,
        place: &AtomicU32,
        deadline: Option<Deadline>,
        mut found: u32,
    ) -> Result<Granted, RwLockError> {
        if self.writes(caller.slot) {
            return Err(RwLockError::Relocked);
        }
        let state = &self.control.state;
        let (mut spins, mut timed_out) = (caller.spins(), false);
        loop {
            if !self.stop_for_the_dead(caller.slot, found) {
                if timed_out {
                    return Err(RwLockError::TimedOut);
                }
                if spins > 0 {
                    spins -= 1;
                    spin_loop();
                } else if found & WAITERS != 0
                    // Relaxed: says only that somebody sleeps.
                    || state.compare_exchange(found, found | WAITERS, Ordering::Relaxed, Ordering::Relaxed).is_ok()
                {
                    timed_out = caller.sleep(object, state, found | WAITERS, deadline) == WaitOutcome::TimedOut;
                }
            }
            match self.attempt(place) {
                Ok(how) => return Ok(how),
                Err(newer) => found = newer,
            }
        }
    }

    /// Reads once less; the caller reads. Never blocks.
    #[inline]
    pub fn stop_reading(&self, slot: ThreadSlot) {
        let Ok(place) = self.place(slot) else { return };
        // Relaxed, both: as in attempt.
        match place.load(Ordering::Relaxed) & !WAITED {
            0 => {}
            1 => self.leave(place),
            _ => {
                place.fetch_sub(1, Ordering::Relaxed);
            }
        }
    }

    /// Begins to write if nobody reads or writes; never blocks.
    ///
    /// # Errors
    /// `WouldBlock`, `Relocked`, `NoPlace`.
    pub fn try_write(&self, slot: ThreadSlot) -> Result<Granted, RwLockError> {
        self.check_writer(slot)?;
        // Relaxed: who sees nobody looks again.
        if self.places.iter().any(|place| place.load(Ordering::Relaxed) != 0) {
            return Err(RwLockError::WouldBlock);
        }
        let turn = self.control.turn.try_lock(slot)?;
        self.want(turn);
        // Acquire: as in drain.
        if self.places.iter().any(|place| place.load(Ordering::Acquire) != 0) {
            self.give_up();
            return Err(RwLockError::WouldBlock);
        }
        Ok(self.begin())
    }

    /// Begins to write, waiting as long as it takes or until `deadline`.
    ///
    /// # Errors
    /// `TimedOut`, `Relocked`, `NoPlace`.
    pub fn write(
        &self,
        caller: &Caller<'_>,
        object: ObjectId,
        deadline: Option<Deadline>,
    ) -> Result<Granted, RwLockError> {
        self.check_writer(caller.slot)?;
        let turn = self.control.turn.lock(caller, object, deadline)?;
        self.want(turn);
        for place in self.places {
            if !self.drain(caller, object, place, deadline) {
                self.give_up();
                return Err(RwLockError::TimedOut);
            }
        }
        Ok(self.begin())
    }

    fn check_writer(&self, slot: ThreadSlot) -> Result<(), RwLockError> {
        // Relaxed: its own place.
        let reads = self.place(slot)?.load(Ordering::Relaxed) != 0;
        if reads || self.writes(slot) { Err(RwLockError::Relocked) } else { Ok(()) }
    }

    fn writes(&self, slot: ThreadSlot) -> bool {
        self.control.turn.holder() == Some(slot) && !self.control.turn.is_left_by_the_dead()
    }

    /// Keeps new readers out; the caller has the turn.
    fn want(&self, turn: Acquired) {
        if turn == Acquired::OwnerDied {
            self.stop_for_dead_writer();
        }
        // Relaxed: the fence orders it.
        self.control.state.fetch_or(WANTED, Ordering::Relaxed);
        // dead here: readers find the turn left by the dead.
        // SeqCst: pairs with the fence in attempt (I1).
        fence(Ordering::SeqCst);
    }

    /// Waits until nobody reads in this place. False: the deadline has passed.
    fn drain(&self, caller: &Caller<'_>, object: ObjectId, place: &AtomicU32, deadline: Option<Deadline>) -> bool {
        let (mut spins, mut timed_out) = (caller.spins(), false);
        loop {
            // Acquire: pairs with the change of the drain; whoever sees it sees the place left.
            let drain = self.control.drain.load(Ordering::Acquire);
            // Acquire: pairs with the Release of leave; what was read comes before what we write.
            let reads = place.load(Ordering::Acquire);
            if reads == 0 {
                return true;
            }
            if timed_out {
                return false;
            }
            if spins > 0 {
                spins -= 1;
                spin_loop();
                continue;
            }
            // Relaxed: says only that somebody sleeps.
            if reads & WAITED == 0
                && place.compare_exchange(reads, reads | WAITED, Ordering::Relaxed, Ordering::Relaxed).is_err()
            {
                continue;
            }
            timed_out = caller.sleep(object, &self.control.drain, drain, deadline) == WaitOutcome::TimedOut;
        }
    }

    /// All readers are gone, and none comes.
    fn begin(&self) -> Granted {
        // Acquire: what is written does not move before it, as whoever finds it after our death relies upon (I3).
        granted(self.control.state.fetch_or(WRITING, Ordering::Acquire))
    }

    /// Wants to write no more, without having written.
    fn give_up(&self) {
        self.stop(|found| found & INCONSISTENT != 0);
        self.control.turn.unlock(Leaves::Consistent);
    }

    /// Writes no more; the caller writes. Never blocks.
    #[inline]
    pub fn stop_writing(&self, leaves: Leaves) {
        self.stop(|_| leaves == Leaves::Inconsistent);
        // dead here: nobody writes, and the turn is left by the dead.
        self.control.turn.unlock(Leaves::Consistent);
    }

    /// Stops writing for one who died; the caller has taken its turn.
    fn stop_for_dead_writer(&self) {
        self.stop(|found| found & (WRITING | INCONSISTENT) != 0);
    }

    /// Lets readers in again; the caller has the turn.
    fn stop(&self, leaves_inconsistent: impl Fn(u32) -> bool) {
        let state = &self.control.state;
        // Relaxed: only a candidate for the compare-and-swap.
        let mut found = state.load(Ordering::Relaxed);
        loop {
            let inconsistent = if leaves_inconsistent(found) { INCONSISTENT } else { 0 };
            let new = (found & !(CHANGE - 1)).wrapping_add(CHANGE) | inconsistent;
            // Release: pairs with the Acquire in attempt; publishes what was written.
            match state.compare_exchange(found, new, Ordering::Release, Ordering::Relaxed) {
                // dead here: readers may go in and do not know; the undertaker wakes all whom a slot names.
                Ok(_) if found & WAITERS == 0 => return,
                Ok(_) => {
                    futex_wake(state, u32::MAX);
                    return;
                }
                Err(newer) => found = newer,
            }
        }
    }

    /// Takes the turn that the dead have left, and lets readers in again. False: they left none, or somebody else has it.
    fn stop_for_the_dead(&self, slot: ThreadSlot, state: u32) -> bool {
        if state & ORPHANED == 0 || !self.control.turn.is_left_by_the_dead() {
            return false;
        }
        let Ok(turn) = self.control.turn.try_lock(slot) else { return false };
        if turn == Acquired::OwnerDied {
            self.stop_for_dead_writer();
        }
        self.control.turn.unlock(Leaves::Consistent);
        true
    }

    /// How many threads read, as of a moment ago; for people and tests.
    #[must_use]
    pub fn readers(&self) -> usize {
        self.places.iter().filter(|place| place.peek() != 0).count()
    }

    /// Calls `visit` for every thread slot that reads, as of a moment ago; for people and tests.
    pub fn for_each_reader(&self, visit: &mut dyn FnMut(ThreadSlot)) {
        for (index, place) in self.places.iter().enumerate() {
            if let (Ok(slot), true) = (u16::try_from(index), place.peek() != 0) {
                visit(ThreadSlot(slot));
            }
        }
    }

    /// The writers' turn, as of a moment ago; for people and tests.
    #[must_use]
    pub fn turn(&self) -> MutexSeen {
        self.control.turn.seen()
    }

    /// The thread slot that writes or waits to, as of a moment ago; for people and tests.
    #[must_use]
    pub fn writer(&self) -> Option<ThreadSlot> {
        self.control.turn.holder()
    }

    /// Whether a writer died writing and nobody has declared the data consistent since, as of a moment ago.
    #[must_use]
    pub fn is_inconsistent(&self) -> bool {
        self.control.state.peek() & INCONSISTENT != 0
    }
}

impl Repair for RwLock<'_> {
    fn bury(&self, dead: &Dead<'_>) {
        for slot in dead.slots() {
            if let Some(place) = self.places.get(usize::from(slot.0)) {
                // Release: as in leave, for the dead reader.
                place.swap(0, Ordering::Release);
            }
        }
        // Release: as in tell_slow. In any case: the dead, or a walker that died, may have owed it.
        self.control.drain.fetch_add(1, Ordering::Release);
        self.control.turn.bury(dead);
        if self.control.turn.is_left_by_the_dead() {
            // Release: pairs with the Acquire in attempt; whoever sees it sees that the turn is left by the dead.
            self.control.state.fetch_or(ORPHANED, Ordering::Release);
        }
        // dead here: the next walker changes it.
        // Relaxed: it continues the release sequence of ORPHANED. In any case: a slow walker may have set that for an earlier
        // death, and a reader that has seen it, and then the turn of who stood in, is about to sleep on this very state.
        self.control.state.fetch_add(CHANGE, Ordering::Relaxed);
    }

    fn wake_all(&self) {
        // One: only who has the turn sleeps on it.
        futex_wake(&self.control.drain, 1);
        futex_wake(&self.control.state, u32::MAX);
        self.control.turn.wake_all();
    }
}

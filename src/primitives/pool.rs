//! Pool: buffers that are taken and given back, and come home when the thread that has one dies.
//!
//! **Purpose.** A fixed number of buffers of one size. A thread takes one, and has it alone until it gives it back,
//! hands it on, or ends. Queues keep what they transport in such buffers.
//!
//! **Layout.** A [gate](super::gate) for those who find none, a `u32` that says where to look first, and a `u64` for each
//! buffer:
//!
//! | bits | content |
//! |---|---|
//! | 0 to 2 | `FREE`, `FILL`: somebody has it who has taken it from the pool, `QUEUED`: it is on its way, `HELD`: somebody has it to whom it was handed on, `RETURNED`: whoever held it put it back, or died, `HELD_FIRST`, `FIRST`, `RETURNED_FIRST`: see [unbounded](super::unbounded) |
//! | 3 | it was `RETURNED` before, since it was taken |
//! | 4 to 18 | thread slot + 1 of who has it (`FILL`, `HELD`) |
//! | 19 | it is not returned when who has it dies (`HELD`) |
//! | 20 to 63 | version: another one after each change |
//!
//! **Protocol.**
//! 1. *take*: swing a buffer from `FREE` to `FILL`. Look first where the last one was found. Who finds none looks at all
//!    again, until the versions are what they were: then there was none at one moment.
//! 2. *give back*: swing it to `FREE`; signal the gate.
//! 3. *put back*, of what was handed on: swing it to `RETURNED`; note that there is one. *Take again*: if one is noted
//!    look at all, choose, swing it to `HELD`; if there is none take the note back, unless it has changed. *Keep*:
//!    swing it to the same, but that the undertaker frees it.
//! 4. *undertaker*: swing the buffers that the dead have to `FREE`; change the gate. A queue does so itself, since some
//!    of them are on their way.
//!
//! **Invariants.**
//! - I1: who has a buffer (`FILL` or `HELD` with its slot) alone changes its word, but for swings by others that were to
//!   hand it on, and fail at its version.
//! - I2: a version is used once (44 bits: a thread would have to be stalled over as many changes of one buffer). Versions
//!   only grow, so their sum is the same only if each is.
//!
//! **Orderings.**
//!
//! | operation | ordering | pairs with | publishes |
//! |---|---|---|---|
//! | give back, return of the undertaker | Release | take, Acquire | that what was read and written in it is over |
//! | put back, and the note | Release | take again: load of the note and of the word, Acquire | what was done with it |
//! | take again, keep | Relaxed | | nothing: a version is there once (I2), so what was seen is what is taken |
//! | take | Release | load of the word, Acquire | which others were free before: the next look finds them so |
//!
//! **Death.** The word names who has it, from the swing on; the undertaker frees it, and changes the gate.
//!
//! **Models.** `pool/*`.
//!
//! **References.** Versions against recycling: IBM System/370 Principles of Operation, free-pool list manipulation.

use super::gate::RawGate;
use super::participants::ThreadSlot;
use super::undertaker::{Dead, Repair};
use super::waiting::{Caller, ObjectId};
use crate::sync::{AtomicU32, AtomicU64, Deadline, Ordering, fence};

mod annexes;
mod buffer;
mod returned;

pub use annexes::Annexes;
pub(super) use buffer::{Buffer, State};
pub(super) use returned::RawReturned;
pub use returned::{Returned, Taken};

/// The control block of a pool.
#[derive(Debug)]
#[repr(C)]
pub struct RawPool {
    gate: RawGate,
    /// A buffer that may be free; any number does.
    hint: AtomicU32,
}

/// A pool with its buffers.
#[derive(Clone, Copy, Debug)]
pub struct Pool<'a> {
    control: &'a RawPool,
    buffers: &'a [AtomicU64],
}

impl RawPool {
    /// A pool.
    #[must_use]
    #[track_caller]
    pub fn new() -> Self {
        Self { gate: RawGate::new(), hint: AtomicU32::new(0) }
    }

    /// The word of a buffer that nobody has.
    #[must_use]
    #[track_caller]
    pub fn buffer() -> AtomicU64 {
        AtomicU64::new(0)
    }

    /// The pool with its buffers.
    #[must_use]
    pub fn with<'a>(&'a self, buffers: &'a [AtomicU64]) -> Pool<'a> {
        Pool { control: self, buffers }
    }
}

impl Default for RawPool {
    #[track_caller]
    fn default() -> Self {
        Self::new()
    }
}

impl<'a> Pool<'a> {
    /// Takes a buffer, by index; none if all are taken. Never blocks.
    #[must_use]
    pub fn try_take(&self, slot: ThreadSlot) -> Option<usize> {
        // Relaxed: only where to look first.
        let first = usize::try_from(self.control.hint.load(Ordering::Relaxed)).unwrap_or(0);
        let first = if first < self.buffers.len() { first } else { 0 };
        let mut before = None;
        loop {
            match self.take_from(first, slot) {
                Ok(index) => {
                    // Relaxed: as above.
                    self.control.hint.store(u32::try_from(index + 1).unwrap_or(0), Ordering::Relaxed);
                    return Some(index);
                }
                // Whoever gave one back while another was taken may have done so behind our back.
                Err(versions) if before == Some(versions) => return None,
                Err(versions) => before = Some(versions),
            }
        }
    }

    /// One look at all buffers. If none could be taken: the sum of their versions.
    fn take_from(&self, first: usize, slot: ThreadSlot) -> Result<usize, u64> {
        let (before, after) = self.buffers.split_at_checked(first).unwrap_or((self.buffers, &[]));
        let mut versions = 0_u64;
        for (word, index) in after.iter().zip(first..).chain(before.iter().zip(0..)) {
            // Acquire: pairs with the Release of who took it: what that one saw as free is seen so at the next look; and with
            // that of who had it last: what was done in it is over.
            let seen = word.load(Ordering::Acquire);
            let mut buffer = Buffer::from_bits(seen);
            if buffer.state == State::Free {
                let taken = buffer.next(State::Fill, Some(slot)).to_bits();
                // Release: see above. What is over of who had it last came with the load: a version is there once (I2).
                match word.compare_exchange(seen, taken, Ordering::Release, Ordering::Acquire) {
                    // dead here: the word names us; the undertaker frees it.
                    Ok(_) => return Ok(index),
                    Err(newer) => buffer = Buffer::from_bits(newer),
                }
            }
            versions = versions.wrapping_add(buffer.version);
        }
        Err(versions)
    }

    /// Takes a buffer, by index, waiting as long as it takes or until `deadline`; then there is none.
    pub fn take(&self, caller: &Caller<'_>, object: ObjectId, deadline: Option<Deadline>) -> Option<usize> {
        let attempt = || self.try_take(caller.slot);
        // Whether there is more can be seen only by looking at all: who is woken in vain sleeps again.
        attempt().or_else(|| self.control.gate.wait(caller, object, deadline, attempt, || true))
    }

    /// Whether a buffer may be free: it was at some moment of the look. Never blocks.
    #[must_use]
    pub fn may_have_one(&self) -> bool {
        // Relaxed: it is worth another attempt, that is all.
        self.buffers.iter().any(|word| Buffer::from_bits(word.load(Ordering::Relaxed)).state == State::Free)
    }

    /// Gives a wake on that who waited at the gate may have had, and waits there no more. Never blocks.
    pub(super) fn pass_on(&self) {
        self.control.gate.announce();
        // SeqCst: pairs with the fence in signal, in the name of those who wait still.
        fence(Ordering::SeqCst);
        if self.may_have_one() {
            self.control.gate.signal();
        }
    }

    /// Gives a buffer back that the calling thread has. Never blocks.
    pub fn give_back(&self, index: usize) {
        let Some(word) = self.buffers.get(index) else { return };
        // Relaxed: only the caller changes it (I1).
        let buffer = Buffer::from_bits(word.load(Ordering::Relaxed));
        // A swap, since others may be at it in vain.
        // Release: pairs with the Acquire in take.
        word.swap(buffer.next(State::Free, None).to_bits(), Ordering::Release);
        self.control.gate.signal();
    }

    /// Who has a buffer, as of a moment ago; for people and tests.
    #[must_use]
    pub fn owner(&self, index: usize) -> Option<ThreadSlot> {
        Buffer::from_bits(self.buffers.get(index)?.peek()).owner
    }

    /// How many buffers there are.
    #[must_use]
    pub fn buffers(&self) -> usize {
        self.buffers.len()
    }

    /// How many buffers are not free, as of a moment ago; for people and tests.
    #[must_use]
    pub fn in_use(&self) -> usize {
        self.buffers.iter().filter(|word| Buffer::from_bits(word.peek()).state != State::Free).count()
    }

    /// Who has a buffer, as far as what the caller has seen before goes.
    pub(super) fn owner_of(&self, index: usize) -> Option<ThreadSlot> {
        // Relaxed: see above.
        Buffer::from_bits(self.buffers.get(index)?.load(Ordering::Relaxed)).owner
    }

    pub(super) fn word(&self, index: usize) -> Option<&'a AtomicU64> {
        self.buffers.get(index)
    }

    pub(super) fn words(&self) -> &'a [AtomicU64] {
        self.buffers
    }

    pub(super) fn gate(&self) -> &'a RawGate {
        &self.control.gate
    }
}

impl Repair for Pool<'_> {
    fn bury(&self, dead: &Dead<'_>) {
        for word in self.buffers {
            // Relaxed: the mark has published what the dead last wrote; and only a candidate for the compare-and-swap.
            let seen = word.load(Ordering::Relaxed);
            let buffer = Buffer::from_bits(seen);
            if buffer.owner.is_some_and(|slot| dead.includes(slot)) {
                // Release: as in give_back, for the dead. A failure: another walker did it.
                let free = buffer.next(State::Free, None).to_bits();
                let _ = word.compare_exchange(seen, free, Ordering::Release, Ordering::Relaxed);
            }
        }
        // dead here: buffers are free, and sleepers not told; the next walker tells them.
        self.control.gate.change();
    }

    fn wake_all(&self) {
        self.control.gate.wake_all();
    }
}

//! Annexes: places for what is too long for a buffer, each of which belongs to a buffer for as long as that is in use.
//!
//! **Purpose.** Most messages are short, a few are long: buffers are made for the short ones, and beside them there are
//! a few places that are large. Who has taken a buffer claims one; it goes where the buffer goes, and is free when the
//! buffer is, whoever gave that back: its receiver, its sender, or the undertaker of one of them. None of them need
//! know of it.
//!
//! **Layout.** A `u64` for each annex: bits 0 to 19 the buffer to which it belongs + 1, or 0; bits 20 to 63 its
//! version, another one after each change.
//!
//! **Protocol.** An annex is free if its word names none, or a buffer that is free, or is an unbounded queue's first
//! and holds no message.
//! 1. *shed*, by who has just taken a buffer: if an annex names it, that is of an earlier use; swing it to none, signal
//!    the gate of the pool.
//! 2. *claim*, by who has taken a buffer and shed: look at an annex, then at the buffer that it names; if it is free
//!    swing it to one's own buffer. Who finds none looks at all again, until the versions of both are what they were.
//!    To wait is to wait at the gate of the pool, apart from those who wait for a buffer.
//! 3. Nothing when a buffer is given back, nor by the undertaker.
//!
//! **Invariants.**
//! - I1: an annex that was claimed for a buffer stays its until that is free again. Who would take it away has seen the
//!   buffer free after it had read the word: of what was there before the claim it finds the version changed, and of
//!   what the claim wrote the buffer in use.
//! - I2: an annex that names a buffer which is in use was claimed for it in this use, but for a moment after it was
//!   taken, at whose end those who wait are told; so each that is free is found so.
//!
//! **Orderings.**
//!
//! | operation | ordering | pairs with | publishes |
//! |---|---|---|---|
//! | claim | Release | load of the word in claim, Acquire | that its buffer is in use (I1) |
//! | shed | Release | load of the word in claim, Acquire | that what was read and written in it is over |
//! | buffer given back | Release | load of its word in claim, Acquire | the same |
//!
//! **Death.** Who dies having claimed leaves its buffer to the undertaker of the queue, which sends it on, frees it, or
//! has it received again, and the annex with it. Having shed, and before others are told: the undertaker changes the
//! gate.
//!
//! **Models.** `pool/annex_*`, `mailbox/long_*`.

use super::{Buffer, Pool, State};
use crate::primitives::gate::{Refusal, Waits};
use crate::primitives::waiting::{Caller, ObjectId};
use crate::sync::{AtomicU64, Deadline, Ordering};

const BUFFER: u64 = (1 << 20) - 1;
const VERSION_SHIFT: u32 = 20;

/// The annexes of a pool; of most there are none.
#[derive(Clone, Copy, Debug)]
pub struct Annexes<'a> {
    words: &'a [AtomicU64],
    pool: Pool<'a>,
}

/// The buffer that a word names.
fn buffer_of(bits: u64) -> Option<usize> {
    usize::try_from(bits & BUFFER).ok()?.checked_sub(1)
}

/// Whether a buffer holds no message, nor will.
fn is_over(buffer: Buffer) -> bool {
    matches!(buffer.state, State::Free | State::First)
}

/// The word after its next change.
fn next(bits: u64, buffer: Option<usize>) -> u64 {
    let named = buffer.map_or(0, |buffer| (buffer as u64 + 1) & BUFFER);
    named | (bits >> VERSION_SHIFT).wrapping_add(1) << VERSION_SHIFT
}

impl<'a> Annexes<'a> {
    /// The annexes of this pool.
    #[must_use]
    pub fn new(words: &'a [AtomicU64], pool: Pool<'a>) -> Self {
        Self { words, pool }
    }

    /// The word of an annex that nobody has.
    #[must_use]
    #[track_caller]
    pub fn word() -> AtomicU64 {
        AtomicU64::new(0)
    }

    /// Frees what an earlier use of a buffer has left to it, which the calling thread has just taken. Never blocks.
    pub fn shed(&self, buffer: usize) {
        let mut is_told = true;
        for word in self.words {
            // Relaxed: what was claimed for it came before it was given back, and that before it was taken.
            let seen = word.load(Ordering::Relaxed);
            if buffer_of(seen) == Some(buffer) {
                // Release: pairs with the Acquire in claim; of what was done in it before the buffer was given back. A failure:
                // somebody has seen that, and has it.
                is_told &= word.compare_exchange(seen, next(seen, None), Ordering::Release, Ordering::Relaxed).is_err();
            }
        }
        if !is_told {
            // dead here: nobody is told; the undertaker changes the gate.
            self.pool.gate().signal();
        }
    }

    /// Claims an annex, by index, for a buffer that the calling thread has; none if all are in use. Never blocks.
    #[must_use]
    pub fn try_claim(&self, buffer: usize) -> Option<usize> {
        let mut before = None;
        loop {
            match self.claim_from(buffer) {
                Ok(index) => return Some(index),
                // As in the pool: one may have become free behind our back while another was claimed.
                Err(versions) if before == Some(versions) => return None,
                Err(versions) => before = Some(versions),
            }
        }
    }

    /// One look at all. If none could be claimed: the sum of their versions, and of the versions of their buffers.
    fn claim_from(&self, buffer: usize) -> Result<usize, u64> {
        let mut versions = 0_u64;
        for (index, word) in self.words.iter().enumerate() {
            // Acquire: pairs with the Release of who claimed it, whose buffer is seen in use then (I1); and with that of who shed it.
            let seen = word.load(Ordering::Acquire);
            versions = versions.wrapping_add(seen >> VERSION_SHIFT);
            if let Some(other) = buffer_of(seen).and_then(|other| self.pool.word(other)) {
                // Acquire: pairs with the Release of who gave it back: what was done in the annex is over.
                let other = Buffer::from_bits(other.load(Ordering::Acquire));
                versions = versions.wrapping_add(other.version);
                if !is_over(other) {
                    continue;
                }
            }
            // Release: pairs with the Acquire above, of who would take it away. What was done in it is seen by the loads.
            // dead here: it is the buffer's, and the undertaker of the queue sees to that.
            if word.compare_exchange(seen, next(seen, Some(buffer)), Ordering::Release, Ordering::Relaxed).is_ok() {
                return Ok(index);
            }
            // It changes all the time: there is no hurry to say that none is free.
            versions = versions.wrapping_add(1);
        }
        Err(versions)
    }

    /// The same, as long as `attempt` says that it would block, waiting as long as it takes or until `deadline`.
    ///
    /// # Errors
    /// Those of the attempt, but "timed out" for "would block".
    pub fn until<R, E: Refusal>(
        &self,
        caller: &Caller<'_>,
        object: ObjectId,
        deadline: Option<Deadline>,
        attempt: impl Fn() -> Result<R, E>,
    ) -> Result<R, E> {
        // An annex is free when a buffer is; but a buffer that is free need have none.
        self.pool.gate().until_as(Waits::Apart, caller, object, deadline, attempt, || true)
    }

    /// Whether one looks free. Never blocks.
    pub(in crate::primitives) fn may_have_one(&self) -> bool {
        // Relaxed: who reads older ones is about to be told.
        let other = |word: &AtomicU64| self.pool.word(buffer_of(word.load(Ordering::Relaxed))?);
        let is_free = |word| other(word).is_none_or(|other| is_over(Buffer::from_bits(other.load(Ordering::Relaxed))));
        self.words.iter().any(is_free)
    }

    /// Whether that annex is this buffer's, which the calling thread has.
    #[must_use]
    pub fn belongs(&self, annex: usize, buffer: usize) -> bool {
        // Relaxed: it was claimed before the buffer was handed on.
        self.words.get(annex).is_some_and(|word| buffer_of(word.load(Ordering::Relaxed)) == Some(buffer))
    }

    /// How many are in use, as of a moment ago; for people and tests.
    #[must_use]
    pub fn in_use(&self) -> usize {
        let is_in_use = |word: &&AtomicU64| {
            let other = buffer_of(word.peek()).and_then(|other| self.pool.word(other));
            other.is_some_and(|other| !is_over(Buffer::from_bits(other.peek())))
        };
        self.words.iter().filter(is_in_use).count()
    }
}

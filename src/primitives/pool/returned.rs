//! The messages in buffers that were handed on, and put back.

use super::Pool;
use super::buffer::Buffer;
use crate::primitives::participants::ThreadSlot;
use crate::sync::{AtomicU32, AtomicU64, Ordering};

/// Whether messages were put back: bit 0; above it, how often.
#[derive(Debug)]
#[repr(transparent)]
pub(in crate::primitives) struct RawReturned(AtomicU32);

/// A message that the calling thread has taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken {
    /// Its buffer.
    pub buffer: usize,
    /// Somebody had taken it before, and it was put back.
    pub redelivered: bool,
}

/// The messages that were put back, in the buffers of a pool.
#[derive(Clone, Copy, Debug)]
pub struct Returned<'a> {
    pool: Pool<'a>,
    noted: &'a RawReturned,
}

impl RawReturned {
    #[track_caller]
    pub(in crate::primitives) fn new() -> Self {
        Self(AtomicU32::new(0))
    }

    pub(in crate::primitives) fn with<'a>(&'a self, pool: Pool<'a>) -> Returned<'a> {
        Returned { pool, noted: self }
    }

    /// Whether one may have been put back, as of a moment ago; for people and tests.
    pub(in crate::primitives) fn peek(&self) -> bool {
        self.0.peek() & 1 != 0
    }
}

impl Returned<'_> {
    /// Takes one of them, if there are any: of those that `rank` gives a number the one with the least. Never blocks.
    #[inline]
    pub fn take(&self, slot: ThreadSlot, rank: &impl Fn(usize) -> Option<u64>) -> Option<Taken> {
        // Acquire: pairs with the note; what is returned is seen.
        let noted = self.noted.0.load(Ordering::Acquire);
        if noted & 1 == 0 { None } else { self.take_noted(noted, slot, rank) }
    }

    #[cold]
    fn take_noted(&self, mut noted: u32, slot: ThreadSlot, rank: &impl Fn(usize) -> Option<u64>) -> Option<Taken> {
        while noted & 1 != 0 {
            let (mut least, mut is_none) = (None::<(u64, usize, &AtomicU64, u64, Buffer)>, true);
            for (buffer, word) in self.pool.words().iter().enumerate() {
                // Acquire: pairs with the Release of who put it back: the message, and what `rank` looks at.
                let seen = word.load(Ordering::Acquire);
                let Some(taken) = Buffer::from_bits(seen).taken_again(slot) else { continue };
                is_none = false;
                if let Some(rank) = rank(buffer)
                    && least.is_none_or(|(least, ..)| rank < least)
                {
                    least = Some((rank, buffer, word, seen, taken));
                }
            }
            if let Some((_, buffer, word, seen, taken)) = least {
                // Relaxed: a version is there once (pool, I2): what was seen is what is taken. A failure: another has it.
                if word.compare_exchange(seen, taken.to_bits(), Ordering::Relaxed, Ordering::Relaxed).is_ok() {
                    return Some(Taken { buffer, redelivered: true });
                }
            } else if is_none {
                // Relaxed: it is about what was seen; a newer note makes it fail (queue, I5).
                let cleared = self.noted.0.compare_exchange(noted, noted & !1, Ordering::Relaxed, Ordering::Relaxed);
                if cleared.is_ok() {
                    return None;
                }
            } else {
                return None;
            }
            // Acquire: as in take.
            noted = self.noted.0.load(Ordering::Acquire);
        }
        None
    }

    /// Whether one may have been put back. Never blocks.
    pub(in crate::primitives) fn may_be(&self) -> bool {
        // Relaxed: who reads an older one is about to be told.
        self.noted.0.load(Ordering::Relaxed) & 1 != 0
    }

    /// How many there are, as of a moment ago.
    #[must_use]
    pub fn count(&self) -> usize {
        if !self.noted.peek() {
            return 0;
        }
        self.pool.words().iter().filter(|word| Buffer::from_bits(word.peek()).is_returned()).count()
    }

    /// Puts a message back that the calling thread has taken. Others are to be told. Never blocks.
    pub fn put_back(&self, buffer: usize) {
        let Some(word) = self.pool.word(buffer) else { return };
        // Relaxed: only a candidate for the compare-and-swap.
        let mut seen = word.load(Ordering::Relaxed);
        while let Some(returned) = Buffer::from_bits(seen).put_back() {
            // Release: pairs with the Acquire in take; what was done with it comes before.
            match word.compare_exchange(seen, returned.to_bits(), Ordering::Release, Ordering::Relaxed) {
                Ok(_) => break,
                Err(newer) => seen = newer,
            }
        }
        // dead here: the undertaker notes it, and wakes sleepers.
        self.note();
    }

    /// Notes that one was put back.
    pub(in crate::primitives) fn note(&self) {
        let returned = &self.noted.0;
        // Relaxed: only a candidate for the compare-and-swap.
        let mut found = returned.load(Ordering::Relaxed);
        // Release: pairs with the Acquire in take; publishes what was returned.
        while let Err(newer) =
            returned.compare_exchange(found, (found | 1).wrapping_add(2), Ordering::Release, Ordering::Relaxed)
        {
            found = newer;
        }
    }

    /// A message that the calling thread has taken is its own from now on: it is not put back when the thread dies. Never blocks.
    pub fn keep(&self, buffer: usize) {
        let Some(word) = self.pool.word(buffer) else { return };
        // Relaxed: of who has it, and of helpers that look again; an undertaker sees it by the mark.
        let mut seen = word.load(Ordering::Relaxed);
        while Buffer::from_bits(seen).is_held() {
            let kept = Buffer::from_bits(seen).kept().to_bits();
            // Relaxed: as above.
            match word.compare_exchange(seen, kept, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return,
                Err(newer) => seen = newer,
            }
        }
    }
}

//! What a mailbox knows of the messages in its buffers without looking at them.

use crate::sync::{AtomicU32, AtomicU64, Ordering};

/// Which messages are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// All.
    Any,
    /// Those of this type.
    Kind(u32),
}

/// A label of each buffer: the type of its message, and above it when it was taken first: not yet, if 0.
#[derive(Clone, Copy, Debug)]
pub(in crate::primitives) struct Labels<'a> {
    words: &'a [AtomicU64],
    /// How many were taken.
    arrivals: &'a AtomicU32,
}

const KIND: u64 = (1 << 32) - 1;

fn arrival(label: u64) -> u32 {
    u32::try_from(label >> 32).unwrap_or(0)
}

impl<'a> Labels<'a> {
    pub(in crate::primitives) fn new(words: &'a [AtomicU64], arrivals: &'a AtomicU32) -> Self {
        Self { words, arrivals }
    }

    fn label(&self, buffer: usize) -> u64 {
        // Relaxed: published with the message, and with its being put back.
        self.words.get(buffer).map_or(0, |word| word.load(Ordering::Relaxed))
    }

    /// Names the type of a message that is to be sent.
    pub(in crate::primitives) fn write(&self, buffer: usize, kind: u32) {
        if let Some(word) = self.words.get(buffer) {
            // Relaxed: as above.
            word.store(kind.into(), Ordering::Relaxed);
        }
    }

    /// Whether a message that the caller has taken is wanted.
    pub(in crate::primitives) fn is(&self, buffer: usize, wanted: Wanted) -> bool {
        match wanted {
            Wanted::Any => true,
            Wanted::Kind(kind) => self.label(buffer) & KIND == u64::from(kind),
        }
    }

    /// Numbers a message that the caller has just taken, if it is the first to: by that it is known when it is put back.
    pub(in crate::primitives) fn stamp(&self, buffer: usize) {
        let label = self.label(buffer);
        let Some(word) = self.words.get(buffer).filter(|_| arrival(label) == 0) else { return };
        // Relaxed: a number for each, and of two that one thread takes the greater for the second.
        let before = self.arrivals.fetch_add(1, Ordering::Relaxed);
        // 0 is for those that have no number yet: it is left out.
        let arrival = u64::from(before) % KIND + 1;
        // Relaxed: as above.
        word.store(label & KIND | arrival << 32, Ordering::Relaxed);
    }

    /// By a number, how long ago a message was taken first, if it is wanted; the least was first.
    pub(in crate::primitives) fn rank(&self, buffer: usize, wanted: Wanted) -> Option<u64> {
        let label = self.label(buffer);
        if !self.is(buffer, wanted) {
            return None;
        }
        // Whoever had just taken it died.
        if arrival(label) == 0 {
            return Some(0);
        }
        // Relaxed: those that were taken since are younger.
        let now = self.arrivals.load(Ordering::Relaxed);
        let age = now.wrapping_sub(arrival(label)).cast_signed();
        Some(u64::from(i32::MAX.abs_diff(age.max(0))) + 1)
    }
}

//! A pair of numbers that is read without a lock: whoever reads while it changes notices, and tries again later.
//!
//! **Purpose.** Readers write nothing, so that any number of them disturb nobody.
//!
//! **Layout.** A sequence, even while the values are at rest and odd while they change, and the values.
//!
//! **Death.** A writer that is killed in the middle leaves the sequence odd. Nobody hangs, since no call waits; but nothing can be
//! read or written either until somebody who *knows* that the writer is dead calls [`SeqLock::take_over`]. What the dead one wrote
//! may be half of it, so the heir brings values of its own.

use crate::sync::{AtomicU32, Ordering, fence};

/// Two numbers that change together.
#[derive(Debug)]
pub struct SeqLock {
    sequence: AtomicU32,
    values: [AtomicU32; 2],
}

impl SeqLock {
    /// These two.
    #[must_use]
    #[allow(
        clippy::redundant_closure,
        reason = "the model build names words after the place where they are made: here"
    )]
    pub fn new(values: [u32; 2]) -> Self {
        Self { sequence: AtomicU32::new(0), values: values.map(|value| AtomicU32::new(value)) }
    }

    /// The values, unless they change right now.
    #[must_use]
    pub fn try_read(&self) -> Option<[u32; 2]> {
        // Acquire: pairs with the Release in `publish`; receives the values of that writer.
        let before = self.sequence.load(Ordering::Acquire);
        if before % 2 == 1 {
            return None;
        }
        let values = [self.values[0].load(Ordering::Relaxed), self.values[1].load(Ordering::Relaxed)];
        // Pairs with the fence in `publish`: if one of the values is newer, so is the sequence.
        fence(Ordering::Acquire);
        (self.sequence.load(Ordering::Relaxed) == before).then_some(values)
    }

    /// Writes both, unless another one is writing; whether it did.
    #[must_use]
    pub fn try_write(&self, values: [u32; 2]) -> bool {
        let before = self.sequence.load(Ordering::Relaxed);
        // Acquire: pairs with the Release in `publish`; the values of the writer before come before these.
        let changes = |before| self.sequence.compare_exchange(before, before + 1, Ordering::Acquire, Ordering::Relaxed);
        if before % 2 == 1 || changes(before).is_err() {
            return false;
        }
        self.publish(before + 1, values);
        true
    }

    /// Writes both in place of a writer that is dead, if that left them changing. One heir only may do so.
    pub fn take_over(&self, values: [u32; 2]) {
        let sequence = self.sequence.load(Ordering::Relaxed);
        if sequence % 2 == 1 {
            self.publish(sequence, values);
        }
    }

    /// Writes both and makes the sequence even again, which is odd.
    fn publish(&self, odd: u32, values: [u32; 2]) {
        // Pairs with the fence in `try_read`: whoever sees a value that follows sees that the sequence is odd, or newer.
        fence(Ordering::Release);
        self.values[0].store(values[0], Ordering::Relaxed);
        self.values[1].store(values[1], Ordering::Relaxed);
        // Release: pairs with the Acquire of readers and of the next writer; publishes the values.
        self.sequence.store(odd + 1, Ordering::Release);
    }
}

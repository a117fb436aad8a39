//! Ends: which processes may still send through a channel, and which may still receive.
//!
//! **Purpose.** Who waits for a message when nobody is left to send one waits in vain, and so does who waits for space
//! when nobody is left to receive. Each process that has an end of a channel stands here, from its first handle to its
//! last, or to its death; and whoever waits asks whether the other side is *gone*: somebody was there, and nobody is.
//!
//! **Layout.** For each side two `u64`, a bit for each process; and a `u64`, how often a process has come.
//!
//! **Protocol.**
//! 1. *join*: set the bit, then count one more. Only then does the process use its end.
//! 2. *leave*: clear the bit. Then those who wait on the other side are told, whether somebody is left or not: of two who
//!    leave at once, neither need see the other gone.
//! 3. *gone*: read the count; 0: nobody has come yet. Look for a bit; if there is none, and the count is the same still,
//!    nobody was there at one moment. The answer is that count, which tells one absence from the next.
//! 4. *expect*, of a process that is to come: as *join*, in its name, unless somebody has come.
//! 5. *undertaker*: clear the bits of the process that has died.
//!
//! **Invariants.**
//! - I1: whoever has joined and not left has its bit set.
//! - I2: at a moment at which the count was the same before and afterwards, nobody has joined in between; so bits that
//!   were seen clear one after the other, of processes that had joined, were clear together.
//!
//! **Orderings.**
//!
//! | operation | ordering | pairs with | publishes |
//! |---|---|---|---|
//! | count of who has come | Release | load of the count, Acquire | that the bit is set |
//! | bit cleared, by its process or an undertaker | Release | load of the bits, Acquire | what was sent before; who had joined by then |
//!
//! **Death.** In *join*, before the count: the undertaker clears the bit, and the process has not been there. In *leave*,
//! before others are told: the undertaker of the channel wakes all whom a slot names.
//!
//! **Models.** `ends/*`, and those of [channels](super::channel).
//!
//! **References.** The count before and after: Lamport, "Concurrent reading and writing", CACM 1977.

use super::undertaker::Dead;
use crate::sync::{AtomicU64, Ordering};

/// The two ends of a channel; part of a control block.
#[derive(Debug)]
#[repr(C)]
pub struct RawEnds {
    senders: Present,
    receivers: Present,
}

/// One of the two ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum End {
    /// Where messages go in.
    Senders,
    /// Where they come out.
    Receivers,
}

/// Since when nobody is at an end. Another one for each time that somebody has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gone(u64);

impl Gone {
    /// What was closed: nobody comes any more.
    pub(super) const FOR_GOOD: Self = Self(u64::MAX);
}

/// Who is at one end.
#[derive(Debug)]
#[repr(C)]
struct Present {
    bits: [AtomicU64; 2],
    came: AtomicU64,
}

impl Present {
    #[track_caller]
    fn new() -> Self {
        Self { bits: [AtomicU64::new(0), AtomicU64::new(0)], came: AtomicU64::new(0) }
    }

    fn bit(&self, process: usize) -> Option<(&AtomicU64, u64)> {
        Some((self.bits.get(process / 64)?, 1 << (process % 64)))
    }

    fn join(&self, process: usize) {
        let Some((bits, bit)) = self.bit(process) else { return };
        // Relaxed: published by the count.
        bits.fetch_or(bit, Ordering::Relaxed);
        // dead here: it has not been there; the undertaker clears the bit.
        // Release: pairs with the Acquire in gone; whoever sees this count sees the bit, or that it was cleared again.
        self.came.fetch_add(1, Ordering::Release);
    }

    fn expect(&self, process: usize) {
        let Some((bits, bit)) = self.bit(process) else { return };
        // Relaxed: one that comes meanwhile is counted twice, and stands there until it leaves or dies.
        if self.came.load(Ordering::Relaxed) != 0 {
            return;
        }
        // Relaxed: published by the count. If its undertaker has been here, that is seen after the fence that follows.
        bits.fetch_or(bit, Ordering::Relaxed);
        // dead here: as in join.
        // Release: as in join.
        self.came.fetch_add(1, Ordering::Release);
    }

    fn leave(&self, process: usize) {
        let Some((bits, bit)) = self.bit(process) else { return };
        // Release: pairs with the Acquire in gone; what was sent before is seen, and who had joined by then.
        bits.fetch_and(!bit, Ordering::Release);
    }

    fn gone(&self) -> Option<Gone> {
        // Acquire: pairs with the Release in join; the bits of those who are counted are seen.
        let mut before = self.came.load(Ordering::Acquire);
        loop {
            // Acquire: pairs with the Release in leave.
            if before == 0 || self.bits.iter().any(|bits| bits.load(Ordering::Acquire) != 0) {
                return None;
            }
            // Acquire: as above, if it is another.
            let after = self.came.load(Ordering::Acquire);
            if after == before {
                return Some(Gone(before));
            }
            before = after;
        }
    }
}

impl RawEnds {
    /// Ends at which nobody has been.
    #[must_use]
    #[track_caller]
    pub fn new() -> Self {
        Self { senders: Present::new(), receivers: Present::new() }
    }

    fn at(&self, end: End) -> &Present {
        match end {
            End::Senders => &self.senders,
            End::Receivers => &self.receivers,
        }
    }

    /// A process, by index, has its first handle of that end. Never blocks.
    pub fn join(&self, end: End, process: usize) {
        self.at(end).join(process);
    }

    /// A process that is to come is counted as if it had, if nobody has come yet. Never blocks. After a SeqCst fence the caller is to look
    /// whether it has died.
    pub fn expect(&self, end: End, process: usize) {
        self.at(end).expect(process);
    }

    /// A process has given up its last handle of that end. Never blocks. Those who wait on the other side are to be told.
    pub fn leave(&self, end: End, process: usize) {
        self.at(end).leave(process);
    }

    /// Whether all who were at that end have left or died, and nobody has come since. Never blocks.
    ///
    /// What they did at the end before they left happens before the return.
    #[inline]
    #[must_use]
    pub fn gone(&self, end: End) -> Option<Gone> {
        self.at(end).gone()
    }

    /// The processes at that end, by index, as of a moment ago; for people and tests.
    pub fn present(&self, end: End) -> impl Iterator<Item = usize> + use<> {
        let [low, high] = &self.at(end).bits;
        let bits = u128::from(low.peek()) | (u128::from(high.peek()) << 64);
        (0..128).filter(move |process| bits & (1 << process) != 0)
    }

    /// Takes a process that has died away from both ends, as an undertaker does. Idempotent.
    pub fn bury(&self, dead: &Dead<'_>) {
        let Some(process) = dead.whole_process() else { return };
        self.senders.leave(process);
        self.receivers.leave(process);
    }
}

impl Default for RawEnds {
    #[track_caller]
    fn default() -> Self {
        Self::new()
    }
}

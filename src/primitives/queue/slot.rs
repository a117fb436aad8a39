//! The word of a slot, and how many bits its fields have.

use crate::primitives::participants::ThreadSlot;

/// Bits of `EMPTY`, `FULL`, `TAKEN`.
const WHAT: u32 = 2;
/// Bits of a taker.
const TAKER: u32 = 15;

/// What is the matter with a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    Empty,
    Full,
    Taken,
}

/// The word of a slot, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Slot {
    pub(super) what: What,
    pub(super) taker: Option<ThreadSlot>,
    pub(super) buffer: usize,
    pub(super) turn: u64,
}

/// How many bits the fields have, and which positions are in which slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Format {
    capacity: u64,
    index: u32,
}

impl Format {
    /// The most buffers that a queue can have.
    pub(super) const BUFFERS: usize = 1 << 20;

    pub(super) fn new(slots: usize, buffers: usize) -> Self {
        let index = usize::BITS - buffers.clamp(1, Self::BUFFERS).leading_zeros();
        Self { capacity: (slots as u64).max(1), index }
    }

    fn turn_shift(self) -> u32 {
        WHAT + TAKER + self.index
    }

    fn turns(self) -> u64 {
        u64::MAX >> self.turn_shift()
    }

    /// Slot and turn of a position.
    pub(super) fn place(self, position: u64) -> (usize, u64) {
        let index = usize::try_from(position % self.capacity).unwrap_or(usize::MAX);
        (index, (position / self.capacity) & self.turns())
    }

    /// How many turns `to` is after `from`; less than half of all.
    pub(super) fn turns_between(self, from: u64, to: u64) -> i64 {
        let shift = self.turn_shift();
        (to.wrapping_sub(from) << shift).cast_signed() >> shift
    }

    /// A slot whose message has been taken.
    pub(super) fn emptied(self, slot: Slot) -> Slot {
        Slot { what: What::Empty, taker: None, buffer: 0, turn: slot.turn.wrapping_add(1) & self.turns() }
    }

    pub(super) fn slot(self, bits: u64) -> Slot {
        let what = match bits & ((1 << WHAT) - 1) {
            0 => What::Empty,
            1 => What::Full,
            _ => What::Taken,
        };
        let taker = ((bits >> WHAT) & ((1 << TAKER) - 1)).checked_sub(1).and_then(|slot| u16::try_from(slot).ok());
        let buffer = (bits >> (WHAT + TAKER)) & ((1 << self.index) - 1);
        Slot {
            what,
            taker: taker.map(ThreadSlot),
            buffer: usize::try_from(buffer).unwrap_or(usize::MAX),
            turn: bits >> self.turn_shift(),
        }
    }

    pub(super) fn bits(self, slot: Slot) -> u64 {
        let what = match slot.what {
            What::Empty => 0,
            What::Full => 1,
            What::Taken => 2,
        };
        let taker = slot.taker.map_or(0, |slot| u64::from(slot.0) + 1);
        what | taker << WHAT | (slot.buffer as u64) << (WHAT + TAKER) | slot.turn << self.turn_shift()
    }
}

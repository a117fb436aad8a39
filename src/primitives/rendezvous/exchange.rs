//! The word of a rendezvous, taken apart.

use crate::primitives::participants::ThreadSlot;

const WHAT: u32 = 3;
const PARTY: u32 = 15;
const BUFFER: u32 = 10;
const TURN_SHIFT: u32 = WHAT + PARTY + BUFFER;

/// How far the exchange has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    Idle,
    Offered,
    Taken,
    Requested,
    Given,
}

/// The word of a rendezvous.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Exchange {
    pub(super) what: What,
    pub(super) party: Option<ThreadSlot>,
    pub(super) buffer: usize,
    turn: u64,
}

impl Exchange {
    /// The most buffers that a word can tell apart.
    pub(super) const BUFFERS: usize = 1 << BUFFER;

    pub(super) fn from_bits(bits: u64) -> Self {
        let what = match bits & ((1 << WHAT) - 1) {
            1 => What::Offered,
            2 => What::Taken,
            3 => What::Requested,
            4 => What::Given,
            // Garbage is taken for nothing.
            _ => What::Idle,
        };
        let party = ((bits >> WHAT) & ((1 << PARTY) - 1)).checked_sub(1).and_then(|slot| u16::try_from(slot).ok());
        let buffer = (bits >> (WHAT + PARTY)) & ((1 << BUFFER) - 1);
        Self {
            what,
            party: party.map(ThreadSlot),
            buffer: usize::try_from(buffer).unwrap_or(0),
            turn: bits >> TURN_SHIFT,
        }
    }

    pub(super) fn to_bits(self) -> u64 {
        let what = match self.what {
            What::Idle => 0,
            What::Offered => 1,
            What::Taken => 2,
            What::Requested => 3,
            What::Given => 4,
        };
        let party = self.party.map_or(0, |slot| u64::from(slot.0) + 1);
        what | party << WHAT | (self.buffer as u64) << (WHAT + PARTY) | self.turn << TURN_SHIFT
    }

    /// The exchange one step on.
    pub(super) fn next(self, what: What, party: Option<ThreadSlot>, buffer: usize) -> Self {
        Self { what, party, buffer, turn: self.turn }
    }

    /// Nothing any more; the next exchange has another turn.
    pub(super) fn over(self) -> Self {
        let turn = self.turn.wrapping_add(1) & (u64::MAX >> TURN_SHIFT);
        Self { what: What::Idle, party: None, buffer: 0, turn }
    }
}

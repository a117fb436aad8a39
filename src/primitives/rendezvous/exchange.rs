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
    /// As offered, by somebody who has posts elsewhere: where it says who else, it says which of those this is.
    OpenOffer,
    /// As requested, by somebody who has posts elsewhere: where it says which buffer, it says which of those this is.
    OpenRequest,
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
            5 => What::OpenOffer,
            6 => What::OpenRequest,
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
            What::OpenOffer => 5,
            What::OpenRequest => 6,
        };
        let party = self.party.map_or(0, |slot| u64::from(slot.0) + 1);
        what | party << WHAT | (self.buffer as u64) << (WHAT + PARTY) | self.turn << TURN_SHIFT
    }

    /// The exchange one step on.
    pub(super) fn next(self, what: What, party: Option<ThreadSlot>, buffer: usize) -> Self {
        Self { what, party, buffer, turn: self.turn }
    }

    /// An open offer or request, the post `index` of its thread.
    pub(super) fn open(self, what: What, party: Option<ThreadSlot>, buffer: usize, index: u16) -> Self {
        match what {
            What::OpenOffer => self.next(what, Some(ThreadSlot(index)), buffer),
            _ => self.next(what, party, index.into()),
        }
    }

    /// Which of the posts of its thread an open offer or request is.
    pub(super) fn index(self) -> u16 {
        match self.what {
            What::OpenOffer => self.party.map_or(0, |index| index.0),
            _ => u16::try_from(self.buffer).unwrap_or(0),
        }
    }

    /// What an open offer or request comes to with what was chosen for it.
    pub(super) fn chosen(self, with: u16) -> Self {
        match self.what {
            What::OpenOffer => self.next(What::Taken, Some(ThreadSlot(with)), self.buffer),
            _ => self.next(What::Given, self.party, with.into()),
        }
    }

    /// Nothing any more; the next exchange has another turn.
    pub(super) fn over(self) -> Self {
        let turn = self.turn.wrapping_add(1) & (u64::MAX >> TURN_SHIFT);
        Self { what: What::Idle, party: None, buffer: 0, turn }
    }
}

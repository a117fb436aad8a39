//! The word of a buffer, taken apart.

use crate::primitives::participants::ThreadSlot;

const STATE: u64 = 0b111;
const REDELIVERED: u64 = 1 << 3;
const OWNER_SHIFT: u32 = 4;
const OWNER: u64 = (1 << 15) - 1;
const KEPT: u64 = 1 << (OWNER_SHIFT + 15);
const VERSION_SHIFT: u32 = OWNER_SHIFT + 16;

/// What is the matter with a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::primitives) enum State {
    /// Nobody has it.
    Free,
    /// Its owner took it from the pool.
    Fill,
    /// It is on its way.
    Queued,
    /// It was handed on to its owner.
    Held,
    /// Whoever held it did not finish.
    Returned,
    /// It was handed on to its owner, and a list begins with it.
    HeldFirst,
    /// Nobody has it, and a list begins with it.
    First,
    /// Whoever held it did not finish, and a list begins with it.
    ReturnedFirst,
}

/// The word of a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::primitives) struct Buffer {
    pub(in crate::primitives) state: State,
    pub(in crate::primitives) redelivered: bool,
    pub(in crate::primitives) owner: Option<ThreadSlot>,
    /// It is done with when its owner dies, whatever becomes of others then.
    pub(in crate::primitives) kept: bool,
    pub(in crate::primitives) version: u64,
}

impl Buffer {
    pub(in crate::primitives) fn from_bits(bits: u64) -> Self {
        let state = match bits & STATE {
            0 => State::Free,
            1 => State::Fill,
            2 => State::Queued,
            3 => State::Held,
            5 => State::HeldFirst,
            6 => State::First,
            4 => State::Returned,
            _ => State::ReturnedFirst,
        };
        let owner = ((bits >> OWNER_SHIFT) & OWNER).checked_sub(1).and_then(|slot| u16::try_from(slot).ok());
        Self {
            state,
            redelivered: bits & REDELIVERED != 0,
            owner: owner.map(ThreadSlot),
            kept: bits & KEPT != 0,
            version: bits >> VERSION_SHIFT,
        }
    }

    pub(in crate::primitives) fn to_bits(self) -> u64 {
        let state = match self.state {
            State::Free => 0,
            State::Fill => 1,
            State::Queued => 2,
            State::Held => 3,
            State::Returned => 4,
            State::HeldFirst => 5,
            State::First => 6,
            State::ReturnedFirst => 7,
        };
        let redelivered = if self.redelivered { REDELIVERED } else { 0 };
        let owner = self.owner.map_or(0, |slot| u64::from(slot.0) + 1);
        let kept = if self.kept { KEPT } else { 0 };
        state | redelivered | (owner & OWNER) << OWNER_SHIFT | kept | self.version << VERSION_SHIFT
    }

    /// The buffer after its next change.
    pub(in crate::primitives) fn next(self, state: State, owner: Option<ThreadSlot>) -> Self {
        let redelivered = match state {
            State::Free | State::Fill => false,
            State::Returned | State::ReturnedFirst => true,
            State::Queued | State::Held | State::HeldFirst | State::First => self.redelivered,
        };
        let kept = self.kept && matches!(state, State::Held | State::HeldFirst);
        Self { state, redelivered, owner, kept, version: self.version.wrapping_add(1) }
    }

    /// Whether its owner has it to whom it was handed on.
    pub(in crate::primitives) fn is_held(self) -> bool {
        matches!(self.state, State::Held | State::HeldFirst)
    }

    /// Whether it was put back.
    pub(in crate::primitives) fn is_returned(self) -> bool {
        matches!(self.state, State::Returned | State::ReturnedFirst)
    }

    /// The buffer once whoever has it for good has it so.
    pub(in crate::primitives) fn kept(self) -> Self {
        Self { kept: true, version: self.version.wrapping_add(1), ..self }
    }

    /// The buffer once it was put back; none, if nobody holds it.
    pub(in crate::primitives) fn put_back(self) -> Option<Self> {
        match self.state {
            State::Held => Some(self.next(State::Returned, None)),
            State::HeldFirst => Some(self.next(State::ReturnedFirst, None)),
            _ => None,
        }
    }

    /// The buffer in the hands of whoever takes it after it was put back; none, if it was not.
    pub(in crate::primitives) fn taken_again(self, slot: ThreadSlot) -> Option<Self> {
        match self.state {
            State::Returned => Some(self.next(State::Held, Some(slot))),
            State::ReturnedFirst => Some(self.next(State::HeldFirst, Some(slot))),
            _ => None,
        }
    }
}

//! Choice: a thread would do one of several things with others, and whoever comes first decides which.
//!
//! **Purpose.** A [select](super::select) over several [rendezvous](super::rendezvous) stands at all of them at once,
//! and may do one exchange only. Its thread opens its choice, posts at each place, and sleeps; whoever meets one of
//! these posts chooses it. That one swing decides for all of them.
//!
//! **Layout.** One `u64` in the slot of each thread:
//!
//! | bits | content |
//! |---|---|
//! | 0 to 1 | `CLOSED`, `OPEN`, `CHOSEN` |
//! | 2 to 11 | index of the post that was chosen (`CHOSEN`) |
//! | 12 to 26 | with whom, or with what: what the rendezvous makes of it (`CHOSEN`) |
//! | 27 to 63 | turn: another one each time that it is opened |
//!
//! **Protocol.**
//! 1. *open*, by the thread itself: the next turn, `OPEN`. Then it posts.
//! 2. *choose*, by who has met a post, has looked at the choice after that, and has found the post still there after
//!    that: swing `OPEN` to `CHOSEN`.
//! 3. *close*, by anybody: swing `OPEN` to `CLOSED`. The thread itself does so before it does anything else that
//!    counts. Another one does so to make it look again, and tells it; or because it has died.
//! 4. A post of a turn that is not `OPEN` any more is void, and anybody may take it away; but if it was chosen, what
//!    was chosen is done with it first.
//! 5. The thread takes all posts of a turn away before it opens the next, and before it returns.
//!
//! **Invariants.**
//! - I1: at most one post of a turn is chosen, and none after the turn was closed.
//! - I2: while a post stands, the turn under which it was posted is the last one that was opened. So who finds the post
//!   still there after a look at the choice has seen that turn, or swings in vain.
//!
//! **Orderings.**
//!
//! | operation | ordering | pairs with | publishes |
//! |---|---|---|---|
//! | open | Release | look, Acquire | that the posts of earlier turns are gone: the second look at the post finds it so |
//! | choose | Release | close and look, Acquire | the message that was given |
//! | close | Relaxed | | nothing; it ends what could be chosen |
//!
//! **Death.** Of the thread: whoever comes by, or the undertaker, closes its choice and takes its posts away, or does
//! what was chosen. Of who has chosen: what was chosen is done by whoever comes by, or the undertaker.
//!
//! **Models.** `choice/*`, and those of [select](super::select).
//!
//! **References.** The guarded commands of Hoare, "Communicating sequential processes", CACM 1978; Reppy, "Concurrent
//! Programming in ML", 1999, chapter 10, whose transaction identifiers these are.

use crate::sync::{AtomicU64, Ordering};

const WHAT: u64 = 0b11;
const CLOSED: u64 = 0;
const OPEN: u64 = 1;
const CHOSEN: u64 = 2;
const INDEX_SHIFT: u32 = 2;
const INDEX: u32 = 10;
const WITH_SHIFT: u32 = INDEX_SHIFT + INDEX;
const WITH: u32 = 15;
const TURN_SHIFT: u32 = WITH_SHIFT + WITH;

/// The word of a choice; part of a thread's slot.
#[derive(Debug)]
#[repr(transparent)]
pub struct RawChoice {
    word: AtomicU64,
}

/// What was chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chosen {
    /// Which of the posts.
    pub index: u16,
    /// With whom, or with what: less than 2¹⁵.
    pub with: u16,
}

/// A turn that is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn(u64);

/// How a choice stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stand {
    /// Nothing can be chosen.
    Closed,
    /// A post can be chosen.
    Open(Turn),
    /// One was.
    Chosen(Chosen),
}

impl Stand {
    fn from_bits(bits: u64) -> Self {
        let field = |shift: u32, width: u32| u16::try_from(bits >> shift & ((1 << width) - 1)).unwrap_or(0);
        match bits & WHAT {
            OPEN => Self::Open(Turn(bits)),
            CHOSEN => Self::Chosen(Chosen { index: field(INDEX_SHIFT, INDEX), with: field(WITH_SHIFT, WITH) }),
            // Garbage is taken for nothing.
            _ => Self::Closed,
        }
    }
}

impl RawChoice {
    /// How many posts can be told apart.
    pub const POSTS: usize = 1 << INDEX;

    /// A choice that is closed.
    #[must_use]
    #[track_caller]
    pub fn new() -> Self {
        Self { word: AtomicU64::new(CLOSED) }
    }

    /// Opens the next turn, by the thread whose choice it is, when nothing that was posted before stands any more.
    pub fn open(&self) {
        // Relaxed: nobody else changes it when it is not open.
        let found = self.word.load(Ordering::Relaxed);
        let turn = (found >> TURN_SHIFT).wrapping_add(1) << TURN_SHIFT;
        // Release: pairs with the Acquire in look; who sees this turn finds no post of an earlier one.
        self.word.swap(turn | OPEN, Ordering::Release);
    }

    /// How it stands. Never blocks.
    #[must_use]
    pub fn look(&self) -> Stand {
        // Acquire: pairs with the Release in open, and with that in choose.
        Stand::from_bits(self.word.load(Ordering::Acquire))
    }

    /// Chooses, in a turn that is open; false if that one has been chosen in, or closed. Never blocks.
    #[must_use]
    pub fn choose(&self, turn: Turn, chosen: Chosen) -> bool {
        let bits = u64::from(chosen.index) << INDEX_SHIFT | u64::from(chosen.with) << WITH_SHIFT;
        let to = turn.0 & !((1 << TURN_SHIFT) - 1) | bits & ((1 << TURN_SHIFT) - 1) | CHOSEN;
        // Release: pairs with the Acquire in look and close; publishes the message, if one was given.
        self.word.compare_exchange(turn.0, to, Ordering::Release, Ordering::Relaxed).is_ok()
    }

    /// Closes a turn, by who would have its thread look again, or has seen it dead; false if it was not open any more. Never
    /// blocks.
    pub fn close(&self, turn: Turn) -> bool {
        let closed = turn.0 & !WHAT | CLOSED;
        // Relaxed: it publishes nothing.
        self.word.compare_exchange(turn.0, closed, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    /// Closes it, whatever its turn, and says what was chosen before, if it was. Never blocks.
    pub fn end(&self) -> Option<Chosen> {
        loop {
            match self.look() {
                Stand::Closed => return None,
                Stand::Chosen(chosen) => return Some(chosen),
                Stand::Open(turn) => _ = self.close(turn),
            }
        }
    }
}

impl Default for RawChoice {
    #[track_caller]
    fn default() -> Self {
        Self::new()
    }
}

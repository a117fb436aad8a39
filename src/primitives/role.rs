//! A role: a right that one thread holds at a time and that others inherit.
//!
//! **Purpose.** The two ends of a ring, say. Unlike a lock, a role is held for as long as its holder cares to, and its
//! being vacant is news to others: *peers*, who depend on the holder, see whether it left or died until somebody takes
//! the role again. Each peer is told of each death once, even if a successor was faster than its look; and exactly one
//! successor is told of whom it inherits from.
//!
//! **Layout.** One `u32`, on which those sleep who wait for the role. Peers sleep elsewhere (see I3).
//!
//! | bits | content |
//! |---|---|
//! | 30, 31 | state, as drawn below |
//! | 17 to 29 | `DEATHS`: holders that died, modulo 8192 |
//! | 0 to 16 | holder's thread slot plus one in `HELD`, else 0 |
//!
//! ```text
//!                  claim          leave
//! NEVER_OPENED ────────────► HELD ─────► CLOSED
//!                            ▲  │ bury      │
//!                            │  └─────► DIED│ (DEATHS + 1)
//!                            │           │  │
//!                            └───────────┴──┘
//!                                claim
//! ```
//!
//! **Protocol.**
//! 1. *claim*: swing a word that is not `HELD` to `HELD` by the own slot, `DEATHS` kept. If somebody holds it, sleep on
//!    exactly that word.
//! 2. *leave*: swing the own word to `CLOSED`; wake one who waits for the role.
//! 3. *undertaker*: swing a word held by a dead thread to `DIED`, one death more; wake one, as whoever leaves.
//! 4. *peer*: look at the word; `DEATHS` other than those it was told of are a death that it has yet to be told of.
//!
//! **Invariants.**
//! - I1: a role is taken from its holder by its own leaving, or by the undertaker after its death, and claimed only then.
//! - I2: between a claim and its end the word does not change. An undertaker that comes late finds another holder's slot
//!   (the dead one's is not reused while it walks) or `DIED`, and changes nothing.
//! - I3: peers sleep on words of the object that the role belongs to. Whoever changes the role changes such a word
//!   *afterwards*, and since it may die in between, every undertaker does so whatever it finds.
//!
//! **Orderings.**
//!
//! | operation | ordering | pairs with | publishes |
//! |---|---|---|---|
//! | claim's swing | Acquire | leave's or the undertaker's swing | |
//! | leave's swing | Release | claim's swing, a peer's look | all that the holder did in the role |
//! | undertaker's swing | Release | claim's swing, a peer's look | all that the dead holder did, which the undertaker has by the mark |
//! | a peer's look | Acquire | leave's or the undertaker's swing | |
//!
//! **Death.** Before claim's swing: nothing happened. After it: a holder died. After leave's swing and before the wake:
//! the role is vacant and sleepers are not woken; they have named the object, and the undertaker wakes them. Woken and
//! not yet looked: the same. Undertaker after its swing: the next one finds `DIED` and wakes.
//!
//! **Models.** `role/*`, and those of the objects that have roles.
//!
//! **References.** The word is that of a robust mutex (Drepper, "Futexes Are Tricky", 2011) with vacancy as a state.

use super::participants::ThreadSlot;
use super::undertaker::{Dead, Repair};
use super::waiting::{Caller, ObjectId};
use crate::sync::{AtomicU32, Deadline, Ordering, WaitOutcome, futex_wake};

const STATE: u32 = 0b11 << 30;
const NEVER_OPENED: u32 = 0b00 << 30;
const HELD: u32 = 0b01 << 30;
const CLOSED: u32 = 0b10 << 30;
const DIED: u32 = 0b11 << 30;
const ONE_DEATH: u32 = 1 << 17;
const HOLDER: u32 = ONE_DEATH - 1;
const DEATHS: u32 = !STATE & !HOLDER;

/// The control block of a role.
#[derive(Debug)]
#[repr(transparent)]
pub struct RawRole {
    word: AtomicU32,
}

/// A role that is held, in the hand of its holder.
#[derive(Debug)]
#[must_use = "a role that is not given back stays taken until its holder dies"]
pub struct Hold {
    word: u32,
}

/// What became of the last holder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Predecessor {
    /// There was none.
    None,
    /// It left.
    Closed,
    /// It died.
    Died,
}

/// How a holder went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Departure {
    /// It left.
    Closed,
    /// It died.
    Died,
}

/// Who holds a role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// Nobody has yet.
    NeverOpened,
    /// A thread; `None` is a holder that no region has (damaged memory).
    Held(Option<ThreadSlot>),
    /// Nobody any more.
    Gone(Departure),
}

/// What a peer that has to wait makes of a role that nobody holds any more, once it was told of a death.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IfGone {
    /// The call fails until somebody takes the role.
    #[default]
    Fail,
    /// Somebody may take the role: the call waits.
    Wait,
}

/// Why a role was not claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClaimError {
    /// Somebody holds it (non-blocking calls only).
    WouldBlock,
    /// The deadline passed (timed calls only).
    TimedOut,
    /// The calling thread holds it already and would wait for itself for ever.
    HeldByCaller,
}

/// The deaths in a role that one of its peers was told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told(u32);

impl Told {
    /// What a look at the role tells a peer that would have to wait for its holder; `None`: nothing that ends the wait.
    pub fn news(&mut self, seen: Seen, if_gone: IfGone) -> Option<Departure> {
        let Seen(word) = seen;
        let before = core::mem::replace(&mut self.0, word & DEATHS);
        match (word & STATE, if_gone) {
            _ if before != self.0 => Some(Departure::Died),
            (DIED, IfGone::Fail) => Some(Departure::Died),
            (CLOSED, IfGone::Fail) => Some(Departure::Closed),
            _ => None,
        }
    }
}

/// What a peer saw of a role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen(u32);

fn holder(word: u32) -> Option<ThreadSlot> {
    (word & HOLDER).checked_sub(1).and_then(|slot| u16::try_from(slot).ok()).map(ThreadSlot)
}

impl RawRole {
    /// A role that nobody has held.
    #[must_use]
    #[track_caller]
    pub fn new() -> Self {
        Self { word: AtomicU32::new(NEVER_OPENED) }
    }

    /// Takes the role if nobody holds it; never blocks.
    ///
    /// # Errors
    /// `WouldBlock`.
    pub fn try_claim(&self, slot: ThreadSlot) -> Result<(Hold, Predecessor), ClaimError> {
        self.attempt(slot).map_err(|_| ClaimError::WouldBlock)
    }

    /// Takes the role, waiting for its holder to go, or until `deadline`.
    ///
    /// # Errors
    /// [`ClaimError`], except `WouldBlock`.
    pub fn claim(
        &self,
        caller: &Caller<'_>,
        object: ObjectId,
        deadline: Option<Deadline>,
    ) -> Result<(Hold, Predecessor), ClaimError> {
        let mut timed_out = false;
        loop {
            let held = match self.attempt(caller.slot) {
                Ok(claimed) => return Ok(claimed),
                Err(held) => held,
            };
            if holder(held) == Some(caller.slot) {
                return Err(ClaimError::HeldByCaller);
            }
            if timed_out {
                return Err(ClaimError::TimedOut);
            }
            timed_out = caller.sleep(object, &self.word, held, deadline) == WaitOutcome::TimedOut;
        }
    }

    /// One try to take the role; the word if somebody holds it.
    fn attempt(&self, slot: ThreadSlot) -> Result<(Hold, Predecessor), u32> {
        // Relaxed: only a candidate for the compare-and-swap.
        let mut found = self.word.load(Ordering::Relaxed);
        loop {
            let predecessor = match found & STATE {
                HELD => return Err(found),
                CLOSED => Predecessor::Closed,
                DIED => Predecessor::Died,
                _ => Predecessor::None,
            };
            let word = HELD | (found & DEATHS) | (u32::from(slot.0) + 1);
            // Acquire: pairs with the Release in leave and in bury; the role's things are as its last holder left them.
            match self.word.compare_exchange(found, word, Ordering::Acquire, Ordering::Relaxed) {
                // dead here: the word names us; the undertaker makes it DIED.
                Ok(_) => return Ok((Hold { word }, predecessor)),
                Err(newer) => found = newer,
            }
        }
    }

    /// Gives the role up, and wakes one who waits for it. The object's own words are changed after this (I3).
    pub fn leave(&self, hold: Hold) {
        // Release: pairs with the Acquire in attempt and in look; hands on what was done in the role. It fails only on
        // garbage (I2), which is left alone.
        if self
            .word
            .compare_exchange(hold.word, CLOSED | (hold.word & DEATHS), Ordering::Release, Ordering::Relaxed)
            .is_ok()
        {
            // dead here: vacant, nobody woken; the undertaker wakes one.
            futex_wake(&self.word, 1);
        }
    }

    /// The role as a peer sees it. What its holder did before it went is seen by all that is read after this.
    #[inline]
    #[must_use]
    pub fn look(&self) -> Seen {
        // Acquire: pairs with the Release in leave and in bury.
        Seen(self.word.load(Ordering::Acquire))
    }

    /// The deaths that are no news to a peer that comes now.
    #[must_use]
    pub fn deaths(&self) -> Told {
        // Relaxed: an old value makes it news that somebody died about the time that the peer came.
        Told(self.word.load(Ordering::Relaxed) & DEATHS)
    }

    /// Who holds the role, as of a moment ago.
    #[must_use]
    pub fn presence(&self) -> Presence {
        // Relaxed: may be old by the time it is used, and promises no order.
        let word = self.word.load(Ordering::Relaxed);
        match word & STATE {
            HELD => Presence::Held(holder(word)),
            CLOSED => Presence::Gone(Departure::Closed),
            DIED => Presence::Gone(Departure::Died),
            _ => Presence::NeverOpened,
        }
    }
}

impl Default for RawRole {
    #[track_caller]
    fn default() -> Self {
        Self::new()
    }
}

impl Repair for RawRole {
    fn bury(&self, dead: &Dead<'_>) {
        // Relaxed: a claim by the dead was acquired with its mark, and everything else changes nothing. Read by a write, so
        // that the walk comes after every sleeper that the dead thread was woken before (I1 of waiting).
        let found = self.word.fetch_or(0, Ordering::Relaxed);
        if found & STATE == HELD && holder(found).is_some_and(|slot| dead.includes(slot)) {
            let died = DIED | (found.wrapping_add(ONE_DEATH) & DEATHS);
            // Release: pairs with the Acquire in attempt and in look; hands on what the dead holder did. It fails if
            // another undertaker was faster (I2).
            let _ = self.word.compare_exchange(found, died, Ordering::Release, Ordering::Relaxed);
            // dead here: DIED, nobody woken; whoever walks next wakes them.
        }
    }

    fn wake_all(&self) {
        // One: it takes the role, or somebody has it whose leaving, or death, wakes the next.
        futex_wake(&self.word, 1);
    }
}

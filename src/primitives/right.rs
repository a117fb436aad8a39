//! Right: what one process has at a time, and then another.
//!
//! **Purpose.** To receive from a mailbox, say, and so to be the one to whom its name leads. The process that holds the
//! right may give it to another, leave it to whoever comes, or end it; and if it dies, the right is *inherited* by the
//! next who claims it, or *closed*, by choice of its maker. Closed is for ever. Unlike a [role](super::role) it is a
//! process's and not a thread's: any thread of the holder acts for it, and how the threads of a holder get on with one
//! another is for them to see to.
//!
//! **Layout.** A `u64`, a [gate](super::gate) for those who wait for the right, and a `u32`, what becomes of it if its
//! holder ends.
//!
//! | from bit 0 | content |
//! |---|---|
//! | 3 bits | state, as drawn below |
//! | 8 bits | index + 1 of the holder (`HELD`), or of whom it is offered to (`OFFERED`), else 0 |
//! | 53 bits | the generation of that process, which no region has so many of |
//!
//! ```text
//!            claim           offer                accept
//! VACANT ───────────► HELD(p) ─────► OFFERED(q) ────────► HELD(q)
//!                      ▲  │                │
//!                claim │  │ leave, p dies  │ q dies
//!                      │  │                │
//!          LEFT, DIED ─┘◄─┴────────────────┘   or CLOSED, by choice
//!
//! any, and SHARED ──── close ────► CLOSED
//! ```
//!
//! A right that is `SHARED` is held by nobody: any number use it at once, without asking.
//!
//! **Protocol.**
//! 1. *claim*: swing a word that is `VACANT`, `LEFT` or `DIED`, or `OFFERED` to oneself, to `HELD` by oneself. If it is
//!    held by, or offered to, another: wait at the gate.
//! 2. *offer to q*: look whether q is attached; if not, nothing. Swing the own word to `OFFERED`, wake all at the gate,
//!    which is a fence. Then look again; if q is gone now, it has died meanwhile: do as the undertaker does.
//! 3. *leave*: swing the own word to `LEFT`, or `CLOSED`; wake all.
//! 4. *close*, by anybody: swing the word, whatever it is, to `CLOSED`; wake all.
//! 5. *undertaker*: a word held by the dead process, or offered to it or to another that is not attached any more, is
//!    swung to `DIED`, or `CLOSED`. Change the gate.
//!
//! **Invariants.**
//! - I1: only its holder, or an undertaker after the holder's death, or who closes for good, takes the right from a
//!   holder.
//! - I2: a word names as holder only a process that was attached when it was written and that has not been repaired
//!   since: only a thread of a process makes that one the holder, and while one runs no undertaker has begun. So a
//!   later process at the same place is never taken for it.
//! - I3: a word names as one to whom the right is offered a process whose undertaker is still to come to this object,
//!   or its writer finds that out afterwards, or the writer's undertaker does: of the fence before the undertaker goes
//!   through the objects and the one after the offer, one comes first. The generation tells it from later processes at
//!   its place.
//! - I4: to nobody who was not attached is the right offered; and whoever reads the offer sees that that one has come,
//!   at least. So nobody takes an offer away from one who is only just coming.
//!
//! **Orderings.**
//!
//! | operation | ordering | pairs with | publishes |
//! |---|---|---|---|
//! | swing to `HELD` | Acquire | swings to `LEFT`, `DIED`, `OFFERED` | |
//! | swing to `LEFT`, `CLOSED`, by leave | Release | claim's swing; the look whether it is closed | all that the holder did |
//! | swing to `OFFERED` | Release | accept's swing; the undertaker's read | all that the holder did, and that the other had come |
//! | fence of the gate's signal, before the second look | SeqCst fence | the undertaker's, before it goes through the objects | that the process is dead |
//! | undertaker's read, by a write that changes nothing | Acquire | swing to `OFFERED` | |
//! | offerer's swing on, of an offer to the dead | Relaxed | | of the release sequence of the offer |
//! | undertaker's swing | Release | claim's swing; the look whether it is closed | all that the dead holder did, by the mark, and what was repaired before |
//! | swing to `CLOSED`, by close | Release | the look whether it is closed | what was done before |
//! | look whether it is closed | Acquire | all swings to `CLOSED` | |
//!
//! **Death.** Before claim's swing: nothing happened. After it: a holder died. After leave's, offer's or close's swing
//! and before the wake: those who sleep have named the object, and the undertaker wakes them. After offer's swing and
//! before the look: the undertaker looks instead. Undertaker after its swing: the next one changes the gate and wakes.
//!
//! **Models.** `right/*`, `mailbox/*`.
//!
//! **References.** Receive rights that move between tasks, and ports that die with their holder: Mach (Accetta et al.,
//! "Mach: A New Kernel Foundation for UNIX Development", USENIX 1986). There the kernel moves them.

use super::gate::{RawGate, Refusal};
use super::participants::{Participants, ProcessClaim};
use super::undertaker::{Dead, Repair};
use super::waiting::{Caller, ObjectId};
use crate::sync::{AtomicU32, AtomicU64, Deadline, Ordering};

const STATE_BITS: u32 = 3;
const WHO_BITS: u32 = 8;
const GENERATION_SHIFT: u32 = STATE_BITS + WHO_BITS;

/// The control block of a right.
#[derive(Debug)]
#[repr(C)]
pub struct RawRight {
    word: AtomicU64,
    gate: RawGate,
    /// Bit 0: it is closed then. Bit 1: it is shared. Written when it is made.
    if_ends: AtomicU32,
}

/// What becomes of a right whose holder leaves or dies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Succession {
    /// The next who claims it has it.
    #[default]
    Inherit,
    /// It is closed for good.
    Close,
}

/// From whom a right was had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nobody had it before.
    First,
    /// The last holder gave it to this process.
    Given,
    /// The last holder left it.
    Left,
    /// The last holder died.
    Died,
}

/// Who has a right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holder {
    /// Nobody yet.
    Nobody,
    /// This process.
    Process(ProcessClaim),
    /// Nobody: it is offered to this process.
    Offered(ProcessClaim),
    /// Nobody: the last one left it.
    Left,
    /// Nobody: the last one died.
    Died,
    /// All who care to.
    Shared,
    /// Nobody any more.
    Closed,
}

/// Why a right was not had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RightError {
    /// Another process has it (non-blocking calls only).
    WouldBlock,
    /// Another process had it until the deadline (timed calls only).
    TimedOut,
    /// The calling process has it already.
    Mine,
    /// It is closed, or held by nobody because it is shared.
    Closed,
}

impl Refusal for RightError {
    const WOULD_BLOCK: Self = Self::WouldBlock;
    const TIMED_OUT: Self = Self::TimedOut;
}

/// Why a right was not given away: the caller has it still, or has not got it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OfferError {
    /// That process is not attached any more.
    Gone,
    /// The calling process does not have the right.
    NotMine,
}

fn word_of(state: u64, process: ProcessClaim) -> u64 {
    let who = (process.index as u64).wrapping_add(1) & ((1 << WHO_BITS) - 1);
    state | who << STATE_BITS | process.generation << GENERATION_SHIFT
}

impl Holder {
    fn to_bits(self) -> u64 {
        match self {
            Self::Nobody => 0,
            Self::Process(process) => word_of(1, process),
            Self::Offered(process) => word_of(2, process),
            Self::Left => 3,
            Self::Died => 4,
            Self::Shared => 5,
            Self::Closed => 6,
        }
    }

    /// A value that no step writes reads as closed, which nobody can be hurt by.
    fn from_bits(bits: u64) -> Self {
        let who =
            (bits >> STATE_BITS & ((1 << WHO_BITS) - 1)).checked_sub(1).and_then(|index| usize::try_from(index).ok());
        let process = who.map(|index| ProcessClaim { index, generation: bits >> GENERATION_SHIFT });
        match (bits & ((1 << STATE_BITS) - 1), process) {
            (0, None) => Self::Nobody,
            (1, Some(process)) => Self::Process(process),
            (2, Some(process)) => Self::Offered(process),
            (3, None) => Self::Left,
            (4, None) => Self::Died,
            (5, None) => Self::Shared,
            _ => Self::Closed,
        }
    }
}

impl RawRight {
    /// A right that nobody has had.
    #[must_use]
    #[track_caller]
    pub fn new(succession: Succession) -> Self {
        Self::holding(Holder::Nobody, succession)
    }

    /// A right that nobody holds because all may use it.
    #[must_use]
    #[track_caller]
    pub fn shared(succession: Succession) -> Self {
        Self::holding(Holder::Shared, succession)
    }

    #[track_caller]
    fn holding(holder: Holder, succession: Succession) -> Self {
        let if_ends = u32::from(succession == Succession::Close) | u32::from(holder == Holder::Shared) << 1;
        Self { word: AtomicU64::new(holder.to_bits()), gate: RawGate::new(), if_ends: AtomicU32::new(if_ends) }
    }

    /// What becomes of it if its holder ends.
    #[must_use]
    pub fn succession(&self) -> Succession {
        if self.if_ends.peek() & 1 == 0 { Succession::Inherit } else { Succession::Close }
    }

    /// Whether it is one that nobody holds because all may use it.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        self.if_ends.peek() & 2 != 0
    }

    fn ended(&self, how: Holder) -> u64 {
        match self.succession() {
            Succession::Inherit => how.to_bits(),
            Succession::Close => Holder::Closed.to_bits(),
        }
    }

    /// Takes the right for the process `me`, if nobody has it or it was offered to that one. Never blocks.
    ///
    /// # Errors
    /// [`RightError`], except `TimedOut`.
    pub fn try_claim(&self, me: ProcessClaim) -> Result<Origin, RightError> {
        // Relaxed: only a candidate for the compare-and-swap.
        let mut found = self.word.load(Ordering::Relaxed);
        loop {
            let origin = match Holder::from_bits(found) {
                Holder::Nobody => Origin::First,
                Holder::Left => Origin::Left,
                Holder::Died => Origin::Died,
                Holder::Offered(to) if to == me => Origin::Given,
                Holder::Process(holder) if holder == me => return Err(RightError::Mine),
                Holder::Process(_) | Holder::Offered(_) => return Err(RightError::WouldBlock),
                Holder::Shared | Holder::Closed => return Err(RightError::Closed),
            };
            let held = Holder::Process(me).to_bits();
            // Acquire: pairs with the Release in leave, offer and bury; what belongs to the right is as it was left.
            match self.word.compare_exchange(found, held, Ordering::Acquire, Ordering::Relaxed) {
                // dead here: the word names the process; the undertaker takes it from there.
                Ok(_) => return Ok(origin),
                Err(newer) => found = newer,
            }
        }
    }

    /// Takes the right for the process `me`, waiting as long as it takes or until `deadline`.
    ///
    /// # Errors
    /// [`RightError`], except `WouldBlock`.
    pub fn claim(
        &self,
        caller: &Caller<'_>,
        object: ObjectId,
        me: ProcessClaim,
        deadline: Option<Deadline>,
    ) -> Result<Origin, RightError> {
        // All are woken by every change: there is no wake to be given on.
        self.gate.until(caller, object, deadline, || self.try_claim(me), || false)
    }

    /// Gives the right, which the process `me` has, to another. Never blocks.
    ///
    /// If that one dies before it has accepted, it counts as a holder who died.
    ///
    /// # Errors
    /// [`OfferError`]. `Gone`: the caller has it still.
    pub fn offer(&self, table: &Participants<'_>, me: ProcessClaim, to: ProcessClaim) -> Result<(), OfferError> {
        // That it has come is seen, after this, by whoever reads the offer, too.
        if !table.is_attached(to) {
            return Err(OfferError::Gone);
        }
        let (held, offered) = (Holder::Process(me).to_bits(), Holder::Offered(to).to_bits());
        // Release: pairs with the Acquire of who accepts it, and with that of the undertaker's read (I4).
        if self.word.compare_exchange(held, offered, Ordering::Release, Ordering::Relaxed).is_err() {
            return Err(OfferError::NotMine);
        }
        // dead here: nobody is woken, and the other may have died; the undertaker sees to both.
        // It begins with a SeqCst fence, which pairs with the undertaker's, before it goes through the objects (I3).
        self.gate.signal_all();
        if !table.is_attached(to) {
            // It has died since the first look. As the undertaker does it, which may not come here any more.
            // Relaxed: it is of the release sequence of the offer. A failure: somebody was faster.
            self.end(offered, Holder::Died, Ordering::Relaxed);
            // dead here: as above.
            self.gate.signal_all();
        }
        Ok(())
    }

    /// Swings the word on from a holder, or an offer, that has ended so.
    /// In the name of the caller, whose ordering is audited.
    #[track_caller]
    fn end(&self, found: u64, how: Holder, success: Ordering) -> bool {
        self.word.compare_exchange(found, self.ended(how), success, Ordering::Relaxed).is_ok()
    }

    /// Leaves the right, which the process `me` has. Never blocks.
    pub fn leave(&self, me: ProcessClaim) {
        let held = Holder::Process(me).to_bits();
        // Release: pairs with the Acquire in try_claim and in is_closed; hands on what was done with the right. It fails if somebody has
        // closed it.
        if self.end(held, Holder::Left, Ordering::Release) {
            // dead here: nobody is woken; the undertaker wakes all whom a slot names.
            self.gate.signal_all();
        }
    }

    /// Ends the right for good, whoever has it. Never blocks. Whether it was not closed before.
    pub fn close(&self) -> bool {
        // Relaxed: only a candidate for the compare-and-swap.
        let mut found = self.word.load(Ordering::Relaxed);
        loop {
            if Holder::from_bits(found) == Holder::Closed {
                return false;
            }
            // Release: pairs with the Acquire in is_closed; what was done before comes before.
            match self.word.compare_exchange(found, Holder::Closed.to_bits(), Ordering::Release, Ordering::Relaxed) {
                Ok(_) => break,
                Err(newer) => found = newer,
            }
        }
        // dead here: as in leave.
        self.gate.signal_all();
        true
    }

    /// Whether it is closed. Never blocks. What whoever closed it did before happens before the return.
    #[inline]
    #[must_use]
    pub fn is_closed(&self) -> bool {
        // Acquire: pairs with the Release of who closes it.
        Holder::from_bits(self.word.load(Ordering::Acquire)) == Holder::Closed
    }

    /// Who has it, as of a moment ago.
    #[must_use]
    pub fn holder(&self) -> Holder {
        // Relaxed: may be old by the time it is used, and promises no order.
        Holder::from_bits(self.word.load(Ordering::Relaxed))
    }
}

impl Repair for RawRight {
    fn bury(&self, dead: &Dead<'_>) {
        // Acquire: pairs with the Release in offer; whether the other is attached is asked after what the offerer saw (I4). Read by a
        // write, so that the walk comes after every sleeper that the dead thread was woken before (I1 of waiting).
        let found = self.word.fetch_or(0, Ordering::Acquire);
        let is_dead = |process: ProcessClaim| dead.whole_process() == Some(process.index);
        let is_over = match Holder::from_bits(found) {
            Holder::Process(holder) => is_dead(holder),
            Holder::Offered(to) => !dead.table().is_attached(to),
            _ => false,
        };
        if is_over {
            // Release: pairs with the Acquire in claim; publishes what was repaired before, of what the right is to. It fails if another
            // undertaker was faster, or the offer was accepted.
            let _ = self.end(found, Holder::Died, Ordering::Release);
            // dead here: nobody is told; the next walker changes the gate.
        }
        self.gate.change();
    }

    fn wake_all(&self) {
        self.gate.wake_all();
    }
}

//! Barrier: all members wait for each other, again and again; one that dies does not hang the others.
//!
//! **Purpose.** A barrier has a fixed number of places. A thread that joins takes one and is a member until it leaves.
//! When as many have arrived as there are places, all go on and the next round begins. When a member dies, the barrier is
//! *broken*: whoever waits and whoever comes is told, until somebody resets it.
//!
//! **Layout.** One `u32`, which is also the futex word, and a `u32` for each place: a thread slot plus one, or 0; in
//! bit 31 `DEAD`, if that member has died.
//!
//! | bits | content |
//! |---|---|
//! | 31 | `WAITERS`: somebody may sleep |
//! | 30 | `BROKEN`: a member has died; set by the undertaker, cleared by reset |
//! | 29 | `RESET`: the last round ended with a reset, or with another death when it was broken already |
//! | 28 | `RESET_BEFORE`: so did the one before |
//! | 14 to 27 | the round, modulo 2¹⁴ |
//! | 0 to 13 | members that have arrived in this round |
//!
//! **Protocol.**
//! 1. *join*: swing a free place from 0 to the own slot. *Leave*: swing it back.
//! 2. *wait*: one more has arrived; if these are all, begin the next round and wake all, in one step before the wake.
//!    Else set `WAITERS` in the same step and sleep on exactly that word while it is the same round and not `BROKEN`.
//! 3. A wait that runs out takes its arrival back, unless the round is over by then.
//! 4. *undertaker*: if a place names the dead, mark it `DEAD`; then set `BROKEN`, or, if it is set, begin another broken
//!    round, in one step from a word that was read before the place was.
//! 5. *reset*: free the places that are marked; then begin the next round with `RESET`, nobody having arrived, not
//!    `BROKEN`, in one step from a word that was read before the places were.
//!
//! **Invariants.**
//! - I1: a member arrives once in a round: it waits until the round is over or takes its arrival back.
//! - I2: only a reset frees the place of a dead member, and every death changes the word after the place is marked. So
//!   a reset that has not seen the mark fails, and looks again; and no place of the dead becomes free unless the
//!   members were told.
//! - I3: a round that ended with all having arrived is told so to all of them, and one that was reset to none, unless
//!   two more rounds were reset before a member looked: then it is told that the barrier was broken.
//!
//! **Orderings.**
//!
//! | operation | ordering | pairs with | publishes |
//! |---|---|---|---|
//! | arrival, next round | AcqRel | each other, along the word | what each member did before it arrived |
//! | load after the sleep | Acquire | the next round's swing | |
//! | join, leave, mark, reset's free | Relaxed on the place | | nothing: a place says who has it and no more |
//! | `BROKEN` set | Release | reset's load of the word | the mark |
//! | reset | Release | the undertaker's look at the word | that the place is free |
//! | taking back | Relaxed | | nothing; it continues the release sequence |
//!
//! **Death.** Of a member, at any step: its place names it; the undertaker sets `BROKEN` and wakes all. If it was the
//! last to arrive and had begun the next round: those who sleep named the object and are woken, and the next round is
//! broken. Of who resets, having freed places: it is broken still, and the next reset goes on.
//!
//! **Models.** `barrier/*`.
//!
//! **References.** Java's `CyclicBarrier` for what broken means; POSIX barriers, which hang.

use super::participants::ThreadSlot;
use super::undertaker::{Dead, Repair};
use super::waiting::{Caller, ObjectId};
use crate::sync::{AtomicU32, Deadline, Ordering, WaitOutcome, futex_wake};

const WAITERS: u32 = 1 << 31;
const BROKEN: u32 = 1 << 30;
const RESET: u32 = 1 << 29;
const RESET_BEFORE: u32 = 1 << 28;
const ROUND: u32 = ((1 << 14) - 1) << ROUND_SHIFT;
const ROUND_SHIFT: u32 = 14;
const ARRIVED: u32 = (1 << ROUND_SHIFT) - 1;
/// Bit of a place: its member has died.
const DEAD: u32 = 1 << 31;

/// The control block of a barrier.
#[derive(Debug)]
#[repr(transparent)]
pub struct RawBarrier {
    word: AtomicU32,
}

/// A barrier with its places.
#[derive(Clone, Copy, Debug)]
pub struct Barrier<'a> {
    control: &'a RawBarrier,
    places: &'a [AtomicU32],
}

/// A member's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Membership {
    place: usize,
    slot: ThreadSlot,
}

/// How a round ended for the one who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passed {
    /// All had arrived, the caller as the last.
    AsLast,
    /// All had arrived.
    WithOthers,
}

/// Why a wait ended otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BarrierError {
    /// A member has died, in this round or before it.
    Broken,
    /// The deadline passed (timed calls only); the arrival has been taken back.
    TimedOut,
    /// The caller's place is not its own any more.
    NoMember,
}

impl RawBarrier {
    /// The most places that a barrier can have.
    pub const MAX: usize = ARRIVED as usize;

    /// A barrier at which nobody has arrived.
    #[must_use]
    #[track_caller]
    pub fn new() -> Self {
        Self { word: AtomicU32::new(0) }
    }

    /// A free place.
    #[must_use]
    #[track_caller]
    pub fn place() -> AtomicU32 {
        AtomicU32::new(0)
    }

    /// The barrier with its places; at most [`MAX`](Self::MAX).
    #[must_use]
    pub fn with<'a>(&'a self, places: &'a [AtomicU32]) -> Barrier<'a> {
        Barrier { control: self, places }
    }
}

impl Default for RawBarrier {
    #[track_caller]
    fn default() -> Self {
        Self::new()
    }
}

fn named(slot: ThreadSlot) -> u32 {
    u32::from(slot.0) + 1
}

/// The word in which the next round begins.
fn next_round(word: u32, reset: bool) -> u32 {
    let round = (word & ROUND).wrapping_add(1 << ROUND_SHIFT) & ROUND;
    let before = if word & RESET != 0 { RESET_BEFORE } else { 0 };
    round | before | if reset { RESET } else { 0 }
}

/// The word after one more death: another one than before, in any case.
fn broken(word: u32) -> u32 {
    if word & BROKEN == 0 { word | BROKEN } else { next_round(word, true) | BROKEN }
}

/// How many rounds after that of `then` the one of `now` is.
fn rounds_since(then: u32, now: u32) -> u32 {
    ((now & ROUND).wrapping_sub(then & ROUND) & ROUND) >> ROUND_SHIFT
}

impl Barrier<'_> {
    /// Takes a place; none if all are taken. Never blocks.
    #[must_use]
    pub fn join(&self, slot: ThreadSlot) -> Option<Membership> {
        let free = |place: &AtomicU32| {
            // Relaxed: the place alone is at stake; who looks after our death has acquired our mark, and so sees it.
            place.compare_exchange(0, named(slot), Ordering::Relaxed, Ordering::Relaxed).is_ok()
        };
        // dead here: the place names the dead; the undertaker breaks the barrier, which has one member less than it thought.
        self.places.iter().position(free).map(|place| Membership { place, slot })
    }

    /// Gives the place back; false if it was not the caller's any more. Never blocks.
    pub fn leave(&self, member: Membership) -> bool {
        // Relaxed: as in join.
        self.places.get(member.place).is_some_and(|place| {
            place.compare_exchange(named(member.slot), 0, Ordering::Relaxed, Ordering::Relaxed).is_ok()
        })
    }

    /// Waits until all have arrived, as long as it takes or until `deadline`.
    ///
    /// # Errors
    /// [`BarrierError`].
    pub fn wait(
        &self,
        caller: &Caller<'_>,
        object: ObjectId,
        member: Membership,
        deadline: Option<Deadline>,
    ) -> Result<Passed, BarrierError> {
        // Relaxed: only the caller and, after its death, the undertaker write it.
        if self.places.get(member.place).is_none_or(|place| place.load(Ordering::Relaxed) != named(member.slot)) {
            return Err(BarrierError::NoMember);
        }
        let word = &self.control.word;
        // Relaxed: only a candidate for the compare-and-swap.
        let mut found = word.load(Ordering::Relaxed);
        loop {
            if found & BROKEN != 0 {
                return Err(BarrierError::Broken);
            }
            let is_last = usize::try_from(found & ARRIVED).is_ok_and(|arrived| arrived + 1 >= self.places.len());
            let new = if is_last { next_round(found, false) } else { (found + 1) | WAITERS };
            // AcqRel: hands on what all who arrived before did, and what the caller did.
            match word.compare_exchange(found, new, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) if is_last => {
                    // dead here: the round is over and sleepers do not know; the undertaker wakes all whom a slot names.
                    if found & WAITERS != 0 {
                        futex_wake(word, u32::MAX);
                    }
                    return Ok(Passed::AsLast);
                }
                Ok(_) => return self.sleep(caller, object, new, deadline),
                Err(newer) => found = newer,
            }
        }
    }

    /// Sleeps until the round in which the caller has arrived is over.
    fn sleep(
        &self,
        caller: &Caller<'_>,
        object: ObjectId,
        arrived: u32,
        deadline: Option<Deadline>,
    ) -> Result<Passed, BarrierError> {
        let word = &self.control.word;
        let (mut found, mut timed_out) = (arrived, false);
        loop {
            match rounds_since(arrived, found) {
                0 if found & BROKEN != 0 => return Err(BarrierError::Broken),
                0 => {}
                1 if found & RESET == 0 => return Ok(Passed::WithOthers),
                2 if found & RESET_BEFORE == 0 => return Ok(Passed::WithOthers),
                _ => return Err(BarrierError::Broken),
            }
            if timed_out {
                // Relaxed: it takes back what it did; the release sequence goes on.
                match word.compare_exchange(found, found - 1, Ordering::Relaxed, Ordering::Acquire) {
                    Ok(_) => return Err(BarrierError::TimedOut),
                    Err(newer) => found = newer,
                }
                continue;
            }
            // Others may have arrived since: it is the same round, and WAITERS stays.
            timed_out = caller.sleep(object, word, found, deadline) == WaitOutcome::TimedOut;
            // Acquire: pairs with the swing that began the next round.
            found = word.load(Ordering::Acquire);
        }
    }

    /// Mends a broken barrier: a new round begins in which nobody has arrived. False: it was not broken. Never blocks.
    pub fn reset(&self) -> bool {
        let word = &self.control.word;
        // Acquire: pairs with the Release of the undertaker, whose mark is to be seen.
        let mut found = word.load(Ordering::Acquire);
        while found & BROKEN != 0 {
            for place in self.places {
                // Relaxed, both: the word orders marks and what is freed.
                let member = place.load(Ordering::Relaxed);
                if member & DEAD != 0 {
                    // A failure: somebody else resets it, too.
                    let _ = place.compare_exchange(member, 0, Ordering::Relaxed, Ordering::Relaxed);
                }
            }
            // dead here: places are free, and it is broken still.
            // Release: pairs with the Acquire in bury; a walker that sees it mended sees the places free. Acquire, of a
            // failure: as above. Nobody is to be woken: nobody falls asleep on a broken barrier, and whoever slept when
            // it broke is woken by the walk that broke it, or by the next one.
            match word.compare_exchange(found, next_round(found, true), Ordering::Release, Ordering::Acquire) {
                Ok(_) => return true,
                Err(newer) => found = newer,
            }
        }
        false
    }

    /// How many have arrived in this round, as of a moment ago; for people and tests.
    #[must_use]
    pub fn arrived(&self) -> u32 {
        self.control.word.peek() & ARRIVED
    }

    /// Calls `visit` with each member: the thread's slot, `None` for one that no region has (damaged memory), and whether
    /// it has died. For people and tests.
    pub fn for_each_member(&self, visit: &mut dyn FnMut(Option<ThreadSlot>, bool)) {
        for place in self.places.iter().map(AtomicU32::peek) {
            if let Some(slot) = (place & !DEAD).checked_sub(1) {
                visit(u16::try_from(slot).ok().map(ThreadSlot), place & DEAD != 0);
            }
        }
    }

    /// Whether a member has died and nobody has reset it since, as of a moment ago.
    #[must_use]
    pub fn is_broken(&self) -> bool {
        // Relaxed: it may be old by the time it is read.
        self.control.word.load(Ordering::Relaxed) & BROKEN != 0
    }
}

impl Repair for Barrier<'_> {
    fn bury(&self, dead: &Dead<'_>) {
        let word = &self.control.word;
        // Acquire: pairs with the Release of a reset; a place that it has freed is seen to be free, or it would break once
        // more for a death that all were told of. A write, as I1 of waiting demands.
        let mut seen = word.fetch_or(0, Ordering::Acquire);
        for place in self.places {
            loop {
                // Relaxed: the mark of the dead, which the walker has acquired, has it that the place names them.
                let member = place.load(Ordering::Relaxed);
                if !is_dead(member, dead) {
                    break;
                }
                // Relaxed: the word hands on the mark.
                if member & DEAD == 0
                    && place.compare_exchange(member, member | DEAD, Ordering::Relaxed, Ordering::Relaxed).is_err()
                {
                    continue;
                }
                // dead here: marked, and nobody told; the next walker tells them.
                // Release: pairs with the Acquire in reset; hands on the mark. From a word that was read before the place
                // was: if the barrier has been mended meanwhile, the place is looked at again (I2); Acquire: as above.
                match word.compare_exchange(seen, broken(seen), Ordering::Release, Ordering::Acquire) {
                    Ok(_) => {
                        seen = broken(seen);
                        break;
                    }
                    Err(newer) => seen = newer,
                }
            }
        }
    }

    fn wake_all(&self) {
        futex_wake(&self.control.word, u32::MAX);
    }
}

fn is_dead(member: u32, dead: &Dead<'_>) -> bool {
    (member & !DEAD)
        .checked_sub(1)
        .and_then(|slot| u16::try_from(slot).ok())
        .is_some_and(|slot| dead.includes(ThreadSlot(slot)))
}

//! Single-producer single-consumer ring.
//!
//! **Purpose.** A bounded FIFO queue between two threads of any processes. Each end has a [role](super::role) that one
//! thread holds at a time and that a successor inherits; the queue goes on where the role stands. This file hands slots
//! from one side to the other; what lies in a slot is its caller's affair (see [`stream`](super::stream) for plain values
//! and bytes). The number of slots comes from the handle, and any from 1 to [`RawRing::MAX_CAPACITY`] will do.
//!
//! **Layout.** Two ends, each on cache lines of its own.
//!
//! | offset | word | bits | content |
//! |---|---|---|---|
//! | 0, 128 | `index` of the producer (tail), of the consumer (head) | 31 | `WAITERS`: the peer may sleep on this word |
//! | | | 30 | `BELL`: the role may have changed since the peer looked |
//! | | | 0 to 29 | position, in `0..2 × capacity`: equal ones are an empty ring, `capacity` apart a full one |
//! | 4, 132 | `role` | | see there |
//!
//! Distances are taken modulo `2 × capacity`, so the capacity need not be a power of two. A side keeps its own position,
//! and the peer's as last seen, in a [`Cursor`] in its own memory; as long as that shows enough slots, nothing of the
//! peer's is read.
//!
//! **Protocol.**
//! 1. *reserve*: if the cursor does not show enough slots, read the peer's index. Still too few: look at the peer's role.
//!    If nobody holds it, or a holder died of which this side was not told, read the index once more, since what was
//!    committed before counts; then the wait is over.
//! 2. *sleep*: arm the peer's index (set `WAITERS`, clear `BELL`) by compare-and-swap, look at the role again, and sleep
//!    on exactly that word.
//! 3. *commit*: swap the own index to the new position, without flags; if `WAITERS` was set, wake.
//! 4. *claim* the role; the position is the own index. *close*: leave the role, then ring the bell: set `BELL` in the own
//!    index, and wake if `WAITERS` was set.
//! 5. *undertaker*: bury both roles, and ring both bells whatever became of that.
//!
//! **Invariants.**
//! - I1: the slots between head and tail are the consumer's own, the others the producer's. Only the holder of a role
//!   moves its index, and only over slots of its own; so a slot has one owner at a time, through any number of heirs.
//! - I2: who sleeps on an index sleeps on a word that is armed, and has looked at the role since it was. Every later
//!   change of position or role changes the word: a commit takes `WAITERS` away, and a change of the role is followed by
//!   `BELL`. A bell rung without reason (by an undertaker that comes late) costs one look.
//! - I3: a commit that overwrites `BELL` moves the position, and its holder has claimed the role after any change of it
//!   that the bell stood for; who sees the position sees that change.
//! - I4: a peer's index is believed only if its position lies in range and takes back no slot that it gave before;
//!   anything else is `Corrupt`. So no run of slots ever leaves the slice that the handle brings.
//!
//! **Orderings.**
//!
//! | operation | ordering | pairs with | publishes |
//! |---|---|---|---|
//! | commit's swap | Release | the peer's load of the index | the slots: written by the producer, read by the consumer |
//! | load of the peer's index | Acquire | commit's swap | |
//! | ringing the bell | Release | arming | the change of the role |
//! | arming | Acquire | ringing the bell that it clears | |
//! | own index, at a claim | Relaxed | | ordered by the role: leave's or the undertaker's swing, claim's swing |
//!
//! **Death.** Producer, before commit's swap: what it wrote lies in slots that are not sent; its successor begins at the
//! same position and overwrites them. Consumer, before commit's swap: its successor gets the same slots, so a batch that
//! was read and not committed is seen *at least once*; commit first what must be seen at most once. After the swap and
//! before the wake: the sleeper has named the object, the undertaker wakes it. After leaving the role and before the
//! bell, or undertaker before the bell: whoever walks next rings both. The side that is left is told of each death in its
//! peer's role once, as soon as it would have to wait.
//!
//! **Models.** `ring/*`.
//!
//! **References.** Lamport, "Proving the correctness of multiprocess programs", 1977; positions modulo twice the capacity
//! and cached peer positions after the crate rtrb.

use super::role::{Departure, Hold, IfGone, RawRole, Told};
use super::undertaker::{Dead, Repair};
use super::waiting::{Caller, ObjectId};
use crate::sync::{AtomicU32, Deadline, Ordering, WaitOutcome, futex_wake, spin_loop};
use core::ops::Range;

const WAITERS: u32 = 1 << 31;
const BELL: u32 = 1 << 30;
const POSITION: u32 = BELL - 1;

/// The control block of a ring.
#[derive(Debug)]
#[repr(C)]
pub struct RawRing {
    producer: End,
    consumer: End,
}

#[derive(Debug)]
#[repr(C, align(128))]
struct End {
    index: AtomicU32,
    role: RawRole,
    /// Named, or else writing a new ring would copy what lay on the writer's stack into shared memory.
    reserved: [u32; 30],
}

/// The side that sends; an argument to [`RawRing`]'s operations.
pub const PRODUCER: bool = true;
/// The side that receives.
pub const CONSUMER: bool = false;

/// What a side knows while it holds its role: where it stands, and how many slots are its own.
///
/// *Own* slots are free ones for the producer, filled ones for the consumer.
#[derive(Debug)]
pub struct Cursor<const SIDE: bool> {
    position: u32,
    /// The peer's index as last seen, with its flags.
    peer: u32,
    /// Own slots from `position` on.
    known: u32,
    capacity: u32,
    hold: Hold,
    told: Told,
}

/// Why there are not as many own slots as were asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReserveError {
    /// The peer has to act first (non-blocking calls only).
    WouldBlock,
    /// The deadline passed (timed calls only).
    TimedOut,
    /// The peer went. Fewer slots than were asked for may be there still.
    Disconnected(Departure),
    /// More than the capacity were asked for.
    TooMany,
    /// The shared memory is damaged.
    Corrupt,
}

/// The shared memory is damaged, or a capacity is none that a ring can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Corrupt;

/// More slots were to be committed than are known to be own ones. Nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotReserved;

impl<const SIDE: bool> Cursor<SIDE> {
    /// How many slots are known to be own ones; there may be more by now.
    #[inline]
    #[must_use]
    pub fn known(&self) -> u32 {
        self.known
    }

    /// The number of slots of the ring.
    #[inline]
    #[must_use]
    pub fn capacity(&self) -> u32 {
        self.capacity
    }

    /// Where the next `n` own slots lie, fewer if so many are not known: two runs, the first one first.
    #[inline]
    #[must_use]
    pub fn runs(&self, n: u32) -> [Range<usize>; 2] {
        let start = if self.position < self.capacity { self.position } else { self.position - self.capacity };
        let n = n.min(self.known);
        let first = n.min(self.capacity - start);
        [start as usize..(start + first) as usize, 0..(n - first) as usize]
    }

    /// Takes note of the peer's index (I4).
    #[inline]
    fn see(&mut self, index: u32) -> Result<(), Corrupt> {
        let (before, now, range) = (self.peer & POSITION, index & POSITION, 2 * self.capacity);
        if now >= range {
            return Err(Corrupt);
        }
        let gained = if now >= before { now - before } else { now + range - before };
        if gained > self.capacity - self.known {
            return Err(Corrupt);
        }
        self.peer = index;
        self.known += gained;
        Ok(())
    }
}

impl End {
    /// Tells who sleeps on the index, or is about to, that the role has changed. The index as it was.
    fn ring_the_bell(&self) -> u32 {
        // Release: pairs with the Acquire in reserve_slow; who clears the bell sees the role as we do.
        self.index.fetch_or(BELL, Ordering::Release)
    }

    #[cold]
    fn wake(&self) {
        // One: only the holder of the other role sleeps on an index.
        futex_wake(&self.index, 1);
    }
}

impl RawRing {
    /// The most slots that a ring can have.
    pub const MAX_CAPACITY: u32 = BELL / 2;

    /// An empty ring whose roles nobody has held.
    #[must_use]
    pub fn new() -> Self {
        let tail = AtomicU32::new(0);
        let head = AtomicU32::new(0);
        let producer = RawRole::new();
        let consumer = RawRole::new();
        let reserved = [0; 30];
        Self {
            producer: End { index: tail, role: producer, reserved },
            consumer: End { index: head, role: consumer, reserved },
        }
    }

    /// The own end and the peer's.
    #[inline]
    fn ends<const SIDE: bool>(&self) -> (&End, &End) {
        if SIDE == PRODUCER { (&self.producer, &self.consumer) } else { (&self.consumer, &self.producer) }
    }

    /// The role of a side, to be claimed before [`open`](Self::open), or watched.
    #[must_use]
    pub fn role<const SIDE: bool>(&self) -> &RawRole {
        &self.ends::<SIDE>().0.role
    }

    /// Begins, or goes on, with the side whose role was claimed; the handle's number of slots is `capacity`.
    ///
    /// # Errors
    /// [`Corrupt`]; the role has then been left.
    pub fn open<const SIDE: bool>(&self, hold: Hold, capacity: u32) -> Result<Cursor<SIDE>, Corrupt> {
        let (own, peer) = self.ends::<SIDE>();
        let possible = 0 < capacity && capacity <= Self::MAX_CAPACITY;
        let capacity = if possible { capacity } else { 1 };
        // Relaxed: the last commit of whoever held the role before was acquired with it.
        let position = own.index.load(Ordering::Relaxed) & POSITION;
        let range = 2 * capacity;
        // A full ring for the producer, an empty one for the consumer: nothing is its own before the first look.
        let nothing = if SIDE == PRODUCER { (position + capacity) % range } else { position };
        let mut cursor = Cursor { position, peer: nothing, known: 0, capacity, hold, told: peer.role.deaths() };
        if possible && position < range && self.refresh(&mut cursor).is_ok() {
            return Ok(cursor);
        }
        self.close(cursor);
        Err(Corrupt)
    }

    /// Gives a side up. The peer is told as soon as it would have to wait; a successor goes on from here.
    pub fn close<const SIDE: bool>(&self, cursor: Cursor<SIDE>) {
        let (own, _) = self.ends::<SIDE>();
        own.role.leave(cursor.hold);
        // dead here: the role is vacant, the peer not told; whoever walks next rings the bell.
        if own.ring_the_bell() & WAITERS != 0 {
            // dead here: rung, the sleeper not woken; the undertaker wakes all whom a slot names.
            own.wake();
        }
    }

    /// Makes at least `least` own slots known, if they are there; never blocks. The number that is known then.
    ///
    /// # Errors
    /// [`ReserveError`], except `TimedOut`. A peer that went is told of as with [`IfGone::Fail`].
    #[inline]
    pub fn try_reserve<const SIDE: bool>(&self, cursor: &mut Cursor<SIDE>, least: u32) -> Result<u32, ReserveError> {
        if least <= cursor.known || least <= self.refresh(cursor)? {
            return Ok(cursor.known);
        }
        self.look_for_departure(cursor, least, IfGone::Fail)?;
        if least <= cursor.known { Ok(cursor.known) } else { Err(ReserveError::WouldBlock) }
    }

    /// Makes at least `least` own slots known, waiting for them as long as it takes or until `deadline`. The number that
    /// is known then.
    ///
    /// # Errors
    /// [`ReserveError`], except `WouldBlock`.
    #[inline]
    pub fn reserve<const SIDE: bool>(
        &self,
        caller: &Caller<'_>,
        object: ObjectId,
        cursor: &mut Cursor<SIDE>,
        least: u32,
        if_gone: IfGone,
        deadline: Option<Deadline>,
    ) -> Result<u32, ReserveError> {
        if least <= cursor.known || least <= self.refresh(cursor)? {
            return Ok(cursor.known);
        }
        self.reserve_slow(caller, object, cursor, least, if_gone, deadline)
    }

    #[cold]
    fn reserve_slow<const SIDE: bool>(
        &self,
        caller: &Caller<'_>,
        object: ObjectId,
        cursor: &mut Cursor<SIDE>,
        least: u32,
        if_gone: IfGone,
        deadline: Option<Deadline>,
    ) -> Result<u32, ReserveError> {
        let (_, peer) = self.ends::<SIDE>();
        let mut spins = caller.spins();
        let mut timed_out = false;
        loop {
            self.look_for_departure(cursor, least, if_gone)?;
            let index = cursor.peer;
            if least <= cursor.known {
                return Ok(cursor.known);
            } else if timed_out {
                return Err(ReserveError::TimedOut);
            } else if spins > 0 {
                spins -= 1;
                spin_loop();
            } else if index & (WAITERS | BELL) == WAITERS {
                // dead here: WAITERS is set for nobody; the next commit makes a system call in vain.
                timed_out = caller.sleep(object, &peer.index, index, deadline) == WaitOutcome::TimedOut;
            } else {
                let armed = (index | WAITERS) & !BELL;
                // Acquire: pairs with the Release in ring_the_bell; the look at the role that follows sees what it was
                // rung for.
                if peer.index.compare_exchange(index, armed, Ordering::Acquire, Ordering::Relaxed).is_ok() {
                    cursor.peer = armed;
                    continue;
                }
            }
            self.refresh(cursor)?;
        }
    }

    /// Looks at the peer's role, which ends a wait if nobody holds it or somebody died in it. What was committed before
    /// counts: then there may be enough slots after all.
    fn look_for_departure<const SIDE: bool>(
        &self,
        cursor: &mut Cursor<SIDE>,
        least: u32,
        if_gone: IfGone,
    ) -> Result<(), ReserveError> {
        if least > cursor.capacity {
            return Err(ReserveError::TooMany);
        }
        let (_, peer) = self.ends::<SIDE>();
        let mut told = cursor.told;
        if let Some(how) = told.news(peer.role.look(), if_gone)
            && least > self.refresh(cursor)?
        {
            cursor.told = told;
            return Err(ReserveError::Disconnected(how));
        }
        Ok(())
    }

    /// How many slots hold what was sent and not received yet, as of a moment ago; `None` if the positions say what they
    /// cannot (damaged memory). For people and tests.
    #[must_use]
    pub fn filled(&self, capacity: u32) -> Option<u32> {
        if capacity == 0 || capacity > Self::MAX_CAPACITY {
            return None;
        }
        // The head first: what was sent since then only makes more of them.
        let (head, tail) = (self.consumer.index.peek() & POSITION, self.producer.index.peek() & POSITION);
        let range = 2 * capacity;
        (head < range && tail < range).then_some(())?;
        let filled = if tail >= head { tail - head } else { tail + range - head };
        // More than fit were sent and received between the two looks, or it is garbage: who wants to know looks again.
        (filled <= capacity).then_some(filled)
    }

    /// How many slots are own ones, by a fresh look at the peer's index; never blocks.
    ///
    /// # Errors
    /// `Corrupt`.
    #[inline]
    pub fn refresh<const SIDE: bool>(&self, cursor: &mut Cursor<SIDE>) -> Result<u32, ReserveError> {
        let (_, peer) = self.ends::<SIDE>();
        // Acquire: pairs with the Release in commit; takes over the slots that were written, or read, before.
        cursor.see(peer.index.load(Ordering::Acquire)).map_err(|Corrupt| ReserveError::Corrupt)?;
        Ok(cursor.known)
    }

    /// Hands the next `n` own slots to the peer: the producer sends them, the consumer frees them.
    ///
    /// # Errors
    /// [`NotReserved`].
    #[inline]
    pub fn commit<const SIDE: bool>(&self, cursor: &mut Cursor<SIDE>, n: u32) -> Result<(), NotReserved> {
        if n > cursor.known {
            return Err(NotReserved);
        }
        cursor.known -= n;
        let (next, range) = (cursor.position + n, 2 * cursor.capacity);
        cursor.position = if next < range { next } else { next - range };
        let (own, _) = self.ends::<SIDE>();
        // Release: pairs with the Acquire in refresh; hands over the slots.
        let old = own.index.swap(cursor.position, Ordering::Release);
        // dead here: committed, the sleeper not woken; the undertaker wakes all whom a slot names.
        if old & WAITERS != 0 {
            own.wake();
        }
        Ok(())
    }
}

impl Default for RawRing {
    fn default() -> Self {
        Self::new()
    }
}

impl Repair for RawRing {
    fn bury(&self, dead: &Dead<'_>) {
        for end in [&self.producer, &self.consumer] {
            end.role.bury(dead);
            // dead here: the role is vacant, the bell not rung; whoever walks next rings it, as we do for others (I2).
            end.ring_the_bell();
        }
    }

    fn wake_all(&self) {
        for end in [&self.producer, &self.consumer] {
            // One: only the holder of the other end's role sleeps on it.
            futex_wake(&end.index, 1);
            end.role.wake_all();
        }
    }
}

//! Bounded queue: many put in, many take out, whoever of them is killed or stalled.
//!
//! **Purpose.** First in, first out, for messages that lie in the buffers of a [pool](super::pool). A message takes
//! effect by one compare-and-swap that names its buffer, and is taken by one that names the taker, so nobody waits for
//! somebody who is stalled or dead in the middle. By choice of the queue the message of a taker that dies before it has
//! finished is gone with it (at most once), or goes to another, marked (at least once).
//!
//! **Layout.** Two `u64` positions, head and tail, that only grow; two [gates](super::gate), for those who wait for
//! messages and for space; a pool; `capacity` slots, and the pool's buffers, which are more than the slots by as many
//! as may be filled or read at once. A slot is a `u64`:
//!
//! | from bit 0 | content |
//! |---|---|
//! | 2 bits | `EMPTY`, `FULL`, `TAKEN` |
//! | 15 bits | thread slot + 1 of who has taken it (`TAKEN`) |
//! | as many as needed | index of the buffer (`FULL`, `TAKEN`) |
//! | the rest, 27 at least | turn: how often the slot has been used |
//!
//! Position `p` is in slot `p mod capacity`, at turn `p / capacity`.
//!
//! **Protocol.**
//! 1. *publish b*: at the tail's position, swing the slot from `EMPTY` to `FULL` with `b`: here it takes effect. Then
//!    swing the tail on. A slot that is `FULL` since the turn before, after a fence still: the queue is full, at that
//!    load. `TAKEN` since then: finish it (3). One that has been published already: swing the tail on.
//! 2. *take*: at the head's position, swing the slot from `FULL` to `TAKEN` with the own name: here it takes effect.
//!    Swing the head on, and finish it. A slot that has not been published, after a fence still: the queue is empty, at
//!    that load. One that was taken already: swing the head on.
//! 3. *finish*, by whoever finds a slot `TAKEN`: read the buffer's word; if the slot is still the same, swing that to
//!    `HELD` by the taker; then swing the slot to `EMPTY` at the next turn.
//! 4. *put back*: swing the buffer to `RETURNED`, note that there is one. Whoever takes looks for those first.
//! 5. *undertaker*: finish what is `TAKEN`; swing head and tail on if they lag; swing buffers that the dead were
//!    filling and that a slot names to `QUEUED`; free the others of those; free or return what they held; note; change
//!    all gates.
//!
//! **Invariants.**
//! - I1: a position is published once and taken once, in order: a slot runs through its states, and its turn only grows.
//! - I2: head and tail are hints that lag behind by at most one position; who finds them lagging helps.
//! - I3: a buffer whose slot is `EMPTY` again is `HELD`, or has been since; so nobody's buffer is on its way twice.
//! - I4: a buffer that a dead thread was filling, that no slot names, and that is still in that state after all slots
//!   were seen, was never published.
//! - I5: a `RETURNED` buffer is noted after it is returned; who finds none takes back only the note that it had read
//!   before it looked.
//! - I6: an answer "full" or "empty" comes from a look after a fence, and whatever changes the one or the other is
//!   followed by one, in the signal. Without them somebody could find the queue full, and another after it empty,
//!   though in between one of two messages was taken: the two would have seen what happened in different orders.
//!
//! **Orderings.**
//!
//! | operation | ordering | pairs with | publishes |
//! |---|---|---|---|
//! | slot to `FULL` | Release | loads of slots, Acquire | the message |
//! | slot to `TAKEN` | Release | loads of slots, Acquire | where the head was (I2); it is of the release sequence of `FULL`, too |
//! | buffer to `HELD` | Relaxed | | nothing; whoever has it next, the taker, knows that it was taken |
//! | load of the buffer's word before that | Acquire | what later owners wrote | that the slot was emptied: the look at it sees it |
//! | slot to `EMPTY` | Release | loads of slots, Acquire | that the buffer is `HELD` |
//! | fence, look that finds no space or no message | SeqCst fence | slot swung, fence of the signal | I6 |
//! | head and tail swung on | Release | loads of them, Acquire | the slot that was passed |
//! | `RETURNED`, noted | Release | note, buffer, Acquire | the message, and what the dead did with it |
//!
//! **Death.** Filling: the buffer is freed. Having published: the message is there; the tail is swung on by the next,
//! or by the undertaker. Having taken: it is finished by whoever comes next, and the undertaker finds it `HELD`. Of who
//! frees or returns: the buffer's word says which. Before a signal: the undertaker wakes all whom a slot names.
//!
//! **Models.** `queue/*`.
//!
//! **References.** Helping and positions that lag: Michael and Scott, "Simple, fast, and practical non-blocking and
//! blocking concurrent queue algorithms", PODC 1996; turns: Vyukov's bounded MPMC queue, in which a stalled sender
//! blocks receivers.

use super::gate::{RawGate, Refusal};
use super::participants::ThreadSlot;
use super::pool::{Buffer, Pool, RawPool, RawReturned, Returned, State};
use super::waiting::{Caller, ObjectId};
use crate::sync::{AtomicU32, AtomicU64, Deadline, Ordering, fence};

mod repair;
mod seen;
mod slot;

pub use super::pool::Taken;
pub use seen::HeldAs;
use slot::{Format, Slot, What};

/// The control block of a queue.
#[derive(Debug)]
#[repr(C)]
pub struct RawQueue {
    head: AtomicU64,
    returned: RawReturned,
    messages: RawGate,
    tail: AtomicU64,
    space: RawGate,
    /// Written when it is made.
    capacity: AtomicU32,
    /// 1: at least once. Written when it is made.
    delivery: AtomicU32,
    pool: RawPool,
}

/// What becomes of a message whose taker dies before it has finished.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// It is gone.
    AtMostOnce,
    /// Another gets it, marked as redelivered.
    AtLeastOnce,
}

/// A queue with its slots and buffers.
#[derive(Clone, Copy, Debug)]
pub struct Queue<'a> {
    control: &'a RawQueue,
    slots: &'a [AtomicU64],
    pool: Pool<'a>,
    format: Format,
}

/// Why there is no answer now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueueError {
    /// The queue is full, or, for who takes, empty (non-blocking calls only).
    WouldBlock,
    /// The deadline passed (timed calls only).
    TimedOut,
    /// The words contradict each other: somebody has written there who should not.
    Corrupt,
}

impl Refusal for QueueError {
    const WOULD_BLOCK: Self = Self::WouldBlock;
    const TIMED_OUT: Self = Self::TimedOut;
}

impl RawQueue {
    /// The most messages that a queue can hold.
    pub const MAX: usize = Format::BUFFERS / 2;

    /// An empty queue for `capacity` messages, 1 to [`MAX`](Self::MAX).
    #[must_use]
    #[track_caller]
    pub fn new(capacity: u32, delivery: Delivery) -> Self {
        Self {
            head: AtomicU64::new(0),
            returned: RawReturned::new(),
            messages: RawGate::new(),
            tail: AtomicU64::new(0),
            space: RawGate::new(),
            capacity: AtomicU32::new(capacity),
            delivery: AtomicU32::new(u32::from(delivery == Delivery::AtLeastOnce)),
            pool: RawPool::new(),
        }
    }

    /// A slot or buffer of an empty queue.
    #[must_use]
    #[track_caller]
    pub fn word() -> AtomicU64 {
        AtomicU64::new(0)
    }

    /// As it was made.
    pub(super) fn capacity(&self) -> usize {
        usize::try_from(self.capacity.peek()).unwrap_or(usize::MAX)
    }

    /// The queue with its words: `capacity` slots, and behind them the buffers.
    #[must_use]
    pub fn with<'a>(&'a self, words: &'a [AtomicU64]) -> Queue<'a> {
        let (slots, buffers) = words.split_at(self.capacity().min(words.len()));
        Queue { control: self, slots, pool: self.pool.with(buffers), format: Format::new(slots.len(), buffers.len()) }
    }
}

/// What a look at a position came to.
enum Look {
    /// The slot of this position, which has this index, can be swung from this word.
    Ready(u64, usize, Slot),
    /// It cannot, for there is no space or no message.
    Not,
}

impl<'a> Queue<'a> {
    /// How many messages it holds at most.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.slots.len()
    }

    /// Those of its messages that were put back.
    #[must_use]
    pub fn returned(&self) -> Returned<'a> {
        self.control.returned.with(self.pool)
    }

    /// The pool of its buffers. A sender takes one, fills it, and [publishes](Self::publish) it or gives it back.
    #[must_use]
    pub fn pool(&self) -> Pool<'a> {
        self.pool
    }

    /// Puts the message in a buffer that the caller has filled at the end of the queue, if there is space. Never blocks.
    ///
    /// # Errors
    /// `WouldBlock`, `Corrupt`: the caller has the buffer still.
    #[inline]
    pub fn try_publish(&self, buffer: usize) -> Result<(), QueueError> {
        loop {
            let Look::Ready(position, index, found) = self.look_for_space()? else {
                return Err(QueueError::WouldBlock);
            };
            let full = Slot { what: What::Full, taker: None, buffer, ..found };
            // Release: pairs with the Acquire of who takes it; publishes the message.
            if self.swing(index, found, full, Ordering::Release) {
                // dead here: it is there; the next to publish swings the tail on, and the undertaker wakes sleepers.
                self.pass(&self.control.tail, position);
                self.control.messages.signal();
                return Ok(());
            }
        }
    }

    /// Looks whether the slot at the tail's position can be published in.
    fn look_for_space(&self) -> Result<Look, QueueError> {
        let mut position = position(&self.control.tail);
        let mut looks_again = true;
        loop {
            let (index, turn) = self.format.place(position);
            let found = self.slot(index)?;
            match (self.format.turns_between(turn, found.turn), found.what) {
                (0, What::Empty) => return Ok(Look::Ready(position, index, found)),
                // SeqCst: pairs with the fences of signals, and with those of others here (I6).
                (-1, What::Full) if core::mem::take(&mut looks_again) => fence(Ordering::SeqCst),
                (-1, What::Full) => return Ok(Look::Not),
                (-1, What::Taken) => self.finish(index, found)?,
                // It has been published here.
                _ => position = self.go_on(&self.control.tail, position, turn, found)?,
            }
        }
    }

    /// Takes the first message, if there is one. Never blocks.
    ///
    /// # Errors
    /// `WouldBlock`, `Corrupt`.
    #[inline]
    pub fn try_take(&self, slot: ThreadSlot) -> Result<Taken, QueueError> {
        match self.returned().take(slot, &|_| Some(0)) {
            Some(taken) => Ok(taken),
            None => self.take_new(slot),
        }
    }

    /// Takes the first message that nobody has had yet, if there is one. Never blocks.
    pub(super) fn take_new(&self, slot: ThreadSlot) -> Result<Taken, QueueError> {
        loop {
            let Look::Ready(position, index, found) = self.look_for_message()? else {
                return Err(QueueError::WouldBlock);
            };
            let taken = Slot { what: What::Taken, taker: Some(slot), ..found };
            // Release: pairs with the Acquire in slot; who sees it taken at this turn, and reads the head again, finds it there at
            // least. The message came with the look at the slot, which has not changed since.
            if self.swing(index, found, taken, Ordering::Release) {
                // dead here: it is ours; the next, or the undertaker, finishes it.
                self.pass(&self.control.head, position);
                self.finish(index, taken)?;
                self.control.space.signal();
                return Ok(Taken { buffer: found.buffer, redelivered: false });
            }
        }
    }

    /// Looks whether there is a message at the head's position.
    fn look_for_message(&self) -> Result<Look, QueueError> {
        let mut position = position(&self.control.head);
        let mut looks_again = true;
        loop {
            let (index, turn) = self.format.place(position);
            let found = self.slot(index)?;
            match (self.format.turns_between(turn, found.turn), found.what) {
                (0, What::Full) => return Ok(Look::Ready(position, index, found)),
                // SeqCst: as above.
                (0, What::Empty) | (-1, What::Taken) if core::mem::take(&mut looks_again) => fence(Ordering::SeqCst),
                (0, What::Empty) | (-1, What::Taken) => return Ok(Look::Not),
                // It has been taken here.
                _ => position = self.go_on(&self.control.head, position, turn, found)?,
            }
        }
    }

    fn slot(&self, index: usize) -> Result<Slot, QueueError> {
        let slot = self.slots.get(index).ok_or(QueueError::Corrupt)?;
        // Acquire: pairs with every swing of the slot; what it says of the buffer has come about.
        let bits = slot.load(Ordering::Acquire);
        let found = self.format.slot(bits);
        // Garbage that would not be recognised when it is to be swung.
        if self.format.bits(found) == bits { Ok(found) } else { Err(QueueError::Corrupt) }
    }

    /// In the name of the caller, whose ordering is audited.
    #[track_caller]
    fn swing(&self, index: usize, from: Slot, to: Slot, success: Ordering) -> bool {
        let (from, to) = (self.format.bits(from), self.format.bits(to));
        let Some(slot) = self.slots.get(index) else { return false };
        // Relaxed, of a failure: it looks again.
        slot.compare_exchange(from, to, success, Ordering::Relaxed).is_ok()
    }

    /// Swings head or tail on from this position.
    fn pass(&self, end: &AtomicU64, position: u64) {
        // Release: pairs with the Acquire loads; who sees it sees the slot that was passed. A failure: somebody helped.
        let _ = end.compare_exchange(position, position.wrapping_add(1), Ordering::Release, Ordering::Relaxed);
    }

    /// The position to look at next, where the slot at this one has been used already.
    fn go_on(&self, end: &AtomicU64, before: u64, turn: u64, found: Slot) -> Result<u64, QueueError> {
        // A head that lags may see the slot emptied and published again.
        let used = match self.format.turns_between(turn, found.turn) {
            0 => found.what != What::Empty,
            1 => found.what != What::Taken,
            _ => false,
        };
        if used {
            self.pass(end, before);
        }
        let next = position(end);
        // Nobody has passed it, and the slot is not what it can be then.
        if next == before && !used { Err(QueueError::Corrupt) } else { Ok(next) }
    }

    /// Names the taker in the buffer of a slot that was seen `TAKEN`, and empties the slot.
    fn finish(&self, index: usize, taken: Slot) -> Result<(), QueueError> {
        let (Some(slot), Some(word)) = (self.slots.get(index), self.pool.word(taken.buffer)) else {
            return Err(QueueError::Corrupt);
        };
        let bits = self.format.bits(taken);
        loop {
            // Acquire: pairs with whatever came after, so that the next load sees it.
            let seen = word.load(Ordering::Acquire);
            // Relaxed: whoever has emptied it has named the taker in the buffer, who is to see itself there, and does so by the
            // fence of the signal that follows.
            if slot.load(Ordering::Relaxed) != bits {
                return Ok(());
            }
            let buffer = Buffer::from_bits(seen);
            if !matches!(buffer.state, State::Fill | State::Queued) {
                break;
            }
            let held = buffer.next(State::Held, taken.taker).to_bits();
            // Relaxed: it says nothing that the taker does not know. A failure: it looks again; an undertaker may have set
            // QUEUED.
            if word.compare_exchange(seen, held, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
                break;
            }
        }
        // dead here: whoever comes next empties it.
        let empty = self.format.bits(self.format.emptied(taken));
        // Release: pairs with the Acquire in slot; publishes that the buffer is held. A failure: somebody helped.
        let _ = slot.compare_exchange(bits, empty, Ordering::Release, Ordering::Relaxed);
        Ok(())
    }

    /// Gives a message that the calling thread has taken to whoever takes next, marked. Never blocks.
    pub fn return_taken(&self, buffer: usize) {
        self.returned().put_back(buffer);
        // dead here: the undertaker wakes sleepers.
        self.control.messages.signal();
    }

    /// Puts the message in a buffer that the caller has filled at the end of the queue, waiting for space as long as it takes or
    /// until `deadline`.
    ///
    /// # Errors
    /// `TimedOut`, `Corrupt`: the caller has the buffer still.
    #[inline]
    pub fn publish(
        &self,
        caller: &Caller<'_>,
        object: ObjectId,
        buffer: usize,
        deadline: Option<Deadline>,
    ) -> Result<(), QueueError> {
        self.control.space.until(caller, object, deadline, || self.try_publish(buffer), || self.has_space())
    }

    /// Takes the first message, waiting for one as long as it takes or until `deadline`.
    ///
    /// # Errors
    /// `TimedOut`, `Corrupt`.
    #[inline]
    pub fn take(&self, caller: &Caller<'_>, object: ObjectId, deadline: Option<Deadline>) -> Result<Taken, QueueError> {
        self.control.messages.until(caller, object, deadline, || self.try_take(caller.slot), || self.has_message())
    }

    /// Where those wait who wait for space, and who wait for messages.
    pub(super) fn gates(&self) -> (&'a RawGate, &'a RawGate) {
        (&self.control.space, &self.control.messages)
    }

    pub(super) fn has_space(&self) -> bool {
        !matches!(self.look_for_space(), Ok(Look::Not)) // Of damage an attempt tells.
    }

    pub(super) fn has_message(&self) -> bool {
        self.returned().may_be() || !matches!(self.look_for_message(), Ok(Look::Not))
    }

    /// How many messages are waiting, as of a moment ago; what was returned not counted.
    #[must_use]
    pub fn len(&self) -> usize {
        let (tail, head) = (self.control.tail.peek(), self.control.head.peek());
        usize::try_from(tail.saturating_sub(head)).unwrap_or(0).min(self.capacity())
    }

    /// Whether no message is waiting, as of a moment ago; what was returned not counted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether a message may have been returned, as of a moment ago; for people and tests.
    #[must_use]
    pub fn has_returned(&self) -> bool {
        self.control.returned.peek()
    }
}

/// Where head or tail stands.
fn position(end: &AtomicU64) -> u64 {
    // Acquire: pairs with the swing of it; each slot that was passed is seen as it was then, at least.
    end.load(Ordering::Acquire)
}

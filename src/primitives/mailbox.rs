//! Mailbox: a channel whose receiving end is a right.
//!
//! **Purpose.** A [channel](super::channel) ends when nobody is left at its other end; a mailbox outlives its
//! correspondents. One process has the [right](super::right) to receive, or, of a shared one, any number; those who
//! send need not know which, nor whether there is one at the moment. It is over when the right is closed.
//!
//! **Layout.** The right; the channel, whose words are followed by a *label* for each of its buffers; two `u32`: how
//! many messages were taken, and what becomes of those whose receiver dies. Behind the labels the words of
//! [annexes](super::pool::Annexes), if there are any. A label is a `u64`:
//!
//! | from bit 0 | content |
//! |---|---|
//! | 32 bits | the type of the message, as its sender names it |
//! | 32 bits | the number under which it was taken first; 0: not yet |
//!
//! **Protocol.** As of the right and of the channel, with this difference: receivers are gone when the right is closed,
//! or, where it is shared and ends with them, when nobody is left at their end, at which none but they stand; and
//! senders are gone when the right is closed.
//! 1. *leave*, *close*: first the right; if it is closed then, signal all gates of both sides.
//! 2. *receive*: if messages were put back, the oldest of those that are wanted. Else the next of the line: number it;
//!    if it is not wanted, put it back, and tell all who wait, each of whom may want something else; again. Delivered
//!    at most once: *keep* it, by which it is gone if its receiver dies.
//! 3. *undertaker*: repair the line, then the right, then the ends; change all gates.
//!
//! **Invariants.**
//! - I1: whoever waits looks whether the right is closed after it has set the gate's `SLEEPERS`, and whoever closes it
//!   signals after that: one of the two sees the other (gate, I1).
//! - I2: what was sent before the right passed on is received by whoever has it then: messages are the channel's and
//!   not the holder's.
//! - I3: the right of a dead process passes on after what it had taken and not kept was put back: so its heir finds
//!   all, in order.
//! - I4: the messages that one thread takes have ascending numbers, and one that has a number keeps it; so they are
//!   taken again in the order in which they were taken first, before all that nobody has taken yet.
//!
//! **Orderings.** Those of the right and of the channel.
//!
//! **Death.** As of the two. Having taken, and before it is kept: the undertaker puts it back; if it has no number yet,
//! it comes before all others. A holder that dies before others are told that the right is closed: the undertaker finds
//! it closed, and wakes all whom a slot names.
//!
//! **Models.** `mailbox/*`.
//!
//! **References.** Receiving by type: System V message queues, `msgrcv(2)`, in which the kernel looks through the list.

use super::channel::{Channel, Line, RawChannel, RawLine};
use super::participants::{Participants, ProcessClaim};
use super::queue::Delivery;
use super::right::{OfferError, RawRight};
use super::undertaker::{Dead, Repair};
use crate::sync::{AtomicU32, AtomicU64};

mod labels;

use labels::Labels;
pub use labels::Wanted;

/// The control block of a mailbox.
#[derive(Debug)]
#[repr(C)]
pub struct RawMailbox<L> {
    right: RawRight,
    /// How many messages were taken.
    arrivals: AtomicU32,
    /// 1: at least once. Written when it is made.
    delivery: AtomicU32,
    channel: RawChannel<L>,
}

/// What a mailbox adds to its channel.
#[derive(Clone, Copy, Debug)]
pub(super) struct Desk<'a> {
    /// The right to receive.
    pub(super) right: &'a RawRight,
    pub(super) labels: Labels<'a>,
    /// What becomes of a message whose receiver dies before it has finished.
    pub(super) delivery: Delivery,
}

/// A mailbox with its line.
#[derive(Clone, Copy, Debug)]
pub struct Mailbox<'a, L> {
    right: &'a RawRight,
    channel: Channel<'a, L>,
}

impl<L> RawMailbox<L> {
    /// Where its channel begins, in bytes.
    pub const CHANNEL: usize = core::mem::offset_of!(Self, channel);

    /// A mailbox over this line, whose messages are delivered at least once, and by the mailbox as `delivery` says; to receive from
    /// it takes this right.
    #[must_use]
    #[track_caller]
    pub fn new(line: L, right: RawRight, delivery: Delivery) -> Self {
        let (arrivals, delivery) = (AtomicU32::new(0), AtomicU32::new(u32::from(delivery == Delivery::AtLeastOnce)));
        Self { right, arrivals, delivery, channel: RawChannel::new(line) }
    }

    /// What becomes of a message whose receiver dies before it has finished.
    #[must_use]
    pub fn delivery(&self) -> Delivery {
        if self.delivery.peek() == 0 { Delivery::AtMostOnce } else { Delivery::AtLeastOnce }
    }

    /// The right to receive.
    #[must_use]
    pub fn right(&self) -> &RawRight {
        &self.right
    }

    /// The channel without its line.
    #[must_use]
    pub fn channel(&self) -> &RawChannel<L> {
        &self.channel
    }
}

impl<L: RawLine> RawMailbox<L> {
    /// The mailbox with its words, but for those of annexes: for who need not know of them, undertakers among others.
    #[inline]
    #[must_use]
    pub fn with<'a>(&'a self, words: &'a [AtomicU64]) -> Mailbox<'a, L::Line<'a>> {
        self.with_annexes(words, &[])
    }

    /// The mailbox with its words, and those of its annexes.
    #[inline]
    #[must_use]
    pub fn with_annexes<'a>(&'a self, words: &'a [AtomicU64], annexes: &'a [AtomicU64]) -> Mailbox<'a, L::Line<'a>> {
        let own = self.channel.line().own(words.len());
        let (words, labels) = words.split_at_checked(own).unwrap_or((words, &[]));
        let labels = Labels::new(labels, &self.arrivals);
        let channel = self.channel.with_annexes(words, annexes);
        let desk = Desk { right: &self.right, labels, delivery: self.delivery() };
        Mailbox { right: &self.right, channel: channel.at(desk) }
    }
}

impl<'a, L: Line<'a>> Mailbox<'a, L> {
    /// What is sent and received through. Whoever receives has the right to.
    #[must_use]
    pub fn channel(&self) -> Channel<'a, L> {
        self.channel
    }

    /// Leaves the right, which the process `me` has. Never blocks.
    pub fn leave(&self, me: ProcessClaim) {
        self.right.leave(me);
        self.tell_if_closed();
    }

    /// Ends the mailbox for good, whoever has the right. What was sent can be received still. Never blocks.
    pub fn close(&self) {
        self.right.close();
        self.tell_if_closed();
    }

    /// Gives the right, which the process `me` has, to another. Never blocks.
    ///
    /// # Errors
    /// [`OfferError`].
    pub fn offer(&self, table: &Participants<'_>, me: ProcessClaim, to: ProcessClaim) -> Result<(), OfferError> {
        let offered = self.right.offer(table, me, to);
        // It was given to one who has died since, and was closed with it.
        self.tell_if_closed();
        offered
    }

    fn tell_if_closed(&self) {
        // dead here: nobody is told; the undertaker wakes all whom a slot names.
        if self.right.is_closed() {
            self.channel.tell_all();
        }
    }
}

impl<'a, L: Line<'a>> Repair for Mailbox<'a, L> {
    fn bury(&self, dead: &Dead<'_>) {
        // First: whoever has the right next finds what the dead had not finished (I3).
        self.channel.line().bury(dead);
        // Before the gates are changed: those who wait there are told that it is closed (I1).
        self.right.bury(dead);
        self.channel.bury_ends(dead);
    }

    fn wake_all(&self) {
        self.right.wake_all();
        self.channel.wake_all();
    }
}

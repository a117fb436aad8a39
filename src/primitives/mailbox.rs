//! Mailbox: a channel whose receiving end is a right.
//!
//! **Purpose.** A [channel](super::channel) ends when nobody is left at its other end; a mailbox outlives its correspondents. One
//! process has the [right](super::right) to receive, or, of a shared one, any number; those who send need not know which, nor
//! whether there is one at the moment. It is over when the right is closed.
//!
//! **Layout.** The right, and the channel.
//!
//! **Protocol.** As of the right and of the channel, with this difference: receivers are gone when the right is closed, or, where it
//! is shared and ends with them, when nobody is left at their end, at which none but they stand; and senders are gone when the right is closed.
//! 1. *leave*, *close*: first the right; if it is closed then, signal all gates of both sides.
//! 2. *undertaker*: repair the right, then the channel; change all gates.
//!
//! **Invariants.**
//! - I1: whoever waits looks whether the right is closed after it has set the gate's `SLEEPERS`, and whoever closes it signals after
//!   that: one of the two sees the other (gate, I1).
//! - I2: what was sent before the right passed on is received by whoever has it then: messages are the channel's and not the holder's.
//!
//! **Orderings.** Those of the right and of the channel.
//!
//! **Death.** As of the two. A holder that dies before others are told that the right is closed: the undertaker finds it closed, and
//! wakes all whom a slot names.
//!
//! **Models.** `mailbox/*`.

use super::channel::{Channel, Line, RawChannel, RawLine};
use super::participants::{Participants, ProcessClaim};
use super::right::{OfferError, RawRight};
use super::undertaker::{Dead, Repair};
use crate::sync::AtomicU64;

/// The control block of a mailbox.
#[derive(Debug)]
#[repr(C)]
pub struct RawMailbox<L> {
    right: RawRight,
    channel: RawChannel<L>,
}

/// A mailbox with its line.
#[derive(Clone, Copy, Debug)]
pub struct Mailbox<'a, L> {
    right: &'a RawRight,
    channel: Channel<'a, L>,
}

impl<L> RawMailbox<L> {
    /// A mailbox over this line, to receive from which takes this right.
    #[must_use]
    #[track_caller]
    pub fn new(line: L, right: RawRight) -> Self {
        Self { right, channel: RawChannel::new(line) }
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
    /// The mailbox with the words of its line.
    #[inline]
    #[must_use]
    pub fn with<'a>(&'a self, words: &'a [AtomicU64]) -> Mailbox<'a, L::Line<'a>> {
        Mailbox { right: &self.right, channel: self.channel.with(words).under(&self.right) }
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
        // First: the channel's gates are changed after it is closed.
        self.right.bury(dead);
        self.channel.bury(dead);
    }

    fn wake_all(&self) {
        self.right.wake_all();
        self.channel.wake_all();
    }
}

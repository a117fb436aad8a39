//! What a channel needs of its line, whichever of the three it is.

use super::{ChannelError, attempted, drained};
use crate::primitives::ends::Gone;
use crate::primitives::gate::RawGate;
use crate::primitives::participants::{Participants, ThreadSlot};
use crate::primitives::pool::Pool;
use crate::primitives::queue::{Queue, QueueError, Taken};
use crate::primitives::rendezvous::{Rendezvous, RendezvousError};
use crate::primitives::unbounded::{Corrupt, TakeError, Unbounded};
use crate::primitives::undertaker::Repair;
use crate::primitives::waiting::{Caller, ObjectId};
use crate::primitives::{RawQueue, RawRendezvous, RawUnbounded};
use crate::sync::{AtomicU64, Deadline};

/// The control block of a line.
pub trait RawLine {
    /// The line with its words.
    type Line<'a>: Line<'a>
    where
        Self: 'a;

    /// The line with its words.
    fn with<'a>(&'a self, words: &'a [AtomicU64]) -> Self::Line<'a>;
}

macro_rules! raw_lines {
    ($($raw:ty => $line:ident;)+) => {
        $(impl RawLine for $raw {
            type Line<'a> = $line<'a>;

            #[inline]
            fn with<'a>(&'a self, words: &'a [AtomicU64]) -> $line<'a> {
                self.with(words)
            }
        })+
    };
}

raw_lines! {
    RawQueue => Queue;
    RawUnbounded => Unbounded;
    RawRendezvous => Rendezvous;
}

/// A line of messages in buffers.
pub trait Line<'a>: Repair + Copy {
    /// The pool of its buffers.
    fn pool(&self) -> Pool<'a>;

    /// Sends the message in a buffer of the caller's. Never blocks.
    ///
    /// # Errors
    /// `WouldBlock`, `Corrupt`: the caller has the buffer still.
    fn try_send(&self, table: Participants<'_>, buffer: usize) -> Result<(), ChannelError>;

    /// Sends the message in a buffer of the caller's, waiting until `deadline`, and as long as it is not `over`.
    ///
    /// # Errors
    /// `TimedOut`, `Disconnected` if it is over, `Corrupt`: the caller has the buffer still.
    fn send(
        &self,
        caller: &Caller<'_>,
        object: ObjectId,
        buffer: usize,
        deadline: Option<Deadline>,
        over: &impl Fn() -> bool,
    ) -> Result<(), ChannelError>;

    /// Receives the next message. Never blocks.
    ///
    /// # Errors
    /// `WouldBlock`, `Corrupt`.
    fn try_receive(&self, slot: ThreadSlot) -> Result<Taken, ChannelError>;

    /// Receives the next message, waiting until `deadline`, and as long as those who send are not `gone`.
    ///
    /// # Errors
    /// `TimedOut`, `Disconnected` if they are, `Corrupt`.
    fn receive(
        &self,
        caller: &Caller<'_>,
        object: ObjectId,
        deadline: Option<Deadline>,
        gone: &impl Fn() -> Option<Gone>,
    ) -> Result<Taken, ChannelError>;

    /// Gives a buffer back whose message was received.
    fn give_back(&self, buffer: usize);

    /// How many messages are waiting, as of a moment ago.
    fn depth(&self) -> usize;

    /// How many messages it holds at most; nothing: as many as there is memory for.
    fn capacity(&self) -> Option<usize>;

    /// Wakes all who wait to send.
    fn tell_senders(&self);

    /// Wakes all who wait to receive.
    fn tell_receivers(&self);

    /// Changes all gates, as an undertaker does before it wakes all.
    fn change_gates(&self);
}

impl From<QueueError> for ChannelError {
    fn from(error: QueueError) -> Self {
        match error {
            QueueError::WouldBlock => Self::WouldBlock,
            QueueError::TimedOut => Self::TimedOut,
            QueueError::Corrupt => Self::Corrupt,
        }
    }
}

impl From<TakeError> for ChannelError {
    fn from(error: TakeError) -> Self {
        match error {
            TakeError::WouldBlock => Self::WouldBlock,
            TakeError::TimedOut => Self::TimedOut,
            TakeError::Corrupt => Self::Corrupt,
        }
    }
}

impl From<Corrupt> for ChannelError {
    fn from(_: Corrupt) -> Self {
        Self::Corrupt
    }
}

impl From<RendezvousError> for ChannelError {
    fn from(error: RendezvousError) -> Self {
        match error {
            RendezvousError::WouldBlock => Self::WouldBlock,
            RendezvousError::TimedOut => Self::TimedOut,
            RendezvousError::Over => Self::Disconnected,
        }
    }
}

/// `attempt`, unless it would block and it is over.
fn unless<R>(
    attempt: impl Fn() -> Result<R, ChannelError>,
    over: &impl Fn() -> bool,
) -> impl Fn() -> Result<R, ChannelError> {
    move || match attempt() {
        Err(ChannelError::WouldBlock) if over() => Err(ChannelError::Disconnected),
        answer => answer,
    }
}

impl<'a> Line<'a> for Queue<'a> {
    fn pool(&self) -> Pool<'a> {
        Queue::pool(self)
    }

    #[inline]
    fn try_send(&self, _table: Participants<'_>, buffer: usize) -> Result<(), ChannelError> {
        Ok(self.try_publish(buffer)?)
    }

    fn send(
        &self,
        caller: &Caller<'_>,
        object: ObjectId,
        buffer: usize,
        deadline: Option<Deadline>,
        over: &impl Fn() -> bool,
    ) -> Result<(), ChannelError> {
        let publish = unless(|| Ok(self.try_publish(buffer)?), over);
        attempted(publish, |attempt| self.wait_for_space(caller, object, deadline, attempt))
    }

    #[inline]
    fn try_receive(&self, slot: ThreadSlot) -> Result<Taken, ChannelError> {
        Ok(self.try_take(slot)?)
    }

    fn receive(
        &self,
        caller: &Caller<'_>,
        object: ObjectId,
        deadline: Option<Deadline>,
        gone: &impl Fn() -> Option<Gone>,
    ) -> Result<Taken, ChannelError> {
        let take = || drained(|| self.try_receive(caller.slot), gone);
        attempted(take, |attempt| self.wait_for_message(caller, object, deadline, attempt))
    }

    fn give_back(&self, buffer: usize) {
        Queue::pool(self).give_back(buffer);
    }

    fn depth(&self) -> usize {
        Queue::len(self)
    }

    fn capacity(&self) -> Option<usize> {
        Some(Queue::capacity(self))
    }

    fn tell_senders(&self) {
        self.gates().0.signal_all();
    }

    fn tell_receivers(&self) {
        self.gates().1.signal_all();
    }

    fn change_gates(&self) {
        let (space, messages) = self.gates();
        space.change();
        messages.change();
    }
}

impl<'a> Line<'a> for Unbounded<'a> {
    fn pool(&self) -> Pool<'a> {
        Unbounded::pool(self)
    }

    #[inline]
    fn try_send(&self, _table: Participants<'_>, buffer: usize) -> Result<(), ChannelError> {
        Ok(self.publish(buffer)?)
    }

    fn send(
        &self,
        caller: &Caller<'_>,
        _object: ObjectId,
        buffer: usize,
        _deadline: Option<Deadline>,
        _over: &impl Fn() -> bool,
    ) -> Result<(), ChannelError> {
        self.try_send(caller.table, buffer)
    }

    #[inline]
    fn try_receive(&self, slot: ThreadSlot) -> Result<Taken, ChannelError> {
        Ok(Taken { buffer: self.try_take(slot)?, redelivered: false })
    }

    fn receive(
        &self,
        caller: &Caller<'_>,
        object: ObjectId,
        deadline: Option<Deadline>,
        gone: &impl Fn() -> Option<Gone>,
    ) -> Result<Taken, ChannelError> {
        let take = || drained(|| self.try_receive(caller.slot), gone);
        attempted(take, |attempt| self.wait_for_message(caller, object, deadline, attempt))
    }

    fn give_back(&self, buffer: usize) {
        Unbounded::give_back(self, buffer);
    }

    fn depth(&self) -> usize {
        Unbounded::len(self)
    }

    fn capacity(&self) -> Option<usize> {
        None
    }

    /// They do not wait, but for memory.
    fn tell_senders(&self) {}

    fn tell_receivers(&self) {
        self.gate().signal_all();
    }

    fn change_gates(&self) {
        self.gate().change();
    }
}

impl<'a> Line<'a> for Rendezvous<'a> {
    fn pool(&self) -> Pool<'a> {
        Rendezvous::pool(self)
    }

    #[inline]
    fn try_send(&self, table: Participants<'_>, buffer: usize) -> Result<(), ChannelError> {
        Ok(Rendezvous::try_send(self, table, buffer)?)
    }

    fn send(
        &self,
        caller: &Caller<'_>,
        object: ObjectId,
        buffer: usize,
        deadline: Option<Deadline>,
        over: &impl Fn() -> bool,
    ) -> Result<(), ChannelError> {
        Ok(self.send_unless(caller, object, buffer, deadline, over)?)
    }

    #[inline]
    fn try_receive(&self, slot: ThreadSlot) -> Result<Taken, ChannelError> {
        Ok(Taken { buffer: Rendezvous::try_receive(self, slot)?, redelivered: false })
    }

    fn receive(
        &self,
        caller: &Caller<'_>,
        object: ObjectId,
        deadline: Option<Deadline>,
        gone: &impl Fn() -> Option<Gone>,
    ) -> Result<Taken, ChannelError> {
        // Whoever is gone offers nothing any more: there is nothing to look for again.
        let buffer = self.receive_unless(caller, object, deadline, || gone().is_some())?;
        Ok(Taken { buffer, redelivered: false })
    }

    fn give_back(&self, buffer: usize) {
        Rendezvous::pool(self).give_back(buffer);
    }

    /// None: messages do not lie anywhere.
    fn depth(&self) -> usize {
        0
    }

    fn capacity(&self) -> Option<usize> {
        Some(0)
    }

    fn tell_senders(&self) {
        let [senders, offer, ..] = self.gates();
        senders.signal_all();
        offer.signal_all();
    }

    fn tell_receivers(&self) {
        let [.., receivers, request] = self.gates();
        receivers.signal_all();
        request.signal_all();
    }

    fn change_gates(&self) {
        self.gates().into_iter().for_each(RawGate::change);
    }
}

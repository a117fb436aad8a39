//! What a channel needs of its line, whichever of the three it is.

use super::ChannelError;
use crate::primitives::ends::Gone;
use crate::primitives::gate::{RawGate, Waits};
use crate::primitives::participants::{Participants, ThreadSlot};
use crate::primitives::pool::{Pool, Returned};
use crate::primitives::queue::{Queue, QueueError, Taken};
use crate::primitives::rendezvous::{Post, Posting, Rendezvous, RendezvousError, Side};
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

    /// How many of so many words are the line's, where each of its buffers has one more.
    fn own(&self, words: usize) -> usize;
}

macro_rules! raw_lines {
    ($($raw:ty => $line:ident, $own:expr;)+) => {
        $(impl RawLine for $raw {
            type Line<'a> = $line<'a>;

            #[inline]
            fn own(&self, words: usize) -> usize {
                let own: fn(&$raw, usize) -> usize = $own;
                own(self, words)
            }

            #[inline]
            fn with<'a>(&'a self, words: &'a [AtomicU64]) -> $line<'a> {
                self.with(words)
            }
        })+
    };
}

raw_lines! {
    RawQueue => Queue, |queue, words| words - words.saturating_sub(queue.capacity()) / 2;
    RawUnbounded => Unbounded, |_, words| words / (RawUnbounded::WORDS + 1) * RawUnbounded::WORDS;
    RawRendezvous => Rendezvous, |_, words| words / 2;
}

/// A line of messages in buffers.
pub trait Line<'a>: Repair + Copy {
    /// The pool of its buffers.
    fn pool(&self) -> Pool<'a>;

    /// Sends the message in a buffer of the caller's. Never blocks. Of receivers that have posted requests elsewhere, too, only
    /// those in slots above this one count.
    ///
    /// # Errors
    /// `WouldBlock`, `Corrupt`: the caller has the buffer still.
    fn try_send_above(
        &self,
        table: Participants<'_>,
        buffer: usize,
        above: Option<ThreadSlot>,
    ) -> Result<(), ChannelError>;

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
    ) -> Result<(), ChannelError> {
        let (side, me) = (Side::Send(buffer), caller.slot);
        let attempt = || match self.try_send_above(caller.table, buffer, None) {
            Err(ChannelError::WouldBlock) if over() => Err(ChannelError::Disconnected),
            answer => answer,
        };
        // That it is over may have been told while the flag was cleared for us: then others do not know.
        let more = || over() || self.is_worth_a_look(&caller.table, me, side, Posting::May);
        self.gate(side, Posting::May).until(caller, object, deadline, attempt, more)
    }

    /// Those of its messages that were put back; nothing, if none can be.
    fn returned(&self) -> Option<Returned<'a>>;

    /// Receives the next message that was not put back. Never blocks. Of senders that have posted offers elsewhere, too, only those
    /// in slots above this one count.
    ///
    /// # Errors
    /// `WouldBlock`, `Corrupt`.
    fn try_receive_above(
        &self,
        table: Participants<'_>,
        slot: ThreadSlot,
        above: Option<ThreadSlot>,
    ) -> Result<Taken, ChannelError>;

    /// Receives a message by such attempts, which are for what others here wait for or not, waiting until `deadline`, and as long as those who send are not `gone`.
    ///
    /// # Errors
    /// `TimedOut`, `Disconnected` if they are, `Corrupt`.
    fn receive(
        &self,
        waits: Waits,
        caller: &Caller<'_>,
        object: ObjectId,
        deadline: Option<Deadline>,
        attempt: &impl Fn() -> Result<Taken, ChannelError>,
        gone: &impl Fn() -> Option<Gone>,
    ) -> Result<Taken, ChannelError> {
        let (side, me) = (Side::Receive, caller.slot);
        // As in send.
        let more = || gone().is_some() || self.is_worth_a_look(&caller.table, me, side, Posting::May);
        self.gate(side, Posting::May).until_as(waits, caller, object, deadline, attempt, more)
    }

    /// Gives a buffer back whose message was received.
    fn give_back(&self, buffer: usize);

    /// How many messages are waiting, as of a moment ago.
    fn depth(&self) -> usize;

    /// How many messages it holds at most; nothing: as many as there is memory for.
    fn capacity(&self) -> Option<usize>;

    /// Where a thread waits on this side.
    fn gate(&self, side: Side, posting: Posting) -> &'a RawGate;

    /// Whether it is worth another attempt on this side, or to post something. Never blocks.
    fn is_worth_a_look(&self, table: &Participants<'_>, me: ThreadSlot, side: Side, posting: Posting) -> bool;

    /// Posts an offer or a request, where that is how messages pass. Never blocks.
    fn post(&self, _table: &Participants<'_>, _me: ThreadSlot, _index: u16, _side: Side) -> Option<Post> {
        None
    }

    /// Takes a post away, or ends it, if it was chosen. Never blocks.
    fn unpost(&self, _table: &Participants<'_>, _post: Post) {}

    /// Does the rest after a post was chosen. Never blocks.
    fn settle(&self, _post: Post, _with: u16) {}

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

impl<'a> Line<'a> for Queue<'a> {
    fn pool(&self) -> Pool<'a> {
        Queue::pool(self)
    }

    #[inline]
    fn try_send_above(
        &self,
        _table: Participants<'_>,
        buffer: usize,
        _above: Option<ThreadSlot>,
    ) -> Result<(), ChannelError> {
        Ok(self.try_publish(buffer)?)
    }

    fn returned(&self) -> Option<Returned<'a>> {
        Some(Queue::returned(self))
    }

    #[inline]
    fn try_receive_above(
        &self,
        _table: Participants<'_>,
        slot: ThreadSlot,
        _above: Option<ThreadSlot>,
    ) -> Result<Taken, ChannelError> {
        Ok(self.take_new(slot)?)
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

    fn gate(&self, side: Side, _posting: Posting) -> &'a RawGate {
        let (space, messages) = self.gates();
        if side == Side::Receive { messages } else { space }
    }

    fn is_worth_a_look(&self, _table: &Participants<'_>, _me: ThreadSlot, side: Side, _posting: Posting) -> bool {
        if side == Side::Receive { self.has_message() } else { self.has_space() }
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
    fn try_send_above(
        &self,
        _table: Participants<'_>,
        buffer: usize,
        _above: Option<ThreadSlot>,
    ) -> Result<(), ChannelError> {
        Ok(self.publish(buffer)?)
    }

    fn returned(&self) -> Option<Returned<'a>> {
        Some(Unbounded::returned(self))
    }

    #[inline]
    fn try_receive_above(
        &self,
        _table: Participants<'_>,
        slot: ThreadSlot,
        _above: Option<ThreadSlot>,
    ) -> Result<Taken, ChannelError> {
        Ok(Taken { buffer: self.try_take(slot)?, redelivered: false })
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

    /// Who sends waits for memory only.
    fn gate(&self, side: Side, _posting: Posting) -> &'a RawGate {
        if side == Side::Receive { self.messages() } else { Unbounded::pool(self).gate() }
    }

    fn is_worth_a_look(&self, _table: &Participants<'_>, _me: ThreadSlot, side: Side, _posting: Posting) -> bool {
        side != Side::Receive || Unbounded::returned(self).may_be() || self.has_message()
    }

    /// They do not wait, but for memory.
    fn tell_senders(&self) {}

    fn tell_receivers(&self) {
        self.messages().signal_all();
    }

    fn change_gates(&self) {
        self.messages().change();
    }
}

impl<'a> Line<'a> for Rendezvous<'a> {
    fn pool(&self) -> Pool<'a> {
        Rendezvous::pool(self)
    }

    #[inline]
    fn try_send_above(
        &self,
        table: Participants<'_>,
        buffer: usize,
        above: Option<ThreadSlot>,
    ) -> Result<(), ChannelError> {
        Ok(Rendezvous::try_send_above(self, table, buffer, above)?)
    }

    /// Nothing lies anywhere.
    fn returned(&self) -> Option<Returned<'a>> {
        None
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
    fn try_receive_above(
        &self,
        table: Participants<'_>,
        slot: ThreadSlot,
        above: Option<ThreadSlot>,
    ) -> Result<Taken, ChannelError> {
        Ok(Taken { buffer: Rendezvous::try_receive_above(self, table, slot, above)?, redelivered: false })
    }

    fn receive(
        &self,
        _waits: Waits,
        caller: &Caller<'_>,
        object: ObjectId,
        deadline: Option<Deadline>,
        _attempt: &impl Fn() -> Result<Taken, ChannelError>,
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

    fn gate(&self, side: Side, posting: Posting) -> &'a RawGate {
        if posting == Posting::May { self.turn_gate(side) } else { self.post_gate(side) }
    }

    fn is_worth_a_look(&self, table: &Participants<'_>, me: ThreadSlot, side: Side, posting: Posting) -> bool {
        Rendezvous::is_worth_a_look(self, table, me, side, posting)
    }

    fn post(&self, table: &Participants<'_>, me: ThreadSlot, index: u16, side: Side) -> Option<Post> {
        Rendezvous::post(self, table, me, index, side)
    }

    fn unpost(&self, table: &Participants<'_>, post: Post) {
        Rendezvous::unpost(self, table, post);
    }

    fn settle(&self, post: Post, with: u16) {
        Rendezvous::settle(self, post, with);
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

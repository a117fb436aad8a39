//! Channel: a line of messages that ends when nobody is left at its other end.
//!
//! **Purpose.** What all three capacities have in common for those who use them: a message is sent and received,
//! waiting or not; and whoever would wait for somebody who is [gone](super::ends) is told so instead. What was sent
//! before is received first.
//!
//! **Layout.** The [ends](super::ends), and the line: a [bounded](super::queue) or [unbounded](super::unbounded) queue,
//! or a [rendezvous](super::rendezvous). Behind the words of the line those of [annexes](super::pool::Annexes), if there
//! are any.
//!
//! **Protocol.**
//! 1. *send*: receivers gone: disconnected. Else as the line does it; and while it waits, also for a buffer, it looks
//!    again whenever it is told.
//! 2. *receive*: as the line does it. Nothing there: if the senders are gone, look once more; nothing there still, and
//!    the senders gone since the same time: disconnected.
//! 3. *leave*: out of the ends; then signal all gates of the other side.
//! 4. *expect p*, who is to come: if nobody has come, set its bit and count it, as if it had. Then look whether it is
//!    attached still; if not, it leaves.
//! 5. *watch for space*, as one operation of a select: where a buffer is wanting wait at the pool, else at the line, apart from those
//!    who send; there is space if both have it.
//! 6. *undertaker*: repair the line, then the ends; change all gates.
//!
//! **Invariants.**
//! - I1: what a process has sent was sent before it left; so whoever sees it gone, and looks after that, sees all of it.
//! - I2: whoever waits looks for its counterpart after it has set the gate's `SLEEPERS`, and whoever leaves signals
//!   after that: one of the two sees the other (gate, I1). To be gone is worth a wake given on: the signal to all may
//!   have found the flag cleared, for a wake that one of them has had.
//! - I3: a process that is expected has an undertaker still to come to this channel, which clears its bit, or whoever
//!   expects it finds that out: of the fence before the undertaker goes through the objects and the one after the bit
//!   is set, one comes first. At an end at which somebody is expected no later process in its place ever is.
//! - I4: who watches for space is told when that comes for which it was armed, and looks for both then: if the other has gone
//!   meanwhile, it waits for that.
//!
//! A message that is sent while the last receiver leaves may stay in a queue, for whoever comes next.
//!
//! A channel that is a [mailbox](super::mailbox)'s is over when the mailbox's right is closed, for both sides, whoever
//! is at its ends.
//!
//! **Orderings.** Those of the ends, of the gates and of the line. A SeqCst fence after the bit of an expected process
//! is set pairs with the undertaker's before it goes through the objects.
//!
//! **Death.** As of the line. A process that died is gone when its undertaker has come so far, which then wakes all
//! whom a slot names. An offer of the dead is withdrawn before they are gone.
//!
//! Who dies while it expects another, before it looks, may leave that one's bit set for good: nobody else waits for it
//! there.
//!
//! **Models.** `channel/*`.

use super::ends::{End, Gone, RawEnds};
use super::gate::{Refusal, Waits};
use super::mailbox::{Desk, Wanted};
use super::participants::{Participants, ProcessClaim, ThreadSlot};
use super::pool::{Annexes, Pool};
use super::queue::{Delivery, Taken};
use super::right::Succession;
use super::undertaker::{Dead, Repair};
use super::waiting::{Caller, ObjectId};
use crate::sync::{AtomicU64, Deadline, Ordering, fence};

mod line;
mod operation;
mod space;

pub use line::{Line, RawLine};
pub use operation::{Needs, Receiving, Sending};
pub use space::Space;

/// The control block of a channel.
#[derive(Debug, Default)]
#[repr(C)]
pub struct RawChannel<L> {
    ends: RawEnds,
    line: L,
}

/// A channel with its line.
#[derive(Clone, Copy, Debug)]
pub struct Channel<'a, L> {
    ends: &'a RawEnds,
    /// Of a mailbox.
    desk: Option<Desk<'a>>,
    line: L,
    /// Room for messages that are too long for their buffers.
    annexes: &'a [AtomicU64],
}

/// Why a message was not sent, or none was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChannelError {
    /// There is no space, or nothing there (non-blocking calls only).
    WouldBlock,
    /// The deadline passed (timed calls only).
    TimedOut,
    /// All who were on the other side have left or died.
    Disconnected,
    /// Where nothing lies none can be put aside for others.
    HoldsNothing,
    /// The words contradict each other: somebody has written there who should not.
    Corrupt,
}

impl Refusal for ChannelError {
    const WOULD_BLOCK: Self = Self::WouldBlock;
    const TIMED_OUT: Self = Self::TimedOut;
}

impl<L> RawChannel<L> {
    /// A channel over this line, at whose ends nobody has been.
    #[must_use]
    #[track_caller]
    pub fn new(line: L) -> Self {
        Self { ends: RawEnds::new(), line }
    }

    /// The ends.
    #[must_use]
    pub fn ends(&self) -> &RawEnds {
        &self.ends
    }

    pub(super) fn line(&self) -> &L {
        &self.line
    }
}

impl<L: RawLine> RawChannel<L> {
    /// The channel with the words of its line, but for those of annexes: for who need not know of them, undertakers among others.
    #[inline]
    #[must_use]
    pub fn with<'a>(&'a self, words: &'a [AtomicU64]) -> Channel<'a, L::Line<'a>> {
        self.with_annexes(words, &[])
    }

    /// The channel with the words of its line, and those of its annexes.
    #[inline]
    #[must_use]
    pub fn with_annexes<'a>(&'a self, words: &'a [AtomicU64], annexes: &'a [AtomicU64]) -> Channel<'a, L::Line<'a>> {
        Channel { ends: &self.ends, desk: None, line: self.line.with(words), annexes }
    }
}

impl<'a, L: Line<'a>> Channel<'a, L> {
    /// Its line.
    #[must_use]
    pub fn line(&self) -> L {
        self.line
    }

    /// The ends.
    #[must_use]
    pub fn ends(&self) -> &'a RawEnds {
        self.ends
    }

    /// The pool of its buffers. A sender takes one, fills it, and sends it or gives it back.
    #[must_use]
    pub fn pool(&self) -> Pool<'a> {
        self.line.pool()
    }

    #[inline]
    fn annexes(&self) -> Annexes<'a> {
        Annexes::new(self.annexes, self.pool())
    }

    /// The same, of a mailbox.
    #[inline]
    #[must_use]
    pub(super) fn at(self, desk: Desk<'a>) -> Self {
        Self { desk: Some(desk), ..self }
    }

    /// Whether nobody at that end matters to the other any more, and since when.
    #[inline]
    fn gone(&self, end: End) -> Option<Gone> {
        let Some(Desk { right, .. }) = self.desk else { return self.ends.gone(end) };
        if right.is_closed() {
            return Some(Gone::FOR_GOOD);
        }
        // Who has the right does not stand at the end: it is told by the right.
        let ends_with_them = end == End::Receivers && right.succession() == Succession::Close;
        if ends_with_them { self.ends.gone(end) } else { None }
    }

    #[inline]
    fn is_gone(&self, end: End) -> bool {
        self.gone(end).is_some()
    }

    /// Takes a buffer, by index, unless the receivers are gone. Never blocks.
    ///
    /// # Errors
    /// `WouldBlock`: all are taken. `Disconnected`.
    #[inline]
    pub fn try_buffer(&self, slot: ThreadSlot) -> Result<usize, ChannelError> {
        if self.is_gone(End::Receivers) {
            return Err(ChannelError::Disconnected);
        }
        let buffer = self.pool().try_take(slot).ok_or(ChannelError::WouldBlock)?;
        // dead here: what an earlier message had beside the buffer is free with it.
        self.annexes().shed(buffer);
        Ok(buffer)
    }

    /// Claims an annex, by index, for a message that is too long for its buffer, which the calling thread has taken, unless the
    /// receivers are gone. Never blocks.
    ///
    /// # Errors
    /// `WouldBlock`: all are in use, or there are none. `Disconnected`.
    pub fn try_annex(&self, buffer: usize) -> Result<usize, ChannelError> {
        if self.is_gone(End::Receivers) {
            return Err(ChannelError::Disconnected);
        }
        self.annexes().try_claim(buffer).ok_or(ChannelError::WouldBlock)
    }

    /// The same, waiting as long as it takes or until `deadline`, and as long as there are receivers.
    ///
    /// # Errors
    /// `TimedOut`, `Disconnected`.
    pub fn annex(
        &self,
        caller: &Caller<'_>,
        object: ObjectId,
        buffer: usize,
        deadline: Option<Deadline>,
    ) -> Result<usize, ChannelError> {
        self.annexes().until(caller, object, deadline, || self.try_annex(buffer))
    }

    /// Whether an annex looks free. Never blocks.
    pub(super) fn may_have_annex(&self) -> bool {
        self.annexes().may_have_one()
    }

    /// Whether that annex belongs to the message in that buffer, which the calling thread has.
    #[must_use]
    pub fn has_annex(&self, buffer: usize, annex: usize) -> bool {
        self.annexes().belongs(annex, buffer)
    }

    /// Takes a buffer, by index, waiting as long as it takes or until `deadline`, and as long as there are receivers.
    ///
    /// # Errors
    /// `TimedOut`, `Disconnected`.
    pub fn buffer(
        &self,
        caller: &Caller<'_>,
        object: ObjectId,
        deadline: Option<Deadline>,
    ) -> Result<usize, ChannelError> {
        // As in the pool itself.
        self.pool().gate().until(caller, object, deadline, || self.try_buffer(caller.slot), || true)
    }

    /// Sends the message in a buffer that the caller has filled, if it can be sent now. Never blocks.
    ///
    /// # Errors
    /// `WouldBlock`, `Disconnected`, `Corrupt`: the caller has the buffer still.
    #[inline]
    pub fn try_send(&self, table: Participants<'_>, buffer: usize) -> Result<(), ChannelError> {
        if self.is_gone(End::Receivers) {
            return Err(ChannelError::Disconnected);
        }
        self.line.try_send_above(table, buffer, None)
    }

    /// Sends the message in a buffer that the caller has filled, waiting as long as it takes or until `deadline`, and as
    /// long as there are receivers.
    ///
    /// # Errors
    /// `TimedOut`, `Disconnected`, `Corrupt`: the caller has the buffer still.
    pub fn send(
        &self,
        caller: &Caller<'_>,
        object: ObjectId,
        buffer: usize,
        deadline: Option<Deadline>,
    ) -> Result<(), ChannelError> {
        if self.is_gone(End::Receivers) {
            return Err(ChannelError::Disconnected);
        }
        self.line.send(caller, object, buffer, deadline, &|| self.is_gone(End::Receivers))
    }

    /// Receives a message, in its buffer, if there is one. Never blocks.
    ///
    /// # Errors
    /// `WouldBlock`, `Disconnected`, `Corrupt`.
    #[inline]
    pub fn try_receive(&self, table: Participants<'_>, slot: ThreadSlot) -> Result<Taken, ChannelError> {
        self.try_receive_above(table, slot, None)
    }

    fn try_receive_above(
        &self,
        table: Participants<'_>,
        slot: ThreadSlot,
        above: Option<ThreadSlot>,
    ) -> Result<Taken, ChannelError> {
        drained(|| self.attempt(table, slot, above, Wanted::Any), &|| self.gone(End::Senders))
    }

    /// Receives a message that is wanted, if there is one; puts aside others that nobody has seen yet.
    fn attempt(
        &self,
        table: Participants<'_>,
        slot: ThreadSlot,
        above: Option<ThreadSlot>,
        wanted: Wanted,
    ) -> Result<Taken, ChannelError> {
        let rank = |buffer| self.desk.map_or(Some(0), |desk| desk.labels.rank(buffer, wanted));
        let again = self.line.returned().and_then(|returned| returned.take(slot, &rank));
        let taken = match again {
            Some(taken) => taken,
            None => loop {
                let taken = self.line.try_receive_above(table, slot, above)?;
                if let Some(desk) = self.desk {
                    desk.labels.stamp(taken.buffer);
                }
                // dead here: it is there again, if the line returns what the dead had.
                if self.desk.is_none_or(|desk| desk.labels.is(taken.buffer, wanted)) {
                    break taken;
                }
                self.put_back(taken.buffer);
            },
        };
        if let (Some(Desk { delivery: Delivery::AtMostOnce, .. }), Some(returned)) = (self.desk, self.line.returned()) {
            returned.keep(taken.buffer);
        }
        Ok(taken)
    }

    /// Puts a message back that the calling thread has received, for whoever wants it, in the order in which they were received first;
    /// before those that are new. Never blocks.
    ///
    /// Where nothing lies it is gone.
    pub fn put_back(&self, buffer: usize) {
        let Some(returned) = self.line.returned() else { return self.give_back(buffer) };
        returned.put_back(buffer);
        // dead here: nobody is told; the undertaker wakes all whom a slot names.
        // All: they may wait for different ones.
        self.line.tell_receivers();
    }

    /// What becomes of a message whose receiver dies before it has finished.
    #[must_use]
    pub fn delivery(&self) -> Delivery {
        self.desk.map_or(Delivery::AtMostOnce, |desk| desk.delivery)
    }

    /// Names the type of the message in a buffer that the caller has filled, where there are types. Never blocks.
    pub fn label(&self, buffer: usize, kind: u32) {
        if let Some(desk) = self.desk {
            desk.labels.write(buffer, kind);
        }
    }

    /// Receives a message, in its buffer, waiting as long as it takes or until `deadline`, and as long as there are senders.
    ///
    /// # Errors
    /// `TimedOut`, `Disconnected`, `Corrupt`.
    pub fn receive(
        &self,
        caller: &Caller<'_>,
        object: ObjectId,
        deadline: Option<Deadline>,
    ) -> Result<Taken, ChannelError> {
        let attempt = || self.try_receive_above(caller.table, caller.slot, None);
        self.line.receive(Waits::Alike, caller, object, deadline, &attempt, &|| self.gone(End::Senders))
    }

    /// Receives a message of this type, if there is one: of those that are there the first. Never blocks.
    ///
    /// A message that another thread looks at, which wants one of another type, is not there for a moment.
    ///
    /// # Errors
    /// `WouldBlock`, `Disconnected`, `HoldsNothing`, `Corrupt`.
    pub fn try_receive_kind(
        &self,
        table: Participants<'_>,
        slot: ThreadSlot,
        kind: u32,
    ) -> Result<Taken, ChannelError> {
        if self.line.returned().is_none() {
            return Err(ChannelError::HoldsNothing);
        }
        drained(|| self.attempt(table, slot, None, Wanted::Kind(kind)), &|| self.gone(End::Senders))
    }

    /// Receives a message of this type, waiting as long as it takes or until `deadline`, and as long as there are senders.
    ///
    /// # Errors
    /// `TimedOut`, `Disconnected`, `HoldsNothing`, `Corrupt`.
    pub fn receive_kind(
        &self,
        caller: &Caller<'_>,
        object: ObjectId,
        deadline: Option<Deadline>,
        kind: u32,
    ) -> Result<Taken, ChannelError> {
        let attempt = || self.try_receive_kind(caller.table, caller.slot, kind);
        self.line.receive(Waits::Apart, caller, object, deadline, &attempt, &|| self.gone(End::Senders))
    }

    /// How many messages are waiting, put back or not, as of a moment ago.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.line.depth() + self.line.returned().map_or(0, |returned| returned.count())
    }

    /// Gives a buffer back whose message the calling thread has received. Never blocks.
    #[inline]
    pub fn give_back(&self, buffer: usize) {
        self.line.give_back(buffer);
    }

    /// A process, by index, has its first handle of that end. Never blocks.
    pub fn join(&self, end: End, process: usize) {
        self.ends.join(end, process);
    }

    /// Counts a process that is to come to that end as if it had, unless it has come, so that others are told when it dies. Never
    /// blocks. Whether it is attached still; if not, others are told now.
    ///
    /// Nobody but that process ever is at that end.
    pub fn expect(&self, table: &Participants<'_>, end: End, process: ProcessClaim) -> bool {
        self.ends.expect(end, process.index);
        // dead here: see there.
        // SeqCst: pairs with the undertaker's, before it goes through the objects (I3).
        fence(Ordering::SeqCst);
        let is_attached = table.is_attached(process);
        if !is_attached {
            self.leave(end, process.index);
        }
        is_attached
    }

    /// A process has given up its last handle of that end. Never blocks.
    pub fn leave(&self, end: End, process: usize) {
        self.ends.leave(end, process);
        // dead here: nobody on the other side is told; the undertaker wakes all whom a slot names.
        match end {
            End::Senders => self.line.tell_receivers(),
            End::Receivers => self.tell_senders(),
        }
    }

    /// Wakes all who wait, to send, for a buffer or to receive, when it is over for both sides. Never blocks.
    pub(super) fn tell_all(&self) {
        self.line.tell_receivers();
        self.tell_senders();
    }

    fn tell_senders(&self) {
        self.line.tell_senders();
        self.pool().gate().signal_all();
    }
}

impl<'a, L: Line<'a>> Repair for Channel<'a, L> {
    fn bury(&self, dead: &Dead<'_>) {
        // First: an offer that nobody stands behind any more is withdrawn before its sender is gone.
        self.line.bury(dead);
        self.bury_ends(dead);
    }

    fn wake_all(&self) {
        self.line.wake_all();
    }
}

impl<'a, L: Line<'a>> Channel<'a, L> {
    /// What an undertaker does after it has repaired the line.
    pub(super) fn bury_ends(&self, dead: &Dead<'_>) {
        self.ends.bury(dead);
        // dead here: the next walker changes them.
        self.line.change_gates();
        self.pool().gate().change();
    }
}

/// An attempt; and if there was nothing and those who could have sent are gone, one more, to which they have added all.
#[inline]
fn drained<R>(
    attempt: impl Fn() -> Result<R, ChannelError>,
    gone: &impl Fn() -> Option<Gone>,
) -> Result<R, ChannelError> {
    loop {
        match attempt() {
            Err(ChannelError::WouldBlock) => {}
            answer => return answer,
        }
        let since = gone();
        if since.is_none() {
            return Err(ChannelError::WouldBlock);
        }
        match attempt() {
            Err(ChannelError::WouldBlock) => {}
            answer => return answer,
        }
        // If somebody has come and gone in between, what that one sent may have come too late for us.
        if gone() == since {
            return Err(ChannelError::Disconnected);
        }
    }
}

//! To send, or to receive, as one of several operations.

use super::{Channel, ChannelError, Line};
use crate::primitives::ends::End;
use crate::primitives::gate::Waits;
use crate::primitives::participants::{Participants, ThreadSlot};
use crate::primitives::queue::Taken;
use crate::primitives::rendezvous::{Posting, Side};
use crate::primitives::select::Operation;
use crate::sync::WaitOn;

/// What a message takes to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Needs {
    /// An annex beside its buffer.
    pub annex: bool,
    /// Without one of them there is no memory, for which nobody waits.
    pub is_memory: bool,
}

/// To send a message.
pub struct Sending<'a, L, F> {
    channel: Channel<'a, L>,
    table: Participants<'a>,
    slot: ThreadSlot,
    /// Writes the message into a buffer, and the annex that goes with it.
    fill: F,
    needs: Needs,
    buffer: Option<usize>,
    annex: Option<usize>,
    is_written: bool,
    /// It was armed at the pool, for want of a buffer, or, apart, of an annex.
    at_pool: Option<Waits>,
    posting: Posting,
    answer: Option<Result<(), ChannelError>>,
}

/// To receive a message.
#[derive(Debug)]
pub struct Receiving<'a, L> {
    channel: Channel<'a, L>,
    table: Participants<'a>,
    slot: ThreadSlot,
    posting: Posting,
    answer: Option<Result<Taken, ChannelError>>,
}

impl<L, F> core::fmt::Debug for Sending<'_, L, F> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Sending").field("buffer", &self.buffer).field("answer", &self.answer).finish_non_exhaustive()
    }
}

impl<'a, L: Line<'a>, F: FnMut(usize, Option<usize>)> Sending<'a, L, F> {
    /// To send what `fill` puts into a buffer, and an annex, by the thread in this slot. Without one of them it waits, or fails with
    /// `WouldBlock`.
    pub fn new(channel: Channel<'a, L>, table: Participants<'a>, slot: ThreadSlot, needs: Needs, fill: F) -> Self {
        Self {
            channel,
            table,
            slot,
            fill,
            needs,
            buffer: None,
            annex: None,
            is_written: false,
            at_pool: None,
            posting: Posting::May,
            answer: None,
        }
    }

    /// What came of it, once it is done.
    #[must_use]
    pub fn answer(&self) -> Option<Result<(), ChannelError>> {
        self.answer
    }

    /// Gives back the buffer of a message that was not sent.
    pub fn give_up(&mut self) {
        if let Some(buffer) = self.buffer.take() {
            self.channel.pool().give_back(buffer);
        }
    }

    fn side(&self) -> Side {
        Side::Send(self.buffer.unwrap_or(0))
    }

    /// For want of what the message is not sent; nothing, if the line has no room.
    fn lack(&self) -> Option<Waits> {
        match (self.buffer, self.annex) {
            (None, _) => Some(Waits::Alike),
            (Some(_), None) if self.needs.annex => Some(Waits::Apart),
            _ => None,
        }
    }

    fn begin(&mut self, above: Option<ThreadSlot>) -> Result<(), ChannelError> {
        let buffer = match self.buffer {
            Some(_) if self.channel.is_gone(End::Receivers) => return Err(ChannelError::Disconnected),
            Some(buffer) => buffer,
            None => {
                let buffer = self.channel.try_buffer(self.slot)?;
                if self.at_pool.take().is_some() {
                    // It waits for something else from now on, and may have had a wake for one.
                    self.channel.pool().pass_on();
                }
                *self.buffer.insert(buffer)
            }
        };
        if self.lack().is_some() {
            self.annex = Some(self.channel.try_annex(buffer)?);
            self.at_pool = None;
        }
        if !core::mem::replace(&mut self.is_written, true) {
            (self.fill)(buffer, self.annex);
        }
        self.channel.line.try_send_above(self.table, buffer, above.filter(|_| self.posting != Posting::No))?;
        self.buffer = None;
        Ok(())
    }
}

impl<'a, L: Line<'a>, F: FnMut(usize, Option<usize>)> Operation<'a> for Sending<'a, L, F> {
    fn attempt(&mut self, above: Option<ThreadSlot>) -> bool {
        let answer = self.begin(above);
        let is_out_of_memory = self.needs.is_memory && self.lack().is_some();
        let is_done = answer != Err(ChannelError::WouldBlock) || is_out_of_memory;
        self.answer = is_done.then_some(answer);
        is_done
    }

    fn arm(&mut self, index: Option<u16>) -> WaitOn<'a> {
        self.at_pool = self.lack();
        if let Some(waits) = self.at_pool {
            return self.channel.pool().gate().arm_as(waits);
        }
        let side = self.side();
        self.posting = posted(&self.channel.line, &self.table, self.slot, index, side);
        self.channel.line.gate(side, self.posting).arm()
    }

    fn is_worth_an_attempt(&self) -> bool {
        let line = &self.channel.line;
        self.channel.is_gone(End::Receivers)
            || match self.lack() {
                Some(Waits::Alike) => self.channel.pool().may_have_one(),
                Some(Waits::Apart) => self.channel.may_have_annex(),
                None => line.is_worth_a_look(&self.table, self.slot, self.side(), self.posting),
            }
    }

    fn disarm(&mut self) {
        if let Posting::Posted(post) = self.posting {
            self.channel.line.unpost(&self.table, post);
        }
    }

    fn only_watch(&mut self) {
        self.posting = Posting::No;
    }

    fn settle(&mut self, with: u16) {
        if let Posting::Posted(post) = self.posting {
            self.channel.line.settle(post, with);
        }
        self.buffer = None;
        self.answer = Some(Ok(()));
    }

    fn announce_others(&mut self) {
        // A signal while somebody waits apart is for all.
        if self.at_pool == Some(Waits::Alike) {
            self.channel.pool().gate().announce();
        }
        self.channel.line.gate(self.side(), Posting::May).announce();
    }

    fn pass_on(&mut self) {
        let (line, side, is_over) = (&self.channel.line, self.side(), self.channel.is_gone(End::Receivers));
        if self.at_pool == Some(Waits::Alike) && (is_over || self.channel.pool().may_have_one()) {
            self.channel.pool().gate().signal();
        }
        if is_over || line.is_worth_a_look(&self.table, self.slot, side, Posting::May) {
            line.gate(side, Posting::May).signal();
        }
    }
}

impl<'a, L: Line<'a>> Receiving<'a, L> {
    /// To receive, by the thread in this slot.
    #[must_use]
    pub fn new(channel: Channel<'a, L>, table: Participants<'a>, slot: ThreadSlot) -> Self {
        Self { channel, table, slot, posting: Posting::May, answer: None }
    }

    /// What came of it, once it is done. A message is in a buffer, which is then the calling thread's.
    #[must_use]
    pub fn answer(&self) -> Option<Result<Taken, ChannelError>> {
        self.answer
    }
}

impl<'a, L: Line<'a>> Operation<'a> for Receiving<'a, L> {
    fn attempt(&mut self, above: Option<ThreadSlot>) -> bool {
        let answer =
            self.channel.try_receive_above(self.table, self.slot, above.filter(|_| self.posting != Posting::No));
        let is_done = answer != Err(ChannelError::WouldBlock);
        self.answer = is_done.then_some(answer);
        is_done
    }

    fn arm(&mut self, index: Option<u16>) -> WaitOn<'a> {
        let line = &self.channel.line;
        self.posting = posted(line, &self.table, self.slot, index, Side::Receive);
        line.gate(Side::Receive, self.posting).arm()
    }

    fn is_worth_an_attempt(&self) -> bool {
        self.channel.is_gone(End::Senders)
            || self.channel.line.is_worth_a_look(&self.table, self.slot, Side::Receive, self.posting)
    }

    fn disarm(&mut self) {
        if let Posting::Posted(post) = self.posting {
            self.channel.line.unpost(&self.table, post);
        }
    }

    fn only_watch(&mut self) {
        self.posting = Posting::No;
    }

    fn settle(&mut self, with: u16) {
        if let Posting::Posted(post) = self.posting {
            self.channel.line.settle(post, with);
        }
        self.answer = Some(Ok(Taken { buffer: with.into(), redelivered: false }));
    }

    fn announce_others(&mut self) {
        self.channel.line.gate(Side::Receive, Posting::May).announce();
    }

    fn pass_on(&mut self) {
        // That they are gone, too: see there.
        if self.channel.is_gone(End::Senders)
            || self.channel.line.is_worth_a_look(&self.table, self.slot, Side::Receive, Posting::May)
        {
            self.channel.line.gate(Side::Receive, Posting::May).signal();
        }
    }
}

/// What came of the wish to post something, if it may be, as the post `index`.
fn posted<'a>(
    line: &impl Line<'a>,
    table: &Participants<'_>,
    slot: ThreadSlot,
    index: Option<u16>,
    side: Side,
) -> Posting {
    match index {
        Some(index) => line.post(table, slot, index, side).map_or(Posting::May, Posting::Posted),
        None => Posting::No,
    }
}

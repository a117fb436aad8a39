//! To send, or to receive, as one of several operations.

use super::{Channel, ChannelError, Line};
use crate::primitives::ends::End;
use crate::primitives::participants::{Participants, ThreadSlot};
use crate::primitives::queue::Taken;
use crate::primitives::rendezvous::{Posting, Side};
use crate::primitives::select::Operation;
use crate::sync::WaitOn;

/// To send a message.
pub struct Sending<'a, L, F> {
    channel: Channel<'a, L>,
    table: Participants<'a>,
    slot: ThreadSlot,
    /// Fills a buffer with the message.
    fill: F,
    /// Whether to have no buffer means that there is no memory.
    is_memory: bool,
    buffer: Option<usize>,
    /// It was armed at the pool, for want of a buffer.
    is_at_pool: bool,
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

impl<'a, L: Line<'a>, F: FnMut(usize)> Sending<'a, L, F> {
    /// To send what `fill` puts into a buffer, by the thread in this slot. Where to have no buffer means that there is no memory it
    /// fails then, with `WouldBlock`; else it waits.
    pub fn new(channel: Channel<'a, L>, table: Participants<'a>, slot: ThreadSlot, is_memory: bool, fill: F) -> Self {
        Self {
            channel,
            table,
            slot,
            fill,
            is_memory,
            buffer: None,
            is_at_pool: false,
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

    fn begin(&mut self, above: Option<ThreadSlot>) -> Result<(), ChannelError> {
        let buffer = match self.buffer {
            Some(_) if self.channel.is_gone(End::Receivers) => return Err(ChannelError::Disconnected),
            Some(buffer) => buffer,
            None => {
                let buffer = self.channel.try_buffer(self.slot)?;
                if core::mem::take(&mut self.is_at_pool) {
                    // It waits elsewhere from now on, and may have had a wake for one.
                    self.channel.pool().pass_on();
                }
                (self.fill)(buffer);
                *self.buffer.insert(buffer)
            }
        };
        self.channel.line.try_send_above(self.table, buffer, above.filter(|_| self.posting != Posting::No))?;
        self.buffer = None;
        Ok(())
    }
}

impl<'a, L: Line<'a>, F: FnMut(usize)> Operation<'a> for Sending<'a, L, F> {
    fn attempt(&mut self, above: Option<ThreadSlot>) -> bool {
        let answer = self.begin(above);
        let is_out_of_memory = self.is_memory && self.buffer.is_none();
        let is_done = answer != Err(ChannelError::WouldBlock) || is_out_of_memory;
        self.answer = is_done.then_some(answer);
        is_done
    }

    fn arm(&mut self, index: Option<u16>) -> WaitOn<'a> {
        self.is_at_pool = self.buffer.is_none();
        if self.is_at_pool {
            return self.channel.pool().gate().arm();
        }
        let side = self.side();
        self.posting = posted(&self.channel.line, &self.table, self.slot, index, side);
        self.channel.line.gate(side, self.posting).arm()
    }

    fn is_worth_an_attempt(&self) -> bool {
        let line = &self.channel.line;
        self.channel.is_gone(End::Receivers)
            || match self.buffer {
                None => self.channel.pool().may_have_one(),
                Some(_) => line.is_worth_a_look(&self.table, self.slot, self.side(), self.posting),
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
        if self.is_at_pool {
            self.channel.pool().gate().announce();
        }
        self.channel.line.gate(self.side(), Posting::May).announce();
    }

    fn pass_on(&mut self) {
        let (line, side, is_over) = (&self.channel.line, self.side(), self.channel.is_gone(End::Receivers));
        if self.is_at_pool && (is_over || self.channel.pool().may_have_one()) {
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

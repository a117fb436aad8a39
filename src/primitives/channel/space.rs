//! To wait until a message may be sent, and leave that to whoever wants to know.

use super::{Channel, Line};
use crate::primitives::ends::End;
use crate::primitives::gate::Waits;
use crate::primitives::participants::{Participants, ThreadSlot};
use crate::primitives::rendezvous::{Posting, Side};
use crate::primitives::select::Operation;
use crate::sync::WaitOn;

/// That a buffer is free and the line takes a message, or that nobody is left to receive one. It takes nothing, posts nothing, and
/// does not say what an annex takes. Where nobody waits to send, but for memory, which is told, it is so at once.
///
/// It is for both at once, for which others wait one after the other, and takes neither: so it waits apart from them, and costs
/// nobody a wake.
#[derive(Debug)]
pub struct Space<'a, L> {
    channel: Channel<'a, L>,
    table: Participants<'a>,
    slot: ThreadSlot,
    /// It was armed at the pool, for want of a buffer; else at the line.
    at_pool: bool,
}

impl<'a, L: Line<'a>> Space<'a, L> {
    /// That the thread in this slot may send.
    #[must_use]
    pub fn new(channel: Channel<'a, L>, table: Participants<'a>, slot: ThreadSlot) -> Self {
        Self { channel, table, slot, at_pool: false }
    }

    /// Whatever is free: a send does not wait.
    fn is_over(&self) -> bool {
        self.channel.line.capacity().is_none() || self.channel.is_gone(End::Receivers)
    }

    fn has_buffer(&self) -> bool {
        self.channel.pool().may_have_one()
    }

    fn has_room(&self) -> bool {
        self.channel.line.is_worth_a_look(&self.table, self.slot, SIDE, Posting::No)
    }
}

/// Whatever the buffer.
const SIDE: Side = Side::Send(0);

impl<'a, L: Line<'a>> Operation<'a> for Space<'a, L> {
    fn attempt(&mut self, _above: Option<ThreadSlot>) -> bool {
        self.is_over() || (self.has_buffer() && self.has_room())
    }

    fn arm(&mut self, _index: Option<u16>) -> WaitOn<'a> {
        self.at_pool = !self.has_buffer();
        let gate = if self.at_pool { self.channel.pool().gate() } else { self.channel.line.gate(SIDE, Posting::No) };
        gate.arm_as(Waits::Apart)
    }

    /// Also if that for which it was armed is there, and the other is not any more: then it is armed for that.
    fn is_worth_an_attempt(&self) -> bool {
        self.is_over() || if self.at_pool { self.has_buffer() } else { self.has_room() }
    }

    fn announce_others(&mut self) {}

    fn pass_on(&mut self) {}
}

//! A queue as somebody sees it who only looks: nothing here is a step of the protocol.

use super::slot::What;
use super::{Buffer, Queue, State};
use crate::primitives::participants::ThreadSlot;

/// As what a thread has a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeldAs {
    /// It fills it, or has sent what is in it: it bears the sender's name until the message is taken.
    Sender,
    /// It has received what is in it.
    Receiver,
}

impl Queue<'_> {
    /// Calls `visit` for every buffer that a slot names, and with who has taken the message if it is being taken, as of a
    /// moment ago; for people and tests.
    pub fn for_each_on_its_way(&self, visit: &mut dyn FnMut(usize, Option<ThreadSlot>)) {
        for word in self.slots {
            let slot = self.format.slot(word.peek());
            match slot.what {
                What::Empty => {}
                What::Full => visit(slot.buffer, None),
                What::Taken => visit(slot.buffer, slot.taker),
            }
        }
    }

    /// Calls `visit` for every buffer that bears the name of a thread, as of a moment ago; for people and tests.
    pub fn for_each_holder(&self, visit: &mut dyn FnMut(usize, ThreadSlot, HeldAs)) {
        for (index, word) in self.pool.words().iter().enumerate() {
            let buffer = Buffer::from_bits(word.peek());
            match (buffer.owner, buffer.state) {
                (Some(owner), State::Fill) => visit(index, owner, HeldAs::Sender),
                (Some(owner), State::Held) => visit(index, owner, HeldAs::Receiver),
                _ => {}
            }
        }
    }
}

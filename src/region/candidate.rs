//! What a select can do with an object of a region.

use super::channel::Refusal;
use super::core::Core;
use super::event::Event;
use super::semaphore::Semaphore;
use crate::primitives::ThreadSlot;
#[cfg(not(loom))]
use crate::primitives::channel::Space;
use crate::primitives::channel::{ChannelError, Line, Receiving, Sending};
use crate::primitives::event::Moment;
#[cfg(not(loom))]
use crate::primitives::select::Watching;
use crate::primitives::select::{Happening, Operation, Permits};
use core::borrow::Borrow;
use std::sync::Arc;

/// One of the operations of a select, on an object of a region.
pub(crate) trait Candidate<'a>: Operation<'a> {
    /// What came of it once it was done: the buffer of a message that was received, or nothing but that.
    fn outcome(&self) -> Result<Option<usize>, Refusal> {
        Ok(None)
    }

    /// Gives back what it took and did not need.
    fn give_up(&mut self) {}
}

/// What is wished for of an object of a region.
pub(crate) trait Wish {
    /// The region.
    fn core(&self) -> &Arc<Core>;

    /// Which object of the region it is.
    fn index(&self) -> usize;

    /// Which region, and which object there.
    fn place(&self) -> (*const Core, usize) {
        (Arc::as_ptr(self.core()), self.index())
    }

    /// The operation, for the calling thread, whose slot this is.
    fn candidate(&self, slot: ThreadSlot) -> Result<Box<dyn Candidate<'_> + '_>, Refusal>;

    /// Whether it is done once, and then not wished for any more.
    fn is_once(&self) -> bool {
        false
    }

    /// Undoes what was done and what nobody wants any more, as far as it can be.
    fn undo(&self, _outcome: Result<Option<usize>, Refusal>) {}
}

impl<'a> Candidate<'a> for Happening<'a> {}

impl<'a> Candidate<'a> for Permits<'a> {}

impl<'a, L: Line<'a>> Candidate<'a> for Receiving<'a, L> {
    fn outcome(&self) -> Result<Option<usize>, Refusal> {
        match self.answer() {
            Some(answer) => Ok(answer.map(|taken| Some(taken.buffer))?),
            None => Ok(None),
        }
    }
}

impl<'a, L: Line<'a>, F: FnMut(usize, Option<usize>)> Candidate<'a> for Sending<'a, L, F> {
    fn outcome(&self) -> Result<Option<usize>, Refusal> {
        match self.answer() {
            // It waits for a buffer, unless that is for good.
            Some(Err(ChannelError::WouldBlock)) => Err(Refusal::OutOfMemory),
            Some(answer) => Ok(answer.map(|()| None)?),
            None => Ok(None),
        }
    }

    fn give_up(&mut self) {
        Sending::give_up(self);
    }
}

#[cfg(not(loom))]
impl<'a, O: Operation<'a>> Candidate<'a> for Watching<O> {}

#[cfg(not(loom))]
impl<'a, L: Line<'a>> Candidate<'a> for Space<'a, L> {}

/// That an event happens, or has since that moment; or since the operation was made.
pub(crate) struct HappeningWish<E>(pub(crate) E, pub(crate) Option<Moment>);

impl<E: Borrow<Event>> Wish for HappeningWish<E> {
    fn core(&self) -> &Arc<Core> {
        self.0.borrow().placed().core()
    }

    fn index(&self) -> usize {
        self.0.borrow().placed().index()
    }

    fn candidate(&self, _slot: ThreadSlot) -> Result<Box<dyn Candidate<'_> + '_>, Refusal> {
        let event = self.0.borrow().placed().control();
        Ok(Box::new(Happening::new(event, self.1.unwrap_or_else(|| event.now()))))
    }
}

/// So many permits of a semaphore.
pub(crate) struct PermitsWish<S>(pub(crate) S, pub(crate) u32);

impl<S: Borrow<Semaphore>> Wish for PermitsWish<S> {
    fn core(&self) -> &Arc<Core> {
        self.0.borrow().placed().core()
    }

    fn index(&self) -> usize {
        self.0.borrow().placed().index()
    }

    fn candidate(&self, _slot: ThreadSlot) -> Result<Box<dyn Candidate<'_> + '_>, Refusal> {
        Ok(Box::new(Permits::new(self.0.borrow().placed().control(), self.1)))
    }

    fn undo(&self, outcome: Result<Option<usize>, Refusal>) {
        if outcome.is_ok() {
            // They were there, so there is place for them.
            let _ = self.0.borrow().placed().control().release(self.1);
        }
    }
}

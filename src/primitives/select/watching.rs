//! To wait until an operation is worth an attempt, and leave the attempt to whoever wants to know.

use super::Operation;
use crate::primitives::participants::ThreadSlot;
use crate::sync::WaitOn;

/// That an operation is worth an attempt. It posts nothing: what is posted can be chosen.
#[derive(Debug)]
pub struct Watching<O>(O);

impl<'a, O: Operation<'a>> Watching<O> {
    /// That this one is, which is not to post anything.
    pub fn new(mut operation: O) -> Self {
        operation.only_watch();
        Self(operation)
    }
}

impl<'a, O: Operation<'a>> Operation<'a> for Watching<O> {
    fn attempt(&mut self, _above: Option<ThreadSlot>) -> bool {
        self.0.is_worth_an_attempt()
    }

    fn arm(&mut self, _index: Option<u16>) -> WaitOn<'a> {
        self.0.arm(None)
    }

    fn is_worth_an_attempt(&self) -> bool {
        self.0.is_worth_an_attempt()
    }

    fn announce_others(&mut self) {
        self.0.announce_others();
    }

    fn pass_on(&mut self) {
        self.0.pass_on();
    }
}

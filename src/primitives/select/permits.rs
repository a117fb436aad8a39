//! To acquire permits, as one of several operations.

use super::Operation;
use crate::primitives::participants::ThreadSlot;
use crate::primitives::semaphore::RawSemaphore;
use crate::sync::WaitOn;

/// So many permits of a semaphore, all or none.
#[derive(Debug)]
pub struct Permits<'a> {
    semaphore: &'a RawSemaphore,
    number: u32,
}

impl<'a> Permits<'a> {
    /// So many permits of this semaphore.
    #[must_use]
    pub fn new(semaphore: &'a RawSemaphore, number: u32) -> Self {
        Self { semaphore, number }
    }
}

impl<'a> Operation<'a> for Permits<'a> {
    fn attempt(&mut self, _above: Option<ThreadSlot>) -> bool {
        self.semaphore.try_acquire(self.number).is_ok()
    }

    fn arm(&mut self, _index: Option<u16>) -> WaitOn<'a> {
        self.semaphore.arm(self.number)
    }

    fn is_worth_an_attempt(&self) -> bool {
        self.semaphore.available() >= self.number
    }

    fn announce_others(&mut self) {
        let _ = self.semaphore.arm(self.number);
    }

    fn pass_on(&mut self) {
        self.semaphore.pass_wake_on();
    }
}

//! To wait until something has happened, as one of several operations.

use super::Operation;
use crate::primitives::event::{Moment, RawEvent};
use crate::primitives::participants::ThreadSlot;
use crate::sync::WaitOn;

/// That an event happens, or has since this was made.
#[derive(Debug)]
pub struct Happening<'a> {
    event: &'a RawEvent,
    since: Moment,
}

impl<'a> Happening<'a> {
    /// That this event happens, or has since that moment.
    #[must_use]
    pub fn new(event: &'a RawEvent, since: Moment) -> Self {
        Self { event, since }
    }
}

impl<'a> Operation<'a> for Happening<'a> {
    fn attempt(&mut self, _above: Option<ThreadSlot>) -> bool {
        self.event.has_happened_since(self.since)
    }

    fn arm(&mut self, _index: Option<u16>) -> WaitOn<'a> {
        self.event.arm()
    }

    fn is_worth_an_attempt(&self) -> bool {
        self.event.has_happened_since(self.since)
    }

    /// It wakes all.
    fn announce_others(&mut self) {}

    fn pass_on(&mut self) {}
}

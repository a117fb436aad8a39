//! Vector clocks of all events, in one flat array.
//!
//! A clock has one 16-bit component for each thread: how many of that thread's events it covers. The stride is a
//! multiple of eight, so that joining two clocks is a few vector instructions.

use super::EventId;

/// Which clock of an event is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub(crate) enum Clock {
    /// What happens before the event, itself included.
    Hb = 0,
    /// What is in its causal past, itself included: program order, reads-from, and what the kernel orders.
    Porf = 1,
    /// What the thread's relaxed reads have received so far: an acquire fence makes it happen before.
    Pending = 2,
    /// Of a write: what a reader that acquires receives.
    Released = 3,
}

const SLOTS: usize = 4;

/// The clocks of all events.
#[derive(Clone, Debug, Default)]
pub(crate) struct Clocks {
    stride: usize,
    data: Vec<u16>,
}

impl Clocks {
    /// Forgets everything; later clocks have room for `threads` threads.
    pub(crate) fn reset(&mut self, threads: usize) {
        self.stride = threads.next_multiple_of(8);
        self.data.clear();
    }

    pub(crate) fn threads(&self) -> usize {
        self.stride
    }

    fn at(&self, event: EventId, which: Clock) -> usize {
        (event as usize * SLOTS + which as usize) * self.stride
    }

    pub(crate) fn get(&self, event: EventId, which: Clock) -> &[u16] {
        let at = self.at(event, which);
        &self.data[at..at + self.stride]
    }

    /// Room for one more event; all its clocks are empty.
    pub(crate) fn push(&mut self) {
        self.data.resize(self.data.len() + SLOTS * self.stride, 0);
    }

    /// Forgets all events from the one with this index on.
    pub(crate) fn truncate(&mut self, events: usize) {
        self.data.truncate(events * SLOTS * self.stride);
    }

    /// Appends the clocks of an event of another graph.
    pub(crate) fn push_from(&mut self, other: &Self, event: EventId) {
        let at = other.at(event, Clock::Hb);
        self.data.extend_from_slice(&other.data[at..at + SLOTS * other.stride]);
    }

    pub(crate) fn clear(&mut self, event: EventId, which: Clock) {
        let at = self.at(event, which);
        self.data[at..at + self.stride].fill(0);
    }

    pub(crate) fn set(&mut self, event: EventId, which: Clock, thread: usize, count: u16) {
        let at = self.at(event, which);
        self.data[at + thread] = count;
    }

    /// `into` becomes the least clock that covers both.
    pub(crate) fn join(&mut self, into: (EventId, Clock), from: (EventId, Clock)) {
        let (into, from) = (self.at(into.0, into.1), self.at(from.0, from.1));
        if into == from {
            return;
        }
        let stride = self.stride;
        let (target, source) = if into > from {
            let (low, high) = self.data.split_at_mut(into);
            (&mut high[..stride], &low[from..from + stride])
        } else {
            let (low, high) = self.data.split_at_mut(from);
            (&mut low[into..into + stride], &high[..stride])
        };
        for (target, source) in target.iter_mut().zip(source) {
            *target = (*target).max(*source);
        }
    }
}

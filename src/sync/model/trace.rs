//! What happened in an execution, and where: the events from which lanes are drawn and sites are counted.

use crate::sync::Ordering;
use core::panic::Location;

/// What an operation is, as far as its orderings and mutations go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SiteKind {
    /// An atomic load.
    Load,
    /// An atomic store.
    Store,
    /// A read-modify-write.
    Rmw,
    /// A compare-exchange, with a success and a failure ordering.
    CompareExchange,
    /// A fence.
    Fence,
    /// A futex wait.
    Wait,
    /// A futex wake.
    Wake,
    /// An access to payload.
    Cell,
}

/// A place in the source at which an operation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Site {
    /// Source file, as the compiler names it.
    pub file: &'static str,
    /// Line, from 1.
    pub line: u32,
    /// Column, from 1.
    pub column: u32,
    /// What the operation is.
    pub kind: SiteKind,
}

impl Site {
    pub(super) fn new(location: &'static Location<'static>, kind: SiteKind) -> Self {
        Self { file: location.file(), line: location.line(), column: location.column(), kind }
    }
}

/// A site that a model reached, with the orderings that the source gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SiteRecord {
    /// The ordering, or the success ordering.
    pub order: Ordering,
    /// The failure ordering of a compare-exchange.
    pub failure: Option<Ordering>,
    /// Of a wake: the most sleepers that it was asked to wake.
    pub wakes: u32,
}

/// One step of one lane.
#[derive(Clone, Debug)]
pub struct Event {
    /// The lane (virtual thread) that took the step.
    pub lane: usize,
    /// The step's number within its lane, from 0.
    pub step: u64,
    /// Where it stands in the source.
    pub location: &'static Location<'static>,
    /// Where the word was made, and how many were made at that place before it.
    pub word: Option<(&'static Location<'static>, u32)>,
    /// What was done, with values: `load = 3`, `compare_exchange 0 -> 1: ok`.
    pub what: String,
    /// Of a load: it read a value although a newer one was there.
    pub stale: bool,
}

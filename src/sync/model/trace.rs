//! What happened in an execution, and where: the events from which lanes are drawn and sites are counted.

use crate::sync::{Ordering, WaitOutcome};
use core::fmt;
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
    /// A write to payload.
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
    /// What was done, with values.
    pub action: Action,
    /// Of a read: it read a value although a newer one was there.
    pub stale: bool,
    /// Of a write: what the word held before.
    pub replaced: Option<u64>,
    /// What the engine knows of the access, if it keeps executions as graphs.
    pub known: Option<Known>,
}

/// An access in the graph of its execution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// Its number.
    pub number: u32,
    /// Of a read: the number of the write that it read from; `Some(None)` is the first value of the word.
    pub reads_from: Option<Option<u32>>,
    /// How many writes of the word, of those that were there, come after it.
    pub behind: usize,
}

/// A change of a word: where, of which, from what to what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Change {
    /// Where it stands in the source.
    pub site: Site,
    /// Where the word was made.
    pub made_at: &'static Location<'static>,
    /// What it held.
    pub before: u64,
    /// What it holds then.
    pub after: u64,
}

/// What a step did. It is put into words only when somebody looks: most executions are never drawn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// A load, and what it read.
    Load(Ordering, u64),
    /// A store, and what it wrote.
    Store(Ordering, u64),
    /// A read-modify-write by its name, what it read and what it wrote.
    Rmw(&'static str, Ordering, u64, u64),
    /// A compare-exchange, what it read and what it wrote.
    Exchanged(Ordering, u64, u64),
    /// A compare-exchange that found something else than it expected.
    NotExchanged {
        /// What it expected.
        expected: u64,
        /// What it would have written.
        new: u64,
        /// What it found.
        found: u64,
    },
    /// A fence.
    Fence(Ordering),
    /// A wait that found something else than it expected.
    NotWaited {
        /// What it expected.
        expected: u32,
        /// What it found.
        found: u32,
    },
    /// A wait that sleeps from now on.
    Sleeps,
    /// A wait that ended.
    Waited(WaitOutcome),
    /// A wake, how many sleepers were asked for and how many there were.
    Wake(u32, u32),
    /// A read access to payload.
    ReadsPayload,
    /// A write access to payload.
    WritesPayload,
    /// Something that is no operation of the model: a kill, a mark.
    Remark(String),
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Load(order, value) => write!(f, "load {order:?} = {value:#x}"),
            Self::Store(order, value) => write!(f, "store {order:?} {value:#x}"),
            Self::Rmw(name, order, old, new) => write!(f, "{name} {order:?} {old:#x} -> {new:#x}"),
            Self::Exchanged(order, old, new) => write!(f, "compare_exchange {order:?} {old:#x} -> {new:#x}"),
            Self::NotExchanged { expected, new, found } => {
                write!(f, "compare_exchange {expected:#x} -> {new:#x} fails: {found:#x}")
            }
            Self::Fence(order) => write!(f, "fence {order:?}"),
            Self::NotWaited { expected, found } => write!(f, "futex_wait {expected:#x}: holds {found:#x}"),
            Self::Sleeps => f.write_str("futex_wait: sleeps"),
            Self::Waited(outcome) => write!(f, "futex_wait: {outcome:?}"),
            Self::Wake(u32::MAX, woken) => write!(f, "futex_wake all: woke {woken}"),
            Self::Wake(count, woken) => write!(f, "futex_wake {count}: woke {woken}"),
            Self::ReadsPayload => f.write_str("reads payload"),
            Self::WritesPayload => f.write_str("writes payload"),
            Self::Remark(remark) => f.write_str(remark),
        }
    }
}

//! Why a run ended before the program did.

use core::panic::Location;

/// What stopped a run.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    /// A thread panicked.
    Panic { thread: usize, message: String, location: Option<String> },
    /// Two accesses to a cell, at least one of them a write, that nothing orders.
    Race { one: Access, other: Access },
    /// Something that a thread did differs from what it did in the run before, for the same values read.
    Diverged { thread: usize, before: String, now: String },
    /// A thread has more events than are allowed.
    TooLong { thread: usize, limit: usize },
    /// Objects are left at the end; where the first of them was made, and how many there are.
    Leak { site: &'static Location<'static>, count: usize },
    /// The model uses the engine in a way that it cannot follow.
    Misuse(String),
    /// Threads wait for ever, and the model says that they must not.
    Unrest(String),
    /// The model ended the check.
    Aborted(String),
    /// What is replayed does not fit the program.
    Misfit,
    /// Not a fault: there are more threads than clocks have room for.
    MoreThreads,
    /// Not a fault: threads turned out to wait on a location.
    NewQueue,
}

/// An access to a cell.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Access {
    pub(crate) thread: usize,
    pub(crate) writes: bool,
    pub(crate) site: &'static Location<'static>,
}

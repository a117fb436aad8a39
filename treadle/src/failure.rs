//! What goes wrong in an execution.

use crate::report::Picture;
use crate::runtime::{Access, Fault};
use core::fmt;

/// What kind of thing went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Problem {
    /// A thread panicked: a false assertion, for instance.
    Panic,
    /// Two accesses to a cell, at least one of them a write, that nothing orders.
    DataRace,
    /// Threads wait for what nobody will do: a lock that is never released, a wake-up that was lost, a spin loop whose
    /// condition never comes true.
    Deadlock,
    /// Threads wait for ever, and what the model has to say of that ([`at_rest`](crate::at_rest)) is that they must not.
    Unrest,
    /// A tracked object was left at the end.
    Leak,
    /// An operation that must not block does not end when its thread runs alone ([`non_blocking`](crate::non_blocking)).
    Blocks,
    /// A state comes back, and no thread has ended meanwhile ([`phase`](crate::phase)).
    NoProgress,
    /// A thread has more events than [`Builder::max_events`](crate::Builder::max_events): a loop that does not end, or
    /// a program that is too long. No verdict.
    TooLong,
    /// A thread did something else than before, though it read the same: random numbers, time, addresses, or what one
    /// execution left behind for the next. No verdict.
    Divergence,
    /// The model uses an object of another execution, or an impossible number of threads.
    Misuse,
    /// The model [ended the check](crate::abort). No verdict.
    Aborted,
    /// The execution that was to be replayed is not one of this program.
    Misfit,
}

/// A failing execution.
#[derive(Clone, Debug)]
pub struct Failure {
    /// What kind of thing went wrong.
    pub problem: Problem,
    /// What went wrong, in words.
    pub message: String,
    /// The execution, drawn.
    pub picture: Picture,
    /// Complete executions before the first failing one.
    pub executions: u64,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.message)?;
        writeln!(f, "after {} executions without a failure; {} events:\n", self.executions, self.picture.events)?;
        writeln!(f, "{}", self.picture.lanes)?;
        write!(f, "to run this execution again, set TREADLE_REPLAY={}", self.picture.id)
    }
}

impl core::error::Error for Failure {}

/// A fault in words.
pub(crate) fn describe(fault: &Fault) -> (Problem, String) {
    match fault {
        Fault::Panic { thread, message, location } => {
            let at = location.as_ref().map_or_else(String::new, |location| format!(" at {location}"));
            (Problem::Panic, format!("thread T{thread} panicked{at}: {message}"))
        }
        Fault::Race { one, other } => (Problem::DataRace, format!("data race: {} and {}", access(one), access(other))),
        Fault::Diverged { thread, before, now } => {
            let message = format!(
                "thread T{thread} is not a function of what it reads: it did {now} where it did {before} in the run \
                 before (random numbers, time, addresses, or state that outlives an execution?)"
            );
            (Problem::Divergence, message)
        }
        Fault::TooLong { thread, limit } => {
            (Problem::TooLong, format!("thread T{thread} has more than {limit} events: a loop without an end?"))
        }
        Fault::Leak { site, count } => {
            let message = format!("{count} tracked objects are left at the end, one of them from {site}");
            (Problem::Leak, message)
        }
        Fault::Misuse(why) => (Problem::Misuse, why.clone()),
        Fault::Unrest(why) => (Problem::Unrest, why.clone()),
        Fault::Aborted(why) => (Problem::Aborted, why.clone()),
        Fault::Misfit => (Problem::Misfit, "the execution to be replayed is not one of this program".to_owned()),
        Fault::MoreThreads => (Problem::Misuse, "there are too many threads".to_owned()),
        Fault::NewQueue => (Problem::Misuse, "a queue was not known".to_owned()),
    }
}

fn access(access: &Access) -> String {
    let how = if access.writes { "a write" } else { "a read" };
    format!("{how} of T{} at {}", access.thread, access.site)
}

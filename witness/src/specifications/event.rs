//! An event has happened or not; it is reset by hand.

use crate::specification::{Call, Effect, Specification};
use core::fmt;

/// An event.
#[derive(Clone, Copy, Debug)]
pub struct Event {
    /// Whether it has happened at first.
    pub set: bool,
}

/// What can be done with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EventOperation {
    /// Say that it has happened.
    Set,
    /// Say that it has not.
    Reset,
    /// Ask.
    IsSet,
    /// Wait until it has happened. One moment at which it had is enough, even if it is reset before the wait returns.
    Wait,
}

/// What comes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EventOutcome {
    /// Whether it changed something, or the answer.
    Said(bool),
    /// It has happened.
    Happened,
}

impl Specification for Event {
    type Operation = EventOperation;
    type Outcome = EventOutcome;
    type State = bool;

    fn initial(&self) -> bool {
        self.set
    }

    fn apply(&self, set: &bool, call: Call<'_, EventOperation>) -> Vec<Effect<Self>> {
        match call.operation {
            EventOperation::Set => vec![(EventOutcome::Said(!set), true)],
            EventOperation::Reset => vec![(EventOutcome::Said(*set), false)],
            EventOperation::IsSet => vec![(EventOutcome::Said(*set), *set)],
            EventOperation::Wait if *set => vec![(EventOutcome::Happened, true)],
            EventOperation::Wait => Vec::new(),
        }
    }

    /// Whoever is told that it has happened knows what was done before each `set` that changed something.
    fn publishes(&self, earlier: (&EventOperation, &EventOutcome), later: (&EventOperation, &EventOutcome)) -> bool {
        let told = matches!(later, (EventOperation::Wait, _) | (EventOperation::IsSet, EventOutcome::Said(true)));
        told && earlier == (&EventOperation::Set, &EventOutcome::Said(true))
    }
}

impl fmt::Display for EventOperation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Set => "set",
            Self::Reset => "reset",
            Self::IsSet => "is_set",
            Self::Wait => "wait",
        })
    }
}

impl fmt::Display for EventOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Said(said) => write!(f, "{said}"),
            Self::Happened => f.write_str("has happened"),
        }
    }
}

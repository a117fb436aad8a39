//! A queue is a row of messages: first in, first out. A mailbox is the queue behind it.

use crate::specification::{Call, Effect, Specification};
use core::fmt;
use std::collections::VecDeque;

/// A queue without messages at first.
#[derive(Clone, Copy, Debug)]
pub struct Queue {
    capacity: usize,
}

impl Queue {
    /// One that holds so many at most.
    #[must_use]
    pub fn bounded(capacity: usize) -> Self {
        Self { capacity }
    }

    /// One that holds as many as there are.
    #[must_use]
    pub fn unbounded() -> Self {
        Self { capacity: usize::MAX }
    }
}

/// What can be done with it, or at a [rendezvous](super::Rendezvous).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum QueueOperation {
    /// Put a message in, and wait for space.
    Send(u32),
    /// Put a message in if there is space.
    TrySend(u32),
    /// Take a message, and wait for one.
    Receive,
    /// Take a message if there is one.
    TryReceive,
}

/// What comes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum QueueOutcome {
    /// The message was put in, or has passed.
    Sent,
    /// This message was taken.
    Got(u32),
    /// There was no space, or no message; or nobody waited on the other side.
    WouldBlock,
}

impl QueueOperation {
    /// The message that it sends.
    pub(super) fn message(self) -> Option<u32> {
        match self {
            Self::Send(message) | Self::TrySend(message) => Some(message),
            Self::Receive | Self::TryReceive => None,
        }
    }
}

/// Whether one sends what the other gets.
pub(super) fn passes(earlier: (&QueueOperation, &QueueOutcome), later: (&QueueOperation, &QueueOutcome)) -> bool {
    let sent = earlier.0.message().filter(|_| *earlier.1 == QueueOutcome::Sent);
    sent.is_some_and(|message| *later.1 == QueueOutcome::Got(message))
}

impl Specification for Queue {
    type Operation = QueueOperation;
    type Outcome = QueueOutcome;
    type State = VecDeque<u32>;

    fn initial(&self) -> VecDeque<u32> {
        VecDeque::new()
    }

    fn apply(&self, row: &VecDeque<u32>, call: Call<'_, QueueOperation>) -> Vec<Effect<Self>> {
        let mut after = row.clone();
        let outcome = match *call.operation {
            QueueOperation::Send(message) | QueueOperation::TrySend(message) => {
                (row.len() < self.capacity).then(|| {
                    after.push_back(message);
                    QueueOutcome::Sent
                })
            }
            QueueOperation::Receive | QueueOperation::TryReceive => after.pop_front().map(QueueOutcome::Got),
        };
        match (outcome, call.operation) {
            (Some(outcome), _) => vec![(outcome, after)],
            (None, QueueOperation::TrySend(_) | QueueOperation::TryReceive) => vec![(QueueOutcome::WouldBlock, after)],
            (None, QueueOperation::Send(_) | QueueOperation::Receive) => Vec::new(),
        }
    }

    /// Who gets a message knows what its sender did before.
    fn publishes(&self, earlier: (&QueueOperation, &QueueOutcome), later: (&QueueOperation, &QueueOutcome)) -> bool {
        passes(earlier, later)
    }
}

impl fmt::Display for QueueOperation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Send(message) => write!(f, "send {message}"),
            Self::TrySend(message) => write!(f, "try_send {message}"),
            Self::Receive => f.write_str("receive"),
            Self::TryReceive => f.write_str("try_receive"),
        }
    }
}

impl fmt::Display for QueueOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sent => f.write_str("sent"),
            Self::Got(message) => write!(f, "got {message}"),
            Self::WouldBlock => f.write_str("would block"),
        }
    }
}

//! A mailbox: a queue, or a rendezvous, that gets back what somebody was looking at who dies. What comes back counts for nobody's
//! capacity, and goes, in the order in which it was sent, before what nobody has had.

use super::queue::{QueueOperation, QueueOutcome, passes};
use crate::specification::{Call, Effect, Specification};
use core::fmt;
use std::collections::{BTreeMap, VecDeque};

/// A mailbox without messages at first, that receivers do not leave.
#[derive(Clone, Copy, Debug)]
pub struct Mailbox {
    /// How many messages it holds at most, those that have come back not counted; with zero they pass from hand to hand.
    pub capacity: usize,
}

/// What can be done with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MailboxOperation {
    /// What can be done with a queue.
    Pass(QueueOperation),
    /// Take a message in hand, as somebody did who died before it was received. Without what follows it is gone.
    Look,
    /// That message comes back.
    Return,
}

/// Messages that are there, in hand, and come back. Each has the number of its sending.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct MailboxState {
    sent: u64,
    row: VecDeque<(u64, u32)>,
    returned: BTreeMap<u64, u32>,
    in_hand: BTreeMap<usize, (u64, u32)>,
}

impl MailboxState {
    fn numbered(&mut self, message: u32) -> (u64, u32) {
        self.sent += 1;
        (self.sent, message)
    }

    fn first(&mut self) -> Option<(u64, u32)> {
        self.returned.pop_first().or_else(|| self.row.pop_front())
    }
}

impl Specification for Mailbox {
    type Operation = MailboxOperation;
    type Outcome = QueueOutcome;
    type State = MailboxState;

    fn initial(&self) -> MailboxState {
        MailboxState::default()
    }

    fn apply(&self, state: &MailboxState, call: Call<'_, MailboxOperation>) -> Vec<Effect<Self>> {
        use QueueOperation::{Receive, Send, TryReceive, TrySend};
        let mut after = state.clone();
        let outcome = match *call.operation {
            MailboxOperation::Pass(Send(message) | TrySend(message)) => (state.row.len() < self.capacity).then(|| {
                let message = after.numbered(message);
                after.row.push_back(message);
                QueueOutcome::Sent
            }),
            MailboxOperation::Pass(Receive | TryReceive) => {
                after.first().map(|(_, message)| QueueOutcome::Got(message))
            }
            MailboxOperation::Look => after.first().map(|message| {
                after.in_hand.insert(call.thread, message);
                QueueOutcome::Got(message.1)
            }),
            MailboxOperation::Return => after.in_hand.remove(&call.thread).map(|(number, message)| {
                after.returned.insert(number, message);
                QueueOutcome::Sent
            }),
        };
        match (outcome, call.operation) {
            (Some(outcome), _) => vec![(outcome, after)],
            (None, MailboxOperation::Pass(TrySend(_) | TryReceive)) => vec![(QueueOutcome::WouldBlock, after)],
            (None, _) => Vec::new(),
        }
    }

    fn apply_both(
        &self,
        state: &MailboxState,
        first: Call<'_, MailboxOperation>,
        second: Call<'_, MailboxOperation>,
    ) -> Vec<(QueueOutcome, QueueOutcome, MailboxState)> {
        use QueueOperation::{Receive, Send, TryReceive, TrySend};
        // Who finds what has come back does not wait for a sender.
        if self.capacity != 0 || !state.returned.is_empty() {
            return Vec::new();
        }
        let (MailboxOperation::Pass(sends @ (Send(message) | TrySend(message))), receives) =
            (*first.operation, *second.operation)
        else {
            return Vec::new();
        };
        let mut after = state.clone();
        let sent = after.numbered(message);
        match receives {
            // Neither waits for the other.
            MailboxOperation::Pass(TryReceive) if matches!(sends, TrySend(_)) => return Vec::new(),
            MailboxOperation::Pass(Receive | TryReceive) => {}
            MailboxOperation::Look => _ = after.in_hand.insert(second.thread, sent),
            _ => return Vec::new(),
        }
        vec![(QueueOutcome::Sent, QueueOutcome::Got(message), after)]
    }

    /// Who gets a message knows what its sender did before, and, where they meet, the other way round.
    fn publishes(
        &self,
        earlier: (&MailboxOperation, &QueueOutcome),
        later: (&MailboxOperation, &QueueOutcome),
    ) -> bool {
        let (MailboxOperation::Pass(one), MailboxOperation::Pass(other)) = (earlier.0, later.0) else { return false };
        passes((one, earlier.1), (other, later.1)) || self.capacity == 0 && passes((other, later.1), (one, earlier.1))
    }
}

impl fmt::Display for MailboxOperation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pass(operation) => operation.fmt(f),
            Self::Look => f.write_str("look"),
            Self::Return => f.write_str("return"),
        }
    }
}

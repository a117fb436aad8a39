//! At a rendezvous a message passes from hand to hand: a send and a receive take effect at once, or neither does.

use super::queue::{QueueOperation, QueueOutcome, passes};
use crate::specification::{Call, Effect, Specification};

/// A rendezvous.
///
/// A `try_` operation finds its counterpart only if that one waits already, and when a call begins to wait is its own
/// affair: so it may always fail, and two of them never meet.
#[derive(Clone, Copy, Debug)]
pub struct Rendezvous;

impl Specification for Rendezvous {
    type Operation = QueueOperation;
    type Outcome = QueueOutcome;
    /// Nothing ever lies there.
    type State = ();

    fn initial(&self) {}

    fn apply(&self, (): &(), call: Call<'_, QueueOperation>) -> Vec<Effect<Self>> {
        match call.operation {
            QueueOperation::TrySend(_) | QueueOperation::TryReceive => vec![(QueueOutcome::WouldBlock, ())],
            QueueOperation::Send(_) | QueueOperation::Receive => Vec::new(),
        }
    }

    fn apply_both(
        &self,
        (): &(),
        first: Call<'_, QueueOperation>,
        second: Call<'_, QueueOperation>,
    ) -> Vec<(QueueOutcome, QueueOutcome, ())> {
        match (first.operation, second.operation) {
            (QueueOperation::TrySend(_), QueueOperation::TryReceive) => Vec::new(),
            (
                QueueOperation::Send(message) | QueueOperation::TrySend(message),
                QueueOperation::Receive | QueueOperation::TryReceive,
            ) => vec![(QueueOutcome::Sent, QueueOutcome::Got(*message), ())],
            _ => Vec::new(),
        }
    }

    /// Who gets a message knows what its sender did before, and who has sent it what its receiver did before.
    fn publishes(&self, earlier: (&QueueOperation, &QueueOutcome), later: (&QueueOperation, &QueueOutcome)) -> bool {
        passes(earlier, later) || passes(later, earlier)
    }
}

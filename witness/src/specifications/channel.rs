//! A channel is a queue or a rendezvous with two ends, and ends itself when nobody is left at one of them.

use super::queue::{QueueOperation, QueueOutcome};
use crate::specification::{Call, Effect, Specification};
use core::fmt;

/// A channel at both ends of which all threads stand at first, over a [`Queue`](super::Queue) or a
/// [`Rendezvous`](super::Rendezvous).
#[derive(Clone, Copy, Debug)]
pub struct Channel<L> {
    line: L,
    threads: usize,
}

impl<L> Channel<L> {
    /// One over this line, for so many threads.
    #[must_use]
    pub fn over(line: L, threads: usize) -> Self {
        Self { line, threads }
    }
}

/// What can be done with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ChannelOperation {
    /// Send or receive.
    Pass(QueueOperation),
    /// Give up the end for sending.
    LeaveSenders,
    /// Give up the end for receiving.
    LeaveReceivers,
    /// Come back to the end for sending.
    JoinSenders,
    /// The thread has died. It may be a long time after that until others can know.
    Die,
}

/// What comes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ChannelOutcome {
    /// As of the line.
    Line(QueueOutcome),
    /// Nobody is left on the other side.
    Disconnected,
    /// It was done.
    Done,
}

/// What a channel is: the line, and who stands at its ends.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ChannelState<S> {
    line: S,
    pub(super) senders: Present,
    pub(super) receivers: Present,
}

/// Who stands at one end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Present {
    /// A bit for each thread.
    threads: u32,
    /// Whether anybody ever came. Until then who would pass a message waits for somebody.
    ever: bool,
}

impl Present {
    pub(super) fn join(&mut self, thread: usize) {
        self.threads |= 1 << thread;
        self.ever = true;
    }

    fn leave(&mut self, thread: usize) {
        self.threads &= !(1 << thread);
    }

    fn are_gone(self) -> bool {
        self.ever && self.threads == 0
    }
}

impl<L: Specification<Operation = QueueOperation, Outcome = QueueOutcome>> Specification for Channel<L> {
    type Operation = ChannelOperation;
    type Outcome = ChannelOutcome;
    type State = ChannelState<L::State>;

    fn initial(&self) -> Self::State {
        let all = Present { threads: (1 << self.threads) - 1, ever: self.threads > 0 };
        ChannelState { line: self.line.initial(), senders: all, receivers: all }
    }

    fn apply(&self, state: &Self::State, call: Call<'_, ChannelOperation>) -> Vec<Effect<Self>> {
        use ChannelOperation::{Die, JoinSenders, LeaveReceivers, LeaveSenders, Pass};
        let mut after = state.clone();
        match call.operation {
            LeaveSenders => after.senders.leave(call.thread),
            LeaveReceivers => after.receivers.leave(call.thread),
            JoinSenders => after.senders.join(call.thread),
            Die => {
                after.senders.leave(call.thread);
                after.receivers.leave(call.thread);
            }
            Pass(operation) => return self.pass(state, call.thread, operation),
        }
        vec![(ChannelOutcome::Done, after)]
    }

    fn apply_both(
        &self,
        state: &Self::State,
        first: Call<'_, ChannelOperation>,
        second: Call<'_, ChannelOperation>,
    ) -> Vec<(ChannelOutcome, ChannelOutcome, Self::State)> {
        use ChannelOperation::Pass;
        let (Pass(one), Pass(other)) = (first.operation, second.operation) else { return Vec::new() };
        let call = |thread, operation| Call { thread, operation };
        let both = self.line.apply_both(&state.line, call(first.thread, one), call(second.thread, other));
        let outcome = |(one, other, line)| {
            (ChannelOutcome::Line(one), ChannelOutcome::Line(other), ChannelState { line, ..state.clone() })
        };
        both.into_iter().map(outcome).collect()
    }

    /// As the line does; and who is told of the end knows what those did who have left before it.
    fn publishes(
        &self,
        earlier: (&ChannelOperation, &ChannelOutcome),
        later: (&ChannelOperation, &ChannelOutcome),
    ) -> bool {
        use ChannelOperation::{LeaveReceivers, LeaveSenders, Pass};
        use ChannelOutcome::{Disconnected, Line};
        match (earlier, later) {
            ((Pass(one), Line(sent)), (Pass(other), Line(got))) => self.line.publishes((one, sent), (other, got)),
            ((LeaveSenders, _), (Pass(QueueOperation::Receive | QueueOperation::TryReceive), Disconnected))
            | ((LeaveReceivers, _), (Pass(QueueOperation::Send(_) | QueueOperation::TrySend(_)), Disconnected)) => true,
            _ => false,
        }
    }
}

impl<L: Specification<Operation = QueueOperation, Outcome = QueueOutcome>> Channel<L> {
    fn pass(&self, state: &ChannelState<L::State>, thread: usize, operation: &QueueOperation) -> Vec<Effect<Self>> {
        let of_line = self.line.apply(&state.line, Call { thread, operation });
        let line = |(outcome, line)| (ChannelOutcome::Line(outcome), ChannelState { line, ..state.clone() });
        let disconnected = || vec![(ChannelOutcome::Disconnected, state.clone())];
        let waits = of_line.iter().all(|(outcome, _)| *outcome == QueueOutcome::WouldBlock);
        match operation {
            QueueOperation::Send(_) | QueueOperation::TrySend(_) if state.receivers.are_gone() => disconnected(),
            // What was sent is received first.
            QueueOperation::Receive | QueueOperation::TryReceive if state.senders.are_gone() && waits => disconnected(),
            _ => of_line.into_iter().map(line).collect(),
        }
    }
}

impl fmt::Display for ChannelOperation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pass(operation) => operation.fmt(f),
            Self::LeaveSenders => f.write_str("leave the senders"),
            Self::LeaveReceivers => f.write_str("leave the receivers"),
            Self::JoinSenders => f.write_str("join the senders"),
            Self::Die => f.write_str("DIES"),
        }
    }
}

impl fmt::Display for ChannelOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(outcome) => outcome.fmt(f),
            Self::Disconnected => f.write_str("disconnected"),
            Self::Done => f.write_str("done"),
        }
    }
}

//! A visited channel is one to whose ends threads come and go, and at which nobody has been at first.

use super::channel::{Channel, ChannelOperation, ChannelOutcome, ChannelState};
use super::queue::{QueueOperation, QueueOutcome};
use crate::specification::{Call, Effect, Specification};
use core::fmt;

/// A [`Channel`] over a [`Queue`](super::Queue) or a [`Rendezvous`](super::Rendezvous) to which nobody has come yet: until
/// somebody does, who would pass a message waits for a counterpart, and is told of no end.
#[derive(Clone, Copy, Debug)]
pub struct Visited<L> {
    channel: Channel<L>,
}

impl<L> Visited<L> {
    /// One over this line.
    #[must_use]
    pub fn over(line: L) -> Self {
        Self { channel: Channel::over(line, 0) }
    }
}

/// What can be done with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum VisitedOperation {
    /// As with any channel.
    Channel(ChannelOperation),
    /// Come to the end for receiving.
    JoinReceivers,
}

impl<L: Specification<Operation = QueueOperation, Outcome = QueueOutcome>> Specification for Visited<L> {
    type Operation = VisitedOperation;
    type Outcome = ChannelOutcome;
    type State = ChannelState<L::State>;

    fn initial(&self) -> Self::State {
        self.channel.initial()
    }

    fn apply(&self, state: &Self::State, call: Call<'_, VisitedOperation>) -> Vec<Effect<Self>> {
        match call.operation {
            VisitedOperation::Channel(operation) => self.channel.apply(state, Call { thread: call.thread, operation }),
            VisitedOperation::JoinReceivers => {
                let mut after = state.clone();
                after.receivers.join(call.thread);
                vec![(ChannelOutcome::Done, after)]
            }
        }
    }

    fn apply_both(
        &self,
        state: &Self::State,
        first: Call<'_, VisitedOperation>,
        second: Call<'_, VisitedOperation>,
    ) -> Vec<(ChannelOutcome, ChannelOutcome, Self::State)> {
        use VisitedOperation::Channel;
        let (Channel(one), Channel(other)) = (first.operation, second.operation) else { return Vec::new() };
        let call = |thread, operation| Call { thread, operation };
        self.channel.apply_both(state, call(first.thread, one), call(second.thread, other))
    }

    fn publishes(
        &self,
        earlier: (&VisitedOperation, &ChannelOutcome),
        later: (&VisitedOperation, &ChannelOutcome),
    ) -> bool {
        use VisitedOperation::Channel;
        let (Channel(one), Channel(other)) = (earlier.0, later.0) else { return false };
        self.channel.publishes((one, earlier.1), (other, later.1))
    }
}

impl fmt::Display for VisitedOperation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Channel(operation) => operation.fmt(f),
            Self::JoinReceivers => f.write_str("join the receivers"),
        }
    }
}

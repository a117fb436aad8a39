//! Channels: processes come to the ends, send and receive there, and leave again.
//!
//! Nobody has come at first. Whoever is killed stands where it stood until others can know of its death, which the history
//! has as an operation of its own, at no known time.

use crate::subjects::{NAME, Operation, Outcome, Part, Session, Subject, TIME, Word, index, word};
use crate::support::dice::Dice;
use selvedge::Region;
use selvedge::message::{Capacity, Receiver, RecvError, SendError, Sender};
use selvedge_witness::Specification;
use selvedge_witness::specifications::{
    ChannelOperation, ChannelOutcome, Queue, QueueOperation, QueueOutcome, Rendezvous, Visited, VisitedOperation,
};

const JOIN_SENDERS: VisitedOperation = VisitedOperation::Channel(ChannelOperation::JoinSenders);
const LEAVE_SENDERS: VisitedOperation = VisitedOperation::Channel(ChannelOperation::LeaveSenders);
const LEAVE_RECEIVERS: VisitedOperation = VisitedOperation::Channel(ChannelOperation::LeaveReceivers);
const DIE: VisitedOperation = VisitedOperation::Channel(ChannelOperation::Die);

fn pass(operation: QueueOperation) -> VisitedOperation {
    VisitedOperation::Channel(ChannelOperation::Pass(operation))
}

/// A capacity, and what a channel with it is to do.
pub(crate) trait Line {
    type Spec: Specification<Operation = QueueOperation, Outcome = QueueOutcome>;
    const NAME: &'static str;
    const CAPACITY: Capacity;
    fn specification() -> Self::Spec;
}

/// Capacity zero.
pub(crate) struct Zero;

impl Line for Zero {
    type Spec = Rendezvous;
    const NAME: &'static str = "channel that holds nothing";
    const CAPACITY: Capacity = Capacity::Zero;

    fn specification() -> Rendezvous {
        Rendezvous
    }
}

/// As many messages as the queue.
pub(crate) struct Few;

impl Line for Few {
    type Spec = Queue;
    const NAME: &'static str = "bounded channel";
    const CAPACITY: Capacity = Capacity::Bounded(2);

    fn specification() -> Queue {
        Queue::bounded(2)
    }
}

/// More messages than all processes together send, and one for each that is at it.
pub(crate) struct Many;

impl Line for Many {
    type Spec = Queue;
    const NAME: &'static str = "unbounded channel";
    const CAPACITY: Capacity = Capacity::Unbounded { quota: 64 };

    fn specification() -> Queue {
        Queue::unbounded()
    }
}

/// A channel over this line.
pub(crate) struct Channel<L>(L);

/// A channel that holds nothing.
pub(crate) type ZeroChannel = Channel<Zero>;
/// A bounded channel.
pub(crate) type BoundedChannel = Channel<Few>;
/// An unbounded channel.
pub(crate) type UnboundedChannel = Channel<Many>;

impl<L: Line> Subject for Channel<L> {
    type Spec = Visited<L::Spec>;
    const NAME: &'static str = L::NAME;
    /// To come and to leave takes more of them than to send.
    const STEPS: u64 = 400;

    fn specification() -> Self::Spec {
        Visited::over(L::specification())
    }

    fn with_session(region: &Region, body: Part<'_, VisitedOperation, ChannelOutcome>) {
        body(&mut Visitor { region, capacity: L::CAPACITY, sender: None, receiver: None });
    }

    fn are_alike(one: Operation<Self>, other: Operation<Self>) -> bool {
        let receives = |operation| [QueueOperation::Receive, QueueOperation::TryReceive].map(pass).contains(&operation);
        receives(one) && receives(other)
    }

    fn telling() -> Option<Outcome<Self>> {
        Some(ChannelOutcome::Disconnected)
    }

    fn death() -> Option<(Operation<Self>, Outcome<Self>)> {
        Some((DIE, ChannelOutcome::Done))
    }
}

/// A process with the ends that it has.
struct Visitor<'a> {
    region: &'a Region,
    capacity: Capacity,
    sender: Option<Sender<u64>>,
    receiver: Option<Receiver<u64>>,
}

impl Visitor<'_> {
    fn sender(&self) -> &Sender<u64> {
        self.sender.as_ref().expect("it is chosen by who stands there")
    }

    fn receiver(&self) -> &Receiver<u64> {
        self.receiver.as_ref().expect("it is chosen by who stands there")
    }
}

impl Session<VisitedOperation, ChannelOutcome> for Visitor<'_> {
    fn choose(&mut self, dice: &mut Dice, message: u32) -> VisitedOperation {
        use QueueOperation::{Receive, Send, TryReceive, TrySend};
        let mut choices = Vec::new();
        match self.sender {
            Some(_) => {
                choices.extend([pass(Send(message)), pass(Send(message)), pass(TrySend(message)), LEAVE_SENDERS])
            }
            None => choices.push(JOIN_SENDERS),
        }
        match self.receiver {
            Some(_) => choices.extend([pass(Receive), pass(Receive), pass(TryReceive), LEAVE_RECEIVERS]),
            None => choices.push(VisitedOperation::JoinReceivers),
        }
        *dice.one_of(&choices)
    }

    fn perform(&mut self, operation: VisitedOperation, _dice: &mut Dice) -> Option<ChannelOutcome> {
        let VisitedOperation::Channel(operation) = operation else {
            self.receiver = Some(self.region.receiver(NAME, self.capacity).expect("a receiver"));
            return Some(ChannelOutcome::Done);
        };
        match operation {
            ChannelOperation::Pass(QueueOperation::Send(message)) => {
                return sent(self.sender().send_timeout(message.into(), TIME));
            }
            ChannelOperation::Pass(QueueOperation::TrySend(message)) => {
                return sent(self.sender().try_send(message.into()));
            }
            ChannelOperation::Pass(QueueOperation::Receive) => return got(self.receiver().recv_timeout(TIME)),
            ChannelOperation::Pass(QueueOperation::TryReceive) => return got(self.receiver().try_recv()),
            ChannelOperation::JoinSenders => {
                self.sender = Some(self.region.sender(NAME, self.capacity).expect("a sender"));
            }
            ChannelOperation::LeaveSenders => self.sender = None,
            ChannelOperation::LeaveReceivers => self.receiver = None,
            ChannelOperation::Die => unreachable!("nobody calls it"),
        }
        Some(ChannelOutcome::Done)
    }

    /// Whoever ends leaves first.
    fn last(&mut self) -> Option<VisitedOperation> {
        let leaves_senders = self.sender.is_some().then_some(LEAVE_SENDERS);
        leaves_senders.or(self.receiver.is_some().then_some(LEAVE_RECEIVERS))
    }
}

fn sent(sent: Result<(), SendError<u64>>) -> Option<ChannelOutcome> {
    match sent {
        Ok(()) => Some(ChannelOutcome::Line(QueueOutcome::Sent)),
        Err(SendError::Full(_)) => Some(ChannelOutcome::Line(QueueOutcome::WouldBlock)),
        Err(SendError::Disconnected(_)) => Some(ChannelOutcome::Disconnected),
        Err(SendError::TimedOut(_)) => None,
        Err(error) => panic!("a send: {error}"),
    }
}

fn got(got: Result<u64, RecvError>) -> Option<ChannelOutcome> {
    match got {
        Ok(message) => {
            let message = u32::try_from(message).expect("a message that was sent");
            Some(ChannelOutcome::Line(QueueOutcome::Got(message)))
        }
        Err(RecvError::Empty) => Some(ChannelOutcome::Line(QueueOutcome::WouldBlock)),
        Err(RecvError::Disconnected) => Some(ChannelOutcome::Disconnected),
        Err(RecvError::TimedOut) => None,
        Err(error) => panic!("a receive: {error}"),
    }
}

/// What stands behind the four operations of a line.
const VISITS: [VisitedOperation; 4] = [JOIN_SENDERS, LEAVE_SENDERS, LEAVE_RECEIVERS, VisitedOperation::JoinReceivers];
const OF_LINE: u64 = 4;

impl Word for VisitedOperation {
    fn to_word(self) -> u64 {
        if let Self::Channel(ChannelOperation::Pass(operation)) = self {
            return operation.to_word();
        }
        let place = VISITS.iter().position(|known| *known == self).expect("nobody calls another");
        word(OF_LINE + place as u64 + 1, 0)
    }

    fn from_word(word: u64) -> Self {
        match (word >> 32).checked_sub(OF_LINE) {
            None | Some(0) => pass(Word::from_word(word)),
            Some(counted) => VISITS[index(counted)],
        }
    }
}

impl Word for ChannelOutcome {
    fn to_word(self) -> u64 {
        match self {
            Self::Line(outcome) => outcome.to_word(),
            Self::Disconnected => word(OF_LINE, 1),
            Self::Done => word(OF_LINE, 2),
        }
    }

    fn from_word(word: u64) -> Self {
        match (word >> 32, word & 3) {
            (OF_LINE, 1) => Self::Disconnected,
            (OF_LINE, _) => Self::Done,
            _ => Self::Line(Word::from_word(word)),
        }
    }
}

//! Clients of channels: at first all threads stand at both ends.

use super::messages::{self, Buffers};
use super::object::{Object, Operation, Past};
use crate::scene::{OBJECT, Scene};
use selvedge::primitives::channel::{Channel, ChannelError, RawLine};
use selvedge::primitives::ends::End;
use selvedge::primitives::queue::Delivery;
use selvedge::primitives::undertaker::{Dead, Repair};
use selvedge::primitives::{RawChannel, RawQueue, RawRendezvous, RawUnbounded};
use selvedge::sync::AtomicU64;
use selvedge_witness::Specification;
use selvedge_witness::specifications::ChannelOperation::{self, JoinSenders, LeaveReceivers, LeaveSenders, Pass};
use selvedge_witness::specifications::{self, ChannelOutcome, QueueOperation, QueueOutcome};

/// A channel with a buffer for each message.
pub(crate) struct Way<L> {
    control: RawChannel<L>,
    words: Vec<AtomicU64>,
    buffers: Buffers,
}

/// What the clients need to know of a line.
pub(crate) trait Capacity: RawLine + Sized + Send + Sync + 'static {
    /// What it is to do.
    type Spec: Specification<Operation = QueueOperation, Outcome = QueueOutcome, State: Send + Sync>;

    /// The name of the channel.
    const NAME: &'static str;

    /// What it is to do.
    fn specification() -> Self::Spec;

    /// A line with its words, for so many messages, and how many buffers it has.
    fn new(messages: usize) -> (Self, Vec<AtomicU64>, usize);
}

impl Capacity for RawRendezvous {
    type Spec = specifications::Rendezvous;
    const NAME: &'static str = "channel-0";

    fn specification() -> Self::Spec {
        specifications::Rendezvous
    }

    fn new(messages: usize) -> (Self, Vec<AtomicU64>, usize) {
        (Self::new(), (0..messages).map(|_| AtomicU64::new(0)).collect(), messages)
    }
}

impl Capacity for RawQueue {
    type Spec = specifications::Queue;
    const NAME: &'static str = "channel-1";

    fn specification() -> Self::Spec {
        specifications::Queue::bounded(1)
    }

    fn new(messages: usize) -> (Self, Vec<AtomicU64>, usize) {
        (Self::new(1, Delivery::AtMostOnce), (0..=messages).map(|_| Self::word()).collect(), messages)
    }
}

impl Capacity for RawUnbounded {
    type Spec = specifications::Queue;
    const NAME: &'static str = "channel";

    fn specification() -> Self::Spec {
        specifications::Queue::unbounded()
    }

    fn new(messages: usize) -> (Self, Vec<AtomicU64>, usize) {
        // It begins with one that has no message.
        (Self::new(Delivery::AtMostOnce), (0..(messages + 1) * Self::WORDS).map(Self::word).collect(), messages + 1)
    }
}

impl<L: Capacity> Way<L> {
    fn channel(&self) -> Channel<'_, L::Line<'_>> {
        self.control.with(&self.words)
    }
}

/// The operations on the line.
fn passed(program: &[Vec<ChannelOperation>]) -> Vec<Vec<QueueOperation>> {
    let pass = |operation: &ChannelOperation| match *operation {
        Pass(operation) => Some(operation),
        _ => None,
    };
    program.iter().map(|word| word.iter().filter_map(pass).collect()).collect()
}

/// Whether a thread that has called these may send, or receive.
fn stands(before: impl Iterator<Item = ChannelOperation>, at: End) -> bool {
    before.fold(true, |stands, operation| match (operation, at) {
        (LeaveSenders, End::Senders) | (LeaveReceivers, End::Receivers) => false,
        (JoinSenders, End::Senders) => true,
        _ => stands,
    })
}

fn may(before: impl Iterator<Item = ChannelOperation>, operation: ChannelOperation) -> bool {
    match operation {
        Pass(QueueOperation::Send(_) | QueueOperation::TrySend(_)) | LeaveSenders => stands(before, End::Senders),
        Pass(QueueOperation::Receive | QueueOperation::TryReceive) | LeaveReceivers => stands(before, End::Receivers),
        JoinSenders => !stands(before, End::Senders),
        ChannelOperation::Die => false,
    }
}

impl<L: Capacity> Object for Way<L> {
    type Spec = specifications::Channel<L::Spec>;
    const NAME: &'static str = L::NAME;

    fn specification(threads: usize) -> Self::Spec {
        specifications::Channel::over(L::specification(), threads)
    }

    fn letters(_kills: bool) -> Vec<fn(u32) -> ChannelOperation> {
        vec![
            |message| Pass(QueueOperation::Send(message)),
            |_| Pass(QueueOperation::Receive),
            |message| Pass(QueueOperation::TrySend(message)),
            |_| Pass(QueueOperation::TryReceive),
            |_| LeaveSenders,
            |_| LeaveReceivers,
            |_| JoinSenders,
        ]
    }

    fn new(program: &[Vec<Operation<Self>>]) -> Self {
        let (line, words, buffers) = L::new(messages::count(&passed(program)));
        Self { control: RawChannel::new(line), words, buffers: Buffers::new(buffers) }
    }

    fn prepare(scene: &Scene<Self>, program: &[Vec<Operation<Self>>]) {
        let channel = scene.object.channel();
        for lane in 0..program.len() {
            channel.join(End::Senders, lane);
            channel.join(End::Receivers, lane);
        }
        scene.object.buffers.prepare(scene, &passed(program), |slot| channel.pool().try_take(slot));
    }

    fn perform(scene: &Scene<Self>, lane: usize, operation: ChannelOperation) -> ChannelOutcome {
        let (channel, buffers) = (scene.object.channel(), &scene.object.buffers);
        let operation = match operation {
            Pass(operation) => operation,
            LeaveSenders => {
                channel.leave(End::Senders, lane);
                return ChannelOutcome::Done;
            }
            LeaveReceivers => {
                channel.leave(End::Receivers, lane);
                return ChannelOutcome::Done;
            }
            JoinSenders => {
                channel.join(End::Senders, lane);
                return ChannelOutcome::Done;
            }
            ChannelOperation::Die => unreachable!("nobody calls it"),
        };
        let (caller, slot) = (scene.caller(lane), scene.slot(lane));
        let answer = match operation {
            QueueOperation::Send(message) => channel.send(&caller, OBJECT, buffers.fill(message), None).map(|()| None),
            QueueOperation::TrySend(message) => channel.try_send(scene.table(), buffers.fill(message)).map(|()| None),
            QueueOperation::Receive => channel.receive(&caller, OBJECT, None).map(Some),
            QueueOperation::TryReceive => channel.try_receive(scene.table(), slot).map(Some),
        };
        match answer {
            Ok(None) => ChannelOutcome::Line(QueueOutcome::Sent),
            Ok(Some(taken)) => {
                let message = buffers.read(taken.buffer);
                channel.give_back(taken.buffer);
                ChannelOutcome::Line(QueueOutcome::Got(message))
            }
            Err(ChannelError::WouldBlock) => ChannelOutcome::Line(QueueOutcome::WouldBlock),
            Err(ChannelError::Disconnected) => ChannelOutcome::Disconnected,
            Err(error) => panic!("{error:?} of {operation}"),
        }
    }

    fn may(past: &Past<Self>, operation: ChannelOperation) -> bool {
        may(past.iter().map(|(operation, _)| *operation), operation)
    }

    fn can(word: &[ChannelOperation]) -> bool {
        word.split_last().is_none_or(|(last, before)| may(before.iter().copied(), *last))
    }

    fn death() -> Option<(ChannelOperation, ChannelOutcome)> {
        Some((ChannelOperation::Die, ChannelOutcome::Done))
    }
}

impl<L: Capacity> Repair for Way<L> {
    fn bury(&self, dead: &Dead<'_>) {
        self.channel().bury(dead);
    }

    fn wake_all(&self) {
        self.channel().wake_all();
    }
}

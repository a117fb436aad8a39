//! A bounded channel, to whose ends workers come for a turn and go again: see the chronicle for what is promised of its messages.
//! Nobody waits for those who have left or died, and in the end nobody is there but who looks.

use super::queue::all_buffers;
use super::traffic::{IN_RECV, IN_SEND, IN_TIMED_RECV, IN_TIMED_SEND, MOST, SHORT, Traffic, not_attached, somebody_is};
use crate::torture::fault::{Fault, Outcome};
use crate::torture::hand::Hand;
use crate::torture::journal::Lane;
use crate::torture::ledger::Message;
use crate::torture::subject::{Subject, View};
use selvedge::Region;
use selvedge::message::{Capacity, Receiver, RecvError, SendError, Sender};
use selvedge::region::{QueueRecvError, QueueSendError};

const POINTS: &[&str] =
    &["ready", "in send", "in recv", "in timed recv", "in timed send", "coming to an end", "leaving an end"];
const COMING: usize = 5;
const LEAVING: usize = 6;

/// Its place among the chronicles.
const CHANNEL: usize = 4;
const CAPACITY: usize = 3;

pub(crate) struct Channels {
    region: Option<Region>,
    traffic: Traffic,
}

impl Default for Channels {
    fn default() -> Self {
        Self { region: None, traffic: Traffic::new(CHANNEL) }
    }
}

/// That nobody is left to receive is no fault: then it is not sent.
fn sent(answer: Result<(), SendError<Message>>) -> Result<(), QueueSendError<Message>> {
    answer.map_err(|error| match error {
        SendError::Full(message) | SendError::Disconnected(message) => QueueSendError::Full(message),
        SendError::TimedOut(message) => QueueSendError::TimedOut(message),
        SendError::OutOfMemory(message, name) => QueueSendError::OutOfMemory(message, name),
        SendError::TooManyThreads(message, limit) => QueueSendError::TooManyThreads(message, limit),
        SendError::Unusable(message, why, name) => QueueSendError::Unusable(message, why, name),
        other => QueueSendError::Corrupt(other.into_inner(), "channel".into()),
    })
}

/// That nobody is left to send is an answer like "empty": at that moment there was nothing.
fn received(answer: Result<Message, RecvError>) -> Result<Message, QueueRecvError> {
    answer.map_err(|error| match error {
        RecvError::Empty | RecvError::Disconnected => QueueRecvError::Empty,
        RecvError::TimedOut => QueueRecvError::TimedOut,
        RecvError::TooManyThreads { limit } => QueueRecvError::TooManyThreads { limit },
        RecvError::Unusable(why, name) => QueueRecvError::Unusable(why, name),
        _ => QueueRecvError::Corrupt("channel".into()),
    })
}

impl Channels {
    fn region(&self) -> Outcome<&Region> {
        self.region.as_ref().ok_or_else(not_attached)
    }

    fn sender(&self) -> Outcome<Sender<Message>> {
        let sender = self.region()?.sender("channel", Capacity::Bounded(CAPACITY));
        sender.map_err(|error| Fault::refused("sender", error))
    }

    fn receiver(&self) -> Outcome<Receiver<Message>> {
        let receiver = self.region()?.receiver("channel", Capacity::Bounded(CAPACITY));
        receiver.map_err(|error| Fault::refused("receiver", error))
    }

    fn send(&self, hand: &mut Hand<'_>) -> Outcome {
        let sender = hand.call(COMING, || self.sender())?;
        for _ in 0..1 + hand.numbers.below(MOST) {
            let passed = match hand.numbers.below(4) {
                0 => self.traffic.send(hand, IN_TIMED_SEND, |message| sent(sender.try_send(message)))?,
                1 => self.traffic.send(hand, IN_TIMED_SEND, |message| sent(sender.send_timeout(message, SHORT)))?,
                _ => self.traffic.send(hand, IN_SEND, |message| sent(sender.send(message)))?,
            };
            if !passed {
                break;
            }
            hand.linger();
        }
        hand.call(LEAVING, || drop(sender));
        Ok(())
    }

    fn receive(&self, hand: &mut Hand<'_>) -> Outcome {
        let receiver = hand.call(COMING, || self.receiver())?;
        for _ in 0..1 + hand.numbers.below(MOST) {
            let passed = match hand.numbers.below(4) {
                0 => self.traffic.receive(hand, IN_TIMED_RECV, || received(receiver.try_recv()))?,
                1 => self.traffic.receive(hand, IN_TIMED_RECV, || received(receiver.recv_timeout(SHORT)))?,
                _ => self.traffic.receive(hand, IN_RECV, || received(receiver.recv()))?,
            };
            if !passed {
                break;
            }
            hand.linger();
        }
        hand.call(LEAVING, || drop(receiver));
        Ok(())
    }
}

impl Subject for Channels {
    fn name(&self) -> &'static str {
        "channel"
    }

    fn points(&self) -> &'static [&'static str] {
        POINTS
    }

    fn attach(&mut self, region: &Region) -> Outcome {
        self.region = Some(region.clone());
        // Whoever attaches comes, and goes again.
        drop((self.sender()?, self.receiver()?));
        Ok(())
    }

    fn detach(&mut self) {
        self.region = None;
    }

    fn work(&mut self, hand: &mut Hand<'_>) -> Outcome {
        if hand.numbers.once_in(2) { self.send(hand) } else { self.receive(hand) }
    }

    fn bury(&mut self, view: View<'_>, lane: &Lane, point: usize) {
        self.traffic.bury(view, lane, point);
    }

    /// Who waits for somebody who has not come yet is waited for by nobody.
    fn relieve(&mut self, view: View<'_>) -> Outcome {
        if somebody_is(view, IN_RECV) {
            let sender = self.sender()?;
            if sender.is_empty() {
                self.traffic.add(view, |message| sent(sender.try_send(message)))?;
            }
        }
        if somebody_is(view, IN_SEND) {
            let receiver = self.receiver()?;
            if receiver.is_full() {
                self.traffic.remove(view, || received(receiver.try_recv()))?;
            }
        }
        Ok(())
    }

    fn check(&mut self, view: View<'_>) -> Outcome {
        let (sender, receiver) = (self.sender()?, self.receiver()?);
        while self.traffic.remove(view, || received(receiver.try_recv()))? {}
        self.traffic.check(view, CAPACITY)?;
        match (sender.peers(), receiver.peers()) {
            (1, 1) => {}
            (receivers, senders) => {
                return Err(Fault::new(format!(
                    "{senders} processes can send and {receivers} receive, and nobody is there but one who looks"
                )));
            }
        }
        let loans: Vec<_> = std::iter::from_fn(|| sender.try_loan().ok()).collect();
        all_buffers(loans.len(), CAPACITY)
    }

    fn begin(&mut self, view: View<'_>) {
        self.traffic.begin_round(view);
    }

    fn state(&self, _view: View<'_>) -> String {
        let ends = self.sender().and_then(|sender| Ok((sender, self.receiver()?)));
        format!("{ends:?}, {:?}", self.traffic)
    }
}

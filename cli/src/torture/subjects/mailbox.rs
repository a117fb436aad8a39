//! A bounded mailbox, whose messages are delivered at most once: see the chronicle for what is promised of them. Workers have the
//! right to receive in turn: they claim it, leave it, and are killed with it.

use super::queue::all_buffers;
use super::traffic::{IN_RECV, IN_SEND, IN_TIMED_RECV, IN_TIMED_SEND, MOST, SHORT, Traffic, not_attached, somebody_is};
use crate::torture::fault::{Fault, Outcome};
use crate::torture::hand::Hand;
use crate::torture::journal::Lane;
use crate::torture::ledger::Message;
use crate::torture::subject::{Subject, View};
use selvedge::Region;
use selvedge::message::{self, Capacity, ClaimError, Letter, MailError, Mailbox, Port, PortOptions};
use selvedge::region::{QueueRecvError, QueueSendError};

const POINTS: &[&str] = &[
    "ready",
    "in send",
    "in recv",
    "in timed recv",
    "in timed send",
    "claiming the right",
    "has the right",
    "leaving the right",
];
const CLAIMING: usize = 5;
const HAS_RIGHT: usize = 6;
const LEAVING: usize = 7;

/// Its place among the chronicles.
const CHANNEL: usize = 5;
const CAPACITY: usize = 3;

pub(crate) struct Mailboxes {
    open: Option<Port>,
    traffic: Traffic,
}

impl Default for Mailboxes {
    fn default() -> Self {
        Self { open: None, traffic: Traffic::new(CHANNEL) }
    }
}

/// Whether it was sent, in the words of a queue, which has the message back if not.
pub(super) fn sent(answer: Result<(), MailError>, message: Message) -> Result<(), QueueSendError<Message>> {
    answer.map_err(|error| match error {
        MailError::Full => QueueSendError::Full(message),
        MailError::TimedOut => QueueSendError::TimedOut(message),
        MailError::OutOfMemory(name) => QueueSendError::OutOfMemory(message, name),
        MailError::TooManyThreads { limit } => QueueSendError::TooManyThreads(message, limit),
        MailError::Unusable(why, name) => QueueSendError::Unusable(message, why, name),
        MailError::Corrupt(name) => QueueSendError::Corrupt(message, name),
        other => QueueSendError::Corrupt(message, other.to_string().as_str().into()),
    })
}

/// What was received, in the words of a queue.
pub(super) fn received<T>(answer: Result<T, MailError>) -> Result<T, QueueRecvError> {
    answer.map_err(|error| match error {
        MailError::Empty => QueueRecvError::Empty,
        MailError::TimedOut => QueueRecvError::TimedOut,
        MailError::TooManyThreads { limit } => QueueRecvError::TooManyThreads { limit },
        MailError::Unusable(why, name) => QueueRecvError::Unusable(why, name),
        MailError::Corrupt(name) => QueueRecvError::Corrupt(name),
        other => QueueRecvError::Corrupt(other.to_string().as_str().into()),
    })
}

/// What a message says that is as long as it should be.
fn read(answer: Result<Letter<'_>, MailError>) -> Result<Message, QueueRecvError> {
    let letter = received(answer)?;
    // Any other length is told as a torn message.
    Ok(letter.read().unwrap_or_default())
}

impl Mailboxes {
    fn port(&self) -> Outcome<&Port> {
        self.open.as_ref().ok_or_else(not_attached)
    }

    fn send(&self, hand: &mut Hand<'_>) -> Outcome {
        let (port, traffic) = (self.port()?, &self.traffic);
        for _ in 0..1 + hand.numbers.below(MOST) {
            let passed = match hand.numbers.below(4) {
                0 => {
                    traffic.send(hand, IN_TIMED_SEND, |said| sent(port.try_send(&message::Message::of(&said)), said))?
                }
                1 => traffic.send(hand, IN_TIMED_SEND, |said| {
                    sent(port.send_timeout(&message::Message::of(&said), SHORT), said)
                })?,
                _ => traffic.send(hand, IN_SEND, |said| sent(port.send(&message::Message::of(&said)), said))?,
            };
            if !passed {
                break;
            }
            hand.linger();
        }
        Ok(())
    }

    /// The right to receive, if it is to be had soon.
    fn claim(&self, hand: &mut Hand<'_>) -> Outcome<Option<Mailbox>> {
        let port = self.port()?;
        let claimed = match hand.numbers.below(3) {
            0 => hand.call(CLAIMING, || port.try_claim()),
            _ => hand.call(CLAIMING, || port.claim_timeout(SHORT)),
        };
        match claimed {
            Ok(mailbox) => Ok(Some(mailbox)),
            Err(ClaimError::Taken | ClaimError::TimedOut) => Ok(None),
            Err(error) => Err(Fault::refused("claim", error)),
        }
    }

    fn receive(&self, hand: &mut Hand<'_>) -> Outcome {
        let Some(mailbox) = self.claim(hand)? else { return Ok(()) };
        for _ in 0..1 + hand.numbers.below(MOST) {
            hand.at(HAS_RIGHT);
            hand.linger();
            let passed = match hand.numbers.below(4) {
                0 => self.traffic.receive(hand, IN_TIMED_RECV, || read(mailbox.try_recv()))?,
                1 => self.traffic.receive(hand, IN_TIMED_RECV, || read(mailbox.recv_timeout(SHORT)))?,
                _ => self.traffic.receive(hand, IN_RECV, || read(mailbox.recv()))?,
            };
            if !passed {
                break;
            }
        }
        hand.call(LEAVING, || drop(mailbox));
        Ok(())
    }

    /// The inspector receives one, if nobody else has the right to. False: there was none, or somebody has.
    fn remove(&self, view: View<'_>) -> Outcome<bool> {
        match self.port()?.try_claim() {
            Ok(mailbox) => self.traffic.remove(view, || read(mailbox.try_recv())),
            Err(ClaimError::Taken) => Ok(false),
            Err(error) => Err(Fault::refused("claim", error)),
        }
    }
}

impl Subject for Mailboxes {
    fn name(&self) -> &'static str {
        "mailbox"
    }

    fn points(&self) -> &'static [&'static str] {
        POINTS
    }

    fn attach(&mut self, region: &Region) -> Outcome {
        let port = region.port("mailbox", &PortOptions::new(Capacity::Bounded(CAPACITY)).body(size_of::<Message>()));
        self.open = Some(port.map_err(|error| Fault::refused("port", error))?);
        Ok(())
    }

    fn detach(&mut self) {
        self.open = None;
    }

    fn work(&mut self, hand: &mut Hand<'_>) -> Outcome {
        if hand.numbers.once_in(2) { self.send(hand) } else { self.receive(hand) }
    }

    fn bury(&mut self, view: View<'_>, lane: &Lane, point: usize) {
        self.traffic.bury(view, lane, point);
    }

    fn relieve(&mut self, view: View<'_>) -> Outcome {
        let port = self.port()?;
        if somebody_is(view, IN_RECV) && port.is_empty() {
            self.traffic.add(view, |said| sent(port.try_send(&message::Message::of(&said)), said))?;
        }
        if somebody_is(view, IN_SEND) && port.is_full() {
            self.remove(view)?;
        }
        Ok(())
    }

    fn check(&mut self, view: View<'_>) -> Outcome {
        while self.remove(view)? {}
        // One that its receiver had taken when it was killed in its call lies before the line, and the heir takes it first.
        self.traffic.check(view, CAPACITY + 1)?;
        let port = self.port()?;
        let drafts: Vec<_> = std::iter::from_fn(|| port.try_draft().ok()).collect();
        all_buffers(drafts.len(), CAPACITY)
    }

    fn begin(&mut self, view: View<'_>) {
        self.traffic.begin_round(view);
    }

    fn state(&self, _view: View<'_>) -> String {
        let owner = self.port().map(Port::owner);
        format!("{:?}, {owner:?}, {:?}", self.port(), self.traffic)
    }
}

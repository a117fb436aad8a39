//! The bounded queue: see the chronicle for what is promised of its messages. Buffers of the dead come home.

use super::traffic::{
    IN_RECV, IN_SEND, IN_TIMED_RECV, IN_TIMED_SEND, MOST, SHORT, Traffic, granted, not_attached, somebody_is,
};
use crate::torture::fault::{Fault, Outcome};
use crate::torture::hand::Hand;
use crate::torture::journal::Lane;
use crate::torture::ledger::{Message, message};
use crate::torture::subject::{Subject, View};
use selvedge::Region;
use selvedge::region::{Queue, QueueSendError};

const POINTS: &[&str] = &[
    "ready",
    "in send",
    "in recv",
    "in timed recv",
    "in timed send",
    "in loan",
    "has a loan",
    "in drop of a loan",
    "has a message in place",
    "in drop of a message in place",
];
const IN_LOAN: usize = 5;
const HAS_LOAN: usize = 6;
const IN_LOAN_DROP: usize = 7;
const HAS_MESSAGE: usize = 8;
const IN_MESSAGE_DROP: usize = 9;

/// Its place among the chronicles.
const CHANNEL: usize = 0;
const CAPACITY: usize = 3;
/// Buffers of a queue beyond its capacity, in a region of so many threads as the torture's.
pub(super) const SPARE: usize = 64;

pub(crate) struct Queues {
    open: Option<Queue<Message>>,
    traffic: Traffic,
}

impl Default for Queues {
    fn default() -> Self {
        Self { open: None, traffic: Traffic::new(CHANNEL) }
    }
}

impl Queues {
    fn open(&self) -> Outcome<&Queue<Message>> {
        self.open.as_ref().ok_or_else(not_attached)
    }

    fn send(&self, hand: &mut Hand<'_>) -> Outcome {
        let (queue, traffic) = (self.open()?, &self.traffic);
        for _ in 0..1 + hand.numbers.below(MOST) {
            let sent = match hand.numbers.below(6) {
                0 => traffic.send(hand, IN_TIMED_SEND, |message| queue.try_send(message))?,
                1 => traffic.send(hand, IN_TIMED_SEND, |message| queue.send_timeout(message, SHORT))?,
                2 => self.send_a_loan(hand)?,
                _ => traffic.send(hand, IN_SEND, |message| queue.send(message))?,
            };
            if !sent {
                break;
            }
            hand.linger();
        }
        Ok(())
    }

    /// A message that is written in place, and sent or not.
    fn send_a_loan(&self, hand: &mut Hand<'_>) -> Outcome<bool> {
        let (queue, traffic) = (self.open()?, &self.traffic);
        let Some(number) = traffic.begin(hand) else { return Ok(false) };
        let chronicle = traffic.chronicle(hand);
        let mut loan = match hand.call(IN_LOAN, || queue.try_loan()) {
            Ok(loan) => loan,
            Err(error) => {
                chronicle.end(number, granted(Err(error))?);
                return Ok(false);
            }
        };
        loan[..2].copy_from_slice(&message(number)[..2]);
        hand.at(HAS_LOAN);
        loan[2..].copy_from_slice(&message(number)[2..]);
        hand.linger();
        if *loan != message(number) {
            return Err(Fault::new(format!("a loan has changed in its holder's hands: {:x?}", *loan)));
        }
        let refused = match hand.numbers.below(4) {
            0 => Err(QueueSendError::Full(loan)),
            1 => hand.call(IN_TIMED_SEND, || loan.send_timeout(SHORT)),
            _ => hand.call(IN_SEND, || loan.send()),
        };
        chronicle.end(number, refused.is_ok());
        // What is not sent goes back.
        let loan = match refused {
            Ok(()) => return Ok(true),
            Err(QueueSendError::Full(loan) | QueueSendError::TimedOut(loan)) => loan,
            Err(error) => return Err(Fault::refused("send of a loan", error)),
        };
        hand.call(IN_LOAN_DROP, || drop(loan));
        Ok(false)
    }

    fn receive(&self, hand: &mut Hand<'_>) -> Outcome {
        let (queue, traffic) = (self.open()?, &self.traffic);
        for _ in 0..1 + hand.numbers.below(MOST) {
            let received = match hand.numbers.below(6) {
                0 => traffic.receive(hand, IN_TIMED_RECV, || queue.try_recv())?,
                1 => traffic.receive(hand, IN_TIMED_RECV, || queue.recv_timeout(SHORT))?,
                2 => self.receive_in_place(hand)?,
                _ => traffic.receive(hand, IN_RECV, || queue.recv())?,
            };
            if !received {
                break;
            }
            hand.linger();
        }
        Ok(())
    }

    /// A message that is looked at in its buffer.
    fn receive_in_place(&self, hand: &mut Hand<'_>) -> Outcome<bool> {
        let (queue, traffic) = (self.open()?, &self.traffic);
        let Some((found, asked)) = traffic.ask(hand, IN_RECV, || queue.recv_in_place())? else { return Ok(false) };
        let before = *found;
        traffic.chronicle(hand).receive(before, asked)?;
        hand.at(HAS_MESSAGE);
        hand.linger();
        if *found != before {
            return Err(Fault::new(format!("{before:x?} has become {:x?} in its receiver's hands", *found)));
        }
        hand.call(IN_MESSAGE_DROP, || drop(found));
        Ok(true)
    }
}

impl Subject for Queues {
    fn name(&self) -> &'static str {
        "queue"
    }

    fn points(&self) -> &'static [&'static str] {
        POINTS
    }

    fn attach(&mut self, region: &Region) -> Outcome {
        self.open = Some(region.queue("queue", CAPACITY).map_err(|error| Fault::refused("queue", error))?);
        Ok(())
    }

    fn detach(&mut self) {
        self.open = None;
    }

    fn work(&mut self, hand: &mut Hand<'_>) -> Outcome {
        if hand.numbers.once_in(2) { self.send(hand) } else { self.receive(hand) }
    }

    fn bury(&mut self, view: View<'_>, lane: &Lane, point: usize) {
        match point {
            IN_LOAN | HAS_LOAN | IN_LOAN_DROP => self.traffic.was_not_sent(view, lane),
            _ => self.traffic.bury(view, lane, point),
        }
    }

    fn relieve(&mut self, view: View<'_>) -> Outcome {
        let (queue, traffic) = (self.open()?, &self.traffic);
        if somebody_is(view, IN_RECV) && queue.is_empty() {
            traffic.add(view, |message| queue.try_send(message))?;
        }
        if somebody_is(view, IN_SEND) && queue.len() == CAPACITY {
            traffic.remove(view, || queue.try_recv())?;
        }
        Ok(())
    }

    fn check(&mut self, view: View<'_>) -> Outcome {
        let (queue, traffic) = (self.open()?, &self.traffic);
        while traffic.remove(view, || queue.try_recv())? {}
        traffic.check(view, CAPACITY)?;
        let loans: Vec<_> = std::iter::from_fn(|| queue.try_loan().ok()).collect();
        all_buffers(loans.len(), CAPACITY)
    }

    fn begin(&mut self, view: View<'_>) {
        self.traffic.begin_round(view);
    }

    fn state(&self, _view: View<'_>) -> String {
        format!("{:?}, {:?}", self.open, self.traffic)
    }
}

/// So many buffers are there of a queue of this capacity that is empty.
pub(super) fn all_buffers(found: usize, capacity: usize) -> Outcome {
    let all = capacity + SPARE;
    if found == all {
        return Ok(());
    }
    Err(Fault::new(format!("{found} buffers of {all} are there, and nobody is there who has one")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::torture::journal::Journal;
    use crate::torture::worker;

    #[test]
    fn a_buffer_leaks() {
        let region = worker::options(1).anonymous().expect("a region");
        let mut subject = Queues::default();
        subject.attach(&region).expect("a queue");
        let view = View { journal: Journal::map().expect("a mapping"), subject: 1 };
        assert_eq!(subject.check(view), Ok(()));
        let other = region.queue::<Message>("queue", CAPACITY).expect("it is there");
        let loan = other.loan().expect("all are there");
        assert!(subject.check(view).expect_err("one is gone").to_string().contains("66 buffers of 67"));
        drop(loan);
        assert_eq!(subject.check(view), Ok(()));
    }
}

//! The work queue: every message is finished, nobody has what somebody has who lives, and who gets one again is told.

use super::queue::all_buffers;
use super::traffic::{IN_RECV, IN_SEND, IN_TIMED_RECV, IN_TIMED_SEND, MOST, SHORT, Traffic, not_attached, somebody_is};
use crate::torture::chronicle::Chronicle;
use crate::torture::fault::{Fault, Outcome};
use crate::torture::hand::{Hand, identity};
use crate::torture::journal::{LANES, Lane};
use crate::torture::ledger::Message;
use crate::torture::subject::{Subject, View};
use selvedge::Region;
use selvedge::region::{QueueRecvError, WorkQueue};

const POINTS: &[&str] =
    &["ready", "in send", "in recv", "in timed recv", "in timed send", "has a lease", "in ack", "in drop of a lease"];
const HAS_LEASE: usize = 5;
const IN_ACK: usize = 6;
const IN_LEASE_DROP: usize = 7;

/// Its place among the chronicles.
const CHANNEL: usize = 1;
const CAPACITY: usize = 3;

pub(crate) struct WorkQueues {
    open: Option<WorkQueue<Message>>,
    traffic: Traffic,
}

impl Default for WorkQueues {
    fn default() -> Self {
        Self { open: None, traffic: Traffic::new(CHANNEL) }
    }
}

impl WorkQueues {
    fn open(&self) -> Outcome<&WorkQueue<Message>> {
        self.open.as_ref().ok_or_else(not_attached)
    }

    fn send(&self, hand: &mut Hand<'_>) -> Outcome {
        let (queue, traffic) = (self.open()?, &self.traffic);
        for _ in 0..1 + hand.numbers.below(MOST) {
            let sent = match hand.numbers.below(4) {
                0 => traffic.send(hand, IN_TIMED_SEND, |message| queue.try_send(message))?,
                1 => traffic.send(hand, IN_TIMED_SEND, |message| queue.send_timeout(message, SHORT))?,
                _ => traffic.send(hand, IN_SEND, |message| queue.send(message))?,
            };
            if !sent {
                break;
            }
            hand.linger();
        }
        Ok(())
    }

    /// Takes a message, and finishes it or puts it back. False: there was none.
    fn receive(&self, hand: &mut Hand<'_>) -> Outcome<bool> {
        let (queue, traffic) = (self.open()?, &self.traffic);
        let leased = match hand.numbers.below(4) {
            0 => traffic.ask(hand, IN_TIMED_RECV, || queue.try_recv())?,
            1 => traffic.ask(hand, IN_TIMED_RECV, || queue.recv_timeout(SHORT))?,
            _ => traffic.ask(hand, IN_RECV, || queue.recv())?,
        };
        let Some((lease, asked)) = leased else { return Ok(false) };
        let (chronicle, found) = (traffic.chronicle(hand), *lease);
        let identity = hand.identity();
        let number = chronicle.lease(hand.journal, identity, (found, lease.redelivered()), asked)?;
        hand.at(HAS_LEASE);
        hand.linger();
        if *lease != found {
            return Err(Fault::new(format!("{found:x?} has become {:x?} in its holder's hands", *lease)));
        }
        if hand.numbers.once_in(4) {
            chronicle.put_back(number);
            hand.call(IN_LEASE_DROP, || drop(lease));
        } else {
            chronicle.finish(number, identity, || hand.call(IN_ACK, || lease.ack()))?;
        }
        Ok(true)
    }
}

impl Subject for WorkQueues {
    fn name(&self) -> &'static str {
        "work-queue"
    }

    fn points(&self) -> &'static [&'static str] {
        POINTS
    }

    fn attach(&mut self, region: &Region) -> Outcome {
        self.open = Some(region.work_queue("jobs", CAPACITY).map_err(|error| Fault::refused("work queue", error))?);
        Ok(())
    }

    fn detach(&mut self) {
        self.open = None;
    }

    fn work(&mut self, hand: &mut Hand<'_>) -> Outcome {
        if hand.numbers.once_in(2) {
            return self.send(hand);
        }
        for _ in 0..1 + hand.numbers.below(MOST) {
            if !self.receive(hand)? {
                break;
            }
        }
        Ok(())
    }

    fn bury(&mut self, view: View<'_>, lane: &Lane, point: usize) {
        self.traffic.bury(view, lane, point);
    }

    fn relieve(&mut self, view: View<'_>) -> Outcome {
        let queue = self.open()?;
        let chronicle = Chronicle::of(view.journal, CHANNEL);
        // What came back is not counted by the queue.
        if somebody_is(view, IN_RECV) && queue.is_empty() && chronicle.unfinished(view.journal) == 0 {
            self.traffic.add(view, |message| queue.try_send(message))?;
        }
        if somebody_is(view, IN_SEND) && queue.len() == CAPACITY {
            Self::finish_one(queue, view)?;
        }
        Ok(())
    }

    fn check(&mut self, view: View<'_>) -> Outcome {
        let queue = self.open()?;
        while Self::finish_one(queue, view)? {}
        self.traffic.check_work(view, CAPACITY)?;
        let loans: Vec<_> = std::iter::from_fn(|| queue.try_loan().ok()).collect();
        all_buffers(loans.len(), CAPACITY)
    }

    fn begin(&mut self, view: View<'_>) {
        self.traffic.begin_round(view);
    }

    fn state(&self, view: View<'_>) -> String {
        let unfinished = Chronicle::of(view.journal, CHANNEL).unfinished(view.journal);
        format!("{:?}, {unfinished} to be finished, {:?}", self.open, self.traffic)
    }
}

impl WorkQueues {
    /// The inspector finishes a message. False: there is none.
    fn finish_one(queue: &WorkQueue<Message>, view: View<'_>) -> Outcome<bool> {
        let chronicle = Chronicle::of(view.journal, CHANNEL);
        let asked = chronicle.now();
        let lease = match queue.try_recv() {
            Ok(lease) => lease,
            Err(QueueRecvError::Empty) => return Ok(false),
            Err(error) => return Err(Fault::refused("recv", error)),
        };
        let inspector = identity(LANES - 1, 1);
        let number = chronicle.lease(view.journal, inspector, (*lease, lease.redelivered()), asked)?;
        chronicle.finish(number, inspector, || lease.ack())?;
        Ok(true)
    }
}

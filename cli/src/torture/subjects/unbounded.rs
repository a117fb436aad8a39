//! The unbounded queue: see the chronicle for what is promised of its messages. The memory of the dead is free again.

use super::traffic::{IN_RECV, IN_SEND, IN_TIMED_RECV, MOST, SHORT, Traffic, not_attached, somebody_is};
use crate::torture::fault::{Fault, Outcome};
use crate::torture::hand::Hand;
use crate::torture::journal::Lane;
use crate::torture::ledger::Message;
use crate::torture::subject::{Subject, View};
use selvedge::Region;
use selvedge::region::{QueueSendError, Unbounded};

const POINTS: &[&str] = &["ready", "in send", "in recv", "in timed recv"];

/// Its place among the chronicles.
const CHANNEL: usize = 2;
/// Small, so that it is used up now and then.
const QUOTA: usize = 12;

pub(crate) struct Unboundeds {
    open: Option<Unbounded<Message>>,
    traffic: Traffic,
}

impl Default for Unboundeds {
    fn default() -> Self {
        Self { open: None, traffic: Traffic::new(CHANNEL) }
    }
}

impl Unboundeds {
    fn open(&self) -> Outcome<&Unbounded<Message>> {
        self.open.as_ref().ok_or_else(not_attached)
    }

    fn send(&self, hand: &mut Hand<'_>) -> Outcome {
        let (queue, traffic) = (self.open()?, &self.traffic);
        for _ in 0..1 + hand.numbers.below(MOST) {
            if !traffic.send(hand, IN_SEND, |message| queue.send(message))? {
                break;
            }
            hand.linger();
        }
        Ok(())
    }

    fn receive(&self, hand: &mut Hand<'_>) -> Outcome {
        let (queue, traffic) = (self.open()?, &self.traffic);
        for _ in 0..1 + hand.numbers.below(MOST) {
            let received = match hand.numbers.below(4) {
                0 => traffic.receive(hand, IN_TIMED_RECV, || queue.try_recv())?,
                1 => traffic.receive(hand, IN_TIMED_RECV, || queue.recv_timeout(SHORT))?,
                _ => traffic.receive(hand, IN_RECV, || queue.recv())?,
            };
            if !received {
                break;
            }
            hand.linger();
        }
        Ok(())
    }

    /// All of the memory, and no more, can be used, and is free again.
    fn fill(queue: &Unbounded<Message>) -> Outcome {
        let in_use = queue.in_use();
        if in_use != 0 {
            return Err(Fault::new(format!("memory for {in_use} messages is in use, and the queue is empty")));
        }
        for number in 0..QUOTA as u64 {
            queue.send([number; 4]).map_err(|error| Fault::refused("send, when nobody is there,", error))?;
        }
        match queue.send([0; 4]) {
            Err(QueueSendError::OutOfMemory(..)) => {}
            Err(error) => return Err(Fault::refused("send beyond the quota", error)),
            Ok(()) => return Err(Fault::new("there was memory for more messages than the quota")),
        }
        for number in 0..QUOTA as u64 {
            match queue.try_recv() {
                Ok(found) if found == [number; 4] => {}
                other => return Err(Fault::new(format!("{other:x?} was received, expected {number}"))),
            }
        }
        Ok(())
    }
}

impl Subject for Unboundeds {
    fn name(&self) -> &'static str {
        "unbounded"
    }

    fn points(&self) -> &'static [&'static str] {
        POINTS
    }

    fn attach(&mut self, region: &Region) -> Outcome {
        let queue = region.unbounded("unbounded", QUOTA).map_err(|error| Fault::refused("unbounded queue", error))?;
        self.open = Some(queue);
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
        let queue = self.open()?;
        if somebody_is(view, IN_RECV) && queue.in_use() == 0 {
            self.traffic.add(view, |message| queue.send(message))?;
        }
        Ok(())
    }

    fn check(&mut self, view: View<'_>) -> Outcome {
        let (queue, traffic) = (self.open()?, &self.traffic);
        while traffic.remove(view, || queue.try_recv())? {}
        traffic.check(view, QUOTA)?;
        Self::fill(queue)
    }

    fn begin(&mut self, view: View<'_>) {
        self.traffic.begin_round(view);
    }

    fn state(&self, _view: View<'_>) -> String {
        format!("{:?}, {:?}", self.open, self.traffic)
    }
}

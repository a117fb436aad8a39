//! The rendezvous: see the chronicle for what is promised of its messages. None ever lies anywhere, and who waits for somebody
//! who waits for it does not sleep.

use super::traffic::{IN_RECV, IN_SEND, IN_TIMED_RECV, IN_TIMED_SEND, MOST, SHORT, Traffic, not_attached, somebody_is};
use crate::torture::fault::{Fault, Outcome};
use crate::torture::hand::Hand;
use crate::torture::journal::Lane;
use crate::torture::ledger::Message;
use crate::torture::subject::{Subject, View};
use selvedge::Region;
use selvedge::region::Rendezvous;

const POINTS: &[&str] = &["ready", "in send", "in recv", "in timed recv", "in timed send"];

/// Its place among the chronicles.
const CHANNEL: usize = 3;

pub(crate) struct Meetings {
    open: Option<Rendezvous<Message>>,
    traffic: Traffic,
}

impl Default for Meetings {
    fn default() -> Self {
        Self { open: None, traffic: Traffic::new(CHANNEL) }
    }
}

impl Meetings {
    fn open(&self) -> Outcome<&Rendezvous<Message>> {
        self.open.as_ref().ok_or_else(not_attached)
    }

    fn send(&self, hand: &mut Hand<'_>) -> Outcome {
        let (place, traffic) = (self.open()?, &self.traffic);
        for _ in 0..1 + hand.numbers.below(MOST) {
            let sent = match hand.numbers.below(4) {
                0 => traffic.send(hand, IN_TIMED_SEND, |message| place.try_send(message))?,
                1 => traffic.send(hand, IN_TIMED_SEND, |message| place.send_timeout(message, SHORT))?,
                _ => traffic.send(hand, IN_SEND, |message| place.send(message))?,
            };
            if !sent {
                break;
            }
            hand.linger();
        }
        Ok(())
    }

    fn receive(&self, hand: &mut Hand<'_>) -> Outcome {
        let (place, traffic) = (self.open()?, &self.traffic);
        for _ in 0..1 + hand.numbers.below(MOST) {
            let received = match hand.numbers.below(4) {
                0 => traffic.receive(hand, IN_TIMED_RECV, || place.try_recv())?,
                1 => traffic.receive(hand, IN_TIMED_RECV, || place.recv_timeout(SHORT))?,
                _ => traffic.receive(hand, IN_RECV, || place.recv())?,
            };
            if !received {
                break;
            }
            hand.linger();
        }
        Ok(())
    }
}

impl Subject for Meetings {
    fn name(&self) -> &'static str {
        "rendezvous"
    }

    fn points(&self) -> &'static [&'static str] {
        POINTS
    }

    fn attach(&mut self, region: &Region) -> Outcome {
        self.open = Some(region.rendezvous("rendezvous").map_err(|error| Fault::refused("rendezvous", error))?);
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
        let (place, traffic) = (self.open()?, &self.traffic);
        match (somebody_is(view, IN_SEND), somebody_is(view, IN_RECV)) {
            // Calls that do not wait pass a message only to somebody who waits, or from one.
            (true, false) => drop(traffic.remove(view, || place.try_recv())?),
            (false, true) => traffic.add(view, |message| place.try_send(message))?,
            _ => {}
        }
        Ok(())
    }

    fn check(&mut self, view: View<'_>) -> Outcome {
        let (place, traffic) = (self.open()?, &self.traffic);
        if traffic.remove(view, || place.try_recv())? {
            return Err(Fault::new("somebody sends, and nobody is there"));
        }
        let in_use = place.in_use();
        if in_use != 0 {
            return Err(Fault::new(format!("{in_use} messages are in hand, and nobody is there")));
        }
        traffic.check(view, 0)
    }

    fn begin(&mut self, view: View<'_>) {
        self.traffic.begin_round(view);
    }

    fn state(&self, _view: View<'_>) -> String {
        format!("{:?}, {:?}", self.open, self.traffic)
    }
}

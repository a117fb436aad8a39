//! A bounded mailbox, from which several receive, each message until somebody has finished with it: as of the work queue, nobody has
//! what somebody has who lives, and who gets one again is told. Some messages are too long for a buffer, and there are few places
//! for those.

use super::mailbox::{received, sent};
use super::queue::all_buffers;
use super::traffic::{IN_RECV, IN_SEND, IN_TIMED_RECV, IN_TIMED_SEND, MOST, SHORT, Traffic, not_attached, somebody_is};
use crate::torture::chronicle::Chronicle;
use crate::torture::fault::{Fault, Outcome};
use crate::torture::hand::{Hand, identity};
use crate::torture::journal::{LANES, Lane};
use crate::torture::ledger::Message;
use crate::torture::subject::{Subject, View};
use selvedge::Region;
use selvedge::message::{self, Capacity, Delivery, Letter, MailError, Mailbox, Port, PortOptions, Receivers};
use selvedge::region::QueueRecvError;

const POINTS: &[&str] = &[
    "ready",
    "in send",
    "in recv",
    "in timed recv",
    "in timed send",
    "has a letter",
    "in ack",
    "in put back",
    "coming to receive",
    "leaving",
];
const HAS_LETTER: usize = 5;
const IN_ACK: usize = 6;
const IN_PUT_BACK: usize = 7;
const COMING: usize = 8;
const LEAVING: usize = 9;

/// Its place among the chronicles.
const CHANNEL: usize = 6;
const CAPACITY: usize = 3;
/// Places for long messages.
const PLACES: usize = 2;
/// How often a long message says what it says.
const TIMES: usize = 30;
const LONG: usize = TIMES * size_of::<Message>();

pub(crate) struct LeasedMailboxes {
    open: Option<Port>,
    traffic: Traffic,
}

impl Default for LeasedMailboxes {
    fn default() -> Self {
        Self { open: None, traffic: Traffic::new(CHANNEL) }
    }
}

/// The body of a message; each third is a long one.
fn body(said: &Message) -> Vec<u8> {
    let times = if said[0].is_multiple_of(3) { TIMES } else { 1 };
    said.iter().flat_map(|word| word.to_ne_bytes()).collect::<Vec<u8>>().repeat(times)
}

/// What a letter says; zeros, if that is no body of a message.
fn read(letter: &Letter<'_>) -> Message {
    let mut said = Message::default();
    let bytes = letter.bytes();
    let words = bytes.chunks_exact(size_of::<u64>()).filter_map(|word| word.try_into().ok());
    said.iter_mut().zip(words).for_each(|(to, word)| *to = u64::from_ne_bytes(word));
    if bytes == body(&said) { said } else { Message::default() }
}

impl LeasedMailboxes {
    fn port(&self) -> Outcome<&Port> {
        self.open.as_ref().ok_or_else(not_attached)
    }

    fn receiver(&self) -> Outcome<Mailbox> {
        self.port()?.claim().map_err(|error| Fault::refused("claim", error))
    }

    fn send(&self, hand: &mut Hand<'_>) -> Outcome {
        let (port, traffic) = (self.port()?, &self.traffic);
        let post = |said: Message, call: &dyn Fn(&message::Message<'_>) -> Result<(), MailError>| {
            sent(call(&message::Message::bytes(&body(&said))), said)
        };
        for _ in 0..1 + hand.numbers.below(MOST) {
            let passed = match hand.numbers.below(4) {
                0 => traffic.send(hand, IN_TIMED_SEND, |said| post(said, &|letter| port.try_send(letter)))?,
                1 => {
                    traffic.send(hand, IN_TIMED_SEND, |said| post(said, &|letter| port.send_timeout(letter, SHORT)))?
                }
                _ => traffic.send(hand, IN_SEND, |said| post(said, &|letter| port.send(letter)))?,
            };
            if !passed {
                break;
            }
            hand.linger();
        }
        Ok(())
    }

    /// Takes a message, and finishes it or puts it back. False: there was none.
    fn receive(&self, mailbox: &Mailbox, hand: &mut Hand<'_>) -> Outcome<bool> {
        let traffic = &self.traffic;
        let leased = match hand.numbers.below(4) {
            0 => traffic.ask(hand, IN_TIMED_RECV, || received(mailbox.try_recv()))?,
            1 => traffic.ask(hand, IN_TIMED_RECV, || received(mailbox.recv_timeout(SHORT)))?,
            _ => traffic.ask(hand, IN_RECV, || received(mailbox.recv()))?,
        };
        let Some((letter, asked)) = leased else { return Ok(false) };
        let (chronicle, found) = (traffic.chronicle(hand), read(&letter));
        let identity = hand.identity();
        let number = chronicle.lease(hand.journal, identity, (found, letter.deliveries() > 1), asked)?;
        hand.at(HAS_LETTER);
        hand.linger();
        if read(&letter) != found {
            return Err(Fault::new(format!("{found:x?} has become {:x?} in its holder's hands", read(&letter))));
        }
        match hand.numbers.below(8) {
            0 => {
                chronicle.put_back(number);
                hand.call(IN_PUT_BACK, || letter.put_back());
            }
            1 => {
                chronicle.put_back(number);
                hand.call(IN_PUT_BACK, || drop(letter));
            }
            _ => chronicle.finish(number, identity, || hand.call(IN_ACK, || letter.ack()))?,
        }
        Ok(true)
    }

    /// The inspector finishes a message. False: there is none.
    fn finish_one(&self, view: View<'_>) -> Outcome<bool> {
        let (mailbox, chronicle) = (self.receiver()?, Chronicle::of(view.journal, CHANNEL));
        let asked = chronicle.now();
        let letter = match received(mailbox.try_recv()) {
            Ok(letter) => letter,
            Err(QueueRecvError::Empty) => return Ok(false),
            Err(error) => return Err(Fault::refused("recv", error)),
        };
        let inspector = identity(LANES - 1, 1);
        let number = chronicle.lease(view.journal, inspector, (read(&letter), letter.deliveries() > 1), asked)?;
        chronicle.finish(number, inspector, || letter.ack())?;
        Ok(true)
    }
}

impl Subject for LeasedMailboxes {
    fn name(&self) -> &'static str {
        "leased-mailbox"
    }

    fn points(&self) -> &'static [&'static str] {
        POINTS
    }

    fn attach(&mut self, region: &Region) -> Outcome {
        let options = PortOptions::new(Capacity::Bounded(CAPACITY))
            .body(size_of::<Message>())
            .long_bodies(PLACES, LONG)
            .receivers(Receivers::Several)
            .delivery(Delivery::AtLeastOnce);
        self.open = Some(region.port("leased mailbox", &options).map_err(|error| Fault::refused("port", error))?);
        Ok(())
    }

    fn detach(&mut self) {
        self.open = None;
    }

    fn work(&mut self, hand: &mut Hand<'_>) -> Outcome {
        if hand.numbers.once_in(2) {
            return self.send(hand);
        }
        let mailbox = hand.call(COMING, || self.receiver())?;
        for _ in 0..1 + hand.numbers.below(MOST) {
            if !self.receive(&mailbox, hand)? {
                break;
            }
        }
        hand.call(LEAVING, || drop(mailbox));
        Ok(())
    }

    fn bury(&mut self, view: View<'_>, lane: &Lane, point: usize) {
        self.traffic.bury(view, lane, point);
    }

    fn relieve(&mut self, view: View<'_>) -> Outcome {
        let (port, chronicle) = (self.port()?, Chronicle::of(view.journal, CHANNEL));
        if somebody_is(view, IN_RECV) && port.is_empty() && chronicle.unfinished(view.journal) == 0 {
            self.traffic.add(view, |said| sent(port.try_send(&message::Message::bytes(&body(&said))), said))?;
        }
        // For want of space, or of a place.
        if somebody_is(view, IN_SEND) && (port.is_full() || port.try_draft_for(LONG).is_err()) {
            self.finish_one(view)?;
        }
        Ok(())
    }

    fn check(&mut self, view: View<'_>) -> Outcome {
        while self.finish_one(view)? {}
        self.traffic.check_letters(view, CAPACITY)?;
        let port = self.port()?;
        let places: Vec<_> = std::iter::from_fn(|| port.try_draft_for(LONG).ok()).collect();
        if places.len() != PLACES {
            return Err(Fault::new(format!("{} places of {PLACES} are there, and nobody has one", places.len())));
        }
        drop(places);
        let drafts: Vec<_> = std::iter::from_fn(|| port.try_draft().ok()).collect();
        all_buffers(drafts.len(), CAPACITY)
    }

    fn begin(&mut self, view: View<'_>) {
        self.traffic.begin_round(view);
    }

    fn state(&self, view: View<'_>) -> String {
        let unfinished = Chronicle::of(view.journal, CHANNEL).unfinished(view.journal);
        format!("{:?}, {unfinished} to be finished, {:?}", self.open, self.traffic)
    }
}

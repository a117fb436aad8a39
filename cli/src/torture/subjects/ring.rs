//! The ring of messages: see the ledger for what is promised of each message.
//!
//! Workers take the roles in turn, and inherit them from the dead.

use crate::torture::fault::{Fault, Outcome};
use crate::torture::hand::{Hand, give_up, take_over};
use crate::torture::journal::Lane;
use crate::torture::ledger::{Excuse, Message, Table, message};
use crate::torture::subject::{Subject, View};
use selvedge::Region;
use selvedge::region::{IfGone, Receiver, RecvError, Ring, RoleError, SendError, Sender};
use selvedge::sync::Ordering;
use std::time::Duration;

const POINTS: &[&str] = &[
    "in sender",
    "has the sender",
    "in send",
    "in send of a loan",
    "in drop of the sender",
    "in receiver",
    "has the receiver",
    "in recv",
    "in batch",
    "has a batch",
    "in release of a batch",
    "in drop of the receiver",
];
const IN_SENDER: usize = 0;
const HAS_SENDER: usize = 1;
const IN_SEND: usize = 2;
const IN_LOAN: usize = 3;
const IN_SENDER_DROP: usize = 4;
const IN_RECEIVER: usize = 5;
const HAS_RECEIVER: usize = 6;
const IN_RECV: usize = 7;
const IN_BATCH: usize = 8;
const HAS_BATCH: usize = 9;
const IN_RELEASE: usize = 10;
const IN_RECEIVER_DROP: usize = 11;

/// Lane word: how many messages the receiver's call may take out.
const ASKED: usize = 0;
/// Lane word: what was received last before that.
const LAST: usize = 1;
/// Common words: who has the ends.
const SENDER: usize = 0;
const RECEIVER: usize = 1;
/// Its place among the ledgers.
const CHANNEL: usize = 0;
const CAPACITY: usize = 4;
/// Most messages of a loan.
const LOAN: usize = 3;
/// Most messages of a turn.
const MOST: u64 = 6;
/// A timed call that may run out.
const SHORT: Duration = Duration::from_micros(300);

#[derive(Default)]
pub(crate) struct Rings {
    open: Option<Ring<Message>>,
    excuses: Vec<Excuse>,
}

/// How a claim of a role went: nobody has it for a while, or it is ours.
fn claimed<End>(answer: Result<End, RoleError>) -> Outcome<Option<End>> {
    match answer {
        Ok(end) => Ok(Some(end)),
        Err(RoleError::Taken | RoleError::TimedOut) => Ok(None),
        Err(error) => Err(Fault::refused("taking an end of the ring", error)),
    }
}

/// Whether the call was granted; false: it ran out, or told of a death, once.
fn granted<T>(answer: Result<T, RecvError>) -> Outcome<Option<T>> {
    match answer {
        Ok(found) => Ok(Some(found)),
        Err(RecvError::Empty | RecvError::TimedOut) => Ok(None),
        Err(error) if error.departure().is_some() => Ok(None),
        Err(error) => Err(Fault::refused("recv", error)),
    }
}

fn sent<T>(answer: Result<(), SendError<T>>) -> Outcome<bool> {
    match answer {
        Ok(()) => Ok(true),
        Err(SendError::Full(_) | SendError::TimedOut(_)) => Ok(false),
        Err(error) if error.departure().is_some() => Ok(false),
        Err(error) => Err(Fault::refused("send", error)),
    }
}

impl Rings {
    fn open(&self) -> Outcome<&Ring<Message>> {
        self.open.as_ref().ok_or_else(|| Fault::new("a worker took a turn and was not attached"))
    }

    fn send(ring: &Ring<Message>, hand: &mut Hand<'_>) -> Outcome {
        let how = hand.numbers.below(3);
        let claim = hand.call(IN_SENDER, || match how {
            0 => ring.try_sender(),
            1 => ring.sender_timeout(SHORT),
            _ => ring.sender(),
        });
        let Some(sender) = claimed(claim)? else { return Ok(()) };
        take_over(hand, SENDER, sender.predecessor())?;
        let mut sender = sender.if_gone(IfGone::Wait);
        let table = Table::of(hand.journal, CHANNEL);
        for _ in 0..1 + hand.numbers.below(MOST) {
            hand.at(HAS_SENDER);
            hand.linger();
            let how = hand.numbers.below(4);
            let numbers = table.begin_batch(if how == 0 { LOAN } else { 1 });
            let Some(number) = numbers.first().copied() else { break };
            let count = match how {
                0 => Self::send_a_loan(&mut sender, &numbers, hand)?,
                1 => sent(hand.call(IN_SEND, || sender.send_timeout(message(number), SHORT)))?.into(),
                _ => sent(hand.call(IN_SEND, || sender.send(message(number))))?.into(),
            };
            numbers.iter().enumerate().for_each(|(index, number)| table.end(*number, index < count));
            if count == 0 {
                break;
            }
        }
        give_up(hand.journal, hand.subject, SENDER);
        hand.call(IN_SENDER_DROP, || drop(sender));
        Ok(())
    }

    /// Messages that are written in place and become visible together. Returns how many were sent.
    fn send_a_loan(sender: &mut Sender<Message>, numbers: &[u64], hand: &mut Hand<'_>) -> Outcome<usize> {
        let mut loan = match hand.call(IN_SEND, || sender.loan(numbers.len())) {
            Ok(loan) => loan,
            Err(error) => return sent(Err(error)).map(usize::from),
        };
        let count = loan.len();
        numbers.iter().skip(count).for_each(|number| Table::of(hand.journal, CHANNEL).end(*number, false));
        for (index, number) in numbers.iter().enumerate().take(count) {
            let place = loan.get_mut(index).ok_or_else(|| Fault::new("a loan has fewer messages than it says"))?;
            place[..2].copy_from_slice(&message(*number)[..2]);
            hand.at(IN_LOAN);
            place[2..].copy_from_slice(&message(*number)[2..]);
        }
        Ok(if sent(hand.call(IN_LOAN, || loan.send(count)))? { count } else { 0 })
    }

    fn receive(ring: &Ring<Message>, hand: &mut Hand<'_>) -> Outcome {
        let how = hand.numbers.below(3);
        let claim = hand.call(IN_RECEIVER, || match how {
            0 => ring.try_receiver(),
            1 => ring.receiver_timeout(SHORT),
            _ => ring.receiver(),
        });
        let Some(receiver) = claimed(claim)? else { return Ok(()) };
        take_over(hand, RECEIVER, receiver.predecessor())?;
        let mut receiver = receiver.if_gone(IfGone::Wait);
        let table = Table::of(hand.journal, CHANNEL);
        for _ in 0..1 + hand.numbers.below(MOST) {
            hand.at(HAS_RECEIVER);
            hand.linger();
            hand.word(ASKED).store(1, Ordering::Release);
            hand.word(LAST).store(table.last(), Ordering::Release);
            let how = hand.numbers.below(4);
            let found = match how {
                0 => Self::take_a_batch(&mut receiver, table, hand)?,
                1 => granted(hand.call(IN_RECV, || receiver.recv_timeout(SHORT)))?,
                _ => granted(hand.call(IN_RECV, || receiver.recv()))?,
            };
            let Some(found) = found else { break };
            table.receive(found)?;
        }
        give_up(hand.journal, hand.subject, RECEIVER);
        hand.call(IN_RECEIVER_DROP, || drop(receiver));
        Ok(())
    }

    /// Several messages, looked at in place. All but the last are written down here.
    fn take_a_batch(receiver: &mut Receiver<Message>, table: &Table, hand: &mut Hand<'_>) -> Outcome<Option<Message>> {
        let Some(batch) = granted(hand.call(IN_BATCH, || receiver.batch(CAPACITY)))? else { return Ok(None) };
        hand.at(HAS_BATCH);
        let mut found: Vec<Message> = (0..batch.len()).filter_map(|index| batch.get(index).copied()).collect();
        hand.word(ASKED).store(found.len() as u64, Ordering::Release);
        granted(hand.call(IN_RELEASE, || batch.release(found.len())))?;
        let last = found.pop();
        found.into_iter().try_for_each(|message| table.receive(message))?;
        Ok(last)
    }
}

impl Subject for Rings {
    fn name(&self) -> &'static str {
        "ring"
    }

    fn points(&self) -> &'static [&'static str] {
        POINTS
    }

    fn attach(&mut self, region: &Region) -> Outcome {
        self.open = Some(region.ring("ring", CAPACITY).map_err(|error| Fault::refused("ring", error))?);
        Ok(())
    }

    fn detach(&mut self) {
        self.open = None;
    }

    fn work(&mut self, hand: &mut Hand<'_>) -> Outcome {
        let ring = self.open()?;
        if hand.numbers.once_in(2) { Self::send(ring, hand) } else { Self::receive(ring, hand) }
    }

    fn bury(&mut self, view: View<'_>, lane: &Lane, point: usize) {
        if matches!(point, IN_RECV | IN_RELEASE) {
            self.excuses.push(Excuse { last: view.word(lane, LAST), most: view.word(lane, ASKED) });
        }
    }

    fn relieve(&mut self, view: View<'_>) -> Outcome {
        let (ring, table) = (self.open()?, Table::of(view.journal, CHANNEL));
        let (certain, possible) = table.pending(&self.excuses);
        let waits = |points: &[usize]| points.iter().any(|point| view.lanes_at(*point).next().is_some());
        if waits(&[IN_RECV, IN_BATCH])
            && certain == 0
            && let Some(mut sender) = claimed(ring.try_sender())?
            && let Some(number) = table.begin()
        {
            give_up(view.journal, view.subject, SENDER);
            table.end(number, sent(sender.try_send(message(number)))?);
        }
        if waits(&[IN_SEND])
            // The one that waits to be sent is among them.
            && possible > CAPACITY as u64
            && let Some(mut receiver) = claimed(ring.try_receiver())?
        {
            give_up(view.journal, view.subject, RECEIVER);
            if let Some(found) = granted(receiver.try_recv())? {
                table.receive(found)?;
            }
        }
        Ok(())
    }

    fn check(&mut self, view: View<'_>) -> Outcome {
        let (ring, table) = (self.open()?, Table::of(view.journal, CHANNEL));
        let free = || Fault::new("an end of the ring is taken, and nobody is there");
        let mut receiver = claimed(ring.try_receiver())?.ok_or_else(free)?.if_gone(IfGone::Wait);
        let sender = claimed(ring.try_sender())?.ok_or_else(free)?;
        loop {
            match receiver.try_recv() {
                Ok(found) => table.receive(found)?,
                Err(RecvError::Empty) => break,
                // Told once of a sender's death.
                Err(error) if error.departure().is_some() => {}
                Err(error) => return Err(Fault::refused("recv", error)),
            }
        }
        drop(sender);
        table.check(&self.excuses)
    }

    fn begin(&mut self, view: View<'_>) {
        view.clear();
        Table::of(view.journal, CHANNEL).clear();
        self.excuses.clear();
    }

    fn state(&self, _view: View<'_>) -> String {
        format!("{:?}, {:?}", self.open, self.excuses)
    }
}

//! What the subjects have in common in which any number send and receive: see the chronicle for what is promised.

use crate::torture::chronicle::{Chronicle, Excuse};
use crate::torture::fault::{Fault, Outcome};
use crate::torture::hand::Hand;
use crate::torture::journal::Lane;
use crate::torture::ledger::{Message, message};
use crate::torture::subject::View;
use selvedge::region::{QueueRecvError, QueueSendError};
use selvedge::sync::Ordering;
use std::time::Duration;

/// The first points of all of them.
pub(super) const READY: usize = 0;
pub(super) const IN_SEND: usize = 1;
pub(super) const IN_RECV: usize = 2;
pub(super) const IN_TIMED_RECV: usize = 3;
pub(super) const IN_TIMED_SEND: usize = 4;

/// Lane word: the number of the message that is being sent.
const NUMBER: usize = 0;
/// Lane word: when the receiver's call began.
const ASKED: usize = 1;
/// Most messages of a turn.
pub(super) const MOST: u64 = 6;
/// A timed call that may run out.
pub(super) const SHORT: Duration = Duration::from_micros(300);

/// A queue of some kind under torture.
#[derive(Debug)]
pub(super) struct Traffic {
    channel: usize,
    /// Receivers that were killed in their calls.
    excuses: Vec<Excuse>,
}

/// Whether it was sent; false: there was no room, or nobody who would have received it.
pub(super) fn granted<T>(answer: Result<(), QueueSendError<T>>) -> Outcome<bool> {
    match answer {
        Ok(()) => Ok(true),
        Err(QueueSendError::Full(_) | QueueSendError::TimedOut(_) | QueueSendError::OutOfMemory(..)) => Ok(false),
        Err(error) => Err(Fault::refused("send", error)),
    }
}

impl Traffic {
    /// With its place among the chronicles.
    pub(super) fn new(channel: usize) -> Self {
        Self { channel, excuses: Vec::new() }
    }

    pub(super) fn chronicle<'a>(&self, hand: &Hand<'a>) -> &'a Chronicle {
        Chronicle::of(hand.journal, self.channel)
    }

    /// Notes that the worker is about to send, and what. None: the round has had enough.
    pub(super) fn begin(&self, hand: &mut Hand<'_>) -> Option<u64> {
        hand.at(READY);
        let number = self.chronicle(hand).begin()?;
        hand.word(NUMBER).store(number, Ordering::Release);
        Some(number)
    }

    /// Sends one message by `call`, at `point`. False: it was not sent.
    pub(super) fn send(
        &self,
        hand: &mut Hand<'_>,
        point: usize,
        call: impl FnOnce(Message) -> Result<(), QueueSendError<Message>>,
    ) -> Outcome<bool> {
        let Some(number) = self.begin(hand) else { return Ok(false) };
        let sent = granted(hand.call(point, || call(message(number))))?;
        self.chronicle(hand).end(number, sent);
        Ok(sent)
    }

    /// Asks for one message by `call`, at `point`: what came, and when it was asked for.
    pub(super) fn ask<T>(
        &self,
        hand: &mut Hand<'_>,
        point: usize,
        call: impl FnOnce() -> Result<T, QueueRecvError>,
    ) -> Outcome<Option<(T, u64)>> {
        hand.at(READY);
        let chronicle = self.chronicle(hand);
        let asked = chronicle.now();
        hand.word(ASKED).store(asked, Ordering::Release);
        match hand.call(point, call) {
            Ok(found) => Ok(Some((found, asked))),
            Err(QueueRecvError::Empty | QueueRecvError::TimedOut) => {
                chronicle.found_nothing(asked);
                Ok(None)
            }
            Err(error) => Err(Fault::refused("recv", error)),
        }
    }

    /// Receives one message by `call`, at `point`. False: there was none.
    pub(super) fn receive(
        &self,
        hand: &mut Hand<'_>,
        point: usize,
        call: impl FnOnce() -> Result<Message, QueueRecvError>,
    ) -> Outcome<bool> {
        let Some((found, asked)) = self.ask(hand, point, call)? else { return Ok(false) };
        self.chronicle(hand).receive(found, asked)?;
        Ok(true)
    }

    /// A worker was killed at `point`.
    pub(super) fn bury(&mut self, view: View<'_>, lane: &Lane, point: usize) {
        let chronicle = Chronicle::of(view.journal, self.channel);
        match point {
            IN_SEND | IN_TIMED_SEND => chronicle.sender_died(view.word(lane, NUMBER)),
            IN_RECV | IN_TIMED_RECV => {
                self.excuses.push(Excuse { asked: view.word(lane, ASKED), died: chronicle.now() });
            }
            _ => {}
        }
    }

    /// A worker was killed that had not begun to send what it was to send.
    pub(super) fn was_not_sent(&self, view: View<'_>, lane: &Lane) {
        Chronicle::of(view.journal, self.channel).end(view.word(lane, NUMBER), false);
    }

    /// The inspector sends a message by `call`.
    pub(super) fn add(
        &self,
        view: View<'_>,
        call: impl FnOnce(Message) -> Result<(), QueueSendError<Message>>,
    ) -> Outcome {
        let chronicle = Chronicle::of(view.journal, self.channel);
        let Some(number) = chronicle.begin_anyway() else { return Ok(()) };
        chronicle.end(number, granted(call(message(number)))?);
        Ok(())
    }

    /// The inspector receives a message by `call`. False: there was none.
    pub(super) fn remove(
        &self,
        view: View<'_>,
        call: impl FnOnce() -> Result<Message, QueueRecvError>,
    ) -> Outcome<bool> {
        let chronicle = Chronicle::of(view.journal, self.channel);
        let asked = chronicle.now();
        match call() {
            Ok(found) => chronicle.receive(found, asked).map(|()| true),
            Err(QueueRecvError::Empty) => Ok(false),
            Err(error) => Err(Fault::refused("recv", error)),
        }
    }

    /// The queue has been emptied, and nobody uses it.
    pub(super) fn check(&self, view: View<'_>, capacity: usize) -> Outcome {
        Chronicle::of(view.journal, self.channel).check(capacity, &self.excuses)
    }

    /// The same of a work queue.
    pub(super) fn check_work(&self, view: View<'_>, capacity: usize) -> Outcome {
        Chronicle::of(view.journal, self.channel).check_work(capacity, self.excuses.len())
    }

    /// The same of letters.
    pub(super) fn check_letters(&self, view: View<'_>, capacity: usize) -> Outcome {
        Chronicle::of(view.journal, self.channel).check_letters(capacity, &self.excuses)
    }

    /// A new round begins.
    pub(super) fn begin_round(&mut self, view: View<'_>) {
        view.clear();
        Chronicle::of(view.journal, self.channel).clear();
        self.excuses.clear();
    }
}

/// Whether somebody waits at `point` for as long as it takes.
pub(super) fn somebody_is(view: View<'_>, point: usize) -> bool {
    view.lanes_at(point).next().is_some()
}

/// A worker took a turn that was not attached.
pub(super) fn not_attached() -> Fault {
    Fault::new("a worker took a turn and was not attached")
}

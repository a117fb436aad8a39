//! The oracle of channels: what became of each message.
//!
//! **Purpose.** Messages are numbered, and the journal has a word for each: who sends writes down before and after, who
//! receives after. A number is used once in a round. At the end of the round the channel is emptied, and the words say
//! whether a message was lost, doubled, invented or overtaken.
//!
//! **What may be missing.** A message whose sender died before the call returned may have been sent or not. A receiver that
//! was killed in its call may have taken what it did not live to write down: as many messages as it asked for, the next
//! ones after the last that was written down before.

use super::fault::{Fault, Outcome};
use super::journal::Journal;
use selvedge::sync::{AtomicU32, AtomicU64, Ordering};
use std::collections::BTreeSet;

/// Most messages of a channel in a round.
pub(crate) const MESSAGES: usize = 1 << 15;

/// How many of them are kept for the inspector.
const RESERVE: u64 = 64;

/// A message: its number and what tells a whole one from a torn one.
pub(crate) type Message = [u64; 4];

/// Somebody is about to send it.
const BEGUN: u32 = 1;
/// The call returned: it was sent.
const SENT: u32 = 2;
/// The call returned: it was not.
const NOT_SENT: u32 = 4;
/// Somebody received it.
const RECEIVED: u32 = 8;
/// It is of one batch with the message before it: both become visible together.
const FOLLOWS: u32 = 16;
/// How far behind the last message that a receiver wrote down its end may have been felt, in messages.
const REACH: u64 = 16;

/// What became of the messages of one channel. Numbers begin with 1.
#[repr(C)]
pub(crate) struct Table {
    next: AtomicU64,
    last: AtomicU64,
    states: [AtomicU32; MESSAGES],
}

/// The message with this number.
pub(crate) fn message(number: u64) -> Message {
    [number, !number, number.wrapping_mul(0x9e37_79b9_7f4a_7c15), number.rotate_left(32)]
}

/// A receiver that was killed in its call, having written down `last` before, when it had asked for `most`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Excuse {
    pub(crate) last: u64,
    pub(crate) most: u64,
}

impl Table {
    /// Of the channel with this number.
    pub(crate) fn of(journal: &Journal, channel: usize) -> &Self {
        &journal.tables[channel]
    }

    fn state(&self, number: u64) -> Option<&AtomicU32> {
        self.states.get(usize::try_from(number).ok()?)
    }

    /// The number of the next message, by who has the sending end. None: there is no room for more.
    pub(crate) fn begin(&self) -> Option<u64> {
        let number = self.next.load(Ordering::Acquire) + 1;
        let state = self.state(number)?;
        self.next.store(number, Ordering::Release);
        state.store(BEGUN, Ordering::Release);
        Some(number)
    }

    /// The numbers of the next `count` messages, which are sent as one batch; none if the round has had enough.
    pub(crate) fn begin_batch(&self, count: usize) -> Vec<u64> {
        if self.next.load(Ordering::Acquire) + RESERVE > MESSAGES as u64 {
            return Vec::new();
        }
        let numbers: Vec<u64> = (0..count).map_while(|_| self.begin()).collect();
        for state in numbers.iter().skip(1).filter_map(|number| self.state(*number)) {
            state.fetch_or(FOLLOWS, Ordering::AcqRel);
        }
        numbers
    }

    /// The call returned, and the message was sent, or not.
    pub(crate) fn end(&self, number: u64, sent: bool) {
        if let Some(state) = self.state(number) {
            state.fetch_or(if sent { SENT } else { NOT_SENT }, Ordering::AcqRel);
        }
    }

    /// The last number that was received, even by somebody who did not live to write down that it is the last.
    pub(crate) fn last(&self) -> u64 {
        let (last, next) = (self.last.load(Ordering::Acquire), self.next.load(Ordering::Acquire));
        let received =
            |number: &u64| self.state(*number).is_some_and(|state| state.load(Ordering::Acquire) & RECEIVED != 0);
        (last..=next).rev().find(received).unwrap_or(last)
    }

    /// Somebody who has the receiving end received this.
    pub(crate) fn receive(&self, found: Message) -> Outcome {
        let number = found[0];
        if found != message(number) {
            return Err(Fault::new(format!("a torn message: {found:x?}")));
        }
        let state = self.state(number).ok_or_else(|| Fault::new(format!("message {number} was invented")))?;
        let before = state.fetch_or(RECEIVED, Ordering::AcqRel);
        if before & RECEIVED != 0 {
            return Err(Fault::new(format!("message {number} was received twice")));
        }
        if before & BEGUN == 0 || before & NOT_SENT != 0 {
            return Err(Fault::new(format!("message {number} was received and never sent")));
        }
        let last = self.last.load(Ordering::Acquire);
        if number <= last {
            return Err(Fault::new(format!("message {number} was received after message {last}")));
        }
        self.last.store(number, Ordering::Release);
        Ok(())
    }

    /// How many messages are there for sure, and at most, that nobody has received.
    pub(crate) fn pending(&self, excuses: &[Excuse]) -> (u64, u64) {
        let (last, excused) = (self.last(), self.excused(excuses));
        let numbers = || last + 1..=self.next.load(Ordering::Acquire);
        let certain = numbers().filter(|number| self.has(*number, SENT) && !excused.contains(number));
        let possible = numbers().filter(|number| !self.has(*number, NOT_SENT));
        (certain.count() as u64, possible.count() as u64)
    }

    fn has(&self, number: u64, bit: u32) -> bool {
        self.state(number).is_some_and(|state| state.load(Ordering::Acquire) & bit != 0)
    }

    /// The messages that may have gone with their receivers: the first ones after what each of these received last.
    fn excused(&self, excuses: &[Excuse]) -> BTreeSet<u64> {
        let mut excused = BTreeSet::new();
        for excuse in excuses {
            let taken =
                |number: &u64| self.has(*number, RECEIVED) || (self.has(*number, SENT) && !excused.contains(number));
            let numbers = excuse.last + 1..=self.next.load(Ordering::Acquire);
            let most = usize::try_from(excuse.most).unwrap_or(0);
            let taken: Vec<u64> = numbers.filter(taken).take(most).collect();
            excused.extend(taken.into_iter().filter(|number| !self.has(*number, RECEIVED)));
        }
        excused
    }

    /// The channel is empty and nobody uses it: is anything lost?
    pub(crate) fn check(&self, excuses: &[Excuse]) -> Outcome {
        let excused = self.excused(excuses);
        let lost = |number: &u64| self.has(*number, SENT) && !self.has(*number, RECEIVED) && !excused.contains(number);
        let lost: Vec<u64> = (1..=self.next.load(Ordering::Acquire)).filter(lost).collect();
        if lost.is_empty() {
            return self.check_batches(excuses);
        }
        Err(Fault::new(format!(
            "messages {lost:?} were sent and nobody received them; these may have gone with their receivers: {excused:?}"
        )))
    }

    /// Of a batch whose sender died in its call, all was seen or nothing.
    fn check_batches(&self, excuses: &[Excuse]) -> Outcome {
        let all: Vec<u64> = (1..=self.next.load(Ordering::Acquire)).collect();
        for batch in all.chunk_by(|_, next| self.has(*next, FOLLOWS)) {
            // There may have been no room for the rest of it.
            let batch: Vec<u64> = batch.iter().copied().filter(|number| !self.has(*number, NOT_SENT)).collect();
            if batch.is_empty() {
                continue;
            }
            let (first, last) = (batch[0], batch[batch.len() - 1]);
            let received = batch.iter().filter(|number| self.has(**number, RECEIVED)).count();
            // A receiver that died may have taken a part along.
            let is_near = |excuse: &Excuse| excuse.last <= last && excuse.last + REACH >= first;
            if (1..batch.len()).contains(&received) && !excuses.iter().any(is_near) {
                return Err(Fault::new(format!(
                    "of the batch of messages {first} to {last} only {received} were seen"
                )));
            }
        }
        Ok(())
    }

    /// A new round begins.
    pub(crate) fn clear(&self) {
        for number in 0..=self.next.load(Ordering::Acquire) {
            if let Some(state) = self.state(number) {
                state.store(0, Ordering::Relaxed);
            }
        }
        self.next.store(0, Ordering::Release);
        self.last.store(0, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A table in which these messages were sent.
    fn sent(count: u64) -> &'static Table {
        let table = Table::of(Journal::map().expect("a mapping"), 0);
        for _ in 0..count {
            let number = table.begin().expect("there is room");
            table.end(number, true);
        }
        table
    }

    fn receive(table: &Table, numbers: &[u64]) {
        numbers.iter().for_each(|number| table.receive(message(*number)).expect("it was sent"));
    }

    fn complaint<T: std::fmt::Debug>(outcome: Outcome<T>) -> String {
        outcome.expect_err("a fault").to_string()
    }

    #[test]
    fn all_is_well() {
        let table = sent(3);
        receive(table, &[1, 2, 3]);
        assert_eq!(table.check(&[]), Ok(()));
    }

    #[test]
    fn a_message_is_lost() {
        let table = sent(3);
        receive(table, &[1, 3]);
        assert!(complaint(table.check(&[])).contains("[2] were sent and nobody received"));
        // As the last one, too.
        let table = sent(3);
        receive(table, &[1, 2]);
        assert!(complaint(table.check(&[])).contains("[3] were sent"));
    }

    #[test]
    fn a_message_comes_twice() {
        let table = sent(3);
        receive(table, &[1, 2]);
        assert!(complaint(table.receive(message(2))).contains("received twice"));
    }

    #[test]
    fn a_message_is_torn() {
        let table = sent(2);
        let mut torn = message(1);
        torn[3] = message(2)[3];
        assert!(complaint(table.receive(torn)).contains("torn"));
    }

    #[test]
    fn a_message_is_invented() {
        let table = sent(1);
        assert!(complaint(table.receive(message(2))).contains("never sent"));
        let number = table.begin().expect("there is room");
        table.end(number, false);
        assert!(complaint(table.receive(message(number))).contains("never sent"));
        assert!(complaint(table.receive(message(u64::MAX))).contains("invented"));
    }

    #[test]
    fn a_message_is_overtaken() {
        let table = sent(2);
        receive(table, &[2]);
        assert!(complaint(table.receive(message(1))).contains("after message 2"));
    }

    #[test]
    fn a_dead_sender_may_have_sent_or_not() {
        let table = sent(1);
        table.begin().expect("there is room");
        receive(table, &[1]);
        assert_eq!(table.check(&[]), Ok(()));
        receive(table, &[2]);
        assert_eq!(table.check(&[]), Ok(()));
    }

    #[test]
    fn a_batch_of_a_dead_sender_is_whole_or_not_there() {
        let table = sent(1);
        receive(table, &[1]);
        assert_eq!(table.begin_batch(3), [2, 3, 4]);
        assert_eq!(table.check(&[]), Ok(()));
        receive(table, &[2, 3]);
        assert!(complaint(table.check(&[])).contains("messages 2 to 4 only 2"));
        assert_eq!(table.check(&[Excuse { last: 3, most: 1 }]), Ok(()));
        receive(table, &[4]);
        assert_eq!(table.check(&[]), Ok(()));
    }

    #[test]
    fn a_dead_receiver_takes_the_next_ones_along_and_no_others() {
        let table = sent(4);
        receive(table, &[1]);
        let died = Excuse { last: 1, most: 2 };
        assert_eq!(table.pending(&[died]), (1, 3));
        receive(table, &[4]);
        assert_eq!(table.check(&[died]), Ok(()));
        assert!(complaint(table.check(&[Excuse { last: 1, most: 1 }])).contains("[3]"));
        assert!(complaint(table.check(&[Excuse { last: 2, most: 2 }])).contains("[2]"));
        assert_eq!(table.check(&[Excuse { last: 1, most: 1 }, Excuse { last: 1, most: 1 }]), Ok(()));
    }

    #[test]
    fn what_the_dead_did_not_take_excuses_nothing_later() {
        let table = sent(3);
        receive(table, &[1, 3]);
        assert!(complaint(table.check(&[Excuse { last: 0, most: 1 }])).contains("[2]"));
    }
}

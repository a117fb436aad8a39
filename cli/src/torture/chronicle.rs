//! The oracle of queues: when each message was sent and received, by a clock that all processes share.
//!
//! **Purpose.** Any number of senders and receivers are at it at once, so nobody sees the order of things. But whoever calls
//! reads the clock before and after, and what lies between two readings surely came before what lies after them. At the end of
//! the round the queue is emptied, and all that was written down is compared with what a queue may do. A number is used once
//! in a round.
//!
//! **What is checked.**
//!
//! | promise | by what is written down |
//! |---|---|
//! | nothing twice, torn or invented | at once, by who receives it |
//! | no message overtakes | if one was sent before another was begun, that other was not received before the one was asked for |
//! | capacity | so many messages at most were sent and nobody asked for them yet, at any time; zero: none ever lay anywhere |
//! | "empty" | no message was there for the whole time of a call that found none |
//! | nothing lost | a message that was sent and that nobody received went with a receiver that was killed in its call, at a time when it could have taken that one; each took one at most |
//! | leases | nobody has what somebody has who lives, nothing comes back that was finished, and what comes again is marked |

use super::fault::{Fault, Outcome};
use super::hand::named_by;
use super::journal::Journal;
use super::ledger::{Message, message};
use selvedge::sync::{AtomicU64, Ordering};

/// Most messages of a queue in a round.
const MESSAGES: usize = 1 << 14;
/// How many of them are kept for the inspector.
const RESERVE: u64 = 1 << 10;
/// A report shows what was at most so far away.
const NEAR: u64 = 50;
/// How many calls that found nothing are written down in a round.
const BLANKS: usize = 1 << 11;

/// The call returned, and the message was sent, or not. Zero: nobody lived to say.
const SENT: u64 = 1;
const NOT_SENT: u64 = 2;
/// The lease of a message that is finished, and of one that its holder is just finishing.
const FINISHED: u64 = u64::MAX;
const FINISHING: u64 = 1 << 63;

/// What became of the messages of one queue. Numbers and times begin with 1.
#[repr(C)]
pub(crate) struct Chronicle {
    clock: AtomicU64,
    next: AtomicU64,
    entries: [Entry; MESSAGES],
    blanks: [[AtomicU64; 2]; BLANKS],
    blank: AtomicU64,
    /// Messages that came back from somebody who did not live to write down that it had them.
    unseen: AtomicU64,
}

/// One message.
#[repr(C)]
struct Entry {
    begun: AtomicU64,
    ended: AtomicU64,
    outcome: AtomicU64,
    asked: AtomicU64,
    received: AtomicU64,
    /// Of work queues: who has it, and how often somebody got it.
    lease: AtomicU64,
    deliveries: AtomicU64,
}

/// An entry as of the end of the round. Times that are not known are as early, or as late, as they can be.
#[derive(Clone, Copy, Debug)]
struct Record {
    number: u64,
    begun: u64,
    ended: u64,
    sent: bool,
    /// When it was asked for and had been received; none: nobody did.
    taken: Option<(u64, u64)>,
}

/// A receiver that was killed in its call, which began and was over for sure at these times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Excuse {
    pub(crate) asked: u64,
    pub(crate) died: u64,
}

impl Chronicle {
    /// Of the queue with this number.
    pub(crate) fn of(journal: &Journal, channel: usize) -> &Self {
        &journal.chronicles[channel]
    }

    /// What time it is. It is never so late again.
    pub(crate) fn now(&self) -> u64 {
        // Sequentially consistent: what is before and after is what all of this is about.
        self.clock.fetch_add(1, Ordering::SeqCst) + 1
    }

    fn entry(&self, number: u64) -> Option<&Entry> {
        self.entries.get(usize::try_from(number).ok()?)
    }

    /// The number of the next message, which its sender is about to send. None: the round has had enough.
    pub(crate) fn begin(&self) -> Option<u64> {
        let is_enough = self.next.load(Ordering::Acquire) + RESERVE > MESSAGES as u64;
        if is_enough { None } else { self.begin_anyway() }
    }

    /// As [`begin`](Self::begin), by the inspector.
    pub(crate) fn begin_anyway(&self) -> Option<u64> {
        let number = self.next.fetch_add(1, Ordering::AcqRel) + 1;
        self.entry(number)?.begun.store(self.now(), Ordering::Release);
        Some(number)
    }

    /// The call returned, and the message was sent, or not.
    pub(crate) fn end(&self, number: u64, sent: bool) {
        let Some(entry) = self.entry(number) else { return };
        entry.ended.store(self.now(), Ordering::Release);
        entry.outcome.store(if sent { SENT } else { NOT_SENT }, Ordering::Release);
    }

    /// Its sender is dead: if it was sent, then before now.
    pub(crate) fn sender_died(&self, number: u64) {
        if let Some(entry) = self.entry(number) {
            let _ = entry.ended.compare_exchange(0, self.now(), Ordering::AcqRel, Ordering::Relaxed);
        }
    }

    /// The entry of a message that somebody got.
    fn found(&self, found: Message) -> Outcome<(u64, &Entry)> {
        let number = found[0];
        if found != message(number) {
            return Err(Fault::new(format!("a torn message: {found:x?}")));
        }
        let entry = self.entry(number).ok_or_else(|| Fault::new(format!("message {number} was invented")))?;
        if entry.begun.load(Ordering::Acquire) == 0 || entry.outcome.load(Ordering::Acquire) == NOT_SENT {
            return Err(Fault::new(format!("message {number} was received and never sent")));
        }
        Ok((number, entry))
    }

    /// Somebody received this, in a call that began at `asked`.
    pub(crate) fn receive(&self, found: Message, asked: u64) -> Outcome {
        let (number, entry) = self.found(found)?;
        if entry.asked.compare_exchange(0, asked, Ordering::AcqRel, Ordering::Relaxed).is_err() {
            return Err(Fault::new(format!("message {number} was received twice")));
        }
        entry.received.store(self.now(), Ordering::Release);
        Ok(())
    }

    /// Somebody found nothing, in a call that began at `asked`.
    pub(crate) fn found_nothing(&self, asked: u64) {
        let index = usize::try_from(self.blank.fetch_add(1, Ordering::AcqRel)).ok();
        if let Some([begun, ended]) = index.and_then(|index| self.blanks.get(index)) {
            begun.store(asked, Ordering::Relaxed);
            ended.store(self.now(), Ordering::Release);
        }
    }

    /// Somebody got a lease of this, in a call that began at `asked`. Returns its number.
    pub(crate) fn lease(
        &self,
        journal: &Journal,
        identity: u64,
        (found, redelivered): (Message, bool),
        asked: u64,
    ) -> Outcome<u64> {
        let (number, entry) = self.found(found)?;
        match entry.lease.swap(identity, Ordering::AcqRel) {
            FINISHED => return Err(Fault::new(format!("message {number} came back, and was finished"))),
            before => {
                if let Some((lane, generation)) = named_by(before & !FINISHING)
                    && journal.lives(lane, generation)
                {
                    return Err(Fault::new(format!(
                        "message {number} is leased to two, of whom worker {generation} of lane {lane} lives"
                    )));
                }
            }
        }
        match (entry.deliveries.fetch_add(1, Ordering::AcqRel), redelivered) {
            (0, false) => self.receive(found, asked)?,
            (0, true) => drop(self.unseen.fetch_add(1, Ordering::AcqRel)),
            (_, true) => {}
            (times, false) => {
                return Err(Fault::new(format!("message {number} came {times} times before, and nobody was told")));
            }
        }
        Ok(number)
    }

    /// The lease is about to be dropped.
    pub(crate) fn put_back(&self, number: u64) {
        if let Some(entry) = self.entry(number) {
            entry.lease.store(0, Ordering::Release);
        }
    }

    /// Finishes a leased message by `finish`.
    pub(crate) fn finish(&self, number: u64, identity: u64, finish: impl FnOnce()) -> Outcome {
        let finishing = identity | FINISHING;
        let Some(entry) = self.entry(number) else { return Ok(()) };
        if entry.lease.swap(finishing, Ordering::AcqRel) != identity {
            return Err(Fault::new(format!("message {number} went to somebody else, and its holder lives")));
        }
        finish();
        match entry.lease.compare_exchange(finishing, FINISHED, Ordering::AcqRel, Ordering::Relaxed) {
            Ok(_) => Ok(()),
            Err(_) => Err(Fault::new(format!("message {number} came back while it was being finished"))),
        }
    }

    /// How many messages of a work queue are there for sure, with nobody alive who has them.
    pub(crate) fn unfinished(&self, journal: &Journal) -> usize {
        let is_there = |entry: &&Entry| {
            let lease = entry.lease.load(Ordering::Acquire);
            let is_had = named_by(lease & !FINISHING).is_some_and(|(lane, generation)| journal.lives(lane, generation));
            entry.outcome.load(Ordering::Acquire) == SENT && lease & FINISHING == 0 && !is_had
        };
        self.entries().filter(is_there).count()
    }

    fn entries(&self) -> impl Iterator<Item = &Entry> {
        (1..=self.next.load(Ordering::Acquire)).map_while(|number| self.entry(number))
    }

    /// All that was sent, or may have been.
    fn records(&self) -> Vec<Record> {
        let record = |(number, entry): (u64, &Entry)| {
            let [begun, ended, outcome, asked, received] =
                [&entry.begun, &entry.ended, &entry.outcome, &entry.asked, &entry.received]
                    .map(|word| word.load(Ordering::Acquire));
            let latest = |time: u64| if time == 0 { u64::MAX } else { time };
            let taken = (asked != 0).then(|| (asked, latest(received)));
            Record { number, begun, ended: latest(ended), sent: outcome == SENT, taken }
        };
        (1..).zip(self.entries()).map(record).filter(|record| record.sent || record.taken.is_some()).collect()
    }

    /// The queue, which holds so many messages, is empty, and nobody uses it: did it do what a queue does?
    pub(crate) fn check(&self, capacity: usize, excuses: &[Excuse]) -> Outcome {
        let mut records = self.records();
        self.check_order(&mut records, capacity)?;
        explained(&records, excuses)
    }

    /// The same of letters: one that a receiver had taken which was killed in its call comes again, and nobody is told of that. So it
    /// may come late, and lie beside as many as there is room for.
    pub(crate) fn check_letters(&self, capacity: usize, excuses: &[Excuse]) -> Outcome {
        let mut records = self.records();
        self.forget_late(&mut records);
        self.check_order(&mut records, capacity + excuses.len())?;
        explained(&records, excuses)?;
        self.check_finished()
    }

    /// The same of a work queue, with so many receivers that were killed in their calls.
    pub(crate) fn check_work(&self, capacity: usize, killed: usize) -> Outcome {
        self.check_order(&mut self.records(), capacity)?;
        self.check_finished()?;
        let unseen = self.unseen.load(Ordering::Acquire);
        if unseen > killed as u64 {
            return Err(Fault::new(format!(
                "{unseen} messages came back though nobody had them; {killed} receivers were killed in their calls"
            )));
        }
        Ok(())
    }

    fn check_finished(&self) -> Outcome {
        let is_lost = |entry: &Entry| {
            entry.outcome.load(Ordering::Acquire) == SENT && entry.lease.load(Ordering::Acquire) & FINISHING == 0
        };
        let lost: Vec<u64> =
            (1..).zip(self.entries()).filter(|(_, entry)| is_lost(entry)).map(|(number, _)| number).collect();
        if lost.is_empty() {
            Ok(())
        } else {
            Err(Fault::new(format!("messages {lost:?} were sent and nobody finished them")))
        }
    }

    /// When a message was taken is not known, if one that was sent later, or none, had been received before it was asked for.
    fn forget_late(&self, records: &mut [Record]) {
        let taken = |record: &Record| record.taken.map(|(_, at)| [record.begun, at]);
        let mut calls: Vec<[u64; 2]> = records.iter().filter_map(taken).chain(self.blanks()).collect();
        calls.sort_unstable();
        // Of each and all that began later the one that was over first.
        (1..calls.len()).rev().for_each(|index| calls[index - 1][1] = calls[index - 1][1].min(calls[index][1]));
        for record in records {
            let later = calls.partition_point(|[begun, _]| *begun <= record.ended);
            if let (Some((asked, _)), Some([_, over])) = (record.taken, calls.get(later))
                && *over < asked
            {
                record.taken = None;
            }
        }
    }

    /// The calls that found nothing, when they began and were over; in order.
    fn blanks(&self) -> Vec<[u64; 2]> {
        let times = |blank: &[AtomicU64; 2]| [&blank[0], &blank[1]].map(|word| word.load(Ordering::Acquire));
        let mut blanks: Vec<[u64; 2]> = self.blanks.iter().map(times).filter(|[_, ended]| *ended != 0).collect();
        blanks.sort_unstable();
        blanks
    }

    fn check_order(&self, records: &mut [Record], capacity: usize) -> Outcome {
        let mut received: Vec<(Record, u64, u64)> =
            records.iter().filter_map(|record| record.taken.map(|(asked, at)| (*record, asked, at))).collect();
        let mut earlier = Earlier::new(received.iter().map(|(record, asked, _)| (record.ended, *asked, record.number)));
        received.sort_by_key(|(record, ..)| record.begun);
        for (record, _, at) in &received {
            if let Some((asked, overtaken)) = earlier.before(record.begun)
                && *at < asked
            {
                let number = record.number;
                return Err(Fault::new(format!("message {number} was received before message {overtaken}")));
            }
        }
        self.check_blanks(&received)?;
        check_capacity(&received, capacity)
    }

    /// Who found nothing was right.
    fn check_blanks(&self, received: &[(Record, u64, u64)]) -> Outcome {
        let mut earlier = Earlier::new(received.iter().map(|(record, asked, _)| (record.ended, *asked, record.number)));
        for [begun, ended] in self.blanks() {
            if let Some((asked, number)) = earlier.before(begun)
                && ended < asked
            {
                return Err(Fault::new(format!("somebody found nothing while message {number} was there")));
            }
        }
        Ok(())
    }

    /// A new round begins.
    pub(crate) fn clear(&self) {
        for entry in self.entries() {
            let Entry { begun, ended, outcome, asked, received, lease, deliveries } = entry;
            let words = [begun, ended, outcome, asked, received, lease, deliveries];
            words.into_iter().for_each(|word| word.store(0, Ordering::Relaxed));
        }
        let blanks = usize::try_from(self.blank.load(Ordering::Acquire)).unwrap_or(BLANKS);
        self.blanks.iter().take(blanks).flatten().for_each(|word| word.store(0, Ordering::Relaxed));
        [&self.next, &self.blank, &self.unseen].into_iter().for_each(|word| word.store(0, Ordering::Release));
    }
}

/// Of the messages that had been sent by some time, the one that was asked for last.
struct Earlier {
    /// When they had been sent, when they were asked for, and which they are.
    all: std::iter::Peekable<std::vec::IntoIter<(u64, u64, u64)>>,
    last: Option<(u64, u64)>,
}

impl Earlier {
    fn new(messages: impl Iterator<Item = (u64, u64, u64)>) -> Self {
        let mut all: Vec<_> = messages.collect();
        all.sort_unstable();
        Self { all: all.into_iter().peekable(), last: None }
    }

    /// For times that only grow.
    fn before(&mut self, time: u64) -> Option<(u64, u64)> {
        while let Some((_, asked, number)) = self.all.next_if(|(ended, ..)| *ended < time) {
            self.last = self.last.max(Some((asked, number)));
        }
        self.last
    }
}

/// From the time a message had been sent to the time it was asked for it was surely there.
fn check_capacity(received: &[(Record, u64, u64)], capacity: usize) -> Outcome {
    let there = received.iter().filter(|(record, asked, _)| record.sent && record.ended < *asked);
    let mut changes: Vec<(u64, i64)> = there.flat_map(|(record, asked, _)| [(record.ended, 1), (*asked, -1)]).collect();
    changes.sort_unstable();
    let mut count = 0;
    let counts = changes.into_iter().map(|(_, change)| {
        count += change;
        count
    });
    let most = usize::try_from(counts.max().unwrap_or(0)).unwrap_or(0);
    if most <= capacity {
        return Ok(());
    }
    Err(Fault::new(format!("{most} messages were there at once, and there is room for {capacity}")))
}

/// Whatever was sent was received, or a receiver took it along that was killed in its call.
fn explained(records: &[Record], excuses: &[Excuse]) -> Outcome {
    let lost = lost(records, excuses);
    let Some(first) = lost.first() else { return Ok(()) };
    let numbers: Vec<u64> = lost.iter().map(|record| record.number).collect();
    let is_near =
        |excuse: &&Excuse| excuse.asked <= first.ended + NEAR && excuse.died.saturating_add(NEAR) >= first.begun;
    let near: Vec<&Excuse> = excuses.iter().filter(is_near).collect();
    Err(Fault::new(format!(
        "messages {numbers:?} were sent and nobody received them, the first of them {first:?}; receivers that were killed \
         about that time: {near:?}"
    )))
}

/// The messages that nobody received and that no receiver can have taken along.
fn lost(records: &[Record], excuses: &[Excuse]) -> Vec<Record> {
    // One that was received after all by somebody who did not live to say when.
    let was_received =
        |excuse: &&Excuse| records.iter().all(|record| record.taken.is_none_or(|(asked, _)| asked != excuse.asked));
    let excuses: Vec<Excuse> = excuses.iter().filter(was_received).copied().collect();
    let missing: Vec<&Record> = records.iter().filter(|record| record.taken.is_none()).collect();
    let possible: Vec<Vec<usize>> = missing
        .iter()
        .map(|record| {
            // It was taken before whatever was sent after it.
            let later = records.iter().filter(|later| later.begun > record.ended);
            let latest = later.filter_map(|later| later.taken).map(|(_, at)| at).min().unwrap_or(u64::MAX);
            let may_have = |excuse: &Excuse| record.begun < excuse.died && excuse.asked < latest;
            (0..excuses.len()).filter(|index| may_have(&excuses[*index])).collect()
        })
        .collect();
    let mut taken_by = vec![None; excuses.len()];
    let unexplained = |index: &usize| !explain(*index, &possible, &mut taken_by, &mut vec![false; excuses.len()]);
    let lost: Vec<usize> = (0..missing.len()).filter(unexplained).collect();
    lost.into_iter().map(|index| *missing[index]).collect()
}

/// Finds an excuse for a message, if need be by finding another one for another message.
fn explain(message: usize, possible: &[Vec<usize>], taken_by: &mut [Option<usize>], tried: &mut [bool]) -> bool {
    possible[message].iter().any(|excuse| {
        if std::mem::replace(&mut tried[*excuse], true) {
            return false;
        }
        let is_free = taken_by[*excuse].is_none_or(|other| explain(other, possible, taken_by, tried));
        if is_free {
            taken_by[*excuse] = Some(message);
        }
        is_free
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::torture::hand::identity;

    fn empty() -> (&'static Journal, &'static Chronicle) {
        let journal = Journal::map().expect("a mapping");
        (journal, Chronicle::of(journal, 0))
    }

    /// A chronicle in which these messages were sent, one after the other.
    fn sent(count: u64) -> &'static Chronicle {
        let (_, chronicle) = empty();
        (0..count).for_each(|_| send(chronicle));
        chronicle
    }

    fn send(chronicle: &Chronicle) {
        let number = chronicle.begin().expect("there is room");
        chronicle.end(number, true);
    }

    /// These are received, one after the other.
    fn receive(chronicle: &Chronicle, numbers: &[u64]) {
        for number in numbers {
            chronicle.receive(message(*number), chronicle.now()).expect("it was sent");
        }
    }

    fn complaint<T: std::fmt::Debug>(outcome: Outcome<T>) -> String {
        outcome.expect_err("a fault").to_string()
    }

    #[test]
    fn all_is_well() {
        let chronicle = sent(3);
        receive(chronicle, &[1, 2, 3]);
        chronicle.found_nothing(chronicle.now());
        assert_eq!(chronicle.check(3, &[]), Ok(()));
    }

    #[test]
    fn a_message_comes_twice_or_torn_or_was_never_sent() {
        let chronicle = sent(2);
        receive(chronicle, &[1]);
        assert!(complaint(chronicle.receive(message(1), chronicle.now())).contains("received twice"));
        let mut torn = message(1);
        torn[3] = message(2)[3];
        assert!(complaint(chronicle.receive(torn, chronicle.now())).contains("torn"));
        assert!(complaint(chronicle.receive(message(3), chronicle.now())).contains("never sent"));
        assert!(complaint(chronicle.receive(message(u64::MAX), chronicle.now())).contains("invented"));
        let number = chronicle.begin().expect("there is room");
        chronicle.end(number, false);
        assert!(complaint(chronicle.receive(message(number), chronicle.now())).contains("never sent"));
    }

    #[test]
    fn a_message_is_overtaken() {
        let chronicle = sent(2);
        receive(chronicle, &[2, 1]);
        assert!(complaint(chronicle.check(2, &[])).contains("message 2 was received before message 1"));
        // Of two that were being sent at once, either is the first.
        let (_, chronicle) = empty();
        let (one, two) = (chronicle.begin().expect("room"), chronicle.begin().expect("room"));
        chronicle.end(one, true);
        chronicle.end(two, true);
        receive(chronicle, &[two, one]);
        assert_eq!(chronicle.check(2, &[]), Ok(()));
        // Also, if the first one's sender did not live to say that it was sent; not, if it lived on for a while.
        for dies_before in [true, false] {
            let (_, chronicle) = empty();
            let one = chronicle.begin().expect("room");
            if dies_before {
                chronicle.sender_died(one);
            }
            send(chronicle);
            receive(chronicle, &[2, 1]);
            assert_eq!(chronicle.check(2, &[]).is_err(), dies_before);
        }
    }

    #[test]
    fn a_message_is_lost() {
        let chronicle = sent(3);
        receive(chronicle, &[1, 3]);
        assert!(complaint(chronicle.check(3, &[])).contains("[2] were sent and nobody received"));
    }

    #[test]
    fn a_dead_receiver_takes_one_along_that_it_can_have_taken() {
        let chronicle = sent(2);
        let asked = chronicle.now();
        let excuse = Excuse { asked, died: chronicle.now() };
        assert!(complaint(chronicle.check(2, &[excuse])).contains("[2]"), "one of the two");
        receive(chronicle, &[2]);
        assert_eq!(chronicle.check(2, &[excuse]), Ok(()));
        send(chronicle);
        assert!(complaint(chronicle.check(2, &[excuse])).contains("[3]"), "it was dead before that was sent");
        // Who asked only after a later one was received cannot have taken an earlier one.
        let chronicle = sent(2);
        receive(chronicle, &[2]);
        let asked = chronicle.now();
        assert!(complaint(chronicle.check(2, &[Excuse { asked, died: u64::MAX }])).contains("[1]"));
        // It wrote down that it received one, and takes no other along.
        let chronicle = sent(2);
        let asked = chronicle.now();
        assert_eq!(chronicle.receive(message(1), asked), Ok(()));
        assert!(complaint(chronicle.check(2, &[Excuse { asked, died: u64::MAX }])).contains("[2]"));
    }

    #[test]
    fn an_excuse_is_found_for_each_if_there_is_one() {
        let chronicle = sent(1);
        let early = Excuse { asked: chronicle.now(), died: chronicle.now() };
        let both = Excuse { asked: early.asked, died: u64::MAX };
        send(chronicle);
        for excuses in [[early, both], [both, early]] {
            assert_eq!(chronicle.check(2, &excuses), Ok(()));
        }
        assert!(chronicle.check(2, &[early, early]).is_err());
    }

    #[test]
    fn more_are_there_than_there_is_room_for() {
        let chronicle = sent(3);
        receive(chronicle, &[1, 2, 3]);
        assert!(complaint(chronicle.check(2, &[])).contains("3 messages were there at once"));
    }

    #[test]
    fn somebody_finds_nothing_while_a_message_is_there() {
        let chronicle = sent(1);
        chronicle.found_nothing(chronicle.now());
        receive(chronicle, &[1]);
        assert!(complaint(chronicle.check(1, &[])).contains("found nothing while message 1 was there"));
        // It was asked for before that call was over, and may have been taken already.
        let chronicle = sent(1);
        let (blank, asked) = (chronicle.now(), chronicle.now());
        chronicle.found_nothing(blank);
        assert_eq!(chronicle.receive(message(1), asked), Ok(()));
        assert_eq!(chronicle.check(1, &[]), Ok(()));
    }

    #[test]
    fn a_new_round_knows_nothing() {
        let chronicle = sent(2);
        receive(chronicle, &[2]);
        chronicle.found_nothing(chronicle.now());
        chronicle.clear();
        assert_eq!(chronicle.check(0, &[]), Ok(()));
        send(chronicle);
        assert!(complaint(chronicle.check(1, &[])).contains("[1]"));
    }

    /// Two workers at a work queue with one message.
    fn at_work() -> (&'static Journal, &'static Chronicle, [u64; 2]) {
        let (journal, chronicle) = empty();
        (0..2).for_each(|lane| journal.lane(lane).begin(0));
        send(chronicle);
        (journal, chronicle, [identity(0, 1), identity(1, 1)])
    }

    #[test]
    fn what_is_finished_never_comes_again_and_all_is_finished() {
        let (journal, chronicle, [one, other]) = at_work();
        assert!(complaint(chronicle.check_work(1, 0)).contains("[1] were sent and nobody finished"));
        assert_eq!(chronicle.lease(journal, one, (message(1), false), chronicle.now()), Ok(1));
        assert!(chronicle.check_work(1, 0).is_err());
        assert_eq!(chronicle.finish(1, one, || {}), Ok(()));
        assert_eq!(chronicle.check_work(1, 0), Ok(()));
        let again = chronicle.lease(journal, other, (message(1), true), chronicle.now());
        assert!(complaint(again).contains("was finished"));
    }

    #[test]
    fn what_comes_back_is_marked() {
        let (journal, chronicle, [one, other]) = at_work();
        assert_eq!(chronicle.unfinished(journal), 1);
        assert_eq!(chronicle.lease(journal, one, (message(1), false), chronicle.now()), Ok(1));
        assert_eq!(chronicle.unfinished(journal), 0);
        chronicle.put_back(1);
        assert_eq!(chronicle.unfinished(journal), 1);
        let unmarked = chronicle.lease(journal, other, (message(1), false), chronicle.now());
        assert!(complaint(unmarked).contains("nobody was told"));
    }

    #[test]
    fn what_comes_back_somebody_had() {
        let (journal, chronicle, [one, _]) = at_work();
        assert_eq!(chronicle.lease(journal, one, (message(1), true), chronicle.now()), Ok(1));
        assert_eq!(chronicle.finish(1, one, || {}), Ok(()));
        assert!(complaint(chronicle.check_work(1, 0)).contains("nobody had them"));
        assert_eq!(chronicle.check_work(1, 1), Ok(()));
    }

    #[test]
    fn a_letter_comes_late_only_after_somebody_was_killed_who_can_have_taken_it() {
        for is_overtaken in [true, false] {
            let (journal, chronicle, [one, other]) = at_work();
            let asked = chronicle.now();
            if is_overtaken {
                send(chronicle);
                assert_eq!(chronicle.lease(journal, other, (message(2), false), chronicle.now()), Ok(2));
                assert_eq!(chronicle.finish(2, other, || {}), Ok(()));
            } else {
                chronicle.found_nothing(chronicle.now());
            }
            let (excuse, too_late) =
                (Excuse { asked, died: chronicle.now() }, Excuse { asked: chronicle.now(), died: u64::MAX });
            assert_eq!(chronicle.lease(journal, one, (message(1), false), chronicle.now()), Ok(1));
            assert!(complaint(chronicle.check_letters(2, &[excuse])).contains("[1] were sent and nobody finished"));
            assert_eq!(chronicle.finish(1, one, || {}), Ok(()));
            assert_eq!(chronicle.check_letters(2, &[excuse]), Ok(()));
            assert!(complaint(chronicle.check_letters(2, &[])).contains("[1] were sent and nobody received"));
            assert!(!is_overtaken || chronicle.check_letters(2, &[too_late]).is_err());
            assert!(chronicle.check_work(2, 1).is_err(), "where it is told there is no excuse");
        }
    }

    #[test]
    fn nobody_gets_what_somebody_has_who_lives() {
        let (journal, chronicle, [one, other]) = at_work();
        assert_eq!(chronicle.lease(journal, one, (message(1), false), chronicle.now()), Ok(1));
        let stolen = chronicle.lease(journal, other, (message(1), true), chronicle.now());
        assert!(complaint(stolen).contains("worker 1 of lane 0 lives"));
        assert!(complaint(chronicle.finish(1, one, || {})).contains("went to somebody else"));
        // The dead have nothing; nor is it known whether what they were finishing comes back.
        let (journal, chronicle, [one, other]) = at_work();
        assert_eq!(chronicle.lease(journal, one, (message(1), false), chronicle.now()), Ok(1));
        journal.lane(0).is_condemned();
        assert_eq!(chronicle.unfinished(journal), 1);
        assert_eq!(chronicle.lease(journal, other, (message(1), true), chronicle.now()), Ok(1));
        let taken = || drop(chronicle.lease(journal, one, (message(1), true), chronicle.now()));
        assert!(complaint(chronicle.finish(1, other, taken)).contains("while it was being finished"));
    }
}

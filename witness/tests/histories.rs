//! Histories that are known to have a witness, or to have none.
#![cfg(not(loom))]
#![allow(missing_docs)]

use selvedge_witness::specifications::QueueOperation::{Receive, Send, TryReceive, TrySend};
use selvedge_witness::specifications::QueueOutcome::{Got, Sent, WouldBlock};
use selvedge_witness::specifications::{
    ChannelOperation, ChannelOutcome, Event, EventOperation, EventOutcome, Mailbox, MailboxOperation, Mutex,
    MutexOperation, MutexOutcome, Queue, QueueOperation, QueueOutcome, Rendezvous, Semaphore, SemaphoreOperation,
    SemaphoreOutcome, Visited, VisitedOperation,
};
use selvedge_witness::{End, History, Moment, Record, Specification, Verdict, judge};

/// An operation with the times of its call and its return.
fn timed<O, R>(thread: usize, called: u64, operation: O, end: End<R>, returned: u64) -> Record<O, R, u64> {
    let returned = matches!(end, End::Returned(_)).then_some(returned);
    Record { thread, operation, called, end, returned }
}

#[track_caller]
fn is<S: Specification>(spec: &S, records: &[Record<S::Operation, S::Outcome, u64>], linearizable: bool) {
    let verdict = judge(spec, &History::of(records), 100_000);
    assert_eq!(matches!(verdict, Verdict::Linearizable(_)), linearizable, "{verdict:?}");
    assert_eq!(verdict == Verdict::NotLinearizable, !linearizable);
}

/// Figure 1 of Herlihy and Wing.
#[test]
fn queues_of_herlihy_and_wing() {
    let done = || End::Returned(Sent);
    let got = |message| End::Returned(Got(message));
    let overlapping = [
        timed(0, 1, Send(1), done(), 4),
        timed(1, 2, Send(2), done(), 3),
        timed(1, 5, Receive, got(1), 7),
        timed(0, 6, Receive, got(2), 8),
        timed(0, 9, Send(3), done(), 10),
    ];
    is(&Queue::unbounded(), &overlapping, true);
    // The first was over before the second began, which is taken first.
    let overtaken = [timed(0, 1, Send(1), done(), 2), timed(1, 3, Send(2), done(), 4), timed(1, 5, Receive, got(2), 6)];
    is(&Queue::unbounded(), &overtaken, false);
    let unreturned = [timed(0, 1, Send(1), End::Pending, 0), timed(1, 2, Receive, got(1), 3)];
    is(&Queue::unbounded(), &unreturned, true);
    let twice = [timed(0, 1, Send(1), done(), 4), timed(1, 2, Receive, got(1), 5), timed(2, 3, Receive, got(1), 6)];
    is(&Queue::unbounded(), &twice, false);
}

#[test]
fn equal_stamps_say_nothing() {
    let sent = timed(0, 1, Send(1), End::Returned(Sent), 2);
    is(&Queue::unbounded(), &[sent.clone(), timed(1, 2, TryReceive, End::Returned(WouldBlock), 3)], true);
    is(&Queue::unbounded(), &[sent, timed(1, 3, TryReceive, End::Returned(WouldBlock), 4)], false);
}

#[test]
fn capacity_counts() {
    let first = timed(0, 1, Send(1), End::Returned(Sent), 2);
    let full = timed(1, 3, TrySend(2), End::Returned(WouldBlock), 4);
    is(&Queue::bounded(1), &[first.clone(), full.clone()], true);
    is(&Queue::bounded(2), &[first, full], false);
}

/// Calls on a channel one after the other, each by the thread that is named.
fn visits(calls: &[(usize, VisitedOperation, ChannelOutcome)]) -> Vec<Record<VisitedOperation, ChannelOutcome, u64>> {
    let times = (1..).step_by(2);
    let record = |((thread, operation, outcome), called): (&(usize, _, _), u64)| {
        timed(*thread, called, *operation, End::Returned(*outcome), called + 1)
    };
    calls.iter().zip(times).map(record).collect()
}

const SENDS: VisitedOperation = VisitedOperation::Channel(ChannelOperation::Pass(TrySend(1)));
const RECEIVES: VisitedOperation = VisitedOperation::Channel(ChannelOperation::Pass(TryReceive));
const SENDER_COMES: VisitedOperation = VisitedOperation::Channel(ChannelOperation::JoinSenders);
const SENDER_LEAVES: VisitedOperation = VisitedOperation::Channel(ChannelOperation::LeaveSenders);
const RECEIVER_LEAVES: VisitedOperation = VisitedOperation::Channel(ChannelOperation::LeaveReceivers);
const DIES: VisitedOperation = VisitedOperation::Channel(ChannelOperation::Die);

#[test]
fn who_has_not_come_is_waited_for_and_who_has_left_is_not() {
    use ChannelOutcome::{Disconnected, Done, Line};
    use VisitedOperation::JoinReceivers;
    let sent = [(0, SENDER_COMES, Done), (0, SENDS, Line(Sent))];
    let left = [(0, SENDER_LEAVES, Done), (1, JoinReceivers, Done), (1, RECEIVES, Line(Got(1)))];
    let whole: Vec<_> = sent.into_iter().chain(left).chain([(1, RECEIVES, Disconnected)]).collect();
    let queue = Visited::over(Queue::bounded(1));
    is(&queue, &visits(&whole), true);
    // What was sent is received before; and who was there once is gone.
    let too_early: Vec<_> = whole.iter().copied().filter(|(_, _, outcome)| *outcome != Line(Got(1))).collect();
    is(&queue, &visits(&too_early), false);
    let mut not_told = whole;
    not_told[5].2 = Line(WouldBlock);
    is(&queue, &visits(&not_told), false);
    // Nobody has come: nobody is gone.
    is(&queue, &visits(&[(1, JoinReceivers, Done), (1, RECEIVES, Line(WouldBlock))]), true);
    is(&queue, &visits(&[(1, JoinReceivers, Done), (1, RECEIVES, Disconnected)]), false);
    is(&queue, &visits(&[(0, SENDER_COMES, Done), (0, SENDS, Disconnected)]), false);
    let all_left = [(1, JoinReceivers, Done), (1, RECEIVER_LEAVES, Done), (0, SENDER_COMES, Done)];
    let after = |outcome| visits(&all_left.into_iter().chain([(0, SENDS, outcome)]).collect::<Vec<_>>());
    is(&queue, &after(Disconnected), true);
    is(&queue, &after(Line(Sent)), false);
}

#[test]
fn the_dead_are_gone_whenever_that_is_seen() {
    use ChannelOutcome::{Disconnected, Done, Line};
    let rendezvous = Visited::over(Rendezvous);
    let comes = [(0, SENDER_COMES, Done), (1, VisitedOperation::JoinReceivers, Done)];
    let seen = |outcomes: &[ChannelOutcome]| {
        let mut records = visits(&comes);
        records.push(Record { thread: 0, operation: DIES, called: 3, end: End::Returned(Done), returned: None });
        let receives = |(outcome, called)| timed(1, called, RECEIVES, End::Returned(outcome), called + 1);
        records.extend(outcomes.iter().copied().zip((5..).step_by(2)).map(receives));
        records
    };
    is(&rendezvous, &seen(&[Disconnected]), true);
    is(&rendezvous, &seen(&[Line(WouldBlock), Disconnected]), true);
    is(&rendezvous, &seen(&[Line(WouldBlock), Line(WouldBlock)]), true);
    // It does not come back.
    is(&rendezvous, &seen(&[Disconnected, Line(WouldBlock)]), false);
}

#[test]
fn nobody_sleeps_who_could_go_on() {
    use SemaphoreOperation::{Acquire, Release};
    let done = || End::Returned(SemaphoreOutcome::Done);
    let released = timed(0, 1, Release(1), done(), 2);
    let semaphore = Semaphore { permits: 0 };
    is(&semaphore, &[released.clone(), timed(1, 0, Acquire(1), End::Blocked, 0)], false);
    is(&semaphore, &[released.clone(), timed(1, 0, Acquire(2), End::Blocked, 0)], true);
    // One of two has to get it.
    let both = [released.clone(), timed(1, 0, Acquire(1), End::Blocked, 0), timed(2, 0, Acquire(1), End::Blocked, 0)];
    is(&semaphore, &both, false);
    // Unless the dead took it with them.
    let taken = [released, timed(1, 0, Acquire(1), End::Blocked, 0), timed(2, 0, Acquire(1), End::Pending, 0)];
    is(&semaphore, &taken, true);
}

#[test]
fn the_heir_is_told_once() {
    use MutexOperation::{Die, Lock, Unlock};
    let end = End::Returned;
    let (done, died) = (MutexOutcome::Done, MutexOutcome::OwnerDied);
    let locked = timed(0, 1, Lock, End::Pending, 0);
    let death = Record { returned: None, ..timed(0, 2, Die, end(done), 0) };
    let first = |outcome| timed(1, 3, Lock, end(outcome), 4);
    let unlock = timed(1, 5, Unlock, end(done), 6);
    let second = |outcome| timed(2, 7, Lock, end(outcome), 8);
    let history = |one, other| [locked.clone(), death.clone(), first(one), unlock.clone(), second(other)];
    is(&Mutex, &history(died, done), true);
    is(&Mutex, &history(done, done), true);
    is(&Mutex, &history(died, died), false);
    // The lock of the dead may have taken effect late, and its death later; but not its lock after its death.
    is(&Mutex, &history(done, died), true);
    let waits = timed(1, 3, Lock, End::Blocked, 0);
    is(&Mutex, &[locked.clone(), waits.clone()], true);
    is(&Mutex, &[locked, death, waits], false);
}

#[test]
fn a_wait_needs_one_moment() {
    use EventOperation::{Reset, Set, Wait};
    let said = |said| End::Returned(EventOutcome::Said(said));
    let sets = [timed(0, 2, Set, said(true), 3), timed(0, 4, Reset, said(true), 5)];
    let wait = |called, returned| timed(1, called, Wait, End::Returned(EventOutcome::Happened), returned);
    let event = Event { set: false };
    is(&event, &[sets[0].clone(), sets[1].clone(), wait(1, 6)], true);
    is(&event, &[sets[0].clone(), sets[1].clone(), wait(6, 7)], false);
}

#[test]
fn what_the_dead_were_looking_at_comes_back() {
    use MailboxOperation::{Look, Pass, Return};
    let send = |message, called| timed(0, called, Pass(Send(message)), End::Returned(Sent), called + 1);
    let receive = |message, called| timed(1, called, Pass(Receive), End::Returned(Got(message)), called + 1);
    let dies = |called| [Look, Return].map(|part| timed(2, called, part, End::Pending, 0));
    let history = |begins: &[_], ends: &[_]| [begins, &dies(5)[..], ends].concat();
    let two = Mailbox { capacity: 2 };
    // It has one in hand: so there is space for a third, and who receives gets the second first, or not.
    is(&two, &history(&[send(1, 1), send(2, 3)], &[send(3, 7), receive(2, 9), receive(1, 11), receive(3, 13)]), true);
    is(&two, &history(&[send(1, 1), send(2, 3)], &[send(3, 7), receive(1, 9), receive(2, 11), receive(3, 13)]), true);
    is(&two, &history(&[send(1, 1), send(2, 3)], &[send(3, 7), receive(2, 9), receive(3, 11)]), true);
    // Only one was in hand, and what has come back goes first.
    is(&two, &history(&[send(1, 1), send(2, 3)], &[receive(2, 9), receive(3, 11), send(3, 13)]), false);
    is(&two, &history(&[send(1, 1), send(2, 3)], &[send(3, 7), receive(3, 9), receive(1, 11), receive(2, 13)]), false);
    is(&two, &[send(1, 1), send(2, 3), send(3, 7)], false);
    is(&two, &[send(1, 1), send(2, 3), receive(2, 5)], false);
    // Where nothing lies it passes to the one who dies, and is there for the next.
    let none = Mailbox { capacity: 0 };
    let meets = |called| timed(0, called, Pass(Send(1)), End::Returned(Sent), called + 1);
    is(&none, &history(&[], &[meets(6), receive(1, 8)]), true);
    is(&none, &[meets(6), receive(1, 8)], false);
    is(&none, &history(&[], &[meets(6), receive(1, 8), receive(1, 10)]), false);
}

#[test]
fn both_are_there_when_they_meet() {
    let send = |called, returned| timed(0, called, Send(1), End::Returned(Sent), returned);
    let receive = |called, returned| timed(1, called, Receive, End::Returned(Got(1)), returned);
    is(&Rendezvous, &[send(1, 3), receive(2, 4)], true);
    is(&Rendezvous, &[send(1, 2), receive(3, 4)], false);
    is(&Rendezvous, &[send(1, 2)], false);
    let waits = |thread, operation| timed(thread, 1, operation, End::<QueueOutcome>::Blocked, 0);
    is(&Rendezvous, &[waits(0, Send(1)), waits(1, Send(2))], true);
    is(&Rendezvous, &[waits(0, Send(1)), waits(1, QueueOperation::Receive)], false);
}

#[test]
fn who_acquires_knows_what_came_before_the_release() {
    use SemaphoreOperation::{Acquire, Release};
    let done = || End::Returned(SemaphoreOutcome::Done);
    let at = |thread: usize, seen: [u16; 2]| Moment { thread, seen: seen.to_vec() };
    let history = |known: u16| {
        History::of(&[
            Record {
                thread: 0,
                operation: Release(1),
                called: at(0, [1, 0]),
                end: done(),
                returned: Some(at(0, [2, 0])),
            },
            Record {
                thread: 1,
                operation: Acquire(1),
                called: at(1, [0, 0]),
                end: done(),
                returned: Some(at(1, [known, 1])),
            },
        ])
    };
    let semaphore = Semaphore { permits: 0 };
    assert!(matches!(judge(&semaphore, &history(2), 100), Verdict::Linearizable(_)));
    assert_eq!(judge(&semaphore, &history(1), 100), Verdict::NotLinearizable);
}

#[test]
fn a_limit_is_no_verdict() {
    let mut history = History::new();
    for thread in 0..6 {
        history.add(thread, Send(0), End::Returned(Sent));
        history.add(thread, Receive, End::Returned(Got(1)));
    }
    assert_eq!(judge(&Queue::unbounded(), &history, 3), Verdict::Undecided);
}

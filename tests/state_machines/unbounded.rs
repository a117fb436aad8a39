//! An unbounded queue is a sequence of messages that is never longer than its quota.
//!
//! Several threads may wait at once. Which of them gets the next message is not promised.

use crate::support::driven::{Driven, LONGER, Stage, rest};
use crate::support::patience::patience;
use crate::{driven, region_of_threads, sleep_on};
use proptest::prelude::*;
use selvedge::Region;
use selvedge::region::{QueueRecvError, QueueSendError, Unbounded};
use std::collections::VecDeque;
use std::time::Duration;

const NAME: &str = "events";
const THREADS: usize = 3;

#[derive(Clone, Copy, Debug)]
enum Operation {
    Send(u64),
    TryRecv,
    RecvTimeout,
    /// Waits, if it has to.
    Recv,
    /// The thread ends; another takes its place.
    End,
}

fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        6 => any::<u64>().prop_map(Operation::Send),
        2 => Just(Operation::TryRecv),
        1 => Just(Operation::RecvTimeout),
        3 => Just(Operation::Recv),
        1 => Just(Operation::End),
    ]
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    Sent,
    /// It comes back.
    OutOfMemory(u64),
    Received(u64),
    Empty,
    TimedOut,
}

type Thread = Driven<Operation, Answer>;

fn start(queue: &Unbounded<u64>) -> Thread {
    let queue = queue.clone();
    Driven::start(move |stage: &Stage<Operation, Answer>| {
        while let Some(operation) = stage.next() {
            let received = match operation {
                Operation::Send(message) => {
                    stage.answer(match queue.send(message) {
                        Ok(()) => Answer::Sent,
                        Err(QueueSendError::OutOfMemory(message, _)) => Answer::OutOfMemory(message),
                        Err(error) => panic!("{error}"),
                    });
                    continue;
                }
                Operation::TryRecv => queue.try_recv(),
                Operation::RecvTimeout => queue.recv_timeout(Duration::ZERO),
                Operation::Recv => queue.recv_timeout(LONGER),
                Operation::End => unreachable!("the thread ends instead"),
            };
            stage.answer(match received {
                Ok(message) => Answer::Received(message),
                Err(QueueRecvError::Empty) => Answer::Empty,
                Err(QueueRecvError::TimedOut) => Answer::TimedOut,
                Err(error) => panic!("{error}"),
            });
        }
    })
}

/// What the queue must do.
struct Model {
    quota: usize,
    messages: VecDeque<u64>,
    waits: [bool; THREADS],
}

impl Model {
    fn perform(&mut self, operation: Operation) -> Answer {
        let received = |message| Answer::Received(message);
        match operation {
            Operation::Send(message) if self.messages.len() == self.quota => Answer::OutOfMemory(message),
            Operation::Send(message) => {
                self.messages.push_back(message);
                Answer::Sent
            }
            Operation::TryRecv => self.messages.pop_front().map_or(Answer::Empty, received),
            _ => self.messages.pop_front().map_or(Answer::TimedOut, received),
        }
    }
}

/// One of those who wait gets each message.
fn settle(model: &mut Model, threads: &[Thread], region: &Region) -> Result<(), TestCaseError> {
    let deadline = patience();
    while model.waits.contains(&true) && !model.messages.is_empty() {
        for (thread, driven) in threads.iter().enumerate() {
            if model.waits[thread]
                && let Some(answer) = driven.heard()
            {
                model.waits[thread] = false;
                prop_assert_eq!(answer, model.perform(Operation::Recv), "thread {} waited", thread);
            }
        }
        prop_assert!(!deadline.has_passed(), "somebody waits for a message, and one is there");
        rest();
    }
    sleep_on(region, NAME, threads, |thread| model.waits[thread])
}

fn play(region: &Region, quota: usize, operations: Vec<(usize, Operation)>) -> Result<(), TestCaseError> {
    let queue = region.unbounded::<u64>(NAME, quota).unwrap();
    let mut model = Model { quota, messages: VecDeque::new(), waits: [false; THREADS] };
    let mut threads: Vec<_> = (0..THREADS).map(|_| start(&queue)).collect();
    for (thread, operation) in operations {
        if model.waits[thread] {
            continue;
        }
        match operation {
            Operation::Recv if model.messages.is_empty() => {
                threads[thread].begin(operation);
                model.waits[thread] = true;
            }
            Operation::End => std::mem::replace(&mut threads[thread], start(&queue)).end(),
            _ => {
                let expected = model.perform(operation);
                prop_assert_eq!(threads[thread].perform(operation), expected, "{:?} on thread {}", operation, thread);
            }
        }
        settle(&mut model, &threads, region)?;
        prop_assert_eq!(queue.in_use(), model.messages.len(), "after {:?} on thread {}", operation, thread);
    }
    while model.waits.contains(&true) {
        queue.send(7).unwrap();
        model.messages.push_back(7);
        settle(&mut model, &threads, region)?;
    }
    threads.into_iter().for_each(Thread::end);
    while let Some(message) = model.messages.pop_front() {
        prop_assert_eq!(queue.try_recv(), Ok(message));
    }
    prop_assert_eq!((queue.try_recv(), queue.in_use()), (Err(QueueRecvError::Empty), 0));
    Ok(())
}

proptest! {
    #![proptest_config(driven(200))]

    #[test]
    fn messages_are_received_in_the_order_in_which_they_were_sent(
        quota in 1..5_usize,
        operations in prop::collection::vec((0..THREADS, operation()), 0..60),
    ) {
        play(&region_of_threads(), quota, operations)?;
    }
}

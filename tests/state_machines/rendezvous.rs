//! At a rendezvous those wait who send or those who receive, never both, and each message passes to one.
//!
//! Several threads may wait at once. Which of them is met is not promised.

use crate::support::driven::{Driven, LONGER, Stage, rest};
use crate::support::patience::patience;
use crate::{driven, region_of_threads, sleep_on};
use proptest::prelude::*;
use selvedge::Region;
use selvedge::region::{QueueRecvError, QueueSendError, Rendezvous};
use std::time::Duration;

const NAME: &str = "counter";
const THREADS: usize = 4;
/// Long enough to fall asleep, and then it is over.
const SHORT: Duration = Duration::from_micros(300);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Call {
    Try,
    Timeout(Duration),
    /// Waits, if it has to.
    Wait,
}

#[derive(Clone, Copy, Debug)]
enum Operation {
    Send(u64, Call),
    Recv(Call),
    /// The thread ends; another takes its place.
    End,
}

fn operation() -> impl Strategy<Value = Operation> {
    let call = || {
        prop_oneof![
            3 => Just(Call::Try),
            1 => Just(Call::Timeout(Duration::ZERO)),
            1 => Just(Call::Timeout(SHORT)),
            4 => Just(Call::Wait),
        ]
    };
    prop_oneof![
        8 => (any::<u64>(), call()).prop_map(|(message, call)| Operation::Send(message, call)),
        8 => call().prop_map(Operation::Recv),
        1 => Just(Operation::End),
    ]
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    Sent,
    /// The message comes back.
    NotSent(u64, Why),
    Received(u64),
    NotReceived(Why),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Why {
    NobodyWaits,
    TimedOut,
}

type Thread = Driven<Operation, Answer>;

fn start(place: &Rendezvous<u64>) -> Thread {
    let place = place.clone();
    Driven::start(move |stage: &Stage<Operation, Answer>| {
        while let Some(operation) = stage.next() {
            stage.answer(perform(&place, operation));
        }
    })
}

fn perform(place: &Rendezvous<u64>, operation: Operation) -> Answer {
    match operation {
        Operation::Send(message, call) => {
            let sent = match call {
                Call::Try => place.try_send(message),
                Call::Timeout(time) => place.send_timeout(message, time),
                Call::Wait => place.send_timeout(message, LONGER),
            };
            match sent {
                Ok(()) => Answer::Sent,
                Err(QueueSendError::Full(message)) => Answer::NotSent(message, Why::NobodyWaits),
                Err(QueueSendError::TimedOut(message)) => Answer::NotSent(message, Why::TimedOut),
                Err(error) => panic!("{error}"),
            }
        }
        Operation::Recv(call) => {
            let received = match call {
                Call::Try => place.try_recv(),
                Call::Timeout(time) => place.recv_timeout(time),
                Call::Wait => place.recv_timeout(LONGER),
            };
            match received {
                Ok(message) => Answer::Received(message),
                Err(QueueRecvError::Empty) => Answer::NotReceived(Why::NobodyWaits),
                Err(QueueRecvError::TimedOut) => Answer::NotReceived(Why::TimedOut),
                Err(error) => panic!("{error}"),
            }
        }
        Operation::End => unreachable!("the thread ends instead"),
    }
}

/// What a thread waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waits {
    ToSend(u64),
    ToReceive,
}

type Waiting = [Option<Waits>; THREADS];

fn senders(waiting: &Waiting) -> usize {
    waiting.iter().filter(|waits| matches!(waits, Some(Waits::ToSend(_)))).count()
}

fn receivers(waiting: &Waiting) -> usize {
    waiting.iter().filter(|waits| matches!(waits, Some(Waits::ToReceive))).count()
}

/// One of those who wait hears of it; which one, and what.
fn met(waiting: &mut Waiting, threads: &[Thread]) -> Result<(Waits, Answer), TestCaseError> {
    let deadline = patience();
    loop {
        for (waits, driven) in waiting.iter_mut().zip(threads) {
            if let Some(who) = *waits
                && let Some(answer) = driven.heard()
            {
                *waits = None;
                return Ok((who, answer));
            }
        }
        prop_assert!(!deadline.has_passed(), "somebody came to whom they wait for, and they wait on");
        rest();
    }
}

/// What comes of an operation that does not wait, or meets somebody who does.
fn meet(
    waiting: &mut Waiting,
    threads: &[Thread],
    (thread, operation): (usize, Operation),
) -> Result<(), TestCaseError> {
    let why = |call| if call == Call::Try { Why::NobodyWaits } else { Why::TimedOut };
    let answer = threads[thread].perform(operation);
    match operation {
        Operation::Send(message, _) if receivers(waiting) > 0 => {
            prop_assert_eq!(answer, Answer::Sent);
            prop_assert_eq!(met(waiting, threads)?, (Waits::ToReceive, Answer::Received(message)));
        }
        Operation::Send(message, call) => prop_assert_eq!(answer, Answer::NotSent(message, why(call))),
        Operation::Recv(_) if senders(waiting) > 0 => {
            let (sender, sent) = met(waiting, threads)?;
            let Waits::ToSend(message) = sender else {
                return Err(TestCaseError::fail("a receiver was let go by a receiver"));
            };
            prop_assert_eq!((answer, sent), (Answer::Received(message), Answer::Sent));
        }
        Operation::Recv(call) => prop_assert_eq!(answer, Answer::NotReceived(why(call))),
        Operation::End => unreachable!("the thread ends instead"),
    }
    Ok(())
}

fn play(region: &Region, operations: Vec<(usize, Operation)>) -> Result<(), TestCaseError> {
    let place = region.rendezvous::<u64>(NAME).unwrap();
    let mut waiting: Waiting = [None; THREADS];
    let mut threads: Vec<_> = (0..THREADS).map(|_| start(&place)).collect();
    for (thread, operation) in operations {
        if waiting[thread].is_some() {
            continue;
        }
        match operation {
            Operation::Send(message, Call::Wait) if receivers(&waiting) == 0 => {
                threads[thread].begin(operation);
                waiting[thread] = Some(Waits::ToSend(message));
            }
            Operation::Recv(Call::Wait) if senders(&waiting) == 0 => {
                threads[thread].begin(operation);
                waiting[thread] = Some(Waits::ToReceive);
            }
            Operation::End => std::mem::replace(&mut threads[thread], start(&place)).end(),
            _ => meet(&mut waiting, &threads, (thread, operation))?,
        }
        sleep_on(region, NAME, &threads, |thread| waiting[thread].is_some())?;
        prop_assert_eq!(place.in_use(), senders(&waiting), "after {:?} on thread {}", operation, thread);
    }
    // One who comes for each.
    let last = threads.len();
    threads.push(start(&place));
    while senders(&waiting) > 0 {
        meet(&mut waiting, &threads, (last, Operation::Recv(Call::Try)))?;
        sleep_on(region, NAME, &threads, |thread| waiting.get(thread).is_some_and(Option::is_some))?;
    }
    while receivers(&waiting) > 0 {
        meet(&mut waiting, &threads, (last, Operation::Send(7, Call::Try)))?;
        sleep_on(region, NAME, &threads, |thread| waiting.get(thread).is_some_and(Option::is_some))?;
    }
    threads.into_iter().for_each(Thread::end);
    prop_assert_eq!(place.in_use(), 0);
    Ok(())
}

proptest! {
    #![proptest_config(driven(200))]

    #[test]
    fn a_message_passes_when_both_are_there(operations in prop::collection::vec((0..THREADS, operation()), 0..60)) {
        play(&region_of_threads(), operations)?;
    }
}

//! A readers-writer lock is read by many threads or written by one, and who dies writing is told of until somebody mends it.
//!
//! As in the machine of the mutex: forgotten guards and threads that end stand for what goes wrong in programs.

use crate::support::driven::{Driven, LONGER, Stage};
use crate::{driven, region_of_threads, sleep_on};
use proptest::prelude::*;
use selvedge::Region;
use selvedge::region::{ReadGuard, RwLock, RwLockError, WriteGuard};
use std::time::Duration;

const NAME: &str = "prices";
const THREADS: usize = 3;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Call {
    Try,
    Timeout,
    /// Waits, if it has to.
    Wait,
}

#[derive(Clone, Copy, Debug)]
enum Operation {
    Read(Call),
    Write(Call),
    /// What it sees through the guard that it got last.
    Look,
    Set(u64),
    MarkConsistent,
    StopReading,
    StopWriting,
    ForgetReading,
    ForgetWriting,
    /// The thread ends without giving anything back; another takes its place.
    End,
}

fn operation() -> impl Strategy<Value = Operation> {
    let call = || prop_oneof![2 => Just(Call::Try), 1 => Just(Call::Timeout), 2 => Just(Call::Wait)];
    prop_oneof![
        5 => call().prop_map(Operation::Read),
        5 => call().prop_map(Operation::Write),
        2 => Just(Operation::Look),
        2 => any::<u64>().prop_map(Operation::Set),
        2 => Just(Operation::MarkConsistent),
        4 => Just(Operation::StopReading),
        4 => Just(Operation::StopWriting),
        1 => Just(Operation::ForgetReading),
        1 => Just(Operation::ForgetWriting),
        2 => Just(Operation::End),
    ]
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    Granted,
    /// With the news that a writer died.
    Told,
    WouldBlock,
    TimedOut,
    Relocked,
    Value(u64),
    Done,
    NoGuard,
}

impl Answer {
    fn granted(told: bool) -> Self {
        if told { Self::Told } else { Self::Granted }
    }
}

fn kept<G>(answer: Result<G, RwLockError<G>>, guards: &mut Vec<G>) -> Answer {
    let (guard, told) = match answer {
        Ok(guard) => (guard, false),
        Err(RwLockError::OwnerDied(guard)) => (guard, true),
        Err(RwLockError::WouldBlock) => return Answer::WouldBlock,
        Err(RwLockError::TimedOut) => return Answer::TimedOut,
        Err(RwLockError::Relocked) => return Answer::Relocked,
        Err(error) => panic!("{error}"),
    };
    guards.push(guard);
    Answer::granted(told)
}

fn perform<'a>(
    lock: &'a RwLock<u64>,
    readers: &mut Vec<ReadGuard<'a, u64>>,
    writers: &mut Vec<WriteGuard<'a, u64>>,
    operation: Operation,
) -> Answer {
    match operation {
        Operation::Read(Call::Try) => kept(lock.try_read(), readers),
        Operation::Read(Call::Timeout) => kept(lock.read_timeout(Duration::ZERO), readers),
        Operation::Read(Call::Wait) => kept(lock.read_timeout(LONGER), readers),
        Operation::Write(Call::Try) => kept(lock.try_write(), writers),
        Operation::Write(Call::Timeout) => kept(lock.write_timeout(Duration::ZERO), writers),
        Operation::Write(Call::Wait) => kept(lock.write_timeout(LONGER), writers),
        Operation::Look => {
            let seen = writers.last().map(|guard| **guard).or_else(|| readers.last().map(|guard| **guard));
            seen.map_or(Answer::NoGuard, Answer::Value)
        }
        Operation::Set(value) => writers.last_mut().map_or(Answer::NoGuard, |guard| {
            **guard = value;
            Answer::Done
        }),
        Operation::MarkConsistent => writers.last_mut().map_or(Answer::NoGuard, |guard| {
            guard.mark_consistent();
            Answer::Done
        }),
        Operation::StopReading => readers.pop().map_or(Answer::NoGuard, |_| Answer::Done),
        Operation::StopWriting => writers.pop().map_or(Answer::NoGuard, |_| Answer::Done),
        Operation::ForgetReading => readers.pop().map(std::mem::forget).map_or(Answer::NoGuard, |()| Answer::Done),
        Operation::ForgetWriting => writers.pop().map(std::mem::forget).map_or(Answer::NoGuard, |()| Answer::Done),
        Operation::End => unreachable!("the thread ends instead"),
    }
}

type Thread = Driven<Operation, Answer>;

fn start(lock: &RwLock<u64>) -> Thread {
    let lock = lock.clone();
    Driven::start(move |stage: &Stage<Operation, Answer>| {
        let (mut readers, mut writers) = (Vec::new(), Vec::new());
        while let Some(operation) = stage.next() {
            stage.answer(perform(&lock, &mut readers, &mut writers, operation));
        }
        std::mem::forget((readers, writers));
    })
}

/// Who writes.
#[derive(Clone, Copy, Debug)]
struct Writer {
    thread: usize,
    has_guard: bool,
    leaves_inconsistent: bool,
}

/// What the lock must do.
#[derive(Debug, Default)]
struct Model {
    value: u64,
    inconsistent: bool,
    writer: Option<Writer>,
    /// How often each thread reads, and how many guards it has for that.
    reads: [(usize, usize); THREADS],
}

impl Model {
    fn is_read(&self) -> bool {
        self.reads.iter().any(|(reads, _)| *reads > 0)
    }

    /// Whether a call that waits would.
    fn blocks(&self, thread: usize, operation: Operation) -> bool {
        let writes = self.writer.is_some_and(|writer| writer.thread == thread);
        let reads = self.reads[thread].0 > 0;
        match operation {
            Operation::Read(Call::Wait) => !reads && !writes && self.writer.is_some(),
            Operation::Write(Call::Wait) => !reads && !writes && (self.writer.is_some() || self.is_read()),
            _ => false,
        }
    }

    fn read(&mut self, thread: usize, call: Call) -> Answer {
        if self.reads[thread].0 == 0 {
            match self.writer {
                Some(_) if call == Call::Try => return Answer::WouldBlock,
                Some(writer) if writer.thread == thread => return Answer::Relocked,
                Some(_) => return Answer::TimedOut,
                None => {}
            }
        }
        self.reads[thread].0 += 1;
        self.reads[thread].1 += 1;
        Answer::granted(self.inconsistent)
    }

    fn write(&mut self, thread: usize, call: Call) -> Answer {
        let writes = self.writer.is_some_and(|writer| writer.thread == thread);
        if writes || self.reads[thread].0 > 0 {
            return Answer::Relocked;
        }
        if self.writer.is_some() || self.is_read() {
            return if call == Call::Try { Answer::WouldBlock } else { Answer::TimedOut };
        }
        self.writer = Some(Writer { thread, has_guard: true, leaves_inconsistent: self.inconsistent });
        Answer::granted(self.inconsistent)
    }

    fn end(&mut self, thread: usize) -> Answer {
        self.reads[thread] = (0, 0);
        if self.writer.is_some_and(|writer| writer.thread == thread) {
            (self.writer, self.inconsistent) = (None, true);
        }
        Answer::Done
    }

    fn stop_reading(&mut self, thread: usize, forgets: bool) -> Answer {
        let (reads, guards) = &mut self.reads[thread];
        let Some(fewer) = guards.checked_sub(1) else { return Answer::NoGuard };
        *guards = fewer;
        *reads -= usize::from(!forgets);
        Answer::Done
    }

    fn perform(&mut self, thread: usize, operation: Operation) -> Answer {
        match operation {
            Operation::Read(call) => return self.read(thread, call),
            Operation::Write(call) => return self.write(thread, call),
            Operation::StopReading => return self.stop_reading(thread, false),
            Operation::ForgetReading => return self.stop_reading(thread, true),
            Operation::End => return self.end(thread),
            _ => {}
        }
        let value = self.value;
        let Some(writer) = self.writer.as_mut().filter(|writer| writer.thread == thread && writer.has_guard) else {
            let reads = matches!(operation, Operation::Look) && self.reads[thread].1 > 0;
            return if reads { Answer::Value(value) } else { Answer::NoGuard };
        };
        match operation {
            Operation::Look => return Answer::Value(value),
            Operation::Set(value) => self.value = value,
            Operation::MarkConsistent => writer.leaves_inconsistent = false,
            Operation::ForgetWriting => writer.has_guard = false,
            _ => (self.inconsistent, self.writer) = (writer.leaves_inconsistent, None),
        }
        Answer::Done
    }
}

/// The one that waits, if it need not any more, is let go.
fn settle(model: &mut Model, waits: &mut Option<(usize, Operation)>, threads: &[Thread]) -> Result<(), TestCaseError> {
    if let Some((thread, operation)) = *waits
        && !model.blocks(thread, operation)
    {
        prop_assert_eq!(threads[thread].hear(), model.perform(thread, operation), "thread {} waited", thread);
        *waits = None;
    }
    Ok(())
}

/// At most one waits at a time: whose turn it is among several is not promised.
fn play(region: &Region, operations: Vec<(usize, Operation)>) -> Result<(), TestCaseError> {
    let lock = region.rwlock(NAME, 7_u64).unwrap();
    let mut model = Model { value: 7, ..Model::default() };
    let mut threads: Vec<_> = (0..THREADS).map(|_| start(&lock)).collect();
    let mut waits: Option<(usize, Operation)> = None;
    for (thread, operation) in operations {
        let is_the_waiter = waits.is_some_and(|(waiter, _)| waiter == thread);
        // Who waits to write keeps new readers out, and others wait for it to write.
        let comes_behind = waits.is_some() && matches!(operation, Operation::Read(_) | Operation::Write(_));
        if is_the_waiter || comes_behind {
            continue;
        }
        if model.blocks(thread, operation) {
            threads[thread].begin(operation);
            waits = Some((thread, operation));
            sleep_on(region, NAME, &threads, |other| other == thread)?;
            continue;
        }
        let expected = model.perform(thread, operation);
        if matches!(operation, Operation::End) {
            std::mem::replace(&mut threads[thread], start(&lock)).end();
        } else {
            prop_assert_eq!(threads[thread].perform(operation), expected, "{:?} on thread {}", operation, thread);
        }
        settle(&mut model, &mut waits, &threads)?;
        sleep_on(region, NAME, &threads, |thread| waits.is_some_and(|(waiter, _)| waiter == thread))?;
    }
    for (thread, driven) in threads.drain(..).enumerate().collect::<Vec<_>>() {
        if waits.is_some_and(|(waiter, _)| waiter == thread) {
            // The others go first, and with them what it waits for.
            threads.push(driven);
        } else {
            driven.end();
            model.end(thread);
        }
    }
    if let (Some((thread, operation)), Some(waiter)) = (waits, threads.pop()) {
        prop_assert_eq!(waiter.hear(), model.perform(thread, operation), "thread {} waited", thread);
        waiter.end();
        model.end(thread);
    }
    let (guard, told) = match lock.try_read() {
        Ok(guard) => (guard, false),
        Err(RwLockError::OwnerDied(guard)) => (guard, true),
        Err(error) => return Err(TestCaseError::fail(format!("nobody is left, and: {error}"))),
    };
    prop_assert_eq!((*guard, told), (model.value, model.inconsistent));
    Ok(())
}

proptest! {
    #![proptest_config(driven(200))]

    #[test]
    fn many_read_or_one_writes(operations in prop::collection::vec((0..THREADS, operation()), 0..60)) {
        play(&region_of_threads(), operations)?;
    }
}

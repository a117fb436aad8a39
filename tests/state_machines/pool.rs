//! A buffer of a pool is free or somebody has it, and what is in it stays there; what a thread has when it ends is free again.
//!
//! Several threads may wait at once. Which of them is let go, and which buffer it gets, is not promised.

use crate::support::driven::{Driven, LONGER, Stage, rest};
use crate::support::patience::patience;
use crate::{driven, region_of_threads, sleep_on};
use proptest::prelude::*;
use selvedge::Region;
use selvedge::region::{Pool, PoolBuffer, PoolError};
use std::time::Duration;

const NAME: &str = "pages";
const THREADS: usize = 3;

#[derive(Clone, Copy, Debug)]
enum Operation {
    TryTake,
    TakeTimeout,
    /// Waits, if it has to.
    Take,
    /// What is in one of its buffers.
    Look(usize),
    Write(usize, u64),
    GiveBack(usize),
    Forget(usize),
    /// The thread ends with all that it has; another takes its place.
    End,
}

fn operation() -> impl Strategy<Value = Operation> {
    let which = || 0..4_usize;
    prop_oneof![
        3 => Just(Operation::TryTake),
        1 => Just(Operation::TakeTimeout),
        3 => Just(Operation::Take),
        1 => which().prop_map(Operation::Look),
        4 => (which(), any::<u64>()).prop_map(|(index, value)| Operation::Write(index, value)),
        4 => which().prop_map(Operation::GiveBack),
        1 => which().prop_map(Operation::Forget),
        1 => Just(Operation::End),
    ]
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    /// With this in it.
    Granted(u64),
    Empty,
    TimedOut,
    Holds(u64),
    Done,
    NoBuffer,
}

type Thread = Driven<Operation, Answer>;

fn start(pool: &Pool<u64>) -> Thread {
    let pool = pool.clone();
    Driven::start(move |stage: &Stage<Operation, Answer>| {
        let mut buffers: Vec<PoolBuffer<'_, u64>> = Vec::new();
        while let Some(operation) = stage.next() {
            let taken = match operation {
                Operation::TryTake => pool.try_take(),
                Operation::TakeTimeout => pool.take_timeout(Duration::ZERO),
                Operation::Take => pool.take_timeout(LONGER),
                _ if buffers.is_empty() => {
                    stage.answer(Answer::NoBuffer);
                    continue;
                }
                Operation::Look(index) => {
                    stage.answer(Answer::Holds(*buffers[index % buffers.len()]));
                    continue;
                }
                Operation::Write(index, value) => {
                    let which = index % buffers.len();
                    *buffers[which] = value;
                    stage.answer(Answer::Done);
                    continue;
                }
                Operation::GiveBack(index) => {
                    drop(buffers.swap_remove(index % buffers.len()));
                    stage.answer(Answer::Done);
                    continue;
                }
                Operation::Forget(index) => {
                    std::mem::forget(buffers.swap_remove(index % buffers.len()));
                    stage.answer(Answer::Done);
                    continue;
                }
                Operation::End => unreachable!("the thread ends instead"),
            };
            stage.answer(match taken {
                Ok(buffer) => {
                    let value = *buffer;
                    buffers.push(buffer);
                    Answer::Granted(value)
                }
                Err(PoolError::Empty) => Answer::Empty,
                Err(PoolError::TimedOut) => Answer::TimedOut,
                Err(error) => panic!("{error}"),
            });
        }
        std::mem::forget(buffers);
    })
}

/// What a thread has: what is in its buffers.
#[derive(Debug, Default)]
struct Hands {
    buffers: Vec<u64>,
    forgotten: Vec<u64>,
    waits: bool,
}

/// What the pool must do: what is in the buffers that are free, and in those that are not.
struct Model {
    free: Vec<u64>,
    hands: [Hands; THREADS],
}

impl Model {
    /// What a call that takes one must have answered, given what it answered: any of those that are free.
    fn take(&mut self, thread: usize, answer: Answer, if_none: Answer) -> Answer {
        let Some(last) = self.free.last().copied() else { return if_none };
        let Answer::Granted(value) = answer else { return Answer::Granted(last) };
        let Some(index) = self.free.iter().position(|free| *free == value) else { return Answer::Granted(last) };
        self.hands[thread].buffers.push(self.free.swap_remove(index));
        answer
    }

    fn perform(&mut self, thread: usize, operation: Operation, answer: Answer) -> Answer {
        match operation {
            Operation::TryTake => return self.take(thread, answer, Answer::Empty),
            Operation::TakeTimeout | Operation::Take => return self.take(thread, answer, Answer::TimedOut),
            _ => {}
        }
        let Hands { buffers, forgotten, .. } = &mut self.hands[thread];
        let count = buffers.len();
        if count == 0 {
            return Answer::NoBuffer;
        }
        match operation {
            Operation::Look(index) => return Answer::Holds(buffers[index % count]),
            Operation::Write(index, value) => buffers[index % count] = value,
            Operation::Forget(index) => forgotten.push(buffers.swap_remove(index % count)),
            Operation::GiveBack(index) => self.free.push(buffers.swap_remove(index % count)),
            _ => unreachable!("it is performed above, or the thread ends"),
        }
        Answer::Done
    }

    fn end(&mut self, thread: usize) {
        let Hands { buffers, forgotten, .. } = std::mem::take(&mut self.hands[thread]);
        self.free.extend(buffers.into_iter().chain(forgotten));
    }

    fn has(&self, thread: usize) -> bool {
        !(self.hands[thread].buffers.is_empty() && self.hands[thread].forgotten.is_empty())
    }

    fn waits(&self) -> bool {
        self.hands.iter().any(|hands| hands.waits)
    }
}

/// Those who wait are let go, as far as there are buffers.
fn settle(model: &mut Model, threads: &[Thread], region: &Region) -> Result<(), TestCaseError> {
    let deadline = patience();
    loop {
        let owes = model.waits() && !model.free.is_empty();
        for (thread, driven) in threads.iter().enumerate().filter(|_| owes) {
            if model.hands[thread].waits
                && let Some(answer) = driven.heard()
            {
                model.hands[thread].waits = false;
                prop_assert_eq!(answer, model.take(thread, answer, Answer::Empty), "thread {} waited", thread);
            }
        }
        if !owes {
            break;
        }
        prop_assert!(!deadline.has_passed(), "somebody waits for a buffer, and one is free");
        rest();
    }
    sleep_on(region, NAME, threads, |thread| model.hands[thread].waits)
}

fn play(region: &Region, buffers: usize, operations: Vec<(usize, Operation)>) -> Result<(), TestCaseError> {
    let pool = region.pool::<u64>(NAME, buffers).unwrap();
    let mut model = Model { free: vec![0; buffers], hands: Default::default() };
    let mut threads: Vec<_> = (0..THREADS).map(|_| start(&pool)).collect();
    for (thread, operation) in operations {
        if model.hands[thread].waits {
            continue;
        }
        match operation {
            Operation::Take if model.free.is_empty() => {
                // Who has some would wait for itself, or another for it.
                if !model.has(thread) {
                    threads[thread].begin(operation);
                    model.hands[thread].waits = true;
                }
            }
            Operation::End => {
                std::mem::replace(&mut threads[thread], start(&pool)).end();
                model.end(thread);
            }
            _ => {
                let answer = threads[thread].perform(operation);
                let expected = model.perform(thread, operation, answer);
                prop_assert_eq!(answer, expected, "{:?} on thread {}", operation, thread);
            }
        }
        settle(&mut model, &threads, region)?;
        prop_assert_eq!(pool.in_use(), buffers - model.free.len(), "after {:?} on thread {}", operation, thread);
    }
    // Those who do not wait end, and with them what the others wait for.
    while model.waits() {
        for thread in 0..THREADS {
            if !model.hands[thread].waits {
                std::mem::replace(&mut threads[thread], start(&pool)).end();
                model.end(thread);
                settle(&mut model, &threads, region)?;
            }
        }
    }
    threads.into_iter().for_each(Thread::end);
    (0..THREADS).for_each(|thread| model.end(thread));
    let mut left: Vec<_> = std::iter::from_fn(|| pool.try_take().ok()).collect();
    let mut found: Vec<u64> = left.drain(..).map(|buffer| *buffer).collect();
    found.sort_unstable();
    model.free.sort_unstable();
    prop_assert_eq!(found, model.free);
    Ok(())
}

proptest! {
    #![proptest_config(driven(200))]

    #[test]
    fn a_buffer_is_free_or_somebody_has_it(
        buffers in 1..4_usize,
        operations in prop::collection::vec((0..THREADS, operation()), 0..60),
    ) {
        play(&region_of_threads(), buffers, operations)?;
    }
}

//! An owned semaphore is a number of permits that are there or that threads have; what a thread has when it ends is there again.
//!
//! Several threads may wait at once. Which of them is let go is not promised, but that none waits for what is there.

use crate::support::driven::{Driven, LONGER, Stage, rest};
use crate::support::patience::patience;
use crate::{driven, region_of_threads, sleep_on};
use proptest::prelude::*;
use selvedge::Region;
use selvedge::region::{OwnedSemaphore, PermitError};
use std::time::Duration;

const NAME: &str = "licences";
const THREADS: usize = 3;
const MOST: u32 = 5;

#[derive(Clone, Copy, Debug)]
enum Operation {
    TryAcquire(u32),
    AcquireTimeout(u32),
    /// Waits, if it has to.
    Acquire(u32),
    /// Gives back what it took with one of its calls.
    Release(usize),
    Forget(usize),
    /// The thread ends with all that it has; another takes its place.
    End,
}

fn operation() -> impl Strategy<Value = Operation> {
    let n = || 0..=MOST + 1;
    prop_oneof![
        3 => n().prop_map(Operation::TryAcquire),
        1 => n().prop_map(Operation::AcquireTimeout),
        3 => n().prop_map(Operation::Acquire),
        4 => (0..4_usize).prop_map(Operation::Release),
        1 => (0..4_usize).prop_map(Operation::Forget),
        1 => Just(Operation::End),
    ]
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    /// So many.
    Granted(u32),
    WouldBlock,
    TimedOut,
    TooMany,
    Done,
    NoPermit,
}

type Thread = Driven<Operation, Answer>;

fn start(semaphore: &OwnedSemaphore) -> Thread {
    let semaphore = semaphore.clone();
    Driven::start(move |stage: &Stage<Operation, Answer>| {
        let mut permits = Vec::new();
        while let Some(operation) = stage.next() {
            let acquired = match operation {
                Operation::TryAcquire(n) => semaphore.try_acquire(n),
                Operation::AcquireTimeout(n) => semaphore.acquire_timeout(n, Duration::ZERO),
                Operation::Acquire(n) => semaphore.acquire_timeout(n, LONGER),
                Operation::Release(index) | Operation::Forget(index) if permits.is_empty() => {
                    let _none = index;
                    stage.answer(Answer::NoPermit);
                    continue;
                }
                Operation::Release(index) => {
                    drop(permits.swap_remove(index % permits.len()));
                    stage.answer(Answer::Done);
                    continue;
                }
                Operation::Forget(index) => {
                    std::mem::forget(permits.swap_remove(index % permits.len()));
                    stage.answer(Answer::Done);
                    continue;
                }
                Operation::End => unreachable!("the thread ends instead"),
            };
            stage.answer(match acquired {
                Ok(permit) => {
                    let count = permit.count();
                    permits.push(permit);
                    Answer::Granted(count)
                }
                Err(PermitError::WouldBlock) => Answer::WouldBlock,
                Err(PermitError::TimedOut) => Answer::TimedOut,
                Err(PermitError::TooMany { .. }) => Answer::TooMany,
                Err(error) => panic!("{error}"),
            });
        }
        std::mem::forget(permits);
    })
}

/// What a thread has, as the model knows it.
#[derive(Debug, Default)]
struct Hands {
    permits: Vec<u32>,
    forgotten: u32,
    waits_for: Option<u32>,
}

impl Hands {
    fn has(&self) -> u32 {
        self.forgotten + self.permits.iter().sum::<u32>()
    }
}

struct Model {
    permits: u32,
    available: u32,
    hands: [Hands; THREADS],
}

impl Model {
    fn acquire(&mut self, thread: usize, n: u32, too_few: Answer) -> Answer {
        if n > self.permits {
            return Answer::TooMany;
        }
        let Some(left) = self.available.checked_sub(n) else { return too_few };
        self.available = left;
        self.hands[thread].permits.push(n);
        Answer::Granted(n)
    }

    fn put_away(&mut self, thread: usize, index: usize, forgets: bool) -> Answer {
        let hands = &mut self.hands[thread];
        if hands.permits.is_empty() {
            return Answer::NoPermit;
        }
        let n = hands.permits.swap_remove(index % hands.permits.len());
        *(if forgets { &mut hands.forgotten } else { &mut self.available }) += n;
        Answer::Done
    }

    fn end(&mut self, thread: usize) {
        self.available += std::mem::take(&mut self.hands[thread]).has();
    }

    fn waiting(&self) -> usize {
        self.hands.iter().filter(|hands| hands.waits_for.is_some()).count()
    }

    /// Whether somebody waits for what is there.
    fn owes(&self) -> bool {
        self.hands.iter().any(|hands| hands.waits_for.is_some_and(|n| n <= self.available))
    }
}

/// Those who wait are let go, one after the other, as far as there are permits.
fn settle(model: &mut Model, threads: &[Thread], region: &Region) -> Result<(), TestCaseError> {
    let deadline = patience();
    loop {
        let owes = model.owes();
        for (thread, driven) in threads.iter().enumerate() {
            let Some(n) = model.hands[thread].waits_for else { continue };
            if let Some(answer) = driven.heard() {
                model.hands[thread].waits_for = None;
                let expected = model.acquire(thread, n, Answer::WouldBlock);
                prop_assert_eq!(answer, expected, "thread {} waited for {}", thread, n);
            }
        }
        if !owes {
            break;
        }
        prop_assert!(!deadline.has_passed(), "somebody waits for permits that are there");
        rest();
    }
    sleep_on(region, NAME, threads, |thread| model.hands[thread].waits_for.is_some())
}

proptest! {
    #![proptest_config(driven(200))]

    #[test]
    fn permits_are_there_or_somebody_has_them(
        permits in 0..=MOST,
        operations in prop::collection::vec((0..THREADS, operation()), 0..60),
    ) {
        let region = region_of_threads();
        let semaphore = region.owned_semaphore(NAME, permits).unwrap();
        let mut model = Model { permits, available: permits, hands: Default::default() };
        let mut threads: Vec<_> = (0..THREADS).map(|_| start(&semaphore)).collect();
        for (thread, operation) in operations {
            if model.hands[thread].waits_for.is_some() {
                continue;
            }
            let expected = match operation {
                Operation::TryAcquire(n) => model.acquire(thread, n, Answer::WouldBlock),
                Operation::AcquireTimeout(n) => model.acquire(thread, n, Answer::TimedOut),
                // Who has some would wait for itself, or another for it.
                Operation::Acquire(n) if n <= permits && n > model.available && model.hands[thread].has() > 0 => continue,
                Operation::Acquire(n) if n <= permits && n > model.available => {
                    threads[thread].begin(operation);
                    model.hands[thread].waits_for = Some(n);
                    sleep_on(&region, NAME, &threads, |thread| model.hands[thread].waits_for.is_some())?;
                    continue;
                }
                Operation::Acquire(n) => model.acquire(thread, n, Answer::WouldBlock),
                Operation::Release(index) => model.put_away(thread, index, false),
                Operation::Forget(index) => model.put_away(thread, index, true),
                Operation::End => {
                    std::mem::replace(&mut threads[thread], start(&semaphore)).end();
                    model.end(thread);
                    Answer::Done
                }
            };
            if !matches!(operation, Operation::End) {
                prop_assert_eq!(threads[thread].perform(operation), expected, "{:?} on thread {}", operation, thread);
            }
            settle(&mut model, &threads, &region)?;
            prop_assert_eq!(semaphore.available(), model.available, "after {:?} on thread {}", operation, thread);
        }
        // Those who do not wait end, and with them what the others wait for.
        while model.waiting() > 0 {
            for thread in 0..THREADS {
                if model.hands[thread].waits_for.is_none() {
                    std::mem::replace(&mut threads[thread], start(&semaphore)).end();
                    model.end(thread);
                    settle(&mut model, &threads, &region)?;
                }
            }
        }
        threads.into_iter().for_each(Thread::end);
        prop_assert_eq!(semaphore.available(), permits);
    }
}

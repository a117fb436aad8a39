//! A value is made once, by the first whose making comes to its end: others fail, panic, or die in the middle of it.

use crate::support::alone::alone;
use crate::support::driven::{Driven, Stage, all_sleep};
use crate::support::patience::PATIENCE;
use crate::{LIMIT, driven, region_of_threads};
use proptest::prelude::*;
use selvedge::Region;
use selvedge::region::{Once, OnceError};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::Duration;

const NAME: &str = "seed";
const THREADS: usize = 3;

#[derive(Clone, Copy, Debug)]
enum Operation {
    Get,
    /// Asks for the value, waiting no time at all, and makes this one if it has to.
    Init(u64),
    /// Asks for the value, and stays in the middle of making it if it has to make it. Waits while another makes it.
    Begin,
    /// Ends the making with this value.
    Finish(u64),
    Fail,
    Panic,
    /// The thread dies, in the middle of making it or not; another takes its place.
    Die,
}

fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        2 => Just(Operation::Get),
        1 => any::<u64>().prop_map(Operation::Init),
        8 => Just(Operation::Begin),
        1 => any::<u64>().prop_map(Operation::Finish),
        3 => Just(Operation::Fail),
        3 => Just(Operation::Panic),
        3 => Just(Operation::Die),
    ]
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    Value(Option<u64>),
    /// It is in the middle of making it.
    Begun,
    TimedOut,
    Recursive,
    Failed,
    Panicked,
    /// It makes nothing that could come to an end.
    Idle,
}

/// Ends the calling thread as if it had been killed alone: no destructor of any kind runs.
fn die() -> ! {
    // SAFETY: exits this thread only. Nobody joins it, and what it leaves behind is what the test is about.
    unsafe { libc::syscall(libc::SYS_exit, 0) };
    unreachable!("the thread has ended")
}

fn told<E>(answer: Result<u64, OnceError<E>>) -> Answer {
    match answer {
        Ok(value) => Answer::Value(Some(value)),
        Err(OnceError::TimedOut) => Answer::TimedOut,
        Err(OnceError::Recursive(_)) => Answer::Recursive,
        Err(OnceError::Failed(_)) => Answer::Failed,
        Err(_) => panic!("the region is good"),
    }
}

/// What needs no making by itself.
fn simple(once: &Once<u64>, operation: Operation) -> Answer {
    match operation {
        Operation::Get => Answer::Value(once.get().expect("the region is good")),
        Operation::Init(value) => told(once.get_or_init_timeout(|| value, Duration::ZERO)),
        Operation::Begin => told(once.get_or_init(|| unreachable!("it is being made by the one who asks"))),
        Operation::Die => die(),
        Operation::Finish(_) | Operation::Fail | Operation::Panic => Answer::Idle,
    }
}

/// In the middle of making the value.
fn make(once: &Once<u64>, stage: &Stage<Operation, Answer>) -> Result<u64, ()> {
    stage.answer(Answer::Begun);
    while let Some(operation) = stage.next() {
        match operation {
            Operation::Finish(value) => return Ok(value),
            Operation::Fail => return Err(()),
            // Without the message of a panic.
            Operation::Panic => resume_unwind(Box::new(())),
            operation => stage.answer(simple(once, operation)),
        }
    }
    Err(())
}

type Thread = Driven<Operation, Answer>;

/// The thread, and its id.
fn start(once: &Once<u64>) -> (Thread, u32) {
    let once = once.clone();
    let (send, tid) = std::sync::mpsc::channel();
    let thread = Driven::start(move |stage: &Stage<Operation, Answer>| {
        send.send(rustix::thread::gettid().as_raw_nonzero().get().unsigned_abs()).expect("it is waited for");
        while let Some(operation) = stage.next() {
            let answer = match operation {
                Operation::Begin => {
                    let made = catch_unwind(AssertUnwindSafe(|| once.get_or_try_init(|| make(&once, stage))));
                    made.map_or(Answer::Panicked, told)
                }
                operation => simple(&once, operation),
            };
            stage.answer(answer);
        }
    });
    (thread, tid.recv_timeout(PATIENCE).expect("its id"))
}

/// What must be so.
#[derive(Debug, Default)]
struct Model {
    value: Option<u64>,
    maker: Option<usize>,
    waits: Option<usize>,
}

impl Model {
    /// What the operation answers; not of `Begin` while another makes it, nor of a death.
    fn perform(&mut self, thread: usize, operation: Operation) -> Answer {
        let makes = self.maker == Some(thread);
        let ends = |answer| if makes { answer } else { Answer::Idle };
        match operation {
            Operation::Get => Answer::Value(self.value),
            Operation::Init(_) | Operation::Begin if self.value.is_some() => Answer::Value(self.value),
            Operation::Init(_) | Operation::Begin if makes => Answer::Recursive,
            Operation::Init(_) if self.maker.is_some() => Answer::TimedOut,
            Operation::Init(value) => {
                self.value = Some(value);
                Answer::Value(self.value)
            }
            Operation::Begin => {
                self.maker = Some(thread);
                Answer::Begun
            }
            Operation::Finish(value) if makes => {
                (self.value, self.maker) = (Some(value), None);
                Answer::Value(self.value)
            }
            Operation::Finish(_) => Answer::Idle,
            Operation::Fail | Operation::Panic | Operation::Die => {
                self.maker = self.maker.filter(|maker| *maker != thread);
                ends(if matches!(operation, Operation::Fail) { Answer::Failed } else { Answer::Panicked })
            }
        }
    }
}

/// The one that waits, if nobody makes the value any more, has it or makes it.
fn settle(model: &mut Model, threads: &[(Thread, u32)]) -> Result<(), TestCaseError> {
    if let (Some(thread), None) = (model.waits, model.maker) {
        model.waits = None;
        let expected = model.perform(thread, Operation::Begin);
        prop_assert_eq!(threads[thread].0.hear(), expected, "thread {} waited", thread);
    }
    Ok(())
}

/// At most one waits at a time: who makes the value next of several is not promised.
fn play(region: &Region, operations: Vec<(usize, Operation)>) -> Result<(), TestCaseError> {
    let once = region.once::<u64>(NAME).unwrap();
    let mut model = Model::default();
    let mut threads: Vec<_> = (0..THREADS).map(|_| start(&once)).collect();
    let end = [Operation::Fail; THREADS].into_iter().chain([Operation::Fail; THREADS]);
    let end = end.enumerate().map(|(index, operation)| (index % THREADS, operation));
    for (thread, operation) in operations.into_iter().chain(end) {
        let waits = |maker| maker != thread && matches!(operation, Operation::Begin);
        if model.waits == Some(thread) {
            continue;
        }
        if model.maker.is_some_and(waits) {
            if model.waits.is_none() {
                threads[thread].0.begin(operation);
                all_sleep(region, NAME, [&threads[thread].0]).map_err(TestCaseError::fail)?;
                model.waits = Some(thread);
            }
            continue;
        }
        let expected = model.perform(thread, operation);
        if matches!(operation, Operation::Die) {
            let (dead, tid) = std::mem::replace(&mut threads[thread], start(&once));
            dead.dies(operation, tid);
            // Its process lives on: whoever waits long looks for it, and so does who is asked to.
            region.repair().expect("the region is good");
        } else {
            prop_assert_eq!(threads[thread].0.perform(operation), expected, "{:?} on thread {}", operation, thread);
        }
        settle(&mut model, &threads)?;
        let waiter = model.waits.map(|thread| &threads[thread].0);
        all_sleep(region, NAME, waiter).map_err(TestCaseError::fail)?;
        prop_assert_eq!(once.get(), Ok(model.value));
    }
    threads.into_iter().for_each(|(thread, _)| thread.end());
    let value = model.value.unwrap_or(3);
    prop_assert_eq!(once.get_or_init_timeout(|| 3, Duration::ZERO), Ok(value));
    Ok(())
}

#[test]
fn a_value_is_made_once() {
    // Threads that die leave their handles behind, and those their regions: not in the process of other tests.
    alone(LIMIT, || {
        proptest!(driven(100), |(operations in prop::collection::vec((0..THREADS, operation()), 0..40))| {
            play(&region_of_threads(), operations)?;
        });
    });
}

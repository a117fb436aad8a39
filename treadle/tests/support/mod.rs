//! Programs of the oracle on the engine.
#![allow(dead_code, reason = "no test uses everything")]

pub(crate) mod clients;

use rc11_oracle::{Op, Order, Outcome, Program};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use treadle::sync::atomic::{AtomicU64, Ordering, fence};
use treadle::{Builder, Failure, MemoryModel, Report, Schedule, thread};

/// What the engine showed of a program.
pub(crate) struct Shown {
    pub(crate) outcomes: BTreeSet<Outcome>,
    pub(crate) report: Report,
    /// Executions whose graph had been seen before.
    pub(crate) repeated: usize,
}

/// The orders in which events are added.
pub(crate) fn schedules() -> [Schedule; 4] {
    [Schedule::Leftmost, Schedule::Rightmost, Schedule::Shuffled(1), Schedule::Shuffled(2)]
}

/// Explores `program`.
pub(crate) fn run(program: &Program, memory_model: MemoryModel, schedule: Schedule) -> Shown {
    let mut builder = Builder::new();
    builder.memory_model = memory_model;
    builder.schedule = schedule;
    run_with(program, &builder).expect("programs do not fail")
}

/// Explores `program` in a way of one's own.
pub(crate) fn run_with(program: &Program, builder: &Builder) -> Result<Shown, Box<Failure>> {
    let seen = Arc::new(Mutex::new(BTreeSet::new()));
    let (program, into) = (Arc::new(program.clone()), Arc::clone(&seen));
    let (mut graphs, mut repeated) = (BTreeSet::new(), 0);
    let report = builder
        .explore_graphs(move || execute(&program, &into), |graph| repeated += usize::from(!graphs.insert(graph)))?;
    let outcomes = seen.lock().unwrap_or_else(PoisonError::into_inner).clone();
    Ok(Shown { outcomes, report, repeated })
}

pub(crate) fn execute(program: &Arc<Program>, into: &Mutex<BTreeSet<Outcome>>) {
    let words: Arc<Vec<AtomicU64>> = Arc::new((0..program.words()).map(|_| AtomicU64::new(0)).collect());
    let lanes: Vec<_> = (0..program.threads().len())
        .map(|lane| {
            let (program, words) = (Arc::clone(program), Arc::clone(&words));
            thread::spawn(move || program.threads()[lane].iter().filter_map(|op| perform(op, &words)).collect())
        })
        .collect();
    let reads: Vec<Vec<u64>> = lanes.into_iter().map(|lane| lane.join().expect("no thread panics")).collect();
    // Everything has been joined: the last write of each word is all that can be read.
    let finals = words.iter().map(|word| word.load(Ordering::Relaxed)).collect();
    into.lock().unwrap_or_else(PoisonError::into_inner).insert(Outcome { reads, finals });
}

fn perform(op: &Op, words: &[AtomicU64]) -> Option<u64> {
    match *op {
        Op::Load { word, order } => Some(words[word].load(ordering(order))),
        Op::Store { word, value, order } => {
            words[word].store(value, ordering(order));
            None
        }
        Op::FetchAdd { word, value, order } => Some(words[word].fetch_add(value, ordering(order))),
        Op::Swap { word, value, order } => Some(words[word].swap(value, ordering(order))),
        Op::CompareExchange { word, expected, new, success, failure } => {
            let result = words[word].compare_exchange(expected, new, ordering(success), ordering(failure));
            Some(result.unwrap_or_else(|found| found))
        }
        Op::Fence { order } => {
            fence(ordering(order));
            None
        }
    }
}

fn ordering(order: Order) -> Ordering {
    match order {
        Order::Relaxed => Ordering::Relaxed,
        Order::Acquire => Ordering::Acquire,
        Order::Release => Ordering::Release,
        Order::AcqRel => Ordering::AcqRel,
        Order::SeqCst => Ordering::SeqCst,
    }
}

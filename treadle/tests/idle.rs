//! Futex operations that do nothing are not told apart by what they read: that loses no outcome, and makes each graph
//! stand for those that differ in nothing else, once.
//!
//! The search has a mode that tells them apart. Its graphs, with each idle operation put back to the first place that
//! means the same, have to be the graphs of the usual search: on random programs, in any order of the threads.
#![cfg(not(loom))]

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use treadle::cell::UnsafeCell;
use treadle::futex::{Outcome, Until, WakeOrder, wait, waitv, wake, wake_in_order};
use treadle::sync::atomic::{AtomicU32, Ordering, fence};
use treadle::{Builder, MemoryModel, Problem, Schedule, thread};

use Ordering::{AcqRel, Acquire, Relaxed, Release, SeqCst};

/// The bit of `planted` that tells idle operations apart.
const APART: u32 = 1 << 8;

#[derive(Clone, Copy, Debug)]
enum Operation {
    Load(usize, Ordering),
    Store(usize, u32, Ordering),
    Exchange(usize, u32, u32),
    Fence,
    Wait(usize, u32, Until),
    WaitForBoth(u32, Until),
    Wake(usize, u32, WakeOrder),
}

type Program = Vec<Vec<Operation>>;

/// Numbers that look random (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % bound as u64).expect("it is below a usize")
    }

    fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }

    fn operation(&mut self, untils: &[Until]) -> Operation {
        let word = self.below(2);
        let value = u32::from(self.below(2) == 0);
        match self.below(12) {
            0 => Operation::Load(word, self.one_of(&[Relaxed, Acquire])),
            1 | 2 => Operation::Store(word, value, self.one_of(&[Relaxed, Release])),
            3 => Operation::Exchange(word, value, 1 - value),
            4 => Operation::Fence,
            5..=7 => Operation::Wait(word, value, self.one_of(untils)),
            8 => Operation::WaitForBoth(value, self.one_of(untils)),
            _ => Operation::Wake(word, self.one_of(&[1, u32::MAX]), self.one_of(&[WakeOrder::Fifo, WakeOrder::Lifo])),
        }
    }

    fn program(&mut self, threads: usize, operations: usize, untils: &[Until]) -> Program {
        (0..threads).map(|_| (0..operations).map(|_| self.operation(untils)).collect()).collect()
    }
}

fn has_several(program: &Program) -> bool {
    program.iter().flatten().any(|operation| matches!(operation, Operation::WaitForBoth(..)))
}

fn perform(operation: Operation, words: &[AtomicU32; 2]) -> u32 {
    let code = |outcome| match outcome {
        Outcome::Woken => 0,
        Outcome::Changed => 1,
        Outcome::TimedOut => 2,
    };
    match operation {
        Operation::Load(word, order) => words[word].load(order),
        Operation::Store(word, value, order) => {
            words[word].store(value, order);
            0
        }
        Operation::Exchange(word, expected, new) => {
            words[word].compare_exchange(expected, new, AcqRel, Relaxed).unwrap_or_else(|found| found + 10)
        }
        Operation::Fence => {
            fence(SeqCst);
            0
        }
        Operation::Wait(word, expected, until) => code(wait(&words[word], expected, until)),
        Operation::WaitForBoth(expected, until) => code(waitv(&[(&words[0], expected), (&words[1], 0)], until)),
        Operation::Wake(word, count, order) => wake_in_order(&words[word], count, order),
    }
}

/// What an exploration showed.
#[derive(Debug, PartialEq, Eq)]
struct Shown {
    outcomes: BTreeSet<Vec<Vec<u32>>>,
    graphs: BTreeSet<u128>,
    failure: Option<Problem>,
}

/// Explores a program, and says in how many executions besides; none if there are too many.
fn explore(program: &Program, builder: &Builder) -> Option<(Shown, u64)> {
    let outcomes = Arc::new(Mutex::new(BTreeSet::new()));
    let mut graphs = BTreeSet::new();
    let (into, program) = (Arc::clone(&outcomes), program.clone());
    let body = move || {
        let words = Arc::new([AtomicU32::new(0), AtomicU32::new(0)]);
        let start = |thread: &Vec<Operation>| {
            let (words, thread) = (Arc::clone(&words), thread.clone());
            thread::spawn(move || thread.into_iter().map(|operation| perform(operation, &words)).collect::<Vec<_>>())
        };
        let threads: Vec<_> = program.iter().map(start).collect();
        let mut shown: Vec<_> = threads.into_iter().map(|thread| thread.join().expect("it ends")).collect();
        shown.push(words.iter().map(|word| word.load(Relaxed)).collect());
        into.lock().expect("not poisoned").insert(shown);
    };
    let report = builder.explore_graphs(body, |graph| {
        graphs.insert(graph);
    });
    let (failure, executions) = match report {
        Ok(report) if report.inconclusive.is_some() => return None,
        Ok(report) => (None, report.executions),
        Err(failure) => (Some(failure.problem), 0),
    };
    let outcomes = outcomes.lock().expect("not poisoned").clone();
    Some((Shown { outcomes, graphs, failure }, executions))
}

fn builder(memory_model: MemoryModel, schedule: Schedule, planted: u32) -> Builder {
    let mut builder = Builder::new();
    (builder.memory_model, builder.schedule, builder.planted) = (memory_model, schedule, planted);
    builder.max_runs = Some(20_000);
    builder
}

const SCHEDULES: [Schedule; 4] =
    [Schedule::Leftmost, Schedule::Rightmost, Schedule::Shuffled(1), Schedule::Shuffled(2)];

/// What was compared: programs, and executions in either mode.
#[derive(Debug, Default)]
struct Compared {
    programs: u64,
    usual: u64,
    apart: u64,
}

fn compare(seed: u64, programs: u64, threads: usize, operations: usize, untils: &[Until]) -> Compared {
    let mut numbers = Numbers(seed);
    let mut compared = Compared::default();
    for _ in 0..programs {
        let program = numbers.program(threads, operations, untils);
        for memory_model in [MemoryModel::Rc11, MemoryModel::Sc] {
            let Some((truth, apart)) = explore(&program, &builder(memory_model, Schedule::Leftmost, APART)) else {
                continue;
            };
            let mut usual = 0;
            for schedule in SCHEDULES {
                let (shown, executions) =
                    explore(&program, &builder(memory_model, schedule, 0)).expect("it has fewer executions");
                assert_eq!(shown.failure, truth.failure, "{memory_model:?}, {schedule:?}: {program:?}");
                // A failure ends the exploration, wherever it is.
                if shown.failure.is_none() {
                    assert_eq!(shown.outcomes, truth.outcomes, "{memory_model:?}, {schedule:?}: {program:?}");
                    // A wait on several words makes a word of its own, whose number depends on the schedule.
                    if has_several(&program) {
                        let (shown, truth) = (shown.graphs.len(), truth.graphs.len());
                        assert_eq!(shown, truth, "{memory_model:?}, {schedule:?}: {program:?}");
                    } else {
                        assert_eq!(shown.graphs, truth.graphs, "{memory_model:?}, {schedule:?}: {program:?}");
                    }
                    assert_eq!(executions, shown.graphs.len() as u64, "{memory_model:?}, {schedule:?}: {program:?}");
                }
                usual = executions;
            }
            compared.programs += 1;
            compared.usual += usual;
            compared.apart += apart;
        }
    }
    compared
}

#[test]
fn random_programs_show_the_same_in_fewer_executions() {
    let ending =
        [Until::WokenOrTimedOut, Until::WokenOrSpurious, Until::WokenOrQuiet, Until::TimedOut, Until::Spurious];
    for (seed, programs, threads, operations) in [(1, 150, 2, 3), (2, 60, 3, 2), (3, 40, 2, 4), (4, 20, 3, 3)] {
        let compared = compare(seed, programs, threads, operations, &ending);
        println!("{threads} threads of {operations}: {compared:?}");
        assert!(compared.programs > programs && compared.usual < compared.apart, "{compared:?}");
    }
}

#[test]
fn lost_wake_ups_are_found_in_the_same_programs() {
    let compared = compare(5, 150, 2, 3, &[Until::Woken]);
    println!("{compared:?}");
    assert!(compared.programs > 200, "{compared:?}");
}

#[test]
fn where_an_idle_operation_stands_orders_nothing() {
    // The wake would have to stand before the swap if it stood anywhere, so that one of the two is seen.
    for schedule in SCHEDULES {
        let seen = Arc::new(Mutex::new(BTreeSet::new()));
        let into = Arc::clone(&seen);
        let report = builder(MemoryModel::Rc11, schedule, 0).explore(move || {
            let words = Arc::new([AtomicU32::new(0), AtomicU32::new(0)]);
            let other = Arc::clone(&words);
            let waker = thread::spawn(move || {
                other[0].store(1, Relaxed);
                fence(SeqCst);
                wake(&other[1], 1);
            });
            words[1].swap(1, Relaxed);
            fence(SeqCst);
            let read = words[0].load(Relaxed);
            waker.join().expect("it ends");
            into.lock().expect("not poisoned").insert(read);
        });
        assert_eq!(report.expect("nothing fails").executions, 2, "{schedule:?}");
        assert_eq!(*seen.lock().expect("not poisoned"), BTreeSet::from([0, 1]), "{schedule:?}");
    }
}

#[test]
fn who_does_not_sleep_receives_nothing() {
    let failure = Builder::new().explore(|| {
        let pair = Arc::new((AtomicU32::new(0), UnsafeCell::new(0)));
        let other = Arc::clone(&pair);
        let writer = thread::spawn(move || {
            // SAFETY: none: this is the race.
            other.1.with_mut(|value| unsafe { *value = 1 });
            other.0.store(1, Release);
        });
        if wait(&pair.0, 0, Until::TimedOut) == Outcome::Changed {
            fence(Acquire);
            // SAFETY: none: that the word had changed is all that the wait says.
            pair.1.with(|value| unsafe { *value });
        }
        writer.join().expect("it ends");
    });
    assert_eq!(failure.expect_err("nothing was received").problem, Problem::DataRace);
}

#[test]
fn who_finds_nobody_for_ever_is_reported() {
    let failure = Builder::new().explore(|| {
        let words = Arc::new([AtomicU32::new(0), AtomicU32::new(0)]);
        let other = Arc::clone(&words);
        let thread = thread::spawn(move || {
            other[0].swap(1, Relaxed);
            other[0].swap(0, Relaxed);
        });
        // There is nobody to be woken, whenever it looks.
        while wake(&words[0], 1) == 0 {
            treadle::hint::spin_loop();
        }
        thread.join().expect("it ends");
    });
    assert_eq!(failure.expect_err("nobody waits").problem, Problem::Deadlock);
}

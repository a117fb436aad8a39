//! The model of the futex against the kernel, and against its own rules in order of steps.
//!
//! Programs of two and three threads on two words: stores, waits on one word and on both, with and without deadlines,
//! wakes, the death of a process, by its own hand or from outside at any time, and wakes by strangers. Each runs many
//! times as processes with raw futex calls on a shared page, with random pauses, goes through all orders of its steps
//! in a machine of states that is written here once more, and is explored on loom and on treadle over the model. What is
//! compared are outcomes: what each wait returned, how many each wake woke, who sleeps for ever, what the words hold at
//! the end.
//!
//! - Random programs: whatever the kernel does, some order of steps must do, and whatever some order of steps does, both
//!   engines must find. What the machine has too much is bounded only by the share of its outcomes that the kernel was
//!   seen to do; what the engines have besides comes of memory that is weaker than the kernel's calls leave it, and is
//!   counted ([`Weak`](futex_kernel::model::Weak)).
//! - Chosen programs: all four must be equal. They are small enough for the kernel to show all that it can do.
//!
//! Wakes take the longest asleep first here, as the kernel does, and nobody returns without a reason unless a stranger
//! gives one: the model explains nothing away by what it could do otherwise.
//!
//! `SELVEDGE_PROGRAMS` is the number of random programs; [`PROGRAMS`] if it is not set.
#![cfg(loom)]
#![allow(missing_docs)]

mod futex_kernel {
    pub(crate) mod crew;
    pub(crate) mod machine;
    pub(crate) mod model;
    pub(crate) mod page;
    pub(crate) mod program;
    pub(crate) mod worker;
}

use futex_kernel::crew::{Crew, has_waitv, make_interruptible};
use futex_kernel::model::{Modelled, Weak};
use futex_kernel::program::{Generator, Lane, Op, Outcome, Program, Random, Trouble};
use selvedge::sync::model::WakeOrder;
use selvedge_models::parallel;
use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

const PROGRAMS: u64 = 160;
const SEED: u64 = 0x5e17_ed6e;
/// How long each random program is run on the kernel, and how often at least.
const SLICE: Duration = Duration::from_millis(60);
const ROUNDS: u32 = 50;
/// How often each chosen program is run on the kernel at least.
const CHOSEN_ROUNDS: u32 = 500;
/// How long the kernel has to show everything that a chosen program can do.
const PATIENCE: Duration = Duration::from_secs(60);

/// Races on the kernel are close only if the processors are free: one test at a time.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    let guard = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    make_interruptible();
    guard
}

fn programs() -> u64 {
    let given = std::env::var("SELVEDGE_PROGRAMS").ok();
    given.map_or(PROGRAMS, |programs| programs.parse().expect("SELVEDGE_PROGRAMS is a number"))
}

/// What the stranger does, if there is one.
fn stranger(program: &Program) -> Vec<Op> {
    match program.trouble {
        Trouble::StrayWake { word } => vec![Op::Wake { word, count: 1 }],
        _ => Vec::new(),
    }
}

fn listed<'a>(outcomes: impl IntoIterator<Item = &'a Outcome>) -> String {
    let lines: Vec<String> = outcomes.into_iter().map(|outcome| format!("  {outcome}")).collect();
    lines.join("\n")
}

/// Fails if the kernel has done what no order of steps does.
fn check_inclusion(what: &str, program: &Program, kernel: &BTreeSet<Outcome>, model: &Modelled) {
    assert!(
        kernel.is_subset(&model.outcomes),
        "{what}: the kernel does what no order of steps does\n{program}on the kernel alone:\n{}\nby an order of steps:\n{}",
        listed(kernel.difference(&model.outcomes)),
        listed(&model.outcomes),
    );
}

#[test]
fn what_the_kernel_does_is_in_the_model() {
    let _alone = alone();
    let has_waitv = has_waitv();
    let drawn = (0..programs()).map(|number| (number, Generator::new(SEED.wrapping_add(number)).program()));
    let drawn: Vec<(u64, Program)> = drawn.filter(|(_, program)| has_waitv || !program.needs_waitv()).collect();
    let start = Instant::now();
    let explore = |(_, program): &(u64, Program)| Modelled::of(program, WakeOrder::Fifo);
    let models = parallel::map(&drawn, parallel::cores(), explore, |_, _| {});
    let exploring = start.elapsed();
    let (mut rounds, mut seen, mut modelled, mut whole, mut executions) = (0, 0, 0, 0, 0);
    let mut weak = Weak::default();
    for ((number, program), model) in drawn.iter().zip(models) {
        let kernel = run(program, *number, &mut rounds);
        check_inclusion(&format!("program {number} of seed {SEED:#x}"), program, &kernel, &model);
        seen += kernel.len();
        modelled += model.outcomes.len();
        whole += usize::from(kernel.len() == model.outcomes.len());
        executions += model.executions;
        weak.add(&model.weak);
    }
    let programs = drawn.len();
    println!(
        "{programs} programs; {executions} executions of the model in {:.1} s, \
         {rounds} runs on the kernel in {:.1} s; the kernel showed {seen} of the {modelled} outcomes, \
         all of them for {whole} programs; weaker ones, for each plan: {} on both engines, {} on loom alone, \
         {} on treadle alone",
        exploring.as_secs_f64(),
        (start.elapsed() - exploring).as_secs_f64(),
        weak.both,
        weak.loom_alone,
        weak.treadle_alone,
    );
    assert!(2 * seen > modelled && 2 * whole > programs, "the kernel shows too little to compare with");
    assert!(20 * weak.count() < modelled, "the engines show too much besides what orders of steps do");
}

/// What `program` does on the kernel in a slice of time.
fn run(program: &Program, seed: u64, rounds: &mut u32) -> BTreeSet<Outcome> {
    let stranger = stranger(program);
    let mut crew = Crew::new(program, &stranger, Random(seed).next());
    let mut seen = BTreeSet::new();
    let until = Instant::now() + SLICE;
    for round in 0.. {
        if round >= ROUNDS && Instant::now() > until {
            break;
        }
        *rounds += 1;
        seen.insert(crew.run());
    }
    seen
}

fn wait(word: usize) -> Op {
    Op::Wait { word, expected: 0 }
}

fn waitv(expected: [u32; 2]) -> Op {
    Op::Waitv { first: 0, expected }
}

fn wake(word: usize, count: u32) -> Op {
    Op::Wake { word, count }
}

fn store(word: usize) -> Op {
    Op::Store { word, value: 1 }
}

fn lane(ops: &[Op]) -> Lane {
    Lane { ops: ops.to_vec(), timed: false }
}

fn timed(ops: &[Op]) -> Lane {
    Lane { ops: ops.to_vec(), timed: true }
}

/// Programs whose every outcome the kernel shows within a moment, and how many there are.
fn chosen() -> Vec<(usize, &'static str, Program)> {
    let program = |lanes: &[Lane]| Program { lanes: lanes.to_vec(), trouble: Trouble::None };
    let troubled = |trouble, lanes: &[Lane]| Program { lanes: lanes.to_vec(), trouble };
    vec![
        (2, "a wake comes in time or too early", program(&[lane(&[wait(0)]), lane(&[wake(0, 1)])])),
        (2, "no wake is lost between check and sleep", program(&[lane(&[wait(0)]), lane(&[store(0), wake(0, 1)])])),
        (
            3,
            "a wake of one of two",
            program(&[lane(&[wait(0), wake(1, 1)]), lane(&[wait(0), store(1)]), lane(&[wake(0, 1)])]),
        ),
        (4, "a wake of two", program(&[lane(&[wait(0)]), lane(&[wait(0)]), lane(&[wake(0, 2)])])),
        (6, "two wakes of one", program(&[lane(&[wait(0)]), lane(&[wait(0)]), lane(&[wake(0, 1), wake(0, 1)])])),
        (3, "a deadline races a wake", program(&[timed(&[wait(0)]), lane(&[wake(0, 1), wake(0, 1)])])),
        (3, "a deadline swallows no wake", program(&[timed(&[wait(0)]), lane(&[wait(0)]), lane(&[wake(0, 1)])])),
        (4, "a wait on two words is woken twice", program(&[lane(&[waitv([0, 0])]), lane(&[wake(0, 1), wake(1, 1)])])),
        (2, "a wait on two words notices either", program(&[lane(&[waitv([0, 0])]), lane(&[store(1), wake(1, 1)])])),
        (
            3,
            "a wait on two words is gone when it has ended",
            program(&[lane(&[waitv([0, 0]), store(0)]), lane(&[wake(0, 1), wait(0), wake(1, 1)])]),
        ),
        (2, "a wait on two words never sleeps", program(&[lane(&[waitv([0, 1]), wake(0, 1)]), lane(&[wait(0)])])),
        (5, "the longest asleep is woken first", longest_asleep_first()),
        (
            3,
            "the dead eat wakes",
            troubled(Trouble::Murder { thread: 0 }, &[lane(&[wait(0)]), lane(&[wait(0)]), lane(&[wake(0, 1)])]),
        ),
        (
            2,
            "the dead eat no wake once they are gone",
            troubled(Trouble::Murder { thread: 0 }, &[lane(&[wait(0)]), lane(&[wait(1), wake(0, 1)])]),
        ),
        (2, "the dead of a wait on two words are gone from both", dead_on_two_words()),
        (2, "who has timed out is gone", program(&[timed(&[wait(0), store(1)]), lane(&[wait(1), wake(0, 1)])])),
        (
            3,
            "a stranger's wake is a return without a reason",
            troubled(Trouble::StrayWake { word: 0 }, &[lane(&[wait(0)]), lane(&[store(0), wake(0, 1)])]),
        ),
    ]
}

/// Programs with outcomes that need two processors: a wake while the kernel goes from word to word for somebody else.
fn close_races() -> Vec<(usize, &'static str, Program)> {
    let program = |lanes: &[Lane]| Program { lanes: lanes.to_vec(), trouble: Trouble::None };
    vec![
        (2, "a wait on two words is woken before it sleeps", program(&[lane(&[waitv([0, 1])]), lane(&[wake(0, 1)])])),
        (
            4,
            "a wait on two words joins one after the other",
            program(&[lane(&[waitv([0, 0])]), lane(&[store(1), wake(1, 1), wake(0, 1)])]),
        ),
    ]
}

fn dead_on_two_words() -> Program {
    let heir = lane(&[Op::Wait { word: 1, expected: 0 }, wake(1, 1), wake(0, 1)]);
    Program { lanes: vec![lane(&[waitv([0, 0])]), heir], trouble: Trouble::Murder { thread: 0 } }
}

/// Of the two who sleep, T0 slept before the store and T1 after it: a wake that takes the last tells itself.
fn longest_asleep_first() -> Program {
    let late = lane(&[Op::Wait { word: 0, expected: 1 }]);
    Program { lanes: vec![lane(&[wait(0)]), late, lane(&[store(0), wake(0, 1)])], trouble: Trouble::None }
}

#[test]
fn only_another_wake_order_wakes_the_last_asleep_first() {
    let overtaken = |order| {
        let model = Modelled::of(&longest_asleep_first(), order);
        assert_eq!(model.weak.count(), 0, "the engines know what no order of steps does");
        model.outcomes.iter().any(|outcome| outcome.to_string() == "T0: asleep | T1: woken | T2: -, 1 | w0=1 w1=0")
    };
    assert!(overtaken(WakeOrder::Lifo) && !overtaken(WakeOrder::Fifo));
}

#[test]
fn chosen_programs_do_the_same_on_the_kernel_and_in_the_model() {
    let _alone = alone();
    let has_waitv = has_waitv();
    let close_races = if parallel::cores() > 1 { close_races() } else { Vec::new() };
    for (outcomes, name, program) in chosen().into_iter().chain(close_races) {
        if program.needs_waitv() && !has_waitv {
            continue;
        }
        let model = Modelled::of(&program, WakeOrder::Fifo);
        assert_eq!(model.weak.count(), 0, "{name}: the engines know what no order of steps does\n{program}");
        let stranger = stranger(&program);
        let mut crew = Crew::new(&program, &stranger, SEED);
        let (mut kernel, mut rounds) = (BTreeSet::new(), 0);
        let start = Instant::now();
        while rounds < CHOSEN_ROUNDS || kernel.len() < outcomes.max(model.outcomes.len()) {
            assert!(
                start.elapsed() < PATIENCE,
                "{name}: not {outcomes} outcomes on the kernel and in the model after {rounds} runs\n\
                 {program}in the model alone:\n{}\non the kernel:\n{}",
                listed(model.outcomes.difference(&kernel)),
                listed(&kernel),
            );
            rounds += 1;
            kernel.insert(crew.run());
            check_inclusion(name, &program, &kernel, &model);
        }
        println!("{name}: {outcomes} outcomes in {rounds} runs, {:.2} s", start.elapsed().as_secs_f64());
        assert_eq!(kernel.len(), outcomes, "{name}: more outcomes than thought\n{program}{}", listed(&kernel));
    }
}

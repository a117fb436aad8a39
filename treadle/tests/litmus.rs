//! The litmus shapes and probes of the conformance matrix: each cell's verdict, outcome set and number of executions.
#![cfg(not(loom))]

mod support;

use rc11_oracle::litmus::{Column, PROBES, SHAPES};
use rc11_oracle::{Model, Op, Order, Program, outcomes};
use support::{run, schedules};
use treadle::{MemoryModel, Schedule};

/// The engine shows what the oracle shows, in as many executions as there are graphs. Returns that number.
fn compare(name: &str, program: &Program) -> u64 {
    let truth = outcomes(program, Model::Rc11);
    for schedule in schedules() {
        let shown = run(program, MemoryModel::Rc11, schedule);
        assert_eq!(shown.outcomes, truth.set, "{name} {schedule:?}");
        assert_eq!((shown.report.executions, shown.repeated), (truth.graphs, 0), "{name} {schedule:?}");
    }
    truth.graphs
}

fn executions(name: &str, column: Column) -> u64 {
    let shape = SHAPES.iter().find(|shape| shape.name == name).unwrap_or_else(|| panic!("no shape {name}"));
    let program = shape.program(column).expect("a shape is a program");
    run(&program, MemoryModel::Rc11, Schedule::Leftmost).report.executions
}

fn executions_of(threads: Vec<Vec<Op>>) -> u64 {
    let words = 3;
    let program = Program::new(words, threads).expect("it is a program");
    run(&program, MemoryModel::Rc11, Schedule::Leftmost).report.executions
}

#[test]
fn every_cell_of_the_matrix() {
    for shape in SHAPES {
        for column in Column::ALL {
            let program = shape.program(column).expect("a shape is a program");
            compare(&format!("{} {}", shape.name, column.name()), &program);
            let shown = run(&program, MemoryModel::Rc11, Schedule::Leftmost);
            let weak = shown.outcomes.iter().any(|outcome| shape.is_weak(outcome));
            assert_eq!(weak, shape.verdict(column).in_rc11(), "{} {}", shape.name, column.name());
        }
    }
}

#[test]
fn every_probe() {
    for probe in PROBES {
        let program = probe.program().expect("a probe is a program");
        compare(probe.name, &program);
        let shown = run(&program, MemoryModel::Rc11, Schedule::Leftmost);
        let seen = shown.outcomes.iter().any(|outcome| probe.matches(outcome));
        assert_eq!(seen, probe.verdict.in_rc11(), "{}", probe.name);
    }
}

/// The numbers of complete executions that GenMC's own test suite expects, and that the literature reports.
#[test]
fn published_counts_of_shapes() {
    use Column::{Fenced, Relaxed, ReleaseAcquire, SeqCst};
    let counts = [
        ("SB", Relaxed, 4),
        ("SB", SeqCst, 3),
        ("SB", Fenced, 3),
        ("MP", Relaxed, 4),
        ("MP", ReleaseAcquire, 3),
        ("LB", Relaxed, 3),
        ("2+2W", Relaxed, 4),
        ("2+2W", Fenced, 3),
        ("CoRR", Relaxed, 3),
    ];
    for (name, column, expected) in counts {
        assert_eq!(executions(name, column), expected, "{name} {}", column.name());
    }
}

#[test]
fn published_counts_of_probes() {
    // Z6.U is 22 where `psc` is made with `sb ; hb ; sb`; the paper's own, which is used here, gives 24.
    for (name, expected) in [("IRIW with SeqCst stores and acquire loads", 16), ("Z6.U", 24)] {
        let probe = PROBES.iter().find(|probe| probe.name == name).unwrap_or_else(|| panic!("no probe {name}"));
        assert_eq!(compare(name, &probe.program().expect("a probe is a program")), expected, "{name}");
    }
}

/// Families of the usual benchmark sets (GenMC's `tests/correct/litmus` and `synthetic`), by their formulas.
#[test]
fn families_with_known_counts() {
    let factorial = |n: u64| (1..=n).product::<u64>();
    let relaxed = Order::Relaxed;
    for n in 1..=7_u64 {
        let count = usize::try_from(n).expect("it is small");
        // readers(n): one store, n loads.
        let mut threads = vec![vec![Op::load(0, relaxed)]; count];
        threads.push(vec![Op::store(0, 1, relaxed)]);
        assert_eq!(executions_of(threads), 1 << n, "readers({n})");
        // ainc(n): n increments.
        assert_eq!(executions_of(vec![vec![Op::fetch_add(0, 1, relaxed)]; count]), factorial(n), "ainc({n})");
        // writers(n): n stores of one word.
        let writers = (1..=n).map(|value| vec![Op::store(0, value, relaxed)]).collect();
        assert_eq!(executions_of(writers), factorial(n), "writers({n})");
        // casw(n): n compare-exchanges from 0 to something else: one succeeds, and the others fail.
        let exchanges = (1..=n).map(|value| vec![Op::compare_exchange(0, 0, value, relaxed, relaxed)]).collect();
        assert_eq!(executions_of(exchanges), n, "cas({n})");
    }
}

#[test]
fn a_failing_exchange_is_sequentially_consistent_if_it_says_so() {
    let side = |mine, other, failure| {
        let store = Op::store(mine, 1, Order::SeqCst);
        vec![store, Op::compare_exchange(other, 5, 6, Order::SeqCst, failure)]
    };
    assert_eq!(executions_of(vec![side(0, 1, Order::SeqCst), side(1, 0, Order::SeqCst)]), 3);
    assert_eq!(executions_of(vec![side(0, 1, Order::Acquire), side(1, 0, Order::Acquire)]), 4);
}

//! Laws that every correct enumeration obeys, on random programs.
#![cfg(not(loom))]

use rc11_oracle::random::{Generator, Mix, Profile};
use rc11_oracle::{Model, Op, Order, Program, ProgramError, outcomes};

const BALANCED: Profile = Profile { accesses: 8, ..Profile::new(4, 4, 2) };
const FENCES: Profile = BALANCED.fence_heavy();
const SEQ_CST: Profile = BALANCED.with_mix(Mix::SEQ_CST_HEAVY);

fn programs(seed: u64, profile: Profile, count: usize) -> Result<Vec<Program>, ProgramError> {
    let mut generator = Generator::new(seed, profile);
    (0..count).map(|_| generator.program()).collect()
}

/// The program with `op` in place of operation `index` of `thread`; `None` if the language refuses it.
fn with_op(program: &Program, thread: usize, index: usize, op: Op) -> Option<Program> {
    let mut threads = program.threads().to_vec();
    threads[thread][index] = op;
    Program::new(program.words(), threads).ok()
}

/// The operation with each of its orderings replaced by each stronger one.
fn strengthened(op: Op) -> Vec<Op> {
    let stronger = |than: Order| Order::ALL.into_iter().filter(move |&order| order != than && order.is_at_least(than));
    match op {
        Op::Load { word, order } => stronger(order).map(|order| Op::load(word, order)).collect(),
        Op::Store { word, value, order } => stronger(order).map(|order| Op::store(word, value, order)).collect(),
        Op::FetchAdd { word, value, order } => stronger(order).map(|o| Op::fetch_add(word, value, o)).collect(),
        Op::Swap { word, value, order } => stronger(order).map(|order| Op::swap(word, value, order)).collect(),
        Op::CompareExchange { word, expected, new, success, failure } => stronger(success)
            .map(|success| Op::compare_exchange(word, expected, new, success, failure))
            .chain(stronger(failure).map(|failure| Op::compare_exchange(word, expected, new, success, failure)))
            .collect(),
        Op::Fence { order } => stronger(order).map(Op::fence).collect(),
    }
}

/// Every program that differs from `program` in one ordering, which is stronger.
fn strengthenings(program: &Program) -> Vec<Program> {
    let mut all = Vec::new();
    for (thread, ops) in program.threads().iter().enumerate() {
        for (index, &op) in ops.iter().enumerate() {
            all.extend(strengthened(op).into_iter().filter_map(|op| with_op(program, thread, index, op)));
        }
    }
    all
}

fn sequentially_consistent(op: Op) -> Op {
    let order = Order::SeqCst;
    match op {
        Op::Load { word, .. } => Op::load(word, order),
        Op::Store { word, value, .. } => Op::store(word, value, order),
        Op::FetchAdd { word, value, .. } => Op::fetch_add(word, value, order),
        Op::Swap { word, value, .. } => Op::swap(word, value, order),
        Op::CompareExchange { word, expected, new, .. } => Op::compare_exchange(word, expected, new, order, order),
        Op::Fence { order } => Op::fence(order),
    }
}

#[test]
fn strengthening_an_ordering_never_adds_an_outcome() -> Result<(), ProgramError> {
    let mut fewer = 0;
    for program in [programs(21, BALANCED, 60)?, programs(22, FENCES, 40)?, programs(30, SEQ_CST, 40)?].concat() {
        let weak = outcomes(&program, Model::Rc11);
        for stronger in strengthenings(&program) {
            let strong = outcomes(&stronger, Model::Rc11);
            assert!(strong.set.is_subset(&weak.set) && strong.graphs <= weak.graphs, "{program}\n{stronger}");
            fewer += usize::from(strong.graphs < weak.graphs);
        }
    }
    assert!(fewer > 40, "only {fewer} strengthenings forbade anything: the programs are too tame");
    Ok(())
}

#[test]
fn a_fence_never_adds_an_outcome() -> Result<(), ProgramError> {
    let mut fewer = 0;
    for program in programs(23, BALANCED, 100)? {
        let weak = outcomes(&program, Model::Rc11);
        for (thread, ops) in program.threads().iter().enumerate() {
            for at in 1..ops.len() {
                let mut threads = program.threads().to_vec();
                threads[thread].insert(at, Op::fence(Order::SeqCst));
                let fenced = Program::new(program.words(), threads)?;
                let strong = outcomes(&fenced, Model::Rc11);
                assert!(strong.set.is_subset(&weak.set) && strong.graphs <= weak.graphs, "{program}\n{fenced}");
                fewer += usize::from(strong.graphs < weak.graphs);
            }
        }
    }
    assert!(fewer > 20, "only {fewer} fences forbade anything: the programs are too tame");
    Ok(())
}

#[test]
fn sequential_consistency_allows_no_more_than_rc11() -> Result<(), ProgramError> {
    let mut fewer = 0;
    for program in [programs(24, BALANCED, 500)?, programs(25, FENCES, 500)?].concat() {
        let weak = outcomes(&program, Model::Rc11);
        let strong = outcomes(&program, Model::Sc);
        assert!(!strong.set.is_empty() && strong.set.is_subset(&weak.set) && strong.graphs <= weak.graphs, "{program}");
        fewer += usize::from(strong.set.len() < weak.set.len());
    }
    assert!(fewer > 200, "only {fewer} of the programs have a weak outcome");
    Ok(())
}

#[test]
fn a_program_of_seq_cst_accesses_is_sequentially_consistent() -> Result<(), ProgramError> {
    for program in [programs(26, BALANCED, 500)?, programs(27, FENCES, 300)?].concat() {
        let ops = |lane: &Vec<Op>| lane.iter().copied().map(sequentially_consistent).collect();
        let program = Program::new(program.words(), program.threads().iter().map(ops).collect())?;
        assert_eq!(outcomes(&program, Model::Rc11), outcomes(&program, Model::Sc), "{program}");
    }
    Ok(())
}

/// Fences between all accesses restore sequential consistency, too, whatever the accesses are.
#[test]
fn a_program_with_seq_cst_fences_everywhere_is_sequentially_consistent() -> Result<(), ProgramError> {
    for program in programs(28, BALANCED, 300)? {
        let fenced = |lane: &Vec<Op>| lane.iter().flat_map(|&op| [op, Op::fence(Order::SeqCst)]).collect();
        let program = Program::new(program.words(), program.threads().iter().map(fenced).collect())?;
        assert_eq!(outcomes(&program, Model::Rc11), outcomes(&program, Model::Sc), "{program}");
    }
    Ok(())
}

#[test]
fn the_order_of_the_threads_does_not_matter() -> Result<(), ProgramError> {
    for program in programs(29, BALANCED, 300)? {
        let mut threads = program.threads().to_vec();
        threads.rotate_left(1);
        let rotated = outcomes(&Program::new(program.words(), threads)?, Model::Rc11);
        let straight = outcomes(&program, Model::Rc11);
        let back = |mut outcome: rc11_oracle::Outcome| {
            outcome.reads.rotate_right(1);
            outcome
        };
        assert_eq!(straight.graphs, rotated.graphs, "{program}");
        assert_eq!(straight.set, rotated.set.into_iter().map(back).collect(), "{program}");
    }
    Ok(())
}

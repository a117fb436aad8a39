//! Sequential consistency twice: by the axioms, and by running every interleaving.
#![cfg(not(loom))]

use std::collections::BTreeSet;

use rc11_oracle::random::{Generator, Profile};
use rc11_oracle::{Model, Op, Outcome, Program, ProgramError, outcomes};

/// Thread and index of an operation; `None` stands for the initial write.
type Writer = Option<(usize, usize)>;

/// A machine with one memory, somewhere in a run.
#[derive(Clone)]
struct Machine {
    /// Per thread, how many operations it has done.
    done: Vec<usize>,
    memory: Vec<u64>,
    reads: Vec<Vec<u64>>,
    /// Per thread, the writer that each of its reading operations saw.
    sources: Vec<Vec<Writer>>,
    /// Per word, the operations that wrote it, in order.
    history: Vec<Vec<Writer>>,
}

/// What tells one execution graph from another.
type GraphId = (Vec<Vec<Writer>>, Vec<Vec<Writer>>);

impl Machine {
    fn new(program: &Program) -> Self {
        let threads = program.threads().len();
        Self {
            done: vec![0; threads],
            memory: vec![0; program.words()],
            reads: vec![vec![]; threads],
            sources: vec![vec![]; threads],
            history: vec![vec![None]; program.words()],
        }
    }

    fn step(&mut self, thread: usize, op: Op) {
        let me = Some((thread, self.done[thread]));
        self.done[thread] += 1;
        let Some(word) = op.word() else { return };
        let old = self.memory[word];
        if op.reads() {
            self.reads[thread].push(old);
            self.sources[thread].push(self.history[word].last().copied().flatten());
        }
        let new = match op {
            Op::Load { .. } | Op::Fence { .. } => None,
            Op::Store { value, .. } | Op::Swap { value, .. } => Some(value),
            Op::FetchAdd { value, .. } => Some(old.wrapping_add(value)),
            Op::CompareExchange { expected, new, .. } => (old == expected).then_some(new),
        };
        if let Some(new) = new {
            self.memory[word] = new;
            self.history[word].push(me);
        }
    }

    fn run(&self, program: &Program, seen: &mut BTreeSet<Outcome>, graphs: &mut BTreeSet<GraphId>) {
        let mut finished = true;
        for (thread, ops) in program.threads().iter().enumerate() {
            if let Some(&op) = ops.get(self.done[thread]) {
                finished = false;
                let mut next = self.clone();
                next.step(thread, op);
                next.run(program, seen, graphs);
            }
        }
        if finished {
            seen.insert(Outcome { reads: self.reads.clone(), finals: self.memory.clone() });
            graphs.insert((self.sources.clone(), self.history.clone()));
        }
    }
}

#[test]
fn axioms_and_interleavings_agree_on_outcomes_and_graphs() -> Result<(), ProgramError> {
    let small = Profile { accesses: 8, ..Profile::new(3, 4, 2) };
    for (seed, profile) in [(11, small), (12, Profile { words: 1, ..small })] {
        let mut generator = Generator::new(seed, profile);
        for _ in 0..150 {
            let program = generator.program()?;
            let (mut seen, mut graphs) = (BTreeSet::new(), BTreeSet::new());
            Machine::new(&program).run(&program, &mut seen, &mut graphs);
            let by_axioms = outcomes(&program, Model::Sc);
            assert_eq!(by_axioms.set, seen, "{program}");
            assert_eq!(by_axioms.graphs, graphs.len() as u64, "{program}");
        }
    }
    Ok(())
}

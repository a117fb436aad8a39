//! Programs of the brute-force oracle as models: what an engine shows of them.
//!
//! The oracle ([`rc11_oracle`]) knows every outcome that RC11 allows a small program. Here the same program runs on the
//! words and fences of `selvedge::sync`, exactly as a model of a primitive does, and every outcome that the engine
//! shows is collected. `tests/completeness.rs` compares the two.

use crate::explore::{Effort, Verdict, explore_world};
use crate::scene::Notes;
use crate::world::World;
use rc11_oracle::{Op, Order, Outcome, Program};
use selvedge::sync::model::Plan;
use selvedge::sync::{AtomicU64, Ordering, fence};
use std::collections::BTreeSet;
use std::sync::Arc;

/// What an engine showed of a program.
#[derive(Clone, Debug)]
pub struct Shown {
    /// Every outcome of the executions that it explored.
    pub outcomes: BTreeSet<Outcome>,
    /// How many those were.
    pub executions: u64,
    /// How the exploration ended: a failure is an error of the engine's own, for programs assert nothing.
    pub verdict: Verdict,
}

/// Explores `program` under `plan`.
#[must_use]
pub fn run(program: &Program, plan: Plan, effort: Effort) -> Shown {
    let program = Arc::new(program.clone());
    let outcomes = Arc::new(Notes::<BTreeSet<Outcome>>::default());
    let seen = Arc::clone(&outcomes);
    let explored = explore_world(move |world| translate(world, &program, &seen), plan, effort);
    let outcomes = outcomes.lock().clone();
    Shown { outcomes, executions: explored.executions(), verdict: explored.verdict }
}

/// One execution: a virtual thread for each thread, and an outcome when all have ended.
fn translate(world: &mut World, program: &Arc<Program>, seen: &Arc<Notes<BTreeSet<Outcome>>>) {
    let words: Arc<Vec<AtomicU64>> = Arc::new((0..program.words()).map(|_| AtomicU64::new(0)).collect());
    let reads = Arc::new(Notes::<Vec<Vec<u64>>>::default());
    reads.lock().resize(program.threads().len(), Vec::new());
    for thread in 0..program.threads().len() {
        let (program, words, reads) = (Arc::clone(program), Arc::clone(&words), Arc::clone(&reads));
        world.thread(&format!("T{thread}"), move || {
            for op in &program.threads()[thread] {
                let read = perform(op, &words);
                reads.lock()[thread].extend(read);
            }
        });
    }
    let seen = Arc::clone(seen);
    world.finally(move || {
        // Every thread has been joined, so what can still be read is what can be last in coherence order.
        let finals = words.iter().map(|word| word.load(Ordering::Relaxed)).collect();
        let reads = reads.lock().clone();
        seen.lock().insert(Outcome { reads, finals });
    });
}

/// Performs `op` and returns what it read.
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
            match words[word].compare_exchange(expected, new, ordering(success), ordering(failure)) {
                Ok(old) | Err(old) => Some(old),
            }
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

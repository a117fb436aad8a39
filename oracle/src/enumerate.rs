//! The enumeration: every choice of sources, every coherence order, judged by the axioms.

use std::collections::BTreeSet;

use crate::axioms::{Axioms, Ordered};
use crate::graph::{Graph, Write};
use crate::mutant::Mutant;
use crate::outcome::{Outcome, Outcomes};
use crate::program::Program;
use crate::readings::{FlatOp, Pruning, Reading, flatten, for_each_reading};
use crate::relation::Relation;

/// A memory model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Model {
    /// RC11; see the crate's documentation for the axioms.
    Rc11,
    /// Sequential consistency: `sb ∪ rf ∪ mo ∪ rb` is acyclic, whatever the orderings.
    Sc,
}

/// All outcomes of `program` under `model`, and how many execution graphs lead to them.
#[must_use]
pub fn outcomes(program: &Program, model: Model) -> Outcomes {
    let axioms = match model {
        Model::Rc11 => Axioms::Rc11(None),
        Model::Sc => Axioms::Sc,
    };
    enumerate(program, axioms)
}

/// All outcomes of `program` under RC11 with one clause changed.
#[must_use]
pub fn outcomes_of_mutant(program: &Program, mutant: Mutant) -> Outcomes {
    enumerate(program, Axioms::Rc11(Some(mutant)))
}

fn enumerate(program: &Program, axioms: Axioms) -> Outcomes {
    let ops = flatten(program);
    let mut found = Outcomes::default();
    let pruning = Pruning {
        thin_air: !axioms.has(Mutant::ThinAir),
        coherence: !axioms.has(Mutant::Incoherent),
        atomicity: !axioms.has(Mutant::TornReadModifyWrite),
    };
    for_each_reading(&ops, pruning, &mut |reading| {
        let ordered = Ordered::new(Graph::new(program.words(), &ops, reading, axioms), axioms);
        let mut finals = BTreeSet::new();
        for_each_coherence_order(&ordered, &mut |order| {
            if ordered.is_consistent(&order.mo) {
                found.graphs += 1;
                finals.insert(order.last.clone());
            }
        });
        let reads = values_read(program.threads().len(), &ops, reading);
        found.set.extend(finals.into_iter().map(|finals| Outcome { reads: reads.clone(), finals }));
    });
    found
}

/// Per thread, the values that its operations return.
fn values_read(threads: usize, ops: &[FlatOp], reading: &Reading) -> Vec<Vec<u64>> {
    let mut values = vec![Vec::new(); threads];
    for (index, flat) in ops.iter().enumerate() {
        values[flat.thread].extend(reading.read(index));
    }
    values
}

/// A total order of the writes of each word among the first few words.
#[derive(Clone)]
struct CoherenceOrder {
    mo: Relation,
    /// Per word, the value written last.
    last: Vec<u64>,
}

/// Calls `visit` with every combination of orders of the words' writes, but for those that have an incoherent order
/// of some word: the axioms of coherence and atomicity speak of one word at a time, so nothing consistent is skipped.
fn for_each_coherence_order(ordered: &Ordered, visit: &mut dyn FnMut(&CoherenceOrder)) {
    let mut choices = Vec::with_capacity(ordered.graph.writes_of.len());
    for (word, writes) in ordered.graph.writes_of.iter().enumerate() {
        let initial = Write { event: word, value: 0 };
        let mut orders = Vec::new();
        for_each_permutation(ordered, &mut vec![initial], &mut writes.clone(), &mut |chain| {
            let mo = total_order(ordered.graph.size, chain);
            if ordered.is_atomic(&mo) && ordered.is_coherent(&mo) {
                orders.push((mo, chain.last().map_or(0, |write| write.value)));
            }
        });
        if orders.is_empty() {
            return;
        }
        choices.push(orders);
    }
    let none = CoherenceOrder { mo: Relation::empty(ordered.graph.size), last: Vec::new() };
    for_each_combination(&choices, &none, visit);
}

fn for_each_combination(
    choices: &[Vec<(Relation, u64)>],
    so_far: &CoherenceOrder,
    visit: &mut dyn FnMut(&CoherenceOrder),
) {
    let Some((orders, rest)) = choices.split_first() else {
        visit(so_far);
        return;
    };
    for &(mo, last) in orders {
        let mut extended = CoherenceOrder { mo: so_far.mo | mo, last: so_far.last.clone() };
        extended.last.push(last);
        for_each_combination(rest, &extended, visit);
    }
}

/// Calls `visit` with `chain` continued by each permutation of `rest` that agrees with happens-before (otherwise
/// `hb ; mo` would be reflexive).
fn for_each_permutation(
    ordered: &Ordered,
    chain: &mut Vec<Write>,
    rest: &mut Vec<Write>,
    visit: &mut dyn FnMut(&[Write]),
) {
    if rest.is_empty() {
        visit(chain);
    }
    for index in 0..rest.len() {
        let next = rest.remove(index);
        if !rest.iter().any(|later| ordered.must_precede(later.event, next.event)) {
            chain.push(next);
            for_each_permutation(ordered, chain, rest, visit);
            chain.pop();
        }
        rest.insert(index, next);
    }
}

/// Each write of the chain before all that follow it.
fn total_order(size: usize, chain: &[Write]) -> Relation {
    let mut order = Relation::empty(size);
    for (index, earlier) in chain.iter().enumerate() {
        chain[index + 1..].iter().for_each(|later| order.insert(earlier.event, later.event));
    }
    order
}

#[cfg(test)]
mod tests;

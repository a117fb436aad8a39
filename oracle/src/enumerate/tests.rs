//! The pruned enumeration against one that prunes nothing.

use super::*;
use crate::program::ProgramError;
use crate::random::{Generator, Mix, Profile};

/// Every permutation of the writes of every word, consistent or not, each judged by the axioms as a whole.
fn graphs_without_pruning(program: &Program, axioms: Axioms) -> (u64, BTreeSet<Outcome>) {
    let ops = flatten(program);
    let mut found = (0, BTreeSet::new());
    let pruning = Pruning { thin_air: false, coherence: false, atomicity: false };
    for_each_reading(&ops, pruning, &mut |reading| {
        let ordered = Ordered::new(Graph::new(program.words(), &ops, reading, axioms), axioms);
        let mut chains: Vec<Vec<Vec<Write>>> = vec![vec![]];
        for (word, writes) in ordered.graph.writes_of.iter().enumerate() {
            let orders = permutations(writes);
            let with_initial = |order: &Vec<Write>| [vec![Write { event: word, value: 0 }], order.clone()].concat();
            chains = chains
                .iter()
                .flat_map(|chosen| orders.iter().map(move |order| [chosen.clone(), vec![with_initial(order)]].concat()))
                .collect();
        }
        for chosen in chains {
            let none = Relation::empty(ordered.graph.size);
            let mo = chosen.iter().fold(none, |mo, chain| mo | total_order(ordered.graph.size, chain));
            if ordered.is_consistent(&mo) {
                found.0 += 1;
                let finals = chosen.iter().filter_map(|chain| chain.last()).map(|write| write.value).collect();
                found.1.insert(Outcome { reads: values_read(program.threads().len(), &ops, reading), finals });
            }
        }
    });
    found
}

fn permutations(writes: &[Write]) -> Vec<Vec<Write>> {
    let Some((first, rest)) = writes.split_first() else { return vec![vec![]] };
    let mut all = Vec::new();
    for shorter in permutations(rest) {
        for at in 0..=shorter.len() {
            let mut longer = shorter.clone();
            longer.insert(at, *first);
            all.push(longer);
        }
    }
    all
}

#[test]
fn pruning_loses_nothing_and_adds_nothing() -> Result<(), ProgramError> {
    let small = Profile { accesses: 7, writes_per_word: 3, ..Profile::new(3, 4, 2) };
    for (seed, mix) in [(1, Mix::BALANCED), (2, Mix::FENCE_HEAVY), (3, Mix::SEQ_CST_HEAVY)] {
        let mut generator = Generator::new(seed, small.with_mix(mix));
        for _ in 0..150 {
            let program = generator.program()?;
            for axioms in [Axioms::Rc11(None), Axioms::Sc] {
                let pruned = enumerate(&program, axioms);
                assert_eq!(
                    (pruned.graphs, pruned.set),
                    graphs_without_pruning(&program, axioms),
                    "{axioms:?}\n{program}"
                );
            }
        }
    }
    Ok(())
}

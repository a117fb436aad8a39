//! What treadle finds of a model, and the number of executions, do not depend on the order in which it adds events.
//!
//! An order that changed them would have dropped an execution, or explored one twice: the cheapest test of completeness
//! that there is.
#![cfg(loom)]

use selvedge::sync::model::Plan;
use selvedge_models::explore::{Effort, Verdict, explore};
use selvedge_models::sweep::death_plans;
use selvedge_models::{Model, catalogue, parallel};
use std::collections::BTreeSet;

/// Executions after which an exploration is too large for a change to wait for.
const FEW: u64 = 8_000;

/// How many executions, and what they showed to their lanes; `None` if there are too many.
fn found(model: &Model, plan: &Plan, seed: u64, executions: u64) -> Option<(u64, BTreeSet<u64>)> {
    let explored = explore(model, plan.clone(), Effort { executions, seed, ..Effort::treadle() });
    match explored.verdict {
        Verdict::Pass => Some((explored.graphs, explored.run.outcomes())),
        Verdict::Inconclusive(_) => None,
        Verdict::Fail(failure) => panic!("{}: {}", model.name, failure.message),
    }
}

#[test]
fn no_order_of_the_threads_shows_more_or_less() {
    let few = std::env::var("SELVEDGE_EXECUTIONS").map_or(FEW, |few| few.parse().expect("a number of executions"));
    let base = Plan { outcomes: true, ..Plan::default() };
    let explorations: Vec<(Model, Plan)> = catalogue::all()
        .into_iter()
        .flat_map(|model| {
            let with_deaths = death_plans(&model.faults, &base);
            [base.clone()].into_iter().chain(with_deaths).map(move |plan| (model, plan))
        })
        .collect();
    let counts = parallel::map(
        &explorations,
        parallel::cores(),
        |(model, plan)| {
            let first = found(model, plan, 0, few)?;
            for seed in [1, 2, 3] {
                // Another order may have more blocked runs.
                let (graphs, outcomes) = found(model, plan, seed, 10 * few).expect("as many as in the first order");
                assert_eq!(graphs, first.0, "executions of {}, order {seed}, {plan:?}", model.name);
                assert!(outcomes == first.1, "outcomes of {}, order {seed}, {plan:?}", model.name);
            }
            Some((first.0, first.1.len(), plan.deaths > 0))
        },
        |_, _| {},
    );
    let compared = |deaths| counts.iter().flatten().filter(move |(.., dies)| *dies == deaths).count();
    println!(
        "{} explorations without and {} with deaths, of {}; {} executions each time, with {} outcomes",
        compared(false),
        compared(true),
        explorations.len(),
        counts.iter().flatten().map(|(graphs, ..)| graphs).sum::<u64>(),
        counts.iter().flatten().map(|(_, outcomes, _)| outcomes).sum::<usize>(),
    );
    assert!(compared(false) >= 65 && compared(true) >= 20, "most models are small enough");
}

//! The number of executions that treadle finds of a model does not depend on the order in which it adds events.
//!
//! An order that changed it would have dropped an execution, or explored one twice: the cheapest test of completeness
//! that there is.
#![cfg(loom)]

use selvedge::sync::model::Plan;
use selvedge_models::catalogue;
use selvedge_models::explore::{Effort, Verdict, explore};
use selvedge_models::parallel;

/// Runs after which a model is too large for this test.
const FEW: u64 = 20_000;

#[test]
fn no_order_of_the_threads_shows_more_or_less() {
    let models = catalogue::all();
    let counts = parallel::map(
        &models,
        parallel::cores(),
        |model| {
            let count = |seed, executions| {
                let explored = explore(model, Plan::default(), Effort { executions, seed, ..Effort::treadle() });
                match explored.verdict {
                    Verdict::Pass => Some(explored.graphs),
                    Verdict::Inconclusive(_) => None,
                    Verdict::Fail(failure) => panic!("{}: {}", model.name, failure.message),
                }
            };
            let first = count(0, FEW)?;
            // Another order may have more blocked runs.
            let others = [1, 2, 3].map(|seed| count(seed, 10 * FEW));
            assert_eq!(others, [Some(first); 3], "{}", model.name);
            Some(first)
        },
        |_, _| {},
    );
    let compared = counts.iter().flatten().count();
    println!("{compared} of {} models, {} executions each time", models.len(), counts.iter().flatten().sum::<u64>());
    assert!(compared >= 60, "most models are small enough: {compared}");
}

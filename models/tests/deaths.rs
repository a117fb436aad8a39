//! Two ways of killing a lane agree: the engine's own deaths, all in one exploration, and an exploration for each step before
//! which the plan kills it.
#![cfg(loom)]

use selvedge::sync::model::Plan;
use selvedge_models::explore::{Effort, Verdict, explore};
use selvedge_models::world::Faults;
use selvedge_models::{Model, catalogue, parallel};
use std::collections::BTreeSet;

/// Executions after which an exploration is too large for this test.
const FEW: u64 = 10_000;

/// What the executions of a plan showed to their lanes, and whether the lane was killed at that step in any of them.
fn outcomes(model: &Model, plan: Plan, point: Option<(usize, u64)>) -> Option<(BTreeSet<u64>, bool)> {
    let plan = Plan { outcomes: true, ..plan };
    let explored = explore(model, plan, Effort { executions: FEW, ..Effort::treadle() });
    match explored.verdict {
        Verdict::Pass => {
            Some((explored.run.outcomes(), point.is_some_and(|(lane, step)| explored.run.hits(lane, step) > 0)))
        }
        Verdict::Inconclusive(_) => None,
        Verdict::Fail(failure) => panic!("{}: {}", model.name, failure.message),
    }
}

/// Everything that is seen when the lane is killed before one of its steps, or not at all.
fn step_by_step(model: &Model, victim: usize) -> Option<BTreeSet<u64>> {
    let (mut all, _) = outcomes(model, Plan::default(), None)?;
    for step in 0.. {
        let plan = Plan { kills: vec![(victim, step)], ..Plan::default() };
        let (seen, hit) = outcomes(model, plan, Some((victim, step)))?;
        all.extend(seen);
        if !hit {
            break;
        }
    }
    Some(all)
}

#[test]
fn deaths_of_the_engine_are_kills_at_every_step() {
    let mut cases: Vec<(Model, usize)> = Vec::new();
    for model in catalogue::all() {
        let Faults { victims, .. } = model.faults;
        cases.extend(victims.iter().map(|&victim| (model, victim)));
    }
    let compared = parallel::map(
        &cases,
        parallel::cores(),
        |&(model, victim)| {
            let native = Plan { mortal: vec![victim], deaths: 1, ..Plan::default() };
            let (native, _) = outcomes(&model, native, None)?;
            let planned = step_by_step(&model, victim)?;
            let (missed, more) = (planned.difference(&native).count(), native.difference(&planned).count());
            assert_eq!((missed, more), (0, 0), "{}, lane {victim}: of {}", model.name, planned.len());
            Some(planned.len())
        },
        |_, _| {},
    );
    let few = compared.iter().flatten().count();
    println!("{few} of {} lanes, {} outcomes", cases.len(), compared.iter().flatten().sum::<usize>());
    assert!(few >= 20, "most models are small enough: {few}");
}

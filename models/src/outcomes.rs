//! What can come out of a model: every outcome of every execution, each with the simplest way to it.

use crate::explore::{Effort, Exploration, explore_world};
use crate::lanes::Picture;
use crate::scene::Notes;
use crate::world::Model;
use selvedge::sync::model::{Event, Plan, Run, current_run};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What an exploration showed.
#[derive(Debug)]
pub struct Outcomes {
    /// Every outcome, with the picture of the simplest execution that came to it: if possible one in which nobody reads
    /// an old value, then the one with the fewest switches between lanes.
    pub pictures: BTreeMap<String, String>,
    /// The exploration itself; unless it passed, outcomes are missing.
    pub exploration: Exploration,
}

/// An outcome's simplest execution so far: old values read, switches between lanes, steps.
struct Simplest {
    cost: (usize, usize, usize),
    picture: String,
}

/// Explores `model` under `plan` and collects what its [`outcome`](crate::World::outcome) says.
#[must_use]
pub fn explore_outcomes(model: &Model, plan: Plan, effort: Effort) -> Outcomes {
    let seen = Arc::new(Notes::<BTreeMap<String, Simplest>>::default());
    let collector = Arc::clone(&seen);
    let build = model.build;
    let exploration = explore_world(
        move |world| {
            build(world);
            if let Some(outcome) = world.outcome.take() {
                let collector = Arc::clone(&collector);
                world.finally(move || {
                    if let Some(run) = current_run() {
                        note(&mut collector.lock(), outcome(), &run);
                    }
                });
            }
        },
        plan,
        effort,
    );
    let pictures = std::mem::take(&mut *seen.lock());
    Outcomes { pictures: pictures.into_iter().map(|(outcome, way)| (outcome, way.picture)).collect(), exploration }
}

fn note(seen: &mut BTreeMap<String, Simplest>, outcome: String, run: &Run) {
    let cost = cost(&run.events());
    match seen.get_mut(&outcome) {
        Some(known) if known.cost <= cost => {}
        known => {
            let way = Simplest { cost, picture: Picture::of(run).to_string() };
            match known {
                Some(known) => *known = way,
                None => {
                    seen.insert(outcome, way);
                }
            }
        }
    }
}

fn cost(events: &[Event]) -> (usize, usize, usize) {
    let stale = events.iter().filter(|event| event.stale).count();
    let switches = events.windows(2).filter(|pair| matches!(pair, [one, next] if one.lane != next.lane)).count();
    (stale, switches, events.len())
}

//! One program: every execution of it on treadle, and a witness for each.

use super::log::Log;
use super::object::{Object, Operation, Outcome};
use super::program::Program;
use crate::explore::{Effort, Exploration, Failure, Verdict, explore_world};
use crate::scene::{Notes, Scene};
use crate::world::{World, count_assertion};
use selvedge::sync::model::{LaneState, Plan, WakeOrder, current_run};
use selvedge::sync::{AtomicU32, Ordering};
use selvedge_witness::{History, draw, judge, minimise};
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::sync::Arc;

/// How a program is explored, and what is in it beside the operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Care {
    /// Each thread may be killed before each of its steps, one of them in an execution.
    pub kills: bool,
    /// Threads may also meet elsewhere: one letter more, after which a thread knows all that others did before theirs, if
    /// those came first. It counts as an operation.
    pub meets: bool,
    /// Runs of an exploration after which it is given up.
    pub budget: u64,
}

/// What came of a program.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Checked {
    /// Every execution has a witness.
    Passed {
        /// How many there are.
        executions: u64,
    },
    /// One has none.
    Failed(Box<Failure>),
    /// There are more executions than were looked at.
    NotChecked(String),
}

impl Checked {
    /// It was not looked at, for another program had failed before.
    #[must_use]
    pub fn another_failed() -> Self {
        Self::NotChecked("another one had failed".to_owned())
    }
}

/// Steps of the search for one witness; histories of programs need a few hundred.
const LIMIT: u64 = 1_000_000;

/// The names of the threads.
pub(super) const NAMES: [&str; 4] = ["A", "B", "C", "D"];

/// The operations of each thread; nothing where it meets others.
pub(super) type Spelled<O> = Vec<Vec<Option<Operation<O>>>>;

/// The program whose letters have these numbers. The one after the last of the object's is a meeting.
pub(super) fn spell<O: Object>(program: &Program, kills: bool) -> Spelled<O> {
    let letters = O::letters(kills);
    let mut number = 0;
    let mut operation = |letter: &usize| {
        number += 1;
        letters.get(*letter).map(|letter| letter(number))
    };
    program.iter().map(|word| word.iter().map(&mut operation).collect()).collect()
}

/// Checks a program: woken in the order in which they fell asleep, and if several may sleep, in the opposite one, too.
#[must_use]
pub(crate) fn check<O: Object>(program: &Program, care: Care) -> Checked {
    let program = Arc::new(spell::<O>(program, care.kills));
    let mut executions = 0;
    for wake_order in [WakeOrder::Fifo, WakeOrder::Lifo].into_iter().take(if program.len() < 3 { 1 } else { 2 }) {
        let explored = explore::<O>(&program, care, wake_order);
        executions += explored.graphs;
        match explored.verdict {
            Verdict::Pass if explored.run.assertions() > 0 && explored.complete => {}
            Verdict::Pass => return Checked::NotChecked("nothing was looked at".to_owned()),
            Verdict::Fail(failure) => return Checked::Failed(failure),
            Verdict::Inconclusive(why) => return Checked::NotChecked(why),
        }
    }
    Checked::Passed { executions }
}

fn explore<O: Object>(program: &Arc<Spelled<O>>, care: Care, wake_order: WakeOrder) -> Exploration {
    let lanes = program.len();
    let mut plan = Plan { wake_order, ..Plan::default() };
    if care.kills {
        plan.mortal = (0..lanes).collect();
        plan.deaths = 1;
    }
    // Histories that have a witness: many executions have the same.
    let known = Arc::new(Notes::<HashSet<History<Operation<O>, Outcome<O>>>>::default());
    let program = Arc::clone(program);
    let effort = Effort { executions: care.budget, time: std::time::Duration::MAX, ..Effort::treadle() };
    explore_world(move |world| build::<O>(world, &program, &known), plan, effort)
}

type Known<O> = Notes<HashSet<History<Operation<O>, Outcome<O>>>>;

fn build<O: Object>(world: &mut World, program: &Arc<Spelled<O>>, known: &Arc<Known<O>>) {
    let lanes = program.len();
    let operations: Vec<Vec<Operation<O>>> =
        program.iter().map(|word| word.iter().copied().flatten().collect()).collect();
    let scene = Scene::new(lanes, O::new(&operations));
    O::prepare(&scene, &operations);
    let meeting = Arc::new(AtomicU32::new(0));
    let log = Arc::new(Log::<O>::new(lanes));
    for lane in 0..lanes {
        let (scene, log, program) = (Arc::clone(&scene), Arc::clone(&log), Arc::clone(program));
        let meeting = Arc::clone(&meeting);
        world.thread(NAMES[lane], move || {
            for operation in &program[lane] {
                match *operation {
                    Some(operation) => log.call(lane, operation, || O::perform(&scene, lane, operation)),
                    // AcqRel: what came before those that came first is known from here on.
                    None => _ = meeting.fetch_add(1, Ordering::AcqRel),
                }
            }
        });
    }
    let (marked, notes) = (Arc::clone(&scene), Arc::clone(&log));
    let die = move |death: crate::world::Death| {
        if death.undertakers_lost == 0 {
            notes.dies(death.victim);
        }
        marked.kernel(death);
    };
    world.on_death(die, move |death| scene.undertaker(death));
    let (at_rest, known_at_rest) = (Arc::clone(&log), Arc::clone(known));
    treadle::at_rest(move || {
        count_assertion();
        all_have_ended_but_clients()?;
        explain(&at_rest, &known_at_rest)
    });
    let known = Arc::clone(known);
    world.finally(move || {
        count_assertion();
        if let Err(why) = explain(&log, &known) {
            panic!("{why}");
        }
    });
}

/// Clients may wait for ever, those who repair after the dead may not.
fn all_have_ended_but_clients() -> Result<(), String> {
    let lanes = current_run().map(|run| run.lanes()).unwrap_or_default();
    let ended = |state: &LaneState| matches!(state, LaneState::Finished | LaneState::Dead);
    match lanes.iter().find(|lane| !NAMES.contains(&lane.name.as_str()) && !ended(&lane.state)) {
        Some(lane) => Err(format!("`{}` does not come to an end", lane.name)),
        None => Ok(()),
    }
}

/// Whether the history has a witness; what is left of it if it has none.
fn explain<O: Object>(log: &Log<O>, known: &Known<O>) -> Result<(), String> {
    let history = log.history();
    if known.lock().contains(&history) {
        return Ok(());
    }
    let spec = O::specification(log.lanes());
    match judge(&spec, &history, LIMIT) {
        selvedge_witness::Verdict::Linearizable(_) => {
            known.lock().insert(history);
            Ok(())
        }
        selvedge_witness::Verdict::NotLinearizable => {
            let least = minimise(&spec, &history, LIMIT);
            let name = |lane: usize| NAMES[lane].to_owned();
            Err(format!("not linearizable; no order explains this:\n{}", draw(&least, &name)))
        }
        selvedge_witness::Verdict::Undecided => Err("no witness was found in time, which is no verdict".to_owned()),
    }
}

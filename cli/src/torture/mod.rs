//! `selvedge torture`: the real primitives between real processes, which are killed at random, and an oracle that watches.
//!
//! | who | does |
//! |---|---|
//! | director | forks, kills, stops and replaces the others; buries the dead: notes what their last operation may have done |
//! | workers | attach, take turns at the subjects, leave; each writes down in the journal where it is |
//! | inspector | comes at the end of a round, when nobody is killed any more; lets those go on who wait rightly; then, alone, compares the objects with the journal |
//!
//! A *round* goes through the journal's phases:
//!
//! | phase | what happens |
//! |---|---|
//! | work | workers take turns and are killed, stopped, replaced |
//! | lull | they take turns and nobody dies or leaves: either wakes everybody, and would hide a wake-up that was lost |
//! | ending | each rests after its turn; the inspector lets those go on who wait rightly; who waits for what is there is reported |
//! | leaving, alone | all leave; the inspector checks that all adds up: messages, permits, increments, deaths told, places |
//!
//! Every wait has a deadline, and the region has no timed backstop: a lost wake-up stays lost, and is found. Now and then
//! everybody is killed instead, and the inspector finds only the dead.
//!
//! Workers are killed in two ways: by the director at any time, and by themselves at a chosen call; in a build with the
//! feature `steps` that is before a synchronisation step of the call, by the numbers that the models use.

mod chronicle;
mod director;
mod fault;
mod hand;
mod histogram;
mod hunt;
mod inspector;
mod journal;
mod ledger;
mod numbers;
mod process;
mod report;
mod subject;
mod subjects;
mod worker;

use crate::arguments::Torture;
use crate::failure::{Code, Failure, Stop};
use crate::interrupt::Interrupt;
use director::Director;
use fault::{Fault, Outcome};
use histogram::Histogram;
use hunt::Hunt;
use inspector::Holdings;
use journal::Journal;
use numbers::Numbers;
use report::Report;
use rustix::process::{getpid, set_child_subreaper};
use selvedge::region::{RegionErrorKind, RegionOptions};
use selvedge::{Deadline, Region};
use std::time::{Duration, Instant};
use subject::Subject;
use worker::Scene;

/// Preys of one hunt.
const HUNT: u32 = 200;
/// Rounds between two hunts, if there is more to torture.
const ROUNDS: u64 = 50;
/// How often progress is told.
const TOLD: Duration = Duration::from_secs(10);

/// What is to be tortured.
struct Plan {
    subjects: Vec<Box<dyn Subject>>,
    hunts: bool,
}

impl Plan {
    fn new(only: &[String]) -> Result<Self, Failure> {
        let mut subjects = subject::all();
        let known = |name: &String| name == hunt::NAME || subjects.iter().any(|subject| subject.name() == name);
        if let Some(unknown) = only.iter().find(|name| !known(name)) {
            return Err(Failure::NoSubject(unknown.clone()));
        }
        let wanted = |name| only.is_empty() || only.iter().any(|wanted| wanted == name);
        subjects.retain(|subject| wanted(subject.name()));
        Ok(Self { subjects, hunts: wanted(hunt::NAME) })
    }
}

/// The region's name goes when this does.
struct Name<'a>(&'a str);

impl Name<'_> {
    fn remove(&self) -> Outcome {
        match RegionOptions::new().remove_anyway(self.0) {
            Err(error) if *error.kind() != RegionErrorKind::NotFound => {
                return Err(Fault::refused("removing the region", error));
            }
            _ => {}
        }
        let left = Region::list().map_err(|error| Fault::refused("listing regions", error))?;
        match left.iter().find(|entry| entry.name.as_str() == self.0) {
            Some(_) => Err(Fault::new("the region's name was removed and is there")),
            None => Ok(()),
        }
    }
}

impl Drop for Name<'_> {
    fn drop(&mut self) {
        let _ = self.remove();
    }
}

pub(crate) fn run(torture: &Torture, json: bool) -> Result<Code, Failure> {
    let plan = Plan::new(&torture.only)?;
    let interrupt = Interrupt::watch()?;
    let seed = torture.seed.unwrap_or_else(random_seed);
    // Orphans are children of workers that were killed.
    set_child_subreaper(Some(getpid())).map_err(|error| Failure::Torture(error.into()))?;
    let scene = Scene {
        region: format!("torture-{}-{:016x}", std::process::id(), random_seed()),
        workers: usize::try_from(torture.processes).unwrap_or(1),
        patience: Duration::from_secs(torture.patience),
        journal: Journal::map().map_err(Failure::Torture)?,
    };
    let report = Report::new(torture, seed, json);
    report.begin();
    let before = Holdings::own();
    let name = Name(&scene.region);
    let mut session = Session {
        director: Director::new(&scene, plan.subjects, seed),
        hunts: plan.hunts,
        hunted: Histogram::default(),
        killed_in_hunts: 0,
        numbers: Numbers::new(seed ^ 0x5eed),
    };
    let mut outcome = session.all(&scene, torture, &interrupt, &report);
    outcome = outcome.and_then(|stop| name.remove().map(|()| stop));
    let after = Holdings::own();
    if outcome.is_ok() && after != before {
        outcome = Err(Fault::new(format!("the director had {before:?} in the beginning and {after:?} in the end")));
    }
    report.end(&session, outcome)
}

/// A run.
struct Session {
    director: Director,
    hunts: bool,
    hunted: Histogram,
    killed_in_hunts: u64,
    numbers: Numbers,
}

impl Session {
    /// Rounds and hunts until it is enough, or until a signal asks for the end.
    fn all(
        &mut self,
        scene: &Scene,
        torture: &Torture,
        interrupt: &Interrupt,
        report: &Report<'_>,
    ) -> Outcome<Option<Stop>> {
        let (begin, mut told) = (Instant::now(), Instant::now());
        let end = Deadline::after(Duration::try_from_secs_f64(torture.minutes * 60.0).unwrap_or(Duration::MAX));
        let enough = torture.kills.unwrap_or(u64::MAX);
        while !end.has_passed() && self.kills() < enough {
            if let Err(stop) = interrupt.check() {
                return Ok(Some(stop));
            }
            let is_time_to_hunt =
                self.director.subjects.is_empty() || self.director.tally.rounds % ROUNDS == ROUNDS / 2;
            if !self.director.subjects.is_empty() {
                self.director.round()?;
            }
            if self.hunts && is_time_to_hunt {
                let left = u32::try_from(enough.saturating_sub(self.kills())).unwrap_or(u32::MAX);
                let preys = HUNT.min(left);
                Hunt::run(scene, &mut self.numbers, preys, &mut self.hunted)?;
                self.killed_in_hunts += u64::from(preys);
            }
            if told.elapsed() >= TOLD {
                told = Instant::now();
                report.progress(self, begin.elapsed());
            }
        }
        Ok(None)
    }

    fn kills(&self) -> u64 {
        self.director.tally.kills + self.killed_in_hunts
    }
}

/// A number that differs from run to run.
fn random_seed() -> u64 {
    use std::hash::{BuildHasher, Hasher, RandomState};
    RandomState::new().build_hasher().finish()
}

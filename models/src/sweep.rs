//! All explorations of one model on one engine: without faults, then every planned fault in turn. Where the engine has
//! deaths of its own, all points at which a lane can be killed are one exploration.

use crate::catalogue::{self, Deviations};
use crate::explore::{Effort, Exploration, Failure, Verdict, explore};
use crate::lanes::Picture;
use crate::world::{Bounds, Faults, Model};
use selvedge::sync::model::{Change, Engine, Mutation, Plan, Site, SiteRecord, WakeOrder};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// The sum of a model's explorations.
#[derive(Debug)]
pub struct Report {
    /// How it ended: the first failure, else the first limit that was hit, else a pass.
    pub verdict: Verdict,
    /// The plan of the failing or inconclusive exploration.
    pub plan: Option<Plan>,
    /// Explorations made.
    pub explorations: u64,
    /// Executions explored in them.
    pub executions: u64,
    /// Points (lane and step, pairs counted once) at which somebody was killed or frozen.
    pub kill_points: u64,
    /// The same, where a second kill hit the undertaker.
    pub second_kill_points: u64,
    /// Assertions evaluated.
    pub assertions: u64,
    /// Whether no preemption bound was set and every exploration finished by itself.
    pub complete: bool,
    /// The sites reached, if they were asked for.
    pub sites: BTreeMap<Site, SiteRecord>,
    /// The changes of words, if they were asked for.
    pub changes: BTreeSet<Change>,
    /// Wall time.
    pub time: Duration,
}

/// What to run beside the model's own declarations.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Who explores, how far.
    pub engine: Engine,
    /// Random schedules for each plan on shuttle.
    pub schedules: u64,
    /// Faults planted in every exploration.
    pub mutations: [Option<Mutation>; 2],
    /// Whether to record sites.
    pub record_sites: bool,
    /// Whether to record the changes of words.
    pub record_changes: bool,
    /// Shadow words on loom.
    pub shadow: bool,
    /// Preemptions (loom) or deviations (treadle) more than the model's bounds say.
    pub deeper: i8,
    /// No bounds at all (treadle).
    pub unbounded: bool,
    /// So many deviations at most, in every model (treadle).
    pub at_most: Option<u32>,
    /// Time that one exploration may take (treadle).
    pub time: Duration,
    /// Executions after which one exploration is inconclusive (treadle): the same on every machine.
    pub executions: Option<u64>,
}

impl Settings {
    /// loom with shadow words, no planted fault.
    #[must_use]
    pub fn loom() -> Self {
        Self {
            engine: Engine::Loom,
            schedules: 0,
            mutations: [None; 2],
            record_sites: false,
            record_changes: false,
            shadow: true,
            deeper: 0,
            unbounded: false,
            at_most: None,
            time: Duration::from_secs(600),
            executions: None,
        }
    }

    /// treadle, no planted fault.
    #[must_use]
    pub fn treadle() -> Self {
        Self { engine: Engine::Treadle, ..Self::loom() }
    }

    /// shuttle, with that many random schedules for each plan.
    #[must_use]
    pub fn shuttle(schedules: u64) -> Self {
        Self { engine: Engine::Shuttle, schedules, ..Self::loom() }
    }

    /// The bounds within which the model is explored.
    #[must_use]
    pub fn bounds(&self, model: &Model) -> Bounds {
        let deeper = |bound: Option<usize>| bound.map(|bound| bound.saturating_add_signed(self.deeper.into()));
        Bounds { plain: deeper(model.bounds.plain), faulty: deeper(model.bounds.faulty) }
    }
}

impl Settings {
    /// The deviations within which treadle explores the model.
    #[must_use]
    pub fn deviations(&self, model: &Model) -> Deviations {
        if self.unbounded {
            return Deviations::default();
        }
        let deeper = |bound: Option<u32>| {
            let deeper = bound.map(|bound| bound.saturating_add_signed(self.deeper.into()));
            deeper.into_iter().chain(self.at_most).min()
        };
        let Deviations { plain, faulty } = catalogue::deviations(model.name);
        Deviations { plain: deeper(plain), faulty: deeper(faulty) }
    }
}

struct Sweep<'a> {
    model: &'a Model,
    settings: Settings,
    report: Report,
    undertaker: usize,
}

/// Runs every exploration of `model`.
#[must_use]
pub fn prove(model: &Model, settings: Settings) -> Report {
    let start = Instant::now();
    let mut sweep = Sweep {
        model,
        settings,
        undertaker: 0,
        report: Report {
            verdict: Verdict::Pass,
            plan: None,
            explorations: 0,
            executions: 0,
            kill_points: 0,
            second_kill_points: 0,
            assertions: 0,
            complete: settings.engine != Engine::Shuttle,
            sites: BTreeMap::new(),
            changes: BTreeSet::new(),
            time: Duration::ZERO,
        },
    };
    // An error means that the verdict is in.
    let _ = sweep.all();
    let mut report = sweep.report;
    if matches!(report.verdict, Verdict::Pass) {
        let vacuous = if report.assertions == 0 {
            Some("no assertion of the model was ever reached")
        } else if report.executions <= 1 {
            Some("the model has one execution only")
        } else {
            None
        };
        if let Some(why) = vacuous {
            let failure = Failure { message: format!("vacuous: {why}"), picture: Picture::default() };
            report.verdict = Verdict::Fail(Box::new(failure));
        }
    }
    report.complete &= matches!(report.verdict, Verdict::Pass);
    report.time = start.elapsed();
    report
}

fn count(points: usize) -> u64 {
    u64::try_from(points).unwrap_or(u64::MAX)
}

/// The plans for an engine with deaths of its own: each has every point at which somebody can be killed.
#[must_use]
pub fn death_plans(faults: &Faults, base: &Plan) -> Vec<Plan> {
    let Faults { victims, pairs, second_death, .. } = *faults;
    // Who dies in a pair dies alone, too.
    let in_pair = |victim: &&usize| pairs.iter().any(|&(one, other)| one == **victim || other == **victim);
    let alone: Vec<usize> = victims.iter().filter(|victim| !in_pair(victim)).copied().collect();
    let mut plans: Vec<(Vec<usize>, usize)> = pairs.iter().map(|&(one, other)| (vec![one, other], 2)).collect();
    if second_death {
        // After each of them an undertaker may die, but not another one of them.
        plans.extend(alone.into_iter().map(|victim| (vec![victim], 2)));
    } else if !alone.is_empty() {
        plans.push((alone, 1));
    }
    let plan = |(mortal, deaths)| Plan { mortal, deaths, undertakers_die: second_death, ..base.clone() };
    plans.into_iter().map(plan).collect()
}

/// Executions that a shorter counterexample may take to find: a few seconds' work, and the same on every machine.
const TO_SHORTEN: u64 = 50_000;

/// The verdict is in: no more explorations.
struct Decided;

impl Sweep<'_> {
    fn base(&self) -> Plan {
        Plan {
            mutations: self.settings.mutations,
            record_sites: self.settings.record_sites,
            record_changes: self.settings.record_changes,
            shadow: self.settings.shadow,
            ..Plan::default()
        }
    }

    fn all(&mut self) -> Result<(), Decided> {
        let faults = self.model.faults;
        let plain = self.one(self.base(), false)?;
        // Without a kill the lanes are the model's threads; kernel and undertaker come after them.
        self.undertaker = plain.run.lanes().len() + 1;
        if faults.lifo {
            self.one(Plan { wake_order: WakeOrder::Lifo, ..self.base() }, false)?;
        }
        // There a wake orders nothing anyway.
        if faults.no_wake_edge && self.settings.engine != Engine::Treadle {
            self.one(Plan { wake_edge: false, ..self.base() }, false)?;
        }
        let any_time = self.settings.engine == Engine::Treadle;
        for (lane, (waits, timed)) in plain.run.most_waits().into_iter().enumerate() {
            for n in (0..waits).take_while(|_| faults.spurious) {
                self.one(Plan { spurious: vec![(lane, n)], ..self.base() }, true)?;
            }
            // On treadle every timed wait can run out at any point, in the first exploration already.
            for n in (0..timed).take_while(|_| faults.timeouts && !any_time) {
                self.one(Plan { timeouts: vec![(lane, n)], ..self.base() }, true)?;
            }
        }
        if self.settings.engine == Engine::Treadle {
            self.kill_natively()?;
        } else {
            for &victim in faults.victims {
                self.kill_at_each_step(victim)?;
            }
            for &(one, other) in faults.pairs {
                self.kill_both(one, other)?;
            }
        }
        for &lane in faults.frozen {
            for step in 0.. {
                let plan = Plan { freezes: vec![(lane, step)], step_limit: faults.solo_steps, ..self.base() };
                if self.one(plan, true)?.run.hits(lane, step) == 0 {
                    break;
                }
                self.report.kill_points += 1;
            }
        }
        Ok(())
    }

    /// On an engine with deaths of its own.
    fn kill_natively(&mut self) -> Result<(), Decided> {
        for plan in death_plans(&self.model.faults, &self.base()) {
            let killed = self.one(plan, true)?.run;
            self.report.kill_points += count(killed.points_hit());
            self.report.second_kill_points += count(killed.pairs_hit());
        }
        Ok(())
    }

    fn kill_at_each_step(&mut self, victim: usize) -> Result<(), Decided> {
        for step in 0.. {
            let killed = self.one(Plan { kills: vec![(victim, step)], ..self.base() }, true)?;
            if killed.run.hits(victim, step) == 0 {
                return Ok(());
            }
            self.report.kill_points += 1;
            if self.model.faults.second_death {
                let undertaker = self.undertaker;
                for second in 0.. {
                    let kills = vec![(victim, step), (undertaker, second)];
                    if self.one(Plan { kills, ..self.base() }, true)?.run.hits(undertaker, second) == 0 {
                        break;
                    }
                    self.report.second_kill_points += 1;
                }
            }
        }
        Ok(())
    }

    fn kill_both(&mut self, one: usize, other: usize) -> Result<(), Decided> {
        for first in 0.. {
            let mut reached = false;
            for second in 0.. {
                let kills = vec![(one, first), (other, second)];
                let run = self.one(Plan { kills, ..self.base() }, true)?.run;
                reached |= run.hits(one, first) > 0;
                if run.hits(other, second) == 0 {
                    break;
                }
                self.report.second_kill_points += 1;
            }
            if !reached {
                break;
            }
            self.report.kill_points += 1;
        }
        Ok(())
    }

    fn effort(&self, plan: &Plan, faulty: bool) -> Effort {
        match self.settings.engine {
            Engine::Shuttle => Effort::shuttle(self.settings.schedules, self.report.explorations),
            Engine::Treadle => {
                let Deviations { plain, faulty: with_fault } = self.settings.deviations(self.model);
                let bound = if faulty { with_fault } else { plain };
                let bound = bound.and_then(|bound| usize::try_from(bound).ok());
                let plain = Effort::treadle();
                let executions = self.settings.executions.unwrap_or(plain.executions);
                Effort { bound, time: self.settings.time, executions, ..plain }
            }
            _ => {
                // Sleepers that poll do so without end if they may be preempted more often.
                let polls = !plan.wake_edge && self.settings.deeper > 0;
                let bounds = if polls { self.model.bounds } else { self.settings.bounds(self.model) };
                let Bounds { plain, faulty: with_fault } = bounds;
                let effort = Effort::loom(if faulty { with_fault } else { plain });
                if self.settings.deeper > 0 { effort.patiently() } else { effort }
            }
        }
    }

    fn one(&mut self, plan: Plan, faulty: bool) -> Result<Exploration, Decided> {
        let effort = self.effort(&plan, faulty);
        let explored = explore(self.model, plan.clone(), effort);
        let report = &mut self.report;
        report.explorations += 1;
        report.executions += explored.executions();
        report.assertions += explored.run.assertions();
        report.complete &= explored.complete;
        for (site, record) in explored.sites() {
            let known = report.sites.entry(site).or_insert(record);
            known.wakes = known.wakes.max(record.wakes);
        }
        report.changes.extend(explored.run.changes());
        match explored.verdict {
            Verdict::Pass => return Ok(explored),
            Verdict::Fail(failure) => {
                let failure = self.shorten(&plan, effort).unwrap_or(failure);
                self.report.verdict = Verdict::Fail(failure);
            }
            Verdict::Inconclusive(why) => self.report.verdict = Verdict::Inconclusive(why),
        }
        self.report.plan = Some(plan);
        Err(Decided)
    }

    /// A failure with the fewest preemptions or deviations, and of several of those the one in which the lanes change
    /// least often. None, if it takes more executions to find than it is worth: then it is shown as it was found.
    fn shorten(&self, plan: &Plan, effort: Effort) -> Option<Box<Failure>> {
        let (most, seeds) = match effort.engine {
            Engine::Loom => (effort.bound.unwrap_or(4), 0),
            // Other orders of the threads come to another one first.
            Engine::Treadle => (effort.bound.unwrap_or(6), 3),
            _ => return None,
        };
        let executions = effort.executions.min(TO_SHORTEN);
        let failure = |bound, seed| {
            let bounded = Effort { bound: Some(bound), executions, seed, ..effort };
            match explore(self.model, plan.clone(), bounded).verdict {
                Verdict::Fail(failure) => Some(failure),
                _ => None,
            }
        };
        let (bound, first) = (0..=most).find_map(|bound| Some((bound, failure(bound, 0)?)))?;
        let others = (1..=seeds).filter_map(|seed| failure(bound, seed));
        core::iter::once(first)
            .chain(others)
            .min_by_key(|failure| (failure.picture.switches(), failure.picture.steps.len()))
    }
}

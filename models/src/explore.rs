//! One exploration: a model under one plan on one engine.

use crate::lanes::{self, Picture};
use crate::panics;
use crate::world::{Aftermath, Death, KERNEL, Model, UNDERTAKER, World};
use selvedge::sync::model::{
    Deadlock, Engine, JoinHandle, Killed, LaneState, Plan, Restart, Run, Site, SiteRecord, SoloLimit, current_run,
    set_current_lane, spawn, spawn_mortal, with_engine,
};
use serde::{Deserialize, Serialize};
use std::any::Any;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How an exploration is to be carried out.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// Who explores.
    pub engine: Engine,
    /// Preemption bound (loom) or deviations (treadle); `None` is none.
    pub bound: Option<usize>,
    /// Executions after which the exploration is given up as inconclusive (loom), or that are run (shuttle).
    pub executions: u64,
    /// Time after which it is given up as inconclusive.
    pub time: Duration,
    /// Seed of the schedules (shuttle), or which order of the threads (treadle): 0 the first one first, 1 the last one
    /// first, others shuffled. On treadle it makes no difference to what is found.
    pub seed: u64,
}

impl Effort {
    /// loom, without a preemption bound.
    #[must_use]
    pub fn loom(bound: Option<usize>) -> Self {
        Self { engine: Engine::Loom, bound, executions: 20_000_000, time: Duration::from_secs(600), seed: 0 }
    }

    /// The same for explorations that nobody waits for.
    #[must_use]
    pub fn patiently(self) -> Self {
        Self { executions: u64::MAX, time: Duration::from_secs(6 * 3600), ..self }
    }

    /// treadle, without a bound.
    #[must_use]
    pub fn treadle() -> Self {
        Self { engine: Engine::Treadle, ..Self::loom(None) }
    }

    /// shuttle, with that many random schedules.
    #[must_use]
    pub fn shuttle(executions: u64, seed: u64) -> Self {
        Self { engine: Engine::Shuttle, bound: None, executions, time: Duration::from_secs(600), seed }
    }
}

/// Why a model failed, and how.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Failure {
    /// What went wrong.
    pub message: String,
    /// The execution, as lanes.
    pub picture: Picture,
}

/// How an exploration ended.
#[derive(Clone, Debug)]
pub enum Verdict {
    /// Every execution within the bound was explored and none failed.
    Pass,
    /// Some execution failed.
    Fail(Box<Failure>),
    /// A limit was hit: neither a pass nor a failure.
    Inconclusive(String),
}

/// What an exploration found.
#[derive(Debug)]
pub struct Exploration {
    /// How it ended.
    pub verdict: Verdict,
    /// The state of the run after its last execution: counts, sites, steps.
    pub run: Rc<Run>,
    /// How long it took.
    pub time: Duration,
    /// Whether every execution was explored.
    pub complete: bool,
    /// Executions that came to their ends (treadle): as many as there are execution graphs.
    pub graphs: u64,
}

impl Exploration {
    /// Executions explored.
    #[must_use]
    pub fn executions(&self) -> u64 {
        self.run.executions()
    }

    /// The sites reached, if the plan asked for them.
    #[must_use]
    pub fn sites(&self) -> BTreeMap<Site, SiteRecord> {
        self.run.sites()
    }
}

/// Panic payload: the budget is used up.
struct OutOfBudget(String);

/// Enforced switches of the schedules with few of them (Burckhardt et al., "A Randomized Scheduler with Probabilistic
/// Guarantees of Finding Bugs", ASPLOS 2010): most faults need no more.
const SWITCHES: usize = 3;

/// Explores `model` under `plan`.
#[must_use]
pub fn explore(model: &Model, plan: Plan, effort: Effort) -> Exploration {
    explore_world(model.build, plan, effort)
}

/// Explores what `build` describes, which need not be a model of the catalogue, under `plan`.
#[must_use]
pub fn explore_world(build: impl Fn(&mut World) + Send + Sync + 'static, plan: Plan, effort: Effort) -> Exploration {
    let build = Arc::new(build);
    let mut run = Run::new(plan);
    let start = Instant::now();
    loop {
        let build = Arc::clone(&build);
        let caught = run.enter(|| {
            with_engine(effort.engine, || {
                panics::quietly(|| catch_unwind(AssertUnwindSafe(|| drive(build, effort, start))))
            })
        });
        let (verdict, Explored { complete, graphs }) = match caught {
            Err(payload) if payload.is::<Restart>() => {
                run = run.anew();
                continue;
            }
            Err(payload) => (judge(&run, payload.as_ref()), Explored::default()),
            Ok(explored) => (Verdict::Pass, explored),
        };
        return Exploration { verdict, run, time: start.elapsed(), complete, graphs };
    }
}

/// What an exploration without failure was like.
#[derive(Clone, Copy, Debug, Default)]
struct Explored {
    complete: bool,
    graphs: u64,
}

/// Carries out an exploration.
fn drive(build: Arc<impl Fn(&mut World) + Send + Sync + 'static>, effort: Effort, start: Instant) -> Explored {
    let execution = move || {
        if let Some(run) = current_run() {
            if effort.engine == Engine::Loom && run.executions() >= effort.executions {
                std::panic::panic_any(OutOfBudget(format!("{} executions", effort.executions)));
            }
            if effort.engine != Engine::Treadle && start.elapsed() > effort.time {
                std::panic::panic_any(OutOfBudget(format!("{} s", effort.time.as_secs())));
            }
            execute(build.as_ref(), &run);
        }
    };
    match effort.engine {
        Engine::Loom => {
            let mut builder = loom::model::Builder::new();
            builder.preemption_bound = effort.bound;
            builder.max_branches = 20_000;
            builder.max_permutations = None;
            builder.max_duration = None;
            builder.check(execution);
        }
        Engine::Shuttle => {
            let mut config = shuttle::Config::new();
            config.silence_warnings = true;
            config.failure_persistence = shuttle::FailurePersistence::None;
            let executions = usize::try_from(effort.executions).unwrap_or(usize::MAX);
            let execution = Arc::new(execution);
            // One half switches anywhere, the other at few places only: what needs a thread that is held up for long
            // is all but impossible in the first half, and likely in the second.
            let (anywhere, seldom) = (executions.div_ceil(2), executions / 2);
            let one = Arc::clone(&execution);
            let scheduler = shuttle::scheduler::RandomScheduler::new_from_seed(effort.seed, anywhere);
            shuttle::Runner::new(scheduler, config.clone()).run(move || one());
            // Of one thread alone that scheduler makes a panic.
            if seldom > 0 && current_run().is_some_and(|run| run.lanes().len() > 1) {
                let scheduler = shuttle::scheduler::PctScheduler::new_from_seed(effort.seed, SWITCHES + 1, seldom);
                shuttle::Runner::new(scheduler, config).run(move || execution());
            }
        }
        Engine::Treadle => return drive_treadle(execution, effort),
        Engine::Plain => execution(),
    }
    Explored { complete: effort.engine == Engine::Loom && effort.bound.is_none(), graphs: 0 }
}

/// On treadle. A failure is run once more, by its id, so that trace and payload are its own.
fn drive_treadle(execution: impl Fn() + Send + Sync + 'static, effort: Effort) -> Explored {
    let execution = Arc::new(execution);
    let once = Arc::clone(&execution);
    let run = current_run();
    let trace = |tracing| run.iter().for_each(|run| run.set_tracing(tracing));
    trace(false);
    let mut builder = treadle::Builder::new();
    builder.max_runs = Some(effort.executions);
    builder.max_duration = Some(effort.time);
    builder.deaths = run.as_ref().map_or(0, |run| run.plan.deaths);
    builder.schedule = match effort.seed {
        0 => treadle::Schedule::Leftmost,
        1 => treadle::Schedule::Rightmost,
        seed => treadle::Schedule::Shuffled(seed),
    };
    if let Some(bound) = effort.bound {
        builder.search = treadle::Search::Deviations(u32::try_from(bound).unwrap_or(u32::MAX));
    }
    let found = builder.explore(move || once());
    let failure = match found {
        Ok(treadle::Report { inconclusive: Some(why), .. }) => std::panic::panic_any(OutOfBudget(why)),
        Ok(report) => return Explored { complete: report.complete, graphs: report.executions },
        Err(failure) => failure,
    };
    if failure.problem == treadle::Problem::TooLong {
        std::panic::panic_any(OutOfBudget(failure.message));
    }
    let _: Option<_> = treadle::take_panic();
    trace(true);
    builder.replay = Some(failure.picture.id.clone());
    let again = builder.show(move || execution());
    let Err(again) = again else { panic!("{} (and when it was run again it did not fail)", failure.message) };
    if let Some(payload) = treadle::take_panic() {
        resume_unwind(payload);
    }
    match run {
        Some(run) if again.problem == treadle::Problem::Deadlock && !run.sleepers().is_empty() => {
            std::panic::panic_any(Deadlock(run.sleepers()))
        }
        _ => std::panic::panic_any(again.message),
    }
}

/// One execution: builds the world, runs its threads to their ends, checks what must hold then.
fn execute(build: &dyn Fn(&mut World), run: &Rc<Run>) {
    run.begin_execution();
    set_current_lane(usize::MAX);
    let mut world = World::default();
    build(&mut world);
    run.begin_lanes();
    let World { threads, on_death, finally, .. } = world;
    for (name, _) in &threads {
        run.add_lane(name);
    }
    let handles: Vec<JoinHandle> = threads
        .into_iter()
        .enumerate()
        .map(|(lane, (_, body))| {
            let (on_death, aftermath) = (on_death.clone(), on_death.clone());
            let live = move || {
                set_current_lane(lane);
                // Coroutines run on the OS thread that explores: the run is that thread's.
                if let Some(run) = current_run() {
                    live_and_die(&run, lane, body, on_death.as_ref());
                }
            };
            if !run.plan.mortal.contains(&lane) {
                return spawn(live);
            }
            spawn_mortal(live, move |asleep| {
                if let Some(run) = current_run() {
                    run.was_killed(lane, asleep);
                    if let Some(aftermath) = aftermath {
                        bury_natively(&run, Death { victim: lane, undertakers_lost: 0 }, aftermath);
                    }
                }
            })
        })
        .collect();
    for handle in handles {
        handle.join();
    }
    set_current_lane(usize::MAX);
    for check in finally {
        check();
    }
    run.end_execution();
}

fn live_and_die(run: &Run, lane: usize, body: Box<dyn FnOnce() + Send>, on_death: Option<&Aftermath>) {
    if run.plan.kills.is_empty() && run.plan.freezes.is_empty() {
        body();
        run.finish_lane(lane);
        return;
    }
    let Err(payload) = catch_unwind(AssertUnwindSafe(body)) else {
        run.finish_lane(lane);
        return;
    };
    let Some(killed) = payload.downcast_ref::<Killed>() else { resume_unwind(payload) };
    match on_death {
        Some(aftermath) if !killed.frozen => bury(run, lane, aftermath),
        _ => run.finish_lane(lane),
    }
}

/// Kernel and undertaker, again and again while the undertaker is killed.
fn bury(run: &Run, victim: usize, aftermath: &Aftermath) {
    let mut death = Death { victim, undertakers_lost: 0 };
    loop {
        let kernel = run.add_lane(KERNEL);
        let undertaker = run.add_lane(UNDERTAKER);
        set_current_lane(kernel);
        (aftermath.kernel)(death);
        set_current_lane(undertaker);
        run.set_state(kernel, LaneState::Finished);
        match catch_unwind(AssertUnwindSafe(|| (aftermath.undertaker)(death))) {
            Ok(()) => {
                run.finish_lane(undertaker);
                return;
            }
            Err(payload) if payload.is::<Killed>() => death.undertakers_lost += 1,
            Err(payload) => resume_unwind(payload),
        }
    }
}

/// The same on an engine with deaths of its own, in the victim's place.
fn bury_natively(run: &Run, mut death: Death, aftermath: Aftermath) {
    let kernel = run.add_lane(KERNEL);
    set_current_lane(kernel);
    (aftermath.kernel)(death);
    run.finish_lane(kernel);
    let undertaker = run.add_lane(UNDERTAKER);
    let next = aftermath.clone();
    let work = move || {
        set_current_lane(undertaker);
        (aftermath.undertaker)(death);
        if let Some(run) = current_run() {
            run.finish_lane(undertaker);
        }
    };
    if !run.plan.undertakers_die {
        return work();
    }
    let mortal = spawn_mortal(work, move |asleep| {
        if let Some(run) = current_run() {
            run.was_killed(undertaker, asleep);
            death.undertakers_lost += 1;
            bury_natively(&run, death, next);
        }
    });
    mortal.join();
}

fn judge(run: &Run, payload: &(dyn Any + Send)) -> Verdict {
    let message = if let Some(OutOfBudget(why)) = payload.downcast_ref::<OutOfBudget>() {
        return Verdict::Inconclusive(why.clone());
    } else if let Some(Deadlock(sleepers)) = payload.downcast_ref::<Deadlock>() {
        lanes::describe_deadlock(run, sleepers)
    } else if let Some(SoloLimit { lane, limit }) = payload.downcast_ref::<SoloLimit>() {
        format!("`{}` took {limit} steps without coming to an end", lanes::lane_name(run, *lane))
    } else {
        in_our_words(panics::take_message(payload))
    };
    if message.contains("exceeded maximum number of branches") || message.contains("exceeded max_steps") {
        return Verdict::Inconclusive(message);
    }
    Verdict::Fail(Box::new(Failure { message, picture: Picture::of(run) }))
}

/// loom calls a data race by the name of what it computes, treadle by places in the model backend that tell nobody
/// anything: the picture has the source's.
fn in_our_words(message: String) -> String {
    if let Some(accesses) = message.trim().strip_prefix("Causality violation: Concurrent ") {
        let accesses = accesses.trim_end_matches('.').trim_end_matches(" to `UnsafeCell`");
        return format!("data race on payload: concurrent {accesses}");
    }
    let both = message.strip_prefix("data race: ").and_then(|accesses| accesses.split_once(" and "));
    let how = |access: &str| if access.starts_with("a write") { "write" } else { "read" };
    match both {
        Some((one, other)) => format!("data race on payload: concurrent {} and {} accesses", how(one), how(other)),
        None => message,
    }
}

//! Checking a model: how far, in which way, and what came of it.

use crate::consistency::MemoryModel;
use crate::explore::{Budgets, Explorer};
use crate::failure::{Failure, Problem, describe};
use crate::faults::Faults;
use crate::report::{Script, draw, read_script};
use crate::runtime::{End, Execution, Fault, Pool, Schedule, Task, install_hook, run_once};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Which executions are looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Search {
    /// All of them, each once.
    #[default]
    Everything,
    /// Those that are few deviations away from the plain one, in which threads run one after the other in the order of
    /// the [`Schedule`] and read the newest values: each read of an older value, write before another one, revisit,
    /// choice other than 0, and death counts one. Like delays of a scheduler (Emmi, Qadeer, Rakamarić, "Delay-bounded
    /// scheduling", POPL 2011): most faults need few. If nothing was cut, it was everything ([`Report::cut`]).
    Deviations(u32),
    /// So many, drawn at random; the same ones for the same seed.
    Random {
        /// How many.
        runs: u64,
        /// What the random numbers start from.
        seed: u64,
    },
}

/// How a model is to be checked.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Builder {
    /// Which executions there are.
    pub memory_model: MemoryModel,
    /// Whose event is added next. It makes no difference to the result.
    pub schedule: Schedule,
    /// How many threads may be killed in an execution, of those started by
    /// [`spawn_mortal`](crate::thread::spawn_mortal).
    pub deaths: usize,
    /// How many weak compare-exchanges may fail for no reason in an execution.
    pub spurious_failures: usize,
    /// How many events a thread may have; more are reported (a loop that does not end). At most 60,000.
    pub max_events: usize,
    /// Which executions are looked at.
    pub search: Search,
    /// Runs after which the check is inconclusive; none is no limit.
    pub max_runs: Option<u64>,
    /// Time after which the check is inconclusive; none is no limit.
    pub max_duration: Option<Duration>,
    /// For how many runs after a failing one to look for a failing one that is shorter: one with fewer changes of
    /// thread, or as many and fewer events.
    pub look_for_shorter: u64,
    /// An execution to run, and no other: what a [`Picture`](crate::Picture) has as its id.
    pub replay: Option<String>,
    /// Bytes of stack for each thread.
    pub stack_size: usize,
    /// Faults planted in the engine itself, for its tests.
    #[doc(hidden)]
    pub planted: u32,
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            memory_model: MemoryModel::Rc11,
            schedule: Schedule::Leftmost,
            deaths: 0,
            spurious_failures: 1,
            max_events: 10_000,
            search: Search::Everything,
            max_runs: None,
            max_duration: None,
            look_for_shorter: 1_000,
            replay: None,
            stack_size: 128 << 10,
            planted: 0,
        }
    }
}

/// What a check found, if it found no failure.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Executions in which every thread ended: as many as there are execution graphs.
    pub executions: u64,
    /// Runs given up because some thread could go on in other executions only.
    pub blocked: u64,
    /// Events added, of all executions together.
    pub events: u64,
    /// Steps executed, those that replay what was known included.
    pub steps: u64,
    /// Ways of adding an event that [`Search::Deviations`] did not allow.
    pub cut: u64,
    /// Why the check is inconclusive, if it is.
    pub inconclusive: Option<String>,
    /// Whether every execution was looked at.
    pub complete: bool,
}

/// Checks a model: `body` is run in every execution that there is, under RC11.
///
/// # Panics
/// If an execution fails; the message shows it.
pub fn model(body: impl Fn() + Sync + Send + 'static) {
    Builder::new().check(body);
}

/// The environment variable with an execution to be run again, and no other.
const REPLAY: &str = "TREADLE_REPLAY";

impl Builder {
    /// The usual way: every execution under RC11, without limits.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Checks a model.
    ///
    /// With `TREADLE_REPLAY` in the environment, only that execution is run, and shown whether it fails or not.
    ///
    /// # Panics
    /// If an execution fails, or a limit is hit.
    pub fn check(&self, body: impl Fn() + Sync + Send + 'static) {
        let mut builder = self.clone();
        builder.replay = builder.replay.or_else(|| std::env::var(REPLAY).ok());
        if builder.replay.is_some() {
            match builder.show(body) {
                Ok(picture) => println!("the execution does not fail:\n\n{}", picture.lanes),
                Err(failure) => panic!("{failure}"),
            }
            return;
        }
        match builder.explore(body) {
            Ok(Report { inconclusive: Some(why), .. }) => panic!("inconclusive: {why}"),
            Ok(_) => {}
            Err(failure) => panic!("{failure}"),
        }
    }

    /// Checks a model and says what was found.
    ///
    /// # Errors
    /// The shortest failing execution that was found.
    pub fn explore(&self, body: impl Fn() + Sync + Send + 'static) -> Result<Report, Box<Failure>> {
        self.explore_each(body, |_| {})
    }

    /// The same, and calls `visit` with a fingerprint of each complete execution's graph: of two executions with one
    /// fingerprint, one was superfluous.
    ///
    /// # Errors
    /// As for [`explore`](Self::explore).
    pub fn explore_graphs(
        &self,
        body: impl Fn() + Sync + Send + 'static,
        mut visit: impl FnMut(u128),
    ) -> Result<Report, Box<Failure>> {
        self.explore_each(body, |execution| visit(execution.explorer.graph().fingerprint()))
    }

    /// Runs the execution that is to be [replayed](Self::replay), and draws it.
    ///
    /// # Errors
    /// The same execution, if it fails; or that there is no such execution.
    pub fn show(&self, body: impl Fn() + Sync + Send + 'static) -> Result<crate::Picture, Box<Failure>> {
        let script = self.replay.as_deref().and_then(read_script);
        let script = script.ok_or_else(|| Box::new(misfit()))?;
        let mut check = Check::new(self, body);
        check.script = Some(script);
        loop {
            match check.run() {
                Ran::Anew => {}
                Ran::Failed(failure) => return Err(failure),
                Ran::Ended(_) => return Ok(draw(check.execution())),
            }
        }
    }

    fn explore_each(
        &self,
        body: impl Fn() + Sync + Send + 'static,
        mut visit: impl FnMut(&Execution),
    ) -> Result<Report, Box<Failure>> {
        if self.replay.is_some() {
            return self.show(body).map(|_| Report { executions: 1, ..Report::default() });
        }
        let mut check = Check::new(self, body);
        let start = Instant::now();
        let mut report = Report::default();
        let mut shortest: Option<Box<Failure>> = None;
        let mut left = self.look_for_shorter;
        loop {
            match check.run() {
                Ran::Anew => {
                    report = Report::default();
                    continue;
                }
                Ran::Ended(true) => {
                    report.executions += 1;
                    visit(check.execution());
                }
                Ran::Ended(false) => report.blocked += 1,
                Ran::Failed(mut failure) => {
                    failure.executions = shortest.as_ref().map_or(report.executions, |first| first.executions);
                    if shortest.as_ref().is_none_or(|shortest| is_shorter(&failure, shortest)) {
                        shortest = Some(failure);
                    }
                }
            }
            let more = check.advance(report.executions + report.blocked);
            report.events = check.execution().explorer.added;
            report.steps = check.execution().steps;
            report.cut = check.execution().explorer.cut;
            if let Some(failure) = &shortest {
                if left == 0
                    || !more
                    || matches!(failure.problem, Problem::Divergence | Problem::Misuse | Problem::Aborted)
                {
                    return Err(shortest.take().expect("there is one"));
                }
                left -= 1;
                continue;
            }
            if !more {
                report.complete = report.cut == 0 && !matches!(self.search, Search::Random { .. });
                return Ok(report);
            }
            report.inconclusive = self.limit(&report, start);
            if report.inconclusive.is_some() {
                return Ok(report);
            }
        }
    }

    fn limit(&self, report: &Report, start: Instant) -> Option<String> {
        let runs = report.executions + report.blocked;
        if self.max_runs.is_some_and(|most| runs >= most) {
            return Some(format!("there are more than {runs} runs"));
        }
        let late = |most: Duration| runs.is_multiple_of(64) && start.elapsed() > most;
        self.max_duration.filter(|&most| late(most)).map(|most| format!("it takes longer than {most:?}"))
    }
}

fn is_shorter(one: &Failure, other: &Failure) -> bool {
    (one.picture.switches, one.picture.events) < (other.picture.switches, other.picture.events)
}

fn misfit() -> Failure {
    let (problem, message) = describe(&Fault::Misfit);
    Failure { problem, message, picture: crate::Picture::default(), executions: 0 }
}

/// How a run ended, for the check.
enum Ran {
    /// The exploration has to start anew: something is known now that was not known when it started.
    Anew,
    /// Without failure; complete, or given up.
    Ended(bool),
    Failed(Box<Failure>),
}

/// A check in progress.
struct Check<'a> {
    builder: &'a Builder,
    body: Arc<dyn Fn() + Sync + Send>,
    pool: Pool,
    threads: usize,
    queued: Vec<bool>,
    script: Option<Script>,
    execution: Option<Box<Execution>>,
}

impl<'a> Check<'a> {
    fn new(builder: &'a Builder, body: impl Fn() + Sync + Send + 'static) -> Self {
        install_hook();
        let pool = Pool::new(builder.stack_size);
        Self { builder, body: Arc::new(body), pool, threads: 8, queued: Vec::new(), script: None, execution: None }
    }

    fn execution(&self) -> &Execution {
        self.execution.as_ref().expect("it has been run")
    }

    fn execution_mut(&mut self) -> &mut Execution {
        self.execution.as_mut().expect("it has been run")
    }

    fn fresh(&self) -> Box<Execution> {
        let Builder { deaths, spurious_failures, memory_model, schedule, max_events, planted, .. } = *self.builder;
        let deviations = match self.builder.search {
            Search::Deviations(most) => most,
            _ => u32::MAX,
        };
        let budgets = Budgets { deaths, spurious: spurious_failures, deviations };
        let mut explorer = Explorer::new(memory_model, self.threads, budgets, Faults::from_bits(planted));
        let walks = matches!(self.builder.search, Search::Random { .. }) && self.script.is_none();
        if let Search::Random { seed, .. } = self.builder.search
            && walks
        {
            explorer.walk(seed);
        }
        let mut execution = Execution::new(explorer, schedule, self.queued.clone(), max_events.min(60_000));
        execution.script.clone_from(&self.script);
        execution.schedule_each |= walks;
        Box::new(execution)
    }

    /// Goes on to the next execution, if there is one.
    fn advance(&mut self, runs_so_far: u64) -> bool {
        match self.builder.search {
            Search::Random { runs, .. } => {
                self.execution_mut().explorer.start_over();
                runs_so_far < runs
            }
            _ => self.execution_mut().explorer.advance(),
        }
    }

    fn run(&mut self) -> Ran {
        const MOST_THREADS: usize = 1024;
        let body = Arc::clone(&self.body);
        let task: Task = Box::new(move || body());
        let execution = self.execution.take().unwrap_or_else(|| self.fresh());
        let (execution, end) = run_once(execution, &mut self.pool, task);
        let fault = match end {
            End::Complete => Ok(true),
            End::Redundant => Ok(false),
            End::Deadlock => Err((Problem::Deadlock, "deadlock: nobody can go on".to_owned())),
            End::Fault(Fault::MoreThreads) if self.threads < MOST_THREADS => {
                self.threads *= 2;
                return Ran::Anew;
            }
            End::Fault(Fault::NewQueue) => {
                self.queued = execution.queued().to_vec();
                return Ran::Anew;
            }
            End::Fault(fault) => Err(describe(&fault)),
        };
        let ran = match fault {
            Ok(complete) => Ran::Ended(complete),
            Err((problem, message)) => {
                let picture = draw(&execution);
                Ran::Failed(Box::new(Failure { problem, message, picture, executions: 0 }))
            }
        };
        self.execution = Some(execution);
        ran
    }
}

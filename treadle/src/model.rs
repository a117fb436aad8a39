//! Checking a model: how far, in which way, and what came of it.

use crate::check::{Body, Check, Known, Ran};
use crate::consistency::MemoryModel;
use crate::failure::{Failure, describe};
use crate::report::{draw, read_script};
use crate::runtime::{Execution, Fault, Schedule};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

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
///
/// ```
/// let mut builder = treadle::Builder::new();
/// builder.max_runs = Some(10_000);
/// builder.workers = 2;
/// let report = builder.explore(|| {
///     treadle::thread::spawn(|| ()).join().unwrap();
/// });
/// assert!(report.unwrap().complete);
/// ```
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
    /// OS threads that explore, each a part of the executions; what they find together is the same for any number.
    pub workers: usize,
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
            workers: 1,
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
        self.explore_each(body, &|_| {})
    }

    /// The same, and calls `visit`, in the end, with a fingerprint of each complete execution's graph: of two executions with one
    /// fingerprint, one was superfluous.
    ///
    /// # Errors
    /// As for [`explore`](Self::explore).
    pub fn explore_graphs(
        &self,
        body: impl Fn() + Sync + Send + 'static,
        visit: impl FnMut(u128),
    ) -> Result<Report, Box<Failure>> {
        let seen = Mutex::new(Vec::new());
        let report = self.explore_each(body, &|execution| {
            let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
            match execution {
                Some(execution) => seen.push(execution.explorer.graph().fingerprint()),
                None => seen.clear(),
            }
        });
        seen.into_inner().unwrap_or_else(PoisonError::into_inner).into_iter().for_each(visit);
        report
    }

    /// Runs the execution that is to be [replayed](Self::replay), and draws it.
    ///
    /// # Errors
    /// The same execution, if it fails; or that there is no such execution.
    pub fn show(&self, body: impl Fn() + Sync + Send + 'static) -> Result<crate::Picture, Box<Failure>> {
        let script = self.replay.as_deref().and_then(read_script);
        let script = script.ok_or_else(|| Box::new(misfit()))?;
        let mut check = Check::new(self, &(Arc::new(body) as Body), Known::default());
        check.script = Some(script);
        loop {
            match check.run() {
                Ran::Anew(known) => check.start_anew(known),
                Ran::Failed(failure) => return Err(failure),
                Ran::Ended(_) => return Ok(draw(check.execution())),
            }
        }
    }

    fn explore_each(
        &self,
        body: impl Fn() + Sync + Send + 'static,
        visit: &(dyn Fn(Option<&Execution>) + Sync),
    ) -> Result<Report, Box<Failure>> {
        if self.replay.is_some() {
            return self.show(body).map(|_| Report { executions: 1, ..Report::default() });
        }
        crate::share::explore(self, &(Arc::new(body) as Body), visit)
    }
}

fn misfit() -> Failure {
    let (problem, message) = describe(&Fault::Misfit);
    Failure { problem, message, picture: crate::Picture::default(), executions: 0 }
}

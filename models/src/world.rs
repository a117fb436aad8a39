//! What a model is: its build function describes one execution, its declarations say which faults are swept over it.

use selvedge::sync::model::current_run;
use std::sync::Arc;

/// One model: a client of a primitive, and what must hold of it.
#[derive(Clone, Copy, Debug)]
pub struct Model {
    /// `primitive/scenario`, unique.
    pub name: &'static str,
    /// The properties of the catalogue that it checks, by id: `M1 M2`.
    pub properties: &'static str,
    /// The client in words: processes × operations, capacity.
    pub client: &'static str,
    /// Describes one execution; called once for each.
    pub build: fn(&mut World),
    /// Which faults are swept over it.
    pub faults: Faults,
    /// How far loom explores it.
    pub bounds: Bounds,
}

impl Model {
    /// The part of the name before the slash.
    #[must_use]
    pub fn primitive(&self) -> &'static str {
        self.name.split('/').next().unwrap_or(self.name)
    }
}

/// The faults that are swept over a model, one exploration for each, or for each kind where the engine chooses.
#[derive(Clone, Copy, Debug, Default)]
pub struct Faults {
    /// Lanes that are killed before each of their steps, one at a time.
    pub victims: &'static [usize],
    /// Two lanes that are both killed, each before each of its steps.
    pub pairs: &'static [(usize, usize)],
    /// For each kill of a victim, also kill the undertaker before each of its steps.
    pub second_death: bool,
    /// Let each timed wait run out.
    pub timeouts: bool,
    /// Let each wait return spuriously.
    pub spurious: bool,
    /// Lanes that are frozen before each of their steps, one at a time; the others must then end by themselves.
    pub frozen: &'static [usize],
    /// Steps that a lane may take at most while others are frozen.
    pub solo_steps: u64,
    /// Explore with wakes that take the last sleeper first, too.
    pub lifo: bool,
    /// Explore with wakes that order nothing, too.
    pub no_wake_edge: bool,
}

impl Faults {
    /// None at all; a `const` to build on.
    pub const NONE: Self = Self {
        victims: &[],
        pairs: &[],
        second_death: false,
        timeouts: false,
        spurious: false,
        frozen: &[],
        solo_steps: 0,
        lifo: false,
        no_wake_edge: false,
    };
}

/// Preemption bounds for loom; `None` is no bound.
#[derive(Clone, Copy, Debug, Default)]
pub struct Bounds {
    /// Without faults.
    pub plain: Option<usize>,
    /// With one planned fault.
    pub faulty: Option<usize>,
}

/// The death that an `on_death` handler is told of.
#[derive(Clone, Copy, Debug)]
pub struct Death {
    /// The lane that was killed.
    pub victim: usize,
    /// How many undertakers died in this repair before.
    pub undertakers_lost: usize,
}

type Body = Box<dyn FnOnce() + Send>;
type Outcome = Box<dyn FnOnce() -> String + Send>;
type Handler = Arc<dyn Fn(Death) + Send + Sync>;

/// What happens after a lane was killed.
#[derive(Clone)]
pub(crate) struct Aftermath {
    pub(crate) kernel: Handler,
    pub(crate) undertaker: Handler,
}

/// The lane on which the kernel's part in a death is played; it cannot be killed.
pub const KERNEL: &str = "kernel";
/// The lane on which an undertaker works.
pub const UNDERTAKER: &str = "undertaker";

/// One execution in the making.
#[derive(Default)]
pub struct World {
    pub(crate) threads: Vec<(String, Body)>,
    pub(crate) on_death: Option<Aftermath>,
    pub(crate) finally: Vec<Body>,
    pub(crate) outcome: Option<Outcome>,
}

impl World {
    /// Adds a virtual thread; its lane is the number of threads added before it.
    pub fn thread(&mut self, name: &str, body: impl FnOnce() + Send + 'static) {
        self.threads.push((name.to_owned(), Box::new(body)));
    }

    /// What the kernel, and then an undertaker of another process, do after a lane was killed.
    ///
    /// They run as lanes of their own, one after the other, from the victim's last step on, concurrently to all others.
    /// If the undertaker is killed in turn, both run again. They run in the victim's thread, or in one that it starts, so all that it did comes
    /// before them: whether an undertaker acquires what a mark publishes is shown by models whose undertakers have lanes
    /// of their own.
    pub fn on_death(
        &mut self,
        kernel: impl Fn(Death) + Send + Sync + 'static,
        undertaker: impl Fn(Death) + Send + Sync + 'static,
    ) {
        self.on_death = Some(Aftermath { kernel: Arc::new(kernel), undertaker: Arc::new(undertaker) });
    }

    /// What must hold when every thread has ended.
    pub fn finally(&mut self, check: impl FnOnce() + Send + 'static) {
        self.finally.push(Box::new(check));
    }

    /// What came out of the execution, in words: for models whose point is what can happen, not what must hold.
    ///
    /// Only [`explore_outcomes`](crate::outcomes::explore_outcomes) asks for it, after every thread has ended and every
    /// check has passed.
    pub fn outcome(&mut self, outcome: impl FnOnce() -> String + Send + 'static) {
        self.outcome = Some(Box::new(outcome));
    }
}

impl core::fmt::Debug for World {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("World").field("threads", &self.threads.len()).finish_non_exhaustive()
    }
}

/// Counts an assertion of the running model; see `verify!`.
pub fn count_assertion() {
    if let Some(run) = current_run() {
        run.count_assertion();
    }
}

//! One exploration: its executions, and what has happened so far in the present one.

use super::engine::{Engine, Late, current_engine};
use super::plan::Plan;
use super::trace::{Action, Change, Event, Site, SiteKind, SiteRecord};
use core::panic::Location;
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;

/// Payload with which a killed or frozen thread unwinds to its top.
#[derive(Debug)]
pub struct Killed {
    /// Frozen threads leave no mark: the kernel does nothing for them.
    pub frozen: bool,
}

/// Panic payload: everybody who is left sleeps, and nobody will wake them.
#[derive(Debug)]
pub struct Deadlock(pub Vec<Sleeper>);

/// Panic payload: a lane touched a word that was not expected to be touched; the exploration has to start anew, with
/// [`Run::anew`].
#[derive(Debug)]
pub struct Restart;

/// Panic payload: a lane took more steps than the plan allows.
#[derive(Debug)]
pub struct SoloLimit {
    /// The lane.
    pub lane: usize,
    /// The limit.
    pub limit: u64,
}

/// A lane that sleeps, and on what.
#[derive(Clone, Debug)]
pub struct Sleeper {
    /// The lane.
    pub lane: usize,
    /// Where it went to sleep.
    pub location: &'static Location<'static>,
    /// The words and the values that they held.
    pub words: Vec<(Option<(&'static Location<'static>, u32)>, u32)>,
    /// Whether its wait has a deadline, so that it ends by itself.
    pub timed: bool,
}

/// What a lane is doing.
#[derive(Clone, Debug, Default)]
pub enum LaneState {
    /// It can run.
    #[default]
    Running,
    /// It sleeps until the flag of its entry is set.
    Asleep(Sleeper),
    /// Unwinding from a kill or frozen: its operations do nothing.
    Dead,
    /// It has returned.
    Finished,
}

/// One virtual thread of an execution.
#[derive(Clone, Debug, Default)]
pub struct Lane {
    /// The name of its column.
    pub name: String,
    /// Steps taken.
    pub steps: u64,
    /// Waits begun.
    pub waits: u32,
    /// Timed waits begun.
    pub timed_waits: u32,
    /// Waits that ended only because nothing else could happen.
    pub last_resorts: u32,
    /// What it is doing.
    pub state: LaneState,
    /// Where the step that it began last stands in the source.
    pub at: Option<&'static Location<'static>>,
    /// A digest of what its operations showed it, if the plan asks for outcomes.
    pub seen: u64,
}

/// Fired when a sleeper's deadline is let pass because nothing else can run.
type TimerHook = Box<dyn Fn()>;

/// The state of one exploration and of its present execution.
pub struct Run {
    /// What is planned.
    pub plan: Plan,
    pub(super) lanes: RefCell<Vec<Lane>>,
    pub(super) trace: RefCell<Vec<Event>>,
    /// Where words were made, and how many at each place.
    words: RefCell<Vec<(&'static Location<'static>, u32)>>,
    timers: RefCell<Vec<(usize, TimerHook)>>,
    /// Words of this execution that wait for the lanes to start; none once they have.
    late: RefCell<Option<Vec<Rc<dyn Late>>>>,
    /// How many words of this execution have been numbered.
    numbered: Cell<u32>,
    /// Those, by the order in which they are made, that lanes touch.
    touched: RefCell<BTreeSet<usize>>,
    pub(super) sites: RefCell<BTreeMap<Site, SiteRecord>>,
    /// What has been recorded of each location: the most sleepers that were to be woken there.
    pub(super) recorded: RefCell<HashMap<(*const Location<'static>, SiteKind), u32>>,
    pub(super) changes: RefCell<BTreeSet<Change>>,
    executions: Cell<u64>,
    /// Whether events are recorded.
    tracing: Cell<bool>,
    pub(super) hits: RefCell<BTreeMap<(usize, u64), u64>>,
    /// The deaths of this execution that the engine chose: lane and step.
    pub(super) deaths: RefCell<Vec<(usize, u64)>>,
    /// All pairs of deaths that fell into one execution.
    pub(super) pairs_hit: RefCell<BTreeSet<[(usize, u64); 2]>>,
    most_steps: RefCell<Vec<u64>>,
    most_waits: RefCell<Vec<(u32, u32)>>,
    assertions: Cell<u64>,
    /// What executions that came to their ends showed to their lanes.
    pub(super) outcomes: RefCell<BTreeSet<u64>>,
}

std::thread_local! {
    static RUN: RefCell<Option<Rc<Run>>> = const { RefCell::new(None) };
    static LANE: Cell<usize> = const { Cell::new(usize::MAX) };
}

/// The exploration that runs on this OS thread, if the harness started one.
pub fn current_run() -> Option<Rc<Run>> {
    RUN.with_borrow(Option::clone)
}

/// Says which lane the running coroutine is; the harness calls it where a coroutine starts or changes its role.
pub fn set_current_lane(lane: usize) -> usize {
    LANE.replace(lane)
}

pub(super) fn current_lane() -> usize {
    LANE.get()
}

impl Run {
    /// A new exploration under `plan`.
    #[must_use]
    pub fn new(plan: Plan) -> Rc<Self> {
        Rc::new(Self {
            plan,
            lanes: RefCell::default(),
            trace: RefCell::default(),
            words: RefCell::default(),
            timers: RefCell::default(),
            late: RefCell::default(),
            numbered: Cell::new(0),
            touched: RefCell::default(),
            sites: RefCell::default(),
            recorded: RefCell::default(),
            changes: RefCell::default(),
            executions: Cell::new(0),
            tracing: Cell::new(true),
            hits: RefCell::default(),
            deaths: RefCell::default(),
            pairs_hit: RefCell::default(),
            most_steps: RefCell::default(),
            most_waits: RefCell::default(),
            assertions: Cell::new(0),
            outcomes: RefCell::default(),
        })
    }

    /// The same exploration from its beginning, after a [`Restart`].
    #[must_use]
    pub fn anew(&self) -> Rc<Self> {
        let anew = Self::new(self.plan.clone());
        anew.touched.replace(self.touched.take());
        anew
    }

    /// Makes this the exploration of the calling OS thread while `body` runs.
    pub fn enter<R>(self: &Rc<Self>, body: impl FnOnce() -> R) -> R {
        struct Restore(Option<Rc<Run>>, usize);
        impl Drop for Restore {
            fn drop(&mut self) {
                RUN.set(self.0.take());
                LANE.set(self.1);
            }
        }
        let _restore = Restore(RUN.replace(Some(Rc::clone(self))), LANE.replace(usize::MAX));
        body()
    }

    /// Starts the next execution: forgets lanes, trace and word numbers of the last one.
    pub fn begin_execution(&self) {
        self.executions.set(self.executions.get() + 1);
        self.lanes.borrow_mut().clear();
        self.trace.borrow_mut().clear();
        self.words.borrow_mut().clear();
        self.timers.borrow_mut().clear();
        self.deaths.borrow_mut().clear();
        self.numbered.set(0);
        self.late.replace(Some(Vec::new()));
    }

    /// Ends the preparation of an execution: from here on its words are words of the engine.
    pub fn begin_lanes(&self) {
        let late = self.late.take().unwrap_or_default();
        let touched = self.touched.borrow();
        // shuttle has no reason to make few; the cost of the others grows with every word.
        let all = current_engine() == Engine::Shuttle;
        for (_, word) in late.iter().enumerate().filter(|(number, _)| all || touched.contains(number)) {
            word.make();
        }
    }

    pub(super) fn is_in_preparation(&self) -> bool {
        self.late.borrow().is_some()
    }

    /// A word that is made in the preparation; returns which one it is.
    pub(super) fn make_late(&self, word: Rc<dyn Late>) -> usize {
        let mut late = self.late.borrow_mut();
        let late = late.get_or_insert_default();
        late.push(word);
        late.len() - 1
    }

    /// A word that is made in the preparation and needs no more than a number.
    pub(super) fn number_late(&self) -> u32 {
        let number = self.numbered.get();
        self.numbered.set(number + 1);
        number
    }

    /// A lane touches that word, which no lane was known to touch.
    pub(super) fn restart_with(&self, number: usize) -> ! {
        self.touched.borrow_mut().insert(number);
        std::panic::panic_any(Restart);
    }

    /// Adds a lane and returns its number.
    pub fn add_lane(&self, name: &str) -> usize {
        let mut lanes = self.lanes.borrow_mut();
        lanes.push(Lane { name: name.to_owned(), ..Lane::default() });
        lanes.len() - 1
    }

    /// Ends a lane; if everybody else sleeps for ever, this is where it is noticed.
    pub fn finish_lane(&self, lane: usize) {
        self.with_lane(lane, |lane| lane.state = LaneState::Finished);
        self.check_progress();
    }

    /// Changes the state of a lane.
    pub fn set_state(&self, lane: usize, state: LaneState) {
        self.with_lane(lane, |lane| lane.state = state);
    }

    /// The lanes that sleep at the end of this execution.
    pub fn sleepers(&self) -> Vec<Sleeper> {
        let lanes = self.lanes.borrow();
        let asleep = lanes.iter().filter_map(|lane| match &lane.state {
            LaneState::Asleep(sleeper) => Some(sleeper.clone()),
            _ => None,
        });
        asleep.collect()
    }

    /// The lanes of this execution.
    pub fn lanes(&self) -> Vec<Lane> {
        self.lanes.borrow().clone()
    }

    /// The events of this execution.
    pub fn events(&self) -> Vec<Event> {
        self.trace.borrow().clone()
    }

    /// Adds a remark of the harness (a kill, a mark) to the trace, at the step that the lane began last.
    #[track_caller]
    pub fn remark(&self, lane: usize, what: String) {
        let (step, at) = self.lanes.borrow().get(lane).map_or((0, None), |lane| (lane.steps, lane.at));
        self.trace.borrow_mut().push(Event {
            lane,
            step,
            location: at.unwrap_or_else(|| Location::caller()),
            word: None,
            action: Action::Remark(what),
            stale: false,
            replaced: None,
            known: None,
        });
    }

    /// Executions begun so far.
    pub fn executions(&self) -> u64 {
        self.executions.get()
    }

    /// The most steps that each lane took in any execution.
    pub fn most_steps(&self) -> Vec<u64> {
        self.most_steps.borrow().clone()
    }

    /// The most waits and timed waits that each lane began in any execution.
    pub fn most_waits(&self) -> Vec<(u32, u32)> {
        self.most_waits.borrow().clone()
    }

    /// Counts an assertion of the model that was evaluated.
    pub fn count_assertion(&self) {
        self.assertions.set(self.assertions.get() + 1);
    }

    /// Assertions evaluated so far, over all executions.
    pub fn assertions(&self) -> u64 {
        self.assertions.get()
    }

    pub(super) fn number_word(&self, made_at: &'static Location<'static>) -> u32 {
        let mut words = self.words.borrow_mut();
        // A place may have several locations that are equal.
        let known = words.iter_mut().find(|(place, _)| core::ptr::eq(*place, made_at) || *place == made_at);
        let Some((_, made)) = known else {
            words.push((made_at, 1));
            return 0;
        };
        *made += 1;
        *made - 1
    }

    pub(super) fn with_lane<R>(&self, lane: usize, f: impl FnOnce(&mut Lane) -> R) -> Option<R> {
        self.lanes.borrow_mut().get_mut(lane).map(f)
    }

    /// Counts a step of the calling lane, and kills or freezes it if that is planned. False: the lane is dead and
    /// the operation must not take place.
    #[track_caller]
    pub(super) fn step(&self) -> bool {
        let me = current_lane();
        let at = Location::caller();
        let Some((step, dead)) = self.with_lane(me, |lane| {
            let dead = matches!(lane.state, LaneState::Dead);
            if !dead {
                lane.at = Some(at);
                lane.steps += 1;
            }
            (lane.steps, dead)
        }) else {
            return true;
        };
        if dead {
            return false;
        }
        let step = step - 1;
        {
            let mut most = self.most_steps.borrow_mut();
            if most.len() <= me {
                most.resize(me + 1, 0);
            }
            if let Some(most) = most.get_mut(me) {
                *most = (*most).max(step + 1);
            }
        }
        if self.plan.kills.contains(&(me, step)) {
            self.stop_lane(me, step, false);
        }
        if self.plan.freezes.contains(&(me, step)) {
            self.stop_lane(me, step, true);
        }
        if step >= self.plan.step_limit {
            std::panic::panic_any(SoloLimit { lane: me, limit: self.plan.step_limit });
        }
        true
    }

    pub(super) fn record(&self, event: Event) {
        self.trace.borrow_mut().push(event);
    }

    /// Whether events are recorded. They need not be while only counts matter: an engine that can run the same execution
    /// again records it then.
    pub fn set_tracing(&self, tracing: bool) {
        self.tracing.set(tracing);
    }

    pub(super) fn is_tracing(&self) -> bool {
        self.tracing.get()
    }

    /// Whether anybody wants to know which word is which.
    pub(super) fn names_words(&self) -> bool {
        self.is_tracing() || self.plan.record_changes
    }

    /// How many waits of the calling lane have ended only because nothing else could happen.
    pub fn last_resorts(&self) -> u32 {
        self.with_lane(current_lane(), |lane| lane.last_resorts).unwrap_or(0)
    }

    pub(super) fn count_wait(&self, timed: bool) -> (u32, u32) {
        let me = current_lane();
        let counts = self
            .with_lane(me, |lane| {
                let counts = (lane.waits, lane.timed_waits);
                lane.waits += 1;
                lane.timed_waits += u32::from(timed);
                counts
            })
            .unwrap_or((0, 0));
        let mut most = self.most_waits.borrow_mut();
        if me != usize::MAX && most.len() <= me {
            most.resize(me + 1, (0, 0));
        }
        if let Some(most) = most.get_mut(me) {
            *most = (most.0.max(counts.0 + 1), most.1.max(counts.1 + u32::from(timed)));
        }
        counts
    }

    pub(super) fn add_timer(&self, lane: usize, hook: TimerHook) {
        self.timers.borrow_mut().push((lane, hook));
    }

    pub(super) fn remove_timer(&self, lane: usize) {
        self.timers.borrow_mut().retain(|(of, _)| *of != lane);
    }

    /// If nobody can run: lets the first deadline pass, or, if there is none, reports the deadlock.
    pub(super) fn check_progress(&self) {
        // treadle runs lanes in an order that says nothing, and looks for deadlocks itself.
        if current_engine() == Engine::Treadle {
            return;
        }
        if self.lanes.borrow().iter().any(|lane| matches!(lane.state, LaneState::Running)) {
            return;
        }
        let sleepers = self.sleepers();
        if sleepers.is_empty() || std::thread::panicking() {
            return;
        }
        let timer = {
            let mut timers = self.timers.borrow_mut();
            if timers.is_empty() { None } else { Some(timers.remove(0)) }
        };
        match timer {
            Some((_, hook)) => hook(),
            None => std::panic::panic_any(Deadlock(sleepers)),
        }
    }
}

impl core::fmt::Debug for Run {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Run").field("plan", &self.plan).field("executions", &self.executions).finish_non_exhaustive()
    }
}

//! The second search: all states under sequential consistency, breadth first.
//!
//! What a thread does next is a function of what it has read. So the values of all words and cells, their queues, and what
//! each thread has read, identify a state; two ways to it need not be told apart from there on. The search keeps 128 bits of
//! each state that it has seen, and how it came there first, which is a shortest way.
//!
//! It cannot see weak memory. But it goes further where many ways lead to few states, as deaths do; its counterexamples
//! are the shortest; and it can ask of every state what no single execution shows: whether an operation that must not
//! block comes to its end when its thread runs alone ([`non_blocking`]), and whether the program can go round in circles
//! without getting anywhere ([`phase`]).
//!
//! A wait on several words [until nothing else can happen](crate::futex::Until::WokenOrQuiet) is not ended here; compare-exchanges
//! never fail for no reason.

use crate::check::Body;
use crate::consistency::MemoryModel;
use crate::explore::{Budgets, Explorer};
use crate::failure::{Failure, Problem, describe};
use crate::faults::Faults;
use crate::graph::{Graph, Kind, Update};
use crate::report::{Script, ScriptStep, draw};
use crate::runtime::{
    Cells, Execution, Fault, Names, Pool, Schedule, Status, Task, Writing, install_hook, is_inside, operate,
    run_and_look, with,
};
use core::hash::{Hash, Hasher};
use core::panic::Location;
use std::collections::HashMap;
use std::collections::hash_map::DefaultHasher;
use std::sync::Arc;

/// How the states of a model are to be searched.
///
/// ```
/// use std::sync::Arc;
/// use treadle::{Stateful, sync::atomic::{AtomicU32, Ordering::SeqCst}, thread};
///
/// let report = Stateful::new().explore(|| {
///     let word = Arc::new(AtomicU32::new(0));
///     let other = Arc::clone(&word);
///     let thread = thread::spawn(move || other.fetch_add(1, SeqCst));
///     word.fetch_add(1, SeqCst);
///     thread.join().unwrap();
///     assert_eq!(word.load(SeqCst), 2);
/// });
/// assert!(report.unwrap().complete);
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Stateful {
    /// How many threads may be killed.
    pub deaths: usize,
    /// States after which the search is inconclusive; none is no limit.
    pub max_states: Option<usize>,
    /// How many steps a thread may take alone inside of [`non_blocking`].
    pub solo_steps: usize,
    /// Bytes of stack for each thread.
    pub stack_size: usize,
}

/// What a search found, if it found no failure.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StatefulReport {
    /// States seen.
    pub states: usize,
    /// Steps from one of them to another.
    pub transitions: u64,
    /// Operations that were run alone to their ends, from some state.
    pub solo_runs: u64,
    /// Whether these are all states.
    pub complete: bool,
}

impl Default for Stateful {
    fn default() -> Self {
        Self { deaths: 0, max_states: None, solo_steps: 1_000, stack_size: 128 << 10 }
    }
}

/// Runs an operation that must come to its end within [`Stateful::solo_steps`] when its thread runs alone, whatever the
/// others were doing when they stopped. The stateful search checks that from every state; elsewhere it is just run.
pub fn non_blocking<R>(operation: impl FnOnce() -> R) -> R {
    struct Leave;
    impl Drop for Leave {
        fn drop(&mut self) {
            if is_inside() {
                with(|x| x.set_solo(false));
            }
        }
    }
    let _leave = is_inside().then(|| {
        with(|x| x.set_solo(true));
        Leave
    });
    operation()
}

/// Says that all that the running thread still knows of what it has read is `knows`: it is where it was when it said the
/// same before, or another thread with the same code. The stateful search forgets what it has read before that, so that a
/// loop can come back to a state; a circle of states in which no thread ends is reported as one without progress.
///
/// What was written to a [cell](crate::cell) before its writer's last phase is not part of a state: a model with phases has
/// to keep what matters in words, or in `knows`.
#[track_caller]
pub fn phase(knows: u64) {
    let site = Location::caller();
    operate(|x| x.phase(knows, site));
}

/// A state that has been seen: how it was reached first, and where it leads.
#[derive(Clone, Copy, Debug)]
struct Seen {
    parent: u32,
    step: ScriptStep,
    finished: u16,
}

/// What a run to a state showed.
struct Look {
    fingerprint: u128,
    next: Vec<ScriptStep>,
    alone: Vec<usize>,
    finished: u16,
    fault: Option<(Problem, String)>,
    /// The thread of the last step waits for something else than it has read: no state.
    vain: bool,
    /// Some thread waits, and could go on in other executions.
    waits_elsewhere: bool,
    stuck_alone: bool,
}

const ROOT: u32 = u32::MAX;

impl Stateful {
    /// The usual way: every state, no deaths.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Searches the states of a model.
    ///
    /// # Errors
    /// A failing execution, as short as there is.
    pub fn explore(&self, body: impl Fn() + Sync + Send + 'static) -> Result<StatefulReport, Box<Failure>> {
        install_hook();
        let body: Body = Arc::new(body);
        let mut search = Search {
            settings: self,
            body,
            pool: Pool::new(self.stack_size),
            execution: None,
            threads: 8,
            queued: Vec::new(),
        };
        loop {
            match search.all() {
                Ok(report) => return Ok(report),
                Err(Stop::Anew) => search.execution = None,
                Err(Stop::Failed(failure)) => return Err(failure),
            }
        }
    }
}

enum Stop {
    Anew,
    Failed(Box<Failure>),
}

struct Search<'a> {
    settings: &'a Stateful,
    body: Body,
    pool: Pool,
    execution: Option<Box<Execution>>,
    threads: usize,
    queued: Vec<bool>,
}

impl Search<'_> {
    fn all(&mut self) -> Result<StatefulReport, Stop> {
        let mut report = StatefulReport { complete: true, ..StatefulReport::default() };
        let mut known: HashMap<u128, u32> = HashMap::new();
        let mut seen: Vec<Seen> = Vec::new();
        let mut edges: Vec<(u32, u32)> = Vec::new();
        let mut frontier: Vec<(u32, Vec<ScriptStep>, bool)> = Vec::new();
        let first = self.look(Script::default(), None)?;
        let start = ScriptStep { thread: 0, number: 0, spurious: false, death: false };
        seen.push(Seen { parent: ROOT, step: start, finished: first.finished });
        known.insert(first.fingerprint, 0);
        frontier.push((0, first.next, first.waits_elsewhere));
        while !frontier.is_empty() {
            let mut next_frontier = Vec::new();
            for (state, steps, waits_elsewhere) in core::mem::take(&mut frontier) {
                let mut only_awaits = !steps.is_empty() && !waits_elsewhere;
                for step in steps {
                    let mut script = path(&seen, state);
                    script.steps.push_back(step);
                    let look = self.look(script, None)?;
                    if look.vain {
                        continue;
                    }
                    only_awaits = false;
                    report.transitions += 1;
                    let new = u32::try_from(seen.len()).unwrap_or(ROOT);
                    let to = *known.entry(look.fingerprint).or_insert(new);
                    edges.push((state, to));
                    if to != new {
                        continue;
                    }
                    seen.push(Seen { parent: state, step, finished: look.finished });
                    for thread in look.alone {
                        report.solo_runs += 1;
                        self.look(path(&seen, new), Some(thread))?;
                    }
                    next_frontier.push((new, look.next, look.waits_elsewhere));
                    if self.settings.max_states.is_some_and(|most| seen.len() >= most) {
                        report.complete = false;
                        report.states = seen.len();
                        return Ok(report);
                    }
                }
                if only_awaits {
                    let message = "deadlock: nobody can go on".to_owned();
                    return Err(self.failed(path(&seen, state), Problem::Deadlock, message));
                }
            }
            frontier = next_frontier;
        }
        report.states = seen.len();
        if let Some(state) = circle(&seen, &edges) {
            let message =
                "the program can go round in circles: this state comes back, and no thread has ended".to_owned();
            return Err(self.failed(path(&seen, state), Problem::NoProgress, message));
        }
        Ok(report)
    }

    /// Runs along `script`, and then perhaps one thread alone, and looks at what has become of it.
    fn look(&mut self, script: Script, alone: Option<usize>) -> Result<Look, Stop> {
        let look = self.run(script.clone(), alone, inspect);
        match look.fault {
            None if look.stuck_alone => {
                let thread = alone.unwrap_or_default();
                let message = format!(
                    "an operation of thread T{thread} that must not block does not end when it runs alone: it waits, or \
                     takes more than {} steps",
                    self.settings.solo_steps
                );
                Err(self.failed(script, Problem::Blocks, message))
            }
            None => Ok(look),
            Some((Problem::Aborted, _)) => Err(Stop::Anew),
            Some((problem, message)) => Err(self.failed(script, problem, message)),
        }
    }

    fn failed(&mut self, script: Script, problem: Problem, message: String) -> Stop {
        let picture = self.run(script, None, |x| draw(x));
        Stop::Failed(Box::new(Failure { problem, message, picture, executions: 0 }))
    }

    fn run<R>(&mut self, script: Script, alone: Option<usize>, look: impl FnOnce(&mut Execution) -> R) -> R {
        let mut execution = self.execution.take().unwrap_or_else(|| {
            let budgets = Budgets { deaths: self.settings.deaths, spurious: 0, deviations: u32::MAX };
            let explorer = Explorer::new(MemoryModel::Sc, self.threads, budgets, Faults::default());
            let names = Names::new(self.queued.clone());
            let mut execution = Box::new(Execution::new(explorer, Schedule::Leftmost, names, 60_000));
            execution.schedule_each = true;
            execution.cells = Some(Cells::default());
            execution
        });
        execution.explorer.start_over();
        execution.script = Some(script);
        execution.alone = alone.map(|thread| (thread, self.settings.solo_steps));
        let body = Arc::clone(&self.body);
        let task: Task = Box::new(move || body());
        let (execution, result) = run_and_look(execution, &mut self.pool, task, look);
        if execution.explorer.graph().capacity() > 0 {
            self.queued.clone_from(&execution.names.queued);
        }
        if execution.wants_threads {
            self.threads *= 2;
        }
        self.execution = Some(execution);
        result
    }
}

/// The steps from the start to a state.
fn path(seen: &[Seen], mut state: u32) -> Script {
    let mut script = Script::default();
    while let Some(entry) = seen.get(state as usize).filter(|entry| entry.parent != ROOT) {
        script.steps.push_front(entry.step);
        state = entry.parent;
    }
    script
}

/// A state on a circle of states between which no thread ends.
fn circle(seen: &[Seen], edges: &[(u32, u32)]) -> Option<u32> {
    // What remains when states without successors are taken away, again and again, is or leads to a circle.
    let quiet = |&&(from, to): &&(u32, u32)| seen[from as usize].finished == seen[to as usize].finished;
    let mut out = vec![0_u32; seen.len()];
    let mut into: Vec<Vec<u32>> = vec![Vec::new(); seen.len()];
    for &(from, to) in edges.iter().filter(quiet) {
        out[from as usize] += 1;
        into[to as usize].push(from);
    }
    let mut ends: Vec<usize> = (0..seen.len()).filter(|&state| out[state] == 0).collect();
    let mut left = seen.len();
    while let Some(end) = ends.pop() {
        left -= 1;
        for &from in &into[end] {
            out[from as usize] -= 1;
            if out[from as usize] == 0 {
                ends.push(from as usize);
            }
        }
    }
    if left == 0 {
        return None;
    }
    // From there each step leads on among those that remain, and so at last to one that it has been at.
    let remains = |state: u32| out[state as usize] > 0;
    let mut state = (0..seen.len()).filter_map(|state| u32::try_from(state).ok()).find(|&state| remains(state))?;
    let mut been = vec![false; seen.len()];
    while !core::mem::replace(&mut been[state as usize], true) {
        let mut leads = edges.iter().filter(quiet).filter(|&&(from, to)| from == state && remains(to));
        state = leads.next()?.1;
    }
    Some(state)
}

fn inspect(x: &mut Execution) -> Look {
    let fault = match x.fault.take() {
        Some(fault @ (Fault::NewQueue | Fault::MoreThreads)) => {
            x.wants_threads = matches!(fault, Fault::MoreThreads);
            Some((Problem::Aborted, String::new()))
        }
        Some(fault) => Some(describe(&fault)),
        None => None,
    };
    let stuck_alone = x.alone.is_some_and(|(thread, _)| x.threads[thread].solo);
    let vain = x.threads.iter().any(|thread| thread.status == Status::Stuck);
    let may_die = x.explorer.may_die();
    let mut next = Vec::new();
    for (thread, state) in x.threads.iter().enumerate().filter(|(thread, _)| x.is_enabled(*thread)) {
        let step = |number, death| ScriptStep { thread, number, spurious: false, death };
        next.extend((0..state.bound.max(1)).map(|number| step(number, false)));
        if state.mortal && !state.carries_through && may_die {
            next.push(step(0, true));
        }
    }
    let all_ended = x.threads.iter().all(|thread| matches!(thread.status, Status::Finished | Status::Unborn));
    let waits_elsewhere = (0..x.threads.len()).any(|thread| x.may_go_on_elsewhere(thread));
    let mut fault = fault;
    if next.is_empty() && !all_ended && !waits_elsewhere && !vain {
        match (0..x.threads.len()).find(|&thread| x.waits_for_quiet(thread)) {
            Some(thread) => next.push(ScriptStep { thread, number: 0, spurious: false, death: false }),
            None => {
                fault = fault.or(Some((Problem::Deadlock, "deadlock: nobody can go on".to_owned())));
            }
        }
    }
    let alone = (0..x.threads.len()).filter(|&thread| x.threads[thread].solo).collect();
    let finished = x.threads.iter().filter(|thread| thread.status == Status::Finished).count();
    Look {
        fingerprint: fingerprint(x),
        next,
        alone,
        finished: u16::try_from(finished).unwrap_or(u16::MAX),
        fault,
        vain,
        waits_elsewhere,
        stuck_alone,
    }
}

fn fingerprint(x: &Execution) -> u128 {
    let half = |salt: u64| {
        let mut hasher = DefaultHasher::new();
        salt.hash(&mut hasher);
        feed(x, x.explorer.graph(), &mut hasher);
        u128::from(hasher.finish())
    };
    half(1) << 64 | half(2)
}

fn feed(x: &Execution, graph: &Graph, hasher: &mut impl Hasher) {
    let mut begins = Vec::new();
    for thread in 0..x.threads.len() {
        let row = graph.row(thread);
        let is_phase = |id: &&u32| graph.event(**id).kind == Kind::Choice && graph.event(**id).link == 0;
        let begin = row.iter().rposition(|id| is_phase(&id)).unwrap_or(0);
        begins.push(begin);
        (thread, row.len() - begin).hash(hasher);
        for &id in &row[begin..] {
            let event = graph.event(id);
            (event.kind, event.loc, event.rmw, event.site.line(), event.site.file()).hash(hasher);
            match event.kind {
                // It has shown the thread nothing.
                Kind::Read if event.is_idle() => {}
                // It returns how many it has taken.
                Kind::Read if matches!(event.update, Update::Wake { .. }) => graph.queue(event.link).len().hash(hasher),
                Kind::Read => graph.value(event.loc, event.link).hash(hasher),
                Kind::Choice => event.value.hash(hasher),
                _ => {}
            }
        }
        core::mem::discriminant(&x.threads[thread].status).hash(hasher);
    }
    if let Some(cells) = &x.cells {
        feed_cells(cells, &begins, hasher);
    }
    for (loc, location) in graph.locations().iter().enumerate() {
        let Some(&last) = location.writes.last() else { continue };
        (loc, graph.event(last).value).hash(hasher);
        for waiter in graph.queue(last) {
            let begin = begins.get(usize::from(waiter.thread)).copied().unwrap_or(0);
            (waiter.thread, usize::from(waiter.pos).checked_sub(begin)).hash(hasher);
        }
    }
}

/// Writes are told by how far from their thread's last phase they are; those before it are forgotten.
fn feed_cells(cells: &Cells, begins: &[usize], hasher: &mut impl Hasher) {
    let name = |write: &Writing| {
        let since = write.executed.checked_sub(begins.get(write.thread).copied().unwrap_or(0))?;
        Some((write.thread, since, write.nth))
    };
    for (thread, &begin) in begins.iter().enumerate() {
        for found in cells.found_by(thread).iter().filter(|found| found.executed >= begin) {
            (thread, found.executed - begin, found.contents.as_ref().and_then(name)).hash(hasher);
        }
    }
    let mut contents: Vec<_> = cells.contents().filter_map(name).collect();
    contents.sort_unstable();
    contents.hash(hasher);
}

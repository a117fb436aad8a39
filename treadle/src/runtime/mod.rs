//! The runtime: threads of the program as coroutines of one OS thread, replayed and extended run by run.

mod cells;
mod execution;
mod fault;
mod last;
mod names;
mod panics;
mod pool;
mod schedule;

pub(crate) use cells::{Cells, Writing};
pub(crate) use execution::{Ending, Execution, Got, Status, Step};
pub(crate) use fault::{Access, Fault};
pub use last::LastAccess;
pub(crate) use names::Names;
pub(crate) use pool::{Pool, Task};
pub use schedule::Schedule;
pub(crate) use schedule::mix;

use crate::graph::Waiter;
use core::panic::Location;
use pool::{Back, suspend};
use std::any::Any;
use std::cell::{Cell, RefCell};
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicU64, Ordering};

/// Panic payload with which a killed thread unwinds to its start; catch it only to throw it again.
#[derive(Clone, Copy, Debug)]
pub struct Killed;

/// Panic payload with which a thread of a given-up run unwinds to its start.
struct Abandoned;

std::thread_local! {
    static CURRENT: RefCell<Option<Box<Execution>>> = const { RefCell::new(None) };
    /// A thread of a model is running, on this OS thread.
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

/// The number of the last run of this process.
static RUNS: AtomicU64 = AtomicU64::new(0);

/// Whether a thread of a model is running.
pub(crate) fn is_inside() -> bool {
    INSIDE.get()
}

/// Calls `f` with the exploration of this OS thread.
///
/// # Panics
/// Outside of a model.
pub(crate) fn with<R>(f: impl FnOnce(&mut Execution) -> R) -> R {
    CURRENT.with_borrow_mut(|current| match current {
        Some(execution) => f(execution),
        None => panic!("treadle's types can be used inside of a model only: see treadle::model"),
    })
}

/// The same, where there may be no model (in destructors).
pub(crate) fn try_with<R>(f: impl FnOnce(&mut Execution) -> R) -> Option<R> {
    CURRENT.with(|current| current.try_borrow_mut().ok()?.as_mut().map(|execution| f(execution)))
}

/// Carries out an operation of the running thread, which waits as long as it has to. `None`: the thread unwinds, and
/// nothing happens.
pub(crate) fn operate<T>(mut attempt: impl FnMut(&mut Execution) -> Step<T>) -> Option<T> {
    loop {
        match with(&mut attempt) {
            Step::Ready(value) => return Some(value),
            Step::Nothing => return None,
            Step::Suspend => wait(),
            Step::Die => {
                with(|x| {
                    let running = x.running;
                    x.threads[running].dying = true;
                    x.threads[running].killed = true;
                });
                resume_unwind(Box::new(Killed));
            }
        }
    }
}

/// Suspends the running thread. If its run is given up meanwhile, it unwinds.
pub(crate) fn wait() {
    suspend();
    if with(|x| x.threads[x.running].dying) {
        resume_unwind(Box::new(Abandoned));
    }
}

/// Waits in a location's queue until taken from it. False: nothing else can happen.
pub(crate) fn wake_up(loc: u32, waiter: Waiter, site: &'static Location<'static>) -> bool {
    operate(|x| x.wake_up(loc, waiter, site)).unwrap_or(true)
}

/// How a run ended.
#[derive(Debug)]
pub(crate) enum End {
    /// Every thread has ended.
    Complete,
    /// Nobody can go on, but only because somebody read what is outdated, or did not time out: other runs show more.
    Redundant,
    /// Nobody can go on, and nothing will change that.
    Deadlock,
    /// Something stopped it.
    Fault(Fault),
}

/// Runs the program once, from the start, along the graph and on to its end.
pub(crate) fn run_once(execution: Box<Execution>, pool: &mut Pool, main: Task) -> (Box<Execution>, End) {
    run_and_look(execution, pool, main, judge)
}

/// The same, and says what `look` makes of it when nobody runs any more.
pub(crate) fn run_and_look<R>(
    mut execution: Box<Execution>,
    pool: &mut Pool,
    main: Task,
    look: impl FnOnce(&mut Execution) -> R,
) -> (Box<Execution>, R) {
    execution.begin_run(RUNS.fetch_add(1, Ordering::Relaxed) + 1);
    execution.spawned.push((0, main));
    CURRENT.set(Some(execution));
    let mut workers: Vec<Option<usize>> = Vec::new();
    while let Some(thread) = with(next_to_run) {
        run_thread(thread, pool, &mut workers);
    }
    let seen = with(look);
    give_up(pool, &workers);
    let mut execution = CURRENT.take().expect("nobody else takes it");
    execution.free_all();
    (execution, seen)
}

/// Who runs now: whoever has something to replay, and when all is replayed, whoever's turn it is.
fn next_to_run(x: &mut Execution) -> Option<usize> {
    if x.fault.is_some() {
        return None;
    }
    let can_replay = |thread: &usize| match x.threads[*thread].status {
        Status::Fresh | Status::Runnable => true,
        Status::Behind { thread, pos } => x.threads.get(thread).is_some_and(|thread| thread.executed > pos),
        Status::BehindEnd { thread } => x.threads[thread].status == Status::Finished,
        _ => false,
    };
    if let Some(thread) = (0..x.threads.len()).find(can_replay) {
        x.turn = None;
        x.running = thread;
        return Some(thread);
    }
    let next = match &x.script {
        Some(script) => match script.next_thread(&x.names) {
            Some(thread) => thread,
            None => Some(x.goes_on_alone()?),
        },
        None => x.next_thread(),
    };
    if let Some(thread) = next.filter(|&thread| x.threads.get(thread).is_some() && x.is_enabled(thread)) {
        x.turn = Some(thread);
        x.turn_to_await = x.threads[thread].status == Status::PendingAwait;
        x.recheck = false;
        x.running = thread;
        return Some(thread);
    }
    let others = (0..x.threads.len()).any(|thread| x.is_enabled(thread) || x.may_go_on_elsewhere(thread));
    let quiet = (0..x.threads.len()).find(|&thread| !others && x.waits_for_quiet(thread));
    if x.script.is_some() && quiet != next {
        x.fault.get_or_insert(Fault::Misfit);
        return None;
    }
    x.quiet = quiet;
    x.turn = quiet;
    x.running = quiet?;
    quiet
}

fn run_thread(thread: usize, pool: &mut Pool, workers: &mut Vec<Option<usize>>) {
    if workers.len() <= thread {
        workers.resize(thread + 1, None);
    }
    let task = with(|x| {
        let fresh = x.threads[thread].status == Status::Fresh;
        x.threads[thread].status = Status::Runnable;
        let index = x.spawned.iter().position(|(of, _)| fresh && *of == thread)?;
        Some(x.spawned.swap_remove(index).1)
    });
    let outside = INSIDE.replace(true);
    let back = match (task, workers[thread]) {
        (Some(task), _) => {
            let (worker, back) = pool.start(task);
            workers[thread] = Some(worker);
            back
        }
        (None, Some(worker)) => pool.resume(worker),
        (None, None) => unreachable!("a thread that has a worker, or a task, or has ended"),
    };
    INSIDE.set(outside);
    if let Back::Ended(result) = back {
        workers[thread] = None;
        with(|x| ended(x, thread, result));
    }
}

fn ended(x: &mut Execution, thread: usize, result: Result<(), Box<dyn Any + Send>>) {
    let in_graph = x.explorer.graph().row(thread).len();
    x.threads[thread].status = Status::Finished;
    if let Err(payload) = result {
        let (message, location) = panics::describe(payload.as_ref());
        if x.fault.is_none() {
            x.fault = Some(Fault::Panic { thread, message, location });
            panics::keep(payload);
        }
    } else if x.threads[thread].executed < in_graph {
        let id = x.explorer.graph().row(thread)[x.threads[thread].executed];
        let event = x.explorer.graph().event(id);
        let before = format!("{:?} at {}:{}", event.kind, event.site.file(), event.site.line());
        x.fault.get_or_insert(Fault::Diverged { thread, before, now: "the end of the thread".to_owned() });
    }
}

/// What it means that nobody runs.
fn judge(x: &mut Execution) -> End {
    if let Some(fault) = x.fault.take() {
        return End::Fault(fault);
    }
    let mut end = End::Complete;
    for thread in 0..x.threads.len() {
        match x.threads[thread].status {
            Status::Finished | Status::Unborn => {}
            // The script has ended before the program.
            Status::Pending | Status::PendingAwait => return End::Fault(Fault::Misfit),
            Status::Behind { .. } | Status::BehindEnd { .. } => {
                let before = "what another thread waits for".to_owned();
                let now = "something else, or nothing".to_owned();
                return End::Fault(Fault::Diverged { thread, before, now });
            }
            Status::Spinning { .. } | Status::Stuck | Status::Asleep { .. } | Status::Joining { .. }
                if x.explorer.graph().row(thread).len()
                    > x.threads[thread].executed + usize::from(x.threads[thread].status == Status::Stuck) =>
            {
                let before = "more events".to_owned();
                return End::Fault(Fault::Diverged { thread, before, now: "a wait".to_owned() });
            }
            _ if x.may_go_on_elsewhere(thread) => return End::Redundant,
            _ => end = End::Deadlock,
        }
    }
    if let Some(at_rest) = x.at_rest.take().filter(|_| matches!(end, End::Deadlock)) {
        return at_rest().map_or_else(|why| End::Fault(Fault::Unrest(why)), |()| End::Complete);
    }
    match x.tracked.values().next() {
        Some(site) if matches!(end, End::Complete) => End::Fault(Fault::Leak { site, count: x.tracked.len() }),
        _ => end,
    }
}

/// Lets every thread that has not ended unwind.
fn give_up(pool: &mut Pool, workers: &[Option<usize>]) {
    for (thread, worker) in workers.iter().enumerate() {
        let Some(worker) = *worker else { continue };
        with(|x| {
            x.threads[thread].dying = true;
            x.running = thread;
        });
        let outside = INSIDE.replace(true);
        while let Back::Suspended = pool.resume(worker) {}
        INSIDE.set(outside);
    }
    loop {
        // What a thread that was never started was to own is dropped in its name.
        let task = with(|x| {
            let (thread, task) = x.spawned.pop()?;
            x.threads[thread].dying = true;
            x.running = thread;
            Some(task)
        });
        if task.is_none() {
            return;
        }
    }
}

impl Execution {
    /// Whether a thread that cannot go on could in another execution, with the same writes: it has read something
    /// outdated, or could end its wait by itself.
    pub(crate) fn may_go_on_elsewhere(&self, thread: usize) -> bool {
        let graph = self.explorer.graph();
        let row = graph.row(thread);
        let ends_by_itself = self.threads[thread].ending == Ending::ByItself;
        match self.threads[thread].status {
            Status::Asleep { .. } => ends_by_itself,
            Status::Stuck => ends_by_itself || row.last().is_some_and(|&last| !self.reads_newest(last)),
            Status::Spinning { from } => {
                let executed = self.threads[thread].executed;
                row[from..executed].iter().any(|&id| graph.event(id).is_read() && !self.reads_newest(id))
            }
            _ => false,
        }
    }

    /// Whether a read reads the last write of its location, leaving out those by which spinning threads wrote back what
    /// they had read.
    fn reads_newest(&self, read: u32) -> bool {
        let graph = self.explorer.graph();
        let event = graph.event(read);
        if event.spurious {
            return false;
        }
        let value = self.explorer.value(event.loc, event.link);
        graph.location(event.loc).writes[graph.span(read).1..].iter().all(|&write| {
            let write = graph.event(write);
            let of_a_spinner = match self.threads[usize::from(write.thread)].status {
                Status::Spinning { from } => usize::from(write.pos) >= from,
                _ => false,
            };
            of_a_spinner && write.rmw && write.value == value
        })
    }
}

pub(crate) use panics::{install_hook, take as take_panic};

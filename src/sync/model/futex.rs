//! The model of the shared futex.
//!
//! **Protocol.** A word carries the queue of those who wait on it. `wait` reads the newest value at a branch point on
//! the word and, if it is the expected one, joins the queue in the same breath: what lies between two branch points is
//! atomic, as the kernel's bucket lock makes it. `wake` is a branch point on the word and takes entries from the queue.
//! `waitv` does the check and the joining word by word.
//!
//! **Lingering.** A wait that no wake has taken from a queue leaves it itself, later than it has ended and one word
//! after the other, each at a branch point on that word. Until then a wake finds it there, takes it and counts it: the
//! wake is eaten. So it is with a `waitv` that another of its words has woken or one whose later word differs, with a
//! wait whose deadline passes and with one whose thread is killed asleep. Whoever a wake has taken returns as woken,
//! whatever else happened to it. (`futex_unqueue` and `futex_unqueue_multiple` in `kernel/futex`.)
//!
//! **Time.** A wait with a deadline that the [`Plan`](super::Plan) singles out runs out as soon as it has begun; a wake
//! may still take it. Any other deadline passes only when nothing else can run, so that nobody sees it linger. Spurious
//! returns are planned, too.
//!
//! **Death.** A wait is two steps. A thread killed at the second has joined the queues.
//!
//! **Memory order.** Parking adds a happens-before edge from wake to return that the kernel does not promise. With
//! [`Plan::wake_edge`](super::Plan) off, sleepers poll instead, which has no such edge and costs more executions.
//!
//! **Limits.** A wake that belongs to no wait of the program and hits a `waitv` between two of its words, the later of
//! which differs, makes it return as woken in the kernel and as changed here.
//!
//! **treadle** has queues of its own, with the same rules; there a wait with a deadline ends at
//! any point, or not; the one deadline that passes only when nothing else can run is that at the end of time.
//!
//! `models/tests/futex_kernel.rs` compares all this with the kernel, on small random and chosen programs.

use super::atomic::{AtomicU32, Start, as_myself, record, saw, start};
use super::engine::{Ends, Engine, Parked, current_engine, wait_on_treadle, wake_on_treadle, yield_now};
use super::plan::{Mutation, WakeOrder};
use super::run::{LaneState, Run, Sleeper, current_lane, current_run};
use super::trace::{Action, SiteKind, SiteRecord};
use crate::sync::{Deadline, Ordering, WaitOn, WaitOutcome, native};
use core::panic::Location;
use std::cell::{Cell, RefCell};
use std::rc::Rc;

/// The waits on one word, the oldest first.
#[derive(Default)]
pub(super) struct Queue(RefCell<Vec<Rc<Entry>>>);

/// One wait: in the queue of each of its words until a wake takes it from there or its thread leaves.
struct Entry {
    lane: usize,
    /// A wake has taken it from some queue.
    taken: Cell<bool>,
    /// Set when the thread need not sleep any longer.
    ended: Cell<Option<WaitOutcome>>,
    /// It ended when nothing else could run: nobody sees it linger.
    unseen: Cell<bool>,
    parked: Option<Parked>,
}

impl Entry {
    fn end(&self, outcome: WaitOutcome) {
        if self.ended.get().is_none() {
            self.ended.set(Some(outcome));
            if let Some(run) = current_run() {
                // The sleeper runs again; from here on it counts as one who can make progress.
                run.set_state(self.lane, LaneState::Running);
                run.remove_timer(self.lane);
            }
            if let Some(parked) = &self.parked {
                as_myself(|| parked.unpark());
            }
        }
    }

    fn outcome(&self) -> WaitOutcome {
        if self.taken.get() { WaitOutcome::Woken } else { self.ended.get().unwrap_or(WaitOutcome::Woken) }
    }
}

impl Queue {
    fn join(&self, entry: &Rc<Entry>) {
        self.0.borrow_mut().push(Rc::clone(entry));
    }

    fn leave(&self, entry: &Rc<Entry>) {
        self.0.borrow_mut().retain(|other| !Rc::ptr_eq(other, entry));
    }

    /// Takes up to `count` entries, those that have ended and not yet left included.
    fn take(&self, count: u32, order: WakeOrder) -> Vec<Rc<Entry>> {
        let mut queue = self.0.borrow_mut();
        let count = queue.len().min(usize::try_from(count).unwrap_or(usize::MAX));
        match order {
            WakeOrder::Fifo => queue.drain(..count).collect(),
            WakeOrder::Lifo => {
                let from = queue.len() - count;
                queue.drain(from..).rev().collect()
            }
        }
    }
}

/// Sleeps while `word` holds `expected`, until woken or until the deadline.
#[track_caller]
pub fn futex_wait(word: &AtomicU32, expected: u32, deadline: Option<Deadline>) -> WaitOutcome {
    wait_on(&[WaitOn { word, expected }], deadline, Location::caller())
}

/// Sleeps while every word holds its expected value, until one is woken or until the deadline.
#[track_caller]
pub fn futex_waitv(on: &[WaitOn<'_>], deadline: Option<Deadline>) -> WaitOutcome {
    wait_on(on, deadline, Location::caller())
}

#[track_caller]
fn wait_on(on: &[WaitOn<'_>], deadline: Option<Deadline>, location: &'static Location<'static>) -> WaitOutcome {
    if current_engine() == Engine::Plain {
        return wait_plainly(on, deadline);
    }
    let Start::Go(run) = start() else { return WaitOutcome::Woken };
    if let Some(run) = &run {
        let record = SiteRecord { order: Ordering::Relaxed, failure: None, wakes: 0 };
        run.record_site(location, SiteKind::Wait, record);
    }
    if current_engine() == Engine::Treadle {
        return wait_natively(run.as_ref(), on, deadline, location);
    }
    let blind = is_blind(run.as_deref(), location);
    let entry = Rc::new(Entry {
        lane: current_lane(),
        taken: Cell::new(false),
        ended: Cell::new(None),
        unseen: Cell::new(false),
        parked: if run.as_ref().is_none_or(|run| run.plan.wake_edge) { Parked::current() } else { None },
    });
    for (joined, WaitOn { word, expected }) in on.iter().enumerate() {
        let found = word.read_newest();
        if found != *expected && !blind {
            record(run.as_deref(), location, word.name(), Action::NotWaited { expected: *expected, found });
            entry.ended.set(entry.ended.get().or(Some(WaitOutcome::Changed)));
            leave_one_by_one(on.get(..joined).unwrap_or_default(), &entry);
            second_step(run.as_deref());
            saw(run.as_deref(), entry.outcome() as u64);
            return entry.outcome();
        }
        word.queue.join(&entry);
    }
    let name = on.first().and_then(|on| on.word.name());
    record(run.as_deref(), location, name, Action::Sleeps);
    match &run {
        Some(run) => sleep_in_run(run, on, &entry, deadline, location),
        None => {
            sleep(&entry);
            if on.len() > 1 {
                leave_one_by_one(on, &entry);
            }
        }
    }
    let outcome = entry.outcome();
    saw(run.as_deref(), outcome as u64);
    record(run.as_deref(), location, name, Action::Waited(outcome));
    outcome
}

/// Whether the wait there is to sleep whatever the word holds.
fn is_blind(run: Option<&Run>, location: &'static Location<'static>) -> bool {
    run.is_some_and(|run| matches!(run.is_mutated(location, SiteKind::Wait), Some(Mutation::WaitBlindly(_))))
}

/// A deadline that passes when nothing else can happen, and not before.
const AT_THE_END: Deadline = Deadline::at_monotonic_ns(u64::MAX);

/// On treadle, which has queues of its own.
#[track_caller]
fn wait_natively(
    run: Option<&Rc<Run>>,
    on: &[WaitOn<'_>],
    deadline: Option<Deadline>,
    location: &'static Location<'static>,
) -> WaitOutcome {
    let name = on.first().and_then(|on| on.word.name());
    let me = current_lane();
    let mut ends = match deadline {
        None => Ends::Never,
        Some(AT_THE_END) => Ends::WhenQuiet,
        Some(_) => Ends::PerhapsByTime,
    };
    if let Some(run) = run {
        let (nth, nth_timed) = run.with_lane(me, |lane| (lane.waits, lane.timed_waits)).unwrap_or((0, 0));
        let dies_here = run.with_lane(me, |lane| lane.steps).is_some_and(|next| run.plan.kills.contains(&(me, next)));
        if run.plan.spurious.contains(&(me, nth)) {
            ends = Ends::Spuriously;
        } else if dies_here || (deadline.is_some() && run.plan.timeouts.contains(&(me, nth_timed))) {
            ends = Ends::ByTime;
        }
        let words = on.iter().map(|on| (on.word.name(), on.expected)).collect();
        run.set_state(me, LaneState::Asleep(Sleeper { lane: me, location, words, timed: deadline.is_some() }));
        record(Some(run.as_ref()), location, name, Action::Sleeps);
    }
    let blind = is_blind(run.map(Rc::as_ref), location);
    let outcome = loop {
        // Whatever it holds, and if it has changed since, whatever it holds then.
        let value = |on: &WaitOn<'_>| if blind { on.word.read_newest() } else { on.expected };
        let words: Vec<_> = on.iter().map(|on| (on.word.word(), value(on))).collect();
        let outcome = as_myself(|| wait_on_treadle(&words, ends));
        if !blind || outcome != WaitOutcome::Changed {
            break outcome;
        }
    };
    if let Some(run) = run {
        run.set_state(me, LaneState::Running);
        if outcome != WaitOutcome::Changed {
            run.count_wait(deadline.is_some());
        }
        if outcome == WaitOutcome::TimedOut && ends == Ends::WhenQuiet {
            run.with_lane(me, |lane| lane.last_resorts += 1);
        }
    }
    second_step(run.map(Rc::as_ref));
    saw(run.map(Rc::as_ref), outcome as u64);
    record(run.map(Rc::as_ref), location, name, Action::Waited(outcome));
    outcome
}

/// The step after a wait, at which a thread can be killed as well as before it.
#[track_caller]
fn second_step(run: Option<&Run>) {
    if let Some(run) = run {
        run.step();
    }
}

/// Leaves the queues, each at a branch point on its word: before it, a wake may still come. Also where a wake has taken
/// the entry already: whether one has is for the engine to try both ways.
fn leave_one_by_one(on: &[WaitOn<'_>], entry: &Rc<Entry>) {
    for on in on {
        on.word.read_newest();
        on.word.queue.leave(entry);
    }
}

/// Leaves all queues in one breath: for returns after which no wake can come, or one that is eaten shows nothing new.
fn leave_at_once(on: &[WaitOn<'_>], entry: &Rc<Entry>) {
    for on in on {
        on.word.queue.leave(entry);
    }
}

#[track_caller]
fn sleep_in_run(
    run: &Rc<Run>,
    on: &[WaitOn<'_>],
    entry: &Rc<Entry>,
    deadline: Option<Deadline>,
    location: &'static Location<'static>,
) {
    let me = current_lane();
    let (nth, nth_timed) = run.count_wait(deadline.is_some());
    let dies_here = run.with_lane(me, |lane| lane.steps).is_some_and(|next| run.plan.kills.contains(&(me, next)));
    let runs_out = deadline.is_some() && run.plan.timeouts.contains(&(me, nth_timed));
    let spurious = run.plan.spurious.contains(&(me, nth));
    if spurious {
        entry.end(WaitOutcome::Woken);
    } else if dies_here || runs_out {
        entry.end(WaitOutcome::TimedOut);
    }
    let sleeps = entry.ended.get().is_none();
    if sleeps {
        if deadline.is_some() {
            let timed = Rc::clone(entry);
            let pass = move || {
                timed.unseen.set(true);
                if let Some(run) = current_run() {
                    run.with_lane(timed.lane, |lane| lane.last_resorts += 1);
                }
                timed.end(WaitOutcome::TimedOut);
            };
            run.add_timer(me, Box::new(pass));
        }
        let words = on.iter().map(|on| (on.word.name(), on.expected)).collect();
        run.set_state(me, LaneState::Asleep(Sleeper { lane: me, location, words, timed: deadline.is_some() }));
        run.check_progress();
    }
    sleep(entry);
    // Who slept on one word has been taken from its queue by the wake that ended the sleep.
    if spurious || entry.unseen.get() || (sleeps && on.len() == 1) {
        leave_at_once(on, entry);
    } else {
        leave_one_by_one(on, entry);
    }
    second_step(Some(run));
}

fn sleep(entry: &Rc<Entry>) {
    while entry.ended.get().is_none() {
        match &entry.parked {
            Some(parked) => as_myself(|| parked.park()),
            None => as_myself(yield_now),
        }
    }
}

/// Wakes up to `count` sleepers of `word` and returns how many there were.
#[track_caller]
pub fn futex_wake(word: &AtomicU32, count: u32) -> u32 {
    let location = Location::caller();
    if let Some(plain) = word.plain() {
        return native::futex_wake(plain, count);
    }
    let Start::Go(run) = start() else { return 0 };
    let mut count = count;
    let mut order = WakeOrder::Fifo;
    if let Some(run) = &run {
        let record = SiteRecord { order: Ordering::Relaxed, failure: None, wakes: count };
        run.record_site(location, SiteKind::Wake, record);
        order = run.plan.wake_order;
        match run.is_mutated(location, SiteKind::Wake) {
            Some(Mutation::DropWake(_)) => return 0,
            Some(Mutation::WakeOne(_)) => count = 1,
            _ => {}
        }
    }
    if current_engine() == Engine::Treadle {
        let woken = as_myself(|| wake_on_treadle(word.word(), count, order));
        saw(run.as_deref(), woken.into());
        record(run.as_deref(), location, word.name(), Action::Wake(count, woken));
        return woken;
    }
    word.read_newest();
    let taken = word.queue.take(count, order);
    let woken = u32::try_from(taken.len()).unwrap_or(u32::MAX);
    saw(run.as_deref(), woken.into());
    record(run.as_deref(), location, word.name(), Action::Wake(count, woken));
    for entry in taken {
        entry.taken.set(true);
        entry.end(WaitOutcome::Woken);
    }
    woken
}

fn wait_plainly(on: &[WaitOn<'_>], deadline: Option<Deadline>) -> WaitOutcome {
    // Ordinary threads under the flag: the native futex on the native words; several words are polled in slices.
    const SLICE: core::time::Duration = core::time::Duration::from_millis(1);
    let Some((first, word)) = on.first().and_then(|first| Some((first, first.word.plain()?))) else {
        return WaitOutcome::Interrupted;
    };
    if on.len() == 1 {
        return native::futex_wait(word, first.expected, deadline);
    }
    loop {
        if on.iter().any(|on| on.word.peek() != on.expected) {
            return WaitOutcome::Changed;
        }
        let slice = Deadline::earliest(deadline, Some(Deadline::after(SLICE)));
        match native::futex_wait(word, first.expected, slice) {
            WaitOutcome::TimedOut if deadline.is_some_and(Deadline::has_passed) => return WaitOutcome::TimedOut,
            WaitOutcome::TimedOut => {}
            other => return other,
        }
    }
}

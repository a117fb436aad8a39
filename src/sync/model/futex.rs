//! The model of the shared futex.
//!
//! **Protocol.** A word carries the queue of its sleepers. `wait` reads the newest value at a branch point on the word
//! and, if it is the expected one, joins the queue in the same breath: what lies between two branch points is atomic,
//! as the kernel's bucket lock makes it. `wake` is a branch point on the word and takes entries from the queue.
//! `waitv` does the check and the joining word by word, and leaves all queues again if a later word differs.
//!
//! **Time.** A wait with a deadline that the [`Plan`](super::Plan) singles out runs out: after a branch point in which a
//! wake may come first (then it was woken: the timeout swallows no wake). Any other deadline passes only when nothing
//! else can run. Spurious returns are planned in the same way.
//!
//! **Death.** A wait is two steps. A thread killed at the second has joined the queue; its entry lingers for a branch
//! point, in which it may eat a wake, before the kernel takes it away.
//!
//! **Memory order.** Parking adds a happens-before edge from wake to return that the kernel does not promise. With
//! [`Plan::wake_edge`](super::Plan) off, sleepers poll instead, which has no such edge and costs more executions.

use super::atomic::{AtomicU32, Start, as_myself, record, start};
use super::engine::{Engine, Parked, current_engine, yield_now};
use super::plan::{Mutation, WakeOrder};
use super::run::{LaneState, Run, Sleeper, current_lane, current_run};
use super::trace::{Action, Site, SiteKind, SiteRecord};
use crate::sync::{Deadline, Ordering, WaitOn, WaitOutcome, native};
use core::panic::Location;
use std::cell::{Cell, RefCell};
use std::rc::Rc;

/// The sleepers of one word.
#[derive(Default)]
pub(super) struct Queue(RefCell<Vec<Rc<Entry>>>);

struct Entry {
    lane: usize,
    ended: Cell<Option<WaitOutcome>>,
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
}

impl Queue {
    fn join(&self, entry: &Rc<Entry>) {
        self.0.borrow_mut().push(Rc::clone(entry));
    }

    fn leave(&self, entry: &Rc<Entry>) {
        self.0.borrow_mut().retain(|other| !Rc::ptr_eq(other, entry));
    }

    /// Takes up to `count` entries; an entry that another word's wake or a timeout has ended is no sleeper any more.
    fn take(&self, count: u32, order: WakeOrder) -> Vec<Rc<Entry>> {
        let mut queue = self.0.borrow_mut();
        queue.retain(|entry| entry.ended.get().is_none());
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
        run.record_site(Site::new(location, SiteKind::Wait), record);
    }
    let entry = Rc::new(Entry {
        lane: current_lane(),
        ended: Cell::new(None),
        parked: if run.as_ref().is_none_or(|run| run.plan.wake_edge) { Parked::current() } else { None },
    });
    for (joined, WaitOn { word, expected }) in on.iter().enumerate() {
        let found = word.read_newest();
        // A word that joined earlier may have been woken meanwhile; the kernel reports that one.
        if found != *expected {
            leave_all(on.get(..joined).unwrap_or_default(), &entry);
            let outcome = entry.ended.get().unwrap_or(WaitOutcome::Changed);
            record(run.as_deref(), location, word.name(), Action::NotWaited { expected: *expected, found });
            second_step(run.as_deref());
            return outcome;
        }
        word.queue.join(&entry);
    }
    let name = on.first().and_then(|on| on.word.name());
    record(run.as_deref(), location, name, Action::Sleeps);
    let outcome = match &run {
        Some(run) => sleep_in_run(run, on, &entry, deadline, location),
        None => {
            sleep(&entry);
            entry.ended.get().unwrap_or(WaitOutcome::Woken)
        }
    };
    leave_all(on, &entry);
    record(run.as_deref(), location, name, Action::Waited(outcome));
    outcome
}

/// The step after a wait, at which a thread can be killed as well as before it.
#[track_caller]
fn second_step(run: Option<&Run>) {
    if let Some(run) = run {
        run.step();
    }
}

fn leave_all(on: &[WaitOn<'_>], entry: &Rc<Entry>) {
    for on in on {
        on.word.queue.leave(entry);
    }
}

/// Takes the entry out of the queues when the thread is killed asleep: late, so that it may eat a wake before.
struct Linger<'a> {
    on: &'a [WaitOn<'a>],
    entry: &'a Rc<Entry>,
}

impl Linger<'_> {
    fn depart(&self) {
        if let Some(on) = self.on.first() {
            on.word.read_newest();
        }
        leave_all(self.on, self.entry);
    }
}

fn sleep_in_run(
    run: &Rc<Run>,
    on: &[WaitOn<'_>],
    entry: &Rc<Entry>,
    deadline: Option<Deadline>,
    location: &'static Location<'static>,
) -> WaitOutcome {
    let me = current_lane();
    let (nth, nth_timed) = run.count_wait(deadline.is_some());
    let dies_here = run.with_lane(me, |lane| lane.steps).is_some_and(|next| run.plan.kills.contains(&(me, next)));
    if dies_here {
        Linger { on, entry }.depart();
        second_step(Some(run));
    }
    if run.plan.spurious.contains(&(me, nth)) {
        entry.end(WaitOutcome::Woken);
    } else if deadline.is_some() && run.plan.timeouts.contains(&(me, nth_timed)) {
        // A wake that comes first counts as a wake: `end` keeps the first outcome.
        if let Some(on) = on.first() {
            on.word.read_newest();
        }
        entry.end(WaitOutcome::TimedOut);
    }
    if entry.ended.get().is_none() {
        if deadline.is_some() {
            let timed = Rc::clone(entry);
            run.add_timer(me, Box::new(move || timed.end(WaitOutcome::TimedOut)));
        }
        let words = on.iter().map(|on| (on.word.name(), on.expected)).collect();
        run.set_state(me, LaneState::Asleep(Sleeper { lane: me, location, words, timed: deadline.is_some() }));
        run.check_progress();
    }
    sleep(entry);
    second_step(Some(run));
    entry.ended.get().unwrap_or(WaitOutcome::Woken)
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
        run.record_site(Site::new(location, SiteKind::Wake), record);
        order = run.plan.wake_order;
        match run.is_mutated(location, SiteKind::Wake) {
            Some(Mutation::DropWake(_)) => return 0,
            Some(Mutation::WakeOne(_)) => count = 1,
            _ => {}
        }
    }
    word.read_newest();
    let taken = word.queue.take(count, order);
    let woken = u32::try_from(taken.len()).unwrap_or(u32::MAX);
    record(run.as_deref(), location, word.name(), Action::Wake(count, woken));
    for entry in taken {
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

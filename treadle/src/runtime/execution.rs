//! One OS thread's exploration in progress: the graph, and how far each thread of the program has come in this run.
//!
//! **A run** replays the graph and goes on from its end. In a replay a thread runs until it needs what another has yet
//! to do (what it reads from, the end of a thread that it joins); so threads run in an order that causality allows, and
//! real memory holds what it has to. When everything is replayed, the scheduler decides, by the graph alone, whose
//! next event is added.
//!
//! **Identity.** Locations, threads and pointers are known by who made them and how many that thread had made before;
//! so they are the same in every run, whatever addresses the allocator gives out.

use super::cells::{Cells, Writing};
use super::fault::{Access, Fault};
use super::names::Names;
use super::schedule::Schedule;
use crate::explore::{Added, Dictated, Explorer};
use crate::graph::{Clock, Event, EventId, Kind, Loc, NONE, Update, Waiter};
use crate::report::Script;
use core::panic::Location;
use core::sync::atomic::Ordering;
use std::collections::{BTreeMap, HashMap};

/// What a thread is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    /// Nobody has started it in this run; in another execution it is somebody's child.
    Unborn,
    /// It has been started, and has yet to run.
    Fresh,
    /// It can be resumed.
    Runnable,
    /// It waits until another thread has executed its event of that index.
    Behind { thread: usize, pos: usize },
    /// It waits for another thread's end, which is in the graph.
    BehindEnd { thread: usize },
    /// Its next event can be added.
    Pending,
    /// As `Pending`, but it reads until it likes what it reads: later is better.
    PendingAwait,
    /// It waits for another thread to end.
    Joining { thread: usize },
    /// It waits in the queue of a location.
    Asleep { loc: Loc, waiter: Waiter },
    /// It reads something on which it cannot go on, in its last event.
    Stuck,
    /// It would read again what it has read since its last effect, the events from this index on.
    Spinning { from: usize },
    /// It has ended.
    Finished,
}

/// How a wait can end without a wake.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Ending {
    /// It cannot.
    #[default]
    Never,
    /// In another execution, it ends by itself.
    ByItself,
    /// It ends when nothing else can happen.
    WhenQuiet,
}

/// What a thread has come to in this run.
#[derive(Clone, Debug)]
pub(crate) struct Thread {
    pub(crate) status: Status,
    /// Events executed in this run.
    pub(crate) executed: usize,
    /// It unwinds: its operations do nothing.
    pub(crate) dying: bool,
    /// It may be killed.
    pub(crate) mortal: bool,
    /// It has been killed, and unwinds.
    pub(crate) killed: bool,
    pub(crate) name: Option<std::rc::Rc<str>>,
    /// The location of the token by which it is unparked.
    pub(crate) token: Loc,
    locations: usize,
    children: usize,
    pointers: usize,
    /// The queues in which it stands, and the bells that are rung when it is taken from them.
    queues: Vec<(Loc, Waiter, Option<Loc>)>,
    /// How its present wait can end without a wake.
    pub(crate) ending: Ending,
    /// It is in an operation that must not block.
    pub(crate) solo: bool,
    /// In how many ways its next event can be added.
    pub(crate) bound: u32,
    /// Its next event belongs to one that it has executed: it cannot be killed in between.
    pub(crate) carries_through: bool,
    /// How many events it had executed when it last read from a cell.
    last_read: Option<usize>,
}

/// What a step of an operation asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step<T> {
    /// It is done.
    Ready(T),
    /// The thread has to wait; then the step is to be tried again.
    Suspend,
    /// The thread is killed here.
    Die,
    /// The thread unwinds already: nothing happens.
    Nothing,
}

/// What a reading operation brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Got {
    /// What was read.
    pub(crate) value: u64,
    /// Whether the operation took effect.
    pub(crate) wrote: bool,
    /// Who would stand in the queue.
    pub(crate) waiter: Waiter,
    /// What was read from.
    pub(crate) source: EventId,
}

/// What the program says of an end at which threads wait for ever.
pub(crate) type AtRest = Box<dyn FnOnce() -> Result<(), String>>;

/// An exploration in progress.
pub(crate) struct Execution {
    pub(crate) explorer: Explorer,
    pub(crate) threads: Vec<Thread>,
    pub(crate) running: usize,
    /// Whose next event may be added; none while the graph is replayed.
    pub(crate) turn: Option<usize>,
    /// The turn is for an operation that reads until it likes what it reads.
    pub(crate) turn_to_await: bool,
    /// What was added may have changed who comes next.
    pub(crate) recheck: bool,
    /// The thread that goes on because nothing else can happen.
    pub(crate) quiet: Option<usize>,
    pub(crate) fault: Option<Fault>,
    pub(crate) schedule: Schedule,
    /// Whether who comes next is decided after each event.
    pub(crate) schedule_each: bool,
    /// The number of this run; no two of a process have the same.
    pub(crate) run: u64,
    pub(crate) limit: usize,
    /// The thread that goes on alone when the script has ended, while it is in an operation that must not block, and how
    /// many steps it may still take.
    pub(crate) alone: Option<(usize, usize)>,
    /// There are more threads than clocks have room for.
    pub(crate) wants_threads: bool,
    /// What is in the cells; none unless states are told apart by it.
    pub(crate) cells: Option<Cells>,
    /// What is left of the script, when an execution is replayed from it.
    pub(crate) script: Option<Script>,
    /// Where locations were made.
    sites: Vec<Option<&'static Location<'static>>>,
    /// Objects that must be gone when the run has ended.
    pub(crate) tracked: BTreeMap<u64, &'static Location<'static>>,
    tracked_count: u64,
    /// Memory in use, by address, and memory that was given back.
    allocations: HashMap<usize, u64>,
    freed: Vec<(*mut u8, core::alloc::Layout)>,
    pub(crate) names: Names,
    pointers: HashMap<usize, u64>,
    addresses: HashMap<u64, usize>,
    /// What a new thread is to do.
    pub(crate) spawned: Vec<(usize, super::pool::Task)>,
    /// Steps executed, replayed ones included.
    pub(crate) steps: u64,
    /// What the program says of an end at which threads wait for ever.
    pub(crate) at_rest: Option<AtRest>,
}

impl Execution {
    pub(crate) fn new(explorer: Explorer, schedule: Schedule, names: Names, limit: usize) -> Self {
        Self {
            explorer,
            threads: Vec::new(),
            running: 0,
            turn: None,
            turn_to_await: false,
            recheck: false,
            quiet: None,
            fault: None,
            schedule,
            schedule_each: matches!(schedule, Schedule::Shuffled(_)),
            run: 0,
            limit,
            alone: None,
            wants_threads: false,
            cells: None,
            script: None,
            sites: Vec::new(),
            tracked: BTreeMap::new(),
            tracked_count: 0,
            allocations: HashMap::new(),
            freed: Vec::new(),
            names,
            pointers: HashMap::new(),
            addresses: HashMap::new(),
            spawned: Vec::new(),
            steps: 0,
            at_rest: None,
        }
    }

    /// Prepares for the next run.
    pub(crate) fn begin_run(&mut self, number: u64) {
        self.run = number;
        self.threads.clear();
        self.threads.push(Thread::new());
        self.running = 0;
        self.threads[0].status = Status::Fresh;
        self.threads[0].token = self.new_location(0, None);
        self.turn = None;
        self.recheck = false;
        self.quiet = None;
        self.fault = None;
        self.at_rest = None;
        self.tracked.clear();
        self.pointers.clear();
        self.addresses.clear();
        self.tracked_count = 0;
        self.cells.iter_mut().for_each(Cells::clear);
    }

    fn me(&mut self) -> &mut Thread {
        let running = self.running;
        &mut self.threads[running]
    }

    /// The next event of the running thread, if the graph has it already.
    fn next_in_graph(&self) -> Option<EventId> {
        self.explorer.graph().row(self.running).get(self.threads[self.running].executed).copied()
    }

    fn waits<T>(&mut self, status: Status) -> Step<T> {
        let me = self.me();
        me.status = status;
        me.bound = 1;
        me.carries_through = false;
        Step::Suspend
    }

    pub(crate) fn set_solo(&mut self, solo: bool) {
        self.me().solo = solo;
    }

    /// The thread that goes on alone, if it still has to and can.
    pub(crate) fn goes_on_alone(&mut self) -> Option<usize> {
        let (thread, left) = self.alone?;
        if left == 0 || !self.threads[thread].solo || !self.is_enabled(thread) {
            return None;
        }
        self.alone = Some((thread, left - 1));
        Some(thread)
    }

    /// One try of noting what the thread still knows.
    pub(crate) fn phase(&mut self, knows: u64, site: &'static Location<'static>) -> Step<()> {
        let made = |x: &mut Self| {
            let mut event = x.event(Kind::Choice, Ordering::Relaxed, site);
            (event.link, event.value) = (0, knows);
            event
        };
        self.simple(made, true, |event| event.kind == Kind::Choice && event.link == 0, site).map(|_| ())
    }

    pub(crate) fn fail<T>(&mut self, fault: Fault) -> Step<T> {
        if self.me().dying {
            return Step::Nothing;
        }
        self.fault.get_or_insert(fault);
        Step::Suspend
    }

    fn diverged<T>(&mut self, found: &Event, wanted: &str, site: &'static Location<'static>) -> Step<T> {
        let before = format!("{:?} at {}:{}", found.kind, found.site.file(), found.site.line());
        let now = format!("{wanted} at {}:{}", site.file(), site.line());
        let thread = self.running;
        self.fail(Fault::Diverged { thread, before, now })
    }

    /// Whether `event` has been executed in this run.
    fn is_executed(&self, event: EventId) -> bool {
        event == NONE || {
            let event = self.explorer.graph().event(event);
            self.threads.get(event.thread as usize).is_some_and(|thread| thread.executed > event.pos.into())
        }
    }

    /// The status of a thread that needs `event` to be executed first.
    fn behind(&self, event: EventId) -> Status {
        let event = self.explorer.graph().event(event);
        Status::Behind { thread: event.thread.into(), pos: event.pos.into() }
    }

    /// Whether the running thread may add its next event; if not, it has to wait.
    fn may_add(&self) -> bool {
        self.turn == Some(self.running) && !self.recheck
    }

    fn event(&self, kind: Kind, order: Ordering, site: &'static Location<'static>) -> Event {
        Event::new(self.running, kind, order, site)
    }

    /// Counts a step; false if there have been too many.
    fn count_step(&mut self) -> bool {
        self.steps += 1;
        self.recheck |= self.schedule_each;
        let limit = self.limit;
        if self.me().executed >= limit {
            let thread = self.running;
            self.fault.get_or_insert(Fault::TooLong { thread, limit });
            return false;
        }
        true
    }

    /// Before an event is added: a mortal thread could die instead. True: that is what it has done.
    fn could_die(&mut self, may_die: bool, site: &'static Location<'static>) -> bool {
        let mortal = self.threads[self.running].mortal && may_die;
        let death = self.event(Kind::Death, Ordering::Relaxed, site);
        if let Some(script) = &mut self.script {
            let Some(step) = script.steps.pop_front() else { return false };
            self.recheck = true;
            if step.death {
                self.explorer.add(death);
                return true;
            }
            self.explorer.dictate(Dictated { number: step.number, spurious: step.spurious });
        } else if mortal && self.explorer.offer_death(death) {
            return true;
        }
        false
    }

    fn misfit<T>(&mut self) -> Step<T> {
        self.fail(Fault::Misfit)
    }

    /// Whether the next event in the graph is the running thread's death.
    fn dies_here(&mut self, id: EventId) -> bool {
        let dies = self.explorer.graph().event(id).kind == Kind::Death;
        if dies {
            let me = self.me();
            me.executed += 1;
            me.mortal = false;
        }
        dies
    }

    /// One try of an operation that reads, and perhaps writes.
    pub(crate) fn read(
        &mut self,
        loc: Loc,
        update: Update,
        orders: (Ordering, Ordering),
        site: &'static Location<'static>,
    ) -> Step<Got> {
        if self.me().dying {
            return Step::Nothing;
        }
        let Some(id) = self.next_in_graph() else {
            if update.is_await() && !core::mem::take(&mut self.turn_to_await) {
                return self.waits(Status::PendingAwait);
            }
            if !self.may_add() {
                return self.waits(Status::Pending);
            }
            if !self.count_step() {
                return Step::Suspend;
            }
            if self.could_die(true, site) {
                return self.read(loc, update, orders, site);
            }
            let mut event = self.event(Kind::Read, orders.1, site);
            event.loc = loc;
            event.orders = orders;
            event.update = update;
            let added = self.explorer.add_read(event);
            if matches!(update, Update::Wake { .. }) {
                self.recheck = true;
            }
            return match added {
                Added::Done => self.read(loc, update, orders, site),
                Added::Stuck => self.waits(Status::Stuck),
                Added::Impossible => self.misfit(),
            };
        };
        if self.dies_here(id) {
            return Step::Die;
        }
        let event = *self.explorer.graph().event(id);
        if event.kind != Kind::Read || event.loc != loc || event.update != update || event.orders != orders {
            let wanted = format!("{update:?}");
            return self.diverged(&event, &wanted, site);
        }
        if event.stuck && !self.goes_on_quietly(1) {
            return self.waits(Status::Stuck);
        }
        if !self.is_executed(event.link) {
            let status = self.behind(event.link);
            return self.waits(status);
        }
        self.steps += 1;
        self.me().executed += 1 + usize::from(event.rmw);
        let value = self.explorer.value(loc, event.link);
        let waiter = Waiter { thread: event.thread, pos: event.pos };
        Step::Ready(Got { value, wrote: event.rmw, waiter, source: event.link })
    }

    /// One try of a store.
    pub(crate) fn store(
        &mut self,
        loc: Loc,
        value: u64,
        order: Ordering,
        site: &'static Location<'static>,
    ) -> Step<()> {
        self.store_as(loc, value, order, false, site)
    }

    fn store_as(
        &mut self,
        loc: Loc,
        value: u64,
        order: Ordering,
        silent: bool,
        site: &'static Location<'static>,
    ) -> Step<()> {
        if self.is_queued(loc) {
            return match self.read(loc, Update::Blind(value), (order, order), site) {
                Step::Ready(_) => Step::Ready(()),
                Step::Suspend => Step::Suspend,
                Step::Die => Step::Die,
                Step::Nothing => Step::Nothing,
            };
        }
        if self.me().dying {
            return Step::Nothing;
        }
        let Some(id) = self.next_in_graph() else {
            if !self.may_add() {
                let step = self.waits(Status::Pending);
                self.me().carries_through = silent;
                return step;
            }
            if !self.count_step() {
                return Step::Suspend;
            }
            // A wake that has taken somebody from a queue is carried through, even if its thread has been killed.
            if self.could_die(!silent, site) {
                return self.store_as(loc, value, order, silent, site);
            }
            let mut event = self.event(Kind::Write, order, site);
            event.loc = loc;
            event.value = value;
            event.silent = silent;
            if self.explorer.add_store(event) == Added::Impossible {
                return self.misfit();
            }
            self.me().executed += 1;
            return Step::Ready(());
        };
        if self.dies_here(id) {
            return Step::Die;
        }
        let event = *self.explorer.graph().event(id);
        if event.kind != Kind::Write || event.loc != loc || event.value != value || event.order != order {
            return self.diverged(&event, &format!("store of {value}"), site);
        }
        self.steps += 1;
        self.me().executed += 1;
        Step::Ready(())
    }

    /// One try of an event that stands for itself.
    fn simple(
        &mut self,
        make: impl Fn(&mut Self) -> Event,
        is_mortal: bool,
        matches: impl Fn(&Event) -> bool,
        site: &'static Location<'static>,
    ) -> Step<Event> {
        if self.me().dying {
            return Step::Nothing;
        }
        let Some(id) = self.next_in_graph() else {
            if !self.may_add() {
                return self.waits(Status::Pending);
            }
            if !self.count_step() {
                return Step::Suspend;
            }
            if self.could_die(is_mortal, site) {
                return self.simple(make, is_mortal, matches, site);
            }
            let event = make(self);
            if event.kind == Kind::Choice && event.link > 1 {
                self.explorer.add_choice(event);
            } else {
                self.explorer.add(event);
            }
            let id = self.next_in_graph();
            self.me().executed += 1;
            return Step::Ready(id.map_or(event, |id| *self.explorer.graph().event(id)));
        };
        if self.dies_here(id) {
            return Step::Die;
        }
        let event = *self.explorer.graph().event(id);
        if !matches(&event) {
            let wanted = format!("another operation than {:?}", event.kind);
            return self.diverged(&event, &wanted, site);
        }
        if event.kind == Kind::Woken && !self.is_executed(event.link) {
            let status = self.behind(event.link);
            return self.waits(status);
        }
        self.steps += 1;
        self.me().executed += 1;
        Step::Ready(event)
    }

    pub(crate) fn fence(&mut self, order: Ordering, site: &'static Location<'static>) -> Step<()> {
        let made = |x: &mut Self| x.event(Kind::Fence, order, site);
        self.simple(made, true, |event| event.kind == Kind::Fence && event.order == order, site).map(|_| ())
    }

    pub(crate) fn choose(&mut self, bound: u32, site: &'static Location<'static>) -> Step<u64> {
        let made = |x: &mut Self| {
            let mut event = x.event(Kind::Choice, Ordering::Relaxed, site);
            event.link = bound;
            event
        };
        let step = self.simple(made, true, |event| event.kind == Kind::Choice && event.link == bound, site);
        if matches!(step, Step::Suspend) {
            self.me().bound = bound;
        }
        step.map(|event| event.value)
    }

    /// One try of starting a thread.
    pub(crate) fn spawn(&mut self, site: &'static Location<'static>) -> Step<usize> {
        let made = |x: &mut Self| {
            let child = x.child();
            let mut event = x.event(Kind::Spawn, Ordering::Relaxed, site);
            event.link = u32::try_from(child).expect("threads are counted in 16 bits");
            event
        };
        let child = self.child();
        if child >= self.explorer.graph().capacity() {
            return self.fail(Fault::MoreThreads);
        }
        let step = self.simple(made, true, |event| event.kind == Kind::Spawn && event.link as usize == child, site);
        if let Step::Ready(_) = step {
            self.me().children += 1;
            while self.threads.len() <= child {
                self.threads.push(Thread::new());
            }
            self.threads[child].status = Status::Fresh;
            self.threads[child].token = self.new_location(0, None);
            self.recheck = true;
        }
        step.map(|_| child)
    }

    /// The thread that the running one starts next.
    fn child(&mut self) -> usize {
        let nth = self.threads[self.running].children;
        self.names.child(self.running, nth)
    }

    /// One try of joining a thread.
    pub(crate) fn join(&mut self, child: usize, site: &'static Location<'static>) -> Step<()> {
        if self.me().dying {
            return Step::Nothing;
        }
        if self.threads[child].status != Status::Finished {
            let in_graph = self.next_in_graph();
            if let Some(id) = in_graph
                && self.dies_here(id)
            {
                return Step::Die;
            }
            let status = if in_graph.is_some() {
                Status::BehindEnd { thread: child }
            } else {
                Status::Joining { thread: child }
            };
            return self.waits(status);
        }
        let made = |x: &mut Self| {
            let mut event = x.event(Kind::Join, Ordering::Relaxed, site);
            event.link = u32::try_from(child).expect("threads are counted in 16 bits");
            event
        };
        self.simple(made, true, |event| event.kind == Kind::Join && event.link as usize == child, site).map(|_| ())
    }

    /// One try of waking up from the queue of `loc`. False: nobody has woken the thread, but nothing else can happen.
    pub(crate) fn wake_up(&mut self, loc: Loc, waiter: Waiter, site: &'static Location<'static>) -> Step<bool> {
        if self.me().dying {
            return Step::Nothing;
        }
        if self.goes_on_quietly(0) {
            return Step::Ready(false);
        }
        let mut wake = NONE;
        if self.next_in_graph().is_none() {
            match self.wake_of(loc, waiter) {
                Some(found) => wake = found,
                None => return self.waits(Status::Asleep { loc, waiter }),
            }
        }
        let made = |x: &mut Self| {
            let mut event = x.event(Kind::Woken, Ordering::Relaxed, site);
            event.link = wake;
            event
        };
        self.simple(made, false, |event| event.kind == Kind::Woken, site).map(|_| true)
    }

    /// Whether the running thread, which waits, goes on because nothing else can happen: so it is in the graph, so many
    /// events on, or it has been decided just now.
    fn goes_on_quietly(&self, skip: usize) -> bool {
        let graph = self.explorer.graph();
        let next = graph.row(self.running).get(self.threads[self.running].executed + skip);
        match next {
            Some(&id) => graph.event(id).kind == Kind::Quiet,
            None => self.quiet == Some(self.running),
        }
    }

    /// One try of noting that nothing else could happen.
    pub(crate) fn quiet(&mut self, site: &'static Location<'static>) -> Step<()> {
        if self.me().dying {
            return Step::Nothing;
        }
        let Some(id) = self.next_in_graph() else {
            if !self.count_step() {
                return Step::Suspend;
            }
            if let Some(script) = &mut self.script {
                script.steps.pop_front();
            }
            let counts = self.settled();
            let event = self.event(Kind::Quiet, Ordering::Relaxed, site);
            self.explorer.add_quiet(event, &counts);
            self.quiet = None;
            self.recheck = true;
            self.me().executed += 1;
            return Step::Ready(());
        };
        let event = *self.explorer.graph().event(id);
        if event.kind != Kind::Quiet {
            return self.diverged(&event, "the end of a wait", site);
        }
        let past = self.explorer.graph().clock(id, Clock::Porf);
        let behind = self.threads.iter().enumerate().find_map(|(thread, state)| {
            let covered = usize::from(*past.get(thread)?) - usize::from(thread == self.running);
            (state.executed < covered).then_some(Status::Behind { thread, pos: covered - 1 })
        });
        if let Some(status) = behind {
            return self.waits(status);
        }
        self.steps += 1;
        self.me().executed += 1;
        Step::Ready(())
    }

    /// How many events of each thread stand, whatever is still to happen: those of a spin loop that waits do not.
    fn settled(&self) -> Vec<usize> {
        let settled = |(thread, state): (usize, &Thread)| match state.status {
            Status::Stuck => self.explorer.graph().row(thread).len() - 1,
            Status::Spinning { from } => from,
            _ => self.explorer.graph().row(thread).len(),
        };
        self.threads.iter().enumerate().map(settled).collect()
    }

    /// A thread whose wait ends if nothing else can happen.
    pub(crate) fn waits_for_quiet(&self, thread: usize) -> bool {
        let state = &self.threads[thread];
        state.ending == Ending::WhenQuiet && matches!(state.status, Status::Asleep { .. } | Status::Stuck)
    }

    /// The write that took a waiter from the queue of a location.
    pub(crate) fn wake_of(&self, loc: Loc, waiter: Waiter) -> Option<EventId> {
        let graph = self.explorer.graph();
        let joined = *graph.row(waiter.thread.into()).get(usize::from(waiter.pos) + 1)?;
        let later = &graph.location(loc).writes[graph.rank(joined)..];
        later.iter().copied().find(|&write| !graph.queue(write).contains(&waiter))
    }

    /// Whether a thread's next event can be added.
    pub(crate) fn is_enabled(&self, thread: usize) -> bool {
        match self.threads[thread].status {
            Status::Fresh | Status::Runnable | Status::Pending | Status::PendingAwait => true,
            Status::Joining { thread } => self.threads[thread].status == Status::Finished,
            Status::Asleep { loc, waiter, .. } => self.wake_of(loc, waiter).is_some(),
            _ => false,
        }
    }

    /// A spin loop's turn: false if the thread would only read again what it has read since its last effect.
    pub(crate) fn may_spin_on(&mut self) -> bool {
        if self.me().dying {
            return true;
        }
        let (graph, running) = (self.explorer.graph(), self.running);
        let executed = self.threads[running].executed;
        let row = &graph.row(running)[..executed];
        let mut from = executed;
        while let Some(&last) = from.checked_sub(1).and_then(|last| row.get(last)) {
            let event = graph.event(last);
            match event.kind {
                Kind::Read if !event.rmw => from -= 1,
                // It wrote back what it read.
                Kind::Write if event.rmw => {
                    let read = graph.event(event.link);
                    if self.explorer.value(event.loc, read.link) != event.value || self.is_queued(event.loc) {
                        break;
                    }
                    from -= 2;
                }
                _ => break,
            }
        }
        if from == executed {
            return true;
        }
        self.me().status = Status::Spinning { from };
        false
    }

    /// Makes a location that holds `value`.
    pub(crate) fn new_location(&mut self, value: u64, site: Option<&'static Location<'static>>) -> Loc {
        let me = self.running;
        let nth = self.threads[me].locations;
        self.threads[me].locations += 1;
        let loc = self.names.location(me, nth);
        self.make_location(loc, value, site);
        loc
    }

    /// Makes a location that is known by a number, whoever makes it.
    pub(crate) fn numbered_location(&mut self, number: u32, value: u64, site: &'static Location<'static>) -> Loc {
        let loc = self.names.numbered(number);
        self.make_location(loc, value, Some(site));
        loc
    }

    fn make_location(&mut self, loc: Loc, value: u64, site: Option<&'static Location<'static>>) {
        self.explorer.set_initial(loc, value);
        if self.sites.len() <= loc as usize {
            self.sites.resize(loc as usize + 1, None);
        }
        self.sites[loc as usize] = site;
    }

    /// Where a location was made, if it is one of the program's.
    pub(crate) fn site_of(&self, loc: Loc) -> Option<&'static Location<'static>> {
        self.sites.get(loc as usize).copied().flatten()
    }

    pub(crate) fn is_queued(&self, loc: Loc) -> bool {
        self.names.queued.get(loc as usize).copied().unwrap_or(false)
    }

    /// Says that threads wait on a location. If that comes as news, the exploration starts anew.
    pub(crate) fn queue_at(&mut self, loc: Loc) -> Step<()> {
        if self.is_queued(loc) {
            return Step::Ready(());
        }
        let queued = &mut self.names.queued;
        if queued.len() <= loc as usize {
            queued.resize(loc as usize + 1, false);
        }
        queued[loc as usize] = true;
        self.fail(Fault::NewQueue)
    }

    /// Notes that the running thread stands in a queue, and which bell is to be rung when it is taken from it.
    pub(crate) fn remember_queue(&mut self, loc: Loc, waiter: Waiter, bell: Option<Loc>) {
        self.me().queues.push((loc, waiter, bell));
    }

    pub(crate) fn forget_queue(&mut self, loc: Loc, waiter: Waiter) {
        self.me().queues.retain(|(of, other, _)| (*of, *other) != (loc, waiter));
    }

    pub(crate) fn queues_of_running(&mut self) -> Vec<(Loc, Waiter)> {
        self.me().queues.iter().map(|&(loc, waiter, _)| (loc, waiter)).collect()
    }

    /// Whom a wake that took effect took: how many, and the bells of those who wait on several words.
    pub(crate) fn taken_by(&self, update: Update, got: Got) -> (u32, Vec<Loc>) {
        let before = self.explorer.graph().queue(got.source);
        let mut after = before.to_vec();
        update.apply_to_queue(got.waiter, &mut after);
        let taken = before.iter().filter(|waiter| !after.contains(waiter));
        let bells = taken.clone().filter_map(|&waiter| {
            let queues = &self.threads[usize::from(waiter.thread)].queues;
            queues.iter().find(|(_, other, _)| *other == waiter)?.2
        });
        (u32::try_from(taken.count()).unwrap_or(u32::MAX), bells.collect())
    }

    /// One try of ringing a bell: a store that orders nothing.
    pub(crate) fn ring(&mut self, bell: Loc, site: &'static Location<'static>) -> Step<()> {
        self.store_as(bell, 1, Ordering::Relaxed, true, site)
    }

    /// Says how the running thread's present wait can end without a wake.
    pub(crate) fn set_ending(&mut self, ending: Ending) {
        self.me().ending = ending;
    }

    /// What the last write of a location wrote, of those in the running thread's causal past.
    pub(crate) fn newest_known(&self, loc: Loc) -> u64 {
        let graph = self.explorer.graph();
        let past = self.last_event(self.running).map(|last| graph.clock(last, Clock::Porf));
        let mut writes = graph.location(loc).writes.iter().rev().copied();
        let last = writes.find(|&write| past.is_some_and(|past| graph.covers(past, write)));
        self.explorer.value(loc, last.unwrap_or(NONE))
    }

    /// A thread's last event in this run, or the one that started it.
    fn last_event(&self, thread: usize) -> Option<EventId> {
        let graph = self.explorer.graph();
        match self.threads.get(thread)?.executed.checked_sub(1) {
            Some(last) => graph.row(thread).get(last).copied(),
            None => graph.spawned_by(thread),
        }
    }

    /// How much of each thread happens before what the running thread does next; of itself, how much it has done.
    pub(crate) fn seen(&self) -> Vec<u16> {
        let graph = self.explorer.graph();
        let last = self.last_event(self.running);
        last.map_or_else(|| vec![0; graph.capacity()], |last| graph.clock(last, Clock::Hb).to_vec())
    }

    /// How far the running thread is, for the accesses between its events.
    pub(crate) fn epoch(&self) -> (usize, usize) {
        (self.running, self.threads[self.running].executed)
    }

    /// Notes that the running thread has accessed a cell.
    pub(crate) fn has_accessed(&mut self, writes: bool) {
        if !writes {
            let me = self.me();
            me.last_read = Some(me.executed);
        }
    }

    /// Whether the running thread has read from a cell since its last event.
    pub(crate) fn has_read_since(&mut self) -> bool {
        let me = self.me();
        !me.dying && me.last_read == Some(me.executed)
    }

    /// Notes an access of the running thread to a cell with these contents; returns what it holds now.
    pub(crate) fn note_cell(&mut self, contents: Option<Writing>, writes: bool) -> Option<Writing> {
        let epoch = self.epoch();
        self.cells.as_mut()?.access(epoch, contents, writes)
    }

    /// Whether something that happened at `epoch` happens before what the running thread does now.
    pub(crate) fn has_seen(&self, (thread, executed): (usize, usize)) -> bool {
        if thread == self.running {
            return true;
        }
        let graph = self.explorer.graph();
        self.last_event(self.running).is_some_and(|last| usize::from(graph.clock(last, Clock::Hb)[thread]) > executed)
    }

    /// One try of reading a word without synchronisation, the last event: every write has to happen before.
    pub(crate) fn check_unsynchronised(&mut self, loc: Loc, site: &'static Location<'static>) -> Step<()> {
        let unseen = self.explorer.graph().location(loc).writes.iter().copied().find(|&write| {
            let event = self.explorer.graph().event(write);
            !self.has_seen((event.thread.into(), event.pos.into()))
        });
        let Some(write) = unseen else { return Step::Ready(()) };
        let event = self.explorer.graph().event(write);
        let one = Access { thread: event.thread.into(), writes: true, site: event.site };
        let other = Access { thread: self.running, writes: false, site };
        self.fail(Fault::Race { one, other })
    }

    /// The name of an address, the same in every run.
    pub(crate) fn name_of(&mut self, address: usize) -> u64 {
        if let Some(&name) = self.pointers.get(&address) {
            return name;
        }
        let me = self.running;
        let nth = self.threads[me].pointers;
        self.threads[me].pointers += 1;
        let name = self.names.pointer(me, nth);
        self.pointers.insert(address, name);
        self.addresses.insert(name, address);
        name
    }

    /// The address with this name.
    pub(crate) fn address_of(&mut self, name: u64) -> Option<usize> {
        self.addresses.get(&name).copied()
    }

    /// Notes memory that must be given back before the run ends.
    pub(crate) fn allocated(&mut self, address: usize, site: &'static Location<'static>) {
        let tracked = self.track(site);
        self.allocations.insert(address, tracked);
    }

    /// Takes memory back, to free it when the run has ended; false if it is not in use.
    pub(crate) fn deallocated(&mut self, address: *mut u8, layout: core::alloc::Layout) -> bool {
        let Some(tracked) = self.allocations.remove(&address.addr()) else { return false };
        self.tracked.remove(&tracked);
        self.freed.push((address, layout));
        true
    }

    /// Frees what was given back, and what was left.
    pub(crate) fn free_all(&mut self) {
        for (address, layout) in self.freed.drain(..) {
            // SAFETY: it was allocated with that layout, by the contract of `alloc::dealloc`, and given back once.
            unsafe { std::alloc::dealloc(address, layout) };
        }
        self.allocations.clear();
    }

    /// Notes an object that must be gone at the end of the run.
    pub(crate) fn track(&mut self, site: &'static Location<'static>) -> u64 {
        self.tracked_count += 1;
        self.tracked.insert(self.tracked_count, site);
        self.tracked_count
    }
}

impl Thread {
    fn new() -> Self {
        Self {
            status: Status::Unborn,
            executed: 0,
            dying: false,
            mortal: false,
            killed: false,
            name: None,
            token: 0,
            locations: 0,
            children: 0,
            pointers: 0,
            queues: Vec::new(),
            ending: Ending::Never,
            solo: false,
            bound: 1,
            carries_through: false,
            last_read: None,
        }
    }
}

impl<T> Step<T> {
    pub(crate) fn map<U>(self, f: impl FnOnce(T) -> U) -> Step<U> {
        match self {
            Self::Ready(value) => Step::Ready(f(value)),
            Self::Suspend => Step::Suspend,
            Self::Die => Step::Die,
            Self::Nothing => Step::Nothing,
        }
    }
}

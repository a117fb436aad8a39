//! The exploration: every consistent graph of a program, each exactly once.
//!
//! **Algorithm.** TruSt: Kokologiannakis, Marmanis, Gladstein and Vafeiadis, "Truly stateless, optimal dynamic partial
//! order reduction", POPL 2022. The program is run again and again; what it does is added to a graph, one event after
//! the other, by a scheduler whose choice depends on the graph alone. An event that can be added in several ways is
//! added in one of them, and the others are kept as *items*:
//!
//! 1. a read can read from each write of its location that coherence allows;
//! 2. a write can stand at each place of the coherence order that coherence and atomicity allow;
//! 3. a write can *revisit* a read that was added before it: the read reads from it instead, and all that was added
//!    after the read and is not in the causal past of the write is taken away;
//! 4. a number can be chosen otherwise, and a thread that may die can die instead.
//!
//! When the program has ended (or cannot go on), the newest item is taken up: the graph is cut off at its event, the
//! next way is tried, and the program runs again.
//!
//! **Each once.** A graph that results from a revisit can be had from many graphs, which differ in what is taken away.
//! Exactly one of them may do it: that in which everything taken away, and the read itself, is *canonical*, as if it had
//! been added last and in the most ordinary way. Canonical is, among what was added before it and the causal past of
//! the revisiting write:
//!
//! - a read that reads the last write in coherence order,
//! - a write that is the last in coherence order, and that no earlier event reads,
//! - a choice of 0; never a death, nor a spurious failure;
//! - any other event.
//!
//! **Frames.** A revisit opens a frame with the part of the graph that is kept. It is explored, with all items that
//! come of it, and dropped; the graph below is as it was. So memory is polynomial in the length of the program.
//!
//! **Read-modify-writes** are a read and a write; the write is added at once. Two that read from one write exclude each
//! other, but the revisits of the second are made nevertheless: one of them leads to where the first reads from the second.
//!
//! **Invariants.**
//!
//! - E1: below the top frame nothing changes.
//! - E2: items are sorted by their event; all of the event's past is older. The graph is never shorter than the event
//!   of the newest item, but for its own first event.
//! - E3: the graph of the top frame is consistent whenever the program runs.

mod revisit;
mod share;
mod walk;

use crate::consistency::{MemoryModel, floor};
use crate::faults::Faults;
use crate::graph::{Clock, Effect, Event, EventId, Graph, Kind, Loc, NONE, Update};
use crate::runtime::mix;

/// Something that was done in one way and can be done in others.
#[derive(Clone, Debug)]
struct Item {
    /// The event.
    at: EventId,
    /// Where its options begin among those of the frame.
    options: usize,
    ways: Ways,
    /// How many ways of the graph up to here are not the first one.
    spent: u32,
}

#[derive(Clone, Debug)]
enum Ways {
    /// Sources of a read.
    Sources,
    /// Places of a write.
    Places,
    /// Reads that a write can revisit.
    Revisits,
    /// The numbers from this one on.
    Numbers(u64),
    /// Another event altogether, once.
    Instead(Box<Event>),
}

/// One way: the id of a write or a read, or a place; `spurious` is for weak compare-exchanges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Way {
    to: u32,
    spurious: bool,
}

/// A graph, and what is left to do with it.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    graph: Graph,
    items: Vec<Item>,
    options: Vec<Way>,
    /// The read whose revisit opened the frame, and the write that it reads from now.
    revisit: Option<(EventId, EventId)>,
}

/// What the exploration may do at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Budgets {
    /// Deaths in one execution.
    pub(crate) deaths: usize,
    /// Spurious failures of weak compare-exchanges in one execution.
    pub(crate) spurious: usize,
    /// Ways in one execution that are not the first one.
    pub(crate) deviations: u32,
}

/// One way of adding an event, dictated: how far from the newest it reads or writes, or what it chooses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Dictated {
    pub(crate) number: u32,
    pub(crate) spurious: bool,
}

/// What came of adding an operation's event or events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Added {
    /// The operation took place.
    Done,
    /// The thread cannot go on in this execution.
    Stuck,
    /// What was dictated is not possible.
    Impossible,
}

/// The state of an exploration.
#[derive(Clone, Debug)]
pub(crate) struct Explorer {
    model: MemoryModel,
    budgets: Budgets,
    faults: Faults,
    frames: Vec<Frame>,
    spare: Vec<Frame>,
    ids: Vec<EventId>,
    /// How the next event is to be added, when an execution is replayed from its script.
    dictated: Option<Dictated>,
    /// The state of the random numbers, when executions are drawn instead of enumerated.
    walk: Option<u64>,
    /// How many ways of the present graph are not the first one.
    spent: u32,
    /// Ways that were not taken because that would have been too many.
    pub(crate) cut: u64,
    /// Events added so far, in all executions.
    pub(crate) added: u64,
}

impl Explorer {
    /// An exploration from the empty graph.
    pub(crate) fn new(model: MemoryModel, threads: usize, budgets: Budgets, faults: Faults) -> Self {
        let graph = Graph::new(model.causality(), threads, faults);
        let root = Frame { graph, items: Vec::new(), options: Vec::new(), revisit: None };
        Self {
            model,
            budgets,
            faults,
            frames: vec![root],
            spare: Vec::new(),
            ids: Vec::new(),
            dictated: None,
            walk: None,
            spent: 0,
            cut: 0,
            added: 0,
        }
    }

    fn top(&self) -> &Frame {
        self.frames.last().expect("the exploration has not ended")
    }

    fn top_mut(&mut self) -> &mut Frame {
        self.frames.last_mut().expect("the exploration has not ended")
    }

    /// The graph that is being explored.
    pub(crate) fn graph(&self) -> &Graph {
        &self.top().graph
    }

    fn graph_mut(&mut self) -> &mut Graph {
        &mut self.top_mut().graph
    }

    /// Says what a location holds at first.
    pub(crate) fn set_initial(&mut self, loc: Loc, value: u64) {
        self.graph_mut().set_initial(loc, value);
    }

    /// What a write wrote; `NONE` is the initial write.
    pub(crate) fn value(&self, loc: Loc, write: EventId) -> u64 {
        self.graph().value(loc, write)
    }

    /// Says how the next event is to be added: that way only.
    pub(crate) fn dictate(&mut self, dictated: Dictated) {
        self.dictated = Some(dictated);
    }

    /// From now on each execution is drawn at random.
    pub(crate) fn walk(&mut self, seed: u64) {
        self.walk = Some(seed);
    }

    /// Forgets the present execution, to draw another one.
    pub(crate) fn start_over(&mut self) {
        let frame = self.top_mut();
        frame.graph.truncate(0);
        frame.items.clear();
        frame.options.clear();
    }

    /// A number below `bound`, which is not 0; none unless executions are drawn.
    pub(crate) fn draw(&mut self, bound: usize) -> Option<usize> {
        let state = self.walk.as_mut()?;
        *state = state.wrapping_add(1);
        Some(usize::try_from(mix(*state) % bound as u64).unwrap_or(0))
    }

    fn effect(&self, update: Update, loc: Loc, source: EventId) -> Effect {
        self.graph().effect(update, loc, source)
    }

    fn admits(&self) -> bool {
        (self.faults.no_sc && self.model == MemoryModel::Rc11) || self.model.admits(self.graph())
    }

    /// Whether one more thread may die.
    pub(crate) fn may_die(&self) -> bool {
        self.graph().deaths() < self.budgets.deaths
    }

    /// Offers the death of a thread in place of the event that is about to be added. True: it has been added instead.
    pub(crate) fn offer_death(&mut self, death: Event) -> bool {
        if self.graph().deaths() < self.budgets.deaths {
            if let Some(drawn) = self.draw(8) {
                if drawn == 0 {
                    self.add(death);
                }
                return drawn == 0;
            }
            let at = self.graph().next_id();
            self.push_ways(at, Ways::Instead(Box::new(death)), 1);
        }
        false
    }

    /// Adds an event that can be added in one way only.
    pub(crate) fn add(&mut self, event: Event) {
        self.dictated = None;
        debug_assert!(!event.is_read() && !event.is_write());
        self.added += 1;
        self.graph_mut().push(event);
    }

    /// Adds an event that comes after the first so many events of each thread.
    pub(crate) fn add_quiet(&mut self, event: Event, counts: &[usize]) {
        self.add(event);
        self.graph_mut().cover(counts);
    }

    /// Adds a choice below `bound`; the first is 0.
    pub(crate) fn add_choice(&mut self, mut event: Event) {
        if let Some(Dictated { number, .. }) = self.dictated.take() {
            event.value = u64::from(number.min(event.link - 1));
            return self.add(event);
        }
        if let Some(number) = self.draw(event.link as usize) {
            event.value = number as u64;
            return self.add(event);
        }
        let (at, bound) = (self.graph().next_id(), u64::from(event.link));
        self.add(event);
        self.push_ways(at, Ways::Numbers(1), bound - 1);
    }

    /// Adds a store to a location without a queue.
    pub(crate) fn add_store(&mut self, event: Event) -> Added {
        self.added += 1;
        let loc = event.loc;
        let least = match self.graph().before_next(event.thread.into()) {
            Some(previous) => floor(self.graph(), loc, self.graph().clock(previous, Clock::Hb)),
            None => 0,
        };
        let at = self.graph_mut().push(event);
        let last = self.graph().location(loc).writes.len();
        if let Some(Dictated { number, .. }) = self.dictated.take() {
            let Some(place) = last.checked_sub(number as usize).filter(|&place| place >= least) else {
                return Added::Impossible;
            };
            self.graph_mut().place(at, place);
            return if self.admits() { Added::Done } else { Added::Impossible };
        }
        if self.walk.is_some() {
            self.place_somewhere(at, least);
            return Added::Done;
        }
        self.push_revisits(at);
        let start = self.top().options.len();
        if !self.faults.last_place_only {
            for place in least..last {
                if !self.is_within_rmw(loc, place) {
                    self.push_option(place);
                }
            }
        }
        self.push_item(at, start, Ways::Places);
        self.graph_mut().place(at, last);
        Added::Done
    }

    /// Whether a write at this place would come between a read-modify-write and what it reads.
    fn is_within_rmw(&self, loc: Loc, place: usize) -> bool {
        let graph = self.graph();
        graph.taker(loc, graph.at_rank(loc, place)).is_some()
    }

    fn push_option(&mut self, to: usize) {
        let to = u32::try_from(to).expect("places are counted in 32 bits");
        self.top_mut().options.push(Way { to, spurious: false });
    }

    /// An item without options of its own, which stands for `count` ways.
    fn push_ways(&mut self, at: EventId, ways: Ways, count: u64) {
        if self.spent >= self.budgets.deviations {
            self.cut += count;
            return;
        }
        let spent = self.spent;
        let frame = self.top_mut();
        let options = frame.options.len();
        frame.items.push(Item { at, options, ways, spent });
    }

    /// An item with the options from `start` on, if there are any.
    fn push_item(&mut self, at: EventId, start: usize, ways: Ways) {
        let (spent, most) = (self.spent, self.budgets.deviations);
        let frame = self.top_mut();
        let count = frame.options.len() - start;
        if spent >= most {
            frame.options.truncate(start);
            self.cut += count as u64;
        } else if count > 0 {
            frame.items.push(Item { at, options: start, ways, spent });
        }
    }

    /// Adds a read, and its writing half if it is a read-modify-write that takes effect.
    pub(crate) fn add_read(&mut self, event: Event) -> Added {
        self.added += 1;
        let (graph, loc) = (self.graph(), event.loc);
        let least = match graph.before_next(event.thread.into()) {
            Some(previous) => floor(graph, loc, graph.clock(previous, Clock::Hb)),
            None => 0,
        };
        let at = graph.next_id();
        let last = graph.location(loc).writes.len();
        if let Some(Dictated { number, spurious }) = self.dictated.take() {
            let Some(rank) = last.checked_sub(number as usize).filter(|&rank| rank >= least) else {
                return Added::Impossible;
            };
            let rank = self.graph().first_alike(event.update, loc, least, rank);
            let to = self.graph().at_rank(loc, rank);
            let done = self.read_from(event, Way { to, spurious });
            return self.added_read(at, done);
        }
        if self.walk.is_some() {
            return self.read_something(event, least);
        }
        let start = self.top().options.len();
        let ordinary = self.graph().first_alike(event.update, loc, least, last);
        for rank in least..=last {
            let graph = self.graph();
            let to = graph.at_rank(loc, rank);
            let effect = graph.effect(event.update, loc, to);
            let is_new = rank != ordinary && graph.first_alike(event.update, loc, least, rank) == rank;
            if is_new && effect != Effect::Stuck {
                self.top_mut().options.push(Way { to, spurious: false });
            }
            if self.may_fail_spuriously(event.update, effect) {
                self.top_mut().options.push(Way { to, spurious: true });
            }
        }
        self.push_item(at, start, Ways::Sources);
        let to = self.graph().at_rank(loc, ordinary);
        let done = self.read_from(event, Way { to, spurious: false });
        debug_assert!(done, "the last write can always be read");
        self.added_read(at, done)
    }

    fn added_read(&self, at: EventId, done: bool) -> Added {
        match done {
            true if self.graph().event(at).stuck => Added::Stuck,
            true => Added::Done,
            false => Added::Impossible,
        }
    }

    fn may_fail_spuriously(&self, update: Update, effect: Effect) -> bool {
        matches!(update, Update::Exchange { weak: true, .. }) && matches!(effect, Effect::Write(_)) && {
            let failures = (0..self.graph().next_id()).filter(|&id| self.graph().event(id).spurious).count();
            failures < self.budgets.spurious
        }
    }

    /// What a read becomes when it reads from `way`.
    fn resolve(&self, event: &mut Event, way: Way) {
        let effect = if way.spurious { Effect::Read } else { self.effect(event.update, event.loc, way.to) };
        event.link = way.to;
        event.spurious = way.spurious;
        event.rmw = matches!(effect, Effect::Write(_));
        event.stuck = effect == Effect::Stuck;
        event.order = if event.rmw { event.orders.0 } else { event.orders.1 };
        if self.faults.no_sc_failures && !event.rmw && matches!(event.update, Update::Exchange { .. }) {
            event.order = core::sync::atomic::Ordering::Relaxed;
        }
    }

    /// Adds a read that reads from `way`. False: nothing consistent comes of it, but revisits may.
    fn read_from(&mut self, mut event: Event, way: Way) -> bool {
        self.resolve(&mut event, way);
        let id = self.graph_mut().push(event);
        let is_last = self.graph().span(id).1 == self.graph().location(event.loc).writes.len();
        if !is_last && !self.admits() {
            return false;
        }
        !event.rmw || self.add_writing_half(id)
    }

    /// Adds the write of a read-modify-write, the last event of its thread. False: another one has taken its place, or
    /// the graph is not consistent with it; its revisits are to be made all the same.
    fn add_writing_half(&mut self, read: EventId) -> bool {
        self.added += 1;
        let event = *self.graph().event(read);
        let Effect::Write(value) = self.effect(event.update, event.loc, event.link) else {
            unreachable!("it takes effect")
        };
        let mut write = Event { kind: Kind::Write, link: read, value, update: Update::Keep, ..event };
        write.fence = NONE;
        let taken = self.graph().taker(event.loc, event.link).is_some();
        let id = self.graph_mut().push(write);
        self.graph_mut().set_queue(id);
        if !(taken && self.faults.no_ghosts) {
            self.push_revisits(id);
        }
        if taken {
            return false;
        }
        let place = self.graph().rank(event.link);
        self.graph_mut().place(id, place);
        let is_last = place + 1 == self.graph().location(event.loc).writes.len();
        is_last || self.admits()
    }

    /// Goes on to the next graph from which the program is to run; false when there is none.
    pub(crate) fn advance(&mut self) -> bool {
        while let Some(frame) = self.frames.last_mut() {
            let Some(item) = frame.items.last_mut() else {
                let done = self.frames.pop();
                self.spare.extend(done);
                continue;
            };
            let at = item.at;
            // The places of a write that has just revisited are not other ways: one of them has to be taken.
            let is_due = frame.revisit.is_some_and(|(_, by)| by == at) && matches!(item.ways, Ways::Places);
            let spent = item.spent + u32::from(!is_due);
            let found = match &mut item.ways {
                Ways::Instead(_) => {
                    self.spent = spent;
                    self.take_instead(at)
                }
                Ways::Numbers(next) => {
                    let number = *next;
                    *next += 1;
                    self.spent = spent;
                    self.take_number(at, number)
                }
                ways => {
                    let ways = ways.clone();
                    match frame.take_option() {
                        Some(way) => {
                            self.spent = spent;
                            self.take(at, &ways, way)
                        }
                        None => false,
                    }
                }
            };
            if found {
                return true;
            }
        }
        false
    }

    fn take(&mut self, at: EventId, ways: &Ways, way: Way) -> bool {
        match ways {
            Ways::Sources => {
                let event = *self.graph().event(at);
                self.graph_mut().truncate(at as usize);
                self.added += 1;
                self.read_from(event, way)
            }
            Ways::Places => {
                self.graph_mut().truncate(at as usize + 1);
                self.replace(at, way.to as usize)
            }
            _ => {
                self.graph_mut().truncate(at as usize + 1);
                self.revisit(way, at)
            }
        }
    }

    fn take_instead(&mut self, at: EventId) -> bool {
        let frame = self.top_mut();
        let Some(Item { ways: Ways::Instead(event), .. }) = frame.items.pop() else { return false };
        frame.graph.truncate(at as usize);
        self.add(*event);
        true
    }

    fn take_number(&mut self, at: EventId, number: u64) -> bool {
        let frame = self.top_mut();
        let mut event = *frame.graph.event(at);
        frame.graph.truncate(at as usize);
        event.value = number;
        if number + 1 >= u64::from(event.link) {
            frame.items.pop();
        }
        self.add(event);
        true
    }

    /// Puts a write at another place.
    fn replace(&mut self, at: EventId, place: usize) -> bool {
        let graph = self.graph_mut();
        let loc = graph.event(at).loc;
        if graph.location(loc).writes.get(graph.event(at).place as usize) == Some(&at) {
            graph.displace(at);
        }
        graph.place(at, place);
        if !self.admits() {
            return false;
        }
        match self.top().revisit {
            Some((read, by)) if by == at && self.graph().event(read).rmw => self.add_writing_half(read),
            _ => true,
        }
    }
}

impl Frame {
    /// The next option of the newest item; without one, the item is dropped.
    fn take_option(&mut self) -> Option<Way> {
        let item = self.items.last()?;
        if self.options.len() > item.options {
            return self.options.pop();
        }
        self.items.pop();
        None
    }
}

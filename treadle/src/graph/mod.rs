//! Execution graphs: events, program order, reads-from and coherence, with the clocks that follow from them.
//!
//! **Representation.** An event's id is the number of events that were in the graph when it was added, so going back
//! is truncation. The initial write of each location is no event; [`NONE`] as the source of a read stands for it.
//! Program order is one row of ids for each thread, coherence one row of writes for each location.
//!
//! **Invariants.**
//!
//! - G1: a thread's events are added in program order; all but a *revisited* read come after everything in their causal
//!   past. A revisited read, the last of its thread when it was revisited, may have a source with a larger id.
//! - G2: clocks are final when an event is pushed: happens-before depends on program order and reads-from alone, and
//!   neither of an event's past changes afterwards. (A revisit replaces a read that nothing follows.)
//! - G3: `place` of each write is its index in the coherence row of its location.
//! - G4: where threads wait, each write is made by a read-modify-write, so coherence is one chain and the queue after
//!   each write is known when it is added.
//!
//! **Idle operations.** A futex operation that does nothing (a wake that finds nobody, a wait that finds another value)
//! shows its thread no more than that. Between which writes it stands is not part of the graph, as long as it would do
//! nothing there either: it counts as reading from the first write of those among which it may stand ([`Graph::span`]).
//!
//! Nothing here decides what is consistent, runs code, or knows how the graph was found.

mod clocks;
mod event;
mod fingerprint;
mod restrict;
mod update;

pub(crate) use clocks::Clock;
pub(crate) use event::{Event, EventId, Kind, Loc, NONE, NOWHERE, acquires, narrow, releases};
pub(crate) use update::{Effect, Update, Waiter, Width};

use crate::faults::Faults;
use clocks::Clocks;

/// The events of a thread, and the event that started it.
#[derive(Clone, Debug, Default)]
struct Row {
    events: Vec<EventId>,
    spawned_by: Option<EventId>,
}

/// The accesses of a location.
#[derive(Clone, Debug, Default)]
pub(crate) struct Location {
    /// Its writes in coherence order.
    pub(crate) writes: Vec<EventId>,
    /// Its reads and writes in the order in which they were added.
    pub(crate) accesses: Vec<EventId>,
}

/// What happens-before is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Causality {
    /// Release and acquire, as C++20 has it.
    ReleaseAcquire,
    /// Every read receives.
    Everything,
}

/// One execution graph.
#[derive(Clone, Debug)]
pub(crate) struct Graph {
    causality: Causality,
    faults: Faults,
    events: Vec<Event>,
    clocks: Clocks,
    rows: Vec<Row>,
    locations: Vec<Location>,
    queues: Vec<Waiter>,
    /// What each location holds at first.
    initial: Vec<u64>,
    /// Sequentially consistent events.
    sc: Vec<EventId>,
    /// Accesses among them.
    sc_accesses: usize,
    deaths: usize,
}

impl Graph {
    /// An empty graph with room for `threads` threads.
    pub(crate) fn new(causality: Causality, threads: usize, faults: Faults) -> Self {
        let mut graph = Self {
            causality,
            faults,
            events: Vec::new(),
            clocks: Clocks::default(),
            rows: Vec::new(),
            locations: Vec::new(),
            queues: Vec::new(),
            initial: Vec::new(),
            sc: Vec::new(),
            sc_accesses: 0,
            deaths: 0,
        };
        graph.clocks.reset(threads);
        graph
    }

    pub(crate) fn len(&self) -> usize {
        self.events.len()
    }

    pub(crate) fn next_id(&self) -> EventId {
        EventId::try_from(self.events.len()).expect("events are counted in 32 bits")
    }

    pub(crate) fn event(&self, id: EventId) -> &Event {
        &self.events[id as usize]
    }

    pub(crate) fn event_mut(&mut self, id: EventId) -> &mut Event {
        &mut self.events[id as usize]
    }

    pub(crate) fn threads(&self) -> usize {
        self.rows.len()
    }

    /// How many threads the clocks have room for.
    pub(crate) fn capacity(&self) -> usize {
        self.clocks.threads()
    }

    /// The events of a thread in program order.
    pub(crate) fn row(&self, thread: usize) -> &[EventId] {
        self.rows.get(thread).map_or(&[], |row| &row.events)
    }

    pub(crate) fn spawned_by(&self, thread: usize) -> Option<EventId> {
        self.rows.get(thread).and_then(|row| row.spawned_by)
    }

    pub(crate) fn locations(&self) -> &[Location] {
        &self.locations
    }

    pub(crate) fn location(&self, loc: Loc) -> &Location {
        static NEVER_TOUCHED: Location = Location { writes: Vec::new(), accesses: Vec::new() };
        self.locations.get(loc as usize).unwrap_or(&NEVER_TOUCHED)
    }

    /// Says what a location holds at first.
    pub(crate) fn set_initial(&mut self, loc: Loc, value: u64) {
        if self.initial.len() <= loc as usize {
            self.initial.resize(loc as usize + 1, 0);
        }
        self.initial[loc as usize] = value;
    }

    /// What a location holds at first.
    pub(crate) fn initial(&self, loc: Loc) -> u64 {
        self.initial.get(loc as usize).copied().unwrap_or(0)
    }

    /// What a write wrote; `NONE` is the initial write.
    pub(crate) fn value(&self, loc: Loc, write: EventId) -> u64 {
        if write == NONE { self.initial(loc) } else { self.event(write).value }
    }

    /// What comes of an operation that reads from `source`.
    pub(crate) fn effect(&self, update: Update, loc: Loc, source: EventId) -> Effect {
        update.effect(self.value(loc, source), self.queue(source))
    }

    /// Sequentially consistent events.
    pub(crate) fn sc(&self) -> &[EventId] {
        &self.sc
    }

    /// Whether some sequentially consistent event is not a fence.
    pub(crate) fn has_sc_accesses(&self) -> bool {
        self.sc_accesses > 0
    }

    /// How many deaths there are.
    pub(crate) fn deaths(&self) -> usize {
        self.deaths
    }

    pub(crate) fn clock(&self, event: EventId, which: Clock) -> &[u16] {
        self.clocks.get(event, which)
    }

    /// The event after which a thread's next event comes: its last one, or the one that starts it.
    pub(crate) fn before_next(&self, thread: usize) -> Option<EventId> {
        self.row(thread).last().copied().or_else(|| self.spawned_by(thread))
    }

    /// Whether `clock` covers `event`.
    pub(crate) fn covers(&self, clock: &[u16], event: EventId) -> bool {
        let event = self.event(event);
        clock[usize::from(event.thread)] > event.pos
    }

    /// Whether `clock` of `later` covers `earlier`.
    pub(crate) fn is_before(&self, earlier: EventId, later: EventId, which: Clock) -> bool {
        earlier != later && self.covers(self.clocks.get(later, which), earlier)
    }

    /// Where a write stands in coherence order, counted from 1; the initial write has 0.
    pub(crate) fn rank(&self, write: EventId) -> usize {
        if write == NONE { 0 } else { self.event(write).place as usize + 1 }
    }

    /// The write with this rank.
    pub(crate) fn at_rank(&self, loc: Loc, rank: usize) -> EventId {
        rank.checked_sub(1).map_or(NONE, |place| self.location(loc).writes[place])
    }

    /// The ranks of the writes after which an access stands, from the first to the last: of a write its own, of a read
    /// that of its source; an idle operation stands anywhere between the writes that made it one and those that would
    /// give it something to do.
    #[inline]
    pub(crate) fn span(&self, access: EventId) -> (usize, usize) {
        let event = self.event(access);
        let rank = self.rank(if event.is_write() { access } else { event.link });
        if event.is_idle() { self.span_of_idle(event, rank) } else { (rank, rank) }
    }

    fn span_of_idle(&self, event: &Event, rank: usize) -> (usize, usize) {
        let is_idle_at = |&rank: &usize| self.is_idle_after(event.update, event.loc, self.at_rank(event.loc, rank));
        let first = (0..rank).rev().take_while(is_idle_at).last().unwrap_or(rank);
        let last = (rank + 1..=self.location(event.loc).writes.len()).take_while(is_idle_at).last().unwrap_or(rank);
        (first, last)
    }

    /// Whether an operation does nothing if it reads from `source`.
    pub(crate) fn is_idle_after(&self, update: Update, loc: Loc, source: EventId) -> bool {
        update.can_be_idle() && self.effect(update, loc, source) == Effect::Read
    }

    /// The first rank, from `least` on, at which reading means the same to an operation as at `rank`.
    pub(crate) fn first_alike(&self, update: Update, loc: Loc, least: usize, rank: usize) -> usize {
        let is_idle_at = |&rank: &usize| self.is_idle_after(update, loc, self.at_rank(loc, rank));
        if self.faults.idle_apart || !is_idle_at(&rank) {
            return rank;
        }
        (least..rank).rev().take_while(is_idle_at).last().unwrap_or(rank)
    }

    /// The last rank at which reading means the same to a read as at that of its source.
    pub(crate) fn last_alike(&self, read: EventId) -> usize {
        if self.faults.idle_apart { self.rank(self.event(read).link) } else { self.span(read).1 }
    }

    /// Whether reading from `write`, of a location on which threads wait, means the same to an operation as reading what
    /// `write` itself read.
    pub(crate) fn means_nothing_new(&self, update: Update, write: EventId) -> bool {
        let Event { loc, link, .. } = *self.event(write);
        !self.faults.idle_apart
            && self.is_idle_after(update, loc, write)
            && self.is_idle_after(update, loc, self.event(link).link)
    }

    /// The queue of a location after `write`.
    pub(crate) fn queue(&self, write: EventId) -> &[Waiter] {
        if write == NONE {
            return &[];
        }
        let (start, length) = self.event(write).queue;
        &self.queues[start as usize..start as usize + length as usize]
    }

    /// The write that comes after `write` if that is the writing half of a read-modify-write of it.
    pub(crate) fn taker(&self, loc: Loc, write: EventId) -> Option<EventId> {
        let next = *self.location(loc).writes.get(self.rank(write))?;
        (self.event(next).rmw && self.event(self.event(next).link).link == write).then_some(next)
    }

    /// Adds an event at the end of its thread, with all clocks. A write has yet to be [`place`](Self::place)d.
    pub(crate) fn push(&mut self, mut event: Event) -> EventId {
        let id = self.next_id();
        let thread = usize::from(event.thread);
        if self.rows.len() <= thread {
            self.rows.resize_with(thread + 1, Row::default);
        }
        event.pos = narrow(self.rows[thread].events.len());
        event.queue = (u32::try_from(self.queues.len()).expect("queues are counted in 32 bits"), 0);
        event.fence = self.rows[thread].events.last().map_or(NONE, |&last| self.release_fence_after(last));
        self.events.push(event);
        self.clocks.push();
        self.compute_clocks(id);
        self.rows[thread].events.push(id);
        if event.loc != NOWHERE {
            if self.locations.len() <= event.loc as usize {
                self.locations.resize_with(event.loc as usize + 1, Location::default);
            }
            self.locations[event.loc as usize].accesses.push(id);
        }
        if event.kind == Kind::Spawn {
            let child = event.link as usize;
            if self.rows.len() <= child {
                self.rows.resize_with(child + 1, Row::default);
            }
            self.rows[child].spawned_by = Some(id);
        }
        self.count(&event, id);
        id
    }

    /// Puts the first `count` events of each thread into the causal past of the last event.
    pub(crate) fn cover(&mut self, counts: &[usize]) {
        let id = self.next_id() - 1;
        for (thread, &count) in counts.iter().enumerate() {
            let Some(&last) = count.checked_sub(1).and_then(|last| self.row(thread).get(last)) else { continue };
            self.clocks.join((id, Clock::Porf), (last, Clock::Porf));
            if self.causality == Causality::Everything {
                self.clocks.join((id, Clock::Hb), (last, Clock::Hb));
            }
        }
    }

    fn count(&mut self, event: &Event, id: EventId) {
        self.deaths += usize::from(event.kind == Kind::Death);
        if event.is_sc() {
            self.sc.push(id);
            self.sc_accesses += usize::from(event.kind != Kind::Fence);
        }
    }

    fn release_fence_after(&self, last: EventId) -> EventId {
        let event = self.event(last);
        if event.kind == Kind::Fence && releases(event.order) { last } else { event.fence }
    }

    /// Makes a read, the last event of its thread, another one: of another source, and so perhaps of another ordering.
    pub(crate) fn replace_read(&mut self, id: EventId, event: Event) {
        let old = core::mem::replace(self.event_mut(id), event);
        if old.is_sc() != event.is_sc() {
            match self.sc.binary_search(&id) {
                Ok(index) => {
                    self.sc.remove(index);
                    self.sc_accesses -= 1;
                }
                Err(index) => {
                    self.sc.insert(index, id);
                    self.sc_accesses += 1;
                }
            }
        }
        self.compute_clocks(id);
    }

    /// Computes the clocks of the last event of a thread from those of its past. Also after a revisit gave it another
    /// source.
    pub(crate) fn compute_clocks(&mut self, id: EventId) {
        use Clock::{Hb, Pending, Porf, Released};
        let event = *self.event(id);
        let thread = usize::from(event.thread);
        for which in [Hb, Porf, Pending, Released] {
            self.clocks.clear(id, which);
        }
        let row = &self.rows[thread];
        let previous = usize::from(event.pos).checked_sub(1).map(|before| row.events[before]);
        if let Some(previous) = previous {
            self.clocks.join((id, Pending), (previous, Pending));
        }
        if let Some(base) = previous.or(row.spawned_by) {
            self.clocks.join((id, Hb), (base, Hb));
            self.clocks.join((id, Porf), (base, Porf));
        }
        for which in [Hb, Porf] {
            self.clocks.set(id, which, thread, event.pos + 1);
        }
        match event.kind {
            Kind::Read if event.link != NONE => {
                self.clocks.join((id, Porf), (event.link, Porf));
                match self.causality {
                    // Where it reads is of no consequence, so it receives nothing.
                    Causality::ReleaseAcquire if event.is_idle() => {}
                    Causality::Everything => self.clocks.join((id, Hb), (event.link, Hb)),
                    Causality::ReleaseAcquire => {
                        let into = if acquires(event.order) { Hb } else { Pending };
                        self.clocks.join((id, into), (event.link, Released));
                    }
                }
            }
            Kind::Write if !event.silent => {
                if releases(event.order) {
                    self.clocks.join((id, Released), (id, Hb));
                } else if event.fence != NONE {
                    self.clocks.join((id, Released), (event.fence, Hb));
                }
                if event.rmw {
                    let read = self.event(event.link);
                    let continues = read.update.continues_release() && !self.faults.no_release_sequences;
                    if read.link != NONE && continues {
                        self.clocks.join((id, Released), (read.link, Released));
                    }
                }
            }
            Kind::Fence if acquires(event.order) && !self.faults.no_acquire_fences => {
                self.clocks.join((id, Hb), (id, Pending))
            }
            Kind::Join => {
                let child = event.link as usize;
                if let Some(last) = self.before_next(child) {
                    self.clocks.join((id, Porf), (last, Porf));
                    self.clocks.join((id, Hb), (last, Hb));
                }
                // What the child did after its last event is covered, too.
                let all = narrow(self.row(child).len() + 1);
                self.clocks.set(id, Hb, child, all);
            }
            Kind::Woken => {
                self.clocks.join((id, Porf), (event.link, Porf));
                if self.causality == Causality::Everything {
                    self.clocks.join((id, Hb), (event.link, Hb));
                }
            }
            _ => {}
        }
    }

    /// Puts a pushed write into coherence order, before the write that has this index now.
    pub(crate) fn place(&mut self, write: EventId, index: usize) {
        let Event { loc, .. } = *self.event(write);
        self.locations[loc as usize].writes.insert(index, write);
        self.renumber(loc, index);
    }

    /// Takes a write out of coherence order.
    pub(crate) fn displace(&mut self, write: EventId) {
        let Event { loc, place, .. } = *self.event(write);
        self.locations[loc as usize].writes.remove(place as usize);
        self.renumber(loc, place as usize);
    }

    fn renumber(&mut self, loc: Loc, from: usize) {
        let writes = &self.locations[loc as usize].writes;
        for (offset, &id) in writes[from..].iter().enumerate() {
            self.events[id as usize].place = u32::try_from(from + offset).expect("writes are counted in 32 bits");
        }
    }

    /// Gives the last event, a write that is the writing half of `read`, the queue that it leaves behind.
    pub(crate) fn set_queue(&mut self, write: EventId) {
        debug_assert_eq!(write + 1, self.next_id());
        let read = *self.event(self.event(write).link);
        let me = Waiter { thread: read.thread, pos: read.pos };
        let mut queue = self.queue(read.link).to_vec();
        read.update.apply_to_queue(me, &mut queue);
        let length = u32::try_from(queue.len()).expect("waiters are counted in 32 bits");
        self.queues.extend(queue);
        self.event_mut(write).queue.1 = length;
    }

    /// Removes the last event. `placed` says whether it is a write that is in coherence order.
    pub(crate) fn pop(&mut self, placed: bool) {
        let id = self.next_id() - 1;
        if placed {
            self.displace(id);
        }
        let Some(event) = self.events.pop() else { return };
        self.clocks.truncate(self.events.len());
        self.queues.truncate(event.queue.0 as usize);
        self.rows[usize::from(event.thread)].events.pop();
        if event.loc != NOWHERE {
            self.locations[event.loc as usize].accesses.pop();
        }
        if event.kind == Kind::Spawn {
            self.rows[event.link as usize].spawned_by = None;
        }
        self.deaths -= usize::from(event.kind == Kind::Death);
        if event.is_sc() {
            self.sc.pop();
            self.sc_accesses -= usize::from(event.kind != Kind::Fence);
        }
    }

    /// Removes all events from the one with this index on.
    pub(crate) fn truncate(&mut self, length: usize) {
        while self.events.len() > length {
            let last = self.events.len() - 1;
            let event = &self.events[last];
            let placed = event.is_write()
                && self.locations[event.loc as usize].writes.get(event.place as usize).copied()
                    == Some(self.next_id() - 1);
            self.pop(placed);
        }
    }
}

//! RC11's condition on sequentially consistent events: the partial order `psc` has no cycle.
//!
//! As Lahav, Vafeiadis, Kang, Hur and Dreyer have it ("Repairing sequential consistency in C/C++11", PLDI 2017):
//!
//! - `scb = sb ∪ sb|≠loc ; hb ; sb|≠loc ∪ hb|loc ∪ mo ∪ rb`,
//! - `psc_base = ([E^sc] ∪ [F^sc] ; hb?) ; scb ; ([E^sc] ∪ hb? ; [F^sc])`,
//! - `psc_F = [F^sc] ; (hb ∪ hb ; eco ; hb) ; [F^sc]`,
//! - `psc_base ∪ psc_F` is acyclic.
//!
//! Some checkers use the stronger `sb ; hb ; sb` in place of the second part of `scb`. The difference shows in Z6.U:
//! 24 executions here, 22 there.
//!
//! **Fences only.** Without sequentially consistent accesses `psc` is `psc_F`: a fence has no location, so what `scb`
//! adds between two fences is `hb` or `hb ; (mo ∪ rb) ; hb`. And of `hb ; eco ; hb` only the best access of each location
//! counts, which makes this case, the common one, cheap.

use crate::graph::{Clock, EventId, Graph, Kind, Loc};

/// Whether `psc` is acyclic.
pub(crate) fn is_sc_order_acyclic(graph: &Graph) -> bool {
    let events = graph.sc();
    // Those of one thread are in its order.
    if events.windows(2).all(|pair| graph.event(pair[0]).thread == graph.event(pair[1]).thread) {
        return true;
    }
    let mut order = Matrix::new(events.len());
    if graph.has_sc_accesses() {
        relate_all(graph, &mut order);
    } else {
        relate_fences(graph, &mut order);
    }
    order.has_no_cycle()
}

/// A relation between sequentially consistent events, by their index in [`Graph::sc`].
struct Matrix {
    size: usize,
    /// Words of 64 bits in a row.
    width: usize,
    bits: Vec<u64>,
}

type Bits = Vec<u64>;

fn bits(size: usize) -> Bits {
    vec![0; size.div_ceil(64)]
}

fn insert(set: &mut Bits, element: usize) {
    set[element / 64] |= 1 << (element % 64);
}

fn contains(set: &Bits, element: usize) -> bool {
    set[element / 64] >> (element % 64) & 1 == 1
}

fn unite(into: &mut Bits, from: &Bits) {
    into.iter_mut().zip(from).for_each(|(into, from)| *into |= from);
}

fn meet(one: &Bits, other: &Bits) -> bool {
    one.iter().zip(other).any(|(one, other)| one & other != 0)
}

impl Matrix {
    fn new(size: usize) -> Self {
        let width = size.div_ceil(64);
        Self { size, width, bits: vec![0; size * width] }
    }

    fn insert(&mut self, from: usize, to: usize) {
        self.bits[from * self.width + to / 64] |= 1 << (to % 64);
    }

    fn contains(&self, from: usize, to: usize) -> bool {
        self.bits[from * self.width + to / 64] >> (to % 64) & 1 == 1
    }

    fn has_no_cycle(mut self) -> bool {
        for middle in 0..self.size {
            for row in 0..self.size {
                if self.contains(row, middle) {
                    for word in 0..self.width {
                        self.bits[row * self.width + word] |= self.bits[middle * self.width + word];
                    }
                }
            }
        }
        (0..self.size).all(|event| !self.contains(event, event))
    }
}

/// The lowest ranks of a location's accesses that happen after a fence, and the highest of those before it.
#[derive(Clone, Copy)]
struct Reach {
    least_write: usize,
    least_read: usize,
    most_write: usize,
    most_read: usize,
}

/// The reaches of fences, with these clocks, into a location.
fn reach(graph: &Graph, fences: &[(EventId, &[u16])], loc: Loc, reaches: &mut Vec<Reach>) {
    const NOTHING: Reach = Reach { least_write: usize::MAX, least_read: usize::MAX, most_write: 0, most_read: 0 };
    reaches.clear();
    reaches.resize(fences.len(), NOTHING);
    for &access in &graph.location(loc).accesses {
        let (first, last) = graph.span(access);
        let is_write = graph.event(access).is_write();
        let past = graph.clock(access, Clock::Hb);
        for (&(fence, clock), reach) in fences.iter().zip(&mut *reaches) {
            if graph.covers(past, fence) {
                let least = if is_write { &mut reach.least_write } else { &mut reach.least_read };
                *least = last.min(*least);
            }
            if graph.covers(clock, access) {
                let most = if is_write { &mut reach.most_write } else { &mut reach.most_read };
                *most = first.max(*most);
            }
        }
    }
}

/// Whether accesses of more than one thread are among these.
fn is_shared(graph: &Graph, accesses: &[EventId]) -> bool {
    accesses.windows(2).any(|pair| graph.event(pair[0]).thread != graph.event(pair[1]).thread)
}

/// `psc_F`.
fn relate_fences(graph: &Graph, order: &mut Matrix) {
    let fences = graph.sc();
    for (from, &one) in fences.iter().enumerate() {
        for (to, &other) in fences.iter().enumerate() {
            if graph.is_before(one, other, Clock::Hb) {
                order.insert(from, to);
            }
        }
    }
    let fences: Vec<_> = fences.iter().map(|&fence| (fence, graph.clock(fence, Clock::Hb))).collect();
    let mut reaches: Vec<Reach> = Vec::with_capacity(fences.len());
    for (index, location) in graph.locations().iter().enumerate() {
        // Accesses of one thread are in its order, and so are the fences between which they stand.
        if location.writes.is_empty() || !is_shared(graph, &location.accesses) {
            continue;
        }
        let loc = Loc::try_from(index).expect("locations are counted in 32 bits");
        reach(graph, &fences, loc, &mut reaches);
        for (from, one) in reaches.iter().enumerate() {
            for (to, other) in reaches.iter().enumerate() {
                // eco from a write of rank i: to writes above i, to reads from i on. From a read of i (that is rb):
                // to writes above i, to reads above i.
                let related = other.most_write > one.least_write.min(one.least_read)
                    || other.most_read >= one.least_write
                    || other.most_read > one.least_read;
                if from != to && related {
                    order.insert(from, to);
                }
            }
        }
    }
}

/// `psc_base ∪ psc_F` as the paper writes it.
fn relate_all(graph: &Graph, order: &mut Matrix) {
    let size = graph.len();
    let ids = 0..graph.next_id();
    let hb: Vec<Bits> = ids
        .clone()
        .map(|from| {
            let mut row = bits(size);
            ids.clone().filter(|&to| graph.is_before(from, to, Clock::Hb)).for_each(|to| insert(&mut row, to as usize));
            row
        })
        .collect();
    let eco: Vec<Bits> = ids.clone().map(|from| eco_row(graph, from)).collect();
    let scb = scb_rows(graph, &hb, &eco);
    let compose = |row: &Bits, with: &[Bits]| {
        let mut composed = bits(size);
        (0..size).filter(|&middle| contains(row, middle)).for_each(|middle| unite(&mut composed, &with[middle]));
        composed
    };
    for (from, &one) in graph.sc().iter().enumerate() {
        let is_fence = graph.event(one).kind == Kind::Fence;
        let mut reached = scb[one as usize].clone();
        if is_fence {
            unite(&mut reached, &compose(&hb[one as usize], &scb));
        }
        let between = is_fence.then(|| {
            let mut between = compose(&compose(&hb[one as usize], &eco), &hb);
            unite(&mut between, &hb[one as usize]);
            between
        });
        for (to, &other) in graph.sc().iter().enumerate() {
            let ends_in_fence = graph.event(other).kind == Kind::Fence;
            let mut targets = bits(size);
            insert(&mut targets, other as usize);
            if ends_in_fence {
                ids.clone().filter(|&id| contains(&hb[id as usize], other as usize)).for_each(|id| {
                    insert(&mut targets, id as usize);
                });
            }
            let through_fences = ends_in_fence && between.as_ref().is_some_and(|set| contains(set, other as usize));
            if meet(&reached, &targets) || through_fences {
                order.insert(from, to);
            }
        }
    }
}

/// `eco` from one event.
fn eco_row(graph: &Graph, from: EventId) -> Bits {
    let mut row = bits(graph.len());
    let event = graph.event(from);
    if !event.is_read() && !event.is_write() {
        return row;
    }
    let (_, rank) = graph.span(from);
    for &access in graph.location(event.loc).accesses.iter().filter(|&&access| access != from) {
        let (other, _) = graph.span(access);
        if other > rank || (other == rank && event.is_write() && graph.event(access).is_read()) {
            insert(&mut row, access as usize);
        }
    }
    row
}

/// `scb` from each event.
fn scb_rows(graph: &Graph, hb: &[Bits], eco: &[Bits]) -> Vec<Bits> {
    let size = graph.len();
    let later = |id: usize, elsewhere: bool| {
        let event = graph.event(EventId::try_from(id).expect("an event's id"));
        let row = graph.row(event.thread.into());
        row[usize::from(event.pos) + 1..].iter().copied().filter(move |&other| {
            let is_access = event.is_read() || event.is_write();
            !elsewhere || !is_access || graph.event(other).loc != event.loc
        })
    };
    let sb_elsewhere: Vec<Bits> = (0..size)
        .map(|id| {
            let mut row = bits(size);
            later(id, true).for_each(|other| insert(&mut row, other as usize));
            row
        })
        .collect();
    let into_detour: Vec<Bits> = (0..size)
        .map(|id| {
            let mut row = bits(size);
            (0..size).filter(|&to| contains(&hb[id], to)).for_each(|to| unite(&mut row, &sb_elsewhere[to]));
            row
        })
        .collect();
    (0..size)
        .map(|id| {
            let mut row = bits(size);
            later(id, false).for_each(|other| insert(&mut row, other as usize));
            later(id, true).for_each(|other| unite(&mut row, &into_detour[other as usize]));
            let event = graph.event(EventId::try_from(id).expect("an event's id"));
            if event.is_read() || event.is_write() {
                for &access in &graph.location(event.loc).accesses {
                    let to = access as usize;
                    // mo and rb are the part of eco that ends in a write.
                    let is_ordered = graph.event(access).is_write() && contains(&eco[id], to);
                    if is_ordered || contains(&hb[id], to) {
                        insert(&mut row, to);
                    }
                }
            }
            row
        })
        .collect()
}

//! Execution graphs before coherence is chosen: the events of one run and how they are related.

use crate::axioms::Axioms;
use crate::mutant::Mutant;
use crate::program::{Op, Order};
use crate::readings::{FlatOp, Reading, Source};
use crate::relation::{EventSet, Relation};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// The write that gives a word its initial value.
    Initial,
    Read,
    Write,
    Fence,
}

/// One event. A read-modify-write that took effect has two: its read, then its write.
#[derive(Clone, Copy, Debug)]
struct Event {
    kind: Kind,
    /// The thread; meaningless for an initial write.
    thread: usize,
    /// The word; a fence has none.
    word: Option<usize>,
    order: Order,
}

/// A write of an operation: the event and the value.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Write {
    pub(crate) event: usize,
    pub(crate) value: u64,
}

/// The events of one run, with every relation that does not depend on the coherence order.
///
/// Events `0..words` are the initial writes; those of the operations follow, thread by thread, in program order.
#[derive(Clone, Debug)]
pub(crate) struct Graph {
    /// How many events there are.
    pub(crate) size: usize,
    /// The writes of operations, without the initial ones.
    pub(crate) writes: EventSet,
    pub(crate) fences: EventSet,
    /// Events whose ordering acquires; it means something for reads and fences.
    pub(crate) acquire: EventSet,
    /// Events whose ordering releases; it means something for writes and fences.
    pub(crate) release: EventSet,
    /// Sequentially consistent events, fences included.
    pub(crate) sc: EventSet,
    /// `sb`, sequenced before: program order, and each initial write before everything else.
    pub(crate) sb: Relation,
    /// `rf`, reads from: the write that a read takes its value from, related to that read.
    pub(crate) rf: Relation,
    /// The read of each read-modify-write, related to its write.
    pub(crate) rmw: Relation,
    /// Accesses of one word, related both ways. Fences access none.
    pub(crate) same_word: Relation,
    /// Per word, the writes of operations.
    pub(crate) writes_of: Vec<Vec<Write>>,
}

impl Graph {
    /// The graph in which the operations read and write as `reading` says.
    pub(crate) fn new(words: usize, ops: &[FlatOp], reading: &Reading, axioms: Axioms) -> Self {
        let mut events: Vec<Event> = (0..words)
            .map(|word| Event { kind: Kind::Initial, thread: 0, word: Some(word), order: Order::Relaxed })
            .collect();
        let mut read_of = vec![None; ops.len()];
        let mut write_of = vec![None; ops.len()];
        let mut writes_of = vec![Vec::new(); words];
        for (index, &FlatOp { thread, op }) in ops.iter().enumerate() {
            let written = reading.written(index);
            let order = order_of(&op, written.is_some(), axioms);
            let mut push = |kind| {
                events.push(Event { kind, thread, word: op.word(), order });
                Some(events.len() - 1)
            };
            let Some(word) = op.word() else {
                push(Kind::Fence);
                continue;
            };
            if op.reads() {
                read_of[index] = push(Kind::Read);
            }
            if let Some(value) = written {
                write_of[index] = push(Kind::Write);
                writes_of[word].extend(write_of[index].map(|event| Write { event, value }));
            }
        }

        let size = events.len();
        let mut rf = Relation::empty(size);
        let mut rmw = Relation::empty(size);
        for (index, flat) in ops.iter().enumerate() {
            let Some(read) = read_of[index] else { continue };
            let source = match reading.source(index) {
                Source::Initial => flat.op.word(),
                Source::Op(writer) => write_of[writer],
            };
            source.iter().for_each(|&write| rf.insert(write, read));
            write_of[index].iter().for_each(|&write| rmw.insert(read, write));
        }
        Self { rf, rmw, writes_of, ..Self::of_events(&events) }
    }

    /// The sets and relations that the events alone decide.
    fn of_events(events: &[Event]) -> Self {
        let size = events.len();
        let set = |member: &dyn Fn(&Event) -> bool| {
            let mut set = EventSet::default();
            events.iter().enumerate().filter(|(_, event)| member(event)).for_each(|(index, _)| set.insert(index));
            set
        };
        let relation = |related: &dyn Fn(usize, &Event, usize, &Event) -> bool| {
            let mut relation = Relation::empty(size);
            for (a, from) in events.iter().enumerate() {
                for (b, to) in events.iter().enumerate() {
                    if related(a, from, b, to) {
                        relation.insert(a, b);
                    }
                }
            }
            relation
        };
        Self {
            size,
            writes: set(&|event| event.kind == Kind::Write),
            fences: set(&|event| event.kind == Kind::Fence),
            acquire: set(&|event| event.order.acquires()),
            release: set(&|event| event.order.releases()),
            sc: set(&|event| event.order == Order::SeqCst),
            sb: relation(&|a, from, b, to| match (from.kind, to.kind) {
                (_, Kind::Initial) => false,
                (Kind::Initial, _) => true,
                _ => from.thread == to.thread && a < b,
            }),
            rf: Relation::empty(size),
            rmw: Relation::empty(size),
            same_word: relation(&|_, from, _, to| from.word.is_some() && from.word == to.word),
            writes_of: Vec::new(),
        }
    }
}

/// The ordering that the events of an operation have: of a compare-exchange, its success or its failure ordering.
fn order_of(op: &Op, writes: bool, axioms: Axioms) -> Order {
    match *op {
        Op::Load { order, .. }
        | Op::Store { order, .. }
        | Op::FetchAdd { order, .. }
        | Op::Swap { order, .. }
        | Op::Fence { order } => order,
        Op::CompareExchange { success, .. } if writes || axioms.has(Mutant::FailureWithSuccessOrder) => success,
        Op::CompareExchange { .. } if axioms.has(Mutant::FailureRelaxed) => Order::Relaxed,
        Op::CompareExchange { failure, .. } => failure,
    }
}

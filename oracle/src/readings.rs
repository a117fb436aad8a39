//! Which write each operation reads from, and the values that follow from that.

use crate::Program;
use crate::program::Op;
use crate::relation::Relation;

/// An operation of a program whose threads are laid out one after the other.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FlatOp {
    pub(crate) thread: usize,
    pub(crate) op: Op,
}

/// The operations of all threads in one row.
pub(crate) fn flatten(program: &Program) -> Vec<FlatOp> {
    let lanes = program.threads().iter().enumerate();
    lanes.flat_map(|(thread, ops)| ops.iter().map(move |&op| FlatOp { thread, op })).collect()
}

/// What a reading operation takes its value from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// The initial write of its word.
    Initial,
    /// The write of the operation with this index.
    Op(usize),
}

/// One complete choice of sources, with all values.
#[derive(Clone, Debug)]
pub(crate) struct Reading {
    sources: Vec<Source>,
    read: Vec<Option<u64>>,
    written: Vec<Option<u64>>,
}

impl Reading {
    /// What operation `index` reads from; meaningless for one that does not read.
    pub(crate) fn source(&self, index: usize) -> Source {
        self.sources[index]
    }

    /// The value that operation `index` returns, if it reads.
    pub(crate) fn read(&self, index: usize) -> Option<u64> {
        self.read[index]
    }

    /// The value that operation `index` writes, if it does.
    pub(crate) fn written(&self, index: usize) -> Option<u64> {
        self.written[index]
    }

    /// Propagates values from writes to reads until nothing changes. `None` if the choice makes no sense: a read's
    /// source does not write (a compare-exchange that fails), or read-modify-writes feed each other in a circle.
    fn resolve(ops: &[FlatOp], sources: &[Source]) -> Option<Self> {
        let mut read = vec![None; ops.len()];
        let mut written = vec![None; ops.len()];
        loop {
            let mut changed = false;
            for (index, FlatOp { op, .. }) in ops.iter().enumerate() {
                let value = match sources[index] {
                    _ if !op.reads() => None,
                    Source::Initial => Some(0),
                    Source::Op(writer) => written[writer],
                };
                let writes = op.written(value);
                changed |= (value, writes) != (read[index], written[index]);
                (read[index], written[index]) = (value, writes);
            }
            if !changed {
                break;
            }
        }
        let complete = ops.iter().zip(&read).all(|(flat, value)| flat.op.reads() == value.is_some());
        complete.then(|| Self { sources: sources.to_vec(), read, written })
    }
}

/// Which axioms may discard a choice before it is complete. This saves time and decides nothing: what is left is
/// judged by all axioms.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pruning {
    /// Discard when `sb ∪ rf` is cyclic.
    pub(crate) thin_air: bool,
    /// Discard when one word's accesses are read against program order, so that `sb ; eco` is reflexive.
    pub(crate) coherence: bool,
    /// Discard when two read-modify-writes read from one write.
    pub(crate) atomicity: bool,
}

/// Calls `visit` with every choice of sources that makes sense, but for those that `pruning` discards.
pub(crate) fn for_each_reading(ops: &[FlatOp], pruning: Pruning, visit: &mut dyn FnMut(&Reading)) {
    let mut start = Partial { sources: Vec::new(), porf: Relation::empty(ops.len()), mo: Relation::empty(ops.len()) };
    for (earlier, from) in ops.iter().enumerate() {
        for (later, to) in ops.iter().enumerate() {
            if earlier < later && from.thread == to.thread {
                start.porf.insert(earlier, later);
                if always_writes(&from.op) && always_writes(&to.op) && from.op.word() == to.op.word() {
                    start.mo.insert(earlier, later);
                }
            }
        }
    }
    Search { ops, pruning, visit }.extend(&start);
}

/// Whether the operation writes in every execution.
fn always_writes(op: &Op) -> bool {
    op.may_write() && !matches!(op, Op::CompareExchange { .. })
}

/// Sources chosen for the first few operations.
#[derive(Clone)]
struct Partial {
    sources: Vec<Source>,
    /// `(sb ∪ rf)⁺` between operations, as far as chosen.
    porf: Relation,
    /// The part of coherence order that program order and the choices force, transitively closed.
    mo: Relation,
}

struct Search<'a> {
    ops: &'a [FlatOp],
    pruning: Pruning,
    visit: &'a mut dyn FnMut(&Reading),
}

impl Search<'_> {
    /// Chooses a source for the next operation in every way.
    fn extend(&mut self, partial: &Partial) {
        let reader = partial.sources.len();
        let Some(FlatOp { op, .. }) = self.ops.get(reader) else {
            if let Some(reading) = Reading::resolve(self.ops, &partial.sources) {
                (self.visit)(&reading);
            }
            return;
        };
        if !op.reads() {
            let mut extended = partial.clone();
            extended.sources.push(Source::Initial);
            return self.extend(&extended);
        }
        let writers = (0..self.ops.len()).filter(|&writer| {
            let from = &self.ops[writer].op;
            writer != reader && from.may_write() && from.word() == op.word()
        });
        let candidates: Vec<Source> = core::iter::once(Source::Initial).chain(writers.map(Source::Op)).collect();
        for source in candidates {
            if let Some(extended) = self.with_source(partial, source) {
                self.extend(&extended);
            }
        }
    }

    /// The partial choice in which the next operation, a reader, reads from `source`; `None` if it is discarded.
    fn with_source(&self, partial: &Partial, source: Source) -> Option<Partial> {
        let reader = partial.sources.len();
        let mut extended = partial.clone();
        extended.sources.push(source);
        if let Source::Op(writer) = source {
            extended.porf.insert(writer, reader);
            extended.porf = extended.porf.plus();
        }
        if self.pruning.thin_air && !extended.porf.is_irreflexive() {
            return None;
        }
        if self.pruning.atomicity && self.is_taken(partial, source) {
            return None;
        }
        if self.pruning.coherence && !self.order_by_coherence(&mut extended) {
            return None;
        }
        Some(extended)
    }

    /// Whether the next operation and an earlier one are read-modify-writes that both read from `source`.
    fn is_taken(&self, partial: &Partial, source: Source) -> bool {
        let reader = &self.ops[partial.sources.len()].op;
        let rival = |op: &Op| op.reads() && always_writes(op) && op.word() == reader.word();
        rival(reader) && self.ops.iter().zip(&partial.sources).any(|(flat, &taken)| taken == source && rival(&flat.op))
    }

    /// Adds to `mo` what the source of the last reader forces: along program order, the accesses of one word meet its
    /// writes in coherence order. `false` if that is impossible.
    fn order_by_coherence(&self, partial: &mut Partial) -> bool {
        let reader = partial.sources.len() - 1;
        let FlatOp { thread, op } = self.ops[reader];
        let source = partial.sources[reader];
        let mut possible = true;
        let mut order = |earlier: Source, later: Source| match (earlier, later) {
            _ if earlier == later => {}
            (_, Source::Initial) => possible = false,
            (Source::Initial, Source::Op(_)) => {}
            (Source::Op(earlier), Source::Op(later)) => partial.mo.insert(earlier, later),
        };
        for (index, other) in self.ops.iter().enumerate() {
            if other.thread != thread || other.op.word() != op.word() {
                continue;
            }
            if index >= reader && always_writes(&other.op) {
                order(source, Source::Op(index));
            } else if index < reader && always_writes(&other.op) {
                order(Source::Op(index), source);
            } else if index < reader {
                order(partial.sources[index], source);
            }
        }
        partial.mo = partial.mo.plus();
        possible && partial.mo.is_irreflexive()
    }
}

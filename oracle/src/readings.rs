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

/// Calls `visit` with every choice of sources that makes sense; unless `cyclic` is set, only those in which
/// `sb ∪ rf` is acyclic (no thin air).
pub(crate) fn for_each_reading(ops: &[FlatOp], cyclic: bool, visit: &mut dyn FnMut(&Reading)) {
    let mut order = Relation::empty(ops.len());
    for (earlier, from) in ops.iter().enumerate() {
        for (later, to) in ops.iter().enumerate() {
            if earlier < later && from.thread == to.thread {
                order.insert(earlier, later);
            }
        }
    }
    Search { ops, cyclic, visit }.extend(&mut Vec::with_capacity(ops.len()), &order);
}

struct Search<'a> {
    ops: &'a [FlatOp],
    cyclic: bool,
    visit: &'a mut dyn FnMut(&Reading),
}

impl Search<'_> {
    /// Chooses a source for the next operation in every way. `order` is program order with the choices made so far,
    /// transitively closed.
    fn extend(&mut self, sources: &mut Vec<Source>, order: &Relation) {
        let reader = sources.len();
        let Some(FlatOp { op, .. }) = self.ops.get(reader) else {
            if let Some(reading) = Reading::resolve(self.ops, sources) {
                (self.visit)(&reading);
            }
            return;
        };
        sources.push(Source::Initial);
        self.extend(sources, order);
        sources.pop();
        if !op.reads() {
            return;
        }
        for (writer, from) in self.ops.iter().enumerate() {
            if writer == reader || !from.op.may_write() || from.op.word() != op.word() {
                continue;
            }
            if !self.cyclic && order.contains(reader, writer) {
                continue;
            }
            let mut extended = *order;
            extended.insert(writer, reader);
            sources.push(Source::Op(writer));
            self.extend(sources, &extended.plus());
            sources.pop();
        }
    }
}

//! What cells hold, for a search over states: which write each of them has seen last, and what each thread has read.
//!
//! A value is a function of what its writer had read until then, so that the write stands for it. Which cell a write
//! is to follows from that, too; so no cell needs a name.

use std::collections::BTreeSet;

/// A write to a cell: the thread, how many events it had executed, and how many accesses to cells it had made since.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Writing {
    pub(crate) thread: usize,
    pub(crate) executed: usize,
    pub(crate) nth: usize,
}

/// What a thread has found in some cell, and after how many of its events.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Found {
    pub(crate) executed: usize,
    pub(crate) contents: Option<Writing>,
}

/// All cells of a run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cells {
    /// What they hold, of those that have been written to.
    contents: BTreeSet<Writing>,
    /// What each thread has found.
    found: Vec<Vec<Found>>,
}

impl Cells {
    pub(crate) fn clear(&mut self) {
        self.contents.clear();
        self.found.clear();
    }

    /// Notes an access of `thread` to a cell with these contents; returns what it holds now.
    pub(super) fn access(
        &mut self,
        (thread, executed): (usize, usize),
        contents: Option<Writing>,
        writes: bool,
    ) -> Option<Writing> {
        if self.found.len() <= thread {
            self.found.resize(thread + 1, Vec::new());
        }
        let found = &mut self.found[thread];
        let nth = found.iter().rev().take_while(|before| before.executed == executed).count();
        found.push(Found { executed, contents });
        if !writes {
            return contents;
        }
        let now = Writing { thread, executed, nth };
        contents.iter().for_each(|before| {
            self.contents.remove(before);
        });
        self.contents.insert(now);
        Some(now)
    }

    /// What a thread has found, in its order.
    pub(crate) fn found_by(&self, thread: usize) -> &[Found] {
        self.found.get(thread).map_or(&[], Vec::as_slice)
    }

    /// The last write to each cell that has been written to.
    pub(crate) fn contents(&self) -> impl Iterator<Item = &Writing> {
        self.contents.iter()
    }
}

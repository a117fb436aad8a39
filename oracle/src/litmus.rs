//! The litmus shapes and probes of the conformance matrix, as data.
//!
//! A shape is a few threads of loads and stores with one outcome that sequential consistency forbids (its weak
//! outcome). A [`Column`] gives all its accesses their orderings, and the [`Verdict`] says whether C++20 or RC11 allow
//! the weak outcome then.

use crate::outcome::Outcome;
use crate::program::{Op, Order, Program, ProgramError};

mod probes;
mod shapes;

pub use probes::{PROBES, Probe};
pub use shapes::SHAPES;

/// The words of the shapes.
pub(crate) const X: usize = 0;
/// The second word.
pub(crate) const Y: usize = 1;
/// The third word.
pub(crate) const Z: usize = 2;

/// How the accesses of a shape are ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Column {
    /// All relaxed.
    Relaxed,
    /// Stores release, loads acquire.
    ReleaseAcquire,
    /// All sequentially consistent.
    SeqCst,
    /// All relaxed, with a sequentially consistent fence between any two accesses of a thread.
    Fenced,
}

impl Column {
    /// Every column, in the order of [`Shape::verdicts`].
    pub const ALL: [Self; 4] = [Self::Relaxed, Self::ReleaseAcquire, Self::SeqCst, Self::Fenced];

    /// The column's heading.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Relaxed => "relaxed",
            Self::ReleaseAcquire => "release/acquire",
            Self::SeqCst => "SeqCst access",
            Self::Fenced => "relaxed + fence(SeqCst)",
        }
    }
}

/// Whether a model allows an outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// By C++20 and by RC11.
    Allowed,
    /// By neither.
    Forbidden,
    /// By C++20 but not by RC11: it needs a cycle of program order and reads-from (load buffering).
    ForbiddenInRc11,
}

impl Verdict {
    /// Whether RC11 allows the outcome.
    #[must_use]
    pub const fn in_rc11(self) -> bool {
        matches!(self, Self::Allowed)
    }
}

/// One access of a shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// A load of a word.
    Read(usize),
    /// A store of a value to a word.
    Write(usize, u64),
}

/// One condition on an outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// The reading operation `index` (counted among the thread's reading operations) of `thread` returned `value`.
    Read {
        /// The thread.
        thread: usize,
        /// Which of its reading operations.
        index: usize,
        /// The value returned.
        value: u64,
    },
    /// The last write of `word` in coherence order wrote `value`.
    Final {
        /// The word.
        word: usize,
        /// Its final value.
        value: u64,
    },
}

impl Condition {
    /// Whether `outcome` satisfies the condition.
    #[must_use]
    pub fn holds(&self, outcome: &Outcome) -> bool {
        match *self {
            Self::Read { thread, index, value } => {
                outcome.reads.get(thread).and_then(|reads| reads.get(index)) == Some(&value)
            }
            Self::Final { word, value } => outcome.finals.get(word) == Some(&value),
        }
    }
}

/// A read condition, in short.
const fn read(thread: usize, index: usize, value: u64) -> Condition {
    Condition::Read { thread, index, value }
}

/// A condition on a final value, in short.
const fn last(word: usize, value: u64) -> Condition {
    Condition::Final { word, value }
}

/// A litmus shape.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// Its name in the literature.
    pub name: &'static str,
    /// The accesses of each thread.
    pub threads: &'static [&'static [Access]],
    /// The weak outcome: all of these hold.
    pub weak: &'static [Condition],
    /// Per column of [`Column::ALL`], the verdict on the weak outcome.
    pub verdicts: [Verdict; 4],
}

impl Shape {
    /// Whether `outcome` is the weak one.
    #[must_use]
    pub fn is_weak(&self, outcome: &Outcome) -> bool {
        self.weak.iter().all(|condition| condition.holds(outcome))
    }

    /// The verdict on the weak outcome.
    #[must_use]
    pub const fn verdict(&self, column: Column) -> Verdict {
        let [relaxed, release_acquire, seq_cst, fenced] = self.verdicts;
        match column {
            Column::Relaxed => relaxed,
            Column::ReleaseAcquire => release_acquire,
            Column::SeqCst => seq_cst,
            Column::Fenced => fenced,
        }
    }

    /// The shape as a program.
    ///
    /// # Errors
    ///
    /// None for the shapes of [`SHAPES`]; a shape of the caller's own may be no valid program.
    pub fn program(&self, column: Column) -> Result<Program, ProgramError> {
        let (load, store) = match column {
            Column::Relaxed | Column::Fenced => (Order::Relaxed, Order::Relaxed),
            Column::ReleaseAcquire => (Order::Acquire, Order::Release),
            Column::SeqCst => (Order::SeqCst, Order::SeqCst),
        };
        let lane = |accesses: &&[Access]| {
            let mut ops = Vec::new();
            for access in *accesses {
                if column == Column::Fenced && !ops.is_empty() {
                    ops.push(Op::fence(Order::SeqCst));
                }
                ops.push(match *access {
                    Access::Read(word) => Op::load(word, load),
                    Access::Write(word, value) => Op::store(word, value, store),
                });
            }
            ops
        };
        let words = self.threads.iter().flat_map(|accesses| accesses.iter()).map(|access| match *access {
            Access::Read(word) | Access::Write(word, _) => word + 1,
        });
        Program::new(words.max().unwrap_or(0), self.threads.iter().map(lane).collect())
    }
}

//! Programs: a few threads of atomic operations with constant operands on a few words.

use core::fmt;

use crate::relation::MAX_EVENTS;

/// A memory ordering of C++20 and Rust.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Order {
    /// Atomicity and coherence, nothing else.
    Relaxed,
    /// Of reads and fences: receives what a release published.
    Acquire,
    /// Of writes and fences: publishes what came before.
    Release,
    /// Acquire and release, of read-modify-writes and fences.
    AcqRel,
    /// Acquire, release, and a place in the partial order of sequentially consistent events.
    SeqCst,
}

impl Order {
    /// Every ordering.
    pub const ALL: [Self; 5] = [Self::Relaxed, Self::Acquire, Self::Release, Self::AcqRel, Self::SeqCst];

    /// Whether a read or fence with this ordering can receive.
    #[must_use]
    pub const fn acquires(self) -> bool {
        matches!(self, Self::Acquire | Self::AcqRel | Self::SeqCst)
    }

    /// Whether a write or fence with this ordering can publish.
    #[must_use]
    pub const fn releases(self) -> bool {
        matches!(self, Self::Release | Self::AcqRel | Self::SeqCst)
    }

    /// Whether this ordering promises everything that `other` promises.
    #[must_use]
    pub const fn is_at_least(self, other: Self) -> bool {
        match other {
            Self::Relaxed => true,
            Self::Acquire => self.acquires(),
            Self::Release => self.releases(),
            Self::AcqRel => self.acquires() && self.releases(),
            Self::SeqCst => matches!(self, Self::SeqCst),
        }
    }

    /// Whether a load, or the failure of a compare-exchange, may have this ordering.
    #[must_use]
    pub const fn fits_load(self) -> bool {
        matches!(self, Self::Relaxed | Self::Acquire | Self::SeqCst)
    }

    /// Whether a store may have this ordering.
    #[must_use]
    pub const fn fits_store(self) -> bool {
        matches!(self, Self::Relaxed | Self::Release | Self::SeqCst)
    }

    /// Whether a fence may have this ordering.
    #[must_use]
    pub const fn fits_fence(self) -> bool {
        !matches!(self, Self::Relaxed)
    }
}

/// One atomic operation. Operands are constants; `word` is an index below [`Program::words`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Op {
    /// Reads a word.
    Load {
        /// The word read.
        word: usize,
        /// Relaxed, acquire or sequentially consistent.
        order: Order,
    },
    /// Writes a word.
    Store {
        /// The word written.
        word: usize,
        /// What is written.
        value: u64,
        /// Relaxed, release or sequentially consistent.
        order: Order,
    },
    /// Atomically reads a word and writes the sum (which wraps).
    FetchAdd {
        /// The word read and written.
        word: usize,
        /// What is added.
        value: u64,
        /// Any ordering.
        order: Order,
    },
    /// Atomically reads a word and writes another value.
    Swap {
        /// The word read and written.
        word: usize,
        /// What is written.
        value: u64,
        /// Any ordering.
        order: Order,
    },
    /// The strong compare-exchange: writes `new` if the value read is `expected`; otherwise it is a plain read with
    /// the `failure` ordering, and may then read any value that a load could.
    CompareExchange {
        /// The word read, and written on success.
        word: usize,
        /// The value that makes it succeed.
        expected: u64,
        /// What is written on success.
        new: u64,
        /// Any ordering; that of the read-modify-write on success.
        success: Order,
        /// Relaxed, acquire or sequentially consistent; that of the read on failure.
        failure: Order,
    },
    /// A fence.
    Fence {
        /// Any ordering but relaxed.
        order: Order,
    },
}

impl Op {
    /// A load.
    #[must_use]
    pub const fn load(word: usize, order: Order) -> Self {
        Self::Load { word, order }
    }

    /// A store.
    #[must_use]
    pub const fn store(word: usize, value: u64, order: Order) -> Self {
        Self::Store { word, value, order }
    }

    /// A fetch-and-add.
    #[must_use]
    pub const fn fetch_add(word: usize, value: u64, order: Order) -> Self {
        Self::FetchAdd { word, value, order }
    }

    /// A swap.
    #[must_use]
    pub const fn swap(word: usize, value: u64, order: Order) -> Self {
        Self::Swap { word, value, order }
    }

    /// A strong compare-exchange.
    #[must_use]
    pub const fn compare_exchange(word: usize, expected: u64, new: u64, success: Order, failure: Order) -> Self {
        Self::CompareExchange { word, expected, new, success, failure }
    }

    /// A fence.
    #[must_use]
    pub const fn fence(order: Order) -> Self {
        Self::Fence { order }
    }

    /// The word that the operation accesses; a fence accesses none.
    #[must_use]
    pub const fn word(&self) -> Option<usize> {
        match *self {
            Self::Load { word, .. }
            | Self::Store { word, .. }
            | Self::FetchAdd { word, .. }
            | Self::Swap { word, .. }
            | Self::CompareExchange { word, .. } => Some(word),
            Self::Fence { .. } => None,
        }
    }

    /// Whether the operation returns a value.
    #[must_use]
    pub const fn reads(&self) -> bool {
        !matches!(self, Self::Store { .. } | Self::Fence { .. })
    }

    /// Whether the operation writes in some execution.
    #[must_use]
    pub const fn may_write(&self) -> bool {
        !matches!(self, Self::Load { .. } | Self::Fence { .. })
    }

    /// What the operation writes after reading `read` (`None` for an operation that does not read, or whose value
    /// read is not known); `None` if it writes nothing, or nothing that is known.
    pub(crate) fn written(&self, read: Option<u64>) -> Option<u64> {
        match *self {
            Self::Load { .. } | Self::Fence { .. } => None,
            Self::Store { value, .. } => Some(value),
            Self::FetchAdd { value, .. } => read.map(|old| old.wrapping_add(value)),
            Self::Swap { value, .. } => read.map(|_| value),
            Self::CompareExchange { expected, new, .. } => read.filter(|&old| old == expected).map(|_| new),
        }
    }

    /// How many events the operation has at most: a read-modify-write is a read and a write.
    const fn event_count(&self) -> usize {
        if self.reads() && self.may_write() { 2 } else { 1 }
    }

    /// The first ordering that the operation may not have.
    fn unfit_order(&self) -> Option<Order> {
        let unless = |fits: bool, order| (!fits).then_some(order);
        match *self {
            Self::Load { order, .. } => unless(order.fits_load(), order),
            Self::Store { order, .. } => unless(order.fits_store(), order),
            Self::FetchAdd { .. } | Self::Swap { .. } => None,
            Self::CompareExchange { failure, .. } => unless(failure.fits_load(), failure),
            Self::Fence { order } => unless(order.fits_fence(), order),
        }
    }
}

/// Why a program was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProgramError {
    /// An operation names a word that the program does not have.
    NoSuchWord {
        /// The thread.
        thread: usize,
        /// The operation's index in the thread.
        index: usize,
        /// The word named.
        word: usize,
    },
    /// An operation has an ordering that the language does not allow there.
    UnfitOrder {
        /// The thread.
        thread: usize,
        /// The operation's index in the thread.
        index: usize,
        /// The ordering.
        order: Order,
    },
    /// An execution could have more than 64 events. Each word counts one (its initial write), a read-modify-write two,
    /// any other operation one.
    TooManyEvents {
        /// How many it could have.
        events: usize,
    },
}

impl fmt::Display for ProgramError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSuchWord { thread, index, word } => {
                write!(f, "thread {thread}, operation {index}: there is no word {word}")
            }
            Self::UnfitOrder { thread, index, order } => {
                write!(f, "thread {thread}, operation {index}: {order:?} is not allowed here")
            }
            Self::TooManyEvents { events } => write!(f, "{events} events are more than {MAX_EVENTS}"),
        }
    }
}

impl core::error::Error for ProgramError {}

/// A program: words that are 0 at first, and threads that start together. Valid by construction.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Program {
    words: usize,
    threads: Vec<Vec<Op>>,
}

impl Program {
    /// Checks the program and makes it.
    ///
    /// # Errors
    ///
    /// See [`ProgramError`].
    pub fn new(words: usize, threads: Vec<Vec<Op>>) -> Result<Self, ProgramError> {
        let mut events = words;
        for (thread, ops) in threads.iter().enumerate() {
            for (index, op) in ops.iter().enumerate() {
                if let Some(word) = op.word().filter(|&word| word >= words) {
                    return Err(ProgramError::NoSuchWord { thread, index, word });
                }
                if let Some(order) = op.unfit_order() {
                    return Err(ProgramError::UnfitOrder { thread, index, order });
                }
                events = events.saturating_add(op.event_count());
            }
        }
        if events > MAX_EVENTS {
            return Err(ProgramError::TooManyEvents { events });
        }
        Ok(Self { words, threads })
    }

    /// How many words there are.
    #[must_use]
    pub const fn words(&self) -> usize {
        self.words
    }

    /// The operations of each thread, in program order.
    #[must_use]
    pub fn threads(&self) -> &[Vec<Op>] {
        &self.threads
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Order::{AcqRel, Acquire, Relaxed, Release, SeqCst};

    fn refused(op: Op) -> bool {
        matches!(Program::new(1, vec![vec![], vec![op]]), Err(ProgramError::UnfitOrder { thread: 1, index: 0, .. }))
    }

    #[test]
    fn orderings_are_those_of_the_language() {
        let fits = |make: fn(Order) -> Op| Order::ALL.into_iter().filter(|&o| !refused(make(o))).collect::<Vec<_>>();
        assert_eq!(fits(|o| Op::load(0, o)), [Relaxed, Acquire, SeqCst]);
        assert_eq!(fits(|o| Op::store(0, 1, o)), [Relaxed, Release, SeqCst]);
        assert_eq!(fits(|o| Op::fetch_add(0, 1, o)), Order::ALL);
        assert_eq!(fits(|o| Op::swap(0, 1, o)), Order::ALL);
        assert_eq!(fits(|o| Op::compare_exchange(0, 0, 1, o, Relaxed)), Order::ALL);
        assert_eq!(fits(|o| Op::compare_exchange(0, 0, 1, SeqCst, o)), [Relaxed, Acquire, SeqCst]);
        assert_eq!(fits(Op::fence), [Acquire, Release, AcqRel, SeqCst]);
    }

    #[test]
    fn the_orderings_form_a_diamond_with_seq_cst_on_top() {
        let below = |top: Order| Order::ALL.into_iter().filter(|&o| top.is_at_least(o)).collect::<Vec<_>>();
        assert_eq!(below(Relaxed), [Relaxed]);
        assert_eq!(below(Acquire), [Relaxed, Acquire]);
        assert_eq!(below(Release), [Relaxed, Release]);
        assert_eq!(below(AcqRel), [Relaxed, Acquire, Release, AcqRel]);
        assert_eq!(below(SeqCst), Order::ALL);
    }

    #[test]
    fn words_and_sizes_are_checked() {
        let error = Program::new(1, vec![vec![Op::load(1, Relaxed)]]);
        assert_eq!(error, Err(ProgramError::NoSuchWord { thread: 0, index: 0, word: 1 }));
        let adds = |count| vec![vec![Op::fetch_add(0, 1, Relaxed); count]];
        assert!(Program::new(2, adds(31)).is_ok());
        assert_eq!(Program::new(3, adds(31)), Err(ProgramError::TooManyEvents { events: 65 }));
    }
}

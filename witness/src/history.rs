//! Histories: what was called, how it ended, and what was over before what began.

use crate::set::Set;

/// How an operation ended.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum End<R> {
    /// With this result.
    Returned(R),
    /// Its thread was killed in the middle: it took effect, with any result, or not at all.
    Pending,
    /// It waits for ever, and its thread lives.
    Blocked,
}

/// One operation of a history.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Entry<O, R> {
    /// The thread that called it.
    pub thread: usize,
    /// What it called.
    pub operation: O,
    /// How it ended.
    pub end: End<R>,
}

/// A point in time, or in a partial order.
pub trait Instant {
    /// Whether the return of an operation at this instant comes before a call at `call`.
    fn is_before(&self, call: &Self) -> bool;

    /// Whether what was done before a call at this instant is known at the return at `end`.
    fn is_known_at(&self, end: &Self) -> bool;
}

/// A stamp of one clock. Equal stamps say nothing; and of memory a clock says nothing.
impl Instant for u64 {
    fn is_before(&self, call: &Self) -> bool {
        self < call
    }

    fn is_known_at(&self, _end: &Self) -> bool {
        true
    }
}

/// A vector clock: a point between two events of a thread, and how much of each thread happens before it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Moment {
    /// The thread, as an index of `seen`.
    pub thread: usize,
    /// How many events of each thread happen before; of its own, how many it has had.
    pub seen: Vec<u16>,
}

impl Moment {
    fn own(&self) -> u16 {
        self.seen.get(self.thread).copied().unwrap_or(0)
    }

    fn of(&self, thread: usize) -> u16 {
        self.seen.get(thread).copied().unwrap_or(0)
    }
}

impl Instant for Moment {
    /// All events before this moment happen before that one.
    fn is_before(&self, call: &Self) -> bool {
        call.of(self.thread) >= self.own()
    }

    /// An event after this moment happens before that one, and so does all that came before this moment.
    fn is_known_at(&self, end: &Self) -> bool {
        end.of(self.thread) > self.own() || self.thread == end.thread
    }
}

/// An operation as it was recorded.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Record<O, R, T> {
    /// The thread that called it.
    pub thread: usize,
    /// What it called.
    pub operation: O,
    /// When.
    pub called: T,
    /// How it ended.
    pub end: End<R>,
    /// When it returned, if anybody knows; what returned at no known time precedes nothing of other threads.
    pub returned: Option<T>,
}

/// Operations in a partial order.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct History<O, R> {
    entries: Vec<Entry<O, R>>,
    /// For each operation those that were over when it began.
    before: Vec<Set>,
    /// For each operation those of which it does not know, when it returns, what came before their calls.
    unknown: Vec<Set>,
}

impl<O, R> Default for History<O, R> {
    fn default() -> Self {
        Self::new()
    }
}

impl<O, R> History<O, R> {
    /// A history without operations.
    #[must_use]
    pub fn new() -> Self {
        Self { entries: Vec::new(), before: Vec::new(), unknown: Vec::new() }
    }

    /// Adds an operation, after those of the same thread, and returns its index.
    ///
    /// # Panics
    /// If there are [`MOST`](crate::MOST) already.
    pub fn add(&mut self, thread: usize, operation: O, end: End<R>) -> usize {
        let index = self.entries.len();
        let of_thread = |earlier: &usize| self.entries.get(*earlier).is_some_and(|entry| entry.thread == thread);
        let before = (0..index).filter(of_thread).fold(Set::EMPTY, Set::with);
        // Also looks whether there is room.
        let _ = Set::EMPTY.with(index);
        self.entries.push(Entry { thread, operation, end });
        self.before.push(before);
        self.unknown.push(Set::EMPTY);
        index
    }

    /// Says that `earlier` was over when `later` began. The order has to be transitive; nobody completes it.
    pub fn precede(&mut self, earlier: usize, later: usize) {
        if let Some(before) = self.before.get_mut(later) {
            *before = before.with(earlier);
        }
    }

    /// Says that what came before the call of `earlier` is not known at the return of `later`.
    pub fn hide(&mut self, earlier: usize, later: usize) {
        if let Some(unknown) = self.unknown.get_mut(later) {
            *unknown = unknown.with(earlier);
        }
    }

    /// Gives an operation another end.
    pub fn set_end(&mut self, index: usize, end: End<R>) {
        if let Some(entry) = self.entries.get_mut(index) {
            entry.end = end;
        }
    }

    /// The operations.
    #[must_use]
    pub fn entries(&self) -> &[Entry<O, R>] {
        &self.entries
    }

    /// Whether `earlier` was over when `later` began.
    #[must_use]
    pub fn is_before(&self, earlier: usize, later: usize) -> bool {
        self.before(later).has(earlier)
    }

    /// Whether what came before the call of `earlier` is known at the return of `later`.
    #[must_use]
    pub fn is_known(&self, earlier: usize, later: usize) -> bool {
        !self.unknown.get(later).is_some_and(|unknown| unknown.has(earlier))
    }

    pub(crate) fn before(&self, index: usize) -> Set {
        self.before.get(index).copied().unwrap_or_default()
    }

    /// The operations whose end is such.
    pub(crate) fn such(&self, wanted: impl Fn(&End<R>) -> bool) -> Set {
        let such = self.entries.iter().enumerate().filter(|(_, entry)| wanted(&entry.end));
        such.fold(Set::EMPTY, |set, (index, _)| set.with(index))
    }
}

impl<O: Clone, R: Clone> History<O, R> {
    /// The history of these records. Those of one thread stand in the order of their calls.
    #[must_use]
    pub fn of<T: Instant>(records: &[Record<O, R, T>]) -> Self {
        let mut history = Self::new();
        for record in records {
            history.add(record.thread, record.operation.clone(), record.end.clone());
        }
        for (later, of_later) in records.iter().enumerate() {
            for (earlier, of_earlier) in records.iter().enumerate().filter(|(_, one)| one.thread != of_later.thread) {
                if of_earlier.returned.as_ref().is_some_and(|returned| returned.is_before(&of_later.called)) {
                    history.precede(earlier, later);
                }
                if of_later.returned.as_ref().is_some_and(|returned| !of_earlier.called.is_known_at(returned)) {
                    history.hide(earlier, later);
                }
            }
        }
        history
    }

    /// Without some of its operations.
    pub(crate) fn without(&self, dropped: Set) -> Self {
        let kept: Vec<usize> = Set::below(self.entries.len()).minus(dropped).iter().collect();
        let renamed = |set: Set| {
            let kept = kept.iter().enumerate().filter(|(_, old)| set.has(**old));
            kept.fold(Set::EMPTY, |set, (new, _)| set.with(new))
        };
        let sets = |sets: &[Set]| {
            kept.iter().map(|old| renamed(sets.get(*old).copied().unwrap_or_default())).collect::<Vec<_>>()
        };
        let entries = kept.iter().filter_map(|old| self.entries.get(*old).cloned()).collect();
        Self { entries, before: sets(&self.before), unknown: sets(&self.unknown) }
    }

    /// Without the order of two operations.
    pub(crate) fn without_order(&self, earlier: usize, later: usize) -> Self {
        let mut weaker = self.clone();
        if let Some(before) = weaker.before.get_mut(later) {
            *before = before.minus(Set::EMPTY.with(earlier));
        }
        weaker
    }

    /// As if what came before the call of one were known at the return of the other.
    pub(crate) fn with_knowledge(&self, earlier: usize, later: usize) -> Self {
        let mut weaker = self.clone();
        if let Some(unknown) = weaker.unknown.get_mut(later) {
            *unknown = unknown.minus(Set::EMPTY.with(earlier));
        }
        weaker
    }
}

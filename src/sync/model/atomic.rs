//! Atomic words and fences as instrumented steps.

use super::engine::{Engine, Rmw, Word32, Word64, current_engine, fence as engine_fence, last_access};
use super::futex::Queue;
use super::plan::{Mutation, OrderSlot};
use super::run::{Run, current_lane, current_run, set_current_lane};
use super::trace::{Action, Change, Event, Known, Site, SiteKind, SiteRecord};
use crate::sync::Ordering;
use core::cell::Cell;
use core::fmt::Display;
use core::panic::Location;
use std::rc::Rc;

/// Where a word was made, and how many were made at that place before it.
pub(super) type WordName = Option<(&'static Location<'static>, u32)>;

/// Whether the operation of the calling thread is to take place, and in which exploration.
pub(super) enum Start {
    /// The thread is dead or unwinding: nothing happens.
    Skip,
    /// It takes place; a run is there if the harness started one.
    Go(Option<Rc<Run>>),
}

#[track_caller]
pub(super) fn start() -> Start {
    if current_engine() == Engine::Plain {
        return Start::Go(None);
    }
    // While a coroutine unwinds, an operation would switch to another one in the middle of the unwinding.
    if std::thread::panicking() {
        return Start::Skip;
    }
    match current_run() {
        None => Start::Go(None),
        Some(run) => {
            if run.step() {
                Start::Go(Some(run))
            } else {
                Start::Skip
            }
        }
    }
}

/// Runs an engine operation, after which the calling coroutine is itself again.
pub(super) fn as_myself<R>(operation: impl FnOnce() -> R) -> R {
    let me = current_lane();
    let result = operation();
    set_current_lane(me);
    result
}

/// Records what is no access to a word, or one of which nothing more is to be known.
pub(super) fn record(run: Option<&Run>, location: &'static Location<'static>, word: WordName, action: Action) {
    record_as(run, location, word, action, Seen::default());
}

/// What is to be noted of an access beside what it did.
#[derive(Clone, Copy, Default)]
struct Seen {
    stale: bool,
    replaced: Option<u64>,
    known: Option<Known>,
}

fn record_as(run: Option<&Run>, location: &'static Location<'static>, word: WordName, action: Action, seen: Seen) {
    if let Some(run) = run.filter(|run| run.is_tracing()) {
        let lane = current_lane();
        let step = run.with_lane(lane, |lane| lane.steps.saturating_sub(1)).unwrap_or(0);
        let Seen { stale, replaced, known } = seen;
        run.record(Event { lane, step, location, word, action, stale, replaced, known });
    }
}

/// The access that has just been executed, as an engine with graphs has it.
fn known() -> Option<(Known, Option<u64>)> {
    if current_engine() != Engine::Treadle {
        return None;
    }
    let treadle::LastAccess { number, reads_from, behind, replaced } = last_access()?;
    Some((Known { number, reads_from, behind }, replaced))
}

/// Records a read that wrote nothing.
fn record_read(
    run: Option<&Run>,
    location: &'static Location<'static>,
    word: WordName,
    action: Action,
    is_newest: impl FnOnce() -> bool,
) {
    if run.is_some_and(Run::is_tracing) {
        let known = known().map(|(known, _)| known);
        let stale = known.map_or_else(|| !is_newest(), |known| known.behind > 0);
        record_as(run, location, word, action, Seen { stale, replaced: None, known });
    }
}

/// Records a write of `after` over `before`, which the engine may know better.
fn record_write(
    run: Option<&Run>,
    (location, kind): (&'static Location<'static>, SiteKind),
    word: WordName,
    action: Action,
    (before, after): (u64, u64),
) {
    let Some(run) = run.filter(|run| run.names_words()) else { return };
    let known = known();
    let before = known.and_then(|(_, replaced)| replaced).unwrap_or(before);
    if let Some((made_at, _)) = word {
        run.record_change(Change { site: Site::new(location, kind), made_at, before, after });
    }
    let known = known.map(|(known, _)| known);
    record_as(Some(run), location, word, action, Seen { stale: false, replaced: Some(before), known });
}

/// Notes what an operation showed its lane.
pub(super) fn saw(run: Option<&Run>, value: u64) {
    if let Some(run) = run.filter(|run| run.plan.outcomes) {
        run.saw(value);
    }
}

fn order_for(
    run: Option<&Run>,
    location: &'static Location<'static>,
    kind: SiteKind,
    order: Ordering,
    failure: Option<Ordering>,
) -> (Ordering, Option<Ordering>) {
    let Some(run) = run else { return (order, failure) };
    let site = Site::new(location, kind);
    run.record_site(location, kind, SiteRecord { order, failure, wakes: 0 });
    let main = run.order_at(site, OrderSlot::Main, order);
    (main, failure.map(|failure| run.order_at(site, OrderSlot::Failure, failure)))
}

macro_rules! model_atomic {
    ($(#[$doc:meta])* $name:ident, $word:ident, $value:ty $(, $queue:ident)?) => {
        $(#[$doc])*
        pub struct $name {
            word: $word,
            latest: Cell<$value>,
            made_at: WordName,
            $(pub(super) $queue: Queue,)?
        }

        // SAFETY: module invariant I1; on the plain engine the word is a native atomic and `latest` is not used.
        unsafe impl Send for $name {}
        // SAFETY: as above.
        unsafe impl Sync for $name {}

        impl $name {
            /// A word that holds `value`.
            #[must_use]
            #[track_caller]
            pub fn new(value: $value) -> Self {
                let location = Location::caller();
                let made_at = if current_engine() == Engine::Plain {
                    None
                } else {
                    current_run().filter(|run| run.names_words()).map(|run| (location, run.number_word(location)))
                };
                Self {
                    word: as_myself(|| $word::new(value)),
                    latest: Cell::new(value),
                    made_at,
                    $($queue: Queue::default(),)?
                }
            }

            fn note_latest(&self, value: $value) {
                if !matches!(self.word, $word::Plain(_)) {
                    self.latest.set(value);
                }
            }

            /// Reads the word.
            #[track_caller]
            pub fn load(&self, order: Ordering) -> $value {
                if let Some(value) = self.word.in_preparation() {
                    return value.get();
                }
                let location = Location::caller();
                let Start::Go(run) = start() else { return 0 };
                let (order, _) = order_for(run.as_deref(), location, SiteKind::Load, order, None);
                let value = as_myself(|| self.word.load(order));
                saw(run.as_deref(), value.into());
                let action = Action::Load(order, value.into());
                record_read(run.as_deref(), location, self.made_at, action, || value == self.peek());
                value
            }

            /// Writes the word.
            #[track_caller]
            pub fn store(&self, value: $value, order: Ordering) {
                if let Some(known) = self.word.in_preparation() {
                    self.latest.set(value);
                    return known.set(value);
                }
                let location = Location::caller();
                let Start::Go(run) = start() else { return };
                let (order, _) = order_for(run.as_deref(), location, SiteKind::Store, order, None);
                as_myself(|| self.word.store(value, order));
                let before = self.latest.get();
                self.note_latest(value);
                let action = Action::Store(order, value.into());
                let change = (before.into(), value.into());
                record_write(run.as_deref(), (location, SiteKind::Store), self.made_at, action, change);
            }

            #[track_caller]
            fn rmw(&self, update: Rmw<$value>, order: Ordering, name: &'static str) -> $value {
                if let Some(known) = self.word.in_preparation() {
                    self.latest.set(update.apply(known.get()));
                    return known.replace(self.latest.get());
                }
                let location = Location::caller();
                let Start::Go(run) = start() else { return 0 };
                let (order, _) = order_for(run.as_deref(), location, SiteKind::Rmw, order, None);
                let old = as_myself(|| self.word.rmw(update, order));
                let new = update.apply(old);
                saw(run.as_deref(), old.into());
                self.note_latest(new);
                let action = Action::Rmw(name, order, old.into(), new.into());
                record_write(run.as_deref(), (location, SiteKind::Rmw), self.made_at, action, (old.into(), new.into()));
                old
            }

            /// Writes the word and returns what it held.
            #[track_caller]
            pub fn swap(&self, value: $value, order: Ordering) -> $value {
                self.rmw(Rmw::Swap(value), order, "swap")
            }

            /// Writes `new` if the word holds `current`; never fails spuriously.
            ///
            /// # Errors
            /// What the word holds, if that is not `current`.
            #[track_caller]
            pub fn compare_exchange(
                &self,
                current: $value,
                new: $value,
                success: Ordering,
                failure: Ordering,
            ) -> Result<$value, $value> {
                if let Some(known) = self.word.in_preparation() {
                    if known.get() != current {
                        return Err(known.get());
                    }
                    self.latest.set(new);
                    return Ok(known.replace(new));
                }
                let location = Location::caller();
                // A dead thread's retry loops end at the first try.
                let Start::Go(run) = start() else { return Ok(current) };
                let (success, failure) =
                    order_for(run.as_deref(), location, SiteKind::CompareExchange, success, Some(failure));
                let failure = failure.unwrap_or(Ordering::Relaxed);
                let result = as_myself(|| self.word.compare_exchange(current, new, success, failure));
                saw(run.as_deref(), result.unwrap_or_else(|found| found).into());
                if result.is_ok() {
                    self.note_latest(new);
                }
                match result {
                    Ok(old) => {
                        let action = Action::Exchanged(success, old.into(), new.into());
                        let site = (location, SiteKind::CompareExchange);
                        record_write(run.as_deref(), site, self.made_at, action, (old.into(), new.into()));
                    }
                    Err(found) => {
                        let action =
                            Action::NotExchanged { expected: current.into(), new: new.into(), found: found.into() };
                        record_read(run.as_deref(), location, self.made_at, action, || found == self.peek());
                    }
                }
                result
            }

            /// Adds, wrapping, and returns what the word held.
            #[track_caller]
            pub fn fetch_add(&self, value: $value, order: Ordering) -> $value {
                self.rmw(Rmw::Add(value), order, "fetch_add")
            }

            /// Subtracts, wrapping, and returns what the word held.
            #[track_caller]
            pub fn fetch_sub(&self, value: $value, order: Ordering) -> $value {
                self.rmw(Rmw::Sub(value), order, "fetch_sub")
            }

            /// Sets bits and returns what the word held.
            #[track_caller]
            pub fn fetch_or(&self, value: $value, order: Ordering) -> $value {
                self.rmw(Rmw::Or(value), order, "fetch_or")
            }

            /// Keeps only the bits of `value` and returns what the word held.
            #[track_caller]
            pub fn fetch_and(&self, value: $value, order: Ordering) -> $value {
                self.rmw(Rmw::And(value), order, "fetch_and")
            }

            /// The newest value, as a debugger sees it: no step of any protocol.
            pub fn peek(&self) -> $value {
                match &self.word {
                    $word::Plain(word) => word.peek(),
                    word => word.newest().unwrap_or_else(|| self.latest.get()),
                }
            }
        }

        impl core::fmt::Debug for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                Display::fmt(&self.peek(), f)
            }
        }
    };
}

model_atomic! {
    /// A 32-bit word of shared memory; the only kind of word on which a thread can sleep.
    AtomicU32, Word32, u32, queue
}
model_atomic! {
    /// A 64-bit word of shared memory.
    AtomicU64, Word64, u64
}

impl AtomicU32 {
    pub(super) fn name(&self) -> WordName {
        self.made_at
    }

    pub(super) fn word(&self) -> &Word32 {
        &self.word
    }

    /// The native word, when no engine runs.
    pub(super) fn plain(&self) -> Option<&crate::sync::native::AtomicU32> {
        match &self.word {
            Word32::Plain(word) => Some(word),
            _ => None,
        }
    }

    /// The newest value, at a point where other threads may run first: a compare-exchange that stores nothing new.
    pub(super) fn read_newest(&self) -> u32 {
        const NEVER: u32 = u32::MAX;
        if let Some(value) = self.word.in_preparation() {
            return value.get();
        }
        match as_myself(|| self.word.compare_exchange(NEVER, NEVER, Ordering::Relaxed, Ordering::Relaxed)) {
            Ok(value) | Err(value) => value,
        }
    }
}

/// A memory fence.
#[track_caller]
pub fn fence(order: Ordering) {
    let location = Location::caller();
    let Start::Go(run) = start() else { return };
    if let Some(run) = &run {
        run.record_site(location, SiteKind::Fence, SiteRecord { order, failure: None, wakes: 0 });
        if matches!(run.is_mutated(location, SiteKind::Fence), Some(Mutation::DropFence(_))) {
            return;
        }
    }
    let (order, _) = order_for(run.as_deref(), location, SiteKind::Fence, order, None);
    if run.is_some() && current_lane() == usize::MAX {
        // Before the lanes start and after they have ended everything is in order anyway.
        return;
    }
    let shadow = run.as_ref().is_none_or(|run| run.plan.shadow);
    as_myself(|| engine_fence(order, shadow));
    record(run.as_deref(), location, None, Action::Fence(order));
}

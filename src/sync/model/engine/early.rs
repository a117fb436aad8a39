//! Words of the harness's runs that are made before the lanes start.
//!
//! What is prepared before the lanes start has one outcome only, and most words that a model prepares (the slots of
//! those who never die, the entries that nobody claims) are never touched by a lane. So the preparation runs on plain
//! values, and only when the lanes are about to start the words become words of the engine, with the values that
//! they hold by then; and of those only the ones that some lane is known to touch. A lane that touches another one
//! makes it known and starts the exploration anew: loom wants every word to be made before the threads that use it.
//! treadle does not: there a word becomes one of the engine when a lane first touches it.

use super::current_engine;
use crate::sync::model::Engine;
use crate::sync::model::run::{Run, current_run};
use std::cell::{Cell, OnceCell};
use std::rc::Rc;

/// A word that can become one of the engine.
pub(in crate::sync::model) trait Late {
    /// Makes it one.
    fn make(&self);
}

/// A word that holds a plain value until the lanes start.
pub(in crate::sync::model) struct Early<V, W> {
    value: Cell<V>,
    word: OnceCell<W>,
    number: Cell<usize>,
}

/// The same where the engine can make it at any time.
pub(in crate::sync::model) struct Lazy<V, W> {
    value: Cell<V>,
    word: OnceCell<W>,
    number: u32,
}

/// The run that is preparing an execution, if that is what is going on.
pub(super) fn run_in_preparation() -> Option<Rc<Run>> {
    if current_engine() == Engine::Plain { None } else { current_run().filter(|run| run.is_in_preparation()) }
}

impl<V: Copy, W> Lazy<V, W> {
    pub(super) fn in_run(run: &Run, value: V) -> Self {
        Self { value: Cell::new(value), word: OnceCell::new(), number: run.number_late() }
    }

    /// The engine's word, for a lane.
    pub(super) fn word(&self, make: impl FnOnce(u32, V) -> W) -> &W {
        self.word.get_or_init(|| make(self.number, self.value.get()))
    }

    /// The engine's word, if it is one already.
    pub(super) fn made(&self) -> Option<&W> {
        self.word.get()
    }

    /// The value until then.
    pub(super) fn value(&self) -> &Cell<V> {
        &self.value
    }
}

impl<V: Copy, W> Early<V, W> {
    pub(super) fn in_run(run: &Run, value: V) -> Rc<Self>
    where
        Self: Late + 'static,
    {
        let early = Rc::new(Self { value: Cell::new(value), word: OnceCell::new(), number: Cell::new(0) });
        early.number.set(run.make_late(Rc::<Self>::clone(&early)));
        early
    }

    pub(super) fn become_word(&self, make: impl FnOnce(V) -> W) {
        self.word.get_or_init(|| make(self.value.get()));
    }

    /// The engine's word, for a lane.
    pub(super) fn word(&self) -> &W {
        self.word.get().unwrap_or_else(|| match current_run() {
            Some(run) => run.restart_with(self.number.get()),
            None => unreachable!("a word of a run is used outside of it"),
        })
    }

    /// The engine's word, if it is one already.
    pub(super) fn made(&self) -> Option<&W> {
        self.word.get()
    }

    /// The value until then.
    pub(super) fn value(&self) -> &Cell<V> {
        &self.value
    }
}

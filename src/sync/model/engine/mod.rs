//! The engines behind the model backend, chosen at run time.
//!
//! An engine is one file with the same items: `Word32`, `Word64`, `Payload`, `fence`, `yield_now`, `spawn`, and the
//! parking of a thread. This file only dispatches.

mod early;
#[path = "loom.rs"]
mod on_loom;
#[path = "shuttle.rs"]
mod on_shuttle;
#[path = "treadle.rs"]
mod on_treadle;

use crate::sync::Ordering;
use crate::sync::model::run::current_lane;
use crate::sync::native;
use early::{Early, Lazy};
use std::cell::Cell;
use std::rc::Rc;

pub(super) use early::Late;
pub(super) use on_treadle::{Ends, is_killed, last_access, wait as wait_on_treadle, wake as wake_on_treadle};

/// Who executes the operations of this OS thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// Nobody: the operations are native ones. Real threads may run them.
    Plain,
    /// loom 0.7: C11-like weak memory, bounded to five threads.
    Loom,
    /// shuttle 0.9: sequentially consistent schedules, no race detection.
    Shuttle,
    /// treadle: every RC11 execution graph once.
    Treadle,
}

std::thread_local! {
    static ENGINE: Cell<Option<Engine>> = const { Cell::new(None) };
}

/// The engine of the calling thread: the one chosen by [`with_engine`], else that of an embedder's own
/// `treadle::model` or `loom::model`, else none.
#[must_use]
pub fn current_engine() -> Engine {
    ENGINE.get().unwrap_or_else(|| {
        if treadle::is_running() {
            Engine::Treadle
        } else if generator::is_generator() {
            Engine::Loom
        } else {
            Engine::Plain
        }
    })
}

/// Runs `body` with `engine` as the engine of this OS thread.
pub fn with_engine<R>(engine: Engine, body: impl FnOnce() -> R) -> R {
    struct Restore(Option<Engine>);
    impl Drop for Restore {
        fn drop(&mut self) {
            ENGINE.set(self.0);
        }
    }
    let _restore = Restore(ENGINE.replace(Some(engine)));
    body()
}

macro_rules! dispatch_word {
    ($(#[$doc:meta])* $name:ident, $native:ident, $value:ty) => {
        $(#[$doc])*
        pub(super) enum $name {
            Plain(native::$native),
            Loom(on_loom::$name),
            Shuttle(on_shuttle::$name),
            Treadle(on_treadle::$name),
            Early(Rc<Early<$value, $name>>),
            Lazy(Lazy<$value, on_treadle::$name>),
        }

        impl Rmw<$value> {
            /// What the word holds after it.
            pub(super) fn apply(self, old: $value) -> $value {
                match self {
                    Self::Swap(value) => value,
                    Self::Add(value) => old.wrapping_add(value),
                    Self::Sub(value) => old.wrapping_sub(value),
                    Self::Or(value) => old | value,
                    Self::And(value) => old & value,
                }
            }
        }

        impl Late for Early<$value, $name> {
            fn make(&self) {
                self.become_word($name::of_engine);
            }
        }

        impl $name {
            pub(super) fn new(value: $value) -> Self {
                match early::run_in_preparation() {
                    Some(run) if current_engine() == Engine::Treadle => Self::Lazy(Lazy::in_run(&run, value)),
                    Some(run) => Self::Early(Early::in_run(&run, value)),
                    None => Self::of_engine(value),
                }
            }

            /// The newest value, if the engine keeps it: the order in which treadle runs the lanes says nothing.
            pub(super) fn newest(&self) -> Option<$value> {
                match self {
                    Self::Treadle(word) => Some(word.newest()),
                    Self::Lazy(lazy) => Some(lazy.made().map_or(lazy.value().get(), on_treadle::$name::newest)),
                    Self::Early(early) => early.made().map_or(Some(early.value().get()), Self::newest),
                    _ => None,
                }
            }

            /// The value of a word of the preparation while no lane runs and none has touched it.
            pub(super) fn in_preparation(&self) -> Option<&Cell<$value>> {
                match self {
                    Self::Lazy(lazy) if lazy.made().is_none() && current_lane() == usize::MAX => Some(lazy.value()),
                    Self::Early(early) if early.made().is_none() && current_lane() == usize::MAX => Some(early.value()),
                    _ => None,
                }
            }

            fn of_engine(value: $value) -> Self {
                match current_engine() {
                    Engine::Plain => Self::Plain(native::$native::new(value)),
                    Engine::Loom => Self::Loom(on_loom::$name::new(value)),
                    Engine::Shuttle => Self::Shuttle(on_shuttle::$name::new(value)),
                    Engine::Treadle => Self::Treadle(on_treadle::$name::new(value)),
                }
            }

            pub(super) fn load(&self, order: Ordering) -> $value {
                match self {
                    Self::Plain(word) => word.load(order),
                    Self::Loom(word) => word.load(order),
                    Self::Shuttle(word) => word.load(order),
                    Self::Treadle(word) => word.load(order),
                    Self::Early(early) => early.word().load(order),
                    Self::Lazy(lazy) => lazy.word(on_treadle::$name::numbered).load(order),
                }
            }

            pub(super) fn store(&self, value: $value, order: Ordering) {
                match self {
                    Self::Plain(word) => word.store(value, order),
                    Self::Loom(word) => word.store(value, order),
                    Self::Shuttle(word) => word.store(value, order),
                    Self::Treadle(word) => word.store(value, order),
                    Self::Early(early) => early.word().store(value, order),
                    Self::Lazy(lazy) => lazy.word(on_treadle::$name::numbered).store(value, order),
                }
            }

            pub(super) fn compare_exchange(
                &self,
                current: $value,
                new: $value,
                success: Ordering,
                failure: Ordering,
            ) -> Result<$value, $value> {
                match self {
                    Self::Plain(word) => word.compare_exchange(current, new, success, failure),
                    Self::Loom(word) => word.compare_exchange(current, new, success, failure),
                    Self::Shuttle(word) => word.compare_exchange(current, new, success, failure),
                    Self::Treadle(word) => word.compare_exchange(current, new, success, failure),
                    Self::Early(early) => early.word().compare_exchange(current, new, success, failure),
                    Self::Lazy(lazy) => {
                        lazy.word(on_treadle::$name::numbered).compare_exchange(current, new, success, failure)
                    }
                }
            }

            /// One read-modify-write that always stores; returns what the word held.
            pub(super) fn rmw(&self, update: Rmw<$value>, order: Ordering) -> $value {
                match self {
                    Self::Plain(word) => match update {
                        Rmw::Swap(value) => word.swap(value, order),
                        Rmw::Add(value) => word.fetch_add(value, order),
                        Rmw::Sub(value) => word.fetch_sub(value, order),
                        Rmw::Or(value) => word.fetch_or(value, order),
                        Rmw::And(value) => word.fetch_and(value, order),
                    },
                    Self::Loom(word) => word.rmw(update, order),
                    Self::Shuttle(word) => word.rmw(update, order),
                    Self::Treadle(word) => word.rmw(update, order),
                    Self::Early(early) => early.word().rmw(update, order),
                    Self::Lazy(lazy) => lazy.word(on_treadle::$name::numbered).rmw(update, order),
                }
            }
        }
    };
}

dispatch_word! {
    /// A 32-bit word of whichever engine was running when it was made.
    Word32, AtomicU32, u32
}
dispatch_word! {
    /// A 64-bit word of whichever engine was running when it was made.
    Word64, AtomicU64, u64
}

/// A read-modify-write that always stores.
#[derive(Clone, Copy, Debug)]
pub(super) enum Rmw<T> {
    Swap(T),
    Add(T),
    Sub(T),
    Or(T),
    And(T),
}

/// Payload of whichever engine was running when it was made.
#[derive(Debug)]
pub(super) enum Payload<T> {
    Plain(core::cell::UnsafeCell<T>),
    Loom(on_loom::Payload<T>),
    Treadle(on_treadle::Payload<T>),
}

impl<T> Payload<T> {
    pub(super) fn new(value: T) -> Self {
        match current_engine() {
            // shuttle does not look for races on payload.
            Engine::Plain | Engine::Shuttle => Self::Plain(core::cell::UnsafeCell::new(value)),
            Engine::Loom => Self::Loom(on_loom::Payload::new(value)),
            Engine::Treadle => Self::Treadle(on_treadle::Payload::new(value)),
        }
    }

    pub(super) fn with<R>(&self, f: impl FnOnce(*const T) -> R) -> R {
        match self {
            Self::Plain(cell) => f(cell.get()),
            Self::Loom(cell) => cell.with(f),
            Self::Treadle(cell) => cell.with(f),
        }
    }

    pub(super) fn with_mut<R>(&self, f: impl FnOnce(*mut T) -> R) -> R {
        match self {
            Self::Plain(cell) => f(cell.get()),
            Self::Loom(cell) => cell.with_mut(f),
            Self::Treadle(cell) => cell.with_mut(f),
        }
    }
}

pub(super) fn fence(order: Ordering, shadow: bool) {
    match current_engine() {
        Engine::Plain => native::fence(order),
        Engine::Loom => on_loom::fence(order, shadow),
        Engine::Shuttle => on_shuttle::fence(order),
        Engine::Treadle => on_treadle::fence(order),
    }
}

/// A point at which another thread may run on an engine that makes none of payload.
pub(super) fn switch_at_payload() {
    if current_engine() == Engine::Shuttle {
        on_shuttle::switch();
    }
}

pub(super) fn yield_now() {
    match current_engine() {
        Engine::Plain => native::yield_now(),
        Engine::Loom => on_loom::yield_now(),
        Engine::Shuttle => on_shuttle::yield_now(),
        Engine::Treadle => on_treadle::yield_now(),
    }
}

/// Tells the threads of the engine that runs apart.
#[must_use]
pub fn thread_key() -> u64 {
    use core::hash::{BuildHasher, BuildHasherDefault, Hash};
    let hasher = BuildHasherDefault::<std::hash::DefaultHasher>::default();
    let hash = |id: &dyn Fn(&mut std::hash::DefaultHasher)| {
        let mut state = hasher.build_hasher();
        id(&mut state);
        core::hash::Hasher::finish(&state)
    };
    match current_engine() {
        Engine::Plain => hash(&|state| std::thread::current().id().hash(state)),
        Engine::Loom => hash(&|state| loom::thread::current().id().hash(state)),
        Engine::Shuttle => hash(&|state| shuttle::thread::current().id().hash(state)),
        Engine::Treadle => hash(&|state| treadle::thread::current().id().hash(state)),
    }
}

/// A thread that can be unparked.
pub(super) enum Parked {
    Loom(loom::thread::Thread),
    Shuttle(shuttle::thread::Thread),
}

impl Parked {
    pub(super) fn current() -> Option<Self> {
        match current_engine() {
            // treadle has futexes of its own.
            Engine::Plain | Engine::Treadle => None,
            Engine::Loom => Some(Self::Loom(loom::thread::current())),
            Engine::Shuttle => Some(Self::Shuttle(shuttle::thread::current())),
        }
    }

    pub(super) fn park(&self) {
        match self {
            Self::Loom(_) => loom::thread::park(),
            Self::Shuttle(_) => shuttle::thread::park(),
        }
    }

    pub(super) fn unpark(&self) {
        match self {
            Self::Loom(thread) => thread.unpark(),
            Self::Shuttle(thread) => thread.unpark(),
        }
    }
}

/// A virtual thread that can be waited for.
#[derive(Debug)]
pub struct JoinHandle(Joinable);

#[derive(Debug)]
enum Joinable {
    Plain(std::thread::JoinHandle<()>),
    Loom(loom::thread::JoinHandle<()>),
    Shuttle(shuttle::thread::JoinHandle<()>),
    Treadle(treadle::thread::JoinHandle<()>),
}

/// Starts a thread of the engine that runs.
pub fn spawn(body: impl FnOnce() + Send + 'static) -> JoinHandle {
    JoinHandle(match current_engine() {
        Engine::Plain => Joinable::Plain(std::thread::spawn(body)),
        Engine::Loom => Joinable::Loom(loom::thread::spawn(body)),
        Engine::Shuttle => Joinable::Shuttle(shuttle::thread::spawn(body)),
        Engine::Treadle => Joinable::Treadle(treadle::thread::spawn(body)),
    })
}

/// Starts a thread that may be killed before any of its steps, on an engine with deaths of its own; `on_death` then runs in
/// its place, after all that it did, and is told whether it was asleep. On other engines it is a thread like any other.
pub fn spawn_mortal(body: impl FnOnce() + Send + 'static, on_death: impl FnOnce(bool) + Send + 'static) -> JoinHandle {
    match current_engine() {
        Engine::Treadle => JoinHandle(Joinable::Treadle(on_treadle::spawn_mortal(body, on_death))),
        _ => spawn(body),
    }
}

impl JoinHandle {
    /// Waits for the thread to end, or for the end of what runs in its place when it was killed.
    ///
    /// # Panics
    /// If the thread panicked.
    pub fn join(self) {
        let ended = match self.0 {
            Joinable::Plain(thread) => thread.join(),
            Joinable::Loom(thread) => thread.join(),
            Joinable::Shuttle(thread) => thread.join(),
            Joinable::Treadle(thread) => {
                let _: Option<()> = thread.join_killed();
                Ok(())
            }
        };
        if let Err(payload) = ended {
            std::panic::resume_unwind(payload);
        }
    }
}

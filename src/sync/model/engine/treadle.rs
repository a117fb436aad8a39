//! treadle: every execution graph under RC11, each once, with futexes of its own.
//!
//! What it does not explore is load buffering, and cycles through the coherence order of plain stores to words on which
//! threads sleep. It has no scheduler to speak of: the order in which lanes run here is one of many that mean the same, so
//! nothing that lanes share past the engine may decide anything.

use super::Rmw;
use crate::sync::model::plan::WakeOrder;
use crate::sync::{Ordering, WaitOutcome};
use treadle::futex;
use treadle::sync::atomic;

macro_rules! treadle_word {
    ($name:ident, $inner:ident, $value:ty) => {
        #[derive(Debug)]
        pub(in crate::sync::model) struct $name(atomic::$inner);

        impl $name {
            pub(super) fn new(value: $value) -> Self {
                Self(atomic::$inner::new(value))
            }

            /// A word that is made when a lane first touches it: the one with this number of those of the preparation.
            pub(super) fn numbered(number: u32, value: $value) -> Self {
                Self(atomic::$inner::numbered(number, value))
            }

            pub(super) fn load(&self, order: Ordering) -> $value {
                self.0.load(order)
            }

            pub(super) fn store(&self, value: $value, order: Ordering) {
                self.0.store(value, order);
            }

            pub(super) fn compare_exchange(
                &self,
                current: $value,
                new: $value,
                success: Ordering,
                failure: Ordering,
            ) -> Result<$value, $value> {
                self.0.compare_exchange(current, new, success, failure)
            }

            pub(super) fn rmw(&self, update: Rmw<$value>, order: Ordering) -> $value {
                match update {
                    Rmw::Swap(value) => self.0.swap(value, order),
                    Rmw::Add(value) => self.0.fetch_add(value, order),
                    Rmw::Sub(value) => self.0.fetch_sub(value, order),
                    Rmw::Or(value) => self.0.fetch_or(value, order),
                    Rmw::And(value) => self.0.fetch_and(value, order),
                }
            }

            /// The last value in coherence order: no event.
            pub(super) fn newest(&self) -> $value {
                self.0.peek()
            }
        }
    };
}

treadle_word!(Word32, AtomicU32, u32);
treadle_word!(Word64, AtomicU64, u64);

/// Payload on which treadle reports races.
#[derive(Debug)]
pub(in crate::sync::model) struct Payload<T>(treadle::cell::UnsafeCell<T>);

impl<T> Payload<T> {
    pub(super) fn new(value: T) -> Self {
        Self(treadle::cell::UnsafeCell::new(value))
    }

    pub(super) fn with<R>(&self, f: impl FnOnce(*const T) -> R) -> R {
        self.0.with(f)
    }

    pub(super) fn with_mut<R>(&self, f: impl FnOnce(*mut T) -> R) -> R {
        self.0.with_mut(f)
    }
}

pub(super) fn fence(order: Ordering) {
    atomic::fence(order);
}

pub(super) fn yield_now() {
    treadle::thread::yield_now();
}

/// The engine's own word; none while no lane runs.
fn inner(word: &super::Word32) -> Option<&atomic::AtomicU32> {
    match word {
        super::Word32::Treadle(word) => Some(&word.0),
        super::Word32::Lazy(lazy) if word.in_preparation().is_none() => Some(&lazy.word(Word32::numbered).0),
        _ => None,
    }
}

/// How a wait is to end, other than by a wake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::sync::model) enum Ends {
    Never,
    /// It has a deadline: it runs out, or a wake comes first, and both are explored.
    PerhapsByTime,
    /// Its deadline never passes, but that of a clock that runs on when nothing else can happen.
    WhenQuiet,
    ByTime,
    Spuriously,
}

/// Sleeps while all words hold what is expected of them.
pub(in crate::sync::model) fn wait(on: &[(&super::Word32, u32)], ends: Ends) -> WaitOutcome {
    let until = match ends {
        Ends::Never => futex::Until::Woken,
        Ends::PerhapsByTime => futex::Until::WokenOrTimedOut,
        Ends::WhenQuiet => futex::Until::WokenOrQuiet,
        Ends::ByTime => futex::Until::TimedOut,
        Ends::Spuriously => futex::Until::Spurious,
    };
    let words: Vec<(&atomic::AtomicU32, u32)> =
        on.iter().filter_map(|(word, expected)| Some((inner(word)?, *expected))).collect();
    match futex::waitv(&words, until) {
        futex::Outcome::Woken => WaitOutcome::Woken,
        futex::Outcome::Changed => WaitOutcome::Changed,
        futex::Outcome::TimedOut => WaitOutcome::TimedOut,
    }
}

/// Wakes up to `count` sleepers of a word.
pub(in crate::sync::model) fn wake(word: &super::Word32, count: u32, order: WakeOrder) -> u32 {
    let order = match order {
        WakeOrder::Fifo => futex::WakeOrder::Fifo,
        WakeOrder::Lifo => futex::WakeOrder::Lifo,
    };
    // Nobody sleeps before the lanes start.
    inner(word).map_or(0, |word| futex::wake_in_order(word, count, order))
}

/// Starts a thread that may be killed. Then `on_death` runs in its place, when the kernel has taken it from all queues; it is
/// told whether there were any.
pub(super) fn spawn_mortal(
    body: impl FnOnce() + Send + 'static,
    on_death: impl FnOnce(bool) + Send + 'static,
) -> treadle::thread::JoinHandle<()> {
    treadle::thread::spawn_mortal(body, || on_death(futex::leave_all() > 0))
}

/// Whether the calling thread has been killed and unwinds.
pub(in crate::sync::model) fn is_killed() -> bool {
    treadle::thread::is_killed()
}

/// What the running thread's last access was in the execution, if the engine knows.
pub(in crate::sync::model) fn last_access() -> Option<treadle::LastAccess> {
    treadle::thread::last_access()
}

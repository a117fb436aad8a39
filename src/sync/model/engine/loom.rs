//! loom 0.7, with a shadow word beside each word.
//!
//! loom's reduction keeps the last access to each word only; a thread that loads a word and then stores it hides, by
//! its own load, other threads' earlier loads (tokio-rs/loom issues 166 and 392). A compare-exchange on a shadow word
//! before each access makes every pair of accesses to one word dependent, which brings the missing interleavings back;
//! fences, which are no branch points in loom, get the same. It always fails: to the reduction that is a
//! read-modify-write, to memory nothing at all. One that succeeds would write what a release fence before it covers,
//! and an acquire fence after the next access to the word would synchronise with that. `models/tests/completeness.rs`
//! compares both settings with brute force.
//!
//! loom treats a sequentially consistent *access* as acquire-release, never reads but the seven newest stores of a
//! word, lets a failing compare-exchange see only the newest, and does not explore load buffering: these are blind
//! spots of every result obtained here.

use super::Rmw;
use crate::sync::Ordering;
use crate::sync::model::run::current_run;
use loom::sync::atomic;

fn shadowed() -> bool {
    current_run().is_none_or(|run| run.plan.shadow)
}

fn make_shadow() -> atomic::AtomicUsize {
    // Made now: whoever makes it is synchronised with by all who use it, and the words of a model are made before its
    // threads. The first of them that has a fence must not be the one.
    let _: &atomic::AtomicUsize = &FENCES;
    atomic::AtomicUsize::new(0)
}

/// A branch point at which the word depends on every other access to it, and that leaves no trace in memory.
fn touch(shadow: &atomic::AtomicUsize) {
    const NEVER: usize = 1;
    let failed = shadow.compare_exchange(NEVER, NEVER, Ordering::Relaxed, Ordering::Relaxed);
    debug_assert_eq!(failed, Err(0));
}

macro_rules! loom_word {
    ($name:ident, $inner:ident, $value:ty) => {
        #[derive(Debug)]
        pub(in crate::sync::model) struct $name {
            word: atomic::$inner,
            shadow: Option<atomic::AtomicUsize>,
        }

        impl $name {
            pub(super) fn new(value: $value) -> Self {
                let shadow = shadowed().then(make_shadow);
                Self { word: atomic::$inner::new(value), shadow }
            }

            fn touch(&self) {
                if let Some(shadow) = &self.shadow {
                    touch(shadow);
                }
            }

            pub(super) fn load(&self, order: Ordering) -> $value {
                self.touch();
                self.word.load(order)
            }

            pub(super) fn store(&self, value: $value, order: Ordering) {
                self.touch();
                self.word.store(value, order);
            }

            pub(super) fn compare_exchange(
                &self,
                current: $value,
                new: $value,
                success: Ordering,
                failure: Ordering,
            ) -> Result<$value, $value> {
                self.touch();
                self.word.compare_exchange(current, new, success, failure)
            }

            pub(super) fn rmw(&self, update: Rmw<$value>, order: Ordering) -> $value {
                self.touch();
                match update {
                    Rmw::Swap(value) => self.word.swap(value, order),
                    Rmw::Add(value) => self.word.fetch_add(value, order),
                    Rmw::Sub(value) => self.word.fetch_sub(value, order),
                    Rmw::Or(value) => self.word.fetch_or(value, order),
                    Rmw::And(value) => self.word.fetch_and(value, order),
                }
            }
        }
    };
}

loom_word!(Word32, AtomicU32, u32);
loom_word!(Word64, AtomicU64, u64);

/// Payload on which loom reports races.
#[derive(Debug)]
pub(in crate::sync::model) struct Payload<T>(loom::cell::UnsafeCell<T>);

impl<T> Payload<T> {
    pub(super) fn new(value: T) -> Self {
        Self(loom::cell::UnsafeCell::new(value))
    }

    pub(super) fn with<R>(&self, f: impl FnOnce(*const T) -> R) -> R {
        self.0.with(f)
    }

    pub(super) fn with_mut<R>(&self, f: impl FnOnce(*mut T) -> R) -> R {
        self.0.with_mut(f)
    }
}

loom::lazy_static! {
    static ref FENCES: atomic::AtomicUsize = atomic::AtomicUsize::new(0);
}

pub(super) fn fence(order: Ordering, shadow: bool) {
    if shadow {
        touch(&FENCES);
    }
    atomic::fence(order);
}

pub(super) fn yield_now() {
    loom::thread::yield_now();
}

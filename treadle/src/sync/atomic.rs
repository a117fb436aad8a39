//! Atomic words of all widths, pointers, and fences.
//!
//! Names and meanings are `core::sync::atomic`'s. Every operation is a step of the model: it reads each value that the
//! memory model lets it read, in one execution or another. No operation blocks or spins.
//!
//! ```
//! use std::sync::Arc;
//! use treadle::{Builder, sync::atomic::{AtomicU32, Ordering::Relaxed}, thread};
//!
//! let report = Builder::new().explore(|| {
//!     let word = Arc::new(AtomicU32::new(0));
//!     let other = Arc::clone(&word);
//!     let thread = thread::spawn(move || other.fetch_add(1, Relaxed));
//!     assert!(word.load(Relaxed) <= 1);
//!     thread.join().unwrap();
//!     assert_eq!(word.load(Relaxed), 1);
//! });
//! assert_eq!(report.unwrap().executions, 2, "the load reads 0, or 1");
//! ```
//!
//! Beside the standard operations, [`await_eq`](AtomicU32::await_eq) and [`await_ne`](AtomicU32::await_ne) are loads
//! that wait, at no cost, for a value.

pub use core::sync::atomic::Ordering;

use crate::graph::{Loc, Update, Width};
use crate::runtime::{Fault, Got, Step, operate, with};
use core::marker::PhantomData;
use core::panic::Location;

mod pointer;
pub use pointer::AtomicPtr;

/// A location of this run.
#[derive(Clone, Copy)]
pub(crate) struct Word {
    loc: Loc,
    run: u64,
}

impl Word {
    #[track_caller]
    pub(crate) fn new(value: u64) -> Self {
        let site = Location::caller();
        with(|x| Self { loc: x.new_location(value, Some(site)), run: x.run })
    }

    #[track_caller]
    fn numbered(number: u32, value: u64) -> Self {
        let site = Location::caller();
        with(|x| Self { loc: x.numbered_location(number, value, site), run: x.run })
    }

    /// The location, for operations of the engine's own.
    pub(crate) fn loc(self, site: &'static Location<'static>) -> Loc {
        operate(|x| if x.run == self.run { Step::Ready(()) } else { x.fail(Fault::Misuse(stranger(site))) });
        self.loc
    }

    pub(crate) fn read(
        self,
        update: Update,
        orders: (Ordering, Ordering),
        site: &'static Location<'static>,
    ) -> Option<Got> {
        operate(|x| {
            if x.run != self.run {
                return x.fail(Fault::Misuse(stranger(site)));
            }
            x.read(self.loc, update, orders, site)
        })
    }

    pub(crate) fn load(self, order: Ordering, site: &'static Location<'static>) -> u64 {
        check_load(order);
        self.read(Update::Keep, (order, order), site).map_or(0, |got| got.value)
    }

    pub(crate) fn store(self, value: u64, order: Ordering, site: &'static Location<'static>) {
        assert!(
            !matches!(order, Ordering::Acquire | Ordering::AcqRel),
            "there is no such thing as an acquire store or an acquire-release store"
        );
        operate(|x| {
            if x.run != self.run {
                return x.fail(Fault::Misuse(stranger(site)));
            }
            x.store(self.loc, value, order, site)
        });
    }

    pub(crate) fn rmw(self, update: Update, order: Ordering, site: &'static Location<'static>) -> u64 {
        self.read(update, (order, order), site).map_or(0, |got| got.value)
    }

    /// The last value that the running thread can know of, without an event.
    pub(crate) fn newest(self) -> Option<u64> {
        crate::runtime::try_with(|x| x.newest_known(self.loc))
    }
}

fn stranger(site: &Location<'_>) -> String {
    format!("an atomic of another execution, or of none, is used at {site}")
}

fn check_load(order: Ordering) {
    assert!(
        !matches!(order, Ordering::Release | Ordering::AcqRel),
        "there is no such thing as a release load or an acquire-release load"
    );
}

/// A memory fence.
///
/// # Panics
/// If `order` is `Relaxed`.
#[track_caller]
pub fn fence(order: Ordering) {
    assert!(order != Ordering::Relaxed, "there is no such thing as a relaxed fence");
    let site = Location::caller();
    operate(|x| x.fence(order, site));
}

/// No step at all: it orders accesses of one thread, which a model never reorders.
pub fn compiler_fence(_order: Ordering) {}

macro_rules! atomic {
    ($name:ident, $value:ty, $bits:expr, $signed:expr, |$to:ident| $to_bits:expr, |$from:ident| $from_bits:expr) => {
        #[doc = concat!("An atomic `", stringify!($value), "`.")]
        pub struct $name(Word, PhantomData<$value>);

        impl $name {
            const fn width() -> Width {
                Width { bits: $bits, signed: $signed }
            }

            fn pack($to: $value) -> u64 {
                $to_bits
            }

            fn unpack($from: u64) -> $value {
                $from_bits
            }

            /// A new word that holds `value`.
            #[must_use]
            #[track_caller]
            pub fn new(value: $value) -> Self {
                Self(Word::new(Self::pack(value)), PhantomData)
            }

            /// A new word that holds `value` and is known by `number`, whoever makes it: for words that are made when
            /// they are first used, by whichever thread that is. No two of an execution may have one number, and each
            /// has to hold the same at first in every execution.
            #[must_use]
            #[track_caller]
            pub fn numbered(number: u32, value: $value) -> Self {
                Self(Word::numbered(number, Self::pack(value)), PhantomData)
            }

            /// Reads the value.
            ///
            /// # Panics
            /// If `order` is `Release` or `AcqRel`.
            #[track_caller]
            pub fn load(&self, order: Ordering) -> $value {
                Self::unpack(self.0.load(order, Location::caller()))
            }

            /// Writes the value.
            ///
            /// # Panics
            /// If `order` is `Acquire` or `AcqRel`.
            #[track_caller]
            pub fn store(&self, value: $value, order: Ordering) {
                self.0.store(Self::pack(value), order, Location::caller());
            }

            /// Writes the value and returns the one before it.
            #[track_caller]
            pub fn swap(&self, value: $value, order: Ordering) -> $value {
                Self::unpack(self.0.rmw(Update::Swap(Self::pack(value)), order, Location::caller()))
            }

            /// Writes `new` if the value is `current`. A failure can read any value that a load could.
            ///
            /// # Errors
            /// The value, if it is another one.
            ///
            /// # Panics
            /// If `failure` is `Release` or `AcqRel`.
            #[track_caller]
            pub fn compare_exchange(
                &self,
                current: $value,
                new: $value,
                success: Ordering,
                failure: Ordering,
            ) -> Result<$value, $value> {
                self.exchange(current, new, success, failure, false, Location::caller())
            }

            /// As [`compare_exchange`](Self::compare_exchange), but it can also fail for no reason, as often in an
            /// execution as [`Builder::spurious_failures`](crate::Builder::spurious_failures) allows.
            ///
            /// # Errors
            /// The value, also if it is `current`.
            ///
            /// # Panics
            /// If `failure` is `Release` or `AcqRel`.
            #[track_caller]
            pub fn compare_exchange_weak(
                &self,
                current: $value,
                new: $value,
                success: Ordering,
                failure: Ordering,
            ) -> Result<$value, $value> {
                self.exchange(current, new, success, failure, true, Location::caller())
            }

            fn exchange(
                &self,
                current: $value,
                new: $value,
                success: Ordering,
                failure: Ordering,
                weak: bool,
                site: &'static Location<'static>,
            ) -> Result<$value, $value> {
                check_load(failure);
                let update = Update::Exchange { expected: Self::pack(current), new: Self::pack(new), weak };
                match self.0.read(update, (success, failure), site) {
                    Some(got) if got.wrote => Ok(Self::unpack(got.value)),
                    Some(got) => Err(Self::unpack(got.value)),
                    // The thread unwinds; its retry loops end.
                    None => Ok(current),
                }
            }

            /// Applies `f` until a compare-exchange succeeds.
            ///
            /// # Errors
            /// The value for which `f` returned `None`.
            ///
            /// # Panics
            /// If `fetch` is `Release` or `AcqRel`.
            #[track_caller]
            pub fn fetch_update(
                &self,
                set: Ordering,
                fetch: Ordering,
                mut f: impl FnMut($value) -> Option<$value>,
            ) -> Result<$value, $value> {
                let site = Location::caller();
                let mut old = Self::unpack(self.0.load(fetch, site));
                while let Some(new) = f(old) {
                    match self.exchange(old, new, set, fetch, true, site) {
                        Ok(old) => return Ok(old),
                        Err(found) => old = found,
                    }
                }
                Err(old)
            }

            /// The last value in coherence order of those in the running thread's causal past, whatever it has read of
            /// them: no step. For what is checked and printed about a program; the program itself cannot do this.
            /// Outside of a model, 0.
            #[must_use]
            pub fn peek(&self) -> $value {
                Self::unpack(self.0.newest().unwrap_or(0))
            }

            /// Sets bits and returns the value before.
            #[track_caller]
            pub fn fetch_or(&self, value: $value, order: Ordering) -> $value {
                Self::unpack(self.0.rmw(Update::Or(Self::pack(value)), order, Location::caller()))
            }

            /// Keeps only the bits of `value` and returns the value before.
            #[track_caller]
            pub fn fetch_and(&self, value: $value, order: Ordering) -> $value {
                Self::unpack(self.0.rmw(Update::And(Self::pack(value)), order, Location::caller()))
            }

            /// Flips bits and returns the value before.
            #[track_caller]
            pub fn fetch_xor(&self, value: $value, order: Ordering) -> $value {
                Self::unpack(self.0.rmw(Update::Xor(Self::pack(value)), order, Location::caller()))
            }

            /// Writes the complement of the bits in common and returns the value before.
            #[track_caller]
            pub fn fetch_nand(&self, value: $value, order: Ordering) -> $value {
                let update = Update::Nand(Self::pack(value), Self::width());
                Self::unpack(self.0.rmw(update, order, Location::caller()))
            }

            /// A load that waits until the value is `value`, and explores nothing else meanwhile.
            ///
            /// # Panics
            /// If `order` is `Release` or `AcqRel`.
            #[track_caller]
            pub fn await_eq(&self, value: $value, order: Ordering) {
                check_load(order);
                let update = Update::Await { mask: u64::MAX, value: Self::pack(value), equal: true };
                self.0.read(update, (order, order), Location::caller());
            }

            /// A load that waits until the value is not `value`, and explores nothing else meanwhile.
            ///
            /// # Panics
            /// If `order` is `Release` or `AcqRel`.
            #[track_caller]
            pub fn await_ne(&self, value: $value, order: Ordering) -> $value {
                check_load(order);
                let update = Update::Await { mask: u64::MAX, value: Self::pack(value), equal: false };
                Self::unpack(self.0.read(update, (order, order), Location::caller()).map_or(0, |got| got.value))
            }

            /// A compare-exchange that waits until it succeeds, and explores nothing else meanwhile.
            ///
            /// # Panics
            /// If `failure`, the ordering of the reads that it waits by, is `Release` or `AcqRel`.
            #[track_caller]
            pub fn await_exchange(&self, current: $value, new: $value, success: Ordering, failure: Ordering) {
                check_load(failure);
                let update = Update::AwaitExchange { expected: Self::pack(current), new: Self::pack(new) };
                self.0.read(update, (success, failure), Location::caller());
            }

            /// Calls `f` with the value, which it may change. Nobody else has access: `self` is borrowed mutably.
            #[track_caller]
            pub fn with_mut<R>(&mut self, f: impl FnOnce(&mut $value) -> R) -> R {
                let site = Location::caller();
                let old = Self::unpack(self.0.load(Ordering::Relaxed, site));
                let mut value = old;
                let result = f(&mut value);
                if Self::pack(value) != Self::pack(old) {
                    self.0.store(Self::pack(value), Ordering::Relaxed, site);
                }
                result
            }

            /// The value, of which nobody else has a reference.
            #[must_use]
            #[track_caller]
            pub fn into_inner(self) -> $value {
                Self::unpack(self.0.load(Ordering::Relaxed, Location::caller()))
            }

            /// Reads the value as if it were no atomic: a write that does not happen before is reported as a race.
            ///
            /// # Safety
            /// None of the program's writes may race with it; here, unlike in the program, that is checked.
            #[track_caller]
            pub unsafe fn unsync_load(&self) -> $value {
                let site = Location::caller();
                let (loc, value) = (self.0.loc(site), self.0.load(Ordering::Relaxed, site));
                operate(|x| x.check_unsynchronised(loc, site));
                Self::unpack(value)
            }
        }

        impl From<$value> for $name {
            #[track_caller]
            fn from(value: $value) -> Self {
                Self::new(value)
            }
        }

        impl Default for $name {
            #[track_caller]
            fn default() -> Self {
                Self::new(<$value>::default())
            }
        }

        impl core::fmt::Debug for $name {
            /// As [`peek`](Self::peek).
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                match self.0.newest() {
                    Some(value) => core::fmt::Debug::fmt(&Self::unpack(value), f),
                    None => f.write_str("?"),
                }
            }
        }
    };
}

macro_rules! atomic_integer {
    ($name:ident, $value:ty, $unsigned:ty, $signed:expr) => {
        atomic!($name, $value, <$value>::BITS as u8, $signed, |value| (value as $unsigned) as u64, |value| (value
            as $unsigned)
            as $value);

        impl $name {
            /// Adds, wrapping, and returns the value before.
            #[track_caller]
            pub fn fetch_add(&self, value: $value, order: Ordering) -> $value {
                let update = Update::Add(Self::pack(value), Self::width());
                Self::unpack(self.0.rmw(update, order, Location::caller()))
            }

            /// Subtracts, wrapping, and returns the value before.
            #[track_caller]
            pub fn fetch_sub(&self, value: $value, order: Ordering) -> $value {
                let update = Update::Sub(Self::pack(value), Self::width());
                Self::unpack(self.0.rmw(update, order, Location::caller()))
            }

            /// Writes the greater one and returns the value before.
            #[track_caller]
            pub fn fetch_max(&self, value: $value, order: Ordering) -> $value {
                let update = Update::Max(Self::pack(value), Self::width());
                Self::unpack(self.0.rmw(update, order, Location::caller()))
            }

            /// Writes the lesser one and returns the value before.
            #[track_caller]
            pub fn fetch_min(&self, value: $value, order: Ordering) -> $value {
                let update = Update::Min(Self::pack(value), Self::width());
                Self::unpack(self.0.rmw(update, order, Location::caller()))
            }
        }
    };
}

#[expect(
    trivial_numeric_casts,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    clippy::cast_lossless,
    reason = "values are packed into 64 bits without regard to their sign, and unpacked into what they were"
)]
mod integers {
    use super::{Location, Ordering, PhantomData, Update, Width, Word, check_load, operate};

    atomic_integer!(AtomicU8, u8, u8, false);
    atomic_integer!(AtomicU16, u16, u16, false);
    atomic_integer!(AtomicU32, u32, u32, false);
    atomic_integer!(AtomicU64, u64, u64, false);
    atomic_integer!(AtomicUsize, usize, usize, false);
    atomic_integer!(AtomicI8, i8, u8, true);
    atomic_integer!(AtomicI16, i16, u16, true);
    atomic_integer!(AtomicI32, i32, u32, true);
    atomic_integer!(AtomicI64, i64, u64, true);
    atomic_integer!(AtomicIsize, isize, usize, true);
    atomic!(AtomicBool, bool, 1, false, |value| u64::from(value), |value| value != 0);

    impl AtomicU32 {
        pub(crate) fn word(&self) -> Word {
            self.0
        }
    }

    impl AtomicBool {
        /// Flips the value and returns the one before.
        #[track_caller]
        pub fn fetch_not(&self, order: Ordering) -> bool {
            Self::unpack(self.0.rmw(Update::Xor(1), order, Location::caller()))
        }
    }
}

pub use integers::{
    AtomicBool, AtomicI8, AtomicI16, AtomicI32, AtomicI64, AtomicIsize, AtomicU8, AtomicU16, AtomicU32, AtomicU64,
    AtomicUsize,
};

//! A reference-counted pointer whose counting is part of the model.

use super::atomic::{AtomicUsize, Ordering};
use crate::runtime::{try_with, with};
use core::ops::Deref;
use core::panic::Location;
use core::pin::Pin;

/// A reference-counted pointer; one that is left at the end of an execution is reported as a leak.
///
/// ```
/// use treadle::{Builder, Problem, sync::Arc};
///
/// let failure = Builder::new().explore(|| std::mem::forget(Arc::new(1))).unwrap_err();
/// assert_eq!(failure.problem, Problem::Leak);
/// ```
///
/// Its counting is made of the operations of `std`'s: a relaxed increment, a release decrement, an acquire load before
/// the value is dropped. They cost executions. A model that is not about the counting does better with
/// `std::sync::Arc`.
pub struct Arc<T: ?Sized> {
    counted: std::sync::Arc<Counted>,
    value: std::sync::Arc<T>,
}

struct Counted {
    count: AtomicUsize,
    run: u64,
    tracked: u64,
}

impl<T> Arc<T> {
    /// A value with one reference.
    #[must_use]
    #[track_caller]
    pub fn new(value: T) -> Self {
        Self::from_std(std::sync::Arc::new(value))
    }

    /// The same, pinned.
    #[must_use]
    #[track_caller]
    pub fn pin(value: T) -> Pin<Self> {
        // SAFETY: the value lives in a `std::sync::Arc`, which does not move it, and cannot be taken out but through
        // `try_unwrap`, which a pinned pointer does not offer.
        unsafe { Pin::new_unchecked(Self::new(value)) }
    }

    /// The value, if there is no other reference to it.
    ///
    /// # Errors
    /// The pointer, if there is.
    #[track_caller]
    pub fn try_unwrap(this: Self) -> Result<T, Self> {
        if this.counted.count.compare_exchange(1, 0, Ordering::Relaxed, Ordering::Relaxed).is_err() {
            return Err(this);
        }
        this.counted.count.load(Ordering::Acquire);
        this.counted.forget();
        let value = std::sync::Arc::clone(&this.value);
        // Its reference is given up already; what is left of the pointer counts no more.
        let this = core::mem::ManuallyDrop::new(this);
        // SAFETY: `this` is not used again.
        unsafe { core::ptr::drop_in_place((&raw const this.value).cast_mut()) };
        // SAFETY: as above.
        unsafe { core::ptr::drop_in_place((&raw const this.counted).cast_mut()) };
        match std::sync::Arc::try_unwrap(value) {
            Ok(value) => Ok(value),
            Err(_) => panic!("the count says that this is the only reference, but there is another one"),
        }
    }
}

impl<T: ?Sized> Arc<T> {
    /// A pointer to what a `std` pointer points to, for values without a size. There must be no other.
    #[must_use]
    #[track_caller]
    pub fn from_std(value: std::sync::Arc<T>) -> Self {
        let site = Location::caller();
        let (run, tracked) = with(|x| (x.run, x.track(site)));
        let counted = std::sync::Arc::new(Counted { count: AtomicUsize::new(1), run, tracked });
        Self { counted, value }
    }

    /// How many references there are, as far as this thread can know.
    #[must_use]
    #[track_caller]
    pub fn strong_count(this: &Self) -> usize {
        this.counted.count.load(Ordering::Relaxed)
    }

    /// The value, if there is no other reference to it.
    #[track_caller]
    pub fn get_mut(this: &mut Self) -> Option<&mut T> {
        if this.counted.count.load(Ordering::Acquire) != 1 {
            return None;
        }
        std::sync::Arc::get_mut(&mut this.value)
    }

    /// Whether two pointers point to one value.
    #[must_use]
    pub fn ptr_eq(this: &Self, other: &Self) -> bool {
        std::sync::Arc::ptr_eq(&this.value, &other.value)
    }

    /// The address of the value.
    #[must_use]
    pub fn as_ptr(this: &Self) -> *const T {
        std::sync::Arc::as_ptr(&this.value)
    }
}

impl Counted {
    fn forget(&self) {
        try_with(|x| {
            if x.run == self.run {
                x.tracked.remove(&self.tracked);
            }
        });
    }
}

impl<T: ?Sized> Clone for Arc<T> {
    #[track_caller]
    fn clone(&self) -> Self {
        self.counted.count.fetch_add(1, Ordering::Relaxed);
        Self { counted: std::sync::Arc::clone(&self.counted), value: std::sync::Arc::clone(&self.value) }
    }
}

impl<T: ?Sized> Drop for Arc<T> {
    #[track_caller]
    fn drop(&mut self) {
        if crate::thread::is_alive() && self.counted.count.fetch_sub(1, Ordering::Release) == 1 {
            self.counted.count.load(Ordering::Acquire);
            self.counted.forget();
        }
    }
}

impl<T: ?Sized> Deref for Arc<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: ?Sized> AsRef<T> for Arc<T> {
    fn as_ref(&self) -> &T {
        &self.value
    }
}

impl<T> From<T> for Arc<T> {
    #[track_caller]
    fn from(value: T) -> Self {
        Self::new(value)
    }
}

impl<T: Default> Default for Arc<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T: ?Sized + core::fmt::Debug> core::fmt::Debug for Arc<T> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.value.fmt(f)
    }
}

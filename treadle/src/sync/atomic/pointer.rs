//! Atomic pointers.

use super::{Ordering, Word, check_load};
use crate::graph::Update;
use crate::runtime::try_with;
use core::marker::PhantomData;
use core::panic::Location;

/// An atomic pointer.
///
/// ```
/// use std::sync::Arc;
/// use treadle::{sync::atomic::{AtomicPtr, Ordering::{Acquire, Release}}, thread};
///
/// treadle::model(|| {
///     let slot = Arc::new(AtomicPtr::default());
///     let other = Arc::clone(&slot);
///     let thread = thread::spawn(move || other.store(Box::into_raw(Box::new(1)), Release));
///     let seen = slot.load(Acquire);
///     // SAFETY: whoever sees it has acquired what the release published.
///     assert!(seen.is_null() || unsafe { *seen } == 1);
///     thread.join().unwrap();
///     // SAFETY: the other thread has ended.
///     drop(unsafe { Box::from_raw(slot.load(Acquire)) });
/// });
/// ```
///
/// Addresses differ from run to run, so a pointer is known by the thread that first handed it to an atomic and by how
/// many others that thread had handed over before. Two allocations of one execution at one address are one pointer to
/// the model, as they are to the program; since whether the allocator reuses an address is not in the model's hands,
/// that can show as divergence. [`treadle::alloc`](crate::alloc) never reuses one.
pub struct AtomicPtr<T>(Word, PhantomData<*mut T>);

// SAFETY: as for the standard type: what it points to is not shared by sharing it.
unsafe impl<T> Send for AtomicPtr<T> {}
// SAFETY: as above; the word itself is the engine's.
unsafe impl<T> Sync for AtomicPtr<T> {}

fn pack<T>(pointer: *mut T) -> u64 {
    if pointer.is_null() { 0 } else { try_with(|x| x.name_of(pointer.expose_provenance())).unwrap_or(0) }
}

fn unpack<T>(name: u64) -> *mut T {
    match try_with(|x| x.address_of(name)).flatten() {
        Some(address) => core::ptr::with_exposed_provenance_mut(address),
        None => core::ptr::null_mut(),
    }
}

impl<T> AtomicPtr<T> {
    /// A new word that holds `pointer`.
    #[must_use]
    #[track_caller]
    pub fn new(pointer: *mut T) -> Self {
        Self(Word::new(pack(pointer)), PhantomData)
    }

    /// Reads the pointer.
    ///
    /// # Panics
    /// If `order` is `Release` or `AcqRel`.
    #[track_caller]
    pub fn load(&self, order: Ordering) -> *mut T {
        unpack(self.0.load(order, Location::caller()))
    }

    /// Writes the pointer.
    ///
    /// # Panics
    /// If `order` is `Acquire` or `AcqRel`.
    #[track_caller]
    pub fn store(&self, pointer: *mut T, order: Ordering) {
        self.0.store(pack(pointer), order, Location::caller());
    }

    /// Writes the pointer and returns the one before it.
    #[track_caller]
    pub fn swap(&self, pointer: *mut T, order: Ordering) -> *mut T {
        unpack(self.0.rmw(Update::Swap(pack(pointer)), order, Location::caller()))
    }

    /// Writes `new` if the pointer is `current`. A failure can read any pointer that a load could.
    ///
    /// # Errors
    /// The pointer, if it is another one.
    ///
    /// # Panics
    /// If `failure` is `Release` or `AcqRel`.
    #[track_caller]
    pub fn compare_exchange(
        &self,
        current: *mut T,
        new: *mut T,
        success: Ordering,
        failure: Ordering,
    ) -> Result<*mut T, *mut T> {
        self.exchange(current, new, (success, failure), false, Location::caller())
    }

    /// As [`compare_exchange`](Self::compare_exchange), but it can also fail for no reason.
    ///
    /// # Errors
    /// The pointer, also if it is `current`.
    ///
    /// # Panics
    /// If `failure` is `Release` or `AcqRel`.
    #[track_caller]
    pub fn compare_exchange_weak(
        &self,
        current: *mut T,
        new: *mut T,
        success: Ordering,
        failure: Ordering,
    ) -> Result<*mut T, *mut T> {
        self.exchange(current, new, (success, failure), true, Location::caller())
    }

    fn exchange(
        &self,
        current: *mut T,
        new: *mut T,
        orders: (Ordering, Ordering),
        weak: bool,
        site: &'static Location<'static>,
    ) -> Result<*mut T, *mut T> {
        check_load(orders.1);
        let update = Update::Exchange { expected: pack(current), new: pack(new), weak };
        match self.0.read(update, orders, site) {
            Some(got) if got.wrote => Ok(unpack(got.value)),
            Some(got) => Err(unpack(got.value)),
            None => Ok(current),
        }
    }

    /// Applies `f` until a compare-exchange succeeds.
    ///
    /// # Errors
    /// The pointer for which `f` returned `None`.
    ///
    /// # Panics
    /// If `fetch` is `Release` or `AcqRel`.
    #[track_caller]
    pub fn fetch_update(
        &self,
        set: Ordering,
        fetch: Ordering,
        mut f: impl FnMut(*mut T) -> Option<*mut T>,
    ) -> Result<*mut T, *mut T> {
        let site = Location::caller();
        let mut old = unpack(self.0.load(fetch, site));
        while let Some(new) = f(old) {
            match self.exchange(old, new, (set, fetch), true, site) {
                Ok(old) => return Ok(old),
                Err(found) => old = found,
            }
        }
        Err(old)
    }

    /// Calls `f` with the pointer, which it may change. Nobody else has access: `self` is borrowed mutably.
    #[track_caller]
    pub fn with_mut<R>(&mut self, f: impl FnOnce(&mut *mut T) -> R) -> R {
        let site = Location::caller();
        let old = unpack(self.0.load(Ordering::Relaxed, site));
        let mut pointer = old;
        let result = f(&mut pointer);
        if pointer != old {
            self.0.store(pack(pointer), Ordering::Relaxed, site);
        }
        result
    }

    /// The pointer, of which nobody else has a reference.
    #[must_use]
    #[track_caller]
    pub fn into_inner(self) -> *mut T {
        unpack(self.0.load(Ordering::Relaxed, Location::caller()))
    }
}

impl<T> Default for AtomicPtr<T> {
    fn default() -> Self {
        Self::new(core::ptr::null_mut())
    }
}

impl<T> From<*mut T> for AtomicPtr<T> {
    fn from(pointer: *mut T) -> Self {
        Self::new(pointer)
    }
}

impl<T> core::fmt::Debug for AtomicPtr<T> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self.0.newest() {
            Some(name) => core::fmt::Debug::fmt(&unpack::<T>(name), f),
            None => f.write_str("?"),
        }
    }
}

//! A mutex whose waiting costs no executions.

use super::atomic::{AtomicBool, Ordering};
use super::{LockResult, TryLockError, TryLockResult};
use core::cell::UnsafeCell;
use core::ops::{Deref, DerefMut};

/// A mutual exclusion lock.
///
/// ```
/// use std::sync::Arc;
/// use treadle::{Builder, sync::Mutex, thread};
///
/// let report = Builder::new().explore(|| {
///     let count = Arc::new(Mutex::new(0));
///     let other = Arc::clone(&count);
///     let thread = thread::spawn(move || *other.lock().unwrap() += 1);
///     *count.lock().unwrap() += 1;
///     thread.join().unwrap();
///     assert_eq!(*count.lock().unwrap(), 2);
/// });
/// assert_eq!(report.unwrap().executions, 2, "one for each order");
/// ```
///
/// Every order in which threads get it is explored, and nothing else: a thread that waits is one read. An unlock happens
/// before the next lock. It is never poisoned, since the panic of a thread ends the model.
pub struct Mutex<T: ?Sized> {
    locked: AtomicBool,
    value: UnsafeCell<T>,
}

// SAFETY: the value is reached only by whoever holds the lock.
unsafe impl<T: ?Sized + Send> Sync for Mutex<T> {}

/// Access to what a [`Mutex`] guards; dropping it unlocks.
#[must_use = "dropped at once, it unlocks at once"]
#[derive(Debug)]
pub struct MutexGuard<'a, T: ?Sized> {
    pub(super) mutex: &'a Mutex<T>,
}

impl<T> Mutex<T> {
    /// An unlocked mutex.
    #[must_use]
    #[track_caller]
    pub fn new(value: T) -> Self {
        Self { locked: AtomicBool::new(false), value: UnsafeCell::new(value) }
    }

    /// The value.
    ///
    /// # Errors
    /// Never; the type is that of `std`.
    pub fn into_inner(self) -> LockResult<T> {
        Ok(self.value.into_inner())
    }
}

impl<T: ?Sized> Mutex<T> {
    /// Locks it, after waiting for whoever holds it. A thread that holds it already waits for ever, which is reported.
    ///
    /// # Errors
    /// Never; the type is that of `std`.
    #[track_caller]
    pub fn lock(&self) -> LockResult<MutexGuard<'_, T>> {
        self.locked.await_exchange(false, true, Ordering::Acquire, Ordering::Relaxed);
        Ok(MutexGuard { mutex: self })
    }

    /// Locks it, if nobody holds it.
    ///
    /// # Errors
    /// `WouldBlock` if somebody does, or did as far as this thread can know.
    #[track_caller]
    pub fn try_lock(&self) -> TryLockResult<MutexGuard<'_, T>> {
        match self.locked.compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed) {
            Ok(_) => Ok(MutexGuard { mutex: self }),
            Err(_) => Err(TryLockError::WouldBlock),
        }
    }

    /// The value, to which nobody else has access.
    ///
    /// # Errors
    /// Never; the type is that of `std`.
    pub fn get_mut(&mut self) -> LockResult<&mut T> {
        Ok(self.value.get_mut())
    }

    #[track_caller]
    pub(super) fn unlock(&self) {
        self.locked.store(false, Ordering::Release);
    }
}

impl<T: Default> Default for Mutex<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T: ?Sized> core::fmt::Debug for Mutex<T> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Mutex").field("locked", &self.locked).finish_non_exhaustive()
    }
}

impl<T: ?Sized> Deref for MutexGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: the guard holds the lock.
        unsafe { &*self.mutex.value.get() }
    }
}

impl<T: ?Sized> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the guard holds the lock, and is borrowed mutably.
        unsafe { &mut *self.mutex.value.get() }
    }
}

impl<T: ?Sized> Drop for MutexGuard<'_, T> {
    #[track_caller]
    fn drop(&mut self) {
        self.mutex.unlock();
    }
}

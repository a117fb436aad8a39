//! Memory that a test shares with the processes it forks, and what they tell each other there.
#![allow(dead_code, reason = "each test binary uses a part of it")]

use super::patience::{PATIENCE, patience, who};
use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous, munmap};
use selvedge::sync::{AtomicU32, Ordering, WaitOutcome, futex_wait, futex_wake};
use std::ops::Deref;
use std::ptr::{self, NonNull};

/// A value in memory that forked children share. It is not dropped, only unmapped.
#[derive(Debug)]
pub(crate) struct Shared<T> {
    value: NonNull<T>,
}

impl<T> Shared<T> {
    /// Moves `value` there.
    pub(crate) fn new(value: T) -> Self {
        let (protection, flags) = (ProtFlags::READ | ProtFlags::WRITE, MapFlags::SHARED);
        // SAFETY: a new mapping wherever the kernel finds room takes nothing from anyone.
        let at = unsafe { mmap_anonymous(ptr::null_mut(), size_of::<T>().max(1), protection, flags) };
        let value_at = NonNull::new(at.expect("a mapping").cast::<T>()).expect("no mapping lies at zero");
        // SAFETY: mapped just now, long enough, and aligned to a page.
        unsafe { value_at.write(value) };
        Self { value: value_at }
    }

    /// Where it lies, in this process and in those that it forks.
    pub(crate) fn as_ptr(&self) -> *mut T {
        self.value.as_ptr()
    }
}

impl<T> Deref for Shared<T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: written in `new`, mapped as long as `self` lives.
        unsafe { self.value.as_ref() }
    }
}

impl<T> Drop for Shared<T> {
    fn drop(&mut self) {
        // SAFETY: `new` made this mapping for `self` alone; a child that still has it keeps its own view.
        let _ = unsafe { munmap(self.value.as_ptr().cast(), size_of::<T>().max(1)) };
    }
}

// SAFETY: as the `T` that it holds.
unsafe impl<T: Send> Send for Shared<T> {}
// SAFETY: as above.
unsafe impl<T: Sync> Sync for Shared<T> {}

/// A number that one process raises and others wait for.
#[derive(Debug)]
pub(crate) struct Mark(AtomicU32);

impl Default for Mark {
    fn default() -> Self {
        Self(AtomicU32::new(0))
    }
}

impl Mark {
    /// Sets it and wakes who waits for it.
    pub(crate) fn set(&self, value: u32) {
        // Release: pairs with the Acquire in get; what was written before is seen by who waited.
        self.0.store(value, Ordering::Release);
        futex_wake(&self.0, u32::MAX);
    }

    /// What it is.
    pub(crate) fn get(&self) -> u32 {
        // Acquire: pairs with the Release in set.
        self.0.load(Ordering::Acquire)
    }

    /// Waits until it is not zero, asleep, and returns what it is.
    #[track_caller]
    pub(crate) fn wait(&self, what: &str) -> u32 {
        self.wait_while(0, what)
    }

    /// Waits until it is not `value`, asleep, and returns what it is.
    #[track_caller]
    pub(crate) fn wait_while(&self, value: u32, what: &str) -> u32 {
        let deadline = patience();
        loop {
            let found = self.get();
            if found != value {
                return found;
            }
            if futex_wait(&self.0, value, Some(deadline)) == WaitOutcome::TimedOut && self.get() == value {
                panic!("{} waited {PATIENCE:?} in vain for: {what}", who());
            }
        }
    }
}

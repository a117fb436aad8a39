//! Memory that is watched: what is left at the end of an execution is a leak, and no address is used twice.
//!
//! What is given back is freed when the execution has ended. So an address names one allocation, in every run the same,
//! which [`AtomicPtr`](crate::sync::atomic::AtomicPtr) needs.

use crate::runtime::{try_with, with};
use core::panic::Location;

pub use std::alloc::Layout;

/// Allocates memory.
///
/// # Safety
/// As for [`std::alloc::alloc`]: the layout has a size.
#[must_use]
#[track_caller]
pub unsafe fn alloc(layout: Layout) -> *mut u8 {
    // SAFETY: the caller's.
    watch(unsafe { std::alloc::alloc(layout) }, Location::caller())
}

/// Allocates memory that is zero.
///
/// # Safety
/// As for [`std::alloc::alloc_zeroed`]: the layout has a size.
#[must_use]
#[track_caller]
pub unsafe fn alloc_zeroed(layout: Layout) -> *mut u8 {
    // SAFETY: the caller's.
    watch(unsafe { std::alloc::alloc_zeroed(layout) }, Location::caller())
}

fn watch(address: *mut u8, site: &'static Location<'static>) -> *mut u8 {
    with(|x| x.allocated(address.addr(), site));
    address
}

/// Gives memory back.
///
/// # Safety
/// As for [`std::alloc::dealloc`]: it came from here, with that layout, and is used no more.
///
/// # Panics
/// If the memory did not come from here, or was given back before.
pub unsafe fn dealloc(address: *mut u8, layout: Layout) {
    let known = try_with(|x| x.deallocated(address, layout));
    assert!(known != Some(false), "memory is given back that is not in use: given back twice?");
}

/// A value whose loss is reported: it must be dropped before the execution ends.
///
/// ```
/// use treadle::{Builder, Problem, alloc::Track};
///
/// let failure = Builder::new().explore(|| std::mem::forget(Track::new("file"))).unwrap_err();
/// assert_eq!(failure.problem, Problem::Leak);
/// ```
#[derive(Debug)]
pub struct Track<T> {
    value: T,
    run: u64,
    tracked: u64,
}

impl<T> Track<T> {
    /// Watches over `value`.
    #[must_use]
    #[track_caller]
    pub fn new(value: T) -> Self {
        let site = Location::caller();
        let (run, tracked) = with(|x| (x.run, x.track(site)));
        Self { value, run, tracked }
    }

    /// The value.
    pub fn get_ref(&self) -> &T {
        &self.value
    }

    /// The value.
    pub fn get_mut(&mut self) -> &mut T {
        &mut self.value
    }
}

impl<T> Drop for Track<T> {
    fn drop(&mut self) {
        try_with(|x| {
            if x.run == self.run {
                x.tracked.remove(&self.tracked);
            }
        });
    }
}

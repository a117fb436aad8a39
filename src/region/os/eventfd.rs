//! A descriptor that becomes readable once, when it is told.
//!
//! **Purpose.** What a program waits for in `poll` or `epoll`, among its sockets and timers, must be a descriptor. This
//! one is an eventfd: it is readable from the moment it is told until somebody reads it.
//!
//! **Fork.** A child inherits a copy of the descriptor, of the same eventfd: dropping it closes the copy.
//!
//! **References.** `eventfd(2)`.

use super::failed;
use crate::region::error::OsError;
use rustix::event::{EventfdFlags, eventfd};
use rustix::io::{Errno, read, retry_on_intr, write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// A descriptor that can be told.
#[derive(Debug)]
pub(crate) struct EventFd(OwnedFd);

impl EventFd {
    /// One that has not been told. It is closed at exec.
    ///
    /// # Errors
    /// The process, or the machine, has as many descriptors as it may have.
    pub(crate) fn new() -> Result<Self, OsError> {
        eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).map(Self).map_err(failed("eventfd"))
    }

    /// Makes it readable.
    pub(crate) fn tell(&self) {
        let told = retry_on_intr(|| write(&self.0, &1_u64.to_ne_bytes()));
        // It is refused only where it was told 2⁶⁴ - 2 times before: then it is readable.
        debug_assert!(matches!(told, Ok(_) | Err(Errno::AGAIN)), "write to an eventfd: {told:?}");
    }
}

impl EventFd {
    /// Makes it unreadable, until it is told again.
    pub(crate) fn clear(&self) {
        let cleared = retry_on_intr(|| read(&self.0, &mut [0; 8]));
        debug_assert!(matches!(cleared, Ok(_) | Err(Errno::AGAIN)), "read of an eventfd: {cleared:?}");
    }
}

impl AsFd for EventFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

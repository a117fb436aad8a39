//! What the region layer asks of the kernel, one concept per file. System calls and unsafe mapping are here and nowhere
//! else in the layer.

pub(super) mod directory;
pub(super) mod eventfd;
pub(super) mod exit;
pub(super) mod fork;
pub(super) mod keeper;
pub(super) mod memory;
pub(super) mod robust;
#[cfg(test)]
pub(super) mod surroundings;
mod syscall;
#[cfg(test)]
pub(super) mod testing;
pub(super) mod thread_exit;

use super::error::OsError;
use rustix::io::Errno;

/// Names the call that failed.
pub(super) fn failed(operation: &'static str) -> impl Fn(Errno) -> OsError {
    move |errno| OsError::new(operation, errno.raw_os_error())
}

impl From<keeper::SpawnError> for OsError {
    fn from(error: keeper::SpawnError) -> Self {
        match error {
            keeper::SpawnError::Stack(errno) => failed("mmap of a keeper's stack")(errno),
            keeper::SpawnError::Signals(errno) => failed("rt_sigprocmask")(errno),
            keeper::SpawnError::Clone(errno) => failed("clone of a keeper")(errno),
        }
    }
}

impl From<exit::StartTimeError> for OsError {
    fn from(error: exit::StartTimeError) -> Self {
        failed("reading the start time in /proc/self/stat")(match error {
            exit::StartTimeError::Unreadable(errno) => errno,
            exit::StartTimeError::Malformed => Errno::INVAL,
        })
    }
}

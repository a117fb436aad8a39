//! What the region layer asks of the kernel, one concept per file. System calls and unsafe mapping are here and nowhere
//! else in the layer.

pub(super) mod directory;
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
fn failed(operation: &'static str) -> impl Fn(Errno) -> OsError {
    move |errno| OsError::new(operation, errno.raw_os_error())
}

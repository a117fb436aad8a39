//! Larger pipes: fewer turns between this process and the one at the other end of its standard input or output.

use rustix::pipe::{fcntl_getpipe_size, fcntl_setpipe_size};
use std::os::fd::AsFd;

/// As much as is moved at once. The kernel's default is a quarter of it.
const SIZE: usize = 256 << 10;

/// Gives a pipe room for `SIZE` bytes. What is no pipe stays as it is, and so does one to which the kernel gives no more.
pub(crate) fn enlarge(file: &impl AsFd) {
    if fcntl_getpipe_size(file).is_ok_and(|size| size < SIZE) {
        let _ = fcntl_setpipe_size(file, SIZE);
    }
}

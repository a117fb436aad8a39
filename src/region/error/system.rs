//! The system call that failed, and its `errno`.

use std::error::Error;
use std::fmt;
use std::io;

/// A system call that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OsError {
    operation: &'static str,
    errno: i32,
}

impl OsError {
    pub(crate) const fn new(operation: &'static str, errno: i32) -> Self {
        Self { operation, errno }
    }

    /// The failure of `operation` through `std`; an error without an `errno` counts as `EIO`.
    pub(crate) fn from_io(operation: &'static str, error: &io::Error) -> Self {
        const EIO: i32 = 5;
        Self { operation, errno: error.raw_os_error().unwrap_or(EIO) }
    }

    /// The call that failed.
    #[must_use]
    pub const fn operation(&self) -> &'static str {
        self.operation
    }

    /// Its `errno`.
    #[must_use]
    pub const fn errno(&self) -> i32 {
        self.errno
    }
}

impl fmt::Display for OsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.operation, io::Error::from_raw_os_error(self.errno))
    }
}

impl Error for OsError {}

impl From<OsError> for io::Error {
    fn from(error: OsError) -> Self {
        Self::from_raw_os_error(error.errno)
    }
}

//! What is wrong with the directory that holds the region files.

use super::OsError;
use std::error::Error;
use std::fmt;
use std::path::{Path, PathBuf};

/// What is wrong with the directory that holds the region files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DirectoryFault {
    /// A symbolic link, which could be turned elsewhere between two looks at it.
    Symlink,
    /// Something else than a directory.
    NotADirectory,
    /// The directory of somebody else.
    OtherOwner {
        /// Whose it is.
        uid: u32,
    },
    /// Others than its owner have access to it.
    Exposed {
        /// Its permission bits.
        mode: u32,
    },
    /// The kernel refused.
    Os(OsError),
}

/// The directory that holds the region files cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirectoryError {
    path: PathBuf,
    fault: DirectoryFault,
}

impl DirectoryError {
    pub(crate) fn new(path: &Path, fault: DirectoryFault) -> Self {
        Self { path: path.to_path_buf(), fault }
    }

    /// Which directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What is wrong with it.
    #[must_use]
    pub const fn fault(&self) -> DirectoryFault {
        self.fault
    }
}

impl fmt::Display for DirectoryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "directory {:?}: ", self.path)?;
        match &self.fault {
            DirectoryFault::Symlink => f.write_str("is a symbolic link"),
            DirectoryFault::NotADirectory => f.write_str("is not a directory"),
            DirectoryFault::OtherOwner { uid } => write!(f, "belongs to user {uid}"),
            DirectoryFault::Exposed { mode } => {
                write!(f, "its mode {mode:o} gives access to others than its owner; 700 is needed")
            }
            DirectoryFault::Os(error) => error.fmt(f),
        }
    }
}

impl Error for DirectoryError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.fault {
            DirectoryFault::Os(error) => Some(error),
            _ => None,
        }
    }
}

//! Why what was found is no region for this process.

use std::error::Error;
use std::fmt;

/// Why a file or descriptor that was found is no region for this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unfit {
    /// Not a regular file: a symbolic link, a directory, a pipe, a device.
    NotRegular,
    /// A file of somebody else.
    OtherOwner {
        /// Whose it is.
        uid: u32,
    },
    /// Others than its owner have access to the file.
    Exposed {
        /// Its permission bits.
        mode: u32,
    },
    /// The file does not begin as a region does.
    NotARegion,
    /// The file holds zeros where its header or its last word should be: a hole was punched into it.
    Zeroed,
    /// The file is shorter than its header says, or than a header.
    Truncated {
        /// The length that it should have.
        stated: u64,
        /// The length that it has.
        actual: u64,
    },
    /// The file is longer than its header says.
    Overlong {
        /// The length that it should have.
        stated: u64,
        /// The length that it has.
        actual: u64,
    },
    /// The header contradicts its own checksum, or says what no header says.
    Corrupt,
    /// Made by a version of this crate with another file format.
    OtherVersion {
        /// The format of the file.
        found: u64,
        /// The format of this crate.
        expected: u64,
    },
    /// Made by a build of this crate that lays its objects out differently.
    OtherLayout {
        /// The layout hash of the file.
        found: u64,
        /// The layout hash of this build.
        expected: u64,
    },
    /// Left over from before the machine was started: no process that used it exists any more.
    OtherBoot,
    /// The descriptor is no memory file whose size is sealed, so that its sender could make this process crash.
    Unsealed,
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotRegular => f.write_str("not a regular file"),
            Self::OtherOwner { uid } => write!(f, "belongs to user {uid}"),
            Self::Exposed { mode } => write!(f, "its mode {mode:o} gives access to others than its owner"),
            Self::NotARegion => f.write_str("the file is not a region"),
            Self::Zeroed => f.write_str("the region was overwritten with zeros"),
            Self::Truncated { stated, actual } => {
                write!(f, "the file was cut off: {actual} bytes are left of {stated}")
            }
            Self::Overlong { stated, actual } => {
                write!(f, "the file was extended: {actual} bytes where {stated} belong")
            }
            Self::Corrupt => f.write_str("the header is damaged"),
            Self::OtherVersion { found, expected } => {
                write!(f, "the file has format {found}, this version of selvedge uses {expected}")
            }
            Self::OtherLayout { found, expected } => {
                write!(f, "the region is laid out as {found:016x}, this build of selvedge expects {expected:016x}")
            }
            Self::OtherBoot => f.write_str("the region is left over from before the last start of this machine"),
            Self::Unsealed => f.write_str("the descriptor is not a memory file with sealed size"),
        }
    }
}

impl Error for Unfit {}

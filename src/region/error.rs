//! What can go wrong with a region or with an object in it, as types that name what it went wrong with.
//!
//! | type | of what |
//! |---|---|
//! | [`RegionError`] = region + [`RegionErrorKind`] | making, opening, attaching and removing a region |
//! | [`Unfit`] | the bytes or the file that were found are no region for this process |
//! | [`DirectoryError`] = path + [`DirectoryFault`] | the directory that holds the region files |
//! | [`Unusable`] | a handle that was good and is so no longer |
//! | [`ObjectError`] = object + [`ObjectErrorKind`] | an object in a region |
//! | [`OsError`] | the system call that failed, and its `errno` |
//!
//! The pairs have the shape of `std::io::Error` and its kind: programs match on `kind()`, people read the message.

mod directory;
mod object;
mod system;
mod unfit;
mod unusable;

pub use directory::{DirectoryError, DirectoryFault};
pub use object::{ObjectError, ObjectErrorKind};
pub use system::OsError;
pub use unfit::Unfit;
pub use unusable::Unusable;

use super::name::{BadName, NameFault};
use std::error::Error;
use std::fmt;
use std::io;

/// What went wrong with a region.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RegionErrorKind {
    /// The name cannot be a region's.
    BadName(NameFault),
    /// A limit is zero or beyond what a region can have.
    BadLimit {
        /// Which limit.
        what: &'static str,
        /// The number that was given.
        given: u64,
        /// The largest number allowed.
        most: u64,
    },
    /// There is no region of this name.
    NotFound,
    /// There is a region of this name already.
    AlreadyExists,
    /// The name refers to another region by now; that one was left alone.
    Replaced,
    /// What bears the name is no region for this process.
    Unfit(Unfit),
    /// The kernel refused access.
    PermissionDenied(OsError),
    /// There is not enough memory for the region's pages.
    NoSpace {
        /// The bytes that the region needs.
        needed: u64,
    },
    /// The size that was asked for does not hold what has to be in it.
    TooSmall {
        /// The bytes needed.
        needed: u64,
        /// The bytes asked for.
        given: u64,
    },
    /// The directory of the region files cannot be used.
    Directory(DirectoryError),
    /// Others were creating or removing regions until the deadline passed.
    Busy,
    /// The kernel refused in a way that has no variant of its own.
    Os(OsError),
    /// This process is attached to the region already.
    AlreadyAttached,
    /// As many processes as the region was made for are attached.
    TooManyProcesses {
        /// How many that are.
        limit: u32,
    },
    /// As many threads of this process as the region was made for use it.
    TooManyThreads {
        /// How many that are.
        limit: u32,
    },
    /// The handle can be used no longer.
    Unusable(Unusable),
}

impl fmt::Display for RegionErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadName(fault) => write!(f, "not a region name: {fault}"),
            Self::BadLimit { what, given, most } => write!(f, "{given} {what}, between 1 and {most} are possible"),
            Self::NotFound => f.write_str("no such region"),
            Self::AlreadyExists => f.write_str("exists already"),
            Self::Replaced => f.write_str("the name refers to another region by now"),
            Self::Unfit(unfit) => unfit.fmt(f),
            Self::PermissionDenied(error) | Self::Os(error) => error.fmt(f),
            Self::NoSpace { needed } => write!(f, "no memory for its {needed} bytes"),
            Self::TooSmall { needed, given } => write!(f, "{given} bytes are too few, {needed} are needed"),
            Self::Directory(error) => error.fmt(f),
            Self::Busy => f.write_str("others kept creating or removing regions until the deadline passed"),
            Self::AlreadyAttached => f.write_str("this process is attached already"),
            Self::TooManyProcesses { limit } => write!(f, "its {limit} places for processes are taken"),
            Self::TooManyThreads { limit } => {
                write!(f, "the {limit} places for threads of this process are taken")
            }
            Self::Unusable(unusable) => unusable.fmt(f),
        }
    }
}

impl From<Unfit> for RegionErrorKind {
    fn from(unfit: Unfit) -> Self {
        Self::Unfit(unfit)
    }
}

impl From<DirectoryError> for RegionErrorKind {
    fn from(error: DirectoryError) -> Self {
        Self::Directory(error)
    }
}

impl From<Unusable> for RegionErrorKind {
    fn from(unusable: Unusable) -> Self {
        Self::Unusable(unusable)
    }
}

impl From<OsError> for RegionErrorKind {
    fn from(error: OsError) -> Self {
        match io::Error::from(error).kind() {
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => Self::PermissionDenied(error),
            _ => Self::Os(error),
        }
    }
}

/// Something went wrong with a region.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegionError {
    region: Option<Box<str>>,
    kind: RegionErrorKind,
}

impl RegionError {
    /// `kind`, of the region named `region`.
    #[must_use]
    pub fn new(region: &str, kind: RegionErrorKind) -> Self {
        Self { region: Some(region.into()), kind }
    }

    /// `kind`, of a region without a name.
    #[must_use]
    pub const fn anonymous(kind: RegionErrorKind) -> Self {
        Self { region: None, kind }
    }

    /// The name of the region; none if it has none.
    #[must_use]
    pub fn region(&self) -> Option<&str> {
        self.region.as_deref()
    }

    /// What went wrong.
    #[must_use]
    pub const fn kind(&self) -> &RegionErrorKind {
        &self.kind
    }
}

impl fmt::Display for RegionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.region {
            Some(region) => write!(f, "region `{region}`: {}", self.kind),
            None => write!(f, "anonymous region: {}", self.kind),
        }
    }
}

impl Error for RegionError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.kind {
            RegionErrorKind::PermissionDenied(error) | RegionErrorKind::Os(error) => Some(error),
            RegionErrorKind::Directory(error) => error.source(),
            _ => None,
        }
    }
}

impl From<BadName> for RegionError {
    fn from(bad: BadName) -> Self {
        Self { region: Some(bad.shown().into()), kind: RegionErrorKind::BadName(bad.fault()) }
    }
}

//! What went wrong with an object in a region.

use super::Unusable;
use crate::region::kind::Kind;
use std::error::Error;
use std::fmt;

/// What went wrong with an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ObjectErrorKind {
    /// There is no object of this name.
    NotFound,
    /// There is an object of this name already.
    AlreadyExists,
    /// The object is of another kind, a semaphore where a mutex was asked for.
    WrongKind {
        /// The number of the kind that it is.
        found: u32,
        /// The number of the kind that was asked for.
        expected: u32,
    },
    /// What the object holds has another size.
    WrongSize {
        /// Its bytes.
        found: u64,
        /// The bytes of the type that was asked for.
        expected: u64,
    },
    /// What the object holds is aligned differently.
    WrongAlign {
        /// Its alignment in bytes.
        found: u64,
        /// The alignment of the type that was asked for.
        expected: u64,
    },
    /// What the object holds bears another type tag.
    WrongTag {
        /// Its tag.
        found: u64,
        /// The tag of the type that was asked for.
        expected: u64,
    },
    /// The object has another number of elements.
    WrongCapacity {
        /// Its elements.
        found: u64,
        /// The elements that were asked for.
        expected: u64,
    },
    /// The object was made on other terms.
    OtherTerms {
        /// What it does.
        found: &'static str,
        /// What was asked for.
        expected: &'static str,
    },
    /// A mailbox of capacity zero keeps nothing, so it cannot deliver again what was not acknowledged.
    HoldsNothing,
    /// No object of its kind has that many elements.
    BadCapacity {
        /// The elements that were asked for.
        given: u64,
        /// The most that are possible; at least one is needed.
        most: u64,
    },
    /// More permits than a semaphore can hold.
    TooManyPermits {
        /// How many it was to have.
        given: u32,
        /// The most that are possible.
        most: u32,
    },
    /// The name is empty or contains a NUL.
    BadName,
    /// The directory of objects was busy until the deadline passed.
    Busy,
    /// As many threads of this process as the region was made for use it.
    TooManyThreads {
        /// How many that are.
        limit: u32,
    },
    /// The name does not fit into the directory of objects.
    NameTooLong {
        /// Its bytes.
        length: usize,
        /// The bytes that fit.
        most: usize,
    },
    /// The region's memory is used up.
    OutOfMemory {
        /// The bytes that the object needs.
        needed: u64,
    },
    /// As many objects as the region was made for are in it.
    TooManyObjects {
        /// How many that are.
        limit: u32,
    },
    /// The region contradicts itself about the object.
    Corrupt,
    /// The region can be used no longer.
    Unusable(Unusable),
}

impl fmt::Display for ObjectErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound => f.write_str("no such object"),
            Self::AlreadyExists => f.write_str("exists already"),
            Self::WrongKind { found, expected } => {
                write!(f, "is a {}, not a {}", NamedKind(*found), NamedKind(*expected))
            }
            Self::WrongSize { found, expected } => write!(f, "holds {found} bytes, not {expected}"),
            Self::WrongAlign { found, expected } => write!(f, "is aligned to {found} bytes, not {expected}"),
            Self::WrongTag { found, expected } => write!(f, "bears the type tag {found:016x}, not {expected:016x}"),
            Self::WrongCapacity { found, expected } => write!(f, "has {found} elements, not {expected}"),
            Self::OtherTerms { found, expected } => write!(f, "{found}; what was asked for {expected}"),
            Self::HoldsNothing => {
                f.write_str("a mailbox of capacity zero keeps nothing that could be delivered at least once")
            }
            Self::BadCapacity { given, most } => write!(f, "{given} elements, between 1 and {most} are possible"),
            Self::TooManyPermits { given, most } => write!(f, "{given} permits, at most {most} are possible"),
            Self::BadName => f.write_str("not a name: empty, or with a NUL in it"),
            Self::Busy => f.write_str("the directory of objects was busy until the deadline passed"),
            Self::TooManyThreads { limit } => {
                write!(f, "the region's {limit} places for threads of this process are taken")
            }
            Self::NameTooLong { length, most } => write!(f, "the name has {length} bytes, at most {most} fit"),
            Self::OutOfMemory { needed } => write!(f, "the region has no room for its {needed} bytes"),
            Self::TooManyObjects { limit } => write!(f, "the region's {limit} places for objects are taken"),
            Self::Corrupt => f.write_str("its entry in the region is damaged"),
            Self::Unusable(unusable) => unusable.fmt(f),
        }
    }
}

/// The number of a kind, shown by the kind's name.
struct NamedKind(u32);

impl fmt::Display for NamedKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Kind::from_number(self.0) {
            Some(kind) => kind.fmt(f),
            None => write!(f, "kind {}", self.0),
        }
    }
}

impl From<Unusable> for ObjectErrorKind {
    fn from(unusable: Unusable) -> Self {
        Self::Unusable(unusable)
    }
}

/// Something went wrong with an object of a region.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectError {
    object: Box<str>,
    kind: ObjectErrorKind,
}

impl ObjectError {
    /// `kind`, of the object named `object`.
    #[must_use]
    pub fn new(object: &str, kind: ObjectErrorKind) -> Self {
        Self { object: object.into(), kind }
    }

    /// The name of the object, as it was given.
    #[must_use]
    pub fn object(&self) -> &str {
        &self.object
    }

    /// What went wrong.
    #[must_use]
    pub const fn kind(&self) -> ObjectErrorKind {
        self.kind
    }
}

impl fmt::Display for ObjectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "object `{}`: {}", self.object.escape_debug(), self.kind)
    }
}

impl Error for ObjectError {}

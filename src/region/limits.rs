//! What a region is made for, and what the layers above make of it.

use super::error::RegionErrorKind;

/// What a region is made for. Fixed when it is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How many processes can be attached at once: 1 to [`Limits::MAX_PROCESSES`].
    pub processes: u32,
    /// How many threads of each process can use the region at once: 1 to [`Limits::MAX_THREADS`].
    pub threads: u32,
    /// How many named objects it can hold: at least 1.
    pub objects: u32,
    /// How many bytes of memory it has for them.
    pub arena: u64,
}

impl Limits {
    /// The most processes that a region can have: each keeper sleeps on the words of all others at once.
    pub const MAX_PROCESSES: u32 = 120;
    /// The most threads that a process can have in a region: the index of a thread slot has 16 bits.
    pub const MAX_THREADS: u32 = 256;

    /// Checks that each limit is possible.
    pub(crate) fn check(&self) -> Result<(), RegionErrorKind> {
        let in_range = |what, given: u32, most: u32| {
            let (given, most) = (given.into(), most.into());
            if (1..=most).contains(&given) { Ok(()) } else { Err(RegionErrorKind::BadLimit { what, given, most }) }
        };
        in_range("processes", self.processes, Self::MAX_PROCESSES)?;
        in_range("threads", self.threads, Self::MAX_THREADS)?;
        in_range("objects", self.objects, u32::MAX)
    }
}

/// What the layers above make of a region's limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    /// A hash of the sizes and places of all that lies in the body.
    pub(crate) hash: u64,
    /// The bytes that the body needs.
    pub(crate) body: u64,
}

/// Computes the layout of a region with these limits, or says why there is none. Called on limits read from a file too.
pub(crate) type LayoutOf = fn(&Limits) -> Result<Layout, RegionErrorKind>;

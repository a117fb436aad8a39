//! The name of a process in a region, as numbers that can be kept and sent.

use super::handle::Region;
use crate::primitives::participants::{ProcessClaim, ProcessEntry, ProcessState, ProcessWord};
use crate::sync::Ordering;
use core::fmt;

/// Names one process in one of its lives in a region: the place where it stands there, and how often that had been taken.
///
/// No other process of the region ever has the same; another region has others of its own. It is plain data, which may be kept,
/// printed and sent to others; what has become of the process is asked of `Region::participant` (which is not there in the model build).
///
/// ```
/// use selvedge::Region;
///
/// let region = Region::anonymous()?;
/// let this = region.participant_id();
/// println!("this process is {this}");
/// # Ok::<(), selvedge::region::RegionError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ParticipantId(u64);

/// Bits of the place.
const INDEX_BITS: u32 = 8;

impl ParticipantId {
    pub(crate) fn of(claim: ProcessClaim) -> Self {
        Self(claim.generation << INDEX_BITS | claim.index as u64 & ((1 << INDEX_BITS) - 1))
    }

    pub(crate) fn claim(self) -> ProcessClaim {
        let index = usize::try_from(self.0 & ((1 << INDEX_BITS) - 1)).unwrap_or(usize::MAX);
        ProcessClaim { index, generation: self.0 >> INDEX_BITS }
    }

    /// As a number, to be kept in shared memory or sent.
    #[must_use]
    pub const fn to_bits(self) -> u64 {
        self.0
    }

    /// From a number. Whether there is or ever was such a process is another question.
    #[must_use]
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }
}

impl fmt::Display for ParticipantId {
    /// Place and generation.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ProcessClaim { index, generation } = self.claim();
        write!(f, "{index}.{generation}")
    }
}

impl fmt::Debug for ParticipantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ParticipantId({self})")
    }
}

impl Region {
    /// This process, as others in the region may call it.
    #[must_use]
    pub fn participant_id(&self) -> ParticipantId {
        ParticipantId::of(self.core().attachment().claim())
    }

    /// The processes that are attached with this process id, each in its own PID namespace.
    pub(crate) fn processes_with(&self, pid: u32) -> Vec<ParticipantId> {
        let processes = self.core().participants().processes();
        let claim = |(index, entry): (usize, &ProcessEntry)| {
            // Acquire: pairs with the swing to LIVE, which published the id.
            let word = ProcessWord::from_bits(entry.word.load(Ordering::Acquire));
            // Relaxed: if it is a successor's, nobody has that id there any more.
            let is_it = word.state == ProcessState::Live && entry.pid.load(Ordering::Relaxed) == pid;
            is_it.then(|| ParticipantId::of(ProcessClaim { index, generation: word.generation }))
        };
        processes.iter().enumerate().filter_map(claim).collect()
    }
}

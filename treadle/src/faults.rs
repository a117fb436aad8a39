//! Faults planted in the engine itself, one at a time, to show that its tests notice.

/// What is done wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Faults {
    /// The last read that a write could revisit is forgotten.
    pub(crate) skip_revisits: bool,
    /// Writes go to the end of coherence order only.
    pub(crate) last_place_only: bool,
    /// Sequentially consistent events are not ordered.
    pub(crate) no_sc: bool,
    /// Revisits take away writes that are not the last of their location.
    pub(crate) revisits_over_writes: bool,
    /// The second of two competing read-modify-writes revisits nothing.
    pub(crate) no_ghosts: bool,
    /// A compare-exchange that fails is relaxed.
    pub(crate) no_sc_failures: bool,
    /// A read-modify-write does not continue a release sequence.
    pub(crate) no_release_sequences: bool,
    /// An acquire fence receives nothing.
    pub(crate) no_acquire_fences: bool,
    /// Not a fault, but the search without one of its reductions: idle operations are told apart by what they read.
    pub(crate) idle_apart: bool,
}

impl Faults {
    /// The faults that the bits of `planted` stand for, in the order in which they are declared.
    pub(crate) fn from_bits(planted: u32) -> Self {
        let has = |bit: u32| planted >> bit & 1 == 1;
        Self {
            skip_revisits: has(0),
            last_place_only: has(1),
            no_sc: has(2),
            revisits_over_writes: has(3),
            no_ghosts: has(4),
            no_sc_failures: has(5),
            no_release_sequences: has(6),
            no_acquire_fences: has(7),
            idle_apart: has(8),
        }
    }
}

//! RC11 with one clause changed: what the model would be without it.
//!
//! An axiom whose absence changes nothing that anyone looks at is an axiom that may as well be wrong. Each mutant is
//! pinned by a program that tells it from RC11, in the tests of this crate; a checker can be tried with the same
//! programs.
//!
//! One clause has no mutant, because it follows from the others: the `hb` in `psc_F`. Happens-before from one fence to
//! another ends either in `sb`, which `psc_base` has, or in a synchronisation, whose write and read make it an instance
//! of `hb ; eco ; hb`.

/// One change to the axioms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mutant {
    /// `sb ∪ rf` may be cyclic, as long as values do not depend on themselves.
    ThinAir,
    /// No coherence: `hb ; eco?` may be reflexive.
    Incoherent,
    /// No atomicity: a write may come between the read and the write of a read-modify-write.
    TornReadModifyWrite,
    /// `psc` may be cyclic.
    NoPsc,
    /// Nothing synchronises: `sw` is empty.
    NoSynchronisation,
    /// A release fence does not publish through the writes after it.
    NoReleaseFence,
    /// An acquire fence does not receive through the reads before it.
    NoAcquireFence,
    /// A release sequence is the release write alone, without the read-modify-writes that continue it.
    NoReleaseSequence,
    /// Later writes of the same thread to the same word continue a release sequence, as they did before C++20.
    Cxx11ReleaseSequence,
    /// `scb` without `sb`.
    ScbWithoutSb,
    /// `scb` without `sb|≠loc ; hb ; sb|≠loc`.
    ScbWithoutDetour,
    /// `scb` with `sb ; hb ; sb` in place of `sb|≠loc ; hb ; sb|≠loc`.
    ScbWithFreeDetour,
    /// `scb` without `hb|loc`.
    ScbWithoutHbLoc,
    /// `scb` without `mo`.
    ScbWithoutMo,
    /// `scb` without `rb`.
    ScbWithoutRb,
    /// `psc_base` without `[F^sc] ; hb?` on the left.
    NoFenceBeforeScb,
    /// `psc_base` without `hb? ; [F^sc]` on the right.
    NoFenceAfterScb,
    /// `psc_F` is empty.
    NoPscFence,
    /// Every fence takes part in `psc` as a sequentially consistent one does.
    WeakFencesInPsc,
    /// A compare-exchange that fails is a read with the success ordering.
    FailureWithSuccessOrder,
    /// A compare-exchange that fails is a relaxed read.
    FailureRelaxed,
}

impl Mutant {
    /// Every mutant.
    pub const ALL: [Self; 21] = [
        Self::ThinAir,
        Self::Incoherent,
        Self::TornReadModifyWrite,
        Self::NoPsc,
        Self::NoSynchronisation,
        Self::NoReleaseFence,
        Self::NoAcquireFence,
        Self::NoReleaseSequence,
        Self::Cxx11ReleaseSequence,
        Self::ScbWithoutSb,
        Self::ScbWithoutDetour,
        Self::ScbWithFreeDetour,
        Self::ScbWithoutHbLoc,
        Self::ScbWithoutMo,
        Self::ScbWithoutRb,
        Self::NoFenceBeforeScb,
        Self::NoFenceAfterScb,
        Self::NoPscFence,
        Self::WeakFencesInPsc,
        Self::FailureWithSuccessOrder,
        Self::FailureRelaxed,
    ];
}

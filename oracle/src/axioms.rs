//! The axioms, as the paper writes them.
//!
//! `;` is composition ([`Relation::then`]), `∪` is `|`, `∩` is `&`, `\` is `-`, `[S]` is the identity on `S`.

use crate::graph::Graph;
use crate::mutant::Mutant;
use crate::relation::Relation;

/// Which axioms hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Axioms {
    /// RC11, with one clause changed if a mutant is named.
    Rc11(Option<Mutant>),
    /// Sequential consistency.
    Sc,
}

/// A graph with its happens-before, which no coherence order can change.
#[derive(Clone, Debug)]
pub(crate) struct Ordered {
    pub(crate) graph: Graph,
    /// `hb` of RC11; under sequential consistency `(sb ∪ rf)⁺`.
    pub(crate) hb: Relation,
    axioms: Axioms,
}

impl Axioms {
    pub(crate) fn has(self, mutant: Mutant) -> bool {
        self == Self::Rc11(Some(mutant))
    }

    /// `relation`, or nothing if `mutant` is the mutant that lacks it.
    fn unless(self, mutant: Mutant, relation: Relation, size: usize) -> Relation {
        if self.has(mutant) { Relation::empty(size) } else { relation }
    }
}

impl Ordered {
    pub(crate) fn new(graph: Graph, axioms: Axioms) -> Self {
        let hb = match axioms {
            Axioms::Rc11(_) => (graph.sb | synchronises_with(&graph, axioms)).plus(),
            Axioms::Sc => (graph.sb | graph.rf).plus(),
        };
        Self { graph, hb, axioms }
    }

    /// Whether all axioms hold with the coherence order `mo` (of all words together).
    pub(crate) fn is_consistent(&self, mo: &Relation) -> bool {
        self.has_no_thin_air() && self.is_atomic(mo) && self.is_coherent(mo) && self.is_sc(mo)
    }

    /// NO-THIN-AIR: `sb ∪ rf` is acyclic.
    pub(crate) fn has_no_thin_air(&self) -> bool {
        self.axioms.has(Mutant::ThinAir) || (self.graph.sb | self.graph.rf).is_acyclic()
    }

    /// ATOMICITY: `rmw ∩ (rb ; mo) = ∅`.
    pub(crate) fn is_atomic(&self, mo: &Relation) -> bool {
        self.axioms.has(Mutant::TornReadModifyWrite) || (self.graph.rmw & self.reads_before(mo).then(mo)).is_empty()
    }

    /// COHERENCE: `hb ; eco?` is irreflexive, where `eco = (rf ∪ mo ∪ rb)⁺`.
    ///
    /// It speaks of one word at a time, so it may be asked with the coherence order of one word alone.
    pub(crate) fn is_coherent(&self, mo: &Relation) -> bool {
        self.axioms.has(Mutant::Incoherent) || self.hb.then(&self.extended_coherence(mo).optional()).is_irreflexive()
    }

    /// Whether coherence forbids `mo` to have the write `second` before the write `first`.
    pub(crate) fn must_precede(&self, first: usize, second: usize) -> bool {
        !self.axioms.has(Mutant::Incoherent) && self.hb.contains(first, second)
    }

    /// SC: `psc` is acyclic; under sequential consistency, `sb ∪ rf ∪ mo ∪ rb` is.
    pub(crate) fn is_sc(&self, mo: &Relation) -> bool {
        match self.axioms {
            Axioms::Sc => (self.graph.sb | self.graph.rf | *mo | self.reads_before(mo)).is_acyclic(),
            Axioms::Rc11(Some(Mutant::NoPsc)) => true,
            // `psc` relates sequentially consistent events only.
            Axioms::Rc11(_) => self.graph.sc.is_empty() || self.partial_sc(mo).is_acyclic(),
        }
    }

    /// `rb = rf⁻¹ ; mo`: a read before each write that follows the one it read from.
    fn reads_before(&self, mo: &Relation) -> Relation {
        self.graph.rf.inverse().then(mo)
    }

    /// `eco = (rf ∪ mo ∪ rb)⁺`.
    fn extended_coherence(&self, mo: &Relation) -> Relation {
        (self.graph.rf | *mo | self.reads_before(mo)).plus()
    }

    /// `psc = psc_base ∪ psc_F`, with
    ///
    /// - `scb = sb ∪ sb|≠loc ; hb ; sb|≠loc ∪ hb|loc ∪ mo ∪ rb`,
    /// - `psc_base = ([E^sc] ∪ [F^sc] ; hb?) ; scb ; ([E^sc] ∪ hb? ; [F^sc])`,
    /// - `psc_F = [F^sc] ; (hb ∪ hb ; eco ; hb) ; [F^sc]`.
    fn partial_sc(&self, mo: &Relation) -> Relation {
        let Self { graph, hb, axioms } = self;
        let size = graph.size;
        let sb = graph.sb;
        let sb_elsewhere = sb - graph.same_word;
        let detour = if axioms.has(Mutant::ScbWithFreeDetour) {
            sb.then(hb).then(&sb)
        } else {
            sb_elsewhere.then(hb).then(&sb_elsewhere)
        };
        let scb = axioms.unless(Mutant::ScbWithoutSb, sb, size)
            | axioms.unless(Mutant::ScbWithoutDetour, detour, size)
            | axioms.unless(Mutant::ScbWithoutHbLoc, *hb & graph.same_word, size)
            | axioms.unless(Mutant::ScbWithoutMo, *mo, size)
            | axioms.unless(Mutant::ScbWithoutRb, self.reads_before(mo), size);

        let event = Relation::identity_on(size, graph.sc);
        let strong_fences = if axioms.has(Mutant::WeakFencesInPsc) { graph.fences } else { graph.sc & graph.fences };
        let fence = Relation::identity_on(size, strong_fences);
        let from_fence = axioms.unless(Mutant::NoFenceBeforeScb, fence.then(&hb.optional()), size);
        let to_fence = axioms.unless(Mutant::NoFenceAfterScb, hb.optional().then(&fence), size);
        let psc_base = (event | from_fence).then(&scb).then(&(event | to_fence));

        let between = *hb | hb.then(&self.extended_coherence(mo)).then(hb);
        let psc_fence = axioms.unless(Mutant::NoPscFence, fence.then(&between).then(&fence), size);
        psc_base | psc_fence
    }
}

/// `sw = [E⊒rel] ; ([F] ; sb)? ; rs ; rf ; [R] ; (sb ; [F])? ; [E⊒acq]`, with C++20's release sequences
/// `rs = [W] ; (rf ; rmw)*`. The paper's `⊒rlx` hold by themselves, for every access is atomic, and so does `[R]`, for
/// `rf` ends in a read.
fn synchronises_with(graph: &Graph, axioms: Axioms) -> Relation {
    if axioms.has(Mutant::NoSynchronisation) {
        return Relation::empty(graph.size);
    }
    let on = |set| Relation::identity_on(graph.size, set);
    let (sb, rf) = (graph.sb, graph.rf);

    let mut rs = on(graph.writes);
    if axioms.has(Mutant::Cxx11ReleaseSequence) {
        rs = rs.then(&(sb & graph.same_word).optional()).then(&on(graph.writes));
    }
    let chain = rf.then(&graph.rmw);
    rs = rs.then(&axioms.unless(Mutant::NoReleaseSequence, chain, graph.size).star());

    let after_fence = axioms.unless(Mutant::NoReleaseFence, on(graph.fences).then(&sb), graph.size);
    let before_fence = axioms.unless(Mutant::NoAcquireFence, sb.then(&on(graph.fences)), graph.size);
    on(graph.release)
        .then(&after_fence.optional())
        .then(&rs)
        .then(&rf)
        .then(&before_fence.optional())
        .then(&on(graph.acquire))
}

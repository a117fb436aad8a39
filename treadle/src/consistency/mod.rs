//! What a memory model allows.
//!
//! **The interface.** Coherence is the same in all models here: an access may not contradict the accesses of its
//! location that happen before it ([`floor`]), and nothing comes between a read-modify-write and what it reads. What is
//! left to a model is one question, asked of a graph whose last change could have broken the rest: is it still
//! consistent ([`MemoryModel::admits`])?
//!
//! **What every model must grant** (the exploration rests on it): a graph that lacks some of the last events of a
//! consistent one is consistent; and a consistent graph stays so when an event is added that reads from the end of
//! coherence order or writes there. RC11 and sequential consistency do.

pub(crate) mod rc11;
pub(crate) mod sc;

use crate::graph::{Causality, EventId, Graph, Loc};

/// Which executions there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum MemoryModel {
    /// RC11: the C++20 memory model, as Rust has it, without load buffering. See the [crate documentation](crate).
    #[default]
    Rc11,
    /// Sequential consistency: one total order of all steps, whatever their orderings say. For teaching and for
    /// comparison.
    Sc,
}

impl MemoryModel {
    pub(crate) fn causality(self) -> Causality {
        match self {
            Self::Rc11 => Causality::ReleaseAcquire,
            Self::Sc => Causality::Everything,
        }
    }

    /// Whether a graph whose accesses respect coherence and atomicity is consistent.
    pub(crate) fn admits(self, graph: &Graph) -> bool {
        match self {
            Self::Rc11 => rc11::is_sc_order_acyclic(graph),
            Self::Sc => sc::is_sequentially_consistent(graph),
        }
    }
}

/// The least rank that an access of `loc` may have if `clock` happens before it: it may neither read from, nor be
/// coherence-ordered before, a write that comes before one which happened or was read by something that happened.
pub(crate) fn floor(graph: &Graph, loc: Loc, clock: &[u16]) -> usize {
    let before = graph.location(loc).accesses.iter().filter(|&&access| graph.covers(clock, access));
    before.map(|&access| graph.span(access).0).max().unwrap_or(0)
}

/// The same, leaving some accesses out.
pub(crate) fn floor_without(graph: &Graph, loc: Loc, clock: &[u16], without: &[EventId]) -> usize {
    let accesses = graph.location(loc).accesses.iter();
    let before = accesses.filter(|&&access| graph.covers(clock, access) && !without.contains(&access));
    before.map(|&access| graph.span(access).0).max().unwrap_or(0)
}

//! Words that name a node: head, tail, links, backs.

use crate::primitives::participants::ThreadSlot;

const NODE: u32 = 20;
const TAKER: u32 = 15;
const TAG: u64 = u64::MAX >> (NODE + TAKER);
const USE: u64 = u64::MAX >> NODE;

/// The most nodes that can be named.
pub(super) const NODES: usize = (1 << NODE) - 1;

fn node(bits: u64) -> usize {
    usize::try_from(bits & ((1 << NODE) - 1)).unwrap_or(usize::MAX)
}

/// A node, and a number that tells one use of the word from others: the tail, a back; a link, with the node plus one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Link {
    pub(super) node: usize,
    of: u64,
}

impl Link {
    pub(super) fn from_bits(bits: u64) -> Self {
        Self { node: node(bits), of: bits >> NODE }
    }

    pub(super) fn to_bits(self) -> u64 {
        self.node as u64 | self.of << NODE
    }

    /// No node, in a use of this version.
    pub(super) fn none(version: u64) -> Self {
        Self { node: 0, of: version & USE }
    }

    /// This node, from one in a use of this version.
    pub(super) fn to(node: usize, version: u64) -> Self {
        Self { node, of: version & USE }
    }

    /// Whether it was written in a use of this version.
    pub(super) fn is_of(self, version: u64) -> bool {
        self.of == version & USE
    }

    /// The node that a link names.
    pub(super) fn next(self) -> Option<usize> {
        self.node.checked_sub(1)
    }

    /// The same link, set.
    pub(super) fn linked(self, node: usize) -> Self {
        Self { node: node + 1, of: self.of }
    }

    /// The tail, swung on.
    pub(super) fn on(self, node: usize) -> Self {
        Self { node, of: self.of.wrapping_add(1) & USE }
    }
}

/// The head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) node: usize,
    pub(super) taker: Option<ThreadSlot>,
    tag: u64,
}

impl Head {
    pub(super) fn from_bits(bits: u64) -> Self {
        let taker = ((bits >> NODE) & ((1 << TAKER) - 1)).checked_sub(1).and_then(|slot| u16::try_from(slot).ok());
        Self { node: node(bits), taker: taker.map(ThreadSlot), tag: bits >> (NODE + TAKER) }
    }

    pub(super) fn to_bits(self) -> u64 {
        let taker = self.taker.map_or(0, |slot| u64::from(slot.0) + 1);
        self.node as u64 | taker << NODE | self.tag << (NODE + TAKER)
    }

    /// How often the tail has been swung since it was where the head is; none if the head is beyond.
    pub(super) fn before(self, tail: Link) -> usize {
        let between = tail.of.wrapping_sub(self.tag) & TAG;
        usize::try_from(between).ok().filter(|_| between <= TAG / 2).unwrap_or(0)
    }

    /// The head after its next swing.
    pub(super) fn on(self, node: usize, taker: ThreadSlot) -> Self {
        Self { node, taker: Some(taker), tag: self.tag.wrapping_add(1) & TAG }
    }
}

//! Sets of events and binary relations between them, as bit masks: the algebra in which the axioms are written.

use core::ops::{BitAnd, BitOr, Sub};

/// The most events that one execution can have, initial writes included.
pub(crate) const MAX_EVENTS: usize = 64;

/// A set of events, each named by its index.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct EventSet(u64);

impl EventSet {
    /// Adds `event`, which is below [`MAX_EVENTS`].
    pub(crate) fn insert(&mut self, event: usize) {
        self.0 |= 1 << event;
    }

    pub(crate) fn contains(self, event: usize) -> bool {
        self.0 >> event & 1 == 1
    }

    pub(crate) fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The members in ascending order.
    pub(crate) fn iter(self) -> impl Iterator<Item = usize> {
        (0..MAX_EVENTS).filter(move |&event| self.contains(event))
    }
}

impl BitAnd for EventSet {
    type Output = Self;
    fn bitand(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

/// A binary relation over the first `size` events: row `a` is the set of all `b` with `a R b`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Relation {
    size: usize,
    rows: [u64; MAX_EVENTS],
}

impl Relation {
    /// The empty relation over `size` events, at most [`MAX_EVENTS`].
    pub(crate) fn empty(size: usize) -> Self {
        Self { size, rows: [0; MAX_EVENTS] }
    }

    /// `[set]`: each member of the set related to itself.
    pub(crate) fn identity_on(size: usize, set: EventSet) -> Self {
        let mut identity = Self::empty(size);
        for event in set.iter() {
            identity.insert(event, event);
        }
        identity
    }

    pub(crate) fn insert(&mut self, from: usize, to: usize) {
        self.rows[from] |= 1 << to;
    }

    pub(crate) fn contains(&self, from: usize, to: usize) -> bool {
        self.rows[from] >> to & 1 == 1
    }

    fn rows(&self) -> &[u64] {
        &self.rows[..self.size]
    }

    /// `self ; other`: related through some event between.
    pub(crate) fn then(&self, other: &Self) -> Self {
        let mut composed = Self::empty(self.size);
        for (row, &middle) in composed.rows.iter_mut().zip(self.rows()) {
            *row = members(middle).fold(0, |reached, event| reached | other.rows[event]);
        }
        composed
    }

    /// `self⁻¹`.
    pub(crate) fn inverse(&self) -> Self {
        let mut inverse = Self::empty(self.size);
        for (from, &row) in self.rows().iter().enumerate() {
            for to in members(row) {
                inverse.insert(to, from);
            }
        }
        inverse
    }

    /// `self?`: the reflexive closure.
    pub(crate) fn optional(mut self) -> Self {
        for event in 0..self.size {
            self.insert(event, event);
        }
        self
    }

    /// `self⁺`: the transitive closure.
    pub(crate) fn plus(mut self) -> Self {
        for middle in 0..self.size {
            let reached = self.rows[middle];
            for row in &mut self.rows[..self.size] {
                if *row >> middle & 1 == 1 {
                    *row |= reached;
                }
            }
        }
        self
    }

    /// `self*`: the reflexive and transitive closure.
    pub(crate) fn star(self) -> Self {
        self.plus().optional()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows().iter().all(|&row| row == 0)
    }

    pub(crate) fn is_irreflexive(&self) -> bool {
        self.rows().iter().enumerate().all(|(event, row)| row >> event & 1 == 0)
    }

    pub(crate) fn is_acyclic(&self) -> bool {
        self.plus().is_irreflexive()
    }

    fn zip_with(mut self, other: &Self, combine: impl Fn(u64, u64) -> u64) -> Self {
        for (row, &theirs) in self.rows.iter_mut().zip(other.rows()) {
            *row = combine(*row, theirs);
        }
        self
    }
}

impl BitOr for Relation {
    type Output = Self;
    fn bitor(self, other: Self) -> Self {
        self.zip_with(&other, |mine, theirs| mine | theirs)
    }
}

impl BitAnd for Relation {
    type Output = Self;
    fn bitand(self, other: Self) -> Self {
        self.zip_with(&other, |mine, theirs| mine & theirs)
    }
}

impl Sub for Relation {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        self.zip_with(&other, |mine, theirs| mine & !theirs)
    }
}

/// The indices of the bits that are set.
fn members(mut bits: u64) -> impl Iterator<Item = usize> {
    core::iter::from_fn(move || {
        (bits != 0).then(|| {
            let lowest = bits.trailing_zeros() as usize;
            bits &= bits - 1;
            lowest
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn relation(pairs: &[(usize, usize)]) -> Relation {
        let mut relation = Relation::empty(5);
        for &(from, to) in pairs {
            relation.insert(from, to);
        }
        relation
    }

    #[test]
    fn composition_goes_through_a_common_event() {
        let first = relation(&[(0, 1), (0, 2), (3, 3)]);
        let second = relation(&[(1, 4), (2, 0), (4, 4)]);
        assert_eq!(first.then(&second), relation(&[(0, 4), (0, 0)]));
    }

    #[test]
    fn closures() {
        let chain = relation(&[(0, 1), (1, 2), (3, 0)]);
        let plus = relation(&[(0, 1), (1, 2), (3, 0), (0, 2), (3, 1), (3, 2)]);
        let identity = relation(&[(0, 0), (1, 1), (2, 2), (3, 3), (4, 4)]);
        assert_eq!(chain.plus(), plus);
        assert_eq!(chain.optional(), chain | identity);
        assert_eq!(chain.star(), plus | identity);
    }

    #[test]
    fn a_cycle_is_found_whatever_its_length() {
        assert!(relation(&[(0, 1), (1, 2), (0, 2)]).is_acyclic());
        assert!(!relation(&[(2, 2)]).is_acyclic());
        assert!(!relation(&[(0, 4), (4, 2), (2, 0)]).is_acyclic());
        assert!(relation(&[(0, 4), (4, 2), (2, 0)]).is_irreflexive());
    }

    #[test]
    fn inverse_and_differences() {
        let pairs = relation(&[(0, 1), (4, 2)]);
        assert_eq!(pairs.inverse(), relation(&[(1, 0), (2, 4)]));
        assert_eq!(pairs - relation(&[(0, 1), (1, 0)]), relation(&[(4, 2)]));
        assert_eq!(pairs & relation(&[(0, 1), (1, 0)]), relation(&[(0, 1)]));
        assert!((pairs - pairs).is_empty());
    }

    #[test]
    fn identity_on_a_set_filters_a_relation() {
        let mut set = EventSet::default();
        set.insert(1);
        set.insert(4);
        let kept = Relation::identity_on(5, set).then(&relation(&[(0, 1), (1, 2), (4, 0)]));
        assert_eq!(kept, relation(&[(1, 2), (4, 0)]));
        assert_eq!(set.iter().collect::<Vec<_>>(), [1, 4]);
    }
}

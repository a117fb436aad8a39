//! Sets of operations of one history, as bits.

/// The most operations that a history can have.
pub const MOST: usize = 128;

/// A set of operations, by index.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Set(u128);

impl Set {
    pub(crate) const EMPTY: Self = Self(0);

    /// The set of those below `length`.
    pub(crate) fn below(length: usize) -> Self {
        (0..length).fold(Self::EMPTY, Self::with)
    }

    pub(crate) fn with(self, index: usize) -> Self {
        assert!(index < MOST, "a history has at most {MOST} operations");
        Self(self.0 | 1 << index)
    }

    pub(crate) fn has(self, index: usize) -> bool {
        index < MOST && self.0 & (1 << index) != 0
    }

    pub(crate) fn contains(self, other: Self) -> bool {
        other.0 & !self.0 == 0
    }

    pub(crate) fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    pub(crate) fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(crate) fn minus(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    pub(crate) fn iter(self) -> impl Iterator<Item = usize> {
        let mut left = self.0;
        core::iter::from_fn(move || {
            let index = usize::try_from(left.trailing_zeros()).ok().filter(|_| left != 0)?;
            left &= left - 1;
            Some(index)
        })
    }
}

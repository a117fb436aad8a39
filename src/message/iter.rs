//! Messages of a receiver, one after the other.

use super::Receiver;
use crate::region::Shared;

/// The messages of a [`Receiver`], each waited for, until nobody is left to send; see [`Receiver::iter`]. It goes on if a
/// sender comes back.
///
/// ```
/// use selvedge::Region;
/// use selvedge::message::Capacity;
///
/// let region = Region::anonymous()?;
/// let (sender, receiver) = region.channel::<u64>("orders", Capacity::Bounded(8))?;
/// (1..=3).try_for_each(|order| sender.send(order))?;
/// drop(sender);
/// assert_eq!(receiver.iter().sum::<u64>(), 6);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Iter<'a, T: Shared> {
    receiver: &'a Receiver<T>,
}

/// The messages of a [`Receiver`] that are there; see [`Receiver::try_iter`].
///
/// ```
/// use selvedge::Region;
/// use selvedge::message::Capacity;
///
/// let region = Region::anonymous()?;
/// let (sender, receiver) = region.channel::<u64>("orders", Capacity::Bounded(8))?;
/// (1..=3).try_for_each(|order| sender.send(order))?;
/// assert_eq!(receiver.try_iter().collect::<Vec<_>>(), [1, 2, 3]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct TryIter<'a, T: Shared> {
    receiver: &'a Receiver<T>,
}

impl<'a, T: Shared> Iter<'a, T> {
    pub(super) fn over(receiver: &'a Receiver<T>) -> Self {
        Self { receiver }
    }
}

impl<'a, T: Shared> TryIter<'a, T> {
    pub(super) fn over(receiver: &'a Receiver<T>) -> Self {
        Self { receiver }
    }
}

impl<T: Shared> Iterator for Iter<'_, T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        self.receiver.recv().ok()
    }
}

impl<T: Shared> Iterator for TryIter<'_, T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        self.receiver.try_recv().ok()
    }
}

impl<'a, T: Shared> IntoIterator for &'a Receiver<T> {
    type Item = T;
    type IntoIter = Iter<'a, T>;

    fn into_iter(self) -> Iter<'a, T> {
        self.iter()
    }
}

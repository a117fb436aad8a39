//! How many messages a channel holds; and how its ends are made.

use super::{Receiver, Sender};
use crate::Region;
use crate::primitives::ends::End;
use crate::region::channel::{self, Size, Way};
use crate::region::{ObjectError, Shared};

/// How many messages a channel holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Capacity {
    /// None: a send waits for a receiver, and returns when that one has the message (rendezvous).
    Zero,
    /// So many, 1 to 524,288: a send waits while there are as many.
    Bounded(usize),
    /// As many as there is memory for, which is reserved for so many when the channel is made, 1 to 1,048,574: a send never
    /// waits, and fails with [`OutOfMemory`](super::SendError::OutOfMemory) if it is used up.
    Unbounded {
        /// Messages, those that are being written or read included.
        quota: usize,
    },
}

impl Capacity {
    /// One end of the channel `name`.
    pub(super) fn open<T: Shared>(self, region: &Region, name: &str, end: End) -> Result<Box<dyn Way<T>>, ObjectError> {
        match self {
            Self::Zero => channel::rendezvous(region, name, end),
            Self::Bounded(capacity) => channel::bounded(region, name, capacity, end),
            Self::Unbounded { quota } => channel::unbounded(region, name, quota, end),
        }
    }

    /// The same, as the region has it.
    pub(super) fn size(self) -> Size {
        match self {
            Self::Zero => Size::Zero,
            Self::Bounded(capacity) => Size::Bounded(capacity),
            Self::Unbounded { quota } => Size::Unbounded(quota),
        }
    }

    /// The same, as users have it.
    pub(super) fn of(size: Size) -> Self {
        match size {
            Size::Zero => Self::Zero,
            Size::Bounded(capacity) => Self::Bounded(capacity),
            Size::Unbounded(quota) => Self::Unbounded { quota },
        }
    }

    /// How many messages fit, if that is all that matters to a sender.
    pub(super) fn bound(self) -> Option<usize> {
        match self {
            Self::Zero => Some(0),
            Self::Bounded(capacity) => Some(capacity),
            Self::Unbounded { .. } => None,
        }
    }
}

impl Region {
    /// Both ends of the channel `name`, which is made if there is none.
    ///
    /// Whoever needs one end only asks for [that](Self::sender): a process that keeps an end keeps the others from being told
    /// that nobody is left there.
    ///
    /// # Errors
    /// [`ObjectError`]: of another kind, type or capacity; a capacity that no channel can have; no memory; too many objects.
    ///
    /// ```
    /// use selvedge::Region;
    /// use selvedge::message::{Capacity, RecvError};
    ///
    /// let region = Region::anonymous()?;
    /// let (sender, receiver) = region.channel::<u64>("orders", Capacity::Bounded(8))?;
    /// sender.send(1)?;
    /// sender.send(2)?;
    /// drop(sender);
    /// assert_eq!(receiver.iter().collect::<Vec<_>>(), [1, 2]);
    /// assert!(matches!(receiver.recv(), Err(RecvError::Disconnected)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn channel<T: Shared>(&self, name: &str, capacity: Capacity) -> Result<(Sender<T>, Receiver<T>), ObjectError> {
        Ok((self.sender(name, capacity)?, self.receiver(name, capacity)?))
    }

    /// The end of the channel `name` where messages go in; the channel is made if there is none.
    ///
    /// # Errors
    /// As of [`channel`](Self::channel).
    pub fn sender<T: Shared>(&self, name: &str, capacity: Capacity) -> Result<Sender<T>, ObjectError> {
        Ok(Sender::new(capacity.open(self, name, End::Senders)?, capacity))
    }

    /// The end of the channel `name` where messages come out; the channel is made if there is none.
    ///
    /// # Errors
    /// As of [`channel`](Self::channel).
    pub fn receiver<T: Shared>(&self, name: &str, capacity: Capacity) -> Result<Receiver<T>, ObjectError> {
        Ok(Receiver::new(capacity.open(self, name, End::Receivers)?, capacity))
    }
}

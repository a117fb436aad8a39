//! The unbounded queue as its users hold it.

use super::error::{ObjectError, ObjectErrorKind};
use super::handle::Region;
use super::kind::Kind;
use super::messages::{Obstacle, QueueRecvError, QueueSendError};
use super::object::{Placed, Request, Shared, named_and_waiting, obtain_with};
use super::patience::Patience;
use crate::primitives::RawUnbounded;
use crate::primitives::queue::Delivery;
use crate::primitives::registry::Mode;
use crate::primitives::unbounded::{self, TakeError};
use crate::primitives::waiting::Wait;
use crate::sync::{Cell, Deadline};
use core::fmt;
use core::time::Duration;

/// A first-in first-out queue into which sending never waits: as long as its quota of memory lasts, a message is taken in.
///
/// Any number of senders and receivers, of any processes; handles are clones of each other. Each message is received **at
/// most once**, whole or not at all, and those of one sender in the order in which they were sent.
///
/// **Death.** A sender that is killed has sent its message or has not; nobody waits for it. The message that a receiver had just
/// taken when it was killed is gone with it. The memory of the dead is free again.
///
/// **Memory order.** What a sender did before it sent happens before what the receiver does with the message.
/// **Blocking.** [`send`](Self::send) never waits; [`recv`](Self::recv) waits while the queue is empty, spinning a little first;
/// the `try` calls never wait. No order is promised among those who wait.
///
/// **Memory.** The quota is the number of messages for which there is memory, those that are being written or read included;
/// it is reserved when the queue is made: 24 bytes and the size of a message for each, and for one more. When it is used up
/// a send fails with `OutOfMemory` and gives the message back; when the queue has been emptied all of it is free again.
///
/// **Trust.** Words that contradict each other are reported as `Corrupt`.
///
/// ```
/// use selvedge::Region;
/// use selvedge::region::QueueSendError;
///
/// let region = Region::anonymous()?;
/// let events = region.unbounded::<u64>("events", 2)?;
/// events.send(1)?;
/// events.send(2)?;
/// assert!(matches!(events.send(3), Err(QueueSendError::OutOfMemory(3, _))));
/// assert_eq!(events.recv()?, 1);
/// events.send(3)?;
/// assert_eq!((events.recv()?, events.recv()?), (2, 3));
/// assert_eq!(events.in_use(), 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Unbounded<T: Shared> {
    placed: Placed<RawUnbounded, Cell<T>>,
    wait: Wait,
}

impl From<TakeError> for Obstacle {
    fn from(error: TakeError) -> Self {
        match error {
            TakeError::WouldBlock => Self::WouldBlock,
            TakeError::TimedOut => Self::TimedOut,
            TakeError::Corrupt => Self::Corrupt,
        }
    }
}

named_and_waiting!(Unbounded<T>, T: Shared; "queue");

impl<T: Shared> Unbounded<T> {
    /// Sends; never waits.
    ///
    /// # Errors
    /// `OutOfMemory`, `Corrupt`, `TooManyThreads`, `Unusable`.
    #[inline]
    pub fn send(&self, message: T) -> Result<(), QueueSendError<T>> {
        let send = || {
            let slot = self.placed.core().slot()?;
            let queue = self.control();
            let node = queue.pool().try_take(slot).ok_or(Obstacle::OutOfMemory)?;
            let published = self.placed.slots().get(node).ok_or(Obstacle::Corrupt).and_then(|cell| {
                // SAFETY: mapped and aligned, and the calling thread's alone since it has the node (pool, I1).
                cell.with_mut(|place| unsafe { place.write(message) });
                queue.publish(node).map_err(|_| Obstacle::Corrupt)
            });
            published.inspect_err(|_| queue.pool().give_back(node))
        };
        send().map_err(|obstacle| QueueSendError::new(message, obstacle, self.placed.name()))
    }

    /// Receives, waiting while the queue is empty.
    ///
    /// # Errors
    /// `Corrupt`, `TooManyThreads`, `Unusable`.
    #[inline]
    pub fn recv(&self) -> Result<T, QueueRecvError> {
        self.receive(Patience::Forever)
    }

    /// Receives if the queue is not empty; never waits.
    ///
    /// # Errors
    /// [`QueueRecvError`], except `TimedOut`.
    #[inline]
    pub fn try_recv(&self) -> Result<T, QueueRecvError> {
        self.receive(Patience::None)
    }

    /// Receives, waiting at most `timeout` while the queue is empty.
    ///
    /// # Errors
    /// [`QueueRecvError`], except `Empty`.
    pub fn recv_timeout(&self, timeout: Duration) -> Result<T, QueueRecvError> {
        self.receive(Patience::Until(Deadline::after(timeout)))
    }

    /// Receives, waiting until `deadline` at most while the queue is empty.
    ///
    /// # Errors
    /// [`QueueRecvError`], except `Empty`.
    pub fn recv_deadline(&self, deadline: Deadline) -> Result<T, QueueRecvError> {
        self.receive(Patience::Until(deadline))
    }

    #[inline]
    fn receive(&self, patience: Patience) -> Result<T, QueueRecvError> {
        let receive = || {
            let slot = self.placed.core().slot()?;
            let queue = self.control();
            let node = match (queue.try_take(slot), patience) {
                (Err(TakeError::WouldBlock), Patience::None) => return Err(Obstacle::WouldBlock),
                (Err(TakeError::WouldBlock), patience) => {
                    let caller = self.placed.core().caller_in(slot, self.wait);
                    queue.take(&caller, self.placed.id(), patience.deadline())?
                }
                (answer, _) => answer?,
            };
            let cell = self.placed.slots().get(node).ok_or(Obstacle::Corrupt)?;
            // SAFETY: mapped and aligned, every pattern of bits is a `T` (`FromBytes`), and the node is the calling thread's
            // alone (unbounded, I4).
            let message = cell.with(|place| unsafe { *place });
            queue.give_back(node);
            Ok(message)
        };
        receive().map_err(|obstacle| QueueRecvError::new(obstacle, self.placed.name()))
    }

    #[inline]
    fn control(&self) -> unbounded::Unbounded<'_> {
        self.placed.control().with(self.placed.words())
    }

    /// For how many messages there is memory.
    #[must_use]
    pub fn quota(&self) -> usize {
        self.placed.slots().len().saturating_sub(1)
    }

    /// For how many messages memory is in use, as of a moment ago: those that wait, and those being written or read.
    #[must_use]
    pub fn in_use(&self) -> usize {
        self.control().pool().in_use().saturating_sub(1)
    }
}

impl<T: Shared> Clone for Unbounded<T> {
    fn clone(&self) -> Self {
        Self { placed: self.placed.clone(), wait: self.wait }
    }
}

impl<T: Shared> fmt::Debug for Unbounded<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unbounded")
            .field("name", &self.name())
            .field("in_use", &self.in_use())
            .field("quota", &self.quota())
            .finish_non_exhaustive()
    }
}

impl Region {
    /// The unbounded queue `name` with memory for `quota` messages, made if there is none.
    ///
    /// # Errors
    /// [`ObjectError`]: of another kind, type or quota; a quota that no queue can have, which is more than 1,048,574; no memory;
    /// too many objects.
    pub fn unbounded<T: Shared>(&self, name: &str, quota: usize) -> Result<Unbounded<T>, ObjectError> {
        let most = RawUnbounded::MAX_NODES - 1;
        if !(1..=most).contains(&quota) {
            let kind = ObjectErrorKind::BadCapacity { given: quota as u64, most: most as u64 };
            return Err(ObjectError::new(name, kind));
        }
        let (kind, tag) = (Kind::Unbounded, T::TAG.0);
        let request = Request { name, kind, capacity: quota, tag, mode: Mode::OpenOrCreate, deadline: None };
        // The words of all nodes stand first, and the list begins with the first.
        let slot = |_| Cell::new(T::new_zeroed());
        let made = || RawUnbounded::new(Delivery::AtMostOnce);
        let (placed, _) = obtain_with(self.core(), &request, made, RawUnbounded::word, slot)?;
        Ok(Unbounded { placed, wait: Wait::default() })
    }
}

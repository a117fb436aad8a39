//! The end of a channel where messages go in.

use super::Capacity;
use super::error::SendError;
use super::loan::Loan;
use crate::primitives::ends::End;
use crate::primitives::waiting::Wait;
use crate::region::Shared;
use crate::region::channel::Way;
use crate::region::patience::Patience;
use crate::sync::Deadline;
use core::fmt;
use core::time::Duration;

/// The end of a channel where messages go in. Clones are handles of the same end, and any number of threads and processes have
/// some; [`Region::sender`](crate::Region::sender) makes one.
///
/// **Order.** Those of one sender are received in the order in which they were sent, each at most once, whole or not at all; but for
/// those that one of several receivers [puts back](super::Received::put_back), or [peeks at](super::Receiver::peek).
///
/// **Blocking.** [`send`](Self::send) waits while there is no space, or, with capacity zero, until a receiver has the message;
/// and while all buffers are in use. Unbounded channels never wait. The `try` calls never wait, not even for somebody who
/// was stopped in the middle of an operation. No order is promised among those who wait.
///
/// **Disconnection.** When all receivers that there were have been dropped, or their processes have ended, a send fails with
/// `Disconnected` and gives the message back, also one that waits already. As long as no receiver has come yet a send does as if
/// one were about to. When one comes back, sends succeed again; what was in the channel is there still.
///
/// **Death.** A sender that is killed has sent its message or has not; nobody waits for it. What a receiver had received, or was just
/// receiving, when it was killed is gone with it. Buffers that the dead were filling or reading come home.
///
/// **Memory order.** What a sender did before it sent happens before what the receiver does with the message.
///
/// **Memory.** Messages lie in buffers, of which a bounded channel has more than its capacity by the number of threads that the
/// region was made for, at most 64: so many may be in the middle of an operation, or have loans or messages in place, while it
/// is full. One of capacity zero has just those, an unbounded one its quota and one more.
///
/// **Trust.** Words that contradict each other are reported as `Corrupt`. Messages can be written by every process that has the
/// region: the `&T` that a loan or a message in place gives is sound as long as all of them use these types to get at it.
///
/// ```
/// use selvedge::Region;
/// use selvedge::message::{Capacity, SendError};
///
/// let region = Region::anonymous()?;
/// let (sender, receiver) = region.channel::<u64>("orders", Capacity::Bounded(1))?;
/// sender.send(1)?;
/// assert_eq!(sender.try_send(2), Err(SendError::Full(2)));
/// drop(receiver);
/// assert_eq!(sender.send(2), Err(SendError::Disconnected(2)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Sender<T: Shared> {
    way: Box<dyn Way<T>>,
    capacity: Capacity,
}

impl<T: Shared> Sender<T> {
    pub(super) fn new(way: Box<dyn Way<T>>, capacity: Capacity) -> Self {
        Self { way, capacity }
    }

    pub(super) fn way(&self) -> &(dyn Way<T> + 'static) {
        &*self.way
    }

    /// Sends, waiting as long as it takes.
    ///
    /// # Errors
    /// `Disconnected`, `OutOfMemory`, `Corrupt`, `TooManyThreads`, `Unusable`.
    #[inline]
    pub fn send(&self, message: T) -> Result<(), SendError<T>> {
        self.pass(message, Patience::Forever)
    }

    /// Sends if it can be done now; never waits.
    ///
    /// # Errors
    /// [`SendError`], except `TimedOut`.
    #[inline]
    pub fn try_send(&self, message: T) -> Result<(), SendError<T>> {
        self.pass(message, Patience::None)
    }

    /// Sends, waiting for `timeout` at most.
    ///
    /// # Errors
    /// [`SendError`], except `Full`.
    pub fn send_timeout(&self, message: T, timeout: Duration) -> Result<(), SendError<T>> {
        self.pass(message, Patience::Until(Deadline::after(timeout)))
    }

    /// Sends, waiting until `deadline` at most.
    ///
    /// # Errors
    /// [`SendError`], except `Full`.
    pub fn send_deadline(&self, message: T, deadline: Deadline) -> Result<(), SendError<T>> {
        self.pass(message, Patience::Until(deadline))
    }

    /// Sends these, one after the other, waiting as long as it takes. Others' messages may come in between.
    ///
    /// # Errors
    /// As of [`send`](Self::send), with how many were sent before; the error has the next one.
    pub fn send_all(&self, messages: &[T]) -> Result<(), (usize, SendError<T>)> {
        let send = |(before, message): (usize, &T)| self.send(*message).map_err(|error| (before, error));
        messages.iter().enumerate().try_for_each(send)
    }

    #[inline]
    fn pass(&self, message: T, patience: Patience) -> Result<(), SendError<T>> {
        let refused = |refusal| SendError::new(message, refusal, self.way.name());
        let mut loan = Loan::of(&*self.way, patience).map_err(refused)?;
        loan.write(message);
        loan.pass(patience).map_err(|error| error.with(message))
    }

    /// A buffer to be filled in place and sent, waiting while all are in use.
    ///
    /// # Errors
    /// `Disconnected`, `OutOfMemory`, `Corrupt`, `TooManyThreads`, `Unusable`.
    pub fn loan(&self) -> Result<Loan<'_, T>, SendError<()>> {
        self.lend(Patience::Forever)
    }

    /// A buffer to be filled in place and sent, if not all are in use; never waits.
    ///
    /// # Errors
    /// [`SendError`], except `TimedOut`.
    pub fn try_loan(&self) -> Result<Loan<'_, T>, SendError<()>> {
        self.lend(Patience::None)
    }

    /// A buffer to be filled in place and sent, waiting for `timeout` at most while all are in use.
    ///
    /// # Errors
    /// [`SendError`], except `Full`.
    pub fn loan_timeout(&self, timeout: Duration) -> Result<Loan<'_, T>, SendError<()>> {
        self.lend(Patience::Until(Deadline::after(timeout)))
    }

    /// A buffer to be filled in place and sent, waiting until `deadline` at most while all are in use.
    ///
    /// # Errors
    /// [`SendError`], except `Full`.
    pub fn loan_deadline(&self, deadline: Deadline) -> Result<Loan<'_, T>, SendError<()>> {
        self.lend(Patience::Until(deadline))
    }

    fn lend(&self, patience: Patience) -> Result<Loan<'_, T>, SendError<()>> {
        Loan::of(&*self.way, patience).map_err(|refusal| SendError::new((), refusal, self.way.name()))
    }

    /// Whether a `try_send` would be refused for want of space, as of a moment ago. One of capacity zero always is full.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.capacity.bound().is_some_and(|bound| self.len() >= bound)
    }

    /// Whether this and `other` are handles of the same channel.
    #[must_use]
    pub fn same_channel(&self, other: &Self) -> bool {
        self.way.place() == other.way.place()
    }
}

super::receiver::both_ends!(Sender, "sender", End::Senders, End::Receivers, "receivers");

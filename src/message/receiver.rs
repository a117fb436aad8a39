//! The end of a channel where messages come out.

use super::Capacity;
use super::error::RecvError;
use super::iter::{Iter, TryIter};
use super::loan::Received;
use crate::primitives::ends::End;
use crate::primitives::waiting::Wait;
use crate::region::Shared;
use crate::region::channel::Way;
use crate::region::patience::Patience;
use crate::sync::Deadline;
use core::fmt;
use core::time::Duration;

/// The end of a channel where messages come out. Clones are handles of the same end, and any number of threads and processes
/// have some, each message going to one of them; [`Region::receiver`](crate::Region::receiver) makes one.
///
/// **Disconnection.** When all senders that there were have been dropped, or their processes have ended, what was sent is received,
/// and then a receive fails with `Disconnected`, also one that waits already. As long as no sender has ever come a receive
/// waits for one; one that came, sent and left before the receiver was made has been there. When one comes back, receives wait
/// again. A server that waits for whoever may come keeps a sender itself.
///
/// **Blocking.** [`recv`](Self::recv) waits while there is nothing, spinning a little first; the `try` calls never wait. With
/// capacity zero there is something as long as a sender waits.
///
/// Order, death, memory order and trust are those of the [`Sender`](super::Sender).
///
/// ```
/// use selvedge::Region;
/// use selvedge::message::{Capacity, RecvError};
///
/// let region = Region::anonymous()?;
/// let (sender, receiver) = region.channel::<u64>("orders", Capacity::Unbounded { quota: 100 })?;
/// assert_eq!(receiver.try_recv(), Err(RecvError::Empty));
/// sender.send(7)?;
/// drop(sender);
/// assert_eq!(receiver.recv(), Ok(7));
/// assert_eq!(receiver.recv(), Err(RecvError::Disconnected));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Receiver<T: Shared> {
    way: Box<dyn Way<T>>,
    capacity: Capacity,
}

impl<T: Shared> Receiver<T> {
    pub(super) fn new(way: Box<dyn Way<T>>, capacity: Capacity) -> Self {
        Self { way, capacity }
    }

    pub(super) fn way(&self) -> &(dyn Way<T> + 'static) {
        &*self.way
    }

    /// Receives, waiting as long as it takes.
    ///
    /// # Errors
    /// `Disconnected`, `Corrupt`, `TooManyThreads`, `Unusable`.
    #[inline]
    pub fn recv(&self) -> Result<T, RecvError> {
        self.take(Patience::Forever).map(|message| *message)
    }

    /// Receives if there is something; never waits.
    ///
    /// # Errors
    /// [`RecvError`], except `TimedOut`.
    #[inline]
    pub fn try_recv(&self) -> Result<T, RecvError> {
        self.take(Patience::None).map(|message| *message)
    }

    /// Receives, waiting for `timeout` at most.
    ///
    /// # Errors
    /// [`RecvError`], except `Empty`.
    pub fn recv_timeout(&self, timeout: Duration) -> Result<T, RecvError> {
        self.take(Patience::Until(Deadline::after(timeout))).map(|message| *message)
    }

    /// Receives, waiting until `deadline` at most.
    ///
    /// # Errors
    /// [`RecvError`], except `Empty`.
    pub fn recv_deadline(&self, deadline: Deadline) -> Result<T, RecvError> {
        self.take(Patience::Until(deadline)).map(|message| *message)
    }

    /// Receives a message in its buffer, waiting as long as it takes.
    ///
    /// # Errors
    /// As of [`recv`](Self::recv).
    pub fn recv_in_place(&self) -> Result<Received<'_, T>, RecvError> {
        self.take(Patience::Forever)
    }

    /// Receives a message in its buffer if there is one; never waits.
    ///
    /// # Errors
    /// As of [`try_recv`](Self::try_recv).
    pub fn try_recv_in_place(&self) -> Result<Received<'_, T>, RecvError> {
        self.take(Patience::None)
    }

    /// Receives a message in its buffer, waiting for `timeout` at most.
    ///
    /// # Errors
    /// As of [`recv_timeout`](Self::recv_timeout).
    pub fn recv_in_place_timeout(&self, timeout: Duration) -> Result<Received<'_, T>, RecvError> {
        self.take(Patience::Until(Deadline::after(timeout)))
    }

    /// Receives a message in its buffer, waiting until `deadline` at most.
    ///
    /// # Errors
    /// As of [`recv_deadline`](Self::recv_deadline).
    pub fn recv_in_place_deadline(&self, deadline: Deadline) -> Result<Received<'_, T>, RecvError> {
        self.take(Patience::Until(deadline))
    }

    /// The next message, which stays the next one, waiting for it as long as it takes.
    ///
    /// For a moment it is with the calling thread, as one that is received: it is not there for others, who may find the one behind
    /// it, or nothing; and a process that is killed at that moment takes it along. So of several who peek or receive at once the
    /// order is not that of who sent. Where there is one receiver, its next receive gets what it has seen. At that moment a sender
    /// may find a place that was taken: one message more than the capacity may be there for each receiver that peeks.
    ///
    /// # Errors
    /// `HoldsNothing`; and as of [`recv`](Self::recv).
    ///
    /// ```
    /// use selvedge::Region;
    /// use selvedge::message::{Capacity, RecvError};
    ///
    /// let region = Region::anonymous()?;
    /// let (sender, receiver) = region.channel::<u64>("orders", Capacity::Bounded(8))?;
    /// assert_eq!(receiver.try_peek(), Err(RecvError::Empty));
    /// sender.send(7)?;
    /// assert_eq!((receiver.peek(), receiver.peek()), (Ok(7), Ok(7)));
    /// assert_eq!((receiver.recv(), receiver.len()), (Ok(7), 0));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn peek(&self) -> Result<T, RecvError> {
        self.look(Patience::Forever)
    }

    /// The next message, which stays the next one, if there is one; never waits. See [`peek`](Self::peek).
    ///
    /// # Errors
    /// `HoldsNothing`; and as of [`try_recv`](Self::try_recv).
    pub fn try_peek(&self) -> Result<T, RecvError> {
        self.look(Patience::None)
    }

    /// The next message, which stays the next one, waiting for it for `timeout` at most. See [`peek`](Self::peek).
    ///
    /// # Errors
    /// `HoldsNothing`; and as of [`recv_timeout`](Self::recv_timeout).
    pub fn peek_timeout(&self, timeout: Duration) -> Result<T, RecvError> {
        self.look(Patience::Until(Deadline::after(timeout)))
    }

    /// The next message, which stays the next one, waiting for it until `deadline` at most. See [`peek`](Self::peek).
    ///
    /// # Errors
    /// `HoldsNothing`; and as of [`recv_deadline`](Self::recv_deadline).
    pub fn peek_deadline(&self, deadline: Deadline) -> Result<T, RecvError> {
        self.look(Patience::Until(deadline))
    }

    fn look(&self, patience: Patience) -> Result<T, RecvError> {
        if self.capacity == Capacity::Zero {
            return Err(RecvError::HoldsNothing);
        }
        let received = self.take(patience)?;
        let message = *received;
        received.put_back();
        Ok(message)
    }

    /// Receives up to `most` messages, waiting for the first one as long as it takes, and puts them behind those in `into`.
    /// How many there were: at least one, unless `most` is 0.
    ///
    /// # Errors
    /// As of [`recv`](Self::recv): there was none. What goes wrong after the first is told by the next call.
    ///
    /// ```
    /// use selvedge::Region;
    /// use selvedge::message::Capacity;
    ///
    /// let region = Region::anonymous()?;
    /// let (sender, receiver) = region.channel::<u64>("orders", Capacity::Bounded(8))?;
    /// sender.send_all(&[1, 2, 3]).map_err(|(_, error)| error)?;
    /// let mut orders = Vec::new();
    /// assert_eq!(receiver.recv_many(&mut orders, 2), Ok(2));
    /// assert_eq!(receiver.recv_many(&mut orders, 2), Ok(1));
    /// assert_eq!(orders, [1, 2, 3]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn recv_many(&self, into: &mut Vec<T>, most: usize) -> Result<usize, RecvError> {
        if most == 0 {
            return Ok(0);
        }
        into.push(self.recv()?);
        let before = into.len();
        into.extend(self.try_iter().take(most - 1));
        Ok(1 + into.len() - before)
    }

    #[inline]
    fn take(&self, patience: Patience) -> Result<Received<'_, T>, RecvError> {
        Received::of(&*self.way, patience).map_err(|refusal| RecvError::new(refusal, self.way.name()))
    }

    /// The messages, each waited for, until nobody is left to send, or anything else goes wrong.
    pub fn iter(&self) -> Iter<'_, T> {
        Iter::over(self)
    }

    /// The messages that are there, until there is none.
    pub fn try_iter(&self) -> TryIter<'_, T> {
        TryIter::over(self)
    }

    /// Whether it holds as many messages as its capacity is, as of a moment ago. One of capacity zero always is full.
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

/// What both ends have.
macro_rules! both_ends {
    ($handle:ident, $what:literal, $own:expr, $other:expr, $others:literal) => {
        impl<T: Shared> $handle<T> {
            /// How many messages are waiting, as of a moment ago; none with capacity zero.
            #[must_use]
            pub fn len(&self) -> usize {
                self.way.len()
            }

            /// Whether no message is waiting, as of a moment ago.
            #[must_use]
            pub fn is_empty(&self) -> bool {
                self.len() == 0
            }

            /// How many messages it holds at most; nothing, if it is unbounded.
            #[must_use]
            pub fn capacity(&self) -> Option<usize> {
                self.capacity.bound()
            }

            /// How many buffers are in use, as of a moment ago: with messages that wait, or that are being written or read.
            #[must_use]
            pub fn in_use(&self) -> usize {
                self.way.in_use()
            }

            #[doc = concat!("How many processes have ", $others, ", as of a moment ago.")]
            #[must_use]
            pub fn peers(&self) -> usize {
                self.way.standing($other)
            }

            #[doc = concat!("How many processes have a ", $what, ", this one included, as of a moment ago.")]
            #[must_use]
            pub fn fellows(&self) -> usize {
                self.way.standing($own)
            }

            #[doc = concat!("The same ", $what, " with another way to wait.")]
            #[must_use]
            pub fn with_wait(mut self, wait: Wait) -> Self {
                self.way.set_wait(wait);
                self
            }

            /// The name by which the channel was made or opened.
            #[must_use]
            pub fn name(&self) -> &str {
                self.way.name().as_str()
            }
        }

        impl<T: Shared> Clone for $handle<T> {
            fn clone(&self) -> Self {
                Self { way: self.way.again(), capacity: self.capacity }
            }
        }

        impl<T: Shared> fmt::Debug for $handle<T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($handle))
                    .field("name", &self.name())
                    .field("len", &self.len())
                    .field("capacity", &self.capacity)
                    .finish_non_exhaustive()
            }
        }
    };
}

pub(super) use both_ends;

both_ends!(Receiver, "receiver", End::Receivers, End::Senders, "senders");

//! The queue for any number of senders and receivers, as its users hold it.

use super::error::ObjectError;
use super::handle::Region;
use super::kind::Kind;
use super::messages::{Buffer, Messages, QueueLoan, QueueRecvError, QueueSendError};
use super::object::Shared;
use super::patience::Patience;
use crate::sync::Deadline;
use core::fmt;
use core::ops::Deref;
use core::time::Duration;

/// A bounded first-in first-out queue of messages between any number of senders and receivers, of any processes. Each message
/// is received **at most once**.
///
/// Handles are clones of each other, and any thread may send and receive. A message is seen whole or not at all, and those
/// of one sender are received in the order in which they were sent. Nobody is told that the other side is gone: who
/// wants to know watches the processes.
///
/// **Death.** A sender that is killed has sent its message or has not; nobody waits for it. The message that a receiver had
/// received, or was just receiving, when it was killed is gone with it: where that matters, use a
/// [`WorkQueue`](super::WorkQueue). Buffers that the dead were filling or reading come home.
///
/// **Memory order.** What a sender did before it sent happens before what the receiver does with the message, and what the
/// receiver did happens before the buffer is written again.
///
/// **Blocking.** [`send`](Self::send) waits while the queue is full or all its buffers are in use, [`recv`](Self::recv) while
/// it is empty, both spinning a little first; the `try` calls never wait, not even for somebody who was stopped in the
/// middle of an operation. No order is promised among those who wait. A thread that keeps so many loans and messages in
/// place that no buffer is left, and sends, waits for itself.
///
/// **Memory.** Messages lie in buffers, of which there are more than the capacity by the number of threads that the region was made
/// for, at most 64: so many may be in the middle of an operation, or have loans or messages in place, while the queue is
/// full. A queue takes 48 bytes, eight for each message of its capacity, and eight and the size of a message for each buffer.
///
/// **Trust.** Words that contradict each other are reported as `Corrupt`. The messages can be written by every process that has
/// the region: the `&T` that a loan or a message in place gives is sound as long as all of them use this type to get at it.
///
/// ```
/// use selvedge::Region;
/// use selvedge::region::QueueSendError;
///
/// let region = Region::anonymous()?;
/// let orders = region.queue::<u64>("orders", 2)?;
/// orders.send(1)?;
/// orders.send(2)?;
/// assert_eq!(orders.try_send(3), Err(QueueSendError::Full(3)));
/// assert_eq!(orders.recv()?, 1);
/// assert_eq!(*orders.recv_in_place()?, 2);
/// assert!(orders.is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Queue<T: Shared> {
    messages: Messages<T>,
}

/// What the handles of both kinds of queue have, whose field `messages` is one.
macro_rules! queue_of_messages {
    ($handle:ident) => {
        impl<T: Shared> $handle<T> {
            /// Sends, waiting while the queue is full.
            ///
            /// # Errors
            /// `Corrupt`, `TooManyThreads`, `Unusable`.
            #[inline]
            pub fn send(&self, message: T) -> Result<(), QueueSendError<T>> {
                self.messages.send(message, Patience::Forever)
            }

            /// Sends if the queue is not full; never waits.
            ///
            /// # Errors
            /// [`QueueSendError`], except `TimedOut`.
            #[inline]
            pub fn try_send(&self, message: T) -> Result<(), QueueSendError<T>> {
                self.messages.send(message, Patience::None)
            }

            /// Sends, waiting at most `timeout` while the queue is full.
            ///
            /// # Errors
            /// [`QueueSendError`], except `Full`.
            pub fn send_timeout(&self, message: T, timeout: Duration) -> Result<(), QueueSendError<T>> {
                self.messages.send(message, Patience::Until(Deadline::after(timeout)))
            }

            /// Sends, waiting until `deadline` at most while the queue is full.
            ///
            /// # Errors
            /// [`QueueSendError`], except `Full`.
            pub fn send_deadline(&self, message: T, deadline: Deadline) -> Result<(), QueueSendError<T>> {
                self.messages.send(message, Patience::Until(deadline))
            }

            /// A buffer to be filled in place and sent, waiting while all are in use.
            ///
            /// # Errors
            /// `Corrupt`, `TooManyThreads`, `Unusable`.
            pub fn loan(&self) -> Result<QueueLoan<'_, T>, QueueSendError<()>> {
                self.messages.loan(Patience::Forever)
            }

            /// A buffer to be filled in place and sent, if not all are in use; never waits.
            ///
            /// # Errors
            /// [`QueueSendError`], except `TimedOut`.
            pub fn try_loan(&self) -> Result<QueueLoan<'_, T>, QueueSendError<()>> {
                self.messages.loan(Patience::None)
            }

            /// How many messages it holds at most.
            #[must_use]
            pub fn capacity(&self) -> usize {
                self.messages.capacity
            }

            /// How many messages are waiting, as of a moment ago; those that were received and came back are not counted.
            #[must_use]
            pub fn len(&self) -> usize {
                self.messages.len()
            }

            /// Whether no message is waiting, as of a moment ago; those that were received and came back are not counted.
            #[must_use]
            pub fn is_empty(&self) -> bool {
                self.len() == 0
            }

            /// The same queue with another way to wait.
            #[must_use]
            pub fn with_wait(mut self, wait: $crate::primitives::waiting::Wait) -> Self {
                self.messages.wait = wait;
                self
            }

            /// The name by which it was made or opened.
            #[must_use]
            pub fn name(&self) -> &str {
                self.messages.placed.name().as_str()
            }
        }

        impl<T: Shared> Clone for $handle<T> {
            fn clone(&self) -> Self {
                Self { messages: self.messages.clone() }
            }
        }

        impl<T: Shared> fmt::Debug for $handle<T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($handle))
                    .field("name", &self.name())
                    .field("len", &self.len())
                    .field("capacity", &self.capacity())
                    .finish_non_exhaustive()
            }
        }
    };
}

pub(super) use queue_of_messages;

/// The four ways to receive, which differ in how long they wait.
macro_rules! receives {
    ($handle:ident; $what:literal; $one:ident, $try:ident, $timeout:ident, $deadline:ident -> $answer:ty; $by:path) => {
        impl<T: Shared> $handle<T> {
            #[doc = concat!("Receives", $what, ", waiting while the queue is empty.")]
            ///
            /// # Errors
            /// `Corrupt`, `TooManyThreads`, `Unusable`.
            #[inline]
            pub fn $one(&self) -> Result<$answer, QueueRecvError> {
                self.messages.take(Patience::Forever).map($by)
            }

            #[doc = concat!("Receives", $what, " if the queue is not empty; never waits.")]
            ///
            /// # Errors
            /// [`QueueRecvError`], except `TimedOut`.
            #[inline]
            pub fn $try(&self) -> Result<$answer, QueueRecvError> {
                self.messages.take(Patience::None).map($by)
            }

            #[doc = concat!("Receives", $what, ", waiting at most `timeout` while the queue is empty.")]
            ///
            /// # Errors
            /// [`QueueRecvError`], except `Empty`.
            pub fn $timeout(&self, timeout: Duration) -> Result<$answer, QueueRecvError> {
                self.messages.take(Patience::Until(Deadline::after(timeout))).map($by)
            }

            #[doc = concat!("Receives", $what, ", waiting until `deadline` at most while the queue is empty.")]
            ///
            /// # Errors
            /// [`QueueRecvError`], except `Empty`.
            pub fn $deadline(&self, deadline: Deadline) -> Result<$answer, QueueRecvError> {
                self.messages.take(Patience::Until(deadline)).map($by)
            }
        }
    };
}

pub(super) use receives;

queue_of_messages!(Queue);
receives!(Queue; ""; recv, try_recv, recv_timeout, recv_deadline -> T; copied);
receives!(
    Queue; " a message in its buffer"; recv_in_place, try_recv_in_place, recv_in_place_timeout, recv_in_place_deadline
    -> QueueMessage<'_, T>; QueueMessage::new
);

#[inline]
fn copied<T: Shared>(taken: (Buffer<'_, T>, bool)) -> T {
    *QueueMessage::new(taken)
}

/// A message of a [`Queue`] that was received and lies in its buffer still; dropping it gives the buffer back.
///
/// It cannot be sent to another thread; the buffer of one that is forgotten comes home when its thread ends. In a forked child
/// dropping an inherited one does nothing.
///
/// ```
/// use selvedge::Region;
///
/// let region = Region::anonymous()?;
/// let frames = region.queue::<[u8; 1024]>("frames", 4)?;
/// frames.send([7; 1024])?;
/// let frame = frames.recv_in_place()?;
/// assert!(frame.iter().all(|byte| *byte == 7));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "the message is received, and gone when this is dropped"]
pub struct QueueMessage<'a, T: Shared> {
    buffer: Buffer<'a, T>,
}

impl<'a, T: Shared> QueueMessage<'a, T> {
    #[inline]
    fn new((buffer, _): (Buffer<'a, T>, bool)) -> Self {
        Self { buffer }
    }
}

impl<T: Shared> Deref for QueueMessage<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        self.buffer.get()
    }
}

impl<T: Shared> Drop for QueueMessage<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.buffer.give_back();
    }
}

impl<T: Shared + fmt::Debug> fmt::Debug for QueueMessage<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl Region {
    /// The queue `name` of up to `capacity` messages, made if there is none.
    ///
    /// # Errors
    /// [`ObjectError`]: of another kind, type or capacity; a capacity that no queue can have, which is more than 524,288; no
    /// memory; too many objects.
    pub fn queue<T: Shared>(&self, name: &str, capacity: usize) -> Result<Queue<T>, ObjectError> {
        Ok(Queue { messages: Messages::obtain(self, name, capacity, Kind::Queue)? })
    }
}

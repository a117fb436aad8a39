//! What the two kinds of queue have in common: the messages in their buffers, how they are sent, and why they are not.

use super::core::NoCaller;
use super::error::{ObjectError, ObjectErrorKind, Unusable};
use super::handle::Region;
use super::kind::Kind;
use super::object::{ObjectName, Placed, Request, Shared, obtain_with};
use super::patience::Patience;
use crate::primitives::queue::{self, Delivery, QueueError, Taken};
use crate::primitives::registry::Mode;
use crate::primitives::waiting::Wait;
use crate::primitives::{RawQueue, ThreadSlot};
use crate::sync::{Cell, Deadline};
use core::fmt;
use core::marker::PhantomData;
use core::ops::{Deref, DerefMut};
use core::time::Duration;

/// Why something cannot go on now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Obstacle {
    WouldBlock,
    TimedOut,
    OutOfMemory,
    Corrupt,
    TooManyThreads(u32),
    Unusable(Unusable),
}

impl From<QueueError> for Obstacle {
    fn from(error: QueueError) -> Self {
        match error {
            QueueError::WouldBlock => Self::WouldBlock,
            QueueError::TimedOut => Self::TimedOut,
            QueueError::Corrupt => Self::Corrupt,
        }
    }
}

impl From<NoCaller> for Obstacle {
    fn from(error: NoCaller) -> Self {
        match error {
            NoCaller::Unusable(why) => Self::Unusable(why),
            NoCaller::TooManyThreads(limit) => Self::TooManyThreads(limit),
        }
    }
}

/// Why a message was not sent; it comes back, or the loan in which it lies.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum QueueSendError<T> {
    /// The queue is full, or all its buffers are in use (calls that begin with `try` only).
    Full(T),
    /// The queue was full until the deadline (timed calls only).
    TimedOut(T),
    /// All the memory of the queue of this name is in use (unbounded queues only).
    OutOfMemory(T, ObjectName),
    /// The shared memory of the queue of this name contradicts itself.
    Corrupt(T, ObjectName),
    /// As many threads of this process as the region was made for, which is this number, use it already.
    TooManyThreads(T, u32),
    /// The region of the queue of this name can be used no longer.
    Unusable(T, Unusable, ObjectName),
}

impl<T> QueueSendError<T> {
    /// The message, or the loan in which it lies.
    pub fn into_message(self) -> T {
        match self {
            Self::Full(message)
            | Self::TimedOut(message)
            | Self::OutOfMemory(message, _)
            | Self::Corrupt(message, _)
            | Self::TooManyThreads(message, _)
            | Self::Unusable(message, ..) => message,
        }
    }

    /// The error without the message, for `?` beyond the life of a loan, which is given back.
    pub fn give_up(self) -> QueueSendError<()> {
        match self {
            Self::Full(_) => QueueSendError::Full(()),
            Self::TimedOut(_) => QueueSendError::TimedOut(()),
            Self::OutOfMemory(_, queue) => QueueSendError::OutOfMemory((), queue),
            Self::Corrupt(_, queue) => QueueSendError::Corrupt((), queue),
            Self::TooManyThreads(_, limit) => QueueSendError::TooManyThreads((), limit),
            Self::Unusable(_, why, queue) => QueueSendError::Unusable((), why, queue),
        }
    }

    pub(super) fn new(message: T, obstacle: Obstacle, queue: &ObjectName) -> Self {
        match obstacle {
            Obstacle::WouldBlock => Self::Full(message),
            Obstacle::TimedOut => Self::TimedOut(message),
            Obstacle::OutOfMemory => Self::OutOfMemory(message, queue.clone()),
            Obstacle::Corrupt => Self::Corrupt(message, queue.clone()),
            Obstacle::TooManyThreads(limit) => Self::TooManyThreads(message, limit),
            Obstacle::Unusable(why) => Self::Unusable(message, why, queue.clone()),
        }
    }
}

impl<T> fmt::Debug for QueueSendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full(_) => f.write_str("Full(..)"),
            Self::TimedOut(_) => f.write_str("TimedOut(..)"),
            Self::OutOfMemory(_, queue) => write!(f, "OutOfMemory(.., {queue:?})"),
            Self::Corrupt(_, queue) => write!(f, "Corrupt(.., {queue:?})"),
            Self::TooManyThreads(_, limit) => write!(f, "TooManyThreads(.., {limit})"),
            Self::Unusable(_, why, queue) => write!(f, "Unusable(.., {why:?}, {queue:?})"),
        }
    }
}

impl<T> fmt::Display for QueueSendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full(_) => f.write_str("the queue is full"),
            Self::TimedOut(_) => f.write_str("the queue was full until the deadline"),
            Self::OutOfMemory(_, queue) => write!(f, "all the memory of queue {queue} is in use"),
            Self::Corrupt(_, queue) => write!(f, "the shared memory of queue {queue} contradicts itself"),
            Self::TooManyThreads(_, limit) => {
                write!(f, "the region's {limit} places for threads of this process are taken")
            }
            Self::Unusable(_, why, queue) => write!(f, "queue {queue}: {why}"),
        }
    }
}

impl<T> std::error::Error for QueueSendError<T> {}

/// Why no message was received.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum QueueRecvError {
    /// The queue is empty (calls that begin with `try` only).
    Empty,
    /// The queue was empty until the deadline (timed calls only).
    TimedOut,
    /// The shared memory of the queue of this name contradicts itself.
    Corrupt(ObjectName),
    /// As many threads of this process as the region was made for use it already.
    TooManyThreads {
        /// How many that are.
        limit: u32,
    },
    /// The region of the queue of this name can be used no longer.
    Unusable(Unusable, ObjectName),
}

impl QueueRecvError {
    pub(super) fn new(obstacle: Obstacle, queue: &ObjectName) -> Self {
        match obstacle {
            // Only a send needs memory.
            Obstacle::WouldBlock | Obstacle::OutOfMemory => Self::Empty,
            Obstacle::TimedOut => Self::TimedOut,
            Obstacle::Corrupt => Self::Corrupt(queue.clone()),
            Obstacle::TooManyThreads(limit) => Self::TooManyThreads { limit },
            Obstacle::Unusable(why) => Self::Unusable(why, queue.clone()),
        }
    }
}

impl fmt::Display for QueueRecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("the queue is empty"),
            Self::TimedOut => f.write_str("the queue was empty until the deadline"),
            Self::Corrupt(queue) => write!(f, "the shared memory of queue {queue} contradicts itself"),
            Self::TooManyThreads { limit } => {
                write!(f, "the region's {limit} places for threads of this process are taken")
            }
            Self::Unusable(why, queue) => write!(f, "queue {queue}: {why}"),
        }
    }
}

impl std::error::Error for QueueRecvError {}

/// A queue, whatever becomes of the messages of the dead.
pub(super) struct Messages<T: Shared> {
    pub(super) placed: Placed<RawQueue, Cell<T>>,
    /// As it was asked for; what the shared memory says is compared with it.
    pub(super) capacity: usize,
    pub(super) wait: Wait,
}

impl<T: Shared> Clone for Messages<T> {
    fn clone(&self) -> Self {
        Self { placed: self.placed.clone(), capacity: self.capacity, wait: self.wait }
    }
}

impl<T: Shared> Messages<T> {
    pub(super) fn obtain(region: &Region, name: &str, capacity: usize, kind: Kind) -> Result<Self, ObjectError> {
        let most = RawQueue::MAX;
        let number = u32::try_from(capacity).ok().filter(|_| (1..=most).contains(&capacity));
        let Some(number) = number else {
            let kind = ObjectErrorKind::BadCapacity { given: capacity as u64, most: most as u64 };
            return Err(ObjectError::new(name, kind));
        };
        let delivery = if kind == Kind::WorkQueue { Delivery::AtLeastOnce } else { Delivery::AtMostOnce };
        let request = Request { name, kind, capacity, tag: T::TAG.0, mode: Mode::OpenOrCreate, deadline: None };
        let (made, slot) = (|| RawQueue::new(number, delivery), |_| Cell::new(T::new_zeroed()));
        let (placed, _) = obtain_with(region.core(), &request, made, |_| RawQueue::word(), slot)?;
        Ok(Self { placed, capacity, wait: Wait::default() })
    }

    #[inline]
    fn control(&self) -> Result<queue::Queue<'_>, Obstacle> {
        let queue = self.placed.control().with(self.placed.words());
        // Lengths come from the handle: with another capacity the words would not be what they are.
        if queue.capacity() == self.capacity { Ok(queue) } else { Err(Obstacle::Corrupt) }
    }

    #[inline]
    fn thread(&self) -> Result<ThreadSlot, Obstacle> {
        self.placed.core().slot().map_err(Obstacle::from)
    }

    /// Takes a buffer to fill.
    #[inline]
    fn take_buffer(&self, slot: ThreadSlot, patience: Patience) -> Result<Buffer<'_, T>, Obstacle> {
        let index = match (self.control()?.pool().try_take(slot), patience) {
            (Some(index), _) => index,
            (None, Patience::None) => return Err(Obstacle::WouldBlock),
            (None, patience) => self.take_buffer_slow(slot, patience.deadline())?,
        };
        Buffer::of(self, index)
    }

    /// Apart, because a [`Caller`](crate::primitives::Caller) is large, and only who waits needs one.
    #[cold]
    fn take_buffer_slow(&self, slot: ThreadSlot, deadline: Option<Deadline>) -> Result<usize, Obstacle> {
        let caller = self.placed.core().caller_in(slot, self.wait);
        self.control()?.pool().take(&caller, self.placed.id(), deadline).ok_or(Obstacle::TimedOut)
    }

    /// Sends what is in a buffer; if it cannot, the buffer is the caller's still.
    #[inline]
    fn publish(&self, slot: ThreadSlot, buffer: usize, patience: Patience) -> Result<(), Obstacle> {
        match (self.control()?.try_publish(buffer), patience) {
            (Err(QueueError::WouldBlock), Patience::None) => Err(Obstacle::WouldBlock),
            (Err(QueueError::WouldBlock), patience) => self.publish_slow(slot, buffer, patience.deadline()),
            (answer, _) => Ok(answer?),
        }
    }

    /// Apart, as above.
    #[cold]
    fn publish_slow(&self, slot: ThreadSlot, buffer: usize, deadline: Option<Deadline>) -> Result<(), Obstacle> {
        let caller = self.placed.core().caller_in(slot, self.wait);
        Ok(self.control()?.publish(&caller, self.placed.id(), buffer, deadline)?)
    }

    #[inline]
    pub(super) fn loan(&self, patience: Patience) -> Result<QueueLoan<'_, T>, QueueSendError<()>> {
        let loan = || Ok(QueueLoan { buffer: self.take_buffer(self.thread()?, patience)? });
        loan().map_err(|obstacle| QueueSendError::new((), obstacle, self.placed.name()))
    }

    #[inline]
    pub(super) fn send(&self, message: T, patience: Patience) -> Result<(), QueueSendError<T>> {
        let send = || {
            let slot = self.thread()?;
            let loan = QueueLoan { buffer: self.take_buffer(slot, patience)? };
            // SAFETY: mapped and aligned, and the calling thread's alone while it has the loan (pool, I1).
            loan.buffer.cell.with_mut(|place| unsafe { place.write(message) });
            self.publish(slot, loan.buffer.index, patience)?;
            loan.let_go();
            Ok(())
        };
        send().map_err(|obstacle| QueueSendError::new(message, obstacle, self.placed.name()))
    }

    /// Takes the first message, and whether it was redelivered.
    #[inline]
    pub(super) fn take(&self, patience: Patience) -> Result<(Buffer<'_, T>, bool), QueueRecvError> {
        let take = || {
            let slot = self.thread()?;
            let Taken { buffer, redelivered } = match (self.control()?.try_take(slot), patience) {
                (Err(QueueError::WouldBlock), Patience::None) => return Err(Obstacle::WouldBlock),
                (Err(QueueError::WouldBlock), patience) => self.take_slow(slot, patience.deadline())?,
                (answer, _) => answer?,
            };
            Ok((Buffer::of(self, buffer)?, redelivered))
        };
        take().map_err(|obstacle| QueueRecvError::new(obstacle, self.placed.name()))
    }

    /// Apart, as above.
    #[cold]
    fn take_slow(&self, slot: ThreadSlot, deadline: Option<Deadline>) -> Result<Taken, Obstacle> {
        let caller = self.placed.core().caller_in(slot, self.wait);
        Ok(self.control()?.take(&caller, self.placed.id(), deadline)?)
    }

    pub(super) fn len(&self) -> usize {
        self.control().map_or(0, |queue| queue.len())
    }
}

/// A buffer in the hands of a thread. Who wraps it says what becomes of it in the end.
pub(super) struct Buffer<'a, T: Shared> {
    messages: &'a Messages<T>,
    cell: &'a Cell<T>,
    index: usize,
    not_send: PhantomData<*mut ()>,
}

// SAFETY: a shared one gives `&T` only, and `T: Shared` is `Sync`.
unsafe impl<T: Shared> Sync for Buffer<'_, T> {}

impl<'a, T: Shared> Buffer<'a, T> {
    #[inline]
    fn of(messages: &'a Messages<T>, index: usize) -> Result<Self, Obstacle> {
        let cell = messages.placed.slots().get(index).ok_or(Obstacle::Corrupt)?;
        Ok(Self { messages, cell, index, not_send: PhantomData })
    }

    #[inline]
    pub(super) fn get(&self) -> &T {
        // SAFETY: the cell is mapped and aligned, every pattern of bits is a `T` (`FromBytes`), and the buffer is this
        // thread's alone while `self` exists (pool, I1; queue, I3).
        unsafe { &*self.cell.with(|value| value) }
    }

    #[inline]
    fn get_mut(&mut self) -> &mut T {
        // SAFETY: as in get; `&mut self` excludes other borrows through this one.
        unsafe { &mut *self.cell.with_mut(|value| value) }
    }

    /// The queue, unless this process inherited the buffer in name only, in a fork.
    #[inline]
    fn owned_in(&self) -> Option<queue::Queue<'a>> {
        let is_original = self.messages.placed.core().attachment().is_original();
        if is_original { self.messages.control().ok() } else { None }
    }

    /// The message in it is done with, or there was none.
    #[inline]
    pub(super) fn give_back(&self) {
        if let Some(queue) = self.owned_in() {
            queue.pool().give_back(self.index);
        }
    }

    /// The message in it is somebody else's to finish.
    pub(super) fn return_to_queue(&self) {
        if let Some(queue) = self.owned_in() {
            queue.return_taken(self.index);
        }
    }
}

/// A buffer of a [`Queue`](super::Queue) or [`WorkQueue`](super::WorkQueue) to be filled in place and sent. One that is dropped
/// sends nothing and gives the buffer back.
///
/// It holds an earlier message, or zeros. It cannot be sent to another thread; one that is forgotten comes home when its
/// thread ends. A forked child can neither send nor give back what it inherited.
///
/// ```
/// use selvedge::Region;
///
/// let region = Region::anonymous()?;
/// let frames = region.queue::<[u8; 1024]>("frames", 4)?;
/// let mut frame = frames.loan()?;
/// frame[0] = 7;
/// frame.send().map_err(|error| error.give_up())?;
/// assert_eq!(frames.recv_in_place()?[0], 7);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "a loan that is dropped sends nothing"]
pub struct QueueLoan<'a, T: Shared> {
    buffer: Buffer<'a, T>,
}

impl<T: Shared> QueueLoan<'_, T> {
    /// Sends it, waiting while the queue is full.
    ///
    /// # Errors
    /// `Corrupt`, `TooManyThreads`, `Unusable`.
    pub fn send(self) -> Result<(), QueueSendError<Self>> {
        self.publish(Patience::Forever)
    }

    /// Sends it if the queue is not full; never waits.
    ///
    /// # Errors
    /// [`QueueSendError`], except `TimedOut`.
    pub fn try_send(self) -> Result<(), QueueSendError<Self>> {
        self.publish(Patience::None)
    }

    /// Sends it, waiting at most `timeout` while the queue is full.
    ///
    /// # Errors
    /// [`QueueSendError`], except `Full`.
    pub fn send_timeout(self, timeout: Duration) -> Result<(), QueueSendError<Self>> {
        self.publish(Patience::Until(Deadline::after(timeout)))
    }

    /// Sends it, waiting until `deadline` at most while the queue is full.
    ///
    /// # Errors
    /// [`QueueSendError`], except `Full`.
    pub fn send_deadline(self, deadline: Deadline) -> Result<(), QueueSendError<Self>> {
        self.publish(Patience::Until(deadline))
    }

    fn publish(self, patience: Patience) -> Result<(), QueueSendError<Self>> {
        let messages = self.buffer.messages;
        let sent = messages.thread().and_then(|slot| messages.publish(slot, self.buffer.index, patience));
        match sent {
            Ok(()) => {
                self.let_go();
                Ok(())
            }
            Err(obstacle) => Err(QueueSendError::new(self, obstacle, messages.placed.name())),
        }
    }

    /// The buffer is not the thread's any more.
    fn let_go(self) {
        core::mem::forget(self);
    }
}

impl<T: Shared> Deref for QueueLoan<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.buffer.get()
    }
}

impl<T: Shared> DerefMut for QueueLoan<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.buffer.get_mut()
    }
}

impl<T: Shared> Drop for QueueLoan<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.buffer.give_back();
    }
}

impl<T: Shared + fmt::Debug> fmt::Debug for QueueLoan<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

//! Messages in their buffers: to be filled and sent, or received and read, without a copy.

use super::error::SendError;
use crate::region::Shared;
use crate::region::channel::{Refusal, Way};
use crate::region::patience::Patience;
use crate::sync::{Cell, Deadline};
use core::fmt;
use core::marker::PhantomData;
use core::ops::{Deref, DerefMut};
use core::time::Duration;

/// A buffer that the calling thread has.
struct Held<'a, T: Shared> {
    way: &'a dyn Way<T>,
    cell: &'a Cell<T>,
    buffer: usize,
    not_send: PhantomData<*mut ()>,
}

// SAFETY: a shared one gives `&T` only, and `T: Shared` is `Sync`.
unsafe impl<T: Shared> Sync for Held<'_, T> {}

impl<'a, T: Shared> Held<'a, T> {
    #[inline]
    fn of(way: &'a dyn Way<T>, buffer: usize) -> Result<Self, Refusal> {
        Ok(Self { way, cell: way.cell(buffer)?, buffer, not_send: PhantomData })
    }

    #[inline]
    fn get(&self) -> &T {
        // SAFETY: the cell is mapped and aligned, every pattern of bits is a `T` (`FromBytes`), and the buffer is this
        // thread's alone while `self` exists (pool, I1).
        unsafe { &*self.cell.with(|value| value) }
    }

    #[inline]
    fn get_mut(&mut self) -> &mut T {
        // SAFETY: as in get; `&mut self` excludes other borrows through this one.
        unsafe { &mut *self.cell.with_mut(|value| value) }
    }
}

/// A buffer of a channel to be filled in place and sent. One that is dropped sends nothing and gives the buffer back.
///
/// It holds an earlier message, or zeros. It cannot be sent to another thread; one that is forgotten comes home when its
/// thread ends. A forked child can neither send nor give back what it inherited.
///
/// ```
/// use selvedge::Region;
/// use selvedge::message::Capacity;
///
/// let region = Region::anonymous()?;
/// let (sender, receiver) = region.channel::<[u8; 1024]>("frames", Capacity::Bounded(4))?;
/// let mut frame = sender.loan()?;
/// frame[0] = 7;
/// frame.send().map_err(|error| error.give_up())?;
/// assert_eq!(receiver.recv_in_place()?[0], 7);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "a loan that is dropped sends nothing"]
pub struct Loan<'a, T: Shared> {
    held: Held<'a, T>,
}

impl<'a, T: Shared> Loan<'a, T> {
    #[inline]
    pub(super) fn of(way: &'a dyn Way<T>, patience: Patience) -> Result<Self, Refusal> {
        Ok(Self { held: Held::of(way, way.lend(patience)?)? })
    }

    #[inline]
    pub(super) fn write(&mut self, message: T) {
        // SAFETY: as in Held::get; what was there needs no drop.
        self.held.cell.with_mut(|place| unsafe { place.write(message) });
    }

    /// Sends it, waiting as [`Sender::send`](super::Sender::send) does.
    ///
    /// # Errors
    /// `Disconnected`, `Corrupt`, `TooManyThreads`, `Unusable`.
    pub fn send(self) -> Result<(), SendError<Self>> {
        self.pass(Patience::Forever)
    }

    /// Sends it if it can be sent now; never waits.
    ///
    /// # Errors
    /// [`SendError`], except `TimedOut` and `OutOfMemory`.
    pub fn try_send(self) -> Result<(), SendError<Self>> {
        self.pass(Patience::None)
    }

    /// Sends it, waiting for `timeout` at most.
    ///
    /// # Errors
    /// [`SendError`], except `Full` and `OutOfMemory`.
    pub fn send_timeout(self, timeout: Duration) -> Result<(), SendError<Self>> {
        self.pass(Patience::Until(Deadline::after(timeout)))
    }

    /// Sends it, waiting until `deadline` at most.
    ///
    /// # Errors
    /// [`SendError`], except `Full` and `OutOfMemory`.
    pub fn send_deadline(self, deadline: Deadline) -> Result<(), SendError<Self>> {
        self.pass(Patience::Until(deadline))
    }

    #[inline]
    pub(super) fn pass(self, patience: Patience) -> Result<(), SendError<Self>> {
        let way = self.held.way;
        match way.send(self.held.buffer, patience) {
            Ok(()) => {
                // The buffer is not the thread's any more.
                core::mem::forget(self);
                Ok(())
            }
            Err(refusal) => Err(SendError::new(self, refusal, way.name())),
        }
    }
}

impl<T: Shared> Deref for Loan<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.held.get()
    }
}

impl<T: Shared> DerefMut for Loan<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.held.get_mut()
    }
}

impl<T: Shared> Drop for Loan<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.held.way.take_back(self.held.buffer);
    }
}

impl<T: Shared + fmt::Debug> fmt::Debug for Loan<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

/// A message that was received and lies in its buffer still; dropping it gives the buffer back.
///
/// It cannot be sent to another thread; the buffer of one that is forgotten comes home when its thread ends. In a forked child
/// dropping an inherited one does nothing.
///
/// ```
/// use selvedge::Region;
/// use selvedge::message::Capacity;
///
/// let region = Region::anonymous()?;
/// let (sender, receiver) = region.channel::<[u8; 1024]>("frames", Capacity::Bounded(4))?;
/// sender.send([7; 1024])?;
/// let frame = receiver.recv_in_place()?;
/// assert!(frame.iter().all(|byte| *byte == 7));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "the message is received, and gone when this is dropped"]
pub struct Received<'a, T: Shared> {
    held: Held<'a, T>,
}

impl<'a, T: Shared> Received<'a, T> {
    #[inline]
    pub(super) fn of(way: &'a dyn Way<T>, patience: Patience) -> Result<Self, Refusal> {
        Self::in_buffer(way, way.receive(patience, None)?)
    }

    /// The message that was received in this buffer.
    #[inline]
    pub(super) fn in_buffer(way: &'a dyn Way<T>, buffer: usize) -> Result<Self, Refusal> {
        Ok(Self { held: Held::of(way, buffer)? })
    }

    /// Puts it back: it is the next to be received, by whoever receives next. Of several that were put back and not received again
    /// any is the next, and all of them before those that nobody has received yet. Never waits.
    ///
    /// With capacity zero, where nothing lies, it is gone. In its place another may have been sent meanwhile: then there is one
    /// message more than the capacity.
    ///
    /// **Death.** What was put back is not the dead process's any more; what it still had in hand is gone with it.
    ///
    /// ```
    /// use selvedge::Region;
    /// use selvedge::message::Capacity;
    ///
    /// let region = Region::anonymous()?;
    /// let (sender, receiver) = region.channel::<u64>("orders", Capacity::Bounded(8))?;
    /// sender.send(7)?;
    /// sender.send(8)?;
    /// let order = receiver.recv_in_place()?;
    /// if *order < 10 {
    ///     order.put_back();
    /// }
    /// assert_eq!((receiver.recv(), receiver.recv()), (Ok(7), Ok(8)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn put_back(self) {
        self.held.way.put_back(self.held.buffer);
        // The buffer is not the thread's any more.
        core::mem::forget(self);
    }
}

impl<T: Shared> Deref for Received<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        self.held.get()
    }
}

impl<T: Shared> Drop for Received<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.held.way.give_back(self.held.buffer);
    }
}

impl<T: Shared + fmt::Debug> fmt::Debug for Received<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

//! That there may be something to receive, by a descriptor.

use super::Receiver;
use super::error::RecvError;
use super::future::Readable;
use super::mail_error::MailError;
use crate::region::channel::{Refusal, Way};
use crate::region::mailbox::Chunk;
use crate::region::waiter::{EventFd, Order, Ordered, Tell};
use crate::region::{OsError, Shared};
use core::fmt;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::sync::Arc;

/// A descriptor of a handle, and what makes it readable.
struct Readiness<T: Shared> {
    way: Box<dyn Way<T>>,
    fd: Arc<EventFd>,
    order: Option<Order>,
}

impl<T: Shared> Readiness<T> {
    fn of(way: &dyn Way<T>) -> Result<Self, Refusal> {
        way.check()?;
        let mut readiness = Self { way: way.again(), fd: Arc::new(EventFd::new()?), order: None };
        readiness.order()?;
        Ok(readiness)
    }

    fn order(&mut self) -> Result<(), OsError> {
        let wish: Ordered = Arc::new(Readable(self.way.again()));
        let tell = Tell::Descriptor(Arc::clone(&self.fd));
        self.order = Some(self.way.core().waiter().order(wish, tell)?);
        Ok(())
    }

    fn rearm(&mut self) -> Result<(), OsError> {
        // Not told any more, from here on.
        self.order = None;
        self.fd.clear();
        self.order()
    }
}

/// A descriptor that becomes readable when there may be something to receive, or the channel is disconnected:
/// [`Receiver::descriptor`] makes it.
///
/// It stays readable until [`rearm`](Self::rearm) is called, and becomes so again at once, if there is something still. That another
/// receiver may be faster is in the nature of the thing.
pub struct ReceiverFd<T: Shared>(Readiness<T>);

/// A descriptor that becomes readable when there may be a message to receive, or the mailbox is closed:
/// [`Mailbox::descriptor`](super::Mailbox::descriptor) and [`Link::descriptor`](super::Link::descriptor) make it.
///
/// It stays readable until [`rearm`](Self::rearm) is called, and becomes so again at once, if there is something still. That another
/// receiver may be faster is in the nature of the thing. It does not hold the right to receive.
pub struct MailFd(Readiness<Chunk>);

impl<T: Shared> Receiver<T> {
    /// A descriptor that becomes readable when there may be something to receive: for `epoll`, or a runtime's reactor. It takes
    /// one of the region's places for threads, as futures do.
    ///
    /// # Errors
    /// `Os`: there is no descriptor, or no thread. `Unusable`.
    ///
    /// ```
    /// use rustix::event::{PollFd, PollFlags, poll};
    /// use selvedge::Region;
    /// use selvedge::message::Capacity;
    ///
    /// let region = Region::anonymous()?;
    /// let (sender, receiver) = region.channel::<u64>("orders", Capacity::Bounded(8))?;
    /// let mut readable = receiver.descriptor()?;
    /// sender.send(7)?;
    /// poll(&mut [PollFd::new(&readable, PollFlags::IN)], None)?;
    /// // First this, then all that there is: what comes after that makes it readable again.
    /// readable.rearm()?;
    /// assert_eq!(receiver.try_iter().collect::<Vec<_>>(), [7]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn descriptor(&self) -> Result<ReceiverFd<T>, RecvError> {
        let refused = |refusal| RecvError::new(refusal, self.way().name());
        Readiness::of(self.way()).map(ReceiverFd).map_err(refused)
    }
}

impl MailFd {
    pub(super) fn of(way: &dyn Way<Chunk>) -> Result<Self, MailError> {
        Readiness::of(way).map(Self).map_err(|refusal| MailError::of_receive(refusal, way.name()))
    }

    /// Lets it be unreadable until there may be something again. Call it before all is received, not after.
    ///
    /// # Errors
    /// `Os`: there is no thread.
    pub fn rearm(&mut self) -> Result<(), MailError> {
        self.0.rearm().map_err(MailError::Os)
    }
}

impl<T: Shared> ReceiverFd<T> {
    /// Lets it be unreadable until there may be something again. Call it before all is received, not after.
    ///
    /// # Errors
    /// `Os`: there is no thread.
    pub fn rearm(&mut self) -> Result<(), RecvError> {
        self.0.rearm().map_err(RecvError::Os)
    }
}

impl<T: Shared> AsFd for ReceiverFd<T> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.fd.as_fd()
    }
}

impl<T: Shared> AsRawFd for ReceiverFd<T> {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

impl AsFd for MailFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.fd.as_fd()
    }
}

impl AsRawFd for MailFd {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

impl<T: Shared> fmt::Debug for ReceiverFd<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReceiverFd").field("channel", self.0.way.name()).finish_non_exhaustive()
    }
}

impl fmt::Debug for MailFd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MailFd").field("of", self.0.way.name()).finish_non_exhaustive()
    }
}

//! That there may be something to receive, or space to send, by a descriptor.

use super::error::{RecvError, SendError};
use super::future::{Readable, Roomy};
use super::mail_error::MailError;
use super::{Receiver, Sender};
use crate::region::channel::{Refusal, Way};
use crate::region::mailbox::Chunk;
use crate::region::waiter::{EventFd, Order, Ordered, Tell};
use crate::region::{OsError, Shared};
use core::fmt;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::sync::Arc;

/// What is waited for at a handle.
#[derive(Clone, Copy)]
enum What {
    Message,
    Space,
}

/// A descriptor of a handle, and what makes it readable.
struct Readiness<T: Shared> {
    way: Box<dyn Way<T>>,
    what: What,
    fd: Arc<EventFd>,
    order: Option<Order>,
}

impl<T: Shared> Readiness<T> {
    fn of(way: &dyn Way<T>, what: What) -> Result<Self, Refusal> {
        way.check()?;
        let mut readiness = Self { way: way.again(), what, fd: Arc::new(EventFd::new()?), order: None };
        readiness.order()?;
        Ok(readiness)
    }

    fn order(&mut self) -> Result<(), OsError> {
        let way = self.way.again();
        let wish: Ordered = match self.what {
            What::Message => Arc::new(Readable(way)),
            What::Space => Arc::new(Roomy(way)),
        };
        let tell = Tell::Descriptor(Arc::clone(&self.fd));
        self.order = Some(self.way.core().waiter().order(wish, None, tell)?);
        Ok(())
    }

    fn rearm(&mut self) -> Result<(), Refusal> {
        // A forked child has the same descriptor, and would make it unreadable for its parent.
        self.way.check()?;
        if let Some(refusal) = self.order.as_ref().and_then(Order::refusal) {
            self.order = None;
            return Err(refusal);
        }
        // Not told any more, from here on.
        self.order = None;
        self.fd.clear();
        let ordered = self.order();
        if ordered.is_err() {
            // Nobody else would tell.
            self.fd.tell();
        }
        Ok(ordered?)
    }
}

/// A descriptor that becomes readable when there may be something to receive, or the channel is disconnected:
/// [`Receiver::descriptor`] makes it.
///
/// It stays readable until [`rearm`](Self::rearm) is called, and becomes so again at once, if there is something still. That another
/// receiver may be faster is in the nature of the thing. It is a handle of this end, too: as long as it is there, those at the other
/// end are not told that all receivers have gone.
pub struct ReceiverFd<T: Shared>(Readiness<T>);

/// A descriptor that becomes readable (not writable) when there may be space for a message, or the channel is disconnected:
/// [`Sender::descriptor`] makes it.
///
/// It stays readable until [`rearm`](Self::rearm) is called, and becomes so again at once, if there is space still. That another
/// sender may be faster is in the nature of the thing. It is a handle of this end, too: as long as it is there, those at the other
/// end are not told that all senders have gone.
pub struct SenderFd<T: Shared>(Readiness<T>);

/// A descriptor that becomes readable when there may be a message to receive, or the mailbox is closed:
/// [`Mailbox::descriptor`](super::Mailbox::descriptor) and [`Link::descriptor`](super::Link::descriptor) make it.
///
/// It stays readable until [`rearm`](Self::rearm) is called, and becomes so again at once, if there is something still. That another
/// receiver may be faster is in the nature of the thing. It does not hold the right to receive.
pub struct MailFd(Readiness<Chunk>);

/// A descriptor that becomes readable (not writable) when there may be space for a message, or the mailbox is closed:
/// [`Port::send_descriptor`](super::Port::send_descriptor) and [`Link::send_descriptor`](super::Link::send_descriptor) make it.
///
/// It stays readable until [`rearm`](Self::rearm) is called, and becomes so again at once, if there is space still. That another
/// sender may be faster is in the nature of the thing. Places for long bodies are not looked at: for those it does not serve, as it is
/// readable when `try_send` says `Full`; a future does.
pub struct PostFd(Readiness<Chunk>);

impl<T: Shared> Receiver<T> {
    /// A descriptor that becomes readable when there may be something to receive: for `epoll`, or a runtime's reactor. It takes
    /// one of the region's places for threads, as futures do. With capacity zero that is when somebody waits to send, otherwise
    /// than by a descriptor.
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
        Readiness::of(self.way(), What::Message).map(ReceiverFd).map_err(refused)
    }
}

impl<T: Shared> Sender<T> {
    /// A descriptor that becomes readable when there may be space for a message: for `epoll`, or a runtime's reactor. It takes
    /// one of the region's places for threads, as futures do. With capacity zero that is when somebody waits to
    /// receive, who is neither a future nor a descriptor. An unbounded channel, whose sends never wait, has some always.
    ///
    /// # Errors
    /// `Os`: there is no descriptor, or no thread. `Unusable`.
    ///
    /// ```
    /// use rustix::event::{PollFd, PollFlags, poll};
    /// use selvedge::Region;
    /// use selvedge::message::{Capacity, SendError};
    ///
    /// let region = Region::anonymous()?;
    /// let (sender, receiver) = region.channel::<u64>("orders", Capacity::Bounded(1))?;
    /// sender.send(7)?;
    /// let mut has_space = sender.descriptor()?;
    /// assert_eq!(sender.try_send(8), Err(SendError::Full(8)));
    /// assert_eq!(receiver.recv(), Ok(7));
    /// poll(&mut [PollFd::new(&has_space, PollFlags::IN)], None)?;
    /// // First this, then as many as there is space for: what comes free after that makes it readable again.
    /// has_space.rearm()?;
    /// assert_eq!(sender.try_send(8), Ok(()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn descriptor(&self) -> Result<SenderFd<T>, SendError<()>> {
        let refused = |refusal| SendError::new((), refusal, self.way().name());
        Readiness::of(self.way(), What::Space).map(SenderFd).map_err(refused)
    }
}

impl MailFd {
    pub(super) fn of(way: &dyn Way<Chunk>) -> Result<Self, MailError> {
        let refused = |refusal| MailError::of_receive(refusal, way.name());
        Readiness::of(way, What::Message).map(Self).map_err(refused)
    }
}

impl PostFd {
    pub(super) fn of(way: &dyn Way<Chunk>) -> Result<Self, MailError> {
        Readiness::of(way, What::Space).map(Self).map_err(|refusal| MailError::of_send(refusal, way.name()))
    }
}

/// What each of these descriptors has.
macro_rules! descriptor {
    ($name:ident $(<$parameter:ident>)?, $error:ty, $refused:expr, $before:literal, $of:literal) => {
        impl$(<$parameter: Shared>)? $name$(<$parameter>)? {
            #[doc = $before]
            ///
            /// # Errors
            /// `TooManyThreads`: it was readable since nobody could wait for it, for want of a place in the region. `Os`: there is no
            /// thread. `Unusable`. It stays readable then; to call it again is to try again.
            pub fn rearm(&mut self) -> Result<(), $error> {
                self.0.rearm().map_err(|refusal| $refused(refusal, self.0.way.name()))
            }
        }

        impl$(<$parameter: Shared>)? AsFd for $name$(<$parameter>)? {
            fn as_fd(&self) -> BorrowedFd<'_> {
                self.0.fd.as_fd()
            }
        }

        impl$(<$parameter: Shared>)? AsRawFd for $name$(<$parameter>)? {
            fn as_raw_fd(&self) -> RawFd {
                self.as_fd().as_raw_fd()
            }
        }

        impl$(<$parameter: Shared>)? fmt::Debug for $name$(<$parameter>)? {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name)).field($of, self.0.way.name()).finish_non_exhaustive()
            }
        }
    };
}

descriptor!(
    ReceiverFd<T>,
    RecvError,
    RecvError::new,
    "Lets it be unreadable until there may be something again. Call it before all is received, not after.",
    "channel"
);
descriptor!(
    SenderFd<T>,
    SendError<()>,
    |refusal, name| SendError::new((), refusal, name),
    "Lets it be unreadable until there may be space again. Call it before all that has place is sent, not after.",
    "channel"
);
descriptor!(
    MailFd,
    MailError,
    MailError::of_receive,
    "Lets it be unreadable until there may be something again. Call it before all is received, not after.",
    "of"
);
descriptor!(
    PostFd,
    MailError,
    MailError::of_send,
    "Lets it be unreadable until there may be space again. Call it before all that has place is sent, not after.",
    "of"
);

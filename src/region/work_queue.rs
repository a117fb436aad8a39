//! The queue whose messages are received until somebody has finished them, as its users hold it.

use super::error::ObjectError;
use super::handle::Region;
use super::kind::Kind;
use super::messages::{Buffer, Messages, QueueLoan, QueueRecvError, QueueSendError};
use super::object::Shared;
use super::patience::Patience;
use super::queue::{queue_of_messages, receives};
use crate::sync::Deadline;
use core::fmt;
use core::ops::Deref;
use core::time::Duration;

/// A [`Queue`](super::Queue) whose messages are received **at least once**: until somebody says that it has finished.
///
/// Who receives gets a [`Lease`]. [`Lease::ack`] ends the message; a lease that is dropped without it puts the message back, and
/// so does the death of who had it. Whoever receives next gets it before all others, and is told that it is
/// [redelivered](Lease::redelivered): the work may be half done, or done and not acknowledged.
///
/// **Order.** Messages of one sender are first received in the order in which they were sent; those that come back come
/// whenever that is. A message that ends whoever receives it comes back for ever: look at the flag.
///
/// **Death.** A sender that is killed has sent its message or has not; nobody waits for it. A message that somebody had who is
/// killed, or whose thread ends, is there again as soon as that thread has stopped for good.
///
/// **Memory order.** As of a [`Queue`](super::Queue); and what somebody did with a message that came back happens before what
/// the next who receives it does.
///
/// **Blocking, memory, trust.** As of a [`Queue`](super::Queue). A lease keeps its buffer: senders wait while all are leased
/// or waiting.
///
/// ```
/// use selvedge::Region;
///
/// let region = Region::anonymous()?;
/// let jobs = region.work_queue::<u64>("jobs", 8)?;
/// jobs.send(42)?;
/// let lease = jobs.recv()?;
/// assert_eq!((*lease, lease.redelivered()), (42, false));
/// drop(lease); // not finished
/// let lease = jobs.recv()?;
/// assert_eq!((*lease, lease.redelivered()), (42, true));
/// lease.ack();
/// assert!(jobs.try_recv().is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct WorkQueue<T: Shared> {
    messages: Messages<T>,
}

queue_of_messages!(WorkQueue);
receives!(WorkQueue; " a lease of the next message"; recv, try_recv, recv_timeout, recv_deadline -> Lease<'_, T>; Lease::new);

/// A message of a [`WorkQueue`] in the hands of who is to finish it. Dropping it without [`ack`](Self::ack), as a panic does,
/// puts the message back for others, marked as redelivered.
///
/// It cannot be sent to another thread: the message is the thread's that received it, and comes back when that thread ends,
/// also if the lease was forgotten. In a forked child dropping or acknowledging an inherited one does nothing.
///
/// ```
/// use selvedge::Region;
///
/// let region = Region::anonymous()?;
/// let jobs = region.work_queue::<[u32; 2]>("jobs", 8)?;
/// jobs.send([6, 7])?;
/// let job = jobs.recv()?;
/// println!("{}", job[0] * job[1]);
/// job.ack();
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "dropping the lease puts the message back"]
pub struct Lease<'a, T: Shared> {
    buffer: Buffer<'a, T>,
    redelivered: bool,
    is_finished: bool,
}

impl<'a, T: Shared> Lease<'a, T> {
    #[inline]
    fn new((buffer, redelivered): (Buffer<'a, T>, bool)) -> Self {
        Self { buffer, redelivered, is_finished: false }
    }

    /// Whether somebody had the message before and did not finish it.
    #[must_use]
    pub fn redelivered(&self) -> bool {
        self.redelivered
    }

    /// The message is finished: nobody gets it any more. Never waits.
    #[inline]
    pub fn ack(mut self) {
        self.is_finished = true;
    }
}

impl<T: Shared> Deref for Lease<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        self.buffer.get()
    }
}

impl<T: Shared> Drop for Lease<'_, T> {
    #[inline]
    fn drop(&mut self) {
        if self.is_finished {
            self.buffer.give_back();
        } else {
            self.buffer.return_to_queue();
        }
    }
}

impl<T: Shared + fmt::Debug> fmt::Debug for Lease<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease").field("message", &**self).field("redelivered", &self.redelivered).finish()
    }
}

impl Region {
    /// The work queue `name` of up to `capacity` messages, made if there is none.
    ///
    /// # Errors
    /// [`ObjectError`]: of another kind, type or capacity; a capacity that no queue can have, which is more than 524,288; no
    /// memory; too many objects.
    pub fn work_queue<T: Shared>(&self, name: &str, capacity: usize) -> Result<WorkQueue<T>, ObjectError> {
        Ok(WorkQueue { messages: Messages::obtain(self, name, capacity, Kind::WorkQueue)? })
    }
}

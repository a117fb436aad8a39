//! To send and to receive as futures; whatever runs them.

use super::error::{RecvError, SendError};
use super::loan::Received;
use super::select::ToSend;
use super::{Receiver, Sender};
use crate::primitives::ThreadSlot;
use crate::region::Shared;
use crate::region::candidate::{Candidate, Wish};
use crate::region::channel::{Refusal, Way};
use crate::region::core::Core;
use crate::region::patience::Patience;
use crate::region::waiter::{Order, Ordered, Tell};
use crate::sync::Deadline;
use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};
use std::sync::Arc;

/// That there may be something to receive.
pub(super) struct Readable<T: Shared>(pub(super) Box<dyn Way<T>>);

impl<T: Shared> Wish for Readable<T> {
    fn core(&self) -> &Arc<Core> {
        self.0.core()
    }

    fn index(&self) -> usize {
        self.0.index()
    }

    fn candidate(&self, slot: ThreadSlot) -> Result<Box<dyn Candidate<'_> + '_>, Refusal> {
        self.0.watching(slot)
    }
}

/// That there may be space for a message.
pub(super) struct Roomy<T: Shared>(pub(super) Box<dyn Way<T>>);

impl<T: Shared> Wish for Roomy<T> {
    fn core(&self) -> &Arc<Core> {
        self.0.core()
    }

    fn index(&self) -> usize {
        self.0.index()
    }

    fn candidate(&self, slot: ThreadSlot) -> Result<Box<dyn Candidate<'_> + '_>, Refusal> {
        self.0.watching_space(slot)
    }
}

/// A receive, as [`Receiver::recv_async`] makes it. Dropping it receives nothing, and loses nothing.
#[must_use = "futures do nothing unless they are awaited"]
pub struct Receiving<'a, T: Shared> {
    receiver: &'a Receiver<T>,
    until: Option<Deadline>,
    order: Option<Order>,
}

/// A send, as [`Sender::send_async`] makes it. One that is dropped before it has answered has sent its message or not: who wants to
/// know gives it a [deadline](Self::until).
#[must_use = "futures do nothing unless they are awaited"]
pub struct Sending<'a, T: Shared> {
    sender: &'a Sender<T>,
    message: T,
    until: Option<Deadline>,
    order: Option<Order>,
}

impl<T: Shared> Unpin for Sending<'_, T> {}

impl<T: Shared> Receiver<T> {
    /// Receives, waiting as long as it takes. The thread that polls never waits; one other does, for all futures of this region
    /// in this process but those that send, and takes one of the region's places for threads. It can be polled by any runtime.
    ///
    /// With capacity zero a pending one meets those who wait to send, whether they select or not, and the futures that
    /// send; to a [`try_send`](Sender::try_send) it is nobody who waits.
    ///
    /// # Errors
    /// Those of the future: as of [`recv`](Self::recv). `Os`: there is no thread.
    ///
    /// ```
    /// use selvedge::Region;
    /// use selvedge::message::Capacity;
    ///
    /// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// let region = Region::anonymous()?;
    /// let (sender, receiver) = region.channel::<u64>("orders", Capacity::Bounded(8))?;
    /// sender.send_async(7).await?;
    /// assert_eq!(receiver.recv_async().await, Ok(7));
    /// # Ok(())
    /// # }
    /// # pollster::block_on(example()).expect("it is sent and received");
    /// ```
    pub fn recv_async(&self) -> Receiving<'_, T> {
        Receiving { receiver: self, until: None, order: None }
    }
}

impl<T: Shared> Sender<T> {
    /// Sends, waiting as long as it takes. The thread that polls never waits; one other does, for all futures of this region in
    /// this process that send, and takes one of the region's places for threads. It can be polled by any runtime.
    ///
    /// Of several futures of one sender that are pending at once no order is promised.
    ///
    /// # Errors
    /// Those of the future: as of [`send`](Self::send). `Os`: there is no thread.
    pub fn send_async(&self, message: T) -> Sending<'_, T> {
        Sending { sender: self, message, until: None, order: None }
    }
}

impl<T: Shared> Receiving<'_, T> {
    /// The same, until `deadline` at most. To be called before it is polled first.
    ///
    /// # Errors
    /// Those of the future: `TimedOut`, too.
    pub fn until(mut self, deadline: Deadline) -> Self {
        self.until = Some(deadline);
        self
    }
}

impl<T: Shared> Sending<'_, T> {
    /// The same, until `deadline` at most. To be called before it is polled first.
    ///
    /// # Errors
    /// Those of the future: `TimedOut`, with the message, too.
    ///
    /// ```
    /// use selvedge::Region;
    /// use selvedge::message::{Capacity, SendError};
    /// use selvedge::sync::Deadline;
    /// use std::time::Duration;
    ///
    /// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// let region = Region::anonymous()?;
    /// let (sender, _receiver) = region.channel::<u64>("orders", Capacity::Bounded(1))?;
    /// sender.send_async(7).await?;
    /// let soon = Deadline::after(Duration::from_millis(5));
    /// assert_eq!(sender.send_async(8).until(soon).await, Err(SendError::TimedOut(8)));
    /// # Ok(())
    /// # }
    /// # pollster::block_on(example()).expect("it is full");
    /// ```
    pub fn until(mut self, deadline: Deadline) -> Self {
        self.until = Some(deadline);
        self
    }
}

/// Receives a message in its buffer; as long as there is none, orders to be told when there may be one.
pub(super) fn receive<T: Shared>(
    way: &dyn Way<T>,
    until: Option<Deadline>,
    order: &mut Option<Order>,
    context: &mut Context<'_>,
) -> Poll<Result<usize, Refusal>> {
    let mut is_late = until.is_some_and(Deadline::has_passed);
    loop {
        match way.receive(Patience::None, None) {
            Err(Refusal::WouldBlock) if is_late => {
                *order = None;
                return Poll::Ready(Err(Refusal::TimedOut));
            }
            Err(Refusal::WouldBlock) => {}
            answer => {
                *order = None;
                return Poll::Ready(answer);
            }
        }
        let Some(pending) = &*order else {
            let wish: Ordered = Arc::new(Readable(way.again()));
            let tell = Tell::Waker(context.waker().clone());
            *order = Some(way.core().waiter().order(wish, until, tell).map_err(Refusal::Os)?);
            return Poll::Pending;
        };
        match pending.poll(context) {
            Poll::Pending => return Poll::Pending,
            // There may be something.
            Poll::Ready(Ok(_)) => *order = None,
            // Once more, as who waits does.
            Poll::Ready(Err(Refusal::TimedOut)) => is_late = true,
            Poll::Ready(Err(refusal)) => {
                *order = None;
                return Poll::Ready(Err(refusal));
            }
        }
    }
}

impl<T: Shared> Future for Receiving<'_, T> {
    type Output = Result<T, RecvError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let way = this.receiver.way();
        let received = receive(way, this.until, &mut this.order, context);
        let message = |buffer| Received::in_buffer(way, buffer).map(|message| *message);
        received.map(|buffer| buffer.and_then(message).map_err(|refusal| RecvError::new(refusal, way.name())))
    }
}

impl<T: Shared> Future for Sending<'_, T> {
    type Output = Result<(), SendError<T>>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let (way, message) = (this.sender.way(), this.message);
        let Some(order) = &this.order else {
            match this.sender.try_send(message) {
                Err(SendError::Full(_)) => {}
                answer => return Poll::Ready(answer),
            }
            let wish: Ordered = Arc::new(ToSend(way.again(), message));
            let tell = Tell::Waker(context.waker().clone());
            let order =
                way.core().sender().order(wish, this.until, tell).map_err(|error| SendError::Os(message, error))?;
            this.order = Some(order);
            return Poll::Pending;
        };
        order
            .poll(context)
            .map(|outcome| outcome.map(drop).map_err(|refusal| SendError::new(message, refusal, way.name())))
    }
}

impl<T: Shared> fmt::Debug for Receiving<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiving").field("receiver", self.receiver).finish_non_exhaustive()
    }
}

impl<T: Shared> fmt::Debug for Sending<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sending").field("sender", self.sender).finish_non_exhaustive()
    }
}

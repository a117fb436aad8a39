//! To send and to receive messages with headers as futures, whatever runs them.

use super::envelope::Message;
use super::future::receive;
use super::letter::Letter;
use super::mail_error::MailError;
use super::select::ToPost;
use crate::region::channel::{Refusal, Way};
use crate::region::mailbox::Chunk;
use crate::region::patience::Patience;
use crate::region::waiter::{Order, Ordered, Tell};
use crate::sync::Deadline;
use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};
use std::sync::Arc;

/// A receive, as [`Mailbox::recv_async`](super::Mailbox::recv_async) makes it. Dropping it receives nothing, and loses nothing.
#[must_use = "futures do nothing unless they are awaited"]
pub struct Fetching<'a> {
    way: &'a dyn Way<Chunk>,
    until: Option<Deadline>,
    order: Option<Order>,
}

/// A send, as [`Port::send_async`](super::Port::send_async) makes it. One that is dropped before it has answered has sent its message or
/// not: who wants to know gives it a [deadline](Self::until).
#[must_use = "futures do nothing unless they are awaited"]
pub struct Posting<'a> {
    way: &'a dyn Way<Chunk>,
    message: &'a Message<'a>,
    until: Option<Deadline>,
    order: Option<Order>,
}

impl<'a> Fetching<'a> {
    pub(super) fn new(way: &'a dyn Way<Chunk>) -> Self {
        Self { way, until: None, order: None }
    }

    /// The same, until `deadline` at most. To be called before it is polled first.
    ///
    /// # Errors
    /// Those of the future: `TimedOut`, too.
    pub fn until(mut self, deadline: Deadline) -> Self {
        self.until = Some(deadline);
        self
    }
}

impl<'a> Posting<'a> {
    pub(super) fn new(way: &'a dyn Way<Chunk>, message: &'a Message<'a>) -> Self {
        Self { way, message, until: None, order: None }
    }

    /// The same, until `deadline` at most. To be called before it is polled first.
    ///
    /// # Errors
    /// Those of the future: `TimedOut`, too.
    pub fn until(mut self, deadline: Deadline) -> Self {
        self.until = Some(deadline);
        self
    }
}

impl<'a> Future for Fetching<'a> {
    type Output = Result<Letter<'a>, MailError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let way = this.way;
        receive(way, this.until, &mut this.order, context).map(|buffer| {
            let buffer = buffer.map_err(|refusal| MailError::of_receive(refusal, way.name()))?;
            Letter::in_buffer(way, buffer)
        })
    }
}

impl Future for Posting<'_> {
    type Output = Result<(), MailError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let (way, message) = (this.way, this.message);
        let refused = |refusal: Refusal| MailError::of_send(refusal, way.name());
        let Some(order) = &this.order else {
            match super::mail_ways::send(way, message, Patience::None) {
                Err(MailError::Full) => {}
                answer => return Poll::Ready(answer),
            }
            // The thread that sends it has a message of its own.
            let wish: Ordered = Arc::new(ToPost(way.again(), Box::new(message.clone().into_owned())));
            let tell = Tell::Waker(context.waker().clone());
            this.order = Some(way.core().sender().order(wish, this.until, tell).map_err(MailError::Os)?);
            return Poll::Pending;
        };
        order.poll(context).map(|outcome| outcome.map(drop).map_err(refused))
    }
}

impl fmt::Debug for Fetching<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fetching").field("from", self.way.name()).finish_non_exhaustive()
    }
}

impl fmt::Debug for Posting<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Posting").field("to", self.way.name()).field("message", self.message).finish_non_exhaustive()
    }
}

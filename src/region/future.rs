//! To wait for an event, or for permits, as futures.

use super::candidate::{HappeningWish, PermitsWish};
use super::channel::Refusal;
use super::event::{Event, EventError};
use super::semaphore::{AcquireError, Semaphore};
use super::waiter::{Order, Tell};
use crate::primitives::event::Moment;
use crate::sync::Deadline;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};
use std::sync::Arc;

/// A wait for an event, as [`Event::wait_async`] makes it. Dropping it ends the wait.
#[derive(Debug)]
#[must_use = "futures do nothing unless they are awaited"]
pub struct Waiting {
    event: Event,
    since: Moment,
    until: Option<Deadline>,
    order: Option<Order>,
}

/// An acquisition of permits, as [`Semaphore::acquire_async`] makes it. Dropping it before it has answered acquires nothing.
#[derive(Debug)]
#[must_use = "futures do nothing unless they are awaited"]
pub struct Acquiring {
    semaphore: Semaphore,
    permits: u32,
    until: Option<Deadline>,
    order: Option<Order>,
}

impl Event {
    /// Waits until it has happened, or had since this call, as long as that takes. The thread that polls never waits; one other
    /// does, for all futures of this region in this process.
    ///
    /// # Errors
    /// Those of the future: `TooManyThreads`: there is no place for that thread. `Os`: there is no thread. `Unusable`.
    ///
    /// ```
    /// use selvedge::Region;
    ///
    /// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// let region = Region::anonymous()?;
    /// let ready = region.event("ready")?;
    /// let waits = ready.wait_async();
    /// ready.set()?;
    /// ready.reset()?;
    /// waits.await?;
    /// # Ok(())
    /// # }
    /// # pollster::block_on(example()).expect("it has happened since");
    /// ```
    pub fn wait_async(&self) -> Waiting {
        Waiting { event: self.clone(), since: self.placed().control().now(), until: None, order: None }
    }
}

impl Semaphore {
    /// Takes `n` permits, all or none, waiting as long as it takes. The thread that polls never waits; one other does, for all
    /// futures of this region in this process.
    ///
    /// # Errors
    /// Those of the future: `TooMany`. `TooManyThreads`: there is no place for that thread. `Os`: there is no thread. `Unusable`.
    ///
    /// ```
    /// use selvedge::Region;
    ///
    /// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// let region = Region::anonymous()?;
    /// let seats = region.semaphore("seats", 2)?;
    /// seats.acquire_async(2).await?;
    /// assert_eq!(seats.available(), 0);
    /// # Ok(())
    /// # }
    /// # pollster::block_on(example()).expect("there are two");
    /// ```
    pub fn acquire_async(&self, n: u32) -> Acquiring {
        Acquiring { semaphore: self.clone(), permits: n, until: None, order: None }
    }
}

impl Waiting {
    /// The same, until `deadline` at most. To be called before it is polled first.
    ///
    /// # Errors
    /// Those of the future: `TimedOut`, too.
    pub fn until(mut self, deadline: Deadline) -> Self {
        self.until = Some(deadline);
        self
    }
}

impl Acquiring {
    /// The same, until `deadline` at most. To be called before it is polled first.
    ///
    /// # Errors
    /// Those of the future: `TimedOut`, too.
    pub fn until(mut self, deadline: Deadline) -> Self {
        self.until = Some(deadline);
        self
    }
}

impl Future for Waiting {
    type Output = Result<(), EventError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        // That it can be used at all.
        this.event.is_set()?;
        if this.event.placed().control().has_happened_since(this.since) {
            this.order = None;
            return Poll::Ready(Ok(()));
        }
        if this.order.is_none() {
            let wish = Arc::new(HappeningWish(this.event.clone(), Some(this.since)));
            let waiter = this.event.placed().core().waiter();
            this.order =
                Some(waiter.order(wish, this.until, Tell::Waker(context.waker().clone())).map_err(EventError::Os)?);
            return Poll::Pending;
        }
        let order = this.order.as_ref().map_or(Poll::Ready(Ok(None)), |order| order.poll(context));
        order.map(|outcome| outcome.map(drop).map_err(|refusal| EventError::refused(refusal, &this.event)))
    }
}

impl Future for Acquiring {
    type Output = Result<(), AcquireError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let Some(order) = &this.order else {
            match this.semaphore.try_acquire(this.permits) {
                Err(AcquireError::WouldBlock) => {}
                answer => return Poll::Ready(answer),
            }
            let wish = Arc::new(PermitsWish(this.semaphore.clone(), this.permits));
            let waiter = this.semaphore.placed().core().waiter();
            this.order =
                Some(waiter.order(wish, this.until, Tell::Waker(context.waker().clone())).map_err(AcquireError::Os)?);
            return Poll::Pending;
        };
        let semaphore = &this.semaphore;
        order
            .poll(context)
            .map(|outcome| outcome.map(drop).map_err(|refusal| AcquireError::refused(refusal, semaphore)))
    }
}

impl EventError {
    fn refused(refusal: Refusal, event: &Event) -> Self {
        match refusal {
            Refusal::TooManyThreads(limit) => Self::TooManyThreads { limit },
            Refusal::Unusable(why) => Self::Unusable(why, event.placed().name().clone()),
            Refusal::Os(error) => Self::Os(error),
            // No operation on an event ends otherwise.
            Refusal::TimedOut
            | Refusal::WouldBlock
            | Refusal::Disconnected
            | Refusal::OutOfMemory
            | Refusal::Corrupt => Self::TimedOut,
        }
    }
}

impl AcquireError {
    fn refused(refusal: Refusal, semaphore: &Semaphore) -> Self {
        match refusal {
            Refusal::TooManyThreads(limit) => Self::TooManyThreads { limit },
            Refusal::Unusable(why) => Self::Unusable(why, semaphore.placed().name().clone()),
            Refusal::Os(error) => Self::Os(error),
            Refusal::TimedOut => Self::TimedOut,
            // No operation on a semaphore ends so.
            Refusal::WouldBlock | Refusal::Disconnected | Refusal::OutOfMemory | Refusal::Corrupt => Self::WouldBlock,
        }
    }
}

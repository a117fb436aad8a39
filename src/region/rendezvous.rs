//! The rendezvous as its users hold it.

use super::error::ObjectError;
use super::handle::Region;
use super::kind::Kind;
use super::messages::{Obstacle, QueueRecvError, QueueSendError};
use super::object::{Placed, Request, Shared, named_and_waiting, obtain_with};
use super::patience::Patience;
use crate::primitives::registry::Mode;
use crate::primitives::rendezvous::{self, RendezvousError};
use crate::primitives::waiting::Wait;
use crate::primitives::{Caller, RawRendezvous, ThreadSlot};
use crate::sync::{AtomicU64, Cell, Deadline};
use core::fmt;
use core::time::Duration;

/// A queue of capacity zero: a message passes from a sender to a receiver when both are there, and never lies anywhere.
///
/// Any number of senders and receivers, of any processes; handles are clones of each other. A send returns when a receiver
/// has taken the message.
///
/// **Death.** If either is killed in the middle, the other knows: a send that returned was taken, by a receiver that may have
/// died with it; what a sender offered that was killed is taken whole, or withdrawn. Nothing is left behind. What is sent after
/// a receiver has died does not go to that one.
///
/// **Memory order.** What a sender did before it sent happens before what the receiver does with the message, and what the
/// receiver did before it received happens before the send returns.
///
/// **Blocking.** [`send`](Self::send) waits for a receiver and [`recv`](Self::recv) for a sender, both spinning a little first;
/// `try_send` passes a message only to somebody who waits already, and so does `try_recv` take one. No order is promised
/// among those who wait.
///
/// **Memory.** As many messages as the region has threads, at most 64, with eight bytes each; more senders wait.
///
/// ```
/// use selvedge::Region;
///
/// let region = Region::anonymous()?;
/// let counter = region.rendezvous::<u64>("counter")?;
/// assert!(counter.try_send(1).is_err(), "nobody waits");
/// std::thread::scope(|scope| {
///     scope.spawn(|| counter.send(7).unwrap());
///     assert_eq!(counter.recv().unwrap(), 7);
/// });
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Rendezvous<T: Shared> {
    placed: Placed<RawRendezvous, Cell<T>>,
    wait: Wait,
}

impl From<RendezvousError> for Obstacle {
    fn from(error: RendezvousError) -> Self {
        match error {
            RendezvousError::WouldBlock => Self::WouldBlock,
            // Nobody here says that it is over.
            RendezvousError::TimedOut | RendezvousError::Over => Self::TimedOut,
        }
    }
}

named_and_waiting!(Rendezvous<T>, T: Shared; "rendezvous");

impl<T: Shared> Rendezvous<T> {
    /// Sends, waiting until somebody has received it.
    ///
    /// # Errors
    /// `Corrupt`, `TooManyThreads`, `Unusable`.
    pub fn send(&self, message: T) -> Result<(), QueueSendError<T>> {
        self.pass(message, Patience::Forever)
    }

    /// Sends if somebody waits for a message; never waits.
    ///
    /// # Errors
    /// `Full` if nobody does, or somebody else's message is just being handed over; `Corrupt`, `TooManyThreads`, `Unusable`.
    pub fn try_send(&self, message: T) -> Result<(), QueueSendError<T>> {
        self.pass(message, Patience::None)
    }

    /// Sends, waiting at most `timeout` until somebody has received it.
    ///
    /// # Errors
    /// `TimedOut`: nobody has; and as [`send`](Self::send).
    pub fn send_timeout(&self, message: T, timeout: Duration) -> Result<(), QueueSendError<T>> {
        self.pass(message, Patience::Until(Deadline::after(timeout)))
    }

    /// Sends, waiting until `deadline` at most until somebody has received it.
    ///
    /// # Errors
    /// `TimedOut`: nobody has; and as [`send`](Self::send).
    pub fn send_deadline(&self, message: T, deadline: Deadline) -> Result<(), QueueSendError<T>> {
        self.pass(message, Patience::Until(deadline))
    }

    fn pass(&self, message: T, patience: Patience) -> Result<(), QueueSendError<T>> {
        let send = || {
            let slot = self.placed.core().slot()?;
            let rendezvous = self.control();
            let buffer = match (rendezvous.pool().try_take(slot), patience) {
                (Some(buffer), _) => buffer,
                (None, Patience::None) => return Err(Obstacle::WouldBlock),
                (None, patience) => {
                    let taken = rendezvous.pool().take(&self.caller(slot), self.placed.id(), patience.deadline());
                    taken.ok_or(Obstacle::TimedOut)?
                }
            };
            let passed = self.placed.slots().get(buffer).ok_or(Obstacle::Corrupt).and_then(|cell| {
                // SAFETY: mapped and aligned, and the calling thread's alone since it has the buffer (pool, I1).
                cell.with_mut(|place| unsafe { place.write(message) });
                let passed = match patience {
                    Patience::None => rendezvous.try_send(self.caller(slot).table, buffer),
                    patience => rendezvous.send(&self.caller(slot), self.placed.id(), buffer, patience.deadline()),
                };
                passed.map_err(Obstacle::from)
            });
            passed.inspect_err(|_| rendezvous.pool().give_back(buffer))
        };
        send().map_err(|obstacle| QueueSendError::new(message, obstacle, self.placed.name()))
    }

    /// Receives, waiting until somebody sends.
    ///
    /// # Errors
    /// `Corrupt`, `TooManyThreads`, `Unusable`.
    pub fn recv(&self) -> Result<T, QueueRecvError> {
        self.receive(Patience::Forever)
    }

    /// Receives if somebody waits to send; never waits.
    ///
    /// # Errors
    /// `Empty` if nobody does; `Corrupt`, `TooManyThreads`, `Unusable`.
    pub fn try_recv(&self) -> Result<T, QueueRecvError> {
        self.receive(Patience::None)
    }

    /// Receives, waiting at most `timeout` until somebody sends.
    ///
    /// # Errors
    /// `TimedOut`, and as [`recv`](Self::recv).
    pub fn recv_timeout(&self, timeout: Duration) -> Result<T, QueueRecvError> {
        self.receive(Patience::Until(Deadline::after(timeout)))
    }

    /// Receives, waiting until `deadline` at most until somebody sends.
    ///
    /// # Errors
    /// `TimedOut`, and as [`recv`](Self::recv).
    pub fn recv_deadline(&self, deadline: Deadline) -> Result<T, QueueRecvError> {
        self.receive(Patience::Until(deadline))
    }

    fn receive(&self, patience: Patience) -> Result<T, QueueRecvError> {
        let receive = || {
            let slot = self.placed.core().slot()?;
            let rendezvous = self.control();
            let buffer = match patience {
                Patience::None => rendezvous.try_receive(self.placed.core().participants(), slot)?,
                patience => rendezvous.receive(&self.caller(slot), self.placed.id(), patience.deadline())?,
            };
            let cell = self.placed.slots().get(buffer).ok_or(Obstacle::Corrupt)?;
            // SAFETY: mapped and aligned, every pattern of bits is a `T` (`FromBytes`), and the buffer is the calling
            // thread's alone (rendezvous, I2).
            let message = cell.with(|place| unsafe { *place });
            rendezvous.pool().give_back(buffer);
            Ok(message)
        };
        receive().map_err(|obstacle| QueueRecvError::new(obstacle, self.placed.name()))
    }

    fn control(&self) -> rendezvous::Rendezvous<'_> {
        self.placed.control().with(self.placed.words())
    }

    fn caller(&self, slot: ThreadSlot) -> Caller<'_> {
        self.placed.core().caller_in(slot, self.wait)
    }

    /// How many messages are in hand, as of a moment ago: offered, or being written or read.
    #[must_use]
    pub fn in_use(&self) -> usize {
        self.control().pool().in_use()
    }
}

impl<T: Shared> Clone for Rendezvous<T> {
    fn clone(&self) -> Self {
        Self { placed: self.placed.clone(), wait: self.wait }
    }
}

impl<T: Shared> fmt::Debug for Rendezvous<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rendezvous").field("name", &self.name()).field("in_use", &self.in_use()).finish_non_exhaustive()
    }
}

impl Region {
    /// The rendezvous `name`, made if there is none.
    ///
    /// # Errors
    /// [`ObjectError`]: of another kind, type or size; no memory; too many objects.
    pub fn rendezvous<T: Shared>(&self, name: &str) -> Result<Rendezvous<T>, ObjectError> {
        let (kind, tag) = (Kind::Rendezvous, T::TAG.0);
        let request = Request { name, kind, capacity: 0, tag, mode: Mode::OpenOrCreate, deadline: None };
        let slot = |_| Cell::new(T::new_zeroed());
        let (placed, _) = obtain_with(self.core(), &request, RawRendezvous::new, |_| AtomicU64::new(0), slot)?;
        Ok(Rendezvous { placed, wait: Wait::default() })
    }
}

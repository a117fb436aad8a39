//! The event as its users hold it.

use super::core::NoCaller;
use super::error::{ObjectError, OsError, Unusable};
use super::handle::Region;
use super::kind::Kind;
use super::object::{ObjectName, Placed, Request, named_and_waiting, obtain};
use crate::primitives::event::{RawEvent, TimedOut};
use crate::primitives::registry::Mode;
use crate::primitives::waiting::Wait;
use crate::sync::Deadline;
use core::fmt;
use core::time::Duration;

/// Something that has happened, or has not yet, in a region.
///
/// [`set`](Self::set) says that it has, [`reset`](Self::reset) that it has not; [`wait`](Self::wait) returns when it has. A
/// wait that began before a `set` returns even if a `reset` follows at once.
///
/// **Memory order.** What was done before the `set` that made it happen happens before the return of every wait that it
/// ends, and of every [`is_set`](Self::is_set) that sees it. **Blocking.** `wait` waits as long as it takes, nothing else
/// waits. **Death.** An event belongs to nobody: it stays as it is, and a waiter that dies leaves nothing.
///
/// ```
/// use selvedge::Region;
///
/// let region = Region::anonymous()?;
/// let ready = region.event("ready")?;
/// assert!(!ready.is_set()?);
/// ready.set()?;
/// ready.wait()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Event {
    placed: Placed<RawEvent, ()>,
    wait: Wait,
}

/// Why an event was not waited for, or not changed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EventError {
    /// The deadline passed (timed waits only).
    TimedOut,
    /// As many threads of this process as the region was made for use it already (waits only).
    TooManyThreads {
        /// How many that are.
        limit: u32,
    },
    /// The region of the event can be used no longer.
    Unusable(Unusable, ObjectName),
    /// The system has no thread to wait for the future (futures only).
    Os(OsError),
}

impl fmt::Display for EventError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TimedOut => f.write_str("the event had not happened before the deadline"),
            Self::TooManyThreads { limit } => {
                write!(f, "the region's {limit} places for threads of this process are taken")
            }
            Self::Unusable(why, event) => write!(f, "event {event}: {why}"),
            Self::Os(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for EventError {}

named_and_waiting!(Event; "event");

impl Event {
    pub(super) fn placed(&self) -> &Placed<RawEvent, ()> {
        &self.placed
    }

    #[inline]
    fn check(&self) -> Result<(), EventError> {
        let usable = self.placed.core().attachment().check();
        usable.map_err(|why| EventError::Unusable(why, self.placed.name().clone()))
    }

    /// Says that it has happened, and lets all go on that wait for it; never waits. True if it had not happened before.
    ///
    /// # Errors
    /// The region can be used no longer.
    #[inline]
    pub fn set(&self) -> Result<bool, EventError> {
        self.check()?;
        Ok(self.placed.control().set())
    }

    /// Says that it has not happened yet, or not again; never waits. True if it had. Those whose wait began before it had
    /// happened go on all the same.
    ///
    /// # Errors
    /// The region can be used no longer.
    #[inline]
    pub fn reset(&self) -> Result<bool, EventError> {
        self.check()?;
        Ok(self.placed.control().reset())
    }

    /// Whether it has happened; never waits.
    ///
    /// # Errors
    /// The region can be used no longer.
    #[inline]
    pub fn is_set(&self) -> Result<bool, EventError> {
        self.check()?;
        Ok(self.placed.control().is_set())
    }

    /// Waits until it has happened, as long as that takes.
    ///
    /// # Errors
    /// `TooManyThreads`, `Unusable`.
    #[inline]
    pub fn wait(&self) -> Result<(), EventError> {
        self.wait_until(None)
    }

    /// Waits until it has happened, at most `timeout`.
    ///
    /// # Errors
    /// [`EventError`].
    pub fn wait_timeout(&self, timeout: Duration) -> Result<(), EventError> {
        self.wait_until(Some(Deadline::after(timeout)))
    }

    /// Waits until it has happened, until `deadline` at most.
    ///
    /// # Errors
    /// [`EventError`].
    pub fn wait_deadline(&self, deadline: Deadline) -> Result<(), EventError> {
        self.wait_until(Some(deadline))
    }

    #[inline]
    fn wait_until(&self, deadline: Option<Deadline>) -> Result<(), EventError> {
        if self.is_set()? { Ok(()) } else { self.wait_slow(deadline) }
    }

    /// Apart, because only who waits needs a thread slot.
    #[cold]
    fn wait_slow(&self, deadline: Option<Deadline>) -> Result<(), EventError> {
        let caller = self.placed.core().caller(self.wait).map_err(|error| match error {
            NoCaller::Unusable(why) => EventError::Unusable(why, self.placed.name().clone()),
            NoCaller::TooManyThreads(limit) => EventError::TooManyThreads { limit },
        })?;
        self.placed.control().wait(&caller, self.placed.id(), deadline).map_err(|TimedOut| EventError::TimedOut)
    }
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event")
            .field("name", &self.name())
            .field("control", self.placed.control())
            .finish_non_exhaustive()
    }
}

impl Region {
    /// The event `name`, made if there is none: then it has not happened.
    ///
    /// # Errors
    /// [`ObjectError`]: of another kind; no memory; too many objects.
    pub fn event(&self, name: &str) -> Result<Event, ObjectError> {
        let request =
            Request { name, kind: Kind::Event, capacity: 0, tag: 0, mode: Mode::OpenOrCreate, deadline: None };
        let (placed, _) = obtain(self.core(), &request, || RawEvent::new(false), |_| ())?;
        Ok(Event { placed, wait: Wait::default() })
    }
}

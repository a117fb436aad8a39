//! The counting semaphore as its users hold it.

use super::core::NoCaller;
use super::error::{ObjectError, ObjectErrorKind, OsError, Unusable};
use super::handle::Region;
use super::kind::Kind;
use super::object::{ObjectName, Placed, Request, named_and_waiting, obtain};
use crate::primitives::registry::Mode;
use crate::primitives::semaphore::{AcquireError as RawAcquireError, Overflow, RawSemaphore};
use crate::primitives::waiting::Wait;
use crate::sync::Deadline;
use core::fmt;
use core::time::Duration;

/// A counting semaphore in a region: an integer that is never negative.
///
/// Permits belong to nobody: what one process acquires another may release, and permits that a process had when it died
/// stay taken. For mutual exclusion that survives its holder use a [`Mutex`](super::Mutex).
///
/// **Memory order.** What a releaser did happens before what follows the acquire that took its permit. **Blocking.**
/// [`acquire`](Self::acquire) waits as long as it takes; [`try_acquire`](Self::try_acquire) and
/// [`release`](Self::release) never wait. Not fair.
///
/// ```
/// use selvedge::Region;
///
/// let region = Region::anonymous()?;
/// let slots = region.semaphore("slots", 2)?;
/// slots.acquire()?;
/// assert_eq!(slots.available(), 1);
/// slots.release()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Semaphore {
    placed: Placed<RawSemaphore, ()>,
    wait: Wait,
}

/// Why permits were not acquired.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AcquireError {
    /// There are too few ([`try_acquire`](Semaphore::try_acquire) only).
    WouldBlock,
    /// The deadline passed (timed calls only).
    TimedOut,
    /// More were asked for than a semaphore can ever hold.
    TooMany {
        /// The semaphore.
        semaphore: ObjectName,
        /// How many were asked for.
        asked: u32,
    },
    /// As many threads of this process as the region was made for use it already.
    TooManyThreads {
        /// How many that are.
        limit: u32,
    },
    /// The region of the semaphore can be used no longer.
    Unusable(Unusable, ObjectName),
    /// The system has no thread to wait for the future (futures only).
    Os(OsError),
}

impl fmt::Display for AcquireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WouldBlock => f.write_str("the semaphore has too few permits"),
            Self::TimedOut => f.write_str("the semaphore had too few permits until the deadline"),
            Self::TooMany { semaphore, asked } => {
                write!(
                    f,
                    "semaphore {semaphore}: asked for {asked} permits, at most {} can ever be there",
                    Semaphore::MAX
                )
            }
            Self::TooManyThreads { limit } => {
                write!(f, "the region's {limit} places for threads of this process are taken")
            }
            Self::Unusable(why, semaphore) => write!(f, "semaphore {semaphore}: {why}"),
            Self::Os(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for AcquireError {}

impl AcquireError {
    pub(super) fn no_caller(error: NoCaller, semaphore: &ObjectName) -> Self {
        match error {
            NoCaller::Unusable(why) => Self::Unusable(why, semaphore.clone()),
            NoCaller::TooManyThreads(limit) => Self::TooManyThreads { limit },
        }
    }
}

/// Why permits were not released.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReleaseError {
    /// There would be more than [`Semaphore::MAX`]; nothing was changed.
    Overflow {
        /// The semaphore.
        semaphore: ObjectName,
        /// How many were to be released.
        given: u32,
    },
    /// The region of the semaphore can be used no longer.
    Unusable(Unusable, ObjectName),
}

impl fmt::Display for ReleaseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Overflow { semaphore, given } => {
                write!(f, "semaphore {semaphore}: with {given} permits more it would have more than {}", Semaphore::MAX)
            }
            Self::Unusable(why, semaphore) => write!(f, "semaphore {semaphore}: {why}"),
        }
    }
}

impl std::error::Error for ReleaseError {}

named_and_waiting!(Semaphore; "semaphore");

impl Semaphore {
    pub(super) fn placed(&self) -> &Placed<RawSemaphore, ()> {
        &self.placed
    }

    /// The most permits that a semaphore holds.
    pub const MAX: u32 = RawSemaphore::MAX;

    /// Takes one permit, waiting as long as it takes.
    ///
    /// # Errors
    /// The region can be used no longer; or one has to wait, and as many threads as the region was made for use it.
    #[inline]
    pub fn acquire(&self) -> Result<(), AcquireError> {
        self.acquire_until(1, None)
    }

    /// Takes `n` permits, all or none, waiting as long as it takes.
    ///
    /// # Errors
    /// `TooMany`, and as [`acquire`](Self::acquire).
    pub fn acquire_many(&self, n: u32) -> Result<(), AcquireError> {
        self.acquire_until(n, None)
    }

    /// Takes `n` permits, waiting at most `timeout`.
    ///
    /// # Errors
    /// `TimedOut`, and as [`acquire_many`](Self::acquire_many).
    pub fn acquire_timeout(&self, n: u32, timeout: Duration) -> Result<(), AcquireError> {
        self.acquire_until(n, Some(Deadline::after(timeout)))
    }

    /// Takes `n` permits, waiting until `deadline` at most.
    ///
    /// # Errors
    /// `TimedOut`, and as [`acquire_many`](Self::acquire_many).
    pub fn acquire_deadline(&self, n: u32, deadline: Deadline) -> Result<(), AcquireError> {
        self.acquire_until(n, Some(deadline))
    }

    #[inline]
    fn acquire_until(&self, n: u32, deadline: Option<Deadline>) -> Result<(), AcquireError> {
        match self.try_acquire(n) {
            Err(AcquireError::WouldBlock) => self.acquire_slow(n, deadline),
            done => done,
        }
    }

    /// Apart, because only who waits needs a thread slot and a [`Caller`](crate::primitives::Caller).
    #[cold]
    fn acquire_slow(&self, n: u32, deadline: Option<Deadline>) -> Result<(), AcquireError> {
        let caller = self.placed.core().caller(self.wait);
        let caller = caller.map_err(|error| AcquireError::no_caller(error, self.placed.name()))?;
        self.answer(n, self.placed.control().acquire(&caller, self.placed.id(), n, deadline))
    }

    #[inline]
    fn answer(&self, asked: u32, answer: Result<(), RawAcquireError>) -> Result<(), AcquireError> {
        answer.map_err(|error| match error {
            RawAcquireError::WouldBlock => AcquireError::WouldBlock,
            RawAcquireError::TimedOut => AcquireError::TimedOut,
            RawAcquireError::TooMany => AcquireError::TooMany { semaphore: self.placed.name().clone(), asked },
        })
    }

    /// Takes `n` permits if there are as many; never waits.
    ///
    /// # Errors
    /// `WouldBlock`, `TooMany`, or the region can be used no longer.
    #[inline]
    pub fn try_acquire(&self, n: u32) -> Result<(), AcquireError> {
        self.check().map_err(|why| AcquireError::Unusable(why, self.placed.name().clone()))?;
        self.answer(n, self.placed.control().try_acquire(n))
    }

    /// Gives one permit; never waits.
    ///
    /// # Errors
    /// [`ReleaseError`].
    #[inline]
    pub fn release(&self) -> Result<(), ReleaseError> {
        self.release_many(1)
    }

    /// Gives `n` permits at once; never waits.
    ///
    /// # Errors
    /// [`ReleaseError`].
    #[inline]
    pub fn release_many(&self, n: u32) -> Result<(), ReleaseError> {
        self.check().map_err(|why| ReleaseError::Unusable(why, self.placed.name().clone()))?;
        self.placed
            .control()
            .release(n)
            .map_err(|Overflow| ReleaseError::Overflow { semaphore: self.placed.name().clone(), given: n })
    }

    #[inline]
    fn check(&self) -> Result<(), Unusable> {
        self.placed.core().attachment().check()
    }

    /// The permits that are there, as of a moment ago.
    #[must_use]
    pub fn available(&self) -> u32 {
        self.placed.control().available()
    }
}

impl fmt::Debug for Semaphore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Semaphore")
            .field("name", &self.name())
            .field("available", &self.available())
            .finish_non_exhaustive()
    }
}

impl Region {
    /// The semaphore `name`, made with `permits` permits if there is none. One that exists is left as it is.
    ///
    /// # Errors
    /// [`ObjectError`]: more permits than [`Semaphore::MAX`]; of another kind; no memory; too many objects.
    pub fn semaphore(&self, name: &str, permits: u32) -> Result<Semaphore, ObjectError> {
        if permits > Semaphore::MAX {
            let kind = ObjectErrorKind::TooManyPermits { given: permits, most: Semaphore::MAX };
            return Err(ObjectError::new(name, kind));
        }
        let request =
            Request { name, kind: Kind::Semaphore, capacity: 0, tag: 0, mode: Mode::OpenOrCreate, deadline: None };
        let (placed, _) = obtain(self.core(), &request, || RawSemaphore::new(permits), |_| ())?;
        Ok(Semaphore { placed, wait: Wait::default() })
    }
}

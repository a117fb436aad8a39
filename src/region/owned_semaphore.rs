//! The owned semaphore as its users hold it.

use super::core::NoCaller;
use super::error::{ObjectError, ObjectErrorKind, Unusable};
use super::handle::Region;
use super::kind::Kind;
use super::object::{ObjectName, Placed, Request, named_and_waiting, obtain_with};
use crate::primitives::owned_semaphore::{self, AcquireError, RawOwnedSemaphore};
use crate::primitives::registry::Mode;
use crate::primitives::waiting::Wait;
use crate::primitives::{Caller, ThreadSlot};
use crate::sync::Deadline;
use core::fmt;
use core::marker::PhantomData;
use core::time::Duration;

/// A fixed number of permits that come home: what a thread still has when it ends, or is killed, is given back for it.
///
/// For permits that belong to nobody, as between a producer and a consumer, see [`Semaphore`](super::Semaphore).
///
/// **Memory order.** Everything before a permit is given back happens before what follows the acquire that takes it.
/// **Blocking.** [`acquire`](Self::acquire) waits as long as it takes, spinning a little first; [`try_acquire`](Self::try_acquire)
/// and giving back never wait. Not fair. **Death.** The permits of the dead are there again as soon as their thread has
/// stopped for good; that something they guarded may be half done is not told: where that matters, use a
/// [`Mutex`](super::Mutex) inside.
///
/// **Memory.** Eight bytes for each thread that the region was made for.
///
/// ```
/// use selvedge::Region;
///
/// let region = Region::anonymous()?;
/// let licences = region.owned_semaphore("licences", 2)?;
/// let permit = licences.acquire()?;
/// assert_eq!(licences.available(), 1);
/// drop(permit);
/// assert_eq!(licences.available(), 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct OwnedSemaphore {
    placed: Placed<RawOwnedSemaphore, ()>,
    wait: Wait,
}

/// Why permits were not acquired.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PermitError {
    /// There are too few (non-blocking calls only).
    WouldBlock,
    /// The deadline passed (timed calls only).
    TimedOut,
    /// More were asked for than there are in all.
    TooMany {
        /// The semaphore.
        semaphore: ObjectName,
        /// How many were asked for.
        asked: u32,
        /// How many it has in all.
        permits: u32,
    },
    /// As many threads of this process as the region was made for use it already.
    TooManyThreads {
        /// How many that are.
        limit: u32,
    },
    /// The region of the semaphore can be used no longer.
    Unusable(Unusable, ObjectName),
}

impl fmt::Display for PermitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WouldBlock => f.write_str("the semaphore has too few permits"),
            Self::TimedOut => f.write_str("the semaphore had too few permits until the deadline"),
            Self::TooMany { semaphore, asked, permits } => {
                write!(f, "semaphore {semaphore}: asked for {asked} permits, there are {permits} in all")
            }
            Self::TooManyThreads { limit } => {
                write!(f, "the region's {limit} places for threads of this process are taken")
            }
            Self::Unusable(why, semaphore) => write!(f, "semaphore {semaphore}: {why}"),
        }
    }
}

impl std::error::Error for PermitError {}

named_and_waiting!(OwnedSemaphore; "semaphore");

impl OwnedSemaphore {
    /// Takes one permit, waiting as long as it takes.
    ///
    /// # Errors
    /// `TooManyThreads`, `Unusable`.
    #[inline]
    pub fn acquire(&self) -> Result<Permit<'_>, PermitError> {
        self.acquire_until(1, None)
    }

    /// Takes `n` permits, all or none, waiting as long as it takes.
    ///
    /// # Errors
    /// `TooMany`, `TooManyThreads`, `Unusable`.
    pub fn acquire_many(&self, n: u32) -> Result<Permit<'_>, PermitError> {
        self.acquire_until(n, None)
    }

    /// Takes `n` permits, waiting at most `timeout`.
    ///
    /// # Errors
    /// `TimedOut`, and as [`acquire_many`](Self::acquire_many).
    pub fn acquire_timeout(&self, n: u32, timeout: Duration) -> Result<Permit<'_>, PermitError> {
        self.acquire_until(n, Some(Deadline::after(timeout)))
    }

    /// Takes `n` permits, waiting until `deadline` at most.
    ///
    /// # Errors
    /// `TimedOut`, and as [`acquire_many`](Self::acquire_many).
    pub fn acquire_deadline(&self, n: u32, deadline: Deadline) -> Result<Permit<'_>, PermitError> {
        self.acquire_until(n, Some(deadline))
    }

    /// Takes `n` permits if there are as many; never waits.
    ///
    /// # Errors
    /// `WouldBlock`, `TooMany`, `TooManyThreads`, `Unusable`.
    #[inline]
    pub fn try_acquire(&self, n: u32) -> Result<Permit<'_>, PermitError> {
        let slot = self.slot()?;
        self.granted(slot, n, self.control().try_acquire(slot, n))
    }

    #[inline]
    fn acquire_until(&self, n: u32, deadline: Option<Deadline>) -> Result<Permit<'_>, PermitError> {
        match self.try_acquire(n) {
            Err(PermitError::WouldBlock) => self.acquire_slow(n, deadline),
            done => done,
        }
    }

    /// Apart, because a [`Caller`] is large, and only who waits needs one.
    #[cold]
    fn acquire_slow(&self, n: u32, deadline: Option<Deadline>) -> Result<Permit<'_>, PermitError> {
        let slot = self.slot()?;
        let caller: Caller<'_> = self.placed.core().caller_in(slot, self.wait);
        self.granted(slot, n, self.control().acquire(&caller, self.placed.id(), n, deadline))
    }

    #[inline]
    fn granted(&self, slot: ThreadSlot, n: u32, answer: Result<(), AcquireError>) -> Result<Permit<'_>, PermitError> {
        match answer {
            Ok(()) => Ok(Permit { semaphore: self, slot, count: n, not_send: PhantomData }),
            Err(AcquireError::WouldBlock) => Err(PermitError::WouldBlock),
            Err(AcquireError::TimedOut) => Err(PermitError::TimedOut),
            // The ledger has an entry for every slot that there can be.
            Err(AcquireError::TooMany | AcquireError::NoEntry) => {
                let (semaphore, permits) = (self.placed.name().clone(), self.permits());
                Err(PermitError::TooMany { semaphore, asked: n, permits })
            }
        }
    }

    #[inline]
    fn slot(&self) -> Result<ThreadSlot, PermitError> {
        self.placed.core().slot().map_err(|error| match error {
            NoCaller::Unusable(why) => PermitError::Unusable(why, self.placed.name().clone()),
            NoCaller::TooManyThreads(limit) => PermitError::TooManyThreads { limit },
        })
    }

    #[inline]
    fn control(&self) -> owned_semaphore::OwnedSemaphore<'_> {
        self.placed.control().with(self.placed.words())
    }

    /// How many permits there are in all.
    #[must_use]
    pub fn permits(&self) -> u32 {
        self.control().permits()
    }

    /// The permits that are there, as of a moment ago.
    #[must_use]
    pub fn available(&self) -> u32 {
        self.control().available()
    }
}

impl fmt::Debug for OwnedSemaphore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnedSemaphore")
            .field("name", &self.name())
            .field("permits", &self.permits())
            .field("available", &self.available())
            .finish_non_exhaustive()
    }
}

/// Permits of an [`OwnedSemaphore`]; dropping it gives them back.
///
/// It cannot be sent to another thread: the permits are the thread's that took them. One that is forgotten is given back
/// when its thread ends. In a forked child dropping an inherited one does nothing.
#[must_use = "dropping it gives the permits back"]
pub struct Permit<'a> {
    semaphore: &'a OwnedSemaphore,
    slot: ThreadSlot,
    count: u32,
    not_send: PhantomData<*mut ()>,
}

impl Permit<'_> {
    /// How many permits these are.
    #[must_use]
    pub fn count(&self) -> u32 {
        self.count
    }
}

impl Drop for Permit<'_> {
    #[inline]
    fn drop(&mut self) {
        // A forked child inherits the parent's permits in name only.
        if self.semaphore.placed.core().attachment().is_original() {
            // It holds them: nobody else gives back what is this thread's while the thread lives.
            let _ = self.semaphore.control().release(self.slot, self.count);
        }
    }
}

impl fmt::Debug for Permit<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit")
            .field("semaphore", &self.semaphore.name())
            .field("count", &self.count)
            .finish_non_exhaustive()
    }
}

impl Region {
    /// The owned semaphore `name`, made with `permits` permits if there is none. One that exists is left as it is.
    ///
    /// How many permits are possible depends on how many threads the region was made for: 4,095 with the default limits,
    /// 511 at least.
    ///
    /// # Errors
    /// [`ObjectError`]: more permits than possible; of another kind; no memory; too many objects.
    pub fn owned_semaphore(&self, name: &str, permits: u32) -> Result<OwnedSemaphore, ObjectError> {
        let most = RawOwnedSemaphore::most(self.core().participants().threads().len());
        if permits > most {
            return Err(ObjectError::new(name, ObjectErrorKind::TooManyPermits { given: permits, most }));
        }
        let request =
            Request { name, kind: Kind::OwnedSemaphore, capacity: 0, tag: 0, mode: Mode::OpenOrCreate, deadline: None };
        let made = || RawOwnedSemaphore::new(permits);
        let (placed, _) = obtain_with(self.core(), &request, made, |_| RawOwnedSemaphore::entry(), |_| ())?;
        Ok(OwnedSemaphore { placed, wait: Wait::default() })
    }
}

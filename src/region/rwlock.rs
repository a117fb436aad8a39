//! The readers-writer lock as its users hold it.

use super::core::NoCaller;
use super::error::{ObjectError, Unusable};
use super::handle::Region;
use super::kind::Kind;
use super::object::{ObjectName, Placed, Request, Shared, named_and_waiting, obtain_with};
use crate::primitives::mutex::Leaves;
use crate::primitives::registry::Mode;
use crate::primitives::rwlock::{self, Granted, RawRwLock, RwLockError as RawRwLockError};
use crate::primitives::waiting::Wait;
use crate::primitives::{Caller, ThreadSlot};
use crate::sync::{Cell, Deadline};
use core::fmt;
use core::marker::PhantomData;
use core::ops::{Deref, DerefMut};
use core::time::Duration;

/// A value in a region that many threads of all processes can read at once, or one can write.
///
/// **Death.** A reader that is killed counts no longer. When a process dies while one of its threads writes, whoever comes
/// next, to read or to write, gets the guard in [`RwLockError::OwnerDied`], and so does everybody after it, until one who
/// writes says [`mark_consistent`](WriteGuard::mark_consistent).
///
/// **Memory order.** What a writer did happens before what the next readers and the next writer do; what readers did happens
/// before what the next writer does. **Blocking.** [`read`](Self::read) waits while somebody writes or waits to, so that
/// writers are not starved; [`write`](Self::write) waits while somebody reads or writes; the `try` calls never wait. A thread
/// that reads may read once more, whoever waits. Otherwise no order is promised.
///
/// **Cost.** Readers write a word of their own, and disturb neither each other nor, as long as nobody writes, anybody else.
/// A writer looks at the words of all threads that the region was made for: four bytes each.
///
/// **Trust.** As of a [`Mutex`](super::Mutex).
///
/// ```
/// use selvedge::Region;
///
/// let region = Region::anonymous()?;
/// let prices = region.rwlock("prices", [100_u64, 250])?;
/// assert_eq!(prices.read().map_err(|error| error.give_up())?[1], 250);
/// prices.write().map_err(|error| error.give_up())?[1] = 240;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct RwLock<T: Shared> {
    placed: Placed<RawRwLock, Cell<T>>,
    wait: Wait,
}

/// Why it was not locked, or not as usual.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum RwLockError<G> {
    /// It was locked, but a writer has died writing, and nobody has declared the value consistent since.
    OwnerDied(G),
    /// Somebody writes or waits to, or, for a writer, somebody reads (`try` calls only).
    WouldBlock,
    /// The deadline passed (timed calls only).
    TimedOut,
    /// The calling thread writes already; or it reads, and wants to write.
    Relocked,
    /// As many threads of this process as the region was made for use it already.
    TooManyThreads {
        /// How many that are.
        limit: u32,
    },
    /// The region of the lock can be used no longer.
    Unusable(Unusable, ObjectName),
}

impl<G> fmt::Debug for RwLockError<G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OwnerDied(_) => f.write_str("OwnerDied(..)"),
            Self::WouldBlock => f.write_str("WouldBlock"),
            Self::TimedOut => f.write_str("TimedOut"),
            Self::Relocked => f.write_str("Relocked"),
            Self::TooManyThreads { limit } => write!(f, "TooManyThreads({limit})"),
            Self::Unusable(why, lock) => write!(f, "Unusable({why:?}, {lock:?})"),
        }
    }
}

impl<G> fmt::Display for RwLockError<G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OwnerDied(_) => f.write_str("a writer died writing, and the value has not been declared consistent"),
            Self::WouldBlock => f.write_str("the lock is in use"),
            Self::TimedOut => f.write_str("the lock was in use until the deadline"),
            Self::Relocked => f.write_str("the calling thread has the lock already"),
            Self::TooManyThreads { limit } => {
                write!(f, "the region's {limit} places for threads of this process are taken")
            }
            Self::Unusable(why, lock) => write!(f, "readers-writer lock {lock}: {why}"),
        }
    }
}

impl<G> std::error::Error for RwLockError<G> {}

impl<G> RwLockError<G> {
    /// The guard, if there is one.
    pub fn into_guard(self) -> Option<G> {
        match self {
            Self::OwnerDied(guard) => Some(guard),
            _ => None,
        }
    }

    /// The error without the guard, for `?` beyond the lock's life.
    pub fn give_up(self) -> RwLockError<()> {
        match self {
            Self::OwnerDied(_) => RwLockError::OwnerDied(()),
            Self::WouldBlock => RwLockError::WouldBlock,
            Self::TimedOut => RwLockError::TimedOut,
            Self::Relocked => RwLockError::Relocked,
            Self::TooManyThreads { limit } => RwLockError::TooManyThreads { limit },
            Self::Unusable(why, lock) => RwLockError::Unusable(why, lock),
        }
    }

    fn refused(error: RawRwLockError) -> Self {
        match error {
            // There is a place for every slot that there can be.
            RawRwLockError::WouldBlock | RawRwLockError::NoPlace => Self::WouldBlock,
            RawRwLockError::TimedOut => Self::TimedOut,
            RawRwLockError::Relocked => Self::Relocked,
        }
    }
}

/// What reading comes to.
pub type ReadResult<'a, T> = Result<ReadGuard<'a, T>, RwLockError<ReadGuard<'a, T>>>;
/// What writing comes to.
pub type WriteResult<'a, T> = Result<WriteGuard<'a, T>, RwLockError<WriteGuard<'a, T>>>;

named_and_waiting!(RwLock<T>, T: Shared; "lock");

impl<T: Shared> RwLock<T> {
    /// Begins to read, waiting as long as it takes.
    ///
    /// # Errors
    /// [`RwLockError`], except `WouldBlock` and `TimedOut`.
    #[inline]
    pub fn read(&self) -> ReadResult<'_, T> {
        self.read_until(None)
    }

    /// Begins to read, waiting at most `timeout`.
    ///
    /// # Errors
    /// [`RwLockError`], except `WouldBlock`.
    pub fn read_timeout(&self, timeout: Duration) -> ReadResult<'_, T> {
        self.read_until(Some(Deadline::after(timeout)))
    }

    /// Begins to read, waiting until `deadline` at most.
    ///
    /// # Errors
    /// [`RwLockError`], except `WouldBlock`.
    pub fn read_deadline(&self, deadline: Deadline) -> ReadResult<'_, T> {
        self.read_until(Some(deadline))
    }

    /// Begins to read if nobody writes or waits to; never waits.
    ///
    /// # Errors
    /// [`RwLockError`], except `TimedOut`.
    #[inline]
    pub fn try_read(&self) -> ReadResult<'_, T> {
        let slot = self.slot()?;
        self.reads(slot, self.control().try_read(slot))
    }

    #[inline]
    fn read_until(&self, deadline: Option<Deadline>) -> ReadResult<'_, T> {
        let slot = self.slot()?;
        match self.control().try_read(slot) {
            Err(RawRwLockError::WouldBlock) => {
                self.reads(slot, self.control().read(&self.caller(slot), self.placed.id(), deadline))
            }
            answer => self.reads(slot, answer),
        }
    }

    /// Begins to write, waiting as long as it takes.
    ///
    /// # Errors
    /// [`RwLockError`], except `WouldBlock` and `TimedOut`.
    pub fn write(&self) -> WriteResult<'_, T> {
        self.write_until(None)
    }

    /// Begins to write, waiting at most `timeout`.
    ///
    /// # Errors
    /// [`RwLockError`], except `WouldBlock`.
    pub fn write_timeout(&self, timeout: Duration) -> WriteResult<'_, T> {
        self.write_until(Some(Deadline::after(timeout)))
    }

    /// Begins to write, waiting until `deadline` at most.
    ///
    /// # Errors
    /// [`RwLockError`], except `WouldBlock`.
    pub fn write_deadline(&self, deadline: Deadline) -> WriteResult<'_, T> {
        self.write_until(Some(deadline))
    }

    /// Begins to write if nobody reads or writes; never waits. While it looks, a `try_read` may be refused.
    ///
    /// # Errors
    /// [`RwLockError`], except `TimedOut`.
    pub fn try_write(&self) -> WriteResult<'_, T> {
        let slot = self.slot()?;
        self.writes(self.control().try_write(slot))
    }

    fn write_until(&self, deadline: Option<Deadline>) -> WriteResult<'_, T> {
        let slot = self.slot()?;
        self.writes(self.control().write(&self.caller(slot), self.placed.id(), deadline))
    }

    #[inline]
    fn reads(&self, slot: ThreadSlot, answer: Result<Granted, RawRwLockError>) -> ReadResult<'_, T> {
        let guard = || ReadGuard { lock: self, slot, not_send: PhantomData };
        match answer {
            Ok(Granted::Consistent) => Ok(guard()),
            Ok(Granted::Inconsistent) => Err(RwLockError::OwnerDied(guard())),
            Err(error) => Err(RwLockError::refused(error)),
        }
    }

    fn writes(&self, answer: Result<Granted, RawRwLockError>) -> WriteResult<'_, T> {
        let guard = |leaves| WriteGuard { lock: self, leaves, not_send: PhantomData };
        match answer {
            Ok(Granted::Consistent) => Ok(guard(Leaves::Consistent)),
            Ok(Granted::Inconsistent) => Err(RwLockError::OwnerDied(guard(Leaves::Inconsistent))),
            Err(error) => Err(RwLockError::refused(error)),
        }
    }

    #[inline]
    fn slot<G>(&self) -> Result<ThreadSlot, RwLockError<G>> {
        self.placed.core().slot().map_err(|error| match error {
            NoCaller::Unusable(why) => RwLockError::Unusable(why, self.placed.name().clone()),
            NoCaller::TooManyThreads(limit) => RwLockError::TooManyThreads { limit },
        })
    }

    fn caller(&self, slot: ThreadSlot) -> Caller<'_> {
        self.placed.core().caller_in(slot, self.wait)
    }

    #[inline]
    fn control(&self) -> rwlock::RwLock<'_> {
        self.placed.control().with(self.placed.words())
    }

    fn is_original(&self) -> bool {
        self.placed.core().attachment().is_original()
    }

    /// The value; there is one slot, always: the shape has capacity 1.
    fn value(&self) -> *mut T {
        self.placed.slots().first().map_or(core::ptr::null_mut(), |value| value.with_mut(|value| value))
    }
}

impl<T: Shared> Clone for RwLock<T> {
    fn clone(&self) -> Self {
        Self { placed: self.placed.clone(), wait: self.wait }
    }
}

impl<T: Shared> fmt::Debug for RwLock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let control = self.control();
        f.debug_struct("RwLock")
            .field("name", &self.name())
            .field("readers", &control.readers())
            .field("writer", &control.writer())
            .finish_non_exhaustive()
    }
}

/// The right to read the value of a [`RwLock`]; dropping it ends that.
///
/// It cannot be sent to another thread. In a forked child dropping an inherited guard does nothing.
#[must_use = "dropping the guard ends the reading"]
pub struct ReadGuard<'a, T: Shared> {
    lock: &'a RwLock<T>,
    slot: ThreadSlot,
    not_send: PhantomData<*mut ()>,
}

// SAFETY: a shared guard gives `&T` only, and `T: Shared` is `Sync`.
unsafe impl<T: Shared> Sync for ReadGuard<'_, T> {}

impl<T: Shared> Deref for ReadGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        let value = self.lock.placed.slots().first().map_or(core::ptr::null(), |value| value.with(|value| value));
        // SAFETY: the slot is mapped and aligned, every pattern of bits is a `T` (`FromBytes`), and the lock keeps writers
        // away while the guard exists (rwlock, I1).
        unsafe { &*value }
    }
}

impl<T: Shared> Drop for ReadGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        // A forked child inherits the parent's guard, not the parent's lock.
        if self.lock.is_original() {
            self.lock.control().stop_reading(self.slot);
        }
    }
}

impl<T: Shared + fmt::Debug> fmt::Debug for ReadGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

/// The right to write the value of a [`RwLock`]; dropping it ends that.
///
/// It cannot be sent to another thread. In a forked child dropping an inherited guard does nothing.
#[must_use = "dropping the guard ends the writing"]
pub struct WriteGuard<'a, T: Shared> {
    lock: &'a RwLock<T>,
    leaves: Leaves,
    not_send: PhantomData<*mut ()>,
}

// SAFETY: as of a guard that reads.
unsafe impl<T: Shared> Sync for WriteGuard<'_, T> {}

impl<T: Shared> WriteGuard<'_, T> {
    /// Declares the value consistent, after a writer died.
    pub fn mark_consistent(&mut self) {
        self.leaves = Leaves::Consistent;
    }
}

impl<T: Shared> Deref for WriteGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: the slot is mapped and aligned, every pattern of bits is a `T` (`FromBytes`), and the lock keeps all
        // others away while the guard exists (rwlock, I1).
        unsafe { &*self.lock.value() }
    }
}

impl<T: Shared> DerefMut for WriteGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as in deref; `&mut self` excludes other borrows through this guard.
        unsafe { &mut *self.lock.value() }
    }
}

impl<T: Shared> Drop for WriteGuard<'_, T> {
    fn drop(&mut self) {
        // As of a guard that reads.
        if self.lock.is_original() {
            self.lock.control().stop_writing(self.leaves);
        }
    }
}

impl<T: Shared + fmt::Debug> fmt::Debug for WriteGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl Region {
    /// The readers-writer lock `name`, made with `value` if there is none. The value of one that exists is left as it is.
    ///
    /// # Errors
    /// [`ObjectError`]: of another kind, type or size; no memory; too many objects.
    pub fn rwlock<T: Shared>(&self, name: &str, value: T) -> Result<RwLock<T>, ObjectError> {
        let request =
            Request { name, kind: Kind::RwLock, capacity: 1, tag: T::TAG.0, mode: Mode::OpenOrCreate, deadline: None };
        let (placed, _) =
            obtain_with(self.core(), &request, RawRwLock::new, |_| RawRwLock::place(), |_| Cell::new(value))?;
        Ok(RwLock { placed, wait: Wait::default() })
    }
}

//! The robust mutex as its users hold it.

use super::condvar::TimedWait;
use super::core::{Core, NoCaller};
use super::error::{ObjectError, Unusable};
use super::handle::Region;
use super::kind::Kind;
use super::object::{ObjectName, Placed, Request, Shared, named_and_waiting, obtain};
use crate::primitives::ThreadSlot;
use crate::primitives::condvar::{Locked, Waited};
use crate::primitives::mutex::{Acquired, Leaves, LockError as RawLockError, RawMutex};
use crate::primitives::registry::Mode;
use crate::primitives::waiting::Wait;
use crate::sync::{Cell, Deadline};
use core::fmt;
use core::marker::PhantomData;
use core::ops::{Deref, DerefMut};
use core::time::Duration;
use std::sync::Arc;

/// A value in a region that one thread of all processes can use at a time.
///
/// When a process dies while one of its threads holds the mutex, the next to lock it gets the guard in
/// [`LockError::OwnerDied`] and decides what the value is worth.
///
/// **Memory order.** Everything before an unlock happens before what follows the next lock. **Blocking.** [`lock`](Self::lock)
/// waits as long as it takes, spinning a little first; [`try_lock`](Self::try_lock) never waits. Not fair.
///
/// **Trust.** The value can be written by every process that has the region. A guard's `&T` is sound as long as all of
/// them use this type to get at it.
///
/// ```
/// use selvedge::Region;
/// use selvedge::region::LockError;
///
/// let region = Region::anonymous()?;
/// let stock = region.mutex("stock", 7_u64)?;
/// match stock.lock() {
///     Ok(mut stock) => *stock -= 1,
///     Err(LockError::OwnerDied(mut stock)) => {
///         *stock = 0; // count anew
///         stock.mark_consistent();
///     }
///     Err(error) => return Err(error.give_up().into()),
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Mutex<T: Shared> {
    placed: Placed<RawMutex, Cell<T>>,
    wait: Wait,
}

/// Why a lock was not granted, or not as usual.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum LockError<G> {
    /// It was granted, but its last holder died with it: the value may be half changed. Unless the guard is told
    /// [`mark_consistent`](MutexGuard::mark_consistent), dropping it makes the mutex unusable until it is reset.
    OwnerDied(G),
    /// Somebody holds it ([`try_lock`](Mutex::try_lock) only).
    WouldBlock,
    /// The deadline passed (timed calls only).
    TimedOut,
    /// The calling thread holds it already.
    Relocked,
    /// Somebody inherited it from the dead and gave it up without declaring the value consistent: see
    /// [`reset`](Mutex::reset).
    NotRecoverable,
    /// As many threads of this process as the region was made for use it already.
    TooManyThreads {
        /// How many that are.
        limit: u32,
    },
    /// It is of another region than the condition variable of this name.
    OtherRegion(ObjectName),
    /// The region of the mutex can be used no longer.
    Unusable(Unusable, ObjectName),
}

impl<G> fmt::Debug for LockError<G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OwnerDied(_) => f.write_str("OwnerDied(..)"),
            Self::WouldBlock => f.write_str("WouldBlock"),
            Self::TimedOut => f.write_str("TimedOut"),
            Self::Relocked => f.write_str("Relocked"),
            Self::NotRecoverable => f.write_str("NotRecoverable"),
            Self::TooManyThreads { limit } => write!(f, "TooManyThreads({limit})"),
            Self::OtherRegion(condvar) => write!(f, "OtherRegion({condvar:?})"),
            Self::Unusable(why, mutex) => write!(f, "Unusable({why:?}, {mutex:?})"),
        }
    }
}

impl<G> fmt::Display for LockError<G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OwnerDied(_) => f.write_str("the last holder died holding the mutex"),
            Self::WouldBlock => f.write_str("somebody holds the mutex"),
            Self::TimedOut => f.write_str("the mutex was not free before the deadline"),
            Self::Relocked => f.write_str("the calling thread holds the mutex already"),
            Self::NotRecoverable => f.write_str("the mutex was given up by who inherited it from the dead"),
            Self::TooManyThreads { limit } => {
                write!(f, "the region's {limit} places for threads of this process are taken")
            }
            Self::OtherRegion(condvar) => {
                write!(f, "the mutex is of another region than condition variable {condvar}")
            }
            Self::Unusable(why, mutex) => write!(f, "mutex {mutex}: {why}"),
        }
    }
}

impl<G> std::error::Error for LockError<G> {}

impl<G> LockError<G> {
    /// The error without the guard, for `?` beyond the mutex's life. A mutex that was inherited from the dead is given up
    /// with it: nobody gets it any more until it is [`reset`](Mutex::reset).
    pub fn give_up(self) -> LockError<()> {
        self.map(drop)
    }

    /// The same error with something else made of the guard.
    pub(super) fn map<H>(self, f: impl FnOnce(G) -> H) -> LockError<H> {
        match self {
            Self::OwnerDied(guard) => LockError::OwnerDied(f(guard)),
            Self::WouldBlock => LockError::WouldBlock,
            Self::TimedOut => LockError::TimedOut,
            Self::Relocked => LockError::Relocked,
            Self::NotRecoverable => LockError::NotRecoverable,
            Self::TooManyThreads { limit } => LockError::TooManyThreads { limit },
            Self::OtherRegion(condvar) => LockError::OtherRegion(condvar),
            Self::Unusable(why, mutex) => LockError::Unusable(why, mutex),
        }
    }

    /// The guard, if there is one.
    pub fn into_guard(self) -> Option<G> {
        match self {
            Self::OwnerDied(guard) => Some(guard),
            _ => None,
        }
    }
}

impl<G> LockError<G> {
    #[cold]
    pub(super) fn no_caller(error: NoCaller, mutex: &ObjectName) -> Self {
        match error {
            NoCaller::Unusable(why) => Self::Unusable(why, mutex.clone()),
            NoCaller::TooManyThreads(limit) => Self::TooManyThreads { limit },
        }
    }
}

named_and_waiting!(Mutex<T>, T: Shared; "mutex");

impl<T: Shared> Mutex<T> {
    /// Locks it, waiting as long as it takes.
    ///
    /// # Errors
    /// [`LockError`], except `WouldBlock` and `TimedOut`.
    #[inline]
    pub fn lock(&self) -> Result<MutexGuard<'_, T>, LockError<MutexGuard<'_, T>>> {
        self.lock_until(None)
    }

    /// Locks it, waiting at most `timeout`.
    ///
    /// # Errors
    /// [`LockError`], except `WouldBlock`.
    pub fn lock_timeout(&self, timeout: Duration) -> Result<MutexGuard<'_, T>, LockError<MutexGuard<'_, T>>> {
        self.lock_until(Some(Deadline::after(timeout)))
    }

    /// Locks it, waiting until `deadline` at most.
    ///
    /// # Errors
    /// [`LockError`], except `WouldBlock`.
    pub fn lock_deadline(&self, deadline: Deadline) -> Result<MutexGuard<'_, T>, LockError<MutexGuard<'_, T>>> {
        self.lock_until(Some(deadline))
    }

    #[inline]
    fn lock_until(&self, deadline: Option<Deadline>) -> Result<MutexGuard<'_, T>, LockError<MutexGuard<'_, T>>> {
        let slot = self.slot()?;
        match self.placed.control().try_lock(slot) {
            Err(RawLockError::WouldBlock) => self.lock_slow(slot, deadline),
            answer => self.granted(answer),
        }
    }

    /// Apart, because a [`Caller`](crate::primitives::Caller) is large, and only who waits needs one.
    #[cold]
    fn lock_slow(
        &self,
        slot: ThreadSlot,
        deadline: Option<Deadline>,
    ) -> Result<MutexGuard<'_, T>, LockError<MutexGuard<'_, T>>> {
        let caller = self.placed.core().caller_in(slot, self.wait);
        self.granted(self.placed.control().lock(&caller, self.placed.id(), deadline))
    }

    /// Locks it if nobody living holds it; never waits.
    ///
    /// # Errors
    /// [`LockError`], except `TimedOut`.
    #[inline]
    pub fn try_lock(&self) -> Result<MutexGuard<'_, T>, LockError<MutexGuard<'_, T>>> {
        let slot = self.slot()?;
        self.granted(self.placed.control().try_lock(slot))
    }

    #[inline]
    fn granted(
        &self,
        answer: Result<Acquired, RawLockError>,
    ) -> Result<MutexGuard<'_, T>, LockError<MutexGuard<'_, T>>> {
        let guard = |leaves| MutexGuard { mutex: self, leaves, not_send: PhantomData };
        match answer {
            Ok(Acquired::Clean) => Ok(guard(Leaves::Consistent)),
            Ok(Acquired::OwnerDied) => Err(LockError::OwnerDied(guard(Leaves::Inconsistent))),
            Err(RawLockError::WouldBlock) => Err(LockError::WouldBlock),
            Err(RawLockError::TimedOut) => Err(LockError::TimedOut),
            Err(RawLockError::Relocked) => Err(LockError::Relocked),
            Err(RawLockError::NotRecoverable) => Err(LockError::NotRecoverable),
        }
    }

    /// Makes a mutex that is not recoverable usable again, with a new value. False: it is not in that state.
    ///
    /// # Errors
    /// The region can be used no longer.
    pub fn reset(&self, value: T) -> Result<bool, LockError<()>> {
        let slot = self.slot()?;
        if !self.placed.control().reset(slot) {
            return Ok(false);
        }
        let mut guard = MutexGuard { mutex: self, leaves: Leaves::Inconsistent, not_send: PhantomData };
        *guard = value;
        guard.mark_consistent();
        Ok(true)
    }

    #[inline]
    fn slot<G>(&self) -> Result<ThreadSlot, LockError<G>> {
        self.placed.core().slot().map_err(|error| LockError::no_caller(error, self.placed.name()))
    }

    fn value(&self) -> Option<&Cell<T>> {
        self.placed.slots().first()
    }
}

impl<T: Shared> Clone for Mutex<T> {
    fn clone(&self) -> Self {
        Self { placed: self.placed.clone(), wait: self.wait }
    }
}

impl<T: Shared> fmt::Debug for Mutex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mutex")
            .field("name", &self.name())
            .field("holder", &self.placed.control().holder())
            .finish_non_exhaustive()
    }
}

/// The right to use the value of a locked [`Mutex`]; dropping it unlocks.
///
/// It cannot be sent to another thread: the mutex is held by the thread that locked it. In a forked child dropping an
/// inherited guard does nothing.
#[must_use = "dropping the guard unlocks the mutex"]
pub struct MutexGuard<'a, T: Shared> {
    mutex: &'a Mutex<T>,
    leaves: Leaves,
    not_send: PhantomData<*mut ()>,
}

// SAFETY: a shared guard gives `&T` only, and `T: Shared` is `Sync`.
unsafe impl<T: Shared> Sync for MutexGuard<'_, T> {}

impl<'a, T: Shared> MutexGuard<'a, T> {
    /// Declares the value consistent, after its last holder died.
    pub fn mark_consistent(&mut self) {
        self.leaves = Leaves::Consistent;
    }

    /// Lets `wait` unlock and lock the mutex again, for a condition variable of the region of `core`.
    pub(super) fn release_while(
        self,
        core: &Arc<Core>,
        condvar: &ObjectName,
        wait: impl FnOnce(Locked<'_>) -> Waited,
    ) -> TimedWait<'a, T> {
        let mutex = self.mutex;
        if !Arc::ptr_eq(core, mutex.placed.core()) {
            return Err(LockError::OtherRegion(condvar.clone()));
        }
        let locked = Locked { mutex: mutex.placed.control(), object: mutex.placed.id(), leaves: self.leaves };
        core::mem::forget(self);
        let Waited { timed_out, mutex: answer } = wait(locked);
        match mutex.granted(answer) {
            Ok(guard) => Ok((guard, timed_out)),
            Err(error) => Err(error.map(|guard| (guard, timed_out))),
        }
    }

    fn pointer(&self) -> *mut T {
        // There is one slot, always: the shape of a mutex has capacity 1.
        self.mutex.value().map_or(core::ptr::null_mut(), |value| value.with_mut(|value| value))
    }
}

impl<T: Shared> Deref for MutexGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        let value = self.mutex.value().map_or(core::ptr::null(), |value| value.with(|value| value));
        // SAFETY: the slot is mapped and aligned, every pattern of bits is a `T` (`FromBytes`), and the mutex keeps
        // others away while the guard exists (mutex, I1).
        unsafe { &*value }
    }
}

impl<T: Shared> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as in deref; `&mut self` excludes other borrows through this guard.
        unsafe { &mut *self.pointer() }
    }
}

impl<T: Shared> Drop for MutexGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        // A forked child inherits the parent's guard, not the parent's lock.
        if self.mutex.placed.core().attachment().is_original() {
            self.mutex.placed.control().unlock(self.leaves);
        }
    }
}

impl<T: Shared + fmt::Debug> fmt::Debug for MutexGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl Region {
    /// The mutex `name`, made with `value` if there is none. The value of one that exists is left as it is.
    ///
    /// # Errors
    /// [`ObjectError`]: of another kind, type or size; no memory; too many objects.
    pub fn mutex<T: Shared>(&self, name: &str, value: T) -> Result<Mutex<T>, ObjectError> {
        let request =
            Request { name, kind: Kind::Mutex, capacity: 1, tag: T::TAG.0, mode: Mode::OpenOrCreate, deadline: None };
        let (placed, _) = obtain(self.core(), &request, RawMutex::new, |_| Cell::new(value))?;
        Ok(Mutex { placed, wait: Wait::default() })
    }
}

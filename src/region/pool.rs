//! The pool of buffers as its users hold it.

use super::core::NoCaller;
use super::error::{ObjectError, ObjectErrorKind, Unusable};
use super::handle::Region;
use super::kind::Kind;
use super::object::{ObjectName, Placed, Request, Shared, named_and_waiting, obtain_with};
use super::patience::Patience;
use crate::primitives::registry::Mode;
use crate::primitives::waiting::Wait;
use crate::primitives::{RawPool, ThreadSlot, pool};
use crate::sync::{Cell, Deadline};
use core::fmt;
use core::marker::PhantomData;
use core::ops::{Deref, DerefMut};
use core::time::Duration;

/// A fixed number of buffers in a region, each for one thread of all processes at a time.
///
/// A thread takes one, uses it in place, and gives it back. What is in it stays there: whoever takes a buffer finds what
/// its last user left, or zeros.
///
/// **Death.** The buffers of a thread that ends, or is killed, come home as soon as it has stopped for good. What it had half
/// written stays in them, and nobody is told.
///
/// **Memory order.** Everything before a buffer is given back happens before what follows the call that takes it next.
/// **Blocking.** [`take`](Self::take) waits as long as it takes, spinning a little first; [`try_take`](Self::try_take) and
/// giving back never wait. Not fair. Who looks for a free buffer looks at all of them, if need be.
///
/// **Memory.** For each buffer its size, and eight bytes; eight more for the pool.
///
/// **Trust.** A buffer can be written by every process that has the region. The `&T` that it gives is sound as long as all of
/// them use this type to get at it.
///
/// ```
/// use selvedge::Region;
///
/// let region = Region::anonymous()?;
/// let pages = region.pool::<[u8; 4096]>("pages", 8)?;
/// let mut page = pages.take()?;
/// page[..5].copy_from_slice(b"hello");
/// assert_eq!((pages.in_use(), pages.buffers()), (1, 8));
/// drop(page);
/// assert_eq!(pages.in_use(), 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Pool<T: Shared> {
    placed: Placed<RawPool, Cell<T>>,
    wait: Wait,
}

/// Why no buffer was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PoolError {
    /// All are taken ([`try_take`](Pool::try_take) only).
    Empty,
    /// All were taken until the deadline (timed calls only).
    TimedOut,
    /// As many threads of this process as the region was made for use it already.
    TooManyThreads {
        /// How many that are.
        limit: u32,
    },
    /// The region of the pool can be used no longer.
    Unusable(Unusable, ObjectName),
}

impl fmt::Display for PoolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("all buffers of the pool are taken"),
            Self::TimedOut => f.write_str("all buffers of the pool were taken until the deadline"),
            Self::TooManyThreads { limit } => {
                write!(f, "the region's {limit} places for threads of this process are taken")
            }
            Self::Unusable(why, pool) => write!(f, "pool {pool}: {why}"),
        }
    }
}

impl std::error::Error for PoolError {}

named_and_waiting!(Pool<T>, T: Shared; "pool");

impl<T: Shared> Pool<T> {
    /// Takes a buffer, waiting as long as it takes.
    ///
    /// # Errors
    /// `TooManyThreads`, `Unusable`.
    #[inline]
    pub fn take(&self) -> Result<PoolBuffer<'_, T>, PoolError> {
        self.take_until(Patience::Forever)
    }

    /// Takes a buffer if one is there; never waits.
    ///
    /// # Errors
    /// `Empty`, `TooManyThreads`, `Unusable`.
    #[inline]
    pub fn try_take(&self) -> Result<PoolBuffer<'_, T>, PoolError> {
        self.take_until(Patience::None)
    }

    /// Takes a buffer, waiting at most `timeout`.
    ///
    /// # Errors
    /// `TimedOut`, `TooManyThreads`, `Unusable`.
    pub fn take_timeout(&self, timeout: Duration) -> Result<PoolBuffer<'_, T>, PoolError> {
        self.take_until(Patience::Until(Deadline::after(timeout)))
    }

    /// Takes a buffer, waiting until `deadline` at most.
    ///
    /// # Errors
    /// `TimedOut`, `TooManyThreads`, `Unusable`.
    pub fn take_deadline(&self, deadline: Deadline) -> Result<PoolBuffer<'_, T>, PoolError> {
        self.take_until(Patience::Until(deadline))
    }

    #[inline]
    fn take_until(&self, patience: Patience) -> Result<PoolBuffer<'_, T>, PoolError> {
        let slot = self.placed.core().slot().map_err(|error| match error {
            NoCaller::Unusable(why) => PoolError::Unusable(why, self.placed.name().clone()),
            NoCaller::TooManyThreads(limit) => PoolError::TooManyThreads { limit },
        })?;
        let index = match (self.control().try_take(slot), patience) {
            (Some(index), _) => index,
            (None, Patience::None) => return Err(PoolError::Empty),
            (None, patience) => self.take_slow(slot, patience.deadline())?,
        };
        Ok(PoolBuffer { pool: self, index, not_send: PhantomData })
    }

    /// Apart, because a [`Caller`](crate::primitives::Caller) is large, and only who waits needs one.
    #[cold]
    fn take_slow(&self, slot: ThreadSlot, deadline: Option<Deadline>) -> Result<usize, PoolError> {
        let caller = self.placed.core().caller_in(slot, self.wait);
        self.control().take(&caller, self.placed.id(), deadline).ok_or(PoolError::TimedOut)
    }

    #[inline]
    fn control(&self) -> pool::Pool<'_> {
        self.placed.control().with(self.placed.words())
    }

    /// How many buffers there are.
    #[must_use]
    pub fn buffers(&self) -> usize {
        self.placed.slots().len()
    }

    /// How many of them are taken, as of a moment ago.
    #[must_use]
    pub fn in_use(&self) -> usize {
        self.control().in_use()
    }
}

impl<T: Shared> Clone for Pool<T> {
    fn clone(&self) -> Self {
        Self { placed: self.placed.clone(), wait: self.wait }
    }
}

impl<T: Shared> fmt::Debug for Pool<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("name", &self.name())
            .field("buffers", &self.buffers())
            .field("in_use", &self.in_use())
            .finish_non_exhaustive()
    }
}

/// A buffer of a [`Pool`]; dropping it gives it back.
///
/// It cannot be sent to another thread: the buffer is the thread's that took it. One that is forgotten comes home when its
/// thread ends. In a forked child dropping an inherited one does nothing.
///
/// ```compile_fail,E0277
/// fn to_another_thread(_: impl Send) {}
///
/// fn send(buffer: selvedge::region::PoolBuffer<'_, u64>) {
///     to_another_thread(buffer);
/// }
/// ```
#[must_use = "dropping it gives the buffer back"]
pub struct PoolBuffer<'a, T: Shared> {
    pool: &'a Pool<T>,
    index: usize,
    not_send: PhantomData<*mut ()>,
}

// SAFETY: a shared one gives `&T` only, and `T: Shared` is `Sync`.
unsafe impl<T: Shared> Sync for PoolBuffer<'_, T> {}

impl<T: Shared> Deref for PoolBuffer<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // There is a slot for each of the pool's words, always: their numbers are the same.
        let slot = self.pool.placed.slots().get(self.index);
        let value = slot.map_or(core::ptr::null(), |value| value.with(|value| value));
        // SAFETY: the slot is mapped and aligned, every pattern of bits is a `T` (`FromBytes`), and the buffer is this
        // thread's alone while `self` exists (pool, I1).
        unsafe { &*value }
    }
}

impl<T: Shared> DerefMut for PoolBuffer<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        let slot = self.pool.placed.slots().get(self.index);
        let value = slot.map_or(core::ptr::null_mut(), |value| value.with_mut(|value| value));
        // SAFETY: as in deref; `&mut self` excludes other borrows through this one.
        unsafe { &mut *value }
    }
}

impl<T: Shared> Drop for PoolBuffer<'_, T> {
    #[inline]
    fn drop(&mut self) {
        // A forked child inherits the parent's buffer in name only.
        if self.pool.placed.core().attachment().is_original() {
            self.pool.control().give_back(self.index);
        }
    }
}

impl<T: Shared + fmt::Debug> fmt::Debug for PoolBuffer<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl Region {
    /// The pool `name` of so many buffers, made if there is none; they hold zeros at first.
    ///
    /// # Errors
    /// [`ObjectError`]: of another kind, type or number of buffers; a number that no pool can have; no memory; too many
    /// objects.
    pub fn pool<T: Shared>(&self, name: &str, buffers: usize) -> Result<Pool<T>, ObjectError> {
        let most = u32::MAX;
        if !u32::try_from(buffers).is_ok_and(|buffers| buffers > 0) {
            let kind = ObjectErrorKind::BadCapacity { given: buffers as u64, most: most.into() };
            return Err(ObjectError::new(name, kind));
        }
        let mode = Mode::OpenOrCreate;
        let request = Request { name, kind: Kind::Pool, capacity: buffers, tag: T::TAG.0, mode, deadline: None };
        let slot = |_| Cell::new(T::new_zeroed());
        let (placed, _) = obtain_with(self.core(), &request, RawPool::new, |_| RawPool::buffer(), slot)?;
        Ok(Pool { placed, wait: Wait::default() })
    }
}

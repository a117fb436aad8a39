//! What is initialised once, as its users hold it.

use super::core::NoCaller;
use super::error::{ObjectError, Unusable};
use super::handle::Region;
use super::kind::Kind;
use super::object::{ObjectName, Placed, Request, Shared, named_and_waiting, obtain};
use crate::primitives::once::{OnceError as RawOnceError, RawOnce, Turn};
use crate::primitives::registry::Mode;
use crate::primitives::waiting::Wait;
use crate::sync::{Cell, Deadline};
use core::convert::Infallible;
use core::fmt;
use core::time::Duration;

/// A value in a region that one thread of all processes makes, and that never changes afterwards.
///
/// Whoever comes first makes it; the others wait. If that thread dies before it has finished, or fails, the next makes it.
///
/// **Memory order.** What was done to make the value happens before every return with the value. **Blocking.** [`get`](Self::get)
/// never waits; [`get_or_init`](Self::get_or_init) waits while somebody else makes the value. **Death.** See above: the value is
/// there as a whole or not at all.
///
/// ```
/// use selvedge::Region;
///
/// let region = Region::anonymous()?;
/// let seed = region.once::<u64>("seed")?;
/// assert_eq!(seed.get()?, None);
/// assert_eq!(seed.get_or_init(|| 42)?, 42);
/// assert_eq!(seed.get_or_init(|| unreachable!("it has been made"))?, 42);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Once<T: Shared> {
    placed: Placed<RawOnce, Cell<T>>,
    wait: Wait,
}

/// Why there is no value.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnceError<E = Infallible> {
    /// Somebody else is making it, and had not finished before the deadline (timed calls only).
    TimedOut,
    /// The calling thread is making it: it would wait for itself.
    Recursive(ObjectName),
    /// Making it failed, in this call. The next to come tries again.
    Failed(E),
    /// As many threads of this process as the region was made for use it already.
    TooManyThreads {
        /// How many that are.
        limit: u32,
    },
    /// The region of the value can be used no longer.
    Unusable(Unusable, ObjectName),
}

impl<E: fmt::Display> fmt::Display for OnceError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TimedOut => f.write_str("somebody else had not made the value before the deadline"),
            Self::Recursive(once) => write!(f, "value {once} is needed to make itself"),
            Self::Failed(error) => write!(f, "the value could not be made: {error}"),
            Self::TooManyThreads { limit } => {
                write!(f, "the region's {limit} places for threads of this process are taken")
            }
            Self::Unusable(why, once) => write!(f, "value {once}: {why}"),
        }
    }
}

impl<E: fmt::Debug + fmt::Display> std::error::Error for OnceError<E> {}

/// Gives the turn up if the initialiser does not come to its end.
struct GivesUp<'a, T: Shared>(&'a Once<T>);

impl<T: Shared> Drop for GivesUp<'_, T> {
    fn drop(&mut self) {
        // A forked child inherits the parent's turn in name only.
        if self.0.placed.core().attachment().is_original() {
            self.0.placed.control().give_up();
        }
    }
}

named_and_waiting!(Once<T>, T: Shared; "value");

impl<T: Shared> Once<T> {
    /// The value, if it has been made; never waits.
    ///
    /// # Errors
    /// The region can be used no longer.
    #[inline]
    pub fn get(&self) -> Result<Option<T>, OnceError> {
        self.look()
    }

    #[inline]
    fn look<E>(&self) -> Result<Option<T>, OnceError<E>> {
        let usable = self.placed.core().attachment().check();
        usable.map_err(|why| OnceError::Unusable(why, self.placed.name().clone()))?;
        Ok(self.placed.control().is_done().then(|| self.value()))
    }

    /// The value, made by `make` if nobody has made it, waiting as long as somebody else makes it.
    ///
    /// # Errors
    /// `Recursive`, `TooManyThreads`, `Unusable`.
    #[inline]
    pub fn get_or_init(&self, make: impl FnOnce() -> T) -> Result<T, OnceError> {
        self.get_or_make(|| Ok(make()), None)
    }

    /// As [`get_or_init`](Self::get_or_init), with a `make` that may fail: then the next to come tries.
    ///
    /// # Errors
    /// `Failed`, and as [`get_or_init`](Self::get_or_init).
    #[inline]
    pub fn get_or_try_init<E>(&self, make: impl FnOnce() -> Result<T, E>) -> Result<T, OnceError<E>> {
        self.get_or_make(make, None)
    }

    /// As [`get_or_init`](Self::get_or_init), waiting at most `timeout` while somebody else makes the value.
    ///
    /// # Errors
    /// [`OnceError`], except `Failed`.
    pub fn get_or_init_timeout(&self, make: impl FnOnce() -> T, timeout: Duration) -> Result<T, OnceError> {
        self.get_or_init_deadline(make, Deadline::after(timeout))
    }

    /// As [`get_or_init`](Self::get_or_init), waiting until `deadline` at most while somebody else makes the value.
    ///
    /// # Errors
    /// [`OnceError`], except `Failed`.
    pub fn get_or_init_deadline(&self, make: impl FnOnce() -> T, deadline: Deadline) -> Result<T, OnceError> {
        self.get_or_make(|| Ok(make()), Some(deadline))
    }

    #[inline]
    fn get_or_make<E>(
        &self,
        make: impl FnOnce() -> Result<T, E>,
        deadline: Option<Deadline>,
    ) -> Result<T, OnceError<E>> {
        match self.look()? {
            Some(value) => Ok(value),
            None => self.make_slow(make, deadline),
        }
    }

    #[cold]
    fn make_slow<E>(&self, make: impl FnOnce() -> Result<T, E>, deadline: Option<Deadline>) -> Result<T, OnceError<E>> {
        let name = self.placed.name();
        let caller = self.placed.core().caller(self.wait).map_err(|error| match error {
            NoCaller::Unusable(why) => OnceError::Unusable(why, name.clone()),
            NoCaller::TooManyThreads(limit) => OnceError::TooManyThreads { limit },
        })?;
        let turn = self.placed.control().begin(&caller, self.placed.id(), deadline);
        match turn {
            Ok(Turn::Done) => return Ok(self.value()),
            Ok(Turn::First | Turn::Again) => {}
            Err(RawOnceError::TimedOut | RawOnceError::WouldBlock) => return Err(OnceError::TimedOut),
            Err(RawOnceError::Recursive) => return Err(OnceError::Recursive(name.clone())),
        }
        let turn = GivesUp(self);
        let value = make().map_err(OnceError::Failed)?;
        if let Some(cell) = self.placed.slots().first() {
            // SAFETY: the turn is ours, and nobody reads before it is done (once, I1).
            cell.with_mut(|cell| unsafe { cell.write(value) });
        }
        core::mem::forget(turn);
        self.placed.control().finish();
        Ok(value)
    }

    /// The value, once it has been made.
    fn value(&self) -> T {
        // There is one slot, always: the shape has capacity 1.
        // SAFETY: mapped and aligned, every pattern of bits is a `T` (`FromBytes`), and nobody writes any more (once, I1).
        self.placed.slots().first().map_or_else(T::new_zeroed, |cell| cell.with(|value| unsafe { *value }))
    }
}

impl<T: Shared> Clone for Once<T> {
    fn clone(&self) -> Self {
        Self { placed: self.placed.clone(), wait: self.wait }
    }
}

impl<T: Shared> fmt::Debug for Once<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Once")
            .field("name", &self.name())
            .field("control", self.placed.control())
            .finish_non_exhaustive()
    }
}

impl Region {
    /// The value `name` that is made once; the object is made, without a value, if there is none.
    ///
    /// # Errors
    /// [`ObjectError`]: of another kind, type or size; no memory; too many objects.
    pub fn once<T: Shared>(&self, name: &str) -> Result<Once<T>, ObjectError> {
        let request =
            Request { name, kind: Kind::Once, capacity: 1, tag: T::TAG.0, mode: Mode::OpenOrCreate, deadline: None };
        let (placed, _) = obtain(self.core(), &request, RawOnce::new, |_| Cell::new(T::new_zeroed()))?;
        Ok(Once { placed, wait: Wait::default() })
    }
}

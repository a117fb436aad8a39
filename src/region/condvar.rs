//! The condition variable as its users hold it.

use super::error::{ObjectError, Unusable};
use super::handle::Region;
use super::kind::Kind;
use super::mutex::{LockError, MutexGuard};
use super::object::{ObjectName, Placed, Request, Shared, named_and_waiting, obtain};
use crate::primitives::condvar::RawCondvar;
use crate::primitives::registry::Mode;
use crate::primitives::waiting::Wait;
use crate::sync::Deadline;
use core::fmt;
use core::time::Duration;

/// Waiting for what a [`Mutex`](super::Mutex) guards to change, across processes.
///
/// [`wait`](Self::wait) unlocks the mutex, sleeps until somebody notifies, and locks it again. Waits can end for no reason:
/// look again, or use [`wait_while`](Self::wait_while).
///
/// **Memory order.** That of the mutex. **Blocking.** `wait` waits as long as it takes; notifying never waits, however many
/// waiters were killed. **Death.** When a participant dies, all waits end and who waited looks again: so nothing is missed
/// if the dead had changed the condition and not yet notified, or was the one that a notification woke. If the holder of the
/// mutex dies meanwhile, who waits gets the mutex as its heir: see [`LockError`].
///
/// ```
/// use selvedge::Region;
///
/// let region = Region::anonymous()?;
/// let (stock, changed) = (region.mutex("stock", 0_u64)?, region.condvar("stock.changed")?);
/// std::thread::scope(|scope| {
///     scope.spawn(|| {
///         *stock.lock().unwrap() += 1;
///         changed.notify_one().unwrap();
///     });
///     let mut stock = changed.wait_while(stock.lock().unwrap(), |stock| *stock == 0).unwrap();
///     *stock -= 1;
/// });
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Condvar {
    placed: Placed<RawCondvar, ()>,
    wait: Wait,
}

/// Nobody was notified: the region of the condition variable can be used no longer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotNotified {
    /// Why.
    pub why: Unusable,
    /// The condition variable.
    pub condvar: ObjectName,
}

impl fmt::Display for NotNotified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "condition variable {}: {}", self.condvar, self.why)
    }
}

impl std::error::Error for NotNotified {}

/// The guard again, and whether the deadline passed; or why the mutex was not locked as usual.
pub type TimedWait<'a, T> = Result<(MutexGuard<'a, T>, bool), LockError<(MutexGuard<'a, T>, bool)>>;

named_and_waiting!(Condvar; "condition variable");

impl Condvar {
    /// Unlocks the mutex, waits until notified, and locks the mutex again.
    ///
    /// # Errors
    /// [`LockError`], except `WouldBlock`, `TimedOut` and `Relocked`; `OtherRegion` if the mutex is of another region, which
    /// unlocks it.
    pub fn wait<'a, T: Shared>(
        &self,
        guard: MutexGuard<'a, T>,
    ) -> Result<MutexGuard<'a, T>, LockError<MutexGuard<'a, T>>> {
        match self.wait_until(guard, None) {
            Ok((guard, _)) => Ok(guard),
            Err(error) => Err(error.map(|(guard, _)| guard)),
        }
    }

    /// Waits as long as `condition` holds, looking at it first.
    ///
    /// # Errors
    /// As [`wait`](Self::wait).
    pub fn wait_while<'a, T: Shared>(
        &self,
        mut guard: MutexGuard<'a, T>,
        mut condition: impl FnMut(&mut T) -> bool,
    ) -> Result<MutexGuard<'a, T>, LockError<MutexGuard<'a, T>>> {
        while condition(&mut guard) {
            guard = self.wait(guard)?;
        }
        Ok(guard)
    }

    /// As [`wait`](Self::wait), at most `timeout`; locking the mutex again may take longer.
    ///
    /// # Errors
    /// As [`wait`](Self::wait). That the deadline passed is no error: it comes with the guard.
    pub fn wait_timeout<'a, T: Shared>(&self, guard: MutexGuard<'a, T>, timeout: Duration) -> TimedWait<'a, T> {
        self.wait_until(guard, Some(Deadline::after(timeout)))
    }

    /// As [`wait`](Self::wait), until `deadline` at most; locking the mutex again may take longer.
    ///
    /// # Errors
    /// As [`wait_timeout`](Self::wait_timeout).
    pub fn wait_deadline<'a, T: Shared>(&self, guard: MutexGuard<'a, T>, deadline: Deadline) -> TimedWait<'a, T> {
        self.wait_until(guard, Some(deadline))
    }

    fn wait_until<'a, T: Shared>(&self, guard: MutexGuard<'a, T>, deadline: Option<Deadline>) -> TimedWait<'a, T> {
        let core = self.placed.core();
        let caller = core.caller(self.wait).map_err(|error| LockError::no_caller(error, self.placed.name()))?;
        guard.release_while(core, self.placed.name(), |locked| {
            self.placed.control().wait(&caller, self.placed.id(), locked, deadline)
        })
    }

    #[inline]
    fn check(&self) -> Result<(), NotNotified> {
        let usable = self.placed.core().attachment().check();
        usable.map_err(|why| NotNotified { why, condvar: self.placed.name().clone() })
    }

    /// Ends the wait of one who waits, if anybody does; never waits.
    ///
    /// # Errors
    /// The region can be used no longer.
    #[inline]
    pub fn notify_one(&self) -> Result<(), NotNotified> {
        self.check()?;
        self.placed.control().notify_one();
        Ok(())
    }

    /// Ends the waits of all who wait; never waits.
    ///
    /// # Errors
    /// The region can be used no longer.
    #[inline]
    pub fn notify_all(&self) -> Result<(), NotNotified> {
        self.check()?;
        self.placed.control().notify_all();
        Ok(())
    }
}

impl fmt::Debug for Condvar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Condvar").field("name", &self.name()).finish_non_exhaustive()
    }
}

impl Region {
    /// The condition variable `name`, made if there is none.
    ///
    /// # Errors
    /// [`ObjectError`]: of another kind; no memory; too many objects.
    pub fn condvar(&self, name: &str) -> Result<Condvar, ObjectError> {
        let request =
            Request { name, kind: Kind::Condvar, capacity: 0, tag: 0, mode: Mode::OpenOrCreate, deadline: None };
        let (placed, _) = obtain(self.core(), &request, RawCondvar::new, |_| ())?;
        Ok(Condvar { placed, wait: Wait::default() })
    }
}

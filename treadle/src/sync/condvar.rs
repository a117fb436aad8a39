//! A condition variable.

use super::atomic::AtomicU32;
use super::{LockResult, MutexGuard};
use crate::futex::{Outcome, Queue, Until, wake};
use core::panic::Location;
use core::time::Duration;

/// A condition variable: threads wait in it, first come, first woken.
///
/// ```
/// use std::sync::Arc;
/// use treadle::{sync::{Condvar, Mutex}, thread};
///
/// treadle::model(|| {
///     let pair = Arc::new((Mutex::new(false), Condvar::new()));
///     let other = Arc::clone(&pair);
///     let thread = thread::spawn(move || {
///         *other.0.lock().unwrap() = true;
///         other.1.notify_one();
///     });
///     let guard = pair.0.lock().unwrap();
///     assert!(*pair.1.wait_while(guard, |ready| !*ready).unwrap());
///     thread.join().unwrap();
/// });
/// ```
///
/// A wake orders no memory by itself; the mutex does. No thread wakes up for no reason, unless it waits with a time
/// limit, whose end is explored at every point (time itself is not modelled).
#[derive(Debug)]
pub struct Condvar {
    queue: AtomicU32,
}

/// Whether a wait ended because its time was up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WaitTimeoutResult(bool);

impl WaitTimeoutResult {
    /// Whether the time was up.
    #[must_use]
    pub fn timed_out(&self) -> bool {
        self.0
    }
}

impl Condvar {
    /// A condition variable that nobody waits for.
    #[must_use]
    #[track_caller]
    pub fn new() -> Self {
        Self { queue: AtomicU32::new(0) }
    }

    fn wait_as<'a, T>(
        &self,
        guard: MutexGuard<'a, T>,
        until: Until,
        site: &'static Location<'static>,
    ) -> (MutexGuard<'a, T>, Outcome) {
        let mutex = guard.mutex;
        let place = Queue::join(&self.queue, site);
        drop(guard);
        let outcome = place.map_or(Outcome::Woken, |place| place.sleep(until, site));
        let Ok(guard) = mutex.lock() else { unreachable!("it is never poisoned") };
        (guard, outcome)
    }

    /// Unlocks, waits until woken, and locks again. Who notifies after the unlock finds this thread waiting.
    ///
    /// # Errors
    /// Never; the type is that of `std`.
    #[track_caller]
    pub fn wait<'a, T>(&self, guard: MutexGuard<'a, T>) -> LockResult<MutexGuard<'a, T>> {
        Ok(self.wait_as(guard, Until::Woken, Location::caller()).0)
    }

    /// The same, while `condition` holds.
    ///
    /// # Errors
    /// Never; the type is that of `std`.
    #[track_caller]
    pub fn wait_while<'a, T>(
        &self,
        mut guard: MutexGuard<'a, T>,
        mut condition: impl FnMut(&mut T) -> bool,
    ) -> LockResult<MutexGuard<'a, T>> {
        let site = Location::caller();
        while condition(&mut guard) {
            guard = self.wait_as(guard, Until::Woken, site).0;
        }
        Ok(guard)
    }

    /// As [`wait`](Self::wait), but it can end by itself, however long the limit.
    ///
    /// # Errors
    /// Never; the type is that of `std`.
    #[track_caller]
    pub fn wait_timeout<'a, T>(
        &self,
        guard: MutexGuard<'a, T>,
        _limit: Duration,
    ) -> LockResult<(MutexGuard<'a, T>, WaitTimeoutResult)> {
        let (guard, outcome) = self.wait_as(guard, Until::WokenOrTimedOut, Location::caller());
        Ok((guard, WaitTimeoutResult(outcome == Outcome::TimedOut)))
    }

    /// Wakes who has waited longest.
    #[track_caller]
    pub fn notify_one(&self) {
        wake(&self.queue, 1);
    }

    /// Wakes everybody.
    #[track_caller]
    pub fn notify_all(&self) {
        wake(&self.queue, u32::MAX);
    }
}

impl Default for Condvar {
    fn default() -> Self {
        Self::new()
    }
}

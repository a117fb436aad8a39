//! A notification that one thread waits for.

use super::atomic::{AtomicBool, Ordering};

/// A notification: given any number of times, taken once.
///
/// ```
/// use std::sync::Arc;
/// use treadle::{sync::Notify, thread};
///
/// treadle::model(|| {
///     let notify = Arc::new(Notify::new());
///     let other = Arc::clone(&notify);
///     let thread = thread::spawn(move || other.notify());
///     notify.wait();
///     thread.join().unwrap();
/// });
/// ```
#[derive(Debug)]
pub struct Notify {
    given: AtomicBool,
}

impl Notify {
    /// No notification yet.
    #[must_use]
    #[track_caller]
    pub fn new() -> Self {
        Self { given: AtomicBool::new(false) }
    }

    /// Gives it; what was done before happens before the return of the wait that takes it.
    #[track_caller]
    pub fn notify(&self) {
        self.given.store(true, Ordering::Release);
    }

    /// Waits for it and takes it.
    #[track_caller]
    pub fn wait(&self) {
        self.given.await_exchange(true, false, Ordering::Acquire, Ordering::Relaxed);
    }
}

impl Default for Notify {
    fn default() -> Self {
        Self::new()
    }
}

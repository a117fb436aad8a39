//! What threads share, in the shape of `std::sync` and of loom.

pub mod atomic;

mod arc;
mod condvar;
mod mutex;
mod notify;

pub use arc::Arc;
pub use condvar::{Condvar, WaitTimeoutResult};
pub use mutex::{Mutex, MutexGuard};
pub use notify::Notify;
pub use std::sync::{LockResult, PoisonError, TryLockError, TryLockResult};

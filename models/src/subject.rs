//! What a model is about, where there is more than one: the real primitive, or a mutant of it.
//!
//! A model that is written against one of these traits runs on the algorithm that ships and on every deliberately wrong
//! variant in [`mutants`](crate::mutants); it has to pass on the one and to fail on the others.

use selvedge::primitives::mutex::{Acquired, Leaves, LockError};
use selvedge::primitives::semaphore::{AcquireError, Overflow};
use selvedge::primitives::undertaker::Repair;
use selvedge::primitives::{Caller, ObjectId, RawMutex, RawSemaphore, ThreadSlot};
use selvedge::sync::Deadline;

/// The operations of [`RawMutex`], with its meanings.
#[allow(missing_docs, reason = "each operation is RawMutex's of the same name")]
pub trait Lock: Repair + Send + Sync + 'static {
    fn new() -> Self;
    /// # Errors
    /// As `RawMutex::lock`.
    fn lock(&self, caller: &Caller<'_>, object: ObjectId, deadline: Option<Deadline>) -> Result<Acquired, LockError>;
    /// # Errors
    /// As `RawMutex::try_lock`.
    fn try_lock(&self, slot: ThreadSlot) -> Result<Acquired, LockError>;
    fn unlock(&self, leaves: Leaves);
    fn reset(&self, slot: ThreadSlot) -> bool;
    fn holder(&self) -> Option<ThreadSlot>;
    fn is_not_recoverable(&self) -> bool;
}

impl Lock for RawMutex {
    fn new() -> Self {
        Self::new()
    }

    fn lock(&self, caller: &Caller<'_>, object: ObjectId, deadline: Option<Deadline>) -> Result<Acquired, LockError> {
        self.lock(caller, object, deadline)
    }

    fn try_lock(&self, slot: ThreadSlot) -> Result<Acquired, LockError> {
        self.try_lock(slot)
    }

    fn unlock(&self, leaves: Leaves) {
        self.unlock(leaves);
    }

    fn reset(&self, slot: ThreadSlot) -> bool {
        self.reset(slot)
    }

    fn holder(&self) -> Option<ThreadSlot> {
        self.holder()
    }

    fn is_not_recoverable(&self) -> bool {
        self.is_not_recoverable()
    }
}

/// The operations of [`RawSemaphore`], with its meanings.
#[allow(missing_docs, reason = "each operation is RawSemaphore's of the same name")]
pub trait Permits: Repair + Send + Sync + 'static {
    fn new(permits: u32) -> Self;
    /// # Errors
    /// As `RawSemaphore::try_acquire`.
    fn try_acquire(&self, n: u32) -> Result<(), AcquireError>;
    /// # Errors
    /// As `RawSemaphore::acquire`.
    fn acquire(
        &self,
        caller: &Caller<'_>,
        object: ObjectId,
        n: u32,
        deadline: Option<Deadline>,
    ) -> Result<(), AcquireError>;
    /// # Errors
    /// As `RawSemaphore::release`.
    fn release(&self, n: u32) -> Result<(), Overflow>;
    fn available(&self) -> u32;
}

impl Permits for RawSemaphore {
    fn new(permits: u32) -> Self {
        Self::new(permits)
    }

    fn try_acquire(&self, n: u32) -> Result<(), AcquireError> {
        self.try_acquire(n)
    }

    fn acquire(
        &self,
        caller: &Caller<'_>,
        object: ObjectId,
        n: u32,
        deadline: Option<Deadline>,
    ) -> Result<(), AcquireError> {
        self.acquire(caller, object, n, deadline)
    }

    fn release(&self, n: u32) -> Result<(), Overflow> {
        self.release(n)
    }

    fn available(&self) -> u32 {
        self.available()
    }
}

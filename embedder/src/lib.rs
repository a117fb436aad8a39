//! An example of a crate that embeds selvedge: a ticket dispenser that several processes share.
//!
//! Its tests show that `loom::model`, without any harness of selvedge's, checks this crate's code together with the
//! primitives that it uses.

use selvedge::Region;
use selvedge::region::{LockError, Mutex, ObjectError, Semaphore};

/// Hands out numbers, each once, in every process that has the region.
#[derive(Debug)]
pub struct Dispenser {
    next: Mutex<u64>,
    /// One permit for each number that was given back.
    returned: Semaphore,
}

impl Dispenser {
    /// The dispenser of a region.
    ///
    /// # Errors
    /// Those of making or opening objects.
    pub fn new(region: &Region) -> Result<Self, ObjectError> {
        Ok(Self { next: region.mutex("next", 0)?, returned: region.semaphore("returned", 0)? })
    }

    /// The next number. After a death in the middle the number may have been skipped, but is never given twice.
    ///
    /// # Errors
    /// Those of locking.
    pub fn take(&self) -> Result<u64, LockError<()>> {
        let mut next = match self.next.lock() {
            Ok(next) => next,
            Err(LockError::OwnerDied(mut next)) => {
                // The dead one may have been about to hand out this number.
                *next += 1;
                next.mark_consistent();
                next
            }
            Err(error) => return Err(error.give_up()),
        };
        let number = *next;
        *next += 1;
        Ok(number)
    }

    /// As [`take`](Self::take), but forgets to hold the mutex between looking and counting: for the test that shows
    /// that loom notices.
    ///
    /// # Errors
    /// Those of locking.
    pub fn take_carelessly(&self) -> Result<u64, LockError<()>> {
        let number = *self.next.lock().map_err(LockError::give_up)?;
        *self.next.lock().map_err(LockError::give_up)? = number + 1;
        Ok(number)
    }

    /// Says that a number is done with.
    pub fn give_back(&self) {
        // More returned numbers than a semaphore can count are not worth a failure.
        let _ = self.returned.release();
    }

    /// Waits until somebody gives a number back.
    ///
    /// # Errors
    /// The region can be used no longer.
    pub fn await_return(&self) -> Result<(), selvedge::region::AcquireError> {
        self.returned.acquire()
    }
}

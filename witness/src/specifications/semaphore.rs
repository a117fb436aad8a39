//! A counting semaphore is a number that is never negative.

use crate::specification::{Call, Effect, Specification};
use core::fmt;

/// A semaphore that has so many permits at first.
#[derive(Clone, Copy, Debug)]
pub struct Semaphore {
    /// At first.
    pub permits: u32,
}

/// What can be done with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SemaphoreOperation {
    /// Take so many, and wait for them.
    Acquire(u32),
    /// Take so many if they are there.
    TryAcquire(u32),
    /// Add so many.
    Release(u32),
}

/// What comes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SemaphoreOutcome {
    /// It was done.
    Done,
    /// There were too few.
    TooFew,
}

impl Specification for Semaphore {
    type Operation = SemaphoreOperation;
    type Outcome = SemaphoreOutcome;
    type State = u32;

    fn initial(&self) -> u32 {
        self.permits
    }

    fn apply(&self, permits: &u32, call: Call<'_, SemaphoreOperation>) -> Vec<Effect<Self>> {
        use SemaphoreOperation::{Acquire, Release, TryAcquire};
        match *call.operation {
            Acquire(n) | TryAcquire(n) if n <= *permits => vec![(SemaphoreOutcome::Done, permits - n)],
            Acquire(_) => Vec::new(),
            TryAcquire(_) => vec![(SemaphoreOutcome::TooFew, *permits)],
            Release(n) => vec![(SemaphoreOutcome::Done, permits + n)],
        }
    }

    /// Who has acquired knows what every releaser before did: which permit was whose, nobody can tell.
    fn publishes(
        &self,
        earlier: (&SemaphoreOperation, &SemaphoreOutcome),
        later: (&SemaphoreOperation, &SemaphoreOutcome),
    ) -> bool {
        use SemaphoreOperation::{Acquire, Release, TryAcquire};
        matches!(earlier.0, Release(_)) && matches!(later, (Acquire(_) | TryAcquire(_), SemaphoreOutcome::Done))
    }
}

impl fmt::Display for SemaphoreOperation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Acquire(n) => write!(f, "acquire {n}"),
            Self::TryAcquire(n) => write!(f, "try_acquire {n}"),
            Self::Release(n) => write!(f, "release {n}"),
        }
    }
}

impl fmt::Display for SemaphoreOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Done => "done",
            Self::TooFew => "too few",
        })
    }
}

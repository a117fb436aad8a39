//! Clients of the counting semaphore.

use super::object::{Object, Operation};
use crate::scene::{OBJECT, Scene};
use crate::subject::Permits;
use selvedge::primitives::semaphore::AcquireError;
use selvedge::primitives::undertaker::{Dead, Repair};
use selvedge_witness::specifications::SemaphoreOperation::{Acquire, Release, TryAcquire};
use selvedge_witness::specifications::{Semaphore, SemaphoreOperation, SemaphoreOutcome};

/// A semaphore with so many permits at first, be it the real one or a mutant.
pub(crate) struct With<const PERMITS: u32, P>(P);

impl<const PERMITS: u32, P: Permits> Object for With<PERMITS, P> {
    type Spec = Semaphore;
    const NAME: &'static str = if PERMITS == 0 { "semaphore-0" } else { "semaphore-1" };

    fn specification(_threads: usize) -> Semaphore {
        Semaphore { permits: PERMITS }
    }

    fn letters(_kills: bool) -> Vec<fn(u32) -> SemaphoreOperation> {
        vec![|_| Acquire(1), |_| Acquire(2), |_| TryAcquire(1), |_| TryAcquire(2), |_| Release(1), |_| Release(2)]
    }

    fn new(_program: &[Vec<Operation<Self>>]) -> Self {
        Self(P::new(PERMITS))
    }

    fn perform(scene: &Scene<Self>, lane: usize, operation: SemaphoreOperation) -> SemaphoreOutcome {
        let semaphore = &scene.object.0;
        let acquired = match operation {
            Acquire(n) => semaphore.acquire(&scene.caller(lane), OBJECT, n, None),
            TryAcquire(n) => semaphore.try_acquire(n),
            Release(n) => {
                semaphore.release(n).expect("far from the maximum");
                Ok(())
            }
        };
        match acquired {
            Ok(()) => SemaphoreOutcome::Done,
            Err(error) => {
                assert_eq!(error, AcquireError::WouldBlock, "of {operation}");
                SemaphoreOutcome::TooFew
            }
        }
    }
}

impl<const PERMITS: u32, P: Permits> Repair for With<PERMITS, P> {
    fn bury(&self, dead: &Dead<'_>) {
        self.0.bury(dead);
    }

    fn wake_all(&self) {
        self.0.wake_all();
    }
}

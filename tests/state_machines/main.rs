//! Random sequences of operations, each answered as a simple model of the object answers it.

#![cfg(not(loom))]

#[path = "../support"]
mod support {
    pub(crate) mod alone;
    pub(crate) mod driven;
    pub(crate) mod patience;
    pub(crate) mod proc;
}

mod barrier;
mod condvar;
mod event;
mod mutex;
mod once;
mod owned_semaphore;
mod pool;
mod queue;
mod registry;
mod rendezvous;
mod rwlock;
mod segment;
mod semaphore;
mod unbounded;

use proptest::prelude::{ProptestConfig, TestCaseError};
use selvedge::Region;
use selvedge::region::RegionOptions;
use std::time::Duration;
use support::driven::{Driven, all_sleep};

/// How long a machine in a process of its own may take.
const LIMIT: Duration = Duration::from_secs(300);

/// A region for one case: made and dropped a few hundred times, so small.
fn region(objects: u32, arena: u64) -> Region {
    RegionOptions::new().processes(2).threads(4).objects(objects).arena(arena).anonymous().unwrap()
}

/// A region for one case of a machine that drives threads. Who sleeps there sleeps: no backstop wakes it now and then.
fn region_of_threads() -> Region {
    RegionOptions::new().processes(2).threads(8).objects(2).arena(4096).backstop(None).anonymous().unwrap()
}

/// How many cases a machine that drives threads tries; what it looks for when one has failed may wait in vain each time.
fn driven(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, max_shrink_time: 30_000, ..ProptestConfig::default() }
}

/// Those of the driven threads that wait sleep, and go on sleeping.
fn sleep_on<O: Send + 'static, A: std::fmt::Debug + Send + 'static>(
    region: &Region,
    object: &str,
    threads: &[Driven<O, A>],
    waits: impl Fn(usize) -> bool,
) -> Result<(), TestCaseError> {
    let waiting = threads.iter().enumerate().filter(|(index, _)| waits(*index)).map(|(_, thread)| thread);
    all_sleep(region, object, waiting).map_err(TestCaseError::fail)
}

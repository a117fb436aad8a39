//! Random sequences of operations, each answered as a simple model of the object answers it.

#![cfg(not(loom))]

mod mutex;
mod registry;
mod segment;
mod semaphore;

use selvedge::Region;
use selvedge::region::RegionOptions;

/// A region for one case: made and dropped a few hundred times, so small.
fn region(objects: u32, arena: u64) -> Region {
    RegionOptions::new().processes(2).threads(4).objects(objects).arena(arena).anonymous().unwrap()
}

//! Rings of messages and streams of bytes between real processes: order, ends that are inherited, limits, damage.
#![cfg(not(loom))]

#[path = "../support"]
mod support {
    pub(crate) mod actors;
    pub(crate) mod alone;
    pub(crate) mod patience;
    pub(crate) mod proc;
    pub(crate) mod shared;
}

mod bytes;
mod damage;
mod ends;
mod machines;
mod messages;

use selvedge::Region;
use selvedge::region::RegionOptions;

const REGION: &str = "ring";

fn options() -> RegionOptions {
    RegionOptions::new().processes(8).threads(4).objects(16).arena(256 << 10).backstop(None)
}

/// A region for one test in one process.
fn region() -> Region {
    options().anonymous().expect("a region")
}

/// Two words that belong together.
type Pair = [u64; 2];

fn pair(number: u64) -> Pair {
    [number, !number]
}

/// The number in a message, which must be whole.
#[track_caller]
fn number([number, check]: Pair) -> u64 {
    assert_eq!(check, !number, "a torn message");
    number
}

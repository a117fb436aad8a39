//! Rings of messages and streams of bytes between real processes: order, ends that are inherited, limits, damage.
#![cfg(not(loom))]

#[path = "../support"]
mod support {
    pub(crate) mod actors;
    pub(crate) mod alone;
    pub(crate) mod pair;
    pub(crate) mod patience;
    pub(crate) mod proc;
    pub(crate) mod shared;
    pub(crate) mod words;
}

mod bytes;
mod damage;
mod ends;
mod machines;
mod messages;

use selvedge::Region;
use selvedge::region::RegionOptions;
use support::pair::{Pair, number, pair};

const REGION: &str = "ring";

fn options() -> RegionOptions {
    RegionOptions::new().processes(8).threads(4).objects(16).arena(256 << 10).backstop(None)
}

/// A region for one test in one process.
fn region() -> Region {
    options().anonymous().expect("a region")
}

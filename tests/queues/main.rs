//! Pools and queues between real processes: order, limits, what the dead leave, damage.
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

mod damage;
mod messages;
mod pool;
mod work;

use selvedge::Region;
use selvedge::region::RegionOptions;
use std::time::Duration;
use support::actors::Actor;
use support::pair::{Pair, number, pair};
use support::patience::until;
use support::shared::Mark;

const REGION: &str = "queues";
const LIMIT: Duration = Duration::from_secs(60);
/// How long a wait in vain waits.
const SHORT: Duration = Duration::from_millis(2);
/// Buffers of a queue beyond its capacity: one for each thread slot.
const SPARE: usize = 32;

fn options() -> RegionOptions {
    RegionOptions::new().processes(8).threads(4).objects(16).arena(256 << 10).backstop(None)
}

fn made() -> Region {
    options().create(REGION).expect("a region")
}

fn opened() -> Region {
    options().open(REGION).expect("the director has made it")
}

/// A region for one test in one process.
fn region() -> Region {
    options().anonymous().expect("a region")
}

fn until_asleep(actor: &Actor, entered: &Mark) {
    until("somebody waits", || actor.is_dead() || (entered.get() != 0 && actor.is_asleep()));
    assert!(!actor.is_dead(), "it was to wait");
}

//! Channels: as crossbeam's where the names are the same, and between real processes.
#![cfg(not(loom))]

#[path = "../support"]
mod support {
    pub(crate) mod actors;
    pub(crate) mod alone;
    pub(crate) mod asleep;
    pub(crate) mod dice;
    pub(crate) mod pair;
    pub(crate) mod patience;
    pub(crate) mod proc;
    pub(crate) mod shared;
    pub(crate) mod sweep;
}

mod deadlines;
mod ends;
mod killed;
mod parity;
mod peek;
mod select;
mod stress;

use selvedge::Region;
use selvedge::message::{Capacity, Receiver, Sender};
use selvedge::primitives::waiting::Wait;
use selvedge::region::RegionOptions;
use std::time::Duration;
use support::actors::Actor;
use support::patience::until;
use support::shared::Mark;

const LIMIT: Duration = Duration::from_secs(120);
const REGION: &str = "channels";
/// How long a wait in vain waits.
const SHORT: Duration = Duration::from_millis(2);

/// Two equal numbers, or it is torn.
type Pair = [u64; 2];

/// One of each kind.
const CAPACITIES: [Capacity; 3] = [Capacity::Zero, Capacity::Bounded(1), Capacity::Unbounded { quota: 4 }];

fn options() -> RegionOptions {
    RegionOptions::new().processes(8).threads(4).objects(4).arena(256 << 10).backstop(None)
}

fn made() -> Region {
    options().create(REGION).expect("a region")
}

fn opened() -> Region {
    options().open(REGION).expect("the director has made it")
}

/// Each has a name of its own.
fn name(capacity: Capacity) -> String {
    format!("{capacity:?}")
}

fn sender(region: &Region, capacity: Capacity) -> Sender<Pair> {
    region.sender(&name(capacity), capacity).expect("a sender").with_wait(Wait::Block)
}

fn receiver(region: &Region, capacity: Capacity) -> Receiver<Pair> {
    region.receiver(&name(capacity), capacity).expect("a receiver").with_wait(Wait::Block)
}

/// What the processes of one test tell each other.
#[derive(Debug, Default)]
struct Board {
    ready: Mark,
    waits: Mark,
    go_on: Mark,
    over: Mark,
}

impl Board {
    fn until_waiting(&self, actor: &Actor) {
        until("somebody sleeps", || {
            assert!(!actor.is_dead(), "it was to wait");
            self.waits.get() != 0 && actor.is_asleep()
        });
    }
}

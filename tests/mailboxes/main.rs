//! Ports and mailboxes: messages with headers and bodies of any length, and the right to receive them, between real processes.
#![cfg(not(loom))]

#[path = "../support"]
mod support {
    pub(crate) mod actors;
    pub(crate) mod alone;
    pub(crate) mod dice;
    pub(crate) mod patience;
    pub(crate) mod proc;
    pub(crate) mod shared;
    pub(crate) mod sweep;
    pub(crate) mod words;
}

mod damage;
mod delivery;
mod effects;
mod killed;
mod kinds;
mod letters;
mod links;
mod long;
mod names;
mod right;
mod select;

use selvedge::Region;
use selvedge::message::{Capacity, Mailbox, Message, Port, PortOptions};
use selvedge::primitives::waiting::Wait;
use selvedge::region::{ParticipantId, RegionOptions};
use std::time::Duration;
use support::actors::{Actor, fork};
use support::patience::until;
use support::shared::{Mark, Shared};

const LIMIT: Duration = Duration::from_secs(120);
const REGION: &str = "mailboxes";
/// How long a wait in vain waits.
const SHORT: Duration = Duration::from_millis(2);
/// One of each kind.
const CAPACITIES: [Capacity; 3] = [Capacity::Zero, Capacity::Bounded(2), Capacity::Unbounded { quota: 4 }];

fn options() -> RegionOptions {
    RegionOptions::new().processes(8).threads(4).objects(8).arena(256 << 10).backstop(None)
}

fn made() -> Region {
    options().create(REGION).expect("a region")
}

fn opened() -> Region {
    options().open(REGION).expect("the director has made it")
}

fn port(region: &Region, options: &PortOptions) -> Port {
    region.port("port", options).expect("a port").with_wait(Wait::Block)
}

/// The port that the director has made.
fn found(region: &Region) -> Port {
    region.find_port("port").expect("the director has made it").with_wait(Wait::Block)
}

fn bounded() -> PortOptions {
    PortOptions::new(Capacity::Bounded(2))
}

/// A message with this number in it.
fn numbered(number: &u64) -> Message<'_> {
    Message::of(number)
}

/// The numbers of the messages that are there.
fn there(mailbox: &Mailbox) -> Vec<u64> {
    mailbox.try_iter().map(|letter| letter.read().expect("a number")).collect()
}

/// The process of an actor that is attached.
fn id_of(region: &Region, actor: &Actor) -> ParticipantId {
    let its = |participant: &selvedge::region::Participant| participant.pid == actor.pid();
    region.participants().into_iter().find(its).expect("it is attached").id()
}

/// What the processes of one test tell each other.
#[derive(Debug, Default)]
struct Board {
    ready: Mark,
    waits: Mark,
    go_on: Mark,
}

impl Board {
    fn until_waiting(&self, actor: &Actor) {
        until("somebody sleeps", || {
            assert!(!actor.is_dead(), "it was to wait");
            self.waits.get() != 0 && actor.is_asleep()
        });
    }
}

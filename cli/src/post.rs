//! `send` and `recv` over a mailbox instead of a stream: any number of both at once.
//!
//! **What is in the region.** The mailbox, whose messages are *pieces*: a line each, or with `--raw` some bytes. The *door*, a mutex
//! with three counts: senders that came; senders that were done when they left; of those who were not, how many deaths receivers
//! have been told of. And an event, *silence*: no sender is there. Who comes and who leaves does so with the door locked.
//!
//! **Why.** A mailbox outlives who sends to it: that nobody is left to send is seen at the door, and whether they were done. Who finds
//! no sender, the door locked, knows that all who came are gone. The event is there so that receivers are told at once; of a death
//! they learn when they look. And the name of the region goes with the last to leave: who has come in and finds, the door locked,
//! the region under its name, is seen by whoever would remove that.

mod receive;
mod send;

pub(crate) use receive::receive;
pub(crate) use send::send;

use crate::failure::{Failure, Stop};
use crate::interrupt::Interrupt;
use selvedge::Region;
use selvedge::message::{Capacity, Delivery, Port, PortOptions, Receivers, Succession};
use selvedge::region::{
    Event, Kind, LockError, Mutex, MutexGuard, ObjectError, ObjectErrorKind, RegionErrorKind, RegionOptions, Shared,
    Tag,
};
use std::fmt;
use std::time::Duration;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// The mailbox's name in the region, which is that of the stream where there is one.
const MAILBOX: &str = "cli";
const DOOR: &str = "cli door";
const SILENCE: &str = "cli silence";

/// How long somebody waits before looking again whether another has come.
const COME: Duration = Duration::from_millis(10);

/// The most bytes of a piece that lies in a buffer.
pub(crate) const MOST: usize = 4096;

/// The most bytes that a line can have.
pub(crate) const LONGEST: usize = 64 << 10;

/// How many lines there can be at a time that are longer than a buffer.
const PLACES: usize = 8;

/// Who came and went.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Door {
    came: u64,
    done: u64,
    /// Deaths of which receivers have been told.
    told: u64,
}

impl Shared for Door {
    const TAG: Tag = Tag::new("selvedge-cli.door/1");
}

impl Door {
    /// How many senders have died, or left before they were done, if none is there.
    fn died(&self) -> u64 {
        self.came.saturating_sub(self.done)
    }
}

/// On what terms a mailbox is made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    pub(crate) capacity: Capacity,
    /// Whether what was received is to be acknowledged.
    pub(crate) is_leased: bool,
}

impl Terms {
    fn options(self) -> PortOptions {
        let delivery = if self.is_leased { Delivery::AtLeastOnce } else { Delivery::AtMostOnce };
        PortOptions::new(self.capacity)
            .body(MOST)
            .long_bodies(PLACES, LONGEST)
            .receivers(Receivers::Several)
            .succession(Succession::Close)
            .delivery(delivery)
    }

    /// Room for the mailbox, its door and the event.
    fn arena(self) -> u64 {
        // So many buffers a mailbox has beside its capacity, at most; so large is what all else takes; and so much a message
        // takes beside its body.
        const SPARE: u64 = 64;
        const OVERHEAD: u64 = 8192;
        const BESIDE: u64 = 64 + 32;
        let piece = MOST as u64 + BESIDE;
        OVERHEAD
            + PLACES as u64 * (LONGEST as u64 + BESIDE)
            + piece
                * match self.capacity {
                    Capacity::Zero => SPARE,
                    Capacity::Bounded(capacity) => capacity as u64 + SPARE,
                    Capacity::Unbounded { quota } => quota as u64 + 1,
                }
    }
}

/// The terms of the mailbox of a region, if one is to be used: of the one that there is, or else as it is asked for.
pub(crate) fn terms_of(name: &str, wanted: Option<Terms>) -> Option<Terms> {
    // What is wrong with the region is found by whoever attaches.
    let inspection = RegionOptions::new().inspect(name).ok();
    let found = inspection.as_ref().and_then(|inspection| inspection.object(MAILBOX));
    let held = found.and_then(|object| usize::try_from(object.capacity?).ok());
    let capacity = match (found.and_then(|object| object.kind), held) {
        (Some(Kind::RendezvousMailbox), _) => Capacity::Zero,
        (Some(Kind::Mailbox), Some(capacity)) => Capacity::Bounded(capacity),
        (Some(Kind::UnboundedMailbox), Some(quota)) => Capacity::Unbounded { quota },
        _ => return wanted,
    };
    Some(Terms { capacity, is_leased: wanted.is_some_and(|wanted| wanted.is_leased) })
}

/// An end of the mailbox, and the door.
struct Post<End> {
    end: End,
    door: Mutex<Door>,
    silence: Event,
    region: Region,
}

impl<End> Post<End> {
    /// Comes to the mailbox of the region `name`, which is made on these terms if there is none; `enter` takes an end of it, and
    /// counts that.
    fn come(
        name: &str,
        terms: Terms,
        interrupt: &Interrupt,
        enter: impl Fn(Port, &mut Door, &Event) -> Result<End, String>,
    ) -> Result<Self, Stop> {
        loop {
            let options = RegionOptions::new().processes(32).threads(4).objects(8).arena(terms.arena());
            let region = options.open_or_create(name)?;
            let object = |error| Failure::Object { region: name.to_owned(), error };
            let door = region.mutex(DOOR, Door::default()).map_err(object)?;
            let silence = region.event(SILENCE).map_err(object)?;
            let mut inside = lock(name, &door, interrupt)?;
            if !region.is_named()? {
                continue;
            }
            let port = port(&region, terms).map_err(object)?;
            let refused = |error| Failure::Mailbox { region: name.to_owned(), error };
            let end = enter(port, &mut inside, &silence).map_err(refused)?;
            drop(inside);
            return Ok(Self { end, door, silence, region });
        }
    }

    fn name(&self) -> &str {
        self.region.name().unwrap_or_default()
    }

    fn lock(&self, interrupt: &Interrupt) -> Result<MutexGuard<'_, Door>, Stop> {
        lock(self.name(), &self.door, interrupt)
    }

    /// Leaves, the door locked; the name of the region goes if nothing is in it and nobody else is there: `is_last`.
    fn leave(
        self,
        is_last: impl FnOnce(&End) -> bool,
        exit: impl FnOnce(End, &Event, &mut Door),
    ) -> Result<(), Failure> {
        let name = self.name().to_owned();
        let Self { end, door, silence, region } = self;
        // Nobody keeps it locked for long; somebody who is stopped there is not waited for.
        let mut inside = match door.lock_timeout(Duration::from_secs(1)) {
            Ok(inside) => inside,
            Err(LockError::OwnerDied(mut inside)) => {
                inside.mark_consistent();
                inside
            }
            Err(error) => return Err(Failure::Mailbox { region: name, error: error.to_string() }),
        };
        let removed = if is_last(&end) { region.unlink() } else { Ok(()) };
        exit(end, &silence, &mut inside);
        drop(inside);
        match removed {
            Err(error) if !matches!(error.kind(), RegionErrorKind::NotFound | RegionErrorKind::Replaced) => {
                Err(error.into())
            }
            _ => Ok(()),
        }
    }

    fn removed(&self) -> Stop {
        Failure::Removed { region: self.name().to_owned() }.into()
    }

    fn failure(&self, error: &impl fmt::Display) -> Stop {
        Failure::Mailbox { region: self.name().to_owned(), error: error.to_string() }.into()
    }
}

/// The mailbox of this region; whoever was quicker decided on its terms.
fn port(region: &Region, terms: Terms) -> Result<Port, ObjectError> {
    match region.find_port(MAILBOX) {
        Err(error) if error.kind() == ObjectErrorKind::NotFound => region.port(MAILBOX, &terms.options()),
        found => found,
    }
}

/// Locks the door. Whoever died with it locked had counted or had not: the counts are right.
fn lock<'a>(name: &str, door: &'a Mutex<Door>, interrupt: &Interrupt) -> Result<MutexGuard<'a, Door>, Stop> {
    loop {
        interrupt.check()?;
        match door.lock_deadline(Interrupt::next_look()) {
            Ok(inside) => return Ok(inside),
            Err(LockError::OwnerDied(mut inside)) => {
                inside.mark_consistent();
                return Ok(inside);
            }
            Err(LockError::TimedOut) => {}
            Err(error) => return Err(Failure::Mailbox { region: name.to_owned(), error: error.to_string() }.into()),
        }
    }
}

//! `send` and `recv` over a channel instead of a stream: any number of both at once.
//!
//! **What is in the region.** The channel, whose messages are [pieces](Piece): a line each, or with `--raw` some bytes. And the
//! *door*, a mutex with three counts: senders that came; senders that were done when they left; of those who were not, how many
//! deaths receivers have been told of. Who comes and who leaves does so with the door locked.
//!
//! **Why.** A channel says that nobody is left to send, and not whether they were done. The counts say so: who finds no
//! sender, the door locked, knows that all who came are gone. And the name of the region goes with the last to leave: who has
//! come in and finds, the door locked, the region under its name, is seen by whoever would remove that.

mod receive;
mod send;

pub(crate) use receive::receive;
pub(crate) use send::send;

use crate::failure::{Failure, Stop};
use crate::interrupt::Interrupt;
use selvedge::Region;
use selvedge::message::Capacity;
use selvedge::region::{Kind, LockError, Mutex, MutexGuard, ObjectError, RegionErrorKind, RegionOptions, Shared, Tag};
use std::fmt;
use std::time::Duration;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// The channel's name in the region, which is that of the stream where there is one.
const CHANNEL: &str = "cli";
const DOOR: &str = "cli door";

/// How long somebody waits before looking again whether another has come.
const COME: Duration = Duration::from_millis(10);

/// The most bytes that a piece can have. With their number it takes 4 KiB.
const MOST: usize = 4088;

/// What is sent at once.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(crate) struct Piece {
    length: u64,
    bytes: [u8; MOST],
}

impl Shared for Piece {
    const TAG: Tag = Tag::new("selvedge-cli.piece/1");
}

impl Piece {
    /// A piece with as many of these bytes as fit.
    fn new(from: &[u8]) -> Self {
        let mut bytes = [0; MOST];
        bytes.iter_mut().zip(from).for_each(|(place, byte)| *place = *byte);
        Self { length: from.len().min(MOST) as u64, bytes }
    }

    /// What is in it; of one that says that it is longer than it can be, all.
    fn bytes(&self) -> &[u8] {
        let length = usize::try_from(self.length).unwrap_or(MOST).min(MOST);
        self.bytes.get(..length).unwrap_or_default()
    }
}

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

/// The channel of a region, if it is to be used: the one that there is, or else the one that is asked for.
pub(crate) fn capacity_of(name: &str, wanted: Option<Capacity>) -> Option<Capacity> {
    // What is wrong with the region is found by whoever attaches.
    let inspection = RegionOptions::new().inspect(name).ok();
    let found = inspection.as_ref().and_then(|inspection| inspection.object(CHANNEL));
    let held = found.and_then(|object| usize::try_from(object.capacity?).ok());
    match (found.and_then(|object| object.kind), held) {
        (Some(Kind::RendezvousChannel), _) => Some(Capacity::Zero),
        (Some(Kind::Channel), Some(capacity)) => Some(Capacity::Bounded(capacity)),
        (Some(Kind::UnboundedChannel), Some(quota)) => Some(Capacity::Unbounded { quota }),
        _ => wanted,
    }
}

/// Room for the channel and its door.
fn arena(capacity: Capacity) -> u64 {
    // So many buffers a channel has beside its capacity, at most; and so large is what all else takes.
    const SPARE: u64 = 64;
    const OVERHEAD: u64 = 8192;
    let piece = size_of::<Piece>() as u64;
    OVERHEAD
        + match capacity {
            Capacity::Zero => SPARE * (piece + 8),
            Capacity::Bounded(capacity) => (capacity as u64 + SPARE) * (piece + 16),
            Capacity::Unbounded { quota } => (quota as u64 + 1) * (piece + 24),
        }
}

/// An end of the channel, and the door.
struct Post<End> {
    end: End,
    door: Mutex<Door>,
    region: Region,
}

impl<End> Post<End> {
    /// Comes to an end of the channel `name`, which is made if there is none; `enter` counts that.
    fn come(
        name: &str,
        capacity: Capacity,
        interrupt: &Interrupt,
        take: impl Fn(&Region, Capacity) -> Result<End, ObjectError>,
        enter: impl Fn(&mut Door),
    ) -> Result<Self, Stop> {
        loop {
            let options = RegionOptions::new().processes(32).threads(4).objects(8).arena(arena(capacity));
            let region = options.open_or_create(name)?;
            let object = |error| Failure::Object { region: name.to_owned(), error };
            // Whoever was quicker decides.
            let capacity = capacity_of(name, Some(capacity)).unwrap_or(capacity);
            let door = region.mutex(DOOR, Door::default()).map_err(object)?;
            let mut inside = lock(name, &door, interrupt)?;
            if !region.is_named()? {
                continue;
            }
            let end = take(&region, capacity).map_err(object)?;
            enter(&mut inside);
            drop(inside);
            return Ok(Self { end, door, region });
        }
    }

    fn name(&self) -> &str {
        self.region.name().unwrap_or_default()
    }

    fn lock(&self, interrupt: &Interrupt) -> Result<MutexGuard<'_, Door>, Stop> {
        lock(self.name(), &self.door, interrupt)
    }

    /// Leaves, the door locked; the name of the region goes if nothing is in it and nobody else is there: `is_last`.
    fn leave(self, is_last: impl Fn(&End) -> bool, exit: impl Fn(&mut Door)) -> Result<(), Failure> {
        let name = self.name().to_owned();
        let Self { end, door, region } = self;
        // Nobody keeps it locked for long; somebody who is stopped there is not waited for.
        let mut inside = match door.lock_timeout(Duration::from_secs(1)) {
            Ok(inside) => inside,
            Err(LockError::OwnerDied(mut inside)) => {
                inside.mark_consistent();
                inside
            }
            Err(error) => return Err(Failure::Channel { region: name, error: error.to_string() }),
        };
        exit(&mut inside);
        let removed = if is_last(&end) { region.unlink() } else { Ok(()) };
        drop(end);
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
        Failure::Channel { region: self.name().to_owned(), error: error.to_string() }.into()
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
            Err(error) => return Err(Failure::Channel { region: name.to_owned(), error: error.to_string() }.into()),
        }
    }
}

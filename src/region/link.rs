//! The two channels between two processes.
//!
//! They are found under names that both make of both their ids: so there is one of each, whoever is first (registry, I1). A process
//! that is to come is [expected](crate::primitives::channel::Channel::expect) at its ends, so that the other is told when it dies
//! before it has come.

use super::channel::{Annexed, Grain, Way, obtain};
use super::error::ObjectError;
use super::handle::{ObjectEntry, Region};
use super::mailbox::Chunk;
use super::object::Tag;
use super::participant_id::ParticipantId;
use crate::primitives::RawQueue;
use crate::primitives::ends::End;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

const TAG: Tag = Tag::new("selvedge.link/1");
const PREFIX: &str = "link:";

/// This process's end of a link.
pub(crate) struct Ways {
    pub(crate) out: Box<dyn Way<Chunk>>,
    pub(crate) back: Box<dyn Way<Chunk>>,
    region: Region,
    peer: ParticipantId,
}

/// How many handles this process has of each link that it has had one of, since when the other process lived.
#[derive(Debug, Default)]
pub(crate) struct Links(Mutex<BTreeMap<ParticipantId, usize>>);

impl Links {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<ParticipantId, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Those of which there is no handle any more, and of which that holds.
    fn idle(&self, of: impl Fn(ParticipantId) -> bool) -> Vec<ParticipantId> {
        let is_idle = |(peer, count): (&ParticipantId, &usize)| (*count == 0 && of(*peer)).then_some(*peer);
        self.lock().iter().filter_map(is_idle).collect()
    }
}

/// Why there is no link.
pub(crate) enum LinkRefusal {
    /// The other process is not attached any more, and has left nothing to be received.
    Gone,
    Object(ObjectError),
}

/// The name of the channel from one process to the other.
fn name_of(from: ParticipantId, to: ParticipantId) -> String {
    let [from_bits, to_bits] = [from, to].map(ParticipantId::to_bits);
    format!("{PREFIX}{from_bits:x}>{to_bits:x}")
}

/// The processes between which the channel of this name is, if it is one of a link.
fn pair_of(name: &str) -> Option<[ParticipantId; 2]> {
    let (from, to) = name.strip_prefix(PREFIX)?.split_once('>')?;
    let id = |digits| u64::from_str_radix(digits, 16).ok().map(ParticipantId::from_bits);
    Some([id(from)?, id(to)?])
}

/// What a link holds each way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Extent {
    pub(crate) capacity: usize,
    /// Chunks of a message.
    pub(crate) each: usize,
    /// Places for messages with more chunks.
    pub(crate) annexed: Annexed,
}

/// This process's end of the link with another one.
pub(crate) fn open(region: &Region, peer: ParticipantId, extent: Extent) -> Result<Ways, LinkRefusal> {
    let (core, me) = (region.core(), region.participant_id());
    // Before it is looked what there is: what the other makes later somebody has to take away.
    let is_attached = core.participants().is_attached(peer.claim());
    let objects = region.objects()?;
    sweep(region, &objects);
    let was_made = objects.iter().any(|object| object.name == name_of(peer, me));
    if !was_made && !is_attached {
        return Err(LinkRefusal::Gone);
    }
    *core.links().lock().entry(peer).or_default() += 1;
    // It counts as one of this process's from here on.
    let ways = established(region, peer, extent);
    if ways.is_err() {
        less(region, peer);
    }
    ways
}

fn established(
    region: &Region,
    peer: ParticipantId,
    Extent { capacity, each, annexed }: Extent,
) -> Result<Ways, LinkRefusal> {
    let me = region.participant_id();
    let end = |from, to, end| {
        let name = name_of(from, to);
        let refused = |kind| ObjectError::new(&name, kind);
        let grain = Grain { tag: annexed.tag(TAG).map_err(refused)?, each, annexed };
        obtain::<RawQueue, Chunk>(region, &name, capacity, grain, end)
            .map_err(|error| refused(Annexed::told(TAG, error.kind())))
    };
    let (out, back) = (end(me, peer, End::Senders)?, end(peer, me, End::Receivers)?);
    let receives = out.expect(End::Receivers, peer.claim());
    let sends = back.expect(End::Senders, peer.claim());
    if !(receives && sends) && Way::len(&back) == 0 {
        return Err(LinkRefusal::Gone);
    }
    Ok(Ways { out: Box::new(out), back: Box::new(back), region: region.clone(), peer })
}

/// Takes the names of links away to which nobody can come any more: those of which both processes have ended, and those that this one
/// has had, of which the other has.
fn sweep(region: &Region, objects: &[ObjectEntry]) {
    let table = region.core().participants();
    let ended = |id: ParticipantId| !table.is_attached(id.claim());
    for object in objects {
        if pair_of(&object.name).is_some_and(|pair| pair.into_iter().all(ended)) {
            // Another may have been faster.
            let _ = region.remove_object(&object.name);
        }
    }
    for peer in region.core().links().idle(ended) {
        forget(region, peer);
    }
}

/// Takes the names of the link with a process away that has ended, and of which this one has no handle any more.
fn forget(region: &Region, peer: ParticipantId) {
    let me = region.participant_id();
    for name in [name_of(me, peer), name_of(peer, me)] {
        let _ = region.remove_object(&name);
    }
    region.core().links().lock().remove(&peer);
}

/// One handle less. The link may be of no use any more.
fn less(region: &Region, peer: ParticipantId) {
    let left = region.core().links().lock().get_mut(&peer).map_or(0, |count| {
        *count = count.saturating_sub(1);
        *count
    });
    let is_over = left == 0 && !region.core().participants().is_attached(peer.claim());
    if is_over && region.core().attachment().is_original() {
        forget(region, peer);
    }
}

impl Drop for Ways {
    fn drop(&mut self) {
        less(&self.region, self.peer);
    }
}

impl From<ObjectError> for LinkRefusal {
    fn from(error: ObjectError) -> Self {
        Self::Object(error)
    }
}

//! How much has gone through an object, as far as its own words count it.
//!
//! **Purpose.** Who looks twice and compares knows how fast something goes. Nothing is counted for that purpose: what is told here
//! are positions, turns and versions that the algorithms need themselves, so being watched costs an object nothing.
//!
//! **What there is.** Each word lies where the header of the primitive's file says, from the beginning of the object. (In a
//! channel the line comes behind the ends, in a mailbox behind the right and the ends.)
//!
//! | kind | counter | word, and which bits of it | comes round after |
//! |---|---|---|---|
//! | ring, stream | sent, received | `u32` at 0 and 128, bits 0 to 29 | twice the capacity |
//! | queue, work queue, channel, mailbox | sent, received | `u64` at 16 and 0 | never |
//! | unbounded queue, channel and mailbox | sent | `u64` at 16, from bit 20 | 2⁴⁴ |
//! | | received | `u64` at 0, from bit 35 | 2²⁹ |
//! | rendezvous, its channel and mailbox | exchanges | `u64` at 0, from bit 28 | 2³⁶ |
//! | pool | taken | of each buffer a `u64`, from bit 19: a change for each take, and one for each return | never |
//! | condition variable | notifications | `u32` at 0, bits 0 to 30 | 2³¹ |
//! | barrier | rounds | `u32` at 0, bits 14 to 27 | 2¹⁴ |
//! | readers-writer lock | writes | `u32` at 4, from bit 5 | 2²⁷ |
//! | effects | changes | `u32` at 4 | 2³² |
//!
//! Received of a work queue is what somebody got for the first time: what came back and was received again is not in it. An
//! exchange that was given up, since its time had passed or who waited had died, is one, too; so is the notification that a death
//! is, and what repairs change of a lock.

use super::super::kind::Kind;
use super::super::memory::Memory;
use crate::primitives::registry::Extent;
use crate::primitives::{RawEnds, RawMailbox, RawPool, RawQueue, RawRendezvous, RawUnbounded};

/// Something that an object counts.
///
/// ```
/// use selvedge::Region;
///
/// let region = Region::anonymous()?;
/// let orders = region.queue::<u64>("orders", 8)?;
/// let before = region.inspect();
/// (0..5).try_for_each(|order| orders.send(order))?;
/// orders.recv()?;
/// let after = region.inspect();
/// let counted = |index: usize| {
///     let (now, then) = (&after.objects[0].counters[index], &before.objects[0].counters[index]);
///     (now.what, now.since(then))
/// };
/// assert_eq!(counted(0), ("sent", Some(5)));
/// assert_eq!(counted(1), ("received", Some(1)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counter {
    /// What is counted: `sent` and `received` messages, or bytes of a stream; `exchanges` of a rendezvous, those that were given up
    /// included; how often a buffer was `taken`; `notifications`; `rounds` of a barrier; `writes` of a readers-writer lock;
    /// `changes` of a value by messages.
    pub what: &'static str,
    /// How many there have been, modulo `range`.
    pub value: u64,
    /// The counter comes round after so many; `None`: not in anybody's lifetime.
    pub range: Option<u64>,
}

impl Counter {
    fn new(what: &'static str, value: u64) -> Self {
        Self { what, value, range: None }
    }

    fn round(what: &'static str, value: u64, range: u64) -> Self {
        // Of damaged memory, too, it is within the range.
        Self { what, value: value.checked_rem(range).unwrap_or(0), range: Some(range) }
    }

    /// How many there have been since an earlier look, if it was a look at the same object: `None` if it cannot have been.
    ///
    /// If the counter may have come round meanwhile, it is so many at least: of a ring after twice its capacity of messages.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Option<u64> {
        if (self.what, self.range) != (earlier.what, earlier.range) {
            return None;
        }
        match self.range {
            None => self.value.checked_sub(earlier.value),
            Some(range) if self.value < earlier.value => Some(self.value + range - earlier.value),
            Some(_) => Some(self.value - earlier.value),
        }
    }
}

/// What the object in this extent counts.
pub(super) fn of(memory: &Memory, extent: Extent) -> Vec<Counter> {
    Kind::from_number(extent.shape.kind).and_then(|kind| counted(memory, extent, kind)).unwrap_or_default()
}

fn counted(memory: &Memory, extent: Extent, kind: Kind) -> Option<Vec<Counter>> {
    const ENDS: usize = size_of::<RawEnds>();
    let short = |at| memory.word_in_passing(extent, at);
    Some(match kind {
        Kind::Ring | Kind::Stream => {
            let range = extent.shape.capacity.checked_mul(2)?;
            let position = |at| Some(u64::from(short(at)? & ((1 << 30) - 1)));
            vec![Counter::round("sent", position(0)?, range), Counter::round("received", position(128)?, range)]
        }
        Kind::Queue | Kind::WorkQueue => queue(memory, extent, 0)?,
        Kind::Channel => queue(memory, extent, ENDS)?,
        Kind::Mailbox => queue(memory, extent, RawMailbox::<RawQueue>::CHANNEL + ENDS)?,
        Kind::Unbounded => unbounded(memory, extent, 0)?,
        Kind::UnboundedChannel => unbounded(memory, extent, ENDS)?,
        Kind::UnboundedMailbox => unbounded(memory, extent, RawMailbox::<RawUnbounded>::CHANNEL + ENDS)?,
        Kind::Rendezvous => rendezvous(memory, extent, 0)?,
        Kind::RendezvousChannel => rendezvous(memory, extent, ENDS)?,
        Kind::RendezvousMailbox => rendezvous(memory, extent, RawMailbox::<RawRendezvous>::CHANNEL + ENDS)?,
        Kind::Pool => {
            let (_, buffers) = memory.look::<RawPool>(kind, extent)?;
            let taken = buffers.iter().map(|buffer| (buffer.peek() >> 20).div_ceil(2));
            vec![Counter::new("taken", taken.fold(0, u64::wrapping_add))]
        }
        Kind::Condvar => vec![Counter::round("notifications", (short(0)? & ((1 << 31) - 1)).into(), 1 << 31)],
        Kind::Barrier => vec![Counter::round("rounds", u64::from(short(0)? >> 14) & ((1 << 14) - 1), 1 << 14)],
        Kind::RwLock => vec![Counter::round("writes", (short(4)? >> 5).into(), 1 << 27)],
        Kind::Effects => vec![Counter::round("changes", short(4)?.into(), 1 << 32)],
        Kind::Mutex
        | Kind::Semaphore
        | Kind::Segment
        | Kind::Event
        | Kind::Once
        | Kind::OwnedSemaphore
        | Kind::ProcessName => Vec::new(),
    })
}

fn queue(memory: &Memory, extent: Extent, line: usize) -> Option<Vec<Counter>> {
    // The head first: it is not to be beyond the tail.
    let (head, tail) = (memory.long_in_passing(extent, line)?, memory.long_in_passing(extent, line + 16)?);
    Some(vec![Counter::new("sent", tail), Counter::new("received", head)])
}

fn unbounded(memory: &Memory, extent: Extent, line: usize) -> Option<Vec<Counter>> {
    let (head, tail) = (memory.long_in_passing(extent, line)?, memory.long_in_passing(extent, line + 16)?);
    Some(vec![Counter::round("sent", tail >> 20, 1 << 44), Counter::round("received", head >> 35, 1 << 29)])
}

fn rendezvous(memory: &Memory, extent: Extent, line: usize) -> Option<Vec<Counter>> {
    Some(vec![Counter::round("exchanges", memory.long_in_passing(extent, line)? >> 28, 1 << 36)])
}

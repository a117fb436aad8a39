//! Where things lie in the body of a region.
//!
//! **Layout**, in this order, each aligned as its type demands (at least to a cache line):
//!
//! | what | how many |
//! |---|---|
//! | [`Membership`] | 1 |
//! | [`ProcessEntry`] | `processes` |
//! | [`ThreadEntry`] | `processes × threads` |
//! | the registry's lock, a [`RawMutex`] | 1 |
//! | [`RegistryEntry`] | `objects` |
//! | arena: extents of objects | `arena` bytes |
//!
//! The layout hash in the header is over the sizes, alignments and places of all of these, over the sizes of the
//! control blocks and how many kinds of them there are: two builds that would see a region differently refuse each other's.

use super::error::RegionErrorKind;
use super::header::BODY_OFFSET;
use super::kind::Kind;
use super::limits::{Layout, Limits};
use crate::primitives::participants::{Membership, ProcessEntry, ThreadEntry};
use crate::primitives::registry::RegistryEntry;
use crate::primitives::{
    RawBarrier, RawCommit, RawCondvar, RawEvent, RawMutex, RawOnce, RawOwnedSemaphore, RawPool, RawQueue,
    RawRendezvous, RawRight, RawRing, RawRwLock, RawSemaphore, RawUnbounded,
};
use core::mem::offset_of;

/// Extents begin on a cache-line pair, so that neighbours do not share what the prefetcher fetches together.
pub(crate) const ARENA_ALIGN: u64 = 128;

/// Offsets from the beginning of the region, in bytes, and counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Offsets {
    pub(crate) membership: usize,
    pub(crate) processes: usize,
    pub(crate) process_count: usize,
    pub(crate) threads: usize,
    pub(crate) thread_count: usize,
    pub(crate) lock: usize,
    pub(crate) entries: usize,
    pub(crate) entry_count: usize,
    pub(crate) arena: usize,
    pub(crate) arena_bytes: u64,
}

/// Lays out one thing after another.
struct Cursor(usize);

impl Cursor {
    fn place<T>(&mut self, count: usize) -> Option<usize> {
        let start = self.0.checked_next_multiple_of(align_of::<T>().max(64))?;
        self.0 = start.checked_add(size_of::<T>().checked_mul(count)?)?;
        Some(start)
    }
}

impl Offsets {
    /// The places for these limits, and the end of it all; `None` if no memory is that large.
    pub(crate) fn of(limits: &Limits) -> Option<(Self, usize)> {
        let process_count = usize::try_from(limits.processes).ok()?;
        let thread_count = process_count.checked_mul(usize::try_from(limits.threads).ok()?)?;
        let entry_count = usize::try_from(limits.objects).ok()?;
        let mut cursor = Cursor(BODY_OFFSET);
        let membership = cursor.place::<Membership>(1)?;
        let processes = cursor.place::<ProcessEntry>(process_count)?;
        let threads = cursor.place::<ThreadEntry>(thread_count)?;
        let lock = cursor.place::<RawMutex>(1)?;
        let entries = cursor.place::<RegistryEntry>(entry_count)?;
        let arena = cursor.0.checked_next_multiple_of(usize::try_from(ARENA_ALIGN).ok()?)?;
        let end = arena.checked_add(usize::try_from(limits.arena).ok()?)?;
        let arena_bytes = limits.arena;
        let offsets = Self {
            membership,
            processes,
            process_count,
            threads,
            thread_count,
            lock,
            entries,
            entry_count,
            arena,
            arena_bytes,
        };
        Some((offsets, end))
    }
}

/// The layout for the header: what the body needs, and a hash of what lies where.
pub(crate) fn layout_of(limits: &Limits) -> Result<Layout, RegionErrorKind> {
    limits.check()?;
    let too_large = RegionErrorKind::BadLimit { what: "bytes of arena", given: limits.arena, most: 1 << 46 };
    let Some((offsets, end)) = Offsets::of(limits).filter(|_| limits.arena <= 1 << 46) else {
        return Err(too_large);
    };
    let parts = [
        size_of::<usize>(),
        usize::from(cfg!(target_endian = "little")),
        offsets.membership,
        offsets.processes,
        offsets.threads,
        offsets.lock,
        offsets.entries,
        offsets.arena,
        size_of::<ProcessEntry>(),
        offset_of!(ProcessEntry, left),
        size_of::<ThreadEntry>(),
        // Who does not know it takes what is offered under it for nothing.
        offset_of!(ThreadEntry, choice),
        size_of::<RegistryEntry>(),
        size_of::<RawMutex>(),
        size_of::<RawSemaphore>(),
        size_of::<RawRing>(),
        size_of::<RawEvent>(),
        size_of::<RawCondvar>(),
        size_of::<RawBarrier>(),
        size_of::<RawOnce>(),
        size_of::<RawOwnedSemaphore>(),
        size_of::<RawRwLock>(),
        size_of::<RawPool>(),
        size_of::<RawQueue>(),
        size_of::<RawUnbounded>(),
        size_of::<RawRendezvous>(),
        size_of::<RawRight>(),
        size_of::<RawCommit>(),
        // Who does not know a kind cannot repair what the dead leave of it.
        Kind::ALL.len(),
    ];
    let bytes: Vec<u8> = parts.into_iter().flat_map(|part| (part as u64).to_le_bytes()).collect();
    Ok(Layout { hash: fnv(&bytes), body: (end - BODY_OFFSET) as u64 })
}

/// FNV-1a, 64 bits (Fowler, Noll, Vo): stable across builds, which `std`'s hashers are not.
pub(crate) const fn fnv(bytes: &[u8]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut rest = bytes;
    while let [first, others @ ..] = rest {
        hash = (hash ^ *first as u64).wrapping_mul(0x0100_0000_01b3);
        rest = others;
    }
    hash
}

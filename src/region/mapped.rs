//! The memory of a region: control blocks in a shared mapping.
//!
//! **Invariants.**
//! - I1: everything but the arena was initialised before anybody else could map the region (`write_empty`, called
//!   while the file has no name), and consists of sync-layer words and cells, for which every pattern of bits is valid.
//! - I2: an extent holds a control block of its kind and its slots from before its entry is READY, for ever (registry,
//!   I2 and I3). Payload is of types for which every pattern of bits is valid (`zerocopy::FromBytes`).
//! - I3: the mapping lives as long as `self`, and references handed out borrow `self`.

use super::error::RegionErrorKind;
use super::file::RegionFile;
use super::kind::Kind;
use super::layout::{ARENA_ALIGN, Offsets};
use super::limits::Limits;
use super::object::{Control, Counts, Parts, offsets_of};
use super::os::memory::Mapping;
use crate::primitives::participants::{Membership, ProcessEntry, ThreadEntry};
use crate::primitives::registry::{self, Extent, NAME_MAX, Name, Registry, RegistryEntry};
use crate::primitives::waiting::{ObjectId, awaited};
use crate::primitives::{
    Objects, Participants, RawBarrier, RawChannel, RawCommit, RawCondvar, RawEvent, RawMailbox, RawMutex, RawOnce,
    RawOwnedSemaphore, RawPool, RawQueue, RawRendezvous, RawRight, RawRing, RawRwLock, RawSemaphore, RawUnbounded,
    Repair,
};
use crate::sync::AtomicU32;
use core::ptr::NonNull;
use core::slice;

/// A mapped region.
#[derive(Debug)]
pub(crate) struct Memory {
    file: RegionFile,
    offsets: Offsets,
    membership: NonNull<Membership>,
    processes: NonNull<ProcessEntry>,
    threads: NonNull<ThreadEntry>,
    lock: NonNull<RawMutex>,
    entries: NonNull<RegistryEntry>,
}

// SAFETY: the pointers lead into the mapping, which `file` owns; what lies there is shared between processes and is
// accessed through sync-layer words and cells only.
unsafe impl Send for Memory {}
// SAFETY: as above.
unsafe impl Sync for Memory {}

/// Fills in the body of a region that nobody else can see yet.
pub(crate) fn write_empty(mapping: &Mapping, limits: &Limits) -> Result<(), RegionErrorKind> {
    let beyond = || RegionErrorKind::TooSmall { needed: u64::MAX, given: mapping.size() as u64 };
    let (offsets, _) = Offsets::of(limits).ok_or_else(beyond)?;
    write_all(mapping.array_at(offsets.membership, 1), 1, Membership::new).ok_or_else(beyond)?;
    write_all(mapping.array_at(offsets.processes, offsets.process_count), offsets.process_count, ProcessEntry::new)
        .ok_or_else(beyond)?;
    write_all(mapping.array_at(offsets.threads, offsets.thread_count), offsets.thread_count, ThreadEntry::new)
        .ok_or_else(beyond)?;
    write_all(mapping.array_at(offsets.lock, 1), 1, RawMutex::new).ok_or_else(beyond)?;
    write_all(mapping.array_at(offsets.entries, offsets.entry_count), offsets.entry_count, RegistryEntry::new)
        .ok_or_else(beyond)
}

/// Writes `count` new values from `first` on.
fn write_all<T>(first: Option<NonNull<T>>, count: usize, new: impl Fn() -> T) -> Option<()> {
    let first = first?;
    for index in 0..count {
        // SAFETY: the caller found room for `count` values at `first`.
        let place = unsafe { first.add(index) };
        // SAFETY: mapped for writing, aligned, and nobody else knows of it.
        unsafe { place.write(new()) };
    }
    Some(())
}

impl Memory {
    /// The memory of a region that was mapped and checked.
    pub(crate) fn new(file: RegionFile) -> Option<Self> {
        let (offsets, end) = Offsets::of(&file.limits())?;
        let mapping = file.mapping();
        (end <= mapping.size()).then_some(())?;
        Some(Self {
            membership: mapping.array_at(offsets.membership, 1)?,
            processes: mapping.array_at(offsets.processes, offsets.process_count)?,
            threads: mapping.array_at(offsets.threads, offsets.thread_count)?,
            lock: mapping.array_at(offsets.lock, 1)?,
            entries: mapping.array_at(offsets.entries, offsets.entry_count)?,
            file,
            offsets,
        })
    }

    pub(crate) fn file(&self) -> &RegionFile {
        &self.file
    }

    pub(crate) fn participants(&self) -> Option<Participants<'_>> {
        // SAFETY: initialised (I1), mapped as long as `self` (I3).
        let membership = unsafe { self.membership.as_ref() };
        // SAFETY: as above; the count is the one that `array_at` checked.
        let processes = unsafe { slice::from_raw_parts(self.processes.as_ptr(), self.offsets.process_count) };
        // SAFETY: as above.
        let threads = unsafe { slice::from_raw_parts(self.threads.as_ptr(), self.offsets.thread_count) };
        Participants::new(membership, processes, threads)
    }

    pub(crate) fn registry(&self) -> Registry<'_> {
        // SAFETY: as in participants.
        let lock = unsafe { self.lock.as_ref() };
        // SAFETY: as in participants.
        let entries = unsafe { slice::from_raw_parts(self.entries.as_ptr(), self.offsets.entry_count) };
        Registry::new(lock, entries, self.offsets.arena_bytes)
    }

    /// Initialises an object in a new extent: its control block, words and slots.
    pub(crate) fn write<C: Control, S>(
        &self,
        extent: Extent,
        control: C,
        counts: Counts,
        word: &dyn Fn(usize) -> C::Word,
        slot: &mut dyn FnMut(usize) -> S,
    ) {
        let Some((block, words, slots)) = self.find::<C, S>(extent, counts) else { return };
        // SAFETY: in the mapping and aligned (`find`); the registry's lock is held and the entry is not READY, so
        // nobody else has a reference to the extent (registry, I2 and I4).
        unsafe { block.write(control) };
        for index in 0..words.len() {
            // SAFETY: `find` found room for so many words.
            let place = unsafe { words.cast::<C::Word>().add(index) };
            // SAFETY: as above.
            unsafe { place.write(word(index)) };
        }
        for index in 0..slots.len() {
            // SAFETY: `find` found room for so many slots.
            let place = unsafe { slots.cast::<S>().add(index) };
            // SAFETY: as above.
            unsafe { place.write(slot(index)) };
        }
    }

    /// The parts of an object, which has the shape that the handle asked for.
    pub(crate) fn find<C: Control, S>(&self, extent: Extent, counts: Counts) -> Option<Parts<C, S>> {
        let offset = usize::try_from(extent.offset).ok()?;
        let ([words, slots, end], all_words) = (offsets_of::<C, S>(counts)?, counts.all_words()?);
        // The extent came from shared memory: it is believed only as far as it stays within the arena.
        let fits = end <= usize::try_from(extent.shape.bytes).ok()?
            && extent.offset.checked_add(extent.shape.bytes)? <= self.offsets.arena_bytes;
        fits.then_some(())?;
        let start = self.offsets.arena.checked_add(offset)?;
        let mapping = self.file.mapping();
        Some((
            mapping.at(start)?,
            NonNull::slice_from_raw_parts(mapping.array_at(start.checked_add(words)?, all_words)?, all_words),
            NonNull::slice_from_raw_parts(mapping.array_at(start.checked_add(slots)?, counts.slots)?, counts.slots),
        ))
    }

    /// The name of an entry, copied word by word without the registry's lock: torn, if somebody is writing it.
    pub(crate) fn name_in_passing(&self, index: usize) -> Option<Name> {
        let entry = index.checked_mul(size_of::<RegistryEntry>())?.checked_add(self.offsets.entries)?;
        let start = entry.checked_add(RegistryEntry::NAME_AT)?;
        (index < self.offsets.entry_count).then_some(())?;
        let mut name = [0; NAME_MAX];
        for (number, bytes) in name.chunks_exact_mut(size_of::<u64>()).enumerate() {
            // Of the bytes of a name there is no other reference in this process: the lock's holder writes through a pointer.
            let word = self.file.mapping().word(start + number * size_of::<u64>())?;
            bytes.copy_from_slice(&word.peek().to_ne_bytes());
        }
        Some(name)
    }

    /// The control block of an object of this kind and its words, to be read or repaired.
    pub(crate) fn look<C: Control>(&self, kind: Kind, extent: Extent) -> Option<(&C, &[C::Word])> {
        let capacity = usize::try_from(extent.shape.capacity).ok()?;
        let words = kind.counts(capacity, self.offsets.thread_count)?.words;
        // What lies behind the words is not looked at.
        let (control, words, _) = self.find::<C, ()>(extent, Counts { words, slots: 0, beyond: 0 })?;
        // SAFETY: an extent of that kind holds that control block (I2), mapped as long as `self` (I3).
        let control = unsafe { control.as_ref() };
        // SAFETY: and that many words, which lie in the extent (`find`).
        let words = unsafe { words.as_ref() };
        Some((control, words))
    }

    /// Where the word lies that begins so many bytes from the beginning of an object.
    fn place_of(&self, extent: Extent, at: usize, bytes: usize) -> Option<usize> {
        // As in `find`: the extent is believed only as far as it stays within the arena.
        let fits = at.checked_add(bytes)? <= usize::try_from(extent.shape.bytes).ok()?
            && extent.offset.checked_add(extent.shape.bytes)? <= self.offsets.arena_bytes;
        fits.then_some(())?;
        self.offsets.arena.checked_add(usize::try_from(extent.offset).ok()?)?.checked_add(at)
    }

    /// The `u64` that lies `at` bytes from the beginning of an object's control block, as of a moment ago.
    pub(crate) fn long_in_passing(&self, extent: Extent, at: usize) -> Option<u64> {
        Some(self.file.mapping().word(self.place_of(extent, at, size_of::<u64>())?)?.peek())
    }

    /// The `u32` that lies `at` bytes from the beginning of an object's control block, as of a moment ago.
    pub(crate) fn word_in_passing(&self, extent: Extent, at: usize) -> Option<u32> {
        let word = self.file.mapping().at::<AtomicU32>(self.place_of(extent, at, size_of::<u32>())?)?;
        // SAFETY: in the mapping and aligned (`at`), which lives as long as `self` (I3); control blocks consist of such words.
        Some(unsafe { word.as_ref() }.peek())
    }

    /// Calls `visit` with what there is to repair of an object.
    fn repair(&self, extent: Extent, visit: &mut dyn FnMut(&dyn Repair)) {
        let Some(kind) = Kind::from_number(extent.shape.kind) else { return };
        let repaired = match kind {
            Kind::Mutex => self.repair_as::<RawMutex>(kind, extent, visit),
            Kind::Semaphore => self.repair_as::<RawSemaphore>(kind, extent, visit),
            Kind::Ring | Kind::Stream => self.repair_as::<RawRing>(kind, extent, visit),
            Kind::Event => self.repair_as::<RawEvent>(kind, extent, visit),
            Kind::Condvar => self.repair_as::<RawCondvar>(kind, extent, visit),
            Kind::Once => self.repair_as::<RawOnce>(kind, extent, visit),
            Kind::Barrier => self.repair_as::<RawBarrier>(kind, extent, visit),
            Kind::OwnedSemaphore => self.repair_as::<RawOwnedSemaphore>(kind, extent, visit),
            Kind::RwLock => self.repair_as::<RawRwLock>(kind, extent, visit),
            Kind::Pool => self.repair_as::<RawPool>(kind, extent, visit),
            Kind::Queue | Kind::WorkQueue => self.repair_as::<RawQueue>(kind, extent, visit),
            Kind::Unbounded => self.repair_as::<RawUnbounded>(kind, extent, visit),
            Kind::Rendezvous => self.repair_as::<RawRendezvous>(kind, extent, visit),
            Kind::Channel => self.repair_as::<RawChannel<RawQueue>>(kind, extent, visit),
            Kind::UnboundedChannel => self.repair_as::<RawChannel<RawUnbounded>>(kind, extent, visit),
            Kind::RendezvousChannel => self.repair_as::<RawChannel<RawRendezvous>>(kind, extent, visit),
            Kind::Mailbox => self.repair_as::<RawMailbox<RawQueue>>(kind, extent, visit),
            Kind::UnboundedMailbox => self.repair_as::<RawMailbox<RawUnbounded>>(kind, extent, visit),
            Kind::RendezvousMailbox => self.repair_as::<RawMailbox<RawRendezvous>>(kind, extent, visit),
            Kind::ProcessName => self.repair_as::<RawRight>(kind, extent, visit),
            Kind::Effects => self.repair_as::<RawCommit>(kind, extent, visit),
            Kind::Segment => None,
        };
        // An extent that contradicts itself is damaged memory: its handles say so.
        let _: Option<()> = repaired;
    }

    fn repair_as<C: Control>(&self, kind: Kind, extent: Extent, visit: &mut dyn FnMut(&dyn Repair)) -> Option<()> {
        let (control, words) = self.look::<C>(kind, extent)?;
        control.repair(words, visit);
        Some(())
    }
}

impl Objects for Memory {
    /// Those first on which somebody sleeps, who is woken at once, where there are many others. Whoever falls asleep meanwhile
    /// is found by the walk when all are repaired.
    fn for_each(&self, visit: &mut dyn FnMut(&dyn Repair)) {
        let registry = self.registry();
        let extent = |object| registry.extent(registry::index_of(object)?);
        for extent in self.participants().into_iter().flat_map(awaited).filter_map(extent) {
            self.repair(extent, &mut |object| {
                visit(object);
                object.wake_all();
            });
        }
        visit(&registry);
        registry.for_each(&mut |_, extent| {
            self.repair(extent, visit);
        });
    }

    fn wake(&self, object: ObjectId) {
        let registry = self.registry();
        if object == registry::LOCK {
            registry.wake_all();
        } else if let Some(extent) = registry::index_of(object).and_then(|index| registry.extent(index)) {
            self.repair(extent, &mut |object| object.wake_all());
        }
    }
}

const _: () = assert!(ARENA_ALIGN.is_power_of_two());

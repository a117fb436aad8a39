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
use super::layout::{ARENA_ALIGN, Offsets};
use super::limits::Limits;
use super::object::{Control, Kind, slots_offset};
use super::os::memory::Mapping;
use crate::primitives::participants::{Membership, ProcessEntry, ThreadEntry};
use crate::primitives::registry::{self, Extent, NAME_MAX, Name, Registry, RegistryEntry};
use crate::primitives::waiting::ObjectId;
use crate::primitives::{
    Objects, Participants, RawBarrier, RawCondvar, RawEvent, RawMutex, RawOnce, RawRing, RawSemaphore, Repair,
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

    /// Initialises an object in a new extent: its control block and `count` slots.
    pub(crate) fn write<C: Control<S>, S>(
        &self,
        extent: Extent,
        control: C,
        count: usize,
        slot: &mut dyn FnMut(usize) -> S,
    ) {
        let Some((block, slots)) = self.places::<C, S>(extent, count) else { return };
        // SAFETY: in the mapping and aligned (`places`); the registry's lock is held and the entry is not READY, so
        // nobody else has a reference to the extent (registry, I2 and I4).
        unsafe { block.write(control) };
        for index in 0..count {
            // SAFETY: `places` found room for `count` slots.
            let place = unsafe { slots.add(index) };
            // SAFETY: as above.
            unsafe { place.write(slot(index)) };
        }
    }

    /// The control block and slots of an object, which has the shape that the handle asked for.
    pub(crate) fn find<C: Control<S>, S>(
        &self,
        _index: usize,
        extent: Extent,
        count: usize,
    ) -> Option<(NonNull<C>, NonNull<[S]>)> {
        let (block, slots) = self.places::<C, S>(extent, count)?;
        Some((block, NonNull::slice_from_raw_parts(slots, count)))
    }

    fn places<C, S>(&self, extent: Extent, count: usize) -> Option<(NonNull<C>, NonNull<S>)> {
        let offset = usize::try_from(extent.offset).ok()?;
        let bytes = usize::try_from(extent.shape.bytes).ok()?;
        let slots = slots_offset::<C, S>();
        // The extent came from shared memory: it is believed only as far as it stays within the arena.
        let fits = slots.checked_add(size_of::<S>().checked_mul(count)?)? <= bytes
            && extent.offset.checked_add(extent.shape.bytes)? <= self.offsets.arena_bytes;
        let start = self.offsets.arena.checked_add(offset)?;
        let mapping = self.file.mapping();
        fits.then_some(())?;
        Some((mapping.at(start)?, mapping.array_at(start.checked_add(slots)?, count)?))
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

    /// The control block of an object and `count` slots of it, to be read.
    pub(crate) fn look<C: Control<S>, S>(&self, extent: Extent, count: usize) -> Option<(&C, &[S])> {
        let (control, slots) = self.places::<C, S>(extent, count)?;
        // SAFETY: an extent of that kind holds that control block (I2), mapped as long as `self` (I3).
        let control = unsafe { control.as_ref() };
        // SAFETY: and that many slots, which lie in the extent (`places`).
        let slots = unsafe { slice::from_raw_parts(slots.as_ptr(), count) };
        Some((control, slots))
    }

    /// Calls `visit` with what there is to repair of an object.
    fn repair(&self, extent: Extent, visit: &mut dyn FnMut(&dyn Repair)) {
        // What slots a control block does not need for that are not looked for.
        let repaired = match Kind::from_number(extent.shape.kind) {
            Some(Kind::Mutex) => self.repair_as::<RawMutex, ()>(extent, visit),
            Some(Kind::Semaphore) => self.repair_as::<RawSemaphore, ()>(extent, visit),
            Some(Kind::Ring | Kind::Stream) => self.repair_as::<RawRing, ()>(extent, visit),
            Some(Kind::Event) => self.repair_as::<RawEvent, ()>(extent, visit),
            Some(Kind::Condvar) => self.repair_as::<RawCondvar, ()>(extent, visit),
            Some(Kind::Once) => self.repair_as::<RawOnce, ()>(extent, visit),
            Some(Kind::Barrier) => self.repair_as::<RawBarrier, AtomicU32>(extent, visit),
            Some(Kind::Segment) | None => None,
        };
        // An extent that contradicts itself is damaged memory: its handles say so.
        let _: Option<()> = repaired;
    }

    fn repair_as<C: Control<S>, S>(&self, extent: Extent, visit: &mut dyn FnMut(&dyn Repair)) -> Option<()> {
        let count = if size_of::<S>() == 0 { 0 } else { usize::try_from(extent.shape.capacity).ok()? };
        let (control, slots) = self.look::<C, S>(extent, count)?;
        control.repair(slots, visit);
        Some(())
    }
}

impl Objects for Memory {
    fn for_each(&self, visit: &mut dyn FnMut(&dyn Repair)) {
        let registry = self.registry();
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

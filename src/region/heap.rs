//! The memory of a region under `--cfg loom`: control blocks on the heap of one process.
//!
//! **Invariants.** I1: an object stays where it is from the moment it was written until `self` is dropped; an extent that
//! serves another object of the same shape gets a new place, and the old one is kept.

use super::layout::Offsets;
use super::limits::Limits;
use super::object::{Control, Counts, Parts};
use crate::primitives::participants::{Membership, ProcessEntry, ThreadEntry};
use crate::primitives::registry::{self, Extent, Registry, RegistryEntry};
use crate::primitives::waiting::ObjectId;
use crate::primitives::{Objects, Participants, RawMutex, Repair};
use core::any::Any;
use core::ptr::NonNull;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// An object: its control block, its words and its slots.
struct Block<C: Control, S> {
    control: C,
    words: Box<[C::Word]>,
    /// How many of them are to be repaired.
    own: usize,
    slots: Box<[S]>,
}

/// The same, as far as repairing goes.
trait Repaired: Send + Sync {
    fn repair(&self, visit: &mut dyn FnMut(&dyn Repair));
}

impl<C: Control, S: Send + Sync> Repaired for Block<C, S> {
    fn repair(&self, visit: &mut dyn FnMut(&dyn Repair)) {
        self.control.repair(self.words.get(..self.own).unwrap_or_default(), visit);
    }
}

struct HeapObject {
    repaired: Arc<dyn Repaired>,
    typed: Arc<dyn Any + Send + Sync>,
}

/// A region on the heap.
pub(crate) struct Memory {
    membership: Membership,
    processes: Vec<ProcessEntry>,
    threads: Vec<ThreadEntry>,
    lock: RawMutex,
    entries: Vec<RegistryEntry>,
    arena: u64,
    /// By offset; the last one written is the one in use. Never locked across a step of the sync layer.
    objects: Mutex<HashMap<u64, Vec<HeapObject>>>,
}

impl Memory {
    /// An empty region, with as many entries as a model can use.
    pub(crate) fn new(limits: &Limits) -> Self {
        // A model has a handful of threads; thousands of words would only slow it down.
        let (processes, threads, objects) = (limits.processes.min(2), limits.threads.min(8), limits.objects.min(8));
        let count = |number: u32| 0..number;
        Self {
            membership: Membership::new(),
            processes: count(processes).map(|_| ProcessEntry::new()).collect(),
            threads: count(processes * threads).map(|_| ThreadEntry::new()).collect(),
            lock: RawMutex::new(),
            entries: count(objects).map(|_| RegistryEntry::new()).collect(),
            arena: Offsets::of(limits).map_or(0, |(offsets, _)| offsets.arena_bytes),
            objects: Mutex::default(),
        }
    }

    fn objects(&self) -> MutexGuard<'_, HashMap<u64, Vec<HeapObject>>> {
        self.objects.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn participants(&self) -> Option<Participants<'_>> {
        Participants::new(&self.membership, &self.processes, &self.threads)
    }

    pub(crate) fn registry(&self) -> Registry<'_> {
        Registry::new(&self.lock, &self.entries, self.arena)
    }

    pub(crate) fn write<C: Control, S: Send + Sync + 'static>(
        &self,
        extent: Extent,
        control: C,
        counts: Counts,
        word: &dyn Fn(usize) -> C::Word,
        slot: &mut dyn FnMut(usize) -> S,
    ) {
        let words = (0..counts.words + counts.beyond).map(word).collect();
        let slots = (0..counts.slots).map(slot).collect();
        let block: Arc<Block<C, S>> = Arc::new(Block { control, words, own: counts.words, slots });
        let object = HeapObject { repaired: block.clone(), typed: block };
        self.objects().entry(extent.offset).or_default().push(object);
    }

    pub(crate) fn find<C: Control, S: Send + Sync + 'static>(
        &self,
        extent: Extent,
        _counts: Counts,
    ) -> Option<Parts<C, S>> {
        let objects = self.objects();
        let object = objects.get(&extent.offset)?.last()?;
        let Block { control, words, slots, .. } = object.typed.downcast_ref::<Block<C, S>>()?;
        Some((NonNull::from(control), NonNull::from(&**words), NonNull::from(&**slots)))
    }

    fn repair(&self, extent: Extent, visit: &mut dyn FnMut(&dyn Repair)) {
        let object = self.objects().get(&extent.offset).and_then(|all| Some(Arc::clone(&all.last()?.repaired)));
        if let Some(object) = object {
            object.repair(visit);
        }
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

impl core::fmt::Debug for Memory {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Memory").finish_non_exhaustive()
    }
}

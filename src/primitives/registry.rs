//! The in-region directory of objects: names, kinds and places.
//!
//! **Purpose.** Processes find their shared objects by name. Creating and removing are serialised by a robust
//! [mutex](super::mutex); the undertaker goes through the entries without it.
//!
//! **Layout.** One lock, and a fixed number of entries. An entry gets an *extent* of the arena with its first object and
//! keeps it for ever: kind, size and place of an entry never change again, so that a slow undertaker never takes one kind
//! of object for another. An entry whose object was removed serves later objects of the same shape only.
//!
//! ```text
//!           create                    remove                     create (same shape), when nobody has it open
//! EMPTY ───────────────► READY(g) ──────────────► UNNAMED(g) ──────────────────────────────────► READY(g+1)
//! ```
//!
//! **Protocol.**
//! 1. *create*: under the lock, look for the name; find an entry (UNNAMED of the same shape with no opener, else EMPTY
//!    with the next part of the arena); write shape and name; initialise the object; note the creator as opener; swing
//!    the state to READY.
//! 2. *open*: under the lock, find the READY entry with the name, compare shapes, note the process as opener.
//! 3. *remove*: under the lock, swing READY to UNNAMED: the name is free at once, the memory when nobody has it open.
//! 4. *close*: take the process's opener bit back; no lock.
//!
//! **Invariants.**
//! - I1: two READY entries never bear one name.
//! - I2: an object is initialised whole before its entry is READY.
//! - I3: extents of entries that are not EMPTY do not overlap; the arena's end is computed from them, never stored.
//! - I4: an extent is initialised anew only when no living process has its last object open.
//!
//! **Orderings.**
//!
//! | operation | ordering | pairs with | publishes |
//! |---|---|---|---|
//! | state swung to READY | Release | Acquire loads of the state | shape and object |
//! | opener bit taken back | Release | Acquire load of the bits under the lock | the last use of the object |
//!
//! **Death.** Under the lock: before the swing to READY nothing exists but garbage in an EMPTY (or UNNAMED) entry, which
//! the next creator overwrites; the heir of the lock has nothing to repair. A dead process's opener bits are taken back
//! by the walk.
//!
//! **Models.** `registry/*`.

use super::mutex::{Acquired, Leaves, LockError, MutexSeen, RawMutex};
use super::undertaker::{Dead, Repair};
use super::waiting::{Caller, ObjectId};
use crate::sync::{AtomicU64, Cell, Deadline, Ordering};
use core::mem::offset_of;

/// Longest name of an object, in bytes.
pub const NAME_MAX: usize = 64;
/// The lock of the registry, as sleepers name it; entry `i` is object `i + 1`.
pub const LOCK: ObjectId = ObjectId(0);

const EMPTY: u64 = 0;
const READY: u64 = 1;
const UNNAMED: u64 = 2;
const STATE: u64 = 3;
const GENERATION: u64 = 4;

/// What an object is and how much memory it takes; two handles must agree on all of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Shape {
    /// Which primitive; numbers are the region layer's.
    pub kind: u32,
    /// Alignment of the extent, in bytes; a power of two.
    pub align: u32,
    /// Size of the extent, in bytes.
    pub bytes: u64,
    /// Size of one element of payload, in bytes.
    pub element: u64,
    /// Number of elements.
    pub capacity: u64,
    /// Tag of the payload's type.
    pub tag: u64,
}

/// An entry's place in the arena.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Extent {
    /// What lies there.
    pub shape: Shape,
    /// Where it begins, in bytes from the beginning of the arena.
    pub offset: u64,
}

/// A name, padded with zeros.
pub type Name = [u8; NAME_MAX];

/// One entry.
#[derive(Debug)]
#[repr(C, align(64))]
pub struct RegistryEntry {
    state: AtomicU64,
    openers: [AtomicU64; 2],
    extent: Cell<Extent>,
    name: Cell<Name>,
    /// Named, so that no padding carries what lay on the writer's stack into shared memory.
    reserved: [u64; 7],
}

/// What an entry is; for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntrySeen {
    /// It was never used.
    Empty,
    /// There is an object with a name in it. The number is another one after every change of the name.
    Named(u64),
    /// Its object lost its name.
    Unnamed,
    /// It holds what nobody writes (damaged memory).
    Corrupt,
}

impl RegistryEntry {
    /// Where the name begins, in bytes: who has not got the lock copies it word by word, and believes the copy if the
    /// entry was [the same](EntrySeen::Named) before and afterwards.
    pub const NAME_AT: usize = offset_of!(Self, name);

    /// An entry that was never used.
    #[must_use]
    #[track_caller]
    pub fn new() -> Self {
        Self {
            state: AtomicU64::new(EMPTY),
            openers: [AtomicU64::new(0), AtomicU64::new(0)],
            extent: Cell::new(Extent::default()),
            name: Cell::new([0; NAME_MAX]),
            reserved: [0; 7],
        }
    }

    /// The extent, once it was assigned.
    fn extent(&self) -> Option<Extent> {
        // Acquire: pairs with the Release that made it READY.
        (self.state.load(Ordering::Acquire) & STATE != EMPTY).then(|| self.assigned_extent())
    }

    fn assigned_extent(&self) -> Extent {
        // SAFETY: an extent is written once, before the entry is READY for the first time, and never again (Layout).
        self.extent.with(|extent| unsafe { extent.read() })
    }

    fn has_name(&self, name: &Name) -> bool {
        // SAFETY: names are written and read under the lock only.
        self.name.with(|own| unsafe { own.read() }) == *name
    }

    fn is_open(&self) -> bool {
        // Acquire: pairs with the Release in close and bury; the last use comes before what the caller does now.
        self.openers.iter().any(|bits| bits.load(Ordering::Acquire) != 0)
    }

    fn opener(&self, process: usize) -> Option<(&AtomicU64, u64)> {
        Some((self.openers.get(process / 64)?, 1 << (process % 64)))
    }

    fn note_opener(&self, process: usize) {
        if let Some((bits, bit)) = self.opener(process) {
            // Relaxed: read under the lock, which orders it.
            bits.fetch_or(bit, Ordering::Relaxed);
        }
    }

    fn forget_opener(&self, process: usize) {
        if let Some((bits, bit)) = self.opener(process) {
            // Release: pairs with the Acquire in is_open.
            bits.fetch_and(!bit, Ordering::Release);
        }
    }
}

impl Default for RegistryEntry {
    #[track_caller]
    fn default() -> Self {
        Self::new()
    }
}

/// A view of the registry of one region; the number of entries and the arena's size come from the handle.
#[derive(Clone, Copy, Debug)]
pub struct Registry<'a> {
    lock: &'a RawMutex,
    entries: &'a [RegistryEntry],
    arena: u64,
}

/// An object that was found or made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// Index of its entry.
    pub index: usize,
    /// Where and what it is.
    pub extent: Extent,
    /// Whether this call made it.
    pub created: bool,
}

impl Found {
    /// As sleepers name it.
    #[must_use]
    pub fn id(&self) -> ObjectId {
        object_of(self.index)
    }
}

/// The object of an entry.
#[must_use]
pub fn object_of(index: usize) -> ObjectId {
    ObjectId(u32::try_from(index).unwrap_or(u32::MAX - 2).saturating_add(1))
}

/// The entry of an object; `None` for the lock.
#[must_use]
pub fn index_of(object: ObjectId) -> Option<usize> {
    object.0.checked_sub(1).and_then(|index| usize::try_from(index).ok())
}

/// Which of creating and opening a call may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Make it; it must not exist.
    Create,
    /// Open it; it must exist.
    Open,
    /// Whichever it takes.
    OpenOrCreate,
}

/// Why an object was not found or made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RegistryError {
    /// No object bears the name.
    NotFound,
    /// One does.
    AlreadyExists,
    /// One does, and it has another shape, which is given.
    OtherShape(Shape),
    /// All entries are taken.
    TooManyObjects,
    /// The arena has no room for that many bytes more.
    OutOfMemory {
        /// Bytes that were asked for.
        needed: u64,
        /// Bytes that are left.
        left: u64,
    },
    /// The registry's lock was not acquired: the deadline passed, or the calling thread holds it.
    Lock(LockError),
}

struct Locked<'a>(&'a RawMutex);

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        self.0.unlock(Leaves::Consistent);
    }
}

impl<'a> Registry<'a> {
    /// A view over `entries` that share an arena of `arena` bytes.
    #[must_use]
    pub fn new(lock: &'a RawMutex, entries: &'a [RegistryEntry], arena: u64) -> Self {
        Self { lock, entries, arena }
    }

    fn lock(&self, caller: &Caller<'_>, deadline: Option<Deadline>) -> Result<Locked<'a>, RegistryError> {
        match self.lock.lock(caller, LOCK, deadline) {
            // An heir has nothing to repair (Death): what is not READY is garbage.
            Ok(Acquired::Clean | Acquired::OwnerDied) => Ok(Locked(self.lock)),
            Err(error) => Err(RegistryError::Lock(error)),
        }
    }

    /// Finds or makes the object `name` of shape `shape` for `process`; `initialise` is called with the extent of a new
    /// one before anybody can find it.
    ///
    /// # Errors
    /// [`RegistryError`]; nothing was changed.
    #[expect(clippy::too_many_arguments, reason = "the parts of one request, each of another type")]
    pub fn obtain(
        &self,
        caller: &Caller<'_>,
        deadline: Option<Deadline>,
        process: usize,
        name: &Name,
        shape: Shape,
        mode: Mode,
        initialise: &mut dyn FnMut(Extent),
    ) -> Result<Found, RegistryError> {
        let _locked = self.lock(caller, deadline)?;
        if let Some((index, entry, extent)) = self.find(name) {
            return match mode {
                Mode::Create => Err(RegistryError::AlreadyExists),
                Mode::Open | Mode::OpenOrCreate if extent.shape != shape => {
                    Err(RegistryError::OtherShape(extent.shape))
                }
                Mode::Open | Mode::OpenOrCreate => {
                    entry.note_opener(process);
                    Ok(Found { index, extent, created: false })
                }
            };
        }
        if mode == Mode::Open {
            return Err(RegistryError::NotFound);
        }
        let (index, entry, extent) = self.vacancy(shape)?;
        // SAFETY: names are written and read under the lock only.
        entry.name.with_mut(|own| unsafe { own.write(*name) });
        initialise(extent);
        entry.note_opener(process);
        // Relaxed: written under the lock only.
        let old = entry.state.load(Ordering::Relaxed);
        // dead here: nothing is READY; the extent of an entry that was EMPTY is handed out again.
        // Release: pairs with every Acquire load of the state; publishes shape and object.
        entry.state.store((old & !STATE).wrapping_add(GENERATION) | READY, Ordering::Release);
        Ok(Found { index, extent, created: true })
    }

    fn find(&self, name: &Name) -> Option<(usize, &'a RegistryEntry, Extent)> {
        self.entries.iter().enumerate().find_map(|(index, entry)| {
            // Relaxed: written under the lock only, which the caller holds.
            let ready = entry.state.load(Ordering::Relaxed) & STATE == READY;
            (ready && entry.has_name(name)).then(|| (index, entry, entry.assigned_extent()))
        })
    }

    /// An entry for a new object: one of the same shape that nobody has open, else an EMPTY one with new memory.
    fn vacancy(&self, shape: Shape) -> Result<(usize, &'a RegistryEntry, Extent), RegistryError> {
        let mut end = 0_u64;
        let mut empty = None;
        for (index, entry) in self.entries.iter().enumerate() {
            match entry.extent() {
                Some(extent) => {
                    // Relaxed: written under the lock only.
                    let unnamed = entry.state.load(Ordering::Relaxed) & STATE == UNNAMED;
                    if unnamed && extent.shape == shape && !entry.is_open() {
                        return Ok((index, entry, extent));
                    }
                    end = end.max(extent.offset.saturating_add(extent.shape.bytes));
                }
                None if empty.is_none() => empty = Some((index, entry)),
                None => {}
            }
        }
        let (index, entry) = empty.ok_or(RegistryError::TooManyObjects)?;
        let left = self.arena.saturating_sub(end);
        let no_room = RegistryError::OutOfMemory { needed: shape.bytes, left };
        let offset = end.checked_next_multiple_of(u64::from(shape.align).max(1)).ok_or(no_room)?;
        if offset.checked_add(shape.bytes).is_none_or(|end| end > self.arena) {
            return Err(no_room);
        }
        let extent = Extent { shape, offset };
        // SAFETY: the entry is EMPTY: nobody reads its extent, and only the holder of the lock writes it.
        entry.extent.with_mut(|own| unsafe { own.write(extent) });
        Ok((index, entry, extent))
    }

    /// Takes the name from an object. Who has it open keeps it; its memory serves another when nobody has.
    ///
    /// # Errors
    /// `NotFound`, `Lock`.
    pub fn remove(&self, caller: &Caller<'_>, deadline: Option<Deadline>, name: &Name) -> Result<(), RegistryError> {
        let _locked = self.lock(caller, deadline)?;
        let (_, entry, _) = self.find(name).ok_or(RegistryError::NotFound)?;
        // Relaxed: written under the lock only.
        let old = entry.state.load(Ordering::Relaxed);
        // Release: keeps what READY published visible to whoever reads UNNAMED instead.
        entry.state.store((old & !STATE) | UNNAMED, Ordering::Release);
        Ok(())
    }

    /// Calls `visit` with every named object.
    ///
    /// # Errors
    /// `Lock`.
    pub fn list(
        &self,
        caller: &Caller<'_>,
        deadline: Option<Deadline>,
        visit: &mut dyn FnMut(&Name, Found),
    ) -> Result<(), RegistryError> {
        let _locked = self.lock(caller, deadline)?;
        for (index, entry) in self.entries.iter().enumerate() {
            // Relaxed: written under the lock only.
            if entry.state.load(Ordering::Relaxed) & STATE == READY {
                // SAFETY: names are written and read under the lock only.
                let name = entry.name.with(|own| unsafe { own.read() });
                visit(&name, Found { index, extent: entry.assigned_extent(), created: false });
            }
        }
        Ok(())
    }

    /// The process has no handle to the object any more.
    pub fn close(&self, index: usize, process: usize) {
        if let Some(entry) = self.entries.get(index) {
            entry.forget_opener(process);
        }
    }

    /// Calls `visit` for every object that exists, named or not; takes no lock.
    pub fn for_each(&self, visit: &mut dyn FnMut(usize, Extent)) {
        for (index, entry) in self.entries.iter().enumerate() {
            if let Some(extent) = entry.extent() {
                visit(index, extent);
            }
        }
    }

    /// What an entry is, as of a moment ago; takes no lock.
    #[must_use]
    pub fn seen(&self, index: usize) -> EntrySeen {
        // Acquire: pairs with the Release that made it READY; the name is at least as new.
        let state = self.entries.get(index).map_or(EMPTY, |entry| entry.state.load(Ordering::Acquire));
        match state & STATE {
            EMPTY => EntrySeen::Empty,
            READY => EntrySeen::Named(state),
            UNNAMED => EntrySeen::Unnamed,
            _ => EntrySeen::Corrupt,
        }
    }

    /// What the lock is, as of a moment ago.
    #[must_use]
    pub fn lock_seen(&self) -> MutexSeen {
        self.lock.seen()
    }

    /// Where one object lies, if it exists; takes no lock.
    #[must_use]
    pub fn extent(&self, index: usize) -> Option<Extent> {
        self.entries.get(index).and_then(RegistryEntry::extent)
    }
}

impl Repair for Registry<'_> {
    fn bury(&self, dead: &Dead<'_>) {
        self.lock.bury(dead);
        if let Some(process) = dead.whole_process() {
            for entry in self.entries {
                entry.forget_opener(process);
            }
        }
    }

    fn wake_all(&self) {
        self.lock.wake_all();
    }
}

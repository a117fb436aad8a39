//! A region that is looked at again and again, without attaching to it.

use super::super::error::{RegionError, RegionErrorKind};
use super::super::handle::RegionOptions;
use super::super::memory::Memory;
use super::super::name::RegionName;
use super::super::store::Store;
use super::{Counter, Inspection, ObjectSeen, counters};
use crate::primitives::Participants;
use core::fmt;

/// A region that is mapped for reading only, to be looked at as often as one likes: [`RegionOptions::inspector`].
///
/// It is no participant: nobody waits for it, nothing is repaired because of it, and it takes no place. It keeps the region's
/// memory, also when nobody else has it any more. No call waits for anybody. Whoever cuts the region's file off ends this process,
/// too (SIGBUS).
///
/// ```
/// use selvedge::region::RegionOptions;
///
/// # let name = format!("inspector-of-a-doctest-{}", std::process::id());
/// # let name = name.as_str();
/// let region = RegionOptions::new().create(name)?;
/// let inspector = RegionOptions::new().inspector(name)?;
/// assert!(inspector.inspect()?.objects.is_empty());
/// region.mutex("stock", 7).expect("there is room");
/// assert_eq!(inspector.inspect()?.objects[0].name, "stock");
/// region.unlink()?;
/// assert!(!inspector.is_named()?);
/// # Ok::<(), selvedge::region::RegionError>(())
/// ```
pub struct Inspector {
    memory: Memory,
    store: Store,
    name: RegionName,
}

impl RegionOptions {
    /// Maps the region `name` for reading only, to look at it. Never waits for anybody.
    ///
    /// # Errors
    /// `NotFound`; `Unfit` with the reason if what bears the name is no region for this process.
    pub fn inspector(&self, name: &str) -> Result<Inspector, RegionError> {
        let (file, store, valid) = self.open_to_look(name)?;
        let size = file.mapping().size() as u64;
        let memory = Memory::new(file).ok_or_else(|| too_small(name, size))?;
        let inspector = Inspector { memory, store, name: valid };
        inspector.table().map(drop)?;
        Ok(inspector)
    }
}

fn too_small(name: &str, given: u64) -> RegionError {
    RegionError::new(name, RegionErrorKind::TooSmall { needed: u64::MAX, given })
}

impl Inspector {
    fn table(&self) -> Result<Participants<'_>, RegionError> {
        let size = self.memory.file().mapping().size() as u64;
        self.memory.participants().ok_or_else(|| too_small(self.name.as_str(), size))
    }

    /// A look at all of it.
    ///
    /// # Errors
    /// `TooSmall`: its limits are those of no region; of one that could be mapped they are not.
    pub fn inspect(&self) -> Result<Inspection, RegionError> {
        Ok(Inspection::of(&self.memory, self.table()?))
    }

    /// What an object counts by now: much quicker than a look at all. Nothing if there is no such object any more.
    ///
    /// For counters that come round soon, and so have to be read often.
    #[must_use]
    pub fn counters(&self, object: &ObjectSeen) -> Vec<Counter> {
        let registry = self.memory.registry();
        let still = |(index, seen): (usize, _)| {
            let extent = registry.extent(index).filter(|_| registry.seen(index) == seen)?;
            Some(counters::of(&self.memory, extent))
        };
        object.entry.and_then(still).unwrap_or_default()
    }

    /// Whether the name still refers to this region: false once it was removed, another in its place or not.
    ///
    /// # Errors
    /// The directory of the names cannot be used.
    pub fn is_named(&self) -> Result<bool, RegionError> {
        self.store.still_named(&self.name, self.memory.file().identity())
    }
}

impl fmt::Debug for Inspector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inspector").field("name", &self.name).finish_non_exhaustive()
    }
}

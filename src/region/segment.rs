//! A plain shared segment: bytes that the library does not guard.

use super::error::ObjectError;
use super::handle::Region;
use super::kind::Kind;
use super::object::{ObjectName, Placed, Request, obtain};
use crate::primitives::registry::Mode;
use crate::primitives::{Dead, Repair};
use crate::sync::Cell;
use core::fmt;

/// The control block of a segment: nothing, and so there is nothing to repair and nobody to wake.
struct Unguarded;

impl Repair for Unguarded {
    fn bury(&self, _dead: &Dead<'_>) {}

    fn wake_all(&self) {}
}

/// A piece of shared memory and nothing else. Who may touch it when is for its users to agree, with a
/// [`Semaphore`](super::Semaphore) or a [`Mutex`](super::Mutex) beside it.
///
/// Bytes are copied in and out: no reference into memory that another process may write at any time is handed out.
/// Copies of overlapping ranges by two threads without such an agreement are a data race.
///
/// ```
/// use selvedge::Region;
///
/// let region = Region::anonymous()?;
/// let table = region.segment("table", 4096)?;
/// let guard = region.semaphore("table.guard", 1)?;
///
/// guard.acquire()?;
/// // SAFETY: every process that uses `table` holds the one permit of `table.guard` while it does.
/// unsafe { table.write(16, b"hello") }?;
/// guard.release()?;
///
/// let mut copy = [0; 5];
/// guard.acquire()?;
/// // SAFETY: as above.
/// unsafe { table.read(16, &mut copy) }?;
/// guard.release()?;
/// assert_eq!(&copy, b"hello");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Segment {
    placed: Placed<Unguarded, Cell<u8>>,
}

/// A range that does not lie in the segment; nothing was copied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutOfRange {
    /// The segment.
    pub segment: ObjectName,
    /// Where the range begins, in bytes.
    pub offset: usize,
    /// How long it is, in bytes.
    pub length: usize,
    /// How long the segment is, in bytes.
    pub size: usize,
}

impl fmt::Display for OutOfRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { segment, offset, length, size } = self;
        write!(f, "segment {segment}: {length} bytes at {offset} are not in its {size} bytes")
    }
}

impl std::error::Error for OutOfRange {}

impl Segment {
    /// The name by which it was made or opened.
    #[must_use]
    pub fn name(&self) -> &str {
        self.placed.name().as_str()
    }

    /// Its length in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.placed.slots().len()
    }

    /// Whether it has no bytes at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.placed.slots().is_empty()
    }

    fn range(&self, offset: usize, length: usize) -> Result<&[Cell<u8>], OutOfRange> {
        let range = offset.checked_add(length).and_then(|end| self.placed.slots().get(offset..end));
        range.ok_or_else(|| OutOfRange { segment: self.placed.name().clone(), offset, length, size: self.len() })
    }

    /// Copies from the segment; never waits.
    ///
    /// # Errors
    /// [`OutOfRange`].
    ///
    /// # Safety
    /// Nobody writes to the range meanwhile.
    pub unsafe fn read(&self, offset: usize, into: &mut [u8]) -> Result<(), OutOfRange> {
        let cells = self.range(offset, into.len())?;
        for (cell, byte) in cells.iter().zip(into) {
            // SAFETY: mapped, and by this call's contract nobody writes it.
            *byte = cell.with(|byte| unsafe { *byte });
        }
        Ok(())
    }

    /// Copies into the segment; never waits.
    ///
    /// # Errors
    /// [`OutOfRange`].
    ///
    /// # Safety
    /// Nobody reads or writes the range meanwhile.
    pub unsafe fn write(&self, offset: usize, from: &[u8]) -> Result<(), OutOfRange> {
        let cells = self.range(offset, from.len())?;
        for (cell, byte) in cells.iter().zip(from) {
            // SAFETY: mapped, and by this call's contract nobody else touches it.
            cell.with_mut(|own| unsafe { *own = *byte });
        }
        Ok(())
    }
}

impl fmt::Debug for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Segment").field("name", &self.name()).field("len", &self.len()).finish_non_exhaustive()
    }
}

impl Region {
    /// The segment `name` of `bytes` bytes, made with zeros if there is none.
    ///
    /// # Errors
    /// [`ObjectError`]: of another kind or size; no memory; too many objects.
    pub fn segment(&self, name: &str, bytes: usize) -> Result<Segment, ObjectError> {
        let request =
            Request { name, kind: Kind::Segment, capacity: bytes, tag: 0, mode: Mode::OpenOrCreate, deadline: None };
        let (placed, _) = obtain(self.core(), &request, || Unguarded, |_| Cell::new(0))?;
        Ok(Segment { placed })
    }
}

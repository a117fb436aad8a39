//! Values and bytes through a ring, by copying.
//!
//! **Purpose.** A [`Stream`] is a [ring](super::ring) with its slots, each of which holds one plain value. Values are
//! pushed and popped one by one, or written and read in batches that become visible, or free, as a whole. A stream of
//! bytes is what a pipe is.
//!
//! **Layout.** None of its own: the ring's control block, and as many slots as the handle says.
//!
//! **Protocol.** Reserve, copy into or out of the own slots, commit.
//!
//! **Invariants.** I1: payload is touched only in the runs of a cursor, between reserve and commit.
//!
//! **Orderings.** None of its own: the ring's commit publishes what was copied.
//!
//! **Death.** While copying: nothing is committed; a successor of the producer overwrites the slots, one of the consumer
//! reads them again. A batch is committed in one step, so the peer sees all of it or nothing. What was sent in several
//! batches may be cut between two of them; the peer is told of the death.
//!
//! **Models.** `stream/*`.
//!
//! **References.** `pipe(7)`: there writes of up to `PIPE_BUF` bytes are whole, here batches of up to the capacity.

use super::ring::{CONSUMER, Cursor, PRODUCER, RawRing, ReserveError};
use super::role::IfGone;
use super::waiting::{Caller, ObjectId};
use crate::sync::{Cell, Deadline};

/// A ring with its slots.
///
/// All lengths are numbers of values. Calls that wait do so as [`RawRing::reserve`] does, the others as
/// [`RawRing::try_reserve`], with the same errors.
#[derive(Debug)]
pub struct Stream<'a, T> {
    ring: &'a RawRing,
    slots: &'a [Cell<T>],
}

impl<'a, T: Copy> Stream<'a, T> {
    /// A view of `ring` with `slots`.
    ///
    /// # Safety
    /// - `slots` are used with this ring alone, and only by way of the runs of its cursors.
    /// - Every cursor that is given to this view was opened on this ring with the number of `slots` as capacity and with
    ///   the hold of its own side's role.
    #[must_use]
    pub unsafe fn new(ring: &'a RawRing, slots: &'a [Cell<T>]) -> Self {
        Self { ring, slots }
    }

    /// Sends one value if there is a free slot; never blocks.
    ///
    /// # Errors
    /// [`ReserveError`], except `TimedOut`.
    #[inline]
    pub fn try_push(&self, cursor: &mut Cursor<PRODUCER>, value: T) -> Result<(), ReserveError> {
        self.ring.try_reserve(cursor, 1)?;
        self.put(cursor, value)
    }

    /// Sends one value, waiting for a free slot.
    ///
    /// # Errors
    /// [`ReserveError`], except `WouldBlock`.
    #[inline]
    pub fn push(
        &self,
        caller: &Caller<'_>,
        object: ObjectId,
        cursor: &mut Cursor<PRODUCER>,
        value: T,
        if_gone: IfGone,
        deadline: Option<Deadline>,
    ) -> Result<(), ReserveError> {
        self.ring.reserve(caller, object, cursor, 1, if_gone, deadline)?;
        self.put(cursor, value)
    }

    /// Takes one value if there is one; never blocks.
    ///
    /// # Errors
    /// [`ReserveError`], except `TimedOut`.
    #[inline]
    pub fn try_pop(&self, cursor: &mut Cursor<CONSUMER>) -> Result<T, ReserveError> {
        self.ring.try_reserve(cursor, 1)?;
        self.take(cursor)
    }

    /// Takes one value, waiting for it.
    ///
    /// # Errors
    /// [`ReserveError`], except `WouldBlock`.
    #[inline]
    pub fn pop(
        &self,
        caller: &Caller<'_>,
        object: ObjectId,
        cursor: &mut Cursor<CONSUMER>,
        if_gone: IfGone,
        deadline: Option<Deadline>,
    ) -> Result<T, ReserveError> {
        self.ring.reserve(caller, object, cursor, 1, if_gone, deadline)?;
        self.take(cursor)
    }

    /// Sends as many of the `values` as there are free slots, at least one, as one batch; never blocks. How many.
    ///
    /// # Errors
    /// [`ReserveError`], except `TimedOut`.
    pub fn try_write(&self, cursor: &mut Cursor<PRODUCER>, values: &[T]) -> Result<usize, ReserveError> {
        self.know_more(cursor, values.len())?;
        self.ring.try_reserve(cursor, u32::from(!values.is_empty()))?;
        self.put_all(cursor, values)
    }

    /// Sends as many of the `values` as there are free slots, as one batch, waiting for the first one. How many.
    ///
    /// # Errors
    /// [`ReserveError`], except `WouldBlock`.
    pub fn write(
        &self,
        caller: &Caller<'_>,
        object: ObjectId,
        cursor: &mut Cursor<PRODUCER>,
        values: &[T],
        if_gone: IfGone,
        deadline: Option<Deadline>,
    ) -> Result<usize, ReserveError> {
        self.know_more(cursor, values.len())?;
        self.ring.reserve(caller, object, cursor, u32::from(!values.is_empty()), if_gone, deadline)?;
        self.put_all(cursor, values)
    }

    /// Takes as many values as there are, at least one, and at most as many as fit `into`; never blocks. How many.
    ///
    /// # Errors
    /// [`ReserveError`], except `TimedOut`.
    pub fn try_read(&self, cursor: &mut Cursor<CONSUMER>, into: &mut [T]) -> Result<usize, ReserveError> {
        self.know_more(cursor, into.len())?;
        self.ring.try_reserve(cursor, u32::from(!into.is_empty()))?;
        self.take_all(cursor, into)
    }

    /// Takes as many values as there are, at most as many as fit `into`, waiting for the first one. How many.
    ///
    /// # Errors
    /// [`ReserveError`], except `WouldBlock`.
    pub fn read(
        &self,
        caller: &Caller<'_>,
        object: ObjectId,
        cursor: &mut Cursor<CONSUMER>,
        into: &mut [T],
        if_gone: IfGone,
        deadline: Option<Deadline>,
    ) -> Result<usize, ReserveError> {
        self.know_more(cursor, into.len())?;
        self.ring.reserve(caller, object, cursor, u32::from(!into.is_empty()), if_gone, deadline)?;
        self.take_all(cursor, into)
    }

    /// Looks again if some own slots are known, but fewer than are wanted.
    fn know_more<const SIDE: bool>(&self, cursor: &mut Cursor<SIDE>, wanted: usize) -> Result<(), ReserveError> {
        if 0 < cursor.known() && (cursor.known() as usize) < wanted {
            self.ring.refresh(cursor)?;
        }
        Ok(())
    }

    /// The runs of the next `n` own slots. That they lie within the slots is the promise of whoever made this view.
    #[inline]
    fn runs<const SIDE: bool>(&self, cursor: &Cursor<SIDE>, n: u32) -> Option<[&'a [Cell<T>]; 2]> {
        let [first, second] = cursor.runs(n);
        Some([self.slots.get(first)?, self.slots.get(second)?])
    }

    #[inline]
    fn put(&self, cursor: &mut Cursor<PRODUCER>, value: T) -> Result<(), ReserveError> {
        let [[slot], []] = self.runs(cursor, 1).ok_or(ReserveError::Corrupt)? else {
            return Err(ReserveError::Corrupt);
        };
        // SAFETY: I1; a slot of the producer's own is touched by nobody else before the commit (I1 of the ring).
        slot.with_mut(|slot| unsafe { *slot = value });
        // dead here: written, not sent; a successor overwrites it.
        self.ring.commit(cursor, 1).map_err(|_| ReserveError::Corrupt)
    }

    #[inline]
    fn take(&self, cursor: &mut Cursor<CONSUMER>) -> Result<T, ReserveError> {
        let [[slot], []] = self.runs(cursor, 1).ok_or(ReserveError::Corrupt)? else {
            return Err(ReserveError::Corrupt);
        };
        // SAFETY: I1; a slot of the consumer's own is written by nobody before the commit (I1 of the ring).
        let value = slot.with(|slot| unsafe { *slot });
        // dead here: read, not taken; a successor reads it again.
        self.ring.commit(cursor, 1).map_err(|_| ReserveError::Corrupt)?;
        Ok(value)
    }

    fn put_all(&self, cursor: &mut Cursor<PRODUCER>, values: &[T]) -> Result<usize, ReserveError> {
        let n = cursor.known().min(u32::try_from(values.len()).unwrap_or(u32::MAX));
        let mut values = values.iter();
        for run in self.runs(cursor, n).ok_or(ReserveError::Corrupt)? {
            for (slot, value) in run.iter().zip(&mut values) {
                // SAFETY: as in put.
                slot.with_mut(|slot| unsafe { *slot = *value });
            }
        }
        // dead here: as in put.
        self.ring.commit(cursor, n).map_err(|_| ReserveError::Corrupt)?;
        Ok(n as usize)
    }

    fn take_all(&self, cursor: &mut Cursor<CONSUMER>, into: &mut [T]) -> Result<usize, ReserveError> {
        let n = cursor.known().min(u32::try_from(into.len()).unwrap_or(u32::MAX));
        let mut into = into.iter_mut();
        for run in self.runs(cursor, n).ok_or(ReserveError::Corrupt)? {
            for (slot, value) in run.iter().zip(&mut into) {
                // SAFETY: as in take.
                *value = slot.with(|slot| unsafe { *slot });
            }
        }
        // dead here: as in take.
        self.ring.commit(cursor, n).map_err(|_| ReserveError::Corrupt)?;
        Ok(n as usize)
    }
}

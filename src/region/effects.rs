//! A record that is changed as a whole or not at all, in two copies, open in this process.

use super::core::NoCaller;
use super::error::{ObjectError, ObjectErrorKind};
use super::handle::Region;
use super::kind::Kind;
use super::mailbox::{CHUNK, Chunk};
use super::object::{Measure, ObjectName, Placed, Request, obtain_several};
use super::patience::Patience;
use crate::primitives::RawCommit;
use crate::primitives::commit::Change;
use crate::primitives::mutex::LockError;
use crate::primitives::registry::Mode;
use crate::primitives::waiting::Wait;
use crate::sync::Cell;

/// The two copies.
const COPIES: usize = 2;

/// A record of so many chunks.
pub(crate) struct Record {
    placed: Placed<RawCommit, Cell<Chunk>>,
    /// Chunks of a copy.
    each: usize,
    wait: Wait,
}

/// Why a record was not opened to be changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ChangeRefusal {
    TimedOut,
    /// The calling thread has begun a change already.
    Relocked,
    Corrupt,
    NoCaller(NoCaller),
}

/// A change that was begun; one that is dropped changes nothing.
pub(crate) struct Changing<'a> {
    record: &'a Record,
    change: Option<Change>,
}

impl Record {
    /// The record `name`, made with these chunks if there is none.
    pub(crate) fn obtain(region: &Region, name: &str, tag: u64, initial: &[Chunk]) -> Result<Self, ObjectError> {
        let request =
            Request { name, kind: Kind::Effects, capacity: COPIES, tag, mode: Mode::OpenOrCreate, deadline: None };
        let each = initial.len();
        // The first copy is current.
        let slot = |index: usize| Cell::new(initial.get(index % each.max(1)).copied().unwrap_or([0; CHUNK / 8]));
        let (placed, _) =
            obtain_several(region.core(), &request, Measure { each, beyond: (0, 0) }, RawCommit::new, |_| (), slot)?;
        Ok(Self { placed, each, wait: Wait::default() })
    }

    pub(crate) fn name(&self) -> &ObjectName {
        self.placed.name()
    }

    pub(crate) fn set_wait(&mut self, wait: Wait) {
        self.wait = wait;
    }

    /// Begins a change, which keeps others away until it is over.
    pub(crate) fn begin(&self, patience: Patience) -> Result<Changing<'_>, ChangeRefusal> {
        let core = self.placed.core();
        let slot = core.slot().map_err(ChangeRefusal::NoCaller)?;
        let caller = core.caller_in(slot, self.wait);
        match self.placed.control().begin(&caller, self.placed.id(), patience.deadline()) {
            Ok(change) => Ok(Changing { record: self, change: Some(change) }),
            Err(LockError::TimedOut | LockError::WouldBlock) => Err(ChangeRefusal::TimedOut),
            Err(LockError::Relocked) => Err(ChangeRefusal::Relocked),
            Err(LockError::NotRecoverable) => Err(ChangeRefusal::Corrupt),
        }
    }

    fn copy(&self, index: usize) -> &[Cell<Chunk>] {
        let start = index * self.each;
        self.placed.slots().get(start..start + self.each).unwrap_or_default()
    }

    /// How often it was changed, as of a moment ago.
    pub(crate) fn changes(&self) -> u32 {
        self.placed.control().changes()
    }
}

impl Clone for Record {
    fn clone(&self) -> Self {
        Self { placed: self.placed.clone(), each: self.each, wait: self.wait }
    }
}

impl Changing<'_> {
    /// The record as it is.
    pub(crate) fn read(&self) -> Vec<Chunk> {
        let current = self.change.as_ref().map_or(0, Change::current);
        // SAFETY: mapped and aligned, and nobody writes the current copy (commit, I1).
        self.record.copy(current).iter().map(|cell| cell.with(|chunk| unsafe { *chunk })).collect()
    }

    /// Makes it this, in one step.
    pub(crate) fn commit(mut self, chunks: &[Chunk]) {
        let Some(change) = self.change.take() else { return };
        for (cell, chunk) in self.record.copy(change.other()).iter().zip(chunks) {
            // SAFETY: mapped and aligned, and who has begun a change alone writes the other copy (commit, I1).
            cell.with_mut(|place| unsafe { *place = *chunk });
        }
        // A forked child has inherited the change, not the mutex.
        if self.record.placed.core().attachment().is_original() {
            self.record.placed.control().commit(change);
        }
    }
}

impl Drop for Changing<'_> {
    fn drop(&mut self) {
        if let Some(change) = self.change.take()
            && self.record.placed.core().attachment().is_original()
        {
            self.record.placed.control().abandon(change);
        }
    }
}

impl From<ChangeRefusal> for ObjectErrorKind {
    fn from(refusal: ChangeRefusal) -> Self {
        match refusal {
            ChangeRefusal::TimedOut | ChangeRefusal::Relocked => Self::Busy,
            ChangeRefusal::Corrupt => Self::Corrupt,
            ChangeRefusal::NoCaller(why) => why.into(),
        }
    }
}

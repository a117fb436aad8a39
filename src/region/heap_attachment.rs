//! This process in a region under `--cfg loom`: attached without a keeper, since nobody else can die.

use super::core::{Core, NoCaller};
use super::error::{RegionErrorKind, Unusable};
use super::limits::Limits;
use super::memory::Memory;
use super::threads::{self, Slots};
use crate::primitives::participants::{Membership, ProcessClaim, RobustList};
use crate::primitives::{Participants, ThreadSlot};
use crate::sync::LifeWord;
use std::sync::{Arc, OnceLock};

/// The id of the keeper that there is not; above the ids of virtual threads.
const KEEPER: u32 = 1 << 20;

/// There are no other attachments to count.
#[derive(Debug)]
pub(crate) struct Place;

/// A list that needs no upkeep: no kernel walks it.
pub(super) struct NoList;

impl RobustList for NoList {
    fn pending(&mut self, _word: Option<&LifeWord>) {}
    fn link(&mut self, _word: &LifeWord) {}
    fn unlink(&mut self, _word: &LifeWord) {}
}

/// This process's part in a region.
#[derive(Debug)]
pub(crate) struct Attachment {
    memory: Arc<Memory>,
    claim: ProcessClaim,
    pub(super) slots: Slots,
}

impl Attachment {
    pub(crate) fn new(memory: &Arc<Memory>, limits: Limits) -> Result<Self, RegionErrorKind> {
        let full = RegionErrorKind::TooManyProcesses { limit: limits.processes };
        let table = table(memory);
        let claim = table.claim_process(KEEPER, &mut NoList).ok_or(full.clone())?;
        if !table.open_process(claim) {
            return Err(full);
        }
        Ok(Self { memory: Arc::clone(memory), claim, slots: Slots::default() })
    }

    pub(crate) fn participants(&self) -> Participants<'_> {
        table(&self.memory)
    }

    pub(crate) fn process(&self) -> usize {
        self.claim.index
    }

    pub(crate) fn claim(&self) -> ProcessClaim {
        self.claim
    }

    pub(crate) fn has_exited(&self) -> &(dyn Fn(usize) -> bool + 'static) {
        &|_| false
    }

    pub(crate) fn is_original(&self) -> bool {
        true
    }

    pub(crate) fn check(&self) -> Result<(), Unusable> {
        if table(&self.memory).is_live(self.claim) { Ok(()) } else { Err(Unusable::FencedOff) }
    }

    pub(crate) fn slot(&self, core: &Arc<Core>) -> Result<ThreadSlot, NoCaller> {
        self.check().map_err(NoCaller::Unusable)?;
        threads::slot(core)
    }
}

fn table(memory: &Memory) -> Participants<'_> {
    static EMPTY: OnceLock<Membership> = OnceLock::new();
    memory.participants().unwrap_or_else(|| Participants::empty(EMPTY.get_or_init(Default::default)))
}

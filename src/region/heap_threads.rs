//! The thread slots of a region under `--cfg loom`: one for each virtual thread, kept until the region is dropped.

use super::attachment::NoList;
use super::core::{Core, NoCaller};
use super::error::Unusable;
use crate::primitives::ThreadSlot;
use crate::primitives::participants::ClaimThreadError;
use crate::sync::model::thread_key;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// The slots that threads have claimed. Never locked across a step of the sync layer.
#[derive(Debug, Default)]
pub(super) struct Slots(Mutex<HashMap<u64, ThreadSlot>>);

/// The slot of the calling thread in `core`, which it claims if it has none.
pub(super) fn slot(core: &Arc<Core>) -> Result<ThreadSlot, NoCaller> {
    let slots = &core.attachment().slots.0;
    let key = thread_key();
    if let Some(slot) = slots.lock().unwrap_or_else(PoisonError::into_inner).get(&key) {
        return Ok(*slot);
    }
    // Any id will do that tells threads apart: nothing marks these words.
    let id = u32::try_from(key & 0xffff).unwrap_or(0) + 1;
    let claimed = core.participants().claim_thread(core.attachment().claim(), id, &mut NoList);
    match claimed {
        Ok(claimed) => {
            slots.lock().unwrap_or_else(PoisonError::into_inner).insert(key, claimed.slot);
            Ok(claimed.slot)
        }
        Err(ClaimThreadError::FencedOff) => Err(NoCaller::Unusable(Unusable::FencedOff)),
        Err(ClaimThreadError::Full) => Err(NoCaller::TooManyThreads(core.limits().threads)),
    }
}

/// Slots are kept: what a virtual thread's end would add to a model is covered by `participants`' own models.
pub(super) fn release_here(_core: &Arc<Core>) {}

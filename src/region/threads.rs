//! The thread slots of the calling thread, one for each region that it uses.
//!
//! A thread registers at its first call and gives its slot back when it ends, after all destructors of its
//! `thread_local!` values, or when the last handle of the region is dropped on it. Whatever it still held then is
//! treated as left by the dead.

use super::attachment::Listed;
use super::core::{Core, NoCaller};
use super::error::Unusable;
use super::os::robust::ThreadList;
use super::os::thread_exit::ThreadExitHook;
use crate::primitives::ThreadSlot;
use crate::primitives::participants::ClaimThreadError;
use crate::sync::life_id;
use core::cell::Cell;
use core::ffi::c_void;
use std::sync::{Arc, OnceLock};

/// One region that the thread uses.
struct Registration {
    core: Arc<Core>,
    slot: ThreadSlot,
}

/// All regions that the thread uses; its address is the thread's pointer for the exit hook.
#[derive(Default)]
struct Registrations {
    list: Vec<Registration>,
}

std::thread_local! {
    /// The region used last and the slot in it: saves the search.
    static LAST: Cell<(*const Core, u16)> = const { Cell::new((core::ptr::null(), 0)) };
}

fn hook() -> Option<&'static ThreadExitHook> {
    static HOOK: OnceLock<Option<ThreadExitHook>> = OnceLock::new();
    HOOK.get_or_init(|| ThreadExitHook::new(thread_ends).ok()).as_ref()
}

/// The slot of the calling thread in `core`, which it claims if it has none.
#[inline]
pub(super) fn slot(core: &Arc<Core>) -> Result<ThreadSlot, NoCaller> {
    match LAST.try_with(Cell::get) {
        Ok((last, slot)) if core::ptr::eq(last, Arc::as_ptr(core)) => Ok(ThreadSlot(slot)),
        _ => slot_slow(core),
    }
}

#[cold]
fn slot_slow(core: &Arc<Core>) -> Result<ThreadSlot, NoCaller> {
    let no_hook = NoCaller::TooManyThreads(core.limits().threads);
    let hook = hook().ok_or(no_hook)?;
    let mut pointer = hook.get().cast::<Registrations>();
    if pointer.is_null() {
        pointer = Box::into_raw(Box::default());
        // SAFETY: the box stays until `thread_ends` takes it; this library's code is not unloaded.
        if unsafe { hook.set(pointer.cast::<c_void>()) }.is_err() {
            // SAFETY: made from a box just now, and nobody else knows it.
            drop(unsafe { Box::from_raw(pointer) });
            return Err(no_hook);
        }
    }
    release_abandoned();
    // SAFETY: the box belongs to the calling thread alone, and no reference to it is held across a call.
    let registrations = unsafe { &mut *pointer };
    let found = registrations.list.iter().find(|one| Arc::ptr_eq(&one.core, core)).map(|one| one.slot);
    let slot = match found {
        Some(slot) => slot,
        None => {
            let slot = register(core)?;
            registrations.list.push(Registration { core: Arc::clone(core), slot });
            slot
        }
    };
    let _ = LAST.try_with(|last| last.set((Arc::as_ptr(core), slot.0)));
    Ok(slot)
}

/// Releases the calling thread's slots in regions of which only thread slots are left, or that a fork left behind.
pub(super) fn release_abandoned() {
    let Some(hook) = hook() else { return };
    let pointer = hook.get().cast::<Registrations>();
    if pointer.is_null() {
        return;
    }
    // SAFETY: the box belongs to the calling thread alone, and no reference to it is held across a call.
    let registrations = unsafe { &mut *pointer };
    let list = core::mem::take(&mut registrations.list);
    let (kept, gone): (Vec<_>, Vec<_>) =
        list.into_iter().partition(|one| one.core.attachment().is_original() && !one.core.is_abandoned());
    registrations.list = kept;
    gone.into_iter().for_each(release);
}

fn register(core: &Arc<Core>) -> Result<ThreadSlot, NoCaller> {
    let mut list = Listed(ThreadList::current().ok());
    let table = core.participants();
    match table.claim_thread(core.attachment().claim(), life_id(), &mut list) {
        Ok(claimed) => {
            if claimed.unburied {
                bury(core, claimed.slot);
            }
            Ok(claimed.slot)
        }
        Err(ClaimThreadError::FencedOff) => Err(NoCaller::Unusable(Unusable::FencedOff)),
        Err(ClaimThreadError::Full) => Err(NoCaller::TooManyThreads(core.limits().threads)),
    }
}

/// Repairs what a thread left in a slot that the calling thread owns.
fn bury(core: &Arc<Core>, slot: ThreadSlot) {
    if let Some(entry) = core.participants().thread(slot) {
        core.attachment().undertaker(&entry.hazard).bury_thread(slot);
    }
}

/// Gives a slot back; what the thread still holds is left as by the dead.
fn release(registration: Registration) {
    let Registration { core, slot } = registration;
    if !core.attachment().is_original() {
        // A forked child: slot, list and region are the parent's. What keeps them is leaked with them.
        core::mem::forget(core);
        return;
    }
    let _ = LAST.try_with(|last| {
        if core::ptr::eq(last.get().0, Arc::as_ptr(&core)) {
            last.set((core::ptr::null(), 0));
        }
    });
    bury(&core, slot);
    let mut list = Listed(ThreadList::current().ok());
    core.participants().release_thread(slot, &mut list);
}

/// Releases the calling thread's slot in `core`, if it has one: the last handle is gone.
pub(super) fn release_here(core: &Arc<Core>) {
    let Some(hook) = hook() else { return };
    let pointer = hook.get().cast::<Registrations>();
    if pointer.is_null() {
        return;
    }
    // SAFETY: as in slot_slow.
    let registrations = unsafe { &mut *pointer };
    if let Some(place) = registrations.list.iter().position(|one| Arc::ptr_eq(&one.core, core)) {
        release(registrations.list.swap_remove(place));
    }
}

unsafe extern "C" fn thread_ends(pointer: *mut c_void) {
    // SAFETY: the pointer is the box that slot_slow set for this thread, and the hook has forgotten it by now.
    let registrations = unsafe { Box::from_raw(pointer.cast::<Registrations>()) };
    registrations.list.into_iter().for_each(release);
}

//! Counts the synchronisation steps of a thread, kills the process at a chosen one, and takes `futex_waitv` away. For
//! tests only.
//!
//! A step is what the model backend numbers: each operation on an atomic word, cell or fence, and two for a futex
//! wait (before it and after it). A kill test arms a step in a child process; the child then sends itself SIGKILL
//! before that step, so model and reality share their crash points.

use core::cell::Cell;

/// How far below the frame that armed it a thread's stack may reach and still be that thread's.
const STACK_SPAN: usize = 8 << 20;

std::thread_local! {
    static TAKEN: Cell<u64> = const { Cell::new(0) };
    static KILL_BEFORE: Cell<u64> = const { Cell::new(u64::MAX) };
    static ARMED_AT: Cell<usize> = const { Cell::new(0) };
}

#[inline(always)]
fn stack_address() -> usize {
    let here = 0_u8;
    core::ptr::from_ref(&here).addr()
}

/// Starts counting the calling thread's steps from zero; before step `kill_before` the process is killed.
///
/// Only what is called from the frame of the caller is counted.
pub fn arm(kill_before: u64) {
    TAKEN.set(0);
    KILL_BEFORE.set(kill_before);
    // A little above, so that the caller's own frame counts.
    ARMED_AT.set(stack_address() + 4096);
}

/// Stops counting and killing, and returns how many steps the calling thread took since [`arm`].
pub fn disarm() -> u64 {
    KILL_BEFORE.set(u64::MAX);
    ARMED_AT.set(0);
    TAKEN.get()
}

pub(super) fn step() {
    // Told by where the stack lies: a thread that was not armed has zero here, and so has a keeper. One that is ending
    // has no storage any more and is not counted.
    let _ = ARMED_AT.try_with(|armed_at| {
        let armed_at = armed_at.get();
        if armed_at.wrapping_sub(stack_address()) > STACK_SPAN {
            return;
        }
        let step = TAKEN.get();
        TAKEN.set(step + 1);
        if KILL_BEFORE.get() == step {
            let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
        }
    });
}

static WITHOUT_WAITV: std::sync::OnceLock<()> = std::sync::OnceLock::new();

/// From here on this process does as if the kernel had no `futex_waitv`, as before Linux 5.16.
pub fn forbid_waitv() {
    let _ = WITHOUT_WAITV.set(());
}

#[cfg(not(loom))]
pub(super) fn waitv_is_forbidden() -> bool {
    WITHOUT_WAITV.get().is_some()
}

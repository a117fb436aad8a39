//! Life words: marked by whoever plays the kernel.

use super::atomic::AtomicU32;
use super::engine::{Engine, current_engine};
use super::futex::futex_wake;
use super::run::current_lane;
use crate::sync::{LIFE_DIED, LIFE_ID_MASK, LIFE_WAITERS, Ordering, native};

/// A word that the kernel marks when the thread that owns it has stopped for good.
#[derive(Debug)]
pub struct LifeWord {
    word: AtomicU32,
}

impl LifeWord {
    /// A life word that nobody owns.
    #[must_use]
    #[track_caller]
    pub fn new() -> Self {
        Self { word: AtomicU32::new(0) }
    }

    /// The word itself, which is also the futex to sleep on.
    #[must_use]
    pub fn word(&self) -> &AtomicU32 {
        &self.word
    }

    /// What the kernel does for the word of a thread that has stopped, if that thread (`id`) owns it: sets the mark,
    /// keeps the waiters bit, and wakes one sleeper if the bit was set (`handle_futex_death` in `kernel/futex/core.c`).
    #[track_caller]
    pub fn mark_as_kernel(&self, id: u32) {
        let mut found = self.word.load(Ordering::Relaxed);
        while found & LIFE_ID_MASK == id {
            let marked = (found & LIFE_WAITERS) | LIFE_DIED;
            // Release: the kernel's compare-and-swap is full; it publishes all that the thread itself wrote.
            match self.word.compare_exchange(found, marked, Ordering::Release, Ordering::Relaxed) {
                Ok(_) => {
                    if found & LIFE_WAITERS != 0 {
                        futex_wake(&self.word, 1);
                    }
                    return;
                }
                Err(newer) => found = newer,
            }
        }
    }
}

impl Default for LifeWord {
    #[track_caller]
    fn default() -> Self {
        Self::new()
    }
}

/// The number by which the kernel recognises the calling thread as owner of a life word.
#[must_use]
pub fn life_id() -> u32 {
    if current_engine() == Engine::Plain {
        return native::life_id();
    }
    u32::try_from(current_lane().wrapping_add(1)).unwrap_or(LIFE_ID_MASK) & LIFE_ID_MASK
}

//! The page that the processes of a program and the test share.
#![allow(clippy::disallowed_types, reason = "selvedge's own words are models in this build")]

use super::program::{LONGEST, Returned, WORDS};
use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous, munmap};
use std::ptr::NonNull;
use std::sync::atomic::AtomicU32;

/// The most processes: three threads and a stranger.
pub(crate) const PROCESSES: usize = 4;

/// What the processes share. All zero is its beginning.
#[repr(C)]
pub(crate) struct Page {
    pub(crate) words: [Line; WORDS],
    /// A word that nobody changes and nobody wakes.
    pub(crate) filler: Line,
    /// The present round, from 1; the processes wait for it between rounds.
    pub(crate) round: Line,
    pub(crate) desks: [Desk; PROCESSES],
}

/// A word on a cache line of its own.
#[repr(C, align(64))]
pub(crate) struct Line(pub(crate) AtomicU32);

/// What one process and the test tell each other.
#[repr(C, align(64))]
pub(crate) struct Desk {
    /// The round that it waits for.
    pub(crate) ready: AtomicU32,
    /// The last round that it has ended.
    pub(crate) ended: AtomicU32,
    /// The operation that it is at, from 1.
    pub(crate) at: AtomicU32,
    /// What its operations returned, as [`encode`] has it.
    pub(crate) returned: [AtomicU32; LONGEST],
    /// Turns of a spin loop before each operation; with [`SLEEP`], nanoseconds to sleep.
    pub(crate) pauses: [AtomicU32; LONGEST],
    /// How far away deadlines are.
    pub(crate) timeout_ns: AtomicU32,
    /// How often a wait on both words waits on the filler between them, at most [`MOST_FILLERS`]: the kernel comes to
    /// the second word, and leaves it, that much later than the first.
    pub(crate) fillers: AtomicU32,
}

/// `futex_waitv` takes 128 words at most.
pub(crate) const MOST_FILLERS: usize = 126;

/// Bit of a pause: it lets others have the processor.
pub(crate) const SLEEP: u32 = 0x8000_0000;

/// The mapping. It is removed when the test drops it; a process that was forked has its own.
pub(crate) struct Shared(NonNull<Page>);

impl Shared {
    pub(crate) fn new() -> Self {
        let (access, length) = (ProtFlags::READ | ProtFlags::WRITE, size_of::<Page>());
        // SAFETY: a new mapping at an address of the kernel's choice.
        let mapped = unsafe { mmap_anonymous(std::ptr::null_mut(), length, access, MapFlags::SHARED) };
        Self(NonNull::new(mapped.expect("a page").cast()).expect("a mapping is nowhere null"))
    }
}

impl std::ops::Deref for Shared {
    type Target = Page;

    fn deref(&self) -> &Page {
        // SAFETY: mapped until drop, large and aligned enough, zeroed, and made of atomics only.
        unsafe { self.0.as_ref() }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // SAFETY: mapped by `new`; every borrow of it has ended.
        let unmapped = unsafe { munmap(self.0.as_ptr().cast(), size_of::<Page>()) };
        unmapped.expect("it was mapped");
    }
}

/// The code of a futex call that failed in a way that the contract does not know.
pub(crate) const BROKEN: u32 = u32::MAX;

const WAKES: u32 = 16;

pub(crate) fn encode(returned: Returned) -> u32 {
    match returned {
        Returned::Nothing => 1,
        Returned::Woken => 2,
        Returned::Changed => 3,
        Returned::TimedOut => 4,
        Returned::Asleep => 5,
        Returned::Wakes(count) => WAKES + count,
    }
}

/// `None` where nothing has been returned yet.
pub(crate) fn decode(code: u32) -> Option<Returned> {
    Some(match code {
        0 => return None,
        1 => Returned::Nothing,
        2 => Returned::Woken,
        3 => Returned::Changed,
        4 => Returned::TimedOut,
        5 => Returned::Asleep,
        BROKEN => panic!("a futex call failed in a way that the contract does not know"),
        count => Returned::Wakes(count - WAKES),
    })
}

//! The native backend: core atomics and futex system calls, nothing else.
//!
//! **Layout.** [`AtomicU32`] and [`AtomicU64`] are their `core` namesakes, transparently; [`Cell`] is its content;
//! [`LifeWord`] is laid out as the kernel's robust list demands (see there). All may be placed in shared memory.
//!
//! **Models.** None: this file is the trusted translation of the contract. `tests/futex_model.rs` checks the model of
//! the futex against this one.

#[cfg(not(loom))]
use super::WaitOn;
use super::{Deadline, WaitOutcome};
use core::cell::UnsafeCell;
use core::sync::atomic;
use rustix::io::Errno;
use rustix::thread::futex;
use rustix::time::Timespec;

pub use core::sync::atomic::Ordering;

/// How often a call looks again before it sleeps. On one core spinning only delays whom it waits for.
pub const SPIN_LIMIT: u32 = 100;

#[cfg(feature = "steps")]
use super::steps::step;
#[cfg(not(feature = "steps"))]
#[inline(always)]
fn step() {}

macro_rules! native_atomic {
    ($(#[$doc:meta])* $name:ident, $value:ty) => {
        $(#[$doc])*
        #[repr(transparent)]
        pub struct $name(atomic::$name);

        impl $name {
            /// A word that holds `value`.
            #[inline]
            #[must_use]
            pub fn new(value: $value) -> Self {
                Self(atomic::$name::new(value))
            }

            /// Reads the word.
            #[inline]
            pub fn load(&self, order: Ordering) -> $value {
                step();
                self.0.load(order)
            }

            /// Writes the word.
            #[inline]
            pub fn store(&self, value: $value, order: Ordering) {
                step();
                self.0.store(value, order);
            }

            /// Writes the word and returns what it held.
            #[inline]
            pub fn swap(&self, value: $value, order: Ordering) -> $value {
                step();
                self.0.swap(value, order)
            }

            /// Writes `new` if the word holds `current`; never fails spuriously.
            ///
            /// # Errors
            /// What the word holds, if that is not `current`.
            #[inline]
            pub fn compare_exchange(
                &self,
                current: $value,
                new: $value,
                success: Ordering,
                failure: Ordering,
            ) -> Result<$value, $value> {
                step();
                self.0.compare_exchange(current, new, success, failure)
            }

            /// Adds, wrapping, and returns what the word held.
            #[inline]
            pub fn fetch_add(&self, value: $value, order: Ordering) -> $value {
                step();
                self.0.fetch_add(value, order)
            }

            /// Subtracts, wrapping, and returns what the word held.
            #[inline]
            pub fn fetch_sub(&self, value: $value, order: Ordering) -> $value {
                step();
                self.0.fetch_sub(value, order)
            }

            /// Sets bits and returns what the word held.
            #[inline]
            pub fn fetch_or(&self, value: $value, order: Ordering) -> $value {
                step();
                self.0.fetch_or(value, order)
            }

            /// Keeps only the bits of `value` and returns what the word held.
            #[inline]
            pub fn fetch_and(&self, value: $value, order: Ordering) -> $value {
                step();
                self.0.fetch_and(value, order)
            }

            /// The word as a debugger sees it: a relaxed load that is no step of any protocol.
            #[inline]
            pub fn peek(&self) -> $value {
                self.0.load(Ordering::Relaxed)
            }
        }

        impl core::fmt::Debug for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                self.peek().fmt(f)
            }
        }
    };
}

native_atomic! {
    /// A 32-bit word of shared memory; the only kind of word on which a thread can sleep.
    AtomicU32, u32
}
native_atomic! {
    /// A 64-bit word of shared memory.
    AtomicU64, u64
}

impl AtomicU32 {
    /// The address of the word, for the kernel.
    #[inline]
    pub fn as_ptr(&self) -> *mut u32 {
        self.0.as_ptr()
    }
}

/// A memory fence, as [`core::sync::atomic::fence`](https://doc.rust-lang.org/core/sync/atomic/fn.fence.html).
#[inline]
pub fn fence(order: Ordering) {
    step();
    atomic::fence(order);
}

/// Keeps the compiler from moving plain and relaxed accesses across; no instruction.
#[inline]
pub fn compiler_fence(order: Ordering) {
    atomic::compiler_fence(order);
}

/// Tells the processor that this is a spin loop.
#[inline]
pub fn spin_loop() {
    core::hint::spin_loop();
}

/// Lets other threads run.
pub fn yield_now() {
    rustix::thread::sched_yield();
}

/// Payload memory that the protocol around it guards.
#[derive(Debug, Default)]
#[repr(transparent)]
pub struct Cell<T: ?Sized>(UnsafeCell<T>);

// SAFETY: a cell only hands out raw pointers; whoever dereferences one answers for the protocol that keeps others away.
unsafe impl<T: ?Sized + Send> Sync for Cell<T> {}

impl<T> Cell<T> {
    /// A cell that holds `value`.
    #[inline]
    #[must_use]
    pub const fn new(value: T) -> Self {
        Self(UnsafeCell::new(value))
    }

    /// Calls `f` with a pointer that is valid for reads while the protocol lets nobody write.
    #[inline]
    pub fn with<R>(&self, f: impl FnOnce(*const T) -> R) -> R {
        step();
        f(self.0.get())
    }

    /// Calls `f` with a pointer that is valid for writes while the protocol lets nobody else in.
    #[inline]
    pub fn with_mut<R>(&self, f: impl FnOnce(*mut T) -> R) -> R {
        step();
        f(self.0.get())
    }
}

/// A word that the kernel marks in the dying thread itself, after which that thread never runs again.
///
/// | offset | bytes | content |
/// |---|---|---|
/// | 0 | 4 | the word: [`life_id`](super::life_id) of its owner, [`LIFE_WAITERS`](super::LIFE_WAITERS), [`LIFE_DIED`](super::LIFE_DIED) |
/// | 4 | 20 | zero |
/// | 24 | 8 | address of the previous robust-list node, in the owner's address space |
/// | 32 | 8 | address of the next robust-list node, in the owner's address space: the list entry itself |
///
/// The distance from entry to word, -32, is that of glibc's own robust mutexes on 64-bit machines: a thread has one
/// robust list with one `futex_offset` for all entries (kernel document `locking/robust-futex-ABI`).
#[repr(C)]
pub struct LifeWord {
    word: AtomicU32,
    reserved: [u32; 5],
    links: UnsafeCell<[usize; 2]>,
}

impl LifeWord {
    /// The distance in bytes from the list entry to the word, as the kernel adds it.
    pub const FUTEX_OFFSET: isize = -32;

    /// A life word that nobody owns.
    #[must_use]
    pub fn new() -> Self {
        Self { word: AtomicU32::new(0), reserved: [0; 5], links: UnsafeCell::new([0; 2]) }
    }

    /// The word itself, which is also the futex to sleep on.
    #[inline]
    #[must_use]
    pub fn word(&self) -> &AtomicU32 {
        &self.word
    }

    /// Address of the list entry (`next`); the link to the previous entry lies one pointer before it.
    #[must_use]
    pub fn entry(&self) -> *mut usize {
        self.links.get().cast::<usize>().wrapping_add(1)
    }
}

impl Default for LifeWord {
    fn default() -> Self {
        Self::new()
    }
}

impl core::fmt::Debug for LifeWord {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "LifeWord({:#x})", self.word.peek())
    }
}

// SAFETY: the links are touched only by the thread that owns the word (it is on that thread's robust list), which is
// decided by compare-and-swap on `word` (participants, I1).
unsafe impl Sync for LifeWord {}
// SAFETY: as above; nothing in it belongs to the thread that made it.
unsafe impl Send for LifeWord {}

/// The number by which the kernel recognises the calling thread as owner of a life word: its thread id.
#[must_use]
pub fn life_id() -> u32 {
    rustix::thread::gettid().as_raw_nonzero().get().unsigned_abs()
}

/// Nanoseconds of `CLOCK_MONOTONIC`.
pub(super) fn now_ns() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
    seconds.saturating_mul(1_000_000_000).saturating_add(u64::try_from(now.tv_nsec).unwrap_or(0))
}

fn timespec(deadline: Deadline) -> Timespec {
    let ns = deadline.monotonic_ns();
    Timespec {
        tv_sec: i64::try_from(ns / 1_000_000_000).unwrap_or(i64::MAX),
        tv_nsec: i64::try_from(ns % 1_000_000_000).unwrap_or(0),
    }
}

fn outcome(error: Errno) -> WaitOutcome {
    match error {
        Errno::AGAIN => WaitOutcome::Changed,
        Errno::TIMEDOUT => WaitOutcome::TimedOut,
        // EINTR; anything else (EFAULT of a truncated file, say) is for the caller to find when it looks again.
        _ => WaitOutcome::Interrupted,
    }
}

/// Sleeps while `word` holds `expected`, until woken or until the deadline, which is absolute on `CLOCK_MONOTONIC`.
pub fn futex_wait(word: &AtomicU32, expected: u32, deadline: Option<Deadline>) -> WaitOutcome {
    step();
    let deadline = deadline.map(timespec);
    // FUTEX_WAIT takes a relative timeout, FUTEX_WAIT_BITSET an absolute one on CLOCK_MONOTONIC.
    match futex::wait_bitset(&word.0, futex::Flags::empty(), expected, deadline.as_ref(), core::num::NonZeroU32::MAX) {
        Ok(()) => {
            step();
            WaitOutcome::Woken
        }
        Err(error) => {
            step();
            outcome(error)
        }
    }
}

/// Wakes up to `count` sleepers of `word` and returns how many there were.
pub fn futex_wake(word: &AtomicU32, count: u32) -> u32 {
    step();
    futex::wake(&word.0, futex::Flags::empty(), count.min(i32::MAX.unsigned_abs()))
        .map_or(0, |woken| u32::try_from(woken).unwrap_or(u32::MAX))
}

/// Whether this kernel has `futex_waitv` (Linux 5.16). Asked once per process.
#[cfg(not(loom))]
pub fn has_waitv() -> bool {
    #[cfg(feature = "steps")]
    if super::steps::waitv_is_forbidden() {
        return false;
    }
    static KNOWN: atomic::AtomicU32 = atomic::AtomicU32::new(0);
    match KNOWN.load(Ordering::Relaxed) {
        0 => {
            // No words at all: EINVAL where the call exists, ENOSYS where it does not.
            let answer = futex::waitv(&[], futex::WaitvFlags::empty(), None, rustix::thread::ClockId::Monotonic);
            let known = !matches!(answer, Err(Errno::NOSYS | Errno::PERM));
            KNOWN.store(1 + u32::from(known), Ordering::Relaxed);
            known
        }
        known => known == 2,
    }
}

/// Sleeps while every word holds its expected value, until one is woken or until the deadline.
///
/// Without `futex_waitv` this waits on the first word in slices of 20 ms and looks at all between them.
#[cfg(not(loom))]
pub fn futex_waitv(on: &[WaitOn<'_>], deadline: Option<Deadline>) -> WaitOutcome {
    step();
    if !has_waitv() {
        return waitv_by_polling(on, deadline);
    }
    let mut words = [futex::Wait::new(); super::WAITV_MAX + 1];
    let Some(words) = words.get_mut(..on.len()) else { return WaitOutcome::Interrupted };
    for (word, on) in words.iter_mut().zip(on) {
        word.val = u64::from(on.expected);
        word.uaddr = futex::WaitPtr::new(on.word.as_ptr().cast());
        word.flags = futex::WaitFlags::SIZE_U32;
    }
    let deadline = deadline.map(timespec);
    let answer = futex::waitv(words, futex::WaitvFlags::empty(), deadline.as_ref(), rustix::thread::ClockId::Monotonic);
    step();
    answer.map_or_else(outcome, |_| WaitOutcome::Woken)
}

#[cfg(not(loom))]
fn waitv_by_polling(on: &[WaitOn<'_>], deadline: Option<Deadline>) -> WaitOutcome {
    const SLICE: core::time::Duration = core::time::Duration::from_millis(20);
    let Some(first) = on.first() else { return WaitOutcome::Interrupted };
    loop {
        if on.iter().any(|on| on.word.peek() != on.expected) {
            return WaitOutcome::Changed;
        }
        let slice = Deadline::earliest(deadline, Some(Deadline::after(SLICE)));
        match futex_wait(first.word, first.expected, slice) {
            WaitOutcome::TimedOut if deadline.is_some_and(Deadline::has_passed) => return WaitOutcome::TimedOut,
            WaitOutcome::TimedOut => {}
            other => return other,
        }
    }
}

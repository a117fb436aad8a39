//! The sync layer: the one contract on which every algorithm of this crate is written.
//!
//! **Purpose.** The algorithms in [`primitives`](crate::primitives) name no atomic, no system call and no thread of
//! their own; they use what this module offers. It has two backends with the same names and meanings:
//!
//! | build | backend | what an operation is |
//! |---|---|---|
//! | normal | `native` | one core atomic or one system call, nothing else |
//! | `--cfg loom` | `model` | an instrumented step, forwarded to the engine that runs (treadle, loom, shuttle) |
//!
//! **Contract.**
//!
//! | item | meaning |
//! |---|---|
//! | [`AtomicU32`], [`AtomicU64`] | the atomic words of shared memory; there is no weak compare-exchange on purpose (a model would have to make it fail) |
//! | [`fence`] | as `core`'s; the only sequentially consistent operation that `primitives` may use |
//! | [`compiler_fence`] | orders plain stores for a death between two instructions of this thread; costs nothing |
//! | [`Cell`] | payload memory; `with` reads, `with_mut` writes; the model reports races on it |
//! | [`futex_wait`] | sleeps while the word holds `expected`; the value check and the enqueueing are one step |
//! | [`futex_waitv`] | the same on up to [`WAITV_MAX`] words; words are checked one after the other, as the kernel does |
//! | [`futex_wake`] | wakes up to `count` sleepers of a word; orders nothing by itself |
//! | [`LifeWord`] | a word that the kernel marks when the thread that owns it has stopped for good |
//! | [`life_id`] | the value by which the kernel recognises the owner of a life word |
//! | [`spin_loop`], [`yield_now`] | as `std`'s |
//! | [`Deadline`] | an absolute instant of `CLOCK_MONOTONIC` |
//!
//! Words on which a thread sleeps are `u32` and are only ever accessed as `u32`: mixed-size access to one word can be
//! neither modelled nor trusted. All futexes are process-shared.
//!
//! **Orderings.** Those of `core`. No operation adds one: a wake does not synchronise with the wait that it ends. The
//! kernel's mark of a [`LifeWord`] is a release store for the marked thread's own writes.
//!
//! **References.** `futex(2)`, `futex_waitv` (Linux 5.16, kernel document `userspace-api/futex2`),
//! `get_robust_list(2)`, kernel document `locking/robust-futex-ABI`.

mod deadline;
#[cfg(loom)]
pub mod model;
#[cfg_attr(
    loom,
    allow(dead_code, unreachable_pub, reason = "the model build uses native words outside of any engine only")
)]
#[expect(clippy::disallowed_types, reason = "what everybody else has to use is made of these")]
mod native;
#[cfg(feature = "steps")]
pub mod steps;

pub use deadline::Deadline;
#[cfg(loom)]
pub use model::{
    AtomicU32, AtomicU64, Cell, LifeWord, SPIN_LIMIT, compiler_fence, fence, futex_wait, futex_waitv, futex_wake,
    life_id, spin_loop, yield_now,
};
pub use native::Ordering;
#[cfg(not(loom))]
pub use native::{
    AtomicU32, AtomicU64, Cell, LifeWord, SPIN_LIMIT, compiler_fence, fence, futex_wait, futex_waitv, futex_wake,
    has_waitv, life_id, spin_loop, yield_now,
};

/// The most words that one [`futex_waitv`] can sleep on; the kernel's own limit is 128, one is kept for a bell.
pub const WAITV_MAX: usize = 127;

/// Bit of a [`LifeWord`]: somebody sleeps on it, and the kernel is to wake one sleeper with its mark.
pub const LIFE_WAITERS: u32 = 0x8000_0000;
/// Bit of a [`LifeWord`]: the kernel's mark. The thread that owned the word never runs again.
pub const LIFE_DIED: u32 = 0x4000_0000;
/// The bits of a [`LifeWord`] that hold the owner's [`life_id`]; zero when nobody owns it.
pub const LIFE_ID_MASK: u32 = 0x3fff_ffff;

/// How a futex wait ended. Every outcome allows the word to have changed or not: the caller looks again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitOutcome {
    /// Woken by a wake, or spuriously.
    Woken,
    /// Did not sleep: the word did not hold the expected value.
    Changed,
    /// The deadline passed.
    TimedOut,
    /// A signal handler ran.
    Interrupted,
}

/// One word of a [`futex_waitv`] and the value it must hold for the thread to sleep.
#[derive(Clone, Copy, Debug)]
pub struct WaitOn<'a> {
    /// The word to sleep on.
    pub word: &'a AtomicU32,
    /// The value that it must hold.
    pub expected: u32,
}

//! What code of other crates is written on to be checked here: the names and meanings of `core::sync::atomic`, each operation a
//! step of the model. In a normal build such a crate takes the atomics of the core library instead.
//!
//! A word is made by a call, not in a constant; a compare-exchange never fails for no reason, so there is no weak one; a model must
//! have no loop that turns until another thread comes, unless [`spin_loop`] is in it. Everything that threads share has to be made
//! of these: what is in a [`Cell`] is payload, on which data races are reported. See the contract of [`selvedge::sync`].

pub use selvedge::sync::{
    AtomicU32, AtomicU64, Cell, Deadline, Ordering, WaitOutcome, fence, futex_wait, futex_wake, spin_loop, yield_now,
};

//! The model backend: every operation of the contract as an instrumented step, forwarded to the engine that runs.
//!
//! **Purpose.** Under `--cfg loom` the algorithms are the same source; their words, cells and futexes come from here.
//! What an operation does, in this order:
//!
//! 1. a thread that is dead or unwinding does nothing and gets a dummy answer: a real kill runs no destructor;
//! 2. the step is counted, and if the [`Plan`] says so the thread is killed or frozen before it;
//! 3. the ordering is looked up: the plan may weaken it at this site (file, line and column of the caller);
//! 4. the engine executes it, other threads running first if the engine so chooses;
//! 5. it is recorded in the trace, from which a failing execution is drawn.
//!
//! **Engines.** [`Engine`] lists them; each is one file in `engine/`. The harness chooses one for its OS thread. Without
//! a harness the operations forward to loom inside of a loom execution, so that an embedder's own `loom::model` has
//! selvedge's primitives as participants, and are plain native words anywhere else (doctests, ordinary threads).
//!
//! **Identity.** All engines run all virtual threads as coroutines of one OS thread. Who runs is kept in a
//! thread-local that each operation restores after the engine returns.
//!
//! **Invariant.** I1: everything of one execution is touched by one OS thread only. The `Send` and `Sync`
//! implementations of this module rest on it.

mod atomic;
mod cell;
mod engine;
mod futex;
mod kills;
mod life;
mod outcome;
mod plan;
mod run;
mod sites;
mod trace;

#[cfg(not(feature = "model"))]
compile_error!("selvedge under `--cfg loom` needs its feature `model`, which brings the engines");

pub use atomic::{AtomicU32, AtomicU64, fence};
pub use cell::Cell;
pub use engine::{Engine, JoinHandle, current_engine, spawn, spawn_mortal, thread_key, with_engine};
pub use futex::{futex_wait, futex_waitv, futex_wake};
pub use life::{LifeWord, life_id};
pub use plan::{Mutation, OrderSlot, Plan, WakeOrder};
pub use run::{Deadlock, Killed, Lane, LaneState, Restart, Run, Sleeper, SoloLimit, current_run, set_current_lane};
pub use trace::{Action, Change, Event, Known, Site, SiteKind, SiteRecord};

/// Models do not spin: a look more is a state more, and no behaviour more.
pub const SPIN_LIMIT: u32 = 0;

/// No instruction and no step: a death in the model leaves a prefix of the program order already.
pub fn compiler_fence(_order: super::Ordering) {}

/// A spin loop's turn: somebody else runs.
pub fn spin_loop() {
    engine::yield_now();
}

/// Lets other threads run.
pub fn yield_now() {
    engine::yield_now();
}

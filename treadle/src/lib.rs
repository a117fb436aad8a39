//! A stateless model checker for Rust: every execution of a small concurrent program, each exactly once.
//!
//! The treadle is what drives a loom. A *model* is a closure that starts a few threads, lets them use this crate's
//! atomics, cells, locks and futexes, and asserts what must hold. [`model()`] runs it in every execution that the memory
//! model allows, and fails with the shortest bad one that it has found.
//!
//! ```
//! use std::sync::Arc;
//! use treadle::cell::UnsafeCell;
//! use treadle::sync::atomic::{AtomicBool, Ordering::{Acquire, Release}};
//!
//! treadle::model(|| {
//!     let shared = Arc::new((UnsafeCell::new(0), AtomicBool::new(false)));
//!     let sender = Arc::clone(&shared);
//!     let thread = treadle::thread::spawn(move || {
//!         sender.0.with_mut(|value| unsafe { *value = 42 });
//!         sender.1.store(true, Release);
//!     });
//!     // With `Relaxed` in place of `Acquire` or `Release`, this is reported as a data race.
//!     if shared.1.load(Acquire) {
//!         shared.0.with(|value| assert_eq!(unsafe { *value }, 42));
//!     }
//!     thread.join().unwrap();
//! });
//! ```
//!
//! # Writing a model
//!
//! 1. Make it small: two or three threads, a few operations each, the smallest capacity. Faults in such code show in small
//!    clients, and every operation more multiplies the executions.
//! 2. Make everything that threads share inside of the closure, from this crate's types: it runs once for each execution.
//!    Share it with `std::sync::Arc` (or [`sync::Arc`], if the counting is part of what you check).
//! 3. Put plain data into [cells](cell): a race on it is what a wrong ordering looks like.
//! 4. Assert what must hold where it must hold, and what must hold at the end after joining all threads.
//! 5. Say [`hint::spin_loop`] in loops that wait, and nothing else in loops that do not.
//! 6. Break it: weaken an ordering, drop a wake, and see the model fail. One that never failed proves nothing.
//!
//! # What is explored
//!
//! *Execution graphs*: what each read reads from, and in which order the writes of each location stand. Two runs with
//! one graph differ in nothing that the program could observe, so the number of executions is the number of consistent
//! graphs ([`Report::executions`]). Consistent is what **RC11** allows (Lahav, Vafeiadis, Kang, Hur, Dreyer, "Repairing
//! sequential consistency in C/C++11", PLDI 2017), with the release sequences of C++20:
//!
//! - all orderings of loads, stores, read-modify-writes and fences; sequentially consistent ones as the paper has them
//!   (its own `psc`, not the stronger `sb ; hb ; sb` variant of some checkers);
//! - a compare-exchange that fails can read any value that a load could; a weak one also fails for no reason;
//! - data races on [cells](cell), found by happens-before and not by luck;
//! - deadlocks, lost wake-ups, spin loops that nothing ends; objects left at the end;
//! - [futexes](futex) with what lingers in their queues, [deaths](thread::spawn_mortal) before any operation, and
//!   [choices](choose).
//!
//! # What is not
//!
//! - **Load buffering**: executions in which program order and reads-from form a cycle. C++20 and Rust allow them for
//!   relaxed accesses; RC11 does not. An ordering that only keeps these away looks superfluous here.
//! - **Real time.** A timed wait ends at any point, or not; no clock runs.
//! - **Loops without an end.** A spin loop has to say so with [`hint::spin_loop`] or [`thread::yield_now`], or be one of
//!   the awaits ([`AtomicU32::await_eq`](sync::atomic::AtomicU32::await_eq)). Then it may turn for ever, at the cost of
//!   one read. Another loop must end by itself; [`Builder::max_events`] says when to give up.
//! - **What the engine cannot see**: random numbers, time, addresses, static variables, threads of `std`. A model must be
//!   a function of what it reads; if a replay differs, that is reported ([`Problem::Divergence`]). Values that are
//!   shared past the engine (in a `std::sync::Mutex`, say) have the order of one run, not of every execution: use them to
//!   collect results, never to decide, and hold no lock of theirs over an operation of the model.
//! - Mixed-size accesses, and `memory_order_consume`.
//!
//! # Two searches, and parts of them
//!
//! [`Builder`] explores execution graphs under RC11 (or sequential consistency): everything, or what is few deviations
//! away from the plain execution, or what is drawn at random ([`Search`]); on several cores, if asked to
//! ([`Builder::workers`]), with the same result. [`Stateful`] searches the states under sequential consistency: blind to
//! weak memory, it goes further where many ways lead to few states, gives the shortest counterexample, and checks what no
//! single execution shows: that an operation ends when its thread runs alone ([`non_blocking`]), and that the program does
//! not go round in circles ([`phase`]). A model runs on both as it is.
//!
//! # Reading a counterexample
//!
//! A [`Failure`] shows the execution as lanes, one column for each thread, each event with its place in the source and
//! what it read; "outdated" marks a read of something other than the newest value *in the order of the lanes*. Weak
//! executions have no order in which every read reads the newest value, so somewhere there is such a mark. Its last line
//! is the execution's id: `TREADLE_REPLAY=<id> cargo test <name of the test>` runs just that one and shows it, whether it
//! fails or not. [`Picture::dot`] has the same as a graph, with reads-from, coherence and reads-before.
//!
//! # Coming from loom
//!
//! Replace `loom` by `treadle` in the imports. What differs:
//!
//! | loom | treadle |
//! |---|---|
//! | misses executions (its reduction keeps the last access of a location only) | misses none of 10,000 random programs compared with brute force |
//! | repeats equivalent executions by the thousand | none twice |
//! | sequentially consistent accesses count as acquire-release | as in RC11 |
//! | the seven newest stores of a word, the newest for a failing compare-exchange | all that coherence allows |
//! | at most five threads | no limit but what can be explored |
//! | `yield_now` in a loop: explored turn by turn | one read, and a loop that nothing ends is reported |
//! | `preemption_bound` | not needed so far |
//! | `Arc` costs no executions | its counting is part of the model; use `std::sync::Arc` where it does not matter |
//!
//! # The algorithm
//!
//! TruSt (Kokologiannakis, Marmanis, Gladstein, Vafeiadis, "Truly stateless, optimal dynamic partial order reduction",
//! POPL 2022), which descends from RCMC (POPL 2018) and GenMC (CAV 2021). [`algorithm`] explains it. In the source, each
//! module begins with its invariants: `graph` (events and clocks), `consistency` (the memory models), `explore` (the search
//! and its condition for revisits), `runtime` (coroutines and replay), `stateful` (the second search).

#[doc = include_str!("algorithm.md")]
pub mod algorithm {}
pub mod alloc;
pub mod cell;
mod check;
mod consistency;
mod explore;
mod failure;
mod faults;
pub mod futex;
mod graph;
pub mod hint;
pub mod model;
mod moment;
mod report;
mod runtime;
mod share;
mod stateful;
pub mod sync;
pub mod thread;

pub use consistency::MemoryModel;
pub use failure::{Failure, Problem};
pub use model::{Builder, Report, Search, model};
pub use moment::{Moment, moment};
pub use report::Picture;
pub use runtime::{Killed, LastAccess, Schedule};
pub use stateful::{Stateful, StatefulReport, non_blocking, phase};

/// A number below `bound`, every one in some execution; the model's own nondeterminism.
///
/// ```
/// let report = treadle::Builder::new().explore(|| assert!(treadle::choose(3) < 3));
/// assert_eq!(report.unwrap().executions, 3);
/// ```
///
/// # Panics
/// If `bound` is 0.
#[must_use]
#[track_caller]
pub fn choose(bound: u32) -> u32 {
    assert!(bound > 0, "there is no number below 0");
    let site = core::panic::Location::caller();
    let chosen = runtime::operate(|x| x.choose(bound, site)).unwrap_or(0);
    u32::try_from(chosen).unwrap_or(0)
}

/// Whether the caller is a thread of a model.
#[must_use]
pub fn is_running() -> bool {
    runtime::is_inside()
}

/// Says that it is no deadlock in itself if nobody can go on: an execution may end so that some threads wait for ever, unless
/// `check`, which is called then, says why not. It must not use anything of the model, whose threads stand still.
///
/// For models in which a wait may be in vain, and which know from what else has happened whether it may. It holds for the
/// execution that is running; [`Stateful`] does not ask.
///
/// ```
/// use std::sync::Arc;
/// use treadle::{Builder, Problem, sync::atomic::{AtomicU32, Ordering::Relaxed}, thread};
///
/// let waits_in_vain = |may: bool| move || {
///     treadle::at_rest(move || if may { Ok(()) } else { Err("nobody is to wait".to_owned()) });
///     let word = Arc::new(AtomicU32::new(0));
///     thread::spawn(move || word.await_eq(1, Relaxed)).join().unwrap();
/// };
/// assert_eq!(Builder::new().explore(waits_in_vain(true)).unwrap().executions, 1);
/// assert_eq!(Builder::new().explore(waits_in_vain(false)).unwrap_err().problem, Problem::Unrest);
/// ```
///
/// # Panics
/// Outside of a model.
pub fn at_rest(check: impl FnOnce() -> Result<(), String> + 'static) {
    runtime::with(|x| x.at_rest = Some(Box::new(check)));
}

/// Ends the whole check at once, with [`Problem::Aborted`]: for harnesses that find out in the middle of an execution
/// that there is no point in going on.
///
/// # Panics
/// Outside of a model.
pub fn abort(why: &str) -> ! {
    loop {
        runtime::operate(|x| x.fail::<()>(runtime::Fault::Aborted(why.to_owned())));
        assert!(thread::is_alive(), "the thread unwinds already");
    }
}

/// Takes what the last thread of a model panicked with, of those that this OS thread has run: for harnesses that panic with
/// more than a message. With one [worker](Builder::workers) that is the thread that called for the check.
#[must_use]
pub fn take_panic() -> Option<Box<dyn std::any::Any + Send>> {
    runtime::take_panic()
}

/// The README's code, run as a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

//! Decides whether a history of operations on one object is linearizable.
//!
//! **Purpose.** Threads call the operations of an object and get results. The object is correct if there is a *witness*:
//! one order of the operations in which each takes effect at once, in which what came before in fact comes before, and
//! in which a few lines of sequential code ([`Specification`]) give every operation the result that it got. This crate
//! looks for a witness, and if there is none reduces the history to what shows that.
//!
//! ```
//! use selvedge_witness::specifications::{Queue, QueueOperation::{Receive, Send}, QueueOutcome::{Got, Sent}};
//! use selvedge_witness::{End, History, Verdict, judge};
//!
//! let mut history = History::new();
//! history.add(0, Send(1), End::Returned(Sent));
//! history.add(0, Send(2), End::Returned(Sent));
//! history.add(1, Receive, End::Returned(Got(2)));
//! let overtaken = history.add(1, Receive, End::Returned(Got(1)));
//! assert!(matches!(judge(&Queue::bounded(2), &history, 1_000), Verdict::NotLinearizable));
//!
//! // If the second receive was cut off by a death, it may have taken any message, or none; the first still cannot have 2.
//! history.set_end(overtaken, End::Pending);
//! assert!(matches!(judge(&Queue::bounded(2), &history, 1_000), Verdict::NotLinearizable));
//! ```
//!
//! # What a history is
//!
//! Operations of threads, each with the thread that called it, how it [ended](End), and which operations were over when it
//! began. That is a **partial** order, and all that the search knows of time. Two sources give it:
//!
//! | from | one operation precedes another if | for |
//! |---|---|---|
//! | stamps of one clock ([`u64`]) | it returned at an earlier time than the other was called | real processes |
//! | vector clocks ([`Moment`]) | all that it did happens before the call of the other | executions under weak memory |
//!
//! With vector clocks there is more: whether what came before the call of one operation happens before the return of
//! another. A specification can demand that of two that follow each other in the witness ([`Specification::publishes`]): a
//! semaphore whose `acquire` returns without what was done before the `release` is wrong, though its numbers are right.
//!
//! # Operations that did not return
//!
//! - **Pending**: the thread was killed in the middle, or nobody saw what it did later. It took effect, with any result, at
//!   any time after its call and before what its thread's death set off, or not at all.
//! - **Blocked**: it waits for ever, though its thread lives and nothing is left to happen. It has not taken effect, and at the
//!   end of the witness it *cannot*: an operation that sleeps while it could go on was forgotten.
//!
//! # Two at once
//!
//! Where a message passes from hand to hand, neither operation takes effect before the other. [`Specification::apply_both`]
//! lets two take effect in one step, if neither was over when the other began.
//!
//! # References
//!
//! - Herlihy and Wing, "Linearizability: a correctness condition for concurrent objects", TOPLAS 12(3), 1990.
//! - Wing and Gong, "Testing and verifying concurrent objects", JPDC 17, 1993: the search.
//! - Lowe, "Testing for linearizability", Concurrency and Computation 29(4), 2017: sets of operations and states that have been
//!   tried are remembered.
//! - Batty, Dodds and Gotsman, "Library abstraction for C/C++ concurrency", POPL 2013: happens-before as the order.
//! - Hemed, Rinetzky and Vafeiadis, "Modular verification of concurrency-aware linearizability", DISC 2015: two at once.
//!
//! Checkers that exist (Porcupine, stateright's tester) know totally ordered calls and returns, and neither deaths nor
//! operations that wait for ever; so this is one of our own.

mod history;
mod lanes;
mod minimise;
mod search;
mod set;
mod specification;
pub mod specifications;

pub use history::{End, Entry, History, Instant, Moment, Record};
pub use lanes::draw;
pub use minimise::minimise;
pub use search::{Step, Verdict, Witness, judge};
pub use set::MOST;
pub use specification::{Call, Effect, Specification};

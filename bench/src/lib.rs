//! Measures selvedge beside its peers: all contestants in one run, taking turns, on one machine.
//!
//! | binary | question |
//! |---|---|
//! | `uncontended` | what does a lock and unlock cost that nobody else wants? |
//! | `takeover` | how long after the owner's SIGKILL does the waiter have the mutex? |
//! | `semaphore` | what does an acquire and release cost, alone and between two processes? |
//!
//! Run them with `cargo run --release -p selvedge-bench --bin uncontended`. Numbers of different runs must not be
//! compared, nor those of different machines; what is worth something is the ratio of two medians of one run.

pub mod children;
pub mod peers;
pub mod report;
pub mod rounds;

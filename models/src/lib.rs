//! The proofs of selvedge: a harness that runs a model on every engine that can hold it, and the models.
//!
//! A model ([`Model`]) is written once: virtual threads that share control blocks, and assertions. The harness explores
//! its interleavings on an engine, then sweeps faults over it: every victim killed before every step, every timed wait
//! running out, every wait returning spuriously, others frozen at every step. See [`explore`] for one exploration,
//! [`sweep`] for all of a model, [`lanes`] for the picture of a failure.
//!
//! It is for other crates, too: they write their code on [`sync`], and have a binary whose `main` is [`command::main`]. `foreign/` is
//! such a crate, and its `TUTORIAL.md` begins with an empty folder.
//!
//! Everything needs `--cfg loom`; without the flag this crate is empty.

#![cfg(loom)]

pub mod audit;
pub mod catalogue;
pub mod clients;
pub mod command;
pub mod compare;
pub mod explore;
pub mod gallery;
pub mod lanes;
pub mod last_resort;
pub mod ledger;
mod life;
pub mod litmus;
pub mod mutants;
pub mod outcomes;
mod panics;
pub mod parallel;
pub mod parts;
pub mod properties;
pub mod report;
pub mod scene;
pub mod states;
pub mod subject;
pub mod sweep;
pub mod sync;
pub mod world;

pub use selvedge_witness as witness;
pub use world::{Bounds, Death, Faults, Model, World};

/// An assertion of a model: counted, so that a model whose assertions are never reached is refused.
#[macro_export]
macro_rules! verify {
    ($condition:expr $(, $($message:tt)+)?) => {{
        $crate::world::count_assertion();
        assert!($condition $(, $($message)+)?);
    }};
}

/// As [`verify!`], for equality.
#[macro_export]
macro_rules! verify_eq {
    ($left:expr, $right:expr $(, $($message:tt)+)?) => {{
        $crate::world::count_assertion();
        assert_eq!($left, $right $(, $($message)+)?);
    }};
}

/// The [`Project`](command::Project) of the crate in which it stands, without any models yet.
#[macro_export]
macro_rules! project {
    ($name:expr) => {
        $crate::command::Project::new($name, env!("CARGO_MANIFEST_DIR"), file!())
    };
}

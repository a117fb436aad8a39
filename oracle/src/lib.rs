//! A brute-force oracle for memory models: every execution of a tiny program, judged by the axioms.
//!
//! **Purpose.** A model checker is trusted for what it says about code. This crate is what a checker is compared with:
//! it tries every reads-from choice and every coherence order of a program with constant operands, keeps those that
//! the axioms of RC11 (or sequential consistency) allow, and returns the set of outcomes and the number of execution
//! graphs. It is slow, small, has no dependency, and shares no code with any checker.
//!
//! ```
//! use rc11_oracle::{Model, Op, Order::Relaxed, Program, outcomes};
//!
//! let store_buffering = Program::new(
//!     2,
//!     vec![
//!         vec![Op::store(0, 1, Relaxed), Op::load(1, Relaxed)],
//!         vec![Op::store(1, 1, Relaxed), Op::load(0, Relaxed)],
//!     ],
//! )?;
//! let weak = outcomes(&store_buffering, Model::Rc11);
//! assert_eq!(weak.graphs, 4);
//! assert!(weak.set.iter().any(|outcome| outcome.to_string() == "T0: 0 | T1: 0 | x=1 y=1"));
//! assert_eq!(outcomes(&store_buffering, Model::Sc).graphs, 3);
//! # Ok::<(), rc11_oracle::ProgramError>(())
//! ```
//!
//! # The model
//!
//! RC11 as published by Lahav, Vafeiadis, Kang, Hur and Dreyer ("Repairing sequential consistency in C/C++11",
//! PLDI 2017), restricted to atomic accesses, with the release sequences of C++20. Events are related by `sb`
//! (sequenced before; initial writes come before everything), `rf` (reads from), `rmw` (the read of a
//! read-modify-write to its write; both have their own part of its ordering) and `mo` (coherence order, total per
//! word). Derived:
//!
//! - `rb = rf⁻¹ ; mo`, `eco = (rf ∪ mo ∪ rb)⁺`;
//! - `rs = [W] ; (rf ; rmw)*`: the write and the chain of read-modify-writes behind it, nothing else;
//! - `sw = [E⊒rel] ; ([F] ; sb)? ; rs ; rf ; [R] ; (sb ; [F])? ; [E⊒acq]`, `hb = (sb ∪ sw)⁺`.
//!
//! | axiom | what it says |
//! |---|---|
//! | coherence | `hb ; eco?` is irreflexive |
//! | atomicity | `rmw ∩ (rb ; mo)` is empty |
//! | no thin air | `sb ∪ rf` is acyclic (this excludes load buffering, which C++20 allows) |
//! | SC | `psc_base ∪ psc_F` is acyclic |
//!
//! The SC axiom is the paper's own, with
//!
//! - `scb = sb ∪ sb|≠loc ; hb ; sb|≠loc ∪ hb|loc ∪ mo ∪ rb`,
//! - `psc_base = ([E^sc] ∪ [F^sc] ; hb?) ; scb ; ([E^sc] ∪ hb? ; [F^sc])`,
//! - `psc_F = [F^sc] ; (hb ∪ hb ; eco ; hb) ; [F^sc]`,
//!
//! where `sb|≠loc` is `sb` without the pairs that access one word: a pair with a fence is in it. Some checkers use
//! `sb ; hb ; sb` instead, which forbids more (`Z6.U` tells them apart: 24 graphs here, 22 there).
//!
//! A compare-exchange that fails is a read with its failure ordering; if that is `SeqCst`, it is a sequentially
//! consistent read and takes part in `psc`. It may read any coherent value that differs from the one expected. There
//! is no spurious failure.
//!
//! Sequential consistency is: `sb ∪ rf ∪ mo ∪ rb` is acyclic, and atomicity.
//!
//! # What is here
//!
//! | module | content |
//! |---|---|
//! | (top) | [`Program`], [`Op`], [`Order`], [`Model`], [`outcomes`], [`Outcome`] |
//! | [`litmus`] | the litmus shapes and probes with their verdicts, as data |
//! | [`random`] | deterministic random programs |
//! | [`mutant`] | RC11 with one clause changed, and the means to see that each clause matters |

mod axioms;
mod enumerate;
mod graph;
mod lanes;
pub mod litmus;
pub mod mutant;
mod outcome;
mod program;
pub mod random;
mod readings;
mod relation;

pub use enumerate::{Model, outcomes, outcomes_of_mutant};
pub use outcome::{Outcome, Outcomes};
pub use program::{Op, Order, Program, ProgramError};

//! Inter-process communication whose edges do not unravel.

#![cfg_attr(not(test), warn(clippy::unwrap_used, clippy::indexing_slicing))]

pub mod primitives;
pub mod sync;

pub use sync::Deadline;

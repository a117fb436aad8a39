//! Inter-process communication whose edges do not unravel.

#![cfg_attr(not(test), warn(clippy::unwrap_used, clippy::indexing_slicing))]

pub mod primitives;
pub mod region;
pub mod sync;

pub use region::Region;
pub use sync::Deadline;

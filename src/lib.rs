#![cfg_attr(not(loom), doc = include_str!("../README.md"))]
#![cfg_attr(loom, doc = "The model build of selvedge: see README.md.")]
#![cfg_attr(not(test), warn(clippy::unwrap_used, clippy::indexing_slicing))]

pub mod message;
pub mod primitives;
pub mod region;
pub mod sync;

pub use region::Region;
pub use sync::Deadline;

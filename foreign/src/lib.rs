//! Two structures for shared memory, and the models that check them.

#[cfg(loom)]
pub mod models;
pub mod seqlock;
pub mod stack;
mod sync;

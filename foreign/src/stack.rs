//! A stack of numbered nodes, after Treiber: last in, first out, without a lock.
//!
//! **Purpose.** Nodes are numbers below a capacity, such as those of free buffers. Whoever pops a node has it alone, until it
//! pushes it again.
//!
//! **Layout.** One word is the top: the node on top, plus one, and a version that every change counts up. One word for each
//! node is the node below it. Memory of nodes is never freed, and the version tells a node from the same one that came back: a
//! pop that has read what was below it fails if the top was another in the meantime.
//!
//! **Death.** Every change is one compare-exchange. Whoever is killed has changed the stack, or not; a node that it had popped,
//! or was about to push, is gone with it.

use crate::sync::{AtomicU32, AtomicU64, Ordering};

/// Nodes, each in it once or not at all.
#[derive(Debug)]
pub struct Stack {
    top: AtomicU64,
    below: Vec<AtomicU32>,
}

/// In place of a node: there is none.
const NONE: u32 = 0;

/// The word after `old`, with this node (plus one) on top.
fn next(old: u64, node: u32) -> u64 {
    let version = (old >> 32).wrapping_add(1);
    version << 32 | u64::from(node)
}

/// The node on top, plus one.
#[allow(clippy::cast_possible_truncation, reason = "the lower half is meant")]
fn node(top: u64) -> u32 {
    top as u32
}

impl Stack {
    /// An empty one, for nodes below `capacity`.
    #[must_use]
    pub fn new(capacity: u32) -> Self {
        Self { top: AtomicU64::new(0), below: (0..capacity).map(|_| AtomicU32::new(NONE)).collect() }
    }

    /// Puts a node on top that the caller has.
    ///
    /// # Panics
    /// The node is not below the capacity.
    pub fn push(&self, pushed: u32) {
        let mut top = self.top.load(Ordering::Relaxed);
        loop {
            // Relaxed: nobody reads it who has not seen the node on top.
            self.below[pushed as usize].store(node(top), Ordering::Relaxed);
            // Release: pairs with the Acquire in pop; publishes what is below, and what the caller did to the node.
            match self.top.compare_exchange(top, next(top, pushed + 1), Ordering::Release, Ordering::Relaxed) {
                Ok(_) => return,
                Err(changed) => top = changed,
            }
        }
    }

    /// Takes the node on top, if there is one.
    #[must_use]
    pub fn pop(&self) -> Option<u32> {
        // Acquire: pairs with the Release in push.
        let mut top = self.top.load(Ordering::Acquire);
        loop {
            let popped = node(top).checked_sub(1)?;
            // Relaxed: if it is from after another one's pop, the version is another, too.
            let below = self.below[popped as usize].load(Ordering::Relaxed);
            // Relaxed if it is taken: `top` was read by an Acquire. If not, the other top needs one.
            match self.top.compare_exchange(top, next(top, below), Ordering::Relaxed, Ordering::Acquire) {
                Ok(_) => return Some(popped),
                Err(changed) => top = changed,
            }
        }
    }
}

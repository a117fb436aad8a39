//! Whose next event is added: a function of the graph.

use super::execution::{Execution, Status};

/// An order of threads. The result of an exploration does not depend on it, which is a test of the engine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Schedule {
    /// The thread that was started first.
    #[default]
    Leftmost,
    /// The thread that was started last.
    Rightmost,
    /// An order that the seed gives, another one after each event.
    Shuffled(u64),
}

impl Execution {
    /// The thread whose next event is added now, if there is one. Threads that read until they like what they read come
    /// last.
    pub(crate) fn next_thread(&mut self) -> Option<usize> {
        if let Some(drawn) = self.draw_thread() {
            return drawn;
        }
        self.pick(&self.enabled())
    }

    /// The threads whose next event can be added; those that read until they like what they read only if there are no
    /// others.
    fn enabled(&self) -> Vec<usize> {
        let awaits = |thread: &usize| self.threads[*thread].status == Status::PendingAwait;
        let enabled = (0..self.threads.len()).filter(|&thread| self.is_enabled(thread));
        let (last, first): (Vec<usize>, Vec<usize>) = enabled.partition(awaits);
        if first.is_empty() { last } else { first }
    }

    /// Any thread whose next event can be added, when executions are drawn at random.
    fn draw_thread(&mut self) -> Option<Option<usize>> {
        self.explorer.draw(1)?;
        let enabled = self.enabled();
        // Mostly the same one goes on: long stretches show more than short ones.
        if enabled.contains(&self.running) && self.explorer.draw(3)? > 0 {
            return Some(Some(self.running));
        }
        let index = self.explorer.draw(enabled.len().max(1))?;
        Some(enabled.get(index).copied())
    }

    fn pick(&self, enabled: &[usize]) -> Option<usize> {
        let enabled = enabled.iter().copied();
        match self.schedule {
            Schedule::Leftmost => enabled.min(),
            Schedule::Rightmost => enabled.max(),
            Schedule::Shuffled(seed) => {
                let length = self.explorer.graph().len() as u64;
                enabled.min_by_key(|&thread| mix(seed ^ mix(length) ^ mix(thread as u64 + 1)))
            }
        }
    }
}

/// Steele, Lea and Flood's splitmix64.
pub(crate) fn mix(state: u64) -> u64 {
    let state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

//! Numbers at random from a seed (SplitMix64), so that a run can be told from another and its choices made again.
#![allow(dead_code, reason = "each test binary uses a part of it")]

/// A stream of numbers.
#[derive(Clone, Debug)]
pub(crate) struct Dice(u64);

impl Dice {
    /// The stream that belongs to `seed`.
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The stream of the seed in the environment variable, or of one that differs from run to run; the seed is printed.
    pub(crate) fn from_environment() -> Self {
        use std::hash::{BuildHasher, Hasher, RandomState};
        let seed = match std::env::var("SELVEDGE_SEED") {
            Ok(seed) => seed.parse().expect("SELVEDGE_SEED is a number"),
            Err(_) => RandomState::new().build_hasher().finish(),
        };
        println!("SELVEDGE_SEED={seed}");
        Self(seed)
    }

    /// The next number.
    pub(crate) fn throw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.throw() % bound
    }

    /// True once in `times`.
    pub(crate) fn once_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }

    /// One of them.
    pub(crate) fn one_of<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        let chosen = self.below(choices.len() as u64);
        &choices[usize::try_from(chosen).expect("an index")]
    }
}

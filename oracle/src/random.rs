//! Random programs, the same for the same seed everywhere.

use crate::program::{Op, Order, Program, ProgramError};

/// How often the generator draws what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mix {
    /// Weight of loads.
    pub loads: u32,
    /// Weight of stores.
    pub stores: u32,
    /// Weight of read-modify-writes: fetch-add, swap and compare-exchange alike.
    pub read_modify_writes: u32,
    /// Chance of a fence between two accesses of a thread, in percent. Where a fence orders nothing, before the first
    /// access and after the last, it is an eighth of that.
    pub fence_percent: u32,
    /// Weight of relaxed accesses.
    pub relaxed: u32,
    /// Weight of acquire and release, for accesses and fences.
    pub acquire_release: u32,
    /// Weight of sequentially consistent accesses and fences.
    pub seq_cst: u32,
}

impl Mix {
    /// Everything, at about equal rates.
    pub const BALANCED: Self = Self {
        loads: 4,
        stores: 4,
        read_modify_writes: 3,
        fence_percent: 15,
        relaxed: 2,
        acquire_release: 2,
        seq_cst: 2,
    };

    /// Mostly relaxed accesses with mostly sequentially consistent fences between them, for the part of the SC axiom
    /// that balanced programs seldom reach.
    pub const FENCE_HEAVY: Self = Self {
        loads: 5,
        stores: 5,
        read_modify_writes: 1,
        fence_percent: 75,
        relaxed: 12,
        acquire_release: 1,
        seq_cst: 3,
    };

    /// Mostly sequentially consistent accesses, a few weaker ones among them.
    pub const SEQ_CST_HEAVY: Self = Self {
        loads: 5,
        stores: 5,
        read_modify_writes: 1,
        fence_percent: 5,
        relaxed: 1,
        acquire_release: 2,
        seq_cst: 9,
    };
}

/// The size and the mix of the programs. Sizes are upper bounds unless they say otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Profile {
    /// Threads: 2 up to this many.
    pub threads: usize,
    /// Accesses of a thread: 1 up to this many. Fences come on top.
    pub accesses_per_thread: usize,
    /// Accesses of the program.
    pub accesses: usize,
    /// Words: exactly this many, though a program may leave some unused.
    pub words: usize,
    /// Operations that may write one word; further ones become loads.
    pub writes_per_word: usize,
    /// How often what is drawn.
    pub mix: Mix,
}

impl Profile {
    /// Balanced programs of up to 10 accesses with up to 4 writes to a word.
    #[must_use]
    pub const fn new(threads: usize, accesses_per_thread: usize, words: usize) -> Self {
        Self { threads, accesses_per_thread, accesses: 10, words, writes_per_word: 4, mix: Mix::BALANCED }
    }

    /// The same sizes with another mix.
    #[must_use]
    pub const fn with_mix(self, mix: Mix) -> Self {
        Self { mix, ..self }
    }

    /// The same sizes with [`Mix::FENCE_HEAVY`].
    #[must_use]
    pub const fn fence_heavy(self) -> Self {
        self.with_mix(Mix::FENCE_HEAVY)
    }
}

/// A stream of random programs.
#[derive(Clone, Debug)]
pub struct Generator {
    state: u64,
    profile: Profile,
}

/// What the accesses drawn so far leave to the next.
struct Draft {
    /// Per word, how many more operations may write it.
    writes_left: Vec<usize>,
    /// The value of the next write. Values are distinct, so that outcomes tell reads-from choices apart.
    next_value: u64,
}

impl Generator {
    /// The stream of `seed`.
    #[must_use]
    pub const fn new(seed: u64, profile: Profile) -> Self {
        Self { state: seed, profile }
    }

    /// The next program.
    ///
    /// # Errors
    ///
    /// [`ProgramError::TooManyEvents`] if the profile's sizes allow programs that are too large.
    pub fn program(&mut self) -> Result<Program, ProgramError> {
        let words = self.profile.words.max(1);
        let mut draft = Draft { writes_left: vec![self.profile.writes_per_word; words], next_value: 1 };
        let threads = self.lengths().into_iter().map(|length| self.lane(&mut draft, length)).collect();
        Program::new(words, threads)
    }

    /// How many accesses each thread has: drawn one by one, then cut, the longest first, until the sum is in bounds.
    fn lengths(&mut self) -> Vec<usize> {
        let threads = 2 + self.below(self.profile.threads.saturating_sub(1).max(1));
        let longest = self.profile.accesses_per_thread.max(1);
        let mut lengths: Vec<usize> = (0..threads).map(|_| 1 + self.below(longest)).collect();
        while lengths.iter().sum::<usize>() > self.profile.accesses {
            lengths.iter_mut().max().into_iter().for_each(|longest| *longest -= 1);
        }
        lengths
    }

    /// The operations of one thread.
    fn lane(&mut self, draft: &mut Draft, length: usize) -> Vec<Op> {
        let mut lane = Vec::with_capacity(2 * length + 1);
        let mut before = None;
        for index in 0..length {
            self.fence(&mut lane, index == 0);
            let access = self.access(draft, before);
            before = access.word();
            lane.push(access);
        }
        self.fence(&mut lane, true);
        lane
    }

    /// Perhaps a fence.
    fn fence(&mut self, lane: &mut Vec<Op>, at_edge: bool) {
        let rarity = if at_edge { 8 } else { 1 };
        if self.next() % (100 * rarity) < u64::from(self.profile.mix.fence_percent) {
            lane.push(Op::fence(self.order(&[Order::Acquire, Order::Release, Order::AcqRel], Order::SeqCst)));
        }
    }

    /// An access. One to the same word as the access `before` has to be drawn twice: relations between words are
    /// where models differ.
    fn access(&mut self, draft: &mut Draft, before: Option<usize>) -> Op {
        let Mix { loads, stores, read_modify_writes, .. } = self.profile.mix;
        let mut word = self.below(draft.writes_left.len());
        if before == Some(word) {
            word = self.below(draft.writes_left.len());
        }
        let kind = self.weighted([loads, stores, read_modify_writes]);
        if kind == 0 || draft.writes_left[word] == 0 {
            return Op::load(word, self.order(&[Order::Acquire], Order::Relaxed));
        }
        draft.writes_left[word] -= 1;
        let value = draft.next_value;
        draft.next_value += 1;
        if kind == 1 {
            return Op::store(word, value, self.order(&[Order::Release], Order::Relaxed));
        }
        let order = self.order(&[Order::Acquire, Order::Release, Order::AcqRel], Order::Relaxed);
        match self.below(3) {
            0 => Op::fetch_add(word, value, order),
            1 => Op::swap(word, value, order),
            _ => {
                let expected = self.next() % value;
                Op::compare_exchange(word, expected, value, order, self.order(&[Order::Acquire], Order::Relaxed))
            }
        }
    }

    /// An ordering: sequentially consistent, one of those `between`, or the `weakest`.
    fn order(&mut self, between: &[Order], weakest: Order) -> Order {
        let Mix { relaxed, acquire_release, seq_cst, .. } = self.profile.mix;
        match self.weighted([relaxed, acquire_release, seq_cst]) {
            0 => weakest,
            1 => between[self.below(between.len())],
            _ => Order::SeqCst,
        }
    }

    /// An index with the probability of its weight; the last if all are zero.
    fn weighted<const N: usize>(&mut self, weights: [u32; N]) -> usize {
        let total: u64 = weights.iter().map(|&weight| u64::from(weight)).sum();
        let mut ticket = self.next() % total.max(1);
        for (index, &weight) in weights.iter().enumerate() {
            match ticket.checked_sub(u64::from(weight)) {
                Some(rest) => ticket = rest,
                None => return index,
            }
        }
        N - 1
    }

    /// A number below `bound`, which is not zero.
    fn below(&mut self, bound: usize) -> usize {
        (self.next() >> 33) as usize % bound
    }

    /// The next number of Steele, Lea and Flood's splitmix64.
    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn numbers_are_those_of_splitmix64() {
        let mut generator = Generator::new(1_234_567, Profile::new(2, 2, 1));
        let numbers: Vec<u64> = (0..3).map(|_| generator.next()).collect();
        assert_eq!(numbers, [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]);
    }

    #[test]
    fn the_same_seed_gives_the_same_programs() -> Result<(), ProgramError> {
        let draw = |seed| {
            let mut generator = Generator::new(seed, Profile::new(3, 4, 2));
            (0..20).map(|_| generator.program()).collect::<Result<Vec<_>, _>>()
        };
        assert_eq!(draw(7)?, draw(7)?);
        assert_ne!(draw(7)?, draw(8)?);
        Ok(())
    }

    #[test]
    fn bounds_are_kept_and_everything_is_drawn() -> Result<(), ProgramError> {
        let profile = Profile::new(4, 5, 3);
        let mut kinds = BTreeSet::new();
        let mut threads = BTreeSet::new();
        let mut generator = Generator::new(1, profile);
        for _ in 0..3000 {
            let program = generator.program()?;
            threads.insert(program.threads().len());
            let ops: Vec<Op> = program.threads().iter().flatten().copied().collect();
            let accesses = |ops: &[Op]| ops.iter().filter(|op| op.word().is_some()).count();
            assert!(accesses(&ops) <= 10 && program.words() == 3);
            assert!(program.threads().iter().all(|lane| (1..=5).contains(&accesses(lane))));
            for word in 0..3 {
                assert!(ops.iter().filter(|op| op.may_write() && op.word() == Some(word)).count() <= 4);
            }
            kinds.extend(ops.iter().map(|op| match *op {
                Op::Load { order, .. } => (0, order, order),
                Op::Store { order, .. } => (1, order, order),
                Op::FetchAdd { order, .. } => (2, order, order),
                Op::Swap { order, .. } => (3, order, order),
                Op::CompareExchange { success, failure, .. } => (4, success, failure),
                Op::Fence { order } => (5, order, order),
            }));
        }
        assert_eq!(threads, BTreeSet::from([2, 3, 4]));
        assert_eq!(kinds.len(), 3 + 3 + 5 + 5 + 5 * 3 + 4, "every operation with every ordering");
        Ok(())
    }
}

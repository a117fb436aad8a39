//! Small programs of futex calls, and what can be seen of a run.

use std::fmt;

/// The words of a program.
pub(crate) const WORDS: usize = 2;
/// The word by which a murder is announced.
pub(crate) const GRAVE: usize = 1;
/// What it holds then.
pub(crate) const DEAD: u32 = 9;
/// The most operations of a thread.
pub(crate) const LONGEST: usize = 3;

/// One operation.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Op {
    Store {
        word: usize,
        value: u32,
    },
    Wait {
        word: usize,
        expected: u32,
    },
    /// Waits on both words, `first` before the other.
    Waitv {
        first: usize,
        expected: [u32; WORDS],
    },
    Wake {
        word: usize,
        count: u32,
    },
}

impl Op {
    pub(crate) fn is_wait(self) -> bool {
        matches!(self, Self::Wait { .. } | Self::Waitv { .. })
    }
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Store { word, value } => write!(f, "w{word} = {value}"),
            Self::Wait { word, expected } => write!(f, "wait w{word} == {expected}"),
            Self::Waitv { first, expected } => {
                let second = 1 - first;
                write!(f, "waitv w{first} == {}, w{second} == {}", expected[first], expected[second])
            }
            Self::Wake { word, count } => write!(f, "wake w{word} {count}"),
        }
    }
}

/// The operations of one thread.
#[derive(Clone, Debug)]
pub(crate) struct Lane {
    pub(crate) ops: Vec<Op>,
    /// Its waits have deadlines.
    pub(crate) timed: bool,
}

impl Lane {
    pub(crate) fn waits(&self) -> usize {
        self.ops.iter().filter(|op| op.is_wait()).count()
    }
}

/// What comes from outside of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    None,
    /// A thread's process kills itself before its operation with that index.
    Suicide {
        thread: usize,
        index: usize,
    },
    /// A thread's process is killed at any time. When it is gone, its death is announced: [`GRAVE`] is set to [`DEAD`]
    /// and all who sleep there are woken.
    Murder {
        thread: usize,
    },
    /// A stranger wakes one sleeper of that word, once, at any time: whom it hits wakes up for no reason. Only where
    /// nobody waits on two words: if the stranger hits such a wait after its first word and the second differs, it
    /// returns as woken, and the model has spurious returns of those only who went to sleep.
    StrayWake {
        word: usize,
    },
}

impl Trouble {
    pub(crate) fn victim(self) -> Option<usize> {
        match self {
            Self::Suicide { thread, .. } | Self::Murder { thread } => Some(thread),
            Self::None | Self::StrayWake { .. } => None,
        }
    }
}

/// Threads that start together on words that are 0.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    pub(crate) lanes: Vec<Lane>,
    pub(crate) trouble: Trouble,
}

impl Program {
    /// Whether the kernel must have `futex_waitv` for it.
    pub(crate) fn needs_waitv(&self) -> bool {
        self.lanes.iter().flat_map(|lane| &lane.ops).any(|op| matches!(op, Op::Waitv { .. }))
    }

    /// Whether it takes hardly any time to explore.
    pub(crate) fn is_tiny(&self) -> bool {
        let operations: usize = self.lanes.iter().map(|lane| lane.ops.len()).sum();
        self.lanes.len() == 2 && operations <= 4 && self.trouble == Trouble::None
    }

    /// Whether somebody waits and somebody else wakes.
    fn is_of_interest(&self) -> bool {
        let has = |thread: usize, kind: fn(Op) -> bool| self.lanes[thread].ops.iter().any(|&op| kind(op));
        let threads = 0..self.lanes.len();
        threads.clone().any(|one| {
            has(one, Op::is_wait)
                && threads.clone().any(|other| other != one && has(other, |op| matches!(op, Op::Wake { .. })))
        })
    }

    /// In how many orders the steps of the model can come, counted for each word on its own. An exploration costs a few
    /// times as many executions with two threads, and a hundred times as many with three.
    fn orders(&self) -> u64 {
        let mut orders = 1_u64;
        for word in 0..WORDS {
            let mut placed = 0;
            for thread in 0..self.lanes.len() {
                for step in 1..=self.steps_on(thread, word) {
                    placed += 1;
                    orders = orders.saturating_mul(placed) / step;
                }
            }
        }
        orders
    }

    fn steps_on(&self, thread: usize, word: usize) -> u64 {
        let lane = &self.lanes[thread];
        // A wait that ends by itself or with its thread leaves its queue in a step of its own.
        let leaves = u64::from(lane.timed || self.trouble.victim() == Some(thread));
        let steps = |op: &Op| match *op {
            Op::Waitv { .. } => 2,
            Op::Wait { word: on, .. } if on == word => 1 + leaves,
            Op::Store { word: of, .. } | Op::Wake { word: of, .. } if of == word => 1,
            _ => 0,
        };
        let announcement = if word == GRAVE && self.trouble == (Trouble::Murder { thread }) { 2 } else { 0 };
        lane.ops.iter().map(steps).sum::<u64>() + announcement
    }
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (thread, lane) in self.lanes.iter().enumerate() {
            let ops: Vec<String> = lane.ops.iter().map(Op::to_string).collect();
            let timed = if lane.timed && lane.waits() > 0 { "  (with deadlines)" } else { "" };
            writeln!(f, "T{thread}: {}{timed}", ops.join("; "))?;
        }
        match self.trouble {
            Trouble::None => Ok(()),
            Trouble::Suicide { thread, index } => writeln!(f, "T{thread} is killed before its operation {index}"),
            Trouble::Murder { thread } => {
                writeln!(f, "T{thread} is killed at any time; then w{GRAVE} = {DEAD}; wake w{GRAVE} all")
            }
            Trouble::StrayWake { word } => writeln!(f, "a stranger wakes one sleeper of w{word} at any time"),
        }
    }
}

/// What an operation returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Returned {
    Nothing,
    Woken,
    Changed,
    TimedOut,
    /// It slept without a deadline when everybody had ended or slept so: nobody was left who could wake it.
    Asleep,
    /// So many were woken.
    Wakes(u32),
}

impl fmt::Display for Returned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => f.write_str("-"),
            Self::Woken => f.write_str("woken"),
            Self::Changed => f.write_str("changed"),
            Self::TimedOut => f.write_str("timed out"),
            Self::Asleep => f.write_str("asleep"),
            Self::Wakes(count) => write!(f, "{count}"),
        }
    }
}

/// What can be seen of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Outcome {
    /// Per thread, what its operations returned; nothing of a thread that was killed at any time, because the kill may
    /// fall between a call and the note of what it returned.
    pub(crate) returned: Vec<Vec<Returned>>,
    pub(crate) finals: [u32; WORDS],
}

impl Outcome {
    pub(crate) fn without(mut self, thread: usize) -> Self {
        self.returned[thread].clear();
        self
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (thread, returned) in self.returned.iter().enumerate() {
            let returned: Vec<String> = returned.iter().map(Returned::to_string).collect();
            write!(f, "T{thread}: {} | ", returned.join(", "))?;
        }
        write!(f, "w0={} w1={}", self.finals[0], self.finals[1])
    }
}

/// Draws random programs, the same ones from the same seed.
pub(crate) struct Generator(Random);

impl Generator {
    /// The most orders of steps that a program of two threads has, so that its exploration takes a moment only.
    const ORDERS_OF_TWO: u64 = 400;
    /// The same for three threads.
    const ORDERS_OF_THREE: u64 = 24;

    pub(crate) fn new(seed: u64) -> Self {
        Self(Random(seed))
    }

    /// A program in which somebody waits and somebody else wakes.
    pub(crate) fn program(&mut self) -> Program {
        let (kind, threads) = (self.0.below(4), 2 + self.0.below(2));
        let most_orders = if threads == 2 { Self::ORDERS_OF_TWO } else { Self::ORDERS_OF_THREE };
        loop {
            let lanes: Vec<Lane> = (0..threads).map(|_| self.lane()).collect();
            let thread = self.0.below(threads);
            let trouble = match kind {
                0 => Trouble::None,
                1 => Trouble::Suicide { thread, index: self.0.below(lanes[thread].ops.len()) },
                2 => Trouble::Murder { thread },
                _ => Trouble::StrayWake { word: self.0.below(WORDS) },
            };
            let program = Program { lanes, trouble };
            let fits = !program.needs_waitv() || !matches!(trouble, Trouble::StrayWake { .. });
            if fits && program.is_of_interest() && program.orders() <= most_orders {
                return program;
            }
        }
    }

    fn lane(&mut self) -> Lane {
        let length = 1 + self.0.below(LONGEST);
        Lane { ops: (0..length).map(|_| self.op()).collect(), timed: self.0.below(4) == 0 }
    }

    fn op(&mut self) -> Op {
        // The first word is the busier one.
        let word = usize::from(self.0.below(3) == 0);
        // Mostly what the words hold at first, or the sleeper would seldom sleep.
        let mut expected = || u32::from(self.0.below(5) == 0);
        let expected = [expected(), expected()];
        match self.0.below(10) {
            0 | 1 => Op::Store { word, value: 1 + u32::from(self.0.below(3) == 0) },
            2..=4 => Op::Wait { word, expected: expected[word] },
            5 | 6 => Op::Waitv { first: self.0.below(WORDS), expected },
            _ => Op::Wake { word, count: 1 + u32::from(self.0.below(3) == 0) },
        }
    }
}

/// Steele, Lea and Flood's splitmix64.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() >> 33).unwrap_or(0) % bound
    }
}

//! Probes: single programs, with read-modify-writes and mixed orderings, at which checkers are known to stumble.

use super::Verdict::{Allowed, Forbidden};
use super::{Condition, Verdict, X, Y, Z, last, read};
use crate::outcome::Outcome;
use crate::program::Op;
use crate::program::Order::{AcqRel, Acquire, Relaxed, Release, SeqCst};
use crate::program::{Program, ProgramError};

/// A program with an outcome to judge.
#[derive(Clone, Copy, Debug)]
pub struct Probe {
    /// Its name.
    pub name: &'static str,
    /// What it shows.
    pub about: &'static str,
    /// How many words it has.
    pub words: usize,
    /// The operations of each thread.
    pub threads: &'static [&'static [Op]],
    /// The outcome to judge: all of these hold.
    pub outcome: &'static [Condition],
    /// Whether it is allowed.
    pub verdict: Verdict,
}

impl Probe {
    /// Whether `outcome` is the one to judge.
    #[must_use]
    pub fn matches(&self, outcome: &Outcome) -> bool {
        self.outcome.iter().all(|condition| condition.holds(outcome))
    }

    /// The probe as a program.
    ///
    /// # Errors
    ///
    /// None for the probes of [`PROBES`]; a probe of the caller's own may be no valid program.
    pub fn program(&self) -> Result<Program, ProgramError> {
        Program::new(self.words, self.threads.iter().map(|ops| ops.to_vec()).collect())
    }
}

/// Every probe.
pub const PROBES: &[Probe] = &[
    Probe {
        name: "failed compare-exchange reads an old value",
        about: "a compare-exchange that fails is a load, and need not see the newest write",
        words: 2,
        threads: &[
            &[Op::store(X, 1, Relaxed), Op::store(Y, 1, Relaxed)],
            &[Op::load(Y, Relaxed), Op::compare_exchange(X, 5, 6, Relaxed, Relaxed)],
        ],
        outcome: &[read(1, 0, 1), read(1, 1, 0)],
        verdict: Allowed,
    },
    Probe {
        name: "MP with fetch_add as the second read",
        about: "the read-modify-write may come first in coherence order",
        words: 2,
        threads: &[
            &[Op::store(X, 1, Relaxed), Op::store(Y, 1, Relaxed)],
            &[Op::load(Y, Relaxed), Op::fetch_add(X, 2, Relaxed)],
        ],
        outcome: &[read(1, 0, 1), read(1, 1, 0)],
        verdict: Allowed,
    },
    Probe {
        name: "MP with swap as the second read",
        about: "the read-modify-write may come first in coherence order",
        words: 2,
        threads: &[
            &[Op::store(X, 1, Relaxed), Op::store(Y, 1, Relaxed)],
            &[Op::load(Y, Relaxed), Op::swap(X, 2, Relaxed)],
        ],
        outcome: &[read(1, 0, 1), read(1, 1, 0)],
        verdict: Allowed,
    },
    Probe {
        name: "a load older than the newest seven stores",
        about: "no number of stores makes an old value unreadable",
        words: 2,
        threads: &[
            &[
                Op::store(X, 1, Relaxed),
                Op::store(X, 2, Relaxed),
                Op::store(X, 3, Relaxed),
                Op::store(X, 4, Relaxed),
                Op::store(X, 5, Relaxed),
                Op::store(X, 6, Relaxed),
                Op::store(X, 7, Relaxed),
                Op::store(X, 8, Relaxed),
                Op::store(Y, 1, Relaxed),
            ],
            &[Op::load(Y, Relaxed), Op::load(X, Relaxed)],
        ],
        outcome: &[read(1, 0, 1), read(1, 1, 0)],
        verdict: Allowed,
    },
    Probe {
        name: "a store between the halves of a swap",
        about: "a read-modify-write reads the write just before its own, whatever else stores to the word",
        words: 1,
        threads: &[&[Op::store(X, 2, Relaxed)], &[Op::swap(X, 1, Relaxed)]],
        outcome: &[read(1, 0, 0), last(X, 1)],
        verdict: Forbidden,
    },
    Probe {
        name: "two fetch_adds read the same write",
        about: "no increment is lost",
        words: 1,
        threads: &[&[Op::fetch_add(X, 1, Relaxed)], &[Op::fetch_add(X, 1, Relaxed)]],
        outcome: &[read(0, 0, 0), read(1, 0, 0)],
        verdict: Forbidden,
    },
    Probe {
        name: "release sequence through a foreign read-modify-write",
        about: "a relaxed read-modify-write of another thread continues the sequence",
        words: 2,
        threads: &[
            &[Op::store(X, 1, Relaxed), Op::store(Y, 1, Release)],
            &[Op::fetch_add(Y, 1, Relaxed)],
            &[Op::load(Y, Acquire), Op::load(X, Relaxed)],
        ],
        outcome: &[read(1, 0, 1), read(2, 0, 2), read(2, 1, 0)],
        verdict: Forbidden,
    },
    Probe {
        name: "release sequence through the releasing thread's own store",
        about: "C++20 dropped this from release sequences; C++11 had it",
        words: 2,
        threads: &[
            &[Op::store(X, 1, Relaxed), Op::store(Y, 1, Release), Op::store(Y, 2, Relaxed)],
            &[Op::load(Y, Acquire), Op::load(X, Relaxed)],
        ],
        outcome: &[read(1, 0, 2), read(1, 1, 0)],
        verdict: Allowed,
    },
    Probe {
        name: "MP with a release fence",
        about: "a release fence publishes through the relaxed store after it",
        words: 2,
        threads: &[
            &[Op::store(X, 1, Relaxed), Op::fence(Release), Op::store(Y, 1, Relaxed)],
            &[Op::load(Y, Acquire), Op::load(X, Relaxed)],
        ],
        outcome: &[read(1, 0, 1), read(1, 1, 0)],
        verdict: Forbidden,
    },
    Probe {
        name: "MP with an acquire fence",
        about: "an acquire fence receives through the relaxed load before it",
        words: 2,
        threads: &[
            &[Op::store(X, 1, Relaxed), Op::store(Y, 1, Release)],
            &[Op::load(Y, Relaxed), Op::fence(Acquire), Op::load(X, Relaxed)],
        ],
        outcome: &[read(1, 0, 1), read(1, 1, 0)],
        verdict: Forbidden,
    },
    Probe {
        name: "SB with a fence in one thread and SeqCst accesses in the other",
        about: "sequentially consistent fences and accesses order each other",
        words: 2,
        threads: &[
            &[Op::store(X, 1, Relaxed), Op::fence(SeqCst), Op::load(Y, Relaxed)],
            &[Op::store(Y, 1, SeqCst), Op::load(X, SeqCst)],
        ],
        outcome: &[read(0, 0, 0), read(1, 0, 0)],
        verdict: Forbidden,
    },
    Probe {
        name: "SB with a SeqCst fence in one thread and an AcqRel fence in the other",
        about: "a fence that is not sequentially consistent takes no part in the order of those that are",
        words: 2,
        threads: &[
            &[Op::store(X, 1, Relaxed), Op::fence(SeqCst), Op::load(Y, Relaxed)],
            &[Op::store(Y, 1, Relaxed), Op::fence(AcqRel), Op::load(X, Relaxed)],
        ],
        outcome: &[read(0, 0, 0), read(1, 0, 0)],
        verdict: Allowed,
    },
    Probe {
        name: "MP through a compare-exchange that releases on success",
        about: "a compare-exchange that succeeds has its success ordering",
        words: 2,
        threads: &[
            &[Op::store(X, 1, Relaxed), Op::compare_exchange(Y, 0, 1, Release, Relaxed)],
            &[Op::compare_exchange(Y, 1, 2, Acquire, Relaxed), Op::load(X, Relaxed)],
        ],
        outcome: &[read(1, 0, 1), read(1, 1, 0)],
        verdict: Forbidden,
    },
    Probe {
        name: "MP through an acquire swap",
        about: "the write of an acquire read-modify-write does not release",
        words: 2,
        threads: &[&[Op::store(X, 1, Relaxed), Op::swap(Y, 1, Acquire)], &[Op::load(Y, Acquire), Op::load(X, Relaxed)]],
        outcome: &[read(1, 0, 1), read(1, 1, 0)],
        verdict: Allowed,
    },
    Probe {
        name: "MP into a release swap",
        about: "the read of a release read-modify-write does not acquire",
        words: 2,
        threads: &[
            &[Op::store(X, 1, Relaxed), Op::store(Y, 1, Release)],
            &[Op::swap(Y, 2, Release), Op::load(X, Relaxed)],
        ],
        outcome: &[read(1, 0, 1), read(1, 1, 0)],
        verdict: Allowed,
    },
    Probe {
        name: "MP with an acquire fence on the publishing side",
        about: "an acquire fence does not release",
        words: 2,
        threads: &[
            &[Op::store(X, 1, Relaxed), Op::fence(Acquire), Op::store(Y, 1, Relaxed)],
            &[Op::load(Y, Acquire), Op::load(X, Relaxed)],
        ],
        outcome: &[read(1, 0, 1), read(1, 1, 0)],
        verdict: Allowed,
    },
    Probe {
        name: "MP with a release fence on the receiving side",
        about: "a release fence does not acquire",
        words: 2,
        threads: &[
            &[Op::store(X, 1, Relaxed), Op::store(Y, 1, Release)],
            &[Op::load(Y, Relaxed), Op::fence(Release), Op::load(X, Relaxed)],
        ],
        outcome: &[read(1, 0, 1), read(1, 1, 0)],
        verdict: Allowed,
    },
    Probe {
        name: "SB with failing SeqCst compare-exchanges as reads",
        about: "a failure with SeqCst ordering is a sequentially consistent read",
        words: 2,
        threads: &[
            &[Op::store(X, 1, SeqCst), Op::compare_exchange(Y, 5, 6, SeqCst, SeqCst)],
            &[Op::store(Y, 1, SeqCst), Op::compare_exchange(X, 5, 6, SeqCst, SeqCst)],
        ],
        outcome: &[read(0, 0, 0), read(1, 0, 0)],
        verdict: Forbidden,
    },
    Probe {
        name: "SB with failing compare-exchanges of relaxed failure as reads",
        about: "the success ordering of a compare-exchange that fails counts for nothing",
        words: 2,
        threads: &[
            &[Op::store(X, 1, SeqCst), Op::compare_exchange(Y, 5, 6, SeqCst, Relaxed)],
            &[Op::store(Y, 1, SeqCst), Op::compare_exchange(X, 5, 6, SeqCst, Relaxed)],
        ],
        outcome: &[read(0, 0, 0), read(1, 0, 0)],
        verdict: Allowed,
    },
    Probe {
        name: "IRIW with SeqCst stores and acquire loads",
        about: "acquire loads take no part in the order of sequentially consistent events",
        words: 2,
        threads: &[
            &[Op::store(X, 1, SeqCst)],
            &[Op::load(X, Acquire), Op::load(Y, Acquire)],
            &[Op::load(Y, Acquire), Op::load(X, Acquire)],
            &[Op::store(Y, 1, SeqCst)],
        ],
        outcome: &[read(1, 0, 1), read(1, 1, 0), read(2, 0, 1), read(2, 1, 0)],
        verdict: Allowed,
    },
    Probe {
        name: "W+RWC with a release/acquire hop",
        about: "happens-before between sequentially consistent accesses counts if it leaves and enters by another word",
        words: 3,
        threads: &[
            &[Op::store(X, 1, SeqCst), Op::store(Y, 1, Release)],
            &[Op::load(Y, Acquire), Op::load(Z, SeqCst)],
            &[Op::store(Z, 1, SeqCst), Op::load(X, SeqCst)],
        ],
        outcome: &[read(1, 0, 1), read(1, 1, 0), read(2, 0, 0)],
        verdict: Forbidden,
    },
    Probe {
        name: "Z6.U",
        about: "RC11 allows what C++11 forbade: Power's leading-sync compilation shows it",
        words: 2,
        threads: &[
            &[Op::store(X, 1, SeqCst), Op::store(Y, 1, Release)],
            &[Op::fetch_add(Y, 1, SeqCst), Op::load(Y, Relaxed)],
            &[Op::store(Y, 3, SeqCst), Op::load(X, SeqCst)],
        ],
        outcome: &[read(1, 0, 1), read(1, 1, 3), read(2, 0, 0)],
        verdict: Allowed,
    },
];

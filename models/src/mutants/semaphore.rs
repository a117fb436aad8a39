//! Mutants of the counting semaphore.

use super::{Caught, Mutant, control, planted};
use crate::catalogue::semaphore::Of;
use crate::clients::of_semaphore;
use crate::subject::Permits;
use selvedge::primitives::semaphore::{AcquireError, Overflow};
use selvedge::primitives::undertaker::{Dead, Repair};
use selvedge::primitives::{Caller, ObjectId};
use selvedge::sync::{AtomicU32, Deadline, Ordering, WaitOutcome, futex_wake};
use std::marker::PhantomData;

const WAITERS: u32 = 1 << 31;
const MANY: u32 = 1 << 30;
const COUNT: u32 = MANY - 1;

/// The steps of the algorithm that a mutant can replace; as they stand here, they are right.
trait Steps: Send + Sync + 'static {
    /// Whether who has slept and leaves permits wakes the next.
    const PASSES_ON: bool = true;
    /// Whether who needs more than there is wakes those who need less.
    const MAKES_GOOD: bool = true;
    /// Whether a release leaves the flags alone, and clears them only when its wake has found nobody.
    const CLEARS_AFTER_VAIN_WAKE: bool = false;
    /// Whom the walk wakes.
    const WOKEN_BY_WALK: u32 = u32::MAX;
    /// The ordering with which permits are taken.
    const TAKE: Ordering = Ordering::Acquire;
    /// The ordering with which they are given.
    const GIVE: Ordering = Ordering::Release;
}

/// No step replaced.
struct Faithful;
impl Steps for Faithful {}

/// A release of several wakes one, who takes one and tells nobody that more are left.
struct NobodyPassesOn;
impl Steps for NobodyPassesOn {
    const PASSES_ON: bool = false;
}

/// Who needs two takes the wake that was for one who needs one, finds one permit, and sleeps again. The semaphore itself
/// had this bug; it takes wakes that do not go to who came first.
struct WakeIsRobbed;
impl Steps for WakeIsRobbed {
    const MAKES_GOOD: bool = false;
}

/// The flag is cleared because a wake found nobody, while somebody is between setting it and sleeping. Two and three
/// threads never show it.
struct ClearedAfterVainWake;
impl Steps for ClearedAfterVainWake {
    const CLEARS_AFTER_VAIN_WAKE: bool = true;
}

/// The walk wakes nobody: a wake that a dead waiter took is lost.
struct WalkWakesNobody;
impl Steps for WalkWakesNobody {
    const WOKEN_BY_WALK: u32 = 0;
}

/// Post with acquire and wait with release, as seen in a code base in use: nothing is ordered.
struct OrderingsSwapped;
impl Steps for OrderingsSwapped {
    const TAKE: Ordering = Ordering::Release;
    const GIVE: Ordering = Ordering::Acquire;
}

pub(super) fn all() -> Vec<Mutant> {
    vec![
        mutant::<NobodyPassesOn>(
            "nobody_passes_on",
            "a release wakes one, and who is woken does not pass the wake on",
            "semaphore/producer_feeds_three_consumers",
            "lost wake-up",
            Some((3, 3, false)),
        ),
        mutant::<WakeIsRobbed>(
            "wake_is_robbed",
            "who needs two permits takes the wake for the one that is there",
            "semaphore/release_reaches_past_a_larger_one",
            "lost wake-up",
            Some((3, 3, false)),
        ),
        mutant::<ClearedAfterVainWake>(
            "cleared_after_vain_wake",
            "a release clears WAITERS because its wake returned 0",
            "semaphore/four_share_one_permit",
            "lost wake-up",
            // It takes four threads.
            None,
        ),
        mutant::<WalkWakesNobody>(
            "semaphore_walk_wakes_nobody",
            "the walk wakes nobody",
            "semaphore/waiter_dies_wake_is_not_lost",
            "lost wake-up",
            Some((3, 3, true)),
        ),
        mutant::<OrderingsSwapped>(
            "orderings_swapped",
            "acquire takes with Release, release gives with Acquire",
            "semaphore/two_share_one_permit",
            "data race",
            Some((2, 2, false)),
        ),
    ]
}

fn mutant<S: Steps>(
    name: &'static str,
    bug: &'static str,
    model: &str,
    fails_with: &'static str,
    clients: Option<(usize, usize, bool)>,
) -> Mutant {
    let planted = planted(Of::<Copied<S>>::MODELS, model);
    let control = control(Of::<Copied<Faithful>>::MODELS, model);
    let (wrong, right) = (of_semaphore::<Copied<S>>(), of_semaphore::<Copied<Faithful>>());
    let clients = clients.map(|size| Caught::by(wrong, right, size));
    Mutant { name, bug, fails_with, planted, control, clients }
}

/// A copy of `primitives/semaphore.rs` with replaceable steps.
struct Copied<S> {
    word: AtomicU32,
    steps: PhantomData<S>,
}

fn sleepers_to_wake(word: u32) -> u32 {
    if word & MANY != 0 { u32::MAX } else { 1 }
}

impl<S: Steps> Permits for Copied<S> {
    fn new(permits: u32) -> Self {
        Self { word: AtomicU32::new(permits), steps: PhantomData }
    }

    fn try_acquire(&self, n: u32) -> Result<(), AcquireError> {
        let mut found = self.word.load(Ordering::Relaxed);
        while found & COUNT >= n {
            match self.word.compare_exchange(found, found - n, S::TAKE, Ordering::Relaxed) {
                Ok(_) => return Ok(()),
                Err(newer) => found = newer,
            }
        }
        Err(AcquireError::WouldBlock)
    }

    fn acquire(
        &self,
        caller: &Caller<'_>,
        object: ObjectId,
        n: u32,
        deadline: Option<Deadline>,
    ) -> Result<(), AcquireError> {
        let flags = if n > 1 { WAITERS | MANY } else { WAITERS };
        let (mut keep, mut timed_out) = (0, false);
        let mut found = self.word.load(Ordering::Relaxed);
        loop {
            if found & COUNT >= n {
                let left = (found - n) | keep;
                match self.word.compare_exchange(found, left, S::TAKE, Ordering::Relaxed) {
                    Ok(_) => {
                        if S::PASSES_ON && keep != 0 && left & COUNT > 0 {
                            futex_wake(&self.word, sleepers_to_wake(left));
                        }
                        return Ok(());
                    }
                    Err(newer) => found = newer,
                }
                continue;
            }
            if timed_out {
                return Err(AcquireError::TimedOut);
            }
            if found & flags != flags {
                if let Err(newer) =
                    self.word.compare_exchange(found, found | flags, Ordering::Relaxed, Ordering::Relaxed)
                {
                    found = newer;
                    continue;
                }
                if S::MAKES_GOOD && found & COUNT > 0 {
                    futex_wake(&self.word, 1);
                }
            }
            timed_out = caller.sleep(object, &self.word, found | flags, deadline) == WaitOutcome::TimedOut;
            keep = if S::CLEARS_AFTER_VAIN_WAKE { 0 } else { WAITERS };
            found = self.word.load(Ordering::Relaxed);
        }
    }

    fn release(&self, n: u32) -> Result<(), Overflow> {
        if S::CLEARS_AFTER_VAIN_WAKE {
            let found = self.word.fetch_add(n, S::GIVE);
            if found & WAITERS != 0 && futex_wake(&self.word, 1) == 0 {
                self.word.fetch_and(!WAITERS, Ordering::Relaxed);
            }
            return Ok(());
        }
        let mut found = self.word.load(Ordering::Relaxed);
        loop {
            let count = (found & COUNT).checked_add(n).filter(|count| *count <= COUNT).ok_or(Overflow)?;
            match self.word.compare_exchange(found, count, S::GIVE, Ordering::Relaxed) {
                Ok(_) => break,
                Err(newer) => found = newer,
            }
        }
        if found & WAITERS != 0 {
            futex_wake(&self.word, sleepers_to_wake(found));
        }
        Ok(())
    }

    fn available(&self) -> u32 {
        self.word.load(Ordering::Relaxed) & COUNT
    }
}

impl<S: Steps> Repair for Copied<S> {
    fn bury(&self, _dead: &Dead<'_>) {
        self.word.fetch_or(0, Ordering::Relaxed);
    }

    fn wake_all(&self) {
        if S::WOKEN_BY_WALK > 0 {
            futex_wake(&self.word, S::WOKEN_BY_WALK);
        }
    }
}

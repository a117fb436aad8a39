//! Mutants of the mutex.

use super::{Caught, Mutant, control, planted};
use crate::catalogue::mutex::{Evidence, Of, outlives};
use crate::clients::of_mutex;
use crate::subject::Lock;
use crate::world::Model;
use selvedge::primitives::mutex::{Acquired, Leaves, LockError};
use selvedge::primitives::undertaker::{Dead, Repair};
use selvedge::primitives::{Caller, ObjectId, ThreadSlot};
use selvedge::sync::{AtomicU32, Deadline, Ordering, WaitOutcome, futex_wake};
use std::marker::PhantomData;

const WAITERS: u32 = 1 << 31;
const DEAD: u32 = 1 << 30;
const NOT_RECOVERABLE: u32 = 1 << 29;
const OWNER: u32 = (1 << 17) - 1;

/// The steps of the algorithm that a mutant can replace; as they stand here, they are right.
trait Steps: Send + Sync + 'static {
    /// `WAITERS`, where somebody who has slept sets it again.
    const SLEEPER_SETS: u32 = WAITERS;
    /// What the heir keeps of the flag, whether it finds it or sets it because it has slept.
    const HEIR_KEEPS: u32 = WAITERS;
    /// Whether the walk wakes those, too, who wait for a mutex that nobody holds: its unlocker may have died before its wake.
    const WALK_WAKES_AT_UNLOCKED: bool = true;
    /// Whether the heir looks whether the word is still the one that it saw.
    const HEIR_COMPARES: bool = true;
    /// Whom the walk wakes before it sets `DEAD`.
    const WOKEN_BEFORE_DEAD: u32 = 0;
    /// Whom the walk wakes after that.
    const WOKEN_BY_WALK: u32 = u32::MAX;
}

/// No step replaced.
struct Faithful;
impl Steps for Faithful {}

/// Who has slept locks without `WAITERS`, although others may sleep still.
struct SleeperForgetsTheOthers;
impl Steps for SleeperForgetsTheOthers {
    const SLEEPER_SETS: u32 = 0;
}

/// The walk wakes first and sets `DEAD` then: the woken find the word unchanged and sleep again.
struct WokenBeforeDead;
impl Steps for WokenBeforeDead {
    const WOKEN_BEFORE_DEAD: u32 = u32::MAX;
    const WOKEN_BY_WALK: u32 = 0;
}

/// The walk wakes one, as the kernel does for a robust list; whoever that is passes the wake on when it unlocks. As long as
/// no heir gives up, that is enough.
struct WalkWakesOne;
impl Steps for WalkWakesOne {
    const WOKEN_BY_WALK: u32 = 1;
}

/// The same, and the heir takes over without the flag that says that others sleep. Where the walk wakes all, nothing comes of
/// that.
struct HeirDropsWaiters;
impl Steps for HeirDropsWaiters {
    const WOKEN_BY_WALK: u32 = 1;
    const HEIR_KEEPS: u32 = 0;
}

/// The walk wakes those who wait for the dead owner only, not those whom a thread killed in the middle of its unlock left asleep.
struct UnlockersWakeIsLost;
impl Steps for UnlockersWakeIsLost {
    const WALK_WAKES_AT_UNLOCKED: bool = false;
}

/// The walk wakes nobody.
struct WalkWakesNobody;
impl Steps for WalkWakesNobody {
    const WOKEN_BY_WALK: u32 = 0;
}

/// The heir takes over with a store: two see `DEAD`, and both become the heir.
struct HeirStoresBlindly;
impl Steps for HeirStoresBlindly {
    const HEIR_COMPARES: bool = false;
}

pub(super) fn all() -> Vec<Mutant> {
    let mut all = vec![
        mutant::<SleeperForgetsTheOthers>(
            "sleeper_forgets_the_others",
            "a waiter that slept locks without WAITERS",
            "mutex/three_lock_once",
            "lost wake-up",
            Some((3, 5, false)),
        ),
        mutant::<WokenBeforeDead>(
            "woken_before_dead",
            "the walk wakes before it sets DEAD",
            "mutex/owner_dies_heir_is_told",
            "lost wake-up",
            Some((2, 3, true)),
        ),
        mutant::<WalkWakesNobody>(
            "walk_wakes_nobody",
            "the walk wakes nobody",
            "mutex/owner_dies_heir_is_told",
            "lost wake-up",
            Some((2, 3, true)),
        ),
        Mutant {
            control: control(Of::<Copied<WalkWakesOne>>::MODELS, "mutex/waiters_survive_takeover"),
            ..mutant::<HeirDropsWaiters>(
                "heir_drops_waiters",
                "the walk wakes one, and the heir drops WAITERS",
                "mutex/waiters_survive_takeover",
                "lost wake-up",
                None,
            )
        },
        mutant::<UnlockersWakeIsLost>(
            "unlockers_wake_is_lost",
            "the walk leaves asleep whom a thread killed between unlock and wake should have woken",
            "mutex/owner_dies_heir_is_told",
            "lost wake-up",
            Some((2, 3, true)),
        ),
        mutant::<HeirStoresBlindly>(
            "heir_stores_blindly",
            "the heir takes over with a store instead of a compare-exchange",
            "mutex/waiters_survive_takeover",
            "",
            Some((3, 4, true)),
        ),
    ];
    let control = control(Of::<Copied<Faithful>>::MODELS, "mutex/owner_outlives_its_keeper");
    let planted = Model { build: |world| outlives::<Copied<Faithful>>(world, Evidence::KeeperMark), ..control };
    all.push(Mutant {
        name: "walk_on_the_keepers_mark",
        bug: "the undertaker takes the mark of the process for the death of its threads",
        fails_with: "",
        planted,
        control,
        // There, whoever is killed is marked as a whole.
        clients: None,
    });
    all
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
    let (wrong, right) = (of_mutex::<Copied<S>>(), of_mutex::<Copied<Faithful>>());
    let clients = clients.map(|size| Caught::by(wrong, right, size));
    Mutant { name, bug, fails_with, planted, control, clients }
}

/// A copy of `primitives/mutex.rs` with replaceable steps.
struct Copied<S> {
    word: AtomicU32,
    steps: PhantomData<S>,
}

fn owner(slot: ThreadSlot) -> u32 {
    u32::from(slot.0) + 1
}

fn named_slot(word: u32) -> Option<ThreadSlot> {
    (word & OWNER).checked_sub(1).and_then(|slot| u16::try_from(slot).ok()).map(ThreadSlot)
}

impl<S: Steps> Copied<S> {
    /// Takes the word, last seen as `found`, if nobody living holds it; `Ok(Err(word))` is what it held instead.
    fn attempt(&self, mut found: u32, me: u32, keep: u32) -> Result<Result<Acquired, u32>, LockError> {
        loop {
            if found & NOT_RECOVERABLE != 0 {
                return Err(LockError::NotRecoverable);
            }
            let (new, how) = if found & DEAD != 0 {
                (me | (((found & WAITERS) | keep) & S::HEIR_KEEPS), Acquired::OwnerDied)
            } else if found == 0 {
                (me | keep, Acquired::Clean)
            } else {
                return Ok(Err(found));
            };
            if how == Acquired::OwnerDied && !S::HEIR_COMPARES {
                self.word.swap(new, Ordering::Acquire);
                return Ok(Ok(how));
            }
            match self.word.compare_exchange(found, new, Ordering::Acquire, Ordering::Relaxed) {
                Ok(_) => return Ok(Ok(how)),
                Err(newer) => found = newer,
            }
        }
    }
}

impl<S: Steps> Lock for Copied<S> {
    fn new() -> Self {
        Self { word: AtomicU32::new(0), steps: PhantomData }
    }

    fn lock(&self, caller: &Caller<'_>, object: ObjectId, deadline: Option<Deadline>) -> Result<Acquired, LockError> {
        let me = owner(caller.slot);
        let (mut found, mut keep) = (0, 0);
        loop {
            let held = match self.attempt(found, me, keep)? {
                Ok(how) => return Ok(how),
                Err(held) => held,
            };
            if held & OWNER == me {
                return Err(LockError::Relocked);
            }
            if held & WAITERS == 0
                && let Err(newer) =
                    self.word.compare_exchange(held, held | WAITERS, Ordering::Relaxed, Ordering::Relaxed)
            {
                found = newer;
                continue;
            }
            let outcome = caller.sleep(object, &self.word, held | WAITERS, deadline);
            keep = S::SLEEPER_SETS;
            found = self.word.load(Ordering::Relaxed);
            if outcome == WaitOutcome::TimedOut {
                return self.attempt(found, me, keep)?.map_err(|_| LockError::TimedOut);
            }
        }
    }

    fn try_lock(&self, slot: ThreadSlot) -> Result<Acquired, LockError> {
        self.attempt(0, owner(slot), 0)?.map_err(|_| LockError::WouldBlock)
    }

    fn unlock(&self, leaves: Leaves) {
        let (free, count) = match leaves {
            Leaves::Consistent => (0, 1),
            Leaves::Inconsistent => (NOT_RECOVERABLE, u32::MAX),
        };
        if self.word.swap(free, Ordering::Release) & WAITERS != 0 {
            futex_wake(&self.word, count);
        }
    }

    fn reset(&self, slot: ThreadSlot) -> bool {
        self.word.compare_exchange(NOT_RECOVERABLE, owner(slot), Ordering::Acquire, Ordering::Relaxed).is_ok()
    }

    fn holder(&self) -> Option<ThreadSlot> {
        named_slot(self.word.peek())
    }

    fn is_not_recoverable(&self) -> bool {
        self.word.peek() & NOT_RECOVERABLE != 0
    }
}

impl<S: Steps> Repair for Copied<S> {
    fn bury(&self, dead: &Dead<'_>) {
        if S::WOKEN_BEFORE_DEAD > 0 {
            futex_wake(&self.word, S::WOKEN_BEFORE_DEAD);
        }
        let mut found = self.word.fetch_or(0, Ordering::Relaxed);
        while found & DEAD == 0 && named_slot(found).is_some_and(|slot| dead.includes(slot)) {
            match self.word.compare_exchange(found, found | DEAD, Ordering::Release, Ordering::Relaxed) {
                Ok(_) => return,
                Err(newer) => found = newer,
            }
        }
    }

    fn wake_all(&self) {
        let is_unlocked = || self.word.fetch_or(0, Ordering::Relaxed) & (OWNER | DEAD) == 0;
        let is_left_out = !S::WALK_WAKES_AT_UNLOCKED && is_unlocked();
        if S::WOKEN_BY_WALK > 0 && !is_left_out {
            futex_wake(&self.word, S::WOKEN_BY_WALK);
        }
    }
}

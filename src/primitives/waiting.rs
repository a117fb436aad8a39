//! Who calls, and how a caller sleeps.
//!
//! **Purpose.** Every operation that names its caller or can block takes a [`Caller`]. A caller that is about to sleep
//! names the object in its thread slot first, so that an undertaker who changed the object wakes it.
//!
//! **Protocol** of [`Caller::sleep`]: store the object in the slot; fence; let the kernel compare the word and sleep;
//! clear the slot. Who sleeps on several objects says just that, and sleeps on its own bell besides: a word of its
//! slot, which an undertaker changes. An undertaker changes the word, fences, reads the slots, wakes. Every wait is cut
//! into slices; one that takes long looks for the dead by itself (the backstop, which models switch off).
//!
//! **Invariants.** I1: while a thread sleeps on an object's word with the value that it compared, its slot names the
//! object, and the fence lies between the two. An undertaker writes the word, if only what it held, before it fences:
//! whoever was asleep when the dead thread was woken stands before that write in the word's modification order, and is
//! seen. (A read may be old: nothing but the kernel's wake, which is not relied upon to order memory, says otherwise.)
//!
//! **Orderings.**
//!
//! | operation | ordering | pairs with | publishes |
//! |---|---|---|---|
//! | `waiting`, fence, the kernel's look at the word | SeqCst fence | repair, fence, loads of `waiting` in the walk | one of the two sees the other |
//! | bell read, fence | SeqCst fence | repair, fence, change of the bell | the repairs: a change that is counted already hides none |
//! | `waiting` cleared | Relaxed | | who reads the old value wakes once too often |
//!
//! **Death.** Killed at any step: the slot's `waiting` is of no consequence any more; a wake that the dead thread took
//! is made good by the walk, which wakes every object that a sleeper named.
//!
//! **Models.** `waiting/*`, and every model in which somebody blocks and somebody dies.
//!
//! **References.** `futex(2)`.

use super::participants::{Participants, ThreadEntry, ThreadSlot};
use super::undertaker::{Objects, Undertaker};
use crate::sync::{AtomicU32, Deadline, Ordering, WaitOn, WaitOutcome, fence, futex_wait, futex_waitv};
use core::time::Duration;

/// An object of a region, as sleepers name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectId(pub u32);

const SEVERAL: u32 = u32::MAX;

/// What a thread slot's `waiting` word says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waiting {
    /// The thread does not sleep.
    Nothing,
    /// It sleeps on one object, or is about to.
    Object(ObjectId),
    /// It sleeps on several objects and on its own bell.
    Several,
}

impl Waiting {
    /// Takes the word apart.
    #[must_use]
    pub fn from_bits(bits: u32) -> Self {
        match bits {
            0 => Self::Nothing,
            SEVERAL => Self::Several,
            object => Self::Object(ObjectId(object - 1)),
        }
    }

    /// Puts it together.
    #[must_use]
    pub fn to_bits(self) -> u32 {
        match self {
            Self::Nothing => 0,
            Self::Object(ObjectId(object)) => object.saturating_add(1).min(SEVERAL - 1),
            Self::Several => SEVERAL,
        }
    }
}

/// The objects on which threads sleep, or are about to, as of a moment ago; those that several wait for may come twice.
pub fn awaited(table: Participants<'_>) -> impl Iterator<Item = ObjectId> {
    let mut last = None;
    table.threads().iter().filter_map(move |thread| {
        // Relaxed: a hint.
        match Waiting::from_bits(thread.waiting.load(Ordering::Relaxed)) {
            Waiting::Object(object) if last != Some(object) => {
                last = Some(object);
                last
            }
            _ => None,
        }
    })
}

/// How a call waits before it sleeps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wait {
    /// Look again a hundred times or so, then sleep.
    #[default]
    SpinThenBlock,
    /// Sleep at once: for long waits, and for machines with more threads than cores.
    Block,
    /// Never sleep, look again for ever: for waits known to be shorter than a system call.
    Spin,
}

/// What a sleeper does when its wait takes long.
#[derive(Clone, Copy)]
pub struct Backstop<'a> {
    /// Longest sleep between two looks for the dead.
    pub every: Duration,
    /// Whether a process, by index, is known to have exited as a whole.
    pub has_exited: &'a dyn Fn(usize) -> bool,
}

/// A sleep that is cut short, for other words have to be waited for, too.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slice {
    /// How long it is.
    pub(super) long: Duration,
    /// Whether it looks for the dead if it took as long.
    pub(super) looks: bool,
}

/// A thread that is about to sleep on several objects.
#[derive(Clone, Copy, Debug)]
pub(super) struct Listening<'a> {
    me: &'a ThreadEntry,
    bell: WaitOn<'a>,
}

/// A thread that calls an operation.
#[derive(Clone, Copy)]
pub struct Caller<'a> {
    /// The participants of the region.
    pub table: Participants<'a>,
    /// The region's objects.
    pub objects: &'a dyn Objects,
    /// The thread's slot.
    pub slot: ThreadSlot,
    /// How it waits.
    pub wait: Wait,
    /// What it does when a wait takes long; `None` leaves every repair to the keepers.
    pub backstop: Option<Backstop<'a>>,
}

impl Listening<'_> {
    /// It does not sleep after all.
    pub(super) fn ends(self) {
        // Relaxed: see the table.
        self.me.waiting.store(0, Ordering::Relaxed);
    }
}

impl core::fmt::Debug for Backstop<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Backstop").field("every", &self.every).finish_non_exhaustive()
    }
}

impl core::fmt::Debug for Caller<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Caller").field("slot", &self.slot).field("wait", &self.wait).finish_non_exhaustive()
    }
}

impl Caller<'_> {
    /// Sleeps on `word` of `object` while it holds `expected`. Spurious returns happen; the caller looks again.
    ///
    /// `TimedOut` means that `deadline` has passed, nothing else.
    pub fn sleep(&self, object: ObjectId, word: &AtomicU32, expected: u32, deadline: Option<Deadline>) -> WaitOutcome {
        if self.wait == Wait::Spin {
            crate::sync::yield_now();
            return match deadline {
                Some(deadline) if deadline.has_passed() => WaitOutcome::TimedOut,
                _ => WaitOutcome::Woken,
            };
        }
        let Some(me) = self.table.thread(self.slot) else { return WaitOutcome::Interrupted };
        // Relaxed: the fence orders it.
        me.waiting.store(Waiting::Object(object).to_bits(), Ordering::Relaxed);
        // SeqCst: pairs with the fence in Undertaker::walk (I1).
        fence(Ordering::SeqCst);
        let slice = self.backstop.map(|backstop| Deadline::after(backstop.every));
        let outcome = futex_wait(word, expected, Deadline::earliest(deadline, slice));
        // Relaxed: see the table.
        me.waiting.store(0, Ordering::Relaxed);
        self.after(outcome, deadline, me)
    }

    /// What a sleep came to that was cut into slices; one that took long looks for the dead.
    fn after(&self, outcome: WaitOutcome, deadline: Option<Deadline>, me: &ThreadEntry) -> WaitOutcome {
        match (outcome, self.backstop) {
            (WaitOutcome::TimedOut, Some(backstop)) if !deadline.is_some_and(Deadline::has_passed) => {
                let undertaker = Undertaker::new(self.table, self.objects, &me.hazard, backstop.has_exited);
                undertaker.survey();
                undertaker.look_for_lone_dead();
                WaitOutcome::Woken
            }
            (outcome, _) => outcome,
        }
    }

    /// Announces that the thread will look at several objects, each of which it has to be asked to tell it, after a fence; and
    /// then sleep on all of them.
    pub(super) fn listen(&self) -> Option<Listening<'_>> {
        let me = self.table.thread(self.slot)?;
        // Relaxed, both: the fence orders them. A ring that is counted already came from somebody whose repairs are seen.
        me.waiting.store(Waiting::Several.to_bits(), Ordering::Relaxed);
        let bell = WaitOn { word: &me.bell, expected: me.bell.load(Ordering::Relaxed) };
        Some(Listening { me, bell })
    }

    /// Sleeps on the words and the own bell while all hold what they are expected to; or, if `slice` is given, not longer than
    /// that. Spurious returns happen; the caller looks again.
    ///
    /// `TimedOut` means that `deadline` has passed, nothing else.
    pub(super) fn sleep_on<'w>(
        &self,
        listening: Listening<'w>,
        mut words: Vec<WaitOn<'w>>,
        deadline: Option<Deadline>,
        slice: Option<Slice>,
    ) -> WaitOutcome {
        let Listening { me, bell } = listening;
        if self.wait == Wait::Spin {
            listening.ends();
            crate::sync::yield_now();
            return match deadline {
                Some(deadline) if deadline.has_passed() => WaitOutcome::TimedOut,
                _ => WaitOutcome::Woken,
            };
        }
        words.push(bell);
        let every = self.backstop.map(|backstop| backstop.every);
        let until = slice.map(|slice| slice.long).into_iter().chain(every).min();
        let outcome = futex_waitv(&words, Deadline::earliest(deadline, until.map(Deadline::after)));
        listening.ends();
        match (outcome, slice) {
            (WaitOutcome::TimedOut, Some(slice)) if !deadline.is_some_and(Deadline::has_passed) => {
                if slice.looks {
                    self.after(outcome, deadline, me);
                }
                WaitOutcome::Woken
            }
            _ => self.after(outcome, deadline, me),
        }
    }

    /// How often an operation looks again before it sleeps.
    #[must_use]
    pub fn spins(&self) -> u32 {
        match self.wait {
            Wait::Block => 0,
            Wait::SpinThenBlock | Wait::Spin => crate::sync::SPIN_LIMIT,
        }
    }
}

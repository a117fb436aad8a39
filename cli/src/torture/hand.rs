//! What a worker does its turns with: it notes where it is, and dies where it was told to.

use super::fault::{Fault, Outcome};
use super::journal::{Journal, Lane, Phase, Place};
use super::numbers::Numbers;
use rustix::process::{Signal, getpid, kill_process};
use selvedge::region::Predecessor;
use selvedge::sync::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

/// A worker takes its time once in so many times, and so long at most, in microseconds.
const RARELY: u64 = 6;
const LINGER: u64 = 100;

/// Steps that are tried more often than later ones.
#[cfg(feature = "steps")]
const FIRST_STEPS: u32 = 24;

/// A worker's means.
pub(crate) struct Hand<'a> {
    pub(crate) journal: &'a Journal,
    pub(crate) lane: &'a Lane,
    /// Which lane that is.
    pub(crate) index: usize,
    /// Which subject has the turn.
    pub(crate) subject: usize,
    pub(crate) numbers: Numbers,
}

impl Hand<'_> {
    /// Who it is, for payloads: never zero.
    pub(crate) fn identity(&self) -> u64 {
        identity(self.index, self.lane.generation.load(Ordering::Relaxed))
    }

    /// The words of the subject in this lane.
    pub(crate) fn word(&self, index: usize) -> &AtomicU64 {
        &self.lane.words(self.subject)[index]
    }

    /// One more of what word `index` counts.
    pub(crate) fn count(&self, index: usize) {
        add(self.word(index), 1);
    }

    /// The worker is at `point` from now on.
    pub(crate) fn at(&mut self, point: usize) {
        self.lane.set_at(Some(Place { subject: self.subject, point }));
        if self.is_time_to_die() {
            self.die();
        }
    }

    /// Takes its time now and then, so that others have to wait.
    pub(crate) fn linger(&mut self) {
        if self.numbers.once_in(RARELY) {
            thread::sleep(Duration::from_micros(self.numbers.below(LINGER)));
        }
    }

    /// Calls into the library, at `point`.
    pub(crate) fn call<R>(&mut self, point: usize, call: impl FnOnce() -> R) -> R {
        self.lane.set_at(Some(Place { subject: self.subject, point }));
        if !self.is_time_to_die() {
            return call();
        }
        self.last_call(point, call)
    }

    fn is_time_to_die(&self) -> bool {
        let left = self.lane.doom.load(Ordering::Relaxed);
        if left == 0 {
            return false;
        }
        self.lane.doom.store(left - 1, Ordering::Relaxed);
        if left > 1 {
            return false;
        }
        self.lane.meets_doom();
        if self.journal.phase() == Phase::Work {
            return true;
        }
        self.lane.is_spared();
        false
    }

    /// Dies before a step of the call. If the call takes fewer steps, the next one will do. Now and then the steps are only
    /// counted, to know how many there are.
    #[cfg(feature = "steps")]
    fn last_call<R>(&mut self, point: usize, call: impl FnOnce() -> R) -> R {
        use selvedge::sync::steps::{arm, disarm};
        let most = &self.journal.steps[self.subject][point];
        let known = most.load(Ordering::Relaxed);
        if known == 0 || self.numbers.once_in(RARELY) {
            arm(u64::MAX);
        } else {
            // Beyond the most that is known now and then: a call that waits takes more.
            let reach = known + known / 4 + 1;
            // A call that spins takes hundreds of steps, few of which differ: those at the beginning come more often.
            let reach = if self.numbers.once_in(2) { reach.min(FIRST_STEPS) } else { reach };
            let step = self.numbers.small(reach);
            self.lane.armed.store(step + 1, Ordering::Release);
            arm(step.into());
        }
        let result = call();
        let taken = u32::try_from(disarm()).unwrap_or(0);
        self.lane.armed.store(0, Ordering::Release);
        if taken > known {
            most.store(taken, Ordering::Relaxed);
        }
        self.lane.is_spared();
        self.lane.doom.store(1, Ordering::Relaxed);
        result
    }

    /// Steps are counted in builds for tests only: dies before the call or after it.
    #[cfg(not(feature = "steps"))]
    fn last_call<R>(&mut self, _point: usize, call: impl FnOnce() -> R) -> R {
        if self.numbers.once_in(2) {
            let _result = std::mem::ManuallyDrop::new(call());
        }
        self.die()
    }

    /// Kills this process.
    pub(crate) fn die(&self) -> ! {
        self.lane.meets_doom();
        loop {
            let _ = kill_process(getpid(), Signal::KILL);
        }
    }
}

/// This worker has taken over a role from `predecessor`; common word `word` says who has it. Whoever had it before must be
/// dead or have given it up, and a death must be told.
pub(crate) fn take_over(hand: &Hand<'_>, word: usize, predecessor: Predecessor) -> Outcome {
    let before = hand.journal.common(hand.subject)[word].swap(hand.identity(), Ordering::AcqRel);
    match named_by(before) {
        Some((lane, generation)) if hand.journal.lives(lane, generation) => {
            Err(Fault::new(format!("took over from worker {generation} of lane {lane}, who lives")))
        }
        Some((lane, generation)) if predecessor != Predecessor::Died => Err(Fault::new(format!(
            "took over from worker {generation} of lane {lane}, who died, and was told: {predecessor:?}"
        ))),
        _ => Ok(()),
    }
}

/// Nobody has the role from here on.
pub(crate) fn give_up(journal: &Journal, subject: usize, word: usize) {
    journal.common(subject)[word].store(0, Ordering::Release);
}

/// Who worker `generation` of a lane is, for payloads: never zero.
pub(crate) fn identity(lane: usize, generation: u32) -> u64 {
    ((lane as u64 + 1) << 32) | u64::from(generation)
}

/// The lane and generation of whom `identity` names.
pub(crate) fn named_by(identity: u64) -> Option<(usize, u32)> {
    let lane = usize::try_from(identity >> 32).ok()?.checked_sub(1)?;
    Some((lane, u32::try_from(identity & u64::from(u32::MAX)).ok()?))
}

/// Adds to a word that one process writes.
pub(crate) fn add(word: &AtomicU64, more: u64) {
    // Relaxed: the director looks after the writer's end.
    word.store(word.load(Ordering::Relaxed).wrapping_add(more), Ordering::Relaxed);
}

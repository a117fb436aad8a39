//! A worker: attaches, takes turns at the subjects, and leaves again if nobody kills it before.

use super::fault::{Fault, Outcome};
use super::hand::Hand;
use super::journal::{Journal, Phase, Place, SUBJECTS};
use super::numbers::Numbers;
use super::subject::Subject;
use selvedge::region::{RegionErrorKind, RegionOptions};
use selvedge::sync::Ordering;
use selvedge::{Deadline, Region};
use std::mem::ManuallyDrop;
use std::thread;
use std::time::Duration;

/// What a worker's fault becomes: its lane says which.
pub(crate) const FAULT: i32 = 3;

/// Where a worker is that has no turn: a subject of its own in the journal.
pub(crate) const LIFE: usize = SUBJECTS - 1;
pub(crate) const POINTS: &[&str] =
    &["not there yet", "in attach", "opening objects", "between turns", "in detach", "at rest"];
pub(crate) const NOT_THERE: usize = 0;
const IN_ATTACH: usize = 1;
const IN_OPEN: usize = 2;
const BETWEEN: usize = 3;
const IN_DETACH: usize = 4;
const AT_REST: usize = 5;
/// Where a worker is that has ended its last turn.
pub(crate) const RESTING: Place = Place { subject: LIFE, point: AT_REST };
/// How often one that rests looks whether it may leave.
const LOOK: Duration = Duration::from_micros(200);

/// How many turns a worker takes at most before it leaves, or attaches anew.
const TURNS: u64 = 400;

/// Where all of it happens.
#[derive(Clone)]
pub(crate) struct Scene {
    pub(crate) region: String,
    pub(crate) workers: usize,
    pub(crate) patience: Duration,
    pub(crate) journal: &'static Journal,
}

/// What a region for so many workers is like. There is no timed backstop, which would hide a lost wake-up.
pub(crate) fn options(workers: usize) -> RegionOptions {
    // The dead keep their places until they were buried, and a worker's child has one too.
    let processes = u32::try_from(4 * workers + 8).unwrap_or(u32::MAX).min(120);
    // Room for what there is, and for what was removed and somebody has open who may be dead. Not for leaks.
    let objects = u32::try_from(63 + 4 * workers).unwrap_or(u32::MAX);
    RegionOptions::new().processes(processes).threads(8).objects(objects).arena(164 << 10).backstop(None)
}

impl Scene {
    /// Attaches to the region, which is made if there is none.
    pub(crate) fn attach(&self) -> Outcome<Region> {
        let deadline = Deadline::after(self.patience);
        loop {
            match options(self.workers).open_or_create(&self.region) {
                Ok(region) => return Ok(region),
                // So many have just died.
                Err(error) if matches!(error.kind(), RegionErrorKind::TooManyProcesses { .. }) => {
                    if deadline.has_passed() {
                        return Err(Fault::refused("attaching, with the places of the dead still taken,", error));
                    }
                    thread::sleep(Duration::from_micros(200));
                }
                Err(error) => return Err(Fault::refused("attaching", error)),
            }
        }
    }

    fn moves_to(&self, hand: &mut Hand<'_>, point: usize) {
        hand.subject = LIFE;
        hand.at(point);
    }
}

/// What a worker does with its life. Returns its exit code.
pub(crate) fn run(scene: &Scene, subjects: &mut [Box<dyn Subject>], lane: usize, seed: u64) -> i32 {
    let journal = scene.journal;
    let numbers = Numbers::new(seed);
    let mut hand = Hand { journal, lane: journal.lane(lane), index: lane, subject: LIFE, numbers };
    match live(scene, subjects, &mut hand) {
        Ok(()) => 0,
        Err(fault) => {
            let name = subjects.get(hand.subject).map_or("life", |subject| subject.name());
            hand.lane.say(&format!("{name}: {fault}"));
            FAULT
        }
    }
}

fn live(scene: &Scene, subjects: &mut [Box<dyn Subject>], hand: &mut Hand<'_>) -> Outcome {
    loop {
        scene.moves_to(hand, NOT_THERE);
        let region = hand.call(IN_ATTACH, || scene.attach())?;
        scene.moves_to(hand, IN_OPEN);
        subjects.iter_mut().try_for_each(|subject| subject.attach(&region))?;
        take_turns(scene, subjects, hand)?;
        rest(scene, hand);
        let (leaves, tidily) = (!hand.numbers.once_in(3), !hand.numbers.once_in(4));
        scene.moves_to(hand, IN_DETACH);
        if leaves && !tidily {
            // As programs end that do not care.
            let _stays = ManuallyDrop::new(region);
            return Ok(());
        }
        subjects.iter_mut().for_each(|subject| subject.detach());
        hand.call(IN_DETACH, || drop(region));
        if leaves || !goes_on(hand) {
            return Ok(());
        }
        hand.journal.returns.fetch_add(1, Ordering::Relaxed);
    }
}

/// Waits until all have ended their last turns, if the round ends.
fn rest(scene: &Scene, hand: &mut Hand<'_>) {
    while matches!(hand.journal.phase(), Phase::Lull | Phase::Ending) {
        scene.moves_to(hand, AT_REST);
        thread::sleep(LOOK);
    }
}

/// Whether there are more turns.
fn goes_on(hand: &Hand<'_>) -> bool {
    matches!(hand.journal.phase(), Phase::Work | Phase::Lull)
}

fn take_turns(scene: &Scene, subjects: &mut [Box<dyn Subject>], hand: &mut Hand<'_>) -> Outcome {
    let mut left = 1 + hand.numbers.below(TURNS);
    while left > 0 && goes_on(hand) {
        // While nobody is killed nobody leaves.
        left -= u64::from(hand.journal.phase() == Phase::Work);
        hand.subject = hand.numbers.index(subjects.len());
        subjects[hand.subject].work(hand)?;
        hand.lane.turns.fetch_add(1, Ordering::Relaxed);
        scene.moves_to(hand, BETWEEN);
    }
    Ok(())
}

//! The mutex: never two inside, never torn unless told, each death told to exactly one heir, no increment lost.
//!
//! Whoever has it notes in the payload that it is inside. So an heir sees whose death it is told of: that must be somebody
//! who was killed. And whoever finds somebody inside without being told has found a death that was told to nobody.

use crate::torture::fault::{Fault, Outcome};
use crate::torture::hand::{Hand, named_by};
use crate::torture::journal::{Journal, Lane};
use crate::torture::subject::{Subject, Unknown, View};
use selvedge::Region;
use selvedge::region::{LockError, Mutex, MutexGuard};
use selvedge::sync::Ordering;
use std::time::Duration;

const POINTS: &[&str] = &[
    "in lock",
    "locked",
    "half written",
    "written",
    "in unlock",
    "unlocked",
    "in lock of the frail one",
    "has the frail one",
    "in unlock of the frail one",
    "in reset of the frail one",
];
const IN_LOCK: usize = 0;
const LOCKED: usize = 1;
const HALF: usize = 2;
const WRITTEN: usize = 3;
const IN_UNLOCK: usize = 4;
const UNLOCKED: usize = 5;
const IN_FRAIL_LOCK: usize = 6;
const HAS_FRAIL: usize = 7;
const IN_FRAIL_UNLOCK: usize = 8;
const IN_RESET: usize = 9;

/// Lane word: increments that were finished.
const DONE: usize = 0;
/// Common word: how often an heir was about to give the frail mutex up.
const GIVEN_UP: usize = 0;
/// A timed lock that may run out.
const SHORT: Duration = Duration::from_micros(200);

/// A number and its complement, who is inside, and how many deaths were told; then, for a report, who was told last and
/// found whom inside, and who was inside before.
type Payload = [u64; 7];
const NUMBER: usize = 0;
const CHECK: usize = 1;
const INSIDE: usize = 2;
const TOLD: usize = 3;
const HEIR: usize = 4;
const HEIR_OF: usize = 5;
const BEFORE: usize = 6;
const FRESH: Payload = [0, !0, 0, 0, 0, 0, 0];

#[derive(Default)]
pub(crate) struct Mutexes {
    /// The mutex that counts, and one that some heirs give up.
    open: Option<(Mutex<Payload>, Mutex<[u64; 2]>)>,
    increments: Unknown,
    /// Deaths of which somebody must be told, for sure and at most.
    deaths: Unknown,
}

fn not_attached() -> Fault {
    Fault::new("a worker took a turn and was not attached")
}

/// Enters: checks what the one before left, and mends what is told to be broken.
fn enter<'a>(
    answer: Result<MutexGuard<'a, Payload>, LockError<MutexGuard<'a, Payload>>>,
    journal: &Journal,
    identity: u64,
) -> Outcome<Option<MutexGuard<'a, Payload>>> {
    let (mut guard, told) = match answer {
        Ok(guard) => (guard, false),
        Err(LockError::OwnerDied(mut guard)) => {
            guard.mark_consistent();
            (guard, true)
        }
        Err(LockError::WouldBlock | LockError::TimedOut) => return Ok(None),
        Err(error) => return Err(Fault::refused("lock", error)),
    };
    if let Some(fault) = complaint(&guard, told, journal) {
        // Not unlocked, or what the next one finds would be a fault too, and perhaps the first that is heard of.
        std::mem::forget(guard);
        return Err(fault);
    }
    let inside = guard[INSIDE];
    if told {
        guard[CHECK] = !guard[NUMBER];
        guard[TOLD] += 1;
        (guard[HEIR], guard[HEIR_OF]) = (identity, inside);
    }
    guard[INSIDE] = identity;
    Ok(Some(guard))
}

/// What is wrong with what the one before left, if anything is.
fn complaint(payload: &Payload, told: bool, journal: &Journal) -> Option<Fault> {
    let (inside, whole) = (payload[INSIDE], payload[CHECK] == !payload[NUMBER]);
    let what = match named_by(inside) {
        _ if !told && (inside != 0 || !whole) => "locked, and nobody was told of a death".to_owned(),
        Some((lane, generation)) if journal.lives(lane, generation) => {
            format!("told of the death of worker {generation} of lane {lane}, who lives")
        }
        None if !whole => "told of a death, with nobody inside, and the value is torn".to_owned(),
        _ => return None,
    };
    Some(Fault::new(format!("{what}: {payload:x?}; {}", history(payload, journal))))
}

/// Who had it, for a report.
fn history(payload: &Payload, journal: &Journal) -> String {
    let who = |identity: u64| match named_by(identity) {
        None => "nobody".to_owned(),
        Some((lane, generation)) => {
            let lives = if journal.lives(lane, generation) { "lives" } else { "is dead" };
            format!("worker {generation} of lane {lane}, who {lives}")
        }
    };
    format!(
        "inside: {}; before that: {}; told last: {}, of: {}",
        who(payload[INSIDE]),
        who(payload[BEFORE]),
        who(payload[HEIR]),
        who(payload[HEIR_OF])
    )
}

impl Mutexes {
    fn count(mutex: &Mutex<Payload>, hand: &mut Hand<'_>) -> Outcome {
        let how = hand.numbers.below(4);
        let answer = hand.call(IN_LOCK, || match how {
            0 => mutex.try_lock(),
            1 => mutex.lock_timeout(SHORT),
            _ => mutex.lock(),
        });
        let Some(mut guard) = enter(answer, hand.journal, hand.identity())? else { return Ok(()) };
        hand.at(LOCKED);
        hand.linger();
        let number = guard[NUMBER] + 1;
        guard[NUMBER] = number;
        hand.at(HALF);
        guard[CHECK] = !number;
        hand.at(WRITTEN);
        if guard[INSIDE] != hand.identity() || guard[NUMBER] != number {
            return Err(Fault::new(format!("somebody else was inside at the same time: {:x?}", *guard)));
        }
        guard[BEFORE] = hand.identity();
        guard[INSIDE] = 0;
        hand.call(IN_UNLOCK, || drop(guard));
        hand.at(UNLOCKED);
        hand.count(DONE);
        Ok(())
    }

    /// The mutex that not every heir declares consistent.
    fn risk(mutex: &Mutex<[u64; 2]>, hand: &mut Hand<'_>) -> Outcome {
        let given_up = &hand.journal.common(hand.subject)[GIVEN_UP];
        let mut guard = match hand.call(IN_FRAIL_LOCK, || mutex.lock()) {
            Ok(guard) => guard,
            Err(LockError::OwnerDied(guard)) if hand.numbers.once_in(2) => {
                given_up.fetch_add(1, Ordering::AcqRel);
                hand.call(IN_FRAIL_UNLOCK, || drop(guard));
                return Ok(());
            }
            Err(LockError::OwnerDied(mut guard)) => {
                guard[1] = !guard[0];
                guard.mark_consistent();
                guard
            }
            Err(LockError::NotRecoverable) if given_up.load(Ordering::Acquire) > 0 => {
                hand.call(IN_RESET, || mutex.reset([0, !0])).map_err(|error| Fault::refused("reset", error))?;
                return Ok(());
            }
            Err(error) => return Err(Fault::refused("lock of the frail mutex", error)),
        };
        if guard[1] != !guard[0] {
            return Err(Fault::new(format!("the frail mutex is torn, and nobody was told: {:x?}", *guard)));
        }
        guard[0] += 1;
        hand.at(HAS_FRAIL);
        hand.linger();
        guard[1] = !guard[0];
        hand.call(IN_FRAIL_UNLOCK, || drop(guard));
        Ok(())
    }
}

impl Subject for Mutexes {
    fn name(&self) -> &'static str {
        "mutex"
    }

    fn points(&self) -> &'static [&'static str] {
        POINTS
    }

    fn attach(&mut self, region: &Region) -> Outcome {
        let counting = region.mutex("mutex", FRESH).map_err(|error| Fault::refused("mutex", error))?;
        let frail = region.mutex("frail", [0, !0]).map_err(|error| Fault::refused("mutex", error))?;
        self.open = Some((counting, frail));
        Ok(())
    }

    fn detach(&mut self) {
        self.open = None;
    }

    fn work(&mut self, hand: &mut Hand<'_>) -> Outcome {
        let (counting, frail) = self.open.as_ref().ok_or_else(not_attached)?;
        if hand.numbers.once_in(6) { Self::risk(frail, hand) } else { Self::count(counting, hand) }
    }

    fn bury(&mut self, _view: View<'_>, _lane: &Lane, point: usize) {
        match point {
            // Not written yet, perhaps; or written down as done already.
            LOCKED | UNLOCKED => self.increments.or(0, 1),
            HALF | WRITTEN | IN_UNLOCK => self.increments.or(1, 1),
            _ => {}
        }
        match point {
            LOCKED | HALF | WRITTEN => self.deaths.or(1, 1),
            // It had the mutex by then, or not. A death that it was told of, and did not live to write down, counts with its
            // own: its heir is told of both at once.
            IN_LOCK | IN_UNLOCK => self.deaths.or(0, 1),
            _ => {}
        }
    }

    fn relieve(&mut self, _view: View<'_>) -> Outcome {
        // Whoever has it gives it back by itself.
        Ok(())
    }

    fn check(&mut self, view: View<'_>) -> Outcome {
        let (counting, frail) = self.open.as_ref().ok_or_else(not_attached)?;
        let answer = counting.try_lock();
        let Some(mut guard) = enter(answer, view.journal, u64::MAX)? else {
            return Err(Fault::new("somebody has the mutex, and nobody is there"));
        };
        let number = i64::try_from(guard[NUMBER]).unwrap_or(i64::MAX);
        let done = i64::try_from(view.sum(DONE)).unwrap_or(i64::MAX);
        if !self.increments.explains(number, done) {
            return Err(Fault::new(format!(
                "{number} increments in the mutex, {done} were finished, the dead account for {:?}",
                self.increments
            )));
        }
        let told = i64::try_from(guard[TOLD]).unwrap_or(i64::MAX);
        if !self.deaths.explains(told, 0) {
            return Err(Fault::new(format!("heirs were told of {told} deaths; there were {:?}", self.deaths)));
        }
        *guard = FRESH;
        drop(guard);
        match frail.try_lock() {
            Ok(guard) => drop(guard),
            Err(LockError::OwnerDied(mut guard)) => {
                *guard = [0, !0];
                guard.mark_consistent();
            }
            Err(LockError::NotRecoverable) if view.common()[GIVEN_UP].load(Ordering::Acquire) > 0 => {
                frail.reset([0, !0]).map_err(|error| Fault::refused("reset", error))?;
            }
            Err(error) => return Err(Fault::refused("lock of the frail mutex, when nobody is there,", error)),
        }
        Ok(())
    }

    fn begin(&mut self, view: View<'_>) {
        view.clear();
        (self.increments, self.deaths) = Default::default();
    }

    fn state(&self, _view: View<'_>) -> String {
        format!("{:?}", self.open)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::torture::hand::identity;

    fn attached() -> (Mutexes, View<'static>, Region) {
        let region = Region::anonymous().expect("a region");
        let mut subject = Mutexes::default();
        subject.attach(&region).expect("mutexes");
        (subject, View { journal: Journal::map().expect("a mapping"), subject: 0 }, region)
    }

    fn set(subject: &Mutexes, payload: Payload) {
        let (mutex, _) = subject.open.as_ref().expect("attached");
        *mutex.lock().expect("free") = payload;
    }

    fn checked(mut subject: Mutexes, view: View<'_>) -> String {
        subject.check(view).expect_err("a fault").to_string()
    }

    #[test]
    fn all_is_well() {
        let (mut subject, view, _region) = attached();
        assert_eq!(subject.check(view), Ok(()));
    }

    #[test]
    fn somebody_was_inside_and_nobody_is_told() {
        let (subject, view, _region) = attached();
        set(&subject, [0, !0, identity(0, 1), 0, 0, 0, 0]);
        assert!(checked(subject, view).contains("nobody was told of a death"));
    }

    #[test]
    fn the_value_is_torn_and_nobody_is_told() {
        let (subject, view, _region) = attached();
        set(&subject, [1, !0, 0, 0, 0, 0, 0]);
        assert!(checked(subject, view).contains("nobody was told of a death"));
    }

    #[test]
    fn an_increment_is_lost() {
        let (subject, view, _region) = attached();
        view.journal.lane(2).words(0)[DONE].store(1, Ordering::Relaxed);
        assert!(checked(subject, view).contains("0 increments in the mutex, 1 were finished"));
    }

    #[test]
    fn a_death_is_told_to_nobody_or_to_two() {
        let (mut subject, view, _region) = attached();
        subject.bury(view, view.journal.lane(0), LOCKED);
        assert!(checked(subject, view).contains("heirs were told of 0 deaths"));
        let (mut subject, view, _region) = attached();
        subject.bury(view, view.journal.lane(0), IN_LOCK);
        set(&subject, [0, !0, 0, 2, 0, 0, 0]);
        assert!(checked(subject, view).contains("heirs were told of 2 deaths"));
    }

    #[test]
    fn the_death_of_somebody_who_lives_is_told() {
        let (_, view, _region) = attached();
        view.journal.lane(3).begin(0);
        let payload = [0, !0, identity(3, 1), 0, 0, 0, 0];
        let fault = complaint(&payload, true, view.journal).expect("a fault").to_string();
        assert!(fault.contains("worker 1 of lane 3, who lives"), "{fault}");
        view.journal.lane(3).meets_doom();
        assert_eq!(complaint(&payload, true, view.journal), None);
    }
}

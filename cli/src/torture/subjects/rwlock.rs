//! The readers-writer lock: many read or one writes; the dead do neither; what a writer died writing everybody is told.
//!
//! The payload is two words that belong together, and who is inside to write. A writer that is told of a death and does not
//! mend it leaves the words torn on purpose: so whoever finds them torn and is not told finds a fault, as long as nobody
//! has mended them. Who reads notes that in its lane, where a writer looks for it.

use crate::torture::fault::{Fault, Outcome};
use crate::torture::hand::{Hand, named_by};
use crate::torture::journal::{Journal, Lane};
use crate::torture::subject::{Subject, Unknown, View};
use selvedge::Region;
use selvedge::region::{RwLock, RwLockError, WriteGuard};
use selvedge::sync::Ordering;
use std::time::Duration;

const POINTS: &[&str] = &[
    "in read",
    "in timed read",
    "reads",
    "in read again",
    "in end of reading",
    "in write",
    "in timed write",
    "writes",
    "half written",
    "written",
    "in end of writing",
    "has written",
];
const IN_READ: usize = 0;
const IN_TIMED_READ: usize = 1;
const READS: usize = 2;
const IN_READ_AGAIN: usize = 3;
const IN_READ_END: usize = 4;
const IN_WRITE: usize = 5;
const IN_TIMED_WRITE: usize = 6;
const WRITES: usize = 7;
const HALF: usize = 8;
const WRITTEN: usize = 9;
const IN_WRITE_END: usize = 10;
const HAS_WRITTEN: usize = 11;

/// Lane word: who reads, while it surely does.
const READER: usize = 0;
/// Lane word: increments that were finished.
const DONE: usize = 1;
/// A timed call that may run out.
const SHORT: Duration = Duration::from_micros(300);

/// A number and its complement, who is inside to write, and how often a death was mended.
type Payload = [u64; 4];
const NUMBER: usize = 0;
const CHECK: usize = 1;
const INSIDE: usize = 2;
const MENDED: usize = 3;
const FRESH: Payload = [0, !0, 0, 0];

#[derive(Default)]
pub(crate) struct RwLocks {
    open: Option<RwLock<Payload>>,
    increments: Unknown,
    /// Deaths of those who may have been writing.
    deaths: i64,
}

/// What is wrong with what the writer before left, if anything is.
fn complaint(payload: &Payload, told: bool, journal: &Journal) -> Option<Fault> {
    let (inside, whole) = (payload[INSIDE], payload[CHECK] == !payload[NUMBER]);
    let what = match named_by(inside) {
        _ if !told && (inside != 0 || !whole) => "it is half written, and nobody was told of a death".to_owned(),
        Some((lane, generation)) if journal.lives(lane, generation) => {
            format!("told of the death of worker {generation} of lane {lane}, who lives")
        }
        _ => return None,
    };
    Some(Fault::new(format!("{what}: {payload:x?}")))
}

/// Fails if somebody reads who lives.
fn nobody_reads(journal: &Journal, subject: usize) -> Outcome {
    for words in journal.all_words(subject) {
        let reader = words[READER].load(Ordering::Acquire);
        if let Some((lane, generation)) = named_by(reader).filter(|(lane, own)| journal.lives(*lane, *own)) {
            return Err(Fault::new(format!("one writes while worker {generation} of lane {lane} reads")));
        }
    }
    Ok(())
}

impl RwLocks {
    fn open(&self) -> Outcome<&RwLock<Payload>> {
        self.open.as_ref().ok_or_else(|| Fault::new("a worker took a turn and was not attached"))
    }

    fn read(lock: &RwLock<Payload>, hand: &mut Hand<'_>) -> Outcome {
        let answer = match hand.numbers.below(4) {
            0 => hand.call(IN_TIMED_READ, || lock.try_read()),
            1 => hand.call(IN_TIMED_READ, || lock.read_timeout(SHORT)),
            _ => hand.call(IN_READ, || lock.read()),
        };
        let (guard, told) = match answer {
            Ok(guard) => (guard, false),
            Err(RwLockError::OwnerDied(guard)) => (guard, true),
            Err(RwLockError::WouldBlock | RwLockError::TimedOut) => return Ok(()),
            Err(error) => return Err(Fault::refused("read", error)),
        };
        hand.word(READER).store(hand.identity(), Ordering::Release);
        hand.at(READS);
        let found = *guard;
        if let Some(fault) = complaint(&found, told, hand.journal) {
            return Err(fault);
        }
        hand.linger();
        if hand.numbers.once_in(4) {
            // Whoever waits to write: who reads may read once more, and finds the same.
            let again = hand.call(IN_READ_AGAIN, || lock.try_read());
            match again {
                Ok(again) if !told => hand.call(IN_READ_END, || drop(again)),
                Err(RwLockError::OwnerDied(again)) if told => hand.call(IN_READ_END, || drop(again)),
                other => {
                    return Err(Fault::new(format!("told before: {told}; and one who reads once more: {other:?}")));
                }
            }
        }
        if *guard != found {
            return Err(Fault::new(format!("it was {found:x?} and is {:x?}, while one read it", *guard)));
        }
        hand.word(READER).store(0, Ordering::Release);
        hand.call(IN_READ_END, || drop(guard));
        Ok(())
    }

    /// Checks what the one before left, and mends it or tears it, if it is told of a death. True: it may write.
    fn enter(guard: &mut WriteGuard<'_, Payload>, told: bool, hand: &mut Hand<'_>) -> Outcome<bool> {
        if let Some(fault) = complaint(guard, told, hand.journal) {
            return Err(fault);
        }
        nobody_reads(hand.journal, hand.subject)?;
        guard[INSIDE] = hand.identity();
        let mends = !told || hand.numbers.once_in(2);
        if told && mends {
            guard[CHECK] = !guard[NUMBER];
            guard[MENDED] += 1;
            guard.mark_consistent();
        } else if told {
            guard[CHECK] = guard[NUMBER];
        }
        Ok(mends)
    }

    fn write(lock: &RwLock<Payload>, hand: &mut Hand<'_>) -> Outcome {
        let answer = match hand.numbers.below(4) {
            0 => hand.call(IN_TIMED_WRITE, || lock.try_write()),
            1 => hand.call(IN_TIMED_WRITE, || lock.write_timeout(SHORT)),
            _ => hand.call(IN_WRITE, || lock.write()),
        };
        let (mut guard, told) = match answer {
            Ok(guard) => (guard, false),
            Err(RwLockError::OwnerDied(guard)) => (guard, true),
            Err(RwLockError::WouldBlock | RwLockError::TimedOut) => return Ok(()),
            Err(error) => return Err(Fault::refused("write", error)),
        };
        let identity = hand.identity();
        let mends = match Self::enter(&mut guard, told, hand) {
            Ok(mends) => mends,
            Err(fault) => {
                // Not unlocked, or what the next one finds would be a fault too, and perhaps the first that is heard of.
                std::mem::forget(guard);
                return Err(fault);
            }
        };
        hand.at(WRITES);
        if mends {
            let number = guard[NUMBER] + 1;
            guard[NUMBER] = number;
            hand.at(HALF);
            hand.linger();
            guard[CHECK] = !number;
            hand.at(WRITTEN);
        }
        nobody_reads(hand.journal, hand.subject)?;
        if guard[INSIDE] != identity {
            return Err(Fault::new(format!("somebody else wrote at the same time: {:x?}", *guard)));
        }
        guard[INSIDE] = 0;
        hand.call(IN_WRITE_END, || drop(guard));
        if mends {
            hand.at(HAS_WRITTEN);
            hand.count(DONE);
        }
        Ok(())
    }
}

impl Subject for RwLocks {
    fn name(&self) -> &'static str {
        "rwlock"
    }

    fn points(&self) -> &'static [&'static str] {
        POINTS
    }

    fn attach(&mut self, region: &Region) -> Outcome {
        let lock = region.rwlock("rwlock", FRESH);
        self.open = Some(lock.map_err(|error| Fault::refused("readers-writer lock", error))?);
        Ok(())
    }

    fn detach(&mut self) {
        self.open = None;
    }

    fn work(&mut self, hand: &mut Hand<'_>) -> Outcome {
        let lock = self.open()?;
        if hand.numbers.once_in(3) { Self::write(lock, hand) } else { Self::read(lock, hand) }
    }

    fn bury(&mut self, _view: View<'_>, _lane: &Lane, point: usize) {
        match point {
            // Who left it torn has not written, and who died at the very end has counted, perhaps.
            WRITES | IN_WRITE_END | HAS_WRITTEN => self.increments.or(0, 1),
            HALF | WRITTEN => self.increments.or(1, 1),
            _ => {}
        }
        self.deaths += i64::from(matches!(point, IN_WRITE..=IN_WRITE_END));
    }

    fn relieve(&mut self, _view: View<'_>) -> Outcome {
        // Whoever reads or writes comes to an end by itself.
        Ok(())
    }

    fn check(&mut self, view: View<'_>) -> Outcome {
        let lock = self.open()?;
        let (mut guard, told) = match lock.try_write() {
            Ok(guard) => (guard, false),
            Err(RwLockError::OwnerDied(guard)) => (guard, true),
            Err(error) => return Err(Fault::refused("write, when nobody is there,", error)),
        };
        if let Some(fault) = complaint(&guard, told, view.journal) {
            return Err(fault);
        }
        let number = i64::try_from(guard[NUMBER]).unwrap_or(i64::MAX);
        let done = i64::try_from(view.sum(DONE)).unwrap_or(i64::MAX);
        if !self.increments.explains(number, done) {
            return Err(Fault::new(format!(
                "{number} increments in the lock, {done} were finished, the dead account for {:?}",
                self.increments
            )));
        }
        let mended = i64::try_from(guard[MENDED]).unwrap_or(i64::MAX).saturating_add(told.into());
        if mended > self.deaths {
            let deaths = self.deaths;
            return Err(Fault::new(format!("a death was told of and mended {mended} times, after {deaths} deaths")));
        }
        *guard = FRESH;
        guard.mark_consistent();
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

    fn attached() -> (RwLocks, View<'static>, Region) {
        let region = Region::anonymous().expect("a region");
        let mut subject = RwLocks::default();
        subject.attach(&region).expect("a lock");
        (subject, View { journal: Journal::map().expect("a mapping"), subject: 0 }, region)
    }

    fn set(subject: &RwLocks, payload: Payload) {
        *subject.open().expect("attached").write().expect("free") = payload;
    }

    fn checked(mut subject: RwLocks, view: View<'_>) -> String {
        subject.check(view).expect_err("a fault").to_string()
    }

    #[test]
    fn all_is_well() {
        let (mut subject, view, _region) = attached();
        assert_eq!(subject.check(view), Ok(()));
    }

    #[test]
    fn it_is_torn_or_somebody_was_inside_and_nobody_is_told() {
        for payload in [[1, !0, 0, 0], [0, !0, identity(0, 1), 0]] {
            let (subject, view, _region) = attached();
            set(&subject, payload);
            assert!(checked(subject, view).contains("nobody was told of a death"));
        }
    }

    #[test]
    fn the_death_of_somebody_who_lives_is_told() {
        let (_, view, _region) = attached();
        view.journal.lane(3).begin(0);
        let payload = [0, !0, identity(3, 1), 0];
        let fault = complaint(&payload, true, view.journal).expect("a fault").to_string();
        assert!(fault.contains("worker 1 of lane 3, who lives"), "{fault}");
        view.journal.lane(3).meets_doom();
        assert_eq!(complaint(&payload, true, view.journal), None);
        assert_eq!(complaint(&[1, !0, 0, 0], true, view.journal), None);
    }

    #[test]
    fn an_increment_is_lost() {
        let (subject, view, _region) = attached();
        view.journal.lane(2).words(0)[DONE].store(1, Ordering::Relaxed);
        assert!(checked(subject, view).contains("0 increments in the lock, 1 were finished"));
    }

    #[test]
    fn a_death_is_told_that_was_none() {
        let (mut subject, view, _region) = attached();
        set(&subject, [0, !0, 0, 1]);
        subject.bury(view, view.journal.lane(0), READS);
        assert!(checked(subject, view).contains("mended 1 times, after 0 deaths"));
        let (mut subject, view, _region) = attached();
        set(&subject, [0, !0, 0, 1]);
        subject.bury(view, view.journal.lane(0), IN_WRITE);
        assert_eq!(subject.check(view), Ok(()));
    }

    #[test]
    fn one_writes_while_another_reads() {
        let (_, view, _region) = attached();
        view.journal.lane(1).begin(0);
        view.journal.lane(1).words(0)[READER].store(identity(1, 1), Ordering::Relaxed);
        let fault = nobody_reads(view.journal, 0).expect_err("it reads").to_string();
        assert!(fault.contains("one writes while worker 1 of lane 1 reads"), "{fault}");
        view.journal.lane(1).meets_doom();
        assert_eq!(nobody_reads(view.journal, 0), Ok(()));
    }
}

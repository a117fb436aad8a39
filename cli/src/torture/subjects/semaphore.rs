//! The counting semaphore: permits are conserved up to those in flight of the dead, and who could proceed does not sleep.
//!
//! Permits of the dead are gone with them. Those that a dead worker surely had its successor gives back first of all.

use crate::torture::fault::{Fault, Outcome};
use crate::torture::hand::{Hand, add};
use crate::torture::journal::Lane;
use crate::torture::subject::{Subject, Unknown, View};
use selvedge::Region;
use selvedge::region::{AcquireError, Semaphore};
use selvedge::sync::Ordering;
use std::time::Duration;

const POINTS: &[&str] = &["in acquire", "has permits", "in release", "in release for the dead", "in timed acquire"];
const IN_ACQUIRE: usize = 0;
const HAS_PERMITS: usize = 1;
const IN_RELEASE: usize = 2;
const IN_RELEASE_FOR_THE_DEAD: usize = 3;
const IN_TIMED_ACQUIRE: usize = 4;

/// Lane word: how many permits the operation is about.
const ASKED: usize = 0;
/// Lane word: how many permits the one before in this lane died with.
const OWED: usize = 1;
/// Common word: how many permits an inspector added.
const ADDED: usize = 0;

/// How many permits there are in the beginning, and the most that one asks for.
const PERMITS: u32 = 4;
const MOST: u32 = 3;
/// A timed call that may run out.
const SHORT: Duration = Duration::from_micros(300);

#[derive(Default)]
pub(crate) struct Semaphores {
    open: Option<Semaphore>,
    /// Permits that went with the dead.
    lost: Unknown,
}

impl Semaphores {
    fn open(&self) -> Outcome<&Semaphore> {
        self.open.as_ref().ok_or_else(|| Fault::new("a worker took a turn and was not attached"))
    }

    fn number(permits: u64) -> u32 {
        u32::try_from(permits).unwrap_or(u32::MAX)
    }
}

impl Subject for Semaphores {
    fn name(&self) -> &'static str {
        "semaphore"
    }

    fn points(&self) -> &'static [&'static str] {
        POINTS
    }

    fn attach(&mut self, region: &Region) -> Outcome {
        let permits = region.semaphore("semaphore", PERMITS).map_err(|error| Fault::refused("semaphore", error))?;
        self.open = Some(permits);
        Ok(())
    }

    fn detach(&mut self) {
        self.open = None;
    }

    fn work(&mut self, hand: &mut Hand<'_>) -> Outcome {
        let semaphore = self.open()?;
        let owed = Self::number(hand.word(OWED).load(Ordering::Relaxed));
        if owed > 0 {
            hand.call(IN_RELEASE_FOR_THE_DEAD, || semaphore.release_many(owed))
                .map_err(|error| Fault::refused("release for the dead", error))?;
            hand.word(OWED).store(0, Ordering::Release);
        }
        let (asked, how) = (1 + hand.numbers.small(MOST), hand.numbers.below(4));
        hand.word(ASKED).store(asked.into(), Ordering::Release);
        let answer = match how {
            0 => hand.call(IN_TIMED_ACQUIRE, || semaphore.acquire_timeout(asked, SHORT)),
            1 => hand.call(IN_TIMED_ACQUIRE, || semaphore.try_acquire(asked)),
            _ => hand.call(IN_ACQUIRE, || semaphore.acquire_many(asked)),
        };
        match answer {
            Ok(()) => {}
            Err(AcquireError::TimedOut | AcquireError::WouldBlock) if how < 2 => return Ok(()),
            Err(error) => return Err(Fault::refused("acquire", error)),
        }
        hand.at(HAS_PERMITS);
        hand.linger();
        hand.call(IN_RELEASE, || semaphore.release_many(asked)).map_err(|error| Fault::refused("release", error))
    }

    fn bury(&mut self, view: View<'_>, lane: &Lane, point: usize) {
        let asked = i64::try_from(view.word(lane, ASKED)).unwrap_or(0);
        let owed = &lane.words(view.subject)[OWED];
        match point {
            IN_ACQUIRE | IN_TIMED_ACQUIRE | IN_RELEASE => self.lost.or(0, asked),
            // The next in this lane gives them back, and there are as many as before, once it has.
            HAS_PERMITS => owed.store(view.word(lane, ASKED), Ordering::Release),
            IN_RELEASE_FOR_THE_DEAD => {
                // It gave them back, or they are lost for this round.
                self.lost.or(0, i64::try_from(owed.load(Ordering::Acquire)).unwrap_or(0));
                owed.store(0, Ordering::Release);
            }
            _ => {}
        }
    }

    fn relieve(&mut self, view: View<'_>) -> Outcome {
        let semaphore = self.open()?;
        let asked = view.lanes_at(IN_ACQUIRE).map(|lane| Self::number(view.word(lane, ASKED))).min();
        let available = semaphore.available();
        if let Some(more) = asked.and_then(|asked| asked.checked_sub(available)).filter(|more| *more > 0) {
            add(&view.common()[ADDED], more.into());
            semaphore.release_many(more).map_err(|error| Fault::refused("release", error))?;
        }
        Ok(())
    }

    fn check(&mut self, view: View<'_>) -> Outcome {
        let semaphore = self.open()?;
        let signed = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        let available = semaphore.available();
        let expected =
            i64::from(PERMITS) + signed(view.common()[ADDED].load(Ordering::Acquire)) - signed(view.sum(OWED));
        let lost = expected - i64::from(available);
        if !self.lost.explains(lost, 0) {
            return Err(Fault::new(format!(
                "{available} permits, {expected} expected: {lost} lost, where the dead account for {:?}",
                self.lost
            )));
        }
        let answer = semaphore.try_acquire(available);
        answer.map_err(|error| Fault::refused("acquire of all permits, when nobody is there,", error))?;
        semaphore.release_many(PERMITS).map_err(|error| Fault::refused("release", error))
    }

    fn begin(&mut self, view: View<'_>) {
        view.clear();
        self.lost = Unknown::default();
    }

    fn state(&self, view: View<'_>) -> String {
        let asked: Vec<u64> = view.lanes_at(IN_ACQUIRE).map(|lane| view.word(lane, ASKED)).collect();
        format!("{:?}, those who wait ask for {asked:?}", self.open)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::torture::journal::Journal;

    /// A region with the semaphore, and the accounts of a round in which a worker of lane 0 died at `point` about to
    /// take or give `asked`.
    fn round(point: Option<usize>, asked: u64) -> (Semaphores, View<'static>, Region) {
        let region = Region::anonymous().expect("a region");
        let mut subject = Semaphores::default();
        subject.attach(&region).expect("a semaphore");
        let view = View { journal: Journal::map().expect("a mapping"), subject: 1 };
        let lane = view.journal.lane(0);
        lane.words(1)[ASKED].store(asked, Ordering::Relaxed);
        point.into_iter().for_each(|point| subject.bury(view, lane, point));
        (subject, view, region)
    }

    fn take(subject: &Semaphores, permits: u32) {
        subject
            .open()
            .and_then(|it| it.try_acquire(permits).map_err(|error| Fault::refused("", error)))
            .expect("there");
    }

    #[test]
    fn a_permit_is_lost_or_made() {
        let (mut subject, view, _region) = round(None, 0);
        assert_eq!(subject.check(view), Ok(()));
        take(&subject, 1);
        assert!(subject.check(view).expect_err("one is gone").to_string().contains("1 lost"));
        subject.open().and_then(|it| it.release_many(2).map_err(|error| Fault::refused("", error))).expect("room");
        assert!(subject.check(view).expect_err("one is too many").to_string().contains("-1 lost"));
    }

    #[test]
    fn the_dead_account_for_what_they_were_about_and_no_more() {
        let (mut subject, view, _region) = round(Some(IN_ACQUIRE), 2);
        assert_eq!(subject.check(view), Ok(()));
        let (mut subject, view, _region) = round(Some(IN_ACQUIRE), 2);
        take(&subject, 3);
        assert!(subject.check(view).is_err());
        // Who died with permits had them for sure.
        let (mut subject, view, _region) = round(Some(HAS_PERMITS), 2);
        assert!(subject.check(view).is_err());
        take(&subject, 2);
        assert_eq!(subject.check(view), Ok(()));
    }
}

//! The owned semaphore: what the dead had comes home, all of it and no more, and who waits for it is let go.
//!
//! There are as many *seats* as permits. Whoever has permits sits down on as many, and gets up before it gives them back;
//! the seats of the dead are free. So if somebody with permits finds no seat again and again, there are more permits than
//! there were made. That none is missing shows in the end, when everybody is gone: then all have come home, exactly.

use crate::torture::fault::{Fault, Outcome};
use crate::torture::hand::{Hand, named_by};
use crate::torture::journal::{Journal, Lane};
use crate::torture::subject::{Subject, View};
use selvedge::Region;
use selvedge::region::{OwnedSemaphore, Permit, PermitError};
use selvedge::sync::{AtomicU64, Ordering};
use std::mem::ManuallyDrop;
use std::thread;
use std::time::Duration;

const POINTS: &[&str] = &[
    "in acquire",
    "in timed acquire",
    "has permits",
    "sits",
    "in acquire of more",
    "has more",
    "in release",
    "in a thread that ends with permits",
];
const IN_ACQUIRE: usize = 0;
const IN_TIMED_ACQUIRE: usize = 1;
const HAS_PERMITS: usize = 2;
const SITS: usize = 3;
const IN_ACQUIRE_OF_MORE: usize = 4;
const HAS_MORE: usize = 5;
const IN_RELEASE: usize = 6;
const IN_THREAD: usize = 7;

/// Lane word, for reports: how many permits the worker asks for.
const ASKED: usize = 0;

/// How many permits there are, and seats, one common word each; and the most that one asks for.
const PERMITS: u32 = 4;
const SEATS: usize = PERMITS as usize;
const MOST: u32 = 3;
/// A timed call that may run out.
const SHORT: Duration = Duration::from_micros(300);
/// Who looks for a seat and finds none each time has seen them all taken: others change seats while one looks, and not
/// so often in a row.
const LOOKS: u32 = 10_000;

#[derive(Default)]
pub(crate) struct Owned {
    open: Option<OwnedSemaphore>,
}

/// Takes a seat, free or of somebody dead.
fn sit(journal: &Journal, seats: &[AtomicU64], identity: u64) -> Outcome {
    let is_free = |occupant| named_by(occupant).is_none_or(|(lane, generation)| !journal.lives(lane, generation));
    for _ in 0..LOOKS {
        for seat in seats.iter().take(SEATS) {
            let occupant = seat.load(Ordering::Acquire);
            if is_free(occupant)
                && seat.compare_exchange(occupant, identity, Ordering::AcqRel, Ordering::Relaxed).is_ok()
            {
                return Ok(());
            }
        }
        std::hint::spin_loop();
    }
    let occupants: Vec<u64> = seats.iter().take(SEATS).map(|seat| seat.load(Ordering::Acquire)).collect();
    Err(Fault::new(format!("there are {PERMITS} permits, and as many others have them: {occupants:x?}")))
}

/// Leaves all seats. That of one who was taken for dead may be somebody else's by now.
fn get_up(seats: &[AtomicU64], identity: u64) {
    for seat in seats.iter().take(SEATS) {
        let _ = seat.compare_exchange(identity, 0, Ordering::AcqRel, Ordering::Relaxed);
    }
}

/// All or nothing: who asked for so many has so many, and they are not there for others.
fn whole(semaphore: &OwnedSemaphore, permit: &Permit<'_>, asked: u32) -> Outcome {
    let (has, available) = (permit.count(), semaphore.available());
    if has == asked && available <= PERMITS - asked {
        return Ok(());
    }
    Err(Fault::new(format!("asked for {asked} permits of {PERMITS} and got {has}, and {available} are there still")))
}

impl Owned {
    fn open(&self) -> Outcome<&OwnedSemaphore> {
        self.open.as_ref().ok_or_else(|| Fault::new("a worker took a turn and was not attached"))
    }

    /// What a thread has when it ends comes home as from the dead.
    fn end_with_permits(semaphore: &OwnedSemaphore, asked: u32) -> Outcome {
        let take = || semaphore.try_acquire(asked).map(ManuallyDrop::new).map(drop);
        match thread::scope(|scope| scope.spawn(take).join()) {
            Ok(Ok(()) | Err(PermitError::WouldBlock | PermitError::TooManyThreads { .. })) => Ok(()),
            Ok(Err(error)) => Err(Fault::refused("acquire in a thread", error)),
            Err(_) => Err(Fault::new("a thread panicked")),
        }
    }

    /// Takes one more if it is there, and gives it back first.
    fn more(semaphore: &OwnedSemaphore, hand: &mut Hand<'_>, seats: &[AtomicU64]) -> Outcome {
        match hand.call(IN_ACQUIRE_OF_MORE, || semaphore.try_acquire(1)) {
            Ok(permit) => {
                hand.at(HAS_MORE);
                sit(hand.journal, seats, hand.identity())?;
                hand.linger();
                get_up(seats, hand.identity());
                hand.call(IN_RELEASE, || drop(permit));
                Ok(())
            }
            Err(PermitError::WouldBlock) => Ok(()),
            Err(error) => Err(Fault::refused("acquire of one more", error)),
        }
    }
}

impl Subject for Owned {
    fn name(&self) -> &'static str {
        "owned"
    }

    fn points(&self) -> &'static [&'static str] {
        POINTS
    }

    fn attach(&mut self, region: &Region) -> Outcome {
        let permits = region.owned_semaphore("owned", PERMITS);
        self.open = Some(permits.map_err(|error| Fault::refused("owned semaphore", error))?);
        Ok(())
    }

    fn detach(&mut self) {
        self.open = None;
    }

    fn work(&mut self, hand: &mut Hand<'_>) -> Outcome {
        let semaphore = self.open()?;
        let seats = hand.journal.common(hand.subject);
        let (asked, how) = (1 + hand.numbers.small(MOST), hand.numbers.below(16));
        hand.word(ASKED).store(asked.into(), Ordering::Release);
        let answer = match how {
            0 => return hand.call(IN_THREAD, || Self::end_with_permits(semaphore, asked)),
            1..=4 => hand.call(IN_TIMED_ACQUIRE, || semaphore.acquire_timeout(asked, SHORT)),
            5..=7 => hand.call(IN_TIMED_ACQUIRE, || semaphore.try_acquire(asked)),
            _ => hand.call(IN_ACQUIRE, || semaphore.acquire_many(asked)),
        };
        let permit = match answer {
            Ok(permit) => permit,
            Err(PermitError::TimedOut | PermitError::WouldBlock) if how < 8 => return Ok(()),
            Err(error) => return Err(Fault::refused("acquire", error)),
        };
        hand.at(HAS_PERMITS);
        whole(semaphore, &permit, asked)?;
        (0..asked).try_for_each(|_| sit(hand.journal, seats, hand.identity()))?;
        hand.at(SITS);
        hand.linger();
        if hand.numbers.once_in(4) {
            // Gets up from all seats, which is before it gives anything back.
            Self::more(semaphore, hand, seats)?;
        }
        whole(semaphore, &permit, asked)?;
        get_up(seats, hand.identity());
        hand.call(IN_RELEASE, || drop(permit));
        Ok(())
    }

    fn bury(&mut self, _view: View<'_>, _lane: &Lane, _point: usize) {
        // It has no permits from now on, wherever it was.
    }

    fn relieve(&mut self, _view: View<'_>) -> Outcome {
        // Whoever has permits gives them back by itself.
        Ok(())
    }

    fn check(&mut self, _view: View<'_>) -> Outcome {
        let semaphore = self.open()?;
        let available = semaphore.available();
        if available != PERMITS {
            return Err(Fault::new(format!("{available} permits of {PERMITS} have come home, and nobody is there")));
        }
        let refused = |error| Fault::refused("acquire of all permits, when nobody is there,", error);
        drop(semaphore.try_acquire(PERMITS).map_err(refused)?);
        match semaphore.available() {
            PERMITS => Ok(()),
            back => Err(Fault::new(format!("{PERMITS} permits were given back, and {back} are there"))),
        }
    }

    fn begin(&mut self, view: View<'_>) {
        view.clear();
    }

    fn state(&self, view: View<'_>) -> String {
        let asked: Vec<u64> = view.lanes_at(IN_ACQUIRE).map(|lane| view.word(lane, ASKED)).collect();
        format!("{:?}, those who wait ask for {asked:?}", self.open)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::torture::hand::identity;

    fn attached() -> (Owned, View<'static>, Region) {
        let region = Region::anonymous().expect("a region");
        let mut subject = Owned::default();
        subject.attach(&region).expect("a semaphore");
        (subject, View { journal: Journal::map().expect("a mapping"), subject: 1 }, region)
    }

    #[test]
    fn a_permit_is_missing_in_the_end() {
        let (mut subject, view, region) = attached();
        assert_eq!(subject.check(view), Ok(()));
        let semaphore = region.owned_semaphore("owned", PERMITS).expect("it is there");
        let permit = semaphore.try_acquire(1).expect("all are there");
        assert!(subject.check(view).expect_err("one is gone").to_string().contains("3 permits of 4"));
        drop(permit);
        assert_eq!(subject.check(view), Ok(()));
    }

    #[test]
    fn the_permits_of_a_thread_that_ends_come_home() {
        let (mut subject, view, _region) = attached();
        assert_eq!(Owned::end_with_permits(subject.open().expect("attached"), 3), Ok(()));
        assert_eq!(subject.check(view), Ok(()));
    }

    #[test]
    fn nobody_gets_a_seat_when_all_are_taken_by_the_living() {
        let (_, view, _region) = attached();
        (0..=SEATS).for_each(|lane| view.journal.lane(lane).begin(0));
        for lane in 0..SEATS {
            assert_eq!(sit(view.journal, view.common(), identity(lane, 1)), Ok(()));
        }
        let fifth = identity(SEATS, 1);
        let fault = sit(view.journal, view.common(), fifth).expect_err("a permit too many").to_string();
        assert!(fault.contains("as many others have them"), "{fault}");
        view.journal.lane(2).meets_doom();
        assert_eq!(sit(view.journal, view.common(), fifth), Ok(()));
        get_up(view.common(), identity(2, 1));
        assert!(sit(view.journal, view.common(), fifth).is_err(), "the seat of the dead is the fifth's");
        get_up(view.common(), identity(0, 1));
        assert_eq!(sit(view.journal, view.common(), fifth), Ok(()));
    }

    #[test]
    fn less_than_was_asked_for_is_a_fault() {
        let (subject, _, _region) = attached();
        let semaphore = subject.open().expect("attached");
        let permit = semaphore.try_acquire(2).expect("four are there");
        assert_eq!(whole(semaphore, &permit, 2), Ok(()));
        assert!(
            whole(semaphore, &permit, 3).expect_err("two").to_string().contains("asked for 3 permits of 4 and got 2")
        );
    }
}

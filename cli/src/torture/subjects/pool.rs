//! The pool: nobody has a buffer that somebody has who lives, and those of the dead come home, all of them.
//!
//! Who takes a buffer finds in it who had it before, and writes its own name there, which it wipes out before it gives it
//! back. What the dead had half written is found as it was, and nobody is told.

use super::traffic::{SHORT, not_attached};
use crate::torture::fault::{Fault, Outcome};
use crate::torture::hand::{Hand, named_by};
use crate::torture::journal::{Journal, Lane};
use crate::torture::subject::{Subject, View};
use selvedge::Region;
use selvedge::region::{Pool, PoolBuffer, PoolError};
use std::thread;

const POINTS: &[&str] = &[
    "in take",
    "in timed take",
    "has a buffer",
    "half written",
    "in take of another",
    "in give back",
    "in a thread that ends with one",
];
const IN_TAKE: usize = 0;
const IN_TIMED_TAKE: usize = 1;
const HAS_BUFFER: usize = 2;
const HALF: usize = 3;
const IN_TAKE_OF_ANOTHER: usize = 4;
const IN_GIVE_BACK: usize = 5;
const IN_THREAD: usize = 6;

/// Who has it, and a number and its complement.
type Payload = [u64; 3];

/// Fewer than those who want one.
const BUFFERS: usize = 2;

#[derive(Default)]
pub(crate) struct Pools {
    open: Option<Pool<Payload>>,
}

/// Begins to use a buffer: what is in it must be whole, or of somebody who is dead.
fn enter(buffer: &mut Payload, journal: &Journal, identity: u64) -> Outcome {
    match named_by(buffer[0]) {
        Some((lane, generation)) if journal.lives(lane, generation) => {
            return Err(Fault::new(format!(
                "got a buffer that worker {generation} of lane {lane} has, who lives: {buffer:x?}"
            )));
        }
        // New, and never used.
        None if *buffer == [0; 3] => {}
        None if buffer[2] != !buffer[1] => {
            return Err(Fault::new(format!("a buffer that was given back is torn: {buffer:x?}")));
        }
        _ => {}
    }
    *buffer = [identity, 0, !0];
    Ok(())
}

impl Pools {
    fn open(&self) -> Outcome<&Pool<Payload>> {
        self.open.as_ref().ok_or_else(not_attached)
    }

    /// Uses a buffer, and gives it back.
    fn use_one(hand: &mut Hand<'_>, mut buffer: PoolBuffer<'_, Payload>, pool: &Pool<Payload>) -> Outcome {
        enter(&mut buffer, hand.journal, hand.identity())?;
        hand.at(HAS_BUFFER);
        hand.linger();
        if hand.numbers.once_in(4) {
            match hand.call(IN_TAKE_OF_ANOTHER, || pool.take_timeout(SHORT)) {
                Ok(mut other) => {
                    enter(&mut other, hand.journal, hand.identity())?;
                    hand.linger();
                    leave(hand, other, 0)?;
                }
                Err(PoolError::TimedOut) => {}
                Err(error) => return Err(Fault::refused("take of another buffer", error)),
            }
        }
        buffer[1] = hand.numbers.next();
        let number = buffer[1];
        hand.at(HALF);
        buffer[2] = !number;
        leave(hand, buffer, number)
    }

    /// What a thread has when it ends comes home as from the dead.
    fn end_with_a_buffer(pool: &Pool<Payload>, journal: &Journal, identity: u64) -> Outcome {
        let take = || -> Outcome {
            match pool.try_take() {
                Ok(mut buffer) => {
                    enter(&mut buffer, journal, identity)?;
                    buffer[0] = 0;
                    std::mem::forget(buffer);
                    Ok(())
                }
                Err(PoolError::Empty | PoolError::TooManyThreads { .. }) => Ok(()),
                Err(error) => Err(Fault::refused("take in a thread", error)),
            }
        };
        match thread::scope(|scope| scope.spawn(take).join()) {
            Ok(outcome) => outcome,
            Err(_) => Err(Fault::new("a thread panicked")),
        }
    }
}

/// Gives a buffer back that nobody else has written to.
fn leave(hand: &mut Hand<'_>, mut buffer: PoolBuffer<'_, Payload>, number: u64) -> Outcome {
    if *buffer != [hand.identity(), number, !number] {
        return Err(Fault::new(format!("a buffer has changed in its holder's hands: {:x?}", *buffer)));
    }
    buffer[0] = 0;
    hand.call(IN_GIVE_BACK, || drop(buffer));
    Ok(())
}

impl Subject for Pools {
    fn name(&self) -> &'static str {
        "pool"
    }

    fn points(&self) -> &'static [&'static str] {
        POINTS
    }

    fn attach(&mut self, region: &Region) -> Outcome {
        self.open = Some(region.pool("pool", BUFFERS).map_err(|error| Fault::refused("pool", error))?);
        Ok(())
    }

    fn detach(&mut self) {
        self.open = None;
    }

    fn work(&mut self, hand: &mut Hand<'_>) -> Outcome {
        let pool = self.open()?;
        let taken = match hand.numbers.below(16) {
            0 => {
                let (journal, identity) = (hand.journal, hand.identity());
                return hand.call(IN_THREAD, || Self::end_with_a_buffer(pool, journal, identity));
            }
            1..=3 => hand.call(IN_TIMED_TAKE, || pool.take_timeout(SHORT)),
            4..=6 => hand.call(IN_TIMED_TAKE, || pool.try_take()),
            _ => hand.call(IN_TAKE, || pool.take()),
        };
        match taken {
            Ok(buffer) => Self::use_one(hand, buffer, pool),
            Err(PoolError::Empty | PoolError::TimedOut) => Ok(()),
            Err(error) => Err(Fault::refused("take", error)),
        }
    }

    fn bury(&mut self, _view: View<'_>, _lane: &Lane, _point: usize) {
        // It has no buffers from now on, wherever it was.
    }

    fn relieve(&mut self, _view: View<'_>) -> Outcome {
        // Whoever has a buffer gives it back by itself.
        Ok(())
    }

    fn check(&mut self, view: View<'_>) -> Outcome {
        let pool = self.open()?;
        let in_use = pool.in_use();
        if in_use != 0 {
            return Err(Fault::new(format!("{in_use} of {BUFFERS} buffers have not come home, and nobody is there")));
        }
        let mut all: Vec<_> = std::iter::from_fn(|| pool.try_take().ok()).collect();
        if all.len() != BUFFERS {
            return Err(Fault::new(format!("{} buffers of {BUFFERS} were taken, when nobody is there", all.len())));
        }
        for (buffer, number) in all.iter_mut().zip(1..) {
            enter(buffer, view.journal, 0)?;
            (buffer[1], buffer[2]) = (number, !number);
        }
        match all.iter().zip(1..).find(|(buffer, number)| buffer[1] != *number) {
            Some((buffer, _)) => Err(Fault::new(format!("one buffer was taken twice: {:x?}", **buffer))),
            None => Ok(()),
        }
    }

    fn begin(&mut self, view: View<'_>) {
        view.clear();
    }

    fn state(&self, _view: View<'_>) -> String {
        format!("{:?}", self.open)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::torture::hand::identity;

    fn attached() -> (Pools, View<'static>, Region) {
        let region = Region::anonymous().expect("a region");
        let mut subject = Pools::default();
        subject.attach(&region).expect("a pool");
        (subject, View { journal: Journal::map().expect("a mapping"), subject: 1 }, region)
    }

    #[test]
    fn a_buffer_is_missing_in_the_end() {
        let (mut subject, view, region) = attached();
        assert_eq!(subject.check(view), Ok(()));
        let pool = region.pool::<Payload>("pool", BUFFERS).expect("it is there");
        let buffer = pool.take().expect("all are there");
        assert!(subject.check(view).expect_err("one is gone").to_string().contains("1 of 2 buffers"));
        drop(buffer);
        assert_eq!(subject.check(view), Ok(()));
    }

    #[test]
    fn the_buffer_of_a_thread_that_ends_comes_home() {
        let (mut subject, view, _region) = attached();
        let pool = subject.open().expect("attached");
        assert_eq!(Pools::end_with_a_buffer(pool, view.journal, identity(0, 1)), Ok(()));
        assert_eq!(subject.check(view), Ok(()));
    }

    #[test]
    fn what_is_found_in_a_buffer_is_whole_or_of_the_dead() {
        let (_, view, _region) = attached();
        view.journal.lane(3).begin(0);
        let (own, theirs) = (identity(0, 1), identity(3, 1));
        let found = |mut payload: Payload| enter(&mut payload, view.journal, own).err().map(|fault| fault.to_string());
        assert_eq!((found([0; 3]), found([0, 5, !5])), (None, None));
        assert!(found([0, 5, 6]).is_some_and(|fault| fault.contains("torn")));
        assert!(found([theirs, 5, !5]).is_some_and(|fault| fault.contains("worker 1 of lane 3 has, who lives")));
        view.journal.lane(3).meets_doom();
        assert_eq!(found([theirs, 5, 6]), None);
    }
}

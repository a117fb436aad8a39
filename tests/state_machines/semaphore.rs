//! A semaphore is a number that is never negative and never more than its maximum.

use crate::region;
use proptest::prelude::*;
use selvedge::region::{AcquireError, ReleaseError, Semaphore};
use std::time::Duration;

const MAX: u32 = Semaphore::MAX;

#[derive(Clone, Copy, Debug)]
enum Operation {
    Acquire,
    AcquireMany(u32),
    AcquireTimeout(u32),
    TryAcquire(u32),
    Release,
    ReleaseMany(u32),
    /// Another handle, in the place of this one, made with permits that do not count any more.
    Reopen(u32),
}

fn number() -> impl Strategy<Value = u32> {
    prop_oneof![8 => 0..4_u32, 1 => MAX - 3..=MAX, 1 => MAX - 3..MAX + 4, 1 => any::<u32>()]
}

fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        Just(Operation::Acquire),
        number().prop_map(Operation::AcquireMany),
        number().prop_map(Operation::AcquireTimeout),
        number().prop_map(Operation::TryAcquire),
        Just(Operation::Release),
        number().prop_map(Operation::ReleaseMany),
        (0..=MAX).prop_map(Operation::Reopen),
    ]
}

/// Why permits were not acquired.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refusal {
    WouldBlock,
    TimedOut,
    TooMany(u32),
}

fn told(answer: Result<(), AcquireError>) -> Result<(), Refusal> {
    answer.map_err(|error| match error {
        AcquireError::WouldBlock => Refusal::WouldBlock,
        AcquireError::TimedOut => Refusal::TimedOut,
        AcquireError::TooMany { asked, .. } => Refusal::TooMany(asked),
        error => panic!("{error}"),
    })
}

/// Takes `n` from the model, or says what a call that may wait for no time at all must answer.
fn take(model: &mut u32, n: u32, too_few: Refusal) -> Result<(), Refusal> {
    if n > MAX {
        return Err(Refusal::TooMany(n));
    }
    *model = model.checked_sub(n).ok_or(too_few)?;
    Ok(())
}

fn give(model: &mut u32, n: u32, answer: Result<(), ReleaseError>) -> Result<(), TestCaseError> {
    let expected = model.checked_add(n).filter(|sum| *sum <= MAX);
    match (expected, answer) {
        (Some(sum), Ok(())) => *model = sum,
        (None, Err(ReleaseError::Overflow { given, .. })) => prop_assert_eq!(given, n),
        (expected, answer) => prop_assert!(false, "released {}: {:?}, expected {:?}", n, answer, expected),
    }
    Ok(())
}

proptest! {
    #[test]
    fn a_semaphore_is_a_number(first in number(), operations in prop::collection::vec((0..3_usize, operation()), 0..80)) {
        let region = region(2, 4096);
        let first = first.min(MAX);
        let mut handles: Vec<_> = (0..3).map(|_| region.semaphore("permits", first).unwrap()).collect();
        let mut model = first;
        for (which, operation) in operations {
            let permits = &handles[which];
            match operation {
                Operation::Acquire if model > 0 => {
                    prop_assert_eq!(told(permits.acquire()), Ok(()));
                    model -= 1;
                }
                // It would wait for ever.
                Operation::Acquire => {}
                Operation::AcquireMany(n) if n <= model || n > MAX => {
                    let expected = take(&mut model, n, Refusal::WouldBlock);
                    prop_assert_eq!(told(permits.acquire_many(n)), expected);
                }
                Operation::AcquireMany(_) => {}
                Operation::AcquireTimeout(n) => {
                    let expected = take(&mut model, n, Refusal::TimedOut);
                    prop_assert_eq!(told(permits.acquire_timeout(n, Duration::ZERO)), expected);
                }
                Operation::TryAcquire(n) => {
                    let expected = take(&mut model, n, Refusal::WouldBlock);
                    prop_assert_eq!(told(permits.try_acquire(n)), expected);
                }
                Operation::Release => give(&mut model, 1, permits.release())?,
                Operation::ReleaseMany(n) => give(&mut model, n, permits.release_many(n))?,
                Operation::Reopen(other) => handles[which] = region.semaphore("permits", other).unwrap(),
            }
            for permits in &handles {
                prop_assert_eq!(permits.available(), model);
            }
        }
    }
}

//! An event has happened or has not; a wait that began before a set ends with it, whatever comes after.

use crate::support::driven::{Driven, LONGER, Stage};
use crate::{driven, region_of_threads, sleep_on};
use proptest::prelude::*;
use selvedge::region::{Event, EventError};
use std::time::Duration;

const NAME: &str = "ready";
const THREADS: usize = 3;

#[derive(Clone, Copy, Debug)]
enum Operation {
    Set,
    /// One after the other, before anybody who waits can look.
    SetAndReset,
    Reset,
    Wait(usize),
    WaitTimeout(usize),
    /// The thread ends; another takes its place.
    End(usize),
}

fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        2 => Just(Operation::Set),
        1 => Just(Operation::SetAndReset),
        3 => Just(Operation::Reset),
        6 => (0..THREADS).prop_map(Operation::Wait),
        2 => (0..THREADS).prop_map(Operation::WaitTimeout),
        1 => (0..THREADS).prop_map(Operation::End),
    ]
}

type Thread = Driven<Duration, Result<(), EventError>>;

fn start(event: &Event) -> Thread {
    let event = event.clone();
    Driven::start(move |stage: &Stage<_, _>| {
        while let Some(timeout) = stage.next() {
            stage.answer(event.wait_timeout(timeout));
        }
    })
}

proptest! {
    #![proptest_config(driven(100))]

    #[test]
    fn a_wait_ends_with_the_next_set(operations in prop::collection::vec(operation(), 0..50)) {
        let region = region_of_threads();
        let event = region.event(NAME).unwrap();
        let mut threads: Vec<_> = (0..THREADS).map(|_| start(&event)).collect();
        let (mut set, mut waiting) = (false, [false; THREADS]);
        for operation in operations {
            match operation {
                Operation::Set | Operation::SetAndReset => {
                    let happened = event.set();
                    if matches!(operation, Operation::SetAndReset) {
                        prop_assert_eq!(event.reset(), Ok(true));
                    }
                    prop_assert_eq!(happened, Ok(!set));
                    set = matches!(operation, Operation::Set);
                    for (thread, waits) in waiting.iter_mut().enumerate().filter(|(_, waits)| **waits) {
                        prop_assert_eq!(threads[thread].hear(), Ok(()), "thread {} waited", thread);
                        *waits = false;
                    }
                }
                Operation::Reset => {
                    prop_assert_eq!(event.reset(), Ok(set));
                    set = false;
                }
                Operation::Wait(thread) | Operation::WaitTimeout(thread) | Operation::End(thread) if waiting[thread] => {}
                Operation::Wait(thread) if set => prop_assert_eq!(threads[thread].perform(LONGER), Ok(())),
                Operation::Wait(thread) => {
                    threads[thread].begin(LONGER);
                    waiting[thread] = true;
                }
                Operation::WaitTimeout(thread) => {
                    let expected = if set { Ok(()) } else { Err(EventError::TimedOut) };
                    prop_assert_eq!(threads[thread].perform(Duration::ZERO), expected);
                }
                Operation::End(thread) => std::mem::replace(&mut threads[thread], start(&event)).end(),
            }
            prop_assert_eq!(event.is_set(), Ok(set));
            // Nobody went on whom no set let go.
            sleep_on(&region, NAME, &threads, |thread| waiting[thread])?;
        }
        prop_assert_eq!(event.set(), Ok(!set));
        for (thread, _) in threads.iter().zip(waiting).filter(|(_, waits)| *waits) {
            prop_assert_eq!(thread.hear(), Ok(()));
        }
        threads.into_iter().for_each(Thread::end);
    }
}

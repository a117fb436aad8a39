//! Calls with a deadline, and loans: what can be done at once is done though it has passed; what cannot ends with it, and what was
//! to be sent comes back.

use super::{CAPACITIES, SHORT, options};
use crate::support::asleep::asleep;
use crate::support::patience::patience;
use selvedge::Deadline;
use selvedge::message::{Capacity, Loan, Receiver, RecvError, SendError, Sender};
use selvedge::primitives::waiting::Wait;
use std::thread;
use std::time::Duration;

type Ends = (Sender<u64>, Receiver<u64>);

fn ends(capacity: Capacity) -> Ends {
    let region = options().anonymous().expect("a region");
    let (sender, receiver) = region.channel("channel", capacity).expect("a channel");
    (sender.with_wait(Wait::Block), receiver.with_wait(Wait::Block))
}

fn past() -> Deadline {
    Deadline::after(Duration::ZERO)
}

fn soon() -> Deadline {
    Deadline::after(SHORT)
}

/// Loans until there is no buffer any more.
fn all(sender: &Sender<u64>) -> Vec<Loan<'_, u64>> {
    let loans = std::iter::from_fn(|| match sender.try_loan() {
        Ok(loan) => Some(loan),
        Err(error) => {
            assert!(matches!(error, SendError::Full(()) | SendError::OutOfMemory(..)), "{error}");
            None
        }
    });
    loans.collect()
}

#[test]
fn nothing_is_received_until_a_deadline() {
    for capacity in CAPACITIES {
        let (_sender, receiver) = ends(capacity);
        for deadline in [past, soon] {
            assert_eq!(receiver.recv_deadline(deadline()), Err(RecvError::TimedOut));
            assert_eq!(receiver.recv_in_place_deadline(deadline()).err(), Some(RecvError::TimedOut));
            let nothing = if capacity == Capacity::Zero { RecvError::HoldsNothing } else { RecvError::TimedOut };
            assert_eq!(receiver.peek_deadline(deadline()), Err(nothing));
        }
    }
}

#[test]
fn what_is_there_is_received_whatever_the_deadline() {
    for capacity in [Capacity::Bounded(4), Capacity::Unbounded { quota: 16 }] {
        let (sender, receiver) = ends(capacity);
        (1..4).for_each(|message| sender.send_deadline(message, past()).expect("there is space"));
        assert_eq!(receiver.peek_deadline(past()), Ok(1));
        assert_eq!(receiver.recv_deadline(past()), Ok(1));
        assert_eq!(receiver.recv_in_place_deadline(past()).map(|message| *message), Ok(2));
        assert_eq!(receiver.len(), 1);
    }
}

#[test]
fn what_there_is_no_space_for_comes_back_at_the_deadline() {
    for capacity in [Capacity::Zero, Capacity::Bounded(1)] {
        let (sender, receiver) = ends(capacity);
        if capacity != Capacity::Zero {
            sender.send(1).expect("there is space");
        }
        for deadline in [past, soon] {
            assert_eq!(sender.send_deadline(2, deadline()), Err(SendError::TimedOut(2)));
            let mut loan = sender.loan_deadline(deadline()).expect("a buffer");
            *loan = 3;
            let refused = loan.send_deadline(deadline()).expect_err("there is no space");
            assert!(matches!(refused, SendError::TimedOut(_)), "{refused:?}");
            // It is what it was, and is sent where there is some.
            let refused = refused.into_inner().try_send().expect_err("there is no space");
            assert!(matches!(refused, SendError::Full(_)), "{refused:?}");
            let loan = refused.into_inner();
            assert_eq!(*loan, 3);
            drop(loan);
        }
        let lies_there = receiver.try_recv();
        assert_eq!(lies_there, if capacity == Capacity::Zero { Err(RecvError::Empty) } else { Ok(1) });
        assert_eq!(receiver.in_use(), 0, "loans that are dropped are given back");
    }
}

#[test]
fn a_loan_is_waited_for_until_a_deadline() {
    for capacity in CAPACITIES {
        let (sender, receiver) = ends(capacity);
        let mut loans = all(&sender);
        assert!(!loans.is_empty());
        if matches!(capacity, Capacity::Unbounded { .. }) {
            let refused = sender.loan_deadline(soon()).err();
            assert!(matches!(refused, Some(SendError::OutOfMemory(..))), "memory is not waited for: {refused:?}");
        } else {
            for deadline in [past, soon] {
                assert_eq!(sender.loan_deadline(deadline()).err(), Some(SendError::TimedOut(())));
            }
            thread::scope(|scope| {
                let waits = asleep(scope, || sender.loan_deadline(patience()).map(drop));
                drop(loans.pop());
                assert_eq!(waits.join().expect("it ends"), Ok(()));
            });
        }
        drop(loans);
        // What is written in place arrives in place.
        thread::scope(|scope| {
            let waits = scope.spawn(|| receiver.recv_in_place_deadline(patience()).map(|message| *message));
            let mut loan = sender.loan().expect("all have come back");
            *loan = 7;
            loan.send_deadline(patience()).expect("somebody receives");
            assert_eq!(waits.join().expect("it ends"), Ok(7));
        });
        assert_eq!(receiver.in_use(), 0);
    }
}

#[test]
fn a_loan_for_which_nobody_is_left_comes_back() {
    for capacity in CAPACITIES {
        let (sender, receiver) = ends(capacity);
        let mut loan = sender.loan().expect("a buffer");
        *loan = 5;
        drop(receiver);
        let refused = loan.send().expect_err("nobody is left");
        assert!(matches!(&refused, SendError::Disconnected(loan) if **loan == 5), "{refused:?}");
        assert_eq!(refused.give_up(), SendError::Disconnected(()));
        assert_eq!(sender.in_use(), 0);
    }
}

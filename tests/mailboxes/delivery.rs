//! At most once, and at least once: what becomes of a message whose receiver has not finished.

use super::support::actors::{Ending, fork};
use super::support::alone::alone;
use super::support::patience::{PATIENCE, patience, until};
use super::support::shared::Shared;
use super::support::sweep::sweep;
use super::{Board, LIMIT, found, made, numbered, opened, options, port, there};
use selvedge::message::{Capacity, Delivery, Letter, MailError, PortOptions, Select};
use selvedge::region::ObjectErrorKind;
use std::thread;

/// Those in which messages lie.
const CAPACITIES: [Capacity; 2] = [Capacity::Bounded(2), Capacity::Unbounded { quota: 2 }];

fn at_least_once(capacity: Capacity) -> PortOptions {
    PortOptions::new(capacity).delivery(Delivery::AtLeastOnce)
}

fn said(letter: &Letter<'_>) -> (u64, u64) {
    (letter.read().expect("a number"), letter.deliveries())
}

#[test]
fn what_is_not_acknowledged_is_there_again_and_counted() {
    for capacity in CAPACITIES {
        let region = options().anonymous().expect("a region");
        let port = port(&region, &at_least_once(capacity));
        let mailbox = port.claim().expect("nobody has it");
        port.send(&numbered(&1)).expect("space");
        port.send(&numbered(&2)).expect("space");
        for time in 1..=3 {
            let letter = mailbox.recv().expect("it is there");
            assert_eq!(said(&letter), (1, time), "{capacity:?}");
            drop(letter);
        }
        mailbox.recv().expect("it is there").ack();
        let letter = mailbox.recv().expect("it is there");
        assert_eq!(said(&letter), (2, 1));
        assert_eq!(mailbox.try_recv().map(drop), Err(MailError::Empty), "it is in hand");
        letter.ack();
        assert_eq!((mailbox.try_recv().map(drop), mailbox.in_use()), (Err(MailError::Empty), 0));
    }
}

#[test]
fn a_thread_that_panics_or_ends_has_not_finished() {
    for capacity in CAPACITIES {
        let region = options().anonymous().expect("a region");
        let port = port(&region, &at_least_once(capacity));
        let mailbox = port.claim().expect("nobody has it");
        port.send(&numbered(&1)).expect("space");
        thread::scope(|scope| {
            let forgets = scope.spawn(|| core::mem::forget(mailbox.recv().expect("it is there")));
            forgets.join().expect("it ends");
        });
        let letter = mailbox.recv_timeout(PATIENCE).expect("it is there again");
        assert_eq!(said(&letter), (1, 2), "{capacity:?}");
        letter.ack();
    }
}

#[test]
fn at_most_once_it_is_gone_with_who_had_it() {
    for capacity in CAPACITIES {
        let region = options().anonymous().expect("a region");
        let port = port(&region, &PortOptions::new(capacity));
        let mailbox = port.claim().expect("nobody has it");
        port.send(&numbered(&1)).expect("space");
        thread::scope(|scope| {
            let forgets = scope.spawn(|| core::mem::forget(mailbox.recv().expect("it is there")));
            forgets.join().expect("it ends");
        });
        until("its buffer comes home", || mailbox.in_use() == 0);
        assert_eq!(mailbox.try_recv().map(drop), Err(MailError::Empty), "{capacity:?}");
        port.send(&numbered(&2)).expect("space");
        let letter = mailbox.recv().expect("it is there");
        assert_eq!(said(&letter), (2, 1));
        letter.ack();
        assert_eq!(mailbox.in_use(), 0);
    }
}

#[test]
fn one_that_holds_nothing_cannot_and_terms_are_compared() {
    let region = options().anonymous().expect("a region");
    let kind = |options: &PortOptions| region.port("port", options).map(drop).map_err(|error| error.kind());
    assert_eq!(kind(&at_least_once(Capacity::Zero)), Err(ObjectErrorKind::HoldsNothing));
    assert_eq!(kind(&at_least_once(CAPACITIES[0])), Ok(()));
    let (found, expected) = ("delivers at least once", "delivers at most once");
    assert_eq!(kind(&PortOptions::new(CAPACITIES[0])), Err(ObjectErrorKind::OtherTerms { found, expected }));
}

#[test]
fn a_select_and_a_future_have_it_on_the_same_terms() {
    let region = options().anonymous().expect("a region");
    let port = port(&region, &at_least_once(CAPACITIES[0]));
    let mailbox = port.claim().expect("nobody has it");
    port.send(&numbered(&1)).expect("space");
    let mut select = Select::new();
    select.letter(&mailbox);
    let letter = select.select().expect("it is there").letter(&mailbox).expect("it is there");
    assert_eq!(said(&letter), (1, 1));
    drop(letter);
    let letter = pollster::block_on(mailbox.recv_async()).expect("it is there");
    assert_eq!(said(&letter), (1, 2));
    letter.ack();
    assert_eq!(mailbox.in_use(), 0);
}

const FIRST: &str = "it is there, and nobody has had it";
const AGAIN: &str = "it is there again";
const FINISHED: &str = "it is finished";

fn killed_with_it(capacity: Capacity) {
    let region = made();
    let port = port(&region, &at_least_once(capacity));
    sweep("mailbox: receive, acknowledge", [FIRST, AGAIN, FINISHED], |round| {
        port.send(&numbered(&5)).expect("space");
        let board = Shared::new(Board::default());
        let victim = round.victim(&board.ready, |steps| {
            let mailbox = found(&opened()).claim().expect("nobody has it");
            board.ready.set(1);
            steps.take(|| mailbox.recv().expect("it is there").ack());
        });
        let ending = victim.end();
        let mailbox = port.claim_deadline(patience()).expect("it has left, or died");
        let outcome = match mailbox.try_recv() {
            Ok(letter) => {
                assert_eq!(letter.read(), Ok(5_u64));
                let outcome = if letter.deliveries() == 1 { FIRST } else { AGAIN };
                letter.ack();
                outcome
            }
            Err(why) => {
                assert_eq!(why, MailError::Empty);
                FINISHED
            }
        };
        assert!(ending != Ending::DONE || outcome == FINISHED, "it was acknowledged: {outcome}");
        assert_eq!(mailbox.try_recv().map(drop), Err(MailError::Empty), "once");
        until("all buffers come home", || mailbox.in_use() == 0);
        (ending, outcome)
    });
}

#[test]
fn who_receives_and_acknowledges_is_killed() {
    alone(LIMIT, || killed_with_it(CAPACITIES[0]));
}

#[test]
fn who_receives_and_acknowledges_is_killed_unbounded() {
    alone(LIMIT, || killed_with_it(CAPACITIES[1]));
}

const UNTOUCHED: &str = "all are there, in order";
const RECEIVED: &str = "the one was received";

fn killed_as_it_looks(capacity: Capacity) {
    let region = made();
    let port = port(&region, &PortOptions::new(capacity));
    sweep("mailbox: receive by type", [UNTOUCHED, RECEIVED], |round| {
        for number in 0..3 {
            port.send(&numbered(&number).kind(u32::from(number == 2))).expect("space");
        }
        let board = Shared::new(Board::default());
        let victim = round.victim(&board.ready, |steps| {
            let mailbox = found(&opened()).claim().expect("nobody has it");
            board.ready.set(1);
            steps.take(|| assert_eq!(mailbox.recv_kind(1).expect("it is there").read(), Ok(2_u64)));
        });
        let ending = victim.end();
        let mailbox = port.claim_timeout(PATIENCE).expect("it has left, or died");
        let mut left = there(&mailbox);
        // One that the dead was looking at comes before those that it had put aside.
        left.sort_unstable();
        until("all buffers come home", || mailbox.in_use() == 0);
        let outcome = match left[..] {
            [0, 1, 2] => UNTOUCHED,
            [0, 1] => RECEIVED,
            _ => panic!("what nobody received is lost: {left:?}"),
        };
        (ending, outcome)
    });
}

#[test]
fn who_looks_for_a_type_is_killed_and_loses_nothing() {
    alone(LIMIT, || killed_as_it_looks(Capacity::Bounded(4)));
}

#[test]
fn who_looks_for_a_type_is_killed_and_loses_nothing_unbounded() {
    alone(LIMIT, || killed_as_it_looks(Capacity::Unbounded { quota: 4 }));
}

#[test]
fn an_heir_has_what_was_put_aside() {
    alone(LIMIT, || {
        let region = made();
        let port = port(&region, &PortOptions::new(Capacity::Bounded(4)));
        for number in 0..3 {
            port.send(&numbered(&number).kind(u32::from(number == 2))).expect("space");
        }
        let board = Shared::new(Board::default());
        let holder = fork("the holder", || {
            let mailbox = found(&opened()).claim().expect("nobody has it");
            assert_eq!(mailbox.recv_kind(1).expect("it is there").read(), Ok(2_u64));
            board.ready.set(1);
            board.go_on.wait("it is killed");
        });
        board.ready.wait("it has put two aside");
        holder.kill();
        let mailbox = port.claim_timeout(PATIENCE).expect("it has died");
        assert_eq!(there(&mailbox), [0, 1]);
        assert_eq!(mailbox.in_use(), 0);
    });
}

//! Receiving by type: the first of a type, while the others stay where they are.

use super::support::actors::fork;
use super::support::alone::alone;
use super::support::patience::{PATIENCE, until};
use super::support::shared::Shared;
use super::{Board, LIMIT, SHORT, found, made, opened, options, port, there};
use proptest::prelude::*;
use selvedge::Region;
use selvedge::message::{Capacity, MailError, Message, PortOptions, Receivers};
use std::collections::VecDeque;
use std::thread;

const CAPACITIES: [Capacity; 2] = [Capacity::Bounded(8), Capacity::Unbounded { quota: 8 }];

fn region() -> Region {
    options().anonymous().expect("a region")
}

fn of_kind(kind: u32, number: &u64) -> Message<'_> {
    Message::of(number).kind(kind)
}

#[test]
fn the_first_of_a_type_is_received_and_the_others_stay() {
    for capacity in CAPACITIES {
        let region = region();
        let port = port(&region, &PortOptions::new(capacity));
        let mailbox = port.claim().expect("nobody has it");
        for number in 0..8 {
            port.send(&of_kind(u32::try_from(number % 3).expect("small"), &number)).expect("space");
        }
        let of = |kind| mailbox.try_recv_kind(kind).map(|letter| letter.read::<u64>().expect("a number"));
        assert_eq!([of(2), of(1), of(2)], [Ok(2), Ok(1), Ok(5)], "{capacity:?}");
        assert_eq!(of(2), Err(MailError::Empty));
        assert_eq!(of(7), Err(MailError::Empty));
        assert_eq!(mailbox.recv_kind_timeout(7, SHORT).map(drop), Err(MailError::TimedOut));
        port.try_send(&of_kind(2, &8)).expect("there is space for three");
        assert_eq!(there(&mailbox), [0, 3, 4, 6, 7, 8], "{capacity:?}");
        assert_eq!((mailbox.in_use(), of(2)), (0, Err(MailError::Empty)));
    }
}

#[test]
fn what_was_put_aside_counts_as_waiting() {
    for capacity in CAPACITIES {
        let region = region();
        let port = port(&region, &PortOptions::new(capacity));
        let mailbox = port.claim().expect("nobody has it");
        port.send(&of_kind(1, &1)).expect("space");
        assert_eq!(mailbox.try_recv_kind(2).map(drop), Err(MailError::Empty));
        assert_eq!((mailbox.len(), mailbox.is_empty()), (1, false), "{capacity:?}");
        assert_eq!(there(&mailbox), [1]);
        assert_eq!(mailbox.len(), 0);
    }
}

#[test]
fn where_nothing_lies_nothing_can_be_put_aside() {
    let region = region();
    let port = port(&region, &PortOptions::new(Capacity::Zero));
    let mailbox = port.claim().expect("nobody has it");
    assert_eq!(mailbox.try_recv_kind(1).map(drop), Err(MailError::HoldsNothing));
    assert_eq!(mailbox.recv_kind(1).map(drop), Err(MailError::HoldsNothing));
}

#[test]
fn a_closed_one_has_no_more_of_a_type() {
    for capacity in CAPACITIES {
        let region = region();
        let port = port(&region, &PortOptions::new(capacity).receivers(Receivers::Several));
        let [mailbox, closes] = [(); 2].map(|()| port.claim().expect("several may"));
        port.send(&of_kind(1, &1)).expect("space");
        closes.close().expect("it is open");
        assert_eq!(mailbox.recv_kind(2).map(drop), Err(MailError::Closed));
        assert_eq!(mailbox.recv_kind(1).expect("it is there").read(), Ok(1_u64));
        assert_eq!(mailbox.recv_kind(1).map(drop), Err(MailError::Closed));
    }
}

#[test]
fn what_is_put_back_keeps_its_place() {
    for capacity in CAPACITIES {
        let region = region();
        let port = port(&region, &PortOptions::new(capacity));
        let mailbox = port.claim().expect("nobody has it");
        (0..4).for_each(|number| port.send(&of_kind(u32::from(number == 3), &number)).expect("space"));
        assert_eq!(mailbox.recv_kind(1).expect("it is there").read(), Ok(3_u64));
        for _ in 0..3 {
            let letter = mailbox.recv().expect("it is there");
            assert_eq!((letter.read(), letter.deliveries()), (Ok(0_u64), 1));
            letter.put_back();
        }
        let [first, second] = [(); 2].map(|()| mailbox.recv().expect("it is there"));
        second.put_back();
        first.put_back();
        assert_eq!(there(&mailbox), [0, 1, 2], "{capacity:?}");
        assert_eq!(mailbox.in_use(), 0);
    }
}

#[test]
fn each_of_many_threads_gets_its_own_type() {
    const EACH: u64 = 200;
    for capacity in [Capacity::Bounded(3), Capacity::Unbounded { quota: 3 * 200 }] {
        let region = region();
        let port = port(&region, &PortOptions::new(capacity));
        let mailbox = port.claim().expect("nobody has it");
        thread::scope(|scope| {
            for kind in 0..3 {
                let mailbox = &mailbox;
                scope.spawn(move || {
                    let of_the_type = || {
                        let letter = mailbox.recv_kind_timeout(kind, PATIENCE).expect("it is sent");
                        assert_eq!(letter.kind(), kind);
                        letter.read::<u64>().expect("a number")
                    };
                    let mut got: Vec<u64> = (0..EACH).map(|_| of_the_type()).collect();
                    got.sort_unstable();
                    assert!(got.into_iter().eq(0..EACH), "{capacity:?}");
                });
            }
            for number in 0..EACH {
                (0..3)
                    .for_each(|kind| port.send_timeout(&of_kind(kind, &number), PATIENCE).expect("they are received"));
            }
        });
        assert_eq!(mailbox.in_use(), 0, "{capacity:?}");
    }
}

#[test]
fn whoever_waits_in_another_process_is_told_of_what_is_put_aside() {
    alone(LIMIT, || {
        let region = made();
        let terms = PortOptions::new(Capacity::Bounded(2)).receivers(Receivers::Several);
        let port = port(&region, &terms);
        let boards = [(); 2].map(|()| Shared::new(Board::default()));
        let waiting = [1_u32, 2].map(|kind| {
            let board = &boards[usize::try_from(kind - 1).expect("small")];
            fork("who waits for a type", || {
                let mailbox = found(&opened()).claim().expect("several may");
                board.waits.set(1);
                let letter = mailbox.recv_kind_timeout(kind, PATIENCE).expect("it is sent");
                assert_eq!(letter.read(), Ok(u64::from(kind)));
            })
        });
        boards.iter().zip(&waiting).for_each(|(board, actor)| board.until_waiting(actor));
        port.send(&of_kind(2, &2)).expect("space");
        let [first, second] = waiting;
        second.succeed();
        port.send(&of_kind(1, &1)).expect("space");
        first.succeed();
        until("all buffers come home", || port.in_use() == 0);
    });
}

/// What a mailbox is to do, and what one does that is a list.
#[derive(Clone, Debug)]
enum Step {
    Send(u32),
    Receive,
    ReceiveKind(u32),
    PutBack(bool),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        3 => (0..3_u32).prop_map(Step::Send),
        1 => Just(Step::Receive),
        2 => (0..3_u32).prop_map(Step::ReceiveKind),
        1 => any::<bool>().prop_map(Step::PutBack),
    ];
    proptest::collection::vec(step, 0..60)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
    #[test]
    fn it_does_as_a_list_does(steps in steps(), bounded in any::<bool>()) {
        let region = region();
        let capacity = CAPACITIES[usize::from(bounded)];
        let port = port(&region, &PortOptions::new(capacity));
        let mailbox = port.claim().expect("nobody has it");
        let mut list = VecDeque::new();
        for (number, step) in (0_u64..).zip(steps) {
            match step {
                // Buffers beyond the capacity are for what is put aside: how many there are then is not what this is about.
                Step::Send(kind) => if list.len() < 8 {
                    port.try_send(&of_kind(kind, &number)).expect("there is space");
                    list.push_back((kind, number));
                },
                Step::Receive => {
                    let got = mailbox.try_recv().ok().map(|letter| (letter.kind(), letter.read().expect("a number")));
                    prop_assert_eq!(got, list.pop_front());
                }
                Step::ReceiveKind(kind) => {
                    let at = list.iter().position(|(of, _)| *of == kind);
                    let got = mailbox.try_recv_kind(kind).ok().map(|letter| (letter.kind(), letter.read().expect("a number")));
                    prop_assert_eq!(got, at.and_then(|at| list.remove(at)));
                }
                Step::PutBack(second) => {
                    let letters: Vec<_> = (0..=usize::from(second)).filter_map(|_| mailbox.try_recv().ok()).collect();
                    letters.into_iter().rev().for_each(|letter| letter.put_back());
                }
            }
        }
        prop_assert_eq!(there(&mailbox), list.into_iter().map(|(_, number)| number).collect::<Vec<_>>());
        prop_assert_eq!(mailbox.in_use(), 0);
    }
}

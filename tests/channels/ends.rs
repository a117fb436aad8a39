//! Who stands at the ends of a channel, and what they are told of each other.

use super::{Board, CAPACITIES, LIMIT, Pair, SHORT, made, opened, options, receiver, sender};
use crate::support::actors::fork;
use crate::support::alone::alone;
use crate::support::patience::PATIENCE;
use crate::support::shared::Shared;
use selvedge::message::{Capacity, RecvError, SendError};
use selvedge::region::{Kind, ObjectErrorKind};
use std::thread;

#[test]
fn until_the_other_side_has_come_it_is_waited_for() {
    for capacity in CAPACITIES {
        let region = options().anonymous().expect("a region");
        let receiver = receiver(&region, capacity);
        assert_eq!((receiver.peers(), receiver.try_recv()), (0, Err(RecvError::Empty)));
        assert_eq!(receiver.recv_timeout(SHORT), Err(RecvError::TimedOut));
        let other = options().anonymous().expect("another region");
        let sender = sender(&other, capacity);
        let sent = sender.try_send([1; 2]);
        assert_eq!(sent.is_ok(), capacity != Capacity::Zero, "{sent:?}");
        assert!(!matches!(sent, Err(SendError::Disconnected(_))), "nobody has left");
    }
}

#[test]
fn who_comes_back_finds_what_was_left() {
    for capacity in [Capacity::Bounded(2), Capacity::Unbounded { quota: 4 }] {
        let region = options().anonymous().expect("a region");
        let (first, gone) = (sender(&region, capacity), receiver(&region, capacity));
        first.send([1; 2]).expect("there is space");
        drop(gone);
        assert_eq!(first.send([2; 2]), Err(SendError::Disconnected([2; 2])));
        let back = receiver(&region, capacity);
        first.send([3; 2]).expect("there is space");
        drop(first);
        assert_eq!(back.iter().collect::<Vec<Pair>>(), [[1; 2], [3; 2]]);
        assert_eq!(back.try_recv(), Err(RecvError::Disconnected));
        let again = sender(&region, capacity);
        assert_eq!(back.try_recv(), Err(RecvError::Empty), "somebody can send again");
        assert!(again.same_channel(&again.clone()));
    }
}

#[test]
fn the_last_handle_of_a_process_counts() {
    let region = options().anonymous().expect("a region");
    let receiver = receiver(&region, CAPACITIES[1]);
    let (one, other) = (sender(&region, CAPACITIES[1]), sender(&region, CAPACITIES[1]));
    let clone = one.clone();
    drop(one);
    drop(other);
    assert_eq!((receiver.peers(), receiver.try_recv()), (1, Err(RecvError::Empty)), "there is the clone");
    assert_eq!((receiver.fellows(), clone.fellows(), clone.peers()), (1, 1, 1), "a process counts once");
    let only_receivers = region.receiver::<[u64; 2]>("of receivers", CAPACITIES[1]).expect("a channel");
    assert_eq!((only_receivers.fellows(), only_receivers.peers()), (1, 0));
    // In another thread, where it is the first use of the region.
    thread::spawn(move || drop(clone)).join().expect("no panic");
    assert_eq!((receiver.peers(), receiver.try_recv()), (0, Err(RecvError::Disconnected)));
}

#[test]
fn several_at_once_are_sent_and_received_in_order() {
    let region = options().anonymous().expect("a region");
    let capacity = Capacity::Bounded(3);
    let (sender, receiver) = (sender(&region, capacity), receiver(&region, capacity));
    let all: Vec<Pair> = (0..3).map(|number| [number; 2]).collect();
    sender.send_all(&all).expect("there is space");
    let mut got = vec![[9; 2]];
    assert_eq!(receiver.recv_many(&mut got, 0), Ok(0));
    assert_eq!(receiver.recv_many(&mut got, 2), Ok(2));
    assert_eq!(receiver.recv_many(&mut got, 2), Ok(1));
    assert_eq!(got, [[9; 2], [0; 2], [1; 2], [2; 2]]);
    sender.send_all(&all[..1]).expect("there is space");
    drop(receiver);
    assert_eq!(sender.send_all(&all), Err((0, SendError::Disconnected([0; 2]))));
}

#[test]
fn one_that_is_another_is_refused() {
    let region = options().anonymous().expect("a region");
    const NAME: &str = "channel";
    let _sender = region.sender::<Pair>(NAME, Capacity::Bounded(2)).expect("a sender");
    let kind = |capacity| region.sender::<Pair>(NAME, capacity).expect_err("another").kind();
    assert!(matches!(kind(Capacity::Bounded(3)), ObjectErrorKind::WrongCapacity { found: 2, expected: 3 }));
    assert!(matches!(kind(Capacity::Zero), ObjectErrorKind::WrongKind { .. }));
    assert!(matches!(kind(Capacity::Unbounded { quota: 2 }), ObjectErrorKind::WrongKind { .. }));
    assert!(matches!(kind(Capacity::Bounded(0)), ObjectErrorKind::BadCapacity { given: 0, .. }));
    assert!(matches!(kind(Capacity::Unbounded { quota: 0 }), ObjectErrorKind::BadCapacity { given: 0, .. }));
    let error = region.receiver::<u64>(NAME, Capacity::Bounded(2)).expect_err("another type");
    assert!(matches!(error.kind(), ObjectErrorKind::WrongSize { .. }), "{error}");
    assert!(region.queue::<Pair>(NAME, 2).is_err(), "it is no {}", Kind::Queue);
}

#[test]
fn memory_is_the_only_limit_and_comes_home() {
    const DEPTH: u64 = 1_000_000;
    let options = options().threads(2).arena(64 << 20);
    let region = options.anonymous().expect("a region");
    let (sender, receiver) =
        region.channel::<u64>("deep", Capacity::Unbounded { quota: 1_000_000 }).expect("a channel");
    for round in 0..2 {
        (0..DEPTH).for_each(|number| sender.send(number).expect("there is memory"));
        assert_eq!((receiver.len() as u64, sender.in_use() as u64), (DEPTH, DEPTH));
        let refused = sender.send(7).expect_err("all is in use");
        assert_eq!(refused.to_string(), "all the memory of channel `deep` is in use");
        assert_eq!(refused.into_inner(), 7);
        (0..DEPTH).for_each(|number| assert_eq!(receiver.try_recv(), Ok(number), "in round {round}"));
        assert_eq!((receiver.try_recv(), receiver.len(), receiver.in_use()), (Err(RecvError::Empty), 0, 0));
    }
}

#[test]
fn what_was_sent_is_received_and_then_it_is_over() {
    const COUNT: u64 = 3_000;
    alone(LIMIT, || {
        let region = made();
        for capacity in CAPACITIES {
            let board = Shared::new(Board::default());
            let receives = receiver(&region, capacity);
            let senders = [0_u64, 1].map(|lane| {
                fork("a sender", || {
                    let region = opened();
                    let sender = sender(&region, capacity);
                    board.ready.set(1);
                    for number in 0..COUNT {
                        let message = [(lane << 32) | number; 2];
                        while let Err(error) = sender.send_timeout(message, PATIENCE) {
                            assert!(matches!(error, SendError::OutOfMemory(..)), "{error}");
                            thread::yield_now();
                        }
                    }
                    drop(sender);
                })
            });
            let (mut last, mut count) = ([None; 2], 0);
            // Those who come first may be over before the others have come.
            while count < 2 * COUNT {
                let [one, other] = match receives.recv_timeout(PATIENCE) {
                    Ok(message) => message,
                    Err(RecvError::Disconnected) => continue,
                    Err(error) => panic!("{error}"),
                };
                assert_eq!(one, other, "a torn message");
                let (sender, number) = (usize::from(one >> 32 != 0), one & 0xffff_ffff);
                assert!(last[sender].is_none_or(|last| last < number), "out of order");
                last[sender] = Some(number);
                count += 1;
            }
            senders.into_iter().for_each(|sender| sender.succeed());
            assert_eq!(receives.recv_timeout(PATIENCE), Err(RecvError::Disconnected), "{capacity:?}");
            assert_eq!(receives.in_use(), 0);
        }
    });
}

#[test]
fn who_inherits_a_handle_in_a_fork_stands_nowhere() {
    alone(LIMIT, || {
        let region = made();
        let (sender, receiver) = (sender(&region, CAPACITIES[1]), receiver(&region, CAPACITIES[1]));
        fork("the child", || {
            assert!(matches!(sender.send([1; 2]), Err(SendError::Unusable(..))));
            assert!(matches!(receiver.try_recv(), Err(RecvError::Unusable(..))));
            drop(sender.clone());
            drop((sender, receiver));
        })
        .succeed();
    });
}

#[test]
fn a_child_that_drops_what_it_inherited_changes_nothing() {
    alone(LIMIT, || {
        let region = made();
        let ends = [Some((sender(&region, CAPACITIES[1]), receiver(&region, CAPACITIES[1])))];
        let child = fork("the child", || {
            // SAFETY: the child's copy, dropped once there.
            drop(unsafe { std::ptr::read(&ends) });
        });
        child.succeed();
        let [Some((sender, receiver))] = &ends else { unreachable!("made above") };
        sender.send([1; 2]).expect("the parent's receiver is there");
        assert_eq!(receiver.try_recv(), Ok([1; 2]));
        assert_eq!(receiver.try_recv(), Err(RecvError::Empty), "the parent's sender is there");
    });
}

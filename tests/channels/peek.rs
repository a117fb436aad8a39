//! What is looked at stays, and is the next.

use super::{Board, LIMIT, Pair, SHORT, made, opened, options, receiver, sender};
use crate::support::actors::fork;
use crate::support::alone::alone;
use crate::support::patience::{PATIENCE, until};
use crate::support::shared::Shared;
use selvedge::message::{Capacity, RecvError};
use std::thread;

const CAPACITIES: [Capacity; 2] = [Capacity::Bounded(2), Capacity::Unbounded { quota: 4 }];

#[test]
fn what_is_looked_at_stays_the_next() {
    for capacity in CAPACITIES {
        let region = options().anonymous().expect("a region");
        let (sender, receiver) = (sender(&region, capacity), receiver(&region, capacity));
        assert_eq!(receiver.try_peek(), Err(RecvError::Empty));
        assert_eq!(receiver.peek_timeout(SHORT), Err(RecvError::TimedOut));
        for number in 1..1_000 {
            sender.send([number; 2]).expect("there is space");
            assert_eq!((receiver.peek(), receiver.try_peek()), (Ok([number; 2]), Ok([number; 2])));
            sender.send([number; 2].map(|half| half + 1_000)).expect("what is looked at takes the space that it took");
            assert_eq!((receiver.len(), receiver.peek_timeout(PATIENCE)), (2, Ok([number; 2])));
            assert_eq!(receiver.recv(), Ok([number; 2]), "{capacity:?}");
            assert_eq!((receiver.peek(), receiver.recv()), (Ok([number + 1_000; 2]), Ok([number + 1_000; 2])));
        }
        let kept = {
            sender.send([7; 2]).expect("there is space");
            receiver.recv_in_place().expect("it is there")
        };
        assert_eq!(receiver.try_recv(), Err(RecvError::Empty), "it is in hand");
        kept.put_back();
        drop(sender);
        assert_eq!((receiver.peek(), receiver.recv()), (Ok([7; 2]), Ok([7; 2])));
        assert_eq!(
            (receiver.try_peek(), receiver.peek()),
            (Err(RecvError::Disconnected), Err(RecvError::Disconnected))
        );
        assert_eq!(receiver.in_use(), 0);
    }
}

#[test]
fn where_nothing_lies_there_is_nothing_to_look_at() {
    let region = options().anonymous().expect("a region");
    let (sender, receiver) = (sender(&region, Capacity::Zero), receiver(&region, Capacity::Zero));
    assert_eq!((receiver.try_peek(), receiver.peek()), (Err(RecvError::HoldsNothing), Err(RecvError::HoldsNothing)));
    thread::scope(|scope| {
        scope.spawn(|| sender.send([1; 2]).expect("it is received"));
        // It is sent, and gone.
        receiver.recv_in_place().expect("one is sent").put_back();
    });
    assert_eq!((receiver.try_recv(), receiver.in_use()), (Err(RecvError::Empty), 0));
}

#[test]
fn in_its_place_another_may_have_been_sent() {
    for capacity in [Capacity::Bounded(1), Capacity::Unbounded { quota: 1 }] {
        let region = options().anonymous().expect("a region");
        let (sender, receiver) = (sender(&region, capacity), receiver(&region, capacity));
        sender.send([1; 2]).expect("there is space");
        assert!(sender.try_send([0; 2]).is_err(), "it is full");
        let first = receiver.recv_in_place().expect("it is there");
        let has_another = sender.try_send([2; 2]).is_ok();
        first.put_back();
        assert!(sender.try_send([0; 2]).is_err(), "{capacity:?}: it is full again");
        assert_eq!(receiver.len(), 1 + usize::from(has_another));
        assert_eq!((receiver.peek(), receiver.recv()), (Ok([1; 2]), Ok([1; 2])));
        if has_another {
            assert_eq!(receiver.recv(), Ok([2; 2]));
        }
        sender.try_send([3; 2]).expect("there is space again");
        assert_eq!((receiver.recv(), receiver.in_use()), (Ok([3; 2]), 0));
    }
}

/// Any number look while others receive: each message is received once.
#[test]
fn what_others_look_at_is_received_once() {
    const COUNT: u64 = 5_000;
    for capacity in CAPACITIES {
        let region = options().anonymous().expect("a region");
        let (sender, receiver) = (sender(&region, capacity), receiver(&region, capacity));
        let mut got: Vec<Pair> = thread::scope(|scope| {
            let looks = scope.spawn(|| while receiver.peek().is_ok() {});
            let takes: Vec<_> = (0..2).map(|_| scope.spawn(|| receiver.iter().collect::<Vec<Pair>>())).collect();
            for number in 0..COUNT {
                while sender.send([number; 2]).is_err() {
                    thread::yield_now();
                }
            }
            // Those who receive are told of the end while it may be looked at still.
            until("all are received", || receiver.is_empty() && receiver.in_use() == 0);
            drop(sender);
            looks.join().expect("no panic");
            takes.into_iter().flat_map(|takes| takes.join().expect("no panic")).collect()
        });
        got.sort_unstable();
        assert_eq!(got, (0..COUNT).map(|number| [number; 2]).collect::<Vec<_>>(), "{capacity:?}");
    }
}

/// Who has it in hand and is killed takes it along; what it has put back is there.
#[test]
fn what_the_dead_have_put_back_is_there() {
    alone(LIMIT, || {
        let region = made();
        for capacity in CAPACITIES {
            let sender = sender(&region, capacity);
            sender.send([1; 2]).expect("there is space");
            sender.send([2; 2]).expect("there is space");
            let board = Shared::new(Board::default());
            let other = fork("who looks", || {
                let receiver = receiver(&opened(), capacity);
                assert_eq!(receiver.peek(), Ok([1; 2]));
                let first = receiver.recv_in_place().expect("it is there");
                let second = receiver.recv_in_place().expect("it is there");
                assert_eq!((*first, *second), ([1; 2], [2; 2]));
                second.put_back();
                board.ready.set(1);
                loop {
                    thread::park();
                }
            });
            board.ready.wait("one is put back");
            other.kill_and_reap();
            let receiver = receiver(&region, capacity);
            assert_eq!(receiver.peek_timeout(PATIENCE), Ok([2; 2]));
            assert_eq!(receiver.recv(), Ok([2; 2]));
            until("the first is gone with who had it", || receiver.in_use() == 0);
            assert_eq!(receiver.try_recv(), Err(RecvError::Empty));
        }
    });
}

//! SIGKILL at either end of a channel, before every synchronisation step: the other is told, and keeps what it has.

use super::{Board, CAPACITIES, LIMIT, made, opened, receiver, sender};
use crate::support::actors::{Ending, fork};
use crate::support::alone::alone;
use crate::support::patience::{PATIENCE, until};
use crate::support::shared::Shared;
use crate::support::sweep::sweep;
use selvedge::message::{Capacity, RecvError, SendError};

#[test]
fn a_receiver_that_sleeps_is_told_of_the_death_of_the_last_sender() {
    alone(LIMIT, || {
        let region = made();
        for capacity in CAPACITIES {
            let board = Shared::new(Board::default());
            let waits = fork("the receiver", || {
                let receiver = receiver(&opened(), capacity);
                board.ready.set(1);
                board.go_on.wait("the sender has come");
                board.waits.set(1);
                assert_eq!(receiver.recv_timeout(PATIENCE), Err(RecvError::Disconnected));
            });
            let dies = fork("the sender", || {
                let _sender = sender(&opened(), capacity);
                board.go_on.set(1);
                loop {
                    std::thread::park();
                }
            });
            board.until_waiting(&waits);
            dies.kill();
            waits.succeed();
        }
        drop(region);
    });
}

#[test]
fn a_sender_that_sleeps_is_told_of_the_death_of_the_last_receiver() {
    alone(LIMIT, || {
        let region = made();
        for capacity in [Capacity::Zero, Capacity::Bounded(1)] {
            let board = Shared::new(Board::default());
            let dies = fork("the receiver", || {
                let _receiver = receiver(&opened(), capacity);
                board.go_on.set(1);
                loop {
                    std::thread::park();
                }
            });
            board.go_on.wait("the receiver has come");
            let waits = fork("the sender", || {
                let sender = sender(&opened(), capacity);
                if capacity != Capacity::Zero {
                    sender.send([1; 2]).expect("there is space");
                }
                board.waits.set(1);
                assert_eq!(sender.send_timeout([2; 2], PATIENCE), Err(SendError::Disconnected([2; 2])));
            });
            board.until_waiting(&waits);
            dies.kill();
            waits.succeed();
            // What was sent before is there for the next who comes.
            let next = receiver(&region, capacity);
            let expected = if capacity == Capacity::Zero { Err(RecvError::Disconnected) } else { Ok([1; 2]) };
            assert_eq!(next.recv_timeout(PATIENCE), expected);
            until("all buffers come home", || next.in_use() == 0);
        }
    });
}

#[test]
fn who_exits_without_a_word_is_gone() {
    alone(LIMIT, || {
        let region = made();
        let receiver = receiver(&region, CAPACITIES[1]);
        let exits = fork("the sender", || {
            let sender = sender(&opened(), CAPACITIES[1]);
            sender.send([1; 2]).expect("there is space");
            std::mem::forget(sender);
        });
        exits.succeed();
        assert_eq!(receiver.recv_timeout(PATIENCE), Ok([1; 2]));
        assert_eq!(receiver.recv_timeout(PATIENCE), Err(RecvError::Disconnected));
    });
}

const NOT_SENT: &str = "not sent";
const SENT: &str = "sent";

#[test]
fn somebody_comes_sends_and_leaves() {
    alone(LIMIT, || {
        let region = made();
        for capacity in [CAPACITIES[1], CAPACITIES[2]] {
            let stage = receiver(&region, capacity);
            sweep("channel: come, send, leave", [NOT_SENT, SENT], |round| {
                let board = Shared::new(Board::default());
                // A sender of our own until the victim has come: before there was one nobody is gone.
                drop(sender(&region, capacity));
                let victim = round.victim(&board.ready, |steps| {
                    let region = opened();
                    board.ready.set(1);
                    steps.take(|| {
                        let sender = sender(&region, capacity);
                        sender.send([5; 2]).expect("there is space, and a receiver");
                    });
                });
                let ending = victim.end();
                until("nobody is at the other end", || stage.peers() == 0);
                let first = stage.recv_timeout(PATIENCE);
                let was_sent = first == Ok([5; 2]);
                let over = if was_sent { stage.recv_timeout(PATIENCE) } else { first };
                assert_eq!(over, Err(RecvError::Disconnected));
                until("all buffers come home", || stage.in_use() == 0);
                assert!(was_sent || ending != Ending::DONE, "it has sent");
                (ending, if was_sent { SENT } else { NOT_SENT })
            });
        }
    });
}

const LEFT: &str = "the message is there";
const GONE: &str = "the message is gone with it";

#[test]
fn somebody_comes_receives_and_leaves() {
    alone(LIMIT, || {
        let region = made();
        let stage = sender(&region, CAPACITIES[1]);
        sweep("channel: come, receive, leave", [LEFT, GONE], |round| {
            let board = Shared::new(Board::default());
            let first = receiver(&region, CAPACITIES[1]);
            stage.send([5; 2]).expect("there is space, and a receiver");
            drop(first);
            let victim = round.victim(&board.ready, |steps| {
                let region = opened();
                board.ready.set(1);
                steps.take(|| {
                    let receiver = receiver(&region, CAPACITIES[1]);
                    assert_eq!(receiver.recv_timeout(PATIENCE), Ok([5; 2]));
                });
            });
            let ending = victim.end();
            until("nobody is at the other end", || stage.peers() == 0);
            assert_eq!(stage.send_timeout([6; 2], PATIENCE), Err(SendError::Disconnected([6; 2])));
            let left = receiver(&region, CAPACITIES[1]).try_recv();
            assert!(left.is_err() || left == Ok([5; 2]), "{left:?}");
            until("all buffers come home", || stage.in_use() == 0);
            (ending, if left.is_ok() { LEFT } else { GONE })
        });
    });
}

const WITHDRAWN: &str = "nothing has passed";
const PASSED: &str = "the message has passed";

#[test]
fn somebody_comes_meets_a_receiver_and_leaves() {
    alone(LIMIT, || {
        let region = made();
        let stage = sender(&region, Capacity::Zero);
        sweep("channel of capacity zero: come, send, leave", [WITHDRAWN, PASSED], |round| {
            let board = Shared::new(Board::default());
            let receives = fork("the receiver", || {
                let receiver = receiver(&opened(), Capacity::Zero);
                board.waits.set(1);
                let got = receiver.recv_timeout(PATIENCE).expect("there is a sender, who sends");
                assert!(got == [5; 2] || got == [6; 2], "{got:?}");
                board.go_on.set(u32::try_from(got[0]).expect("small"));
            });
            board.until_waiting(&receives);
            let victim = round.victim(&board.ready, |steps| {
                let region = opened();
                board.ready.set(1);
                steps.take(|| {
                    let sender = sender(&region, Capacity::Zero);
                    sender.send_timeout([5; 2], PATIENCE).expect("somebody waits");
                });
            });
            let ending = victim.end();
            until("we are alone", || stage.in_use() == 0 || board.go_on.get() != 0);
            // If nothing has passed we send ourselves; if it has, the receiver is gone, or about to go.
            let sent = stage.send_timeout([6; 2], PATIENCE);
            assert!(matches!(sent, Ok(()) | Err(SendError::Disconnected([6, 6]))), "{sent:?}");
            receives.succeed();
            let passed = board.go_on.wait("the receiver has got something") == 5;
            assert_eq!(passed, sent.is_err());
            until("all buffers come home", || stage.in_use() == 0);
            (ending, if passed { PASSED } else { WITHDRAWN })
        });
    });
}

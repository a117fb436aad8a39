//! One process at a time receives: the right is claimed, waited for, given, left, lost by a death, and closed.

use super::support::actors::fork;
use super::support::alone::alone;
use super::support::patience::{PATIENCE, until};
use super::support::shared::Shared;
use super::{Board, CAPACITIES, LIMIT, SHORT, bounded, found, id_of, made, numbered, opened, port, there};
use selvedge::message::{Capacity, ClaimError, GiveError, MailError, Origin, Owner, PortOptions, Succession};
use selvedge::region::ParticipantId;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

#[test]
fn whoever_waits_has_it_when_it_is_left_and_what_is_there() {
    alone(LIMIT, || {
        let region = made();
        let port = port(&region, &bounded());
        let mailbox = port.claim().expect("nobody has it");
        assert_eq!(mailbox.origin(), Some(Origin::First));
        port.send(&numbered(&1)).expect("space");
        let board = Shared::new(Board::default());
        let waits = fork("the next", || {
            let port = found(&opened());
            assert_eq!(port.try_claim().map(drop), Err(ClaimError::Taken));
            assert_eq!(port.claim_timeout(SHORT).map(drop), Err(ClaimError::TimedOut));
            board.waits.set(1);
            let mailbox = port.claim_timeout(PATIENCE).expect("it is left");
            assert_eq!((mailbox.origin(), there(&mailbox)), (Some(Origin::Left), vec![1]));
        });
        board.until_waiting(&waits);
        assert_eq!(port.owner(), Owner::Process(region.participant_id()));
        drop(mailbox);
        waits.succeed();
        until("it is left again", || port.owner() == Owner::Left);
    });
}

#[test]
fn whoever_waits_inherits_from_the_dead() {
    alone(LIMIT, || {
        let region = made();
        for capacity in CAPACITIES {
            let terms = PortOptions::new(capacity);
            let port = port(&region, &terms);
            let board = Shared::new(Board::default());
            let dies = fork("the holder", || {
                let _mailbox = found(&opened()).claim().expect("nobody has it");
                board.ready.set(1);
                loop {
                    std::thread::park();
                }
            });
            board.ready.wait("it has claimed it");
            assert_eq!(port.owner(), Owner::Process(id_of(&region, &dies)));
            let sent = port.try_send(&numbered(&1));
            assert_eq!(sent.is_ok(), capacity != Capacity::Zero);
            let waits = fork("the heir", || {
                let port = found(&opened());
                board.waits.set(1);
                let mailbox = port.claim_timeout(PATIENCE).expect("the holder has died");
                assert_eq!(mailbox.origin(), Some(Origin::Died));
                let left = if capacity == Capacity::Zero { vec![2_u64] } else { vec![1, 2] };
                for number in left {
                    assert_eq!(mailbox.recv_timeout(PATIENCE).expect("one more").read(), Ok(number));
                }
            });
            board.until_waiting(&waits);
            dies.kill();
            port.send_timeout(&numbered(&2), PATIENCE).expect("somebody inherits");
            waits.succeed();
            until("it is left", || port.owner() == Owner::Left);
            region.remove_object("port").expect("it is there");
        }
    });
}

#[test]
fn who_sends_and_who_waits_is_told_that_it_was_closed_with_its_holder() {
    alone(LIMIT, || {
        let region = made();
        for is_killed in [true, false] {
            for capacity in [Capacity::Zero, Capacity::Bounded(1)] {
                let port = port(&region, &PortOptions::new(capacity).succession(Succession::Close));
                let [holder, sender, heir] = [(); 3].map(|()| Shared::new(Board::default()));
                let ends = fork("the holder", || {
                    let _mailbox = found(&opened()).claim().expect("nobody has it");
                    holder.ready.set(1);
                    holder.go_on.wait("it may leave");
                });
                holder.ready.wait("it has claimed it");
                let sends = fork("the sender", || {
                    let port = found(&opened());
                    if capacity != Capacity::Zero {
                        port.send(&numbered(&1)).expect("space");
                    }
                    sender.waits.set(1);
                    assert_eq!(port.send_timeout(&numbered(&2), PATIENCE), Err(MailError::Closed));
                });
                let waits = fork("the heir", || {
                    let port = found(&opened());
                    heir.waits.set(1);
                    assert_eq!(port.claim_timeout(PATIENCE).map(drop), Err(ClaimError::Closed));
                });
                sender.until_waiting(&sends);
                heir.until_waiting(&waits);
                if is_killed {
                    ends.kill();
                } else {
                    holder.go_on.set(1);
                }
                sends.succeed();
                waits.succeed();
                assert!(port.is_closed());
                until("all buffers come home", || port.in_use() == usize::from(capacity != Capacity::Zero));
                drop(ends);
                region.remove_object("port").expect("it is there");
            }
        }
    });
}

#[test]
fn who_receives_is_told_that_another_closed_it() {
    alone(LIMIT, || {
        let region = made();
        for capacity in CAPACITIES {
            let port = port(&region, &PortOptions::new(capacity));
            let board = Shared::new(Board::default());
            let receives = fork("the holder", || {
                let mailbox = found(&opened()).claim().expect("nobody has it");
                board.waits.set(1);
                assert_eq!(mailbox.recv_timeout(PATIENCE).map(drop), Err(MailError::Closed));
            });
            board.until_waiting(&receives);
            port.close().expect("it can be closed");
            receives.succeed();
            region.remove_object("port").expect("it is there");
        }
    });
}

#[test]
fn it_is_given_to_one_who_waits_behind_another() {
    alone(LIMIT, || {
        let region = made();
        let port = port(&region, &bounded());
        let mailbox = port.claim().expect("nobody has it");
        port.send(&numbered(&1)).expect("space");
        let waiters: Vec<_> = (0..3).map(|_| Shared::new(Board::default())).collect();
        let actors: Vec<_> = waiters
            .iter()
            .map(|board| {
                let actor = fork("one who waits", || {
                    let port = found(&opened());
                    board.waits.set(1);
                    let mailbox = port.claim_timeout(PATIENCE).expect("it is given, or left");
                    let given = mailbox.origin() == Some(Origin::Given);
                    board.ready.set(if given { 1 } else { 2 });
                    assert_eq!(there(&mailbox).len(), usize::from(given), "the first has all that is there");
                });
                board.until_waiting(&actor);
                actor
            })
            .collect();
        // The second of three; the others follow when it leaves.
        mailbox.give(id_of(&region, &actors[1])).expect("it lives");
        actors.into_iter().for_each(super::Actor::succeed);
        assert_eq!(waiters.iter().map(|board| board.ready.get()).collect::<Vec<_>>(), [2, 1, 2]);
    });
}

#[test]
fn nobody_is_given_it_who_is_not_there() {
    alone(LIMIT, || {
        let region = made();
        let port = port(&region, &bounded());
        let board = Shared::new(Board::default());
        let dies = fork("one who dies", || {
            let _port = found(&opened());
            board.ready.set(1);
            loop {
                std::thread::park();
            }
        });
        board.ready.wait("it is attached");
        let id = id_of(&region, &dies);
        let mailbox = port.claim().expect("nobody has it");
        // Given while it lives, and it dies before it has claimed it: as if it had had it.
        mailbox.give(id).expect("it lives");
        assert_eq!(port.owner(), Owner::Given(id));
        assert_eq!(port.try_claim().map(drop), Err(ClaimError::Taken));
        dies.kill();
        let mailbox = port.claim_timeout(PATIENCE).expect("it has died");
        assert_eq!(mailbox.origin(), Some(Origin::Died));
        // Given afterwards: it comes back, though another is in the same place.
        let Err(GiveError::Gone(mailbox)) = mailbox.give(id) else { panic!("it is dead") };
        let next = Shared::new(Board::default());
        let other = fork("another in its place", || {
            let region = opened();
            next.ready.set(1);
            assert_eq!(found(&region).claim_timeout(PATIENCE).expect("it is left").origin(), Some(Origin::Left));
        });
        next.ready.wait("it is attached");
        let Err(GiveError::Gone(mailbox)) = mailbox.give(id) else { panic!("it is dead") };
        drop(mailbox);
        other.succeed();
    });
}

#[test]
fn a_forked_child_has_not_inherited_it() {
    alone(LIMIT, || {
        let region = made();
        let port = port(&region, &bounded());
        let mailbox = port.claim().expect("nobody has it");
        port.send(&numbered(&1)).expect("space");
        // Across the fork nothing is shared but the region.
        let mine = std::mem::ManuallyDrop::new(mailbox);
        let child = fork("the child", || {
            // SAFETY: in the child it is dropped once, there; in the parent after this.
            let inherited = unsafe { std::ptr::read(&raw const *mine) };
            assert!(matches!(inherited.try_recv(), Err(MailError::Unusable(..))));
            let Err(GiveError::Unusable(_, inherited)) = inherited.give(region.participant_id()) else {
                panic!("not its own")
            };
            assert!(matches!(port.close(), Err(MailError::Unusable(..))));
            drop(inherited);
        });
        child.succeed();
        assert_eq!(port.owner(), Owner::Process(region.participant_id()));
        let mailbox = std::mem::ManuallyDrop::into_inner(mine);
        assert_eq!(there(&mailbox), [1]);
    });
}

#[test]
fn a_forked_child_writes_nothing_into_a_draft_that_it_inherited() {
    alone(LIMIT, || {
        let region = made();
        let port = port(&region, &bounded());
        let mailbox = port.claim().expect("nobody has it");
        let mut draft = port.draft().expect("a buffer").kind(1);
        draft.write(b"hello");
        let mine = std::mem::ManuallyDrop::new(draft);
        let board = Shared::new(Board::default());
        let child = fork("the child", || {
            // SAFETY: in the child it is used once, there; in the parent it was sent before.
            let mut inherited = unsafe { std::ptr::read(&raw const *mine) };
            board.ready.set(1);
            board.go_on.wait("the parent has sent it");
            inherited.write(b"a stranger's");
            assert!(matches!(inherited.kind(66).send(100), Err(MailError::Unusable(..))));
        });
        board.ready.wait("it has the draft");
        std::mem::ManuallyDrop::into_inner(mine).send(5).expect("space");
        board.go_on.set(1);
        child.succeed();
        let letter = mailbox.recv().expect("it was sent");
        assert_eq!((letter.kind(), letter.bytes()), (1, &b"hello"[..]));
    });
}

#[test]
fn no_id_that_there_can_be_makes_others_think_it_is_over() {
    let region = super::options().anonymous().expect("a region");
    let port = region.port("port", &bounded().succession(Succession::Close)).expect("a port");
    let mut mailbox = port.claim().expect("nobody has it");
    let over = AtomicBool::new(false);
    let outcome = thread::scope(|scope| {
        let looks = scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                assert!(!port.is_closed());
                // A thread that ends repairs what it leaves.
                thread::scope(|inner| _ = inner.spawn(|| port.try_claim().map(drop)));
            }
        });
        let mut outcome = None;
        for bits in [0_u64, 7, 0xff, 0x1ff, 1 << 60 | 0x100, u64::MAX].into_iter().cycle().take(6000) {
            match mailbox.give(ParticipantId::from_bits(bits)) {
                Err(GiveError::Gone(back)) => mailbox = back,
                other => {
                    outcome = Some(other);
                    break;
                }
            }
        }
        over.store(true, Ordering::Relaxed);
        looks.join().expect("it was never closed");
        assert_eq!(port.owner(), Owner::Process(region.participant_id()));
        outcome
    });
    assert!(outcome.is_none(), "{outcome:?}");
}

//! SIGKILL before every synchronisation step of who claims, receives, gives, leaves and closes.

use super::support::actors::{Ending, fork};
use super::support::alone::alone;
use super::support::patience::{PATIENCE, until};
use super::support::shared::Shared;
use super::support::sweep::sweep;
use super::{Board, LIMIT, bounded, found, id_of, made, numbered, opened, port, there};
use selvedge::message::{ClaimError, MailError, Origin, Owner, Succession};

const THERE: &str = "the message is there";
const GONE: &str = "the message is gone with it";

#[test]
fn somebody_claims_receives_and_leaves() {
    alone(LIMIT, || {
        let region = made();
        let port = port(&region, &bounded());
        sweep("mailbox: claim, receive, leave", [THERE, GONE], |round| {
            port.send(&numbered(&5)).expect("space");
            let board = Shared::new(Board::default());
            let victim = round.victim(&board.ready, |steps| {
                let port = found(&opened());
                board.ready.set(1);
                steps.take(|| {
                    let mailbox = port.claim().expect("nobody has it");
                    assert_eq!(mailbox.recv().expect("it is there").read(), Ok(5_u64));
                });
            });
            let ending = victim.end();
            let mailbox = port.claim_timeout(PATIENCE).expect("it has left, or died");
            assert!(mailbox.origin() != Some(Origin::Died) || ending != Ending::DONE, "it has not died");
            let left = there(&mailbox);
            assert!(left.is_empty() || left == [5], "{left:?}");
            until("all buffers come home", || mailbox.in_use() == 0);
            (ending, if left.is_empty() { GONE } else { THERE })
        });
    });
}

const KEPT: &str = "it had it when it died";
const GIVEN: &str = "the other has it";

#[test]
fn somebody_gives_it_to_one_who_waits() {
    alone(LIMIT, || {
        let region = made();
        let port = port(&region, &bounded());
        sweep("mailbox: give", [KEPT, GIVEN], |round| {
            let [giver, taker] = [(); 2].map(|()| Shared::new(Board::default()));
            let victim = round.victim(&giver.ready, |steps| {
                let region = opened();
                let mailbox = found(&region).claim().expect("nobody has it");
                giver.ready.set(1);
                giver.go_on.wait("the other waits");
                let pid = giver.go_on.get();
                let to = region.participants().into_iter().find(|other| other.pid == pid).expect("attached").id();
                steps.take(|| mailbox.give(to).expect("it lives"));
            });
            let takes = fork("the one it is given to", || {
                let port = found(&opened());
                taker.waits.set(1);
                let mailbox = port.claim_timeout(PATIENCE).expect("it is given, or its holder has died");
                let given = mailbox.origin() == Some(Origin::Given);
                assert!(given || mailbox.origin() == Some(Origin::Died), "{:?}", mailbox.origin());
                taker.ready.set(if given { 1 } else { 2 });
            });
            taker.until_waiting(&takes);
            giver.go_on.set(takes.pid());
            let ending = victim.end();
            takes.succeed();
            until("it is left", || port.owner() == Owner::Left);
            (ending, if taker.ready.get() == 1 { GIVEN } else { KEPT })
        });
    });
}

const UNTOUCHED: &str = "it was not given yet";
const CLOSED: &str = "it is closed";

#[test]
fn who_it_is_given_to_dies_as_it_takes_it() {
    alone(LIMIT, || {
        let region = made();
        sweep("mailbox: claim what was given", [CLOSED], |round| {
            let port = port(&region, &bounded().succession(Succession::Close));
            let mailbox = port.claim().expect("nobody has it");
            let board = Shared::new(Board::default());
            let victim = round.victim(&board.ready, |steps| {
                let port = found(&opened());
                board.ready.set(1);
                board.go_on.wait("it is given");
                steps.take(|| drop(port.claim().expect("it is given")));
            });
            mailbox.give(id_of(&region, &victim)).expect("it lives");
            board.go_on.set(1);
            let ending = victim.end();
            // Left or died, before it was claimed or after: it is closed with it.
            assert_eq!(port.claim_timeout(PATIENCE).map(drop), Err(ClaimError::Closed));
            region.remove_object("port").expect("it is there");
            (ending, CLOSED)
        });
    });
}

#[test]
fn somebody_closes_it_while_both_sides_wait() {
    alone(LIMIT, || {
        let region = made();
        sweep("mailbox: close", [UNTOUCHED, CLOSED], |round| {
            let port = port(&region, &bounded());
            port.send(&numbered(&1)).expect("space");
            port.send(&numbered(&2)).expect("space");
            let [sender, heir, closer] = [(); 3].map(|()| Shared::new(Board::default()));
            let victim = round.victim(&closer.ready, |steps| {
                let mailbox = found(&opened()).claim().expect("nobody has it");
                closer.ready.set(1);
                closer.go_on.wait("both wait");
                steps.take(|| mailbox.close().expect("it can be closed"));
            });
            let sends = fork("the sender", || {
                let port = found(&opened());
                sender.waits.set(1);
                let sent = port.send_timeout(&numbered(&3), PATIENCE);
                assert!(matches!(sent, Ok(()) | Err(MailError::Closed)), "{sent:?}");
                sender.ready.set(if sent.is_ok() { 1 } else { 2 });
            });
            let waits = fork("the heir", || {
                let port = found(&opened());
                heir.waits.set(1);
                match port.claim_timeout(PATIENCE) {
                    Ok(mailbox) => {
                        assert_eq!(mailbox.origin(), Some(Origin::Died));
                        assert_eq!(mailbox.recv().expect("it is there").read(), Ok(1_u64));
                        heir.ready.set(1);
                    }
                    Err(why) => {
                        assert_eq!(why, ClaimError::Closed);
                        heir.ready.set(2);
                    }
                }
            });
            sender.until_waiting(&sends);
            heir.until_waiting(&waits);
            closer.go_on.set(1);
            let ending = victim.end();
            sends.succeed();
            waits.succeed();
            assert_eq!(sender.ready.get(), heir.ready.get(), "one of the two was told");
            let closed = port.is_closed();
            assert_eq!(closed, heir.ready.get() == 2);
            region.remove_object("port").expect("it is there");
            (ending, if closed { CLOSED } else { UNTOUCHED })
        });
    });
}

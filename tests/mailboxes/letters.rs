//! What is sent arrives as it was: header and body, of every length, at every capacity.

use super::support::alone::alone;
use super::support::patience::PATIENCE;
use super::{LIMIT, SHORT, numbered, options, there};
use proptest::prelude::*;
use selvedge::message::{Capacity, MailError, Message, PortOptions, Receivers};
use selvedge::{Deadline, Region};
use std::thread;
use std::time::Duration;

fn region() -> Region {
    options().anonymous().expect("a region")
}

#[test]
fn bodies_of_every_length_arrive_as_they_were() {
    // Of the unbounded one nobody waits for memory.
    for capacity in [Capacity::Zero, Capacity::Bounded(2), Capacity::Unbounded { quota: 386 }] {
        let region = region();
        let port = region.port("port", &PortOptions::new(capacity).body(150)).expect("a port");
        let mailbox = port.claim().expect("nobody has it");
        assert_eq!(port.longest(), 192);
        let body = |length: usize| (0..length).map(|at| u8::try_from(at % 251).expect("small")).collect::<Vec<_>>();
        thread::scope(|scope| {
            scope.spawn(|| {
                for length in 0..=192 {
                    port.send_timeout(&Message::bytes(&body(length)), PATIENCE).expect("it is received");
                    let mut draft = port.draft_timeout(PATIENCE).expect("a buffer comes back");
                    draft.fill(0xff);
                    draft.write(&body(length));
                    draft.send_timeout(length, PATIENCE).expect("it is received");
                }
            });
            for length in 0..=192 {
                for _ in 0..2 {
                    let letter = mailbox.recv_timeout(PATIENCE).expect("it is sent");
                    assert_eq!((letter.len(), letter.is_empty()), (length, length == 0));
                    assert_eq!(letter.bytes(), body(length));
                    assert_eq!(letter.to_vec(), body(length));
                }
            }
        });
        assert_eq!(mailbox.in_use(), 0, "{capacity:?}");
    }
}

#[test]
fn what_does_not_fit_is_refused_and_nothing_is_lost() {
    let region = region();
    let port = region.port("port", &PortOptions::new(Capacity::Bounded(2))).expect("a port");
    let mailbox = port.claim().expect("nobody has it");
    let too_long = [7; 193];
    let refused = Err(MailError::TooLong { length: 193, most: 192 });
    assert_eq!(port.send(&Message::bytes(&too_long)), refused);
    assert_eq!(port.try_draft().expect("a buffer").try_send(193), refused);
    assert_eq!((mailbox.len(), mailbox.in_use()), (0, 0));
    assert_eq!(mailbox.try_recv().map(drop), Err(MailError::Empty));
    assert_eq!(mailbox.recv_timeout(SHORT).map(drop), Err(MailError::TimedOut));
    port.try_send(&numbered(&1)).expect("space");
    port.try_send(&numbered(&2)).expect("space");
    assert!(port.is_full());
    assert_eq!(port.try_send(&numbered(&3)), Err(MailError::Full));
    assert_eq!(port.send_timeout(&numbered(&3), SHORT), Err(MailError::TimedOut));
    let letter = mailbox.recv().expect("it is there");
    assert!(letter.read::<u32>().is_err_and(|wrong| (wrong.found, wrong.expected) == (8, 4)));
    assert_eq!(letter.read(), Ok(1_u64));
    drop(letter);
    assert_eq!(there(&mailbox), [2]);
    assert_eq!(mailbox.in_use(), 0);
}

#[test]
fn memory_that_is_used_up_is_told_and_comes_back() {
    let region = region();
    let port = region.port("port", &PortOptions::new(Capacity::Unbounded { quota: 4 })).expect("a port");
    let mailbox = port.claim().expect("nobody has it");
    for number in 0..4 {
        port.send(&numbered(&number)).expect("memory");
    }
    assert_eq!(port.send(&numbered(&4)), Err(MailError::OutOfMemory("port".into())));
    assert_eq!(there(&mailbox), [0, 1, 2, 3]);
    port.send(&numbered(&4)).expect("memory");
    assert_eq!((there(&mailbox), mailbox.in_use()), (vec![4], 0));
}

#[test]
fn a_deadline_that_has_passed_is_told() {
    let region = region();
    let port = region.port("port", &PortOptions::new(Capacity::Bounded(3))).expect("a port");
    let mailbox = port.claim().expect("nobody has it");
    let deadlines = [None, Some(Deadline::after(Duration::from_secs(3600))), Some(Deadline::after(Duration::ZERO))];
    for deadline in deadlines {
        let message = Message::bytes("soon");
        port.send(&deadline.map_or(message.clone(), |deadline| message.deadline(deadline))).expect("space");
    }
    let late: Vec<_> = mailbox.try_iter().map(|letter| (letter.deadline(), letter.is_late())).collect();
    assert_eq!(late, [(deadlines[0], false), (deadlines[1], false), (deadlines[2], true)]);
}

#[test]
fn who_sent_it_is_told_whatever_the_sender_says() {
    alone(LIMIT, || {
        let region = super::made();
        let port = super::port(&region, &super::bounded().receivers(Receivers::Several));
        let mailbox = port.claim().expect("any may");
        let board = super::Shared::new(super::Board::default());
        let sends = super::fork("the sender", || {
            let region = super::opened();
            let port = super::found(&region);
            port.send(&Message::bytes("mine").to(region.participant_id())).expect("space");
            port.send(&Message::bytes("mine")).expect("space");
            board.ready.set(1);
            board.go_on.wait("the director knows the sender");
        });
        board.ready.wait("both are sent");
        let id = super::id_of(&region, &sends);
        let [first, second] = [(); 2].map(|()| mailbox.recv_timeout(PATIENCE).expect("it is sent"));
        assert_eq!((first.source(), second.source()), (Some(id), Some(id)));
        assert_eq!((first.destination(), second.destination()), (Some(id), None));
        assert!(first.sequence() < second.sequence());
        assert_ne!(id, region.participant_id());
        assert!(region.participant(id).is_some_and(|participant| participant.pid == sends.pid()));
        board.go_on.set(1);
        sends.succeed();
        // Its name stays its own, dead or not, and is not taken for another's.
        assert_eq!(first.source(), Some(id));
        super::until("it is known to be gone", || region.participant(id).is_none());
        let next = super::fork("another in its place", || drop(super::opened()));
        next.succeed();
        assert!(region.participant(id).is_none());
    });
}

proptest! {
    #[test]
    fn headers_arrive_as_they_were(kind: u32, flags: u32, correlation: u64, body in prop::collection::vec(any::<u8>(), 0..=192)) {
        let region = region();
        let port = region.port("port", &PortOptions::new(Capacity::Bounded(2))).expect("a port");
        let mailbox = port.claim().expect("nobody has it");
        port.send(&Message::bytes(&body).kind(kind).flags(flags).correlation(correlation)).expect("space");
        let mut draft = port.draft().expect("a buffer").kind(kind).flags(flags).correlation(correlation);
        draft[..body.len()].copy_from_slice(&body);
        draft.send(body.len()).expect("space");
        for _ in 0..2 {
            let letter = mailbox.recv().expect("it is sent");
            prop_assert_eq!((letter.kind(), letter.flags(), letter.correlation()), (kind, flags, correlation));
            prop_assert_eq!(letter.bytes(), &body[..]);
            prop_assert_eq!(letter.source(), Some(region.participant_id()));
        }
    }

    #[test]
    fn values_that_serde_knows_arrive_as_they_were(value: (u64, String, Option<Vec<i32>>), cut in 1_usize..8) {
        let region = region();
        let port = region.port("port", &PortOptions::new(Capacity::Bounded(2)).body(4096)).expect("a port");
        let mailbox = port.claim().expect("nobody has it");
        let message = Message::encode(&value).expect("it can be written");
        port.send(&message).expect("space, and it is not too long");
        let letter = mailbox.recv().expect("it is sent");
        prop_assert_eq!(letter.decode::<(u64, String, Option<Vec<i32>>)>(), Ok(value));
        drop(letter);
        // With something behind it, or something missing, it is none.
        let body = message.body();
        port.send(&Message::bytes(&[body, &[0]].concat())).expect("space");
        port.send(&Message::bytes(&body[..body.len().saturating_sub(cut)])).expect("space");
        for letter in mailbox.try_iter() {
            prop_assert!(letter.decode::<(u64, String, Option<Vec<i32>>)>().is_err());
        }
    }
}

#[test]
fn a_draft_is_waited_for_until_a_deadline() {
    let region = region();
    let options = PortOptions::new(Capacity::Bounded(1)).body(64).long_bodies(1, 1000);
    let port = region.port("port", &options).expect("a port");
    let mailbox = port.claim().expect("nobody has it");
    let past = || Deadline::after(Duration::ZERO);
    let long = port.draft_for_deadline(1000, past()).expect("there is a place");
    for deadline in [past(), Deadline::after(SHORT)] {
        assert_eq!(port.draft_for_deadline(1000, deadline).err(), Some(MailError::TimedOut));
    }
    let drafts: Vec<_> = std::iter::from_fn(|| port.draft_deadline(past()).ok()).collect();
    assert!(!drafts.is_empty());
    assert_eq!(port.draft_deadline(Deadline::after(SHORT)).err(), Some(MailError::TimedOut));
    drop(drafts);
    long.send_deadline(1000, past()).expect("there is space");
    let mut draft = port.draft_deadline(past()).expect("they have come back");
    draft.write(b"late");
    assert_eq!(draft.send_deadline(4, Deadline::after(SHORT)), Err(MailError::TimedOut));
    assert_eq!(mailbox.recv_deadline(past()).map(|letter| letter.len()), Ok(1000));
    assert_eq!(mailbox.recv_deadline(past()).err(), Some(MailError::TimedOut));
    assert_eq!(mailbox.in_use(), 0, "what was not sent is given back");
}

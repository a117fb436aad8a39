//! Bodies that are too long for a buffer: where they lie, and that their places come home whoever dies.

use super::support::actors::{Ending, fork};
use super::support::alone::alone;
use super::support::dice::Dice;
use super::support::patience::{PATIENCE, until};
use super::support::shared::Shared;
use super::support::sweep::sweep;
use super::support::words::Words;
use super::{Board, LIMIT, REGION, SHORT, found, made, opened, options, port};
use selvedge::message::{
    Capacity, Delivery, Letter, MailError, Mailbox, Message, Port, PortOptions, Receivers, Select, SelectError,
};
use selvedge::region::ObjectErrorKind;
use std::thread;

const LONG: usize = 5_000;
const PLACES: usize = 2;
const CAPACITIES: [Capacity; 3] = [Capacity::Zero, Capacity::Bounded(4), Capacity::Unbounded { quota: 8 }];

fn terms(capacity: Capacity) -> PortOptions {
    PortOptions::new(capacity).body(64).long_bodies(PLACES, LONG)
}

/// A body of this length that says which it is.
fn body(number: u64, length: usize) -> Vec<u8> {
    (0..length as u64).map(|at| (number.wrapping_mul(31) ^ at ^ at >> 8).to_le_bytes()[0]).collect()
}

#[track_caller]
fn assert_is(letter: &Letter<'_>, number: u64, length: usize) {
    assert!(letter.bytes() == body(number, length), "message {number} of {length} bytes is another");
}

/// How many places are free, as those see it who take them.
fn free(port: &Port) -> usize {
    let mut drafts = Vec::new();
    loop {
        match port.try_draft_for(LONG) {
            Ok(draft) => drafts.push(draft),
            Err(MailError::Full | MailError::OutOfMemory(_)) => return drafts.len(),
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn bodies_of_any_length_arrive_whole_and_in_order() {
    for capacity in CAPACITIES {
        let region = options().anonymous().expect("a region");
        let port = port(&region, &terms(capacity));
        let mailbox = port.claim().expect("nobody has it");
        let lengths = [0, 1, 64, 65, 4_096, LONG, 63, LONG - 1];
        thread::scope(|scope| {
            scope.spawn(|| {
                for (number, length) in (0..).zip(lengths) {
                    port.send_timeout(&Message::bytes(&body(number, length)).correlation(number), PATIENCE)
                        .or_else(|error| match error {
                            // There it never waits.
                            MailError::OutOfMemory(_) => {
                                until("a place is free", || free(&port) > 0);
                                port.send(&Message::bytes(&body(number, length)).correlation(number))
                            }
                            error => Err(error),
                        })
                        .expect("it is received");
                }
            });
            for (number, length) in (0..).zip(lengths) {
                let letter = mailbox.recv_timeout(PATIENCE).expect("it is sent");
                assert_eq!((letter.correlation(), letter.len()), (number, length), "{capacity:?}");
                assert_is(&letter, number, length);
                assert_eq!(letter.to_vec(), body(number, length));
            }
        });
        assert_eq!((mailbox.in_use(), free(&port)), (0, PLACES), "{capacity:?}");
    }
}

#[test]
fn there_are_as_many_as_was_said_and_short_ones_need_none() {
    let region = options().anonymous().expect("a region");
    let port = port(&region, &terms(Capacity::Bounded(8)));
    let mailbox = port.claim().expect("nobody has it");
    assert_eq!(port.longest(), LONG.next_multiple_of(64));
    let most = port.longest();
    let too_long = MailError::TooLong { length: most + 1, most };
    assert_eq!(port.send(&Message::bytes(&vec![0; most + 1])), Err(too_long.clone()));
    assert_eq!(port.draft_for(most + 1).map(drop), Err(too_long));
    for number in 0..2 {
        port.send(&Message::bytes(&body(number, LONG))).expect("a place");
    }
    assert_eq!(port.try_send(&Message::bytes(&body(2, LONG))), Err(MailError::Full));
    assert_eq!(port.send_timeout(&Message::bytes(&body(2, LONG)), SHORT), Err(MailError::TimedOut));
    assert_eq!((mailbox.len(), mailbox.in_use()), (2, 2), "nothing is left of what was not sent");
    port.try_send(&Message::bytes(b"short")).expect("a buffer");
    let letter = mailbox.recv().expect("it is there");
    assert_is(&letter, 0, LONG);
    assert_eq!(free(&port), 0, "it is in hand");
    letter.put_back();
    assert_eq!(free(&port), 0, "it is there again");
    let letter = mailbox.recv().expect("it is there");
    assert_is(&letter, 0, LONG);
    drop(letter);
    assert_eq!(free(&port), 1);
    // One that was not sent, one written in place.
    drop(port.draft_for(LONG).expect("a place"));
    let mut draft = port.draft_for(100).expect("a place");
    draft[..100].copy_from_slice(&body(9, 100));
    draft.send(100).expect("space");
    assert_is(&mailbox.recv().expect("it is there"), 1, LONG);
    assert_eq!(mailbox.recv().expect("it is there").to_vec(), b"short");
    assert_is(&mailbox.recv().expect("it is there"), 9, 100);
    assert_eq!((mailbox.in_use(), free(&port)), (0, PLACES));
}

#[test]
fn unbounded_ones_never_wait_for_a_place() {
    let region = options().anonymous().expect("a region");
    let port = port(&region, &terms(CAPACITIES[2]));
    let mailbox = port.claim().expect("nobody has it");
    for number in 0..2 {
        port.send(&Message::bytes(&body(number, LONG))).expect("a place");
    }
    assert_eq!(port.send(&Message::bytes(&body(2, LONG))), Err(MailError::OutOfMemory("port".into())));
    // The list begins with the one that was received last: that has no place any more.
    drop(mailbox.recv().expect("it is there"));
    port.send(&Message::bytes(&body(2, LONG))).expect("a place");
    for number in 1..3 {
        assert_is(&mailbox.recv().expect("it is there"), number, LONG);
    }
    assert_eq!((mailbox.in_use(), free(&port)), (0, PLACES));
}

#[test]
fn who_opens_it_knows_and_other_terms_are_told() {
    let region = options().anonymous().expect("a region");
    let made = port(&region, &terms(CAPACITIES[1]));
    let found = region.find_port("port").expect("it was made");
    assert_eq!((found.longest(), free(&found)), (made.longest(), PLACES));
    let (told, expected) = ("has other places for long messages", "has those that were asked for");
    for other in [terms(CAPACITIES[1]).long_bodies(PLACES + 1, LONG), terms(CAPACITIES[1]).long_bodies(0, 0)] {
        let refused = region.port("port", &other).map(drop).map_err(|error| error.kind());
        assert_eq!(refused, Err(ObjectErrorKind::OtherTerms { found: told, expected }));
    }
    let too_many = region.port("other", &terms(CAPACITIES[1]).long_bodies(4097, 64)).map(drop);
    assert_eq!(too_many.map_err(|error| error.kind()), Err(ObjectErrorKind::BadCapacity { given: 4097, most: 4096 }));
    let too_large = region.port("other", &terms(CAPACITIES[1]).long_bodies(4096, usize::MAX / 2)).map(drop);
    assert!(too_large.is_err(), "no memory has that much");
}

#[test]
fn selects_and_futures_send_and_receive_long_ones() {
    for capacity in CAPACITIES {
        let region = options().anonymous().expect("a region");
        let port = port(&region, &terms(capacity));
        let mailbox = port.claim().expect("nobody has it");
        let most = port.longest();
        let (long, too_long) = (vec![0; most + 1], MailError::TooLong { length: most + 1, most });
        let message = Message::bytes(&long);
        assert_eq!(Select::new().post(&port, &message), Err(too_long.clone()));
        assert_eq!(pollster::block_on(port.send_async(&message)), Err(too_long));
        thread::scope(|scope| {
            scope.spawn(|| {
                for number in (0..).step_by(2).take(20) {
                    let (selected, awaited) = (body(number, LONG), body(number + 1, LONG - 1));
                    let message = Message::bytes(&selected).correlation(number);
                    loop {
                        let mut select = Select::new();
                        select.post(&port, &message).expect("it is not too long");
                        match select.select_timeout(PATIENCE).expect("it is received").post(&port) {
                            Ok(()) => break,
                            // There it never waits.
                            Err(error) => assert_eq!(error, MailError::OutOfMemory("port".into())),
                        }
                    }
                    let message = Message::bytes(&awaited).correlation(number + 1);
                    while let Err(error) = pollster::block_on(port.send_async(&message)) {
                        assert_eq!(error, MailError::OutOfMemory("port".into()));
                    }
                }
            });
            for number in (0..40).step_by(2) {
                let mut select = Select::new();
                select.letter(&mailbox);
                let selected = select.select_timeout(PATIENCE).expect("it is sent");
                assert_is(&selected.letter(&mailbox).expect("it is sent"), number, LONG);
                assert_is(&pollster::block_on(mailbox.recv_async()).expect("it is sent"), number + 1, LONG - 1);
            }
        });
        assert_eq!((mailbox.in_use(), free(&port)), (0, PLACES), "{capacity:?}");
    }
}

/// What waits for a place waits no longer than it was to, and leaves nothing.
#[test]
fn a_select_waits_for_a_place_as_for_anything_else() {
    let region = options().anonymous().expect("a region");
    let port = port(&region, &terms(Capacity::Bounded(4)));
    let mailbox = port.claim().expect("nobody has it");
    let event = region.event("event").expect("an event");
    for number in 0..2 {
        port.send(&Message::bytes(&body(number, LONG))).expect("a place");
    }
    let (long, used) = (body(2, LONG), mailbox.in_use());
    let message = Message::bytes(&long);
    let mut select = Select::new();
    let posted = select.post(&port, &message).expect("it is not too long");
    let happened = select.event(&event);
    assert_eq!(select.try_select().map(|selected| selected.index()), Err(SelectError::NotReady));
    assert_eq!(select.select_timeout(SHORT).map(|selected| selected.index()), Err(SelectError::TimedOut));
    assert_eq!(mailbox.in_use(), used, "nothing is left of what was not sent");
    thread::scope(|scope| {
        scope.spawn(|| event.set().expect("an event"));
        assert_eq!(select.select_timeout(PATIENCE).expect("it happens").index(), happened);
    });
    select.remove(happened);
    thread::scope(|scope| {
        scope.spawn(|| {
            until("somebody waits for a place", || mailbox.in_use() > used);
            assert_is(&mailbox.recv().expect("it is there"), 0, LONG);
        });
        let selected = select.select_timeout(PATIENCE).expect("a place becomes free");
        assert_eq!(selected.index(), posted);
        selected.post(&port).expect("it is sent");
    });
    for number in 1..3 {
        assert_is(&mailbox.recv().expect("it is there"), number, LONG);
    }
    assert_eq!((mailbox.in_use(), free(&port)), (0, PLACES));
}

#[test]
fn a_place_that_is_another_messages_is_no_place() {
    const LENGTH: usize = 3;
    alone(LIMIT, || {
        let region = made();
        let port = port(&region, &terms(CAPACITIES[1]));
        let mailbox = port.claim().expect("nobody has it");
        let words = Words::of(REGION);
        let mark = [0x5e1f_ed6e_0000_0011_u64, 0x5e1f_ed6e_0000_0012];
        let secret = port.draft_for(LONG).expect("a place");
        for place in [1, 2, 3, u64::from(u16::MAX)] {
            port.send(&Message::of(&mark)).expect("space");
            let header = words.find(mark) - 64;
            words.long_at(header + 8 * LENGTH).store(place << 48 | 16, selvedge::sync::Ordering::Relaxed);
            assert_eq!(mailbox.recv().map(drop), Err(MailError::Corrupt("port".into())), "{place}");
            words.long_at(header + 64).store(0, selvedge::sync::Ordering::Relaxed);
        }
        drop(secret);
        assert_eq!((mailbox.in_use(), free(&port)), (0, PLACES));
    });
}

const NOT_SENT: &str = "it is not sent";
const SENT: &str = "it is sent";

fn sender_killed(capacity: Capacity) {
    let region = made();
    let port = port(&region, &terms(capacity));
    sweep("mailbox: send a long message", [NOT_SENT, SENT], |round| {
        let board = Shared::new(Board::default());
        let victim = round.victim(&board.ready, |steps| {
            let port = found(&opened());
            let body = body(3, LONG);
            board.ready.set(1);
            steps.take(|| port.send(&Message::bytes(&body)).expect("a place"));
        });
        let ending = victim.end();
        let mailbox = port.claim_timeout(PATIENCE).expect("nobody has it");
        let outcome = match mailbox.try_recv() {
            Ok(letter) => {
                assert_is(&letter, 3, LONG);
                SENT
            }
            Err(why) => {
                assert_eq!(why, MailError::Empty);
                NOT_SENT
            }
        };
        assert!(ending != Ending::DONE || outcome == SENT, "it was sent: {outcome}");
        until("the place comes home", || free(&port) == PLACES);
        (ending, outcome)
    });
}

#[test]
fn who_sends_a_long_message_is_killed() {
    alone(LIMIT, || sender_killed(CAPACITIES[1]));
}

#[test]
fn who_sends_a_long_message_is_killed_unbounded() {
    alone(LIMIT, || sender_killed(CAPACITIES[2]));
}

#[test]
fn who_waits_for_the_place_of_the_dead_gets_it() {
    alone(LIMIT, || {
        let region = made();
        let port = port(&region, &terms(CAPACITIES[1]));
        for _ in 0..10 {
            let board = Shared::new(Board::default());
            let holder = fork("the holder", || {
                let port = found(&opened());
                let drafts = [(); PLACES].map(|()| port.draft_for(LONG).expect("a place"));
                board.ready.set(1);
                board.go_on.wait("it is killed");
                drop(drafts);
            });
            board.ready.wait("it has all places");
            assert_eq!(free(&port), 0);
            let waiter = fork("who waits", || {
                let port = found(&opened());
                board.waits.set(1);
                drop(port.draft_for(LONG).expect("a place"));
            });
            board.until_waiting(&waiter);
            holder.kill();
            assert_eq!(waiter.end(), Ending::DONE);
            until("all places come home", || free(&port) == PLACES);
        }
    });
}

fn next(mailbox: &Mailbox) -> Option<Letter<'_>> {
    match mailbox.recv_timeout(SHORT) {
        Ok(letter) => Some(letter),
        Err(MailError::TimedOut) => None,
        Err(error) => panic!("{error}"),
    }
}

/// Senders and receivers are killed at any time; every message that is received is whole, and every place comes home.
#[test]
fn nothing_is_lost_but_what_the_dead_had() {
    alone(LIMIT, || {
        let region = made();
        let terms = terms(CAPACITIES[1]).receivers(Receivers::Several).delivery(Delivery::AtLeastOnce);
        let port = port(&region, &terms);
        let board = Shared::new(Board::default());
        let mut dice = Dice::new(7);
        let start = |sends: bool, seed: u64| {
            fork(if sends { "a sender" } else { "a receiver" }, || {
                let port = found(&opened());
                let mailbox = (!sends).then(|| port.claim().expect("any number may"));
                let mut dice = Dice::new(seed);
                while board.go_on.get() == 0 {
                    let Some(mailbox) = &mailbox else {
                        let (number, length) =
                            (dice.below(1 << 20), usize::try_from(dice.below(LONG as u64)).expect("small"));
                        let sent = port.send_timeout(&Message::bytes(&body(number, length)).correlation(number), SHORT);
                        assert!(matches!(sent, Ok(()) | Err(MailError::TimedOut)), "{sent:?}");
                        continue;
                    };
                    if let Some(letter) = next(mailbox) {
                        assert_is(&letter, letter.correlation(), letter.len());
                        if dice.once_in(3) {
                            letter.put_back();
                        } else {
                            letter.ack();
                        }
                    }
                }
            })
        };
        let mut actors: Vec<_> = (0..4).map(|number| start(number % 2 == 0, number)).collect();
        for kill in 0..60 {
            let victim = usize::try_from(dice.below(4)).expect("small");
            thread::sleep(std::time::Duration::from_micros(dice.below(2_000)));
            std::mem::replace(&mut actors[victim], start(victim % 2 == 0, 100 + kill)).kill_and_reap();
        }
        board.go_on.set(1);
        for actor in actors {
            assert_eq!(actor.end(), Ending::DONE);
        }
        let mailbox = port.claim().expect("any number may");
        while let Some(letter) = next(&mailbox) {
            assert_is(&letter, letter.correlation(), letter.len());
            letter.ack();
        }
        until("all buffers come home", || mailbox.in_use() == 0);
        assert_eq!(free(&port), PLACES);
    });
}

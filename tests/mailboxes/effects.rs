//! Exactly once: what messages change, however often each is sent and received, and whoever is killed.

use super::support::actors::{Actor, Ending, fork};
use super::support::alone::alone;
use super::support::patience::{PATIENCE, until};
use super::support::shared::Shared;
use super::support::sweep::sweep;
use super::{Board, LIMIT, SHORT, found, made, opened, options, port, there};
use proptest::prelude::*;
use selvedge::Region;
use selvedge::message::{
    Capacity, ClaimError, Delivery, Effect, Effects, EffectsError, Letter, MailError, Mailbox, Message, Port,
    PortOptions,
};
use selvedge::region::ObjectErrorKind;
use std::collections::{HashMap, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;

const CLIENT: &str = "client";

/// What the messages add to: their sum, and how many there were; in more than one chunk, so that it can be torn.
type Sums = [u64; 20];

fn terms() -> PortOptions {
    PortOptions::new(Capacity::Bounded(8)).delivery(Delivery::AtLeastOnce)
}

fn sums(region: &Region) -> Effects<Sums> {
    region.effects("sums", 4, [0; 20]).expect("a value")
}

fn add(sums: &mut Sums, letter: &Letter<'_>) {
    let number = letter.read::<u64>().expect("a number");
    assert!(sums.iter().all(|sum| *sum == sums[0]), "torn: {sums:?}");
    sums.iter_mut().for_each(|sum| *sum += number);
}

fn sent(port: &Port, client: &str, number: u64, what: u64) {
    port.send_timeout(&Message::of(&what).client(client, number), PATIENCE).expect("there is space");
}

fn next(sums: &Effects<Sums>, mailbox: &Mailbox) -> Result<Effect<()>, EffectsError> {
    sums.apply(mailbox.recv_timeout(PATIENCE).expect("it is there"), add)
}

fn of_one() -> (Region, Port, Mailbox, Effects<Sums>) {
    let region = options().anonymous().expect("a region");
    let port = port(&region, &terms());
    let mailbox = port.claim().expect("nobody has it");
    let sums = sums(&region);
    (region, port, mailbox, sums)
}

#[test]
fn a_message_takes_effect_once_however_often_it_is_sent() {
    let (_region, port, mailbox, sums) = of_one();
    assert_eq!(sums.client(CLIENT), Ok(0));
    for (number, what, effect) in [
        (1, 10, Effect::Now(())),
        (1, 10, Effect::Before),
        (3, 300, Effect::Now(())),
        (2, 20, Effect::Now(())),
        (2, 20, Effect::Before),
        (3, 300, Effect::Before),
    ] {
        sent(&port, CLIENT, number, what);
        let letter = mailbox.recv().expect("it is there");
        assert_eq!(letter.sequence(), number);
        assert_eq!(sums.apply(letter, add), Ok(effect), "{number}");
    }
    assert_eq!(sums.read(), Ok([330; 20]));
    assert_eq!((sums.client(CLIENT), sums.changes()), (Ok(3), 4));
    assert_eq!((mailbox.try_recv().map(drop), mailbox.in_use()), (Err(MailError::Empty), 0));
}

#[test]
fn what_cannot_be_known_is_refused_and_received_again() {
    let (_region, port, mailbox, sums) = of_one();
    let refused = |message: &Message<'_>, why: &EffectsError| {
        port.send(message).expect("space");
        for time in 1..=2 {
            let letter = mailbox.recv().expect("it is there");
            assert_eq!(letter.deliveries(), time);
            assert_eq!(sums.apply(letter, add).as_ref(), Err(why));
        }
        mailbox.recv().expect("it is there").ack();
    };
    refused(&Message::of(&1_u64), &EffectsError::OfNoClient);
    refused(&Message::of(&1_u64).client(CLIENT, 0), &EffectsError::OfNoClient);
    refused(&Message::of(&1_u64).client(CLIENT, 1), &EffectsError::UnknownClient("sums".into()));
    sums.client(CLIENT).expect("there is a place");
    sent(&port, CLIENT, 100, 1);
    assert_eq!(next(&sums, &mailbox), Ok(Effect::Now(())));
    sent(&port, CLIENT, 37, 1);
    assert_eq!(next(&sums, &mailbox), Ok(Effect::Now(())), "63 behind");
    refused(&Message::of(&1_u64).client(CLIENT, 36), &EffectsError::TooOld { number: 36, greatest: 100 });
    assert_eq!(sums.read(), Ok([2; 20]));
}

#[test]
fn clients_are_told_apart_and_as_many_as_there_is_room_for() {
    let (region, port, mailbox, sums) = of_one();
    for name in ["one", "two", &"long".repeat(16), "four"] {
        assert_eq!(sums.client(name), Ok(0));
        sent(&port, name, 1, 1);
        assert_eq!(next(&sums, &mailbox), Ok(Effect::Now(())), "{name}");
    }
    assert_eq!(sums.client("five"), Err(EffectsError::TooManyClients("sums".into())));
    assert_eq!((sums.client("one"), sums.clients()), (Ok(1), 4));
    for name in ["", "a\0b", &"x".repeat(65)] {
        assert_eq!(sums.client(name), Err(EffectsError::BadName));
    }
    let other = |clients| region.effects::<Sums>("sums", clients, [0; 20]).map(drop).map_err(|error| error.kind());
    assert_eq!(other(4), Ok(()));
    assert!(matches!(other(5), Err(ObjectErrorKind::WrongSize { .. })), "{:?}", other(5));
    assert!(matches!(other(usize::MAX), Err(ObjectErrorKind::OutOfMemory { .. })));
    assert_eq!(region.effects("other", 0, 5_u8).expect("a value").read(), Ok(5));
}

#[test]
fn two_names_with_one_hash_are_not_taken_for_one() {
    let (_region, _port, _mailbox, sums) = of_one();
    // As the library has it: FNV-1a of 64 bits, the halves put together.
    let hash = |name: &str| {
        let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        let long = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, step);
        (long >> 32) ^ (long & 0xffff_ffff)
    };
    let mut seen = HashMap::new();
    let pair = (0..).find_map(|number: u32| {
        let name = number.to_string();
        seen.insert(hash(&name), name.clone()).map(|other| (other, name))
    });
    let (one, other) = pair.expect("there are more names than hashes");
    assert_eq!(sums.client(&one), Ok(0));
    assert_eq!(sums.client(&other), Err(EffectsError::SameHash { name: one }));
}

#[test]
fn a_change_that_panics_changes_nothing_and_its_message_is_there_again() {
    let (_region, port, mailbox, sums) = of_one();
    sums.client(CLIENT).expect("there is a place");
    sent(&port, CLIENT, 1, 5);
    let letter = mailbox.recv().expect("it is there");
    let panics = || {
        sums.apply(letter, |value, _| {
            value[0] = 7;
            panic!("on purpose")
        })
    };
    assert!(catch_unwind(AssertUnwindSafe(panics)).is_err());
    assert_eq!(sums.read(), Ok([0; 20]));
    assert_eq!(next(&sums, &mailbox), Ok(Effect::Now(())));
    assert_eq!(sums.read(), Ok([5; 20]));
}

#[test]
fn one_who_is_changing_it_is_waited_for_and_not_by_itself() {
    let (_region, port, mailbox, sums) = of_one();
    sums.client(CLIENT).expect("there is a place");
    (1..=2).for_each(|number| sent(&port, CLIENT, number, 1));
    let [first, second] = [(); 2].map(|()| mailbox.recv().expect("it is there"));
    let inner = sums.apply(first, |_, _| {
        assert_eq!(sums.read(), Err(EffectsError::Relocked));
        sums.apply_timeout(second, SHORT, add)
    });
    assert_eq!(inner, Ok(Effect::Now(Err(EffectsError::Relocked))));
    thread::scope(|scope| {
        sent(&port, CLIENT, 3, 1);
        let third = mailbox.recv().expect("the second is there again");
        let applied = sums.apply(third, |_, _| {
            let other = scope.spawn(|| {
                let letter = mailbox.recv().expect("it is there");
                sums.apply_timeout(letter, SHORT, add)
            });
            other.join().expect("it ends")
        });
        assert_eq!(applied, Ok(Effect::Now(Err(EffectsError::TimedOut))));
    });
    assert_eq!(next(&sums, &mailbox), Ok(Effect::Now(())));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
    #[test]
    fn numbers_are_known_as_a_set_knows_them(numbers in proptest::collection::vec(1_u64..200, 0..80)) {
        let (_region, port, mailbox, sums) = of_one();
        sums.client(CLIENT).expect("there is a place");
        let (mut known, mut greatest, mut sum) = (HashSet::new(), 0, 0);
        for number in numbers {
            sent(&port, CLIENT, number, number);
            let letter = mailbox.recv().expect("it is there");
            let applied = sums.apply(letter, add);
            if greatest >= number + 64 {
                prop_assert_eq!(applied, Err(EffectsError::TooOld { number, greatest }));
                mailbox.recv().expect("it is there again").ack();
            } else if known.insert(number) {
                prop_assert_eq!(applied, Ok(Effect::Now(())));
                (greatest, sum) = (greatest.max(number), sum + number);
            } else {
                prop_assert_eq!(applied, Ok(Effect::Before));
            }
        }
        prop_assert_eq!(sums.read(), Ok([sum; 20]));
    }
}

const BEFORE: &str = "it has not taken effect";
const AFTER: &str = "it has, and is not acknowledged";
const DONE: &str = "it has, and is acknowledged";

#[test]
fn who_applies_is_killed_before_every_step() {
    alone(LIMIT, || {
        let region = made();
        let (port, sums) = (port(&region, &terms()), sums(&region));
        sums.client(CLIENT).expect("there is a place");
        let mut number = 0;
        sweep("mailbox: receive, apply", [BEFORE, AFTER, DONE], |round| {
            number += 1;
            sent(&port, CLIENT, number, 1);
            let board = Shared::new(Board::default());
            let victim = round.victim(&board.ready, |steps| {
                let region = opened();
                let (mailbox, sums) = (found(&region).claim().expect("nobody has it"), super::effects::sums(&region));
                board.ready.set(1);
                steps.take(|| assert_eq!(next(&sums, &mailbox), Ok(Effect::Now(()))));
            });
            let ending = victim.end();
            let mailbox = port.claim_timeout(PATIENCE).expect("it has left, or died");
            let outcome = match mailbox.try_recv() {
                Ok(letter) => match sums.apply(letter, add).expect("nobody has anything to repair") {
                    Effect::Now(()) => BEFORE,
                    Effect::Before => AFTER,
                },
                Err(why) => {
                    assert_eq!(why, MailError::Empty);
                    DONE
                }
            };
            assert!(ending != Ending::DONE || outcome == DONE, "it had been applied: {outcome}");
            assert_eq!(sums.read(), Ok([number; 20]), "once each");
            until("all buffers come home", || mailbox.in_use() == 0);
            (ending, outcome)
        });
    });
}

/// Ends a sender, which may have sent all before.
fn ended(sender: Actor) {
    sender.kill();
    let ending = sender.end();
    assert!(matches!(ending, Ending::DONE | Ending::Killed(_)), "{ending:?}");
}

/// A sender that does not know whether it has sent sends again; receivers die all the time.
#[test]
fn many_are_killed_and_each_message_takes_effect_once() {
    const MESSAGES: u64 = 150;
    alone(LIMIT, || {
        let region = made();
        let (port, sums) = (port(&region, &terms()), sums(&region));
        let names = ["one", "two"];
        names.iter().for_each(|name| assert_eq!(sums.client(name), Ok(0)));
        // How far they may go, so that all is not over before anybody is killed.
        let board = Shared::new(Board::default());
        let receives = || {
            let region = opened();
            let (port, sums) = (found(&region), super::effects::sums(&region));
            let mailbox = match port.claim_timeout(PATIENCE) {
                Ok(mailbox) => mailbox,
                Err(ClaimError::TimedOut) => panic!("nobody passes the right on"),
                Err(why) => panic!("{why}"),
            };
            loop {
                let letter = mailbox.recv().expect("it is not closed");
                sums.apply(letter, add).expect("it is of a client");
            }
        };
        let board = &board;
        let sends = |name: &'static str| {
            move || {
                let region = opened();
                let (port, sums) = (found(&region), super::effects::sums(&region));
                // Where it was when it died: what it had sent since is sent again.
                let from = sums.client(name).expect("it is known") + 1;
                for number in from.saturating_sub(3).max(1)..=MESSAGES {
                    until("it may go on", || u64::from(board.go_on.get()) >= number);
                    sent(&port, name, number, number);
                }
            }
        };
        let mut senders = names.map(|name| fork("a sender", sends(name)));
        let mut receiver = fork("a receiver", receives);
        let all = || names.iter().map(|name| sums.client(name).expect("it is known")).min() == Some(MESSAGES);
        let mut kills = 0_u32;
        while !all() {
            kills += 1;
            board.go_on.set(3 * kills);
            // By how far it has come, not by time.
            let seen = sums.changes();
            until("something takes effect, or all has", || all() || sums.changes() != seen);
            let old = core::mem::replace(&mut receiver, fork("a receiver", receives));
            old.kill_and_reap();
            if kills.is_multiple_of(4) {
                let which = usize::from(kills.is_multiple_of(8));
                ended(core::mem::replace(&mut senders[which], fork("a sender", sends(names[which]))));
            }
        }
        receiver.kill_and_reap();
        senders.into_iter().for_each(ended);
        // The rest has taken effect already.
        let mailbox = port.claim_timeout(PATIENCE).expect("it has died");
        while let Ok(letter) = mailbox.try_recv() {
            assert_eq!(sums.apply(letter, add), Ok(Effect::Before));
        }
        let sum = 2 * MESSAGES * (MESSAGES + 1) / 2;
        assert_eq!(sums.read(), Ok([sum; 20]), "{kills} kills");
        println!("{kills} receivers killed");
        assert!(kills > 20, "{kills}");
        until("all buffers come home", || mailbox.in_use() == 0);
        assert_eq!(there(&mailbox), [0_u64; 0]);
    });
}

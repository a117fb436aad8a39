//! Several transfers through one name, one after the other or all at once.

use crate::support::{Numbers, PATIENCE, Place, assert_same, lines};
use rustix::process::Signal;
use selvedge::Deadline;
use std::thread;
use std::time::Duration;

#[test]
fn transfers_follow_each_other() {
    let place = Place::new();
    for round in 0..10 {
        let sent = lines(round, "round", 500);
        if round % 2 == 0 {
            place.feed(&["send", "s"], &sent).silent();
            place.run(&["recv", "s"]).silent().printed(&sent);
        } else {
            let receiver = place.selvedge(&["recv", "s"]).start();
            place.feed(&["send", "s"], &sent).silent();
            receiver.end().silent().printed(&sent);
        }
        assert!(place.names().is_empty(), "the channel of round {round} has done its work");
    }
}

#[test]
fn names_do_not_mix() {
    let place = Place::new();
    let names = ["a", "b", "a b", "größe", "-dash"];
    let receivers = names.map(|name| place.selvedge(&["recv", "--", name]).start());
    for name in names.iter().rev() {
        place.feed(&["send", "--", name], &lines(1, name, 100)).silent();
    }
    for (receiver, name) in receivers.into_iter().zip(names) {
        receiver.end().silent().printed(&lines(1, name, 100));
    }
}

#[test]
fn a_follower_goes_on_with_one_sender_after_the_other() {
    let place = Place::new();
    let mut receiver = place.selvedge(&["recv", "--follow", "s"]).start();
    let texts: Vec<Vec<u8>> = (0..4).map(|seed| lines(seed, "text", 300)).collect();
    let mut sent = Vec::new();
    for text in &texts {
        place.feed(&["send", "--wait", "s"], text).silent();
        sent.extend_from_slice(text);
        receiver.until_printed(sent.len());
    }
    let mut killed = place.selvedge(&["send", "s"]).piped().start();
    killed.write(b"killed\n");
    sent.extend_from_slice(b"killed\n");
    receiver.until_printed(sent.len());
    killed.kill().killed();
    receiver.until_says("the sender died before it was done; ");
    place.feed(&["send", "--wait", "s"], b"last\n").silent();
    sent.extend_from_slice(b"last\n");
    receiver.until_printed(sent.len());
    receiver.signal(Signal::INT);
    receiver.end().code(130).printed(&sent).said(&format!("{} bytes received, 0 more", sent.len()));
    assert!(place.names().is_empty());
}

#[test]
fn senders_take_turns() {
    let place = Place::new();
    let texts: Vec<Vec<u8>> = (0..5).map(|seed| lines(seed, &format!("sender {seed}"), 5_000)).collect();
    let senders: Vec<_> =
        texts.iter().map(|text| place.selvedge(&["send", "--buffer", "64K", "s"]).input(text).start()).collect();
    let mut receiver = place.selvedge(&["recv", "--follow", "s"]).start();
    receiver.until_printed(texts.iter().map(Vec::len).sum());
    for sender in senders {
        sender.end().silent();
    }
    receiver.signal(Signal::INT);
    let received = receiver.end().code(130).stdout;
    // In any order, but none within another.
    let mut rest = &received[..];
    let mut left: Vec<&Vec<u8>> = texts.iter().collect();
    while !rest.is_empty() {
        let next = left.iter().position(|text| rest.starts_with(text)).expect("one sender's text, whole");
        rest = &rest[left.swap_remove(next).len()..];
    }
    assert!(left.is_empty());
}

/// Rounds of one sender and one receiver that start and end as chance has it: nothing is lost, nothing hangs, and no
/// receiver gets what the sender of another round sent.
#[test]
fn back_to_back_pairs() {
    let (place, mut numbers) = (Place::new(), Numbers(6));
    for round in 0..50 {
        let count = if numbers.below(5) == 0 { 0 } else { numbers.below(4_000) };
        let sent = lines(round, &format!("round {round}"), usize::try_from(count).expect("small"));
        let (early, late) = (pause(&mut numbers), pause(&mut numbers));
        let receiver_first = numbers.below(2) == 0;
        let options: &[&str] = match numbers.below(3) {
            0 => &["send", "s"],
            1 => &["send", "--wait", "s"],
            _ => &["send", "--raw", "--buffer", "64K", "s"],
        };
        let start_receiver = || place.selvedge(&["recv", "s"]).start();
        let start_sender = || place.selvedge(options).input(&sent).start();
        thread::sleep(early);
        let (receiver, sender) = if receiver_first {
            let receiver = start_receiver();
            thread::sleep(late);
            (receiver, start_sender())
        } else {
            let sender = start_sender();
            thread::sleep(late);
            (start_receiver(), sender)
        };
        receiver.end().silent().printed(&sent);
        sender.end().silent();
    }
    assert!(place.names().is_empty());
}

/// Up to 3 ms, often none at all.
fn pause(numbers: &mut Numbers) -> Duration {
    Duration::from_micros(numbers.below(4).saturating_sub(1) * numbers.below(1_000))
}

/// Senders that do not wait for receivers: what one sends may join what the one before sent, but it arrives, once and in
/// order, although each receiver tries to take the channel's name away when it is done.
#[test]
fn senders_come_while_receivers_leave() {
    let place = Place::new();
    let texts: Vec<Vec<u8>> = (0..50).map(|round| lines(round, &format!("sender {round}"), 50)).collect();
    let all = texts.concat();
    let mut received = Vec::new();
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut numbers = Numbers(7);
            for text in &texts {
                place.feed(&["send", "s"], text).silent();
                thread::sleep(pause(&mut numbers));
            }
        });
        let deadline = Deadline::after(PATIENCE);
        while received.len() < all.len() {
            let (found, expected) = (received.len(), all.len());
            assert!(!deadline.has_passed(), "receivers got {found} of {expected} bytes within {PATIENCE:?}");
            let part = place.run(&["recv", "s"]).silent().stdout;
            assert_same(&part, &all[received.len()..][..part.len()], "one receiver's part");
            received.extend_from_slice(&part);
        }
    });
    assert!(place.names().is_empty());
}

#[test]
fn a_region_that_is_removed_under_a_waiting_command() {
    let place = Place::new();
    for line in [&["recv", "s"][..], &["recv", "--follow", "s"]] {
        let mut waiting = place.selvedge(line).start();
        waiting.until_idle(&place, 1);
        place.run(&["rm", "s"]).silent();
        waiting.end().code(3).said("region `s`: was removed, and nobody is at the other end");
    }
    let mut sender = place.selvedge(&["send", "--raw", "--buffer", "4K", "s"]).input(&[b'x'; 8192]).start();
    sender.until_read(4096);
    place.run(&["rm", "s"]).silent();
    sender.end().code(3).said("was removed").said("4096 bytes sent, 4096 of them not yet received");
    // A transfer that has both its ends needs no name.
    let mut receiver = place.selvedge(&["recv", "s"]).start();
    let mut sender = place.selvedge(&["send", "s"]).piped().start();
    sender.write(b"one\n");
    receiver.until_printed(4);
    place.run(&["rm", "s"]).silent();
    sender.write(b"two\n");
    sender.end().silent();
    receiver.end().silent().printed(b"one\ntwo\n");
}

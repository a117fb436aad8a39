//! `send` and `recv` with `--capacity`: any number of both at once, each line to one receiver, and nobody ends too early.

use crate::support::{Numbers, Place, Running, bytes, lines};
use rustix::process::Signal;
use std::thread;
use std::time::Duration;

const CAPACITIES: [&str; 4] = ["0", "1", "64", "unbounded"];

/// What `why` says of the mailbox: its state.
fn state(place: &Place) -> String {
    let seen = place.run(&["why", "--json", "s", "cli"]);
    if seen.status.success() { seen.json()["state"].as_str().expect("a state").to_owned() } else { String::new() }
}

#[track_caller]
fn until_state(place: &Place, running: &mut Running, start: &str) {
    running.until(&format!("the mailbox is in state `{start}`"), |_| state(place).starts_with(start));
}

#[test]
fn lines_arrive_as_they_were_sent_through_every_capacity() {
    for capacity in CAPACITIES {
        let (place, sent) = (Place::new(), lines(1, "line", 3_000));
        let receiver = place.selvedge(&["recv", "--capacity", capacity, "--buffer", "16M", "s"]).start();
        let mut sender = place.selvedge(&["send", "--capacity", capacity, "--buffer", "16M", "s"]).piped().start();
        sender.write(&sent);
        sender.end().silent();
        receiver.end().silent().printed(&sent);
        assert!(place.names().is_empty(), "the mailbox has done its work");
    }
}

#[test]
fn the_one_who_comes_second_does_as_the_first() {
    let place = Place::new();
    let mut sender = place.selvedge(&["send", "--capacity", "2", "s"]).input(b"1\n2\n3").start();
    until_state(&place, &mut sender, "2 of 2 messages; 1 process can send; nobody has come to receive");
    place.run(&["recv", "s"]).silent().printed(b"1\n2\n3");
    sender.end().silent();
    assert!(place.names().is_empty());
    let mut receiver = place.selvedge(&["recv", "--capacity", "0", "s"]).start();
    until_state(&place, &mut receiver, "a receiver waits");
    place.feed(&["send", "--capacity", "7", "s"], b"1\n").silent();
    receiver.end().silent().printed(b"1\n");
    // But a stream is a stream.
    place.feed(&["send", "s"], b"1\n").silent();
    place.feed(&["send", "--capacity", "7", "s"], b"2\n").code(1).said("region `s`: object `cli`: ");
    place.run(&["recv", "s"]).silent().printed(b"1\n");
}

#[test]
fn each_line_of_many_goes_to_one_of_many() {
    for capacity in CAPACITIES {
        let place = Place::new();
        let options = ["--capacity", capacity, "--buffer", "16M", "s"];
        let receivers = [0; 3].map(|_| place.selvedge(&[&["recv"], &options[..]].concat()).start());
        let texts = [0, 1, 2].map(|seed| lines(seed, &format!("sender {seed}"), 1_000));
        // All come before one of them is done: else that might be the end.
        let mut senders = [0; 3].map(|_| place.selvedge(&[&["send"], &options[..]].concat()).piped().start());
        for running in &mut senders {
            running.until("all have come", |_| place.participants() == 6);
        }
        for (sender, text) in senders.iter_mut().zip(&texts) {
            sender.write(text);
        }
        senders.into_iter().for_each(|sender| drop(sender.end().silent()));
        let received = receivers.map(|receiver| receiver.end().silent().stdout);
        for one in &received {
            for seed in 0..3 {
                let mark = format!("sender {seed} ").into_bytes();
                let of_one = one.split_inclusive(|byte| *byte == b'\n').filter(|line| line.starts_with(&mark));
                let number = |line: &[u8]| -> u64 {
                    let digits = line[mark.len()..].split(|byte| *byte == b' ').next().expect("a number");
                    String::from_utf8_lossy(digits).parse().expect("a number")
                };
                assert!(of_one.map(number).is_sorted(), "those of one sender come in their order");
            }
        }
        let sorted = |texts: &[Vec<u8>]| {
            let all = texts.concat();
            let mut all: Vec<Vec<u8>> = all.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
            all.sort();
            all
        };
        assert!(sorted(&received) == sorted(&texts), "capacity {capacity}: each line once");
        assert!(place.names().is_empty());
    }
}

#[test]
fn as_many_lines_fit_as_was_said() {
    let text = lines(1, "line", 20);
    for (capacity, held) in [("0", "a sender waits"), ("3", "3 of 3 messages"), ("19", "19 of 19 messages")] {
        let place = Place::new();
        let mut sender = place.selvedge(&["send", "--capacity", capacity, "s"]).input(&text).start();
        until_state(&place, &mut sender, held);
        sender.until("it sleeps", Running::is_asleep);
        assert!(state(&place).starts_with(held), "{}", state(&place));
        sender.signal(Signal::INT);
        let told = sender.end().code(130);
        assert!(told.stderr.contains("s sent, ") && told.stderr.contains("were read and not sent"), "{}", told.stderr);
    }
    let place = Place::new();
    place.feed(&["send", "--capacity", "unbounded", "s"], &text).silent();
    place.run(&["recv", "s"]).silent().printed(&text);
    // 16 lines of 4 KiB.
    let end = place.feed(&["send", "--capacity", "unbounded", "--buffer", "64K", "s"], &text).code(1);
    assert!(end.stderr.contains("all the memory of mailbox `cli` is in use"), "{}", end.stderr);
    assert!(end.stderr.contains("16 messages of them not yet received"), "{}", end.stderr);
    let sixteen: Vec<u8> = text.split_inclusive(|byte| *byte == b'\n').take(16).flatten().copied().collect();
    place.run(&["recv", "--fail-on-death", "s"]).code(4).printed(&sixteen);
}

#[test]
fn a_sender_that_dies_is_told_of_once_and_waited_for() {
    for (ends, code) in [(Signal::KILL, None), (Signal::INT, Some(130))] {
        let place = Place::new();
        let mut receivers = [0; 2].map(|_| place.selvedge(&["recv", "--capacity", "8", "s"]).start());
        let mut sender = place.selvedge(&["send", "--capacity", "8", "s"]).piped().start();
        sender.until("all have come", |_| place.participants() == 3);
        sender.write(b"one\n");
        sender.until("it is received", |_| receivers.iter().any(|receiver| receiver.printed() == 4));
        sender.signal(ends);
        // Its input stays open: that is not why it ends.
        let input = sender.input();
        assert_eq!(sender.end().status.code(), code);
        drop(input);
        for receiver in &mut receivers {
            receiver.until_says("the sender died before it was done; ");
        }
        // Who comes later has lost nothing by that death, and has nobody to wait for.
        place.run(&["recv", "s"]).silent().printed(b"");
        place.feed(&["send", "s"], b"two\n").silent();
        let ended = receivers.map(|receiver| receiver.end().code(0));
        assert_eq!(ended.iter().map(|one| one.stdout.len()).sum::<usize>(), 8);
        for one in &ended {
            assert_eq!(one.stderr.matches("died").count(), 1, "{}", one.stderr);
        }
        assert!(place.names().is_empty());
    }
    let place = Place::new();
    let mut receiver = place.selvedge(&["recv", "--fail-on-death", "--capacity", "0", "s"]).start();
    let mut sender = place.selvedge(&["send", "--capacity", "0", "s"]).piped().start();
    sender.write(b"one\n");
    receiver.until_printed(4);
    sender.kill().killed();
    receiver.end().code(4).printed(b"one\n").said("the sender died before it was done");
}

#[test]
fn a_sender_waits_for_another_receiver() {
    let place = Place::new();
    let receiver = place.selvedge(&["recv", "--capacity", "8", "s"]).start();
    let mut sender = place.selvedge(&["send", "--wait", "--capacity", "8", "s"]).piped().start();
    sender.write(b"one\n");
    sender.until("it is received", |_| receiver.printed() == 4);
    receiver.kill().killed();
    // What was sent before that is noticed stays, too.
    sender.until("nobody receives", |_| state(&place).ends_with("nobody is left to receive"));
    sender.write(b"two\n");
    sender.until_says("no receiver is left; 4 bytes sent so far, waiting for another receiver");
    let receiver = place.selvedge(&["recv", "s"]).start();
    sender.write(b"three\n");
    sender.end().code(0);
    receiver.end().silent().printed(b"two\nthree\n");
    assert!(place.names().is_empty());
}

#[test]
fn a_follower_goes_on_until_it_is_told_to_end() {
    let place = Place::new();
    let mut receiver = place.selvedge(&["recv", "--follow", "--capacity", "4", "s"]).start();
    let mut other = place.selvedge(&["recv", "--capacity", "4", "s"]).start();
    other.until("both have come", |_| place.participants() == 2);
    // One ends with the first sender, and leaves the mailbox to the other.
    place.feed(&["send", "--capacity", "4", "s"], b"").silent();
    other.end().silent().printed(b"");
    let mut sent = Vec::new();
    for round in 0..5 {
        let text = lines(round, "text", 100);
        place.feed(&["send", "--wait", "--capacity", "4", "s"], &text).silent();
        sent.extend(text);
        receiver.until_printed(sent.len());
    }
    receiver.signal(Signal::INT);
    receiver.end().code(130).printed(&sent).said(&format!("{} bytes received, 0 messages more", sent.len()));
    assert!(place.names().is_empty());
}

#[test]
fn nobody_waits_for_whoever_cannot_come() {
    let place = Place::new();
    let mut receiver = place.selvedge(&["recv", "--capacity", "1", "s"]).start();
    until_state(&place, &mut receiver, "0 of 1 messages; nobody is left to send; 1 process can receive");
    place.run(&["rm", "s"]).silent();
    receiver.end().code(3).said("was removed, and nobody is at the other end");
    let mut sender = place.selvedge(&["send", "--capacity", "1", "s"]).input(b"1\n2\n3\n").start();
    until_state(&place, &mut sender, "1 of 1 messages; 1 process can send");
    place.run(&["rm", "s"]).silent();
    sender.end().code(3).said("was removed, and nobody is at the other end");
}

#[test]
fn a_line_has_an_end_and_bytes_have_none() {
    let place = Place::new();
    for length in [4095, 4096, 65_535] {
        let fits = [&vec![b'x'; length][..], b"\n"].concat();
        place.feed(&["send", "--capacity", "9", "s"], &fits).silent();
        place.run(&["recv", "s"]).silent().printed(&fits);
    }
    let too_long = [b"short\n", &[b'x'; 65_536][..], b"\n"].concat();
    let end = place.feed(&["send", "--capacity", "9", "s"], &too_long).code(1);
    assert!(end.stderr.contains("the line that begins at byte 6 is longer than the 65536 bytes"), "{}", end.stderr);
    place.run(&["recv", "--fail-on-death", "s"]).code(4).printed(b"short\n");
    let sent = bytes(1, 300_000);
    let receiver = place.selvedge(&["recv", "--capacity", "9", "s"]).start();
    place.feed(&["send", "--raw", "--capacity", "9", "s"], &sent).silent();
    receiver.end().silent().printed(&sent);
    for wrong in ["-1", "x", "524289", ""] {
        place.run(&["send", "--capacity", wrong, "s"]).code(2);
    }
}

/// There are places for a few long lines; who has one more to send waits, whatever the mailbox holds.
#[test]
fn long_lines_wait_for_their_places() {
    for capacity in CAPACITIES {
        let place = Place::new();
        let line =
            |number: usize| [vec![b'a' + u8::try_from(number % 26).expect("a letter"); 50_000], vec![b'\n']].concat();
        let sent: Vec<u8> = (0..40).flat_map(|number| [line(number), b"short\n".to_vec()].concat()).collect();
        let sender = place.selvedge(&["send", "--capacity", capacity, "s"]).input(&sent).start();
        place.selvedge(&["recv", "--capacity", capacity, "s"]).start().end().silent().printed(&sent);
        sender.end().silent();
        assert!(place.names().is_empty());
    }
}

#[test]
fn who_asks_for_a_type_leaves_the_others_there() {
    for capacity in ["8", "unbounded"] {
        let place = Place::new();
        let send = |kind, text| place.feed(&["send", "--capacity", capacity, "--type", kind, "s"], text).silent();
        send("1", b"one\n");
        send("2", b"two\n");
        send("0", b"none\n");
        send("2", b"two again\n");
        place.run(&["recv", "--type", "2", "s"]).silent().printed(b"two\ntwo again\n");
        place.run(&["recv", "--type", "7", "s"]).silent().printed(b"");
        place.run(&["recv", "s"]).silent().printed(b"one\nnone\n");
        assert!(place.names().is_empty());
    }
    // Somebody waits for a type, and those of another do not wake it for good.
    let place = Place::new();
    let mut receiver = place.selvedge(&["recv", "--type", "3", "--capacity", "8", "s"]).start();
    let mut other = place.selvedge(&["recv", "--type", "4", "--capacity", "8", "s"]).start();
    other.until("both have come", |_| place.participants() == 2);
    let mut sender = place.selvedge(&["send", "--type", "3", "--capacity", "8", "s"]).piped().start();
    place.feed(&["send", "--type", "4", "s"], b"four\n").silent();
    other.until_printed(5);
    sender.write(b"three\n");
    receiver.until_printed(6);
    sender.end().silent();
    receiver.end().silent().printed(b"three\n");
    other.end().silent().printed(b"four\n");
    assert!(place.names().is_empty());
}

#[test]
fn types_and_acknowledgements_are_for_what_lies_in_a_mailbox() {
    let place = Place::new();
    for (command, feed) in [("send", "1\n"), ("recv", "")] {
        place.feed(&[command, "--type", "3", "s"], feed.as_bytes()).code(1).said("--type is for mailboxes");
        place.feed(&[command, "--ack", "s"], feed.as_bytes()).code(2);
        place.feed(&[command, "--capacity", "0", "--ack", "s"], feed.as_bytes()).code(1).said("--capacity 0");
    }
    assert!(place.names().is_empty(), "nothing was made");
    let end = place.run(&["recv", "--capacity", "0", "--type", "3", "s"]).code(1);
    assert!(end.stderr.contains("capacity zero keeps nothing for others"), "{}", end.stderr);
    assert!(place.names().is_empty());
}

#[test]
fn what_was_not_printed_is_there_again_where_it_is_to_be_acknowledged() {
    for (capacity, ack) in [("8", true), ("unbounded", true), ("8", false)] {
        let (place, ack): (_, &[&str]) = (Place::new(), if ack { &["--ack"] } else { &[] });
        let options = [&["send", "--capacity", capacity][..], ack, &["s"]].concat();
        place.feed(&options, b"1\n2\n").silent();
        place.run(&["recv", "--file", "/dev/full", "s"]).code(1).said("No space left on device");
        let next = place.run(&["recv", "s"]).code(0);
        if ack.is_empty() {
            next.silent().printed(b"2\n");
        } else {
            assert!(next.stderr.contains("one line may have been printed before"), "{}", next.stderr);
            next.printed(b"1\n2\n");
        }
        assert!(place.names().is_empty());
    }
}

/// Receivers are killed, and others take their places: each line is printed, and as many twice as receivers were killed, at most.
#[test]
fn no_line_is_lost_with_its_receiver_where_it_is_to_be_acknowledged() {
    const KILLS: usize = 12;
    let (place, sent) = (Place::new(), lines(1, "line", 60_000));
    let start = || place.selvedge(&["recv", "--capacity", "16", "--ack", "s"]).start();
    let mut receivers = [start(), start()];
    let mut sender = place.selvedge(&["send", "--wait", "--capacity", "16", "--ack", "s"]).piped().start();
    let mut printed = Vec::new();
    for (kill, chunk) in sent.chunks(sent.len() / KILLS + 1).enumerate() {
        sender.until("two receive", |_| place.participants() >= 3);
        // Most of it has been sent when this returns, and some is being received.
        sender.write(chunk);
        let victim = std::mem::replace(&mut receivers[kill % 2], start());
        // A line that was printed in part is no line.
        let mut text = victim.kill().killed().stdout;
        text.truncate(text.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1));
        printed.extend(text);
    }
    // Who came later than the end of the last line would wait for another sender.
    sender.until("two receive", |_| place.participants() >= 3);
    sender.end().code(0);
    for receiver in receivers {
        printed.extend(receiver.end().code(0).stdout);
    }
    let mut counts = std::collections::BTreeMap::<&[u8], usize>::new();
    for line in printed.split_inclusive(|byte| *byte == b'\n') {
        *counts.entry(line).or_default() += 1;
    }
    let lost = sent.split_inclusive(|byte| *byte == b'\n').filter(|line| !counts.contains_key(line)).count();
    assert_eq!(lost, 0, "lines are lost");
    let twice: usize = counts.values().map(|count| count - 1).sum();
    assert!(twice <= KILLS, "{twice} lines were printed twice, and {KILLS} receivers killed");
    assert!(place.names().is_empty());
}

/// Rounds of one sender and one receiver that start and end as chance has it: nothing is lost, and nothing hangs.
#[test]
fn back_to_back_pairs_through_mailboxes() {
    let (place, mut numbers) = (Place::new(), Numbers(7));
    for round in 0..60 {
        let count = if numbers.below(5) == 0 { 0 } else { numbers.below(300) };
        let sent = lines(round, &format!("round {round}"), usize::try_from(count).expect("small"));
        let capacity = CAPACITIES[usize::try_from(numbers.below(4)).expect("small")];
        let wait: &[&str] = if numbers.below(2) == 0 { &["--wait"] } else { &[] };
        let options = ["--capacity", capacity, "s"];
        let start_receiver = || place.selvedge(&[&["recv"], &options[..]].concat()).start();
        let start_sender = || place.selvedge(&[&["send"], &options[..], wait].concat()).input(&sent).start();
        let pause = Duration::from_micros(numbers.below(4).saturating_sub(1) * numbers.below(1_000));
        let (receiver, sender) = if numbers.below(2) == 0 {
            let receiver = start_receiver();
            thread::sleep(pause);
            (receiver, start_sender())
        } else {
            let sender = start_sender();
            thread::sleep(pause);
            (start_receiver(), sender)
        };
        receiver.end().silent().printed(&sent);
        sender.end().silent();
    }
    assert!(place.names().is_empty());
}

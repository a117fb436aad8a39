//! Senders and receivers are killed, and others go on.

use crate::pipes::output;
use crate::support::{Finished, Numbers, Place, Running, assert_same, bytes, lines};

/// Most bytes that a receiver prints before it takes them out, and that its successor prints again if it is killed.
const PIECE: usize = 256 << 10;

/// Most bytes that a sender is fed before it is killed: more than its receiver has to print by then, and no more than
/// memory has room for, however late the kill comes.
const FEED: usize = 16 << 20;

/// Starts a sender, feeds it `text` again and again, and kills it when the receiver has printed `printed` bytes.
#[track_caller]
fn kill_sender_at(place: &Place, line: &[&str], text: &[u8], receiver: &mut Running, printed: usize) {
    let mut sender = place.selvedge(line).piped().start();
    let mut fed = 0;
    receiver.until(&format!("it has printed {printed} bytes"), |receiver| {
        if fed < FEED {
            fed += sender.offer(&text[fed % text.len()..]);
        }
        receiver.printed() >= printed
    });
    sender.kill().killed();
}

/// The first `length` bytes of `text`, repeated.
fn repeated(text: &[u8], length: usize) -> Vec<u8> {
    text.iter().copied().cycle().take(length).collect()
}

/// What follows in `found` after as many whole lines as it has of `text`, repeated.
fn after_whole_lines<'a>(found: &'a [u8], text: &[u8]) -> &'a [u8] {
    let length = found.iter().zip(text.iter().cycle()).take_while(|(one, other)| one == other).count();
    let end = found[..length].iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    &found[end..]
}

#[test]
fn a_sender_is_killed_and_another_goes_on() {
    let place = Place::new();
    let (first, second) = (lines(1, "first", 10_000), lines(2, "second", 1_000));
    let mut receiver = place.selvedge(&["recv", "s"]).start();
    kill_sender_at(&place, &["send", "s"], &first, &mut receiver, 1 << 20);
    receiver.until_says("the sender died before it was done; ");
    let before = receiver.stdout();
    let said = format!("{} bytes received so far, waiting for another sender", before.len());
    assert!(before.ends_with(b"\n"), "cut within a line");
    assert_same(&before, &repeated(&first, before.len()), "what the first one sent");
    place.feed(&["send", "s"], &second).silent();
    let all = receiver.end().code(0).said(&said).printed(&[before, second].concat());
    assert_eq!(all.stderr.lines().count(), 1, "{}", all.stderr);
}

#[test]
fn a_raw_sender_is_killed_and_another_goes_on() {
    let place = Place::new();
    let (first, second) = (bytes(3, 1_000_003), bytes(4, 3 << 20));
    let mut receiver = place.selvedge(&["recv", "--raw", "s"]).start();
    kill_sender_at(&place, &["send", "--raw", "s"], &first, &mut receiver, 3 << 20);
    receiver.until_says("waiting for another sender");
    let before = receiver.stdout();
    assert_same(&before, &repeated(&first, before.len()), "what the first one sent");
    place.feed(&["send", "--raw", "s"], &second).silent();
    receiver.end().code(0).printed(&[before, second].concat());
}

#[test]
fn many_senders_are_killed_at_random_and_only_whole_lines_arrive() {
    let (place, mut numbers) = (Place::new(), Numbers(5));
    let mut receiver = place.selvedge(&["recv", "--json", "s"]).start();
    let mut texts = Vec::new();
    for round in 0..12_u64 {
        let text = lines(round, &format!("sender {round}"), 1_000);
        // Sometimes before it has sent anything.
        let more = if round % 4 == 0 { 0 } else { 1 + usize::try_from(numbers.below(700_000)).expect("small") };
        let printed = receiver.printed() + more;
        kill_sender_at(&place, &["send", "s"], &text, &mut receiver, printed);
        texts.push(text);
    }
    let last = lines(99, "the last", 10);
    place.feed(&["send", "s"], &last).silent();
    let Finished { stdout, .. } = &receiver.end().code(0);
    let rest = texts.iter().fold(&stdout[..], |rest, text| after_whole_lines(rest, text));
    assert_same(rest, &last, "what the last one sent");
}

#[test]
fn deaths_are_counted_in_the_report() {
    let place = Place::new();
    let mut receiver = place.selvedge(&["recv", "--json", "s"]).start();
    let mut sender = place.selvedge(&["send", "s"]).piped().start();
    sender.write(b"one\n");
    receiver.until_printed(4);
    sender.kill().killed();
    receiver.until_says("\n");
    place.feed(&["send", "s"], b"two\n").silent();
    let reports = receiver.end().code(0).printed(b"one\ntwo\n").reports();
    assert_eq!(reports.len(), 2, "{reports:?}");
    assert_eq!((&reports[0]["deaths"], &reports[0]["bytes"]), (&1.into(), &4.into()));
    assert!(reports[0].get("ended").is_none(), "{reports:?}");
    assert_eq!((&reports[1]["deaths"], &reports[1]["bytes"]), (&1.into(), &8.into()));
    assert_eq!(reports[1]["ended"], "complete");
}

/// Nothing is lost; what was printed and not yet taken out is printed again.
#[test]
fn receivers_are_killed_and_others_go_on() {
    let place = Place::new();
    let sent = bytes(6, 24 << 20);
    let mut sender = place.selvedge(&["send", "--raw", "--wait", "s"]).input(&sent).start();
    let mut received = 0;
    for round in 1..=5 {
        // A pipe, so that the receiver cannot run away.
        let (mut output, writer) = output();
        let receiver = place.selvedge(&["recv", "--raw", "s"]).start_into(writer);
        let mut part = output.read(700_000 * round);
        receiver.kill().killed();
        part.extend(output.rest(sent.len()));
        received = joined(&sent, received, &part);
    }
    let last = place.run(&["recv", "--raw", "s"]).silent().stdout;
    assert_eq!(joined(&sent, received, &last), sent.len());
    sender.until_says("the receiver died; ");
    let told = sender.end().code(0).said("bytes sent so far, waiting for another receiver");
    assert!(told.stderr.lines().count() <= 5, "{}", told.stderr);
}

/// Checks that `part` goes on in `sent` at `start`, where the part before it ended, or a piece before. Its end.
#[track_caller]
fn joined(sent: &[u8], start: usize, part: &[u8]) -> usize {
    let earliest = start.saturating_sub(PIECE);
    // The latest place that fits: with none, the part itself tells.
    let begin = (earliest..=start).rev().find(|begin| sent[*begin..].starts_with(part)).unwrap_or(start);
    assert_same(part, &sent[begin..sent.len().min(begin + part.len())], "one receiver's part");
    begin + part.len()
}

#[test]
fn a_receiver_that_is_not_to_survive_its_sender_ends_with_code_4() {
    let place = Place::new();
    let mut receiver = place.selvedge(&["recv", "--fail-on-death", "s"]).start();
    let mut sender = place.selvedge(&["send", "s"]).piped().start();
    sender.write(b"one\n");
    receiver.until_printed(4);
    sender.kill().killed();
    receiver
        .end()
        .code(4)
        .printed(b"one\n")
        .said("the sender died before it was done")
        .said("4 bytes received, 0 more");
    assert!(place.names().is_empty(), "a channel with nothing and nobody in it");
    place.feed(&["send", "s"], b"two\n").silent();
    place.run(&["recv", "--fail-on-death", "s"]).silent().printed(b"two\n");
}

#[test]
fn a_sender_that_was_killed_before_the_receiver_came() {
    let place = Place::new();
    for (options, code) in
        [(&["recv", "--fail-on-death", "s"][..], 4), (&["recv", "--json", "--fail-on-death", "s"], 4)]
    {
        let mut sender = place.selvedge(&["send", "--wait", "s"]).input(b"one\ntwo\n").start();
        sender.until("both lines are in the region", |_| place.pending() == 8);
        sender.kill().killed();
        let received = place.run(options).code(code).printed(b"one\ntwo\n");
        assert!(received.stderr.contains("sender died") || received.reports()[0]["ended"] == "peer_died");
    }
}

#[test]
fn who_waits_for_a_turn_gets_it_when_the_one_before_is_killed() {
    let place = Place::new();
    let mut first = place.selvedge(&["send", "s"]).piped().start();
    first.until_idle(&place, 1);
    let mut second = place.selvedge(&["send", "--wait", "s"]).input(b"second\n").start();
    let mut receiver = place.selvedge(&["recv", "s"]).start();
    first.write(b"first\n");
    receiver.until_printed(6);
    second.until("it waits for its turn", |_| place.participants() == 3);
    first.kill().killed();
    second.end().silent();
    receiver.end().code(0).printed(b"first\nsecond\n").said("the sender died");
}

#[test]
fn a_waiting_receiver_takes_over_from_one_that_is_killed() {
    let place = Place::new();
    let mut first = place.selvedge(&["recv", "s"]).start();
    let mut sender = place.selvedge(&["send", "s"]).piped().start();
    sender.write(b"first\n");
    first.until_printed(6);
    let mut second = place.selvedge(&["recv", "s"]).start();
    second.until("it waits for its turn", |_| place.participants() == 3);
    first.kill().killed();
    sender.write(b"second\n");
    sender.end().code(0);
    let printed = second.end().silent().stdout;
    assert!(printed == b"second\n" || printed == b"first\nsecond\n", "{}", String::from_utf8_lossy(&printed));
}

#[test]
fn both_are_killed_and_the_next_two_go_on() {
    let place = Place::new();
    let (first, second) = (lines(8, "first", 10_000), lines(9, "second", 1_000));
    let mut receiver = place.selvedge(&["recv", "s"]).start();
    kill_sender_at(&place, &["send", "s"], &first, &mut receiver, 1 << 20);
    let before = receiver.kill().killed().stdout;
    let first = repeated(&first, before.len() + (4 << 20));
    assert_same(&before, &first[..before.len()], "what the first two moved");
    let mut receiver = place.selvedge(&["recv", "s"]).start();
    receiver.until_says("the sender died before it was done");
    let left = receiver.stdout();
    place.feed(&["send", "s"], &second).silent();
    receiver.end().code(0).printed(&[&left[..], &second].concat());
    let end = joined(&first, before.len(), &left);
    assert!(first[..end].ends_with(b"\n"), "cut within a line");
}

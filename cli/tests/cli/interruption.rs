//! Ctrl-C and SIGTERM: what is said, what it does to the transfer, and that the next one works.

use crate::pipes::output;
use crate::support::{Place, Running, assert_same, bytes, lines};
use rustix::process::Signal;

/// Sends `text` from one more sender to a receiver, and checks what this prints.
#[track_caller]
fn next_transfer_works(place: &Place, text: &[u8], expected: &[u8]) {
    place.feed(&["send", "s"], text).silent();
    place.run(&["recv", "s"]).code(0).printed(expected);
    assert!(place.names().is_empty(), "the channel has done its work");
}

#[test]
fn a_sender_that_waits_for_room() {
    let place = Place::new();
    let sent = bytes(1, 1 << 20);
    let mut sender = place.selvedge(&["send", "--raw", "--buffer", "64K", "s"]).input(&sent).start();
    sender.until_read(64 << 10);
    sender.signal(Signal::INT);
    sender.end().code(130).said("interrupted").said("65536 bytes sent, 65536 of them not yet received\n");
    // The receiver is not made to believe that this was all.
    let mut receiver = place.selvedge(&["recv", "s"]).start();
    receiver.until_says("the sender died before it was done");
    place.feed(&["send", "--raw", "s"], &sent[64 << 10..]).silent();
    receiver.end().code(0).printed(&sent);
    next_transfer_works(&place, b"next\n", b"next\n");
}

#[test]
fn a_sender_of_lines_that_waits_for_room() {
    let place = Place::new();
    let sent = lines(2, "line", 20_000);
    let mut sender = place.selvedge(&["send", "--json", "--buffer", "64K", "s"]).input(&sent).start();
    // Four batches of lines fit, a quarter of the buffer each, and less than a line's length is left over by each.
    sender.until("it waits for room", |_| place.pending() > 63 << 10);
    let read = sender.has_read();
    sender.signal(Signal::TERM);
    let report = sender.end().code(143).reports().remove(0);
    assert_eq!(report["ended"], "interrupted");
    let number = |key: &str| report[key].as_u64().expect("a number");
    assert_eq!(number("bytes") + number("unsent"), read, "{report}");
    assert_eq!(number("pending"), number("bytes"), "{report}");
    let kept = &sent[..usize::try_from(number("bytes")).expect("small")];
    assert!(kept.ends_with(b"\n"), "cut within a line");
    next_transfer_works(&place, b"next\n", &[kept, b"next\n"].concat());
}

#[test]
fn a_sender_that_waits_for_input() {
    let place = Place::new();
    for (mode, signal, code) in [
        (&["send", "s"][..], Signal::INT, 130),
        (&["send", "--raw", "s"], Signal::INT, 130),
        (&["send", "s"], Signal::TERM, 143),
    ] {
        let mut receiver = place.selvedge(&["recv", "s"]).start();
        let mut sender = place.selvedge(mode).piped().start();
        // Held open: the end of the input would be the end of the transfer.
        let mut input = sender.input();
        input.write(b"one\n");
        receiver.until_taken(4);
        sender.signal(signal);
        sender.end().code(code).said("interrupted").said("4 bytes sent, 0 of them not yet received");
        receiver.until_says("the sender died before it was done; 4 bytes received so far");
        place.feed(&["send", "s"], b"two\n").silent();
        receiver.end().code(0).printed(b"one\ntwo\n");
        drop(input);
    }
}

#[test]
fn a_sender_with_half_a_line() {
    let place = Place::new();
    let mut receiver = place.selvedge(&["recv", "s"]).start();
    let mut sender = place.selvedge(&["send", "s"]).piped().start();
    let mut input = sender.input();
    input.write(b"one\nhalf");
    receiver.until_taken(4);
    sender.signal(Signal::INT);
    sender.end().code(130).said("4 bytes sent, 0 of them not yet received; 4 bytes were read and not sent");
    place.feed(&["send", "s"], b"two\n").silent();
    receiver.end().code(0).printed(b"one\ntwo\n");
}

#[test]
fn a_sender_that_nobody_hears_leaves_nothing() {
    let place = Place::new();
    let mut sender = place.selvedge(&["send", "s"]).piped().start();
    let input = sender.input();
    sender.until_idle(&place, 1);
    sender.signal(Signal::INT);
    sender.end().code(130).said("interrupted");
    drop(input);
    assert!(place.names().is_empty(), "an empty channel without anybody");
    next_transfer_works(&place, b"next\n", b"next\n");
}

#[test]
fn a_sender_that_waits_for_its_turn() {
    let place = Place::new();
    let mut first = place.selvedge(&["send", "s"]).piped().start();
    first.until_idle(&place, 1);
    let mut second = place.selvedge(&["send", "s"]).input(b"second\n").start();
    second.until("it waits for its turn", |_| place.participants() == 2);
    second.signal(Signal::INT);
    let end = second.end().code(130).said("interrupted");
    assert_eq!(end.stderr.lines().count(), 1, "it had no turn: {}", end.stderr);
    first.write(b"first\n");
    first.end().silent();
    place.run(&["recv", "s"]).silent().printed(b"first\n");
    next_transfer_works(&place, b"next\n", b"next\n");
}

#[test]
fn a_sender_that_waits_until_everything_is_received() {
    let place = Place::new();
    let mut sender = place.selvedge(&["send", "--wait", "s"]).input(b"one\ntwo\n").start();
    sender.until("it has sent everything", |_| place.pending() == 8);
    sender.signal(Signal::INT);
    sender.end().code(130).said("8 bytes sent, 8 of them not yet received");
    next_transfer_works(&place, b"next\n", b"one\ntwo\nnext\n");
}

#[test]
fn a_receiver_that_waits_for_a_sender() {
    let place = Place::new();
    for (options, signal, code) in
        [(&["recv", "s"][..], Signal::INT, 130), (&["recv", "--follow", "s"], Signal::TERM, 143)]
    {
        let mut receiver = place.selvedge(options).start();
        receiver.until_idle(&place, 1);
        receiver.signal(signal);
        receiver.end().code(code).said("interrupted").printed(b"");
        assert!(place.names().is_empty(), "an empty channel without anybody");
        next_transfer_works(&place, b"next\n", b"next\n");
    }
}

/// Unlike one that is killed it finishes what it has begun: nothing is lost, and nothing comes twice.
#[test]
fn receivers_in_the_middle() {
    let place = Place::new();
    let sent = bytes(3, 24 << 20);
    let sender = place.selvedge(&["send", "--raw", "s"]).input(&sent).start();
    let mut received = Vec::new();
    for round in 1..=4 {
        // A pipe, so that the receiver cannot run away.
        let (mut output, writer) = output();
        let receiver = place.selvedge(&["recv", "s"]).start_into(writer);
        let mut part = output.read(500_000 * round);
        receiver.signal(Signal::INT);
        part.extend(output.rest(sent.len()));
        receiver.end().code(130).said("interrupted").said(&format!("{} bytes received, ", part.len()));
        received.extend_from_slice(&part);
    }
    let last = place.run(&["recv", "s"]).silent();
    received.extend_from_slice(&last.stdout);
    assert_same(&received, &sent, "what all receivers printed");
    sender.end().silent();
}

/// What it has not printed is there for the next receiver, whether the sender waits for that or is gone.
#[test]
fn a_receiver_whose_output_is_full() {
    let place = Place::new();
    let sent = bytes(4, 1 << 20);
    for (line, waits) in [(&["send", "--raw", "--wait", "s"][..], true), (&["send", "--raw", "s"], false)] {
        let mut sender = Some(place.selvedge(line).input(&sent).start());
        if let Some(sender) = sender.take_if(|_| !waits) {
            sender.end().silent();
        }
        let (mut output, writer) = output();
        let mut receiver = place.selvedge(&["recv", "s"]).start_into(writer);
        receiver.until("its output is full", |_| output.is_full());
        receiver.signal(Signal::INT);
        receiver.end().code(130).said("interrupted");
        let first = output.rest(sent.len());
        let second = place.run(&["recv", "s"]).silent().stdout;
        assert_same(&[first, second].concat(), &sent, "what both receivers printed");
        if let Some(sender) = sender {
            sender.end().silent();
        }
        assert!(place.names().is_empty(), "the channel has done its work");
    }
}

#[test]
fn a_named_pipe_that_nobody_opens() {
    let place = Place::new();
    let path = place.path("fifo");
    rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, rustix::fs::Mode::RWXU, 0)
        .expect("a named pipe");
    let mut sender = place.selvedge(&["send", "s", "--file", path.to_str().expect("a path")]).start();
    sender.until("it sleeps", Running::is_asleep);
    sender.signal(Signal::INT);
    let end = sender.end();
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&end.status), Some(2));
    assert!(place.names().is_empty());
}

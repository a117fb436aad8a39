//! What goes in comes out.

use crate::pipes::output;
use crate::support::{Place, assert_same, bytes, content, lines};
use std::fs::File;
use std::process::Stdio;

const MEGABYTE: usize = 1 << 20;

#[test]
fn raw_bytes_arrive_as_they_were_sent() {
    let (place, sent) = (Place::new(), bytes(1, 50 * MEGABYTE + 17));
    let receiver = place.selvedge(&["recv", "--raw", "s"]).start();
    place.feed(&["send", "--raw", "s"], &sent).silent();
    receiver.end().silent().printed(&sent);
    assert!(place.names().is_empty(), "the channel has done its work");
}

#[test]
fn lines_arrive_as_they_were_sent() {
    let (place, sent) = (Place::new(), lines(2, "line", 450_000));
    assert!(sent.len() > 45 * MEGABYTE);
    let receiver = place.selvedge(&["recv", "s"]).start();
    place.feed(&["send", "s"], &sent).silent();
    receiver.end().silent().printed(&sent);
}

#[test]
fn bytes_that_are_no_text_arrive_line_by_line_too() {
    let (place, sent) = (Place::new(), bytes(3, MEGABYTE));
    let receiver = place.selvedge(&["recv", "s"]).start();
    place.feed(&["send", "--wait", "s"], &sent).silent();
    receiver.end().silent().printed(&sent);
}

#[test]
fn a_pipe_feeds_the_sender_and_a_pipe_drains_the_receiver() {
    let (place, sent) = (Place::new(), bytes(4, 8 * MEGABYTE));
    let (mut output, writer) = output();
    let receiver = place.selvedge(&["recv", "--raw", "s"]).start_into(writer);
    let mut sender = place.selvedge(&["send", "--raw", "s"]).piped().start();
    let mut input = sender.input();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            input.write(&sent);
            drop(input);
        });
        assert_same(&output.rest(sent.len()), &sent, "through pipes");
    });
    sender.end().silent();
    receiver.end().silent();
}

#[test]
fn files_instead_of_standard_input_and_output() {
    let (place, sent) = (Place::new(), bytes(5, 3 * MEGABYTE + 1));
    let (source, copy) = (place.file(&sent), place.path("copy"));
    let receiver = place.selvedge(&["recv", "s", "--file", copy.to_str().expect("a path")]).start();
    place.run(&["send", "--raw", "--wait", "s", "--file", source.to_str().expect("a path")]).silent();
    receiver.end().silent().printed(b"");
    assert_same(&content(&copy), &sent, "the copy");
}

#[test]
fn the_sender_may_be_gone_before_the_receiver_comes() {
    let (place, sent) = (Place::new(), lines(6, "early", 5_000));
    place.feed(&["send", "s"], &sent).silent();
    assert_eq!(place.names(), ["s"], "what was sent waits in the region");
    place.run(&["recv", "s"]).silent().printed(&sent);
    assert!(place.names().is_empty());
}

#[test]
fn empty_input_is_an_empty_transfer() {
    let place = Place::new();
    for mode in [&["send", "s"][..], &["send", "--raw", "s"], &["send", "--wait", "s"]] {
        let receiver = place.selvedge(&["recv", "s"]).start();
        place.feed(mode, b"").silent();
        receiver.end().silent().printed(b"");
        place.feed(mode, b"").silent();
        place.run(&["recv", "s"]).silent().printed(b"");
    }
}

#[test]
fn the_last_line_needs_no_end() {
    let place = Place::new();
    place.feed(&["send", "s"], b"one\ntwo").silent();
    place.run(&["recv", "s"]).silent().printed(b"one\ntwo");
}

#[test]
fn a_line_as_long_as_the_buffer_arrives() {
    let place = Place::new();
    let line = [vec![b'x'; 65_535], b"\n".to_vec(), vec![b'y'; 65_536]].concat();
    let receiver = place.selvedge(&["recv", "--buffer", "64K", "s"]).start();
    place.feed(&["send", "--buffer", "64K", "s"], &line).silent();
    receiver.end().silent().printed(&line);
}

/// The lines before it arrive, the receiver is told that this is not the end, and another sender goes on.
#[test]
fn a_line_longer_than_the_buffer_is_an_error_and_nothing_else_is_lost() {
    let place = Place::new();
    let mut receiver = place.selvedge(&["recv", "--buffer", "4K", "s"]).start();
    let input = [b"one\ntwo\n".to_vec(), vec![b'x'; 4096], b"\nthree\n".to_vec()].concat();
    let unsent = format!("8 bytes sent, 0 of them not yet received; {} bytes were read and not sent", input.len() - 8);
    // The receiver has both lines before the sender is started on the long one.
    let mut sender = place.selvedge(&["send", "--buffer", "4K", "s"]).piped().start();
    sender.write(&input[..8]);
    receiver.until_taken(8);
    sender.write(&input[8..]);
    sender
        .end()
        .code(1)
        .said("the line that begins at byte 8 does not fit the buffer of 4096 bytes")
        .said("--raw")
        .said("--buffer")
        .said(&unsent);
    receiver.until_says("the sender died before it was done; 8 bytes received so far, waiting for another sender");
    place.feed(&["send", "--raw", "s"], &input[8..]).silent();
    receiver.end().code(0).printed(&input);
}

#[test]
fn a_line_without_end_does_not_fill_the_memory() {
    let place = Place::new();
    let mut sender = place.selvedge(&["send", "--buffer", "64K", "s"]).piped().start();
    let read = sender.input().write_until_closed(&vec![b'x'; 8 * MEGABYTE]);
    assert!(read < 8 * MEGABYTE, "it read {read} bytes of one line");
    sender.end().code(1).said("the line that begins at byte 0 does not fit");
}

#[test]
fn wait_returns_when_everything_was_received() {
    let place = Place::new();
    let mut sender = place.selvedge(&["send", "--wait", "s"]).input(b"one\ntwo\n").start();
    sender.until_read(8);
    place.run(&["recv", "s"]).silent().printed(b"one\ntwo\n");
    sender.end().silent();
}

#[test]
fn one_byte_of_buffer_is_enough() {
    let place = Place::new();
    let receiver = place.selvedge(&["recv", "--buffer", "1", "s"]).start();
    place.feed(&["send", "--raw", "--buffer", "1", "s"], b"slowly\n").silent();
    receiver.end().silent().printed(b"slowly\n");
}

#[test]
fn whoever_makes_the_region_chooses_the_buffer() {
    let place = Place::new();
    place.feed(&["send", "--buffer", "64K", "s"], b"one\n").silent();
    let region = place.run(&["stat", "--json", "s"]).silent().json();
    assert_eq!(region["objects"][0]["capacity"], 65_536);
    place.run(&["recv", "--buffer", "1M", "s"]).silent().printed(b"one\n");
}

#[test]
fn what_cannot_be_written_stays_for_the_next_receiver() {
    let place = Place::new();
    let sent = lines(7, "kept", 20_000);
    let mut sender = place.selvedge(&["send", "--wait", "s"]).input(&sent).start();
    sender.until_idle(&place, 1);
    // A pipe whose reader is gone.
    let (reader, writer) = output();
    drop(reader);
    let broken = place.selvedge(&["recv", "s"]).start_into(writer).end();
    broken.code(1).said("standard output: Broken pipe").said("0 bytes received, ");
    // A file system that is full.
    let full = File::create("/dev/full").expect("a device");
    let full = place.selvedge(&["recv", "s"]).start_into(Stdio::from(full)).end();
    full.code(1).said("standard output: No space left on device").said("0 bytes received, ");
    // A file that cannot be made.
    let nowhere = place.run(&["recv", "s", "--file", "/dev/null/file"]);
    nowhere.code(1).said("/dev/null/file: Not a directory").said("0 bytes received, ");
    place.run(&["recv", "s"]).silent().printed(&sent);
    sender.end().silent();
}

#[test]
fn a_receiver_whose_output_nobody_reads_gives_up_although_nothing_is_sent() {
    let place = Place::new();
    let (reader, writer) = output();
    let mut receiver = place.selvedge(&["recv", "s"]).start_into(writer);
    receiver.until_idle(&place, 1);
    drop(reader);
    receiver.end().code(1).said("standard output: Broken pipe");
    assert!(place.names().is_empty(), "nothing is in the channel, and nobody");
}

#[test]
fn what_cannot_be_read_is_an_error_and_not_the_end_of_a_transfer() {
    let place = Place::new();
    place.run(&["send", "s", "--file", "/nowhere/at all"]).code(1).said("/nowhere/at all: No such file or directory");
    place.run(&["send", "s", "--file", "/dev/shm"]).code(1).said("/dev/shm: is a directory");
    assert!(place.names().is_empty());
    // Standard input that is a directory fails at the first read only.
    let mut receiver = place.selvedge(&["recv", "s"]).start();
    // A channel in which nobody is yet would go with the sender that gives it up.
    receiver.until_idle(&place, 1);
    for mode in [&["send", "s"][..], &["send", "--raw", "s"]] {
        let directory = File::open("/dev/shm").expect("a directory");
        let sender = place.selvedge(mode).stdin(directory).start().end();
        sender.code(1).said("standard input: Is a directory").said("0 bytes sent");
    }
    receiver.until_says("the sender died before it was done; 0 bytes received so far");
    place.feed(&["send", "s"], b"after all\n").silent();
    receiver.end().code(0).printed(b"after all\n");
}

#[test]
fn reports_in_json_are_one_object_on_a_line() {
    let place = Place::new();
    let receiver = place.selvedge(&["recv", "--json", "s"]).start();
    let sent = place.feed(&["send", "--json", "--wait", "s"], b"one\n").code(0).reports();
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0]["command"], "send");
    assert_eq!(sent[0]["region"], "s");
    assert_eq!(sent[0]["ended"], "complete");
    assert_eq!(sent[0]["bytes"], 4);
    assert_eq!(sent[0]["pending"], 0);
    assert_eq!(sent[0]["deaths"], 0);
    let received = receiver.end().code(0).printed(b"one\n").reports();
    assert_eq!(received.len(), 1);
    assert_eq!(received[0]["command"], "recv");
    assert_eq!(received[0]["ended"], "complete");
    assert_eq!(received[0]["bytes"], 4);
}

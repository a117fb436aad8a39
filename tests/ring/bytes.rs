//! Streams of bytes: what `std::io` promises, batches that are seen as a whole, and what comes from and goes to files.

use super::support::actors::fork;
use super::support::alone::alone;
use super::support::patience::PATIENCE;
use super::support::shared::{Mark, Shared};
use super::{REGION, options, region};
use selvedge::Deadline;
use selvedge::region::{ByteReader, ByteStream, ByteWriter, Departure, IfGone, Peer, Predecessor, StreamError};
use std::io::{self, ErrorKind, Read, Write};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(120);
/// For the whole work of one process.
const WORK: Duration = Duration::from_secs(90);

fn stream(capacity: usize) -> ByteStream {
    region().stream("stream", capacity).expect("a stream")
}

fn ends(stream: &ByteStream) -> (ByteWriter, ByteReader) {
    (stream.writer().expect("free"), stream.reader().expect("free"))
}

/// The byte at `position` of what is sent: a period that divides no power of two.
fn byte(position: usize) -> u8 {
    u8::try_from(position % 251).expect("small")
}

#[test]
fn bytes_between_two_processes() {
    const ALL: usize = 20 << 20;
    alone(LIMIT, || {
        let _kept = options().create(REGION).expect("a region");
        let open = || options().open(REGION).expect("a region").stream("stream", 10_007).expect("a stream");
        let writer = fork("the writer", || {
            let mut writer = open().writer().expect("free").if_gone(IfGone::Wait);
            let bytes: Vec<u8> = (0..ALL).map(byte).collect();
            let mut rest = &bytes[..];
            for length in (1..).step_by(997) {
                let (now, later) = rest.split_at(rest.len().min(length % 30_000 + 1));
                writer.write_all(now).expect("a reader, now or later");
                rest = later;
                if rest.is_empty() {
                    return;
                }
            }
        });
        let reader = fork("the reader", || {
            let mut reader = open().reader().expect("free");
            let (mut position, mut into) = (0, vec![0; 30_000]);
            loop {
                let length = 1 + position % into.len();
                let count = reader.read(&mut into[..length]).expect("a writer");
                if count == 0 {
                    break;
                }
                assert!(into[..count].iter().enumerate().all(|(index, one)| *one == byte(position + index)));
                position += count;
            }
            assert_eq!(position, ALL);
        });
        for actor in [writer, reader] {
            assert!(actor.dies_within(WORK), "{actor:?} did not end within {WORK:?}");
            actor.succeed();
        }
    });
}

#[test]
fn a_batch_is_seen_as_a_whole() {
    alone(LIMIT, || {
        let stream = stream(16);
        let (mut writer, mut reader) = ends(&stream);
        reader.set_nonblocking(true);
        let mut into = [0; 16];
        for round in 0..50 {
            let length = 1 + round % 16;
            let bytes: Vec<u8> = (round..round + length).map(byte).collect();
            writer.write_whole(&bytes).expect("room");
            assert_eq!((writer.pending().expect("intact"), reader.pending().expect("intact")), (length, length));
            assert_eq!(reader.read(&mut into).expect("bytes"), length);
            assert_eq!(&into[..length], bytes);
            assert_eq!(reader.read(&mut into).expect_err("nothing").kind(), ErrorKind::WouldBlock);
        }
    });
}

#[test]
fn a_batch_that_can_never_fit_is_refused_and_one_that_does_not_fit_now_waits() {
    alone(LIMIT, || {
        let stream = stream(8);
        let (mut writer, mut reader) = ends(&stream);
        let refused = writer.write_whole(&[1; 9]).expect_err("too long");
        assert_eq!(refused.kind(), ErrorKind::InvalidInput);
        assert_eq!(
            StreamError::in_io(&refused),
            Some(&StreamError::TooLong { stream: "stream".into(), length: 9, most: 8 })
        );
        assert_eq!(writer.pending().expect("intact"), 0);
        writer.write_whole(&[]).expect("nothing is no trouble");
        writer.write_whole(&[1; 3]).expect("room");
        writer.set_nonblocking(true);
        assert_eq!(writer.write_whole(&[2; 6]).expect_err("no room").kind(), ErrorKind::WouldBlock);
        writer.set_deadline(Some(Deadline::after(Duration::from_millis(5))));
        assert_eq!(writer.write_whole(&[2; 6]).expect_err("no room").kind(), ErrorKind::TimedOut);
        assert_eq!(writer.pending().expect("intact"), 3, "not a part of it either");
        // As `write` it goes in as far as there is room.
        assert_eq!(writer.write(&[2; 6]).expect("room for five"), 5);
        assert_eq!(reader.read(&mut [0; 99]).expect("bytes"), 8);
        writer.write_whole(&[3; 8]).expect("an empty stream holds it");
        // Waiting is for all of the room, not for some.
        writer.set_deadline(None);
        writer.set_if_gone(IfGone::Wait);
        drop(reader);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut reader = stream.reader().expect("free");
                for _ in 0..8 {
                    assert_eq!(reader.read(&mut [0; 1]).expect("a byte"), 1);
                }
            });
            writer.write_whole(&[4; 8]).expect("room in the end");
        });
        assert_eq!(writer.pending().expect("intact"), 8);
    });
}

#[test]
fn the_end_of_the_file_is_a_writer_that_closed() {
    alone(LIMIT, || {
        let stream = stream(8);
        let (mut writer, mut reader) = ends(&stream);
        writer.write_all(b"last").expect("room");
        assert_eq!((writer.peer(), reader.peer()), (Peer::There, Peer::There));
        drop(writer);
        assert_eq!(reader.peer(), Peer::Gone(Departure::Closed));
        let mut text = String::new();
        reader.read_to_string(&mut text).expect("what was written");
        assert_eq!(text, "last");
        assert_eq!(reader.read(&mut [0; 4]).expect("the end, still"), 0);
        assert_eq!(reader.read(&mut []).expect("nothing asked for"), 0);
        // Another writer goes on.
        let mut writer = stream.writer().expect("free");
        assert_eq!(writer.predecessor(), Predecessor::Closed);
        writer.write_all(b"more").expect("room");
        assert_eq!(reader.read(&mut [0; 9]).expect("bytes"), 4);
    });
}

#[test]
fn who_writes_to_nobody_is_told() {
    alone(LIMIT, || {
        let stream = stream(4);
        let mut writer = stream.writer().expect("free");
        assert_eq!(writer.peer(), Peer::NotYet);
        // As long as there is room nobody has to be there.
        writer.write_all(b"full").expect("room");
        drop(stream.reader().expect("free"));
        assert_eq!(writer.peer(), Peer::Gone(Departure::Closed));
        for answer in [writer.write(b"x").map(drop), writer.write_whole(b"x"), writer.wait_until_empty()] {
            let error = answer.expect_err("nobody reads");
            assert_eq!(
                (error.kind(), StreamError::departure_in_io(&error)),
                (ErrorKind::BrokenPipe, Some(Departure::Closed))
            );
        }
        writer.set_if_gone(IfGone::Wait);
        writer.set_deadline(Some(Deadline::after(Duration::from_millis(5))));
        assert_eq!(writer.write(b"x").expect_err("nobody reads").kind(), ErrorKind::TimedOut);
        assert_eq!(writer.write(b"").expect("nothing"), 0);
        assert_eq!(writer.pending().expect("intact"), 4);
        let mut reader = stream.reader().expect("free");
        assert_eq!(reader.predecessor(), Predecessor::Closed);
        assert_eq!(reader.read(&mut [0; 9]).expect("bytes"), 4);
        writer.wait_until_empty().expect("it is");
        writer.flush().expect("nothing to do");
    });
}

/// The reader has what was written before, then the news, then what a successor writes.
#[test]
fn a_writer_that_died_is_an_error_once() {
    alone(LIMIT, || {
        let region = options().create(REGION).expect("a region");
        let stream = region.stream("stream", 64).expect("a stream");
        let mut reader = stream.reader().expect("free").if_gone(IfGone::Wait);
        let written = Shared::new(Mark::default());
        let victim = fork("the victim", || {
            let stream = options().open(REGION).expect("a region").stream("stream", 64).expect("a stream");
            let mut writer = stream.writer().expect("free");
            writer.write_whole(b"whole\n").expect("room");
            written.set(1);
            written.wait_while(1, "the end");
        });
        written.wait("the victim has written");
        victim.kill_and_reap();
        let mut into = [0; 64];
        assert_eq!(reader.read(&mut into).expect("what was written"), 6);
        reader.set_deadline(Some(Deadline::after(PATIENCE)));
        let error = reader.read(&mut into).expect_err("its writer died");
        assert_eq!(error.kind(), ErrorKind::ConnectionAborted);
        assert_eq!(StreamError::departure_in_io(&error), Some(Departure::Died));
        assert_eq!(reader.peer(), Peer::Gone(Departure::Died));
        reader.set_deadline(Some(Deadline::after(Duration::from_millis(5))));
        assert_eq!(reader.read(&mut into).expect_err("told once").kind(), ErrorKind::TimedOut);
        let mut heir = stream.writer().expect("its holder is dead");
        assert_eq!(heir.predecessor(), Predecessor::Died);
        heir.write_all(b"more").expect("room");
        assert_eq!(reader.read(&mut into).expect("bytes"), 4);
    });
}

/// Gives out, or takes, at most so many bytes at once, and then what it is told to.
struct Limited {
    bytes: Vec<u8>,
    at_once: usize,
    then: Option<ErrorKind>,
}

impl Read for Limited {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.bytes.len().min(self.at_once).min(into.len());
        if let (0, Some(kind)) = (count, self.then) {
            return Err(kind.into());
        }
        for (place, byte) in into.iter_mut().zip(self.bytes.drain(..count)) {
            *place = byte;
        }
        Ok(count)
    }
}

impl Write for Limited {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some(kind) = self.then {
            return Err(kind.into());
        }
        let count = bytes.len().min(self.at_once);
        self.bytes.extend_from_slice(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn from_a_source_and_to_a_sink_without_a_copy_between() {
    alone(LIMIT, || {
        let stream = stream(7);
        let (mut writer, mut reader) = ends(&stream);
        let all: Vec<u8> = (0..1000).map(byte).collect();
        let mut source = Limited { bytes: all.clone(), at_once: 5, then: None };
        let mut sink = Limited { bytes: Vec::new(), at_once: 3, then: None };
        while sink.bytes.len() < all.len() {
            let written = writer.write_from(&mut source, 4).expect("a source");
            assert!(written <= 4);
            while reader.pending().expect("intact") > 0 {
                let taken = reader.read_to(&mut sink, 2).expect("a sink");
                assert!((1..=2).contains(&taken));
            }
        }
        assert_eq!(sink.bytes, all);
        assert_eq!(writer.write_from(&mut source, 4).expect("its end"), 0);
        drop(writer);
        assert_eq!(reader.read_to(&mut sink, 4).expect("the end"), 0);
    });
}

#[test]
fn what_a_sink_refuses_stays_and_what_a_source_refuses_does_not_come() {
    alone(LIMIT, || {
        let stream = stream(16);
        let (mut writer, mut reader) = ends(&stream);
        let mut broken = Limited { bytes: Vec::new(), at_once: 9, then: Some(ErrorKind::ConnectionReset) };
        assert_eq!(writer.write_from(&mut broken, 16).expect_err("refused").kind(), ErrorKind::ConnectionReset);
        assert_eq!(writer.pending().expect("intact"), 0);
        writer.write_all(b"kept").expect("room");
        assert_eq!(reader.read_to(&mut broken, 16).expect_err("refused").kind(), ErrorKind::ConnectionReset);
        let mut idle = Limited { bytes: Vec::new(), at_once: 0, then: None };
        assert_eq!(reader.read_to(&mut idle, 16).expect_err("took nothing").kind(), ErrorKind::WriteZero);
        let mut sink = Vec::new();
        assert_eq!(reader.read_to(&mut sink, 16).expect("a sink"), 4);
        assert_eq!(sink, b"kept");
    });
}

/// A source or sink that lies about how much it has done is a bug of its own, and stays one.
#[test]
fn what_a_source_or_sink_claims_is_not_believed() {
    alone(LIMIT, || {
        struct Liar;
        impl Read for Liar {
            fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
                into.fill(b'x');
                Ok(usize::MAX)
            }
        }
        impl Write for Liar {
            fn write(&mut self, _bytes: &[u8]) -> io::Result<usize> {
                Ok(usize::MAX)
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let stream = stream(16);
        let (mut writer, mut reader) = ends(&stream);
        // The free slots lie in two runs.
        writer.write_all(&[0; 10]).expect("room");
        assert_eq!(reader.read(&mut [0; 10]).expect("bytes"), 10);
        assert_eq!(writer.write_from(&mut Liar, 16).expect("as many as there was room for"), 6);
        assert_eq!(writer.write_from(&mut Liar, 2).expect("as many as were asked for"), 2);
        assert_eq!(reader.read_to(&mut Liar, 16).expect("as many as there were"), 6);
        assert_eq!(reader.pending().expect("intact"), 2);
    });
}

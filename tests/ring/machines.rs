//! Random sequences of calls, each answered as a simple queue answers it.

use super::options;
use super::support::alone::alone;
use proptest::prelude::*;
use selvedge::Region;
use selvedge::region::{
    ByteReader, ByteWriter, Departure, PeerGone, Predecessor, Receiver, RecvError, SendError, Sender, StreamError,
};
use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::time::Duration;

/// Made and dropped some hundred times, so small.
fn region() -> Region {
    options().processes(2).objects(2).arena(16 << 10).anonymous().expect("a region")
}

/// What became of the other end, and what a blocked call would say.
fn gone(ever: bool, there: bool) -> Option<Departure> {
    (ever && !there).then_some(Departure::Closed)
}

#[derive(Clone, Copy, Debug)]
enum RingCall {
    TrySend,
    Send,
    SendTimeout,
    TryRecv,
    Recv,
    RecvTimeout,
    /// Borrow so many, send so many of them.
    Loan(usize, usize),
    /// Look at so many, take so many of them.
    Batch(usize, usize),
    CloseSender,
    CloseReceiver,
    OpenSender,
    OpenReceiver,
}

fn ring_call() -> impl Strategy<Value = RingCall> {
    prop_oneof![
        4 => Just(RingCall::TrySend),
        3 => Just(RingCall::Send),
        1 => Just(RingCall::SendTimeout),
        4 => Just(RingCall::TryRecv),
        3 => Just(RingCall::Recv),
        1 => Just(RingCall::RecvTimeout),
        3 => (0..9_usize, 0..9_usize).prop_map(|(most, count)| RingCall::Loan(most, count)),
        3 => (0..9_usize, 0..9_usize).prop_map(|(most, count)| RingCall::Batch(most, count)),
        1 => Just(RingCall::CloseSender),
        1 => Just(RingCall::CloseReceiver),
        2 => Just(RingCall::OpenSender),
        2 => Just(RingCall::OpenReceiver),
    ]
}

struct RingMachine {
    ring: selvedge::region::Ring<u32>,
    sender: Option<Sender<u32>>,
    receiver: Option<Receiver<u32>>,
    senders: u32,
    receivers: u32,
    queue: VecDeque<u32>,
    next: u32,
    capacity: usize,
}

/// Calls that would wait for something that one thread cannot bring about give up after this.
const NO_TIME: Duration = Duration::ZERO;

impl RingMachine {
    fn call(&mut self, call: RingCall) {
        let sender_gone = gone(self.senders > 0, self.sender.is_some());
        let receiver_gone = gone(self.receivers > 0, self.receiver.is_some());
        match call {
            RingCall::OpenSender if self.sender.is_none() => {
                let sender = self.ring.sender().expect("free");
                let before = if self.senders == 0 { Predecessor::None } else { Predecessor::Closed };
                assert_eq!(sender.predecessor(), before);
                (self.sender, self.senders) = (Some(sender), self.senders + 1);
            }
            RingCall::OpenReceiver if self.receiver.is_none() => {
                let receiver = self.ring.try_receiver().expect("free");
                let before = if self.receivers == 0 { Predecessor::None } else { Predecessor::Closed };
                assert_eq!(receiver.predecessor(), before);
                (self.receiver, self.receivers) = (Some(receiver), self.receivers + 1);
            }
            RingCall::OpenSender => assert!(self.ring.try_sender().is_err()),
            RingCall::OpenReceiver => assert!(self.ring.try_receiver().is_err()),
            RingCall::CloseSender => self.sender = None,
            RingCall::CloseReceiver => self.receiver = None,
            RingCall::TrySend | RingCall::Send | RingCall::SendTimeout | RingCall::Loan(..) => {
                self.send(call, receiver_gone);
            }
            RingCall::TryRecv | RingCall::Recv | RingCall::RecvTimeout | RingCall::Batch(..) => {
                self.receive(call, sender_gone);
            }
        }
    }

    fn send(&mut self, call: RingCall, receiver_gone: Option<Departure>) {
        let Some(sender) = &mut self.sender else { return };
        let (message, room) = (self.next, self.capacity - self.queue.len());
        if let RingCall::Loan(most, count) = call {
            if room == 0 {
                return;
            }
            let mut loan = sender.loan(most).expect("room");
            let length = loan.len();
            assert_eq!(length, most.max(1).min(room));
            for index in 0..length {
                *loan.get_mut(index).expect("a slot") = message + u32::try_from(index).expect("small");
            }
            let count = if loan.send(count).is_ok() { count } else { 0 };
            assert!(count <= length);
            self.queue.extend(message..message + u32::try_from(count).expect("small"));
            self.next += u32::try_from(count).expect("small");
            return;
        }
        let answer = match call {
            RingCall::TrySend => sender.try_send(message),
            RingCall::Send if room > 0 => sender.send(message),
            _ => sender.send_timeout(message, NO_TIME),
        };
        let expected = match (room, receiver_gone, call) {
            (1.., ..) => Ok(()),
            (0, Some(how), _) => Err(SendError::Disconnected(message, PeerGone { object: "ring".into(), how })),
            (0, None, RingCall::TrySend) => Err(SendError::Full(message)),
            (0, None, _) => Err(SendError::TimedOut(message)),
        };
        assert_eq!(answer, expected);
        if answer.is_ok() {
            self.queue.push_back(message);
            self.next += 1;
        }
    }

    fn receive(&mut self, call: RingCall, sender_gone: Option<Departure>) {
        let Some(receiver) = &mut self.receiver else { return };
        if let RingCall::Batch(most, count) = call {
            if self.queue.is_empty() {
                return;
            }
            let batch = receiver.batch(most).expect("messages");
            assert_eq!(batch.len(), most.max(1).min(self.queue.len()));
            for (index, expected) in self.queue.iter().enumerate().take(batch.len()) {
                assert_eq!(batch.get(index), Some(expected));
            }
            let length = batch.len();
            if batch.release(count).is_ok() {
                assert!(count <= length);
                self.queue.drain(..count);
            } else {
                assert!(count > length);
            }
            return;
        }
        let answer = match call {
            RingCall::TryRecv => receiver.try_recv(),
            RingCall::Recv if !self.queue.is_empty() => receiver.recv(),
            _ => receiver.recv_timeout(NO_TIME),
        };
        let expected = match (self.queue.pop_front(), sender_gone, call) {
            (Some(message), ..) => Ok(message),
            (None, Some(how), _) => Err(RecvError::Disconnected(PeerGone { object: "ring".into(), how })),
            (None, None, RingCall::TryRecv) => Err(RecvError::Empty),
            (None, None, _) => Err(RecvError::TimedOut),
        };
        assert_eq!(answer, expected);
    }
}

#[derive(Clone, Debug)]
enum StreamCall {
    Write(usize),
    WriteWhole(usize),
    /// From a source with so many bytes, at most so many at once.
    WriteFrom(usize, usize),
    Read(usize),
    /// To a sink that takes so many, at most so many at once.
    ReadTo(usize, usize),
    CloseWriter,
    CloseReader,
    OpenWriter,
    OpenReader,
}

fn stream_call() -> impl Strategy<Value = StreamCall> {
    prop_oneof![
        4 => (0..40_usize).prop_map(StreamCall::Write),
        3 => (0..40_usize).prop_map(StreamCall::WriteWhole),
        2 => (0..40_usize, 1..40_usize).prop_map(|(length, most)| StreamCall::WriteFrom(length, most)),
        5 => (0..40_usize).prop_map(StreamCall::Read),
        3 => (1..40_usize, 1..40_usize).prop_map(|(length, most)| StreamCall::ReadTo(length, most)),
        1 => Just(StreamCall::CloseWriter),
        1 => Just(StreamCall::CloseReader),
        2 => Just(StreamCall::OpenWriter),
        2 => Just(StreamCall::OpenReader),
    ]
}

struct StreamMachine {
    stream: selvedge::region::ByteStream,
    writer: Option<ByteWriter>,
    reader: Option<ByteReader>,
    readers: u32,
    writers: u32,
    /// All bytes ever written, and how many of them were read.
    written: Vec<u8>,
    read: usize,
}

/// A sink that takes at most so many bytes at once.
struct Sink<'a>(&'a mut Vec<u8>, usize);

impl Write for Sink<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let count = bytes.len().min(self.1);
        self.0.extend_from_slice(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl StreamMachine {
    fn call(&mut self, call: &StreamCall) {
        match *call {
            StreamCall::OpenWriter if self.writer.is_none() => {
                let mut writer = self.stream.writer().expect("free");
                writer.set_nonblocking(true);
                (self.writer, self.writers) = (Some(writer), self.writers + 1);
            }
            StreamCall::OpenReader if self.reader.is_none() => {
                let mut reader = self.stream.try_reader().expect("free");
                reader.set_nonblocking(true);
                (self.reader, self.readers) = (Some(reader), self.readers + 1);
            }
            StreamCall::OpenWriter => assert!(self.stream.try_writer().is_err()),
            StreamCall::OpenReader => assert!(self.stream.try_reader().is_err()),
            StreamCall::CloseWriter => self.writer = None,
            StreamCall::CloseReader => self.reader = None,
            StreamCall::Write(length) | StreamCall::WriteWhole(length) | StreamCall::WriteFrom(length, _) => {
                self.write(call, length);
            }
            StreamCall::Read(length) | StreamCall::ReadTo(length, _) => self.take(call, length),
        }
        let pending = self.written.len() - self.read;
        assert!(self.writer.as_mut().is_none_or(|writer| writer.pending().is_ok_and(|count| count == pending)));
        assert!(self.reader.as_mut().is_none_or(|reader| reader.pending().is_ok_and(|count| count == pending)));
    }

    fn write(&mut self, call: &StreamCall, length: usize) {
        let Some(writer) = &mut self.writer else { return };
        let capacity = self.stream.capacity();
        let room = capacity - (self.written.len() - self.read);
        let byte = |position| u8::try_from(position % 251).expect("small");
        let bytes: Vec<u8> = (self.written.len()..).map(byte).take(length).collect();
        let (answer, fits, most) = match *call {
            StreamCall::WriteWhole(_) => (writer.write_whole(&bytes).map(|()| length), length <= room, length),
            StreamCall::WriteFrom(_, most) => (writer.write_from(&mut &bytes[..], most), room > 0, most),
            _ => (writer.write(&bytes), room > 0 || length == 0, length),
        };
        match answer {
            Ok(count) => {
                assert!(fits && count <= length.min(room).min(most));
                assert!(count > 0 || length == 0, "nothing was written although there was room");
                self.written.extend_from_slice(&bytes[..count]);
            }
            Err(error) => {
                assert!(!fits, "{error}");
                let expected = match gone(self.readers > 0, self.reader.is_some()) {
                    _ if length > capacity && matches!(call, StreamCall::WriteWhole(_)) => ErrorKind::InvalidInput,
                    Some(_) => ErrorKind::BrokenPipe,
                    None => ErrorKind::WouldBlock,
                };
                assert_eq!(error.kind(), expected);
            }
        }
    }

    fn take(&mut self, call: &StreamCall, length: usize) {
        let Some(reader) = &mut self.reader else { return };
        let pending = self.written.len() - self.read;
        let mut into = Vec::new();
        let answer = match *call {
            StreamCall::ReadTo(_, most) => reader.read_to(&mut Sink(&mut into, length), most),
            _ => {
                into.resize(length, 0);
                reader.read(&mut into)
            }
        };
        match answer {
            Ok(0) => {
                let ended = pending == 0 && gone(self.writers > 0, self.writer.is_some()).is_some();
                assert!(ended || length == 0, "the end of the file, with {pending} bytes left");
            }
            Ok(count) => {
                assert!(count <= pending && count <= length);
                assert_eq!(&into[..count], &self.written[self.read..self.read + count]);
                self.read += count;
            }
            Err(error) => {
                assert_eq!((error.kind(), pending), (ErrorKind::WouldBlock, 0));
                assert_eq!(StreamError::in_io(&error), None);
            }
        }
    }
}

const LIMIT: Duration = Duration::from_secs(60);

fn config() -> ProptestConfig {
    ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() }
}

#[test]
fn a_ring_is_a_queue() {
    alone(LIMIT, || {
        proptest!(config(), |(capacity in 1..8_usize, calls in prop::collection::vec(ring_call(), 0..120))| {
            let ring = region().ring("ring", capacity).expect("a ring");
            let queue = VecDeque::new();
            let mut machine =
                RingMachine { ring, sender: None, receiver: None, senders: 0, receivers: 0, queue, next: 0, capacity };
            for call in calls {
                machine.call(call);
            }
        });
    });
}

#[test]
fn a_stream_is_a_file_that_is_written_at_its_end() {
    alone(LIMIT, || {
        proptest!(config(), |(capacity in 1..33_usize, calls in prop::collection::vec(stream_call(), 0..120))| {
            let stream = region().stream("stream", capacity).expect("a stream");
            let written = Vec::new();
            let mut machine =
                StreamMachine { stream, writer: None, reader: None, readers: 0, writers: 0, written, read: 0 };
            for call in &calls {
                machine.call(call);
            }
        });
    });
}

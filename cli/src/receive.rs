//! `selvedge recv`.

use crate::arguments::Recv;
use crate::channel::{self, Channel};
use crate::failure::{Code, Failure, Stop};
use crate::interrupt::Interrupt;
use crate::pipe;
use crate::post;
use crate::progress::Progress;
use crate::report::{Direction, Transfer};
use selvedge::region::{ByteReader, ByteStream, Departure, IfGone, Peer, StreamError};
use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::PathBuf;

/// Most bytes that are written to a file or pipe at once, and that a successor may write again.
const CHUNK: usize = 256 << 10;

/// Where it goes.
pub(crate) struct Sink {
    file: File,
    /// `None` is standard output.
    path: Option<PathBuf>,
    /// Whether a write failed; what fails otherwise is the stream.
    failed: bool,
}

impl Sink {
    pub(crate) fn open(path: Option<PathBuf>) -> Result<Self, Failure> {
        let file = match &path {
            Some(path) => File::create(path).map_err(|error| Failure::File { path: path.clone(), error })?,
            None => {
                let stdout = io::stdout().as_fd().try_clone_to_owned().map_err(Failure::Output)?;
                pipe::enlarge(&stdout);
                stdout.into()
            }
        };
        Ok(Self { file, path, failed: false })
    }

    pub(crate) fn failure(&self, error: io::Error) -> Failure {
        match &self.path {
            Some(path) => Failure::File { path: path.clone(), error },
            None => Failure::Output(error),
        }
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes).inspect_err(|error| self.failed = error.kind() != ErrorKind::Interrupted)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl AsFd for Sink {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

/// A receiver at work.
struct Receiving<'a, 'b> {
    receive: &'a Recv,
    channel: &'a mut Channel<ByteReader>,
    sink: Sink,
    interrupt: &'a Interrupt,
    progress: &'a Progress,
    transfer: &'a mut Transfer<'b>,
}

pub(crate) fn run(receive: &Recv, json: bool) -> Result<Code, Failure> {
    let interrupt = Interrupt::watch()?;
    let progress = Progress::new(None, json);
    let mut transfer = Transfer::new(Direction::Recv, &receive.name, json);
    let outcome = match post::terms_of(&receive.name, receive.line.terms(receive.buffer)?) {
        Some(terms) => post::receive(receive, terms, &interrupt, &progress, &mut transfer),
        None if receive.kind.is_some() => Err(Failure::NoMailbox { region: receive.name.clone() }.into()),
        None => attempt(receive, &interrupt, &progress, &mut transfer),
    };
    drop(progress);
    Ok(transfer.end(outcome))
}

fn attempt(
    receive: &Recv,
    interrupt: &Interrupt,
    progress: &Progress,
    transfer: &mut Transfer<'_>,
) -> Result<(), Stop> {
    let mut channel = channel::take(&receive.name, receive.buffer.bytes, interrupt, ByteStream::reader_timeout)?;
    // Opened when it is this command's turn: to create a file empties it.
    let outcome = Sink::open(receive.file.clone())
        .map_err(Stop::from)
        .and_then(|sink| Receiving { receive, channel: &mut channel, sink, interrupt, progress, transfer }.all());
    transfer.pending = channel.end.pending().ok().map(|pending| pending as u64);
    let retired = channel.retire().map_err(Stop::from);
    outcome.and(retired)
}

impl Receiving<'_, '_> {
    fn all(&mut self) -> Result<(), Stop> {
        let patience = if self.receive.follow { IfGone::Wait } else { IfGone::Fail };
        self.channel.end.set_if_gone(patience);
        loop {
            self.interrupt.or_writable(&self.sink, |error| self.sink.failure(error))?;
            self.channel.end.set_deadline(Some(Interrupt::next_look()));
            match self.channel.end.read_to(&mut self.sink, CHUNK) {
                Ok(0) => return Ok(()),
                Ok(count) => {
                    // Somebody sends: that it closes its end is the end.
                    self.channel.end.set_if_gone(patience);
                    self.transfer.bytes += count as u64;
                    self.progress.advance(count as u64);
                }
                Err(error) if self.sink.failed => return Err(self.sink.failure(error).into()),
                Err(error) => self.obstacle(error)?,
            }
        }
    }

    /// What ends one call and what ends them all.
    fn obstacle(&mut self, error: io::Error) -> Result<(), Stop> {
        match (error.kind(), StreamError::departure_in_io(&error)) {
            (_, Some(Departure::Died)) => {
                let waits = !self.receive.fail_on_death;
                self.transfer.peer_died(waits, self.progress);
                if !waits {
                    return Err(Stop::PeerDied);
                }
                // Its successor may not be there yet.
                self.channel.end.set_if_gone(IfGone::Wait);
                Ok(())
            }
            (ErrorKind::TimedOut | ErrorKind::Interrupted, _) => {
                // A sender that was done without another word, after the death of one before it or during this wait: the
                // next look finds the end.
                if self.channel.end.peer() == Peer::Gone(Departure::Closed) && !self.receive.follow {
                    self.channel.end.set_if_gone(IfGone::Fail);
                    return Ok(());
                }
                Ok(self.channel.check()?)
            }
            _ => Err(self.channel.failure(error).into()),
        }
    }
}

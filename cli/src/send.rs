//! `selvedge send`.

use crate::arguments::Send;
use crate::channel::{self, Channel};
use crate::failure::{Code, Failure, Stop};
use crate::interrupt::Interrupt;
use crate::lines::{Lines, TooLong};
use crate::pipe;
use crate::post;
use crate::progress::Progress;
use crate::report::{Direction, Transfer};
use selvedge::region::{ByteStream, ByteWriter, Departure, IfGone, StreamError};
use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::PathBuf;

/// Most bytes that are read from a file or pipe at once.
const CHUNK: usize = 256 << 10;

/// What is sent.
pub(crate) struct Source {
    file: File,
    /// `None` is standard input.
    path: Option<PathBuf>,
    size: Option<u64>,
    /// Whether a read failed; what fails otherwise is the stream.
    failed: bool,
}

impl Source {
    fn open(path: Option<PathBuf>) -> Result<Self, Failure> {
        let Some(path) = path else {
            // Standard input without std's own buffer: bytes go straight into the stream.
            let stdin = io::stdin().as_fd().try_clone_to_owned().map_err(Failure::Input)?;
            pipe::enlarge(&stdin);
            return Ok(Self { file: stdin.into(), path: None, size: None, failed: false });
        };
        let refused = |error| Failure::File { path: path.clone(), error };
        let file = File::open(&path).map_err(refused)?;
        let metadata = file.metadata().map_err(refused)?;
        if metadata.is_dir() {
            return Err(refused(ErrorKind::IsADirectory.into()));
        }
        let size = metadata.is_file().then_some(metadata.len());
        Ok(Self { file, path: Some(path), size, failed: false })
    }

    pub(crate) fn failure(&self, error: io::Error) -> Failure {
        match &self.path {
            Some(path) => Failure::File { path: path.clone(), error },
            None => Failure::Input(error),
        }
    }
}

impl Read for Source {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.file.read(into).inspect_err(|error| self.failed = error.kind() != ErrorKind::Interrupted)
    }
}

impl AsFd for Source {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

/// A sender at work.
struct Sending<'a, 'b> {
    channel: &'a mut Channel<ByteWriter>,
    source: Source,
    interrupt: &'a Interrupt,
    progress: &'a Progress,
    transfer: &'a mut Transfer<'b>,
}

pub(crate) fn run(send: &Send, json: bool) -> Result<Code, Failure> {
    // Before signals are noted: opening a named pipe can take for ever.
    let source = Source::open(send.file.clone())?;
    let interrupt = Interrupt::watch()?;
    let progress = Progress::new(source.size, json);
    let mut transfer = Transfer::new(Direction::Send, &send.name, json);
    let outcome = match post::terms_of(&send.name, send.line.terms(send.buffer)?) {
        Some(terms) => post::send(send, terms, source, &interrupt, &progress, &mut transfer),
        None if send.kind != 0 => Err(Failure::NoMailbox { region: send.name.clone() }.into()),
        None => attempt(send, source, &interrupt, &progress, &mut transfer),
    };
    drop(progress);
    Ok(transfer.end(outcome))
}

fn attempt(
    send: &Send,
    source: Source,
    interrupt: &Interrupt,
    progress: &Progress,
    transfer: &mut Transfer<'_>,
) -> Result<(), Stop> {
    let mut channel = channel::take(&send.name, send.buffer.bytes, interrupt, ByteStream::writer_timeout)?;
    channel.end.set_if_gone(IfGone::Wait);
    let mut sending = Sending { channel: &mut channel, source, interrupt, progress, transfer };
    let mut outcome = if send.raw { sending.raw() } else { sending.lines() };
    if send.wait && outcome.is_ok() {
        outcome = sending.drain();
    }
    transfer.pending = channel.end.pending().ok().map(|pending| pending as u64);
    if outcome.is_err() {
        channel.abandon();
    }
    outcome
}

impl Sending<'_, '_> {
    /// Bytes as they come.
    fn raw(&mut self) -> Result<(), Stop> {
        loop {
            self.interrupt.or_readable(&self.source, |error| self.source.failure(error))?;
            self.channel.end.set_deadline(Some(Interrupt::next_look()));
            match self.channel.end.write_from(&mut self.source, CHUNK) {
                Ok(0) => return Ok(()),
                Ok(count) => self.sent(count),
                Err(error) if self.source.failed => return Err(self.source.failure(error).into()),
                Err(error) => self.obstacle(error)?,
            }
        }
    }

    /// Whole lines: the receiver gets all of a line or, if this process dies, nothing of it.
    fn lines(&mut self) -> Result<(), Stop> {
        let most = self.channel.capacity();
        let mut lines = Lines::new(most);
        let outcome = self.all_lines(&mut lines, most);
        self.transfer.unsent = Some(lines.rest().len() as u64);
        outcome
    }

    fn all_lines(&mut self, lines: &mut Lines, most: usize) -> Result<(), Stop> {
        while !lines.is_done() {
            let begins_at = self.transfer.bytes;
            match lines.whole().map_err(|TooLong| Failure::LineTooLong { begins_at, most })? {
                Some(count) => {
                    self.whole(lines.rest().get(..count).unwrap_or_default())?;
                    lines.consume(count);
                }
                None => {
                    self.interrupt.or_readable(&self.source, |error| self.source.failure(error))?;
                    lines.read_more(&mut self.source).map_err(|error| self.source.failure(error))?;
                }
            }
        }
        Ok(())
    }

    /// Sends all of `batch`, which becomes visible in one step.
    fn whole(&mut self, batch: &[u8]) -> Result<(), Stop> {
        loop {
            self.interrupt.check()?;
            self.channel.end.set_deadline(Some(Interrupt::next_look()));
            match self.channel.end.write_whole(batch) {
                Ok(()) => {
                    self.sent(batch.len());
                    return Ok(());
                }
                Err(error) => self.obstacle(error)?,
            }
        }
    }

    /// Waits until a receiver has taken everything.
    fn drain(&mut self) -> Result<(), Stop> {
        loop {
            self.interrupt.check()?;
            self.channel.end.set_deadline(Some(Interrupt::next_look()));
            match self.channel.end.wait_until_empty() {
                Ok(()) => return Ok(()),
                Err(error) => self.obstacle(error)?,
            }
        }
    }

    fn sent(&mut self, count: usize) {
        self.transfer.bytes += count as u64;
        self.progress.advance(count as u64);
    }

    /// What ends one call and what ends them all.
    fn obstacle(&mut self, error: io::Error) -> Result<(), Stop> {
        match (error.kind(), StreamError::departure_in_io(&error)) {
            (_, Some(Departure::Died)) => {
                self.transfer.peer_died(true, self.progress);
                Ok(())
            }
            (ErrorKind::TimedOut | ErrorKind::Interrupted, _) => Ok(self.channel.check()?),
            _ => Err(self.channel.failure(error).into()),
        }
    }
}

//! `selvedge send`.

use crate::arguments::Send;
use crate::channel;
use crate::failure::{Code, Failure};
use crate::interrupt::Interrupt;
use crate::progress::Progress;
use crate::report::{Ended, Transfer};
use selvedge::region::{ByteStream, ByteWriter, IfGone, StreamError};
use std::fs::File;
use std::io::{self, BufRead, BufReader, ErrorKind};

/// Most bytes that are read from a file or pipe at once.
const CHUNK: usize = 256 << 10;

/// What is sent.
enum Source {
    File(File),
    Stdin(File),
}

impl Source {
    fn open(send: &Send) -> Result<(Self, Option<u64>), Failure> {
        let Some(path) = &send.file else {
            // Standard input without std's own buffer: bytes go straight into the stream.
            use std::os::fd::AsFd;
            let stdin = io::stdin().as_fd().try_clone_to_owned().map_err(Failure::Input)?;
            return Ok((Self::Stdin(stdin.into()), None));
        };
        let refused = |error| Failure::File { path: path.clone(), error };
        let file = File::open(path).map_err(refused)?;
        let metadata = file.metadata().map_err(refused)?;
        if metadata.is_dir() {
            return Err(refused(ErrorKind::IsADirectory.into()));
        }
        Ok((Self::File(file), metadata.is_file().then_some(metadata.len())))
    }

    fn file(&mut self) -> &mut File {
        match self {
            Self::File(file) | Self::Stdin(file) => file,
        }
    }
}

/// A sender at work.
struct Sending<'a> {
    region: &'a str,
    writer: ByteWriter,
    interrupt: Interrupt,
    progress: Progress,
    bytes: u64,
    deaths: u64,
}

pub(crate) fn run(send: &Send, json: bool) -> Result<Code, Failure> {
    let interrupt = Interrupt::watch().map_err(Failure::Input)?;
    let (mut source, total) = Source::open(send)?;
    let progress = Progress::new(total, json);
    let mut transfer =
        Transfer { command: "send", region: &send.name, ended: Ended::Complete, bytes: 0, pending: None, deaths: 0 };
    let taken = channel::take(&send.name, send.buffer, &interrupt, ByteStream::writer_timeout)?;
    let Some(channel) = taken else {
        transfer.ended = Ended::Interrupted;
        transfer.tell(json);
        return Ok(interrupt.noted().map_or(Code::Failed, Code::Interrupted));
    };
    let writer = channel.end.if_gone(IfGone::Wait);
    let mut sending = Sending { region: &send.name, writer, interrupt, progress, bytes: 0, deaths: 0 };
    let mut interrupted = if send.raw { sending.raw(source.file()) } else { sending.lines(source.file()) }?;
    if send.wait && interrupted.is_none() {
        interrupted = sending.drain();
    }
    sending.progress.finish();
    transfer.pending = Some(sending.writer.pending() as u64);
    (transfer.bytes, transfer.deaths) = (sending.bytes, sending.deaths);
    if interrupted.is_some() {
        transfer.ended = Ended::Interrupted;
    }
    // What is still on its way is worth a word only if it may stay there.
    if json || interrupted.is_some() {
        transfer.tell(json);
    }
    Ok(interrupted.map_or(Code::Done, Code::Interrupted))
}

impl Sending<'_> {
    /// Bytes as they come. The signal, if one ended it.
    fn raw(&mut self, source: &mut File) -> Result<Option<u8>, Failure> {
        loop {
            if let Some(signal) = self.interrupt.or_readable(source).map_err(Failure::Input)? {
                return Ok(Some(signal));
            }
            self.writer.set_deadline(Some(Interrupt::next_look()));
            match self.writer.write_from(source, CHUNK) {
                Ok(0) => return Ok(None),
                Ok(count) => self.sent(count),
                Err(error) => self.obstacle(error)?,
            }
        }
    }

    /// Whole lines: the receiver gets all of a line or, if this process dies, nothing of it.
    fn lines(&mut self, source: &mut File) -> Result<Option<u8>, Failure> {
        let mut reader = BufReader::with_capacity(CHUNK, source);
        let mut line = Vec::new();
        loop {
            line.clear();
            if let Some(signal) = self.next_line(&mut reader, &mut line)? {
                return Ok(Some(signal));
            }
            if line.is_empty() {
                return Ok(None);
            }
            loop {
                if let Some(signal) = self.interrupt.noted() {
                    return Ok(Some(signal));
                }
                self.writer.set_deadline(Some(Interrupt::next_look()));
                match self.writer.write_whole(&line) {
                    Ok(()) => break self.sent(line.len()),
                    Err(error) => self.obstacle(error)?,
                }
            }
        }
    }

    /// Reads a line with its end; empty at the end of the source. The signal, if one came first.
    fn next_line(&self, reader: &mut BufReader<&mut File>, line: &mut Vec<u8>) -> Result<Option<u8>, Failure> {
        loop {
            if reader.buffer().is_empty()
                && let Some(signal) = self.interrupt.or_readable(reader.get_ref()).map_err(Failure::Input)?
            {
                return Ok(Some(signal));
            }
            let buffered = reader.fill_buf().map_err(Failure::Input)?;
            let end = buffered.iter().position(|byte| *byte == b'\n');
            let count = end.map_or(buffered.len(), |end| end + 1);
            line.extend_from_slice(buffered.get(..count).unwrap_or_default());
            reader.consume(count);
            if end.is_some() || count == 0 {
                return Ok(None);
            }
        }
    }

    /// Waits until a receiver has taken everything.
    fn drain(&mut self) -> Option<u8> {
        loop {
            if self.writer.pending() == 0 {
                return None;
            }
            if let Some(signal) = self.interrupt.noted() {
                return Some(signal);
            }
            self.writer.set_deadline(Some(Interrupt::next_look()));
            // Not yet, or nobody is there to take it: another look.
            let _ = self.writer.wait_until_empty();
        }
    }

    fn sent(&mut self, count: usize) {
        self.bytes += count as u64;
        self.progress.advance(count as u64);
    }

    /// What ends one call and what ends them all.
    fn obstacle(&mut self, error: io::Error) -> Result<(), Failure> {
        match (error.kind(), StreamError::in_io(&error)) {
            (_, Some(StreamError::PeerDied)) => {
                self.deaths += 1;
                let Self { region, bytes, .. } = self;
                let line = format!(
                    "selvedge: `{region}`: the receiver died; {bytes} bytes sent so far, waiting for another receiver"
                );
                self.progress.say(&line);
                Ok(())
            }
            (ErrorKind::TimedOut | ErrorKind::Interrupted, _) => Ok(()),
            _ => Err(Failure::Stream { region: self.region.to_owned(), error }),
        }
    }
}

//! A test's ends of pipes to and from a command: no write and no read waits without an end.

use crate::support::PATIENCE;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::{Errno, ioctl_fionbio, ioctl_fionread};
use rustix::pipe::fcntl_getpipe_size;
use selvedge::Deadline;
use std::io::{ErrorKind, PipeReader, PipeWriter, Read, Write};
use std::os::fd::AsFd;
use std::process::ChildStdin;

/// The end that feeds a command's standard input. Dropping it is the end of that input.
pub(crate) struct Input {
    pipe: ChildStdin,
    /// Whose input it is.
    line: String,
}

impl Input {
    pub(crate) fn of(pipe: ChildStdin, line: &str) -> Self {
        // The other end, the command's, is a file of its own and stays as it is.
        ioctl_fionbio(&pipe, true).expect("a pipe");
        Self { pipe, line: line.to_owned() }
    }

    /// Writes as much as the pipe takes at once. How much.
    #[track_caller]
    pub(crate) fn offer(&mut self, bytes: &[u8]) -> usize {
        self.try_write(bytes).unwrap_or_else(|error| panic!("`{}` does not read its input: {error}", self.line))
    }

    /// Writes all of it.
    #[track_caller]
    pub(crate) fn write(&mut self, bytes: &[u8]) {
        let written = self.write_until_closed(bytes);
        assert_eq!(written, bytes.len(), "`{}` has closed its input", self.line);
    }

    /// Writes all of it, or as much as the command reads before it closes its input. How much.
    #[track_caller]
    pub(crate) fn write_until_closed(&mut self, bytes: &[u8]) -> usize {
        let deadline = Deadline::after(PATIENCE);
        let mut written = 0;
        while written < bytes.len() {
            match self.try_write(&bytes[written..]) {
                Ok(0) => {
                    let ready = is_ready(&self.pipe, PollFlags::OUT, deadline);
                    assert!(ready, "waited {PATIENCE:?} in vain for `{}` to read its input", self.line);
                }
                Ok(count) => written += count,
                Err(error) if error.kind() == ErrorKind::BrokenPipe => break,
                Err(error) => panic!("the input of `{}`: {error}", self.line),
            }
        }
        written
    }

    fn try_write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        match self.pipe.write(bytes) {
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => Ok(0),
            answer => answer,
        }
    }
}

/// The end from which a test reads what a command prints.
pub(crate) struct Output(PipeReader);

/// A pipe, and the end of it that a command gets.
pub(crate) fn output() -> (Output, PipeWriter) {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    ioctl_fionbio(&reader, true).expect("a pipe");
    (Output(reader), writer)
}

impl Output {
    /// Reads exactly so many bytes.
    #[track_caller]
    pub(crate) fn read(&mut self, count: usize) -> Vec<u8> {
        let read = self.read_until(count);
        assert_eq!(read.len(), count, "the command has ended");
        read
    }

    /// Reads what comes until the command has ended, at most so many bytes.
    #[track_caller]
    pub(crate) fn rest(&mut self, most: usize) -> Vec<u8> {
        let rest = self.read_until(most + 1);
        assert!(rest.len() <= most, "the command printed more than {most} bytes");
        rest
    }

    fn read_until(&mut self, most: usize) -> Vec<u8> {
        let deadline = Deadline::after(PATIENCE);
        let mut read = vec![0; most];
        let mut length = 0;
        while length < most {
            match self.0.read(&mut read[length..]) {
                Ok(0) => break,
                Ok(count) => length += count,
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {
                    let ready = is_ready(&self.0, PollFlags::IN, deadline);
                    assert!(ready, "waited {PATIENCE:?} in vain for a command to print; it printed {length} bytes");
                }
                Err(error) => panic!("a pipe: {error}"),
            }
        }
        read.truncate(length);
        read
    }

    /// Whether it holds as much as it can.
    pub(crate) fn is_full(&self) -> bool {
        let (held, size) = (ioctl_fionread(&self.0), fcntl_getpipe_size(&self.0));
        held.expect("a pipe") >= size.expect("a pipe") as u64
    }
}

/// Waits until `file` is ready, for good or ill. False: the deadline passed.
pub(crate) fn is_ready(file: &impl AsFd, flags: PollFlags, deadline: Deadline) -> bool {
    loop {
        let left = deadline.remaining().try_into().expect("a time that fits");
        match poll(&mut [PollFd::new(file, flags)], Some(&left)) {
            Ok(ready) => return ready > 0,
            Err(errno) => assert_eq!(errno, Errno::INTR, "poll of a pipe"),
        }
    }
}

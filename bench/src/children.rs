//! Child processes: the running program once more, in a role.

use rustix::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd};
use rustix::io::{FdFlags, fcntl_setfd};
use std::io::{self, BufRead, BufReader};
use std::os::fd::AsRawFd;
use std::process::{Child, ChildStdout, Command, Stdio};

/// A running child; killed and reaped at the latest when it is dropped.
#[derive(Debug)]
pub struct Running {
    child: Child,
    output: BufReader<ChildStdout>,
}

impl Running {
    /// Starts this program in `role`, with a descriptor that it inherits.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn start(role: &str, descriptor: BorrowedFd<'_>) -> io::Result<Self> {
        // Inherited only if it is not closed at exec.
        fcntl_setfd(descriptor, FdFlags::empty())?;
        let number = descriptor.as_raw_fd().to_string();
        let mut child = Command::new(std::env::current_exe()?).args([role, &number]).stdout(Stdio::piped()).spawn()?;
        let output = child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
        Ok(Self { child, output: BufReader::new(output) })
    }

    /// Waits until the child has printed a line.
    ///
    /// # Errors
    /// It ended instead.
    pub fn await_line(&mut self) -> io::Result<()> {
        let mut line = String::new();
        match self.output.read_line(&mut line)? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }

    /// Kills the child; it is not reaped.
    ///
    /// # Errors
    /// It was reaped already.
    pub fn kill(&mut self) -> io::Result<()> {
        self.child.kill()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail if it was reaped already, which is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The role in which this program was started by itself, and the descriptor that it was given.
#[must_use]
pub fn own_role() -> Option<(String, OwnedFd)> {
    let mut arguments = std::env::args().skip(1);
    let (role, number) = (arguments.next()?, arguments.next()?.parse().ok()?);
    // Not to be left behind when the parent ends.
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL)).ok()?;
    // SAFETY: the parent left this descriptor open for this process, and nobody else here knows of it.
    let descriptor = unsafe { OwnedFd::from_raw_fd(number) };
    Some((role, descriptor)).filter(|(_, descriptor)| rustix::fs::fstat(descriptor.as_fd()).is_ok())
}

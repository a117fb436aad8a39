//! Ctrl-C and the polite kill: noted, and looked at between two waits, so that nothing is cut in the middle.

use crate::failure::{Failure, Stop};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use selvedge::Deadline;
use signal_hook::consts::{SIGINT, SIGTERM};
use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// How long a wait lasts before the note is looked at.
const LOOK: Duration = Duration::from_millis(100);

/// The signal that asked this process to end, if one did.
#[derive(Clone, Debug)]
pub(crate) struct Interrupt(Arc<AtomicUsize>);

impl Interrupt {
    /// From here on Ctrl-C and SIGTERM are noted instead of ending the process; a second one ends it.
    pub(crate) fn watch() -> Result<Self, Failure> {
        let watch = || -> io::Result<Self> {
            let noted = Arc::new(AtomicUsize::new(0));
            for signal in [SIGINT, SIGTERM] {
                let number = usize::try_from(signal).unwrap_or(0);
                let second = Arc::new(std::sync::atomic::AtomicBool::new(false));
                signal_hook::flag::register_conditional_default(signal, Arc::clone(&second))?;
                signal_hook::flag::register_usize(signal, Arc::clone(&noted), number)?;
                signal_hook::flag::register(signal, second)?;
            }
            Ok(Self(noted))
        };
        watch().map_err(Failure::Signals)
    }

    /// Stops whoever asks, if a signal was noted.
    pub(crate) fn check(&self) -> Result<(), Stop> {
        // Relaxed: nothing else is passed on by it.
        match u8::try_from(self.0.load(Ordering::Relaxed)) {
            Ok(0) | Err(_) => Ok(()),
            Ok(signal) => Err(Stop::Signal(signal)),
        }
    }

    /// Waits until `source` has something to read or is at its end.
    pub(crate) fn or_readable(&self, source: &impl AsFd, failed: impl Fn(io::Error) -> Failure) -> Result<(), Stop> {
        self.or_ready(source, PollFlags::IN, failed).map(drop)
    }

    /// Waits until `sink` takes something. A pipe that nobody reads any more is an error, also while there is nothing
    /// to write to it.
    ///
    /// A pipe then takes a part of a write at least, so that a signal ends one that blocks.
    pub(crate) fn or_writable(&self, sink: &impl AsFd, failed: impl Fn(io::Error) -> Failure) -> Result<(), Stop> {
        let ready = self.or_ready(sink, PollFlags::OUT, &failed)?;
        if ready.contains(PollFlags::ERR) {
            return Err(failed(Errno::PIPE.into()).into());
        }
        Ok(())
    }

    fn or_ready(
        &self,
        file: &impl AsFd,
        flags: PollFlags,
        failed: impl Fn(io::Error) -> Failure,
    ) -> Result<PollFlags, Stop> {
        let timeout = Timespec::try_from(LOOK).map_err(|error| failed(io::Error::other(error)))?;
        loop {
            self.check()?;
            let mut polled = [PollFd::new(file, flags)];
            match poll(&mut polled, Some(&timeout)) {
                Ok(0) | Err(Errno::INTR) => {}
                Ok(_) => return Ok(polled.iter().fold(PollFlags::empty(), |all, one| all | one.revents())),
                Err(error) => return Err(failed(error.into()).into()),
            }
        }
    }

    /// Until when a wait may last before the note is looked at.
    pub(crate) fn next_look() -> Deadline {
        Deadline::after(LOOK)
    }
}

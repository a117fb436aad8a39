//! Ctrl-C and the polite kill: noted, and looked at between two waits, so that nothing is cut in the middle.

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
    pub(crate) fn watch() -> io::Result<Self> {
        let noted = Arc::new(AtomicUsize::new(0));
        for signal in [SIGINT, SIGTERM] {
            let number = usize::try_from(signal).unwrap_or(0);
            let second = Arc::new(std::sync::atomic::AtomicBool::new(false));
            signal_hook::flag::register_conditional_default(signal, Arc::clone(&second))?;
            signal_hook::flag::register_usize(signal, Arc::clone(&noted), number)?;
            signal_hook::flag::register(signal, second)?;
        }
        Ok(Self(noted))
    }

    /// The signal's number.
    pub(crate) fn noted(&self) -> Option<u8> {
        // Relaxed: nothing else is passed on by it.
        match self.0.load(Ordering::Relaxed) {
            0 => None,
            signal => u8::try_from(signal).ok(),
        }
    }

    /// Waits until `source` has something to read or is at its end. The signal, if one came first.
    pub(crate) fn or_readable(&self, source: &impl AsFd) -> io::Result<Option<u8>> {
        let timeout = Timespec::try_from(LOOK).map_err(io::Error::other)?;
        loop {
            if let Some(signal) = self.noted() {
                return Ok(Some(signal));
            }
            match poll(&mut [PollFd::new(source, PollFlags::IN)], Some(&timeout)) {
                Ok(0) | Err(Errno::INTR) => {}
                Ok(_) => return Ok(None),
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Until when a wait may last before the note is looked at.
    pub(crate) fn next_look() -> Deadline {
        Deadline::after(LOOK)
    }
}

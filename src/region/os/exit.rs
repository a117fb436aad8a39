//! The confirmed exit of a whole process.
//!
//! **Purpose.** Where a robust list cannot tell that a thread is dead (see the limits in [`robust`](super::robust)),
//! the exit of its whole process can: after it none of the process's threads runs any instruction, its robust lists
//! have been walked, and it sleeps on no futex. This is the second authority, and a slow one: the kernel announces
//! the exit only once the memory is torn down, up to 100 ms at 1 GiB.
//!
//! **Protocol.** A process is named by its pid *and* its start time (field 22 of `/proc/PID/stat`, in clock ticks
//! since boot), because pids are used again. [`ProcessWatch::open`] first takes a pidfd and reads the start time
//! after it. If the times agree, the pidfd is that of the process meant: it can only be that of a later bearer of
//! the pid if the one meant was already gone, and then the time read is of a later bearer too. If they differ, or the
//! pid is free, or it names a mere thread by now, the process meant has exited. From then on the pidfd alone decides,
//! which no reuse of the pid can confuse.
//!
//! A *zombie* is dead: the pidfd becomes readable when the last thread has gone, before anyone has reaped the
//! process. The state letter in `/proc/PID/stat` is not used: it says `Z` already when the *main thread* has ended
//! while others run on.
//!
//! **No libc.** All of this may run on a [`keeper`](super::keeper): no allocation, no thread-local storage, no libc
//! call. That is why descriptors are closed by hand: the destructor of an `OwnedFd` enters the C library's `close`,
//! which is a cancellation point and works on the thread descriptor of whatever thread it believes to be.
//!
//! **Limits.**
//! - A pid means something in one pid namespace only. A pid that was recorded in another one names nobody, or a
//!   stranger, here, and "has exited" would be wrong: the region layer must compare namespaces first.
//! - Start times count from the boot as the *reader's* time namespace shifts it, so both processes must be in one.
//! - `/proc` must be mounted and show the process (`hidepid` hides those of other users): else
//!   [`WatchError::StartTime`].
//! - A pid that comes round again within one clock tick (10 ms) of its first bearer's start would be taken for it.
//!
//! **References.** `pidfd_open(2)`, `proc_pid_stat(5)`, `time_namespaces(7)`.

use core::ffi::CStr;
use core::fmt;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fd::{BorrowedFd, IntoRawFd, OwnedFd, RawFd};
use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::{Errno, read};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use rustix::time::Timespec;

/// Why the start time of a process cannot be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StartTimeError {
    /// `/proc/PID/stat` cannot be opened or read.
    Unreadable(Errno),
    /// `/proc/PID/stat` has no field 22.
    Malformed,
}

impl fmt::Display for StartTimeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(errno) => write!(f, "/proc/PID/stat cannot be read: {errno}"),
            Self::Malformed => f.write_str("/proc/PID/stat has no start time"),
        }
    }
}

impl core::error::Error for StartTimeError {}

/// Why a process cannot be watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WatchError {
    /// No process can have this number.
    InvalidPid(u32),
    /// The kernel gives no pidfd (before Linux 5.3, a seccomp filter, no descriptor left).
    Unavailable(Errno),
    /// Somebody bears the pid, but it cannot be told whether it is the process meant.
    StartTime(StartTimeError),
}

impl fmt::Display for WatchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InvalidPid(pid) => write!(f, "{pid} is not a process id"),
            Self::Unavailable(errno) => write!(f, "no pidfd can be had: {errno}"),
            Self::StartTime(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for WatchError {}

/// Watches one process for its exit.
#[derive(Debug)]
pub(crate) struct ProcessWatch {
    /// `None`: it had exited when the watch was opened.
    pidfd: Option<Descriptor>,
}

impl ProcessWatch {
    /// Watches the process that bears `pid` and started at `start_time`.
    ///
    /// A process that exists no more gives a watch that says so.
    ///
    /// # Errors
    /// See [`WatchError`].
    pub(crate) fn open(pid: u32, start_time: u64) -> Result<Self, WatchError> {
        let number = i32::try_from(pid).ok().and_then(Pid::from_raw).ok_or(WatchError::InvalidPid(pid))?;
        let pidfd = match pidfd_open(number, PidfdFlags::empty()) {
            Ok(pidfd) => Descriptor::new(pidfd),
            // The pid is free; or (EINVAL, in newer kernels ENOENT) it is now that of a thread in another process.
            Err(Errno::SRCH | Errno::INVAL | Errno::NOENT) => return Ok(Self { pidfd: None }),
            Err(errno) => return Err(WatchError::Unavailable(errno)),
        };
        let found = read_start_time(StatPath::of(pid).as_c_str());
        let watch = Self { pidfd: Some(pidfd) };
        match found {
            Ok(found) if found == start_time => Ok(watch),
            Ok(_) => Ok(Self { pidfd: None }),
            // It may have gone, and been reaped, since the pidfd was opened.
            Err(_) if watch.has_exited() => Ok(watch),
            Err(error) => Err(WatchError::StartTime(error)),
        }
    }

    /// Whether the exit is confirmed. Does not block.
    ///
    /// `false` says nothing: the process may be dying, or the kernel may have had no memory to answer.
    #[must_use]
    pub(crate) fn has_exited(&self) -> bool {
        let Some(pidfd) = &self.pidfd else { return true };
        let mut pidfd = [PollFd::from_borrowed_fd(pidfd.borrow(), PollFlags::IN)];
        poll(&mut pidfd, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })).is_ok_and(|ready| ready > 0)
            && pidfd.iter().any(|pidfd| pidfd.revents().intersects(PollFlags::IN | PollFlags::HUP))
    }
}

/// The start time of the calling process, for others to watch it by.
///
/// # Errors
/// See [`StartTimeError`].
pub(crate) fn own_start_time() -> Result<u64, StartTimeError> {
    read_start_time(c"/proc/self/stat")
}

/// A descriptor that is closed without libc.
#[derive(Debug)]
struct Descriptor(RawFd);

impl Descriptor {
    fn new(descriptor: OwnedFd) -> Self {
        Self(descriptor.into_raw_fd())
    }

    fn borrow(&self) -> BorrowedFd<'_> {
        // SAFETY: the descriptor is open as long as `self` lives, and is nobody else's.
        unsafe { BorrowedFd::borrow_raw(self.0) }
    }
}

impl Drop for Descriptor {
    fn drop(&mut self) {
        // SAFETY: taken over in `new`, used through `borrow` only, which does not outlive `self`.
        unsafe { rustix::io::close(self.0) };
    }
}

/// The path of a process's stat file, put together without allocation.
struct StatPath {
    bytes: [u8; Self::LENGTH],
    used: usize,
}

impl StatPath {
    /// The longest is `/proc/4294967295/stat` and its terminator.
    const LENGTH: usize = 24;

    fn of(pid: u32) -> Self {
        let mut path = Self { bytes: [0; Self::LENGTH], used: 0 };
        // It fits (see LENGTH); were it not to, the file would not be found.
        let _ = fmt::write(&mut path, format_args!("/proc/{pid}/stat\0"));
        path
    }

    fn as_c_str(&self) -> &CStr {
        CStr::from_bytes_until_nul(&self.bytes).unwrap_or_default()
    }
}

impl fmt::Write for StatPath {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        let end = self.used + part.len();
        self.bytes.get_mut(self.used..end).ok_or(fmt::Error)?.copy_from_slice(part.as_bytes());
        self.used = end;
        Ok(())
    }
}

fn read_start_time(path: &CStr) -> Result<u64, StartTimeError> {
    let file = openat(CWD, path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty());
    let file = Descriptor::new(file.map_err(StartTimeError::Unreadable)?);
    // The first 22 fields fit: a name of at most 64 bytes and 20 numbers of at most 20 digits.
    let mut stat = [0_u8; 1024];
    let length = loop {
        match read(file.borrow(), &mut stat) {
            Ok(length) => break length,
            Err(Errno::INTR) => {}
            Err(errno) => return Err(StartTimeError::Unreadable(errno)),
        }
    };
    stat.get(..length).and_then(start_time_in).ok_or(StartTimeError::Malformed)
}

/// Field 22 of the text of a stat file.
fn start_time_in(stat: &[u8]) -> Option<u64> {
    // Field 2 is the command's name in parentheses and may hold spaces and parentheses itself; no later field does.
    let name_end = stat.iter().rposition(|byte| *byte == b')')?;
    let mut fields = stat.get(name_end..)?.split(|byte| *byte == b' ');
    // The first piece is the end of field 2.
    let start_time = fields.nth(22 - 2)?;
    // A piece that nothing follows may have been cut off.
    fields.next()?;
    core::str::from_utf8(start_time).ok()?.parse().ok()
}

#[cfg(test)]
mod tests;

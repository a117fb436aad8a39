//! Processes that are forked and not executed anew: cheap enough for thousands of kills a minute.
//!
//! Who forks must have no other threads than keepers, which know no locks.

use rustix::process::{
    Pid, Signal, WaitOptions, WaitStatus, getpid, getppid, kill_process, set_parent_process_death_signal, waitpid,
};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What a panic in a child becomes.
const PANICKED: i32 = 101;

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// With this code.
    Exited(i32),
    /// By this signal.
    Killed(i32),
}

impl Ending {
    /// By SIGKILL.
    pub(crate) const SIGKILL: Self = Self::Killed(libc::SIGKILL);
    /// Well.
    pub(crate) const DONE: Self = Self::Exited(0);

    fn of(status: WaitStatus) -> Self {
        match (status.exit_status(), status.terminating_signal()) {
            (Some(code), _) => Self::Exited(code),
            (None, signal) => Self::Killed(signal.unwrap_or(0)),
        }
    }
}

/// Forks. The child runs `body` and exits at once with what it returns, without destructors of anything that it
/// inherited. It dies with its parent.
pub(crate) fn fork(body: impl FnOnce() -> i32) -> io::Result<Pid> {
    let parent = getpid();
    // SAFETY: this process has no other threads than keepers, which hold no locks, so the child may do what any process
    // may.
    match unsafe { libc::fork() } {
        0 => {
            let dies_with_parent = set_parent_process_death_signal(Some(Signal::KILL));
            // The parent may have died before that. It has no id here if it is in another namespace.
            let code = if dies_with_parent.is_ok() && getppid().is_none_or(|now| now == parent) {
                catch_unwind(AssertUnwindSafe(body)).unwrap_or(PANICKED)
            } else {
                PANICKED
            };
            // SAFETY: ends the process at once, whatever state it is in.
            unsafe { libc::_exit(code) }
        }
        pid => Pid::from_raw(pid).filter(|_| pid > 0).ok_or_else(io::Error::last_os_error),
    }
}

/// Sends a signal to a child that has not been reaped.
pub(crate) fn signal(pid: Pid, signal: Signal) {
    // It is our child and not reaped, so the number is its own.
    let _ = kill_process(pid, signal);
}

/// Waits for the end of a child.
pub(crate) fn reap(pid: Pid) -> Ending {
    loop {
        match waitpid(Some(pid), WaitOptions::empty()) {
            Ok(Some((_, status))) => return Ending::of(status),
            Err(rustix::io::Errno::INTR) | Ok(None) => {}
            Err(_) => return Ending::Killed(0),
        }
    }
}

/// A child that has ended, if one has.
pub(crate) fn reap_any() -> Option<(Pid, Ending)> {
    let (pid, status) = waitpid(None, WaitOptions::NOHANG).ok()??;
    Some((pid, Ending::of(status)))
}

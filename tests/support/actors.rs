//! Forked processes of a test that runs [`alone`](super::alone::alone): cheap enough for thousands of kills.
//!
//! An actor is killed and reaped at the latest when its handle is dropped, and dies with the thread that forked it.
#![allow(dead_code, reason = "each test binary uses a part of it")]

use super::patience::{PATIENCE, until, who};
use super::proc;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fd::OwnedFd;
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitOptions, getppid, kill_process, pidfd_open, set_parent_process_death_signal, waitpid,
};
use selvedge::Deadline;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

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
}

/// What a panic in an actor becomes.
const PANICKED: i32 = 101;

/// A forked process.
#[derive(Debug)]
pub(crate) struct Actor {
    name: &'static str,
    pid: Pid,
    pidfd: OwnedFd,
    reaped: bool,
}

/// Forks. The child runs `body` and exits at once, without destructors of anything that it inherited.
#[track_caller]
pub(crate) fn fork(name: &'static str, body: impl FnOnce()) -> Actor {
    let parent = rustix::process::getpid();
    // SAFETY: the test runs alone: the process's other threads hold no lock (the harness's main thread waits, keepers
    // know no locks), so the child may do what any process may.
    match unsafe { libc::fork() } {
        0 => {
            let dies_with_parent = set_parent_process_death_signal(Some(Signal::KILL));
            // The parent may have died before that. It has no id here if it is in another namespace.
            let code = if dies_with_parent.is_ok() && getppid().is_none_or(|now| now == parent) {
                catch_unwind(AssertUnwindSafe(body)).map_or(PANICKED, |()| 0)
            } else {
                PANICKED
            };
            // SAFETY: ends the process at once, whatever state it is in.
            unsafe { libc::_exit(code) }
        }
        pid => {
            let pid = Pid::from_raw(pid).filter(|pid| pid.as_raw_nonzero().get() > 0).expect("fork makes a child");
            let pidfd = pidfd_open(pid, PidfdFlags::empty()).expect("a pidfd of one's own child");
            Actor { name, pid, pidfd, reaped: false }
        }
    }
}

/// Ends the calling thread, and not its process, as if it had been killed alone: no destructor of any kind runs.
pub(crate) fn die_alone() -> ! {
    // SAFETY: exits this thread only. Nobody joins it, and what it leaves behind is what the test is about.
    unsafe { libc::syscall(libc::SYS_exit, 0) };
    unreachable!("the thread has ended")
}

impl Actor {
    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.pid.as_raw_nonzero().get().unsigned_abs()
    }

    /// Sends a signal.
    #[track_caller]
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(self.pid, signal).expect("the child is not reaped yet");
    }

    /// Sends SIGKILL.
    #[track_caller]
    pub(crate) fn kill(&self) {
        self.signal(Signal::KILL);
    }

    /// Stops it, and waits until it has stopped.
    #[track_caller]
    pub(crate) fn stop(&self) {
        self.signal(Signal::STOP);
        until(&format!("{} stops", self.name), || proc::is_stopped(self.pid()));
    }

    /// Whether its main thread is asleep.
    pub(crate) fn is_asleep(&self) -> bool {
        proc::is_asleep(self.pid())
    }

    /// Waits until its main thread is asleep.
    #[track_caller]
    pub(crate) fn await_asleep(&self) {
        until(&format!("{} falls asleep", self.name), || {
            assert!(!self.is_dead(), "{} waited for {} to fall asleep, but it ended", who(), self.name);
            self.is_asleep()
        });
    }

    /// Whether it has exited, or was killed and is gone. It need not have been reaped.
    pub(crate) fn is_dead(&self) -> bool {
        let now = rustix::time::Timespec { tv_sec: 0, tv_nsec: 0 };
        poll(&mut [PollFd::new(&self.pidfd, PollFlags::IN)], Some(&now)).is_ok_and(|ready| ready > 0)
    }

    /// Waits until it is dead, and leaves it a zombie.
    #[track_caller]
    pub(crate) fn await_death(&self) {
        assert!(self.dies_within(PATIENCE), "{} waited {PATIENCE:?} in vain for the end of {}", who(), self.name);
    }

    /// Waits until it is dead, for `span` at most, and says whether it is. Leaves it a zombie.
    pub(crate) fn dies_within(&self, span: Duration) -> bool {
        let deadline = Deadline::after(span);
        loop {
            let left = deadline.remaining().try_into().expect("a time that fits");
            match poll(&mut [PollFd::new(&self.pidfd, PollFlags::IN)], Some(&left)) {
                Ok(ready) => return ready > 0,
                Err(errno) => assert_eq!(errno, rustix::io::Errno::INTR, "poll of a pidfd"),
            }
        }
    }

    /// Waits until it is dead, and reaps it.
    #[track_caller]
    pub(crate) fn end(mut self) -> Ending {
        self.await_death();
        let (_, status) = waitpid(Some(self.pid), WaitOptions::empty()).expect("our child").expect("it is dead");
        self.reaped = true;
        match (status.exit_status(), status.terminating_signal()) {
            (Some(code), _) => Ending::Exited(code),
            (None, Some(signal)) => Ending::Killed(signal),
            (None, None) => panic!("{} ended in no known way: {status:?}", self.name),
        }
    }

    /// Waits until it has ended well.
    #[track_caller]
    pub(crate) fn succeed(self) {
        let name = self.name;
        assert_eq!(self.end(), Ending::DONE, "{name}");
    }

    /// Kills it, waits until it is dead, and reaps it.
    #[track_caller]
    pub(crate) fn kill_and_reap(self) {
        let name = self.name;
        self.kill();
        assert_eq!(self.end(), Ending::SIGKILL, "{name}");
    }
}

impl Drop for Actor {
    fn drop(&mut self) {
        if !self.reaped {
            let _ = kill_process(self.pid, Signal::KILL);
            let _ = waitpid(Some(self.pid), WaitOptions::empty());
        }
    }
}

//! A test in a process of its own.
//!
//! A test that forks must not do so in the test harness's process, where other tests hold locks meanwhile. [`alone`]
//! runs its body in a second process of the same binary, in which nothing else happens: the harness's main thread only
//! waits. Regions there lie in a directory of their own, which goes with the test however that ends.
#![allow(dead_code, reason = "each test binary uses a part of it")]

use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{PidfdFlags, Signal, pidfd_open, set_parent_process_death_signal};
use selvedge::Deadline;
use selvedge::region::DIRECTORY_VARIABLE;
use std::fs::File;
use std::io::{Read, Seek};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const ALONE: &str = "SELVEDGE_TEST_ALONE";

/// Runs `body` in a process of its own, for at most `limit`; fails if it fails, and prints what it prints.
///
/// Calls itself: the second process runs the same test, whose name is that of the thread, and comes here again.
#[track_caller]
pub(crate) fn alone(limit: Duration, body: impl FnOnce()) {
    let name = std::thread::current().name().expect("the harness names threads after their tests").to_owned();
    if std::env::var(ALONE).is_ok_and(|alone| alone == name) {
        set_parent_process_death_signal(Some(Signal::KILL)).expect("a signal when the parent dies");
        return body();
    }
    let place = tempfile::Builder::new().prefix("selvedge-test-").tempdir_in("/dev/shm").expect("a directory");
    let mut output = tempfile::tempfile().expect("a file for the output");
    let copy = || Stdio::from(output.try_clone().expect("a copy of the descriptor"));
    let mut command = Command::new(std::env::current_exe().expect("the test binary"));
    command
        .args([name.as_str(), "--exact", "--nocapture", "--test-threads=1", "--include-ignored"])
        .env(ALONE, &name)
        .env(DIRECTORY_VARIABLE, place.path().join("regions"))
        .stdin(Stdio::null())
        .stdout(copy())
        .stderr(copy());
    let mut process = Process(command.spawn().expect("a second process of the test binary"));
    let ended = process.ends_within(limit);
    let status = process.kill_and_reap();
    print!("{}", text_of(&mut output));
    assert!(ended, "`{name}` did not end within {limit:?}");
    assert!(status.is_some_and(|status| status.success()), "`{name}` failed: {status:?}");
}

fn text_of(output: &mut File) -> String {
    let mut bytes = Vec::new();
    output.rewind().expect("a file");
    output.read_to_end(&mut bytes).expect("a file");
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Killed and reaped at the latest when this is dropped.
struct Process(Child);

impl Process {
    fn ends_within(&self, limit: Duration) -> bool {
        let pid = i32::try_from(self.0.id()).ok().and_then(rustix::process::Pid::from_raw).expect("a process id");
        let pidfd = pidfd_open(pid, PidfdFlags::empty()).expect("a pidfd of one's own child");
        let deadline = Deadline::after(limit);
        loop {
            let left = deadline.remaining().try_into().expect("a time that fits");
            match poll(&mut [PollFd::new(&pidfd, PollFlags::IN)], Some(&left)) {
                Ok(ready) => return ready > 0,
                Err(errno) => assert_eq!(errno, rustix::io::Errno::INTR, "poll of a pidfd"),
            }
        }
    }

    fn kill_and_reap(&mut self) -> Option<std::process::ExitStatus> {
        // Changes nothing if it has ended.
        let _ = self.0.kill();
        self.0.wait().ok()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill_and_reap();
    }
}

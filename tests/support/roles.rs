//! Child processes of a test: its own binary once more, which plays a role.
//!
//! A test binary that uses this has one ignored test that is named [`ENTRY`] and hands its roles to [`play`]. A child
//! and its parent talk in lines of `key=value`. Every wait has a deadline; a child is killed and reaped at the latest
//! when its handle is dropped, and dies with the thread that started it.
#![allow(dead_code, reason = "each test binary uses a part of it")]

use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Signal, set_parent_process_death_signal};
use selvedge::Deadline;
use std::io::{Read, Write};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

/// The name of the ignored test that plays a role.
pub(crate) const ENTRY: &str = "play_a_role";

/// How long a test waits for what takes no time on an idle machine. Whoever reaches it has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

const ROLE: &str = "SELVEDGE_TEST_ROLE";
const ARGUMENTS: &str = "SELVEDGE_TEST_ARGUMENTS";

/// Plays the role in which this process was started, if it was: `roles` gets its name and arguments.
pub(crate) fn play(roles: impl FnOnce(&str, &[&str])) {
    let Ok(role) = std::env::var(ROLE) else { return };
    set_parent_process_death_signal(Some(Signal::KILL)).unwrap();
    let arguments = std::env::var(ARGUMENTS).unwrap();
    roles(&role, &arguments.split_terminator('\n').collect::<Vec<_>>());
}

/// Tells the other side.
#[track_caller]
pub(crate) fn say(key: &str, value: impl std::fmt::Display) {
    let mut output = std::io::stdout().lock();
    writeln!(output, "{key}={value}").unwrap();
    output.flush().unwrap();
}

/// Waits until the parent says go on.
#[track_caller]
pub(crate) fn await_parent() {
    let mut byte = [0];
    std::io::stdin().read_exact(&mut byte).expect("the parent says go on");
}

/// A child process.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    role: String,
    /// What it has said and nobody has asked for yet.
    heard: String,
}

impl Running {
    /// Starts a child in `role`.
    #[track_caller]
    pub(crate) fn start(role: &str, arguments: &[&str]) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args([ENTRY, "--exact", "--ignored", "--nocapture", "--test-threads=1"])
            .env(ROLE, role)
            .env(ARGUMENTS, arguments.iter().map(|argument| format!("{argument}\n")).collect::<String>())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        Self { child: command.spawn().unwrap(), role: role.to_owned(), heard: String::new() }
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until the child has said `key=value`, and returns the value. What it said before is forgotten.
    #[track_caller]
    pub(crate) fn hear(&mut self, key: &str) -> String {
        let deadline = Deadline::after(PATIENCE);
        let sign = format!("{key}=");
        loop {
            // The test harness says something on the same line before.
            if let Some((_, behind)) = self.heard.split_once(&sign)
                && let Some((value, rest)) = behind.split_once('\n')
            {
                let value = value.to_owned();
                self.heard = rest.to_owned();
                return value;
            }
            self.listen(key, deadline);
        }
    }

    #[track_caller]
    fn listen(&mut self, key: &str, deadline: Deadline) {
        let output = self.child.stdout.as_mut().unwrap();
        let left = deadline.remaining().try_into().unwrap();
        match poll(&mut [PollFd::new(output, PollFlags::IN)], Some(&left)) {
            Ok(0) => panic!("{} waited {PATIENCE:?} in vain for child `{}` to say {key}", here(), self.role),
            Ok(_) => {}
            Err(errno) => assert_eq!(errno, rustix::io::Errno::INTR, "poll of a pipe"),
        }
        let mut buffer = [0; 4096];
        let length = output.read(&mut buffer).unwrap();
        assert!(length > 0, "child `{}` ended without saying {key}; it said {:?}", self.role, self.heard);
        self.heard.push_str(&String::from_utf8_lossy(&buffer[..length]));
    }

    /// Lets the child go on.
    #[track_caller]
    pub(crate) fn go_on(&mut self) {
        self.child.stdin.as_mut().unwrap().write_all(b"\n").unwrap();
    }

    /// Waits until the child has ended.
    #[track_caller]
    pub(crate) fn end(&mut self) -> ExitStatus {
        let deadline = Deadline::after(PATIENCE);
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(!deadline.has_passed(), "waited {PATIENCE:?} in vain for child `{}` to end", self.role);
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Waits until the child has ended well.
    #[track_caller]
    pub(crate) fn succeed(&mut self) {
        let status = self.end();
        assert!(status.success(), "child `{}` failed: {status}", self.role);
    }

    /// Sends SIGKILL and reaps.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail if it was reaped already, which is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn here() -> String {
    std::thread::current().name().unwrap_or("a test").to_owned()
}

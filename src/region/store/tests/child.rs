//! Child processes of the tests: this test binary once more, running the one test below in a role.

use super::{Place, kills, play_directory, play_hampered, race};
use crate::sync::Deadline;
use rustix::process::Signal;
use std::io::Read;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

const ROLE: &str = "SELVEDGE_TEST_ROLE";
const ARGUMENTS: &str = "SELVEDGE_TEST_ARGUMENTS";

/// The command that runs this test binary in `role`.
pub(super) fn command(role: &str, arguments: &[&str]) -> Command {
    let (_, module) = module_path!().split_once("::").unwrap();
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([&format!("{module}::play_a_role"), "--exact", "--ignored", "--nocapture", "--test-threads=1"]);
    command
        .env(ROLE, role)
        .env(ARGUMENTS, arguments.iter().map(|argument| format!("{argument}\n")).collect::<String>())
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    command
}

#[test]
#[ignore = "other tests run it as a child process"]
fn play_a_role() {
    let Ok(role) = std::env::var(ROLE) else { return };
    // Not to be left behind when the parent is killed.
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL)).unwrap();
    let arguments = std::env::var(ARGUMENTS).unwrap();
    let arguments: Vec<_> = arguments.split_terminator('\n').collect();
    match (role.as_str(), arguments.as_slice()) {
        ("directory", []) => play_directory(),
        ("hampered", [path, staging]) => play_hampered(&Place::of_parent(path, staging)),
        ("race", [path, staging, seed]) => race::play(&Place::of_parent(path, staging), seed.parse().unwrap()),
        ("traced", [path, staging, change]) => kills::play_traced(&Place::of_parent(path, staging), change),
        ("victim", [path, staging]) => kills::play_victim(&Place::of_parent(path, staging)),
        unknown => panic!("no such role: {unknown:?}"),
    }
}

/// A child process that is killed and reaped at the latest when the test ends.
pub(super) struct Running(Child);

impl Running {
    /// Starts a child that works in `place`.
    pub(super) fn start(role: &str, place: &Place, arguments: &[&str]) -> Self {
        let [path, staging] = place.as_arguments();
        let arguments = [&[path.as_str(), staging.as_str()], arguments].concat();
        Self::spawn(command(role, &arguments))
    }

    pub(super) fn spawn(mut command: Command) -> Self {
        Self(command.spawn().unwrap())
    }

    pub(super) fn id(&self) -> u32 {
        self.0.id()
    }

    /// Reads what the child prints until `key=value`, and returns the value.
    pub(super) fn read_value(&mut self, key: &str) -> String {
        let output = self.0.stdout.as_mut().unwrap();
        let mut text = String::new();
        let mut byte = [0];
        // Byte by byte, not to swallow what comes behind it.
        while output.read(&mut byte).unwrap() == 1 {
            text.push(byte[0].into());
            if let Some((_, value)) = text.rsplit_once(&format!("{key}="))
                && let Some((value, _)) = value.split_once('\n')
            {
                return value.to_owned();
            }
        }
        panic!("the child ended without saying {key}; it said {text:?}");
    }

    /// Waits until the child has ended.
    pub(super) fn wait(&mut self, deadline: Deadline) -> ExitStatus {
        loop {
            if let Some(status) = self.0.try_wait().unwrap() {
                return status;
            }
            assert!(!deadline.has_passed(), "waited in vain for child process {}", self.0.id());
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    pub(super) fn kill(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail if it was reaped already, which is as good.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

//! The README's transcript of a death, played anew: its commands, in as many terminals, must print what stands there.
//!
//! The transcript stands under the mark [`MARK`]. A line `2$ command` is typed into terminal 2; a line that begins with `2` and
//! a space is what terminal 2 shows then. The process ids in it are [`PIDS`]: of the first process that a terminal starts
//! and leaves running, of the second. Every wait has a deadline.
#![cfg(not(loom))]

#[path = "support/place.rs"]
mod place;

use place::Place;
use selvedge::Deadline;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

const MARK: &str = "<!-- session: survivor -->";
/// What stands in the README for the ids of the processes that are left running, in the order of their starts.
const PIDS: [&str; 2] = ["1001", "1002"];
/// How long anything may take. All of it together takes no second on an idle machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// Who looks sees a process asleep only after it has fallen asleep: looks are repeated.
const LOOK: &str = "target/debug/selvedge why";

/// The lines of the transcript: the terminal, and what is typed or shown there.
#[derive(Debug, PartialEq, Eq)]
enum Line {
    Typed(char, String),
    Shown(char, String),
}

fn transcript(readme: &str) -> Vec<Line> {
    let (_, behind) = readme.split_once(MARK).expect("the README has the mark");
    let block = behind.split("```").nth(1).expect("a fenced block under the mark");
    // The first line of it names the language.
    block.lines().skip(1).map(line).collect()
}

fn line(text: &str) -> Line {
    let terminal = text.chars().next().filter(char::is_ascii_digit);
    let terminal = terminal.unwrap_or_else(|| panic!("no terminal in `{text}`"));
    match (text.get(1..3), text.get(3..)) {
        (Some("$ "), Some(command)) => Line::Typed(terminal, command.to_owned()),
        (Some("  "), Some(shown)) => Line::Shown(terminal, shown.to_owned()),
        _ => panic!("neither typed nor shown: `{text}`"),
    }
}

/// A program of this project, which `cargo test` builds before it runs anything.
fn built(program: &str) -> PathBuf {
    let own = std::env::current_exe().expect("the test binary");
    let path = own.parent().and_then(Path::parent).expect("target/<profile>/deps").join(program);
    let builds = "run all of `cargo test`, or `cargo build --examples --package selvedge --package selvedge-cli` first";
    assert!(path.exists(), "{} is not built: {builds}", path.display());
    path
}

/// The command as this test runs it: the programs that have been built, and the ids that the processes have.
fn here(command: &str, pids: &[u32]) -> String {
    let quoted = |path: PathBuf| format!("'{}'", path.display());
    let command = command
        .replace("cargo run --quiet --example survivor --", &quoted(built("examples/survivor")))
        .replace("cargo run --quiet --example survivor", &quoted(built("examples/survivor")))
        .replace("target/debug/selvedge", &quoted(built("selvedge")));
    with(&command, PIDS.iter().zip(pids).map(|(stands, pid)| ((*stands).to_owned(), pid.to_string())))
}

/// What is shown, as the README has it.
fn there(shown: &str, pids: &[u32]) -> String {
    with(shown, PIDS.iter().zip(pids).map(|(stands, pid)| (pid.to_string(), (*stands).to_owned())))
}

/// Replaces whole numbers.
fn with(text: &str, numbers: impl Iterator<Item = (String, String)>) -> String {
    let numbers: BTreeMap<String, String> = numbers.collect();
    let words = text.split_inclusive(|letter: char| !letter.is_ascii_alphanumeric());
    let replaced = words.map(|word| {
        let bare = word.trim_end_matches(|letter: char| !letter.is_ascii_alphanumeric());
        numbers.get(bare).map_or_else(|| word.to_owned(), |number| word.replacen(bare, number, 1))
    });
    replaced.collect()
}

/// A process in a terminal, killed at the latest when the test ends.
struct Running {
    child: Child,
    lines: Receiver<String>,
}

impl Running {
    /// The shell becomes the program, so that its process is the program's.
    fn start(command: &str, place: &Place) -> Self {
        let mut child = Command::new("sh")
            .args(["-c", &format!("exec {command}")])
            .env(selvedge::region::DIRECTORY_VARIABLE, place.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a shell");
        let output = BufReader::new(child.stdout.take().expect("a pipe"));
        let (send, lines) = channel();
        thread::spawn(move || output.lines().map_while(Result::ok).try_for_each(|line| send.send(line)));
        Self { child, lines }
    }

    /// Its next line; none if it prints no more.
    #[track_caller]
    fn next(&self, deadline: Deadline) -> Option<String> {
        match self.lines.recv_timeout(deadline.remaining()) {
            Ok(line) => Some(line),
            Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => None,
            Err(std::sync::mpsc::RecvTimeoutError::Timeout) => panic!("waited {PATIENCE:?} in vain for a line"),
        }
    }

    #[track_caller]
    fn end(&mut self) -> ExitStatus {
        let deadline = Deadline::after(PATIENCE);
        loop {
            if let Some(status) = self.child.try_wait().expect("our child") {
                return status;
            }
            assert!(!deadline.has_passed(), "waited {PATIENCE:?} in vain for a process to end");
            thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail if it was reaped already, which is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// All that a command prints, which ends well.
fn printed(command: &str, place: &Place) -> Vec<String> {
    let mut running = Running::start(command, place);
    let deadline = Deadline::after(PATIENCE);
    let lines = std::iter::from_fn(|| running.next(deadline)).collect();
    let status = running.end();
    assert!(status.success(), "`{command}`: {status}, after {lines:?}");
    lines
}

/// Types a command that looks, and looks again until it shows what it is to show.
fn look(command: &str, expected: &[&str], pids: &[u32], place: &Place) {
    let deadline = Deadline::after(PATIENCE);
    loop {
        let found: Vec<_> = printed(&here(command, pids), place).iter().map(|line| there(line, pids)).collect();
        if found == expected {
            return;
        }
        assert!(!deadline.has_passed(), "`{command}` shows\n{found:#?}\nand the README has\n{expected:#?}");
        thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn the_survivor_prints_what_the_readme_says() {
    let lines =
        transcript(&std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).expect("the README"));
    let place = Place::new();
    let (mut stay, mut pids) = (BTreeMap::new(), Vec::new());
    let mut left = lines.iter().peekable();
    while let Some(line) = left.next() {
        match line {
            Line::Typed(_, command) if command.starts_with("cargo run") => {
                let running = Running::start(&here(command, &pids), &place);
                pids.push(running.child.id());
                let Line::Typed(terminal, _) = line else { unreachable!("it is typed") };
                assert!(stay.insert(*terminal, running).is_none(), "terminal {terminal} is in use");
            }
            Line::Typed(terminal, command) if command.starts_with(LOOK) => {
                let shown = std::iter::from_fn(|| match left.peek() {
                    Some(Line::Shown(there, text)) if there == terminal => left.next().map(|_| text.as_str()),
                    _ => None,
                });
                look(command, &shown.collect::<Vec<_>>(), &pids, &place);
            }
            Line::Typed(_, command) => assert_eq!(printed(&here(command, &pids), &place), [""; 0], "`{command}`"),
            Line::Shown(terminal, expected) if expected == "Killed" => {
                // What the shell says of it.
                let victim = stay.get_mut(terminal).expect("something runs there");
                assert_eq!(victim.end().signal(), Some(libc::SIGKILL));
                assert_eq!(victim.next(Deadline::after(PATIENCE)), None, "it printed more than the README has");
            }
            Line::Shown(terminal, expected) => {
                let shows = stay.get(terminal).expect("something runs there").next(Deadline::after(PATIENCE));
                assert_eq!(shows.map(|shows| there(&shows, &pids)).as_ref(), Some(expected), "terminal {terminal}");
            }
        }
    }
    for (terminal, running) in &mut stay {
        assert_eq!(running.next(Deadline::after(PATIENCE)), None, "terminal {terminal} shows more");
    }
    let survivor = stay.values_mut().last().expect("two terminals");
    assert!(survivor.end().success());
    assert_eq!(place.traces(), [], "the region is removed");
}

#[test]
fn a_transcript_is_read_as_it_stands() {
    let readme = format!("before\n{MARK}\n```text\n1$ one\n1  two  three\n2$ four\n```\nbehind");
    let (typed, shown) = (|at, text: &str| Line::Typed(at, text.into()), Line::Shown('1', "two  three".into()));
    assert_eq!(transcript(&readme), [typed('1', "one"), shown, typed('2', "four")]);
    assert_eq!(there("process 4711: 47110 and 4711.", &[4711]), "process 1001: 47110 and 1001.");
    assert_eq!(here("kill -9 1002", &[8, 9]), "kill -9 9");
}

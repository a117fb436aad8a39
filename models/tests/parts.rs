//! Runs in parts: shards that are merged, and runs that are killed in the middle and go on, say what one run says.
#![cfg(loom)]
#![allow(missing_docs)]

use std::ffi::OsStr;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Runs of each kind that take a moment: models, mutants of which some are noticed and some are not, programs.
const RUNS: [&[&str]; 3] = [
    &["--engine", "shuttle", "--schedules", "20", "--filter", "event/"],
    &["audit", "--filter", "event/reset", "--sites", "event.rs"],
    &["clients", "--object", "e", "--threads", "2", "--operations", "3", "--budget", "100"],
];

/// Units of milliseconds, but for the fifth, which takes a second: no kill that waits for four of them comes too late.
const LONG: [&str; 6] = ["--engine", "shuttle", "--schedules", "300", "--filter", "event/"];

fn prove(arguments: &[&str], more: &[&dyn AsRef<OsStr>]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_prove"));
    command.args(arguments).args(more.iter().map(|argument| argument.as_ref()));
    command
}

fn output(arguments: &[&str], more: &[&dyn AsRef<OsStr>]) -> Output {
    prove(arguments, more).output().expect("it starts")
}

fn folder() -> TempDir {
    tempfile::tempdir().expect("a folder")
}

fn text(file: &Path) -> String {
    std::fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// The result of the whole run, and what it printed.
fn whole(arguments: &[&str], folder: &TempDir) -> (String, Output) {
    let file = folder.path().join("whole.json");
    let output = output(arguments, &[&"--json", &file]);
    (text(&file), output)
}

/// Runs each shard, and returns the files of their parts.
fn shards(arguments: &[&str], count: usize, folder: &TempDir) -> Vec<PathBuf> {
    let part = |index| {
        let file = folder.path().join(format!("part-{index}-of-{count}.json"));
        let shard = output(arguments, &[&"--shard", &format!("{index}/{count}"), &"--json", &file]);
        assert!(file.exists(), "{}", String::from_utf8_lossy(&shard.stderr));
        file
    };
    (1..=count).map(part).collect()
}

fn merge(parts: &[PathBuf], into: &Path) -> Output {
    let files: Vec<&dyn AsRef<OsStr>> = parts.iter().map(|part| part as &dyn AsRef<OsStr>).collect();
    let mut command = prove(&["merge"], &files);
    command.arg("--json").arg(into).output().expect("it starts")
}

/// Lines that say nothing of time.
fn without_times(output: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(output).into_owned();
    let is_time = |word: &&str| word.parse::<f64>().is_ok_and(|_| word.contains('.'));
    text.lines()
        .map(|line| line.split_whitespace().filter(|word| !is_time(word)).collect::<Vec<_>>().join(" "))
        .collect()
}

#[test]
fn shards_make_the_whole() {
    for arguments in RUNS {
        let folder = folder();
        let (expected, all) = whole(arguments, &folder);
        let mut parts = shards(arguments, 3, &folder);
        let sizes: Vec<usize> = parts.iter().map(|part| text(part).matches("\"unit\"").count()).collect();
        assert!(sizes.iter().all(|size| *size > 0), "a shard of {arguments:?} has no units: {sizes:?}");
        // In any order.
        parts.reverse();
        let file = folder.path().join("merged.json");
        let merged = merge(&parts, &file);
        assert_eq!(text(&file), expected, "{arguments:?}");
        assert_eq!(merged.status, all.status, "{arguments:?}");
        assert_eq!(without_times(&merged.stdout), without_times(&all.stdout), "{arguments:?}");
    }
}

#[test]
fn a_shard_that_is_missing_or_foreign_or_there_twice_is_refused() {
    let folder = folder();
    let parts = shards(RUNS[0], 3, &folder);
    let elsewhere = self::folder();
    let other = shards(RUNS[1], 3, &elsewhere);
    let file = folder.path().join("merged.json");
    let foreign = folder.path().join("foreign.json");
    let (before, after) = text(&parts[1]).split_once("\"sources\":\"").map(own).expect("sources");
    let digit = if after.starts_with('0') { '1' } else { '0' };
    std::fs::write(&foreign, format!("{before}\"sources\":\"{digit}{}", &after[1..])).expect("a part");
    let cases = [
        (vec![&parts[0], &parts[2]], "shard 2/3 is missing"),
        (vec![&parts[0], &parts[1], &parts[2], &parts[1]], "overlap: both are shard 2/3"),
        (vec![&parts[0], &foreign, &parts[2]], "it comes from other sources"),
        (vec![&foreign, &parts[0], &parts[2]], "it comes from other sources"),
        (vec![&parts[0], &other[1], &parts[2]], "something else was asked for"),
    ];
    for (files, why) in cases {
        let files: Vec<PathBuf> = files.into_iter().cloned().collect();
        let refused = merge(&files, &file);
        let said = String::from_utf8_lossy(&refused.stderr);
        assert!(!refused.status.success() && said.contains(why), "{files:?}: {said}");
        assert!(!file.exists(), "{files:?}");
    }
    assert!(merge(&parts, &file).status.success() && file.exists());
}

fn own((before, after): (&str, &str)) -> (String, String) {
    (before.to_owned(), after.to_owned())
}

fn lines(file: &Path) -> usize {
    std::fs::read(file).map_or(0, |text| text.iter().filter(|byte| **byte == b'\n').count())
}

/// How many units the long run has.
fn units() -> usize {
    let listed = output(&["--list", "--filter", LONG[5]], &[]);
    String::from_utf8_lossy(&listed.stdout).lines().count()
}

/// Starts the long run and kills it with SIGKILL as soon as it has noted so many units.
fn killed_after(units: usize, journal: &Path) {
    let mut command = prove(&LONG, &[&"--jobs", &"1", &"--resume", &journal]);
    let mut run = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
    let start = Instant::now();
    while lines(journal) < 1 + units {
        assert!(start.elapsed() < Duration::from_secs(120), "{} has {} lines", journal.display(), lines(journal));
        std::thread::sleep(Duration::from_millis(1));
    }
    run.kill().expect("it runs");
    let status = run.wait().expect("it has ended");
    assert_eq!(status.signal(), Some(9), "it was not killed in the middle: {status}");
    assert!(lines(journal) < 1 + self::units(), "it had done all");
}

#[test]
fn a_run_that_is_killed_goes_on_where_it_was() {
    let folder = folder();
    let (journal, file) = (folder.path().join("journal"), folder.path().join("resumed.json"));
    killed_after(2, &journal);
    let first = text(&journal);
    // As if the kill had come in the middle of a write.
    std::fs::write(&journal, format!("{first}{{\"number\":4,\"uni")).expect("a file");
    killed_after(4, &journal);
    let second = text(&journal);
    assert!(second.starts_with(&first), "what was done is done again:\n{first}\n{second}");
    let resumed = output(&LONG, &[&"--resume", &journal, &"--json", &file]);
    assert!(resumed.status.success(), "{}", String::from_utf8_lossy(&resumed.stderr));
    assert!(text(&journal).starts_with(&second) && lines(&journal) == 1 + units(), "{}", text(&journal));
    let (expected, all) = whole(&LONG, &folder);
    assert_eq!(text(&file), expected);
    assert_eq!(without_times(&resumed.stdout), without_times(&all.stdout));
    // With nothing left, nothing is run.
    let again = output(&LONG, &[&"--resume", &journal, &"--json", &file]);
    assert!(again.status.success() && lines(&journal) == 1 + units());
    assert_eq!(text(&file), expected);
}

#[test]
fn a_file_of_another_run_is_refused() {
    let folder = folder();
    let journal = folder.path().join("journal");
    let resume = |arguments: &[&str], more: &[&str]| {
        let arguments = [arguments, more].concat();
        let output = output(&arguments, &[&"--resume", &journal]);
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    assert_eq!(resume(RUNS[0], &["--shard", "1/2"]), (true, String::new()));
    let kept = text(&journal);
    let cases: [(&[&str], &str); 3] = [
        (&["--deeper", "1", "--shard", "1/2"], "something else was asked for"),
        (&["--shard", "2/2"], "it is shard 1/2, and not 2/2"),
        (&[], "it is shard 1/2, and not 1/1"),
    ];
    for (more, why) in cases {
        let (passed, said) = resume(RUNS[0], more);
        assert!(!passed && said.contains("cannot go on") && said.contains(why), "{more:?}: {said}");
        assert_eq!(text(&journal), kept);
    }
    let (before, after) = kept.split_once("\"sources\":\"").expect("sources");
    std::fs::write(&journal, format!("{before}\"sources\":\"x{}", &after[1..])).expect("a file");
    let (passed, said) = resume(RUNS[0], &["--shard", "1/2"]);
    assert!(!passed && said.contains("it comes from other sources"), "{said}");
}

#[test]
fn times_are_kept_apart() {
    let folder = folder();
    let times = folder.path().join("times.json");
    let (first, _) = whole(RUNS[0], &folder);
    let timed = folder.path().join("timed.json");
    assert!(output(RUNS[0], &[&"--json", &timed, &"--times", &times]).status.success());
    assert_eq!(text(&timed), first);
    assert!(!first.contains("seconds"), "{first}");
    let times: Vec<(String, f64)> = serde_json::from_str(&text(&times)).expect("times");
    assert_eq!(times.len(), first.matches("\"verdict\"").count());
    assert!(times.iter().all(|(unit, seconds)| unit.starts_with("event/") && *seconds > 0.0), "{times:?}");
}

//! `ls`, `stat`, `rm`, and what the command line is.

use crate::pipes::{is_ready, output};
use crate::support::{PATIENCE, Place};
use rustix::event::PollFlags;
use rustix::fs::{Mode, OFlags};
use rustix::process::Signal;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use selvedge::Deadline;
use selvedge::region::RegionOptions;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

#[test]
fn ls_of_nothing() {
    let place = Place::new();
    place.run(&["ls"]).silent().printed(b"");
    place.run(&["ls", "--json"]).silent().printed(b"[]\n");
}

#[test]
fn ls_shows_regions_and_what_is_wrong_with_them() {
    let place = Place::new();
    place.feed(&["send", "one"], b"1\n").silent();
    place.feed(&["send", "two"], b"2\n").silent();
    damage(&place, "two");
    foreign(&place, "three");
    let listed = String::from_utf8(place.run(&["ls"]).silent().stdout).expect("text");
    let lines: Vec<&str> = listed.lines().collect();
    assert_eq!(lines.len(), 3, "{listed}");
    assert!(lines[0].starts_with("one ") && lines[0].ends_with(" valid"), "{listed}");
    assert!(lines[1].starts_with("three ") && lines[1].contains("damaged: "), "{listed}");
    assert!(lines[2].starts_with("two ") && lines[2].contains("damaged: "), "{listed}");
    let listed = place.run(&["ls", "--json"]).silent().json();
    let names: Vec<&str> = listed.as_array().expect("a list").iter().filter_map(|one| one["name"].as_str()).collect();
    assert_eq!(names, ["one", "three", "two"]);
    assert_eq!(listed[0]["status"], "valid");
    assert!(listed[0]["created"].as_u64().is_some_and(|seconds| seconds > 1_700_000_000), "{listed}");
    let size = fs::metadata(place.regions().join("one")).expect("a file").len();
    assert_eq!(listed[0]["bytes"], size);
    assert!(listed[2]["status"].as_str().is_some_and(|status| status.starts_with("damaged: ")), "{listed}");
}

/// Overwrites a region's header.
fn damage(place: &Place, name: &str) {
    let mut file = fs::OpenOptions::new().write(true).open(place.regions().join(name)).expect("a region");
    file.write_all(&[0xff; 256]).expect("a file");
}

/// A file that is no region.
fn foreign(place: &Place, name: &str) {
    let path = place.regions().join(name);
    fs::write(&path, b"not a region").expect("a file");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("a file");
}

#[test]
fn stat_shows_objects_and_participants() {
    let place = Place::new();
    let mut sender = place.selvedge(&["send", "--buffer", "64K", "s"]).piped().start();
    sender.until_idle(&place, 1);
    let shown = place.run(&["stat", "--json", "s"]).silent().json();
    assert_eq!(shown["name"], "s");
    assert_eq!(shown["id"].as_str().map(str::len), Some(32), "{shown}");
    assert_eq!(shown["intact"], true);
    assert_eq!(shown["objects"][0]["kind"], "stream");
    assert_eq!(shown["objects"][0]["element"], 1);
    assert_eq!(shown["objects"][0]["capacity"], 65_536);
    assert_eq!(shown["participants"].as_array().map(Vec::len), Some(1), "{shown}");
    assert_eq!(shown["participants"][0]["pid"], sender.pid());
    assert_eq!(shown["participants"][0]["threads"], 1);
    assert_eq!(shown["participants"][0]["alive"], true);
    let shown = String::from_utf8(place.run(&["stat", "s"]).silent().stdout).expect("text");
    for part in ["region        s\n", "intact        yes\n", "stream, 65536 × 1 bytes"] {
        assert!(shown.contains(part), "{part:?} is not in {shown}");
    }
    assert!(shown.contains(&format!("process {}", sender.pid())), "{shown}");
    sender.kill().killed();
    // `stat` attaches, and whoever attaches looks after the dead.
    let shown = place.run(&["stat", "--json", "s"]).silent().json();
    assert_eq!(shown["participants"].as_array().map(Vec::len), Some(0), "{shown}");
}

#[test]
fn stat_and_transfers_refuse_what_is_no_region() {
    let place = Place::new();
    place.run(&["stat", "s"]).code(3).said("region `s`: no such region");
    let report = place.run(&["stat", "--json", "s"]).code(3).reports();
    assert_eq!(report, [serde_json::json!({ "error": "region `s`: no such region" })]);
    place.feed(&["send", "s"], b"1\n").silent();
    damage(&place, "s");
    foreign(&place, "foreign");
    for command in ["stat", "recv", "send"] {
        place.run(&[command, "s"]).code(1).said("region `s`: ");
        place.run(&[command, "foreign"]).code(1).said("region `foreign`: ");
    }
    // A region of a program that has other things in it.
    let options = RegionOptions::new().arena(4096).processes(4).directory(place.regions());
    let region = options.create("other").expect("a region");
    let _mutex = region.mutex("cli", 0_u64).expect("a mutex");
    place.run(&["recv", "other"]).code(1).said("region `other`: object `cli`: is a mutex, not a stream");
    let shown = place.run(&["stat", "--json", "other"]).silent().json();
    assert_eq!(shown["objects"][0]["kind"], "mutex");
    assert_eq!(shown["participants"][0]["pid"], std::process::id());
}

#[test]
fn rm_removes_regions_and_what_it_is_forced_to() {
    let place = Place::new();
    for name in ["one", "two", "three"] {
        place.feed(&["send", name], b"1\n").silent();
    }
    place.run(&["rm", "one", "two"]).silent().printed(b"");
    assert_eq!(place.names(), ["three"]);
    place.run(&["rm", "one"]).code(3).said("region `one`: no such region");
    place.run(&["rm", "one", "two"]).code(3);
    place.run(&["rm", "one", "three", "two"]).code(3);
    assert!(place.names().is_empty(), "the one that there was is gone");
    foreign(&place, "foreign");
    place.run(&["rm", "foreign"]).code(1).said("region `foreign`: ");
    place.run(&["rm", "one", "foreign"]).code(1);
    place.run(&["rm", "foreign", "one"]).code(1);
    assert_eq!(place.names(), ["foreign"]);
    let report = place.run(&["rm", "--json", "foreign"]).code(1).reports();
    assert!(report[0]["error"].as_str().is_some_and(|error| error.starts_with("region `foreign`: ")), "{report:?}");
    place.run(&["rm", "--force", "foreign"]).silent();
    assert!(place.names().is_empty());
    place.run(&["rm", "--force", "foreign"]).code(3);
}

#[test]
fn names_that_are_none() {
    let place = Place::new();
    for (name, fault) in [
        ("a/b", "it holds a slash"),
        ("../etc", "it begins with a dot"),
        ("", "it is empty"),
        (".hidden", "it begins with a dot"),
        ("a\nb", "it holds the character U+000A"),
        (&"x".repeat(201), "it has 201 bytes, 200 are possible"),
    ] {
        for command in ["send", "recv", "stat", "rm"] {
            place.run(&[command, name]).code(1).said("not a region name: ").said(fault);
        }
        place.run(&["rm", "--force", name]).code(1).said(fault);
    }
    assert!(place.names().is_empty());
}

#[test]
fn a_directory_that_others_can_read_is_refused() {
    let place = Place::new();
    fs::create_dir(place.regions()).expect("a directory");
    fs::set_permissions(place.regions(), fs::Permissions::from_mode(0o755)).expect("a directory");
    for line in [&["ls"][..], &["send", "s"], &["recv", "s"], &["stat", "s"], &["rm", "s"]] {
        place.run(line).code(1).said("755");
    }
}

#[test]
fn command_lines_that_are_wrong() {
    let place = Place::new();
    for (line, text) in [
        (&["send", "--nonsense", "s"][..], "--nonsense"),
        (&["nonsense"], "nonsense"),
        (&[], "Usage: selvedge"),
        (&["send"], "NAME"),
        (&["rm"], "NAMES"),
        (&["send", "--buffer", "0", "s"], "between 1 and 512M are possible"),
        (&["send", "--buffer", "513M", "s"], "between 1 and 512M are possible"),
        (&["send", "--buffer", "99999999999999999999", "s"], "not a size"),
        (&["send", "--buffer", "18446744073709551615K", "s"], "between 1 and 512M are possible"),
        (&["recv", "--buffer=-1", "s"], "--buffer"),
        (&["recv", "--buffer", "4 M", "s"], "not a size"),
        (&["recv", "--buffer", "ä", "s"], "not a size"),
    ] {
        place.run(line).code(2).said(text);
    }
    assert!(place.names().is_empty());
}

#[test]
fn a_buffer_for_which_there_is_no_memory() {
    let place = Place::new();
    // The limit on the size of files stands for a full file system.
    let refused = place.limited("-f 64", &["recv", "--buffer", "8M", "s"]).start().end();
    refused.code(1).said("region `s`: ");
    assert!(place.names().is_empty(), "half a region was left behind");
}

#[test]
fn help_names_every_option_and_exit_code() {
    let place = Place::new();
    let help = |line: &[&str]| String::from_utf8(place.run(line).silent().stdout).expect("text");
    let all = help(&["--help"]);
    for part in ["send", "recv", "ls", "stat", "doctor", "why", "rm", "Exit codes:", "SELVEDGE_DIR"] {
        assert!(all.contains(part), "{part} is not in {all}");
    }
    let recv = help(&["recv", "--help"]);
    for part in ["--raw", "--file <PATH>", "--buffer <SIZE>", "--follow", "--fail-on-death", "--json", "at least once"]
    {
        assert!(recv.contains(part), "{part} is not in {recv}");
    }
    assert_eq!(help(&["--version"]), concat!("selvedge ", env!("CARGO_PKG_VERSION"), "\n"));
}

#[test]
fn output_that_nobody_reads_is_an_error_and_no_panic() {
    let place = Place::new();
    place.feed(&["send", "s"], b"1\n").silent();
    for line in [&["ls"][..], &["stat", "s"], &["ls", "--json"]] {
        let (reader, writer) = output();
        drop(reader);
        let end = place.selvedge(line).start_into(writer).end().code(1);
        assert!(end.stderr.contains("standard output: Broken pipe"), "{}", end.stderr);
    }
}

/// The other side of a terminal on which a command speaks.
pub(crate) fn terminal() -> (File, File) {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).expect("a terminal");
    grantpt(&master).expect("a terminal");
    unlockpt(&master).expect("a terminal");
    let name = ptsname(&master, Vec::new()).expect("a terminal");
    let slave =
        rustix::fs::open(&name, OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty()).expect("a terminal");
    (master.into(), slave.into())
}

#[test]
fn a_progress_bar_is_shown_on_a_terminal_only() {
    let place = Place::new();
    let (mut master, slave) = terminal();
    let output = File::create(place.path("out")).expect("a file");
    let receiver =
        place.selvedge(&["recv", "--raw", "s"]).start_with(output, place.path("out"), slave, place.path("unused"));
    let mut sender = place.selvedge(&["send", "--raw", "s"]).piped().start();
    // Held open: the end of the input would be the end of the transfer.
    let mut input = sender.input();
    // Bars are not drawn more often than the eye can see: something has to come until one is.
    let is_redrawn = |shown: &str| shown.matches("B/s").count() > 1;
    let shown = until_shown(&mut master, "a bar, twice", is_redrawn, || input.write(&[b'x'; 4096]));
    assert!(shown.contains('\u{1b}') || shown.contains('\r'), "drawn in place: {shown:?}");
    sender.signal(Signal::INT);
    let spoken = sender.end().code(130).stderr;
    drop(input);
    assert!(!spoken.contains("B/s"), "a bar in a file: {spoken:?}");
    let told = "waiting for another sender";
    let shown = until_shown(&mut master, told, |shown| shown.contains(told), || {});
    assert!(shown.contains("the sender died before it was done"), "{shown:?}");
    receiver.kill().killed();
}

/// Reads what a terminal shows until it `is_right`, and does something every few milliseconds `meanwhile`.
#[track_caller]
pub(crate) fn until_shown(
    master: &mut File,
    what: &str,
    is_right: impl Fn(&str) -> bool,
    mut meanwhile: impl FnMut(),
) -> String {
    let deadline = Deadline::after(PATIENCE);
    let mut shown = String::new();
    let mut buffer = [0; 4096];
    while !is_right(&shown) {
        assert!(!deadline.has_passed(), "waited {PATIENCE:?} in vain for: {what}; shown was {shown:?}");
        meanwhile();
        if is_ready(master, PollFlags::IN, Deadline::after(Duration::from_millis(5))) {
            let count = master.read(&mut buffer).unwrap_or_else(|error| panic!("{error} before: {what}; {shown:?}"));
            shown.push_str(&String::from_utf8_lossy(&buffer[..count]));
        }
    }
    shown
}

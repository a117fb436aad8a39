//! `top`: rates, depths and who is blocked, of real processes; and how it ends.

use crate::doctor::{idle_pair, said, stop};
use crate::inspection::{terminal, until_shown};
use crate::support::{Place, Running};
use rustix::process::Signal;
use selvedge::region::RegionOptions;
use serde_json::Value;
use std::fs::{self, File};

/// What was shown so far, in JSON: a line for each interval. One that is being written is left out.
fn shown(top: &Running) -> Vec<Value> {
    let text = String::from_utf8(top.stdout()).expect("text");
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    whole.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

/// How much was sent, or received, in all that was shown.
fn counted(shown: &[Value], what: &str) -> u64 {
    let objects = shown.iter().flat_map(|one| one["objects"].as_array().expect("objects"));
    let rates =
        objects.filter(|object| object["name"] == "cli").flat_map(|one| one["rates"].as_array().expect("rates"));
    rates.filter(|rate| rate["what"] == what).map(|rate| rate["count"].as_u64().expect("a count")).sum()
}

#[test]
fn what_busy_processes_move_is_counted_to_the_last_byte() {
    // Less than what makes the positions of the stream come round, so that nothing can be missed however late it is looked at.
    const BYTES: usize = 3_000_000;
    let place = Place::new();
    let mut sender = place.selvedge(&["send", "--raw", "s"]).piped().start();
    sender.until_idle(&place, 1);
    let mut top = place.selvedge(&["top", "--json", "--interval", "0.02", "s"]).start();
    top.until("it shows something", |top| !shown(top).is_empty());
    assert_eq!(counted(&shown(&top), "sent"), 0);
    let receiver = place.selvedge(&["recv", "--raw", "s"]).start();
    for half in [1, 2].map(|half| half * BYTES / 2) {
        sender.write(&vec![7; BYTES / 2]);
        top.until("it has counted all so far", |top| counted(&shown(top), "received") >= half as u64);
    }
    assert_eq!(receiver.printed(), BYTES);
    let all = shown(&top);
    assert_eq!((counted(&all, "sent"), counted(&all, "received")), (BYTES as u64, BYTES as u64));
    let per_second = |one: &Value| one["objects"][0]["rates"][0]["per_second"].as_f64();
    assert!(all.iter().any(|one| per_second(one).is_some_and(|rate| rate > 0.0)), "{all:?}");
    top.signal(Signal::INT);
    top.end().silent();
}

#[test]
fn a_sender_that_nobody_listens_to_is_full_and_blocked() {
    let place = Place::new();
    let mut sender = place.selvedge(&["send", "--raw", "--buffer", "64K", "s"]).input(&[b'x'; 200_000]).start();
    sender.until("it is blocked", |_| {
        let seen = place.run(&["why", "--json", "s", "cli"]);
        seen.status.success() && seen.json()["waiters"].as_array().is_some_and(|waiters| waiters.len() == 1)
    });
    let named = [(sender.pid(), "SENDER")];
    let told = said(&place, &["top", "--once", "--interval", "0.05", "s"], 0, &named);
    let (heading, rest) = told.split_once('\n').expect("lines");
    assert!(heading.starts_with("region s: 1 process; rates over 0.0"), "{heading}");
    assert_eq!(
        rest,
        "\
OBJECT  KIND    DEPTH  CAPACITY  SENT/s  RECEIVED/s
cli     stream  65536     65536       0           0
blocked on cli: thread 0 of process SENDER, its sender: Who sends waits until the receiver receives
"
    );
    let report = place.run(&["top", "--once", "--interval", "0.05", "--json", "s"]).silent().json();
    let object = &report["objects"][0];
    assert_eq!((&object["depth"], &object["capacity"]), (&65536.into(), &65536.into()), "{report}");
    assert_eq!(object["waiters"][0]["pid"], sender.pid());
}

#[test]
fn a_receiver_to_whom_nothing_is_sent_is_blocked() {
    let place = Place::new();
    let (mut sender, receiver) = idle_pair(&place);
    let named = [(sender.pid(), "SENDER"), (receiver.pid(), "RECEIVER")];
    stop(&mut sender);
    let told = said(&place, &["top", "--count", "2", "--interval", "0.01", "s"], 0, &named);
    let blocks: Vec<&str> = told.split("\n\n").collect();
    assert_eq!(blocks.len(), 2, "{told}");
    for block in blocks {
        let (heading, rest) = block.split_once('\n').expect("lines");
        assert!(heading.starts_with("region s: 2 processes, 1 stopped; rates over 0.0"), "{heading}");
        assert_eq!(
            rest.trim_end(),
            "\
OBJECT  KIND    DEPTH  CAPACITY  SENT/s  RECEIVED/s
cli     stream      0     65536       0           0
blocked on cli: thread 0 of process RECEIVER, its receiver: Who receives waits until the sender sends; \
sender is thread 0 of process SENDER (stopped)"
        );
    }
}

#[test]
fn of_a_mailbox_depth_rates_and_who_is_blocked_are_shown() {
    let place = Place::new();
    let shown_once = |named: &[(u32, &str)]| {
        let told = said(&place, &["top", "--once", "--interval", "0.05", "s"], 0, named);
        let mut lines: Vec<String> = told.lines().skip(2).map(str::to_owned).collect();
        // What the command keeps beside it.
        lines.retain(|line| !line.starts_with("cli door") && !line.starts_with("cli silence"));
        lines
    };
    let mut sender = place.selvedge(&["send", "--capacity", "2", "s"]).piped().start();
    sender.write(b"1\n2\n3\n");
    let named = [(sender.pid(), "SENDER")];
    let full = [
        "cli          mailbox      2         2       0           0  2 of 2 messages; 1 process can send; nobody has come to receive",
        "blocked on cli: thread 0 of process SENDER: Who sends waits until somebody receives",
    ];
    sender.until("it is full and blocked", |_| place.names() == ["s"] && shown_once(&named) == full);
    // Two of three are sent by now: the last is, and all are received, while somebody looks.
    let mut top = place.selvedge(&["top", "--json", "--interval", "0.02", "s"]).start();
    top.until("it shows something", |top| !shown(top).is_empty());
    let receivers = [0; 2].map(|_| place.selvedge(&["recv", "s"]).start());
    top.until("it has counted all", |top| counted(&shown(top), "received") == 3);
    assert_eq!(counted(&shown(&top), "sent"), 1);
    top.signal(Signal::INT);
    top.end().silent();
    let named = receivers.each_ref().map(|receiver| (receiver.pid(), "RECEIVER"));
    // They wait for the end of all who send, too.
    let empty = [
        "cli          mailbox      0         2       0           0  0 of 2 messages; 1 process can send; 2 processes can receive",
        "blocked on several objects: thread 0 of process RECEIVER",
        "blocked on several objects: thread 0 of process RECEIVER",
    ];
    sender.until("it is empty, and both receivers are blocked", |_| shown_once(&named) == empty);
    sender.end().silent();
    receivers.into_iter().for_each(|receiver| drop(receiver.end().silent()));
}

#[test]
fn who_waits_for_a_lock_is_told_with_its_owner() {
    let place = Place::new();
    let region = RegionOptions::new().processes(2).threads(4).directory(place.regions()).create("s").expect("a region");
    let stock = region.mutex("stock", 7_u64).expect("a mutex");
    let guard = stock.lock().expect("free");
    region.pool::<u64>("pages", 3).expect("a pool").take().map(drop).expect("a page");
    std::thread::scope(|scope| {
        let waiter = scope.spawn(|| stock.lock().map(drop).expect("usable"));
        let named = [(std::process::id(), "SELF")];
        let mut told = String::new();
        while !told.contains("blocked") {
            assert!(!waiter.is_finished(), "nobody was blocked: {told}");
            told = said(&place, &["top", "--once", "--interval", "0.01", "s"], 0, &named);
        }
        drop(guard);
        assert!(told.contains("\nstock   mutex      -         -       -           -  locked\n"), "{told}");
        assert!(told.contains("\npages   pool       0         3       -           -  0 taken/s\n"), "{told}");
        let blocked = "\nblocked on stock: thread 1 of process SELF: `lock` waits until its owner unlocks it; \
                       owner is thread 0 of process SELF\n";
        assert!(told.contains(blocked), "{told}");
    });
}

#[test]
fn on_a_terminal_it_is_drawn_over_itself_until_somebody_ends_it() {
    let place = Place::new();
    place.feed(&["send", "s"], b"1\n2\n").silent();
    let (mut master, slave) = terminal();
    let errors = File::create(place.path("errors")).expect("a file");
    let line = place.selvedge(&["top", "--interval", "0.02", "s"]);
    let top = line.start_with(slave, place.path("unused"), errors, place.path("errors"));
    let is_redrawn = |shown: &str| shown.matches("\x1b[Hregion s: 0 processes").count() > 2;
    let shown = until_shown(&mut master, "it is drawn several times", is_redrawn, || {});
    assert!(shown.starts_with("\x1b[Hregion s: 0 processes\x1b[K"), "at once, without rates: {shown:?}");
    assert!(shown.contains("cli     stream      4   2097152       ?           ?"), "{shown:?}");
    assert!(shown.contains("cli     stream      4   2097152       0           0"), "{shown:?}");
    top.signal(Signal::INT);
    top.end().silent();
    // What has an end is read afterwards.
    let (mut master, slave) = terminal();
    let errors = File::create(place.path("errors")).expect("a file");
    let line = place.selvedge(&["top", "--count", "2", "--interval", "0.01", "s"]);
    let top = line.start_with(slave, place.path("unused"), errors, place.path("errors"));
    let shown = until_shown(&mut master, "two tables", |shown| shown.matches("\ncli     stream").count() == 2, || {});
    assert!(!shown.contains('\x1b'), "{shown:?}");
    top.end().silent();
}

#[test]
fn it_ends_when_told_to_and_when_the_region_is_removed() {
    let place = Place::new();
    place.run(&["top", "s"]).code(3).said("region `s`: no such region");
    place.feed(&["send", "s"], b"1\n").silent();
    let before = fs::read(place.regions().join("s")).expect("the region's file");
    let long = ["--interval", "30", "s"];
    let signalled =
        [(&["top"][..], Signal::INT, 0), (&["top", "--count", "3"], Signal::INT, 130), (&["top"], Signal::TERM, 143)];
    for (line, signal, code) in signalled {
        let mut top = place.selvedge(&[line, &long].concat()).start();
        // It has mapped the region: signals are watched since before.
        let maps = format!("/proc/{}/maps", top.pid());
        let file = place.regions().join("s").to_string_lossy().into_owned();
        top.until("it looks", |_| fs::read_to_string(&maps).is_ok_and(|maps| maps.contains(&file)));
        top.signal(signal);
        assert_eq!(top.end().code(code).stderr, "");
    }
    assert!(before == fs::read(place.regions().join("s")).expect("the region's file"), "it has changed the region");
    let interval = ["--interval", "0.01", "s"];
    let mut endless = place.selvedge(&[&["top"], &interval[..]].concat()).start();
    let mut counted = place.selvedge(&[&["top", "--count", "1000000"], &interval[..]].concat()).start();
    [&mut endless, &mut counted].into_iter().for_each(|top| top.until_printed(1));
    place.run(&["rm", "s"]).silent();
    endless.end().code(0).said("region `s`: was removed");
    counted.end().code(3).said("region `s`: was removed");
}

#[test]
fn of_command_lines_that_say_nothing() {
    let place = Place::new();
    for wrong in [&["--interval", "0"][..], &["--interval", "x"], &["--count", "0"], &["--once", "--count", "2"]] {
        place.run(&[&["top", "s"], wrong].concat()).code(2);
    }
}

//! `doctor` and `why`: what they say of the living, the stopped and the dead, and that they only look.

use crate::support::{Place, Running};
use rustix::process::Signal;
use selvedge::Region;
use selvedge::region::{Mutex, RegionOptions};
use std::fs;
use std::sync::Barrier;
use std::thread;
use std::time::Duration;

/// What a command printed, with process and thread ids replaced by who they are.
pub(crate) fn said(place: &Place, line: &[&str], code: i32, named: &[(u32, &str)]) -> String {
    let finished = place.run(line).code(code);
    assert_eq!(finished.stderr, "");
    let text = String::from_utf8(finished.stdout).expect("text");
    let mut words: Vec<String> = Vec::new();
    for word in text.split_inclusive(|letter: char| !letter.is_ascii_alphanumeric()) {
        let bare = word.trim_end_matches(|letter: char| !letter.is_ascii_alphanumeric());
        let name = named.iter().find(|(pid, _)| bare == pid.to_string()).map(|(_, name)| *name);
        words.push(name.map_or_else(|| word.to_owned(), |name| word.replace(bare, name)));
    }
    words.concat()
}

/// The same, when everybody is stopped or gone: and it changed nothing.
#[track_caller]
fn said_of_the_still(place: &Place, line: &[&str], code: i32, named: &[(u32, &str)]) -> String {
    let file = place.regions().join("s");
    let before = fs::read(&file).expect("the region's file");
    let said = said(place, line, code, named);
    assert!(before == fs::read(&file).expect("the region's file"), "`{}` has changed the region", line.join(" "));
    said
}

#[track_caller]
pub(crate) fn stop(running: &mut Running) {
    running.signal(Signal::STOP);
    let stat = format!("/proc/{}/task", running.pid());
    let stopped = |path: std::path::PathBuf| {
        fs::read_to_string(path.join("stat"))
            .is_ok_and(|stat| stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with('T')))
    };
    running.until("it has stopped", |_| {
        fs::read_dir(&stat).is_ok_and(|tasks| tasks.flatten().all(|task| stopped(task.path())))
    });
}

/// A sender and a receiver of region `s` that both have nothing to do.
pub(crate) fn idle_pair(place: &Place) -> (Running, Running) {
    let mut sender = place.selvedge(&["send", "--buffer", "64K", "s"]).piped().start();
    sender.write(b"one\n");
    // First come, first shown; and it makes the region. Asked without attaching, which would take the first place.
    sender.until("it sends", |_| {
        let seen = place.run(&["why", "--json", "s", "cli"]);
        seen.status.success() && seen.json()["holders"][0]["role"] == "sender"
    });
    let mut receiver = place.selvedge(&["recv", "s"]).start();
    receiver.until_printed(4);
    receiver.until("it waits for more", |_| {
        let seen = place.run(&["why", "--json", "s", "cli"]).json();
        seen["waiters"].as_array().is_some_and(|waiters| waiters.len() == 1)
    });
    (sender, receiver)
}

#[test]
fn of_a_region_that_is_well() {
    let place = Place::new();
    let (sender, receiver) = idle_pair(&place);
    let named = [(sender.pid(), "SENDER"), (receiver.pid(), "RECEIVER")];
    assert_eq!(
        said(&place, &["doctor", "s"], 0, &named),
        "\
region        s
intact        yes
process       SENDER: alive, 1 thread
process       RECEIVER: alive, 1 thread
directory     unlocked
object        cli, stream: 0 of 65536 bytes
              sender: thread 0 of process SENDER (alive, thread id SENDER)
              receiver: thread 0 of process RECEIVER (alive, thread id RECEIVER)
              waits: thread 0 of process RECEIVER (alive, thread id RECEIVER)
finding       none
"
    );
    assert_eq!(
        said(&place, &["why", "s", "cli"], 0, &named),
        "\
cli, stream: 0 of 65536 bytes.
Who receives waits until the sender sends.
Its sender is thread 0 of process SENDER (alive, thread id SENDER).
Its receiver is thread 0 of process RECEIVER (alive, thread id RECEIVER).
One thread waits for it: thread 0 of process RECEIVER (alive, thread id RECEIVER).
"
    );
}

#[test]
fn of_the_stopped_and_the_dead_and_what_a_repair_does() {
    let place = Place::new();
    let (mut sender, mut receiver) = idle_pair(&place);
    let named = [(sender.pid(), "SENDER"), (receiver.pid(), "RECEIVER")];
    [&mut sender, &mut receiver].into_iter().for_each(stop);
    let frozen = said_of_the_still(&place, &["doctor", "s"], 0, &named);
    assert!(frozen.contains("process       SENDER: alive, stopped, 1 thread\n"), "{frozen}");
    let why = said_of_the_still(&place, &["why", "s", "cli"], 0, &named);
    assert!(why.contains("Process SENDER is stopped, and goes on when it gets SIGCONT.\n"), "{why}");
    sender.kill().killed();
    assert_eq!(
        said_of_the_still(&place, &["doctor", "s"], 5, &named),
        "\
region        s
intact        yes
process       SENDER: dead, 1 thread
process       RECEIVER: alive, stopped, 1 thread
directory     unlocked
object        cli, stream: 0 of 65536 bytes
              sender: thread 0 of process SENDER (dead)
              receiver: thread 0 of process RECEIVER (alive, stopped, thread id RECEIVER)
              waits: thread 0 of process RECEIVER (alive, stopped, thread id RECEIVER)
finding       process SENDER has died, and what it left is not repaired yet: repair it
finding       the sender of stream `cli` is thread 0 of process SENDER (dead); \
once repaired, the role becomes vacant, and the other side is told: repair it
"
    );
    assert_eq!(
        said_of_the_still(&place, &["why", "s", "cli"], 0, &named),
        "\
cli, stream: 0 of 65536 bytes.
Who receives waits until the sender sends.
Its sender is thread 0 of process SENDER (dead).
That thread has died, and all who would have noticed are stopped.
`selvedge doctor --repair s` repairs what it left.
Its receiver is thread 0 of process RECEIVER (alive, stopped, thread id RECEIVER).
Process RECEIVER is stopped, and goes on when it gets SIGCONT.
One thread waits for it: thread 0 of process RECEIVER (alive, stopped, thread id RECEIVER).
"
    );
    let report: serde_json::Value = place.run(&["doctor", "--json", "s"]).code(5).json();
    assert_eq!(report["processes"][0]["life"], "dead");
    assert_eq!(report["processes"][1]["life"], "stopped");
    assert_eq!(report["objects"][0]["holders"][0]["thread"]["pid"], named[0].0);
    assert_eq!(report["findings"].as_array().map(Vec::len), Some(2), "{report}");
    assert_eq!(report["findings"][0]["remedy"], "repair it");
    assert_eq!(
        said(&place, &["doctor", "--repair", "s"], 0, &named),
        "\
region        s
intact        yes
process       RECEIVER: alive, stopped, 1 thread
directory     unlocked
object        cli, stream: 0 of 65536 bytes; its sender has died
              receiver: thread 0 of process RECEIVER (alive, stopped, thread id RECEIVER)
              waits: thread 0 of process RECEIVER (alive, stopped, thread id RECEIVER)
repaired      process SENDER has died, and what it left is not repaired yet
repaired      the sender of stream `cli` is thread 0 of process SENDER (dead); \
once repaired, the role becomes vacant, and the other side is told
finding       none
"
    );
    receiver.signal(Signal::CONT);
    receiver.until_says("the sender died before it was done");
}

#[test]
fn of_a_region_whose_processes_are_all_gone() {
    let place = Place::new();
    let (sender, receiver) = idle_pair(&place);
    let named = [(sender.pid(), "SENDER"), (receiver.pid(), "RECEIVER")];
    [sender, receiver].into_iter().for_each(|one| drop(one.kill().killed()));
    // One may have repaired what the other left; what the last of them left, nobody.
    let told = said_of_the_still(&place, &["doctor", "s"], 5, &named);
    assert!(told.contains("process       RECEIVER: dead"), "{told}");
    let why = said_of_the_still(&place, &["why", "s", "cli"], 0, &named);
    assert!(why.contains("That thread has died, and nobody is left who would have noticed.\n"), "{why}");
    let report = place.run(&["doctor", "--repair", "--json", "s"]).silent().json();
    assert!(report["repaired"].as_array().is_some_and(|repaired| repaired.len() >= 2), "{report}");
    assert_eq!((&report["findings"], &report["processes"]), (&serde_json::json!([]), &serde_json::json!([])));
    assert!(said_of_the_still(&place, &["doctor", "s"], 0, &named).contains("finding       none\n"));
}

/// Region `s`, in which this process is attached.
fn attached(place: &Place) -> Region {
    RegionOptions::new()
        .processes(4)
        .threads(4)
        .arena(64 << 10)
        .directory(place.regions())
        .create("s")
        .expect("a region")
}

#[test]
fn of_a_deadly_embrace() {
    let place = Place::new();
    let region = attached(&place);
    let [one, other] = ["one", "other"].map(|name| region.mutex(name, 0_u8).expect("a mutex"));
    let both_locked = Barrier::new(2);
    let lock_both = |first: &Mutex<u8>, second: &Mutex<u8>| {
        let _first = first.lock().expect("free");
        both_locked.wait();
        // They get out of it, other than real ones.
        let _second = second.lock_timeout(Duration::from_secs(4));
    };
    thread::scope(|scope| {
        let threads = [scope.spawn(|| lock_both(&one, &other)), scope.spawn(|| lock_both(&other, &one))];
        let mut why = String::new();
        while !threads.iter().any(thread::ScopedJoinHandle::is_finished) {
            why = said(&place, &["why", "s", "one"], 0, &[]);
            if why.contains("That is a circle") {
                break;
            }
        }
        assert!(why.contains("waits itself, for `other`."), "{why}");
        assert!(
            why.contains("waits itself, for `one`.\nThat is a circle, of which nobody gets out who waits without"),
            "{why}"
        );
        assert_eq!(why.matches("one, mutex: locked.").count(), 1, "it ends: {why}");
    });
}

#[test]
fn of_what_only_its_user_can_reset() {
    let place = Place::new();
    let region = attached(&place);
    let mutex = region.mutex("stock", 0_u8).expect("a mutex");
    let dying = mutex.clone();
    let died = thread::spawn(move || {
        std::mem::forget(dying.lock().expect("free"));
    });
    // A thread that ends with a guard forgotten leaves it as the dead do.
    died.join().expect("no panic");
    drop(mutex.lock());
    let told = said(&place, &["doctor", "s"], 5, &[]);
    let expected = "finding       mutex `stock` is of no use: who inherited it from the dead gave it up without declaring \
                    its value consistent: reset it\n";
    assert!(told.contains(expected), "{told}");
    let told = said(&place, &["doctor", "--repair", "s"], 5, &[]);
    assert!(told.contains(expected), "no repair helps: {told}");
    assert_eq!(mutex.reset(0), Ok(true));
    assert!(said(&place, &["doctor", "s"], 0, &[]).contains("finding       none\n"));
}

#[test]
fn of_what_is_not_there_or_no_region() {
    let place = Place::new();
    for line in [&["doctor", "s"][..], &["doctor", "--repair", "s"], &["why", "s", "cli"]] {
        place.run(line).code(3).said("region `s`: no such region");
    }
    place.feed(&["send", "s"], b"1\n").silent();
    place.run(&["why", "s", "nothing"]).code(1).said("region `s`: object `nothing`: ");
    fs::write(place.regions().join("s"), [0xff; 4096]).expect("the region's file");
    for line in [&["doctor", "s"][..], &["doctor", "--repair", "s"], &["why", "s", "cli"]] {
        place.run(line).code(1).said("region `s`: the file is not a region");
    }
    for name in ["a/b", ""] {
        place.run(&["doctor", name]).code(1).said("not a region name: ");
    }
}

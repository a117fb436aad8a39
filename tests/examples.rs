//! The examples, run as a reader runs them.

#![cfg(not(loom))]

#[path = "support/place.rs"]
mod place;

use place::Place;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How long an example may take. Seconds at most on an idle machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where cargo puts the examples: `target/<profile>/examples`, beside the `deps` folder in which this test lies.
fn built(example: &str) -> PathBuf {
    let own = std::env::current_exe().unwrap();
    let path = own.parent().and_then(|deps| deps.parent()).unwrap().join("examples").join(example);
    assert!(
        path.exists(),
        "{} is not built: run all of `cargo test`, or `cargo build --examples` first",
        path.display()
    );
    path
}

/// Runs an example, which must succeed in time and leave nothing, and returns what it printed.
fn run(example: &str) -> String {
    let place = Place::new();
    let mut child = Command::new(built(example))
        .env(selvedge::region::DIRECTORY_VARIABLE, place.path())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let start = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if start.elapsed() > PATIENCE {
            child.kill().unwrap();
            child.wait().unwrap();
            panic!("waited {PATIENCE:?} in vain for example `{example}` to end");
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "example `{example}`: {}", output.status);
    assert_eq!(place.traces(), [], "example `{example}` left something behind");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn one_process_produces_what_another_consumes() {
    let rhyme = "Mary had a little lamb,\nits fleece was white as snow,\nand everywhere\nthat Mary went\nthe lamb was sure\nto go.\n";
    assert_eq!(run("segment"), rhyme);
}

#[test]
fn a_channel_of_each_capacity_ends_when_its_producer_does() {
    let told = [
        "zero: 10000 numbers, and then nobody was left to send",
        "bounded: 10000 numbers, and then nobody was left to send",
        "unbounded: 10000 numbers, and then nobody was left to send",
        "half way: 5000 numbers, and then nobody was left to send",
    ];
    assert_eq!(run("producer_consumer").lines().collect::<Vec<_>>(), told);
}

#[test]
fn the_survivor_counts_on() {
    let told = [
        "victim: half way",
        "victim: signal: 9 (SIGKILL)",
        "survivor: the last holder died after it had begun 10001 and done 10000",
        "survivor: exit status: 0",
        "20000 counted by two processes of which one died",
    ];
    assert_eq!(run("counter").lines().collect::<Vec<_>>(), told);
}

#[test]
fn a_second_sender_goes_on_where_the_first_was_killed() {
    let told = [
        "first sender: half way, with a batch half written",
        "first sender: signal: 9 (SIGKILL)",
        "receiver: the first sender has Died, the last order is 5000",
        "second sender: the sender before me died, I go on with order 5001",
        "second sender: exit status: 0",
        "receiver: the second sender has Closed, the last order is 10000",
    ];
    assert_eq!(run("ring").lines().collect::<Vec<_>>(), told);
}

#[test]
fn a_job_whose_worker_is_killed_goes_to_another() {
    let told = run("work_queue");
    let lines: Vec<&str> = told.lines().collect();
    let [half_done, killed, came_back, all] = lines.as_slice() else { panic!("four lines, not {told}") };
    assert_eq!(*half_done, "worker 1 is in the middle of job 1");
    assert_eq!(*killed, "8 others are done; worker 1: signal: 9 (SIGKILL)");
    let of_others = (2..=4).map(|worker| format!("job 1 came back, marked as redelivered, and worker {worker} did it"));
    assert!(of_others.into_iter().any(|line| line == *came_back), "{came_back}");
    assert_eq!(*all, "24 jobs, 24 results, each once");
}

#[test]
fn a_reader_that_stops_or_is_killed_holds_nobody_up() {
    let told = run("price_board");
    let lines: Vec<&str> = told.lines().collect();
    let expected = [
        "reader 1 is in the middle of a page",
        "the writer has written 10000 more",
        "reader 1: signal: 9 (SIGKILL)",
        "the writer has written 10000 more",
        "5 readers have come to the last page, and have seen no torn one",
    ];
    assert_eq!(lines.get(..expected.len()), Some(expected.as_slice()), "{told}");
}

/// What is counted may be more on a machine that is slow: who waits too long for a reply asks again.
#[test]
fn replies_come_though_a_client_and_the_server_are_killed() {
    let told = run("request_reply");
    let starts = [
        "client 1 has 4 requests outstanding, and is killed",
        "server 1 goes on: for 4 replies there is nobody",
        "server 1 has 3 requests in hand, and is killed",
        "server 2 takes over, and finds ",
        "clients 2 and 3 have 12 right answers each",
        "what server 1 had in hand was asked again; ",
    ];
    assert_eq!(told.lines().count(), starts.len() + 1, "{told}");
    assert!(told.lines().zip(starts).all(|(line, start)| line.starts_with(start)), "{told}");
    assert!(told.ends_with(" replies have overtaken others\n"), "{told}");
}

/// How many come again depends on how far the clerk was when the teller was killed.
#[test]
fn each_deposit_counts_once_though_clerks_and_a_teller_are_killed() {
    let told = run("deposits");
    let lines: Vec<&str> = told.lines().collect();
    let [one, two, teller, before, all] = lines[..] else { panic!("other lines: {told}") };
    assert_eq!(one, "a clerk has a deposit in his hands, and is killed");
    assert_eq!(two, "a clerk has computed the new balance, and is killed");
    assert_eq!(teller, "mabel has sent 7 of 20, and is killed");
    let count =
        before.strip_prefix("the last clerk was given ").and_then(|rest| rest.split(' ').next()?.parse::<u32>().ok());
    assert!(count.is_some_and(|count| (1..=9).contains(&count)), "{before}");
    assert_eq!(all, "40 deposits, and 21210 in the bank");
}

#[test]
fn a_chat_goes_on_when_one_is_killed_and_another_takes_his_name() {
    let told = [
        "ada: Is anybody there?",
        "ben: I am.",
        "cleo: So am I.",
        "ada: Ben, how was the harvest?",
        "ben: Oh, good. But listen, in the barn there",
        "(ben is killed)",
        "(ada sees that the owner of `chat ben` has died)",
        "ada: Ben?",
        "(cleo sees that the owner of `chat ben` has died)",
        "cleo: He is gone, and we shall not know what is in the barn.",
        "ada: Whoever comes after him, please look.",
        "(another ben has claimed the mailbox: its owner has died, and 3 messages wait)",
        "ben: I am here in his place, and have read your notes. It is a cat.",
        "cleo: Then all is well. Good night.",
        "all have left, and each has heard all that the others said, in order, and from whom",
    ];
    assert_eq!(run("chat").lines().collect::<Vec<_>>(), told);
}

/// The counts; how long they took is not asked.
#[test]
fn two_processes_count_what_one_does() {
    let told = run("cooperation");
    let starts = ["one process counted 78498 primes in ", "two processes counted 78498 primes in ", "ratio "];
    assert_eq!(told.lines().count(), starts.len(), "{told}");
    assert!(told.lines().zip(starts).all(|(line, start)| line.starts_with(start)), "{told}");
}

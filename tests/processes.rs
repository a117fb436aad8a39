//! Several processes at once on one object, a million operations in all: nothing is lost, nothing torn, nobody stuck.

#![cfg(not(loom))]

#[path = "support/place.rs"]
mod place;
#[path = "support/roles.rs"]
mod roles;

use place::{Place, options_at};
use roles::{Running, say};
use selvedge::Region;
use selvedge::region::{AcquireError, LockError, Mutex, MutexGuard, Semaphore};
use std::time::Duration;

const PROCESSES: u64 = 4;
/// Operations of all processes on the object that a test is about.
const OPERATIONS: u64 = 1_000_000;
/// Long enough for any turn of another process on a loaded machine: who waits so long has been forgotten.
const FORGOTTEN: Duration = Duration::from_secs(30);

/// In every so many rounds a process lets others run while it holds what they want: two that had a processor each for
/// all of their work, or one after the other, would hardly meet.
const MEETING: u64 = 256;

/// Permits of the semaphore.
const PERMITS: u64 = 5;

/// What the semaphore's holders note of themselves.
const HELD: usize = 0;
const MOST_HELD: usize = 1;
const NOTED: usize = 2;

#[test]
#[ignore = "other tests run it as a child process"]
fn play_a_role() {
    roles::play(|role, arguments| match (role, arguments) {
        ("mutex", [path]) => play_mutex(path),
        ("semaphore", [path, number]) => play_semaphore(path, number.parse().unwrap()),
        unknown => panic!("no such role: {unknown:?}"),
    });
}

/// Locks in each of the three ways, by turns.
fn lock(mutex: &Mutex<[u64; 2]>, round: u64) -> MutexGuard<'_, [u64; 2]> {
    let deadline = selvedge::Deadline::after(FORGOTTEN);
    loop {
        let answer = match round % 3 {
            0 => mutex.lock_timeout(FORGOTTEN),
            1 => mutex.lock_deadline(deadline),
            _ => mutex.try_lock(),
        };
        match answer {
            Ok(guard) => return guard,
            Err(LockError::WouldBlock) if !deadline.has_passed() => std::thread::yield_now(),
            Err(error) => panic!("round {round}: {error}"),
        }
    }
}

/// Runs as a child process: counts in two words that must agree.
fn play_mutex(path: &str) {
    let region = options_at(path).open("shop").unwrap();
    let mutex = region.mutex("counter", [0, u64::MAX]).unwrap();
    await_start(&region);
    for round in 0..OPERATIONS / PROCESSES {
        let mut counter = lock(&mutex, round);
        let [count, inverse] = *counter;
        assert_eq!(count, !inverse, "torn in round {round}");
        counter[0] = count + 1;
        // Who came in here would see two words that disagree; the compiler must not make one store of the two.
        std::hint::black_box(&mut counter);
        if round % MEETING == 0 {
            std::thread::yield_now();
        }
        counter[1] = !counter[0];
    }
    say("done", OPERATIONS / PROCESSES);
}

/// Runs in a child process: waits until all are there.
fn await_start(region: &Region) {
    say("ready", "yes");
    region.semaphore("start", 0).unwrap().acquire_timeout(1, FORGOTTEN).unwrap();
}

/// Lets the children go at once, and adds up what they say to have done.
fn run(region: &Region, children: &mut [Running]) -> u64 {
    for child in &mut *children {
        child.hear("ready");
    }
    region.semaphore("start", 0).unwrap().release_many(u32::try_from(children.len()).unwrap()).unwrap();
    let mut done = 0;
    for child in children {
        done += child.hear("done").parse::<u64>().unwrap();
        child.succeed();
    }
    done
}

#[test]
fn a_mutex_lets_one_of_four_processes_in_at_a_time() {
    let place = Place::new();
    let region = place.options().create("shop").unwrap();
    let mutex = region.mutex("counter", [0, u64::MAX]).unwrap();
    let mut children: Vec<_> = (0..PROCESSES).map(|_| Running::start("mutex", &[&place.argument()])).collect();
    assert_eq!(run(&region, &mut children), OPERATIONS);
    let counter = *mutex.lock().unwrap();
    assert_eq!(counter, [OPERATIONS, !OPERATIONS]);
    assert_eq!(region.participants().len(), 1, "the children have left");
}

/// Acquires in each of the ways, by turns.
fn acquire(permits: &Semaphore, n: u32, round: u64) {
    let deadline = selvedge::Deadline::after(FORGOTTEN);
    loop {
        let answer = match round % 3 {
            0 => permits.acquire_timeout(n, FORGOTTEN),
            1 => permits.acquire_deadline(n, deadline),
            _ => permits.try_acquire(n),
        };
        match answer {
            Ok(()) => return,
            Err(AcquireError::WouldBlock) if !deadline.has_passed() => std::thread::yield_now(),
            Err(error) => panic!("round {round}: {error}"),
        }
    }
}

/// Notes that `n` permits are held, for as long as it takes others to have their turn.
fn note(ledger: &Mutex<[u64; 3]>, n: u64) {
    {
        let mut ledger = ledger.lock_timeout(FORGOTTEN).unwrap();
        ledger[HELD] += n;
        assert!(ledger[HELD] <= PERMITS, "{} of {PERMITS} permits are held", ledger[HELD]);
        ledger[MOST_HELD] = ledger[MOST_HELD].max(ledger[HELD]);
        ledger[NOTED] += 1;
    }
    std::thread::yield_now();
    ledger.lock_timeout(FORGOTTEN).unwrap()[HELD] -= n;
}

/// Runs as a child process: takes permits, one to three at a time, and gives them back.
fn play_semaphore(path: &str, number: u64) {
    let region = options_at(path).open("shop").unwrap();
    let permits = region.semaphore("permits", 0).unwrap();
    let ledger = region.mutex("ledger", [0_u64; 3]).unwrap();
    await_start(&region);
    // An acquire and a release are two operations.
    for round in 0..OPERATIONS / PROCESSES / 2 {
        let n = 1 + (number + round) % 3;
        let narrow = u32::try_from(n).unwrap();
        acquire(&permits, narrow, round);
        // Now and then only: the ledger's mutex keeps them apart, and so from meeting at the semaphore.
        if round % MEETING == 0 {
            note(&ledger, n);
        }
        permits.release_many(narrow).unwrap();
    }
    say("done", OPERATIONS / PROCESSES);
}

#[test]
fn a_semaphore_gives_four_processes_no_more_than_it_has() {
    let place = Place::new();
    let region = place.options().create("shop").unwrap();
    let permits = region.semaphore("permits", u32::try_from(PERMITS).unwrap()).unwrap();
    let ledger = region.mutex("ledger", [0_u64; 3]).unwrap();
    let start = |number: u64| Running::start("semaphore", &[&place.argument(), &number.to_string()]);
    let mut children: Vec<_> = (0..PROCESSES).map(start).collect();
    assert_eq!(run(&region, &mut children), OPERATIONS);
    let ledger = *ledger.lock().unwrap();
    assert_eq!((ledger[HELD], ledger[NOTED]), (0, PROCESSES * (OPERATIONS / PROCESSES / 2).div_ceil(MEETING)));
    assert!(ledger[MOST_HELD] > 3, "no two processes ever held permits at once");
    assert_eq!(u64::from(permits.available()), PERMITS);
}

//! The stateful search: states, shortest counterexamples, operations that must not block, circles.
#![cfg(not(loom))]

mod support;

use rc11_oracle::random::{Generator, Profile};
use rc11_oracle::{Model, outcomes};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use support::clients::{awaited_lock, buffer, mutex, semaphore, spin_lock, store_buffering, ticket_lock};
use treadle::cell::UnsafeCell;
use treadle::futex::{Until, wait, wake};
use treadle::sync::atomic::{AtomicU32, Ordering};
use treadle::{Failure, Problem, Stateful, StatefulReport, non_blocking, phase, thread};

use Ordering::SeqCst;

fn explore(body: impl Fn() + Send + Sync + 'static) -> Result<StatefulReport, Box<Failure>> {
    Stateful::new().explore(body)
}

fn passes(body: impl Fn() + Send + Sync + 'static) -> StatefulReport {
    let report = explore(body).unwrap_or_else(|failure| panic!("{failure}"));
    assert!(report.complete && report.states > 1);
    report
}

#[test]
fn it_shows_what_sequential_consistency_allows() {
    let mut generator = Generator::new(3, Profile::new(3, 3, 2));
    for _ in 0..100 {
        let program = generator.program().expect("the profile makes programs");
        let truth = outcomes(&program, Model::Sc).set;
        let seen = Arc::new(Mutex::new(BTreeSet::new()));
        let (shared, into) = (Arc::new(program.clone()), Arc::clone(&seen));
        passes(move || support::execute(&shared, &into));
        assert_eq!(*seen.lock().expect("not poisoned"), truth, "{program}");
    }
}

#[test]
fn known_clients_pass() {
    passes(|| mutex(2, 2));
    passes(|| mutex(3, 1));
    passes(|| semaphore(2, 1));
    passes(|| spin_lock(3));
    passes(|| awaited_lock(3));
    passes(|| ticket_lock(3));
    passes(|| store_buffering(false));
}

#[test]
fn few_states_where_there_are_many_executions() {
    let report = passes(|| buffer(3));
    // Under RC11 it has 570,320 executions of some fifty events.
    assert!(report.states < 200_000, "{report:?}");
}

/// Two threads add to a word, one of them not atomically.
fn lost_update() {
    let word = Arc::new(AtomicU32::new(0));
    let other = Arc::clone(&word);
    let thread = thread::spawn(move || other.fetch_add(1, SeqCst));
    let seen = word.load(SeqCst);
    word.store(seen + 1, SeqCst);
    thread.join().expect("it ends");
    assert_eq!(word.load(SeqCst), 2);
}

/// What a cell holds after two threads have written to it under a lock: their numbers, the last one's first.
fn last_writers(read_between: bool) -> BTreeSet<u32> {
    let seen = Arc::new(Mutex::new(BTreeSet::new()));
    let into = Arc::clone(&seen);
    passes(move || {
        let shared = Arc::new((AtomicU32::new(0), UnsafeCell::new(0)));
        let writers: Vec<_> = (1..=2)
            .map(|number| {
                let shared = Arc::clone(&shared);
                thread::spawn(move || {
                    shared.0.await_exchange(0, 1, SeqCst, SeqCst);
                    shared.1.with_mut(|value| {
                        // SAFETY: under the lock.
                        let found = unsafe { *value };
                        // SAFETY: as above.
                        unsafe { *value = if read_between { found * 10 } else { 0 } + number };
                    });
                    shared.0.store(0, SeqCst);
                })
            })
            .collect();
        writers.into_iter().for_each(|writer| writer.join().expect("it ends"));
        // SAFETY: both have ended.
        into.lock().expect("not poisoned").insert(shared.1.with(|value| unsafe { *value }));
    });
    let seen = seen.lock().expect("not poisoned");
    seen.clone()
}

#[test]
fn what_cells_hold_is_part_of_a_state() {
    assert_eq!(last_writers(false), BTreeSet::from([1, 2]));
    assert_eq!(last_writers(true), BTreeSet::from([12, 21]));
}

/// A thread reads a cell before or after another one has written it, and both let go of the lock the same way; what it
/// has read shows only later.
#[test]
fn what_was_read_from_cells_is_part_of_a_state() {
    let seen = Arc::new(Mutex::new(BTreeSet::new()));
    let into = Arc::clone(&seen);
    passes(move || {
        let shared = Arc::new((AtomicU32::new(0), UnsafeCell::new(0)));
        let other = Arc::clone(&shared);
        let locked = |shared: &(AtomicU32, UnsafeCell<u32>), f: &dyn Fn(*mut u32)| {
            shared.0.await_exchange(0, 1, SeqCst, SeqCst);
            shared.1.with_mut(f);
            shared.0.store(0, SeqCst);
        };
        // SAFETY: under the lock.
        let writer = thread::spawn(move || locked(&other, &|value| unsafe { *value = 7 }));
        let found = std::cell::Cell::new(0);
        locked(&shared, &|value| {
            // SAFETY: under the lock.
            found.set(unsafe { *value });
            // SAFETY: as above.
            unsafe { *value = 9 };
        });
        writer.join().expect("it ends");
        locked(&shared, &|_| ());
        into.lock().expect("not poisoned").insert(found.get());
    });
    assert_eq!(*seen.lock().expect("not poisoned"), BTreeSet::from([0, 7]));
}

#[test]
fn counterexamples_are_the_shortest() {
    let failure = explore(lost_update).expect_err("an update can be lost");
    assert_eq!(failure.problem, Problem::Panic);
    // Start, load, add, store, join, load: nothing else happens. The add is a read and a write.
    assert_eq!(failure.picture.events, 7, "{failure}");
}

#[test]
fn a_lost_wake_is_a_deadlock() {
    let failure = explore(|| {
        let word = Arc::new(AtomicU32::new(0));
        let other = Arc::clone(&word);
        let waker = thread::spawn(move || {
            wake(&other, 1);
            other.store(1, SeqCst);
        });
        while word.load(SeqCst) == 0 {
            wait(&word, 0, Until::Woken);
        }
        waker.join().expect("it ends");
    });
    assert_eq!(failure.expect_err("the wake comes too early").problem, Problem::Deadlock);
}

#[test]
fn deaths_happen_anywhere() {
    let mut search = Stateful::new();
    search.deaths = 1;
    let body = |outcomes: Arc<Mutex<BTreeSet<(bool, u32)>>>| {
        move || {
            let word = Arc::new(AtomicU32::new(0));
            let other = Arc::clone(&word);
            let mortal = thread::spawn_mortal(
                move || {
                    other.store(1, SeqCst);
                    other.store(2, SeqCst);
                },
                || (),
            );
            let survived = mortal.join_killed().is_some();
            let outcome = (survived, word.load(SeqCst));
            outcomes.lock().expect("not poisoned").insert(outcome);
        }
    };
    let seen = Arc::new(Mutex::new(BTreeSet::new()));
    assert!(search.explore(body(Arc::clone(&seen))).expect("nothing is asserted").complete);
    assert_eq!(*seen.lock().expect("not poisoned"), BTreeSet::from([(true, 2), (false, 0), (false, 1)]));
}

/// One thread holds a lock while the other tries to get it, in an operation that must not block.
fn try_lock(waits: bool) -> Result<StatefulReport, Box<Failure>> {
    explore(move || {
        let lock = Arc::new(AtomicU32::new(0));
        let other = Arc::clone(&lock);
        let holder = thread::spawn(move || {
            if other.compare_exchange(0, 1, SeqCst, SeqCst).is_ok() {
                other.store(0, SeqCst);
            }
        });
        non_blocking(|| {
            if waits {
                lock.await_exchange(0, 1, SeqCst, SeqCst);
            } else if lock.compare_exchange(0, 1, SeqCst, SeqCst).is_err() {
                return;
            }
            lock.store(0, SeqCst);
        });
        holder.join().expect("it ends");
    })
}

#[test]
fn what_must_not_block_ends_alone_from_every_state() {
    let report = try_lock(false).expect("it gives up");
    assert!(report.solo_runs > 0);
    assert_eq!(try_lock(true).expect_err("it waits for the holder").problem, Problem::Blocks);
}

/// Two threads that each give way to the other for ever, or the second only once.
fn after_you(polite: bool) -> Result<StatefulReport, Box<Failure>> {
    explore(move || {
        let words = Arc::new([AtomicU32::new(0), AtomicU32::new(0)]);
        let enter = move |me: usize, words: &[AtomicU32; 2]| {
            loop {
                phase(0);
                words[me].store(1, SeqCst);
                if words[1 - me].load(SeqCst) == 0 {
                    break;
                }
                if me == 1 && !polite {
                    words[0].await_eq(0, SeqCst);
                    break;
                }
                words[me].store(0, SeqCst);
            }
            words[me].store(0, SeqCst);
        };
        let other = Arc::clone(&words);
        let thread = thread::spawn(move || enter(1, &other));
        enter(0, &words);
        thread.join().expect("it ends");
    })
}

#[test]
fn going_round_in_circles_is_noticed() {
    assert_eq!(after_you(true).expect_err("after you").problem, Problem::NoProgress);
}

#[test]
fn a_limit_on_states_is_kept_and_told() {
    let mut search = Stateful::new();
    search.max_states = Some(20);
    let report = search.explore(|| mutex(2, 1)).expect("nothing wrong so far");
    assert!(!report.complete && report.states == 20);
}

#[test]
fn a_lock_that_is_never_released_is_a_deadlock() {
    let failure = explore(|| {
        let lock = treadle::sync::Mutex::new(());
        let _first = lock.lock();
        let _second = lock.lock();
    });
    assert_eq!(failure.expect_err("it waits for itself").problem, Problem::Deadlock);
}

#[test]
fn more_threads_than_eight() {
    passes(|| {
        let all: Vec<_> = (0..12).map(|_| thread::spawn(|| ())).collect();
        all.into_iter().for_each(|thread| thread.join().expect("it ends"));
    });
}

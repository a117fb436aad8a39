//! Counterexamples as people see them, and replay.
#![cfg(not(loom))]

use std::sync::Arc;
use treadle::futex::{Until, wait, wake};
use treadle::sync::atomic::{AtomicU32, Ordering};
use treadle::{Builder, Failure, Problem, thread};

use Ordering::{Relaxed, SeqCst};

fn store_buffering() {
    let words = Arc::new((AtomicU32::new(0), AtomicU32::new(0)));
    let other = Arc::clone(&words);
    let thread = thread::spawn(move || {
        other.1.store(1, SeqCst);
        other.0.load(Relaxed)
    });
    words.0.store(1, SeqCst);
    let mine = words.1.load(Relaxed);
    let theirs = thread.join().expect("it ends");
    assert!(mine == 1 || theirs == 1, "neither has seen the other");
}

fn lost_wake() {
    let word = Arc::new(AtomicU32::new(0));
    let other = Arc::clone(&word);
    let waker = thread::Builder::new().name("waker".to_owned()).spawn(move || {
        // The wake comes before the change.
        wake(&other, 1);
        other.fetch_add(1, Relaxed);
    });
    while word.load(Relaxed) == 0 {
        wait(&word, 0, Until::Woken);
    }
    waker.expect("it starts").join().expect("it ends");
}

fn deaths() {
    let word = Arc::new(AtomicU32::new(0));
    let other = Arc::clone(&word);
    let body = move || {
        let turn = treadle::choose(2);
        other.swap(turn + 1, Relaxed);
        other.store(5, Relaxed);
    };
    thread::spawn_mortal(body, || ()).join_killed();
    assert_ne!(word.load(Relaxed), 2);
}

fn failure(deaths: usize, body: fn()) -> Failure {
    let mut builder = Builder::new();
    builder.deaths = deaths;
    *builder.explore(body).expect_err("it fails")
}

#[test]
fn lanes() {
    let shown = |failure: &Failure| format!("{}\n\n{}\n{}", failure.message, failure.picture.lanes, failure.picture.id);
    insta::assert_snapshot!("store_buffering", shown(&failure(0, store_buffering)));
    insta::assert_snapshot!("lost_wake", shown(&failure(0, lost_wake)));
    insta::assert_snapshot!("deaths", shown(&failure(1, deaths)));
}

#[test]
fn graphs_for_graphviz() {
    insta::assert_snapshot!("store_buffering_dot", failure(0, store_buffering).picture.dot);
}

#[test]
fn an_execution_is_replayed_by_its_id() {
    for (deaths, body) in [(0, store_buffering as fn()), (0, lost_wake), (1, self::deaths)] {
        let failed = failure(deaths, body);
        let mut builder = Builder::new();
        builder.replay = Some(failed.picture.id.clone());
        let again = builder.show(body).expect_err("it fails again");
        assert_eq!((again.problem, &again.message), (failed.problem, &failed.message));
        assert_eq!(again.picture, failed.picture);
    }
}

#[test]
fn an_id_of_something_else_is_refused() {
    for id in ["", "nonsense", "2", "3.t7.2", "99", "2.r9", "3.t1.1.r2.t0.1"] {
        let mut builder = Builder::new();
        builder.replay = Some(id.to_owned());
        let refused = match builder.show(store_buffering) {
            Err(failure) => failure.problem == Problem::Misfit,
            Ok(_) => false,
        };
        assert!(refused, "{id}");
    }
}

/// Two threads that may be killed, after each of whom another one repairs.
fn repaired_after(word: &Arc<AtomicU32>, own: u32, child: u32) -> thread::JoinHandle<u32> {
    let (word, repaired) = (Arc::clone(word), Arc::clone(word));
    let after = move || {
        let child = thread::spawn(move || repaired.fetch_add(child, Relaxed));
        child.join().expect("it ends");
    };
    thread::spawn_mortal(move || word.fetch_add(own, Relaxed), after)
}

#[test]
fn an_execution_whose_threads_are_started_in_any_order_is_replayed() {
    let body = || {
        let word = Arc::new(AtomicU32::new(0));
        let threads = [(1, 100), (10, 1000)].map(|(own, child)| repaired_after(&word, own, child));
        threads.into_iter().for_each(|thread| {
            thread.join_killed();
        });
        // In the execution that is replayed, the second one's child may have been the first that was ever started.
        assert_ne!(word.load(Relaxed), 1001);
    };
    for schedule in [treadle::Schedule::Leftmost, treadle::Schedule::Rightmost, treadle::Schedule::Shuffled(1)] {
        let mut builder = Builder::new();
        (builder.deaths, builder.schedule) = (2, schedule);
        let failure = builder.explore(body).expect_err("the first lives and the second does not");
        builder.replay = Some(failure.picture.id.clone());
        let again = builder.show(body).expect_err("the same");
        assert_eq!(again.problem, Problem::Panic, "{schedule:?}: {}", failure.picture.id);
        assert!(again.picture.id.contains("t2-1"), "{}", again.picture.id);
    }
}

#[test]
fn an_execution_in_which_others_go_on_after_a_death_is_replayed() {
    let body = || {
        let word = Arc::new(AtomicU32::new(0));
        let (dying, after, other) = (Arc::clone(&word), Arc::clone(&word), Arc::clone(&word));
        let mortal = thread::spawn_mortal(
            move || dying.store(1, Relaxed),
            move || {
                after.fetch_add(10, Relaxed);
            },
        );
        let thread = thread::spawn(move || other.swap(2, Relaxed));
        let killed = mortal.join_killed().is_none();
        // Killed, and then the other one came before what follows.
        assert!(!killed || thread.join().expect("it ends") == 10);
    };
    for schedule in [treadle::Schedule::Leftmost, treadle::Schedule::Rightmost, treadle::Schedule::Shuffled(1)] {
        let mut builder = Builder::new();
        (builder.deaths, builder.schedule) = (1, schedule);
        let failure = builder.explore(body).expect_err("it can come there");
        builder.replay = Some(failure.picture.id.clone());
        let again = builder.show(body).expect_err("the same");
        assert_eq!((again.problem, &again.picture.id), (Problem::Panic, &failure.picture.id), "{schedule:?}");
    }
}

/// What a harness that draws executions itself is told: what was read, past what only woke, and what was replaced.
#[test]
fn the_last_access_is_told() {
    let woken = Arc::new(std::sync::Mutex::new([false; 2]));
    let seen = Arc::clone(&woken);
    let told = move || {
        let word = Arc::new(AtomicU32::new(0));
        let other = Arc::clone(&word);
        let sleeper = thread::spawn(move || {
            wait(&other, 0, Until::Woken);
            let value = other.load(Relaxed);
            let last = thread::last_access().expect("a load is one");
            assert_eq!(last.reads_from == Some(None), value == 0);
        });
        word.store(1, Relaxed);
        let stored = thread::last_access().expect("a store is one");
        assert_eq!((stored.reads_from, stored.replaced), (None, Some(0)));
        let took = wake(&word, 1) == 1;
        seen.lock().expect("nobody panics with it")[usize::from(took)] = true;
        assert_eq!(word.load(Relaxed), 1);
        let last = thread::last_access().expect("a load is one");
        assert_eq!((last.reads_from, last.replaced), (Some(Some(stored.number)), None));
        assert_eq!(word.fetch_add(2, Relaxed), 1);
        let added = thread::last_access().expect("an addition is one");
        assert_eq!((added.reads_from, added.replaced), (Some(Some(stored.number)), Some(1)));
        treadle::sync::atomic::fence(SeqCst);
        assert_eq!(thread::last_access(), None);
        sleeper.join().expect("it ends");
    };
    Builder::new().explore(told).expect("it passes");
    assert_eq!(*woken.lock().expect("nobody panics with it"), [true; 2]);
    assert_eq!(thread::last_access(), None);
}

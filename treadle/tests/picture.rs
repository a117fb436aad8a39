//! Counterexamples as people see them, and replay.

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

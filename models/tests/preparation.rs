//! What is done before the lanes start is done on plain values, and nobody can tell but by the time it takes.
#![cfg(loom)]
#![allow(missing_docs)]

use selvedge::sync::model::{Engine, Plan};
use selvedge::sync::{AtomicU32, AtomicU64, Ordering, fence, futex_wake};
use selvedge_models::explore::{Effort, Verdict, explore_world};
use selvedge_models::outcomes::explore_outcomes;
use selvedge_models::{Bounds, Faults, Model, World, verify_eq};
use std::sync::Arc;

fn model(build: fn(&mut World)) -> Model {
    let bounds = Bounds { plain: None, faulty: None };
    Model { name: "preparation/model", properties: "", client: "", build, faults: Faults::NONE, bounds }
}

/// Every operation leads to 5, and says what it should.
fn prepared() -> AtomicU32 {
    let word = AtomicU32::new(1);
    word.store(2, Ordering::Release);
    assert_eq!(word.fetch_add(7, Ordering::AcqRel), 2);
    assert_eq!(word.fetch_sub(1, Ordering::Relaxed), 9);
    assert_eq!(word.fetch_or(7, Ordering::Relaxed), 8);
    assert_eq!(word.fetch_and(4, Ordering::Relaxed), 15);
    fence(Ordering::SeqCst);
    assert_eq!(futex_wake(&word, 1), 0);
    assert_eq!(word.compare_exchange(3, 0, Ordering::Acquire, Ordering::Relaxed), Err(4));
    assert_eq!(word.compare_exchange(4, 6, Ordering::Acquire, Ordering::Relaxed), Ok(4));
    assert_eq!(word.swap(5, Ordering::Relaxed), 6);
    assert_eq!((word.load(Ordering::Acquire), word.peek()), (5, 5));
    word
}

#[test]
fn lanes_find_what_was_prepared_and_what_they_leave_is_found() {
    for engine in [Effort::loom(None), Effort::shuttle(50, 1), Effort::treadle()] {
        let explored = explore_world(
            |world| {
                let words = Arc::new((prepared(), prepared(), AtomicU64::new(1 << 40)));
                words.2.fetch_add(1, Ordering::Relaxed);
                for name in ["A", "B"] {
                    let words = Arc::clone(&words);
                    world.thread(name, move || {
                        let found = words.0.fetch_add(1, Ordering::Relaxed);
                        verify_eq!(found == 5 || found == 6, true);
                        verify_eq!(words.2.load(Ordering::Relaxed), (1 << 40) + 1);
                    });
                }
                world.finally(move || {
                    verify_eq!((words.0.load(Ordering::Relaxed), words.0.peek()), (7, 7));
                    verify_eq!((words.1.load(Ordering::Relaxed), words.1.peek()), (5, 5), "no lane touched it");
                    words.1.store(8, Ordering::Relaxed);
                    verify_eq!(words.1.swap(9, Ordering::Relaxed), 8);
                });
            },
            Plan::default(),
            engine,
        );
        assert!(matches!(explored.verdict, Verdict::Pass), "{:?}", explored.verdict);
        assert!(explored.executions() > 1 || engine.engine == Engine::Shuttle);
    }
}

/// The word that only some executions touch is found out late (on loom the exploration begins anew), and nothing is missed.
#[test]
fn a_word_that_is_touched_in_few_executions_is_a_word_of_the_engine() {
    for effort in [Effort::loom(Some(3)), Effort::treadle()] {
        let outcomes = explore_outcomes(
            &model(|world| {
                let words = Arc::new((AtomicU32::new(0), AtomicU32::new(0), AtomicU32::new(0)));
                let (setter, looker, other, end) =
                    (Arc::clone(&words), Arc::clone(&words), Arc::clone(&words), Arc::clone(&words));
                world.thread("setter", move || setter.0.store(1, Ordering::Relaxed));
                world.thread("looker", move || {
                    if looker.0.load(Ordering::Relaxed) == 1 {
                        looker.1.fetch_add(1, Ordering::Relaxed);
                        looker.2.fetch_add(1, Ordering::Relaxed);
                    }
                });
                world.thread("other", move || {
                    if other.0.load(Ordering::Relaxed) == 1 {
                        let found = other.2.load(Ordering::Relaxed);
                        other.1.fetch_add(2 + 2 * found, Ordering::Relaxed);
                    }
                });
                world.outcome(move || end.1.peek().to_string());
            }),
            Plan::default(),
            effort,
        );
        assert!(matches!(outcomes.exploration.verdict, Verdict::Pass), "{:?}", outcomes.exploration.verdict);
        let seen: Vec<&str> = outcomes.pictures.keys().map(String::as_str).collect();
        // 1: the looker alone; 2: the other alone; 3: both; 5: both, and the other saw the looker's second word.
        assert_eq!(seen, ["0", "1", "2", "3", "5"]);
    }
}

#[test]
fn preparing_more_explores_no_more() {
    let executions = |effort: usize| {
        let explored = explore_world(
            move |world| {
                let words: Arc<Vec<AtomicU32>> = Arc::new((0..=effort).map(|_| prepared()).collect());
                for name in ["A", "B"] {
                    let words = Arc::clone(&words);
                    world.thread(name, move || {
                        words[0].fetch_add(1, Ordering::Relaxed);
                    });
                }
            },
            Plan::default(),
            Effort::loom(None),
        );
        assert!(matches!(explored.verdict, Verdict::Pass), "{:?}", explored.verdict);
        assert_eq!(explored.run.most_steps(), [1, 1], "what is prepared is no step of a lane");
        explored.executions()
    };
    assert_eq!(executions(0), executions(100));
}

//! Pictures of executions on treadle, pinned: what is read from where, who was killed, who sleeps, the words before and
//! after. Those on loom are in the gallery.
#![cfg(loom)]
#![allow(missing_docs)]

use selvedge::sync::model::Plan;
use selvedge::sync::{AtomicU32, Cell, Ordering, futex_wait, futex_wake};
use selvedge_models::World;
use selvedge_models::explore::{Effort, Failure, Verdict, explore_world};
use selvedge_models::lanes::{Picture, Source};
use std::sync::Arc;

fn failure(build: fn(&mut World), plan: Plan) -> Failure {
    match explore_world(build, plan, Effort::treadle()).verdict {
        Verdict::Fail(failure) => *failure,
        other => panic!("it should fail: {other:?}"),
    }
}

struct Shared {
    flag: AtomicU32,
    data: AtomicU32,
}

/// The flag is seen, and what was written before it is not.
fn relaxed_flag(world: &mut World) {
    let shared = Arc::new(Shared { flag: AtomicU32::new(0), data: AtomicU32::new(7) });
    let reader = Arc::clone(&shared);
    world.thread("writer", move || {
        shared.data.store(8, Ordering::Relaxed);
        shared.flag.store(1, Ordering::Relaxed);
    });
    world.thread("reader", move || {
        if reader.flag.load(Ordering::Relaxed) == 1 {
            assert_eq!(reader.data.load(Ordering::Relaxed), 8, "the data is old");
        }
    });
}

/// Whoever was to wake is killed, and nobody repairs.
fn waker_dies(world: &mut World) {
    let door = Arc::new(AtomicU32::new(0));
    let porter = Arc::clone(&door);
    let note = Arc::new(Cell::new(0));
    world.thread("porter", move || {
        // SAFETY: nobody else touches it.
        note.with_mut(|note| unsafe { *note = 1 });
        porter.store(1, Ordering::Release);
        futex_wake(&porter, u32::MAX);
    });
    world.thread("visitor", move || {
        while door.load(Ordering::Acquire) == 0 {
            futex_wait(&door, 0, None);
        }
    });
}

#[test]
fn an_old_value() {
    let Failure { message, picture } = failure(relaxed_flag, Plan::default());
    insta::assert_snapshot!(format!("{message}\n\n{picture}"));
    assert_eq!(read_again(&picture), picture);
    let old: Vec<_> =
        picture.steps.iter().filter(|step| step.old).map(|step| (step.word.as_deref(), step.from)).collect();
    assert_eq!(old, [(Some("data"), Some(Source::First))]);
}

/// Payload that is handed over by a relaxed flag.
fn careless_handover(world: &mut World) {
    let shared = Arc::new((Cell::new(0), AtomicU32::new(0)));
    let taker = Arc::clone(&shared);
    world.thread("giver", move || {
        // SAFETY: none; the engine is to say so.
        shared.0.with_mut(|data| unsafe { *data = 1 });
        shared.1.store(1, Ordering::Relaxed);
    });
    world.thread("taker", move || {
        if taker.1.load(Ordering::Relaxed) == 1 {
            // SAFETY: as above.
            let _ = taker.0.with(|data| unsafe { *data });
        }
    });
}

#[test]
fn a_race() {
    let Failure { message, picture } = failure(careless_handover, Plan::default());
    insta::assert_snapshot!(format!("{message}\n\n{picture}"));
}

#[test]
fn a_kill_and_a_sleep() {
    let plan = Plan { mortal: vec![0], deaths: 1, ..Plan::default() };
    let Failure { message, picture } = failure(waker_dies, plan);
    insta::assert_snapshot!(format!("{message}\n\n{picture}"));
    assert_eq!(read_again(&picture), picture);
}

fn read_again(picture: &Picture) -> Picture {
    serde_json::from_str(&serde_json::to_string(picture).expect("text")).expect("a picture")
}

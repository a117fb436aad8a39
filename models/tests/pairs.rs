//! The audit two at a time: what is redundant only because of something else is noticed together with it.
#![cfg(loom)]
#![allow(missing_docs)]

use selvedge_models::audit::pairs::{self, Together};
use selvedge_models::audit::{self, Row, Scope, Stages, Verdict};
use selvedge_models::sweep::Settings;
use selvedge_models::sync::{AtomicU32, Cell, Ordering, fence};
use selvedge_models::verify_eq;
use selvedge_models::world::{Bounds, Faults, Model, World};
use std::path::Path;
use std::sync::Arc;

struct Shared {
    message: Cell<u32>,
    full: AtomicU32,
    other: AtomicU32,
}

/// Publishes with belt and braces: a fence that releases, and a store that does. The second load orders nothing that matters.
fn twice_published(world: &mut World) {
    let shared = Arc::new(Shared { message: Cell::new(0), full: AtomicU32::new(0), other: AtomicU32::new(0) });
    let producer = Arc::clone(&shared);
    world.thread("producer", move || {
        // SAFETY: nobody touches the message before `full` is set; the engine reports it if that is not so.
        producer.message.with_mut(|message| unsafe { *message = 42 });
        fence(Ordering::Release);
        producer.full.store(1, Ordering::Release);
    });
    world.thread("consumer", move || {
        if shared.full.load(Ordering::Acquire) == 1 {
            // SAFETY: as above.
            let message = shared.message.with(|message| unsafe { *message });
            verify_eq!(message, 42);
        }
        verify_eq!(shared.other.load(Ordering::Acquire), 0);
    });
}

const MODEL: Model = Model {
    name: "pairs/twice_published",
    properties: "",
    client: "1 process × send, 1 × receive",
    build: twice_published,
    faults: Faults::NONE,
    bounds: Bounds { plain: None, faulty: None },
};

#[test]
fn what_is_redundant_because_of_something_else_is_noticed_with_it() {
    let treadle = Settings::treadle();
    let baselines = audit::baselines(&[MODEL], treadle, 1, |_| {}).expect("it passes");
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let is_audited = |file: &str| file.ends_with("tests/pairs.rs");
    let mutants = audit::mutants(&baselines, Scope { root: &root, is_audited: &is_audited, mutant: "" });
    let stages = Stages { for_all: &[treadle], for_known: &treadle, on_loom: &Settings::loom(), at_last: None };
    let alone: Vec<Row> = mutants.iter().map(|mutant| Row::from(&mutant.try_out(&baselines, None, stages))).collect();
    let killed = alone.iter().filter(|row| row.verdict == Verdict::Killed).count();
    assert_eq!((alone.len(), killed), (4, 1), "{alone:?}");

    let pairs = pairs::pairs(&mutants, &alone);
    let found: Vec<Together> = pairs.iter().map(|pair| pair.try_out(&baselines, stages)).collect();
    insta::assert_snapshot!(pairs::table(&found), @"
    models/tests/pairs.rs twice_published fence, Release -> nothing
      and models/tests/pairs.rs twice_published store, Release -> Relaxed: killed by pairs/twice_published (1 come to both)
    models/tests/pairs.rs twice_published fence, Release -> nothing
      and models/tests/pairs.rs twice_published load 2, Acquire -> Relaxed: survivor (1 come to both)
    models/tests/pairs.rs twice_published store, Release -> Relaxed
      and models/tests/pairs.rs twice_published load 2, Acquire -> Relaxed: survivor (1 come to both)
    ");
}

//! What the engines take for granted of the kernel and of compilers: the rest of the conformance matrix.
//!
//! The oracle speaks of loads, stores and fences. What a sleeper's look at its word is, and what of a killed thread has come
//! about, no memory model says. Each program here has one outcome that is judged, with the reason, and every engine's answer is
//! pinned: what is allowed and not shown is a blind row.
#![cfg(loom)]
#![allow(missing_docs)]

use selvedge::sync::model::Plan;
use selvedge::sync::{AtomicU32, Cell, Ordering, WaitOutcome, fence, futex_wait, futex_wake};
use selvedge_models::explore::{Effort, Verdict};
use selvedge_models::ledger::blind;
use selvedge_models::outcomes::explore_outcomes;
use selvedge_models::report::Evidence;
use selvedge_models::world::{Bounds, Faults, Model, World};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

struct Assumption {
    name: &'static str,
    build: fn(&mut World),
    /// The first lane is killed, before each of so many steps.
    kills: u64,
    judged: &'static str,
    is_allowed: bool,
    why: &'static str,
}

const ALL: [Assumption; 4] = [
    Assumption {
        name: "SB with AcqRel fences, one look a sleeper's",
        build: |world| sleeper_and_waker(world, Ordering::AcqRel),
        kills: 0,
        judged: "slept, and the other read 0",
        is_allowed: true,
        why: "the kernel looks with a load, and no interface promises a barrier before it",
    },
    Assumption {
        name: "SB with SeqCst fences, one look a sleeper's",
        build: |world| sleeper_and_waker(world, Ordering::SeqCst),
        kills: 0,
        judged: "slept, and the other read 0",
        is_allowed: false,
        why: "two fences of the one total order, whatever the look is",
    },
    Assumption {
        name: "a plain write after a relaxed step of who is killed",
        build: |world| marks_and_writes(world, Ordering::Relaxed),
        kills: 3,
        judged: "written, and not marked",
        is_allowed: true,
        why: "a compiler may move the write before the step, and a kill may come between them",
    },
    Assumption {
        name: "a plain write after an acquiring step of who is killed",
        build: |world| marks_and_writes(world, Ordering::Acquire),
        kills: 3,
        judged: "written, and not marked",
        is_allowed: false,
        why: "nothing moves before a step that acquires",
    },
];

struct Words {
    name: AtomicU32,
    word: AtomicU32,
    data: Cell<u32>,
    slept: AtomicU32,
    read: AtomicU32,
}

fn words() -> Arc<Words> {
    let [name, word, slept, read] = std::array::from_fn(|_| AtomicU32::new(0));
    Arc::new(Words { name, word, data: Cell::new(0), slept, read })
}

/// Store buffering, as between a sleeper that names its word and a walk that changes it and looks for names.
fn sleeper_and_waker(world: &mut World, order: Ordering) {
    let words = words();
    let (sleeper, waker) = (Arc::clone(&words), Arc::clone(&words));
    world.thread("sleeper", move || {
        sleeper.name.store(1, Ordering::Relaxed);
        fence(order);
        let slept = futex_wait(&sleeper.word, 0, None) == WaitOutcome::Woken;
        sleeper.slept.store(u32::from(slept), Ordering::Relaxed);
    });
    world.thread("waker", move || {
        waker.word.fetch_or(1, Ordering::Relaxed);
        fence(order);
        let name = waker.name.load(Ordering::Relaxed);
        waker.read.store(name, Ordering::Relaxed);
        futex_wake(&waker.word, 1);
    });
    world.outcome(move || {
        let slept = if words.slept.peek() == 1 { "slept" } else { "went on" };
        format!("{slept}, and the other read {}", words.read.peek())
    });
}

/// A lane that says that it writes, and writes.
fn marks_and_writes(world: &mut World, order: Ordering) {
    let words = words();
    let own = Arc::clone(&words);
    world.thread("killed", move || {
        own.name.fetch_or(1, order);
        // SAFETY: this lane alone touches the data, until all have ended.
        own.data.with_mut(|data| unsafe { *data = 1 });
    });
    world.outcome(move || {
        // SAFETY: all lanes have ended.
        let data = words.data.with(|data| unsafe { *data });
        let what = |is_so: bool, what: &str| if is_so { what.to_owned() } else { format!("not {what}") };
        format!("{}, and {}", what(data == 1, "written"), what(words.name.peek() == 1, "marked"))
    });
}

fn shown(one: &Assumption, effort: Effort) -> BTreeSet<String> {
    let model = Model {
        name: "assumptions",
        properties: "",
        client: "",
        build: one.build,
        faults: Faults::NONE,
        bounds: Bounds { plain: None, faulty: None },
    };
    let kills = (0..one.kills).map(|step| Plan { kills: vec![(0, step)], ..Plan::default() });
    let mut shown = BTreeSet::new();
    for plan in kills.chain([Plan::default()]) {
        let found = explore_outcomes(&model, plan, effort);
        assert!(matches!(found.exploration.verdict, Verdict::Pass), "{}: {:?}", one.name, found.exploration.verdict);
        shown.extend(found.pictures.into_keys());
    }
    shown
}

#[test]
fn engines_take_for_granted_what_they_did_before() {
    let engines =
        [("loom", Effort::loom(None)), ("shuttle", Effort::shuttle(2_000, 0)), ("treadle", Effort::treadle())];
    let mut text = String::new();
    for one in &ALL {
        let judged = if one.is_allowed { "allowed" } else { "forbidden" };
        let _ = writeln!(text, "{}\n  {}: {judged}, {}", one.name, one.judged, one.why);
        for (engine, effort) in engines {
            let shown = shown(one, effort);
            let is_shown = shown.contains(one.judged);
            assert!(one.is_allowed || !is_shown, "a false alarm: {} on {engine}", one.name);
            let word = if is_shown { "shown" } else { "not shown" };
            let _ = writeln!(text, "  {engine}: {word}, of {}", shown.into_iter().collect::<Vec<_>>().join("; "));
        }
        text.push('\n');
    }
    insta::assert_snapshot!("rows", text);
}

/// What the ledger and the list of survivors call blind rows stands in the matrix, or here.
#[test]
fn blind_rows_are_rows() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let matrix = std::fs::read_to_string(folder.join("tests/snapshots/conformance__matrix.snap")).expect("the matrix");
    for row in blind::ALL {
        let is_there = ALL.iter().any(|one| one.name == row.row && one.is_allowed)
            || matrix.lines().any(|line| line.starts_with(row.row));
        assert!(is_there, "there is no row `{}`", row.row);
    }
    let evidence = Evidence::read(&selvedge_models::command::Project::selvedge()).expect("the evidence");
    for entry in &evidence.survivors {
        let is_known = |name: &String| blind::ALL.iter().any(|row| row.row == *name);
        assert!(entry.blind.as_ref().is_none_or(is_known), "{}: {:?} is no blind row", entry.place(), entry.blind);
    }
}

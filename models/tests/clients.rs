//! All programs of a size have a witness in every execution, and none is left out; wrong variants are noticed.
#![cfg(loom)]
#![allow(missing_docs)]

use selvedge_models::clients::{self, Care, Clients, Row, Size};
use selvedge_models::mutants::{self, Caught};
use selvedge_models::parallel;
use std::collections::BTreeMap;
use std::path::Path;

/// More runs than any program has that gates a change.
const BUDGET: u64 = 1_000_000;

fn care(kills: bool) -> Care {
    Care { kills, meets: false, budget: BUDGET }
}

/// An object, threads and operations at most, whether they are killed, whether they meet elsewhere.
type Sized = (&'static str, usize, usize, bool, bool);

/// What gates a change: the largest sizes that take a few seconds each.
const SIZES: &[Sized] = &[
    ("semaphore-0", 3, 3, false, false),
    ("semaphore-1", 3, 3, false, false),
    ("mutex", 3, 5, false, false),
    ("event", 3, 4, false, false),
    ("queue-1", 3, 3, false, false),
    ("queue-2", 3, 3, false, false),
    ("unbounded", 3, 3, false, false),
    ("rendezvous", 3, 3, false, false),
    ("channel-1", 2, 3, false, false),
    ("channel", 2, 3, false, false),
    ("channel-0", 2, 3, false, false),
    ("semaphore-0", 2, 3, false, true),
    ("mutex", 3, 4, false, true),
    ("event", 2, 4, false, true),
    ("queue-1", 2, 3, false, true),
    ("queue-2", 2, 4, false, true),
    ("unbounded", 2, 3, false, true),
    ("rendezvous", 2, 3, false, true),
    ("semaphore-0", 2, 3, true, false),
    ("semaphore-1", 2, 3, true, false),
    ("mutex", 3, 3, true, false),
    ("event", 2, 3, true, false),
    ("queue-1", 2, 2, true, false),
    ("queue-2", 2, 2, true, false),
    ("unbounded", 2, 2, true, false),
    ("rendezvous", 2, 2, true, false),
    ("channel-1", 2, 2, true, false),
    ("channel", 2, 2, true, false),
    ("channel-0", 2, 2, true, false),
];

fn named(object: &str) -> Clients {
    clients::all().into_iter().find(|clients| clients.object == object).expect("clients of that object")
}

#[test]
fn every_program_is_checked_and_none_fails() {
    let kept = clients::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("clients.json")).expect("the rows");
    let mut found = Vec::new();
    for &(object, threads, operations, kills, meets) in SIZES {
        let start = std::time::Instant::now();
        let care = Care { meets, ..care(kills) };
        let of_object = named(object).run(Size { threads, operations }, care, parallel::cores());
        println!("{object} {threads} × {operations}, kills {kills}, meets {meets}: {:.1?}", start.elapsed());
        if let Some((program, failure)) = of_object.failures.first() {
            panic!("{object}: {program}\n{}\n{}", failure.message, failure.picture);
        }
        assert_eq!(of_object.unchecked, [], "{object}: inconclusive");
        assert_eq!(of_object.row.checked, of_object.row.distinct);
        found.push(of_object.row);
    }
    let missing: Vec<&Row> = found.iter().filter(|row| !kept.contains(row)).collect();
    assert!(missing.is_empty(), "models/clients.json does not have these:\n{}", clients::text(&found));
}

/// The rows that are kept are of objects that there are, and of each object one size is checked whenever something changes.
#[test]
fn the_rows_are_of_the_objects_that_there_are() {
    let kept = clients::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("clients.json")).expect("the rows");
    let objects: Vec<&str> = clients::all().iter().map(|clients| clients.object).collect();
    assert!(kept.iter().all(|row| objects.contains(&row.object.as_str())));
    for kills in [false, true] {
        let gates = |object: &&&str| SIZES.iter().any(|(of, _, _, with, _)| of == *object && *with == kills);
        assert_eq!(objects.iter().filter(gates).count(), objects.len());
    }
}

fn is_noticed(name: &str, caught: Caught) -> String {
    let found = caught.planted.run(caught.size, care(caught.kills), parallel::cores());
    let Some((program, failure)) = found.failures.first() else {
        panic!("`{name}` is not noticed by {} programs", found.row.distinct)
    };
    println!("{name}: {program}\n{}\n", failure.message);
    failure.message.clone()
}

#[test]
fn mutants_are_noticed() {
    let mut noticed = 0;
    for mutant in mutants::all() {
        if let Some(caught) = mutant.clients {
            let message = is_noticed(mutant.name, caught);
            assert!(message.contains("not linearizable"), "`{}` was noticed otherwise: {message}", mutant.name);
            noticed += 1;
        }
    }
    assert!(noticed >= 8, "{noticed} mutants have clients");
}

/// It is the mutation that they notice, and not the copying.
#[test]
fn the_faithful_copies_pass() {
    let controls: BTreeMap<&str, Clients> =
        mutants::all().iter().filter_map(|mutant| mutant.clients).map(|of| (of.control.object, of.control)).collect();
    assert_eq!(controls.len(), 2);
    for (object, control) in controls {
        let found = control.run(Size { threads: 2, operations: 3 }, care(true), parallel::cores());
        assert_eq!(found.row.checked, found.row.distinct, "{object}: {:?} {:?}", found.failures, found.unchecked);
    }
}

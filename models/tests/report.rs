//! The report says what is kept in the repository, and nothing that is not backed by it.
#![cfg(loom)]
#![allow(missing_docs)]

use selvedge_models::command::Project;
use selvedge_models::mutants::known::{self, Known, Planted};
use selvedge_models::report::{Evidence, page};
use selvedge_models::{catalogue, properties};
use std::collections::BTreeSet;
use std::path::Path;

fn folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn the_page_is_up_to_date() {
    let evidence = Evidence::read(&Project::selvedge()).expect("the evidence");
    let kept = std::fs::read_to_string(folder().join("../PROOFS.md")).expect("the page");
    assert!(page(&evidence) == kept, "PROOFS.md says something else; `cargo prove report --write` makes it anew");
}

#[test]
fn every_property_is_known_and_checked() {
    let known: BTreeSet<&str> = properties::ALL.iter().map(|property| property.id).collect();
    let models = catalogue::all();
    let checked: BTreeSet<&str> = models.iter().flat_map(|model| model.properties.split(' ')).collect();
    assert_eq!(checked, known);
    assert_eq!(known.len(), properties::ALL.len(), "an id is there twice");
}

/// The ledger is of these models, and of none that is gone; each has a row on treadle.
#[test]
fn the_ledger_is_of_the_models_that_there_are() {
    let evidence = Evidence::read(&Project::selvedge()).expect("the evidence");
    let registered: BTreeSet<String> = catalogue::all().iter().map(|model| model.name.to_owned()).collect();
    let on_treadle = evidence.proofs.iter().filter(|proof| proof.engine == "treadle");
    assert_eq!(on_treadle.map(|proof| proof.model.clone()).collect::<BTreeSet<_>>(), registered);
    assert!(evidence.proofs.iter().all(|proof| registered.contains(&proof.model)), "a model in the ledger is gone");
}

/// Every bug of others is planted as something that there is and that is tested, and every fault has properties that it breaks.
#[test]
fn what_is_wrong_on_purpose_is_there() {
    let evidence = Evidence::read(&Project::selvedge()).expect("the evidence");
    for Known { bug, planted, .. } in known::ALL {
        assert!(!planted.is_empty(), "{bug}: nothing is planted");
        for planted in planted {
            let is_there = match planted {
                Planted::Variant(_) => planted.variant().is_some(),
                Planted::Exhibit(_) => planted.exhibit().is_some(),
                Planted::Fault(name) => evidence.faults.iter().any(|fault| fault.name == *name),
            };
            assert!(is_there, "{bug}: there is no {planted:?}");
        }
    }
    for fault in &evidence.faults {
        assert_ne!(fault.properties(&evidence.proofs), "", "{}: {} is not in the ledger", fault.name, fault.by);
    }
}

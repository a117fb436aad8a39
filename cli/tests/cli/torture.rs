//! A short torture, in the usual test run; `ci/deep` has the long one.

use crate::support::Place;
use rustix::process::Signal;

#[test]
fn some_hundred_kills_and_every_promise_is_kept() {
    let place = Place::new();
    let line = ["torture", "--json", "--seed", "1", "--processes", "5", "--minutes", "0.2", "--kills", "1500"];
    let report = place.run(&line).silent().json();
    assert_eq!(report["seed"], 1);
    assert!(report["kills"].as_u64().is_some_and(|kills| kills >= 300), "{report}");
    assert!(report["rounds"].as_u64().is_some_and(|rounds| rounds >= 3), "{report}");
    assert!(report["points"].as_array().is_some_and(|points| points.len() > 50), "{report}");
    assert!(place.names().is_empty(), "the region is removed");
}

#[test]
fn whatever_is_asked_for_is_tortured_and_nothing_else() {
    let place = Place::new();
    let asked = ["pool", "queue", "work-queue", "unbounded", "rendezvous", "channel", "mailbox", "leased-mailbox"];
    let only = asked.join(",");
    let line = ["torture", "--json", "--seed", "3", "--minutes", "0.2", "--kills", "1500", "--only", &only];
    let report = place.run(&line).silent().json();
    let points = report["points"].as_array().expect("a list");
    for subject in asked {
        let kills =
            points.iter().filter(|point| point["subject"] == subject).filter_map(|point| point["kills"].as_u64());
        assert!(kills.sum::<u64>() > 0, "{subject}: {report}");
    }
    let all = |point: &serde_json::Value| asked.iter().any(|subject| point["subject"] == *subject);
    assert!(points.iter().all(|point| all(point) || point["subject"] == "life"), "{report}");
}

#[test]
fn spinning_owners_are_killed_and_none_stores_too_late() {
    let place = Place::new();
    let line = ["torture", "--seed", "2", "--minutes", "0.5", "--kills", "200", "--only", "late-store"];
    let table = String::from_utf8(place.run(&line).code(0).stdout).expect("text");
    assert!(table.contains("three threads spin"), "{table}");
    assert!(place.names().is_empty(), "the region is removed");
}

#[test]
fn an_interrupted_torture_removes_its_region() {
    let place = Place::new();
    let mut torture = place.selvedge(&["torture", "--minutes", "5"]).start();
    torture.until("its region is there", |_| !place.names().is_empty());
    torture.signal(Signal::INT);
    torture.end().code(130).said("interrupted");
    assert!(place.names().is_empty(), "the region is removed");
}

#[test]
fn what_does_not_exist_cannot_be_tortured() {
    let place = Place::new();
    place.run(&["torture", "--only", "mutex,mouse"]).code(1).said("nothing called `mouse` can be tortured");
}

//! The states of the control blocks are those that executions show now.
#![cfg(loom)]
#![allow(missing_docs)]

use selvedge_models::command::Project;
use selvedge_models::states::{Diagram, observe, read, write};
use selvedge_models::{catalogue, parallel};
use std::collections::BTreeSet;
use std::path::Path;

fn folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn kept() -> Vec<Diagram> {
    read(&folder().join("states.json")).expect("the states")
}

/// Each step of each diagram, in words.
fn steps(diagrams: &[Diagram]) -> BTreeSet<String> {
    let in_words = |diagram: &Diagram| {
        let Diagram { primitive, word, first, steps } = diagram.clone();
        let start = first.map(|first| format!("{primitive}, {word}: begins {first}"));
        let steps = steps.into_iter();
        let steps = steps
            .map(move |step| format!("{primitive}, {word}: {} -> {} by {}", step.from, step.to, step.by.join(", ")));
        start.into_iter().chain(steps).collect::<Vec<_>>()
    };
    diagrams.iter().flat_map(in_words).collect()
}

#[test]
fn the_states_are_up_to_date() {
    let diagrams =
        observe(&catalogue::all(), &Project::selvedge().root, parallel::cores()).expect("every value is a state");
    let (now, known) = (steps(&diagrams), steps(&kept()));
    let new: Vec<&String> = now.difference(&known).collect();
    let gone: Vec<&String> = known.difference(&now).collect();
    assert!(
        new.is_empty() && gone.is_empty(),
        "models/states.json says something else; `cargo prove states --write` makes it anew\nnew: {new:#?}\ngone: {gone:#?}"
    );
    let file = tempfile::NamedTempFile::new().expect("a file");
    write(file.path(), &diagrams).expect("it is written");
    let text = |path: &Path| std::fs::read_to_string(path).expect("text");
    assert_eq!(text(file.path()), text(&folder().join("states.json")), "the same in another order or form");
}

/// A stream is a ring of bytes, a channel is a line with ends, a mailbox a channel under a right, and a select uses the words of
/// others: they have none of their own.
#[test]
fn every_primitive_has_its_states_and_none_too_many() {
    let kept = kept();
    let mut shown: BTreeSet<String> = kept.iter().map(|diagram| diagram.primitive.clone()).collect();
    shown.extend(["stream", "channel", "mailbox", "select"].map(str::to_owned));
    let all: BTreeSet<String> = catalogue::all().iter().map(|model| model.primitive().to_owned()).collect();
    assert_eq!(shown, all);
    for diagram in &kept {
        let states = diagram.states();
        assert!((2..=15).contains(&states.len()), "{}, {}: {states:?}", diagram.primitive, diagram.word);
    }
}

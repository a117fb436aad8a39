//! The documents that are listed here claim no more than a complete row of the ledger shows.
//!
//! "Exhaustive", "proved", "proven" and "verified" are words for what was explored whole. Whoever uses one of them in a
//! document says of which models, in a comment on the line before: `<!-- complete: mutex/two_lock_once ring/one_message -->`.

#![cfg(loom)]

use selvedge_models::ledger::proof;
use std::collections::BTreeSet;
use std::path::Path;

const WORDS: [&str; 6] = ["exhaustive", "exhaustively", "proved", "proven", "verified", "every interleaving"];

/// Where people read. The report in HTML has a test of its own for these words.
const DOCUMENTS: [&str; 7] =
    ["README.md", "ARCHITECTURE.md", "CHANGELOG.md", "PROOFS.md", "treadle/README.md", "src/lib.rs", "Cargo.toml"];

/// How those say it that define the words, or say that something is not.
const ALLOWED: [&str; 2] = ["not proved", "the word *exhaustive* is for those alone"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the models have a folder above them")
}

/// What is wrong with a text, given the models of which some row is complete.
fn objections(text: &str, complete: &BTreeSet<String>) -> Vec<String> {
    let mut objections = Vec::new();
    let mut before = "";
    for (index, line) in text.lines().enumerate() {
        let lower = ALLOWED.iter().fold(line.to_lowercase(), |line, allowed| line.replace(allowed, ""));
        let words: Vec<&str> = lower.split(|c: char| !c.is_alphanumeric() && c != '_').collect();
        let claims = |word: &&&str| {
            let parts: Vec<&str> = word.split(' ').collect();
            words.windows(parts.len()).any(|window| window == parts)
        };
        if let Some(word) = WORDS.iter().find(claims) {
            let models = before.split_once("<!-- complete:").map(|(_, models)| models.trim_end_matches("-->").trim());
            let unbacked: Vec<&str> =
                models.unwrap_or("").split_whitespace().filter(|model| !complete.contains(*model)).collect();
            if models.is_none_or(str::is_empty) {
                objections.push(format!("line {}: \"{word}\" is backed by no row", index + 1));
            } else if !unbacked.is_empty() {
                objections.push(format!("line {}: \"{word}\": not complete: {}", index + 1, unbacked.join(" ")));
            }
        }
        before = line;
    }
    objections
}

fn complete() -> BTreeSet<String> {
    let rows = proof::read(&root().join("models/ledger.json")).expect("the ledger");
    rows.into_iter().filter(|row| row.complete).map(|row| row.model).collect()
}

#[test]
fn documents_claim_what_is_complete() {
    let complete = complete();
    assert!(!complete.is_empty());
    let mut all = Vec::new();
    for document in DOCUMENTS {
        let text = std::fs::read_to_string(root().join(document)).unwrap_or_else(|error| panic!("{document}: {error}"));
        all.extend(objections(&text, &complete).into_iter().map(|objection| format!("{document} {objection}")));
    }
    assert!(all.is_empty(), "{}", all.join("\n"));
}

#[test]
fn a_claim_without_a_row_is_found() {
    let complete = BTreeSet::from(["mutex/two_lock_once".to_owned()]);
    let found = |text: &str| objections(text, &complete);
    assert_eq!(found("It is proved."), ["line 1: \"proved\" is backed by no row"]);
    assert_eq!(
        found("Of every\nEvery interleaving is looked at."),
        ["line 2: \"every interleaving\" is backed by no row"]
    );
    let backed = "<!-- complete: mutex/two_lock_once -->\nThe mutex is proved.";
    assert_eq!(found(backed), Vec::<String>::new());
    assert_eq!(found("<!-- complete: -->\nProved."), ["line 2: \"proved\" is backed by no row"]);
    let bounded = "<!-- complete: mutex/two_lock_once mutex/three -->\nVerified, exhaustively.";
    assert_eq!(found(bounded), ["line 2: \"exhaustively\": not complete: mutex/three"]);
    assert_eq!(found("What is not proved; non_exhaustive; improved"), Vec::<String>::new());
}

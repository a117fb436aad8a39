//! Names of places in the page.

use crate::audit::{Place, Row};
use crate::report::Evidence;

/// The id of the ledger's rows of a model.
pub(super) fn model(name: &str) -> String {
    format!("model-{}", slug(name))
}

/// The id of a counterexample of this mutant.
pub(super) fn counterexample(place: &Place, from: &str, to: &str) -> String {
    format!("counterexample-{}", slug(&format!("{place} {from} to {to}")))
}

/// The id of the counterexample of a row of the audit, if one is kept.
pub(super) fn counterexample_of(evidence: &Evidence, row: &Row) -> Option<String> {
    let kept = evidence.counterexamples.iter().any(|one| one.is_of(row));
    kept.then(|| counterexample(&row.place, &row.from, &row.to))
}

fn slug(text: &str) -> String {
    let text = text.trim_start_matches("src/primitives/");
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_words() {
        let place = Place {
            file: "src/primitives/gate.rs".to_owned(),
            function: "signal_to".to_owned(),
            operation: "compare_exchange (failure)".to_owned(),
            nth: 2,
        };
        let id = counterexample(&place, "Acquire", "Relaxed");
        assert_eq!(id, "counterexample-gate-rs-signal_to-compare_exchange-failure-2-Acquire-to-Relaxed");
    }
}

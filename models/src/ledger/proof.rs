//! What is kept of a ledger in the repository: everything but times, so that two runs give the same bytes.

use super::Row;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io;
use std::path::Path;

/// A row of the ledger that passed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof {
    /// The model's name.
    pub model: String,
    /// `loom`, `treadle` or `shuttle`.
    pub engine: String,
    /// Ids of the properties.
    pub properties: String,
    /// The client in words.
    pub client: String,
    /// What bounds the exploration, in words; `none` for complete ones.
    pub bound: String,
    /// Points at which somebody was killed or frozen.
    pub kill_points: u64,
    /// Points at which a second one was killed after a first kill.
    pub second_kill_points: u64,
    /// Explorations made.
    pub explorations: u64,
    /// Executions explored.
    pub executions: u64,
    /// Whether nothing bounded it and it finished by itself: the only ones that may be called exhaustive.
    pub complete: bool,
    /// Rows of the conformance matrix that the engine gets wrong and the model touches.
    pub blind: Vec<String>,
    /// The command that runs just this model.
    pub replay: String,
}

impl From<&Row> for Proof {
    fn from(row: &Row) -> Self {
        Self {
            model: row.model.clone(),
            engine: row.engine.clone(),
            properties: row.properties.clone(),
            client: row.client.clone(),
            bound: row.bound.clone(),
            kill_points: row.kill_points,
            second_kill_points: row.second_kill_points,
            explorations: row.explorations,
            executions: row.executions,
            complete: row.complete,
            blind: row.blind.clone(),
            replay: row.replay.clone(),
        }
    }
}

impl Proof {
    /// The part of the model's name before the slash.
    #[must_use]
    pub fn primitive(&self) -> &str {
        self.model.split('/').next().unwrap_or(&self.model)
    }
}

/// Reads what was kept.
///
/// # Errors
/// The file cannot be read, or is something else.
pub fn read(file: &Path) -> io::Result<Vec<Proof>> {
    Ok(serde_json::from_slice(&std::fs::read(file)?)?)
}

/// Keeps `proofs`, sorted, one to a line.
///
/// # Errors
/// The file cannot be written.
pub fn write(file: &Path, proofs: &[Proof]) -> io::Result<()> {
    let mut sorted: Vec<&Proof> = proofs.iter().collect();
    sorted.sort_by(|one, other| (&one.model, &one.engine).cmp(&(&other.model, &other.engine)));
    let lines: Result<Vec<String>, _> = sorted.into_iter().map(serde_json::to_string).collect();
    std::fs::write(file, format!("[\n{}\n]\n", lines?.join(",\n")))
}

/// What `found` says otherwise than `known`, in words; `found` may be a part.
#[must_use]
pub fn differences(known: &[Proof], found: &[Proof]) -> Vec<String> {
    let by_name: BTreeMap<_, _> = known.iter().map(|proof| ((&proof.model, &proof.engine), proof)).collect();
    let difference = |proof: &Proof| match by_name.get(&(&proof.model, &proof.engine)) {
        Some(known) if *known == proof => None,
        Some(known) => Some(format!("{} on {}:\n  kept:  {known:?}\n  found: {proof:?}", proof.model, proof.engine)),
        None => Some(format!("{} on {} is new", proof.model, proof.engine)),
    };
    found.iter().filter_map(difference).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proof(model: &str, executions: u64) -> Proof {
        Proof {
            model: model.to_owned(),
            engine: "treadle".to_owned(),
            properties: "M1".to_owned(),
            client: "2 processes".to_owned(),
            bound: "none".to_owned(),
            kill_points: 3,
            second_kill_points: 0,
            explorations: 2,
            executions,
            complete: true,
            blind: vec!["LB relaxed".to_owned()],
            replay: "cargo prove".to_owned(),
        }
    }

    #[test]
    fn what_is_kept_is_read_again_sorted() {
        let file = std::env::temp_dir().join(format!("selvedge-ledger-{}.json", std::process::id()));
        write(&file, &[proof("b/x", 1), proof("a/x", 2)]).expect("a file");
        let text = std::fs::read_to_string(&file).expect("text");
        let read = read(&file).expect("a ledger");
        std::fs::remove_file(&file).expect("it was there");
        assert_eq!(read, [proof("a/x", 2), proof("b/x", 1)]);
        assert_eq!(text.lines().count(), 4);
    }

    #[test]
    fn another_number_is_a_difference() {
        let known = [proof("a/x", 2), proof("b/x", 1)];
        assert_eq!(differences(&known, &known[1..]), Vec::<String>::new());
        assert!(differences(&known, &[proof("a/x", 3)]).concat().contains("executions: 3"));
        assert!(differences(&known, &[proof("c/x", 3)]).concat().contains("c/x on treadle is new"));
    }
}

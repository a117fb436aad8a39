//! What the audit keeps of a mutant that a model noticed: the execution that failed.

use super::{Finding, Place, Row, Verdict};
use crate::lanes::Picture;
use core::fmt;
use serde::{Deserialize, Serialize};
use std::io;
use std::path::Path;

/// The failing execution of a mutant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counterexample {
    /// Where the mutant stands.
    #[serde(flatten)]
    pub place: Place,
    /// What the source says.
    pub from: String,
    /// What was put in its place.
    pub to: String,
    /// The model that failed.
    pub model: String,
    /// How it failed.
    pub message: String,
    /// What was planned in that exploration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<String>,
    /// The execution. Last, and its steps are the last of it: see [`write()`].
    pub picture: Picture,
}

impl Counterexample {
    /// Of a finding, if a model noticed.
    #[must_use]
    pub fn of(finding: &Finding) -> Option<Self> {
        let (Verdict::Killed, Some(picture)) = (finding.verdict, &finding.picture) else { return None };
        Some(Self {
            place: finding.place.clone(),
            from: finding.from.clone(),
            to: finding.to.clone(),
            model: finding.by.clone()?,
            message: finding.message.clone()?,
            plan: finding.plan.clone(),
            picture: picture.clone(),
        })
    }

    /// Whether it is one of this mutant.
    #[must_use]
    pub fn is_of(&self, row: &Row) -> bool {
        self.place == row.place && self.from == row.from && self.to == row.to
    }

    /// The command that finds it again.
    #[must_use]
    pub fn replay(&self) -> String {
        let mutant = describe(&self.place, &self.from, &self.to);
        format!("cargo prove audit --filter '={}' --mutant '{mutant}'", self.model)
    }
}

/// A mutant in words, as `--mutant` finds it.
#[must_use]
pub fn describe(place: &Place, from: &str, to: &str) -> String {
    format!("{place}, {from} -> {to}")
}

impl fmt::Display for Counterexample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { place, from, to, model, message, plan, picture } = self;
        writeln!(f, "{}\n  {model}: {message}", describe(place, from, to))?;
        if let Some(plan) = plan {
            writeln!(f, "  plan: {plan}")?;
        }
        writeln!(f, "\n{picture}\n  again: {}", self.replay())
    }
}

/// What is kept after an audit: one counterexample for each mutant of `rows` that was killed, the new one if there is one.
#[must_use]
pub fn kept(rows: &[Row], known: &[Counterexample], found: &[Counterexample]) -> Vec<Counterexample> {
    let killed = rows.iter().filter(|row| row.verdict == Verdict::Killed);
    let mut kept: Vec<Counterexample> =
        killed.filter_map(|row| found.iter().chain(known).find(|one| one.is_of(row)).cloned()).collect();
    kept.sort_by(|one, other| (&one.place, &one.from, &one.to).cmp(&(&other.place, &other.from, &other.to)));
    kept
}

/// Reads what [`write()`] wrote.
///
/// # Errors
/// The file cannot be read or is something else.
pub fn read(file: &Path) -> io::Result<Vec<Counterexample>> {
    Ok(serde_json::from_slice(&std::fs::read(file)?)?)
}

/// Writes counterexamples, each in a line for what it is and one for each step.
///
/// # Errors
/// The file cannot be written.
pub fn write(file: &Path, all: &[Counterexample]) -> io::Result<()> {
    const END: &str = "]}}";
    let mut texts = Vec::new();
    for one in all {
        let steps: Result<Vec<String>, _> = one.picture.steps.iter().map(serde_json::to_string).collect();
        let picture = Picture { steps: Vec::new(), ..one.picture.clone() };
        let mut text = serde_json::to_string(&Counterexample { picture, ..one.clone() })?;
        text.truncate(text.len() - END.len());
        texts.push(format!("{text}\n{}{END}", steps?.join(",\n")));
    }
    std::fs::write(file, format!("[\n{}\n]\n", texts.join(",\n")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lanes::{Kind, Source, Step};

    fn counterexample(function: &str, message: &str) -> Counterexample {
        let place =
            Place { file: "a.rs".to_owned(), function: function.to_owned(), operation: "wake".to_owned(), nth: 1 };
        let step = Step {
            lane: 0,
            at: "a.rs:7".to_owned(),
            kind: Kind::Read,
            word: Some("word".to_owned()),
            does: "load Relaxed = 0x1".to_owned(),
            old: true,
            from: Some(Source::Step(1)),
        };
        let first = Step { old: false, from: Some(Source::First), ..step.clone() };
        let picture = Picture { lanes: vec!["A".to_owned()], steps: vec![first, step], ..Picture::default() };
        Counterexample {
            place,
            from: "wake all".to_owned(),
            to: "nothing".to_owned(),
            model: "a/x".to_owned(),
            message: message.to_owned(),
            plan: None,
            picture,
        }
    }

    fn row(function: &str, verdict: Verdict) -> Row {
        let Counterexample { place, from, to, .. } = counterexample(function, "");
        Row { place, from, to, verdict, by: None, engine: None }
    }

    #[test]
    fn what_is_written_is_read_again() {
        let file = std::env::temp_dir().join(format!("selvedge-counterexamples-{}.json", std::process::id()));
        let all = [counterexample("one", "x"), counterexample("two", "y")];
        write(&file, &all).expect("a file");
        let text = std::fs::read_to_string(&file).expect("text");
        let read = read(&file).expect("counterexamples");
        std::fs::remove_file(&file).expect("it was there");
        assert_eq!(read, all);
        assert_eq!(text.lines().count(), 2 + 2 * 3, "{text}");
    }

    #[test]
    fn those_of_killed_mutants_are_kept_and_new_ones_replace_old_ones() {
        let rows = [row("two", Verdict::Killed), row("one", Verdict::Killed), row("three", Verdict::Survivor)];
        let known = ["one", "two", "three", "gone"].map(|function| counterexample(function, "old"));
        let found = [counterexample("two", "new")];
        assert_eq!(kept(&rows, &known, &found), [counterexample("one", "old"), counterexample("two", "new")]);
    }
}

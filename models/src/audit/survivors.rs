//! The list of what no model can tell from what the source says, each with the reason why it stays as it is.

use super::Finding;
use super::place::Place;
use super::reach::{Unreached, without_reason};
use serde::Deserialize;
use std::path::Path;

/// One entry of the list.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Survivor {
    file: String,
    function: String,
    operation: String,
    #[serde(default = "one")]
    nth: u32,
    /// What the source says.
    pub from: String,
    /// What could stand there as far as the models go.
    pub to: String,
    /// Why it does not.
    pub reason: String,
    /// The row of the conformance matrix that hides the difference, if one does.
    pub blind: Option<String>,
}

fn one() -> u32 {
    1
}

impl Survivor {
    /// Where it stands.
    #[must_use]
    pub fn place(&self) -> Place {
        let Self { file, function, operation, nth, .. } = self.clone();
        Place { file, function, operation, nth }
    }

    /// Whether it says why this one is not noticed.
    #[must_use]
    pub fn is_of(&self, finding: &Finding) -> bool {
        self.place() == finding.place && self.from == finding.from && self.to == finding.to
    }
}

/// The list: what survives, and what is not reached.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct List {
    #[serde(default)]
    survivor: Vec<Survivor>,
    #[serde(default)]
    unreached: Vec<Unreached>,
}

/// Reads the list.
///
/// # Errors
/// The file cannot be read or says something else than a list does, or a reason is missing; in words.
pub fn read(file: &Path) -> Result<Vec<Survivor>, String> {
    Ok(read_list(file)?.survivor)
}

/// As [`read`], what is listed as unreached.
///
/// # Errors
/// As [`read`].
pub fn read_unreached(file: &Path) -> Result<Vec<Unreached>, String> {
    Ok(read_list(file)?.unreached)
}

fn read_list(file: &Path) -> Result<List, String> {
    let text = std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
    parse(&text).map_err(|error| format!("{}: {error}", file.display()))
}

fn parse(text: &str) -> Result<List, String> {
    let list: List = toml::from_str(text).map_err(|error| error.to_string())?;
    if let Some(entry) = list.survivor.iter().find(|entry| entry.reason.trim().is_empty()) {
        return Err(format!("{}: no reason is given", entry.place()));
    }
    without_reason(&list.unreached).map_or(Ok(list), Err)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_list_is_refused() {
        let entry =
            "[[survivor]]\nfile = 'a.rs'\nfunction = 'f'\noperation = 'wake'\nfrom = 'wake all'\nto = 'wake one'\n";
        let list = parse(&format!("{entry}reason = 'cheap enough'\n")).expect("a list");
        assert_eq!(list.survivor[0].place().to_string(), "a.rs f wake");
        let unreached = "[[unreached]]\nfile = 'a.rs'\nfunction = 'f'\nreason = ''\n";
        assert!(parse(unreached).is_err_and(|error| error.contains("no reason")));
        assert!(parse(&format!("{entry}reason = ' '\n")).is_err_and(|error| error.contains("no reason")));
        assert!(parse(entry).is_err_and(|error| error.contains("reason")));
        assert!(parse(&format!("{entry}reason = 'x'\nlines = 7\n")).is_err_and(|error| error.contains("lines")));
        assert!(parse("").is_ok_and(|list| list.survivor.is_empty()));
    }
}

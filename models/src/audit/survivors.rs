//! The list of what no model can tell from what the source says, each with the reason why it stays as it is.

use super::Finding;
use super::place::Place;
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

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct List {
    #[serde(default)]
    survivor: Vec<Survivor>,
}

/// Reads the list.
///
/// # Errors
/// The file cannot be read or says something else than a list does, or a reason is missing; in words.
pub fn read(file: &Path) -> Result<Vec<Survivor>, String> {
    let text = std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
    parse(&text).map_err(|error| format!("{}: {error}", file.display()))
}

fn parse(text: &str) -> Result<Vec<Survivor>, String> {
    let List { survivor } = toml::from_str(text).map_err(|error| error.to_string())?;
    match survivor.iter().find(|entry| entry.reason.trim().is_empty()) {
        Some(entry) => Err(format!("{}: no reason is given", entry.place())),
        None => Ok(survivor),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_list_is_refused() {
        let entry =
            "[[survivor]]\nfile = 'a.rs'\nfunction = 'f'\noperation = 'wake'\nfrom = 'wake all'\nto = 'wake one'\n";
        let list = parse(&format!("{entry}reason = 'cheap enough'\n")).expect("a list");
        assert_eq!(list[0].place().to_string(), "a.rs f wake");
        assert!(parse(&format!("{entry}reason = ' '\n")).is_err_and(|error| error.contains("no reason")));
        assert!(parse(entry).is_err_and(|error| error.contains("reason")));
        assert!(parse(&format!("{entry}reason = 'x'\nlines = 7\n")).is_err_and(|error| error.contains("lines")));
        assert!(parse("").is_ok_and(|list| list.is_empty()));
    }
}

//! The states of each control block and the steps between them, as executions of the models show them.
//!
//! Nothing of this is drawn by hand: every change of a word by a lane is recorded while the models run within few
//! deviations, its values become states (`words.rs`) and its place in the source the function that changed it. What is found is
//! kept in `models/states.json`; `tests/states.rs` compares.

mod receiver;
mod words;

use crate::audit::place::places;
use crate::parallel;
use crate::sweep::{Settings, prove};
use crate::world::Model;
use selvedge::sync::model::{Change, Site};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;
use words::{ALL, Word};

/// The states of one word.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diagram {
    /// The primitive.
    pub primitive: String,
    /// What the word is called there.
    pub word: String,
    /// The state of fresh memory, if that means something.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<String>,
    /// The steps. Last, and one to a line: see [`write()`].
    pub steps: Vec<Step>,
}

/// A step from a state to a state, which may be the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// Before.
    pub from: String,
    /// After.
    pub to: String,
    /// The functions in which the change stands.
    pub by: Vec<String>,
}

impl Diagram {
    /// The states, each once: that of fresh memory first, the others by name.
    #[must_use]
    pub fn states(&self) -> Vec<&str> {
        let named: BTreeSet<&str> = self.steps.iter().flat_map(|step| [step.from.as_str(), step.to.as_str()]).collect();
        let first = self.first.as_deref();
        first.into_iter().chain(named.into_iter().filter(|state| Some(*state) != first)).collect()
    }
}

/// Deviations and executions of the explorations: a first round in which nearly every plan comes to its end, and one that goes further.
const ROUNDS: [(u32, u64); 2] = [(2, 5_000), (4, 10_000)];

/// What these models show, whose sources lie below `root`.
///
/// # Errors
/// A word held a value that means nothing, or a source cannot be read; in words.
pub fn observe(models: &[Model], root: &Path, threads: usize) -> Result<Vec<Diagram>, String> {
    let rounds = ROUNDS.iter().flat_map(|round| models.iter().map(move |model| (*round, *model)));
    let changes = |((at_most, executions), model): &((u32, u64), Model)| {
        let (at_most, executions) = (Some(*at_most), Some(*executions));
        (
            model.name,
            prove(model, Settings { at_most, executions, record_changes: true, ..Settings::treadle() }).changes,
        )
    };
    let found = parallel::map(&rounds.collect::<Vec<_>>(), threads, changes, |_, _| {});
    let places = Places::of(found.iter().flat_map(|(_, changes)| changes).map(|change| change.site), root)?;
    ALL.iter().map(|word| diagram(word, &found, &places)).filter(|diagram| !is_empty(diagram)).collect()
}

fn is_empty(diagram: &Result<Diagram, String>) -> bool {
    diagram.as_ref().is_ok_and(|diagram| diagram.steps.is_empty())
}

/// For each site the function that it stands in, and what it is done to.
struct Places(BTreeMap<Site, (String, String)>);

impl Places {
    fn of(sites: impl Iterator<Item = Site>, root: &Path) -> Result<Self, String> {
        let named = places(sites, root);
        let mut texts: BTreeMap<&str, String> = BTreeMap::new();
        let mut all = BTreeMap::new();
        for (site, place) in named {
            if !texts.contains_key(site.file) {
                let text = std::fs::read_to_string(root.join(site.file));
                texts.insert(site.file, text.map_err(|error| format!("{}: {error}", site.file))?);
            }
            let receiver = texts.get(site.file).and_then(|text| receiver::receiver(text, site.line, site.column));
            all.insert(site, (place.function, receiver.unwrap_or_default()));
        }
        Ok(Self(all))
    }

    /// The function that makes this change, if it is one of that word.
    fn function(&self, word: &Word, site: &Site) -> Option<&str> {
        let (function, receiver) = self.0.get(site)?;
        let is_of = |changed: &&words::Changed| {
            let functions = changed.functions;
            changed.file == site.file
                && changed.receiver == receiver
                && (functions.is_empty() || functions.contains(&function.as_str()))
        };
        let changed = word.changed.iter().find(is_of)?;
        Some(if changed.file.starts_with("src/") { function } else { "the kernel" })
    }
}

fn diagram(word: &Word, found: &[(&str, BTreeSet<Change>)], places: &Places) -> Result<Diagram, String> {
    let named = |value: u64| {
        let unknown = || format!("{}: {} holds {value:#x}, which is no state of it", word.primitive, word.name);
        (word.state)(value).ok_or_else(unknown)
    };
    let mut steps: BTreeMap<(String, String), BTreeSet<String>> = BTreeMap::new();
    let is_asked = |model: &str| {
        let primitive = model.split_inclusive('/').next().unwrap_or(model);
        match word.models {
            [] => primitive.trim_end_matches('/') == word.primitive,
            some => some.iter().any(|one| [model, primitive].contains(one)),
        }
    };
    for change in found.iter().filter(|(model, _)| is_asked(model)).flat_map(|(_, changes)| changes) {
        if let Some(function) = places.function(word, &change.site).filter(|_| change.before != change.after) {
            let functions = steps.entry((named(change.before)?, named(change.after)?)).or_default();
            functions.insert(function.to_owned());
        }
    }
    let steps = steps.into_iter().map(|((from, to), by)| Step { from, to, by: by.into_iter().collect() });
    Ok(Diagram {
        primitive: word.primitive.to_owned(),
        word: word.name.to_owned(),
        first: word.first.map(named).transpose()?,
        steps: steps.collect(),
    })
}

/// Reads what [`write()`] wrote.
///
/// # Errors
/// The file cannot be read or is something else.
pub fn read(file: &Path) -> io::Result<Vec<Diagram>> {
    Ok(serde_json::from_slice(&std::fs::read(file)?)?)
}

/// Writes diagrams, each in a line for the word and one for each step.
///
/// # Errors
/// The file cannot be written.
pub fn write(file: &Path, diagrams: &[Diagram]) -> io::Result<()> {
    const END: &str = "]}";
    let mut texts = Vec::new();
    for diagram in diagrams {
        let steps: Result<Vec<String>, _> = diagram.steps.iter().map(serde_json::to_string).collect();
        let mut text = serde_json::to_string(&Diagram { steps: Vec::new(), ..diagram.clone() })?;
        text.truncate(text.len() - END.len());
        texts.push(format!("{text}\n{}{END}", steps?.join(",\n")));
    }
    std::fs::write(file, format!("[\n{}\n]\n", texts.join(",\n")))
}

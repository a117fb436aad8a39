//! The faults that `ci/faults` plants, as their heads describe them.

use crate::ledger::Proof;
use std::io;
use std::path::Path;

/// A fault.
#[derive(Clone, Debug)]
pub struct Fault {
    /// What it is called.
    pub name: String,
    /// What is wrong.
    pub what: String,
    /// Who must notice.
    pub by: Noticed,
}

/// Who must notice a fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Noticed {
    /// This model.
    Model(String),
    /// The small clients of an object.
    Clients {
        /// The object.
        object: String,
        /// How many threads and operations they need.
        size: String,
    },
}

impl Fault {
    /// Whether who must notice is of this primitive.
    #[must_use]
    pub fn is_of(&self, primitive: &str) -> bool {
        let name = match &self.by {
            Noticed::Model(model) => model.split('/').next(),
            Noticed::Clients { object, .. } => object.split('-').next(),
        };
        name == Some(primitive)
    }

    /// The properties that it breaks, of those that the ledger says the model checks.
    #[must_use]
    pub fn properties<'a>(&self, proofs: &'a [Proof]) -> &'a str {
        match &self.by {
            Noticed::Model(model) => properties_of(model, proofs),
            Noticed::Clients { .. } => "an order that the specification allows",
        }
    }
}

impl core::fmt::Display for Noticed {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Model(model) => f.write_str(model),
            Self::Clients { object, size } => write!(f, "clients of {object}, {size}"),
        }
    }
}

/// The properties that a model checks.
pub(super) fn properties_of<'a>(model: &str, proofs: &'a [Proof]) -> &'a str {
    proofs.iter().find(|proof| proof.model == model).map_or("", |proof| &proof.properties)
}

/// Reads the patches of a folder, and of the folder `clients` in it, by name.
pub(super) fn read(folder: &Path) -> io::Result<Vec<Fault>> {
    let mut faults = Vec::new();
    for folder in [folder.to_owned(), folder.join("clients")].iter().filter(|folder| folder.exists()) {
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            if path.extension().is_some_and(|ending| ending == "patch") {
                faults.push(read_one(&path)?);
            }
        }
    }
    faults.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(faults)
}

fn read_one(path: &Path) -> io::Result<Fault> {
    let text = std::fs::read_to_string(path)?;
    let line = |name: &str| Some(text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))?.to_owned());
    let head =
        |name: &str| line(name).ok_or_else(|| io::Error::other(format!("{}: no line `{name}: …`", path.display())));
    let by = match line("Model") {
        Some(model) => Noticed::Model(model),
        None => Noticed::Clients { object: head("Clients")?, size: size(&head("Size")?) },
    };
    let name = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default().to_owned();
    Ok(Fault { name, what: head("Fault")?, by })
}

/// `2 3 kills`, in words.
fn size(line: &str) -> String {
    let mut words = line.split(' ');
    let mut next = || words.next().unwrap_or_default();
    let (threads, operations, kills) = (next(), next(), next());
    let kills = if kills.is_empty() { "" } else { ", kills" };
    format!("{threads} threads and {operations} operations{kills}")
}

//! The report: what is checked, how far, and what every ordering is for; made from what is kept in the repository.

mod faults;
mod header;
pub mod html;
mod markdown;

pub use faults::{Fault, Noticed};
pub use header::Header;
pub use markdown::page;

use crate::audit::{self, Counterexample, counterexample, pairs};
use crate::clients;
use crate::command::Project;
use crate::ledger::Proof;
use crate::mutants::{self, Mutant};
use crate::properties::Property;
use crate::states::{self, Diagram};
use std::io;
use std::path::Path;

/// Everything that the report is made from.
#[derive(Debug)]
pub struct Evidence {
    /// What the project is called.
    pub name: &'static str,
    /// Where its sources are, and what is kept, as paths from its root.
    pub places: Places,
    /// What its models check.
    pub properties: Vec<Property>,
    /// The ledger.
    pub proofs: Vec<Proof>,
    /// The audit of necessity.
    pub audit: Vec<audit::Row>,
    /// What it cannot tell apart, and why.
    pub survivors: Vec<audit::Survivor>,
    /// What cannot be told apart by itself, two at a time.
    pub pairs: Vec<pairs::Together>,
    /// The faults that are planted in the library, each with the model that must notice.
    pub faults: Vec<Fault>,
    /// Executions in which mutants of the audit were noticed.
    pub counterexamples: Vec<Counterexample>,
    /// The states of the control blocks.
    pub states: Vec<Diagram>,
    /// How many of all small programs were checked.
    pub clients: Vec<clients::Row>,
    /// Which share that is of those that are meant by all.
    pub coverage: Vec<clients::Coverage>,
    /// Variants of an algorithm that are wrong on purpose.
    pub variants: Vec<Mutant>,
    /// What the primitives are for, in the order of their names.
    pub headers: Vec<Header>,
    /// The conformance matrix, as the test pins it.
    pub matrix: String,
}

/// Where things are, as the report names them.
#[derive(Clone, Debug)]
pub struct Places {
    /// The folder of the sources.
    pub sources: String,
    /// The folder of what is kept, with a slash at its end unless it is the root itself.
    pub kept: String,
}

impl Evidence {
    /// Reads what is kept of a project: `ledger.json`, `audit.json`, `survivors.toml`, and, if they are there, `pairs.json`,
    /// `counterexamples.json`, `states.json`, `clients.json` and `faults/`; and the heads of its sources. What engines do not see is the same
    /// for all projects: the conformance matrix is that of this crate.
    ///
    /// # Errors
    /// A file is missing or is something else.
    pub fn read(project: &Project) -> io::Result<Self> {
        let kept = |name: &str| Some(project.kept.join(name)).filter(|file| file.exists());
        let audit = serde_json::from_slice(&project.read("audit.json", "cargo prove audit --write")?)?;
        let folder = project.kept.strip_prefix(&project.root).unwrap_or(&project.kept).display().to_string();
        let matrix = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/snapshots/conformance__matrix.snap");
        let clients = kept("clients.json").map_or_else(|| Ok(Vec::new()), |file| clients::read(&file))?;
        Ok(Self {
            name: project.name,
            places: Places {
                sources: project.sources.clone(),
                kept: if folder.is_empty() { folder } else { format!("{folder}/") },
            },
            properties: project.properties.clone(),
            proofs: serde_json::from_slice(&project.read("ledger.json", "cargo prove --write")?)?,
            audit,
            survivors: project.survivors()?,
            pairs: pairs::read(&project.file("pairs.json"))?,
            faults: kept("faults").map_or_else(|| Ok(Vec::new()), |folder| faults::read(&folder))?,
            counterexamples: kept("counterexamples.json")
                .map_or_else(|| Ok(Vec::new()), |file| counterexample::read(&file))?,
            states: kept("states.json").map_or_else(|| Ok(Vec::new()), |file| states::read(&file))?,
            coverage: clients::coverage::of(&project.clients, &clients),
            clients,
            variants: if project.is_selvedge() { mutants::all() } else { Vec::new() },
            headers: header::read(&project.root.join(&project.sources))?,
            matrix: std::fs::read_to_string(matrix)?,
        })
    }

    /// The primitive that a source file belongs to: `src/primitives/queue/repair.rs` to `queue`.
    #[must_use]
    pub fn primitive_of<'a>(&self, file: &'a str) -> &'a str {
        let inside = file.strip_prefix(&self.places.sources).map_or(file, |inside| inside.trim_start_matches('/'));
        inside.split(['/', '.']).next().unwrap_or(inside)
    }
}

//! The report: what is checked, how far, and what every ordering is for; made from what is kept in the repository.

mod faults;
mod header;
pub mod html;
mod markdown;

pub use faults::Fault;
pub use header::Header;
pub use markdown::page;

use crate::audit::{self, Counterexample, counterexample, survivors};
use crate::clients;
use crate::ledger::{Proof, proof};
use crate::states::{self, Diagram};
use std::io;
use std::path::Path;

/// Everything that the report is made from.
#[derive(Debug)]
pub struct Evidence {
    /// The ledger.
    pub proofs: Vec<Proof>,
    /// The audit of necessity.
    pub audit: Vec<audit::Row>,
    /// What it cannot tell apart, and why.
    pub survivors: Vec<audit::Survivor>,
    /// The faults that are planted in the library, each with the model that must notice.
    pub faults: Vec<Fault>,
    /// Executions in which mutants of the audit were noticed.
    pub counterexamples: Vec<Counterexample>,
    /// The states of the control blocks.
    pub states: Vec<Diagram>,
    /// How many of all small programs were checked.
    pub clients: Vec<clients::Row>,
    /// What the primitives are for, in the order of their names.
    pub headers: Vec<Header>,
    /// The conformance matrix, as the test pins it.
    pub matrix: String,
}

impl Evidence {
    /// Reads what is kept in `folder`: `ledger.json`, `audit.json`, `survivors.toml`, `faults/`, `states.json`, `clients.json`,
    /// the pinned conformance matrix, and `counterexamples.json`, if it is there; and the heads of the primitives.
    ///
    /// # Errors
    /// A file is missing or is something else.
    pub fn read(folder: &Path) -> io::Result<Self> {
        let audit = serde_json::from_slice(&std::fs::read(folder.join("audit.json"))?)?;
        let counterexamples = folder.join("counterexamples.json");
        Ok(Self {
            proofs: proof::read(&folder.join("ledger.json"))?,
            audit,
            survivors: survivors::read(&folder.join("survivors.toml")).map_err(io::Error::other)?,
            faults: faults::read(&folder.join("faults"))?,
            counterexamples: if counterexamples.exists() {
                counterexample::read(&counterexamples)?
            } else {
                Vec::new()
            },
            states: states::read(&folder.join("states.json"))?,
            clients: clients::read(&folder.join("clients.json"))?,
            headers: header::read(&folder.join("../src/primitives"))?,
            matrix: std::fs::read_to_string(folder.join("tests/snapshots/conformance__matrix.snap"))?,
        })
    }
}

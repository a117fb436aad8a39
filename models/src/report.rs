//! The report: what is proved, how far, and what every ordering is for; made from what is kept in the repository.

mod faults;
mod markdown;

pub use faults::Fault;
pub use markdown::page;

use crate::audit::{self, survivors};
use crate::ledger::{Proof, proof};
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
}

impl Evidence {
    /// Reads what is kept in `folder`: `ledger.json`, `audit.json`, `survivors.toml` and `faults/`.
    ///
    /// # Errors
    /// A file is missing or is something else.
    pub fn read(folder: &Path) -> io::Result<Self> {
        let audit = serde_json::from_slice(&std::fs::read(folder.join("audit.json"))?)?;
        Ok(Self {
            proofs: proof::read(&folder.join("ledger.json"))?,
            audit,
            survivors: survivors::read(&folder.join("survivors.toml")).map_err(io::Error::other)?,
            faults: faults::read(&folder.join("faults"))?,
        })
    }
}

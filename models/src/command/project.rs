//! What the command line is about: models, the sources below them, and where what is known of them is kept.

use crate::clients::{self, Clients};
use crate::properties::{self, Property};
use crate::world::Model;
use crate::{catalogue, parts};
use std::io;
use std::path::{Path, PathBuf};

/// A collection of models with all that belongs to it: selvedge's own, or that of any other crate.
#[derive(Clone, Debug)]
pub struct Project {
    /// What it is called in the reports.
    pub name: &'static str,
    /// The models.
    pub models: Vec<Model>,
    /// Objects whose small clients can be checked.
    pub clients: Vec<Clients>,
    /// What the ids in [`Model::properties`] mean.
    pub properties: Vec<Property>,
    /// Where the paths of sources begin, as the compiler names them: the folder of the workspace.
    pub root: PathBuf,
    /// The folder, below the root, of the sources that are checked. The report has a page for each file `NAME.rs` in it whose
    /// head has a paragraph `**Purpose.**`; models of it are called `NAME/…`.
    pub sources: &'static str,
    /// Whether the orderings of a source file are audited, by its path from the root.
    pub is_audited: fn(&str) -> bool,
    /// The folder of `ledger.json`, `audit.json`, `counterexamples.json`, `survivors.toml` and `clients.json`, each of which
    /// may be missing.
    pub kept: PathBuf,
    /// The report as Markdown.
    pub page: PathBuf,
}

impl Project {
    /// The proofs of selvedge.
    #[must_use]
    pub fn selvedge() -> Self {
        let kept = Path::new(env!("CARGO_MANIFEST_DIR"));
        let root = kept.parent().unwrap_or(kept);
        Self {
            name: "selvedge",
            models: catalogue::all(),
            clients: clients::all(),
            properties: properties::ALL.to_vec(),
            root: root.to_owned(),
            sources: "src/primitives",
            is_audited: is_library,
            kept: kept.to_owned(),
            page: root.join("PROOFS.md"),
        }
    }

    /// Whether it is selvedge's own, of which this crate has wrong variants.
    pub(crate) fn is_selvedge(&self) -> bool {
        self.kept == Path::new(env!("CARGO_MANIFEST_DIR"))
    }

    /// The models whose names contain `filter`, by name.
    pub(super) fn chosen(&self, filter: &str) -> Vec<Model> {
        let mut models = self.models.clone();
        models.retain(|model| matches(model.name, filter));
        models.sort_by_key(|model| model.name);
        models
    }

    /// A file that is kept.
    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.kept.join(name)
    }

    /// By one number: the sources, and what is kept and decides what is run, and how.
    pub(super) fn version(&self) -> io::Result<String> {
        let kept = ["ledger.json", "audit.json", "survivors.toml"].map(|name| self.file(name));
        let sources = [self.root.join(self.sources), self.root.join("Cargo.lock")];
        parts::sources::with(&[&sources[..], &kept].concat())
    }
}

/// The library's own code; the models and the model of the kernel under them are taken as they are.
fn is_library(file: &str) -> bool {
    file.starts_with("src/") && !file.starts_with("src/sync/")
}

/// Whether a name is one of those that are asked for.
pub(super) fn matches(name: &str, filter: &str) -> bool {
    match filter.strip_prefix('=') {
        Some(exact) => name == exact,
        None => name.contains(filter),
    }
}

//! What the command line is about: models, the sources below them, and where what is known of them is kept.

use crate::audit::reach::Unreached;
use crate::audit::{Survivor, survivors};
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
    /// Names of models that are too large for loom: there they run only if they are asked for by name.
    pub not_on_loom: Vec<&'static str>,
    /// Objects whose small clients can be checked.
    pub clients: Vec<Clients>,
    /// What the ids in [`Model::properties`] mean.
    pub properties: Vec<Property>,
    /// Where the paths of sources begin, as the compiler names them: the folder of the workspace.
    pub root: PathBuf,
    /// The folder, below the root, of the sources that are checked. The report has a page for each file `NAME.rs` in it whose
    /// head has a paragraph `**Purpose.**`; models of it are called `NAME/…`.
    pub sources: String,
    /// Where the sources are whose orderings are audited, as beginnings of paths from the root.
    pub audited: Vec<String>,
    /// The same of those of them that are not: models, and what stands in for an operating system.
    pub not_audited: Vec<String>,
    /// The folder of `ledger.json`, `audit.json`, `counterexamples.json` and `survivors.toml`, each of which may be missing.
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
            not_on_loom: catalogue::NOT_ON_LOOM.to_vec(),
            clients: clients::all(),
            properties: properties::ALL.to_vec(),
            root: root.to_owned(),
            sources: "src/primitives".to_owned(),
            audited: vec!["src/".to_owned()],
            // The model of the kernel under them is taken as it is.
            not_audited: vec!["src/sync/".to_owned()],
            kept: kept.to_owned(),
            page: root.join("PROOFS.md"),
        }
    }

    /// A crate's, whose `Cargo.toml` is in the folder `manifest` and one of whose sources is `file`, as the compiler names it;
    /// [`project!`](crate::project) knows both. All in `src` is audited except for `src/models`; what is known is kept in `proofs`.
    #[must_use]
    pub fn new(name: &'static str, manifest: &str, file: &str) -> Self {
        let manifest = Path::new(manifest);
        // In a workspace the compiler names sources from the workspace's folder.
        let package = file.rsplit_once("src/").map_or("", |(package, _)| package);
        let depth = Path::new(package).components().count();
        let root = manifest.ancestors().nth(depth).unwrap_or(manifest);
        Self {
            name,
            models: Vec::new(),
            not_on_loom: Vec::new(),
            clients: Vec::new(),
            properties: Vec::new(),
            root: root.to_owned(),
            sources: format!("{package}src"),
            audited: vec![format!("{package}src/")],
            not_audited: vec![format!("{package}src/models")],
            kept: manifest.join("proofs"),
            page: manifest.join("PROOFS.md"),
        }
    }

    /// Whether the orderings of this source file are audited.
    #[must_use]
    pub fn is_audited(&self, file: &str) -> bool {
        let is_in = |places: &[String]| places.iter().any(|place| file.starts_with(place.as_str()));
        is_in(&self.audited) && !is_in(&self.not_audited)
    }

    /// Whether it is selvedge's own, of which this crate has wrong variants.
    pub(crate) fn is_selvedge(&self) -> bool {
        self.kept == Path::new(env!("CARGO_MANIFEST_DIR"))
    }

    /// The survivors that are justified.
    pub(crate) fn survivors(&self) -> io::Result<Vec<Survivor>> {
        let file = self.file("survivors.toml");
        if file.exists() { survivors::read(&file).map_err(io::Error::other) } else { Ok(Vec::new()) }
    }

    /// What no model can reach, with the reasons.
    pub(super) fn unreached(&self) -> io::Result<Vec<Unreached>> {
        let file = self.file("survivors.toml");
        if file.exists() { survivors::read_unreached(&file).map_err(io::Error::other) } else { Ok(Vec::new()) }
    }

    /// The models whose names contain `filter`, by name.
    pub(super) fn chosen(&self, filter: &str) -> Vec<Model> {
        let mut models = self.models.clone();
        models.retain(|model| matches(model.name, filter));
        models.sort_by_key(|model| model.name);
        models
    }

    /// A file that is kept.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.kept.join(name)
    }

    /// What a file that is kept says, which this command makes.
    pub(crate) fn read(&self, name: &str, command: &str) -> io::Result<Vec<u8>> {
        let file = self.file(name);
        std::fs::read(&file)
            .map_err(|error| io::Error::other(format!("{}: {error}; `{command}` makes it", file.display())))
    }

    /// By one number: the sources, and what is kept and decides what is run, and how.
    pub(super) fn version(&self) -> io::Result<String> {
        let kept = ["ledger.json", "audit.json", "survivors.toml"].map(|name| self.file(name));
        let sources = [self.root.join(&self.sources), self.root.join("Cargo.lock")];
        parts::sources::with(&[&sources[..], &kept].concat())
    }
}

/// Whether a name is one of those that are asked for.
pub(super) fn matches(name: &str, filter: &str) -> bool {
    match filter.strip_prefix('=') {
        Some(exact) => name == exact,
        None => name.contains(filter),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_found_in_a_workspace_and_alone() {
        let alone = Project::new("x", "/home/x", "src/models/mod.rs");
        assert_eq!((alone.root.as_path(), alone.sources.as_str()), (Path::new("/home/x"), "src"));
        let member = Project::new("x", "/home/ws/crates/x", "crates/x/src/models/mod.rs");
        assert_eq!((member.root.as_path(), member.sources.as_str()), (Path::new("/home/ws"), "crates/x/src"));
        assert!(member.is_audited("crates/x/src/a.rs") && !member.is_audited("crates/y/src/a.rs"));
        assert!(!member.is_audited("crates/x/src/models/a.rs"));
        let selvedge = Project::selvedge();
        assert!(selvedge.is_audited("src/primitives/gate.rs") && !selvedge.is_audited("src/sync/model/futex.rs"));
    }
}

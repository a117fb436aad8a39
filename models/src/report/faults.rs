//! The faults that `ci/faults` plants, as their heads describe them.

use std::io;
use std::path::Path;

/// A fault.
#[derive(Clone, Debug)]
pub struct Fault {
    /// What it is called.
    pub name: String,
    /// What is wrong.
    pub what: String,
    /// The model that must notice.
    pub model: String,
}

impl Fault {
    /// Whether the model that must notice is one of this primitive.
    #[must_use]
    pub fn is_of(&self, primitive: &str) -> bool {
        self.model.split_once('/').is_some_and(|(name, _)| name == primitive)
    }
}

/// Reads the patches of a folder, by name.
pub(super) fn read(folder: &Path) -> io::Result<Vec<Fault>> {
    let mut faults = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_none_or(|ending| ending != "patch") {
            continue;
        }
        let text = std::fs::read_to_string(&path)?;
        let head = |name: &str| {
            let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
            let missing = || io::Error::other(format!("{}: no line `{name}: …`", path.display()));
            value.map(str::to_owned).ok_or_else(missing)
        };
        let name = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default().to_owned();
        faults.push(Fault { name, what: head("Fault")?, model: head("Model")? });
    }
    faults.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(faults)
}

//! What a site is called, whatever line it stands in: by its file, its function, what it does, and which of those it is.
//!
//! So that what is written down about a site stays true when the lines above it change.

use selvedge::sync::model::{Site, SiteKind};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

/// Where an operation stands.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Place {
    /// Source file, as the compiler names it.
    pub file: String,
    /// The function around it.
    pub function: String,
    /// `load`, `compare_exchange`, `fence`, `wake`, …
    pub operation: String,
    /// Which of those in the functions of this name in this file, from 1.
    #[serde(default = "first", skip_serializing_if = "is_first")]
    pub nth: u32,
}

fn first() -> u32 {
    1
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_first(nth: &u32) -> bool {
    *nth == 1
}

impl core::fmt::Display for Place {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let Self { file, function, operation, nth } = self;
        write!(f, "{file} {function} {operation}")?;
        if *nth > 1 { write!(f, " {nth}") } else { Ok(()) }
    }
}

/// What an operation of this kind is called.
#[must_use]
pub fn name_of(kind: SiteKind) -> &'static str {
    match kind {
        SiteKind::Load => "load",
        SiteKind::Store => "store",
        SiteKind::Rmw => "read-modify-write",
        SiteKind::CompareExchange => "compare_exchange",
        SiteKind::Fence => "fence",
        SiteKind::Wait => "wait",
        SiteKind::Wake => "wake",
        SiteKind::Cell => "payload",
    }
}

/// The places of `sites`, whose sources lie below `root`. A function that cannot be made out has no name.
#[must_use]
pub fn places(sites: impl IntoIterator<Item = Site>, root: &Path) -> BTreeMap<Site, Place> {
    let mut sites: Vec<Site> = sites.into_iter().collect();
    // In the order of the source: the number of a place depends on it.
    sites.sort();
    let mut texts: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    let mut counts: BTreeMap<(String, String, &str), u32> = BTreeMap::new();
    let mut places = BTreeMap::new();
    for site in sites {
        let lines = texts.entry(site.file).or_insert_with(|| {
            let text = std::fs::read_to_string(root.join(site.file)).unwrap_or_default();
            text.lines().map(str::to_owned).collect()
        });
        let above = lines.get(..usize::try_from(site.line).unwrap_or(usize::MAX).min(lines.len()));
        let function = above.into_iter().flatten().rev().find_map(|line| function_in(line)).unwrap_or_default();
        let operation = name_of(site.kind);
        let nth = counts.entry((site.file.to_owned(), function.to_owned(), operation)).or_insert(0);
        *nth += 1;
        let place = Place {
            file: site.file.to_owned(),
            function: function.to_owned(),
            operation: operation.to_owned(),
            nth: *nth,
        };
        places.insert(site, place);
    }
    places
}

/// The name of the function that begins in this line.
pub(super) fn function_in(line: &str) -> Option<&str> {
    let code = line.split("//").next().unwrap_or(line);
    let (before, after) = code.split_once("fn ")?;
    // What stands before it is of its signature: `pub(super) const unsafe extern "C"`.
    let is_declared = before.chars().all(|c| c.is_ascii_lowercase() || " ()\"C:".contains(c));
    let name = after.split(|c: char| !c.is_alphanumeric() && c != '_').next()?;
    (is_declared && !name.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_are_made_out() {
        assert_eq!(function_in("    pub(super) fn lock<'a>(&self) {"), Some("lock"));
        assert_eq!(function_in("const unsafe extern \"C\" fn keep("), Some("keep"));
        assert_eq!(function_in("    // a fn of no use"), None);
        assert_eq!(function_in("    let make = |fn_name: &str| {"), None);
        assert_eq!(function_in("impl Fn for X {"), None);
    }

    #[test]
    fn places_stay_when_lines_move() {
        let root = std::env::temp_dir().join(format!("selvedge-places-{}", std::process::id()));
        std::fs::create_dir_all(&root).expect("a folder");
        let site = |line, column| Site { file: "code.rs", line, column, kind: SiteKind::Load };
        let texts = ["fn one() {\n  a.load(); b.load();\n}\nfn two() { c.load() }\n", ""];
        let named = |first: u32| {
            let text = format!("{}{}", "// more\n".repeat(first as usize), texts[0]);
            std::fs::write(root.join("code.rs"), text).expect("a file");
            let sites = [site(first + 2, 5), site(first + 2, 15), site(first + 4, 14)];
            let places = places(sites, &root);
            sites.map(|site| places[&site].to_string())
        };
        let expected = ["code.rs one load", "code.rs one load 2", "code.rs two load"].map(str::to_owned);
        assert_eq!(named(0), expected);
        assert_eq!(named(7), expected);
        std::fs::remove_dir_all(&root).expect("it was there");
    }
}

//! The faults that `ci/faults` and `ci/torture-faults` plant still fit the code that they break, and name what exists.
//!
//! Planting all of them takes its time; that a fault no longer applies, because the lines around it have
//! changed, is seen here.
#![cfg(not(loom))]

use std::fs;
use std::path::{Path, PathBuf};

/// The files in a folder with this ending, sorted.
fn files(folder: &str, ending: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.retain(|file| file.extension().is_some_and(|found| found == ending));
    files.sort();
    files
}

/// All text of the source files in these folders.
fn sources(folders: &[&str]) -> String {
    let texts = folders.iter().flat_map(|folder| files(folder, "rs"));
    texts.map(|file| fs::read_to_string(file).expect("text")).collect()
}

/// Why a patch would not apply to the tree below `root`, if so.
fn misfit(patch: &str, root: &Path) -> Option<String> {
    let (mut target, mut hunks) = (None, Vec::new());
    for line in patch.lines() {
        if let Some(path) = line.strip_prefix("+++ b/") {
            target = Some(path);
        } else if line.starts_with("@@ ") {
            hunks.push((target?, Vec::new()));
        } else if let (Some((_, before)), Some(kept)) = (
            hunks.last_mut(),
            line.strip_prefix(' ').or_else(|| line.strip_prefix('-').filter(|_| !line.starts_with("--- "))),
        ) {
            before.push(kept);
        }
    }
    if hunks.is_empty() {
        return Some("it changes nothing".to_owned());
    }
    let ends = patch.split("\n@@ ").skip(1).map(is_of_an_end);
    hunks.iter().zip(ends).find_map(|((path, before), is_of_an_end)| {
        let Ok(text) = fs::read_to_string(root.join(path)) else { return Some(format!("there is no {path}")) };
        let lines: Vec<_> = text.lines().collect();
        let places = lines.windows(before.len()).filter(|window| window == before).count();
        let what = if places == 0 {
            "has no such lines any more"
        } else if is_of_an_end && !lines.ends_with(before) {
            "does not end with this, and `patch` looks for it at the end, as it has less after the change than before it"
        } else {
            return None;
        };
        Some(format!("{path} {what}:\n{}", before.join("\n")))
    })
}

/// Whether a part of a patch has less of what stays after its changes than before them.
fn is_of_an_end(hunk: &str) -> bool {
    let lines = || hunk.lines().skip(1).take_while(|line| line.starts_with([' ', '+', '-']));
    let (before, after) = (lines().position(|line| !line.starts_with(' ')), lines().collect::<Vec<_>>());
    let after = after.iter().rev().position(|line| !line.starts_with(' '));
    after < before
}

/// The patches of `folder` that do not apply, or whose `header` names nothing that stands, quoted, in `known`.
fn offences(folder: &str, header: &str, known: &str) -> Vec<String> {
    let patches = files(folder, "patch");
    assert!(!patches.is_empty(), "no faults in {folder}");
    let offence = |patch: &PathBuf| {
        let text = fs::read_to_string(patch).expect("text");
        let value = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        let named = value(header).unwrap_or_default();
        let unknown = named.split(',').find(|name| !known.contains(&format!("\"{name}\"")));
        let why = match (value("Fault"), unknown) {
            (None, _) => Some("it does not say what the fault is".to_owned()),
            (_, Some(name)) => Some(format!("`{header}: {name}` names nothing")),
            _ => misfit(&text, Path::new(env!("CARGO_MANIFEST_DIR"))),
        };
        why.map(|why| format!("{}: {why}", patch.display()))
    };
    patches.iter().filter_map(offence).collect()
}

#[test]
fn those_for_the_models_apply() {
    let offences = offences("models/faults", "Model", &sources(&["models/src/catalogue"]));
    assert!(offences.is_empty(), "{}", offences.join("\n"));
}

#[test]
fn those_for_the_clients_apply() {
    let offences = offences("models/faults/clients", "Clients", &sources(&["models/src/clients"]));
    assert!(offences.is_empty(), "{}", offences.join("\n"));
}

#[test]
fn those_for_the_torture_apply() {
    let offences = offences("cli/faults", "Only", &sources(&["cli/src/torture", "cli/src/torture/subjects"]));
    assert!(offences.is_empty(), "{}", offences.join("\n"));
}

#[test]
fn a_patch_that_does_not_fit_is_noticed() {
    let root = tempfile::tempdir().expect("a folder");
    fs::write(root.path().join("code"), "one\ntwo\nthree\n").expect("a file");
    let patch = |old: &str| format!("Fault: x\n--- a/code\n+++ b/code\n@@ -1,2 +1,2 @@\n one\n-{old}\n+2\n");
    let is_at_end = |why: String| why.contains("does not end with this");
    assert!(misfit(&patch("two"), root.path()).is_some_and(is_at_end));
    assert_eq!(misfit(&format!("{} three\n", patch("two")), root.path()), None);
    assert_eq!(misfit(&patch("two").replace(" one\n", ""), root.path()), None);
    assert!(misfit(&patch("zwei"), root.path()).is_some_and(|why| why.contains("no such lines")));
    assert!(misfit("Fault: x\n", root.path()).is_some_and(|why| why.contains("nothing")));
}

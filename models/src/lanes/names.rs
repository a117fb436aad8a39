//! What people call a word: the field or variable that the source assigns it to where it makes it.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::Location;
use std::path::{Path, PathBuf};

/// A word: where it was made, and how many were made at that place before it.
pub(super) type Word = (&'static Location<'static>, u32);

/// Names of all words of an execution, each another one.
#[derive(Debug, Default)]
pub(super) struct Names(BTreeMap<&'static Location<'static>, String>);

impl Names {
    /// Names for words that were made at these places.
    pub(super) fn new(places: impl IntoIterator<Item = &'static Location<'static>>) -> Self {
        let places: BTreeSet<_> = places.into_iter().collect();
        let mut files: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        let mut names: BTreeMap<_, String> = BTreeMap::new();
        for place in places {
            let lines = files.entry(place.file()).or_insert_with(|| read_source(place.file()));
            names.insert(place, made_as(lines, place).unwrap_or_else(|| "word".to_owned()));
        }
        // Where two have one name, the file's tells them apart, and if it does not, the line does.
        for tell_apart in [|place: &Location<'_>, name: &str| format!("{}.{name}", stem(place.file())), with_line] {
            let mut counts: BTreeMap<String, u32> = BTreeMap::new();
            for name in names.values() {
                *counts.entry(name.clone()).or_default() += 1;
            }
            for (place, name) in &mut names {
                if counts.get(name.as_str()).is_some_and(|count| *count > 1) {
                    *name = tell_apart(place, name);
                }
            }
        }
        Self(names)
    }

    /// The name of a word.
    pub(super) fn of(&self, (made_at, index): Word) -> String {
        let name = self.0.get(made_at).map_or("word", String::as_str);
        if index == 0 { name.to_owned() } else { format!("{name}#{index}") }
    }
}

fn with_line(place: &Location<'_>, name: &str) -> String {
    format!("{name}:{}", place.line())
}

fn stem(file: &str) -> String {
    Path::new(file).file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into())
}

fn made_as(lines: &[String], place: &Location<'_>) -> Option<String> {
    let line = lines.get(usize::try_from(place.line()).ok()?.checked_sub(1)?)?;
    identifier(line, place.column())
}

/// The identifier before the `:` or `=` that precedes the column: `name: `, `let name = `, `let name: Type = `.
fn identifier(line: &str, column: u32) -> Option<String> {
    let before: String = line.chars().take(usize::try_from(column).ok()?.saturating_sub(1)).collect();
    // The `::` of paths separates nothing.
    let before = before.replace("::", "__");
    let separator = before.rfind([':', '='])?;
    let mut head = before.get(..separator)?.trim_end();
    if before.get(separator..).is_some_and(|rest| rest.starts_with('='))
        && let Some((name, _type)) = head.split_once(": ")
    {
        head = name;
    }
    let name: String = head.chars().rev().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    let name: String = name.chars().rev().collect();
    (!name.is_empty()).then_some(name)
}

fn read_source(file: &str) -> Vec<String> {
    // Paths in locations are relative to the workspace, which is the parent of this package.
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let candidates = [PathBuf::from(file), root.join("..").join(file), root.join(file)];
    candidates
        .iter()
        .find_map(|path| std::fs::read_to_string(path).ok())
        .map(|text| text.lines().map(str::to_owned).collect())
        .unwrap_or_default()
}

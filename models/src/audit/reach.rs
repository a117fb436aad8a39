//! What no model comes to: orderings, waits and wakes that stand in the audited sources, and that no lane of any model reaches.
//!
//! Such a site has no mutant, and an audit that counts only those would pass over it in silence.

use super::Place;
use super::place::function_in;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;

/// A function some of whose orderings, waits or wakes no model reaches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// Source file, as the compiler names it.
    pub file: String,
    /// The function.
    pub function: String,
    /// How many orderings, waits and wakes stand in it.
    pub written: usize,
    /// How many of those the models reach.
    pub reached: usize,
}

/// A function of which no model can reach all, and why.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unreached {
    file: String,
    function: String,
    reason: String,
}

impl core::fmt::Display for Gap {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let Self { file, function, written, reached } = self;
        write!(f, "{file} {function}: {written} orderings, waits and wakes, of which the models reach {reached}")
    }
}

/// Functions in the audited sources below `folder`, a path from `root`, of which something is not among the places `reached`.
///
/// # Errors
/// A source cannot be read.
pub fn gaps(reached: &[&Place], root: &Path, folder: &str, is_audited: impl Fn(&str) -> bool) -> io::Result<Vec<Gap>> {
    let mut sites: BTreeMap<(&str, &str), BTreeSet<(&str, u32)>> = BTreeMap::new();
    for place in reached {
        sites.entry((&place.file, &place.function)).or_default().insert((&place.operation, place.nth));
    }
    let mut gaps = Vec::new();
    for file in sources(root, folder)?.into_iter().filter(|file| is_audited(file)) {
        let text = std::fs::read_to_string(root.join(&file))?;
        for (function, written) in written(&text) {
            let reached = sites.get(&(file.as_str(), function.as_str())).map_or(0, BTreeSet::len);
            if reached < written {
                gaps.push(Gap { file: file.clone(), function, written, reached });
            }
        }
    }
    Ok(gaps)
}

/// What is wrong with the gaps, given the list of those that have a reason: nothing, if they are the same.
#[must_use]
pub fn objections(gaps: &[Gap], listed: &[Unreached]) -> Vec<String> {
    let is_of = |entry: &Unreached, gap: &Gap| entry.file == gap.file && entry.function == gap.function;
    let unlisted = gaps.iter().filter(|gap| !listed.iter().any(|entry| is_of(entry, gap))).map(Gap::to_string);
    let needless = |entry: &&Unreached| !gaps.iter().any(|gap| is_of(entry, gap));
    let listed = listed.iter().filter(needless).map(|Unreached { file, function, .. }| {
        format!("{file} {function}: is listed as unreached, and the models reach all of it")
    });
    unlisted.chain(listed).collect()
}

/// The first entry that gives no reason, in words.
pub(super) fn without_reason(listed: &[Unreached]) -> Option<String> {
    let entry = listed.iter().find(|entry| entry.reason.trim().is_empty())?;
    Some(format!("{} {}: no reason is given", entry.file, entry.function))
}

/// The sources below a folder, as the compiler names them, in order.
fn sources(root: &Path, folder: &str) -> io::Result<Vec<String>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(root.join(folder))? {
        let entry = entry?;
        let path = format!("{folder}/{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            files.extend(sources(root, &path)?);
        } else if path.ends_with(".rs") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// How many orderings that order something, waits and wakes stand in each function that has some.
fn written(text: &str) -> BTreeMap<String, usize> {
    const MARKS: [&str; 6] = [
        "Ordering::Acquire",
        "Ordering::Release",
        "Ordering::AcqRel",
        "Ordering::SeqCst",
        "futex_wait(",
        "futex_wake(",
    ];
    let mut counts = BTreeMap::new();
    let mut function = String::new();
    for line in text.lines().take_while(|line| !(line.starts_with("#[cfg(") && line.contains("test"))) {
        let code = line.split("//").next().unwrap_or(line);
        if let Some(name) = function_in(code) {
            name.clone_into(&mut function);
        }
        let count: usize = MARKS.iter().map(|mark| code.matches(mark).count()).sum();
        if count > 0 {
            *counts.entry(function.clone()).or_insert(0) += count;
        }
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_in_functions_is_counted() {
        let text = "use sync::Ordering;\nfn one() {\n  // Ordering::Acquire\n  a.load(Ordering::Acquire);\n  b.load(Ordering::Relaxed);\n}\n\
                    fn two() {\n  c.compare_exchange(0, 1, Ordering::AcqRel, Ordering::Acquire);\n  futex_wait(&c, 1);\n  futex_wake(&c, 1);\n}\n\
                    #[cfg(test)]\nmod tests { fn three() { d.load(Ordering::Acquire) } }\n";
        let counts: Vec<_> = written(text).into_iter().collect();
        assert_eq!(counts, [("one".to_owned(), 1), ("two".to_owned(), 4)]);
    }

    #[test]
    fn gaps_are_as_listed() {
        let gap =
            |function: &str| Gap { file: "a.rs".to_owned(), function: function.to_owned(), written: 2, reached: 1 };
        let entry = |function: &str| Unreached {
            file: "a.rs".to_owned(),
            function: function.to_owned(),
            reason: "for people".to_owned(),
        };
        assert_eq!(objections(&[gap("f")], &[entry("f")]), Vec::<String>::new());
        assert_eq!(
            objections(&[gap("f")], &[entry("g")]),
            [
                "a.rs f: 2 orderings, waits and wakes, of which the models reach 1",
                "a.rs g: is listed as unreached, and the models reach all of it"
            ]
        );
    }
}

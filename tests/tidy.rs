//! The rules of the house, checked: layers, verified core, headers, sizes. A rule without a check decays.

use std::fs;
use std::path::{Path, PathBuf};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// A source file: its path from the root of the project, and its text.
struct Source {
    path: String,
    text: String,
}

impl Source {
    /// The lines that are code, with their numbers: comments and what follows the unit tests left out.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let end = self.length();
        self.text.lines().take(end).enumerate().map(|(index, line)| (index + 1, line)).filter(|(_, line)| {
            let line = line.trim_start();
            !line.starts_with("//")
        })
    }

    /// Lines before the unit tests.
    fn length(&self) -> usize {
        let mut lines = self.text.lines().peekable();
        let mut count = 0;
        while let Some(line) = lines.next() {
            let starts_tests = line.starts_with("#[cfg(") && line.contains("test");
            if starts_tests && lines.peek().is_some_and(|next| next.starts_with("mod tests {")) {
                break;
            }
            count += 1;
        }
        count
    }

    fn is_below(&self, folder: &str) -> bool {
        self.path.starts_with(folder)
    }

    fn is_test(&self) -> bool {
        ["/tests/", "/tests.rs", "/testing.rs", "/surroundings.rs"].iter().any(|part| self.path.contains(part))
            || self.is_below("tests/")
    }
}

fn collect(folder: &Path, into: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.map(|entry| entry.expect("a readable folder")) {
        let path = entry.path();
        let name = entry.file_name();
        if path.is_dir() {
            if !["target", ".git", "snapshots"].iter().any(|skipped| name == *skipped) {
                collect(&path, into);
            }
        } else {
            into.push(path);
        }
    }
}

fn files(folder: &str, ending: &str) -> Vec<Source> {
    let mut paths = Vec::new();
    collect(&Path::new(ROOT).join(folder), &mut paths);
    paths.sort();
    paths
        .into_iter()
        .filter(|path| path.to_string_lossy().ends_with(ending))
        .filter_map(|path| {
            let text = fs::read_to_string(&path).ok()?;
            let path = path.strip_prefix(ROOT).expect("below the root").to_string_lossy().into_owned();
            Some(Source { path, text })
        })
        .collect()
}

/// Fails with every offence at once.
#[track_caller]
fn none(rule: &str, offences: Vec<String>) {
    assert!(offences.is_empty(), "{rule}:\n  {}", offences.join("\n  "));
}

/// Lines of code in which one of `words` stands, in the files that `applies` selects.
fn mentions(sources: &[Source], applies: impl Fn(&Source) -> bool, words: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for source in sources.iter().filter(|source| applies(source)) {
        for (number, line) in source.code() {
            if let Some(word) = words.iter().find(|word| line.contains(**word)) {
                found.push(format!("{}:{number} has `{word}`", source.path));
            }
        }
    }
    found
}

#[test]
fn atomics_come_from_one_file() {
    let sources = files("src", ".rs");
    assert!(sources.len() > 20, "the sources were not found");
    let offences = mentions(
        &sources,
        |source| source.path != "src/sync/native.rs" && !source.is_test(),
        &["core::sync::atomic", "std::sync::atomic"],
    );
    none("only src/sync/native.rs names core's or std's atomics", offences);
}

#[test]
fn system_calls_come_from_the_files_made_for_them() {
    let allowed = ["src/sync/native.rs", "src/sync/steps.rs", "src/region/os", "src/kernel/"];
    let offences = mentions(
        &files("src", ".rs"),
        |source| !allowed.iter().any(|place| source.is_below(place)) && !source.is_test(),
        &["rustix::", "libc::", "asm!(", "mmap("],
    );
    none("system calls and mappings belong to sync/native.rs, region/os and kernel", offences);
}

#[test]
fn primitives_know_no_operating_system() {
    let words = ["std::", "OwnedFd", "BorrowedFd", "RawFd", "Path", "thread::", "File"];
    let offences = mentions(&files("src/primitives", ".rs"), |_| true, &words);
    none("primitives name no std, path, descriptor or thread", offences);
}

#[test]
fn primitives_use_no_sequentially_consistent_access() {
    let mut offences = Vec::new();
    for source in files("src/primitives", ".rs") {
        for (number, line) in source.code() {
            if line.contains("SeqCst") && !line.contains("fence(") {
                offences.push(format!("{}:{number}", source.path));
            }
        }
    }
    none("loom misjudges sequentially consistent accesses; primitives use fences", offences);
}

#[test]
fn layers_import_downwards_only() {
    let layers = ["sync", "primitives", "region", "message", "kernel"];
    let sources = files("src", ".rs");
    let mut offences = Vec::new();
    for (height, layer) in layers.iter().enumerate() {
        let above: Vec<String> = layers
            .iter()
            .skip(height + 1)
            // kernel and message stand side by side on the region layer.
            .map(|layer| format!("crate::{layer}"))
            .collect();
        let above: Vec<&str> = above.iter().map(String::as_str).collect();
        offences.extend(mentions(&sources, |source| source.is_below(&format!("src/{layer}/")), &above));
    }
    offences.extend(mentions(&sources, |source| source.is_below("src/kernel/"), &["crate::primitives"]));
    none("a layer uses only those before it", offences);
}

#[test]
fn every_primitive_has_models_and_a_whole_header() {
    let sections = ["**Purpose.**", "**Protocol", "**Invariants.**", "**Orderings.**", "**Death.**", "**Models.**"];
    let mut offences = Vec::new();
    // What stands in a folder belongs to the file of that name.
    let own = |source: &Source| source.path.matches('/').count() == 2;
    for source in files("src/primitives", ".rs").into_iter().filter(own) {
        let name = Path::new(&source.path).file_stem().expect("a file name").to_string_lossy().into_owned();
        if name == "mod" {
            continue;
        }
        let models = Path::new(ROOT).join(format!("models/src/catalogue/{name}.rs"));
        match fs::read_to_string(&models) {
            Ok(text) if text.contains(&format!("name: \"{name}/")) => {}
            Ok(_) => offences.push(format!("models/src/catalogue/{name}.rs registers no model")),
            Err(_) => offences.push(format!("{} has no models/src/catalogue/{name}.rs", source.path)),
        }
        let header: String = source.text.lines().take_while(|line| line.starts_with("//!")).collect();
        for section in sections {
            if !header.contains(section) {
                offences.push(format!("{} has no section {section}", source.path));
            }
        }
    }
    none("a primitive is a header, a control block and its models", offences);
}

#[test]
fn every_file_says_what_it_is_for() {
    let mut offences = Vec::new();
    let folders = [
        "src",
        "models/src",
        "models/tests",
        "cli/src",
        "oracle/src",
        "witness",
        "foreign",
        "bench/src",
        "tests",
        "examples",
    ];
    for folder in folders {
        for source in files(folder, ".rs") {
            // The library's own header is the README.
            if !source.text.starts_with("//!") && source.path != "src/lib.rs" {
                offences.push(source.path);
            }
        }
    }
    none("a file begins with its `//!` header", offences);
}

#[test]
fn files_and_functions_stay_small() {
    const FILE: usize = 400;
    const FUNCTION: usize = 70;
    let mut offences = Vec::new();
    for source in ["src", "models/src", "cli/src", "witness/src", "foreign/src"]
        .into_iter()
        .flat_map(|folder| files(folder, ".rs"))
    {
        let code = source.code().count();
        // A catalogue of models is a table of tests.
        if code > FILE && !source.is_test() && !source.is_below("models/src/catalogue") {
            offences.push(format!("{} has {code} lines of code", source.path));
        }
        for (start, length) in functions(&source) {
            if length > FUNCTION {
                offences.push(format!("{}:{start} is a function of {length} lines", source.path));
            }
        }
    }
    none(&format!("files have at most {FILE} lines of code, functions {FUNCTION}"), offences);
}

/// First line and length of each function, found by the indentation that rustfmt gives it.
fn functions(source: &Source) -> Vec<(usize, usize)> {
    let lines: Vec<&str> = source.text.lines().collect();
    let mut found = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        let indent = line.len() - line.trim_start().len();
        let words = line.trim_start();
        let starts = words.starts_with("fn ") || (words.contains(" fn ") && !words.starts_with("//"));
        if !starts || words.contains("macro_rules") || words.ends_with([';', '}']) {
            continue;
        }
        let closing = format!("{}}}", " ".repeat(indent));
        if let Some(length) = lines.iter().skip(index).position(|line| *line == closing) {
            found.push((index + 1, length + 1));
        }
    }
    found
}

#[test]
fn nothing_is_unfinished_or_points_out_of_the_project() {
    let mine = "tests/tidy.rs";
    let words = [
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        concat!("todo", "!("),
        concat!("unimplemented", "!("),
        concat!("SAFETY: ", "Untriaged"),
        concat!("../", "shared"),
        concat!("crates", ".io"),
        concat!("/wo", "rk/"),
        concat!("/ro", "ot/"),
    ];
    let mut offences = Vec::new();
    for ending in [".rs", ".md", ".toml", ".sh"] {
        for source in files(".", ending) {
            if source.path == mine {
                continue;
            }
            for (number, line) in source.text.lines().enumerate() {
                if let Some(word) = words.iter().find(|word| line.contains(**word)) {
                    offences.push(format!("{}:{} has `{word}`", source.path, number + 1));
                }
            }
        }
    }
    none("no unfinished business, no path of a machine, no registry", offences);
}

#[test]
fn mutants_stay_out_of_the_library() {
    let offences = mentions(&files("src", ".rs"), |source| !source.is_below("src/sync/model"), &["mutant"]);
    none("wrong variants live in models/", offences);
}

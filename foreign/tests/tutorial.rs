//! The tutorial shows the files of this crate as they are, all of them, and what the command prints. (`ci/tutorial` follows it.)
#![allow(missing_docs)]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// A block of code with a comment before it that says what it is.
struct Block {
    what: String,
    text: String,
}

fn blocks() -> Vec<Block> {
    let (mut blocks, mut what, mut inside): (Vec<Block>, Option<String>, bool) = (Vec::new(), None, false);
    for line in read("TUTORIAL.md").lines() {
        if line.starts_with("```") {
            inside = !inside;
            if inside && let Some(what) = what.take() {
                blocks.push(Block { what, text: String::new() });
            } else if inside {
                blocks.push(Block { what: String::new(), text: String::new() });
            }
        } else if inside {
            let block = blocks.last_mut().expect("a block");
            block.text.push_str(line);
            block.text.push('\n');
        } else if let Some(comment) = line.strip_prefix("<!-- ") {
            what = Some(comment.trim_end_matches(" -->").to_owned());
        }
    }
    blocks
}

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Files of the crate that is made by the tutorial; this one's are of the workspace.
const OWN: [&str; 2] = ["Cargo.toml", ".cargo/config.toml"];

#[test]
fn blocks_are_the_files_of_this_crate() {
    let mut shown = BTreeSet::new();
    for Block { what, text } in blocks() {
        let Some(path) = what.strip_prefix("file: ") else { continue };
        if OWN.contains(&path) {
            shown.insert(path.to_owned());
        } else if let Some(path) = path.strip_suffix(", first") {
            // What is added to it later is all that it has not.
            let whole = read(path);
            let mut lines = whole.lines();
            // The list of models grows within its line.
            let mut is_there = |line: &str| line.contains("concat()") || lines.any(|known| known == line);
            let odd = text.lines().filter(|line| !line.trim().is_empty()).find(|line| !is_there(line));
            assert_eq!(odd, None, "in the first version of {path}");
        } else {
            assert_eq!(text, read(path), "{path}");
            shown.insert(path.to_owned());
        }
    }
    let mut there: BTreeSet<String> = OWN.map(str::to_owned).into();
    for folder in ["src", "src/models"] {
        for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)).expect("a folder") {
            let name = entry.expect("an entry").file_name().to_string_lossy().into_owned();
            there.extend(name.ends_with(".rs").then(|| format!("{folder}/{name}")));
        }
    }
    assert_eq!(shown, there, "a file is not in the tutorial, or gone");
}

/// As it is compared: times and the width of columns aside, paths from the crate's own folder.
#[cfg(loom)]
fn plain(text: &str) -> Vec<String> {
    let word = |word: &str| {
        let is_time = word.parse::<f64>().is_ok() && word.rsplit_once('.').is_some_and(|(_, cents)| cents.len() == 2);
        if is_time { "time".to_owned() } else { word.replace("foreign/src/", "src/") }
    };
    let line = |line: &str| line.split_whitespace().map(word).collect::<Vec<_>>().join(" ");
    // Not all models are there yet where the first ones run.
    let counts = |line: &String| line.ends_with("models registered");
    let lines = text.trim_end().lines().map(line);
    lines.map(|line| if counts(&line) { line.split(',').next().unwrap_or_default().to_owned() } else { line }).collect()
}

#[cfg(loom)]
#[test]
fn outputs_are_what_the_command_prints() {
    let mut compared = 0;
    for Block { what, text } in blocks() {
        let Some(arguments) = what.strip_prefix("output: ") else { continue };
        // As a shell has it: what is quoted is one word.
        let words = arguments.split('\'').enumerate().flat_map(|(index, part)| match index % 2 {
            0 => part.split_whitespace().collect(),
            _ => vec![part],
        });
        let said = std::process::Command::new(env!("CARGO_BIN_EXE_foreign-structures")).args(words).output();
        let said = said.expect("it starts").stdout;
        assert_eq!(plain(&String::from_utf8_lossy(&said)), plain(&text), "cargo prove {arguments}");
        compared += 1;
    }
    assert_eq!(compared, 6, "outputs in the tutorial");
}

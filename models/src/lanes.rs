//! The picture of an execution: a column for each thread, time going down.

use selvedge::sync::model::{Event, Run, Sleeper};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::panic::Location;
use std::path::{Path, PathBuf};

/// The name of a lane's column.
#[must_use]
pub fn lane_name(run: &Run, lane: usize) -> String {
    run.lanes().get(lane).map_or_else(|| "main".to_owned(), |lane| lane.name.clone())
}

/// Who sleeps for ever on what.
#[must_use]
pub fn describe_deadlock(run: &Run, sleepers: &[Sleeper]) -> String {
    let mut names = Names::default();
    let mut text = "lost wake-up or deadlock: everybody who is left sleeps".to_owned();
    for sleeper in sleepers {
        let words: Vec<String> = sleeper
            .words
            .iter()
            .map(|(word, expected)| {
                format!("{} = {expected:#x}", word.map_or_else(|| "word".to_owned(), |word| names.of(word)))
            })
            .collect();
        let _ =
            write!(text, "; `{}` on {} at {}", lane_name(run, sleeper.lane), words.join(", "), place(sleeper.location));
    }
    text
}

/// Draws the present execution of `run`.
#[must_use]
pub fn draw(run: &Run) -> String {
    const GAP: usize = 2;
    let lanes = run.lanes();
    let events: Vec<Event> = run.events().into_iter().filter(|event| event.lane < lanes.len()).collect();
    let mut names = Names::default();
    let cells: Vec<(usize, String)> = events.iter().map(|event| (event.lane, describe(event, &mut names))).collect();
    let widths: Vec<usize> = lanes
        .iter()
        .enumerate()
        .map(|(index, lane)| {
            let widest = cells.iter().filter(|(of, _)| *of == index).map(|(_, text)| text.chars().count()).max();
            widest.unwrap_or(0).max(lane.name.chars().count()) + GAP
        })
        .collect();
    let mut text = String::new();
    let header: String = lanes.iter().zip(&widths).map(|(lane, width)| format!("{:width$}", lane.name)).collect();
    let _ = writeln!(text, "      {}", header.trim_end());
    for (row, (lane, cell)) in cells.iter().enumerate() {
        let indent: usize = widths.iter().take(*lane).sum();
        let _ = writeln!(text, "{:>4}  {:indent$}{cell}", row + 1, "");
    }
    text
}

fn describe(event: &Event, names: &mut Names) -> String {
    let stale = if event.stale { " (old)" } else { "" };
    match event.word {
        Some(word) => format!("{} {}.{}{stale}", place(event.location), names.of(word), event.action),
        None => format!("{} {}", place(event.location), event.action),
    }
}

fn place(location: &Location<'_>) -> String {
    let file = Path::new(location.file()).file_name().map_or_else(String::new, |name| name.to_string_lossy().into());
    format!("{file}:{}", location.line())
}

/// Names of words: the field or variable that the source assigns the word to where it makes it.
#[derive(Default)]
struct Names {
    files: BTreeMap<&'static str, Vec<String>>,
}

impl Names {
    fn of(&mut self, (made_at, index): (&'static Location<'static>, u32)) -> String {
        let lines = self.files.entry(made_at.file()).or_insert_with(|| read_source(made_at.file()));
        let line = usize::try_from(made_at.line()).ok().and_then(|line| lines.get(line.checked_sub(1)?));
        let name = line.and_then(|line| identifier(line, made_at.column())).unwrap_or_else(|| "word".to_owned());
        if index == 0 { name } else { format!("{name}#{index}") }
    }
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

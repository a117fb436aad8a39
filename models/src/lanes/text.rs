//! The picture as text.

use super::{Asleep, Picture, Source, Step, Word};
use core::fmt;
use std::path::Path;

/// Spaces between two lanes.
const GAP: usize = 2;

impl fmt::Display for Picture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cells: Vec<(usize, String)> = self.steps.iter().map(|step| (step.lane, step.to_string())).collect();
        let width = |(index, name): (usize, &String)| {
            let widest = cells.iter().filter(|(of, _)| *of == index).map(|(_, text)| text.chars().count()).max();
            widest.unwrap_or(0).max(name.chars().count()) + GAP
        };
        let widths: Vec<usize> = self.lanes.iter().enumerate().map(width).collect();
        let header: String = self.lanes.iter().zip(&widths).map(|(name, width)| format!("{name:width$}")).collect();
        writeln!(f, "      {}", header.trim_end())?;
        for (row, (lane, cell)) in cells.iter().enumerate() {
            let indent: usize = widths.iter().take(*lane).sum();
            writeln!(f, "{:>4}  {:indent$}{cell}", row + 1, "")?;
        }
        if !self.words.is_empty() {
            let words: Vec<String> = self.words.iter().map(Word::to_string).collect();
            writeln!(f, "      words: {}", words.join("; "))?;
        }
        for asleep in &self.asleep {
            writeln!(f, "      asleep: {}", self.sleeper(asleep))?;
        }
        Ok(())
    }
}

impl Picture {
    /// Who sleeps, on what, where.
    #[must_use]
    pub fn sleeper(&self, asleep: &Asleep) -> String {
        let words: Vec<String> = asleep.on.iter().map(|(word, value)| format!("{word} = {value:#x}")).collect();
        let name = self.lanes.get(asleep.lane).map_or("main", String::as_str);
        format!("`{name}` on {} at {}", words.join(", "), short(&asleep.at))
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", short(&self.at))?;
        if let Some(word) = &self.word {
            write!(f, "{word}.")?;
        }
        f.write_str(&self.does)?;
        if self.old {
            f.write_str(" (old)")?;
        }
        match self.from {
            None => Ok(()),
            Some(Source::First) => f.write_str(" <- first value"),
            Some(Source::Step(step)) => write!(f, " <- {step}"),
        }
    }
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, first, last } = self;
        let value = |value: &Option<u64>| value.map_or_else(|| "?".to_owned(), |value| format!("{value:#x}"));
        if first == last {
            write!(f, "{name} {}", value(first))
        } else {
            write!(f, "{name} {} -> {}", value(first), value(last))
        }
    }
}

/// A place without the folders that go without saying: a primitive's file is called as the primitive is, and the file of
/// its models `catalogue/` and the same.
pub(crate) fn short(at: &str) -> &str {
    let inside = ["src/primitives/", "models/src/gallery/", "models/src/"].iter();
    let inside = inside.filter_map(|folder| at.strip_prefix(folder)).next();
    inside.or_else(|| Path::new(at).file_name()?.to_str()).unwrap_or(at)
}

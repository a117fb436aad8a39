//! Runs that are split among machines, or interrupted: what is kept of a part, and how parts become one result again.
//!
//! A run is a row of *units*: explorations of models, mutants of an audit, programs of clients. Which units there are, and in
//! which order, depends on the sources and on what was asked for alone. Shard `i/n` has the units i, i + n, i + 2n, …; what
//! came of each is kept with its number, so that all shards together are what the whole run would have been.
//!
//! What is kept begins with a [`Head`]. Parts become one, and a run that was interrupted goes on, only where it is the same.
//! Times are kept beside the results and never among them.

mod journal;
mod merge;
mod shard;
pub mod sources;

pub use journal::Journal;
pub use merge::{Problem, merge};
pub use shard::Shard;

use core::fmt;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Serialize};
use std::io;
use std::path::Path;

/// What a part is a part of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// The [sources] that were run.
    pub sources: String,
    /// What was asked for, as arguments of the command: all that the result depends on, and nothing else.
    pub run: Vec<String>,
    /// How many units the whole run has.
    pub units: usize,
    /// Which of them are in this part.
    pub shard: Shard,
}

/// What came of a unit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Done<R> {
    /// Its number, from 0.
    pub number: usize,
    /// What it is called.
    pub unit: String,
    /// Wall time.
    pub seconds: f64,
    /// The result.
    pub result: R,
}

/// The units of one shard, by number.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Part<R> {
    /// What it is a part of.
    pub head: Head,
    /// What came of its units.
    pub done: Vec<Done<R>>,
}

/// In what two heads differ. The shard is none of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Difference {
    /// They come from other sources.
    Sources(String, String),
    /// Something else was asked for.
    Run(Vec<String>, Vec<String>),
    /// The runs have other numbers of units.
    Units(usize, usize),
}

impl Head {
    /// The first thing in which it is another run than `other`.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Option<Difference> {
        if self.sources != other.sources {
            Some(Difference::Sources(self.sources.clone(), other.sources.clone()))
        } else if self.run != other.run {
            Some(Difference::Run(self.run.clone(), other.run.clone()))
        } else {
            (self.units != other.units).then_some(Difference::Units(self.units, other.units))
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sources(one, other) => write!(f, "it comes from other sources ({one}, and not {other})"),
            Self::Run(one, other) => {
                write!(f, "something else was asked for (`{}`, and not `{}`)", one.join(" "), other.join(" "))
            }
            Self::Units(one, other) => write!(f, "it is of a run of {one} units, and not of {other}"),
        }
    }
}

impl<R: Serialize + DeserializeOwned> Part<R> {
    /// Reads what [`write`](Self::write) wrote.
    ///
    /// # Errors
    /// The file cannot be read or is something else.
    pub fn read(file: &Path) -> io::Result<Self> {
        parse(file)
    }

    /// Writes it, a line for each unit.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(&self, file: &Path) -> io::Result<()> {
        let lines: Result<Vec<String>, _> = self.done.iter().map(serde_json::to_string).collect();
        let (head, lines) = (serde_json::to_string(&self.head)?, lines?.join(",\n"));
        std::fs::write(file, format!("{{\"head\":{head},\n\"done\":[\n{lines}\n]}}\n"))
    }
}

/// The head of a part, whatever its results are.
///
/// # Errors
/// The file cannot be read or is no part.
pub fn head_of(file: &Path) -> io::Result<Head> {
    Ok(parse::<Part<IgnoredAny>>(file)?.head)
}

fn parse<P: DeserializeOwned>(file: &Path) -> io::Result<P> {
    let problem = |error: &dyn fmt::Display| io::Error::other(format!("{}: {error}", file.display()));
    let text = std::fs::read(file).map_err(|error| problem(&error))?;
    serde_json::from_slice(&text).map_err(|error| problem(&format!("no part of a run: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn part(shard: &str, units: usize) -> Part<u32> {
        let shard: Shard = shard.parse().expect("a shard");
        let head = Head { sources: "s".to_owned(), run: vec!["--deeper".to_owned(), "1".to_owned()], units, shard };
        let done = |number| Done { number, unit: format!("u{number}"), seconds: 0.5, result: 10 };
        Part { head, done: (0..units).filter(|number| shard.has(*number)).map(done).collect() }
    }

    #[test]
    fn what_is_written_is_read_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("part.json");
        let part = part("2/3", 8);
        part.write(&file).expect("a file");
        assert_eq!(Part::read(&file).expect("a part"), part);
        assert_eq!(head_of(&file).expect("a head"), part.head);
        std::fs::write(&file, "[]").expect("a file");
        assert!(head_of(&file).is_err_and(|error| error.to_string().contains("no part of a run")));
    }

    #[test]
    fn heads_differ_in_all_but_the_shard() {
        let head = part("1/2", 4).head;
        assert_eq!(head.difference(&part("2/2", 4).head), None);
        let others = [
            Head { sources: "t".to_owned(), ..head.clone() },
            Head { run: Vec::new(), ..head.clone() },
            Head { units: 5, ..head.clone() },
        ];
        let said = others.map(|other| head.difference(&other).expect("a difference").to_string());
        let parts =
            ["other sources (s, and not t)", "something else was asked for (`--deeper 1`", "4 units, and not of 5"];
        assert!(said.iter().zip(parts).all(|(said, part)| said.contains(part)), "{said:?}");
    }
}

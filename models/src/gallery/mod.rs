//! The race gallery: classic mistakes as models that must fail, each beside its right version.
//!
//! It teaches, and it is evidence that the checker sees: every exhibit says beforehand which outcomes or which failure
//! there must be, and `tests/gallery.rs` pins them with their pictures. Each exhibit stands in a file of its own, so
//! that the line numbers in the pictures change only with the exhibit.

mod aba;
mod check_then_act;
mod claim;
mod counter;
mod embrace;
mod handover;
mod lost_wake;
mod milk;
mod peterson;

use crate::explore::{Effort, Verdict};
use crate::outcomes::{Outcomes, explore_outcomes};
use crate::sweep::{Settings, prove};
use crate::world::{Bounds, Faults, Model, World};
use selvedge::sync::model::Plan;
use std::fmt::Write as _;

/// A mistake, and how it is done right.
#[derive(Clone, Copy, Debug)]
pub struct Exhibit {
    /// Its name in one word.
    pub name: &'static str,
    /// Its title.
    pub title: &'static str,
    /// What one sees, in a few sentences.
    pub story: &'static str,
    /// The mistake, in one or more versions.
    pub broken: &'static [Version],
    /// The right way.
    pub right: &'static [Version],
}

/// One program of an exhibit.
#[derive(Clone, Copy, Debug)]
pub struct Version {
    /// What is particular about it.
    pub caption: &'static str,
    /// The program.
    pub model: Model,
    /// What the checker must find.
    pub expected: Expected,
}

/// What the checker must find in a program.
#[derive(Clone, Copy, Debug)]
pub enum Expected {
    /// Nothing: every execution is fine.
    Passes,
    /// An execution that fails with a message that contains this.
    Fails(&'static str),
    /// Exactly these outcomes, in sorted order.
    Outcomes {
        /// All of them.
        all: &'static [&'static str],
        /// Those whose simplest execution is to be shown.
        shown: &'static [&'static str],
    },
}

/// All exhibits.
#[must_use]
pub fn all() -> Vec<Exhibit> {
    let mut all = vec![counter::EXHIBIT];
    all.extend(milk::EXHIBITS);
    all.extend([
        peterson::EXHIBIT,
        check_then_act::EXHIBIT,
        handover::EXHIBIT,
        lost_wake::EXHIBIT,
        aba::EXHIBIT,
        claim::EXHIBIT,
        embrace::EXHIBIT,
    ]);
    all
}

/// A program of the gallery: explored without a bound, without faults.
const fn program(name: &'static str, client: &'static str, build: fn(&mut World)) -> Model {
    let bounds = Bounds { plain: None, faulty: None };
    Model { name, properties: "", client, build, faults: Faults::NONE, bounds }
}

/// The same, for a program with more executions than a gallery has time for.
const fn bounded(model: Model, preemptions: usize) -> Model {
    Model { bounds: Bounds { plain: Some(preemptions), faulty: None }, ..model }
}

impl Exhibit {
    /// Runs every version and tells what was found, with pictures.
    ///
    /// # Errors
    /// What was found, with a remark at each finding that is not the expected one.
    pub fn show(&self) -> Result<String, String> {
        let mut text = format!("{}\n{}\n\n", self.title, "=".repeat(self.title.chars().count()));
        let _ = writeln!(text, "{}", self.story);
        let mut as_expected = true;
        for (kind, versions) in [("broken", self.broken), ("right", self.right)] {
            for version in versions {
                let _ = writeln!(text, "\n{kind}: {}  [{}]", version.caption, version.model.client);
                as_expected &= version.show(&mut text);
            }
        }
        if as_expected { Ok(text) } else { Err(text) }
    }
}

impl Exhibit {
    /// What the checker finds in the broken versions, in words.
    #[must_use]
    pub fn finding(&self) -> String {
        let found = |version: &Version| match version.expected {
            Expected::Outcomes { all, .. } => format!("the outcomes {}", all.join(", ")),
            Expected::Fails(with) => with.to_owned(),
            Expected::Passes => "nothing".to_owned(),
        };
        self.broken.iter().map(found).collect::<Vec<_>>().join("; ")
    }
}

impl Version {
    /// Runs it and appends what was found. False: that was not expected.
    fn show(&self, text: &mut String) -> bool {
        match self.expected {
            Expected::Outcomes { all, shown } => {
                let found = explore_outcomes(&self.model, Plan::default(), Effort::loom(self.model.bounds.plain));
                show_outcomes(&found, all, shown, text)
            }
            Expected::Passes => self.show_verdict(None, text),
            Expected::Fails(with) => self.show_verdict(Some(with), text),
        }
    }

    fn show_verdict(&self, fails_with: Option<&str>, text: &mut String) -> bool {
        let (found, expected) = match prove(&self.model, Settings::loom()).verdict {
            Verdict::Pass => {
                let bound = self.model.bounds.plain.map(|bound| format!(" (with at most {bound} preemptions)"));
                (format!("passes{}", bound.unwrap_or_default()), fails_with.is_none())
            }
            Verdict::Inconclusive(why) => (format!("inconclusive: {why}"), false),
            Verdict::Fail(failure) => {
                let expected = fails_with.is_some_and(|with| failure.message.contains(with));
                (format!("fails: {}\n\n{}", failure.message, indented(&failure.picture.to_string())), expected)
            }
        };
        let _ = writeln!(text, "  {}", found.trim_end());
        if !expected {
            let _ = writeln!(text, "  UNEXPECTED: this version should {:?}", self.expected);
        }
        expected
    }
}

fn show_outcomes(found: &Outcomes, all: &[&str], shown: &[&str], text: &mut String) -> bool {
    let outcomes: Vec<&str> = found.pictures.keys().map(String::as_str).collect();
    let _ = writeln!(text, "  outcomes: {}", outcomes.join(", "));
    for outcome in shown {
        if let Some(picture) = found.pictures.get(*outcome) {
            let _ = writeln!(text, "  the simplest way to {outcome}:\n\n{}", indented(picture).trim_end());
        }
    }
    let passed = matches!(found.exploration.verdict, Verdict::Pass);
    let expected = passed && outcomes == all;
    if !expected {
        let _ = writeln!(text, "  UNEXPECTED: {:?}; there should be {}", found.exploration.verdict, all.join(", "));
    }
    expected
}

fn indented(picture: &str) -> String {
    picture.lines().map(|line| format!("  {line}\n")).collect()
}

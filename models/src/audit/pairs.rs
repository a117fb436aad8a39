//! The audit two at a time: what no model notices by itself, weakened together with another such place.
//!
//! Each of two survivors may be redundant only because of the other. Pairs of which one is noticed alone are left out: a weaker
//! ordering only adds executions, so the one that failed is still there. (Of a wake that is dropped that is not certain; such
//! pairs are left out all the same.) A model that comes to one of the two places sees no pair, and a pair to which no model
//! comes is a survivor for that reason alone: [`Together::models`] tells.

use super::mutant::{Baseline, Mutant, Stages, Verdict, prove_in_turn};
use super::{Row, is_killed};
use crate::sweep::Settings;
use serde::{Deserialize, Serialize};
use std::io;
use std::path::Path;

/// Two mutants that are planted together.
#[derive(Debug)]
pub struct Pair<'a> {
    one: &'a Mutant,
    other: &'a Mutant,
}

/// What became of a pair.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Together {
    /// The first, in words.
    pub one: String,
    /// The second.
    pub other: String,
    /// What the models say of both at once.
    pub verdict: Verdict,
    /// The model that noticed, or hit a limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// How many models come to both places.
    pub models: usize,
}

/// All pairs of those mutants that `known` does not say to be noticed.
#[must_use]
pub fn pairs<'a>(mutants: &'a [Mutant], known: &[Row]) -> Vec<Pair<'a>> {
    let alone: Vec<&Mutant> = mutants.iter().filter(|mutant| !is_killed(known, mutant)).collect();
    let after = |(index, one): (usize, &&'a Mutant)| {
        let one = *one;
        let others: Vec<&'a Mutant> = alone[index + 1..].to_vec();
        others.into_iter().filter(|other| one.full_place() != other.full_place()).map(move |other| Pair { one, other })
    };
    alone.iter().enumerate().flat_map(after).collect()
}

impl Pair<'_> {
    /// In words.
    #[must_use]
    pub fn description(&self) -> String {
        format!("{} and {}", self.one.description(), self.other.description())
    }

    /// Plants both and runs the models that come to both, small ones first, as far as each of `stages` goes with all.
    #[must_use]
    pub fn try_out(&self, baselines: &[Baseline], stages: Stages<'_>) -> Together {
        let mut reach: Vec<&Baseline> = baselines.iter().filter(|one| self.is_reached_by(one)).collect();
        reach.sort_by_key(|baseline| baseline.size());
        let (mut verdict, mut by) = (Verdict::Survivor, None);
        for stage in stages.for_all {
            let settings = Settings { mutations: [Some(self.one.mutation()), Some(self.other.mutation())], ..*stage };
            (verdict, by) = prove_in_turn(&reach, settings);
            if verdict == Verdict::Killed {
                break;
            }
        }
        Together { one: self.one.description(), other: self.other.description(), verdict, by, models: reach.len() }
    }

    fn is_reached_by(&self, baseline: &Baseline) -> bool {
        !baseline.is_large() && baseline.comes_to(self.one) && baseline.comes_to(self.other)
    }
}

/// What is kept of them, if anything is.
///
/// # Errors
/// The file is something else.
pub fn read(file: &Path) -> io::Result<Vec<Together>> {
    match std::fs::read(file) {
        Ok(text) => Ok(serde_json::from_slice(&text)?),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// The pairs as a table.
#[must_use]
pub fn table(found: &[Together]) -> String {
    let row = |Together { one, other, verdict, by, models }: &Together| {
        let by = by.as_deref().map(|by| format!(" by {by}")).unwrap_or_default();
        format!("{one}\n  and {other}: {}{by} ({models} come to both)\n", verdict.word())
    };
    found.iter().map(row).collect()
}

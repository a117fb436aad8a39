//! The audit of necessity: is any ordering, fence, wait or wake of the source stronger than the models need?
//!
//! For every site of the audited sources that a lane of some model reaches, each next weaker variant is planted in turn,
//! and the models that reach the site run again until one fails. What none of them notices is a survivor: too strong, or
//! in want of a model that shows why it is not, or listed with the reason why neither is to be had ([`survivors`]).
//!
//! Models run on treadle. What is left is put to loom, too, if that is asked for: where a sleeper looks at its word with a load,
//! as the kernel does, it sees what treadle does not. Who noticed what, and on which engine, is kept and asked first another time.
//!
//! What is found does not depend on the machine as long as no exploration reaches its limit of time: models run in an
//! order of their own, and end by numbers of executions before. How short a counterexample becomes does depend on it.
//!
//! References: the mutants are those of Ou and Demsky, "AutoMO: automatic inference of memory order parameters for
//! C/C++11", OOPSLA 2015, and of VSync (Oberhauser et al., ASPLOS 2021), which infer what this checks.

pub mod counterexample;
mod mutant;
pub mod pairs;
pub mod place;
pub mod reach;
pub mod survivors;

pub use counterexample::Counterexample;
pub use mutant::{Baseline, Finding, Mutant, Stages, Verdict, baselines, by_whom, mutants};
pub use place::Place;
pub use survivors::Survivor;

use crate::ledger::aligned;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::path::Path;

/// What is audited.
#[derive(Clone, Copy)]
pub struct Scope<'a> {
    /// Where the paths of sources begin.
    pub root: &'a Path,
    /// Whether a source file is audited.
    pub is_audited: &'a (dyn Fn(&str) -> bool + Sync),
    /// Only mutants whose [description](counterexample::describe) contains this.
    pub mutant: &'a str,
}

impl core::fmt::Debug for Scope<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Scope").field("root", &self.root).finish_non_exhaustive()
    }
}

/// How an audit went the last time, one row for each mutant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// Where it stands.
    #[serde(flatten)]
    pub place: Place,
    /// What the source says.
    pub from: String,
    /// What was put in its place.
    pub to: String,
    /// What the models say of it.
    pub verdict: Verdict,
    /// The model that noticed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// The engine on which it did, if it was not treadle.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub engine: Option<String>,
}

/// Who noticed a mutant another time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Killer<'a> {
    /// The model.
    pub model: &'a str,
    /// Whether it noticed on loom, where treadle is blind.
    pub on_loom: bool,
}

/// What is known, with what an audit of some models or sites noticed besides. What some models do not notice says nothing.
#[must_use]
pub fn with_killed(known: &[Row], found: &[Row]) -> Vec<Row> {
    let is_of = |row: &Row, other: &Row| row.place == other.place && row.from == other.from && row.to == other.to;
    let mut rows = known.to_vec();
    for row in &mut rows {
        let killed = |other: &&Row| is_of(row, other) && other.verdict == Verdict::Killed;
        if let Some(killed) = found.iter().find(killed) {
            *row = killed.clone();
        }
    }
    rows
}

impl From<&Finding> for Row {
    fn from(finding: &Finding) -> Self {
        Self {
            place: finding.place.clone(),
            from: finding.from.clone(),
            to: finding.to.clone(),
            verdict: finding.verdict,
            by: finding.by.clone(),
            engine: finding.engine.clone(),
        }
    }
}

/// The result of an audit.
#[derive(Debug, Serialize)]
pub struct Audit {
    /// How many sites were audited.
    pub sites: usize,
    /// What was found, in the order of the source.
    pub findings: Vec<Finding>,
}

/// The model that noticed the mutant another time: it runs first, and goes further than others.
#[must_use]
pub fn killer<'a>(known: &'a [Row], mutant: &Mutant) -> Option<Killer<'a>> {
    let row = row_of(known, mutant)?;
    Some(Killer { model: row.by.as_deref()?, on_loom: row.engine.is_some() })
}

/// Whether a model noticed the mutant another time.
fn is_killed(known: &[Row], mutant: &Mutant) -> bool {
    row_of(known, mutant).is_some_and(|row| row.verdict == Verdict::Killed)
}

fn row_of<'a>(known: &'a [Row], mutant: &Mutant) -> Option<&'a Row> {
    let place = mutant.full_place();
    known.iter().find(|row| row.place == place && row.from == mutant.from && row.to == mutant.to)
}

/// How many sites these places are of: the failure ordering of a compare-exchange is a slot of the same site.
fn sites<'a>(places: impl Iterator<Item = &'a Place>) -> usize {
    let site = |place: &Place| {
        let operation = place.operation.trim_end_matches(" (failure)").to_owned();
        Place { operation, ..place.clone() }
    };
    places.map(site).collect::<BTreeSet<Place>>().len()
}

impl Audit {
    /// Of these findings, in the order of the source.
    #[must_use]
    pub fn of(findings: Vec<Finding>) -> Self {
        Self { sites: sites(findings.iter().map(|finding| &finding.place)), findings }
    }

    /// In one line.
    #[must_use]
    pub fn headline(&self, listed: &[Survivor]) -> String {
        headline(self.findings.iter().map(|finding| finding.verdict), self.sites, listed)
    }

    fn share(&self, listed: &[Survivor]) -> f64 {
        share(listed, self.sites)
    }

    /// What is wrong with the result, given the list of survivors that are justified: nothing, in a good audit.
    #[must_use]
    pub fn objections(&self, listed: &[Survivor]) -> Vec<String> {
        let mut objections = Vec::new();
        for finding in &self.findings {
            let Finding { place, from, to, .. } = finding;
            let is_listed = listed.iter().any(|entry| entry.is_of(finding));
            let what = match (finding.verdict, is_listed) {
                (Verdict::Killed, false) | (Verdict::Survivor, true) => continue,
                (Verdict::Killed, true) => "is listed as a survivor, and a model notices it now",
                (Verdict::Survivor, false) => "no model notices it, and no reason is listed",
                (Verdict::Inconclusive, _) => "no model notices it, and one hit a limit",
            };
            let by = finding.by.as_ref().map(|by| format!(" ({by})")).unwrap_or_default();
            objections.push(format!("{place} (line {}), {from} -> {to}: {what}{by}", finding.line));
        }
        let unknown = |entry: &&Survivor| !self.findings.iter().any(|finding| entry.is_of(finding));
        for entry in listed.iter().filter(unknown) {
            objections.push(format!(
                "{}, {} -> {}: is listed, and there is no such site",
                entry.place(),
                entry.from,
                entry.to
            ));
        }
        if self.share(listed) > MOST_JUSTIFIED {
            objections.push(format!("more than {MOST_JUSTIFIED} % of the sites are on the list of survivors"));
        }
        objections
    }

    /// What is to be kept for another time.
    #[must_use]
    pub fn rows(&self) -> Vec<Row> {
        self.findings.iter().map(Row::from).collect()
    }

    /// The executions in which mutants were noticed.
    #[must_use]
    pub fn counterexamples(&self) -> Vec<Counterexample> {
        self.findings.iter().filter_map(Counterexample::of).collect()
    }

    /// As a table of text.
    #[must_use]
    pub fn table(&self) -> String {
        let rows = self.findings.iter().map(|finding| {
            let verdict = match (finding.verdict, finding.complete) {
                (Verdict::Survivor, false) => "survivor (bounded)",
                (verdict, _) => verdict.word(),
            };
            vec![
                format!("{}:{}", finding.place.file, finding.line),
                finding.place.function.clone(),
                finding.place.operation.clone(),
                finding.from.clone(),
                format!("-> {}", finding.to),
                verdict.to_owned(),
                finding.by_whom(),
            ]
        });
        aligned(&["site", "function", "operation", "source", "weaker", "verdict", "by"], &[], rows)
    }
}

/// An audit in one line.
fn headline(verdicts: impl Iterator<Item = Verdict>, sites: usize, listed: &[Survivor]) -> String {
    let verdicts: Vec<Verdict> = verdicts.collect();
    let count = |verdict| verdicts.iter().filter(|other| **other == verdict).count();
    let [killed, survivors, inconclusive] = [Verdict::Killed, Verdict::Survivor, Verdict::Inconclusive].map(count);
    format!(
        "{} mutants of {sites} sites: {killed} killed, {survivors} survivors, {inconclusive} inconclusive; \
         {} survivors are justified ({:.1} % of the sites)",
        verdicts.len(),
        listed.len(),
        share(listed, sites),
    )
}

/// The audit that is kept, in one line.
#[must_use]
pub fn headline_of(rows: &[Row], listed: &[Survivor]) -> String {
    headline(rows.iter().map(|row| row.verdict), sites(rows.iter().map(|row| &row.place)), listed)
}

#[allow(clippy::cast_precision_loss, reason = "a few hundred")]
fn share(listed: &[Survivor], sites: usize) -> f64 {
    100.0 * listed.len() as f64 / sites.max(1) as f64
}

/// So many hundredths of the sites may be on the list.
const MOST_JUSTIFIED: f64 = 5.0;

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(function: &str, verdict: Verdict) -> Finding {
        Finding {
            place: Place {
                file: "a.rs".to_owned(),
                function: function.to_owned(),
                operation: "wake".to_owned(),
                nth: 1,
            },
            line: 7,
            from: "wake all".to_owned(),
            to: "wake one".to_owned(),
            verdict,
            complete: true,
            by: Some("model".to_owned()),
            engine: None,
            message: None,
            plan: None,
            picture: None,
            ran: Vec::new(),
            seconds: 0.0,
        }
    }

    fn listed(functions: &[&str]) -> Vec<Survivor> {
        let entry = |function: &&str| {
            let text = format!(
                "file = 'a.rs'\nfunction = '{function}'\noperation = 'wake'\nfrom = 'wake all'\nto = 'wake one'\nreason = 'x'"
            );
            toml::from_str(&text).expect("an entry")
        };
        functions.iter().map(entry).collect()
    }

    #[test]
    fn what_is_not_as_listed_is_objected_to() {
        let findings = vec![
            finding("killed", Verdict::Killed),
            finding("killed_and_listed", Verdict::Killed),
            finding("survivor", Verdict::Survivor),
            finding("survivor_and_listed", Verdict::Survivor),
            finding("limit", Verdict::Inconclusive),
            finding("limit_and_listed", Verdict::Inconclusive),
        ];
        let audit = Audit { sites: 1000, findings };
        let list = listed(&["killed_and_listed", "survivor_and_listed", "limit_and_listed", "gone"]);
        insta::assert_snapshot!(audit.objections(&list).join("\n"), @r"
        a.rs killed_and_listed wake (line 7), wake all -> wake one: is listed as a survivor, and a model notices it now (model)
        a.rs survivor wake (line 7), wake all -> wake one: no model notices it, and no reason is listed (model)
        a.rs limit wake (line 7), wake all -> wake one: no model notices it, and one hit a limit (model)
        a.rs limit_and_listed wake (line 7), wake all -> wake one: no model notices it, and one hit a limit (model)
        a.rs gone wake, wake all -> wake one: is listed, and there is no such site
        ");
        insta::assert_snapshot!(audit.headline(&list), @"6 mutants of 1000 sites: 2 killed, 2 survivors, 2 inconclusive; 4 survivors are justified (0.4 % of the sites)");
    }

    #[test]
    fn a_long_list_is_objected_to() {
        let audit = |sites| Audit { sites, findings: vec![finding("one", Verdict::Survivor)] };
        assert_eq!(audit(20).objections(&listed(&["one"])), Vec::<String>::new());
        assert!(audit(19).objections(&listed(&["one"])).concat().contains("5 % of the sites"));
    }
}

//! The audit of necessity: is any ordering, fence or wake of the source stronger than the models need?
//!
//! For every site in the library's own code that a lane of some model reaches, each next weaker variant is planted in
//! turn, and the models that reach the site run again, those of the file's own primitive first. What no model notices
//! is a survivor: too strong, or in want of a model that shows why it is not.

use crate::explore::Verdict;
use crate::ledger::{aligned, describe};
use crate::parallel;
use crate::sweep::{Report, Settings, prove};
use crate::world::Model;
use selvedge::sync::Ordering;
use selvedge::sync::model::{Mutation, OrderSlot, Site, SiteKind, SiteRecord};
use serde::Serialize;
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

/// One weaker variant of one site.
#[derive(Clone, Debug)]
pub struct Mutant {
    /// Where it stands.
    pub site: Site,
    /// What the source says.
    pub from: String,
    /// What is put in its place.
    pub to: String,
    mutation: Mutation,
}

/// What became of a mutant.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    /// Source file.
    pub file: &'static str,
    /// Line, from 1.
    pub line: u32,
    /// Column, from 1.
    pub column: u32,
    /// `load`, `compare_exchange (failure)`, `fence`, `wake`, …
    pub operation: String,
    /// What the source says.
    pub from: String,
    /// What was put in its place.
    pub to: String,
    /// `killed`, `survivor` or `inconclusive`.
    pub verdict: &'static str,
    /// Of a survivor: whether every model that reaches the site was explored without a bound.
    pub complete: bool,
    /// The model that noticed, or hit a limit.
    pub by: Option<&'static str>,
    /// How it failed.
    pub message: Option<String>,
    /// What was planned in the failing exploration.
    pub plan: Option<String>,
    /// The failing execution.
    pub picture: Option<String>,
    /// The models that ran.
    pub ran: Vec<&'static str>,
    /// Wall time.
    pub seconds: f64,
}

/// A model that passes, and the sites that its lanes reach.
#[derive(Debug)]
pub struct Baseline {
    model: Model,
    sites: BTreeMap<Site, SiteRecord>,
    time: Duration,
}

/// Runs `models` as they are, recording sites.
///
/// # Errors
/// The models that did not pass, with their reports: no mutant of them would tell anything.
pub fn baselines(
    models: &[Model],
    settings: Settings,
    threads: usize,
    done: impl Fn() + Sync,
) -> Result<Vec<Baseline>, Vec<(Model, Report)>> {
    let settings = Settings { record_sites: true, ..settings };
    let reports = parallel::map(models, threads, |model| prove(model, settings), |_, _| done());
    let (passed, failed): (Vec<_>, Vec<_>) =
        models.iter().copied().zip(reports).partition(|(_, report)| matches!(report.verdict, Verdict::Pass));
    if !failed.is_empty() {
        return Err(failed);
    }
    Ok(passed.into_iter().map(|(model, report)| Baseline { model, sites: report.sites, time: report.time }).collect())
}

/// Every weaker variant of every site that the baselines reach in library files whose name contains `files`.
#[must_use]
pub fn mutants(baselines: &[Baseline], files: &str) -> Vec<Mutant> {
    let mut sites: BTreeMap<Site, SiteRecord> = BTreeMap::new();
    for (site, record) in baselines.iter().flat_map(|baseline| &baseline.sites) {
        let known = sites.entry(*site).or_insert(*record);
        known.wakes = known.wakes.max(record.wakes);
    }
    sites
        .into_iter()
        .filter(|(site, _)| is_library(site.file) && site.file.contains(files))
        .flat_map(|(site, record)| weaker(site, record))
        .collect()
}

/// The library's own code; the models and the model of the kernel under them are taken as they are.
fn is_library(file: &str) -> bool {
    file.starts_with("src/") && !file.starts_with("src/sync/")
}

fn weaker(site: Site, record: SiteRecord) -> Vec<Mutant> {
    let mutant = |from: String, to: &str, mutation| Mutant { site, from, to: to.to_owned(), mutation };
    let order = |slot, from: Ordering| {
        next_weaker(site.kind, slot, from)
            .iter()
            .map(move |to| mutant(format!("{from:?}"), &format!("{to:?}"), Mutation::Order(site, slot, *to)))
    };
    let mut all = Vec::new();
    match site.kind {
        SiteKind::Load | SiteKind::Store | SiteKind::Rmw | SiteKind::CompareExchange => {
            all.extend(order(OrderSlot::Main, record.order));
            all.extend(record.failure.into_iter().flat_map(|failure| order(OrderSlot::Failure, failure)));
        }
        SiteKind::Fence => {
            all.extend(order(OrderSlot::Main, record.order));
            all.push(mutant(format!("{:?}", record.order), "nothing", Mutation::DropFence(site)));
        }
        SiteKind::Wake => {
            let count = if record.wakes == 1 { "wake one" } else { "wake all" };
            if record.wakes > 1 {
                all.push(mutant(count.to_owned(), "wake one", Mutation::WakeOne(site)));
            }
            all.push(mutant(count.to_owned(), "nothing", Mutation::DropWake(site)));
        }
        SiteKind::Wait | SiteKind::Cell => {}
    }
    all
}

/// The orderings just below `from` that the operation can have.
fn next_weaker(kind: SiteKind, slot: OrderSlot, from: Ordering) -> &'static [Ordering] {
    use Ordering::{AcqRel, Acquire, Relaxed, Release, SeqCst};
    let reads_only = kind == SiteKind::Load || slot == OrderSlot::Failure;
    match from {
        SeqCst if reads_only => &[Acquire],
        SeqCst if kind == SiteKind::Store => &[Release],
        SeqCst => &[AcqRel],
        AcqRel => &[Acquire, Release],
        // A fence that orders nothing is no fence: that is a variant of its own.
        Acquire | Release if kind != SiteKind::Fence => &[Relaxed],
        _ => &[],
    }
}

impl Mutant {
    /// What is weakened.
    #[must_use]
    pub fn operation(&self) -> String {
        let name = match self.site.kind {
            SiteKind::Load => "load",
            SiteKind::Store => "store",
            SiteKind::Rmw => "read-modify-write",
            SiteKind::CompareExchange => "compare_exchange",
            SiteKind::Fence => "fence",
            SiteKind::Wait => "wait",
            SiteKind::Wake => "wake",
            SiteKind::Cell => "payload",
        };
        match self.mutation {
            Mutation::Order(_, OrderSlot::Failure, _) => format!("{name} (failure)"),
            _ => name.to_owned(),
        }
    }

    /// Plants it and runs the models that reach its site until one notices.
    #[must_use]
    pub fn try_out(&self, baselines: &[Baseline], settings: Settings) -> Finding {
        let own = Path::new(self.site.file).file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        let mut reach: Vec<&Baseline> =
            baselines.iter().filter(|baseline| baseline.sites.contains_key(&self.site)).collect();
        reach.sort_by_key(|baseline| (Reverse(baseline.model.primitive() == own), baseline.time));
        let mut finding = Finding {
            file: self.site.file,
            line: self.site.line,
            column: self.site.column,
            operation: self.operation(),
            from: self.from.clone(),
            to: self.to.clone(),
            verdict: "survivor",
            complete: true,
            by: None,
            message: None,
            plan: None,
            picture: None,
            ran: Vec::new(),
            seconds: 0.0,
        };
        let settings = Settings { mutation: Some(self.mutation), ..settings };
        for Baseline { model, .. } in reach {
            let report = prove(model, settings);
            finding.ran.push(model.name);
            finding.seconds += report.time.as_secs_f64();
            finding.complete &= report.complete;
            let (verdict, message, picture) = match report.verdict {
                Verdict::Pass => continue,
                Verdict::Inconclusive(why) => ("inconclusive", why, None),
                Verdict::Fail(failure) => ("killed", failure.message, Some(failure.picture)),
            };
            finding.verdict = verdict;
            finding.by = Some(model.name);
            finding.message = Some(message);
            finding.plan = report.plan.as_ref().map(describe);
            finding.picture = picture;
            if verdict == "killed" {
                break;
            }
        }
        finding
    }
}

/// The findings as a table of text.
#[must_use]
pub fn table(findings: &[Finding]) -> String {
    let rows = findings.iter().map(|finding| {
        let verdict = match (finding.verdict, finding.complete) {
            ("survivor", false) => "survivor (bounded)",
            (verdict, _) => verdict,
        };
        vec![
            format!("{}:{}:{}", finding.file, finding.line, finding.column),
            finding.operation.clone(),
            finding.from.clone(),
            format!("-> {}", finding.to),
            verdict.to_owned(),
            finding.by.unwrap_or_default().to_owned(),
        ]
    });
    aligned(&["site", "operation", "source", "weaker", "verdict", "by"], &[], rows)
}

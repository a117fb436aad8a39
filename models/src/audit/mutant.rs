//! One weaker variant of one site, and what the models say of it.

use super::counterexample::describe as describe_mutant;
use super::place::{Place, name_of, places};
use super::{Killer, Scope};
use crate::explore::Verdict as Outcome;
use crate::lanes::Picture;
use crate::ledger::{describe, engine_name};
use crate::parallel;
use crate::sweep::{Report, Settings, prove};
use crate::world::Model;
use selvedge::sync::Ordering;
use selvedge::sync::model::{Engine, Mutation, OrderSlot, Plan, Site, SiteKind, SiteRecord};
use serde::{Deserialize, Serialize};
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// One weaker variant of one site.
#[derive(Clone, Debug)]
pub struct Mutant {
    /// Where it stands, as of now.
    pub site: Site,
    /// Where it stands, as long as the function does.
    pub place: Place,
    /// What the source says.
    pub from: String,
    /// What is put in its place.
    pub to: String,
    mutation: Mutation,
}

/// What became of a mutant.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Finding {
    /// Where it stands.
    #[serde(flatten)]
    pub place: Place,
    /// Line, from 1.
    pub line: u32,
    /// What the source says.
    pub from: String,
    /// What was put in its place.
    pub to: String,
    /// What the models say of it.
    pub verdict: Verdict,
    /// Of a survivor: whether every model that reaches the site was explored without a bound.
    pub complete: bool,
    /// The model that noticed, or hit a limit.
    pub by: Option<String>,
    /// The engine on which it noticed, if that was not treadle.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub engine: Option<String>,
    /// How it failed.
    pub message: Option<String>,
    /// What was planned in the failing exploration.
    pub plan: Option<String>,
    /// The failing execution.
    pub picture: Option<Picture>,
    /// The models that ran.
    pub ran: Vec<String>,
    /// Wall time. Not part of what two runs have in common.
    #[serde(skip)]
    pub seconds: f64,
}

/// What the models say of a mutant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// One fails.
    Killed,
    /// None does.
    Survivor,
    /// None does, and one hit a limit.
    Inconclusive,
}

impl Verdict {
    /// In a word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Killed => "killed",
            Self::Survivor => "survivor",
            Self::Inconclusive => "inconclusive",
        }
    }
}

/// A model as it is, and the sites that its lanes reach.
#[derive(Debug)]
pub struct Baseline {
    model: Model,
    sites: BTreeMap<Site, SiteRecord>,
    executions: u64,
    /// Whether it passes, and not just does not fail, as far as the audit goes with everything.
    passes: bool,
}

impl Baseline {
    /// Whether the model takes more than the audit gives each of them: it is asked only about what it noticed another time, and
    /// as far as it goes by itself.
    #[must_use]
    pub fn is_large(&self) -> bool {
        !self.passes
    }

    /// Whether a lane of it comes to where this is planted.
    pub(super) fn comes_to(&self, mutant: &Mutant) -> bool {
        self.sites.contains_key(&mutant.site)
    }

    /// What small ones are sorted first by.
    pub(super) fn size(&self) -> (u64, &'static str) {
        (self.executions, self.model.name)
    }
}

/// Runs `models` as they are, recording sites.
///
/// # Errors
/// The models that fail, with their reports: no mutant of them would tell anything.
pub fn baselines(
    models: &[Model],
    settings: Settings,
    threads: usize,
    done: impl Fn(&Model) + Sync,
) -> Result<Vec<Baseline>, Vec<(Model, Report)>> {
    let settings = Settings { record_sites: true, ..settings };
    let reports = parallel::map(models, threads, |model| prove(model, settings), |model, _| done(model));
    let (mut baselines, mut failed) = (Vec::new(), Vec::new());
    for (model, report) in models.iter().copied().zip(reports) {
        if matches!(report.verdict, Outcome::Fail(_)) {
            failed.push((model, report));
            continue;
        }
        let passes = matches!(report.verdict, Outcome::Pass);
        baselines.push(Baseline { model, sites: report.sites, executions: report.executions, passes });
    }
    if failed.is_empty() { Ok(baselines) } else { Err(failed) }
}

/// Every weaker variant of every site that the baselines reach in the sources that are audited.
#[must_use]
pub fn mutants(baselines: &[Baseline], scope: Scope<'_>) -> Vec<Mutant> {
    let mut sites: BTreeMap<Site, SiteRecord> = BTreeMap::new();
    for (site, record) in baselines.iter().flat_map(|baseline| &baseline.sites) {
        if (scope.is_audited)(site.file) {
            let known = sites.entry(*site).or_insert(*record);
            known.wakes = known.wakes.max(record.wakes);
        }
    }
    let places = places(sites.keys().copied(), scope.root);
    let all = sites.into_iter().flat_map(|(site, record)| weaker(site, &places[&site], record));
    all.filter(|mutant| mutant.description().contains(scope.mutant)).collect()
}

fn weaker(site: Site, place: &Place, record: SiteRecord) -> Vec<Mutant> {
    let mutant =
        |from: String, to: &str, mutation| Mutant { site, place: place.clone(), from, to: to.to_owned(), mutation };
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
        SiteKind::Wait => {
            all.push(mutant("while it is the same".to_owned(), "whatever it is", Mutation::WaitBlindly(site)));
        }
        SiteKind::Cell => {}
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
        let name = name_of(self.site.kind);
        match self.mutation {
            Mutation::Order(_, OrderSlot::Failure, _) => format!("{name} (failure)"),
            _ => name.to_owned(),
        }
    }

    /// What is planted.
    pub(super) fn mutation(&self) -> Mutation {
        self.mutation
    }

    /// In words.
    #[must_use]
    pub fn description(&self) -> String {
        describe_mutant(&self.full_place(), &self.from, &self.to)
    }

    /// Its place, with the operation as far as it is weakened.
    #[must_use]
    pub fn full_place(&self) -> Place {
        Place { operation: self.operation(), ..self.place.clone() }
    }

    /// Plants it and runs the models that reach its site until one notices: first the one that is `known` to, as far as it
    /// takes; then all of them, those of the file's own primitive and small ones first, as far as each of `stages` goes; last,
    /// if that is asked for, on loom, which sees some things that treadle does not.
    #[must_use]
    pub fn try_out(&self, baselines: &[Baseline], known: Option<Killer<'_>>, stages: Stages<'_>) -> Finding {
        // `queue/repair.rs` is the queue's, too.
        let is_own = |model: &Model| {
            let mut parts = self.site.file.split('/').map(|part| part.trim_end_matches(".rs"));
            parts.any(|part| part == model.primitive())
        };
        // Within the bounds of the audit the known one need not come to the site: its own may be wider.
        let is_known = |model: &Model| known.is_some_and(|known| known.model == model.name);
        let comes_to_it = |one: &&Baseline| one.comes_to(self) || is_known(&one.model);
        let mut reach: Vec<&Baseline> = baselines.iter().filter(comes_to_it).collect();
        reach.sort_by_key(|baseline| (Reverse(is_own(&baseline.model)), baseline.size()));
        let mut finding = self.unnoticed(0.0);
        for (stage, whom) in stages.rounds(known) {
            let mut round = self.unnoticed(finding.seconds);
            let settings = Settings { mutations: [Some(self.mutation), None], ..*stage };
            let is_asked = |one: &Baseline| match whom {
                Whom::Known => is_known(&one.model),
                Whom::All => one.passes,
            };
            for Baseline { model, .. } in reach.iter().filter(|baseline| is_asked(baseline)) {
                round.note(model, prove(model, settings));
                if round.verdict == Verdict::Killed {
                    round.engine = (stage.engine == Engine::Loom).then(|| engine_name(stage.engine).to_owned());
                    return round;
                }
            }
            // What loom does not notice, or not in time, is left as it was.
            if stage.engine != Engine::Loom {
                finding = round;
            }
        }
        finding
    }

    /// What is said of it before any model has run.
    fn unnoticed(&self, seconds: f64) -> Finding {
        Finding {
            place: self.full_place(),
            line: self.site.line,
            from: self.from.clone(),
            to: self.to.clone(),
            verdict: Verdict::Survivor,
            complete: true,
            by: None,
            engine: None,
            message: None,
            plan: None,
            picture: None,
            ran: Vec::new(),
            seconds,
        }
    }
}

/// How far mutants are looked for, less far things first.
#[derive(Clone, Copy, Debug)]
pub struct Stages<'a> {
    /// With every model that reaches the site.
    pub for_all: &'a [Settings],
    /// After that, with the model that noticed another time.
    pub for_known: &'a Settings,
    /// With the model that noticed another time on loom.
    pub on_loom: &'a Settings,
    /// With every model that reaches the site, if nobody notices on treadle.
    pub at_last: Option<&'a Settings>,
}

/// Who is asked.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Whom {
    /// The model that noticed another time.
    Known,
    /// All that reach the site.
    All,
}

impl<'a> Stages<'a> {
    fn rounds(self, known: Option<Killer<'_>>) -> Vec<(&'a Settings, Whom)> {
        let first = match known {
            None => Vec::new(),
            Some(Killer { on_loom: true, .. }) => vec![self.on_loom],
            Some(_) => self.for_all.iter().chain([self.for_known]).collect(),
        };
        let known = first.into_iter().map(|stage| (stage, Whom::Known));
        let all = self.for_all.iter().map(|stage| (stage, Whom::All));
        let last = self.at_last.map(|stage| (stage, Whom::All));
        known.chain(all).chain(last).collect()
    }
}

/// Who noticed, in words.
#[must_use]
pub fn by_whom(model: Option<&str>, engine: Option<&str>) -> String {
    let on = engine.map(|engine| format!(" on {engine}")).unwrap_or_default();
    format!("{}{on}", model.unwrap_or_default())
}

/// Runs these models until one fails: what they say, and which of them noticed or hit a limit.
pub(super) fn prove_in_turn(baselines: &[&Baseline], settings: Settings) -> (Verdict, Option<String>) {
    let (mut verdict, mut by) = (Verdict::Survivor, None);
    for Baseline { model, .. } in baselines {
        let name = Some(model.name.to_owned());
        match prove(model, settings).verdict {
            Outcome::Pass => {}
            Outcome::Inconclusive(_) => (verdict, by) = (Verdict::Inconclusive, name),
            Outcome::Fail(_) => return (Verdict::Killed, name),
        }
    }
    (verdict, by)
}

impl Finding {
    /// Who noticed, with the engine if it was not treadle.
    #[must_use]
    pub fn by_whom(&self) -> String {
        by_whom(self.by.as_deref(), self.engine.as_deref())
    }

    /// What one more model says.
    fn note(&mut self, model: &Model, report: Report) {
        self.ran.push(model.name.to_owned());
        self.seconds += report.time.as_secs_f64();
        self.complete &= report.complete;
        let (verdict, message, picture) = match report.verdict {
            Outcome::Pass => return,
            Outcome::Inconclusive(why) => (Verdict::Inconclusive, why, None),
            Outcome::Fail(failure) => (Verdict::Killed, failure.message, Some(failure.picture)),
        };
        self.verdict = verdict;
        self.by = Some(model.name.to_owned());
        self.message = Some(message);
        // What is planted is the mutant itself.
        self.plan = report.plan.map(|plan| describe(&Plan { mutations: [None; 2], ..plan }));
        self.picture = picture;
    }
}

//! `cargo prove audit`.

use super::progress::Progress;
use super::run::{Run, write_json};
use super::{Common, Project};
use crate::audit::counterexample::{self, describe};
use crate::audit::pairs::{self, Pair, Together};
use crate::audit::{self, Audit, Baseline, Finding, Mutant, Place, Scope, Stages, Verdict, baselines, reach};
use crate::ledger;
use crate::parts::Done;
use crate::sweep::Settings;
use crate::world::Model;
use std::io;

/// What can be asked for.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Wishes {
    /// Only sites in source files whose path contains this.
    #[arg(long, default_value = "", value_name = "SUBSTRING")]
    sites: String,
    /// Only mutants whose description contains this; of those that are noticed, the executions are shown, too.
    #[arg(long, default_value = "", value_name = "SUBSTRING")]
    mutant: String,
    /// Two at once, of those that no model notices by itself.
    #[arg(long, conflicts_with = "mutant")]
    pub(super) pairs: bool,
    /// Survivors within the bounds of each model, however long it takes, instead of a few deviations; and what is left
    /// on loom, which sees some things that treadle does not.
    #[arg(long)]
    full: bool,
    /// Write down which model noticed what, for the next time; of a part of the models or sites, what was noticed only. With
    /// `--shard`, `merge` does.
    #[arg(long)]
    write: bool,
}

/// Deviations, and executions after which a model that a mutant has made endless is given up: most are noticed within the
/// first, and those that are not are looked for within the second.
const STAGES: [(u32, u64); 2] = [(5, 20_000), (8, 200_000)];

/// Executions, with the most deviations of these, beyond which a model as it is counts as large.
const LARGE: u64 = 50_000;

/// Executions of one exploration on loom, after which it is given up there.
const ON_LOOM: u64 = 20_000;

/// Audits the sources with these models; false if there is something to object.
pub(super) fn run(project: &Project, models: &[Model], wishes: &Wishes, common: &Common) -> io::Result<bool> {
    let treadle = Settings { deeper: common.deeper, ..Settings::treadle() };
    let stage = |at_most: u32, executions| {
        let at_most = at_most.saturating_add_signed(common.deeper.into());
        Settings { at_most: Some(at_most), executions: Some(executions), ..treadle }
    };
    let [first, second] = STAGES.map(|(at_most, executions)| stage(at_most, executions));
    let all = [first, second, treadle];
    let for_all = if wishes.full { &all[..] } else { &all[..2] };
    let on_loom = Settings::loom();
    let last = Settings { executions: Some(ON_LOOM), ..on_loom };
    let stages = Stages { for_all, for_known: &treadle, on_loom: &on_loom, at_last: wishes.full.then_some(&last) };
    let small = Settings { executions: Some(LARGE), ..second };
    let settings = if wishes.full { treadle } else { small };
    let Some(baselines) = as_they_are(models, settings, common.threads()) else { return Ok(false) };
    let is_audited = |file: &str| wishes.is_audited(project, file);
    let scope = Scope { root: &project.root, is_audited: &is_audited, mutant: &wishes.mutant };
    let mutants = audit::mutants(&baselines, scope);
    let known = known(project)?;
    if wishes.pairs {
        let pairs = pairs::pairs(&mutants, &known);
        let run = Run::new(project, common, wishes.arguments(common), pairs.len())?;
        let done = run.carry_out("pairs", &pairs, Pair::description, |pair| pair.try_out(&baselines, stages))?;
        return conclude_pairs(project, wishes, common, run, done);
    }
    let run = Run::new(project, common, wishes.arguments(common), mutants.len())?;
    let work = |mutant: &Mutant| mutant.try_out(&baselines, audit::killer(&known, mutant), stages);
    let done = run.carry_out("mutants", &mutants, Mutant::description, work)?;
    conclude(project, wishes, common, run, done)
}

/// The models without any mutant; nothing if one fails.
fn as_they_are(models: &[Model], settings: Settings, threads: usize) -> Option<Vec<Baseline>> {
    let bar = Progress::new(models.len(), 0, "models as they are");
    let baselines = baselines(models, settings, threads, |model| bar.done(model.name));
    bar.finish();
    match baselines {
        Ok(baselines) => {
            let large: Vec<&Baseline> = baselines.iter().filter(|baseline| baseline.is_large()).collect();
            if !large.is_empty() {
                println!("{} of {} models are too large to be asked about everything", large.len(), models.len());
            }
            Some(baselines)
        }
        Err(failed) => {
            for (model, report) in &failed {
                println!("{}", ledger::Row::new(model, settings, report).explanation().unwrap_or_default());
            }
            None
        }
    }
}

/// How the audit went that is kept.
fn known(project: &Project) -> io::Result<Vec<audit::Row>> {
    match std::fs::read(project.file("audit.json")) {
        Ok(text) => Ok(serde_json::from_slice(&text)?),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// What became of the mutants; of those of a merged run, too.
pub(super) fn conclude(
    project: &Project,
    wishes: &Wishes,
    common: &Common,
    run: Run<'_>,
    done: Vec<Done<Finding>>,
) -> io::Result<bool> {
    let audit = Audit::of(done.iter().map(|done| done.result.clone()).collect());
    let is_whole = run.is_whole();
    let mut listed = project.survivors()?;
    listed.retain(|entry| {
        let is_asked_for = describe(&entry.place(), &entry.from, &entry.to).contains(&wishes.mutant);
        // Of others a shard says nothing.
        let is_found = is_whole || audit.findings.iter().any(|finding| entry.is_of(finding));
        wishes.is_audited(project, &entry.place().file) && is_asked_for && is_found
    });
    println!("{}\n", audit.headline(&listed));
    print!("{}", audit.table());
    if !wishes.mutant.is_empty() {
        audit.counterexamples().iter().for_each(|one| print!("\n{one}"));
    }
    run.write(done, &audit)?;
    let mut objections = audit.objections(&listed);
    if is_whole {
        objections.extend(keep_or_compare(project, wishes, common, &audit)?);
        if wishes.is_everything(common) {
            objections.extend(unreached(project, &audit)?);
        }
    }
    for objection in &objections {
        println!("objection: {objection}");
    }
    Ok(objections.is_empty())
}

/// What became of the pairs; of those of a merged run, too.
pub(super) fn conclude_pairs(
    project: &Project,
    wishes: &Wishes,
    common: &Common,
    run: Run<'_>,
    done: Vec<Done<Together>>,
) -> io::Result<bool> {
    let found: Vec<Together> = done.iter().map(|done| done.result.clone()).collect();
    print!("{}", pairs::table(&found));
    let is_whole = run.is_whole();
    run.write(done, &found)?;
    let inconclusive = found.iter().filter(|together| together.verdict == Verdict::Inconclusive).count();
    let mut is_good = inconclusive == 0;
    println!("{} pairs, {inconclusive} inconclusive", found.len());
    let file = project.file("pairs.json");
    if is_whole && wishes.write {
        write_json(&file, &found)?;
    } else if is_whole && wishes.is_everything(common) && found != pairs::read(&file)? {
        println!("objection: pairs.json says something else; `cargo prove audit --pairs --write` brings it up to date");
        is_good = false;
    }
    Ok(is_good)
}

/// Writes down what was found, or says that it is something else than is kept.
fn keep_or_compare(project: &Project, wishes: &Wishes, common: &Common, audit: &Audit) -> io::Result<Option<String>> {
    let known = known(project)?;
    let is_all = wishes.is_everything(common);
    if !wishes.write {
        let why = "audit.json says something else; `cargo prove audit --write` brings it up to date";
        return Ok((is_all && audit.rows() != known).then(|| why.to_owned()));
    }
    std::fs::create_dir_all(&project.kept)?;
    let rows = if is_all { audit.rows() } else { audit::with_killed(&known, &audit.rows()) };
    write_json(&project.file("audit.json"), &rows)?;
    let file = project.file("counterexamples.json");
    let known = if file.exists() { counterexample::read(&file)? } else { Vec::new() };
    counterexample::write(&file, &counterexample::kept(&rows, &known, &audit.counterexamples()))?;
    Ok(None)
}

/// What the models do not come to, and no reason is given for it.
fn unreached(project: &Project, audit: &Audit) -> io::Result<Vec<String>> {
    let reached: Vec<&Place> = audit.findings.iter().map(|finding| &finding.place).collect();
    let gaps = reach::gaps(&reached, &project.root, &project.sources, |file| project.is_audited(file))?;
    Ok(reach::objections(&gaps, &project.unreached()?))
}

impl Wishes {
    /// All models and all sites.
    fn is_everything(&self, common: &Common) -> bool {
        common.filter.is_empty() && self.sites.is_empty() && self.mutant.is_empty()
    }

    fn is_audited(&self, project: &Project, file: &str) -> bool {
        project.is_audited(file) && file.contains(&self.sites)
    }

    /// What is asked for, as far as the result depends on it.
    fn arguments(&self, common: &Common) -> Vec<String> {
        let mut arguments = vec!["audit".to_owned()];
        arguments.push(format!("--sites={}", self.sites));
        arguments.push(format!("--mutant={}", self.mutant));
        arguments.extend(self.pairs.then(|| "--pairs".to_owned()));
        arguments.extend(self.full.then(|| "--full".to_owned()));
        arguments.extend(self.write.then(|| "--write".to_owned()));
        arguments.extend(common.arguments());
        arguments
    }
}

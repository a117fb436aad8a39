//! `cargo prove audit`.

use super::progress::Progress;
use super::{Common, folder, write_json};
use selvedge_models::Model;
use selvedge_models::audit::counterexample::{self, describe};
use selvedge_models::audit::{self, Audit, Scope, Stages, baselines, reach, survivors};
use selvedge_models::ledger;
use selvedge_models::sweep::Settings;
use std::io;
use std::path::Path;

/// What can be asked for.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Wishes {
    /// Only sites in source files whose path contains this.
    #[arg(long, default_value = "", value_name = "SUBSTRING")]
    sites: String,
    /// Only mutants whose description contains this; of those that are noticed, the executions are shown, too.
    #[arg(long, default_value = "", value_name = "SUBSTRING")]
    mutant: String,
    /// Survivors within the bounds of each model, however long it takes, instead of a few deviations.
    #[arg(long)]
    full: bool,
    /// Write down which model noticed what, for the next time; of a part of the models or sites, what was noticed only.
    #[arg(long)]
    write: bool,
}

/// Deviations, and executions after which a model that a mutant has made endless is given up: most are noticed within the
/// first, and those that are not are looked for within the second.
const STAGES: [(u32, u64); 2] = [(5, 20_000), (8, 200_000)];

/// Audits the library with these models; false if there is something to object.
pub(super) fn run(models: &[Model], wishes: &Wishes, common: &Common) -> io::Result<bool> {
    let treadle = Settings { deeper: common.deeper, ..Settings::treadle() };
    let stage = |at_most: u32, executions| {
        let at_most = at_most.saturating_add_signed(common.deeper.into());
        Settings { at_most: Some(at_most), executions: Some(executions), ..treadle }
    };
    let [first, second] = STAGES.map(|(at_most, executions)| stage(at_most, executions));
    let settings = if wishes.full { treadle } else { second };
    let all = [first, second, treadle];
    let for_all = if wishes.full { &all[..] } else { &all[..2] };
    let stages = Stages { for_all, for_known: &treadle };
    let bar = Progress::new(models.len(), "models as they are");
    let baselines = baselines(models, settings, common.threads(), |model| bar.done(model.name));
    bar.finish();
    let baselines = match baselines {
        Ok(baselines) => baselines,
        Err(failed) => {
            for (model, report) in &failed {
                println!("{}", ledger::Row::new(model, settings, report).explanation().unwrap_or_default());
            }
            return Ok(false);
        }
    };
    let used = baselines.len();
    if used < models.len() {
        println!("{} of {} models hit a limit as they are, and are left out", models.len() - used, models.len());
    }
    let is_audited = |file: &str| is_library(file) && file.contains(&wishes.sites);
    let root = folder().join("..");
    let scope = Scope { root: &root, is_audited: &is_audited, mutant: &wishes.mutant };
    let known_file = folder().join("audit.json");
    let known: Vec<audit::Row> = match std::fs::read(&known_file) {
        Ok(text) => serde_json::from_slice(&text)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(error),
    };
    let bar = Progress::new(audit::mutants(&baselines, scope).len(), "mutants");
    let done = |mutant: &audit::Mutant| bar.done(&format!("{}:{}", mutant.site.file, mutant.site.line));
    let audit = audit::run(&baselines, scope, &known, stages, common.threads(), done);
    bar.finish();
    let mut listed = survivors::read(&folder().join("survivors.toml")).map_err(io::Error::other)?;
    listed.retain(|entry| {
        let is_asked_for = describe(&entry.place(), &entry.from, &entry.to).contains(&wishes.mutant);
        is_audited(&entry.place().file) && is_asked_for
    });
    println!("{}\n", audit.headline(&listed));
    print!("{}", audit.table());
    if !wishes.mutant.is_empty() {
        audit.counterexamples().iter().for_each(|one| print!("\n{one}"));
    }
    common.write(&audit)?;
    let mut objections = audit.objections(&listed);
    if is_whole(wishes, common) {
        let unreached = survivors::read_unreached(&folder().join("survivors.toml")).map_err(io::Error::other)?;
        let gaps = reach::gaps(&audit::mutants(&baselines, scope), scope, PRIMITIVES)?;
        objections.extend(reach::objections(&gaps, &unreached));
    }
    judge(&audit, objections, &known, wishes, common, &known_file)
}

/// Where the sources stand of which everything is to be reached.
const PRIMITIVES: &str = "src/primitives";

fn is_whole(wishes: &Wishes, common: &Common) -> bool {
    common.filter.is_empty() && wishes.sites.is_empty() && wishes.mutant.is_empty()
}

/// The library's own code; the models and the model of the kernel under them are taken as they are.
fn is_library(file: &str) -> bool {
    file.starts_with("src/") && !file.starts_with("src/sync/")
}

fn judge(
    audit: &Audit,
    mut objections: Vec<String>,
    known: &[audit::Row],
    wishes: &Wishes,
    common: &Common,
    known_file: &Path,
) -> io::Result<bool> {
    let is_whole = is_whole(wishes, common);
    if wishes.write {
        let rows = if is_whole { audit.rows() } else { audit::with_killed(known, &audit.rows()) };
        write_json(known_file, &rows)?;
        let file = folder().join("counterexamples.json");
        let known = if file.exists() { counterexample::read(&file)? } else { Vec::new() };
        counterexample::write(&file, &counterexample::kept(&rows, &known, &audit.counterexamples()))?;
    } else if is_whole && audit.rows() != known {
        objections
            .push("models/audit.json says something else; `cargo prove audit --write` brings it up to date".to_owned());
    }
    for objection in &objections {
        println!("objection: {objection}");
    }
    Ok(objections.is_empty())
}

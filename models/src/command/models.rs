//! Runs the models: what the command line does without a command.

use super::run::Run;
use super::{Arguments, Engines, Project};
use crate::ledger::{self, Proof, Row, proof};
use crate::parts::Done;
use crate::sweep::{Settings, prove};
use crate::world::Model;
use clap::ValueEnum as _;
use selvedge::sync::model::Engine;
use serde::Serialize;
use std::collections::HashSet;
use std::io;
use std::time::Duration;

/// What a ledger file holds.
#[derive(Serialize)]
struct Ledger<'a> {
    registered: usize,
    rows: &'a [Row],
}

/// Runs, and prints the ledger; false if a model did not pass.
pub(super) fn run(project: &Project, models: &[Model], arguments: &Arguments) -> io::Result<bool> {
    let jobs = arguments.jobs(project, models)?;
    if jobs.is_empty() {
        eprintln!("nothing is left to explore");
        return Ok(false);
    }
    let run = Run::new(project, &arguments.common, arguments.of_models(), jobs.len())?;
    let name =
        |(model, settings): &(Model, Settings)| format!("{} on {}", model.name, ledger::engine_name(settings.engine));
    let work = |(model, settings): &(Model, Settings)| Row::new(model, *settings, &prove(model, *settings));
    let done = run.carry_out("models", &jobs, name, work)?;
    conclude(project, arguments, run, done)
}

/// What the units came to; those of a merged run, too.
pub(super) fn conclude(
    project: &Project,
    arguments: &Arguments,
    run: Run<'_>,
    done: Vec<Done<Row>>,
) -> io::Result<bool> {
    // Times are kept beside the rows.
    let rows: Vec<Row> = done.iter().map(|done| Row { seconds: done.seconds, ..done.result.clone() }).collect();
    print!("{}", ledger::table(&rows));
    let failed: Vec<&Row> = rows.iter().filter(|row| !row.passed()).collect();
    for row in &failed {
        println!("\n{}", row.explanation().unwrap_or_default().trim_end());
    }
    let registered = project.models.len();
    println!("\n{} of {} passed, {registered} models registered", rows.len() - failed.len(), rows.len());
    let keeps = arguments.write && run.is_whole();
    run.write(done, &Ledger { registered, rows: &rows })?;
    if keeps {
        keep(project, &rows)?;
    }
    Ok(failed.is_empty())
}

/// Puts what passed into the ledger that is kept, in place of what it says of the same models on the same engines. What it
/// says of models that there are no longer goes.
fn keep(project: &Project, rows: &[Row]) -> io::Result<()> {
    let file = project.file("ledger.json");
    let mut proofs = if file.exists() { proof::read(&file)? } else { Vec::new() };
    let found: Vec<Proof> = rows.iter().filter(|row| row.passed()).map(Proof::from).collect();
    proofs.retain(|known| {
        let is_found = found.iter().any(|proof| proof.model == known.model && proof.engine == known.engine);
        !is_found && project.models.iter().any(|model| model.name == known.model)
    });
    proofs.extend(found);
    std::fs::create_dir_all(&project.kept)?;
    proof::write(&file, &proofs)
}

impl Arguments {
    /// What is asked for, as far as the result depends on it.
    fn of_models(&self) -> Vec<String> {
        let engine = self.engine.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default();
        let mut arguments = vec![format!("--engine={engine}")];
        arguments.push(format!("--schedules={}", self.schedules));
        arguments.push(format!("--seconds={}", self.seconds));
        arguments.extend(self.unbounded.then(|| "--unbounded".to_owned()));
        arguments.extend(self.small.map(|most| format!("--small={most}")));
        arguments.extend(self.write.then(|| "--write".to_owned()));
        arguments.extend(self.common.arguments());
        arguments
    }

    /// How each engine that is asked for is to explore.
    fn settings(&self) -> Vec<Settings> {
        let asked_for = |engine| self.engine == engine || self.engine == Engines::All;
        let deeper = self.common.deeper;
        let treadle = Settings {
            time: Duration::from_secs(self.seconds),
            deeper,
            unbounded: self.unbounded,
            ..Settings::treadle()
        };
        let all = [
            (Engines::Loom, Settings { deeper, ..Settings::loom() }),
            (Engines::Treadle, treadle),
            (Engines::Shuttle, Settings::shuttle(self.schedules)),
        ];
        // What is kept says what the engines do not see.
        let kept = |settings| Settings { record_sites: self.write, ..settings };
        all.into_iter().filter(|(engine, _)| asked_for(*engine)).map(|(_, settings)| kept(settings)).collect()
    }

    /// What is to be explored.
    fn jobs(&self, project: &Project, models: &[Model]) -> io::Result<Vec<(Model, Settings)>> {
        let settings = self.settings();
        let mut jobs: Vec<(Model, Settings)> =
            models.iter().flat_map(|model| settings.iter().map(|settings| (*model, *settings))).collect();
        if !self.common.filter.starts_with('=') {
            let is_too_large = |(model, settings): &mut (Model, Settings)| {
                settings.engine == Engine::Loom && project.not_on_loom.contains(&model.name)
            };
            for (model, _) in jobs.extract_if(.., is_too_large) {
                println!("{name} is too large for loom; `--filter ={name}` runs it", name = model.name);
            }
        }
        if let Some(most) = self.small {
            let known = proof::read(&project.file("ledger.json"))?;
            let small: HashSet<(&str, &str)> = known
                .iter()
                .filter(|proof| proof.executions <= most)
                .map(|proof| (proof.model.as_str(), proof.engine.as_str()))
                .collect();
            let all = jobs.len();
            jobs.retain(|(model, settings)| small.contains(&(model.name, ledger::engine_name(settings.engine))));
            println!("{} of {all} explorations took at most {most} executions", jobs.len());
        }
        Ok(jobs)
    }
}

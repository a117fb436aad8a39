//! What the command line asks for.

mod audit;
mod clients;
mod progress;

use progress::Progress;

use clap::{Parser, Subcommand, ValueEnum};
use selvedge_models::compare::{self, Contender};
use selvedge_models::ledger::{self, Row, proof};
use selvedge_models::report::{self, Evidence};
use selvedge_models::states::{self, Diagram};
use selvedge_models::sweep::{Settings, prove};
use selvedge_models::{Model, catalogue, gallery, parallel};
use serde::Serialize;
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

/// Runs the models of selvedge and prints the ledger.
#[derive(Debug, Parser)]
#[command(name = "cargo prove")]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    /// Who explores.
    #[arg(long, value_enum, default_value = "treadle")]
    engine: Engines,
    /// Random schedules for each planned fault (shuttle).
    #[arg(long, default_value_t = 1000)]
    schedules: u64,
    /// Time for each exploration, after which it is inconclusive (treadle).
    #[arg(long, default_value_t = 600)]
    seconds: u64,
    /// Every execution of every model, however many there are (treadle).
    #[arg(long)]
    unbounded: bool,
    /// Only explorations that took at most so many executions when models/ledger.json was written: with `--deeper`, those
    /// that can be expected to end.
    #[arg(long, value_name = "EXECUTIONS")]
    small: Option<u64>,
    /// List the models instead of running them.
    #[arg(long)]
    list: bool,
    #[command(flatten)]
    common: Common,
}

#[derive(Clone, Debug, clap::Args)]
struct Common {
    /// Only models whose name contains this; `=NAME` for exactly that one.
    #[arg(long, global = true, default_value = "", value_name = "SUBSTRING")]
    filter: String,
    /// So many preemptions (loom) or deviations (treadle) more than when a change is checked, in every model that is
    /// bounded; negative: fewer.
    #[arg(long, global = true, default_value_t = 0, allow_negative_numbers = true, value_name = "NUMBER")]
    deeper: i8,
    /// Models that run at the same time [default: as many as there are cores].
    #[arg(long, global = true)]
    jobs: Option<usize>,
    /// Write the result to this file as JSON, too.
    #[arg(long, global = true, value_name = "FILE")]
    json: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Shows the race gallery: classic mistakes, caught, beside their right versions.
    Gallery,
    /// Runs every model without faults and bounds on loom, loom with shadow words and treadle, one after the other.
    Compare {
        /// Time for each of them.
        #[arg(long, default_value_t = 20)]
        limit: u64,
    },
    /// What `compare` starts for each exploration.
    #[command(hide = true)]
    Measure {
        /// The model.
        model: String,
        /// Who explores it.
        contender: String,
        /// Time for it, in seconds.
        limit: u64,
    },
    /// Weakens every ordering, fence, wait and wake that the models reach, one at a time, on treadle, and tells which
    /// model notices. Fails if none does and no reason is listed in models/survivors.toml.
    Audit(audit::Wishes),
    /// Prints the states of the control blocks and the steps between them, as executions of the models show them.
    States {
        /// Write them to models/states.json instead.
        #[arg(long)]
        write: bool,
    },
    /// Checks every small client of an object: all programs up to a size, and a witness for each of their executions.
    Clients(clients::Wishes),
    /// Prints the report that is made from models/ledger.json, models/audit.json and what else is kept.
    Report {
        /// Write it to PROOFS.md instead.
        #[arg(long)]
        write: bool,
        /// Write it to this file as one page of HTML instead, with pictures of states and counterexamples.
        #[arg(long, value_name = "FILE", conflicts_with = "write")]
        html: Option<PathBuf>,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Engines {
    /// Every interleaving within the bound, weak memory.
    Loom,
    /// Every execution graph, once.
    Treadle,
    /// Random sequentially consistent schedules.
    Shuttle,
    /// One after the other.
    All,
}

/// What a ledger file holds.
#[derive(Serialize)]
struct Ledger<'a> {
    registered: usize,
    rows: &'a [Row],
}

/// Does what the command line asks for.
pub(crate) fn run() -> ExitCode {
    let arguments = Arguments::parse();
    let models = chosen(&arguments.common.filter);
    let done = match &arguments.command {
        Some(Command::Gallery) => show_gallery(&arguments.common.filter),
        _ if models.is_empty() => {
            eprintln!("no model's name contains `{}`", arguments.common.filter);
            Ok(false)
        }
        Some(Command::Compare { limit }) => show_comparison(&models, Duration::from_secs(*limit)),
        Some(Command::Measure { model, contender, limit }) => {
            measure_one(model, contender, Duration::from_secs(*limit))
        }
        Some(Command::States { write }) => show_states(*write, arguments.common.threads()),
        Some(Command::Report { write, html }) => show_report(*write, html.as_deref()),
        Some(Command::Clients(wishes)) => clients::run(wishes),
        Some(Command::Audit(wishes)) => audit::run(&models, wishes, &arguments.common),
        None if arguments.list => {
            for model in &models {
                println!("{}", model.name);
            }
            Ok(true)
        }
        None => run_models(&models, &arguments),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("cannot write the result: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Where what is known is kept.
fn folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn chosen(filter: &str) -> Vec<Model> {
    let mut models = catalogue::all();
    models.retain(|model| matches(model.name, filter));
    models.sort_by_key(|model| model.name);
    models
}

fn matches(name: &str, filter: &str) -> bool {
    match filter.strip_prefix('=') {
        Some(exact) => name == exact,
        None => name.contains(filter),
    }
}

fn run_models(models: &[Model], arguments: &Arguments) -> std::io::Result<bool> {
    let jobs = arguments.jobs(models)?;
    if jobs.is_empty() {
        eprintln!("nothing is left to explore");
        return Ok(false);
    }
    let bar = Progress::new(jobs.len(), "models");
    let rows = parallel::map(
        &jobs,
        arguments.common.threads(),
        |(model, settings)| Row::new(model, *settings, &prove(model, *settings)),
        |(model, _), _| bar.done(model.name),
    );
    bar.finish();
    print!("{}", ledger::table(&rows));
    let failed: Vec<&Row> = rows.iter().filter(|row| !row.passed()).collect();
    for row in &failed {
        println!("\n{}", row.explanation().unwrap_or_default().trim_end());
    }
    println!("\n{} of {} passed, {} models registered", rows.len() - failed.len(), rows.len(), catalogue::all().len());
    arguments.common.write(&Ledger { registered: catalogue::all().len(), rows: &rows })?;
    Ok(failed.is_empty())
}

fn show_states(write: bool, threads: usize) -> std::io::Result<bool> {
    let diagrams = states::observe(&catalogue::all(), threads).map_err(std::io::Error::other)?;
    if write {
        states::write(&folder().join("states.json"), &diagrams)?;
        return Ok(true);
    }
    for Diagram { primitive, word, steps, .. } in diagrams {
        println!("{primitive}: {word}");
        steps.iter().for_each(|step| println!("  {} -> {}: {}", step.from, step.to, step.by.join(", ")));
    }
    Ok(true)
}

fn show_comparison(models: &[Model], limit: Duration) -> std::io::Result<bool> {
    let bar = Progress::new(models.len(), "models");
    let page = compare::run(models, limit, |name| bar.done(name))?;
    bar.finish();
    print!("{page}");
    Ok(true)
}

fn measure_one(model: &str, contender: &str, limit: Duration) -> std::io::Result<bool> {
    let model = catalogue::all().into_iter().find(|known| known.name == model);
    let (Some(model), Some(contender)) = (model, Contender::named(contender)) else { return Ok(false) };
    println!("{}", serde_json::to_string(&compare::measure(&model, contender, limit))?);
    Ok(true)
}

fn show_gallery(filter: &str) -> std::io::Result<bool> {
    let mut as_expected = true;
    for exhibit in gallery::all().iter().filter(|exhibit| matches(exhibit.name, filter)) {
        let text = exhibit.show().unwrap_or_else(|text| {
            as_expected = false;
            text
        });
        println!("{text}\n");
    }
    Ok(as_expected)
}

fn show_report(write: bool, html: Option<&Path>) -> std::io::Result<bool> {
    let evidence = Evidence::read(folder())?;
    match html {
        Some(file) => std::fs::write(file, report::html::page(&evidence))?,
        None if write => std::fs::write(folder().join("../PROOFS.md"), report::page(&evidence))?,
        None => print!("{}", report::page(&evidence)),
    }
    Ok(true)
}

impl Arguments {
    /// How each engine that is asked for is to explore.
    fn settings(&self) -> Vec<Settings> {
        let asked_for = |engine| self.engine == engine || self.engine == Engines::All;
        let treadle = Settings {
            time: Duration::from_secs(self.seconds),
            deeper: self.common.deeper,
            unbounded: self.unbounded,
            ..Settings::treadle()
        };
        let all = [
            (Engines::Loom, self.common.settings()),
            (Engines::Treadle, treadle),
            (Engines::Shuttle, Settings::shuttle(self.schedules)),
        ];
        all.into_iter().filter(|(engine, _)| asked_for(*engine)).map(|(_, settings)| settings).collect()
    }

    /// What is to be explored.
    fn jobs(&self, models: &[Model]) -> std::io::Result<Vec<(Model, Settings)>> {
        let settings = self.settings();
        let mut jobs: Vec<(Model, Settings)> =
            models.iter().flat_map(|model| settings.iter().map(|settings| (*model, *settings))).collect();
        if let Some(most) = self.small {
            let known = proof::read(&folder().join("ledger.json"))?;
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

impl Common {
    fn settings(&self) -> Settings {
        Settings { deeper: self.deeper, ..Settings::loom() }
    }

    fn threads(&self) -> usize {
        self.jobs.unwrap_or_else(parallel::cores)
    }

    fn write(&self, result: &impl Serialize) -> std::io::Result<()> {
        self.json.as_deref().map_or(Ok(()), |file| write_json(file, result))
    }
}

fn write_json(file: &Path, result: &impl Serialize) -> std::io::Result<()> {
    let mut text = serde_json::to_string_pretty(result)?;
    text.push('\n');
    std::fs::write(file, text)
}

//! The command line: `cargo prove` of selvedge, and the same of any other [`Project`].
//!
//! A crate that has models of its own has a binary whose `main` is [`main`] with its project. All commands, options and files are
//! the same then; `CARGO_MANIFEST_DIR` and paths of sources are the crate's own.

mod audit;
mod clients;
mod merge;
mod models;
mod progress;
mod project;
mod run;
mod show;

pub use project::Project;

use crate::parallel;
use crate::parts::Shard;
use clap::{Parser, Subcommand, ValueEnum};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// Runs the models and prints the ledger.
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
    /// Only explorations that took at most so many executions when ledger.json was written: with `--deeper`, those that can
    /// be expected to end.
    #[arg(long, value_name = "EXECUTIONS")]
    small: Option<u64>,
    /// Put what passed into ledger.json, in place of what it says of the same models on the same engines. With `--shard`,
    /// `merge` does.
    #[arg(long)]
    write: bool,
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
    /// Units (models, mutants, programs) that run at the same time [default: as many as there are cores].
    #[arg(long, global = true)]
    jobs: Option<usize>,
    /// Write the result to this file as JSON, too; with `--shard` it is a part, for `merge`.
    #[arg(long, global = true, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write how long each unit took to this file as JSON: the result itself has no times, so that two runs give the same bytes.
    #[arg(long, global = true, value_name = "FILE")]
    times: Option<PathBuf>,
    /// Only every n-th unit (model, mutant of an audit, program of clients), beginning with the i-th.
    #[arg(long, global = true, value_name = "I/N")]
    shard: Option<Shard>,
    /// Add each result to this file as soon as it is there; if the file has some of the same run already, go on with what is left.
    #[arg(long, global = true, value_name = "FILE")]
    resume: Option<PathBuf>,
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
    /// model notices. Fails if none does and no reason is listed in survivors.toml.
    Audit(audit::Wishes),
    /// Prints the states of the control blocks and the steps between them, as executions of the models show them.
    States {
        /// Write them to states.json instead.
        #[arg(long)]
        write: bool,
    },
    /// Checks every small client of an object: all programs up to a size, and a witness for each of their executions.
    Clients(clients::Wishes),
    /// Makes one result of the parts that runs with `--shard` wrote with `--json`: the same as that of a run without.
    Merge {
        /// The parts of all shards.
        #[arg(required = true, value_name = "FILE")]
        parts: Vec<PathBuf>,
    },
    /// Prints the report that is made from ledger.json, audit.json and what else is kept.
    Report {
        /// Write it to its file (PROOFS.md) instead.
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

/// Does what the command line asks for, with this project.
#[must_use]
pub fn main(project: &Project) -> ExitCode {
    match answer(project, &Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// False if something is not as it should be.
fn answer(project: &Project, arguments: &Arguments) -> std::io::Result<bool> {
    let common = &arguments.common;
    let models = project.chosen(&common.filter);
    match &arguments.command {
        Some(Command::Gallery) => show::gallery(&common.filter),
        Some(Command::Merge { parts }) => merge::run(project, parts, arguments),
        _ if models.is_empty() => {
            eprintln!("no model's name contains `{}`", common.filter);
            Ok(false)
        }
        Some(Command::Compare { limit }) => show::comparison(&models, Duration::from_secs(*limit)),
        Some(Command::Measure { model, contender, limit }) => {
            show::measurement(project, model, contender, Duration::from_secs(*limit))
        }
        Some(Command::States { write }) => show::states(project, *write, common.threads()),
        Some(Command::Report { write, html }) => show::report(project, *write, html.as_deref()),
        Some(Command::Clients(wishes)) => clients::run(project, wishes, common),
        Some(Command::Audit(wishes)) => audit::run(project, &models, wishes, common),
        None if arguments.list => {
            models.iter().for_each(|model| println!("{}", model.name));
            Ok(true)
        }
        None => models::run(project, &models, arguments),
    }
}

impl Common {
    fn threads(&self) -> usize {
        self.jobs.unwrap_or_else(parallel::cores)
    }

    /// What is asked for, as far as a result depends on it.
    fn arguments(&self) -> Vec<String> {
        vec![format!("--filter={}", self.filter), format!("--deeper={}", self.deeper)]
    }
}

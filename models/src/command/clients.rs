//! Checks all small clients: the part of the command line that is theirs.

use super::run::Run;
use super::{Common, Project};
use crate::clients::{self, Care, Checked, Clients, Found, Program, Row, Size};
use crate::parts::Done;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

/// What is asked for.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Wishes {
    /// Only objects whose name contains this.
    #[arg(long, default_value = "")]
    object: String,
    /// Threads of a program at most, four of them at most.
    #[arg(long, default_value_t = 3)]
    threads: usize,
    /// Operations of a program at most, of all its threads together.
    #[arg(long, default_value_t = 3)]
    operations: usize,
    /// Kill each thread at each step, too.
    #[arg(long)]
    kills: bool,
    /// Let threads meet elsewhere, too.
    #[arg(long)]
    meets: bool,
    /// Runs for each program, after which it is not checked.
    #[arg(long, default_value_t = 100_000)]
    budget: u64,
    /// Put what is found into this file in place of what it says of the same objects and sizes. With `--shard`, `merge` does.
    #[arg(long, value_name = "FILE")]
    keep: Option<PathBuf>,
}

impl Wishes {
    fn size(&self) -> Size {
        Size { threads: self.threads, operations: self.operations }
    }

    fn care(&self) -> Care {
        Care { kills: self.kills, meets: self.meets, budget: self.budget }
    }

    fn chosen(&self, project: &Project) -> Vec<Clients> {
        project.clients.iter().filter(|clients| clients.object.contains(&self.object)).copied().collect()
    }

    /// Each program of each object, in the order of both.
    fn programs(&self, chosen: &[Clients]) -> Vec<(Clients, Program)> {
        let of = |clients: &Clients| clients.distinct(self.size(), self.care());
        chosen.iter().flat_map(|clients| of(clients).into_iter().map(|program| (*clients, program))).collect()
    }

    /// What is asked for, as far as the result depends on it.
    fn arguments(&self) -> Vec<String> {
        let mut arguments = vec!["clients".to_owned(), format!("--object={}", self.object)];
        arguments.push(format!("--threads={}", self.threads));
        arguments.push(format!("--operations={}", self.operations));
        arguments.push(format!("--budget={}", self.budget));
        arguments.extend(self.kills.then(|| "--kills".to_owned()));
        arguments.extend(self.meets.then(|| "--meets".to_owned()));
        arguments.extend(self.keep.as_ref().map(|file| format!("--keep={}", file.display())));
        arguments
    }
}

/// Checks, and prints what came of it; false if a program failed.
pub(super) fn run(project: &Project, wishes: &Wishes, common: &Common) -> io::Result<bool> {
    let chosen = wishes.chosen(project);
    if chosen.is_empty() {
        eprintln!("no object's name contains `{}`", wishes.object);
        return Ok(false);
    }
    if !(1..=4).contains(&wishes.threads) {
        eprintln!("a program has one to four threads");
        return Ok(false);
    }
    let programs = wishes.programs(&chosen);
    let run = Run::new(project, common, wishes.arguments(), programs.len())?;
    // What is found has to be the same each time only if somebody keeps it.
    let stops = common.json.is_none() && common.resume.is_none();
    let care = wishes.care();
    let failed = AtomicBool::new(false);
    let name =
        |(clients, program): &(Clients, Program)| format!("{}: {}", clients.object, clients.spell(program, care));
    let work = |(clients, program): &(Clients, Program)| {
        // Relaxed: a program more does no harm.
        if stops && failed.load(Ordering::Relaxed) {
            return Checked::another_failed();
        }
        let checked = clients.check(program, care);
        failed.fetch_or(matches!(checked, Checked::Failed(_)), Ordering::Relaxed);
        checked
    };
    let done = run.carry_out("programs", &programs, name, work)?;
    conclude(project, wishes, run, done)
}

/// What the programs came to; those of a merged run, too.
pub(super) fn conclude(project: &Project, wishes: &Wishes, run: Run<'_>, done: Vec<Done<Checked>>) -> io::Result<bool> {
    let chosen = wishes.chosen(project);
    let programs = wishes.programs(&chosen);
    let of = |clients: &Clients| {
        let is_of =
            |done: &&Done<Checked>| programs.get(done.number).is_some_and(|(of, _)| of.object == clients.object);
        let checked = done.iter().filter(is_of).filter_map(|done| {
            let (_, program) = programs.get(done.number)?;
            Some((program.clone(), done.result.clone()))
        });
        clients.found(wishes.size(), wishes.care(), checked.collect())
    };
    let found: Vec<Found> = chosen.iter().map(of).collect();
    let rows: Vec<Row> = found.iter().map(|found| found.row.clone()).collect();
    print!("{}", clients::table(&rows));
    for Found { row, failures, unchecked } in &found {
        if !unchecked.is_empty() {
            println!("\n{}: {} not checked, such as:", row.object, unchecked.len());
            unchecked.iter().take(3).for_each(|(program, why)| println!("  {program}: {why}"));
        }
        for (program, failure) in failures {
            println!("\n{}: {program}\n{}\n{}", row.object, failure.message, failure.picture);
        }
    }
    let keeps = run.is_whole();
    run.write(done, &found)?;
    if let Some(file) = wishes.keep.as_ref().filter(|_| keeps) {
        keep(file, &rows)?;
    }
    Ok(found.iter().all(|found| found.failures.is_empty()))
}

fn keep(file: &Path, rows: &[Row]) -> io::Result<()> {
    let mut kept = if file.exists() { clients::read(file)? } else { Vec::new() };
    for row in rows {
        match kept.iter_mut().find(|known| known.is_of_the_same(row)) {
            Some(known) => known.clone_from(row),
            None => kept.push(row.clone()),
        }
    }
    std::fs::write(file, clients::text(&kept))
}

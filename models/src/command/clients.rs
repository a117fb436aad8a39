//! Checks all small clients: the part of the command line that is theirs.

use super::progress::Progress;
use selvedge_models::clients::{self, Care, Clients, Found, Row, Size};
use std::path::PathBuf;

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
    /// Programs that are checked at the same time [default: as many as there are cores].
    #[arg(long)]
    jobs: Option<usize>,
    /// Put what is found into this file in place of what it says of the same objects and sizes.
    #[arg(long, value_name = "FILE")]
    keep: Option<PathBuf>,
}

/// Checks, and prints what came of it; false if a program failed.
pub(super) fn run(wishes: &Wishes) -> std::io::Result<bool> {
    let size = Size { threads: wishes.threads, operations: wishes.operations };
    let care = Care { kills: wishes.kills, meets: wishes.meets, budget: wishes.budget };
    let jobs = wishes.jobs.unwrap_or_else(selvedge_models::parallel::cores);
    let mut chosen: Vec<Clients> = clients::all();
    chosen.retain(|clients| clients.object.contains(&wishes.object));
    if chosen.is_empty() {
        eprintln!("no object's name contains `{}`", wishes.object);
        return Ok(false);
    }
    if !(1..=4).contains(&size.threads) {
        eprintln!("a program has one to four threads");
        return Ok(false);
    }
    let found: Vec<Found> = chosen
        .iter()
        .map(|clients| {
            let bar = Progress::new(clients.programs(size, care), clients.object);
            let found = clients.run(size, care, jobs, || bar.done(clients.object));
            bar.finish();
            found
        })
        .collect();
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
    if let Some(file) = &wishes.keep {
        keep(file, &rows)?;
    }
    Ok(found.iter().all(|found| found.failures.is_empty()))
}

fn keep(file: &std::path::Path, rows: &[Row]) -> std::io::Result<()> {
    let mut kept = if file.exists() { clients::read(file)? } else { Vec::new() };
    for row in rows {
        match kept.iter_mut().find(|known| known.is_of_the_same(row)) {
            Some(known) => known.clone_from(row),
            None => kept.push(row.clone()),
        }
    }
    std::fs::write(file, clients::text(&kept))
}

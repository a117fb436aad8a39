//! The engines side by side: the same models, without planned faults and without bounds, in one run.
//!
//! Each exploration has a process of its own, so that its peak of resident memory is its own.

use crate::explore::{Effort, Verdict, explore};
use crate::ledger::aligned;
use crate::world::Model;
use selvedge::sync::model::Plan;
use serde::{Deserialize, Serialize};
use std::process::Command;
use std::time::Duration;

/// Who explores, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contender {
    /// loom as it is.
    Bare,
    /// loom with a shadow word beside each word.
    Shadowed,
    /// treadle.
    Treadle,
}

impl Contender {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Bare, Self::Shadowed, Self::Treadle];

    /// Its name, also on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bare => "loom",
            Self::Shadowed => "loom-with-shadow-words",
            Self::Treadle => "treadle",
        }
    }

    /// The one with this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|contender| contender.name() == name)
    }
}

/// What an exploration took.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Measured {
    /// Executions explored, given-up ones included.
    pub executions: u64,
    /// Wall time.
    pub seconds: f64,
    /// The most resident memory that the process had, in KiB.
    pub peak_kib: u64,
    /// Whether it came to an end by itself.
    pub complete: bool,
    /// How many outcomes the executions have: what each operation of each thread returned.
    pub outcomes: usize,
    /// A digest of their set.
    pub digest: u64,
}

/// Explores `model` in this process.
#[must_use]
pub fn measure(model: &Model, contender: Contender, time: Duration) -> Measured {
    let effort = match contender {
        Contender::Bare | Contender::Shadowed => Effort::loom(None),
        Contender::Treadle => Effort::treadle(),
    };
    let effort = Effort { executions: u64::MAX, time, ..effort };
    let plan = Plan { shadow: contender == Contender::Shadowed, outcomes: true, ..Plan::default() };
    let explored = explore(model, plan, effort);
    let outcomes = explored.run.outcomes();
    Measured {
        executions: explored.executions(),
        seconds: explored.time.as_secs_f64(),
        peak_kib: peak_kib(),
        complete: explored.complete && matches!(explored.verdict, Verdict::Pass),
        outcomes: outcomes.len(),
        digest: outcomes.iter().fold(0, |sum, outcome| sum.wrapping_add(*outcome)),
    }
}

/// The peak of this process's resident memory, as the kernel has it (`VmHWM` of `proc_pid_status(5)`).
fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

/// The same in a process of its own.
fn measure_apart(model: &Model, contender: Contender, time: Duration) -> std::io::Result<Measured> {
    let seconds = time.as_secs().to_string();
    let output =
        Command::new(std::env::current_exe()?).args([MEASURE, model.name, contender.name(), &seconds]).output()?;
    serde_json::from_slice(&output.stdout).map_err(std::io::Error::other)
}

/// The subcommand that measures one exploration.
pub const MEASURE: &str = "measure";

/// Lets all contenders explore all models, and prints what it took.
///
/// # Errors
/// If a process cannot be started, or does not say what it measured.
pub fn run(models: &[Model], time: Duration, mut done: impl FnMut(&str)) -> std::io::Result<String> {
    let mut rows: Vec<(&str, [Measured; 3])> = Vec::new();
    for model in models {
        let mut measured = Vec::new();
        for contender in Contender::ALL {
            measured.push(measure_apart(model, contender, time)?);
        }
        done(model.name);
        if let Ok(measured) = measured.try_into() {
            rows.push((model.name, measured));
        }
    }
    let mut header = vec!["model".to_owned()];
    header.extend(
        Contender::ALL.iter().flat_map(|contender| [contender.name(), "s", "MiB", "outcomes"]).map(str::to_owned),
    );
    header.push("fewer".to_owned());
    let header: Vec<&str> = header.iter().map(String::as_str).collect();
    let numbers: Vec<usize> = (1..=13).collect();
    let lines = rows.iter().map(|(name, measured)| {
        let mut cells = vec![(*name).to_owned()];
        for one in measured {
            let more = if one.complete { "" } else { "+" };
            cells.push(format!("{}{more}", one.executions));
            cells.push(format!("{:.2}", one.seconds));
            cells.push(format!("{:.0}", one.peak_kib as f64 / 1024.0));
            cells.push(format!("{}{more}", one.outcomes));
        }
        cells.push(ratio(measured).map_or_else(String::new, |ratio| format!("{ratio:.1}")));
        cells
    });
    let mut page = aligned(&header, &numbers, lines);
    page.push_str(
        "\n+: not at its end after the time allowed. outcomes: what each operation of each thread returned. \
         fewer: executions of loom with shadow words to those of treadle.\n",
    );
    page.push_str(&summary(&rows));
    Ok(page)
}

/// How many times more executions loom with shadow words has than treadle, where both came to their ends.
fn ratio([_, shadowed, treadle]: &[Measured; 3]) -> Option<f64> {
    (shadowed.complete && treadle.complete).then(|| shadowed.executions as f64 / treadle.executions.max(1) as f64)
}

/// Whether loom with shadow words and treadle have the same outcomes.
fn agree([_, shadowed, treadle]: &[Measured; 3]) -> bool {
    (shadowed.outcomes, shadowed.digest) == (treadle.outcomes, treadle.digest)
}

fn summary(rows: &[(&str, [Measured; 3])]) -> String {
    let complete = |index: usize| rows.iter().filter(|(_, measured)| measured[index].complete).count();
    let [bare, shadowed, treadle] = [0, 1, 2].map(complete);
    let both: Vec<&[Measured; 3]> =
        rows.iter().map(|(_, measured)| measured).filter(|measured| ratio(measured).is_some()).collect();
    let equal: Vec<&[Measured; 3]> = both.iter().copied().filter(|measured| agree(measured)).collect();
    let mut text = format!(
        "At its end: loom {bare}, loom with shadow words {shadowed}, treadle {treadle} of {} models.\n",
        rows.len()
    );
    text.push_str(&side_by_side("Where the latter two are", &both));
    text.push_str(&side_by_side("Where their outcomes are the same, too", &equal));
    text
}

fn side_by_side(which: &str, rows: &[&[Measured; 3]]) -> String {
    let mut ratios: Vec<f64> = rows.iter().filter_map(|measured| ratio(measured)).collect();
    ratios.sort_by(f64::total_cmp);
    let seconds = |index: usize| rows.iter().map(|measured| measured[index].seconds).sum::<f64>();
    let (Some(least), Some(median)) = (ratios.first(), ratios.get(ratios.len() / 2)) else {
        return format!("{which}: none.\n");
    };
    format!(
        "{which} ({}): {median:.1} times fewer executions in the median, {least:.1} at least; {:.1} s against {:.1} s, \
         {:.1} times less.\n",
        rows.len(),
        seconds(1),
        seconds(2),
        seconds(1) / seconds(2),
    )
}

//! What was checked, in numbers: how many of all programs, and how many executions that took.

use serde::{Deserialize, Serialize};
use std::fmt::Write as _;
use std::io;
use std::path::Path;

/// All programs of one object up to one size.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// The object.
    pub object: String,
    /// Threads at most.
    pub threads: usize,
    /// Operations at most, of all threads together.
    pub operations: usize,
    /// Whether each thread was killed at each step.
    pub kills: bool,
    /// Whether threads also met elsewhere.
    pub meets: bool,
    /// Runs of a program, after which it is not checked.
    pub budget: u64,
    /// All programs that there are, threads told apart.
    pub programs: u64,
    /// Those that are not the same as another one.
    pub distinct: u64,
    /// Of those, the ones whose every execution has a witness.
    pub checked: u64,
    /// How many executions these have.
    pub executions: u64,
}

impl Row {
    /// Whether another row is of the same programs.
    #[must_use]
    pub fn is_of_the_same(&self, other: &Self) -> bool {
        let key = |row: &Self| (row.object.clone(), row.threads, row.operations, row.kills, row.meets);
        key(self) == key(other)
    }
}

/// The rows that are kept in a file.
///
/// # Errors
/// If it cannot be read, or is no such file.
pub fn read(file: &Path) -> io::Result<Vec<Row>> {
    Ok(serde_json::from_str(&std::fs::read_to_string(file)?)?)
}

/// The rows as they are kept.
#[must_use]
pub fn text(rows: &[Row]) -> String {
    let lines: Vec<String> = rows.iter().filter_map(|row| serde_json::to_string(row).ok()).collect();
    format!("[\n  {}\n]\n", lines.join(",\n  "))
}

/// The rows for people.
#[must_use]
pub fn table(rows: &[Row]) -> String {
    let mut table = format!(
        "{:<11} {:>7} {:>10} {:>5} {:>5} {:>9} {:>8} {:>8} {:>11}\n",
        "object", "threads", "operations", "kills", "meets", "programs", "distinct", "checked", "executions"
    );
    for row in rows {
        let yes = |yes: bool| if yes { "yes" } else { "no" };
        let _ = writeln!(
            table,
            "{:<11} {:>7} {:>10} {:>5} {:>5} {:>9} {:>8} {:>8} {:>11}",
            row.object,
            row.threads,
            row.operations,
            yes(row.kills),
            yes(row.meets),
            row.programs,
            row.distinct,
            row.checked,
            row.executions
        );
    }
    table
}

//! A history as lanes: a column for each thread, an operation in each row, time going down.
//!
//! The order is a partial one, so rows say little: operations of different threads overlap unless the remark at the end of
//! the later one says that the other was over.

use crate::history::{End, Entry, History};
use core::fmt::Display;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Draws a history. `name` says how a thread is called.
#[must_use]
pub fn draw<O: Display, R: Display>(history: &History<O, R>, name: &dyn Fn(usize) -> String) -> String {
    const GAP: usize = 2;
    let order = in_order(history);
    let cells: Vec<String> = history.entries().iter().map(cell).collect();
    let mut widths: BTreeMap<usize, usize> = BTreeMap::new();
    for (entry, cell) in history.entries().iter().zip(&cells) {
        let width = widths.entry(entry.thread).or_insert_with(|| name(entry.thread).chars().count() + GAP);
        *width = (*width).max(cell.chars().count() + GAP);
    }
    let header: String = widths.iter().map(|(thread, width)| format!("{:width$}", name(*thread))).collect();
    let mut text = format!("      {}\n", header.trim_end());
    let row_of = |index: usize| order.iter().position(|other| *other == index).map_or(0, |row| row + 1);
    for (row, &index) in order.iter().enumerate() {
        let entry = &history.entries()[index];
        let line: String = widths
            .iter()
            .map(|(thread, width)| {
                format!("{:width$}", if *thread == entry.thread { cells[index].as_str() } else { "" })
            })
            .collect();
        let list = |rows: Vec<usize>| {
            let rows: Vec<String> = rows.into_iter().map(|other| row_of(other).to_string()).collect();
            rows.join(", ")
        };
        let remarks = [(" after ", earlier(history, index)), (" knows nothing of ", hidden(history, index))];
        let remarks: String = remarks
            .into_iter()
            .filter(|(_, rows)| !rows.is_empty())
            .map(|(what, rows)| format!("{what}{}", list(rows)))
            .collect();
        let _ = writeln!(text, "{}", format!("{:>4}  {line}{remarks}", row + 1).trim_end());
    }
    text
}

fn cell<O: Display, R: Display>(entry: &Entry<O, R>) -> String {
    let Entry { operation, end, .. } = entry;
    match end {
        End::Returned(outcome) => format!("{operation} -> {outcome}"),
        End::Pending => format!("{operation} -> ?"),
        End::Blocked => format!("{operation} waits for ever"),
    }
}

/// The operations, each after those that were over when it began; else as they were added.
fn in_order<O, R>(history: &History<O, R>) -> Vec<usize> {
    let length = history.entries().len();
    let mut order: Vec<usize> = Vec::with_capacity(length);
    while let Some(next) = (0..length).find(|index| {
        let is_placed = |earlier: usize| order.contains(&earlier);
        !is_placed(*index) && (0..length).all(|earlier| !history.is_before(earlier, *index) || is_placed(earlier))
    }) {
        order.push(next);
    }
    order
}

/// What was over in other threads when an operation began, and was not when the one before it began, or any in between.
fn earlier<O, R>(history: &History<O, R>, later: usize) -> Vec<usize> {
    let all = || 0..history.entries().len();
    let is_implied =
        |earlier: usize| all().any(|between| history.is_before(earlier, between) && history.is_before(between, later));
    let of_others = |earlier: &usize| history.entries()[*earlier].thread != history.entries()[later].thread;
    all().filter(|earlier| history.is_before(*earlier, later) && of_others(earlier) && !is_implied(*earlier)).collect()
}

fn hidden<O, R>(history: &History<O, R>, later: usize) -> Vec<usize> {
    (0..history.entries().len()).filter(|earlier| !history.is_known(*earlier, later)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::specifications::SemaphoreOperation::{Acquire, Release};
    use crate::specifications::SemaphoreOutcome::Done;

    #[test]
    fn rows_say_what_came_before() {
        let mut history = History::new();
        let release = history.add(0, Release(1), End::Returned(Done));
        let taken = history.add(1, Acquire(1), End::Returned(Done));
        let waits = history.add(1, Acquire(1), End::Blocked);
        history.add(2, Acquire(1), End::Pending);
        history.precede(release, waits);
        history.hide(release, taken);
        let text = draw(&history, &|thread| ["A", "B", "C"][thread].to_owned());
        assert_eq!(
            text,
            "      A                  B                         C\n\
             \x20  1  release 1 -> done\n\
             \x20  2                     acquire 1 -> done                          knows nothing of 1\n\
             \x20  3                     acquire 1 waits for ever                   after 1\n\
             \x20  4                                               acquire 1 -> ?\n"
        );
    }
}

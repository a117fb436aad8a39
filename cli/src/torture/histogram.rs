//! Where workers were when they were killed. A point that was never hit was not tested.

use super::journal::Place;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write;

/// Kills at one point.
#[derive(Clone, Debug, Default)]
struct Hits {
    /// By the director, at any time, or by the worker itself before or after a call.
    here: u64,
    /// By the worker itself, before this step of its call.
    steps: Vec<u64>,
}

/// All kills.
#[derive(Debug, Default)]
pub(crate) struct Histogram {
    hits: BTreeMap<Place, Hits>,
    /// With no place written down.
    nowhere: u64,
}

/// One point, for a report.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    subject: &'static str,
    point: &'static str,
    kills: u64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    steps: Vec<u64>,
}

impl Histogram {
    /// A worker was killed there, before `step` of its call if it was armed.
    pub(crate) fn hit(&mut self, place: Option<Place>, step: Option<u32>) {
        let Some(place) = place else {
            self.nowhere += 1;
            return;
        };
        let hits = self.hits.entry(place).or_default();
        match step.and_then(|step| usize::try_from(step).ok()) {
            None => hits.here += 1,
            Some(step) => {
                hits.steps.resize(hits.steps.len().max(step + 1), 0);
                hits.steps[step] += 1;
            }
        }
    }

    /// All rows, those that were never hit too.
    pub(crate) fn rows(&self, names: &[(usize, &'static str, &'static [&'static str])]) -> Vec<Row> {
        let mut rows = Vec::new();
        for (subject, name, points) in names {
            for (point, text) in points.iter().enumerate() {
                let hits = self.hits.get(&Place { subject: *subject, point }).cloned().unwrap_or_default();
                let kills = hits.here + hits.steps.iter().sum::<u64>();
                rows.push(Row { subject: name, point: text, kills, steps: hits.steps });
            }
        }
        if self.nowhere > 0 {
            rows.push(Row { subject: "life", point: "just forked", kills: self.nowhere, steps: Vec::new() });
        }
        rows
    }
}

impl Row {
    /// As a line of a table.
    pub(crate) fn show(&self) -> String {
        let mut line = format!("  {:<10} {:<32} ", self.subject, self.point);
        let _ = match self.kills {
            0 => write!(line, "{:>8}", "never"),
            kills => write!(line, "{kills:>8}"),
        };
        if !self.steps.is_empty() {
            let missed = self.steps.iter().enumerate().filter(|(_, hits)| **hits == 0);
            let missed: Vec<usize> = missed.map(|(step, _)| step).collect();
            let (all, least) = (self.steps.len(), self.steps.iter().filter(|hits| **hits > 0).min().unwrap_or(&0));
            let _ = write!(line, "  {} of them before steps 0-{}", self.steps.iter().sum::<u64>(), all - 1);
            let _ = match &*missed {
                [] => write!(line, ", each at least {least} times"),
                missed => write!(line, ", never before {}", ranges(missed)),
            };
        }
        line
    }

    /// How many kills.
    pub(crate) fn kills(&self) -> u64 {
        self.kills
    }
}

/// `0-3, 7`.
fn ranges(steps: &[usize]) -> String {
    let runs = steps.chunk_by(|one, next| one + 1 == *next);
    let shown = runs.map(|run| match run {
        [one] => one.to_string(),
        run => format!("{}-{}", run[0], run[run.len() - 1]),
    });
    shown.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_that_was_never_hit_is_shown() {
        let mut histogram = Histogram::default();
        histogram.hit(Some(Place { subject: 0, point: 0 }), None);
        histogram.hit(Some(Place { subject: 0, point: 0 }), Some(2));
        histogram.hit(None, None);
        let rows = histogram.rows(&[(0, "mutex", &["in lock", "locked"])]);
        let shown: Vec<String> = rows.iter().map(Row::show).collect();
        assert!(shown[0].contains(" 2  1 of them before steps 0-2, never before 0-1"), "{shown:?}");
        assert!(shown[1].ends_with("never"), "{shown:?}");
        assert!(shown[2].contains("just forked"), "{shown:?}");
    }
}

//! The ledger: one row for each model and engine, in a form that machines read and people can.

pub mod blind;
pub mod proof;

pub use proof::Proof;

use crate::catalogue::Deviations;
use crate::explore::Verdict;
use crate::sweep::{Report, Settings};
use crate::world::{Bounds, Faults, Model};
use selvedge::sync::model::{Engine, Plan, WakeOrder};
use serde::{Deserialize, Serialize};
use std::fmt::Write as _;

/// One row.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Row {
    /// The model's name.
    pub model: String,
    /// The primitive.
    pub primitive: String,
    /// Ids of the properties.
    pub properties: String,
    /// The client in words.
    pub client: String,
    /// `loom`, `treadle` or `shuttle`.
    pub engine: String,
    /// What bounds the exploration, in words; `none` for complete ones.
    pub bound: String,
    /// Points at which somebody was killed or frozen.
    pub kill_points: u64,
    /// Points at which a second one was killed after a first kill.
    pub second_kill_points: u64,
    /// Explorations made: one for each planned fault.
    pub explorations: u64,
    /// Executions explored.
    pub executions: u64,
    /// Wall time. Not part of what two runs have in common.
    #[serde(skip)]
    pub seconds: f64,
    /// Whether nothing bounded it and it finished by itself.
    pub complete: bool,
    /// Rows of the conformance matrix that the engine gets wrong and the model touches, if sites were recorded.
    pub blind: Vec<String>,
    /// `pass`, `fail` or `inconclusive`.
    pub verdict: String,
    /// Message of a failure or limit.
    pub message: Option<String>,
    /// What was planned to happen in the failing exploration.
    pub plan: Option<String>,
    /// The failing execution.
    pub picture: Option<String>,
    /// The command that runs just this model.
    pub replay: String,
}

/// How an engine is called in the ledger.
#[must_use]
pub fn engine_name(engine: Engine) -> &'static str {
    match engine {
        Engine::Plain => "none",
        Engine::Loom => "loom",
        Engine::Shuttle => "shuttle",
        Engine::Treadle => "treadle",
    }
}

impl Row {
    /// The row for a report.
    #[must_use]
    pub fn new(model: &Model, settings: Settings, report: &Report) -> Self {
        let (verdict, message, picture) = match &report.verdict {
            Verdict::Pass => ("pass", None, None),
            Verdict::Fail(failure) => ("fail", Some(failure.message.clone()), Some(failure.picture.to_string())),
            Verdict::Inconclusive(why) => ("inconclusive", Some(why.clone()), None),
        };
        let engine = engine_name(settings.engine);
        let effort = match settings.engine {
            Engine::Shuttle => format!(" --schedules {}", settings.schedules),
            Engine::Treadle if settings.unbounded => " --unbounded".to_owned(),
            _ if settings.deeper != 0 => format!(" --deeper {}", settings.deeper),
            _ => String::new(),
        };
        Self {
            model: model.name.to_owned(),
            primitive: model.primitive().to_owned(),
            properties: model.properties.to_owned(),
            client: model.client.to_owned(),
            engine: engine.to_owned(),
            bound: bound(model, settings),
            kill_points: report.kill_points,
            second_kill_points: report.second_kill_points,
            explorations: report.explorations,
            executions: report.executions,
            seconds: report.time.as_secs_f64(),
            complete: report.complete,
            blind: blind::touched(settings.engine, &report.sites).into_iter().map(str::to_owned).collect(),
            verdict: verdict.to_owned(),
            message,
            plan: report.plan.as_ref().map(describe),
            picture,
            replay: format!("cargo prove --engine {engine}{effort} --filter '={}'", model.name),
        }
    }

    /// Whether the model passed.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.verdict == "pass"
    }

    /// A failure or a limit in full; `None` for a pass.
    #[must_use]
    pub fn explanation(&self) -> Option<String> {
        let message = self.message.as_ref()?;
        let mut text = format!("{} on {}: {}\n  {message}\n", self.model, self.engine, self.outcome());
        if let Some(plan) = &self.plan {
            let _ = writeln!(text, "  plan: {plan}");
        }
        if let Some(picture) = &self.picture {
            let _ = writeln!(text, "\n{picture}");
        }
        let _ = writeln!(text, "  again: {}", self.replay);
        Some(text)
    }

    /// The last column: whether it is complete, unless it has not passed at all.
    fn outcome(&self) -> &'static str {
        match (self.verdict.as_str(), self.complete) {
            ("pass", true) => "yes",
            ("pass", false) => "no",
            ("inconclusive", _) => "INCONCLUSIVE",
            _ => "FAILED",
        }
    }
}

fn bound(model: &Model, settings: Settings) -> String {
    if settings.engine == Engine::Shuttle {
        return format!("{} random schedules a plan", settings.schedules);
    }
    if settings.engine == Engine::Treadle {
        let deviations = |bound: Option<u32>| bound.map_or_else(|| "none".to_owned(), |n| format!("{n} deviations"));
        let Deviations { plain, faulty } = settings.deviations(model);
        return if plain == faulty || !has_planned_faults(&model.faults) {
            deviations(plain)
        } else {
            format!("{}; with faults {}", deviations(plain), deviations(faulty))
        };
    }
    let preemptions = |bound: Option<usize>| bound.map_or_else(|| "none".to_owned(), |n| format!("{n} preemptions"));
    let Bounds { plain, faulty } = settings.bounds(model);
    let mut words = preemptions(plain);
    if plain != faulty && has_planned_faults(&model.faults) {
        words.push_str(&format!("; with faults {}", preemptions(faulty)));
    }
    if settings.deeper > 0 && model.faults.no_wake_edge {
        words.push_str(&format!("; where wakes order nothing {}", preemptions(model.bounds.plain)));
    }
    words
}

fn has_planned_faults(faults: &Faults) -> bool {
    let stopped = [faults.victims.is_empty(), faults.frozen.is_empty(), faults.pairs.is_empty()];
    faults.spurious || faults.timeouts || stopped.contains(&false)
}

/// A plan in words.
#[must_use]
pub fn describe(plan: &Plan) -> String {
    let mut parts = Vec::new();
    if !plan.mortal.is_empty() {
        let undertakers = if plan.undertakers_die { ", and those who repair after them," } else { "" };
        parts.push(format!("lanes {:?}{undertakers} may be killed, {} in all", plan.mortal, plan.deaths));
    }
    for (lane, step) in &plan.kills {
        parts.push(format!("lane {lane} killed before step {step}"));
    }
    for (lane, step) in &plan.freezes {
        parts.push(format!("lane {lane} frozen before step {step}"));
    }
    for (lane, n) in &plan.timeouts {
        parts.push(format!("timed wait {n} of lane {lane} runs out"));
    }
    for (lane, n) in &plan.spurious {
        parts.push(format!("wait {n} of lane {lane} returns spuriously"));
    }
    if !plan.wake_edge {
        parts.push("wakes order nothing".to_owned());
    }
    if plan.wake_order == WakeOrder::Lifo {
        parts.push("last sleeper first".to_owned());
    }
    for mutation in plan.mutations.iter().flatten() {
        parts.push(format!("mutation {mutation:?}"));
    }
    if parts.is_empty() { "no faults".to_owned() } else { parts.join("; ") }
}

/// The rows as a table of text.
#[must_use]
pub fn table(rows: &[Row]) -> String {
    let header = ["model", "properties", "client", "engine", "bound", "kills", "executions", "seconds", "complete"];
    let cells = rows.iter().map(|row| {
        let kills = match row.second_kill_points {
            0 => row.kill_points.to_string(),
            second => format!("{} + {second}", row.kill_points),
        };
        vec![
            row.model.clone(),
            row.properties.clone(),
            row.client.clone(),
            row.engine.clone(),
            row.bound.clone(),
            kills,
            row.executions.to_string(),
            format!("{:.2}", row.seconds),
            row.outcome().to_owned(),
        ]
    });
    aligned(&header, &[5, 6, 7], cells)
}

/// Lines whose columns are aligned, those in `numbers` to the right.
pub(crate) fn aligned(header: &[&str], numbers: &[usize], rows: impl Iterator<Item = Vec<String>>) -> String {
    let header = header.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let lines: Vec<Vec<String>> = std::iter::once(header).chain(rows).collect();
    let columns = lines.iter().map(Vec::len).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns)
        .map(|column| lines.iter().filter_map(|line| line.get(column)).map(|cell| cell.chars().count()).max())
        .map(Option::unwrap_or_default)
        .collect();
    let mut text = String::new();
    for line in &lines {
        let cells: Vec<String> = line
            .iter()
            .zip(&widths)
            .enumerate()
            .map(
                |(column, (cell, width))| {
                    if numbers.contains(&column) { format!("{cell:>width$}") } else { format!("{cell:width$}") }
                },
            )
            .collect();
        let _ = writeln!(text, "{}", cells.join("  ").trim_end());
    }
    text
}

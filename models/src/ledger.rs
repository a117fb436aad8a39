//! The ledger: one row for each model and engine, in a form that machines read and people can.

use crate::explore::Verdict;
use crate::sweep::Report;
use crate::world::Model;
use selvedge::sync::model::Engine;
use serde::Serialize;

/// One row.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// The model's name.
    pub model: &'static str,
    /// The primitive.
    pub primitive: &'static str,
    /// Ids of the properties.
    pub properties: &'static str,
    /// The client in words.
    pub client: &'static str,
    /// `loom` or `shuttle`.
    pub engine: &'static str,
    /// What bounds the exploration, in words; `none` for complete ones.
    pub bound: String,
    /// Points at which somebody was killed or frozen.
    pub kill_points: u64,
    /// Points at which the undertaker was killed after a first kill.
    pub second_kill_points: u64,
    /// Explorations made: one for each planned fault.
    pub explorations: u64,
    /// Executions explored.
    pub executions: u64,
    /// Wall time.
    pub seconds: f64,
    /// Whether nothing bounded it and it finished by itself.
    pub complete: bool,
    /// `pass`, `fail` or `inconclusive`.
    pub verdict: &'static str,
    /// Message of a failure or limit.
    pub message: Option<String>,
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
    }
}

impl Row {
    /// The row for a report.
    #[must_use]
    pub fn new(model: &Model, engine: Engine, report: &Report) -> Self {
        let (verdict, message, picture) = match &report.verdict {
            Verdict::Pass => ("pass", None, None),
            Verdict::Fail(failure) => ("fail", Some(failure.message.clone()), Some(failure.picture.clone())),
            Verdict::Inconclusive(why) => ("inconclusive", Some(why.clone()), None),
        };
        let message = message.map(|message| match &report.plan {
            Some(plan) => format!("{message}\n  plan: {}", describe(plan)),
            None => message,
        });
        let bound = match engine {
            Engine::Shuttle => "random schedules".to_owned(),
            _ => match (model.bounds.plain, model.bounds.faulty) {
                (None, None) => "none".to_owned(),
                (None, Some(faulty)) if has_faults(model) => format!("{faulty} preemptions with faults"),
                (None, Some(_)) => "none".to_owned(),
                (Some(plain), Some(faulty)) if plain != faulty => format!("{plain} preemptions, {faulty} with faults"),
                (Some(plain), _) => format!("{plain} preemptions"),
            },
        };
        Self {
            model: model.name,
            primitive: model.primitive(),
            properties: model.properties,
            client: model.client,
            engine: engine_name(engine),
            bound,
            kill_points: report.kill_points,
            second_kill_points: report.second_kill_points,
            explorations: report.explorations,
            executions: report.executions,
            seconds: report.time.as_secs_f64(),
            complete: report.complete,
            verdict,
            message,
            picture,
            replay: format!("cargo prove --engine {} --filter '={}'", engine_name(engine), model.name),
        }
    }
}

fn has_faults(model: &Model) -> bool {
    let faults = model.faults;
    faults.spurious || faults.timeouts || !faults.victims.is_empty() || !faults.frozen.is_empty()
}

fn describe(plan: &selvedge::sync::model::Plan) -> String {
    let mut parts = Vec::new();
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
    if plan.wake_order == selvedge::sync::model::WakeOrder::Lifo {
        parts.push("last sleeper first".to_owned());
    }
    if let Some(mutation) = plan.mutation {
        parts.push(format!("mutation {mutation:?}"));
    }
    if parts.is_empty() { "no faults".to_owned() } else { parts.join("; ") }
}

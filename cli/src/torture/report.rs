//! What `torture` says: the seed at the beginning, progress, and at the end the histogram, or what was found.

use super::Session;
use super::director::Tally;
use super::fault::{Fault, Outcome};
use super::histogram::Row;
use super::{hunt, worker};
use crate::arguments::Torture;
use crate::failure::{Code, Failure, Stop};
use serde::Serialize;
use std::io::{IsTerminal, Write, stderr, stdout};
use std::time::{Duration, Instant};

pub(crate) struct Report<'a> {
    torture: &'a Torture,
    seed: u64,
    json: bool,
    begin: Instant,
}

/// What a run came to, in JSON.
#[derive(Serialize)]
struct Result {
    command: &'static str,
    seed: u64,
    processes: u32,
    seconds: f64,
    kills: u64,
    kills_in_hunts: u64,
    kills_per_minute: u64,
    #[serde(flatten)]
    tally: Tally,
    /// Whether steps were counted in this build.
    steps: bool,
    points: Vec<Row>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fault: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    acts: Vec<String>,
}

impl<'a> Report<'a> {
    pub(crate) fn new(torture: &'a Torture, seed: u64, json: bool) -> Self {
        Self { torture, seed, json, begin: Instant::now() }
    }

    /// Says the seed, so that it is known even if nothing else will be.
    pub(crate) fn begin(&self) {
        if !self.json {
            eprintln!("selvedge: torture with --seed {} --processes {}", self.seed, self.torture.processes);
        }
    }

    pub(crate) fn progress(&self, session: &Session, elapsed: Duration) {
        if !self.json && stderr().is_terminal() {
            let (kills, rounds) = (session.kills(), session.director.tally.rounds);
            eprintln!("selvedge: {kills} kills in {rounds} rounds, {:.0} s", elapsed.as_secs_f64());
        }
    }

    /// Prints what it came to. The exit code: done, interrupted, or failed.
    pub(crate) fn end(&self, session: &Session, outcome: Outcome<Option<Stop>>) -> std::result::Result<Code, Failure> {
        let fault = outcome.as_ref().err().map(Fault::to_string);
        let seconds = self.begin.elapsed().as_secs_f64();
        let kills = session.kills();
        let result = Result {
            command: "torture",
            seed: self.seed,
            processes: self.torture.processes,
            seconds,
            kills,
            kills_in_hunts: session.killed_in_hunts,
            kills_per_minute: per_minute(kills, seconds),
            tally: session.director.tally.clone(),
            steps: cfg!(feature = "steps"),
            points: rows(session),
            acts: if fault.is_some() { session.director.last_acts() } else { Vec::new() },
            fault,
        };
        let text = if self.json { json(&result)? } else { table(&result) };
        stdout().write_all(text.as_bytes()).map_err(Failure::Output)?;
        if let (Some(fault), false) = (&result.fault, self.json) {
            eprintln!("selvedge: a promise was not kept, {seconds:.1} s and {kills} kills after the beginning");
            eprintln!("  {fault}");
            for act in &result.acts {
                eprintln!("  before: {act}");
            }
            eprintln!("  the plan: --seed {} --processes {}", self.seed, self.torture.processes);
        }
        Ok(match outcome {
            Err(_) => Code::Failed,
            Ok(Some(stop)) => {
                if !self.json {
                    eprintln!("selvedge: interrupted");
                }
                stop.code()
            }
            Ok(None) => Code::Done,
        })
    }
}

fn per_minute(kills: u64, seconds: f64) -> u64 {
    Duration::try_from_secs_f64(seconds)
        .ok()
        .and_then(|time| (u128::from(kills) * 60_000).checked_div(time.as_millis()))
        .and_then(|rate| u64::try_from(rate).ok())
        .unwrap_or(0)
}

fn rows(session: &Session) -> Vec<Row> {
    let subjects = &session.director.subjects;
    let mut names: Vec<_> =
        subjects.iter().enumerate().map(|(index, subject)| (index, subject.name(), subject.points())).collect();
    if !names.is_empty() {
        // Nobody is killed at rest, the last of the points.
        names.push((worker::LIFE, "life", &worker::POINTS[..worker::RESTING.point]));
    }
    let mut rows = session.director.histogram.rows(&names);
    if session.hunts {
        rows.extend(session.hunted.rows(&[(hunt::SUBJECT, hunt::NAME, hunt::POINTS)]));
    }
    rows
}

fn json(result: &Result) -> std::result::Result<String, Failure> {
    let line = serde_json::to_string(result).map_err(|error| Failure::Output(error.into()))?;
    Ok(format!("{line}\n"))
}

fn table(result: &Result) -> String {
    let Tally { rounds, stops, turns, exits, returns, regions, .. } = &result.tally;
    let mut text = format!(
        "{} kills in {:.1} s ({} a minute), {} of them of spinning owners\n",
        result.kills, result.seconds, result.kills_per_minute, result.kills_in_hunts
    );
    text.push_str(&format!(
        "{rounds} rounds, {turns} turns, {stops} stops, {exits} workers left, {returns} attached again, {regions} regions\n"
    ));
    text.push_str("where workers were when they were killed:\n");
    for row in &result.points {
        text.push_str(&row.show());
        text.push('\n');
    }
    let never = result.points.iter().filter(|row| row.kills() == 0).count();
    text.push_str(&format!("{} points, {never} of them never hit\n", result.points.len()));
    text
}

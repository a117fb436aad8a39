//! The report as a page of Markdown.

mod wrong;

use super::{Evidence, Places};
use crate::audit::pairs::Together;
use crate::audit::{Row, Verdict, by_whom, headline_of};
use crate::clients;
use crate::ledger::{Proof, blind, engine_name};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

/// The page.
#[must_use]
pub fn page(evidence: &Evidence) -> String {
    let Evidence { name, places: Places { kept, .. }, .. } = evidence;
    let mut page = format!("# Proofs\n\n{}.\n\n", headline_of(&evidence.audit, &evidence.survivors));
    let _ = write!(
        page,
        "What the models of {name} show, how far they were explored, and which of them notices it if an ordering of the source is weaker. This page is \
         made from `{kept}ledger.json`, `{kept}audit.json`, `{kept}survivors.toml`, `{kept}clients.json` and `{kept}faults/` by `cargo prove report --write`. The tests \
         compare this page with those files, and the ledger and the clients with what they find; `cargo prove audit` does so with the audit.\n\n",
    );
    summary(&mut page, evidence);
    by_property(&mut page, evidence);
    if !evidence.clients.is_empty() {
        small_clients(&mut page, evidence);
    }
    ledger(&mut page, evidence);
    blind_spots(&mut page);
    audit(&mut page, evidence);
    wrong::section(&mut page, evidence);
    page
}

fn summary(page: &mut String, evidence: &Evidence) {
    let models: BTreeSet<&str> = evidence.proofs.iter().map(|proof| proof.model.as_str()).collect();
    let _ = writeln!(page, "| engine | models | complete | explorations | executions | kill points | second kills |");
    let _ = writeln!(page, "|---|---:|---:|---:|---:|---:|---:|");
    for engine in ["treadle", "loom", "shuttle"] {
        let rows: Vec<&Proof> = evidence.proofs.iter().filter(|proof| proof.engine == engine).collect();
        let sum = |part: fn(&Proof) -> u64| rows.iter().map(|proof| part(proof)).sum::<u64>();
        let _ = writeln!(
            page,
            "| {engine} | {} | {} | {} | {} | {} | {} |",
            rows.len(),
            rows.iter().filter(|proof| proof.complete).count(),
            sum(|proof| proof.explorations),
            sum(|proof| proof.executions),
            sum(|proof| proof.kill_points),
            sum(|proof| proof.second_kill_points),
        );
    }
    let _ = writeln!(
        page,
        "\n{} models. **Complete** means that every execution of the model was explored, with every point at which its victims can be \
         killed; the word *exhaustive* is for those alone. All others are bounded as their row says.\n",
        models.len()
    );
}

fn by_property(page: &mut String, evidence: &Evidence) {
    page.push_str("## Properties\n\n| id | what holds | models | of them complete |\n|---|---|---:|---:|\n");
    for property in &evidence.properties {
        let checks = |proof: &&Proof| proof.properties.split(' ').any(|id| id == property.id);
        let mut models: BTreeMap<&str, bool> = BTreeMap::new();
        for proof in evidence.proofs.iter().filter(checks) {
            *models.entry(&proof.model).or_default() |= proof.complete;
        }
        let complete = models.values().filter(|complete| **complete).count();
        let _ = writeln!(page, "| {} | {} | {} | {complete} |", property.id, property.what, models.len());
    }
    page.push('\n');
}

fn small_clients(page: &mut String, evidence: &Evidence) {
    page.push_str(
        "## Small clients\n\nNot chosen by hand: all programs of so many threads and operations over an object's interface. \
         Distinct are those that are not the same as another one but for the order of threads or the names of values; checked, those of which every \
         execution has a witness in the sequential specification. With kills, a thread is killed at each of its steps. `cargo prove clients` \
         does it again.\n\n| object | threads | operations | kills | programs | distinct | checked | executions |\n\
         |---|---:|---:|---|---:|---:|---:|---:|\n",
    );
    for row in &evidence.clients {
        let _ = writeln!(
            page,
            "| {} | {} | {} | {}{} | {} | {} | {} | {} |",
            row.object,
            row.threads,
            row.operations,
            if row.kills { "yes" } else { "no" },
            if row.meets { ", threads meet elsewhere, too" } else { "" },
            row.programs,
            row.distinct,
            row.checked,
            row.executions,
        );
    }
    page.push('\n');
    coverage(page, evidence);
}

fn coverage(page: &mut String, evidence: &Evidence) {
    let clients::Size { threads, operations } = clients::coverage::ALL;
    let _ = writeln!(
        page,
        "Of all distinct programs of up to {threads} threads and {operations} operations, threads meeting nowhere else:\n\n\
         | object | kills | programs | checked | % |\n|---|---|---:|---:|---:|"
    );
    for one in &evidence.coverage {
        let kills = if one.kills { "yes" } else { "no" };
        let _ = writeln!(page, "| {} | {kills} | {} | {} | {} |", one.object, one.all, one.checked, one.percent());
    }
    page.push('\n');
}

fn ledger(page: &mut String, evidence: &Evidence) {
    page.push_str(
        "## Ledger\n\nOne table for each primitive. Kills: points at which somebody was killed or stopped, and, after the +, those at which a second one \
         was killed after a first. Blind: the rows of the conformance matrix below that the model touches. A row is run alone by `cargo prove --engine ENGINE \
         --filter =MODEL`.\n",
    );
    let primitives: BTreeSet<&str> = evidence.proofs.iter().map(Proof::primitive).collect();
    for primitive in primitives {
        let _ = writeln!(page, "\n### {primitive}\n");
        page.push_str("| model | properties | client | engine | bound | kills | executions | complete | blind |\n");
        page.push_str("|---|---|---|---|---|---:|---:|---|---|\n");
        for proof in evidence.proofs.iter().filter(|proof| proof.primitive() == primitive) {
            let kills = match proof.second_kill_points {
                0 => proof.kill_points.to_string(),
                second => format!("{} + {second}", proof.kill_points),
            };
            let blind: Vec<String> =
                proof.blind.iter().filter_map(|row| Some((mark_of(&proof.engine, row)?).to_string())).collect();
            let _ = writeln!(
                page,
                "| {} | {} | {} | {} | {} | {kills} | {} | {} | {} |",
                proof.model,
                proof.properties,
                proof.client,
                proof.engine,
                proof.bound,
                proof.executions,
                if proof.complete { "yes" } else { "no" },
                blind.join(" "),
            );
        }
    }
    page.push('\n');
}

/// The number of a blind row, from 1.
fn mark_of(engine: &str, row: &str) -> Option<usize> {
    let place = blind::ALL.iter().position(|blind| engine_name(blind.engine) == engine && blind.row == row)?;
    Some(place + 1)
}

fn blind_spots(page: &mut String) {
    page.push_str(
        "## What the engines do not see\n\nThe kinds of things that hide behind the numbers above, each by a row of the conformance matrix that shows it; the whole matrix, false alarms \
         included, is in `models/tests/snapshots/conformance__matrix.snap`, and what is taken for granted of the kernel and of compilers in \
         `assumptions__rows.snap` beside it.\n\n| | engine | row | what |\n|---:|---|---|---|\n",
    );
    for (place, blind) in blind::ALL.iter().enumerate() {
        let _ = writeln!(page, "| {} | {} | {} | {} |", place + 1, engine_name(blind.engine), blind.row, blind.what);
    }
    page.push('\n');
}

fn pairs(page: &mut String, pairs: &[Together]) {
    let noticed: Vec<&Together> = pairs.iter().filter(|pair| pair.verdict == Verdict::Killed).collect();
    let _ = writeln!(
        page,
        "Two of what survives at once, within the same bounds (`cargo prove audit --pairs`): {} pairs, of which {} are noticed; to {} no \
         model comes in both places.\n",
        pairs.len(),
        noticed.len(),
        pairs.iter().filter(|pair| pair.models == 0).count(),
    );
    for Together { one, other, by, .. } in &noticed {
        let _ = writeln!(page, "- {one}, and {other}: {}", by.as_deref().unwrap_or_default());
    }
    if !noticed.is_empty() {
        page.push('\n');
    }
}

fn audit(page: &mut String, evidence: &Evidence) {
    let count = |verdict| evidence.audit.iter().filter(|row| row.verdict == verdict).count();
    let _ = writeln!(
        page,
        "## Is every ordering needed?\n\nEach ordering, fence, wait and wake of the primitives was weakened by one step at a time ({} ways in all): {} were noticed by a \
         model, {} by none within the bounds of the audit (few deviations from the plain execution, fewer than the ledger's), {} without an answer; of \
         those {} are justified in `{}survivors.toml`. `cargo prove audit` does it again.\n",
        evidence.audit.len(),
        count(Verdict::Killed),
        count(Verdict::Survivor),
        count(Verdict::Inconclusive),
        evidence.survivors.len(),
        evidence.places.kept,
    );
    if !evidence.survivors.is_empty() {
        page.push_str("| survivor | source | weaker | why it stays | blind row |\n|---|---|---|---|---|\n");
        for entry in &evidence.survivors {
            let blind = entry.blind.as_deref().unwrap_or("none");
            let _ = writeln!(
                page,
                "| {} | {} | {} | {} | {blind} |",
                entry.place(),
                entry.from,
                entry.to,
                entry.reason.replace('\n', " ").trim(),
            );
        }
        page.push('\n');
    }
    if !evidence.pairs.is_empty() {
        pairs(page, &evidence.pairs);
    }
    let files: BTreeSet<&str> = evidence.audit.iter().map(|row| row.place.file.as_str()).collect();
    for file in files {
        let _ = writeln!(page, "### {file}\n");
        page.push_str("| function | operation | source | weaker | noticed by |\n|---|---|---|---|---|\n");
        for Row { place, from, to, verdict, by, engine } in evidence.audit.iter().filter(|row| row.place.file == file) {
            let operation =
                if place.nth > 1 { format!("{} {}", place.operation, place.nth) } else { place.operation.clone() };
            let by = match (verdict, by) {
                (Verdict::Killed, Some(by)) => by_whom(Some(by), engine.as_deref()),
                _ => verdict.word().to_owned(),
            };
            let _ = writeln!(page, "| {} | {operation} | {from} | {to} | {by} |", place.function);
        }
        page.push('\n');
    }
}

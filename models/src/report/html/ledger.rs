//! The rows of the ledger.

use super::ids;
use super::table::{Column, number, table};
use crate::ledger::{Proof, blind, engine_name};
use crate::report::{Evidence, Noticed};
use maud::{Markup, html};

/// The engines, the one that counts first.
pub(super) const ENGINES: [&str; 3] = ["treadle", "loom", "shuttle"];

const COLUMNS: [Column; 8] = [
    ("model", false),
    ("properties", false),
    ("engine", false),
    ("bound", false),
    ("kills", true),
    ("executions", true),
    ("explored", false),
    ("blind", false),
];

/// The rows of one primitive.
pub(super) fn rows(evidence: &Evidence, primitive: &str) -> Markup {
    let mut last = "";
    let mut rows = Vec::new();
    let mut proofs: Vec<&Proof> = evidence.proofs.iter().filter(|proof| proof.primitive() == primitive).collect();
    proofs.sort_by_key(|proof| (&proof.model, ENGINES.iter().position(|engine| *engine == proof.engine)));
    for proof in proofs {
        rows.push(row(proof, proof.model != last));
        last = &proof.model;
    }
    html! {
        p {
            "Kills: points at which somebody was killed or stopped, and, after the +, those at which a second one was killed after a first. Blind: "
            "what the engine " a href="#blind-spots" { "does not see" } " and the model touches. Below each model are its client and the command that runs that "
            "row alone."
        }
        (table(&format!("Ledger of {primitive}"), &COLUMNS, &rows))
    }
}

fn row(proof: &Proof, is_first_of_model: bool) -> Markup {
    let properties = proof.properties.split(' ');
    html! {
        tr.ledger {
            th scope="row" id=[is_first_of_model.then(|| ids::model(&proof.model))] {
                (name(&proof.model)) br; span.client { (proof.client) } br; code.replay { (proof.replay) }
            }
            td { @for id in properties { a href={ "#property-" (id) } { (id) } " " } }
            td { (proof.engine) }
            td { (proof.bound) }
            td.number data-value=(proof.kill_points + proof.second_kill_points) { (kills(proof)) }
            (number(proof.executions))
            td.explored { @if proof.complete { strong { "exhaustive" } } @else { "bounded" } }
            td {
                @for row in &proof.blind {
                    @if let Some(place) = place_of(&proof.engine, row) {
                        a href={ "#blind-" (place) } title=(row) { (place) } " "
                    }
                }
            }
        }
    }
}

/// A model's name, the part after the slash on its own so that it can break.
fn name(model: &str) -> Markup {
    let (primitive, scenario) = model.split_once('/').unwrap_or(("", model));
    html! { span.of { (primitive) "/" } wbr; (scenario) }
}

fn kills(proof: &Proof) -> String {
    match proof.second_kill_points {
        0 => proof.kill_points.to_string(),
        second => format!("{} + {second}", proof.kill_points),
    }
}

/// The number of a blind row, from 1.
fn place_of(engine: &str, row: &str) -> Option<usize> {
    let place = blind::ALL.iter().position(|blind| engine_name(blind.engine) == engine && blind.row == row)?;
    Some(place + 1)
}

/// Who notices a fault, with a link.
pub(super) fn noticed(evidence: &Evidence, by: &Noticed) -> Markup {
    match by {
        Noticed::Model(model) => link(evidence, model),
        Noticed::Clients { .. } => html! { a href="#clients" { (by) } },
    }
}

/// A link to the ledger's rows of a model.
pub(super) fn link(evidence: &Evidence, model: &str) -> Markup {
    let is_known = evidence.proofs.iter().any(|proof| proof.model == model);
    if is_known {
        html! { a href={ "#" (ids::model(model)) } { (name(model)) } }
    } else {
        name(model)
    }
}

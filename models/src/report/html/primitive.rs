//! The page of one primitive.

use super::table::{Column, table};
use super::{diagram, execution, ids, ledger, matrix, prose};
use crate::audit::Counterexample;
use crate::report::{Evidence, Header};
use maud::{Markup, html};

pub(super) fn page(evidence: &Evidence, header: &Header) -> Markup {
    let name = header.name.as_str();
    let names: Vec<&str> = evidence.headers.iter().map(|header| header.name.as_str()).collect();
    let diagrams: Vec<_> = evidence.states.iter().filter(|diagram| diagram.primitive == name).collect();
    let counterexamples: Vec<_> =
        evidence.counterexamples.iter().filter(|one| evidence.primitive_of(&one.place.file) == name).collect();
    html! {
        section.page id=(name) aria-labelledby={ (name) "-title" } {
            h1 id={ (name) "-title" } { (capital(&prose::spaced(name))) }
            p.what { (prose::inline(&capital(title_of(header)), &names)) }
            p { (prose::inline(&header.purpose, &names)) }
            p.source { "Source: " code { (evidence.places.sources) "/" (name) ".rs" } ", whose head has its layout, protocol, invariants and orderings." }
            h2 id={ (name) "-states" } { "States" }
            @if diagrams.is_empty() {
                p { "No word of its own: see the primitives that it is made of." }
            } @else {
                p {
                    "From executions of the models within few deviations; nothing is drawn by hand. An arrow bears the names of the functions in which the "
                    "change stands. Numbers are shown as 0, 1 and many; versions, turns and owners are left out."
                }
                @for diagram in diagrams { (diagram::figure(diagram)) }
            }
            h2 id={ (name) "-ledger" } { "Ledger" }
            (ledger::rows(evidence, name))
            h2 id={ (name) "-mutants" } { "Kill matrix" }
            (kill_matrix(evidence, name))
            (faults(evidence, name))
            @if !counterexamples.is_empty() {
                h2 id={ (name) "-executions" } { "Executions in which mutants were noticed" }
                p {
                    "For each mutant the execution with the fewest changes of lanes of those that were found. Time goes down. Below each operation is its "
                    "place in the source, and from which step the value comes that it read, or that it is the first value of the word; if that step is one "
                    "of another lane, an arrow leads from there. " em { "Old" } ": there was a newer value."
                }
                @for one in counterexamples { (counterexample(evidence, one)) }
            }
        }
    }
}

/// The first sentence, without the name before it.
fn title_of(header: &Header) -> &str {
    let name = prose::spaced(&header.name);
    match header.title.split_once(": ") {
        Some((before, after)) if before.eq_ignore_ascii_case(&name) => after,
        _ => &header.title,
    }
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

fn kill_matrix(evidence: &Evidence, name: &str) -> Markup {
    match matrix::matrix(evidence, name) {
        Some(matrix) => html! {
            p {
                "Each ordering, fence, wait and wake was weakened by one step at a time, and the models that reach it ran again, within few deviations. "
                em { "Killed" } ": the model that is named fails. " em { "Survivor" } ": none does. " em { "Inconclusive" } ": none does, and one hit a limit."
            }
            (matrix)
        },
        None => html! { p { "It has no ordering, fence, wait or wake that could be weaker." } },
    }
}

fn faults(evidence: &Evidence, name: &str) -> Markup {
    const COLUMNS: [Column; 4] = [("fault", false), ("what is wrong", false), ("breaks", false), ("noticed by", false)];
    let faults = evidence.faults.iter().filter(|fault| fault.is_of(name));
    let rows: Vec<Markup> = faults
        .map(|fault| {
            html! {
                tr {
                    th scope="row" { a href={ "#fault-" (fault.name) } { (prose::spaced(&fault.name)) } }
                    td { (fault.what) }
                    td { (fault.properties(&evidence.proofs)) }
                    td { (ledger::noticed(evidence, &fault.by)) }
                }
            }
        })
        .collect();
    html! {
        @if !rows.is_empty() {
            h2 id={ (name) "-faults" } { "Planted faults" }
            p { "The library is built with each of these faults in turn (" code { "ci/faults" } "); who is named must notice." }
            (table(&format!("Faults that models of {name} notice"), &COLUMNS, &rows))
        }
    }
}

fn counterexample(evidence: &Evidence, one: &Counterexample) -> Markup {
    let Counterexample { place, from, to, model, message, plan, picture } = one;
    let id = ids::counterexample(place, from, to);
    html! {
        details.counterexample {
            summary {
                code { (place.function) } " " (place.operation) @if place.nth > 1 { ", " (place.nth) "." } ": " (from) " → " (to)
            }
            div id=(id) {
                p { "Noticed by " (ledger::link(evidence, model)) ": " (message) }
                @if let Some(plan) = plan { p.plan { "Planned: " (plan) } }
                (execution::figure(picture, &id, message))
                p { "Again: " code { (one.replay()) } }
            }
        }
    }
}

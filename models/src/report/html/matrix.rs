//! The kill matrix of a primitive: sites against the weaker variants of each, and what the models say of them.

use super::table::{Column, table};
use super::{ids, ledger};
use crate::audit::{Place, Row, Verdict};
use crate::report::Evidence;
use maud::{Markup, html};
use std::collections::BTreeSet;

/// Weaker variants, in the order of the columns, with their heads.
const VARIANTS: [(&str, &str); 7] = [
    ("AcqRel", "→ AcqRel"),
    ("Acquire", "→ Acquire"),
    ("Release", "→ Release"),
    ("Relaxed", "→ Relaxed"),
    ("wake one", "→ wake one"),
    ("nothing", "→ nothing"),
    ("whatever it is", "→ whatever it is"),
];

/// The matrix, if the primitive has sites.
pub(super) fn matrix(evidence: &Evidence, primitive: &str) -> Option<Markup> {
    let rows: Vec<&Row> =
        evidence.audit.iter().filter(|row| evidence.primitive_of(&row.place.file) == primitive).collect();
    let used: BTreeSet<&str> = rows.iter().map(|row| row.to.as_str()).collect();
    let variants: Vec<(&str, &str)> = VARIANTS.into_iter().filter(|(to, _)| used.contains(to)).collect();
    let mut columns: Vec<Column> = vec![("function", false), ("operation", false), ("source", false)];
    columns.extend(variants.iter().map(|(_, head)| (*head, false)));
    let mut sites: Vec<(&Place, &str)> = Vec::new();
    for row in &rows {
        if sites.last() != Some(&(&row.place, row.from.as_str())) {
            sites.push((&row.place, &row.from));
        }
    }
    let several_files = rows.iter().any(|row| Some(&row.place.file) != rows.first().map(|row| &row.place.file));
    let lines: Vec<Markup> = sites
        .iter()
        .map(|(place, from)| {
            let cell = |to: &str| rows.iter().find(|row| row.place == **place && row.from == *from && row.to == to);
            html! {
                tr {
                    th scope="row" {
                        code { (place.function) }
                        @if several_files { br; span.place { (place.file) } }
                    }
                    td { (operation(place)) }
                    td { (from) }
                    @for (to, _) in &variants { (verdict(evidence, cell(to).copied())) }
                }
            }
        })
        .collect();
    (!rows.is_empty()).then(|| table(&format!("Kill matrix of {primitive}"), &columns, &lines))
}

fn operation(place: &Place) -> String {
    if place.nth > 1 { format!("{}, {}.", place.operation, place.nth) } else { place.operation.clone() }
}

fn verdict(evidence: &Evidence, row: Option<&Row>) -> Markup {
    let Some(row) = row else { return html! { td.none { span.unseen { "not weaker" } } } };
    html! {
        td class=(row.verdict.word()) {
            span.verdict { (row.verdict.word()) }
            @if row.verdict == Verdict::Survivor && is_listed(evidence, row) { " (" a href="#survivors" { "justified" } ")" }
            @if let Some(by) = &row.by { br; span.by { "by " (ledger::link(evidence, by)) @if let Some(engine) = &row.engine { " on " (engine) } } }
            @if let Some(id) = ids::counterexample_of(evidence, row) { br; a href={ "#" (id) } { "execution" } }
        }
    }
}

/// Whether a reason is given for a survivor.
pub(super) fn is_listed(evidence: &Evidence, row: &Row) -> bool {
    let is_of =
        |entry: &crate::audit::Survivor| entry.place() == row.place && entry.from == row.from && entry.to == row.to;
    evidence.survivors.iter().any(is_of)
}

//! What is wrong on purpose, and what notices it.

use super::review::page as section;
use super::table::{Column, table};
use super::{ledger, prose};
use crate::mutants::known::{self, Known, Planted};
use crate::report::faults::properties_of;
use crate::report::{Evidence, Fault};
use maud::{Markup, html};

/// The page.
pub(super) fn page(evidence: &Evidence) -> Markup {
    const FAULTS: [Column; 4] = [("fault", false), ("what is wrong", false), ("breaks", false), ("noticed by", false)];
    section(
        super::WRONG,
        &html! {
            @if !evidence.variants.is_empty() {
                (bugs_of_others(evidence))
                (variants(evidence))
            }
            h2 id="faults" { "Planted faults" }
            p {
                code { "ci/faults" } " builds the library with each of these " (evidence.faults.len()) " faults in turn; who is named must "
                "notice."
            }
            (table("Planted faults", &FAULTS, &evidence.faults.iter().map(|fault| row(evidence, fault)).collect::<Vec<_>>()))
        },
    )
}

fn row(evidence: &Evidence, fault: &Fault) -> Markup {
    html! {
        tr id={ "fault-" (fault.name) } {
            th scope="row" { (prose::spaced(&fault.name)) }
            td { (fault.what) }
            td { (fault.properties(&evidence.proofs)) }
            td { (ledger::noticed(evidence, &fault.by)) }
        }
    }
}

fn bugs_of_others(evidence: &Evidence) -> Markup {
    const COLUMNS: [Column; 4] = [("bug", false), ("seen in", false), ("planted as", false), ("noticed by", false)];
    let rows: Vec<Markup> = known::ALL
        .iter()
        .map(|Known { bug, seen, planted }| {
            html! {
                tr {
                    th scope="row" { (bug) }
                    td { (seen) }
                    td { @for planted in *planted { div { (prose::spaced(planted.name())) } } }
                    td { @for planted in *planted { div { (noticed(evidence, *planted)) } } }
                }
            }
        })
        .collect();
    html! {
        h2 id="bugs-of-others" { "Bugs that others had" }
        p { "Each is planted here, as a fault, as a variant of an algorithm, or as an exhibit of " code { "cargo prove gallery" } "." }
        (table("Bugs that others had", &COLUMNS, &rows))
    }
}

fn noticed(evidence: &Evidence, planted: Planted) -> Markup {
    let fault = || evidence.faults.iter().find(|fault| fault.name == planted.name());
    match (planted.variant(), planted.exhibit()) {
        (Some(variant), _) => ledger::link(evidence, variant.control.name),
        (None, Some(exhibit)) => html! { (exhibit.finding()) },
        (None, None) => html! { @if let Some(fault) = fault() { (ledger::noticed(evidence, &fault.by)) } },
    }
}

fn variants(evidence: &Evidence) -> Markup {
    const COLUMNS: [Column; 5] = [
        ("variant", false),
        ("what is wrong", false),
        ("breaks", false),
        ("model that must fail", false),
        ("failure says", false),
    ];
    let rows: Vec<Markup> = evidence
        .variants
        .iter()
        .map(|mutant| {
            html! {
                tr {
                    th scope="row" { (prose::spaced(mutant.name)) }
                    td { (mutant.bug) }
                    td { (properties_of(mutant.control.name, &evidence.proofs)) }
                    td { (ledger::link(evidence, mutant.control.name)) }
                    td { (mutant.fails_with) }
                }
            }
        })
        .collect();
    html! {
        h2 id="variants" { "Wrong variants" }
        p {
            "Copies of an algorithm with one step replaced. The copy without a replacement passes the same model (" code { "models/src/mutants/" }
            ")."
        }
        (table("Wrong variants", &COLUMNS, &rows))
    }
}

//! The report as one page of HTML that needs nothing but itself: no network, no fonts, no other file.
//!
//! It is one document of several *pages*, all of which are there and in order; a small script shows one at a time, makes
//! tables sortable and puts a filter beside long ones. Without scripts, and on paper, they follow each other.

mod diagram;
mod execution;
mod ids;
mod ledger;
mod matrix;
mod overview;
mod primitive;
mod prose;
mod review;
mod table;
mod wrong;

use super::Evidence;
use maud::{DOCTYPE, Markup, PreEscaped, html};

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("script.js");

/// The pages that are not about one primitive: id and title.
const REVIEW: [(&str, &str); 4] = [
    ("blind-spots", "What the engines do not see"),
    ("conformance", "Conformance matrix"),
    ("survivors", "Survivors"),
    (WRONG, "Wrong variants and planted faults"),
];
/// The page that is there only if a project has some.
const WRONG: &str = "wrong-variants";

/// The report.
#[must_use]
pub fn page(evidence: &Evidence) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { "Proofs of " (evidence.name) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                (arrows())
                a.skip href="#content" { "To the content" }
                (navigation(evidence))
                main #content tabindex="-1" {
                    (overview::page(evidence))
                    @for header in &evidence.headers { (primitive::page(evidence, header)) }
                    (review::blind_spots())
                    (review::conformance(evidence))
                    (review::survivors(evidence))
                    @if has_wrong_variants(evidence) { (wrong::page(evidence)) }
                }
                script { (PreEscaped(SCRIPT)) }
            }
        }
    };
    page.into_string()
}

fn has_wrong_variants(evidence: &Evidence) -> bool {
    !evidence.variants.is_empty() || !evidence.faults.is_empty()
}

/// The heads of the arrows in all pictures.
fn arrows() -> Markup {
    html! {
        svg.defs aria-hidden="true" width="0" height="0" {
            defs {
                @for (id, class) in [("arrow-step", "step-head"), ("arrow-reads", "reads-head")] {
                    marker id=(id) viewBox="0 0 10 10" refX="9" refY="5" markerWidth="8" markerHeight="8" orient="auto" {
                        path class=(class) d="M0 1 L10 5 L0 9 Z" {}
                    }
                }
            }
        }
    }
}

fn navigation(evidence: &Evidence) -> Markup {
    html! {
        nav aria-label="Pages" {
            p.title { (evidence.name) }
            ul { li { a href="#overview" { "Overview" } } }
            h2 { "Primitives" }
            ul {
                @for header in &evidence.headers {
                    li { a href={ "#" (header.name) } { (prose::spaced(&header.name)) } }
                }
            }
            h2 { "For review" }
            ul {
                @for (id, title) in REVIEW {
                    @if id != WRONG || has_wrong_variants(evidence) { li { a href={ "#" (id) } { (title) } } }
                }
            }
        }
    }
}

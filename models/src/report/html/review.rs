//! The pages for review: what the engines do not see, what survived, what is wrong on purpose.

use super::table::{Column, table};
use super::{ledger, matrix, prose};
use crate::audit::Verdict;
use crate::audit::pairs::Together;
use crate::ledger::{blind, engine_name};
use crate::report::Evidence;
use maud::{Markup, html};

/// A page.
pub(super) fn page(id: &str, content: &Markup) -> Markup {
    let title = super::REVIEW.iter().find(|(known, _)| *known == id).map_or(id, |(_, title)| title);
    html! {
        section.page id=(id) aria-labelledby={ (id) "-title" } {
            h1 id={ (id) "-title" } { (title) }
            (content)
        }
    }
}

pub(super) fn blind_spots() -> Markup {
    const COLUMNS: [Column; 4] = [("number", true), ("engine", false), ("row of the matrix", false), ("what", false)];
    let row = |(index, blind): (usize, &blind::Blind)| {
        html! {
            tr id={ "blind-" (index + 1) } {
                th scope="row" { (index + 1) }
                td { (engine_name(blind.engine)) }
                td { (blind.row) }
                td { (blind.what) }
            }
        }
    };
    let rows: Vec<Markup> = blind::ALL.iter().enumerate().map(row).collect();
    page(
        "blind-spots",
        &html! {
            p {
                "The kinds of things that hide behind the numbers of the ledger, each by a row of the " a href="#conformance" { "conformance matrix" }
                " that shows it. A row of the ledger names those that its model touches: it has operations of those kinds. Whether an error is hidden there "
                "in fact, it does not say."
            }
            (table("Blind spots", &COLUMNS, &rows))
        },
    )
}

/// The matrix as the test pins it: a head, lines of columns that are two spaces apart at least, and the differences.
pub(super) fn conformance(evidence: &Evidence) -> Markup {
    let text = evidence.matrix.splitn(3, "---\n").last().unwrap_or_default();
    let mut parts = text.splitn(3, "\n\n");
    let [about, lines, differences] = [parts.next(), parts.next(), parts.next()].map(Option::unwrap_or_default);
    let mut lines = lines.lines();
    let head = lines.next().unwrap_or_default();
    let starts = starts_of(head);
    let rows: Vec<Vec<&str>> = lines.map(|line| cells(line, &starts)).collect();
    page(
        "conformance",
        &html! {
            p { (about) " It is pinned by " code { "models/tests/conformance.rs" } ": a cell that changes fails the tests." }
            div.wide tabindex="0" role="group" aria-label="Conformance matrix" {
                table.sortable {
                    caption { "Conformance matrix" }
                    thead { tr { @for cell in cells(head, &starts) { th scope="col" { (cell) } } } }
                    tbody {
                        @for row in rows {
                            tr {
                                @for (index, cell) in row.into_iter().enumerate() {
                                    @if index == 0 { th scope="row" { (cell) } }
                                    @else if cell.contains(['+', '-']) { td.differs { (cell) } }
                                    @else { td { (cell) } }
                                }
                            }
                        }
                    }
                }
            }
            div.wide tabindex="0" role="group" aria-label="Differences" { pre { (differences) } }
        },
    )
}

/// Where the columns begin.
fn starts_of(head: &str) -> Vec<usize> {
    let chars: Vec<char> = head.chars().collect();
    let begins = |index: &usize| {
        let blank = |at: Option<usize>| at.and_then(|at| chars.get(at)).is_none_or(|c| *c == ' ');
        !blank(Some(*index)) && blank(index.checked_sub(1)) && blank(index.checked_sub(2))
    };
    (0..chars.len()).filter(begins).collect()
}

fn cells<'a>(line: &'a str, starts: &[usize]) -> Vec<&'a str> {
    let ends = starts.iter().skip(1).copied().chain([usize::MAX]);
    let cell = |(start, end): (&usize, usize)| line.get(*start..end.min(line.len())).unwrap_or_default().trim();
    starts.iter().zip(ends).map(cell).collect()
}

pub(super) fn survivors(evidence: &Evidence) -> Markup {
    const LISTED: [Column; 5] =
        [("site", false), ("source", false), ("weaker", false), ("why it stays", false), ("blind row", false)];
    const OTHERS: [Column; 4] = [("site", false), ("source", false), ("weaker", false), ("verdict", false)];
    let listed = evidence.survivors.iter().map(|entry| {
        let place = entry.place();
        html! {
            tr {
                th scope="row" { a href={ "#" (evidence.primitive_of(&place.file)) "-mutants" } { (place) } }
                td { (entry.from) }
                td { (entry.to) }
                td { (prose::inline(entry.reason.trim(), &[])) }
                td { (entry.blind.as_deref().unwrap_or("none")) }
            }
        }
    });
    let others =
        evidence.audit.iter().filter(|row| row.verdict != Verdict::Killed && !matrix::is_listed(evidence, row));
    let others: Vec<Markup> = others
        .map(|row| {
            html! {
                tr {
                    th scope="row" { a href={ "#" (evidence.primitive_of(&row.place.file)) "-mutants" } { (row.place) } }
                    td { (row.from) }
                    td { (row.to) }
                    td class=(row.verdict.word()) { (row.verdict.word()) }
                }
            }
        })
        .collect();
    page(
        "survivors",
        &html! {
            p {
                "What no model can tell from what the source says. Either the source is stronger than it needs to be, or a model is missing, or the difference "
                "cannot be seen by the engines: then it is listed in " code { (evidence.places.kept) "survivors.toml" } " with the reason why it stays."
            }
            h2 id="survivors-listed" { "With a reason" }
            (table("Justified survivors", &LISTED, &listed.collect::<Vec<_>>()))
            h2 id="survivors-others" { "Without a reason" }
            @if others.is_empty() {
                p { "None." }
            } @else {
                (table("Other mutants that no model notices", &OTHERS, &others))
            }
            @if !evidence.pairs.is_empty() { (pairs(evidence)) }
        },
    )
}

fn pairs(evidence: &Evidence) -> Markup {
    const COLUMNS: [Column; 5] =
        [("one", false), ("and", false), ("verdict", false), ("noticed by", false), ("models that come to both", true)];
    let row = |Together { one, other, verdict, by, models }: &Together| {
        html! {
            tr {
                th scope="row" { (one) }
                td { (other) }
                td class=(verdict.word()) { (verdict.word()) }
                td { @if let Some(by) = by { (ledger::link(evidence, by)) } }
                td.number data-value=(models) { (models) }
            }
        }
    };
    html! {
        h2 id="survivors-pairs" { "Two at once" }
        p {
            "Each of two may be redundant only because of the other (" code { "cargo prove audit --pairs" } "). What is noticed here may be weakened "
            "in one of the two places, and not in both; where no model comes to both, nothing is said."
        }
        (table("Pairs of survivors", &COLUMNS, &evidence.pairs.iter().map(row).collect::<Vec<_>>()))
    }
}

//! The first page: the audit in one line, the engines, the properties, the primitives.

use super::ledger::ENGINES;
use super::prose;
use super::prose::spaced;
use super::table::{Column, number, table};
use crate::audit::{Verdict, headline_of};
use crate::clients::Size;
use crate::clients::coverage::{ALL, Coverage};
use crate::ledger::Proof;
use crate::report::Evidence;
use maud::{Markup, html};
use std::collections::{BTreeMap, BTreeSet};

pub(super) fn page(evidence: &Evidence) -> Markup {
    let models: BTreeSet<&str> = evidence.proofs.iter().map(|proof| proof.model.as_str()).collect();
    html! {
        section.page #overview aria-labelledby="overview-title" {
            h1 id="overview-title" { "Proofs of " (evidence.name) }
            p.headline { strong { (headline_of(&evidence.audit, &evidence.survivors)) "." } }
            p {
                "This report says what the models of " (evidence.name) " show, how far each was explored, and which of them notices if an ordering, a fence, "
                "a wait or a wake of the source is weaker. It is made from files that are kept beside the source ("
                code { (evidence.places.kept) "ledger.json" } ", " code { "audit.json" } ", " code { "counterexamples.json" } ", " code { "states.json" } ", "
                code { "clients.json" } ", " code { "survivors.toml" } " and " code { "faults/" } ") by "
                code { "cargo prove report --html" } ". Tests compare the ledger, the states and the clients with what they find; "
                code { "cargo prove audit" } " does so with the audit."
            }
            h2 id="engines" { "How far the models were explored" }
            (engines(evidence))
            p {
                (models.len()) " models. An exploration is " em { "complete" } " if every execution of the model was explored, with every point at which its "
                "victims can be killed; the word " em { "exhaustive" } " is for those alone. All others are " em { "bounded" } " as their rows say. "
                "What an engine cannot see is told under " a href="#blind-spots" { "what the engines do not see" } "."
            }
            h2 id="properties" { "Properties" }
            (by_property(evidence))
            h2 id="primitives" { "Primitives" }
            (primitives(evidence))
            h2 id="clients" { "Small clients" }
            p {
                "Not chosen by hand: all programs of so many threads and operations over an object's interface. Distinct are those that are not the "
                "same as another one but for the order of threads or the names of values; checked, those of which every execution has a witness in the "
                "sequential specification. With kills, a thread is killed at each of its steps. " code { "cargo prove clients" } " does it again."
            }
            (clients(evidence))
            (coverage(evidence))
        }
    }
}

fn clients(evidence: &Evidence) -> Markup {
    let columns: [Column; 8] = [
        ("object", false),
        ("threads", true),
        ("operations", true),
        ("kills", false),
        ("programs", true),
        ("distinct", true),
        ("checked", true),
        ("executions", true),
    ];
    let size = |size: usize| number(u64::try_from(size).unwrap_or(u64::MAX));
    let rows: Vec<Markup> = evidence
        .clients
        .iter()
        .map(|row| {
            html! {
                tr {
                    th scope="row" { (row.object) }
                    (size(row.threads)) (size(row.operations))
                    td { @if row.kills { "yes" } @else { "no" } @if row.meets { ", threads meet elsewhere, too" } }
                    (number(row.programs)) (number(row.distinct)) (number(row.checked)) (number(row.executions))
                }
            }
        })
        .collect();
    table("All programs up to a size", &columns, &rows)
}

fn coverage(evidence: &Evidence) -> Markup {
    const COLUMNS: [Column; 5] =
        [("object", false), ("kills", false), ("programs", true), ("checked", true), ("%", true)];
    let Size { threads, operations } = ALL;
    let row = |one: &Coverage| {
        html! {
            tr {
                th scope="row" { (one.object) }
                td { @if one.kills { "yes" } @else { "no" } }
                (number(one.all)) (number(one.checked))
                td.number data-value=(one.percent()) { (one.percent()) }
            }
        }
    };
    let caption = format!(
        "Of all distinct programs of up to {threads} threads and {operations} operations, threads meeting nowhere else"
    );
    table(&caption, &COLUMNS, &evidence.coverage.iter().map(row).collect::<Vec<_>>())
}

fn engines(evidence: &Evidence) -> Markup {
    const COLUMNS: [Column; 7] = [
        ("engine", false),
        ("models", true),
        ("of them exhaustive", true),
        ("explorations", true),
        ("executions", true),
        ("kill points", true),
        ("second kills", true),
    ];
    let row = |engine: &&str| {
        let proofs: Vec<&Proof> = evidence.proofs.iter().filter(|proof| proof.engine == *engine).collect();
        let sum = |part: fn(&Proof) -> u64| number(proofs.iter().map(|proof| part(proof)).sum());
        html! {
            tr {
                th scope="row" { (engine) }
                (number(count(proofs.len())))
                (number(count(proofs.iter().filter(|proof| proof.complete).count())))
                (sum(|proof| proof.explorations))
                (sum(|proof| proof.executions))
                (sum(|proof| proof.kill_points))
                (sum(|proof| proof.second_kill_points))
            }
        }
    };
    table("Explorations by engine", &COLUMNS, &ENGINES.iter().map(row).collect::<Vec<_>>())
}

pub(super) fn count(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

fn by_property(evidence: &Evidence) -> Markup {
    const COLUMNS: [Column; 5] =
        [("id", false), ("what holds", false), ("models", true), ("exhaustive", true), ("bounded", true)];
    let row = |property: &crate::properties::Property| {
        let mut models: BTreeMap<&str, bool> = BTreeMap::new();
        for proof in evidence.proofs.iter().filter(|proof| proof.properties.split(' ').any(|id| id == property.id)) {
            *models.entry(&proof.model).or_default() |= proof.complete;
        }
        let complete = models.values().filter(|complete| **complete).count();
        html! {
            tr id={ "property-" (property.id) } {
                th scope="row" { (property.id) }
                td { (property.what) }
                (number(count(models.len())))
                (number(count(complete)))
                (number(count(models.len() - complete)))
            }
        }
    };
    table(
        "Properties, and the models that check them",
        &COLUMNS,
        &evidence.properties.iter().map(row).collect::<Vec<_>>(),
    )
}

fn primitives(evidence: &Evidence) -> Markup {
    const COLUMNS: [Column; 7] = [
        ("primitive", false),
        ("what it is", false),
        ("models", true),
        ("of them exhaustive", true),
        ("mutants killed", true),
        ("not killed", true),
        ("planted faults", true),
    ];
    let names: Vec<&str> = evidence.headers.iter().map(|header| header.name.as_str()).collect();
    let row = |header: &crate::report::Header| {
        let proofs = || evidence.proofs.iter().filter(|proof| proof.primitive() == header.name);
        let models: BTreeSet<&str> = proofs().map(|proof| proof.model.as_str()).collect();
        let complete: BTreeSet<&str> =
            proofs().filter(|proof| proof.complete).map(|proof| proof.model.as_str()).collect();
        let mutants = || evidence.audit.iter().filter(|row| evidence.primitive_of(&row.place.file) == header.name);
        let killed = mutants().filter(|row| row.verdict == Verdict::Killed).count();
        let faults = evidence.faults.iter().filter(|fault| fault.is_of(&header.name)).count();
        html! {
            tr {
                th scope="row" { a href={ "#" (header.name) } { (spaced(&header.name)) } }
                td { (prose::inline(&header.title, &names)) }
                (number(count(models.len())))
                (number(count(complete.len())))
                (number(count(killed)))
                (number(count(mutants().count() - killed)))
                (number(count(faults)))
            }
        }
    };
    table("Primitives", &COLUMNS, &evidence.headers.iter().map(row).collect::<Vec<_>>())
}

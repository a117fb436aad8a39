//! The report as HTML is well-formed, complete, and works in a browser.
#![cfg(loom)]
#![allow(missing_docs)]

#[path = "html/browser.rs"]
mod browser;

use scraper::{ElementRef, Html, Selector};
use selvedge_models::audit::headline_of;
use selvedge_models::catalogue;
use selvedge_models::command::Project;
use selvedge_models::report::{Evidence, html};
use std::collections::BTreeSet;
use std::sync::LazyLock;

static EVIDENCE: LazyLock<Evidence> = LazyLock::new(|| Evidence::read(&Project::selvedge()).expect("the evidence"));
static PAGE: LazyLock<String> = LazyLock::new(|| html::page(&EVIDENCE));

fn all<'a>(document: &'a Html, selector: &str) -> Vec<ElementRef<'a>> {
    document.select(&Selector::parse(selector).expect("a selector")).collect()
}

fn attributes<'a>(document: &'a Html, name: &str) -> Vec<&'a str> {
    all(document, &format!("[{name}]")).into_iter().filter_map(|element| element.attr(name)).collect()
}

fn text(element: ElementRef<'_>) -> String {
    element.text().collect::<String>().split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn it_is_well_formed_and_every_link_leads_somewhere() {
    let document = Html::parse_document(&PAGE);
    assert_eq!(document.errors, Vec::<std::borrow::Cow<'static, str>>::new());
    let ids = attributes(&document, "id");
    let unique: BTreeSet<&str> = ids.iter().copied().collect();
    assert_eq!(unique.len(), ids.len(), "an id is there twice");
    let links: Vec<&str> = attributes(&document, "href");
    let lost = |link: &&&str| link.strip_prefix('#').is_none_or(|id| !unique.contains(id));
    assert_eq!(links.iter().filter(lost).collect::<Vec<_>>(), Vec::<&&str>::new(), "links that lead nowhere, or out");
    assert!(links.len() > EVIDENCE.proofs.len(), "{} links", links.len());
    for name in ["aria-labelledby", "marker-end"] {
        for value in attributes(&document, name) {
            let id = value.trim_start_matches("url(#").trim_end_matches(')');
            assert!(unique.contains(id), "{name} names {value}");
        }
    }
    let unscoped: Vec<String> = all(&document, "th:not([scope])").into_iter().map(text).collect();
    assert_eq!(unscoped, Vec::<String>::new(), "heads without a scope");
}

#[test]
fn it_needs_nothing_but_itself() {
    let document = Html::parse_document(&PAGE);
    for name in ["src", "srcset", "action", "data", "poster", "background", "xlink:href"] {
        assert_eq!(attributes(&document, name.replace(':', "\\:").as_str()), Vec::<&str>::new(), "{name}");
    }
    let foreign = all(&document, "link, iframe, object, embed, img, base, form");
    assert!(foreign.is_empty(), "{:?}", foreign.first().map(|element| element.html()));
    let style: String = all(&document, "style").into_iter().map(|style| style.inner_html()).collect();
    assert!(!style.is_empty() && !style.contains("@import") && !style.contains("url("), "a style loads something");
}

#[test]
fn it_says_what_is_kept() {
    let document = Html::parse_document(&PAGE);
    let first = all(&document, "#overview > p").into_iter().next().expect("a first line");
    assert_eq!(text(first), format!("{}.", headline_of(&EVIDENCE.audit, &EVIDENCE.survivors)));
    for primitive in catalogue::all().iter().map(|model| model.primitive()).collect::<BTreeSet<_>>() {
        assert_eq!(all(&document, &format!("section.page#{primitive}")).len(), 1, "{primitive}");
    }
    assert_eq!(all(&document, "svg.states").len(), EVIDENCE.states.len());
    let edges: usize =
        EVIDENCE.states.iter().map(|diagram| diagram.steps.len() + usize::from(diagram.first.is_some())).sum();
    assert_eq!(all(&document, "svg.states path.step").len(), edges, "a step is not drawn");
    assert_eq!(all(&document, "svg.lanes").len(), EVIDENCE.counterexamples.len());
    assert!(!EVIDENCE.counterexamples.is_empty());
    let steps: usize = EVIDENCE.counterexamples.iter().map(|one| one.picture.steps.len()).sum();
    assert_eq!(all(&document, "svg.lanes g.operation").len(), steps, "a step of an execution is not drawn");
    let linked = all(&document, "td.killed > a[href^='#counterexample-']").len();
    assert_eq!(linked, EVIDENCE.counterexamples.len(), "an execution is not linked from the matrix");
    let verdicts = all(&document, "td > span.verdict").len();
    assert_eq!(verdicts, EVIDENCE.audit.len(), "a mutant is not in the matrix");
}

/// The word is for complete explorations alone.
#[test]
fn only_complete_rows_are_exhaustive() {
    let document = Html::parse_document(&PAGE);
    let rows = all(&document, "tr.ledger");
    assert_eq!(rows.len(), EVIDENCE.proofs.len());
    let [replay, explored] = ["code.replay", "td.explored"].map(|name| Selector::parse(name).expect("a selector"));
    for row in rows {
        let command = row.select(&replay).next().map(text).expect("a command");
        let proof = EVIDENCE.proofs.iter().find(|proof| proof.replay == command).expect("a row of the ledger");
        assert_eq!(text(row).contains("exhaustive"), proof.complete, "{command}");
        let said = row.select(&explored).next().map(text).expect("how far it was explored");
        assert_eq!(said, if proof.complete { "exhaustive" } else { "bounded" }, "{command}");
    }
}

#[test]
fn two_reports_are_the_same() {
    assert!(*PAGE == html::page(&EVIDENCE), "another one of the same evidence has other bytes");
}

/// What evidence says is text, whatever it is.
#[test]
fn what_is_kept_is_escaped() {
    const MARKUP: &str = "</script><b id=\"overview\" onclick='x()'>&amp;";
    let mut evidence = Evidence::read(&Project::selvedge()).expect("the evidence");
    evidence.proofs[0].client = MARKUP.to_owned();
    evidence.faults[0].what = MARKUP.to_owned();
    evidence.survivors[0].reason = MARKUP.to_owned();
    evidence.headers[0].purpose = MARKUP.to_owned();
    evidence.states[0].steps[0].by = vec![MARKUP.to_owned()];
    evidence.counterexamples[0].message = MARKUP.to_owned();
    evidence.counterexamples[0].picture.steps[0].does = MARKUP.to_owned();
    evidence.matrix = evidence.matrix.replace("SB relaxed", MARKUP);
    let page = html::page(&evidence);
    assert!(!page.contains(MARKUP) && page.contains("&lt;/script&gt;"));
    let document = Html::parse_document(&page);
    assert!(document.errors.is_empty(), "{:?}", document.errors);
    assert_eq!(all(&document, "[onclick]").len(), 0);
    assert_eq!(all(&document, "#overview").len(), 1);
    assert_eq!(all(&document, "script").len(), 1);
}

#[test]
fn it_works_in_a_browser() {
    let Some(browser) = browser::find() else { return };
    let seen = browser.open(&PAGE, include_str!("html/probe.js"));
    assert_eq!(seen.console, Vec::<String>::new(), "the console says something");
    let document = Html::parse_document(&seen.document);
    let probe =
        all(&document, "body").first().and_then(|body| body.attr("data-probe")).expect("the probe came to its end");
    let found: serde_json::Value = serde_json::from_str(probe).expect("what it found");
    let is = |name: &str, expected: serde_json::Value| assert_eq!(found[name], expected, "{name}: {found:#}");
    is("pages_at_first", serde_json::json!(["overview"]));
    is("lost", serde_json::json!([]));
    is("not_shown", serde_json::json!([]));
    is("sorted_up", true.into());
    is("sorted_down", true.into());
    is("sorted_by_text", true.into());
    is("rows_sorted", found["rows_unsorted"].clone());
    is("filtered", true.into());
    is("opened", true.into());
    is("ledger", EVIDENCE.proofs.len().into());
    let links = found["links"].as_u64().expect("a number");
    assert!(links >= u64::try_from(EVIDENCE.headers.len()).expect("few"), "{links} links");
}

//! What is wrong on purpose, and what notices it.

use crate::mutants::known::{self, Known, Planted};
use crate::report::Evidence;
use crate::report::faults::properties_of;
use std::fmt::Write as _;

/// The sections of it, if there is any.
pub(super) fn section(page: &mut String, evidence: &Evidence) {
    if !evidence.variants.is_empty() {
        bugs_of_others(page, evidence);
        variants(page, evidence);
    }
    if !evidence.faults.is_empty() {
        faults(page, evidence);
    }
}

fn bugs_of_others(page: &mut String, evidence: &Evidence) {
    page.push_str(
        "## Bugs that others had\n\nEach is planted here: as a fault (below), as a variant of an algorithm (below), or as an exhibit of \
         `cargo prove gallery`.\n\n| bug | seen in | planted as | noticed by |\n|---|---|---|---|\n",
    );
    for Known { bug, seen, planted } in known::ALL {
        let names: Vec<&str> = planted.iter().map(|planted| planted.name()).collect();
        let noticed: Vec<String> = planted.iter().map(|planted| noticed(evidence, *planted)).collect();
        let _ = writeln!(page, "| {bug} | {seen} | {} | {} |", names.join(", "), noticed.join(", "));
    }
    page.push('\n');
}

fn noticed(evidence: &Evidence, planted: Planted) -> String {
    let fault = || evidence.faults.iter().find(|fault| fault.name == planted.name());
    let variant = planted.variant().map(|variant| variant.control.name.to_owned());
    let exhibit = || planted.exhibit().map(|exhibit| exhibit.finding());
    variant.or_else(exhibit).or_else(|| fault().map(|fault| fault.by.to_string())).unwrap_or_default()
}

fn variants(page: &mut String, evidence: &Evidence) {
    page.push_str(
        "## Wrong variants\n\nCopies of an algorithm with one step replaced; the copy without a replacement passes the same model \
         (`models/src/mutants/`). A test fails if one is not noticed.\n\n| variant | what is wrong | breaks | noticed by |\n|---|---|---|---|\n",
    );
    for mutant in &evidence.variants {
        let model = mutant.control.name;
        let properties = properties_of(model, &evidence.proofs);
        let _ = writeln!(page, "| {} | {} | {properties} | {model} |", mutant.name, mutant.bug);
    }
    page.push('\n');
}

fn faults(page: &mut String, evidence: &Evidence) {
    let _ = writeln!(
        page,
        "## Faults that are planted\n\n`ci/faults` builds the library with each of these {} faults in turn; who is named must notice.\n\n| fault | what is wrong | breaks | noticed by |\n|---|---|---|---|",
        evidence.faults.len()
    );
    for fault in &evidence.faults {
        let properties = fault.properties(&evidence.proofs);
        let _ = writeln!(page, "| {} | {} | {properties} | {} |", fault.name, fault.what, fault.by);
    }
}

//! What is shown and not checked: the gallery, the engines side by side, the states, the report.

use super::progress::Progress;
use super::project::{Project, matches};
use crate::compare::{self, Contender};
use crate::gallery;
use crate::report::{self, Evidence};
use crate::states::{self, Diagram};
use crate::world::Model;
use std::io;
use std::path::Path;
use std::time::Duration;

pub(super) fn states(project: &Project, write: bool, threads: usize) -> io::Result<bool> {
    let diagrams = states::observe(&project.models, &project.root, threads).map_err(io::Error::other)?;
    if write {
        states::write(&project.file("states.json"), &diagrams)?;
        return Ok(true);
    }
    for Diagram { primitive, word, steps, .. } in diagrams {
        println!("{primitive}: {word}");
        steps.iter().for_each(|step| println!("  {} -> {}: {}", step.from, step.to, step.by.join(", ")));
    }
    Ok(true)
}

pub(super) fn comparison(models: &[Model], limit: Duration) -> io::Result<bool> {
    let bar = Progress::new(models.len(), 0, "models");
    let page = compare::run(models, limit, |name| bar.done(name))?;
    bar.finish();
    print!("{page}");
    Ok(true)
}

pub(super) fn measurement(project: &Project, model: &str, contender: &str, limit: Duration) -> io::Result<bool> {
    let model = project.models.iter().find(|known| known.name == model);
    let (Some(model), Some(contender)) = (model, Contender::named(contender)) else { return Ok(false) };
    println!("{}", serde_json::to_string(&compare::measure(model, contender, limit))?);
    Ok(true)
}

pub(super) fn gallery(filter: &str) -> io::Result<bool> {
    let mut as_expected = true;
    for exhibit in gallery::all().iter().filter(|exhibit| matches(exhibit.name, filter)) {
        let text = exhibit.show().unwrap_or_else(|text| {
            as_expected = false;
            text
        });
        println!("{text}\n");
    }
    Ok(as_expected)
}

pub(super) fn report(project: &Project, write: bool, html: Option<&Path>) -> io::Result<bool> {
    let evidence = Evidence::read(project)?;
    match html {
        Some(file) => std::fs::write(file, report::html::page(&evidence))?,
        None if write => std::fs::write(&project.page, report::page(&evidence))?,
        None => print!("{}", report::page(&evidence)),
    }
    Ok(true)
}

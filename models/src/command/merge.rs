//! `cargo prove merge`: the result of all shards, as if they had been one run.

use super::run::Run;
use super::{Arguments, Command, Project, audit, clients, models};
use crate::parts::{self, Done, Head, Part};
use clap::Parser as _;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io;
use std::path::PathBuf;

/// Merges these parts; false if something did not pass, or does not fit.
pub(super) fn run(project: &Project, files: &[PathBuf], asked: &Arguments) -> io::Result<bool> {
    let Some(first) = files.first() else { return Ok(false) };
    let head = parts::head_of(first)?;
    let version = project.version()?;
    if head.sources != version {
        let why = format!(
            "{}: it comes from other sources ({}) than this command ({version})",
            first.display(),
            head.sources
        );
        return Err(io::Error::other(why));
    }
    // Results of another kind could not even be read.
    for file in files {
        if let Some(difference) = parts::head_of(file)?.difference(&head) {
            return Err(io::Error::other(format!("{}: {difference}", file.display())));
        }
    }
    // As if that had been asked for now.
    let mut arguments = Arguments::try_parse_from([String::new()].iter().chain(&head.run)).map_err(io::Error::other)?;
    arguments.common.json.clone_from(&asked.common.json);
    arguments.common.times.clone_from(&asked.common.times);
    match &arguments.command {
        None => match merged(project, files, &arguments)? {
            Some((run, done)) => models::conclude(project, &arguments, run, done),
            None => Ok(false),
        },
        Some(Command::Audit(wishes)) if wishes.pairs => match merged(project, files, &arguments)? {
            Some((run, done)) => audit::conclude_pairs(project, wishes, &arguments.common, run, done),
            None => Ok(false),
        },
        Some(Command::Audit(wishes)) => match merged(project, files, &arguments)? {
            Some((run, done)) => audit::conclude(project, wishes, &arguments.common, run, done),
            None => Ok(false),
        },
        Some(Command::Clients(wishes)) => match merged(project, files, &arguments)? {
            Some((run, done)) => clients::conclude(project, wishes, run, done),
            None => Ok(false),
        },
        Some(_) => Err(io::Error::other(format!("`{}` has no parts", head.run.join(" ")))),
    }
}

/// The whole, if the parts make one; says what does not fit.
fn merged<'a, R: Serialize + DeserializeOwned>(
    project: &Project,
    files: &[PathBuf],
    arguments: &'a Arguments,
) -> io::Result<Option<(Run<'a>, Vec<Done<R>>)>> {
    let parts: io::Result<Vec<(PathBuf, Part<R>)>> =
        files.iter().map(|file| Ok((file.clone(), Part::read(file)?))).collect();
    match parts::merge(parts?) {
        Ok(Part { head: Head { run, units, .. }, done }) => {
            Ok(Some((Run::new(project, &arguments.common, run, units)?, done)))
        }
        Err(problems) => {
            problems.iter().for_each(|problem| eprintln!("{problem}"));
            Ok(None)
        }
    }
}

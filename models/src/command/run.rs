//! Runs units, all or those of a shard, from the beginning or from where an interrupted run was, and writes what came of them.

use super::progress::Progress;
use super::{Common, Project};
use crate::parallel;
use crate::parts::{Done, Head, Journal, Part, Shard};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// One run: what was asked for, and where what is found goes.
pub(super) struct Run<'a> {
    common: &'a Common,
    head: Head,
}

impl<'a> Run<'a> {
    /// The run of so many units that these arguments ask for.
    pub(super) fn new(project: &Project, common: &'a Common, arguments: Vec<String>, units: usize) -> io::Result<Self> {
        let shard = common.shard.unwrap_or(Shard::WHOLE);
        Ok(Self { common, head: Head { sources: project.version()?, run: arguments, units, shard } })
    }

    /// Runs those units of `jobs` that are asked for and not done already, and returns what came of all that are asked for.
    pub(super) fn carry_out<J: Sync, R: Send + Serialize + DeserializeOwned>(
        &self,
        what: &'static str,
        jobs: &[J],
        name: impl Fn(&J) -> String + Sync,
        work: impl Fn(&J) -> R + Sync,
    ) -> io::Result<Vec<Done<R>>> {
        let mine: Vec<(usize, &J)> =
            jobs.iter().enumerate().filter(|(number, _)| self.head.shard.has(*number)).collect();
        let (journal, known) = match &self.common.resume {
            Some(file) => Journal::open::<R>(file, &self.head).map(|(journal, known)| (Some(journal), known))?,
            None => (None, Vec::new()),
        };
        let mut all: BTreeMap<usize, Done<R>> = BTreeMap::new();
        for done in known {
            let job = jobs.get(done.number).filter(|_| self.head.shard.has(done.number));
            if job.is_none_or(|job| name(job) != done.unit) {
                return Err(io::Error::other(format!("the file to go on with has `{}`, which is no unit", done.unit)));
            }
            all.insert(done.number, done);
        }
        let left: Vec<(usize, &J)> = mine.iter().filter(|(number, _)| !all.contains_key(number)).copied().collect();
        let bar = Progress::new(mine.len(), all.len(), what);
        let problem = Mutex::new(None);
        let work = |(number, job): &(usize, &J)| {
            let start = Instant::now();
            let result = work(job);
            Done { number: *number, unit: name(job), seconds: start.elapsed().as_secs_f64(), result }
        };
        let note = |_: &_, done: &Done<R>| {
            if let Some(Err(error)) = journal.as_ref().map(|journal| journal.add(done)) {
                *problem.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
            }
            bar.done(&done.unit);
        };
        let found = parallel::map(&left, self.common.threads(), work, note);
        bar.finish();
        if let Some(error) = problem.into_inner().unwrap_or_else(PoisonError::into_inner) {
            return Err(error);
        }
        all.extend(found.into_iter().map(|done| (done.number, done)));
        Ok(all.into_values().collect())
    }

    /// Whether it is all that was asked for.
    pub(super) fn is_whole(&self) -> bool {
        self.head.shard == Shard::WHOLE
    }

    /// Writes what was found, if that is asked for: `whole`, or the part that a shard is of it; and the times elsewhere.
    pub(super) fn write<R: Serialize + DeserializeOwned>(
        self,
        done: Vec<Done<R>>,
        whole: &impl Serialize,
    ) -> io::Result<()> {
        let is_whole = self.is_whole();
        let Self { common, head } = self;
        if let Some(file) = &common.times {
            let times: Vec<(&str, f64)> = done.iter().map(|done| (done.unit.as_str(), done.seconds)).collect();
            write_json(file, &times)?;
        }
        match &common.json {
            Some(file) if is_whole => write_json(file, whole),
            Some(file) => Part { head, done }.write(file),
            None => Ok(()),
        }
    }
}

/// Writes a file of JSON.
pub(super) fn write_json(file: &Path, result: &impl Serialize) -> io::Result<()> {
    let mut text = serde_json::to_string_pretty(result)?;
    text.push('\n');
    std::fs::write(file, text)
}

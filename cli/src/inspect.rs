//! `selvedge ls`, `stat` and `rm`.

use crate::failure::{Code, Failure};
use crate::report;
use selvedge::Region;
use selvedge::region::{Entry, RegionOptions, Status};
use serde::Serialize;
use std::io::{Write, stdout};
use std::time::{SystemTime, UNIX_EPOCH};

#[derive(Serialize)]
struct Listed {
    name: String,
    bytes: u64,
    created: Option<u64>,
    /// `valid`, or what is wrong.
    status: String,
}

#[derive(Serialize)]
struct Shown {
    name: String,
    id: String,
    created: Option<u64>,
    intact: bool,
    processes: u32,
    threads: u32,
    objects: Vec<Object>,
    participants: Vec<Participant>,
}

#[derive(Serialize)]
struct Object {
    name: String,
    kind: String,
    element: u64,
    capacity: u64,
    bytes: u64,
}

#[derive(Serialize)]
struct Participant {
    pid: u32,
    threads: usize,
    alive: bool,
}

fn seconds(time: SystemTime) -> Option<u64> {
    time.duration_since(UNIX_EPOCH).ok().map(|since| since.as_secs())
}

pub(crate) fn print(lines: &str) -> Result<(), Failure> {
    stdout().write_all(lines.as_bytes()).map_err(Failure::Output)
}

pub(crate) fn print_json(value: &impl Serialize) -> Result<(), Failure> {
    let line = serde_json::to_string(value).map_err(|error| Failure::Output(error.into()))?;
    print(&format!("{line}\n"))
}

pub(crate) fn list(json: bool) -> Result<Code, Failure> {
    let mut listed: Vec<Listed> = Region::list()?.iter().map(listed).collect();
    listed.sort_by(|one, other| one.name.cmp(&other.name));
    if json {
        print_json(&listed)?;
        return Ok(Code::Done);
    }
    let width = listed.iter().map(|entry| entry.name.chars().count()).max().unwrap_or(0).max(4);
    let mut lines = String::new();
    for Listed { name, bytes, status, .. } in &listed {
        lines.push_str(&format!("{name:width$}  {bytes:>12}  {status}\n"));
    }
    print(&lines)?;
    Ok(Code::Done)
}

fn listed(entry: &Entry) -> Listed {
    Listed {
        name: entry.name.as_str().to_owned(),
        bytes: entry.size,
        created: entry.created.and_then(seconds),
        status: match &entry.status {
            Status::Valid(_) => "valid".to_owned(),
            Status::Damaged(why) => format!("damaged: {why}"),
            other => format!("{other:?}"),
        },
    }
}

pub(crate) fn stat(name: &str, json: bool) -> Result<Code, Failure> {
    let region = Region::open(name)?;
    let object = |error| Failure::Object { region: name.to_owned(), error };
    let shown = Shown {
        name: name.to_owned(),
        id: region.id().to_string(),
        created: seconds(region.created()),
        intact: region.is_intact(),
        processes: region.limits().processes,
        threads: region.limits().threads,
        objects: region
            .objects()
            .map_err(object)?
            .into_iter()
            .map(|entry| Object {
                name: entry.name,
                kind: entry.kind.map_or_else(|| "unknown".to_owned(), |kind| kind.to_string()),
                element: entry.element,
                capacity: entry.capacity,
                bytes: entry.bytes,
            })
            .collect(),
        participants: region
            .participants()
            .into_iter()
            .filter(|participant| participant.pid != std::process::id())
            .map(|participant| Participant {
                pid: participant.pid,
                threads: participant.threads,
                alive: participant.alive,
            })
            .collect(),
    };
    if json {
        print_json(&shown)?;
        return Ok(Code::Done);
    }
    let mut lines = format!("region        {}\nid            {}\n", shown.name, shown.id);
    lines.push_str(&format!("intact        {}\n", if shown.intact { "yes" } else { "no: it was overwritten" }));
    lines.push_str(&format!("limits        {} processes of {} threads\n", shown.processes, shown.threads));
    for Participant { pid, threads, alive } in &shown.participants {
        let state = if *alive { "" } else { ", dead" };
        lines.push_str(&format!("participant   process {pid}, {threads} threads{state}\n"));
    }
    for Object { name, kind, element, capacity, bytes } in &shown.objects {
        lines.push_str(&format!("object        {name}: {kind}, {capacity} × {element} bytes, {bytes} in all\n"));
    }
    print(&lines)?;
    Ok(Code::Done)
}

pub(crate) fn remove(names: &[String], force: bool, json: bool) -> Code {
    let options = RegionOptions::new();
    let mut code = Code::Done;
    for name in names {
        let removed = if force { options.remove_anyway(name) } else { options.remove(name) };
        let Err(error) = removed else { continue };
        let failure = Failure::from(error);
        report::failure(&failure, json);
        // One that cannot be removed weighs more than one that is not there.
        code = if code == Code::Failed { code } else { failure.code() };
    }
    code
}

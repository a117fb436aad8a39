//! `selvedge doctor` and `why`: what is wrong with a region, and why a call on an object of it would wait.
//!
//! Both only look, unless `doctor` is told to repair.

use crate::failure::{Code, Failure};
use crate::inspect::{print, print_json};
use selvedge::region::{
    Finding, Holder, Inspection, Kind, Life, ObjectError, ObjectErrorKind, ObjectSeen, ProcessSeen, RegionOptions,
    ThreadSeen,
};
use selvedge::{Deadline, Region};
use serde_json::{Value, json};
use std::time::Duration;

/// How long `--repair` waits for the threads of the dead to stop: a large process takes 100 ms.
const REPAIR_PATIENCE: Duration = Duration::from_secs(2);
const REPAIR_POLL: Duration = Duration::from_millis(10);

pub(crate) fn doctor(name: &str, repair: bool, json: bool) -> Result<Code, Failure> {
    let mut inspection = RegionOptions::new().inspect(name)?;
    let mut repaired = Vec::new();
    if repair {
        let before = inspection.findings();
        self::repair(name)?;
        inspection = RegionOptions::new().inspect(name)?;
        let after = inspection.findings();
        repaired = before.into_iter().filter(|finding| !after.contains(finding)).collect();
    }
    let findings = inspection.findings();
    if json {
        print_json(&report(name, &inspection, &findings, &repaired))?;
    } else {
        print(&shown(name, &inspection, &findings, &repaired))?;
    }
    Ok(if findings.is_empty() { Code::Done } else { Code::Found })
}

/// Attaches, which repairs most of it, and looks again until nobody who died has threads that may still run.
fn repair(name: &str) -> Result<(), Failure> {
    let region = Region::open(name)?;
    let deadline = Deadline::after(REPAIR_PATIENCE);
    while !region.repair()? && !deadline.has_passed() {
        std::thread::sleep(REPAIR_POLL);
    }
    Ok(())
}

fn shown(name: &str, inspection: &Inspection, findings: &[Finding], repaired: &[Finding]) -> String {
    let mut lines = Lines::default();
    lines.add("region", name);
    lines.add("intact", if inspection.intact { "yes" } else { "no: it was overwritten" });
    for ProcessSeen { pid, life, threads } in &inspection.processes {
        let threads = threads.len();
        lines.add("process", format!("{pid}: {life}, {threads} {}", if threads == 1 { "thread" } else { "threads" }));
    }
    let directory = &inspection.directory;
    lines.add("directory", &directory.state);
    lines.people(directory);
    for object in &inspection.objects {
        lines.add("object", format!("{}: {}", title(object), object.state));
        lines.people(object);
    }
    for thread in &inspection.waiting_for_several {
        lines.add("waits", format!("{thread}, for several objects"));
    }
    for Finding { what, .. } in repaired {
        lines.add("repaired", what);
    }
    for finding in findings {
        lines.add("finding", finding.to_string());
    }
    if findings.is_empty() {
        lines.add("finding", "none");
    }
    lines.0
}

#[derive(Default)]
struct Lines(String);

impl Lines {
    fn add(&mut self, what: &str, value: impl AsRef<str>) {
        self.0.push_str(&format!("{what:<13} {}\n", value.as_ref()));
    }

    /// Who holds an object, and who waits for it.
    fn people(&mut self, object: &ObjectSeen) {
        for holder in &object.holders {
            self.add("", format!("{}: {}", holder.role, who(holder)));
        }
        for waiter in &object.waiters {
            self.add("", format!("waits: {waiter}"));
        }
    }
}

pub(crate) fn who(holder: &Holder) -> String {
    holder.thread.map_or_else(|| "somebody whom the region cannot have".to_owned(), |thread| thread.to_string())
}

/// The name and kind of an object. Names come from shared memory: no terminal is to obey them.
fn title(object: &ObjectSeen) -> String {
    let name = object.name.escape_debug();
    object.kind.map_or_else(|| name.to_string(), |kind| format!("{name}, {kind}"))
}

pub(crate) fn why(name: &str, object: &str, json: bool) -> Result<Code, Failure> {
    let inspection = RegionOptions::new().inspect(name)?;
    let Some(seen) = inspection.object(object) else {
        let error = ObjectError::new(object, ObjectErrorKind::NotFound);
        return Err(Failure::Object { region: name.to_owned(), error });
    };
    let (sentences, explained, path) = (Vec::new(), Vec::new(), Vec::new());
    let mut explanation = Explanation { region: name, inspection: &inspection, sentences, explained, path };
    explanation.explain(seen);
    let sentences = explanation.sentences;
    if json {
        let mut value = object_json(seen);
        if let Value::Object(fields) = &mut value {
            fields.insert("why".to_owned(), json!(sentences));
        }
        print_json(&value)?;
    } else {
        let lines: String = sentences.iter().map(|sentence| format!("{sentence}\n")).collect();
        print(&lines)?;
    }
    Ok(Code::Done)
}

/// An explanation, as it comes along.
struct Explanation<'a> {
    region: &'a str,
    inspection: &'a Inspection,
    sentences: Vec<String>,
    explained: Vec<&'a str>,
    /// The objects of which each is waited for by a holder of the one before.
    path: Vec<&'a ObjectSeen>,
}

impl<'a> Explanation<'a> {
    fn say(&mut self, sentence: impl Into<String>) {
        self.sentences.push(sentence.into());
    }

    /// Why a call on this object would wait, and why those for whom it would wait do not act.
    fn explain(&mut self, object: &'a ObjectSeen) {
        self.explained.push(&object.name);
        self.path.push(object);
        self.say(format!("{}: {}.", title(object), object.state));
        object.waits.iter().for_each(|wait| self.say(format!("{wait}.")));
        if object.waits.is_empty() {
            self.say("No call waits for it now.");
        }
        for holder in &object.holders {
            self.say(format!("Its {} is {}.", holder.role, who(holder)));
            if let Some(thread) = &holder.thread {
                self.sentences.extend(hindrance(self.region, self.inspection, thread));
            }
        }
        match &object.waiters[..] {
            [] => self.say("Nobody waits for it."),
            [one] => self.say(format!("One thread waits for it: {one}.")),
            several => {
                let names: Vec<String> = several.iter().map(ToString::to_string).collect();
                self.say(format!("{} threads wait for it: {}.", several.len(), names.join("; ")));
            }
        }
        object.holders.iter().filter_map(|holder| holder.thread).for_each(|thread| self.follow(object, thread));
        self.path.pop();
    }

    /// What a holder of the object waits for itself, other than for the object.
    fn follow(&mut self, object: &ObjectSeen, thread: ThreadSeen) {
        let inspection = self.inspection;
        let awaited = |other: &&ObjectSeen| other.name != object.name && other.waiters.contains(&thread);
        for other in inspection.objects.iter().filter(awaited) {
            let ThreadSeen { pid, place, .. } = thread;
            self.say(format!("Thread {place} of process {pid} waits itself, for `{}`.", other.name.escape_debug()));
            let circle = self.path.iter().position(|on_it| on_it.name == other.name);
            if circle.is_some_and(|start| self.path.iter().skip(start).all(|object| has_one_holder(object))) {
                self.say("That is a circle, of which nobody gets out who waits without a deadline.");
            }
            if !self.explained.contains(&other.name.as_str()) {
                self.explain(other);
            }
        }
    }
}

/// Whether everybody who waits for the object waits for its only holder.
fn has_one_holder(object: &ObjectSeen) -> bool {
    matches!(object.kind, Some(Kind::Mutex | Kind::Once))
}

/// Why this holder will not act soon.
fn hindrance(region: &str, inspection: &Inspection, thread: &ThreadSeen) -> Vec<String> {
    let pid = thread.pid;
    match thread.life {
        Life::Stopped => vec![format!("Process {pid} is stopped, and goes on when it gets SIGCONT.")],
        Life::Dead => {
            let repairs = format!("`selvedge doctor --repair {region}` repairs what it left.");
            let alive = |life| inspection.processes.iter().filter(move |process| process.life == life).count();
            let who = match (alive(Life::Alive), alive(Life::Stopped)) {
                (0, 0) => "and nobody is left who would have noticed",
                (0, _) => "and all who would have noticed are stopped",
                _ => "and those who are alive are about to notice",
            };
            vec![format!("That thread has died, {who}."), repairs]
        }
        Life::FencedOff => {
            vec![format!("Process {pid} counts as dead and runs on; it keeps what it holds until it ends.")]
        }
        _ => Vec::new(),
    }
}

fn report(name: &str, inspection: &Inspection, findings: &[Finding], repaired: &[Finding]) -> Value {
    let process = |ProcessSeen { pid, life, threads }: &ProcessSeen| json!({ "pid": pid, "life": word(*life), "threads": threads.iter().map(thread_json).collect::<Vec<_>>() });
    let finding = |Finding { object, what, remedy, .. }: &Finding| json!({ "object": object, "what": what, "remedy": remedy.to_string() });
    json!({
        "name": name,
        "id": inspection.id.to_string(),
        "intact": inspection.intact,
        "processes": inspection.processes.iter().map(process).collect::<Vec<_>>(),
        "directory": object_json(&inspection.directory),
        "objects": inspection.objects.iter().map(object_json).collect::<Vec<_>>(),
        "waiting_for_several": inspection.waiting_for_several.iter().map(thread_json).collect::<Vec<_>>(),
        "repaired": repaired.iter().map(finding).collect::<Vec<_>>(),
        "findings": findings.iter().map(finding).collect::<Vec<_>>(),
    })
}

pub(crate) fn object_json(object: &ObjectSeen) -> Value {
    let holder = |Holder { role, thread }: &Holder| json!({ "role": role, "thread": thread.as_ref().map(thread_json) });
    json!({
        "name": object.name,
        "kind": object.kind.map(|kind| kind.to_string()),
        "state": object.state,
        "waits": object.waits,
        "holders": object.holders.iter().map(holder).collect::<Vec<_>>(),
        "waiters": object.waiters.iter().map(thread_json).collect::<Vec<_>>(),
    })
}

pub(crate) fn thread_json(thread: &ThreadSeen) -> Value {
    json!({ "pid": thread.pid, "place": thread.place, "tid": thread.tid, "life": word(thread.life) })
}

pub(crate) fn word(life: Life) -> &'static str {
    match life {
        Life::Alive => "alive",
        Life::Stopped => "stopped",
        Life::Attaching => "attaching",
        Life::Detaching => "detaching",
        Life::FencedOff => "fenced off",
        Life::Dead => "dead",
        _ => "nobody",
    }
}

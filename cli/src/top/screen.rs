//! What `top` shows: a table that is drawn over itself on a terminal, one below the other elsewhere, or JSON.

use super::meter::{Measured, Rate};
use crate::doctor::{object_json, thread_json, who, word};
use crate::failure::Failure;
use crate::inspect::{print, print_json};
use rustix::termios::tcgetwinsize;
use selvedge::region::{Inspection, Kind, Life, ObjectSeen, ProcessSeen, ThreadSeen};
use serde_json::{Value, json};
use std::io::{IsTerminal, stdout};

/// Where it is shown.
pub(crate) struct Screen<'a> {
    region: &'a str,
    json: bool,
    is_live: bool,
    is_drawn: bool,
}

/// Moves to the first line; deletes to the end of the line; deletes all that is below.
const HOME: &str = "\x1b[H";
const CLEAR_LINE: &str = "\x1b[K";
const CLEAR_BELOW: &str = "\x1b[J";

impl<'a> Screen<'a> {
    /// For who sits before it until it is ended, or for one who wants to read all that was shown.
    pub(crate) fn new(region: &'a str, is_endless: bool, json: bool) -> Self {
        Self { region, json, is_live: is_endless && !json && stdout().is_terminal(), is_drawn: false }
    }

    /// Whether it is drawn over itself.
    pub(crate) fn is_live(&self) -> bool {
        self.is_live
    }

    /// Shows what was seen, with the rates that were measured before.
    pub(crate) fn show(&mut self, seen: &Inspection, measured: Option<&Measured>) -> Result<(), Failure> {
        if self.json {
            return print_json(&report(self.region, seen, measured));
        }
        let lines = lines(self.region, seen, measured);
        if self.is_live {
            let text = fitted(&lines);
            self.is_drawn = true;
            return print(&text);
        }
        let mut text = if self.is_drawn { "\n".to_owned() } else { String::new() };
        self.is_drawn = true;
        lines.iter().for_each(|line| text.extend([line, "\n"]));
        print(&text)
    }
}

impl Drop for Screen<'_> {
    fn drop(&mut self) {
        if self.is_live && self.is_drawn {
            // What follows begins on a line of its own. A terminal that is gone needs none.
            let _ = print("\n");
        }
    }
}

/// The lines cut to what the terminal shows, to be drawn over what is there. The last one does not end: the screen would roll.
fn fitted(lines: &[String]) -> String {
    let size = tcgetwinsize(stdout()).ok().filter(|size| size.ws_row > 1 && size.ws_col > 0);
    let (rows, columns) = size.map_or((24, 80), |size| (usize::from(size.ws_row), usize::from(size.ws_col)));
    // One for the cursor when this is over.
    let rows = rows - 1;
    let mut shown: Vec<String> = lines.iter().map(|line| line.chars().take(columns).collect()).collect();
    if shown.len() > rows {
        shown.truncate(rows.saturating_sub(1));
        shown.push(format!("({} more lines)", lines.len() - shown.len()).chars().take(columns).collect());
    }
    let ended: Vec<String> = shown.into_iter().map(|line| line + CLEAR_LINE).collect();
    format!("{HOME}{}{CLEAR_BELOW}", ended.join("\n"))
}

fn lines(region: &str, seen: &Inspection, measured: Option<&Measured>) -> Vec<String> {
    let mut lines = vec![heading(region, seen, measured)];
    if !seen.objects.is_empty() {
        let titles = ["OBJECT", "KIND", "DEPTH", "CAPACITY", "SENT/s", "RECEIVED/s", ""].map(str::to_owned);
        let rows: Vec<[String; 7]> = seen.objects.iter().map(|object| row(object, measured)).collect();
        lines.extend(table(&[vec![titles], rows].concat()));
    }
    for object in seen.objects.iter().chain([&seen.directory]) {
        lines.extend(blocked(object));
    }
    lines.extend(
        seen.waiting_for_several.iter().map(|thread| format!("blocked on several objects: {}", short(*thread))),
    );
    lines
}

fn heading(region: &str, seen: &Inspection, measured: Option<&Measured>) -> String {
    let count = seen.processes.len();
    let processes = if count == 1 { "1 process".to_owned() } else { format!("{count} processes") };
    let mut lives: Vec<Life> = Vec::new();
    for ProcessSeen { life, .. } in seen.processes.iter().filter(|process| process.life != Life::Alive) {
        if !lives.contains(life) {
            lives.push(*life);
        }
    }
    let having = |life: Life| seen.processes.iter().filter(move |process| process.life == life).count();
    let lives: String = lives.into_iter().map(|life| format!(", {} {}", having(life), word(life))).collect();
    let intact = if seen.intact { "" } else { "; it was overwritten" };
    let over = measured.map_or_else(String::new, |measured| format!("; rates over {:.2} s", measured.seconds));
    format!("region {region}: {processes}{lives}{intact}{over}")
}

fn row(object: &ObjectSeen, measured: Option<&Measured>) -> [String; 7] {
    let rates = measured.map_or(&[][..], |measured| measured.of(object));
    let counts = |what: &str| object.counters.iter().any(|counter| counter.what == what);
    let of = |what: &str| match rates.iter().find(|rate| rate.what == what) {
        Some(rate) => number(rate),
        // It will be known.
        None if counts(what) => "?".to_owned(),
        None => "-".to_owned(),
    };
    let amount = |amount: Option<u64>| amount.map_or_else(|| "-".to_owned(), |amount| amount.to_string());
    let others = rates.iter().filter(|rate| !["sent", "received"].contains(&rate.what));
    let mut words: Vec<String> = others.map(|rate| format!("{} {}/s", number(rate), rate.what)).collect();
    // Where the numbers do not say all.
    let says_more =
        !matches!(object.kind, Some(Kind::Ring | Kind::Stream | Kind::Queue | Kind::Unbounded | Kind::Pool));
    if says_more {
        words.push(object.state.clone());
    }
    let kind = object.kind.map_or_else(|| "?".to_owned(), |kind| kind.to_string());
    let name = object.name.escape_debug().to_string();
    [name, kind, amount(object.depth), amount(object.capacity), of("sent"), of("received"), words.join("; ")]
}

/// In columns: two of words, four of numbers, one of words.
fn table(rows: &[[String; 7]]) -> Vec<String> {
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let [object, kind, depth, capacity, sent, received] = [0, 1, 2, 3, 4, 5].map(|column| width(column).unwrap_or(0));
    let line = |[name, what, filled, most, into, out, words]: &[String; 7]| {
        let line = format!(
            "{name:object$}  {what:kind$}  {filled:>depth$}  {most:>capacity$}  {into:>sent$}  {out:>received$}  {words}"
        );
        line.trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

/// Who waits for the object, for what, and who else has something of it.
fn blocked(object: &ObjectSeen) -> Vec<String> {
    object.waiters.iter().map(|waiter| blocked_one(object, *waiter)).collect()
}

fn blocked_one(object: &ObjectSeen, waiter: ThreadSeen) -> String {
    let has_sides = matches!(object.kind, Some(Kind::Ring | Kind::Stream));
    let own_role = object.holders.iter().find(|holder| has_sides && holder.thread == Some(waiter));
    let own_role = own_role.map_or("", |holder| holder.role);
    // Of the two sides of a ring each waits for the other.
    let concerns = |wait: &&String| match own_role {
        "sender" => !wait.starts_with("Who receives"),
        "receiver" => !wait.starts_with("Who sends"),
        _ => true,
    };
    let mut why: Vec<String> = object.waits.iter().filter(concerns).cloned().collect();
    if why.is_empty() {
        why.push("what it waited for has come".to_owned());
    }
    let others = object.holders.iter().filter(|holder| holder.thread != Some(waiter));
    why.extend(others.map(|holder| format!("{} is {}", holder.role, holder.thread.map_or_else(|| who(holder), short))));
    let own_role = if own_role.is_empty() { String::new() } else { format!(", its {own_role}") };
    format!("blocked on {}: {}{own_role}: {}", object.name.escape_debug(), short(waiter), why.join("; "))
}

fn short(thread: ThreadSeen) -> String {
    let ThreadSeen { pid, place, life, .. } = thread;
    let life = if life == Life::Alive { String::new() } else { format!(" ({})", word(life)) };
    format!("thread {place} of process {pid}{life}")
}

/// A rate, in three digits.
fn number(rate: &Rate) -> String {
    let units = [(1e9, "G"), (1e6, "M"), (1e3, "k")];
    let (value, unit) = units
        .into_iter()
        .find(|(size, _)| rate.per_second >= *size)
        .map_or((rate.per_second, ""), |(size, unit)| (rate.per_second / size, unit));
    let digits = match value {
        0.0 => 0,
        value if value < 10.0 => 2,
        value if value < 100.0 => 1,
        _ => 0,
    };
    let sign = if rate.at_least { "≥" } else { "" };
    format!("{sign}{value:.digits$}{unit}")
}

fn report(region: &str, seen: &Inspection, measured: Option<&Measured>) -> Value {
    let object = |object: &ObjectSeen| {
        let rates = measured.map_or(&[][..], |measured| measured.of(object));
        let rate = |Rate { what, count, per_second, at_least }: &Rate| json!({ "what": what, "count": count, "per_second": per_second, "at_least": at_least });
        let mut value = object_json(object);
        if let Value::Object(fields) = &mut value {
            fields.insert("depth".to_owned(), json!(object.depth));
            fields.insert("capacity".to_owned(), json!(object.capacity));
            fields.insert("rates".to_owned(), rates.iter().map(rate).collect());
        }
        value
    };
    let process = |ProcessSeen { pid, life, .. }: &ProcessSeen| json!({ "pid": pid, "life": word(*life) });
    json!({
        "region": region,
        "seconds": measured.map(|measured| measured.seconds),
        "intact": seen.intact,
        "processes": seen.processes.iter().map(process).collect::<Vec<_>>(),
        "directory": object_json(&seen.directory),
        "objects": seen.objects.iter().map(object).collect::<Vec<_>>(),
        "waiting_for_several": seen.waiting_for_several.iter().map(thread_json).collect::<Vec<_>>(),
    })
}

//! An execution as people read it: lanes of text, and a graph for Graphviz.

use super::order::{Told, tell};
use super::script;
use crate::graph::{Event, EventId, Graph, Kind, Loc, NONE, Update};
use crate::runtime::{Execution, Status};
use core::fmt::Write as _;
use core::panic::Location;

/// An execution, drawn.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Picture {
    /// One column for each thread, one line for each event, in an order that causality allows; with where in the source
    /// it happened, and what the words are.
    pub lanes: String,
    /// A graph for Graphviz: events by thread, with program order, reads-from (`rf`), coherence (`co`) and reads-before
    /// (`rb`).
    pub dot: String,
    /// The execution in one line, for [`Builder::replay`](crate::Builder::replay) and `TREADLE_REPLAY`.
    pub id: String,
    /// How many events it has.
    pub events: usize,
    /// How often the lanes change from one thread to another.
    pub switches: usize,
}

/// Draws the execution that has just ended.
pub(crate) fn draw(x: &Execution) -> Picture {
    let graph = x.explorer.graph();
    let told = tell(graph);
    let threads: Vec<u16> = told.iter().map(|told| graph.event(told.id).thread).collect();
    Picture {
        lanes: lanes(x, &told),
        dot: dot(x, &told),
        id: script::write(graph),
        events: graph.len(),
        switches: threads.windows(2).filter(|pair| pair[0] != pair[1]).count(),
    }
}

fn place(site: &Location<'_>) -> String {
    format!("{}:{}", site.file(), site.line())
}

fn number(value: u64) -> String {
    if value < 1_000_000 { value.to_string() } else { format!("{value:#x}") }
}

fn thread_name(x: &Execution, thread: usize) -> String {
    match x.threads.get(thread).and_then(|thread| thread.name.as_deref()) {
        Some(name) => format!("T{thread} {name}"),
        None if thread == 0 => "T0 main".to_owned(),
        None => format!("T{thread}"),
    }
}

fn lanes(x: &Execution, told: &[Told]) -> String {
    let graph = x.explorer.graph();
    let texts: Vec<(usize, String, String)> = told
        .iter()
        .map(|told| {
            let event = graph.event(told.id);
            (event.thread.into(), describe(x, told), place(event.site))
        })
        .collect();
    let threads = graph.threads().max(x.threads.len());
    let mut widths: Vec<usize> = (0..threads).map(|thread| thread_name(x, thread).chars().count()).collect();
    for (thread, text, _) in &texts {
        widths[*thread] = widths[*thread].max(text.chars().count());
    }
    let mut page = String::new();
    let mut line = |cells: &dyn Fn(usize) -> String, end: &str| {
        let row: Vec<String> = (0..threads).map(|thread| format!("{:<1$}", cells(thread), widths[thread])).collect();
        let _ = writeln!(page, "{}", format!("{}  {end}", row.join(" | ")).trim_end());
    };
    line(&|thread| thread_name(x, thread), "");
    line(&|thread| "-".repeat(widths[thread]), "");
    for (of, text, site) in &texts {
        line(&|thread| if thread == *of { text.clone() } else { String::new() }, site);
    }
    for (thread, state) in x.threads.iter().enumerate() {
        if let Some(why) = waits_for(x, state.status) {
            let _ = writeln!(page, "{} waits {why}", thread_name(x, thread));
        }
    }
    let mut words: Vec<Loc> =
        told.iter().map(|told| graph.event(told.id).loc).filter(|&loc| x.site_of(loc).is_some()).collect();
    words.sort_unstable();
    words.dedup();
    for loc in words {
        let made = x.site_of(loc).map(place).unwrap_or_default();
        let last = graph.location(loc).writes.last().copied().unwrap_or(NONE);
        let (first, last) = (number(x.explorer.graph().initial(loc)), number(x.explorer.value(loc, last)));
        let _ = writeln!(page, "w{loc}: made at {made}, {first} at first, {last} at last");
    }
    page
}

fn waits_for(x: &Execution, status: Status) -> Option<String> {
    match status {
        Status::Asleep { loc, .. } => Some(format!("in the queue of w{loc}")),
        Status::Stuck => Some("for another value than it has read last".to_owned()),
        Status::Spinning { .. } => Some("for another value than its spin loop has read".to_owned()),
        Status::Joining { thread } => Some(format!("for the end of {}", thread_name(x, thread))),
        _ => None,
    }
}

fn describe(x: &Execution, told: &Told) -> String {
    let graph = x.explorer.graph();
    let event = graph.event(told.id);
    let order = event.order;
    match event.kind {
        Kind::Read => describe_read(x, event, told),
        Kind::Write => {
            let before = if told.behind > 0 { ", before the newest" } else { "" };
            format!("w{}.store({}, {order:?}){before}", event.loc, number(event.value))
        }
        Kind::Fence => format!("fence({order:?})"),
        Kind::Spawn => format!("spawn T{}", event.link),
        Kind::Join => format!("join T{}", event.link),
        Kind::Choice if event.link == 0 => format!("phase {}", event.value),
        Kind::Choice => format!("choose {} of {}", event.value, event.link),
        Kind::Woken => format!("woken by {}", name(graph, event.link)),
        Kind::Quiet => "nothing else can happen".to_owned(),
        Kind::Death => "KILLED".to_owned(),
    }
}

fn name(graph: &Graph, id: EventId) -> String {
    if id == NONE {
        return "the start".to_owned();
    }
    let event = graph.event(id);
    format!("T{}", event.thread)
}

fn describe_read(x: &Execution, event: &Event, told: &Told) -> String {
    let graph = x.explorer.graph();
    let loc = event.loc;
    let value = number(x.explorer.value(loc, event.link));
    let order = event.order;
    let stale = if told.behind > 0 { ", outdated" } else { "" };
    let wrote = told.writes.map(|write| number(graph.event(write).value));
    let read = match wrote {
        Some(new) => format!("{value} -> {new}"),
        None => value.clone(),
    };
    let (name, arguments) = match event.update {
        Update::Keep => ("load", String::new()),
        Update::Await { .. } => ("await", String::new()),
        Update::Swap(_) => ("swap", String::new()),
        Update::Blind(value) => return format!("w{loc}.store({}, {order:?})", number(value)),
        Update::Add(value, _) => ("fetch_add", number(value)),
        Update::Sub(value, _) => ("fetch_sub", number(value)),
        Update::And(value) => ("fetch_and", number(value)),
        Update::Nand(value, _) => ("fetch_nand", number(value)),
        Update::Or(value) => ("fetch_or", number(value)),
        Update::Xor(value) => ("fetch_xor", number(value)),
        Update::Max(value, _) => ("fetch_max", number(value)),
        Update::Min(value, _) => ("fetch_min", number(value)),
        Update::Exchange { expected, new, .. } | Update::AwaitExchange { expected, new } => {
            ("exchange", format!("{} -> {}", number(expected), number(new)))
        }
        Update::Wait { expected } => {
            let queued = if event.rmw { "joins the queue" } else { "does not sleep" };
            return format!(
                "w{loc}.wait({}) = {}, {queued}",
                number(expected),
                number(x.explorer.value(loc, event.link))
            );
        }
        Update::Glance { expected } => {
            return format!("w{loc}.wait({}) = {value}, without sleep", number(expected));
        }
        Update::Wake { count, .. } => {
            let before = graph.queue(event.link).len();
            let after = told.writes.map_or(before, |write| graph.queue(write).len());
            let count = if count == u32::MAX { "all".to_owned() } else { count.to_string() };
            return format!("w{loc}.wake({count}) = {}", before - after);
        }
        Update::Leave(_) => {
            let left = if event.rmw { "leaves the queue" } else { "was taken from the queue" };
            return format!("w{loc}: {left}");
        }
    };
    let end = if event.spurious {
        ", fails for no reason"
    } else if event.stuck {
        ", waits"
    } else {
        stale
    };
    let comma = if arguments.is_empty() { "" } else { ", " };
    format!("w{loc}.{name}({arguments}{comma}{order:?}) = {read}{end}")
}

fn dot(x: &Execution, told: &[Told]) -> String {
    let graph = x.explorer.graph();
    let node = |id: EventId| {
        // Both halves of a read-modify-write are one node.
        let event = graph.event(id);
        let event = if event.is_write() && event.rmw { graph.event(event.link) } else { event };
        format!("t{}_{}", event.thread, event.pos)
    };
    let mut page = String::from("digraph execution {\n  node [shape=box, fontname=monospace, fontsize=10];\n");
    for thread in 0..graph.threads() {
        let _ = writeln!(page, "  subgraph cluster_{thread} {{\n    label=\"{}\";", escape(&thread_name(x, thread)));
        let mut previous: Option<String> = None;
        for told in told.iter().filter(|told| usize::from(graph.event(told.id).thread) == thread) {
            let event = graph.event(told.id);
            let label = format!("{}\\n{}", escape(&describe(x, told)), escape(&place(event.site)));
            let _ = writeln!(page, "    {} [label=\"{label}\"];", node(told.id));
            if let Some(previous) = previous.replace(node(told.id)) {
                let _ = writeln!(page, "    {previous} -> {} [label=po];", node(told.id));
            }
        }
        page.push_str("  }\n");
    }
    let mut edge = |from: EventId, to: EventId, kind: &str, colour: &str| {
        let _ = writeln!(page, "  {} -> {} [label={kind}, color={colour}, constraint=false];", node(from), node(to));
    };
    for id in 0..graph.next_id() {
        let event = graph.event(id);
        match event.kind {
            Kind::Read => {
                if event.link != NONE {
                    edge(event.link, id, "rf", "darkgreen");
                }
                let next = graph.location(event.loc).writes.get(graph.rank(event.link)).copied();
                if let Some(next) = next.filter(|&next| graph.event(next).link != id || !graph.event(next).rmw) {
                    edge(id, next, "rb", "firebrick");
                }
            }
            Kind::Woken => edge(event.link, id, "wakes", "purple"),
            Kind::Spawn => {
                if let Some(&first) = graph.row(event.link as usize).first() {
                    edge(id, first, "spawn", "grey");
                }
            }
            Kind::Join => {
                if let Some(&last) = graph.row(event.link as usize).last() {
                    edge(last, id, "join", "grey");
                }
            }
            _ => {}
        }
    }
    for location in graph.locations() {
        for pair in location.writes.windows(2) {
            edge(pair[0], pair[1], "co", "darkorange");
        }
    }
    page.push_str("}\n");
    page
}

fn escape(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
}

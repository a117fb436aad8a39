//! The diagram of a word's states, laid out in layers.

use super::prose;
use crate::states::{Diagram, Step};
use dagre::graph::{Graph, GraphOptions};
use dagre::{EdgeLabel, LayoutOptions, NodeLabel, Point, layout};
use maud::{Markup, html};
use std::fmt::Write as _;

/// The node from which an arrow leads to the state of fresh memory.
const START: &str = "(start)";
/// Width of a character in a state's name and in the name of a function, in pixels.
const STATE_CHAR: f64 = 7.4;
const FUNCTION_CHAR: f64 = 7.0;
/// Height of a line of names of functions.
const LINE: f64 = 14.0;
/// Longest line of names of functions.
const LONGEST: usize = 16;
const MARGIN: f64 = 12.0;
/// How far a step from a state to itself reaches.
const LOOP: f64 = 30.0;

type Layout = Graph<NodeLabel, EdgeLabel>;

/// The diagram, and its steps as a table.
pub(super) fn figure(diagram: &Diagram) -> Markup {
    let graph = laid_out(diagram);
    let label = label_of(diagram);
    let (width, height) = extent(&graph);
    let (dx, dy, width, height) = (width.0, height.0, width.1 - width.0, height.1 - height.0);
    html! {
        figure.diagram {
            figcaption { (label) }
            div.wide tabindex="0" role="group" aria-label=(label) {
                svg.states role="img" aria-label={ "State diagram: " (label) } width=(round(width)) height=(round(height))
                    viewBox={ (round(dx)) " " (round(dy)) " " (round(width)) " " (round(height)) } {
                    @for edge in graph.edges() {
                        @if let Some(line) = graph.edge(&edge.v, &edge.w, None) {
                            @let way = if edge.v == edge.w { circle(&line.points) } else { curve(&line.points) };
                            path.step d=(way) marker-end="url(#arrow-step)" {}
                        }
                    }
                    @for step in &diagram.steps { (functions(&graph, step)) }
                    @for name in graph.nodes() { (state(&graph, &name)) }
                }
            }
            details {
                summary { "The same as a table" }
                (steps(diagram))
            }
        }
    }
}

fn label_of(diagram: &Diagram) -> String {
    format!("{}: {}", prose::spaced(&diagram.primitive), diagram.word)
}

fn laid_out(diagram: &Diagram) -> Layout {
    let mut graph: Layout = Graph::with_options(GraphOptions { directed: true, multigraph: true, compound: false });
    if let Some(first) = &diagram.first {
        let dot = NodeLabel { width: 12.0, height: 12.0, ..NodeLabel::default() };
        graph.set_node(START.to_owned(), Some(dot));
        graph.set_edge(START, first.as_str(), Some(EdgeLabel::default()), None);
    }
    for name in diagram.states() {
        let node = NodeLabel { width: length(name) * STATE_CHAR + 24.0, height: 32.0, ..NodeLabel::default() };
        graph.set_node(name.to_owned(), Some(node));
    }
    for step in &diagram.steps {
        let lines = lines(&step.by);
        let widest = lines.iter().map(|line| length(line)).fold(0.0, f64::max);
        let beside = if step.from == step.to { LOOP } else { 0.0 };
        let label = EdgeLabel {
            width: widest * FUNCTION_CHAR + 12.0 + beside,
            height: length_of(lines.len()) * LINE + 6.0,
            labelpos: dagre::layout::types::LabelPos::Center,
            ..EdgeLabel::default()
        };
        graph.set_edge(step.from.as_str(), step.to.as_str(), Some(label), None);
    }
    let options = LayoutOptions { nodesep: 36.0, edgesep: 14.0, ranksep: 34.0, ..LayoutOptions::default() };
    layout(&mut graph, Some(options));
    graph
}

fn length(text: &str) -> f64 {
    length_of(text.chars().count())
}

fn length_of(count: usize) -> f64 {
    f64::from(u16::try_from(count).unwrap_or(u16::MAX))
}

/// Names of functions in lines that are not too long.
fn lines(names: &[String]) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for (index, name) in names.iter().enumerate() {
        let comma = if index + 1 < names.len() { "," } else { "" };
        match lines.last_mut().filter(|line| line.chars().count() + name.chars().count() < LONGEST) {
            Some(line) => {
                let _ = write!(line, " {name}{comma}");
            }
            None => lines.push(format!("{name}{comma}")),
        }
    }
    lines
}

/// From where to where everything lies, with a margin: across and down.
fn extent(graph: &Layout) -> ((f64, f64), (f64, f64)) {
    let mut across: Vec<f64> = Vec::new();
    let mut down: Vec<f64> = Vec::new();
    let mut boxed = |x: Option<f64>, y: Option<f64>, width: f64, height: f64| {
        if let (Some(x), Some(y)) = (x, y) {
            across.extend([x - width / 2.0, x + width / 2.0]);
            down.extend([y - height / 2.0, y + height / 2.0]);
        }
    };
    for name in graph.nodes() {
        if let Some(node) = graph.node(&name) {
            boxed(node.x, node.y, node.width, node.height);
        }
    }
    for edge in graph.edges() {
        if let Some(line) = graph.edge(&edge.v, &edge.w, None) {
            boxed(line.x, line.y, line.width, line.height);
            line.points.iter().for_each(|point| boxed(Some(point.x), Some(point.y), 0.0, 0.0));
        }
    }
    let range = |values: &[f64]| {
        let least = values.iter().copied().fold(f64::INFINITY, f64::min);
        let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        (least - MARGIN, most + MARGIN)
    };
    (range(&across), range(&down))
}

/// Coordinates in tenths of a pixel, so that the last bits of the layout's arithmetic are not in the page.
fn round(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

/// A smooth line through these points: straight out of a state and into one, straight down or up in between.
fn curve(points: &[Point]) -> String {
    let mut path = String::new();
    let Some(first) = points.first() else { return path };
    let _ = write!(path, "M{} {}", round(first.x), round(first.y));
    for (index, pair) in points.windows(2).enumerate() {
        let [from, to] = pair else { continue };
        let (dx, dy) = ((to.x - from.x) / 2.0, (to.y - from.y) / 2.0);
        let is_last = index + 2 == points.len();
        let ahead = if index == 0 { dx } else { 0.0 };
        let behind = if is_last { dx } else { 0.0 };
        let [x1, y1, x2, y2, x, y] = [from.x + ahead, from.y + dy, to.x - behind, to.y - dy, to.x, to.y].map(round);
        let _ = write!(path, " C{x1} {y1} {x2} {y2} {x} {y}");
    }
    path
}

/// A step from a state to itself, beside it: out of the first of these points and into the last.
fn circle(points: &[Point]) -> String {
    let (Some(first), Some(last)) = (points.first(), points.last()) else { return String::new() };
    let [x1, y1, x2, y2, far] = [first.x, first.y, last.x, last.y, first.x + LOOP * 4.0 / 3.0].map(round);
    format!("M{x1} {y1} C{far} {} {far} {} {x2} {y2}", round(y1 - 6.0), round(y2 + 6.0))
}

fn functions(graph: &Layout, step: &Step) -> Markup {
    let line = graph.edge(&step.from, &step.to, None);
    let Some((line, x, y)) = line.and_then(|line| Some((line, line.x?, line.y?))) else { return html! {} };
    let beside = line.points.first().filter(|_| step.from == step.to);
    let (x, anchor) = beside.map_or((x, "middle"), |first| (first.x + LOOP + 6.0, "start"));
    let lines = lines(&step.by);
    let top = y - (length_of(lines.len()) - 1.0) * LINE / 2.0;
    html! {
        text.by x=(round(x)) text-anchor=(anchor) {
            @for (index, line) in lines.iter().enumerate() {
                tspan x=(round(x)) y=(round(top + length_of(index) * LINE + 4.0)) { (line) }
            }
        }
    }
}

fn state(graph: &Layout, name: &str) -> Markup {
    let Some((node, x, y)) = graph.node(name).and_then(|node| Some((node, node.x?, node.y?))) else { return html! {} };
    if name == START {
        return html! { circle.start cx=(round(x)) cy=(round(y)) r="6" {} };
    }
    html! {
        rect.state x=(round(x - node.width / 2.0)) y=(round(y - node.height / 2.0)) width=(round(node.width)) height=(round(node.height)) rx="8" {}
        text.state x=(round(x)) y=(round(y + 4.5)) text-anchor="middle" { (name) }
    }
}

fn steps(diagram: &Diagram) -> Markup {
    let rows: Vec<Markup> = diagram
        .steps
        .iter()
        .map(|step| {
            html! {
                tr {
                    th scope="row" { (step.from) }
                    td { (step.to) }
                    td { @for (index, name) in step.by.iter().enumerate() { @if index > 0 { ", " } code { (name) } } }
                }
            }
        })
        .collect();
    let columns = [("state", false), ("next state", false), ("changed in", false)];
    super::table::table(&format!("Steps of {}", label_of(diagram)), &columns, &rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_are_drawn() {
        let step = |from: &str, to: &str, by: &[&str]| Step {
            from: from.to_owned(),
            to: to.to_owned(),
            by: by.iter().map(|name| (*name).to_owned()).collect(),
        };
        let diagram = Diagram {
            primitive: "owned_lock".to_owned(),
            word: "word".to_owned(),
            first: Some("unlocked".to_owned()),
            steps: vec![
                step("locked", "locked", &["extend"]),
                step("locked", "unlocked", &["unlock", "unlock_slow", "bury"]),
                step("unlocked", "locked", &["lock"]),
            ],
        };
        let page = figure(&diagram).into_string();
        insta::assert_snapshot!(page.replace("><", ">\n<"));
    }
}

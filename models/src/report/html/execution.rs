//! An execution as a picture: a lane for each thread, time going down.

use crate::lanes::{Kind, Picture, Source, Step, Word, short};
use maud::{Markup, html};

/// Room for the numbers of the steps.
const GUTTER: usize = 36;
/// Width of a character of an operation.
const CHAR: usize = 7;
/// Tenths of that of a place.
const PLACE_CHAR: usize = 9;
const LINE: usize = 16;
/// Between the edge of a box and its text.
const PAD: usize = 8;
/// Between two lanes, and between two steps.
const GAP: usize = 18;
/// Height of the names of the lanes.
const HEAD: usize = 30;
/// An operation longer than this has its values in another line.
const LONGEST: usize = 34;

/// A step and where it is drawn.
struct Drawn<'a> {
    step: &'a Step,
    lines: Vec<String>,
    top: usize,
    height: usize,
}

struct Lane {
    left: usize,
    width: usize,
}

struct Drawing<'a> {
    picture: &'a Picture,
    steps: Vec<Drawn<'a>>,
    lanes: Vec<Lane>,
    width: usize,
    bottom: usize,
}

/// The picture, and the words before and after.
pub(super) fn figure(picture: &Picture, id: &str, message: &str) -> Markup {
    let drawing = Drawing::of(picture);
    let height = drawing.bottom + HEAD * usize::from(!picture.asleep.is_empty());
    html! {
        figure.execution {
            div.wide tabindex="0" role="group" aria-label="Execution" {
                svg.lanes role="img" aria-labelledby={ (id) "-name" } width=(drawing.width) height=(height)
                    viewBox={ "0 0 " (drawing.width) " " (height) } {
                    title id={ (id) "-name" } { "Execution: " (message) }
                    @for (index, name) in picture.lanes.iter().enumerate() { (drawing.lane(index, name)) }
                    @for (index, drawn) in drawing.steps.iter().enumerate() { (drawing.step(index, drawn)) }
                    @for (index, drawn) in drawing.steps.iter().enumerate() { (drawing.reads_from(index, drawn)) }
                }
            }
            (words(picture))
        }
    }
}

impl<'a> Drawing<'a> {
    fn of(picture: &'a Picture) -> Self {
        let mut top = HEAD;
        let steps: Vec<Drawn<'_>> = picture
            .steps
            .iter()
            .map(|step| {
                let lines = lines(step);
                let height = lines.len() * LINE + PAD;
                let drawn = Drawn { step, lines, top, height };
                top += height + GAP / 2;
                drawn
            })
            .collect();
        let mut left = GUTTER;
        let lanes = picture.lanes.iter().enumerate().map(|(index, name)| {
            let own = steps.iter().filter(|drawn| drawn.step.lane == index);
            let texts = own.flat_map(|drawn| widths(&drawn.lines)).chain([name.chars().count()]);
            let asleep = picture.asleep.iter().filter(|asleep| asleep.lane == index);
            let names = asleep.map(|asleep| sleeps_on(&asleep.on).chars().count());
            let width = texts.chain(names).max().unwrap_or(0) * CHAR + 2 * PAD;
            let lane = Lane { left, width };
            left += width + GAP;
            lane
        });
        let lanes = lanes.collect();
        Self { picture, steps, lanes, width: left, bottom: top }
    }

    /// The name of a lane, its life, and its sleeps.
    fn lane(&self, index: usize, name: &str) -> Markup {
        let Some(lane) = self.lanes.get(index) else { return html! {} };
        let middle = lane.left + lane.width / 2;
        let own: Vec<&Drawn<'_>> = self.steps.iter().filter(|drawn| drawn.step.lane == index).collect();
        let asleep = self.picture.asleep.iter().find(|asleep| asleep.lane == index);
        let end = own.last().map_or(HEAD, |last| last.top + last.height);
        let end = if asleep.is_some() { self.bottom } else { end };
        let sleeps = own.iter().enumerate().filter(|(_, drawn)| drawn.step.kind == Kind::Sleep).map(|(nth, drawn)| {
            let until = own.get(nth + 1).map_or(self.bottom, |next| next.top);
            (drawn.top + drawn.height, until)
        });
        html! {
            text.lane x=(middle) y="18" text-anchor="middle" { (name) }
            line.life x1=(middle) y1="24" x2=(middle) y2=(end) {}
            @for (from, to) in sleeps {
                rect.asleep x=(middle - 4) y=(from) width="8" height=(to.saturating_sub(from)) {}
            }
            @if let Some(asleep) = asleep {
                text.asleep x=(middle) y=(self.bottom + 16) text-anchor="middle" { (sleeps_on(&asleep.on)) }
            }
        }
    }

    fn step(&self, index: usize, drawn: &Drawn<'_>) -> Markup {
        let Some(lane) = self.lanes.get(drawn.step.lane) else { return html! {} };
        let (last, operation) = drawn.lines.split_last().map_or(("", &[][..]), |(last, rest)| (last.as_str(), rest));
        let class = if drawn.step.old {
            format!("{} old", class_of(drawn.step.kind))
        } else {
            class_of(drawn.step.kind).to_owned()
        };
        html! {
            text.count x=(GUTTER - 10) y=(drawn.top + LINE) text-anchor="end" { (index + 1) }
            g class=(class) {
                rect x=(lane.left) y=(drawn.top) width=(lane.width) height=(drawn.height) rx="3" {}
                @for (row, line) in operation.iter().enumerate() {
                    text x=(lane.left + PAD) y=(drawn.top + LINE * (row + 1)) { (line) }
                }
                text.place x=(lane.left + PAD) y=(drawn.top + LINE * drawn.lines.len()) { (last) }
            }
        }
    }

    /// An arrow from the step that wrote what this one reads, if that is one of another lane.
    fn reads_from(&self, index: usize, drawn: &Drawn<'_>) -> Markup {
        let Some(Source::Step(number)) = drawn.step.from else { return html! {} };
        let writer = number.checked_sub(1).filter(|writer| *writer < index).and_then(|writer| self.steps.get(writer));
        let Some(writer) = writer.filter(|writer| writer.step.lane != drawn.step.lane) else { return html! {} };
        let (Some(from), Some(to)) = (self.lanes.get(writer.step.lane), self.lanes.get(drawn.step.lane)) else {
            return html! {};
        };
        let is_to_the_right = from.left < to.left;
        let x1 = if is_to_the_right { from.left + from.width } else { from.left };
        let x2 = if is_to_the_right { to.left } else { to.left + to.width };
        let (y1, y2) = (writer.top + writer.height / 2, drawn.top + drawn.height / 2);
        let bend = x1.midpoint(x2);
        let class = if drawn.step.old { "reads old" } else { "reads" };
        html! {
            path class=(class) d={ "M" (x1) " " (y1) " C" (bend) " " (y1) " " (bend) " " (y2) " " (x2) " " (y2) } marker-end="url(#arrow-reads)" {}
        }
    }
}

fn class_of(kind: Kind) -> &'static str {
    match kind {
        Kind::Read => "operation read",
        Kind::Write | Kind::Update => "operation write",
        Kind::Fence => "operation fence",
        Kind::Sleep => "operation sleep",
        Kind::Awake => "operation awake",
        Kind::Wake => "operation wake",
        Kind::Payload => "operation payload",
        Kind::Killed => "operation killed",
    }
}

/// The operation, with its values in a line of their own if it is long; then its place, and what it reads.
fn lines(step: &Step) -> Vec<String> {
    let operation = match &step.word {
        Some(word) => format!("{word}.{}", step.does),
        None => step.does.clone(),
    };
    let mut lines = Vec::new();
    let cut = [operation.find(" = 0x"), operation.find(" 0x")].into_iter().flatten().min();
    match cut.filter(|_| operation.chars().count() > LONGEST) {
        Some(at) => {
            let (name, values) = operation.split_at(at);
            lines.extend([name.to_owned(), format!("  {}", values.trim_start())]);
        }
        None => lines.push(operation),
    }
    let mut place = short(&step.at).to_owned();
    match step.from {
        Some(Source::First) => place.push_str(" · from first"),
        Some(Source::Step(number)) => place.push_str(&format!(" · from {number}")),
        None => {}
    }
    if step.old {
        place.push_str(", old");
    }
    lines.push(place);
    lines
}

/// Lengths of these lines, in characters of an operation; the last one is a place.
fn widths(lines: &[String]) -> impl Iterator<Item = usize> {
    let last = lines.len().saturating_sub(1);
    let length = move |(index, line): (usize, &String)| {
        let characters = line.chars().count();
        if index == last { (characters * PLACE_CHAR).div_ceil(10) } else { characters }
    };
    lines.iter().enumerate().map(length)
}

fn sleeps_on(on: &[(String, u32)]) -> String {
    let words: Vec<String> = on.iter().map(|(word, value)| format!("{word} = {value:#x}")).collect();
    format!("asleep on {}", words.join(", "))
}

fn words(picture: &Picture) -> Markup {
    let value = |value: Option<u64>| value.map_or_else(|| "not known".to_owned(), |value| format!("{value:#x}"));
    let row = |word: &Word| {
        html! {
            tr {
                th scope="row" { code { (word.name) } }
                td { code { (value(word.first)) } }
                td { @if word.first == word.last { code { (value(word.last)) } } @else { strong { code { (value(word.last)) } } } }
            }
        }
    };
    html! {
        table.words {
            caption { "Shared words" }
            thead { tr { th scope="col" { "word" } th scope="col" { "at first" } th scope="col" { "at the end" } } }
            tbody { @for word in &picture.words { (row(word)) } }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lanes::Asleep;

    fn step(lane: usize, kind: Kind, word: Option<&str>, does: &str, from: Option<Source>) -> Step {
        let at = format!("src/primitives/gate.rs:{}", 80 + lane);
        Step { lane, at, kind, word: word.map(str::to_owned), does: does.to_owned(), old: false, from }
    }

    #[test]
    fn an_execution_is_drawn() {
        let picture = Picture {
            lanes: vec!["A".to_owned(), "B".to_owned()],
            words: vec![Word { name: "word".to_owned(), first: Some(0), last: Some(1) }],
            asleep: vec![Asleep {
                lane: 1,
                on: vec![("word".to_owned(), 1)],
                at: "src/primitives/gate.rs:81".to_owned(),
            }],
            steps: vec![
                step(0, Kind::Update, Some("word"), "compare_exchange Release 0x80000000 -> 0x1", Some(Source::First)),
                Step { old: true, ..step(1, Kind::Read, Some("word"), "load Relaxed = 0x1", Some(Source::Step(1))) },
                step(0, Kind::Killed, None, "KILLED before this", None),
                step(1, Kind::Sleep, Some("word"), "futex_wait: sleeps", None),
            ],
        };
        let page = figure(&picture, "it", "a < b").into_string();
        insta::assert_snapshot!(page.replace("><", ">\n<"));
    }
}

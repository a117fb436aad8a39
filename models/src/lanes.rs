//! The picture of an execution: a lane for each thread, time going down.

mod names;
mod text;

pub(crate) use text::short;

use names::Names;
use selvedge::sync::model::{Action, Event, Run, Sleeper};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::panic::Location;

/// An execution as people look at it. As text it is what [`Display`](core::fmt::Display) makes of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Picture {
    /// The names of the lanes.
    pub lanes: Vec<String>,
    /// The words that lanes accessed, in the order in which they first did.
    pub words: Vec<Word>,
    /// Who sleeps at the end.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub asleep: Vec<Asleep>,
    /// What happened, one after the other.
    pub steps: Vec<Step>,
}

/// A shared word.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Word {
    /// What the source calls it.
    pub name: String,
    /// What it held at first, as far as the steps tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<u64>,
    /// What it holds at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<u64>,
}

/// A lane that sleeps at the end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asleep {
    /// Which lane.
    pub lane: usize,
    /// The words on which it sleeps, with the values that they held.
    pub on: Vec<(String, u32)>,
    /// Where in the source.
    pub at: String,
}

/// What one lane did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// Which lane.
    pub lane: usize,
    /// Where in the source: file and line.
    pub at: String,
    /// What kind of operation it is.
    pub kind: Kind,
    /// The word that it accesses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub word: Option<String>,
    /// The operation, with values.
    pub does: String,
    /// It read a value although a newer one was there.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub old: bool,
    /// From where it read, if the engine knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Source>,
}

/// What kind of step it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// It only reads a word.
    Read,
    /// It only writes a word.
    Write,
    /// It reads and writes a word at once.
    Update,
    /// A fence.
    Fence,
    /// It goes to sleep.
    Sleep,
    /// It has woken.
    Awake,
    /// It wakes others.
    Wake,
    /// It accesses payload.
    Payload,
    /// It is killed, or stopped for good.
    Killed,
}

/// Where a read value comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// From nobody: the word held it at first.
    First,
    /// From the step with this number, from 1.
    Step(usize),
}

impl Picture {
    /// The present execution of `run`.
    #[must_use]
    pub fn of(run: &Run) -> Self {
        let lanes: Vec<String> = run.lanes().into_iter().map(|lane| lane.name).collect();
        let events: Vec<Event> = run.events().into_iter().filter(|event| event.lane < lanes.len()).collect();
        let names = names_of(run);
        let writes: BTreeMap<u32, usize> = events
            .iter()
            .enumerate()
            .filter(|(_, event)| event.replaced.is_some())
            .filter_map(|(index, event)| Some((event.known?.number, index + 1)))
            .collect();
        let step = |event: &Event| Step {
            lane: event.lane,
            at: place(event.location),
            kind: kind_of(&event.action),
            word: event.word.map(|word| names.of(word)),
            does: event.action.to_string(),
            old: event.stale,
            from: event.known.and_then(|known| match known.reads_from? {
                None => Some(Source::First),
                Some(write) => writes.get(&write).copied().map(Source::Step),
            }),
        };
        let steps = events.iter().map(step).collect();
        let asleep = run.sleepers().iter().map(|sleeper| asleep(sleeper, &names)).collect();
        Self { lanes, words: words(&events, &names), asleep, steps }
    }

    /// How often another lane goes on.
    #[must_use]
    pub fn switches(&self) -> usize {
        self.steps.windows(2).filter(|pair| matches!(pair, [one, next] if one.lane != next.lane)).count()
    }
}

/// Who sleeps for ever on what.
#[must_use]
pub fn describe_deadlock(run: &Run, sleepers: &[Sleeper]) -> String {
    let names = names_of(run);
    let mut text = "lost wake-up or deadlock: everybody who is left sleeps".to_owned();
    let picture = Picture { lanes: run.lanes().into_iter().map(|lane| lane.name).collect(), ..Picture::default() };
    for sleeper in sleepers {
        text.push_str("; ");
        text.push_str(&picture.sleeper(&asleep(sleeper, &names)));
    }
    text
}

/// The name of a lane.
#[must_use]
pub fn lane_name(run: &Run, lane: usize) -> String {
    run.lanes().get(lane).map_or_else(|| "main".to_owned(), |lane| lane.name.clone())
}

fn names_of(run: &Run) -> Names {
    let lanes = run.lanes().len();
    let accessed = run.events().into_iter().filter(|event| event.lane < lanes).filter_map(|event| event.word);
    let slept_on = run.sleepers().into_iter().flat_map(|sleeper| sleeper.words).filter_map(|(word, _)| word);
    Names::new(accessed.chain(slept_on).map(|(made_at, _)| made_at))
}

fn asleep(sleeper: &Sleeper, names: &Names) -> Asleep {
    let name = |word: Option<names::Word>| word.map_or_else(|| "word".to_owned(), |word| names.of(word));
    Asleep {
        lane: sleeper.lane,
        on: sleeper.words.iter().map(|(word, expected)| (name(*word), *expected)).collect(),
        at: place(sleeper.location),
    }
}

fn place(location: &Location<'_>) -> String {
    format!("{}:{}", location.file(), location.line())
}

fn kind_of(action: &Action) -> Kind {
    match action {
        Action::Load(..) | Action::NotExchanged { .. } | Action::NotWaited { .. } => Kind::Read,
        Action::Store(..) => Kind::Write,
        Action::Rmw(..) | Action::Exchanged(..) => Kind::Update,
        Action::Fence(_) => Kind::Fence,
        Action::Sleeps => Kind::Sleep,
        Action::Waited(_) => Kind::Awake,
        Action::Wake(..) => Kind::Wake,
        Action::ReadsPayload | Action::WritesPayload => Kind::Payload,
        Action::Remark(_) => Kind::Killed,
    }
}

/// The words of these events, each as its first access found it and as its last one in coherence order left it.
fn words(events: &[Event], names: &Names) -> Vec<Word> {
    let mut words: Vec<Word> = Vec::new();
    for event in events {
        let Some(name) = event.word.map(|word| names.of(word)) else { continue };
        let is_newest = event.known.map_or(!event.stale, |known| known.behind == 0);
        let (before, after) = match event.action {
            Action::Load(_, found) | Action::NotExchanged { found, .. } => (Some(found), Some(found)),
            Action::NotWaited { found, .. } => (Some(found.into()), Some(found.into())),
            Action::Store(_, new) => (event.replaced, Some(new)),
            Action::Rmw(_, _, old, new) | Action::Exchanged(_, old, new) => (Some(old), Some(new)),
            _ => (None, None),
        };
        let word = match words.iter_mut().find(|word| word.name == name) {
            Some(word) => word,
            None => {
                words.push(Word { name, first: None, last: None });
                let Some(word) = words.last_mut() else { continue };
                word
            }
        };
        word.first = word.first.or(before);
        if is_newest {
            word.last = after.or(word.last);
        }
    }
    words
}

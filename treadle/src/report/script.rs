//! An execution as a line of text, from which it can be run again.
//!
//! The events are listed in one order that causality allows: how many are added in the most ordinary way (a read of the
//! newest value, a write at the end of coherence order, a choice of 0), and between them, by a letter, what is not: `t2`
//! goes on with the second thread that the first one starts, `t2-1` with the first that this one starts, and `t0` with
//! the first one itself (who is started by whom is the same in every run; numbers of threads are not); `r1` reads the
//! value before the newest; `p1` writes before the newest; `f0` fails for no reason; `c3` chooses 3; `d` is a death.

use super::order::{Told, tell};
use crate::graph::{Graph, Kind};
use crate::runtime::Names;
use std::collections::VecDeque;

/// How one event is added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ScriptStep {
    pub(crate) thread: usize,
    /// How far from the newest it reads or writes, or what it chooses.
    pub(crate) number: u32,
    pub(crate) spurious: bool,
    pub(crate) death: bool,
}

/// The steps of an execution.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Script {
    pub(crate) steps: VecDeque<ScriptStep>,
    /// What the numbers of the threads stand for, if not for the threads with these numbers: which child of the first
    /// thread, which child of that, and so on.
    paths: Vec<Vec<usize>>,
}

impl Script {
    /// The thread of the next step, if that thread has been started; outer `None`: there is no next step.
    pub(crate) fn next_thread(&self, names: &Names) -> Option<Option<usize>> {
        let step = self.steps.front()?;
        Some(match self.paths.get(step.thread) {
            None => Some(step.thread),
            Some(path) => path.iter().try_fold(0, |thread, &nth| names.known_child(thread, nth)),
        })
    }

    fn number_of(&mut self, path: Vec<usize>) -> usize {
        let known = self.paths.iter().position(|other| *other == path);
        known.unwrap_or_else(|| {
            self.paths.push(path);
            self.paths.len() - 1
        })
    }
}

/// The path to a thread, as text.
fn path_of(graph: &Graph, thread: usize) -> String {
    let Some(start) = graph.spawned_by(thread) else { return "0".to_owned() };
    let parent = usize::from(graph.event(start).thread);
    let row = graph.row(parent).iter().take_while(|&&id| id != start);
    let nth = row.filter(|&&id| graph.event(id).kind == Kind::Spawn).count() + 1;
    if parent == 0 { nth.to_string() } else { format!("{}-{nth}", path_of(graph, parent)) }
}

/// Reads what [`path_of`] wrote.
fn read_path(text: &str) -> Option<Vec<usize>> {
    if text == "0" {
        return Some(Vec::new());
    }
    text.split('-').map(|nth| nth.parse::<usize>().ok()?.checked_sub(1)).collect()
}

/// Writes down the execution of a graph.
pub(crate) fn write(graph: &Graph) -> String {
    let mut text = String::new();
    let (mut thread, mut ordinary) = (0, 0_usize);
    let flush = |text: &mut String, ordinary: &mut usize| {
        if *ordinary > 0 {
            text.push_str(&format!("{}{ordinary}", if text.is_empty() { "" } else { "." }));
        }
        *ordinary = 0;
    };
    for Told { id, behind, .. } in tell(graph) {
        let event = graph.event(id);
        if usize::from(event.thread) != thread {
            thread = event.thread.into();
            flush(&mut text, &mut ordinary);
            text.push_str(&format!(".t{}", path_of(graph, thread)));
        }
        let code = match event.kind {
            Kind::Death => Some("d".to_owned()),
            Kind::Read if event.spurious => Some(format!("f{behind}")),
            Kind::Read if behind > 0 => Some(format!("r{behind}")),
            Kind::Write if behind > 0 => Some(format!("p{behind}")),
            Kind::Choice if event.value > 0 && event.link > 0 => Some(format!("c{}", event.value)),
            _ => None,
        };
        match code {
            Some(code) => {
                flush(&mut text, &mut ordinary);
                text.push_str(&format!(".{code}"));
            }
            None => ordinary += 1,
        }
    }
    flush(&mut text, &mut ordinary);
    text.trim_start_matches('.').to_owned()
}

/// Reads what [`write`] wrote; `None` if it is nothing of the kind.
pub(crate) fn read(text: &str) -> Option<Script> {
    let mut script = Script::default();
    let mut thread = script.number_of(Vec::new());
    for token in text.split('.') {
        let letter = token.chars().next()?;
        if letter == 't' {
            thread = script.number_of(read_path(token.get(1..)?)?);
            continue;
        }
        let number = if letter.is_ascii_digit() || letter == 'd' { "0" } else { token.get(1..)? };
        let number: u32 = number.parse().ok()?;
        let step = ScriptStep { thread, number, spurious: letter == 'f', death: letter == 'd' };
        match letter {
            'd' | 'f' | 'r' | 'p' | 'c' => script.steps.push_back(step),
            _ => {
                let count: usize = token.parse().ok()?;
                script.steps.extend(core::iter::repeat_n(step, count.min(1 << 20)));
            }
        }
    }
    Some(script)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_script_is_refused() {
        for text in ["", "x", "3..4", "t", "r", "tx", "3.q1", "-1", "t1-", "t1-0", "t1-x"] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn tokens_mean_what_they_say() {
        let step = |thread, number, spurious, death| ScriptStep { thread, number, spurious, death };
        let script = read("2.t1-2.r3.f0.d").expect("it is one");
        assert_eq!(script.paths, [vec![], vec![0, 1]]);
        let expected = [
            step(0, 0, false, false),
            step(0, 0, false, false),
            step(1, 3, false, false),
            step(1, 0, true, false),
            step(1, 0, false, true),
        ];
        assert_eq!(script.steps, expected);
    }
}

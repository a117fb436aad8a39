//! An execution as a line of text, from which it can be run again.
//!
//! The events are listed in one order that causality allows: how many are added in the most ordinary way (a read of the
//! newest value, a write at the end of coherence order, a choice of 0), and between them, by a letter, what is not: `t2`
//! goes on with thread 2; `r1` reads the value before the newest; `p1` writes before the newest; `f0` fails for no
//! reason; `c3` chooses 3; `d` is a death.

use super::order::{Told, tell};
use crate::graph::{Graph, Kind};
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
pub(crate) type Script = VecDeque<ScriptStep>;

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
            text.push_str(&format!(".t{thread}"));
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
    let mut script = Script::new();
    let mut thread = 0;
    for token in text.split('.') {
        let letter = token.chars().next()?;
        let number = if letter.is_ascii_digit() || letter == 'd' { "0" } else { token.get(1..)? };
        let number: u32 = number.parse().ok()?;
        let step = ScriptStep { thread, number, spurious: letter == 'f', death: letter == 'd' };
        match letter {
            't' => thread = number as usize,
            'd' | 'f' | 'r' | 'p' | 'c' => script.push_back(step),
            _ => {
                let count: usize = token.parse().ok()?;
                script.extend(core::iter::repeat_n(step, count.min(1 << 20)));
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
        for text in ["", "x", "3..4", "t", "r", "tx", "3.q1", "-1"] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn tokens_mean_what_they_say() {
        let step = |thread, number, spurious, death| ScriptStep { thread, number, spurious, death };
        let script = read("2.t1.r3.f0.d").expect("it is one");
        let expected = [
            step(0, 0, false, false),
            step(0, 0, false, false),
            step(1, 3, false, false),
            step(1, 0, true, false),
            step(1, 0, false, true),
        ];
        assert_eq!(script, expected);
    }
}

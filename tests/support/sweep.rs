//! A process is killed before each synchronisation step of an operation, one after the other.
//!
//! [`sweep`] plays a round for each step: the victim dies before step 0, 1, 2, … until it lives through the whole
//! operation. The round says in which state the victim has left things. Steps are those that the models number, so model
//! and reality share their crash points.
#![allow(dead_code, reason = "each test binary uses a part of it")]

use super::actors::{Actor, Ending, fork};
use super::patience::until;
use super::shared::Mark;
use selvedge::sync::steps::{arm, disarm};

/// An operation that takes more steps than this waits for something in a loop.
const MOST_STEPS: u64 = 2000;

/// The victim's side: counts its steps, and dies before the chosen one.
#[derive(Debug)]
pub(crate) struct Steps {
    kill_before: u64,
    taken: u64,
}

impl Steps {
    /// Does a part of the operation, the steps of which count. What is done between parts does not.
    pub(crate) fn take<R>(&mut self, part: impl FnOnce() -> R) -> R {
        arm(self.kill_before - self.taken);
        let result = part();
        self.taken += disarm();
        result
    }
}

/// One kill.
#[derive(Debug)]
pub(crate) struct Round {
    kill_before: u64,
}

impl Round {
    /// Forks the victim, and waits until it has set `ready` or is dead.
    #[track_caller]
    pub(crate) fn victim(&self, ready: &Mark, body: impl FnOnce(&mut Steps)) -> Actor {
        let victim = fork("the victim", || body(&mut Steps { kill_before: self.kill_before, taken: 0 }));
        until("the victim is ready", || ready.get() != 0 || victim.is_dead());
        victim
    }
}

/// Kills the victim of `play` before each of its steps, and prints where that led.
///
/// `play` is one round. It returns how the victim ended and in which of `states` it left things; these stand in the
/// order in which its steps bring them about. A state that no kill leads to fails the sweep: it would not test what it
/// says.
#[track_caller]
pub(crate) fn sweep<const N: usize>(
    operation: &str,
    states: [&'static str; N],
    mut play: impl FnMut(&Round) -> (Ending, &'static str),
) {
    let mut hits: [Vec<u64>; N] = [const { Vec::new() }; N];
    for kill_before in 0.. {
        assert!(kill_before < MOST_STEPS, "{operation}: no end after {MOST_STEPS} steps");
        let (ending, state) = play(&Round { kill_before });
        let rank = states.iter().position(|known| *known == state);
        let rank = rank.unwrap_or_else(|| panic!("{operation}: the kill before step {kill_before} led to: {state}"));
        match ending {
            Ending::SIGKILL => hits[rank].push(kill_before),
            Ending::DONE => {
                assert_eq!(rank, N - 1, "{operation}: the victim that lived through it left: {state}");
                break;
            }
            other => panic!("{operation}: the victim of step {kill_before} ended with {other:?}"),
        }
    }
    println!("{operation}: killed before each of {} steps, then not at all", hits.iter().map(Vec::len).sum::<usize>());
    for (rank, (state, steps)) in states.iter().zip(&hits).enumerate() {
        // The last state is that of the victim that lived.
        println!("  {state:<28} {:>4} kills, before steps {}", steps.len(), ranges(steps));
        assert!(!steps.is_empty() || rank == N - 1, "{operation}: no kill led to `{state}`");
    }
}

/// `0-3, 7`.
fn ranges(steps: &[u64]) -> String {
    let runs = steps.chunk_by(|one, next| one + 1 == *next);
    let shown = runs.map(|run| match run {
        [one] => one.to_string(),
        run => format!("{}-{}", run[0], run[run.len() - 1]),
    });
    shown.collect::<Vec<_>>().join(", ")
}

//! A program on the model: every outcome that exploration finds, and what it must find.

use super::machine;
use super::program::{DEAD, GRAVE, Op, Outcome, Program, Returned, Trouble, WORDS};
use selvedge::sync::model::{Plan, WakeOrder};
use selvedge::sync::{AtomicU32, Deadline, Ordering, WaitOn, WaitOutcome, futex_wait, futex_waitv, futex_wake};
use selvedge_models::World;
use selvedge_models::explore::{Effort, Verdict, explore_world};
use selvedge_models::scene::Notes;
use std::collections::BTreeSet;
use std::sync::Arc;

/// What the model knows of a program.
#[derive(Default)]
pub(crate) struct Modelled {
    /// By some order of steps.
    pub(crate) outcomes: BTreeSet<Outcome>,
    /// Those that an engine shows besides.
    pub(crate) weak: Weak,
    /// Executions explored.
    pub(crate) executions: u64,
}

/// Outcomes that no order of steps has, but memory that is weaker than the kernel's calls leave it: a call of the model
/// orders nothing around it.
///
/// Of these the engines know different ones, each for a reason of its own. loom reorders two stores to one word, treadle
/// does not if somebody waits on the word (so what an outcome on loom alone returns, treadle knows with other final
/// values); treadle lets a thread sleep past an earlier store of another thread, loom does not (store buffering).
#[derive(Default)]
pub(crate) struct Weak {
    pub(crate) both: usize,
    pub(crate) loom_alone: usize,
    pub(crate) treadle_alone: usize,
}

impl Weak {
    pub(crate) fn count(&self) -> usize {
        self.both + self.loom_alone + self.treadle_alone
    }

    pub(crate) fn add(&mut self, others: &Self) {
        self.both += others.both;
        self.loom_alone += others.loom_alone;
        self.treadle_alone += others.treadle_alone;
    }
}

impl Modelled {
    /// Explores `program` under every plan that its deadlines and troubles ask for.
    pub(crate) fn of(program: &Program, wake_order: WakeOrder) -> Self {
        let mut modelled = Self::default();
        for plan in plans(program) {
            let plan = Plan { wake_order, ..plan };
            let ordered = machine::outcomes(program, &plan);
            let loom = modelled.explore(program, &plan, Effort::loom(None));
            let treadle = modelled.explore(program, &plan, Effort::treadle());
            for (engine, found) in [("loom", &loom), ("treadle", &treadle)] {
                let lacks: Vec<&Outcome> = ordered.difference(found).collect();
                assert!(
                    lacks.is_empty(),
                    "{engine} lacks outcomes of some order of steps\n{program}{plan:?}\n{lacks:?}"
                );
            }
            modelled.weak.count_in(program, &ordered, &loom, &treadle);
            modelled.outcomes.extend(ordered);
        }
        if let Trouble::Murder { thread } = program.trouble {
            let outcomes = std::mem::take(&mut modelled.outcomes);
            modelled.outcomes = outcomes.into_iter().map(|outcome| outcome.without(thread)).collect();
        }
        assert!(!modelled.outcomes.is_empty(), "nothing came of\n{program}");
        modelled
    }

    /// Every outcome under one plan on one engine.
    fn explore(&mut self, program: &Program, plan: &Plan, effort: Effort) -> BTreeSet<Outcome> {
        let all = |found: Option<BTreeSet<Outcome>>| found.expect("all deadlines pass");
        let found = all(self.explore_on(program, plan, Patience::UntilNobodyRuns, effort));
        if matches!(program.trouble, Trouble::None | Trouble::Suicide { .. }) {
            let mut returned = found.iter().flat_map(|outcome| outcome.returned.iter().flatten());
            let can_sleep = returned.any(|returned| *returned == Returned::Asleep);
            let deadlocks = self.explore_on(program, plan, Patience::ForEver, effort).is_none();
            assert_eq!(deadlocks, can_sleep, "a deadlock, and somebody who can sleep for ever:\n{program}{plan:?}");
        }
        if program.is_tiny() {
            for other in [Plan { wake_edge: false, ..plan.clone() }, Plan { shadow: true, ..plan.clone() }] {
                let others = all(self.explore_on(program, &other, Patience::UntilNobodyRuns, effort));
                assert_eq!(others, found, "this decides nothing here: {other:?}\n{program}");
            }
        }
        found
    }

    fn explore_on(
        &mut self,
        program: &Program,
        plan: &Plan,
        patience: Patience,
        effort: Effort,
    ) -> Option<BTreeSet<Outcome>> {
        let seen = Arc::new(Notes::<BTreeSet<Outcome>>::default());
        let (sink, shared) = (Arc::clone(&seen), Arc::new(program.clone()));
        let build = move |world: &mut World| build(world, &shared, &sink, patience);
        let explored = explore_world(build, plan.clone(), effort);
        self.executions += explored.executions();
        match explored.verdict {
            Verdict::Pass => {}
            Verdict::Fail(failure) if failure.message.starts_with("lost wake-up or deadlock") => return None,
            other => panic!("{program}{plan:?}: {other:?}"),
        }
        let seen = seen.lock().clone();
        Some(seen)
    }
}

impl Weak {
    fn count_in(
        &mut self,
        program: &Program,
        ordered: &BTreeSet<Outcome>,
        loom: &BTreeSet<Outcome>,
        treadle: &BTreeSet<Outcome>,
    ) {
        let returned: BTreeSet<_> = treadle.iter().map(|outcome| &outcome.returned).collect();
        for outcome in loom.union(treadle).filter(|outcome| !ordered.contains(outcome)) {
            match (loom.contains(outcome), treadle.contains(outcome)) {
                (true, true) => self.both += 1,
                (true, false) => {
                    let known = returned.contains(&outcome.returned);
                    assert!(known, "what was returned on loom, treadle does not know\n{program}{outcome}");
                    self.loom_alone += 1;
                }
                _ => self.treadle_alone += 1,
            }
        }
    }
}

/// How a wait without a deadline goes to the model.
#[derive(Clone, Copy)]
enum Patience {
    /// As it is: who sleeps for ever is a deadlock, at which the exploration ends.
    ForEver,
    /// With a deadline, which the model lets pass when nothing else can run: who times out slept for ever.
    UntilNobodyRuns,
}

/// A plan for each way in which the program can be troubled.
fn plans(program: &Program) -> Vec<Plan> {
    let waits = |thread: usize| 0..u32::try_from(program.lanes[thread].waits()).expect("few operations");
    let all_waits = || (0..program.lanes.len()).flat_map(|thread| waits(thread).map(move |nth| (thread, nth)));
    // A planned deadline passes at any time, or not at all if a wake comes first.
    let timeouts = all_waits().filter(|&(thread, _)| program.lanes[thread].timed).collect();
    // Nobody loads: all accesses to a word conflict, and loom's reduction needs no shadow words to see that.
    let untroubled = Plan { timeouts, shadow: false, ..Plan::default() };
    let killed = |thread, step| Plan { kills: vec![(thread, step)], ..untroubled.clone() };
    match program.trouble {
        Trouble::None => vec![untroubled],
        Trouble::Suicide { thread, index } => vec![killed(thread, steps_before(program, thread, index))],
        Trouble::Murder { thread } => {
            let steps = steps_before(program, thread, program.lanes[thread].ops.len());
            (0..steps).map(|step| killed(thread, step)).chain([untroubled.clone()]).collect()
        }
        Trouble::StrayWake { .. } => {
            let spurious = all_waits().map(|wait| Plan { spurious: vec![wait], ..untroubled.clone() });
            spurious.chain([untroubled.clone()]).collect()
        }
    }
}

/// The steps of a thread before its operation `index`.
fn steps_before(program: &Program, thread: usize, index: usize) -> u64 {
    let steps = |op: &Op| if op.is_wait() { 2 } else { 1 };
    program.lanes[thread].ops.iter().take(index).map(steps).sum()
}

fn build(world: &mut World, program: &Arc<Program>, sink: &Arc<Notes<BTreeSet<Outcome>>>, patience: Patience) {
    let words: Arc<[AtomicU32; WORDS]> = Arc::new(std::array::from_fn(|_| AtomicU32::new(0)));
    let returned = Arc::new(Notes::<Vec<Vec<Returned>>>::default());
    returned.lock().resize(program.lanes.len(), Vec::new());
    for thread in 0..program.lanes.len() {
        let (program, words, returned) = (Arc::clone(program), Arc::clone(&words), Arc::clone(&returned));
        world.thread(&format!("T{thread}"), move || {
            let lane = &program.lanes[thread];
            for &op in &lane.ops {
                let result = perform(op, lane.timed, patience, &words);
                returned.lock()[thread].push(result);
                if result == Returned::Asleep {
                    return;
                }
            }
            if program.trouble == (Trouble::Murder { thread }) {
                // Killed when it has done all that it had to do.
                announce_death(&words);
            }
        });
    }
    if let Trouble::Murder { .. } = program.trouble {
        let words = Arc::clone(&words);
        world.on_death(move |_| announce_death(&words), |_| {});
    }
    let (program, sink) = (Arc::clone(program), Arc::clone(sink));
    world.finally(move || {
        let finals = std::array::from_fn(|word| words[word].load(Ordering::Relaxed));
        let returned = returned.lock().clone();
        // Whoever is killed at any time does not sleep for ever: a plan of its own kills it asleep.
        let spared =
            matches!(program.trouble, Trouble::Murder { thread } if returned[thread].last() == Some(&Returned::Asleep));
        if !spared {
            sink.lock().insert(Outcome { returned, finals });
        }
    });
}

fn announce_death(words: &[AtomicU32; WORDS]) {
    words[GRAVE].store(DEAD, Ordering::Relaxed);
    futex_wake(&words[GRAVE], u32::MAX);
}

fn perform(op: Op, timed: bool, patience: Patience, words: &[AtomicU32; WORDS]) -> Returned {
    let deadline = match patience {
        _ if timed => Some(Deadline::at_monotonic_ns(1)),
        Patience::ForEver => None,
        Patience::UntilNobodyRuns => Some(Deadline::at_monotonic_ns(u64::MAX)),
    };
    let outcome = match op {
        Op::Store { word, value } => {
            words[word].store(value, Ordering::Relaxed);
            return Returned::Nothing;
        }
        Op::Wake { word, count } => return Returned::Wakes(futex_wake(&words[word], count)),
        Op::Wait { word, expected } => futex_wait(&words[word], expected, deadline),
        Op::Waitv { first, expected } => {
            let on = |word: usize| WaitOn { word: &words[word], expected: expected[word] };
            futex_waitv(&[on(first), on(1 - first)], deadline)
        }
    };
    match outcome {
        WaitOutcome::Woken => Returned::Woken,
        WaitOutcome::Changed => Returned::Changed,
        WaitOutcome::TimedOut if timed => Returned::TimedOut,
        WaitOutcome::TimedOut => Returned::Asleep,
        WaitOutcome::Interrupted => panic!("the model interrupts nobody"),
    }
}

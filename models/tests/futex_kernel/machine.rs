//! A program as a state machine: the rules of the futex alone, one step after the other, by hand.
//!
//! It shares nothing with the engines: neither their queues nor their memory. A call of the kernel orders what its
//! caller did before against what it does after (the barriers of `futex_hb_waiters_inc` and `futex_hb_waiters_pending`), so
//! on the kernel the order of steps is all there is, and what it does must be what some order of steps here does.

use super::program::{DEAD, GRAVE, Op, Outcome, Program, Returned, Trouble, WORDS};
use selvedge::sync::model::{Plan, WakeOrder};
use std::collections::{BTreeSet, HashSet};

/// Every outcome of `program` under `plan` by some order of steps.
pub(crate) fn outcomes(program: &Program, plan: &Plan) -> BTreeSet<Outcome> {
    let machine = Machine { program, plan };
    let threads = vec![Thread::default(); program.lanes.len()];
    let first = State { words: [0; WORDS], queues: [const { Vec::new() }; WORDS], threads, keeper: Keeper::Idle };
    let (mut found, mut seen, mut open) = (BTreeSet::new(), HashSet::new(), vec![first]);
    while let Some(state) = open.pop() {
        if !seen.insert(state.clone()) {
            continue;
        }
        let next = machine.next(&state);
        if next.is_empty() {
            found.extend(machine.outcome(state));
        }
        open.extend(next);
    }
    found
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct State {
    words: [u32; WORDS],
    /// Who waits on each word, the longest first.
    queues: [Vec<usize>; WORDS],
    threads: Vec<Thread>,
    keeper: Keeper,
}

/// Who announces a death.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Keeper {
    Idle,
    Stores,
    Wakes,
}

#[derive(Clone, Default, PartialEq, Eq, Hash)]
struct Thread {
    phase: Phase,
    /// Operations that have ended, those that announce the end of a victim included.
    ended: usize,
    /// Steps as a plan of kills counts them.
    steps: u64,
    /// Waits that have joined all their queues.
    waits: u32,
    /// A wake has taken the present wait from some queue.
    taken: bool,
    returned: Vec<Returned>,
}

#[derive(Clone, Default, PartialEq, Eq, Hash)]
enum Phase {
    #[default]
    Ready,
    /// Has joined that many queues of its words.
    Joins(usize),
    Sleeps,
    /// Leaves the queues of its words from that one on, up to the other.
    Leaves {
        next: usize,
        until: usize,
        why: Returned,
    },
    Dead,
}

struct Machine<'a> {
    program: &'a Program,
    plan: &'a Plan,
}

impl Machine<'_> {
    /// Every state that one step leads to.
    fn next(&self, state: &State) -> Vec<State> {
        let mut next = Vec::new();
        for thread in 0..state.threads.len() {
            let mut after = state.clone();
            if self.step(&mut after, thread) {
                next.push(after);
            }
        }
        let mut after = state.clone();
        match state.keeper {
            Keeper::Idle => return next,
            Keeper::Stores => {
                after.words[GRAVE] = DEAD;
                after.keeper = Keeper::Wakes;
            }
            Keeper::Wakes => {
                self.wake(&mut after, GRAVE, u32::MAX);
                after.keeper = Keeper::Idle;
            }
        }
        next.push(after);
        next
    }

    /// A step of that thread, if it can make one.
    fn step(&self, state: &mut State, thread: usize) -> bool {
        let waits_on = self.op(thread, state.threads[thread].ended).map(words_of).unwrap_or_default();
        match state.threads[thread].phase {
            Phase::Dead => return false,
            Phase::Sleeps if !state.threads[thread].taken => return false,
            Phase::Ready => return self.begin(state, thread, &waits_on),
            Phase::Joins(joined) => self.join(state, thread, &waits_on, joined),
            Phase::Sleeps => {
                // Whoever slept on one word has been taken from its queue; of two, it is in the other one still.
                let next = if waits_on.len() == 1 { 1 } else { 0 };
                self.leave(state, thread, next, waits_on.len(), Returned::Woken);
            }
            Phase::Leaves { next, until, why } => {
                state.queues[waits_on[next].0].retain(|&other| other != thread);
                self.leave(state, thread, next + 1, until, why);
            }
        }
        true
    }

    /// Begins the next operation; one that does not wait ends with that.
    fn begin(&self, state: &mut State, thread: usize, waits_on: &[(usize, u32)]) -> bool {
        let Some(op) = self.op(thread, state.threads[thread].ended) else { return false };
        if self.dies(state, thread) {
            return true;
        }
        match op {
            Op::Store { word, value } => {
                state.words[word] = value;
                self.end(state, thread, Returned::Nothing);
            }
            Op::Wake { word, count } => {
                let woken = self.wake(state, word, count);
                self.end(state, thread, Returned::Wakes(woken));
            }
            Op::Wait { .. } | Op::Waitv { .. } => {
                state.threads[thread].taken = false;
                self.join(state, thread, waits_on, 0);
            }
        }
        true
    }

    /// Checks the next word and joins its queue.
    fn join(&self, state: &mut State, thread: usize, waits_on: &[(usize, u32)], joined: usize) {
        let (word, expected) = waits_on[joined];
        if state.words[word] != expected {
            return self.leave(state, thread, 0, joined, Returned::Changed);
        }
        state.queues[word].push(thread);
        let joined = joined + 1;
        if joined < waits_on.len() {
            state.threads[thread].phase = Phase::Joins(joined);
            return;
        }
        let me = &mut state.threads[thread];
        let (nth, step) = (me.waits, me.steps);
        me.waits += 1;
        if self.plan.spurious.contains(&(thread, nth)) {
            for queue in &mut state.queues {
                queue.retain(|&other| other != thread);
            }
            self.leave(state, thread, joined, joined, Returned::Woken);
        } else if self.plan.timeouts.contains(&(thread, nth)) || self.plan.kills.contains(&(thread, step)) {
            self.leave(state, thread, 0, joined, Returned::TimedOut);
        } else {
            state.threads[thread].phase = Phase::Sleeps;
        }
    }

    /// Goes on to leave the queues of words `next..until`; when it has left them, the wait ends.
    fn leave(&self, state: &mut State, thread: usize, next: usize, until: usize, why: Returned) {
        if next < until {
            state.threads[thread].phase = Phase::Leaves { next, until, why };
        } else if !self.dies(state, thread) {
            let why = if state.threads[thread].taken { Returned::Woken } else { why };
            self.end(state, thread, why);
        }
    }

    fn end(&self, state: &mut State, thread: usize, returned: Returned) {
        let me = &mut state.threads[thread];
        // The announcement of an end is no operation of the program.
        if me.ended < self.program.lanes[thread].ops.len() {
            me.returned.push(returned);
        }
        me.ended += 1;
        me.phase = Phase::Ready;
    }

    /// Counts a step, before which the thread dies if it is to.
    fn dies(&self, state: &mut State, thread: usize) -> bool {
        let me = &mut state.threads[thread];
        let dies = self.plan.kills.contains(&(thread, me.steps));
        me.steps += 1;
        if dies {
            me.phase = Phase::Dead;
            if let Trouble::Murder { .. } = self.program.trouble {
                state.keeper = Keeper::Stores;
            }
        }
        dies
    }

    /// Takes up to `count` of those who are in the queue of `word`, who sleep or have not left it yet.
    fn wake(&self, state: &mut State, word: usize, count: u32) -> u32 {
        let queue = &mut state.queues[word];
        let count = queue.len().min(usize::try_from(count).unwrap_or(usize::MAX));
        let taken: Vec<usize> = match self.plan.wake_order {
            WakeOrder::Fifo => queue.drain(..count).collect(),
            WakeOrder::Lifo => queue.drain(queue.len() - count..).collect(),
        };
        for thread in taken {
            state.threads[thread].taken = true;
        }
        u32::try_from(count).unwrap_or(u32::MAX)
    }

    /// Operation `index` of a thread; a victim that is done announces its end itself.
    fn op(&self, thread: usize, index: usize) -> Option<Op> {
        let ops = &self.program.lanes[thread].ops;
        let announces = self.program.trouble == (Trouble::Murder { thread });
        match index.checked_sub(ops.len()) {
            None => Some(ops[index]),
            Some(0) if announces => Some(Op::Store { word: GRAVE, value: DEAD }),
            Some(1) if announces => Some(Op::Wake { word: GRAVE, count: u32::MAX }),
            Some(_) => None,
        }
    }

    /// What is seen of a run that ends there; nothing if the victim, who is killed at any time, would sleep for ever.
    fn outcome(&self, state: State) -> Option<Outcome> {
        let asleep = |thread: &Thread| thread.phase == Phase::Sleeps;
        if let Trouble::Murder { thread } = self.program.trouble
            && asleep(&state.threads[thread])
        {
            return None;
        }
        let returned = state.threads.into_iter().map(|mut thread| {
            if asleep(&thread) {
                thread.returned.push(Returned::Asleep);
            }
            thread.returned
        });
        Some(Outcome { returned: returned.collect(), finals: state.words })
    }
}

/// The words that an operation waits on, in order, with what they are to hold.
fn words_of(op: Op) -> Vec<(usize, u32)> {
    match op {
        Op::Wait { word, expected } => vec![(word, expected)],
        Op::Waitv { first, expected } => [first, 1 - first].map(|word| (word, expected[word])).to_vec(),
        Op::Store { .. } | Op::Wake { .. } => Vec::new(),
    }
}

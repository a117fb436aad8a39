//! A check by one worker or by several.
//!
//! Whoever has nothing to do says so; whoever has, gives away its oldest item ([`Check::give_away`]). Which worker
//! explores which executions depends on timing, what they explore together does not.

use crate::check::{Body, Check, Known, Ran, Share};
use crate::failure::{Failure, Problem};
use crate::model::{Builder, Report, Search};
use crate::runtime::Execution;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// What the workers share.
struct Desk {
    state: Mutex<State>,
    news: Condvar,
}

#[derive(Default)]
struct State {
    /// Work to be taken up.
    shares: Vec<Share>,
    /// Workers that have nothing to do.
    idle: usize,
    /// No worker is to go on.
    over: bool,
    /// What the exploration has to start anew with.
    anew: Option<Known>,
    report: Report,
    shortest: Option<Box<Failure>>,
    /// Runs that are left for finding a shorter failure.
    left: u64,
}

/// Explores everything that `builder` asks for, and calls `visit` after each complete execution; with `None` when those
/// so far do not count.
pub(crate) fn explore(
    builder: &Builder,
    body: &Body,
    visit: &(dyn Fn(Option<&Execution>) + Sync),
) -> Result<Report, Box<Failure>> {
    let start = Instant::now();
    let mut known = Known::default();
    loop {
        let desk = Desk {
            state: Mutex::new(State { left: builder.look_for_shorter, ..State::default() }),
            news: Condvar::new(),
        };
        let workers = if matches!(builder.search, Search::Random { .. }) { 1 } else { builder.workers.max(1) };
        let work = |first: bool| Worker { builder, desk: &desk, visit, start, workers }.work(body, &known, first);
        std::thread::scope(|scope| {
            for _ in 1..workers {
                scope.spawn(|| work(false));
            }
            work(true);
        });
        let state = desk.state.into_inner().unwrap_or_else(PoisonError::into_inner);
        if let Some(more) = state.anew {
            known = more;
            visit(None);
            continue;
        }
        let mut report = state.report;
        let drawn = matches!(builder.search, Search::Random { .. });
        report.complete = report.inconclusive.is_none() && report.cut == 0 && !drawn;
        return state.shortest.map_or(Ok(report), Err);
    }
}

#[derive(Clone, Copy)]
struct Worker<'a> {
    builder: &'a Builder,
    desk: &'a Desk,
    visit: &'a (dyn Fn(Option<&Execution>) + Sync),
    start: Instant,
    workers: usize,
}

/// What a worker has counted and not yet told.
#[derive(Default)]
struct Tally {
    executions: u64,
    blocked: u64,
    events: u64,
    steps: u64,
    cut: u64,
}

impl Worker<'_> {
    fn desk(&self) -> MutexGuard<'_, State> {
        self.desk.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self, body: &Body, known: &Known, first: bool) {
        let mut check = Check::new(self.builder, body, known.clone());
        let mut tally = Tally::default();
        let mut busy = first;
        loop {
            while busy {
                busy = self.one_run(&mut check, &mut tally);
            }
            self.tell(&mut check, &mut tally);
            match self.wait_for_work() {
                Some(share) => busy = check.take_up(share),
                None => return,
            }
        }
    }

    /// One run and what follows from it; false if this worker has nothing left to do.
    fn one_run(&self, check: &mut Check<'_>, tally: &mut Tally) -> bool {
        /// Runs between two looks at the others.
        const PERIOD: u64 = 64;
        match check.run() {
            Ran::Anew(known) => {
                let mut state = self.desk();
                state.anew = Some(known);
                self.end(&mut state);
                return false;
            }
            Ran::Ended(true) => {
                tally.executions += 1;
                (self.visit)(Some(check.execution()));
            }
            Ran::Ended(false) => tally.blocked += 1,
            Ran::Failed(failure) => self.failed(failure, tally.executions),
        }
        let runs = tally.executions + tally.blocked;
        let more = check.advance(runs);
        let is_time = runs.is_multiple_of(PERIOD) || self.desk_is_urgent(runs);
        if more && is_time { self.look_around(check, tally) } else { more }
    }

    /// Limits on runs have to be kept to the run.
    fn desk_is_urgent(&self, runs: u64) -> bool {
        self.builder.max_runs.is_some_and(|most| runs >= most) || self.desk().shortest.is_some()
    }

    fn failed(&self, mut failure: Box<Failure>, executions: u64) {
        let mut state = self.desk();
        let before = state.report.executions + executions;
        failure.executions = state.shortest.as_ref().map_or(before, |first| first.executions);
        let no_verdict = matches!(failure.problem, Problem::Divergence | Problem::Misuse | Problem::Aborted);
        if state.shortest.as_ref().is_none_or(|shortest| is_shorter(&failure, shortest)) {
            state.shortest = Some(failure);
        }
        if no_verdict || state.left == 0 {
            self.end(&mut state);
        }
    }

    /// Tells what was counted, gives work away if somebody waits for it, and says whether to go on.
    fn look_around(&self, check: &mut Check<'_>, tally: &mut Tally) -> bool {
        let (executions, blocked) = (tally.executions, tally.blocked);
        let mut state = self.desk();
        if state.over {
            return false;
        }
        if state.shortest.is_some() {
            state.left = state.left.saturating_sub(1);
            if state.left == 0 {
                self.end(&mut state);
                return false;
            }
        }
        let runs = state.report.executions + state.report.blocked + executions + blocked;
        let late = self.builder.max_duration.filter(|&most| self.start.elapsed() > most);
        let limit = match (self.builder.max_runs.filter(|&most| runs >= most), late) {
            (Some(_), _) => Some(format!("there are more than {runs} runs")),
            (None, Some(most)) => Some(format!("it takes longer than {most:?}")),
            (None, None) => None,
        };
        if limit.is_some() && state.shortest.is_none() {
            state.report.inconclusive = limit;
            self.end(&mut state);
            return false;
        }
        if state.idle > state.shares.len()
            && let Some(share) = check.give_away()
        {
            state.shares.push(share);
            self.desk.news.notify_one();
        }
        true
    }

    /// Adds what was counted to the report.
    fn tell(&self, check: &mut Check<'_>, tally: &mut Tally) {
        if let Some(execution) = check.counted() {
            tally.events = execution.explorer.added;
            tally.steps = execution.steps;
            tally.cut = execution.explorer.cut;
            (execution.explorer.added, execution.steps, execution.explorer.cut) = (0, 0, 0);
        }
        let Tally { executions, blocked, events, steps, cut } = core::mem::take(tally);
        let report = &mut self.desk().report;
        report.executions += executions;
        report.blocked += blocked;
        report.events += events;
        report.steps += steps;
        report.cut += cut;
    }

    fn end(&self, state: &mut State) {
        state.over = true;
        self.desk.news.notify_all();
    }

    /// Waits for work; none when there will be no more.
    fn wait_for_work(&self) -> Option<Share> {
        /// Only a bound on how long an error in this protocol could go unnoticed.
        const PATIENCE: Duration = Duration::from_millis(100);
        let mut state = self.desk();
        state.idle += 1;
        loop {
            if state.over {
                return None;
            }
            if let Some(share) = state.shares.pop() {
                state.idle -= 1;
                return Some(share);
            }
            if state.idle == self.workers {
                self.end(&mut state);
                return None;
            }
            state = self.desk.news.wait_timeout(state, PATIENCE).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

fn is_shorter(one: &Failure, other: &Failure) -> bool {
    (one.picture.switches, one.picture.events) < (other.picture.switches, other.picture.events)
}

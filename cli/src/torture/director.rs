//! The director: starts workers, kills, stops and replaces them by a plan that the seed determines, and calls the inspector
//! at the end of each round.
//!
//! It is not attached to the region itself, so nobody is sure to survive: there are rounds in which everybody dies, and
//! the next to come finds only the dead.

use super::fault::{Fault, Outcome};
use super::histogram::Histogram;
use super::inspector;
use super::journal::{Phase, Place};
use super::numbers::Numbers;
use super::process::{self, Ending};
use super::subject::{Subject, View};
use super::worker::{self, FAULT, LIFE, NOT_THERE, Scene};
use rustix::process::{Pid, Signal};
use selvedge::Deadline;
use selvedge::sync::Ordering;
use serde::Serialize;
use std::collections::VecDeque;
use std::thread;
use std::time::{Duration, Instant};

/// How many kills a round has for each worker.
const KILLS: u64 = 12;
/// How long a round takes at most, kills or not.
const ROUND: Duration = Duration::from_millis(300);
/// A region serves for so many rounds, on average.
const RENEWED: u64 = 24;
/// Longest pause between two acts, in microseconds.
const PAUSE: u64 = 300;
/// Longest stop of a worker, in microseconds.
const STOP: u64 = 3000;
/// Longest time, in microseconds, in which workers go on and nobody is killed, before a round ends.
const LULL: u64 = 10_000;
/// How long an inspection takes at most, beside its waits.
const INSPECTION: Duration = Duration::from_secs(60);
/// How often ends of processes are looked for while nothing else is to be done.
const LOOK: Duration = Duration::from_micros(100);
/// Most calls that a worker lives through which kills itself.
const DOOM: u64 = 60;
/// How many of its last acts a report shows.
const ACTS: usize = 16;

struct Worker {
    pid: Pid,
    /// The director sent SIGKILL.
    killed: bool,
    /// Until when it is stopped.
    stopped: Option<Deadline>,
}

/// What happened, in numbers.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Tally {
    pub(crate) rounds: u64,
    pub(crate) kills: u64,
    pub(crate) stops: u64,
    pub(crate) turns: u64,
    /// Workers that left by themselves.
    pub(crate) exits: u64,
    /// Workers that left and attached again.
    pub(crate) returns: u64,
    pub(crate) regions: u64,
}

pub(crate) struct Director {
    scene: Scene,
    pub(crate) subjects: Vec<Box<dyn Subject>>,
    workers: Vec<Option<Worker>>,
    inspector: Option<Pid>,
    /// How the inspector ended.
    inspected: Option<Ending>,
    numbers: Numbers,
    pub(crate) histogram: Histogram,
    pub(crate) tally: Tally,
    acts: VecDeque<String>,
    begun: Instant,
}

impl Director {
    pub(crate) fn new(scene: &Scene, subjects: Vec<Box<dyn Subject>>, seed: u64) -> Self {
        let workers = (0..scene.workers).map(|_| None).collect();
        Self {
            scene: scene.clone(),
            subjects,
            workers,
            inspector: None,
            inspected: None,
            numbers: Numbers::new(seed),
            histogram: Histogram::default(),
            tally: Tally { regions: 1, ..Tally::default() },
            acts: VecDeque::new(),
            begun: Instant::now(),
        }
    }

    /// One round: work and kills, an end, an inspection.
    pub(crate) fn round(&mut self) -> Outcome {
        let journal = self.scene.journal;
        journal.set_phase(Phase::Work);
        let (end, enough) = (Deadline::after(ROUND), self.tally.kills + KILLS * self.workers.len() as u64);
        (0..self.workers.len()).try_for_each(|lane| self.start(lane))?;
        while self.tally.kills < enough && !end.has_passed() {
            self.act();
            thread::sleep(Duration::from_micros(self.numbers.below(PAUSE)));
            for lane in self.reap()? {
                self.start(lane)?;
            }
        }
        self.end()?;
        self.inspect()?;
        for (index, subject) in self.subjects.iter_mut().enumerate() {
            subject.begin(View { journal, subject: index });
        }
        self.tally.rounds += 1;
        self.tally.returns = journal.returns.load(Ordering::Relaxed);
        Ok(())
    }

    fn start(&mut self, lane: usize) -> Outcome {
        // Every second worker kills itself, if nobody does it before.
        let doom = if self.numbers.once_in(2) { 1 + self.numbers.below(DOOM) } else { 0 };
        let seed = self.numbers.next();
        let journal = self.scene.journal.lane(lane);
        journal.begin(u32::try_from(doom).unwrap_or(0));
        journal.set_at(Some(Place { subject: LIFE, point: NOT_THERE }));
        let (scene, subjects) = (&self.scene, &mut self.subjects);
        let pid = process::fork(|| worker::run(scene, subjects, lane, seed));
        let pid = pid.map_err(|error| Fault::refused("fork", error))?;
        self.workers[lane] = Some(Worker { pid, killed: false, stopped: None });
        Ok(())
    }

    /// Kills some, stops one, or lets them work.
    fn act(&mut self) {
        match self.numbers.below(10) {
            0..=4 => {
                for _ in 0..1 + self.numbers.below(2) {
                    let lane = self.numbers.index(self.workers.len());
                    // Most are let in first.
                    let place = self.scene.journal.lane(lane).at();
                    if place.is_none_or(|place| place.subject != LIFE) || self.numbers.once_in(4) {
                        self.kill(lane);
                    }
                }
            }
            5 => {
                let lane = self.numbers.index(self.workers.len());
                let stop = Duration::from_micros(self.numbers.below(STOP));
                if let Some(worker) = self.workers[lane].as_mut().filter(|worker| worker.stopped.is_none()) {
                    process::signal(worker.pid, Signal::STOP);
                    worker.stopped = Some(Deadline::after(stop));
                    self.tally.stops += 1;
                    self.note(format!("stop lane {lane} for {stop:?}"));
                }
            }
            _ => {}
        }
        for worker in self.workers.iter_mut().flatten() {
            if worker.stopped.is_some_and(Deadline::has_passed) {
                worker.stopped = None;
                process::signal(worker.pid, Signal::CONT);
            }
        }
    }

    fn kill(&mut self, lane: usize) {
        if let Some(worker) = self.workers[lane].as_mut().filter(|worker| !worker.killed) {
            self.scene.journal.lane(lane).is_condemned();
            process::signal(worker.pid, Signal::KILL);
            worker.killed = true;
        }
    }

    fn note(&mut self, act: String) {
        if self.acts.len() == ACTS {
            self.acts.pop_front();
        }
        self.acts.push_back(format!("{:?} {act}", self.begun.elapsed()));
    }

    /// Buries those who have ended; returns their lanes.
    fn reap(&mut self) -> Outcome<Vec<usize>> {
        let mut lanes = Vec::new();
        while let Some((pid, ending)) = process::reap_any() {
            let is_it = |worker: &Option<Worker>| worker.as_ref().is_some_and(|worker| worker.pid == pid);
            if self.inspector == Some(pid) {
                (self.inspector, self.inspected) = (None, Some(ending));
            }
            // Else an orphan: the child of a worker that was killed.
            let Some(lane) = self.workers.iter().position(is_it) else { continue };
            if let Some(worker) = self.workers[lane].take() {
                self.bury(lane, &worker, ending)?;
                lanes.push(lane);
            }
        }
        Ok(lanes)
    }

    fn bury(&mut self, lane: usize, worker: &Worker, ending: Ending) -> Outcome {
        let journal = self.scene.journal;
        let own = journal.lane(lane);
        self.tally.turns += own.turns.load(Ordering::Acquire);
        match ending {
            Ending::DONE => {
                self.tally.exits += 1;
                own.set_at(None);
                Ok(())
            }
            Ending::SIGKILL if own.is_doomed() => {
                let place = own.at();
                let armed = own.armed.load(Ordering::Acquire).checked_sub(1).filter(|_| !worker.killed);
                self.histogram.hit(place, armed);
                self.tally.kills += 1;
                self.note(format!("killed {}", self.who(lane, worker.pid)));
                if let Some(Place { subject, point }) = place
                    && let Some(buried) = self.subjects.get_mut(subject)
                {
                    buried.bury(View { journal, subject }, own, point);
                }
                // It is not there any more: it neither waits nor holds anything.
                own.set_at(None);
                Ok(())
            }
            Ending::Exited(FAULT) => Err(Fault::new(format!("{} found: {}", self.who(lane, worker.pid), own.said()))),
            other => {
                Err(Fault::new(format!("{} ended with {other:?}, which nobody asked for", self.who(lane, worker.pid))))
            }
        }
    }

    /// A lane's worker and where it is.
    fn who(&self, lane: usize, pid: Pid) -> String {
        let own = self.scene.journal.lane(lane);
        let generation = own.generation.load(Ordering::Acquire);
        let place = own.at().map_or_else(
            || "just forked".to_owned(),
            |Place { subject, point }| match self.subjects.get(subject) {
                Some(subject) => format!("{}: {}", subject.name(), subject.points().get(point).unwrap_or(&"?")),
                None => format!("life: {}", worker::POINTS.get(point).unwrap_or(&"?")),
            },
        );
        format!("worker {generation} of lane {lane} (process {}) at `{place}`", pid.as_raw_nonzero())
    }

    /// No more kills: those who are not doomed come to their ends.
    fn end(&mut self) -> Outcome {
        for worker in self.workers.iter_mut().flatten() {
            if worker.stopped.take().is_some() {
                process::signal(worker.pid, Signal::CONT);
            }
        }
        self.scene.journal.set_phase(Phase::Lull);
        // Now and then nobody is left.
        let all = self.numbers.once_in(6);
        for lane in 0..self.workers.len() {
            if all || self.scene.journal.lane(lane).is_doomed() {
                self.kill(lane);
            }
        }
        let deadline = Deadline::after(self.scene.patience);
        while self.workers.iter().flatten().any(|worker| worker.killed) {
            self.reap()?;
            if deadline.has_passed() {
                return Err(Fault::new("a process was killed and does not end"));
            }
            thread::sleep(LOOK);
        }
        // What is lost from here on nobody's death brings back.
        thread::sleep(Duration::from_micros(self.numbers.below(LULL)));
        self.scene.journal.set_phase(Phase::Ending);
        Ok(())
    }

    /// From here on nobody dies: the accounts are closed, and the inspector has a copy of them.
    fn inspect(&mut self) -> Outcome {
        let journal = self.scene.journal;
        let renews = self.numbers.once_in(RENEWED);
        journal.renew.store(renews.into(), Ordering::Release);
        self.tally.regions += u64::from(renews);
        journal.inspector().begin(0);
        let (scene, subjects) = (&self.scene, &mut self.subjects);
        let pid = process::fork(|| inspector::run(scene, subjects)).map_err(|error| Fault::refused("fork", error))?;
        self.inspector = Some(pid);
        let mut deadline = Deadline::after(self.scene.patience);
        let mut is_alone = false;
        loop {
            if journal.phase() == Phase::Ending && self.all_rest() {
                journal.set_phase(Phase::Leaving);
            }
            if !is_alone && self.workers.iter().all(Option::is_none) {
                journal.set_phase(Phase::Alone);
                // It has deadlines of its own, one after the other.
                (is_alone, deadline) = (true, Deadline::after(INSPECTION + self.scene.patience));
            }
            self.reap()?;
            if let Some(ending) = self.inspected.take() {
                return self.judge(ending);
            }
            match (deadline.has_passed(), is_alone) {
                (true, true) => return Err(Fault::new("the inspector does not come to an end")),
                (true, false) => return Err(self.stuck()),
                (false, _) => thread::sleep(LOOK),
            }
        }
    }

    /// Whether every worker that is still there has ended its last turn.
    fn all_rest(&self) -> bool {
        let rests = |lane| self.scene.journal.lane(lane).at() == Some(worker::RESTING);
        self.workers.iter().enumerate().all(|(lane, worker)| worker.is_none() || rests(lane))
    }

    fn judge(&self, ending: Ending) -> Outcome {
        match ending {
            Ending::DONE => Ok(()),
            Ending::Exited(FAULT) => Err(Fault::new(self.scene.journal.inspector().said())),
            other => Err(Fault::new(format!("the inspector ended with {other:?}"))),
        }
    }

    /// Somebody waits in vain: says who, for what, and what things look like.
    fn stuck(&mut self) -> Fault {
        let left = self.workers.iter().enumerate().filter_map(|(lane, worker)| Some((lane, worker.as_ref()?.pid)));
        let left = left.filter(|(lane, _)| self.scene.journal.lane(*lane).at() != Some(worker::RESTING));
        let who: Vec<String> = left.map(|(lane, pid)| self.who(lane, pid)).collect();
        self.scene.journal.set_phase(Phase::Stuck);
        let deadline = Deadline::after(ROUND);
        while self.inspected.is_none() && !deadline.has_passed() && self.reap().is_ok() {
            thread::sleep(LOOK);
        }
        Fault::new(format!(
            "waited {:?} in vain, though what they wait for is there:\n    {}\n    {}",
            self.scene.patience,
            who.join("\n    "),
            self.scene.journal.inspector().said()
        ))
    }

    /// The last acts, for a report.
    pub(crate) fn last_acts(&self) -> Vec<String> {
        self.acts.iter().cloned().collect()
    }
}

impl Drop for Director {
    fn drop(&mut self) {
        for pid in self.workers.iter().flatten().map(|worker| worker.pid).chain(self.inspector) {
            process::signal(pid, Signal::KILL);
            process::reap(pid);
        }
    }
}

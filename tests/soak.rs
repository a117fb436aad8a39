//! A thousand threads in fifty processes that die and are replaced for a long time: nothing grows.
//!
//! The processes attach to one region and use objects of every kind with twenty threads each; threads end and are replaced,
//! some end as if killed alone, objects are made and removed. A process is killed, exits in the middle of everything, or
//! leaves in good order, and another takes its place. Two survivors are attached all the time: the director, which only looks,
//! and a process that works.
//!
//! Now and then all others are killed, and an inspector sees that each object has what it had when it was made. Then what
//! is there is counted: places for processes and threads in the region, names of objects, files in the directory of regions
//! and their pages, and of each survivor the descriptors, mappings, threads and pages in memory. What was there after
//! the warm-up, the first tenth of the time, may be there in the end, and no more.
//!
//! `SELVEDGE_MINUTES` for the time, half a minute by default; `SELVEDGE_SEED` for the choices. For a release build.
#![cfg(not(loom))]

mod support {
    pub(crate) mod actors;
    pub(crate) mod alone;
    pub(crate) mod dice;
    pub(crate) mod everything;
    pub(crate) mod pair;
    pub(crate) mod patience;
    pub(crate) mod proc;
    pub(crate) mod shared;
}

use selvedge::region::{RegionErrorKind, RegionOptions};
use selvedge::sync::{AtomicU32, AtomicU64, Ordering};
use selvedge::{Deadline, Region};
use std::fmt;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use support::actors::{Actor, Ending, die_alone, fork};
use support::alone::alone;
use support::dice::Dice;
use support::everything::{Everything, make_and_remove};
use support::patience::{patience, until};
use support::proc::{Holdings, resident_pages};
use support::shared::{Mark, Shared};

const REGION: &str = "soak";
const WORKERS: usize = 50;
/// Threads of each worker that use the region at once.
const BUSY: usize = 20;
/// Those, the main thread, and threads that died alone and are not found yet.
const THREADS: u32 = 28;
/// Threads of one worker that end as if killed alone.
const LONE_DEATHS: u32 = 4;
/// Beside the workers: the director, the survivor, the inspector, and those who are dead and not repaired yet.
const PROCESSES: u32 = 64;
/// Between two deaths that the director brings about.
const PACE: Duration = Duration::from_millis(10);
/// Pages by which a process may grow that has nothing to keep: allocators do not give everything back.
const SLACK: u64 = 64;
/// Measurements after the warm-up.
const MEASUREMENTS: u32 = 9;

fn options() -> RegionOptions {
    RegionOptions::new().processes(PROCESSES).threads(THREADS).objects(128).arena(512 << 10)
}

fn minutes() -> f64 {
    std::env::var("SELVEDGE_MINUTES").map_or(0.5, |minutes| minutes.parse().expect("SELVEDGE_MINUTES is a number"))
}

/// What the processes tell each other.
#[derive(Debug, Default)]
struct Board {
    /// Even: the survivor works; odd: it rests.
    phase: Mark,
    /// The phase in which it rests, once it has said what it holds.
    rests: Mark,
    descriptors: Mark,
    mappings: Mark,
    threads: Mark,
    pages: Mark,
    /// Turns of all workers, and threads that they had.
    turns: Count,
    started: Count,
    lone_deaths: Count,
}

/// How often something happened in any process.
#[derive(Debug)]
struct Count(AtomicU64);

impl Default for Count {
    fn default() -> Self {
        Self(AtomicU64::new(0))
    }
}

impl Count {
    fn one_more(&self) {
        // Relaxed: a number on which nothing else depends.
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        // Relaxed: as above.
        self.0.load(Ordering::Relaxed)
    }
}

/// Attaches as soon as there is a place.
fn attach() -> Region {
    let deadline = patience();
    loop {
        match options().open(REGION) {
            Ok(region) => return region,
            Err(error)
                if matches!(error.kind(), RegionErrorKind::TooManyProcesses { .. }) && !deadline.has_passed() =>
            {
                std::thread::sleep(Duration::from_millis(1));
            }
            Err(error) => panic!("{error}"),
        }
    }
}

/// What the threads of a worker share.
struct Worker {
    region: Region,
    everything: Everything,
    number: usize,
    lone_deaths: AtomicU32,
    leaves: AtomicU32,
}

/// A thread of a worker, and whether it is about to die alone: then nobody can wait for its end.
struct Thread {
    handle: JoinHandle<()>,
    dies: Arc<AtomicU32>,
}

impl Thread {
    fn start(worker: &Arc<Worker>, board: &'static Board, place: usize, dice: Dice) -> Self {
        board.started.one_more();
        let (worker, dies) = (Arc::clone(worker), Arc::new(AtomicU32::new(0)));
        let told = Arc::clone(&dies);
        Self { handle: std::thread::spawn(move || worker.thread(board, place, dice, &told)), dies }
    }

    /// Whether there is to be another one. Its place in the region is free then, unless it died alone.
    fn is_over(&self) -> bool {
        self.handle.is_finished() || self.dies.load(Ordering::Relaxed) != 0
    }

    fn end(self) {
        if self.dies.load(Ordering::Relaxed) == 0 {
            self.handle.join().expect("a thread of a worker");
        }
    }
}

impl Worker {
    /// One thread: turns until it is enough.
    fn thread(&self, board: &Board, place: usize, mut dice: Dice, told: &AtomicU32) {
        let turns = 20 + dice.below(200);
        for _ in 0..turns {
            // Relaxed, here and below: numbers on which nothing else depends.
            if self.leaves.load(Ordering::Relaxed) != 0 {
                break;
            }
            let message = dice.throw();
            self.everything.turn(&mut dice, self.number * BUSY + place, message);
            if dice.once_in(16) {
                make_and_remove(&self.region, &mut dice);
            }
            board.turns.one_more();
        }
        if dice.once_in(32) && self.lone_deaths.fetch_add(1, Ordering::Relaxed) < LONE_DEATHS {
            board.lone_deaths.one_more();
            told.store(1, Ordering::Relaxed);
            die_alone();
        }
    }
}

/// A worker's life. Returns if it leaves in good order.
fn work(board: &'static Board, number: usize, seed: u64) {
    // A thousand threads are more than most machines have processors: the director comes first.
    // SAFETY: changes how this process is scheduled.
    unsafe { libc::nice(10) };
    let mut dice = Dice::new(seed);
    let region = attach();
    let everything = Everything::of(&region).expect("one of each");
    let (lone_deaths, leaves) = (AtomicU32::new(0), AtomicU32::new(0));
    let worker = Arc::new(Worker { region, everything, number, lone_deaths, leaves });
    let mut start = |place| Thread::start(&worker, board, place, Dice::new(dice.throw()));
    let mut threads: Vec<Thread> = (0..BUSY).map(&mut start).collect();
    // Who is not killed before ends by itself, one way or the other.
    for _ in 0..seed % 2_000 {
        std::thread::sleep(Duration::from_millis(1));
        for place in 0..BUSY {
            if threads[place].is_over() {
                threads.swap_remove(place).end();
                threads.push(start(place));
                threads.swap(place, BUSY - 1);
            }
        }
    }
    if seed.is_multiple_of(3) {
        // SAFETY: ends the process at once, whatever its threads are doing.
        unsafe { libc::_exit(0) };
    }
    worker.leaves.store(1, Ordering::Relaxed);
    for thread in threads {
        until("the threads of a worker that leaves have ended", || thread.is_over());
        thread.end();
    }
}

/// Works as long as the soak lasts, and says what it holds when it rests.
fn survive(board: &Board, seed: u64) {
    let mut dice = Dice::new(seed);
    let region = attach();
    let everything = Everything::of(&region).expect("one of each");
    loop {
        let phase = board.phase.get();
        if phase.is_multiple_of(2) {
            let message = dice.throw();
            everything.turn(&mut dice, WORKERS * BUSY, message);
            continue;
        }
        let Holdings { descriptors, mappings, threads } = Holdings::own();
        for (mark, value) in [(&board.descriptors, descriptors), (&board.mappings, mappings), (&board.threads, threads)]
        {
            mark.set(u32::try_from(value).expect("few"));
        }
        board.pages.set(u32::try_from(resident_pages()).expect("few"));
        board.rests.set(phase);
        while board.phase.get() == phase {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

/// Everything that must not grow.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Measured {
    processes: u64,
    threads_in_region: u64,
    objects: u64,
    files: u64,
    bytes_of_files: u64,
    pages_of_files: u64,
    director: [u64; 3],
    survivor: [u64; 3],
    directors_pages: u64,
    survivors_pages: u64,
}

impl Measured {
    /// When nobody but the director and the resting survivor is attached.
    fn now(region: &Region, board: &Board) -> Self {
        let inspection = region.inspect();
        let directory = options().location();
        let files: Vec<_> = fs::read_dir(directory)
            .expect("the directory of regions")
            .map(|entry| entry.and_then(|entry| entry.metadata()).expect("a file"))
            .collect();
        let own = Holdings::own();
        let marks = [&board.descriptors, &board.mappings, &board.threads];
        Self {
            processes: inspection.processes.len() as u64,
            threads_in_region: inspection.processes.iter().map(|process| process.threads.len() as u64).sum(),
            objects: inspection.objects.iter().filter(|object| !object.name.starts_with("temporary")).count() as u64,
            files: files.len() as u64,
            bytes_of_files: files.iter().map(fs::Metadata::len).sum(),
            pages_of_files: files.iter().map(|file| file.blocks() / 8).sum(),
            director: [own.descriptors, own.mappings, own.threads].map(|count| count as u64),
            survivor: marks.map(|mark| mark.get().into()),
            directors_pages: resident_pages(),
            survivors_pages: board.pages.get().into(),
        }
    }

    /// What there is more of than there was `before`.
    fn growth(&self, before: &Self) -> Vec<String> {
        let mut grown = Vec::new();
        let mut compare = |what: &str, was: u64, is: u64, slack: u64| {
            if is > was + slack {
                grown.push(format!("{what}: {was} after the warm-up, {is} in the end"));
            }
        };
        compare("places of processes", before.processes, self.processes, 0);
        compare("places of threads", before.threads_in_region, self.threads_in_region, 0);
        compare("objects", before.objects, self.objects, 0);
        compare("files in the directory of regions", before.files, self.files, 0);
        compare("bytes of these files", before.bytes_of_files, self.bytes_of_files, 0);
        compare("pages of these files", before.pages_of_files, self.pages_of_files, 0);
        for (who, was, is) in
            [("director", before.director, self.director), ("survivor", before.survivor, self.survivor)]
        {
            for (what, (was, is)) in ["descriptors", "mappings", "threads"].iter().zip(was.into_iter().zip(is)) {
                compare(&format!("{what} of the {who}"), was, is, 0);
            }
        }
        compare("pages of the director", before.directors_pages, self.directors_pages, SLACK);
        compare("pages of the survivor", before.survivors_pages, self.survivors_pages, SLACK);
        grown
    }
}

impl fmt::Display for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "region: {} processes, {} threads, {} objects; {} files of {} bytes in {} pages; descriptors, mappings, threads, pages: \
             director {:?} {}, survivor {:?} {}",
            self.processes,
            self.threads_in_region,
            self.objects,
            self.files,
            self.bytes_of_files,
            self.pages_of_files,
            self.director,
            self.directors_pages,
            self.survivor,
            self.survivors_pages
        )
    }
}

/// The director's side.
struct Soak {
    region: Region,
    board: &'static Board,
    survivor: Actor,
    workers: Vec<Actor>,
    dice: Dice,
    killed: u64,
    exited: u64,
}

impl Soak {
    fn new(board: &'static Board) -> Self {
        let mut dice = Dice::from_environment();
        let region = options().create(REGION).expect("a region");
        Everything::of(&region).expect("one of each");
        let seed = dice.throw();
        let survivor = fork("the survivor", || survive(board, seed));
        Self { region, board, survivor, workers: Vec::new(), dice, killed: 0, exited: 0 }
    }

    /// Lets workers live and die until then.
    fn churn(&mut self, end: Deadline) {
        let mut number = 0;
        while !end.has_passed() {
            while self.workers.len() < WORKERS {
                let (board, seed) = (self.board, self.dice.throw());
                self.workers.push(fork("a worker", || work(board, number % WORKERS, seed)));
                number += 1;
            }
            std::thread::sleep(PACE);
            let chosen = usize::try_from(self.dice.below(WORKERS as u64)).expect("an index");
            self.workers[chosen].kill();
            self.reap();
        }
    }

    /// Buries those who have ended, none of whom may have failed.
    fn reap(&mut self) {
        for at in (0..self.workers.len()).rev() {
            if self.workers[at].is_dead() {
                match self.workers.swap_remove(at).end() {
                    Ending::SIGKILL => self.killed += 1,
                    Ending::DONE => self.exited += 1,
                    other => panic!("a worker failed: {other:?}"),
                }
            }
        }
        assert!(!self.survivor.is_dead(), "the survivor failed");
    }

    /// Kills all workers, lets the survivor rest, has an inspector look at every object, and counts what is there.
    fn measure(&mut self) -> Measured {
        self.workers.iter().for_each(Actor::kill);
        self.workers.iter().for_each(Actor::await_death);
        self.reap();
        let phase = self.board.phase.get() + 1;
        self.board.phase.set(phase);
        until("the survivor rests", || self.board.rests.get() == phase || self.survivor.is_dead());
        until("the dead are repaired", || self.region.inspect().processes.len() == 2);
        let inspector = fork("the inspector", || {
            let region = attach();
            let everything = Everything::of(&region).expect("one of each");
            everything.do_what_is_asked(&region.check());
            assert_eq!(region.check(), []);
            everything.is_as_new();
        });
        inspector.succeed();
        until("the inspector has left", || self.region.inspect().processes.len() == 2);
        let measured = Measured::now(&self.region, self.board);
        self.board.phase.set(phase + 1);
        println!(
            "{} processes killed, {} ended; {} threads, {} of which died alone; {} turns\n    {measured}",
            self.killed,
            self.exited,
            self.board.started.get(),
            self.board.lone_deaths.get(),
            self.board.turns.get(),
        );
        measured
    }
}

#[test]
#[ignore = "takes its time: SELVEDGE_MINUTES, in ci/deep"]
fn nothing_grows() {
    let time = Duration::from_secs_f64(minutes() * 60.0);
    alone(time * 2 + Duration::from_secs(120), || {
        let board: &'static Board = Box::leak(Box::new(Shared::new(Board::default())));
        let mut soak = Soak::new(board);
        let part = time / (MEASUREMENTS + 1);
        soak.churn(Deadline::after(part));
        let before = soak.measure();
        let mut after = before.clone();
        for _ in 0..MEASUREMENTS {
            soak.churn(Deadline::after(part));
            after = soak.measure();
        }
        let grown = after.growth(&before);
        assert!(grown.is_empty(), "grown in {time:?}:\n  {}", grown.join("\n  "));
        println!("nothing has grown in {time:?}");
    });
}

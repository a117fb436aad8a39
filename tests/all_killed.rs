//! Every process of a region is killed at once, again and again: whoever comes next finds it in order.
//!
//! The region has an object of every kind, and several processes with several threads are busy on all of them, attach and
//! leave, until all are killed at a moment of chance: by one signal to all of them, or one after the other, so that some die
//! while they look after others. In a part of the rounds that is while they make the region, or attach.
//!
//! Then somebody looks without attaching: no more than repairs and resets may be asked for. A new process opens the region,
//! which repairs it; its check finds nothing but objects that need a reset, each of which does; afterwards it finds nothing,
//! and each object does all that it can do and has all that it had when it was made.
//!
//! `SELVEDGE_RUNS` rounds, `SELVEDGE_SEED` for the choices; moments are of chance in any case.
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

use rustix::process::{Pid, Signal, getpid, kill_process_group, setpgid};
use selvedge::region::{Kind, RegionErrorKind, RegionOptions, Remedy};
use std::time::Duration;
use support::actors::{Actor, Ending, fork};
use support::alone::alone;
use support::dice::Dice;
use support::everything::{Everything, KINDS, make_and_remove};
use support::patience::{spin, until};
use support::shared::{Mark, Shared};

/// For all rounds that gate a change.
const LIMIT: Duration = Duration::from_secs(120);
const REGION: &str = "all-killed";
const PROCESSES: u32 = 6;
const THREADS: u32 = 4;
/// Those who are killed.
const WORKERS: usize = 4;
/// Threads of each.
const BUSY: usize = 3;
/// Turns that each worker has had before anybody is killed, where all are to be busy.
const TURNS: u32 = 20;

fn options() -> RegionOptions {
    RegionOptions::new().processes(PROCESSES).threads(THREADS).objects(64).arena(128 << 10).backstop(None)
}

fn rounds() -> u32 {
    std::env::var("SELVEDGE_RUNS").map_or(100, |runs| runs.parse().expect("SELVEDGE_RUNS is a number"))
}

/// What all processes of one round know.
#[derive(Debug, Default)]
struct Board {
    turns: [Mark; WORKERS],
    /// How many objects the successor had to reset, and one more.
    resets: Mark,
}

/// Attaches, is busy with several threads, leaves, and comes again, until it is killed.
fn work(board: &Board, worker: usize, seed: u64) {
    let mut dice = Dice::new(seed);
    loop {
        let region = match options().open_or_create(REGION) {
            Ok(region) => region,
            // Places of those who left are free in a moment.
            Err(error) if matches!(error.kind(), RegionErrorKind::TooManyProcesses { .. }) => continue,
            Err(error) => panic!("{error}"),
        };
        let everything = Everything::of(&region).expect("one of each");
        let turns = 10 + dice.below(100);
        let busy = |thread: usize, mut dice: Dice| {
            for _ in 0..turns {
                let message = dice.throw() >> 1;
                everything.turn(&mut dice, worker * BUSY + thread, message);
                if dice.once_in(8) {
                    make_and_remove(&region, &mut dice);
                }
                if thread == 0 {
                    board.turns[worker].set(board.turns[worker].get() + 1);
                }
            }
        };
        let own = Dice::new(dice.throw());
        std::thread::scope(|scope| {
            let start = |thread| {
                let (busy, dice) = (&busy, Dice::new(dice.throw()));
                scope.spawn(move || busy(thread, dice))
            };
            let others: Vec<_> = (1..BUSY).map(start).collect();
            busy(0, own);
            // Not by the scope: it does not wait until a thread has given its place in the region back.
            others.into_iter().for_each(|thread| thread.join().expect("a thread that was busy"));
        });
    }
}

/// Waits for a moment that is worth a kill.
fn await_the_moment(board: &Board, workers: &[Actor], dice: &mut Dice) {
    let from_the_beginning = dice.once_in(4);
    if !from_the_beginning {
        until("all workers are busy", || {
            assert!(workers.iter().all(|worker| !worker.is_dead()), "a worker has ended by itself");
            board.turns.iter().all(|turns| turns.get() >= TURNS)
        });
    }
    spin(Duration::from_micros(dice.below(4_000)));
}

/// Kills all of them, and waits until they are dead. Nobody ended otherwise.
fn kill_all(workers: Vec<Actor>, group: Option<Pid>, dice: &mut Dice) {
    match group.filter(|_| dice.once_in(2)) {
        Some(group) => kill_process_group(group, Signal::KILL).expect("the workers"),
        None => {
            for worker in &workers {
                worker.kill();
                spin(Duration::from_micros(dice.below(200)));
            }
        }
    }
    for worker in workers {
        assert_eq!(worker.end(), Ending::SIGKILL, "a worker ended by itself");
    }
}

/// Looks at what they have left without attaching: what was repaired before is no excuse for damage.
fn look(round: u32) {
    let inspection = match options().inspect(REGION) {
        Ok(inspection) => inspection,
        Err(error) if *error.kind() == RegionErrorKind::NotFound => return,
        Err(error) => panic!("round {round}: {error}"),
    };
    for finding in inspection.findings() {
        assert!(matches!(finding.remedy, Remedy::Repair | Remedy::Reset), "round {round}: {finding}");
    }
}

/// A new process does what is asked for, and finds everything as new.
fn succeed(board: &Board) {
    let region = options().open_or_create(REGION).expect("places for processes");
    let findings = region.check();
    // Of the objects some may not have been made; those that ask for something have been.
    let everything = Everything::of(&region).expect("one of each");
    let resets = everything.do_what_is_asked(&findings);
    assert_eq!(region.check(), [], "all that was asked for was done");
    everything.is_as_new();
    assert_eq!(region.check(), []);
    assert_eq!(region.inspect().processes.len(), 1, "the dead are gone");
    region.remove_object(&Kind::Once.to_string()).expect("to be made again");
    board.resets.set(1 + u32::try_from(resets).expect("few"));
}

#[test]
fn whoever_comes_next_finds_it_in_order() {
    let rounds = rounds();
    alone(LIMIT.max(Duration::from_millis(500) * rounds), || {
        let mut dice = Dice::from_environment();
        let (mut resets, mut made_anew) = (0, 0);
        for round in 0..rounds {
            if dice.once_in(8) && options().remove_anyway(REGION).is_ok() {
                made_anew += 1;
            }
            let board = Shared::new(Board::default());
            let group = Shared::new(Mark::default());
            let workers: Vec<Actor> = (0..WORKERS)
                .map(|worker| {
                    let seed = dice.throw();
                    fork("a worker", || {
                        if worker == 0 {
                            setpgid(None, None).expect("a group of its own");
                            group.set(u32::try_from(getpid().as_raw_nonzero().get()).expect("a process id"));
                        }
                        let leader = group.wait("the first worker's group");
                        let leader = Pid::from_raw(i32::try_from(leader).expect("a process id"));
                        setpgid(None, leader).expect("a group to join");
                        work(&board, worker, seed);
                    })
                })
                .collect();
            await_the_moment(&board, &workers, &mut dice);
            // The group is whole only once all are busy.
            let is_whole = board.turns.iter().all(|turns| turns.get() > 0);
            let group = is_whole.then(|| Pid::from_raw(i32::try_from(group.get()).expect("a process id"))).flatten();
            kill_all(workers, group, &mut dice);
            look(round);
            let successor = fork("the successor", || succeed(&board));
            assert_eq!(successor.end(), Ending::DONE, "round {round}: the successor finds it in order");
            resets += board.resets.get() - 1;
        }
        println!(
            "{WORKERS} processes of {BUSY} threads on {} kinds of object killed in each of {rounds} rounds, {made_anew} of \
             them on a new region: {resets} objects needed a reset",
            KINDS.len()
        );
    });
}

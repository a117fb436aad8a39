//! Histories of real processes are linearizable, also where one of them is killed in the middle.
//!
//! Four processes each make a few calls on one object, what and when by dice; in half of the rounds one of them is killed
//! before a synchronisation step of its own, so that its last operation is pending. Each notes in a log of its own what it
//! calls and what comes of it, with stamps of one counter that all share. The director judges the log when all have ended.
//! A round is short, and there are many: a search through one long history would cost more and show less. `SELVEDGE_RUNS` is the
//! number of rounds of each object, with seeds from 0 on; [`ROUNDS`] if it is not set.
//!
//! **Stamps.** An atomic counter, and not the clock: who takes a stamp sees all that was done before smaller ones were taken,
//! on every processor that keeps to the memory model, and no two stamps are equal. The price is that calls are fenced on both
//! sides; what happens without fences is what the models are for.
//!
//! **Waits.** Whoever waits does so for a short time only; a call that timed out has not happened, so it is left out of the
//! history: if it has changed anything, the rest cannot be explained. That nobody sleeps too long is tested elsewhere.
//!
//! That the judge would notice is shown on the same logs: with the results of two calls swapped they are refused.
#![cfg(not(loom))]

#[path = "../support"]
mod support {
    pub(crate) mod actors;
    pub(crate) mod alone;
    pub(crate) mod dice;
    pub(crate) mod patience;
    pub(crate) mod proc;
    pub(crate) mod shared;
}

mod channels;
mod log;
mod mailboxes;
mod subjects;

use channels::{BoundedChannel, UnboundedChannel, ZeroChannel};
use log::{CALLS, Lane, Log, PROCESSES};
use mailboxes::{Few, MailboxOf, Many, Zero};
use selvedge::Region;
use selvedge::region::RegionOptions;
use selvedge::sync::steps::arm;
use selvedge_witness::{End, History, Record, Verdict, draw, judge, minimise};
use std::time::Duration;
use subjects::{Bounded, Event, Mutex, Outcome, Semaphore, Subject, Unbounded};
use support::actors::{Ending, fork};
use support::alone::alone;
use support::dice::Dice;
use support::patience::until;
use support::shared::{Mark, Shared};

/// For every so many rounds of an object.
const LIMIT: Duration = Duration::from_secs(120);
/// Rounds of each object, every second one with a kill.
const ROUNDS: u64 = 150;
/// Pairs of operations and state that the judge tries. Histories of so few calls need some thousand.
const EFFORT: u64 = 2_000_000;
/// The same for each of the many judgements by which a failing history is reduced.
const REDUCTION: u64 = 10_000;

/// What the processes of one round share.
struct Board {
    arrived: [Mark; PROCESSES],
    go: Mark,
    log: Log,
}

fn rounds() -> u64 {
    std::env::var("SELVEDGE_RUNS").map_or(ROUNDS, |runs| runs.parse().expect("SELVEDGE_RUNS is a number"))
}

fn options() -> RegionOptions {
    RegionOptions::new().processes(8).threads(2).objects(2).arena(32 << 10)
}

type Records<S> = Vec<Record<subjects::Operation<S>, Outcome<S>, u64>>;

/// One round: who is killed, if anybody, and the records of all.
fn play<S: Subject>(seed: u64) -> (Records<S>, bool) {
    let name = format!("round-{seed}");
    let _region: Region = options().create(&name).expect("a region");
    let board = Shared::new(Board { arrived: Default::default(), go: Mark::default(), log: Log::default() });
    let mut dice = Dice::new(seed);
    let victim = dice.below(PROCESSES as u64 * 2);
    let step = dice.below(S::STEPS);
    let actors: Vec<_> = (0..PROCESSES)
        .map(|lane| {
            let (board, name, dice) = (&board, name.clone(), Dice::new(dice.throw()));
            let kill_before = (victim == lane as u64).then_some(step);
            fork("an actor", move || act::<S>(board, lane, &name, dice, kill_before))
        })
        .collect();
    until("all have arrived", || board.arrived.iter().all(|mark| mark.get() != 0));
    board.go.set(1);
    let mut killed = [false; PROCESSES];
    for (killed, actor) in killed.iter_mut().zip(actors) {
        let ending = actor.end();
        assert!([Ending::DONE, Ending::SIGKILL].contains(&ending), "an actor ended with {ending:?}");
        *killed = ending == Ending::SIGKILL;
    }
    (board.log.records::<S>(killed), killed.contains(&true))
}

/// The part of one process.
fn act<S: Subject>(board: &Board, lane: usize, region: &str, mut dice: Dice, kill_before: Option<u64>) {
    let region = options().open(region).expect("the director has made it");
    S::with_session(&region, &mut |session| {
        board.arrived[lane].set(1);
        // Awake, so that they begin at once.
        until("the others have arrived", || board.go.get() != 0);
        let mut log = Lane::new(&board.log, lane);
        if let Some(step) = kill_before {
            arm(step);
        }
        for number in 0..CALLS {
            let message = u32::try_from(lane * CALLS + number + 1).expect("few");
            let operation = session.choose(&mut dice, message);
            log.call::<S>(operation, || session.perform(operation, &mut dice));
            if dice.once_in(3) {
                rustix::thread::sched_yield();
            }
        }
        while let Some(last) = session.last() {
            log.call::<S>(last, || session.perform(last, &mut dice));
        }
    });
}

fn is_explained<S: Subject>(records: &Records<S>) -> bool {
    match judge(&S::specification(), &History::of(records), EFFORT) {
        Verdict::Linearizable(_) => true,
        Verdict::NotLinearizable => false,
        Verdict::Undecided => panic!("{}: the judge has not come to an end: inconclusive", S::NAME),
    }
}

/// Whether one began before the other was over, and the other way round.
fn overlap<O, R>(one: &Record<O, R, u64>, other: &Record<O, R, u64>) -> bool {
    let is_before = |one: &Record<O, R, u64>, other: &Record<O, R, u64>| {
        one.returned.is_some_and(|returned| returned < other.called)
    };
    one.thread != other.thread && !is_before(one, other) && !is_before(other, one)
}

/// Records in which the results of two calls of the same kind are swapped.
fn swapped<S: Subject>(records: &Records<S>) -> Vec<Records<S>> {
    let mut all = Vec::new();
    for (one, first) in records.iter().enumerate() {
        for (other, second) in records.iter().enumerate().skip(one + 1) {
            let both_returned = matches!((&first.end, &second.end), (End::Returned(_), End::Returned(_)));
            if both_returned && S::are_alike(first.operation, second.operation) && first.end != second.end {
                let mut mutated = records.clone();
                mutated[one].end = second.end.clone();
                mutated[other].end = first.end.clone();
                all.push(mutated);
            }
        }
    }
    all
}

fn histories<S: Subject>() {
    let rounds = rounds();
    alone(LIMIT * u32::try_from(1 + rounds / ROUNDS).expect("not so many"), || {
        let (mut kills, mut pending, mut overlapping, mut telling, mut swaps, mut refused) = (0, 0, 0, 0, 0, 0);
        for round in 0..rounds {
            let (records, killed) = play::<S>(round);
            if !is_explained::<S>(&records) {
                let least = minimise(&S::specification(), &History::of(&records), REDUCTION);
                let name = |lane: usize| format!("process {lane}");
                let whole = draw(&History::of(&records), &name);
                panic!("{}, seed {round}: no order explains this:\n{}\nof\n{whole}", S::NAME, draw(&least, &name));
            }
            kills += u64::from(killed);
            pending += records.iter().filter(|record| record.end == End::Pending).count();
            let told = |record: &&Record<_, _, _>| S::telling().is_some_and(|end| record.end == End::Returned(end));
            telling += records.iter().filter(told).count() as u64;
            let others = |index: usize| records.iter().skip(index + 1);
            let overlaps = |index: &usize| others(*index).any(|other| overlap(&records[*index], other));
            overlapping += (0..records.len()).filter(overlaps).count() as u64;
            for mutated in swapped::<S>(&records) {
                swaps += 1;
                refused += u64::from(!is_explained::<S>(&mutated));
            }
        }
        println!(
            "{}: {rounds} histories, {kills} kills, {pending} pending operations, {overlapping} that overlap with a later \
             one; {refused} of {swaps} with two results swapped are refused",
            S::NAME
        );
        assert!(kills >= rounds / 10, "few were killed");
        assert!(pending > 0, "nobody was killed in the middle");
        assert!(S::telling().is_none() || telling > rounds / 4, "too few ended with {:?}", S::telling());
        assert!(overlapping > rounds / 8, "they came one after the other");
        assert!(refused >= rounds / 4, "the judge lets errors pass");
    });
}

#[test]
fn semaphore() {
    histories::<Semaphore>();
}

#[test]
fn mutex() {
    histories::<Mutex>();
}

#[test]
fn event() {
    histories::<Event>();
}

#[test]
fn bounded_queue() {
    histories::<Bounded>();
}

#[test]
fn unbounded_queue() {
    histories::<Unbounded>();
}

#[test]
fn channel_that_holds_nothing() {
    histories::<ZeroChannel>();
}

#[test]
fn bounded_channel() {
    histories::<BoundedChannel>();
}

#[test]
fn unbounded_channel() {
    histories::<UnboundedChannel>();
}

#[test]
fn mailbox_that_holds_nothing() {
    histories::<MailboxOf<Zero>>();
}

#[test]
fn bounded_mailbox() {
    histories::<MailboxOf<Few>>();
}

#[test]
fn unbounded_mailbox() {
    histories::<MailboxOf<Many>>();
}

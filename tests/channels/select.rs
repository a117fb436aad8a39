//! Select: as crossbeam's where the names are the same, with events and permits besides, and before every step of one a kill.
//!
//! Where they differ: a message to be sent is given before, not after one knows that it will be; it is plain bytes, of which the
//! sender has a copy still. So what was selected is done, and to drop it is no mistake, which panics there: what was received is
//! gone with it. A select over nothing says so here, and panics there.

use super::{Board, CAPACITIES, LIMIT, SHORT, made, opened, receiver, sender};
use crate::support::actors::{Ending, fork};
use crate::support::alone::alone;
use crate::support::asleep::asleep;
use crate::support::patience::{PATIENCE, until};
use crate::support::shared::Shared;
use crate::support::sweep::sweep;
use crossbeam_channel as peer;
use selvedge::Region;
use selvedge::message::{Capacity, Receiver, RecvError, Select, SelectError, SendError, Sender};
use selvedge::primitives::waiting::Wait;
use selvedge::region::RegionOptions;
use std::collections::BTreeSet;
use std::thread;
use std::time::Duration;

/// An operation on the channel of that number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Op {
    Recv(usize),
    Send(usize, u64),
}

/// What came of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Done {
    Got(u64),
    Sent,
    Disconnected,
}

/// Several channels, and a select over operations on them.
trait Channels: Sync + Sized {
    fn made(capacities: &[Option<usize>]) -> Self;
    /// Takes the handles of an end away, which are there until what is returned is dropped.
    fn take_senders(&mut self, channel: usize) -> impl Send + use<Self>;
    fn take_receivers(&mut self, channel: usize) -> impl Send + use<Self>;
    /// Which of them was done, and what came of it. Of channels that have no handle at that end any more there is none.
    fn select(&self, operations: &[Op], timeout: Option<Duration>) -> Option<(usize, Done)>;
    /// The same, without waiting.
    fn try_select(&self, operations: &[Op]) -> Option<(usize, Done)>;
    fn try_recv(&self, channel: usize) -> Option<u64>;
    fn recv(&self, channel: usize) -> Option<u64>;
    fn send(&self, channel: usize, message: u64) -> bool;
}

struct Ours {
    senders: Vec<Option<Sender<u64>>>,
    receivers: Vec<Option<Receiver<u64>>>,
    _region: Region,
}

struct Theirs {
    senders: Vec<Option<peer::Sender<u64>>>,
    receivers: Vec<Option<peer::Receiver<u64>>>,
}

macro_rules! handles {
    () => {
        fn take_senders(&mut self, channel: usize) -> impl Send + use<> {
            self.senders[channel].take()
        }

        fn take_receivers(&mut self, channel: usize) -> impl Send + use<> {
            self.receivers[channel].take()
        }

        fn try_recv(&self, channel: usize) -> Option<u64> {
            self.receivers[channel].as_ref()?.try_recv().ok()
        }

        fn recv(&self, channel: usize) -> Option<u64> {
            self.receivers[channel].as_ref()?.recv_timeout(PATIENCE).ok()
        }

        fn send(&self, channel: usize, message: u64) -> bool {
            self.senders[channel].as_ref().is_some_and(|sender| sender.send_timeout(message, PATIENCE).is_ok())
        }
    };
}

impl Ours {
    fn with<'a>(&'a self, operations: &[Op]) -> (Select<'a>, Vec<Option<usize>>) {
        let mut select = Select::new().with_wait(Wait::Block);
        let added = operations.iter().map(|operation| match *operation {
            Op::Recv(channel) => self.receivers[channel].as_ref().map(|receiver| select.recv(receiver)),
            Op::Send(channel, message) => self.senders[channel].as_ref().map(|sender| select.send(sender, message)),
        });
        let added = added.collect();
        (select, added)
    }

    fn outcome(
        &self,
        operations: &[Op],
        added: &[Option<usize>],
        selected: Result<selvedge::message::Selected<'_, '_>, SelectError>,
    ) -> Option<(usize, Done)> {
        let selected = match selected {
            Ok(selected) => selected,
            Err(SelectError::NotReady | SelectError::TimedOut | SelectError::Nothing) => return None,
            Err(error) => panic!("{error}"),
        };
        let index = added.iter().position(|added| *added == Some(selected.index())).expect("one of them");
        let done = match operations[index] {
            Op::Recv(channel) => match selected.recv(self.receivers[channel].as_ref().expect("it was added")) {
                Ok(message) => Done::Got(message),
                Err(error) => {
                    assert_eq!(error, RecvError::Disconnected);
                    Done::Disconnected
                }
            },
            Op::Send(channel, _) => match selected.send(self.senders[channel].as_ref().expect("it was added")) {
                Ok(()) => Done::Sent,
                Err(error) => {
                    assert_eq!(error, SendError::Disconnected(()));
                    Done::Disconnected
                }
            },
        };
        Some((index, done))
    }
}

impl Channels for Ours {
    fn made(capacities: &[Option<usize>]) -> Self {
        let options = RegionOptions::new().processes(2).threads(16).objects(8).arena(256 << 10);
        let region = options.anonymous().expect("a region");
        let (mut senders, mut receivers) = (Vec::new(), Vec::new());
        for (index, capacity) in capacities.iter().enumerate() {
            let capacity = match *capacity {
                None => Capacity::Unbounded { quota: 1024 },
                Some(0) => Capacity::Zero,
                Some(bound) => Capacity::Bounded(bound),
            };
            let (sender, receiver) = region.channel(&index.to_string(), capacity).expect("a channel");
            senders.push(Some(sender));
            receivers.push(Some(receiver));
        }
        Self { senders, receivers, _region: region }
    }

    handles!();

    fn select(&self, operations: &[Op], timeout: Option<Duration>) -> Option<(usize, Done)> {
        let (mut select, added) = self.with(operations);
        let selected = match timeout {
            Some(timeout) => select.select_timeout(timeout),
            None => select.select(),
        };
        self.outcome(operations, &added, selected)
    }

    fn try_select(&self, operations: &[Op]) -> Option<(usize, Done)> {
        let (mut select, added) = self.with(operations);
        self.outcome(operations, &added, select.try_select())
    }
}

impl Theirs {
    fn with(&self, operations: &[Op]) -> (peer::Select<'_>, Vec<Option<usize>>) {
        let mut select = peer::Select::new();
        let added = operations.iter().map(|operation| match *operation {
            Op::Recv(channel) => self.receivers[channel].as_ref().map(|receiver| select.recv(receiver)),
            Op::Send(channel, _) => self.senders[channel].as_ref().map(|sender| select.send(sender)),
        });
        let added = added.collect();
        (select, added)
    }

    fn outcome(
        &self,
        operations: &[Op],
        added: &[Option<usize>],
        selected: peer::SelectedOperation<'_>,
    ) -> (usize, Done) {
        let index = added.iter().position(|added| *added == Some(selected.index())).expect("one of them");
        let done = match operations[index] {
            Op::Recv(channel) => selected
                .recv(self.receivers[channel].as_ref().expect("it was added"))
                .map_or(Done::Disconnected, Done::Got),
            Op::Send(channel, message) => selected
                .send(self.senders[channel].as_ref().expect("it was added"), message)
                .map_or(Done::Disconnected, |()| Done::Sent),
        };
        (index, done)
    }
}

impl Channels for Theirs {
    fn made(capacities: &[Option<usize>]) -> Self {
        let ends = capacities.iter().map(|capacity| match *capacity {
            None => peer::unbounded(),
            Some(bound) => peer::bounded(bound),
        });
        let (senders, receivers) = ends.map(|(sender, receiver)| (Some(sender), Some(receiver))).unzip();
        Self { senders, receivers }
    }

    handles!();

    fn select(&self, operations: &[Op], timeout: Option<Duration>) -> Option<(usize, Done)> {
        let (mut select, added) = self.with(operations);
        let selected = match timeout {
            Some(timeout) => select.select_timeout(timeout).ok()?,
            None => select.select(),
        };
        Some(self.outcome(operations, &added, selected))
    }

    fn try_select(&self, operations: &[Op]) -> Option<(usize, Done)> {
        let (mut select, added) = self.with(operations);
        let selected = select.try_select().ok()?;
        Some(self.outcome(operations, &added, selected))
    }
}

/// The capacities of two channels, for the scripts.
const PAIRS: [[Option<usize>; 2]; 4] = [[Some(1), Some(1)], [Some(0), Some(1)], [Some(2), None], [Some(0), Some(0)]];

/// A step of a script: a select over those of the four operations whose bits are set, or the end of an end.
#[derive(Clone, Copy, Debug)]
enum Step {
    Select(u32),
    DropSenders(usize),
    DropReceivers(usize),
}

fn operations(bits: u32, message: u64) -> Vec<Op> {
    let all = [Op::Recv(0), Op::Recv(1), Op::Send(0, message), Op::Send(1, message)];
    all.into_iter().enumerate().filter(|(bit, _)| bits >> bit & 1 == 1).map(|(_, operation)| operation).collect()
}

#[test]
fn every_short_script_of_selects_can_be_done_there_as_here() {
    // First what makes a difference: one of the operations, or any of all, or the end of an end.
    let drops = (0..2).flat_map(|channel| [Step::DropSenders(channel), Step::DropReceivers(channel)]);
    let first: Vec<Step> = [1, 2, 4, 8, 15].map(Step::Select).into_iter().chain(drops).collect();
    let mut scripts = 0;
    for pair in PAIRS {
        for code in 0..first.len().pow(2) * 15 {
            let last = Step::Select(u32::try_from(code % 15).expect("small") + 1);
            let script = [first[code / 15 % first.len()], first[code / 15 / first.len()], last];
            let (mut ours, mut theirs) = (Ours::made(&pair), Theirs::made(&pair));
            for (message, step) in (1..).zip(script) {
                match step {
                    Step::Select(bits) => {
                        let operations = operations(bits, message);
                        let done = ours.try_select(&operations);
                        // Where several can be done it may be another there: the one that was done here can be there, and none
                        // if none here.
                        let there = match done {
                            Some((index, done)) => {
                                theirs.try_select(&operations[index..=index]).map(|(_, there)| (index, there))
                                    == Some((index, done))
                            }
                            None => theirs.try_select(&operations).is_none(),
                        };
                        assert!(there, "capacities {pair:?}, script {script:?}: {done:?} of {operations:?}");
                    }
                    Step::DropSenders(channel) => {
                        drop((ours.take_senders(channel), theirs.take_senders(channel)));
                    }
                    Step::DropReceivers(channel) => {
                        drop((ours.take_receivers(channel), theirs.take_receivers(channel)));
                    }
                }
            }
            scripts += 1;
        }
    }
    assert_eq!(scripts, PAIRS.len() * 9 * 9 * 15);
}

/// The cases with threads, on both.
macro_rules! on_both {
    ($($case:ident),+ $(,)?) => {
        $(mod $case {
            #[test]
            fn ours() {
                super::$case::<super::Ours>();
            }

            #[test]
            fn theirs() {
                super::$case::<super::Theirs>();
            }
        })+
    };
}

mod cases {
    use super::*;

    on_both!(
        a_select_that_waits_is_told_of_a_message,
        a_select_that_waits_is_told_of_space,
        a_select_that_waits_is_told_of_the_end_of_the_others,
        a_select_in_vain_ends,
        what_can_always_be_done_is_done_in_turn,
        who_selects_at_capacity_zero_meets_those_who_do_not,
        those_who_select_at_capacity_zero_meet_each_other,
        those_who_select_here_and_there_meet,
        every_message_is_selected_once,
    );

    fn a_select_that_waits_is_told_of_a_message<C: Channels>() {
        for capacity in [Some(0), Some(1), None] {
            let channels = C::made(&[capacity, capacity]);
            for channel in 0..2 {
                let done = thread::scope(|scope| {
                    let selects = asleep(scope, || channels.select(&[Op::Recv(0), Op::Recv(1)], Some(PATIENCE)));
                    assert!(channels.send(channel, 7));
                    selects.join().expect("it ends")
                });
                assert_eq!(done, Some((channel, Done::Got(7))));
            }
        }
    }

    fn a_select_that_waits_is_told_of_space<C: Channels>() {
        for capacity in [Some(0), Some(1)] {
            let channels = C::made(&[capacity, capacity]);
            for channel in 0..2 {
                if capacity != Some(0) {
                    (0..2).for_each(|channel| _ = channels.try_select(&[Op::Send(channel, 1)]));
                }
                let (done, got) = thread::scope(|scope| {
                    let selects = asleep(scope, || channels.select(&[Op::Send(0, 2), Op::Send(1, 2)], Some(PATIENCE)));
                    let got = channels.recv(channel);
                    (selects.join().expect("it ends"), got)
                });
                assert_eq!(done, Some((channel, Done::Sent)));
                assert_eq!(got, Some(if capacity == Some(0) { 2 } else { 1 }));
                (0..2).for_each(|channel| while channels.try_recv(channel).is_some() {});
            }
        }
    }

    fn a_select_that_waits_is_told_of_the_end_of_the_others<C: Channels>() {
        for capacity in [Some(0), Some(1), None] {
            let mut channels = C::made(&[capacity, capacity]);
            let taken = channels.take_senders(1);
            let done = thread::scope(|scope| {
                let selects = asleep(scope, || channels.select(&[Op::Recv(0), Op::Recv(1)], Some(PATIENCE)));
                drop(taken);
                selects.join().expect("it ends")
            });
            assert_eq!(done, Some((1, Done::Disconnected)));
            let taken = channels.take_receivers(0);
            if capacity == Some(1) {
                assert!(channels.send(0, 1));
            }
            let done = thread::scope(|scope| {
                let selects = asleep(scope, || channels.select(&[Op::Send(0, 1)], Some(PATIENCE)));
                drop(taken);
                selects.join().expect("it ends")
            });
            let in_time = capacity.is_none() && done == Some((0, Done::Sent));
            assert!(in_time || done == Some((0, Done::Disconnected)), "{done:?}");
        }
    }

    fn a_select_in_vain_ends<C: Channels>() {
        for capacity in [Some(0), Some(1), None] {
            let channels = C::made(&[capacity, capacity]);
            assert_eq!(channels.try_select(&[Op::Recv(0), Op::Recv(1)]), None);
            assert_eq!(channels.select(&[Op::Recv(0), Op::Recv(1)], Some(SHORT)), None);
            if capacity == Some(0) {
                assert_eq!(channels.select(&[Op::Send(0, 1), Op::Recv(0)], Some(SHORT)), None, "not with itself");
                assert_eq!(channels.try_recv(0), None, "what was offered is withdrawn");
            }
        }
    }

    /// Whatever else the thread selects in between: what begins with another operation each time prefers some in a pattern.
    fn what_can_always_be_done_is_done_in_turn<C: Channels>() {
        const ROUNDS: usize = 600;
        for (others, sends, waits) in [(0, false, false), (1, true, true), (2, false, true), (2, true, false)] {
            let channels = C::made(&[Some(1), Some(1), Some(1)]);
            let refill = |channel| match sends {
                true => assert_eq!(channels.recv(channel), Some(1)),
                false => assert!(channels.send(channel, 1)),
            };
            let operations =
                |sends| [0, 1, 2].map(|channel| if sends { Op::Send(channel, 1) } else { Op::Recv(channel) });
            if !sends {
                (0..3).for_each(refill);
            }
            let mut counts = [0; 3];
            for _ in 0..ROUNDS {
                (0..others).for_each(|_| assert_eq!(channels.try_select(&operations(!sends)), None));
                let operations = operations(sends);
                let done =
                    if waits { channels.select(&operations, Some(PATIENCE)) } else { channels.try_select(&operations) };
                let (index, _) = done.expect("all can be done");
                counts[index] += 1;
                refill(index);
            }
            assert!(counts.iter().all(|count| *count > ROUNDS / 12), "{counts:?} of {ROUNDS}, {others} others");
        }
    }

    fn who_selects_at_capacity_zero_meets_those_who_do_not<C: Channels>() {
        const MESSAGES: u64 = 500;
        let channels = C::made(&[Some(0), Some(0)]);
        thread::scope(|scope| {
            let selects = scope.spawn(|| {
                let select = || channels.select(&[Op::Recv(0), Op::Recv(1)], Some(PATIENCE));
                let got = (0..2 * MESSAGES).map(|_| match select() {
                    Some((channel, Done::Got(message))) => (channel, message),
                    other => panic!("{other:?} after {PATIENCE:?}"),
                });
                got.collect::<Vec<_>>()
            });
            for channel in 0..2 {
                let channels = &channels;
                scope.spawn(move || (0..MESSAGES).for_each(|message| assert!(channels.send(channel, message))));
            }
            let got = selects.join().expect("it ends");
            for channel in 0..2 {
                let of_one: Vec<u64> =
                    got.iter().filter(|(of, _)| *of == channel).map(|(_, message)| *message).collect();
                assert_eq!(of_one, (0..MESSAGES).collect::<Vec<_>>());
            }
        });
        // And the other way round: a try_recv meets who waits with an offer.
        thread::scope(|scope| {
            let selects = scope.spawn(|| channels.select(&[Op::Send(0, 8), Op::Send(1, 9)], Some(PATIENCE)));
            until("somebody offers", || channels.try_recv(1) == Some(9));
            assert_eq!(selects.join().expect("it ends"), Some((1, Done::Sent)));
            assert_eq!(channels.try_recv(0), None, "the other offer is withdrawn");
        });
    }

    /// Each of an even number of threads sends or receives once in each round.
    fn those_who_select_at_capacity_zero_meet_each_other<C: Channels>() {
        const THREADS: u64 = 4;
        const ROUNDS: u64 = 200;
        let channels = C::made(&[Some(0)]);
        let barrier = std::sync::Barrier::new(usize::try_from(THREADS).expect("few"));
        let done: Vec<(Vec<u64>, Vec<u64>)> = thread::scope(|scope| {
            let one = |thread| {
                let (channels, barrier) = (&channels, &barrier);
                scope.spawn(move || {
                    let (mut sent, mut got) = (Vec::new(), Vec::new());
                    for round in 0..ROUNDS {
                        let message = round * THREADS + thread;
                        match channels.select(&[Op::Send(0, message), Op::Recv(0)], Some(PATIENCE)) {
                            Some((0, Done::Sent)) => sent.push(message),
                            Some((1, Done::Got(other))) => got.push(other),
                            other => panic!("{other:?} after {PATIENCE:?}"),
                        }
                        barrier.wait();
                    }
                    (sent, got)
                })
            };
            let threads: Vec<_> = (0..THREADS).map(one).collect();
            threads.into_iter().map(|thread| thread.join().expect("it ends")).collect()
        });
        let sent: BTreeSet<u64> = done.iter().flat_map(|(sent, _)| sent.clone()).collect();
        let got: BTreeSet<u64> = done.iter().flat_map(|(_, got)| got.clone()).collect();
        assert_eq!(sent, got);
        assert_eq!(sent.len() as u64, ROUNDS * THREADS / 2);
        assert_eq!(channels.try_recv(0), None);
    }

    /// One sends here or receives there, the other receives here or sends there.
    fn those_who_select_here_and_there_meet<C: Channels>() {
        const ROUNDS: u64 = 1000;
        let channels = C::made(&[Some(0), Some(0)]);
        let run = |operations: fn(u64) -> [Op; 2]| {
            let select = |round| channels.select(&operations(round), Some(PATIENCE));
            (0..ROUNDS).map(|round| select(round).unwrap_or_else(|| panic!("round {round}"))).collect::<Vec<_>>()
        };
        let (one, other) = thread::scope(|scope| {
            let one = scope.spawn(|| run(|round| [Op::Send(0, round), Op::Recv(1)]));
            let other = scope.spawn(|| run(|round| [Op::Recv(0), Op::Send(1, round)]));
            (one.join().expect("it ends"), other.join().expect("it ends"))
        });
        for (round, (one, other)) in (0..).zip(one.iter().zip(&other)) {
            let passed = [(0, Done::Sent), (0, Done::Got(round))];
            let back = [(1, Done::Got(round)), (1, Done::Sent)];
            assert!([*one, *other] == passed || [*one, *other] == back, "round {round}: {one:?}, {other:?}");
        }
    }

    fn every_message_is_selected_once<C: Channels>() {
        const EACH: u64 = 400;
        let channels = C::made(&[Some(0), Some(1), None]);
        let got: Vec<u64> = thread::scope(|scope| {
            let receivers: Vec<_> = (0..2)
                .map(|_| {
                    scope.spawn(|| {
                        let mut got = Vec::new();
                        while let Some((_, Done::Got(message))) =
                            channels.select(&[Op::Recv(0), Op::Recv(1), Op::Recv(2)], Some(PATIENCE))
                        {
                            // Each is told once that it is over.
                            if message == u64::MAX {
                                break;
                            }
                            got.push(message);
                        }
                        got
                    })
                })
                .collect();
            let senders: Vec<_> = (0..2)
                .map(|sender| {
                    let channels = &channels;
                    scope.spawn(move || {
                        for number in 0..EACH {
                            let message = sender * EACH + number;
                            let operations = [0, 1, 2].map(|channel| Op::Send(channel, message));
                            let done = channels.select(&operations, Some(PATIENCE));
                            assert!(matches!(done, Some((_, Done::Sent))), "{done:?} after {PATIENCE:?}");
                        }
                    })
                })
                .collect();
            senders.into_iter().for_each(|sender| sender.join().expect("it ends"));
            (0..2).for_each(|_| assert!(channels.send(2, u64::MAX)));
            receivers.into_iter().flat_map(|receiver| receiver.join().expect("it ends")).collect()
        });
        let mut all = got;
        (0..3).for_each(|channel| all.extend(std::iter::from_fn(|| channels.try_recv(channel))));
        all.sort_unstable();
        assert_eq!(all, (0..2 * EACH).collect::<Vec<_>>());
    }
}

const TAKEN: &str = "it has taken a message";
const NOT_TAKEN: &str = "it has taken none";

/// Who selects is killed before every step; what it has not taken the next one gets.
#[test]
fn somebody_selects_among_two_channels_and_is_killed() {
    alone(LIMIT, || {
        let region = made();
        for [here, there] in [[CAPACITIES[0], CAPACITIES[1]], [CAPACITIES[1], CAPACITIES[2]]] {
            let ends = [here, there].map(|capacity| sender(&region, capacity));
            let others = [here, there].map(|capacity| receiver(&region, capacity));
            sweep("select: receive here or there", [NOT_TAKEN, TAKEN], |round| {
                let board = Shared::new(Board::default());
                let victim = round.victim(&board.ready, |steps| {
                    let region = opened();
                    let [here, there] = [here, there].map(|capacity| receiver(&region, capacity));
                    board.ready.set(1);
                    steps.take(|| {
                        let mut select = Select::new().with_wait(Wait::Block);
                        let (_, second) = (select.recv(&here), select.recv(&there));
                        let selected = select.select_timeout(PATIENCE).expect("somebody sends there");
                        assert_eq!(selected.index(), second);
                        assert_eq!(selected.recv(&there), Ok([5; 2]));
                    });
                });
                ends[1].send_timeout([5; 2], PATIENCE).expect("there is space");
                let ending = victim.end();
                until("the victim is gone", || ends[1].peers() == 1);
                let was_taken = others[1].try_recv() != Ok([5; 2]);
                // Nothing stands in the way here: with capacity zero who comes and goes has left no request.
                assert_eq!(others[0].try_recv(), Err(RecvError::Empty));
                until("all buffers come home", || others.iter().all(|end| end.in_use() == 0));
                if here == Capacity::Zero {
                    assert_eq!(ends[0].try_send([6; 2]), Err(SendError::Full([6; 2])));
                }
                assert!(was_taken || ending != Ending::DONE, "it has received");
                (ending, if was_taken { TAKEN } else { NOT_TAKEN })
            });
        }
    });
}

const PASSED: &str = "it has passed";
const NOT_PASSED: &str = "it has not passed";

/// Two processes that select meet at capacity zero; one of them is killed before every step.
#[test]
fn one_of_two_who_select_at_capacity_zero_is_killed() {
    alone(LIMIT, || {
        let region = made();
        let capacity = Capacity::Zero;
        let other_way = |region: &Region| region.receiver::<[u64; 2]>("back", capacity).expect("a receiver");
        let (_keep, _keep_other) = (sender(&region, capacity), receiver(&region, capacity));
        let (_back, _forth) = (region.sender::<[u64; 2]>("back", capacity).expect("a sender"), other_way(&region));
        sweep("select: two who select meet", [NOT_PASSED, PASSED], |round| {
            let board = Shared::new(Board::default());
            let meets = fork("the other one", || {
                let region = opened();
                let (to, from) = (receiver(&region, capacity), other_way(&region));
                board.go_on.set(1);
                let mut select = Select::new().with_wait(Wait::Block);
                select.recv(&from);
                let first = select.recv(&to);
                loop {
                    match select.select_timeout(SHORT) {
                        Ok(selected) => {
                            assert_eq!(selected.index(), first);
                            assert_eq!(selected.recv(&to), Ok([5; 2]));
                            board.waits.set(1);
                            break;
                        }
                        Err(error) => assert_eq!(error, SelectError::TimedOut),
                    }
                    if board.over.get() != 0 {
                        break;
                    }
                }
            });
            let victim = round.victim(&board.ready, |steps| {
                let region = opened();
                let to = sender(&region, capacity);
                let back = region.sender::<[u64; 2]>("back", capacity).expect("a sender");
                let never = receiver(&region, CAPACITIES[1]);
                board.ready.set(1);
                steps.take(|| {
                    let mut select = Select::new().with_wait(Wait::Block);
                    select.recv(&never);
                    let sent = select.send(&to, [5; 2]);
                    let selected = select.select_timeout(PATIENCE).expect("the other one selects, too");
                    assert_eq!(selected.index(), sent);
                    assert_eq!(selected.send(&to), Ok(()));
                    drop(back);
                });
            });
            let ending = victim.end();
            board.over.set(1);
            meets.succeed();
            let passed = board.waits.get() != 0;
            assert!(passed || ending != Ending::DONE, "it has been sent");
            until("all buffers come home", || _keep_other.in_use() == 0);
            (ending, if passed { PASSED } else { NOT_PASSED })
        });
    });
}

#[test]
fn events_and_permits_are_selected_beside_messages() {
    let region = Region::anonymous().expect("a region");
    let (sender, receiver) = region.channel::<u64>("messages", Capacity::Bounded(2)).expect("a channel");
    let event = region.event("event").expect("an event");
    let permits = region.semaphore("permits", 0).expect("a semaphore");
    let mut select = Select::new().with_wait(Wait::Block);
    let message = select.recv(&receiver);
    let happens = select.event(&event);
    let acquired = select.acquire(&permits, 2);
    assert_eq!(select.try_select().err(), Some(SelectError::NotReady));
    assert_eq!(select.select_timeout(SHORT).err(), Some(SelectError::TimedOut));
    for round in 0..3 {
        let expected = [message, happens, acquired][round];
        let selected = thread::scope(|scope| {
            let waits = asleep(scope, || {
                let mut select = Select::new().with_wait(Wait::Block);
                select.recv(&receiver);
                select.event(&event);
                select.acquire(&permits, 2);
                let selected = select.select_timeout(PATIENCE).expect("one of them");
                let index = selected.index();
                if index == 0 {
                    assert_eq!(selected.recv(&receiver), Ok(7));
                }
                index
            });
            match round {
                0 => sender.send(7).expect("there is space"),
                1 => _ = event.set().expect("usable"),
                _ => {
                    permits.release().expect("few");
                    permits.release().expect("few");
                }
            }
            waits.join().expect("it ends")
        });
        assert_eq!(selected, expected);
        event.reset().expect("usable");
    }
    assert_eq!(permits.available(), 0, "both permits are taken");
}

#[test]
fn more_operations_than_one_wait_has_words() {
    const CHANNELS: usize = 300;
    let options = RegionOptions::new().processes(2).threads(4).objects(400).arena(2 << 20);
    let region = options.anonymous().expect("a region");
    let channels: Vec<_> = (0..CHANNELS)
        .map(|index| region.channel::<u64>(&index.to_string(), Capacity::Bounded(1)).expect("a channel"))
        .collect();
    for chosen in [0, 126, 127, 200, CHANNELS - 1] {
        let got = thread::scope(|scope| {
            let waits = asleep(scope, || {
                let mut select = Select::new().with_wait(Wait::Block);
                channels.iter().for_each(|(_, receiver)| _ = select.recv(receiver));
                let selected = select.select_timeout(PATIENCE).expect("one of them");
                let index = selected.index();
                (index, selected.recv(&channels[index].1))
            });
            channels[chosen].0.send(9).expect("there is space");
            waits.join().expect("it ends")
        });
        assert_eq!(got, (chosen, Ok(9)));
    }
}

#[test]
fn what_cannot_be_selected_is_told() {
    let (region, other) = (Region::anonymous().expect("a region"), Region::anonymous().expect("another"));
    assert_eq!(Select::new().try_select().err(), Some(SelectError::Nothing));
    let (one, two) = (region.event("one").expect("an event"), other.event("one").expect("an event"));
    let (sender, receiver) = region.channel::<u64>("channel", Capacity::Bounded(2)).expect("a channel");
    let mut select = Select::new();
    select.event(&one);
    let index = select.event(&two);
    assert_eq!(select.try_select().err(), Some(SelectError::SeveralRegions));
    select.remove(index);
    assert_eq!(select.try_select().err(), Some(SelectError::NotReady));
    // A message that was sent is not sent again by the same select, and one that nobody asks for is gone.
    let sent = select.send(&sender, 4);
    assert_eq!(select.try_select().map(|selected| selected.index()), Ok(sent));
    assert_eq!(select.try_select().err(), Some(SelectError::NotReady));
    assert_eq!(receiver.len(), 1);
    select.recv(&receiver);
    drop(select.try_select().expect("a message"));
    assert_eq!((receiver.len(), receiver.in_use()), (0, 0));
}

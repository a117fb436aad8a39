//! SIGKILL before every synchronisation step of the operations of rings and streams: taking and leaving an end, sending
//! and receiving, one by one and in batches, alone and while a peer or an heir sleeps.
//!
//! Each test sweeps one operation ([`sweep`]). Afterwards the peer must have been told, a successor must get the end,
//! and between them they must find a queue: what was sent and not taken, in order, whole, nothing twice (Q1 to Q3), and
//! room for the rest. What is repaired is repaired by keepers alone: the timed backstop is off, except where it is what
//! is tested.
#![cfg(not(loom))]

mod support {
    pub(crate) mod actors;
    pub(crate) mod alone;
    pub(crate) mod pair;
    pub(crate) mod patience;
    pub(crate) mod proc;
    pub(crate) mod shared;
    pub(crate) mod sweep;
}

use selvedge::Region;
use selvedge::primitives::waiting::Wait;
use selvedge::region::{
    ByteStream, Departure, IfGone, Predecessor, Receiver, RecvError, RegionOptions, Ring, SendError, Sender,
};
use std::cell::Cell;
use std::io::{ErrorKind, Read};
use std::time::Duration;
use support::actors::{Actor, die_alone, fork};
use support::alone::alone;
use support::pair::{Pair, number, pair};
use support::patience::{PATIENCE, until};
use support::proc;
use support::shared::{Mark, Shared};
use support::sweep::sweep;

/// For a whole sweep.
const LIMIT: Duration = Duration::from_secs(120);
const REGION: &str = "kill-ring";
/// How long the victim of a timed call waits in vain.
const SHORT: Duration = Duration::from_millis(2);
const CAPACITY: usize = 4;
const FULL: u32 = 4;

fn options() -> RegionOptions {
    RegionOptions::new().processes(5).threads(4).objects(4).arena(16 << 10).backstop(None)
}

/// What the processes of one round tell each other.
#[derive(Debug, Default)]
struct Board {
    ready: Mark,
    go_on: Mark,
    peer_enters: Mark,
    /// How often the peer got through before its end.
    peer_served: Mark,
    /// Deaths that the peer was told of.
    peer_told: Mark,
    /// How the peer's counterpart went, by [`departure`].
    peer_left: Mark,
    heir_enters: Mark,
    /// From whom the heir has its end, by [`inheritance`].
    heir_got: Mark,
}

const CLOSED: u32 = 1;
const DIED: u32 = 2;

fn departure(how: Departure) -> u32 {
    match how {
        Departure::Closed => CLOSED,
        Departure::Died => DIED,
    }
}

fn inheritance(from: Predecessor) -> u32 {
    match from {
        Predecessor::None => panic!("the end was held before"),
        Predecessor::Closed => CLOSED,
        Predecessor::Died => DIED,
    }
}

/// A ring with nothing in it and nobody at its ends between rounds; the director, who survives, has it open.
struct Stage {
    region: Region,
    ring: Ring<Pair>,
    /// The number of the oldest message in the ring, and of the next to be sent.
    head: Cell<u64>,
    tail: Cell<u64>,
}

impl Stage {
    fn new() -> Self {
        let stage = Self::of(options().create(REGION).expect("a region"));
        // Each end has had a holder.
        stage.ends();
        stage
    }

    /// Opened by a child. It takes part, which is no part of what is swept.
    fn open(options: &RegionOptions) -> Self {
        let stage = Self::of(options.open(REGION).expect("the director has made it"));
        assert_eq!(stage.region.objects().expect("a list").len(), 1);
        stage
    }

    fn of(region: Region) -> Self {
        let ring = region.ring("ring", CAPACITY).expect("a ring");
        Self { region, ring, head: Cell::new(0), tail: Cell::new(0) }
    }

    /// Both ends, as soon as those who have them leave or are buried.
    fn ends(&self) -> (Sender<Pair>, Receiver<Pair>) {
        (self.sender(), self.receiver())
    }

    fn sender(&self) -> Sender<Pair> {
        self.ring.sender_timeout(PATIENCE).expect("the sender's end").with_wait(Wait::Block)
    }

    fn receiver(&self) -> Receiver<Pair> {
        self.ring.receiver_timeout(PATIENCE).expect("the receiver's end").with_wait(Wait::Block)
    }

    /// The director sends as many, and returns the number of the first.
    fn send(&self, sender: &mut Sender<Pair>, count: u32) -> u64 {
        let first = self.tail.get();
        for number in first..first + u64::from(count) {
            sender.try_send(pair(number)).expect("room");
            self.tail.set(number + 1);
        }
        first
    }

    /// What is in the ring, all of it: whole messages without a gap. Where the victim sent they begin with the oldest,
    /// where it received they end with the youngest. How many.
    #[track_caller]
    fn rest<const SIDE: bool>(&self, receiver: &mut Receiver<Pair>) -> u32 {
        let found: Vec<u64> = std::iter::from_fn(|| receiver.try_recv().ok()).map(number).collect();
        let count = found.len() as u64;
        let first = if SIDE == PRODUCER { self.head.get() } else { self.tail.get() - count };
        assert_eq!(found, (first..first + count).collect::<Vec<_>>(), "not what was sent, in order");
        self.head.set(first + count);
        self.tail.set(first + count);
        u32::try_from(count).expect("few")
    }

    /// The round is over: both ends can be had, all that the victim left is whole and in order, and a whole ring of
    /// messages passes through. How the victim went, by its successor, and how many messages it left.
    #[track_caller]
    fn judge<const SIDE: bool>(&self) -> (u32, u32) {
        let (sender, mut receiver) = self.ends();
        let from = inheritance(if SIDE == PRODUCER { sender.predecessor() } else { receiver.predecessor() });
        let left = self.rest::<SIDE>(&mut receiver);
        drop((sender, receiver));
        // Anew: now that all are buried, no death is news.
        let (mut sender, mut receiver) = self.ends();
        self.send(&mut sender, FULL);
        assert_eq!(sender.try_send(pair(0)), Err(SendError::Full(pair(0))), "as many as fit, and no death is news");
        assert_eq!(self.rest::<PRODUCER>(&mut receiver), FULL);
        replacement_works(sender, receiver);
        (from, left)
    }
}

const PRODUCER: bool = true;
const CONSUMER: bool = false;

/// After every kill somebody new attaches, works, and leaves.
fn replacement_works(sender: Sender<Pair>, receiver: Receiver<Pair>) {
    drop((sender, receiver));
    let replacement = fork("the replacement", || {
        let (mut sender, mut receiver) = Stage::open(&options()).ends();
        assert_eq!((sender.predecessor(), receiver.predecessor()), (Predecessor::Closed, Predecessor::Closed));
        sender.send(pair(7)).expect("room");
        assert_eq!(receiver.recv().map(number), Ok(7));
    });
    replacement.succeed();
}

/// A consumer: asleep when this returns, or through already. It receives until its sender is gone, or, if it is to wait
/// for a successor, until that has sent one message.
fn consumer(board: &Board, if_gone: IfGone) -> Actor {
    let consumer = fork("the consumer", || {
        let stage = Stage::open(&options());
        let mut receiver = stage.receiver().if_gone(if_gone);
        board.peer_enters.set(1);
        let how = loop {
            match receiver.recv_timeout(PATIENCE) {
                Ok(message) => {
                    number(message);
                    board.peer_served.set(board.peer_served.get() + 1);
                    if if_gone == IfGone::Wait {
                        // A successor that was faster than this look does not hide the death.
                        let died = receiver.try_recv().is_err_and(|error| error.departure() == Some(Departure::Died));
                        board.peer_told.set(board.peer_told.get() + u32::from(died));
                        break Departure::Closed;
                    }
                }
                Err(RecvError::Disconnected(gone)) => {
                    board.peer_told.set(board.peer_told.get() + u32::from(gone.how == Departure::Died));
                    if if_gone == IfGone::Fail {
                        break gone.how;
                    }
                }
                Err(error) => panic!("the consumer waited {PATIENCE:?}: {error}"),
            }
        };
        board.peer_left.set(departure(how));
    });
    until_settled("the consumer", &consumer, &board.peer_enters, &board.peer_left);
    consumer
}

/// A producer in front of a full ring: asleep when this returns, or through already. It sends until its receiver is gone.
fn producer(board: &Board, first: u64) -> Actor {
    let producer = fork("the producer", || {
        let stage = Stage::open(&options());
        let mut sender = stage.sender();
        board.peer_enters.set(1);
        let how = (first..)
            .find_map(|number| match sender.send_timeout(pair(number), PATIENCE) {
                Ok(()) => {
                    board.peer_served.set(board.peer_served.get() + 1);
                    None
                }
                Err(SendError::Disconnected(message, gone)) => {
                    assert_eq!(message, pair(number), "the message comes back");
                    Some(gone.how)
                }
                Err(error) => panic!("the producer waited {PATIENCE:?}: {error}"),
            })
            .expect("an end");
        board.peer_left.set(departure(how));
    });
    until_settled("the producer", &producer, &board.peer_enters, &board.peer_left);
    producer
}

/// Somebody who waits for the sender's end: asleep when this returns, or through already. It sends one message.
fn heir(board: &Board, message: u64) -> Actor {
    let heir = fork("the heir", || {
        let stage = Stage::open(&options());
        board.heir_enters.set(1);
        let mut sender = stage.sender();
        sender.try_send(pair(message)).expect("room");
        let from = inheritance(sender.predecessor());
        drop(sender);
        board.heir_got.set(from);
    });
    until_settled("the heir", &heir, &board.heir_enters, &board.heir_got);
    heir
}

fn until_settled(name: &str, actor: &Actor, enters: &Mark, is_through: &Mark) {
    until(&format!("{name} sleeps or is through"), || {
        is_through.get() != 0 || actor.is_dead() || (enters.get() != 0 && actor.is_asleep())
    });
}

/// The peer, who must not be lost, is through; how its counterpart went, and how often it was served before.
fn peer_is_through(board: &Board, peer: Actor) -> (u32, u32) {
    let how = board.peer_left.wait("the peer is told");
    peer.succeed();
    (how, board.peer_served.get())
}

const NOT_TAKEN: &str = "end not taken";
const NOTHING: &str = "died, nothing sent";
const ONE: &str = "died, one sent";
const ALL: &str = "died, all sent";
const CLOSED_ALL: &str = "closed, all sent";

/// The state in which a producer of `all` messages left things.
#[track_caller]
fn sent((from, count): (u32, u32), all: u32) -> &'static str {
    match (from, count) {
        (CLOSED, 0) => NOT_TAKEN,
        (DIED, 0) => NOTHING,
        (DIED, count) if count == all => ALL,
        (DIED, 1) => ONE,
        (CLOSED, count) if count == all => CLOSED_ALL,
        wrong => panic!("no kill can lead to this: {wrong:?}"),
    }
}

#[test]
fn producer_alone() {
    alone(LIMIT, || {
        let stage = Stage::new();
        let states = [NOT_TAKEN, NOTHING, ONE, ALL, CLOSED_ALL];
        sweep("ring: take the sender's end, send two, close it", states, |round| {
            let board = Shared::new(Board::default());
            let first = stage.tail.get();
            let victim = round.victim(&board.ready, |steps| {
                let stage = Stage::open(&options());
                board.ready.set(1);
                steps.take(|| {
                    let mut sender = stage.ring.sender().expect("free");
                    sender.send(pair(first)).expect("room");
                    sender.send(pair(first + 1)).expect("room");
                });
            });
            let ending = victim.end();
            (ending, sent(stage.judge::<PRODUCER>(), 2))
        });
    });
}

#[test]
fn producer_by_try_send() {
    alone(LIMIT, || {
        let stage = Stage::new();
        let states = [NOT_TAKEN, NOTHING, ONE, ALL, CLOSED_ALL];
        sweep("ring: try to take the sender's end, try_send two, close it", states, |round| {
            let board = Shared::new(Board::default());
            let first = stage.tail.get();
            let victim = round.victim(&board.ready, |steps| {
                let stage = Stage::open(&options());
                board.ready.set(1);
                steps.take(|| {
                    let mut sender = stage.ring.try_sender().expect("free");
                    sender.try_send(pair(first)).expect("room");
                    sender.try_send(pair(first + 1)).expect("room");
                });
            });
            let ending = victim.end();
            (ending, sent(stage.judge::<PRODUCER>(), 2))
        });
    });
}

/// A batch is all or nothing, also where it lies at both ends of the slots.
#[test]
fn producer_by_loan() {
    alone(LIMIT, || {
        let stage = Stage::new();
        let states = [NOT_TAKEN, NOTHING, ALL, CLOSED_ALL];
        sweep("ring: take the sender's end, borrow three slots, send them as one, close it", states, |round| {
            let board = Shared::new(Board::default());
            let first = stage.tail.get();
            let victim = round.victim(&board.ready, |steps| {
                let stage = Stage::open(&options());
                board.ready.set(1);
                steps.take(|| {
                    let mut sender = stage.ring.sender().expect("free");
                    let mut loan = sender.loan(3).expect("room");
                    for (index, number) in (first..first + 3).enumerate() {
                        *loan.get_mut(index).expect("three slots") = pair(number);
                    }
                    loan.send(3).expect("three slots");
                });
            });
            let ending = victim.end();
            let state = stage.judge::<PRODUCER>();
            assert_ne!(state.1, 1, "a batch was cut");
            (ending, sent(state, 3))
        });
    });
}

#[test]
fn producer_with_a_sleeping_consumer() {
    alone(LIMIT, || {
        let stage = Stage::new();
        let states = [NOTHING, ALL, CLOSED_ALL];
        sweep("ring: send to a sleeping consumer, close", states, |round| {
            let board = Shared::new(Board::default());
            let victim = round.victim(&board.ready, |steps| {
                let stage = Stage::open(&options());
                let mut sender = stage.sender();
                board.ready.set(1);
                board.go_on.wait("the consumer sleeps");
                steps.take(|| {
                    sender.send(pair(1)).expect("room");
                    drop(sender);
                });
            });
            let consumer = consumer(&board, IfGone::Fail);
            board.go_on.set(1);
            let ending = victim.end();
            let state = peer_is_through(&board, consumer);
            let (from, left) = stage.judge::<PRODUCER>();
            assert_eq!((from, left), (state.0, 0), "peer and successor are told the same");
            (ending, sent(state, 1))
        });
    });
}

#[test]
fn producer_who_sleeps() {
    alone(LIMIT, || {
        let stage = Stage::new();
        let states = [NOT_TAKEN, NOTHING, ALL, CLOSED_ALL];
        sweep("ring: take the sender's end, sleep for room, send, close", states, |round| {
            let board = Shared::new(Board::default());
            let (mut sender, mut receiver) = stage.ends();
            let oldest = stage.send(&mut sender, FULL);
            let message = stage.tail.get();
            drop(sender);
            let victim = round.victim(&board.ready, |steps| {
                let stage = Stage::open(&options());
                board.ready.set(1);
                steps.take(|| {
                    let mut sender = stage.ring.sender().expect("free").with_wait(Wait::Block);
                    sender.send(pair(message)).expect("there will be room");
                });
            });
            until("the victim sleeps or is dead", || victim.is_dead() || victim.is_asleep());
            assert_eq!(receiver.recv().map(number), Ok(oldest));
            stage.head.set(oldest + 1);
            let ending = victim.end();
            drop(receiver);
            let (from, left) = stage.judge::<PRODUCER>();
            (ending, sent((from, left + 1 - FULL), 1))
        });
    });
}

const LEFT_ALL: &str = "died, nothing taken";
const TAKEN_ONE: &str = "died, one taken";
const TAKEN_TWO: &str = "died, two taken";
const TAKEN_ALL: &str = "died, all taken";
const CLOSED_NONE: &str = "closed, all taken";

/// The state in which a consumer who found a full ring left things.
#[track_caller]
fn taken((from, left): (u32, u32)) -> &'static str {
    match (from, left) {
        (CLOSED, FULL) => NOT_TAKEN,
        (DIED, FULL) => LEFT_ALL,
        (DIED, 3) => TAKEN_ONE,
        (DIED, 2) => TAKEN_TWO,
        (DIED, 0) => TAKEN_ALL,
        (CLOSED, 0) => CLOSED_NONE,
        wrong => panic!("no kill can lead to this: {wrong:?}"),
    }
}

/// One by one, then a batch, which is taken as a whole or not at all.
#[test]
fn consumer_alone() {
    alone(LIMIT, || {
        let stage = Stage::new();
        let states = [NOT_TAKEN, LEFT_ALL, TAKEN_ONE, TAKEN_TWO, TAKEN_ALL, CLOSED_NONE];
        sweep("ring: take the receiver's end, receive two, then a batch of two, close it", states, |round| {
            let board = Shared::new(Board::default());
            let mut sender = stage.sender();
            let first = stage.send(&mut sender, FULL);
            let victim = round.victim(&board.ready, |steps| {
                let stage = Stage::open(&options());
                board.ready.set(1);
                steps.take(|| {
                    let mut receiver = stage.ring.receiver().expect("free");
                    assert_eq!(receiver.recv().map(number), Ok(first));
                    assert_eq!(receiver.try_recv().map(number), Ok(first + 1));
                    let batch = receiver.batch(usize::MAX).expect("two more");
                    let found: Vec<_> = (0..batch.len()).map(|index| *batch.get(index).expect("one of them")).collect();
                    assert_eq!(found, [pair(first + 2), pair(first + 3)]);
                    batch.release(2).expect("both");
                });
            });
            let ending = victim.end();
            drop(sender);
            (ending, taken(stage.judge::<CONSUMER>()))
        });
    });
}

#[test]
fn consumer_with_a_sleeping_producer() {
    alone(LIMIT, || {
        let stage = Stage::new();
        let states = [LEFT_ALL, TAKEN_ONE, "closed, one taken"];
        sweep("ring: receive from a sleeping producer, close", states, |round| {
            let board = Shared::new(Board::default());
            let mut sender = stage.sender();
            let first = stage.send(&mut sender, FULL);
            drop(sender);
            let victim = round.victim(&board.ready, |steps| {
                let stage = Stage::open(&options());
                let mut receiver = stage.receiver();
                board.ready.set(1);
                board.go_on.wait("the producer sleeps");
                steps.take(|| {
                    assert_eq!(receiver.recv().map(number), Ok(first));
                    drop(receiver);
                });
            });
            let producer = producer(&board, first + u64::from(FULL));
            board.go_on.set(1);
            let ending = victim.end();
            let (how, served) = peer_is_through(&board, producer);
            stage.tail.set(stage.tail.get() + u64::from(served));
            // As many as were taken came in, and the successor finds a full ring.
            let (from, left) = stage.judge::<CONSUMER>();
            assert_eq!((from, left), (how, FULL));
            let state = match (how, served) {
                (DIED, 0) => LEFT_ALL,
                (DIED, 1) => TAKEN_ONE,
                (CLOSED, 1) => states[2],
                wrong => panic!("no kill can lead to this: {wrong:?}"),
            };
            (ending, state)
        });
    });
}

#[test]
fn consumer_who_sleeps() {
    alone(LIMIT, || {
        let stage = Stage::new();
        let states = ["end not taken, one left", "died, one left", "died, none left", "closed, none left"];
        sweep("ring: take the receiver's end, sleep for a message, take it, close", states, |round| {
            let board = Shared::new(Board::default());
            let mut sender = stage.sender();
            let victim = round.victim(&board.ready, |steps| {
                let stage = Stage::open(&options());
                board.ready.set(1);
                steps.take(|| {
                    let mut receiver = stage.ring.receiver().expect("free").with_wait(Wait::Block);
                    number(receiver.recv().expect("there will be one"));
                });
            });
            until("the victim sleeps or is dead", || victim.is_dead() || victim.is_asleep());
            stage.send(&mut sender, 1);
            let ending = victim.end();
            drop(sender);
            let state = match stage.judge::<CONSUMER>() {
                (CLOSED, 1) => states[0],
                (DIED, 1) => states[1],
                (DIED, 0) => states[2],
                (CLOSED, 0) => states[3],
                wrong => panic!("no kill can lead to this: {wrong:?}"),
            };
            (ending, state)
        });
    });
}

#[test]
fn waits_in_vain() {
    alone(LIMIT, || {
        let stage = Stage::new();
        sweep("ring: wait for a message until the deadline", ["died", "closed"], |round| {
            let board = Shared::new(Board::default());
            let sender = stage.sender();
            let victim = round.victim(&board.ready, |steps| {
                let stage = Stage::open(&options());
                let mut receiver = stage.receiver();
                board.ready.set(1);
                let answer = steps.take(|| receiver.recv_timeout(SHORT));
                assert_eq!(answer, Err(RecvError::TimedOut));
            });
            let ending = victim.end();
            drop(sender);
            let (from, left) = stage.judge::<CONSUMER>();
            assert_eq!(left, 0);
            (ending, if from == DIED { "died" } else { "closed" })
        });
    });
}

/// The one who waits for the end gets it, and the peer is told of a death, once.
#[test]
fn close_before_an_heir_and_a_sleeping_peer() {
    alone(LIMIT, || {
        let stage = Stage::new();
        let states = ["died", "closed"];
        sweep("ring: close the sender's end before an heir and a sleeping consumer", states, |round| {
            let board = Shared::new(Board::default());
            let victim = round.victim(&board.ready, |steps| {
                let stage = Stage::open(&options());
                let sender = stage.sender();
                board.ready.set(1);
                board.go_on.wait("heir and consumer sleep");
                steps.take(|| drop(sender));
            });
            let consumer = consumer(&board, IfGone::Wait);
            let heir = heir(&board, 1);
            board.go_on.set(1);
            let ending = victim.end();
            let from = board.heir_got.wait("the heir gets the end");
            heir.succeed();
            assert_eq!(peer_is_through(&board, consumer), (CLOSED, 1), "the heir's message comes through");
            assert_eq!(board.peer_told.get(), u32::from(from == DIED), "told of a death once, of none otherwise");
            assert_eq!(stage.judge::<PRODUCER>(), (CLOSED, 0));
            (ending, if from == DIED { states[0] } else { states[1] })
        });
    });
}

/// The wake that the victim took with it is not lost for the heir behind it.
#[test]
fn claim_before_another_heir() {
    alone(LIMIT, || {
        let stage = Stage::new();
        let states = [NOT_TAKEN, NOTHING, ALL, CLOSED_ALL];
        sweep("ring: wait for the sender's end before another heir, send, close", states, |round| {
            let board = Shared::new(Board::default());
            let sender = stage.sender();
            let first = stage.tail.get();
            let victim = round.victim(&board.ready, |steps| {
                let stage = Stage::open(&options());
                board.ready.set(1);
                steps.take(|| {
                    let mut sender = stage.ring.sender().expect("given up in the end");
                    sender.send(pair(first)).expect("room");
                });
            });
            until("the victim sleeps or is dead", || victim.is_dead() || victim.is_asleep());
            let heir = heir(&board, first + 1);
            drop(sender);
            let ending = victim.end();
            let from = board.heir_got.wait("the heir gets the end");
            heir.succeed();
            let mut receiver = stage.receiver();
            let found: Vec<u64> = std::iter::from_fn(|| receiver.try_recv().ok().map(number)).collect();
            drop(receiver);
            // The heir may have been faster than a victim that lives.
            let state = match (from, &found[..]) {
                (_, [one, other]) if *one == first + 1 && *other == first => CLOSED_ALL,
                (from, [one, _]) if *one == first => sent((from, 1), 1),
                (from, [one]) if *one == first + 1 => sent((from, 0), 1),
                wrong => panic!("no kill can lead to this: {wrong:?}"),
            };
            stage.judge::<PRODUCER>();
            (ending, state)
        });
    });
}

/// A sleeper whose wait takes long does the undertaker's work for a thread that died alone, of which nobody is told.
#[test]
fn the_walk_of_a_sleeper() {
    const VICTIMS_BACKSTOP: Duration = Duration::from_millis(1);
    alone(LIMIT, || {
        let stage = Stage::new();
        let states = ["the victim died", "the victim was told"];
        sweep("ring: sleep for a message of a sender that died alone, walk", states, |round| {
            let board = Shared::new(Board::default());
            let owner = fork("the sender's process", || {
                let stage = Stage::open(&options());
                let ring = &stage.ring;
                std::thread::scope(|scope| {
                    scope.spawn(|| {
                        let _sender = ring.sender_timeout(PATIENCE).expect("the sender's end");
                        board.heir_got.set(1);
                        board.heir_enters.wait("the victim has taken its end");
                        die_alone()
                    });
                    board.go_on.wait("the end");
                });
            });
            board.heir_got.wait("the sender has its end");
            let victim = round.victim(&board.ready, |steps| {
                let stage = Stage::open(&options().backstop(Some(VICTIMS_BACKSTOP)));
                let mut receiver = stage.receiver();
                board.heir_enters.set(1);
                until("the sender has died alone", || proc::threads(owner.pid()) == 2);
                board.ready.set(1);
                let answer = steps.take(|| receiver.recv());
                assert_eq!(answer.map_err(|error| error.departure()), Err(Some(Departure::Died)));
                board.peer_told.set(1);
            });
            let ending = victim.end();
            owner.kill_and_reap();
            assert_eq!(stage.judge::<PRODUCER>(), (DIED, 0));
            (ending, states[board.peer_told.get() as usize])
        });
    });
}

/// Bytes are batches of a ring of bytes: one call's bytes are seen together.
#[test]
fn stream_of_bytes() {
    const TEXT: &[u8] = b"whole\n";
    alone(LIMIT, || {
        let region = options().create(REGION).expect("a region");
        let open = |region: &Region| -> ByteStream { region.stream("stream", 8).expect("a stream") };
        let stream = open(&region);
        drop(stream.writer().expect("free"));
        let states = ["end not taken", "died, nothing written", "died, all written", "closed, all written"];
        sweep("stream: take the writer's end, write_whole, close it", states, |round| {
            let board = Shared::new(Board::default());
            let victim = round.victim(&board.ready, |steps| {
                let region = options().open(REGION).expect("the director has made it");
                let stream = open(&region);
                board.ready.set(1);
                steps.take(|| stream.writer().expect("free").write_whole(TEXT).expect("room"));
            });
            let ending = victim.end();
            let writer = stream.writer_timeout(PATIENCE).expect("buried");
            let died = writer.predecessor() == Predecessor::Died;
            let mut reader = stream.try_reader().expect("free");
            reader.set_nonblocking(true);
            let mut found = [0; 8];
            let state = match (died, reader.read(&mut found).map(|count| &found[..count])) {
                (false, Err(error)) if error.kind() == ErrorKind::WouldBlock => states[0],
                (true, Err(error)) if error.kind() == ErrorKind::WouldBlock => states[1],
                (true, Ok(TEXT)) => states[2],
                (false, Ok(TEXT)) => states[3],
                wrong => panic!("no kill can lead to this: {wrong:?}"),
            };
            (ending, state)
        });
    });
}

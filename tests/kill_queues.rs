//! SIGKILL before every synchronisation step of the operations of pools and queues.
//!
//! As in `kill.rs`: the survivors get on within their deadline, with keepers alone to repair. At the end of each round all
//! buffers are home.
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
use selvedge::region::{Pool, Queue, QueueRecvError, RegionOptions, WorkQueue};
use std::time::Duration;
use support::actors::{Actor, Ending, fork};
use support::alone::alone;
use support::pair::{Pair, number, pair};
use support::patience::{PATIENCE, until};
use support::shared::{Mark, Shared};
use support::sweep::sweep;

const LIMIT: Duration = Duration::from_secs(120);
const REGION: &str = "kill-queues";
const NAME: &str = "object";
const CAPACITY: usize = 2;
/// One for each thread slot.
const BUFFERS: usize = CAPACITY + 20;

fn options() -> RegionOptions {
    RegionOptions::new().processes(5).threads(4).objects(4).arena(16 << 10).backstop(None)
}

fn made() -> Region {
    options().create(REGION).expect("a region")
}

fn opened() -> Region {
    options().open(REGION).expect("the director has made it")
}

fn queue(region: &Region) -> Queue<Pair> {
    region.queue(NAME, CAPACITY).expect("a queue").with_wait(Wait::Block)
}

fn jobs(region: &Region) -> WorkQueue<Pair> {
    region.work_queue(NAME, CAPACITY).expect("a queue").with_wait(Wait::Block)
}

/// What the processes of one round tell each other.
#[derive(Debug, Default)]
struct Board {
    ready: Mark,
    waits: Mark,
    go_on: Mark,
    got: Mark,
}

impl Board {
    fn until_waiting(&self, waiter: &Actor) {
        until("the waiter sleeps", || {
            assert!(!waiter.is_dead(), "it was to wait");
            self.waits.get() != 0 && waiter.is_asleep()
        });
    }
}

/// Waits until all buffers of an empty queue are free.
macro_rules! until_home {
    ($queue:expr) => {
        until("all buffers come home", || {
            let mut loans = Vec::new();
            while let Ok(loan) = $queue.try_loan() {
                loans.push(loan);
            }
            loans.len() == BUFFERS
        })
    };
}

/// Takes all that is there, once what the dead had has come home: the numbers of the messages.
fn drain(queue: &Queue<Pair>) -> Vec<u64> {
    let mut received = Vec::new();
    loop {
        match queue.try_recv() {
            Ok(message) => received.push(number(message)),
            Err(QueueRecvError::Empty) => break,
            Err(error) => panic!("a survivor found: {error}"),
        }
    }
    until_home!(queue);
    assert_eq!(queue.try_recv(), Err(QueueRecvError::Empty));
    assert_eq!(queue.len(), 0);
    received
}

const UNSENT: &str = "not sent";
const SENT: &str = "sent";

#[test]
fn somebody_sends() {
    alone(LIMIT, || {
        let stage = queue(&made());
        sweep("queue: send", [UNSENT, SENT], |round| {
            let board = Shared::new(Board::default());
            let victim = round.victim(&board.ready, |steps| {
                let queue = queue(&opened());
                board.ready.set(1);
                steps.take(|| queue.try_send(pair(1)).expect("room"));
            });
            let ending = victim.end();
            stage.send_timeout(pair(2), PATIENCE).expect("room, whatever the dead left");
            match drain(&stage)[..] {
                [2] => (ending, UNSENT),
                [1, 2] => (ending, SENT),
                ref other => panic!("{other:?}"),
            }
        });
    });
}

const RECEIVED: &str = "the waiter receives it";
const WAITS_ON: &str = "the waiter waits for another";

#[test]
fn somebody_sends_while_a_receiver_waits() {
    alone(LIMIT, || {
        let region = made();
        let stage = queue(&region);
        sweep("queue: send while a receiver waits", [WAITS_ON, RECEIVED], |round| {
            let board = Shared::new(Board::default());
            let victim = round.victim(&board.ready, |steps| {
                let queue = queue(&opened());
                board.ready.set(1);
                board.go_on.wait("the other waits");
                steps.take(|| queue.send(pair(1)).expect("room"));
            });
            let receiver = fork("the receiver", || {
                let queue = queue(&opened());
                board.waits.set(1);
                let received = queue.recv_timeout(PATIENCE).expect("a message in time");
                board.got.set(u32::try_from(number(received)).expect("small"));
            });
            board.until_waiting(&receiver);
            board.go_on.set(1);
            let ending = victim.end();
            // Whoever sent told the receiver, or the undertaker did: if it sleeps, there is no message.
            repaired(&region, 2);
            let was_sent = settled(&receiver, &board.got);
            if !was_sent {
                assert_eq!(
                    stage.try_recv(),
                    Err(QueueRecvError::Empty),
                    "the receiver sleeps, though there is a message"
                );
                stage.send_timeout(pair(2), PATIENCE).expect("room");
            }
            receiver.succeed();
            let received = board.got.get();
            assert_eq!(drain(&stage), [0_u64; 0]);
            assert_eq!(received == 1, was_sent, "what was sent is received, and nothing else");
            (ending, if received == 1 { RECEIVED } else { WAITS_ON })
        });
    });
}

/// Waits until so many processes are attached at most: what the dead left is repaired then, and who waited told.
fn repaired(region: &Region, processes: usize) {
    until("the dead is repaired", || region.inspect().processes.len() <= processes);
}

/// Waits until somebody sleeps or has got something; says whether it has.
fn settled(waiter: &Actor, got: &Mark) -> bool {
    until("the waiter sleeps or has gone on", || got.get() != 0 || waiter.is_dead() || waiter.is_asleep());
    got.get() != 0
}

#[test]
fn somebody_sends_while_it_is_full() {
    alone(LIMIT, || {
        let stage = queue(&made());
        sweep("queue: wait for space, send", [UNSENT, SENT], |round| {
            let board = Shared::new(Board::default());
            (1..=2).for_each(|number| stage.send(pair(number)).expect("room"));
            let victim = round.victim(&board.ready, |steps| {
                let queue = queue(&opened());
                board.ready.set(1);
                steps.take(|| queue.send(pair(3)).expect("room"));
            });
            until("the victim sleeps or is dead", || victim.is_dead() || victim.is_asleep());
            assert_eq!(stage.recv(), Ok(pair(1)));
            let ending = victim.end();
            // There is space, or a message of the dead in it.
            let found = match drain(&stage)[..] {
                [2] => UNSENT,
                [2, 3] => SENT,
                ref other => panic!("{other:?}"),
            };
            (ending, found)
        });
    });
}

/// Two wait for space: the wake that the dead took along is made good.
#[test]
fn one_of_two_who_wait_for_space_is_killed() {
    alone(LIMIT, || {
        let stage = queue(&made());
        sweep("queue: wait for space with another, send", [UNSENT, SENT], |round| {
            let board = Shared::new(Board::default());
            (1..=2).for_each(|number| stage.send(pair(number)).expect("room"));
            let victim = round.victim(&board.ready, |steps| {
                let queue = queue(&opened());
                board.ready.set(1);
                steps.take(|| queue.send(pair(3)).expect("room"));
            });
            until("the victim sleeps or is dead", || victim.is_dead() || victim.is_asleep());
            let other = fork("the other sender", || {
                let queue = queue(&opened());
                board.waits.set(1);
                queue.send_timeout(pair(4), PATIENCE).expect("room in time");
            });
            board.until_waiting(&other);
            let mut received = vec![number(stage.recv().expect("two are there"))];
            // There is room for one; for the other only once that is used, by whoever lived to use it.
            until("both are done", || {
                if stage.len() == CAPACITY {
                    received.extend(stage.try_recv().map(number));
                }
                victim.is_dead() && other.is_dead()
            });
            let ending = victim.end();
            other.succeed();
            received.extend(drain(&stage));
            received.sort_unstable();
            match received[..] {
                [1, 2, 4] => (ending, UNSENT),
                [1, 2, 3, 4] => (ending, SENT),
                ref other => panic!("{other:?}"),
            }
        });
    });
}

const STILL_THERE: &str = "still there";
const GONE: &str = "received, or gone with the dead";

#[test]
fn somebody_receives() {
    alone(LIMIT, || {
        let stage = queue(&made());
        sweep("queue: receive", [STILL_THERE, GONE], |round| {
            let board = Shared::new(Board::default());
            (1..=2).for_each(|number| stage.send(pair(number)).expect("room"));
            let victim = round.victim(&board.ready, |steps| {
                let queue = queue(&opened());
                board.ready.set(1);
                steps.take(|| assert_eq!(queue.recv(), Ok(pair(1))));
            });
            let ending = victim.end();
            match drain(&stage)[..] {
                [1, 2] => (ending, STILL_THERE),
                [2] => (ending, GONE),
                ref other => panic!("{other:?}"),
            }
        });
    });
}

#[test]
fn somebody_receives_while_a_sender_waits() {
    alone(LIMIT, || {
        let region = made();
        let stage = queue(&region);
        sweep("queue: receive while a sender waits", [STILL_THERE, GONE], |round| {
            let board = Shared::new(Board::default());
            (1..=2).for_each(|number| stage.send(pair(number)).expect("room"));
            let victim = round.victim(&board.ready, |steps| {
                let queue = queue(&opened());
                board.ready.set(1);
                board.go_on.wait("the sender waits");
                steps.take(|| assert_eq!(queue.recv(), Ok(pair(1))));
            });
            let sender = fork("the sender", || {
                let queue = queue(&opened());
                board.waits.set(1);
                queue.send_timeout(pair(3), PATIENCE).expect("room in time");
                board.got.set(1);
            });
            board.until_waiting(&sender);
            board.go_on.set(1);
            let ending = victim.end();
            // Whoever made room told the sender, or the undertaker did: if it sleeps, there is none.
            repaired(&region, 2);
            let mut received = Vec::new();
            if !settled(&sender, &board.got) {
                assert_eq!(stage.recv(), Ok(pair(1)), "the sender sleeps, though there is room");
                received.push(1);
            }
            sender.succeed();
            received.extend(drain(&stage));
            match received[..] {
                [1, 2, 3] => (ending, STILL_THERE),
                [2, 3] => (ending, GONE),
                ref other => panic!("{other:?}"),
            }
        });
    });
}

#[test]
fn somebody_waits_for_a_message() {
    alone(LIMIT, || {
        let stage = queue(&made());
        sweep("queue: wait for a message, receive it", [STILL_THERE, GONE], |round| {
            let board = Shared::new(Board::default());
            let victim = round.victim(&board.ready, |steps| {
                let queue = queue(&opened());
                board.ready.set(1);
                steps.take(|| assert_eq!(queue.recv(), Ok(pair(1))));
            });
            until("the victim sleeps or is dead", || victim.is_dead() || victim.is_asleep());
            stage.send(pair(1)).expect("room");
            let ending = victim.end();
            match drain(&stage)[..] {
                [1] => (ending, STILL_THERE),
                [] => (ending, GONE),
                ref other => panic!("{other:?}"),
            }
        });
    });
}

const NEW: &str = "there as new";
const REDELIVERED: &str = "redelivered";
const FINISHED: &str = "finished";

/// What the survivors get of the message, within their deadline.
fn outcome(ending: Ending, jobs: &WorkQueue<Pair>, region: &Region) -> (Ending, &'static str) {
    repaired(region, 1);
    let found = match jobs.try_recv() {
        Ok(lease) => {
            assert_eq!(*lease, pair(1));
            let found = if lease.redelivered() { REDELIVERED } else { NEW };
            lease.ack();
            found
        }
        Err(QueueRecvError::Empty) => FINISHED,
        Err(error) => panic!("a survivor found: {error}"),
    };
    assert!(matches!(jobs.try_recv(), Err(QueueRecvError::Empty)), "there was one");
    until_home!(jobs);
    (ending, found)
}

#[test]
fn somebody_receives_and_finishes() {
    alone(LIMIT, || {
        let region = made();
        let stage = jobs(&region);
        sweep("work queue: receive, acknowledge", [NEW, REDELIVERED, FINISHED], |round| {
            let board = Shared::new(Board::default());
            stage.send(pair(1)).expect("room");
            let victim = round.victim(&board.ready, |steps| {
                let jobs = jobs(&opened());
                board.ready.set(1);
                steps.take(|| {
                    let lease = jobs.recv().expect("a message");
                    assert_eq!((*lease, lease.redelivered()), (pair(1), false));
                    lease.ack();
                });
            });
            outcome(victim.end(), &stage, &region)
        });
    });
}

#[test]
fn somebody_receives_and_puts_back() {
    alone(LIMIT, || {
        let region = made();
        let stage = jobs(&region);
        sweep("work queue: receive, put back", [NEW, REDELIVERED], |round| {
            let board = Shared::new(Board::default());
            stage.send(pair(1)).expect("room");
            let victim = round.victim(&board.ready, |steps| {
                let jobs = jobs(&opened());
                board.ready.set(1);
                steps.take(|| drop(jobs.recv().expect("a message")));
            });
            outcome(victim.end(), &stage, &region)
        });
    });
}

#[test]
fn somebody_receives_again_what_was_put_back() {
    alone(LIMIT, || {
        let region = made();
        let stage = jobs(&region);
        sweep("work queue: receive what was put back, acknowledge", [REDELIVERED, FINISHED], |round| {
            let board = Shared::new(Board::default());
            stage.send(pair(1)).expect("room");
            drop(stage.recv().expect("a message"));
            let victim = round.victim(&board.ready, |steps| {
                let jobs = jobs(&opened());
                board.ready.set(1);
                steps.take(|| {
                    let lease = jobs.recv().expect("a message");
                    assert!(lease.redelivered());
                    lease.ack();
                });
            });
            let outcome = outcome(victim.end(), &stage, &region);
            // The next message lies in the same buffer again, or looking for it would take another number of steps.
            (1..BUFFERS).for_each(|_| drop(stage.loan().expect("all are free")));
            outcome
        });
    });
}

const GETS_IT: &str = "the other gets it";

#[test]
fn somebody_puts_back_while_another_waits() {
    alone(LIMIT, || {
        let stage = jobs(&made());
        sweep("work queue: put back while another waits", [GETS_IT], |round| {
            let board = Shared::new(Board::default());
            stage.send(pair(1)).expect("room");
            let victim = round.victim(&board.ready, |steps| {
                let jobs = jobs(&opened());
                let lease = jobs.recv().expect("a message");
                board.ready.set(1);
                board.go_on.wait("the other waits");
                steps.take(|| drop(lease));
            });
            let other = fork("the other", || {
                let jobs = jobs(&opened());
                board.waits.set(1);
                let lease = jobs.recv_timeout(PATIENCE).expect("it comes back");
                assert_eq!((*lease, lease.redelivered()), (pair(1), true));
                lease.ack();
            });
            board.until_waiting(&other);
            board.go_on.set(1);
            let ending = victim.end();
            other.succeed();
            assert!(matches!(stage.try_recv(), Err(QueueRecvError::Empty)));
            until_home!(stage);
            (ending, GETS_IT)
        });
    });
}

fn pool(region: &Region) -> Pool<Pair> {
    region.pool(NAME, 2).expect("a pool").with_wait(Wait::Block)
}

const ALL: &str = "all buffers are home";

fn all_home(pool: &Pool<Pair>) -> &'static str {
    let both = [(); 2].map(|()| pool.take_timeout(PATIENCE).expect("they come home"));
    assert_eq!(pool.in_use(), 2);
    drop(both);
    assert_eq!(pool.in_use(), 0);
    ALL
}

#[test]
fn buffers_are_taken_and_given_back() {
    alone(LIMIT, || {
        let stage = pool(&made());
        sweep("pool: take two, give back", [ALL], |round| {
            let board = Shared::new(Board::default());
            let victim = round.victim(&board.ready, |steps| {
                let pool = pool(&opened());
                board.ready.set(1);
                steps.take(|| drop([pool.take().expect("two are there"), pool.take().expect("one is left")]));
            });
            (victim.end(), all_home(&stage))
        });
    });
}

#[test]
fn buffers_are_given_back_while_others_wait() {
    alone(LIMIT, || {
        let stage = pool(&made());
        sweep("pool: give back while others wait", [ALL], |round| {
            let board = Shared::new(Board::default());
            let victim = round.victim(&board.ready, |steps| {
                let pool = pool(&opened());
                let both = [pool.take().expect("two are there"), pool.take().expect("one is left")];
                board.ready.set(1);
                board.go_on.wait("the others wait");
                steps.take(|| drop(both));
            });
            let waiters = [(); 2].map(|()| {
                board.waits.set(0);
                let waiter = fork("the waiter", || {
                    let pool = pool(&opened());
                    board.waits.set(1);
                    drop(pool.take_timeout(PATIENCE).expect("it gets one"));
                });
                board.until_waiting(&waiter);
                waiter
            });
            board.go_on.set(1);
            let ending = victim.end();
            waiters.into_iter().for_each(Actor::succeed);
            (ending, all_home(&stage))
        });
    });
}

#[test]
fn somebody_waits_for_a_buffer() {
    alone(LIMIT, || {
        let stage = pool(&made());
        sweep("pool: wait for a buffer, take it", [ALL], |round| {
            let board = Shared::new(Board::default());
            let both = [(); 2].map(|()| stage.take().expect("two are there"));
            let victim = round.victim(&board.ready, |steps| {
                let pool = pool(&opened());
                board.ready.set(1);
                steps.take(|| drop(pool.take().expect("it comes")));
            });
            until("the victim sleeps or is dead", || victim.is_dead() || victim.is_asleep());
            drop(both);
            (victim.end(), all_home(&stage))
        });
    });
}

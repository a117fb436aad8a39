//! Unbounded queue and rendezvous between real processes: what they promise, and what a `kill -9` before every step does.
#![cfg(not(loom))]

mod support {
    pub(crate) mod actors;
    pub(crate) mod alone;
    pub(crate) mod patience;
    pub(crate) mod proc;
    pub(crate) mod shared;
    pub(crate) mod sweep;
}

use selvedge::Region;
use selvedge::primitives::waiting::Wait;
use selvedge::region::{QueueRecvError, QueueSendError, RegionOptions, Rendezvous, Unbounded};
use std::time::Duration;
use support::actors::{Actor, fork};
use support::alone::alone;
use support::patience::{PATIENCE, until};
use support::shared::{Mark, Shared};
use support::sweep::sweep;

const LIMIT: Duration = Duration::from_secs(120);
const REGION: &str = "capacities";
const NAME: &str = "object";
/// How long a wait in vain waits.
const SHORT: Duration = Duration::from_millis(2);

/// Two equal numbers, or it is torn.
type Pair = [u64; 2];

fn options() -> RegionOptions {
    RegionOptions::new().processes(8).threads(4).objects(4).arena(256 << 10).backstop(None)
}

fn made() -> Region {
    options().create(REGION).expect("a region")
}

fn opened() -> Region {
    options().open(REGION).expect("the director has made it")
}

fn unbounded(region: &Region, quota: usize) -> Unbounded<Pair> {
    region.unbounded(NAME, quota).expect("a queue").with_wait(Wait::Block)
}

fn rendezvous(region: &Region) -> Rendezvous<Pair> {
    region.rendezvous(NAME).expect("a rendezvous").with_wait(Wait::Block)
}

#[derive(Debug, Default)]
struct Board {
    ready: Mark,
    waits: Mark,
    got: Mark,
}

impl Board {
    fn until_waiting(&self, actor: &Actor) {
        until("somebody sleeps", || {
            assert!(!actor.is_dead(), "it was to wait");
            self.waits.get() != 0 && actor.is_asleep()
        });
    }
}

#[test]
fn memory_is_the_only_limit() {
    let region = options().anonymous().expect("a region");
    let queue = unbounded(&region, 100);
    for round in 0..3 {
        for number in 0..100 {
            queue.send([number; 2]).expect("there is memory");
        }
        assert_eq!(queue.in_use(), 100);
        let refused = queue.send([7; 2]).expect_err("all is in use");
        assert_eq!(refused.to_string(), "all the memory of queue `object` is in use");
        assert_eq!(refused.into_message(), [7; 2]);
        for number in 0..100 {
            assert_eq!(queue.try_recv(), Ok([number; 2]), "in round {round}");
        }
        assert_eq!((queue.try_recv(), queue.in_use()), (Err(QueueRecvError::Empty), 0));
        assert_eq!(queue.recv_timeout(SHORT), Err(QueueRecvError::TimedOut));
    }
    assert!(region.unbounded::<Pair>(NAME, 99).is_err(), "of another quota");
    assert!(region.unbounded::<u64>(NAME, 100).is_err(), "of another type");
    assert!(region.unbounded::<u64>("none", 0).is_err(), "for no message at all");
}

/// Two send and two receive; each message comes once, whole, and those of each sender in order.
fn traffic(send: impl Fn(&Region, Pair), receive: impl Fn(&Region) -> Pair) {
    const COUNT: u64 = 3_000;
    alone(LIMIT, || {
        let region = made();
        let (_keep, _open) = (unbounded(&region, 64), region.rendezvous::<Pair>("other").expect("one"));
        let got = Shared::new([Mark::default(), Mark::default()]);
        let senders: Vec<Actor> = (0..2_u64)
            .map(|lane| {
                fork("a sender", || {
                    let region = opened();
                    (0..COUNT).for_each(|number| send(&region, [(lane << 32) | number; 2]));
                })
            })
            .collect();
        let receivers: Vec<Actor> = (0..2)
            .map(|lane| {
                fork("a receiver", || {
                    let region = opened();
                    let mut last = [None; 2];
                    for _ in 0..COUNT {
                        let [one, other] = receive(&region);
                        assert_eq!(one, other, "a torn message");
                        let (sender, number) = (usize::from(one >> 32 != 0), one & 0xffff_ffff);
                        assert!(last[sender].is_none_or(|last| last < number), "out of order");
                        last[sender] = Some(number);
                    }
                    got[lane].set(1);
                })
            })
            .collect();
        senders.into_iter().chain(receivers).for_each(Actor::succeed);
        assert!(got.iter().all(|got| got.get() == 1));
    });
}

#[test]
fn many_use_an_unbounded_queue() {
    traffic(
        |region, message| {
            let queue = unbounded(region, 64);
            // The receivers give memory back.
            until("there is memory", || queue.send(message).is_ok());
        },
        |region| unbounded(region, 64).recv_timeout(PATIENCE).expect("somebody sends"),
    );
}

#[test]
fn many_meet() {
    let other = |region: &Region| region.rendezvous::<Pair>("other").expect("one");
    traffic(
        |region, message| other(region).send_timeout(message, PATIENCE).expect("somebody receives"),
        |region| other(region).recv_timeout(PATIENCE).expect("somebody sends"),
    );
}

#[test]
fn a_rendezvous_passes_only_to_somebody_who_waits() {
    alone(LIMIT, || {
        let region = made();
        let stage = rendezvous(&region);
        assert_eq!(stage.try_send([1; 2]), Err(QueueSendError::Full([1; 2])));
        assert_eq!(stage.send_timeout([1; 2], SHORT), Err(QueueSendError::TimedOut([1; 2])));
        assert_eq!(stage.try_recv(), Err(QueueRecvError::Empty));
        assert_eq!(stage.recv_timeout(SHORT), Err(QueueRecvError::TimedOut));
        assert_eq!(stage.in_use(), 0);
        let board = Shared::new(Board::default());
        let receiver = fork("the receiver", || {
            let stage = rendezvous(&opened());
            board.waits.set(1);
            assert_eq!(stage.recv_timeout(PATIENCE), Ok([2; 2]));
        });
        board.until_waiting(&receiver);
        assert_eq!(stage.try_send([2; 2]), Ok(()));
        receiver.succeed();
        board.waits.set(0);
        let sender = fork("the sender", || {
            let stage = rendezvous(&opened());
            board.waits.set(1);
            stage.send_timeout([3; 2], PATIENCE).expect("somebody receives");
        });
        board.until_waiting(&sender);
        assert_eq!(stage.try_recv(), Ok([3; 2]));
        sender.succeed();
        assert_eq!(stage.in_use(), 0);
    });
}

const NOT_SENT: &str = "not sent";
const SENT: &str = "sent";

#[test]
fn somebody_sends_into_an_unbounded_queue() {
    alone(LIMIT, || {
        let region = made();
        let stage = unbounded(&region, 4);
        sweep("unbounded queue: send", [NOT_SENT, SENT], |round| {
            let board = Shared::new(Board::default());
            let victim = round.victim(&board.ready, |steps| {
                let queue = unbounded(&opened(), 4);
                board.ready.set(1);
                steps.take(|| queue.send([5; 2]).expect("there is memory"));
            });
            let ending = victim.end();
            // A survivor's own message comes after the victim's, if that was sent.
            stage.send([6; 2]).expect("there is memory");
            let first = stage.recv_timeout(PATIENCE).expect("one is there");
            let was_sent = first == [5; 2];
            assert_eq!(if was_sent { stage.try_recv() } else { Ok(first) }, Ok([6; 2]));
            until("the memory of the dead is free", || stage.in_use() == 0);
            (ending, if was_sent { SENT } else { NOT_SENT })
        });
    });
}

const LEFT: &str = "the message is there";
const GONE: &str = "the message is gone with it";

#[test]
fn somebody_receives_from_an_unbounded_queue() {
    alone(LIMIT, || {
        let region = made();
        let stage = unbounded(&region, 4);
        sweep("unbounded queue: receive", [LEFT, GONE], |round| {
            let board = Shared::new(Board::default());
            stage.send([5; 2]).expect("there is memory");
            let victim = round.victim(&board.ready, |steps| {
                let queue = unbounded(&opened(), 4);
                board.ready.set(1);
                steps.take(|| assert_eq!(queue.try_recv(), Ok([5; 2])));
            });
            let ending = victim.end();
            let left = stage.try_recv().is_ok();
            until("the memory of the dead is free", || stage.in_use() == 0);
            (ending, if left { LEFT } else { GONE })
        });
    });
}

const WITHDRAWN: &str = "nothing has passed";
const PASSED: &str = "the message has passed";

#[test]
fn somebody_sends_at_a_rendezvous_where_another_waits() {
    alone(LIMIT, || {
        let region = made();
        let stage = rendezvous(&region);
        sweep("rendezvous: send to somebody who waits", [WITHDRAWN, PASSED], |round| {
            let board = Shared::new(Board::default());
            let receiver = fork("the receiver", || {
                let stage = rendezvous(&opened());
                board.waits.set(1);
                let [one, other] = stage.recv_timeout(PATIENCE).expect("somebody sends");
                assert_eq!(one, other);
                board.got.set(u32::try_from(one).expect("small"));
            });
            board.until_waiting(&receiver);
            let victim = round.victim(&board.ready, |steps| {
                let stage = rendezvous(&opened());
                board.ready.set(1);
                steps.take(|| stage.send_timeout([5; 2], PATIENCE).expect("somebody waits"));
            });
            let ending = victim.end();
            // If the victim has passed nothing, somebody else's message passes; if it has, nobody waits.
            let passed = match stage.send_timeout([6; 2], SHORT * 10) {
                Ok(()) => false,
                Err(_) => board.got.wait("the receiver has it") == 5,
            };
            if board.got.get() == 0 && !passed {
                board.got.wait("the receiver has the other one");
            }
            receiver.succeed();
            until("the memory of the dead is free", || stage.in_use() == 0);
            (ending, if board.got.get() == 5 { PASSED } else { WITHDRAWN })
        });
    });
}

#[test]
fn somebody_receives_at_a_rendezvous_where_another_waits() {
    alone(LIMIT, || {
        let region = made();
        let stage = rendezvous(&region);
        sweep("rendezvous: receive from somebody who waits", [WITHDRAWN, PASSED], |round| {
            let board = Shared::new(Board::default());
            let sender = fork("the sender", || {
                let stage = rendezvous(&opened());
                board.waits.set(1);
                stage.send_timeout([5; 2], PATIENCE).expect("somebody receives");
            });
            board.until_waiting(&sender);
            let victim = round.victim(&board.ready, |steps| {
                let stage = rendezvous(&opened());
                board.ready.set(1);
                steps.take(|| assert_eq!(stage.recv_timeout(PATIENCE), Ok([5; 2])));
            });
            let ending = victim.end();
            // If the victim has taken nothing, the offer stands, and we take it.
            let found = stage.recv_timeout(SHORT * 10);
            sender.succeed();
            until("the memory of the dead is free", || stage.in_use() == 0);
            (ending, if found.is_ok() { WITHDRAWN } else { PASSED })
        });
    });
}

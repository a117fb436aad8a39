//! Messages from one process to another: in order, whole, each once, also through kills.

use super::support::actors::{Ending, fork};
use super::support::alone::alone;
use super::support::patience::{PATIENCE, until};
use super::support::shared::{Mark, Shared};
use super::{Pair, REGION, number, options, pair};
use selvedge::region::{Departure, IfGone, Predecessor, RecvError, Ring, SendError};
use std::time::{Duration, Instant};

const LIMIT: Duration = Duration::from_secs(120);
/// For the whole work of one process.
const WORK: Duration = Duration::from_secs(90);

/// Opened by each process for itself.
fn open(name: &str, capacity: usize) -> Ring<Pair> {
    options().open_or_create(REGION).expect("a region").ring(name, capacity).expect("a ring")
}

/// How many messages each of the two pairs exchanges.
const EACH: u64 = 500_000;

#[test]
fn a_million_messages_between_two_pairs_of_processes() {
    alone(LIMIT, || {
        // Kept open, or else the first pair to end would take the region's objects along.
        let _kept = options().create(REGION).expect("a region");
        // A small ring, on which both sides sleep, and a large one, on which they seldom do.
        let actors = [("small", 7), ("large", 1024)].map(|(name, capacity)| {
            let producer = fork("a producer", || {
                let mut sender = open(name, capacity).sender().expect("free");
                for number in 0..EACH {
                    sender.send(pair(number)).expect("a consumer, now or later");
                }
            });
            let consumer = fork("a consumer", || {
                let mut receiver = open(name, capacity).receiver().expect("free");
                for expected in 0..EACH {
                    assert_eq!(receiver.recv().map(number), Ok(expected));
                }
                assert_eq!(receiver.recv().map_err(|error| error.departure()), Err(Some(Departure::Closed)));
            });
            [producer, consumer]
        });
        for actor in actors.into_iter().flatten() {
            assert!(actor.dies_within(WORK), "{actor:?} did not end within {WORK:?}");
            actor.succeed();
        }
    });
}

/// Batches of all sizes, written in place and read in place.
#[test]
fn batches_between_two_processes() {
    const ALL: u64 = 200_000;
    alone(LIMIT, || {
        let _kept = options().create(REGION).expect("a region");
        let producer = fork("the producer", || {
            let mut sender = open("batches", 100).sender().expect("free");
            let mut next = 0;
            while next < ALL {
                let most = usize::try_from(1 + next % 150).expect("small");
                let mut loan = sender.loan(most).expect("a consumer, now or later");
                assert!(!loan.is_empty() && loan.len() <= most.min(100));
                // Sometimes less than was borrowed, sometimes nothing.
                let count = if next % 7 == 3 { loan.len() / 2 } else { loan.len() };
                let count = count.min(usize::try_from(ALL - next).expect("small"));
                for index in 0..count {
                    *loan.get_mut(index).expect("a slot") = pair(next + index as u64);
                }
                loan.send(count).expect("as many as were borrowed");
                next += count as u64;
                if next % 7 == 3 && next < ALL {
                    sender.send(pair(next)).expect("a consumer, now or later");
                    next += 1;
                }
            }
        });
        let consumer = fork("the consumer", || {
            let mut receiver = open("batches", 100).receiver().expect("free");
            let mut next = 0;
            while next < ALL {
                let most = usize::try_from(1 + next % 130).expect("small");
                let batch = receiver.batch(most).expect("a producer, now or later");
                assert!(!batch.is_empty() && batch.len() <= most.min(100));
                // What is not released is seen again.
                let count = if next % 5 == 2 { batch.len().div_ceil(2) } else { batch.len() };
                for index in 0..batch.len() {
                    assert_eq!(number(*batch.get(index).expect("a message")), next + index as u64);
                }
                assert!(batch.get(batch.len()).is_none());
                batch.release(count).expect("as many as there are");
                next += count as u64;
            }
            assert_eq!(next, ALL);
        });
        for actor in [producer, consumer] {
            assert!(actor.dies_within(WORK), "{actor:?} did not end within {WORK:?}");
            actor.succeed();
        }
    });
}

/// Somebody new is killed again and again; the other side is told each time before the next one comes.
const GENERATIONS: u32 = 20;

/// How far into its work generation `generation` gets.
fn a_while(generation: u32) -> Duration {
    Duration::from_micros(u64::from(generation) * 97 % 1000)
}

#[derive(Debug, Default)]
struct Board {
    /// The survivor has its end: from now on it is told of deaths.
    attached: Mark,
    /// The generation that is at work, from 1 on.
    at_work: Mark,
    /// Deaths of which the survivor was told.
    told: Mark,
    /// The number after the last message that a consumer has said it took.
    taken: Mark,
}

#[test]
fn producers_are_killed_and_successors_go_on() {
    alone(LIMIT, || {
        let region = options().create(REGION).expect("a region");
        let ring = region.ring::<Pair>("ring", 16).expect("a ring");
        drop(ring.sender().expect("free"));
        let board = Shared::new(Board::default());
        let consumer = fork("the consumer", || {
            let mut receiver = open("ring", 16).receiver().expect("free").if_gone(IfGone::Wait);
            board.attached.set(1);
            let mut next = 0;
            while board.told.get() < GENERATIONS {
                match receiver.recv_timeout(PATIENCE) {
                    // A successor begins anew; within a generation nothing is missing.
                    Ok(message) => {
                        let number = number(message);
                        assert!(number == next || number == 0, "{number} where {next} or 0 had to come");
                        next = number + 1;
                    }
                    Err(error) if error.departure() == Some(Departure::Died) => board.told.set(board.told.get() + 1),
                    Err(error) => panic!("after {} deaths: {error}", board.told.get()),
                }
            }
        });
        board.attached.wait("the consumer has its end");
        for generation in 0..GENERATIONS {
            let producer = fork("a producer", || {
                let mut sender = open("ring", 16).sender_timeout(PATIENCE).expect("its predecessor is dead");
                let expected = if generation == 0 { Predecessor::Closed } else { Predecessor::Died };
                assert_eq!(sender.predecessor(), expected);
                board.at_work.set(generation + 1);
                for number in 0.. {
                    sender.send(pair(number)).expect("a consumer");
                }
            });
            until("the producer is at work", || board.at_work.get() > generation);
            std::thread::sleep(a_while(generation));
            producer.kill_and_reap();
            until("the consumer is told", || board.told.get() > generation);
        }
        consumer.succeed();
    });
}

#[test]
fn consumers_are_killed_and_successors_go_on() {
    alone(LIMIT, || {
        let _kept = options().create(REGION).expect("a region");
        let board = Shared::new(Board::default());
        let producer = fork("the producer", || {
            let mut sender = open("ring", 16).sender().expect("free").if_gone(IfGone::Wait);
            for number in 0.. {
                let mut message = pair(number);
                // It comes back, and is sent again.
                while let Err(refused) = sender.send(message) {
                    assert!(
                        matches!(&refused, SendError::Disconnected(back, gone) if (*back, gone.how) == (message, Departure::Died))
                    );
                    board.told.set(board.told.get() + 1);
                    if board.told.get() == GENERATIONS {
                        return;
                    }
                    message = refused.into_message();
                }
            }
        });
        for generation in 0..GENERATIONS {
            let consumer = fork("a consumer", || {
                let mut receiver = open("ring", 16).receiver_timeout(PATIENCE).expect("its predecessor is dead");
                let first = number(receiver.recv().expect("a message"));
                let said = u64::from(board.taken.get());
                // One may have been taken of which the dead one could not speak any more.
                assert!(first == said || first == said + 1, "{first} after {said}");
                board.taken.set(u32::try_from(first).expect("small") + 1);
                board.at_work.set(generation + 1);
                for expected in first + 1.. {
                    assert_eq!(receiver.recv().map(number), Ok(expected));
                    board.taken.set(u32::try_from(expected).expect("small") + 1);
                }
            });
            until("the consumer is at work", || board.at_work.get() > generation);
            std::thread::sleep(a_while(generation));
            consumer.kill_and_reap();
            until("the producer is told", || board.told.get() > generation);
        }
        producer.succeed();
    });
}

/// A peer that sleeps is told that its counterpart went, and how, long before any timeout: nothing here has one.
#[test]
fn who_sleeps_is_told_how_the_peer_went() {
    const READY: u32 = 1;
    const ABOUT_TO_SLEEP: u32 = 2;
    #[derive(Debug, Default)]
    struct Board {
        state: Mark,
        close: Mark,
        /// 1: it closed, 2: it died.
        told: Mark,
    }
    alone(LIMIT, || {
        let region = options().create(REGION).expect("a region");
        let ring = region.ring::<Pair>("told", 2).expect("a ring");
        for (full, dies) in [(false, false), (false, true), (true, false), (true, true)] {
            let board = Shared::new(Board::default());
            // The one sleeps on an empty ring, the other on a full one.
            let holder = fork("who goes", || {
                let ring = open("told", 2);
                let sender = (!full).then(|| ring.sender().expect("free"));
                let receiver = full.then(|| ring.receiver().expect("free"));
                board.state.set(READY);
                board.close.wait("the word to close");
                drop((sender, receiver));
            });
            board.state.wait("who goes has its end");
            let sleeper = fork("who sleeps", || {
                let ring = open("told", 2);
                let how = if full {
                    let mut sender = ring.sender().expect("free");
                    sender.send(pair(1)).expect("room");
                    sender.send(pair(2)).expect("room");
                    board.state.set(ABOUT_TO_SLEEP);
                    match sender.send(pair(3)) {
                        Err(SendError::Disconnected([3, _], gone)) => gone.how,
                        answer => panic!("{answer:?}"),
                    }
                } else {
                    let mut receiver = ring.receiver().expect("free");
                    board.state.set(ABOUT_TO_SLEEP);
                    match receiver.recv() {
                        Err(RecvError::Disconnected(gone)) => gone.how,
                        answer => panic!("{answer:?}"),
                    }
                };
                board.told.set(if how == Departure::Died { 2 } else { 1 });
            });
            until("the sleeper is about to sleep", || board.state.get() == ABOUT_TO_SLEEP);
            sleeper.await_asleep();
            let start = Instant::now();
            if dies {
                holder.kill();
            } else {
                board.close.set(1);
            }
            assert_eq!(board.told.wait("the sleeper is told"), if dies { 2 } else { 1 });
            println!("ring full: {full}, peer died: {dies}, told within {:?}", start.elapsed());
            assert_eq!(holder.end(), if dies { Ending::SIGKILL } else { Ending::DONE });
            sleeper.succeed();
            // What was sent is still there for whoever comes.
            let mut receiver = ring.receiver().expect("nobody has it");
            let left: Vec<u64> = std::iter::from_fn(|| receiver.try_recv().ok()).map(number).collect();
            assert_eq!(left, if full { vec![1, 2] } else { vec![] });
        }
    });
}

/// A death is told once, even if a successor was faster than the look; and what was sent before comes first.
#[test]
fn a_death_is_told_once_and_after_what_was_sent() {
    alone(LIMIT, || {
        let region = options().create(REGION).expect("a region");
        let ring = region.ring::<Pair>("ring", 4).expect("a ring");
        let mut receiver = ring.receiver().expect("free");
        assert_eq!(receiver.try_recv(), Err(RecvError::Empty), "a sender that has not come yet is not gone");
        for if_gone in [IfGone::Fail, IfGone::Wait] {
            receiver = receiver.if_gone(if_gone);
            let sent = Shared::new(Mark::default());
            let victim = fork("the victim", || {
                let mut sender = open("ring", 4).sender().expect("free");
                sender.send(pair(1)).expect("room");
                sender.send(pair(2)).expect("room");
                sent.set(1);
                sent.wait_while(1, "the end");
            });
            sent.wait("the victim has sent");
            victim.kill_and_reap();
            let mut sender = ring.sender_timeout(PATIENCE).expect("its holder is dead");
            assert_eq!(sender.predecessor(), Predecessor::Died);
            sender.send(pair(3)).expect("room");
            for expected in 1..=3 {
                assert_eq!(receiver.recv().map(number), Ok(expected));
            }
            assert_eq!(receiver.recv().map_err(|error| error.departure()), Err(Some(Departure::Died)));
            let later = receiver.recv_timeout(Duration::from_millis(10));
            assert_eq!(later, Err(RecvError::TimedOut), "there is a sender, and the death was told");
            drop(sender);
            match if_gone {
                IfGone::Fail => {
                    assert_eq!(receiver.recv().map_err(|error| error.departure()), Err(Some(Departure::Closed)))
                }
                IfGone::Wait => {
                    assert_eq!(receiver.recv_timeout(Duration::from_millis(10)), Err(RecvError::TimedOut));
                }
            }
        }
    });
}

//! Messages between any number of senders and receivers, each received at most once.

use super::support::actors::{Actor, die_alone, fork};
use super::support::alone::alone;
use super::support::patience::{PATIENCE, until};
use super::support::shared::{Mark, Shared};
use super::{LIMIT, Pair, SHORT, SPARE, made, number, opened, options, pair, region, until_asleep};
use selvedge::primitives::RawQueue;
use selvedge::primitives::waiting::Wait;
use selvedge::region::{ObjectErrorKind, Queue, QueueRecvError, QueueSendError, Unusable};
use selvedge::{Deadline, Region};

fn queue(region: &Region, capacity: usize) -> Queue<Pair> {
    region.queue("queue", capacity).expect("a queue")
}

/// How many buffers are in use, as the inspection counts who holds and what waits; by taking all that are free.
fn free_buffers(queue: &Queue<Pair>) -> usize {
    let mut loans = Vec::new();
    while let Ok(loan) = queue.try_loan() {
        loans.push(loan);
    }
    loans.len()
}

#[test]
fn first_in_first_out() {
    alone(LIMIT, || {
        let queue = queue(&region(), 3);
        assert_eq!((queue.capacity(), queue.len(), queue.is_empty(), queue.name()), (3, 0, true, "queue"));
        for round in 0..10 {
            for number in 0..3 {
                queue.send(pair(3 * round + number)).expect("room");
            }
            assert_eq!((queue.len(), queue.is_empty()), (3, false));
            assert_eq!(queue.try_send(pair(99)), Err(QueueSendError::Full(pair(99))));
            assert_eq!(queue.send_timeout(pair(99), SHORT), Err(QueueSendError::TimedOut(pair(99))));
            let late = queue.send_deadline(pair(99), Deadline::after(SHORT)).expect_err("it is full");
            assert_eq!(late.into_message(), pair(99));
            assert_eq!(free_buffers(&queue), SPARE, "what was not sent gave its buffer back");
            assert_eq!(queue.recv(), Ok(pair(3 * round)));
            assert_eq!(queue.try_recv(), Ok(pair(3 * round + 1)));
            assert_eq!(queue.recv_timeout(SHORT), Ok(pair(3 * round + 2)));
            assert_eq!(queue.try_recv(), Err(QueueRecvError::Empty));
            assert_eq!(queue.recv_timeout(SHORT), Err(QueueRecvError::TimedOut));
            assert_eq!(queue.recv_deadline(Deadline::after(SHORT)), Err(QueueRecvError::TimedOut));
            assert_eq!(free_buffers(&queue), 3 + SPARE);
        }
    });
}

#[test]
fn in_place() {
    alone(LIMIT, || {
        let queue = queue(&region(), 1);
        let mut loan = queue.loan().expect("a buffer");
        *loan = pair(1);
        loan.send().expect("room");
        let mut second = queue.try_loan().expect("a buffer");
        *second = pair(2);
        let second = second.try_send().expect_err("it is full");
        assert!(matches!(second, QueueSendError::Full(_)));
        let second = second.into_message().send_timeout(SHORT).expect_err("it is full");
        assert!(matches!(second, QueueSendError::TimedOut(_)));
        let first = queue.recv_in_place().expect("one is there");
        assert_eq!(*first, pair(1));
        second.into_message().send_deadline(Deadline::after(PATIENCE)).expect("room");
        assert_eq!(*first, pair(1), "the buffer is nobody else's");
        assert_eq!(*queue.try_recv_in_place().expect("one is there"), pair(2));
        assert!(matches!(queue.try_recv_in_place(), Err(QueueRecvError::Empty)));
        assert!(matches!(queue.recv_in_place_timeout(SHORT), Err(QueueRecvError::TimedOut)));
        drop(first);
        drop(queue.loan().expect("a buffer that nobody sends"));
        assert_eq!((free_buffers(&queue), queue.len()), (1 + SPARE, 0));
    });
}

#[test]
fn all_buffers_in_use_is_full() {
    alone(LIMIT, || {
        let queue = queue(&region(), 2);
        let mut loans: Vec<_> = (0..2 + SPARE).map(|_| queue.try_loan().expect("a buffer")).collect();
        assert!(matches!(queue.try_loan(), Err(QueueSendError::Full(()))));
        assert_eq!(queue.try_send(pair(1)), Err(QueueSendError::Full(pair(1))));
        assert_eq!(queue.send_timeout(pair(1), SHORT), Err(QueueSendError::TimedOut(pair(1))));
        loans.pop();
        queue.send(pair(1)).expect("a buffer is there");
    });
}

#[test]
fn what_exists_has_its_type_and_capacity() {
    let region = region();
    region.queue::<u64>("queue", 2).expect("a queue");
    region.work_queue::<u64>("jobs", 2).expect("a queue");
    let refused = |answer: Result<(), selvedge::region::ObjectError>| answer.expect_err("it is another").kind();
    let other = refused(region.queue::<u64>("queue", 3).map(drop));
    assert_eq!(other, ObjectErrorKind::WrongCapacity { found: 2, expected: 3 });
    let other = refused(region.queue::<Pair>("queue", 2).map(drop));
    assert_eq!(other, ObjectErrorKind::WrongSize { found: 8, expected: 16 });
    let other = refused(region.queue::<i64>("queue", 2).map(drop));
    assert!(matches!(other, ObjectErrorKind::WrongTag { .. }), "{other}");
    assert_eq!(refused(region.work_queue::<u64>("queue", 2).map(drop)).to_string(), "is a queue, not a work queue");
    assert_eq!(refused(region.queue::<u64>("jobs", 2).map(drop)).to_string(), "is a work queue, not a queue");
    for given in [0, RawQueue::MAX + 1, usize::MAX] {
        let expected = ObjectErrorKind::BadCapacity { given: given as u64, most: RawQueue::MAX as u64 };
        assert_eq!(refused(region.queue::<u64>("none", given).map(drop)), expected);
        assert_eq!(refused(region.work_queue::<u64>("none", given).map(drop)), expected);
    }
    let large = refused(region.queue::<u64>("large", RawQueue::MAX).map(drop));
    assert!(matches!(large, ObjectErrorKind::OutOfMemory { .. }), "{large}");
}

/// Four processes: nothing lost, doubled or torn, and each receiver sees each sender's messages in order.
#[test]
fn many_send_and_many_receive() {
    const EACH: u64 = 10_000;
    const SENDERS: usize = 2;
    const END: u64 = u64::MAX;
    alone(LIMIT, || {
        let region = made();
        for capacity in [1, 8, 64] {
            let name = format!("queue of {capacity}");
            let queue = region.queue::<Pair>(&name, capacity).expect("a queue");
            let counts = Shared::new([const { [const { Tally::new() }; SENDERS] }; 2]);
            let receivers = counts.iter().map(|tallies| {
                fork("a receiver", || {
                    let queue = opened().queue::<Pair>(&name, capacity).expect("it is there");
                    let mut last = [None; SENDERS];
                    loop {
                        let message = number(queue.recv_timeout(PATIENCE).expect("a message in time"));
                        if message == END {
                            break;
                        }
                        let sender = usize::try_from(message).expect("64 bits") % SENDERS;
                        assert!(last[sender] < Some(message), "{message} after {last:?}");
                        last[sender] = Some(message);
                        tallies[sender].add(message / SENDERS as u64);
                    }
                })
            });
            let receivers: Vec<Actor> = receivers.collect();
            let senders = (0..SENDERS as u64).map(|sender| {
                fork("a sender", || {
                    let queue = opened().queue::<Pair>(&name, capacity).expect("it is there");
                    for index in 0..EACH {
                        let message = pair(index * SENDERS as u64 + sender);
                        if index % 2 == 0 {
                            queue.send_timeout(message, PATIENCE).expect("room in time");
                        } else {
                            let mut loan = queue.loan().expect("a buffer");
                            *loan = message;
                            loan.send_timeout(PATIENCE).map_err(QueueSendError::give_up).expect("room in time");
                        }
                    }
                })
            });
            senders.collect::<Vec<Actor>>().into_iter().for_each(Actor::succeed);
            for _ in &receivers {
                queue.send_timeout(pair(END), PATIENCE).expect("room in time");
            }
            receivers.into_iter().for_each(Actor::succeed);
            for sender in 0..SENDERS {
                let [one, other] = [0, 1].map(|receiver| counts[receiver][sender].get());
                assert_eq!((one.0 + other.0, one.1 + other.1), (EACH, EACH * (EACH - 1) / 2), "sender {sender}");
            }
            assert_eq!((free_buffers(&queue), queue.len()), (capacity + SPARE, 0));
        }
    });
}

/// How many messages, and the sum of their numbers: written by one process, read after its end.
#[derive(Debug)]
struct Tally([std::cell::UnsafeCell<u64>; 2]);

// SAFETY: one process writes while the others wait for its end.
unsafe impl Sync for Tally {}

impl Tally {
    const fn new() -> Self {
        Self([const { std::cell::UnsafeCell::new(0) }; 2])
    }

    fn add(&self, number: u64) {
        let (count, sum) = self.get();
        // SAFETY: see above.
        unsafe { self.0[0].get().write(count + 1) };
        // SAFETY: see above.
        unsafe { self.0[1].get().write(sum + number) };
    }

    fn get(&self) -> (u64, u64) {
        // SAFETY: see above.
        let count = unsafe { self.0[0].get().read() };
        // SAFETY: see above.
        (count, unsafe { self.0[1].get().read() })
    }
}

#[test]
fn full_and_empty_block_and_go_on() {
    alone(LIMIT, || {
        let queue = queue(&made(), 1);
        for wait in [Wait::SpinThenBlock, Wait::Block] {
            let entered = Shared::new(Mark::default());
            let receiver = fork("the receiver", || {
                let queue = super::messages::queue(&opened(), 1).with_wait(wait);
                entered.set(1);
                assert_eq!(queue.recv_timeout(PATIENCE), Ok(pair(1)));
            });
            until_asleep(&receiver, &entered);
            queue.send(pair(1)).expect("room");
            receiver.succeed();
            queue.send(pair(2)).expect("room");
            entered.set(0);
            let sender = fork("the sender", || {
                let queue = super::messages::queue(&opened(), 1).with_wait(wait);
                entered.set(1);
                queue.send_timeout(pair(3), PATIENCE).expect("room in time");
            });
            until_asleep(&sender, &entered);
            assert_eq!(queue.recv(), Ok(pair(2)));
            sender.succeed();
            assert_eq!(queue.recv(), Ok(pair(3)));
            // No buffer is left, though there is space.
            let mut loans: Vec<_> = (0..=SPARE).map(|_| queue.loan().expect("a buffer")).collect();
            entered.set(0);
            let sender = fork("the sender without a buffer", || {
                let queue = super::messages::queue(&opened(), 1).with_wait(wait);
                entered.set(1);
                queue.send_timeout(pair(4), PATIENCE).expect("a buffer in time");
            });
            until_asleep(&sender, &entered);
            loans.pop();
            sender.succeed();
            assert_eq!(queue.recv(), Ok(pair(4)));
        }
    });
}

#[test]
fn a_forked_child_has_nothing_of_its_parents() {
    alone(LIMIT, || {
        let queue = queue(&made(), 2);
        queue.send(pair(1)).expect("room");
        let mut inherited = Some((queue.loan().expect("a buffer"), queue.recv_in_place().expect("a message")));
        fork("the child", || {
            let (loan, message) = inherited.take().expect("inherited");
            drop(message);
            let refused = loan.send().expect_err("it is not the child's");
            assert!(matches!(refused, QueueSendError::Unusable(_, Unusable::ForkedChild, _)));
            drop(refused);
            let refused = queue.send(pair(2));
            assert!(matches!(refused, Err(QueueSendError::Unusable(message, Unusable::ForkedChild, _)) if message == pair(2)));
            assert!(matches!(queue.recv(), Err(QueueRecvError::Unusable(Unusable::ForkedChild, _))));
        })
        .succeed();
        assert_eq!((free_buffers(&queue), queue.len()), (SPARE, 0));
        let (loan, message) = inherited.take().expect("still there");
        assert_eq!(*message, pair(1));
        drop(message);
        loan.send().expect("room");
        assert_eq!(free_buffers(&queue), 1 + SPARE);
    });
}

#[test]
fn what_the_killed_had_comes_home() {
    alone(LIMIT, || {
        let queue = queue(&made(), 2);
        for round in 0..20 {
            let ready = Shared::new(Mark::default());
            queue.send(pair(1)).expect("room");
            let victim = fork("the victim", || {
                let queue = super::messages::queue(&opened(), 2);
                // What it has sent stays, what it has received or not sent is gone.
                let _received = queue.recv_in_place().expect("a message");
                queue.send(pair(2)).expect("room");
                let mut loan = queue.loan().expect("a buffer");
                *loan = pair(3);
                ready.set(1);
                if round % 2 == 0 {
                    std::thread::park();
                }
                queue.send(pair(4)).expect("room");
                queue.send(pair(5)).expect("nobody makes room for it");
            });
            ready.wait("the victim has done all that");
            if round % 2 == 1 {
                until("the victim waits for room", || queue.len() == 2 && victim.is_asleep());
            }
            victim.kill_and_reap();
            until("all that is not sent comes home", || free_buffers(&queue) == 2 + SPARE - 1 - round % 2);
            assert_eq!(queue.try_recv(), Ok(pair(2)));
            if round % 2 == 1 {
                assert_eq!(queue.try_recv(), Ok(pair(4)));
            }
            assert_eq!(queue.try_recv(), Err(QueueRecvError::Empty));
        }
    });
}

#[test]
fn a_receiver_that_waits_is_killed_and_another_is_woken() {
    alone(LIMIT, || {
        let queue = queue(&made(), 1);
        for _ in 0..50 {
            let waits = [(); 2].map(|()| Shared::new(Mark::default()));
            let [victim, other] = [0, 1].map(|index| {
                let actor = fork("a receiver", || {
                    let queue = super::messages::queue(&opened(), 1).with_wait(Wait::Block);
                    waits[index].set(1);
                    assert_eq!(queue.recv_timeout(PATIENCE), Ok(pair(1)));
                });
                until_asleep(&actor, &waits[index]);
                actor
            });
            // Whichever of them the wake hits.
            victim.kill();
            queue.send(pair(1)).expect("room");
            victim.await_death();
            drop(victim);
            // The dead may have taken the message along, if it was not dead yet.
            queue.send_timeout(pair(1), PATIENCE).expect("room");
            other.succeed();
            let _ = queue.try_recv();
        }
    });
}

#[test]
fn what_a_thread_had_that_ends_comes_home() {
    alone(LIMIT, || {
        let region = options().backstop(Some(SHORT)).anonymous().expect("a region");
        let queue = queue(&region, 1);
        let had = queue.clone();
        let thread = std::thread::spawn(move || {
            had.send(pair(1)).expect("room");
            std::mem::forget(had.recv_in_place().expect("a message"));
            std::mem::forget(had.loan().expect("a buffer"));
            had.send(pair(2)).expect("room");
        });
        thread.join().expect("it forgets what it has");
        assert_eq!(free_buffers(&queue), SPARE);
        assert_eq!(queue.recv(), Ok(pair(2)), "what was sent stays");
        // Nobody is told of the death of one thread; whoever waits for long looks for it.
        let had = queue.clone();
        std::thread::spawn(move || {
            std::mem::forget((0..=SPARE).map(|_| had.loan().expect("a buffer")).collect::<Vec<_>>());
            die_alone();
        });
        until("all buffers are taken", || free_buffers(&queue) == 0);
        queue.send_timeout(pair(3), PATIENCE).expect("they come home");
        assert_eq!(queue.recv(), Ok(pair(3)));
    });
}

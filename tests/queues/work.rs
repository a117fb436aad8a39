//! Messages that are received until somebody has finished them.

use super::support::actors::{Actor, die_alone, fork};
use super::support::alone::alone;
use super::support::patience::{PATIENCE, until};
use super::support::shared::{Mark, Shared};
use super::{LIMIT, Pair, SHORT, SPARE, made, number, opened, options, pair, region, until_asleep};
use selvedge::Region;
use selvedge::region::{QueueRecvError, WorkQueue};

fn jobs(region: &Region, capacity: usize) -> WorkQueue<Pair> {
    region.work_queue("jobs", capacity).expect("a queue")
}

fn free_buffers(jobs: &WorkQueue<Pair>) -> usize {
    let mut loans = Vec::new();
    while let Ok(loan) = jobs.try_loan() {
        loans.push(loan);
    }
    loans.len()
}

/// The next message, which must be this one, for the first time or again.
#[track_caller]
fn finish(jobs: &WorkQueue<Pair>, message: u64, redelivered: bool) {
    let lease = jobs.recv_timeout(PATIENCE).expect("a message in time");
    assert_eq!((number(*lease), lease.redelivered()), (message, redelivered));
    lease.ack();
}

#[test]
fn dropping_puts_back_and_acknowledging_ends() {
    alone(LIMIT, || {
        let jobs = jobs(&region(), 2);
        jobs.send(pair(1)).expect("room");
        jobs.send(pair(2)).expect("room");
        let lease = jobs.recv().expect("two are there");
        assert_eq!((*lease, lease.redelivered()), (pair(1), false));
        drop(lease);
        for _ in 0..3 {
            let lease = jobs.try_recv().expect("it came back");
            assert_eq!((*lease, lease.redelivered()), (pair(1), true), "before all others");
        }
        let (one, two) = (jobs.recv().expect("it came back"), jobs.recv().expect("one is there"));
        assert_eq!((*one, *two, two.redelivered()), (pair(1), pair(2), false));
        assert!(matches!(jobs.try_recv(), Err(QueueRecvError::Empty)));
        assert!(matches!(jobs.recv_timeout(SHORT), Err(QueueRecvError::TimedOut)));
        assert_eq!(free_buffers(&jobs), SPARE, "two are leased");
        // Acknowledged in another order than received.
        two.ack();
        drop(one);
        finish(&jobs, 1, true);
        assert!(matches!(jobs.try_recv(), Err(QueueRecvError::Empty)));
        assert_eq!(free_buffers(&jobs), 2 + SPARE);
        // The buffer begins anew.
        jobs.send(pair(3)).expect("room");
        finish(&jobs, 3, false);
    });
}

#[test]
fn a_panic_puts_back() {
    alone(LIMIT, || {
        let jobs = jobs(&region(), 1);
        jobs.send(pair(1)).expect("room");
        let panicked = std::thread::scope(|scope| {
            let worker = scope.spawn(|| {
                let _lease = jobs.recv().expect("a message");
                std::panic::resume_unwind(Box::new("a bad message"));
            });
            worker.join().is_err()
        });
        assert!(panicked);
        finish(&jobs, 1, true);
    });
}

#[test]
fn what_the_killed_had_goes_to_another() {
    alone(LIMIT, || {
        let jobs = jobs(&made(), 2);
        for _ in 0..20 {
            let (leased, waits) = (Shared::new(Mark::default()), Shared::new(Mark::default()));
            jobs.send(pair(1)).expect("room");
            let victim = fork("the victim", || {
                let jobs = super::work::jobs(&opened(), 2);
                let _lease = jobs.recv().expect("a message");
                leased.set(1);
                std::thread::park();
            });
            leased.wait("the victim has the message");
            assert!(matches!(jobs.try_recv(), Err(QueueRecvError::Empty)), "nobody else gets it while it lives");
            let other = fork("another", || {
                let jobs = super::work::jobs(&opened(), 2);
                waits.set(1);
                finish(&jobs, 1, true);
            });
            until_asleep(&other, &waits);
            victim.kill_and_reap();
            other.succeed();
            assert!(matches!(jobs.try_recv(), Err(QueueRecvError::Empty)), "it is finished");
            assert_eq!(free_buffers(&jobs), 2 + SPARE);
        }
    });
}

#[test]
fn whoever_waits_is_woken_for_what_is_put_back() {
    alone(LIMIT, || {
        let jobs = jobs(&made(), 1);
        let waits = Shared::new(Mark::default());
        jobs.send(pair(1)).expect("room");
        let lease = jobs.recv().expect("a message");
        let other = fork("another", || {
            let jobs = super::work::jobs(&opened(), 1);
            waits.set(1);
            finish(&jobs, 1, true);
        });
        until_asleep(&other, &waits);
        drop(lease);
        other.succeed();
    });
}

#[test]
fn a_forked_child_ends_and_puts_back_nothing() {
    alone(LIMIT, || {
        let jobs = jobs(&made(), 2);
        jobs.send(pair(1)).expect("room");
        jobs.send(pair(2)).expect("room");
        let mut inherited = Some((jobs.recv().expect("a message"), jobs.recv().expect("a message")));
        fork("the child", || {
            let (one, two) = inherited.take().expect("inherited");
            one.ack();
            drop(two);
        })
        .succeed();
        assert!(matches!(jobs.try_recv(), Err(QueueRecvError::Empty)));
        assert_eq!(free_buffers(&jobs), SPARE);
        let (one, two) = inherited.take().expect("still there");
        one.ack();
        drop(two);
        finish(&jobs, 2, true);
    });
}

#[test]
fn what_a_thread_had_that_ends_goes_to_another() {
    alone(LIMIT, || {
        let region = options().backstop(Some(SHORT)).anonymous().expect("a region");
        let jobs = jobs(&region, 1);
        jobs.send(pair(1)).expect("room");
        let had = jobs.clone();
        let thread = std::thread::spawn(move || std::mem::forget(had.recv().expect("a message")));
        thread.join().expect("it forgets its lease");
        finish(&jobs, 1, true);
        // Nobody is told of the death of one thread; whoever waits for long looks for it.
        jobs.send(pair(2)).expect("room");
        let had = jobs.clone();
        std::thread::spawn(move || {
            std::mem::forget(had.recv().expect("a message"));
            die_alone();
        });
        until("the message is taken", || jobs.is_empty());
        finish(&jobs, 2, true);
    });
}

/// Workers are killed at any time: every message is finished, and those that are finished twice are told.
#[test]
fn every_message_is_finished() {
    const MESSAGES: usize = 2_000;
    const VICTIMS: u32 = 40;
    alone(LIMIT, || {
        let jobs = jobs(&made(), 8);
        let finished: Shared<[Mark; MESSAGES]> = Shared::new(std::array::from_fn(|_| Mark::default()));
        let work = || {
            fork("a worker", || {
                let jobs = super::work::jobs(&opened(), 8);
                loop {
                    let lease = jobs.recv_timeout(PATIENCE).expect("a message in time");
                    let Ok(index) = usize::try_from(number(*lease)) else { unreachable!("64 bits") };
                    let Some(mark) = finished.get(index) else {
                        return lease.ack();
                    };
                    assert!(mark.get() == 0 || lease.redelivered(), "{index} was finished before, and nobody was told");
                    mark.set(1);
                    lease.ack();
                }
            })
        };
        let mut workers = [work(), work()];
        let sender = fork("the sender", || {
            let jobs = super::work::jobs(&opened(), 8);
            (0..MESSAGES as u64).for_each(|number| jobs.send_timeout(pair(number), PATIENCE).expect("room in time"));
        });
        for round in 0..VICTIMS {
            std::thread::sleep(std::time::Duration::from_micros(u64::from(round * 37 % 300)));
            let next = std::mem::replace(&mut workers[(round % 2) as usize], work());
            next.kill_and_reap();
        }
        sender.succeed();
        until("all are finished", || finished.iter().all(|mark| mark.get() == 1));
        (0..2).for_each(|_| jobs.send_timeout(pair(MESSAGES as u64), PATIENCE).expect("room in time"));
        workers.into_iter().for_each(Actor::succeed);
        until("all buffers are home", || free_buffers(&jobs) == 8 + SPARE);
        assert!(matches!(jobs.try_recv(), Err(QueueRecvError::Empty)));
    });
}

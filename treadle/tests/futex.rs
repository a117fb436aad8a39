//! Futexes and deaths as native events.
#![cfg(not(loom))]

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use treadle::cell::UnsafeCell;
use treadle::futex::{Outcome, Until, WakeOrder, leave_all, wait, waitv, wake, wake_in_order};
use treadle::sync::atomic::{AtomicU32, Ordering};
use treadle::{Builder, Failure, Problem, Report, Schedule, thread};

use Ordering::{Acquire, Relaxed, Release};

/// What the executions of a model showed, whatever the schedule.
fn outcomes_of<T: Ord + Clone + Send + core::fmt::Debug + 'static>(
    deaths: usize,
    body: impl Fn() -> T + Clone + Send + Sync + 'static,
) -> BTreeSet<T> {
    let mut all: Option<(u64, BTreeSet<T>)> = None;
    for schedule in [Schedule::Leftmost, Schedule::Rightmost, Schedule::Shuffled(7), Schedule::Shuffled(8)] {
        let mut builder = Builder::new();
        builder.schedule = schedule;
        builder.deaths = deaths;
        builder.max_duration = Some(Duration::from_secs(60));
        let seen = Arc::new(Mutex::new(BTreeSet::new()));
        let (into, body) = (Arc::clone(&seen), body.clone());
        let (mut graphs, mut repeated) = (BTreeSet::new(), 0);
        let report = builder
            .explore_graphs(
                move || {
                    let outcome = body();
                    into.lock().expect("not poisoned").insert(outcome);
                },
                |graph| repeated += u32::from(!graphs.insert(graph)),
            )
            .unwrap_or_else(|failure| panic!("{schedule:?}: {failure}"));
        assert_eq!(repeated, 0, "{schedule:?}");
        assert_eq!(report.inconclusive, None);
        let found = (report.executions, seen.lock().expect("not poisoned").clone());
        assert_eq!(*all.get_or_insert(found.clone()), found, "{schedule:?}");
    }
    all.expect("there are schedules").1
}

fn explore(body: impl Fn() + Send + Sync + 'static) -> Result<Report, Box<Failure>> {
    Builder::new().explore(body)
}

fn word() -> Arc<AtomicU32> {
    Arc::new(AtomicU32::new(0))
}

#[test]
fn a_waiter_sleeps_until_woken_or_does_not_sleep() {
    let seen = outcomes_of(0, || {
        let word = word();
        let other = Arc::clone(&word);
        let waker = thread::spawn(move || {
            other.store(1, Relaxed);
            wake(&other, 1)
        });
        let outcome = wait(&word, 0, Until::Woken);
        let woken = waker.join().expect("it ends");
        // A wake precedes the end of the wait that it ends; it orders the word, since both access it.
        assert_eq!(word.load(Relaxed), 1);
        (outcome == Outcome::Woken, woken)
    });
    assert_eq!(seen, BTreeSet::from([(true, 1), (false, 0)]));
}

#[test]
fn a_wake_without_a_change_can_come_too_early() {
    let failure = explore(|| {
        let word = word();
        let other = Arc::clone(&word);
        let waker = thread::spawn(move || wake(&other, 1));
        wait(&word, 0, Until::Woken);
        waker.join().expect("it ends");
    });
    assert_eq!(failure.expect_err("the wake is lost").problem, Problem::Deadlock);
}

#[test]
fn a_wake_orders_no_other_memory() {
    let failure = explore(|| {
        let pair = Arc::new((AtomicU32::new(0), UnsafeCell::new(0)));
        let other = Arc::clone(&pair);
        let waker = thread::spawn(move || {
            // SAFETY: none: this is the race.
            other.1.with_mut(|value| unsafe { *value = 1 });
            other.0.store(1, Relaxed);
            wake(&other.0, 1);
        });
        while pair.0.load(Relaxed) == 0 {
            wait(&pair.0, 0, Until::Woken);
        }
        // SAFETY: none: this is the race.
        pair.1.with(|value| unsafe { *value });
        waker.join().expect("it ends");
    });
    assert_eq!(failure.expect_err("nothing publishes the value").problem, Problem::DataRace);
}

#[test]
fn a_queue_passes_on_what_a_release_store_published() {
    let passed = explore(|| {
        let pair = Arc::new((AtomicU32::new(0), UnsafeCell::new(0)));
        let other = Arc::clone(&pair);
        let waker = thread::spawn(move || {
            // SAFETY: the reader acquires the store.
            other.1.with_mut(|value| unsafe { *value = 1 });
            other.0.store(1, Release);
            wake(&other.0, 1);
        });
        let third = Arc::clone(&pair);
        // Its entering and leaving the queue stands between the store and the load.
        let sleeper = thread::spawn(move || wait(&third.0, 1, Until::TimedOut));
        while pair.0.load(Acquire) == 0 {
            wait(&pair.0, 0, Until::Woken);
        }
        // SAFETY: the store was acquired.
        pair.1.with(|value| assert_eq!(unsafe { *value }, 1));
        waker.join().expect("it ends");
        sleeper.join().expect("it ends");
    });
    assert!(passed.is_ok(), "{}", passed.expect_err("it failed"));
}

#[test]
fn wakes_take_the_first_or_the_last() {
    for order in [WakeOrder::Fifo, WakeOrder::Lifo] {
        let seen = outcomes_of(0, move || {
            let words = Arc::new((AtomicU32::new(0), AtomicU32::new(0)));
            let waiter = |number: u32| {
                let words = Arc::clone(&words);
                thread::spawn(move || {
                    let outcome = wait(&words.0, number - 1, Until::Woken);
                    let _ = words.1.compare_exchange(0, number, Relaxed, Relaxed);
                    outcome
                })
            };
            let first = waiter(1);
            words.0.store(1, Relaxed);
            // If the first one sleeps, it joined the queue before this one.
            let second = waiter(2);
            let woken = wake_in_order(&words.0, 1, order);
            let taken = if woken == 1 { words.1.await_ne(0, Relaxed) } else { 0 };
            words.0.store(2, Relaxed);
            wake(&words.0, u32::MAX);
            let slept = [first, second].map(|waiter| waiter.join().expect("it ends") == Outcome::Woken);
            (slept[0] && slept[1] && woken == 1).then_some(taken)
        });
        assert!(seen.contains(&Some(1)), "{order:?}: both sleep, or the second comes later");
        assert_eq!(seen.contains(&Some(2)), order == WakeOrder::Lifo, "{order:?}");
    }
}

#[test]
fn a_time_limit_lets_a_wake_be_eaten() {
    let seen = outcomes_of(0, || {
        let word = word();
        let other = Arc::clone(&word);
        let waker = thread::spawn(move || wake(&other, 1));
        let outcome = wait(&word, 0, Until::WokenOrTimedOut);
        (outcome == Outcome::TimedOut, waker.join().expect("it ends"))
    });
    // It returns as woken whenever a wake has taken it, even if its time was up before.
    assert_eq!(seen, BTreeSet::from([(true, 0), (false, 1)]));
}

#[test]
fn several_words_are_joined_and_left_one_after_the_other() {
    let seen = outcomes_of(0, || {
        let words = Arc::new((AtomicU32::new(0), AtomicU32::new(0)));
        let wakers: Vec<_> = [false, true]
            .into_iter()
            .map(|second| {
                let words = Arc::clone(&words);
                thread::spawn(move || {
                    let word = if second { &words.1 } else { &words.0 };
                    word.store(1, Relaxed);
                    wake(word, 1)
                })
            })
            .collect();
        let outcome = waitv(&[(&words.0, 0), (&words.1, 0)], Until::Woken);
        let woken: u32 = wakers.into_iter().map(|waker| waker.join().expect("it ends")).sum();
        (outcome == Outcome::Woken, woken)
    });
    // Changed without a wake; woken by one; woken by one while the other was eaten, before the second queue was left.
    assert_eq!(seen, BTreeSet::from([(false, 0), (true, 1), (true, 2)]));
}

#[test]
fn a_mortal_thread_dies_anywhere_and_the_kernel_comes_after_it() {
    let seen = outcomes_of(1, || {
        let words = Arc::new([AtomicU32::new(0), AtomicU32::new(0), AtomicU32::new(0)]);
        let (own, mark) = (Arc::clone(&words), Arc::clone(&words));
        let body = move || {
            own[0].store(1, Relaxed);
            own[1].store(1, Relaxed);
        };
        let mortal = thread::spawn_mortal(body, move || mark[2].store(1, Release));
        let dead = words[2].load(Acquire) == 1;
        let state = (words[0].load(Relaxed), words[1].load(Relaxed));
        let survived = mortal.join_killed().is_some();
        let last = (words[0].load(Relaxed), words[1].load(Relaxed));
        if dead {
            assert_eq!(state, last, "nothing of the dead comes after its mark");
        }
        (survived, last)
    });
    assert_eq!(seen, BTreeSet::from([(true, (1, 1)), (false, (0, 0)), (false, (1, 0))]));
}

#[test]
fn a_death_budget_of_two_kills_two() {
    let seen = outcomes_of(2, || {
        let words = Arc::new([AtomicU32::new(0), AtomicU32::new(0)]);
        let threads: Vec<_> = (0..2)
            .map(|index| {
                let words = Arc::clone(&words);
                thread::spawn_mortal(move || words[index].store(1, Relaxed), || ())
            })
            .collect();
        threads.into_iter().for_each(|thread| {
            thread.join_killed();
        });
        (words[0].load(Relaxed), words[1].load(Relaxed))
    });
    assert_eq!(seen, BTreeSet::from([(0, 0), (0, 1), (1, 0), (1, 1)]));
}

#[test]
fn who_dies_asleep_eats_a_wake_until_the_kernel_has_removed_it() {
    let failure = {
        let mut builder = Builder::new();
        builder.deaths = 1;
        builder.explore(|| {
            let word = word();
            let (mortal, other) = (Arc::clone(&word), Arc::clone(&word));
            let dying = thread::spawn_mortal(
                move || wait(&mortal, 0, Until::Woken),
                || {
                    leave_all();
                },
            );
            let waiter = thread::spawn(move || wait(&other, 0, Until::Woken));
            word.store(1, Relaxed);
            wake(&word, 1);
            waiter.join().expect("it ends");
            dying.join_killed();
        })
    };
    assert_eq!(failure.expect_err("one wake for two, one of them dead").problem, Problem::Deadlock);
}

#[test]
fn destructors_of_the_killed_do_nothing() {
    struct Sets(Arc<AtomicU32>);
    impl Drop for Sets {
        fn drop(&mut self) {
            self.0.store(9, Relaxed);
        }
    }
    let seen = outcomes_of(1, || {
        let word = word();
        let other = Arc::clone(&word);
        let body = move || {
            let guard = Sets(other);
            guard.0.store(1, Relaxed);
            core::mem::forget(guard);
        };
        thread::spawn_mortal(body, || ()).join_killed();
        word.load(Relaxed)
    });
    assert_eq!(seen, BTreeSet::from([0, 1]));
}

/// The mutex of Drepper, "Futexes are tricky", 2011 (the second one).
struct FutexMutex {
    word: AtomicU32,
    value: UnsafeCell<u32>,
}

impl FutexMutex {
    fn lock(&self) {
        if self.word.compare_exchange(0, 1, Acquire, Relaxed).is_err() {
            while self.word.swap(2, Acquire) != 0 {
                wait(&self.word, 2, Until::Woken);
            }
        }
    }

    fn unlock(&self, wakes: bool) {
        if self.word.swap(0, Release) == 2 && wakes {
            wake(&self.word, 1);
        }
    }
}

fn futex_mutex(threads: usize, times: u32, wakes: bool) -> Result<Report, Box<Failure>> {
    explore(move || {
        let mutex = Arc::new(FutexMutex { word: AtomicU32::new(0), value: UnsafeCell::new(0) });
        let all: Vec<_> = (0..threads)
            .map(|_| {
                let mutex = Arc::clone(&mutex);
                thread::spawn(move || {
                    for _ in 0..times {
                        mutex.lock();
                        // SAFETY: the lock is held.
                        mutex.value.with_mut(|value| unsafe { *value += 1 });
                        mutex.unlock(wakes);
                    }
                })
            })
            .collect();
        all.into_iter().for_each(|thread| thread.join().expect("it ends"));
    })
}

#[test]
fn a_futex_mutex_has_known_numbers_of_executions() {
    let count = |threads, times| futex_mutex(threads, times, true).expect("it is right").executions;
    assert_eq!((count(2, 1), count(2, 2), count(3, 1)), (8, 258, 1_674));
    let lost = futex_mutex(2, 1, false).expect_err("nobody wakes the sleeper");
    assert_eq!(lost.problem, Problem::Deadlock);
}

#[test]
fn threads_are_started_in_some_executions_only() {
    let seen = outcomes_of(1, || {
        let word = word();
        let starters: Vec<_> = (1..=2)
            .map(|number| {
                let (word, repaired) = (Arc::clone(&word), Arc::clone(&word));
                let after = move || {
                    let child = thread::spawn(move || repaired.fetch_add(100, Relaxed));
                    child.join().expect("it ends");
                };
                thread::spawn_mortal(move || word.fetch_add(number, Relaxed), after)
            })
            .collect();
        starters.into_iter().for_each(|starter| {
            starter.join_killed();
        });
        word.load(Relaxed)
    });
    assert_eq!(seen, BTreeSet::from([3, 101, 102]));
}

/// Whoever is killed in the system call that wakes somebody has woken them: the sleeper is out of the queues.
fn killed_waker() {
    let words = Arc::new([AtomicU32::new(0), AtomicU32::new(0)]);
    let (dying, repaired) = (Arc::clone(&words), Arc::clone(&words));
    let publish = |words: &[AtomicU32; 2]| {
        words[0].store(1, Release);
        wake(&words[0], 1);
    };
    thread::spawn_mortal(move || publish(&dying), move || publish(&repaired));
    while words[0].load(Acquire) == 0 {
        waitv(&[(&words[0], 0), (&words[1], 0)], Until::Woken);
    }
}

#[test]
fn a_wake_that_has_taken_somebody_is_carried_through() {
    outcomes_of(1, killed_waker);
    let mut search = treadle::Stateful::new();
    search.deaths = 1;
    assert!(search.explore(killed_waker).expect("nobody sleeps for ever").complete);
}

#[test]
fn a_death_can_come_between_two_writes_to_cells() {
    let seen = outcomes_of(1, || {
        let cells = Arc::new([UnsafeCell::new(0), UnsafeCell::new(0)]);
        let own = Arc::clone(&cells);
        let body = move || {
            for cell in own.iter() {
                // SAFETY: nobody else has access before the thread has ended.
                cell.with_mut(|value| unsafe { *value = 1 });
            }
        };
        thread::spawn_mortal(body, || ()).join_killed();
        // SAFETY: it has ended.
        [0, 1].map(|index| cells[index].with(|value| unsafe { *value }))
    });
    assert_eq!(seen, BTreeSet::from([[0, 0], [1, 0], [1, 1]]));
}

#[test]
fn a_death_can_come_after_the_last_read_of_a_cell() {
    let seen = outcomes_of(1, || {
        let shared = Arc::new((word(), UnsafeCell::new(0)));
        let own = Arc::clone(&shared);
        let body = move || {
            own.0.store(1, Relaxed);
            // SAFETY: nobody writes.
            own.1.with(|value| unsafe { *value })
        };
        let lived = thread::spawn_mortal(body, || ()).join_killed().is_some();
        (lived, shared.0.load(Relaxed))
    });
    assert_eq!(seen, BTreeSet::from([(true, 1), (false, 0), (false, 1)]));
}

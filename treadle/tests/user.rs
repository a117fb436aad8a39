//! What people who come from loom do: locks, notifications, leaks, races, deadlocks, spin loops, panics.
#![cfg(not(loom))]

use std::panic::{AssertUnwindSafe, catch_unwind};
use treadle::alloc::Track;
use treadle::cell::UnsafeCell;
use treadle::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicUsize, Ordering, fence};
use treadle::sync::{Arc, Condvar, Mutex, Notify};
use treadle::{Builder, Failure, Problem, Report, hint, thread};

fn explore(body: impl Fn() + Sync + Send + 'static) -> Result<Report, Box<Failure>> {
    Builder::new().explore(body)
}

fn executions(body: impl Fn() + Sync + Send + 'static) -> u64 {
    let report = explore(body).unwrap_or_else(|failure| panic!("{failure}"));
    assert_eq!(report.inconclusive, None);
    report.executions
}

fn failure(body: impl Fn() + Sync + Send + 'static) -> Failure {
    *explore(body).expect_err("the model fails")
}

fn shared<T>(value: T) -> std::sync::Arc<T> {
    std::sync::Arc::new(value)
}

#[test]
fn a_mutex_has_as_many_executions_as_there_are_orders() {
    let count = |threads: usize| {
        executions(move || {
            let mutex = shared(Mutex::new(0));
            let all: Vec<_> = (0..threads)
                .map(|_| {
                    let mutex = std::sync::Arc::clone(&mutex);
                    thread::spawn(move || *mutex.lock().expect("never poisoned") += 1)
                })
                .collect();
            all.into_iter().for_each(|thread| thread.join().expect("it ends"));
            assert_eq!(*mutex.lock().expect("never poisoned"), threads);
        })
    };
    assert_eq!((count(2), count(3), count(4), count(5)), (2, 6, 24, 120));
}

#[test]
fn try_lock_fails_while_the_lock_is_held() {
    let seen = shared(std::sync::Mutex::new(std::collections::BTreeSet::new()));
    let into = std::sync::Arc::clone(&seen);
    executions(move || {
        let mutex = shared(Mutex::new(()));
        let held = std::sync::Arc::clone(&mutex);
        let holder = thread::spawn(move || drop(held.lock()));
        let got = mutex.try_lock().is_ok();
        holder.join().expect("it ends");
        into.lock().expect("not poisoned").insert(got);
    });
    assert_eq!(seen.lock().expect("not poisoned").len(), 2);
}

#[test]
fn locking_twice_is_a_deadlock() {
    let failure = failure(|| {
        let mutex = Mutex::new(());
        let _first = mutex.lock();
        let _second = mutex.lock();
    });
    assert_eq!(failure.problem, Problem::Deadlock);
}

#[test]
fn two_locks_in_two_orders_are_a_deadlock() {
    let failure = failure(|| {
        let locks = shared((Mutex::new(()), Mutex::new(())));
        let other = std::sync::Arc::clone(&locks);
        let thread = thread::spawn(move || {
            let _one = other.1.lock();
            let _two = other.0.lock();
        });
        {
            let _one = locks.0.lock();
            let _two = locks.1.lock();
        }
        thread.join().expect("it ends");
    });
    assert_eq!(failure.problem, Problem::Deadlock);
}

#[test]
fn a_condition_variable_wakes_who_waits() {
    executions(|| {
        let pair = shared((Mutex::new(false), Condvar::new()));
        let other = std::sync::Arc::clone(&pair);
        let thread = thread::spawn(move || {
            *other.0.lock().expect("never poisoned") = true;
            other.1.notify_one();
        });
        let guard = pair.0.lock().expect("never poisoned");
        let guard = pair.1.wait_while(guard, |ready| !*ready).expect("never poisoned");
        assert!(*guard);
        drop(guard);
        thread.join().expect("it ends");
    });
}

#[test]
fn a_notification_outside_of_the_lock_is_lost() {
    let failure = failure(|| {
        let pair = shared((Mutex::new(()), Condvar::new(), AtomicBool::new(false)));
        let other = std::sync::Arc::clone(&pair);
        let thread = thread::spawn(move || {
            other.2.store(true, Ordering::SeqCst);
            other.1.notify_one();
        });
        if !pair.2.load(Ordering::SeqCst) {
            let guard = pair.0.lock().expect("never poisoned");
            drop(pair.1.wait(guard));
        }
        thread.join().expect("it ends");
    });
    assert_eq!(failure.problem, Problem::Deadlock);
}

#[test]
fn notify_all_wakes_everybody_and_notify_one_does_not() {
    let waiters = |all: bool| {
        explore(move || {
            let pair = shared((Mutex::new(false), Condvar::new()));
            let waiting: Vec<_> = (0..2)
                .map(|_| {
                    let pair = std::sync::Arc::clone(&pair);
                    thread::spawn(move || {
                        let guard = pair.0.lock().expect("never poisoned");
                        drop(pair.1.wait_while(guard, |ready| !*ready));
                    })
                })
                .collect();
            *pair.0.lock().expect("never poisoned") = true;
            if all {
                pair.1.notify_all()
            } else {
                pair.1.notify_one()
            }
            waiting.into_iter().for_each(|thread| thread.join().expect("it ends"));
        })
    };
    assert!(waiters(true).is_ok());
    assert_eq!(waiters(false).expect_err("one sleeps on").problem, Problem::Deadlock);
}

#[test]
fn a_wait_with_a_time_limit_ends_by_itself() {
    let seen = shared(std::sync::Mutex::new(std::collections::BTreeSet::new()));
    let into = std::sync::Arc::clone(&seen);
    executions(move || {
        let pair = shared((Mutex::new(()), Condvar::new()));
        let other = std::sync::Arc::clone(&pair);
        let thread = thread::spawn(move || other.1.notify_one());
        let guard = pair.0.lock().expect("never poisoned");
        let limit = std::time::Duration::from_secs(1);
        let (guard, result) = pair.1.wait_timeout(guard, limit).expect("never poisoned");
        drop(guard);
        thread.join().expect("it ends");
        into.lock().expect("not poisoned").insert(result.timed_out());
    });
    assert_eq!(seen.lock().expect("not poisoned").len(), 2);
}

#[test]
fn a_notification_carries_what_was_written_before() {
    executions(|| {
        let pair = shared((Notify::new(), UnsafeCell::new(0)));
        let other = std::sync::Arc::clone(&pair);
        let thread = thread::spawn(move || {
            // SAFETY: the reader waits for the notification.
            other.1.with_mut(|value| unsafe { *value = 1 });
            other.0.notify();
        });
        pair.0.wait();
        // SAFETY: the writer has notified.
        pair.1.with(|value| assert_eq!(unsafe { *value }, 1));
        thread.join().expect("it ends");
    });
}

#[test]
fn parking_takes_the_token_that_unparking_leaves() {
    executions(|| {
        let main = thread::current();
        let cell = shared(UnsafeCell::new(0));
        let other = std::sync::Arc::clone(&cell);
        let thread = thread::spawn(move || {
            // SAFETY: the reader is parked until later.
            other.with_mut(|value| unsafe { *value = 1 });
            main.unpark();
        });
        thread::park();
        // SAFETY: as above.
        cell.with(|value| assert_eq!(unsafe { *value }, 1));
        thread.join().expect("it ends");
    });
    assert_eq!(failure(thread::park).problem, Problem::Deadlock);
}

#[test]
fn a_race_is_found_whichever_access_comes_first() {
    for first in [true, false] {
        let failure = failure(move || {
            let cell = shared(UnsafeCell::new(0));
            let other = std::sync::Arc::clone(&cell);
            let thread = thread::spawn(move || {
                // SAFETY: none: this is the race.
                other.with_mut(|value| unsafe { *value = 1 });
            });
            let read = || {
                // SAFETY: none: this is the race.
                cell.with(|value| unsafe { *value })
            };
            if first {
                read();
                thread.join().expect("it ends");
            } else {
                thread.join().expect("it ends");
                read();
            }
            if first {
                return;
            }
            let other = std::sync::Arc::clone(&cell);
            let second = thread::spawn(move || {
                // SAFETY: none: this is the race.
                other.with(|value| unsafe { *value })
            });
            // SAFETY: none: this is the race.
            cell.with_mut(|value| unsafe { *value = 2 });
            second.join().expect("it ends");
        });
        assert_eq!(failure.problem, Problem::DataRace, "{failure}");
    }
}

#[test]
fn two_reads_are_no_race_and_neither_are_ordered_writes() {
    executions(|| {
        let cell = shared(UnsafeCell::new(7));
        let readers: Vec<_> = (0..2)
            .map(|_| {
                let cell = std::sync::Arc::clone(&cell);
                // SAFETY: nobody writes while they run.
                thread::spawn(move || cell.with(|value| unsafe { *value }))
            })
            .collect();
        readers.into_iter().for_each(|reader| assert_eq!(reader.join().expect("it ends"), 7));
        // SAFETY: all readers have ended.
        cell.with_mut(|value| unsafe { *value = 8 });
    });
}

/// Message passing with the ordering of the flag's store and load.
fn handover(store: Ordering, load: Ordering) -> Result<Report, Box<Failure>> {
    explore(move || {
        let pair = shared((UnsafeCell::new(0), AtomicBool::new(false)));
        let other = std::sync::Arc::clone(&pair);
        let thread = thread::spawn(move || {
            // SAFETY: the reader waits for the flag.
            other.0.with_mut(|value| unsafe { *value = 1 });
            other.1.store(true, store);
        });
        if pair.1.load(load) {
            // SAFETY: the flag was seen, which is enough if the orderings are right.
            pair.0.with(|value| assert_eq!(unsafe { *value }, 1));
        }
        thread.join().expect("it ends");
    })
}

#[test]
fn a_flag_publishes_only_with_release_and_acquire() {
    use Ordering::{Acquire, Relaxed, Release};
    assert!(handover(Release, Acquire).is_ok());
    for (store, load) in [(Relaxed, Acquire), (Release, Relaxed), (Relaxed, Relaxed)] {
        let failure = handover(store, load).expect_err("it races");
        assert_eq!(failure.problem, Problem::DataRace);
    }
}

#[test]
fn fences_publish_as_well() {
    let run = |with: bool| {
        explore(move || {
            let pair = shared((UnsafeCell::new(0), AtomicBool::new(false)));
            let other = std::sync::Arc::clone(&pair);
            let thread = thread::spawn(move || {
                // SAFETY: the reader waits for the flag.
                other.0.with_mut(|value| unsafe { *value = 1 });
                fence(Ordering::Release);
                other.1.store(true, Ordering::Relaxed);
            });
            if pair.1.load(Ordering::Relaxed) {
                if with {
                    fence(Ordering::Acquire);
                }
                // SAFETY: the fences publish it, if both are there.
                pair.0.with(|value| assert_eq!(unsafe { *value }, 1));
            }
            thread.join().expect("it ends");
        })
    };
    assert!(run(true).is_ok());
    assert_eq!(run(false).expect_err("it races").problem, Problem::DataRace);
}

#[test]
fn spin_loops_of_any_length_end() {
    let count = |threads: usize| {
        executions(move || {
            let lock = shared((AtomicBool::new(false), UnsafeCell::new(0)));
            let all: Vec<_> = (0..threads)
                .map(|_| {
                    let lock = std::sync::Arc::clone(&lock);
                    thread::spawn(move || {
                        while lock.0.swap(true, Ordering::Acquire) {
                            hint::spin_loop();
                        }
                        // SAFETY: the lock is held.
                        lock.1.with_mut(|value| unsafe { *value += 1 });
                        lock.0.store(false, Ordering::Release);
                    })
                })
                .collect();
            all.into_iter().for_each(|thread| thread.join().expect("it ends"));
            // SAFETY: all others have ended.
            lock.1.with(|value| assert_eq!(unsafe { *value }, threads));
        })
    };
    assert_eq!((count(2), count(3), count(4)), (2, 6, 24));
}

#[test]
fn a_spin_loop_that_nothing_ends_is_a_deadlock() {
    let failure = failure(|| {
        let flag = shared(AtomicBool::new(false));
        let other = std::sync::Arc::clone(&flag);
        let thread = thread::spawn(move || other.store(false, Ordering::Relaxed));
        while !flag.load(Ordering::Relaxed) {
            thread::yield_now();
        }
        thread.join().expect("it ends");
    });
    assert_eq!(failure.problem, Problem::Deadlock);
}

#[test]
fn a_loop_without_a_hint_and_an_end_is_too_long() {
    let mut builder = Builder::new();
    builder.max_events = 100;
    let result = builder.explore(|| {
        let flag = AtomicBool::new(false);
        while !flag.load(Ordering::Relaxed) {}
    });
    assert_eq!(result.expect_err("it does not end").problem, Problem::TooLong);
}

#[test]
fn what_is_left_at_the_end_is_a_leak() {
    let leak = failure(|| core::mem::forget(Arc::new(1)));
    assert_eq!(leak.problem, Problem::Leak);
    assert!(leak.message.contains("user.rs"), "{leak}");
    assert_eq!(failure(|| core::mem::forget(Track::new(1))).problem, Problem::Leak);
    executions(|| {
        let one = Arc::new(Track::new(1));
        let two = Arc::clone(&one);
        let thread = thread::spawn(move || drop(two));
        drop(one);
        thread.join().expect("it ends");
    });
}

#[test]
fn a_cycle_of_pointers_is_a_leak() {
    struct Node {
        next: std::sync::Mutex<Option<Arc<Node>>>,
    }
    let failure = failure(|| {
        let node = Arc::new(Node { next: std::sync::Mutex::new(None) });
        *node.next.lock().expect("not poisoned") = Some(Arc::clone(&node));
    });
    assert_eq!(failure.problem, Problem::Leak);
}

#[test]
fn whoever_drops_last_sees_what_the_others_wrote() {
    struct Payload(UnsafeCell<u32>, AtomicUsize);
    impl Drop for Payload {
        fn drop(&mut self) {
            // SAFETY: the last reference is gone.
            self.0.with_mut(|value| unsafe { *value += 1 });
        }
    }
    executions(|| {
        let one = Arc::new(Payload(UnsafeCell::new(0), AtomicUsize::new(0)));
        let two = Arc::clone(&one);
        let thread = thread::spawn(move || {
            if two.1.fetch_add(1, Ordering::Relaxed) == 0 {
                // SAFETY: only the first one writes.
                two.0.with_mut(|value| unsafe { *value = 1 });
            }
        });
        if one.1.fetch_add(1, Ordering::Relaxed) == 0 {
            // SAFETY: only the first one writes.
            one.0.with_mut(|value| unsafe { *value = 2 });
        }
        drop(one);
        thread.join().expect("it ends");
    });
}

#[test]
fn the_last_reference_can_be_unwrapped() {
    executions(|| {
        let one = Arc::new(5);
        let two = Arc::clone(&one);
        let thread = thread::spawn(move || Arc::try_unwrap(two).ok());
        let mine = Arc::try_unwrap(one).ok();
        let theirs = thread.join().expect("it ends");
        assert!(mine.is_none() || theirs.is_none());
    });
}

#[test]
fn a_panic_in_any_thread_fails_the_model() {
    let mut failure = failure(|| {
        let thread = thread::Builder::new().name("unlucky".to_owned()).spawn(|| panic!("as intended"));
        thread.expect("it starts").join().expect("it ends");
    });
    assert_eq!(failure.problem, Problem::Panic);
    assert!(failure.message.contains("as intended"), "{failure}");
    assert!(failure.message.contains("user.rs"), "{failure}");
    assert!(failure.picture.lanes.contains("T1 unlucky"), "{failure}");
    failure = *explore(|| assert_eq!(1 + 1, 3)).expect_err("it is false");
    assert!(failure.message.contains("left: 2"), "{failure}");
}

#[test]
fn thousands_of_failing_checks_in_one_process() {
    for round in 0..3_000 {
        let failure = failure(move || {
            let word = shared(AtomicU32::new(0));
            let other = std::sync::Arc::clone(&word);
            let thread = thread::spawn(move || other.store(1, Ordering::Relaxed));
            let seen = word.load(Ordering::Relaxed);
            thread.join().expect("it ends");
            assert_ne!(seen, 1, "round {round}");
        });
        assert!(failure.message.contains(&format!("round {round}")));
    }
}

#[test]
fn destructors_of_given_up_threads_run_and_touch_nothing() {
    struct Bomb(std::sync::Arc<AtomicU32>, std::sync::Arc<std::sync::atomic::AtomicU32>);
    impl Drop for Bomb {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::SeqCst);
            self.1.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        }
    }
    let dropped = std::sync::Arc::new(std::sync::atomic::AtomicU32::new(0));
    let counter = std::sync::Arc::clone(&dropped);
    let failure = failure(move || {
        let word = shared(AtomicU32::new(0));
        let bomb = Bomb(std::sync::Arc::clone(&word), std::sync::Arc::clone(&counter));
        let thread = thread::spawn(move || {
            let _bomb = bomb;
            thread::park();
        });
        thread.join().expect("it ends");
    });
    assert_eq!(failure.problem, Problem::Deadlock);
    assert!(dropped.load(std::sync::atomic::Ordering::Relaxed) > 0);
}

#[test]
fn a_model_inside_of_a_test_that_panics_leaves_nothing_behind() {
    let caught = catch_unwind(AssertUnwindSafe(|| treadle::model(|| panic!("first"))));
    let message = caught.expect_err("it panics").downcast::<String>().expect("a message");
    assert!(message.contains("first") && message.contains("TREADLE_REPLAY="), "{message}");
    executions(|| {
        thread::spawn(|| ()).join().expect("it ends");
    });
}

#[test]
fn random_numbers_are_noticed() {
    let failure = failure(|| {
        static COUNTER: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let word = shared(AtomicU32::new(0));
        let other = std::sync::Arc::clone(&word);
        let thread = thread::spawn(move || other.load(Ordering::Relaxed));
        word.store(COUNTER.fetch_add(1, std::sync::atomic::Ordering::Relaxed), Ordering::Relaxed);
        thread.join().expect("it ends");
    });
    assert_eq!(failure.problem, Problem::Divergence);
}

#[test]
fn an_atomic_of_another_execution_is_refused() {
    let failure = failure(|| {
        static LEFT: std::sync::OnceLock<AtomicU32> = std::sync::OnceLock::new();
        let word = LEFT.get_or_init(|| AtomicU32::new(0));
        let thread = thread::spawn(|| LEFT.get().map(|word| word.load(Ordering::Relaxed)));
        word.store(1, Ordering::Relaxed);
        thread.join().expect("it ends");
    });
    assert_eq!(failure.problem, Problem::Misuse);
}

#[test]
fn pointers_are_the_same_in_every_run() {
    executions(|| {
        let slot = shared(AtomicPtr::new(core::ptr::null_mut::<u64>()));
        let other = std::sync::Arc::clone(&slot);
        let thread = thread::spawn(move || {
            let mine = Box::into_raw(Box::new(1_u64));
            other.compare_exchange(core::ptr::null_mut(), mine, Ordering::AcqRel, Ordering::Acquire).err().map(|_| {
                // SAFETY: nobody else has it.
                drop(unsafe { Box::from_raw(mine) });
            })
        });
        let mine = Box::into_raw(Box::new(2_u64));
        let installed = slot.compare_exchange(core::ptr::null_mut(), mine, Ordering::AcqRel, Ordering::Acquire);
        if let Err(theirs) = installed {
            // SAFETY: it was published with release and is never freed before the end.
            assert_eq!(unsafe { *theirs }, 1);
            // SAFETY: nobody else has it.
            drop(unsafe { Box::from_raw(mine) });
        }
        thread.join().expect("it ends");
        let last = slot.load(Ordering::Relaxed);
        // SAFETY: all others have ended.
        drop(unsafe { Box::from_raw(last) });
    });
}

#[test]
fn more_threads_than_eight() {
    let count = executions(|| {
        let word = shared(AtomicU32::new(0));
        let all: Vec<_> = (0..20)
            .map(|_| {
                let word = std::sync::Arc::clone(&word);
                thread::spawn(move || word.load(Ordering::Relaxed))
            })
            .collect();
        all.into_iter().for_each(|thread| assert_eq!(thread.join().expect("it ends"), 0));
    });
    assert_eq!(count, 1);
}

#[test]
fn a_weak_exchange_fails_for_no_reason_as_often_as_allowed() {
    for (allowed, executions) in [(0, 1), (1, 3), (2, 4)] {
        let mut builder = Builder::new();
        builder.spurious_failures = allowed;
        let report = builder.explore(|| {
            let word = AtomicU32::new(0);
            let _ = word.compare_exchange_weak(0, 1, Ordering::Relaxed, Ordering::Relaxed);
            let _ = word.compare_exchange_weak(word.load(Ordering::Relaxed), 2, Ordering::Relaxed, Ordering::Relaxed);
        });
        assert_eq!(report.expect("it passes").executions, executions, "{allowed} allowed");
    }
}

#[test]
fn choices_are_all_made() {
    let seen = shared(std::sync::Mutex::new(std::collections::BTreeSet::new()));
    let into = std::sync::Arc::clone(&seen);
    let count = executions(move || {
        let pair = (treadle::choose(3), treadle::choose(2));
        into.lock().expect("not poisoned").insert(pair);
    });
    assert_eq!((count, seen.lock().expect("not poisoned").len()), (6, 6));
}

#[test]
fn a_model_can_end_the_whole_check() {
    let ended = failure(|| {
        let chosen = treadle::choose(3);
        if chosen == 1 {
            treadle::abort("no point in going on");
        }
        assert!(chosen < 2, "the check went on");
    });
    assert_eq!((ended.problem, ended.message.as_str()), (Problem::Aborted, "no point in going on"));
}

//! Code that was written for loom moves by one line: this one.
#![cfg(not(loom))]

use treadle as loom;

use loom::cell::UnsafeCell;
use loom::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use loom::sync::atomic::{AtomicBool, AtomicUsize, fence};
use loom::sync::{Arc, Condvar, Mutex, Notify};
use loom::thread;

struct SpinLock<T> {
    locked: AtomicBool,
    value: UnsafeCell<T>,
}

impl<T> SpinLock<T> {
    fn new(value: T) -> Self {
        Self { locked: AtomicBool::new(false), value: UnsafeCell::new(value) }
    }

    fn with<R>(&self, f: impl FnOnce(&mut T) -> R) -> R {
        while self.locked.compare_exchange_weak(false, true, Acquire, Relaxed).is_err() {
            loom::hint::spin_loop();
        }
        // SAFETY: the lock is held.
        let result = self.value.with_mut(|value| f(unsafe { &mut *value }));
        self.locked.store(false, Release);
        result
    }
}

#[test]
fn a_spin_lock() {
    loom::model(|| {
        let lock = Arc::new(SpinLock::new(0));
        let threads: Vec<_> = (0..2)
            .map(|_| {
                let lock = lock.clone();
                thread::spawn(move || lock.with(|value| *value += 1))
            })
            .collect();
        for thread in threads {
            thread.join().unwrap();
        }
        assert_eq!(2, lock.with(|value| *value));
    });
}

#[test]
fn a_builder_is_where_loom_has_it() {
    let mut builder = loom::model::Builder::new();
    builder.max_duration = Some(std::time::Duration::from_secs(60));
    builder.check(|| {
        let flag = Arc::new(AtomicUsize::new(0));
        let other = flag.clone();
        let thread = thread::spawn(move || {
            fence(AcqRel);
            other.fetch_add(1, Relaxed)
        });
        while flag.load(Acquire) == 0 {
            thread::yield_now();
        }
        thread.join().unwrap();
        assert_eq!(flag.fetch_sub(1, AcqRel), 1);
    });
}

#[test]
fn locks_and_notifications() {
    loom::model(|| {
        let pair = Arc::new((Mutex::new(false), Condvar::new()));
        let notify = Arc::new(Notify::new());
        let (other, told) = (pair.clone(), notify.clone());
        let thread = thread::Builder::new().name("setter".to_owned()).spawn(move || {
            told.wait();
            *other.0.lock().unwrap() = true;
            other.1.notify_one();
        });
        notify.notify();
        let mut set = pair.0.lock().unwrap();
        while !*set {
            set = pair.1.wait(set).unwrap();
        }
        drop(set);
        thread.unwrap().join().unwrap();
    });
}

#[test]
#[should_panic(expected = "data race")]
fn a_wrong_ordering_fails_the_test() {
    loom::model(|| {
        let shared = Arc::new((UnsafeCell::new(0), AtomicBool::new(false)));
        let other = shared.clone();
        thread::spawn(move || {
            // SAFETY: there is a race, and the model says so.
            other.0.with_mut(|value| unsafe { *value = 1 });
            other.1.store(true, Relaxed);
        });
        if shared.1.load(Acquire) {
            // SAFETY: as above.
            shared.0.with(|value| assert_eq!(unsafe { *value }, 1));
        }
    });
}

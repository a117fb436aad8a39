//! A spin lock: the loop says `spin_loop`, and is explored as one read however long it turns.

use std::sync::Arc;
use treadle::cell::UnsafeCell;
use treadle::sync::atomic::{AtomicBool, Ordering, Ordering::Acquire, Ordering::Relaxed, Ordering::Release};
use treadle::{Builder, Failure, Problem, Report, hint, thread};

struct SpinLock {
    locked: AtomicBool,
    value: UnsafeCell<u32>,
}

impl SpinLock {
    fn increment(&self, unlock: Ordering) {
        while self.locked.swap(true, Acquire) {
            hint::spin_loop();
        }
        // SAFETY: the lock is held.
        self.value.with_mut(|value| unsafe { *value += 1 });
        self.locked.store(false, unlock);
    }
}

fn check(threads: usize, unlock: Ordering) -> Result<Report, Box<Failure>> {
    Builder::new().explore(move || {
        let lock = Arc::new(SpinLock { locked: AtomicBool::new(false), value: UnsafeCell::new(0) });
        let all: Vec<_> = (0..threads)
            .map(|_| {
                let lock = Arc::clone(&lock);
                thread::spawn(move || lock.increment(unlock))
            })
            .collect();
        all.into_iter().for_each(|thread| thread.join().expect("it ends"));
        // SAFETY: all others have ended.
        lock.value.with(|value| assert_eq!(unsafe { *value } as usize, threads));
    })
}

fn main() {
    for (threads, orders) in [(2, 2), (3, 6), (4, 24)] {
        let report = check(threads, Release).expect("the lock is right");
        println!("{threads} threads: {} executions, one for each order", report.executions);
        assert_eq!(report.executions, orders);
    }
    let failure = check(2, Relaxed).expect_err("nothing hands on what the holder wrote");
    println!("\nunlocked with a relaxed store:\n{failure}");
    assert_eq!(failure.problem, Problem::DataRace);
}

#[test]
fn shows_what_it_says() {
    main();
}

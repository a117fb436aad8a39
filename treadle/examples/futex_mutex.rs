//! A mutex on a futex (Drepper, "Futexes are tricky", 2011), and two ways of getting it wrong.

use std::sync::Arc;
use treadle::cell::UnsafeCell;
use treadle::futex::{Until, wait, wake};
use treadle::sync::atomic::{AtomicU32, Ordering::Acquire, Ordering::Relaxed, Ordering::Release};
use treadle::{Builder, Failure, Problem, Report, thread};

/// 0: unlocked; 1: locked; 2: locked, and somebody may sleep.
struct Mutex {
    word: AtomicU32,
    value: UnsafeCell<u32>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Right,
    /// It locks with 1 after a sleep, as if nobody else slept.
    Forgets,
    /// It never wakes anybody.
    Silent,
}

impl Mutex {
    fn increment(&self, kind: Kind) {
        if self.word.compare_exchange(0, 1, Acquire, Relaxed).is_err() {
            while self.word.swap(2, Acquire) != 0 {
                wait(&self.word, 2, Until::Woken);
                if kind == Kind::Forgets && self.word.compare_exchange(0, 1, Acquire, Relaxed).is_ok() {
                    break;
                }
            }
        }
        // SAFETY: the lock is held.
        self.value.with_mut(|value| unsafe { *value += 1 });
        if self.word.swap(0, Release) == 2 && kind != Kind::Silent {
            wake(&self.word, 1);
        }
    }
}

fn check(threads: usize, kind: Kind) -> Result<Report, Box<Failure>> {
    Builder::new().explore(move || {
        let mutex = Arc::new(Mutex { word: AtomicU32::new(0), value: UnsafeCell::new(0) });
        let all: Vec<_> = (0..threads)
            .map(|_| {
                let mutex = Arc::clone(&mutex);
                thread::spawn(move || mutex.increment(kind))
            })
            .collect();
        all.into_iter().for_each(|thread| thread.join().expect("it ends"));
    })
}

fn main() {
    let report = check(3, Kind::Right).expect("it is right");
    println!("3 threads: {} executions\n", report.executions);
    assert!(check(2, Kind::Forgets).is_ok(), "two threads do not show it");
    let forgets = check(3, Kind::Forgets).expect_err("the third one sleeps on");
    println!("without the mark for those who sleep on:\n{forgets}\n");
    let silent = check(2, Kind::Silent).expect_err("nobody wakes the sleeper");
    println!("without wakes:\n{silent}");
    assert_eq!((forgets.problem, silent.problem), (Problem::Deadlock, Problem::Deadlock));
}

#[test]
fn shows_what_it_says() {
    main();
}

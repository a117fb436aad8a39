//! Store buffering: two threads each write a word and read the other's. Can both read 0?
//!
//! With relaxed, release and acquire accesses, yes; with a sequentially consistent fence between write and read, no.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use treadle::sync::atomic::{AtomicU32, Ordering::Relaxed, Ordering::SeqCst, fence};
use treadle::{Builder, thread};

/// All pairs that can be read.
fn outcomes(fenced: bool) -> BTreeSet<(u32, u32)> {
    // Collecting results past the engine is fine: nothing in the model depends on them.
    let seen = Arc::new(Mutex::new(BTreeSet::new()));
    let into = Arc::clone(&seen);
    let report = Builder::new().explore(move || {
        let words = Arc::new([AtomicU32::new(0), AtomicU32::new(0)]);
        let side = move |mine: usize, words: &[AtomicU32; 2]| {
            words[mine].store(1, Relaxed);
            if fenced {
                fence(SeqCst);
            }
            words[1 - mine].load(Relaxed)
        };
        let other = Arc::clone(&words);
        let thread = thread::spawn(move || side(1, &other));
        let pair = (side(0, &words), thread.join().expect("it ends"));
        into.lock().expect("nobody panics").insert(pair);
    });
    println!("fenced: {fenced}, {} executions", report.expect("nothing is asserted").executions);
    let seen = seen.lock().expect("nobody panics");
    seen.clone()
}

fn main() {
    assert_eq!(outcomes(false), BTreeSet::from([(0, 0), (0, 1), (1, 0), (1, 1)]));
    assert_eq!(outcomes(true), BTreeSet::from([(0, 1), (1, 0), (1, 1)]));
}

#[test]
fn shows_what_it_says() {
    main();
}

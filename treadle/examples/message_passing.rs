//! Message passing: data, then a flag. Which orderings of the flag publish the data?

use std::sync::Arc;
use treadle::cell::UnsafeCell;
use treadle::sync::atomic::{AtomicBool, Ordering, Ordering::Acquire, Ordering::Relaxed, Ordering::Release};
use treadle::{Builder, Problem, thread};

/// What goes wrong, if anything does.
fn problem(store: Ordering, load: Ordering) -> Option<Problem> {
    let result = Builder::new().explore(move || {
        let shared = Arc::new((UnsafeCell::new(0), AtomicBool::new(false)));
        let sender = Arc::clone(&shared);
        let thread = thread::spawn(move || {
            // SAFETY: the receiver looks only when it has seen the flag; whether that is enough is the question.
            sender.0.with_mut(|data| unsafe { *data = 42 });
            sender.1.store(true, store);
        });
        if shared.1.load(load) {
            // SAFETY: as above.
            shared.0.with(|data| assert_eq!(unsafe { *data }, 42));
        }
        thread.join().expect("it ends");
    });
    if let Err(failure) = &result {
        println!("{store:?} store, {load:?} load:\n{failure}\n");
    }
    result.err().map(|failure| failure.problem)
}

fn main() {
    assert_eq!(problem(Release, Acquire), None);
    assert_eq!(problem(Relaxed, Acquire), Some(Problem::DataRace));
    assert_eq!(problem(Release, Relaxed), Some(Problem::DataRace));
}

#[test]
fn shows_what_it_says() {
    main();
}

//! The embedder's own tests: the same dispenser under loom and for real.

use selvedge::Region;
use selvedge_embedder_example::Dispenser;
use std::sync::Arc;

fn dispenser() -> Arc<Dispenser> {
    let region = Region::anonymous().expect("a region");
    Arc::new(Dispenser::new(&region).expect("its objects"))
}

#[cfg(loom)]
mod under_loom {
    use super::{Arc, Dispenser, dispenser};
    use std::panic::catch_unwind;

    /// Two threads take a number each; main wants them to differ.
    fn two_take(take: fn(&Dispenser) -> u64) {
        let mut builder = loom::model::Builder::new();
        builder.preemption_bound = Some(2);
        builder.max_branches = 10_000;
        builder.check(move || {
            let dispenser = dispenser();
            let other = Arc::clone(&dispenser);
            let thread = loom::thread::spawn(move || take(&other));
            let mine = take(&dispenser);
            assert_ne!(mine, thread.join().expect("the thread ends"), "a number was given twice");
        });
    }

    #[test]
    fn numbers_differ() {
        two_take(|dispenser| dispenser.take().expect("nobody dies here"));
    }

    #[test]
    fn loom_sees_the_race_of_the_careless_one() {
        let failed = catch_unwind(|| two_take(|dispenser| dispenser.take_carelessly().expect("nobody dies here")));
        let payload = failed.expect_err("the race was not found");
        let message = payload.downcast_ref::<String>().map_or("", String::as_str);
        assert!(message.contains("given twice"), "it failed otherwise: {message}");
    }

    #[test]
    fn who_waits_is_woken() {
        let mut builder = loom::model::Builder::new();
        builder.preemption_bound = Some(2);
        builder.max_branches = 10_000;
        builder.check(|| {
            let dispenser = dispenser();
            let other = Arc::clone(&dispenser);
            let thread = loom::thread::spawn(move || other.await_return().expect("the region is there"));
            dispenser.give_back();
            thread.join().expect("the thread ends");
        });
    }
}

#[cfg(not(loom))]
#[test]
fn numbers_differ() {
    const EACH: usize = 10_000;
    let dispenser = dispenser();
    let take = |dispenser: &Dispenser| -> Vec<u64> {
        let taken = (0..EACH).map(|_| dispenser.take().expect("nobody dies here")).collect();
        dispenser.give_back();
        taken
    };
    let other = Arc::clone(&dispenser);
    let thread = std::thread::spawn(move || take(&other));
    let mut numbers = take(&dispenser);
    dispenser.await_return().expect("the region is there");
    numbers.extend(thread.join().expect("the thread ends"));
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers.len(), 2 * EACH, "a number was given twice");
}

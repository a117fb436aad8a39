//! Models of the seqlock.

use crate::seqlock::SeqLock;
use selvedge_models::{Bounds, Faults, Model, World, verify, verify_eq};
use std::sync::Arc;

pub(super) const MODELS: &[Model] = &[
    Model {
        name: "seqlock/values_are_whole",
        properties: "W O",
        client: "1 process × 2 writes, 1 × 2 reads",
        build: values_are_whole,
        faults: Faults::NONE,
        bounds: Bounds { plain: Some(2), faulty: Some(1) },
    },
    Model {
        name: "seqlock/writers_take_turns",
        properties: "W",
        client: "2 processes × write, which one of them may leave to the other, 1 × read",
        build: writers_take_turns,
        faults: Faults::NONE,
        bounds: Bounds { plain: Some(2), faulty: Some(1) },
    },
    Model {
        name: "seqlock/writer_dies_nobody_hangs",
        properties: "W D",
        client: "1 process × write, killed anywhere, 1 × (read, write, read)",
        build: writer_dies,
        faults: Faults { victims: &[0], ..Faults::NONE },
        bounds: Bounds { plain: Some(2), faulty: Some(1) },
    },
    Model {
        name: "seqlock/heir_takes_over",
        properties: "W D",
        client: "1 process × write, killed anywhere; an heir takes over; 1 × 2 reads",
        build: heir_takes_over,
        faults: Faults { victims: &[0], ..Faults::NONE },
        bounds: Bounds { plain: Some(2), faulty: Some(1) },
    },
];

fn values_are_whole(world: &mut World) {
    let lock = Arc::new(SeqLock::new([0, 0]));
    let writer = Arc::clone(&lock);
    world.thread("writer", move || {
        verify!(writer.try_write([1, 1]));
        verify!(writer.try_write([2, 2]));
    });
    world.thread("reader", move || {
        let seen = [lock.try_read(), lock.try_read()];
        for [one, other] in seen.into_iter().flatten() {
            verify_eq!(one, other);
        }
        if let [Some(first), Some(second)] = seen {
            verify!(first <= second);
        }
    });
}

fn writers_take_turns(world: &mut World) {
    let lock = Arc::new(SeqLock::new([0, 0]));
    for (name, value) in [("one", 1), ("other", 2)] {
        let lock = Arc::clone(&lock);
        world.thread(name, move || _ = lock.try_write([value, value]));
    }
    let reader = Arc::clone(&lock);
    world.thread("reader", move || {
        if let Some([one, other]) = reader.try_read() {
            verify_eq!(one, other);
        }
    });
    world.finally(move || {
        // One of them wrote, or both.
        verify!([Some([1, 1]), Some([2, 2])].contains(&lock.try_read()));
    });
}

/// Without anybody to repair it: what is left may be unreadable, and never wrong.
fn writer_dies(world: &mut World) {
    let lock = Arc::new(SeqLock::new([0, 0]));
    let victim = Arc::clone(&lock);
    world.thread("victim", move || _ = victim.try_write([1, 1]));
    world.thread("other", move || {
        let first = lock.try_read();
        verify!(first.is_none_or(|[one, other]| one == other));
        // It fails if the victim writes, or died writing; then nothing can be read for ever, which is told.
        let wrote = lock.try_write([2, 2]);
        let second = lock.try_read();
        verify!(second.is_none_or(|[one, other]| one == other));
        verify!(!wrote || second != Some([0, 0]), "what was written is gone");
    });
}

/// With an heir, which is told of the death, everything can be read again.
fn heir_takes_over(world: &mut World) {
    let lock = Arc::new(SeqLock::new([0, 0]));
    let (victim, heir, reader) = (Arc::clone(&lock), Arc::clone(&lock), Arc::clone(&lock));
    world.thread("victim", move || _ = victim.try_write([1, 1]));
    world.thread("reader", move || {
        for _ in 0..2 {
            let seen = reader.try_read();
            verify!(seen.is_none_or(|[one, other]| one == other));
        }
    });
    world.on_death(|_| {}, move |_| heir.take_over([2, 2]));
    world.finally(move || {
        verify!(lock.try_read().is_some_and(|[one, other]| one == other));
    });
}

//! Producer and consumer: handing over data by a flag.

use super::{Exhibit, Expected, Version, program};
use crate::verify_eq;
use crate::world::World;
use selvedge::sync::{AtomicU32, Cell, Ordering, spin_loop};
use std::sync::Arc;

pub(super) const EXHIBIT: Exhibit = Exhibit {
    name: "handover",
    title: "Producer and consumer without synchronisation",
    story: "The producer writes the message and raises a flag; the consumer waits for the flag and reads the message.\n\
            A relaxed flag says nothing about what was written before it: the two accesses to the message are a data\n\
            race, and the consumer may read what was there earlier, or half of each.\n\
            A release store that an acquire load reads makes everything before the one happen before what follows the other.",
    broken: &[Version {
        caption: "a relaxed flag",
        model: program("gallery/handover_relaxed", "1 × send, 1 × receive", |world| {
            handover(world, Ordering::Relaxed, Ordering::Relaxed);
        }),
        expected: Expected::Fails("data race"),
    }],
    right: &[Version {
        caption: "release and acquire",
        model: program("gallery/handover", "1 × send, 1 × receive", |world| {
            handover(world, Ordering::Release, Ordering::Acquire);
        }),
        expected: Expected::Passes,
    }],
};

struct Shared {
    message: Cell<u32>,
    full: AtomicU32,
}

fn handover(world: &mut World, publish: Ordering, receive: Ordering) {
    let shared = Arc::new(Shared { message: Cell::new(0), full: AtomicU32::new(0) });
    let producer = Arc::clone(&shared);
    world.thread("producer", move || {
        // SAFETY: nobody else touches the message before the flag is up; loom reports it if that is not so.
        producer.message.with_mut(|message| unsafe { *message = 42 });
        producer.full.store(1, publish);
    });
    world.thread("consumer", move || {
        while shared.full.load(receive) == 0 {
            spin_loop();
        }
        // SAFETY: the flag is up, and the producer does not touch the message any more.
        let message = shared.message.with(|message| unsafe { *message });
        verify_eq!(message, 42);
    });
}

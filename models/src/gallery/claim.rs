//! A place claimed in one step and filled in another.

use super::{Exhibit, Expected, Version, program};
use crate::verify;
use crate::world::{Bounds, Faults, Model, World};
use selvedge::sync::{AtomicU32, Cell, Ordering, futex_wait, futex_wake};
use std::sync::Arc;

pub(super) const EXHIBIT: Exhibit = Exhibit {
    name: "claim",
    title: "A place claimed, and its owner killed",
    story: "In the textbook's bounded ring a sender first claims a place, by counting the tail on, and then writes the message\n\
            there and publishes it. A sender that is killed in between leaves a place that nobody will ever publish, and\n\
            every receiver waits for it, although messages stand behind it.\n\
            Where the step that claims is the step that publishes, there is no such moment. What is left to a killed sender is\n\
            the wake that it owed, and whoever buries it sends that one.",
    broken: &[Version {
        caption: "claim, write, publish",
        model: killed(program("gallery/claim_then_publish", "1 × send, killed, 1 × send, 1 × receive", textbook)),
        expected: Expected::Fails("lost wake-up or deadlock"),
    }],
    right: &[Version {
        caption: "claimed by publishing",
        model: killed(program("gallery/claim_by_publishing", "1 × send, killed, 1 × send, 1 × receive", in_one_step)),
        expected: Expected::Passes,
    }],
};

/// The first lane is killed before each of its steps; bounded, as there are more executions than a gallery has time for.
const fn killed(model: Model) -> Model {
    let bounds = Bounds { plain: Some(2), faulty: Some(2) };
    Model { faults: Faults { victims: &[0], ..Faults::NONE }, bounds, ..model }
}

const PLACES: usize = 2;
const NAMES: [&str; 2] = ["killed", "sender"];

struct Textbook {
    tail: AtomicU32,
    published: [AtomicU32; PLACES],
    messages: [Cell<u32>; PLACES],
}

/// As Vyukov's bounded queue, which does not claim to survive a killed sender, with places for all that are sent.
fn textbook(world: &mut World) {
    let ring = Arc::new(Textbook {
        tail: AtomicU32::new(0),
        published: std::array::from_fn(|_| AtomicU32::new(0)),
        messages: std::array::from_fn(|_| Cell::new(0)),
    });
    for (message, name) in (1..).zip(NAMES) {
        let ring = Arc::clone(&ring);
        world.thread(name, move || {
            let place = ring.tail.fetch_add(1, Ordering::Relaxed) as usize;
            // SAFETY: the place is ours until it is published; loom reports it if that is not so.
            ring.messages[place].with_mut(|own| unsafe { *own = message });
            ring.published[place].store(1, Ordering::Release);
            futex_wake(&ring.published[place], u32::MAX);
        });
    }
    let received = Arc::clone(&ring);
    world.thread("receiver", move || {
        while received.published[0].load(Ordering::Acquire) == 0 {
            futex_wait(&received.published[0], 0, None);
        }
        // SAFETY: it is published, and nobody writes to it any more.
        let message = received.messages[0].with(|message| unsafe { *message });
        verify!(message == 1 || message == 2, "no message: {message}");
    });
    world.on_death(
        |_| {},
        move |_| {
            for place in &ring.published {
                futex_wake(place, u32::MAX);
            }
        },
    );
}

/// The message itself is what a sender swings into the first place that is empty.
fn in_one_step(world: &mut World) {
    let places: Arc<[AtomicU32; PLACES]> = Arc::new(std::array::from_fn(|_| AtomicU32::new(0)));
    for (message, name) in (1..).zip(NAMES) {
        let places = Arc::clone(&places);
        world.thread(name, move || {
            let mut empty = places
                .iter()
                .filter(|place| place.compare_exchange(0, message, Ordering::Release, Ordering::Relaxed).is_ok());
            if let Some(place) = empty.next() {
                futex_wake(place, u32::MAX);
            }
        });
    }
    let received = Arc::clone(&places);
    world.thread("receiver", move || {
        let mut message = received[0].load(Ordering::Acquire);
        while message == 0 {
            futex_wait(&received[0], 0, None);
            message = received[0].load(Ordering::Acquire);
        }
        verify!(message == 1 || message == 2, "no message: {message}");
    });
    world.on_death(
        |_| {},
        move |_| {
            for place in places.iter() {
                futex_wake(place, u32::MAX);
            }
        },
    );
}

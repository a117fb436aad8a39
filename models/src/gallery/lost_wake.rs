//! A wake that nobody sends.

use super::{Exhibit, Expected, Version, program};
use crate::verify_eq;
use crate::world::World;
use selvedge::sync::{AtomicU32, Ordering, futex_wait, futex_wake};
use std::sync::Arc;

pub(super) const EXHIBIT: Exhibit = Exhibit {
    name: "lost_wake",
    title: "A missing wake",
    story: "One sleeps until a door is open, another opens it. Whoever comes late finds it open and never sleeps, so a\n\
            test passes nearly always; who comes early sleeps until a wake, which the broken version forgets, or sends\n\
            before it opens the door, when the sleeper goes back to sleep.\n\
            The right version changes the word first and wakes then; the sleeper looks at the word again and again.",
    broken: &[
        Version {
            caption: "the door is opened, and nobody woken",
            model: program("gallery/door_no_wake", "1 × wait, 1 × open", |world| door(world, &[Step::Open])),
            expected: Expected::Fails("lost wake-up or deadlock"),
        },
        Version {
            caption: "woken first, then opened",
            model: program("gallery/door_wake_first", "1 × wait, 1 × open", |world| {
                door(world, &[Step::Wake, Step::Open]);
            }),
            expected: Expected::Fails("lost wake-up or deadlock"),
        },
    ],
    right: &[Version {
        caption: "opened, then woken",
        model: program("gallery/door", "1 × wait, 1 × open", |world| door(world, &[Step::Open, Step::Wake])),
        expected: Expected::Passes,
    }],
};

#[derive(Clone, Copy)]
enum Step {
    Open,
    Wake,
}

const SHUT: u32 = 0;
const OPEN: u32 = 1;

struct Shared {
    door: AtomicU32,
}

fn door(world: &mut World, steps: &'static [Step]) {
    let shared = Arc::new(Shared { door: AtomicU32::new(SHUT) });
    let visitor = Arc::clone(&shared);
    world.thread("visitor", move || {
        while visitor.door.load(Ordering::Acquire) == SHUT {
            futex_wait(&visitor.door, SHUT, None);
        }
        verify_eq!(visitor.door.peek(), OPEN);
    });
    world.thread("porter", move || {
        for step in steps {
            match step {
                Step::Open => shared.door.store(OPEN, Ordering::Release),
                Step::Wake => {
                    futex_wake(&shared.door, 1);
                }
            }
        }
    });
}

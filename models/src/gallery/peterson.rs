//! Peterson's algorithm.

use super::{Exhibit, Expected, Version, bounded, program};
use crate::verify;
use crate::world::World;
use selvedge::sync::{AtomicU32, Cell, Ordering, fence, spin_loop};
use std::sync::Arc;

pub(super) const EXHIBIT: Exhibit = Exhibit {
    name: "peterson",
    title: "Peterson's algorithm",
    story: "Each raises a flag, gives the turn to the other, and waits while the other's flag is up and it is the\n\
            other's turn. Proved right in every textbook, for a memory in which everybody sees all stores in one order.\n\
            With relaxed accesses neither sees the other's flag; with release and acquire a load may still overtake the\n\
            stores before it, so one enters who has not seen the other: a data race on what they guard.\n\
            The fences forbid it: one between a thread's own stores and its loads, and one between flag and turn, or\n\
            the order of the two turns could contradict that of the flags.",
    broken: &[
        Version {
            caption: "relaxed accesses",
            model: program("gallery/peterson_relaxed", "2 × 1 entry", |world| peterson(world, Strength::Relaxed)),
            expected: Expected::Fails("data race"),
        },
        Version {
            caption: "release and acquire",
            model: program("gallery/peterson_acquire", "2 × 1 entry", |world| {
                peterson(world, Strength::ReleaseAcquire)
            }),
            expected: Expected::Fails("data race"),
        },
    ],
    right: &[Version {
        caption: "sequentially consistent fences",
        model: bounded(program("gallery/peterson_fences", "2 × 1 entry", |world| peterson(world, Strength::Fences)), 2),
        expected: Expected::Passes,
    }],
};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Strength {
    Relaxed,
    ReleaseAcquire,
    Fences,
}

impl Strength {
    fn store(self) -> Ordering {
        if self == Self::Relaxed { Ordering::Relaxed } else { Ordering::Release }
    }

    fn load(self) -> Ordering {
        if self == Self::Relaxed { Ordering::Relaxed } else { Ordering::Acquire }
    }

    fn fence(self) {
        if self == Self::Fences {
            fence(Ordering::SeqCst);
        }
    }
}

const DOWN: u32 = 0;
const UP: u32 = 1;
/// As good as down; pictures then tell which of the two somebody saw.
const DOWN_AGAIN: u32 = 2;

struct Shared {
    flag_0: AtomicU32,
    flag_1: AtomicU32,
    turn: AtomicU32,
    inside: std::sync::Mutex<u32>,
    data: Cell<u32>,
}

fn peterson(world: &mut World, strength: Strength) {
    let shared = Arc::new(Shared {
        flag_0: AtomicU32::new(DOWN),
        flag_1: AtomicU32::new(DOWN),
        turn: AtomicU32::new(0),
        inside: std::sync::Mutex::default(),
        data: Cell::new(0),
    });
    for (name, other) in [("0", 1), ("1", 0)] {
        let shared = Arc::clone(&shared);
        world.thread(name, move || enter(&shared, other, strength));
    }
}

fn enter(shared: &Shared, other: u32, strength: Strength) {
    let (mine, others) = match other {
        1 => (&shared.flag_0, &shared.flag_1),
        _ => (&shared.flag_1, &shared.flag_0),
    };
    mine.store(UP, strength.store());
    strength.fence();
    shared.turn.store(other, strength.store());
    strength.fence();
    while others.load(strength.load()) == UP && shared.turn.load(strength.load()) == other {
        spin_loop();
    }
    shared.count(1);
    // SAFETY: the algorithm lets one in at a time; loom reports it if that is not so.
    shared.data.with_mut(|data| unsafe { *data += 1 });
    shared.count(-1);
    mine.store(DOWN_AGAIN, strength.store());
}

impl Shared {
    /// Counts who is inside, outside of the memory that is checked.
    fn count(&self, change: i32) {
        let mut inside = self.inside.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        *inside = inside.wrapping_add_signed(change);
        verify!(*inside <= 1, "both are inside");
    }
}

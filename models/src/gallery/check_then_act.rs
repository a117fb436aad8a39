//! Check, then act: what was checked is no longer so when it is acted upon.

use super::{Exhibit, Expected, Version, program};
use crate::scene::Notes;
use crate::world::World;
use selvedge::sync::{AtomicU32, Ordering};
use std::sync::Arc;

pub(super) const EXHIBIT: Exhibit = Exhibit {
    name: "check_then_act",
    title: "Check, then act",
    story: "Two look whether the last seat is free and, if it is, put their name on it.\n\
            The time between check and use is enough for the other: both believe that they sit.\n\
            A compare-exchange checks and acts in one step, and tells the loser.",
    broken: &[Version {
        caption: "load, then store",
        model: program("gallery/seat_load_store", "2 × 1 booking", |world| booking(world, load_then_store)),
        expected: Expected::Outcomes { all: &["1 seated", "2 seated"], shown: &["2 seated"] },
    }],
    right: &[Version {
        caption: "compare-exchange",
        model: program("gallery/seat_compare_exchange", "2 × 1 booking", |world| booking(world, in_one_step)),
        expected: Expected::Outcomes { all: &["1 seated"], shown: &[] },
    }],
};

const FREE: u32 = 0;

struct Train {
    last_seat: AtomicU32,
}

fn load_then_store(train: &Train, me: u32) -> bool {
    let free = train.last_seat.load(Ordering::Relaxed) == FREE;
    if free {
        train.last_seat.store(me, Ordering::Relaxed);
    }
    free
}

fn in_one_step(train: &Train, me: u32) -> bool {
    train.last_seat.compare_exchange(FREE, me, Ordering::Relaxed, Ordering::Relaxed).is_ok()
}

fn booking(world: &mut World, book: fn(&Train, u32) -> bool) {
    let train = Arc::new(Train { last_seat: AtomicU32::new(FREE) });
    let seated = Arc::new(Notes::<u32>::default());
    for (name, me) in [("Ada", 1), ("Ben", 2)] {
        let (train, seated) = (Arc::clone(&train), Arc::clone(&seated));
        world.thread(name, move || {
            let sits = book(&train, me);
            *seated.lock() += u32::from(sits);
        });
    }
    world.outcome(move || format!("{} seated", seated.lock()));
}

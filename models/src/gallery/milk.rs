//! Too much milk: two who share a fridge leave each other notes, with loads and stores alone.

use super::{Exhibit, Expected, Version, program};
use crate::world::World;
use selvedge::sync::{AtomicU32, Ordering, fence, spin_loop};
use std::sync::Arc;

pub(super) const EXHIBITS: [Exhibit; 3] = [
    Exhibit {
        name: "milk_1",
        title: "Too much milk, solution 1: look for a note, then leave one",
        story: "Who finds neither milk nor a note leaves a note, buys milk and takes the note away.\n\
                Both can look before either has left a note: then both buy, and mutual exclusion is broken.\n\
                It happens rarely, which makes it worse than a mistake that always shows.",
        broken: &[Version {
            caption: "one note for both",
            model: program("gallery/milk_1", "2 × (look, note, buy)", look_then_note),
            expected: Expected::Outcomes { all: &["1 bought", "2 bought"], shown: &["2 bought"] },
        }],
        right: &[Version {
            caption: "the note is looked for and left in one step",
            model: program("gallery/milk_exchange", "2 × (note, look, buy)", exchange_note),
            expected: Expected::Outcomes { all: &["1 bought"], shown: &[] },
        }],
    },
    Exhibit {
        name: "milk_2",
        title: "Too much milk, solution 2: leave a note, then look for the other's",
        story: "Each leaves a note of their own first and buys only if the other's is not there.\n\
                Nobody buys twice any more, but both notes can be there at once: then each trusts the other, nobody\n\
                buys, and progress is broken.",
        broken: &[Version {
            caption: "a note for each, and each gives way",
            model: program("gallery/milk_2", "2 × (note, look, buy)", note_then_look),
            expected: Expected::Outcomes { all: &["0 bought", "1 bought"], shown: &["0 bought"] },
        }],
        right: &[SOLUTION_3],
    },
    Exhibit {
        name: "milk_3",
        title: "Too much milk, solution 3: one of the two waits",
        story: "As solution 2, but A waits while B's note is there, and then looks for milk: exactly one of them buys.\n\
                It is right and still not good: A and B run different programs, a third cannot join, and A waits busily.\n\
                And it holds only where a note is seen before the other's absence is: release and acquire do not\n\
                promise that, as loads may overtake earlier stores. A sequentially consistent fence does.",
        broken: &[Version {
            caption: "release and acquire, no fence",
            model: program("gallery/milk_3_without_fences", "A waits, B gives way", |world| a_waits(world, false)),
            expected: Expected::Outcomes { all: &["1 bought", "2 bought"], shown: &["2 bought"] },
        }],
        right: &[SOLUTION_3],
    },
];

const SOLUTION_3: Version = Version {
    caption: "solution 3 with sequentially consistent fences",
    model: program("gallery/milk_3", "A waits, B gives way", |world| a_waits(world, true)),
    expected: Expected::Outcomes { all: &["1 bought"], shown: &[] },
};

/// No note yet.
const NONE: u32 = 0;
/// A note.
const THERE: u32 = 1;
/// The note was taken away; as good as none, but pictures then tell which of the two somebody saw.
const GONE: u32 = 2;

struct Fridge {
    milk: AtomicU32,
    note_a: AtomicU32,
    note_b: AtomicU32,
}

impl Fridge {
    fn new(world: &mut World) -> Arc<Self> {
        let fridge =
            Arc::new(Self { milk: AtomicU32::new(0), note_a: AtomicU32::new(NONE), note_b: AtomicU32::new(NONE) });
        let seen = Arc::clone(&fridge);
        world.outcome(move || format!("{} bought", seen.milk.peek()));
        fridge
    }

    fn buy_if_there_is_none(&self) {
        if self.milk.load(Ordering::Relaxed) == 0 {
            self.milk.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn look_then_note(world: &mut World) {
    let fridge = Fridge::new(world);
    for name in ["A", "B"] {
        let fridge = Arc::clone(&fridge);
        world.thread(name, move || {
            if fridge.milk.load(Ordering::Relaxed) == 0 && fridge.note_a.load(Ordering::Acquire) != THERE {
                fridge.note_a.store(THERE, Ordering::Release);
                fridge.milk.fetch_add(1, Ordering::Relaxed);
                fridge.note_a.store(GONE, Ordering::Release);
            }
        });
    }
}

fn exchange_note(world: &mut World) {
    let fridge = Fridge::new(world);
    for name in ["A", "B"] {
        let fridge = Arc::clone(&fridge);
        world.thread(name, move || {
            // Who finds the other's note goes away: the other is buying.
            let left = fridge.note_a.compare_exchange(NONE, THERE, Ordering::Acquire, Ordering::Relaxed).is_ok();
            if left {
                fridge.buy_if_there_is_none();
                fridge.note_a.store(NONE, Ordering::Release);
            }
        });
    }
}

fn note_then_look(world: &mut World) {
    let fridge = Fridge::new(world);
    for name in ["A", "B"] {
        let fridge = Arc::clone(&fridge);
        world.thread(name, move || {
            let (mine, other) = match name {
                "A" => (&fridge.note_a, &fridge.note_b),
                _ => (&fridge.note_b, &fridge.note_a),
            };
            mine.store(THERE, Ordering::Release);
            fence(Ordering::SeqCst);
            if other.load(Ordering::Acquire) != THERE {
                fridge.buy_if_there_is_none();
            }
            mine.store(GONE, Ordering::Release);
        });
    }
}

fn a_waits(world: &mut World, fences: bool) {
    let fridge = Fridge::new(world);
    let a = Arc::clone(&fridge);
    world.thread("A", move || {
        a.note_a.store(THERE, Ordering::Release);
        if fences {
            fence(Ordering::SeqCst);
        }
        while a.note_b.load(Ordering::Acquire) == THERE {
            spin_loop();
        }
        a.buy_if_there_is_none();
        a.note_a.store(GONE, Ordering::Release);
    });
    world.thread("B", move || {
        fridge.note_b.store(THERE, Ordering::Release);
        if fences {
            fence(Ordering::SeqCst);
        }
        if fridge.note_a.load(Ordering::Acquire) != THERE {
            fridge.buy_if_there_is_none();
        }
        fridge.note_b.store(GONE, Ordering::Release);
    });
}

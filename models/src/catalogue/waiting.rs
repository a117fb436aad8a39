//! Models of `primitives/waiting.rs`.

use crate::scene::{OBJECT, Scene};
use crate::world::{Bounds, Faults, Model, World};
use crate::{verify, verify_eq};
use selvedge::primitives::undertaker::{Dead, Repair};
use selvedge::primitives::waiting::Waiting;
use selvedge::sync::{AtomicU32, Cell, Deadline, Ordering, WaitOn, WaitOutcome, fence, futex_waitv, futex_wake};
use std::sync::Arc;

pub(super) const MODELS: &[Model] = &[
    Model {
        name: "waiting/who_sleeps_is_found_by_the_walk",
        properties: "F1 G2",
        client: "1 process sets a word and wakes, killed anywhere, the undertaker too; 1 sleeps until it is set",
        build: |world| sleepers(world, 1),
        faults: Faults { victims: &[0], second_death: true, no_wake_edge: true, spurious: true, ..Faults::NONE },
        bounds: Bounds { plain: Some(4), faulty: Some(1) },
    },
    Model {
        name: "waiting/two_sleep_one_wake_is_eaten",
        properties: "F1 G2 G4",
        client: "1 process sets a word and wakes one, 2 sleep until it is set, one of them killed",
        build: |world| sleepers(world, 2),
        faults: Faults { victims: &[1], lifo: true, ..Faults::NONE },
        bounds: Bounds { plain: Some(2), faulty: Some(2) },
    },
    Model {
        name: "waiting/a_bell_wakes_who_sleeps_on_several",
        properties: "F1 G2",
        client: "1 process sets a word and wakes, killed anywhere; 1 sleeps on it and on its bell until it is set",
        build: bell,
        faults: Faults { victims: &[0], ..Faults::NONE },
        bounds: Bounds { plain: Some(2), faulty: Some(1) },
    },
    Model {
        name: "waiting/a_deadline_ends_the_sleep",
        properties: "G3",
        client: "1 process sets a word and wakes, 1 sleeps with a deadline",
        build: timed,
        faults: Faults { timeouts: true, spurious: true, ..Faults::NONE },
        bounds: Bounds { plain: None, faulty: None },
    },
    Model {
        name: "waiting/nobody_comes_before_the_deadline",
        properties: "G3",
        client: "2 sleep with a deadline until a word is set, which nobody does",
        build: nobody_comes,
        faults: Faults { timeouts: true, spurious: true, ..Faults::NONE },
        bounds: Bounds { plain: None, faulty: None },
    },
];

/// A word that somebody is to set, and that the undertaker sets for the dead; and what was written before.
struct Flag {
    word: AtomicU32,
    data: Cell<u32>,
}

impl Flag {
    fn new() -> Self {
        Self { word: AtomicU32::new(0), data: Cell::new(0) }
    }

    /// Sets the word and wakes one; who is woken wakes the next.
    fn set(&self) {
        // SAFETY: nobody reads it before the word is set, as loom checks.
        self.data.with_mut(|data| unsafe { *data = 7 });
        // Release: pairs with the Acquire in is_set.
        self.word.swap(1, Ordering::Release);
        futex_wake(&self.word, 1);
    }

    fn is_set(&self) -> bool {
        // Acquire: pairs with the Release in set and in bury.
        self.word.load(Ordering::Acquire) != 0
    }
}

impl Repair for Flag {
    fn bury(&self, _dead: &Dead<'_>) {
        // Whoever died, the word is set to something: 2, without data.
        let _ = self.word.compare_exchange(0, 2, Ordering::Release, Ordering::Relaxed);
    }

    fn wake_all(&self) {
        futex_wake(&self.word, u32::MAX);
    }
}

fn sleepers(world: &mut World, count: usize) {
    let scene = Scene::in_world(world, 1 + count, Flag::new());
    let setter = Arc::clone(&scene);
    world.thread("setter", move || setter.object.set());
    for lane in 1..=count {
        let scene = Arc::clone(&scene);
        world.thread(["", "sleeper", "other sleeper"][lane], move || {
            let flag = &scene.object;
            while !flag.is_set() {
                scene.caller(lane).sleep(OBJECT, &flag.word, 0, None);
            }
            if flag.word.load(Ordering::Acquire) == 1 {
                // SAFETY: the word says that it was written.
                verify_eq!(flag.data.with(|data| unsafe { *data }), 7);
            }
            // One wake was for all.
            futex_wake(&flag.word, 1);
        });
    }
    world.finally(move || verify!(scene.object.is_set()));
}

fn bell(world: &mut World) {
    let scene = Scene::in_world(world, 2, Flag::new());
    let setter = Arc::clone(&scene);
    world.thread("setter", move || setter.object.set());
    world.thread("sleeper", move || {
        let own = scene.table().thread(scene.slot(1)).expect("a slot");
        loop {
            // Acquire: whoever rang it had repaired what is looked at next.
            let rung = own.bell.load(Ordering::Acquire);
            own.waiting.store(Waiting::Several.to_bits(), Ordering::Relaxed);
            // SeqCst: pairs with the fence of the walk.
            fence(Ordering::SeqCst);
            if scene.object.is_set() {
                break;
            }
            let on = [(&scene.object.word, 0), (&own.bell, rung)];
            futex_waitv(&on.map(|(word, expected)| WaitOn { word, expected }), None);
        }
        own.waiting.store(0, Ordering::Relaxed);
        verify!(true, "it heard");
    });
}

fn timed(world: &mut World) {
    let scene = Scene::in_world(world, 2, Flag::new());
    let setter = Arc::clone(&scene);
    world.thread("setter", move || setter.object.set());
    world.thread("sleeper", move || {
        let flag = &scene.object;
        let deadline = Some(Deadline::at_monotonic_ns(1));
        while !flag.is_set() {
            if scene.caller(1).sleep(OBJECT, &flag.word, 0, deadline) == WaitOutcome::TimedOut {
                break;
            }
        }
        let slot = scene.table().thread(scene.slot(1)).expect("a slot");
        verify_eq!(slot.waiting.load(Ordering::Relaxed), 0, "the slot still names an object");
    });
}

/// Whoever does not hear of a deadline that has passed waits for ever.
fn nobody_comes(world: &mut World) {
    let scene = Scene::in_world(world, 2, Flag::new());
    for lane in 0..2 {
        let scene = Arc::clone(&scene);
        world.thread(["one", "other"][lane], move || {
            let flag = &scene.object;
            let deadline = Some(Deadline::at_monotonic_ns(1));
            while scene.caller(lane).sleep(OBJECT, &flag.word, 0, deadline) != WaitOutcome::TimedOut {
                verify!(!flag.is_set());
            }
        });
    }
    world.finally(move || verify!(!scene.object.is_set()));
}

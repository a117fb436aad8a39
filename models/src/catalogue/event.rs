//! Models of `primitives/event.rs`.

use crate::scene::{Notes, OBJECT, Scene};
use crate::world::{Bounds, Faults, Model, World};
use crate::{verify, verify_eq};
use selvedge::primitives::undertaker::{Dead, Repair};
use selvedge::primitives::{RawEvent, ThreadSlot};
use selvedge::sync::{Cell, Deadline};
use std::sync::Arc;

pub(super) const MODELS: &[Model] = &[
    Model {
        name: "event/set_releases_all_who_wait",
        properties: "G1 G2",
        client: "1 process writes and sets, 2 wait and read",
        build: |world| waiters(world, 2),
        faults: Faults { lifo: true, no_wake_edge: true, spurious: true, ..Faults::NONE },
        bounds: Bounds { plain: Some(1), faulty: Some(0) },
    },
    Model {
        name: "event/reset_takes_back_nothing",
        properties: "G2",
        client: "1 process waits; 1 × (set, reset) if somebody waits, else set",
        build: set_and_reset,
        faults: Faults { spurious: true, ..Faults::NONE },
        bounds: Bounds { plain: Some(4), faulty: Some(2) },
    },
    Model {
        name: "event/two_set_one_resets",
        properties: "G1 G2",
        client: "2 processes × set, 1 × reset, then set again; each call tells what it changed",
        build: two_set,
        faults: Faults::NONE,
        bounds: Bounds { plain: Some(3), faulty: None },
    },
    Model {
        name: "event/who_sees_it_set_sees_why",
        properties: "G1",
        client: "1 process × set, 1 looks whether it is",
        build: polled,
        faults: Faults::NONE,
        bounds: Bounds { plain: None, faulty: None },
    },
    Model {
        name: "event/setter_dies_waiters_are_woken",
        properties: "F1 G2 G4",
        client: "1 process writes and sets, killed anywhere, the undertaker too, which sets it for the dead; 1 waits",
        build: |world| waiters(world, 1),
        faults: Faults { victims: &[0], second_death: true, ..Faults::NONE },
        bounds: Bounds { plain: Some(1), faulty: Some(0) },
    },
    Model {
        name: "event/setter_dies_all_waiters_are_woken",
        properties: "F1 G2 G4",
        client: "1 process writes and sets, killed anywhere; the undertaker sets it for the dead; 2 wait",
        build: |world| waiters(world, 2),
        faults: Faults { victims: &[0], ..Faults::NONE },
        bounds: Bounds { plain: Some(1), faulty: Some(0) },
    },
    Model {
        name: "event/waiter_dies_others_are_released",
        properties: "G2 G4",
        client: "1 process writes and sets, 2 wait, one of them killed",
        build: |world| waiters(world, 2),
        faults: Faults { victims: &[1], ..Faults::NONE },
        bounds: Bounds { plain: Some(1), faulty: Some(0) },
    },
    Model {
        name: "event/timed_wait_leaves_no_trace",
        properties: "G3",
        client: "1 process writes and sets, 1 waits for some time, 1 as long as it takes",
        build: timed,
        faults: Faults { timeouts: true, ..Faults::NONE },
        bounds: Bounds { plain: Some(1), faulty: Some(1) },
    },
    Model {
        name: "event/set_and_reset_end_alone",
        properties: "G3 G6",
        client: "1 process × (set, reset, set), frozen anywhere, 1 × (reset, 3 × set)",
        build: alone,
        faults: Faults { frozen: &[0], solo_steps: 40, ..Faults::NONE },
        bounds: Bounds { plain: Some(3), faulty: Some(3) },
    },
];

/// Who sets the event, where one lane does.
const SETTER: ThreadSlot = ThreadSlot(0);

/// An event, and what was written before it was set.
struct News {
    event: RawEvent,
    data: Cell<u32>,
}

impl News {
    fn new() -> Self {
        Self { event: RawEvent::new(false), data: Cell::new(0) }
    }

    fn publish(&self) {
        // SAFETY: nobody reads it before the event is set, as the engine checks.
        self.data.with_mut(|data| unsafe { *data = 7 });
        self.event.set();
    }

    fn read(&self) -> u32 {
        // SAFETY: it was written before the event was set.
        self.data.with(|data| unsafe { *data })
    }
}

impl Repair for News {
    fn bury(&self, dead: &Dead<'_>) {
        self.event.bury(dead);
        if dead.includes(SETTER) {
            // On its behalf, if it died before it could; without data.
            self.event.set();
        }
    }

    fn wake_all(&self) {
        self.event.wake_all();
    }
}

fn waiters(world: &mut World, count: usize) {
    let scene = Scene::in_world(world, 1 + count, News::new());
    let written = Arc::new(Notes::<bool>::default());
    let (setter, by_setter) = (Arc::clone(&scene), Arc::clone(&written));
    world.thread("setter", move || {
        setter.object.publish();
        *by_setter.lock() = true;
    });
    for lane in 1..=count {
        let scene = Arc::clone(&scene);
        world.thread(["", "one", "other"][lane], move || {
            verify_eq!(scene.object.event.wait(&scene.caller(lane), OBJECT, None), Ok(()));
            // 0 if the setter died before it wrote.
            verify!([0, 7].contains(&scene.object.read()));
        });
    }
    world.finally(move || {
        verify!(scene.object.event.is_set());
        if *written.lock() {
            verify_eq!(scene.object.read(), 7);
        }
    });
}

fn polled(world: &mut World) {
    let scene = Scene::in_world(world, 2, News::new());
    let setter = Arc::clone(&scene);
    world.thread("setter", move || setter.object.publish());
    world.thread("looks", move || verify!(!scene.object.event.is_set() || scene.object.read() == 7));
}

fn set_and_reset(world: &mut World) {
    let scene = Scene::in_world(world, 2, News::new());
    let setter = Arc::clone(&scene);
    world.thread("setter", move || {
        let waits = setter.object.event.has_waiters();
        setter.object.publish();
        if waits {
            verify!(setter.object.event.reset());
        }
    });
    world.thread("waiter", move || {
        verify_eq!(scene.object.event.wait(&scene.caller(1), OBJECT, None), Ok(()));
        verify_eq!(scene.object.read(), 7);
    });
}

fn two_set(world: &mut World) {
    let scene = Scene::in_world(world, 3, News::new());
    let changes = Arc::new(Notes::<Vec<bool>>::default());
    for lane in 0..2 {
        let (scene, changes) = (Arc::clone(&scene), Arc::clone(&changes));
        world.thread(["one", "other"][lane], move || {
            let changed = scene.object.event.set();
            changes.lock().push(changed);
        });
    }
    let (last, resets) = (Arc::clone(&scene), Arc::new(Notes::<bool>::default()));
    let by_last = Arc::clone(&resets);
    world.thread("resetter", move || {
        let changed = last.object.event.reset();
        *by_last.lock() = changed;
    });
    world.finally(move || {
        let sets = changes.lock().iter().filter(|changed| **changed).count();
        let resets = usize::from(*resets.lock());
        // Sets and resets that change something take turns.
        verify_eq!(sets - resets, usize::from(scene.object.event.is_set()));
    });
}

fn timed(world: &mut World) {
    let scene = Scene::in_world(world, 3, News::new());
    let setter = Arc::clone(&scene);
    world.thread("setter", move || setter.object.publish());
    let patient = Arc::clone(&scene);
    world.thread("patient", move || {
        verify_eq!(patient.object.event.wait(&patient.caller(1), OBJECT, None), Ok(()));
        verify_eq!(patient.object.read(), 7);
    });
    world.thread("impatient", move || {
        let deadline = Some(Deadline::at_monotonic_ns(1));
        if scene.object.event.wait(&scene.caller(2), OBJECT, deadline).is_ok() {
            verify_eq!(scene.object.read(), 7);
        }
    });
}

fn alone(world: &mut World) {
    let scene = Scene::new(2, News::new());
    let frozen = Arc::clone(&scene);
    world.thread("frozen", move || {
        frozen.object.event.set();
        frozen.object.event.reset();
        frozen.object.event.set();
    });
    world.thread("other", move || {
        let event = &scene.object.event;
        event.reset();
        event.set();
        // The other one resets it once at most.
        let changed = [event.set(), event.set()];
        verify!(changed != [true, true], "nobody has reset it so often");
    });
}

//! Models of `primitives/gate.rs`.

use crate::last_resort::{END, told};
use crate::scene::{OBJECT, Scene};
use crate::world::{Bounds, Faults, Model, World};
use crate::{verify, verify_eq};
use selvedge::primitives::channel::ChannelError;
use selvedge::primitives::gate::{RawGate, Waits};
use selvedge::primitives::undertaker::{Dead, Repair};
use selvedge::sync::{AtomicU32, Deadline, Ordering};
use std::sync::Arc;

pub(super) const MODELS: &[Model] = &[
    Model {
        name: "gate/one_signals_one_waits",
        properties: "G2",
        client: "1 process brings an item, 1 waits for one",
        build: |world| clients(world, &[1], 1),
        faults: Faults { lifo: true, no_wake_edge: true, spurious: true, ..Faults::NONE },
        bounds: Bounds { plain: Some(3), faulty: Some(2) },
    },
    Model {
        name: "gate/two_items_two_wait",
        properties: "G2",
        client: "1 process brings 2 items, 2 wait for one",
        build: |world| clients(world, &[2], 2),
        faults: Faults { lifo: true, ..Faults::NONE },
        bounds: Bounds { plain: Some(1), faulty: None },
    },
    Model {
        name: "gate/two_signal_two_wait",
        properties: "G2",
        client: "2 processes bring an item each, 2 wait for one",
        build: |world| clients(world, &[1, 1], 2),
        faults: Faults { lifo: true, ..Faults::NONE },
        bounds: Bounds { plain: Some(1), faulty: None },
    },
    Model {
        name: "gate/three_items_three_wait",
        properties: "G2",
        client: "1 process brings 3 items, 3 wait for one",
        build: |world| clients(world, &[3], 3),
        faults: Faults { lifo: true, ..Faults::NONE },
        bounds: Bounds { plain: Some(0), faulty: None },
    },
    Model {
        name: "gate/each_waits_for_its_own",
        properties: "G2",
        client: "2 processes wait for something of their own, 1 brings the one's, then the other's",
        build: |world| apart(world, [Waits::Apart; 2]),
        faults: Faults { lifo: true, spurious: true, ..Faults::NONE },
        bounds: Bounds { plain: Some(1), faulty: Some(0) },
    },
    Model {
        name: "gate/one_waits_apart",
        properties: "G2",
        client: "1 process waits for something of its own, 1 beside it for the same as others, 1 brings what the one needs, then the other",
        build: |world| apart(world, [Waits::Apart, Waits::Alike]),
        faults: Faults { lifo: true, ..Faults::NONE },
        bounds: Bounds { plain: Some(1), faulty: Some(0) },
    },
    Model {
        name: "gate/who_waits_apart_costs_nobody_a_wake",
        properties: "G2",
        client: "1 process brings what 1 waits for, 1 waits apart, in vain",
        build: one_in_vain,
        faults: Faults { lifo: true, spurious: true, ..Faults::NONE },
        bounds: Bounds { plain: Some(2), faulty: Some(1) },
    },
    Model {
        name: "gate/signaller_dies",
        properties: "F1 G2 G4",
        client: "1 process brings an item, killed, the undertaker too, 1 brings one, 1 waits for one",
        build: |world| clients(world, &[1, 1], 1),
        faults: Faults { victims: &[0], second_death: true, ..Faults::NONE },
        bounds: Bounds { plain: Some(1), faulty: Some(0) },
    },
    Model {
        name: "gate/signaller_dies_item_is_found",
        properties: "F1 G2 G4",
        client: "1 process brings the only item, killed, the undertaker too, who bring it if it did not; 1 waits for it",
        build: the_only_one,
        faults: Faults { victims: &[0], second_death: true, ..Faults::NONE },
        bounds: Bounds { plain: Some(1), faulty: Some(0) },
    },
    Model {
        name: "gate/signaller_of_all_dies",
        properties: "F1 G2 G4",
        client: "1 process opens a door and signals all, killed, the undertaker opens it if it did not; 2 wait for it",
        build: a_door,
        faults: Faults { victims: &[0], ..Faults::NONE },
        bounds: Bounds { plain: Some(1), faulty: Some(0) },
    },
    Model {
        name: "gate/woken_one_dies",
        properties: "G2 G4",
        client: "1 process brings 2 items, 2 wait for one, one of them killed",
        build: |world| clients(world, &[2], 2),
        faults: Faults { victims: &[1], ..Faults::NONE },
        bounds: Bounds { plain: Some(1), faulty: Some(0) },
    },
    Model {
        name: "gate/timed_wait_leaves_no_trace",
        properties: "G3 G2",
        client: "1 process brings an item, 1 waits for one, 1 waits for one for some time",
        build: timed,
        faults: Faults { timeouts: true, lifo: true, ..Faults::NONE },
        bounds: Bounds { plain: Some(1), faulty: Some(1) },
    },
];

/// Items are a number; who waits takes one. Of the only item, 1 says that it is there, 2 that it was taken.
struct Stock {
    items: AtomicU32,
    only: Option<AtomicU32>,
    gate: RawGate,
}

impl Stock {
    fn new() -> Self {
        Self { items: AtomicU32::new(0), only: None, gate: RawGate::new() }
    }

    fn bring(&self) {
        // Relaxed: the fences of the gate order it.
        self.items.fetch_add(1, Ordering::Relaxed);
        self.gate.signal();
    }

    fn bring_the_only_one(&self) {
        if let Some(only) = &self.only {
            let _ = only.compare_exchange(0, 1, Ordering::Relaxed, Ordering::Relaxed);
        }
    }

    fn take(&self) -> Option<()> {
        if let Some(only) = &self.only {
            return only.compare_exchange(1, 2, Ordering::Relaxed, Ordering::Relaxed).ok().map(drop);
        }
        let mut found = self.items.load(Ordering::Relaxed);
        while found > 0 {
            match self.items.compare_exchange(found, found - 1, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return Some(()),
                Err(newer) => found = newer,
            }
        }
        None
    }

    fn wait(&self, scene: &Scene<Self>, lane: usize, deadline: Option<Deadline>) -> Option<()> {
        let more = || self.items.load(Ordering::Relaxed) > 0;
        self.gate.wait(&scene.caller(lane), OBJECT, deadline, || self.take(), more)
    }
}

impl Repair for Stock {
    fn bury(&self, _dead: &Dead<'_>) {
        self.bring_the_only_one();
        self.gate.change();
    }

    fn wake_all(&self) {
        self.gate.wake_all();
    }
}

const NAMES: [&str; 4] = ["A", "B", "C", "D"];

/// Some bring items, others wait for one each; there are enough for all who are not killed.
fn clients(world: &mut World, bring: &'static [u32], waiting: usize) {
    let scene = Scene::in_world(world, bring.len() + waiting, Stock::new());
    for (lane, name) in NAMES.iter().enumerate().take(bring.len() + waiting) {
        let scene = Arc::clone(&scene);
        world.thread(name, move || match bring.get(lane) {
            Some(items) => (0..*items).for_each(|_| scene.object.bring()),
            None => verify_eq!(scene.object.wait(&scene, lane, None), Some(())),
        });
    }
    let brought: u32 = bring.iter().sum();
    world.finally(move || verify!(scene.object.items.load(Ordering::Relaxed) < brought, "nobody took one"));
}

fn the_only_one(world: &mut World) {
    let scene = Scene::in_world(world, 2, Stock { only: Some(AtomicU32::new(0)), ..Stock::new() });
    let bringer = Arc::clone(&scene);
    world.thread("victim", move || {
        bringer.object.bring_the_only_one();
        bringer.object.gate.signal();
    });
    world.thread("waiter", move || verify_eq!(scene.object.wait(&scene, 1, None), Some(())));
}

/// Of two things one is for each of two who wait.
struct Own {
    things: [AtomicU32; 2],
    gate: RawGate,
}

impl Repair for Own {
    fn bury(&self, _dead: &Dead<'_>) {
        self.gate.change();
    }

    fn wake_all(&self) {
        self.gate.wake_all();
    }
}

/// The second is brought first, by a signal for one.
fn apart(world: &mut World, waits: [Waits; 2]) {
    let own = Own { things: [AtomicU32::new(0), AtomicU32::new(0)], gate: RawGate::new() };
    let scene = Scene::in_world(world, 3, own);
    for (lane, waits) in waits.into_iter().enumerate() {
        let scene = Arc::clone(&scene);
        world.thread(NAMES[lane], move || {
            let Own { things, gate } = &scene.object;
            // Relaxed: the fences of the gate order it.
            let attempt = || match things[lane].load(Ordering::Relaxed) {
                0 => Err(ChannelError::WouldBlock),
                _ => Ok(()),
            };
            let answer = gate.until_as(waits, &scene.caller(lane), OBJECT, None, attempt, || false);
            verify_eq!(answer, Ok(()));
        });
    }
    world.thread(NAMES[2], move || {
        for thing in scene.object.things.iter().rev() {
            // Relaxed: as above.
            thing.store(1, Ordering::Relaxed);
            scene.object.gate.signal();
        }
    });
}

/// What the other waits for is brought, and nothing for who waits apart.
fn one_in_vain(world: &mut World) {
    let own = Own { things: [AtomicU32::new(0), AtomicU32::new(0)], gate: RawGate::new() };
    let scene = Scene::in_world(world, 3, own);
    for (lane, waits) in [(1, Waits::Alike), (0, Waits::Apart)] {
        let scene = Arc::clone(&scene);
        world.thread(["apart", "beside others"][lane], move || {
            let Own { things, gate } = &scene.object;
            // Relaxed: the fences of the gate order it.
            let attempt = || match things[lane].load(Ordering::Relaxed) {
                0 => Err(ChannelError::WouldBlock),
                _ => Ok(()),
            };
            let wait = |deadline| gate.until_as(waits, &scene.caller(lane), OBJECT, deadline, attempt, || false);
            match waits {
                Waits::Alike => verify_eq!(wait(None), Ok(())),
                Waits::Apart => verify_eq!(told(|| wait(END)), Err(ChannelError::TimedOut)),
            }
        });
    }
    world.thread("brings it", move || {
        // Relaxed: as above.
        scene.object.things[1].store(1, Ordering::Relaxed);
        scene.object.gate.signal();
    });
}

/// What serves one who waits serves all: a door that is open stays open.
struct Door {
    open: AtomicU32,
    gate: RawGate,
}

impl Repair for Door {
    fn bury(&self, _dead: &Dead<'_>) {
        self.open.store(1, Ordering::Relaxed);
        self.gate.change();
    }

    fn wake_all(&self) {
        self.gate.wake_all();
    }
}

fn a_door(world: &mut World) {
    let scene = Scene::in_world(world, 3, Door { open: AtomicU32::new(0), gate: RawGate::new() });
    let opener = Arc::clone(&scene);
    world.thread("victim", move || {
        // Relaxed: the fences of the gate order it.
        opener.object.open.store(1, Ordering::Relaxed);
        opener.object.gate.signal_all();
    });
    for (lane, name) in [(1, "one"), (2, "other")] {
        let scene = Arc::clone(&scene);
        world.thread(name, move || {
            let door = &scene.object;
            let open = || (door.open.load(Ordering::Relaxed) == 1).then_some(());
            verify_eq!(door.gate.wait(&scene.caller(lane), OBJECT, None, open, || false), Some(()));
        });
    }
}

fn timed(world: &mut World) {
    let scene = Scene::in_world(world, 3, Stock::new());
    let bringer = Arc::clone(&scene);
    world.thread("bringer", move || bringer.object.bring());
    for (lane, name) in [(1, "timed"), (2, "patient")] {
        let scene = Arc::clone(&scene);
        world.thread(name, move || {
            let deadline = (lane == 1).then(|| Deadline::at_monotonic_ns(1));
            match scene.object.wait(&scene, lane, deadline) {
                // Brought back, for who waits as long as it takes.
                Some(()) => scene.object.bring(),
                None => verify_eq!(lane, 1),
            }
        });
    }
    world.finally(move || verify_eq!(scene.object.items.load(Ordering::Relaxed), 1));
}

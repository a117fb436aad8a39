//! Models of `primitives/pool.rs`.

use crate::scene::{OBJECT, Scene};
use crate::world::{Bounds, Faults, Model, World};
use crate::{verify, verify_eq};
use selvedge::primitives::RawPool;
use selvedge::primitives::pool::Pool;
use selvedge::primitives::undertaker::{Dead, Repair};
use selvedge::sync::{AtomicU64, Cell};
use std::sync::Arc;

pub(super) const MODELS: &[Model] = &[
    Model {
        name: "pool/two_share_one_buffer",
        properties: "G1 G2",
        client: "2 processes × (take, write, give back), 1 buffer",
        build: |world| sharers(world, 2, 1),
        faults: Faults { lifo: true, no_wake_edge: true, spurious: true, ..Faults::NONE },
        bounds: Bounds { plain: Some(2), faulty: Some(1) },
    },
    Model {
        name: "pool/three_share_two_buffers",
        properties: "G1 G2",
        client: "3 processes × (take, write, give back), 2 buffers",
        build: |world| sharers(world, 3, 2),
        faults: Faults { lifo: true, ..Faults::NONE },
        bounds: Bounds { plain: Some(1), faulty: None },
    },
    Model {
        name: "pool/there_always_is_a_free_one",
        properties: "G1",
        client: "1 process × (take, give back, take), 1 × try_take, 2 buffers: it cannot find none",
        build: one_is_free,
        faults: Faults::NONE,
        bounds: Bounds { plain: None, faulty: None },
    },
    Model {
        name: "pool/owner_dies_buffer_comes_home",
        properties: "F1 G1 G2 G4",
        client: "2 processes × (take, write, give back), 1 buffer, one of them killed, the undertaker too",
        build: |world| sharers(world, 2, 1),
        faults: Faults { victims: &[0], second_death: true, ..Faults::NONE },
        bounds: Bounds { plain: Some(1), faulty: Some(0) },
    },
    Model {
        name: "pool/thread_ends_with_a_buffer",
        properties: "F1 G1 G2",
        client: "1 thread × (take, write, regular end), killed anywhere, 1 process × (take, write, give back), 1 buffer",
        build: ends_with_a_buffer,
        faults: Faults { victims: &[0], ..Faults::NONE },
        bounds: Bounds { plain: Some(1), faulty: Some(0) },
    },
    Model {
        name: "pool/operations_end_alone",
        properties: "G3 G6",
        client: "1 process × (take, give back), frozen anywhere, 1 × (try_take, give back), 1 buffer",
        build: alone,
        faults: Faults { frozen: &[0], solo_steps: 40, ..Faults::NONE },
        bounds: Bounds { plain: Some(2), faulty: Some(2) },
    },
];

/// A pool, its buffers, and what is in them.
struct Store {
    control: RawPool,
    words: Vec<AtomicU64>,
    content: Vec<Cell<u32>>,
}

impl Store {
    fn new(buffers: usize) -> Self {
        Self {
            control: RawPool::new(),
            words: (0..buffers).map(|_| RawPool::buffer()).collect(),
            content: (0..buffers).map(|_| Cell::new(0)).collect(),
        }
    }

    fn pool(&self) -> Pool<'_> {
        self.control.with(&self.words)
    }

    fn write(&self, index: usize) {
        // SAFETY: the caller has the buffer; the engine reports it if somebody else has it, too.
        self.content[index].with_mut(|content| unsafe { *content += 1 });
    }
}

impl Repair for Store {
    fn bury(&self, dead: &Dead<'_>) {
        self.pool().bury(dead);
    }

    fn wake_all(&self) {
        self.pool().wake_all();
    }
}

fn sharers(world: &mut World, lanes: usize, buffers: usize) {
    let scene = Scene::in_world(world, lanes, Store::new(buffers));
    for (lane, name) in ["A", "B", "C"].into_iter().enumerate().take(lanes) {
        let scene = Arc::clone(&scene);
        world.thread(name, move || {
            let pool = scene.object.pool();
            let index = pool.take(&scene.caller(lane), OBJECT, None).expect("a take without deadline");
            verify_eq!(pool.owner(index), Some(scene.slot(lane)));
            scene.object.write(index);
            pool.give_back(index);
        });
    }
    world.finally(move || verify_eq!(scene.object.pool().in_use(), 0, "a buffer was lost"));
}

/// One process has one buffer at most, now this one, now that one.
fn one_is_free(world: &mut World) {
    let scene = Scene::in_world(world, 2, Store::new(2));
    let first = scene.object.pool().try_take(scene.slot(0));
    verify_eq!(first, Some(0));
    let other = Arc::clone(&scene);
    world.thread("changes", move || {
        let pool = other.object.pool();
        pool.give_back(0);
        verify!(pool.try_take(other.slot(0)).is_some(), "the other has one at most");
    });
    world.thread("takes", move || {
        verify!(scene.object.pool().try_take(scene.slot(1)).is_some(), "there always is a free one");
    });
}

fn alone(world: &mut World) {
    let scene = Scene::in_world(world, 2, Store::new(1));
    let holder = Arc::clone(&scene);
    world.thread("frozen", move || {
        let pool = holder.object.pool();
        let index = pool.take(&holder.caller(0), OBJECT, None).expect("a take without deadline");
        holder.object.write(index);
        pool.give_back(index);
    });
    world.thread("alone", move || {
        let pool = scene.object.pool();
        let taken = pool.try_take(scene.slot(1));
        if let Some(index) = taken {
            scene.object.write(index);
            pool.give_back(index);
        }
        verify!(taken.is_none_or(|index| index == 0));
    });
}

/// A thread that ends frees its buffer in its own name, and nobody else's fence comes before that.
fn ends_with_a_buffer(world: &mut World) {
    let scene = Scene::in_world(world, 2, Store::new(1));
    let ending = Arc::clone(&scene);
    world.thread("ends", move || {
        let index = ending.object.pool().take(&ending.caller(0), OBJECT, None).expect("a take without deadline");
        ending.object.write(index);
        ending.end_of_thread(0);
    });
    let other = Arc::clone(&scene);
    world.thread("takes", move || {
        let pool = other.object.pool();
        let index = pool.take(&other.caller(1), OBJECT, None).expect("a take without deadline");
        other.object.write(index);
        pool.give_back(index);
    });
    world.finally(move || verify_eq!(scene.object.pool().in_use(), 0, "a buffer was lost"));
}

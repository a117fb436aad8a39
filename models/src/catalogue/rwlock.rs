//! Models of `primitives/rwlock.rs`.

use crate::scene::{OBJECT, Scene};
use crate::world::{Bounds, Faults, Model, World};
use crate::{verify, verify_eq};
use selvedge::primitives::RawRwLock;
use selvedge::primitives::mutex::Leaves;
use selvedge::primitives::rwlock::{Granted, RwLock, RwLockError};
use selvedge::primitives::undertaker::{Dead, Repair};
use selvedge::sync::{AtomicU32, Cell, Deadline, Ordering};
use std::sync::Arc;

pub(super) const MODELS: &[Model] = &[
    Model {
        name: "rwlock/reader_and_writer",
        properties: "G1 G2",
        client: "1 process × read, 1 × write",
        build: |world| clients(world, &[READ, WRITE]),
        faults: Faults { lifo: true, no_wake_edge: true, spurious: true, ..Faults::NONE },
        bounds: Bounds { plain: Some(2), faulty: Some(1) },
    },
    Model {
        name: "rwlock/two_writers",
        properties: "G1 G2",
        client: "2 processes × write",
        build: |world| clients(world, &[WRITE, WRITE]),
        faults: Faults { lifo: true, spurious: true, ..Faults::NONE },
        bounds: Bounds { plain: Some(2), faulty: Some(1) },
    },
    Model {
        name: "rwlock/two_readers_and_a_writer",
        properties: "G1 G2 R2",
        client: "2 processes × read, 1 × write",
        build: |world| clients(world, &[READ, READ, WRITE]),
        faults: Faults { lifo: true, ..Faults::NONE },
        bounds: Bounds { plain: Some(1), faulty: None },
    },
    Model {
        name: "rwlock/reader_and_two_writers",
        properties: "G1 G2",
        client: "1 process × read, 2 × write",
        build: |world| clients(world, &[READ, WRITE, WRITE]),
        faults: Faults { lifo: true, ..Faults::NONE },
        bounds: Bounds { plain: Some(1), faulty: None },
    },
    Model {
        name: "rwlock/reader_comes_back",
        properties: "G1 G2",
        client: "1 process × read, read again, 1 × write",
        build: |world| clients(world, &[&[Act::Read, Act::Read], WRITE]),
        faults: Faults::NONE,
        bounds: Bounds { plain: Some(1), faulty: None },
    },
    Model {
        name: "rwlock/waiting_writer_keeps_readers_out",
        properties: "R2 G2",
        client: "1 process reads; while a writer waits for it, another reader is refused and it reads once more itself",
        build: preference,
        faults: Faults::NONE,
        bounds: Bounds { plain: Some(2), faulty: None },
    },
    Model {
        name: "rwlock/reader_dies_writer_goes_on",
        properties: "R1 F1 G1 G2 G4",
        client: "1 process × read, killed, 1 × write",
        build: |world| clients(world, &[READ, WRITE]),
        faults: Faults { victims: &[0], ..Faults::NONE },
        bounds: Bounds { plain: Some(1), faulty: Some(0) },
    },
    Model {
        name: "rwlock/reader_dies_and_an_undertaker",
        properties: "R1 F1 G1 G2 G4",
        client: "1 process × read, killed, the undertaker too, 1 × write",
        build: |world| clients(world, &[READ, WRITE]),
        faults: Faults { victims: &[0], second_death: true, ..Faults::NONE },
        bounds: Bounds { plain: Some(1), faulty: Some(0) },
    },
    Model {
        name: "rwlock/writer_dies_reader_is_told",
        properties: "F1 G1 G2 G4",
        client: "1 process × write, killed, 1 × read",
        build: |world| clients(world, &[WRITE, READ]),
        faults: Faults { victims: &[0], ..Faults::NONE },
        bounds: Bounds { plain: Some(1), faulty: Some(0) },
    },
    Model {
        name: "rwlock/writer_dies_and_an_undertaker",
        properties: "F1 G1 G2 G4",
        client: "1 process × write, killed, the undertaker too, 1 × read",
        build: |world| clients(world, &[WRITE, READ]),
        faults: Faults { victims: &[0], second_death: true, ..Faults::NONE },
        bounds: Bounds { plain: Some(1), faulty: Some(0) },
    },
    Model {
        name: "rwlock/writer_dies_writer_is_told",
        properties: "F1 G1 G2 G4",
        client: "1 process × write, killed, 1 × write, which declares the data consistent",
        build: |world| clients(world, &[WRITE, WRITE]),
        faults: Faults { victims: &[0], ..Faults::NONE },
        bounds: Bounds { plain: Some(1), faulty: Some(0) },
    },
    Model {
        name: "rwlock/reader_that_stands_in_dies_too",
        properties: "G1 G2 G4",
        client: "1 process × write and 1 × read, both killed, 1 × read",
        build: |world| clients(world, &[WRITE, READ, READ]),
        faults: Faults { pairs: &[(0, 1)], ..Faults::NONE },
        bounds: Bounds { plain: Some(1), faulty: Some(0) },
    },
    Model {
        name: "rwlock/one_of_two_readers_dies",
        properties: "R1 G1 G2 G4",
        client: "2 processes × read, one of them killed, 1 × write",
        build: |world| clients(world, &[READ, READ, WRITE]),
        faults: Faults { victims: &[0], ..Faults::NONE },
        bounds: Bounds { plain: Some(1), faulty: Some(0) },
    },
    Model {
        name: "rwlock/thread_ends_reading",
        properties: "R1 G1 G2",
        client: "1 thread × read, regular end, killed anywhere, 1 process × write",
        build: ends_reading,
        faults: Faults { victims: &[0], ..Faults::NONE },
        bounds: Bounds { plain: Some(2), faulty: Some(0) },
    },
    Model {
        name: "rwlock/timed_calls_leave_no_trace",
        properties: "G3 G1",
        client: "1 process × write, 1 × timed read, 1 × timed write",
        build: timed,
        faults: Faults { timeouts: true, ..Faults::NONE },
        bounds: Bounds { plain: Some(1), faulty: Some(0) },
    },
    Model {
        name: "rwlock/try_operations_end_alone",
        properties: "G3 G6 G1",
        client: "1 process × write, then read, frozen anywhere, 1 × (try_read, try_write)",
        build: alone,
        faults: Faults { frozen: &[0], solo_steps: 80, ..Faults::NONE },
        bounds: Bounds { plain: Some(1), faulty: Some(1) },
    },
];

/// What a lane does.
#[derive(Clone, Copy)]
enum Act {
    Read,
    Write,
}

const READ: &[Act] = &[Act::Read];
const WRITE: &[Act] = &[Act::Write];

/// A lock with its places, and two cells that are equal whenever nobody is in the middle of writing them.
struct Guarded {
    control: RawRwLock,
    places: Vec<AtomicU32>,
    data: [Cell<u32>; 2],
}

impl Guarded {
    fn new(lanes: usize) -> Self {
        let places = (0..lanes).map(|_| RawRwLock::place()).collect();
        Self { control: RawRwLock::new(), places, data: [Cell::new(0), Cell::new(0)] }
    }

    fn lock(&self) -> RwLock<'_> {
        self.control.with(&self.places)
    }

    fn values(&self) -> [u32; 2] {
        // SAFETY: the caller reads or writes; the engine reports it if that does not keep writers out.
        self.data.each_ref().map(|cell| cell.with(|value| unsafe { *value }))
    }

    fn check(&self, how: Granted) {
        let [one, other] = self.values();
        verify!(one == other || how == Granted::Inconsistent, "torn, and nobody was told");
    }

    fn write(&self) {
        let [one, other] = self.values();
        let next = one.max(other) + 1;
        for cell in &self.data {
            // SAFETY: the caller writes; the engine reports it if that excludes nobody.
            cell.with_mut(|value| unsafe { *value = next });
        }
    }
}

impl Repair for Guarded {
    fn bury(&self, dead: &Dead<'_>) {
        self.lock().bury(dead);
    }

    fn wake_all(&self) {
        self.lock().wake_all();
    }
}

fn do_all(scene: &Scene<Guarded>, lane: usize, acts: &[Act]) {
    let (lock, caller, slot) = (scene.object.lock(), scene.caller(lane), scene.slot(lane));
    for act in acts {
        match act {
            Act::Read => {
                scene.object.check(lock.read(&caller, OBJECT, None).expect("a read without deadline"));
                lock.stop_reading(slot);
            }
            Act::Write => {
                scene.object.check(lock.write(&caller, OBJECT, None).expect("a write without deadline"));
                scene.object.write();
                lock.stop_writing(Leaves::Consistent);
            }
        }
    }
}

/// What holds when all have ended, the dead included.
fn all_is_free(scene: &Scene<Guarded>) {
    let (lock, slot) = (scene.object.lock(), scene.slot(0));
    verify_eq!(lock.readers(), 0, "a reader that is gone counts");
    verify!(lock.try_read(slot).is_ok(), "nobody is there, and readers are kept out");
    lock.stop_reading(slot);
    let how = lock.try_write(slot);
    verify!(how.is_ok(), "nobody is there, and it is not free: {how:?}");
    scene.object.check(how.unwrap_or(Granted::Consistent));
    lock.stop_writing(Leaves::Consistent);
    verify_eq!(lock.try_read(slot), Ok(Granted::Consistent));
}

fn clients(world: &mut World, lanes: &'static [&'static [Act]]) {
    let scene = Scene::in_world(world, lanes.len(), Guarded::new(lanes.len()));
    for (lane, acts) in lanes.iter().enumerate() {
        let scene = Arc::clone(&scene);
        world.thread(["A", "B", "C"][lane], move || do_all(&scene, lane, acts));
    }
    world.finally(move || all_is_free(&scene));
}

/// A thread that ends leaves its place in its own name, and nobody else's fence comes before that.
fn ends_reading(world: &mut World) {
    let scene = Scene::in_world(world, 2, Guarded::new(2));
    let ending = Arc::clone(&scene);
    world.thread("ends", move || {
        let how = ending.object.lock().read(&ending.caller(0), OBJECT, None).expect("a read without deadline");
        ending.object.check(how);
        ending.end_of_thread(0);
    });
    let writer = Arc::clone(&scene);
    world.thread("writer", move || do_all(&writer, 1, WRITE));
    world.finally(move || all_is_free(&scene));
}

/// Bit of a place: a writer waits until it is left.
const WAITED: u32 = 1 << 31;

fn preference(world: &mut World) {
    let scene = Scene::in_world(world, 3, Guarded::new(3));
    verify_eq!(scene.object.lock().try_read(scene.slot(0)), Ok(Granted::Consistent));
    let reader = Arc::clone(&scene);
    world.thread("reader", move || {
        let lock = reader.object.lock();
        if reader.object.places[0].load(Ordering::Acquire) & WAITED != 0 {
            verify_eq!(lock.try_read(reader.slot(2)), Err(RwLockError::WouldBlock), "a reader came in between");
        }
        verify_eq!(lock.read(&reader.caller(0), OBJECT, None), Ok(Granted::Consistent));
        lock.stop_reading(reader.slot(0));
        reader.object.check(Granted::Consistent);
        lock.stop_reading(reader.slot(0));
    });
    let writer = Arc::clone(&scene);
    world.thread("writer", move || do_all(&writer, 1, WRITE));
    world.finally(move || all_is_free(&scene));
}

fn timed(world: &mut World) {
    let scene = Scene::in_world(world, 3, Guarded::new(3));
    let patient = Arc::clone(&scene);
    world.thread("patient", move || do_all(&patient, 0, WRITE));
    for (lane, name) in [(1, "timed reader"), (2, "timed writer")] {
        let scene = Arc::clone(&scene);
        world.thread(name, move || {
            let (lock, caller, slot) = (scene.object.lock(), scene.caller(lane), scene.slot(lane));
            let deadline = Some(Deadline::at_monotonic_ns(1));
            let answer =
                if lane == 1 { lock.read(&caller, OBJECT, deadline) } else { lock.write(&caller, OBJECT, deadline) };
            match answer {
                Ok(how) => {
                    scene.object.check(how);
                    if lane == 1 {
                        lock.stop_reading(slot);
                    } else {
                        scene.object.write();
                        lock.stop_writing(Leaves::Consistent);
                    }
                }
                Err(error) => verify_eq!(error, RwLockError::TimedOut),
            }
        });
    }
    world.finally(move || all_is_free(&scene));
}

fn alone(world: &mut World) {
    let scene = Scene::in_world(world, 2, Guarded::new(2));
    let frozen = Arc::clone(&scene);
    world.thread("frozen", move || do_all(&frozen, 0, &[Act::Write, Act::Read]));
    world.thread("alone", move || {
        let (lock, slot) = (scene.object.lock(), scene.slot(1));
        match lock.try_read(slot) {
            Ok(how) => {
                scene.object.check(how);
                lock.stop_reading(slot);
            }
            Err(error) => verify_eq!(error, RwLockError::WouldBlock),
        }
        match lock.try_write(slot) {
            Ok(how) => {
                scene.object.check(how);
                scene.object.write();
                lock.stop_writing(Leaves::Consistent);
            }
            Err(error) => verify_eq!(error, RwLockError::WouldBlock),
        }
    });
}

//! Models of `primitives/owned_semaphore.rs`.

use crate::scene::{OBJECT, Scene};
use crate::world::{Bounds, Faults, Model, World};
use crate::{verify, verify_eq};
use selvedge::primitives::RawOwnedSemaphore;
use selvedge::primitives::owned_semaphore::{AcquireError, OwnedSemaphore};
use selvedge::primitives::undertaker::{Dead, Repair};
use selvedge::sync::{AtomicU32, AtomicU64, Cell, Deadline, Ordering};
use std::sync::Arc;

pub(super) const MODELS: &[Model] = &[
    Model {
        name: "owned_semaphore/two_share_one_permit",
        properties: "S1 S2 G1 G2",
        client: "2 processes × (acquire, release), 1 permit",
        build: |world| sharers(world, 2, 1, 1),
        faults: Faults { lifo: true, no_wake_edge: true, spurious: true, ..Faults::NONE },
        bounds: Bounds { plain: Some(2), faulty: Some(1) },
    },
    Model {
        name: "owned_semaphore/two_share_one_permit_twice",
        properties: "S1 S2 G1 G2",
        client: "2 processes × 2 × (acquire, release), 1 permit",
        build: |world| sharers(world, 2, 1, 2),
        faults: Faults::NONE,
        bounds: Bounds { plain: Some(1), faulty: None },
    },
    Model {
        name: "owned_semaphore/three_share_two_permits",
        properties: "S1 G2",
        client: "3 processes × (acquire, release), 2 permits",
        build: |world| sharers(world, 3, 2, 1),
        faults: Faults { lifo: true, ..Faults::NONE },
        bounds: Bounds { plain: Some(0), faulty: None },
    },
    Model {
        name: "owned_semaphore/four_share_one_permit",
        properties: "S1 S2 S4 G2",
        client: "4 processes × (acquire, release), 1 permit",
        build: |world| sharers(world, 4, 1, 1),
        faults: Faults { lifo: true, ..Faults::NONE },
        bounds: Bounds { plain: Some(0), faulty: None },
    },
    Model {
        name: "owned_semaphore/waiters_of_different_size",
        properties: "S1 S4 G2",
        client: "3 processes × (acquire 2, 2 and 1; release), 2 permits",
        build: |world| demands(world, 2, &[&[2], &[2], &[1]]),
        faults: Faults { lifo: true, ..Faults::NONE },
        bounds: Bounds { plain: Some(0), faulty: None },
    },
    Model {
        name: "owned_semaphore/taken_in_two_parts",
        properties: "S1 S4 G2",
        client: "1 process × (acquire 1, release, acquire 2, release), 1 × (acquire 2, release), 2 permits",
        build: |world| demands(world, 2, &[&[1, 2], &[2]]),
        faults: Faults { spurious: true, ..Faults::NONE },
        bounds: Bounds { plain: Some(1), faulty: Some(0) },
    },
    Model {
        name: "owned_semaphore/holder_dies_permit_comes_home",
        properties: "S3 F1 G1 G2 G4",
        client: "1 process × acquire, killed, the undertaker too, 1 × acquire, 1 permit",
        build: |world| heirs(world, 2, false),
        faults: Faults { victims: &[0], second_death: true, ..Faults::NONE },
        bounds: Bounds { plain: Some(1), faulty: Some(0) },
    },
    Model {
        name: "owned_semaphore/releaser_dies_permit_is_there",
        properties: "S3 F1 G1 G2 G4",
        client: "1 process × (acquire, release), killed, 1 × acquire, 1 permit",
        build: |world| heirs(world, 2, true),
        faults: Faults { victims: &[0], ..Faults::NONE },
        bounds: Bounds { plain: Some(1), faulty: Some(0) },
    },
    Model {
        name: "owned_semaphore/holder_of_several_dies",
        properties: "S3 G2 G4",
        client: "1 process × (acquire 2, release 1, release 1), killed, 1 × (acquire 1, release), 2 permits",
        build: holder_of_several,
        faults: Faults { victims: &[0], ..Faults::NONE },
        bounds: Bounds { plain: Some(1), faulty: Some(0) },
    },
    Model {
        name: "owned_semaphore/two_die_all_comes_home",
        properties: "S3 G2 G4",
        client: "2 processes × acquire, both killed, 1 × (acquire, release), 1 permit",
        build: two_die,
        faults: Faults { pairs: &[(0, 1)], ..Faults::NONE },
        bounds: Bounds { plain: Some(1), faulty: Some(0) },
    },
    Model {
        name: "owned_semaphore/one_of_three_dies_none_is_lost",
        properties: "S3 G2 G4",
        client: "1 process × (acquire, release), killed, 2 × acquire, 2 permits",
        build: |world| heirs(world, 3, true),
        faults: Faults { victims: &[0], ..Faults::NONE },
        bounds: Bounds { plain: Some(0), faulty: Some(0) },
    },
    Model {
        name: "owned_semaphore/holder_of_two_dies_both_are_served",
        properties: "S3 G2 G4",
        client: "1 process that has 2 × release 2, killed, 2 × acquire 1, 2 permits",
        build: both_are_served,
        faults: Faults { victims: &[2], ..Faults::NONE },
        bounds: Bounds { plain: Some(0), faulty: Some(0) },
    },
    Model {
        name: "owned_semaphore/thread_ends_with_a_permit",
        properties: "S3 G2 G4",
        client: "2 processes × acquire, 1 permit, each thread ends and what it has comes home",
        build: ends_with_a_permit,
        faults: Faults { victims: &[0], ..Faults::NONE },
        bounds: Bounds { plain: Some(1), faulty: Some(0) },
    },
    Model {
        name: "owned_semaphore/sequences_wrap",
        properties: "S1 S3",
        client: "1 process × (acquire, release) idle while another does as many operations as there are sequences",
        build: sequences_wrap,
        faults: Faults { victims: &[0], ..Faults::NONE },
        bounds: Bounds { plain: Some(1), faulty: Some(0) },
    },
    Model {
        name: "owned_semaphore/timed_acquire_leaves_no_trace",
        properties: "G3 S1",
        client: "1 process × (acquire, release), 1 × timed acquire, 1 × (acquire, release), 1 permit",
        build: timed,
        faults: Faults { timeouts: true, lifo: true, ..Faults::NONE },
        bounds: Bounds { plain: Some(0), faulty: Some(0) },
    },
    Model {
        name: "owned_semaphore/operations_end_alone",
        properties: "G3 G6 S1",
        client: "1 process × (acquire, release), frozen anywhere, 1 × (try_acquire, release)",
        build: alone,
        faults: Faults { frozen: &[0], solo_steps: 60, ..Faults::NONE },
        bounds: Bounds { plain: Some(1), faulty: Some(1) },
    },
];

const NAMES: [&str; 4] = ["A", "B", "C", "D"];

/// A semaphore with its ledger, how many permits are held, and a cell that whoever holds the only permit may touch.
struct Guarded {
    control: RawOwnedSemaphore,
    ledger: Vec<AtomicU64>,
    /// Bits of a sequence, where they are to wrap.
    narrow: Option<u32>,
    inside: AtomicU32,
    data: Cell<[u32; 2]>,
}

impl Guarded {
    fn new(lanes: usize, permits: u32) -> Self {
        Self {
            control: RawOwnedSemaphore::new(permits),
            ledger: (0..lanes).map(|_| RawOwnedSemaphore::entry()).collect(),
            narrow: None,
            inside: AtomicU32::new(0),
            data: Cell::new([0; 2]),
        }
    }

    fn semaphore(&self) -> OwnedSemaphore<'_> {
        let semaphore = self.control.with(&self.ledger);
        self.narrow.map_or(semaphore, |bits| semaphore.with_sequence_bits(bits))
    }

    /// What is done with `n` permits in hand.
    fn use_up(&self, n: u32, permits: u32) {
        // Relaxed: it counts, and orders nothing.
        let inside = self.inside.fetch_add(n, Ordering::Relaxed) + n;
        verify!(inside <= permits, "more permits are held than there are");
        self.inside.fetch_sub(n, Ordering::Relaxed);
    }

    fn add_one(&self) {
        // SAFETY: the caller holds the only permit; the engine reports it if that excludes nobody.
        self.data.with_mut(|data| unsafe { (*data)[0] += 1 });
        // SAFETY: as above.
        self.data.with_mut(|data| unsafe { (*data)[1] += 1 });
    }
}

impl Repair for Guarded {
    fn bury(&self, dead: &Dead<'_>) {
        self.semaphore().bury(dead);
    }

    fn wake_all(&self) {
        self.semaphore().wake_all();
    }
}

/// What holds when all have ended, the dead included.
fn all_came_home(scene: &Scene<Guarded>) {
    let semaphore = scene.object.semaphore();
    verify_eq!(semaphore.available(), semaphore.permits(), "permits were lost or made");
    for slot in 0..scene.object.ledger.len() {
        verify_eq!(semaphore.held_by(scene.slot(slot)), 0, "somebody has some still");
    }
}

/// Each lane takes one permit and gives it back, so often.
fn sharers(world: &mut World, lanes: usize, permits: u32, times: u32) {
    let scene = Scene::in_world(world, lanes, Guarded::new(lanes, permits));
    for (lane, name) in NAMES.iter().enumerate().take(lanes) {
        let scene = Arc::clone(&scene);
        world.thread(name, move || {
            let semaphore = scene.object.semaphore();
            for _ in 0..times {
                semaphore.acquire(&scene.caller(lane), OBJECT, 1, None).expect("an acquire without deadline");
                if permits == 1 {
                    scene.object.add_one();
                } else {
                    scene.object.use_up(1, permits);
                }
                semaphore.release(scene.slot(lane), 1).expect("it holds one");
            }
        });
    }
    world.finally(move || all_came_home(&scene));
}

/// The first lane takes a permit, and may give it back; each of the others takes one and keeps it. There are enough for those.
fn heirs(world: &mut World, lanes: usize, gives_back: bool) {
    let permits = u32::try_from(lanes).expect("few") - 1;
    let scene = Scene::in_world(world, lanes, Guarded::new(lanes, permits));
    for (lane, name) in ["victim", "A", "B"].into_iter().enumerate().take(lanes) {
        let scene = Arc::clone(&scene);
        world.thread(name, move || {
            let semaphore = scene.object.semaphore();
            // A victim that is not killed and keeps its permit would leave too few.
            let deadline = (lane == 0 || !gives_back).then(|| Deadline::at_monotonic_ns(u64::MAX));
            let taken = semaphore.acquire(&scene.caller(lane), OBJECT, 1, deadline);
            if taken.is_ok() && permits == 1 {
                scene.object.add_one();
            }
            if taken.is_ok() && lane == 0 && gives_back {
                semaphore.release(scene.slot(lane), 1).expect("it holds one");
            }
        });
    }
    world.finally(move || {
        let semaphore = scene.object.semaphore();
        let held: u32 = (0..lanes).map(|lane| semaphore.held_by(scene.slot(lane))).sum();
        verify_eq!(held, permits, "permits were lost or made, or somebody who could have one was not told");
        verify_eq!(semaphore.available(), 0);
    });
}

/// What comes home at once serves all who wait for a part of it.
fn both_are_served(world: &mut World) {
    let scene = Scene::in_world(world, 3, Guarded::new(3, 2));
    scene.object.semaphore().acquire(&scene.caller(2), OBJECT, 2, None).expect("nobody has any");
    for (lane, name) in NAMES.iter().enumerate().take(2) {
        let scene = Arc::clone(&scene);
        world.thread(name, move || {
            let semaphore = scene.object.semaphore();
            semaphore.acquire(&scene.caller(lane), OBJECT, 1, None).expect("an acquire without deadline");
        });
    }
    let victim = Arc::clone(&scene);
    world.thread("victim", move || victim.object.semaphore().release(victim.slot(2), 2).expect("it holds them"));
    world.finally(move || verify_eq!(scene.object.semaphore().available(), 0));
}

/// Each lane takes so many and gives them back, in turn.
fn demands(world: &mut World, permits: u32, lanes: &'static [&'static [u32]]) {
    let scene = Scene::in_world(world, lanes.len(), Guarded::new(lanes.len(), permits));
    for (lane, turns) in lanes.iter().enumerate() {
        let scene = Arc::clone(&scene);
        world.thread(NAMES[lane], move || {
            let semaphore = scene.object.semaphore();
            for n in *turns {
                semaphore.acquire(&scene.caller(lane), OBJECT, *n, None).expect("an acquire without deadline");
                scene.object.use_up(*n, permits);
                semaphore.release(scene.slot(lane), *n).expect("it holds them");
            }
        });
    }
    world.finally(move || all_came_home(&scene));
}

fn holder_of_several(world: &mut World) {
    let scene = Scene::in_world(world, 2, Guarded::new(2, 2));
    let holder = Arc::clone(&scene);
    world.thread("victim", move || {
        let (semaphore, slot) = (holder.object.semaphore(), holder.slot(0));
        semaphore.acquire(&holder.caller(0), OBJECT, 2, None).expect("an acquire without deadline");
        semaphore.release(slot, 1).expect("it holds two");
        semaphore.release(slot, 1).expect("it holds one");
        verify!(semaphore.release(slot, 1).is_err(), "it holds none");
    });
    let other = Arc::clone(&scene);
    world.thread("other", move || {
        let semaphore = other.object.semaphore();
        semaphore.acquire(&other.caller(1), OBJECT, 1, None).expect("an acquire without deadline");
        semaphore.release(other.slot(1), 1).expect("it holds one");
    });
    world.finally(move || all_came_home(&scene));
}

fn two_die(world: &mut World) {
    let scene = Scene::in_world(world, 3, Guarded::new(3, 1));
    for (lane, name) in ["one victim", "other victim", "survivor"].into_iter().enumerate() {
        let scene = Arc::clone(&scene);
        world.thread(name, move || {
            let semaphore = scene.object.semaphore();
            semaphore.acquire(&scene.caller(lane), OBJECT, 1, None).expect("an acquire without deadline");
            verify_eq!(semaphore.held_by(scene.slot(lane)), 1);
            semaphore.release(scene.slot(lane), 1).expect("it holds one");
        });
    }
    world.finally(move || all_came_home(&scene));
}

fn ends_with_a_permit(world: &mut World) {
    let scene = Scene::in_world(world, 2, Guarded::new(2, 1));
    for (lane, name) in ["A", "B"].into_iter().enumerate() {
        let scene = Arc::clone(&scene);
        world.thread(name, move || {
            scene
                .object
                .semaphore()
                .acquire(&scene.caller(lane), OBJECT, 1, None)
                .expect("an acquire without deadline");
            scene.object.add_one();
            scene.end_of_thread(lane);
        });
    }
    world.finally(move || all_came_home(&scene));
}

/// Three operations of one lane, then as many of the other as there are sequences of two bits, less or more.
fn sequences_wrap(world: &mut World) {
    let scene = Scene::in_world(world, 2, Guarded { narrow: Some(2), ..Guarded::new(2, 2) });
    {
        let (semaphore, idle, busy) = (scene.object.semaphore(), scene.slot(0), scene.slot(1));
        semaphore.try_acquire(idle, 1).expect("two are there");
        // The sequence of the next operation is that of the idle one's last.
        semaphore.try_acquire(busy, 1).expect("one is there");
        semaphore.release(busy, 1).expect("it holds one");
        semaphore.try_acquire(busy, 1).expect("one is there");
    }
    let victim = Arc::clone(&scene);
    world.thread("victim", move || {
        let semaphore = victim.object.semaphore();
        semaphore.release(victim.slot(0), 1).expect("it holds one");
        verify_eq!(semaphore.held_by(victim.slot(0)), 0, "an operation passed for entered");
    });
    // shuttle refuses a model without a second thread.
    let bystander = Arc::clone(&scene);
    world.thread("bystander", move || verify!(bystander.object.semaphore().available() <= 2));
    world.finally(move || {
        let semaphore = scene.object.semaphore();
        semaphore.release(scene.slot(1), 1).expect("it holds one");
        all_came_home(&scene);
    });
}

fn timed(world: &mut World) {
    let scene = Scene::in_world(world, 3, Guarded::new(3, 1));
    for (lane, name) in ["A", "timed", "C"].into_iter().enumerate() {
        let scene = Arc::clone(&scene);
        world.thread(name, move || {
            let semaphore = scene.object.semaphore();
            let deadline = (lane == 1).then(|| Deadline::at_monotonic_ns(1));
            match semaphore.acquire(&scene.caller(lane), OBJECT, 1, deadline) {
                Ok(()) => {
                    scene.object.add_one();
                    semaphore.release(scene.slot(lane), 1).expect("it holds one");
                }
                Err(error) => verify!(error == AcquireError::TimedOut && lane == 1),
            }
        });
    }
    world.finally(move || all_came_home(&scene));
}

fn alone(world: &mut World) {
    let scene = Scene::in_world(world, 2, Guarded::new(2, 1));
    let holder = Arc::clone(&scene);
    world.thread("frozen", move || {
        let semaphore = holder.object.semaphore();
        semaphore.acquire(&holder.caller(0), OBJECT, 1, None).expect("an acquire without deadline");
        semaphore.release(holder.slot(0), 1).expect("it holds one");
    });
    world.thread("alone", move || {
        let semaphore = scene.object.semaphore();
        match semaphore.try_acquire(scene.slot(1), 1) {
            Ok(()) => semaphore.release(scene.slot(1), 1).expect("it holds one"),
            Err(error) => verify_eq!(error, AcquireError::WouldBlock),
        }
    });
}

//! Models of `primitives/semaphore.rs`.

use crate::last_resort::{self, END};
use crate::scene::{Notes, OBJECT, Scene};
use crate::subject::Permits;
use crate::world::{Bounds, Faults, Model, World};
use crate::{verify, verify_eq};
use selvedge::primitives::RawSemaphore;
use selvedge::primitives::semaphore::AcquireError;
use selvedge::primitives::undertaker::{Dead, Repair};
use selvedge::sync::{Cell, Deadline};
use std::marker::PhantomData;
use std::sync::Arc;

pub(super) const MODELS: &[Model] = Of::<RawSemaphore>::MODELS;

/// The models of a semaphore, be it the real one or a mutant.
#[derive(Debug)]
pub(crate) struct Of<P>(PhantomData<P>);

impl<P: Permits> Of<P> {
    pub(crate) const MODELS: &[Model] = &[
        Model {
            name: "semaphore/two_share_one_permit",
            properties: "S1 S2 G1",
            client: "2 processes × (acquire, release), 1 permit",
            build: |world| sharers::<P>(world, 2, 1),
            faults: Faults { lifo: true, no_wake_edge: true, spurious: true, ..Faults::NONE },
            bounds: Bounds { plain: Some(4), faulty: Some(3) },
        },
        Model {
            name: "semaphore/four_share_one_permit",
            properties: "S1 S2 S4 G2",
            client: "4 processes × (acquire, release), 1 permit",
            build: |world| sharers::<P>(world, 4, 1),
            faults: Faults { lifo: true, ..Faults::NONE },
            bounds: Bounds { plain: Some(1), faulty: None },
        },
        Model {
            name: "semaphore/four_share_two_permits",
            properties: "S1 S4 G2",
            client: "4 processes × (acquire, release), 2 permits",
            build: |world| sharers::<P>(world, 4, 2),
            faults: Faults { lifo: true, ..Faults::NONE },
            bounds: Bounds { plain: Some(1), faulty: None },
        },
        Model {
            name: "semaphore/producer_feeds_three_consumers",
            properties: "S2 S4 G2",
            client: "1 process × (release 2, release 1), 3 × acquire",
            build: |world| feeding::<P>(world, &[2, 1], &[1, 1, 1]),
            faults: Faults { lifo: true, ..Faults::NONE },
            bounds: Bounds { plain: Some(1), faulty: None },
        },
        Model {
            name: "semaphore/waiters_of_different_size",
            properties: "S4",
            client: "1 process × 3 releases, acquire 2 and acquire 1",
            build: |world| feeding::<P>(world, &[1, 1, 1], &[2, 1]),
            faults: Faults { lifo: true, spurious: true, ..Faults::NONE },
            bounds: Bounds { plain: Some(2), faulty: Some(1) },
        },
        Model {
            name: "semaphore/release_reaches_past_a_larger_one",
            properties: "S4",
            client: "1 process × release 1, 1 × acquire 2, 1 × (acquire 1, release 2)",
            build: |world| relay::<P>(world, &[&[1], &[-2], &[-1, 2]]),
            faults: Faults { lifo: true, ..Faults::NONE },
            bounds: Bounds { plain: Some(2), faulty: None },
        },
        Model {
            name: "semaphore/release_reaches_past_two_larger_ones",
            properties: "S4",
            client: "2 processes × acquire 3, 1 × (acquire 1, release 6), 1 × release 1",
            build: |world| relay::<P>(world, &[&[-3], &[-3], &[-1, 6], &[1]]),
            faults: Faults { lifo: true, ..Faults::NONE },
            bounds: Bounds { plain: Some(0), faulty: None },
        },
        Model {
            name: "semaphore/woken_one_reaches_past_a_larger_one",
            properties: "S4",
            client: "1 process × (acquire 1, release 4), 2 × acquire 1, 1 × (3 releases, acquire 4)",
            build: |world| relay::<P>(world, &[&[-1, 4], &[-1], &[-1], &[1, 1, 1, -4]]),
            faults: Faults { lifo: true, ..Faults::NONE },
            bounds: Bounds { plain: Some(0), faulty: None },
        },
        Model {
            name: "semaphore/wake_that_a_larger_one_took_is_made_good",
            properties: "S4",
            client: "1 process × (acquire 1, release 3), 1 × acquire 1, 1 × acquire 3, 1 × release 2",
            build: |world| relay::<P>(world, &[&[-1, 3], &[-1], &[-3], &[2]]),
            faults: Faults { lifo: true, ..Faults::NONE },
            bounds: Bounds { plain: Some(0), faulty: None },
        },
        Model {
            name: "semaphore/waiter_dies_wake_is_not_lost",
            properties: "S4 G2 G4 F1",
            client: "1 process × 2 releases, 2 × acquire, one of them killed",
            build: |world| feeding::<P>(world, &[1, 1], &[1, 1]),
            faults: Faults { victims: &[1], ..Faults::NONE },
            bounds: Bounds { plain: Some(2), faulty: Some(1) },
        },
        Model {
            name: "semaphore/releaser_dies_what_it_released_counts",
            properties: "S4 G4",
            client: "2 processes × 1 release, one of them killed, 1 × acquire",
            build: two_releasers::<P>,
            faults: Faults { victims: &[0], second_death: true, ..Faults::NONE },
            bounds: Bounds { plain: Some(1), faulty: Some(1) },
        },
        Model {
            name: "semaphore/releaser_dies_past_two_larger_ones",
            properties: "S4 G2 G4",
            client: "2 processes × acquire 3, 1 × (acquire 1, release 6), 1 × release 1, killed",
            build: releaser_dies::<P>,
            faults: Faults { victims: &[3], ..Faults::NONE },
            bounds: Bounds { plain: Some(0), faulty: Some(0) },
        },
        Model {
            name: "semaphore/timed_acquire_leaves_no_trace",
            properties: "G3 S4",
            client: "1 process × 1 release, 1 × acquire, 1 × timed acquire",
            build: timed::<P>,
            faults: Faults { timeouts: true, lifo: true, ..Faults::NONE },
            bounds: Bounds { plain: Some(2), faulty: Some(2) },
        },
        Model {
            name: "semaphore/try_operations_end_alone",
            properties: "G3 G6 S1",
            client: "1 process × (acquire, release), frozen anywhere, 1 × (try_acquire, release)",
            build: alone::<P>,
            faults: Faults { frozen: &[0], solo_steps: 60, ..Faults::NONE },
            bounds: Bounds { plain: Some(3), faulty: Some(3) },
        },
    ];
}

/// A semaphore and a cell that whoever holds the only permit may touch.
struct Guarded<P> {
    semaphore: P,
    data: Cell<u32>,
}

impl<P: Permits> Guarded<P> {
    fn new(permits: u32) -> Self {
        Self { semaphore: P::new(permits), data: Cell::new(0) }
    }

    fn add_one(&self) {
        // SAFETY: the caller holds the only permit; loom reports it if that excludes nobody.
        self.data.with_mut(|data| unsafe { *data += 1 });
    }

    fn data(&self) -> u32 {
        // SAFETY: as above, or everybody has ended.
        self.data.with(|data| unsafe { *data })
    }
}

impl<P: Permits> Repair for Guarded<P> {
    fn bury(&self, dead: &Dead<'_>) {
        self.semaphore.bury(dead);
    }

    fn wake_all(&self) {
        self.semaphore.wake_all();
    }
}

const NAMES: [&str; 4] = ["A", "B", "C", "D"];

fn sharers<P: Permits>(world: &mut World, lanes: usize, permits: u32) {
    let scene = Scene::in_world(world, lanes, Guarded::<P>::new(permits));
    let inside = Arc::new(Notes::<u32>::default());
    for (lane, name) in NAMES.iter().enumerate().take(lanes) {
        let (scene, inside) = (Arc::clone(&scene), Arc::clone(&inside));
        world.thread(name, move || {
            let semaphore = &scene.object.semaphore;
            semaphore.acquire(&scene.caller(lane), OBJECT, 1, None).expect("an acquire without deadline");
            {
                // On treadle, where nothing runs between this note and the next, only races on the data tell.
                let mut inside = inside.lock();
                *inside += 1;
                verify!(*inside <= permits, "more holders than permits");
            }
            if permits == 1 {
                scene.object.add_one();
            }
            *inside.lock() -= 1;
            semaphore.release(1).expect("far from the maximum");
        });
    }
    world.finally(move || {
        verify_eq!(scene.object.semaphore.available(), permits);
        if permits == 1 {
            verify_eq!(scene.object.data(), u32::try_from(lanes).expect("few"));
        }
    });
}

/// One lane releases, the others acquire once each: together they ask for no more than there will be.
fn feeding<P: Permits>(world: &mut World, releases: &'static [u32], demands: &'static [u32]) {
    let scene = Scene::in_world(world, 1 + demands.len(), Guarded::<P>::new(0));
    let taken = Arc::new(Notes::<u32>::default());
    let producer = Arc::clone(&scene);
    world.thread("producer", move || {
        for n in releases {
            // Acquirers read this: what the releaser did comes first.
            producer.object.semaphore.release(*n).expect("far from the maximum");
        }
    });
    for (index, n) in demands.iter().enumerate() {
        let (scene, taken) = (Arc::clone(&scene), Arc::clone(&taken));
        world.thread(NAMES[index], move || {
            let caller = scene.caller(1 + index);
            scene.object.semaphore.acquire(&caller, OBJECT, *n, None).expect("an acquire without deadline");
            *taken.lock() += *n;
        });
    }
    world.finally(move || {
        let released: u32 = releases.iter().sum();
        let taken = *taken.lock();
        let left = scene.object.semaphore.available();
        verify!(taken + left <= released, "permits out of nothing");
        // A killed acquirer may have taken its permits with it.
        let dead: u32 = demands.iter().sum::<u32>() - taken;
        verify!(taken + left + dead >= released, "permits lost");
    });
}

/// Each lane releases (positive) and acquires (negative) in turn. In some order all can come to an end, and in any other
/// the small ones come before the large one: whoever could go on and sleeps has been forgotten.
fn relay<P: Permits>(world: &mut World, lanes: &'static [&'static [i32]]) {
    let scene = Scene::in_world(world, lanes.len(), Guarded::<P>::new(0));
    for (lane, turns) in lanes.iter().enumerate() {
        let scene = Arc::clone(&scene);
        world.thread(NAMES[lane], move || {
            let semaphore = &scene.object.semaphore;
            for n in *turns {
                if *n > 0 {
                    semaphore.release(n.unsigned_abs()).expect("far from the maximum");
                } else {
                    let caller = scene.caller(lane);
                    semaphore.acquire(&caller, OBJECT, n.unsigned_abs(), None).expect("an acquire without deadline");
                }
            }
        });
    }
    world.finally(move || verify_eq!(scene.object.semaphore.available(), 0));
}

fn two_releasers<P: Permits>(world: &mut World) {
    let scene = Scene::in_world(world, 3, Guarded::<P>::new(0));
    for lane in 0..2 {
        let scene = Arc::clone(&scene);
        world.thread(["victim", "releaser"][lane], move || {
            scene.object.semaphore.release(1).expect("far from the maximum");
        });
    }
    let acquirer = Arc::clone(&scene);
    world.thread("acquirer", move || {
        let caller = acquirer.caller(2);
        acquirer.object.semaphore.acquire(&caller, OBJECT, 1, None).expect("an acquire without deadline");
    });
    world.finally(move || verify!(scene.object.semaphore.available() <= 1));
}

/// Whoever could go on with what the dead one released is woken, whoever else sleeps and sleeps on.
fn releaser_dies<P: Permits>(world: &mut World) {
    let scene = Scene::in_world(world, 4, Guarded::<P>::new(0));
    for (lane, needs) in [3, 3, 1].into_iter().enumerate() {
        let scene = Arc::clone(&scene);
        world.thread(NAMES[lane], move || {
            let semaphore = &scene.object.semaphore;
            let taken = last_resort::told(|| semaphore.acquire(&scene.caller(lane), OBJECT, needs, END));
            if taken.is_ok() && needs == 1 {
                semaphore.release(6).expect("far from the maximum");
            }
        });
    }
    let victim = Arc::clone(&scene);
    world.thread("victim", move || victim.object.semaphore.release(1).expect("far from the maximum"));
    world.finally(move || verify_eq!(scene.object.semaphore.available(), 0));
}

fn timed<P: Permits>(world: &mut World) {
    let scene = Scene::in_world(world, 3, Guarded::<P>::new(0));
    let releaser = Arc::clone(&scene);
    world.thread("releaser", move || {
        releaser.object.add_one();
        releaser.object.semaphore.release(1).expect("far from the maximum");
    });
    for lane in 1..3 {
        let scene = Arc::clone(&scene);
        world.thread(["", "timed", "patient"][lane], move || {
            let semaphore = &scene.object.semaphore;
            let deadline = (lane == 1).then(|| Deadline::at_monotonic_ns(1));
            match semaphore.acquire(&scene.caller(lane), OBJECT, 1, deadline) {
                Ok(()) => {
                    verify_eq!(scene.object.data(), 1, "what was released first is not seen");
                    semaphore.release(1).expect("far from the maximum");
                }
                Err(error) => verify!(error == AcquireError::TimedOut && lane == 1),
            }
        });
    }
    world.finally(move || verify_eq!(scene.object.semaphore.available(), 1));
}

fn alone<P: Permits>(world: &mut World) {
    let scene = Scene::in_world(world, 2, Guarded::<P>::new(1));
    let holder = Arc::clone(&scene);
    world.thread("frozen", move || {
        let semaphore = &holder.object.semaphore;
        semaphore.acquire(&holder.caller(0), OBJECT, 1, None).expect("an acquire without deadline");
        semaphore.release(1).expect("far from the maximum");
    });
    world.thread("alone", move || {
        let semaphore = &scene.object.semaphore;
        match semaphore.try_acquire(1) {
            Ok(()) => semaphore.release(1).expect("far from the maximum"),
            Err(error) => verify_eq!(error, AcquireError::WouldBlock),
        }
    });
}

//! Models of `primitives/mutex.rs`.

use crate::scene::{Notes, OBJECT, Scene};
use crate::subject::Lock;
use crate::world::{Bounds, Faults, Model, World};
use crate::{verify, verify_eq};
use selvedge::primitives::RawMutex;
use selvedge::primitives::mutex::{Acquired, Leaves, LockError};
use selvedge::primitives::undertaker::{Dead, Repair, Undertaker};
use selvedge::sync::{Cell, Deadline, LIFE_DIED, LIFE_ID_MASK, LifeWord, Ordering, futex_wait};
use std::marker::PhantomData;
use std::sync::Arc;

pub(super) const MODELS: &[Model] = Of::<RawMutex>::MODELS;

/// The models of a lock, be it the real one or a mutant.
#[derive(Debug)]
pub(crate) struct Of<L>(PhantomData<L>);

impl<L: Lock> Of<L> {
    pub(crate) const MODELS: &[Model] = &[
        Model {
            name: "mutex/two_lock_once",
            properties: "M1 M2 M3 G1",
            client: "2 processes × 1 lock",
            build: |world| lockers::<L>(world, 2, 1, 0),
            faults: Faults { lifo: true, no_wake_edge: true, spurious: true, ..NO_FAULTS },
            bounds: Bounds { plain: None, faulty: None },
        },
        Model {
            name: "mutex/two_lock_twice",
            properties: "M1 M2 M3 G1",
            client: "2 processes × 2 locks",
            build: |world| lockers::<L>(world, 2, 2, 0),
            faults: NO_FAULTS,
            bounds: Bounds { plain: Some(5), faulty: None },
        },
        Model {
            name: "mutex/three_lock_once",
            properties: "M1 M2 M3 G1",
            client: "3 processes × 1 lock",
            build: |world| lockers::<L>(world, 3, 1, 0),
            faults: Faults { lifo: true, ..NO_FAULTS },
            bounds: Bounds { plain: Some(3), faulty: None },
        },
        Model {
            name: "mutex/owner_dies_heir_is_told",
            properties: "M1 M2 M3 M4 M5 F1 F2 G4",
            client: "2 processes × 1 lock, either killed or both, the undertaker too",
            build: |world| lockers::<L>(world, 2, 1, 2),
            faults: Faults { victims: &[0, 1], pairs: &[(0, 1)], second_death: true, ..NO_FAULTS },
            bounds: Bounds { plain: Some(2), faulty: Some(1) },
        },
        Model {
            name: "mutex/heir_dies_next_is_told",
            properties: "M4 M5 M6",
            client: "3 processes × 1 lock, two of them killed",
            build: |world| lockers::<L>(world, 3, 1, 2),
            faults: Faults { pairs: &[(0, 1)], ..NO_FAULTS },
            bounds: Bounds { plain: Some(2), faulty: Some(1) },
        },
        Model {
            name: "mutex/waiters_survive_takeover",
            properties: "M2 M6",
            client: "3 processes × 1 lock, one of them killed",
            build: |world| lockers::<L>(world, 3, 1, 1),
            faults: Faults { victims: &[0, 1, 2], lifo: true, ..NO_FAULTS },
            bounds: Bounds { plain: Some(2), faulty: Some(2) },
        },
        Model {
            name: "mutex/heir_gives_up",
            properties: "M4",
            client: "3 processes × 1 lock, the first killed, heirs give up, then a reset",
            build: heir_gives_up::<L>,
            faults: Faults { victims: &[0], ..NO_FAULTS },
            bounds: Bounds { plain: Some(2), faulty: Some(2) },
        },
        Model {
            name: "mutex/all_are_told_that_it_is_given_up",
            properties: "M4 G2",
            client: "3 processes × 1 lock of a mutex whose owner has died; the heir gives up; one is killed",
            build: all_are_told::<L>,
            faults: Faults { victims: &[0], ..NO_FAULTS },
            bounds: Bounds { plain: Some(2), faulty: Some(0) },
        },
        Model {
            name: "mutex/reset_comes_after_giving_up",
            properties: "M4 G1",
            client: "1 heir of a dead owner writes and gives up, 1 process resets and writes",
            build: reset_after_giving_up::<L>,
            faults: NO_FAULTS,
            bounds: Bounds { plain: None, faulty: None },
        },
        Model {
            name: "mutex/thread_ends_holding",
            properties: "M4 M5 G1 G2 F1",
            client: "1 thread × (lock, regular end), killed anywhere, 1 process × 1 lock",
            build: thread_ends_holding::<L>,
            faults: Faults { victims: &[0], no_wake_edge: true, ..NO_FAULTS },
            bounds: Bounds { plain: Some(4), faulty: Some(3) },
        },
        Model {
            name: "mutex/timed_lock_leaves_no_trace",
            properties: "G3 M2",
            client: "2 processes × 1 lock and 1 timed lock",
            build: timed::<L>,
            faults: Faults { timeouts: true, ..NO_FAULTS },
            bounds: Bounds { plain: Some(3), faulty: Some(3) },
        },
        Model {
            name: "mutex/try_lock_ends_alone",
            properties: "G3 G6",
            client: "1 process × 1 lock, frozen anywhere, 1 × 2 try_lock",
            build: try_lock_alone::<L>,
            faults: Faults { frozen: &[0], solo_steps: 60, ..NO_FAULTS },
            bounds: Bounds { plain: Some(4), faulty: Some(4) },
        },
        Model {
            name: "mutex/owner_outlives_its_keeper",
            properties: "M1 M2 M4 F2",
            client: "2 processes × 1 lock; the first one's keeper ends at any time, its thread is killed or ends later",
            build: |world| outlives::<L>(world, Evidence::ThreadMarks),
            faults: Faults { victims: &[0], ..NO_FAULTS },
            bounds: Bounds { plain: Some(3), faulty: Some(2) },
        },
    ];
}

const NO_FAULTS: Faults = Faults::NONE;

/// A mutex and two cells that it keeps equal.
struct Guarded<L> {
    mutex: L,
    left: Cell<u32>,
    right: Cell<u32>,
}

impl<L: Lock> Guarded<L> {
    fn new() -> Self {
        Self { mutex: L::new(), left: Cell::new(0), right: Cell::new(0) }
    }

    fn read(&self) -> (u32, u32) {
        // SAFETY: the caller holds the mutex; loom reports it if that excludes nobody.
        let left = self.left.with(|left| unsafe { *left });
        // SAFETY: as above.
        let right = self.right.with(|right| unsafe { *right });
        (left, right)
    }

    fn write_left(&self, value: u32) {
        // SAFETY: as in read.
        self.left.with_mut(|left| unsafe { *left = value });
    }

    fn write_right(&self, value: u32) {
        // SAFETY: as in read.
        self.right.with_mut(|right| unsafe { *right = value });
    }

    /// The critical section: an heir completes what the dead owner began, everybody adds one to both cells.
    fn work(&self, how: Acquired) -> u32 {
        let (left, right) = self.read();
        match how {
            Acquired::Clean => verify_eq!(left, right, "torn data under a clean lock"),
            Acquired::OwnerDied => {
                verify!(left == right || left == right + 1, "the dead owner's writes are not a prefix");
                self.write_right(left);
            }
        }
        self.write_left(left + 1);
        self.write_right(left + 1);
        left + 1
    }
}

impl<L: Lock> Repair for Guarded<L> {
    fn bury(&self, dead: &Dead<'_>) {
        self.mutex.bury(dead);
    }

    fn wake_all(&self) {
        self.mutex.wake_all();
    }
}

/// What the lanes went through.
#[derive(Default)]
struct Story {
    /// Lanes whose lock was granted and whose unlock was not begun.
    inside: Vec<usize>,
    inherited: u32,
    finished: u32,
}

fn lockers<L: Lock>(world: &mut World, lanes: usize, times: u32, deaths: u32) {
    let scene = Scene::in_world(world, lanes, Guarded::<L>::new());
    let story = Arc::new(Notes::<Story>::default());
    for lane in 0..lanes {
        let (scene, story) = (Arc::clone(&scene), Arc::clone(&story));
        world.thread(["A", "B", "C", "D"][lane], move || {
            for _ in 0..times {
                take_turn(&scene, &story, lane);
            }
        });
    }
    world.finally(move || check_story(&scene, &story, deaths));
}

/// One lock, the work, one unlock.
fn take_turn<L: Lock>(scene: &Scene<Guarded<L>>, story: &Notes<Story>, lane: usize) {
    let guarded = &scene.object;
    let how = guarded.mutex.lock(&scene.caller(lane), OBJECT, None).expect("a lock without deadline");
    {
        let mut story = story.lock();
        match how {
            // Who is still inside is dead; a death between the work and the swap leaves nobody inside.
            Acquired::OwnerDied => {
                verify!(story.inside.len() <= 1, "two were inside");
                story.inside.clear();
                story.inherited += 1;
            }
            Acquired::Clean => verify!(story.inside.is_empty(), "two hold the mutex"),
        }
        story.inside.push(lane);
    }
    guarded.work(how);
    story.lock().inside.clear();
    guarded.mutex.unlock(Leaves::Consistent);
    story.lock().finished += 1;
}

fn check_story<L: Lock>(scene: &Scene<Guarded<L>>, story: &Notes<Story>, deaths: u32) {
    let story = story.lock();
    verify!(!scene.object.mutex.is_not_recoverable());
    verify!(story.inherited <= deaths, "more heirs were told than owners died");
    if story.inside.is_empty() {
        let (left, right) = scene.object.read();
        verify_eq!(left, right);
        verify!(left >= story.finished, "an increment was lost");
    }
}

/// On what an undertaker takes a thread for dead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Evidence {
    /// The mark of the thread itself.
    ThreadMarks,
    /// The mark of its process's keeper, which is a mistake: other threads run on for a while.
    KeeperMark,
}

/// What the kernel does when the thread that owns a life word has stopped.
fn mark(life: &LifeWord) {
    life.mark_as_kernel(life.word().peek() & LIFE_ID_MASK);
}

/// The owner's keeper ends at any time; its thread goes on until it has finished, or is killed somewhere.
pub(crate) fn outlives<L: Lock>(world: &mut World, evidence: Evidence) {
    const OWNER: usize = 0;
    const UNDERTAKER: usize = 2;
    let scene = Scene::new(3, Guarded::<L>::new());
    let story = Arc::new(Notes::<Story>::default());
    for lane in [OWNER, 1] {
        let (scene, story) = (Arc::clone(&scene), Arc::clone(&story));
        world.thread(["owner", "B"][lane], move || {
            take_turn(&scene, &story, lane);
            if lane == OWNER {
                mark(&scene.table().threads()[OWNER].life);
            }
        });
    }
    let (marked, undertaking) = (Arc::clone(&scene), Arc::clone(&scene));
    world.on_death(move |_| mark(&marked.table().threads()[OWNER].life), |_| {});
    world.thread("keeper's end", move || {
        let table = undertaking.table();
        mark(&table.processes()[OWNER].life);
        let has_exited = move |_| evidence == Evidence::KeeperMark;
        let hazard = &table.processes()[UNDERTAKER].hazard;
        let undertaker = Undertaker::new(table, &*undertaking, hazard, &has_exited);
        while !undertaker.look_after(OWNER) {
            let life = table.threads()[OWNER].life.word();
            // Relaxed: only compared; look_after reads it again.
            let seen = life.load(Ordering::Relaxed);
            if seen & LIFE_DIED == 0 {
                futex_wait(life, seen, None);
            }
        }
    });
    world.finally(move || check_story(&scene, &story, 1));
}

fn heir_gives_up<L: Lock>(world: &mut World) {
    let scene = Scene::in_world(world, 3, Guarded::<L>::new());
    let refused = Arc::new(Notes::<(u32, u32)>::default());
    for lane in 0..3 {
        let (scene, refused) = (Arc::clone(&scene), Arc::clone(&refused));
        world.thread(["victim", "B", "C"][lane], move || {
            let guarded = &scene.object;
            match guarded.mutex.lock(&scene.caller(lane), OBJECT, None) {
                Ok(Acquired::Clean) => {
                    guarded.work(Acquired::Clean);
                    guarded.mutex.unlock(Leaves::Consistent);
                }
                Ok(Acquired::OwnerDied) => {
                    refused.lock().0 += 1;
                    guarded.mutex.unlock(Leaves::Inconsistent);
                }
                Err(error) => {
                    verify_eq!(error, LockError::NotRecoverable);
                    refused.lock().1 += 1;
                }
            }
        });
    }
    world.finally(move || {
        let (gave_up, told) = *refused.lock();
        verify!(gave_up <= 1, "more than one heir");
        verify!(told == 0 || gave_up == 1);
        let mutex = &scene.object.mutex;
        verify_eq!(mutex.is_not_recoverable(), gave_up == 1);
        let slot = scene.slot(1);
        if gave_up == 1 {
            verify_eq!(mutex.try_lock(slot), Err(LockError::NotRecoverable));
            verify!(mutex.reset(slot));
            mutex.unlock(Leaves::Consistent);
            verify_eq!(mutex.try_lock(slot), Ok(Acquired::Clean));
        } else {
            verify!(!mutex.reset(slot));
        }
    });
}

/// A mutex whose owner, the last of so many lanes, has died, with a torn critical section.
fn inherited<L: Lock>(world: &mut World, lanes: usize) -> Arc<Scene<Guarded<L>>> {
    let scene = Scene::in_world(world, lanes, Guarded::<L>::new());
    let dead = scene.slot(lanes - 1);
    assert_eq!(scene.object.mutex.try_lock(dead), Ok(Acquired::Clean));
    scene.object.write_left(1);
    scene.object.bury(&Dead::thread(scene.table(), dead));
    scene
}

/// Whoever inherits it declares the data lost.
fn all_are_told<L: Lock>(world: &mut World) {
    const LANES: usize = 3;
    let scene = inherited::<L>(world, LANES + 1);
    let gave_up = Arc::new(Notes::<u32>::default());
    for lane in 0..LANES {
        let (scene, gave_up) = (Arc::clone(&scene), Arc::clone(&gave_up));
        world.thread(["victim", "B", "C"][lane], move || {
            let mutex = &scene.object.mutex;
            match mutex.lock(&scene.caller(lane), OBJECT, None) {
                Ok(how) => {
                    verify_eq!(how, Acquired::OwnerDied);
                    mutex.unlock(Leaves::Inconsistent);
                    *gave_up.lock() += 1;
                }
                Err(error) => verify_eq!(error, LockError::NotRecoverable),
            }
        });
    }
    world.finally(move || {
        verify!(*gave_up.lock() <= 1);
        verify!(scene.object.mutex.is_not_recoverable());
    });
}

fn reset_after_giving_up<L: Lock>(world: &mut World) {
    let scene = inherited::<L>(world, 3);
    let heir = Arc::clone(&scene);
    world.thread("heir", move || {
        let how = heir.object.mutex.lock(&heir.caller(0), OBJECT, None).expect("nobody else inherits it");
        verify_eq!(how, Acquired::OwnerDied);
        heir.object.work(how);
        heir.object.mutex.unlock(Leaves::Inconsistent);
    });
    world.thread("resets", move || {
        if scene.object.mutex.reset(scene.slot(1)) {
            verify_eq!(scene.object.read(), (2, 2));
            scene.object.write_left(0);
            scene.object.write_right(0);
            scene.object.mutex.unlock(Leaves::Consistent);
        }
    });
}

/// A thread that ends repairs what it leaves, in its own name; until then it can be killed.
fn thread_ends_holding<L: Lock>(world: &mut World) {
    let scene = Scene::in_world(world, 2, Guarded::<L>::new());
    let story = Arc::new(Notes::<Story>::default());
    let (ending, torn) = (Arc::clone(&scene), Arc::clone(&story));
    world.thread("ends", move || {
        let guarded = &ending.object;
        let how = guarded.mutex.lock(&ending.caller(0), OBJECT, None).expect("a lock without deadline");
        verify_eq!(how, Acquired::Clean);
        torn.lock().inside.push(0);
        guarded.write_left(guarded.read().0 + 1);
        ending.end_of_thread(0);
    });
    let (other, heir) = (Arc::clone(&scene), Arc::clone(&story));
    world.thread("B", move || take_turn(&other, &heir, 1));
    world.finally(move || check_story(&scene, &story, 1));
}

fn timed<L: Lock>(world: &mut World) {
    let scene = Scene::in_world(world, 3, Guarded::<L>::new());
    for lane in 0..3 {
        let scene = Arc::clone(&scene);
        world.thread(["A", "timed", "C"][lane], move || {
            let guarded = &scene.object;
            let deadline = (lane == 1).then(|| Deadline::at_monotonic_ns(1));
            match guarded.mutex.lock(&scene.caller(lane), OBJECT, deadline) {
                Ok(how) => {
                    guarded.work(how);
                    guarded.mutex.unlock(Leaves::Consistent);
                }
                Err(error) => verify!(error == LockError::TimedOut && lane == 1),
            }
        });
    }
    world.finally(move || {
        let (left, right) = scene.object.read();
        verify_eq!(left, right);
        verify!(left >= 2, "who has no deadline gets the mutex");
        verify_eq!(scene.object.mutex.holder(), None);
    });
}

fn try_lock_alone<L: Lock>(world: &mut World) {
    let scene = Scene::in_world(world, 2, Guarded::<L>::new());
    let holder = Arc::clone(&scene);
    world.thread("frozen", move || {
        let guarded = &holder.object;
        let how = guarded.mutex.lock(&holder.caller(0), OBJECT, None).expect("a lock without deadline");
        guarded.work(how);
        guarded.mutex.unlock(Leaves::Consistent);
    });
    world.thread("alone", move || {
        for _ in 0..2 {
            match scene.object.mutex.try_lock(scene.slot(1)) {
                Ok(_) => scene.object.mutex.unlock(Leaves::Consistent),
                Err(error) => verify_eq!(error, LockError::WouldBlock),
            }
        }
    });
}

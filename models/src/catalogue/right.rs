//! Models of `primitives/right.rs`.

use crate::last_resort::{END, told};
use crate::scene::{Notes, OBJECT, Scene};
use crate::world::{Bounds, Faults, Model, World};
use crate::{verify, verify_eq};
use selvedge::primitives::RawRight;
use selvedge::primitives::participants::ProcessClaim;
use selvedge::primitives::right::{Holder, OfferError, Origin, RightError, Succession};
use selvedge::primitives::undertaker::{Dead, Repair};
use selvedge::sync::{AtomicU64, Cell, Deadline, Ordering};
use std::sync::Arc;

pub(super) const MODELS: &[Model] = &[
    Model {
        name: "right/two_have_it_in_turn",
        properties: "P5 G1 G2",
        client: "2 processes × (claim, leave)",
        build: in_turn,
        faults: Faults { no_wake_edge: true, spurious: true, ..Faults::NONE },
        bounds: Bounds { plain: Some(2), faulty: Some(1) },
    },
    Model {
        name: "right/holder_dies_successor_is_told",
        properties: "P5 G1 G2 G4 F1 F2",
        client: "2 processes × (claim, leave), either killed, the undertaker too",
        build: in_turn,
        faults: Faults { victims: &[0, 1], second_death: true, ..Faults::NONE },
        bounds: Bounds { plain: Some(1), faulty: Some(0) },
    },
    Model {
        name: "right/closed_when_its_holder_ends",
        properties: "P5 G2 G4 F1",
        client: "1 process × leave, killed anywhere, the undertaker too, 1 × claim",
        build: closed_with_its_holder,
        faults: Faults { victims: &[0], second_death: true, spurious: true, ..Faults::NONE },
        bounds: Bounds { plain: Some(2), faulty: Some(1) },
    },
    Model {
        name: "right/closed_while_others_wait",
        properties: "P5 G2",
        client: "1 process × leave, 1 × close, killed anywhere, the undertaker too, 1 × claim",
        build: closed_by_another,
        faults: Faults { victims: &[1], second_death: true, ..Faults::NONE },
        bounds: Bounds { plain: Some(1), faulty: Some(0) },
    },
    Model {
        name: "right/given_to_one_who_waits_behind_another",
        properties: "P5 G1 G2",
        client: "1 process × offer, 1 × (claim, leave), 1 × claim",
        build: given,
        faults: Faults { spurious: true, lifo: true, ..Faults::NONE },
        bounds: Bounds { plain: Some(1), faulty: Some(0) },
    },
    Model {
        name: "right/who_it_is_offered_to_dies",
        properties: "P5 P3 G2 G4 F1",
        client: "1 process × offer, 1 × (try_claim, leave), 1 × claim; either of the first two killed, the undertaker too",
        build: given_to_one_who_dies,
        faults: Faults { victims: &[0, 1], second_death: true, ..Faults::NONE },
        bounds: Bounds { plain: Some(0), faulty: Some(0) },
    },
    Model {
        name: "right/offerer_and_the_one_it_is_offered_to_die",
        properties: "P5 P3 G2 G4 F1",
        client: "1 process × offer, 1 × (try_claim, leave), 1 × claim; the first two killed",
        build: given_to_one_who_dies,
        faults: Faults { pairs: &[(1, 0)], ..Faults::NONE },
        bounds: Bounds { plain: Some(0), faulty: Some(0) },
    },
    Model {
        name: "right/a_successor_in_the_same_place_is_another",
        properties: "P3 P5",
        client: "1 process × offer, 1 dies, is repaired, and another comes in its place × try_claim",
        build: another_generation,
        faults: Faults::NONE,
        bounds: Bounds { plain: Some(2), faulty: None },
    },
    Model {
        name: "right/nobody_who_is_gone_is_given_it",
        properties: "P5 P3",
        client: "1 process × (offer to one who is gone), 1 thread ends, which repairs what it leaves",
        build: gone_from_the_beginning,
        faults: Faults { spurious: true, ..Faults::NONE },
        bounds: Bounds { plain: Some(2), faulty: Some(1) },
    },
    Model {
        name: "right/one_who_is_just_coming_is_given_it",
        properties: "P5 P3 F2",
        client: "1 process × offer to one who comes, 1 dies, is repaired, and another comes, 1 thread ends, which repairs what it leaves",
        build: just_coming,
        faults: Faults::NONE,
        bounds: Bounds { plain: Some(1), faulty: None },
    },
    Model {
        name: "right/offered_again_to_one_who_was_given_it_before",
        properties: "P5 P3 G4 F1",
        client: "1 process × offer, 1 × (claim, leave), killed anywhere, 1 × (claim, offer back to it), closed with its holder",
        build: offered_twice,
        faults: Faults { victims: &[1], ..Faults::NONE },
        bounds: Bounds { plain: Some(0), faulty: Some(0) },
    },
    Model {
        name: "right/timed_claim_leaves_no_trace",
        properties: "G3 P5",
        client: "1 process × leave, 1 × timed claim, 1 × (claim, leave)",
        build: timed,
        faults: Faults { timeouts: true, ..Faults::NONE },
        bounds: Bounds { plain: Some(1), faulty: Some(1) },
    },
    Model {
        name: "right/try_calls_end_alone",
        properties: "G3 G6",
        client: "1 process × (claim, offer, close), frozen anywhere, 1 × (try_claim, leave, try_claim)",
        build: alone,
        faults: Faults { frozen: &[0], solo_steps: 40, ..Faults::NONE },
        bounds: Bounds { plain: Some(3), faulty: Some(2) },
    },
];

/// A right and a cell that its holder alone touches.
struct Guarded {
    right: RawRight,
    data: Cell<u32>,
    /// What who closes it leaves behind.
    last: Cell<u32>,
    /// The generation of one who has come.
    came: AtomicU64,
}

impl Guarded {
    fn new(succession: Succession) -> Self {
        Self { right: RawRight::new(succession), data: Cell::new(0), last: Cell::new(0), came: AtomicU64::new(0) }
    }

    fn add_one(&self) {
        // SAFETY: the caller has the right; the engine reports it if that excludes nobody.
        self.data.with_mut(|data| unsafe { *data += 1 });
    }
}

impl Repair for Guarded {
    fn bury(&self, dead: &Dead<'_>) {
        self.right.bury(dead);
    }

    fn wake_all(&self) {
        self.right.wake_all();
    }
}

type Place = Arc<Scene<Guarded>>;

fn claim(scene: &Place, lane: usize, deadline: Option<Deadline>) -> Result<Origin, RightError> {
    scene.object.right.claim(&scene.caller(lane), OBJECT, scene.process(lane), deadline)
}

fn offer(scene: &Place, from: usize, to: ProcessClaim) -> Result<(), OfferError> {
    scene.object.right.offer(&scene.table(), scene.process(from), to)
}

/// Lane 0 has the right from the beginning.
fn held(world: &mut World, lanes: usize, succession: Succession) -> Place {
    let scene = Scene::in_world(world, lanes, Guarded::new(succession));
    assert_eq!(scene.object.right.try_claim(scene.process(0)), Ok(Origin::First), "nobody had it");
    scene
}

#[derive(Default)]
struct Story {
    /// Lanes that have the right and have not begun to leave it.
    inside: Vec<usize>,
    heirs: usize,
    finished: usize,
}

fn in_turn(world: &mut World) {
    let scene = Scene::in_world(world, 2, Guarded::new(Succession::Inherit));
    let story = Arc::new(Notes::<Story>::default());
    for (lane, name) in ["A", "B"].into_iter().enumerate() {
        let (scene, story) = (Arc::clone(&scene), Arc::clone(&story));
        world.thread(name, move || {
            let origin = claim(&scene, lane, None).expect("it is not closed, and a claim without deadline");
            {
                let mut story = story.lock();
                if origin == Origin::Died {
                    story.inside.clear();
                    story.heirs += 1;
                }
                verify!(story.inside.is_empty(), "two have the right");
                story.inside.push(lane);
            }
            scene.object.add_one();
            story.lock().inside.clear();
            scene.object.right.leave(scene.process(lane));
            story.lock().finished += 1;
        });
    }
    world.finally(move || {
        let story = story.lock();
        let holder = scene.object.right.holder();
        let deaths = story.heirs + usize::from(holder == Holder::Died);
        verify!(matches!(holder, Holder::Left | Holder::Died), "{holder:?} in the end");
        verify!(deaths + story.finished <= 2, "the death of one who had left it was told");
        verify!(story.finished == 2 || story.heirs <= 1, "one death was told twice");
    });
}

fn closed_with_its_holder(world: &mut World) {
    let scene = held(world, 2, Succession::Close);
    let leaves = Arc::clone(&scene);
    world.thread("holds", move || {
        leaves.object.add_one();
        leaves.object.right.leave(leaves.process(0));
    });
    let waits = Arc::clone(&scene);
    world.thread("waits", move || {
        verify_eq!(claim(&waits, 1, None), Err(RightError::Closed));
        verify!(waits.object.right.is_closed(), "it was closed, and is not any more");
        // Whoever sees it closed sees what the holder did.
        waits.object.add_one();
    });
    world.finally(move || {
        verify_eq!(scene.object.right.holder(), Holder::Closed);
        verify!(!scene.object.right.close(), "it is closed twice");
    });
}

fn closed_by_another(world: &mut World) {
    let scene = held(world, 3, Succession::Inherit);
    let leaves = Arc::clone(&scene);
    world.thread("holds", move || leaves.object.right.leave(leaves.process(0)));
    let closes = Arc::clone(&scene);
    world.thread("closes", move || {
        // SAFETY: whoever reads it has seen it closed.
        closes.object.last.with_mut(|last| unsafe { *last = 1 });
        closes.object.right.close();
    });
    world.thread("waits", move || match claim(&scene, 2, None) {
        Ok(origin) => {
            verify_eq!(origin, Origin::Left);
            // Closed meanwhile or not.
            scene.object.right.leave(scene.process(2));
        }
        Err(why) => {
            verify_eq!(why, RightError::Closed);
            verify!(scene.object.right.is_closed());
            // SAFETY: it is closed.
            verify_eq!(scene.object.last.with(|last| unsafe { *last }), 1);
        }
    });
}

/// The one that it is given to may wait behind another, who is not to have it first.
fn given(world: &mut World) {
    let scene = held(world, 3, Succession::Inherit);
    let gives = Arc::clone(&scene);
    world.thread("gives", move || {
        gives.object.add_one();
        verify_eq!(offer(&gives, 0, gives.process(1)), Ok(()));
    });
    let takes = Arc::clone(&scene);
    world.thread("is given it", move || {
        verify_eq!(claim(&takes, 1, None), Ok(Origin::Given));
        takes.object.add_one();
        takes.object.right.leave(takes.process(1));
    });
    world.thread("comes next", move || {
        verify_eq!(claim(&scene, 2, None), Ok(Origin::Left));
        scene.object.add_one();
    });
}

fn given_to_one_who_dies(world: &mut World) {
    let scene = held(world, 3, Succession::Inherit);
    let gives = Arc::clone(&scene);
    world.thread("gives", move || match offer(&gives, 0, gives.process(1)) {
        Ok(()) => {}
        Err(why) => {
            verify_eq!(why, OfferError::Gone);
            gives.object.add_one();
            gives.object.right.leave(gives.process(0));
        }
    });
    let takes = Arc::clone(&scene);
    // Of the one that it is given to: it has come too early, and lives.
    let too_early = Arc::new(Notes::<bool>::default());
    let notes = Arc::clone(&too_early);
    world.thread("is given it", move || {
        if takes.object.right.try_claim(takes.process(1)).is_ok() {
            takes.object.add_one();
            takes.object.right.leave(takes.process(1));
        } else {
            *notes.lock() = true;
        }
    });
    let waits = Arc::clone(&scene);
    world.thread("comes next", move || match told(|| claim(&waits, 2, END)) {
        Ok(_) => {
            waits.object.add_one();
            waits.object.right.leave(waits.process(2));
        }
        Err(why) => {
            verify_eq!(why, RightError::TimedOut);
            verify!(*too_early.lock(), "nobody has it who lives, and nobody told those who wait");
        }
    });
}

/// Whoever goes through the objects meanwhile takes nothing from the one who offers it.
fn gone_from_the_beginning(world: &mut World) {
    let scene = held(world, 2, Succession::Close);
    let now = scene.process(1);
    let gives = Arc::clone(&scene);
    world.thread("gives", move || {
        let gone = ProcessClaim { generation: now.generation.wrapping_sub(1), ..now };
        verify_eq!(offer(&gives, 0, gone), Err(OfferError::Gone));
        verify_eq!(gives.object.right.holder(), Holder::Process(gives.process(0)), "it has it still");
        // No place that a word can name.
        let nobody = ProcessClaim { index: 255, generation: 1 };
        verify_eq!(offer(&gives, 0, nobody), Err(OfferError::Gone));
        verify_eq!(gives.object.right.holder(), Holder::Process(gives.process(0)), "it has it still");
    });
    world.thread("ends", move || {
        scene.end_of_thread(1);
        verify!(!scene.object.right.is_closed(), "nobody has closed it");
    });
}

/// Whoever goes through the objects may not have seen it come.
fn just_coming(world: &mut World) {
    let scene = held(world, 3, Succession::Inherit);
    let given = Arc::new(Notes::<Option<ProcessClaim>>::default());
    let (gives, comes, offered) = (Arc::clone(&scene), Arc::clone(&scene), Arc::clone(&given));
    world.thread("gives", move || {
        // Relaxed: it has heard of it, and has not seen it come.
        let generation = gives.object.came.load(Ordering::Relaxed);
        if generation != 0 {
            let to = ProcessClaim { index: 1, generation };
            match offer(&gives, 0, to) {
                Ok(()) => *offered.lock() = Some(to),
                Err(why) => verify_eq!(why, OfferError::Gone, "it has not seen it come"),
            }
        }
    });
    world.thread("dies, and another comes", move || {
        comes.mark(1);
        comes.undertake(3, 1);
        let claim = comes.attach_again(1);
        comes.object.came.store(claim.generation, Ordering::Relaxed);
    });
    let ends = Arc::clone(&scene);
    world.thread("ends", move || ends.end_of_thread(2));
    world.finally(move || {
        let given = *given.lock();
        let expected = given.map_or(Holder::Process(scene.process(0)), Holder::Offered);
        verify_eq!(scene.object.right.holder(), expected, "it was taken from one who lives");
    });
}

/// The one that offered it first may look at that late.
fn offered_twice(world: &mut World) {
    let scene = held(world, 3, Succession::Close);
    let first = Arc::clone(&scene);
    world.thread("gives", move || {
        if let Err(why) = offer(&first, 0, first.process(1)) {
            verify_eq!(why, OfferError::Gone);
            first.object.right.leave(first.process(0));
        }
    });
    let takes = Arc::clone(&scene);
    world.thread("is given it twice", move || {
        if claim(&takes, 1, None).is_ok() {
            takes.object.add_one();
            let given = offer(&takes, 1, takes.process(2));
            verify_eq!(given, Ok(()));
        }
        // The second time, if the other lives.
        let _ = told(|| claim(&takes, 1, END));
    });
    let between = Arc::clone(&scene);
    world.thread("gives it back", move || match claim(&between, 2, None) {
        Ok(_) => {
            between.object.add_one();
            match offer(&between, 2, between.process(1)) {
                Ok(()) => {}
                Err(why) => {
                    verify_eq!(why, OfferError::Gone);
                    between.object.right.leave(between.process(2));
                }
            }
        }
        Err(why) => verify_eq!(why, RightError::Closed),
    });
    world.finally(move || {
        verify!(scene.object.right.holder() != Holder::Process(scene.process(0)), "it has given it away");
    });
}

/// The one that it is offered to dies, is repaired, and another comes in its place, while the offerer has not looked again.
fn another_generation(world: &mut World) {
    let scene = held(world, 2, Succession::Inherit);
    let before = scene.process(1);
    let gives = Arc::clone(&scene);
    world.thread("gives", move || {
        if let Err(why) = offer(&gives, 0, before) {
            verify_eq!(why, OfferError::Gone);
            gives.object.add_one();
        }
    });
    world.thread("dies, and another comes", move || {
        scene.mark(1);
        scene.undertake(2, 1);
        let now = scene.attach_again(1);
        verify!(now.index == before.index && now.generation != before.generation);
        let answer = scene.object.right.try_claim(now);
        // From the dead, if it was offered to that one while it lived.
        verify!(matches!(answer, Ok(Origin::Died) | Err(RightError::WouldBlock)), "{answer:?}");
    });
}

fn timed(world: &mut World) {
    let scene = held(world, 3, Succession::Inherit);
    let leaves = Arc::clone(&scene);
    world.thread("holds", move || leaves.object.right.leave(leaves.process(0)));
    let tries = Arc::clone(&scene);
    world.thread("tries", move || {
        if claim(&tries, 1, Some(Deadline::at_monotonic_ns(1))).is_ok() {
            tries.object.right.leave(tries.process(1));
        }
    });
    world.thread("waits", move || {
        verify_eq!(claim(&scene, 2, None), Ok(Origin::Left));
        verify_eq!(scene.object.right.try_claim(scene.process(2)), Err(RightError::Mine));
        scene.object.right.leave(scene.process(2));
    });
}

fn alone(world: &mut World) {
    let scene = Scene::in_world(world, 2, Guarded::new(Succession::Inherit));
    let others = Arc::clone(&scene);
    world.thread("others", move || {
        if others.object.right.try_claim(others.process(0)).is_ok() {
            let _ = offer(&others, 0, others.process(1));
        }
        others.object.right.close();
    });
    world.thread("alone", move || {
        for _ in 0..2 {
            match scene.object.right.try_claim(scene.process(1)) {
                Ok(origin) => {
                    verify!(origin != Origin::Died, "nobody has died");
                    scene.object.right.leave(scene.process(1));
                }
                Err(why) => verify!(matches!(why, RightError::WouldBlock | RightError::Closed), "{why:?}"),
            }
        }
    });
}

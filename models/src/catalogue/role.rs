//! Models of `primitives/role.rs`.

use crate::scene::{Notes, OBJECT, Scene};
use crate::world::{Bounds, Faults, Model, World};
use crate::{verify, verify_eq};
use selvedge::primitives::RawRole;
use selvedge::primitives::role::{ClaimError, Departure, IfGone, Predecessor, Presence};
use selvedge::primitives::undertaker::{Dead, Repair};
use selvedge::sync::{Cell, Deadline};
use std::sync::Arc;

pub(super) const MODELS: &[Model] = &[
    Model {
        name: "role/two_hold_in_turn",
        properties: "G1 G2",
        client: "2 processes × (claim, leave)",
        build: |world| in_turn(world, 2),
        faults: Faults { no_wake_edge: true, spurious: true, ..Faults::NONE },
        bounds: Bounds { plain: None, faulty: Some(2) },
    },
    Model {
        name: "role/three_hold_in_turn",
        properties: "G1 G2",
        client: "3 processes × (claim, leave)",
        build: |world| in_turn(world, 3),
        faults: Faults { lifo: true, ..Faults::NONE },
        bounds: Bounds { plain: Some(2), faulty: None },
    },
    Model {
        name: "role/holder_dies_successor_and_peer_are_told",
        properties: "G1 G2 G4 F1 F2",
        client: "2 processes × (claim, leave), either killed, the undertaker too; a peer looks at the end",
        build: |world| in_turn(world, 2),
        faults: Faults { victims: &[0, 1], second_death: true, ..Faults::NONE },
        bounds: Bounds { plain: Some(2), faulty: Some(1) },
    },
    Model {
        name: "role/waiter_dies_wake_is_not_lost",
        properties: "G2 G4",
        client: "3 processes × (claim, leave), one killed",
        build: |world| in_turn(world, 3),
        faults: Faults { victims: &[1], ..Faults::NONE },
        bounds: Bounds { plain: Some(2), faulty: Some(1) },
    },
    Model {
        name: "role/holders_die_in_turn",
        properties: "G4 F1",
        client: "3 processes × (claim, leave), two of them killed",
        build: |world| in_turn(world, 3),
        faults: Faults { pairs: &[(0, 1)], ..Faults::NONE },
        bounds: Bounds { plain: Some(1), faulty: Some(0) },
    },
    Model {
        name: "role/thread_ends_holding",
        properties: "G1 G2 G4 F1",
        client: "1 thread × (claim, regular end), killed anywhere, 1 process × (claim, leave)",
        build: thread_ends_holding,
        faults: Faults { victims: &[0], no_wake_edge: true, ..Faults::NONE },
        bounds: Bounds { plain: Some(3), faulty: Some(2) },
    },
    Model {
        name: "role/timed_claim_leaves_no_trace",
        properties: "G3 G2",
        client: "2 processes × (claim, leave), 1 × timed claim",
        build: timed,
        faults: Faults { timeouts: true, lifo: true, ..Faults::NONE },
        bounds: Bounds { plain: Some(2), faulty: Some(2) },
    },
    Model {
        name: "role/try_claim_ends_alone",
        properties: "G3 G6",
        client: "1 process × (claim, leave), frozen anywhere, 1 × 2 (try_claim, leave)",
        build: alone,
        faults: Faults { frozen: &[0], solo_steps: 60, ..Faults::NONE },
        bounds: Bounds { plain: Some(3), faulty: Some(2) },
    },
];

const NAMES: [&str; 3] = ["A", "B", "C"];

/// A role and a cell that its holder alone touches.
struct Guarded {
    role: RawRole,
    data: Cell<u32>,
}

impl Guarded {
    fn new() -> Self {
        Self { role: RawRole::new(), data: Cell::new(0) }
    }

    fn add_one(&self) {
        // SAFETY: the caller holds the role; loom reports it if that excludes nobody.
        self.data.with_mut(|data| unsafe { *data += 1 });
    }

    fn data(&self) -> u32 {
        // SAFETY: the caller holds the role, or everybody has ended.
        self.data.with(|data| unsafe { *data })
    }
}

impl Repair for Guarded {
    fn bury(&self, dead: &Dead<'_>) {
        self.role.bury(dead);
    }

    fn wake_all(&self) {
        self.role.wake_all();
    }
}

#[derive(Default)]
struct Story {
    /// Lanes that were given the role and have not begun to leave it.
    inside: Vec<usize>,
    heirs: u32,
    fresh: u32,
    finished: u32,
}

fn in_turn(world: &mut World, lanes: usize) {
    let scene = Scene::in_world(world, lanes, Guarded::new());
    let story = Arc::new(Notes::<Story>::default());
    let mut told = scene.object.role.deaths();
    for (lane, name) in NAMES.iter().enumerate().take(lanes) {
        let (scene, story) = (Arc::clone(&scene), Arc::clone(&story));
        world.thread(name, move || {
            let guarded = &scene.object;
            let (hold, predecessor) =
                guarded.role.claim(&scene.caller(lane), OBJECT, None).expect("a claim without deadline");
            {
                let mut story = story.lock();
                match predecessor {
                    Predecessor::Died => {
                        story.inside.clear();
                        story.heirs += 1;
                    }
                    Predecessor::Closed => verify!(story.inside.is_empty(), "two hold the role"),
                    Predecessor::None => {
                        verify!(story.inside.is_empty(), "two hold the role");
                        story.fresh += 1;
                    }
                }
                story.inside.push(lane);
            }
            guarded.add_one();
            story.lock().inside.clear();
            guarded.role.leave(hold);
            story.lock().finished += 1;
        });
    }
    world.finally(move || {
        let story = story.lock();
        let role = &scene.object.role;
        // Who is killed between the swing and this note was first, too.
        verify!(story.fresh <= 1, "two were first");
        verify!(scene.object.data() >= story.finished);
        // A peer that looks only now: told of the deaths in the role once, whoever came after.
        let died_last = role.presence() == Presence::Gone(Departure::Died);
        let news = told.news(role.look(), IfGone::Wait);
        verify_eq!(news.is_some(), story.heirs > 0 || died_last, "heirs and peer disagree");
        verify_eq!(told.news(role.look(), IfGone::Wait), None, "told twice");
        verify!(story.inside.is_empty() || died_last, "a death in the role went unnoticed");
        let state = if died_last { Departure::Died } else { Departure::Closed };
        verify_eq!(told.news(role.look(), IfGone::Fail), Some(state));
    });
}

/// A thread that ends repairs what it leaves, in its own name; until then it can be killed.
fn thread_ends_holding(world: &mut World) {
    let scene = Scene::in_world(world, 2, Guarded::new());
    let ending = Arc::clone(&scene);
    world.thread("ends", move || {
        let guarded = &ending.object;
        // It does not leave the role.
        let _ = guarded.role.claim(&ending.caller(0), OBJECT, None).expect("a claim without deadline");
        guarded.add_one();
        ending.end_of_thread(0);
    });
    world.thread("B", move || {
        let guarded = &scene.object;
        let (hold, predecessor) = guarded.role.claim(&scene.caller(1), OBJECT, None).expect("a claim without deadline");
        let before = guarded.data();
        verify!(before == 0 || (before == 1 && predecessor == Predecessor::Died), "{before} after {predecessor:?}");
        guarded.add_one();
        guarded.role.leave(hold);
    });
}

fn timed(world: &mut World) {
    let scene = Scene::in_world(world, 3, Guarded::new());
    for lane in 0..3 {
        let scene = Arc::clone(&scene);
        world.thread(["A", "timed", "C"][lane], move || {
            let guarded = &scene.object;
            let deadline = (lane == 1).then(|| Deadline::at_monotonic_ns(1));
            match guarded.role.claim(&scene.caller(lane), OBJECT, deadline) {
                Ok((hold, _)) => {
                    guarded.add_one();
                    guarded.role.leave(hold);
                }
                Err(error) => verify!(error == ClaimError::TimedOut && lane == 1),
            }
        });
    }
    world.finally(move || {
        verify!(scene.object.data() >= 2, "who has no deadline gets the role");
        verify_eq!(scene.object.role.presence(), Presence::Gone(Departure::Closed));
    });
}

fn alone(world: &mut World) {
    let scene = Scene::in_world(world, 2, Guarded::new());
    let holder = Arc::clone(&scene);
    world.thread("frozen", move || {
        let guarded = &holder.object;
        let (hold, _) = guarded.role.claim(&holder.caller(0), OBJECT, None).expect("a claim without deadline");
        guarded.add_one();
        guarded.role.leave(hold);
    });
    world.thread("alone", move || {
        let role = &scene.object.role;
        for _ in 0..2 {
            match role.try_claim(scene.slot(1)) {
                Ok((hold, _)) => {
                    verify_eq!(role.presence(), Presence::Held(Some(scene.slot(1))));
                    verify_eq!(role.try_claim(scene.slot(1)).err(), Some(ClaimError::WouldBlock));
                    verify_eq!(role.claim(&scene.caller(1), OBJECT, None).err(), Some(ClaimError::HeldByCaller));
                    role.leave(hold);
                }
                Err(error) => verify_eq!(error, ClaimError::WouldBlock),
            }
        }
    });
}

//! Models of `primitives/ends.rs`.

use crate::scene::Scene;
use crate::verify;
use crate::world::{Bounds, Faults, Model, World};
use selvedge::primitives::RawEnds;
use selvedge::primitives::ends::End::{Receivers, Senders};
use selvedge::primitives::undertaker::{Dead, Repair};
use selvedge::sync::Cell;
use std::sync::Arc;

pub(super) const MODELS: &[Model] = &[
    Model {
        name: "ends/who_sees_it_gone_sees_what_was_done",
        properties: "P2 G1",
        client: "2 processes × (write, leave), 1 looks whether they are gone, and reads",
        build: last_words,
        faults: Faults::NONE,
        bounds: Bounds { plain: Some(2), faulty: Some(1) },
    },
    Model {
        name: "ends/handing_over_leaves_no_gap",
        properties: "P2",
        client: "1 process × (join, and then another leaves), 1 looks whether they are gone",
        build: handing_over,
        faults: Faults::NONE,
        bounds: Bounds { plain: Some(2), faulty: Some(1) },
    },
    Model {
        name: "ends/who_has_come_is_there",
        properties: "P2",
        client: "1 process × join where nobody is left, 1 looks whether they are gone",
        build: newcomer,
        faults: Faults::NONE,
        bounds: Bounds { plain: Some(2), faulty: Some(1) },
    },
    Model {
        name: "ends/who_dies_is_gone",
        properties: "P2 F1 G1 G4",
        client: "1 process × (join, write, leave), killed anywhere, the undertaker too, 1 looks whether it is gone, and reads",
        build: killed,
        faults: Faults { victims: &[0], second_death: true, ..Faults::NONE },
        bounds: Bounds { plain: Some(2), faulty: Some(1) },
    },
    Model {
        name: "ends/a_look_ends_alone",
        properties: "G3 G6",
        client: "1 process × 2 (join, leave), frozen anywhere, 1 looks whether it is gone",
        build: alone,
        faults: Faults { frozen: &[0], solo_steps: 20, ..Faults::NONE },
        bounds: Bounds { plain: Some(2), faulty: Some(1) },
    },
];

/// A process whose bit is in the other word than those of the lanes.
const FAR: usize = 70;

/// Ends, and what processes did before they left.
struct Ends {
    ends: RawEnds,
    done: [Cell<u32>; 2],
}

impl Ends {
    fn new() -> Self {
        Self { ends: RawEnds::new(), done: [Cell::new(0), Cell::new(0)] }
    }

    fn act(&self, lane: usize) {
        // SAFETY: nobody reads it before the process is gone, as the engine checks.
        self.done[lane].with_mut(|done| unsafe { *done = 7 });
    }

    fn seen(&self, lane: usize) -> u32 {
        // SAFETY: as above.
        self.done[lane].with(|done| unsafe { *done })
    }
}

impl Repair for Ends {
    fn bury(&self, dead: &Dead<'_>) {
        self.ends.bury(dead);
    }

    fn wake_all(&self) {}
}

fn last_words(world: &mut World) {
    let scene = Scene::in_world(world, 3, Ends::new());
    let places = [0, FAR];
    places.iter().for_each(|process| scene.object.ends.join(Senders, *process));
    for (lane, name) in ["one", "other"].iter().enumerate() {
        let scene = Arc::clone(&scene);
        world.thread(name, move || {
            scene.object.act(lane);
            scene.object.ends.leave(Senders, places[lane]);
        });
    }
    let looks = Arc::clone(&scene);
    world.thread("looks", move || {
        if looks.object.ends.gone(Senders).is_some() {
            verify!((0..2).all(|lane| looks.object.seen(lane) == 7), "gone, and what it did is not seen");
        }
        verify!(looks.object.ends.gone(Receivers).is_none(), "nobody has been there");
    });
    world.finally(move || verify!(scene.object.ends.gone(Senders).is_some(), "nobody is there"));
}

fn handing_over(world: &mut World) {
    let scene = Scene::in_world(world, 2, Ends::new());
    scene.object.ends.join(Senders, FAR);
    let hands_over = Arc::clone(&scene);
    world.thread("hands over", move || {
        hands_over.object.ends.join(Senders, 0);
        hands_over.object.ends.leave(Senders, FAR);
    });
    world.thread("looks", move || verify!(scene.object.ends.gone(Senders).is_none(), "somebody always is there"));
}

fn newcomer(world: &mut World) {
    let scene = Scene::in_world(world, 2, Ends::new());
    scene.object.ends.join(Senders, FAR);
    scene.object.ends.leave(Senders, FAR);
    let before = scene.object.ends.gone(Senders);
    verify!(before.is_some(), "nobody is there");
    let comes = Arc::clone(&scene);
    world.thread("comes", move || comes.object.ends.join(Senders, 0));
    let looks = Arc::clone(&scene);
    world.thread("looks", move || {
        let found = looks.object.ends.gone(Senders);
        verify!(found.is_none() || found == before, "whoever came since is there");
    });
    world.finally(move || verify!(scene.object.ends.gone(Senders).is_none(), "somebody has come"));
}

fn killed(world: &mut World) {
    let scene = Scene::in_world(world, 2, Ends::new());
    let comes = Arc::clone(&scene);
    world.thread("comes and goes", move || {
        comes.object.ends.join(Receivers, 0);
        comes.object.act(0);
        comes.object.ends.leave(Receivers, 0);
    });
    let looks = Arc::clone(&scene);
    world.thread("looks", move || {
        if looks.object.ends.gone(Receivers).is_some() {
            // 0 if it died before it wrote.
            verify!([0, 7].contains(&looks.object.seen(0)));
        }
    });
    world.finally(move || verify!(scene.object.ends.present(Receivers).next().is_none(), "the dead still are there"));
}

fn alone(world: &mut World) {
    let scene = Scene::in_world(world, 2, Ends::new());
    scene.object.ends.join(Senders, FAR);
    scene.object.ends.leave(Senders, FAR);
    let first = scene.object.ends.gone(Senders);
    let busy = Arc::clone(&scene);
    world.thread("comes and goes", move || {
        for _ in 0..2 {
            busy.object.ends.join(Senders, 0);
            busy.object.ends.leave(Senders, 0);
        }
    });
    world.thread("looks", move || {
        let found = scene.object.ends.gone(Senders);
        let later = scene.object.ends.gone(Senders);
        verify!(found.is_none() || found == first || later != first, "one absence was taken for an earlier one");
    });
}

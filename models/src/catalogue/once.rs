//! Models of `primitives/once.rs`.

use crate::scene::{Notes, OBJECT, Scene};
use crate::world::{Bounds, Faults, Model, World};
use crate::{verify, verify_eq};
use selvedge::primitives::RawOnce;
use selvedge::primitives::once::{OnceError, Turn};
use selvedge::primitives::undertaker::{Dead, Repair};
use selvedge::sync::{Cell, Deadline};
use std::sync::Arc;

pub(super) const MODELS: &[Model] = &[
    Model {
        name: "once/one_initialises_all_see_it",
        properties: "M1 G1 G2",
        client: "3 processes × begin, whoever has the turn writes and finishes",
        build: |world| comers(world, 3, 0),
        faults: Faults { lifo: true, spurious: true, ..Faults::NONE },
        bounds: Bounds { plain: Some(2), faulty: Some(1) },
    },
    Model {
        name: "once/initialiser_dies_another_takes_over",
        properties: "M4 M5 F1 G1 G2 G4",
        client: "2 processes × begin, one of them or both killed, the undertaker too",
        build: |world| comers(world, 2, 0),
        faults: Faults { victims: &[0, 1], pairs: &[(0, 1)], second_death: true, ..Faults::NONE },
        bounds: Bounds { plain: Some(2), faulty: Some(0) },
    },
    Model {
        name: "once/who_gives_up_passes_the_turn_on",
        properties: "G1 G2",
        client: "2 processes × begin, the first to have the turn gives it up",
        build: |world| comers(world, 2, 1),
        faults: Faults::NONE,
        bounds: Bounds { plain: Some(2), faulty: None },
    },
    Model {
        name: "once/timed_begin_leaves_no_trace",
        properties: "G3",
        client: "1 process × begin and finish, 1 × timed begin, 1 × begin",
        build: timed,
        faults: Faults { timeouts: true, ..Faults::NONE },
        bounds: Bounds { plain: Some(2), faulty: Some(1) },
    },
    Model {
        name: "once/try_begin_ends_alone",
        properties: "G3 G6",
        client: "1 process × begin and finish, frozen anywhere, 1 × try_begin",
        build: alone,
        faults: Faults { frozen: &[0], solo_steps: 40, ..Faults::NONE },
        bounds: Bounds { plain: Some(3), faulty: Some(3) },
    },
];

/// What is to be initialised: two cells that are equal when it is done.
struct Config {
    once: RawOnce,
    cells: [Cell<u32>; 2],
}

impl Config {
    fn new() -> Self {
        Self { once: RawOnce::new(), cells: [Cell::new(0), Cell::new(0)] }
    }

    fn cells(&self) -> [u32; 2] {
        // SAFETY: the caller has the turn, or it is done; the engine reports it if that excludes nobody.
        self.cells.each_ref().map(|cell| cell.with(|value| unsafe { *value }))
    }

    fn write(&self, value: u32) {
        for cell in &self.cells {
            // SAFETY: as above.
            cell.with_mut(|cell| unsafe { *cell = value });
        }
    }

    /// What whoever has the turn does.
    fn initialise(&self, turn: Turn) {
        match turn {
            Turn::Done => {}
            Turn::First => verify_eq!(self.cells(), [0, 0], "somebody has begun"),
            // Half of it may be there.
            Turn::Again => self.write(0),
        }
        if turn != Turn::Done {
            self.write(7);
            self.once.finish();
        }
        verify!(self.once.is_done());
        verify_eq!(self.cells(), [7, 7]);
    }
}

impl Repair for Config {
    fn bury(&self, dead: &Dead<'_>) {
        self.once.bury(dead);
    }

    fn wake_all(&self) {
        self.once.wake_all();
    }
}

fn comers(world: &mut World, count: usize, to_give_up: u32) {
    let scene = Scene::in_world(world, count, Config::new());
    let given_up = Arc::new(Notes::<u32>::default());
    for lane in 0..count {
        let (scene, given_up) = (Arc::clone(&scene), Arc::clone(&given_up));
        world.thread(["A", "B", "C"][lane], move || {
            let config = &scene.object;
            let mut turn = config.once.begin(&scene.caller(lane), OBJECT, None).expect("a begin without deadline");
            let gives_up = turn == Turn::First && to_give_up > 0;
            if gives_up {
                config.write(3);
                *given_up.lock() += 1;
                config.once.give_up();
                turn = config.once.begin(&scene.caller(lane), OBJECT, None).expect("a begin without deadline");
            }
            verify!(!gives_up || turn != Turn::First, "whoever gave up has begun");
            config.initialise(turn);
        });
    }
    world.finally(move || {
        verify!(*given_up.lock() == to_give_up);
        // With both dead there may be nobody who finished it; but then it can be begun again.
        let config = &scene.object;
        let turn = config.once.begin(&scene.caller(count), OBJECT, None).expect("nobody has the turn");
        config.initialise(turn);
    });
}

fn timed(world: &mut World) {
    let scene = Scene::in_world(world, 3, Config::new());
    for lane in 0..3 {
        let scene = Arc::clone(&scene);
        world.thread(["A", "B", "impatient"][lane], move || {
            let config = &scene.object;
            let deadline = (lane == 2).then_some(Deadline::at_monotonic_ns(1));
            match config.once.begin(&scene.caller(lane), OBJECT, deadline) {
                Ok(turn) => config.initialise(turn),
                Err(error) => verify_eq!((error, lane), (OnceError::TimedOut, 2)),
            }
        });
    }
    world.finally(move || verify_eq!(scene.object.cells(), [7, 7]));
}

fn alone(world: &mut World) {
    let scene = Scene::in_world(world, 2, Config::new());
    let holder = Arc::clone(&scene);
    world.thread("frozen", move || {
        let turn = holder.object.once.begin(&holder.caller(0), OBJECT, None).expect("a begin without deadline");
        holder.object.initialise(turn);
    });
    world.thread("alone", move || match scene.object.once.try_begin(&scene.caller(1)) {
        Ok(turn) => scene.object.initialise(turn),
        Err(error) => verify_eq!(error, OnceError::WouldBlock),
    });
}

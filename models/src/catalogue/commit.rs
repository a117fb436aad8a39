//! Models of `primitives/commit.rs`.

use super::mailbox::Place;
use super::messages::message;
use crate::last_resort::{END, told};
use crate::scene::{OBJECT, Scene};
use crate::world::{Bounds, Faults, Model, World};
use crate::{verify, verify_eq};
use selvedge::primitives::RawQueue;
use selvedge::primitives::commit::RawCommit;
use selvedge::primitives::queue::Delivery;
use selvedge::primitives::undertaker::{Dead, Repair};
use selvedge::sync::Cell;
use std::sync::Arc;

pub(super) const MODELS: &[Model] = &[
    Model {
        name: "commit/two_change_it",
        properties: "E1 M1 M3",
        client: "2 processes × change",
        build: |world| changed(world, 2),
        faults: Faults { lifo: true, ..Faults::NONE },
        bounds: Bounds { plain: Some(2), faulty: Some(1) },
    },
    Model {
        name: "commit/one_dies_it_is_the_old_or_the_new",
        properties: "E1 M4 M5 F1 G4",
        client: "2 processes × change, either killed or both, the undertaker too",
        build: |world| changed(world, 2),
        faults: Faults { victims: &[0, 1], pairs: &[(0, 1)], second_death: true, ..Faults::NONE },
        bounds: Bounds { plain: Some(2), faulty: Some(0) },
    },
    Model {
        name: "commit/abandoned_it_is_the_old",
        properties: "E1",
        client: "1 process × (begin, write, abandon, change), 1 × change",
        build: abandoned,
        faults: Faults::NONE,
        bounds: Bounds { plain: Some(2), faulty: None },
    },
    Model {
        name: "commit/a_message_takes_effect_once",
        properties: "E1 P7 F1 G4",
        client: "2 processes × (receive, change unless it was, acknowledge), the first killed anywhere, the undertaker too, 1 message there, at least once",
        build: once,
        faults: Faults { victims: &[0], second_death: true, ..Faults::NONE },
        bounds: Bounds { plain: Some(0), faulty: Some(0) },
    },
];

/// A value of two parts, which are the same in a value that is whole; and its copies.
struct Value {
    control: RawCommit,
    copies: [Cell<[u32; 2]>; 2],
}

impl Value {
    fn new() -> Self {
        Self { control: RawCommit::new(), copies: [Cell::new([0; 2]), Cell::new([0; 2])] }
    }

    fn read(&self, copy: usize) -> u32 {
        // SAFETY: of who has begun a change; the engine reports it if somebody else writes.
        let [one, other] = self.copies[copy].with(|copy| unsafe { *copy });
        verify_eq!(one, other, "a torn value");
        one
    }

    /// In two steps.
    fn write(&self, copy: usize, value: u32) {
        for part in 0..2 {
            // SAFETY: as above.
            self.copies[copy].with_mut(|copy| unsafe { (*copy)[part] = value });
        }
    }
}

impl Repair for Value {
    fn bury(&self, dead: &Dead<'_>) {
        self.control.bury(dead);
    }

    fn wake_all(&self) {
        self.control.wake_all();
    }
}

/// Makes it one more; returns what it was.
fn change(scene: &Scene<Value>, lane: usize) -> u32 {
    let Value { control, .. } = &scene.object;
    let change = control.begin(&scene.caller(lane), OBJECT, None).expect("nobody keeps it");
    let before = scene.object.read(change.current());
    scene.object.write(change.other(), before + 1);
    control.commit(change);
    before
}

fn changed(world: &mut World, lanes: usize) {
    let scene = Scene::in_world(world, lanes, Value::new());
    let before = Arc::new(crate::scene::Notes::<Vec<u32>>::default());
    for (lane, name) in ["one", "other"].into_iter().enumerate().take(lanes) {
        let (scene, before) = (Arc::clone(&scene), Arc::clone(&before));
        world.thread(name, move || {
            let was = change(&scene, lane);
            before.lock().push(was);
        });
    }
    world.finally(move || {
        let mut all = before.lock().clone();
        all.sort_unstable();
        all.dedup();
        verify_eq!(all.len(), before.lock().len(), "two changed the same");
        let changes = scene.object.control.changes();
        let current = usize::from(changes & 1 != 0);
        verify_eq!(scene.object.read(current), changes, "a change is there that did not take place, or half of one");
        verify!(before.lock().iter().all(|was| *was < changes), "a change was lost");
    });
}

fn abandoned(world: &mut World) {
    let scene = Scene::in_world(world, 2, Value::new());
    let gives_up = Arc::clone(&scene);
    world.thread("gives up", move || {
        let Value { control, .. } = &gives_up.object;
        let first = control.begin(&gives_up.caller(0), OBJECT, None).expect("nobody keeps it");
        gives_up.object.write(first.other(), 7);
        control.abandon(first);
        change(&gives_up, 0);
    });
    world.thread("changes it", {
        let scene = Arc::clone(&scene);
        move || _ = change(&scene, 1)
    });
    world.finally(move || {
        verify_eq!(scene.object.control.changes(), 2);
        verify_eq!(scene.object.read(0), 2, "what was given up has taken place");
    });
}

/// A mailbox, and the value that its message changes.
struct Both {
    mailbox: Place<RawQueue>,
    value: Value,
}

impl Repair for Both {
    fn bury(&self, dead: &Dead<'_>) {
        self.mailbox.bury(dead);
        self.value.bury(dead);
    }

    fn wake_all(&self) {
        self.mailbox.wake_all();
        self.value.wake_all();
    }
}

/// The value is how many messages have taken effect, by which each is known that has.
fn once(world: &mut World) {
    let both = Both { mailbox: Place::shared(1, Delivery::AtLeastOnce), value: Value::new() };
    let scene = Scene::in_world(world, 2, both);
    let channel = scene.object.mailbox.mailbox().channel();
    let filled = channel.try_buffer(scene.slot(1)).expect("it is free");
    scene.object.mailbox.write(filled, message(0, 0));
    verify_eq!(channel.try_send(scene.table(), filled), Ok(()), "there is space");
    for (lane, name) in ["dies", "lives"].into_iter().enumerate() {
        let scene = Arc::clone(&scene);
        world.thread(name, move || {
            let Both { mailbox, value } = &scene.object;
            let channel = mailbox.mailbox().channel();
            let Ok(taken) = told(|| channel.receive(&scene.caller(lane), OBJECT, END)) else { return };
            let change = value.control.begin(&scene.caller(lane), OBJECT, None).expect("nobody keeps it");
            let before = value.read(change.current());
            if before == 0 {
                value.write(change.other(), 1);
                value.control.commit(change);
            } else {
                value.control.abandon(change);
            }
            verify_eq!(mailbox.finish(taken.buffer), message(0, 0));
        });
    }
    world.finally(move || {
        let Both { mailbox, value } = &scene.object;
        verify_eq!(mailbox.mailbox().channel().pool().in_use(), 0, "it is there still");
        verify_eq!((value.control.changes(), value.read(1)), (1, 1), "it has taken effect once");
    });
}

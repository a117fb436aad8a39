//! Models of `primitives/pool/annexes.rs`, and of long messages in mailboxes.

use super::mailbox::Place;
use super::messages::message;
use crate::last_resort::{END, told};
use crate::scene::{Notes, OBJECT, Scene};
use crate::world::{Bounds, Faults, Model, World};
use crate::{verify, verify_eq};
use selvedge::primitives::RawPool;
use selvedge::primitives::RawQueue;
use selvedge::primitives::channel::{ChannelError, Needs, Sending};
use selvedge::primitives::pool::{Annexes, Pool};
use selvedge::primitives::queue::Delivery;
use selvedge::primitives::select::select;
use selvedge::primitives::undertaker::{Dead, Repair};
use selvedge::sync::{AtomicU64, Cell};
use std::sync::Arc;

pub(super) const MODELS: &[Model] = &[
    Model {
        name: "pool/annex_is_had_by_one",
        properties: "P8 G1",
        client: "2 processes × (take, claim, write, give back), 2 buffers, 1 annex",
        build: claimers,
        faults: Faults::NONE,
        bounds: Bounds { plain: Some(2), faulty: None },
    },
    Model {
        name: "pool/annex_that_is_left_is_had_by_one",
        properties: "P8 G1",
        client: "1 process × (write, give back), 2 × (claim, write), 3 buffers, 1 annex",
        build: two_want_it,
        faults: Faults::NONE,
        bounds: Bounds { plain: Some(2), faulty: None },
    },
    Model {
        name: "pool/annex_that_is_claimed_again_is_not_taken_away",
        properties: "P8 G1",
        client: "1 process × (write, give back, take, claim, write), 1 × (claim, write), 2 buffers, 1 annex",
        build: again,
        faults: Faults::NONE,
        bounds: Bounds { plain: Some(2), faulty: None },
    },
    Model {
        name: "pool/annex_that_was_shed_is_done_with",
        properties: "P8 G1",
        client: "1 process × (write, give back), 1 × take, 1 × (claim, write), 2 buffers, 1 annex",
        build: done_with,
        faults: Faults::NONE,
        bounds: Bounds { plain: Some(2), faulty: None },
    },
    Model {
        name: "pool/annex_that_is_free_is_found",
        properties: "P8 G1",
        client: "1 process × (give back, take, claim), 1 × claim, 3 buffers, 2 annexes: it cannot find none",
        build: one_is_free,
        faults: Faults::NONE,
        bounds: Bounds { plain: Some(2), faulty: None },
    },
    Model {
        name: "pool/annex_left_with_a_buffer_is_told_of",
        properties: "P8 G2",
        client: "1 process × (take what another left, keep it), 1 × (wait, claim), 2 buffers, 1 annex",
        build: left,
        faults: Faults { spurious: true, ..Faults::NONE },
        bounds: Bounds { plain: Some(2), faulty: Some(1) },
    },
    Model {
        name: "pool/annex_that_is_waited_for_costs_nobody_a_wake",
        properties: "P8 G2",
        client: "1 process × (wait, take), 1 × (wait, claim) in vain, 1 × give back another buffer, 3 buffers, 1 annex",
        build: apart,
        faults: Faults { lifo: true, ..Faults::NONE },
        bounds: Bounds { plain: Some(1), faulty: Some(0) },
    },
    Model {
        name: "pool/annex_of_the_dead_is_free",
        properties: "P8 F1 G1 G2 G4",
        client: "1 process × (write, give back), killed anywhere, the undertaker too, 1 × (wait, claim, write), 2 buffers, 1 annex",
        build: dies,
        faults: Faults { victims: &[0], second_death: true, ..Faults::NONE },
        bounds: Bounds { plain: Some(1), faulty: Some(0) },
    },
    Model {
        name: "pool/annex_left_with_a_buffer_of_the_dead_is_free",
        properties: "P8 F1 G2 G4",
        client: "1 process × (take what another left, keep it), killed anywhere, 1 × (wait, claim), 2 buffers, 1 annex",
        build: left,
        faults: Faults { victims: &[0], ..Faults::NONE },
        bounds: Bounds { plain: Some(1), faulty: Some(0) },
    },
    Model {
        name: "mailbox/long_messages_arrive_whole",
        properties: "P1 P8 G2",
        client: "1 process × 2 sends of a long message, 1 × 2 receives, 1 annex",
        build: whole,
        faults: Faults::NONE,
        bounds: Bounds { plain: Some(1), faulty: None },
    },
    Model {
        name: "mailbox/long_message_is_the_receivers_once_it_is_sent",
        properties: "P8 F1 G2 G4",
        client: "1 process × send of a long message, killed anywhere, 1 × (receive, wait, claim)",
        build: sender_dies,
        faults: Faults { victims: &[0], ..Faults::NONE },
        bounds: Bounds { plain: Some(1), faulty: Some(0) },
    },
    Model {
        name: "mailbox/long_message_not_finished_is_there_again",
        properties: "P7 P8 F1 G4",
        client: "1 process × receive of a long message, killed anywhere, 1 × (claim in vain, receive), at least once",
        build: not_finished,
        faults: Faults { victims: &[0], ..Faults::NONE },
        bounds: Bounds { plain: Some(1), faulty: Some(0) },
    },
    Model {
        name: "select/long_message_waits_for_an_annex",
        properties: "X1 P8 G2",
        client: "1 process selects: send of a long message, 1 × (read one, give it back), 1 annex",
        build: selected,
        faults: Faults { lifo: true, no_wake_edge: true, spurious: true, ..Faults::NONE },
        bounds: Bounds { plain: Some(2), faulty: Some(1) },
    },
    Model {
        name: "select/long_message_waits_for_an_annex_of_the_dead",
        properties: "X1 P8 F1 G2 G4",
        client: "1 process selects: send of a long message, 1 × (read one, give it back), killed anywhere, the undertaker too, 1 annex",
        build: selected,
        faults: Faults { victims: &[1], second_death: true, ..Faults::NONE },
        bounds: Bounds { plain: Some(1), faulty: Some(0) },
    },
    Model {
        name: "select/long_message_costs_nobody_a_wake",
        properties: "X1 P8 G2",
        client: "1 process waits for a buffer, 1 selects: send of a long message, in vain, 1 × give back a buffer, 1 annex",
        build: selected_in_vain,
        faults: Faults { lifo: true, ..Faults::NONE },
        bounds: Bounds { plain: Some(1), faulty: Some(0) },
    },
];

const LONG: Needs = Needs { annex: true, is_memory: false };

/// A pool with annexes, and what is in those.
struct Store {
    control: RawPool,
    buffers: Vec<AtomicU64>,
    annexes: Vec<AtomicU64>,
    content: Vec<Cell<u32>>,
}

impl Store {
    fn new(buffers: usize, annexes: usize) -> Self {
        Self {
            control: RawPool::new(),
            buffers: (0..buffers).map(|_| RawPool::buffer()).collect(),
            annexes: (0..annexes).map(|_| Annexes::word()).collect(),
            content: (0..annexes).map(|_| Cell::new(0)).collect(),
        }
    }

    fn pool(&self) -> Pool<'_> {
        self.control.with(&self.buffers)
    }

    fn annexes(&self) -> Annexes<'_> {
        Annexes::new(&self.annexes, self.pool())
    }

    fn take(&self, scene: &Scene<Self>, lane: usize) -> usize {
        let buffer = self.pool().try_take(scene.slot(lane)).expect("there are enough");
        self.annexes().shed(buffer);
        buffer
    }

    /// As a channel does.
    fn claim(&self, scene: &Scene<Self>, lane: usize, buffer: usize) -> usize {
        let attempt = || self.annexes().try_claim(buffer).ok_or(ChannelError::WouldBlock);
        let claimed = self.annexes().until(&scene.caller(lane), OBJECT, None, attempt);
        claimed.expect("a claim without deadline")
    }

    fn write(&self, annex: usize) {
        // SAFETY: the caller has it; the engine reports it if somebody else has it, too.
        self.content[annex].with_mut(|content| unsafe { *content += 1 });
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

/// Claims one and writes there, if one is free.
fn try_write(scene: &Scene<Store>, buffer: usize) -> bool {
    let store = &scene.object;
    let claimed = store.annexes().try_claim(buffer);
    if let Some(annex) = claimed {
        store.write(annex);
        verify!(store.annexes().belongs(annex, buffer), "it was taken away");
    }
    claimed.is_some()
}

fn claimers(world: &mut World) {
    let scene = Scene::in_world(world, 2, Store::new(2, 1));
    for (lane, name) in ["A", "B"].into_iter().enumerate() {
        let scene = Arc::clone(&scene);
        world.thread(name, move || {
            let buffer = scene.object.take(&scene, lane);
            try_write(&scene, buffer);
            scene.object.pool().give_back(buffer);
        });
    }
    world.finally(move || verify_eq!(scene.object.annexes().in_use(), 0, "an annex was lost"));
}

/// Lane 0 has a buffer and its annex.
fn held(world: &mut World, lanes: usize, buffers: usize) -> (Arc<Scene<Store>>, usize) {
    let scene = Scene::in_world(world, lanes, Store::new(buffers, 1));
    let buffer = scene.object.take(&scene, 0);
    verify_eq!(scene.object.annexes().try_claim(buffer), Some(0));
    (scene, buffer)
}

/// What it had is free, and two find it so.
fn two_want_it(world: &mut World) {
    let (scene, buffer) = held(world, 3, 3);
    let gives = Arc::clone(&scene);
    world.thread("gives back", move || {
        gives.object.write(0);
        gives.object.pool().give_back(buffer);
    });
    for (lane, name) in [(1, "wants it"), (2, "wants it, too")] {
        let scene = Arc::clone(&scene);
        let own = scene.object.take(&scene, lane);
        world.thread(name, move || {
            try_write(&scene, own);
        });
    }
}

/// Who frees it for others has not written there.
fn done_with(world: &mut World) {
    let (scene, buffer) = held(world, 3, 2);
    let own = scene.object.take(&scene, 1);
    let gives = Arc::clone(&scene);
    world.thread("gives back", move || {
        gives.object.write(0);
        gives.object.pool().give_back(buffer);
    });
    let takes = Arc::clone(&scene);
    world.thread("takes", move || {
        if let Some(taken) = takes.object.pool().try_take(takes.slot(2)) {
            takes.object.annexes().shed(taken);
        }
    });
    world.thread("wants it", move || {
        try_write(&scene, own);
    });
}

/// It has the same again, while another thinks it free.
fn again(world: &mut World) {
    let (scene, buffer) = held(world, 2, 2);
    let own = scene.object.take(&scene, 1);
    let has = Arc::clone(&scene);
    let got = Arc::new(Notes::<Vec<bool>>::default());
    let by_other = Arc::clone(&got);
    world.thread("has it again", move || {
        has.object.write(0);
        has.object.pool().give_back(buffer);
        verify_eq!(has.object.take(&has, 0), buffer, "no other is free");
        let has_it = try_write(&has, buffer);
        by_other.lock().push(has_it);
    });
    let other = Arc::clone(&scene);
    let by_this = Arc::clone(&got);
    world.thread("wants it", move || {
        let has_it = try_write(&other, own);
        by_this.lock().push(has_it);
    });
    world.finally(move || {
        verify!(got.lock().contains(&true), "one of them has it");
        verify_eq!(scene.object.annexes().in_use(), 1);
    });
}

/// One process has one annex at most, now this one, now that one.
fn one_is_free(world: &mut World) {
    let scene = Scene::in_world(world, 2, Store::new(3, 2));
    let buffer = scene.object.take(&scene, 0);
    verify!(scene.object.annexes().try_claim(buffer).is_some(), "all are free");
    let own = scene.object.take(&scene, 1);
    let other = Arc::clone(&scene);
    world.thread("changes", move || {
        other.object.pool().give_back(buffer);
        let buffer = other.object.take(&other, 0);
        verify!(other.object.annexes().try_claim(buffer).is_some(), "the other has one at most");
    });
    world.thread("claims", move || {
        verify!(scene.object.annexes().try_claim(own).is_some(), "there always is a free one");
    });
}

/// A buffer was given back, with its annex; whoever takes it next needs none.
fn left(world: &mut World) {
    let scene = Scene::in_world(world, 2, Store::new(2, 1));
    let own = scene.object.take(&scene, 1);
    let left = scene.object.take(&scene, 0);
    verify_eq!(scene.object.annexes().try_claim(left), Some(0));
    scene.object.write(0);
    scene.object.pool().give_back(left);
    let keeps = Arc::clone(&scene);
    world.thread("keeps", move || {
        verify_eq!(keeps.object.take(&keeps, 0), left, "no other is free");
    });
    world.thread("claims", move || {
        verify_eq!(scene.object.claim(&scene, 1, own), 0);
        scene.object.write(0);
    });
}

/// A buffer is given back while one waits for any, and another for an annex, which stays in use.
fn apart(world: &mut World) {
    let (scene, _) = held(world, 3, 3);
    let own = scene.object.take(&scene, 1);
    let short = scene.object.take(&scene, 2);
    let takes = Arc::clone(&scene);
    world.thread("takes", move || {
        let taken = takes.object.pool().take(&takes.caller(0), OBJECT, None);
        verify_eq!(taken, Some(short), "no other is free");
    });
    let claims = Arc::clone(&scene);
    world.thread("claims", move || {
        let (store, caller) = (&claims.object, claims.caller(1));
        let attempt = || store.annexes().try_claim(own).ok_or(ChannelError::WouldBlock);
        let claimed = told(|| store.annexes().until(&caller, OBJECT, END, attempt));
        verify_eq!(claimed, Err(ChannelError::TimedOut), "it is in use");
    });
    world.thread("gives back", move || scene.object.pool().give_back(short));
}

fn dies(world: &mut World) {
    let (scene, buffer) = held(world, 2, 2);
    let own = scene.object.take(&scene, 1);
    let dies = Arc::clone(&scene);
    world.thread("dies", move || {
        dies.object.write(0);
        dies.object.pool().give_back(buffer);
    });
    world.thread("lives", move || {
        verify_eq!(scene.object.claim(&scene, 1, own), 0);
        scene.object.write(0);
        verify_eq!(scene.object.annexes().in_use(), 1);
    });
}

impl Place<RawQueue> {
    /// A long message in a buffer and its annex.
    fn long_message(&self, scene: &Scene<Self>, number: usize, buffer: usize, annex: usize) {
        let content = message(number, 0);
        // SAFETY: the lane has it; the engine reports it if somebody else has it, too.
        self.long(buffer, annex).with_mut(|place| unsafe { *place = content });
        self.write(buffer, u32::try_from(annex).expect("small"));
        verify_eq!(self.mailbox().channel().try_send(scene.table(), buffer), Ok(()), "there is space");
    }

    /// What a long message says, in a buffer that the lane has.
    fn read_long(&self, buffer: usize) -> u32 {
        let annex = self.read(buffer);
        // SAFETY: as above.
        self.long(buffer, annex as usize).with(|place| unsafe { *place })
    }
}

fn whole(world: &mut World) {
    let scene = Scene::in_world(world, 2, Place::shared(2, Delivery::AtMostOnce).with_annexes(1));
    let buffers = [0, 1].map(|_| scene.object.mailbox().channel().try_buffer(scene.slot(0)).expect("there are enough"));
    let sends = Arc::clone(&scene);
    world.thread("sends", move || {
        for (number, buffer) in buffers.into_iter().enumerate() {
            let annex = sends.object.mailbox().channel().annex(&sends.caller(0), OBJECT, buffer, None);
            sends.object.long_message(&sends, number, buffer, annex.expect("a claim without deadline"));
        }
    });
    world.thread("receives", move || {
        let channel = scene.object.mailbox().channel();
        for number in 0..2 {
            let taken = channel.receive(&scene.caller(1), OBJECT, None).expect("two are sent");
            verify_eq!(scene.object.read_long(taken.buffer), message(number, 0));
            channel.give_back(taken.buffer);
        }
    });
}

/// Somebody waits for the annex of a message that was sent or not.
fn sender_dies(world: &mut World) {
    let scene = Scene::in_world(world, 2, Place::shared(2, Delivery::AtMostOnce).with_annexes(1));
    let channel = scene.object.mailbox().channel();
    let own = channel.try_buffer(scene.slot(1)).expect("there are enough");
    let buffer = channel.try_buffer(scene.slot(0)).expect("there are enough");
    verify_eq!(channel.try_annex(buffer), Ok(0));
    let sends = Arc::clone(&scene);
    world.thread("sends", move || sends.object.long_message(&sends, 0, buffer, 0));
    world.thread("waits", move || {
        let channel = scene.object.mailbox().channel();
        if let Ok(taken) = told(|| channel.receive(&scene.caller(1), OBJECT, END)) {
            verify_eq!(scene.object.read_long(taken.buffer), message(0, 0));
            channel.give_back(taken.buffer);
        }
        let annex = channel.annex(&scene.caller(1), OBJECT, own, None);
        verify_eq!(annex, Ok(0), "it was received, or its sender died");
        scene.object.long_message(&scene, 1, own, 0);
    });
}

/// Whoever received it first does not finish.
fn not_finished(world: &mut World) {
    let scene = Scene::in_world(world, 2, Place::shared(1, Delivery::AtLeastOnce).with_annexes(1));
    let channel = scene.object.mailbox().channel();
    let own = channel.try_buffer(scene.slot(1)).expect("there are enough");
    let buffer = channel.try_buffer(scene.slot(1)).expect("there are enough");
    verify_eq!(channel.try_annex(buffer), Ok(0));
    scene.object.long_message(&scene, 1, buffer, 0);
    let receives = Arc::clone(&scene);
    world.thread("receives", move || {
        let channel = receives.object.mailbox().channel();
        if let Ok(taken) = channel.try_receive(receives.table(), receives.slot(0)) {
            verify_eq!(receives.object.read_long(taken.buffer), message(1, 0));
            channel.put_back(taken.buffer);
        }
    });
    world.thread("lives", move || {
        let channel = scene.object.mailbox().channel();
        verify_eq!(channel.try_annex(own), Err(ChannelError::WouldBlock), "its message is not finished");
        let taken = told(|| channel.receive(&scene.caller(1), OBJECT, END));
        let taken = taken.expect("nobody has finished it");
        verify_eq!(scene.object.read_long(taken.buffer), message(1, 0));
        channel.give_back(taken.buffer);
        verify_eq!(channel.try_annex(own), Ok(0), "its message is finished");
    });
}

/// A mailbox in which a long message lies, with the only annex.
fn occupied(world: &mut World, lanes: usize) -> Arc<Scene<Place<RawQueue>>> {
    let scene = Scene::in_world(world, lanes, Place::shared(2, Delivery::AtMostOnce).with_annexes(1));
    let channel = scene.object.mailbox().channel();
    let buffer = channel.try_buffer(scene.slot(0)).expect("there are enough");
    verify_eq!(channel.try_annex(buffer), Ok(0));
    scene.object.long_message(&scene, 0, buffer, 0);
    scene
}

/// The annex is free when the message in it was read, or whoever has it dies.
fn selected(world: &mut World) {
    let scene = occupied(world, 2);
    let selects = Arc::clone(&scene);
    world.thread("selects", move || {
        let place = &selects.object;
        let fill = |buffer, annex: Option<usize>| {
            let annex = annex.expect("it needs one");
            // SAFETY: the lane has it; the engine reports it if somebody else has it, too.
            place.long(buffer, annex).with_mut(|content| unsafe { *content = message(1, 0) });
            place.write(buffer, u32::try_from(annex).expect("small"));
        };
        let mut sends = Sending::new(place.mailbox().channel(), selects.table(), selects.slot(0), LONG, fill);
        let done = select(&selects.caller(0), &mut [&mut sends], 0, None);
        verify_eq!((done, sends.answer()), (Some(0), Some(Ok(()))));
    });
    let reads = Arc::clone(&scene);
    let taken = scene.object.mailbox().channel().try_receive(scene.table(), scene.slot(1)).expect("one is there");
    world.thread("reads", move || {
        verify_eq!(reads.object.read_long(taken.buffer), message(0, 0));
        reads.object.mailbox().channel().give_back(taken.buffer);
    });
    world.finally(move || {
        let channel = scene.object.mailbox().channel();
        let mut last = None;
        while let Ok(taken) = channel.try_receive(scene.table(), scene.slot(0)) {
            last = Some(scene.object.read_long(taken.buffer));
            channel.give_back(taken.buffer);
        }
        verify_eq!(last, Some(message(1, 0)), "it was sent");
        verify!(scene.object.mailbox().channel().try_buffer(scene.slot(0)).is_ok(), "all came home");
    });
}

/// The annex stays in use. Of the buffers one is free, and one comes back.
fn selected_in_vain(world: &mut World) {
    let scene = occupied(world, 3);
    let channel = scene.object.mailbox().channel();
    let short = channel.try_buffer(scene.slot(2)).expect("there are enough");
    let takes = Arc::clone(&scene);
    world.thread("takes", move || {
        let channel = takes.object.mailbox().channel();
        verify!(told(|| channel.buffer(&takes.caller(0), OBJECT, END)).is_ok(), "there are two");
    });
    let selects = Arc::clone(&scene);
    world.thread("selects", move || {
        let channel = selects.object.mailbox().channel();
        let fill = |_, _| verify!(false, "there is no annex");
        let mut sends = Sending::new(channel, selects.table(), selects.slot(1), LONG, fill);
        let done = select(&selects.caller(1), &mut [&mut sends], 0, END);
        verify_eq!(done, None, "the annex is in use to the end");
    });
    world.thread("gives back", move || scene.object.mailbox().channel().pool().give_back(short));
}

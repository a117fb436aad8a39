//! Models of `primitives/channel/space.rs`: who watches for space is told of it, and costs nobody a wake.

use super::channel::{Way, joined};
use super::messages::message;
use crate::last_resort::{END, told};
use crate::scene::{Notes, OBJECT, Scene};
use crate::world::{Bounds, Faults, Model, World};
use crate::{verify, verify_eq};
use selvedge::primitives::RawQueue;
use selvedge::primitives::channel::{ChannelError, RawLine, Space};
use selvedge::primitives::ends::End::{Receivers, Senders};
use selvedge::primitives::select::select;
use std::sync::Arc;

pub(super) const MODELS: &[Model] = &[
    Model {
        name: "channel/space_in_the_line_is_told",
        properties: "X1 G2",
        client: "1 process × (try_send until it is sent, watching for space), 1 × receive, capacity 1, full",
        build: in_the_line,
        faults: Faults { lifo: true, spurious: true, ..Faults::NONE },
        bounds: Bounds { plain: Some(1), faulty: Some(0) },
    },
    Model {
        name: "channel/space_for_want_of_a_buffer_is_told",
        properties: "X1 G2",
        client: "1 process × (try_send until it is sent, watching for space), 1 × (give back a buffer, and another), capacity 1",
        build: in_the_pool,
        faults: Faults { lifo: true, spurious: true, ..Faults::NONE },
        bounds: Bounds { plain: Some(1), faulty: Some(0) },
    },
    Model {
        name: "channel/space_is_of_both_at_once",
        properties: "X1 G2",
        client: "1 process watches for space, 1 × (take the last buffer, receive, give back both), capacity 1, full",
        build: of_both,
        faults: Faults { lifo: true, ..Faults::NONE },
        bounds: Bounds { plain: Some(1), faulty: Some(0) },
    },
    Model {
        name: "channel/who_watches_for_space_costs_nobody_a_wake",
        properties: "X1 G2",
        client: "1 process × send, 1 watches for space, 1 × receive, capacity 1, full",
        build: beside_who_sends,
        faults: Faults { lifo: true, ..Faults::NONE },
        bounds: Bounds { plain: Some(0), faulty: Some(0) },
    },
    Model {
        name: "channel/who_watches_for_space_costs_nobody_a_buffer",
        properties: "X1 G2",
        client: "1 process takes a buffer, 1 watches for space, 1 gives one back, capacity 1",
        build: beside_who_wants_a_buffer,
        faults: Faults { lifo: true, ..Faults::NONE },
        bounds: Bounds { plain: Some(0), faulty: Some(0) },
    },
    Model {
        name: "channel/space_is_where_somebody_waits",
        properties: "X1 Z1 G2",
        client: "1 process × (try_send until it is sent, watching for space), 1 × receive, capacity 0",
        build: where_nothing_lies,
        faults: Faults { lifo: true, ..Faults::NONE },
        bounds: Bounds { plain: Some(1), faulty: Some(0) },
    },
    Model {
        name: "channel/receiver_dies_who_watches_for_space_is_told",
        properties: "X1 P2 F1 G2 G4",
        client: "1 process watches for space, 1 × receive, killed anywhere, the undertaker too, capacity 1, full",
        build: |world| receiver_dies(world, false),
        faults: Faults { victims: &[1], second_death: true, ..Faults::NONE },
        bounds: Bounds { plain: Some(1), faulty: Some(0) },
    },
    Model {
        name: "channel/one_who_receives_dies_space_is_told",
        properties: "X1 F1 G2 G4",
        client: "1 process watches for space, 1 × receive, killed anywhere, another could receive, capacity 1, full",
        build: |world| receiver_dies(world, true),
        faults: Faults { victims: &[1], ..Faults::NONE },
        bounds: Bounds { plain: Some(1), faulty: Some(0) },
    },
];

/// Beside the lanes' own.
const OTHER: usize = 5;

/// Waits until there may be space.
fn watch<L: RawLine + Send + Sync + 'static>(scene: &Scene<Way<L>>, lane: usize) -> bool {
    let mut space = Space::new(scene.object.channel(), scene.table(), scene.slot(lane));
    told(|| select(&scene.caller(lane), &mut [&mut space], 0, END).ok_or(())).is_ok()
}

/// Sends without waiting, but for space.
fn send_when_there_is_space<L: RawLine + Send + Sync + 'static>(scene: &Scene<Way<L>>, lane: usize, number: u32) {
    let way = &scene.object;
    loop {
        if let Ok(buffer) = way.channel().try_buffer(scene.slot(lane)) {
            way.put(buffer, number);
            match way.channel().try_send(scene.table(), buffer) {
                Ok(()) => return,
                Err(why) => verify_eq!(why, ChannelError::WouldBlock),
            }
            way.channel().pool().give_back(buffer);
        }
        verify!(watch(scene, lane), "there is space, and nobody told it");
    }
}

/// One of capacity 1, with both ends joined by lane 0 as sender and lane 1 as receiver.
fn bounded(world: &mut World, lanes: usize) -> Arc<Scene<Way<RawQueue>>> {
    let scene = Scene::in_world(world, lanes, Way::bounded(1));
    scene.object.channel().join(Senders, 0);
    scene.object.channel().join(Receivers, 1);
    scene
}

/// One that is full.
fn full(world: &mut World, lanes: usize) -> Arc<Scene<Way<RawQueue>>> {
    let scene = bounded(world, lanes);
    let filled = scene.object.fill(&scene, 0, message(0, 0));
    verify_eq!(scene.object.send(&scene, 0, filled, None), Ok(()), "there is space");
    scene
}

fn in_the_line(world: &mut World) {
    let scene = full(world, 2);
    let sends = Arc::clone(&scene);
    world.thread("sends", move || send_when_there_is_space(&sends, 0, message(0, 1)));
    let receives = Arc::clone(&scene);
    world.thread("receives", move || verify_eq!(receives.object.receive(&receives, 1, None), Ok(message(0, 0))));
    world.finally(move || verify_eq!(scene.object.receive(&scene, 1, None), Ok(message(0, 1))));
}

fn in_the_pool(world: &mut World) {
    let scene = bounded(world, 2);
    let taken: Vec<usize> = std::iter::from_fn(|| scene.object.channel().try_buffer(scene.slot(1)).ok()).collect();
    let sends = Arc::clone(&scene);
    world.thread("sends", move || send_when_there_is_space(&sends, 0, message(0, 1)));
    let gives = Arc::clone(&scene);
    world.thread("gives back", move || taken[..2].iter().for_each(|one| gives.object.channel().pool().give_back(*one)));
    world.finally(move || verify_eq!(scene.object.receive(&scene, 1, None), Ok(message(0, 1))));
}

/// Room in the line comes when no buffer is free any more, and then one is.
fn of_both(world: &mut World) {
    let scene = full(world, 2);
    let channel = scene.object.channel();
    let mut taken: Vec<usize> = std::iter::from_fn(|| channel.try_buffer(scene.slot(1)).ok()).collect();
    let last = taken.pop().expect("there are several");
    channel.pool().give_back(last);
    let watches = Arc::clone(&scene);
    world.thread("watches", move || verify!(watch(&watches, 0), "there is space, and nobody told it"));
    world.thread("takes and receives", move || {
        let way = &scene.object;
        let last = way.channel().try_buffer(scene.slot(1)).expect("nobody else takes one");
        let received = way.channel().try_receive(scene.table(), scene.slot(1)).expect("it is there");
        way.channel().pool().give_back(last);
        verify_eq!(way.finish(received), message(0, 0));
    });
}

fn beside_who_sends(world: &mut World) {
    let scene = full(world, 3);
    let filled = scene.object.fill(&scene, 0, message(0, 1));
    let sends = Arc::clone(&scene);
    // First: it is the one that could be robbed.
    world.thread("sends", move || {
        let sent = told(|| sends.object.send(&sends, 0, filled, END));
        verify_eq!(sent, Ok(()), "there is space, and nobody told it");
    });
    let receives = Arc::clone(&scene);
    world.thread("receives", move || verify_eq!(receives.object.receive(&receives, 1, None), Ok(message(0, 0))));
    // Of space that is there for a moment it need not hear.
    world.thread("watches", move || _ = watch(&scene, 2));
}

fn beside_who_wants_a_buffer(world: &mut World) {
    let scene = bounded(world, 3);
    let taken: Vec<usize> = std::iter::from_fn(|| scene.object.channel().try_buffer(scene.slot(1)).ok()).collect();
    let wants = Arc::clone(&scene);
    // First: as above.
    world.thread("wants a buffer", move || {
        let buffer = told(|| wants.object.channel().buffer(&wants.caller(0), OBJECT, END));
        verify!(buffer.is_ok(), "one is free, and nobody told it");
    });
    let gives = Arc::clone(&scene);
    world.thread("gives back", move || gives.object.channel().pool().give_back(taken[0]));
    world.thread("watches", move || _ = watch(&scene, 2));
}

fn where_nothing_lies(world: &mut World) {
    let scene = joined(world, Way::rendezvous());
    let sends = Arc::clone(&scene);
    world.thread("sends", move || send_when_there_is_space(&sends, 0, message(0, 1)));
    world.thread("receives", move || verify_eq!(scene.object.receive(&scene, 1, None), Ok(message(0, 1))));
}

/// Of the space, or of the end, if nobody else could receive.
fn receiver_dies(world: &mut World, has_another: bool) {
    let scene = full(world, 2);
    if has_another {
        scene.object.channel().join(Receivers, OTHER);
    }
    let lives = Arc::new(Notes::<bool>::default());
    let (watches, done) = (Arc::clone(&scene), Arc::clone(&lives));
    world.thread("watches", move || {
        let is_told = watch(&watches, 0);
        // Who dies before it receives leaves it full.
        verify!(is_told || (has_another && !*done.lock()), "there is space, or an end, and nobody told it");
    });
    world.thread("receives", move || {
        verify_eq!(scene.object.receive(&scene, 1, None), Ok(message(0, 0)));
        *lives.lock() = true;
    });
}

//! Models of `primitives/rendezvous.rs`.

use super::messages::{held_by, message};
use crate::last_resort::{END, told};
use crate::scene::{Notes, OBJECT, Scene};
use crate::world::{Bounds, Faults, Model, World};
use crate::{verify, verify_eq};
use selvedge::primitives::rendezvous::{Rendezvous, RendezvousError, Seen};
use selvedge::primitives::undertaker::{Dead, Repair};
use selvedge::primitives::{RawRendezvous, ThreadSlot};
use selvedge::sync::{AtomicU32, AtomicU64, Cell, Deadline, LIFE_DIED, Ordering};
use std::sync::Arc;

pub(super) const MODELS: &[Model] = &[
    Model {
        name: "rendezvous/they_meet",
        properties: "Z1 Z3 G1 G2",
        client: "1 process × send, 1 × receive",
        build: |world| clients(world, &[1], &[1]),
        faults: Faults { lifo: true, no_wake_edge: true, spurious: true, ..Faults::NONE },
        bounds: Bounds { plain: Some(1), faulty: Some(0) },
    },
    Model {
        name: "rendezvous/they_meet_twice",
        properties: "Z1 Z3 Q1 G1 G2",
        client: "1 process × 2 sends, 1 × 2 receives",
        build: |world| clients(world, &[2], &[2]),
        faults: Faults::NONE,
        bounds: Bounds { plain: Some(0), faulty: None },
    },
    Model {
        name: "rendezvous/two_senders",
        properties: "Z1 Z3 G1 G2",
        client: "2 processes × send, 1 × 2 receives",
        build: |world| clients(world, &[1, 1], &[2]),
        faults: Faults { lifo: true, ..Faults::NONE },
        bounds: Bounds { plain: Some(0), faulty: None },
    },
    Model {
        name: "rendezvous/two_receivers",
        properties: "Z1 Z3 G1 G2",
        client: "1 process × 2 sends, 2 × receive",
        build: |world| clients(world, &[2], &[1, 1]),
        faults: Faults { lifo: true, ..Faults::NONE },
        bounds: Bounds { plain: Some(0), faulty: None },
    },
    Model {
        name: "rendezvous/sender_gives_up",
        properties: "Z1 Z2 Z3 G3",
        client: "1 process × timed send, 1 × receive",
        build: |world| giving_up(world, Some(Deadline::at_monotonic_ns(1)), END),
        faults: Faults { timeouts: true, ..Faults::NONE },
        bounds: Bounds { plain: Some(1), faulty: Some(0) },
    },
    Model {
        name: "rendezvous/receiver_gives_up",
        properties: "Z1 Z2 Z3 G3",
        client: "1 process × send, 1 × timed receive",
        build: |world| giving_up(world, END, Some(Deadline::at_monotonic_ns(1))),
        faults: Faults { timeouts: true, ..Faults::NONE },
        bounds: Bounds { plain: Some(1), faulty: Some(0) },
    },
    Model {
        name: "rendezvous/sender_dies",
        properties: "Z2 Z3 F1 G1 G2 G4",
        client: "1 process × send, killed, the undertaker too, 1 × receive",
        build: |world| giving_up(world, None, END),
        faults: Faults { victims: &[0], second_death: true, ..Faults::NONE },
        bounds: Bounds { plain: Some(0), faulty: Some(0) },
    },
    Model {
        name: "rendezvous/sender_dies_nobody_receives",
        properties: "Z2 Z3 G4",
        client: "1 process × send, killed, 1 × try_receive",
        build: nobody_receives,
        faults: Faults { victims: &[0], ..Faults::NONE },
        bounds: Bounds { plain: Some(0), faulty: Some(0) },
    },
    Model {
        name: "rendezvous/receiver_dies",
        properties: "Z2 Z3 F1 G1 G2 G4",
        client: "1 process × send, 1 × receive, killed, the undertaker too",
        build: |world| giving_up(world, END, None),
        faults: Faults { victims: &[1], second_death: true, ..Faults::NONE },
        bounds: Bounds { plain: Some(0), faulty: Some(0) },
    },
    Model {
        name: "rendezvous/sender_dies_another_comes",
        properties: "Z2 Z3 F1 G2 G4",
        client: "1 process × send, killed, 1 × send, 1 × receive",
        build: another_sender,
        faults: Faults { victims: &[0], ..Faults::NONE },
        bounds: Bounds { plain: Some(0), faulty: Some(0) },
    },
    Model {
        name: "rendezvous/nobody_gives_to_the_dead",
        properties: "Z1 Z2 G4",
        client: "1 process × receive, killed, 1 × try_send once it may have seen that",
        build: given_to_the_dead,
        faults: Faults { victims: &[0], ..Faults::NONE },
        bounds: Bounds { plain: Some(0), faulty: Some(1) },
    },
    Model {
        name: "rendezvous/receiver_dies_another_comes",
        properties: "Z2 Z3 F1 G2 G4",
        client: "1 process × 2 sends, 1 × receive, killed, 1 × 2 receives",
        build: another_receiver,
        faults: Faults { victims: &[1], ..Faults::NONE },
        bounds: Bounds { plain: Some(0), faulty: Some(0) },
    },
    Model {
        name: "rendezvous/both_die",
        properties: "Z3 G4",
        client: "1 process × send and 1 × receive, both killed",
        build: |world| giving_up(world, END, END),
        faults: Faults { pairs: &[(0, 1)], ..Faults::NONE },
        bounds: Bounds { plain: Some(0), faulty: Some(0) },
    },
    Model {
        name: "rendezvous/late_helper_takes_nobodys_buffer",
        properties: "Z3 Q6 G1",
        client: "1 process × (send, take the buffer again), 1 × try_receive, 1 × try_receive that may help, 1 buffer",
        build: late_helper,
        faults: Faults::NONE,
        bounds: Bounds { plain: Some(0), faulty: None },
    },
    Model {
        name: "rendezvous/try_calls_end_alone",
        properties: "G3 G6 Z1",
        client: "1 process × send or receive, frozen anywhere, 1 × (try_send, try_receive)",
        build: alone,
        faults: Faults { frozen: &[0, 1], solo_steps: 60, ..Faults::NONE },
        bounds: Bounds { plain: Some(0), faulty: Some(0) },
    },
];

const NAMES: [&str; 4] = ["A", "B", "C", "D"];

/// A rendezvous with its buffers, two cells each; and how many receives have begun.
struct Place {
    control: RawRendezvous,
    buffers: Vec<AtomicU64>,
    content: Vec<Cell<[u32; 2]>>,
    begun: AtomicU32,
}

impl Place {
    fn new(buffers: usize) -> Self {
        Self {
            control: RawRendezvous::new(),
            buffers: (0..buffers).map(|_| AtomicU64::new(0)).collect(),
            content: (0..buffers).map(|_| Cell::new([0; 2])).collect(),
            begun: AtomicU32::new(0),
        }
    }

    fn rendezvous(&self) -> Rendezvous<'_> {
        self.control.with(&self.buffers)
    }

    fn fill(&self, scene: &Scene<Self>, lane: usize, message: u32) -> usize {
        let buffer = self.rendezvous().pool().try_take(scene.slot(lane)).expect("there is a spare one");
        // SAFETY: the lane has the buffer; the engine reports it if somebody else has it, too.
        self.content[buffer].with_mut(|content| unsafe { (*content)[0] = message });
        // SAFETY: as above.
        self.content[buffer].with_mut(|content| unsafe { (*content)[1] = message });
        buffer
    }

    /// Whether the message has passed; if not, the buffer is given back.
    fn send(&self, scene: &Scene<Self>, lane: usize, message: u32, deadline: Option<Deadline>) -> bool {
        let buffer = self.fill(scene, lane, message);
        match told(|| self.rendezvous().send(&scene.caller(lane), OBJECT, buffer, deadline)) {
            Ok(()) => {
                // Relaxed: that a receive has begun comes before, by the rendezvous.
                verify!(self.begun.load(Ordering::Relaxed) > 0, "it has passed, and nobody receives");
                true
            }
            Err(error) => {
                verify!(error == RendezvousError::TimedOut && deadline.is_some());
                self.rendezvous().pool().give_back(buffer);
                false
            }
        }
    }

    fn finish(&self, buffer: usize, by: ThreadSlot) -> u32 {
        // Relaxed: whoever has the buffer alone changes its word.
        let word = || self.buffers[buffer].load(Ordering::Relaxed);
        let received = word();
        verify_eq!(held_by(received), Some(by), "it has the message and does not see so");
        // SAFETY: as in fill.
        let [one, other] = self.content[buffer].with(|content| unsafe { *content });
        verify_eq!(one, other, "a torn message");
        verify_eq!(word(), received, "it was taken away while it was read");
        self.rendezvous().pool().give_back(buffer);
        one
    }

    fn receive(&self, scene: &Scene<Self>, lane: usize, deadline: Option<Deadline>) -> Option<u32> {
        // Relaxed: see send.
        self.begun.fetch_add(1, Ordering::Relaxed);
        match told(|| self.rendezvous().receive(&scene.caller(lane), OBJECT, deadline)) {
            Ok(buffer) => Some(self.finish(buffer, scene.slot(lane))),
            Err(error) => {
                verify!(error == RendezvousError::TimedOut && deadline.is_some());
                None
            }
        }
    }
}

impl Repair for Place {
    fn bury(&self, dead: &Dead<'_>) {
        self.rendezvous().bury(dead);
    }

    fn wake_all(&self) {
        self.rendezvous().wake_all();
    }
}

/// What holds when all have ended, the dead included.
fn nothing_is_left(scene: &Scene<Place>) {
    let rendezvous = scene.object.rendezvous();
    verify_eq!(rendezvous.seen(), Seen::Nobody, "somebody stands in the way who is gone");
    verify_eq!(
        rendezvous.try_receive(scene.table(), scene.slot(0)),
        Err(RendezvousError::WouldBlock),
        "a message was left behind"
    );
    verify_eq!(rendezvous.pool().in_use(), 0, "a buffer was lost");
    let buffer = scene.object.fill(scene, 0, 0);
    verify_eq!(
        rendezvous.try_send(scene.table(), buffer),
        Err(RendezvousError::WouldBlock),
        "a request was left behind"
    );
    rendezvous.pool().give_back(buffer);
}

fn clients(world: &mut World, sends: &'static [usize], receives: &'static [usize]) {
    let lanes = sends.len() + receives.len();
    let scene = Scene::in_world(world, lanes, Place::new(lanes));
    let got = Arc::new(Notes::<Vec<u32>>::default());
    for (lane, name) in NAMES.iter().enumerate().take(lanes) {
        let (scene, got) = (Arc::clone(&scene), Arc::clone(&got));
        world.thread(name, move || match sends.get(lane) {
            Some(count) => {
                (0..*count).for_each(|number| {
                    scene.object.send(&scene, lane, message(lane, number), None);
                });
            }
            None => (0..receives[lane - sends.len()]).for_each(|_| {
                let received = scene.object.receive(&scene, lane, None);
                got.lock().extend(received);
            }),
        });
    }
    world.finally(move || {
        let mut got = got.lock().clone();
        got.sort_unstable();
        let sent = sends.iter().enumerate().flat_map(|(lane, count)| (0..*count).map(move |n| message(lane, n)));
        verify_eq!(got, sent.collect::<Vec<_>>());
        nothing_is_left(&scene);
    });
}

/// One sends, one receives, and either may give up, or be killed: both know whether the message has passed.
fn giving_up(world: &mut World, sends: Option<Deadline>, receives: Option<Deadline>) {
    let scene = Scene::in_world(world, 2, Place::new(2));
    let notes = Arc::new(Notes::<(Option<bool>, Option<bool>)>::default());
    // Who waits as long as it takes for somebody who is killed or gives up would wait for ever: it waits until the end.
    let (sender, by_sender) = (Arc::clone(&scene), Arc::clone(&notes));
    world.thread("sender", move || {
        let sent = sender.object.send(&sender, 0, message(0, 0), sends.or(END));
        by_sender.lock().0 = Some(sent);
    });
    let (receiver, by_receiver) = (Arc::clone(&scene), Arc::clone(&notes));
    world.thread("receiver", move || {
        let received = receiver.object.receive(&receiver, 1, receives.or(END)).is_some();
        by_receiver.lock().1 = Some(received);
    });
    world.finally(move || {
        // Who is killed may have sent, or received.
        if let (Some(sent), Some(received)) = *notes.lock() {
            verify_eq!(sent, received, "they disagree whether it has passed");
        }
        nothing_is_left(&scene);
    });
}

/// Only the undertaker, or the sender itself, can take the offer away, unless somebody happens to look in.
fn nobody_receives(world: &mut World) {
    let scene = Scene::in_world(world, 2, Place::new(2));
    let sender = Arc::clone(&scene);
    world.thread("victim", move || {
        sender.object.send(&sender, 0, message(0, 0), END);
    });
    let passing = Arc::clone(&scene);
    world.thread("passer-by", move || {
        passing.object.begun.fetch_add(1, Ordering::Relaxed);
        if let Ok(buffer) = passing.object.rendezvous().try_receive(passing.table(), passing.slot(1)) {
            verify_eq!(passing.object.finish(buffer, passing.slot(1)), message(0, 0));
        }
    });
    world.finally(move || nothing_is_left(&scene));
}

/// Who begins to send when the receiver is known to be dead cannot have sent to it.
fn given_to_the_dead(world: &mut World) {
    let scene = Scene::in_world(world, 2, Place::new(2));
    let victim = Arc::clone(&scene);
    world.thread("victim", move || _ = victim.object.receive(&victim, 0, END));
    let sender = Arc::clone(&scene);
    world.thread("sender", move || {
        let life = &sender.table().thread(sender.slot(0)).expect("a slot").life;
        let is_dead = life.word().load(Ordering::Relaxed) & LIFE_DIED != 0;
        let buffer = sender.object.fill(&sender, 1, message(1, 0));
        let rendezvous = sender.object.rendezvous();
        let passed = rendezvous.try_send(sender.table(), buffer);
        verify!(!is_dead || passed.is_err(), "a message was given to the dead");
        if passed.is_err() {
            rendezvous.pool().give_back(buffer);
        }
    });
    world.finally(move || nothing_is_left(&scene));
}

fn another_sender(world: &mut World) {
    let scene = Scene::in_world(world, 3, Place::new(3));
    let received = Arc::new(Notes::<Vec<u32>>::default());
    for lane in 0..2 {
        let scene = Arc::clone(&scene);
        world.thread(["victim", "sender"][lane], move || {
            scene.object.send(&scene, lane, message(lane, 0), END);
        });
    }
    let (receiver, by_receiver) = (Arc::clone(&scene), Arc::clone(&received));
    // As long as it takes: somebody who lives sends.
    world.thread("receiver", move || {
        let got = receiver.object.receive(&receiver, 2, None);
        by_receiver.lock().extend(got);
    });
    world.finally(move || {
        verify_eq!(received.lock().len(), 1);
        nothing_is_left(&scene);
    });
}

fn another_receiver(world: &mut World) {
    let scene = Scene::in_world(world, 3, Place::new(3));
    let received = Arc::new(Notes::<Vec<u32>>::default());
    let sender = Arc::clone(&scene);
    // As long as it takes: one who lives receives twice.
    world.thread("sender", move || {
        (0..2).for_each(|number| {
            sender.object.send(&sender, 0, message(0, number), None);
        });
    });
    for (lane, name, times) in [(1, "victim", 1), (2, "receiver", 2)] {
        let (scene, received) = (Arc::clone(&scene), Arc::clone(&received));
        world.thread(name, move || {
            for _ in 0..times {
                let got = scene.object.receive(&scene, lane, END);
                received.lock().extend(got);
            }
        });
    }
    world.finally(move || {
        let mut got = received.lock().clone();
        got.sort_unstable();
        got.dedup();
        verify_eq!(got.len(), received.lock().len(), "a message was received twice");
        nothing_is_left(&scene);
    });
}

fn alone(world: &mut World) {
    let scene = Scene::in_world(world, 3, Place::new(3));
    for lane in 0..2 {
        let scene = Arc::clone(&scene);
        world.thread(["sends", "receives"][lane], move || {
            if lane == 0 {
                scene.object.send(&scene, lane, message(lane, 0), END);
            } else {
                scene.object.receive(&scene, lane, END);
            }
        });
    }
    world.thread("tries", move || {
        let rendezvous = scene.object.rendezvous();
        let buffer = scene.object.fill(&scene, 2, message(2, 0));
        if rendezvous.try_send(scene.table(), buffer).is_err() {
            rendezvous.pool().give_back(buffer);
        }
        scene.object.begun.fetch_add(1, Ordering::Relaxed);
        if let Ok(buffer) = rendezvous.try_receive(scene.table(), scene.slot(2)) {
            verify_eq!(scene.object.finish(buffer, scene.slot(2)), message(0, 0));
        }
    });
}

/// Whoever comes by when a message has passed names the receiver in its buffer, and may be slow at it.
fn late_helper(world: &mut World) {
    let scene = Scene::in_world(world, 3, Place::new(1));
    let took_again = Arc::new(Notes::<bool>::default());
    let (sender, by_sender) = (Arc::clone(&scene), Arc::clone(&took_again));
    world.thread("sender", move || {
        if sender.object.send(&sender, 0, message(0, 0), END) {
            *by_sender.lock() = sender.object.rendezvous().pool().try_take(sender.slot(0)).is_some();
        }
    });
    for lane in 1..=2 {
        let scene = Arc::clone(&scene);
        world.thread(["", "receiver", "passer-by"][lane], move || {
            scene.object.begun.fetch_add(1, Ordering::Relaxed);
            if let Ok(buffer) = scene.object.rendezvous().try_receive(scene.table(), scene.slot(lane)) {
                verify_eq!(scene.object.finish(buffer, scene.slot(lane)), message(0, 0));
            }
        });
    }
    world.finally(move || {
        let owner = took_again.lock().then(|| scene.slot(0));
        verify_eq!(scene.object.rendezvous().pool().owner(0), owner, "the buffer is another's than who took it");
    });
}

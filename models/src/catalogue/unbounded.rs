//! Models of `primitives/unbounded.rs`.

use super::messages::{Got, check, held_by, message};
use crate::last_resort::{END, told};
use crate::scene::{OBJECT, Scene};
use crate::world::{Bounds, Faults, Model, World};
use crate::{verify, verify_eq};
use selvedge::primitives::queue::Delivery;
use selvedge::primitives::unbounded::{TakeError, Unbounded};
use selvedge::primitives::undertaker::{Dead, Repair};
use selvedge::primitives::{RawUnbounded, ThreadSlot};
use selvedge::sync::{AtomicU64, Cell, Deadline, Ordering};
use std::sync::Arc;

pub(super) const MODELS: &[Model] = &[
    Model {
        name: "unbounded/one_sends_one_receives",
        properties: "U1 U2 Q1 Q3 G1 G2",
        client: "1 process × 2 sends, 1 × 2 receives, 3 nodes",
        build: |world| clients(world, 3, &[2], &[2]),
        faults: Faults { lifo: true, no_wake_edge: true, spurious: true, ..Faults::NONE },
        bounds: Bounds { plain: Some(1), faulty: Some(0) },
    },
    Model {
        name: "unbounded/two_senders",
        properties: "U1 U2 Q1 Q3 G1 G2",
        client: "2 processes × send, 1 × 2 receives, 3 nodes",
        build: |world| clients(world, 3, &[1, 1], &[2]),
        faults: Faults { lifo: true, ..Faults::NONE },
        bounds: Bounds { plain: Some(0), faulty: None },
    },
    Model {
        name: "unbounded/two_receivers",
        properties: "U1 U2 Q1 Q3 G1 G2",
        client: "1 process × 2 sends, 2 × receive, 3 nodes",
        build: |world| clients(world, 3, &[2], &[1, 1]),
        faults: Faults { lifo: true, ..Faults::NONE },
        bounds: Bounds { plain: Some(0), faulty: None },
    },
    Model {
        name: "unbounded/nodes_are_used_again",
        properties: "U1 U2 Q1 G1",
        client: "2 processes × 2 × (try_send, try_receive), 3 nodes: neither can find it empty",
        build: |world| never_empty(world, 2),
        faults: Faults::NONE,
        bounds: Bounds { plain: Some(0), faulty: None },
    },
    Model {
        name: "unbounded/empty_is_no_excuse",
        properties: "U1 Q1 G3 G6",
        client: "2 processes × (try_send, try_receive), 3 nodes: neither can find it empty",
        build: |world| never_empty(world, 1),
        faults: Faults { frozen: &[0], solo_steps: 120, ..Faults::NONE },
        bounds: Bounds { plain: Some(0), faulty: Some(0) },
    },
    Model {
        name: "unbounded/sender_dies_alone",
        properties: "U2 Q3 Q6 G4",
        client: "1 process × 2 sends, killed, the undertaker too, 3 nodes",
        build: |world| survivors(world, 3, &[2], &[]),
        faults: Faults { victims: &[0], second_death: true, ..Faults::NONE },
        bounds: Bounds { plain: Some(0), faulty: Some(0) },
    },
    Model {
        name: "unbounded/sender_dies_after_another_use",
        properties: "U2 Q6 G4",
        client: "nodes that were used before, 1 process × 2 sends, killed, 3 nodes",
        build: after_another_use,
        faults: Faults { victims: &[0], ..Faults::NONE },
        bounds: Bounds { plain: Some(0), faulty: Some(0) },
    },
    Model {
        name: "unbounded/sender_dies_with_a_node_that_had_a_link",
        properties: "U2 Q6 G4",
        client: "1 process × send, killed, of a node that was linked to one that another process has, 3 nodes",
        build: a_back_of_before,
        faults: Faults { victims: &[0], second_death: true, ..Faults::NONE },
        bounds: Bounds { plain: Some(0), faulty: Some(0) },
    },
    Model {
        name: "unbounded/first_node_is_used_again",
        properties: "U1 U2 Q1 Q3 G1",
        client: "1 process × send, 1 × (receive, try_send), 2 nodes",
        build: first_again,
        faults: Faults::NONE,
        bounds: Bounds { plain: Some(1), faulty: None },
    },
    Model {
        name: "unbounded/there_always_is_a_free_one",
        properties: "U1 G1",
        client: "1 process × (send, receive, take a node), 1 × take a node, 3 nodes: it cannot find none",
        build: one_is_free,
        faults: Faults::NONE,
        bounds: Bounds { plain: Some(2), faulty: None },
    },
    Model {
        name: "unbounded/late_link",
        properties: "U1 U2 Q1 Q3",
        client: "1 process × (send, try_receive), 1 × (send, try_receive, send), 3 nodes: neither can find it empty",
        build: late_link,
        faults: Faults::NONE,
        bounds: Bounds { plain: Some(1), faulty: None },
    },
    Model {
        name: "unbounded/late_receiver_is_not_led_astray",
        properties: "U2 Q1 Q6 G1",
        client: "1 process × 3 (send, receive as somebody else), 1 × try_receive, 2 nodes",
        build: |world| late(world, false),
        faults: Faults::NONE,
        bounds: Bounds { plain: Some(0), faulty: None },
    },
    Model {
        name: "unbounded/late_sender_is_not_led_astray",
        properties: "U2 Q1 Q6 G1",
        client: "1 process × 3 (send, receive as somebody else), 1 × send, 3 nodes",
        build: |world| late(world, true),
        faults: Faults::NONE,
        bounds: Bounds { plain: Some(1), faulty: None },
    },
    Model {
        name: "unbounded/thread_ends_with_a_message",
        properties: "U2 Q5 Q6 F1 G1",
        client: "2 messages, 1 thread × (receive, regular end), killed anywhere, 1 process × (receive, take a node), 3 nodes",
        build: ends_with_a_message,
        faults: Faults { victims: &[0], ..Faults::NONE },
        bounds: Bounds { plain: Some(1), faulty: Some(0) },
    },
    Model {
        name: "unbounded/sender_dies_nobody_waits_for_it",
        properties: "U1 U2 Q3 Q4 Q6 F1 G1 G2 G4",
        client: "1 process × send, killed, 1 × send, 1 × receive, 3 nodes",
        build: |world| survivors(world, 3, &[1, 1], &[1]),
        faults: Faults { victims: &[0], ..Faults::NONE },
        bounds: Bounds { plain: Some(0), faulty: Some(0) },
    },
    Model {
        name: "unbounded/receiver_dies_message_is_gone",
        properties: "U1 U2 Q5 Q6 F1 G1 G2 G4",
        client: "2 messages, 1 process × receive, killed, the undertaker too, 1 × receive",
        build: |world| two_receive(world),
        faults: Faults { victims: &[0], second_death: true, ..Faults::NONE },
        bounds: Bounds { plain: Some(0), faulty: Some(0) },
    },
    Model {
        name: "unbounded/both_ends_die",
        properties: "U2 Q3 Q4 Q5 Q6 G1 G4",
        client: "1 process × send and 1 × receive, both killed, 3 nodes",
        build: |world| survivors(world, 3, &[1], &[1]),
        faults: Faults { pairs: &[(0, 1)], ..Faults::NONE },
        bounds: Bounds { plain: Some(0), faulty: Some(0) },
    },
];

const NAMES: [&str; 4] = ["A", "B", "C", "D"];

/// A queue with its nodes, two cells each.
pub(super) struct List {
    control: RawUnbounded,
    words: Vec<AtomicU64>,
    pub(super) content: Vec<Cell<[u32; 2]>>,
}

impl List {
    pub(super) fn new(nodes: usize) -> Self {
        Self::delivering(nodes, Delivery::AtMostOnce)
    }

    pub(super) fn delivering(nodes: usize, delivery: Delivery) -> Self {
        Self {
            control: RawUnbounded::new(delivery),
            words: (0..nodes * RawUnbounded::WORDS).map(RawUnbounded::word).collect(),
            content: (0..nodes).map(|_| Cell::new([0; 2])).collect(),
        }
    }

    pub(super) fn queue(&self) -> Unbounded<'_> {
        self.control.with(&self.words)
    }

    /// None if there is no memory.
    fn fill(&self, scene: &Scene<Self>, lane: usize, message: u32) -> Option<usize> {
        let node = self.queue().pool().try_take(scene.slot(lane))?;
        // SAFETY: the lane has the node; the engine reports it if somebody else has it, too.
        self.content[node].with_mut(|content| unsafe { (*content)[0] = message });
        // SAFETY: as above.
        self.content[node].with_mut(|content| unsafe { (*content)[1] = message });
        Some(node)
    }

    fn publish(&self, node: usize) {
        verify_eq!(self.queue().publish(node), Ok(()));
    }

    /// Whether there was memory.
    pub(super) fn send(&self, scene: &Scene<Self>, lane: usize, message: u32) -> bool {
        self.fill(scene, lane, message).map(|node| self.publish(node)).is_some()
    }

    pub(super) fn finish(&self, node: usize, by: ThreadSlot) -> u32 {
        // Relaxed: whoever has taken it has seen that.
        verify_eq!(
            held_by(self.words[node].load(Ordering::Relaxed)),
            Some(by),
            "it has the message and does not see so"
        );
        // SAFETY: as in send.
        let [one, other] = self.content[node].with(|content| unsafe { *content });
        verify_eq!(one, other, "a torn message");
        self.queue().give_back(node);
        one
    }

    fn receive(&self, scene: &Scene<Self>, lane: usize, deadline: Option<Deadline>) -> Option<u32> {
        match told(|| self.queue().take(&scene.caller(lane), OBJECT, deadline)) {
            Ok(node) => Some(self.finish(node, scene.slot(lane))),
            Err(error) => {
                verify_eq!(error, TakeError::TimedOut);
                None
            }
        }
    }

    pub(super) fn try_receive(&self, scene: &Scene<Self>, lane: usize) -> Option<u32> {
        match self.queue().try_take(scene.slot(lane)) {
            Ok(node) => Some(self.finish(node, scene.slot(lane))),
            Err(error) => {
                verify_eq!(error, TakeError::WouldBlock);
                None
            }
        }
    }
}

impl Repair for List {
    fn bury(&self, dead: &Dead<'_>) {
        self.queue().bury(dead);
    }

    fn wake_all(&self) {
        self.queue().wake_all();
    }
}

/// What is left in the end, in order; one node is the floor.
pub(super) fn drain(scene: &Scene<List>, lane: usize) -> Vec<u32> {
    let left = std::iter::from_fn(|| scene.object.try_receive(scene, lane)).collect();
    verify_eq!(scene.object.queue().pool().in_use(), 1, "a node was lost");
    left
}

fn start(
    world: &mut World,
    nodes: usize,
    sends: &'static [usize],
    receives: &'static [usize],
    deadline: Option<Deadline>,
) -> (Arc<Scene<List>>, Got) {
    let scene = Scene::in_world(world, sends.len() + receives.len(), List::new(nodes));
    let got = Got::default();
    for (lane, name) in NAMES.iter().enumerate().take(sends.len() + receives.len()) {
        let (scene, got) = (Arc::clone(&scene), Arc::clone(&got));
        world.thread(name, move || match sends.get(lane) {
            Some(count) => (0..*count).for_each(|number| {
                verify!(scene.object.send(&scene, lane, message(lane, number)), "there is memory");
            }),
            None => {
                for _ in 0..receives[lane - sends.len()] {
                    let received = scene.object.receive(&scene, lane, deadline);
                    got.lock().extend(received.map(|message| (lane, message)));
                }
            }
        });
    }
    (scene, got)
}

fn clients(world: &mut World, nodes: usize, sends: &'static [usize], receives: &'static [usize]) {
    let (scene, got) = start(world, nodes, sends, receives, None);
    world.finally(move || {
        check(&got.lock(), sends);
        verify_eq!(got.lock().len(), sends.iter().sum::<usize>(), "a message was lost");
        verify_eq!(drain(&scene, 0), Vec::<u32>::new());
    });
}

/// Some lanes are killed. Senders that live have their messages there in the end.
fn survivors(world: &mut World, nodes: usize, sends: &'static [usize], receives: &'static [usize]) {
    let (scene, got) = start(world, nodes, sends, receives, END);
    if receives.is_empty() {
        bystander(world, &scene);
    }
    world.finally(move || {
        let left = drain(&scene, 0);
        let mut all = got.lock().clone();
        all.extend(left.iter().map(|message| (sends.len() + receives.len(), *message)));
        check(&all, sends);
        if (sends.len(), receives.len()) == (2, 1) {
            verify!(all.iter().any(|(_, got)| *got == message(1, 0)), "a message of a survivor was lost: {all:?}");
            verify_eq!(got.lock().len(), 1, "the receiver was not told of a message");
        }
    });
}

/// The words of all nodes are full of what they were before.
fn after_another_use(world: &mut World) {
    let scene = Scene::in_world(world, 2, List::new(3));
    for number in 0..4 {
        verify!(scene.object.send(&scene, 1, message(1, number)));
        verify_eq!(scene.object.try_receive(&scene, 1), Some(message(1, number)));
    }
    let victim = Arc::clone(&scene);
    world.thread("victim", move || {
        (0..2).for_each(|number| {
            verify!(victim.object.send(&victim, 0, message(0, number)));
        });
    });
    bystander(world, &scene);
    world.finally(move || {
        let left = drain(&scene, 0);
        let expected: Vec<u32> = (0..left.len()).map(|number| message(0, number)).collect();
        verify_eq!(left, expected);
    });
}

/// The victim gets a node that was linked, when it was used before, to one whose link still names it.
fn a_back_of_before(world: &mut World) {
    let scene = Scene::in_world(world, 2, List::new(3));
    for number in 0..2 {
        verify!(scene.object.send(&scene, 1, message(1, number)));
        verify_eq!(scene.object.try_receive(&scene, 1), Some(message(1, number)));
    }
    let kept = scene.object.queue().pool().try_take(scene.slot(1));
    verify_eq!(kept, Some(0), "the node that was first in the beginning");
    let victim = Arc::clone(&scene);
    world.thread("victim", move || verify!(victim.object.send(&victim, 0, message(0, 0))));
    bystander(world, &scene);
    world.finally(move || {
        scene.object.queue().pool().give_back(0);
        let left = drain(&scene, 0);
        verify!(left.len() <= 1 && left.iter().all(|got| *got == message(0, 0)), "{left:?}");
    });
}

/// Who receives makes the node free to which a sender may still have to swing the tail, and uses it again.
fn first_again(world: &mut World) {
    let scene = Scene::in_world(world, 2, List::new(2));
    let sender = Arc::clone(&scene);
    world.thread("sender", move || verify!(sender.object.send(&sender, 0, message(0, 0)), "there is memory"));
    let other = Arc::clone(&scene);
    world.thread("receiver", move || {
        verify_eq!(other.object.receive(&other, 1, None), Some(message(0, 0)));
        verify!(other.object.send(&other, 1, message(1, 0)), "there is memory");
    });
    world.finally(move || verify_eq!(drain(&scene, 0), vec![message(1, 0)]));
}

/// One is the floor and one process has one at most, now this one, now that one.
fn one_is_free(world: &mut World) {
    let scene = Scene::in_world(world, 2, List::new(3));
    let filled = scene.object.fill(&scene, 0, message(0, 0)).expect("there is memory");
    let other = Arc::clone(&scene);
    world.thread("changes", move || {
        other.object.publish(filled);
        verify_eq!(other.object.try_receive(&other, 0), Some(message(0, 0)));
        verify!(other.object.queue().pool().try_take(other.slot(0)).is_some(), "the other has one at most");
    });
    world.thread("takes", move || {
        verify!(scene.object.queue().pool().try_take(scene.slot(1)).is_some(), "there always is a free one");
    });
}

/// A sender may have looked at the last node long before it links its own to it: by then that is used again.
fn late_link(world: &mut World) {
    let scene = Scene::in_world(world, 2, List::new(3));
    let filled = |lane| scene.object.fill(&scene, lane, message(lane, 0)).expect("there is memory");
    let (node, others) = (filled(0), filled(1));
    let late = Arc::clone(&scene);
    world.thread("late", move || {
        late.object.publish(node);
        verify!(late.object.try_receive(&late, 0).is_some(), "it cannot be empty");
    });
    let other = Arc::clone(&scene);
    world.thread("other", move || {
        other.object.publish(others);
        verify!(other.object.try_receive(&other, 1).is_some(), "it cannot be empty");
        verify!(other.object.send(&other, 1, message(1, 1)), "the one that was first");
    });
    world.finally(move || verify_eq!(drain(&scene, 0).len(), 1));
}

/// A second thread, without which shuttle refuses a model.
fn bystander(world: &mut World, scene: &Arc<Scene<List>>) {
    let scene = Arc::clone(scene);
    world.thread("bystander", move || _ = scene.object.words[0].load(Ordering::Relaxed));
}

/// Two messages are there. One of those who receive may be killed, and then the other gets one of them all the same.
fn two_receive(world: &mut World) {
    let scene = Scene::in_world(world, 2, List::new(3));
    (0..2).for_each(|number| {
        verify!(scene.object.send(&scene, 1, message(1, number)));
    });
    let got = Got::default();
    for lane in 0..2 {
        let (scene, got) = (Arc::clone(&scene), Arc::clone(&got));
        world.thread(["victim", "survivor"][lane], move || {
            let received = scene.object.receive(&scene, lane, None);
            got.lock().extend(received.map(|message| (lane, message)));
        });
    }
    world.finally(move || {
        let left = drain(&scene, 0);
        let mut all = got.lock().clone();
        all.extend(left.iter().map(|message| (2, *message)));
        check(&all, &[0, 2]);
        verify!(all.iter().any(|(lane, _)| *lane != 0), "the survivor got nothing");
    });
}

fn never_empty(world: &mut World, times: usize) {
    let scene = Scene::in_world(world, 2, List::new(3));
    for (lane, name) in NAMES.iter().enumerate().take(2) {
        let scene = Arc::clone(&scene);
        world.thread(name, move || {
            for number in 0..times {
                // Two are on their way at most, and one is the floor; while somebody gives his own back there may be none.
                if scene.object.send(&scene, lane, message(lane, number)) {
                    verify!(scene.object.try_receive(&scene, lane).is_some(), "it cannot be empty");
                }
            }
        });
    }
    // A lane that is frozen has what it has.
    if times > 1 {
        world.finally(move || verify_eq!(drain(&scene, 0), Vec::<u32>::new()));
    }
}

/// Nodes are used again and again while somebody looks at an old use of one.
fn late(world: &mut World, sends: bool) {
    let scene = Scene::in_world(world, 3, List::new(2 + usize::from(sends)));
    let own = sends.then(|| scene.object.fill(&scene, 1, message(1, 0)).expect("there are three"));
    let busy = Arc::clone(&scene);
    world.thread("busy", move || {
        let queue = busy.object.queue();
        for number in 0..3 {
            let Some(node) = busy.object.fill(&busy, 0, message(0, number)) else { return };
            verify_eq!(queue.pool().owner(node), Some(busy.slot(0)), "it is another's than who took it");
            busy.object.publish(node);
            // In the name of lane 2, so that filling and holding it differ.
            busy.object.try_receive(&busy, 2);
        }
    });
    let late = Arc::clone(&scene);
    world.thread("late", move || match own {
        Some(node) => late.object.publish(node),
        None => _ = late.object.try_receive(&late, 1),
    });
    world.finally(move || verify!(drain(&scene, 0).len() <= 1 + usize::from(sends)));
}

/// A thread that ends frees what it has in its own name, and nobody else's fence comes before that.
fn ends_with_a_message(world: &mut World) {
    let scene = Scene::in_world(world, 2, List::new(3));
    (0..2).for_each(|number| verify!(scene.object.send(&scene, 1, message(0, number))));
    let ending = Arc::clone(&scene);
    world.thread("ends", move || {
        let node = ending.object.queue().try_take(ending.slot(0)).expect("there are two messages");
        // SAFETY: the lane has the node; the engine reports it if somebody else has it, too.
        let [one, other] = ending.object.content[node].with(|content| unsafe { *content });
        verify_eq!(one, other);
        ending.end_of_thread(0);
    });
    let other = Arc::clone(&scene);
    world.thread("other", move || {
        verify!(other.object.try_receive(&other, 1).is_some(), "there are two messages");
        // Node 0 was the first; the node of the dead is free when the other message has been taken.
        for number in 0..2 {
            _ = other
                .object
                .fill(&other, 1, message(1, number))
                .map(|node| other.object.queue().pool().give_back(node));
        }
    });
    world.finally(move || _ = drain(&scene, 0));
}

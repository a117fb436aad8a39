//! Models of `primitives/ring.rs`.

use crate::scene::{Notes, OBJECT, Scene};
use crate::world::{Bounds, Faults, Model, World};
use crate::{verify, verify_eq};
use selvedge::primitives::RawRing;
use selvedge::primitives::ring::{CONSUMER, Cursor, PRODUCER, ReserveError};
use selvedge::primitives::role::{Departure, IfGone, Predecessor};
use selvedge::primitives::undertaker::{Dead, Repair};
use selvedge::sync::{Cell, Deadline};
use std::sync::Arc;

pub(super) const MODELS: &[Model] = &[
    Model {
        name: "ring/one_message",
        properties: "Q1 Q2 Q3 G1 G2",
        client: "1 producer × 1 message, 1 consumer, capacity 1, both blocking",
        build: |world| flow(world, 1, 1),
        faults: Faults { no_wake_edge: true, spurious: true, ..Faults::NONE },
        bounds: Bounds { plain: None, faulty: None },
    },
    Model {
        name: "ring/one_slot_two_messages",
        properties: "Q1 Q2 Q3 G1 G2",
        client: "1 producer × 2 messages, 1 consumer, capacity 1, both blocking",
        build: |world| flow(world, 1, 2),
        faults: Faults { no_wake_edge: true, spurious: true, ..Faults::NONE },
        bounds: Bounds { plain: Some(4), faulty: Some(3) },
    },
    Model {
        name: "ring/two_slots_four_messages",
        properties: "Q1 Q2 Q3 G1 G2",
        client: "1 producer × 4 messages, 1 consumer, capacity 2, both blocking",
        build: |world| flow(world, 2, 4),
        faults: Faults::NONE,
        bounds: Bounds { plain: Some(2), faulty: None },
    },
    Model {
        name: "ring/batches_wrap_around",
        properties: "Q1 Q2 Q3",
        client: "1 producer × 2 batches of 2, 1 consumer, capacity 3, both blocking",
        build: batches,
        faults: Faults::NONE,
        bounds: Bounds { plain: Some(4), faulty: None },
    },
    Model {
        name: "ring/try_both_sides",
        properties: "Q1 Q2 Q3 G3",
        client: "1 producer × 2 try_reserve, 1 consumer × 2 try_reserve, capacity 1",
        build: try_both,
        faults: Faults::NONE,
        bounds: Bounds { plain: None, faulty: None },
    },
    Model {
        name: "ring/full_and_empty_are_true_when_said",
        properties: "Q1 Q2",
        client: "2 rings of capacity 1: a message and its answer, then try_reserve on both",
        build: answers,
        faults: Faults::NONE,
        bounds: Bounds { plain: Some(4), faulty: None },
    },
    Model {
        name: "ring/producer_closes_consumer_drains",
        properties: "Q1 Q2 G2 F1",
        client: "1 producer × (1 message, close), 1 consumer until told, capacity 1",
        build: |world| consumer_is_told(world, 1),
        faults: Faults { no_wake_edge: true, spurious: true, ..Faults::NONE },
        bounds: Bounds { plain: Some(3), faulty: Some(2) },
    },
    Model {
        name: "ring/producer_dies_consumer_is_told",
        properties: "Q1 Q3 G2 G4 F1",
        client: "1 producer × (1 message, close), killed, 1 consumer until told, capacity 1",
        build: |world| consumer_is_told(world, 1),
        faults: Faults { victims: &[0], ..Faults::NONE },
        bounds: Bounds { plain: Some(2), faulty: Some(2) },
    },
    Model {
        name: "ring/undertaker_dies_consumer_is_told",
        properties: "G2 G4 F1",
        client: "1 producer × close, killed, the undertaker too, 1 consumer until told, capacity 1",
        build: |world| consumer_is_told(world, 0),
        faults: Faults { victims: &[0], second_death: true, ..Faults::NONE },
        bounds: Bounds { plain: Some(3), faulty: Some(1) },
    },
    Model {
        name: "ring/old_bell_hides_no_departure",
        properties: "Q2 G2 G4 F1",
        client: "1 producer closed before; the next × close, killed, 1 consumer until told, capacity 1",
        build: old_bell,
        faults: Faults { victims: &[0], ..Faults::NONE },
        bounds: Bounds { plain: Some(4), faulty: Some(2) },
    },
    Model {
        name: "ring/consumer_dies_producer_is_told",
        properties: "Q2 G2 G4 F1",
        client: "1 producer until told, 1 consumer × (1 message, close), killed, capacity 1",
        build: producer_is_told,
        faults: Faults { victims: &[1], ..Faults::NONE },
        bounds: Bounds { plain: Some(1), faulty: Some(1) },
    },
    Model {
        name: "ring/producer_dies_successor_overwrites",
        properties: "Q1 Q3 G1 G4 F2",
        client: "1 producer × 2 messages, killed, its successor × 1, capacity 3, drained at the end",
        build: producers_in_turn,
        faults: Faults { victims: &[0], ..Faults::NONE },
        bounds: Bounds { plain: Some(3), faulty: Some(2) },
    },
    Model {
        name: "ring/consumer_dies_successor_reads_again",
        properties: "Q1 Q3 G1 G4 F2",
        client: "2 messages, 1 consumer × 2, killed, its successor, 1 producer × 1, capacity 2",
        build: consumers_in_turn,
        faults: Faults { victims: &[0], ..Faults::NONE },
        bounds: Bounds { plain: Some(2), faulty: Some(0) },
    },
    Model {
        name: "ring/producer_dies_while_consumer_waits_for_any",
        properties: "Q1 G2 G4 F1 F2",
        client: "1 producer × close, killed, its successor × 1 message, 1 consumer, capacity 1, all blocking",
        build: consumer_outlives_producers,
        faults: Faults { victims: &[0], ..Faults::NONE },
        bounds: Bounds { plain: Some(2), faulty: Some(1) },
    },
    Model {
        name: "ring/timed_reserve_leaves_no_trace",
        properties: "G3 G2 Q1",
        client: "1 producer × 2 messages, 1 consumer, first timed, then patient, capacity 1",
        build: timed,
        faults: Faults { timeouts: true, ..Faults::NONE },
        bounds: Bounds { plain: Some(3), faulty: Some(3) },
    },
    Model {
        name: "ring/try_pop_ends_alone",
        properties: "G3 G6",
        client: "1 producer × (2 messages, close), frozen anywhere, 1 consumer × (2 try_reserve, close), capacity 1",
        build: try_pop_alone,
        faults: Faults { frozen: &[0], solo_steps: 40, ..Faults::NONE },
        bounds: Bounds { plain: Some(2), faulty: Some(2) },
    },
    Model {
        name: "ring/try_push_ends_alone",
        properties: "G3 G6",
        client: "1 consumer × (1 message, close), frozen anywhere, 1 producer × 3 try_reserve, capacity 1",
        build: try_push_alone,
        faults: Faults { frozen: &[0], solo_steps: 40, ..Faults::NONE },
        bounds: Bounds { plain: Some(3), faulty: Some(3) },
    },
];

/// A ring whose messages are two cells that are equal.
struct Channel {
    ring: RawRing,
    slots: Vec<[Cell<u32>; 2]>,
}

type Sender = Cursor<PRODUCER>;
type Receiver = Cursor<CONSUMER>;

impl Channel {
    fn new(capacity: usize) -> Self {
        let slots = (0..capacity).map(|_| core::array::from_fn(|_| Cell::new(0))).collect();
        Self { ring: RawRing::new(), slots }
    }

    fn capacity(&self) -> u32 {
        u32::try_from(self.slots.len()).expect("few slots")
    }

    /// The side of a role that nobody holds.
    fn open<const SIDE: bool>(&self, scene: &Scene<impl Repair + Send + Sync + 'static>, lane: usize) -> Cursor<SIDE> {
        self.open_after(Predecessor::None, scene, lane)
    }

    /// The side of a role that nobody holds any more.
    fn open_after<const SIDE: bool>(
        &self,
        who: Predecessor,
        scene: &Scene<impl Repair + Send + Sync + 'static>,
        lane: usize,
    ) -> Cursor<SIDE> {
        let (hold, predecessor) = self.ring.role::<SIDE>().try_claim(scene.slot(lane)).expect("nobody holds it");
        verify_eq!(predecessor, who);
        self.ring.open(hold, self.capacity()).expect("the ring is sound")
    }

    /// Writes the messages, of which so many are reserved, and sends them as one batch.
    fn send(&self, cursor: &mut Sender, messages: impl ExactSizeIterator<Item = u32>) {
        let n = u32::try_from(messages.len()).expect("few messages");
        let [first, second] = cursor.runs(n);
        verify_eq!(first.len() + second.len(), messages.len());
        for (slot, message) in self.slots[first].iter().chain(&self.slots[second]).zip(messages) {
            for half in slot {
                // SAFETY: the slot is the producer's own; loom reports it if that excludes nobody.
                half.with_mut(|half| unsafe { *half = message });
            }
        }
        self.ring.commit(cursor, n).expect("so many were reserved");
    }

    /// The next message, which stays where it is.
    fn peek(&self, cursor: &Receiver) -> u32 {
        let [run, _] = cursor.runs(1);
        // SAFETY: the slot is the consumer's own; loom reports it if that excludes nobody.
        let [left, right] = self.slots[run][0].each_ref().map(|half| half.with(|half| unsafe { *half }));
        verify_eq!(left, right, "a torn message");
        left
    }

    fn receive(&self, cursor: &mut Receiver) -> u32 {
        let message = self.peek(cursor);
        self.ring.commit(cursor, 1).expect("one was reserved");
        message
    }

    fn verify_empty(&self, cursor: &mut Receiver) {
        verify_eq!(self.ring.refresh(cursor), Ok(0), "a message out of nothing");
    }
}

impl Repair for Channel {
    fn bury(&self, dead: &Dead<'_>) {
        self.ring.bury(dead);
    }

    fn wake_all(&self) {
        self.ring.wake_all();
    }
}

/// Waits for one slot of the own side.
fn reserve<const SIDE: bool>(
    scene: &Scene<Channel>,
    lane: usize,
    cursor: &mut Cursor<SIDE>,
    if_gone: IfGone,
) -> Result<u32, ReserveError> {
    scene.object.ring.reserve(&scene.caller(lane), OBJECT, cursor, 1, if_gone, None)
}

/// Messages are the numbers from 1 on.
fn flow(world: &mut World, capacity: usize, messages: u32) {
    let scene = Scene::in_world(world, 2, Channel::new(capacity));
    let mut sender: Sender = scene.object.open(&scene, 0);
    let mut receiver: Receiver = scene.object.open(&scene, 1);
    let producer = Arc::clone(&scene);
    world.thread("producer", move || {
        for message in 1..=messages {
            reserve(&producer, 0, &mut sender, IfGone::Fail).expect("the consumer is there");
            producer.object.send(&mut sender, [message].into_iter());
        }
    });
    world.thread("consumer", move || {
        for message in 1..=messages {
            let filled = reserve(&scene, 1, &mut receiver, IfGone::Fail).expect("the producer is there");
            verify!(filled <= scene.object.capacity(), "more messages than slots");
            verify_eq!(scene.object.receive(&mut receiver), message, "not the next message");
        }
        scene.object.verify_empty(&mut receiver);
    });
}

fn batches(world: &mut World) {
    let scene = Scene::in_world(world, 2, Channel::new(3));
    let mut sender: Sender = scene.object.open(&scene, 0);
    let mut receiver: Receiver = scene.object.open(&scene, 1);
    let producer = Arc::clone(&scene);
    world.thread("producer", move || {
        let ring = &producer.object.ring;
        for batch in [[1, 2], [3, 4]] {
            let caller = producer.caller(0);
            ring.reserve(&caller, OBJECT, &mut sender, 2, IfGone::Fail, None).expect("the consumer is there");
            producer.object.send(&mut sender, batch.into_iter());
        }
    });
    world.thread("consumer", move || {
        // A look is taken when nothing is known: it shows a batch or nothing.
        for (message, known) in [(1, 2), (2, 1), (3, 2), (4, 1)] {
            verify_eq!(reserve(&scene, 1, &mut receiver, IfGone::Fail), Ok(known), "half a batch");
            verify_eq!(scene.object.receive(&mut receiver), message, "not the next message");
        }
        scene.object.verify_empty(&mut receiver);
    });
}

fn try_both(world: &mut World) {
    let scene = Scene::in_world(world, 2, Channel::new(1));
    let mut sender: Sender = scene.object.open(&scene, 0);
    let mut receiver: Receiver = scene.object.open(&scene, 1);
    let counts = Arc::new(Notes::<(u32, u32)>::default());
    let (producer, sent) = (Arc::clone(&scene), Arc::clone(&counts));
    world.thread("producer", move || {
        let mut message = 1;
        for attempt in 0..2 {
            match producer.object.ring.try_reserve(&mut sender, 1) {
                Ok(_) => {
                    producer.object.send(&mut sender, [message].into_iter());
                    message += 1;
                }
                Err(error) => verify!(error == ReserveError::WouldBlock && attempt == 1, "{error:?}"),
            }
        }
        sent.lock().0 = message - 1;
    });
    let (consumer, received) = (Arc::clone(&scene), Arc::clone(&counts));
    world.thread("consumer", move || {
        let mut message = 1;
        for _ in 0..2 {
            match consumer.object.ring.try_reserve(&mut receiver, 1) {
                Ok(_) => {
                    verify_eq!(consumer.object.receive(&mut receiver), message, "not the next message");
                    message += 1;
                }
                Err(error) => verify_eq!(error, ReserveError::WouldBlock),
            }
        }
        received.lock().1 = message - 1;
    });
    world.finally(move || {
        let (sent, received) = *counts.lock();
        verify!(received <= sent && sent - received <= 1, "{sent} sent, {received} received");
    });
}

/// Two rings, one in each direction.
struct Pair {
    there: Channel,
    back: Channel,
}

impl Repair for Pair {
    fn bury(&self, dead: &Dead<'_>) {
        self.there.bury(dead);
        self.back.bury(dead);
    }

    fn wake_all(&self) {
        self.there.wake_all();
        self.back.wake_all();
    }
}

fn answers(world: &mut World) {
    let scene = Scene::in_world(world, 2, Pair { there: Channel::new(1), back: Channel::new(1) });
    let mut questions: Sender = scene.object.there.open(&scene, 0);
    let mut questioned: Receiver = scene.object.there.open(&scene, 1);
    let mut answers: Sender = scene.object.back.open(&scene, 1);
    let mut answered: Receiver = scene.object.back.open(&scene, 0);
    let asker = Arc::clone(&scene);
    world.thread("asker", move || {
        let Pair { there, back } = &asker.object;
        verify_eq!(there.ring.try_reserve(&mut questions, 1), Ok(1), "a new ring is empty");
        there.send(&mut questions, [1].into_iter());
        verify_eq!(back.ring.reserve(&asker.caller(0), OBJECT, &mut answered, 1, IfGone::Fail, None), Ok(1));
        verify_eq!(back.receive(&mut answered), 2);
        verify_eq!(back.ring.try_reserve(&mut answered, 1), Err(ReserveError::WouldBlock), "taken means empty");
        verify_eq!(there.ring.try_reserve(&mut questions, 1), Ok(1), "its message was taken before the answer came");
    });
    world.thread("answerer", move || {
        let Pair { there, back } = &scene.object;
        verify_eq!(there.ring.reserve(&scene.caller(1), OBJECT, &mut questioned, 1, IfGone::Fail, None), Ok(1));
        verify_eq!(there.receive(&mut questioned), 1);
        verify_eq!(back.ring.try_reserve(&mut answers, 1), Ok(1), "a new ring is empty");
        back.send(&mut answers, [2].into_iter());
    });
}

/// What the lanes went through.
#[derive(Default)]
struct Story {
    sent: u32,
    seen: u32,
    taken: u32,
    closed: bool,
    inherited: Option<Predecessor>,
}

fn consumer_is_told(world: &mut World, messages: u32) {
    let scene = Scene::in_world(world, 2, Channel::new(1));
    let mut sender: Sender = scene.object.open(&scene, 0);
    let mut receiver: Receiver = scene.object.open(&scene, 1);
    let story = Arc::new(Notes::<Story>::default());
    let (producer, tells) = (Arc::clone(&scene), Arc::clone(&story));
    world.thread("producer", move || {
        for message in 1..=messages {
            reserve(&producer, 0, &mut sender, IfGone::Fail).expect("the consumer is there");
            producer.object.send(&mut sender, [message].into_iter());
            tells.lock().sent = message;
        }
        producer.object.ring.close(sender);
        tells.lock().closed = true;
    });
    world.thread("consumer", move || {
        let mut next = 1;
        let end = loop {
            match reserve(&scene, 1, &mut receiver, IfGone::Fail) {
                Ok(_) => verify_eq!(scene.object.receive(&mut receiver), next, "not the next message"),
                Err(end) => break end,
            }
            next += 1;
        };
        let received = next - 1;
        match end {
            ReserveError::Disconnected(Departure::Closed) => verify_eq!(received, messages, "lost at the close"),
            ReserveError::Disconnected(Departure::Died) => {
                let story = story.lock();
                verify!(received >= story.sent && !story.closed, "lost by the death, or no death");
            }
            other => verify!(false, "{other:?}"),
        }
        verify_eq!(scene.object.ring.try_reserve(&mut receiver, 1), Err(end), "it is not so any more");
    });
}

/// The bell has been rung for a producer that nobody listened to: it cannot be rung again for the next one.
fn old_bell(world: &mut World) {
    let scene = Scene::in_world(world, 2, Channel::new(1));
    let channel = &scene.object;
    channel.ring.close::<PRODUCER>(channel.open(&scene, 0));
    let sender: Sender = channel.open_after(Predecessor::Closed, &scene, 0);
    let mut receiver: Receiver = channel.open(&scene, 1);
    let producer = Arc::clone(&scene);
    world.thread("producer", move || producer.object.ring.close(sender));
    world.thread("consumer", move || {
        let end = reserve(&scene, 1, &mut receiver, IfGone::Fail);
        verify!(matches!(end, Err(ReserveError::Disconnected(_))), "nothing was sent");
    });
}

fn producer_is_told(world: &mut World) {
    let scene = Scene::in_world(world, 2, Channel::new(1));
    let mut sender: Sender = scene.object.open(&scene, 0);
    let mut receiver: Receiver = scene.object.open(&scene, 1);
    let story = Arc::new(Notes::<Story>::default());
    let (consumer, tells) = (Arc::clone(&scene), Arc::clone(&story));
    world.thread("producer", move || {
        let mut sent = 0;
        let end = loop {
            match reserve(&scene, 0, &mut sender, IfGone::Fail) {
                Ok(_) => scene.object.send(&mut sender, [sent + 1].into_iter()),
                Err(end) => break end,
            }
            sent += 1;
        };
        match end {
            ReserveError::Disconnected(Departure::Closed) => verify_eq!(sent, 2, "the free slot was not used"),
            ReserveError::Disconnected(Departure::Died) => {
                let story = story.lock();
                verify!(sent > story.taken && !story.closed, "the free slot was not used, or no death");
            }
            other => verify!(false, "{other:?}"),
        }
    });
    world.thread("consumer", move || {
        reserve(&consumer, 1, &mut receiver, IfGone::Fail).expect("the producer is there");
        verify_eq!(consumer.object.receive(&mut receiver), 1);
        tells.lock().taken = 1;
        consumer.object.ring.close(receiver);
        tells.lock().closed = true;
    });
}

/// Waits for one slot whoever holds the other role; counts how often it is told of a death.
fn reserve_from_any<const SIDE: bool>(
    scene: &Scene<Channel>,
    lane: usize,
    cursor: &mut Cursor<SIDE>,
    deaths: &mut u32,
) {
    while let Err(news) = reserve(scene, lane, cursor, IfGone::Wait) {
        verify_eq!(news, ReserveError::Disconnected(Departure::Died));
        *deaths += 1;
    }
}

fn producers_in_turn(world: &mut World) {
    let scene = Scene::in_world(world, 2, Channel::new(3));
    let mut sender: Sender = scene.object.open(&scene, 0);
    let mut receiver: Receiver = scene.object.open(&scene, 2);
    let story = Arc::new(Notes::<Story>::default());
    let (first, tells) = (Arc::clone(&scene), Arc::clone(&story));
    world.thread("first", move || {
        for message in 1..=2 {
            first.object.send(&mut sender, [message].into_iter());
            tells.lock().sent = message;
        }
        first.object.ring.close(sender);
    });
    let (successor, tells) = (Arc::clone(&scene), Arc::clone(&story));
    world.thread("successor", move || {
        let (mut sender, predecessor): (Sender, _) = inherit(&successor, 1);
        tells.lock().inherited = Some(predecessor);
        reserve(&successor, 1, &mut sender, IfGone::Fail).expect("a slot is free");
        successor.object.send(&mut sender, [11].into_iter());
    });
    world.finally(move || {
        let mut received = Vec::new();
        while let Ok(1..) = scene.object.ring.try_reserve(&mut receiver, 1) {
            received.push(scene.object.receive(&mut receiver));
        }
        let story = story.lock();
        verify!(received.len() > story.sent as usize, "what the dead had sent is lost");
        let of_the_first = received.len() - 1;
        verify_eq!(received, [&[1, 2][..of_the_first], &[11]].concat());
        verify!(of_the_first == 2 || story.inherited == Some(Predecessor::Died));
    });
}

/// Claims a role from whoever holds it, and its side.
fn inherit<const SIDE: bool>(scene: &Scene<Channel>, lane: usize) -> (Cursor<SIDE>, Predecessor) {
    let Channel { ring, .. } = &scene.object;
    let claimed = ring.role::<SIDE>().claim(&scene.caller(lane), OBJECT, None);
    let (hold, predecessor) = claimed.expect("a claim without deadline");
    (ring.open(hold, scene.object.capacity()).expect("the ring is sound"), predecessor)
}

fn consumers_in_turn(world: &mut World) {
    let scene = Scene::in_world(world, 3, Channel::new(2));
    let mut receiver: Receiver = scene.object.open(&scene, 0);
    let mut sender: Sender = scene.object.open(&scene, 2);
    scene.object.send(&mut sender, [1, 2].into_iter());
    verify_eq!(scene.object.ring.refresh(&mut receiver), Ok(2));
    let story = Arc::new(Notes::<Story>::default());
    let (first, tells) = (Arc::clone(&scene), Arc::clone(&story));
    world.thread("first", move || {
        for message in 1..=2 {
            verify_eq!(first.object.peek(&receiver), message, "not the next message");
            tells.lock().seen = message;
            first.object.ring.commit(&mut receiver, 1).expect("one was reserved");
            tells.lock().taken = message;
        }
        first.object.ring.close(receiver);
    });
    let successor = Arc::clone(&scene);
    world.thread("successor", move || {
        let (mut receiver, predecessor): (Receiver, _) = inherit(&successor, 1);
        let begin = match successor.object.ring.try_reserve(&mut receiver, 1) {
            Ok(_) => successor.object.receive(&mut receiver),
            Err(error) => {
                verify_eq!(error, ReserveError::WouldBlock);
                3
            }
        };
        let story = story.lock();
        verify!(story.taken < begin && begin <= story.seen + 1, "begins at {begin} after {}", story.taken);
        verify!(predecessor == Predecessor::Died || begin == 3, "a message again without a death");
    });
    world.thread("producer", move || {
        let mut deaths = 0;
        reserve_from_any(&scene, 2, &mut sender, &mut deaths);
        scene.object.send(&mut sender, [3].into_iter());
        verify!(deaths <= 1, "told twice of one death");
    });
}

fn consumer_outlives_producers(world: &mut World) {
    let scene = Scene::in_world(world, 3, Channel::new(1));
    let sender: Sender = scene.object.open(&scene, 0);
    let mut receiver: Receiver = scene.object.open(&scene, 2);
    let story = Arc::new(Notes::<Story>::default());
    let first = Arc::clone(&scene);
    world.thread("first", move || first.object.ring.close(sender));
    let (successor, tells) = (Arc::clone(&scene), Arc::clone(&story));
    world.thread("successor", move || {
        let (mut sender, predecessor): (Sender, _) = inherit(&successor, 1);
        tells.lock().inherited = Some(predecessor);
        reserve(&successor, 1, &mut sender, IfGone::Fail).expect("the ring is empty");
        successor.object.send(&mut sender, [1].into_iter());
    });
    world.thread("consumer", move || {
        let mut deaths = 0;
        reserve_from_any(&scene, 2, &mut receiver, &mut deaths);
        verify_eq!(scene.object.receive(&mut receiver), 1);
        // The role as the successor took it was acquired with its message.
        let last = scene.object.ring.try_reserve(&mut receiver, 1);
        deaths += u32::from(last == Err(ReserveError::Disconnected(Departure::Died)));
        let died = story.lock().inherited == Some(Predecessor::Died);
        verify_eq!(deaths, u32::from(died), "not told of the death once");
    });
}

fn timed(world: &mut World) {
    let scene = Scene::in_world(world, 2, Channel::new(1));
    let mut sender: Sender = scene.object.open(&scene, 0);
    let mut receiver: Receiver = scene.object.open(&scene, 1);
    let producer = Arc::clone(&scene);
    world.thread("producer", move || {
        for message in 1..=2 {
            timed_then_patient(&producer, 0, &mut sender);
            producer.object.send(&mut sender, [message].into_iter());
        }
    });
    world.thread("consumer", move || {
        for message in 1..=2 {
            timed_then_patient(&scene, 1, &mut receiver);
            verify_eq!(scene.object.receive(&mut receiver), message, "not the next message");
        }
        scene.object.verify_empty(&mut receiver);
    });
}

fn timed_then_patient<const SIDE: bool>(scene: &Scene<Channel>, lane: usize, cursor: &mut Cursor<SIDE>) {
    let deadline = Some(Deadline::at_monotonic_ns(1));
    let ring = &scene.object.ring;
    if let Err(error) = ring.reserve(&scene.caller(lane), OBJECT, cursor, 1, IfGone::Fail, deadline) {
        verify_eq!(error, ReserveError::TimedOut);
        reserve(scene, lane, cursor, IfGone::Fail).expect("the peer is there");
    }
}

fn try_pop_alone(world: &mut World) {
    let scene = Scene::in_world(world, 2, Channel::new(1));
    let mut sender: Sender = scene.object.open(&scene, 0);
    let mut receiver: Receiver = scene.object.open(&scene, 1);
    let producer = Arc::clone(&scene);
    world.thread("frozen", move || {
        for message in 1..=2 {
            // The consumer may close before it has taken anything.
            let Ok(1) = reserve(&producer, 0, &mut sender, IfGone::Fail) else { return };
            producer.object.send(&mut sender, [message].into_iter());
        }
        producer.object.ring.close(sender);
    });
    world.thread("alone", move || {
        let mut next = 1;
        for _ in 0..2 {
            match scene.object.ring.try_reserve(&mut receiver, 1) {
                Ok(_) => {
                    verify_eq!(scene.object.receive(&mut receiver), next, "not the next message");
                    next += 1;
                }
                Err(ReserveError::Disconnected(Departure::Closed)) => verify_eq!(next, 3, "lost at the close"),
                Err(error) => verify_eq!(error, ReserveError::WouldBlock),
            }
        }
        scene.object.ring.close(receiver);
    });
}

fn try_push_alone(world: &mut World) {
    let scene = Scene::in_world(world, 2, Channel::new(1));
    let mut sender: Sender = scene.object.open(&scene, 0);
    let mut receiver: Receiver = scene.object.open(&scene, 1);
    let consumer = Arc::clone(&scene);
    world.thread("frozen", move || {
        reserve(&consumer, 1, &mut receiver, IfGone::Wait).expect("nobody dies");
        verify_eq!(consumer.object.receive(&mut receiver), 1);
        consumer.object.ring.close(receiver);
    });
    world.thread("alone", move || {
        let mut sent = 0;
        for _ in 0..3 {
            match scene.object.ring.try_reserve(&mut sender, 1) {
                Ok(_) => {
                    sent += 1;
                    scene.object.send(&mut sender, [sent].into_iter());
                }
                Err(ReserveError::Disconnected(Departure::Closed)) => verify_eq!(sent, 2, "the free slot was not used"),
                Err(error) => verify_eq!(error, ReserveError::WouldBlock),
            }
        }
    });
}

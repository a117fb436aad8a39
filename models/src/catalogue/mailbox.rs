//! Models of `primitives/mailbox.rs`.

use super::messages::{Got, check, message};
use crate::last_resort::{END, told};
use crate::scene::{Notes, OBJECT, Scene};
use crate::world::{Bounds, Faults, Model, World};
use crate::{verify, verify_eq};
use selvedge::primitives::channel::{ChannelError, RawLine};
use selvedge::primitives::ends::End;
use selvedge::primitives::mailbox::Mailbox;
use selvedge::primitives::pool::Annexes;
use selvedge::primitives::queue::Delivery;
use selvedge::primitives::right::{OfferError, Origin, RightError, Succession};
use selvedge::primitives::undertaker::{Dead, Repair};
use selvedge::primitives::{RawMailbox, RawQueue, RawRendezvous, RawRight};
use selvedge::sync::{AtomicU64, Cell, Deadline};
use std::sync::Arc;

pub(super) const MODELS: &[Model] = &[
    Model {
        name: "mailbox/closed_is_drained_and_then_over",
        properties: "P1 P2 Q1 G1 G2",
        client: "1 process × (send, close), 1 receives until it is told, capacity 1",
        build: drained,
        faults: Faults { spurious: true, ..Faults::NONE },
        bounds: Bounds { plain: Some(1), faulty: Some(0) },
    },
    Model {
        name: "mailbox/closer_dies_both_sides_are_told",
        properties: "P2 F1 G2 G4",
        client: "1 process × close, killed anywhere, the undertaker too, 1 × send into a full one, 1 × claim of the right",
        build: closer_dies,
        faults: Faults { victims: &[0], second_death: true, ..Faults::NONE },
        bounds: Bounds { plain: Some(0), faulty: Some(0) },
    },
    Model {
        name: "mailbox/holder_ends_sender_is_told",
        properties: "P2 P5 Q2 F1 G2 G4",
        client: "1 process × (receive, leave), killed anywhere, the undertaker too, 1 × 2 sends, capacity 1, closed with its holder",
        build: |world| bereft(world, Place::bounded(1, RawRight::new(Succession::Close))),
        faults: Faults { victims: &[0], second_death: true, ..Faults::NONE },
        bounds: Bounds { plain: Some(0), faulty: Some(0) },
    },
    Model {
        name: "mailbox/rendezvous_holder_ends_sender_is_told",
        properties: "P2 P5 Z2 F1 G2 G4",
        client: "1 process × (receive, leave), killed anywhere, the undertaker too, 1 × 2 sends, capacity 0, closed with its holder",
        build: |world| bereft(world, Place::rendezvous(RawRight::new(Succession::Close))),
        faults: Faults { victims: &[0], second_death: true, ..Faults::NONE },
        bounds: Bounds { plain: Some(0), faulty: Some(0) },
    },
    Model {
        name: "mailbox/heir_receives_what_the_dead_did_not",
        properties: "P5 Q1 Q6 F1 G2 G4",
        client: "1 process × (receive, leave), killed anywhere, the undertaker too, 1 × (claim, 2 try_receive), 2 messages there",
        build: inherited,
        faults: Faults { victims: &[0], second_death: true, ..Faults::NONE },
        bounds: Bounds { plain: Some(0), faulty: Some(0) },
    },
    Model {
        name: "mailbox/given_on_nothing_is_lost",
        properties: "P1 P5 Q1 G1 G2",
        client: "1 process × (try_receive, offer), 1 × (claim, receive until it has both), 1 × 2 sends, capacity 1",
        build: given_on,
        faults: Faults::NONE,
        bounds: Bounds { plain: Some(0), faulty: None },
    },
    Model {
        name: "mailbox/who_it_is_offered_to_dies_sender_is_told",
        properties: "P5 P2 F1 G2 G4",
        client: "1 process × offer, 1 killed anywhere, the undertaker too, 1 × send into a full one, closed with its holder",
        build: offered_to_the_dead,
        faults: Faults { victims: &[1], second_death: true, ..Faults::NONE },
        bounds: Bounds { plain: Some(0), faulty: Some(0) },
    },
    Model {
        name: "mailbox/shared_one_ends_with_its_receivers",
        properties: "P2 G2",
        client: "1 process × leave, 1 × send into a full one, shared, closed with its receivers",
        build: shared,
        faults: Faults { victims: &[0], second_death: true, ..Faults::NONE },
        bounds: Bounds { plain: Some(1), faulty: Some(0) },
    },
    Model {
        name: "mailbox/nobody_there_is_not_the_end",
        properties: "P2 P5",
        client: "1 process leaves a shared mailbox, and one of its own, that outlive it; 1 × 2 try_send there, and try_receive",
        build: outlives,
        faults: Faults::NONE,
        bounds: Bounds { plain: Some(2), faulty: None },
    },
];

const BUFFERS: usize = 3;

/// A mailbox with its words and buffers.
pub(super) struct Place<L> {
    control: RawMailbox<L>,
    words: Vec<AtomicU64>,
    content: Vec<Cell<u32>>,
    annexes: Vec<AtomicU64>,
    /// What is in its annexes.
    long: Vec<Cell<u32>>,
}

impl Place<RawQueue> {
    pub(super) fn bounded(capacity: usize, right: RawRight) -> Self {
        let words = (0..capacity + 2 * BUFFERS).map(|_| RawQueue::word()).collect();
        Self::over(RawQueue::new(u32::try_from(capacity).expect("small"), Delivery::AtLeastOnce), words, right)
    }

    /// Shared by any number of receivers, with such a delivery.
    pub(super) fn shared(capacity: usize, delivery: Delivery) -> Self {
        Self::delivering(capacity, RawRight::shared(Succession::Inherit), delivery)
    }

    /// Of one receiver, who is inherited, with such a delivery.
    pub(super) fn owned(capacity: usize, delivery: Delivery) -> Self {
        Self::delivering(capacity, RawRight::new(Succession::Inherit), delivery)
    }

    fn delivering(capacity: usize, right: RawRight, delivery: Delivery) -> Self {
        let Self { words, content, .. } = Self::bounded(capacity, RawRight::shared(Succession::Inherit));
        let line = RawQueue::new(u32::try_from(capacity).expect("small"), Delivery::AtLeastOnce);
        Self { control: RawMailbox::new(line, right, delivery), words, content, annexes: Vec::new(), long: Vec::new() }
    }

    /// The same with so many annexes.
    pub(super) fn with_annexes(mut self, annexes: usize) -> Self {
        self.annexes = (0..annexes).map(|_| Annexes::word()).collect();
        self.long = (0..annexes).map(|_| Cell::new(0)).collect();
        self
    }

    pub(super) fn right(&self) -> &RawRight {
        self.control.right()
    }
}

impl Place<RawRendezvous> {
    fn rendezvous(right: RawRight) -> Self {
        Self::over(RawRendezvous::new(), (0..2 * BUFFERS).map(|_| AtomicU64::new(0)).collect(), right)
    }
}

impl<L: RawLine + Send + Sync + 'static> Place<L> {
    fn over(line: L, words: Vec<AtomicU64>, right: RawRight) -> Self {
        let content = (0..BUFFERS).map(|_| Cell::new(0)).collect();
        Self {
            control: RawMailbox::new(line, right, Delivery::AtMostOnce),
            words,
            content,
            annexes: Vec::new(),
            long: Vec::new(),
        }
    }

    pub(super) fn mailbox(&self) -> Mailbox<'_, L::Line<'_>> {
        self.control.with_annexes(&self.words, &self.annexes)
    }

    /// What is in an annex of a buffer that the lane has.
    pub(super) fn long(&self, buffer: usize, annex: usize) -> &Cell<u32> {
        verify!(self.mailbox().channel().has_annex(buffer, annex), "it is another's");
        &self.long[annex]
    }

    pub(super) fn fill(&self, scene: &Scene<Self>, lane: usize, message: u32) -> usize {
        let buffer = self.mailbox().channel().try_buffer(scene.slot(lane)).expect("there are enough");
        self.write(buffer, message);
        buffer
    }

    pub(super) fn write(&self, buffer: usize, message: u32) {
        // SAFETY: the lane has the buffer; the engine reports it if somebody else has it, too.
        self.content[buffer].with_mut(|content| unsafe { *content = message });
    }

    pub(super) fn read(&self, buffer: usize) -> u32 {
        // SAFETY: as in write.
        self.content[buffer].with(|content| unsafe { *content })
    }

    /// Sends what is in a buffer, and gives it back if that cannot be.
    pub(super) fn send(
        &self,
        scene: &Scene<Self>,
        lane: usize,
        buffer: usize,
        deadline: Option<Deadline>,
    ) -> Result<(), ChannelError> {
        let channel = self.mailbox().channel();
        let sent = channel.send(&scene.caller(lane), OBJECT, buffer, deadline);
        sent.inspect_err(|_| channel.pool().give_back(buffer))
    }

    pub(super) fn finish(&self, buffer: usize) -> u32 {
        let message = self.read(buffer);
        self.mailbox().channel().give_back(buffer);
        message
    }

    pub(super) fn receive(
        &self,
        scene: &Scene<Self>,
        lane: usize,
        deadline: Option<Deadline>,
    ) -> Result<u32, ChannelError> {
        let taken = self.mailbox().channel().receive(&scene.caller(lane), OBJECT, deadline)?;
        Ok(self.finish(taken.buffer))
    }

    pub(super) fn try_receive(&self, scene: &Scene<Self>, lane: usize) -> Result<u32, ChannelError> {
        let taken = self.mailbox().channel().try_receive(scene.table(), scene.slot(lane))?;
        Ok(self.finish(taken.buffer))
    }
}

impl<L: RawLine + Send + Sync + 'static> Repair for Place<L> {
    fn bury(&self, dead: &Dead<'_>) {
        self.mailbox().bury(dead);
    }

    fn wake_all(&self) {
        self.mailbox().wake_all();
    }
}

fn claim<L: RawLine + Send + Sync + 'static>(
    scene: &Arc<Scene<Place<L>>>,
    lane: usize,
    deadline: Option<Deadline>,
) -> Result<Origin, RightError> {
    scene.object.control.right().claim(&scene.caller(lane), OBJECT, scene.process(lane), deadline)
}

/// Lane 0 has the right from the beginning.
fn held<L: RawLine + Send + Sync + 'static>(world: &mut World, lanes: usize, place: Place<L>) -> Arc<Scene<Place<L>>> {
    let scene = Scene::in_world(world, lanes, place);
    assert_eq!(scene.object.control.right().try_claim(scene.process(0)), Ok(Origin::First), "nobody had it");
    scene
}

/// Fills the mailbox's only place, and a buffer for one message more.
fn full(scene: &Scene<Place<RawQueue>>, lane: usize) -> usize {
    let first = scene.object.fill(scene, lane, message(lane, 0));
    let sent = scene.object.mailbox().channel().try_send(scene.table(), first);
    assert_eq!(sent, Ok(()), "there is space");
    scene.object.fill(scene, lane, message(lane, 1))
}

fn drained(world: &mut World) {
    let scene = Scene::in_world(world, 2, Place::bounded(1, RawRight::new(Succession::Inherit)));
    assert_eq!(scene.object.control.right().try_claim(scene.process(1)), Ok(Origin::First), "nobody had it");
    let got = Got::default();
    let filled = scene.object.fill(&scene, 0, message(0, 0));
    let sends = Arc::clone(&scene);
    world.thread("sends", move || {
        verify_eq!(sends.object.send(&sends, 0, filled, None), Ok(()));
        sends.object.mailbox().close();
    });
    let by_receiver = Arc::clone(&got);
    world.thread("receives", move || {
        loop {
            match scene.object.receive(&scene, 1, None) {
                Ok(message) => by_receiver.lock().push((1, message)),
                Err(why) => break verify_eq!(why, ChannelError::Disconnected),
            }
        }
        verify_eq!(scene.object.try_receive(&scene, 1), Err(ChannelError::Disconnected), "once and for all");
    });
    world.finally(move || {
        check(&got.lock(), &[1]);
        verify_eq!(got.lock().len(), 1, "a message was lost: the receiver was told too early");
    });
}

fn closer_dies(world: &mut World) {
    let scene = held(world, 3, Place::bounded(1, RawRight::new(Succession::Inherit)));
    let second = full(&scene, 1);
    let closes = Arc::clone(&scene);
    world.thread("closes", move || closes.object.mailbox().close());
    let sends = Arc::clone(&scene);
    // If the closer has died before it closed, its right goes to who waits for it, and it is not over: who sends waits until the end.
    world.thread("sends", move || {
        let over = told(|| match sends.object.send(&sends, 1, second, END) {
            Err(ChannelError::Disconnected) => Ok(()),
            answer => Err(answer),
        });
        if let Err(answer) = over {
            verify_eq!(answer, Err(ChannelError::TimedOut));
        }
    });
    world.thread("waits for the right", move || {
        let answer = told(|| match claim(&scene, 2, END) {
            Err(RightError::TimedOut) => Err(RightError::TimedOut),
            answer => Ok(answer),
        });
        verify!(matches!(answer, Ok(Ok(Origin::Died) | Err(RightError::Closed))), "{answer:?}");
    });
}

fn bereft<L: RawLine + Send + Sync + 'static>(world: &mut World, place: Place<L>) {
    let scene = held(world, 2, place);
    let filled: Vec<usize> = (0..2).map(|number| scene.object.fill(&scene, 1, message(1, number))).collect();
    let got = Got::default();
    let (receives, by_receiver) = (Arc::clone(&scene), Arc::clone(&got));
    world.thread("receives", move || {
        match receives.object.receive(&receives, 0, None) {
            Ok(message) => by_receiver.lock().push((0, message)),
            Err(why) => verify!(false, "{why:?}, and nobody has closed it"),
        }
        receives.object.mailbox().leave(receives.process(0));
    });
    let sends = Arc::clone(&scene);
    world.thread("sends", move || {
        for buffer in filled {
            // One may be sent before the end, and one may find space that the first left.
            if let Err(why) = sends.object.send(&sends, 1, buffer, None) {
                verify_eq!(why, ChannelError::Disconnected);
                verify!(sends.object.control.right().is_closed());
            }
        }
        // With all that there is room for sent, nobody waits for a receiver who does not come.
        let third = sends.object.mailbox().channel().try_buffer(sends.slot(1));
        if let Ok(third) = third {
            verify!(sends.object.send(&sends, 1, third, None).is_ok() || sends.object.control.right().is_closed());
        }
    });
    world.finally(move || check(&got.lock(), &[0, 2]));
}

fn inherited(world: &mut World) {
    let scene = held(world, 3, Place::bounded(2, RawRight::new(Succession::Inherit)));
    for number in 0..2 {
        let filled = scene.object.fill(&scene, 2, message(2, number));
        assert_eq!(scene.object.mailbox().channel().try_send(scene.table(), filled), Ok(()), "there is space");
    }
    let got = Got::default();
    let left = Arc::new(Notes::<bool>::default());
    let (holds, by_holder, leaves) = (Arc::clone(&scene), Arc::clone(&got), Arc::clone(&left));
    world.thread("holds", move || {
        let first = holds.object.receive(&holds, 0, None);
        verify_eq!(first, Ok(message(2, 0)), "it is there");
        by_holder.lock().extend(first.map(|message| (0, message)));
        *leaves.lock() = true;
        holds.object.mailbox().leave(holds.process(0));
    });
    let (heir, by_heir, has_left) = (Arc::clone(&scene), Arc::clone(&got), Arc::clone(&left));
    world.thread("inherits", move || {
        let origin = claim(&heir, 1, None).expect("it is not closed");
        verify!(origin == Origin::Died || (origin == Origin::Left && *has_left.lock()), "{origin:?}");
        while let Ok(message) = heir.object.try_receive(&heir, 1) {
            by_heir.lock().push((1, message));
        }
    });
    world.finally(move || {
        let got = got.lock();
        check(&got, &[0, 0, 2]);
        verify!(got.iter().any(|(_, got)| *got == message(2, 1)), "what the dead had not received was lost");
        verify_eq!(scene.object.mailbox().channel().pool().in_use(), 0, "a buffer was lost");
    });
}

fn given_on(world: &mut World) {
    let scene = held(world, 3, Place::bounded(1, RawRight::new(Succession::Inherit)));
    let got = Got::default();
    let filled: Vec<usize> = (0..2).map(|number| scene.object.fill(&scene, 2, message(2, number))).collect();
    let (gives, by_giver) = (Arc::clone(&scene), Arc::clone(&got));
    world.thread("gives", move || {
        if let Ok(message) = gives.object.try_receive(&gives, 0) {
            by_giver.lock().push((0, message));
        }
        let given = gives.object.mailbox().offer(&gives.table(), gives.process(0), gives.process(1));
        verify_eq!(given, Ok(()));
    });
    let (takes, by_taker) = (Arc::clone(&scene), Arc::clone(&got));
    world.thread("is given it", move || {
        verify_eq!(claim(&takes, 1, None), Ok(Origin::Given));
        while by_taker.lock().len() < 2 {
            let message = takes.object.receive(&takes, 1, None).expect("there is one more");
            by_taker.lock().push((1, message));
        }
    });
    world.thread("sends", move || {
        for buffer in filled {
            verify_eq!(scene.object.send(&scene, 2, buffer, None), Ok(()));
        }
    });
    world.finally(move || check(&got.lock(), &[0, 0, 2]));
}

fn offered_to_the_dead(world: &mut World) {
    let scene = held(world, 3, Place::bounded(1, RawRight::new(Succession::Close)));
    let second = full(&scene, 2);
    let gives = Arc::clone(&scene);
    world.thread("gives", move || {
        let given = gives.object.mailbox().offer(&gives.table(), gives.process(0), gives.process(1));
        if given == Err(OfferError::Gone) {
            gives.object.mailbox().leave(gives.process(0));
        } else {
            verify_eq!(given, Ok(()));
        }
    });
    let takes = Arc::clone(&scene);
    world.thread("is given it", move || {
        // Whether it is given it in time or not, it has done so before it ends.
        if told(|| claim(&takes, 1, END)).is_ok() {
            takes.object.mailbox().leave(takes.process(1));
        }
    });
    world.thread("sends", move || {
        verify_eq!(scene.object.send(&scene, 2, second, None), Err(ChannelError::Disconnected));
    });
}

fn shared(world: &mut World) {
    let scene = Scene::in_world(world, 2, Place::bounded(1, RawRight::shared(Succession::Close)));
    scene.object.mailbox().channel().join(End::Receivers, 0);
    let second = full(&scene, 1);
    let leaves = Arc::clone(&scene);
    world.thread("leaves", move || leaves.object.mailbox().channel().leave(End::Receivers, 0));
    world.thread("sends", move || {
        verify_eq!(scene.object.send(&scene, 1, second, None), Err(ChannelError::Disconnected));
        verify!(!scene.object.control.right().is_closed(), "it is not closed: another may come");
    });
}

/// Two mailboxes in one object.
struct Two(Place<RawQueue>, Place<RawQueue>);

impl Repair for Two {
    fn bury(&self, dead: &Dead<'_>) {
        self.0.bury(dead);
        self.1.bury(dead);
    }

    fn wake_all(&self) {
        self.0.wake_all();
        self.1.wake_all();
    }
}

fn outlives(world: &mut World) {
    let right = |new: fn(Succession) -> RawRight| Place::bounded(1, new(Succession::Inherit));
    let scene = Scene::in_world(world, 2, Two(right(RawRight::shared), right(RawRight::new)));
    let Two(shared, own) = &scene.object;
    shared.mailbox().channel().join(End::Receivers, 0);
    shared.mailbox().channel().join(End::Senders, 1);
    assert_eq!(own.control.right().try_claim(scene.process(0)), Ok(Origin::First), "nobody had it");
    let leaves = Arc::clone(&scene);
    world.thread("leaves", move || {
        let Two(shared, own) = &leaves.object;
        shared.mailbox().channel().leave(End::Receivers, 0);
        shared.mailbox().channel().leave(End::Senders, 1);
        own.mailbox().leave(leaves.process(0));
    });
    world.thread("sends", move || {
        let Two(shared, own) = &scene.object;
        for place in [shared, own] {
            let channel = place.mailbox().channel();
            let [first, second] = [0, 1].map(|_| channel.try_buffer(scene.slot(1)).expect("nobody is gone"));
            verify_eq!(channel.try_send(scene.table(), first), Ok(()));
            verify_eq!(channel.try_send(scene.table(), second), Err(ChannelError::WouldBlock), "it is full, not over");
            let taken = channel.try_receive(scene.table(), scene.slot(1)).expect("it is there");
            channel.give_back(taken.buffer);
            let nothing = channel.try_receive(scene.table(), scene.slot(1));
            verify_eq!(nothing, Err(ChannelError::WouldBlock), "it is empty, not over");
        }
    });
}

//! Models of messages that are put back: of `primitives/pool/returned.rs`, `primitives/mailbox.rs`, `primitives/channel.rs`
//! and `primitives/unbounded.rs`.

use super::channel::{Way, joined};
use super::mailbox::Place;
use super::messages::{Got, check, message};
use super::unbounded::{List, drain};
use crate::last_resort::{END, told};
use crate::scene::{Notes, OBJECT, Scene};
use crate::world::{Bounds, Faults, Model, World};
use crate::{verify, verify_eq};
use selvedge::primitives::RawQueue;
use selvedge::primitives::channel::{ChannelError, RawLine};
use selvedge::primitives::queue::{Delivery, Taken};
use std::sync::Arc;

pub(super) const MODELS: &[Model] = &[
    Model {
        name: "mailbox/each_type_goes_to_who_wants_it",
        properties: "P6 G2",
        client: "2 processes × receive of a type, 1 × send of the second's",
        build: |world| each_its_own(world, &[1, 2]),
        faults: Faults { lifo: true, ..Faults::NONE },
        bounds: Bounds { plain: Some(1), faulty: Some(0) },
    },
    Model {
        name: "mailbox/all_who_wait_are_told_of_what_is_put_aside",
        properties: "P6 G2",
        client: "3 processes × receive of a type, 1 × send of the last's",
        build: |world| each_its_own(world, &[1, 2, 3]),
        faults: Faults { lifo: true, ..Faults::NONE },
        bounds: Bounds { plain: Some(0), faulty: Some(0) },
    },
    Model {
        name: "mailbox/what_is_put_aside_stays_in_order",
        properties: "P1 P6",
        client: "1 process × (try_receive of the third's type, receive the rest), 1 × send, 3 messages there",
        build: in_order,
        faults: Faults::NONE,
        bounds: Bounds { plain: Some(1), faulty: None },
    },
    Model {
        name: "mailbox/two_are_put_back_in_any_order",
        properties: "P1 P7",
        client: "1 process × (2 receives, put back the second, the first, 3 receives), 1 × send, 2 messages there",
        build: any_order,
        faults: Faults::NONE,
        bounds: Bounds { plain: Some(1), faulty: None },
    },
    Model {
        name: "mailbox/who_looks_for_a_type_dies_nothing_is_lost",
        properties: "P6 P7 Q6 F1 G2 G4",
        client: "1 process × receive of a type, in vain, killed anywhere, the undertaker too, 1 × receive of another, which is there",
        build: looker_dies,
        faults: Faults { victims: &[0], second_death: true, ..Faults::NONE },
        bounds: Bounds { plain: Some(0), faulty: Some(0) },
    },
    Model {
        name: "mailbox/who_was_given_it_dies_it_is_gone",
        properties: "P7 Q6 G4",
        client: "1 process × receive, killed anywhere, the undertaker too, 1 × try_receive, 1 message there, at most once",
        build: given,
        faults: Faults { victims: &[0], second_death: true, ..Faults::NONE },
        bounds: Bounds { plain: Some(0), faulty: Some(0) },
    },
    Model {
        name: "mailbox/who_did_not_finish_dies_another_gets_it",
        properties: "P7 Q6 F1 G2 G4",
        client: "1 process × (receive, put back), killed anywhere, the undertaker too, 1 × receive, 1 message there, at least once",
        build: not_finished,
        faults: Faults { victims: &[0], second_death: true, ..Faults::NONE },
        bounds: Bounds { plain: Some(0), faulty: Some(0) },
    },
    Model {
        name: "mailbox/heir_finds_what_was_not_finished",
        properties: "P5 P7 F1 G4",
        client: "1 process × (receive, put back, leave), killed anywhere, 1 × (claim, try_receive), 1 message there, at least once",
        build: heir,
        faults: Faults { victims: &[0], ..Faults::NONE },
        bounds: Bounds { plain: Some(1), faulty: Some(0) },
    },
    Model {
        name: "mailbox/what_is_put_back_is_told",
        properties: "P6 P7 G2",
        client: "1 process × put back what it has, 1 × receive of that type",
        build: told_of,
        faults: Faults { spurious: true, ..Faults::NONE },
        bounds: Bounds { plain: Some(2), faulty: Some(1) },
    },
    Model {
        name: "unbounded/put_back_while_the_next_is_taken",
        properties: "U1 Q1 Q3 Q5",
        client: "1 process × put back the first, 1 × take the next, 1 × (take what was put back, send)",
        build: put_back,
        faults: Faults::NONE,
        bounds: Bounds { plain: Some(1), faulty: None },
    },
    Model {
        name: "unbounded/receiver_dies_message_is_there_again",
        properties: "U1 U2 Q5 Q6 F1 G4",
        client: "1 process × (receive, put back), killed anywhere, the undertaker too, 1 × (take what was put back, receive), 2 messages there, at least once",
        build: there_again,
        faults: Faults { victims: &[0], second_death: true, ..Faults::NONE },
        bounds: Bounds { plain: Some(1), faulty: Some(0) },
    },
    Model {
        name: "channel/peeked_message_stays_the_next",
        properties: "Q1 Q3 G2",
        client: "1 process × send, 1 × 2 × (2 × (receive, put back), receive), 1 message there, capacity 2",
        build: |world| peeked(world, Way::bounded(2)),
        faults: Faults { spurious: true, ..Faults::NONE },
        bounds: Bounds { plain: Some(1), faulty: Some(0) },
    },
    Model {
        name: "channel/peeked_message_stays_the_next_of_an_unbounded_one",
        properties: "Q1 Q3 U1 G2",
        client: "1 process × send, 1 × 2 × (2 × (receive, put back), receive), 1 message there",
        build: |world| peeked(world, Way::unbounded()),
        faults: Faults { spurious: true, ..Faults::NONE },
        bounds: Bounds { plain: Some(1), faulty: Some(0) },
    },
    Model {
        name: "channel/who_peeks_tells_those_who_wait",
        properties: "Q1 Q3 G2",
        client: "1 process × (try_receive, put back), 1 × receive, 1 message there, capacity 2",
        build: |world| peeked_by_another(world, Way::bounded(2)),
        faults: Faults { spurious: true, ..Faults::NONE },
        bounds: Bounds { plain: Some(2), faulty: Some(1) },
    },
    Model {
        name: "channel/who_peeks_dies",
        properties: "Q6 F1 G2 G4",
        client: "1 process × (try_receive, put back), killed anywhere, the undertaker too, 1 × receive, 1 message there, capacity 2",
        build: |world| peeked_by_another(world, Way::bounded(2)),
        faults: Faults { victims: &[0], second_death: true, ..Faults::NONE },
        bounds: Bounds { plain: Some(0), faulty: Some(0) },
    },
    Model {
        name: "channel/who_peeks_at_an_unbounded_one_dies",
        properties: "Q6 U1 F1 G2 G4",
        client: "1 process × (try_receive, put back), killed anywhere, the undertaker too, 1 × receive, 1 message there",
        build: |world| peeked_by_another(world, Way::unbounded()),
        faults: Faults { victims: &[0], second_death: true, ..Faults::NONE },
        bounds: Bounds { plain: Some(0), faulty: Some(0) },
    },
];

impl Place<RawQueue> {
    /// A message of this type, in a buffer.
    fn of_type(&self, scene: &Scene<Self>, lane: usize, number: usize, kind: u32) -> usize {
        let buffer = self.fill(scene, lane, message(lane, number));
        self.mailbox().channel().label(buffer, kind);
        buffer
    }

    /// Sends one that there is space for.
    fn post(&self, scene: &Scene<Self>, buffer: usize) {
        verify_eq!(self.mailbox().channel().try_send(scene.table(), buffer), Ok(()), "there is space");
    }
}

/// Each waits for one of these types, and one of the last is sent: only that one is told of anything.
fn each_its_own(world: &mut World, kinds: &'static [u32]) {
    let lanes = kinds.len() + 1;
    let scene = Scene::in_world(world, lanes, Place::shared(1, Delivery::AtMostOnce));
    let filled = scene.object.of_type(&scene, lanes - 1, 0, kinds[kinds.len() - 1]);
    for (lane, kind) in kinds.iter().copied().enumerate().rev() {
        let scene = Arc::clone(&scene);
        world.thread(["wants one", "wants two", "wants three"][lane], move || {
            let channel = scene.object.mailbox().channel();
            let received = told(|| channel.receive_kind(&scene.caller(lane), OBJECT, END, kind));
            match received {
                Ok(taken) => {
                    verify_eq!(lane, lanes - 2, "it is for another");
                    verify_eq!(scene.object.finish(taken.buffer), message(lanes - 1, 0));
                }
                Err(why) => {
                    verify_eq!(why, ChannelError::TimedOut);
                    verify!(lane < lanes - 2, "it was sent, and nobody else wants it");
                }
            }
        });
    }
    world.thread("sends", move || scene.object.post(&scene, filled));
}

/// The buffers are in another order than the messages, and the second is put aside before the third is sent.
fn in_order(world: &mut World) {
    let scene = Scene::in_world(world, 2, Place::shared(3, Delivery::AtMostOnce));
    let [third, second, first] =
        [(2, 7), (1, 5), (0, 5)].map(|(number, kind)| scene.object.of_type(&scene, 1, number, kind));
    scene.object.post(&scene, first);
    scene.object.post(&scene, second);
    let receives = Arc::clone(&scene);
    world.thread("receives", move || {
        let channel = receives.object.mailbox().channel();
        let mut got = Vec::new();
        if let Ok(taken) = channel.try_receive_kind(receives.table(), receives.slot(0), 7) {
            verify_eq!(receives.object.finish(taken.buffer), message(1, 2), "it is of that type");
            got.push(message(1, 2));
        }
        while got.len() < 3 {
            got.extend(receives.object.receive(&receives, 0, None));
        }
        got.retain(|got| *got != message(1, 2));
        verify_eq!(got, [message(1, 0), message(1, 1)], "they were put aside in that order");
    });
    world.thread("sends", move || scene.object.post(&scene, third));
}

/// The buffers are in another order than the messages.
fn any_order(world: &mut World) {
    let scene = Scene::in_world(world, 2, Place::shared(2, Delivery::AtLeastOnce));
    let [third, second, first] = [2, 1, 0].map(|number| scene.object.of_type(&scene, 1, number, 0));
    scene.object.post(&scene, first);
    scene.object.post(&scene, second);
    let receives = Arc::clone(&scene);
    world.thread("receives", move || {
        let channel = receives.object.mailbox().channel();
        let take = || channel.try_receive(receives.table(), receives.slot(0)).expect("there are two").buffer;
        let (first, second) = (take(), take());
        channel.put_back(second);
        channel.put_back(first);
        let got = [(); 3].map(|()| receives.object.receive(&receives, 0, None));
        verify_eq!(got, [0, 1, 2].map(|number| Ok(message(1, number))), "they were received in that order");
    });
    world.thread("sends", move || {
        verify_eq!(scene.object.send(&scene, 1, third, None), Ok(()));
    });
}

/// Who looks for something else has each message for a moment.
fn looker_dies(world: &mut World) {
    let scene = Scene::in_world(world, 2, Place::shared(1, Delivery::AtMostOnce));
    let filled = scene.object.of_type(&scene, 1, 0, 2);
    scene.object.post(&scene, filled);
    let looks = Arc::clone(&scene);
    world.thread("looks", move || {
        let channel = looks.object.mailbox().channel();
        let nothing = channel.try_receive_kind(looks.table(), looks.slot(0), 1);
        verify_eq!(nothing, Err(ChannelError::WouldBlock), "there is none of this type");
    });
    world.thread("receives", move || {
        let channel = scene.object.mailbox().channel();
        let taken = told(|| channel.receive_kind(&scene.caller(1), OBJECT, END, 2));
        let taken = taken.expect("nobody was given it");
        verify_eq!(scene.object.finish(taken.buffer), message(1, 0));
        verify_eq!(channel.pool().in_use(), 0, "a buffer was lost");
    });
}

/// One message, to be had once.
fn given(world: &mut World) {
    let scene = Scene::in_world(world, 2, Place::shared(1, Delivery::AtMostOnce));
    let filled = scene.object.of_type(&scene, 1, 0, 2);
    scene.object.post(&scene, filled);
    let got = Got::default();
    for (lane, name) in ["receives", "lives"].into_iter().enumerate() {
        let (scene, got) = (Arc::clone(&scene), Arc::clone(&got));
        world.thread(name, move || {
            let channel = scene.object.mailbox().channel();
            let taken = told(|| channel.receive(&scene.caller(lane), OBJECT, END));
            let Ok(taken) = taken else { return };
            // From here on it is this one's, whatever becomes of it.
            got.lock().push((lane, message(1, 0)));
            verify_eq!(scene.object.finish(taken.buffer), message(1, 0));
        });
    }
    world.finally(move || {
        // Else it would be there still, and who lives was not told.
        verify_eq!(scene.object.mailbox().channel().pool().in_use(), 0, "a buffer was lost");
        check(&got.lock(), &[0, 1]);
    });
}

/// Whoever receives first does not finish: it puts it back, or dies.
fn not_finished(world: &mut World) {
    let scene = Scene::in_world(world, 2, Place::shared(1, Delivery::AtLeastOnce));
    let filled = scene.object.of_type(&scene, 1, 0, 2);
    scene.object.post(&scene, filled);
    let receives = Arc::clone(&scene);
    world.thread("receives", move || {
        let channel = receives.object.mailbox().channel();
        if let Ok(taken) = channel.try_receive(receives.table(), receives.slot(0)) {
            channel.put_back(taken.buffer);
        }
    });
    world.thread("lives", move || {
        let channel = scene.object.mailbox().channel();
        let taken = told(|| channel.receive(&scene.caller(1), OBJECT, END));
        let taken = taken.expect("nobody has finished it");
        verify_eq!(scene.object.finish(taken.buffer), message(1, 0));
        verify_eq!(channel.pool().in_use(), 0, "a buffer was lost");
    });
}

/// Whoever has the right next finds the message, wherever the one before died.
fn heir(world: &mut World) {
    let scene = Scene::in_world(world, 2, Place::owned(1, Delivery::AtLeastOnce));
    assert!(scene.object.right().try_claim(scene.process(0)).is_ok(), "nobody had it");
    let filled = scene.object.of_type(&scene, 1, 0, 2);
    scene.object.post(&scene, filled);
    let holds = Arc::clone(&scene);
    world.thread("holds", move || {
        let mailbox = holds.object.mailbox();
        let taken = mailbox.channel().try_receive(holds.table(), holds.slot(0)).expect("it is there");
        mailbox.channel().put_back(taken.buffer);
        mailbox.leave(holds.process(0));
    });
    world.thread("inherits", move || {
        let claimed = scene.object.right().claim(&scene.caller(1), OBJECT, scene.process(1), None);
        verify!(claimed.is_ok(), "it is not closed");
        let channel = scene.object.mailbox().channel();
        let taken = channel.try_receive(scene.table(), scene.slot(1)).expect("nobody has finished it");
        verify_eq!(scene.object.finish(taken.buffer), message(1, 0));
    });
}

fn told_of(world: &mut World) {
    let scene = Scene::in_world(world, 2, Place::shared(1, Delivery::AtLeastOnce));
    let filled = scene.object.of_type(&scene, 1, 0, 2);
    scene.object.post(&scene, filled);
    let channel = scene.object.mailbox().channel();
    let taken = channel.try_receive(scene.table(), scene.slot(0)).expect("it is there");
    let puts = Arc::clone(&scene);
    world.thread("puts back", move || puts.object.mailbox().channel().put_back(taken.buffer));
    world.thread("receives", move || {
        let channel = scene.object.mailbox().channel();
        let taken = channel.receive_kind(&scene.caller(1), OBJECT, None, 2).expect("it is not closed");
        verify_eq!(scene.object.finish(taken.buffer), message(1, 0));
    });
}

/// Takes what was put back, if there is something.
fn take_again(scene: &Scene<List>, lane: usize) -> Option<u32> {
    let taken = scene.object.queue().returned().take(scene.slot(lane), &|_| Some(0))?;
    verify!(taken.redelivered, "it was had before");
    Some(scene.object.finish(taken.buffer, scene.slot(lane)))
}

/// What is left in the end, put back or not, and no node is lost.
fn drain_all(scene: &Scene<List>, lane: usize) -> Vec<u32> {
    // Last those that were put back, when the list begins elsewhere.
    let mut left: Vec<u32> = std::iter::from_fn(|| scene.object.try_receive(scene, lane)).collect();
    left.extend(std::iter::from_fn(|| take_again(scene, lane)));
    verify_eq!(drain(scene, lane), Vec::<u32>::new());
    left
}

/// The node that is put back is the one with which the list begins, until the next is taken.
fn put_back(world: &mut World) {
    let scene = Scene::in_world(world, 3, List::new(4));
    (0..2).for_each(|number| verify!(scene.object.send(&scene, 2, message(2, number)), "there is memory"));
    let first = scene.object.queue().try_take(scene.slot(0)).expect("there are two messages");
    let got = Got::default();
    let puts = Arc::clone(&scene);
    world.thread("puts back", move || {
        // SAFETY: the lane has the node; the engine reports it if somebody else has it, too.
        puts.object.content[first].with_mut(|content| unsafe { *content = [message(2, 0); 2] });
        puts.object.queue().returned().put_back(first);
    });
    let (next, by_next) = (Arc::clone(&scene), Arc::clone(&got));
    world.thread("takes the next", move || {
        let message = next.object.try_receive(&next, 1).expect("there is one");
        by_next.lock().push((1, message));
    });
    let (again, by_other) = (Arc::clone(&scene), Arc::clone(&got));
    world.thread("takes it again", move || {
        let taken = take_again(&again, 2);
        by_other.lock().extend(taken.map(|message| (2, message)));
        verify!(again.object.send(&again, 2, message(2, 2)), "there is memory");
    });
    world.finally(move || {
        let mut all = got.lock().clone();
        all.extend(drain_all(&scene, 0).into_iter().map(|message| (3, message)));
        all.sort_unstable_by_key(|(_, message)| *message);
        let messages: Vec<u32> = all.iter().map(|(_, message)| *message).collect();
        verify_eq!(messages, [0, 1, 2].map(|number| message(2, number)), "a message was lost, or received twice");
    });
}

/// Whoever looks next finds what the dead had, whichever node the list begins with by then.
fn there_again(world: &mut World) {
    let scene = Scene::in_world(world, 2, List::delivering(3, Delivery::AtLeastOnce));
    (0..2).for_each(|number| verify!(scene.object.send(&scene, 1, message(1, number)), "there is memory"));
    let got = Got::default();
    let dies = Arc::clone(&scene);
    world.thread("dies", move || {
        let node = dies.object.queue().try_take(dies.slot(0)).expect("there are two messages");
        dies.object.queue().returned().put_back(node);
    });
    let (lives, by_other) = (Arc::clone(&scene), Arc::clone(&got));
    world.thread("lives", move || {
        let again = take_again(&lives, 1);
        by_other.lock().extend(again.map(|message| (1, message)));
        let next = lives.object.try_receive(&lives, 1);
        by_other.lock().extend(next.map(|message| (1, message)));
    });
    world.finally(move || {
        let mut all = got.lock().clone();
        all.extend(drain_all(&scene, 1).into_iter().map(|message| (2, message)));
        all.sort_unstable_by_key(|(_, message)| *message);
        let messages: Vec<u32> = all.iter().map(|(_, message)| *message).collect();
        verify_eq!(messages, [0, 1].map(|number| message(1, number)), "a message was lost, or received twice");
    });
}

/// Looks at the next message, and leaves it there.
fn peek<L: RawLine + Send + Sync + 'static>(way: &Way<L>, taken: Taken) -> u32 {
    let message = way.read(taken);
    way.channel().put_back(taken.buffer);
    message
}

/// Who looks at a message receives it next, and what comes behind it after that.
fn peeked<L: RawLine + Send + Sync + 'static>(world: &mut World, way: Way<L>) {
    let scene = joined(world, way);
    let filled = [0, 1].map(|number| scene.object.fill(&scene, 0, message(0, number)));
    verify_eq!(scene.object.send(&scene, 0, filled[0], None), Ok(()), "there is space");
    let sends = Arc::clone(&scene);
    world.thread("sends", move || verify_eq!(sends.object.send(&sends, 0, filled[1], None), Ok(()), "there is space"));
    world.thread("peeks", move || {
        let (way, caller) = (&scene.object, scene.caller(1));
        for number in 0..2 {
            for _ in 0..2 {
                let taken = way.channel().receive(&caller, OBJECT, None).expect("two are sent");
                verify_eq!(peek(way, taken), message(0, number));
            }
            verify_eq!(way.receive(&scene, 1, None), Ok(message(0, number)), "it stayed");
        }
    });
}

/// The only message is looked at while another waits for it. Who looks may be killed, and then it may be gone.
fn peeked_by_another<L: RawLine + Send + Sync + 'static>(world: &mut World, way: Way<L>) {
    let scene = joined(world, way);
    let filled = scene.object.fill(&scene, 0, message(0, 0));
    verify_eq!(scene.object.send(&scene, 0, filled, None), Ok(()), "there is space");
    let lives = Arc::new(Notes::<bool>::default());
    let (peeks, done) = (Arc::clone(&scene), Arc::clone(&lives));
    world.thread("peeks", move || {
        if let Ok(taken) = peeks.object.channel().try_receive(peeks.table(), peeks.slot(0)) {
            verify_eq!(peek(&peeks.object, taken), message(0, 0));
        }
        *done.lock() = true;
    });
    world.thread("receives", move || {
        let received = told(|| scene.object.receive(&scene, 1, END));
        let gone = matches!(received, Err(ChannelError::Disconnected | ChannelError::TimedOut)) && !*lives.lock();
        verify!(gone || received == Ok(message(0, 0)), "it is there again");
        verify!(scene.object.channel().pool().in_use() <= 1, "a buffer was lost");
    });
}

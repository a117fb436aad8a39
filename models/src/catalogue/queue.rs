//! Models of `primitives/queue.rs`.

use super::messages::{Got, check, held_by, message};
use crate::last_resort::{END, told};
use crate::scene::{Notes, OBJECT, Scene};
use crate::world::{Bounds, Faults, Model, World};
use crate::{verify, verify_eq};
use selvedge::primitives::queue::{Delivery, Queue, QueueError, Taken};
use selvedge::primitives::undertaker::{Dead, Repair};
use selvedge::primitives::{RawQueue, ThreadSlot};
use selvedge::sync::{AtomicU64, Cell, Deadline, Ordering};
use std::sync::Arc;

pub(super) const MODELS: &[Model] = &[
    Model {
        name: "queue/two_messages_one_slot",
        properties: "Q1 Q2 Q3 G1 G2",
        client: "1 process × 2 sends, 1 × 2 receives, capacity 1",
        build: |world| clients(world, 1, &[2], &[2]),
        faults: Faults { lifo: true, no_wake_edge: true, spurious: true, ..Faults::NONE },
        bounds: Bounds { plain: Some(1), faulty: Some(0) },
    },
    Model {
        name: "queue/two_senders",
        properties: "Q1 Q2 Q3 G1 G2",
        client: "2 processes × send, 1 × 2 receives, capacity 2",
        build: |world| clients(world, 2, &[1, 1], &[2]),
        faults: Faults { lifo: true, ..Faults::NONE },
        bounds: Bounds { plain: Some(1), faulty: None },
    },
    Model {
        name: "queue/two_senders_one_slot",
        properties: "Q1 Q2 Q3 G1 G2",
        client: "2 processes × send, 1 × 2 receives, capacity 1",
        build: |world| clients(world, 1, &[1, 1], &[2]),
        faults: Faults { lifo: true, ..Faults::NONE },
        bounds: Bounds { plain: Some(1), faulty: None },
    },
    Model {
        name: "queue/two_receivers",
        properties: "Q1 Q2 Q3 G1 G2",
        client: "1 process × 2 sends, 2 × receive, capacity 1",
        build: |world| clients(world, 1, &[2], &[1, 1]),
        faults: Faults { lifo: true, ..Faults::NONE },
        bounds: Bounds { plain: Some(1), faulty: None },
    },
    Model {
        name: "queue/buffer_is_used_again",
        properties: "Q1 Q6 G1",
        client: "1 message, 1 process × send, 1 × receive, 1 × take the buffer that becomes free, capacity 1, 2 buffers",
        build: used_again,
        faults: Faults::NONE,
        bounds: Bounds { plain: Some(1), faulty: None },
    },
    Model {
        name: "queue/late_receiver_is_not_led_astray",
        properties: "Q1 Q6 G1",
        client: "1 process × 2 (send, receive as somebody else), 1 × try_receive, capacity 1",
        build: |world| late(world, false),
        faults: Faults::NONE,
        bounds: Bounds { plain: Some(1), faulty: None },
    },
    Model {
        name: "queue/late_sender_is_not_led_astray",
        properties: "Q1 Q6 G1",
        client: "1 process × 2 (send, receive as somebody else), 1 × try_send, capacity 1",
        build: |world| late(world, true),
        faults: Faults::NONE,
        bounds: Bounds { plain: Some(1), faulty: None },
    },
    Model {
        // Whoever reads an old head may find its slot used twice since.
        name: "queue/slow_receiver_is_not_led_astray",
        properties: "Q1 Q6",
        client: "1 message, 2 processes × try_receive, 1 × (try_send, try_receive), capacity 1",
        build: overtaken,
        faults: Faults::NONE,
        bounds: Bounds { plain: Some(1), faulty: None },
    },
    Model {
        name: "queue/two_are_returned",
        properties: "Q5 G1",
        client: "2 processes × (write into a message they have, return it), 1 × try_receive",
        build: two_are_returned,
        faults: Faults::NONE,
        bounds: Bounds { plain: Some(1), faulty: None },
    },
    Model {
        name: "queue/thread_ends_with_a_message",
        properties: "Q5 Q6 F1 G1",
        client: "2 messages, 1 thread × (receive, regular end), killed anywhere, 1 process fills a buffer, capacity 2, 2 buffers",
        build: ends_with_a_message,
        faults: Faults { victims: &[0], ..Faults::NONE },
        bounds: Bounds { plain: Some(1), faulty: Some(0) },
    },
    Model {
        name: "queue/empty_is_no_excuse",
        properties: "Q1 G3 G6",
        client: "2 processes × (try_send, try_receive), capacity 2: neither can find it empty",
        build: never_empty,
        faults: Faults { frozen: &[0], solo_steps: 80, ..Faults::NONE },
        bounds: Bounds { plain: Some(1), faulty: Some(0) },
    },
    Model {
        name: "queue/full_is_no_excuse",
        properties: "Q1 Q2 G3 G6",
        client: "2 processes × (try_receive, try_send), full at first, capacity 2: neither can find it full",
        build: never_full,
        faults: Faults { frozen: &[0], solo_steps: 80, ..Faults::NONE },
        bounds: Bounds { plain: Some(1), faulty: Some(0) },
    },
    Model {
        // Whoever finds it full, and whoever finds it empty after that, must mean one order of things (read-write causality).
        name: "queue/full_and_then_empty_are_of_one_order",
        properties: "Q1 Q2",
        client: "1 process × send, 1 × try_send, 1 × (send, receive, try_receive), capacity 2",
        build: full_then_empty,
        faults: Faults::NONE,
        bounds: Bounds { plain: Some(1), faulty: None },
    },
    Model {
        name: "queue/empty_and_then_full_are_of_one_order",
        properties: "Q1 Q2",
        client: "full at first, 1 process × receive, 1 × try_receive, 1 × (receive, send, try_send), capacity 2",
        build: empty_then_full,
        faults: Faults::NONE,
        bounds: Bounds { plain: Some(1), faulty: None },
    },
    Model {
        name: "queue/sender_dies_nobody_waits_for_it",
        properties: "Q3 Q4 Q6 F1 G1 G2 G4",
        client: "1 process × send, killed, 1 × send, 1 × receive, capacity 1",
        build: |world| survivors(world, Delivery::AtMostOnce, 1, &[1, 1], &[1]),
        faults: Faults { victims: &[0], ..Faults::NONE },
        bounds: Bounds { plain: Some(0), faulty: Some(0) },
    },
    Model {
        name: "queue/sender_dies_alone",
        properties: "Q3 Q6 G1 G4",
        client: "1 process × 2 sends, killed, the undertaker too, capacity 2",
        build: |world| survivors(world, Delivery::AtMostOnce, 2, &[2], &[]),
        faults: Faults { victims: &[0], second_death: true, ..Faults::NONE },
        bounds: Bounds { plain: Some(0), faulty: Some(0) },
    },
    Model {
        name: "queue/receiver_dies_message_is_gone",
        properties: "Q5 Q6 F1 G1 G2 G4",
        client: "1 process × 2 sends, 1 × receive, killed, the undertaker too, capacity 1, at most once",
        build: |world| waiting_sender(world, Delivery::AtMostOnce),
        faults: Faults { victims: &[1], second_death: true, ..Faults::NONE },
        bounds: Bounds { plain: Some(0), faulty: Some(0) },
    },
    Model {
        name: "queue/receiver_dies_message_is_redelivered",
        properties: "Q5 Q6 F1 G1 G2 G4",
        client: "1 message, 2 processes × receive, one of them killed, capacity 1, at least once",
        build: |world| redelivered(world, 1, 2),
        faults: Faults { victims: &[0], second_death: true, ..Faults::NONE },
        bounds: Bounds { plain: Some(0), faulty: Some(0) },
    },
    Model {
        // The slot that the dead has taken is not the one at which senders look next: nobody but the undertaker finishes it.
        name: "queue/receiver_dies_away_from_the_tail",
        properties: "Q5 Q6 F1 G1 G2 G4",
        client: "1 message, 2 processes × receive, one of them killed, the undertaker too, capacity 2, at least once",
        build: |world| redelivered(world, 2, 2),
        faults: Faults { victims: &[0], second_death: true, ..Faults::NONE },
        bounds: Bounds { plain: Some(0), faulty: Some(0) },
    },
    Model {
        name: "queue/receivers_die_in_turn",
        properties: "Q5 Q6 G1 G2 G4",
        client: "1 message, 3 processes × receive, two of them killed, capacity 1, at least once",
        build: |world| redelivered(world, 1, 3),
        faults: Faults { pairs: &[(0, 1)], ..Faults::NONE },
        bounds: Bounds { plain: Some(0), faulty: Some(0) },
    },
    Model {
        name: "queue/both_ends_die",
        properties: "Q3 Q4 Q5 Q6 G1 G4",
        client: "1 process × send and 1 × receive, both killed, capacity 1",
        build: |world| survivors(world, Delivery::AtMostOnce, 1, &[1], &[1]),
        faults: Faults { pairs: &[(0, 1)], ..Faults::NONE },
        bounds: Bounds { plain: Some(0), faulty: Some(0) },
    },
    Model {
        name: "queue/timed_calls_leave_no_trace",
        properties: "G3 Q1",
        client: "1 process × send, 1 × timed receive, 1 × receive or none is left, capacity 1",
        build: timed,
        faults: Faults { timeouts: true, ..Faults::NONE },
        bounds: Bounds { plain: Some(0), faulty: Some(0) },
    },
];

const NAMES: [&str; 4] = ["A", "B", "C", "D"];

/// A queue with its words, and its buffers: two cells, or nothing could be torn.
struct Line {
    control: RawQueue,
    words: Vec<AtomicU64>,
    content: Vec<Cell<[u32; 2]>>,
}

impl Line {
    fn new(capacity: usize, spare: usize, delivery: Delivery) -> Self {
        let buffers = capacity + spare;
        Self {
            control: RawQueue::new(u32::try_from(capacity).expect("small"), delivery),
            words: (0..capacity + buffers).map(|_| RawQueue::word()).collect(),
            content: (0..buffers).map(|_| Cell::new([0; 2])).collect(),
        }
    }

    fn queue(&self) -> Queue<'_> {
        self.control.with(&self.words)
    }

    /// Fills a buffer. There is one, in these models.
    fn fill(&self, scene: &Scene<Self>, lane: usize, message: u32) -> usize {
        let buffer = self.queue().pool().try_take(scene.slot(lane)).expect("there is a spare one");
        self.write(buffer, message);
        buffer
    }

    fn write(&self, buffer: usize, message: u32) {
        // SAFETY: the lane has the buffer; the engine reports it if somebody else has it, too.
        self.content[buffer].with_mut(|content| unsafe { (*content)[0] = message });
        // SAFETY: as above.
        self.content[buffer].with_mut(|content| unsafe { (*content)[1] = message });
    }

    fn send(&self, scene: &Scene<Self>, lane: usize, message: u32) {
        let buffer = self.fill(scene, lane, message);
        let sent = self.queue().publish(&scene.caller(lane), OBJECT, buffer, None);
        verify_eq!(sent, Ok(()), "a send without deadline");
    }

    fn try_send(&self, scene: &Scene<Self>, lane: usize, message: u32) -> Result<(), QueueError> {
        let buffer = self.fill(scene, lane, message);
        self.queue().try_publish(buffer).inspect_err(|_| self.queue().pool().give_back(buffer))
    }

    /// What was taken, and its buffer given back.
    fn finish(&self, taken: Taken, by: ThreadSlot) -> u32 {
        // Relaxed: whoever has taken it has seen that.
        let word = self.words[self.words.len() - self.content.len() + taken.buffer].load(Ordering::Relaxed);
        verify_eq!(held_by(word), Some(by), "it has the message and does not see so");
        // SAFETY: as in write.
        let [one, other] = self.content[taken.buffer].with(|content| unsafe { *content });
        verify_eq!(one, other, "a torn message");
        self.queue().pool().give_back(taken.buffer);
        one
    }

    fn receive(&self, scene: &Scene<Self>, lane: usize, deadline: Option<Deadline>) -> Option<u32> {
        match told(|| self.queue().take(&scene.caller(lane), OBJECT, deadline)) {
            Ok(taken) => Some(self.finish(taken, scene.slot(lane))),
            Err(error) => {
                verify_eq!(error, QueueError::TimedOut);
                None
            }
        }
    }

    fn try_receive(&self, scene: &Scene<Self>, lane: usize) -> Option<u32> {
        match self.queue().try_take(scene.slot(lane)) {
            Ok(taken) => Some(self.finish(taken, scene.slot(lane))),
            Err(error) => {
                verify_eq!(error, QueueError::WouldBlock);
                None
            }
        }
    }
}

impl Repair for Line {
    fn bury(&self, dead: &Dead<'_>) {
        self.queue().bury(dead);
    }

    fn wake_all(&self) {
        self.queue().wake_all();
    }
}

/// What is left in the end, in order; all buffers come home.
fn drain(scene: &Scene<Line>, lane: usize) -> Vec<u32> {
    let length = scene.object.queue().len();
    let returned = scene.object.queue().has_returned();
    let left: Vec<_> = std::iter::from_fn(|| scene.object.try_receive(scene, lane)).collect();
    verify!(returned || left.len() == length, "{length} are counted, and {left:?} are there");
    verify_eq!(scene.object.queue().pool().in_use(), 0, "a buffer was lost");
    left
}

fn start(
    world: &mut World,
    line: Line,
    sends: &'static [usize],
    receives: &'static [usize],
    deadline: Option<Deadline>,
) -> (Arc<Scene<Line>>, Got) {
    let scene = Scene::in_world(world, sends.len() + receives.len(), line);
    let got = Got::default();
    for (lane, name) in NAMES.iter().enumerate().take(sends.len() + receives.len()) {
        let (scene, got) = (Arc::clone(&scene), Arc::clone(&got));
        world.thread(name, move || match sends.get(lane) {
            Some(count) => (0..*count).for_each(|number| scene.object.send(&scene, lane, message(lane, number))),
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

fn clients(world: &mut World, capacity: usize, sends: &'static [usize], receives: &'static [usize]) {
    let line = Line::new(capacity, sends.len() + receives.len(), Delivery::AtMostOnce);
    let (scene, got) = start(world, line, sends, receives, None);
    world.finally(move || {
        check(&got.lock(), sends);
        verify_eq!(got.lock().len(), sends.iter().sum::<usize>(), "a message was lost");
        verify_eq!(drain(&scene, 0), Vec::<u32>::new());
    });
}

/// Some lanes are killed. Senders that live have their messages there in the end, unless a receiver that died had them.
fn survivors(
    world: &mut World,
    delivery: Delivery,
    capacity: usize,
    sends: &'static [usize],
    receives: &'static [usize],
) {
    let line = Line::new(capacity, sends.len() + receives.len(), delivery);
    // Who waits for a message of the dead waits in vain.
    let (scene, got) = start(world, line, sends, receives, END);
    if receives.is_empty() {
        // shuttle refuses a model without a second thread.
        let bystander = Arc::clone(&scene);
        world.thread("bystander", move || _ = bystander.object.words[0].load(Ordering::Relaxed));
    }
    world.finally(move || {
        let left = drain(&scene, 0);
        let mut all = got.lock().clone();
        all.extend(left.iter().map(|message| (sends.len() + receives.len(), *message)));
        check(&all, sends);
        if (sends.len(), receives.len()) == (2, 1) {
            // Only the first sender is killed: all others' messages are there, and the receiver got one.
            verify!(all.iter().any(|(_, got)| *got == message(1, 0)), "a message of a survivor was lost: {all:?}");
            verify_eq!(got.lock().len(), 1, "the receiver was not told of a message");
        }
    });
}

/// A sender that has to wait for space, and the receiver that makes it is killed.
fn waiting_sender(world: &mut World, delivery: Delivery) {
    let scene = Scene::in_world(world, 2, Line::new(1, 3, delivery));
    let sender = Arc::clone(&scene);
    let sent = Arc::new(Notes::<bool>::default());
    let by_sender = Arc::clone(&sent);
    world.thread("sender", move || {
        sender.object.send(&sender, 0, message(0, 0));
        // If the receiver dies before it has taken, there is no space.
        let buffer = sender.object.fill(&sender, 0, message(0, 1));
        let queue = sender.object.queue();
        let published = told(|| queue.publish(&sender.caller(0), OBJECT, buffer, END)).is_ok();
        if !published {
            queue.pool().give_back(buffer);
        }
        *by_sender.lock() = published;
    });
    let receiver = Arc::clone(&scene);
    world.thread("receiver", move || {
        verify_eq!(receiver.object.receive(&receiver, 1, None), Some(message(0, 0)));
    });
    world.finally(move || {
        let left = drain(&scene, 0);
        let expected = if *sent.lock() { message(0, 1) } else { message(0, 0) };
        verify_eq!(left, vec![expected], "a message was lost, or a sender was not told of space");
    });
}

/// One message, which is there; all but the last lane may be killed, and whoever lives gets it if the others did not finish.
fn redelivered(world: &mut World, capacity: usize, lanes: usize) {
    let scene = Scene::in_world(world, lanes, Line::new(capacity, lanes, Delivery::AtLeastOnce));
    verify_eq!(scene.object.try_send(&scene, lanes - 1, message(0, 0)), Ok(()));
    let finished = Arc::new(Notes::<Vec<bool>>::default());
    for (lane, name) in NAMES.iter().enumerate().take(lanes) {
        let (scene, finished) = (Arc::clone(&scene), Arc::clone(&finished));
        world.thread(name, move || {
            let take = || scene.object.queue().take(&scene.caller(lane), OBJECT, END);
            let Ok(taken) = told(take) else { return };
            verify_eq!(scene.object.finish(taken, scene.slot(lane)), message(0, 0));
            finished.lock().push(taken.redelivered);
        });
    }
    world.finally(move || {
        verify_eq!(drain(&scene, 0), Vec::<u32>::new(), "nobody got what was left");
        let finished = finished.lock();
        verify!(finished.len() <= 1, "it was finished twice");
    });
}

/// Whoever helps a receiver to finish may come so late that the buffer is somebody else's by then.
fn used_again(world: &mut World) {
    let scene = Scene::in_world(world, 3, Line::new(1, 1, Delivery::AtMostOnce));
    verify_eq!(scene.object.try_send(&scene, 0, message(0, 0)), Ok(()));
    let next = scene.object.fill(&scene, 0, message(0, 1));
    let sender = Arc::clone(&scene);
    world.thread("sender", move || {
        verify_eq!(sender.object.queue().publish(&sender.caller(0), OBJECT, next, None), Ok(()));
    });
    let receiver = Arc::clone(&scene);
    world.thread("receiver", move || {
        verify_eq!(receiver.object.receive(&receiver, 1, None), Some(message(0, 0)));
    });
    let third = Arc::clone(&scene);
    world.thread("third", move || {
        let pool = third.object.queue().pool();
        let buffer = pool.take(&third.caller(2), OBJECT, None).expect("a take without deadline");
        // The words of one slot are before those of the buffers.
        let word = || third.object.words[1 + buffer].load(Ordering::Relaxed);
        let taken = word();
        third.object.write(buffer, message(2, 0));
        verify_eq!(word(), taken, "it was given to somebody else");
        pool.give_back(buffer);
    });
    world.finally(move || verify_eq!(drain(&scene, 0), vec![message(0, 1)]));
}

/// One takes, and is helped to finish by another who sends and takes at the next turn, while a third still looks at the first.
fn overtaken(world: &mut World) {
    let scene = Scene::in_world(world, 3, Line::new(1, 2, Delivery::AtMostOnce));
    verify_eq!(scene.object.try_send(&scene, 0, message(0, 0)), Ok(()));
    let taken = Arc::new(Notes::<Vec<usize>>::default());
    let take = |lane: usize| {
        let (scene, taken) = (Arc::clone(&scene), Arc::clone(&taken));
        move || match scene.object.queue().try_take(scene.slot(lane)) {
            Ok(got) => taken.lock().push(got.buffer),
            Err(error) => verify_eq!(error, QueueError::WouldBlock, "nobody wrote there who should not"),
        }
    };
    world.thread("A", take(0));
    world.thread("B", take(1));
    let (third, takes) = (Arc::clone(&scene), take(2));
    let filled = third.object.fill(&third, 2, message(2, 0));
    world.thread("C", move || {
        if third.object.queue().try_publish(filled).is_ok() {
            takes();
        }
    });
    world.finally(move || {
        let mut taken = taken.lock().clone();
        taken.sort_unstable();
        verify!(taken.windows(2).all(|two| two[0] < two[1]), "a message was received twice: {taken:?}");
    });
}

/// If the second cannot send, the messages of both others were there; and the third takes but one of them.
fn full_then_empty(world: &mut World) {
    let scene = Scene::in_world(world, 3, Line::new(2, 2, Delivery::AtMostOnce));
    let (was_full, was_empty) = (Arc::new(Notes::<bool>::default()), Arc::new(Notes::<bool>::default()));
    let one = Arc::clone(&scene);
    let filled = one.object.fill(&one, 0, message(0, 0));
    world.thread("A", move || {
        // Whatever becomes of it.
        let _ = one.object.queue().try_publish(filled);
    });
    let (other, full) = (Arc::clone(&scene), Arc::clone(&was_full));
    let filled = other.object.fill(&other, 1, message(1, 0));
    world.thread("B", move || *full.lock() = other.object.queue().try_publish(filled).is_err());
    let (third, empty) = (Arc::clone(&scene), Arc::clone(&was_empty));
    let filled = third.object.fill(&third, 2, message(2, 0));
    world.thread("C", move || {
        let sent = third.object.queue().try_publish(filled).is_ok();
        let got = third.object.queue().try_take(third.slot(2)).is_ok();
        let again = third.object.queue().try_take(third.slot(2)).is_ok();
        *empty.lock() = sent && got && !again;
    });
    world.finally(move || {
        verify!(!(*was_full.lock() && *was_empty.lock()), "it was full, and then empty after one was taken")
    });
}

/// If the second finds nothing, the first and the third had taken both; and the third sends but one.
fn empty_then_full(world: &mut World) {
    let scene = Scene::in_world(world, 3, Line::new(2, 2, Delivery::AtMostOnce));
    for number in 0..2 {
        verify_eq!(scene.object.try_send(&scene, 2, message(2, number)), Ok(()));
    }
    let (was_empty, was_full) = (Arc::new(Notes::<bool>::default()), Arc::new(Notes::<bool>::default()));
    let one = Arc::clone(&scene);
    world.thread("A", move || {
        // Whatever it gets.
        let _ = one.object.queue().try_take(one.slot(0));
    });
    let (other, empty) = (Arc::clone(&scene), Arc::clone(&was_empty));
    world.thread("B", move || *empty.lock() = other.object.queue().try_take(other.slot(1)).is_err());
    let (third, full) = (Arc::clone(&scene), Arc::clone(&was_full));
    let filled = [2, 3].map(|number| third.object.fill(&third, 2, message(2, number)));
    world.thread("C", move || {
        let got = third.object.queue().try_take(third.slot(2)).is_ok();
        let [sent, again] = filled.map(|buffer| third.object.queue().try_publish(buffer).is_ok());
        *full.lock() = got && sent && !again;
    });
    world.finally(move || {
        verify!(!(*was_empty.lock() && *was_full.lock()), "it was empty, and then full after one was sent")
    });
}

fn never_empty(world: &mut World) {
    let scene = Scene::in_world(world, 2, Line::new(2, 2, Delivery::AtMostOnce));
    for (lane, name) in NAMES.iter().enumerate().take(2) {
        let scene = Arc::clone(&scene);
        world.thread(name, move || {
            verify_eq!(scene.object.try_send(&scene, lane, message(lane, 0)), Ok(()), "it cannot be full");
            verify!(scene.object.try_receive(&scene, lane).is_some(), "it cannot be empty");
        });
    }
}

fn never_full(world: &mut World) {
    let scene = Scene::in_world(world, 2, Line::new(2, 2, Delivery::AtMostOnce));
    for lane in 0..2 {
        verify_eq!(scene.object.try_send(&scene, lane, message(lane, 0)), Ok(()));
    }
    for (lane, name) in NAMES.iter().enumerate().take(2) {
        let scene = Arc::clone(&scene);
        world.thread(name, move || {
            verify!(scene.object.try_receive(&scene, lane).is_some(), "it cannot be empty");
            verify_eq!(scene.object.try_send(&scene, lane, message(lane, 1)), Ok(()), "it cannot be full");
        });
    }
}

fn timed(world: &mut World) {
    let scene = Scene::in_world(world, 3, Line::new(1, 3, Delivery::AtMostOnce));
    let got = Got::default();
    let sender = Arc::clone(&scene);
    world.thread("sender", move || sender.object.send(&sender, 0, message(0, 0)));
    for (lane, name, deadline) in [(1, "timed", Some(Deadline::at_monotonic_ns(1))), (2, "patient", END)] {
        let (scene, got) = (Arc::clone(&scene), Arc::clone(&got));
        world.thread(name, move || {
            let received = scene.object.receive(&scene, lane, deadline);
            got.lock().extend(received.map(|message| (lane, message)));
        });
    }
    world.finally(move || {
        verify_eq!(got.lock().len(), 1, "somebody who waits was not told");
        verify_eq!(drain(&scene, 0), Vec::<u32>::new());
    });
}

/// Whoever finds a slot that is taken names the taker in its buffer, and may be slow at it; and who is slow may find head and
/// tail more than a turn further on.
fn late(world: &mut World, sends: bool) {
    // A buffer of its own for the late one, if it sends.
    let scene = Scene::in_world(world, 3, Line::new(1, usize::from(sends), Delivery::AtMostOnce));
    let own = sends.then(|| scene.object.fill(&scene, 1, message(1, 0)));
    let busy = Arc::clone(&scene);
    world.thread("busy", move || {
        let queue = busy.object.queue();
        for number in 0..2 {
            let Some(buffer) = queue.pool().try_take(busy.slot(0)) else { return };
            busy.object.write(buffer, message(0, number));
            verify_eq!(queue.pool().owner(buffer), Some(busy.slot(0)), "it is another's than who took it");
            match queue.try_publish(buffer) {
                Ok(()) => {}
                Err(error) => {
                    verify!(sends && error == QueueError::WouldBlock);
                    queue.pool().give_back(buffer);
                }
            }
            // In the name of lane 2, so that filling and holding it differ.
            busy.object.try_receive(&busy, 2);
        }
    });
    let late = Arc::clone(&scene);
    world.thread("late", move || match own {
        Some(buffer) => {
            let published = late.object.queue().try_publish(buffer);
            verify!(matches!(published, Ok(()) | Err(QueueError::WouldBlock)), "{published:?}");
            if published.is_err() {
                late.object.queue().pool().give_back(buffer);
            }
        }
        None => _ = late.object.try_receive(&late, 1),
    });
    world.finally(move || verify!(drain(&scene, 0).len() <= 1));
}

/// What is returned is noted afterwards: who has seen the one note may find what belongs to the other.
fn two_are_returned(world: &mut World) {
    let scene = Scene::in_world(world, 3, Line::new(2, 0, Delivery::AtLeastOnce));
    let queue = scene.object.queue();
    let taken = [0, 1].map(|lane| {
        verify_eq!(scene.object.try_send(&scene, lane, message(0, lane)), Ok(()));
        queue.try_take(scene.slot(lane)).expect("it was sent").buffer
    });
    for (lane, buffer) in taken.into_iter().enumerate() {
        let scene = Arc::clone(&scene);
        world.thread(["one", "other"][lane], move || {
            scene.object.write(buffer, message(1, lane));
            scene.object.queue().return_taken(buffer);
        });
    }
    let receiver = Arc::clone(&scene);
    world.thread("receiver", move || {
        let received = receiver.object.try_receive(&receiver, 2);
        verify!(received.is_none_or(|got| got == message(1, 0) || got == message(1, 1)));
    });
    world.finally(move || _ = drain(&scene, 0));
}

/// A thread that ends frees what it has in its own name, and nobody else's fence comes before that.
fn ends_with_a_message(world: &mut World) {
    // Neither full nor empty, so that no fence comes before what is repaired.
    let scene = Scene::in_world(world, 2, Line::new(2, 0, Delivery::AtMostOnce));
    for number in 0..2 {
        verify_eq!(scene.object.try_send(&scene, 1, message(0, number)), Ok(()));
    }
    let ending = Arc::clone(&scene);
    world.thread("ends", move || {
        let taken = ending.object.queue().try_take(ending.slot(0)).expect("there is a message");
        // SAFETY: the lane has the buffer; the engine reports it if somebody else has it, too.
        let read = ending.object.content[taken.buffer].with(|content| unsafe { *content });
        verify_eq!(read, [message(0, 0); 2]);
        ending.end_of_thread(0);
    });
    let sender = Arc::clone(&scene);
    world.thread("sender", move || {
        if let Some(buffer) = sender.object.queue().pool().try_take(sender.slot(1)) {
            sender.object.write(buffer, message(1, 0));
            sender.object.queue().pool().give_back(buffer);
        }
    });
    world.finally(move || _ = drain(&scene, 0));
}

//! Models of `primitives/channel.rs`.

use super::messages::{Got, check, message};
use crate::last_resort::{END, told};
use crate::scene::{Notes, OBJECT, Scene};
use crate::world::{Bounds, Faults, Model, World};
use crate::{verify, verify_eq};
use selvedge::primitives::channel::{Channel, ChannelError, Line, RawLine};
use selvedge::primitives::ends::End::{Receivers, Senders};
use selvedge::primitives::queue::{Delivery, Taken};
use selvedge::primitives::undertaker::{Dead, Repair};
use selvedge::primitives::{RawChannel, RawQueue, RawRendezvous, RawUnbounded};
use selvedge::sync::{AtomicU64, Cell, Deadline, Ordering};
use std::sync::Arc;

pub(super) const MODELS: &[Model] = &[
    Model {
        name: "channel/bounded_is_drained_and_then_over",
        properties: "P2 Q1 G1 G2",
        client: "1 process × (send, leave), 1 receives until it is told, capacity 1",
        build: |world| drained(world, Way::bounded(1), 1),
        faults: Faults { spurious: true, ..Faults::NONE },
        bounds: Bounds { plain: Some(1), faulty: Some(0) },
    },
    Model {
        name: "channel/unbounded_is_drained_and_then_over",
        properties: "P2 U1 G1 G2",
        client: "1 process × (send, leave), 1 receives until it is told",
        build: |world| drained(world, Way::unbounded(), 1),
        faults: Faults { spurious: true, ..Faults::NONE },
        bounds: Bounds { plain: Some(1), faulty: Some(0) },
    },
    Model {
        name: "channel/rendezvous_is_over_when_senders_leave",
        properties: "P2 Z1 Z3 G1 G2",
        client: "1 process × (send, leave), 1 receives until it is told, capacity 0",
        build: |world| drained(world, Way::rendezvous(), 1),
        faults: Faults { spurious: true, ..Faults::NONE },
        bounds: Bounds { plain: Some(1), faulty: Some(0) },
    },
    Model {
        name: "channel/two_who_receive_are_both_told_of_the_end",
        properties: "P2 G2",
        client: "1 process × (send, leave), 2 × receive until told, 1 × try_receive",
        build: both_told,
        faults: Faults { lifo: true, ..Faults::NONE },
        bounds: Bounds { plain: Some(0), faulty: None },
    },
    Model {
        name: "channel/two_leave_at_once",
        properties: "P2 G2",
        client: "2 processes × leave, 1 receives until it is told, capacity 1",
        build: two_leave,
        faults: Faults::NONE,
        bounds: Bounds { plain: Some(1), faulty: None },
    },
    Model {
        name: "channel/bounded_sender_is_told_of_the_end",
        properties: "P2 Q2 G2",
        client: "1 process × 2 sends, 1 × leave, capacity 1",
        build: |world| refused(world, Way::bounded(1)),
        faults: Faults { spurious: true, ..Faults::NONE },
        bounds: Bounds { plain: Some(1), faulty: Some(0) },
    },
    Model {
        name: "channel/rendezvous_sender_is_told_of_the_end",
        properties: "P2 Z1 Z3 G2",
        client: "1 process × 2 sends, 1 × leave, capacity 0",
        build: |world| refused(world, Way::rendezvous()),
        faults: Faults { spurious: true, ..Faults::NONE },
        bounds: Bounds { plain: Some(1), faulty: Some(0) },
    },
    Model {
        name: "channel/who_waits_for_a_buffer_is_told_of_the_end",
        properties: "P2 G2",
        client: "all buffers taken, 1 process waits for one, 1 × leave, capacity 1",
        build: no_buffer,
        faults: Faults::NONE,
        bounds: Bounds { plain: Some(1), faulty: None },
    },
    Model {
        name: "channel/who_comes_back_is_not_missed",
        properties: "P2 Q1",
        client: "1 process × (try_send, leave, join, try_receive), 1 × try_receive, capacity 1",
        build: comes_back,
        faults: Faults::NONE,
        bounds: Bounds { plain: Some(2), faulty: None },
    },
    Model {
        name: "channel/bounded_sender_dies_receiver_drains",
        properties: "P2 Q3 Q4 Q6 F1 G1 G2 G4",
        client: "1 process × (send, leave), killed anywhere, the undertaker too, 1 receives until it is told, capacity 1",
        build: |world| drained(world, Way::bounded(1), 1),
        faults: Faults { victims: &[0], second_death: true, ..Faults::NONE },
        bounds: Bounds { plain: Some(0), faulty: Some(0) },
    },
    Model {
        name: "channel/unbounded_sender_dies_receiver_drains",
        properties: "P2 U1 F1 G1 G2 G4",
        client: "1 process × (send, leave), killed anywhere, the undertaker too, 1 receives until it is told",
        build: |world| drained(world, Way::unbounded(), 1),
        faults: Faults { victims: &[0], second_death: true, ..Faults::NONE },
        bounds: Bounds { plain: Some(0), faulty: Some(0) },
    },
    Model {
        name: "channel/rendezvous_sender_dies_receiver_is_told",
        properties: "P2 Z2 Z3 F1 G1 G2 G4",
        client: "1 process × (send, leave), killed anywhere, the undertaker too, 1 receives until it is told, capacity 0",
        build: |world| drained(world, Way::rendezvous(), 1),
        faults: Faults { victims: &[0], second_death: true, ..Faults::NONE },
        bounds: Bounds { plain: Some(0), faulty: Some(0) },
    },
    Model {
        name: "channel/bounded_receiver_dies_sender_is_told",
        properties: "P2 Q6 F1 G2 G4",
        client: "1 process × 2 sends, 1 × (receive, leave), killed anywhere, the undertaker too, capacity 1",
        build: |world| bereft(world, Way::bounded(1)),
        faults: Faults { victims: &[1], second_death: true, ..Faults::NONE },
        bounds: Bounds { plain: Some(0), faulty: Some(0) },
    },
    Model {
        name: "channel/rendezvous_receiver_dies_sender_is_told",
        properties: "P2 Z2 Z3 F1 G2 G4",
        client: "1 process × 2 sends, 1 × (receive, leave), killed anywhere, the undertaker too, capacity 0",
        build: |world| bereft(world, Way::rendezvous()),
        faults: Faults { victims: &[1], second_death: true, ..Faults::NONE },
        bounds: Bounds { plain: Some(0), faulty: Some(0) },
    },
    Model {
        name: "channel/who_is_expected_dies_and_never_comes",
        properties: "L1 P2 P3 F1 G2 G4",
        client: "1 process × (expect the other, receive until it is told), 1 killed anywhere, the undertaker too, capacity 1",
        build: expected,
        faults: Faults { victims: &[1], second_death: true, ..Faults::NONE },
        bounds: Bounds { plain: Some(1), faulty: Some(0) },
    },
    Model {
        name: "channel/who_is_expected_comes",
        properties: "L1 P2 G2",
        client: "1 process × (expect the other, receive until it is told), 1 × (join, send, leave), capacity 1",
        build: expected_comes,
        faults: Faults::NONE,
        bounds: Bounds { plain: Some(1), faulty: None },
    },
    Model {
        name: "channel/who_is_expected_dies_as_the_channel_is_made",
        properties: "L1 P2 P3 F1 G2 G4",
        client: "1 process × (make it, expect the other, receive until it is told), 1 killed anywhere, capacity 1",
        build: expected_in_a_new_one,
        faults: Faults { victims: &[1], ..Faults::NONE },
        bounds: Bounds { plain: Some(1), faulty: Some(0) },
    },
    Model {
        name: "channel/two_expect_the_same",
        properties: "L1 P2",
        client: "2 threads × (expect the other, try_receive), capacity 1",
        build: two_expect,
        faults: Faults::NONE,
        bounds: Bounds { plain: Some(2), faulty: None },
    },
    Model {
        name: "channel/timed_calls_and_the_end",
        properties: "G3 P2",
        client: "1 process × (send, leave), 1 × 2 timed receives, capacity 1",
        build: |world| timed(world, Way::bounded(1)),
        faults: Faults { timeouts: true, ..Faults::NONE },
        bounds: Bounds { plain: Some(1), faulty: Some(1) },
    },
    Model {
        name: "channel/timed_rendezvous_and_the_end",
        properties: "G3 P2 Z3",
        client: "1 process × (timed send, leave), 1 × 2 timed receives, capacity 0",
        build: |world| timed(world, Way::rendezvous()),
        faults: Faults { timeouts: true, ..Faults::NONE },
        bounds: Bounds { plain: Some(1), faulty: Some(1) },
    },
    Model {
        name: "channel/try_calls_end_alone",
        properties: "G3 G6",
        client: "2 processes × (try_send, leave, try_receive), one frozen anywhere, capacity 1",
        build: alone,
        faults: Faults { frozen: &[0], solo_steps: 120, ..Faults::NONE },
        bounds: Bounds { plain: Some(1), faulty: Some(0) },
    },
];

/// Beside the lanes' own: a process whose bit is in another word than theirs.
const FAR: usize = 70;

/// A channel with its words and buffers.
pub(super) struct Way<L> {
    control: RawChannel<L>,
    words: Vec<AtomicU64>,
    content: Vec<Cell<u32>>,
}

const BUFFERS: usize = 3;

impl Way<RawQueue> {
    pub(super) fn bounded(capacity: usize) -> Self {
        let words = (0..capacity + BUFFERS).map(|_| RawQueue::word()).collect();
        Self::over(RawQueue::new(u32::try_from(capacity).expect("small"), Delivery::AtMostOnce), words)
    }
}

impl Way<RawUnbounded> {
    pub(super) fn unbounded() -> Self {
        Self::over(
            RawUnbounded::new(Delivery::AtMostOnce),
            (0..BUFFERS * RawUnbounded::WORDS).map(RawUnbounded::word).collect(),
        )
    }
}

impl Way<RawRendezvous> {
    pub(super) fn rendezvous() -> Self {
        Self::over(RawRendezvous::new(), (0..BUFFERS).map(|_| AtomicU64::new(0)).collect())
    }
}

impl<L: RawLine + Send + Sync + 'static> Way<L> {
    fn over(line: L, words: Vec<AtomicU64>) -> Self {
        Self { control: RawChannel::new(line), words, content: (0..BUFFERS).map(|_| Cell::new(0)).collect() }
    }

    pub(super) fn channel(&self) -> Channel<'_, L::Line<'_>> {
        self.control.with(&self.words)
    }

    pub(super) fn fill(&self, scene: &Scene<Self>, lane: usize, message: u32) -> usize {
        let buffer = self.channel().try_buffer(scene.slot(lane)).expect("there are enough, and receivers");
        self.put(buffer, message);
        buffer
    }

    /// Fills a buffer of the calling lane's.
    pub(super) fn put(&self, buffer: usize, message: u32) {
        // SAFETY: the lane has the buffer; the engine reports it if somebody else has it, too.
        self.content[buffer].with_mut(|content| unsafe { *content = message });
    }

    /// Sends what is in a buffer, and gives it back if that cannot be.
    pub(super) fn send(
        &self,
        scene: &Scene<Self>,
        lane: usize,
        buffer: usize,
        deadline: Option<Deadline>,
    ) -> Result<(), ChannelError> {
        let sent = self.channel().send(&scene.caller(lane), OBJECT, buffer, deadline);
        sent.inspect_err(|_| self.channel().pool().give_back(buffer))
    }

    pub(super) fn read(&self, taken: Taken) -> u32 {
        // SAFETY: as in put.
        self.content[taken.buffer].with(|content| unsafe { *content })
    }

    pub(super) fn finish(&self, taken: Taken) -> u32 {
        let message = self.read(taken);
        self.channel().give_back(taken.buffer);
        message
    }

    pub(super) fn receive(
        &self,
        scene: &Scene<Self>,
        lane: usize,
        deadline: Option<Deadline>,
    ) -> Result<u32, ChannelError> {
        self.channel().receive(&scene.caller(lane), OBJECT, deadline).map(|taken| self.finish(taken))
    }

    fn try_receive(&self, scene: &Scene<Self>, lane: usize) -> Result<u32, ChannelError> {
        self.channel().try_receive(scene.table(), scene.slot(lane)).map(|taken| self.finish(taken))
    }
}

impl<L: RawLine + Send + Sync + 'static> Repair for Way<L> {
    fn bury(&self, dead: &Dead<'_>) {
        self.channel().bury(dead);
    }

    fn wake_all(&self) {
        self.channel().wake_all();
    }
}

/// With both ends joined by lane 0 as sender and lane 1 as receiver.
pub(super) fn joined<L: RawLine + Send + Sync + 'static>(world: &mut World, way: Way<L>) -> Arc<Scene<Way<L>>> {
    let scene = Scene::in_world(world, 2, way);
    scene.object.channel().join(Senders, 0);
    scene.object.channel().join(Receivers, 1);
    scene
}

/// What is there in the end: nobody has come meanwhile.
fn left<L: RawLine + Send + Sync + 'static>(scene: &Scene<Way<L>>) -> Vec<u32> {
    let length = scene.object.channel().line().depth();
    let left: Vec<u32> = std::iter::from_fn(|| scene.object.try_receive(scene, 1).ok()).collect();
    verify_eq!(left.len(), length, "the length is another");
    let pool = scene.object.channel().pool();
    // The unbounded queue begins with one that is nobody's.
    verify!(pool.in_use() <= 1, "a buffer was lost");
    left
}

fn drained<L: RawLine + Send + Sync + 'static>(world: &mut World, way: Way<L>, count: usize) {
    let scene = joined(world, way);
    let (got, sent) = (Got::default(), Arc::new(Notes::<Vec<u32>>::default()));
    let filled: Vec<usize> = (0..count).map(|number| scene.object.fill(&scene, 0, message(0, number))).collect();
    let (sends, by_sender) = (Arc::clone(&scene), Arc::clone(&sent));
    world.thread("sends", move || {
        for (number, buffer) in filled.into_iter().enumerate() {
            verify_eq!(sends.object.send(&sends, 0, buffer, None), Ok(()), "the receiver is there");
            by_sender.lock().push(message(0, number));
        }
        sends.object.channel().leave(Senders, 0);
    });
    let (receives, by_receiver) = (Arc::clone(&scene), Arc::clone(&got));
    world.thread("receives", move || {
        loop {
            match receives.object.receive(&receives, 1, None) {
                Ok(message) => by_receiver.lock().push((1, message)),
                Err(why) => break verify_eq!(why, ChannelError::Disconnected),
            }
        }
        verify_eq!(receives.object.try_receive(&receives, 1), Err(ChannelError::Disconnected), "once and for all");
    });
    world.finally(move || {
        check(&got.lock(), &[count]);
        verify!(got.lock().len() >= sent.lock().len(), "a message was lost: the receiver was told too early");
        verify_eq!(left(&scene), Vec::<u32>::new());
    });
}

/// A channel that undertakers pass by until it is made.
struct Later {
    made: AtomicU64,
    way: Way<RawQueue>,
}

impl Repair for Later {
    fn bury(&self, dead: &Dead<'_>) {
        // As the registry finds its objects.
        if self.made.load(Ordering::Acquire) != 0 {
            self.way.bury(dead);
        }
    }

    fn wake_all(&self) {
        self.way.wake_all();
    }
}

fn expected(world: &mut World) {
    waits_for_who_is_expected(world, 1);
}

fn expected_in_a_new_one(world: &mut World) {
    waits_for_who_is_expected(world, 0);
}

/// Lane 1 is expected to send, and takes its time; once it is dead, that is told.
fn waits_for_who_is_expected(world: &mut World, made: u64) {
    let scene = Scene::in_world(world, 2, Later { made: AtomicU64::new(made), way: Way::bounded(1) });
    let other = scene.process(1);
    let waits = Arc::clone(&scene);
    let lives = Arc::new(Notes::<bool>::default());
    let notes = Arc::clone(&lives);
    world.thread("expects", move || {
        let channel = waits.object.way.channel();
        if made == 0 {
            waits.object.made.store(1, Ordering::Release);
        }
        channel.join(Receivers, 0);
        let is_attached = channel.expect(&waits.table(), Senders, other);
        let over = told(|| match channel.receive(&waits.caller(0), OBJECT, END) {
            Err(ChannelError::Disconnected) => Ok(()),
            answer => Err(answer),
        });
        match over {
            Ok(()) => verify!(!*notes.lock(), "it lives, and is said to be gone"),
            Err(answer) => {
                verify_eq!(answer, Err(ChannelError::TimedOut));
                verify!(is_attached, "it was gone from the beginning, and nobody was told");
                verify!(*notes.lock(), "it has died, and nobody was told");
            }
        }
    });
    world.thread("never comes", move || {
        // Steps at which it can be killed.
        let _ = scene.object.way.channel().ends().gone(Receivers);
        *lives.lock() = true;
    });
}

/// Neither takes the other process for one that has gone.
fn two_expect(world: &mut World) {
    let scene = Scene::in_world(world, 3, Way::bounded(1));
    let other = scene.process(2);
    for lane in 0..2 {
        let scene = Arc::clone(&scene);
        world.thread(["one", "other"][lane], move || {
            verify!(scene.object.channel().expect(&scene.table(), Senders, other), "it lives");
            verify_eq!(scene.object.try_receive(&scene, lane), Err(ChannelError::WouldBlock));
        });
    }
}

fn expected_comes(world: &mut World) {
    let scene = Scene::in_world(world, 2, Way::bounded(1));
    let other = scene.process(1);
    let waits = Arc::clone(&scene);
    world.thread("expects", move || {
        let channel = waits.object.channel();
        channel.join(Receivers, 0);
        verify!(channel.expect(&waits.table(), Senders, other), "it lives");
        verify_eq!(waits.object.receive(&waits, 0, None), Ok(message(1, 0)));
        // If it had come and gone before it was expected, it is as if it were about to come again.
        let over = told(|| match waits.object.receive(&waits, 0, END) {
            Err(ChannelError::Disconnected) => Ok(()),
            answer => Err(answer),
        });
        verify!(matches!(over, Ok(()) | Err(Err(ChannelError::TimedOut))), "{over:?}");
    });
    world.thread("comes", move || {
        let channel = scene.object.channel();
        channel.join(Senders, 1);
        let filled = scene.object.fill(&scene, 1, message(1, 0));
        verify_eq!(channel.try_send(scene.table(), filled), Ok(()));
        channel.leave(Senders, 1);
    });
}

/// One may have had the wake for a message that another took, when the end is told to all whom the flag announces.
fn both_told(world: &mut World) {
    let scene = Scene::in_world(world, 4, Way::bounded(1));
    scene.object.channel().join(Senders, 0);
    let filled = scene.object.fill(&scene, 0, message(0, 0));
    let sends = Arc::clone(&scene);
    world.thread("sends", move || {
        verify_eq!(sends.object.channel().try_send(sends.table(), filled), Ok(()));
        sends.object.channel().leave(Senders, 0);
    });
    for lane in 1..=2 {
        let scene = Arc::clone(&scene);
        world.thread(["", "one", "other"][lane], move || {
            let mut answer = scene.object.receive(&scene, lane, None);
            if answer.is_ok() {
                answer = scene.object.receive(&scene, lane, None);
            }
            verify_eq!(answer, Err(ChannelError::Disconnected));
        });
    }
    world.thread("tries", move || _ = scene.object.try_receive(&scene, 3));
}

fn two_leave(world: &mut World) {
    let scene = Scene::in_world(world, 3, Way::bounded(1));
    let places = [0, FAR];
    places.iter().for_each(|process| scene.object.channel().join(Senders, *process));
    for (lane, name) in ["one", "other"].iter().enumerate() {
        let scene = Arc::clone(&scene);
        world.thread(name, move || scene.object.channel().leave(Senders, places[lane]));
    }
    world.thread("receives", move || {
        verify_eq!(scene.object.receive(&scene, 2, None), Err(ChannelError::Disconnected));
    });
}

fn refused<L: RawLine + Send + Sync + 'static>(world: &mut World, way: Way<L>) {
    let scene = joined(world, way);
    let sent = Arc::new(Notes::<Vec<u32>>::default());
    let filled = [0, 1].map(|number| (scene.object.fill(&scene, 0, message(0, number)), message(0, number)));
    let (sends, by_sender) = (Arc::clone(&scene), Arc::clone(&sent));
    world.thread("sends", move || {
        let results = filled.map(|(buffer, message)| {
            let sent = sends.object.send(&sends, 0, buffer, None);
            by_sender.lock().extend(sent.is_ok().then_some(message));
            sent
        });
        verify_eq!(results[1], Err(ChannelError::Disconnected), "nobody receives anything");
    });
    let leaves = Arc::clone(&scene);
    world.thread("leaves", move || leaves.object.channel().leave(Receivers, 1));
    world.finally(move || verify_eq!(left(&scene), *sent.lock(), "what was not sent came back, and nothing else"));
}

fn no_buffer(world: &mut World) {
    let scene = joined(world, Way::bounded(1));
    let taken: Vec<usize> = (0..BUFFERS).map(|number| scene.object.fill(&scene, 0, message(0, number))).collect();
    let waits = Arc::clone(&scene);
    world.thread("waits", move || {
        let answer = waits.object.channel().buffer(&waits.caller(0), OBJECT, None);
        verify_eq!(answer, Err(ChannelError::Disconnected));
    });
    let leaves = Arc::clone(&scene);
    world.thread("leaves", move || leaves.object.channel().leave(Receivers, 1));
    world.finally(move || {
        taken.into_iter().for_each(|buffer| scene.object.channel().pool().give_back(buffer));
        verify_eq!(left(&scene), Vec::<u32>::new());
    });
}

/// At no moment is there nothing to receive and nobody to send.
fn comes_back(world: &mut World) {
    let scene = joined(world, Way::bounded(1));
    let filled = scene.object.fill(&scene, 0, message(0, 0));
    let back = Arc::clone(&scene);
    world.thread("comes back", move || {
        verify_eq!(back.object.channel().try_send(back.table(), filled), Ok(()));
        back.object.channel().leave(Senders, 0);
        back.object.channel().join(Senders, FAR);
        // As it happens.
        let _ = back.object.try_receive(&back, 0);
    });
    world.thread("receives", move || {
        let answer = scene.object.try_receive(&scene, 1);
        verify!(answer != Err(ChannelError::Disconnected), "there was a message, or a sender");
    });
}

/// The receiver takes one, and leaves or dies.
fn bereft<L: RawLine + Send + Sync + 'static>(world: &mut World, way: Way<L>) {
    let scene = joined(world, way);
    let filled = [0, 1].map(|number| scene.object.fill(&scene, 0, message(0, number)));
    let sends = Arc::clone(&scene);
    world.thread("sends", move || {
        let first = sends.object.send(&sends, 0, filled[0], None);
        verify!(matches!(first, Ok(()) | Err(ChannelError::Disconnected)));
        let second = sends.object.send(&sends, 0, filled[1], None);
        verify!(matches!(second, Ok(()) | Err(ChannelError::Disconnected)));
        verify!(first.is_ok() || second.is_err(), "nobody has come since");
    });
    let receives = Arc::clone(&scene);
    world.thread("receives", move || {
        verify_eq!(receives.object.receive(&receives, 1, None), Ok(message(0, 0)));
        receives.object.channel().leave(Receivers, 1);
    });
    world.finally(move || {
        // One, if the receiver had taken one before.
        let left = left(&scene);
        verify!(left.len() <= 1, "more than the capacity: {left:?}");
    });
}

fn timed<L: RawLine + Send + Sync + 'static>(world: &mut World, way: Way<L>) {
    let scene = joined(world, way);
    let (got, sent) = (Got::default(), Arc::new(Notes::<bool>::default()));
    let filled = scene.object.fill(&scene, 0, message(0, 0));
    let (sends, by_sender) = (Arc::clone(&scene), Arc::clone(&sent));
    world.thread("sends", move || {
        let answer = told(|| sends.object.send(&sends, 0, filled, END));
        verify!(matches!(answer, Ok(()) | Err(ChannelError::TimedOut)));
        *by_sender.lock() = answer.is_ok();
        sends.object.channel().leave(Senders, 0);
    });
    let (receives, by_receiver) = (Arc::clone(&scene), Arc::clone(&got));
    world.thread("receives", move || {
        for _ in 0..2 {
            match told(|| receives.object.receive(&receives, 1, END)) {
                Ok(message) => by_receiver.lock().push((1, message)),
                Err(why) => verify!(matches!(why, ChannelError::TimedOut | ChannelError::Disconnected)),
            }
        }
    });
    world.finally(move || {
        let count = left(&scene).len() + got.lock().len();
        verify_eq!(count, usize::from(*sent.lock()), "a message was lost, or sent though it was not");
    });
}

fn alone(world: &mut World) {
    let scene = Scene::in_world(world, 2, Way::bounded(1));
    for lane in 0..2 {
        scene.object.channel().join(Senders, lane);
        scene.object.channel().join(Receivers, lane);
    }
    for (lane, name) in ["one", "other"].iter().enumerate() {
        let filled = scene.object.fill(&scene, lane, message(lane, 0));
        let scene = Arc::clone(&scene);
        world.thread(name, move || {
            let channel = scene.object.channel();
            let sent = channel.try_send(scene.table(), filled);
            verify!(matches!(sent, Ok(()) | Err(ChannelError::WouldBlock)), "it receives itself");
            channel.leave(Senders, lane);
            let got = scene.object.try_receive(&scene, lane);
            verify!(got != Err(ChannelError::Corrupt), "nobody wrote there who should not");
        });
    }
}

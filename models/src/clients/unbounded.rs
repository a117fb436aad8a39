//! Clients of the unbounded queue.

use super::messages::{self, Buffers, Of};
use super::object::Object;
use crate::scene::{OBJECT, Scene};
use selvedge::primitives::RawUnbounded;
use selvedge::primitives::queue::Delivery;
use selvedge::primitives::unbounded::{TakeError, Unbounded};
use selvedge::primitives::undertaker::{Dead, Repair};
use selvedge::sync::AtomicU64;
use selvedge_witness::specifications::{Queue, QueueOperation, QueueOutcome};

/// An unbounded queue with a node for each message.
pub(crate) struct List {
    control: RawUnbounded,
    words: Vec<AtomicU64>,
    buffers: Buffers,
}

impl List {
    fn queue(&self) -> Unbounded<'_> {
        self.control.with(&self.words)
    }
}

impl Object for List {
    type Spec = Queue;
    const NAME: &'static str = "unbounded";

    fn specification(_threads: usize) -> Queue {
        Queue::unbounded()
    }

    /// A send never waits.
    fn letters(_kills: bool) -> Vec<fn(u32) -> QueueOperation> {
        messages::letters().into_iter().filter(|letter| !matches!(letter(0), QueueOperation::TrySend(_))).collect()
    }

    fn new(program: &Of<Self>) -> Self {
        // It begins with one that has no message.
        let nodes = messages::count(program) + 1;
        Self {
            control: RawUnbounded::new(Delivery::AtMostOnce),
            words: (0..nodes * RawUnbounded::WORDS).map(RawUnbounded::word).collect(),
            buffers: Buffers::new(nodes),
        }
    }

    fn prepare(scene: &Scene<Self>, program: &Of<Self>) {
        scene.object.buffers.prepare(scene, program, |slot| scene.object.queue().pool().try_take(slot));
    }

    fn perform(scene: &Scene<Self>, lane: usize, operation: QueueOperation) -> QueueOutcome {
        let (queue, buffers) = (scene.object.queue(), &scene.object.buffers);
        let send = |message, _| {
            queue.publish(buffers.fill(message)).expect("nothing is damaged");
            true
        };
        let receive = |waits| {
            let taken =
                if waits { queue.take(&scene.caller(lane), OBJECT, None) } else { queue.try_take(scene.slot(lane)) };
            match taken {
                Ok(node) => {
                    let message = buffers.read(node);
                    queue.give_back(node);
                    Some(message)
                }
                Err(error) => {
                    assert_eq!(error, TakeError::WouldBlock, "of {operation}");
                    None
                }
            }
        };
        messages::perform(operation, send, receive)
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

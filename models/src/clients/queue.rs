//! Clients of the bounded queue.

use super::messages::{self, Buffers, Of};
use super::object::Object;
use crate::scene::{OBJECT, Scene};
use selvedge::primitives::RawQueue;
use selvedge::primitives::queue::{Delivery, Queue, QueueError};
use selvedge::primitives::undertaker::{Dead, Repair};
use selvedge::sync::AtomicU64;
use selvedge_witness::specifications::{Queue as Row, QueueOperation, QueueOutcome};

/// A queue of that capacity.
pub(crate) struct Bounded<const CAPACITY: usize> {
    control: RawQueue,
    words: Vec<AtomicU64>,
    buffers: Buffers,
}

impl<const CAPACITY: usize> Bounded<CAPACITY> {
    fn queue(&self) -> Queue<'_> {
        self.control.with(&self.words)
    }
}

impl<const CAPACITY: usize> Object for Bounded<CAPACITY> {
    type Spec = Row;
    const NAME: &'static str = if CAPACITY == 1 { "queue-1" } else { "queue-2" };

    fn specification(_threads: usize) -> Row {
        Row::bounded(CAPACITY)
    }

    fn letters(_kills: bool) -> Vec<fn(u32) -> QueueOperation> {
        messages::letters()
    }

    fn new(program: &Of<Self>) -> Self {
        let buffers = messages::count(program);
        Self {
            control: RawQueue::new(u32::try_from(CAPACITY).expect("small"), Delivery::AtMostOnce),
            words: (0..CAPACITY + buffers).map(|_| RawQueue::word()).collect(),
            buffers: Buffers::new(buffers),
        }
    }

    fn prepare(scene: &Scene<Self>, program: &Of<Self>) {
        scene.object.buffers.prepare(scene, program, |slot| scene.object.queue().pool().try_take(slot));
    }

    fn perform(scene: &Scene<Self>, lane: usize, operation: QueueOperation) -> QueueOutcome {
        let (queue, buffers) = (scene.object.queue(), &scene.object.buffers);
        let blocks = |error: QueueError| assert_eq!(error, QueueError::WouldBlock, "of {operation}");
        let send = |message, waits| {
            let buffer = buffers.fill(message);
            let published = if waits {
                queue.publish(&scene.caller(lane), OBJECT, buffer, None)
            } else {
                queue.try_publish(buffer)
            };
            published.map_err(blocks).is_ok()
        };
        let receive = |waits| {
            let taken =
                if waits { queue.take(&scene.caller(lane), OBJECT, None) } else { queue.try_take(scene.slot(lane)) };
            let taken = taken.map_err(blocks).ok()?;
            let message = buffers.read(taken.buffer);
            queue.pool().give_back(taken.buffer);
            Some(message)
        };
        messages::perform(operation, send, receive)
    }
}

impl<const CAPACITY: usize> Repair for Bounded<CAPACITY> {
    fn bury(&self, dead: &Dead<'_>) {
        self.queue().bury(dead);
    }

    fn wake_all(&self) {
        self.queue().wake_all();
    }
}

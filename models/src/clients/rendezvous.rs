//! Clients of the rendezvous.

use super::messages::{self, Buffers, Of};
use super::object::Object;
use crate::scene::{OBJECT, Scene};
use selvedge::primitives::RawRendezvous;
use selvedge::primitives::rendezvous::{Rendezvous, RendezvousError};
use selvedge::primitives::undertaker::{Dead, Repair};
use selvedge::sync::AtomicU64;
use selvedge_witness::specifications::{QueueOperation, QueueOutcome, Rendezvous as Meeting};

/// A rendezvous with a buffer for each message.
pub(crate) struct Place {
    control: RawRendezvous,
    words: Vec<AtomicU64>,
    buffers: Buffers,
}

impl Place {
    fn rendezvous(&self) -> Rendezvous<'_> {
        self.control.with(&self.words)
    }
}

impl Object for Place {
    type Spec = Meeting;
    const NAME: &'static str = "rendezvous";

    fn specification(_threads: usize) -> Meeting {
        Meeting
    }

    fn letters(_kills: bool) -> Vec<fn(u32) -> QueueOperation> {
        messages::letters()
    }

    fn new(program: &Of<Self>) -> Self {
        let buffers = messages::count(program);
        Self {
            control: RawRendezvous::new(),
            words: (0..buffers).map(|_| AtomicU64::new(0)).collect(),
            buffers: Buffers::new(buffers),
        }
    }

    fn prepare(scene: &Scene<Self>, program: &Of<Self>) {
        scene.object.buffers.prepare(scene, program, |slot| scene.object.rendezvous().pool().try_take(slot));
    }

    fn perform(scene: &Scene<Self>, lane: usize, operation: QueueOperation) -> QueueOutcome {
        let (place, buffers) = (scene.object.rendezvous(), &scene.object.buffers);
        let blocks = |error: RendezvousError| assert_eq!(error, RendezvousError::WouldBlock, "of {operation}");
        let send = |message, waits| {
            let buffer = buffers.fill(message);
            let passed = if waits {
                place.send(&scene.caller(lane), OBJECT, buffer, None)
            } else {
                place.try_send(scene.table(), buffer)
            };
            passed.map_err(blocks).is_ok()
        };
        let receive = |waits| {
            let taken = if waits {
                place.receive(&scene.caller(lane), OBJECT, None)
            } else {
                place.try_receive(scene.table(), scene.slot(lane))
            };
            let buffer = taken.map_err(blocks).ok()?;
            let message = buffers.read(buffer);
            place.pool().give_back(buffer);
            Some(message)
        };
        messages::perform(operation, send, receive)
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

//! Models of `primitives/stream.rs`.

use crate::scene::Scene;
use crate::world::{Bounds, Faults, Model, World};
use crate::{verify, verify_eq};
use selvedge::primitives::ring::{CONSUMER, PRODUCER, ReserveError};
use selvedge::primitives::undertaker::{Dead, Repair};
use selvedge::primitives::{RawRing, Stream};
use selvedge::sync::Cell;
use std::sync::Arc;

pub(super) const MODELS: &[Model] = &[
    Model {
        name: "stream/batches_arrive_whole_and_in_order",
        properties: "Q1 Q2 Q3 G1",
        client: "1 process × 1 batch of 2 and 1 of 1, 1 process × 3 reads, capacity 2",
        build: batches,
        faults: Faults::NONE,
        bounds: Bounds { plain: Some(2), faulty: None },
    },
    Model {
        name: "stream/a_dead_writer_leaves_whole_batches",
        properties: "Q1 Q3 F1",
        client: "the same, the writer killed anywhere",
        build: batches,
        faults: Faults { victims: &[0], ..Faults::NONE },
        bounds: Bounds { plain: Some(2), faulty: Some(1) },
    },
];

/// A ring of two bytes.
struct Bytes {
    ring: RawRing,
    slots: [Cell<u8>; 2],
}

impl Bytes {
    fn stream(&self) -> Stream<'_, u8> {
        // SAFETY: the slots are used by this view alone, with cursors of this ring and of capacity 2.
        unsafe { Stream::new(&self.ring, &self.slots) }
    }
}

impl Repair for Bytes {
    fn bury(&self, dead: &Dead<'_>) {
        self.ring.bury(dead);
    }

    fn wake_all(&self) {
        self.ring.wake_all();
    }
}

fn batches(world: &mut World) {
    let bytes = Bytes { ring: RawRing::new(), slots: [Cell::new(0), Cell::new(0)] };
    let scene = Scene::in_world(world, 2, bytes);
    let writing = Arc::clone(&scene);
    world.thread("writer", move || {
        let bytes = &writing.object;
        let (hold, _) = bytes.ring.role::<PRODUCER>().try_claim(writing.slot(0)).expect("nobody else writes");
        let mut cursor = bytes.ring.open::<PRODUCER>(hold, 2).expect("a whole ring");
        for batch in [&[1, 2][..], &[3]] {
            match bytes.stream().try_write(&mut cursor, batch) {
                Ok(count) => verify!(count >= 1),
                Err(error) => {
                    verify_eq!(error, ReserveError::WouldBlock);
                    break;
                }
            }
        }
        bytes.ring.close(cursor);
    });
    world.thread("reader", move || {
        let bytes = &scene.object;
        let (hold, _) = bytes.ring.role::<CONSUMER>().try_claim(scene.slot(1)).expect("nobody else reads");
        let mut cursor = bytes.ring.open::<CONSUMER>(hold, 2).expect("a whole ring");
        let mut expected = 1;
        for _ in 0..3 {
            let mut into = [0; 2];
            match bytes.stream().try_read(&mut cursor, &mut into) {
                Ok(count) => {
                    verify!(expected > 1 || count == 2, "half of a batch arrives");
                    for byte in &into[..count] {
                        verify_eq!(*byte, expected, "a byte is lost, doubled or torn");
                        expected += 1;
                    }
                }
                Err(ReserveError::Disconnected(_)) => break,
                Err(error) => verify_eq!(error, ReserveError::WouldBlock),
            }
        }
        verify!(expected <= 4, "more bytes than were written");
    });
}

//! Clients of the event.

use super::object::{Object, Operation};
use crate::scene::{OBJECT, Scene};
use selvedge::primitives::RawEvent;
use selvedge_witness::specifications::EventOperation::{IsSet, Reset, Set, Wait};
use selvedge_witness::specifications::{Event, EventOperation, EventOutcome};

impl Object for RawEvent {
    type Spec = Event;
    const NAME: &'static str = "event";

    fn specification(_threads: usize) -> Event {
        Event { set: false }
    }

    fn letters(_kills: bool) -> Vec<fn(u32) -> EventOperation> {
        vec![|_| Set, |_| Reset, |_| IsSet, |_| Wait]
    }

    fn new(_program: &[Vec<Operation<Self>>]) -> Self {
        Self::new(false)
    }

    fn perform(scene: &Scene<Self>, lane: usize, operation: EventOperation) -> EventOutcome {
        let event = &scene.object;
        match operation {
            Set => EventOutcome::Said(event.set()),
            Reset => EventOutcome::Said(event.reset()),
            IsSet => EventOutcome::Said(event.is_set()),
            Wait => {
                event.wait(&scene.caller(lane), OBJECT, None).expect("a wait without deadline");
                EventOutcome::Happened
            }
        }
    }
}

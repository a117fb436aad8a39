//! The event: nobody sleeps on while it is set.

use crate::torture::fault::{Fault, Outcome};
use crate::torture::hand::Hand;
use crate::torture::journal::Lane;
use crate::torture::subject::{Subject, View};
use selvedge::Region;
use selvedge::region::{Event, EventError};
use std::time::Duration;

const POINTS: &[&str] = &["in set", "in reset", "in wait", "in timed wait"];
const IN_SET: usize = 0;
const IN_RESET: usize = 1;
const IN_WAIT: usize = 2;
const IN_TIMED_WAIT: usize = 3;

/// A timed wait that may run out.
const SHORT: Duration = Duration::from_micros(300);

#[derive(Default)]
pub(crate) struct Events {
    open: Option<Event>,
}

impl Events {
    fn open(&self) -> Outcome<&Event> {
        self.open.as_ref().ok_or_else(|| Fault::new("a worker took a turn and was not attached"))
    }
}

fn refused(error: EventError) -> Fault {
    Fault::refused("a call of the event", error)
}

impl Subject for Events {
    fn name(&self) -> &'static str {
        "event"
    }

    fn points(&self) -> &'static [&'static str] {
        POINTS
    }

    fn attach(&mut self, region: &Region) -> Outcome {
        self.open = Some(region.event("event").map_err(|error| Fault::refused("event", error))?);
        Ok(())
    }

    fn detach(&mut self) {
        self.open = None;
    }

    fn work(&mut self, hand: &mut Hand<'_>) -> Outcome {
        let event = self.open()?;
        match hand.numbers.below(5) {
            0 | 1 => hand.call(IN_SET, || event.set()).map(drop).map_err(refused),
            2 => hand.call(IN_RESET, || event.reset()).map(drop).map_err(refused),
            3 => match hand.call(IN_TIMED_WAIT, || event.wait_timeout(SHORT)) {
                Ok(()) | Err(EventError::TimedOut) => Ok(()),
                Err(error) => Err(refused(error)),
            },
            _ => hand.call(IN_WAIT, || event.wait()).map_err(refused),
        }
    }

    fn bury(&mut self, _view: View<'_>, _lane: &Lane, _point: usize) {}

    fn relieve(&mut self, view: View<'_>) -> Outcome {
        let event = self.open()?;
        // If it is set already, whoever still waits is to notice that by itself.
        if view.lanes_at(IN_WAIT).next().is_some() && !event.is_set().map_err(refused)? {
            event.set().map_err(refused)?;
        }
        Ok(())
    }

    fn check(&mut self, _view: View<'_>) -> Outcome {
        let event = self.open()?;
        event.set().map_err(refused)?;
        event.wait_timeout(Duration::ZERO).map_err(refused)?;
        event.reset().map(drop).map_err(refused)
    }

    fn begin(&mut self, view: View<'_>) {
        view.clear();
    }

    fn state(&self, _view: View<'_>) -> String {
        format!("{:?}, set: {:?}", self.open, self.open.as_ref().map(Event::is_set))
    }
}

//! Payload as instrumented steps: a kill can fall between two accesses, and loom reports races.

use super::atomic::{Start, as_myself, record, start};
use super::engine::{Engine, Payload, current_engine, is_killed, switch_at_payload};
use super::run::{LaneState, current_lane, current_run, set_current_lane};
use super::trace::{Action, SiteKind, SiteRecord};
use crate::sync::Ordering;
use core::panic::Location;

/// Payload memory that the protocol around it guards.
#[derive(Debug)]
pub struct Cell<T> {
    payload: Payload<T>,
}

// SAFETY: module invariant I1; on the plain engine the protocol around the cell guards it, as natively.
unsafe impl<T: Send> Sync for Cell<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Send for Cell<T> {}

/// Ends the test process: a destructor of a killed thread went for payload, which a real kill would never do.
#[cold]
fn touched_by_the_dead(location: &Location<'_>) -> ! {
    eprintln!("selvedge model: a destructor of a killed thread accesses payload at {location}; it must not");
    std::process::abort();
}

fn is_dead() -> bool {
    if current_engine() == Engine::Treadle && is_killed() {
        return true;
    }
    current_run()
        .and_then(|run| run.with_lane(current_lane(), |lane| matches!(lane.state, LaneState::Dead)))
        .unwrap_or(false)
}

impl<T> Cell<T> {
    /// A cell that holds `value`.
    #[must_use]
    pub fn new(value: T) -> Self {
        Self { payload: as_myself(|| Payload::new(value)) }
    }

    /// Calls `f` with a pointer that is valid for reads while the protocol lets nobody write.
    #[track_caller]
    pub fn with<R>(&self, f: impl FnOnce(*const T) -> R) -> R {
        let location = Location::caller();
        match start() {
            Start::Skip if is_dead() => touched_by_the_dead(location),
            Start::Skip => self.payload.with(f),
            Start::Go(run) => {
                record(run.as_deref(), location, None, Action::ReadsPayload);
                // Without race detection a race shows only as a torn payload, which needs a switch between two accesses.
                as_myself(switch_at_payload);
                self.payload.with(f)
            }
        }
    }

    /// Calls `f` with a pointer that is valid for writes while the protocol lets nobody else in.
    #[track_caller]
    pub fn with_mut<R>(&self, f: impl FnOnce(*mut T) -> R) -> R {
        let location = Location::caller();
        match start() {
            Start::Skip if is_dead() => touched_by_the_dead(location),
            Start::Skip => self.payload.with_mut(f),
            Start::Go(run) => {
                if let Some(run) = run.as_deref() {
                    let record = SiteRecord { order: Ordering::Relaxed, failure: None, wakes: 0 };
                    run.record_site(location, SiteKind::Cell, record);
                }
                record(run.as_deref(), location, None, Action::WritesPayload);
                // Without race detection a race shows only as a torn payload, which needs a switch between two accesses.
                as_myself(switch_at_payload);
                // An engine with deaths of its own may run others before the access.
                let me = current_lane();
                self.payload.with_mut(|pointer| {
                    set_current_lane(me);
                    f(pointer)
                })
            }
        }
    }
}

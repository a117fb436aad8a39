//! Waits for somebody who may be killed: they end when nothing else can happen, and not before.
//!
//! A thread whose deadline has passed looks once more, and may find what it was never told of. So a call that succeeds
//! after that is the sign of a lost wake-up; [`told`] reports it.
//!
//! Of several that wait so, loom and shuttle end first the wait that began first, treadle that of the first lane; the others
//! go on sleeping, and may be told by what that one does at its end. So treadle sees that a lane was robbed by another that waits so
//! only if the robbed one comes first: a model of that has to put it there.

use crate::verify;
use selvedge::sync::Deadline;
use selvedge::sync::model::current_run;

/// A deadline that passes when nothing else can happen, and not before.
pub const END: Option<Deadline> = Some(Deadline::at_monotonic_ns(u64::MAX));

/// A call that may wait until [`END`], and then must fail: had it been possible, it would have been told before. Unless
/// somebody who was to tell it stands still for good.
pub fn told<T, E>(call: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
    let run = current_run().filter(|run| run.plan.freezes.is_empty());
    let waits = || run.as_ref().map_or(0, |run| run.last_resorts());
    let before = waits();
    let answer = call();
    verify!(answer.is_err() || waits() == before, "what it waited for had happened, and nobody told it");
    answer
}

//! Hints for spin loops.

use crate::runtime::{Status, with};

/// A spin loop's turn: the thread says that it would do the same again, unless what it has read meanwhile changes.
///
/// That is taken at its word. If all that the thread has done since its last effect is to read (loads, compare-exchanges
/// that failed, read-modify-writes that wrote back what they had read), it goes no further in this execution: the
/// executions in which it reads something else show everything that matters, and a loop of any length is explored as its
/// last turn. If nothing can ever change what it has read, that is reported as a deadlock. If it has had an effect
/// since, it goes on.
///
/// So a loop that gives up after some turns must not be modelled with this hint: the turns after the first would not be
/// explored.
pub fn spin_loop() {
    if with(|x| x.may_spin_on()) {
        return;
    }
    loop {
        debug_assert!(with(|x| matches!(x.threads[x.running].status, Status::Spinning { .. })));
        crate::runtime::wait();
    }
}

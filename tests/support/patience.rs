//! Waiting with an end: every wait of a test has a deadline, and says who waited for what when it is reached.
#![allow(dead_code, reason = "each test binary uses a part of it")]

use selvedge::Deadline;
use std::time::Duration;

/// How long a test waits for what takes no time on an idle machine. Whoever reaches it has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// The deadline of a wait that begins now.
pub(crate) fn patience() -> Deadline {
    Deadline::after(PATIENCE)
}

/// Looks again and again until `condition` holds.
#[track_caller]
pub(crate) fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = patience();
    while !condition() {
        assert!(!deadline.has_passed(), "{} waited {PATIENCE:?} in vain for: {what}", who());
        rustix::thread::sched_yield();
    }
}

/// Watches for as long as `span` that `condition` holds: for what must not happen.
#[track_caller]
pub(crate) fn throughout(span: Duration, what: &str, mut condition: impl FnMut() -> bool) {
    let end = Deadline::after(span);
    while !end.has_passed() {
        assert!(condition(), "{} saw an end of: {what}", who());
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Spins: for times so short that a sleep would be longer.
pub(crate) fn spin(time: Duration) {
    let end = Deadline::after(time);
    while !end.has_passed() {
        std::hint::spin_loop();
    }
}

/// Who waits, for the message: the process and the test that it belongs to.
pub(crate) fn who() -> String {
    let thread = std::thread::current();
    format!("process {} of `{}`", std::process::id(), thread.name().unwrap_or("a thread without a name"))
}

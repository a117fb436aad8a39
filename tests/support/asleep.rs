//! Threads that others wait for until they wait: what they wait for comes after that, not by chance before.
#![allow(dead_code, reason = "each test binary uses a part of it")]

use super::patience::{PATIENCE, until};
use super::proc::thread_is_asleep;
use std::sync::mpsc;
use std::thread::{Scope, ScopedJoinHandle};

/// Runs `body` in a thread of `scope`, and returns when it sleeps, or has ended.
#[track_caller]
pub(crate) fn asleep<'scope, R: Send + 'scope>(
    scope: &'scope Scope<'scope, '_>,
    body: impl FnOnce() -> R + Send + 'scope,
) -> ScopedJoinHandle<'scope, R> {
    let (tells, told) = mpsc::channel();
    let thread = scope.spawn(move || {
        // Nobody hears it only if the test has failed.
        let _ = tells.send(rustix::thread::gettid());
        body()
    });
    let id = told.recv_timeout(PATIENCE).expect("it begins");
    let id = id.as_raw_nonzero().get().unsigned_abs();
    until("the other thread sleeps, or has ended", || thread.is_finished() || thread_is_asleep(id));
    thread
}

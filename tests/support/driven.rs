//! Threads that a test drives step by step: each does what it is told and answers, and one that ends gives nothing back.
//!
//! A thread that is told something that waits answers later; [`Driven::heard`] says whether it has. A test that fails leaves such
//! threads behind: what they wait for must have a deadline.
#![allow(dead_code, reason = "each test binary uses a part of it")]

use super::patience::{PATIENCE, until};
use super::proc;
use selvedge::Region;
use std::fmt::Debug;
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::thread::JoinHandle;
use std::time::Duration;

/// How long a driven thread waits at most: longer than the test, which is to see that it waits in vain.
pub(crate) const LONGER: Duration = PATIENCE.saturating_mul(2);

/// A thread that is driven: `O` is what it is told, `A` what it answers.
#[derive(Debug)]
pub(crate) struct Driven<O, A> {
    operations: Sender<O>,
    answers: Receiver<A>,
    thread: JoinHandle<()>,
}

/// The driven thread's side.
#[derive(Debug)]
pub(crate) struct Stage<O, A> {
    operations: Receiver<O>,
    answers: Sender<A>,
}

impl<O, A> Stage<O, A> {
    /// What is to be done next; none: the thread is to end.
    pub(crate) fn next(&self) -> Option<O> {
        self.operations.recv().ok()
    }

    /// Says what came of it. A test that has failed listens no more.
    pub(crate) fn answer(&self, answer: A) {
        let _ = self.answers.send(answer);
    }
}

impl<O: Send + 'static, A: Send + 'static> Driven<O, A> {
    /// Starts a thread in which `body` does what its stage says, until there is nothing more to do.
    pub(crate) fn start(body: impl FnOnce(&Stage<O, A>) + Send + 'static) -> Self {
        let (operations, next) = channel();
        let (answer, answers) = channel();
        let stage = Stage { operations: next, answers: answer };
        Self { operations, answers, thread: std::thread::spawn(move || body(&stage)) }
    }

    /// Tells it to begin something that may wait.
    #[track_caller]
    pub(crate) fn begin(&self, operation: O) {
        self.operations.send(operation).expect("the thread waits for operations");
    }

    /// Its answer, for which it may take its time.
    #[track_caller]
    pub(crate) fn hear(&self) -> A {
        self.answers.recv_timeout(PATIENCE).expect("the thread answers")
    }

    /// Its answer, if it has answered.
    #[track_caller]
    pub(crate) fn heard(&self) -> Option<A> {
        match self.answers.try_recv() {
            Ok(answer) => Some(answer),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => panic!("the thread has ended"),
        }
    }

    /// Lets it do something that does not wait.
    #[track_caller]
    pub(crate) fn perform(&self, operation: O) -> A {
        self.begin(operation);
        self.hear()
    }

    /// Ends it, and waits for its end, with the destructors of thread-local values.
    #[track_caller]
    pub(crate) fn end(self) {
        drop(self.operations);
        until("a thread ends", || self.thread.is_finished() || rest());
        self.thread.join().expect("it did not panic");
    }

    /// Ends a thread that dies without a word, and waits until it has stopped for good.
    #[track_caller]
    pub(crate) fn dies(self, operation: O, tid: u32) {
        self.begin(operation);
        until("a thread dies", || !proc::thread_exists(tid) || rest());
    }
}

/// Lets the driven threads have the processor; false, for conditions that are looked at again and again.
pub(crate) fn rest() -> bool {
    std::thread::sleep(Duration::from_micros(20));
    false
}

/// How many threads wait for the object, and are asleep.
pub(crate) fn asleep(region: &Region, object: &str) -> usize {
    let inspection = region.inspect();
    let waiters = inspection.object(object).map_or(&[][..], |seen| &seen.waiters);
    // In this order: who is named there and then asleep, sleeps there.
    waiters.iter().filter(|waiter| proc::thread_is_asleep(waiter.tid)).count()
}

/// Waits until these threads, and no others, are asleep waiting for the object. An error: one of them has gone on.
#[track_caller]
pub(crate) fn all_sleep<'a, O: Send + 'static, A: Debug + Send + 'static>(
    region: &Region,
    object: &str,
    threads: impl IntoIterator<Item = &'a Driven<O, A>>,
) -> Result<(), String> {
    let threads: Vec<_> = threads.into_iter().collect();
    let mut gone = None;
    until(&format!("{} threads sleep waiting for `{object}`", threads.len()), || {
        gone = threads.iter().find_map(|thread| thread.heard());
        gone.is_some() || asleep(region, object) == threads.len() || rest()
    });
    gone.map_or(Ok(()), |answer| Err(format!("who waits for `{object}` has gone on: {answer:?}")))
}

//! A mutex is held by one thread, and is left by a thread that ends holding it as the dead leave it.
//!
//! The operations come one after the other, each on a thread of its choice. Forgotten guards and threads that end stand
//! for what goes wrong in programs; kills have tests of their own.

use crate::region;
use proptest::prelude::*;
use selvedge::region::{LockError, Mutex, MutexGuard};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{Scope, ScopedJoinHandle};
use std::time::Duration;

#[derive(Clone, Copy, Debug)]
enum Operation {
    Lock,
    TryLock,
    LockTimeout,
    Read,
    Write(u64),
    MarkConsistent,
    Unlock,
    Forget,
    Reset(u64),
    /// The thread ends without giving anything back; another takes its place.
    End,
}

fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        4 => Just(Operation::Lock),
        2 => Just(Operation::TryLock),
        2 => Just(Operation::LockTimeout),
        2 => Just(Operation::Read),
        2 => any::<u64>().prop_map(Operation::Write),
        2 => Just(Operation::MarkConsistent),
        4 => Just(Operation::Unlock),
        1 => Just(Operation::Forget),
        2 => any::<u64>().prop_map(Operation::Reset),
        2 => Just(Operation::End),
    ]
}

/// What a thread has to say about an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    Granted,
    Inherited,
    WouldBlock,
    TimedOut,
    Relocked,
    NotRecoverable,
    Value(u64),
    Reset(bool),
    Done,
    /// It has no guard to do that with.
    NoGuard,
}

type Locked<'a> = Result<MutexGuard<'a, u64>, LockError<MutexGuard<'a, u64>>>;

fn keep<'a>(answer: Locked<'a>, guard: &mut Option<MutexGuard<'a, u64>>) -> Answer {
    match answer {
        Ok(granted) => {
            *guard = Some(granted);
            Answer::Granted
        }
        Err(LockError::OwnerDied(inherited)) => {
            *guard = Some(inherited);
            Answer::Inherited
        }
        Err(LockError::WouldBlock) => Answer::WouldBlock,
        Err(LockError::TimedOut) => Answer::TimedOut,
        Err(LockError::Relocked) => Answer::Relocked,
        Err(LockError::NotRecoverable) => Answer::NotRecoverable,
        Err(error) => panic!("{error}"),
    }
}

fn perform<'a>(mutex: &'a Mutex<u64>, guard: &mut Option<MutexGuard<'a, u64>>, operation: Operation) -> Answer {
    match operation {
        Operation::Lock => keep(mutex.lock(), guard),
        Operation::TryLock => keep(mutex.try_lock(), guard),
        Operation::LockTimeout => keep(mutex.lock_timeout(Duration::ZERO), guard),
        Operation::Read => guard.as_ref().map_or(Answer::NoGuard, |guard| Answer::Value(**guard)),
        Operation::Write(value) => guard.as_mut().map_or(Answer::NoGuard, |guard| {
            **guard = value;
            Answer::Done
        }),
        Operation::MarkConsistent => guard.as_mut().map_or(Answer::NoGuard, |guard| {
            guard.mark_consistent();
            Answer::Done
        }),
        Operation::Unlock => guard.take().map_or(Answer::NoGuard, |_| Answer::Done),
        Operation::Forget => guard.take().map_or(Answer::NoGuard, |guard| {
            std::mem::forget(guard);
            Answer::Done
        }),
        Operation::Reset(value) => Answer::Reset(mutex.reset(value).expect("the region is good")),
        Operation::End => unreachable!("the thread ends instead"),
    }
}

/// A thread that performs what it is sent, until it is sent no more.
struct Worker<'scope> {
    operations: Sender<Operation>,
    answers: Receiver<Answer>,
    thread: ScopedJoinHandle<'scope, ()>,
}

impl<'scope> Worker<'scope> {
    fn start<'env>(scope: &'scope Scope<'scope, 'env>, mutex: &'env Mutex<u64>) -> Self {
        let (operations, receive) = channel();
        let (send, answers) = channel();
        let thread = scope.spawn(move || {
            // A handle that outlives the thread: a region that loses its last one on it would be left, not orphaned.
            let mut guard = None;
            while let Ok(operation) = receive.recv() {
                send.send(perform(mutex, &mut guard, operation)).expect("the test waits for the answer");
            }
            std::mem::forget(guard);
        });
        Self { operations, answers, thread }
    }

    fn perform(&self, operation: Operation) -> Answer {
        self.operations.send(operation).expect("the thread waits for operations");
        self.answers.recv_timeout(Duration::from_secs(60)).expect("the thread answers")
    }

    /// Ends the thread, as far as to its destructors of thread-local values.
    fn end(self) {
        drop(self.operations);
        self.thread.join().expect("the thread ends");
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Free,
    Held { thread: usize, has_guard: bool, consistent: bool },
    Orphaned,
    NotRecoverable,
}

/// What the mutex must do.
struct Model {
    state: State,
    value: u64,
}

impl Model {
    fn lock(&mut self, thread: usize, own: Answer, others: Answer) -> Answer {
        let held = |consistent| State::Held { thread, has_guard: true, consistent };
        match self.state {
            State::Free => {
                self.state = held(true);
                Answer::Granted
            }
            State::Orphaned => {
                self.state = held(false);
                Answer::Inherited
            }
            State::Held { thread: holder, .. } if holder == thread => own,
            State::Held { .. } => others,
            State::NotRecoverable => Answer::NotRecoverable,
        }
    }

    fn perform(&mut self, thread: usize, operation: Operation) -> Answer {
        let guarded = matches!(self.state, State::Held { thread: holder, has_guard: true, .. } if holder == thread);
        match operation {
            Operation::Lock | Operation::LockTimeout => self.lock(thread, Answer::Relocked, Answer::TimedOut),
            Operation::TryLock => self.lock(thread, Answer::WouldBlock, Answer::WouldBlock),
            Operation::Reset(value) => {
                let resets = self.state == State::NotRecoverable;
                if resets {
                    (self.state, self.value) = (State::Free, value);
                }
                Answer::Reset(resets)
            }
            Operation::End => {
                if matches!(self.state, State::Held { thread: holder, .. } if holder == thread) {
                    self.state = State::Orphaned;
                }
                Answer::Done
            }
            _ if !guarded => Answer::NoGuard,
            Operation::Read => Answer::Value(self.value),
            Operation::Write(value) => {
                self.value = value;
                Answer::Done
            }
            Operation::MarkConsistent => {
                self.state = State::Held { thread, has_guard: true, consistent: true };
                Answer::Done
            }
            Operation::Unlock => {
                let consistent = matches!(self.state, State::Held { consistent: true, .. });
                self.state = if consistent { State::Free } else { State::NotRecoverable };
                Answer::Done
            }
            Operation::Forget => {
                if let State::Held { has_guard, .. } = &mut self.state {
                    *has_guard = false;
                }
                Answer::Done
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn a_mutex_is_held_by_one_thread(operations in prop::collection::vec((0..3_usize, operation()), 0..60)) {
        let region = region(2, 4096);
        let handles = [0, 1, 2].map(|_| region.mutex("stock", 7_u64).unwrap());
        let mut model = Model { state: State::Free, value: 7 };
        std::thread::scope(|scope| {
            let mut workers: Vec<_> = handles.iter().map(|mutex| Worker::start(scope, mutex)).collect();
            for (thread, operation) in operations {
                // It would wait for ever.
                let blocks = matches!(operation, Operation::Lock)
                    && matches!(model.state, State::Held { thread: holder, .. } if holder != thread);
                if blocks {
                    continue;
                }
                let expected = model.perform(thread, operation);
                if matches!(operation, Operation::End) {
                    std::mem::replace(&mut workers[thread], Worker::start(scope, &handles[thread])).end();
                } else {
                    prop_assert_eq!(workers[thread].perform(operation), expected, "{:?} on thread {}", operation, thread);
                }
            }
            workers.into_iter().for_each(Worker::end);
            Ok(())
        })?;
        match model.state {
            State::Free => prop_assert_eq!(*handles[0].lock().unwrap(), model.value),
            State::Held { .. } | State::Orphaned => {
                let inherited = handles[0].lock().unwrap_err().into_guard().expect("its last holder ended with it");
                prop_assert_eq!(*inherited, model.value);
            }
            State::NotRecoverable => prop_assert!(matches!(handles[0].lock(), Err(LockError::NotRecoverable))),
        }
    }
}

//! Coroutines that run the threads of the program: pooled, each runs one thread after another.
//!
//! A worker is given a task, runs it until it suspends, and when the task has ended waits for the next. A thread that
//! is given up is resumed with the order to unwind, so that its destructors run; the worker survives that.

use corosensei::stack::DefaultStack;
use corosensei::{Coroutine, CoroutineResult, Yielder};
use std::any::Any;
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What a thread does from its start to its end.
pub(crate) type Task = Box<dyn FnOnce()>;

/// How a worker came back.
#[derive(Debug)]
pub(crate) enum Back {
    /// The thread waits to be resumed.
    Suspended,
    /// Its task has ended, with a panic or without.
    Ended(Result<(), Box<dyn Any + Send>>),
}

type Worker = Coroutine<(), Back, (), DefaultStack>;

std::thread_local! {
    /// The task for the worker that is resumed next.
    static TASK: RefCell<Option<Task>> = const { RefCell::new(None) };
    /// How the running worker suspends itself.
    static YIELDER: Cell<*const Yielder<(), Back>> = const { Cell::new(core::ptr::null()) };
}

/// Workers, by number. Those that are idle wait for a task.
#[derive(Default)]
pub(crate) struct Pool {
    workers: Vec<Worker>,
    idle: Vec<usize>,
    stack_size: usize,
}

impl Pool {
    /// A pool of workers with stacks of this many bytes.
    pub(crate) fn new(stack_size: usize) -> Self {
        Self { workers: Vec::new(), idle: Vec::new(), stack_size }
    }

    /// Starts a task on an idle worker and runs it until it suspends; returns the worker's number.
    pub(crate) fn start(&mut self, task: Task) -> (usize, Back) {
        let number = self.idle.pop().unwrap_or_else(|| {
            let stack = DefaultStack::new(self.stack_size).expect("memory for one more stack");
            self.workers.push(Coroutine::with_stack(stack, |yielder, ()| work(yielder)));
            self.workers.len() - 1
        });
        TASK.set(Some(task));
        let back = self.resume(number);
        (number, back)
    }

    /// Resumes a worker until it suspends or its task ends, which makes it idle.
    pub(crate) fn resume(&mut self, number: usize) -> Back {
        let outer = YIELDER.get();
        let result = self.workers[number].resume(());
        YIELDER.set(outer);
        match result {
            CoroutineResult::Yield(back) => {
                if matches!(back, Back::Ended(_)) {
                    self.idle.push(number);
                }
                back
            }
            CoroutineResult::Return(()) => unreachable!("workers do not return"),
        }
    }
}

fn work(yielder: &Yielder<(), Back>) {
    loop {
        YIELDER.set(yielder);
        let Some(task) = TASK.take() else { unreachable!("a worker is resumed with a task") };
        let ended = catch_unwind(AssertUnwindSafe(task));
        yielder.suspend(Back::Ended(ended));
    }
}

/// Suspends the running worker until it is resumed.
pub(crate) fn suspend() {
    let yielder = YIELDER.get();
    assert!(!yielder.is_null(), "only a thread of a model can wait");
    // SAFETY: it was set by the worker that runs now, on whose stack the yielder lives.
    let running = unsafe { &*yielder };
    running.suspend(Back::Suspended);
    YIELDER.set(yielder);
}

impl core::fmt::Debug for Pool {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Pool").field("workers", &self.workers.len()).finish_non_exhaustive()
    }
}

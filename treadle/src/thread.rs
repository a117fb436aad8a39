//! Threads of a model.

use crate::graph::{Loc, Update};
use crate::runtime::{Killed, LastAccess, Task, operate, try_with, with};
use core::panic::Location;
use core::sync::atomic::Ordering;
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;

/// Who a thread is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ThreadId(usize);

impl ThreadId {
    /// The thread's number: 0 is the one that runs the model's closure, the others follow as they are started.
    #[must_use]
    pub fn number(self) -> usize {
        self.0
    }
}

/// A handle of a thread.
#[derive(Clone, Debug)]
pub struct Thread {
    id: ThreadId,
    name: Option<Rc<str>>,
    token: Loc,
}

impl Thread {
    /// Who it is.
    #[must_use]
    pub fn id(&self) -> ThreadId {
        self.id
    }

    /// Its name, if it has one.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Lets it return from its present [`park`], or from its next one.
    #[track_caller]
    pub fn unpark(&self) {
        let site = Location::caller();
        operate(|x| x.read(self.token, Update::Swap(1), (Ordering::Release, Ordering::Relaxed), site));
    }
}

/// The running thread.
///
/// # Panics
/// Outside of a model.
#[must_use]
pub fn current() -> Thread {
    with(|x| {
        let me = &x.threads[x.running];
        Thread { id: ThreadId(x.running), name: me.name.clone(), token: me.token }
    })
}

/// Waits until the running thread is [unparked](Thread::unpark), which happens before the return. It never returns for
/// no reason.
#[track_caller]
pub fn park() {
    let site = Location::caller();
    let update = Update::AwaitExchange { expected: 1, new: 0 };
    operate(|x| {
        let token = x.threads[x.running].token;
        x.read(token, update, (Ordering::Acquire, Ordering::Relaxed), site)
    });
}

/// A thread that can be waited for.
pub struct JoinHandle<T> {
    thread: Thread,
    result: Rc<RefCell<Option<T>>>,
}

impl<T> JoinHandle<T> {
    /// Waits for the thread to end; what it did happens before the return.
    ///
    /// # Errors
    /// Never: the panic of a thread ends the model. The type is that of `std`.
    ///
    /// # Panics
    /// If the thread was killed, for then there is no result.
    #[track_caller]
    pub fn join(self) -> std::thread::Result<T> {
        let site = Location::caller();
        let child = self.thread.id.0;
        match operate(|x| x.join(child, site)) {
            Some(()) => match self.result.take() {
                Some(result) => Ok(result),
                None => panic!("the thread was killed: it has no result"),
            },
            None => resume_unwind(Box::new("the joining thread unwinds")),
        }
    }

    /// Waits for the thread to end; `None` if it was killed.
    #[track_caller]
    pub fn join_killed(self) -> Option<T> {
        let site = Location::caller();
        let child = self.thread.id.0;
        operate(|x| x.join(child, site))?;
        self.result.take()
    }

    /// The thread.
    #[must_use]
    pub fn thread(&self) -> &Thread {
        &self.thread
    }
}

impl<T> core::fmt::Debug for JoinHandle<T> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("JoinHandle").field("thread", &self.thread).finish_non_exhaustive()
    }
}

/// Starts a thread; what the starting one did before happens before what it does.
#[track_caller]
pub fn spawn<F, T>(body: F) -> JoinHandle<T>
where
    F: FnOnce() -> T + 'static,
    T: 'static,
{
    Builder::new().start(body, None, Location::caller())
}

/// Starts a thread that may be killed before any of its operations, as often in an execution as
/// [`Builder::deaths`](crate::Builder::deaths) allows in all. A write to a [cell](crate::cell::UnsafeCell) counts as an
/// operation, a read of one does not: nobody could tell a death before it from one at what comes next, be it the thread's end.
///
/// ```
/// use std::sync::Arc;
/// use treadle::{Builder, sync::atomic::{AtomicU32, Ordering::{Acquire, Relaxed, Release}}, thread};
///
/// let mut builder = Builder::new();
/// builder.deaths = 1;
/// builder.check(|| {
///     let words = Arc::new((AtomicU32::new(0), AtomicU32::new(0)));
///     let (mortal, kernel) = (Arc::clone(&words), Arc::clone(&words));
///     let thread = thread::spawn_mortal(
///         move || {
///             mortal.0.store(1, Relaxed);
///             mortal.0.store(0, Relaxed);
///         },
///         move || kernel.1.store(1, Release),
///     );
///     if words.1.load(Acquire) == 1 {
///         // It was killed, and may have been between its stores; nothing of it comes after the mark.
///         let left = words.0.load(Relaxed);
///         assert_eq!(words.0.load(Relaxed), left);
///     }
///     thread.join_killed();
/// });
/// ```
///
/// Killed, it unwinds, and all that its destructors do to the model's objects is without effect: a real kill runs no
/// destructor. Then `on_death` runs, in the thread's place and after all that it did: it is what the kernel does for the
/// dead, such as marking words that they owned.
#[track_caller]
pub fn spawn_mortal<F, T>(body: F, on_death: impl FnOnce() + 'static) -> JoinHandle<T>
where
    F: FnOnce() -> T + 'static,
    T: 'static,
{
    Builder::new().start(body, Some(Box::new(on_death)), Location::caller())
}

/// Says what a thread is to be like.
#[derive(Clone, Debug, Default)]
pub struct Builder {
    name: Option<String>,
}

impl Builder {
    /// A thread like any other.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Gives it a name, for what is printed.
    #[must_use]
    pub fn name(mut self, name: String) -> Self {
        self.name = Some(name);
        self
    }

    /// Starts it.
    ///
    /// # Errors
    /// Never; the type is that of `std`.
    #[track_caller]
    pub fn spawn<F, T>(self, body: F) -> std::io::Result<JoinHandle<T>>
    where
        F: FnOnce() -> T + 'static,
        T: 'static,
    {
        Ok(self.start(body, None, Location::caller()))
    }

    /// Starts a thread that may be killed; see [`spawn_mortal`].
    #[track_caller]
    pub fn spawn_mortal<F, T>(self, body: F, on_death: impl FnOnce() + 'static) -> JoinHandle<T>
    where
        F: FnOnce() -> T + 'static,
        T: 'static,
    {
        self.start(body, Some(Box::new(on_death)), Location::caller())
    }

    fn start<F, T>(self, body: F, on_death: Option<Task>, site: &'static Location<'static>) -> JoinHandle<T>
    where
        F: FnOnce() -> T + 'static,
        T: 'static,
    {
        let result = Rc::new(RefCell::new(None));
        let name: Option<Rc<str>> = self.name.map(Into::into);
        // A thread that unwinds starts no other: the number is nobody's.
        let child = operate(|x| x.spawn(site));
        if let Some(child) = child {
            let into = Rc::clone(&result);
            let mortal = on_death.is_some();
            let live = move || {
                let value = body();
                if with(|x| x.has_read_since()) {
                    death_point_at(site);
                }
                into.replace(Some(value));
            };
            let task: Task = Box::new(move || live_and_die(live, on_death));
            with(|x| {
                x.threads[child].mortal = mortal;
                x.threads[child].name = name.clone();
                x.spawned.push((child, task));
            });
        }
        let token = child.map_or(0, |child| with(|x| x.threads[child].token));
        JoinHandle { thread: Thread { id: ThreadId(child.unwrap_or(usize::MAX)), name, token }, result }
    }
}

fn live_and_die<T>(body: impl FnOnce() -> T, on_death: Option<Task>) {
    let Err(payload) = catch_unwind(AssertUnwindSafe(body)) else { return };
    let Some(on_death) = on_death.filter(|_| payload.is::<Killed>()) else { resume_unwind(payload) };
    with(|x| {
        let running = x.running;
        x.threads[running].dying = false;
        x.threads[running].killed = false;
    });
    on_death();
}

/// A spin loop's turn: see [`crate::hint::spin_loop`].
#[track_caller]
pub fn yield_now() {
    crate::hint::spin_loop();
}

/// A point at which a thread that may be killed can be killed, between operations.
pub(crate) fn death_point_at(site: &'static Location<'static>) {
    if try_with(|x| x.threads[x.running].mortal) == Some(true) {
        operate(|x| x.choose(1, site));
    }
}

/// The calling thread's last access to a location, if that is what it did last: for harnesses that draw executions
/// themselves. Numbers mean something within one run only, and runs of a replay are in the order of the lanes.
#[must_use]
pub fn last_access() -> Option<LastAccess> {
    if crate::runtime::is_inside() { try_with(|x| x.last_access()).flatten() } else { None }
}

/// Whether the calling thread has been killed and unwinds.
#[must_use]
pub fn is_killed() -> bool {
    crate::runtime::is_inside() && try_with(|x| x.threads[x.running].killed).unwrap_or(false)
}

/// Whether the calling thread is one of a model and not being killed or given up.
#[must_use]
pub fn is_alive() -> bool {
    crate::runtime::is_inside() && try_with(|x| !x.threads[x.running].dying).unwrap_or(false)
}

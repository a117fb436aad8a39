//! The threads that wait for the futures and descriptors of this process.
//!
//! **Purpose.** Who polls a future must not sleep. What it would wait for is ordered here, and one thread for each attached region
//! waits for all that is ordered, by a [select](crate::primitives::select) over it; with that its thread is one that waits, to
//! all others, and what goes for those goes for it: deaths are told to it, and wakes that it made no use of it gives on.
//!
//! There are two: what is to be sent is ordered from another waiter than the rest. At a rendezvous the one stands with an offer, which
//! the other sees, and whoever it tells of it takes; of one and the same thread nobody could.
//!
//! **Protocol.** The thread takes the orders from the book, and selects among them and the word `changes`, which changes with
//! each order and each one taken back. When an order is done, or is worth an attempt of who ordered it, or its deadline has passed,
//! it is taken out of the book and told. Is there none, the thread waits a second for the next, and ends.
//!
//! **Invariants.**
//! - I1: an order is told once: it is taken out of the book, under the book's lock, by who tells it. One that was done and that
//!   nobody wants any more is undone.
//! - I2: no lock is held while a waker is woken, which may do anything. A descriptor is written to under the book's lock: who has
//!   taken an order back is told of it no more.
//! - I3: without orders the thread has neither a handle of the region nor a thread slot: it keeps nobody attached.
//! - I4: a forked child orders nothing, and takes nothing back: its calls are refused, and what it drops is its parent's.
//! - I5: whose deadline passes has been attempted after that, and failed.
//!
//! **Death.** Of this process: book and thread go with it.

use super::Unusable;
use super::candidate::{Candidate, Wish};
use super::channel::Refusal;
use super::core::Core;
use super::error::OsError;
use super::threads;
use crate::primitives::ThreadSlot;
use crate::primitives::select::{Operation, select};
use crate::primitives::waiting::Wait;
use crate::sync::{AtomicU32, Deadline, Ordering, WaitOn, WaitOutcome, futex_wait, futex_wake};
use core::task::{Context, Poll, Waker};
use core::time::Duration;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

pub(crate) use super::os::eventfd::EventFd;

/// How long the thread waits for another order before it ends.
const LINGER: Duration = Duration::from_secs(1);

/// What came of an order, as of a [candidate](Candidate::outcome).
pub(crate) type Outcome = Result<Option<usize>, Refusal>;

/// What is ordered.
pub(crate) type Ordered = Arc<dyn Wish + Send + Sync>;

/// How somebody is told.
pub(crate) enum Tell {
    /// By its waker.
    Waker(Waker),
    /// By a descriptor that becomes readable.
    Descriptor(Arc<EventFd>),
}

enum State {
    Waiting(Tell),
    Done(Outcome),
    /// It was asked for.
    Over,
}

struct Entry {
    id: u64,
    wish: Ordered,
    until: Option<Deadline>,
    state: Arc<Mutex<State>>,
}

/// An entry, as the thread takes it from the book.
struct Wanted {
    id: u64,
    wish: Ordered,
    until: Option<Deadline>,
}

#[derive(Default)]
struct Book {
    entries: Vec<Entry>,
    next: u64,
    is_running: bool,
}

struct Shared {
    name: &'static str,
    changes: AtomicU32,
    book: Mutex<Book>,
}

/// The waiter of a region that this process is attached to.
pub(crate) struct Waiter(Arc<Shared>);

/// Something that was ordered; dropping it takes it back.
pub(crate) struct Order {
    id: u64,
    wish: Ordered,
    state: Arc<Mutex<State>>,
    shared: Arc<Shared>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    fn announce_change(&self) {
        // Release: pairs with the Acquire of who looks at the book after it.
        self.changes.fetch_add(1, Ordering::Release);
        futex_wake(&self.changes, 1);
    }
}

impl Waiter {
    /// A waiter that has nothing to do, and no thread yet.
    pub(super) fn new(name: &'static str) -> Self {
        Self(Arc::new(Shared { name, changes: AtomicU32::new(0), book: Mutex::default() }))
    }

    /// Has somebody told when this is done, or worth an attempt; or that it was not until the deadline.
    ///
    /// # Errors
    /// There is no thread to be had.
    pub(crate) fn order(&self, wish: Ordered, until: Option<Deadline>, tell: Tell) -> Result<Order, OsError> {
        let state = Arc::new(Mutex::new(State::Waiting(tell)));
        let mut book = locked(&self.0.book);
        if !book.is_running {
            let shared = Arc::clone(&self.0);
            let thread = std::thread::Builder::new().name(shared.name.to_owned());
            let started = thread.spawn(move || run(&shared));
            started.map_err(|error| OsError::from_io("starting a thread to wait", &error))?;
            book.is_running = true;
        }
        let id = book.next;
        book.next += 1;
        book.entries.push(Entry { id, wish: Arc::clone(&wish), until, state: Arc::clone(&state) });
        drop(book);
        self.0.announce_change();
        Ok(Order { id, wish, state, shared: Arc::clone(&self.0) })
    }
}

impl Order {
    /// Whether this process ordered it, and not the one from which it was forked.
    fn is_own(&self) -> bool {
        self.wish.core().attachment().is_original()
    }

    /// Why it ended, if it did so without having been done.
    pub(crate) fn refusal(&self) -> Option<Refusal> {
        let mut state = locked(&self.state);
        match core::mem::replace(&mut *state, State::Over) {
            State::Done(Err(refusal)) => Some(refusal),
            other => {
                *state = other;
                None
            }
        }
    }

    /// What came of it; if nothing has yet, the waker is told.
    pub(crate) fn poll(&self, context: &mut Context<'_>) -> Poll<Outcome> {
        if !self.is_own() {
            return Poll::Ready(Err(Refusal::Unusable(Unusable::ForkedChild)));
        }
        let mut state = locked(&self.state);
        match core::mem::replace(&mut *state, State::Over) {
            State::Done(outcome) => Poll::Ready(outcome),
            State::Over => Poll::Ready(Ok(None)),
            State::Waiting(before) => {
                let tell = Tell::Waker(context.waker().clone());
                *state = State::Waiting(tell);
                drop(state);
                // Last: what goes with it is not ours.
                drop(before);
                Poll::Pending
            }
        }
    }
}

impl Drop for Order {
    fn drop(&mut self) {
        // The locks may be held for ever there, and what was done the parent has (I4).
        if !self.is_own() {
            return;
        }
        let mut book = locked(&self.shared.book);
        let place = book.entries.iter().position(|entry| entry.id == self.id);
        let entry = place.map(|place| book.entries.remove(place));
        drop(book);
        if entry.is_some() {
            // It may be about to be done; then whoever does it undoes it (I1).
            self.shared.announce_change();
        }
        let state = core::mem::replace(&mut *locked(&self.state), State::Over);
        if let State::Done(outcome) = state {
            self.wish.undo(outcome);
        }
    }
}

/// That the book changes.
struct Change<'a> {
    changes: &'a AtomicU32,
    seen: u32,
}

impl<'a> Operation<'a> for Change<'a> {
    fn attempt(&mut self, _above: Option<ThreadSlot>) -> bool {
        self.is_worth_an_attempt()
    }

    fn arm(&mut self, _index: Option<u16>) -> WaitOn<'a> {
        WaitOn { word: self.changes, expected: self.seen }
    }

    fn is_worth_an_attempt(&self) -> bool {
        // Relaxed: the next look at the book acquires it.
        self.changes.load(Ordering::Relaxed) != self.seen
    }

    fn announce_others(&mut self) {}

    fn pass_on(&mut self) {}
}

/// What the thread does.
fn run(shared: &Shared) {
    // Where the thread may have a slot.
    let mut slot_in: Option<Weak<Core>> = None;
    loop {
        // Acquire: pairs with the Release in announce_change.
        let seen = shared.changes.load(Ordering::Acquire);
        let orders: Vec<Wanted> = locked(&shared.book).entries.iter().map(Wanted::from).collect();
        let Some(first) = orders.first() else {
            if let Some(core) = slot_in.take().and_then(|core| core.upgrade()) {
                threads::release_here(&core);
            }
            let outcome = futex_wait(&shared.changes, seen, Some(Deadline::after(LINGER)));
            let mut book = locked(&shared.book);
            if outcome == WaitOutcome::TimedOut && book.entries.is_empty() {
                book.is_running = false;
                return;
            }
            continue;
        };
        let core = Arc::clone(first.wish.core());
        slot_in = Some(Arc::downgrade(&core));
        let told: Vec<(u64, Outcome)> = match core.slot() {
            Ok(slot) => some(&core, slot, &orders, Change { changes: &shared.changes, seen }),
            // Whoever ordered something finds out for itself, or is told so.
            Err(why) => orders.iter().map(|order| (order.id, Err(why.into()))).collect(),
        };
        for (id, outcome) in told {
            tell(shared, id, outcome, &orders);
        }
    }
}

impl From<&Entry> for Wanted {
    fn from(entry: &Entry) -> Self {
        Self { id: entry.id, wish: Arc::clone(&entry.wish), until: entry.until }
    }
}

/// Waits for one of the orders, for the first deadline among them, or for a change of the book. Says what came of which.
fn some<'x>(core: &Core, slot: ThreadSlot, orders: &'x [Wanted], mut change: Change<'x>) -> Vec<(u64, Outcome)> {
    let mut candidates: Vec<(u64, Box<dyn Candidate<'x> + 'x>)> = Vec::with_capacity(orders.len());
    for order in orders {
        match order.wish.candidate(slot) {
            Ok(candidate) => candidates.push((order.id, candidate)),
            Err(refusal) => return vec![(order.id, Err(refusal))],
        }
    }
    let mut operations: Vec<&mut dyn Operation<'x>> = vec![&mut change];
    operations.extend(candidates.iter_mut().map(|(_, candidate)| &mut **candidate as &mut dyn Operation<'x>));
    let first = orders.iter().filter_map(|order| order.until).min();
    // The book first: what was taken back is not done if that can be helped.
    let done = select(&core.caller_in(slot, Wait::Block), &mut operations, 0, first);
    let mut told = Vec::new();
    for (position, (order, (id, candidate))) in (1..).zip(orders.iter().zip(&mut candidates)) {
        // Also if something else was done: there may always be. The select ended with that, and did not come to this one.
        let is_late = order.until.is_some_and(Deadline::has_passed);
        let is_done = done == Some(position) || (is_late && candidate.attempt(None));
        candidate.give_up();
        if is_done {
            told.push((*id, candidate.outcome()));
        } else if is_late {
            told.push((*id, Err(Refusal::TimedOut)));
        }
    }
    told
}

fn tell(shared: &Shared, id: u64, outcome: Outcome, orders: &[Wanted]) {
    let mut book = locked(&shared.book);
    let place = book.entries.iter().position(|entry| entry.id == id);
    let entry = place.map(|place| book.entries.remove(place));
    let Some(entry) = entry else {
        drop(book);
        if let Some(order) = orders.iter().find(|other| other.id == id) {
            order.wish.undo(outcome);
        }
        return;
    };
    // Under the lock of the book still: who takes the order back finds it there, or done (I2).
    let before = core::mem::replace(&mut *locked(&entry.state), State::Done(outcome));
    if let State::Waiting(Tell::Descriptor(descriptor)) = &before {
        descriptor.tell();
    }
    drop(book);
    if let State::Waiting(Tell::Waker(waker)) = before {
        // A panic of the waker's is its own, and was reported by the hook.
        let _ = catch_unwind(AssertUnwindSafe(|| waker.wake()));
    }
}

impl core::fmt::Debug for Waiter {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Waiter").finish_non_exhaustive()
    }
}

impl core::fmt::Debug for Order {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Order").field("id", &self.id).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Region;
    use crate::region::candidate::{HappeningWish, PermitsWish};

    #[test]
    fn who_is_late_is_told_beside_what_is_done() {
        let region = Region::anonymous().expect("a region");
        let [happens, never] = ["happens", "never"].map(|name| region.event(name).expect("an event"));
        let core = Arc::clone(happens.placed().core());
        let since = Some(happens.placed().control().now());
        happens.set().expect("usable");
        let past = Some(Deadline::after(Duration::ZERO));
        let far = Some(Deadline::after(Duration::from_secs(3600)));
        let wishes: [(Ordered, _); 4] = [
            (Arc::new(HappeningWish(never.clone(), None)), past),
            (Arc::new(HappeningWish(happens.clone(), since)), past),
            (Arc::new(HappeningWish(never.clone(), None)), far),
            (Arc::new(HappeningWish(never.clone(), None)), None),
        ];
        let mut orders: Vec<Wanted> =
            wishes.into_iter().zip(10..).map(|((wish, until), id)| Wanted { id, wish, until }).collect();
        let changes = AtomicU32::new(0);
        let slot = core.slot().expect("a slot");
        let told = |orders: &[Wanted]| {
            let mut told: Vec<(u64, bool)> = some(&core, slot, orders, Change { changes: &changes, seen: 0 })
                .into_iter()
                .map(|(id, outcome)| (id, matches!(outcome, Err(Refusal::TimedOut))))
                .collect();
            told.sort_unstable();
            told
        };
        assert_eq!(told(&orders), [(10, true), (11, false)], "what is done and what is late, each once");
        orders.remove(1);
        assert_eq!(told(&orders), [(10, true)], "nothing is done");
        changes.store(1, Ordering::Relaxed);
        assert_eq!(told(&orders), [(10, true)], "the book has changed");
    }

    #[test]
    fn who_is_late_is_attempted_once_more_whatever_else_is_done() {
        let region = Region::anonymous().expect("a region");
        let seats = region.semaphore("seats", 2).expect("a semaphore");
        let core = Arc::clone(seats.placed().core());
        let past = Some(Deadline::after(Duration::ZERO));
        let wish = || -> Ordered { Arc::new(PermitsWish(seats.clone(), 1)) };
        let orders: Vec<Wanted> = (0..3).map(|id| Wanted { id, wish: wish(), until: past }).collect();
        let slot = core.slot().expect("a slot");
        // First nothing of the book has changed, then it has: that is what is done then.
        for seen in [0, 1] {
            let changes = AtomicU32::new(0);
            let told = some(&core, slot, &orders, Change { changes: &changes, seen });
            let told: Vec<(u64, bool)> = told.into_iter().map(|(id, outcome)| (id, outcome.is_ok())).collect();
            assert_eq!(told, [(0, true), (1, true), (2, false)], "there were two");
            assert_eq!(seats.available(), 0);
            seats.release_many(2).expect("few");
        }
    }
}

//! The thread that tells this process of the deaths of others.
//!
//! **Purpose.** Callbacks and descriptors of [`watch`](super::watch) need somebody who looks while the program does
//! something else. That is one thread for each attached region, started with the first of them.
//!
//! **Protocol.** The keeper (see [`attachment`](super::attachment)) is woken by every death and every change of
//! membership, and changes the word `news` of its desk after it has looked. The watcher reads `news`, looks at the entries
//! of all orders, tells those whose participant has ended, and sleeps on `news` as it was. An order is added before `news` is
//! changed, so one for a participant that has ended already is told at once.
//!
//! **Invariants.**
//! - I1: an order is told once: it is taken out of the book, under the book's lock, by who tells it.
//! - I2: no lock is held while somebody is told, so that a callback may use everything in this crate.
//! - I3: between two looks the thread holds the memory and nothing else of the region: neither a handle nor a thread slot,
//!   so it keeps nobody attached. Its end is the attachment's: it leaves as soon as it sees the book closed.
//! - I4: in a forked child nobody touches the book, whose lock another thread may have held at that instant.
//!
//! **Death.** Of this process: the book goes with it. Of its keeper alone: the process is fenced off, nobody changes
//! `news` any more, and the watcher looks as often as its backstop says.

use super::attachment::Desk;
use super::core::Core;
use super::error::OsError;
use super::os::eventfd::EventFd;
use super::participant::{Ended, ended};
use super::threads;
use crate::primitives::Participants;
use crate::primitives::participants::ProcessClaim;
use crate::sync::{Deadline, Ordering, futex_wait};
use core::time::Duration;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

/// How somebody is told.
pub(super) enum Tell {
    /// By a call, on the watcher's thread.
    Callback(Box<dyn FnOnce(Ended) + Send>),
    /// By a descriptor that becomes readable.
    Descriptor(Arc<EventFd>),
}

/// Tells an order from others of the same book.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct OrderId(u64);

struct Order {
    id: OrderId,
    claim: ProcessClaim,
    tell: Tell,
}

#[derive(Default)]
struct Book {
    orders: Vec<Order>,
    next: u64,
    is_started: bool,
    is_closed: bool,
}

/// The watcher of an attachment, as the attachment holds it.
pub(super) struct Watcher {
    desk: Arc<Desk>,
    book: Arc<Mutex<Book>>,
}

fn locked(book: &Mutex<Book>) -> MutexGuard<'_, Book> {
    book.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Watcher {
    /// A watcher that has nothing to do, and no thread yet.
    pub(super) fn new(desk: &Arc<Desk>) -> Self {
        Self { desk: Arc::clone(desk), book: Arc::default() }
    }

    /// Has somebody told when the process of `claim` ends, or at once if it has ended.
    ///
    /// # Errors
    /// There is no thread to be had.
    pub(super) fn order(&self, core: &Arc<Core>, claim: ProcessClaim, tell: Tell) -> Result<OrderId, OsError> {
        let mut book = locked(&self.book);
        if !book.is_started {
            self.start(core)?;
            book.is_started = true;
        }
        let id = OrderId(book.next);
        book.next += 1;
        book.orders.push(Order { id, claim, tell });
        drop(book);
        self.desk.announce_news();
        Ok(id)
    }

    fn start(&self, core: &Arc<Core>) -> Result<(), OsError> {
        let (desk, book) = (Arc::clone(&self.desk), Arc::clone(&self.book));
        let (core, every) = (Arc::downgrade(core), core.backstop());
        let thread = std::thread::Builder::new().name("selvedge-watcher".to_owned());
        // Not joined: it may be in a callback that takes as long as it likes, or be the one that detaches.
        let started = thread.spawn(move || watch(&desk, &book, &core, every));
        started.map(drop).map_err(|error| OsError::from_io("starting a thread to watch", &error))
    }

    /// Takes an order back, if nobody was told.
    pub(super) fn cancel(&self, id: OrderId) {
        let mut book = locked(&self.book);
        let found = book.orders.iter().position(|order| order.id == id);
        let order = found.map(|place| book.orders.swap_remove(place));
        drop(book);
        // Last: what goes with it is not ours.
        drop(order);
    }

    /// Lets the thread end. Orders that it has not told are told nothing.
    pub(super) fn close(&self) {
        locked(&self.book).is_closed = true;
        self.desk.announce_news();
    }
}

/// What the thread does.
fn watch(desk: &Desk, book: &Mutex<Book>, core: &Weak<Core>, every: Option<Duration>) {
    loop {
        // Acquire: pairs with the Release in announce_news: what its caller saw or wrote is seen by the look.
        let seen = desk.news().load(Ordering::Acquire);
        let Some(Due { due, is_idle }) = take_due(book, desk.table()) else { return };
        if due.is_empty() {
            futex_wait(desk.news(), seen, every.filter(|_| !is_idle).map(Deadline::after));
            continue;
        }
        due.into_iter().for_each(|(tell, ended)| tell.told(ended));
        // A callback may have used the region (I3). This may be its last handle, and then the book is closed by it.
        if let Some(core) = core.upgrade() {
            threads::release_here(&core);
        }
    }
}

/// What a look at the book finds.
struct Due {
    /// Who is to be told now.
    due: Vec<(Tell, Ended)>,
    /// Whether there is nobody else.
    is_idle: bool,
}

/// Takes out the orders whose participants have ended; `None` if the book is closed.
fn take_due(book: &Mutex<Book>, table: Participants<'_>) -> Option<Due> {
    let mut book = locked(book);
    if book.is_closed {
        return None;
    }
    let mut due = Vec::new();
    for order in core::mem::take(&mut book.orders) {
        match ended(table, order.claim) {
            Some(ended) => due.push((order.tell, ended)),
            None => book.orders.push(order),
        }
    }
    Some(Due { due, is_idle: book.orders.is_empty() })
}

impl Tell {
    fn told(self, ended: Ended) {
        match self {
            Self::Descriptor(descriptor) => descriptor.tell(),
            Self::Callback(callback) => {
                // What the callback leaves half done is its own, and the panic was reported by the hook.
                let outcome = catch_unwind(AssertUnwindSafe(|| callback(ended)));
                if let Err(payload) = outcome {
                    // Its destructor may panic, too.
                    let _ = catch_unwind(AssertUnwindSafe(|| drop(payload)));
                }
            }
        }
    }
}

impl core::fmt::Debug for Watcher {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Watcher").finish_non_exhaustive()
    }
}

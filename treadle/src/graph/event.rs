//! What a thread did: one node of an execution graph.

use super::update::Update;
use core::panic::Location;
use core::sync::atomic::Ordering;

/// The index of an event: how many were in the graph when it was added.
pub(crate) type EventId = u32;

/// The source of a read that reads the initial value, and "none" wherever an event is optional.
pub(crate) const NONE: EventId = EventId::MAX;

/// The index of a location.
pub(crate) type Loc = u32;

/// A location of events that have none.
pub(crate) const NOWHERE: Loc = Loc::MAX;

/// What kind of step an event is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    /// Reads a location: a load, the reading half of a read-modify-write, or a compare-exchange that failed.
    Read,
    /// Writes a location: a store, or the writing half of a read-modify-write.
    Write,
    /// A fence.
    Fence,
    /// Starts the thread `link`.
    Spawn,
    /// Receives the end of the thread `link`.
    Join,
    /// A number that the model chose, in `value`; the chosen one is below `link`.
    Choice,
    /// A thread that waits in a queue is taken from it by the write `link`, and goes on.
    Woken,
    /// A thread that waits for something to happen goes on, since nothing else can happen any more.
    Quiet,
    /// The thread is killed here; what follows in the thread is what the kernel does.
    Death,
}

/// One event.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Event {
    pub(crate) thread: u16,
    /// Its index among the thread's events.
    pub(crate) pos: u16,
    pub(crate) kind: Kind,
    /// The ordering that counts: of a compare-exchange, that of its outcome.
    pub(crate) order: Ordering,
    /// Of a read that may write: its ordering if it does, and if it does not.
    pub(crate) orders: (Ordering, Ordering),
    /// The reading half of a read-modify-write that writes, or its writing half.
    pub(crate) rmw: bool,
    /// A read whose thread goes on only if it reads something else.
    pub(crate) stuck: bool,
    /// A weak compare-exchange that failed for no reason.
    pub(crate) spurious: bool,
    /// A write that publishes nothing, not even what a release fence before it covers.
    pub(crate) silent: bool,
    /// A write that was added to revisit a read which stands before it.
    pub(crate) revisits: bool,
    pub(crate) loc: Loc,
    /// Read: the write read from. Writing half: its reading half. Spawn and join: the other thread. Woken: the wake.
    pub(crate) link: EventId,
    /// Write: what is written. Choice: what was chosen.
    pub(crate) value: u64,
    /// Write: its index in the coherence order of its location.
    pub(crate) place: u32,
    /// The last release fence of the thread before this event.
    pub(crate) fence: EventId,
    /// Read: what it does with the value.
    pub(crate) update: Update,
    /// Write to a location on which threads wait: where its queue begins among all queues, and how long it is.
    pub(crate) queue: (u32, u32),
    /// Where in the source.
    pub(crate) site: &'static Location<'static>,
}

impl Event {
    pub(crate) fn new(thread: usize, kind: Kind, order: Ordering, site: &'static Location<'static>) -> Self {
        Self {
            thread: narrow(thread),
            pos: 0,
            kind,
            order,
            orders: (order, order),
            rmw: false,
            stuck: false,
            spurious: false,
            silent: false,
            revisits: false,
            loc: NOWHERE,
            link: NONE,
            value: 0,
            place: 0,
            fence: NONE,
            update: Update::Keep,
            queue: (0, 0),
            site,
        }
    }

    pub(crate) fn is_read(&self) -> bool {
        self.kind == Kind::Read
    }

    pub(crate) fn is_write(&self) -> bool {
        self.kind == Kind::Write
    }

    /// A futex operation that did nothing.
    pub(crate) fn is_idle(&self) -> bool {
        self.is_read() && !self.rmw && self.update.can_be_idle()
    }

    pub(crate) fn is_sc(&self) -> bool {
        self.order == Ordering::SeqCst && matches!(self.kind, Kind::Read | Kind::Write | Kind::Fence)
    }
}

/// Whether a read or fence with this ordering receives.
pub(crate) fn acquires(order: Ordering) -> bool {
    matches!(order, Ordering::Acquire | Ordering::AcqRel | Ordering::SeqCst)
}

/// Whether a write or fence with this ordering publishes.
pub(crate) fn releases(order: Ordering) -> bool {
    matches!(order, Ordering::Release | Ordering::AcqRel | Ordering::SeqCst)
}

/// A number of threads or of a thread's events, which the runtime keeps below 2¹⁶.
pub(crate) fn narrow(count: usize) -> u16 {
    u16::try_from(count).expect("threads and their events are counted in 16 bits")
}

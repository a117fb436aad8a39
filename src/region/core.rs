//! What all handles of one attached region share.

use super::attachment::{Attachment, Place};
use super::error::{ObjectErrorKind, RegionErrorKind, Unusable};
use super::limits::Limits;
use super::link::Links;
use super::memory::Memory;
use super::threads;
#[cfg(not(loom))]
use super::waiter::Waiter;
use crate::primitives::ends::End;
use crate::primitives::mutex::Leaves;
use crate::primitives::registry::{Extent, Found, LOCK, Mode, Name, RegistryError, Shape};
use crate::primitives::waiting::{Backstop, Caller, Wait};
use crate::primitives::{Participants, RawMutex, ThreadSlot};
use crate::sync::{AtomicU64, Deadline, Ordering};
use core::time::Duration;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Longest sleep of a blocked call between two looks for the dead, where nothing else was asked for.
pub(super) const BACKSTOP: Duration = Duration::from_millis(100);

/// A region that this process is attached to. Dropped when the last handle and the last thread slot are gone.
#[derive(Debug)]
pub(crate) struct Core {
    // Dropped first: the keeper leaves before the memory goes.
    attachment: Attachment,
    memory: Arc<Memory>,
    limits: Limits,
    backstop: Option<Duration>,
    name: Option<Box<str>>,
    #[cfg(not(loom))]
    waiter: Waiter,
    #[cfg(not(loom))]
    sender: Waiter,
    /// Given back last.
    _place: Place,
    /// Makes the count of an object's handles and its opener bit change together; private to this process.
    counting: RawMutex,
    links: Links,
    /// How many messages this process has begun to send to mailboxes.
    sequence: AtomicU64,
    /// Handles of this process: in all, and for each object. Never locked across a step of the sync layer.
    handles: Mutex<Handles>,
}

#[derive(Debug, Default)]
struct Handles {
    all: usize,
    of_object: HashMap<usize, usize>,
    /// Those of the two ends of channels.
    of_end: HashMap<(usize, End), AtEnd>,
    /// What gives back the rights that it has.
    of_right: HashMap<usize, Leave>,
    /// What a thread gave up that could not take part in the region: to be counted by the next.
    uncounted: Vec<Uncounted>,
}

/// Leaves an end of a channel, or a right. Called while the object is open still.
struct Leave(Box<dyn Fn() + Send>);

impl core::fmt::Debug for Leave {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Leave(..)")
    }
}

/// This process at one end of a channel.
#[derive(Debug)]
struct AtEnd {
    handles: usize,
    leave: Leave,
}

#[derive(Clone, Copy, Debug)]
enum Uncounted {
    Object(usize),
    End(usize, End),
    Right(usize),
}

/// Why the calling thread cannot use a region.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoCaller {
    Unusable(Unusable),
    TooManyThreads(u32),
}

impl From<NoCaller> for ObjectErrorKind {
    fn from(error: NoCaller) -> Self {
        match error {
            NoCaller::Unusable(why) => Self::Unusable(why),
            NoCaller::TooManyThreads(limit) => Self::TooManyThreads { limit },
        }
    }
}

#[cfg(not(loom))]
impl From<NoCaller> for RegionErrorKind {
    fn from(error: NoCaller) -> Self {
        match error {
            NoCaller::Unusable(why) => Self::Unusable(why),
            NoCaller::TooManyThreads(limit) => Self::TooManyThreads { limit },
        }
    }
}

impl Core {
    /// Attaches the calling process to the region in `memory`.
    pub(crate) fn attach(
        memory: Memory,
        limits: Limits,
        name: Option<&str>,
        place: Place,
        backstop: Option<Duration>,
    ) -> Result<Arc<Self>, RegionErrorKind> {
        let memory = Arc::new(memory);
        let attachment = Attachment::new(&memory, limits)?;
        let (counting, handles, sequence) = (RawMutex::new(), Mutex::default(), AtomicU64::new(0));
        let name = name.map(Into::into);
        Ok(Arc::new(Self {
            attachment,
            memory,
            limits,
            backstop,
            name,
            #[cfg(not(loom))]
            waiter: Waiter::new("selvedge-waiter"),
            #[cfg(not(loom))]
            sender: Waiter::new("selvedge-sender"),
            _place: place,
            counting,
            links: Links::default(),
            sequence,
            handles,
        }))
    }

    fn handles(&self) -> MutexGuard<'_, Handles> {
        self.handles.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn memory(&self) -> &Memory {
        &self.memory
    }

    pub(crate) fn attachment(&self) -> &Attachment {
        &self.attachment
    }

    pub(crate) fn limits(&self) -> Limits {
        self.limits
    }

    /// Longest sleep between two looks for the dead.
    #[cfg(not(loom))]
    pub(super) fn backstop(&self) -> Option<Duration> {
        self.backstop
    }

    /// Who waits for what this process's futures wait for, but to send.
    #[cfg(not(loom))]
    pub(crate) fn waiter(&self) -> &Waiter {
        &self.waiter
    }

    /// Who sends what this process's futures send.
    #[cfg(not(loom))]
    pub(crate) fn sender(&self) -> &Waiter {
        &self.sender
    }

    pub(crate) fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    pub(crate) fn participants(&self) -> Participants<'_> {
        self.attachment.participants()
    }

    /// The calling thread's slot; the thread registers itself at its first call.
    #[inline]
    pub(crate) fn slot(self: &Arc<Self>) -> Result<ThreadSlot, NoCaller> {
        self.attachment.slot(self)
    }

    /// The calling thread as the primitives see it.
    #[inline]
    pub(crate) fn caller(self: &Arc<Self>, wait: Wait) -> Result<Caller<'_>, NoCaller> {
        let slot = self.slot()?;
        Ok(self.caller_in(slot, wait))
    }

    pub(crate) fn caller_in(&self, slot: ThreadSlot, wait: Wait) -> Caller<'_> {
        Caller {
            table: self.participants(),
            objects: &*self.memory,
            slot,
            wait,
            backstop: self.backstop.map(|every| Backstop { every, has_exited: self.attachment.has_exited() }),
        }
    }

    /// Finds or makes an object.
    pub(crate) fn obtain(
        self: &Arc<Self>,
        name: &Name,
        shape: Shape,
        mode: Mode,
        deadline: Option<Deadline>,
        initialise: &mut dyn FnMut(Extent),
    ) -> Result<Result<Found, RegistryError>, NoCaller> {
        let caller = self.caller(Wait::default())?;
        let process = self.attachment.process();
        // No deadline: it is held for as long as the registry's own lock, and by threads of this process only.
        let counted = self.counting.lock(&caller, LOCK, None).is_ok();
        self.count_the_uncounted();
        let found = self.memory.registry().obtain(&caller, deadline, process, name, shape, mode, initialise);
        if let Ok(found) = &found {
            *self.handles().of_object.entry(found.index).or_insert(0) += 1;
        }
        if counted {
            self.counting.unlock(Leaves::Consistent);
        }
        Ok(found)
    }

    /// The links of this process.
    pub(crate) fn links(&self) -> &Links {
        &self.links
    }

    /// The number of the next message to a mailbox.
    pub(crate) fn next_sequence(&self) -> u64 {
        // Relaxed: each has another number, and that is all.
        self.sequence.fetch_add(1, Ordering::Relaxed).wrapping_add(1)
    }

    /// One handle more of an object that this process has open.
    pub(crate) fn opened(&self, index: usize) {
        *self.handles().of_object.entry(index).or_insert(0) += 1;
    }

    /// One handle less; after the last the object's memory may serve another, if the object has no name any more.
    pub(crate) fn closed(self: &Arc<Self>, index: usize) {
        self.count(Uncounted::Object(index));
    }

    /// One handle more of that end of a channel that this process has open. For the first the process stands there, by
    /// `join`, until after the last it does `leave`.
    pub(crate) fn stands(
        self: &Arc<Self>,
        index: usize,
        end: End,
        join: impl FnOnce(),
        leave: Box<dyn Fn() + Send>,
    ) -> Result<(), NoCaller> {
        let caller = self.caller(Wait::default())?;
        let counted = self.counting.lock(&caller, LOCK, None).is_ok();
        self.count_the_uncounted();
        if !self.stands_again(index, end) {
            join();
            self.handles().of_end.insert((index, end), AtEnd { handles: 1, leave: Leave(leave) });
        }
        if counted {
            self.counting.unlock(Leaves::Consistent);
        }
        Ok(())
    }

    /// One handle more of an end at which this process stands; false: it does not.
    pub(crate) fn stands_again(&self, index: usize, end: End) -> bool {
        let mut handles = self.handles();
        let at_end = handles.of_end.get_mut(&(index, end));
        at_end.map(|at_end| at_end.handles += 1).is_some()
    }

    /// One handle less of an end of a channel.
    pub(crate) fn leaves(self: &Arc<Self>, index: usize, end: End) {
        self.count(Uncounted::End(index, end));
    }

    /// This process has an object's right, until it calls one of the next two.
    pub(crate) fn has_right(&self, index: usize, leave: Box<dyn Fn() + Send>) {
        self.handles().of_right.insert(index, Leave(leave));
    }

    /// It has given it away.
    pub(crate) fn gave_right(&self, index: usize) {
        self.handles().of_right.remove(&index);
    }

    /// It leaves it.
    pub(crate) fn leaves_right(self: &Arc<Self>, index: usize) {
        self.count(Uncounted::Right(index));
    }

    /// Counts a handle that is given up.
    fn count(self: &Arc<Self>, given_up: Uncounted) {
        let caller = match self.caller(Wait::default()) {
            Ok(caller) => caller,
            // Who cannot use the region any more leaves its opener bits, and the ends, to the walk.
            Err(NoCaller::Unusable(_)) => return,
            Err(NoCaller::TooManyThreads(_)) => return self.handles().uncounted.push(given_up),
        };
        let counted = self.counting.lock(&caller, LOCK, None).is_ok();
        self.count_the_uncounted();
        self.less(given_up);
        if counted {
            self.counting.unlock(Leaves::Consistent);
        }
    }

    fn count_the_uncounted(&self) {
        let uncounted = core::mem::take(&mut self.handles().uncounted);
        uncounted.into_iter().for_each(|given_up| self.less(given_up));
    }

    fn less(&self, given_up: Uncounted) {
        match given_up {
            Uncounted::Object(index) => self.one_less(index),
            Uncounted::End(index, end) => self.one_less_at(index, end),
            Uncounted::Right(index) => self.without_right(index),
        }
    }

    fn without_right(&self, index: usize) {
        let leave = self.handles().of_right.remove(&index);
        if let Some(leave) = leave {
            (leave.0)();
        }
    }

    fn one_less_at(&self, index: usize, end: End) {
        let last = match self.handles().of_end.entry((index, end)) {
            Entry::Occupied(mut entry) if entry.get().handles > 1 => {
                entry.get_mut().handles -= 1;
                None
            }
            Entry::Occupied(entry) => Some(entry.remove()),
            Entry::Vacant(_) => None,
        };
        if let Some(at_end) = last {
            (at_end.leave.0)();
        }
    }

    fn one_less(&self, index: usize) {
        let last = {
            let mut handles = self.handles();
            let left = handles.of_object.get(&index).map_or(0, |count| count.saturating_sub(1));
            if left == 0 {
                handles.of_object.remove(&index);
            } else {
                handles.of_object.insert(index, left);
            }
            left == 0
        };
        if last {
            self.memory.registry().close(index, self.attachment.process());
        }
    }

    /// One handle of any kind more.
    pub(crate) fn held(&self) {
        self.handles().all += 1;
    }

    /// One handle of any kind less; true if it was the last.
    pub(crate) fn dropped(&self) -> bool {
        let mut handles = self.handles();
        handles.all = handles.all.saturating_sub(1);
        handles.all == 0
    }

    /// Whether no handle is left: only thread slots keep the process attached.
    #[cfg(not(loom))]
    pub(crate) fn is_abandoned(&self) -> bool {
        self.handles().all == 0
    }
}

/// What a handle holds: while one exists the process stays attached.
#[derive(Debug)]
pub(crate) struct Attached(Arc<Core>);

impl Attached {
    pub(crate) fn new(core: &Arc<Core>) -> Self {
        core.held();
        Self(Arc::clone(core))
    }

    pub(crate) fn core(&self) -> &Arc<Core> {
        &self.0
    }
}

impl Clone for Attached {
    fn clone(&self) -> Self {
        Self::new(&self.0)
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        if self.0.dropped() {
            threads::release_here(&self.0);
        }
    }
}

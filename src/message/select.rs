//! Select: one of several operations on channels, events and semaphores, whichever can be done first.

use super::draft::put;
use super::envelope::Message;
use super::error::{RecvError, SendError};
use super::letter::Letter;
use super::loan::Received;
use super::mail_error::MailError;
use super::mail_ways::{Posts, Receives, fits, longest, room};
use super::{Receiver, Sender};
use crate::primitives::ThreadSlot;
use crate::primitives::select::{Operation, select};
use crate::primitives::waiting::Wait;
use crate::region::candidate::{Candidate, HappeningWish, PermitsWish, Wish};
use crate::region::channel::{Refusal, Room, Way};
use crate::region::core::{Core, NoCaller};
use crate::region::mailbox::Chunk;
use crate::region::patience::Patience;
use crate::region::{Event, Semaphore, Shared, Unusable};
use crate::sync::Deadline;
#[cfg(not(loom))]
use core::cell::Cell;
use core::fmt;
use core::ops::Deref;
use core::time::Duration;
#[cfg(not(loom))]
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;

/// Several operations, of which one is done: whichever can be first.
///
/// Operations are added, and have numbers from 0 on; [`select`](Self::select) waits until one of them can be done, does it, and
/// says which. To be able to be done means that the call that does not wait would not fail with `Empty` or `Full`: so a
/// receive from a channel that is disconnected is done, with that error. Of an event it means that it has happened, or had since
/// the call began; of a semaphore, that there are the permits.
///
/// **Fairness.** Of several that can be done the one to be done is not always the same: each call begins to look with one at random,
/// and goes on in their order. No order is promised among threads.
///
/// **Capacity zero.** A select meets those who wait at the other end, whether they call [`recv`](Receiver::recv) or
/// [`send`](Sender::send), or select themselves, and those who come while it waits, the `try` calls among them.
///
/// **Blocking.** It spins a little and then sleeps on all at once (`futex_waitv`, Linux 5.16; without it, it looks every 20 ms).
/// With more than 127 operations it sleeps on so many at a time, 10 ms each.
///
/// **Memory order, death.** Those of the operation that is done. A process that is killed in a select has done one of them or none.
///
/// **Limits.** All objects are of one region, opened once. From the 1,025th operation on those with channels of capacity zero do
/// not meet other selects of which it is so, too, nor the `try` calls.
///
/// ```
/// use selvedge::Region;
/// use selvedge::message::{Capacity, Select};
/// use std::time::Duration;
///
/// let region = Region::anonymous()?;
/// let (orders, incoming) = region.channel::<u64>("orders", Capacity::Bounded(8))?;
/// let stop = region.event("stop")?;
/// orders.send(7)?;
/// stop.set()?;
///
/// let mut select = Select::new();
/// let order = select.recv(&incoming);
/// let stopped = select.event(&stop);
/// let mut seen = Vec::new();
/// loop {
///     let selected = select.select_timeout(Duration::from_secs(5))?;
///     match selected.index() {
///         index if index == order => seen.push(selected.recv(&incoming)?),
///         index if index == stopped && !seen.is_empty() => break,
///         _ => {}
///     }
/// }
/// assert_eq!(seen, [7]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Default)]
pub struct Select<'a> {
    wishes: Vec<Option<Box<dyn Wish + 'a>>>,
    wait: Wait,
}

/// Why nothing was selected; nothing was done.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SelectError {
    /// None of the operations can be done now ([`try_select`](Select::try_select) only).
    NotReady,
    /// None could be done until the deadline (timed calls only).
    TimedOut,
    /// There is no operation that it could wait for.
    Nothing,
    /// The objects are not of one region that was opened once.
    SeveralRegions,
    /// As many threads of this process as the region was made for use it already.
    TooManyThreads {
        /// How many that are.
        limit: u32,
    },
    /// The region can be used no longer.
    Unusable(Unusable),
}

impl fmt::Display for SelectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotReady => f.write_str("none of the operations can be done now"),
            Self::TimedOut => f.write_str("none of the operations could be done until the deadline"),
            Self::Nothing => f.write_str("there is no operation to select"),
            Self::SeveralRegions => f.write_str("the objects are not of one region that was opened once"),
            Self::TooManyThreads { limit } => {
                write!(f, "the region's {limit} places for threads of this process are taken")
            }
            Self::Unusable(why) => write!(f, "{why}"),
        }
    }
}

impl std::error::Error for SelectError {}

impl From<NoCaller> for SelectError {
    fn from(error: NoCaller) -> Self {
        match error {
            NoCaller::Unusable(why) => Self::Unusable(why),
            NoCaller::TooManyThreads(limit) => Self::TooManyThreads { limit },
        }
    }
}

struct ToReceive<'a, T: Shared>(&'a dyn Way<T>);

/// A message to be sent.
pub(super) struct ToSend<W, T>(pub(super) W, pub(super) T);

impl<T: Shared> Wish for ToReceive<'_, T> {
    fn core(&self) -> &Arc<Core> {
        self.0.core()
    }

    fn index(&self) -> usize {
        self.0.index()
    }

    fn candidate(&self, slot: ThreadSlot) -> Result<Box<dyn Candidate<'_> + '_>, Refusal> {
        self.0.receiving(slot)
    }

    fn undo(&self, outcome: Outcome) {
        if let Ok(Some(buffer)) = outcome {
            self.0.give_back(buffer);
        }
    }
}

impl<T: Shared, W: Deref<Target = dyn Way<T>>> Wish for ToSend<W, T> {
    fn core(&self) -> &Arc<Core> {
        self.0.core()
    }

    fn index(&self) -> usize {
        self.0.index()
    }

    fn candidate(&self, slot: ThreadSlot) -> Result<Box<dyn Candidate<'_> + '_>, Refusal> {
        let message = self.1;
        let fill = move |room: Room<'_, T>| {
            if let Some(cell) = room.cells.first() {
                // SAFETY: mapped and aligned, and the buffer is the calling thread's alone (pool, I1).
                cell.with_mut(|place| unsafe { place.write(message) });
            }
            0
        };
        self.0.sending(slot, false, Box::new(fill))
    }

    fn is_once(&self) -> bool {
        true
    }
}

/// A message with a header to be sent.
pub(super) struct ToPost<W, M>(pub(super) W, pub(super) M);

impl<'m, W: Deref<Target = dyn Way<Chunk>>, M: Deref<Target = Message<'m>>> Wish for ToPost<W, M> {
    fn core(&self) -> &Arc<Core> {
        self.0.core()
    }

    fn index(&self) -> usize {
        self.0.index()
    }

    fn candidate(&self, slot: ThreadSlot) -> Result<Box<dyn Candidate<'_> + '_>, Refusal> {
        let is_long = self.1.body().len() > room(&*self.0);
        self.0.sending(slot, is_long, Box::new(|room| put(room, &*self.0, &self.1)))
    }

    fn is_once(&self) -> bool {
        true
    }
}

/// Where a select begins to look, before it is taken modulo the number of its operations: at random, so that no pattern of the
/// selects of a thread prefers one (xorshift, Marsaglia, Journal of Statistical Software 8 (14), 2003).
#[cfg(not(loom))]
fn beginning() -> usize {
    thread_local! {
        // Zero would stay zero.
        static STATE: Cell<u64> = Cell::new(RandomState::new().hash_one(0) | 1);
    }
    STATE.with(|state| {
        let mut next = state.get();
        next ^= next << 13;
        next ^= next >> 7;
        next ^= next << 17;
        state.set(next);
        // Of an index the lower half would do as well: what counts is that it fits everywhere.
        (next >> 32) as usize
    })
}

/// What a model explores has to be the same in every execution.
#[cfg(loom)]
fn beginning() -> usize {
    0
}

impl<'a> Select<'a> {
    /// No operation yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The same with another way to wait.
    #[must_use]
    pub fn with_wait(mut self, wait: Wait) -> Self {
        self.wait = wait;
        self
    }

    fn add(&mut self, wish: impl Wish + 'a) -> usize {
        self.wishes.push(Some(Box::new(wish)));
        self.wishes.len() - 1
    }

    /// Adds: to receive. The number of the operation.
    pub fn recv<T: Shared>(&mut self, receiver: &'a Receiver<T>) -> usize {
        self.add(ToReceive(receiver.way()))
    }

    /// Adds: to send this. The number of the operation; once it is done it is taken away.
    pub fn send<T: Shared>(&mut self, sender: &'a Sender<T>, message: T) -> usize {
        self.add(ToSend(sender.way(), message))
    }

    /// Adds: to receive a message with a header, from a [`Mailbox`](super::Mailbox) or a [`Link`](super::Link). The number of the
    /// operation.
    ///
    /// ```
    /// use selvedge::Region;
    /// use selvedge::message::{Capacity, Message, PortOptions, Select};
    ///
    /// let region = Region::anonymous()?;
    /// let port = region.port("orders", &PortOptions::new(Capacity::Bounded(8)))?;
    /// let mailbox = port.claim()?;
    /// let stop = region.event("stop")?;
    /// let order = Message::bytes(b"an order");
    /// let mut select = Select::new();
    /// let posted = select.post(&port, &order)?;
    /// assert_eq!(select.select()?.index(), posted);
    ///
    /// let letter = select.letter(&mailbox);
    /// select.event(&stop);
    /// let selected = select.select()?;
    /// assert_eq!(selected.index(), letter);
    /// assert_eq!(selected.letter(&mailbox)?.to_vec(), b"an order");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn letter(&mut self, from: &'a impl Receives) -> usize {
        self.add(ToReceive(from.incoming()))
    }

    /// Adds: to send a message with a header, to a [`Port`](super::Port) or over a [`Link`](super::Link). The number of the operation;
    /// once it is done it is taken away.
    ///
    /// # Errors
    /// `TooLong`: it is not added.
    pub fn post(&mut self, to: &'a impl Posts, message: &'a Message<'_>) -> Result<usize, MailError> {
        fits(message.body().len(), longest(to.outgoing()))?;
        Ok(self.add(ToPost(to.outgoing(), message)))
    }

    /// Adds: to wait until an event has happened. The number of the operation.
    pub fn event(&mut self, event: &'a Event) -> usize {
        self.add(HappeningWish(event, None))
    }

    /// Adds: to acquire so many permits, all or none; more than [`Semaphore::MAX`] never are there. The number of the operation.
    pub fn acquire(&mut self, semaphore: &'a Semaphore, permits: u32) -> usize {
        self.add(PermitsWish(semaphore, permits))
    }

    /// Takes an operation away; the numbers of the others stay as they are.
    pub fn remove(&mut self, index: usize) {
        if let Some(wish) = self.wishes.get_mut(index) {
            *wish = None;
        }
    }

    /// Does one of the operations, waiting as long as it takes until one can be done.
    ///
    /// # Errors
    /// `Nothing`, `SeveralRegions`, `TooManyThreads`, `Unusable`.
    pub fn select(&mut self) -> Result<Selected<'_, 'a>, SelectError> {
        self.one(Patience::Forever)
    }

    /// Does one of the operations, if one can be done now; never waits.
    ///
    /// # Errors
    /// [`SelectError`], except `TimedOut`.
    pub fn try_select(&mut self) -> Result<Selected<'_, 'a>, SelectError> {
        self.one(Patience::None)
    }

    /// Does one of the operations, waiting for `timeout` at most until one can be done.
    ///
    /// # Errors
    /// [`SelectError`], except `NotReady`.
    pub fn select_timeout(&mut self, timeout: Duration) -> Result<Selected<'_, 'a>, SelectError> {
        self.one(Patience::Until(Deadline::after(timeout)))
    }

    /// Does one of the operations, waiting until `deadline` at most until one can be done.
    ///
    /// # Errors
    /// [`SelectError`], except `NotReady`.
    pub fn select_deadline(&mut self, deadline: Deadline) -> Result<Selected<'_, 'a>, SelectError> {
        self.one(Patience::Until(deadline))
    }

    fn core(&self) -> Result<Arc<Core>, SelectError> {
        let mut cores = self.wishes.iter().flatten().map(|wish| wish.core());
        let first = cores.next().ok_or(SelectError::Nothing)?;
        if cores.all(|core| Arc::ptr_eq(core, first)) {
            Ok(Arc::clone(first))
        } else {
            Err(SelectError::SeveralRegions)
        }
    }

    fn one(&mut self, patience: Patience) -> Result<Selected<'_, 'a>, SelectError> {
        let core = self.core()?;
        let slot = core.slot()?;
        let (index, outcome) = self.choose(&core, slot, patience)?;
        let wish = self.wishes.get_mut(index);
        let spent = wish.and_then(|wish| wish.take_if(|wish| wish.is_once()));
        Ok(Selected { select: self, index, outcome: Some(outcome), spent })
    }

    fn choose(&self, core: &Core, slot: ThreadSlot, patience: Patience) -> Result<(usize, Outcome), SelectError> {
        let mut candidates = Vec::with_capacity(self.wishes.len());
        for (index, wish) in self.wishes.iter().enumerate() {
            match wish.as_ref().map(|wish| wish.candidate(slot)) {
                Some(Ok(candidate)) => candidates.push((index, candidate)),
                Some(Err(refusal)) => return Ok((index, Err(refusal))),
                None => {}
            }
        }
        let first = beginning();
        let mut operations: Vec<&mut dyn Operation<'_>> =
            candidates.iter_mut().map(|(_, candidate)| &mut **candidate as &mut dyn Operation<'_>).collect();
        let done = match patience {
            Patience::None => {
                let start = first % operations.len().max(1);
                let (before, after) = operations.split_at_mut(start);
                let mut each = after.iter_mut().zip(start..).chain(before.iter_mut().zip(0..));
                each.find_map(|(operation, index)| operation.attempt(None).then_some(index))
            }
            _ => select(&core.caller_in(slot, self.wait), &mut operations, first, patience.deadline()),
        };
        let mut answer =
            Err(if matches!(patience, Patience::None) { SelectError::NotReady } else { SelectError::TimedOut });
        for (position, (index, candidate)) in candidates.iter_mut().enumerate() {
            candidate.give_up();
            if done == Some(position) {
                answer = Ok((*index, candidate.outcome()));
            }
        }
        answer
    }
}

impl fmt::Debug for Select<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let places: Vec<_> = self.wishes.iter().map(|wish| wish.as_ref().map(|wish| wish.index())).collect();
        f.debug_struct("Select").field("objects", &places).finish_non_exhaustive()
    }
}

/// What came of an operation: the buffer of a message that was received, or nothing but that.
type Outcome = Result<Option<usize>, Refusal>;

/// The operation that was done. What it was is asked for with the handle of which it is.
#[must_use = "a message that was received is gone when this is dropped"]
pub struct Selected<'s, 'a> {
    select: &'s mut Select<'a>,
    index: usize,
    outcome: Option<Outcome>,
    /// What is not wished for any more.
    spent: Option<Box<dyn Wish + 'a>>,
}

impl Selected<'_, '_> {
    /// The number of the operation.
    #[must_use]
    pub fn index(&self) -> usize {
        self.index
    }

    fn wish(&self) -> Option<&dyn Wish> {
        self.spent.as_deref().or_else(|| self.select.wishes.get(self.index)?.as_deref())
    }

    /// What came of it, if it was on that object, and a send or not.
    fn take(&mut self, place: (*const Core, usize), is_send: bool) -> Outcome {
        assert!(
            self.wish().is_some_and(|wish| wish.place() == place) && self.spent.is_some() == is_send,
            "operation {} was done, and this asks for another",
            self.index
        );
        self.outcome.take().unwrap_or(Ok(None))
    }

    /// The message that was received.
    ///
    /// # Errors
    /// As of [`Receiver::try_recv`], except `Empty`.
    ///
    /// # Panics
    /// If it was not a receive from this channel.
    pub fn recv<T: Shared>(mut self, receiver: &Receiver<T>) -> Result<T, RecvError> {
        let refused = |refusal| RecvError::new(refusal, receiver.way().name());
        let buffer = self.take(receiver.way().place(), false).map_err(refused)?;
        let buffer = buffer.unwrap_or_else(|| panic!("operation {} was not a receive", self.index));
        Received::in_buffer(receiver.way(), buffer).map(|message| *message).map_err(refused)
    }

    /// The message with a header that was received.
    ///
    /// # Errors
    /// As of [`Mailbox::try_recv`](super::Mailbox::try_recv), except `Empty`.
    ///
    /// # Panics
    /// If it was not a receive from this one.
    pub fn letter<'m>(mut self, from: &'m impl Receives) -> Result<Letter<'m>, MailError> {
        let way = from.incoming();
        let taken = self.take(way.place(), false).map_err(|refusal| MailError::of_receive(refusal, way.name()))?;
        let buffer = taken.unwrap_or_else(|| panic!("operation {} was not a receive", self.index));
        Letter::in_buffer(way, buffer)
    }

    /// Whether the message with a header was sent.
    ///
    /// # Errors
    /// As of [`Port::try_send`](super::Port::try_send), except `Full`.
    ///
    /// # Panics
    /// If it was not a send to this one.
    pub fn post(mut self, to: &impl Posts) -> Result<(), MailError> {
        let way = to.outgoing();
        self.take(way.place(), true).map(drop).map_err(|refusal| MailError::of_send(refusal, way.name()))
    }

    /// Whether the message was sent. The caller has it still.
    ///
    /// # Errors
    /// As of [`Sender::try_send`], except `Full`.
    ///
    /// # Panics
    /// If it was not a send to this channel.
    pub fn send<T: Shared>(mut self, sender: &Sender<T>) -> Result<(), SendError<()>> {
        let sent = self.take(sender.way().place(), true);
        sent.map(drop).map_err(|refusal| SendError::new((), refusal, sender.way().name()))
    }
}

impl Drop for Selected<'_, '_> {
    fn drop(&mut self) {
        if let (Some(Ok(Some(buffer))), Some(wish)) = (self.outcome.take(), self.wish()) {
            wish.undo(Ok(Some(buffer)));
        }
    }
}

impl fmt::Debug for Selected<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Selected").field("index", &self.index).finish_non_exhaustive()
    }
}

//! One end of a channel, open in this process: where its messages lie, and that the process stands there.

mod annexed;
mod at_end;

pub(crate) use annexed::Annexed;
pub(super) use at_end::AtEnd;

use super::candidate::Candidate;
use super::core::{Core, NoCaller};
use super::error::{ObjectError, ObjectErrorKind, OsError, Unusable};
use super::handle::Region;
use super::kind::Kind;
use super::object::{Control, Measure, ObjectName, Request, Shared, obtain_several};
use super::patience::Patience;
use crate::primitives::channel::{Channel, ChannelError, RawLine};
use crate::primitives::ends::End;
use crate::primitives::queue::Delivery;
use crate::primitives::registry::Mode;
use crate::primitives::waiting::Wait;
use crate::primitives::{RawChannel, RawMailbox, RawQueue, RawRendezvous, RawUnbounded, ThreadSlot};
use crate::sync::{AtomicU64, Cell};
use std::sync::Arc;

/// Why a message was not sent or received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    WouldBlock,
    TimedOut,
    Disconnected,
    OutOfMemory,
    Corrupt,
    TooManyThreads(u32),
    Unusable(Unusable),
    Os(OsError),
}

impl From<ChannelError> for Refusal {
    fn from(error: ChannelError) -> Self {
        match error {
            ChannelError::WouldBlock => Self::WouldBlock,
            ChannelError::TimedOut => Self::TimedOut,
            ChannelError::Disconnected => Self::Disconnected,
            // Nobody asks for a type where there are none.
            ChannelError::HoldsNothing | ChannelError::Corrupt => Self::Corrupt,
        }
    }
}

impl From<OsError> for Refusal {
    fn from(error: OsError) -> Self {
        Self::Os(error)
    }
}

impl From<NoCaller> for Refusal {
    fn from(error: NoCaller) -> Self {
        match error {
            NoCaller::Unusable(why) => Self::Unusable(why),
            NoCaller::TooManyThreads(limit) => Self::TooManyThreads(limit),
        }
    }
}

/// Where a message goes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Room<'a, T> {
    /// Its buffer.
    pub(crate) cells: &'a [Cell<T>],
    /// The annex of a long one, and its index.
    pub(crate) annex: Option<(usize, &'a [Cell<T>])>,
}

/// Writes a message where it goes; says of what type it is, which is 0 where there are none.
pub(crate) type Fill<'a, T> = Box<dyn FnMut(Room<'_, T>) -> u32 + 'a>;

/// One end of a channel, whatever its line. What is received or lent is in a buffer, which is the calling thread's until it
/// gives it back or sends it.
pub(crate) trait Way<T: Shared>: Send + Sync {
    /// Another handle of the same end.
    fn again(&self) -> Box<dyn Way<T>>;

    /// Takes a buffer to fill.
    fn lend(&self, patience: Patience) -> Result<usize, Refusal>;

    /// Sends what is in a buffer; if it cannot, the buffer is the caller's still.
    fn send(&self, buffer: usize, patience: Patience) -> Result<(), Refusal>;

    /// Receives a message in its buffer; only one of that type, if one is named.
    fn receive(&self, patience: Patience, kind: Option<u32>) -> Result<usize, Refusal>;

    /// Names the type of a message that is to be sent, in its buffer.
    fn label(&self, buffer: usize, kind: u32);

    /// Whether a message that was received is to be finished, or is put back.
    fn is_leased(&self) -> bool;

    /// Puts a message back that was received.
    fn put_back(&self, buffer: usize);

    /// To receive a message, as one of several operations.
    fn receiving(&self, slot: ThreadSlot) -> Result<Box<dyn Candidate<'_> + '_>, Refusal>;

    /// That there may be a message, as one of several operations.
    #[cfg(not(loom))]
    fn watching(&self, slot: ThreadSlot) -> Result<Box<dyn Candidate<'_> + '_>, Refusal>;

    /// That there may be space for a message, as one of several operations.
    #[cfg(not(loom))]
    fn watching_space(&self, slot: ThreadSlot) -> Result<Box<dyn Candidate<'_> + '_>, Refusal>;

    /// To send what `fill` puts into a buffer, as one of several operations.
    fn sending<'a>(
        &'a self,
        slot: ThreadSlot,
        is_long: bool,
        fill: Fill<'a, T>,
    ) -> Result<Box<dyn Candidate<'a> + 'a>, Refusal>;

    fn core(&self) -> &Arc<Core>;

    /// Whether the calling thread can use it.
    fn ready(&self) -> Result<(), Refusal> {
        self.core().slot()?;
        Ok(())
    }

    /// Whether this process can use it.
    #[cfg(not(loom))]
    fn check(&self) -> Result<(), Refusal> {
        self.core().attachment().check().map_err(Refusal::Unusable)
    }

    /// How many of `T` a message has.
    fn each(&self) -> usize;

    /// Where the message in a buffer lies, which has so many of `T` for one.
    fn cells(&self, buffer: usize) -> Result<&[Cell<T>], Refusal>;

    /// Where the message in a buffer lies, or begins.
    #[inline]
    fn cell(&self, buffer: usize) -> Result<&Cell<T>, Refusal> {
        self.cells(buffer)?.first().ok_or(Refusal::Corrupt)
    }

    /// What there is for messages that are too long for a buffer.
    fn annexed(&self) -> Annexed;

    /// Claims a place for what is too long for a buffer, which the calling thread has. It goes where the buffer goes.
    fn annex(&self, buffer: usize, patience: Patience) -> Result<usize, Refusal>;

    /// Where that place lies, if it is the buffer's.
    fn annex_cells(&self, buffer: usize, annex: usize) -> Result<&[Cell<T>], Refusal>;

    /// Gives a buffer back that was not sent.
    fn take_back(&self, buffer: usize);

    /// Gives a buffer back whose message was received.
    fn give_back(&self, buffer: usize);

    /// How many messages are waiting.
    fn len(&self) -> usize;

    /// How many buffers are not free.
    fn in_use(&self) -> usize;

    /// How many processes stand at that end.
    fn standing(&self, end: End) -> usize;

    /// Which object of the region it is.
    fn index(&self) -> usize;

    /// Which region, and which object there.
    fn place(&self) -> (*const Core, usize) {
        (Arc::as_ptr(self.core()), self.index())
    }

    fn name(&self) -> &ObjectName;

    fn set_wait(&mut self, wait: Wait);
}

/// How many messages a line holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Size {
    Zero,
    Bounded(usize),
    Unbounded(usize),
}

/// What a line has to know to be made.
pub(crate) trait Kinded: RawLine + Sized + Send + Sync + 'static {
    const KIND: Kind;
    /// Of a mailbox over it.
    const MAILBOX: Kind;
    /// The most that its capacity, or quota, can be.
    const MOST: usize;

    fn new(capacity: u32, delivery: Delivery) -> Self;

    fn size(capacity: usize) -> Size;

    fn word(index: usize) -> AtomicU64;

    /// Whether to have no buffer means that there is no memory, and not that one will come back.
    const IS_MEMORY: bool;
}

impl Kinded for RawQueue {
    const KIND: Kind = Kind::Channel;
    const MAILBOX: Kind = Kind::Mailbox;
    const MOST: usize = Self::MAX;
    const IS_MEMORY: bool = false;

    fn new(capacity: u32, delivery: Delivery) -> Self {
        Self::new(capacity, delivery)
    }

    fn size(capacity: usize) -> Size {
        Size::Bounded(capacity)
    }

    fn word(_index: usize) -> AtomicU64 {
        Self::word()
    }
}

impl Kinded for RawUnbounded {
    const KIND: Kind = Kind::UnboundedChannel;
    const MAILBOX: Kind = Kind::UnboundedMailbox;
    /// One node more than messages: the list begins with one whose message has been taken.
    const MOST: usize = Self::MAX_NODES - 1;
    const IS_MEMORY: bool = true;

    fn new(_quota: u32, delivery: Delivery) -> Self {
        Self::new(delivery)
    }

    fn size(quota: usize) -> Size {
        Size::Unbounded(quota)
    }

    fn word(index: usize) -> AtomicU64 {
        Self::word(index)
    }
}

impl Kinded for RawRendezvous {
    const KIND: Kind = Kind::RendezvousChannel;
    const MAILBOX: Kind = Kind::RendezvousMailbox;
    const MOST: usize = 0;
    const IS_MEMORY: bool = false;

    fn new(_capacity: u32, _delivery: Delivery) -> Self {
        Self::new()
    }

    fn size(_capacity: usize) -> Size {
        Size::Zero
    }

    fn word(_index: usize) -> AtomicU64 {
        AtomicU64::new(0)
    }
}

/// A control block in which there is a channel.
pub(crate) trait Hosts<L: Kinded>: Control<Word = AtomicU64> {
    /// The channel with the words of its line, and those beyond.
    fn channel<'a>(&'a self, words: &'a [AtomicU64], beyond: &'a [AtomicU64]) -> Channel<'a, L::Line<'a>>;
}

impl<L: Kinded> Hosts<L> for RawChannel<L> {
    #[inline]
    fn channel<'a>(&'a self, words: &'a [AtomicU64], beyond: &'a [AtomicU64]) -> Channel<'a, L::Line<'a>> {
        self.with_annexes(words, beyond)
    }
}

impl<L: Kinded> Hosts<L> for RawMailbox<L> {
    #[inline]
    fn channel<'a>(&'a self, words: &'a [AtomicU64], beyond: &'a [AtomicU64]) -> Channel<'a, L::Line<'a>> {
        self.with_annexes(words, beyond).channel()
    }
}

/// Of what messages a channel is made.
#[derive(Clone, Copy, Debug)]
pub(super) struct Grain {
    /// The tag of its entry.
    pub(super) tag: u64,
    /// How many of `T` a message has.
    pub(super) each: usize,
    pub(super) annexed: Annexed,
}

impl Grain {
    fn of<T: Shared>() -> Self {
        Self { tag: T::TAG.0, each: 1, annexed: Annexed::default() }
    }
}

/// One end of the channel `name` over this line.
pub(super) fn obtain<L: Kinded, T: Shared>(
    region: &Region,
    name: &str,
    capacity: usize,
    Grain { tag, each, annexed }: Grain,
    end: End,
) -> Result<AtEnd<L, RawChannel<L>, T>, ObjectError> {
    let refused = |kind| ObjectError::new(name, kind);
    let number = number_of::<L>(capacity).map_err(refused)?;
    let request = Request { name, kind: L::KIND, capacity, tag, mode: Mode::OpenOrCreate, deadline: None };
    let (made, slot) = (|| RawChannel::new(L::new(number, Delivery::AtMostOnce)), |_| Cell::new(T::new_zeroed()));
    let measure = Measure { each, beyond: annexed.beyond().map_err(refused)? };
    let (placed, _) = obtain_several(region.core(), &request, measure, made, L::word, slot)?;
    AtEnd::stand(placed, capacity, each, annexed, Some(end)).map_err(|error| refused(error.into()))
}

/// The capacity as the control block has it, if there can be such a line.
pub(super) fn number_of<L: Kinded>(capacity: usize) -> Result<u32, ObjectErrorKind> {
    let number = u32::try_from(capacity).ok().filter(|_| capacity <= L::MOST && (capacity > 0 || L::MOST == 0));
    number.ok_or(ObjectErrorKind::BadCapacity { given: capacity as u64, most: L::MOST as u64 })
}

/// One end of the channel `name` that holds up to `capacity` messages.
pub(crate) fn bounded<T: Shared>(
    region: &Region,
    name: &str,
    capacity: usize,
    end: End,
) -> Result<Box<dyn Way<T>>, ObjectError> {
    Ok(Box::new(obtain::<RawQueue, T>(region, name, capacity, Grain::of::<T>(), end)?))
}

/// One end of the channel `name` with memory for `quota` messages.
pub(crate) fn unbounded<T: Shared>(
    region: &Region,
    name: &str,
    quota: usize,
    end: End,
) -> Result<Box<dyn Way<T>>, ObjectError> {
    Ok(Box::new(obtain::<RawUnbounded, T>(region, name, quota, Grain::of::<T>(), end)?))
}

/// One end of the channel `name` that holds nothing.
pub(crate) fn rendezvous<T: Shared>(region: &Region, name: &str, end: End) -> Result<Box<dyn Way<T>>, ObjectError> {
    Ok(Box::new(obtain::<RawRendezvous, T>(region, name, 0, Grain::of::<T>(), end)?))
}

//! One end of a channel, open in this process: where its messages lie, and that the process stands there.

use super::candidate::Candidate;
use super::core::{Core, NoCaller};
use super::error::{ObjectError, ObjectErrorKind, OsError, Unusable};
use super::handle::Region;
use super::kind::Kind;
use super::object::{ObjectName, Placed, Request, Shared, obtain_with};
use super::patience::Patience;
use crate::primitives::channel::{Channel, ChannelError, Line, RawLine, Receiving, Sending};
use crate::primitives::ends::End;
use crate::primitives::queue::Delivery;
use crate::primitives::registry::Mode;
#[cfg(not(loom))]
use crate::primitives::select::Watching;
use crate::primitives::waiting::{Caller, Wait};
use crate::primitives::{RawChannel, RawQueue, RawRendezvous, RawUnbounded, ThreadSlot};
use crate::sync::{AtomicU64, Cell};
use core::ptr::NonNull;
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
            ChannelError::Corrupt => Self::Corrupt,
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

/// One end of a channel, whatever its line. What is received or lent is in a buffer, which is the calling thread's until it
/// gives it back or sends it.
pub(crate) trait Way<T: Shared>: Send + Sync {
    /// Another handle of the same end.
    fn again(&self) -> Box<dyn Way<T>>;

    /// Takes a buffer to fill.
    fn lend(&self, patience: Patience) -> Result<usize, Refusal>;

    /// Sends what is in a buffer; if it cannot, the buffer is the caller's still.
    fn send(&self, buffer: usize, patience: Patience) -> Result<(), Refusal>;

    /// Receives a message in its buffer.
    fn receive(&self, patience: Patience) -> Result<usize, Refusal>;

    /// To receive a message, as one of several operations.
    fn receiving(&self, slot: ThreadSlot) -> Result<Box<dyn Candidate<'_> + '_>, Refusal>;

    /// That there may be a message, as one of several operations.
    #[cfg(not(loom))]
    fn watching(&self, slot: ThreadSlot) -> Result<Box<dyn Candidate<'_> + '_>, Refusal>;

    /// To send a message, as one of several operations.
    fn sending(&self, slot: ThreadSlot, message: T) -> Result<Box<dyn Candidate<'_> + '_>, Refusal>;

    fn core(&self) -> &Arc<Core>;

    /// Whether this process can use it.
    #[cfg(not(loom))]
    fn check(&self) -> Result<(), Refusal> {
        self.core().attachment().check().map_err(Refusal::Unusable)
    }

    /// Where the message in a buffer lies.
    fn cell(&self, buffer: usize) -> Result<&Cell<T>, Refusal>;

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

/// What a line has to know to be made.
pub(crate) trait Kinded: RawLine + Sized + Send + Sync + 'static {
    const KIND: Kind;
    /// The most that its capacity, or quota, can be.
    const MOST: usize;

    fn new(capacity: u32) -> Self;

    fn word(index: usize) -> AtomicU64;

    /// Whether to have no buffer means that there is no memory, and not that one will come back.
    const IS_MEMORY: bool;
}

impl Kinded for RawQueue {
    const KIND: Kind = Kind::Channel;
    const MOST: usize = Self::MAX;
    const IS_MEMORY: bool = false;

    fn new(capacity: u32) -> Self {
        Self::new(capacity, Delivery::AtMostOnce)
    }

    fn word(_index: usize) -> AtomicU64 {
        Self::word()
    }
}

impl Kinded for RawUnbounded {
    const KIND: Kind = Kind::UnboundedChannel;
    /// One node more than messages: the list begins with one whose message has been taken.
    const MOST: usize = Self::MAX_NODES - 1;
    const IS_MEMORY: bool = true;

    fn new(_quota: u32) -> Self {
        Self::new()
    }

    fn word(index: usize) -> AtomicU64 {
        Self::word(index)
    }
}

impl Kinded for RawRendezvous {
    const KIND: Kind = Kind::RendezvousChannel;
    const MOST: usize = 0;
    const IS_MEMORY: bool = false;

    fn new(_capacity: u32) -> Self {
        Self::new()
    }

    fn word(_index: usize) -> AtomicU64 {
        AtomicU64::new(0)
    }
}

/// What is called when the last handle of an end is given up.
struct Leaving<L> {
    control: NonNull<RawChannel<L>>,
    words: NonNull<[AtomicU64]>,
    end: End,
    process: usize,
}

// SAFETY: shared memory, accessed through words of the sync layer only.
unsafe impl<L: Send + Sync> Send for Leaving<L> {}

impl<L: RawLine> Leaving<L> {
    /// # Safety
    /// This process has the channel open.
    unsafe fn leave(&self) {
        // SAFETY: an object stays in place while a process has it open (registry, I4), says the caller.
        let control = unsafe { self.control.as_ref() };
        // SAFETY: as above.
        let words = unsafe { self.words.as_ref() };
        control.with(words).leave(self.end, self.process);
    }
}

/// One end of a channel over this line.
struct AtEnd<L: Kinded, T: Shared> {
    placed: Placed<RawChannel<L>, Cell<T>>,
    /// As it was asked for; what the shared memory says is compared with it.
    capacity: Option<usize>,
    end: End,
    wait: Wait,
}

impl<L: Kinded, T: Shared> AtEnd<L, T> {
    fn obtain(region: &Region, name: &str, capacity: usize, end: End) -> Result<Self, ObjectError> {
        let number = u32::try_from(capacity).ok().filter(|_| capacity <= L::MOST && (capacity > 0 || L::MOST == 0));
        let Some(number) = number else {
            let kind = ObjectErrorKind::BadCapacity { given: capacity as u64, most: L::MOST as u64 };
            return Err(ObjectError::new(name, kind));
        };
        let request =
            Request { name, kind: L::KIND, capacity, tag: T::TAG.0, mode: Mode::OpenOrCreate, deadline: None };
        let (made, slot) = (|| RawChannel::new(L::new(number)), |_| Cell::new(T::new_zeroed()));
        let (placed, _) = obtain_with(region.core(), &request, made, L::word, slot)?;
        let capacity = (!L::IS_MEMORY).then_some(capacity);
        Self::stand(placed, capacity, end).map_err(|error| ObjectError::new(name, error.into()))
    }

    /// The process stands at that end from now on.
    fn stand(placed: Placed<RawChannel<L>, Cell<T>>, capacity: Option<usize>, end: End) -> Result<Self, NoCaller> {
        let (core, index) = (placed.core(), placed.index());
        let process = core.attachment().process();
        let (control, words) = placed.pinned();
        let leaving = Leaving { control, words, end, process };
        let leave = Box::new(move || {
            // SAFETY: it is called when the last handle of this end is given up, which is before that of the object is.
            unsafe { leaving.leave() };
        });
        core.stands(index, end, || placed.control().ends().join(end, process), leave)?;
        Ok(Self { placed, capacity, end, wait: Wait::default() })
    }

    #[inline]
    fn channel(&self) -> Result<Channel<'_, L::Line<'_>>, Refusal> {
        let channel = self.placed.control().with(self.placed.words());
        // Lengths come from the handle: with another capacity the words would not be what they are.
        if channel.line().capacity() == self.capacity { Ok(channel) } else { Err(Refusal::Corrupt) }
    }

    #[inline]
    fn slot(&self) -> Result<ThreadSlot, Refusal> {
        Ok(self.placed.core().slot()?)
    }

    fn caller(&self, slot: ThreadSlot) -> Caller<'_> {
        self.placed.core().caller_in(slot, self.wait)
    }

    /// The channel, unless this process inherited its buffers in name only, in a fork.
    #[inline]
    fn owned(&self) -> Option<Channel<'_, L::Line<'_>>> {
        if self.placed.core().attachment().is_original() { self.channel().ok() } else { None }
    }
}

impl<L: Kinded, T: Shared> Way<T> for AtEnd<L, T> {
    fn again(&self) -> Box<dyn Way<T>> {
        // Who cannot use the region any more has no place at the end to be counted.
        self.placed.core().stands_again(self.placed.index(), self.end);
        let placed = self.placed.clone();
        Box::new(Self { placed, capacity: self.capacity, end: self.end, wait: self.wait })
    }

    #[inline]
    fn lend(&self, patience: Patience) -> Result<usize, Refusal> {
        let slot = self.slot()?;
        let channel = self.channel()?;
        match (channel.try_buffer(slot), patience) {
            (Err(ChannelError::WouldBlock), _) if L::IS_MEMORY => Err(Refusal::OutOfMemory),
            (Err(ChannelError::WouldBlock), Patience::None) => Err(Refusal::WouldBlock),
            (Err(ChannelError::WouldBlock), patience) => {
                Ok(channel.buffer(&self.caller(slot), self.placed.id(), patience.deadline())?)
            }
            (answer, _) => Ok(answer?),
        }
    }

    #[inline]
    fn send(&self, buffer: usize, patience: Patience) -> Result<(), Refusal> {
        let slot = self.slot()?;
        let channel = self.channel()?;
        match (channel.try_send(self.placed.core().participants(), buffer), patience) {
            (Err(ChannelError::WouldBlock), Patience::None) => Err(Refusal::WouldBlock),
            (Err(ChannelError::WouldBlock), patience) => {
                Ok(channel.send(&self.caller(slot), self.placed.id(), buffer, patience.deadline())?)
            }
            (answer, _) => Ok(answer?),
        }
    }

    #[inline]
    fn receive(&self, patience: Patience) -> Result<usize, Refusal> {
        let slot = self.slot()?;
        let channel = self.channel()?;
        let taken = match (channel.try_receive(self.placed.core().participants(), slot), patience) {
            (Err(ChannelError::WouldBlock), Patience::None) => return Err(Refusal::WouldBlock),
            (Err(ChannelError::WouldBlock), patience) => {
                channel.receive(&self.caller(slot), self.placed.id(), patience.deadline())?
            }
            (answer, _) => answer?,
        };
        Ok(taken.buffer)
    }

    fn receiving(&self, slot: ThreadSlot) -> Result<Box<dyn Candidate<'_> + '_>, Refusal> {
        Ok(Box::new(Receiving::new(self.channel()?, self.placed.core().participants(), slot)))
    }

    #[cfg(not(loom))]
    fn watching(&self, slot: ThreadSlot) -> Result<Box<dyn Candidate<'_> + '_>, Refusal> {
        let receiving = Receiving::new(self.channel()?, self.placed.core().participants(), slot);
        Ok(Box::new(Watching::new(receiving)))
    }

    fn sending(&self, slot: ThreadSlot, message: T) -> Result<Box<dyn Candidate<'_> + '_>, Refusal> {
        let fill = move |buffer: usize| {
            if let Some(cell) = self.placed.slots().get(buffer) {
                // SAFETY: mapped and aligned, and the buffer is the calling thread's alone (pool, I1).
                cell.with_mut(|place| unsafe { *place = message });
            }
        };
        let participants = self.placed.core().participants();
        Ok(Box::new(Sending::new(self.channel()?, participants, slot, L::IS_MEMORY, fill)))
    }

    fn core(&self) -> &Arc<Core> {
        self.placed.core()
    }

    #[inline]
    fn cell(&self, buffer: usize) -> Result<&Cell<T>, Refusal> {
        self.placed.slots().get(buffer).ok_or(Refusal::Corrupt)
    }

    #[inline]
    fn take_back(&self, buffer: usize) {
        if let Some(channel) = self.owned() {
            channel.pool().give_back(buffer);
        }
    }

    #[inline]
    fn give_back(&self, buffer: usize) {
        if let Some(channel) = self.owned() {
            channel.give_back(buffer);
        }
    }

    fn len(&self) -> usize {
        self.channel().map_or(0, |channel| channel.line().depth())
    }

    fn in_use(&self) -> usize {
        // The list of an unbounded one begins with a buffer that holds no message.
        self.channel().map_or(0, |channel| channel.pool().in_use().saturating_sub(usize::from(L::IS_MEMORY)))
    }

    fn standing(&self, end: End) -> usize {
        self.placed.control().ends().present(end).count()
    }

    fn index(&self) -> usize {
        self.placed.index()
    }

    fn name(&self) -> &ObjectName {
        self.placed.name()
    }

    fn set_wait(&mut self, wait: Wait) {
        self.wait = wait;
    }
}

impl<L: Kinded, T: Shared> Drop for AtEnd<L, T> {
    /// Before the object may go.
    fn drop(&mut self) {
        self.placed.core().leaves(self.placed.index(), self.end);
    }
}

/// One end of the channel `name` that holds up to `capacity` messages.
pub(crate) fn bounded<T: Shared>(
    region: &Region,
    name: &str,
    capacity: usize,
    end: End,
) -> Result<Box<dyn Way<T>>, ObjectError> {
    Ok(Box::new(AtEnd::<RawQueue, T>::obtain(region, name, capacity, end)?))
}

/// One end of the channel `name` with memory for `quota` messages.
pub(crate) fn unbounded<T: Shared>(
    region: &Region,
    name: &str,
    quota: usize,
    end: End,
) -> Result<Box<dyn Way<T>>, ObjectError> {
    Ok(Box::new(AtEnd::<RawUnbounded, T>::obtain(region, name, quota, end)?))
}

/// One end of the channel `name` that holds nothing.
pub(crate) fn rendezvous<T: Shared>(region: &Region, name: &str, end: End) -> Result<Box<dyn Way<T>>, ObjectError> {
    Ok(Box::new(AtEnd::<RawRendezvous, T>::obtain(region, name, 0, end)?))
}

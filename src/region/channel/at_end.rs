//! A handle of a channel, or of the channel in a mailbox, and the end at which its process stands for it.

use super::{Annexed, Fill, Hosts, Kinded, Refusal, Room, Way};
use crate::primitives::ThreadSlot;
#[cfg(not(loom))]
use crate::primitives::channel::Space;
use crate::primitives::channel::{Channel, ChannelError, Line, Needs, Receiving, Sending};
use crate::primitives::ends::End;
use crate::primitives::participants::ProcessClaim;
use crate::primitives::queue::Delivery;
#[cfg(not(loom))]
use crate::primitives::select::Watching;
use crate::primitives::waiting::{Caller, Wait};
use crate::region::candidate::Candidate;
use crate::region::core::{Core, NoCaller};
use crate::region::object::{Control, ObjectName, Placed, Shared};
use crate::region::patience::Patience;
use crate::sync::{AtomicU64, Cell};
use core::marker::PhantomData;
use core::ptr::NonNull;
use std::sync::Arc;

/// What is called when the last handle of an end is given up.
struct Leaving<L, C> {
    control: NonNull<C>,
    words: NonNull<[AtomicU64]>,
    end: End,
    process: usize,
    line: PhantomData<fn() -> L>,
}

// SAFETY: shared memory, accessed through words of the sync layer only.
unsafe impl<L, C: Send + Sync> Send for Leaving<L, C> {}

impl<L: Kinded, C: Hosts<L>> Leaving<L, C> {
    /// # Safety
    /// This process has the channel open.
    unsafe fn leave(&self) {
        // SAFETY: an object stays in place while a process has it open (registry, I4), says the caller.
        let control = unsafe { self.control.as_ref() };
        // SAFETY: as above.
        let words = unsafe { self.words.as_ref() };
        control.channel(words, &[]).leave(self.end, self.process);
    }
}

/// A handle of a channel over this line.
pub(in crate::region) struct AtEnd<L: Kinded, C: Control, T: Shared> {
    pub(in crate::region) placed: Placed<C, Cell<T>>,
    /// As it was asked for; what the shared memory says is compared with it.
    pub(in crate::region) capacity: usize,
    /// How many of `T` a buffer has.
    pub(in crate::region) each: usize,
    pub(in crate::region) annexed: Annexed,
    /// The end at which the process stands for it; none, if it has the right to receive.
    end: Option<End>,
    wait: Wait,
    line: PhantomData<fn() -> L>,
}

impl<L: Kinded, C: Hosts<L>, T: Shared> AtEnd<L, C, T> {
    /// If it is of an end, the process stands there from now on.
    pub(in crate::region) fn stand(
        placed: Placed<C, Cell<T>>,
        capacity: usize,
        each: usize,
        annexed: Annexed,
        end: Option<End>,
    ) -> Result<Self, NoCaller> {
        if let Some(end) = end {
            let (core, index) = (placed.core(), placed.index());
            let process = core.attachment().process();
            let (control, words) = placed.pinned();
            let leaving = Leaving::<L, C> { control, words, end, process, line: PhantomData };
            let leave = Box::new(move || {
                // SAFETY: it is called when the last handle of this end is given up, which is before that of the object is.
                unsafe { leaving.leave() };
            });
            let join = || placed.control().channel(placed.words(), &[]).ends().join(end, process);
            core.stands(index, end, join, leave)?;
        }
        Ok(Self { placed, capacity, each, annexed, end, wait: Wait::default(), line: PhantomData })
    }

    /// A handle of the same channel, at that end.
    pub(in crate::region) fn stand_at(&self, end: Option<End>) -> Result<Self, NoCaller> {
        let mut other = Self::stand(self.placed.clone(), self.capacity, self.each, self.annexed, end)?;
        other.wait = self.wait;
        Ok(other)
    }

    /// Counts a process that is to come to that end; whether it is attached still. Nobody but that process is ever there.
    pub(in crate::region) fn expect(&self, end: End, process: ProcessClaim) -> bool {
        self.channel().is_ok_and(|channel| channel.expect(&self.placed.core().participants(), end, process))
    }

    /// How many messages it holds, as its line has it.
    fn bound(&self) -> Option<usize> {
        (!L::IS_MEMORY).then_some(self.capacity)
    }

    #[inline]
    fn channel(&self) -> Result<Channel<'_, L::Line<'_>>, Refusal> {
        let channel = self.placed.control().channel(self.placed.words(), self.placed.beyond());
        // Lengths come from the handle: with another capacity the words would not be what they are.
        if channel.line().capacity() == self.bound() { Ok(channel) } else { Err(Refusal::Corrupt) }
    }

    #[inline]
    pub(in crate::region) fn slot(&self) -> Result<ThreadSlot, Refusal> {
        Ok(self.placed.core().slot()?)
    }

    pub(in crate::region) fn caller(&self, slot: ThreadSlot) -> Caller<'_> {
        self.placed.core().caller_in(slot, self.wait)
    }

    /// The channel, unless this process inherited its buffers in name only, in a fork.
    #[inline]
    fn owned(&self) -> Option<Channel<'_, L::Line<'_>>> {
        if self.placed.core().attachment().is_original() { self.channel().ok() } else { None }
    }
}

impl<L: Kinded, C: Hosts<L>, T: Shared> Clone for AtEnd<L, C, T> {
    fn clone(&self) -> Self {
        if let Some(end) = self.end {
            // Who cannot use the region any more has no place at the end to be counted.
            self.placed.core().stands_again(self.placed.index(), end);
        }
        let placed = self.placed.clone();
        let Self { capacity, each, annexed, end, wait, line, .. } = *self;
        Self { placed, capacity, each, annexed, end, wait, line }
    }
}

impl<L: Kinded, C: Hosts<L>, T: Shared> Way<T> for AtEnd<L, C, T> {
    fn again(&self) -> Box<dyn Way<T>> {
        Box::new(self.clone())
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
    fn receive(&self, patience: Patience, kind: Option<u32>) -> Result<usize, Refusal> {
        let slot = self.slot()?;
        let channel = self.channel()?;
        let participants = self.placed.core().participants();
        let at_once = match kind {
            None => channel.try_receive(participants, slot),
            Some(kind) => channel.try_receive_kind(participants, slot, kind),
        };
        let taken = match (at_once, patience, kind) {
            (Err(ChannelError::WouldBlock), Patience::None, _) => return Err(Refusal::WouldBlock),
            (Err(ChannelError::WouldBlock), patience, None) => {
                channel.receive(&self.caller(slot), self.placed.id(), patience.deadline())?
            }
            (Err(ChannelError::WouldBlock), patience, Some(kind)) => {
                channel.receive_kind(&self.caller(slot), self.placed.id(), patience.deadline(), kind)?
            }
            (answer, ..) => answer?,
        };
        Ok(taken.buffer)
    }

    fn label(&self, buffer: usize, kind: u32) {
        if let Some(channel) = self.owned() {
            channel.label(buffer, kind);
        }
    }

    fn is_leased(&self) -> bool {
        self.channel().is_ok_and(|channel| channel.delivery() == Delivery::AtLeastOnce)
    }

    fn put_back(&self, buffer: usize) {
        if let Some(channel) = self.owned() {
            channel.put_back(buffer);
        }
    }

    fn receiving(&self, slot: ThreadSlot) -> Result<Box<dyn Candidate<'_> + '_>, Refusal> {
        Ok(Box::new(Receiving::new(self.channel()?, self.placed.core().participants(), slot)))
    }

    #[cfg(not(loom))]
    fn watching(&self, slot: ThreadSlot) -> Result<Box<dyn Candidate<'_> + '_>, Refusal> {
        let receiving = Receiving::new(self.channel()?, self.placed.core().participants(), slot);
        Ok(Box::new(Watching::new(receiving)))
    }

    #[cfg(not(loom))]
    fn watching_space(&self, slot: ThreadSlot) -> Result<Box<dyn Candidate<'_> + '_>, Refusal> {
        Ok(Box::new(Space::new(self.channel()?, self.placed.core().participants(), slot)))
    }

    fn sending<'a>(
        &'a self,
        slot: ThreadSlot,
        is_long: bool,
        mut fill: Fill<'a, T>,
    ) -> Result<Box<dyn Candidate<'a> + 'a>, Refusal> {
        let channel = self.channel()?;
        let fill = move |buffer: usize, annex: Option<usize>| {
            let annex = annex.and_then(|annex| Some((annex, self.annex_cells(buffer, annex).ok()?)));
            if let Ok(cells) = self.cells(buffer) {
                channel.label(buffer, fill(Room { cells, annex }));
            }
        };
        let (participants, needs) =
            (self.placed.core().participants(), Needs { annex: is_long, is_memory: L::IS_MEMORY });
        Ok(Box::new(Sending::new(channel, participants, slot, needs, fill)))
    }

    fn core(&self) -> &Arc<Core> {
        self.placed.core()
    }

    fn each(&self) -> usize {
        self.each
    }

    #[inline]
    fn cells(&self, buffer: usize) -> Result<&[Cell<T>], Refusal> {
        let start = buffer.checked_mul(self.each);
        let range = start.and_then(|start| Some(start..start.checked_add(self.each)?));
        range.and_then(|range| self.placed.slots().get(range)).ok_or(Refusal::Corrupt)
    }

    fn annexed(&self) -> Annexed {
        self.annexed
    }

    fn annex(&self, buffer: usize, patience: Patience) -> Result<usize, Refusal> {
        let slot = self.slot()?;
        let channel = self.channel()?;
        match (channel.try_annex(buffer), patience) {
            (Err(ChannelError::WouldBlock), _) if L::IS_MEMORY => Err(Refusal::OutOfMemory),
            (Err(ChannelError::WouldBlock), Patience::None) => Err(Refusal::WouldBlock),
            (Err(ChannelError::WouldBlock), patience) => {
                Ok(channel.annex(&self.caller(slot), self.placed.id(), buffer, patience.deadline())?)
            }
            (answer, _) => Ok(answer?),
        }
    }

    fn annex_cells(&self, buffer: usize, annex: usize) -> Result<&[Cell<T>], Refusal> {
        let (Annexed { count, each }, slots) = (self.annexed, self.placed.slots());
        let is_its = annex < count && self.channel()?.has_annex(buffer, annex);
        // Behind those of the buffers.
        let start = slots.len().checked_sub(count * each).filter(|_| is_its).ok_or(Refusal::Corrupt)? + annex * each;
        slots.get(start..start + each).ok_or(Refusal::Corrupt)
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
        self.channel().map_or(0, |channel| channel.waiting())
    }

    fn in_use(&self) -> usize {
        // The list of an unbounded one begins with a buffer that holds no message.
        self.channel().map_or(0, |channel| channel.pool().in_use().saturating_sub(usize::from(L::IS_MEMORY)))
    }

    fn standing(&self, end: End) -> usize {
        self.placed.control().channel(self.placed.words(), &[]).ends().present(end).count()
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

impl<L: Kinded, C: Control, T: Shared> Drop for AtEnd<L, C, T> {
    /// Before the object may go.
    fn drop(&mut self) {
        if let Some(end) = self.end {
            self.placed.core().leaves(self.placed.index(), end);
        }
    }
}

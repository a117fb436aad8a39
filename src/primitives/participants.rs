//! Who takes part in a region: processes, their threads, and whether they still run.
//!
//! **Purpose.** What owns and what waits is a thread, named by its [`ThreadSlot`]. A slot's life word lies on that
//! thread's robust list, so the kernel marks it when that thread has stopped for good; only such a mark (or the
//! confirmed exit of the whole process) permits taking anything from the dead. A process's life word lies on the list
//! of its keeper. This file decides who owns which slot; what happens to the things of the dead is in
//! [`undertaker`](super::undertaker).
//!
//! **Layout.** `processes` entries, and for each a fixed block of `threads` entries; thread slot `p × threads + t`
//! belongs to process `p`. A process's word is a `u64`: generation (61 bits), state (3 bits).
//!
//! ```text
//!          claim                    ready              mark seen           walked           no hazard
//! FREE(g) ──────► INIT(g+1) ──────────────► LIVE(g+1) ──────────► DEAD ──────────► WALKED ──────────► FREE(g+1)
//!                     └───────────── mark seen ──────────────────►┘
//! ```
//!
//! **Protocol.**
//! 1. *Claim a process*: find a FREE word whose life word nobody owns (zero, or marked); swing the life word to the
//!    keeper's id; look at the word again: if it is not FREE, put the mark back (I2). Else reset the entry's hazard and
//!    the block's thread slots, and swing FREE to INIT. So no hazard of the dead ever stands in a slot that looks alive.
//! 2. Membership changes change `ring_seq`, from INIT on, so that every keeper watches the newcomer. Swing INIT to LIVE.
//! 3. *Claim a thread slot*: swing its life word from zero to the thread's id, fence, and look whether the process is
//!    still LIVE in its generation: a late thread must not escape the undertaker, who swings the word to DEAD, fences,
//!    and then looks at the life words. A thread that is late may find itself in the block of the next process: until it
//!    has looked, it touches nothing but the word, which it does not even own for certain (I5), and it swings it back.
//! 4. A slot whose thread died alone (marked, process LIVE) is claimed by swinging the mark to the claimer's id; the
//!    claimer then owns what the dead left and repairs it before it uses the slot. If a hazard names the process, an
//!    older walk may still be at it, and the claimer puts the mark back.
//!
//! **Invariants.**
//! - I1: the links of a life word are touched only by the thread whose id the word holds.
//! - I2: who owns the life word of a FREE entry may swing it to INIT, and nobody else may. A claimer that took the life
//!   word of an entry that is not FREE (it was claimed and died between two looks, or the claimer wants the place of the
//!   dead) has hidden a mark: it puts it back, and if it dies before, the kernel does.
//! - I3: an entry leaves WALKED only when no live hazard names it (F3).
//! - I4: a generation is never used twice.
//! - I5: a thread that saw its process LIVE after it had swung a life word keeps that word until it gives it up or is
//!   marked. One that saw its process not LIVE has nothing: the next process may have reset the word under it, so it
//!   gives back by compare-and-swap what it finds to be its own.
//!
//! **Orderings.**
//!
//! | operation | ordering | pairs with | publishes |
//! |---|---|---|---|
//! | swing of a process word | Release | loads of it, Acquire | the life word and the reset block, before INIT and LIVE |
//! | kernel's mark | Release (full, in the kernel) | loads of life words, Acquire or before a fence | everything that thread wrote |
//! | claim of a process's life word | Acquire | the kernel's mark | what the dead keeper wrote: what is reset comes after it |
//! | claim of a thread slot, fence, load of the word | SeqCst fence | the kernel's mark | what the dead thread wrote, for the repair of step 4 |
//! | the same | SeqCst fence | the undertaker's swing to DEAD, fence, loads of life words | one of the two sees the other |
//!
//! **Death.** Killed before the life word is swung: nothing happened. After it and before INIT: the mark makes the
//! entry claimable again. From INIT on: a keeper sees the mark and the undertaker goes through the block. The caller
//! announces a life word to the kernel (`list_op_pending`) before it is swung, so there is no step at which a slot leaks.
//!
//! **Models.** `participants/*` and `undertaker/*`.
//!
//! **References.** Kernel documents `locking/robust-futexes` and `locking/robust-futex-ABI`; hazards after Michael,
//! "Hazard Pointers", IEEE TPDS 2004.

use super::choice::RawChoice;
use crate::sync::{LIFE_DIED, LIFE_ID_MASK, LIFE_WAITERS, LifeWord, Ordering, fence, futex_wake};

mod entries;

pub use entries::{LEFT_KEPT, Membership, ProcessEntry, ProcessState, ProcessWord, ThreadEntry};

/// Most processes of one region: every keeper watches all others in one wait.
pub const MAX_PROCESSES: usize = 120;
/// Most thread slots of one process: slot indices fit 16 bits.
pub const MAX_THREADS: usize = 256;

/// Index of a thread slot in its region; what owner fields of control blocks hold, plus one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ThreadSlot(pub u16);

/// A claimed process entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProcessClaim {
    /// Index of the entry.
    pub index: usize,
    /// Its generation.
    pub generation: u64,
}

/// A claimed thread slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ThreadClaim {
    /// The slot.
    pub slot: ThreadSlot,
    /// A thread died in it and left things: [`bury_thread`](super::undertaker::Undertaker::bury_thread) comes first.
    pub unburied: bool,
}

/// Why a thread got no slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClaimThreadError {
    /// All slots of the process are taken.
    Full,
    /// The process was announced dead, or its entry is another's by now: it must not touch the region any more.
    FencedOff,
}

/// Puts a life word on the calling thread's robust list, natively; a model does nothing.
pub trait RobustList {
    /// Announces (or takes back) that the word is about to be claimed or released.
    fn pending(&mut self, word: Option<&LifeWord>);
    /// Links the word, which the calling thread owns.
    fn link(&mut self, word: &LifeWord);
    /// Unlinks the word, which the calling thread owns.
    fn unlink(&mut self, word: &LifeWord);
}

/// A view of the participants of one region; its lengths come from the handle, never from shared memory.
#[derive(Clone, Copy, Debug)]
pub struct Participants<'a> {
    membership: &'a Membership,
    processes: &'a [ProcessEntry],
    threads: &'a [ThreadEntry],
    block: usize,
}

impl<'a> Participants<'a> {
    /// A view over `processes` entries with an equal share of `threads` each. `None` if the numbers do not fit.
    #[must_use]
    pub fn new(membership: &'a Membership, processes: &'a [ProcessEntry], threads: &'a [ThreadEntry]) -> Option<Self> {
        let block = threads.len().checked_div(processes.len())?;
        let fits = processes.len() <= MAX_PROCESSES && block <= MAX_THREADS && block * processes.len() == threads.len();
        (fits && block > 0).then_some(Self { membership, processes, threads, block })
    }

    /// A view of nobody.
    #[must_use]
    pub fn empty(membership: &'a Membership) -> Self {
        Self { membership, processes: &[], threads: &[], block: 1 }
    }

    /// The word that changes with membership.
    #[must_use]
    pub fn membership(&self) -> &'a Membership {
        self.membership
    }

    /// The process entries.
    #[must_use]
    pub fn processes(&self) -> &'a [ProcessEntry] {
        self.processes
    }

    /// The thread entries.
    #[must_use]
    pub fn threads(&self) -> &'a [ThreadEntry] {
        self.threads
    }

    /// The entry of a slot; `None` for a slot that the region does not have (garbage in shared memory).
    #[must_use]
    pub fn thread(&self, slot: ThreadSlot) -> Option<&'a ThreadEntry> {
        self.threads.get(usize::from(slot.0))
    }

    /// The choice of the thread that has a slot.
    pub(super) fn choice(&self, slot: ThreadSlot) -> Option<&'a RawChoice> {
        Some(&self.thread(slot)?.choice)
    }

    /// Whether the thread that has a slot has stopped for good, as far as what the caller has seen before goes. A slot that
    /// the region does not have is nobody's.
    #[must_use]
    pub(super) fn has_stopped(&self, slot: ThreadSlot) -> bool {
        // Relaxed: see above; nothing is taken from the dead on the strength of it.
        self.thread(slot).is_some_and(|thread| thread.life.word().load(Ordering::Relaxed) & LIFE_DIED != 0)
    }

    /// The process to which a slot belongs.
    #[must_use]
    pub fn process_of(&self, slot: ThreadSlot) -> usize {
        usize::from(slot.0) / self.block
    }

    /// Whether that process is attached still, and nobody has begun to repair what it leaves. Never blocks.
    ///
    /// Of a word that its undertaker has changed, or read by a write, and the caller then: that it has begun is seen.
    #[must_use]
    pub fn is_attached(&self, process: ProcessClaim) -> bool {
        let Some(entry) = self.processes.get(process.index) else { return false };
        // Relaxed: whoever has seen that the undertaker was there has it by the word that it saw; else that one is to come.
        let word = ProcessWord::from_bits(entry.word.load(Ordering::Relaxed));
        word == ProcessWord { generation: process.generation, state: ProcessState::Live }
    }

    /// The thread slots of a process.
    #[must_use]
    pub fn block(&self, process: usize) -> &'a [ThreadEntry] {
        let start = process.saturating_mul(self.block);
        self.threads.get(start..start.saturating_add(self.block)).unwrap_or_default()
    }

    /// Thread slots of each process.
    #[must_use]
    pub fn threads_per_process(&self) -> usize {
        self.block
    }

    /// Claims a process entry for the calling keeper, whose id is `id`, and resets its block. `None`: all are taken.
    pub fn claim_process(&self, id: u32, list: &mut dyn RobustList) -> Option<ProcessClaim> {
        let owned = (id & LIFE_ID_MASK) | LIFE_WAITERS;
        for (index, entry) in self.processes.iter().enumerate() {
            // Relaxed, both: only candidates; `begin` looks again, and the compare-and-swap.
            let seen = ProcessWord::from_bits(entry.word.load(Ordering::Relaxed));
            let life = entry.life.word().load(Ordering::Relaxed);
            if seen.state != ProcessState::Free || (life & LIFE_ID_MASK != 0 && life & LIFE_DIED == 0) {
                continue;
            }
            list.pending(Some(&entry.life));
            // Acquire: pairs with the mark of a claimer that died; what it reset comes before what we reset.
            if entry.life.word().compare_exchange(life, owned, Ordering::Acquire, Ordering::Relaxed).is_err() {
                list.pending(None);
                continue;
            }
            // dead here: the kernel marks the life word, and the entry is claimable as before (I2).
            if let Some(claim) = self.begin(index, entry) {
                list.link(&entry.life);
                list.pending(None);
                return Some(claim);
            }
            // It hid a mark that others still need (I2).
            put_back(&entry.life, owned, LIFE_WAITERS | LIFE_DIED);
            self.announce_membership();
            list.pending(None);
        }
        None
    }

    /// With the life word in hand: resets the block of a FREE entry, swings it to INIT and tells the keepers.
    pub(super) fn begin(&self, index: usize, entry: &ProcessEntry) -> Option<ProcessClaim> {
        // Acquire: pairs with the swing to FREE; what the last owner's repair wrote comes before ours.
        let word = entry.word.load(Ordering::Acquire);
        let seen = ProcessWord::from_bits(word);
        if seen.state != ProcessState::Free {
            return None;
        }
        self.reset_block(index, entry);
        let generation = seen.generation.wrapping_add(1);
        let init = ProcessWord { generation, state: ProcessState::Init }.to_bits();
        // Release: publishes the life word and the reset block to whoever watches the entry. It can fail only on garbage
        // (I2).
        entry.word.compare_exchange(word, init, Ordering::Release, Ordering::Relaxed).ok()?;
        // dead here: INIT with a marked life word; a keeper, or a newcomer, that looks next makes it DEAD.
        self.announce_membership();
        Some(ProcessClaim { index, generation })
    }

    /// Takes the life word of a process that died, and the hazard with it. False: somebody else did, or nobody died.
    ///
    /// Its entry is FREE, or no longer LIVE: else this would hide the death (I2).
    pub(super) fn take_dead_life(&self, entry: &ProcessEntry, id: u32, list: &mut dyn RobustList) -> bool {
        // Relaxed: only a candidate value for the compare-and-swap.
        let life = entry.life.word().load(Ordering::Relaxed);
        if life & LIFE_DIED == 0 || life & LIFE_ID_MASK != 0 {
            return false;
        }
        let owned = (id & LIFE_ID_MASK) | LIFE_WAITERS;
        list.pending(Some(&entry.life));
        // Acquire: pairs with the kernel's mark; what the dead keeper wrote is ours to go on with.
        let taken = entry.life.word().compare_exchange(life, owned, Ordering::Acquire, Ordering::Relaxed).is_ok();
        if taken {
            // dead here: the kernel marks the life word again.
            list.link(&entry.life);
            // Release: who reads this instead of the mark has the dead keeper's repairs from us.
            entry.hazard.store(0, Ordering::Release);
        }
        list.pending(None);
        taken
    }

    /// Gives back a life word from [`take_dead_life`](Self::take_dead_life), with its mark.
    pub(super) fn return_dead_life(&self, entry: &ProcessEntry, list: &mut dyn RobustList) {
        self.release_life(&entry.life, LIFE_WAITERS | LIFE_DIED, list);
        self.announce_membership();
    }

    /// Changes `ring_seq` and wakes every keeper.
    pub fn announce_membership(&self) {
        // Release: pairs with the keepers' Acquire load; who sees the number sees the entry.
        self.membership.ring_seq.fetch_add(1, Ordering::Release);
        futex_wake(&self.membership.ring_seq, u32::MAX);
    }

    fn reset_block(&self, process: usize, entry: &ProcessEntry) {
        // Relaxed, all: published by the swing to INIT.
        entry.hazard.store(0, Ordering::Relaxed);
        for thread in self.block(process) {
            thread.waiting.store(0, Ordering::Relaxed);
            thread.bell.store(0, Ordering::Relaxed);
            thread.hazard.store(0, Ordering::Relaxed);
            thread.walked.store(0, Ordering::Relaxed);
            // A swap, because late threads of earlier owners may be at it (I5).
            thread.life.word().swap(0, Ordering::Relaxed);
        }
    }

    /// Opens a claimed entry to its threads. False: it was announced dead meanwhile.
    #[must_use]
    pub fn open_process(&self, claim: ProcessClaim) -> bool {
        self.swing(claim, ProcessState::Init, ProcessState::Live)
    }

    /// Swings the word of an entry from one state of a generation to another.
    pub fn swing(&self, claim: ProcessClaim, from: ProcessState, to: ProcessState) -> bool {
        let Some(entry) = self.processes.get(claim.index) else { return false };
        let from = ProcessWord { generation: claim.generation, state: from }.to_bits();
        let to = ProcessWord { generation: claim.generation, state: to }.to_bits();
        // Release: whoever sees the new state sees what was done in the old one.
        entry.word.compare_exchange(from, to, Ordering::Release, Ordering::Relaxed).is_ok()
    }

    /// Whether the process is attached in that generation.
    #[must_use]
    pub fn is_live(&self, claim: ProcessClaim) -> bool {
        let live = ProcessWord { generation: claim.generation, state: ProcessState::Live }.to_bits();
        // Relaxed: who has the claim has it from whoever opened the process, and with it the reset block.
        self.processes.get(claim.index).is_some_and(|entry| entry.word.load(Ordering::Relaxed) == live)
    }

    /// Claims a thread slot of a live process for the calling thread, whose id is `id`.
    ///
    /// # Errors
    /// [`ClaimThreadError`].
    pub fn claim_thread(
        &self,
        process: ProcessClaim,
        id: u32,
        list: &mut dyn RobustList,
    ) -> Result<ThreadClaim, ClaimThreadError> {
        if !self.is_live(process) {
            return Err(ClaimThreadError::FencedOff);
        }
        // Clean slots first; then those in which a thread died alone.
        for of_the_dead in [false, true] {
            for (offset, entry) in self.block(process.index).iter().enumerate() {
                // Relaxed: only a candidate value for the compare-and-swap.
                let life = entry.life.word().load(Ordering::Relaxed);
                if (life & LIFE_DIED != 0) != of_the_dead || life & LIFE_ID_MASK != 0 {
                    continue;
                }
                let Ok(index) = u16::try_from(process.index * self.block + offset) else { continue };
                let slot = ThreadSlot(index);
                match self.claim_slot(process, entry, life, id, list) {
                    SlotClaim::Ours => return Ok(ThreadClaim { slot, unburied: of_the_dead }),
                    SlotClaim::Taken => {}
                    SlotClaim::FencedOff => return Err(ClaimThreadError::FencedOff),
                }
            }
        }
        Err(ClaimThreadError::Full)
    }

    fn claim_slot(
        &self,
        process: ProcessClaim,
        entry: &ThreadEntry,
        life: u32,
        id: u32,
        list: &mut dyn RobustList,
    ) -> SlotClaim {
        let owned = (id & LIFE_ID_MASK) | LIFE_WAITERS;
        list.pending(Some(&entry.life));
        // Relaxed: the fence acquires what the kernel's mark published, if there is one, for our repair.
        if entry.life.word().compare_exchange(life, owned, Ordering::Relaxed, Ordering::Relaxed).is_err() {
            list.pending(None);
            return SlotClaim::Taken;
        }
        // SeqCst: pairs with the undertaker's fence between DEAD and its look at this life word; and with a walker's
        // fence between its hazard and its look at this life word.
        fence(Ordering::SeqCst);
        let refused = if !self.is_live(process) {
            Some(SlotClaim::FencedOff)
        } else if life & LIFE_DIED != 0 && self.is_walked_still(process, entry) {
            Some(SlotClaim::Taken)
        } else {
            None
        };
        // dead here: announced, so the kernel marks the word, or leaves it alone if it is not ours (I5).
        if let Some(refused) = refused {
            put_back(&entry.life, owned, life);
            list.pending(None);
            return refused;
        }
        list.link(&entry.life);
        list.pending(None);
        // Relaxed: read by walkers after the next mark, which publishes it.
        entry.walked.store(0, Ordering::Relaxed);
        SlotClaim::Ours
    }

    /// Whether somebody may still be repairing what the last thread left in this slot of the caller's.
    fn is_walked_still(&self, process: ProcessClaim, entry: &ThreadEntry) -> bool {
        // A thread that died alone in the middle of a repair left its hazard, which our life word makes look alive.
        // Relaxed: after the fence; who reads this instead of the mark has the dead thread's repairs through it.
        if entry.hazard.swap(0, Ordering::Relaxed) != 0 {
            // Who was kept from freeing an entry by it looks again.
            self.announce_membership();
        }
        super::undertaker::is_under_repair(self, process.index)
    }

    /// Gives up a slot that the calling thread owns and in which nothing is held any more.
    pub fn release_thread(&self, slot: ThreadSlot, list: &mut dyn RobustList) {
        if let Some(entry) = self.thread(slot) {
            // Relaxed: who reads the old value wakes an object once too often.
            entry.waiting.store(0, Ordering::Relaxed);
            self.release_life(&entry.life, 0, list);
        }
    }

    /// Gives up the life word of a process whose entry has been freed; the calling keeper owns it.
    pub fn release_process(&self, index: usize, list: &mut dyn RobustList) {
        if let Some(entry) = self.processes.get(index) {
            self.release_life(&entry.life, 0, list);
            self.announce_membership();
        }
    }

    /// Takes the life word off the list and puts `value` there: zero, or the mark that was found.
    fn release_life(&self, life: &LifeWord, value: u32, list: &mut dyn RobustList) {
        list.pending(Some(life));
        list.unlink(life);
        // dead here: unlinked, but announced; the kernel marks it.
        // Release: pairs with the Acquire of the next claim and of undertakers: nothing of ours comes after.
        life.word().swap(value, Ordering::Release);
        // dead here: given up and announced; the kernel wakes one sleeper of it.
        // An undertaker may be waiting for this very word.
        futex_wake(life.word(), u32::MAX);
        list.pending(None);
    }
}

/// Undoes the claim of a life word, which the caller has announced and not linked.
fn put_back(life: &LifeWord, owned: u32, found: u32) {
    // Relaxed: the caller did nothing with it, and a mark's message was published by the kernel, whose release sequence
    // this continues. It fails if the next process has reset the word (I5).
    let _ = life.word().compare_exchange(owned, found, Ordering::Relaxed, Ordering::Relaxed);
    // dead here: given back and announced; the kernel wakes one sleeper of it.
    futex_wake(life.word(), u32::MAX);
}

enum SlotClaim {
    Ours,
    Taken,
    FencedOff,
}

//! The scene of the models of life and death: participants who come and go, and a kernel that keeps their robust lists.
//!
//! In [`Scene`](crate::scene::Scene) everybody is attached from the beginning. Here a claim and a release of a slot are
//! part of what is modelled, so the kernel's side is played word by word: each thread has a list of the words that it
//! linked and a word that it announced, and [`Life::die`] does with them what `exit_robust_list` does.

use crate::last_resort::END;
use crate::scene::Notes;
use crate::{verify, verify_eq};
use selvedge::primitives::participants::{
    Membership, ProcessClaim, ProcessEntry, ProcessState, ProcessWord, RobustList, ThreadClaim, ThreadEntry,
};
use selvedge::primitives::undertaker::{Dead, Objects, Repair, Undertaker};
use selvedge::primitives::waiting::{Caller, Wait};
use selvedge::primitives::{ObjectId, Participants, ThreadSlot};
use selvedge::sync::{
    AtomicU32, Cell, LIFE_DIED, LIFE_ID_MASK, LifeWord, Ordering, WaitOn, WaitOutcome, futex_waitv, futex_wake,
};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The object that everybody sleeps on.
pub(crate) const OBJECT: ObjectId = ObjectId(0);

/// A region whose participants come and go, and what they share.
pub(crate) struct Life<O> {
    membership: Membership,
    processes: Vec<ProcessEntry>,
    threads: Vec<ThreadEntry>,
    lists: Notes<BTreeMap<u32, List>>,
    /// A bit for each process that is known to have exited.
    exited: AtomicU32,
    /// What they share.
    pub(crate) object: O,
}

/// The robust list of one thread.
#[derive(Clone, Default)]
struct List {
    linked: Vec<Word>,
    pending: Option<Word>,
}

/// A life word of the region.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Word {
    Process(usize),
    Thread(usize),
}

/// The id of a process's keeper, by a number of the model's own.
pub(crate) fn keeper(number: u32) -> u32 {
    100 + number
}

/// The id of a thread, by a number of the model's own.
pub(crate) fn thread(number: u32) -> u32 {
    200 + number
}

impl<O: Objects + Send + Sync + 'static> Life<O> {
    /// A region with room for `processes` of `threads` each, in which nobody is attached.
    pub(crate) fn new(processes: usize, threads: usize, object: O) -> Self {
        Self {
            membership: Membership::new(),
            processes: (0..processes).map(|_| ProcessEntry::new()).collect(),
            threads: (0..processes * threads).map(|_| ThreadEntry::new()).collect(),
            lists: Notes::default(),
            exited: AtomicU32::new(0),
            object,
        }
    }

    /// The participants.
    pub(crate) fn table(&self) -> Participants<'_> {
        Participants::new(&self.membership, &self.processes, &self.threads).expect("the numbers fit")
    }

    /// The robust list of the thread whose id is `id`.
    pub(crate) fn list(&self, id: u32) -> Listed<'_, O> {
        Listed { life: self, id }
    }

    /// Attaches a process, whose keeper has the id `id`.
    pub(crate) fn attach(&self, id: u32) -> ProcessClaim {
        let claim = self.table().claim_process(id, &mut self.list(id)).expect("an entry is free");
        assert!(self.table().open_process(claim), "nobody announced it dead");
        claim
    }

    /// Registers a thread, whose id is `id`.
    pub(crate) fn join(&self, process: ProcessClaim, id: u32) -> ThreadSlot {
        let claimed: ThreadClaim = self.table().claim_thread(process, id, &mut self.list(id)).expect("a slot is free");
        claimed.slot
    }

    /// A thread as caller: no backstop, so that every wake-up has to come from a wake.
    pub(crate) fn caller(&self, slot: ThreadSlot) -> Caller<'_> {
        Caller { table: self.table(), objects: &self.object, slot, wait: Wait::Block, backstop: None }
    }

    /// The kernel's part in the end of a thread: it never runs again, and the kernel goes along its list.
    pub(crate) fn die(&self, id: u32) {
        let List { linked, pending } = self.lists.lock().remove(&id).unwrap_or_default();
        for word in linked.iter().rev().filter(|word| Some(**word) != pending) {
            self.life(*word).mark_as_kernel(id);
        }
        if let Some(word) = pending.map(|word| self.life(word)) {
            // `handle_futex_death` with `pending_op`: a word without owner may have sleepers whom nobody has woken yet.
            if word.word().load(Ordering::Relaxed) & LIFE_ID_MASK == 0 {
                futex_wake(word.word(), 1);
            } else {
                word.mark_as_kernel(id);
            }
        }
    }

    /// The thread whose id is `id` never told its kernel of a robust list.
    pub(crate) fn has_no_list(&self, id: u32) {
        self.lists.lock().remove(&id);
    }

    /// The process at `index` has exited as a whole, and that is known from now on.
    pub(crate) fn exit(&self, index: usize) {
        // Release: the exit of a process comes after all that it did.
        self.exited.fetch_or(1 << index, Ordering::Release);
    }

    /// An undertaker whose hazard stands in `hazard`.
    pub(crate) fn undertaker<'a>(
        &'a self,
        hazard: &'a AtomicU32,
        has_exited: &'a dyn Fn(usize) -> bool,
    ) -> Undertaker<'a> {
        Undertaker::new(self.table(), &self.object, hazard, has_exited)
    }

    /// Whether the process at `index` is known to have exited.
    pub(crate) fn has_exited(&self, index: usize) -> bool {
        // Acquire: pairs with the Release in exit. What the kernel tells is never old: not a load.
        self.exited.fetch_or(0, Ordering::Acquire) & (1 << index) != 0
    }

    /// What the keeper of process `by` does about the death of process `dead`, until it is done. Where a mark does not
    /// come it looks again in the end, as a keeper does after 20 ms.
    pub(crate) fn look_after(&self, by: usize, dead: usize) {
        let has_exited = |index| self.has_exited(index);
        let undertaker = self.undertaker(&self.processes[by].hazard, &has_exited);
        while !undertaker.look_after(dead) {
            let mut words = Vec::new();
            if undertaker.watch(by, &mut |on| words.push(on)) {
                let outcome = futex_waitv(&words, END);
                if outcome == WaitOutcome::TimedOut && !self.has_exited(dead) {
                    self.verify_nothing_is_left_undone();
                    return;
                }
            }
        }
    }

    /// The keeper of process `own`, as the region layer has it, until nothing happens any more. Then no death may be
    /// left that it was not told of.
    pub(crate) fn keep_watch(&self, own: usize) {
        while self.look_and_sleep(own) {}
        self.verify_nothing_is_left_undone();
    }

    /// One turn of the keeper of process `own`. False: nothing happens any more.
    pub(crate) fn look_and_sleep(&self, own: usize) -> bool {
        let has_exited = |index| self.has_exited(index);
        let undertaker = self.undertaker(&self.processes[own].hazard, &has_exited);
        let ring = &self.membership.ring_seq;
        let seen = ring.load(Ordering::Acquire);
        undertaker.survey();
        let mut words = vec![WaitOn { word: ring, expected: seen }];
        let quiet = undertaker.watch(own, &mut |on| words.push(on));
        if !quiet || futex_waitv(&words, END) != WaitOutcome::TimedOut {
            return true;
        }
        for (index, entry) in self.processes.iter().enumerate().filter(|(index, _)| *index != own) {
            let watched = words.iter().any(|on| std::ptr::eq(on.word, entry.life.word()));
            verify!(watched || self.process(index).state != ProcessState::Live, "nobody watches process {index}");
        }
        false
    }

    /// What a keeper does at its process's end, as the region layer has it: no thread of the process has a slot.
    pub(crate) fn leave(&self, claim: ProcessClaim, id: u32) {
        let has_exited = |index| self.has_exited(index);
        self.table().swing(claim, ProcessState::Live, ProcessState::Dead);
        self.undertaker(&self.processes[claim.index].hazard, &has_exited).look_after(claim.index);
        self.table().release_process(claim.index, &mut self.list(id));
    }

    /// The word of a process, as it is now: no step of any protocol.
    pub(crate) fn process(&self, index: usize) -> ProcessWord {
        ProcessWord::from_bits(self.processes[index].word.peek())
    }

    /// The entries themselves.
    pub(crate) fn entry(&self, index: usize) -> &ProcessEntry {
        &self.processes[index]
    }

    /// The thread entries themselves.
    pub(crate) fn thread_entry(&self, index: usize) -> &ThreadEntry {
        &self.threads[index]
    }

    fn verify_nothing_is_left_undone(&self) {
        for (index, entry) in self.processes.iter().enumerate() {
            let marked = entry.life.word().peek() & LIFE_DIED != 0;
            let stopped = self.table().block(index).iter().all(|thread| thread.life.word().peek() & LIFE_ID_MASK == 0);
            let undone = match self.process(index).state {
                // Who died before it was attached holds nothing; whoever claims an entry next finds it.
                ProcessState::Free | ProcessState::Init => false,
                ProcessState::Live => marked,
                ProcessState::Dead => stopped,
                ProcessState::Walked => true,
            };
            verify!(!undone, "process {index} is left as {:?}", self.process(index));
        }
    }

    /// What must hold when everybody has ended, whoever died: the next keeper to look finds everything repaired or
    /// repairs it, and then every entry can be claimed, each in a generation of its own.
    pub(crate) fn verify_all_can_be_claimed(&self) {
        let (hazard, nobody) = (AtomicU32::new(0), |_| false);
        self.undertaker(&hazard, &nobody).survey();
        let before: Vec<u64> = (0..self.processes.len()).map(|index| self.process(index).generation).collect();
        for (index, generation) in before.into_iter().enumerate() {
            let id = keeper(900) + u32::try_from(index).expect("few");
            let claimed = self.table().claim_process(id, &mut self.list(id));
            let expected = Some(ProcessClaim { index, generation: generation + 1 });
            verify_eq!(claimed, expected, "an entry was lost, or its generation is used twice");
        }
    }

    fn word_of(&self, life: &LifeWord) -> Word {
        let process = self.processes.iter().position(|entry| std::ptr::eq(&raw const entry.life, life));
        let thread = self.threads.iter().position(|entry| std::ptr::eq(&raw const entry.life, life));
        process.map(Word::Process).or(thread.map(Word::Thread)).expect("a word of this region")
    }

    fn life(&self, word: Word) -> &LifeWord {
        match word {
            Word::Process(index) => &self.processes[index].life,
            Word::Thread(index) => &self.threads[index].life,
        }
    }
}

/// The robust list of one thread, which knows what the kernel could not survive.
pub(crate) struct Listed<'a, O> {
    life: &'a Life<O>,
    id: u32,
}

impl<O: Objects + Send + Sync + 'static> RobustList for Listed<'_, O> {
    fn pending(&mut self, word: Option<&LifeWord>) {
        let word = word.map(|word| self.life.word_of(word));
        self.life.lists.lock().entry(self.id).or_default().pending = word;
    }

    fn link(&mut self, word: &LifeWord) {
        verify_eq!(word.word().peek() & LIFE_ID_MASK, self.id, "a thread links a word that it does not own");
        let word = self.life.word_of(word);
        let mut lists = self.life.lists.lock();
        verify!(!lists.values().any(|list| list.linked.contains(&word)), "{word:?} is on two lists");
        lists.entry(self.id).or_default().linked.push(word);
    }

    fn unlink(&mut self, word: &LifeWord) {
        verify_eq!(word.word().peek() & LIFE_ID_MASK, self.id, "a thread unlinks a word that it does not own");
        let word = self.life.word_of(word);
        let mut lists = self.life.lists.lock();
        let linked = &mut lists.entry(self.id).or_default().linked;
        verify!(linked.contains(&word), "a thread unlinks {word:?}, which is not on its list");
        linked.retain(|other| *other != word);
    }
}

impl<O> core::fmt::Debug for Life<O> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Life").field("processes", &self.processes.len()).finish_non_exhaustive()
    }
}

const DEAD: u32 = 1 << 30;

/// The simplest thing that a thread can hold: a word that names it, and two cells that its holder keeps equal.
///
/// It is not a [`RawMutex`](selvedge::primitives::RawMutex), so that what is found here is found in the life part. It
/// knows more than its word says: whether the thread that holds it can still run.
pub(crate) struct Held {
    word: AtomicU32,
    left: Cell<u32>,
    right: Cell<u32>,
    holder: Notes<Option<u32>>,
}

/// How a thing was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// Nobody held it.
    Clean,
    /// Its holder died.
    Inherited,
}

impl Held {
    /// A thing that nobody holds.
    pub(crate) fn new() -> Self {
        Self { word: AtomicU32::new(0), left: Cell::new(0), right: Cell::new(0), holder: Notes::default() }
    }

    fn attempt(&self, slot: ThreadSlot, id: u32) -> Result<Taken, u32> {
        let mut found = 0;
        loop {
            // Acquire: pairs with the Release in give_back and in bury.
            match self.word.compare_exchange(found, u32::from(slot.0) + 1, Ordering::Acquire, Ordering::Relaxed) {
                Ok(_) => {
                    verify_eq!(self.holder.lock().replace(id), None, "two threads hold it");
                    return Ok(if found == 0 { Taken::Clean } else { Taken::Inherited });
                }
                Err(newer) if newer == 0 || newer & DEAD != 0 => found = newer,
                Err(held) => return Err(held),
            }
        }
    }

    /// Takes it, for the thread whose id is `id`, if nobody who can still run holds it.
    pub(crate) fn try_take(&self, slot: ThreadSlot, id: u32) -> Option<Taken> {
        let taken = self.attempt(slot, id).ok()?;
        self.settle(taken);
        Some(taken)
    }

    /// Takes it, asleep for as long as somebody else holds it.
    pub(crate) fn take(&self, caller: &Caller<'_>, id: u32) -> Taken {
        loop {
            match self.attempt(caller.slot, id) {
                Ok(taken) => {
                    self.settle(taken);
                    return taken;
                }
                Err(found) => {
                    caller.sleep(OBJECT, &self.word, found, None);
                }
            }
        }
    }

    /// What the last holder left is whole, or a prefix of what it would have done.
    fn settle(&self, taken: Taken) {
        let (left, right) = self.read();
        match taken {
            Taken::Clean => verify_eq!(left, right, "torn without a death"),
            Taken::Inherited => {
                verify!(left == right || left == right + 1, "the dead holder's writes are no prefix");
                self.write_right(left);
            }
        }
    }

    /// What the holder does.
    pub(crate) fn work(&self) {
        let (left, _) = self.read();
        // SAFETY: the caller holds it; loom reports it if that excludes nobody.
        self.left.with_mut(|own| unsafe { *own = left + 1 });
        self.write_right(left + 1);
    }

    fn write_right(&self, value: u32) {
        // SAFETY: as in work.
        self.right.with_mut(|own| unsafe { *own = value });
    }

    fn read(&self) -> (u32, u32) {
        // SAFETY: as in work.
        let left = self.left.with(|own| unsafe { *own });
        // SAFETY: as in work.
        let right = self.right.with(|own| unsafe { *own });
        (left, right)
    }

    /// Gives it back and wakes one sleeper.
    pub(crate) fn give_back(&self) {
        *self.holder.lock() = None;
        // Release: pairs with the Acquire in attempt.
        self.word.swap(0, Ordering::Release);
        futex_wake(&self.word, 1);
    }

    /// The thread whose id is `id` never runs again; the model says so just before its kernel does.
    pub(crate) fn stopped(&self, id: u32) {
        let mut holder = self.holder.lock();
        if *holder == Some(id) {
            *holder = None;
        }
    }
}

impl Repair for Held {
    fn bury(&self, dead: &Dead<'_>) {
        let found = self.word.load(Ordering::Relaxed);
        let named = (found & !DEAD).checked_sub(1).and_then(|slot| u16::try_from(slot).ok()).map(ThreadSlot);
        if found & DEAD != 0 || !named.is_some_and(|slot| dead.includes(slot)) {
            return;
        }
        // Release: pairs with the Acquire in attempt; hands on what the dead holder wrote.
        if self.word.compare_exchange(found, found | DEAD, Ordering::Release, Ordering::Relaxed).is_ok() {
            verify_eq!(*self.holder.lock(), None, "taken from a thread that can still run");
        }
    }

    fn wake_all(&self) {
        futex_wake(&self.word, u32::MAX);
    }
}

impl Objects for Held {
    fn for_each(&self, visit: &mut dyn FnMut(&dyn Repair)) {
        visit(self);
    }

    fn wake(&self, object: ObjectId) {
        if object == OBJECT {
            self.wake_all();
        }
    }
}

impl Life<Held> {
    /// The thread whose id is `id` never runs again, and the kernel does what it does then.
    pub(crate) fn stop(&self, id: u32) {
        self.object.stopped(id);
        self.die(id);
    }
}

/// A scene that can be handed to the threads of a model.
pub(crate) type Shared<O = Held> = Arc<Life<O>>;

//! What happens to the things of the dead.
//!
//! **Purpose.** Whoever sees that a process died (keepers; the next to attach; a sleeper whose wait took long) goes
//! through the region's objects and repairs each that names one of its threads, then wakes those who may have been
//! waiting for that. Any number may do it at once, and any of them may die doing it.
//!
//! **Protocol.**
//! 1. A marked life word of an INIT or LIVE process: swing the process word to DEAD, wake everyone who watches the life
//!    word (the kernel woke only one, who may be dying too).
//! 2. DEAD: fence; then wait until every thread slot of the block is given up or marked, because the process's other
//!    threads still run for a while after its keeper has stopped. Where a thread's list is broken the mark never comes;
//!    the confirmed exit of the whole process stands in for it.
//! 3. Publish a hazard, fence, look whether the word is still DEAD. Go through the objects: each repairs itself
//!    ([`Repair::bury`]). Fence; then look which objects sleepers have named, and wake these.
//! 4. Swing DEAD to WALKED, take the hazard back, fence, and if no live hazard names the process, swing to FREE.
//! 5. A newcomer that finds no entry free takes the place of a process that died: it swings INIT or LIVE to DEAD, takes
//!    the marked life word, does steps 2 to 4 with the hazard of that entry, and claims the entry. So a region all of
//!    whose processes were killed serves the next.
//!
//! **Invariants.**
//! - I1: nothing is taken from a thread whose life word is not marked and whose process is not known to have exited (F2).
//! - I2: an object is repaired before those who sleep on it are woken; a sleeper names its object before it looks at
//!   the object's word for the last time (see [`waiting`](super::waiting)), so either it sees the repair or we see it.
//! - I3: while a hazard of a living walker names a process, its entry is not freed and its marked slots are not reused,
//!   so a slow walker never repairs what a new owner holds (F3).
//!
//! **Orderings.**
//!
//! | operation | ordering | pairs with | publishes |
//! |---|---|---|---|
//! | load of a life word, fence | SeqCst fence (Acquire, of one thread alone) | the kernel's mark, or the release of a slot | all that the thread wrote |
//! | DEAD, fence, loads of life words | SeqCst fence | claim of a thread slot, fence, load of the process word | a late thread sees DEAD or is seen |
//! | hazard, fence, load of the process word | SeqCst fence | WALKED, fence, loads of hazards | the walk is seen or does not begin |
//! | hazard taken back, fence, load of the process word | SeqCst fence | WALKED, fence, loads of hazards | one of the two frees the entry |
//! | repair, fence, loads of `waiting` | SeqCst fence | `waiting`, fence, the kernel's look at the word | a sleeper sees the repair or is woken |
//! | hazard taken back | Release | loads of hazards, Acquire fence | the repairs, before the entry is reused |
//!
//! **Death.** At any step: the walker's own mark makes its hazard void and wakes the other keepers, who find the word
//! DEAD or WALKED and go on; every repair is idempotent.
//!
//! **Models.** `undertaker/*`, and the kill sweep of every primitive, in which this code is what repairs.
//!
//! **References.** Hazards after Michael, "Hazard Pointers", IEEE TPDS 2004.

use super::participants::{Participants, ProcessClaim, ProcessState, ProcessWord, RobustList, ThreadEntry, ThreadSlot};
use super::waiting::{ObjectId, Waiting};
use crate::sync::{AtomicU32, LIFE_DIED, LIFE_ID_MASK, Ordering, WaitOn, fence, futex_wake};

/// Whose things are to be repaired.
#[derive(Clone, Copy, Debug)]
pub struct Dead<'a> {
    table: Participants<'a>,
    who: Who,
}

#[derive(Clone, Copy, Debug)]
enum Who {
    Process(usize),
    Thread(ThreadSlot),
}

impl<'a> Dead<'a> {
    /// All threads of a process.
    #[must_use]
    pub fn process(table: Participants<'a>, process: usize) -> Self {
        Self { table, who: Who::Process(process) }
    }

    /// One thread.
    #[must_use]
    pub fn thread(table: Participants<'a>, slot: ThreadSlot) -> Self {
        Self { table, who: Who::Thread(slot) }
    }

    /// The participants.
    #[must_use]
    pub fn table(&self) -> &Participants<'a> {
        &self.table
    }

    /// The process, if all of it is dead.
    #[must_use]
    pub fn whole_process(&self) -> Option<usize> {
        match self.who {
            Who::Process(process) => Some(process),
            Who::Thread(_) => None,
        }
    }

    /// Whether a slot is among the dead. A slot that the region does not have is nobody's.
    #[must_use]
    pub fn includes(&self, slot: ThreadSlot) -> bool {
        match self.who {
            Who::Process(process) => self.table.thread(slot).is_some() && self.table.process_of(slot) == process,
            Who::Thread(dead) => dead == slot,
        }
    }

    /// The slots of the dead.
    pub fn slots(&self) -> impl Iterator<Item = ThreadSlot> + use<> {
        let (first, count) = match self.who {
            Who::Process(process) => (process * self.table.threads_per_process(), self.table.threads_per_process()),
            Who::Thread(ThreadSlot(slot)) => (usize::from(slot), 1),
        };
        (first..first + count).filter_map(|slot| u16::try_from(slot).ok().map(ThreadSlot))
    }
}

/// An object that the dead may have left unfinished.
pub trait Repair {
    /// Completes or undoes whatever the dead left in this object. Idempotent; several may do it at once.
    fn bury(&self, dead: &Dead<'_>);

    /// Wakes who sleeps on this object: everybody, or one, where that one wakes the next or nobody else can sleep there.
    fn wake_all(&self);
}

/// The objects of a region.
pub trait Objects {
    /// Calls `visit` for every object that exists.
    fn for_each(&self, visit: &mut dyn FnMut(&dyn Repair));

    /// Wakes who sleeps on one object, if it exists, as [`Repair::wake_all`] does.
    fn wake(&self, object: ObjectId);
}

/// Someone who looks after the dead, with the word in which its hazard stands.
#[derive(Clone, Copy)]
pub struct Undertaker<'a> {
    table: Participants<'a>,
    objects: &'a dyn Objects,
    hazard: &'a AtomicU32,
    has_exited: &'a dyn Fn(usize) -> bool,
}

impl core::fmt::Debug for Undertaker<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Undertaker").field("hazard", &self.hazard).finish_non_exhaustive()
    }
}

impl<'a> Undertaker<'a> {
    /// An undertaker over a region. `has_exited` says whether a process, by index, is known to have exited as a whole.
    #[must_use]
    pub fn new(
        table: Participants<'a>,
        objects: &'a dyn Objects,
        hazard: &'a AtomicU32,
        has_exited: &'a dyn Fn(usize) -> bool,
    ) -> Self {
        Self { table, objects, hazard, has_exited }
    }

    /// Looks after every process that died, as far as it can be done now. Never blocks.
    ///
    /// Returns whether some process is announced dead but has threads that may still run.
    pub fn survey(&self) -> bool {
        let mut unfinished = false;
        for index in 0..self.table.processes().len() {
            unfinished |= !self.look_after(index);
        }
        unfinished
    }

    /// Looks after one process. False: it is dead, but not all of its threads are known to have stopped.
    pub fn look_after(&self, index: usize) -> bool {
        let Some(entry) = self.table.processes().get(index) else { return true };
        // Acquire: pairs with every swing; the state's data is seen.
        let mut word = ProcessWord::from_bits(entry.word.load(Ordering::Acquire));
        let claim = ProcessClaim { index, generation: word.generation };
        if matches!(word.state, ProcessState::Init | ProcessState::Live) {
            // Relaxed: nothing is done before the fence below, which acquires what the mark published.
            if entry.life.word().load(Ordering::Relaxed) & LIFE_DIED == 0 {
                return true;
            }
            self.table.swing(claim, word.state, ProcessState::Dead);
            // dead here: other keepers sleep on this word with the kernel's one wake spent; our own mark wakes them.
            futex_wake(entry.life.word(), u32::MAX);
            // Relaxed: as above; INIT may have become LIVE before the swing.
            word = ProcessWord::from_bits(entry.word.load(Ordering::Relaxed));
            if word.generation != claim.generation {
                return true;
            }
        }
        match word.state {
            ProcessState::Dead => {
                // SeqCst: pairs with the fence of a thread that claims a slot: it sees DEAD, or we see its life word.
                fence(Ordering::SeqCst);
                if !self.all_stopped(index) {
                    return false;
                }
                self.walk_process(claim);
                true
            }
            ProcessState::Walked => {
                self.free(claim);
                true
            }
            // INIT or LIVE: opened between our two looks; the mark is there and the next look finds it.
            ProcessState::Init | ProcessState::Live => self.look_after(index),
            ProcessState::Free => true,
        }
    }

    /// Whether no thread of the process can run any more.
    fn all_stopped(&self, process: usize) -> bool {
        let mut exited = None;
        self.table.block(process).iter().all(|thread| {
            // Relaxed: the fence in walk_process acquires what the mark, or the release of the slot, published.
            let life = thread.life.word().load(Ordering::Relaxed);
            life & LIFE_ID_MASK == 0 || *exited.get_or_insert_with(|| (self.has_exited)(process))
        })
    }

    fn walk_process(&self, claim: ProcessClaim) {
        let named = u32::try_from(claim.index + 1).unwrap_or(u32::MAX);
        // Relaxed: the fence orders it.
        self.hazard.store(named, Ordering::Relaxed);
        // SeqCst: pairs with the fence in `free`: the freer sees the hazard, or we see that the entry is not DEAD. It also
        // acquires what the marks published that all_stopped saw.
        fence(Ordering::SeqCst);
        if self.is_dead(claim) {
            self.walk(&Dead::process(self.table, claim.index));
            // dead here: another keeper finds DEAD and walks again.
            self.table.swing(claim, ProcessState::Dead, ProcessState::Walked);
        }
        // Release: our repairs come before the entry is reused.
        self.hazard.store(0, Ordering::Release);
        // dead here: WALKED; whoever looks next frees it.
        self.free(claim);
    }

    fn is_dead(&self, claim: ProcessClaim) -> bool {
        let dead = ProcessWord { generation: claim.generation, state: ProcessState::Dead }.to_bits();
        // Relaxed: the fences order it, and that it is DEAD is no news.
        self.table.processes().get(claim.index).is_some_and(|entry| entry.word.load(Ordering::Relaxed) == dead)
    }

    fn free(&self, claim: ProcessClaim) {
        // SeqCst: pairs with the fence in walk_process, and with that of another who frees: of two walkers that end at
        // the same time, at least one sees that the other's hazard is gone.
        fence(Ordering::SeqCst);
        if !is_under_repair(&self.table, claim.index) {
            self.table.swing(claim, ProcessState::Walked, ProcessState::Free);
        }
    }

    /// Repairs every object for the dead, then wakes those who sleep.
    fn walk(&self, dead: &Dead<'_>) {
        self.objects.for_each(&mut |object| object.bury(dead));
        // dead here: repaired, nobody woken; the word is still DEAD and the next walker wakes them.
        // SeqCst: pairs with the fence in waiting::Caller::sleep.
        fence(Ordering::SeqCst);
        let mut woken = None;
        for thread in self.table.threads() {
            // Relaxed: the fences order it.
            match Waiting::from_bits(thread.waiting.load(Ordering::Relaxed)) {
                Waiting::Nothing => {}
                // Whoever slept on it before it was repaired has been woken with the one before.
                Waiting::Object(object) if woken == Some(object) => {}
                Waiting::Object(object) => {
                    self.objects.wake(object);
                    woken = Some(object);
                }
                Waiting::Several => {
                    // Relaxed: the fence publishes the repairs to whoever loads the bell before it looks at its objects.
                    thread.bell.fetch_add(1, Ordering::Relaxed);
                    // One: nobody else sleeps on it.
                    futex_wake(&thread.bell, 1);
                }
            }
        }
    }

    /// Repairs what a single thread left that died, or ended, while its process lives on.
    ///
    /// The caller owns the slot's life word, so nobody else repairs or reuses it meanwhile.
    pub fn bury_thread(&self, slot: ThreadSlot) {
        self.walk(&Dead::thread(self.table, slot));
    }

    /// Looks for single threads that died in living processes, and repairs what they left.
    ///
    /// Nobody is told of such deaths (a thread that ends normally repairs its own leavings); a sleeper whose wait took
    /// long looks for them here.
    pub fn look_for_lone_dead(&self) {
        for (index, thread) in self.table.threads().iter().enumerate() {
            let Ok(index) = u16::try_from(index) else { return };
            // Relaxed, both: hints; walk_lone_thread looks again, and an old `walked` is not old at the next look.
            let marked = thread.life.word().load(Ordering::Relaxed) & LIFE_DIED != 0;
            if marked && thread.walked.load(Ordering::Relaxed) == 0 {
                self.walk_lone_thread(thread, ThreadSlot(index));
            }
        }
    }

    fn walk_lone_thread(&self, thread: &ThreadEntry, slot: ThreadSlot) {
        let index = self.table.process_of(slot);
        // Relaxed: the fence orders it.
        self.hazard.store(u32::try_from(index + 1).unwrap_or(u32::MAX), Ordering::Relaxed);
        // SeqCst: pairs with the fence of whoever claims this slot: it sees the hazard, or we see that the mark is gone;
        // and with the fence in `free`: the freer sees the hazard, or we see that the entry is WALKED.
        fence(Ordering::SeqCst);
        // The word first: in an entry that is being claimed anew, the marks are those of its last owner.
        let owned = matches!(self.word_of(index).state, ProcessState::Live | ProcessState::Dead);
        // Acquire: pairs with the mark.
        if owned && thread.life.word().load(Ordering::Acquire) & LIFE_DIED != 0 {
            self.walk(&Dead::thread(self.table, slot));
            // Relaxed: a hint; who misses it walks once more.
            thread.walked.store(1, Ordering::Relaxed);
        }
        // Release: as in walk_process.
        self.hazard.store(0, Ordering::Release);
        // SeqCst: pairs with the fence in `free`: who wanted to free the entry saw that our hazard is gone, or we see
        // that it is WALKED.
        fence(Ordering::SeqCst);
        let word = self.word_of(index);
        if word.state == ProcessState::Walked {
            self.free(ProcessClaim { index, generation: word.generation });
        }
    }

    fn word_of(&self, index: usize) -> ProcessWord {
        // Acquire: pairs with every swing; the state's data is seen.
        ProcessWord::from_bits(self.table.processes().get(index).map_or(0, |entry| entry.word.load(Ordering::Acquire)))
    }

    /// The words whose change is news to process `own`: calls `watch` for each, with the value that it holds now. False: there is news
    /// already.
    pub fn watch(&self, own: usize, watch: &mut dyn FnMut(WaitOn<'a>)) -> bool {
        for (index, entry) in self.table.processes().iter().enumerate().filter(|(index, _)| *index != own) {
            // Relaxed: an old word leads to a wait on one that has changed, or to another look.
            let word = ProcessWord::from_bits(entry.word.load(Ordering::Relaxed));
            match word.state {
                ProcessState::Free => {}
                // The walker that was in the way is gone, and perhaps died without freeing the entry.
                ProcessState::Walked if !is_under_repair(&self.table, index) => return false,
                ProcessState::Walked => {}
                ProcessState::Init | ProcessState::Live => {
                    // Relaxed: only compared; look_after reads it again.
                    let life = entry.life.word().load(Ordering::Relaxed);
                    if life & LIFE_DIED != 0 {
                        return false;
                    }
                    watch(WaitOn { word: entry.life.word(), expected: life });
                }
                ProcessState::Dead => {
                    let running = self.table.block(index).iter().find_map(|thread| {
                        // Relaxed: as above.
                        let life = thread.life.word().load(Ordering::Relaxed);
                        (life & LIFE_ID_MASK != 0).then_some(WaitOn { word: thread.life.word(), expected: life })
                    });
                    match running {
                        Some(on) => watch(on),
                        None => return false,
                    }
                }
            }
        }
        true
    }
}

/// What became of the wish to take the place of a process that died.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Succession {
    /// The entry is the caller's, as from [`claim_process`](Participants::claim_process).
    Claimed(ProcessClaim),
    /// Somebody died and is still dying, or somebody else is at it: it is worth another try.
    TooEarly,
    /// Nobody died.
    NoneDied,
}

/// Claims the entry of a process that died, for the calling keeper, whose id is `id`: for when no entry is free, because
/// whoever would have freed one is late, or dead too.
pub fn succeed_the_dead(
    table: Participants<'_>,
    objects: &dyn Objects,
    has_exited: &dyn Fn(usize) -> bool,
    id: u32,
    list: &mut dyn RobustList,
) -> Succession {
    let mut outcome = Succession::NoneDied;
    for (index, entry) in table.processes().iter().enumerate() {
        let undertaker = Undertaker::new(table, objects, &entry.hazard, has_exited);
        // The word first: a mark that is seen after it is of this generation, or of a later one, which cannot be swung.
        let word = undertaker.word_of(index);
        let has_owner = matches!(word.state, ProcessState::Init | ProcessState::Live);
        // Relaxed: take_dead_life looks again.
        let is_marked = entry.life.word().load(Ordering::Relaxed) & LIFE_DIED != 0;
        if has_owner && !is_marked {
            continue;
        }
        // If it is not marked, somebody else is at it, who may yet give it up.
        outcome = Succession::TooEarly;
        if has_owner {
            // Before we hide the mark: from DEAD on nobody needs it.
            table.swing(ProcessClaim { index, generation: word.generation }, word.state, ProcessState::Dead);
            // dead here: whoever got the kernel's wake for the mark finds DEAD.
        }
        if !table.take_dead_life(entry, id, list) {
            continue;
        }
        undertaker.look_after(index);
        if let Some(claim) = table.begin(index, entry) {
            return Succession::Claimed(claim);
        }
        table.return_dead_life(entry, list);
    }
    outcome
}

/// Whether a walker that may still run has published a hazard for the process.
pub(super) fn is_under_repair(table: &Participants<'_>, process: usize) -> bool {
    let named = u32::try_from(process + 1).unwrap_or(u32::MAX);
    // Relaxed, all: the fence below acquires it.
    let names = |hazard: &AtomicU32, life: &AtomicU32| {
        hazard.load(Ordering::Relaxed) == named && life.load(Ordering::Relaxed) & LIFE_ID_MASK != 0
    };
    let under_repair = table.processes().iter().enumerate().any(|(index, entry)| {
        let by_keeper = names(&entry.hazard, entry.life.word());
        (by_keeper || table.block(index).iter().any(|thread| names(&thread.hazard, thread.life.word())))
            // Of a process that was repaired itself, every thread has stopped.
            && !matches!(
                ProcessWord::from_bits(entry.word.load(Ordering::Relaxed)).state,
                ProcessState::Free | ProcessState::Walked
            )
    });
    // Acquire: pairs with the Release that takes a hazard back, or with the mark that voids it: those repairs are over.
    fence(Ordering::Acquire);
    under_repair
}

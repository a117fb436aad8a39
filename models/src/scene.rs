//! A region in miniature: participants, one object, and what kernel and undertaker do when somebody is killed.

use crate::world::{Death, World};
use selvedge::primitives::participants::{
    Membership, ProcessClaim, ProcessEntry, ProcessWord, RobustList, ThreadEntry,
};
use selvedge::primitives::undertaker::{Objects, Undertaker};
use selvedge::primitives::waiting::{Caller, ObjectId, Wait};
use selvedge::primitives::{Participants, ThreadSlot};
use selvedge::sync::{LifeWord, futex_waitv};
use std::sync::{Arc, Mutex, MutexGuard, TryLockError};

pub use selvedge::primitives::undertaker::{Dead, Repair};

/// The object of a [`Scene`].
pub const OBJECT: ObjectId = ObjectId(0);

/// Processes of one thread each, every one a lane of the model, and as many undertakers' processes as may be needed.
pub struct Scene<O> {
    membership: Membership,
    processes: Vec<ProcessEntry>,
    threads: Vec<ThreadEntry>,
    lanes: usize,
    /// The object that they share.
    pub object: O,
}

/// Undertakers of other processes that can be killed in turn.
const UNDERTAKERS: usize = 2;

/// A robust list that needs no upkeep: the model's kernel marks every word that bears the dead thread's id.
#[derive(Debug)]
pub struct NoList;

impl RobustList for NoList {
    fn pending(&mut self, _word: Option<&LifeWord>) {}
    fn link(&mut self, _word: &LifeWord) {}
    fn unlink(&mut self, _word: &LifeWord) {}
}

/// The id of the keeper of a process.
fn keeper_id(process: usize) -> u32 {
    u32::try_from(process).unwrap_or(0) + 100
}

/// The id of the thread of a lane, as `life_id` has it.
fn thread_id(lane: usize) -> u32 {
    u32::try_from(lane).unwrap_or(0) + 1
}

impl<O: Repair + Send + Sync + 'static> Scene<O> {
    /// A region with `lanes` processes attached.
    #[must_use]
    pub fn new(lanes: usize, object: O) -> Arc<Self> {
        let total = lanes + UNDERTAKERS;
        let scene = Self {
            membership: Membership::new(),
            processes: (0..total).map(|_| ProcessEntry::new()).collect(),
            threads: (0..total).map(|_| ThreadEntry::new()).collect(),
            lanes,
            object,
        };
        for lane in 0..total {
            let claim = scene.table().claim_process(keeper_id(lane), &mut NoList).expect("an entry is free");
            assert!(scene.table().open_process(claim), "nobody announced it dead");
            let thread = scene.table().claim_thread(claim, thread_id(lane), &mut NoList).expect("a slot is free");
            assert_eq!(usize::from(thread.slot.0), lane);
        }
        Arc::new(scene)
    }

    /// As [`new`](Self::new), with the usual answer to a death.
    #[must_use]
    pub fn in_world(world: &mut World, lanes: usize, object: O) -> Arc<Self> {
        let scene = Self::new(lanes, object);
        let (marked, repaired) = (Arc::clone(&scene), Arc::clone(&scene));
        world.on_death(move |death| marked.kernel(death), move |death| repaired.undertaker(death));
        scene
    }

    /// The participants.
    #[must_use]
    pub fn table(&self) -> Participants<'_> {
        Participants::new(&self.membership, &self.processes, &self.threads).expect("the numbers fit")
    }

    /// The slot of a lane.
    #[must_use]
    pub fn slot(&self, lane: usize) -> ThreadSlot {
        ThreadSlot(u16::try_from(lane).expect("few lanes"))
    }

    /// A lane as caller: no backstop, so that every wake-up has to come from a wake.
    #[must_use]
    pub fn caller(&self, lane: usize) -> Caller<'_> {
        Caller { table: self.table(), objects: self, slot: self.slot(lane), wait: Wait::Block, backstop: None }
    }

    /// The process of a lane.
    #[must_use]
    pub fn process(&self, lane: usize) -> ProcessClaim {
        let word = ProcessWord::from_bits(self.processes[lane].word.peek());
        ProcessClaim { index: lane, generation: word.generation }
    }

    /// Another process comes into the place of a lane, which has died and been repaired.
    #[must_use]
    pub fn attach_again(&self, lane: usize) -> ProcessClaim {
        let claim = self.table().claim_process(keeper_id(lane), &mut NoList).expect("an entry is free");
        assert!(self.table().open_process(claim), "nobody announced it dead");
        assert_eq!(claim.index, lane);
        claim
    }

    /// The kernel's part in a lane's death: the keeper of its process has stopped, and so has its thread.
    pub fn mark(&self, lane: usize) {
        self.processes[lane].life.mark_as_kernel(keeper_id(lane));
        self.threads[lane].life.mark_as_kernel(thread_id(lane));
    }

    /// The kernel's part in the death of a lane, or of the undertaker that looked after it.
    pub fn kernel(&self, death: Death) {
        self.mark(match death.undertakers_lost {
            0 => death.victim,
            lost => self.undertaker_of(death.victim, lost - 1),
        });
    }

    /// The process that looks after a lane when so many others have died of it. Two lanes that are killed, the one
    /// after the other in number, are looked after by different ones: a process has one keeper and one hazard.
    fn undertaker_of(&self, victim: usize, lost: usize) -> usize {
        self.lanes + (victim + lost) % UNDERTAKERS
    }

    /// A living undertaker's part: it looks after the lane, and after the undertaker that died before it.
    pub fn undertaker(&self, death: Death) {
        let undertaker = self.undertaker_of(death.victim, death.undertakers_lost);
        self.undertake(undertaker, death.victim);
        if let Some(lost) = death.undertakers_lost.checked_sub(1) {
            self.undertake(undertaker, self.undertaker_of(death.victim, lost));
        }
    }

    /// What the thread of a lane does when it ends: it repairs what it leaves, in its own name.
    pub fn end_of_thread(&self, lane: usize) {
        let hazard = &self.threads[lane].hazard;
        Undertaker::new(self.table(), self, hazard, &|_| false).bury_thread(self.slot(lane));
    }

    /// What the keeper of process `undertaker` does about the death of process `dead`.
    pub fn undertake(&self, undertaker: usize, dead: usize) {
        let hazard = &self.processes[undertaker].hazard;
        let undertaker = Undertaker::new(self.table(), self, hazard, &|_| false);
        while !undertaker.look_after(dead) {
            let mut words = Vec::new();
            if undertaker.watch(usize::MAX, &mut |on| words.push(on)) {
                futex_waitv(&words, None);
            }
        }
    }
}

impl<O: Repair> Objects for Scene<O> {
    fn for_each(&self, visit: &mut dyn FnMut(&dyn Repair)) {
        visit(&self.object);
    }

    fn wake(&self, object: ObjectId) {
        if object == OBJECT {
            self.object.wake_all();
        }
    }
}

impl<O> core::fmt::Debug for Scene<O> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Scene").field("lanes", &self.lanes).finish_non_exhaustive()
    }
}

/// What a model notes down outside of the memory that it checks: no step, no ordering. Nobody may hold them over a step: all
/// lanes run on one OS thread, which would wait for itself.
#[derive(Debug, Default)]
pub struct Notes<T>(Mutex<T>);

impl<T> Notes<T> {
    /// The notes.
    ///
    /// # Panics
    /// If a lane holds them over a step.
    pub fn lock(&self) -> MutexGuard<'_, T> {
        match self.0.try_lock() {
            Ok(notes) => notes,
            Err(TryLockError::Poisoned(notes)) => notes.into_inner(),
            Err(TryLockError::WouldBlock) => panic!("a lane holds notes over a step of the model"),
        }
    }
}

//! The entries in which participants stand: their words, and what these mean.

use crate::primitives::choice::RawChoice;
use crate::sync::{AtomicU32, AtomicU64, LifeWord, Ordering};

const STATE_BITS: u32 = 3;
const STATE_MASK: u64 = (1 << STATE_BITS) - 1;

/// What a process entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProcessState {
    /// Anyone may claim it.
    Free,
    /// Claimed; its thread slots are being reset.
    Init,
    /// A process is attached.
    Live,
    /// Its keeper was marked; undertakers are at work.
    Dead,
    /// Repaired; freed when no undertaker works on it any more.
    Walked,
}

/// A process word, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProcessWord {
    /// Counts the claims of the entry.
    pub generation: u64,
    /// What the entry is.
    pub state: ProcessState,
}

impl ProcessWord {
    /// Takes a word apart; a value that no protocol step writes reads as `Walked`, which nobody claims or watches.
    #[must_use]
    pub fn from_bits(bits: u64) -> Self {
        let state = match bits & STATE_MASK {
            0 => ProcessState::Free,
            1 => ProcessState::Init,
            2 => ProcessState::Live,
            3 => ProcessState::Dead,
            _ => ProcessState::Walked,
        };
        Self { generation: bits >> STATE_BITS, state }
    }

    /// Puts it together.
    #[must_use]
    pub fn to_bits(self) -> u64 {
        let state = match self.state {
            ProcessState::Free => 0,
            ProcessState::Init => 1,
            ProcessState::Live => 2,
            ProcessState::Dead => 3,
            ProcessState::Walked => 4,
        };
        (self.generation << STATE_BITS) | state
    }

    /// The same generation in another state.
    #[must_use]
    pub fn with(self, state: ProcessState) -> Self {
        Self { state, ..self }
    }
}

/// What all participants share beside their entries.
#[derive(Debug)]
#[repr(C)]
pub struct Membership {
    /// Changes with every change of membership; every keeper sleeps on it.
    pub ring_seq: AtomicU32,
}

impl Membership {
    /// Nobody yet.
    #[must_use]
    #[track_caller]
    pub fn new() -> Self {
        Self { ring_seq: AtomicU32::new(0) }
    }
}

impl Default for Membership {
    #[track_caller]
    fn default() -> Self {
        Self::new()
    }
}

/// One process.
#[derive(Debug)]
#[repr(C, align(64))]
pub struct ProcessEntry {
    /// On the robust list of the process's keeper.
    pub life: LifeWord,
    /// [`ProcessWord`].
    pub word: AtomicU64,
    /// The process (plus one) whose leavings this one's keeper is repairing.
    pub hazard: AtomicU32,
    /// Process id in the owner's PID namespace; for confirmed exit and for people.
    pub pid: AtomicU32,
    /// Start time of that process in clock ticks since boot, which tells it from a later one with the same id.
    pub start_time: AtomicU64,
    /// The namespaces in which the two mean something; zero if they are not known.
    pub namespaces: AtomicU64,
    /// Which of the last generations left of their own accord, a bit for each; of the others, those that ended died. For
    /// those who watch: no step of any protocol depends on it.
    pub left: AtomicU64,
    /// Named, so that no padding carries what lay on the writer's stack into shared memory.
    reserved: [u64; 6],
}

impl ProcessEntry {
    /// An entry that anyone may claim.
    #[must_use]
    #[track_caller]
    pub fn new() -> Self {
        Self {
            life: LifeWord::new(),
            word: AtomicU64::new(0),
            hazard: AtomicU32::new(0),
            pid: AtomicU32::new(0),
            start_time: AtomicU64::new(0),
            namespaces: AtomicU64::new(0),
            left: AtomicU64::new(0),
            reserved: [0; 6],
        }
    }

    /// For whoever claimed the entry, before it is LIVE: this generation has not left.
    pub fn note_arrival(&self, generation: u64) {
        // Relaxed: whoever asks how this generation ended has seen its word swung, or its mark, and both come after.
        self.left.fetch_and(!left_bit(generation), Ordering::Relaxed);
    }

    /// For the keeper of this generation, before it makes the entry DEAD by itself.
    pub fn note_leaving(&self, generation: u64) {
        // Release: pairs with the Acquire in has_left; who sees the bit sees the generation that it is of. It is published by
        // the swing to DEAD.
        self.left.fetch_or(left_bit(generation), Ordering::Release);
    }

    /// Whether that generation, which the caller has seen ended, left of its own accord. One that has had more than
    /// [`LEFT_KEPT`] successors counts as dead.
    #[must_use]
    pub fn has_left(&self, generation: u64) -> bool {
        // Acquire: pairs with the Release in note_leaving.
        let left = self.left.load(Ordering::Acquire) & left_bit(generation) != 0;
        // Relaxed: not older than the one to which the bit belongs.
        let now = ProcessWord::from_bits(self.word.load(Ordering::Relaxed)).generation;
        left && now.wrapping_sub(generation) <= LEFT_KEPT
    }
}

/// Of an entry's generations, so many before the present one are known to have left or died.
pub const LEFT_KEPT: u64 = 63;

fn left_bit(generation: u64) -> u64 {
    1 << (generation % (LEFT_KEPT + 1))
}

impl Default for ProcessEntry {
    #[track_caller]
    fn default() -> Self {
        Self::new()
    }
}

/// One thread of a process.
#[derive(Debug)]
#[repr(C, align(64))]
pub struct ThreadEntry {
    /// On the thread's own robust list.
    pub life: LifeWord,
    /// The object (plus one) on which the thread sleeps or is about to.
    pub waiting: AtomicU32,
    /// Rung for a thread that sleeps on several objects at once.
    pub bell: AtomicU32,
    /// The process (plus one) whose leavings this thread is repairing.
    pub hazard: AtomicU32,
    /// Whether what the marked thread left has been repaired already: a hint that saves walks.
    pub walked: AtomicU32,
    /// Which of several exchanges that the thread has posted is done.
    pub choice: RawChoice,
}

impl ThreadEntry {
    /// A slot that nobody uses.
    #[must_use]
    #[track_caller]
    pub fn new() -> Self {
        Self {
            life: LifeWord::new(),
            waiting: AtomicU32::new(0),
            bell: AtomicU32::new(0),
            hazard: AtomicU32::new(0),
            walked: AtomicU32::new(0),
            choice: RawChoice::new(),
        }
    }
}

impl Default for ThreadEntry {
    #[track_caller]
    fn default() -> Self {
        Self::new()
    }
}

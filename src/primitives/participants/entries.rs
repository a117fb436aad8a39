//! The entries in which participants stand: their words, and what these mean.

use crate::sync::{AtomicU32, AtomicU64, LifeWord};

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
    /// Named, so that no padding carries what lay on the writer's stack into shared memory.
    reserved: [u64; 7],
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
            reserved: [0; 7],
        }
    }
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
    /// As in [`ProcessEntry`].
    reserved: [u32; 2],
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
            reserved: [0; 2],
        }
    }
}

impl Default for ThreadEntry {
    #[track_caller]
    fn default() -> Self {
        Self::new()
    }
}

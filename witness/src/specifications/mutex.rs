//! A mutex has an owner or none; a dead owner leaves it to an heir, who is told.

use crate::specification::{Call, Effect, Specification};
use core::fmt;

/// A mutex that nobody holds at first.
#[derive(Clone, Copy, Debug)]
pub struct Mutex;

/// What can be done with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MutexOperation {
    /// Lock it, and wait for it.
    Lock,
    /// Lock it if nobody holds it.
    TryLock,
    /// Unlock it, by who holds it; the data is in order.
    Unlock,
    /// Unlock it, by who holds it; the data is not in order, and nobody may have it until it is reset.
    GiveUp,
    /// Take it from the state in which nobody may have it.
    Reset,
    /// The thread has died. It may be a long time after that until others can know.
    Die,
}

/// What comes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MutexOutcome {
    /// It was done; of a lock: from somebody who unlocked it.
    Done,
    /// It was locked, and its last owner has died.
    OwnerDied,
    /// Somebody holds it.
    WouldBlock,
    /// The caller holds it.
    Relocked,
    /// Nobody may have it; of a reset: it was not in that state.
    Refused,
}

/// What a mutex is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MutexState {
    /// Nobody holds it.
    Unlocked,
    /// That thread holds it.
    Held(usize),
    /// Its owner has died.
    Orphaned,
    /// An heir gave it up.
    GivenUp,
}

impl Specification for Mutex {
    type Operation = MutexOperation;
    type Outcome = MutexOutcome;
    type State = MutexState;

    fn initial(&self) -> MutexState {
        MutexState::Unlocked
    }

    fn apply(&self, state: &MutexState, call: Call<'_, MutexOperation>) -> Vec<Effect<Self>> {
        use MutexOperation::{Die, GiveUp, Lock, Reset, TryLock, Unlock};
        use MutexOutcome::{Done, OwnerDied, Refused, Relocked, WouldBlock};
        use MutexState::{GivenUp, Held, Orphaned, Unlocked};
        let me = Held(call.thread);
        match (call.operation, *state) {
            (Lock | TryLock, Unlocked) => vec![(Done, me)],
            (Lock | TryLock, Orphaned) => vec![(OwnerDied, me)],
            (Lock | TryLock, GivenUp) => vec![(Refused, GivenUp)],
            (TryLock, held) => vec![(WouldBlock, held)],
            (Lock, held) if held == me => vec![(Relocked, held)],
            (Unlock, held) if held == me => vec![(Done, Unlocked)],
            (GiveUp, held) if held == me => vec![(Done, GivenUp)],
            (Reset, GivenUp) => vec![(Done, me)],
            (Reset, other) => vec![(Refused, other)],
            (Die, held) if held == me => vec![(Done, Orphaned)],
            (Die, other) => vec![(Done, other)],
            (Lock | Unlock | GiveUp, _) => Vec::new(),
        }
    }

    /// Whoever gets it knows what everybody did who had it before.
    fn publishes(&self, earlier: (&MutexOperation, &MutexOutcome), later: (&MutexOperation, &MutexOutcome)) -> bool {
        use MutexOperation::{Die, GiveUp, Lock, Reset, TryLock, Unlock};
        let gets_it = matches!(later, (Lock | TryLock, MutexOutcome::Done | MutexOutcome::OwnerDied))
            || later == (&Reset, &MutexOutcome::Done);
        gets_it
            && match later.1 {
                MutexOutcome::OwnerDied => matches!(earlier.0, Unlock | GiveUp | Die),
                // Of those that died without having it nobody need know.
                _ => matches!(earlier.0, Unlock | GiveUp),
            }
    }
}

impl fmt::Display for MutexOperation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Lock => "lock",
            Self::TryLock => "try_lock",
            Self::Unlock => "unlock",
            Self::GiveUp => "give up",
            Self::Reset => "reset",
            Self::Die => "DIES",
        })
    }
}

impl fmt::Display for MutexOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Done => "done",
            Self::OwnerDied => "owner died",
            Self::WouldBlock => "would block",
            Self::Relocked => "relocked",
            Self::Refused => "refused",
        })
    }
}

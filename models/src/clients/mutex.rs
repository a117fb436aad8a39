//! Clients of the mutex.

use super::object::{Object, Operation, Past};
use crate::scene::{OBJECT, Scene};
use crate::subject::Lock as Locking;
use selvedge::primitives::mutex::{Acquired, Leaves, LockError};
use selvedge::primitives::undertaker::{Dead, Repair};
use selvedge_witness::specifications::MutexOperation::{self, Die, GiveUp, Lock, Reset, TryLock, Unlock};
use selvedge_witness::specifications::{Mutex, MutexOutcome};

/// A mutex, be it the real one or a mutant.
pub(crate) struct Unlocked<L>(L);

/// Who may unlock: a thread that has it. Who may give it up: one that got it from the dead, or reset it.
fn holds(past: &[(MutexOperation, MutexOutcome)]) -> Option<MutexOutcome> {
    past.iter().fold(None, |held, (operation, outcome)| match (operation, outcome) {
        (Lock | TryLock, MutexOutcome::Done) => Some(MutexOutcome::Done),
        (Lock | TryLock, MutexOutcome::OwnerDied) | (Reset, MutexOutcome::Done) => Some(MutexOutcome::OwnerDied),
        (Unlock | GiveUp, _) => None,
        _ => held,
    })
}

impl<L: Locking> Object for Unlocked<L> {
    type Spec = Mutex;
    const NAME: &'static str = "mutex";

    fn specification(_threads: usize) -> Mutex {
        Mutex
    }

    /// Without a death nobody inherits it, and nobody gives it up.
    fn letters(kills: bool) -> Vec<fn(u32) -> MutexOperation> {
        let mut letters: Vec<fn(u32) -> MutexOperation> = vec![|_| Lock, |_| TryLock, |_| Unlock];
        if kills {
            letters.extend([|_| GiveUp, |_| Reset] as [fn(u32) -> MutexOperation; 2]);
        }
        letters
    }

    fn new(_program: &[Vec<Operation<Self>>]) -> Self {
        Self(L::new())
    }

    fn perform(scene: &Scene<Self>, lane: usize, operation: MutexOperation) -> MutexOutcome {
        let mutex = &scene.object.0;
        let locked = match operation {
            Lock => mutex.lock(&scene.caller(lane), OBJECT, None),
            TryLock => mutex.try_lock(scene.slot(lane)),
            Unlock | GiveUp => {
                mutex.unlock(if operation == Unlock { Leaves::Consistent } else { Leaves::Inconsistent });
                Ok(Acquired::Clean)
            }
            Reset => mutex.reset(scene.slot(lane)).then_some(Acquired::Clean).ok_or(LockError::NotRecoverable),
            Die => unreachable!("nobody calls it"),
        };
        match locked {
            Ok(Acquired::Clean) => MutexOutcome::Done,
            Ok(Acquired::OwnerDied) => MutexOutcome::OwnerDied,
            Err(LockError::WouldBlock) => MutexOutcome::WouldBlock,
            Err(LockError::Relocked) => MutexOutcome::Relocked,
            Err(LockError::NotRecoverable) => MutexOutcome::Refused,
            Err(LockError::TimedOut) => unreachable!("there is no deadline"),
        }
    }

    fn may(past: &Past<Self>, operation: MutexOperation) -> bool {
        match operation {
            Unlock => holds(past).is_some(),
            GiveUp => holds(past) == Some(MutexOutcome::OwnerDied),
            _ => true,
        }
    }

    /// What is unlocked has been locked before.
    fn can(word: &[MutexOperation]) -> bool {
        let Some((last, before)) = word.split_last() else { return true };
        let since = before.iter().rev().take_while(|operation| !matches!(operation, Unlock | GiveUp));
        !matches!(last, Unlock | GiveUp)
            || since.into_iter().any(|operation| matches!(operation, Lock | TryLock | Reset))
    }

    fn death() -> Option<(MutexOperation, MutexOutcome)> {
        Some((Die, MutexOutcome::Done))
    }
}

impl<L: Locking> Repair for Unlocked<L> {
    fn bury(&self, dead: &Dead<'_>) {
        self.0.bury(dead);
    }

    fn wake_all(&self) {
        self.0.wake_all();
    }
}

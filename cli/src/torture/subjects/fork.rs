//! Fork without exec: a child of somebody who is attached is refused, drops an inherited guard without effect, and can
//! attach by itself; the lock stays its parent's.

use crate::torture::fault::{Fault, Outcome};
use crate::torture::hand::Hand;
use crate::torture::journal::{Lane, Phase};
use crate::torture::process::{self, Ending};
use crate::torture::subject::{Subject, View};
use crate::torture::worker;
use selvedge::Region;
use selvedge::region::{LockError, Mutex, MutexGuard, Unusable};
use std::ptr;
use std::time::Duration;

const POINTS: &[&str] = &["in lock", "has it", "its child is there", "its child is gone"];
const IN_LOCK: usize = 0;
const HAS_IT: usize = 1;
const CHILD_IS_THERE: usize = 2;
const CHILD_IS_GONE: usize = 3;

/// How often a turn forks: once in so many.
const RARELY: u64 = 4;
/// How long an inspector waits for what takes no time.
const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Default)]
pub(crate) struct Forks {
    open: Option<(Mutex<u64>, Region)>,
}

impl Forks {
    fn open(&self) -> Outcome<&(Mutex<u64>, Region)> {
        self.open.as_ref().ok_or_else(|| Fault::new("a worker took a turn and was not attached"))
    }
}

/// What the child does with what it has inherited, and by itself.
fn child(mutex: &Mutex<u64>, inherited: MutexGuard<'_, u64>, name: &str) -> Outcome {
    match mutex.try_lock() {
        Err(LockError::Unusable(Unusable::ForkedChild, _)) => {}
        Err(error) => return Err(Fault::refused("in a forked child: lock", error)),
        Ok(_) => return Err(Fault::new("a forked child locked an inherited mutex")),
    }
    drop(inherited);
    let region = worker::options(1).open(name).map_err(|error| Fault::refused("in a forked child: open", error))?;
    let mutex = region.mutex("fork", 0_u64).map_err(|error| Fault::refused("in a forked child: mutex", error))?;
    match mutex.try_lock() {
        Err(LockError::WouldBlock) => Ok(()),
        // Its parent is dead, and it is about to die too.
        Err(LockError::OwnerDied(mut guard)) => {
            guard.mark_consistent();
            Ok(())
        }
        Err(error) => Err(Fault::refused("in a forked child: lock after attaching", error)),
        Ok(_) => Err(Fault::new("a forked child got the lock that its parent holds")),
    }
}

impl Subject for Forks {
    fn name(&self) -> &'static str {
        "fork"
    }

    fn points(&self) -> &'static [&'static str] {
        POINTS
    }

    fn attach(&mut self, region: &Region) -> Outcome {
        let mutex = region.mutex("fork", 0).map_err(|error| Fault::refused("mutex", error))?;
        self.open = Some((mutex, region.clone()));
        Ok(())
    }

    fn detach(&mut self) {
        self.open = None;
    }

    fn work(&mut self, hand: &mut Hand<'_>) -> Outcome {
        // A child that comes and goes wakes everybody.
        if hand.journal.phase() != Phase::Work || !hand.numbers.once_in(RARELY) {
            return Ok(());
        }
        let (mutex, region) = self.open()?;
        let mut guard = match hand.call(IN_LOCK, || mutex.try_lock()) {
            Ok(guard) => guard,
            Err(LockError::OwnerDied(mut guard)) => {
                guard.mark_consistent();
                guard
            }
            Err(LockError::WouldBlock) => return Ok(()),
            Err(error) => return Err(Fault::refused("lock", error)),
        };
        *guard = hand.identity();
        hand.at(HAS_IT);
        let (lane, name) = (hand.lane, region.name().unwrap_or_default());
        let forked = process::fork(|| {
            // SAFETY: the child's copy of the guard, which its parent's is no part of; it exits without dropping the
            // original.
            let inherited = unsafe { ptr::read(&raw const guard) };
            child(mutex, inherited, name).inspect_err(|fault| lane.say(&fault.to_string())).map_or(1, |()| 0)
        });
        let pid = forked.map_err(|error| Fault::refused("fork", error))?;
        hand.at(CHILD_IS_THERE);
        let ending = process::reap(pid);
        hand.at(CHILD_IS_GONE);
        if ending != Ending::DONE {
            return Err(Fault::new(format!("a forked child ended with {ending:?}: {}", lane.said())));
        }
        if *guard != hand.identity() {
            return Err(Fault::new("somebody else had the lock while a forked child was there"));
        }
        drop(guard);
        Ok(())
    }

    fn bury(&mut self, _view: View<'_>, _lane: &Lane, _point: usize) {}

    fn relieve(&mut self, _view: View<'_>) -> Outcome {
        Ok(())
    }

    fn check(&mut self, _view: View<'_>) -> Outcome {
        let (mutex, _) = self.open()?;
        // The child of somebody who was killed may be on the point of death.
        match mutex.lock_timeout(PATIENCE) {
            Ok(guard) => drop(guard),
            Err(LockError::OwnerDied(mut guard)) => guard.mark_consistent(),
            Err(error) => return Err(Fault::refused("lock, when nobody is there,", error)),
        }
        Ok(())
    }

    fn begin(&mut self, view: View<'_>) {
        view.clear();
    }

    fn state(&self, _view: View<'_>) -> String {
        format!("{:?}", self.open.as_ref().map(|(mutex, _)| mutex))
    }
}

//! The barrier as its members hold it.

use super::core::NoCaller;
use super::error::{ObjectError, ObjectErrorKind, Unusable};
use super::handle::Region;
use super::kind::Kind;
use super::object::{ObjectName, Placed, Request, named_and_waiting, obtain_with};
use crate::primitives::barrier::{self, BarrierError as RawBarrierError, Membership, RawBarrier};
use crate::primitives::registry::Mode;
use crate::primitives::waiting::Wait;
use crate::sync::Deadline;
use core::fmt;
use core::marker::PhantomData;
use core::time::Duration;

pub use crate::primitives::barrier::Passed;

/// A place where a fixed number of threads, of any processes, wait for each other, again and again.
///
/// A thread becomes a member by [`join`](Self::join). When a member dies, or its place is otherwise lost, the barrier is
/// *broken*: whoever waits and whoever comes is told, until somebody [resets](Self::reset) it, which frees the places of the
/// dead. A member that leaves in good order leaves a free place; the others wait until somebody joins and arrives.
///
/// **Memory order.** What each member did before it arrived happens before what any of them does after the round.
///
/// ```
/// use selvedge::Region;
///
/// let region = Region::anonymous()?;
/// let start = region.barrier("start", 2)?;
/// std::thread::scope(|scope| {
///     for _ in 0..2 {
///         scope.spawn(|| start.join().unwrap().wait().unwrap());
///     }
/// });
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Barrier {
    placed: Placed<RawBarrier, ()>,
    wait: Wait,
}

/// Why a thread did not join, or a round was not passed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BarrierError {
    /// A member has died, in this round or before, and nobody has reset the barrier since.
    Broken(ObjectName),
    /// The deadline passed (timed calls only). The arrival was taken back.
    TimedOut,
    /// All places are taken ([`join`](Barrier::join) only).
    Full {
        /// The barrier.
        barrier: ObjectName,
        /// How many places it has.
        members: usize,
    },
    /// The member's place is its own no longer: the process was taken for dead.
    NoMember(ObjectName),
    /// As many threads of this process as the region was made for use it already.
    TooManyThreads {
        /// How many that are.
        limit: u32,
    },
    /// The region of the barrier can be used no longer.
    Unusable(Unusable, ObjectName),
}

impl fmt::Display for BarrierError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Broken(barrier) => write!(f, "barrier {barrier} is broken: a member died"),
            Self::TimedOut => f.write_str("the others had not arrived before the deadline"),
            Self::Full { barrier, members } => write!(f, "the {members} places of barrier {barrier} are taken"),
            Self::NoMember(barrier) => write!(f, "the calling thread is no member of barrier {barrier} any more"),
            Self::TooManyThreads { limit } => {
                write!(f, "the region's {limit} places for threads of this process are taken")
            }
            Self::Unusable(why, barrier) => write!(f, "barrier {barrier}: {why}"),
        }
    }
}

impl std::error::Error for BarrierError {}

named_and_waiting!(Barrier; "barrier");

impl Barrier {
    /// How many members meet.
    #[must_use]
    pub fn members(&self) -> usize {
        self.placed.words().len()
    }

    fn control(&self) -> barrier::Barrier<'_> {
        self.placed.control().with(self.placed.words())
    }

    fn no_caller(&self, error: NoCaller) -> BarrierError {
        match error {
            NoCaller::Unusable(why) => BarrierError::Unusable(why, self.placed.name().clone()),
            NoCaller::TooManyThreads(limit) => BarrierError::TooManyThreads { limit },
        }
    }

    /// Makes the calling thread a member, until the [`Member`] is dropped; never waits.
    ///
    /// # Errors
    /// `Full`, `TooManyThreads`, `Unusable`.
    pub fn join(&self) -> Result<Member, BarrierError> {
        let slot = self.placed.core().slot().map_err(|error| self.no_caller(error))?;
        let full = || BarrierError::Full { barrier: self.placed.name().clone(), members: self.members() };
        let membership = self.control().join(slot).ok_or_else(full)?;
        Ok(Member { barrier: self.clone(), membership, not_send: PhantomData })
    }

    /// Mends a barrier that is broken; never waits. The places of the dead become free, and a new round begins, in which nobody
    /// has arrived; those who waited in the old one are told that it was broken. False: it was not broken.
    ///
    /// # Errors
    /// The region can be used no longer.
    pub fn reset(&self) -> Result<bool, BarrierError> {
        self.check()?;
        Ok(self.control().reset())
    }

    /// Whether it is broken, as of a moment ago; never waits.
    ///
    /// # Errors
    /// The region can be used no longer.
    pub fn is_broken(&self) -> Result<bool, BarrierError> {
        self.check()?;
        Ok(self.control().is_broken())
    }

    fn check(&self) -> Result<(), BarrierError> {
        let usable = self.placed.core().attachment().check();
        usable.map_err(|why| BarrierError::Unusable(why, self.placed.name().clone()))
    }
}

impl fmt::Debug for Barrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Barrier").field("name", &self.name()).field("members", &self.members()).finish_non_exhaustive()
    }
}

/// A thread's place at a [`Barrier`]; dropping it frees the place. It cannot be sent to another thread.
#[must_use = "dropping it frees the place"]
pub struct Member {
    barrier: Barrier,
    membership: Membership,
    not_send: PhantomData<*mut ()>,
}

impl Member {
    /// Waits until all members have arrived, as long as that takes.
    ///
    /// # Errors
    /// `Broken`, `NoMember`, `TooManyThreads`, `Unusable`.
    pub fn wait(&self) -> Result<Passed, BarrierError> {
        self.wait_until(None)
    }

    /// Waits until all members have arrived, at most `timeout`.
    ///
    /// # Errors
    /// `TimedOut`, and as [`wait`](Self::wait).
    pub fn wait_timeout(&self, timeout: Duration) -> Result<Passed, BarrierError> {
        self.wait_until(Some(Deadline::after(timeout)))
    }

    /// Waits until all members have arrived, until `deadline` at most.
    ///
    /// # Errors
    /// `TimedOut`, and as [`wait`](Self::wait).
    pub fn wait_deadline(&self, deadline: Deadline) -> Result<Passed, BarrierError> {
        self.wait_until(Some(deadline))
    }

    fn wait_until(&self, deadline: Option<Deadline>) -> Result<Passed, BarrierError> {
        let barrier = &self.barrier;
        let caller = barrier.placed.core().caller(barrier.wait).map_err(|error| barrier.no_caller(error))?;
        let passed = barrier.control().wait(&caller, barrier.placed.id(), self.membership, deadline);
        passed.map_err(|error| match error {
            RawBarrierError::Broken => BarrierError::Broken(barrier.placed.name().clone()),
            RawBarrierError::TimedOut => BarrierError::TimedOut,
            RawBarrierError::NoMember => BarrierError::NoMember(barrier.placed.name().clone()),
        })
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        // A forked child inherits the parent's place in name only.
        if self.barrier.placed.core().attachment().is_original() {
            self.barrier.control().leave(self.membership);
        }
    }
}

impl fmt::Debug for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Member").field("barrier", &self.barrier.name()).finish_non_exhaustive()
    }
}

impl Region {
    /// The barrier `name` for so many members, made if there is none.
    ///
    /// # Errors
    /// [`ObjectError`]: no members at all, or more than [`RawBarrier::MAX`]; of another kind or number of members; no memory;
    /// too many objects.
    pub fn barrier(&self, name: &str, members: usize) -> Result<Barrier, ObjectError> {
        if members == 0 || members > RawBarrier::MAX {
            let kind = ObjectErrorKind::BadCapacity { given: members as u64, most: RawBarrier::MAX as u64 };
            return Err(ObjectError::new(name, kind));
        }
        let request =
            Request { name, kind: Kind::Barrier, capacity: members, tag: 0, mode: Mode::OpenOrCreate, deadline: None };
        let (placed, _) = obtain_with(self.core(), &request, RawBarrier::new, |_| RawBarrier::place(), |_| ())?;
        Ok(Barrier { placed, wait: Wait::default() })
    }
}

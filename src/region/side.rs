//! One side of a ring, as the thread that has its role holds it.

use super::core::NoCaller;
use super::error::Unusable;
use super::object::{ObjectName, Placed};
use super::patience::Patience;
use crate::primitives::RawRing;
use crate::primitives::ring::{Cursor, ReserveError};
use crate::primitives::role::{ClaimError, Departure, IfGone, Predecessor};
use crate::primitives::waiting::Wait;
use crate::sync::Cell;
use core::fmt;
use core::marker::PhantomData;

/// Why a role was not given.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RoleError {
    /// Another thread has it (non-blocking calls only).
    Taken,
    /// Another thread had it until the deadline (timed calls only).
    TimedOut,
    /// The calling thread has it already.
    AlreadyMine,
    /// The shared memory of the ring or stream of this name contradicts itself.
    Corrupt(ObjectName),
    /// As many threads of this process as the region was made for use it already.
    TooManyThreads {
        /// How many that are.
        limit: u32,
    },
    /// The region of the ring or stream of this name can be used no longer.
    Unusable(Unusable, ObjectName),
}

impl fmt::Display for RoleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Taken => f.write_str("another thread has this end of the ring"),
            Self::TimedOut => f.write_str("another thread had this end of the ring until the deadline"),
            Self::AlreadyMine => f.write_str("the calling thread has this end of the ring already"),
            Self::Corrupt(object) => write!(f, "the shared memory of {object} contradicts itself"),
            Self::TooManyThreads { limit } => {
                write!(f, "the region's {limit} places for threads of this process are taken")
            }
            Self::Unusable(why, object) => write!(f, "{object}: {why}"),
        }
    }
}

impl std::error::Error for RoleError {}

impl RoleError {
    fn no_caller(error: NoCaller, object: &ObjectName) -> Self {
        match error {
            NoCaller::Unusable(why) => Self::Unusable(why, object.clone()),
            NoCaller::TooManyThreads(limit) => Self::TooManyThreads { limit },
        }
    }
}

impl From<ClaimError> for RoleError {
    fn from(error: ClaimError) -> Self {
        match error {
            ClaimError::WouldBlock => Self::Taken,
            ClaimError::TimedOut => Self::TimedOut,
            ClaimError::HeldByCaller => Self::AlreadyMine,
        }
    }
}

/// That nobody has the other end of an object any more, or that who had it died.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerGone {
    /// The ring or stream.
    pub object: ObjectName,
    /// How the other end was left.
    pub how: Departure,
}

impl PeerGone {
    /// What became of it, for messages.
    pub(super) fn verb(&self) -> &'static str {
        match self.how {
            Departure::Closed => "has closed its end",
            Departure::Died => "died",
        }
    }
}

/// Why a side cannot go on now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Obstacle {
    WouldBlock,
    TimedOut,
    Disconnected(Departure),
    Corrupt,
    Unusable(Unusable),
}

impl From<ReserveError> for Obstacle {
    fn from(error: ReserveError) -> Self {
        match error {
            ReserveError::WouldBlock => Self::WouldBlock,
            ReserveError::TimedOut => Self::TimedOut,
            ReserveError::Disconnected(how) => Self::Disconnected(how),
            // More than the ring has slots is asked for by no handle.
            ReserveError::TooMany | ReserveError::Corrupt => Self::Corrupt,
        }
    }
}

/// One side of a ring.
pub(super) struct Side<const SIDE: bool, T: 'static> {
    pub(super) placed: Placed<RawRing, Cell<T>>,
    cursor: Option<Cursor<SIDE>>,
    pub(super) predecessor: Predecessor,
    pub(super) if_gone: IfGone,
    pub(super) wait: Wait,
    /// The role belongs to the thread that claimed it.
    not_send: PhantomData<*mut ()>,
}

impl<const SIDE: bool, T: Copy + Send + Sync + 'static> Side<SIDE, T> {
    pub(super) fn claim(placed: &Placed<RawRing, Cell<T>>, patience: Patience) -> Result<Self, RoleError> {
        let wait = Wait::default();
        let caller = placed.core().caller(wait).map_err(|error| RoleError::no_caller(error, placed.name()))?;
        let ring = placed.control();
        let role = ring.role::<SIDE>();
        let (hold, predecessor) = match patience {
            Patience::None => role.try_claim(caller.slot),
            patience => role.claim(&caller, placed.id(), patience.deadline()),
        }?;
        let capacity = u32::try_from(placed.slots().len()).unwrap_or(0);
        let cursor = ring.open::<SIDE>(hold, capacity).map_err(|_| RoleError::Corrupt(placed.name().clone()))?;
        Ok(Self {
            placed: placed.clone(),
            cursor: Some(cursor),
            predecessor,
            if_gone: IfGone::default(),
            wait,
            not_send: PhantomData,
        })
    }

    pub(super) fn cursor(&self) -> Option<&Cursor<SIDE>> {
        self.cursor.as_ref()
    }

    /// Has at least `least` own slots, as far as patience allows; returns how many there are.
    #[inline]
    pub(super) fn reserve(&mut self, least: u32, patience: Patience) -> Result<u32, Obstacle> {
        let core = self.placed.core();
        let cursor = self.cursor.as_mut().ok_or(Obstacle::Corrupt)?;
        let (ring, id) = (self.placed.control(), self.placed.id());
        let known = match patience {
            Patience::None => {
                core.attachment().check().map_err(Obstacle::Unusable)?;
                ring.try_reserve(cursor, least)?
            }
            patience => {
                let caller = core.caller(self.wait).map_err(|error| match error {
                    NoCaller::Unusable(why) => Obstacle::Unusable(why),
                    // The thread has a slot: it claimed the role.
                    NoCaller::TooManyThreads(_) => Obstacle::Corrupt,
                })?;
                ring.reserve(&caller, id, cursor, least, self.if_gone, patience.deadline())?
            }
        };
        Ok(known)
    }

    /// As [`reserve`](Self::reserve), and then as many own slots as are there, up to `most`.
    pub(super) fn reserve_some(&mut self, least: u32, most: u32, patience: Patience) -> Result<u32, Obstacle> {
        let known = self.reserve(least, patience)?;
        if known >= most {
            return Ok(most);
        }
        let cursor = self.cursor.as_mut().ok_or(Obstacle::Corrupt)?;
        Ok(self.placed.control().refresh(cursor)?.min(most))
    }

    /// The own slot at place `index` of those reserved.
    #[inline]
    pub(super) fn slot(&self, index: u32) -> Option<&Cell<T>> {
        let cursor = self.cursor.as_ref()?;
        let [first, second] = cursor.runs(index.checked_add(1)?);
        let place = if second.is_empty() { first.end.checked_sub(1)? } else { second.end.checked_sub(1)? };
        (index < cursor.known()).then_some(())?;
        self.placed.slots().get(place)
    }

    /// Hands `n` own slots to the peer.
    #[inline]
    pub(super) fn commit(&mut self, n: u32) -> Result<(), Obstacle> {
        let cursor = self.cursor.as_mut().ok_or(Obstacle::Corrupt)?;
        self.placed.control().commit(cursor, n).map_err(|_| Obstacle::Corrupt)
    }
}

impl<const SIDE: bool, T: 'static> Drop for Side<SIDE, T> {
    fn drop(&mut self) {
        // A forked child inherits the parent's handle, not the parent's role.
        if let Some(cursor) = self.cursor.take()
            && self.placed.core().attachment().is_original()
        {
            self.placed.control().close(cursor);
        }
    }
}

impl<const SIDE: bool, T: 'static> fmt::Debug for Side<SIDE, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Side").field("cursor", &self.cursor).finish_non_exhaustive()
    }
}

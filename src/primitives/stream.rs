//! Values and bytes through a ring, by copying.
//!
//! **Purpose.** A [`Stream`] is a [ring](super::ring) with its slots, each of which holds one plain value. Values are
//! pushed and popped one by one, or written and read in batches that become visible, or free, as a whole. A stream of
//! bytes is what a pipe is.
//!
//! **Layout.** None of its own: the ring's control block, and as many slots as the handle says.
//!
//! **Protocol.** Reserve, copy into or out of the own slots, commit; see [`ring`](super::ring).
//!
//! **Invariants.** I1: payload is touched only between reserve and commit, and only in the runs of the own cursor.
//!
//! **Orderings.** None of its own: the ring's commit publishes what was copied.
//!
//! **Death.** While copying: nothing was committed, a successor of the producer overwrites the slots, one of the consumer
//! reads them again. A batch is committed by one store, so a peer sees all of it or nothing; a message that was written
//! in several batches may be cut between two of them, which the peer is told of as its writer's death.
//!
//! **Models.** `stream/*`.
//!
//! **References.** `pipe(7)`, whose writes of up to `PIPE_BUF` bytes are whole; here batches of up to the capacity are.

use super::ring::{CONSUMER, Cursor, NotReserved, PRODUCER, RawRing, ReserveError};
use super::role::IfGone;
use super::waiting::{Caller, ObjectId};
use crate::sync::{Cell, Deadline};
use core::ops::Range;

/// A ring with its slots.
#[derive(Debug)]
pub struct Stream<'a, T> {
    ring: &'a RawRing,
    slots: &'a [Cell<T>],
}

/// What a call that may have to wait needs beside its arguments.
#[derive(Clone, Copy, Debug)]
pub struct Patience<'a> {
    /// Who calls.
    pub caller: &'a Caller<'a>,
    /// The ring, as sleepers name it.
    pub object: ObjectId,
    /// What to make of a peer that went.
    pub if_gone: IfGone,
    /// Until when to wait; `None`: as long as it takes.
    pub deadline: Option<Deadline>,
}

//! What went wrong with a mailbox.

use crate::primitives::right::RightError;
use crate::region::channel::Refusal;
use crate::region::core::NoCaller;
use crate::region::mailbox::ClaimRefusal;
use crate::region::{ObjectName, OsError, Unusable};
use core::fmt;

/// Why a message was not put into a mailbox, or none was taken from it; nothing was done.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MailError {
    /// There is no space, nobody waits at a mailbox of capacity zero, or all buffers are in use (sends that begin with `try` only).
    Full,
    /// There is no message (receives that begin with `try` only).
    Empty,
    /// It could not be done until the deadline (timed calls only).
    TimedOut,
    /// It was closed, and for who receives: what had been sent is received. Of one that ends with its receivers: none is left.
    Closed,
    /// All the memory of the mailbox of this name is in use (sends into unbounded ones only).
    OutOfMemory(ObjectName),
    /// The mailbox has capacity zero: nothing lies in it that could be put aside for others (receives by type only).
    HoldsNothing,
    /// The message is longer than any that the mailbox takes.
    TooLong {
        /// Bytes of its body.
        length: usize,
        /// The most that there can be.
        most: usize,
    },
    /// The shared memory of the mailbox of this name contradicts itself, or a message that was received there says of itself what
    /// cannot be.
    Corrupt(ObjectName),
    /// As many threads of this process as the region was made for use it already.
    TooManyThreads {
        /// How many that are.
        limit: u32,
    },
    /// The region of the mailbox of this name can be used no longer.
    Unusable(Unusable, ObjectName),
    /// The system has no thread to wait for the future, or no descriptor (futures and descriptors only).
    Os(OsError),
}

impl MailError {
    fn new(refusal: Refusal, would_block: Self, name: &ObjectName) -> Self {
        match refusal {
            Refusal::WouldBlock => would_block,
            Refusal::TimedOut => Self::TimedOut,
            Refusal::Disconnected => Self::Closed,
            Refusal::OutOfMemory => Self::OutOfMemory(name.clone()),
            Refusal::Corrupt => Self::Corrupt(name.clone()),
            Refusal::TooManyThreads(limit) => Self::TooManyThreads { limit },
            Refusal::Unusable(why) => Self::Unusable(why, name.clone()),
            Refusal::Os(error) => Self::Os(error),
        }
    }

    pub(super) fn of_send(refusal: Refusal, name: &ObjectName) -> Self {
        Self::new(refusal, Self::Full, name)
    }

    pub(super) fn of_receive(refusal: Refusal, name: &ObjectName) -> Self {
        Self::new(refusal, Self::Empty, name)
    }
}

impl fmt::Display for MailError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full => f.write_str("the mailbox is full"),
            Self::Empty => f.write_str("the mailbox is empty"),
            Self::TimedOut => f.write_str("it could not be done until the deadline"),
            Self::Closed => f.write_str("the mailbox is closed"),
            Self::OutOfMemory(name) => write!(f, "all the memory of mailbox {name} is in use"),
            Self::HoldsNothing => f.write_str("a mailbox of capacity zero keeps nothing for others"),
            Self::TooLong { length, most } => {
                write!(f, "a message of {length} bytes, and the mailbox takes {most} at most")
            }
            Self::Corrupt(name) => write!(f, "the shared memory of mailbox {name} contradicts itself"),
            Self::TooManyThreads { limit } => {
                write!(f, "the region's {limit} places for threads of this process are taken")
            }
            Self::Unusable(why, name) => write!(f, "mailbox {name}: {why}"),
            Self::Os(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for MailError {}

/// Why the right to receive was not had.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClaimError {
    /// Another process has it (non-blocking calls only).
    Taken,
    /// Another process had it until the deadline (timed calls only).
    TimedOut,
    /// This process has it already.
    AlreadyMine,
    /// The mailbox was closed.
    Closed,
    /// As many threads of this process as the region was made for use it already.
    TooManyThreads {
        /// How many that are.
        limit: u32,
    },
    /// The region of the mailbox of this name can be used no longer.
    Unusable(Unusable, ObjectName),
}

impl ClaimError {
    pub(super) fn new(refusal: ClaimRefusal, name: &ObjectName) -> Self {
        match refusal {
            ClaimRefusal::Right(RightError::WouldBlock) => Self::Taken,
            ClaimRefusal::Right(RightError::TimedOut) => Self::TimedOut,
            ClaimRefusal::Right(RightError::Mine) => Self::AlreadyMine,
            ClaimRefusal::Right(RightError::Closed) => Self::Closed,
            ClaimRefusal::NoCaller(NoCaller::TooManyThreads(limit)) => Self::TooManyThreads { limit },
            ClaimRefusal::NoCaller(NoCaller::Unusable(why)) => Self::Unusable(why, name.clone()),
        }
    }
}

impl fmt::Display for ClaimError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Taken => f.write_str("another process receives from the mailbox"),
            Self::TimedOut => f.write_str("another process received from the mailbox until the deadline"),
            Self::AlreadyMine => f.write_str("this process receives from the mailbox already"),
            Self::Closed => f.write_str("the mailbox is closed"),
            Self::TooManyThreads { limit } => {
                write!(f, "the region's {limit} places for threads of this process are taken")
            }
            Self::Unusable(why, name) => write!(f, "mailbox {name}: {why}"),
        }
    }
}

impl std::error::Error for ClaimError {}

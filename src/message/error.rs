//! Why a message was not sent, or none was received.

use crate::region::channel::Refusal;
use crate::region::{ObjectName, OsError, Unusable};
use core::fmt;

/// Why a message was not sent; it comes back, or the loan in which it lies.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SendError<T> {
    /// There is no space, no receiver waits, or all buffers are in use (calls that begin with `try` only).
    Full(T),
    /// It could not be sent until the deadline (timed calls only).
    TimedOut(T),
    /// All who were there to receive have left or died.
    Disconnected(T),
    /// All the memory of the channel of this name is in use (unbounded channels only).
    OutOfMemory(T, ObjectName),
    /// The shared memory of the channel of this name contradicts itself.
    Corrupt(T, ObjectName),
    /// As many threads of this process as the region was made for, which is this number, use it already.
    TooManyThreads(T, u32),
    /// The region of the channel of this name can be used no longer.
    Unusable(T, Unusable, ObjectName),
    /// The system has no thread to wait for the future, or no descriptor (futures and descriptors only).
    Os(T, OsError),
}

impl<T> SendError<T> {
    pub(super) fn new(message: T, refusal: Refusal, name: &ObjectName) -> Self {
        match refusal {
            Refusal::WouldBlock => Self::Full(message),
            Refusal::TimedOut => Self::TimedOut(message),
            Refusal::Disconnected => Self::Disconnected(message),
            Refusal::OutOfMemory => Self::OutOfMemory(message, name.clone()),
            Refusal::Corrupt => Self::Corrupt(message, name.clone()),
            Refusal::TooManyThreads(limit) => Self::TooManyThreads(message, limit),
            Refusal::Unusable(why) => Self::Unusable(message, why, name.clone()),
            Refusal::Os(error) => Self::Os(message, error),
        }
    }

    /// The same error with this in place of what it holds.
    pub(super) fn with<U>(self, message: U) -> SendError<U> {
        match self {
            Self::Full(_) => SendError::Full(message),
            Self::TimedOut(_) => SendError::TimedOut(message),
            Self::Disconnected(_) => SendError::Disconnected(message),
            Self::OutOfMemory(_, name) => SendError::OutOfMemory(message, name),
            Self::Corrupt(_, name) => SendError::Corrupt(message, name),
            Self::TooManyThreads(_, limit) => SendError::TooManyThreads(message, limit),
            Self::Unusable(_, why, name) => SendError::Unusable(message, why, name),
            Self::Os(_, error) => SendError::Os(message, error),
        }
    }

    /// The message, or the loan in which it lies.
    pub fn into_inner(self) -> T {
        match self {
            Self::Full(message)
            | Self::TimedOut(message)
            | Self::Disconnected(message)
            | Self::OutOfMemory(message, _)
            | Self::Corrupt(message, _)
            | Self::TooManyThreads(message, _)
            | Self::Os(message, _)
            | Self::Unusable(message, ..) => message,
        }
    }

    /// The error without the message, for `?` beyond the life of a loan, which is given back.
    pub fn give_up(self) -> SendError<()> {
        self.with(())
    }
}

impl<T> fmt::Debug for SendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full(_) => f.write_str("Full(..)"),
            Self::TimedOut(_) => f.write_str("TimedOut(..)"),
            Self::Disconnected(_) => f.write_str("Disconnected(..)"),
            Self::OutOfMemory(_, name) => write!(f, "OutOfMemory(.., {name:?})"),
            Self::Corrupt(_, name) => write!(f, "Corrupt(.., {name:?})"),
            Self::TooManyThreads(_, limit) => write!(f, "TooManyThreads(.., {limit})"),
            Self::Unusable(_, why, name) => write!(f, "Unusable(.., {why:?}, {name:?})"),
            Self::Os(_, error) => write!(f, "Os(.., {error:?})"),
        }
    }
}

impl<T> fmt::Display for SendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full(_) => f.write_str("the channel is full"),
            Self::TimedOut(_) => f.write_str("the channel was full until the deadline"),
            Self::Disconnected(_) => f.write_str("nobody is left to receive from the channel"),
            Self::OutOfMemory(_, name) => write!(f, "all the memory of channel {name} is in use"),
            Self::Corrupt(_, name) => write!(f, "the shared memory of channel {name} contradicts itself"),
            Self::TooManyThreads(_, limit) => {
                write!(f, "the region's {limit} places for threads of this process are taken")
            }
            Self::Unusable(_, why, name) => write!(f, "channel {name}: {why}"),
            Self::Os(_, error) => error.fmt(f),
        }
    }
}

impl<T> std::error::Error for SendError<T> {}

/// Why no message was received.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RecvError {
    /// There is none (calls that begin with `try` only).
    Empty,
    /// There was none until the deadline (timed calls only).
    TimedOut,
    /// There is none, and all who were there to send have left or died.
    Disconnected,
    /// With capacity zero nothing lies anywhere to be [peeked at](super::Receiver::peek).
    HoldsNothing,
    /// The shared memory of the channel of this name contradicts itself.
    Corrupt(ObjectName),
    /// As many threads of this process as the region was made for use it already.
    TooManyThreads {
        /// How many that are.
        limit: u32,
    },
    /// The region of the channel of this name can be used no longer.
    Unusable(Unusable, ObjectName),
    /// The system has no thread to wait for the future, or no descriptor (futures and descriptors only).
    Os(OsError),
}

impl RecvError {
    pub(super) fn new(refusal: Refusal, name: &ObjectName) -> Self {
        match refusal {
            // Only a send needs memory.
            Refusal::WouldBlock | Refusal::OutOfMemory => Self::Empty,
            Refusal::TimedOut => Self::TimedOut,
            Refusal::Disconnected => Self::Disconnected,
            Refusal::Corrupt => Self::Corrupt(name.clone()),
            Refusal::TooManyThreads(limit) => Self::TooManyThreads { limit },
            Refusal::Unusable(why) => Self::Unusable(why, name.clone()),
            Refusal::Os(error) => Self::Os(error),
        }
    }
}

impl fmt::Display for RecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("the channel is empty"),
            Self::TimedOut => f.write_str("the channel was empty until the deadline"),
            Self::Disconnected => f.write_str("the channel is empty, and nobody is left to send"),
            Self::HoldsNothing => f.write_str("a channel of capacity zero holds nothing to be looked at"),
            Self::Corrupt(name) => write!(f, "the shared memory of channel {name} contradicts itself"),
            Self::TooManyThreads { limit } => {
                write!(f, "the region's {limit} places for threads of this process are taken")
            }
            Self::Unusable(why, name) => write!(f, "channel {name}: {why}"),
            Self::Os(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for RecvError {}

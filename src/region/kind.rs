//! What an object is: the kinds, with the numbers and names that they have.

use super::object::Counts;
use crate::primitives::RawUnbounded;
use core::fmt;

macro_rules! kinds {
    ($($number:literal $kind:ident $name:literal $what:literal,)+) => {
        /// What an object is; the numbers are part of the shared format.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum Kind {
            $(#[doc = $what] $kind,)+
        }

        impl Kind {
            /// All of them.
            pub(crate) const ALL: &[Self] = &[$(Self::$kind,)+];

            pub(crate) fn number(self) -> u32 {
                match self {
                    $(Self::$kind => $number,)+
                }
            }

            pub(crate) fn from_number(number: u32) -> Option<Self> {
                match number {
                    $($number => Some(Self::$kind),)+
                    _ => None,
                }
            }
        }

        impl fmt::Display for Kind {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self {
                    $(Self::$kind => $name,)+
                })
            }
        }
    };
}

kinds! {
    1 Mutex "mutex" "A robust mutex and the value that it guards.",
    2 Semaphore "semaphore" "A counting semaphore.",
    3 Ring "ring" "A ring of messages of one type.",
    4 Stream "stream" "A ring of bytes.",
    5 Segment "segment" "A plain segment of bytes.",
    6 Event "event" "An event.",
    7 Condvar "condition variable" "A condition variable.",
    8 Barrier "barrier" "A barrier with the places of its members.",
    9 Once "value made once" "A value that is made once.",
    10 OwnedSemaphore "owned semaphore" "A semaphore whose permits come home.",
    11 RwLock "readers-writer lock" "A readers-writer lock and the value that it guards.",
    12 Pool "pool" "A pool of buffers.",
    13 Queue "queue" "A queue of messages, each received at most once.",
    14 WorkQueue "work queue" "A queue of messages, each received until somebody has finished it.",
    15 Unbounded "unbounded queue" "A queue of messages into which sending never waits.",
    16 Rendezvous "rendezvous" "Where messages pass from hand to hand.",
    17 Channel "channel" "A channel that holds messages up to its capacity.",
    18 UnboundedChannel "unbounded channel" "A channel into which sending never waits.",
    19 RendezvousChannel "rendezvous channel" "A channel that holds nothing: messages pass from hand to hand.",
    20 Mailbox "mailbox" "A mailbox that holds messages up to its capacity.",
    21 UnboundedMailbox "unbounded mailbox" "A mailbox into which sending never waits.",
    22 RendezvousMailbox "rendezvous mailbox" "A mailbox that holds nothing: messages pass from hand to hand.",
    23 ProcessName "process name" "A name that a process can have.",
    24 Effects "effects" "A value that messages change, each of them once.",
}

/// The most buffers that a queue has beyond its capacity: as many messages may be being written or read at once while it
/// is full.
const SPARE: usize = 64;

impl Kind {
    /// How many words and slots an object of this kind has, in a region with so many thread slots. Whoever makes it, opens it
    /// or repairs it counts by this.
    pub(crate) fn counts(self, capacity: usize, threads: usize) -> Option<Counts> {
        let (words, slots) = match self {
            Self::Barrier | Self::Pool => (capacity, capacity),
            Self::OwnedSemaphore | Self::RwLock => (threads, capacity),
            Self::Queue | Self::WorkQueue | Self::Channel => {
                let buffers = capacity.checked_add(threads.min(SPARE))?;
                (capacity.checked_add(buffers)?, buffers)
            }
            Self::Unbounded | Self::UnboundedChannel => {
                // One node more than messages: the list begins with one whose message has been taken.
                let nodes = capacity.checked_add(1)?;
                (nodes.checked_mul(RawUnbounded::WORDS)?, nodes)
            }
            Self::Rendezvous | Self::RendezvousChannel => (threads.min(SPARE), threads.min(SPARE)),
            // Each of its buffers has a label.
            Self::Mailbox => Self::Channel.labelled(capacity, threads)?,
            Self::UnboundedMailbox => Self::UnboundedChannel.labelled(capacity, threads)?,
            Self::RendezvousMailbox => Self::RendezvousChannel.labelled(capacity, threads)?,
            _ => (0, capacity),
        };
        Some(Counts { words, slots, beyond: 0 })
    }

    pub(crate) fn is_mailbox(self) -> bool {
        matches!(self, Self::Mailbox | Self::UnboundedMailbox | Self::RendezvousMailbox)
    }

    /// With a word more for each slot.
    fn labelled(self, capacity: usize, threads: usize) -> Option<(usize, usize)> {
        let Counts { words, slots, .. } = self.counts(capacity, threads)?;
        Some((words.checked_add(slots)?, slots))
    }
}

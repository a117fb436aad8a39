//! The algorithms: the verified core.
//!
//! Every file is one control block over the [sync layer](crate::sync) with its operations, and has models of the same
//! name in the workspace member `models`. Nothing here knows of mapped memory, files or threads: who calls is a
//! [`Caller`], what the dead leave behind is repaired through [`Objects`].

pub mod barrier;
pub mod channel;
pub mod choice;
pub mod commit;
pub mod condvar;
pub mod ends;
pub mod event;
pub mod gate;
pub mod mailbox;
pub mod mutex;
pub mod once;
pub mod owned_semaphore;
pub mod participants;
pub mod pool;
pub mod queue;
pub mod registry;
pub mod rendezvous;
pub mod right;
pub mod ring;
pub mod role;
pub mod rwlock;
pub mod select;
pub mod semaphore;
pub mod stream;
pub mod unbounded;
pub mod undertaker;
pub mod waiting;

pub use barrier::RawBarrier;
pub use channel::RawChannel;
pub use choice::RawChoice;
pub use commit::RawCommit;
pub use condvar::RawCondvar;
pub use ends::RawEnds;
pub use event::RawEvent;
pub use mailbox::RawMailbox;
pub use mutex::RawMutex;
pub use once::RawOnce;
pub use owned_semaphore::RawOwnedSemaphore;
pub use participants::{Participants, ThreadSlot};
pub use pool::RawPool;
pub use queue::RawQueue;
pub use registry::Registry;
pub use rendezvous::RawRendezvous;
pub use right::RawRight;
pub use ring::RawRing;
pub use role::RawRole;
pub use rwlock::RawRwLock;
pub use semaphore::RawSemaphore;
pub use stream::Stream;
pub use unbounded::RawUnbounded;
pub use undertaker::{Dead, Objects, Repair};
pub use waiting::{Caller, ObjectId};

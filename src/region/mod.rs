//! Regions: shared memory with named objects in it.
//!
//! A [`Region`] is a piece of memory that several processes have mapped. It is *named* (a file in a private directory
//! under `/dev/shm`, found by its name) or *anonymous* (a sealed memfd, passed on as a descriptor or inherited). In it
//! lie named objects: a [`Mutex`] or a [`RwLock`] with a value, a [`Condvar`], a [`Semaphore`], an [`OwnedSemaphore`] whose permits
//! come home, a [`Pool`] of buffers that do, an [`Event`], a [`Barrier`], a value that is
//! made [`Once`], a [`Ring`] of messages, a [`Queue`], a [`WorkQueue`], an [`Unbounded`]
//! queue or a [`Rendezvous`] for any number of senders and receivers, a
//! [`ByteStream`], a plain [`Segment`].
//!
//! Each process that has a region attached runs one small thread for it, the keeper, which learns of the death of
//! others and repairs what they left. See `ARCHITECTURE.md`.
//!
//! Under `--cfg loom` a region is a stand-in on the heap of one process, with the same handles and without files, so
//! that an embedder's own model can use them.

mod barrier;
pub(crate) mod candidate;
pub(crate) mod channel;
mod condvar;
pub(crate) mod core;
pub(crate) mod effects;
#[cfg_attr(loom, expect(dead_code, reason = "some errors are of files only"))]
mod error;
mod event;
mod handle;
#[cfg(not(loom))]
mod inspect;
mod kind;
mod layout;
mod limits;
pub(crate) mod link;
pub(crate) mod mailbox;
mod messages;
mod mutex;
mod object;
mod once;
mod owned_semaphore;
mod participant_id;
pub(crate) mod patience;
mod pool;
mod process_name;
mod queue;
mod rendezvous;
mod ring;
mod rwlock;
mod segment;
mod semaphore;
mod side;
mod stream;
mod unbounded;
mod work_queue;

#[cfg(not(loom))]
mod attachment;
#[cfg(loom)]
#[path = "heap_attachment.rs"]
mod attachment;
#[cfg(not(loom))]
mod file;
#[cfg(not(loom))]
mod future;
#[cfg_attr(loom, expect(dead_code, reason = "no files under loom"))]
mod header;
#[cfg(not(loom))]
#[path = "mapped.rs"]
mod memory;
#[cfg(loom)]
#[path = "heap.rs"]
mod memory;
mod name;
#[cfg(not(loom))]
mod os;
#[cfg(not(loom))]
mod participant;
#[cfg(not(loom))]
mod store;
#[cfg(not(loom))]
mod threads;
#[cfg(loom)]
#[path = "heap_threads.rs"]
mod threads;
#[cfg(not(loom))]
mod uuid;
#[cfg(not(loom))]
pub(crate) mod waiter;
#[cfg(not(loom))]
mod watch;
#[cfg(not(loom))]
mod watcher;

pub use barrier::{Barrier, BarrierError, Member, Passed};
pub use condvar::{Condvar, NotNotified, TimedWait};
pub use error::{
    DirectoryError, DirectoryFault, ObjectError, ObjectErrorKind, OsError, RegionError, RegionErrorKind, Unfit,
    Unusable,
};
pub use event::{Event, EventError};
#[cfg(not(loom))]
pub use future::{Acquiring, Waiting};
pub use handle::{ObjectEntry, Region, RegionOptions};
pub use header::RegionId;
#[cfg(not(loom))]
pub use inspect::{Counter, Finding, Holder, Inspection, Inspector, Life, ObjectSeen, ProcessSeen, Remedy, ThreadSeen};
pub use kind::Kind;
pub use limits::Limits;
pub use messages::{QueueLoan, QueueRecvError, QueueSendError};
pub use mutex::{LockError, Mutex, MutexGuard};
pub use name::{BadName, NameFault, RegionName};
pub use object::{ObjectName, Shared, Tag};
pub use once::{Once, OnceError};
pub use owned_semaphore::{OwnedSemaphore, Permit, PermitError};
#[cfg(not(loom))]
pub use participant::{Ended, Participant};
pub use participant_id::ParticipantId;
pub use pool::{Pool, PoolBuffer, PoolError};
pub use process_name::ProcessName;
pub use queue::{Queue, QueueMessage};
pub use rendezvous::Rendezvous;
pub use ring::{Batch, Loan, Receiver, RecvError, Ring, SendError, Sender};
pub use rwlock::{ReadGuard, ReadResult, RwLock, RwLockError, WriteGuard, WriteResult};
pub use segment::{OutOfRange, Segment};
pub use semaphore::{AcquireError, ReleaseError, Semaphore};
pub use side::{PeerGone, RoleError};
#[cfg(not(loom))]
pub use store::{DIRECTORY_VARIABLE, Entry, Status};
pub use stream::{ByteReader, ByteStream, ByteWriter, Peer, StreamError};
pub use unbounded::Unbounded;
#[cfg(not(loom))]
pub use watch::{Watch, WatchError, WatchFd};
pub use work_queue::{Lease, WorkQueue};

pub use crate::primitives::role::{Departure, IfGone, Predecessor};
pub use crate::primitives::waiting::Wait;

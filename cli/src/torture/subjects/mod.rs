//! The subjects, one file each.

pub(crate) mod barrier;
pub(crate) mod channel;
pub(crate) mod condvar;
pub(crate) mod event;
pub(crate) mod fork;
pub(crate) mod leased_mailbox;
pub(crate) mod mailbox;
pub(crate) mod mutex;
pub(crate) mod objects;
pub(crate) mod once;
pub(crate) mod owned;
pub(crate) mod pool;
pub(crate) mod queue;
pub(crate) mod rendezvous;
pub(crate) mod ring;
pub(crate) mod rwlock;
pub(crate) mod semaphore;
pub(crate) mod stream;
mod traffic;
pub(crate) mod unbounded;
pub(crate) mod work_queue;

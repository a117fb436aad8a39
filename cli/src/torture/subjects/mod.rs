//! The subjects, one file each.

pub(crate) mod barrier;
pub(crate) mod condvar;
pub(crate) mod event;
pub(crate) mod fork;
pub(crate) mod mutex;
pub(crate) mod objects;
pub(crate) mod once;
pub(crate) mod owned;
pub(crate) mod ring;
pub(crate) mod rwlock;
pub(crate) mod semaphore;
pub(crate) mod stream;

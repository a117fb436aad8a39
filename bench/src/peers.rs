//! The C library's process-shared mutex and semaphore, in memory that other processes map too.

use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{MemfdFlags, ftruncate, memfd_create};
use rustix::mm::{MapFlags, ProtFlags, mmap};
use std::cell::UnsafeCell;
use std::io;
use std::mem::MaybeUninit;
use std::ptr::null_mut;

fn check(answer: libc::c_int) -> io::Result<()> {
    if answer == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(answer)) }
}

/// A value in a memory file, mapped for good.
#[derive(Debug)]
pub struct Mapped<T: 'static> {
    file: OwnedFd,
    value: &'static T,
}

impl<T> Mapped<T> {
    /// A new file, zeroed, inherited by child processes.
    ///
    /// # Errors
    /// No memory.
    pub fn new() -> io::Result<Self> {
        let file = memfd_create("peer", MemfdFlags::empty())?;
        ftruncate(&file, size_of::<T>() as u64)?;
        Self::map(file)
    }

    /// Maps a file that another process made.
    ///
    /// # Errors
    /// It is none.
    pub fn map(file: OwnedFd) -> io::Result<Self> {
        let protection = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: a null hint without MAP_FIXED replaces no mapping that exists.
        let place = unsafe { mmap(null_mut(), size_of::<T>(), protection, MapFlags::SHARED, &file, 0) }?;
        // SAFETY: mapped for good, aligned to a page; zeros are a value of the types for which this is used, which are
        // cells over the C library's types.
        let value = unsafe { &*place.cast::<T>() };
        Ok(Self { file, value })
    }

    /// The value.
    #[must_use]
    pub fn value(&self) -> &'static T {
        self.value
    }
}

impl<T> AsFd for Mapped<T> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

/// A robust, process-shared pthread mutex.
#[repr(transparent)]
pub struct PthreadMutex(UnsafeCell<libc::pthread_mutex_t>);

// SAFETY: the C library's mutex is made to be used by several threads.
unsafe impl Sync for PthreadMutex {}

impl core::fmt::Debug for PthreadMutex {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("PthreadMutex")
    }
}

impl PthreadMutex {
    /// Makes it a robust, process-shared mutex, unlocked.
    ///
    /// # Errors
    /// The C library has none.
    pub fn init(&self) -> io::Result<()> {
        let mut attributes = MaybeUninit::uninit();
        // SAFETY: a valid place for attributes.
        check(unsafe { libc::pthread_mutexattr_init(attributes.as_mut_ptr()) })?;
        // SAFETY: initialised above.
        check(unsafe { libc::pthread_mutexattr_setpshared(attributes.as_mut_ptr(), libc::PTHREAD_PROCESS_SHARED) })?;
        // SAFETY: as above.
        check(unsafe { libc::pthread_mutexattr_setrobust(attributes.as_mut_ptr(), libc::PTHREAD_MUTEX_ROBUST) })?;
        // SAFETY: a valid place for a mutex that nobody uses.
        check(unsafe { libc::pthread_mutex_init(self.0.get(), attributes.as_ptr()) })
    }

    /// Locks it; true if its owner had died, and then declares it consistent.
    ///
    /// # Errors
    /// Not recoverable, say.
    #[inline]
    pub fn lock(&self) -> io::Result<bool> {
        // SAFETY: `init` was called.
        match unsafe { libc::pthread_mutex_lock(self.0.get()) } {
            libc::EOWNERDEAD => {
                // SAFETY: the calling thread holds it.
                check(unsafe { libc::pthread_mutex_consistent(self.0.get()) })?;
                Ok(true)
            }
            answer => check(answer).map(|()| false),
        }
    }

    /// Unlocks it.
    ///
    /// # Errors
    /// The calling thread does not hold it.
    #[inline]
    pub fn unlock(&self) -> io::Result<()> {
        // SAFETY: `init` was called.
        check(unsafe { libc::pthread_mutex_unlock(self.0.get()) })
    }
}

/// A process-shared POSIX semaphore.
#[repr(transparent)]
pub struct PosixSemaphore(UnsafeCell<libc::sem_t>);

// SAFETY: the C library's semaphore is made to be used by several threads.
unsafe impl Sync for PosixSemaphore {}

impl core::fmt::Debug for PosixSemaphore {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("PosixSemaphore")
    }
}

fn last(answer: libc::c_int) -> io::Result<()> {
    if answer == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

impl PosixSemaphore {
    /// Makes it a process-shared semaphore with `permits` permits.
    ///
    /// # Errors
    /// Too many.
    pub fn init(&self, permits: u32) -> io::Result<()> {
        // SAFETY: a valid place for a semaphore that nobody uses.
        last(unsafe { libc::sem_init(self.0.get(), 1, permits) })
    }

    /// Takes a permit.
    ///
    /// # Errors
    /// A signal handler ran.
    #[inline]
    pub fn wait(&self) -> io::Result<()> {
        // SAFETY: `init` was called.
        last(unsafe { libc::sem_wait(self.0.get()) })
    }

    /// Gives a permit.
    ///
    /// # Errors
    /// Too many.
    #[inline]
    pub fn post(&self) -> io::Result<()> {
        // SAFETY: `init` was called.
        last(unsafe { libc::sem_post(self.0.get()) })
    }
}

//! A small thread outside the C library, whose death is the announcement of its process's death.
//!
//! **Purpose.** A keeper is one thread per process and region that waits for other processes to die. It has a robust
//! list of its own ([`OwnList`](super::robust::OwnList)) with the word of its *process* on it. A thread of the C
//! library could not have one without losing the robust mutexes that it holds; hence a bare `clone`.
//!
//! **What runs on it must not** use the C library (not even `close`, or the destructor of an `OwnedFd`), thread-local
//! storage, the allocator, or panic: the C library does not know this thread. `rustix` makes its system calls inline
//! and is fine. Its clock finds the kernel's function at first use, which may allocate: `spawn` does that first.
//!
//! **Thread register.** A keeper gets a zeroed block of its own instead of the register of the thread that started
//! it. That thread may end long before the keeper, its storage with it, and one thread-local is read on keepers all
//! the same: the step counter of the kill tests (feature `steps`). It finds zeros, "not armed", here; with the
//! creator's register it found unmapped memory.
//!
//! **Layout.** One private mapping, advised `MADV_DONTFORK`:
//!
//! | bytes | content |
//! |---|---|
//! | 4096 | guard: a stack that overflows ends the process with SIGSEGV instead of damaging what lies below |
//! | 65536 | the stack |
//! | 8192 | [`ThreadBlock`]: what the thread register points to, and the word that says whether the thread has left |
//!
//! 64 KiB: a `futex_waitv` over 127 words, the largest frame there is, touches 8 KiB in an unoptimised build, which
//! gives each temporary a place of its own. Eight times that leaves room for a walk in such a build, and nothing that
//! runs here recurses. Pages that are never touched cost address space alone.
//!
//! **Signals.** All are blocked before the thread exists, so no handler ever runs on it: handlers may use whatever
//! they like. (A fault on it still ends the process: the kernel resets a blocked fault signal to its default.)
//!
//! **End.** When the body returns, this one thread ends, and not the process. The kernel clears a word when the thread
//! has left its stack for good, after it has walked its robust list, and wakes one sleeper of the word. Only then may
//! the stack be unmapped.
//!
//! **Fork.** A child has neither the thread nor its stack. The handle that it inherits is inert there: it says so
//! ([`JoinError::Forked`]), and dropping it does nothing.
//!
//! **References.** `clone(2)`, `set_tid_address(2)`, `madvise(2)`.

use super::fork::ForkMark;
use super::syscall::syscall;
use crate::sync::{AtomicU32, Deadline, Ordering, WaitOutcome, futex_wait};
use core::ffi::{c_int, c_void};
use core::fmt;
use core::mem::offset_of;
use core::ptr::{self, NonNull};
use rustix::io::Errno;
use rustix::mm::{Advice, MapFlags, MprotectFlags, ProtFlags, madvise, mmap_anonymous, mprotect, munmap};
use rustix::time::{ClockId, clock_gettime};

/// What a keeper runs. What it returns is of no consequence.
pub(crate) type KeeperBody = extern "C" fn(*mut c_void) -> c_int;

const GUARD: usize = 4096;
const STACK: usize = 64 << 10;
const WHOLE: usize = GUARD + STACK + size_of::<ThreadBlock>();
/// A thread of this process, with everything in common with the others but its stack, its thread register and its
/// robust list; the kernel clears the word that it was given when the thread has left.
const FLAGS: c_int = libc::CLONE_VM
    | libc::CLONE_FS
    | libc::CLONE_FILES
    | libc::CLONE_SIGHAND
    | libc::CLONE_THREAD
    | libc::CLONE_SYSVSEM
    | libc::CLONE_SETTLS
    | libc::CLONE_CHILD_CLEARTID;

/// What lies around a keeper's thread register, all zero but two words.
#[repr(C, align(4096))]
struct ThreadBlock {
    /// Where code would look for thread-locals: below the register.
    _thread_locals: [u8; 4096],
    /// Where the register points, and what the x86-64 ABI wants there: its own address.
    own_address: usize,
    /// Where the C library would look for its thread descriptor (some 2300 bytes).
    _descriptor: [usize; 400],
    /// [`RUNNING`], until the kernel clears it.
    running: AtomicU32,
}

const RUNNING: u32 = 1;
const LEFT: u32 = 0;

/// Why a keeper could not be started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SpawnError {
    /// No memory for its stack, or too many mappings.
    Stack(Errno),
    /// The kernel refused to block the signals (a seccomp filter).
    Signals(Errno),
    /// The kernel refused another thread (a limit, a seccomp filter).
    Clone(Errno),
}

impl fmt::Display for SpawnError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stack(errno) => write!(f, "no stack for a keeper thread: {errno}"),
            Self::Signals(errno) => write!(f, "signals cannot be blocked for a keeper thread: {errno}"),
            Self::Clone(errno) => write!(f, "no keeper thread: {errno}"),
        }
    }
}

impl core::error::Error for SpawnError {}

/// Why a keeper was not joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum JoinError {
    /// The deadline passed and the thread still runs.
    TimedOut,
    /// This process is a forked copy of the one that has the keeper.
    Forked,
}

impl fmt::Display for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TimedOut => "the keeper thread still runs",
            Self::Forked => "the keeper thread belongs to the process that this one was forked from",
        })
    }
}

impl core::error::Error for JoinError {}

/// A keeper thread.
///
/// Dropping the handle gives the stack back if the thread has left it, and leaves it mapped for ever if it has not: a
/// running thread cannot be taken off its stack. So tell the body to return, [`join`](Self::join), then drop. A handle
/// that is forgotten costs its mapping and nothing else.
#[derive(Debug)]
pub(crate) struct KeeperThread {
    tid: u32,
    stack: Stack,
    mark: ForkMark,
}

/// Starts a keeper that runs `body(argument)`.
///
/// It inherits what a thread inherits, its creator's processor affinity and scheduling class among it. While it runs,
/// `unshare(CLONE_NEWUSER)` fails, as it does in every process with more than one thread; and the C library's
/// `setuid` and its like, which change one thread after the other, do not reach it.
///
/// # Errors
/// See [`SpawnError`]; nothing is left behind.
///
/// # Safety
/// - `body` and all that it calls keep to what this module's documentation says of code on a keeper.
/// - What `argument` leads to may be used from another thread, and lives until the thread was joined.
pub(crate) unsafe fn spawn(body: KeeperBody, argument: *mut c_void) -> Result<KeeperThread, SpawnError> {
    // Finds the kernel's clock function, here where the C library may be used for it.
    let _ = clock_gettime(ClockId::Monotonic);
    let mark = ForkMark::new().map_err(SpawnError::Stack)?;
    let stack = Stack::new().map_err(SpawnError::Stack)?;
    let started = with_signals_blocked(|| {
        // SAFETY: by the contract of this function; the stack is the thread's alone.
        unsafe { start(body, argument, &stack) }.map_err(SpawnError::Clone)
    });
    match started.map_err(SpawnError::Signals).flatten() {
        Ok(tid) => Ok(KeeperThread { tid, stack, mark }),
        Err(error) => {
            // SAFETY: there is no thread on it.
            unsafe { stack.unmap() };
            Err(error)
        }
    }
}

/// Calls `clone`.
///
/// # Safety
/// As for [`spawn`]; `stack` is nobody else's and stays mapped until its `running` is cleared.
unsafe fn start(body: KeeperBody, argument: *mut c_void, stack: &Stack) -> Result<u32, Errno> {
    let parent_tid: *mut c_void = ptr::null_mut();
    let (register, running) = (stack.thread_register(), stack.running().as_ptr());
    // SAFETY: the C library's clone calls body(argument) on the new stack and then exits that one thread. The kernel
    // may store to `running` later, by the contract.
    let tid = unsafe { libc::clone(body, stack.top(), FLAGS, argument, parent_tid, register, running) };
    u32::try_from(tid).map_err(|_| {
        let error = std::io::Error::last_os_error();
        Errno::from_io_error(&error).unwrap_or(Errno::AGAIN)
    })
}

/// Calls `f` while the calling thread has every signal blocked; a thread that is made meanwhile inherits that.
fn with_signals_blocked<R>(f: impl FnOnce() -> R) -> Result<R, Errno> {
    // A kernel signal set is 64 bits. The C library's own call leaves out the two signals that it keeps for itself.
    let all = u64::MAX;
    let mut before = 0_u64;
    set_signal_mask(&all, Some(&mut before))?;
    let result = f();
    set_signal_mask(&before, None)?;
    Ok(result)
}

fn set_signal_mask(mask: &u64, before: Option<&mut u64>) -> Result<(), Errno> {
    let mask = ptr::from_ref(mask).expose_provenance();
    let before = before.map_or(0, |before| ptr::from_mut(before).expose_provenance());
    let how = usize::try_from(libc::SIG_SETMASK).unwrap_or(0);
    // SAFETY: reads and writes the two sets of the given size; null for the second is allowed.
    unsafe { syscall(libc::SYS_rt_sigprocmask, [how, mask, before, size_of::<u64>()]) }
}

impl KeeperThread {
    /// The thread's id: what [`life_id`](crate::sync::life_id) says on it. Used again by the kernel after its end.
    #[must_use]
    pub(crate) fn tid(&self) -> u32 {
        self.tid
    }

    /// Whether the thread has left its stack for good. Always `false` in a forked child, which cannot know.
    #[must_use]
    pub(crate) fn has_left(&self) -> bool {
        // Acquire: what the thread did before its end happened before; the kernel's clearing of the word releases it.
        self.mark.is_original() && self.stack.running().load(Ordering::Acquire) == LEFT
    }

    /// Waits until the thread has left its stack for good. It may still be listed under `/proc` for a moment.
    ///
    /// Make the body return first. Exclusive, because the kernel wakes one sleeper only. On the keeper itself it times
    /// out.
    ///
    /// # Errors
    /// See [`JoinError`].
    pub(crate) fn join(&mut self, deadline: Deadline) -> Result<(), JoinError> {
        if !self.mark.is_original() {
            return Err(JoinError::Forked);
        }
        let mut timed_out = false;
        while !self.has_left() {
            if timed_out {
                return Err(JoinError::TimedOut);
            }
            timed_out = futex_wait(self.stack.running(), RUNNING, Some(deadline)) == WaitOutcome::TimedOut;
        }
        Ok(())
    }
}

impl Drop for KeeperThread {
    fn drop(&mut self) {
        if self.has_left() {
            // SAFETY: the thread never runs again. In a forked child, where this address may mean something else by
            // now, `has_left` is false.
            unsafe { self.stack.unmap() };
        }
    }
}

/// The mapping of a keeper, which no destructor gives back.
#[derive(Debug)]
struct Stack {
    base: NonNull<u8>,
}

impl Stack {
    fn new() -> Result<Self, Errno> {
        let (protection, flags) = (ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE | MapFlags::STACK);
        // SAFETY: a new mapping wherever the kernel finds room takes nothing from anyone.
        let base = unsafe { mmap_anonymous(ptr::null_mut(), WHOLE, protection, flags) }?;
        let stack = Self { base: NonNull::new(base.cast()).ok_or(Errno::NOMEM)? };
        stack.prepare(base).inspect_err(|_| {
            // SAFETY: mapped just now, and there is no thread on it.
            unsafe { stack.unmap() };
        })?;
        Ok(stack)
    }

    fn prepare(&self, base: *mut c_void) -> Result<(), Errno> {
        // SAFETY: the first page of the mapping that `new` has just made.
        unsafe { mprotect(base, GUARD, MprotectFlags::empty()) }?;
        // SAFETY: the whole of that mapping.
        unsafe { madvise(base, WHOLE, Advice::LinuxDontFork) }?;
        let register = self.thread_register();
        // SAFETY: in the block, which is mapped, writable, and not shared with another thread yet.
        unsafe { register.cast::<usize>().write(register.expose_provenance()) };
        // SAFETY: as above; the address of a field.
        let running = unsafe { &raw mut (*self.block()).running };
        // SAFETY: as above.
        unsafe { running.write(AtomicU32::new(RUNNING)) };
        Ok(())
    }

    fn block(&self) -> *mut ThreadBlock {
        self.base.as_ptr().wrapping_add(GUARD + STACK).cast()
    }

    /// The end of the stack, from which it grows down: where the block begins.
    fn top(&self) -> *mut c_void {
        self.block().cast()
    }

    fn thread_register(&self) -> *mut c_void {
        self.block().wrapping_byte_add(offset_of!(ThreadBlock, own_address)).cast()
    }

    fn running(&self) -> &AtomicU32 {
        // SAFETY: `prepare` has put it there, and it stays as long as `self` may be used (see `unmap`). The rest of
        // the block is the thread's own and nothing refers to it.
        unsafe { &(*self.block()).running }
    }

    /// Gives the memory back.
    ///
    /// # Safety
    /// No thread runs on it, and `self` is not used again.
    unsafe fn unmap(&self) {
        // SAFETY: `new` made this mapping, of this length; by the contract nobody uses it any more.
        let _ = unsafe { munmap(self.base.as_ptr().cast(), WHOLE) };
    }
}

// SAFETY: of the memory behind the pointer only `running`, an atomic word, is touched by others than the thread.
unsafe impl Send for Stack {}
// SAFETY: as above.
unsafe impl Sync for Stack {}

#[cfg(test)]
mod tests;

//! The kernel's robust list of a thread: what makes the death of a thread visible in shared memory.
//!
//! **Purpose.** A thread that dies, however it dies, is walked by the kernel along its *robust list*: in each word on
//! it that holds the thread's id the kernel sets [`LIFE_DIED`](crate::sync::LIFE_DIED), clears the id, and wakes one
//! sleeper if [`LIFE_WAITERS`](crate::sync::LIFE_WAITERS) was set. A thread has one such list, and the C library
//! already keeps its robust mutexes on it. [`ThreadList`] puts a [`LifeWord`] on that same list beside them;
//! [`OwnList`] is a list of our own for a thread that the C library does not know (a
//! [`keeper`](super::keeper)).
//!
//! **Layout.** The head is the kernel's `struct robust_list_head`. Entries are pairs {previous, next} of addresses;
//! an entry's address is that of its `next`. Like glibc, and unlike the kernel, which never reads them, we keep the
//! backward links, the head's own included; it lies one pointer before the head:
//!
//! | offset from the head | content |
//! |---|---|
//! | -8 | address of the last entry |
//! | 0 | address of the first entry; bit 0 set: the entry is a priority-inheriting mutex; the head itself when empty |
//! | 8 | distance in bytes from an entry to its word, the same for all entries |
//! | 16 | entry of the word that is about to be claimed or given up, or null (`list_op_pending`) |
//!
//! **Protocol.** Claim: [`set_pending`](ThreadList::set_pending), compare-and-swap of the thread's id into the word,
//! [`link`](ThreadList::link), [`clear_pending`](ThreadList::clear_pending). Give up: `set_pending`,
//! [`unlink`](ThreadList::unlink), store zero into the word, `clear_pending`.
//!
//! **Invariants.**
//! - **I1** Between any two instructions of the thread, the kernel can follow the forward links from the head through
//!   every linked entry back to the head.
//! - **I2** While a word holds the thread's id, it is linked or pending: the kernel marks it.
//! - **I3** Only the thread itself touches its head and the links of its entries.
//! - **I4** Every linked or pending entry stays mapped, at the address at which it was linked, until it is neither.
//!
//! **Orderings.** The other side is the kernel acting in this very thread, so nothing here needs a processor fence.
//! What would break I1 and I2 is the *compiler*: it may swap plain stores, and move them across relaxed ones. Hence
//! each link is a volatile access and each place where only program order protects us has a `compiler_fence`.
//!
//! **Death.** The thread can be killed between any two instructions of `link` and `unlink`. By I1 the kernel then
//! finds all other entries; by I2 it finds this one too, through the list or through `list_op_pending` (it looks at
//! both and marks a word once). The tests kill a thread at each instruction and look.
//!
//! **Limits.** The kernel stops at the first entry that it cannot read, and after 2048 entries. New entries go to
//! the front, so a thread that holds more than 2047 robust mutexes, or one in memory that it has unmapped, dies
//! without the mark. So does a thread whose list was replaced behind the C library's back. Whoever waits for a mark
//! therefore needs the confirmed exit of the process ([`exit`](super::exit)) as a second authority.
//!
//! **Damage.** The links of a life word lie in the region, where a hole punched into its file makes them zero. A word
//! whose own links are gone is taken off the list by those of its neighbours (`unlink`), so that a process can leave a
//! region that somebody overwrote. Links that were turned elsewhere are not noticed.
//!
//! **References.** `get_robust_list(2)`; kernel documents `locking/robust-futexes` and `locking/robust-futex-ABI`;
//! `ENQUEUE_MUTEX` and `DEQUEUE_MUTEX` in glibc's `nptl/descr.h`.

use super::syscall::syscall;
use crate::sync::{LifeWord, Ordering, compiler_fence};
use core::cell::UnsafeCell;
use core::fmt;
use core::ptr::{self, NonNull};
use rustix::io::Errno;

/// Bit of a link: the entry that it leads to is a priority-inheriting mutex. No part of the address.
const PRIORITY_INHERITING: usize = 1;

/// How many entries the kernel follows.
const KERNEL_LIMIT: usize = 2048;

/// The kernel's `struct robust_list_head`.
#[derive(Debug)]
#[repr(C)]
struct Head {
    first: usize,
    futex_offset: isize,
    pending: usize,
}

/// Why the calling thread cannot announce its death by a robust list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RobustListError {
    /// The kernel refused the call (a seccomp filter, a kernel without futexes).
    Unavailable(Errno),
    /// The thread has no robust list: its C library has not registered one.
    Absent,
    /// The list is laid out for words at this distance from their entries, not at
    /// [`LifeWord::FUTEX_OFFSET`]: another C library.
    OffsetDiffers(isize),
}

impl fmt::Display for RobustListError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unavailable(errno) => write!(f, "the kernel refuses access to the robust list: {errno}"),
            Self::Absent => f.write_str("this thread has no robust list"),
            Self::OffsetDiffers(found) => {
                write!(f, "the robust list has futex offset {found} instead of {}", LifeWord::FUTEX_OFFSET)
            }
        }
    }
}

impl core::error::Error for RobustListError {}

/// The robust list of the thread that made this value, which can be neither sent nor shared.
///
/// Not for signal handlers: one that interrupts the C library, or this type, in the middle of a change would find the
/// list half changed. Not for a forked child with the values of its parent: the child's list is another one, and its
/// copies of the links in shared memory are the parent's.
#[derive(Debug)]
pub(crate) struct ThreadList {
    head: NonNull<Head>,
}

impl ThreadList {
    /// The robust list of the calling thread: one system call, so keep the answer.
    ///
    /// # Errors
    /// See [`RobustListError`]. None of its cases is a reason to fail an attach: the exit of the process is then the
    /// only authority on this thread's death.
    pub(crate) fn current() -> Result<Self, RobustListError> {
        let mut head: *mut Head = ptr::null_mut();
        let mut length = 0_usize;
        let arguments = [0, (&raw mut head).expose_provenance(), (&raw mut length).expose_provenance(), 0];
        // SAFETY: get_robust_list(0, ..) stores the calling thread's head and its length at the two given places.
        unsafe { syscall(libc::SYS_get_robust_list, arguments) }.map_err(RobustListError::Unavailable)?;
        let Some(head) = NonNull::new(ptr::with_exposed_provenance_mut(head.addr())) else {
            return Err(RobustListError::Absent);
        };
        let list = Self { head };
        match list.futex_offset() {
            LifeWord::FUTEX_OFFSET => Ok(list),
            found => Err(RobustListError::OffsetDiffers(found)),
        }
    }

    fn futex_offset(&self) -> isize {
        // SAFETY: the address of a field; the head is mapped as long as its thread lives, which is this one.
        let offset = unsafe { &raw const (*self.head.as_ptr()).futex_offset };
        // SAFETY: as above; nobody writes it after it was registered.
        unsafe { offset.read_volatile() }
    }

    /// Tells the kernel which word the thread is about to claim or to give up.
    ///
    /// If the thread dies while its id is in the word, the kernel marks the word, linked or not. If it dies while the
    /// word holds no id, the kernel wakes one sleeper of it and changes nothing.
    ///
    /// The C library uses the same place for its own robust mutexes: do not lock or unlock one before
    /// [`clear_pending`](Self::clear_pending).
    ///
    /// # Safety
    /// `word` stays mapped at its address until `clear_pending` or the next `set_pending` of this thread, or until
    /// the thread has died: the kernel writes to it.
    #[inline]
    pub(crate) unsafe fn set_pending(&self, word: &LifeWord) {
        self.write_pending(word.entry().expose_provenance());
    }

    /// Ends what [`set_pending`](Self::set_pending) began.
    #[inline]
    pub(crate) fn clear_pending(&self) {
        self.write_pending(0);
    }

    #[inline]
    fn write_pending(&self, entry: usize) {
        // SAFETY: the address of a field; the head is mapped as long as its thread lives.
        let pending = unsafe { &raw mut (*self.head.as_ptr()).pending };
        // Only program order protects I2 here. Before: when the place is cleared, the word is linked, or no longer
        // ours. After: when it is set, that happens before the word is claimed or unlinked.
        compiler_fence(Ordering::SeqCst);
        // SAFETY: only the calling thread writes to its head (I3); the entry stays readable (I4, by the contract of
        // `set_pending`).
        unsafe { pending.write_volatile(entry) };
        compiler_fence(Ordering::SeqCst);
    }

    /// Puts a word at the front of the list.
    ///
    /// # Safety
    /// - The calling thread owns `word` (its id is in it) and `word` is on no list.
    /// - `word` stays mapped at its address until it is unlinked or the thread has died (I4).
    /// - Memory that holds links of this list's other entries is still mapped, as it must be for the C library.
    pub(crate) unsafe fn link(&self, word: &LifeWord) {
        let head = self.head.as_ptr().expose_provenance();
        let entry = word.entry().expose_provenance();
        // SAFETY: the head's own link, which only this thread touches (I3).
        let first = unsafe { read(next(head)) };
        // SAFETY: the first entry is mapped (I4) and its links are this thread's (I3); the head's backward link lies
        // where glibc has it (layout), which alone uses the offset that `current` has checked.
        unsafe { write(previous(first), entry) };
        // SAFETY: the word's links are this thread's by the contract.
        unsafe { write(previous(entry), head) };
        // SAFETY: as above. The bit that says what kind of entry comes next goes along.
        unsafe { write(next(entry), first) };
        // Only program order protects I1 here: the entry leads on before the head leads to it.
        compiler_fence(Ordering::SeqCst);
        // SAFETY: the head's own link (I3).
        unsafe { write(next(head), entry) };
    }

    /// Takes a word off the list.
    ///
    /// # Safety
    /// The calling thread has linked `word` on this list and not unlinked it since, and is the thread that did so: a
    /// forked child must not, or it tears its parent's entry out of the shared links.
    pub(crate) unsafe fn unlink(&self, word: &LifeWord) {
        let entry = word.entry().expose_provenance();
        // SAFETY: the word is linked, so its links are this thread's (I3).
        let mut after = unsafe { read(next(entry)) };
        // SAFETY: as above.
        let mut before = unsafe { read(previous(entry)) };
        if after == 0 || before == 0 {
            // No linked entry has such links (Damage).
            let Some(found) = self.neighbours(entry) else { return };
            (before, after) = found;
        }
        // SAFETY: the neighbour is on the list, so it is mapped (I4) and this thread's (I3), or it is the head.
        unsafe { write(previous(after), before) };
        // SAFETY: as above. The bit that says what kind of entry comes next goes along.
        unsafe { write(next(before), after) };
        // Only program order protects I1 here: the list leads past the entry before the entry leads nowhere.
        compiler_fence(Ordering::SeqCst);
        // SAFETY: the word's own links, off the list now.
        unsafe { write(previous(entry), 0) };
        // SAFETY: as above.
        unsafe { write(next(entry), 0) };
    }
}

impl ThreadList {
    /// The entries before and after `entry` as the other entries have them, or the last on the way there where another
    /// is damaged too; `None` if none of them leads to `entry`. What kind of entry comes next is lost with the link.
    #[cold]
    fn neighbours(&self, entry: usize) -> Option<(usize, usize)> {
        let (before, is_before) = self.search(entry, next);
        let (after, is_after) = self.search(entry, previous);
        (is_before || is_after).then_some((before, after))
    }

    /// Follows the links that `direction` chooses from the head to the one that leads to `entry`, as long as there are
    /// links; where that ended, and whether it is there.
    fn search(&self, entry: usize, direction: fn(usize) -> *mut usize) -> (usize, bool) {
        let head = self.head.as_ptr().expose_provenance();
        let mut at = head;
        for _ in 0..=KERNEL_LIMIT {
            // SAFETY: the head or an entry to which a link of this list led: mapped (I4) and this thread's (I3).
            let to = unsafe { read(direction(at)) } & !PRIORITY_INHERITING;
            match to {
                _ if to == entry => return (at, true),
                0 => break,
                _ if to == head => break,
                _ => at = to,
            }
        }
        (at, false)
    }
}

/// The forward link of the entry, or of the head, that `link` leads to.
#[inline]
fn next(link: usize) -> *mut usize {
    ptr::with_exposed_provenance_mut(link & !PRIORITY_INHERITING)
}

/// The backward link of the entry, or of the head, that `link` leads to.
#[inline]
fn previous(link: usize) -> *mut usize {
    next(link).wrapping_sub(1)
}

/// Reads a link as the kernel would find it.
///
/// # Safety
/// `link` is a link of the calling thread's list.
#[inline]
unsafe fn read(link: *mut usize) -> usize {
    // SAFETY: mapped and this thread's, by the contract.
    unsafe { link.read_volatile() }
}

/// Writes a link so that the kernel finds it.
///
/// # Safety
/// `link` is a link of the calling thread's list, and the list is as I1 says after it too.
#[inline]
unsafe fn write(link: *mut usize, to: usize) {
    // SAFETY: mapped and this thread's, by the contract.
    unsafe { link.write_volatile(to) };
}

/// A robust list of our own, for a thread that has none from its C library.
///
/// It lies in private memory, never in a region. It refers to itself once it is installed, so it must not move then.
#[repr(C)]
pub(crate) struct OwnList {
    /// Written by `link` and `unlink` as the head's backward link; glibc has one at the same place.
    last: UnsafeCell<usize>,
    head: UnsafeCell<Head>,
}

// The backward link lies one pointer before the head, as `previous` has it.
const _: () = assert!(core::mem::offset_of!(OwnList, head) == size_of::<usize>());
// What the kernel takes for the size of a head.
const _: () = assert!(size_of::<Head>() == 24);

impl OwnList {
    /// A list that no thread has installed yet.
    #[must_use]
    pub(crate) const fn new() -> Self {
        let head = Head { first: 0, futex_offset: LifeWord::FUTEX_OFFSET, pending: 0 };
        Self { last: UnsafeCell::new(0), head: UnsafeCell::new(head) }
    }

    /// Makes this, empty, the robust list of the calling thread. Enters no libc function, so a keeper may call it.
    ///
    /// # Errors
    /// [`RobustListError::Unavailable`]; the thread's former list is then still in force.
    ///
    /// # Safety
    /// - The calling thread has no robust list from the C library, or holds no robust mutex and never locks one again.
    /// - The list stays where it is until the kernel has walked it: until the thread has left, which is *after* the
    ///   function that it runs has returned. A local variable of that function does not live long enough.
    /// - No other thread installs it.
    pub(crate) unsafe fn install(&self) -> Result<ThreadList, RobustListError> {
        let address = self.head.get().expose_provenance();
        self.last.get().expose_provenance();
        // SAFETY: by the contract nobody else uses the list; an empty list leads from the head to the head.
        unsafe { write(next(address), address) };
        // SAFETY: as above, backward.
        unsafe { write(previous(address), address) };
        // Only program order protects I1 here: the list is whole before the kernel knows of it.
        compiler_fence(Ordering::SeqCst);
        // SAFETY: set_robust_list(head, size) remembers the address, which stays good by the contract.
        unsafe { syscall(libc::SYS_set_robust_list, [address, size_of::<Head>(), 0, 0]) }
            .map_err(RobustListError::Unavailable)?;
        Ok(ThreadList { head: NonNull::from(&self.head).cast() })
    }
}

impl Default for OwnList {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for OwnList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnList").finish_non_exhaustive()
    }
}

// SAFETY: the one method that touches the content is unsafe, and its contract allows one thread to call it.
unsafe impl Sync for OwnList {}

#[cfg(test)]
pub(super) mod tests;

//! Tells a process from a forked copy of itself.
//!
//! **Purpose.** A forked child inherits every handle of its parent, but none of the parent's threads, thread slots,
//! robust lists or keepers: what it does with an inherited handle it would do to its *parent's* state. Each handle
//! therefore asks a [`ForkMark`] first, destructors included.
//!
//! **Layout.** One private anonymous page whose first word is nonzero, advised `MADV_WIPEONFORK`: in the copy that a
//! child gets the page reads zero. Asking is a relaxed load of a word that nobody writes, so it costs no system call
//! and no shared cache line; `getpid` costs about 100 ns.
//!
//! **Limits.** The mark follows the *memory*. A child that shares it (`vfork`, `posix_spawn` before its exec,
//! `clone(CLONE_VM)`) reads the parent's page and counts as the original; such a child must not use the library.
//! Where the kernel refuses the advice (before 4.14), the mark compares process ids, at the price of the system call;
//! that can be fooled by a child in a new pid namespace that is numbered as its parent was.
//!
//! **References.** `madvise(2)`.

use crate::sync::AtomicU32;
use core::ptr::NonNull;
use rustix::io::Errno;
use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap_anonymous, munmap};
use rustix::process::{Pid, getpid};

/// What the page holds in the process that made it. Any value but zero.
const ORIGINAL: u32 = 0x6f72_6967;

/// Belongs to the process that made it; says in every process whether it is that one.
#[derive(Debug)]
pub(crate) struct ForkMark {
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    /// The first word of a page that a child reads as zero.
    Wiped(NonNull<AtomicU32>),
    /// The process id of the original.
    Numbered(Pid),
}

/// What is mapped; the kernel rounds up to its page.
const LENGTH: usize = 4096;

impl ForkMark {
    /// A mark of the calling process.
    ///
    /// # Errors
    /// Of `mmap`: no memory, or too many mappings.
    pub(crate) fn new() -> Result<Self, Errno> {
        let (protection, flags) = (ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE);
        // SAFETY: a new mapping wherever the kernel finds room takes nothing from anyone.
        let page = unsafe { mmap_anonymous(core::ptr::null_mut(), LENGTH, protection, flags) }?;
        // SAFETY: the page was mapped just now and nobody else knows of it.
        let advised = unsafe { madvise(page, LENGTH, Advice::LinuxWipeOnFork) };
        let mark = NonNull::new(page.cast::<AtomicU32>()).filter(|_| advised.is_ok());
        let Some(mark) = mark else {
            // SAFETY: as above; it is not used again.
            let _ = unsafe { munmap(page, LENGTH) };
            return Ok(Self::numbered());
        };
        // SAFETY: mapped, writable, aligned to a page, and not shared with another thread yet.
        unsafe { mark.write(AtomicU32::new(ORIGINAL)) };
        Ok(Self { kind: Kind::Wiped(mark) })
    }

    /// The mark for kernels that do not wipe.
    fn numbered() -> Self {
        Self { kind: Kind::Numbered(getpid()) }
    }

    /// Whether the calling process is the one that made the mark, and not a forked copy of it.
    #[inline]
    #[must_use]
    pub(crate) fn is_original(&self) -> bool {
        match &self.kind {
            Kind::Wiped(mark) => {
                // SAFETY: the page is mapped as long as `self` lives, in a child too.
                let mark = unsafe { mark.as_ref() };
                // Relaxed: the word was written before the mark could be shared, and in no process changes after.
                // `peek`, because the question is no step of any protocol.
                mark.peek() == ORIGINAL
            }
            Kind::Numbered(original) => getpid() == *original,
        }
    }
}

impl Drop for ForkMark {
    fn drop(&mut self) {
        if let Kind::Wiped(mark) = &self.kind {
            // SAFETY: `new` mapped this page for `self` alone; in a child it is the child's own copy.
            let _ = unsafe { munmap(mark.as_ptr().cast(), LENGTH) };
        }
    }
}

// SAFETY: the page belongs to `self` alone and is never written after `new`.
unsafe impl Send for ForkMark {}
// SAFETY: as above; it is only read.
unsafe impl Sync for ForkMark {}

#[cfg(test)]
mod tests {
    use super::super::testing::{Ending, fork};
    use super::*;

    fn is_original_in_child_and_grandchild(mark: &ForkMark) -> Ending {
        fork(|| {
            let in_grandchild = fork(|| u8::from(mark.is_original())).end();
            u8::from(mark.is_original()) + 2 * u8::from(in_grandchild != Ending::Exited(0))
        })
        .end()
    }

    #[test]
    fn only_the_maker_is_the_original() {
        let mark = ForkMark::new().expect("one page");
        assert!(matches!(mark.kind, Kind::Wiped(_)), "this kernel wipes on fork");
        assert!(mark.is_original());
        assert_eq!(is_original_in_child_and_grandchild(&mark), Ending::Exited(0));
        assert!(mark.is_original(), "the children changed nothing here");
    }

    #[test]
    fn a_mark_made_by_a_child_is_the_childs() {
        let in_child = fork(|| ForkMark::new().map_or(9, |mark| u8::from(mark.is_original())));
        assert_eq!(in_child.end(), Ending::Exited(1));
    }

    #[test]
    fn the_fallback_tells_the_same() {
        let mark = ForkMark::numbered();
        assert!(mark.is_original());
        assert_eq!(is_original_in_child_and_grandchild(&mark), Ending::Exited(0));
        assert!(mark.is_original());
    }

    #[test]
    fn dropping_an_inherited_mark_leaves_the_parents() {
        let mark = ForkMark::new().expect("one page");
        let inherited = core::mem::ManuallyDrop::new(mark);
        let child = fork(|| {
            // SAFETY: the child exits without using its copy again.
            drop(unsafe { core::ptr::read(&raw const *inherited) });
            0
        });
        assert_eq!(child.end(), Ending::Exited(0));
        assert!(inherited.is_original());
        drop(core::mem::ManuallyDrop::into_inner(inherited));
    }
}

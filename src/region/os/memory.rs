//! Memory that processes share: reserved, mapped, and for memory files sealed.
//!
//! **Purpose.** Two accidents turn an ordinary load into a SIGBUS: the file under a mapping became shorter, or its file
//! system had no page left at the first touch. Both are excluded before anything is mapped where that is possible.
//!
//! **Invariants.**
//!
//! - I1 A [`Mapping`] covers a whole file from its creation to its drop, readable, and writable unless it was made to look
//!   only. Its address is a multiple of the page size.
//! - I2 Every page of a file that this module made exists ([`reserve`]), so no touch can find the file system full.
//! - I3 The size of a memory file that this module made or accepted is sealed, and the seals are sealed, so it never
//!   becomes shorter. A named file cannot be sealed: there the header's words are checked (see [`header`]), and only
//!   the owner of the file could cut it at all.
//!
//! **Fork.** A child inherits the mapping and may touch it. `MADV_DONTFORK` would spare it that, and crash it instead
//! of giving it the error by which it learns that its parent's handles are not its own.
//!
//! **References.** `fallocate(2)`, `memfd_create(2)`, `fcntl(2)` on file seals, `mmap(2)` on SIGBUS.
//!
//! [`header`]: crate::region::header

use super::failed;
use crate::region::error::{OsError, RegionErrorKind, Unfit};
use crate::sync::AtomicU64;
use core::ptr::NonNull;
use rustix::fs::{FallocateFlags, MemfdFlags, Mode, SealFlags};
use rustix::io::{Errno, retry_on_intr};
use rustix::mm::{MapFlags, ProtFlags};
use rustix::process::Resource;
use std::fs::File;

/// The seals without which a descriptor from elsewhere is not accepted.
const SIZE_SEALS: SealFlags = SealFlags::SHRINK.union(SealFlags::GROW).union(SealFlags::SEAL);

/// The size of a page of memory.
pub(crate) fn page_size() -> u64 {
    rustix::param::page_size() as u64
}

/// What a mapping is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// To take part.
    Use,
    /// To read only: whoever writes through it ends with SIGSEGV.
    Look,
}

/// A shared mapping of a whole file.
#[derive(Debug)]
pub(crate) struct Mapping {
    base: NonNull<u8>,
    size: usize,
}

// SAFETY: the mapping belongs to the process, not to the thread that made it; the type itself reads and writes nothing
// but through atomics.
unsafe impl Send for Mapping {}
// SAFETY: as above.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Maps `file`, whose size must be `size`, to take part.
    pub(crate) fn map(file: &File, size: u64) -> Result<Self, RegionErrorKind> {
        Self::map_for(Purpose::Use, file, size)
    }

    /// Maps `file`, whose size must be `size`.
    pub(crate) fn map_for(purpose: Purpose, file: &File, size: u64) -> Result<Self, RegionErrorKind> {
        let actual = file.metadata().map_err(|error| OsError::from_io("fstat", &error))?.len();
        match usize::try_from(size) {
            _ if actual < size => Err(Unfit::Truncated { stated: size, actual }.into()),
            _ if actual > size => Err(Unfit::Overlong { stated: size, actual }.into()),
            Ok(bytes) => Ok(Self::map_bytes(purpose, file, bytes)?),
            Err(_) => Err(RegionErrorKind::NoSpace { needed: size }),
        }
    }

    fn map_bytes(purpose: Purpose, file: &File, size: usize) -> Result<Self, OsError> {
        let protection = match purpose {
            Purpose::Use => ProtFlags::READ | ProtFlags::WRITE,
            Purpose::Look => ProtFlags::READ,
        };
        // SAFETY: a null hint without MAP_FIXED replaces no mapping that exists.
        let base = unsafe { rustix::mm::mmap(core::ptr::null_mut(), size, protection, MapFlags::SHARED, file, 0) }
            .map_err(failed("mmap"))?;
        // The kernel gives out address zero to MAP_FIXED alone.
        let base = NonNull::new(base.cast()).ok_or_else(|| failed("mmap")(Errno::FAULT))?;
        Ok(Self { base, size })
    }

    /// Its size in bytes.
    pub(crate) fn size(&self) -> usize {
        self.size
    }

    /// A pointer to the `T` at `offset`, if it lies in the mapping and is aligned. What is there is for the caller to
    /// know. The pointer is good while the mapping lives.
    pub(crate) fn at<T>(&self, offset: usize) -> Option<NonNull<T>> {
        self.array_at(offset, 1)
    }

    /// A pointer to the first of `count` values at `offset`, if all lie in the mapping and are aligned.
    pub(crate) fn array_at<T>(&self, offset: usize, count: usize) -> Option<NonNull<T>> {
        let end = size_of::<T>().checked_mul(count)?.checked_add(offset)?;
        // The base is a multiple of the page size (I1), but alignments beyond that are possible.
        let address = self.base.as_ptr().addr().checked_add(offset)?;
        if end > self.size || !address.is_multiple_of(align_of::<T>()) {
            return None;
        }
        // SAFETY: `offset` is at most `end`, hence inside the mapping or just behind it.
        Some(unsafe { self.base.add(offset) }.cast())
    }

    /// The word at `offset`, if it lies in the mapping and is aligned. For words that nobody accesses but as atomics.
    pub(crate) fn word(&self, offset: usize) -> Option<&AtomicU64> {
        let word = self.at::<AtomicU64>(offset)?;
        // SAFETY: the word lies in the mapping, which outlives the borrow of `self`, and is aligned (`at`). Every
        // pattern of bits is an `AtomicU64`, and other references to it are to atomics too, by this call's contract.
        Some(unsafe { word.as_ref() })
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: base and size are those that mmap returned (I1), and all borrows of the mapping ended with `self`.
        let unmapped = unsafe { rustix::mm::munmap(self.base.as_ptr().cast(), self.size) };
        // Refused only for addresses that are no multiple of the page size, or when one mapping had to be split.
        debug_assert!(unmapped.is_ok(), "munmap: {unmapped:?}");
    }
}

/// Gives the empty `file` its size, and every page of it memory.
pub(crate) fn reserve(file: &File, size: u64) -> Result<(), RegionErrorKind> {
    // Beyond its limit a process is sent SIGXFSZ, which is a harder answer than an error.
    if rustix::process::getrlimit(Resource::Fsize).current.is_some_and(|limit| size > limit) {
        return Err(failed("fallocate")(Errno::FBIG).into());
    }
    // Asking first spares the machine from being filled up only to be told that it was not enough. The answer may be
    // outdated at once; `allocate` is what counts.
    let free = rustix::fs::fstatvfs(file).map_err(failed("fstatvfs"))?;
    let is_limited = free.f_blocks != 0;
    if is_limited && free.f_bavail.saturating_mul(free.f_frsize) < size {
        return Err(RegionErrorKind::NoSpace { needed: size });
    }
    // A memory file has no limit but the memory itself, and a tmpfs may have a larger one than there is memory: there the
    // kernel does not refuse, it ends processes until there is room.
    let in_memory = rustix::fs::fstatfs(file).map_err(failed("fstatfs"))?.f_type == libc::TMPFS_MAGIC;
    if in_memory && available().is_some_and(|available| size > available) {
        return Err(RegionErrorKind::NoSpace { needed: size });
    }
    allocate(file, size)
}

/// The bytes that the machine can give without ending a process, as the kernel estimates them; none if it does not say.
/// A limit of the control group alone is not seen here.
fn available() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let bytes_of = |name: &str| -> Option<u64> {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim().strip_suffix(" kB")?.parse::<u64>().ok()?.checked_mul(1024)
    };
    bytes_of("MemAvailable:")?.checked_add(bytes_of("SwapFree:").unwrap_or(0))
}

fn allocate(file: &File, size: u64) -> Result<(), RegionErrorKind> {
    // An interrupted call undoes itself: in one piece, a large file would never be done under a periodic signal.
    const PIECE: u64 = 16 << 20;
    let mut done = 0;
    while done < size {
        let piece = PIECE.min(size - done);
        match retry_on_intr(|| rustix::fs::fallocate(file, FallocateFlags::empty(), done, piece)) {
            Ok(()) => done += piece,
            Err(Errno::NOSPC | Errno::DQUOT | Errno::NOMEM) => return Err(RegionErrorKind::NoSpace { needed: size }),
            Err(errno) => return Err(failed("fallocate")(errno).into()),
        }
    }
    Ok(())
}

/// Makes a memory file of `size` bytes, reserved and sealed. `label` is what `/proc` shows of it.
pub(crate) fn sealed_file(label: &str, size: u64) -> Result<File, RegionErrorKind> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let file = match rustix::fs::memfd_create(label, flags | MemfdFlags::NOEXEC_SEAL) {
        // Before Linux 6.3 a memory file cannot be made without the permission to execute it.
        Err(Errno::INVAL) => rustix::fs::memfd_create(label, flags),
        answer => answer,
    }
    .map(File::from)
    .map_err(failed("memfd_create"))?;
    rustix::fs::fchmod(&file, Mode::RUSR | Mode::WUSR).map_err(failed("fchmod"))?;
    reserve(&file, size)?;
    rustix::fs::fcntl_add_seals(&file, SIZE_SEALS).map_err(failed("fcntl(F_ADD_SEALS)"))?;
    Ok(file)
}

/// Whether `file` is a memory file whose size can never change again.
pub(crate) fn is_sealed(file: &File) -> Result<bool, OsError> {
    match rustix::fs::fcntl_get_seals(file) {
        Ok(seals) => Ok(seals.contains(SIZE_SEALS)),
        // What cannot have seals at all.
        Err(Errno::INVAL) => Ok(false),
        Err(errno) => Err(failed("fcntl(F_GET_SEALS)")(errno)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::region::os::surroundings;
    use crate::sync::Ordering;
    use std::os::unix::fs::{FileExt, PermissionsExt};

    #[test]
    fn two_mappings_of_a_file_are_one_memory() {
        let file = sealed_file("two mappings", 2 * page_size()).unwrap();
        let one = Mapping::map(&file, 2 * page_size()).unwrap();
        let other = Mapping::map(&file, 2 * page_size()).unwrap();
        let last = one.size() - 8;
        one.word(last).unwrap().store(7, Ordering::Relaxed);
        assert_eq!(other.word(last).unwrap().load(Ordering::Relaxed), 7);
        let mut bytes = [0; 8];
        file.read_exact_at(&mut bytes, last as u64).unwrap();
        assert_eq!(u64::from_ne_bytes(bytes), 7);
        drop(one);
        assert_eq!(other.word(last).unwrap().load(Ordering::Relaxed), 7, "the second mapping is its own");
    }

    #[test]
    fn nothing_outside_of_the_mapping_or_misaligned_is_given_out() {
        #[repr(align(128))]
        struct Wide(#[expect(dead_code, reason = "its size and alignment are what counts")] [u8; 128]);
        #[repr(align(1048576))]
        struct Huge;
        let file = sealed_file("bounds", page_size()).unwrap();
        let mapping = Mapping::map(&file, page_size()).unwrap();
        let size = mapping.size();
        assert!(mapping.word(0).is_some());
        assert!(mapping.word(size - 8).is_some());
        for offset in [4, size - 4, size, size + 8, usize::MAX - 7, usize::MAX] {
            assert!(mapping.word(offset).is_none(), "offset {offset}");
        }
        assert!(mapping.at::<Wide>(size - 128).is_some());
        assert!(mapping.at::<Wide>(size - 64).is_none());
        assert!(mapping.array_at::<u64>(8, size / 8 - 1).is_some());
        assert!(mapping.array_at::<u64>(8, size / 8).is_none());
        assert!(mapping.array_at::<u64>(0, usize::MAX / 4).is_none());
        let address = mapping.at::<u8>(0).unwrap().as_ptr().addr();
        assert_eq!(mapping.at::<Huge>(0).is_some(), address.is_multiple_of(align_of::<Huge>()));
    }

    #[test]
    fn a_file_of_another_size_is_not_mapped() {
        let file = sealed_file("sizes", page_size()).unwrap();
        let actual = page_size();
        for stated in [actual + 1, 2 * actual, u64::MAX] {
            assert_eq!(Mapping::map(&file, stated).unwrap_err(), Unfit::Truncated { stated, actual }.into());
        }
        for stated in [0, actual - 1] {
            assert_eq!(Mapping::map(&file, stated).unwrap_err(), Unfit::Overlong { stated, actual }.into());
        }
    }

    #[test]
    fn a_sealed_file_keeps_its_size_and_its_seals() {
        let file = sealed_file("sealed", page_size()).unwrap();
        assert!(is_sealed(&file).unwrap());
        assert!(file.set_len(0).is_err(), "shrunk");
        assert!(file.set_len(2 * page_size()).is_err(), "grown");
        assert!(rustix::fs::fcntl_add_seals(&file, SealFlags::WRITE).is_err(), "sealed against writing by a peer");
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        let flags = rustix::io::fcntl_getfd(&file).unwrap();
        assert!(flags.contains(rustix::io::FdFlags::CLOEXEC), "inherited by programs that this process starts");
    }

    #[test]
    fn every_page_is_there_before_the_first_touch() {
        let size = 37 * page_size();
        let file = sealed_file("reserved", size).unwrap();
        assert_eq!(rustix::fs::fstat(&file).unwrap().st_blocks.unsigned_abs() * 512, size);
    }

    #[test]
    fn other_files_count_as_unsealed() {
        assert!(!is_sealed(&tempfile::tempfile_in("/dev/shm").unwrap()).unwrap());
        assert!(!is_sealed(&File::open("/proc/self/stat").unwrap()).unwrap());
        let half = rustix::fs::memfd_create("half", MemfdFlags::ALLOW_SEALING).map(File::from).unwrap();
        rustix::fs::fcntl_add_seals(&half, SealFlags::SHRINK | SealFlags::GROW).unwrap();
        assert!(!is_sealed(&half).unwrap(), "its seals can be added to");
    }

    #[test]
    fn more_than_the_file_system_has_is_refused_at_once() {
        let file = tempfile::tempfile_in("/dev/shm").unwrap();
        let needed = 1 << 60;
        assert_eq!(reserve(&file, needed), Err(RegionErrorKind::NoSpace { needed }));
        assert_eq!(file.metadata().unwrap().len(), 0);
    }

    #[test]
    fn a_file_system_that_fills_up_meanwhile_is_an_error_and_no_signal() {
        surroundings::in_small_tmpfs("1m", |root| {
            let file = tempfile::tempfile_in(root).unwrap();
            let needed = 2 << 20;
            assert_eq!(allocate(&file, needed), Err(RegionErrorKind::NoSpace { needed }));
            drop(file);
            let file = tempfile::tempfile_in(root).unwrap();
            assert_eq!(allocate(&file, 1 << 19), Ok(()), "what the first had taken is free again");
        });
    }
}

//! The words of a region, seen and overwritten through another mapping of its file.
#![allow(dead_code, reason = "each test binary uses a part of it")]

use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};
use selvedge::region::DIRECTORY_VARIABLE;
use selvedge::sync::{AtomicU32, AtomicU64};
use std::fs::File;
use std::path::PathBuf;
use std::ptr;

/// A second mapping of a region's file.
#[derive(Debug)]
pub(crate) struct Words {
    start: *mut u8,
    length: usize,
}

impl Words {
    /// Of a region in the directory of this test.
    pub(crate) fn of(region: &str) -> Self {
        let directory = std::env::var_os(DIRECTORY_VARIABLE).map(PathBuf::from).expect("a directory of its own");
        let file = File::options().read(true).write(true).open(directory.join(region)).expect("a region");
        let length = usize::try_from(file.metadata().expect("a file").len()).expect("64 bits");
        let (protection, flags) = (ProtFlags::READ | ProtFlags::WRITE, MapFlags::SHARED);
        // SAFETY: a new mapping wherever the kernel finds room takes nothing from anyone.
        let start = unsafe { mmap(ptr::null_mut(), length, protection, flags, &file, 0) }.expect("a mapping");
        Self { start: start.cast(), length }
    }

    /// The word at this offset.
    pub(crate) fn at(&self, offset: usize) -> &AtomicU32 {
        assert!(offset.is_multiple_of(4) && offset + 4 <= self.length);
        // SAFETY: within the mapping, aligned, and a word in which any pattern of bits is a value.
        unsafe { &*self.start.wrapping_add(offset).cast::<AtomicU32>() }
    }

    /// The long word at this offset.
    pub(crate) fn long_at(&self, offset: usize) -> &AtomicU64 {
        assert!(offset.is_multiple_of(8) && offset + 8 <= self.length);
        // SAFETY: as above.
        unsafe { &*self.start.wrapping_add(offset).cast::<AtomicU64>() }
    }

    /// Where in the file the messages are, of which the first two words are these.
    pub(crate) fn find(&self, message: [u64; 2]) -> usize {
        let wanted: Vec<u8> = message.iter().flat_map(|word| word.to_le_bytes()).collect();
        // SAFETY: the mapping, which nobody writes to while this looks.
        let bytes = unsafe { std::slice::from_raw_parts(self.start, self.length) };
        let mut places = bytes.windows(wanted.len()).enumerate().filter(|(_, window)| **window == wanted);
        let (place, _) = places.next().expect("the message lies in the file");
        assert!(places.next().is_none(), "the message lies there twice");
        place
    }
}

impl Drop for Words {
    fn drop(&mut self) {
        // SAFETY: `of` made this mapping for `self` alone.
        let _ = unsafe { munmap(self.start.cast(), self.length) };
    }
}

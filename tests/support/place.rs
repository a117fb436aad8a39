//! A directory of regions that is gone when the test ends, however it ends, and what is in it.
#![allow(dead_code, reason = "each test binary uses a part of it")]

use selvedge::region::RegionOptions;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// A directory of regions.
#[derive(Debug)]
pub(crate) struct Place {
    base: tempfile::TempDir,
}

/// What a look at a directory sees of a file: its name, size, inode and mode.
pub(crate) type Trace = (String, u64, u64, u32);

impl Place {
    /// An empty one in memory.
    pub(crate) fn new() -> Self {
        Self { base: tempfile::Builder::new().prefix("selvedge-test-").tempdir_in("/dev/shm").unwrap() }
    }

    /// Where a test may put other things.
    pub(crate) fn base(&self) -> &Path {
        self.base.path()
    }

    /// The directory of regions, made by the first region in it.
    pub(crate) fn path(&self) -> PathBuf {
        self.base.path().join("regions")
    }

    /// The same, to hand on to a child process.
    pub(crate) fn argument(&self) -> String {
        self.path().to_str().unwrap().to_owned()
    }

    /// Small regions in it.
    pub(crate) fn options(&self) -> RegionOptions {
        options_at(&self.argument())
    }

    /// The file of a region.
    pub(crate) fn file(&self, region: &str) -> PathBuf {
        self.path().join(region)
    }

    /// What is in the directory, or nothing if there is none.
    pub(crate) fn traces(&self) -> Vec<Trace> {
        traces_of(&self.path())
    }
}

/// Small regions in the directory at `path`.
pub(crate) fn options_at(path: &str) -> RegionOptions {
    RegionOptions::new().processes(8).threads(8).objects(16).arena(64 << 10).directory(path)
}

/// What is in the directory at `path`, by name; nothing if there is none.
pub(crate) fn traces_of(path: &Path) -> Vec<Trace> {
    let Ok(entries) = fs::read_dir(path) else { return Vec::new() };
    let trace = |entry: fs::DirEntry| {
        let facts = fs::symlink_metadata(entry.path()).unwrap();
        (entry.file_name().into_string().unwrap(), facts.len(), facts.ino(), facts.mode())
    };
    let mut traces: Vec<_> = entries.map(|entry| trace(entry.unwrap())).collect();
    traces.sort();
    traces
}

/// Sets the permission bits of what is at `path`.
pub(crate) fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

//! Named regions: files in a private directory.
//!
//! **Purpose.** Property N1 of region names: making, opening and removing a name race safely, with kills. Nobody maps
//! half a region, no two living regions bear one name, and nobody removes a successor's region.
//!
//! **Where.** `/dev/shm/selvedge-<uid>`, unless the environment variable [`DIRECTORY_VARIABLE`] names another
//! directory. All processes that share regions must agree on it. It is made with mode 0700 when it is first needed;
//! one that belongs to somebody else, that others have access to, or that is a symbolic link is refused.
//!
//! **Protocol.**
//!
//! 1. *Create*, under the directory's lock: fail if the name exists; stage a file, reserve its pages, write its header,
//!    let the caller fill in the body; link it to the name. The name appears in one step, and it appears last.
//! 2. *Open*, without the lock: open the file, check it ([`inspect`](super::file::inspect)), map it. Once the caller is
//!    attached it asks whether the name [still refers](Store::still_named) to this file; if not, it attached to a
//!    region that was removed meanwhile, and starts over.
//! 3. *Remove*, under the lock: look which file bears the name, compare, unlink. Since names appear under the lock only,
//!    what was compared is what is unlinked. Who is attached stays attached; the memory goes with the last of them.
//!
//! **Invariants.**
//!
//! - I1 A name refers to no file, or to one whose header and body were written before it got the name.
//! - I2 Names are made and removed by the holder of the lock alone.
//!
//! **Death.** Before the name appears: the file has no name and vanishes, or has a staging name and is removed by the
//! next creation or removal. Afterwards: the region is whole, whoever opens it finds it. In a removal: the name is there
//! or it is not. The lock is released by the kernel.
//!
//! **Not covered.** A process that does not use this module, `rm` say, is bound by none of this.

use super::error::{DirectoryError, RegionError, RegionErrorKind, Unfit};
use super::file::{self, Facts, RegionFile};
use super::limits::{LayoutOf, Limits};
use super::name::RegionName;
use super::os::directory::{Access, Directory, Identity, LockedDirectory, OpenFile, Staged, own_uid};
use super::os::memory::{self, Mapping};
use super::uuid;
use crate::sync::Deadline;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// The environment variable that names the directory of region files.
pub const DIRECTORY_VARIABLE: &str = "SELVEDGE_DIR";

/// The named regions of one directory.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    path: PathBuf,
    layout_of: LayoutOf,
    /// Not to try files without names: for tests of what some file systems need.
    stages_by_name: bool,
}

impl Store {
    /// The regions in the user's own directory.
    pub(crate) fn of_user(layout_of: LayoutOf) -> Self {
        let path = match std::env::var_os(DIRECTORY_VARIABLE) {
            Some(path) if !path.is_empty() => PathBuf::from(path),
            _ => PathBuf::from(format!("/dev/shm/selvedge-{}", own_uid())),
        };
        Self::at(&path, layout_of)
    }

    /// The regions in the directory at `path`.
    pub(crate) fn at(path: &Path, layout_of: LayoutOf) -> Self {
        // Made absolute once, so that a later change of the working directory changes nothing; and without a slash at
        // the end, behind which the kernel would follow a symbolic link.
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf()).components().collect();
        Self { path, layout_of, stages_by_name: false }
    }

    /// The directory.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Makes a region. `init` fills in its body before anybody else can find it; it must not use this store, which is
    /// locked meanwhile.
    pub(crate) fn create(
        &self,
        name: &RegionName,
        limits: Limits,
        deadline: Deadline,
        init: impl FnOnce(&Mapping) -> Result<(), RegionErrorKind>,
    ) -> Result<RegionFile, RegionError> {
        self.try_create(name, limits, deadline, init).map_err(|kind| RegionError::new(name.as_str(), kind))
    }

    fn try_create(
        &self,
        name: &RegionName,
        limits: Limits,
        deadline: Deadline,
        init: impl FnOnce(&Mapping) -> Result<(), RegionErrorKind>,
    ) -> Result<RegionFile, RegionErrorKind> {
        let header = file::plan(limits, self.layout_of)?;
        let directory = self.lock(deadline)?;
        // Asked first, or else every loser of a race would reserve a region's memory only to give it back.
        if directory.identity_of(name.as_str())?.is_some() {
            return Err(RegionErrorKind::AlreadyExists);
        }
        // dead here, and up to the next comment: the file vanishes, or the next holder of the lock removes it.
        let staged = self.stage(&directory)?;
        memory::reserve(staged.file(), header.size)?;
        let region = RegionFile::fill(staged.file(), header, init)?;
        // dead from here on: the region is whole.
        staged.publish(name.as_str())?;
        Ok(region)
    }

    fn stage<'a>(&self, directory: &'a LockedDirectory) -> Result<Staged<'a>, RegionErrorKind> {
        if !self.stages_by_name
            && let Some(staged) = directory.stage_unnamed()?
        {
            return Ok(staged);
        }
        let [high, low] = uuid::random()?;
        Ok(directory.stage_named(&format!("{high:016x}{low:016x}"))?)
    }

    /// Maps the region called `name`.
    pub(crate) fn open(&self, name: &RegionName) -> Result<RegionFile, RegionError> {
        self.try_open(name).map_err(|kind| RegionError::new(name.as_str(), kind))
    }

    fn try_open(&self, name: &RegionName) -> Result<RegionFile, RegionErrorKind> {
        let directory = Directory::find(&self.path)?.ok_or(RegionErrorKind::NotFound)?;
        let file = open_regular(&directory, name, Access::ReadWrite)?;
        RegionFile::open(&file, self.layout_of)
    }

    /// Maps the region called `name` to read it. Nothing is changed, and nobody is kept from changing it.
    pub(crate) fn open_to_look(&self, name: &RegionName) -> Result<RegionFile, RegionError> {
        let look = || {
            let directory = Directory::find(&self.path)?.ok_or(RegionErrorKind::NotFound)?;
            RegionFile::open_to_look(&open_regular(&directory, name, Access::Read)?, self.layout_of)
        };
        look().map_err(|kind| RegionError::new(name.as_str(), kind))
    }

    /// Maps the region called `name`, and makes it first if there is none. Says whether this call made it.
    pub(crate) fn open_or_create(
        &self,
        name: &RegionName,
        limits: Limits,
        deadline: Deadline,
        mut init: impl FnMut(&Mapping) -> Result<(), RegionErrorKind>,
    ) -> Result<(RegionFile, bool), RegionError> {
        loop {
            match self.open(name) {
                Err(error) if *error.kind() == RegionErrorKind::NotFound => {}
                answer => return answer.map(|region| (region, false)),
            }
            match self.create(name, limits, deadline, &mut init) {
                // Made by somebody else between the two looks, and perhaps removed again by now.
                Err(error) if *error.kind() == RegionErrorKind::AlreadyExists => {}
                answer => return answer.map(|region| (region, true)),
            }
            if deadline.has_passed() {
                return Err(RegionError::new(name.as_str(), RegionErrorKind::Busy));
            }
        }
    }

    /// Whether `name` refers to the region with this identity, which the caller has mapped.
    pub(crate) fn still_named(&self, name: &RegionName, identity: Identity) -> Result<bool, RegionError> {
        let look = || match Directory::find(&self.path)? {
            Some(directory) => Ok(directory.identity_of(name.as_str())? == Some(identity)),
            None => Ok(false),
        };
        look().map_err(|kind| RegionError::new(name.as_str(), kind))
    }

    /// Removes the region called `name`, and says which it was. One of another boot, version or layout is a region too;
    /// anything else is refused.
    pub(crate) fn remove(&self, name: &RegionName, deadline: Deadline) -> Result<Identity, RegionError> {
        self.remove_if(name, deadline, |directory, _| {
            let file = open_regular(directory, name, Access::Read)?;
            match file::inspect(&file, self.layout_of) {
                Err(RegionErrorKind::Unfit(
                    Unfit::OtherBoot | Unfit::OtherVersion { .. } | Unfit::OtherLayout { .. },
                )) => Ok(()),
                answer => answer.map(|_| ()),
            }
        })
    }

    /// Removes the region called `name` if it is the one with this identity, which the caller has mapped.
    pub(crate) fn remove_exact(
        &self,
        name: &RegionName,
        identity: Identity,
        deadline: Deadline,
    ) -> Result<Identity, RegionError> {
        self.remove_if(name, deadline, |_, found| match found == identity {
            true => Ok(()),
            false => Err(RegionErrorKind::Replaced),
        })
    }

    /// Removes whatever is called `name` and is not a directory: a damaged region, a stranger's file.
    pub(crate) fn remove_anyway(&self, name: &RegionName, deadline: Deadline) -> Result<Identity, RegionError> {
        self.remove_if(name, deadline, |_, _| Ok(()))
    }

    fn remove_if(
        &self,
        name: &RegionName,
        deadline: Deadline,
        agree: impl FnOnce(&LockedDirectory, Identity) -> Result<(), RegionErrorKind>,
    ) -> Result<Identity, RegionError> {
        let remove = || {
            let directory = self.lock(deadline)?;
            let found = directory.identity_of(name.as_str())?.ok_or(RegionErrorKind::NotFound)?;
            agree(&directory, found)?;
            directory.unlink(name.as_str())?;
            Ok(found)
        };
        remove().map_err(|kind| RegionError::new(name.as_str(), kind))
    }

    fn lock(&self, deadline: Deadline) -> Result<LockedDirectory, RegionErrorKind> {
        let directory = Directory::lock(&self.path, deadline)?;
        directory.remove_left_over()?;
        Ok(directory)
    }

    /// What bears a region's name in the directory, sorted by name. Nothing is mapped or attached to.
    pub(crate) fn list(&self) -> Result<Vec<Entry>, DirectoryError> {
        let Some(directory) = Directory::find(&self.path)? else { return Ok(Vec::new()) };
        let names = directory.names()?;
        let named = names.iter().filter_map(|name| RegionName::new(name).ok());
        let mut entries: Vec<_> = named.filter_map(|name| self.entry(&directory, name)).collect();
        entries.sort_unstable_by(|one, other| one.name.cmp(&other.name));
        Ok(entries)
    }

    /// None if the name is gone by now.
    fn entry(&self, directory: &Directory, name: RegionName) -> Option<Entry> {
        let damaged = |name, size, kind| Some(Entry { name, size, created: None, status: Status::Damaged(kind) });
        let file = match open_regular(directory, &name, Access::Read) {
            Ok(file) => file,
            Err(RegionErrorKind::NotFound) => return None,
            Err(kind) => return damaged(name, 0, kind),
        };
        match file::inspect(&file, self.layout_of) {
            Ok((header, facts)) => Some(Entry {
                name,
                size: facts.size,
                created: Some(header.created()),
                status: Status::Valid(header.limits),
            }),
            Err(kind) => damaged(name, Facts::of(&file).map_or(0, |facts| facts.size), kind),
        }
    }
}

fn open_regular(directory: &Directory, name: &RegionName, access: Access) -> Result<File, RegionErrorKind> {
    match directory.open_file(name.as_str(), access)? {
        Some(OpenFile::Opened(file)) => Ok(file),
        Some(OpenFile::NotRegular) => Err(Unfit::NotRegular.into()),
        None => Err(RegionErrorKind::NotFound),
    }
}

/// One name in the directory of regions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The name.
    pub name: RegionName,
    /// The bytes of memory that its file has.
    pub size: u64,
    /// When the region was made; none if that cannot be known.
    pub created: Option<SystemTime>,
    /// Whether it can be used.
    pub status: Status,
}

/// Whether a region in the directory can be used.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Status {
    /// A region that was made for this many processes, threads and objects.
    Valid(Limits),
    /// No region that this process could open, and why.
    Damaged(RegionErrorKind),
}

#[cfg(test)]
mod tests;

//! The private directory of region files: opened with suspicion, locked for changes, and staged files that appear in it
//! whole or not at all.
//!
//! **Purpose.** All that makes names safe against races and kills is here; what is in the files is not.
//!
//! **Protocol.**
//!
//! 1. The directory is opened without following a link, and its owner and mode are looked at through the descriptor, so
//!    that nobody else can have put anything into it. All later work goes through the descriptor.
//! 2. Names are created and removed by holders of an exclusive `flock` on it alone ([`LockedDirectory`]). The lock is
//!    good only if the path still leads to this directory *after* it was taken; otherwise the directory was replaced
//!    while this process waited, and it starts over with the new one.
//! 3. A new file is made without a name (`O_TMPFILE`), filled, and then linked to its name in one step. Where the file
//!    system does not know files without names, it is made under a name that no region can have, and renamed.
//!
//! **Death.** A file without a name vanishes with its maker. One with a staging name stays, and since staging happens
//! under the lock, whoever holds the lock next knows that all such files are left over
//! ([`LockedDirectory::remove_left_over`]). The lock itself goes with the last descriptor of its holder: a child that
//! the holder forked meanwhile, and that did not call exec, keeps it until it ends, unless the holder lived to unlock.
//!
//! **References.** `open(2)` on `O_TMPFILE`, `flock(2)`, `linkat(2)`, `renameat2(2)`.

use super::failed;
use crate::region::error::{DirectoryError, DirectoryFault, OsError, RegionErrorKind};
use crate::sync::Deadline;
use core::time::Duration;
use rustix::fd::{AsRawFd, OwnedFd};
use rustix::fs::{AtFlags, CWD, Dir, FileType, FlockOperation, Mode, OFlags, RenameFlags, Stat};
use rustix::io::{Errno, retry_on_intr};
use rustix::process::Pid;
use std::fs::File;
use std::ops::Deref;
use std::path::{Path, PathBuf};

/// How the names of staged files begin. The name of a region begins with no dot.
const STAGED: &str = ".staged-";

const OWNER_ONLY: Mode = Mode::RUSR.union(Mode::WUSR);

/// Which file a name refers to. A number is not given to another file while this one is open or mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Identity {
    pub(crate) device: u64,
    pub(crate) inode: u64,
}

impl Identity {
    fn of(stat: &Stat) -> Self {
        Self { device: stat.st_dev, inode: stat.st_ino }
    }
}

/// The user as whom this thread opens files.
pub(crate) fn own_uid() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// For what a file is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// To look at it.
    Read,
    /// To map it.
    ReadWrite,
}

/// The directory of region files, checked and open.
#[derive(Debug)]
pub(crate) struct Directory {
    descriptor: OwnedFd,
    path: PathBuf,
}

impl Directory {
    /// Opens the directory at `path`; none if there is none.
    pub(crate) fn find(path: &Path) -> Result<Option<Self>, DirectoryError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match retry_on_intr(|| rustix::fs::open(path, flags, Mode::empty())) {
            Ok(descriptor) => Self { descriptor, path: path.to_path_buf() }.checked().map(Some),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(DirectoryError::new(path, why_closed(path, errno))),
        }
    }

    /// Opens the directory at `path`, and makes it if there is none.
    pub(crate) fn ensure(path: &Path) -> Result<Self, DirectoryError> {
        match Self::find(path)? {
            Some(directory) => Ok(directory),
            None => {
                let refused = |errno| DirectoryError::new(path, DirectoryFault::Os(failed("mkdir")(errno)));
                match rustix::fs::mkdir(path, Mode::RWXU) {
                    Ok(()) | Err(Errno::EXIST) => Self::find(path)?.ok_or_else(|| refused(Errno::NOENT)),
                    Err(errno) => Err(refused(errno)),
                }
            }
        }
    }

    /// Opens the directory at `path`, made if there is none, and waits until this process alone may change it.
    pub(crate) fn lock(path: &Path, deadline: Deadline) -> Result<LockedDirectory, RegionErrorKind> {
        loop {
            let directory = Self::ensure(path)?;
            directory.take_lock(deadline)?;
            let locked = LockedDirectory { directory, holder: rustix::process::getpid() };
            if locked.is_at_its_path() {
                return Ok(locked);
            }
            if deadline.has_passed() {
                return Err(RegionErrorKind::Busy);
            }
        }
    }

    fn checked(self) -> Result<Self, DirectoryError> {
        let fault = match rustix::fs::fstat(&self.descriptor) {
            Ok(stat) if stat.st_uid != own_uid() => DirectoryFault::OtherOwner { uid: stat.st_uid },
            Ok(stat) if stat.st_mode & 0o077 != 0 => DirectoryFault::Exposed { mode: stat.st_mode & 0o7777 },
            Ok(_) => return Ok(self),
            Err(errno) => DirectoryFault::Os(failed("fstat")(errno)),
        };
        Err(DirectoryError::new(&self.path, fault))
    }

    /// A lock with a deadline has to be asked for again and again. Each holder needs microseconds, plus the time to
    /// fill in the region.
    fn take_lock(&self, deadline: Deadline) -> Result<(), RegionErrorKind> {
        const LONGEST_PAUSE: Duration = Duration::from_millis(2);
        let mut pause = Duration::from_micros(50);
        loop {
            match rustix::fs::flock(&self.descriptor, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(()),
                Err(Errno::WOULDBLOCK | Errno::INTR) if deadline.has_passed() => return Err(RegionErrorKind::Busy),
                Err(Errno::WOULDBLOCK | Errno::INTR) => std::thread::sleep(pause.min(deadline.remaining())),
                Err(errno) => return Err(failed("flock")(errno).into()),
            }
            pause = LONGEST_PAUSE.min(pause * 2);
        }
    }

    fn is_at_its_path(&self) -> bool {
        match (rustix::fs::fstat(&self.descriptor), rustix::fs::lstat(&self.path)) {
            (Ok(held), Ok(found)) => Identity::of(&held) == Identity::of(&found),
            _ => false,
        }
    }

    /// Opens the file called `name`, whatever it is, without waiting for anybody; none if there is none.
    pub(crate) fn open_file(&self, name: &str, access: Access) -> Result<Option<OpenFile>, OsError> {
        let access = match access {
            Access::Read => OFlags::RDONLY,
            Access::ReadWrite => OFlags::RDWR,
        };
        let flags = access | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        match retry_on_intr(|| rustix::fs::openat(&self.descriptor, name, flags, Mode::empty())) {
            Ok(descriptor) => Ok(Some(OpenFile::Opened(File::from(descriptor)))),
            Err(Errno::NOENT) => Ok(None),
            // A symbolic link; a directory; a socket or a device without driver.
            Err(Errno::LOOP | Errno::ISDIR | Errno::NXIO | Errno::NODEV) => Ok(Some(OpenFile::NotRegular)),
            Err(errno) => Err(failed("openat")(errno)),
        }
    }

    /// Which file `name` refers to; none if it refers to none.
    pub(crate) fn identity_of(&self, name: &str) -> Result<Option<Identity>, OsError> {
        match rustix::fs::statat(&self.descriptor, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(Identity::of(&stat))),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(failed("fstatat")(errno)),
        }
    }

    /// The names of all that is in the directory, as far as they are UTF-8.
    pub(crate) fn names(&self) -> Result<Vec<String>, DirectoryError> {
        let refused = |errno| DirectoryError::new(&self.path, DirectoryFault::Os(failed("getdents64")(errno)));
        let mut names = Vec::new();
        for entry in Dir::read_from(&self.descriptor).map_err(refused)? {
            let entry = entry.map_err(refused)?;
            if let Ok(name) = entry.file_name().to_str() {
                names.push(name.to_owned());
            }
        }
        Ok(names)
    }
}

/// What the name of a file led to.
#[derive(Debug)]
pub(crate) enum OpenFile {
    /// Something that could be opened; a regular file, perhaps.
    Opened(File),
    /// Surely no regular file.
    NotRegular,
}

/// Why the directory at `path` could not be opened, as exactly as a second look tells.
fn why_closed(path: &Path, errno: Errno) -> DirectoryFault {
    match rustix::fs::lstat(path) {
        Ok(stat) => match FileType::from_raw_mode(stat.st_mode) {
            FileType::Symlink => DirectoryFault::Symlink,
            FileType::Directory if stat.st_uid != own_uid() => DirectoryFault::OtherOwner { uid: stat.st_uid },
            FileType::Directory => DirectoryFault::Os(failed("open")(errno)),
            _ => DirectoryFault::NotADirectory,
        },
        Err(_) => DirectoryFault::Os(failed("open")(errno)),
    }
}

/// The directory of region files while this process alone may create and remove names in it.
#[derive(Debug)]
pub(crate) struct LockedDirectory {
    directory: Directory,
    holder: Pid,
}

impl Deref for LockedDirectory {
    type Target = Directory;

    fn deref(&self) -> &Directory {
        &self.directory
    }
}

impl Drop for LockedDirectory {
    fn drop(&mut self) {
        // A forked child shares its parent's lock; to unlock here would be to unlock the parent's.
        if rustix::process::getpid() == self.holder {
            // Closing the descriptor, which follows, unlocks as well, unless a forked child has it too.
            let _ = rustix::fs::flock(&self.descriptor, FlockOperation::Unlock);
        }
    }
}

impl LockedDirectory {
    /// Removes the staged files of processes that were killed while they held the lock.
    pub(crate) fn remove_left_over(&self) -> Result<(), RegionErrorKind> {
        for name in self.names()?.iter().filter(|name| name.starts_with(STAGED)) {
            self.unlink(name)?;
        }
        Ok(())
    }

    /// Removes `name` from the directory; nothing if it is gone already.
    pub(crate) fn unlink(&self, name: &str) -> Result<(), OsError> {
        match rustix::fs::unlinkat(&self.descriptor, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(errno) => Err(failed("unlinkat")(errno)),
        }
    }

    /// Makes an empty file without a name; none if this file system has no such files.
    pub(crate) fn stage_unnamed(&self) -> Result<Option<Staged<'_>>, OsError> {
        let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
        match retry_on_intr(|| rustix::fs::openat(&self.descriptor, c".", flags, OWNER_ONLY)) {
            Ok(descriptor) => Staged { directory: self, file: File::from(descriptor), name: None }.owned().map(Some),
            // The file system has none; or does not know the flag, and sees a directory opened for writing.
            Err(Errno::OPNOTSUPP | Errno::ISDIR) => Ok(None),
            Err(errno) => Err(failed("openat(O_TMPFILE)")(errno)),
        }
    }

    /// Makes an empty file under a staging name that ends in `suffix`, which must never have been used before.
    pub(crate) fn stage_named(&self, suffix: &str) -> Result<Staged<'_>, OsError> {
        let name = format!("{STAGED}{suffix}");
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::RDWR | OFlags::CLOEXEC;
        retry_on_intr(|| rustix::fs::openat(&self.descriptor, &name, flags, OWNER_ONLY))
            .map_err(failed("openat(O_CREAT)"))
            .and_then(|file| Staged { directory: self, file: File::from(file), name: Some(name) }.owned())
    }
}

/// A file that nobody can find yet. Dropped, it is gone.
#[derive(Debug)]
pub(crate) struct Staged<'a> {
    directory: &'a LockedDirectory,
    file: File,
    name: Option<String>,
}

impl Staged<'_> {
    /// The mode is set once more, because the process may have an umask that takes the owner's own rights.
    fn owned(self) -> Result<Self, OsError> {
        rustix::fs::fchmod(&self.file, OWNER_ONLY).map_err(failed("fchmod"))?;
        Ok(self)
    }

    /// The file.
    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// Gives the file its name, in one step; never takes a name away from another file.
    pub(crate) fn publish(mut self, name: &str) -> Result<(), RegionErrorKind> {
        let (operation, published) = match &self.name {
            None => ("linkat", self.link(name)),
            Some(staged) => ("renameat2", self.rename(staged, name)),
        };
        match published {
            Ok(()) => {
                self.name = None;
                Ok(())
            }
            Err(Errno::EXIST) => Err(RegionErrorKind::AlreadyExists),
            Err(Errno::NOSPC | Errno::DQUOT) => {
                Err(RegionErrorKind::NoSpace { needed: self.file.metadata().map_or(0, |file| file.len()) })
            }
            Err(errno) => Err(failed(operation)(errno).into()),
        }
    }

    fn link(&self, name: &str) -> Result<(), Errno> {
        // A file without a name is linked by way of its descriptor; the thread's own table of them, to be exact.
        let file = format!("/proc/thread-self/fd/{}", self.file.as_raw_fd());
        rustix::fs::linkat(CWD, file, &self.directory.descriptor, name, AtFlags::SYMLINK_FOLLOW)
    }

    fn rename(&self, staged: &str, name: &str) -> Result<(), Errno> {
        let directory = &self.directory.descriptor;
        rustix::fs::renameat_with(directory, staged, directory, name, RenameFlags::NOREPLACE)
    }
}

impl Drop for Staged<'_> {
    fn drop(&mut self) {
        if let Some(name) = &self.name {
            // Should it fail, the next creation tries again.
            let _ = self.directory.unlink(name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn soon() -> Deadline {
        Deadline::after(Duration::from_secs(60))
    }

    #[test]
    fn a_forked_child_that_drops_an_inherited_lock_does_not_unlock_its_parent() {
        let base = tempfile::tempdir_in("/dev/shm").unwrap();
        let path = base.path().join("regions");
        let held = Directory::lock(&path, soon()).unwrap();
        // What fork leaves the child with: a descriptor of the same open file, and the parent as holder.
        let descriptor = held.descriptor.try_clone().unwrap();
        let directory = Directory { descriptor, path: path.clone() };
        drop(LockedDirectory { directory, holder: rustix::process::getppid().unwrap() });
        let passed = Deadline::after(Duration::ZERO);
        assert_eq!(Directory::lock(&path, passed).unwrap_err(), RegionErrorKind::Busy);
        let inherited = held.descriptor.try_clone().unwrap();
        drop(held);
        Directory::lock(&path, passed).expect("the holder unlocks even if a forked child has the descriptor");
        drop(inherited);
    }

    #[test]
    fn a_file_system_without_unnamed_files_is_recognised() {
        if own_uid() != 0 {
            eprintln!("skipped: only root can try to make a file in /proc");
            return;
        }
        let path = PathBuf::from("/proc");
        let directory = Directory { descriptor: File::open(&path).unwrap().into(), path };
        let directory = LockedDirectory { directory, holder: rustix::process::getpid() };
        assert!(directory.stage_unnamed().unwrap().is_none());
    }

    #[test]
    fn a_staged_file_never_takes_a_name_away() {
        let base = tempfile::tempdir_in("/dev/shm").unwrap();
        let locked = Directory::lock(&base.path().join("regions"), soon()).unwrap();
        std::fs::write(base.path().join("regions/taken"), "first").unwrap();
        for staged in [locked.stage_unnamed().unwrap().unwrap(), locked.stage_named("1").unwrap()] {
            assert_eq!(staged.publish("taken"), Err(RegionErrorKind::AlreadyExists));
        }
        assert_eq!(std::fs::read(base.path().join("regions/taken")).unwrap(), b"first");
        assert_eq!(locked.names().unwrap().len(), 3, "beside `.` and `..`");
    }
}

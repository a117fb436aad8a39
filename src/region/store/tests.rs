//! Tests of named regions, one name at a time; races and kills have files of their own.

mod child;
mod damage;
mod kills;
mod race;

use self::child::Running;
use super::*;
use crate::region::error::{DirectoryFault, OsError};
use crate::region::header::BODY_OFFSET;
use crate::region::limits::Layout;
use crate::region::os::surroundings::{self, NOBODY};
use crate::sync::{AtomicU64, Ordering};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::time::Duration;

/// Words of the body: the seed, written last; how often the region was removed; then words that follow from the seed.
const SEED: usize = 0;
const REMOVALS: usize = 1;
const PATTERN: usize = 2;
const WORDS: usize = 1024;

const LIMITS: Limits = Limits { processes: 2, threads: 2, objects: 1, arena: 0 };

fn layout_of(limits: &Limits) -> Result<Layout, RegionErrorKind> {
    let needed = (WORDS * 8) as u64;
    match needed.checked_add(limits.arena) {
        Some(body) => Ok(Layout { hash: 0xc0de, body }),
        None => Err(RegionErrorKind::NoSpace { needed: u64::MAX }),
    }
}

fn word(mapping: &Mapping, index: usize) -> &AtomicU64 {
    mapping.word(BODY_OFFSET + 8 * index).unwrap()
}

fn pattern(seed: u64, index: usize) -> u64 {
    (seed ^ index as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// Fills in the body such that a half-filled one shows.
fn fill(mapping: &Mapping, seed: u64) {
    assert_ne!(seed, 0);
    for index in PATTERN..WORDS {
        word(mapping, index).store(pattern(seed, index), Ordering::Relaxed);
        if index == WORDS / 2 {
            std::thread::yield_now();
        }
    }
    word(mapping, SEED).store(seed, Ordering::Release);
}

/// Returns the seed of a region whose body is as [`fill`] left it.
fn assert_whole(region: &RegionFile) -> u64 {
    assert!(region.still_valid());
    let seed = word(region.mapping(), SEED).load(Ordering::Acquire);
    assert_ne!(seed, 0, "mapped before it was filled in");
    for index in PATTERN..WORDS {
        assert_eq!(word(region.mapping(), index).load(Ordering::Relaxed), pattern(seed, index), "word {index}");
    }
    seed
}

/// Long enough for a loaded machine; whoever reaches it has failed.
fn soon() -> Deadline {
    Deadline::after(Duration::from_secs(60))
}

fn stock() -> RegionName {
    RegionName::new("stock").unwrap()
}

const BY_NAME: &str = "by name";

/// A directory of regions that is gone when the test ends, however it ends.
struct Place {
    /// None in child processes.
    directory: Option<tempfile::TempDir>,
    store: Store,
}

impl Place {
    fn new() -> Self {
        let directory = tempfile::Builder::new().prefix("selvedge-test-").tempdir_in("/dev/shm").unwrap();
        let store = Store::at(&directory.path().join("regions"), layout_of);
        Self { directory: Some(directory), store }
    }

    fn base(&self) -> &Path {
        self.directory.as_ref().unwrap().path()
    }

    /// What a child process needs to work in the same place.
    fn as_arguments(&self) -> [String; 2] {
        let staging = if self.store.stages_by_name { BY_NAME } else { "" };
        [self.store.path().to_str().unwrap().to_owned(), staging.to_owned()]
    }

    fn of_parent(path: &str, staging: &str) -> Self {
        let store = Store { stages_by_name: staging == BY_NAME, ..Store::at(Path::new(path), layout_of) };
        Self { directory: None, store }
    }

    /// One store for each way of staging.
    fn both() -> [Self; 2] {
        let mut by_name = Self::new();
        by_name.store.stages_by_name = true;
        [Self::new(), by_name]
    }

    fn create(&self, seed: u64) -> RegionFile {
        self.try_create(seed).unwrap()
    }

    fn try_create(&self, seed: u64) -> Result<RegionFile, RegionError> {
        self.store.create(&stock(), LIMITS, soon(), |mapping| {
            fill(mapping, seed);
            Ok(())
        })
    }

    fn file(&self) -> PathBuf {
        self.store.path().join("stock")
    }

    fn names(&self) -> Vec<String> {
        names_in(self.store.path())
    }

    fn open_error(&self) -> RegionErrorKind {
        self.store.open(&stock()).unwrap_err().kind().clone()
    }
}

fn names_in(path: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(path).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn what_one_makes_another_finds() {
    for place in Place::both() {
        let made = place.create(7);
        let found = place.store.open(&stock()).unwrap();
        assert_eq!(assert_whole(&found), 7);
        assert_eq!((found.id(), found.limits(), found.identity()), (made.id(), LIMITS, made.identity()));
        word(made.mapping(), REMOVALS).store(3, Ordering::Relaxed);
        assert_eq!(word(found.mapping(), REMOVALS).load(Ordering::Relaxed), 3, "one memory");
        assert_eq!(place.names(), ["stock"]);
        let file = fs::metadata(place.file()).unwrap();
        assert_eq!(file.permissions().mode() & 0o7777, 0o600);
        assert_eq!(file.blocks() * 512, file.len(), "not every page is reserved");
        assert_eq!(fs::metadata(place.store.path()).unwrap().permissions().mode() & 0o7777, 0o700);
    }
}

#[test]
fn a_directory_on_disk_serves_as_well() {
    let base = tempfile::tempdir().unwrap();
    for mut place in Place::both() {
        place.store.path = base.path().join("regions");
        let made = place.create(7);
        assert_eq!(assert_whole(&place.store.open(&stock()).unwrap()), 7);
        assert_eq!(place.store.remove(&stock(), soon()), Ok(made.identity()));
        assert_eq!(place.names(), [""; 0]);
    }
}

#[test]
fn the_second_maker_is_told_and_changes_nothing() {
    for place in Place::both() {
        let first = place.create(7);
        let second = place.store.create(&stock(), LIMITS, soon(), |_| panic!("asked to fill in a second region"));
        assert_eq!(second.unwrap_err(), RegionError::new("stock", RegionErrorKind::AlreadyExists));
        assert_eq!(place.store.open(&stock()).unwrap().id(), first.id());
        assert_eq!(place.names(), ["stock"]);
    }
}

#[test]
fn a_maker_that_fails_leaves_nothing() {
    for place in Place::both() {
        let kind = RegionErrorKind::TooManyProcesses { limit: 1 };
        let failed = place.store.create(&stock(), LIMITS, soon(), |_| Err(kind.clone()));
        assert_eq!(failed.unwrap_err().kind(), &kind);
        let panicked = std::panic::catch_unwind(|| place.store.create(&stock(), LIMITS, soon(), |_| panic!("init")));
        assert!(panicked.is_err());
        assert_eq!(place.names(), [""; 0]);
        place.create(7);
    }
}

#[test]
fn impossible_limits_are_refused_before_anything_is_touched() {
    let place = Place::new();
    let limits = Limits { processes: Limits::MAX_PROCESSES + 1, ..LIMITS };
    let error = place.store.create(&stock(), limits, soon(), |_| Ok(())).unwrap_err();
    assert_eq!(error.to_string(), "region `stock`: 121 processes, between 1 and 120 are possible");
    let limits = Limits { arena: u64::MAX, ..LIMITS };
    let error = place.store.create(&stock(), limits, soon(), |_| Ok(())).unwrap_err();
    assert_eq!(error.kind(), &RegionErrorKind::NoSpace { needed: u64::MAX });
    assert!(!place.store.path().exists());
}

#[test]
fn looking_for_a_region_makes_no_directory() {
    let place = Place::new();
    let identity = Identity { device: 1, inode: 1 };
    assert_eq!(place.open_error(), RegionErrorKind::NotFound);
    assert_eq!(place.store.list(), Ok(Vec::new()));
    assert_eq!(place.store.still_named(&stock(), identity), Ok(false));
    assert!(!place.store.path().exists());
    for removed in [
        place.store.remove(&stock(), soon()),
        place.store.remove_anyway(&stock(), soon()),
        place.store.remove_exact(&stock(), identity, soon()),
    ] {
        assert_eq!(removed.unwrap_err().kind(), &RegionErrorKind::NotFound);
    }
}

#[test]
fn a_removed_region_lives_on_for_those_who_have_it() {
    let place = Place::new();
    let region = place.create(7);
    assert_eq!(place.store.still_named(&stock(), region.identity()), Ok(true));
    assert_eq!(place.store.remove(&stock(), soon()), Ok(region.identity()));
    assert_eq!(place.store.still_named(&stock(), region.identity()), Ok(false));
    assert_eq!(place.open_error(), RegionErrorKind::NotFound);
    assert_eq!(assert_whole(&region), 7);
}

#[test]
fn nobody_removes_a_successor() {
    for place in Place::both() {
        let first = place.create(1);
        place.store.remove_exact(&stock(), first.identity(), soon()).unwrap();
        let gone = place.store.remove_exact(&stock(), first.identity(), soon());
        assert_eq!(gone.unwrap_err().kind(), &RegionErrorKind::NotFound);
        let second = place.create(2);
        assert_ne!((first.id(), first.identity()), (second.id(), second.identity()));
        let late = place.store.remove_exact(&stock(), first.identity(), soon());
        assert_eq!(late.unwrap_err().kind(), &RegionErrorKind::Replaced);
        assert_eq!(place.store.still_named(&stock(), first.identity()), Ok(false));
        assert_eq!(assert_whole(&place.store.open(&stock()).unwrap()), 2);
    }
}

#[test]
fn open_or_create_says_which_it_did() {
    let place = Place::new();
    let call = |seed| {
        let init = |mapping: &Mapping| {
            fill(mapping, seed);
            Ok(())
        };
        let (region, is_new) = place.store.open_or_create(&stock(), LIMITS, soon(), init).unwrap();
        (assert_whole(&region), is_new)
    };
    assert_eq!([call(1), call(2)], [(1, true), (1, false)]);
}

#[test]
fn while_others_hold_the_lock_a_deadline_ends_the_wait() {
    let place = Place::new();
    let region = place.create(1);
    let lock = Directory::lock(place.store.path(), soon()).unwrap();
    let passed = Deadline::after(Duration::from_millis(5));
    assert_eq!(place.store.remove(&stock(), passed).unwrap_err().kind(), &RegionErrorKind::Busy);
    let created = place.store.create(&RegionName::new("other").unwrap(), LIMITS, passed, |_| Ok(()));
    assert_eq!(created.unwrap_err().kind(), &RegionErrorKind::Busy);
    assert_eq!(place.store.open(&stock()).unwrap().id(), region.id(), "opening needs no lock");
    drop(lock);
    place.store.remove(&stock(), passed).expect("a free lock is taken, deadline or not");
}

#[test]
fn who_waited_for_a_directory_that_was_replaced_works_in_the_new_one() {
    let place = Place::new();
    let path = place.store.path();
    let lock = Directory::lock(path, soon()).unwrap();
    std::thread::scope(|scope| {
        let maker = scope.spawn(|| place.create(7));
        // The maker sleeps on the old directory's lock, or is about to find that the path leads elsewhere.
        let waiting = soon();
        while fs::read_dir("/proc/self/fd").unwrap().flatten().filter(|fd| leads_to(&fd.path(), path)).count() < 2 {
            assert!(!maker.is_finished(), "the maker did not wait for the lock");
            assert!(!waiting.has_passed(), "the maker never opened the directory");
            std::thread::yield_now();
        }
        fs::rename(path, place.base().join("old")).unwrap();
        drop(lock);
        maker.join().unwrap();
    });
    assert_eq!(place.names(), ["stock"]);
    assert_eq!(names_in(&place.base().join("old")), [""; 0]);
}

fn leads_to(link: &Path, path: &Path) -> bool {
    fs::read_link(link).is_ok_and(|target| target == path)
}

#[test]
fn left_over_files_of_the_dead_are_removed_by_the_next_change_and_by_no_look() {
    let place = Place::new();
    let region = place.create(1);
    let left_over = place.store.path().join(".staged-0123");
    fs::write(&left_over, "half a region").unwrap();
    assert_eq!(place.store.list().unwrap().len(), 1, "not listed");
    assert!(left_over.exists());
    place.store.remove_exact(&stock(), Identity { inode: 0, ..region.identity() }, soon()).unwrap_err();
    assert_eq!(place.names(), ["stock"]);
    fs::write(&left_over, "half a region").unwrap();
    place.try_create(2).unwrap_err();
    assert_eq!(place.names(), ["stock"]);
}

#[test]
fn a_directory_that_others_could_write_to_is_refused() {
    let place = Place::new();
    let base = place.base();
    let fault_at = |path: &Path| {
        let store = Store::at(path, layout_of);
        let listed = store.list().unwrap_err();
        assert_eq!(listed.path(), store.path());
        for answer in [store.open(&stock()), store.create(&stock(), LIMITS, soon(), |_| panic!("filled in"))] {
            assert_eq!(answer.unwrap_err().kind(), &RegionErrorKind::Directory(listed.clone()));
        }
        listed.fault()
    };
    let real = base.join("real");
    fs::create_dir(&real).unwrap();
    for mode in [0o710, 0o701, 0o770, 0o1777] {
        set_mode(&real, mode);
        assert_eq!(fault_at(&real), DirectoryFault::Exposed { mode });
    }
    set_mode(&real, 0o700);
    symlink(&real, base.join("link")).unwrap();
    assert_eq!(fault_at(&base.join("link")), DirectoryFault::Symlink);
    assert_eq!(fault_at(&base.join("link/")), DirectoryFault::Symlink, "a slash at the end follows the link");
    symlink(base.join("nowhere"), base.join("dangling")).unwrap();
    assert_eq!(fault_at(&base.join("dangling")), DirectoryFault::Symlink);
    fs::write(base.join("file"), "").unwrap();
    assert_eq!(fault_at(&base.join("file")), DirectoryFault::NotADirectory);
    assert_eq!(names_in(&real), [""; 0]);
    if own_uid() == 0 {
        std::os::unix::fs::chown(&real, Some(NOBODY), None).unwrap();
        assert_eq!(fault_at(&real), DirectoryFault::OtherOwner { uid: NOBODY });
    } else {
        assert_eq!(fault_at(Path::new("/")), DirectoryFault::OtherOwner { uid: 0 });
    }
}

#[test]
fn a_directory_that_cannot_be_made_is_named() {
    let place = Place::new();
    let store = Store::at(&place.base().join("no/such"), layout_of);
    let error = store.create(&stock(), LIMITS, soon(), |_| Ok(())).unwrap_err();
    let fault = DirectoryFault::Os(OsError::new("mkdir", libc::ENOENT));
    assert_eq!(error.kind(), &RegionErrorKind::Directory(DirectoryError::new(store.path(), fault)));
    let source = std::error::Error::source(&error).unwrap();
    assert_eq!(source.downcast_ref::<OsError>().unwrap().errno(), libc::ENOENT);
    assert!(error.to_string().starts_with("region `stock`: directory \"/dev/shm/"), "{error}");
}

#[test]
fn the_regions_of_another_user_cannot_be_reached() {
    let place = Place::new();
    place.create(7);
    set_mode(place.base(), 0o777);
    surroundings::as_nobody(|| {
        let refused = place.store.open(&stock()).unwrap_err();
        let RegionErrorKind::Directory(error) = refused.kind() else { panic!("{refused}") };
        assert_eq!(error.fault(), DirectoryFault::OtherOwner { uid: 0 });
        let own = Store::at(&place.base().join("own"), layout_of);
        own.create(&stock(), LIMITS, soon(), |_| Ok(())).unwrap();
        set_mode(&own.path().join("stock"), 0o000);
        let refused = own.open(&stock()).unwrap_err();
        let denied = RegionErrorKind::PermissionDenied(OsError::new("openat", libc::EACCES));
        assert_eq!(refused.kind(), &denied);
        assert_eq!(own.list().unwrap()[0].status, Status::Damaged(denied));
        own.remove_anyway(&stock(), soon()).unwrap();
        let elsewhere = Store::at(Path::new("/proc/self/regions"), layout_of);
        assert!(elsewhere.create(&stock(), LIMITS, soon(), |_| Ok(())).is_err());
    });
}

#[test]
fn a_region_larger_than_the_memory_is_refused_and_leaves_nothing() {
    for place in Place::both() {
        let limits = Limits { arena: 1 << 60, ..LIMITS };
        let error = place.store.create(&stock(), limits, soon(), |_| panic!("filled in")).unwrap_err();
        let RegionErrorKind::NoSpace { needed } = *error.kind() else { panic!("{error}") };
        assert!(needed > limits.arena);
        assert_eq!(place.names(), [""; 0]);
    }
}

#[test]
fn a_full_file_system_is_an_error_and_what_fitted_stays_good() {
    for stages_by_name in [false, true] {
        // One for each way of staging: what the other one left may be mapped yet by a child that another test forked.
        surroundings::in_small_tmpfs("1m", |root| fill_a_file_system(root, stages_by_name));
    }
}

/// How many regions fit into 1 MiB is not certain: a machine that is short of memory gives less than was asked for.
fn fill_a_file_system(root: &Path, stages_by_name: bool) {
    let store = Store { stages_by_name, ..Store::at(&root.join("regions"), layout_of) };
    let limits = Limits { arena: 100 << 10, ..LIMITS };
    let name_of = |number: u64| RegionName::new(&number.to_string()).unwrap();
    let create = |number: u64| {
        store.create(&name_of(number), limits, soon(), |mapping| {
            fill(mapping, number);
            Ok(())
        })
    };
    let mut fitted = Vec::new();
    let error = loop {
        match create(fitted.len() as u64 + 1) {
            Ok(region) => fitted.push(region),
            Err(error) => break error,
        }
    };
    assert!(matches!(error.kind(), RegionErrorKind::NoSpace { .. }), "{error}");
    assert!((1..10).contains(&fitted.len()), "{} regions of 100 KiB fitted into 1 MiB", fitted.len());
    assert_eq!(names_in(store.path()).len(), fitted.len(), "the one that did not fit left something");
    for (number, region) in (1..).zip(&fitted) {
        assert_eq!(assert_whole(region), number);
    }
    // Memory is given back when both the name and the mapping are gone.
    let used = || {
        let state = rustix::fs::statvfs(root).unwrap();
        state.f_blocks - state.f_bfree
    };
    let full = used();
    store.remove(&name_of(fitted.len() as u64), soon()).unwrap();
    assert_eq!(used(), full, "its memory was given away while it was mapped");
    fitted.pop();
    let waiting = soon();
    while used() == full {
        assert!(!waiting.has_passed(), "the memory of a region that nobody has was not given back");
        std::thread::yield_now();
    }
}

/// Runs as a child process: which directory the environment chooses.
fn play_directory() {
    println!("directory={}", Store::of_user(layout_of).path().display());
}

#[test]
fn the_environment_names_the_directory() {
    let default = format!("/dev/shm/selvedge-{}", own_uid());
    for (value, expected) in [(Some("/x/y/"), "/x/y"), (Some(""), &default), (None, &default)] {
        let mut command = child::command("directory", &[]);
        match value {
            Some(value) => command.env(DIRECTORY_VARIABLE, value),
            None => command.env_remove(DIRECTORY_VARIABLE),
        };
        let mut child = Running::spawn(command);
        assert_eq!(child.read_value("directory"), expected);
        assert!(child.wait(soon()).success());
    }
}

/// Runs as a child process: makes a region although the process is set up unkindly.
fn play_hampered(place: &Place) {
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o277));
    fs::create_dir(place.store.path()).unwrap();
    set_mode(place.store.path(), 0o700);
    drop(place.create(7));
    let limits = rustix::process::Rlimit { current: Some(8192), maximum: Some(8192) };
    rustix::process::setrlimit(rustix::process::Resource::Fsize, limits).unwrap();
    let error = place.store.create(&RegionName::new("other").unwrap(), LIMITS, soon(), |_| Ok(())).unwrap_err();
    assert_eq!(error.kind(), &RegionErrorKind::Os(OsError::new("fallocate", libc::EFBIG)));
    println!("survived=true");
}

#[test]
fn a_narrow_umask_takes_nothing_from_the_owner_and_a_file_size_limit_is_an_error_and_no_signal() {
    for place in Place::both() {
        let mut child = Running::start("hampered", &place, &[]);
        assert_eq!(child.read_value("survived"), "true");
        assert!(child.wait(soon()).success());
        assert_eq!(fs::metadata(place.file()).unwrap().permissions().mode() & 0o7777, 0o600);
        assert_eq!(assert_whole(&place.store.open(&stock()).unwrap()), 7);
        assert_eq!(place.names(), ["stock"]);
    }
}

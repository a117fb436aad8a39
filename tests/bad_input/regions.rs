//! Regions that are not there, are there already, cannot be, or have no place left.

use crate::place::{Place, options_at};
use crate::refused;
use crate::roles::{Running, await_parent, say};
use selvedge::Region;
use selvedge::region::{DirectoryFault, NameFault, RegionErrorKind, RegionName, Unfit};
use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::symlink;

#[test]
fn what_does_not_exist_is_neither_opened_nor_removed() {
    let place = Place::new();
    for other in [None, Some("other")] {
        let _other = other.map(|name| place.options().create(name).unwrap());
        assert_eq!(refused(&place, "stock", || place.options().open("stock")), RegionErrorKind::NotFound);
        assert_eq!(refused(&place, "stock", || place.options().remove("stock")), RegionErrorKind::NotFound);
        assert_eq!(refused(&place, "stock", || place.options().remove_anyway("stock")), RegionErrorKind::NotFound);
    }
}

#[test]
fn opening_makes_no_directory() {
    let place = Place::new();
    place.options().open("stock").unwrap_err();
    assert!(!place.path().exists());
}

#[test]
fn what_exists_is_not_made_again() {
    let place = Place::new();
    let first = place.options().create("stock").unwrap();
    *first.mutex("pieces", 0_u64).unwrap().lock().unwrap() = 7;
    let larger = place.options().arena(1 << 20);
    assert_eq!(refused(&place, "stock", || larger.create("stock")), RegionErrorKind::AlreadyExists);
    assert_eq!(*first.mutex("pieces", 0_u64).unwrap().lock().unwrap(), 7);
}

#[test]
fn names_that_no_file_of_ours_can_have_are_refused() {
    let place = Place::new();
    place.options().create("stock").unwrap();
    let long = "x".repeat(300);
    for (name, shown, fault) in [
        ("", "", NameFault::Empty),
        ("a/b", "a/b", NameFault::Slash),
        ("../stock", "../stock", NameFault::LeadingDot),
        ("/stock", "/stock", NameFault::Slash),
        (".stock", ".stock", NameFault::LeadingDot),
        ("st\0ck", "st\\0ck", NameFault::Nul),
        ("stock\n", "stock\\n", NameFault::NotPrintable('\n')),
        (&long, &long[..RegionName::MAX_LENGTH], NameFault::TooLong { length: 300 }),
    ] {
        let options = place.options();
        let bad = RegionErrorKind::BadName(fault);
        assert_eq!(refused(&place, shown, || options.create(name)), bad);
        assert_eq!(refused(&place, shown, || options.open(name)), bad);
        assert_eq!(refused(&place, shown, || options.open_or_create(name)), bad);
        assert_eq!(refused(&place, shown, || options.remove(name)), bad);
        assert_eq!(refused(&place, shown, || options.remove_anyway(name)), bad);
    }
}

#[test]
fn limits_that_no_region_can_have_are_refused() {
    let place = Place::new();
    let options = || place.options();
    for (options, what, given, most) in [
        (options().processes(0), "processes", 0, 120),
        (options().processes(121), "processes", 121, 120),
        (options().threads(0), "threads", 0, 256),
        (options().threads(257), "threads", 257, 256),
        (options().objects(0), "objects", 0, u64::from(u32::MAX)),
        (options().arena(u64::MAX), "bytes of arena", u64::MAX, 1 << 46),
    ] {
        let kind = RegionErrorKind::BadLimit { what, given, most };
        assert_eq!(refused(&place, "stock", || options.create("stock")), kind);
        let anonymous = options.anonymous().unwrap_err();
        assert_eq!(anonymous.kind(), &kind);
        assert!(anonymous.to_string().starts_with("anonymous region: "), "{anonymous}");
    }
}

#[test]
fn more_memory_than_the_machine_has_is_refused() {
    let place = Place::new();
    let options = place.options().arena(1 << 46);
    let kind = refused(&place, "stock", || options.create("stock"));
    assert!(matches!(kind, RegionErrorKind::NoSpace { needed } if needed > 1 << 46), "{kind}");
    assert!(matches!(options.anonymous().unwrap_err().kind(), RegionErrorKind::NoSpace { .. }));
}

#[test]
fn a_region_is_attached_once_in_a_process() {
    let place = Place::new();
    let first = place.options().create("stock").unwrap();
    let pieces = first.mutex("pieces", 7_u64).unwrap();
    let twice = RegionErrorKind::AlreadyAttached;
    assert_eq!(refused(&place, "stock", || place.options().open("stock")), twice);
    assert_eq!(refused(&place, "stock", || place.options().open_or_create("stock")), twice);
    assert_eq!(first.participants().len(), 1);
    drop(first);
    let kind = refused(&place, "stock", || place.options().open("stock"));
    assert_eq!(kind, twice, "an object's handle keeps the region attached");
    drop(pieces);
    let again = place.options().open("stock").unwrap();
    assert_eq!(*again.mutex("pieces", 0_u64).unwrap().lock().unwrap(), 7);

    let anonymous = Region::anonymous().unwrap();
    let descriptor = anonymous.as_fd().unwrap().try_clone_to_owned().unwrap();
    let error = Region::from_fd(descriptor).unwrap_err();
    assert_eq!(error.kind(), &twice);
    assert_eq!(error.to_string(), "anonymous region: this process is attached already");
    anonymous.mutex("pieces", 0_u64).unwrap();
}

/// Runs as a child process: attaches, twice.
pub(crate) fn play_attach(path: &str) {
    for _ in 0..2 {
        match options_at(path).open("stock") {
            Ok(region) => say("pieces", *region.mutex("pieces", 0_u64).unwrap().lock().unwrap()),
            Err(error) => say("refused", error),
        }
        await_parent();
    }
}

#[test]
fn a_process_too_many_is_told_and_has_its_turn_later() {
    let place = Place::new();
    let region = place.options().processes(1).create("stock").unwrap();
    *region.mutex("pieces", 0_u64).unwrap().lock().unwrap() = 7;
    let before = place.traces();
    let mut child = Running::start("attach", &[&place.argument()]);
    assert_eq!(child.hear("refused"), "region `stock`: its 1 places for processes are taken");
    assert_eq!(place.traces(), before);
    assert_eq!(region.participants().len(), 1);
    drop(region);
    child.go_on();
    assert_eq!(child.hear("pieces"), "7");
    child.go_on();
    child.succeed();
}

#[test]
fn a_descriptor_of_something_else_is_refused() {
    let place = Place::new();
    place.options().create("stock").unwrap();
    let before = place.traces();
    let (pipe, _writer) = std::io::pipe().unwrap();
    let unsealed = rustix::fs::memfd_create("unsealed", rustix::fs::MemfdFlags::ALLOW_SEALING).unwrap();
    rustix::fs::ftruncate(&unsealed, 1 << 20).unwrap();
    let descriptors: [OwnedFd; 5] = [
        pipe.into(),
        unsealed,
        File::open("/dev/null").unwrap().into(),
        File::open(place.base()).unwrap().into(),
        File::options().read(true).write(true).open(place.file("stock")).unwrap().into(),
    ];
    for descriptor in descriptors {
        let number = descriptor.as_raw_fd();
        let error = Region::from_fd(descriptor).unwrap_err();
        assert_eq!(error.kind(), &RegionErrorKind::Unfit(Unfit::Unsealed), "descriptor {number}");
        assert_eq!(error.to_string(), "anonymous region: the descriptor is not a memory file with sealed size");
    }
    let foreign = rustix::fs::memfd_create("foreign", rustix::fs::MemfdFlags::ALLOW_SEALING).unwrap();
    rustix::fs::fchmod(&foreign, rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR).unwrap();
    rustix::io::write(&foreign, b"a list of things to buy").unwrap();
    let seals = rustix::fs::SealFlags::SHRINK | rustix::fs::SealFlags::GROW | rustix::fs::SealFlags::SEAL;
    rustix::fs::fcntl_add_seals(&foreign, seals).unwrap();
    let error = Region::from_fd(foreign).unwrap_err();
    assert_eq!(error.to_string(), "anonymous region: the file is not a region");
    assert_eq!(place.traces(), before);
}

#[test]
fn a_directory_that_cannot_be_trusted_is_refused() {
    let place = Place::new();
    let real = place.base().join("real");
    options_at(real.to_str().unwrap()).create("stock").unwrap();
    let fault = |path: &str, kind: RegionErrorKind| {
        let RegionErrorKind::Directory(error) = kind else { panic!("{path}: {kind}") };
        assert_eq!(error.path(), place.base().join(path));
        error.fault()
    };
    symlink(&real, place.base().join("link")).unwrap();
    File::create(place.base().join("file")).unwrap();
    for (path, expected) in [("link", DirectoryFault::Symlink), ("file", DirectoryFault::NotADirectory)] {
        let options = options_at(place.base().join(path).to_str().unwrap());
        assert_eq!(fault(path, refused(&place, "stock", || options.open("stock"))), expected);
        assert_eq!(fault(path, refused(&place, "other", || options.create("other"))), expected);
    }
    crate::place::set_mode(&real, 0o755);
    let options = options_at(real.to_str().unwrap());
    let kind = refused(&place, "stock", || options.open("stock"));
    assert_eq!(fault("real", kind), DirectoryFault::Exposed { mode: 0o755 });
    crate::place::set_mode(&real, 0o700);
    options.open("stock").unwrap();
}

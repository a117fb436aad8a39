//! Files that bear a region's name and are none, or are none any more.

use super::*;
use crate::region::header::{ALIVE_SIZE, HEADER_SIZE, Header};
use rustix::fs::FallocateFlags;
use std::os::unix::fs::{FileExt, FileTypeExt};

fn writable(place: &Place) -> File {
    File::options().read(true).write(true).open(place.file()).unwrap()
}

fn punch(file: &File, offset: u64, length: u64) {
    rustix::fs::fallocate(file, FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE, offset, length).unwrap();
}

/// Whatever is wrong: opening says what, making does not replace it, removing leaves it, and listing names it.
fn assert_damaged(place: &Place, unfit: Unfit) {
    let kind = RegionErrorKind::Unfit(unfit);
    let init = |_: &Mapping| panic!("filled in");
    assert_eq!(place.open_error(), kind);
    let called = place.store.open_or_create(&stock(), LIMITS, soon(), init);
    assert_eq!(called.unwrap_err().kind(), &kind);
    let created = place.store.create(&stock(), LIMITS, soon(), init);
    assert_eq!(created.unwrap_err().kind(), &RegionErrorKind::AlreadyExists);
    let [entry] = place.store.list().unwrap().try_into().unwrap();
    assert_eq!((entry.name, entry.created, entry.status), (stock(), None, Status::Damaged(kind.clone())));
    assert_eq!(place.store.remove(&stock(), soon()).unwrap_err().kind(), &kind);
    assert_eq!(place.names(), ["stock"]);
}

fn assert_removed_anyway(place: &Place) {
    place.store.remove_anyway(&stock(), soon()).unwrap();
    assert_eq!(place.names(), [""; 0]);
    place.create(1);
    place.store.remove(&stock(), soon()).unwrap();
}

#[test]
fn files_that_are_no_regions_are_told_apart_and_can_be_removed() {
    let place = Place::new();
    place.create(1);
    let whole = fs::read(place.file()).unwrap();
    let stated = whole.len() as u64;
    place.store.remove(&stock(), soon()).unwrap();
    let mut long = whole.clone();
    long.push(0);
    let mut scratched = whole.clone();
    scratched[HEADER_SIZE - 20] ^= 1;
    let zeros = vec![0; whole.len()];
    let half = stated / 2;
    for (content, unfit) in [
        (&b"a list of things to buy"[..], Unfit::NotARegion),
        (&[], Unfit::Truncated { stated: HEADER_SIZE as u64, actual: 0 }),
        (&whole[..HEADER_SIZE - 1], Unfit::Truncated { stated: HEADER_SIZE as u64, actual: HEADER_SIZE as u64 - 1 }),
        (&whole[..whole.len() / 2], Unfit::Truncated { stated, actual: half }),
        (&long, Unfit::Overlong { stated, actual: stated + 1 }),
        (&zeros, Unfit::Zeroed),
        (&scratched, Unfit::Corrupt),
    ] {
        fs::write(place.file(), content).unwrap();
        set_mode(&place.file(), 0o600);
        assert_damaged(&place, unfit);
        assert_removed_anyway(&place);
    }
}

#[test]
fn a_hole_at_either_end_is_noticed_on_opening() {
    let place = Place::new();
    let size = place.create(1).mapping().size() as u64;
    for (offset, length) in [(0, size), (0, 4096), (size - 4096, 4096), (size - ALIVE_SIZE as u64, ALIVE_SIZE as u64)] {
        punch(&writable(&place), offset, length);
        assert_damaged(&place, Unfit::Zeroed);
        assert_removed_anyway(&place);
        place.create(1);
    }
}

#[test]
fn memory_overwritten_after_attaching_is_noticed() {
    let place = Place::new();
    let damages: [fn(&File, u64); 6] = [
        |file, size| punch(file, 0, size),
        |file, _| punch(file, 0, 4096),
        |file, size| punch(file, size - 4096, 4096),
        |file, size| {
            file.set_len(size / 2).unwrap();
            file.set_len(size).unwrap();
        },
        |file, _| file.write_all_at(b"\0", 33).unwrap(),
        |file, _| file.write_all_at(b"scrawl", 0).unwrap(),
    ];
    for (number, damage) in damages.iter().enumerate() {
        let made = place.create(1);
        let found = place.store.open(&stock()).unwrap();
        assert!(made.still_valid() && found.still_valid());
        damage(&writable(&place), found.mapping().size() as u64);
        assert!(!made.still_valid() && !found.still_valid(), "damage {number} was not noticed");
        place.store.remove_anyway(&stock(), soon()).unwrap();
    }
}

#[test]
fn a_file_that_others_have_access_to_is_refused() {
    let place = Place::new();
    place.create(1);
    for mode in [0o640, 0o602, 0o601] {
        set_mode(&place.file(), mode);
        assert_damaged(&place, Unfit::Exposed { mode });
    }
    set_mode(&place.file(), 0o600);
    place.store.open(&stock()).unwrap();
    if own_uid() == 0 {
        std::os::unix::fs::chown(place.file(), Some(NOBODY), None).unwrap();
        assert_damaged(&place, Unfit::OtherOwner { uid: NOBODY });
    }
}

#[test]
fn what_is_no_file_is_never_waited_for() {
    let place = Place::new();
    place.create(1);
    fs::rename(place.file(), place.base().join("elsewhere")).unwrap();
    symlink(place.base().join("elsewhere"), place.file()).unwrap();
    assert_damaged(&place, Unfit::NotRegular);
    assert_removed_anyway(&place);
    assert!(place.base().join("elsewhere").exists(), "the link was followed");

    rustix::fs::mkfifoat(rustix::fs::CWD, place.file(), rustix::fs::Mode::RWXU).unwrap();
    assert!(fs::symlink_metadata(place.file()).unwrap().file_type().is_fifo());
    assert_damaged(&place, Unfit::NotRegular);
    assert_removed_anyway(&place);

    let socket = std::os::unix::net::UnixListener::bind(place.file()).unwrap();
    assert_damaged(&place, Unfit::NotRegular);
    drop(socket);
    assert_removed_anyway(&place);

    fs::create_dir(place.file()).unwrap();
    assert_damaged(&place, Unfit::NotRegular);
    let refused = place.store.remove_anyway(&stock(), soon()).unwrap_err();
    assert_eq!(refused.kind(), &RegionErrorKind::Os(OsError::new("unlinkat", libc::EISDIR)));
}

/// Writes a region whose header says something else than this process would write.
fn write_with(place: &Place, change: impl FnOnce(&mut Header)) {
    place.create(1);
    let (mut header, _) = file::inspect(&writable(place), layout_of).unwrap();
    change(&mut header);
    let (bytes, alive) = header.encode();
    writable(place).write_all_at(&bytes, 0).unwrap();
    writable(place).write_all_at(&alive, header.alive_offset()).unwrap();
}

#[test]
fn regions_that_this_process_cannot_use_are_named_and_removable_as_regions() {
    let place = Place::new();
    let other_layout = |place: &Place| write_with(place, |header| header.layout = 1);
    let other_boot = |place: &Place| write_with(place, |header| header.boot = [1, 2]);
    let other_version = |place: &Place| {
        place.create(1);
        writable(place).write_all_at(&2_u64.to_ne_bytes(), 8).unwrap();
    };
    for (write, unfit) in [
        (&other_layout as &dyn Fn(&Place), Unfit::OtherLayout { found: 1, expected: 0xc0de }),
        (&other_boot, Unfit::OtherBoot),
        (&other_version, Unfit::OtherVersion { found: 2, expected: 1 }),
    ] {
        write(&place);
        assert_eq!(place.open_error(), unfit.into());
        assert_eq!(place.store.list().unwrap()[0].status, Status::Damaged(unfit.into()));
        place.store.remove(&stock(), soon()).unwrap();
    }
}

#[test]
fn a_list_shows_all_regions_by_name_and_nothing_else() {
    let place = Place::new();
    let before = SystemTime::now() - Duration::from_secs(1);
    for name in ["b", "a"] {
        place.store.create(&RegionName::new(name).unwrap(), LIMITS, soon(), |_| Ok(())).unwrap();
    }
    fs::write(place.store.path().join("c"), "no region").unwrap();
    fs::write(place.store.path().join(".hidden"), "").unwrap();
    fs::write(place.store.path().join("not\nprintable"), "").unwrap();
    let entries = place.store.list().unwrap();
    let names: Vec<_> = entries.iter().map(|entry| entry.name.as_str()).collect();
    assert_eq!(names, ["a", "b", "c"]);
    for entry in &entries[..2] {
        assert_eq!((entry.size, &entry.status), (12288, &Status::Valid(LIMITS)));
        assert!(entry.created.is_some_and(|created| created > before && created <= SystemTime::now()));
    }
    assert_eq!(entries[2].size, 9);
}

#[test]
fn a_region_without_a_name_is_shared_by_its_descriptor() {
    let init = |mapping: &Mapping| {
        fill(mapping, 5);
        Ok(())
    };
    let (made, file) = RegionFile::anonymous(LIMITS, layout_of, init).unwrap();
    let found = RegionFile::adopt(&file, layout_of).unwrap();
    assert_eq!((assert_whole(&found), found.id(), found.identity()), (5, made.id(), made.identity()));
    assert!(file.set_len(0).is_err(), "its size is not sealed");
    punch(&file, 0, 4096);
    assert!(!made.still_valid() && !found.still_valid());
    let refused = RegionFile::adopt(&file, layout_of).unwrap_err();
    assert_eq!(refused, RegionError::anonymous(Unfit::Zeroed.into()));
    assert_eq!(refused.to_string(), "anonymous region: the region was overwritten with zeros");
}

#[test]
fn a_descriptor_that_its_sender_could_cut_is_refused() {
    let place = Place::new();
    place.create(1);
    let unsealed = RegionError::anonymous(Unfit::Unsealed.into());
    assert_eq!(RegionFile::adopt(&writable(&place), layout_of).unwrap_err(), unsealed);
    let (pipe, _writer) = std::io::pipe().unwrap();
    let pipe = File::from(std::os::fd::OwnedFd::from(pipe));
    assert_eq!(RegionFile::adopt(&pipe, layout_of).unwrap_err(), unsealed);
    let foreign = memory::sealed_file("foreign", memory::page_size()).unwrap();
    assert_eq!(RegionFile::adopt(&foreign, layout_of).unwrap_err().kind(), &Unfit::Zeroed.into());

    let (_, file) = RegionFile::anonymous(LIMITS, layout_of, |_| Ok(())).unwrap();
    let read_only = File::open(format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&file))).unwrap();
    let denied = RegionErrorKind::PermissionDenied(OsError::new("mmap", libc::EACCES));
    assert_eq!(RegionFile::adopt(&read_only, layout_of).unwrap_err().kind(), &denied);
}

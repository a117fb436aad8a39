//! Files that are no region for this process, and memory that was overwritten under it.

use crate::place::Place;
use crate::refused;
use rustix::fs::{FallocateFlags, fallocate};
use selvedge::Region;
use selvedge::region::{LockError, ObjectErrorKind, RegionErrorKind, Unfit, Unusable};
use std::fs::{self, File};
use std::os::unix::fs::FileExt;

/// Words of the header, as the file format has them.
const VERSION: usize = 1;
const LAYOUT: usize = 2;
const BOOT: usize = 6;
const CHECKSUM: usize = 15;
const HEADER: usize = 128;

fn writable(place: &Place) -> File {
    File::options().read(true).write(true).open(place.file("stock")).unwrap()
}

/// Changes one word of the header, and the checksum and the alive word with it.
fn forge(place: &Place, word: usize, value: u64) {
    let file = writable(place);
    let mut header = [0; HEADER];
    file.read_exact_at(&mut header, 0).unwrap();
    header[8 * word..][..8].copy_from_slice(&value.to_ne_bytes());
    let fnv = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    let sum = header[..8 * CHECKSUM].iter().fold(0xcbf2_9ce4_8422_2325, fnv);
    header[8 * CHECKSUM..].copy_from_slice(&sum.to_ne_bytes());
    file.write_all_at(&header, 0).unwrap();
    file.write_all_at(&(sum | 1).to_ne_bytes(), file.metadata().unwrap().len() - 8).unwrap();
}

fn punch(file: &impl std::os::fd::AsFd, offset: u64, length: u64) {
    fallocate(file, FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE, offset, length).unwrap();
}

/// Every way to use what bears the name is refused for this reason; `remove_anyway` is what helps.
#[track_caller]
fn assert_unfit(place: &Place, unfit: Unfit) {
    let kind = RegionErrorKind::Unfit(unfit);
    assert_eq!(refused(place, "stock", || place.options().open("stock")), kind);
    assert_eq!(refused(place, "stock", || place.options().open_or_create("stock")), kind);
    assert_eq!(refused(place, "stock", || place.options().create("stock")), RegionErrorKind::AlreadyExists);
    place.options().remove_anyway("stock").unwrap();
    assert_eq!(place.traces(), []);
}

#[test]
fn a_file_that_is_no_region_is_refused() {
    let place = Place::new();
    place.options().create("stock").unwrap();
    let whole = fs::read(place.file("stock")).unwrap();
    let stated = whole.len() as u64;
    let zeros = vec![0; whole.len()];
    let longer = [&whole[..], b"more"].concat();
    for (content, unfit) in [
        (&b"a list of things to buy"[..], Unfit::NotARegion),
        (&zeros, Unfit::Zeroed),
        (&whole[..whole.len() - 1], Unfit::Truncated { stated, actual: stated - 1 }),
        (&whole[..100], Unfit::Truncated { stated: HEADER as u64, actual: 100 }),
        (&[], Unfit::Truncated { stated: HEADER as u64, actual: 0 }),
        (&longer, Unfit::Overlong { stated, actual: stated + 4 }),
    ] {
        fs::write(place.file("stock"), content).unwrap();
        crate::place::set_mode(&place.file("stock"), 0o600);
        assert_unfit(&place, unfit);
    }
}

#[test]
fn a_file_that_others_could_write_to_is_refused() {
    let place = Place::new();
    place.options().create("stock").unwrap();
    crate::place::set_mode(&place.file("stock"), 0o666);
    assert_unfit(&place, Unfit::Exposed { mode: 0o666 });
}

#[test]
fn a_region_of_another_version_layout_or_boot_is_refused_and_can_be_removed() {
    let place = Place::new();
    let make = || {
        place.options().create("stock").unwrap();
        let mut layout = [0; 8];
        writable(&place).read_exact_at(&mut layout, 8 * LAYOUT as u64).unwrap();
        u64::from_ne_bytes(layout)
    };
    for (word, value) in [(VERSION, 99), (LAYOUT, 1), (BOOT, 1)] {
        let layout = make();
        forge(&place, word, value);
        let kind = RegionErrorKind::Unfit(match word {
            VERSION => Unfit::OtherVersion { found: 99, expected: 1 },
            LAYOUT => Unfit::OtherLayout { found: 1, expected: layout },
            _ => Unfit::OtherBoot,
        });
        assert_eq!(refused(&place, "stock", || place.options().open("stock")), kind);
        place.options().remove("stock").expect("what another program made can be removed as a region");
        assert_eq!(place.traces(), []);
    }
}

#[test]
fn a_header_that_contradicts_its_checksum_is_damage() {
    let place = Place::new();
    place.options().create("stock").unwrap();
    writable(&place).write_all_at(&[1], 8 * 13).unwrap();
    assert_unfit(&place, Unfit::Corrupt);
}

#[test]
fn a_hole_punched_under_a_process_is_noticed_and_the_process_lives_on() {
    let place = Place::new();
    let bystander = place.options().create("bystander").unwrap();
    let bystanders = bystander.mutex("pieces", 1_u64).unwrap();
    *bystanders.lock().unwrap() += 1;
    let region = place.options().create("stock").unwrap();
    let size = writable(&place).metadata().unwrap().len();
    drop(region);
    for (offset, length) in [(0, size), (0, 4096)] {
        place.options().remove("stock").unwrap();
        let region = place.options().create("stock").unwrap();
        let mutex = region.mutex("pieces", 1_u64).unwrap();
        *mutex.lock().unwrap() += 1;
        assert!(region.is_intact());
        punch(&writable(&place), offset, length);
        assert!(!region.is_intact(), "{length} bytes at {offset}");
        assert!(matches!(mutex.lock(), Err(LockError::Unusable(Unusable::Overwritten, _))));
        let error = region.mutex("other", 0_u64).unwrap_err();
        assert_eq!(error.kind(), ObjectErrorKind::Unusable(Unusable::Overwritten));
        assert_eq!(error.to_string(), "object `other`: the shared memory was overwritten");
        let zeroed = RegionErrorKind::Unfit(Unfit::Zeroed);
        assert_eq!(refused(&place, "stock", || place.options().open("stock")), zeroed);
        drop((mutex, region));
        assert_eq!(refused(&place, "stock", || place.options().open("stock")), zeroed);
        place.options().remove_anyway("stock").unwrap();
        place.options().create("stock").unwrap();
    }
    *bystanders.lock().unwrap() += 1;
    assert_eq!(*bystanders.lock().unwrap(), 3);
    assert!(bystander.is_intact());
}

#[test]
fn a_hole_at_the_end_is_noticed_and_what_lies_elsewhere_goes_on() {
    let anonymous = Region::anonymous().unwrap();
    let pieces = anonymous.mutex("pieces", 7_u64).unwrap();
    let descriptor = anonymous.as_fd().unwrap();
    let size = rustix::fs::fstat(descriptor).unwrap().st_size.unsigned_abs();
    punch(&descriptor, size - 4096, 4096);
    assert!(!anonymous.is_intact());
    assert_eq!(*pieces.lock().unwrap(), 7);
    let descriptor = descriptor.try_clone_to_owned().unwrap();
    assert_eq!(Region::from_fd(descriptor).unwrap_err().kind(), &RegionErrorKind::Unfit(Unfit::Zeroed));
}

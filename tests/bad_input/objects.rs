//! Objects that are not there, are something else, do not fit, or are asked for what they cannot give.

use crate::refused_object;
use crate::roles::{Running, await_parent, say};
use selvedge::Region;
use selvedge::region::{AcquireError, LockError, ObjectErrorKind, RegionOptions, ReleaseError, Semaphore, Shared, Tag};
use std::sync::mpsc;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

fn region() -> Region {
    RegionOptions::new().objects(16).arena(64 << 10).anonymous().unwrap()
}

/// Sixteen bytes that mean something else than a `u128`.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Order {
    article: u64,
    pieces: u64,
}

impl Shared for Order {
    const TAG: Tag = Tag::new("order");
}

/// As large as `[u8; 256]` and as aligned as no other type.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C, align(256))]
struct Page([u8; 256]);

impl Shared for Page {
    const TAG: Tag = Tag::new("page");
}

#[test]
fn what_is_not_there_is_not_removed() {
    let region = region();
    assert_eq!(refused_object(&region, "stock", || region.remove_object("stock")), ObjectErrorKind::NotFound);
    region.mutex("stock", 0_u64).unwrap();
    region.remove_object("stock").unwrap();
    assert_eq!(refused_object(&region, "stock", || region.remove_object("stock")), ObjectErrorKind::NotFound);
}

#[test]
fn names_that_no_object_can_have_are_refused() {
    let region = region();
    let long = "x".repeat(65);
    for (name, kind) in [
        ("", ObjectErrorKind::BadName),
        ("st\0ck", ObjectErrorKind::BadName),
        (&long, ObjectErrorKind::NameTooLong { length: 65, most: 64 }),
    ] {
        assert_eq!(refused_object(&region, name, || region.mutex(name, 0_u64)), kind);
        assert_eq!(refused_object(&region, name, || region.semaphore(name, 0)), kind);
        assert_eq!(refused_object(&region, name, || region.segment(name, 1)), kind);
        assert_eq!(refused_object(&region, name, || region.remove_object(name)), kind);
    }
    let longest = "é".repeat(32);
    region.mutex(&longest, 0_u64).unwrap();
    assert_eq!(region.objects().unwrap()[0].name, longest);
}

#[test]
fn an_object_is_not_opened_as_something_else() {
    let region = region();
    let order = region.mutex("stock", Order { article: 1, pieces: 2 }).unwrap();
    let _permits = region.semaphore("permits", 3).unwrap();
    let _table = region.segment("table", 100).unwrap();
    let _bytes = region.mutex("bytes", [0_u8; 256]).unwrap();

    let kind = refused_object(&region, "stock", || region.semaphore("stock", 1));
    assert_eq!(kind.to_string(), "is a mutex, not a semaphore");
    let kind = refused_object(&region, "stock", || region.segment("stock", 16));
    assert_eq!(kind.to_string(), "is a mutex, not a segment");
    let kind = refused_object(&region, "permits", || region.mutex("permits", 0_u64));
    assert_eq!(kind.to_string(), "is a semaphore, not a mutex");
    let kind = refused_object(&region, "stock", || region.mutex("stock", 0_u64));
    assert_eq!(kind, ObjectErrorKind::WrongSize { found: 16, expected: 8 });
    let kind = refused_object(&region, "stock", || region.mutex("stock", [0_u64; 2]));
    assert!(matches!(kind, ObjectErrorKind::WrongTag { .. }), "{kind}");
    let kind = refused_object(&region, "table", || region.segment("table", 101));
    assert_eq!(kind, ObjectErrorKind::WrongCapacity { found: 100, expected: 101 });
    let kind = refused_object(&region, "bytes", || region.mutex("bytes", Page([0; 256])));
    assert_eq!(kind, ObjectErrorKind::WrongAlign { found: 128, expected: 256 });

    let order = order.lock().unwrap();
    assert_eq!((order.article, order.pieces), (1, 2));
}

#[test]
fn what_does_not_fit_leaves_nothing_half_made() {
    let region = region();
    let kept = region.mutex("kept", 7_u64).unwrap();
    let most = 64 << 10;
    for bytes in [most, most - 127, usize::MAX, usize::MAX / 2] {
        let kind = refused_object(&region, "table", || region.segment("table", bytes));
        assert!(matches!(kind, ObjectErrorKind::OutOfMemory { needed } if needed >= bytes as u64), "{kind}");
    }
    let rest = region.segment("table", most - 128).expect("all that is left fits");
    let kind = refused_object(&region, "more", || region.mutex("more", 0_u64));
    assert!(matches!(kind, ObjectErrorKind::OutOfMemory { needed: 16 }), "{kind}");
    let empty = region.segment("nothing", 0).expect("no bytes fit even now");
    assert!(empty.is_empty());

    drop(rest);
    region.remove_object("table").unwrap();
    region.segment("table again", most - 128).expect("its memory serves the next of its shape");
    assert_eq!(*kept.lock().unwrap(), 7);
}

#[test]
fn an_object_too_many_is_refused_until_another_is_removed() {
    let region = RegionOptions::new().objects(3).anonymous().unwrap();
    for name in ["a", "b", "c"] {
        region.mutex(name, 0_u64).unwrap();
    }
    let kind = refused_object(&region, "d", || region.mutex("d", 0_u64));
    assert_eq!(kind, ObjectErrorKind::TooManyObjects { limit: 3 });
    region.mutex("a", 0_u64).expect("what is there can be opened");
    region.remove_object("b").unwrap();
    region.mutex("d", 0_u64).expect("the place of one of the same shape is free");
}

#[test]
fn a_thread_too_many_is_told_and_has_its_turn_later() {
    let region = RegionOptions::new().threads(1).anonymous().unwrap();
    let pieces = std::thread::scope(|scope| scope.spawn(|| region.mutex("pieces", 7_u64).unwrap()).join().unwrap());
    std::thread::scope(|scope| {
        let (leave, stay) = mpsc::channel::<()>();
        let (tell, told) = mpsc::channel();
        let first = scope.spawn({
            let pieces = &pieces;
            move || {
                let guard = pieces.lock().unwrap();
                tell.send(()).unwrap();
                stay.recv().unwrap();
                assert_eq!(*guard, 7);
            }
        });
        told.recv().unwrap();
        assert!(matches!(pieces.lock(), Err(LockError::TooManyThreads { limit: 1 })));
        assert!(matches!(pieces.try_lock(), Err(LockError::TooManyThreads { limit: 1 })));
        let error = region.mutex("other", 0_u64).unwrap_err();
        assert_eq!(error.to_string(), "object `other`: the region's 1 places for threads of this process are taken");
        leave.send(()).unwrap();
        first.join().unwrap();
        assert_eq!(*pieces.lock().unwrap(), 7);
        assert_eq!(region.objects().unwrap().len(), 1);
    });
}

#[test]
fn a_mutex_is_not_locked_twice_by_one_thread() {
    let region = region();
    let mutex = region.mutex("stock", 7_u64).unwrap();
    let guard = mutex.lock().unwrap();
    assert!(matches!(mutex.lock(), Err(LockError::Relocked)));
    assert!(matches!(mutex.clone().lock_timeout(core::time::Duration::from_secs(60)), Err(LockError::Relocked)));
    assert!(matches!(mutex.try_lock(), Err(LockError::WouldBlock)));
    assert_eq!(*guard, 7);
    drop(guard);
    assert_eq!(*mutex.lock().unwrap(), 7);
}

#[test]
fn a_semaphore_never_holds_more_than_its_maximum() {
    let region = region();
    let most = Semaphore::MAX;
    let kind = refused_object(&region, "permits", || region.semaphore("permits", most + 1));
    assert_eq!(kind, ObjectErrorKind::TooManyPermits { given: most + 1, most });
    let permits = region.semaphore("permits", most).unwrap();
    for given in [1, 2, most, u32::MAX] {
        let error = permits.release_many(given).unwrap_err();
        assert!(matches!(&error, ReleaseError::Overflow { semaphore, given: told }
            if semaphore.as_str() == "permits" && *told == given));
        assert!(error.to_string().starts_with("semaphore `permits`: "), "{error}");
        assert_eq!(permits.available(), most);
    }
    for asked in [most + 1, u32::MAX] {
        let timeout = core::time::Duration::from_secs(60);
        for answer in [permits.acquire_many(asked), permits.try_acquire(asked), permits.acquire_timeout(asked, timeout)]
        {
            let error = answer.unwrap_err();
            assert!(matches!(&error, AcquireError::TooMany { semaphore, asked: told }
                if semaphore.as_str() == "permits" && *told == asked));
            assert!(error.to_string().starts_with("semaphore `permits`: "), "{error}");
        }
        assert_eq!(permits.available(), most);
    }
    permits.acquire_many(most).unwrap();
    permits.release_many(most).unwrap();
    assert_eq!(permits.available(), most);
}

#[test]
fn a_range_beyond_a_segment_is_refused() {
    let region = region();
    let table = region.segment("table", 100).unwrap();
    for (offset, length) in [(100, 1), (0, 101), (99, 2), (usize::MAX, 1), (1, usize::MAX >> 1)] {
        let mut bytes = vec![7; length.min(200)];
        // SAFETY: nobody else knows of this region.
        let read = unsafe { table.read(offset, &mut bytes) };
        // SAFETY: as above.
        let written = unsafe { table.write(offset, &bytes) };
        if length <= 200 {
            let error = read.unwrap_err();
            let expected = format!("segment `table`: {length} bytes at {offset} are not in its 100 bytes");
            assert_eq!(error.to_string(), expected);
            assert_eq!(written, Err(error));
        }
        assert!(bytes.iter().all(|byte| *byte == 7));
    }
    let mut all = [1; 100];
    // SAFETY: as above.
    unsafe { table.read(0, &mut all) }.unwrap();
    assert_eq!(all, [0; 100]);
}

/// Runs as a child process: forks while it holds a mutex, and lets the copy try.
pub(crate) fn play_forked() {
    let region = region();
    let mutex = region.mutex("stock", 7_u64).unwrap();
    let permits = region.semaphore("permits", 1).unwrap();
    let guard = mutex.lock().unwrap();
    // SAFETY: of the other threads the harness's waits for this one, and the keeper never enters the C library.
    match unsafe { libc::fork() } {
        0 => {
            say("object", region.mutex("stock", 0_u64).unwrap_err());
            say("removal", region.remove_object("stock").unwrap_err());
            say("lock", mutex.lock().map(drop).unwrap_err());
            say("acquire", permits.acquire().unwrap_err());
            say("release", permits.release().unwrap_err());
            drop(guard);
            drop((mutex, permits, region));
            say("dropped", "all");
            // SAFETY: ends the process at once.
            unsafe { libc::_exit(0) }
        }
        child => {
            let child = rustix::process::Pid::from_raw(child).unwrap();
            let (_, status) = rustix::process::waitpid(Some(child), rustix::process::WaitOptions::empty())
                .unwrap()
                .expect("a blocking wait");
            say("ended", status.exit_status().unwrap_or(-1));
            assert!(matches!(mutex.lock(), Err(LockError::Relocked)), "the parent still holds it");
            drop(guard);
            assert_eq!(*mutex.lock().unwrap(), 7);
            assert_eq!(permits.available(), 1);
            say("objects", region.objects().unwrap().len());
            await_parent();
        }
    }
}

#[test]
fn a_forked_child_is_told_and_takes_nothing_from_its_parent() {
    let mut child = Running::start("forked", &[]);
    let why = "used in a forked child, which has to attach by itself";
    assert_eq!(child.hear("object"), format!("object `stock`: {why}"));
    assert_eq!(child.hear("removal"), format!("object `stock`: {why}"));
    assert_eq!(child.hear("lock"), format!("mutex `stock`: {why}"));
    for call in ["acquire", "release"] {
        assert_eq!(child.hear(call), format!("semaphore `permits`: {why}"));
    }
    assert_eq!(child.hear("dropped"), "all");
    assert_eq!(child.hear("ended"), "0");
    assert_eq!(child.hear("objects"), "2");
    child.go_on();
    child.succeed();
}

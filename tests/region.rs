//! Regions and the handles of what is in them: who is attached for how long, and what outlives whom.

#![cfg(not(loom))]

#[path = "support/place.rs"]
mod place;
#[path = "support/roles.rs"]
mod roles;

use place::{Place, options_at};
use roles::{Running, await_parent, say};
use rustix::io::{FdFlags, fcntl_setfd};
use selvedge::Region;
use selvedge::region::{Kind, LockError, RegionErrorKind, RegionOptions, Status};
use std::fs;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

#[test]
#[ignore = "other tests run it as a child process"]
fn play_a_role() {
    roles::play(|role, arguments| match (role, arguments) {
        ("adopt", [descriptor]) => play_adopt(descriptor.parse().unwrap()),
        ("hold", [path]) => play_hold(path),
        ("by default", [path]) => play_by_default(path),
        ("come and go", [path]) => play_come_and_go(path),
        unknown => panic!("no such role: {unknown:?}"),
    });
}

#[test]
fn all_handles_of_an_object_are_one_object() {
    let region = Region::anonymous().unwrap();
    let first = region.mutex("stock", 7_u64).unwrap();
    let second = region.mutex("stock", 9_u64).unwrap();
    *first.lock().unwrap() += 1;
    assert_eq!(*second.lock().unwrap(), 8, "the value of one that exists is left as it is");
    *second.clone().lock().unwrap() += 1;
    assert_eq!(*first.lock().unwrap(), 9);
    let held = first.lock().unwrap();
    std::thread::scope(|scope| {
        let other = scope.spawn(|| matches!(second.try_lock(), Err(LockError::WouldBlock)));
        assert!(other.join().unwrap());
    });
    drop(held);
}

#[test]
fn what_is_in_a_region_is_listed_until_it_is_removed() {
    let region = RegionOptions::new().arena(64 << 10).anonymous().unwrap();
    assert_eq!(region.objects().unwrap(), []);
    let _mutex = region.mutex("mutex", [0_u16; 3]).unwrap();
    let _permits = region.semaphore("permits", 1).unwrap();
    let _table = region.segment("table", 100).unwrap();
    let _ring = region.ring::<u64>("ring", 5).unwrap();
    let _stream = region.stream("stream", 32).unwrap();
    let listed: Vec<_> = region
        .objects()
        .unwrap()
        .into_iter()
        .map(|entry| (entry.name, entry.kind.unwrap(), entry.element, entry.capacity))
        .collect();
    let expected = [
        ("mutex", Kind::Mutex, 6, 1),
        ("permits", Kind::Semaphore, 0, 0),
        ("table", Kind::Segment, 1, 100),
        ("ring", Kind::Ring, 8, 5),
        ("stream", Kind::Stream, 1, 32),
    ];
    assert_eq!(listed, expected.map(|(name, kind, element, capacity)| (name.to_owned(), kind, element, capacity)));
    for (name, ..) in expected {
        region.remove_object(name).unwrap();
    }
    assert_eq!(region.objects().unwrap(), []);
}

#[test]
fn a_removed_object_lives_on_for_who_has_it_and_its_name_is_free() {
    let region = Region::anonymous().unwrap();
    let old = region.mutex("stock", 1_u64).unwrap();
    region.remove_object("stock").unwrap();
    let new = region.mutex("stock", 2_u64).unwrap();
    *old.lock().unwrap() += 10;
    *new.lock().unwrap() += 20;
    assert_eq!((*old.lock().unwrap(), *new.lock().unwrap()), (11, 22));
}

/// Runs as a child process: opens what the parent made, and holds it.
fn play_hold(path: &str) {
    let region = options_at(path).open("shop").unwrap();
    let stock = region.mutex("stock", 0_u64).unwrap();
    say("held", *stock.lock().unwrap());
    await_parent();
    *stock.lock().unwrap() += 1;
    say("stock", *stock.lock().unwrap());
    await_parent();
}

#[test]
fn memory_that_another_process_has_open_is_not_given_away() {
    let place = Place::new();
    let region = place.options().objects(2).create("shop").unwrap();
    let stock = region.mutex("stock", 7_u64).unwrap();
    let mut child = Running::start("hold", &[&place.argument()]);
    assert_eq!(child.hear("held"), "7");
    region.remove_object("stock").unwrap();
    drop(stock);
    let next = region.mutex("next", 100_u64).unwrap();
    child.go_on();
    assert_eq!(child.hear("stock"), "8", "it was written to by the next object");
    assert_eq!(*next.lock().unwrap(), 100);
    region.mutex("one more", 0_u64).expect_err("the place of the removed object is still in use");
    child.go_on();
    child.succeed();
    let one_more = region.mutex("one more", 200_u64).expect("nobody has the removed object open any more");
    assert_eq!((*next.lock().unwrap(), *one_more.lock().unwrap()), (100, 200));
}

#[test]
fn a_removed_region_lives_on_for_who_is_attached_and_its_name_is_free() {
    let place = Place::new();
    let old = place.options().create("shop").unwrap();
    *old.mutex("stock", 0_u64).unwrap().lock().unwrap() = 7;
    let mut child = Running::start("hold", &[&place.argument()]);
    assert_eq!(child.hear("held"), "7");
    assert!(old.is_named().unwrap());
    place.options().remove("shop").unwrap();
    assert!(!old.is_named().unwrap());
    let new = place.options().create("shop").unwrap();
    assert!(new.is_named().unwrap() && !old.is_named().unwrap());
    assert_ne!(old.id(), new.id());
    assert_eq!(new.objects().unwrap(), []);
    assert!(matches!(old.unlink().unwrap_err().kind(), RegionErrorKind::Replaced));
    child.go_on();
    assert_eq!(child.hear("stock"), "8");
    assert_eq!(*old.mutex("stock", 0_u64).unwrap().lock().unwrap(), 8);
    assert_eq!((old.participants().len(), new.participants().len()), (2, 1));
    child.go_on();
    child.succeed();
    new.unlink().unwrap();
    assert_eq!(place.traces(), []);
}

/// Runs as a child process: attaches to the region behind a descriptor that it has inherited.
fn play_adopt(descriptor: i32) {
    // SAFETY: the parent left it open for this process, and nothing else here knows of it.
    let descriptor = unsafe { OwnedFd::from_raw_fd(descriptor) };
    let region = Region::from_fd(descriptor).unwrap();
    *region.mutex("stock", 0_u64).unwrap().lock().unwrap() += 1;
    say("participants", region.participants().len());
    await_parent();
}

#[test]
fn an_anonymous_region_is_shared_by_its_descriptor() {
    let region = Region::anonymous().unwrap();
    assert_eq!((region.name(), region.is_named()), (None, Ok(false)));
    let stock = region.mutex("stock", 7_u64).unwrap();
    let inherited = region.as_fd().unwrap().try_clone_to_owned().unwrap();
    fcntl_setfd(&inherited, FdFlags::empty()).unwrap();
    let mut child = Running::start("adopt", &[&inherited.as_raw_fd().to_string()]);
    assert_eq!(child.hear("participants"), "2");
    assert_eq!(*stock.lock().unwrap(), 8);
    let pids: Vec<_> = region.participants().iter().map(|one| (one.pid, one.alive)).collect();
    assert_eq!(pids, [(std::process::id(), true), (child.id(), true)]);
    child.go_on();
    child.succeed();
    assert_eq!(region.participants().len(), 1);
}

#[test]
fn a_name_leads_to_one_region_and_the_list_shows_it() {
    let place = Place::new();
    assert_eq!(place.options().list().unwrap(), []);
    let made = place.options().open_or_create("shop").unwrap();
    let (limits, id) = (made.limits(), made.id());
    *made.mutex("stock", 0_u64).unwrap().lock().unwrap() = 7;
    drop(made);
    let found = place.options().processes(3).open_or_create("shop").unwrap();
    assert_eq!((found.id(), found.limits(), found.name()), (id, limits, Some("shop")));
    assert_eq!(*found.mutex("stock", 0_u64).unwrap().lock().unwrap(), 7, "it outlives its processes");
    fs::write(place.file("letter"), "dear reader").unwrap();
    let listed = place.options().list().unwrap();
    let names: Vec<_> = listed.iter().map(|entry| entry.name.as_str()).collect();
    assert_eq!(names, ["letter", "shop"]);
    assert!(matches!(listed[0].status, Status::Damaged(_)));
    assert_eq!(listed[1].status, Status::Valid(limits));
    assert_eq!(listed[1].size, fs::metadata(place.file("shop")).unwrap().len());
    assert_eq!(listed[1].created, Some(found.created()));
}

/// Runs as a child process whose environment names the directory.
fn play_by_default(path: &str) {
    // SAFETY: the only other thread is the test harness's, which waits for this one.
    unsafe { std::env::set_var(selvedge::region::DIRECTORY_VARIABLE, path) };
    let region = Region::create("shop").unwrap();
    say("file", place::traces_of(path.as_ref()).len());
    drop(region);
    drop(Region::open("shop").unwrap());
    drop(Region::open_or_create("shop").unwrap());
    say("listed", Region::list().unwrap().len());
    Region::remove("shop").unwrap();
    say("left", place::traces_of(path.as_ref()).len());
}

#[test]
fn the_environment_names_the_directory() {
    let place = Place::new();
    let mut child = Running::start("by default", &[&place.argument()]);
    for (key, value) in [("file", "1"), ("listed", "1"), ("left", "0")] {
        assert_eq!(child.hear(key), value, "{key}");
    }
    child.succeed();
}

#[test]
fn threads_that_end_give_their_places_back() {
    let region = RegionOptions::new().threads(2).anonymous().unwrap();
    let count = region.mutex("count", 0_u64).unwrap();
    *count.lock().unwrap() += 1;
    for _ in 0..100 {
        std::thread::scope(|scope| scope.spawn(|| *count.lock().unwrap() += 1).join().unwrap());
    }
    assert_eq!(*count.lock().unwrap(), 101);
    assert_eq!(region.participants()[0].threads, 1);
}

#[test]
fn a_handle_can_be_dropped_on_a_thread_that_has_no_place() {
    let region = RegionOptions::new().threads(1).objects(2).anonymous().unwrap();
    let stock = region.mutex("stock", 7_u64).unwrap();
    drop(stock.lock().unwrap());
    std::thread::scope(|scope| scope.spawn(move || drop(stock)).join().unwrap());
    region.remove_object("stock").unwrap();
    let again = region.mutex("again", 1_u64).unwrap();
    let other = region.mutex("other", 2_u64).expect("the removed object's place is free");
    assert_eq!((*again.lock().unwrap(), *other.lock().unwrap()), (1, 2));
}

/// Runs as a child process: attaches and detaches, and says what that has cost.
fn play_come_and_go(path: &str) {
    let come_and_go = || {
        let region = options_at(path).open_or_create("shop").unwrap();
        let stock = region.mutex("stock", 0_u64).unwrap();
        *stock.lock().unwrap() += 1;
        std::thread::scope(|scope| scope.spawn(|| *stock.lock().unwrap() += 1).join().unwrap());
        let anonymous = Region::anonymous().unwrap();
        anonymous.semaphore("permits", 1).unwrap().acquire().unwrap();
    };
    let threads = threads();
    // What the C library and this one keep for the next time is there after the first.
    come_and_go();
    let before = holdings(threads);
    for _ in 0..100 {
        come_and_go();
    }
    say("before", format!("{before:?}"));
    say("after", format!("{:?}", holdings(threads)));
    let region = options_at(path).open("shop").unwrap();
    say("stock", *region.mutex("stock", 0_u64).unwrap().lock().unwrap());
}

fn threads() -> usize {
    fs::read_dir("/proc/self/task").unwrap().count()
}

/// How many descriptors and mappings this process has, once it has no more than `threads` threads.
fn holdings(most: usize) -> [usize; 2] {
    let deadline = selvedge::Deadline::after(roles::PATIENCE);
    // A thread that was joined may still be listed for a moment.
    while threads() > most {
        assert!(!deadline.has_passed(), "waited in vain for all threads but {most} to end");
        std::thread::yield_now();
    }
    let mappings = fs::read_to_string("/proc/self/maps").unwrap().lines().count();
    [fs::read_dir("/proc/self/fd").unwrap().count(), mappings]
}

#[test]
fn coming_and_going_leaves_nothing() {
    let place = Place::new();
    let mut child = Running::start("come and go", &[&place.argument()]);
    assert_eq!(child.hear("before"), child.hear("after"), "descriptors, mappings");
    assert_eq!(child.hear("stock"), "202");
    child.succeed();
    assert_eq!(place.traces().len(), 1);
}

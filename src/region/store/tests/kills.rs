//! Processes that are killed while they make or remove a region: at every system call, and at random among others.

use super::race::Random;
use super::*;
use crate::region::os::surroundings::{Traced, kill_at_call, let_parent_trace, stop_here};

/// Runs as a child process: one change of the name between two stops.
pub(super) fn play_traced(place: &Place, change: &str) {
    println!("thread={}", rustix::thread::gettid().as_raw_nonzero());
    if let Err(error) = let_parent_trace() {
        println!("tracing={error}");
        return;
    }
    println!("tracing=allowed");
    stop_here();
    match change {
        "create" => drop(place.create(9)),
        "remove" => drop(place.store.remove(&stock(), soon()).unwrap()),
        unknown => panic!("no such change: {unknown}"),
    }
    stop_here();
}

/// Kills one child at its call number `kill_at`; says what became of it, or nothing if tracing is forbidden.
fn kill_changing(place: &Place, change: &str, kill_at: usize) -> Option<Traced> {
    let mut child = Running::start("traced", place, &[change]);
    let thread = child.read_value("thread");
    match child.read_value("tracing").as_str() {
        "allowed" => Some(kill_at_call(child.id(), thread.parse().unwrap(), kill_at)),
        refused => {
            eprintln!("skipped: no process can be traced here: {refused}");
            None
        }
    }
}

/// What the survivors must find, whenever the child died: all of the region or nothing of it, and a lock that is free.
/// Returns whether the region has its name.
fn assert_clean(place: &Place) -> bool {
    let other = RegionName::new("other").unwrap();
    let found = match place.store.open(&stock()) {
        Ok(region) => {
            assert_eq!(assert_whole(&region), 9);
            true
        }
        Err(error) => {
            assert_eq!(error.kind(), &RegionErrorKind::NotFound);
            false
        }
    };
    assert!(place.store.list().unwrap().iter().all(|entry| matches!(entry.status, Status::Valid(_))));
    place.store.create(&other, LIMITS, soon(), |_| Ok(())).unwrap();
    place.store.remove(&other, soon()).unwrap();
    assert_eq!(place.names().is_empty(), !found, "something was left over: {:?}", place.names());
    found
}

/// What a sweep of kills has found, one entry per system call.
#[derive(Debug, Default)]
struct Sweep {
    /// Whether the region had its name afterwards.
    named: Vec<bool>,
    /// How often a staged file was left over.
    left_over: usize,
}

/// Kills a child at each call of a change.
fn sweep(place: &Place, change: &str, prepare: impl Fn()) -> Option<Sweep> {
    let mut found = Sweep::default();
    loop {
        prepare();
        let end = kill_changing(place, change, found.named.len())?;
        found.left_over += usize::from(place.names().iter().any(|name| name.starts_with('.')));
        found.named.push(assert_clean(place));
        if end == Traced::Finished {
            return Some(found);
        }
        assert!(found.named.len() < 1000, "the change makes no end of system calls");
    }
}

#[test]
fn a_maker_killed_at_any_call_leaves_all_or_nothing() {
    for place in Place::both() {
        let Some(found) = sweep(&place, "create", || drop(place.store.remove(&stock(), soon()))) else { return };
        let named = &found.named;
        assert!(named.len() > 15, "only {} calls were seen", named.len());
        assert!(!named[0] && named[named.len() - 1], "{named:?}");
        assert!(named.is_sorted(), "once it has its name it keeps it: {named:?}");
        assert_eq!(found.left_over > 0, place.store.stages_by_name, "{found:?}");
        eprintln!("{} kills, a file left over after {} of them", named.len(), found.left_over);
    }
}

#[test]
fn a_remover_killed_at_any_call_leaves_all_or_nothing() {
    for place in Place::both() {
        let Some(found) = sweep(&place, "remove", || drop(place.try_create(9))) else { return };
        let named = &found.named;
        assert!(named.len() > 10, "only {} calls were seen", named.len());
        assert!(named[0] && !named[named.len() - 1], "{named:?}");
        assert!(named.iter().rev().is_sorted(), "once its name is gone it stays gone: {named:?}");
        assert_eq!(found.left_over, 0);
    }
}

/// Runs as a child process: makes and removes until it is killed.
pub(super) fn play_victim(place: &Place) {
    println!("ready=now");
    loop {
        // Others do the same: that the name exists, or does not, is no failure here.
        drop(place.try_create(9));
        drop(place.store.remove(&stock(), soon()));
    }
}

#[test]
fn makers_killed_at_random_harm_no_survivor() {
    const KILLS: usize = 40;
    for place in Place::both() {
        let mut random = Random(0x5eed);
        let done = AtomicU64::new(0);
        std::thread::scope(|scope| {
            let survivor = scope.spawn(|| {
                let mut turns = 0_u64;
                while done.load(Ordering::Relaxed) == 0 {
                    let init = |mapping: &Mapping| {
                        fill(mapping, 9);
                        Ok(())
                    };
                    let (region, _) = place.store.open_or_create(&stock(), LIMITS, soon(), init).unwrap();
                    assert_eq!(assert_whole(&region), 9);
                    drop(place.store.remove_exact(&stock(), region.identity(), soon()));
                    turns += 1;
                }
                turns
            });
            for _ in 0..KILLS {
                let mut victim = Running::start("victim", &place, &[]);
                victim.read_value("ready");
                // Not a wait for anything: the moment of death is what is random.
                std::thread::sleep(Duration::from_micros(random.below(3000)));
                victim.kill();
            }
            done.store(1, Ordering::Relaxed);
            assert!(survivor.join().unwrap() >= KILLS as u64, "the survivor hardly ran");
        });
        assert_clean(&place);
    }
}

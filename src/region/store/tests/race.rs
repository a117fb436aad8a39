//! Threads and processes that make, open and remove one name at once.

use super::*;

const ROUNDS: u64 = 400;
const THREADS: u64 = 8;
const PROCESSES: u64 = 4;

/// What one party has done to the name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Tally {
    created: u64,
    removed: u64,
}

impl std::ops::AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.created += other.created;
        self.removed += other.removed;
    }
}

/// A generator of numbers that are random enough (xorshift64).
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

/// One party of the race. Each region that it maps must be whole, and each that it removes must be removed once.
fn run(place: &Place, seed: u64) -> Tally {
    let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let mut tally = Tally::default();
    for round in 0..ROUNDS {
        let seed = (seed << 32) + round + 1;
        match random.below(8) {
            0..3 => {
                let init = |mapping: &Mapping| {
                    fill(mapping, seed);
                    Ok(())
                };
                let (region, is_new) = place.store.open_or_create(&stock(), LIMITS, soon(), init).unwrap();
                assert_eq!(assert_whole(&region) == seed, is_new);
                tally.created += u64::from(is_new);
            }
            3 => match place.try_create(seed) {
                Ok(region) => {
                    assert_eq!(assert_whole(&region), seed);
                    tally.created += 1;
                }
                Err(error) => assert_eq!(error.kind(), &RegionErrorKind::AlreadyExists),
            },
            4..7 => match place.store.open(&stock()) {
                Ok(region) => tally.removed += remove_mapped(place, &region),
                Err(error) => assert_eq!(error.kind(), &RegionErrorKind::NotFound),
            },
            _ => match place.store.remove(&stock(), soon()) {
                Ok(_) => tally.removed += 1,
                Err(error) => assert_eq!(error.kind(), &RegionErrorKind::NotFound),
            },
        }
    }
    tally
}

fn remove_mapped(place: &Place, region: &RegionFile) -> u64 {
    assert_whole(region);
    let removed = place.store.remove_exact(&stock(), region.identity(), soon());
    assert_eq!(place.store.still_named(&stock(), region.identity()), Ok(false), "a removed region came back");
    match removed {
        Ok(identity) => {
            assert_eq!(identity, region.identity());
            let before = word(region.mapping(), REMOVALS).fetch_add(1, Ordering::Relaxed);
            assert_eq!(before, 0, "removed twice: the second time it was a successor that lost its name");
            1
        }
        Err(error) => {
            assert!(matches!(error.kind(), RegionErrorKind::NotFound | RegionErrorKind::Replaced), "{error}");
            0
        }
    }
}

/// Runs as a child process.
pub(super) fn play(place: &Place, seed: u64) {
    let Tally { created, removed } = run(place, seed);
    println!("created={created}\nremoved={removed}");
}

#[test]
fn threads_and_processes_race_for_one_name() {
    for place in Place::both() {
        let start = |seed: u64| Running::start("race", &place, &[&seed.to_string()]);
        let mut children: Vec<_> = (1..=PROCESSES).map(start).collect();
        let mut total = Tally::default();
        std::thread::scope(|scope| {
            let parties = (1..=THREADS).map(|thread| {
                scope.spawn({
                    let place = &place;
                    move || run(place, 100 + thread)
                })
            });
            for party in parties.collect::<Vec<_>>() {
                total += party.join().unwrap();
            }
        });
        for child in &mut children {
            let number = |text: String| text.parse().unwrap();
            total +=
                Tally { created: number(child.read_value("created")), removed: number(child.read_value("removed")) };
            assert!(child.wait(soon()).success());
        }
        let is_there = u64::from(place.store.open(&stock()).is_ok());
        assert_eq!(
            total.created,
            total.removed + is_there,
            "each region has one maker and at most one remover: {total:?}"
        );
        assert!(total.removed > THREADS + PROCESSES, "hardly a race: {total:?}");
        assert_eq!(place.names().len() as u64, is_there, "{:?}", place.names());
    }
}

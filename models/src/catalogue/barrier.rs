//! Models of `primitives/barrier.rs`.

use crate::last_resort::{self, END};
use crate::scene::{Notes, OBJECT, Scene};
use crate::world::{Bounds, Faults, Model, World};
use crate::{verify, verify_eq};
use selvedge::primitives::RawBarrier;
use selvedge::primitives::barrier::{Barrier, BarrierError, Membership, Passed};
use selvedge::primitives::undertaker::{Dead, Repair};
use selvedge::sync::{AtomicU32, Cell, Deadline, Ordering};
use std::sync::Arc;

pub(super) const MODELS: &[Model] = &[
    Model {
        name: "barrier/two_meet_twice",
        properties: "G1 G2",
        client: "2 members × 2 rounds, each reads what the other wrote before",
        build: |world| meeting(world, 2, 2),
        faults: Faults { lifo: true, no_wake_edge: true, spurious: true, ..Faults::NONE },
        bounds: Bounds { plain: Some(2), faulty: Some(1) },
    },
    Model {
        name: "barrier/three_meet",
        properties: "G1 G2",
        client: "3 members × 1 round",
        build: |world| meeting(world, 3, 1),
        faults: Faults { lifo: true, ..Faults::NONE },
        bounds: Bounds { plain: Some(1), faulty: None },
    },
    Model {
        name: "barrier/member_dies_others_are_told",
        properties: "B1 F1 G1 G2 G4",
        client: "2 members × 1 round, one of them killed, the undertaker too",
        build: |world| meeting(world, 2, 1),
        faults: Faults { victims: &[0], second_death: true, ..Faults::NONE },
        bounds: Bounds { plain: Some(2), faulty: Some(0) },
    },
    Model {
        name: "barrier/one_of_three_dies_both_others_are_told",
        properties: "B1 G2 G4",
        client: "3 members × 1 round, one of them killed",
        build: |world| meeting(world, 3, 1),
        faults: Faults { victims: &[0], ..Faults::NONE },
        bounds: Bounds { plain: Some(1), faulty: Some(0) },
    },
    Model {
        name: "barrier/a_broken_one_is_mended",
        properties: "B1 G2 G4",
        client: "2 members × 1 round, one of them killed; whoever is told resets it, and a third joins",
        build: mended,
        faults: Faults { victims: &[0], ..Faults::NONE },
        bounds: Bounds { plain: Some(2), faulty: Some(0) },
    },
    Model {
        name: "barrier/a_death_during_a_reset_is_told",
        properties: "B1 G2 G4",
        client: "3 members, two of them killed; whoever is told resets the barrier and waits again",
        build: two_deaths,
        faults: Faults { pairs: &[(0, 1)], ..Faults::NONE },
        bounds: Bounds { plain: Some(1), faulty: Some(0) },
    },
    Model {
        name: "barrier/a_second_walker_does_not_break_it_again",
        properties: "B1 G2 G4",
        client: "2 members, one of them dead; 2 walk for it, 1 is told and resets",
        build: two_walkers,
        faults: Faults::NONE,
        bounds: Bounds { plain: Some(2), faulty: None },
    },
    Model {
        name: "barrier/timed_wait_takes_its_arrival_back",
        properties: "G3",
        client: "2 members, one waits for some time and then as long as it takes, the other as long as it takes",
        build: timed,
        faults: Faults { timeouts: true, ..Faults::NONE },
        bounds: Bounds { plain: Some(2), faulty: Some(1) },
    },
];

/// A barrier with its places, and a cell for each member.
struct Meeting {
    control: RawBarrier,
    places: Vec<AtomicU32>,
    wrote: Vec<Cell<u32>>,
}

impl Meeting {
    fn new(members: usize) -> Self {
        Self {
            control: RawBarrier::new(),
            places: (0..members).map(|_| RawBarrier::place()).collect(),
            wrote: (0..members).map(|_| Cell::new(0)).collect(),
        }
    }

    fn barrier(&self) -> Barrier<'_> {
        self.control.with(&self.places)
    }

    fn write(&self, member: usize, value: u32) {
        // SAFETY: others read it between two rounds, as the engine checks.
        self.wrote[member].with_mut(|wrote| unsafe { *wrote = value });
    }

    fn read(&self, member: usize) -> u32 {
        // SAFETY: as above.
        self.wrote[member].with(|wrote| unsafe { *wrote })
    }
}

impl Repair for Meeting {
    fn bury(&self, dead: &Dead<'_>) {
        self.barrier().bury(dead);
    }

    fn wake_all(&self) {
        self.barrier().wake_all();
    }
}

/// All lanes are members from the start.
fn joined(world: &mut World, members: usize) -> (Arc<Scene<Meeting>>, Vec<Membership>) {
    let scene = Scene::in_world(world, members, Meeting::new(members));
    let joined = (0..members).map(|lane| scene.object.barrier().join(scene.slot(lane)).expect("a place is free"));
    let joined = joined.collect();
    (scene, joined)
}

fn meeting(world: &mut World, members: usize, rounds: u32) {
    let (scene, memberships) = joined(world, members);
    let last = Arc::new(Notes::<Vec<u32>>::default());
    for (lane, member) in memberships.into_iter().enumerate() {
        let (scene, last) = (Arc::clone(&scene), Arc::clone(&last));
        world.thread(["A", "B", "C"][lane], move || {
            for round in 1..=rounds {
                // Two cells in turn, so that nobody writes what others still read.
                let meeting = &scene.object;
                if round == 1 {
                    meeting.write(lane, round);
                }
                match meeting.barrier().wait(&scene.caller(lane), OBJECT, member, None) {
                    Ok(passed) => {
                        if passed == Passed::AsLast {
                            last.lock().push(round);
                        }
                        (0..members).for_each(|other| verify_eq!(meeting.read(other), 1));
                    }
                    Err(error) => {
                        verify_eq!(error, BarrierError::Broken);
                        return;
                    }
                }
            }
        });
    }
    world.finally(move || {
        let mut rounds_over = last.lock().clone();
        let count = rounds_over.len();
        rounds_over.dedup();
        verify_eq!(rounds_over.len(), count, "a round had two last members");
        if !scene.object.barrier().is_broken() {
            verify_eq!(count, usize::try_from(rounds).expect("few rounds"), "a round had no last member");
        }
    });
}

fn mended(world: &mut World) {
    let (scene, memberships) = joined(world, 2);
    let [dying, member] = [memberships[0], memberships[1]];
    let told = Arc::new(Notes::<bool>::default());
    let (victim, survivor, by_survivor) = (Arc::clone(&scene), Arc::clone(&scene), Arc::clone(&told));
    world.thread("victim", move || {
        let passed = victim.object.barrier().wait(&victim.caller(0), OBJECT, dying, None);
        verify!(passed.is_ok(), "nobody else dies");
    });
    world.thread("survivor", move || {
        let (barrier, caller) = (survivor.object.barrier(), survivor.caller(1));
        if barrier.wait(&caller, OBJECT, member, None) == Err(BarrierError::Broken) {
            *by_survivor.lock() = true;
            verify!(barrier.reset());
            // It is whole, whoever is to come.
            verify_eq!(last_resort::told(|| barrier.wait(&caller, OBJECT, member, END)), Err(BarrierError::TimedOut));
        }
    });
    world.finally(move || {
        if *told.lock() {
            let barrier = scene.object.barrier();
            verify!(!barrier.is_broken(), "it was mended");
            verify!(barrier.join(scene.slot(2)).is_some(), "the place of the dead is free");
        }
    });
}

/// The survivor resets the barrier as often as it is told; only that may free a place.
fn two_deaths(world: &mut World) {
    let (scene, memberships) = joined(world, 3);
    let free = Arc::new(Notes::<usize>::default());
    for (lane, member) in memberships.iter().copied().enumerate().take(2) {
        let scene = Arc::clone(&scene);
        world.thread(["one victim", "other victim"][lane], move || {
            let _ = last_resort::told(|| scene.object.barrier().wait(&scene.caller(lane), OBJECT, member, END));
        });
    }
    let (survivor, by_survivor, member) = (Arc::clone(&scene), Arc::clone(&free), memberships[2]);
    world.thread("survivor", move || {
        let (meeting, caller) = (&survivor.object, survivor.caller(2));
        while meeting.barrier().wait(&caller, OBJECT, member, END) == Err(BarrierError::Broken) {
            verify!(meeting.barrier().reset());
            let seen = meeting.places.iter().filter(|place| place.load(Ordering::Relaxed) == 0).count();
            *by_survivor.lock() = seen;
        }
    });
    world.finally(move || {
        let places = &scene.object.places;
        let left = places.iter().filter(|place| place.load(Ordering::Relaxed) == 0).count();
        verify_eq!(left, *free.lock(), "a place became free, and nobody was told");
        let mended = !scene.object.barrier().is_broken();
        verify!(!(mended && dead_members(&scene.object) > 0), "it was mended, and has a member that is dead");
    });
}

fn dead_members(meeting: &Meeting) -> u32 {
    let mut count = 0;
    meeting.barrier().for_each_member(&mut |_, has_died| count += u32::from(has_died));
    count
}

/// Both walkers have seen the mark; one of them may be late.
fn two_walkers(world: &mut World) {
    let (scene, memberships) = joined(world, 2);
    for name in ["one walker", "other walker"] {
        let scene = Arc::clone(&scene);
        world.thread(name, move || scene.object.barrier().bury(&Dead::process(scene.table(), 0)));
    }
    let told = Arc::clone(&scene);
    world.thread("survivor", move || {
        let barrier = told.object.barrier();
        while !barrier.reset() {
            if last_resort::told(|| barrier.wait(&told.caller(1), OBJECT, memberships[1], END))
                != Err(BarrierError::Broken)
            {
                return;
            }
        }
    });
    world.finally(move || {
        let barrier = scene.object.barrier();
        if dead_members(&scene.object) == 0 {
            verify!(!barrier.is_broken(), "it was broken again for a death that all were told of");
        }
    });
}

fn timed(world: &mut World) {
    let (scene, memberships) = joined(world, 2);
    let [patient, impatient] = [memberships[0], memberships[1]];
    let other = Arc::clone(&scene);
    world.thread("patient", move || {
        other.object.write(0, 1);
        verify!(other.object.barrier().wait(&other.caller(0), OBJECT, patient, None).is_ok());
    });
    world.thread("impatient", move || {
        let (barrier, caller) = (scene.object.barrier(), scene.caller(1));
        match barrier.wait(&caller, OBJECT, impatient, Some(Deadline::at_monotonic_ns(1))) {
            Ok(_) => {}
            Err(error) => {
                verify_eq!(error, BarrierError::TimedOut);
                verify!(barrier.wait(&caller, OBJECT, impatient, None).is_ok());
            }
        }
        verify_eq!(scene.object.read(0), 1);
    });
}

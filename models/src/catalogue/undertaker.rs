//! Models of `primitives/undertaker.rs`.

use crate::life::{Held, Life, OBJECT, Shared, Taken, keeper, thread};
use crate::world::{Bounds, Faults, Model, World};
use crate::{verify, verify_eq};
use selvedge::primitives::participants::{ProcessClaim, ProcessState};
use selvedge::primitives::undertaker::{Objects, Repair, Succession, succeed_the_dead};
use selvedge::primitives::{ObjectId, ThreadSlot};
use selvedge::sync::{AtomicU32, Ordering, futex_wait, futex_wake};
use std::sync::Arc;

pub(super) const MODELS: &[Model] = &[
    Model {
        name: "undertaker/other_thread_runs_on",
        properties: "F1 F2 M4",
        client: "1 process whose keeper has stopped: 1 thread × (take, give back, leave), killed anywhere; 1 undertaker, 1 sleeper",
        build: other_thread_runs_on,
        faults: Faults { victims: &[0], ..Faults::NONE },
        bounds: Bounds { plain: Some(2), faulty: Some(2) },
    },
    Model {
        name: "undertaker/one_dies_the_next_completes",
        properties: "F1 F3 G4",
        client: "1 dead holder, 1 undertaker, killed anywhere, 1 keeper, 1 sleeper",
        build: one_dies_the_next_completes,
        faults: Faults { victims: &[0], ..Faults::NONE },
        bounds: Bounds { plain: Some(2), faulty: Some(1) },
    },
    Model {
        name: "undertaker/slow_walker_and_the_next_process",
        properties: "F2 F3",
        client: "1 dead holder, 2 undertakers, one then attaches anew and takes; the other killed anywhere",
        build: |world| slow_walker(world, false),
        faults: Faults { victims: &[0], ..Faults::NONE },
        bounds: Bounds { plain: Some(2), faulty: Some(1) },
    },
    Model {
        name: "undertaker/slow_walker_for_a_lone_thread",
        properties: "F2 F3",
        client: "1 dead holder whose thread died first, 1 who looks for the lone dead, 1 undertaker that then attaches anew and takes",
        build: |world| slow_walker(world, true),
        faults: Faults::NONE,
        bounds: Bounds { plain: Some(3), faulty: None },
    },
    Model {
        name: "undertaker/lone_walker_is_the_last_to_leave",
        properties: "F1 F3",
        client: "1 dead holder whose thread died first, 1 who looks for the lone dead, 1 undertaker",
        build: lone_walker_leaves,
        faults: Faults::NONE,
        bounds: Bounds { plain: Some(3), faulty: None },
    },
    Model {
        name: "undertaker/keepers_watch_each_other",
        properties: "F1 G4",
        client: "1 process dies, 2 keepers asleep, one of them killed anywhere",
        build: keepers_watch_each_other,
        faults: Faults { victims: &[1], lifo: true, ..Faults::NONE },
        bounds: Bounds { plain: Some(0), faulty: Some(0) },
    },
    Model {
        name: "undertaker/newcomer_dies",
        properties: "F1 G4",
        client: "1 process × (attach, register, take, give back), killed anywhere, 1 keeper, 1 sleeper",
        build: newcomer_dies,
        faults: Faults { victims: &[0], ..Faults::NONE },
        bounds: Bounds { plain: Some(1), faulty: Some(1) },
    },
    Model {
        name: "undertaker/stopped_keeper_delays_nobody",
        properties: "F1",
        client: "1 process dies, 2 keepers asleep; the first at the walk stops until the other has repaired",
        build: |world| stopped_keepers(world, 1),
        faults: Faults { lifo: true, ..Faults::NONE },
        bounds: Bounds { plain: Some(1), faulty: None },
    },
    Model {
        name: "undertaker/stopped_keepers_delay_nobody",
        properties: "F1",
        client: "1 process dies, 3 keepers asleep; the first two at the walk stop until the other has repaired",
        build: |world| stopped_keepers(world, 2),
        faults: Faults { lifo: true, ..Faults::NONE },
        bounds: Bounds { plain: Some(0), faulty: None },
    },
    Model {
        name: "undertaker/last_thread_tells_every_keeper",
        properties: "F1",
        client: "1 process whose keeper has stopped: 1 thread × (register, leave); 2 keepers, the first at the walk stops as above",
        build: last_thread_leaves,
        faults: Faults::NONE,
        bounds: Bounds { plain: Some(1), faulty: None },
    },
    Model {
        name: "undertaker/every_keeper_hears_of_a_newcomer",
        properties: "F1",
        client: "1 process × attach, 2 keepers, one of which stops when it is woken",
        build: newcomer_is_heard_of,
        faults: Faults { lifo: true, ..Faults::NONE },
        bounds: Bounds { plain: Some(1), faulty: None },
    },
    Model {
        name: "undertaker/exit_stands_in_for_marks",
        properties: "F1 F2",
        client: "1 process without robust lists: 1 thread × (take, exit); 1 undertaker",
        build: exit_stands_in,
        faults: Faults::NONE,
        bounds: Bounds { plain: None, faulty: None },
    },
    Model {
        name: "undertaker/heir_of_a_walkers_slot",
        properties: "F3",
        client: "1 process that was walked by a thread that died in it; 1 thread × claim of that one's slot, 1 keeper",
        build: |world| heir_of_a_walker(world, false),
        faults: Faults::NONE,
        bounds: Bounds { plain: Some(3), faulty: None },
    },
    Model {
        name: "undertaker/heir_of_a_walkers_entry",
        properties: "F3",
        client: "1 process that was walked by a keeper that died in it; 1 process × claim of that one's entry, 1 keeper",
        build: |world| heir_of_a_walker(world, true),
        faults: Faults::NONE,
        bounds: Bounds { plain: Some(2), faulty: None },
    },
    Model {
        name: "undertaker/hazard_of_a_dead_thread_is_void",
        properties: "F1 F3",
        client: "1 process that was walked by a thread that died in it, 2 keepers that look",
        build: void_hazard,
        faults: Faults::NONE,
        bounds: Bounds { plain: Some(4), faulty: None },
    },
    Model {
        name: "undertaker/newcomer_where_all_died",
        properties: "F1 F3 G4",
        client: "1 entry, whose process died holding something; 2 processes × succession, one killed anywhere",
        build: newcomer_where_all_died,
        faults: Faults { victims: &[0], ..Faults::NONE },
        bounds: Bounds { plain: Some(2), faulty: Some(2) },
    },
];

/// The process is announced dead while its thread still runs, takes and works.
fn other_thread_runs_on(world: &mut World) {
    let life: Shared = Arc::new(Life::new(2, 1, Held::new()));
    let claim = life.attach(keeper(0));
    let slot = life.join(claim, thread(0));
    let other = life.attach(keeper(1));
    let sleeper = life.join(other, thread(1));
    let kernel = Arc::clone(&life);
    world.on_death(move |_| kernel.stop(thread(0)), |_| {});
    let running = Arc::clone(&life);
    world.thread("running", move || {
        running.object.take(&running.caller(slot), thread(0));
        running.object.work();
        running.object.give_back();
        running.table().release_thread(slot, &mut running.list(thread(0)));
    });
    let undertaker = Arc::clone(&life);
    world.thread("undertaker", move || {
        undertaker.die(keeper(0));
        undertaker.look_after(other.index, claim.index);
        verify_eq!(undertaker.process(claim.index).state, ProcessState::Free);
    });
    let sleeping = Arc::clone(&life);
    world.thread("sleeper", move || {
        sleeping.object.take(&sleeping.caller(sleeper), thread(1));
        sleeping.object.work();
        sleeping.object.give_back();
    });
    world.finally(move || {
        verify!(life.object.try_take(sleeper, thread(1)).is_some(), "what the dead held is still held")
    });
}

/// A process whose only thread holds the object, killed.
fn dead_holder(life: &Shared) -> (ProcessClaim, ThreadSlot) {
    let claim = life.attach(keeper(0));
    let slot = life.join(claim, thread(0));
    assert_eq!(life.object.try_take(slot, thread(0)), Some(Taken::Clean));
    life.object.work();
    (claim, slot)
}

fn one_dies_the_next_completes(world: &mut World) {
    let life: Shared = Arc::new(Life::new(3, 1, Held::new()));
    let (dead, _) = dead_holder(&life);
    let one = life.attach(keeper(1));
    let next = life.attach(keeper(2));
    let sleeper = life.join(next, thread(2));
    life.stop(thread(0));
    life.die(keeper(0));
    let kernel = Arc::clone(&life);
    world.on_death(move |_| kernel.die(keeper(1)), |_| {});
    let mortal = Arc::clone(&life);
    world.thread("mortal", move || mortal.look_after(one.index, dead.index));
    let watching = Arc::clone(&life);
    world.thread("keeper", move || watching.keep_watch(next.index));
    let sleeping = Arc::clone(&life);
    world.thread("sleeper", move || {
        let taken = sleeping.object.take(&sleeping.caller(sleeper), thread(2));
        verify_eq!(taken, Taken::Inherited, "the heir was not told");
        sleeping.object.give_back();
    });
    world.finally(move || {
        verify_eq!(life.process(dead.index).state, ProcessState::Free);
        life.stop(thread(2));
        (1..3).for_each(|number| life.die(keeper(number)));
        life.verify_all_can_be_claimed();
    });
}

/// Two walk for the dead (or one for the dead process, one for its thread, which died before it). One of them then claims
/// the freed entry and takes what the dead held; the other may still be at its walk.
fn slow_walker(world: &mut World, for_lone_thread: bool) {
    let life: Shared = Arc::new(Life::new(3, 1, Held::new()));
    let (dead, _) = dead_holder(&life);
    let slow = life.attach(keeper(1));
    let fast = life.attach(keeper(2));
    life.stop(thread(0));
    life.die(keeper(0));
    let kernel = Arc::clone(&life);
    world.on_death(move |_| kernel.die(keeper(1)), |_| {});
    let walking = Arc::clone(&life);
    world.thread("slow", move || {
        if for_lone_thread {
            walking.undertaker(&walking.entry(slow.index).hazard, &|_| false).look_for_lone_dead();
        } else {
            walking.look_after(slow.index, dead.index);
        }
    });
    let next = Arc::clone(&life);
    world.thread("fast", move || {
        next.look_after(fast.index, dead.index);
        // None: the other's hazard is still there.
        if let Some(claim) = next.table().claim_process(keeper(3), &mut next.list(keeper(3))) {
            verify_eq!(claim.index, dead.index);
            verify!(next.table().open_process(claim), "nobody announced it dead");
            let slot = next.join(claim, thread(3));
            // It keeps it: what is taken from it now is taken from somebody who can still run.
            verify!(next.object.try_take(slot, thread(3)).is_some(), "who is left holds nothing");
        }
    });
    world.finally(move || {
        life.stop(thread(3));
        (1..4).for_each(|number| life.die(keeper(number)));
        life.verify_all_can_be_claimed();
    });
}

/// Whoever's hazard was in the way when the entry was to be freed frees it.
fn lone_walker_leaves(world: &mut World) {
    let life: Shared = Arc::new(Life::new(2, 1, Held::new()));
    let (dead, _) = dead_holder(&life);
    let other = life.attach(keeper(1));
    let sleeper = life.join(other, thread(1));
    life.stop(thread(0));
    life.die(keeper(0));
    let looking = Arc::clone(&life);
    world.thread("sleeper", move || {
        let hazard = &looking.thread_entry(usize::from(sleeper.0)).hazard;
        looking.undertaker(hazard, &|_| false).look_for_lone_dead();
    });
    let undertaker = Arc::clone(&life);
    world.thread("undertaker", move || undertaker.look_after(other.index, dead.index));
    world.finally(move || verify_eq!(life.process(dead.index).state, ProcessState::Free));
}

fn keepers_watch_each_other(world: &mut World) {
    let life: Shared = Arc::new(Life::new(3, 1, Held::new()));
    let (dead, _) = dead_holder(&life);
    let one = life.attach(keeper(1));
    let other = life.attach(keeper(2));
    let kernel = Arc::clone(&life);
    world.on_death(move |_| kernel.die(keeper(1)), |_| {});
    let dying = Arc::clone(&life);
    world.thread("dying", move || {
        dying.die(keeper(0));
        dying.stop(thread(0));
    });
    let mortal = Arc::clone(&life);
    world.thread("mortal", move || mortal.keep_watch(one.index));
    let watching = Arc::clone(&life);
    world.thread("keeper", move || watching.keep_watch(other.index));
    world.finally(move || verify_eq!(life.process(dead.index).state, ProcessState::Free));
}

/// A keeper goes to sleep while somebody joins, who then dies; a sleeper waits for what that one may have held.
fn newcomer_dies(world: &mut World) {
    let life: Shared = Arc::new(Life::new(2, 1, Held::new()));
    let old = life.attach(keeper(1));
    let sleeper = life.join(old, thread(1));
    let kernel = Arc::clone(&life);
    world.on_death(
        move |_| {
            kernel.die(keeper(0));
            kernel.stop(thread(0));
        },
        |_| {},
    );
    let newcomer = Arc::clone(&life);
    world.thread("newcomer", move || {
        let claim = newcomer.attach(keeper(0));
        let slot = newcomer.join(claim, thread(0));
        newcomer.object.take(&newcomer.caller(slot), thread(0));
        newcomer.object.work();
        newcomer.object.give_back();
    });
    let watching = Arc::clone(&life);
    world.thread("keeper", move || watching.keep_watch(old.index));
    let sleeping = Arc::clone(&life);
    world.thread("sleeper", move || {
        sleeping.object.take(&sleeping.caller(sleeper), thread(1));
        sleeping.object.work();
        sleeping.object.give_back();
    });
    world.finally(move || {
        verify!(life.object.try_take(sleeper, thread(1)).is_some(), "what the dead held is still held")
    });
}

/// Something whose first walkers are stopped in the middle of their walks, until another has repaired everything.
struct StoppedWalkers {
    held: Held,
    stops: u32,
    walkers: AtomicU32,
    repaired: AtomicU32,
}

impl StoppedWalkers {
    fn new(stops: u32) -> Self {
        Self { held: Held::new(), stops, walkers: AtomicU32::new(0), repaired: AtomicU32::new(0) }
    }
}

impl Objects for StoppedWalkers {
    fn for_each(&self, visit: &mut dyn FnMut(&dyn Repair)) {
        if self.walkers.fetch_add(1, Ordering::Relaxed) < self.stops {
            while self.repaired.load(Ordering::Relaxed) == 0 {
                futex_wait(&self.repaired, 0, None);
            }
        }
        visit(&self.held);
        self.repaired.swap(1, Ordering::Relaxed);
        futex_wake(&self.repaired, u32::MAX);
    }

    fn wake(&self, object: ObjectId) {
        if object == OBJECT {
            self.held.wake_all();
        }
    }
}

const KEEPERS: [&str; 3] = ["A", "B", "C"];

/// So many keepers are stopped; one more is there.
fn stopped_keepers(world: &mut World, stopped: u32) {
    let life: Shared<StoppedWalkers> = Arc::new(Life::new(4, 1, StoppedWalkers::new(stopped)));
    let dead = life.attach(keeper(0));
    for (number, name) in (1..).zip(KEEPERS).take(stopped as usize + 1) {
        let own = life.attach(keeper(number));
        let life = Arc::clone(&life);
        world.thread(name, move || life.keep_watch(own.index));
    }
    let dying = Arc::clone(&life);
    world.thread("dying", move || dying.die(keeper(0)));
    world.finally(move || verify_eq!(life.process(dead.index).state, ProcessState::Free));
}

/// What keeps the process from being walked is a thread that comes late, or goes late.
fn last_thread_leaves(world: &mut World) {
    let life: Shared<StoppedWalkers> = Arc::new(Life::new(3, 1, StoppedWalkers::new(1)));
    let claim = life.attach(keeper(0));
    for (number, name) in (1..).zip(KEEPERS).take(2) {
        let own = life.attach(keeper(number));
        let life = Arc::clone(&life);
        world.thread(name, move || life.keep_watch(own.index));
    }
    let last = Arc::clone(&life);
    world.thread("last", move || {
        last.die(keeper(0));
        if let Ok(claimed) = last.table().claim_thread(claim, thread(0), &mut last.list(thread(0))) {
            last.table().release_thread(claimed.slot, &mut last.list(thread(0)));
        }
    });
    world.finally(move || verify_eq!(life.process(claim.index).state, ProcessState::Free));
}

/// A keeper that was woken for a newcomer's sake does nothing about it; the other has to watch the newcomer by itself.
fn newcomer_is_heard_of(world: &mut World) {
    let life: Shared = Arc::new(Life::new(3, 1, Held::new()));
    let keepers = [life.attach(keeper(1)), life.attach(keeper(2))];
    let [stops, watches] = keepers.map(|claim| claim.index);
    let stopping = Arc::clone(&life);
    world.thread("stops", move || {
        stopping.look_and_sleep(stops);
    });
    let newcomer = Arc::clone(&life);
    // In the end it sleeps on the newcomer's life word, too.
    world.thread("keeper", move || life.keep_watch(watches));
    world.thread("newcomer", move || {
        newcomer.attach(keeper(0));
    });
}

/// Its thread's life word is on no list: no mark ever comes.
fn exit_stands_in(world: &mut World) {
    let life: Shared = Arc::new(Life::new(2, 1, Held::new()));
    let claim = life.attach(keeper(0));
    let slot = life.join(claim, thread(0));
    life.has_no_list(thread(0));
    let other = life.attach(keeper(1));
    life.die(keeper(0));
    let running = Arc::clone(&life);
    world.thread("running", move || {
        running.object.take(&running.caller(slot), thread(0));
        running.object.work();
        running.object.stopped(thread(0));
        running.exit(claim.index);
    });
    let undertaker = Arc::clone(&life);
    world.thread("undertaker", move || {
        undertaker.look_after(other.index, claim.index);
        verify_eq!(undertaker.process(claim.index).state, ProcessState::Free);
    });
    world.finally(move || {
        // The slot serves the next owner of the entry.
        let next = life.attach(keeper(2));
        let slot = life.join(next, thread(2));
        verify_eq!(life.object.try_take(slot, thread(2)), Some(Taken::Inherited));
    });
}

/// Process 0 was repaired by somebody who died before it took its hazard back.
struct Walked {
    life: Shared,
    walked: ProcessClaim,
    walker: ProcessClaim,
    walkers_thread: ThreadSlot,
    other: ProcessClaim,
}

fn walked_by_the_dead(whole_process: bool) -> Walked {
    let life: Shared = Arc::new(Life::new(3, 1, Held::new()));
    let walked = life.attach(keeper(0));
    let walker = life.attach(keeper(1));
    let walkers_thread = life.join(walker, thread(1));
    let other = life.attach(keeper(2));
    let named = u32::try_from(walked.index + 1).expect("few");
    life.die(keeper(0));
    life.table().swing(walked, ProcessState::Live, ProcessState::Dead);
    life.table().swing(walked, ProcessState::Dead, ProcessState::Walked);
    if whole_process {
        life.stop(thread(1));
        life.die(keeper(1));
        life.look_after(other.index, walker.index);
        life.entry(walker.index).hazard.store(named, Ordering::Relaxed);
    } else {
        life.thread_entry(usize::from(walkers_thread.0)).hazard.store(named, Ordering::Relaxed);
        life.stop(thread(1));
    }
    Walked { life, walked, walker, walkers_thread, other }
}

/// Whoever inherits the dead walker's slot, or entry, makes its hazard look alive for a moment.
fn heir_of_a_walker(world: &mut World, whole_process: bool) {
    let Walked { life, walked, walker, walkers_thread, other } = walked_by_the_dead(whole_process);
    let heir = Arc::clone(&life);
    world.thread("heir", move || {
        if whole_process {
            // The other keeper may have freed entry 0 by now.
            let claim = heir.attach(keeper(3));
            verify!(claim.index == walker.index || claim.index == walked.index);
        } else {
            verify_eq!(heir.join(walker, thread(3)), walkers_thread);
        }
    });
    let watching = Arc::clone(&life);
    world.thread("keeper", move || watching.keep_watch(other.index));
    world.finally(move || verify!(life.process(walked.index).state != ProcessState::Walked));
}

/// The walker's process lives on, and nobody inherits the slot.
fn void_hazard(world: &mut World) {
    let Walked { life, walked, walker, other, .. } = walked_by_the_dead(false);
    for (name, own) in [("A", walker), ("B", other)] {
        let life = Arc::clone(&life);
        world.thread(name, move || {
            let hazard = &life.entry(own.index).hazard;
            verify!(!life.undertaker(hazard, &|_| false).survey(), "nobody is left who may still run");
        });
    }
    world.finally(move || verify_eq!(life.process(walked.index).state, ProcessState::Free));
}

fn newcomer_where_all_died(world: &mut World) {
    let life: Shared = Arc::new(Life::new(1, 1, Held::new()));
    let (dead, _) = dead_holder(&life);
    life.stop(thread(0));
    life.die(keeper(0));
    let kernel = Arc::clone(&life);
    world.on_death(move |death| kernel.die(keeper(10 + u32::try_from(death.victim).expect("few"))), |_| {});
    for lane in 0..2 {
        let life = Arc::clone(&life);
        world.thread(["A", "B"][lane as usize], move || {
            let id = keeper(10 + lane);
            let outcome = succeed_the_dead(life.table(), &life.object, &|_| false, id, &mut life.list(id));
            if let Succession::Claimed(claim) = outcome {
                verify!(claim.generation > dead.generation);
                verify!(life.table().open_process(claim), "nobody announced it dead");
            }
        });
    }
    world.finally(move || {
        verify!(life.process(0).state != ProcessState::Free || life.entry(0).life.word().peek() != 0);
        (10..12).for_each(|number| life.die(keeper(number)));
        // All have died by now, and nobody else is at it.
        let id = keeper(20);
        let next = succeed_the_dead(life.table(), &life.object, &|_| false, id, &mut life.list(id));
        verify!(matches!(next, Succession::Claimed(_)), "a region whose processes have died takes nobody: {next:?}");
        life.die(id);
        life.verify_all_can_be_claimed();
        let slot = ThreadSlot(0);
        verify_eq!(life.object.try_take(slot, thread(9)), Some(Taken::Inherited), "what the dead held is still held");
    });
}

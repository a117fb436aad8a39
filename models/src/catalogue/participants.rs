//! Models of `primitives/participants.rs`.

use crate::life::{Held, Life, Shared, Taken, keeper, thread};
use crate::scene::Notes;
use crate::world::{Bounds, Faults, Model, World};
use crate::{verify, verify_eq};
use selvedge::primitives::ThreadSlot;
use selvedge::primitives::participants::{ClaimThreadError, LEFT_KEPT, ProcessClaim, ProcessState, ProcessWord};
use selvedge::sync::{LIFE_DIED, LIFE_ID_MASK, LIFE_WAITERS, Ordering};
use std::sync::Arc;

pub(super) const MODELS: &[Model] = &[
    Model {
        name: "participants/two_claim_the_last_entry",
        properties: "F3",
        client: "2 processes × claim, 1 entry",
        build: |world| claimers(world, 1),
        faults: Faults::NONE,
        bounds: Bounds { plain: None, faulty: None },
    },
    Model {
        name: "participants/claimers_die_nothing_leaks",
        properties: "F3 G4",
        client: "2 processes × claim, 2 entries, either killed, or both",
        build: |world| claimers(world, 2),
        faults: Faults { victims: &[0], pairs: &[(0, 1)], ..Faults::NONE },
        bounds: Bounds { plain: Some(3), faulty: Some(1) },
    },
    Model {
        name: "participants/late_claimer_hides_a_mark",
        properties: "F1 G4",
        client: "2 processes × claim of 1 entry, one killed anywhere, 1 keeper",
        build: |world| late_claimer_hides_a_mark(world, true),
        faults: Faults { victims: &[1], ..Faults::NONE },
        bounds: Bounds { plain: Some(2), faulty: Some(1) },
    },
    Model {
        name: "participants/claimers_of_a_marked_entry_die",
        properties: "F1 G4",
        client: "2 processes × claim of 1 entry, both killed anywhere",
        build: |world| late_claimer_hides_a_mark(world, false),
        faults: Faults { pairs: &[(1, 0)], ..Faults::NONE },
        bounds: Bounds { plain: None, faulty: Some(2) },
    },
    Model {
        name: "participants/next_owner_sees_what_was_repaired",
        properties: "F3 G1",
        client: "1 process died holding something; 1 keeper looks after it, 1 newcomer takes entry, slot and what was held",
        build: next_owner,
        faults: Faults::NONE,
        bounds: Bounds { plain: Some(2), faulty: None },
    },
    Model {
        name: "participants/nothing_of_a_dead_claimer_comes_later",
        properties: "F3 F5",
        client: "2 processes × claim of 1 entry, one killed anywhere; the other's thread names an object",
        build: dead_claimer,
        faults: Faults { victims: &[0], ..Faults::NONE },
        bounds: Bounds { plain: Some(2), faulty: Some(1) },
    },
    Model {
        name: "participants/nothing_of_the_last_owner_comes_later",
        properties: "F3 F5",
        client: "1 process whose keeper has stopped: 1 thread names an object and stops; 1 keeper, 1 newcomer",
        build: last_owner,
        faults: Faults::NONE,
        bounds: Bounds { plain: Some(1), faulty: None },
    },
    Model {
        name: "participants/who_left_is_known_to_have_left",
        properties: "F1",
        client: "1 process leaves, 1 looks how it ended",
        build: who_left,
        faults: Faults::NONE,
        bounds: Bounds { plain: None, faulty: None },
    },
    Model {
        name: "participants/a_later_ones_leaving_is_not_taken_for_its",
        properties: "F1",
        client: "1 process died; the 64th after it leaves, 1 looks how the first one ended",
        build: a_later_one_left,
        faults: Faults::NONE,
        bounds: Bounds { plain: None, faulty: None },
    },
    Model {
        name: "participants/late_thread_is_refused_or_seen",
        properties: "F2 F5",
        client: "1 process whose keeper stops: 1 thread × (register, take, give back, leave), killed anywhere",
        build: |world| late_thread(world, false),
        faults: Faults { victims: &[0], ..Faults::NONE },
        bounds: Bounds { plain: Some(4), faulty: Some(3) },
    },
    Model {
        name: "participants/late_thread_and_the_next_process",
        properties: "F2 F3 F5",
        client: "as before, and a newcomer that claims the freed entry: 1 thread × (register, take, give back)",
        build: |world| late_thread(world, true),
        faults: Faults { victims: &[0], ..Faults::NONE },
        bounds: Bounds { plain: Some(3), faulty: Some(2) },
    },
    Model {
        name: "participants/late_thread_spares_the_next_ones_slot",
        properties: "F2 F3",
        client: "1 process whose keeper has stopped: 1 thread × (register, leave); a newcomer with 1 thread that stays",
        build: late_thread_spares,
        faults: Faults::NONE,
        bounds: Bounds { plain: Some(3), faulty: None },
    },
    Model {
        name: "participants/fenced_off_thread_dies_leaving",
        properties: "F1 F5 G4",
        client: "1 process announced dead: 1 thread × (give back, leave), killed anywhere; its undertaker waits",
        build: fenced_off_thread_leaves,
        faults: Faults { victims: &[0], ..Faults::NONE },
        bounds: Bounds { plain: None, faulty: Some(3) },
    },
    Model {
        name: "participants/slot_of_a_lone_dead_thread",
        properties: "F2 F3",
        client: "1 thread × (claim of a dead one's slot, bury, take, give back), killed anywhere; 1 process looks for the lone dead",
        build: lone_dead_slot,
        faults: Faults { victims: &[0], ..Faults::NONE },
        bounds: Bounds { plain: Some(3), faulty: Some(2) },
    },
    Model {
        name: "participants/process_leaves_while_another_surveys",
        properties: "F3 G4",
        client: "1 process × leave, killed anywhere, 1 keeper",
        build: process_leaves,
        faults: Faults { victims: &[0], ..Faults::NONE },
        bounds: Bounds { plain: Some(2), faulty: Some(1) },
    },
];

fn claimers(world: &mut World, entries: usize) {
    let life: Shared = Arc::new(Life::new(entries, 1, Held::new()));
    let claims = Arc::new(Notes::<Vec<ProcessClaim>>::default());
    let kernel = Arc::clone(&life);
    world.on_death(move |death| kernel.die(keeper(u32::try_from(death.victim).expect("few"))), |_| {});
    for lane in 0..2 {
        let (life, claims) = (Arc::clone(&life), Arc::clone(&claims));
        world.thread(["A", "B"][lane as usize], move || {
            if let Some(claim) = life.table().claim_process(keeper(lane), &mut life.list(keeper(lane))) {
                {
                    let mut claims = claims.lock();
                    verify!(!claims.contains(&claim), "two processes have one entry");
                    claims.push(claim);
                }
                verify!(life.table().open_process(claim), "nobody announced it dead");
                verify!(life.table().is_live(claim));
            }
        });
    }
    world.finally(move || {
        let claims = claims.lock();
        verify!(claims.len() <= 2 && claims.iter().all(|claim| claim.index < entries));
        let alive = (0..entries).filter(|index| life.process(*index).state == ProcessState::Live).count();
        verify!(alive > 0 || claims.is_empty() || entries > 1, "one of two gets the last entry");
        (0..2).for_each(|lane| life.die(keeper(lane)));
        life.verify_all_can_be_claimed();
    });
}

/// Entry 0 bears the mark of a claimer that died at once. Who looks at it, and then is slow, takes the mark of the next
/// owner for that one.
fn late_claimer_hides_a_mark(world: &mut World, is_watched: bool) {
    let life: Shared = Arc::new(Life::new(2, 1, Held::new()));
    life.entry(0).life.word().store(LIFE_WAITERS | LIFE_DIED, Ordering::Relaxed);
    let first = life.table().claim_process(keeper(9), &mut life.list(keeper(9))).expect("an entry is free");
    assert_eq!(first.index, 0);
    let own = life.attach(keeper(2)).index;
    life.die(keeper(9));
    life.table().swing(first, ProcessState::Init, ProcessState::Dead);
    life.look_after(own, 0);
    let kernel = Arc::clone(&life);
    world.on_death(move |death| kernel.die(keeper(u32::try_from(death.victim).expect("few"))), |_| {});
    let late = Arc::clone(&life);
    world.thread("late", move || {
        late.table().claim_process(keeper(0), &mut late.list(keeper(0)));
    });
    let owner = Arc::clone(&life);
    world.thread("owner", move || {
        if let Some(claim) = owner.table().claim_process(keeper(1), &mut owner.list(keeper(1))) {
            verify!(owner.table().open_process(claim), "nobody announced it dead");
        }
    });
    if is_watched {
        let watching = Arc::clone(&life);
        world.thread("keeper", move || watching.keep_watch(own));
    }
    world.finally(move || {
        (0..3).for_each(|number| life.die(keeper(number)));
        life.verify_all_can_be_claimed();
    });
}

/// Whoever comes after has what was repaired, or would find its own slot named by what the dead held.
fn next_owner(world: &mut World) {
    let life: Shared = Arc::new(Life::new(2, 1, Held::new()));
    let dead = life.attach(keeper(0));
    let slot = life.join(dead, thread(0));
    let other = life.attach(keeper(1));
    assert_eq!(life.object.try_take(slot, thread(0)), Some(Taken::Clean));
    life.object.work();
    life.stop(thread(0));
    life.die(keeper(0));
    let looking = Arc::clone(&life);
    world.thread("keeper", move || looking.look_after(other.index, dead.index));
    world.thread("newcomer", move || {
        if let Some(claim) = life.table().claim_process(keeper(2), &mut life.list(keeper(2))) {
            verify!(life.table().open_process(claim), "nobody announced it dead");
            let slot = life.join(claim, thread(2));
            verify_eq!(life.object.try_take(slot, thread(2)), Some(Taken::Inherited), "it was repaired before");
        }
    });
}

/// As the region layer does both.
fn who_left(world: &mut World) {
    let life: Shared = Arc::new(Life::new(1, 1, Held::new()));
    let claim = life.attach(keeper(0));
    let leaving = Arc::clone(&life);
    world.thread("leaving", move || {
        leaving.entry(claim.index).note_leaving(claim.generation);
        leaving.table().swing(claim, ProcessState::Live, ProcessState::Dead);
    });
    world.thread("looks", move || {
        let entry = life.entry(claim.index);
        // Acquire: pairs with the swing to DEAD.
        let word = ProcessWord::from_bits(entry.word.load(Ordering::Acquire));
        verify!(word.state != ProcessState::Dead || entry.has_left(claim.generation), "it left, and passes for dead");
    });
}

/// Generations share their bits with later ones.
fn a_later_one_left(world: &mut World) {
    let life: Shared = Arc::new(Life::new(1, 1, Held::new()));
    let died = life.attach(keeper(0));
    let later = died.generation + LEFT_KEPT + 1;
    let next = Arc::clone(&life);
    world.thread("later", move || {
        let entry = next.entry(died.index);
        let word = ProcessWord { generation: later, state: ProcessState::Live };
        entry.word.store(word.to_bits(), Ordering::Relaxed);
        entry.note_arrival(later);
        entry.note_leaving(later);
    });
    world.thread("looks", move || {
        verify!(!life.entry(died.index).has_left(died.generation), "it died, and passes for gone")
    });
}

/// What names an object, in this model: any value but 0 does.
const NAMED: u32 = 1;

/// What a claimer that was killed had written comes before what the next one writes.
fn dead_claimer(world: &mut World) {
    let life: Shared = Arc::new(Life::new(1, 1, Held::new()));
    let kernel = Arc::clone(&life);
    world.on_death(move |_| kernel.die(keeper(0)), |_| {});
    let victim = Arc::clone(&life);
    world.thread("victim", move || _ = victim.table().claim_process(keeper(0), &mut victim.list(keeper(0))));
    let sleeps = Arc::new(Notes::<bool>::default());
    let (next, noted) = (Arc::clone(&life), Arc::clone(&sleeps));
    world.thread("next", move || {
        if let Some(claim) = next.table().claim_process(keeper(1), &mut next.list(keeper(1))) {
            verify!(next.table().open_process(claim), "nobody announced it dead");
            next.thread_entry(0).waiting.store(NAMED, Ordering::Relaxed);
            *noted.lock() = true;
        }
    });
    world.finally(move || {
        let named = life.thread_entry(0).waiting.load(Ordering::Relaxed);
        verify!(!*sleeps.lock() || named == NAMED, "it named an object, and a dead claimer has taken that away");
    });
}

/// What the last owner's thread had written comes before what the next one writes.
fn last_owner(world: &mut World) {
    let life: Shared = Arc::new(Life::new(2, 1, Held::new()));
    let dead = life.attach(keeper(0));
    let slot = life.join(dead, thread(0));
    let other = life.attach(keeper(1));
    life.die(keeper(0));
    let running = Arc::clone(&life);
    world.thread("thread", move || {
        running.thread_entry(usize::from(slot.0)).waiting.store(NAMED, Ordering::Relaxed);
        running.stop(thread(0));
    });
    let looking = Arc::clone(&life);
    world.thread("keeper", move || looking.look_after(other.index, dead.index));
    let claimed = Arc::new(Notes::<bool>::default());
    let (next, noted) = (Arc::clone(&life), Arc::clone(&claimed));
    world.thread("newcomer", move || {
        *noted.lock() = next.table().claim_process(keeper(2), &mut next.list(keeper(2))).is_some();
    });
    world.finally(move || {
        let named = life.thread_entry(usize::from(slot.0)).waiting.load(Ordering::Relaxed);
        verify!(!*claimed.lock() || named == 0, "the slot names what nobody waits for");
    });
}

/// A thread registers while its keeper has stopped already; in the end nothing is left of it.
fn late_thread(world: &mut World, newcomer: bool) {
    let life: Shared = Arc::new(Life::new(2, 1, Held::new()));
    let claim = life.attach(keeper(0));
    let other = life.attach(keeper(1));
    let slot = ThreadSlot(0);
    let kernel = Arc::clone(&life);
    world.on_death(move |_| kernel.stop(thread(0)), |_| {});
    let late = Arc::clone(&life);
    world.thread("late", move || {
        match late.table().claim_thread(claim, thread(0), &mut late.list(thread(0))) {
            Ok(claimed) => {
                verify_eq!(claimed.slot, slot);
                if late.object.try_take(slot, thread(0)).is_some() {
                    late.object.work();
                    late.object.give_back();
                }
                late.table().release_thread(slot, &mut late.list(thread(0)));
            }
            // The newcomer may have the only slot.
            Err(error) => verify!(error == ClaimThreadError::FencedOff || newcomer),
        }
    });
    let after = Arc::clone(&life);
    world.thread("others", move || {
        after.die(keeper(0));
        after.look_after(other.index, claim.index);
        if newcomer {
            next_process(&after);
        }
    });
    world.finally(move || {
        verify!(
            life.object.try_take(slot, thread(9)).is_some(),
            "somebody dead holds it, and nobody will look any more"
        );
        if !newcomer {
            life.die(keeper(1));
            life.verify_all_can_be_claimed();
        }
    });
}

/// As above; but the newcomer's thread keeps its slot, and nobody else may get it.
fn late_thread_spares(world: &mut World) {
    let life: Shared = Arc::new(Life::new(2, 1, Held::new()));
    let claim = life.attach(keeper(0));
    let other = life.attach(keeper(1));
    let late = Arc::clone(&life);
    world.thread("late", move || {
        if let Ok(claimed) = late.table().claim_thread(claim, thread(0), &mut late.list(thread(0))) {
            late.table().release_thread(claimed.slot, &mut late.list(thread(0)));
        }
    });
    let stays = Arc::new(Notes::<Option<ThreadSlot>>::default());
    let (next, noted) = (Arc::clone(&life), Arc::clone(&stays));
    world.thread("next", move || {
        next.die(keeper(0));
        next.look_after(other.index, claim.index);
        let claim = next.attach(keeper(2));
        // A late thread may sit in the slot until it has seen that it is late.
        let claimed = next.table().claim_thread(claim, thread(2), &mut next.list(thread(2)));
        *noted.lock() = claimed.ok().map(|claimed| claimed.slot);
    });
    world.finally(move || {
        let owner = life.thread_entry(0).life.word().peek() & LIFE_ID_MASK;
        match *stays.lock() {
            Some(slot) => verify!(slot == ThreadSlot(0) && owner == thread(2), "a thread has lost its slot"),
            None => verify_eq!(owner, 0, "a slot leaked"),
        }
    });
}

/// A process that comes when an entry is free, with one thread.
fn next_process(life: &Shared) {
    let claim = life.attach(keeper(2));
    // A late thread may sit in the slot until it has seen that it is late.
    let claimed = life.table().claim_thread(claim, thread(2), &mut life.list(thread(2)));
    match claimed {
        Ok(claimed) => {
            verify!(life.object.try_take(claimed.slot, thread(2)).is_some(), "who is left holds nothing");
            life.object.work();
            life.object.give_back();
            life.table().release_thread(claimed.slot, &mut life.list(thread(2)));
        }
        Err(error) => verify_eq!(error, ClaimThreadError::Full),
    }
}

/// The process is announced dead, but its thread runs on and comes to a regular end.
fn fenced_off_thread_leaves(world: &mut World) {
    let life: Shared = Arc::new(Life::new(2, 1, Held::new()));
    let claim = life.attach(keeper(0));
    let slot = life.join(claim, thread(0));
    let other = life.attach(keeper(1));
    assert_eq!(life.object.try_take(slot, thread(0)), Some(Taken::Clean));
    life.die(keeper(0));
    let kernel = Arc::clone(&life);
    world.on_death(move |_| kernel.stop(thread(0)), |_| {});
    let fenced = Arc::clone(&life);
    world.thread("fenced off", move || {
        let refused = fenced.table().claim_thread(claim, thread(7), &mut fenced.list(thread(7)));
        verify!(refused.is_err(), "its process has the slot already, or is dead");
        fenced.object.work();
        fenced.object.give_back();
        fenced.table().release_thread(slot, &mut fenced.list(thread(0)));
    });
    let undertaker = Arc::clone(&life);
    world.thread("undertaker", move || {
        undertaker.look_after(other.index, claim.index);
        verify_eq!(undertaker.process(claim.index).state, ProcessState::Free);
        verify!(!undertaker.table().is_live(claim));
    });
    world.finally(move || {
        life.die(keeper(1));
        life.verify_all_can_be_claimed();
    });
}

/// A thread died alone, holding something. Another of its process gets its slot; meanwhile a sleeper of another process
/// looks for the lone dead.
fn lone_dead_slot(world: &mut World) {
    let life: Shared = Arc::new(Life::new(2, 1, Held::new()));
    let claim = life.attach(keeper(0));
    let slot = life.join(claim, thread(9));
    let other = life.attach(keeper(1));
    let watcher = life.join(other, thread(1));
    assert_eq!(life.object.try_take(slot, thread(9)), Some(Taken::Clean));
    life.object.work();
    life.stop(thread(9));
    let kernel = Arc::clone(&life);
    world.on_death(move |_| kernel.stop(thread(0)), |_| {});
    let heir = Arc::clone(&life);
    world.thread("heir", move || match heir.table().claim_thread(claim, thread(0), &mut heir.list(thread(0))) {
        Ok(claimed) => {
            verify!(claimed.slot == slot && claimed.unburied);
            let entry = heir.thread_entry(usize::from(slot.0));
            heir.undertaker(&entry.hazard, &|_| false).bury_thread(slot);
            if heir.object.try_take(slot, thread(0)).is_some() {
                heir.object.work();
                heir.object.give_back();
            }
            heir.table().release_thread(slot, &mut heir.list(thread(0)));
        }
        Err(error) => verify_eq!(error, ClaimThreadError::Full),
    });
    let looking = Arc::clone(&life);
    world.thread("watcher", move || {
        let entry = looking.thread_entry(usize::from(watcher.0));
        looking.undertaker(&entry.hazard, &|_| false).look_for_lone_dead();
        if looking.object.try_take(watcher, thread(1)).is_some() {
            looking.object.work();
            looking.object.give_back();
        }
    });
    world.finally(move || {
        let life_word = life.thread_entry(usize::from(slot.0)).life.word().peek();
        verify_eq!(life_word & LIFE_ID_MASK, 0, "a slot leaked");
        let (hazard, nobody) = (selvedge::sync::AtomicU32::new(0), |_| false);
        life.undertaker(&hazard, &nobody).look_for_lone_dead();
        verify!(life.object.try_take(watcher, thread(1)).is_some(), "what the dead held is still held");
    });
}

fn process_leaves(world: &mut World) {
    let life: Shared = Arc::new(Life::new(2, 1, Held::new()));
    let claim = life.attach(keeper(0));
    let other = life.attach(keeper(1));
    let kernel = Arc::clone(&life);
    world.on_death(move |_| kernel.die(keeper(0)), |_| {});
    let leaving = Arc::clone(&life);
    world.thread("leaving", move || {
        leaving.leave(claim, keeper(0));
        verify!(!leaving.table().is_live(claim));
    });
    let watching = Arc::clone(&life);
    world.thread("keeper", move || watching.keep_watch(other.index));
    world.finally(move || {
        verify_eq!(life.process(claim.index).state, ProcessState::Free);
        verify_eq!(life.process(claim.index).generation, claim.generation);
        life.die(keeper(1));
        life.verify_all_can_be_claimed();
    });
}

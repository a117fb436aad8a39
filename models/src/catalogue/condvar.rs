//! Models of `primitives/condvar.rs`.

use crate::last_resort::END;
use crate::scene::{OBJECT, Scene};
use crate::world::{Bounds, Faults, Model, World};
use crate::{verify, verify_eq};
use selvedge::primitives::condvar::{Locked, RawCondvar};
use selvedge::primitives::mutex::Leaves;
use selvedge::primitives::undertaker::{Dead, Repair};
use selvedge::primitives::{Caller, RawMutex};
use selvedge::sync::{AtomicU32, Cell, Deadline, Ordering};
use std::sync::Arc;

pub(super) const MODELS: &[Model] = &[
    Model {
        name: "condvar/notify_after_the_wait_began_ends_it",
        properties: "C1 G1 G2",
        client: "1 process adds an item and notifies one, 1 waits for it",
        build: |world| market(world, &[Notify::One], 1),
        faults: Faults { lifo: true, no_wake_edge: true, spurious: true, ..Faults::NONE },
        bounds: Bounds { plain: Some(3), faulty: Some(1) },
    },
    Model {
        name: "condvar/two_items_two_notifications_two_waiters",
        properties: "C1 G1 G2",
        client: "1 process × 2 (adds an item, notifies one), 2 wait for one each",
        build: |world| market(world, &[Notify::One, Notify::One], 2),
        faults: Faults { lifo: true, ..Faults::NONE },
        bounds: Bounds { plain: Some(2), faulty: None },
    },
    Model {
        name: "condvar/notifiers_race_and_none_is_lost",
        properties: "C1 G1 G2",
        client: "2 processes × (add an item, notify one after unlocking), 1 takes both",
        build: two_notifiers,
        faults: Faults::NONE,
        bounds: Bounds { plain: Some(2), faulty: None },
    },
    Model {
        name: "condvar/notify_all_ends_all_waits",
        properties: "C1 G2",
        client: "1 process adds two items and notifies all, 2 wait for one each",
        build: |world| market(world, &[Notify::All], 2),
        faults: Faults { lifo: true, ..Faults::NONE },
        bounds: Bounds { plain: Some(2), faulty: None },
    },
    Model {
        name: "condvar/notifier_of_all_dies_all_are_woken",
        properties: "C1 F1 G2 G4",
        client: "1 process adds two items and notifies all, killed anywhere; 2 wait for one each while anybody can run",
        build: notifier_of_all,
        faults: Faults { victims: &[0], ..Faults::NONE },
        bounds: Bounds { plain: Some(2), faulty: Some(0) },
    },
    Model {
        name: "condvar/waiter_dies_nobody_hangs",
        properties: "C1 C2 F1 G2 G4",
        client: "1 process × 2 (adds an item, notifies one), 2 wait for one each, one of them killed",
        build: |world| market(world, &[Notify::One, Notify::One], 2),
        faults: Faults { victims: &[1], ..Faults::NONE },
        bounds: Bounds { plain: Some(2), faulty: Some(0) },
    },
    Model {
        name: "condvar/woken_one_dies_before_it_passes_on",
        properties: "C1 C2 F1 G2 G4",
        client: "1 process adds an item and notifies one; 2 wait until it is there and then notify one, one of them killed",
        build: passing_on,
        faults: Faults { victims: &[1], ..Faults::NONE },
        bounds: Bounds { plain: Some(2), faulty: Some(0) },
    },
    Model {
        name: "condvar/notifier_dies_what_it_added_is_found",
        properties: "C1 F1 G2 G4",
        client: "2 processes × (add an item, notify one), one of them killed, the undertaker too; 1 takes what the other added",
        build: two_notifiers_for_one,
        faults: Faults { victims: &[0], second_death: true, ..Faults::NONE },
        bounds: Bounds { plain: Some(2), faulty: Some(0) },
    },
    Model {
        name: "condvar/a_vain_notification_loses_nobody",
        properties: "C1 G2",
        client: "a wait has run out; 1 process notifies one, then all, 2 wait once",
        build: vain,
        faults: Faults::NONE,
        bounds: Bounds { plain: Some(2), faulty: None },
    },
    Model {
        name: "condvar/timed_wait_leaves_no_trace",
        properties: "G3 C1",
        client: "1 process adds an item and notifies one, 1 waits for some time, 1 as long as it takes; one item is there",
        build: timed,
        faults: Faults { timeouts: true, ..Faults::NONE },
        bounds: Bounds { plain: Some(2), faulty: Some(0) },
    },
    Model {
        name: "condvar/notifying_ends_alone",
        properties: "C2 G3 G6",
        client: "1 process waits, frozen anywhere, 1 notifies one and then all",
        build: alone,
        faults: Faults { frozen: &[0], solo_steps: 40, ..Faults::NONE },
        bounds: Bounds { plain: Some(3), faulty: Some(3) },
    },
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Notify {
    /// Adds one item.
    One,
    /// Adds two.
    All,
}

/// Items, which a mutex guards, and a condition variable for those who wait for one.
struct Market {
    mutex: RawMutex,
    condvar: RawCondvar,
    items: Cell<u32>,
}

impl Market {
    fn new() -> Self {
        Self { mutex: RawMutex::new(), condvar: RawCondvar::new(), items: Cell::new(0) }
    }

    fn change(&self, by: i32) {
        let changed = self.items().checked_add_signed(by).expect("there are as many");
        // SAFETY: the caller holds the mutex; the engine reports it if that excludes nobody.
        self.items.with_mut(|items| unsafe { *items = changed });
    }

    fn items(&self) -> u32 {
        // SAFETY: as above.
        self.items.with(|items| unsafe { *items })
    }

    fn lock(&self, caller: &Caller<'_>) {
        // A number is whole whoever died writing it.
        self.mutex.lock(caller, OBJECT, None).expect("a lock without deadline");
    }

    fn add(&self, caller: &Caller<'_>, how: Notify) {
        self.lock(caller);
        self.change(if how == Notify::All { 2 } else { 1 });
        self.mutex.unlock(Leaves::Consistent);
        match how {
            Notify::One => self.condvar.notify_one(),
            Notify::All => self.condvar.notify_all(),
        }
    }

    /// Takes an item, waiting for one; false if the deadline passed and there is none.
    fn take(&self, caller: &Caller<'_>, deadline: Option<Deadline>) -> bool {
        let taken = self.see(caller, deadline);
        if taken {
            self.change(-1);
        }
        self.mutex.unlock(Leaves::Consistent);
        taken
    }

    /// Locks the mutex and waits until there is an item; false if the deadline passed and there is none.
    fn see(&self, caller: &Caller<'_>, deadline: Option<Deadline>) -> bool {
        let locked = Locked { mutex: &self.mutex, object: OBJECT, leaves: Leaves::Consistent };
        self.lock(caller);
        let mut timed_out = false;
        while self.items() == 0 && !timed_out {
            let waited = self.condvar.wait(caller, OBJECT, locked, deadline);
            waited.mutex.expect("a lock without deadline");
            timed_out = waited.timed_out;
        }
        self.items() > 0
    }
}

impl Repair for Market {
    fn bury(&self, dead: &Dead<'_>) {
        self.mutex.bury(dead);
        self.condvar.bury(dead);
    }

    fn wake_all(&self) {
        self.mutex.wake_all();
        self.condvar.wake_all();
    }
}

fn market(world: &mut World, notifications: &'static [Notify], consumers: usize) {
    let scene = Scene::in_world(world, 1 + consumers, Market::new());
    let producer = Arc::clone(&scene);
    world.thread("producer", move || {
        for &how in notifications {
            producer.object.add(&producer.caller(0), how);
        }
    });
    for lane in 1..=consumers {
        let scene = Arc::clone(&scene);
        world.thread(["", "one", "other"][lane], move || verify!(scene.object.take(&scene.caller(lane), None)));
    }
    world.finally(move || verify!(scene.object.items() <= 1, "an item was lost or doubled"));
}

/// Whoever is woken wakes the next, and leaves the item where it is.
fn passing_on(world: &mut World) {
    let scene = Scene::in_world(world, 3, Market::new());
    let producer = Arc::clone(&scene);
    world.thread("producer", move || producer.object.add(&producer.caller(0), Notify::One));
    for lane in 1..=2 {
        let scene = Arc::clone(&scene);
        world.thread(["", "one", "other"][lane], move || {
            let (market, caller) = (&scene.object, scene.caller(lane));
            verify!(market.see(&caller, None));
            market.mutex.unlock(Leaves::Consistent);
            market.condvar.notify_one();
        });
    }
    world.finally(move || verify_eq!(scene.object.items(), 1));
}

fn two_notifiers(world: &mut World) {
    let scene = Scene::in_world(world, 3, Market::new());
    for lane in 0..2 {
        let scene = Arc::clone(&scene);
        world.thread(["A", "B"][lane], move || scene.object.add(&scene.caller(lane), Notify::One));
    }
    world.thread("consumer", move || {
        for _ in 0..2 {
            verify!(scene.object.take(&scene.caller(2), None));
        }
        verify_eq!(scene.object.items(), 0);
    });
}

fn two_notifiers_for_one(world: &mut World) {
    let scene = Scene::in_world(world, 3, Market::new());
    for lane in 0..2 {
        let scene = Arc::clone(&scene);
        world.thread(["A", "B"][lane], move || scene.object.add(&scene.caller(lane), Notify::One));
    }
    world.thread("consumer", move || verify!(scene.object.take(&scene.caller(2), None)));
}

fn notifier_of_all(world: &mut World) {
    let scene = Scene::in_world(world, 3, Market::new());
    let notifier = Arc::clone(&scene);
    world.thread("notifier", move || notifier.object.add(&notifier.caller(0), Notify::All));
    for lane in 1..=2 {
        let scene = Arc::clone(&scene);
        world.thread(["", "one", "other"][lane], move || {
            let (market, caller) = (&scene.object, scene.caller(lane));
            let locked = Locked { mutex: &market.mutex, object: OBJECT, leaves: Leaves::Consistent };
            market.lock(&caller);
            while market.items() == 0 {
                // It passes when nobody can run any more: the notifier died before it had added anything, or nobody was told.
                let at_last = Some(Deadline::at_monotonic_ns(u64::MAX));
                let waited = market.condvar.wait(&caller, OBJECT, locked, at_last);
                waited.mutex.expect("a lock without deadline");
                verify!(!waited.timed_out || market.items() == 0, "an item was there, and who waits for it slept on");
                if waited.timed_out {
                    break;
                }
            }
            market.mutex.unlock(Leaves::Consistent);
        });
    }
}

/// Bit of the word: somebody may sleep.
const WAITERS: u32 = 1 << 31;

/// Two may fall asleep after the first notification found nobody, and before it says that nobody sleeps.
fn vain(world: &mut World) {
    let scene = Scene::in_world(world, 3, Market::new());
    // SAFETY: a condition variable is a word and nothing else.
    let word = unsafe { &*std::ptr::from_ref(&scene.object.condvar).cast::<AtomicU32>() };
    word.fetch_or(WAITERS, Ordering::Relaxed);
    for lane in 1..=2 {
        let scene = Arc::clone(&scene);
        world.thread(["", "one", "other"][lane], move || {
            let (market, caller) = (&scene.object, scene.caller(lane));
            let locked = Locked { mutex: &market.mutex, object: OBJECT, leaves: Leaves::Consistent };
            market.lock(&caller);
            market.change(1);
            let waited = market.condvar.wait(&caller, OBJECT, locked, END);
            verify!(!waited.timed_out || market.items() < 3, "it waited, all were notified, and it slept on");
            market.mutex.unlock(Leaves::Consistent);
        });
    }
    world.thread("notifier", move || {
        let (market, caller) = (&scene.object, scene.caller(0));
        market.condvar.notify_one();
        market.lock(&caller);
        // Both have begun to wait.
        if market.items() == 2 {
            market.change(1);
        }
        market.mutex.unlock(Leaves::Consistent);
        market.condvar.notify_all();
    });
}

fn timed(world: &mut World) {
    let scene = Scene::in_world(world, 3, Market::new());
    let producer = Arc::clone(&scene);
    world.thread("producer", move || {
        producer.object.add(&producer.caller(0), Notify::One);
        producer.object.add(&producer.caller(0), Notify::One);
    });
    let patient = Arc::clone(&scene);
    world.thread("patient", move || verify!(patient.object.take(&patient.caller(1), None)));
    world.thread("impatient", move || {
        scene.object.take(&scene.caller(2), Some(Deadline::at_monotonic_ns(1)));
    });
}

fn alone(world: &mut World) {
    let scene = Scene::in_world(world, 2, Market::new());
    let waiter = Arc::clone(&scene);
    world.thread("frozen", move || {
        let market = &waiter.object;
        market.lock(&waiter.caller(0));
        let locked = Locked { mutex: &market.mutex, object: OBJECT, leaves: Leaves::Consistent };
        let waited = market.condvar.wait(&waiter.caller(0), OBJECT, locked, Some(Deadline::at_monotonic_ns(1)));
        waited.mutex.expect("a lock without deadline");
        market.mutex.unlock(Leaves::Consistent);
    });
    world.thread("alone", move || {
        scene.object.condvar.notify_one();
        scene.object.condvar.notify_all();
        verify!(true);
    });
}

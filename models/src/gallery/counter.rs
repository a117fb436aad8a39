//! `counter++` beside `counter--`.

use super::{Exhibit, Expected, Version, program};
use crate::scene::{OBJECT, Scene};
use crate::world::World;
use selvedge::primitives::RawMutex;
use selvedge::primitives::mutex::Leaves;
use selvedge::primitives::undertaker::{Dead, Repair};
use selvedge::sync::{AtomicU32, Ordering};
use std::sync::Arc;

pub(super) const EXHIBIT: Exhibit = Exhibit {
    name: "counter",
    title: "counter++ beside counter--",
    story: "A producer adds one to a counter that holds 5, a consumer takes one away. Each loads, computes and stores.\n\
            If one loads before the other has stored, one of the two updates is lost: 4 and 6 come out as well as 5.\n\
            An addition that is one step, or a mutex around the two, leaves 5 alone.",
    broken: &[Version {
        caption: "load and store apart",
        model: program("gallery/counter_apart", "1 × ++, 1 × --", apart),
        expected: Expected::Outcomes { all: &["4", "5", "6"], shown: &["4"] },
    }],
    right: &[
        Version {
            caption: "fetch_add and fetch_sub",
            model: program("gallery/counter_in_one_step", "1 × ++, 1 × --", in_one_step),
            expected: Expected::Outcomes { all: &["5"], shown: &[] },
        },
        Version {
            caption: "under a mutex",
            model: program("gallery/counter_under_a_mutex", "1 × ++, 1 × --", under_a_mutex),
            expected: Expected::Outcomes { all: &["5"], shown: &[] },
        },
    ],
};

const BEGIN: u32 = 5;

struct Shared {
    counter: AtomicU32,
}

impl Shared {
    fn new() -> Self {
        Self { counter: AtomicU32::new(BEGIN) }
    }
}

fn apart(world: &mut World) {
    let shared = Arc::new(Shared::new());
    let (producer, consumer) = (Arc::clone(&shared), Arc::clone(&shared));
    world.thread("producer", move || {
        let register = producer.counter.load(Ordering::Relaxed);
        producer.counter.store(register + 1, Ordering::Relaxed);
    });
    world.thread("consumer", move || {
        let register = consumer.counter.load(Ordering::Relaxed);
        consumer.counter.store(register - 1, Ordering::Relaxed);
    });
    world.outcome(move || shared.counter.peek().to_string());
}

fn in_one_step(world: &mut World) {
    let shared = Arc::new(Shared::new());
    let (producer, consumer) = (Arc::clone(&shared), Arc::clone(&shared));
    world.thread("producer", move || {
        producer.counter.fetch_add(1, Ordering::Relaxed);
    });
    world.thread("consumer", move || {
        consumer.counter.fetch_sub(1, Ordering::Relaxed);
    });
    world.outcome(move || shared.counter.peek().to_string());
}

struct Guarded {
    mutex: RawMutex,
    shared: Shared,
}

impl Repair for Guarded {
    fn bury(&self, dead: &Dead<'_>) {
        self.mutex.bury(dead);
    }

    fn wake_all(&self) {
        self.mutex.wake_all();
    }
}

fn under_a_mutex(world: &mut World) {
    let scene = Scene::new(2, Guarded { mutex: RawMutex::new(), shared: Shared::new() });
    for (lane, name, step) in [(0, "producer", 1), (1, "consumer", u32::MAX)] {
        let scene = Arc::clone(&scene);
        world.thread(name, move || {
            let Guarded { mutex, shared } = &scene.object;
            mutex.lock(&scene.caller(lane), OBJECT, None).expect("a lock without deadline");
            let register = shared.counter.load(Ordering::Relaxed);
            shared.counter.store(register.wrapping_add(step), Ordering::Relaxed);
            mutex.unlock(Leaves::Consistent);
        });
    }
    world.outcome(move || scene.object.shared.counter.peek().to_string());
}

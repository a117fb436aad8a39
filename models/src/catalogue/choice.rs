//! Models of `primitives/choice.rs`.

use crate::scene::Notes;
use crate::world::{Bounds, Faults, Model, World};
use crate::{verify, verify_eq};
use selvedge::primitives::choice::{Chosen, RawChoice, Stand};
use selvedge::sync::{AtomicU64, Cell, Ordering};
use std::sync::Arc;

pub(super) const MODELS: &[Model] = &[
    Model {
        name: "choice/one_of_two_chooses",
        properties: "X1 G1 G6",
        client: "1 thread opens and posts twice, 2 choose what they meet and bring something, the first closes and reads it",
        build: |world| chosen(world, 2),
        faults: Faults::NONE,
        bounds: Bounds { plain: Some(2), faulty: None },
    },
    Model {
        name: "choice/nothing_of_an_earlier_turn_is_chosen",
        properties: "X1",
        client: "1 thread opens and posts, closes, takes that away, opens and posts elsewhere; 1 chooses what it met at the first place",
        build: late,
        faults: Faults::NONE,
        bounds: Bounds { plain: Some(3), faulty: None },
    },
    Model {
        name: "choice/who_closes_it_ends_it",
        properties: "X1",
        client: "1 thread opens and posts, 1 closes it and takes the post away, 1 chooses",
        build: closed,
        faults: Faults::NONE,
        bounds: Bounds { plain: Some(2), faulty: None },
    },
];

/// A choice, two places to post at, and what each chooser brings.
struct Stage {
    choice: RawChoice,
    /// 0: nothing; the number of a turn: posted.
    places: [AtomicU64; 2],
    brought: [Cell<u32>; 2],
}

impl Stage {
    fn new() -> Arc<Self> {
        let place = || AtomicU64::new(0);
        Arc::new(Self { choice: RawChoice::new(), places: [place(), place()], brought: [Cell::new(0), Cell::new(0)] })
    }

    fn post(&self, place: usize, turn: u64) {
        self.places[place].swap(turn, Ordering::Release);
    }

    /// What was met at a place, if it is chosen: as the protocol says.
    fn choose(&self, place: usize, with: u16) -> Option<u64> {
        let met = self.places[place].load(Ordering::Acquire);
        let Stand::Open(turn) = self.choice.look() else { return None };
        if met == 0 || self.places[place].load(Ordering::Acquire) != met {
            return None;
        }
        let index = u16::try_from(place).expect("two");
        self.choice.choose(turn, Chosen { index, with }).then_some(met)
    }
}

fn chosen(world: &mut World, choosers: u16) {
    let stage = Stage::new();
    let choosing = Arc::new(Notes::<Vec<u16>>::default());
    stage.choice.open();
    for with in 0..choosers {
        let (stage, choosing) = (Arc::clone(&stage), Arc::clone(&choosing));
        world.thread(["one", "other"][usize::from(with)], move || {
            // SAFETY: of this thread, until it has chosen.
            stage.brought[usize::from(with)].with_mut(|brought| unsafe { *brought = 1 });
            if stage.choose(usize::from(with), with).is_some() {
                choosing.lock().push(with);
            }
        });
    }
    world.thread("owner", move || {
        (0..2).for_each(|place| stage.post(place, 1));
        let ended = stage.choice.end();
        let choosing = choosing.lock().clone();
        if let Some(Chosen { index, with }) = ended {
            verify_eq!(index, with);
            // SAFETY: it was chosen.
            verify_eq!(stage.brought[usize::from(with)].with(|brought| unsafe { *brought }), 1);
        } else {
            verify!(choosing.is_empty(), "somebody chose, and the owner does not know");
        }
        verify!(choosing.len() <= 1, "two chose");
        verify_eq!(stage.choice.end(), ended, "for good");
    });
}

fn late(world: &mut World) {
    let stage = Stage::new();
    stage.choice.open();
    let chooses = Arc::clone(&stage);
    let choosing = Arc::new(Notes::<Option<u64>>::default());
    let by_chooser = Arc::clone(&choosing);
    world.thread("chooses", move || *by_chooser.lock() = chooses.choose(0, 0));
    let ended = Arc::new(Notes::<[Option<Chosen>; 2]>::default());
    let by_owner = Arc::clone(&ended);
    world.thread("owner", move || {
        stage.post(0, 1);
        let first = stage.choice.end();
        stage.post(0, 0);
        stage.choice.open();
        stage.post(1, 2);
        *by_owner.lock() = [first, stage.choice.end()];
    });
    world.finally(move || {
        let [first, second] = *ended.lock();
        verify_eq!(second, None, "nobody has looked at the second place");
        verify_eq!(first.is_some(), choosing.lock().is_some());
    });
}

fn closed(world: &mut World) {
    let stage = Stage::new();
    stage.choice.open();
    stage.post(0, 1);
    let taken_away = Arc::new(Notes::<bool>::default());
    let (closes, by_closer) = (Arc::clone(&stage), Arc::clone(&taken_away));
    world.thread("closes", move || {
        let Stand::Open(turn) = closes.choice.look() else { return };
        *by_closer.lock() = closes.choice.close(turn);
    });
    let chooses = Arc::clone(&stage);
    let choosing = Arc::new(Notes::<bool>::default());
    let by_chooser = Arc::clone(&choosing);
    world.thread("chooses", move || *by_chooser.lock() = chooses.choose(0, 0).is_some());
    world.finally(move || {
        verify!(*taken_away.lock() != *choosing.lock(), "one of them, and not both");
        verify_eq!(stage.choice.end().is_some(), *choosing.lock());
    });
}

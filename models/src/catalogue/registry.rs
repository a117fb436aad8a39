//! Models of `primitives/registry.rs`.

use crate::scene::{Notes, Scene};
use crate::world::{Bounds, Faults, Model, World};
use crate::{verify, verify_eq};
use selvedge::primitives::registry::{
    Extent, Found, Mode, NAME_MAX, Name, Registry, RegistryEntry, RegistryError, Shape,
};
use selvedge::primitives::undertaker::{Dead, Repair};
use selvedge::primitives::{Caller, RawMutex};
use selvedge::sync::Cell;
use std::sync::Arc;

pub(super) const MODELS: &[Model] = &[
    Model {
        name: "registry/two_make_one_name",
        properties: "N1 P4",
        client: "2 processes × 1 open-or-create of one name, 2 entries",
        build: |world| makers(world, 0),
        faults: Faults { lifo: true, ..Faults::NONE },
        bounds: Bounds { plain: Some(5), faulty: None },
    },
    Model {
        name: "registry/maker_dies_nothing_half_made_is_found",
        properties: "N1 P4 G4",
        client: "2 processes × 1 open-or-create of one name, either killed",
        build: |world| makers(world, 1),
        faults: Faults { victims: &[0, 1], ..Faults::NONE },
        bounds: Bounds { plain: None, faulty: Some(3) },
    },
    Model {
        name: "registry/removed_object_stays_while_it_is_open",
        properties: "N1 P4",
        client: "1 process makes, removes, uses and closes an object; 1 makes another of the same shape",
        build: reuse,
        faults: Faults::NONE,
        bounds: Bounds { plain: Some(5), faulty: None },
    },
    Model {
        name: "registry/open_finds_all_or_nothing",
        properties: "N1 P4",
        client: "1 process makes and removes an object, 1 opens it",
        build: open_races,
        faults: Faults::NONE,
        bounds: Bounds { plain: Some(5), faulty: None },
    },
    Model {
        name: "registry/dead_openers_are_forgotten",
        properties: "N1 P4 F3 G4",
        client: "1 process makes and removes an object and is killed anywhere, 1 makes another; then what the dead left serves a third",
        build: dead_opener,
        faults: Faults { victims: &[0], ..Faults::NONE },
        bounds: Bounds { plain: Some(3), faulty: Some(3) },
    },
    Model {
        name: "registry/what_exists_is_found_without_the_lock",
        properties: "N1 P4 F1",
        client: "1 process makes and removes an object, killed anywhere; 1 goes through all objects as an undertaker does",
        build: walk,
        faults: Faults { victims: &[0], ..Faults::NONE },
        bounds: Bounds { plain: None, faulty: None },
    },
];

/// Two entries, and an arena of two places of eight bytes with a cell for each.
struct Directory {
    lock: RawMutex,
    entries: Vec<RegistryEntry>,
    cells: Vec<Cell<u32>>,
}

const PLACE: u64 = 8;
const MADE: u32 = 7;

impl Directory {
    fn new() -> Self {
        Self {
            lock: RawMutex::new(),
            entries: (0..2).map(|_| RegistryEntry::new()).collect(),
            cells: (0..2).map(|_| Cell::new(0)).collect(),
        }
    }

    fn registry(&self) -> Registry<'_> {
        Registry::new(&self.lock, &self.entries, 2 * PLACE)
    }

    fn cell(&self, extent: Extent) -> &Cell<u32> {
        &self.cells[usize::try_from(extent.offset / PLACE).expect("small")]
    }

    fn obtain(&self, caller: &Caller<'_>, process: usize, name: u8, mode: Mode) -> Result<Found, RegistryError> {
        let initialise = &mut |extent| {
            // SAFETY: nobody has the extent open (registry, I4), as loom checks.
            self.cell(extent).with_mut(|cell| unsafe { *cell = MADE });
        };
        self.registry().obtain(caller, None, process, &named(name), shape(), mode, initialise)
    }

    fn read(&self, extent: Extent) -> u32 {
        // SAFETY: written before the entry was READY, as loom checks.
        self.cell(extent).with(|cell| unsafe { *cell })
    }
}

impl Repair for Directory {
    fn bury(&self, dead: &Dead<'_>) {
        self.registry().bury(dead);
    }

    fn wake_all(&self) {
        self.registry().wake_all();
    }
}

fn named(name: u8) -> Name {
    let mut padded = [0; NAME_MAX];
    padded[0] = name;
    padded
}

fn shape() -> Shape {
    Shape { kind: 1, align: 8, bytes: PLACE, element: 4, capacity: 1, tag: 0 }
}

fn makers(world: &mut World, deaths: usize) {
    let scene = Scene::in_world(world, 2, Directory::new());
    let found = Arc::new(Notes::<Vec<Found>>::default());
    for (lane, name) in ["A", "B"].into_iter().enumerate() {
        let (scene, found) = (Arc::clone(&scene), Arc::clone(&found));
        world.thread(name, move || {
            let directory = &scene.object;
            let got = directory.obtain(&scene.caller(lane), lane, b'x', Mode::OpenOrCreate).expect("there is room");
            verify_eq!(directory.read(got.extent), MADE, "an object was found before it was initialised");
            found.lock().push(got);
        });
    }
    world.finally(move || {
        let found = found.lock();
        verify!(found.len() + deaths >= 2, "who lives finds the object");
        verify!(found.iter().filter(|one| one.created).count() <= 1, "one name was made twice");
        verify!(found.windows(2).all(|pair| pair[0].extent == pair[1].extent), "one name, two objects");
        let registry = scene.object.registry();
        let mut named = 0;
        registry.list(&scene.caller(1), None, &mut |_, _| named += 1).expect("nobody holds the lock");
        verify!(named <= 1);
    });
}

fn reuse(world: &mut World) {
    let scene = Scene::in_world(world, 2, Directory::new());
    let user = Arc::clone(&scene);
    world.thread("user", move || {
        let directory = &user.object;
        let got = directory.obtain(&user.caller(0), 0, b'x', Mode::Create).expect("there is room");
        directory.registry().remove(&user.caller(0), None, &named(b'x')).expect("it is there");
        // SAFETY: this process has it open, so nobody initialises it anew (I4), as loom checks.
        directory.cell(got.extent).with_mut(|cell| unsafe { *cell = 1 });
        directory.registry().close(got.index, 0);
    });
    world.thread("next", move || {
        let directory = &scene.object;
        let got = directory.obtain(&scene.caller(1), 1, b'y', Mode::Create).expect("there is room");
        verify!(got.created);
        verify_eq!(directory.read(got.extent), MADE);
    });
}

/// What process 0 does: an object comes and loses its name.
fn make_and_remove(scene: &Scene<Directory>) {
    let (directory, caller) = (&scene.object, scene.caller(0));
    directory.obtain(&caller, 0, b'x', Mode::Create).expect("there is room");
    directory.registry().remove(&caller, None, &named(b'x')).expect("it is there");
}

fn open_races(world: &mut World) {
    let scene = Scene::in_world(world, 2, Directory::new());
    let maker = Arc::clone(&scene);
    world.thread("maker", move || {
        make_and_remove(&maker);
    });
    world.thread("opener", move || {
        let directory = &scene.object;
        match directory.obtain(&scene.caller(1), 1, b'x', Mode::Open) {
            Ok(got) => verify_eq!(directory.read(got.extent), MADE),
            Err(error) => verify_eq!(error, RegistryError::NotFound),
        }
    });
}

fn walk(world: &mut World) {
    let scene = Scene::in_world(world, 2, Directory::new());
    let maker = Arc::clone(&scene);
    world.thread("maker", move || {
        make_and_remove(&maker);
    });
    world.thread("walker", move || {
        let directory = &scene.object;
        directory.registry().for_each(&mut |index, extent| {
            verify_eq!(index, 0);
            verify_eq!(extent, Extent { shape: shape(), offset: 0 });
            verify_eq!(directory.read(extent), MADE, "an object was found before it was initialised");
        });
    });
}

fn dead_opener(world: &mut World) {
    let scene = Scene::in_world(world, 2, Directory::new());
    let closed = Arc::new(Notes::<bool>::default());
    let (victim, at_the_end) = (Arc::clone(&scene), Arc::clone(&closed));
    world.thread("victim", move || {
        make_and_remove(&victim);
        *at_the_end.lock() = true;
    });
    let other = Arc::clone(&scene);
    world.thread("other", move || {
        let directory = &other.object;
        let got = directory.obtain(&other.caller(1), 1, b'y', Mode::Create).expect("there is room");
        verify_eq!(directory.read(got.extent), MADE);
    });
    world.finally(move || {
        let directory = &scene.object;
        // Both entries have been handed out at most, and at most one bears a name of the living.
        let mut extents = Vec::new();
        directory.registry().for_each(&mut |_, extent| extents.push(extent.offset));
        extents.sort_unstable();
        extents.dedup();
        verify!(extents.len() <= 2, "extents overlap");
        let again = directory.obtain(&scene.caller(1), 1, b'y', Mode::OpenOrCreate).expect("it is there");
        verify!(!again.created);
        let caller = scene.caller(1);
        // Who died before it could take the name away left it to others.
        let _ = directory.registry().remove(&caller, None, &named(b'x'));
        let next = directory.obtain(&caller, 1, b'z', Mode::Create);
        if *closed.lock() {
            verify!(next.is_err(), "memory that somebody has open serves another");
        } else {
            verify!(next.is_ok(), "what the dead had open is lost");
        }
    });
}

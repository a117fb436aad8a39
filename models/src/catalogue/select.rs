//! Models of `primitives/select.rs`, and of the open offers and requests of `primitives/rendezvous/open.rs`.

use super::channel::Way;
use crate::last_resort::{END, told};
use crate::scene::{Notes, OBJECT, Scene};
use crate::world::{Bounds, Faults, Model, World};
use crate::{verify, verify_eq};
use selvedge::primitives::channel::{ChannelError, Needs, Receiving, Sending};
use selvedge::primitives::ends::End;
use selvedge::primitives::rendezvous::Seen;
use selvedge::primitives::select::{Happening, Operation, Permits, Watching, select};
use selvedge::primitives::undertaker::{Dead, Repair};
use selvedge::primitives::{RawEvent, RawQueue, RawRendezvous, RawSemaphore};
use selvedge::sync::{Cell, Deadline, LIFE_DIED, Ordering};
use std::sync::Arc;

pub(super) const MODELS: &[Model] = &[
    Model {
        name: "select/event_or_permit",
        properties: "X1 G2",
        client: "1 process selects event or permit, 1 sets the event, 1 releases a permit",
        build: event_or_permit,
        faults: Faults { lifo: true, no_wake_edge: true, spurious: true, ..Faults::NONE },
        bounds: Bounds { plain: Some(2), faulty: Some(1) },
    },
    Model {
        name: "select/permit_wake_is_passed_on",
        properties: "X1 G2 G3",
        client: "1 process selects event or permit, 1 acquires a permit, 1 releases one, 1 sets the event",
        build: |world| passed_on(world, 1),
        faults: Faults { lifo: true, ..Faults::NONE },
        bounds: Bounds { plain: Some(1), faulty: Some(0) },
    },
    Model {
        name: "select/wake_for_one_permit_is_passed_on",
        properties: "X1 G2 G3",
        client: "1 process selects event or 2 permits, 1 acquires a permit, 1 releases one, 1 sets the event",
        build: |world| passed_on(world, 2),
        faults: Faults { lifo: true, ..Faults::NONE },
        bounds: Bounds { plain: Some(1), faulty: Some(0) },
    },
    Model {
        name: "select/wake_for_one_permit_is_not_robbed",
        properties: "G2",
        client: "1 process selects event or 2 permits, in vain, 1 acquires a permit, 1 releases one",
        build: robbed,
        faults: Faults { lifo: true, ..Faults::NONE },
        bounds: Bounds { plain: Some(1), faulty: Some(0) },
    },
    Model {
        name: "select/wake_is_passed_on_past_a_larger_one",
        properties: "X1 G2 G3",
        client: "1 process selects event or permit, 1 acquires a permit, 1 acquires 2, in vain, 1 × (release one, set the event)",
        build: past_a_larger_one,
        faults: Faults { lifo: true, ..Faults::NONE },
        bounds: Bounds { plain: Some(0), faulty: Some(0) },
    },
    Model {
        name: "select/message_wake_is_passed_on",
        properties: "X1 G2 G3",
        client: "1 process selects event or message, 1 receives, 1 sends a message, 1 sets the event",
        build: message_passed_on,
        faults: Faults { lifo: true, ..Faults::NONE },
        bounds: Bounds { plain: Some(0), faulty: Some(0) },
    },
    Model {
        name: "select/timed_select_leaves_no_trace",
        properties: "X1 G2 G3",
        client: "1 process selects for some time event or permit, 1 acquires a permit, 1 releases one",
        build: timed,
        faults: Faults { timeouts: true, lifo: true, ..Faults::NONE },
        bounds: Bounds { plain: Some(1), faulty: Some(1) },
    },
    Model {
        name: "select/sender_dies_select_is_told",
        properties: "X1 F1 G2 G4",
        client: "1 process sends a message, killed, the undertaker too, 1 selects event or message",
        build: bell,
        faults: Faults { victims: &[0], second_death: true, ..Faults::NONE },
        bounds: Bounds { plain: Some(1), faulty: Some(0) },
    },
    Model {
        name: "select/selecting_one_dies_wake_is_not_lost",
        properties: "G2 G4",
        client: "1 process selects event or permit, killed, 1 acquires a permit, 1 releases one",
        build: dies,
        faults: Faults { victims: &[0], ..Faults::NONE },
        bounds: Bounds { plain: Some(1), faulty: Some(0) },
    },
    Model {
        name: "select/one_of_two_offers_passes",
        properties: "X1 Z1 Z3 G2",
        client: "1 process selects of two sends, 1 receives here, 1 there",
        build: |world| one_of_two(world, true),
        faults: Faults { lifo: true, ..Faults::NONE },
        bounds: Bounds { plain: Some(0), faulty: Some(0) },
    },
    Model {
        name: "select/one_of_two_requests_is_met",
        properties: "X1 Z1 Z3 G2",
        client: "1 process selects of two receives, 1 sends here, 1 there",
        build: |world| one_of_two(world, false),
        faults: Faults { lifo: true, ..Faults::NONE },
        bounds: Bounds { plain: Some(0), faulty: Some(0) },
    },
    Model {
        name: "select/two_meet_crosswise",
        properties: "X1 Z1 Z3 G2",
        client: "2 processes select: send here or receive there, and the other way round",
        build: |world| meet(world, [[Some(true), Some(false)], [Some(false), Some(true)]], END),
        faults: Faults { lifo: true, spurious: true, ..Faults::NONE },
        bounds: Bounds { plain: Some(0), faulty: Some(0) },
    },
    Model {
        name: "select/two_meet_at_one_place",
        properties: "X1 Z1 Z3 G2",
        client: "2 processes select, with nothing to choose: send here, receive here",
        build: |world| meet(world, [[Some(true), None], [Some(false), None]], END),
        faults: Faults { lifo: true, spurious: true, ..Faults::NONE },
        bounds: Bounds { plain: Some(1), faulty: Some(0) },
    },
    Model {
        name: "select/two_meet_at_one_of_two_places",
        properties: "X1 Z1 Z3 G2",
        client: "2 processes select: send here or there, receive here or there",
        build: |world| meet(world, [[Some(true), Some(true)], [Some(false), Some(false)]], END),
        faults: Faults { lifo: true, ..Faults::NONE },
        bounds: Bounds { plain: Some(0), faulty: Some(0) },
    },
    Model {
        name: "select/who_waits_behind_one_put_aside_is_told",
        properties: "X1 Z1 Z3 G2",
        client: "3 processes: one selects send here or receive there, one selects receive here, one sends here, one sends there",
        build: put_aside,
        faults: Faults { lifo: true, ..Faults::NONE },
        bounds: Bounds { plain: Some(0), faulty: None },
    },
    Model {
        name: "select/wake_for_a_buffer_is_passed_on",
        properties: "X1 G2 G3",
        client: "1 process selects event or send to a full channel, 1 waits for a buffer, 1 gives 2 buffers back",
        build: buffers,
        faults: Faults { lifo: true, ..Faults::NONE },
        bounds: Bounds { plain: Some(1), faulty: Some(0) },
    },
    Model {
        name: "select/end_is_passed_on",
        properties: "X1 P2 G2",
        client: "1 process selects event or message, 1 receives, 1 sends and leaves, 1 × (try_receive, set the event)",
        build: end_passed_on,
        faults: Faults { lifo: true, ..Faults::NONE },
        bounds: Bounds { plain: Some(0), faulty: None },
    },
    Model {
        name: "select/one_gives_up",
        properties: "X1 Z2 Z3 G3",
        client: "2 processes select, one for some time: send here, receive here or there",
        build: |world| {
            meet(world, [[Some(true), None], [Some(false), Some(false)]], Some(Deadline::at_monotonic_ns(1)))
        },
        faults: Faults { timeouts: true, ..Faults::NONE },
        bounds: Bounds { plain: Some(0), faulty: Some(0) },
    },
    Model {
        name: "select/who_offers_dies",
        properties: "X1 Z2 Z3 F1 G2 G4",
        client: "1 process selects of two sends, killed, 1 receives here, 1 there",
        build: |world| one_of_two_dies(world, true),
        faults: Faults { victims: &[0], ..Faults::NONE },
        bounds: Bounds { plain: Some(0), faulty: Some(0) },
    },
    Model {
        name: "select/who_offers_dies_nobody_comes_by",
        properties: "X1 Z3 G4",
        client: "1 process selects of two sends, killed, 1 × try_receive here",
        build: nobody_comes_by,
        faults: Faults { victims: &[0], ..Faults::NONE },
        bounds: Bounds { plain: Some(0), faulty: Some(0) },
    },
    Model {
        name: "select/who_only_looks_is_told_of_an_offer",
        properties: "G2 Z1 Z3",
        client: "1 process waits until there may be something, posting nothing, and receives, 1 sends",
        build: |world| looks(world, false),
        faults: Faults { lifo: true, spurious: true, ..Faults::NONE },
        bounds: Bounds { plain: Some(1), faulty: Some(0) },
    },
    Model {
        name: "select/who_only_looks_is_told_of_an_open_offer",
        properties: "X1 G2 Z1 Z3",
        client: "1 process waits until there may be something, posting nothing, and receives, 1 selects of two sends",
        build: |world| looks(world, true),
        faults: Faults { lifo: true, spurious: true, ..Faults::NONE },
        bounds: Bounds { plain: Some(0), faulty: Some(0) },
    },
    Model {
        name: "select/who_requests_dies",
        properties: "X1 Z2 Z3 F1 G2 G4",
        client: "1 process selects of two receives, killed, 1 sends here",
        build: |world| one_of_two_dies(world, false),
        faults: Faults { victims: &[0], ..Faults::NONE },
        bounds: Bounds { plain: Some(0), faulty: Some(0) },
    },
    Model {
        name: "select/nobody_gives_to_the_dead",
        properties: "X1 Z1 Z2 G4",
        client: "1 process selects of two receives, killed, 1 × try_send once it may have seen that",
        build: given_to_the_dead,
        faults: Faults { victims: &[0], ..Faults::NONE },
        bounds: Bounds { plain: Some(0), faulty: Some(0) },
    },
    Model {
        name: "select/who_chooses_an_offer_dies",
        properties: "X1 Z2 Z3 F1 G2 G4",
        client: "1 process selects of two sends, 1 receives here, killed, 1 there",
        build: |world| one_of_two_dies(world, true),
        faults: Faults { victims: &[1], second_death: true, ..Faults::NONE },
        bounds: Bounds { plain: Some(0), faulty: Some(0) },
    },
    Model {
        name: "select/who_chooses_a_request_dies",
        properties: "X1 Z2 Z3 F1 G2 G4",
        client: "1 process selects of two receives, 1 sends here, killed",
        build: |world| one_of_two_dies(world, false),
        faults: Faults { victims: &[1], second_death: true, ..Faults::NONE },
        bounds: Bounds { plain: Some(0), faulty: Some(0) },
    },
    Model {
        name: "select/one_of_two_who_meet_dies",
        properties: "X1 Z2 Z3 F1 G2 G4",
        client: "2 processes select: send here or receive there, and the other way round; either is killed",
        build: |world| meet(world, [[Some(true), Some(false)], [Some(false), Some(true)]], END),
        faults: Faults { victims: &[0, 1], ..Faults::NONE },
        bounds: Bounds { plain: Some(0), faulty: Some(0) },
    },
    Model {
        name: "select/try_calls_end_alone",
        properties: "G3 G6 Z1",
        client: "1 process selects of two sends, 1 of two receives, frozen anywhere, 1 × (try_send, try_receive)",
        build: alone,
        faults: Faults { frozen: &[0, 1], solo_steps: 200, ..Faults::NONE },
        bounds: Bounds { plain: Some(0), faulty: Some(0) },
    },
];

/// Two objects.
struct Two<A, B>(A, B);

impl<A: Repair, B: Repair> Repair for Two<A, B> {
    fn bury(&self, dead: &Dead<'_>) {
        self.0.bury(dead);
        self.1.bury(dead);
    }

    fn wake_all(&self) {
        self.0.wake_all();
        self.1.wake_all();
    }
}

const EVENT: usize = 0;
const OTHER: usize = 1;

/// Whatever can be done of the two, as the lane; which, unless the deadline passes.
fn one_of<'a, A, B>(
    scene: &'a Scene<Two<A, B>>,
    lane: usize,
    operations: &mut [&mut dyn Operation<'a>],
    deadline: Option<Deadline>,
) -> Option<usize>
where
    Two<A, B>: Repair + Send + Sync + 'static,
{
    told(|| select(&scene.caller(lane), operations, 0, deadline).ok_or(())).ok()
}

type Done = Arc<Notes<Option<usize>>>;

fn event_or_permit(world: &mut World) {
    let scene = Scene::in_world(world, 3, Two(RawEvent::new(false), RawSemaphore::new(0)));
    let done = Done::default();
    let brought = Arc::new([Cell::new(0), Cell::new(0)]);
    let (selects, by_one, sees) = (Arc::clone(&scene), Arc::clone(&done), Arc::clone(&brought));
    world.thread("selects", move || {
        let Two(event, permits) = &selects.object;
        let (mut happens, mut permit) = (Happening::new(event, event.now()), Permits::new(permits, 1));
        let one = one_of(&selects, 0, &mut [&mut happens, &mut permit], None);
        *by_one.lock() = one;
        // SAFETY: who brought it about wrote it before; the engine reports it if that is not so.
        let seen = one.map(|one| sees[one].with(|brought| unsafe { *brought }));
        verify_eq!(seen, Some(1), "what was done before is not seen");
    });
    let (sets, writes) = (Arc::clone(&scene), Arc::clone(&brought));
    world.thread("sets", move || {
        // SAFETY: nobody reads it before it has happened.
        writes[EVENT].with_mut(|brought| unsafe { *brought = 1 });
        sets.object.0.set();
    });
    let releases = Arc::clone(&scene);
    world.thread("releases", move || {
        // SAFETY: nobody reads it before there is a permit.
        brought[OTHER].with_mut(|brought| unsafe { *brought = 1 });
        verify_eq!(releases.object.1.release(1), Ok(()));
    });
    world.finally(move || {
        let left = scene.object.1.available();
        match *done.lock() {
            Some(EVENT) => verify_eq!(left, 1, "it took the permit, too"),
            Some(OTHER) => verify_eq!(left, 0, "it did not take the permit"),
            other => verify_eq!(other, Some(EVENT), "one of the two"),
        }
    });
}

/// Who acquires gets the permit if the select does not.
fn passed_on(world: &mut World, wanted: u32) {
    let scene = Scene::in_world(world, 4, Two(RawEvent::new(false), RawSemaphore::new(0)));
    let done = Done::default();
    let acquired = Arc::new(Notes::<bool>::default());
    let (selects, by_one) = (Arc::clone(&scene), Arc::clone(&done));
    world.thread("selects", move || {
        let Two(event, permits) = &selects.object;
        let (mut happens, mut permit) = (Happening::new(event, event.now()), Permits::new(permits, wanted));
        *by_one.lock() = one_of(&selects, 0, &mut [&mut happens, &mut permit], None);
    });
    let (acquires, by_other) = (Arc::clone(&scene), Arc::clone(&acquired));
    world.thread("acquires", move || {
        let answer = told(|| acquires.object.1.acquire(&acquires.caller(1), OBJECT, 1, END));
        *by_other.lock() = answer.is_ok();
    });
    let releases = Arc::clone(&scene);
    world.thread("releases", move || _ = releases.object.1.release(1));
    let sets = Arc::clone(&scene);
    world.thread("sets", move || _ = sets.object.0.set());
    world.finally(move || {
        let took = *done.lock() == Some(OTHER);
        verify!(took != *acquired.lock(), "one of them got the permit, and not both");
        verify_eq!(scene.object.1.available(), 0);
    });
}

/// Who needs two permits must not sleep on the wake of who needs one.
/// The robbed one comes first: of those who wait to the end, treadle ends the first lane's wait, and who selects would give on
/// at its own end what it has had.
fn robbed(world: &mut World) {
    let scene = Scene::in_world(world, 3, Two(RawEvent::new(false), RawSemaphore::new(0)));
    let acquires = Arc::clone(&scene);
    world.thread("acquires", move || {
        let answer = told(|| acquires.object.1.acquire(&acquires.caller(1), OBJECT, 1, END));
        verify_eq!(answer, Ok(()));
    });
    let selects = Arc::clone(&scene);
    world.thread("selects", move || {
        let Two(event, permits) = &selects.object;
        let (mut happens, mut permit) = (Happening::new(event, event.now()), Permits::new(permits, 2));
        verify_eq!(select(&selects.caller(0), &mut [&mut happens, &mut permit], 0, END), None, "there never are two");
    });
    world.thread("releases", move || _ = scene.object.1.release(1));
}

/// Who needs two permits may have had the wake of who needs one, and who selects the wake by which that was made good.
fn past_a_larger_one(world: &mut World) {
    let scene = Scene::in_world(world, 4, Two(RawEvent::new(false), RawSemaphore::new(0)));
    let done = Done::default();
    let acquired = Arc::new(Notes::<bool>::default());
    let (selects, by_one) = (Arc::clone(&scene), Arc::clone(&done));
    world.thread("selects", move || {
        let Two(event, permits) = &selects.object;
        let (mut happens, mut permit) = (Happening::new(event, event.now()), Permits::new(permits, 1));
        *by_one.lock() = one_of(&selects, 0, &mut [&mut happens, &mut permit], None);
    });
    let (acquires, by_other) = (Arc::clone(&scene), Arc::clone(&acquired));
    world.thread("acquires", move || {
        let answer = told(|| acquires.object.1.acquire(&acquires.caller(1), OBJECT, 1, END));
        *by_other.lock() = answer.is_ok();
    });
    let larger = Arc::clone(&scene);
    world.thread("wants two", move || {
        verify!(larger.object.1.acquire(&larger.caller(2), OBJECT, 2, END).is_err(), "there never are two");
    });
    let releases = Arc::clone(&scene);
    world.thread("releases", move || {
        verify_eq!(releases.object.1.release(1), Ok(()));
        releases.object.0.set();
    });
    world.finally(move || {
        let took = *done.lock() == Some(OTHER);
        verify!(took != *acquired.lock(), "one of them got the permit, and not both");
    });
}

fn message_passed_on(world: &mut World) {
    let scene = Scene::in_world(world, 4, Two(RawEvent::new(false), Way::<RawQueue>::bounded(1)));
    let got = Arc::new(Notes::<[Option<u32>; 2]>::default());
    let buffer = scene.object.1.channel().try_buffer(scene.slot(2)).expect("one");
    scene.object.1.put(buffer, 7);
    let (selects, by_one) = (Arc::clone(&scene), Arc::clone(&got));
    world.thread("selects", move || {
        let Two(event, way) = &selects.object;
        let mut happens = Happening::new(event, event.now());
        let mut receives = Receiving::new(way.channel(), selects.table(), selects.slot(0));
        if one_of(&selects, 0, &mut [&mut happens, &mut receives], None) == Some(OTHER) {
            let taken = receives.answer().expect("it was done").expect("a message");
            by_one.lock()[0] = Some(way.finish(taken));
        }
    });
    let (receives, by_other) = (Arc::clone(&scene), Arc::clone(&got));
    world.thread("receives", move || {
        let way = &receives.object.1;
        if let Ok(taken) = told(|| way.channel().receive(&receives.caller(1), OBJECT, END)) {
            let message = way.finish(taken);
            by_other.lock()[1] = Some(message);
        }
    });
    let sends = Arc::clone(&scene);
    world.thread("sends", move || {
        verify_eq!(sends.object.1.channel().try_send(sends.table(), buffer), Ok(()));
    });
    world.thread("sets", move || _ = scene.object.0.set());
    world.finally(move || {
        let mut got = *got.lock();
        got.sort_unstable();
        verify_eq!(got, [None, Some(7)], "one of them got it");
    });
}

fn timed(world: &mut World) {
    let scene = Scene::in_world(world, 3, Two(RawEvent::new(false), RawSemaphore::new(0)));
    let done = Done::default();
    let acquired = Arc::new(Notes::<bool>::default());
    let (selects, by_one) = (Arc::clone(&scene), Arc::clone(&done));
    world.thread("selects", move || {
        let Two(event, permits) = &selects.object;
        let (mut happens, mut permit) = (Happening::new(event, event.now()), Permits::new(permits, 1));
        let deadline = Some(Deadline::at_monotonic_ns(1));
        let answer = select(&selects.caller(0), &mut [&mut happens, &mut permit], 0, deadline);
        verify!(answer != Some(EVENT), "nobody has set it");
        *by_one.lock() = answer;
    });
    let (acquires, by_other) = (Arc::clone(&scene), Arc::clone(&acquired));
    world.thread("acquires", move || {
        let answer = told(|| acquires.object.1.acquire(&acquires.caller(1), OBJECT, 1, END));
        *by_other.lock() = answer.is_ok();
    });
    let releases = Arc::clone(&scene);
    world.thread("releases", move || _ = releases.object.1.release(1));
    world.finally(move || {
        let took = *done.lock() == Some(OTHER);
        verify!(took != *acquired.lock(), "one of them got the permit, and not both");
        verify_eq!(scene.object.1.available(), 0);
    });
}

/// A message that was sent is received, wherever its sender was killed.
fn bell(world: &mut World) {
    let scene = Scene::in_world(world, 2, Two(RawEvent::new(false), Way::<RawQueue>::bounded(1)));
    let buffer = scene.object.1.channel().try_buffer(scene.slot(0)).expect("one");
    scene.object.1.put(buffer, 7);
    let sends = Arc::clone(&scene);
    world.thread("sends", move || {
        verify_eq!(sends.object.1.channel().try_send(sends.table(), buffer), Ok(()));
    });
    let selects = Arc::clone(&scene);
    let got = Arc::new(Notes::<bool>::default());
    let by_one = Arc::clone(&got);
    world.thread("selects", move || {
        let Two(event, way) = &selects.object;
        let mut happens = Happening::new(event, event.now());
        let mut receives = Receiving::new(way.channel(), selects.table(), selects.slot(1));
        if one_of(&selects, 1, &mut [&mut happens, &mut receives], END).is_some() {
            let taken = receives.answer().expect("it was done").expect("a message");
            verify_eq!(way.finish(taken), 7);
            *by_one.lock() = true;
        }
    });
    world.finally(move || {
        let way = &scene.object.1;
        let left = way.channel().try_receive(scene.table(), scene.slot(1));
        verify!(left.is_err(), "a message that nobody was told of");
        verify_eq!(way.channel().pool().in_use(), 0, "a buffer was lost");
    });
}

fn dies(world: &mut World) {
    let scene = Scene::in_world(world, 3, Two(RawEvent::new(false), RawSemaphore::new(0)));
    let done = Done::default();
    let acquired = Arc::new(Notes::<bool>::default());
    let (selects, by_one) = (Arc::clone(&scene), Arc::clone(&done));
    world.thread("selects", move || {
        let Two(event, permits) = &selects.object;
        let (mut happens, mut permit) = (Happening::new(event, event.now()), Permits::new(permits, 1));
        *by_one.lock() = one_of(&selects, 0, &mut [&mut happens, &mut permit], END);
    });
    let (acquires, by_other) = (Arc::clone(&scene), Arc::clone(&acquired));
    world.thread("acquires", move || {
        let answer = told(|| acquires.object.1.acquire(&acquires.caller(1), OBJECT, 1, END));
        *by_other.lock() = answer.is_ok();
    });
    let releases = Arc::clone(&scene);
    world.thread("releases", move || _ = releases.object.1.release(1));
    world.finally(move || {
        // A permit that the dead had taken is gone.
        let (left, acquired) = (scene.object.1.available(), *acquired.lock());
        verify!(!(acquired && *done.lock() == Some(OTHER)), "both got it");
        verify_eq!(left, 0, "it is there, and who wants it was not told");
    });
}

/// A message that fits into a buffer.
const SHORT: Needs = Needs { annex: false, is_memory: false };

type Places = Two<Way<RawRendezvous>, Way<RawRendezvous>>;

impl Places {
    fn empty() -> Self {
        Self(Way::rendezvous(), Way::rendezvous())
    }

    fn at(&self, place: usize) -> &Way<RawRendezvous> {
        if place == 0 { &self.0 } else { &self.1 }
    }
}

/// What somebody did at the two places, as it knows: sent, or received that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Did {
    Sent(usize, u32),
    Received(usize, u32),
}

type Deeds = Arc<Notes<Vec<(usize, Did)>>>;

/// Sends (true), receives, or neither, at each place; one of them. Messages are the lane's number.
fn selecting(scene: &Scene<Places>, lane: usize, wishes: [Option<bool>; 2], deadline: Option<Deadline>) -> Option<Did> {
    let message = u32::try_from(lane).expect("few") + 1;
    let (table, slot) = (scene.table(), scene.slot(lane));
    let places = [0, 1].map(|place| scene.object.at(place));
    let fills = places.map(|way| move |buffer: usize, _| way.put(buffer, message));
    let mut sends = Vec::new();
    let mut receives = Vec::new();
    for ((place, fill), wish) in (0..2).zip(fills).zip(wishes) {
        let channel = places[place].channel();
        match wish {
            Some(true) => sends.push((place, Sending::new(channel, table, slot, SHORT, fill))),
            Some(false) => receives.push((place, Receiving::new(channel, table, slot))),
            None => {}
        }
    }
    let mut operations: Vec<&mut dyn Operation<'_>> = Vec::new();
    sends.iter_mut().for_each(|(_, operation)| operations.push(operation));
    receives.iter_mut().for_each(|(_, operation)| operations.push(operation));
    let done = told(|| select(&scene.caller(lane), &mut operations, 0, deadline).ok_or(())).ok();
    let mut did = None;
    for (place, operation) in &mut sends {
        operation.give_up();
        if let Some(answer) = operation.answer() {
            verify!(answer.is_ok() && did.is_none());
            did = Some(Did::Sent(*place, message));
        }
    }
    for (place, operation) in &receives {
        if let Some(answer) = operation.answer() {
            verify!(answer.is_ok() && did.is_none());
            did = answer.ok().map(|taken| Did::Received(*place, places[*place].finish(taken)));
        }
    }
    verify_eq!(done.is_some(), did.is_some());
    did
}

/// Sends or receives at one place.
fn plainly(scene: &Scene<Places>, lane: usize, place: usize, sends: bool) -> Option<Did> {
    let message = u32::try_from(lane).expect("few") + 1;
    let way = scene.object.at(place);
    let (channel, caller) = (way.channel(), scene.caller(lane));
    if !sends {
        let taken = told(|| channel.receive(&caller, OBJECT, END)).ok()?;
        return Some(Did::Received(place, way.finish(taken)));
    }
    let buffer = channel.try_buffer(scene.slot(lane)).expect("there are enough");
    way.put(buffer, message);
    let sent = told(|| channel.send(&caller, OBJECT, buffer, END));
    if sent.is_err() {
        channel.pool().give_back(buffer);
        return None;
    }
    Some(Did::Sent(place, message))
}

/// At both places nobody stands, nothing lies, and every buffer is there.
fn nothing_is_left(scene: &Scene<Places>) {
    for place in 0..2 {
        let channel = scene.object.at(place).channel();
        verify_eq!(channel.line().seen(), Seen::Nobody, "somebody stands in the way who is gone");
        verify_eq!(channel.pool().in_use(), 0, "a buffer was lost");
    }
}

/// Those who know that they have sent and received agree; of the dead it is not known.
fn agree(deeds: &Deeds, all_live: bool) {
    let deeds = deeds.lock();
    for (lane, did) in deeds.iter() {
        let met = |other: &Did| match (*did, *other) {
            (Did::Sent(place, message), Did::Received(at, got))
            | (Did::Received(at, got), Did::Sent(place, message)) => place == at && message == got,
            _ => false,
        };
        let others = deeds.iter().filter(|(other, did)| other != lane && met(did)).count();
        verify!(others <= 1, "one message, received twice: {deeds:?}");
        verify!(others == 1 || !all_live, "it knows that something has passed, and nobody else does: {deeds:?}");
    }
}

/// One who selects, and one at each place, of whom only one can be served.
fn one_of_two(world: &mut World, sends: bool) {
    let scene = Scene::in_world(world, 3, Places::empty());
    let deeds = Deeds::default();
    let (selects, by_one) = (Arc::clone(&scene), Arc::clone(&deeds));
    world.thread("selects", move || {
        let did = selecting(&selects, 0, [Some(sends); 2], None);
        by_one.lock().extend(did.map(|did| (0, did)));
    });
    for place in 0..2 {
        let (scene, deeds) = (Arc::clone(&scene), Arc::clone(&deeds));
        world.thread(["here", "there"][place], move || {
            let did = plainly(&scene, place + 1, place, !sends);
            deeds.lock().extend(did.map(|did| (place + 1, did)));
        });
    }
    world.finally(move || {
        verify_eq!(deeds.lock().len(), 2, "one message passes");
        agree(&deeds, true);
        nothing_is_left(&scene);
    });
}

fn one_of_two_dies(world: &mut World, sends: bool) {
    let scene = Scene::in_world(world, 3, Places::empty());
    let deeds = Deeds::default();
    let (selects, by_one) = (Arc::clone(&scene), Arc::clone(&deeds));
    world.thread("selects", move || {
        let did = selecting(&selects, 0, [Some(sends); 2], END);
        by_one.lock().extend(did.map(|did| (0, did)));
    });
    for place in 0..=usize::from(sends) {
        let (scene, deeds) = (Arc::clone(&scene), Arc::clone(&deeds));
        world.thread(["here", "there"][place], move || {
            let did = plainly(&scene, place + 1, place, !sends);
            deeds.lock().extend(did.map(|did| (place + 1, did)));
        });
    }
    world.finally(move || {
        agree(&deeds, false);
        nothing_is_left(&scene);
    });
}

/// Who selects a receive puts aside the offer of one in a lower slot, who then does something else; somebody waits behind it.
fn put_aside(world: &mut World) {
    let scene = Scene::in_world(world, 4, Places::empty());
    let deeds = Deeds::default();
    for (lane, wishes) in [[Some(true), Some(false)], [Some(false), None]].into_iter().enumerate() {
        let (scene, deeds) = (Arc::clone(&scene), Arc::clone(&deeds));
        world.thread(["is put aside", "puts aside"][lane], move || {
            let did = selecting(&scene, lane, wishes, END);
            deeds.lock().extend(did.map(|did| (lane, did)));
        });
    }
    for (lane, place) in [(2, 0), (3, 1)] {
        let (scene, deeds) = (Arc::clone(&scene), Arc::clone(&deeds));
        world.thread(["sends here", "sends there"][place], move || {
            let did = plainly(&scene, lane, place, true);
            deeds.lock().extend(did.map(|did| (lane, did)));
        });
    }
    world.finally(move || {
        verify!(deeds.lock().iter().any(|(lane, _)| *lane == 1), "who selects a receive could have been served by two");
        agree(&deeds, true);
        nothing_is_left(&scene);
    });
}

/// The queue is full, and all buffers are taken; whoever waits for one gets one of the two that come back.
fn buffers(world: &mut World) {
    let scene = Scene::in_world(world, 3, Two(RawEvent::new(false), Way::<RawQueue>::bounded(1)));
    let channel = scene.object.1.channel();
    let taken = [0; 3].map(|_| channel.try_buffer(scene.slot(2)).expect("three"));
    verify_eq!(channel.try_send(scene.table(), taken[0]), Ok(()));
    let selects = Arc::clone(&scene);
    world.thread("selects", move || {
        let Two(event, way) = &selects.object;
        let mut happens = Happening::new(event, event.now());
        let mut sends = Sending::new(way.channel(), selects.table(), selects.slot(0), SHORT, |_, _| ());
        let done = select(&selects.caller(0), &mut [&mut happens, &mut sends], 0, END);
        verify_eq!(done, None, "it is full to the end");
        sends.give_up();
    });
    let waits = Arc::clone(&scene);
    world.thread("waits", move || {
        let channel = waits.object.1.channel();
        let buffer = told(|| channel.buffer(&waits.caller(1), OBJECT, END)).expect("there are two");
        channel.pool().give_back(buffer);
    });
    let gives = Arc::clone(&scene);
    world.thread("gives back", move || {
        let pool = gives.object.1.channel().pool();
        pool.give_back(taken[1]);
        pool.give_back(taken[2]);
    });
    world.finally(move || verify_eq!(scene.object.1.channel().pool().in_use(), 1, "that of the message"));
}

/// Who selects may have had the wake for a message that another took, and then the senders leave.
fn end_passed_on(world: &mut World) {
    let scene = Scene::in_world(world, 4, Two(RawEvent::new(false), Way::<RawQueue>::bounded(1)));
    let channel = scene.object.1.channel();
    channel.join(End::Senders, 2);
    let buffer = channel.try_buffer(scene.slot(2)).expect("one");
    scene.object.1.put(buffer, 7);
    let selects = Arc::clone(&scene);
    world.thread("selects", move || {
        let Two(event, way) = &selects.object;
        let mut happens = Happening::new(event, event.now());
        let mut receives = Receiving::new(way.channel(), selects.table(), selects.slot(0));
        if select(&selects.caller(0), &mut [&mut happens, &mut receives], 0, None) == Some(OTHER)
            && let Some(Ok(taken)) = receives.answer()
        {
            verify_eq!(way.finish(taken), 7);
        }
    });
    let receives = Arc::clone(&scene);
    world.thread("receives", move || {
        let way = &receives.object.1;
        // As long as it takes: there is the message, or the end.
        if let Ok(taken) = way.channel().receive(&receives.caller(1), OBJECT, None) {
            verify_eq!(way.finish(taken), 7);
        }
    });
    let sends = Arc::clone(&scene);
    world.thread("sends", move || {
        let channel = sends.object.1.channel();
        verify_eq!(channel.try_send(sends.table(), buffer), Ok(()));
        channel.leave(End::Senders, 2);
    });
    world.thread("tries", move || {
        let Two(event, way) = &scene.object;
        if let Ok(taken) = way.channel().try_receive(scene.table(), scene.slot(3)) {
            verify_eq!(way.finish(taken), 7);
        }
        event.set();
    });
}

/// Only the undertaker takes the other offer away.
fn nobody_comes_by(world: &mut World) {
    let scene = Scene::in_world(world, 2, Places::empty());
    let selects = Arc::clone(&scene);
    world.thread("selects", move || _ = selecting(&selects, 0, [Some(true); 2], END));
    let passing = Arc::clone(&scene);
    world.thread("passer-by", move || {
        let way = passing.object.at(0);
        if let Ok(taken) = way.channel().try_receive(passing.table(), passing.slot(1)) {
            verify_eq!(way.finish(taken), 1);
        }
    });
    world.finally(move || nothing_is_left(&scene));
}

/// As who polls a future has somebody wait for it.
fn looks(world: &mut World, selects: bool) {
    let scene = Scene::in_world(world, 2, Places::empty());
    let deeds = Deeds::default();
    let (sends, by_sender) = (Arc::clone(&scene), Arc::clone(&deeds));
    world.thread("sends", move || {
        let did = if selects { selecting(&sends, 0, [Some(true); 2], END) } else { plainly(&sends, 0, 0, true) };
        by_sender.lock().extend(did.map(|did| (0, did)));
    });
    let (receives, by_receiver) = (Arc::clone(&scene), Arc::clone(&deeds));
    world.thread("receives", move || {
        let (way, table, slot) = (receives.object.at(0), receives.table(), receives.slot(1));
        let got = loop {
            if let Ok(taken) = way.channel().try_receive(table, slot) {
                break way.finish(taken);
            }
            let mut looks = Watching::new(Receiving::new(way.channel(), table, slot));
            let told = told(|| select(&receives.caller(1), &mut [&mut looks], 0, END).ok_or(()));
            verify!(told.is_ok(), "there was an offer, and nobody told it");
        };
        by_receiver.lock().push((1, Did::Received(0, got)));
    });
    world.finally(move || {
        verify_eq!(deeds.lock().len(), 2, "the message passes");
        agree(&deeds, true);
        nothing_is_left(&scene);
    });
}

/// Who begins to send when the receiver is known to be dead cannot have sent to it.
fn given_to_the_dead(world: &mut World) {
    let scene = Scene::in_world(world, 2, Places::empty());
    let selects = Arc::clone(&scene);
    world.thread("selects", move || _ = selecting(&selects, 0, [Some(false); 2], END));
    let sends = Arc::clone(&scene);
    world.thread("sends", move || {
        let life = &sends.table().thread(sends.slot(0)).expect("a slot").life;
        // Relaxed: whatever is seen.
        let is_dead = life.word().load(Ordering::Relaxed) & LIFE_DIED != 0;
        let way = sends.object.at(0);
        let buffer = way.channel().try_buffer(sends.slot(1)).expect("there are enough");
        way.put(buffer, 2);
        let sent = way.channel().try_send(sends.table(), buffer);
        verify!(!is_dead || sent.is_err(), "a message was given to the dead");
        if sent.is_err() {
            way.channel().pool().give_back(buffer);
        }
    });
    world.finally(move || nothing_is_left(&scene));
}

/// Two who select, with each other.
fn meet(world: &mut World, wishes: [[Option<bool>; 2]; 2], first: Option<Deadline>) {
    let scene = Scene::in_world(world, 2, Places::empty());
    let deeds = Deeds::default();
    let ended = Arc::new(Notes::<usize>::default());
    for (lane, wishes) in wishes.into_iter().enumerate() {
        let (scene, deeds, ended) = (Arc::clone(&scene), Arc::clone(&deeds), Arc::clone(&ended));
        world.thread(["one", "other"][lane], move || {
            let deadline = if lane == 0 { first } else { END };
            let did = selecting(&scene, lane, wishes, deadline);
            deeds.lock().extend(did.map(|did| (lane, did)));
            *ended.lock() += 1;
        });
    }
    world.finally(move || {
        let all_live = *ended.lock() == 2;
        if all_live && first == END {
            verify_eq!(deeds.lock().len(), 2, "they can meet, and do");
        }
        agree(&deeds, all_live);
        nothing_is_left(&scene);
    });
}

fn alone(world: &mut World) {
    let scene = Scene::in_world(world, 3, Places::empty());
    for lane in 0..2 {
        let scene = Arc::clone(&scene);
        world.thread(["sends", "receives"][lane], move || _ = selecting(&scene, lane, [Some(lane == 0); 2], END));
    }
    world.thread("tries", move || {
        let way = &scene.object.0;
        let channel = way.channel();
        let buffer = channel.try_buffer(scene.slot(2)).expect("there are enough");
        way.put(buffer, 3);
        if channel.try_send(scene.table(), buffer).is_err() {
            channel.pool().give_back(buffer);
        }
        match channel.try_receive(scene.table(), scene.slot(2)) {
            Ok(taken) => verify_eq!(way.finish(taken), 1),
            Err(why) => verify_eq!(why, ChannelError::WouldBlock),
        }
    });
}

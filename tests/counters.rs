//! What the objects of a region count, seen by somebody who only looks: exactly what was done, whatever it was done with.
#![cfg(not(loom))]

#[path = "support/place.rs"]
mod place;

use place::Place;
use selvedge::Region;
use selvedge::message::{Capacity, Message, PortOptions};
use selvedge::region::{Counter, Inspector, ObjectSeen};
use std::time::Duration;

const REGION: &str = "counted";

/// A region in a place of its own, and somebody who only looks at it.
struct Watched {
    region: Region,
    inspector: Inspector,
    _place: Place,
}

impl Watched {
    fn new() -> Self {
        let place = Place::new();
        let region = place.options().create(REGION).unwrap();
        let inspector = place.options().inspector(REGION).unwrap();
        Self { region, inspector, _place: place }
    }

    fn object(&self, name: &str) -> ObjectSeen {
        self.inspector.inspect().unwrap().object(name).unwrap().clone()
    }

    /// What `act` made the object count, and its depth and capacity then.
    #[track_caller]
    fn counted(&self, name: &str, act: impl FnOnce()) -> Counted {
        let before = self.object(name);
        act();
        let after = self.object(name);
        assert_eq!(after.counters, self.inspector.counters(&before), "the quick look says the same");
        assert_eq!(before.counters.len(), after.counters.len());
        let since = |(now, then): (&Counter, &Counter)| (now.what, now.since(then).unwrap());
        let counters = after.counters.iter().zip(&before.counters).map(since).collect();
        Counted { counters, depth: after.depth, capacity: after.capacity }
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Counted {
    counters: Vec<(&'static str, u64)>,
    depth: Option<u64>,
    capacity: Option<u64>,
}

/// So many were sent and received, of those that it can hold.
fn moved(sent: u64, received: u64, depth: u64, capacity: u64) -> Counted {
    Counted { counters: vec![("sent", sent), ("received", received)], depth: Some(depth), capacity: Some(capacity) }
}

#[test]
fn of_a_ring_and_a_stream_that_come_round_again() {
    let watched = Watched::new();
    let ring = watched.region.ring::<u64>("ring", 3).unwrap();
    let (mut sender, mut receiver) = (ring.sender().unwrap(), ring.receiver().unwrap());
    for round in 0..7 {
        let act = || {
            (0..3).for_each(|message| sender.send(message).unwrap());
            (0..3).for_each(|_| assert!(receiver.recv().is_ok()));
            (0..2).for_each(|message| sender.send(message).unwrap());
        };
        assert_eq!(watched.counted("ring", act), moved(5, 3, 2, 3), "round {round}");
        (0..2).for_each(|_| assert!(receiver.recv().is_ok()));
    }
    assert_eq!(watched.object("ring").counters[0].range, Some(6));
    let stream = watched.region.stream("stream", 100).unwrap();
    let (mut writer, mut reader) = (stream.writer().unwrap(), stream.reader().unwrap());
    let act = || {
        std::io::Write::write_all(&mut writer, &[7; 60]).unwrap();
        std::io::Read::read_exact(&mut reader, &mut [0; 50]).unwrap();
    };
    assert_eq!(watched.counted("stream", act), moved(60, 50, 10, 100));
}

#[test]
fn of_queues() {
    let watched = Watched::new();
    let queue = watched.region.queue::<u64>("queue", 8).unwrap();
    let act = || {
        (0..7).for_each(|message| queue.send(message).unwrap());
        (0..3).for_each(|_| assert!(queue.recv().is_ok()));
    };
    assert_eq!(watched.counted("queue", act), moved(7, 3, 4, 8));
    let jobs = watched.region.work_queue::<u64>("jobs", 8).unwrap();
    let act = || {
        (0..7).for_each(|message| jobs.send(message).unwrap());
        (0..3).for_each(|_| jobs.recv().unwrap().ack());
        drop(jobs.recv().unwrap());
    };
    // One came back: it is there still, and was received.
    assert_eq!(watched.counted("jobs", act), moved(7, 4, 4, 8));
    assert_eq!(watched.counted("jobs", || jobs.recv().unwrap().ack()), moved(0, 0, 3, 8));
    let letters = watched.region.unbounded::<u64>("letters", 20).unwrap();
    let act = || {
        (0..15).for_each(|message| letters.send(message).unwrap());
        (0..10).for_each(|_| assert!(letters.recv().is_ok()));
    };
    assert_eq!(watched.counted("letters", act), moved(15, 10, 5, 20));
}

#[test]
fn of_channels() {
    let watched = Watched::new();
    for (name, capacity, shown) in
        [("bounded", Capacity::Bounded(8), 8), ("unbounded", Capacity::Unbounded { quota: 9 }, 9)]
    {
        let (sender, receiver) = watched.region.channel::<u64>(name, capacity).unwrap();
        let act = || {
            (0..7).for_each(|message| sender.send(message).unwrap());
            (0..3).for_each(|_| assert!(receiver.recv().is_ok()));
        };
        assert_eq!(watched.counted(name, act), moved(7, 3, 4, shown));
    }
    let (sender, receiver) = watched.region.channel::<u64>("zero", Capacity::Zero).unwrap();
    let act = || {
        std::thread::scope(|scope| {
            scope.spawn(|| (0..3).for_each(|message| sender.send(message).unwrap()));
            (0..3).for_each(|_| assert!(receiver.recv().is_ok()));
        });
        // Given up.
        assert!(receiver.recv_timeout(Duration::from_millis(1)).is_err());
    };
    let expected = Counted { counters: vec![("exchanges", 4)], depth: Some(0), capacity: Some(0) };
    assert_eq!(watched.counted("zero", act), expected);
    let rendezvous = watched.region.rendezvous::<u64>("rendezvous").unwrap();
    let act = || {
        std::thread::scope(|scope| {
            scope.spawn(|| rendezvous.send(1).unwrap());
            assert_eq!(rendezvous.recv(), Ok(1));
        });
    };
    assert_eq!(watched.counted("rendezvous", act).counters, [("exchanges", 1)]);
}

#[test]
fn of_mailboxes() {
    let watched = Watched::new();
    for (name, capacity, shown) in
        [("bounded", Capacity::Bounded(8), 8), ("unbounded", Capacity::Unbounded { quota: 9 }, 9)]
    {
        let port = watched.region.port(name, &PortOptions::new(capacity)).unwrap();
        let mailbox = port.claim().unwrap();
        let act = || {
            (0..7_u64).for_each(|message| port.send(&Message::of(&message)).unwrap());
            (0..3).for_each(|_| drop(mailbox.recv().unwrap()));
        };
        assert_eq!(watched.counted(name, act), moved(7, 3, 4, shown));
    }
    let port = watched.region.port("zero", &PortOptions::new(Capacity::Zero)).unwrap();
    let mailbox = port.claim().unwrap();
    let act = || {
        std::thread::scope(|scope| {
            scope.spawn(|| (0..3_u64).for_each(|message| port.send(&Message::of(&message)).unwrap()));
            (0..3).for_each(|_| drop(mailbox.recv().unwrap()));
        });
    };
    let expected = Counted { counters: vec![("exchanges", 3)], depth: Some(0), capacity: Some(0) };
    assert_eq!(watched.counted("zero", act), expected);
    // One for each message that took effect, and not again for one that did already.
    let port = watched.region.port("orders", &PortOptions::new(Capacity::Bounded(8))).unwrap();
    let mailbox = port.claim().unwrap();
    let effects = watched.region.effects("sum", 2, 0_u64).unwrap();
    effects.client("teller").unwrap();
    let act = || {
        for number in [1, 2, 2, 3] {
            port.send(&Message::of(&number).client("teller", number)).unwrap();
            let _ = effects.apply(mailbox.recv().unwrap(), |sum, _| *sum += number).unwrap();
        }
    };
    assert_eq!(watched.counted("sum", act).counters, [("changes", 3)]);
}

#[test]
fn of_all_else() {
    let watched = Watched::new();
    let region = &watched.region;
    let pages = region.pool::<u64>("pages", 3).unwrap();
    let mut kept = None;
    let act = || {
        (0..5).for_each(|_| drop(pages.take().unwrap()));
        kept = Some(pages.take().unwrap());
    };
    let expected = Counted { counters: vec![("taken", 6)], depth: Some(1), capacity: Some(3) };
    assert_eq!(watched.counted("pages", act), expected);
    drop(kept);
    let changed = region.condvar("changed").unwrap();
    let notify = || (0..4).for_each(|_| changed.notify_all().unwrap());
    assert_eq!(watched.counted("changed", notify).counters, [("notifications", 4)]);
    let barrier = region.barrier("barrier", 1).unwrap();
    let member = barrier.join().unwrap();
    // It comes round meanwhile.
    for _ in 0..3 {
        let wait = || (0..10_000).for_each(|_| assert!(member.wait().is_ok()));
        let expected = Counted { counters: vec![("rounds", 10_000)], depth: Some(0), capacity: Some(1) };
        assert_eq!(watched.counted("barrier", wait), expected);
    }
    let prices = region.rwlock("prices", 0_u64).unwrap();
    let write = || {
        (0..4).for_each(|_| *prices.write().unwrap() += 1);
        (0..4).for_each(|_| drop(prices.read().unwrap()));
    };
    assert_eq!(watched.counted("prices", write).counters, [("writes", 4)]);
    let permits = region.owned_semaphore("permits", 5).unwrap();
    let mut kept = None;
    let expected = Counted { counters: Vec::new(), depth: Some(2), capacity: Some(5) };
    assert_eq!(watched.counted("permits", || kept = Some(permits.acquire_many(2).unwrap())), expected);
    region.mutex("stock", 0_u64).unwrap();
    assert_eq!(watched.counted("stock", || ()), Counted { counters: Vec::new(), depth: None, capacity: None });
}

/// What an object counted says nothing of its successor, and a region that is gone is seen to be.
#[test]
fn of_what_is_there_no_more() {
    let watched = Watched::new();
    let queue = watched.region.queue::<u64>("queue", 8).unwrap();
    (0..7).for_each(|message| queue.send(message).unwrap());
    let before = watched.object("queue");
    assert!(watched.object("queue").is(&before));
    watched.region.remove_object("queue").unwrap();
    assert_eq!(watched.inspector.counters(&before), []);
    drop(queue);
    let queue = watched.region.queue::<u64>("queue", 8).unwrap();
    queue.send(1).unwrap();
    let after = watched.object("queue");
    assert!(!after.is(&before));
    assert_eq!(after.counters[0].since(&before.counters[0]), None);
    assert_eq!(watched.inspector.is_named(), Ok(true));
    watched.region.unlink().unwrap();
    assert_eq!(watched.inspector.is_named(), Ok(false));
    assert_eq!(watched.object("queue").counters[0].value, 1, "it can be looked at still");
}

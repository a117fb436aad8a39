//! The ends of a ring: who can have them, and what they refuse.

use super::support::actors::fork;
use super::support::alone::alone;
use super::{Pair, REGION, number, options, pair, region};
use selvedge::primitives::RawRing;
use selvedge::region::{
    ByteStream, Departure, IfGone, ObjectErrorKind, Peer, PeerGone, Predecessor, RecvError, Ring, RoleError, SendError,
    Shared, StreamError, Tag, Unusable,
};
use std::io::{Read, Write};
use std::mem::ManuallyDrop;
use std::thread;
use std::time::{Duration, Instant};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

const LIMIT: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(5);

#[test]
fn an_end_belongs_to_one_thread_at_a_time() {
    alone(LIMIT, || {
        let region = region();
        let ring = region.ring::<Pair>("ring", 4).expect("a ring");
        let (sender, receiver) = (ring.sender().expect("free"), ring.receiver().expect("free"));
        assert_eq!((sender.predecessor(), receiver.predecessor()), (Predecessor::None, Predecessor::None));
        // The thread itself would wait for itself.
        assert_eq!(ring.sender().map(drop), Err(RoleError::AlreadyMine));
        assert_eq!(ring.receiver_timeout(SHORT).map(drop), Err(RoleError::AlreadyMine));
        assert_eq!(ring.try_sender().map(drop), Err(RoleError::Taken));
        thread::scope(|scope| {
            scope.spawn(|| {
                assert_eq!(ring.try_sender().map(drop), Err(RoleError::Taken));
                assert_eq!(ring.try_receiver().map(drop), Err(RoleError::Taken));
                let start = Instant::now();
                assert_eq!(ring.sender_timeout(SHORT).map(drop), Err(RoleError::TimedOut));
                assert_eq!(ring.receiver_timeout(SHORT).map(drop), Err(RoleError::TimedOut));
                assert!(start.elapsed() >= 2 * SHORT);
            });
        });
        drop(sender);
        thread::scope(|scope| {
            scope.spawn(|| assert_eq!(ring.sender().map(|sender| sender.predecessor()), Ok(Predecessor::Closed)));
        });
        drop(receiver);
    });
}

#[test]
fn who_waits_for_an_end_gets_it() {
    alone(LIMIT, || {
        let region = region();
        let ring = region.ring::<Pair>("ring", 4).expect("a ring");
        let mut first = ring.sender().expect("free");
        thread::scope(|scope| {
            let second = scope.spawn(|| {
                let mut second = ring.sender().expect("given up in the end");
                second.send(pair(2)).expect("room");
                second.predecessor()
            });
            first.send(pair(1)).expect("room");
            drop(first);
            assert_eq!(second.join().expect("no panic"), Predecessor::Closed);
        });
        let mut receiver = ring.receiver().expect("free");
        assert_eq!(receiver.recv().map(number), Ok(1));
        assert_eq!(receiver.recv().map(number), Ok(2));
        assert_eq!(receiver.recv().map_err(|error| error.departure()), Err(Some(Departure::Closed)));
    });
}

/// A thread that ends with an end in its hands, leaked, is one that died.
#[test]
fn a_leaked_end_is_inherited_from_the_dead() {
    alone(LIMIT, || {
        let region = region();
        let ring = region.ring::<Pair>("ring", 4).expect("a ring");
        thread::scope(|scope| {
            scope.spawn(|| {
                let mut sender = ManuallyDrop::new(ring.sender().expect("free"));
                sender.send(pair(1)).expect("room");
            });
        });
        let mut receiver = ring.receiver().expect("free");
        assert_eq!(receiver.recv().map(number), Ok(1));
        assert_eq!(receiver.recv().map_err(|error| error.departure()), Err(Some(Departure::Died)));
        assert_eq!(ring.try_sender().map(|sender| sender.predecessor()), Ok(Predecessor::Died));
    });
}

#[test]
fn full_and_empty_and_gone() {
    alone(LIMIT, || {
        let region = region();
        let ring = region.ring::<Pair>("ring", 2).expect("a ring");
        assert_eq!(ring.capacity(), 2);
        let (mut sender, mut receiver) = (ring.sender().expect("free"), ring.receiver().expect("free"));
        assert_eq!(receiver.try_recv(), Err(RecvError::Empty));
        assert_eq!(receiver.recv_timeout(SHORT), Err(RecvError::TimedOut));
        assert_eq!(sender.try_send(pair(1)), Ok(()));
        assert_eq!(sender.send_timeout(pair(2), SHORT), Ok(()));
        assert_eq!(sender.try_send(pair(3)), Err(SendError::Full(pair(3))));
        assert_eq!(sender.send_timeout(pair(3), SHORT), Err(SendError::TimedOut(pair(3))));
        drop(receiver);
        let gone = PeerGone { object: "ring".into(), how: Departure::Closed };
        assert_eq!(sender.try_send(pair(3)), Err(SendError::Disconnected(pair(3), gone)));
        let refused = sender.send(pair(3)).expect_err("nobody can make room");
        assert_eq!(refused.to_string(), "the receiver of ring `ring` has closed its end");
        assert_eq!((refused.departure(), refused.into_message()), (Some(Departure::Closed), pair(3)));
        let mut sender = sender.if_gone(IfGone::Wait);
        assert_eq!(sender.send_timeout(pair(3), SHORT), Err(SendError::TimedOut(pair(3))), "somebody may come");
        let mut receiver = ring.receiver().expect("free");
        assert_eq!(receiver.predecessor(), Predecessor::Closed);
        drop(sender);
        let received: Vec<u64> = receiver.iter().map(number).collect();
        assert_eq!(received, [1, 2]);
        assert_eq!(receiver.try_recv().map_err(|error| error.departure()), Err(Some(Departure::Closed)));
    });
}

#[test]
fn loans_and_batches_keep_to_what_was_reserved() {
    alone(LIMIT, || {
        let region = region();
        let ring = region.ring::<u32>("ring", 3).expect("a ring");
        let (mut sender, mut receiver) = (ring.sender().expect("free"), ring.receiver().expect("free"));
        // From each position once around.
        for round in 0..7 {
            let mut loan = sender.loan(0).expect("room");
            assert_eq!(loan.len(), 1, "at least one");
            assert!(loan.get_mut(1).is_none());
            drop(loan);
            assert_eq!(receiver.try_recv(), Err(RecvError::Empty), "a loan that is dropped sends nothing");
            let mut loan = sender.loan(usize::MAX).expect("room");
            assert_eq!(loan.len(), 3);
            for index in 0..3 {
                *loan.get_mut(index).expect("a slot") = round * 10 + u32::try_from(index).expect("small");
            }
            assert!(loan.get_mut(3).is_none() && loan.get_mut(usize::MAX).is_none());
            assert!(matches!(loan.send(4), Err(SendError::Corrupt(..))), "more than was borrowed");
            assert_eq!(receiver.try_recv(), Err(RecvError::Empty));
            // What was written is still there, and is sent now.
            sender.loan(2).expect("room").send(2).expect("two");
            assert_eq!(receiver.batch(1).expect("two").len(), 1);
            let batch = receiver.batch(usize::MAX).expect("two");
            assert_eq!(
                (batch.len(), batch.get(0), batch.get(1), batch.get(2)),
                (2, Some(&(round * 10)), Some(&(round * 10 + 1)), None)
            );
            assert!(matches!(batch.release(3), Err(RecvError::Corrupt(_))), "more than there are");
            let batch = receiver.batch(2).expect("two");
            batch.release(1).expect("one");
            assert_eq!(receiver.try_recv(), Ok(round * 10 + 1));
            assert_eq!(receiver.try_recv(), Err(RecvError::Empty));
        }
    });
}

#[test]
fn a_ring_is_opened_as_it_was_made() {
    alone(LIMIT, || {
        let region = region();
        let _ring = region.ring::<u64>("ring", 4).expect("a ring");
        let refusal = |answer: Result<(), selvedge::region::ObjectError>| answer.expect_err("refused").kind();
        let capacity = refusal(region.ring::<u64>("ring", 5).map(drop));
        assert_eq!(capacity, ObjectErrorKind::WrongCapacity { found: 4, expected: 5 });
        assert_eq!(
            refusal(region.ring::<u32>("ring", 4).map(drop)),
            ObjectErrorKind::WrongSize { found: 8, expected: 4 }
        );
        assert!(matches!(refusal(region.ring::<i64>("ring", 4).map(drop)), ObjectErrorKind::WrongTag { .. }));
        assert!(matches!(
            refusal(region.ring::<[u32; 2]>("ring", 4).map(drop)),
            ObjectErrorKind::WrongAlign { .. } | ObjectErrorKind::WrongTag { .. }
        ));
        assert!(matches!(refusal(region.stream("ring", 4).map(drop)), ObjectErrorKind::WrongKind { .. }));
        assert!(matches!(refusal(region.mutex("ring", 4_u64).map(drop)), ObjectErrorKind::WrongKind { .. }));
        assert!(region.ring::<u64>("ring", 4).is_ok());
    });
}

#[test]
fn capacities_that_no_ring_can_have() {
    alone(LIMIT, || {
        let region = region();
        let most = u64::from(RawRing::MAX_CAPACITY);
        for given in [0, usize::try_from(most).expect("64 bits") + 1, u32::MAX as usize + 2, usize::MAX] {
            let expected = ObjectErrorKind::BadCapacity { given: given as u64, most };
            assert_eq!(region.ring::<u64>("ring", given).expect_err("refused").kind(), expected);
            assert_eq!(region.stream("ring", given).expect_err("refused").kind(), expected);
        }
        let most = usize::try_from(most).expect("64 bits");
        assert!(matches!(
            region.ring::<u64>("ring", most).expect_err("refused").kind(),
            ObjectErrorKind::OutOfMemory { .. }
        ));
        // What was refused left nothing.
        assert!(region.ring::<u64>("ring", 1).is_ok());
    });
}

#[test]
fn a_ring_of_one() {
    alone(LIMIT, || {
        let region = region();
        let ring = region.ring::<Pair>("ring", 1).expect("a ring");
        let (mut sender, mut receiver) = (ring.sender().expect("free"), ring.receiver().expect("free"));
        for number in 0..10 {
            assert_eq!(sender.try_send(pair(number)), Ok(()));
            assert_eq!(sender.try_send(pair(99)), Err(SendError::Full(pair(99))));
            assert_eq!(receiver.try_recv(), Ok(pair(number)));
            assert_eq!(receiver.try_recv(), Err(RecvError::Empty));
        }
    });
}

/// A message that wants more than the eight bytes to which everything in a region is aligned anyway.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C, align(64))]
struct Wide {
    numbers: [u64; 8],
}

impl Shared for Wide {
    const TAG: Tag = Tag::new("test.wide/1");
}

#[test]
fn messages_are_aligned_as_their_type_wants() {
    alone(LIMIT, || {
        let region = region();
        // Of odd sizes, so that what follows does not lie right by chance.
        let _before = region.stream("before", 13).expect("a stream");
        let ring = region.ring::<Wide>("wide", 5).expect("a ring");
        let (mut sender, mut receiver) = (ring.sender().expect("free"), ring.receiver().expect("free"));
        for round in 0..12 {
            let wide = Wide { numbers: [round; 8] };
            let mut loan = sender.loan(2).expect("room");
            for index in 0..2 {
                let slot = loan.get_mut(index).expect("a slot");
                assert_eq!(std::ptr::from_mut(slot).addr() % align_of::<Wide>(), 0);
                *slot = wide;
            }
            loan.send(2).expect("two");
            let batch = receiver.batch(2).expect("two");
            let slot = batch.get(1).expect("a message");
            assert_eq!((*slot, std::ptr::from_ref(slot).addr() % align_of::<Wide>()), (wide, 0));
            batch.release(1).expect("one");
            assert_eq!(receiver.recv(), Ok(wide));
        }
    });
}

/// Drops a forked child's copy of what its parent holds.
fn drop_copy<T>(held: &ManuallyDrop<T>) {
    // SAFETY: called once for each, in a child that does not use its copy again and ends without destructors.
    drop(unsafe { std::ptr::read(&raw const **held) });
}

#[test]
fn a_forked_child_is_refused_and_closes_nothing() {
    alone(LIMIT, || {
        let region = options().create(REGION).expect("a region");
        let ring: Ring<Pair> = region.ring("ring", 4).expect("a ring");
        let stream: ByteStream = region.stream("stream", 16).expect("a stream");
        let mut sender = ManuallyDrop::new(ring.sender().expect("free"));
        let mut receiver = ManuallyDrop::new(ring.receiver().expect("free"));
        let mut writer = ManuallyDrop::new(stream.writer().expect("free"));
        let mut reader = ManuallyDrop::new(stream.reader().expect("free"));
        sender.send(pair(1)).expect("room");
        writer.write_all(b"one").expect("room");
        let child = fork("the child", || {
            const WHY: Unusable = Unusable::ForkedChild;
            assert_eq!(sender.send(pair(2)), Err(SendError::Unusable(pair(2), WHY, "ring".into())));
            assert_eq!(sender.try_send(pair(2)), Err(SendError::Unusable(pair(2), WHY, "ring".into())));
            assert!(matches!(sender.loan(1).map(drop), Err(SendError::Unusable(_, WHY, _))));
            assert_eq!(receiver.recv(), Err(RecvError::Unusable(WHY, "ring".into())));
            assert_eq!(receiver.try_recv(), Err(RecvError::Unusable(WHY, "ring".into())));
            assert!(matches!(receiver.batch(1).map(drop), Err(RecvError::Unusable(WHY, _))));
            assert_eq!(ring.try_sender().map(drop), Err(RoleError::Unusable(WHY, "ring".into())));
            assert_eq!(ring.receiver().map(drop), Err(RoleError::Unusable(WHY, "ring".into())));
            assert!(matches!(stream.try_writer().map(drop).expect_err("refused"), RoleError::Unusable(WHY, _)));
            let refused = writer.write(b"two").expect_err("refused");
            assert_eq!(refused.to_string(), format!("stream `stream`: {WHY}"));
            assert!(writer.pending().is_err() && reader.pending().is_err());
            assert!(reader.read(&mut [0; 4]).is_err());
            drop_copy(&sender);
            drop_copy(&receiver);
            drop_copy(&writer);
            drop_copy(&reader);
        });
        child.succeed();
        assert_eq!((writer.peer(), reader.peer()), (Peer::There, Peer::There));
        assert_eq!(receiver.recv().map(number), Ok(1));
        assert_eq!(receiver.try_recv(), Err(RecvError::Empty), "the sender is there");
        assert_eq!(sender.send(pair(2)), Ok(()));
        assert_eq!(receiver.recv().map(number), Ok(2));
        assert_eq!(reader.pending().expect("the parent may"), 3);
        // By itself the child may come.
        let child = fork("a child that attaches", || {
            let ring = options().open(REGION).expect("a region").ring::<Pair>("ring", 4).expect("a ring");
            assert_eq!(ring.try_sender().map(drop), Err(RoleError::Taken));
        });
        child.succeed();
        drop(ManuallyDrop::into_inner(sender));
        assert_eq!(receiver.recv().map_err(|error| error.departure()), Err(Some(Departure::Closed)));
        drop(ManuallyDrop::into_inner(receiver));
        drop((ManuallyDrop::into_inner(writer), ManuallyDrop::into_inner(reader)));
    });
}

#[test]
fn more_threads_than_the_region_has_places_for() {
    alone(LIMIT, || {
        let region = options().threads(1).anonymous().expect("a region");
        let ring = region.ring::<Pair>("ring", 4).expect("a ring");
        let _sender = ring.sender().expect("free");
        thread::scope(|scope| {
            scope.spawn(|| {
                assert_eq!(ring.try_receiver().map(drop), Err(RoleError::TooManyThreads { limit: 1 }));
            });
        });
    });
}

/// Errors are for people, too.
#[test]
fn errors_say_what_happened() {
    let gone = |how| PeerGone { object: "orders".into(), how };
    assert_eq!(SendError::Disconnected((), gone(Departure::Died)).to_string(), "the receiver of ring `orders` died");
    assert_eq!(format!("{:?}", SendError::Full([0_u8; 999])), "Full(..)", "without the message");
    let closed = RecvError::Disconnected(gone(Departure::Closed));
    assert_eq!(closed.to_string(), "the sender of ring `orders` has closed its end");
    assert_eq!(closed.departure(), Some(Departure::Closed));
    assert_eq!(
        RecvError::Corrupt("orders".into()).to_string(),
        "the shared memory of ring `orders` contradicts itself"
    );
    let closed = StreamError::Disconnected(gone(Departure::Closed));
    assert_eq!(closed.to_string(), "the peer of stream `orders` has closed its end");
    assert_eq!(RoleError::AlreadyMine.to_string(), "the calling thread has this end of the ring already");
    let long = StreamError::TooLong { stream: "log".into(), length: 17, most: 16 };
    assert_eq!(long.to_string(), "17 bytes are too long, stream `log` holds 16");
}

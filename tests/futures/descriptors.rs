//! Descriptors that become readable when there may be something to receive, or space to send.

use super::{LIMIT, channel, polled, region};
use crate::support::actors::fork;
use crate::support::alone::alone;
use crate::support::patience::{PATIENCE, until};
use crate::support::shared::{Mark, Shared};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use selvedge::message::{Capacity, LinkOptions, MailError, Message, PortOptions, RecvError, SendError, Succession};
use selvedge::region::{AcquireError, RegionOptions, Unusable};
use std::os::fd::AsFd;
use std::task::Poll;
use std::thread;
use std::time::Duration;
use tokio::io::unix::AsyncFd;

/// How long what must not happen is waited for.
const SHORT: Duration = Duration::from_millis(5);

/// Whether it is readable within that time.
fn is_readable(fd: &impl AsFd, time: Duration) -> bool {
    let time = Timespec { tv_sec: time.as_secs().try_into().expect("small"), tv_nsec: time.subsec_nanos().into() };
    poll(&mut [PollFd::new(fd, PollFlags::IN)], Some(&time)).expect("poll") > 0
}

#[test]
fn a_descriptor_is_readable_when_there_may_be_something() {
    let region = region();
    let (sender, receiver) = channel(&region, Capacity::Bounded(4));
    let mut readable = receiver.descriptor().expect("a descriptor");
    assert!(!is_readable(&readable, SHORT), "nothing is there");
    sender.send(1).expect("there is space");
    assert!(is_readable(&readable, PATIENCE));
    readable.rearm().expect("a thread");
    assert!(is_readable(&readable, PATIENCE), "it is there still");
    readable.rearm().expect("a thread");
    assert_eq!(receiver.try_recv(), Ok(1));
    // It may have been told of it before that was received: once.
    if is_readable(&readable, SHORT) {
        readable.rearm().expect("a thread");
    }
    assert!(!is_readable(&readable, SHORT), "nothing is there any more");
    drop(sender);
    assert!(is_readable(&readable, PATIENCE), "the end is something, too");
}

#[test]
fn a_descriptor_of_a_mailbox_is_readable_when_there_may_be_a_message() {
    let region = region();
    let options = PortOptions::new(Capacity::Bounded(4)).succession(Succession::Close);
    let port = region.port("letters", &options).expect("a port");
    let mailbox = port.claim().expect("nobody has it");
    let mut readable = mailbox.descriptor().expect("a descriptor");
    assert!(!is_readable(&readable, SHORT), "nothing is there");
    port.send(&Message::bytes(b"one")).expect("there is space");
    assert!(is_readable(&readable, PATIENCE));
    // What is put back is there again.
    readable.rearm().expect("a thread");
    mailbox.try_recv().expect("it is there").put_back();
    assert!(is_readable(&readable, PATIENCE), "it is there still");
    readable.rearm().expect("a thread");
    assert_eq!(mailbox.try_recv().expect("it is there").to_vec(), b"one");
    assert!(matches!(mailbox.try_recv(), Err(MailError::Empty)));
    // It may have been told of it before that was received: once.
    if is_readable(&readable, SHORT) {
        readable.rearm().expect("a thread");
    }
    assert!(!is_readable(&readable, SHORT), "nothing is there any more");
    drop(mailbox);
    assert!(is_readable(&readable, PATIENCE), "the end is something, too");
}

#[test]
fn a_descriptor_works_in_a_reactor() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let region = region();
    let (sender, receiver) = channel(&region, Capacity::Bounded(4));
    let sends = thread::spawn(move || (0..50).for_each(|message| sender.send(message).expect("sent")));
    let got = runtime.block_on(async {
        let descriptor = receiver.descriptor().expect("a descriptor");
        // SAFETY: it owns its descriptor, and keeps it as long as it lives.
        let mut readable = unsafe { AsyncFd::register(descriptor) }.expect("it can be watched");
        let mut got = Vec::new();
        let receives = async {
            loop {
                let mut guard = readable.readable_mut().await.expect("a reactor");
                guard.get_inner_mut().rearm().expect("a thread");
                guard.clear_ready();
                loop {
                    match receiver.try_recv() {
                        Ok(message) => got.push(message),
                        Err(RecvError::Empty) => break,
                        Err(error) => return error,
                    }
                }
            }
        };
        let error = tokio::time::timeout(PATIENCE, receives).await.expect("in time");
        assert_eq!(error, RecvError::Disconnected);
        got
    });
    assert_eq!(got, (0..50).collect::<Vec<_>>());
    sends.join().expect("it ends");
}

#[test]
fn a_descriptor_of_a_sender_is_readable_when_there_may_be_space() {
    for capacity in [Capacity::Bounded(1), Capacity::Bounded(4)] {
        let region = region();
        let (sender, receiver) = channel(&region, capacity);
        let mut has_space = sender.descriptor().expect("a descriptor");
        assert!(is_readable(&has_space, PATIENCE), "{capacity:?}: there is");
        let mut sent = 0;
        while sender.try_send(sent).is_ok() {
            sent += 1;
        }
        has_space.rearm().expect("a thread");
        assert!(!is_readable(&has_space, SHORT), "{capacity:?}: it is full");
        assert_eq!(receiver.recv(), Ok(0));
        assert!(is_readable(&has_space, PATIENCE), "{capacity:?}: there is again");
        has_space.rearm().expect("a thread");
        assert!(is_readable(&has_space, PATIENCE), "there is still");
        sender.try_send(sent).expect("there is space");
        has_space.rearm().expect("a thread");
        assert!(!is_readable(&has_space, SHORT), "{capacity:?}: it is full again");
        drop(receiver);
        assert!(is_readable(&has_space, PATIENCE), "the end is something, too");
        assert_eq!(sender.try_send(9), Err(SendError::Disconnected(9)));
    }
}

/// Its sends never wait: that its quota is used up is told by them.
#[test]
fn an_unbounded_one_always_has_space() {
    let region = region();
    let (sender, receiver) = channel(&region, Capacity::Unbounded { quota: 1 });
    let mut has_space = sender.descriptor().expect("a descriptor");
    assert!(is_readable(&has_space, PATIENCE));
    sender.send(1).expect("there is space");
    has_space.rearm().expect("a thread");
    assert!(is_readable(&has_space, PATIENCE));
    assert!(matches!(sender.try_send(2), Err(SendError::OutOfMemory(2, _))));
    assert_eq!(receiver.recv(), Ok(1));
    sender.send(2).expect("there is space");
}

/// The line has room, but all buffers are in hand.
#[test]
fn there_is_no_space_where_all_buffers_are_in_hand() {
    let region = region();
    let (sender, _receiver) = channel(&region, Capacity::Bounded(1));
    let mut loans: Vec<_> = std::iter::from_fn(|| sender.try_loan().ok()).collect();
    let mut has_space = sender.descriptor().expect("a descriptor");
    assert!(!is_readable(&has_space, SHORT), "no buffer is free");
    drop(loans.pop());
    assert!(is_readable(&has_space, PATIENCE));
    has_space.rearm().expect("a thread");
    sender.try_send(1).expect("there is space");
    drop(loans);
    has_space.rearm().expect("a thread");
    assert!(!is_readable(&has_space, SHORT), "buffers are, and the line is full");
}

#[test]
fn where_nothing_lies_there_is_space_when_somebody_waits() {
    let region = region();
    let (sender, receiver) = channel(&region, Capacity::Zero);
    let mut has_space = sender.descriptor().expect("a descriptor");
    assert!(!is_readable(&has_space, SHORT), "nobody waits");
    for round in 0..50 {
        thread::scope(|scope| {
            let receives = scope.spawn(|| receiver.recv());
            assert!(is_readable(&has_space, PATIENCE), "somebody waits");
            sender.try_send(round).expect("somebody waits");
            assert_eq!(receives.join().expect("it ends"), Ok(round));
        });
        has_space.rearm().expect("a thread");
    }
    assert!(!is_readable(&has_space, SHORT), "nobody waits any more");
}

#[test]
fn a_descriptor_of_a_port_is_readable_when_there_may_be_space() {
    let region = region();
    let options = PortOptions::new(Capacity::Bounded(1)).succession(Succession::Close);
    let port = region.port("letters", &options).expect("a port");
    let mailbox = port.claim().expect("nobody has it");
    port.send(&Message::bytes(b"one")).expect("there is space");
    let mut has_space = port.send_descriptor().expect("a descriptor");
    assert!(!is_readable(&has_space, SHORT), "it is full");
    assert_eq!(mailbox.recv().expect("it is there").to_vec(), b"one");
    assert!(is_readable(&has_space, PATIENCE));
    port.try_send(&Message::bytes(b"two")).expect("there is space");
    has_space.rearm().expect("a thread");
    assert!(!is_readable(&has_space, SHORT), "it is full again");
    port.close().expect("it is there");
    assert!(is_readable(&has_space, PATIENCE), "the end is something, too");
    assert!(matches!(port.try_send(&Message::bytes(b"three")), Err(MailError::Closed)));
}

/// In a reactor, beside threads that wait for the same space; nobody is forgotten.
#[test]
fn a_descriptor_of_a_sender_works_in_a_reactor() {
    const EACH: u64 = 300;
    for capacity in [Capacity::Zero, Capacity::Bounded(1), Capacity::Bounded(4)] {
        let region = region();
        let (sender, receiver) = channel(&region, capacity);
        let mut got: Vec<u64> = thread::scope(|scope| {
            let receives = scope.spawn(move || receiver.iter().collect());
            let others = [1, 2].map(|other| {
                let sender = sender.clone();
                scope.spawn(move || {
                    (other * EACH..(other + 1) * EACH).for_each(|message| sender.send(message).expect("sent"))
                })
            });
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                let descriptor = sender.descriptor().expect("a descriptor");
                // SAFETY: it owns its descriptor, and keeps it as long as it lives.
                let mut has_space = unsafe { AsyncFd::register(descriptor) }.expect("it can be watched");
                let sends = async {
                    let mut message = 0;
                    while message < EACH {
                        let mut guard = has_space.readable_mut().await.expect("a reactor");
                        guard.get_inner_mut().rearm().expect("a thread");
                        guard.clear_ready();
                        while message < EACH && sender.try_send(message).is_ok() {
                            message += 1;
                        }
                    }
                };
                tokio::time::timeout(PATIENCE, sends).await.expect("in time");
            });
            others.into_iter().for_each(|other| other.join().expect("it ends"));
            drop(sender);
            receives.join().expect("it ends")
        });
        got.sort_unstable();
        assert_eq!(got, (0..3 * EACH).collect::<Vec<_>>(), "{capacity:?}");
    }
}

/// Who receives has one in hand and is killed; then nobody is left.
#[test]
fn a_descriptor_tells_of_the_death_of_who_receives() {
    const REGION: &str = "descriptors";
    alone(LIMIT, || {
        let options = RegionOptions::new().processes(4).threads(8).objects(8).arena(128 << 10).backstop(None);
        let region = options.create(REGION).expect("a region");
        let sender = region.sender::<u64>("channel", Capacity::Bounded(1)).expect("a sender");
        let ready = Shared::new(Mark::default());
        let other = fork("who receives", || {
            let region = options.open(REGION).expect("it is there");
            let _receiver = region.receiver::<u64>("channel", Capacity::Bounded(1)).expect("a receiver");
            ready.set(1);
            loop {
                thread::park();
            }
        });
        ready.wait("somebody receives");
        while sender.try_send(1).is_ok() {}
        let has_space = sender.descriptor().expect("a descriptor");
        assert!(!is_readable(&has_space, SHORT), "it is full");
        other.kill_and_reap();
        assert!(is_readable(&has_space, PATIENCE), "nobody is left");
        until("it is told", || sender.try_send(1) == Err(SendError::Disconnected(1)));
    });
}

#[test]
fn a_descriptor_of_a_link_is_readable_when_there_may_be_space() {
    const REGION: &str = "links";
    alone(LIMIT, || {
        let options = RegionOptions::new().processes(4).threads(8).objects(8).arena(256 << 10).backstop(None);
        let region = options.create(REGION).expect("a region");
        let (me, goes_on) = (region.participant_id(), Shared::new(Mark::default()));
        let other = fork("the other", || {
            let region = options.open(REGION).expect("it is there");
            let link = region.link_with(me, &LinkOptions::new().capacity(2)).expect("a link");
            link.send(&Message::bytes(b"here")).expect("there is space");
            goes_on.wait("it is full");
            assert_eq!(link.recv().expect("it is there").to_vec(), b"0");
            loop {
                thread::park();
            }
        });
        until("the other is attached", || region.participants().len() == 2);
        let peer = region.participants().into_iter().map(|one| one.id()).find(|id| *id != me).expect("there are two");
        let link = region.link_with(peer, &LinkOptions::new().capacity(2)).expect("a link");
        assert_eq!(link.recv().expect("the other has sent").to_vec(), b"here");
        (0..2).for_each(|number| link.send(&Message::bytes(format!("{number}").as_bytes())).expect("there is space"));
        let mut has_space = link.send_descriptor().expect("a descriptor");
        assert!(!is_readable(&has_space, SHORT), "it is full");
        goes_on.set(1);
        assert!(is_readable(&has_space, PATIENCE), "one was received");
        link.try_send(&Message::bytes(b"2")).expect("there is space");
        has_space.rearm().expect("a thread");
        assert!(!is_readable(&has_space, SHORT), "it is full again");
        other.kill_and_reap();
        assert!(is_readable(&has_space, PATIENCE), "nobody is left");
    });
}

/// One place for threads, which is that of who asks: nobody can wait, and the descriptor cannot say more than that it is worth a look.
#[test]
fn that_nobody_can_wait_is_told_by_the_next_rearm() {
    let options = RegionOptions::new().processes(2).threads(1).objects(4).arena(16 << 10);
    let region = options.anonymous().expect("a region");
    let (sender, receiver) = channel(&region, Capacity::Bounded(1));
    let (mut message, mut space) =
        (receiver.descriptor().expect("a descriptor"), sender.descriptor().expect("a descriptor"));
    assert_eq!(receiver.try_recv(), Err(RecvError::Empty));
    for _ in 0..2 {
        assert!(is_readable(&message, PATIENCE));
        assert_eq!(message.rearm(), Err(RecvError::TooManyThreads { limit: 1 }));
        assert!(is_readable(&message, SHORT), "somebody has to look still");
        message.rearm().expect("it is tried again");
    }
    sender.try_send(1).expect("there is space");
    assert!(is_readable(&space, PATIENCE));
    assert_eq!(space.rearm(), Err(SendError::TooManyThreads((), 1)));
}

/// What a child inherits is its parent's: it neither makes it unreadable nor gives back what was acquired.
#[test]
fn a_forked_child_takes_nothing_away() {
    alone(LIMIT, || {
        let region = region();
        let (sender, receiver) = channel(&region, Capacity::Bounded(4));
        let seats = region.semaphore("seats", 0).expect("a semaphore");
        let mut acquires = Some(Box::pin(seats.acquire_async(1)));
        let mut sends = Some(Box::pin(sender.send_async(9)));
        let mut waits = Some(Box::pin(receiver.recv_async()));
        assert!(waits.as_mut().is_some_and(|future| polled(future.as_mut()).is_pending()));
        assert!(acquires.as_mut().is_some_and(|future| polled(future.as_mut()).is_pending()));
        sender.send(1).expect("there is space");
        seats.release().expect("few");
        until("the permit is acquired", || seats.available() == 0);
        let mut readable = receiver.descriptor().expect("a descriptor");
        assert!(is_readable(&readable, PATIENCE), "there is a message");
        fork("the child", || {
            let unusable = RecvError::Unusable(Unusable::ForkedChild, "channel".into());
            assert_eq!(readable.rearm(), Err(unusable.clone()));
            let received = waits.as_mut().map(|future| polled(future.as_mut()));
            assert_eq!(received, Some(Poll::Ready(Err(unusable))));
            let acquired = acquires.as_mut().map(|future| polled(future.as_mut()));
            assert!(matches!(acquired, Some(Poll::Ready(Err(AcquireError::Unusable(Unusable::ForkedChild, _))))));
            drop((waits.take(), acquires.take(), sends.take()));
        })
        .succeed();
        assert!(is_readable(&readable, SHORT), "a child has taken it away");
        assert_eq!(seats.available(), 0, "a child has given back what its parent acquired");
        let acquired = acquires.as_mut().map(|future| polled(future.as_mut()));
        assert!(matches!(acquired, Some(Poll::Ready(Ok(_)))), "it was acquired");
        readable.rearm().expect("a thread");
        assert_eq!(waits.map(pollster::block_on), Some(Ok(1)));
        assert_eq!(sends.map(pollster::block_on), Some(Ok(())));
        assert_eq!(receiver.try_recv(), Ok(9));
    });
}

//! Mailboxes, ports and links as operations of a select, and as futures.

use super::support::alone::alone;
use super::support::patience::PATIENCE;
use super::support::shared::Shared;
use super::{Board, LIMIT, SHORT, fork, id_of, made, numbered, opened, options, there};
use selvedge::message::{Capacity, MailError, Message, PortOptions, Select, SelectError};
use std::future::Future;
use std::task::{Context, Poll, Waker};
use std::thread;

#[test]
fn whichever_can_be_done_is_done_at_every_capacity() {
    // Of the unbounded one nobody waits for memory.
    for capacity in [Capacity::Zero, Capacity::Bounded(2), Capacity::Unbounded { quota: 100 }] {
        let region = options().anonymous().expect("a region");
        let port = region.port("port", &PortOptions::new(capacity)).expect("a port");
        let mailbox = port.claim().expect("nobody has it");
        let stop = region.event("stop").expect("an event");
        thread::scope(|scope| {
            scope.spawn(|| {
                for number in 0..100 {
                    let message = numbered(&number);
                    let mut select = Select::new();
                    let sends = select.post(&port, &message).expect("it fits");
                    let selected = select.select_timeout(PATIENCE).expect("somebody receives");
                    assert_eq!(selected.index(), sends);
                    selected.post(&port).expect("somebody receives");
                }
                stop.set().expect("it can be set");
            });
            let mut select = Select::new();
            let (letters, stopped) = (select.letter(&mailbox), select.event(&stop));
            let mut got = Vec::new();
            loop {
                let selected = select.select_timeout(PATIENCE).expect("somebody sends");
                if selected.index() == stopped {
                    break;
                }
                assert_eq!(selected.index(), letters);
                got.push(selected.letter(&mailbox).expect("a message").read::<u64>().expect("a number"));
            }
            got.extend(there(&mailbox));
            assert_eq!(got, (0..100).collect::<Vec<_>>(), "{capacity:?}");
        });
        assert_eq!(mailbox.in_use(), 0);
    }
}

#[test]
fn what_is_not_done_leaves_nothing_behind() {
    let region = options().anonymous().expect("a region");
    let port = region.port("port", &PortOptions::new(Capacity::Bounded(1))).expect("a port");
    let mailbox = port.claim().expect("nobody has it");
    let too_long = [0; 193];
    let message = numbered(&1);
    let long = Message::bytes(&too_long);
    let mut select = Select::new();
    assert!(matches!(select.post(&port, &long), Err(MailError::TooLong { length: 193, most: 192 })));
    select.letter(&mailbox);
    assert_eq!(select.try_select().map(drop), Err(SelectError::NotReady));
    assert_eq!(select.select_timeout(SHORT).map(drop), Err(SelectError::TimedOut));
    port.send(&message).expect("space");
    let mut full = Select::new();
    full.post(&port, &message).expect("it fits");
    assert_eq!(full.select_timeout(SHORT).map(drop), Err(SelectError::TimedOut));
    assert_eq!(mailbox.in_use(), 1);
    // One that was selected and is not wanted is gone, and its buffer comes home.
    drop(select.try_select().expect("it is there"));
    assert_eq!((mailbox.len(), mailbox.in_use()), (0, 0));
    port.close().expect("it can be closed");
    let closed = select.select_timeout(PATIENCE).expect("that is an answer");
    assert!(matches!(closed.letter(&mailbox), Err(MailError::Closed)));
    let closed = full.select_timeout(PATIENCE).expect("that is an answer");
    assert_eq!(closed.post(&port), Err(MailError::Closed));
}

#[test]
fn a_select_that_sleeps_is_told_of_a_message_and_of_the_end() {
    alone(LIMIT, || {
        let region = made();
        let port = super::port(&region, &super::bounded());
        let board = Shared::new(Board::default());
        let selects = fork("who selects", || {
            let region = opened();
            let mailbox = super::found(&region).claim().expect("nobody has it");
            let never = region.event("never").expect("an event");
            let mut select = Select::new();
            select.event(&never);
            select.letter(&mailbox);
            board.waits.set(1);
            let selected = select.select_timeout(PATIENCE).expect("it is sent");
            assert_eq!(selected.letter(&mailbox).expect("a message").read(), Ok(7_u64));
            board.ready.set(1);
            let selected = select.select_timeout(PATIENCE).expect("it is closed");
            assert!(matches!(selected.letter(&mailbox), Err(MailError::Closed)));
        });
        board.until_waiting(&selects);
        port.send(&numbered(&7)).expect("space");
        board.ready.wait("it has received it");
        super::until("it sleeps again", || selects.is_asleep());
        port.close().expect("it can be closed");
        selects.succeed();
    });
}

#[test]
fn futures_do_the_same_over_links_and_mailboxes() {
    alone(LIMIT, || {
        let region = made();
        let port = super::port(&region, &PortOptions::new(Capacity::Zero));
        let board = Shared::new(Board::default());
        let other = fork("the other", || {
            let region = opened();
            let mailbox = super::found(&region).claim().expect("nobody has it");
            board.ready.set(1);
            pollster::block_on(async {
                for number in 0..20_u64 {
                    let letter = mailbox.recv_async().await.expect("it is sent");
                    assert_eq!(letter.read(), Ok(number));
                    let from = letter.source().expect("it is known");
                    drop(letter);
                    let link = region.link(from).expect("it lives");
                    link.send_async(&numbered(&(2 * number))).await.expect("space");
                    // Until it is read the link is kept.
                    super::until("it is read", || link.unread() == 0);
                }
            });
        });
        board.ready.wait("it has claimed it");
        let link = region.link(id_of(&region, &other)).expect("it lives");
        pollster::block_on(async {
            for number in 0..20_u64 {
                port.send_async(&numbered(&number)).await.expect("somebody receives");
                // If the link was not made again yet it is as if the other had hung up.
                loop {
                    match link.recv_async().await {
                        Ok(letter) => break assert_eq!(letter.read(), Ok(2 * number)),
                        Err(MailError::Closed) => thread::yield_now(),
                        Err(error) => panic!("{error}"),
                    }
                }
            }
        });
        other.succeed();
    });
}

#[test]
fn a_future_that_is_dropped_takes_nothing() {
    let region = options().anonymous().expect("a region");
    let port = region.port("port", &PortOptions::new(Capacity::Bounded(1))).expect("a port");
    let mailbox = port.claim().expect("nobody has it");
    let mut context = Context::from_waker(Waker::noop());
    for number in 0..50 {
        let mut waits = Box::pin(mailbox.recv_async());
        assert!(waits.as_mut().poll(&mut context).is_pending());
        port.send(&numbered(&number)).expect("space");
        drop(waits);
        assert_eq!(there(&mailbox), [number]);
    }
    port.send(&numbered(&0)).expect("space");
    let message = numbered(&1);
    let mut sends = Box::pin(port.send_async(&message));
    assert!(sends.as_mut().poll(&mut context).is_pending());
    assert_eq!(mailbox.recv().expect("it is there").read(), Ok(0_u64));
    assert_eq!(mailbox.recv_timeout(PATIENCE).expect("it is sent").read(), Ok(1_u64));
    super::until("the future knows", || matches!(sends.as_mut().poll(&mut context), Poll::Ready(Ok(()))));
    drop(sends);
    super::until("all buffers come home", || mailbox.in_use() == 0);
    let too_long = [0; 193];
    let long = Message::bytes(&too_long);
    let mut refused = Box::pin(port.send_async(&long));
    assert!(matches!(refused.as_mut().poll(&mut context), Poll::Ready(Err(MailError::TooLong { .. }))));
}

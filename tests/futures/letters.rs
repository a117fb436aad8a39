//! Mailboxes as futures, under each runtime, and by descriptors; links between two processes; and many futures at once.

use super::{LIMIT, on_each, region};
use crate::support::actors::fork;
use crate::support::alone::alone;
use crate::support::patience::PATIENCE;
use crate::support::shared::{Mark, Shared};
use rustix::event::{Timespec, epoll};
use selvedge::message::{Capacity, LinkOptions, MailError, Mailbox, Message, Port, PortOptions};
use selvedge::region::RegionOptions;
use std::thread;
use tokio::io::unix::AsyncFd;

const CAPACITIES: [Capacity; 3] = [Capacity::Zero, Capacity::Bounded(1), Capacity::Unbounded { quota: 256 }];
const EACH: u64 = 200;

fn mail(capacity: Capacity) -> (Port, Mailbox) {
    let port = region().port("letters", &PortOptions::new(capacity)).expect("a port");
    let mailbox = port.claim().expect("nobody has it");
    (port, mailbox)
}

async fn receive_all(mailbox: &Mailbox) {
    for number in 0..EACH {
        let letter = mailbox.recv_async().await.expect("it is sent");
        assert_eq!(letter.read(), Ok(number));
    }
}

async fn send_all(port: &Port) {
    for number in 0..EACH {
        port.send_async(&Message::of(&number)).await.expect("it is received");
    }
}

#[test]
fn letters_are_awaited() {
    for capacity in CAPACITIES {
        on_each(|| async move {
            let (port, mailbox) = mail(capacity);
            thread::scope(|scope| {
                scope.spawn(|| pollster::block_on(send_all(&port)));
                pollster::block_on(receive_all(&mailbox));
            });
            // And both in one task of the runtime.
            tokio::join!(send_all(&port), receive_all(&mailbox));
        });
    }
}

/// Each way, between two processes; and the end.
#[test]
fn letters_of_a_link_are_awaited() {
    alone(LIMIT, || {
        let options = LinkOptions::new().capacity(1).body(64);
        let region = RegionOptions::new().processes(4).threads(8).objects(8).arena(128 << 10).create("linked");
        let region = region.expect("a region");
        let _name = region.take_name("director").expect("nobody has it");
        let ready = Shared::new(Mark::default());
        let other = fork("the other", || {
            let region = RegionOptions::new().open("linked").expect("the director has made it");
            let link = region.link_with("director", &options).expect("it lives");
            ready.set(1);
            pollster::block_on(async {
                for number in 0..EACH {
                    assert_eq!(link.recv_async().await.expect("it is sent").read(), Ok(number));
                    link.send_async(&Message::of(&(number + 1))).await.expect("it is received");
                }
            });
        });
        ready.wait("the other has the link");
        let link = region.link_with(other.pid(), &options).expect("it lives");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            for number in 0..EACH {
                link.send_async(&Message::of(&number)).await.expect("it is received");
                assert_eq!(link.recv_async().await.expect("it is answered").read(), Ok(number + 1));
            }
            assert_eq!(link.recv_async().await.map(drop), Err(MailError::Closed), "nobody is left");
        });
        other.succeed();
    });
}

#[test]
fn descriptors_of_mailbox_and_port_work_in_a_reactor() {
    for capacity in [Capacity::Bounded(1), Capacity::Bounded(4)] {
        let (port, mailbox) = mail(capacity);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let (mail, space) = (mailbox.descriptor().expect("one"), port.send_descriptor().expect("one"));
            // SAFETY: it owns its descriptor, and keeps it as long as it lives.
            let mut mail = unsafe { AsyncFd::register(mail) }.expect("it can be watched");
            // SAFETY: as above.
            let mut space = unsafe { AsyncFd::register(space) }.expect("it can be watched");
            let receives = async {
                let mut number = 0;
                while number < EACH {
                    let mut guard = mail.readable_mut().await.expect("a reactor");
                    guard.get_inner_mut().rearm().expect("a thread");
                    guard.clear_ready();
                    while let Ok(letter) = mailbox.try_recv() {
                        assert_eq!(letter.read(), Ok(number));
                        number += 1;
                    }
                }
            };
            let sends = async {
                let mut number = 0;
                while number < EACH {
                    let mut guard = space.readable_mut().await.expect("a reactor");
                    guard.get_inner_mut().rearm().expect("a thread");
                    guard.clear_ready();
                    while number < EACH && port.try_send(&Message::of(&number)).is_ok() {
                        number += 1;
                    }
                }
            };
            tokio::time::timeout(PATIENCE, async { tokio::join!(receives, sends) }).await.expect("in time");
        });
    }
}

#[test]
fn epoll_tells_which_of_several_is_worth_a_look() {
    const READABLE: epoll::EventFlags = epoll::EventFlags::IN;
    let region = region();
    let [(one, first), (other, second)] =
        ["one", "other"].map(|name| region.channel::<u64>(name, Capacity::Bounded(1)).expect("a channel"));
    let (mut here, mut there) = (first.descriptor().expect("one"), second.descriptor().expect("one"));
    let all = epoll::create(epoll::CreateFlags::CLOEXEC).expect("an epoll");
    epoll::add(&all, &here, epoll::EventData::new_u64(1), READABLE).expect("it can be watched");
    epoll::add(&all, &there, epoll::EventData::new_u64(2), READABLE).expect("it can be watched");
    let told = |time: i64| {
        let mut events = Vec::with_capacity(4);
        let time = Timespec { tv_sec: time, tv_nsec: if time == 0 { 5_000_000 } else { 0 } };
        epoll::wait(&all, rustix::buffer::spare_capacity(&mut events), Some(&time)).expect("epoll");
        events.iter().map(|event| event.data.u64()).collect::<Vec<_>>()
    };
    assert_eq!(told(0), [0; 0]);
    other.send(5).expect("there is space");
    assert_eq!(told(20), [2]);
    there.rearm().expect("a thread");
    assert_eq!(second.try_recv(), Ok(5));
    // It may have been told of it before that was received: once.
    if told(0) == [2] {
        there.rearm().expect("a thread");
    }
    one.send(6).expect("there is space");
    assert_eq!(told(20), [1]);
    here.rearm().expect("a thread");
    assert_eq!(first.try_recv(), Ok(6));
}

/// More than one wait has words.
#[test]
fn as_many_futures_are_awaited_as_there_are() {
    const FUTURES: usize = 300;
    let options = RegionOptions::new().processes(2).threads(8).objects(2 * u32::try_from(FUTURES).expect("few"));
    let region = options.arena(1 << 20).anonymous().expect("a region");
    let events: Vec<_> = (0..FUTURES).map(|index| region.event(&index.to_string()).expect("an event")).collect();
    let seats = region.semaphore("seats", 0).expect("a semaphore");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let both = async {
        let local = tokio::task::LocalSet::new();
        let tasks: Vec<_> = events
            .iter()
            .map(|event| {
                let (happens, sits) = (event.wait_async(), seats.acquire_async(1));
                local.spawn_local(async {
                    happens.await.expect("it happens");
                    sits.await.expect("there is a seat");
                })
            })
            .collect();
        let happens = async {
            // From the last on: which of them is first must not matter.
            for event in events.iter().rev() {
                tokio::task::yield_now().await;
                event.set().expect("usable");
            }
            seats.release_many(u32::try_from(FUTURES).expect("few")).expect("few");
        };
        local
            .run_until(async {
                happens.await;
                for task in tasks {
                    task.await.expect("it has not panicked");
                }
            })
            .await;
    };
    runtime.block_on(async { tokio::time::timeout(PATIENCE, both).await }).expect("in time");
    assert_eq!(seats.available(), 0);
}

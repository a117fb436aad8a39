//! Without `futex_waitv` (before Linux 5.16) keepers poll: deaths are still noticed, by polling alone.
#![cfg(not(loom))]

#[path = "support"]
mod support {
    pub(crate) mod actors;
    pub(crate) mod alone;
    pub(crate) mod asleep;
    pub(crate) mod patience;
    pub(crate) mod proc;
    pub(crate) mod shared;
}

use selvedge::message::{Capacity, Select};
use selvedge::primitives::waiting::Wait;
use selvedge::region::{LockError, RegionOptions};
use selvedge::sync::{has_waitv, steps};
use std::thread;
use std::time::Duration;
use support::actors::fork;
use support::alone::alone;
use support::asleep::asleep;
use support::patience::patience;
use support::shared::{Mark, Shared};

/// Regions whose sleepers leave every repair to the keepers.
fn options() -> RegionOptions {
    RegionOptions::new().processes(8).threads(8).objects(16).arena(64 << 10).backstop(None)
}

/// How many owners are killed, each while somebody waits.
const KILLS: u32 = 20;

#[test]
fn keepers_that_poll_notice_every_death() {
    alone(Duration::from_secs(120), || {
        steps::forbid_waitv();
        assert!(!has_waitv(), "the call was to be taken away");
        for _ in 0..KILLS {
            let locked = Shared::new(Mark::default());
            let owner = fork("owner", || {
                let region = options().open_or_create("polled").expect("the region");
                let value = region.mutex("value", 0_u32).expect("the mutex");
                let guard = value.lock().expect("nobody else locks it yet");
                locked.set(1);
                // Holds it until it is killed.
                locked.wait_while(1, "the kill");
                drop(guard);
            });
            locked.wait("the owner to lock");
            let region = options().open_or_create("polled").expect("the region");
            let value = region.mutex("value", 0_u32).expect("the mutex");
            owner.kill();
            match value.lock_deadline(patience()) {
                Err(LockError::OwnerDied(mut guard)) => guard.mark_consistent(),
                other => panic!("the owner died, and the lock says {other:?}"),
            }
            owner.await_death();
        }
    });
}

#[test]
fn who_selects_and_who_waits_for_futures_looks_now_and_then() {
    alone(Duration::from_secs(120), || {
        steps::forbid_waitv();
        let region = options().anonymous().expect("a region");
        let (sender, receiver) = region.channel::<u64>("channel", Capacity::Bounded(4)).expect("a channel");
        let event = region.event("event").expect("an event");
        for round in 0..10 {
            let sends = thread::scope(|scope| {
                let waits = asleep(scope, || {
                    let mut select = Select::new().with_wait(Wait::Block);
                    // The second word is the one that no wait is on.
                    select.event(&event);
                    select.recv(&receiver);
                    select.select_deadline(patience()).expect("in time").recv(&receiver)
                });
                sender.send(round).expect("there is space");
                waits.join().expect("it ends")
            });
            assert_eq!(sends, Ok(round));
            thread::scope(|scope| {
                let waits = asleep(scope, || pollster::block_on(receiver.recv_async()));
                sender.send(round).expect("there is space");
                let deadline = patience();
                while !waits.is_finished() {
                    assert!(!deadline.has_passed(), "the future waits in vain for a message");
                    thread::yield_now();
                }
                assert_eq!(waits.join().expect("it ends"), Ok(round));
            });
        }
    });
}

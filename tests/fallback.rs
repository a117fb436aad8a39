//! Without `futex_waitv` (before Linux 5.16) keepers poll: deaths are still noticed, by polling alone.
#![cfg(not(loom))]

#[path = "support/actors.rs"]
mod actors;
#[path = "support/alone.rs"]
mod alone;
#[path = "support/patience.rs"]
mod patience;
#[path = "support/proc.rs"]
mod proc;
#[path = "support/shared.rs"]
mod shared;

use actors::fork;
use alone::alone;
use patience::patience;
use selvedge::region::{LockError, RegionOptions};
use selvedge::sync::{has_waitv, steps};
use shared::{Mark, Shared};
use std::time::Duration;

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

//! Money moves from one account to the other; whoever is killed half way, the next to come sees it, mends it and goes on.
//!
//! Run it in two terminals: with the argument `slowly` it stops half way, the accounts locked, until it reads a line or is
//! killed. README, "A death, seen from both sides", has what each terminal then shows: `cargo run --example survivor`.

#![cfg_attr(loom, allow(dead_code, unused_imports, reason = "a model has no second process"))]

use selvedge::Region;
use selvedge::region::{LockError, Mutex, MutexGuard};
use std::error::Error;
use std::time::Duration;

/// The region, which is there until somebody removes it: `selvedge rm bank`.
const REGION: &str = "bank";
/// What the accounts have together, whenever nobody moves any of it.
const TOTAL: u64 = 100;
const MOVED: u64 = 30;
/// Those who may be in the bank at once.
const DESKS: u32 = 2;
/// Who waits longer waits for something that will not happen.
const PATIENCE: Duration = Duration::from_secs(300);

/// The two accounts.
type Accounts = [u64; 2];
type Locked<'a> = Result<MutexGuard<'a, Accounts>, LockError<MutexGuard<'a, Accounts>>>;

fn say(what: &str) {
    println!("process {}: {what}", std::process::id());
}

fn lock(accounts: &Mutex<Accounts>) -> Locked<'_> {
    match accounts.try_lock() {
        Err(LockError::WouldBlock) => {
            say("somebody has the accounts, I wait");
            accounts.lock_timeout(PATIENCE)
        }
        answer => answer,
    }
}

/// Locks the accounts, and gives back what somebody dead has taken.
fn enter(accounts: &Mutex<Accounts>) -> Result<MutexGuard<'_, Accounts>, Box<dyn Error>> {
    match lock(accounts) {
        Ok(accounts) => Ok(accounts),
        Err(LockError::OwnerDied(mut accounts)) => {
            let missing = TOTAL.saturating_sub(accounts.iter().sum());
            say(&format!("whoever had the accounts died: {accounts:?}, {missing} are missing; I put them back"));
            accounts[0] += missing;
            accounts.mark_consistent();
            Ok(accounts)
        }
        Err(error) => Err(error.to_string().into()),
    }
}

#[cfg(not(loom))]
fn main() -> Result<(), Box<dyn Error>> {
    let slowly = std::env::args().nth(1).is_some_and(|argument| argument == "slowly");
    let region = Region::open_or_create(REGION)?;
    let desks = region.owned_semaphore("desks", DESKS)?;
    let accounts = region.mutex("accounts", [TOTAL, 0])?;
    let desk = desks.acquire_timeout(1, PATIENCE).map_err(|error| error.to_string())?;
    let mut accounts = enter(&accounts)?;
    say(&format!("I have the accounts: {accounts:?}, and {} of {DESKS} desks are free", desks.available()));
    if accounts[0] < MOVED {
        return Err("the first account has not enough".into());
    }
    accounts[0] -= MOVED;
    if slowly {
        say(&format!("took {MOVED} from the first account: {accounts:?}; press Enter, or kill me"));
        std::io::stdin().read_line(&mut String::new())?;
    }
    accounts[1] += MOVED;
    say(&format!("gave {MOVED} to the second account: {accounts:?}"));
    drop(accounts);
    drop(desk);
    Ok(())
}

#[cfg(loom)]
fn main() {}

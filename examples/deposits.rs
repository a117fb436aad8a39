//! A bank whose clerk is killed in the middle of his work, and a teller who does not know what she has sent: no deposit is lost, none
//! counts twice.
//!
//! Tellers send deposits through the port `deposits`, which delivers at least once: a deposit is received again until a clerk has
//! acknowledged it. Each has the name of its teller and a number of her own. A clerk lets it take effect on the value `bank`, which in
//! one step changes the balance and notes the number; so the clerk after him, who receives it again, sees whether it has.
//!
//! A clerk is killed by `SIGKILL` when he has received a deposit and done nothing, the one after him when he has computed the new balance and not
//! put it down. The first teller is killed, too; she who takes her place asks the bank how far she had come, and sends the last ones once
//! more, to be sure.
//!
//! Run it with `cargo run --example deposits`.

#![cfg_attr(loom, allow(dead_code, reason = "a model has no second process"))]

use selvedge::message::{Capacity, Delivery, Effect, Effects, Letter, Message, Port, PortOptions};
use selvedge::{Deadline, Region};
use std::error::Error;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command};
use std::time::Duration;

/// So many deposits each teller makes.
const DEPOSITS: u64 = 20;
/// So many of hers the first teller sends before she is killed.
const SENT: u64 = 7;
/// So many of hers the one who takes her place sends again, even if they have taken effect.
const AGAIN: u64 = 2;
const TELLERS: [&str; 2] = ["mabel", "jo"];
/// Who waits longer waits for something that will not happen.
const PATIENCE: Duration = Duration::from_secs(20);

/// What a clerk is doing when he is killed.
const PLACES: [&str; 2] = ["has a deposit in his hands", "has computed the new balance"];

type Outcome<T> = Result<T, Box<dyn Error>>;

/// The balance, and how many deposits there were.
type Bank = Effects<[u64; 2]>;

fn opened(region: &Region) -> Outcome<(Port, Bank)> {
    let options = PortOptions::new(Capacity::Bounded(8)).delivery(Delivery::AtLeastOnce);
    Ok((region.port("deposits", &options)?, region.effects("bank", TELLERS.len(), [0, 0])?))
}

/// What this teller deposits as number so-and-so.
fn amount(teller: &str, number: u64) -> u64 {
    number * if teller == TELLERS[0] { 100 } else { 1 }
}

/// Sends what is to be sent from where she was on. The first time the first one stops, and waits to be killed.
fn deposit(region: &Region, teller: &str, is_new: bool) -> Outcome<()> {
    let (port, bank) = opened(region)?;
    let taken = bank.client(teller)?;
    for number in taken.saturating_sub(AGAIN) + 1..=DEPOSITS {
        if is_new && teller == TELLERS[0] && number > SENT {
            region.event("teller")?.set()?;
            std::thread::sleep(PATIENCE);
            return Err("nobody killed this process".into());
        }
        port.send_timeout(&Message::of(&amount(teller, number)).client(teller, number), PATIENCE)?;
    }
    Ok(())
}

/// A clerk, until all deposits have taken effect; or until the place where this one waits to be killed.
fn work(region: &Region, place: usize) -> Outcome<()> {
    let (port, bank) = opened(region)?;
    let mailbox = port.claim_timeout(PATIENCE)?;
    let killed = region.event("clerk")?;
    let waits_to_be_killed = |here: usize| {
        if here == place && killed.set().is_ok() {
            std::thread::sleep(PATIENCE);
        }
    };
    let add = |[balance, count]: &mut [u64; 2], letter: &Letter<'_>| {
        *balance += letter.read::<u64>().unwrap_or(0);
        *count += 1;
        waits_to_be_killed(1);
    };
    let mut before = 0;
    while bank.read()?[1] < DEPOSITS * TELLERS.len() as u64 {
        let letter = mailbox.recv_timeout(PATIENCE).map_err(|why| format!("waited for deposits: {why}"))?;
        waits_to_be_killed(0);
        if bank.apply(letter, add)? == Effect::Before {
            before += 1;
        }
    }
    println!("the last clerk was given {before} that had taken effect before");
    Ok(())
}

/// Those who were started, of whom none outlives the one who started them.
struct Running(Child);

impl Running {
    fn start(region: &Region, role: &str, number: usize) -> Outcome<Self> {
        let arguments = [region.name().unwrap_or_default(), role, &number.to_string()].map(str::to_owned);
        Ok(Self(Command::new(std::env::current_exe()?).args(arguments).spawn()?))
    }

    /// Waits for it to end as it is to: well, or by `SIGKILL`, which it is sent.
    fn end(mut self, who: &str, kill: bool) -> Outcome<()> {
        if kill {
            self.0.kill()?;
        }
        let end = Deadline::after(PATIENCE);
        while self.0.try_wait()?.is_none() {
            if end.has_passed() {
                return Err(format!("waited {PATIENCE:?} for {who} to end").into());
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        let status = self.0.wait()?;
        let expected = if kill { status.signal() == Some(9) } else { status.success() };
        if expected { Ok(()) } else { Err(format!("{who}: {status}").into()) }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail if it has ended already, which is as good.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[cfg(not(loom))]
fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [region, role, number] = arguments.as_slice() {
        let (region, number): (_, usize) = (Region::open(region)?, number.parse()?);
        return match role.as_str() {
            "clerk" => work(&region, number),
            _ => deposit(&region, TELLERS[number % TELLERS.len()], number < TELLERS.len()),
        };
    }
    let region = Region::create(&format!("deposits-{}", std::process::id()))?;
    let outcome = direct(&region);
    region.unlink()?;
    outcome
}

#[cfg(loom)]
fn main() {}

fn direct(region: &Region) -> Outcome<()> {
    let (_port, bank) = opened(region)?;
    let (teller, clerk) = (region.event("teller")?, region.event("clerk")?);
    let mabel = Running::start(region, "teller", 0)?;
    for (place, what) in PLACES.iter().enumerate() {
        let killed = Running::start(region, "clerk", place)?;
        clerk.wait_timeout(PATIENCE).map_err(|why| format!("waited for a clerk: {why}"))?;
        killed.end("a clerk", true)?;
        clerk.reset()?;
        println!("a clerk {what}, and is killed");
    }
    let last = Running::start(region, "clerk", PLACES.len())?;
    let jo = Running::start(region, "teller", 1)?;
    teller.wait_timeout(PATIENCE).map_err(|why| format!("waited for {}: {why}", TELLERS[0]))?;
    mabel.end(TELLERS[0], true)?;
    println!("{} has sent {SENT} of {DEPOSITS}, and is killed", TELLERS[0]);
    Running::start(region, "teller", TELLERS.len())?.end("another one", false)?;
    jo.end(TELLERS[1], false)?;
    last.end("the last clerk", false)?;
    let expected: u64 = TELLERS.iter().flat_map(|teller| (1..=DEPOSITS).map(|number| amount(teller, number))).sum();
    let [balance, count] = bank.read()?;
    println!("{count} deposits, and {balance} in the bank");
    if balance == expected { Ok(()) } else { Err(format!("{expected} were deposited").into()) }
}

//! One process produces what another consumes, through a channel of each capacity.
//!
//! The program, which consumes, starts itself as a producer. With capacity zero each number passes from hand to hand; a bounded
//! channel lets the producer run ahead by so many; an unbounded one lets it finish before anything is consumed. The last
//! producer is killed by `SIGKILL` half way: what it had sent is consumed, and then the consumer is told that nobody is left.
//! Run it with `cargo run --example producer_consumer`.

#![cfg_attr(loom, allow(dead_code, reason = "a model has no second process"))]

use selvedge::Region;
use selvedge::message::{Capacity, RecvError};
use std::error::Error;
use std::process::{Child, Command};
use std::time::Duration;

const ALL: u64 = 10_000;
/// The channels. The last one is for the producer that is killed: where a producer has left already nobody is waited for.
const CHANNELS: [(&str, Capacity); 4] = [
    ("zero", Capacity::Zero),
    ("bounded", Capacity::Bounded(64)),
    ("unbounded", Capacity::Unbounded { quota: 10_000 }),
    ("half way", Capacity::Bounded(64)),
];
/// Who waits longer waits for something that will not happen.
const PATIENCE: Duration = Duration::from_secs(10);

fn capacity(name: &str) -> Result<Capacity, Box<dyn Error>> {
    let known = CHANNELS.iter().find(|(known, _)| *known == name);
    known.map(|(_, capacity)| *capacity).ok_or_else(|| format!("no such channel: {name}").into())
}

/// Sends the numbers from 1 to `last`; and if these are not all, waits to be killed.
fn produce(region: &Region, name: &str, last: u64) -> Result<(), Box<dyn Error>> {
    let numbers = region.sender::<u64>(name, capacity(name)?)?;
    for number in 1..=last {
        numbers.send_timeout(number, PATIENCE)?;
    }
    if last < ALL {
        std::thread::sleep(PATIENCE);
        return Err("nobody killed this process".into());
    }
    Ok(())
}

fn start(region: &Region, name: &str, last: u64) -> Result<Child, Box<dyn Error>> {
    let arguments = [region.name().unwrap_or_default(), name, &last.to_string()].map(str::to_owned);
    Ok(Command::new(std::env::current_exe()?).args(arguments).spawn()?)
}

/// Receives until nobody is left to send. How many numbers came, which must be 1 and those that follow.
fn consume(region: &Region, name: &str, mut producer: Child, kill_at: u64) -> Result<u64, Box<dyn Error>> {
    let numbers = region.receiver::<u64>(name, capacity(name)?)?;
    for expected in 1.. {
        match numbers.recv_timeout(PATIENCE) {
            Ok(number) if number == expected => {}
            Ok(number) => return Err(format!("{number} where {expected} had to come").into()),
            Err(RecvError::Disconnected) => {
                producer.wait()?;
                return Ok(expected - 1);
            }
            Err(error) => return Err(error.into()),
        }
        if expected == kill_at {
            producer.kill()?;
        }
    }
    Err("more numbers than there are".into())
}

#[cfg(not(loom))]
fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [region, name, last] = arguments.as_slice() {
        return produce(&Region::open(region)?, name, last.parse()?);
    }
    let region = Region::create(&format!("producer-consumer-{}", std::process::id()))?;
    let outcome = all(&region);
    region.unlink()?;
    outcome
}

#[cfg(not(loom))]
fn all(region: &Region) -> Result<(), Box<dyn Error>> {
    for (name, _) in CHANNELS {
        let (last, kill_at) = if name == "half way" { (ALL / 2, ALL / 2) } else { (ALL, 0) };
        let count = consume(region, name, start(region, name, last)?, kill_at)?;
        println!("{name}: {count} numbers, and then nobody was left to send");
    }
    Ok(())
}

#[cfg(loom)]
fn main() {}

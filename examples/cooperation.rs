//! Two processes count what one would count alone, and are done sooner.
//!
//! The primes below a million are counted in chunks. First this process counts by itself, without any shared memory; then it hands
//! the same chunks out through a channel to two workers, which it has started of itself, and gathers their counts through another.
//! That is repeated a few times, one after the other, so that both meet the same machine; the workers sleep while this process
//! counts, and this process sleeps while they do. All counts must be right. The times, of which each is the best of its
//! kind, are printed and tested by nobody: on a machine that is busy, or has one core, two are no faster than one.
//! Run it with `cargo run --release --example cooperation`.

#![cfg_attr(loom, allow(dead_code, reason = "a model has no second process"))]

use selvedge::Region;
use selvedge::message::{Capacity, Receiver, RecvError, Sender};
use std::error::Error;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

/// The primes below this are counted.
const END: u64 = 1_000_000;
/// So many there are.
const PRIMES: u64 = 78_498;
/// Numbers in a chunk.
const CHUNK: u64 = 5_000;
const CHUNKS: usize = 200;
const CAPACITY: Capacity = Capacity::Bounded(CHUNKS);
const WORKERS: u64 = 2;
const ROUNDS: usize = 3;
/// Who waits longer waits for something that will not happen.
const PATIENCE: Duration = Duration::from_secs(20);

fn is_prime(n: u64) -> bool {
    n >= 2 && (2..).take_while(|divisor| divisor * divisor <= n).all(|divisor| !n.is_multiple_of(divisor))
}

/// The primes among the numbers of a chunk, which begins with this one.
fn count(start: u64) -> u64 {
    (start..start + CHUNK).filter(|n| is_prime(*n)).count() as u64
}

fn starts() -> impl Iterator<Item = u64> {
    (0..END).step_by(usize::try_from(CHUNK).unwrap_or(usize::MAX))
}

/// A worker: counts what comes until nobody is left to hand anything out.
fn work(region: &Region) -> Result<(), Box<dyn Error>> {
    let counts: Sender<u64> = region.sender("counts", CAPACITY)?;
    let chunks: Receiver<u64> = region.receiver("chunks", CAPACITY)?;
    region.semaphore("ready", 0)?.release()?;
    loop {
        match chunks.recv_timeout(PATIENCE) {
            Ok(start) => counts.send_timeout(count(start), PATIENCE)?,
            Err(RecvError::Disconnected) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}

/// The workers, of whom none outlives the one who started them.
#[derive(Default)]
struct Workers(Vec<Child>);

impl Drop for Workers {
    fn drop(&mut self) {
        for worker in &mut self.0 {
            // Both fail if it has ended already, which is as good.
            let _ = worker.kill();
            let _ = worker.wait();
        }
    }
}

/// The count, and how long it took.
fn timed(count: impl FnOnce() -> Result<u64, Box<dyn Error>>) -> Result<Duration, Box<dyn Error>> {
    let start = Instant::now();
    let counted = count()?;
    let took = start.elapsed();
    if counted != PRIMES {
        return Err(format!("{counted} primes were counted, and there are {PRIMES}").into());
    }
    Ok(took)
}

#[cfg(not(loom))]
fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [region] = arguments.as_slice() {
        return work(&Region::open(region)?);
    }
    let region = Region::create(&format!("cooperation-{}", std::process::id()))?;
    let outcome = compare(&region);
    region.unlink()?;
    outcome
}

fn compare(region: &Region) -> Result<(), Box<dyn Error>> {
    let chunks: Sender<u64> = region.sender("chunks", CAPACITY)?;
    let counts: Receiver<u64> = region.receiver("counts", CAPACITY)?;
    let mut workers = Workers::default();
    for _ in 0..WORKERS {
        let name = region.name().unwrap_or_default();
        workers.0.push(Command::new(std::env::current_exe()?).arg(name).spawn()?);
    }
    let ready = region.semaphore("ready", 0)?;
    (0..WORKERS).try_for_each(|_| ready.acquire_timeout(1, PATIENCE))?;
    let alone = || Ok(starts().map(count).sum());
    let together = || {
        starts().try_for_each(|start| chunks.send_timeout(start, PATIENCE))?;
        let mut sum = 0;
        for _ in starts() {
            sum += counts.recv_timeout(PATIENCE)?;
        }
        Ok(sum)
    };
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        times.push((timed(alone)?, timed(together)?));
    }
    drop(chunks);
    for worker in &mut workers.0 {
        let status = worker.wait()?;
        if !status.success() {
            return Err(format!("a worker: {status}").into());
        }
    }
    let best = |time: fn(&(Duration, Duration)) -> Duration| times.iter().map(time).min().unwrap_or_default();
    let (one, two) = (best(|(one, _)| *one), best(|(_, two)| *two));
    println!("one process counted {PRIMES} primes in {:.1} ms", one.as_secs_f64() * 1e3);
    println!("two processes counted {PRIMES} primes in {:.1} ms", two.as_secs_f64() * 1e3);
    println!("ratio {:.2}", one.as_secs_f64() / two.as_secs_f64());
    Ok(())
}

#[cfg(loom)]
fn main() {}

//! A counter of two processes, one of which is killed in the middle of counting; the other goes on.
//!
//! The program starts itself twice. Each child locks the mutex, counts, unlocks. One of them stops half way, with the
//! mutex locked and the counter's two words at odds, and is killed by `SIGKILL`. The other, which waits for the mutex,
//! gets it with the news that its last holder died, repairs the counter and goes on. Run it with
//! `cargo run --example counter`.

#![cfg_attr(loom, allow(dead_code, reason = "a model has no second process"))]

use selvedge::Region;
use selvedge::region::{LockError, Mutex, MutexGuard, Shared, Tag};
use std::error::Error;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// How often each child counts.
const TIMES: u64 = 10_000;
/// Who waits longer waits for something that will not happen.
const PATIENCE: Duration = Duration::from_secs(10);

/// Two words that are equal whenever nobody is counting.
#[derive(Clone, Copy, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Counter {
    begun: u64,
    done: u64,
}

impl Shared for Counter {
    const TAG: Tag = Tag::new("counter-example.counter/1");
}

fn lock(mutex: &Mutex<Counter>) -> Result<MutexGuard<'_, Counter>, Box<dyn Error>> {
    match mutex.lock_timeout(PATIENCE) {
        Ok(counter) => Ok(counter),
        Err(LockError::OwnerDied(mut counter)) => {
            println!("the last holder died after it had begun {} and done {}", counter.begun, counter.done);
            // What was begun and not done is begun anew.
            counter.begun = counter.done;
            counter.mark_consistent();
            Ok(counter)
        }
        Err(error) => Err(error.to_string().into()),
    }
}

fn count(mutex: &Mutex<Counter>) -> Result<(), Box<dyn Error>> {
    let mut counter = lock(mutex)?;
    counter.begun += 1;
    counter.done += 1;
    Ok(())
}

/// A child that counts, and then waits for its end half way through one count more.
fn victim(mutex: &Mutex<Counter>) -> Result<(), Box<dyn Error>> {
    (0..TIMES).try_for_each(|_| count(mutex))?;
    let mut counter = lock(mutex)?;
    counter.begun += 1;
    println!("half way");
    std::thread::sleep(PATIENCE);
    Err("nobody killed this process".into())
}

fn survivor(mutex: &Mutex<Counter>) -> Result<(), Box<dyn Error>> {
    // Waits for the victim to begin, so that it is the survivor who finds what the victim left.
    std::io::stdin().lock().read_line(&mut String::new())?;
    (0..TIMES).try_for_each(|_| count(mutex))
}

fn start(role: &str, region: &Region) -> Result<Child, Box<dyn Error>> {
    let name = region.name().unwrap_or_default();
    let mut command = Command::new(std::env::current_exe()?);
    Ok(command.args([role, name]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?)
}

/// Prints what a child says, line by line.
fn lines(role: &'static str, child: &mut Child) -> impl Iterator<Item = std::io::Result<()>> {
    let output = child.stdout.take().map(BufReader::new);
    output.into_iter().flat_map(BufRead::lines).map(move |line| line.map(|line| println!("{role}: {line}")))
}

#[cfg(not(loom))]
fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    if let (Some(role), Some(name)) = (arguments.next(), arguments.next()) {
        let mutex = Region::open(&name)?.mutex("counter", Counter::default())?;
        return if role == "victim" { victim(&mutex) } else { survivor(&mutex) };
    }
    let region = Region::create(&format!("counter-example-{}", std::process::id()))?;
    let counted = run(&region);
    // Whatever happened, the name goes; the memory follows it when all processes have left.
    region.unlink()?;
    counted
}

fn run(region: &Region) -> Result<(), Box<dyn Error>> {
    let mutex = region.mutex("counter", Counter::default())?;
    let (mut first, mut second) = (start("victim", region)?, start("survivor", region)?);
    lines("victim", &mut first).next().ok_or("the victim ended early")??;
    // The survivor begins, and finds the mutex locked.
    drop(second.stdin.take());
    first.kill()?;
    println!("victim: {}", first.wait()?);
    lines("survivor", &mut second).collect::<Result<(), _>>()?;
    println!("survivor: {}", second.wait()?);
    let counter = *lock(&mutex)?;
    println!("{} counted by two processes of which one died", counter.done);
    match counter.done == 2 * TIMES && counter.begun == counter.done {
        true => Ok(()),
        false => Err("miscounted".into()),
    }
}

#[cfg(loom)]
fn main() {}

//! Orders from one process to another; the sending process is killed, and a second one goes on.
//!
//! The program, which receives, starts itself as a sender. That one sends its orders one by one, borrows room for a
//! batch, and is killed by `SIGKILL` with the batch half written. The receiver gets what was sent, then the news that
//! the sender died, and nothing of the batch. It starts a second sender, which takes the end over, is told from whom,
//! and goes on where the first one stopped. Run it with `cargo run --example ring`.

#![cfg_attr(loom, allow(dead_code, reason = "a model has no second process"))]

use selvedge::Region;
use selvedge::region::{Departure, Predecessor, Receiver, RecvError, Ring, Shared, Tag};
use std::error::Error;
use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// The first sender gets as far as this, the second one sends the rest.
const HALF: u64 = 5_000;
const ALL: u64 = 10_000;
/// Orders that sender and receiver can be apart.
const CAPACITY: usize = 64;
/// Who waits longer waits for something that will not happen.
const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Order {
    number: u64,
    article: u32,
    pieces: u32,
}

impl Shared for Order {
    const TAG: Tag = Tag::new("ring-example.order/1");
}

impl Order {
    fn new(number: u64) -> Self {
        let article = u32::try_from(number % 1000).unwrap_or_default();
        Self { number, article, pieces: 1 + article % 7 }
    }
}

/// A child that sends orders up to `last`, from `first` on.
fn send(orders: &Ring<Order>, first: u64, last: u64) -> Result<(), Box<dyn Error>> {
    let mut sender = orders.sender_timeout(PATIENCE)?;
    if sender.predecessor() == Predecessor::Died {
        println!("the sender before me died, I go on with order {first}");
    }
    for number in first..=last {
        sender.send_timeout(Order::new(number), PATIENCE)?;
    }
    if last < ALL {
        let mut batch = sender.loan(2)?;
        if let Some(order) = batch.get_mut(0) {
            *order = Order::new(last + 1);
        }
        println!("half way, with a batch half written");
        std::thread::sleep(PATIENCE);
        return Err("nobody killed this process".into());
    }
    Ok(())
}

/// Receives orders, which must be `first` and those that follow, until the sender is gone. The last one, and how it went.
fn receive(receiver: &mut Receiver<Order>, first: u64) -> Result<(u64, Departure), Box<dyn Error>> {
    for expected in first.. {
        match receiver.recv_timeout(PATIENCE) {
            Ok(order) if order == Order::new(expected) => {}
            Ok(order) => return Err(format!("{order:?} where order {expected} had to come").into()),
            Err(RecvError::Disconnected(gone)) => return Ok((expected - 1, gone.how)),
            Err(error) => return Err(error.into()),
        }
    }
    Err("more orders than there are numbers".into())
}

fn start(region: &Region, first: u64, last: u64) -> Result<(Child, BufReader<ChildStdout>), Box<dyn Error>> {
    let name = region.name().unwrap_or_default();
    let arguments = [name.to_owned(), first.to_string(), last.to_string()];
    let mut child = Command::new(std::env::current_exe()?).args(arguments).stdout(Stdio::piped()).spawn()?;
    let output = child.stdout.take().ok_or("no output")?;
    Ok((child, BufReader::new(output)))
}

/// Prints the next line that a child says.
fn pass_on(name: &str, output: &mut impl BufRead) -> Result<(), Box<dyn Error>> {
    let mut line = String::new();
    output.read_line(&mut line)?;
    print!("{name}: {line}");
    Ok(())
}

#[cfg(not(loom))]
fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [name, first, last] = &arguments[..] {
        let orders = Region::open(name)?.ring("orders", CAPACITY)?;
        return send(&orders, first.parse()?, last.parse()?);
    }
    let region = Region::create(&format!("ring-example-{}", std::process::id()))?;
    let received = run(&region);
    // Whatever happened, the name goes; the memory follows it when all processes have left.
    region.unlink()?;
    received
}

fn run(region: &Region) -> Result<(), Box<dyn Error>> {
    let orders = region.ring::<Order>("orders", CAPACITY)?;
    let mut receiver = orders.receiver()?;
    let (mut first, mut output) = start(region, 1, HALF)?;
    let (last, how) = std::thread::scope(|scope| {
        let killer = scope.spawn(move || -> Result<(), String> {
            pass_on("first sender", &mut output).map_err(|error| error.to_string())?;
            first.kill().map_err(|error| error.to_string())?;
            let status = first.wait().map_err(|error| error.to_string())?;
            println!("first sender: {status}");
            Ok(())
        });
        let received = receive(&mut receiver, 1);
        killer.join().map_err(|_| "the thread that kills has panicked")??;
        received
    })?;
    println!("receiver: the first sender has {how:?}, the last order is {last}");
    let (mut second, mut output) = start(region, last + 1, ALL)?;
    // Until it has taken the end there is no sender, and nothing to wait for.
    pass_on("second sender", &mut output)?;
    let (last, how) = receive(&mut receiver, last + 1)?;
    println!("second sender: {}", second.wait()?);
    println!("receiver: the second sender has {how:?}, the last order is {last}");
    match (last, how) {
        (ALL, Departure::Closed) => Ok(()),
        _ => Err("orders were lost".into()),
    }
}

#[cfg(loom)]
fn main() {}

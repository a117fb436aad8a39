//! Shared memory as operating-system lectures draw it: a bounded buffer in a plain segment, and three semaphores.
//!
//! ```text
//! producer                    empty = 4  full = 0  turn = 1                    consumer
//!   acquire empty                                                                acquire full
//!   acquire turn            ┌───────┬───────┬───────┬───────┐                    acquire turn
//!   write the slot    ───►  │       │       │       │       │  ───►              read the slot
//!   release turn            └───────┴───────┴───────┴───────┘                    release turn
//!   release full                     segment `slots`                             release empty
//! ```
//!
//! The two are processes: the program starts itself once more. Run it with `cargo run --example segment`. For messages
//! there is a `Ring` that needs none of this; the point here is what lies beneath.

#![cfg_attr(loom, allow(dead_code, reason = "a model has no second process"))]

use selvedge::Region;
use selvedge::region::{Segment, Semaphore};
use std::{error::Error, process::Command, time::Duration};

const SLOTS: u32 = 4;
const SLOT_BYTES: usize = 32;
const LINES: [&str; 6] = [
    "Mary had a little lamb,",
    "its fleece was white as snow,",
    "and everywhere",
    "that Mary went",
    "the lamb was sure",
    "to go.",
];
/// Nobody here takes long: who has waited so long waits for a process that has died.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where the slot of a line begins.
fn place(number: usize) -> usize {
    number % SLOTS as usize * SLOT_BYTES
}

/// What both processes open by its name.
struct Buffer {
    slots: Segment,
    empty: Semaphore,
    full: Semaphore,
    turn: Semaphore,
}

impl Buffer {
    fn open(region: &Region) -> Result<Self, Box<dyn Error>> {
        Ok(Self {
            slots: region.segment("slots", SLOTS as usize * SLOT_BYTES)?,
            empty: region.semaphore("empty", SLOTS)?,
            full: region.semaphore("full", 0)?,
            turn: region.semaphore("turn", 1)?,
        })
    }

    fn produce(&self, number: usize, line: &str) -> Result<(), Box<dyn Error>> {
        let mut slot = [b' '; SLOT_BYTES];
        slot[..line.len()].copy_from_slice(line.as_bytes());
        self.empty.acquire_timeout(1, PATIENCE)?;
        self.turn.acquire_timeout(1, PATIENCE)?;
        // SAFETY: both processes touch the slots only while they hold the one permit of `turn`.
        unsafe { self.slots.write(place(number), &slot) }?;
        self.turn.release()?;
        self.full.release()?;
        Ok(())
    }

    fn consume(&self, number: usize) -> Result<String, Box<dyn Error>> {
        let mut slot = [0; SLOT_BYTES];
        self.full.acquire_timeout(1, PATIENCE)?;
        self.turn.acquire_timeout(1, PATIENCE)?;
        // SAFETY: as in `produce`.
        unsafe { self.slots.read(place(number), &mut slot) }?;
        self.turn.release()?;
        self.empty.release()?;
        Ok(String::from_utf8(slot.to_vec())?.trim_end().to_owned())
    }
}

#[cfg(not(loom))]
fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    if let (Some("produce"), Some(name)) = (arguments.next().as_deref(), arguments.next()) {
        let buffer = Buffer::open(&Region::open(&name)?)?;
        for (number, line) in LINES.iter().enumerate() {
            buffer.produce(number, line)?;
        }
        return Ok(());
    }

    let region = Region::create(&format!("segment-example-{}", std::process::id()))?;
    let consumed = run(&region);
    // Whatever happened, the name goes; the memory follows it when both processes have left.
    region.unlink()?;
    consumed
}

fn run(region: &Region) -> Result<(), Box<dyn Error>> {
    let buffer = Buffer::open(region)?;
    let name = region.name().unwrap_or_default();
    let mut producer = Command::new(std::env::current_exe()?).args(["produce", name]).spawn()?;
    for number in 0..LINES.len() {
        println!("{}", buffer.consume(number)?);
    }
    let status = producer.wait()?;
    if !status.success() {
        return Err(format!("the producer failed: {status}").into());
    }
    Ok(())
}

#[cfg(loom)]
fn main() {}

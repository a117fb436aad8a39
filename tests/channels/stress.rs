//! Four processes at one channel for long: nothing is lost or doubled, and those of a sender come in its order.
//!
//! All ways to send and to receive are mixed by dice. `SELVEDGE_RUNS` is the number of messages of each sender; [`COUNT`] if it
//! is not set.

use super::{CAPACITIES, LIMIT, made, opened, receiver, sender};
use crate::support::actors::fork;
use crate::support::alone::alone;
use crate::support::dice::Dice;
use crate::support::pair::{Pair, number, pair};
use crate::support::patience::{PATIENCE, until};
use crate::support::shared::Shared;
use selvedge::message::{Capacity, Receiver, RecvError, SendError, Sender};
use selvedge::sync::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

/// Messages of each sender.
const COUNT: u64 = 50_000;
/// Messages of one sender for which there is a bit on one page.
const PAGE: u64 = 64 * 512;
/// Of the senders' dice; those of receivers begin at 0.
const SEED: u64 = 100;

/// How many processes send and receive: four in all.
const CASTS: [(u64, u64); 3] = [(2, 2), (3, 1), (1, 3)];

fn count() -> u64 {
    std::env::var("SELVEDGE_RUNS").map_or(COUNT, |runs| runs.parse().expect("SELVEDGE_RUNS is a number"))
}

/// Which messages were received, a bit for each, by sender and number.
struct Seen {
    count: u64,
    pages: Vec<Shared<[AtomicU64; 512]>>,
}

impl Seen {
    fn new(senders: u64, count: u64) -> Self {
        let pages = senders * count.div_ceil(PAGE);
        let page = |_| Shared::new(std::array::from_fn(|_| AtomicU64::new(0)));
        Self { count, pages: (0..pages).map(page).collect() }
    }

    fn note(&self, lane: u64, number: u64) {
        assert!(number < self.count, "{number} was never sent");
        let page = lane * self.count.div_ceil(PAGE) + number / PAGE;
        let index = |number: u64| usize::try_from(number).expect("64 bits");
        let bit = 1 << (number % 64);
        let before = self.pages[index(page)][index(number % PAGE / 64)].fetch_or(bit, Ordering::Relaxed);
        assert_eq!(before & bit, 0, "{number} of sender {lane} was received twice");
    }

    fn all(&self) -> u64 {
        let words = self.pages.iter().flat_map(|page| page.iter());
        words.map(|word| u64::from(word.load(Ordering::Acquire).count_ones())).sum()
    }
}

/// Sends in one of the ways; false if it could not be sent now.
fn send(sender: &Sender<Pair>, message: Pair, dice: &mut Dice) -> bool {
    let sent = match dice.below(4) {
        0 => sender.try_send(message),
        1 => sender.send_timeout(message, Duration::from_micros(dice.below(200))),
        2 => sender.send_all(&[message]).map_err(|(_, error)| error),
        _ => sender.send_timeout(message, PATIENCE),
    };
    match sent {
        Ok(()) => true,
        Err(SendError::Full(_) | SendError::TimedOut(_) | SendError::OutOfMemory(..)) => false,
        Err(error) => panic!("a send: {error}"),
    }
}

/// Receives in one of the ways, which may be nothing; false if nobody is left.
fn receive(receiver: &Receiver<Pair>, into: &mut Vec<Pair>, dice: &mut Dice) -> bool {
    let got = match dice.below(4) {
        0 => receiver.try_recv().map(|message| into.push(message)),
        1 => receiver.recv_timeout(Duration::from_micros(dice.below(200))).map(|message| into.push(message)),
        2 => receiver.recv_many(into, 3).map(|_| ()),
        _ => receiver.recv_timeout(PATIENCE).map(|message| into.push(message)),
    };
    match got {
        Ok(()) | Err(RecvError::Empty | RecvError::TimedOut) => true,
        Err(RecvError::Disconnected) => false,
        Err(error) => panic!("a receive: {error}"),
    }
}

/// Receives until nobody is left.
fn receive_all(receiver: &Receiver<Pair>, seen: &Seen, mut dice: Dice) {
    let (mut next, mut got) = ([0; 4], Vec::new());
    while receive(receiver, &mut got, &mut dice) {
        for message in got.drain(..) {
            let message = number(message);
            let (lane, number) = (message >> 48, message & 0xffff_ffff);
            let next = &mut next[usize::try_from(lane).expect("few")];
            assert!(*next <= number, "{number} of sender {lane} came after {}", *next - 1);
            *next = number + 1;
            seen.note(lane, number);
        }
    }
}

fn send_all(sender: &Sender<Pair>, lane: u64, mut dice: Dice) {
    for number in 0..count() {
        while !send(sender, pair(lane << 48 | number), &mut dice) {
            thread::yield_now();
        }
    }
}

fn all_arrive(capacity: Capacity) {
    alone(LIMIT * u32::try_from(1 + count() / COUNT).expect("not so many"), || {
        let region = made();
        for (senders, receivers) in CASTS {
            let seen = Seen::new(senders, count());
            // Nobody is gone before all have come.
            let (keeps_senders, keeps_receivers) = (sender(&region, capacity), receiver(&region, capacity));
            let came = Shared::new(AtomicU64::new(0));
            let comes = || came.fetch_add(1, Ordering::AcqRel);
            let receives = |lane| {
                fork("a receiver", || {
                    let receiver = receiver(&opened(), capacity);
                    comes();
                    receive_all(&receiver, &seen, Dice::new(lane));
                })
            };
            let sends = |lane| {
                fork("a sender", || {
                    let sender = sender(&opened(), capacity);
                    comes();
                    send_all(&sender, lane, Dice::new(SEED + lane));
                })
            };
            let mut actors: Vec<_> = (0..receivers).map(receives).collect();
            actors.extend((0..senders).map(sends));
            until("all to come", || came.load(Ordering::Acquire) == senders + receivers);
            drop((keeps_senders, keeps_receivers));
            let sent = senders * count();
            let limit = PATIENCE * u32::try_from(1 + count() / COUNT).expect("not so many");
            for actor in actors {
                let ended = actor.dies_within(limit);
                assert!(ended, "waited {limit:?} for an actor to end: {} of {sent} were received", seen.all());
                actor.succeed();
            }
            assert_eq!(seen.all(), sent, "messages that were received, of those that were sent");
        }
    });
}

#[test]
fn all_arrive_once_and_in_order_through_a_channel_that_holds_nothing() {
    all_arrive(CAPACITIES[0]);
}

#[test]
fn all_arrive_once_and_in_order_through_a_bounded_channel() {
    all_arrive(CAPACITIES[1]);
}

#[test]
fn all_arrive_once_and_in_order_through_an_unbounded_channel() {
    all_arrive(CAPACITIES[2]);
}

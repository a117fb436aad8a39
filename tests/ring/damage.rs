//! Garbage in the words of a ring, written through another mapping of its file: an error, not a panic, and no memory
//! touched that is not the ring's.

use super::support::alone::alone;
use super::support::words::Words;
use super::{Pair, REGION, options, pair};
use selvedge::Region;
use selvedge::primitives::RawRing;
use selvedge::region::{Receiver, RecvError, Ring, RoleError, SendError, Sender, StreamError};
use selvedge::sync::{AtomicU32, Ordering};
use std::io::{Read, Write};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(2);
const CAPACITY: u32 = 4;

/// The control block lies right before the slots: two ends of 128 bytes, each with index and role first.
struct Damaged {
    words: Words,
    block: usize,
    region: Region,
    ring: Ring<Pair>,
}

const TAIL: usize = 0;
const SENDERS_ROLE: usize = 4;
const HEAD: usize = 128;
const RECEIVERS_ROLE: usize = 132;

impl Damaged {
    fn new() -> Self {
        assert_eq!(size_of::<RawRing>(), 256);
        let region = options().open_or_create(REGION).expect("a region");
        let ring = region.ring::<Pair>("ring", CAPACITY as usize).expect("a ring");
        let mark = pair(0x5e1f_ed6e_0000_0001);
        ring.sender().expect("free").send(mark).expect("room");
        let words = Words::of(REGION);
        let block = words.find(mark) - 256;
        assert_eq!(ring.receiver().expect("free").recv(), Ok(mark));
        Self { words, block, region, ring }
    }

    fn word(&self, offset: usize) -> &AtomicU32 {
        self.words.at(self.block + offset)
    }

    /// An empty ring at position zero with nobody at its ends.
    fn reset(&self) {
        self.reset_to(0);
    }

    /// An empty ring at this position with nobody at its ends.
    fn reset_to(&self, position: u32) {
        for (offset, value) in [(TAIL, position), (SENDERS_ROLE, 0), (HEAD, position), (RECEIVERS_ROLE, 0)] {
            self.word(offset).store(value, Ordering::Relaxed);
        }
    }

    fn ends(&self) -> (Sender<Pair>, Receiver<Pair>) {
        (self.ring.sender().expect("free"), self.ring.receiver().expect("free"))
    }
}

/// Positions that no index can have, with and without flags.
const IMPOSSIBLE: [u32; 6] =
    [2 * CAPACITY, 2 * CAPACITY + 1, 1 << 29, (1 << 30) - 1, u32::MAX, (1 << 31) | (2 * CAPACITY)];

#[test]
fn an_impossible_position_of_the_peer() {
    alone(LIMIT, || {
        let damaged = Damaged::new();
        // Also where it is no further from the last one than the ring is long.
        for (garbage, position) in IMPOSSIBLE.into_iter().flat_map(|one| (0..2 * CAPACITY).map(move |at| (one, at))) {
            damaged.reset_to(position);
            let (mut sender, mut receiver) = damaged.ends();
            damaged.word(TAIL).store(garbage, Ordering::Relaxed);
            assert!(matches!(receiver.try_recv(), Err(RecvError::Corrupt(_))), "{garbage:#x} at {position}");
            assert!(matches!(receiver.recv(), Err(RecvError::Corrupt(_))));
            assert!(matches!(receiver.recv_timeout(SHORT), Err(RecvError::Corrupt(_))));
            assert!(matches!(receiver.batch(3).map(drop), Err(RecvError::Corrupt(_))));
            damaged.reset_to(position);
            damaged.word(HEAD).store(garbage, Ordering::Relaxed);
            // Slots that are known to be free are used up first.
            let refused = (0..=CAPACITY).find_map(|_| sender.send(pair(1)).err());
            assert!(
                matches!(refused, Some(SendError::Corrupt(message, _)) if message == pair(1)),
                "{garbage:#x} at {position}"
            );
            assert_eq!(sender.try_send(pair(1)), Err(SendError::Corrupt(pair(1), "ring".into())));
            assert!(matches!(sender.loan(3).map(drop), Err(SendError::Corrupt(..))));
        }
    });
}

/// In range, but it takes back slots that it gave before, or gives what it does not have.
#[test]
fn a_position_that_contradicts_what_was_seen() {
    alone(LIMIT, || {
        let damaged = Damaged::new();
        damaged.reset();
        let (mut sender, mut receiver) = damaged.ends();
        for number in 0..3 {
            sender.send(pair(number)).expect("room");
        }
        assert_eq!(receiver.recv(), Ok(pair(0)));
        // Two more are known; the tail goes back to 1, as if they had never been sent.
        damaged.word(TAIL).store(1, Ordering::Relaxed);
        assert_eq!(receiver.recv(), Ok(pair(1)), "what is known is the receiver's own");
        assert_eq!(receiver.recv(), Ok(pair(2)));
        assert!(matches!(receiver.recv(), Err(RecvError::Corrupt(_))));
        // More than fit: the head stands at 3.
        damaged.word(TAIL).store(0, Ordering::Relaxed);
        assert!(matches!(receiver.try_recv(), Err(RecvError::Corrupt(_))));
    });
}

/// Whoever takes an end begins where its word says, if that can be.
#[test]
fn an_impossible_position_of_the_own_end() {
    alone(LIMIT, || {
        let damaged = Damaged::new();
        for garbage in [2 * CAPACITY, (1 << 30) - 1, u32::MAX] {
            damaged.reset();
            damaged.word(TAIL).store(garbage, Ordering::Relaxed);
            assert_eq!(damaged.ring.sender().map(drop), Err(RoleError::Corrupt("ring".into())), "{garbage:#x}");
            assert_eq!(
                damaged.ring.try_receiver().map(drop),
                Err(RoleError::Corrupt("ring".into())),
                "the peer's counts, too"
            );
            // The end was given back.
            damaged.word(TAIL).store(0, Ordering::Relaxed);
            drop(damaged.ring.try_sender().expect("free, and intact again"));
        }
        // Each in range, but further apart than the ring is long.
        damaged.reset();
        damaged.word(TAIL).store(CAPACITY + 1, Ordering::Relaxed);
        assert_eq!(damaged.ring.sender().map(drop), Err(RoleError::Corrupt("ring".into())));
        assert_eq!(damaged.ring.receiver().map(drop), Err(RoleError::Corrupt("ring".into())));
    });
}

/// A role's word is a name and a state; any value is one or the other.
#[test]
fn garbage_in_a_role() {
    alone(LIMIT, || {
        let damaged = Damaged::new();
        for garbage in [1, 0x1_ffff, 0x4000_0000, 0x4001_ffff, 0x7fff_ffff, 0x8000_0001, 0xc001_2345, u32::MAX] {
            damaged.reset();
            let mut receiver = damaged.ring.receiver().expect("free");
            damaged.word(SENDERS_ROLE).store(garbage, Ordering::Relaxed);
            // Held by somebody, or not; never is anything received, and never does it hang.
            let held = garbage >> 30 == 1;
            let claimed = damaged.ring.sender_timeout(SHORT).map(drop);
            assert_eq!(claimed, if held { Err(RoleError::TimedOut) } else { Ok(()) }, "{garbage:#x}");
            assert!(receiver.try_recv().is_err() && receiver.recv_timeout(SHORT).is_err());
        }
        // Overwritten while somebody holds it: the end is given up without a trace.
        damaged.reset();
        let (mut sender, _receiver) = damaged.ends();
        damaged.word(SENDERS_ROLE).store(0x7fff_ffff, Ordering::Relaxed);
        assert_eq!(sender.try_send(pair(1)), Ok(()));
        drop(sender);
        assert_eq!(damaged.word(SENDERS_ROLE).load(Ordering::Relaxed), 0x7fff_ffff);
    });
}

/// Random words again and again, between calls that all end.
#[test]
fn random_garbage_under_working_ends() {
    const ROUNDS: u32 = 20_000;
    alone(LIMIT, || {
        let damaged = Damaged::new();
        let mut state = 0x1234_5678_9abc_def1_u64;
        let mut random = move || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            u32::try_from(state >> 32).expect("half of it")
        };
        let mut refused = 0;
        for _ in 0..ROUNDS {
            damaged.reset_to(random() % (2 * CAPACITY));
            let (mut sender, mut receiver) = damaged.ends();
            for _ in 0..random() % 4 {
                let _ = sender.try_send(pair(1));
                let _ = receiver.try_recv();
            }
            // Often in range, or hardly out of it.
            let garbage = if random() % 2 == 0 { random() } else { random() % (3 * CAPACITY) };
            let at = if random() % 2 == 0 { TAIL } else { HEAD };
            damaged.word(at).store(garbage, Ordering::Relaxed);
            let mut is_refused = false;
            // An end that goes on overwrites its own word: its peer comes first, and looks.
            for is_senders_turn in [at == HEAD, at != HEAD, at == HEAD, at != HEAD] {
                for _ in 0..=CAPACITY {
                    is_refused |= if is_senders_turn {
                        matches!(sender.try_send(pair(1)), Err(SendError::Corrupt(..)))
                    } else {
                        matches!(receiver.try_recv(), Err(RecvError::Corrupt(_)))
                    };
                }
            }
            refused += u32::from(is_refused);
            drop((sender, receiver));
            let _ = damaged.ring.try_sender();
            let _ = damaged.ring.try_receiver();
        }
        // Half of it is far out of range.
        assert!(refused > ROUNDS / 2, "garbage was noticed in {refused} of {ROUNDS} rounds");
    });
}

#[test]
fn garbage_in_a_stream() {
    alone(LIMIT, || {
        let damaged = Damaged::new();
        let stream = damaged.region.stream("stream", 16).expect("a stream");
        let (mut writer, mut reader) = (stream.writer().expect("free"), stream.reader().expect("free"));
        let mark = pair(0x5e1f_ed6e_0000_0002);
        let bytes: Vec<u8> = mark.iter().flat_map(|word| word.to_le_bytes()).collect();
        writer.write_all(&bytes).expect("room");
        let block = damaged.words.find(mark) - 256;
        assert_eq!(reader.read(&mut [0; 16]).expect("bytes"), 16);
        damaged.words.at(block + TAIL).store(99, Ordering::Relaxed);
        let error = reader.read(&mut [0; 16]).expect_err("99 is no position");
        assert!(matches!(StreamError::in_io(&error), Some(StreamError::Corrupt(_))), "{error}");
        assert!(reader.pending().is_err());
        assert!(reader.read_to(&mut Vec::new(), 16).is_err());
        damaged.words.at(block + HEAD).store(u32::MAX, Ordering::Relaxed);
        let error = writer.write_whole(&[0; 16]).expect_err("no position either");
        assert!(matches!(StreamError::in_io(&error), Some(StreamError::Corrupt(_))), "{error}");
        assert!(writer.pending().is_err() && writer.wait_until_empty().is_err());
        assert!(writer.write_from(&mut &[1_u8; 4][..], 16).is_err());
    });
}

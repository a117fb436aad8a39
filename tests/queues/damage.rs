//! Garbage in the words of a queue, written through another mapping of its file: an error, not a panic and no endless loop,
//! and no memory touched that is not the queue's.

use super::support::alone::alone;
use super::support::words::Words;
use super::{LIMIT, Pair, REGION, SHORT, SPARE, options, pair};
use selvedge::primitives::RawQueue;
use selvedge::region::{Pool, Queue, QueueRecvError, QueueSendError, RegionOptions, WorkQueue};
use selvedge::sync::Ordering;

const CAPACITY: usize = 4;
const BUFFERS: usize = CAPACITY + SPARE;
const HEAD: usize = 0;
const NOTE: usize = 8;
const TAIL: usize = 16;
const CLAIMED_CAPACITY: usize = 28;
const SLOTS: usize = size_of::<RawQueue>();
const BUFFER_WORDS: usize = SLOTS + 8 * CAPACITY;
/// Control block and words.
const BYTES: usize = BUFFER_WORDS + 8 * BUFFERS;

/// Bits of a slot: what, taker, index of the buffer.
const FULL: u64 = 1;
const TAKEN: u64 = 2;
const BUFFER: u32 = 17;

/// A queue and the words before its messages.
struct Damaged {
    words: Words,
    block: usize,
    sound: Vec<u64>,
    queue: Queue<Pair>,
    jobs: WorkQueue<Pair>,
    jobs_block: usize,
}

fn options_with_backstop() -> RegionOptions {
    // Nobody dies here; what looks for the dead is to meet the garbage, too.
    options().backstop(Some(SHORT / 2))
}

impl Damaged {
    fn new() -> Self {
        let region = options_with_backstop().open_or_create(REGION).expect("a region");
        let queue = region.queue::<Pair>("queue", CAPACITY).expect("a queue");
        let jobs = region.work_queue::<Pair>("jobs", CAPACITY).expect("a queue");
        let words = Words::of(REGION);
        let block_of = |send: &dyn Fn(Pair), number: u64| {
            let mark = pair(0x5e1f_ed6e_0000_0000 + number);
            send(mark);
            // The first message lies in the first buffer.
            words.find(mark) - BYTES
        };
        let block = block_of(&|mark| queue.send(mark).expect("room"), 1);
        let jobs_block = block_of(&|mark| jobs.send(mark).expect("room"), 2);
        assert!(queue.recv().is_ok());
        jobs.recv().expect("a message").ack();
        let sound = (0..BYTES / 8).map(|index| words.long_at(block + 8 * index).load(Ordering::Relaxed)).collect();
        Self { words, block, sound, queue, jobs, jobs_block }
    }

    /// Puts an empty queue there again, which one message went through.
    fn reset(&self) {
        for (index, word) in self.sound.iter().enumerate() {
            self.words.long_at(self.block + 8 * index).store(*word, Ordering::Relaxed);
        }
    }

    fn put(&self, offset: usize, value: u64) {
        self.words.long_at(self.block + offset).store(value, Ordering::Relaxed);
    }

    fn all_corrupt(&self) {
        assert!(matches!(self.queue.send(pair(1)), Err(QueueSendError::Corrupt(message, _)) if message == pair(1)));
        assert_eq!(self.queue.try_send(pair(1)), Err(QueueSendError::Corrupt(pair(1), "queue".into())));
        assert!(matches!(self.queue.send_timeout(pair(1), SHORT), Err(QueueSendError::Corrupt(..))));
        self.receiving_is_corrupt();
    }

    fn receiving_is_corrupt(&self) {
        assert_eq!(self.queue.recv(), Err(QueueRecvError::Corrupt("queue".into())));
        assert_eq!(self.queue.try_recv(), Err(QueueRecvError::Corrupt("queue".into())));
        assert!(matches!(self.queue.recv_in_place_timeout(SHORT), Err(QueueRecvError::Corrupt(_))));
    }
}

#[test]
fn an_impossible_position() {
    alone(LIMIT, || {
        let damaged = Damaged::new();
        // A slot has 41 bits for its turn: what differs beyond those is the same position.
        let far = [3 * CAPACITY as u64, 1 << 20, 1 << 40, (1 << 42) - 1, 1 << 42, !0 << 30];
        for position in far {
            damaged.reset();
            damaged.put(TAIL, position);
            assert!(matches!(damaged.queue.send(pair(1)), Err(QueueSendError::Corrupt(..))), "{position:#x}");
            let loan = damaged.queue.loan().expect("a buffer").send().expect_err("no position");
            assert!(matches!(loan, QueueSendError::Corrupt(..)));
            drop(loan);
            damaged.put(HEAD, position);
            damaged.all_corrupt();
        }
        damaged.reset();
        damaged.queue.send(pair(1)).expect("sound again");
        assert_eq!(damaged.queue.recv(), Ok(pair(1)));
    });
}

/// With another capacity the words would mean something else.
#[test]
fn another_capacity() {
    alone(LIMIT, || {
        let damaged = Damaged::new();
        for capacity in [0, 1, 3, 5, u32::try_from(BUFFERS).expect("few"), u32::MAX] {
            damaged.reset();
            let lent = damaged.queue.loan().expect("a buffer");
            damaged.words.at(damaged.block + CLAIMED_CAPACITY).store(capacity, Ordering::Relaxed);
            damaged.all_corrupt();
            assert!(matches!(damaged.queue.loan().map(drop), Err(QueueSendError::Corrupt((), _))));
            assert!(matches!(lent.send(), Err(QueueSendError::Corrupt(..))));
            assert_eq!(damaged.queue.len(), 0);
        }
    });
}

#[test]
fn a_slot_that_names_no_buffer() {
    alone(LIMIT, || {
        let damaged = Damaged::new();
        for index in [BUFFERS as u64, 63] {
            damaged.reset();
            // The first message went through the first slot.
            damaged.put(SLOTS + 8, FULL | index << BUFFER);
            damaged.put(TAIL, 2);
            assert!(matches!(damaged.queue.recv(), Err(QueueRecvError::Corrupt(_))), "{index}");
            damaged.reset();
            // Taken a turn ago, and never finished: the tail comes here again after the other three.
            damaged.put(SLOTS + 8, TAKEN | index << BUFFER);
            damaged.put(HEAD, 2);
            damaged.put(TAIL, 2);
            (0..3).for_each(|number| damaged.queue.send(pair(number)).expect("room"));
            assert!(matches!(damaged.queue.send(pair(3)), Err(QueueSendError::Corrupt(..))), "{index}");
            assert!(matches!(damaged.queue.send_timeout(pair(3), SHORT), Err(QueueSendError::Corrupt(..))), "{index}");
        }
    });
}

/// Two bits of a slot say one of three things.
#[test]
fn a_slot_that_says_none_of_what_a_slot_can_say() {
    alone(LIMIT, || {
        let damaged = Damaged::new();
        damaged.put(SLOTS + 8, 3);
        damaged.put(HEAD, 2);
        damaged.put(TAIL, 2);
        (0..3).for_each(|number| damaged.queue.send(pair(number)).expect("room"));
        assert!(matches!(damaged.queue.try_send(pair(3)), Err(QueueSendError::Corrupt(..))));
    });
}

/// As a sender leaves the tail that died before it swung it on, or was overtaken: others do so, and then all is as before.
#[test]
fn a_tail_that_lags_catches_up() {
    alone(LIMIT, || {
        let damaged = Damaged::new();
        damaged.queue.send(pair(1)).expect("room");
        damaged.put(TAIL, 1);
        damaged.queue.send(pair(2)).expect("room");
        assert_eq!(damaged.queue.len(), 2);
    });
}

/// Words of buffers that nobody can have, or that others seem to have.
#[test]
fn garbage_in_the_buffers() {
    alone(LIMIT, || {
        let damaged = Damaged::new();
        for garbage in [1, 2, 3, 4, 7, 0x7fff1, 0x7fff3, u64::MAX, u64::MAX - 7] {
            damaged.reset();
            (0..BUFFERS).for_each(|index| damaged.put(BUFFER_WORDS + 8 * index, garbage));
            let state = garbage & 7;
            if state == 0 {
                damaged.queue.send(pair(1)).expect("all are free");
                assert_eq!(damaged.queue.recv(), Ok(pair(1)));
                continue;
            }
            assert!(matches!(damaged.queue.try_send(pair(1)), Err(QueueSendError::Full(_))), "{garbage:#x}");
            assert!(matches!(damaged.queue.send_timeout(pair(1), SHORT), Err(QueueSendError::TimedOut(_))));
            // Returned messages, as it seems, are received; there is no more of them than of buffers.
            damaged.words.at(damaged.block + NOTE).store(u32::MAX, Ordering::Relaxed);
            let received = (0..=BUFFERS).take_while(|_| damaged.queue.try_recv().is_ok()).count();
            assert_eq!(received, if state >= 4 { BUFFERS } else { 0 }, "{garbage:#x}");
            assert!(matches!(damaged.queue.recv_timeout(SHORT), Err(QueueRecvError::TimedOut)));
        }
        // Somebody overwrites what a thread has: it is given up without a trace of more than that.
        damaged.reset();
        let loan = damaged.queue.loan().expect("a buffer");
        damaged.put(BUFFER_WORDS + 8, u64::MAX);
        loan.send().expect("room");
        assert!(damaged.queue.recv().is_ok());
    });
}

/// A pool has nothing that contradicts itself: a buffer is free or not.
#[test]
fn garbage_in_a_pool() {
    alone(LIMIT, || {
        let region = options_with_backstop().open_or_create(REGION).expect("a region");
        let pool: Pool<Pair> = region.pool("pool", 2).expect("a pool");
        let mark = pair(0x5e1f_ed6e_0000_0003);
        *pool.take().expect("free") = mark;
        let words = Words::of(REGION);
        let block = words.find(mark) - 2 * 8 - 8;
        for garbage in [1, 5, 0x7fff1, u64::MAX] {
            (0..2).for_each(|index| words.long_at(block + 8 + 8 * index).store(garbage, Ordering::Relaxed));
            words.long_at(block).store(u64::MAX, Ordering::Relaxed);
            assert!(pool.try_take().is_err() && pool.take_timeout(SHORT).is_err(), "{garbage:#x}");
            words.long_at(block + 8).store(garbage & !7, Ordering::Relaxed);
            drop(pool.take().expect("one is free"));
        }
        words.long_at(block + 8).store(0, Ordering::Relaxed);
        let buffer = pool.take().expect("one is free");
        words.long_at(block + 8).store(u64::MAX, Ordering::Relaxed);
        drop(buffer);
        assert_eq!(pool.in_use(), 1);
    });
}

/// Random words again and again, between calls that all end.
#[test]
fn random_garbage_under_working_queues() {
    const ROUNDS: u32 = 20_000;
    alone(LIMIT, || {
        let damaged = Damaged::new();
        let mut state = 0x1234_5678_9abc_def1_u64;
        let mut random = move || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state
        };
        let (mut refused, mut went_through) = (0, 0);
        for _ in 0..ROUNDS {
            damaged.reset();
            for index in 0..BYTES / 8 {
                let word = damaged.words.long_at(damaged.jobs_block + 8 * index);
                // Of the work queue how messages are delivered stays; no other word differs from those of the queue.
                let delivery = if 8 * index == 32 { 1 } else { 0 };
                word.store(damaged.sound[index] | delivery, Ordering::Relaxed);
            }
            for _ in 0..random() % 6 {
                let _ = (damaged.queue.try_send(pair(1)), damaged.jobs.try_send(pair(1)));
                let _ = damaged.queue.try_recv();
                let _ = damaged.jobs.try_recv().map(|lease| {
                    if random() % 2 == 0 {
                        lease.ack()
                    }
                });
            }
            for block in [damaged.block, damaged.jobs_block] {
                for _ in 0..1 + random() % 3 {
                    // Often one of those that matter most, and often hardly out of range.
                    let words = if random() % 2 == 0 { BYTES / 8 } else { SLOTS / 8 + CAPACITY };
                    let index = usize::try_from(random()).expect("64 bits") % words;
                    let mut garbage = if random() % 2 == 0 { random() } else { random() % 16 };
                    if (SLOTS / 8..BUFFER_WORDS / 8).contains(&index) && garbage % 4 == 3 {
                        // See the test of its own.
                        garbage -= 1;
                    }
                    damaged.words.long_at(block + 8 * index).store(garbage, Ordering::Relaxed);
                }
            }
            let (mut is_refused, mut works) = (false, false);
            for _ in 0..2 * CAPACITY {
                for answer in [damaged.queue.try_send(pair(1)), damaged.jobs.try_send(pair(1))] {
                    is_refused |= matches!(answer, Err(QueueSendError::Corrupt(..)));
                }
                let taken = damaged.queue.try_recv();
                works |= taken.is_ok();
                is_refused |= matches!(taken, Err(QueueRecvError::Corrupt(_)));
                match damaged.jobs.try_recv() {
                    Ok(lease) if random() % 2 == 0 => lease.ack(),
                    answer => is_refused |= matches!(answer, Err(QueueRecvError::Corrupt(_))),
                }
                let _ = (damaged.queue.len(), damaged.jobs.is_empty());
            }
            refused += u32::from(is_refused);
            went_through += u32::from(works);
        }
        assert!(refused > ROUNDS / 10, "garbage was noticed in {refused} of {ROUNDS} rounds");
        assert!(went_through > ROUNDS / 10, "messages went through in {went_through} of {ROUNDS} rounds");
        println!("noticed in {refused} of {ROUNDS} rounds, harmless in {went_through}");
    });
}

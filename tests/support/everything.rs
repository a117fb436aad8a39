//! A region with an object of every kind: how workers use them, and how a survivor sees that each is as good as new.
//!
//! What workers are answered because others are busy, or dead, is no failure to them; anything else is a panic.
#![allow(dead_code, reason = "each test binary uses a part of it")]

mod channels;
mod mailboxes;

use self::channels::Channels;
use self::mailboxes::Mailboxes;
use super::dice::Dice;
use super::pair::{Pair, number, pair};
use super::patience::PATIENCE;
use selvedge::region::{
    AcquireError, Barrier, BarrierError, ByteStream, Condvar, Event, EventError, Finding, Kind, LockError, Mutex,
    ObjectError, Once, OnceError, OwnedSemaphore, PermitError, Pool, PoolError, Queue, QueueRecvError, QueueSendError,
    RecvError, Remedy, Rendezvous, Ring, RoleError, RwLock, RwLockError, Segment, Semaphore, SendError, Unbounded,
    WorkQueue,
};
use selvedge::{Deadline, Region};
use std::collections::HashSet;
use std::io::{ErrorKind, Read, Write};
use std::time::Duration;

/// Messages that fit into what is bounded.
const CAPACITY: usize = 4;
const PERMITS: u32 = 3;
const BUFFERS: usize = 4;
const QUOTA: usize = 8;
const BYTES: usize = 64;
/// How long a worker waits for others.
const SHORT: Duration = Duration::from_micros(500);
/// The most buffers that a queue has beyond its capacity.
const SPARE: usize = 64;

/// The kinds of object, which are also their names.
pub(crate) const KINDS: [Kind; 24] = [
    Kind::Mutex,
    Kind::Semaphore,
    Kind::Ring,
    Kind::Stream,
    Kind::Segment,
    Kind::Event,
    Kind::Condvar,
    Kind::Barrier,
    Kind::Once,
    Kind::OwnedSemaphore,
    Kind::RwLock,
    Kind::Pool,
    Kind::Queue,
    Kind::WorkQueue,
    Kind::Unbounded,
    Kind::Rendezvous,
    Kind::Channel,
    Kind::UnboundedChannel,
    Kind::RendezvousChannel,
    Kind::Mailbox,
    Kind::UnboundedMailbox,
    Kind::RendezvousMailbox,
    Kind::ProcessName,
    Kind::Effects,
];

/// One of each.
#[derive(Debug)]
pub(crate) struct Everything {
    mutex: Mutex<Pair>,
    semaphore: Semaphore,
    ring: Ring<Pair>,
    stream: ByteStream,
    segment: Segment,
    event: Event,
    condvar: Condvar,
    barrier: Barrier,
    once: Once<Pair>,
    owned: OwnedSemaphore,
    rwlock: RwLock<Pair>,
    pool: Pool<Pair>,
    queue: Queue<Pair>,
    jobs: WorkQueue<Pair>,
    unbounded: Unbounded<Pair>,
    rendezvous: Rendezvous<Pair>,
    channels: Channels,
    mailboxes: Mailboxes,
    /// Threads that the region was made for.
    threads: usize,
    /// Buffers that queue and work queue have beyond their capacity.
    spare: usize,
}

fn name(kind: Kind) -> String {
    kind.to_string()
}

impl Everything {
    /// Made by whoever comes first.
    pub(crate) fn of(region: &Region) -> Result<Self, ObjectError> {
        let limits = region.limits();
        let threads = usize::try_from(limits.processes * limits.threads).expect("few");
        Ok(Self {
            mutex: region.mutex(&name(Kind::Mutex), pair(0))?,
            semaphore: region.semaphore(&name(Kind::Semaphore), PERMITS)?,
            ring: region.ring(&name(Kind::Ring), CAPACITY)?,
            stream: region.stream(&name(Kind::Stream), BYTES)?,
            segment: region.segment(&name(Kind::Segment), threads)?,
            event: region.event(&name(Kind::Event))?,
            condvar: region.condvar(&name(Kind::Condvar))?,
            barrier: region.barrier(&name(Kind::Barrier), 2)?,
            once: region.once(&name(Kind::Once))?,
            owned: region.owned_semaphore(&name(Kind::OwnedSemaphore), PERMITS)?,
            rwlock: region.rwlock(&name(Kind::RwLock), pair(0))?,
            pool: region.pool(&name(Kind::Pool), BUFFERS)?,
            queue: region.queue(&name(Kind::Queue), CAPACITY)?,
            jobs: region.work_queue(&name(Kind::WorkQueue), CAPACITY)?,
            unbounded: region.unbounded(&name(Kind::Unbounded), QUOTA)?,
            rendezvous: region.rendezvous(&name(Kind::Rendezvous))?,
            channels: Channels::of(region)?,
            mailboxes: Mailboxes::of(region)?,
            threads,
            spare: threads.min(SPARE),
        })
    }

    /// Uses an object for a moment, as `worker`, with messages of this number.
    pub(crate) fn turn(&self, dice: &mut Dice, worker: usize, message: u64) {
        match *dice.one_of(&KINDS) {
            Kind::Mutex => self.use_mutex(dice),
            Kind::Semaphore => self.use_semaphore(dice),
            Kind::Ring => self.use_ring(dice, message),
            Kind::Stream => self.use_stream(dice),
            Kind::Segment => self.use_segment(worker),
            Kind::Event => self.use_event(dice),
            Kind::Condvar => self.use_condvar(dice),
            Kind::Barrier => self.use_barrier(dice),
            Kind::Once => self.use_once(dice, message),
            Kind::OwnedSemaphore => self.use_owned(dice),
            Kind::RwLock => self.use_rwlock(dice),
            Kind::Pool => self.use_pool(dice, message),
            Kind::Queue => self.use_queue(dice, message),
            Kind::WorkQueue => self.use_jobs(dice, message),
            Kind::Unbounded => self.use_unbounded(dice, message),
            Kind::Rendezvous => self.use_rendezvous(dice, message),
            kind if channels::KINDS.contains(&kind) => self.channels.turn(kind, dice, message),
            Kind::ProcessName => self.mailboxes.take_name(dice),
            Kind::Effects => self.mailboxes.take_effect(dice),
            kind if mailboxes::KINDS.contains(&kind) => self.mailboxes.turn(kind, dice, message),
            other => panic!("a kind that is not used: {other}"),
        }
    }

    fn use_mutex(&self, dice: &mut Dice) {
        match self.mutex.lock_timeout(SHORT) {
            Ok(mut guard) => {
                linger(dice);
                write(&mut guard);
            }
            // Now and then an heir gives up: then somebody has to reset it.
            Err(LockError::OwnerDied(_)) if dice.once_in(8) => {}
            Err(LockError::OwnerDied(mut guard)) => {
                *guard = pair(0);
                guard.mark_consistent();
            }
            Err(LockError::TimedOut | LockError::NotRecoverable) => {}
            Err(error) => panic!("{error}"),
        }
    }

    /// A permit that is taken when its taker dies is lost.
    fn use_semaphore(&self, dice: &mut Dice) {
        match self.semaphore.acquire_timeout(1, SHORT) {
            Ok(()) => {
                linger(dice);
                self.semaphore.release().expect("room for what was taken");
            }
            Err(AcquireError::TimedOut) => {}
            Err(error) => panic!("{error}"),
        }
    }

    fn use_ring(&self, dice: &mut Dice, message: u64) {
        let is_busy = |error| assert!(matches!(error, RoleError::Taken | RoleError::TimedOut), "{error}");
        if dice.once_in(2) {
            match self.ring.sender_timeout(SHORT) {
                Ok(mut sender) => match sender.send_timeout(pair(message), SHORT) {
                    Ok(()) | Err(SendError::TimedOut(_) | SendError::Disconnected(..)) => {}
                    Err(error) => panic!("{error}"),
                },
                Err(error) => is_busy(error),
            }
        } else {
            match self.ring.receiver_timeout(SHORT) {
                Ok(mut receiver) => match receiver.recv_timeout(SHORT) {
                    Ok(message) => drop(number(message)),
                    Err(RecvError::TimedOut | RecvError::Disconnected(_)) => {}
                    Err(error) => panic!("{error}"),
                },
                Err(error) => is_busy(error),
            }
        }
    }

    fn use_stream(&self, dice: &mut Dice) {
        let is_busy = |error| assert!(matches!(error, RoleError::Taken | RoleError::TimedOut), "{error}");
        // A peer that died, or is slow, is none of a worker's business.
        let is_slow = |error: std::io::Error| {
            let known = [ErrorKind::TimedOut, ErrorKind::WouldBlock, ErrorKind::BrokenPipe];
            assert!(known.contains(&error.kind()) || selvedge::region::StreamError::departure_in_io(&error).is_some());
        };
        let mut bytes = [7; 24];
        if dice.once_in(2) {
            match self.stream.writer_timeout(SHORT) {
                Ok(mut writer) => {
                    writer.set_deadline(Some(Deadline::after(SHORT)));
                    writer.write(&bytes).map_or_else(is_slow, drop);
                }
                Err(error) => is_busy(error),
            }
        } else {
            match self.stream.reader_timeout(SHORT) {
                Ok(mut reader) => {
                    reader.set_deadline(Some(Deadline::after(SHORT)));
                    let count = reader.read(&mut bytes).unwrap_or_else(|error| {
                        is_slow(error);
                        0
                    });
                    assert!(bytes[..count].iter().all(|byte| *byte == 7), "{bytes:?}");
                }
                Err(error) => is_busy(error),
            }
        }
    }

    /// Each worker has a byte of its own.
    fn use_segment(&self, worker: usize) {
        let mut own = [0];
        // SAFETY: nobody else reads or writes this byte.
        unsafe { self.segment.read(worker, &mut own) }.expect("within");
        own[0] = own[0].wrapping_add(1);
        // SAFETY: as above.
        unsafe { self.segment.write(worker, &own) }.expect("within");
    }

    fn use_event(&self, dice: &mut Dice) {
        let answer = match dice.below(3) {
            0 => self.event.set().map(drop),
            1 => self.event.reset().map(drop),
            _ => self.event.wait_timeout(SHORT),
        };
        assert!(matches!(answer, Ok(()) | Err(EventError::TimedOut)), "{answer:?}");
    }

    fn use_condvar(&self, dice: &mut Dice) {
        if dice.once_in(2) {
            self.condvar.notify_all().expect("a region that can be used");
        } else if let Ok(guard) = self.mutex.lock_timeout(SHORT) {
            match self.condvar.wait_timeout(guard, SHORT) {
                Ok(_) | Err(LockError::NotRecoverable) => {}
                Err(LockError::OwnerDied((mut guard, _))) => {
                    *guard = pair(0);
                    guard.mark_consistent();
                }
                Err(error) => panic!("{error}"),
            }
        }
    }

    fn use_barrier(&self, dice: &mut Dice) {
        let answer = self.barrier.join().and_then(|member| member.wait_timeout(SHORT).map(drop));
        match answer {
            Ok(()) | Err(BarrierError::TimedOut | BarrierError::Full { .. } | BarrierError::NoMember(_)) => {}
            Err(BarrierError::Broken(_)) if dice.once_in(2) => drop(self.barrier.reset()),
            Err(BarrierError::Broken(_)) => {}
            Err(error) => panic!("{error}"),
        }
    }

    fn use_once(&self, dice: &mut Dice, message: u64) {
        let make = || {
            linger(dice);
            pair(message)
        };
        match self.once.get_or_init_timeout(make, SHORT) {
            Ok(made) => drop(number(made)),
            Err(OnceError::TimedOut) => {}
            Err(error) => panic!("{error}"),
        }
    }

    fn use_owned(&self, dice: &mut Dice) {
        let wanted = 1 + u32::try_from(dice.below(u64::from(PERMITS))).expect("few");
        match self.owned.acquire_timeout(wanted, SHORT) {
            Ok(permit) => {
                linger(dice);
                assert_eq!(permit.count(), wanted);
            }
            Err(PermitError::TimedOut) => {}
            Err(error) => panic!("{error}"),
        }
    }

    fn use_rwlock(&self, dice: &mut Dice) {
        if dice.once_in(2) {
            match self.rwlock.read_timeout(SHORT) {
                Ok(guard) => {
                    linger(dice);
                    number(*guard);
                }
                Err(RwLockError::OwnerDied(_) | RwLockError::TimedOut) => {}
                Err(error) => panic!("{error}"),
            }
        } else {
            match self.rwlock.write_timeout(SHORT) {
                Ok(mut guard) => {
                    linger(dice);
                    write(&mut guard);
                }
                Err(RwLockError::OwnerDied(mut guard)) => {
                    *guard = pair(0);
                    guard.mark_consistent();
                }
                Err(RwLockError::TimedOut) => {}
                Err(error) => panic!("{error}"),
            }
        }
    }

    fn use_pool(&self, dice: &mut Dice, message: u64) {
        match self.pool.take_timeout(SHORT) {
            Ok(mut buffer) => {
                *buffer = pair(message);
                linger(dice);
            }
            Err(PoolError::TimedOut) => {}
            Err(error) => panic!("{error}"),
        }
    }

    fn use_queue(&self, dice: &mut Dice, message: u64) {
        match dice.below(6) {
            0 | 1 => is_sent(self.queue.send_timeout(pair(message), SHORT)),
            2 => match self.queue.try_loan() {
                Ok(_loan) => linger(dice),
                Err(error) => is_sent(Err(error)),
            },
            3 => match self.queue.try_recv_in_place() {
                Ok(message) => {
                    linger(dice);
                    number(*message);
                }
                Err(error) => is_received(Err(error)),
            },
            _ => is_received(self.queue.recv_timeout(SHORT)),
        }
    }

    fn use_jobs(&self, dice: &mut Dice, message: u64) {
        if dice.once_in(2) {
            return is_sent(self.jobs.send_timeout(pair(message), SHORT));
        }
        match self.jobs.recv_timeout(SHORT) {
            Ok(lease) => {
                linger(dice);
                number(*lease);
                if dice.once_in(4) { drop(lease) } else { lease.ack() }
            }
            Err(error) => is_received(Err(error)),
        }
    }

    fn use_unbounded(&self, dice: &mut Dice, message: u64) {
        if dice.once_in(2) {
            is_sent(self.unbounded.send(pair(message)));
        } else {
            is_received(self.unbounded.recv_timeout(SHORT));
        }
    }

    fn use_rendezvous(&self, dice: &mut Dice, message: u64) {
        if dice.once_in(2) {
            is_sent(self.rendezvous.send_timeout(pair(message), SHORT));
        } else {
            is_received(self.rendezvous.recv_timeout(SHORT));
        }
    }

    /// Does what is asked for in `findings`, which may be no more than to reset objects. How many were reset.
    #[track_caller]
    pub(crate) fn do_what_is_asked(&self, findings: &[Finding]) -> usize {
        let asked = |kind: Kind| findings.iter().any(|finding| finding.object.as_deref() == Some(name(kind).as_str()));
        for finding in findings {
            assert_eq!(finding.remedy, Remedy::Reset, "once repaired no more is to be done: {finding}");
        }
        let was_broken = self.barrier.is_broken().expect("usable");
        assert_eq!(asked(Kind::Barrier), was_broken, "who asks for a reset needs one");
        assert_eq!(self.barrier.reset().expect("usable"), was_broken);
        let was_given_up = self.mutex.reset(pair(0)).map_err(|error| error.to_string()).expect("usable");
        assert_eq!(asked(Kind::Mutex), was_given_up, "who asks for a reset needs one");
        let reset = usize::from(was_broken) + usize::from(was_given_up);
        assert_eq!(findings.len(), reset, "nothing else asks for one: {findings:?}");
        reset
    }

    /// When nobody else uses them, each object does all that it can do, and has all that it had when it was made.
    pub(crate) fn is_as_new(&self) {
        self.locks_are_as_new();
        self.permits_are_as_new();
        self.ends_are_as_new();
        self.queues_are_as_new();
        self.meetings_are_as_new();
        self.channels.are_as_new(self.threads);
        self.mailboxes.are_as_new(self.threads);
        self.event.set().expect("usable");
        self.event.wait_timeout(PATIENCE).expect("set");
        assert!(self.event.reset().expect("usable"));
        // Byte by byte, for nobody else is there.
        self.use_segment(0);
        let made = self.once.get_or_init(|| pair(1)).expect("made or to be made");
        assert_eq!(self.once.get().expect("usable"), Some(made), "it is made once");
        number(made);
    }

    fn locks_are_as_new(&self) {
        match self.mutex.lock_timeout(PATIENCE) {
            Ok(mut guard) => write(&mut guard),
            Err(LockError::OwnerDied(mut guard)) => {
                *guard = pair(0);
                guard.mark_consistent();
            }
            Err(error) => panic!("the mutex: {error}"),
        }
        number(*self.mutex.try_lock().expect("free and whole"));
        match self.rwlock.write_timeout(PATIENCE) {
            Ok(mut guard) => write(&mut guard),
            Err(RwLockError::OwnerDied(mut guard)) => {
                *guard = pair(0);
                guard.mark_consistent();
            }
            Err(error) => panic!("the readers-writer lock: {error}"),
        }
        number(*self.rwlock.try_read().expect("free and whole"));
    }

    fn permits_are_as_new(&self) {
        let found = self.semaphore.available();
        assert!(found <= PERMITS, "{found} permits of {PERMITS}");
        // What the dead had taken is lost: so it is documented.
        if found < PERMITS {
            self.semaphore.release_many(PERMITS - found).expect("room");
        }
        self.semaphore.try_acquire(PERMITS).expect("all are there");
        self.semaphore.release_many(PERMITS).expect("room");
        assert_eq!(self.owned.available(), PERMITS, "all permits come home");
        let all = self.owned.try_acquire(PERMITS).expect("all are there");
        drop(all);
        assert_eq!(self.owned.available(), PERMITS);
    }

    fn ends_are_as_new(&self) {
        let mut sender = self.ring.sender_timeout(PATIENCE).expect("the sender's end");
        let mut receiver = self.ring.receiver_timeout(PATIENCE).expect("the receiver's end");
        all_differ(std::iter::from_fn(|| receiver.try_recv().ok()));
        (0..CAPACITY as u64).for_each(|count| sender.try_send(pair(count)).expect("room"));
        assert_eq!(sender.try_send(pair(9)), Err(SendError::Full(pair(9))));
        (0..CAPACITY as u64).for_each(|count| assert_eq!(receiver.try_recv(), Ok(pair(count))));
        let mut writer = self.stream.writer_timeout(PATIENCE).expect("the writer's end");
        let mut reader = self.stream.reader_timeout(PATIENCE).expect("the reader's end");
        let mut left = vec![0; reader.pending().expect("usable")];
        reader.read_exact(&mut left).expect("they are there");
        assert!(left.iter().all(|byte| *byte == 7), "{left:?}");
        writer.write_whole(&[7; BYTES]).expect("room for all");
        reader.read_exact(&mut [0; BYTES]).expect("they are there");
    }

    fn queues_are_as_new(&self) {
        // Whoever takes buffers that are free spoils no message that is on its way.
        let mut loans: Vec<_> = std::iter::from_fn(|| self.queue.try_loan().ok()).collect();
        loans.iter_mut().for_each(|loan| **loan = [0; 2]);
        drop(loans);
        all_differ(std::iter::from_fn(|| self.queue.try_recv().ok()));
        let loans: Vec<_> = std::iter::from_fn(|| self.queue.try_loan().ok()).collect();
        assert_eq!(loans.len(), CAPACITY + self.spare, "all buffers of the queue are home");
        drop(loans);
        let finish = |lease: selvedge::region::Lease<'_, Pair>| {
            let message = *lease;
            lease.ack();
            message
        };
        all_differ(std::iter::from_fn(|| self.jobs.try_recv().ok().map(finish)));
        let loans: Vec<_> = std::iter::from_fn(|| self.jobs.try_loan().ok()).collect();
        assert_eq!(loans.len(), CAPACITY + self.spare, "all buffers of the work queue are home");
        drop(loans);
        all_differ(std::iter::from_fn(|| self.unbounded.try_recv().ok()));
        assert_eq!(self.unbounded.in_use(), 0, "all memory of the unbounded queue is free");
        for count in 0..CAPACITY as u64 {
            self.queue.try_send(pair(count)).expect("room");
            self.jobs.try_send(pair(count)).expect("room");
        }
        (0..QUOTA as u64).for_each(|count| self.unbounded.send(pair(count)).expect("memory"));
        assert!(matches!(self.unbounded.send(pair(9)), Err(QueueSendError::OutOfMemory(..))));
        for count in 0..CAPACITY as u64 {
            assert_eq!(self.queue.try_recv(), Ok(pair(count)));
            assert_eq!(finish(self.jobs.try_recv().expect("a message")), pair(count));
        }
        (0..QUOTA as u64).for_each(|count| assert_eq!(self.unbounded.try_recv(), Ok(pair(count))));
        assert_eq!(self.pool.in_use(), 0, "all buffers of the pool are home");
        let buffers: Vec<_> = std::iter::from_fn(|| self.pool.try_take().ok()).collect();
        assert_eq!(buffers.len(), BUFFERS);
    }

    /// Where two threads meet.
    fn meetings_are_as_new(&self) {
        assert_eq!(self.rendezvous.in_use(), 0, "no message is on its way");
        std::thread::scope(|scope| {
            scope.spawn(|| {
                self.rendezvous.send_timeout(pair(5), PATIENCE).expect("a receiver");
                self.barrier.join().expect("a place").wait_timeout(PATIENCE).expect("the other");
                self.mutex.lock_timeout(PATIENCE).expect("free")[0] = 1;
                self.condvar.notify_all().expect("usable");
            });
            assert_eq!(self.rendezvous.recv_timeout(PATIENCE), Ok(pair(5)));
            let mut guard = self.mutex.lock_timeout(PATIENCE).expect("free");
            *guard = [0; 2];
            self.barrier.join().expect("a place").wait_timeout(PATIENCE).expect("the other");
            while guard[0] == 0 {
                (guard, _) = self.condvar.wait_timeout(guard, PATIENCE).expect("the mutex again");
            }
            *guard = pair(0);
        });
    }
}

/// Makes, opens or removes an object that others may have at the same time.
pub(crate) fn make_and_remove(region: &Region, dice: &mut Dice) {
    let name = format!("temporary {}", dice.below(4));
    if dice.once_in(2) {
        let made = region.semaphore(&name, 1).expect("room for few objects");
        let _ = made.try_acquire(1);
    } else {
        // It may not be there.
        let _ = region.remove_object(&name);
    }
}

/// Keeps what it has for a moment, now and then: whoever dies shall have something.
fn linger(dice: &mut Dice) {
    if dice.once_in(4) {
        std::thread::sleep(Duration::from_micros(100));
    }
}

/// In two steps, between which a process can die.
fn write(value: &mut Pair) {
    let next = number(*value) + 1;
    value[0] = next;
    std::hint::black_box(&mut *value);
    value[1] = !next;
}

fn is_sent<T>(answer: Result<(), QueueSendError<T>>) {
    match answer {
        Ok(()) | Err(QueueSendError::Full(_) | QueueSendError::TimedOut(_) | QueueSendError::OutOfMemory(..)) => {}
        Err(error) => panic!("{error}"),
    }
}

fn is_received(answer: Result<Pair, QueueRecvError>) {
    match answer {
        Ok(message) => drop(number(message)),
        Err(QueueRecvError::Empty | QueueRecvError::TimedOut) => {}
        Err(error) => panic!("{error}"),
    }
}

/// Messages that were left behind: whole, and none twice.
fn all_differ(messages: impl Iterator<Item = Pair>) {
    let mut seen = HashSet::new();
    messages.map(number).for_each(|number| assert!(seen.insert(number), "message {number} was there twice"));
}

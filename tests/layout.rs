//! The shared format, pinned: processes of different builds meet in one region, so none of this changes unnoticed.
//!
//! A snapshot that differs is a new format: raise the version in the header, or see to it that the layout hash differs.

#![cfg(not(loom))]

#[path = "support/place.rs"]
mod place;

use place::Place;
use selvedge::primitives::participants::{Membership, ProcessEntry, ProcessState, ProcessWord, ThreadEntry};
use selvedge::primitives::registry::{self, Extent, RegistryEntry, Shape};
use selvedge::primitives::waiting::Waiting;
use selvedge::primitives::{
    ObjectId, RawBarrier, RawChannel, RawCommit, RawCondvar, RawEnds, RawEvent, RawMailbox, RawMutex, RawOnce,
    RawOwnedSemaphore, RawPool, RawQueue, RawRendezvous, RawRight, RawRing, RawRole, RawRwLock, RawSemaphore,
    RawUnbounded, participants,
};
use selvedge::region::{LockError, ObjectErrorKind, Region, RegionOptions, Shared};
use selvedge::sync::{LIFE_DIED, LIFE_ID_MASK, LIFE_WAITERS, LifeWord};
use selvedge::{Deadline, region};
use std::fmt::Write;
use std::fs::File;
use std::mem::offset_of;
use std::os::unix::fs::FileExt;
use std::time::Duration;

/// Bytes of the header.
const HEADER: usize = 128;

/// What `write` writes.
fn text(write: impl FnOnce(&mut String) -> std::fmt::Result) -> String {
    let mut text = String::new();
    write(&mut text).unwrap();
    text
}

macro_rules! sizes {
    ($into:expr, $($type:ty { $($field:ident),* })+) => {$(
        writeln!(
            $into,
            "{:<16} {:>4} bytes, aligned to {}",
            stringify!($type), size_of::<$type>(), align_of::<$type>(),
        )?;
        $(writeln!($into, "  {:>4} {}", offset_of!($type, $field), stringify!($field))?;)*
    )+};
}

#[test]
fn control_blocks() {
    let shown = text(|into| {
        sizes! { into,
            Membership { ring_seq }
            ProcessEntry { life, word, hazard, pid, start_time, namespaces, left }
            ThreadEntry { life, waiting, bell, hazard, walked }
            RegistryEntry {}
            Extent { shape, offset }
            Shape { kind, align, bytes, element, capacity, tag }
            RawMutex {}
            RawSemaphore {}
            RawEnds {}
            RawChannel<RawQueue> {}
            RawChannel<RawUnbounded> {}
            RawChannel<RawRendezvous> {}
            RawRight {}
            RawCommit {}
            RawMailbox<RawQueue> {}
            RawMailbox<RawUnbounded> {}
            RawMailbox<RawRendezvous> {}
            RawRole {}
            RawRing {}
            RawEvent {}
            RawCondvar {}
            RawBarrier {}
            RawOnce {}
            RawOwnedSemaphore {}
            RawRwLock {}
            RawPool {}
            RawQueue {}
            RawUnbounded {}
            RawRendezvous {}
            LifeWord {}
        }
        let life = LifeWord::new();
        let place = |address: usize| address - (&raw const life).addr();
        writeln!(into, "  {:>4} word", place(life.word().as_ptr().addr()))?;
        writeln!(into, "  {:>4} previous", place(life.entry().addr()) - 8)?;
        writeln!(into, "  {:>4} next, {} bytes from the word", place(life.entry().addr()), LifeWord::FUTEX_OFFSET)
    });
    insta::assert_snapshot!(shown);
}

/// The number of the kind of an object, as a refusal tells it.
fn kind_number(region: &Region, object: &str) -> u32 {
    let by_another_kind = [region.semaphore(object, 0).map(drop), region.mutex(object, 0_u64).map(drop)];
    let mut refusals = by_another_kind.into_iter().filter_map(|answer| match answer.map_err(|error| error.kind()) {
        Err(ObjectErrorKind::WrongKind { found, .. }) => Some(found),
        _ => None,
    });
    refusals.next().expect("it is not both")
}

#[test]
fn numbers_and_tags() {
    let region = RegionOptions::new().arena(1 << 16).anonymous().unwrap();
    region.mutex("mutex", 0_u8).unwrap();
    region.semaphore("semaphore", 0).unwrap();
    region.ring::<u64>("ring", 4).unwrap();
    region.stream("stream", 4).unwrap();
    region.segment("segment", 4).unwrap();
    region.event("event").unwrap();
    region.condvar("condvar").unwrap();
    region.barrier("barrier", 2).unwrap();
    region.once::<u8>("once").unwrap();
    region.owned_semaphore("owned semaphore", 2).unwrap();
    region.rwlock("rwlock", 0_u8).unwrap();
    region.pool::<u8>("pool", 2).unwrap();
    region.queue::<u8>("queue", 2).unwrap();
    region.work_queue::<u8>("work queue", 2).unwrap();
    region.unbounded::<u8>("unbounded", 2).unwrap();
    region.rendezvous::<u8>("rendezvous").unwrap();
    let shown = text(|into| {
        for object in region.objects().unwrap() {
            writeln!(into, "kind {} {}", kind_number(&region, &object.name), object.name)?;
        }
        for state in
            [ProcessState::Free, ProcessState::Init, ProcessState::Live, ProcessState::Dead, ProcessState::Walked]
        {
            let word = ProcessWord { generation: 1, state }.to_bits();
            writeln!(into, "process word {word:#x} {state:?} in generation 1")?;
        }
        for waiting in
            [Waiting::Nothing, Waiting::Object(registry::LOCK), Waiting::Object(ObjectId(1)), Waiting::Several]
        {
            writeln!(into, "waiting {:#x} {waiting:?}", waiting.to_bits())?;
        }
        for (name, bits) in [("id", LIFE_ID_MASK), ("died", LIFE_DIED), ("waiters", LIFE_WAITERS)] {
            writeln!(into, "life word {bits:#x} {name}")?;
        }
        writeln!(into, "entry 0 is object {}", registry::object_of(0).0)?;
        writeln!(into, "at most {} processes", participants::MAX_PROCESSES)?;
        writeln!(into, "at most {} threads", participants::MAX_THREADS)?;
        writeln!(into, "at most {} bytes of a name", registry::NAME_MAX)?;
        for (name, tag) in [
            ("u8", u8::TAG),
            ("u64", u64::TAG),
            ("u128", u128::TAG),
            ("i32", i32::TAG),
            ("f64", f64::TAG),
            ("[u8; 4]", <[u8; 4]>::TAG),
            ("[[u8; 4]; 4]", <[[u8; 4]; 4]>::TAG),
            ("order/1", region::Tag::new("order/1")),
        ] {
            writeln!(into, "{tag:?} {name}")?;
        }
        Ok(())
    });
    insta::assert_snapshot!(shown);
}

const PROCESSES: usize = 2;
const THREADS: usize = 4;
const OBJECTS: usize = 6;

fn options(place: &Place) -> RegionOptions {
    let [processes, threads, objects] = [PROCESSES, THREADS, OBJECTS].map(|count| u32::try_from(count).unwrap());
    place.options().processes(processes).threads(threads).objects(objects).arena(2048)
}

/// Where the parts of the body begin, as the documentation of the layout has it.
struct Parts {
    processes: usize,
    threads: usize,
    lock: usize,
    entries: usize,
    arena: usize,
}

fn parts() -> Parts {
    let membership = HEADER;
    let processes = (membership + size_of::<Membership>()).next_multiple_of(64);
    let threads = processes + PROCESSES * size_of::<ProcessEntry>();
    let lock = threads + PROCESSES * THREADS * size_of::<ThreadEntry>();
    let entries = (lock + size_of::<RawMutex>()).next_multiple_of(64);
    let arena = (entries + OBJECTS * size_of::<RegistryEntry>()).next_multiple_of(128);
    Parts { processes, threads, lock, entries, arena }
}

/// A region of which the words are looked at from outside.
struct Watched {
    region: Region,
    file: File,
    _place: Place,
}

impl Watched {
    fn new() -> Self {
        let place = Place::new();
        let region = options(&place).create("watched").unwrap();
        Self { region, file: File::open(place.file("watched")).unwrap(), _place: place }
    }

    fn word(&self, offset: usize) -> u32 {
        let mut bytes = [0; 4];
        self.file.read_exact_at(&mut bytes, offset as u64).unwrap();
        u32::from_ne_bytes(bytes)
    }

    /// The first word of the first object.
    fn object(&self) -> u32 {
        self.word(parts().arena)
    }

    /// What slot 1 says it waits for, once it says something.
    #[track_caller]
    fn waiting(&self) -> u32 {
        let offset = parts().threads + size_of::<ThreadEntry>() + offset_of!(ThreadEntry, waiting);
        let deadline = Deadline::after(Duration::from_secs(60));
        while self.word(offset) == 0 {
            assert!(!deadline.has_passed(), "slot 1 never waited");
            std::thread::yield_now();
        }
        self.word(offset)
    }
}

/// Runs `f` on a thread of its own, which ends before this returns.
fn on_a_thread(f: impl FnOnce() + Send) {
    std::thread::scope(|scope| scope.spawn(f).join().unwrap());
}

#[test]
fn words_of_a_mutex() {
    let watched = Watched::new();
    let mutex = watched.region.mutex("mutex", 0_u8).unwrap();
    let shown = text(|into| {
        writeln!(into, "{:#010x} free", watched.object())?;
        let guard = mutex.lock().unwrap();
        writeln!(into, "{:#010x} held by slot 0", watched.object())?;
        let waiting = std::thread::scope(|scope| {
            let waiter = scope.spawn(|| mutex.lock().map(drop).unwrap());
            let waiting = (watched.waiting(), watched.object());
            drop(guard);
            waiter.join().unwrap();
            waiting
        });
        writeln!(into, "{:#010x} held by slot 0, slot 1 waits and says {:#x}", waiting.1, waiting.0)?;
        on_a_thread(|| std::mem::forget(mutex.lock().unwrap()));
        writeln!(into, "{:#010x} left by slot 1", watched.object())?;
        let Err(LockError::OwnerDied(guard)) = mutex.lock() else { panic!("it was left locked") };
        writeln!(into, "{:#010x} inherited by slot 0", watched.object())?;
        drop(guard);
        writeln!(into, "{:#010x} not recoverable", watched.object())
    });
    insta::assert_snapshot!(shown);
}

#[test]
fn words_of_a_semaphore() {
    let shown = text(|into| {
        for (permits, wanted) in [(5, 0), (0, 1), (1, 2)] {
            let watched = Watched::new();
            let semaphore = watched.region.semaphore("semaphore", permits).unwrap();
            // Slot 0 is this thread's.
            watched.region.objects().unwrap();
            let seen = std::thread::scope(|scope| {
                let waiter = scope.spawn(|| semaphore.acquire_many(wanted).unwrap());
                if wanted > permits {
                    watched.waiting();
                }
                let seen = watched.object();
                semaphore.release_many(2).unwrap();
                waiter.join().unwrap();
                seen
            });
            writeln!(into, "{seen:#010x} {permits} permits, somebody has or wants {wanted}")?;
        }
        Ok(())
    });
    insta::assert_snapshot!(shown);
}

#[test]
fn words_of_a_ring() {
    let watched = Watched::new();
    let ring = watched.region.ring::<u8>("ring", 4).unwrap();
    let producer = parts().arena;
    let consumer = producer + size_of::<RawRing>() / 2;
    let shown = text(|into| {
        let ends = |when: &str| {
            let word = |offset| watched.word(offset);
            let [sent, sender, taken, receiver] = [producer, producer + 4, consumer, consumer + 4].map(word);
            format!("sender {sent:#010x} {sender:#010x}  receiver {taken:#010x} {receiver:#010x}  {when}\n")
        };
        into.write_str(&ends("never opened"))?;
        let mut sender = ring.sender().unwrap();
        let mut receiver = ring.receiver().unwrap();
        into.write_str(&ends("held by slot 0"))?;
        (1..4).for_each(|message| sender.send(message).unwrap());
        receiver.recv().unwrap();
        into.write_str(&ends("three sent, one taken"))?;
        drop((sender, receiver));
        into.write_str(&ends("closed"))?;
        on_a_thread(|| {
            std::mem::forget(ring.sender().unwrap());
            std::mem::forget(ring.receiver().unwrap());
        });
        into.write_str(&ends("left by slot 1"))
    });
    insta::assert_snapshot!(shown);
}

/// The words of a queue and its messages: where each lies, and which bits say what.
#[test]
fn words_of_a_work_queue() {
    const CAPACITY: usize = 2;
    // One for each thread slot beyond the capacity.
    const BUFFERS: usize = CAPACITY + PROCESSES * THREADS;
    let watched = Watched::new();
    let queue = watched.region.work_queue::<u64>("queue", CAPACITY).unwrap();
    let slots = parts().arena + size_of::<RawQueue>();
    let buffers = slots + 8 * CAPACITY;
    let messages = buffers + 8 * BUFFERS;
    let shown = text(|into| {
        let long = |offset: usize| u64::from(watched.word(offset)) | u64::from(watched.word(offset + 4)) << 32;
        let state = |when: &str| {
            let [head, tail] = [0, 16].map(|offset| long(parts().arena + offset));
            let [first, second] = [0, 8].map(|offset| long(slots + offset));
            let [one, two] = [0, 8].map(|offset| (long(buffers + offset), long(messages + offset)));
            let [note, messages, space, capacity, delivery, pool] =
                [8, 12, 24, 28, 32, 36].map(|offset| watched.word(parts().arena + offset));
            format!(
                "{when}\n  head {head} note {note} gate {messages} tail {tail} gate {space} capacity {capacity} \
                 delivery {delivery} gate {pool}\n  slots {first:#x} {second:#x}\n  buffers {:#x} {} {:#x} {}\n",
                one.0, one.1, two.0, two.1
            )
        };
        into.write_str(&state("new"))?;
        let mut loan = queue.loan().unwrap();
        *loan = 7;
        into.write_str(&state("slot 0 fills a buffer"))?;
        loan.send().unwrap();
        into.write_str(&state("sent"))?;
        on_a_thread(|| queue.send(8).unwrap());
        into.write_str(&state("slot 1 has sent another, and ended"))?;
        let lease = queue.recv().unwrap();
        into.write_str(&state("slot 0 has received"))?;
        drop(lease);
        into.write_str(&state("and put it back"))?;
        queue.recv().unwrap().ack();
        into.write_str(&state("received again and finished"))
    });
    insta::assert_snapshot!(shown);
}

/// Which words of the file differ from run to run.
fn varies(offset: usize, size: usize) -> bool {
    let header = [4, 5, 6, 7, 8, 13, 15].map(|word| 8 * word);
    let of_process =
        [offset_of!(ProcessEntry, pid), offset_of!(ProcessEntry, start_time), offset_of!(ProcessEntry, namespaces)];
    let mut processes = (0..PROCESSES).map(|index| parts().processes + index * size_of::<ProcessEntry>());
    header.contains(&offset)
        || processes.any(|entry| of_process.iter().any(|field| (entry + field) / 8 * 8 == offset))
        || offset == size - 8
}

#[test]
fn the_file_of_a_region() {
    let place = Place::new();
    let region = options(&place).create("stock").unwrap();
    let mutex = region.mutex("pieces", 0x0807_0605_0403_0201_u64).unwrap();
    let permits = region.semaphore("permits", 3).unwrap();
    let table = region.segment("table", 40).unwrap();
    let bytes: Vec<u8> = (0x10..0x38).collect();
    // SAFETY: nobody else knows of this region.
    unsafe { table.write(0, &bytes) }.unwrap();
    let ring = region.ring::<u32>("orders", 4).unwrap();
    let mut sender = ring.sender().unwrap();
    (1..=3).for_each(|order| sender.send(order).unwrap());
    let stream = region.stream("log", 8).unwrap();
    stream.writer().unwrap().write_whole(b"hello").unwrap();
    region.mutex("gone", 7_u16).unwrap();
    region.remove_object("gone").unwrap();
    std::mem::forget(mutex.lock().unwrap());
    drop((permits, table, sender, ring, stream, mutex, region));

    let image = std::fs::read(place.file("stock")).unwrap();
    let Parts { processes, threads, lock, entries, arena } = parts();
    let names = [
        (0, "header"),
        (HEADER, "membership"),
        (processes, "processes"),
        (threads, "threads"),
        (lock, "lock of the registry"),
        (entries, "entries"),
        (arena, "arena"),
        (image.len() - 32, "end"),
    ];
    let shown = text(|into| {
        for (number, line) in image.chunks(32).enumerate() {
            let start = 32 * number;
            for (_, name) in names.iter().filter(|(at, _)| (start..start + 32).contains(at)) {
                writeln!(into, "{name}")?;
            }
            if line.iter().all(|byte| *byte == 0) {
                continue;
            }
            write!(into, "{start:6x}")?;
            for (index, word) in line.chunks(8).enumerate() {
                match varies(start + 8 * index, image.len()) {
                    true => write!(into, "  ················")?,
                    false => write!(into, "  {:016x}", u64::from_le_bytes(word.try_into().unwrap()))?,
                }
            }
            writeln!(into)?;
        }
        Ok(())
    });
    insta::assert_snapshot!(shown);
}

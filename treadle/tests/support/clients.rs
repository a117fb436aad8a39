//! Well-known small clients: locks, a semaphore, queues, a blocking buffer.

use std::sync::Arc;
use treadle::cell::UnsafeCell;
use treadle::futex::{Until, wait, wake};
use treadle::sync::atomic::{AtomicU32, Ordering, fence};
use treadle::{hint, thread};

use Ordering::{AcqRel, Acquire, Relaxed, Release, SeqCst};

/// A value that a protocol guards; an access that the protocol does not order is a race.
#[derive(Default)]
struct Guarded(UnsafeCell<u32>);

impl Guarded {
    fn get(&self) -> u32 {
        // SAFETY: the engine has checked that nobody else accesses it now.
        self.0.with(|value| unsafe { *value })
    }

    fn set(&self, new: u32) {
        // SAFETY: as above.
        self.0.with_mut(|value| unsafe { *value = new });
    }

    fn increment(&self) {
        // SAFETY: as above.
        self.0.with_mut(|value| unsafe { *value += 1 });
    }
}

/// Runs `body` in each of some threads and waits for them.
fn in_threads(threads: usize, body: impl Fn() + Clone + 'static) {
    let all: Vec<_> = (0..threads).map(|_| thread::spawn(body.clone())).collect();
    all.into_iter().for_each(|thread| thread.join().expect("it ends"));
}

/// Each thread locks a futex mutex (Drepper, "Futexes are tricky", 2011) some times.
pub(crate) fn mutex(threads: usize, times: u32) {
    let shared = Arc::new((AtomicU32::new(0), Guarded::default()));
    let client = Arc::clone(&shared);
    in_threads(threads, move || {
        let (word, value) = &*client;
        for _ in 0..times {
            if word.compare_exchange(0, 1, Acquire, Relaxed).is_err() {
                while word.swap(2, Acquire) != 0 {
                    wait(word, 2, Until::Woken);
                }
            }
            value.increment();
            if word.swap(0, Release) == 2 {
                wake(word, 1);
            }
        }
    });
    assert_eq!(shared.1.get() as usize, threads * times as usize);
}

/// Each thread takes a permit of a counting semaphore and gives it back. One word: permits, and whether anybody waits.
pub(crate) fn semaphore(threads: usize, permits: u32) {
    const WAITERS: u32 = 1 << 31;
    let word = Arc::new(AtomicU32::new(permits));
    let client = Arc::clone(&word);
    in_threads(threads, move || {
        let mut seen = client.load(Relaxed);
        loop {
            let (new, takes) = if seen & !WAITERS > 0 { (seen - 1, true) } else { (seen | WAITERS, false) };
            match client.compare_exchange(seen, new, Acquire, Relaxed) {
                Err(found) => seen = found,
                Ok(_) if takes => break,
                Ok(_) => {
                    wait(&client, new, Until::Woken);
                    seen = client.load(Relaxed);
                }
            }
        }
        // Whoever gives a permit back clears the mark, and wakes all that may have set it.
        if client.fetch_add(1, Release) & WAITERS != 0 && client.fetch_and(!WAITERS, Relaxed) & WAITERS != 0 {
            wake(&client, u32::MAX);
        }
    });
    assert_eq!(word.load(Relaxed) & !WAITERS, permits);
}

/// Each thread takes a spin lock once.
pub(crate) fn spin_lock(threads: usize) {
    let shared = Arc::new((AtomicU32::new(0), Guarded::default()));
    let client = Arc::clone(&shared);
    in_threads(threads, move || {
        while client.0.compare_exchange(0, 1, Acquire, Relaxed).is_err() {
            hint::spin_loop();
        }
        client.1.increment();
        client.0.store(0, Release);
    });
    assert_eq!(shared.1.get() as usize, threads);
}

/// The same, with a wait that is declared.
pub(crate) fn awaited_lock(threads: usize) {
    let shared = Arc::new((AtomicU32::new(0), Guarded::default()));
    let client = Arc::clone(&shared);
    in_threads(threads, move || {
        client.0.await_exchange(0, 1, Acquire, Relaxed);
        client.1.increment();
        client.0.store(0, Release);
    });
    assert_eq!(shared.1.get() as usize, threads);
}

/// Each thread takes a ticket lock once.
pub(crate) fn ticket_lock(threads: usize) {
    let shared = Arc::new((AtomicU32::new(0), AtomicU32::new(0), Guarded::default()));
    let client = Arc::clone(&shared);
    in_threads(threads, move || {
        let (next, serving, value) = &*client;
        let ticket = next.fetch_add(1, Relaxed);
        while serving.load(Acquire) != ticket {
            hint::spin_loop();
        }
        value.increment();
        serving.store(ticket + 1, Release);
    });
    assert_eq!(shared.2.get() as usize, threads);
}

/// One thread sends messages to another through a ring of two slots.
pub(crate) fn spsc(messages: u32) {
    #[derive(Default)]
    struct Ring {
        head: AtomicU32,
        tail: AtomicU32,
        slots: [Guarded; 2],
    }
    let ring = Arc::new(Ring::default());
    let sender = Arc::clone(&ring);
    let sender = thread::spawn(move || {
        for message in 0..messages {
            while message.wrapping_sub(sender.head.load(Acquire)) == 2 {
                hint::spin_loop();
            }
            sender.slots[message as usize % 2].set(message);
            sender.tail.store(message + 1, Release);
        }
    });
    for message in 0..messages {
        while ring.tail.load(Acquire) == message {
            hint::spin_loop();
        }
        assert_eq!(ring.slots[message as usize % 2].get(), message);
        ring.head.store(message + 1, Release);
    }
    sender.join().expect("it ends");
}

/// The bounded queue of Vyukov, two slots: each sender sends so many messages, the receivers share them.
pub(crate) fn mpmc(senders: u32, receivers: u32, each: u32) {
    struct Slot {
        sequence: AtomicU32,
        value: Guarded,
    }
    struct Queue {
        head: AtomicU32,
        tail: AtomicU32,
        slots: [Slot; 2],
    }
    impl Queue {
        /// Claims the next position whose slot has reached `ahead` of it.
        fn claim(&self, index: &AtomicU32, ahead: u32) -> Option<u32> {
            let mut position = index.load(Relaxed);
            loop {
                let slot = &self.slots[position as usize % 2];
                let distance = slot.sequence.load(Acquire).wrapping_sub(position + ahead).cast_signed();
                match distance {
                    0 => match index.compare_exchange(position, position + 1, Relaxed, Relaxed) {
                        Ok(_) => return Some(position),
                        Err(found) => position = found,
                    },
                    1.. => position = index.load(Relaxed),
                    _ => return None,
                }
            }
        }

        fn send(&self, message: u32) -> bool {
            let Some(position) = self.claim(&self.tail, 0) else { return false };
            let slot = &self.slots[position as usize % 2];
            slot.value.set(message);
            slot.sequence.store(position + 1, Release);
            true
        }

        fn receive(&self) -> Option<u32> {
            let position = self.claim(&self.head, 1)?;
            let slot = &self.slots[position as usize % 2];
            let message = slot.value.get();
            slot.sequence.store(position + 2, Release);
            Some(message)
        }
    }
    let slot = |sequence| Slot { sequence: AtomicU32::new(sequence), value: Guarded::default() };
    let queue = Arc::new(Queue { head: AtomicU32::new(0), tail: AtomicU32::new(0), slots: [slot(0), slot(1)] });
    let (sender, receiver) = (Arc::clone(&queue), Arc::clone(&queue));
    let send = move || {
        for message in 0..each {
            while !sender.send(message) {
                hint::spin_loop();
            }
        }
    };
    let receive = move || {
        for _ in 0..each * senders / receivers {
            while receiver.receive().is_none() {
                hint::spin_loop();
            }
        }
    };
    let all: Vec<_> = (0..senders)
        .map(|_| thread::spawn(send.clone()))
        .chain((0..receivers).map(|_| thread::spawn(receive.clone())))
        .collect();
    all.into_iter().for_each(|thread| thread.join().expect("it ends"));
}

/// One thread sends messages to another through one slot; both sleep when they have to. The word says whether the slot
/// is full, and whether anybody sleeps.
pub(crate) fn buffer(messages: u32) {
    const FULL: u32 = 1;
    const WAITER: u32 = 2;
    fn until(word: &AtomicU32, state: u32) {
        loop {
            let seen = word.load(Acquire);
            if seen & FULL == state {
                return;
            }
            let marked = seen & WAITER != 0 || word.compare_exchange(seen, seen | WAITER, Relaxed, Relaxed).is_ok();
            if marked {
                wait(word, seen | WAITER, Until::Woken);
            }
        }
    }
    fn become_and_wake(word: &AtomicU32, state: u32) {
        if word.swap(state, AcqRel) & WAITER != 0 {
            wake(word, u32::MAX);
        }
    }
    let shared = Arc::new((AtomicU32::new(0), Guarded::default()));
    let sender = Arc::clone(&shared);
    let sender = thread::spawn(move || {
        for message in 0..messages {
            until(&sender.0, 0);
            sender.1.set(message);
            become_and_wake(&sender.0, FULL);
        }
    });
    for message in 0..messages {
        until(&shared.0, FULL);
        assert_eq!(shared.1.get(), message);
        become_and_wake(&shared.0, 0);
    }
    sender.join().expect("it ends");
}

/// Two threads, each of which says that it is there and looks whether the other is, with a fence between.
pub(crate) fn store_buffering(fenced: bool) {
    let words = Arc::new([AtomicU32::new(0), AtomicU32::new(0)]);
    let other = Arc::clone(&words);
    let side = move |mine: usize, words: &[AtomicU32; 2]| {
        words[mine].store(1, Relaxed);
        if fenced {
            fence(SeqCst);
        }
        words[1 - mine].load(Relaxed)
    };
    let thread = thread::spawn(move || side(1, &other));
    let mine = side(0, &words);
    let theirs = thread.join().expect("it ends");
    assert!(mine == 1 || theirs == 1, "neither has seen the other");
}

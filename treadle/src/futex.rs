//! Futexes: words on which threads sleep, as native events of the engine.
//!
//! **Semantics.** A word and its queue are one location with one coherence order. [`wait`] is a conditional
//! read-modify-write: if it reads the expected value it joins the queue, and otherwise it is a load. [`wake`] is a
//! read-modify-write that takes waiters from the queue, and on an empty queue a load. So each wait stands before a wake
//! in coherence order and is seen by it, or after it, and then after everything that the waking thread wrote to the word
//! before: lost wake-ups are the program's, never the model's. A sleeper goes on after the write that took it from the
//! queue. All of this is relaxed: a wake orders no other memory, as the kernel promises nothing of the kind.
//!
//! **What does nothing.** A wake that finds nobody and a wait that finds another value show no more than that. Which of
//! several writes they read is not told apart, and they receive nothing by it: who needs to know what was published with the
//! value loads it.
//!
//! **What leaves late.** A wait that ends by itself, by time or for no reason, leaves the queue by an operation of its
//! own, after its end. Until then a wake finds it there and is eaten; whoever was taken returns as woken, whatever else
//! happened. So it is with the other words of a [`waitv`], which joins and leaves one queue after the other. A thread
//! killed asleep stays in its queues until `on_death` calls [`leave_all`], as the kernel does when a sleeper exits.
//!
//! ```
//! use std::sync::Arc;
//! use treadle::futex::{Until, wait, wake};
//! use treadle::{sync::atomic::{AtomicU32, Ordering::Relaxed}, thread};
//!
//! treadle::model(|| {
//!     let word = Arc::new(AtomicU32::new(0));
//!     let other = Arc::clone(&word);
//!     let waker = thread::spawn(move || {
//!         other.store(1, Relaxed);
//!         // Before the store it could come too early: a lost wake-up, reported as a deadlock.
//!         wake(&other, 1);
//!     });
//!     while word.load(Relaxed) == 0 {
//!         wait(&word, 0, Until::Woken);
//!     }
//!     waker.join().unwrap();
//! });
//! ```
//!
//! **A limit.** Stores to a word on which threads sleep are read-modify-writes to the engine, for each write has to know
//! the queue that it leaves. Executions in which program order, reads-from and the coherence order of such stores form a
//! cycle together (2+2W) are not explored.
//!
//! References: `futex(2)`; kernel document `userspace-api/futex2`.

use crate::graph::{Loc, Update, Waiter};
use crate::runtime::{Ending, operate, try_with, wake_up, with};
use crate::sync::atomic::{AtomicU32, Ordering, Word};
use core::panic::Location;

/// How a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A wake took the thread from the queue, or it woke up for no reason.
    Woken,
    /// It did not sleep: a word did not hold the expected value.
    Changed,
    /// The time was up.
    TimedOut,
}

/// How long a wait can last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Until {
    /// Until a wake comes.
    #[default]
    Woken,
    /// Until a wake comes or the time is up, whichever comes first: both are explored.
    WokenOrTimedOut,
    /// Until a wake comes, or until it ends for no reason: both are explored.
    WokenOrSpurious,
    /// Until a wake comes, or until nothing else can happen: every other thread has ended or waits for something that
    /// will not come. What a deadline in the far future, or a watchdog, would find.
    WokenOrQuiet,
    /// No longer than it takes to join the queue and to leave it.
    TimedOut,
    /// No longer than it takes to look at the word: somebody who is not part of the model wakes it at once.
    Spurious,
}

impl Until {
    fn choices(self) -> u32 {
        match self {
            Self::Woken | Self::WokenOrQuiet => 1,
            Self::WokenOrTimedOut | Self::WokenOrSpurious => 2,
            Self::TimedOut | Self::Spurious => 0,
        }
    }

    fn end(self) -> Outcome {
        match self {
            Self::WokenOrTimedOut | Self::WokenOrQuiet | Self::TimedOut => Outcome::TimedOut,
            _ => Outcome::Woken,
        }
    }

    fn ending(self) -> Ending {
        match self {
            Self::WokenOrTimedOut | Self::WokenOrSpurious => Ending::ByItself,
            Self::WokenOrQuiet => Ending::WhenQuiet,
            Self::Woken | Self::TimedOut | Self::Spurious => Ending::Never,
        }
    }
}

/// In which order a wake takes the waiters of a word.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WakeOrder {
    /// The longest asleep first, as the kernel does for equal priorities.
    #[default]
    Fifo,
    /// The last asleep first, as priorities can make it.
    Lifo,
}

fn queue_at(word: Word, site: &'static Location<'static>) -> Loc {
    let loc = word.loc(site);
    operate(|x| x.queue_at(loc));
    loc
}

fn relaxed(loc: Loc, update: Update, site: &'static Location<'static>) -> Option<crate::runtime::Got> {
    operate(|x| x.read(loc, update, (Ordering::Relaxed, Ordering::Relaxed), site))
}

/// Leaves a queue; false if a wake was there first.
fn leave(loc: Loc, waiter: Waiter, site: &'static Location<'static>) -> bool {
    let left = relaxed(loc, Update::Leave(waiter), site).is_none_or(|got| got.wrote);
    try_with(|x| x.forget_queue(loc, waiter));
    left
}

/// Sleeps while `word` holds `expected`, until woken or as `until` says.
#[track_caller]
pub fn wait(word: &AtomicU32, expected: u32, until: Until) -> Outcome {
    wait_at(&[(word, expected)], until, Location::caller())
}

/// Sleeps while each word holds its expected value, until one of them is woken or as `until` says.
#[track_caller]
pub fn waitv(on: &[(&AtomicU32, u32)], until: Until) -> Outcome {
    wait_at(on, until, Location::caller())
}

fn wait_at(on: &[(&AtomicU32, u32)], until: Until, site: &'static Location<'static>) -> Outcome {
    let locs: Vec<Loc> = on.iter().map(|(word, _)| queue_at(word.word(), site)).collect();
    if until == Until::Spurious {
        let mut looks = locs.iter().zip(on).map(|(&loc, (_, expected))| {
            let update = Update::Glance { expected: (*expected).into() };
            relaxed(loc, update, site).is_none_or(|got| got.wrote)
        });
        return if looks.all(|as_expected| as_expected) { Outcome::Woken } else { Outcome::Changed };
    }
    let bell = (on.len() > 1).then(|| with(|x| x.new_location(0, None)));
    let mut place = Queue { joined: Vec::with_capacity(on.len()), bell };
    for (&loc, (_, expected)) in locs.iter().zip(on) {
        let Some(got) = relaxed(loc, Update::Wait { expected: (*expected).into() }, site) else {
            return Outcome::Woken;
        };
        if !got.wrote {
            return if place.leave(site) { Outcome::Changed } else { Outcome::Woken };
        }
        place.joined.push((loc, got.waiter));
        with(|x| x.remember_queue(loc, got.waiter, bell));
    }
    place.sleep(until, site)
}

/// A thread's place in one queue, or in several.
pub(crate) struct Queue {
    joined: Vec<(Loc, Waiter)>,
    /// What is rung when it is taken from one of several.
    bell: Option<Loc>,
}

impl Queue {
    /// Joins the queue of `word`, which holds 0; none if the thread unwinds.
    pub(crate) fn join(word: &AtomicU32, site: &'static Location<'static>) -> Option<Self> {
        let loc = queue_at(word.word(), site);
        let got = relaxed(loc, Update::Wait { expected: 0 }, site)?;
        with(|x| x.remember_queue(loc, got.waiter, None));
        Some(Self { joined: vec![(loc, got.waiter)], bell: None })
    }

    /// Sleeps until taken from a queue, or as `until` says; leaves what is to be left.
    pub(crate) fn sleep(&self, until: Until, site: &'static Location<'static>) -> Outcome {
        let choices = until.choices();
        let sleeps = match choices {
            0 => false,
            1 if !with(|x| x.threads[x.running].mortal) => true,
            _ => operate(|x| x.choose(choices, site)).is_some_and(|chosen| chosen == 0),
        };
        if !sleeps {
            return if self.leave(site) { until.end() } else { Outcome::Woken };
        }
        with(|x| x.set_ending(until.ending()));
        let woken = match (self.bell, self.joined.first()) {
            (Some(bell), _) => {
                let rung = Update::Await { mask: u64::MAX, value: 0, equal: false };
                relaxed(bell, rung, site).is_none_or(|got| got.value != 0)
            }
            (None, Some(&(loc, waiter))) => wake_up(loc, waiter, site),
            (None, None) => true,
        };
        try_with(|x| x.set_ending(Ending::Never));
        if !woken {
            operate(|x| x.quiet(site));
        }
        if !woken || self.bell.is_some() {
            return if self.leave(site) { until.end() } else { Outcome::Woken };
        }
        if let Some(&(loc, waiter)) = self.joined.first() {
            try_with(|x| x.forget_queue(loc, waiter));
        }
        Outcome::Woken
    }

    /// Leaves each queue; false if a wake was there first in one of them.
    fn leave(&self, site: &'static Location<'static>) -> bool {
        self.joined.iter().fold(true, |untaken, &(loc, waiter)| leave(loc, waiter, site) && untaken)
    }
}

/// What the kernel does when a sleeper has been killed: the running thread leaves all queues which it has joined and not
/// left. Returns how many those are; a wake may have taken it from some of them.
#[track_caller]
pub fn leave_all() -> usize {
    let site = Location::caller();
    let queues = with(|x| x.queues_of_running());
    for &(loc, waiter) in &queues {
        leave(loc, waiter, site);
    }
    queues.len()
}

/// Takes up to `count` waiters from the queue of `word`, the longest asleep first, and returns how many those were.
#[track_caller]
pub fn wake(word: &AtomicU32, count: u32) -> u32 {
    wake_at(word, count, WakeOrder::Fifo, Location::caller())
}

/// The same, in an order of one's choice.
#[track_caller]
pub fn wake_in_order(word: &AtomicU32, count: u32, order: WakeOrder) -> u32 {
    wake_at(word, count, order, Location::caller())
}

fn wake_at(word: &AtomicU32, count: u32, order: WakeOrder, site: &'static Location<'static>) -> u32 {
    let loc = queue_at(word.word(), site);
    let update = Update::Wake { count, lifo: order == WakeOrder::Lifo };
    let Some(got) = relaxed(loc, update, site).filter(|got| got.wrote) else { return 0 };
    let (taken, bells) = with(|x| x.taken_by(update, got));
    for bell in bells {
        operate(|x| x.ring(bell, site));
    }
    taken
}

//! The hunt for late stores: does a dying thread store into what was taken from it already?
//!
//! The *prey* is a process whose threads hold mutexes and store into their values without a pause. It is killed; its
//! threads stop one after the other, on different processors. Heirs wait for the mutexes in another process; whoever is
//! told of the death watches the value for a while: it must not change any more.

use super::fault::{Fault, Outcome};
use super::hand::identity;
use super::histogram::Histogram;
use super::journal::{Journal, Lane, PREYS, Place, Prey};
use super::numbers::Numbers;
use super::process::{self, Ending};
use super::worker::{FAULT, Scene};
use rustix::process::{Pid, Signal};
use selvedge::Deadline;
use selvedge::region::{LockError, Mutex};
use selvedge::sync::{AtomicU32, Ordering, WaitOutcome, futex_wait, futex_wake};
use std::ptr;
use std::thread;
use std::time::Duration;

pub(crate) const NAME: &str = "late-store";
/// Where the prey was, for the histogram: a subject of its own in the journal.
pub(crate) const SUBJECT: usize = super::worker::LIFE - 1;
pub(crate) const POINTS: &[&str] = &["one thread spins", "two threads spin", "three threads spin"];

/// Longest time from the last lock to the kill, and longest watch of an heir, in microseconds.
const GAP: u64 = 120;
const WATCH: u64 = 150;

/// A number that only grows, and whose it is.
type Value = [u64; 2];

/// A hunt: the heirs live through all of it.
pub(crate) struct Hunt<'a> {
    scene: &'a Scene,
    heirs: Option<Pid>,
    prey: Option<Pid>,
}

fn mutexes(scene: &Scene) -> Outcome<Vec<Mutex<Value>>> {
    let region = scene.attach()?;
    let mutex = |index| region.mutex(&format!("prey-{index}"), [0, 0]);
    (0..PREYS).map(mutex).collect::<Result<_, _>>().map_err(|error| Fault::refused("mutex", error))
}

/// Sets a word and wakes who waits for it.
fn tell(word: &AtomicU32, number: u32) {
    word.store(number, Ordering::Release);
    futex_wake(word, u32::MAX);
}

/// Waits until the word holds `number`.
fn await_number(word: &AtomicU32, number: u32, patience: Duration, what: &str) -> Outcome {
    let deadline = Deadline::after(patience);
    loop {
        let found = word.load(Ordering::Acquire);
        if found == number {
            return Ok(());
        }
        if futex_wait(word, found, Some(deadline)) == WaitOutcome::TimedOut && word.load(Ordering::Acquire) != number {
            return Err(Fault::new(format!("waited {patience:?} in vain: {what}")));
        }
    }
}

fn code(outcome: &Outcome, lane: &Lane) -> i32 {
    match outcome {
        Ok(()) => 0,
        Err(fault) => {
            lane.say(&fault.to_string());
            FAULT
        }
    }
}

/// The process that is killed: `threads` threads share the mutexes and store into them until they are no more.
fn be_prey(scene: &Scene, number: u32, threads: usize) -> Outcome {
    let mutexes = mutexes(scene)?;
    let spin = |thread: usize| -> Outcome {
        let own = |index: &usize| index % threads == thread;
        let lock = |index: usize| mutexes[index].lock().map_err(|error| Fault::refused("the prey's lock", error));
        let mut guards = (0..PREYS).filter(own).map(lock).collect::<Outcome<Vec<_>>>()?;
        guards.iter_mut().for_each(|guard| guard[1] = identity(0, number));
        (0..PREYS).filter(own).for_each(|index| tell(&scene.journal.hunt[index].owned, number));
        for stored in 0.. {
            for guard in &mut guards {
                let value = ptr::from_mut(&mut guard[0]);
                // SAFETY: made from a unique reference just now. Volatile, so that every single store happens.
                unsafe { value.write_volatile(stored) };
            }
        }
        Ok(())
    };
    thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|thread| scope.spawn(move || spin(thread))).collect();
        spin(0)?;
        others.into_iter().try_for_each(|other| other.join().map_err(|_| Fault::new("a thread panicked"))?)
    })
}

/// One heir: is told of each death and watches.
fn inherit(mutex: &Mutex<Value>, prey: &Prey, patience: Duration, seed: u64) -> Outcome {
    let mut numbers = Numbers::new(seed);
    for number in 1.. {
        await_number(&prey.owned, number, Duration::MAX, "a prey")?;
        let mut guard = match mutex.lock_timeout(patience) {
            Err(LockError::OwnerDied(guard)) => guard,
            Ok(_) => return Err(Fault::new(format!("prey {number} died with its lock, and its heir was not told"))),
            Err(error) => return Err(Fault::refused("the heir's lock", error)),
        };
        let value = ptr::from_mut(&mut guard[0]);
        // SAFETY: made from a unique reference just now. Volatile, to see what others store against the rules.
        let look = || unsafe { value.read_volatile() };
        let (found, end) = (look(), Deadline::after(Duration::from_micros(numbers.below(WATCH))));
        while !end.has_passed() {
            let now = look();
            if now != found {
                return Err(Fault::new(format!(
                    "a late store: prey {number} was dead, and its value went from {found} to {now}"
                )));
            }
        }
        if guard[1] != identity(0, number) {
            return Err(Fault::new(format!("the heir of prey {number} does not see what that wrote: {:x?}", *guard)));
        }
        guard.mark_consistent();
        drop(guard);
        tell(&prey.told, number);
    }
    Ok(())
}

fn be_heirs(scene: &Scene, seed: u64) -> Outcome {
    let (mutexes, patience) = (mutexes(scene)?, scene.patience);
    thread::scope(|scope| {
        let pairs = mutexes.iter().zip(&scene.journal.hunt);
        let heir = |(mutex, prey)| {
            scope.spawn(move || {
                let outcome = inherit(mutex, prey, patience, seed);
                if let Err(fault) = &outcome {
                    // The others wait for the next prey, which does not come.
                    scene.journal.lane(0).say(&fault.to_string());
                    std::process::exit(FAULT);
                }
            })
        };
        pairs.map(heir).for_each(drop);
    });
    Ok(())
}

impl<'a> Hunt<'a> {
    /// Kills `kills` preys, one after the other.
    pub(crate) fn run(scene: &'a Scene, numbers: &mut Numbers, kills: u32, histogram: &mut Histogram) -> Outcome {
        let mut hunt = Self { scene, heirs: None, prey: None };
        let journal = scene.journal;
        for prey in &journal.hunt {
            prey.owned.store(0, Ordering::Relaxed);
            prey.told.store(0, Ordering::Relaxed);
        }
        journal.lane(0).begin(0);
        let seed = numbers.next();
        let heirs = process::fork(|| code(&be_heirs(scene, seed), journal.lane(0)));
        hunt.heirs = Some(heirs.map_err(|error| Fault::refused("fork", error))?);
        (1..=kills).try_for_each(|number| hunt.kill_one(number, numbers, histogram))
    }

    fn kill_one(&mut self, number: u32, numbers: &mut Numbers, histogram: &mut Histogram) -> Outcome {
        let (scene, journal): (_, &Journal) = (self.scene, self.scene.journal);
        let threads = 1 + numbers.index(PREYS);
        journal.lane(1).begin(0);
        let prey = process::fork(|| code(&be_prey(scene, number, threads), journal.lane(1)));
        let pid = prey.map_err(|error| Fault::refused("fork", error))?;
        self.prey = Some(pid);
        for prey in &journal.hunt {
            await_number(&prey.owned, number, scene.patience, &format!("prey {number} locks"))
                .map_err(|fault| self.add(fault))?;
        }
        thread::sleep(Duration::from_micros(numbers.below(GAP)));
        process::signal(pid, Signal::KILL);
        let ending = process::reap(pid);
        self.prey = None;
        if ending != Ending::SIGKILL {
            return Err(Fault::new(format!("prey {number} ended with {ending:?}: {}", journal.lane(1).said())));
        }
        for prey in &journal.hunt {
            await_number(&prey.told, number, scene.patience, &format!("an heir of prey {number}"))
                .map_err(|fault| self.add(fault))?;
        }
        histogram.hit(Some(Place { subject: SUBJECT, point: threads - 1 }), None);
        Ok(())
    }

    /// What the two processes have said, beside the fault.
    fn add(&self, fault: Fault) -> Fault {
        let journal = self.scene.journal;
        Fault::new(format!(
            "{fault}\n    the heirs: {}\n    the prey: {}",
            journal.lane(0).said(),
            journal.lane(1).said()
        ))
    }
}

impl Drop for Hunt<'_> {
    fn drop(&mut self) {
        for pid in self.heirs.into_iter().chain(self.prey) {
            process::signal(pid, Signal::KILL);
            process::reap(pid);
        }
    }
}

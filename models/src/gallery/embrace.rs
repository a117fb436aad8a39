//! The deadly embrace: two who each hold what the other wants.

use super::{Exhibit, Expected, Version, bounded, program};
use crate::scene::Notes;
use crate::verify;
use crate::world::World;
use selvedge::sync::{AtomicU32, Ordering, futex_wait, futex_wake};
use std::sync::Arc;

pub(super) const EXHIBIT: Exhibit = Exhibit {
    name: "embrace",
    title: "Deadly embrace of two mutexes",
    story: "Two move money between the same two accounts, and each locks the account first from which the money goes.\n\
            If each gets its first lock before the other asks for it, both wait for ever: hold and wait in a circle.\n\
            Locks taken in one agreed order can form no circle.",
    broken: &[Version {
        caption: "each in its own order",
        model: bounded(program("gallery/embrace", "2 × 1 transfer", |world| transfers(world, false)), 2),
        expected: Expected::Fails("lost wake-up or deadlock"),
    }],
    right: &[Version {
        caption: "both in one order",
        model: bounded(program("gallery/embrace_ordered", "2 × 1 transfer", |world| transfers(world, true)), 3),
        expected: Expected::Passes,
    }],
};

const UNLOCKED: u32 = 0;
const LOCKED: u32 = 1;
const WAITERS: u32 = 2;

/// The plain three-state mutex; the owner is nobody's business here.
fn lock(word: &AtomicU32) {
    if word.compare_exchange(UNLOCKED, LOCKED, Ordering::Acquire, Ordering::Relaxed).is_ok() {
        return;
    }
    while word.swap(WAITERS, Ordering::Acquire) != UNLOCKED {
        futex_wait(word, WAITERS, None);
    }
}

fn unlock(word: &AtomicU32) {
    if word.swap(UNLOCKED, Ordering::Release) == WAITERS {
        futex_wake(word, 1);
    }
}

struct Bank {
    savings: AtomicU32,
    current: AtomicU32,
}

fn transfers(world: &mut World, ordered: bool) {
    let bank = Arc::new(Bank { savings: AtomicU32::new(UNLOCKED), current: AtomicU32::new(UNLOCKED) });
    let balances = Arc::new(Notes::<(i32, i32)>::default());
    for (name, amount) in [("to savings", 7), ("to current", -7)] {
        let (bank, balances) = (Arc::clone(&bank), Arc::clone(&balances));
        world.thread(name, move || {
            let (first, second) =
                if amount > 0 && !ordered { (&bank.current, &bank.savings) } else { (&bank.savings, &bank.current) };
            lock(first);
            lock(second);
            {
                let mut balances = balances.lock();
                balances.0 += amount;
                balances.1 -= amount;
            }
            unlock(second);
            unlock(first);
        });
    }
    world.finally(move || verify!(*balances.lock() == (0, 0), "money lost or made"));
}

//! The structures as they ship, on real threads.
#![cfg(not(loom))]
#![allow(missing_docs)]

use foreign_structures::seqlock::SeqLock;
use foreign_structures::stack::Stack;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;

const ROUNDS: u32 = 200_000;

#[test]
fn readers_see_whole_values_that_do_not_go_back() {
    let lock = SeqLock::new([0, 0]);
    let ends = AtomicBool::new(false);
    let seen: Vec<u32> = thread::scope(|scope| {
        let read = || {
            let (mut reads, mut last) = (0, 0);
            while !ends.load(Ordering::Relaxed) || reads == 0 {
                let Some([one, other]) = lock.try_read() else { continue };
                assert_eq!(one, other, "torn");
                assert!(one >= last, "{one} after {last}");
                last = one;
                reads += 1;
            }
            reads
        };
        let readers: Vec<_> = (0..2).map(|_| scope.spawn(read)).collect();
        for value in 1..=ROUNDS {
            assert!(lock.try_write([value, value]), "nobody else writes");
        }
        ends.store(true, Ordering::Relaxed);
        readers.into_iter().map(|reader| reader.join().expect("it ends")).collect()
    });
    assert_eq!(lock.try_read(), Some([ROUNDS, ROUNDS]));
    assert!(seen.iter().all(|reads| *reads > 0), "{seen:?}");
}

#[test]
fn writers_take_turns() {
    let (lock, written) = (SeqLock::new([0, 0]), AtomicU32::new(0));
    thread::scope(|scope| {
        for writer in 1..=3 {
            let (lock, written) = (&lock, &written);
            scope.spawn(move || {
                for _ in 0..ROUNDS {
                    written.fetch_add(u32::from(lock.try_write([writer, writer])), Ordering::Relaxed);
                    let values = lock.try_read();
                    assert!(values.is_none_or(|[one, other]| one == other), "{values:?}");
                }
            });
        }
    });
    assert!(written.into_inner() > 0, "the first one has nobody in its way");
    lock.take_over([9, 9]);
    assert!(lock.try_read().is_some_and(|[one, _]| one != 9), "nobody left it half written");
}

/// Each of four threads has what it pops alone, and all comes back.
#[test]
fn nodes_have_one_owner() {
    const NODES: u32 = 3;
    let stack = Stack::new(NODES);
    (0..NODES).for_each(|node| stack.push(node));
    let owned: Vec<AtomicBool> = (0..NODES).map(|_| AtomicBool::new(false)).collect();
    let popped = AtomicU32::new(0);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..ROUNDS {
                    let had: Vec<u32> = [stack.pop(), stack.pop()].into_iter().flatten().collect();
                    for node in &had {
                        assert!(!owned[*node as usize].swap(true, Ordering::Relaxed), "somebody else has node {node}");
                    }
                    popped.fetch_add(u32::try_from(had.len()).expect("two"), Ordering::Relaxed);
                    for node in had {
                        owned[node as usize].store(false, Ordering::Relaxed);
                        stack.push(node);
                    }
                }
            });
        }
    });
    let mut left: Vec<u32> = std::iter::from_fn(|| stack.pop()).take(9).collect();
    left.sort_unstable();
    assert_eq!(left, [0, 1, 2]);
    assert!(popped.into_inner() >= ROUNDS);
}

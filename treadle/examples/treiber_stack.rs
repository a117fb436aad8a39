//! Treiber's stack, with the classic fault: a node that is taken, and given back, while somebody else is about to take it
//! (ABA). A count beside the index repairs it.
//!
//! Nodes are indices into an array, and a thread gives back what it has taken: all that it takes for the fault.

use std::sync::Arc;
use treadle::sync::atomic::{AtomicU32, Ordering::AcqRel, Ordering::Acquire, Ordering::Relaxed};
use treadle::{Builder, Failure, Report, thread};

const NONE: u32 = 0xff;

struct Stack {
    /// The index of the first node; above it, if it is counted, how often it has changed.
    head: AtomicU32,
    next: [AtomicU32; 3],
    counted: bool,
}

impl Stack {
    fn swing(&self, head: u32, to: u32) -> bool {
        let count = if self.counted { (head >> 8) + 1 } else { 0 };
        self.head.compare_exchange(head, count << 8 | to, AcqRel, Relaxed).is_ok()
    }

    fn pop(&self) -> Option<u32> {
        loop {
            let head = self.head.load(Acquire);
            let first = head & NONE;
            if first == NONE {
                return None;
            }
            // Somebody else may take the node here, and the one behind it, and give the node back.
            let second = self.next[first as usize].load(Acquire);
            if self.swing(head, second) {
                return Some(first);
            }
        }
    }

    fn push(&self, node: u32) {
        loop {
            let head = self.head.load(Acquire);
            self.next[node as usize].store(head & NONE, Relaxed);
            if self.swing(head, node) {
                return;
            }
        }
    }
}

/// Two threads take nodes; one of them takes two and gives the first one back. Nobody may have what another has.
fn check(counted: bool) -> Result<Report, Box<Failure>> {
    Builder::new().explore(move || {
        let next = [AtomicU32::new(1), AtomicU32::new(2), AtomicU32::new(NONE)];
        let stack = Arc::new(Stack { head: AtomicU32::new(0), next, counted });
        let other = Arc::clone(&stack);
        let thread = thread::spawn(move || {
            let first = other.pop();
            let second = other.pop();
            if let Some(first) = first {
                other.push(first);
            }
            second
        });
        let mine = stack.pop();
        let theirs = thread.join().expect("it ends");
        let mut held: Vec<u32> = [mine, theirs].into_iter().flatten().collect();
        while let Some(node) = stack.pop() {
            held.push(node);
        }
        held.sort_unstable();
        assert_eq!(held, [0, 1, 2], "a node was lost, or is in two hands");
    })
}

fn main() {
    let failure = check(false).expect_err("ABA");
    println!("without a count:\n{failure}\n");
    let report = check(true).expect("the count tells the heads apart");
    println!("with a count: {} executions", report.executions);
}

#[test]
fn shows_what_it_says() {
    main();
}

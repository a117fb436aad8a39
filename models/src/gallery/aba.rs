//! ABA: a word that holds the same value again is not the same word.

use super::{Exhibit, Expected, Version, bounded, program};
use crate::scene::Notes;
use crate::verify;
use crate::world::World;
use core::array::from_fn;
use selvedge::sync::{AtomicU32, Ordering};
use std::sync::Arc;

pub(super) const EXHIBIT: Exhibit = Exhibit {
    name: "aba",
    title: "ABA on a free list",
    story: "A free list is a stack of buffer numbers. To pop, one reads the top A and what lies below it, B, and swings\n\
            the top from A to B. Meanwhile another pops A, pops B and keeps it, and pushes A back: the top is A again,\n\
            the compare-exchange succeeds, and B is free and in use at the same time.\n\
            A tag beside the index, changed with every pop, makes the late compare-exchange fail.",
    broken: &[Version {
        caption: "the top is an index",
        model: program("gallery/aba_index", "1 × pop, 1 × (pop, pop, push)", |world| free_list(world, Top::Index)),
        expected: Expected::Fails("free and in use"),
    }],
    right: &[Version {
        caption: "the top is an index and a tag",
        model: bounded(
            program("gallery/aba_tag", "1 × pop, 1 × (pop, pop, push)", |world| free_list(world, Top::Tagged)),
            3,
        ),
        expected: Expected::Passes,
    }],
};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Top {
    Index,
    Tagged,
}

/// Index plus one of a buffer; 0 is the end of the list.
const INDEX: u32 = 0xff;
const ONE_TAG: u32 = 0x100;
const BUFFERS: usize = 2;

struct FreeList {
    top: AtomicU32,
    below: [AtomicU32; BUFFERS],
    kind: Top,
}

impl FreeList {
    /// Both buffers are free, the first on top.
    fn new(kind: Top) -> Self {
        Self { top: AtomicU32::new(1), below: from_fn(|buffer| AtomicU32::new([2, 0][buffer])), kind }
    }

    fn pop(&self) -> Option<usize> {
        let mut top = self.top.load(Ordering::Acquire);
        loop {
            let buffer = usize::try_from(top & INDEX).ok()?.checked_sub(1)?;
            let below = self.below[buffer].load(Ordering::Relaxed);
            let tag = match self.kind {
                Top::Index => 0,
                Top::Tagged => (top & !INDEX) + ONE_TAG,
            };
            match self.top.compare_exchange(top, tag | below, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return Some(buffer),
                Err(newer) => top = newer,
            }
        }
    }

    fn push(&self, buffer: usize) {
        let index = u32::try_from(buffer + 1).expect("few buffers");
        let mut top = self.top.load(Ordering::Relaxed);
        loop {
            self.below[buffer].store(top & INDEX, Ordering::Relaxed);
            match self.top.compare_exchange(top, (top & !INDEX) | index, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) => return,
                Err(newer) => top = newer,
            }
        }
    }

    /// The buffers on the list, when everybody has ended.
    fn free(&self) -> Vec<usize> {
        let mut free = Vec::new();
        let mut next = self.top.peek() & INDEX;
        while let Some(buffer) = next.checked_sub(1).and_then(|buffer| usize::try_from(buffer).ok()) {
            free.push(buffer);
            next = self.below[buffer].peek();
        }
        free
    }
}

fn free_list(world: &mut World, kind: Top) {
    let list = Arc::new(FreeList::new(kind));
    let in_use = Arc::new(Notes::<Vec<usize>>::default());
    let (slow, slows) = (Arc::clone(&list), Arc::clone(&in_use));
    world.thread("slow", move || {
        let popped = slow.pop();
        slows.lock().extend(popped);
    });
    let (quick, quicks) = (Arc::clone(&list), Arc::clone(&in_use));
    world.thread("quick", move || {
        let first = quick.pop();
        let second = quick.pop();
        quicks.lock().extend(second);
        if let Some(first) = first {
            quick.push(first);
        }
    });
    world.finally(move || {
        let in_use = in_use.lock();
        for buffer in list.free() {
            verify!(!in_use.contains(&buffer), "buffer {buffer} is free and in use");
        }
        verify!(in_use.len() + list.free().len() == BUFFERS, "buffers lost or made");
    });
}

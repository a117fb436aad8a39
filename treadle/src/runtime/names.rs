//! Names of what threads make: the same in every run, whatever addresses the allocator gives out and whoever runs first.

use crate::graph::Loc;

/// Locations, threads and pointers, by who made them and how many that thread had made before.
#[derive(Clone, Debug)]
pub(crate) struct Names {
    makers: Vec<Maker>,
    /// Locations that a number of the model's own names.
    numbered: Vec<Option<Loc>>,
    locations: Loc,
    pointers: u64,
    /// Locations on which threads wait.
    pub(crate) queued: Vec<bool>,
}

#[derive(Clone, Debug, Default)]
struct Maker {
    locations: Vec<Loc>,
    children: Vec<usize>,
    pointers: Vec<u64>,
}

impl Names {
    /// Nothing is known but the thread that runs the model, and the locations on which threads wait.
    pub(crate) fn new(queued: Vec<bool>) -> Self {
        Self { makers: vec![Maker::default()], numbered: Vec::new(), locations: 0, pointers: 0, queued }
    }

    /// The `nth` location that `thread` makes.
    pub(crate) fn location(&mut self, thread: usize, nth: usize) -> Loc {
        let known = &mut self.makers[thread].locations;
        if let Some(&loc) = known.get(nth) {
            return loc;
        }
        known.push(self.locations);
        self.locations += 1;
        self.locations - 1
    }

    /// The location with this number.
    pub(crate) fn numbered(&mut self, number: u32) -> Loc {
        let index = number as usize;
        if self.numbered.len() <= index {
            self.numbered.resize(index + 1, None);
        }
        *self.numbered[index].get_or_insert_with(|| {
            self.locations += 1;
            self.locations - 1
        })
    }

    /// The `nth` thread that `thread` starts.
    pub(crate) fn child(&mut self, thread: usize, nth: usize) -> usize {
        if let Some(&child) = self.makers[thread].children.get(nth) {
            return child;
        }
        let child = self.makers.len();
        self.makers.push(Maker::default());
        self.makers[thread].children.push(child);
        child
    }

    /// The same, if it has been started.
    pub(crate) fn known_child(&self, thread: usize, nth: usize) -> Option<usize> {
        self.makers.get(thread)?.children.get(nth).copied()
    }

    /// The `nth` pointer that `thread` hands to an atomic first.
    pub(crate) fn pointer(&mut self, thread: usize, nth: usize) -> u64 {
        let known = &mut self.makers[thread].pointers;
        if let Some(&name) = known.get(nth) {
            return name;
        }
        self.pointers += 1;
        known.push(self.pointers);
        self.pointers
    }
}

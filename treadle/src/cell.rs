//! Memory without synchronisation of its own: races on it are reported.

use crate::runtime::{Access, Fault, Step, Writing, is_inside, operate};
use crate::thread::death_point_at;
use core::panic::Location;
use std::cell::RefCell;

/// A cell whose accesses are checked: two of them, at least one a write, of which neither happens before the other, are
/// a data race, in whichever order they happen to be executed.
///
/// ```
/// use std::sync::Arc;
/// use treadle::{Builder, Problem, cell::UnsafeCell, thread};
///
/// let failure = Builder::new().explore(|| {
///     let cell = Arc::new(UnsafeCell::new(0));
///     let other = Arc::clone(&cell);
///     let thread = thread::spawn(move || other.with_mut(|value| unsafe { *value = 1 }));
///     cell.with(|value| unsafe { *value });
///     thread.join().unwrap();
/// });
/// assert_eq!(failure.unwrap_err().problem, Problem::DataRace);
/// ```
///
/// An access is no event: it costs no execution. It belongs to the point between two operations of its thread. (A thread
/// that [may be killed](crate::thread::spawn_mortal) can be killed before each write.)
#[derive(Debug)]
pub struct UnsafeCell<T: ?Sized> {
    past: RefCell<Past>,
    value: core::cell::UnsafeCell<T>,
}

/// The accesses that a later one has to come after (Flanagan and Freund, "FastTrack: efficient and precise dynamic race
/// detection", PLDI 2009; without its compression of reads).
#[derive(Clone, Debug, Default)]
struct Past {
    run: u64,
    write: Option<Epoch>,
    /// The same write, for a search over states.
    contents: Option<Writing>,
    /// The last read of each thread that has read since the last write.
    reads: Vec<Epoch>,
}

#[derive(Clone, Copy, Debug)]
struct Epoch {
    at: (usize, usize),
    site: &'static Location<'static>,
}

// SAFETY: all threads of a model run on one OS thread, one at a time, and the model reports accesses that would race.
unsafe impl<T: ?Sized + Send> Sync for UnsafeCell<T> {}

impl<T> UnsafeCell<T> {
    /// A cell that holds `value`.
    #[must_use]
    pub const fn new(value: T) -> Self {
        let past = RefCell::new(Past { run: 0, write: None, contents: None, reads: Vec::new() });
        Self { past, value: core::cell::UnsafeCell::new(value) }
    }

    /// The value.
    pub fn into_inner(self) -> T {
        self.value.into_inner()
    }
}

impl<T: ?Sized> UnsafeCell<T> {
    /// Reads: calls `f` with a pointer that is valid for reads while nobody writes.
    #[track_caller]
    pub fn with<R>(&self, f: impl FnOnce(*const T) -> R) -> R {
        self.check(false, Location::caller());
        f(self.value.get())
    }

    /// Writes: calls `f` with a pointer that is valid for writes while nobody else is in.
    #[track_caller]
    pub fn with_mut<R>(&self, f: impl FnOnce(*mut T) -> R) -> R {
        self.check(true, Location::caller());
        f(self.value.get())
    }

    /// As [`with`](Self::with), for pointers that outlive a closure: every [`deref`](ConstPtr::deref) is a read.
    #[track_caller]
    pub fn get(&self) -> ConstPtr<'_, T> {
        ConstPtr { cell: self }
    }

    /// As [`with_mut`](Self::with_mut), for pointers that outlive a closure: every [`deref`](MutPtr::deref) is a write.
    #[track_caller]
    pub fn get_mut(&self) -> MutPtr<'_, T> {
        MutPtr { cell: self }
    }

    fn check(&self, writes: bool, site: &'static Location<'static>) {
        if is_inside() {
            if writes {
                death_point_at(site);
            }
            operate(|x| {
                let mut past = self.past.borrow_mut();
                if past.run != x.run {
                    *past = Past { run: x.run, ..Past::default() };
                }
                if x.threads[x.running].dying {
                    return Step::Nothing;
                }
                let now = Epoch { at: x.epoch(), site };
                let reads = past.reads.iter().filter(|_| writes).map(|read| (false, read));
                let accesses = past.write.iter().map(|write| (true, write)).chain(reads);
                let unseen = accesses.map(|(writes, epoch)| (writes, *epoch)).find(|(_, epoch)| !x.has_seen(epoch.at));
                if let Some((wrote, before)) = unseen {
                    let one = Access { thread: before.at.0, writes: wrote, site: before.site };
                    let other = Access { thread: now.at.0, writes, site };
                    return x.fail(Fault::Race { one, other });
                }
                past.contents = x.note_cell(past.contents, writes);
                x.has_accessed(writes);
                if writes {
                    past.write = Some(now);
                    past.reads.clear();
                } else if let Some(read) = past.reads.iter_mut().find(|read| read.at.0 == now.at.0) {
                    *read = now;
                } else {
                    past.reads.push(now);
                }
                Step::Ready(())
            });
        }
    }
}

impl<T: Default> Default for UnsafeCell<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T> From<T> for UnsafeCell<T> {
    fn from(value: T) -> Self {
        Self::new(value)
    }
}

/// A pointer for reading.
#[derive(Debug)]
pub struct ConstPtr<'a, T: ?Sized> {
    cell: &'a UnsafeCell<T>,
}

impl<T: ?Sized> ConstPtr<'_, T> {
    /// The value.
    ///
    /// # Safety
    /// As for any raw pointer: nobody may write while the reference lives.
    #[must_use]
    #[track_caller]
    pub unsafe fn deref(&self) -> &T {
        self.cell.check(false, Location::caller());
        // SAFETY: the caller's.
        unsafe { &*self.cell.value.get() }
    }

    /// Calls `f` with the bare pointer.
    #[track_caller]
    pub fn with<R>(&self, f: impl FnOnce(*const T) -> R) -> R {
        self.cell.with(f)
    }
}

/// A pointer for writing.
#[derive(Debug)]
pub struct MutPtr<'a, T: ?Sized> {
    cell: &'a UnsafeCell<T>,
}

impl<T: ?Sized> MutPtr<'_, T> {
    /// The value.
    ///
    /// # Safety
    /// As for any raw pointer: nobody else may have a reference while this one lives.
    #[must_use]
    #[track_caller]
    #[expect(clippy::mut_from_ref, reason = "as loom has it; the cell is what the reference comes from")]
    pub unsafe fn deref(&self) -> &mut T {
        self.cell.check(true, Location::caller());
        // SAFETY: the caller's.
        unsafe { &mut *self.cell.value.get() }
    }

    /// Calls `f` with the bare pointer.
    #[track_caller]
    pub fn with<R>(&self, f: impl FnOnce(*mut T) -> R) -> R {
        self.cell.with_mut(f)
    }
}

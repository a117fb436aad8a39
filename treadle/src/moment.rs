//! Moments: points between two operations of a thread, and what happens before them.

use crate::runtime::with;

/// A point between two operations of a thread.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Moment {
    /// The thread, by its [number](crate::thread::ThreadId::number).
    pub thread: usize,
    /// How many events of each thread, by its number, happen before; of the own thread, how many it has had.
    pub seen: Vec<u16>,
}

/// This moment of the running thread. To look at it is no operation of the model: it changes nothing.
///
/// ```
/// use std::sync::Arc;
/// use treadle::sync::atomic::{AtomicBool, Ordering::{Acquire, Release}};
///
/// treadle::model(|| {
///     let flag = Arc::new(AtomicBool::new(false));
///     let other = Arc::clone(&flag);
///     let thread = treadle::thread::spawn(move || other.store(true, Release));
///     let set = flag.load(Acquire);
///     // Its one event is the store, which happens before whatever comes after a load that has read it.
///     assert_eq!(treadle::moment().seen[1], u16::from(set));
///     thread.join().unwrap();
/// });
/// ```
///
/// # Panics
/// Outside of a model.
#[must_use]
pub fn moment() -> Moment {
    with(|x| Moment { thread: x.running, seen: x.seen() })
}

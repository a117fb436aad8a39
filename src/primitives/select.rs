//! Select: one of several operations, whichever can be done first.
//!
//! **Purpose.** A thread that waits for a message here or there, for space, for an event, for permits, until one of
//! these can be done; that one is done, and no other.
//!
//! **Protocol.**
//! 1. Attempt each, the first of them being another each time. Done: return.
//! 2. Say in the own slot that it waits for several, read the own bell; open the own [choice](super::choice); arm each:
//!    announce at its [gate](super::gate), or word, that somebody waits, and at a [rendezvous](super::rendezvous) that
//!    is free post an offer or request; fence; look whether one of them looks as if it could be done. If not: sleep on
//!    the words of all, and on the bell.
//! 3. Close the choice, take the posts away. If one was chosen, that is what was done. Else attempt each. None: from 2,
//!    or, when the deadline has passed, no more.
//! 4. Who has armed them and is done announces once more, at each, that others may wait; fence; and wakes one where
//!    something is left: a wake for one may have reached this thread, which has done something else with it; or others
//!    wait behind a post of its own that another has put aside.
//!
//! More words than one wait can have are waited for in groups, each for a short time.
//!
//! **Invariants.**
//! - I1: nothing is attempted while the choice is open; so at most one operation is done.
//! - I2: of this thread and whoever brings about what one of its operations waits for one sees the other (gate, I1); so
//!   with an undertaker (waiting, I1).
//! - I3: a wake for one that this thread has had without doing what it was for is given on, and no flag stays cleared
//!   for it.
//! - I4: after its first round a thread chooses only those whose slots are above its own; those below it closes, so
//!   that they look at what it has posted in their place. So of those who stand against each other one goes on: the one
//!   above closes its choice for nobody but one further above.
//!
//! **Orderings.** The fence of 2 is that of the gates, and that of [waiting](super::waiting); the fence of 4, that of
//! the gates.
//!
//! **Death.** At any step: its posts are taken away, or ended if they were chosen, by whoever comes by or the
//! undertaker, who also wakes all that wait where a wake may have been lost. Of who brings something about, before its
//! wake: the undertaker rings the bell of each that waits for several.
//!
//! **Models.** `select/*`.
//!
//! **References.** Hoare, "Communicating sequential processes", CACM 1978, the alternative command; Reppy, "Concurrent
//! Programming in ML", 1999. `futex_waitv`: kernel document `userspace-api/futex2`.

use super::choice::RawChoice;
use super::participants::ThreadSlot;
use super::waiting::{Caller, Slice};
use crate::sync::{Deadline, Ordering, WAITV_MAX, WaitOn, WaitOutcome, fence, spin_loop};
use core::time::Duration;

mod event;
mod permits;
mod watching;

pub use event::Happening;
pub use permits::Permits;
pub use watching::Watching;

/// How long one of several groups of words is waited for.
const GROUP: Duration = Duration::from_millis(10);

/// Of how many of those waits one looks for the dead, if it took long.
const LOOKS: usize = 10;

/// One of the operations among which is selected.
pub trait Operation<'a> {
    /// Does it, if it can be done now; true if so. Of those that have posted elsewhere, too, only ones above this slot count.
    /// Never blocks.
    fn attempt(&mut self, above: Option<ThreadSlot>) -> bool;

    /// Announces that somebody waits, and on what; as the post `index`, where it posts something and
    /// may. Never blocks.
    fn arm(&mut self, index: Option<u16>) -> WaitOn<'a>;

    /// Whether it is worth another attempt, since it was armed. Never blocks.
    fn is_worth_an_attempt(&self) -> bool;

    /// Takes away what it has posted, if anything. Never blocks.
    fn disarm(&mut self) {}

    /// From now on it posts nothing, whatever it is armed as.
    fn only_watch(&mut self) {}

    /// What it has posted was chosen: does the rest. Never blocks.
    fn settle(&mut self, _with: u16) {}

    /// Announces those who wait for the same, without posting. Never blocks.
    fn announce_others(&mut self);

    /// Wakes one of those, if it is worth an attempt. Never blocks.
    fn pass_on(&mut self);
}

/// The operations of one select.
struct Operations<'o, 'p, 'a> {
    all: &'o mut [&'p mut (dyn Operation<'a> + 'p)],
    first: usize,
}

impl<'p, 'a> Operations<'_, 'p, 'a> {
    fn attempt(&mut self, above: Option<ThreadSlot>) -> Option<usize> {
        let (before, after) = self.all.split_at_mut(self.first);
        let first = before.len();
        let mut each = after.iter_mut().zip(first..).chain(before.iter_mut().zip(0..));
        each.find_map(|(operation, index)| operation.attempt(above).then_some(index))
    }

    fn each(&mut self, what: impl FnMut(&mut &'p mut (dyn Operation<'a> + 'p))) {
        self.all.iter_mut().for_each(what);
    }

    /// Before the end of one who has been armed (I3).
    fn part(&mut self) {
        self.each(|operation| operation.announce_others());
        // SeqCst: pairs with the fence in signal, in the name of those who sleep still.
        fence(Ordering::SeqCst);
        // dead here: the undertaker wakes all whom a slot names.
        self.each(|operation| operation.pass_on());
    }

    /// The words of one of the groups, another one each time.
    fn group(&self, words: &mut Vec<WaitOn<'a>>, round: usize) -> Option<Slice> {
        let groups = words.len().div_ceil(WAITV_MAX);
        if groups <= 1 {
            return None;
        }
        let first = round % groups * WAITV_MAX;
        words.truncate(words.len().min(first + WAITV_MAX));
        words.drain(..first);
        Some(Slice { long: GROUP, looks: round.is_multiple_of(LOOKS) })
    }
}

/// Does one of the operations, waiting until one can be done, as long as it takes or until `deadline`; says which. The one at
/// `first`, modulo their number, is attempted first. None if the deadline has passed.
///
/// Those from [`RawChoice::POSTS`] on post nothing, and only watch.
pub fn select<'a>(
    caller: &Caller<'_>,
    operations: &mut [&mut dyn Operation<'a>],
    first: usize,
    deadline: Option<Deadline>,
) -> Option<usize> {
    let first = first.checked_rem(operations.len()).unwrap_or(0);
    let mut operations = Operations { all: operations, first };
    let mut done = operations.attempt(None);
    let mut spins = caller.spins();
    while done.is_none() && spins > 0 {
        spin_loop();
        spins -= 1;
        done = operations.attempt(None);
    }
    done.or_else(|| wait(caller, &mut operations, deadline))
}

fn wait<'a>(caller: &Caller<'_>, operations: &mut Operations<'_, '_, 'a>, deadline: Option<Deadline>) -> Option<usize> {
    let choice = caller.table.choice(caller.slot)?;
    let mut round = operations.first;
    let done = loop {
        let listening = caller.listen()?;
        choice.open();
        let posts = (0..RawChoice::POSTS).map(|index| u16::try_from(index).ok()).chain(core::iter::repeat(None));
        let mut words: Vec<WaitOn<'_>> =
            operations.all.iter_mut().zip(posts).map(|(operation, index)| operation.arm(index)).collect();
        // SeqCst: pairs with the fences of signals and of the undertaker's walk (I2).
        fence(Ordering::SeqCst);
        let outcome = if operations.all.iter().any(|operation| operation.is_worth_an_attempt()) {
            listening.ends();
            if deadline.is_some_and(Deadline::has_passed) { WaitOutcome::TimedOut } else { WaitOutcome::Changed }
        } else {
            let slice = operations.group(&mut words, round);
            round = round.wrapping_add(1);
            caller.sleep_on(listening, words, deadline, slice)
        };
        let chosen = choice.end();
        operations.each(|operation| operation.disarm());
        if let Some(chosen) = chosen {
            let index = usize::from(chosen.index);
            if let Some(operation) = operations.all.get_mut(index) {
                operation.settle(chosen.with);
            }
            break Some(index);
        }
        // Who goes has nothing to close itself for (I4).
        let goes = outcome == WaitOutcome::TimedOut;
        let done = operations.attempt(if goes { None } else { Some(caller.slot) });
        if done.is_some() || goes {
            break done;
        }
    };
    operations.part();
    done
}

//! Small clients, enumerated and not hand-picked: every program up to a size, and a witness for each of its executions.
//!
//! A program is a few threads, each with a few operations of one object. All programs of an object's letters (below)
//! up to a number of threads and operations are explored on treadle without a bound, and the history of every execution is
//! judged against the [sequential specification](selvedge_witness) of the object:
//!
//! - one operation precedes another if all that it did happens before the other's call;
//! - what is to be published has to be known: what came before the release happens before the return of the acquire;
//! - threads may also meet elsewhere, if asked to: what was over before an earlier meeting precedes what comes after a later one;
//! - an execution may end with operations that wait for ever, if the specification cannot carry them out then;
//! - with kills, each thread is killed before each of its steps, one in an execution: its operation is pending. The death
//!   of who holds a mutex is an operation of the dead, and undertakers have to come to their ends.
//!
//! Of programs that differ in the order of the threads alone, one is explored; so it is with those that send other messages,
//! for nobody looks into messages: each send has one of its own. What a thread may not call where it stands in the program,
//! such as an unlock of what it does not hold, it leaves out.
//!
//! A program whose executions are more than the budget is *not checked*, which is told and never counted as passed.

mod channel;
mod check;
pub mod coverage;
mod event;
mod log;
mod messages;
mod mutex;
mod object;
pub mod program;
mod queue;
mod rendezvous;
mod rows;
mod semaphore;
mod unbounded;

use check::check;
pub use check::{Care, Checked};
pub use coverage::Coverage;
pub use object::{Object, Operation, Outcome, Past};
pub use program::{Program, Size};
pub use rows::{Row, read, table, text};

use crate::explore::Failure;
use crate::parallel;
use crate::subject::{Lock, Permits};
use object::spell_word;
use selvedge::primitives::{RawEvent, RawMutex, RawQueue, RawRendezvous, RawSemaphore, RawUnbounded};
use serde::Serialize;
use std::sync::atomic::{AtomicBool, Ordering};

/// The clients of an object.
#[derive(Clone, Copy, Debug)]
pub struct Clients {
    /// The object.
    pub object: &'static str,
    letters: fn(bool) -> usize,
    can: fn(&[usize], bool) -> bool,
    check: fn(&Program, Care) -> Checked,
    show: fn(&Program, bool) -> String,
}

/// The clients of every object.
#[must_use]
pub fn all() -> Vec<Clients> {
    vec![
        Clients::of::<semaphore::With<0, RawSemaphore>>(),
        Clients::of::<semaphore::With<1, RawSemaphore>>(),
        Clients::of::<mutex::Unlocked<RawMutex>>(),
        Clients::of::<RawEvent>(),
        Clients::of::<queue::Bounded<1>>(),
        Clients::of::<queue::Bounded<2>>(),
        Clients::of::<unbounded::List>(),
        Clients::of::<rendezvous::Place>(),
        Clients::of::<channel::Way<RawQueue>>(),
        Clients::of::<channel::Way<RawUnbounded>>(),
        Clients::of::<channel::Way<RawRendezvous>>(),
    ]
}

/// Those of a semaphore of another kind, without permits at first.
pub(crate) fn of_semaphore<P: Permits>() -> Clients {
    Clients::of::<semaphore::With<0, P>>()
}

/// Those of a mutex of another kind.
pub(crate) fn of_mutex<L: Lock>() -> Clients {
    Clients::of::<mutex::Unlocked<L>>()
}

impl Clients {
    /// Those of this object.
    #[must_use]
    pub fn of<O: Object>() -> Self {
        Self {
            object: O::NAME,
            letters: |kills| O::letters(kills).len(),
            can: |word, kills| O::can(&spell_word::<O>(word, kills)),
            check: check::<O>,
            show: |program, kills| show(&check::spell::<O>(program, kills)),
        }
    }

    fn alphabet(&self, care: Care) -> usize {
        (self.letters)(care.kills) + usize::from(care.meets)
    }

    /// The different programs of that size.
    #[must_use]
    pub fn distinct(&self, size: Size, care: Care) -> Vec<Program> {
        program::distinct(self.alphabet(care), size, &|word| (self.can)(word, care.kills))
    }

    /// Checks one of them.
    #[must_use]
    pub fn check(&self, program: &Program, care: Care) -> Checked {
        (self.check)(program, care)
    }

    /// A program for people.
    #[must_use]
    pub fn spell(&self, program: &Program, care: Care) -> String {
        (self.show)(program, care.kills)
    }

    /// Checks all programs of that size. After a failure no other program is begun.
    #[must_use]
    pub fn run(&self, size: Size, care: Care, jobs: usize) -> Found {
        let programs = self.distinct(size, care);
        let failed = AtomicBool::new(false);
        let work = |program: &Program| {
            // Relaxed: a program more does no harm.
            if failed.load(Ordering::Relaxed) {
                return Checked::another_failed();
            }
            let checked = self.check(program, care);
            failed.fetch_or(matches!(checked, Checked::Failed(_)), Ordering::Relaxed);
            checked
        };
        let checked = parallel::map(&programs, jobs, work, |_, _| {});
        self.found(size, care, programs.into_iter().zip(checked).collect())
    }

    /// What came of programs of that size: of all of them, or of some.
    #[must_use]
    pub fn found(&self, size: Size, care: Care, checked: Vec<(Program, Checked)>) -> Found {
        let mut found = Found {
            row: Row {
                object: self.object.to_owned(),
                threads: size.threads,
                operations: size.operations,
                kills: care.kills,
                meets: care.meets,
                budget: care.budget,
                programs: program::count(self.alphabet(care), size),
                distinct: checked.len() as u64,
                checked: 0,
                executions: 0,
            },
            failures: Vec::new(),
            unchecked: Vec::new(),
        };
        for (program, checked) in checked {
            let name = || self.spell(&program, care);
            match checked {
                Checked::Passed { executions } => {
                    found.row.checked += 1;
                    found.row.executions += executions;
                }
                Checked::Failed(failure) => found.failures.push((name(), failure)),
                Checked::NotChecked(why) => found.unchecked.push((name(), why)),
            }
        }
        found
    }
}

/// What came of all programs of a size.
#[derive(Clone, Debug, Serialize)]
pub struct Found {
    /// In numbers.
    pub row: Row,
    /// The programs that failed, and how.
    pub failures: Vec<(String, Box<Failure>)>,
    /// The programs that were not checked, and why not.
    pub unchecked: Vec<(String, String)>,
}

fn show<O: std::fmt::Display>(program: &[Vec<Option<O>>]) -> String {
    let letter = |letter: &Option<O>| letter.as_ref().map_or_else(|| "meet".to_owned(), ToString::to_string);
    let word = |word: &Vec<Option<O>>| word.iter().map(letter).collect::<Vec<_>>().join(", ");
    let threads = program.iter().zip(check::NAMES).map(|(operations, name)| format!("{name}: {}", word(operations)));
    threads.collect::<Vec<_>>().join(" | ")
}

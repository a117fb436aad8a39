//! A notification ends the wait of one who waits, or of all, and of nobody else; who comes after a death is told of it.

use crate::support::driven::{Driven, LONGER, Stage, asleep, rest};
use crate::support::patience::until;
use crate::{driven, region_of_threads, sleep_on};
use proptest::prelude::*;
use selvedge::Region;
use selvedge::region::{Condvar, LockError, Mutex};
use std::time::Duration;

const NAME: &str = "changed";
const THREADS: usize = 4;

#[derive(Clone, Copy, Debug)]
enum Operation {
    Wait(usize),
    WaitTimeout(usize),
    NotifyOne,
    NotifyAll,
    /// Changes the value, whoever waits.
    Add,
    /// A thread ends with the mutex locked, then all are notified: one of them, or the next to come, is told.
    EndLocked(usize),
    /// A thread that does not wait ends, then all are notified; another takes its place.
    End(usize),
}

fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        8 => (0..THREADS).prop_map(Operation::Wait),
        2 => (0..THREADS).prop_map(Operation::WaitTimeout),
        4 => Just(Operation::NotifyOne),
        2 => Just(Operation::NotifyAll),
        2 => Just(Operation::Add),
        1 => (0..THREADS).prop_map(Operation::EndLocked),
        1 => (0..THREADS).prop_map(Operation::End),
    ]
}

#[derive(Clone, Copy, Debug)]
enum Told {
    Wait(Duration),
    LockAndEnd,
}

/// How a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Answer {
    timed_out: bool,
    /// Of a death, by the lock before the wait or by that after it.
    inherited: bool,
    value: u64,
}

type Thread = Driven<Told, Answer>;

fn wait(mutex: &Mutex<u64>, condvar: &Condvar, timeout: Duration) -> Answer {
    let (guard, before) = match mutex.lock() {
        Ok(guard) => (guard, false),
        Err(LockError::OwnerDied(mut guard)) => {
            guard.mark_consistent();
            (guard, true)
        }
        Err(error) => panic!("{error}"),
    };
    let (mut guard, timed_out, inherited) = match condvar.wait_timeout(guard, timeout) {
        Ok((guard, timed_out)) => (guard, timed_out, false),
        Err(LockError::OwnerDied((guard, timed_out))) => (guard, timed_out, true),
        Err(error) => panic!("{}", error.give_up()),
    };
    guard.mark_consistent();
    Answer { timed_out, inherited: before || inherited, value: *guard }
}

fn start(mutex: &Mutex<u64>, condvar: &Condvar) -> Thread {
    let (mutex, condvar) = (mutex.clone(), condvar.clone());
    Driven::start(move |stage: &Stage<Told, Answer>| {
        while let Some(told) = stage.next() {
            match told {
                Told::Wait(timeout) => stage.answer(wait(&mutex, &condvar, timeout)),
                Told::LockAndEnd => {
                    std::mem::forget(mutex.lock());
                    return;
                }
            }
        }
    })
}

struct Play<'a> {
    region: &'a Region,
    mutex: Mutex<u64>,
    condvar: Condvar,
    threads: Vec<Thread>,
    waiting: [bool; THREADS],
    /// A thread has died with the mutex, and nobody has been told.
    orphaned: bool,
    value: u64,
}

impl Play<'_> {
    fn waiters(&self) -> usize {
        self.waiting.iter().filter(|waits| **waits).count()
    }

    /// Those of the waiting who have gone on.
    fn gone_on(&mut self) -> Vec<Answer> {
        let mut answers = Vec::new();
        for (thread, waits) in self.threads.iter().zip(&mut self.waiting).filter(|(_, waits)| **waits) {
            if let Some(answer) = thread.heard() {
                *waits = false;
                answers.push(answer);
            }
        }
        answers
    }

    /// So many go on, and no more.
    fn go_on(&mut self, count: usize) -> Result<(), TestCaseError> {
        let left = self.waiters() - count;
        let mut answers = Vec::new();
        until(&format!("{count} go on"), || {
            answers.extend(self.gone_on());
            answers.len() >= count || rest()
        });
        prop_assert_eq!(answers.len(), count);
        prop_assert_eq!(asleep(self.region, NAME), left, "of those who were not notified");
        let told = answers.iter().filter(|answer| answer.inherited).count();
        prop_assert_eq!(told, usize::from(self.orphaned && count > 0), "{:?}", answers);
        self.orphaned &= count == 0;
        let fine = |answer: &Answer| !answer.timed_out && answer.value == self.value;
        prop_assert!(answers.iter().all(fine), "{:?}, the value is {}", answers, self.value);
        Ok(())
    }

    fn perform(&mut self, operation: Operation) -> Result<(), TestCaseError> {
        match operation {
            Operation::Wait(thread)
            | Operation::WaitTimeout(thread)
            | Operation::EndLocked(thread)
            | Operation::End(thread)
                if self.waiting[thread] => {}
            Operation::Wait(thread) => {
                self.threads[thread].begin(Told::Wait(LONGER));
                self.waiting[thread] = true;
                sleep_on(self.region, NAME, &self.threads, |thread| self.waiting[thread])?;
            }
            Operation::WaitTimeout(thread) => {
                let answer = self.threads[thread].perform(Told::Wait(Duration::ZERO));
                let expected = Answer { timed_out: true, inherited: self.orphaned, value: self.value };
                prop_assert_eq!(answer, expected);
                self.orphaned = false;
            }
            Operation::NotifyOne => {
                let count = self.waiters().min(1);
                prop_assert_eq!(self.condvar.notify_one(), Ok(()));
                self.go_on(count)?;
            }
            Operation::NotifyAll => {
                let count = self.waiters();
                prop_assert_eq!(self.condvar.notify_all(), Ok(()));
                self.go_on(count)?;
            }
            Operation::Add => {
                *self.locked()? += 1;
                self.value += 1;
            }
            Operation::End(thread) => {
                self.replace(thread).end();
                self.after_a_death()?;
            }
            Operation::EndLocked(thread) => {
                *self.locked()? += 1;
                self.value += 1;
                let ends = self.replace(thread);
                ends.begin(Told::LockAndEnd);
                ends.end();
                self.orphaned = true;
                self.after_a_death()?;
                // Nobody waited: the next to lock it is told.
                drop(self.locked()?);
            }
        }
        Ok(())
    }

    /// Whoever buries the dead may have let all go on, for no reason but to be sure.
    fn after_a_death(&mut self) -> Result<(), TestCaseError> {
        let count = self.waiters();
        prop_assert_eq!(self.condvar.notify_all(), Ok(()));
        self.go_on(count)
    }

    fn replace(&mut self, thread: usize) -> Thread {
        std::mem::replace(&mut self.threads[thread], start(&self.mutex, &self.condvar))
    }

    /// Locks the mutex, and is told of a death if nobody was before.
    fn locked(&mut self) -> Result<selvedge::region::MutexGuard<'_, u64>, TestCaseError> {
        let (guard, told) = match self.mutex.try_lock() {
            Ok(guard) => (guard, false),
            Err(LockError::OwnerDied(mut guard)) => {
                guard.mark_consistent();
                (guard, true)
            }
            Err(error) => return Err(TestCaseError::fail(format!("nobody has it, and: {error}"))),
        };
        prop_assert_eq!(told, self.orphaned);
        self.orphaned = false;
        Ok(guard)
    }
}

proptest! {
    #![proptest_config(driven(100))]

    #[test]
    fn a_notification_ends_one_wait_or_all(operations in prop::collection::vec(operation(), 0..50)) {
        let region = region_of_threads();
        let (mutex, condvar) = (region.mutex("stock", 0).unwrap(), region.condvar(NAME).unwrap());
        let threads = (0..THREADS).map(|_| start(&mutex, &condvar)).collect();
        let mut play =
            Play { region: &region, mutex, condvar, threads, waiting: [false; THREADS], orphaned: false, value: 0 };
        for operation in operations {
            play.perform(operation)?;
        }
        play.perform(Operation::NotifyAll)?;
        let value = play.value;
        prop_assert_eq!(*play.locked()?, value);
        play.threads.into_iter().for_each(Thread::end);
    }
}

//! A barrier lets its members go on when all have arrived; a member that ends without leaving breaks it until it is reset.

use crate::support::alone::alone;
use crate::support::driven::{Driven, LONGER, Stage};
use crate::{LIMIT, driven, region_of_threads, sleep_on};
use proptest::prelude::*;
use selvedge::Region;
use selvedge::region::{Barrier, BarrierError, Passed};
use std::time::Duration;

const NAME: &str = "start";
const THREADS: usize = 4;

#[derive(Clone, Copy, Debug)]
enum Operation {
    Join,
    Leave,
    Wait,
    WaitTimeout,
    Reset,
    /// The thread ends, member or not; another takes its place.
    End,
}

fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        8 => Just(Operation::Join),
        2 => Just(Operation::Leave),
        8 => Just(Operation::Wait),
        2 => Just(Operation::WaitTimeout),
        2 => Just(Operation::Reset),
        1 => Just(Operation::End),
    ]
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    Joined,
    Full,
    Left,
    NoMember,
    AsLast,
    WithOthers,
    TimedOut,
    Broken,
    Reset(bool),
}

type Thread = Driven<Operation, Answer>;

fn told(answer: Result<Passed, BarrierError>) -> Answer {
    match answer {
        Ok(Passed::AsLast) => Answer::AsLast,
        Ok(Passed::WithOthers) => Answer::WithOthers,
        Err(BarrierError::TimedOut) => Answer::TimedOut,
        Err(BarrierError::Broken(_)) => Answer::Broken,
        Err(error) => panic!("{error}"),
    }
}

fn start(barrier: &Barrier) -> Thread {
    let barrier = barrier.clone();
    Driven::start(move |stage: &Stage<Operation, Answer>| {
        let mut member = None;
        while let Some(operation) = stage.next() {
            stage.answer(match (operation, &member) {
                (Operation::Join, Some(_)) => Answer::Joined,
                (Operation::Join, None) => match barrier.join() {
                    Ok(joined) => {
                        member = Some(joined);
                        Answer::Joined
                    }
                    Err(BarrierError::Full { .. }) => Answer::Full,
                    Err(error) => panic!("{error}"),
                },
                (Operation::Reset, _) => Answer::Reset(barrier.reset().expect("the region is good")),
                (_, None) => Answer::NoMember,
                (Operation::Leave, Some(_)) => {
                    member = None;
                    Answer::Left
                }
                (Operation::Wait, Some(member)) => told(member.wait_timeout(LONGER)),
                (Operation::WaitTimeout, Some(member)) => told(member.wait_timeout(Duration::ZERO)),
                (Operation::End, _) => unreachable!("the thread ends instead"),
            });
        }
        std::mem::forget(member);
    })
}

/// What the barrier must do.
#[derive(Debug, Default)]
struct Model {
    members: usize,
    is_member: [bool; THREADS],
    /// Places of the dead.
    dead: usize,
    waits: [bool; THREADS],
    broken: bool,
}

impl Model {
    fn waiting(&self) -> usize {
        self.waits.iter().filter(|waits| **waits).count()
    }

    /// All that wait go on; who they are.
    fn let_go(&mut self) -> Vec<usize> {
        let waits = std::mem::take(&mut self.waits);
        waits.iter().enumerate().filter(|(_, waits)| **waits).map(|(thread, _)| thread).collect()
    }

    /// Whether a wait of this thread would last.
    fn blocks(&self, thread: usize) -> bool {
        self.is_member[thread] && !self.broken && self.waiting() + 1 < self.members
    }

    /// What the operation answers, and what those who wait answer then. Not of a wait that lasts.
    fn perform(&mut self, thread: usize, operation: Operation) -> (Answer, Vec<(usize, Answer)>) {
        let taken = self.is_member.iter().filter(|is_member| **is_member).count() + self.dead;
        let answer = match operation {
            Operation::Join if self.is_member[thread] => Answer::Joined,
            Operation::Join if taken >= self.members => Answer::Full,
            Operation::Join => {
                self.is_member[thread] = true;
                Answer::Joined
            }
            Operation::Reset => {
                let mends = std::mem::take(&mut self.broken);
                self.dead = if mends { 0 } else { self.dead };
                Answer::Reset(mends)
            }
            Operation::End => {
                if std::mem::take(&mut self.is_member[thread]) {
                    self.dead += 1;
                    self.broken = true;
                    let told = self.let_go().into_iter().map(|waiter| (waiter, Answer::Broken)).collect();
                    return (Answer::Left, told);
                }
                Answer::Left
            }
            _ if !self.is_member[thread] => Answer::NoMember,
            Operation::Leave => {
                self.is_member[thread] = false;
                Answer::Left
            }
            Operation::Wait | Operation::WaitTimeout if self.broken => Answer::Broken,
            Operation::Wait | Operation::WaitTimeout if self.waiting() + 1 < self.members => Answer::TimedOut,
            Operation::Wait | Operation::WaitTimeout => {
                let told = self.let_go().into_iter().map(|waiter| (waiter, Answer::WithOthers)).collect();
                return (Answer::AsLast, told);
            }
        };
        (answer, Vec::new())
    }
}

fn play(region: &Region, members: usize, operations: Vec<(usize, Operation)>) -> Result<(), TestCaseError> {
    let barrier = region.barrier(NAME, members).unwrap();
    let mut model = Model { members, ..Model::default() };
    let mut threads: Vec<_> = (0..THREADS).map(|_| start(&barrier)).collect();
    for (thread, operation) in operations {
        if model.waits[thread] {
            continue;
        }
        if matches!(operation, Operation::Wait) && model.blocks(thread) {
            threads[thread].begin(operation);
            model.waits[thread] = true;
            sleep_on(region, NAME, &threads, |thread| model.waits[thread])?;
            continue;
        }
        let (expected, told) = model.perform(thread, operation);
        if matches!(operation, Operation::End) {
            std::mem::replace(&mut threads[thread], start(&barrier)).end();
        } else {
            prop_assert_eq!(threads[thread].perform(operation), expected, "{:?} on thread {}", operation, thread);
        }
        for (waiter, answer) in told {
            prop_assert_eq!(threads[waiter].hear(), answer, "thread {} waited", waiter);
        }
        prop_assert_eq!(barrier.is_broken(), Ok(model.broken));
        sleep_on(region, NAME, &threads, |thread| model.waits[thread])?;
    }
    // Those who wait are told of a death; there are more threads than members that wait.
    if model.waiting() > 0 {
        let ends = (0..THREADS).find(|thread| model.is_member[*thread] && !model.waits[*thread]);
        let ends = ends.unwrap_or_else(|| {
            // A place is free, or all would have arrived.
            let free = (0..THREADS).find(|thread| !model.is_member[*thread]).expect("more threads than members");
            assert_eq!(threads[free].perform(Operation::Join), model.perform(free, Operation::Join).0);
            free
        });
        let (_, told) = model.perform(ends, Operation::End);
        std::mem::replace(&mut threads[ends], start(&barrier)).end();
        for (waiter, answer) in told {
            prop_assert_eq!(threads[waiter].hear(), answer, "thread {} waited", waiter);
        }
    }
    for (thread, driven) in threads.into_iter().enumerate() {
        // In good order: a handle that is forgotten keeps its region.
        let (left, _) = model.perform(thread, Operation::Leave);
        prop_assert_eq!(driven.perform(Operation::Leave), left);
        driven.end();
    }
    Ok(())
}

#[test]
fn all_go_on_when_all_have_arrived() {
    // Members that are forgotten keep their regions: not in the process of other tests.
    alone(LIMIT, || {
        let operations = prop::collection::vec((0..THREADS, operation()), 0..60);
        proptest!(driven(100), |(members in 1..THREADS, operations in operations)| {
            play(&region_of_threads(), members, operations)?;
        });
    });
}

//! The barrier: members are told of a death; who waits is let go when all have arrived; no place is lost.

use crate::torture::fault::{Fault, Outcome};
use crate::torture::hand::Hand;
use crate::torture::journal::Lane;
use crate::torture::process;
use crate::torture::subject::{Subject, View};
use crate::torture::worker;
use selvedge::region::{Barrier, BarrierError};
use selvedge::{Deadline, Region};
use std::thread;
use std::time::Duration;

const POINTS: &[&str] = &["in join", "member", "in wait", "in timed wait", "in leave", "in reset"];
const IN_JOIN: usize = 0;
const MEMBER: usize = 1;
const IN_WAIT: usize = 2;
const IN_TIMED_WAIT: usize = 3;
const IN_LEAVE: usize = 4;
const IN_RESET: usize = 5;

/// Lane word: rounds that were passed.
const PASSED: usize = 0;
const MEMBERS: usize = 3;
/// Most rounds of a turn.
const ROUNDS: u64 = 3;
/// A timed wait that may run out.
const SHORT: Duration = Duration::from_millis(1);
/// How long an inspector waits for what takes no time.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long it takes until a death is told, mostly.
const TOLD: Duration = Duration::from_millis(20);

#[derive(Default)]
pub(crate) struct Barriers {
    open: Option<(Barrier, Region)>,
    /// Those who died in a wait, and may have passed.
    died_waiting: u64,
}

fn refused(error: BarrierError) -> Fault {
    Fault::refused("a call of the barrier", error)
}

impl Barriers {
    fn open(&self) -> Outcome<&(Barrier, Region)> {
        self.open.as_ref().ok_or_else(|| Fault::new("a worker took a turn and was not attached"))
    }

    /// A process joins and dies: everybody else is to be told.
    fn sacrifice(barrier: &Barrier, name: &str) -> Outcome {
        let child = process::fork(|| {
            let joined = worker::options(1).open(name).ok().and_then(|region| {
                let member = region.barrier("barrier", MEMBERS).ok()?.join().ok()?;
                std::mem::forget((region, member));
                Some(())
            });
            i32::from(joined.is_none())
        });
        process::reap(child.map_err(|error| Fault::refused("fork", error))?);
        let deadline = Deadline::after(TOLD);
        while !barrier.is_broken().map_err(refused)? && !deadline.has_passed() {
            thread::sleep(Duration::from_micros(50));
        }
        Ok(())
    }
}

impl Subject for Barriers {
    fn name(&self) -> &'static str {
        "barrier"
    }

    fn points(&self) -> &'static [&'static str] {
        POINTS
    }

    fn attach(&mut self, region: &Region) -> Outcome {
        let barrier = region.barrier("barrier", MEMBERS).map_err(|error| Fault::refused("barrier", error))?;
        self.open = Some((barrier, region.clone()));
        Ok(())
    }

    fn detach(&mut self) {
        self.open = None;
    }

    fn work(&mut self, hand: &mut Hand<'_>) -> Outcome {
        let (barrier, _) = self.open()?;
        let member = match hand.call(IN_JOIN, || barrier.join()) {
            Ok(member) => member,
            // By the dead too, until somebody resets it.
            Err(BarrierError::Full { .. }) => {
                if barrier.is_broken().map_err(refused)? {
                    hand.call(IN_RESET, || barrier.reset()).map_err(refused)?;
                }
                return Ok(());
            }
            Err(error) => return Err(refused(error)),
        };
        for _ in 0..1 + hand.numbers.below(ROUNDS) {
            hand.at(MEMBER);
            hand.linger();
            let answer = if hand.numbers.once_in(2) {
                hand.call(IN_TIMED_WAIT, || member.wait_timeout(SHORT))
            } else {
                hand.call(IN_WAIT, || member.wait())
            };
            match answer {
                Ok(_) => hand.count(PASSED),
                Err(BarrierError::TimedOut) => {}
                Err(BarrierError::Broken(_)) => {
                    if hand.numbers.once_in(2) {
                        hand.call(IN_RESET, || barrier.reset()).map_err(refused)?;
                    }
                    break;
                }
                Err(error) => return Err(refused(error)),
            }
        }
        hand.call(IN_LEAVE, || drop(member));
        Ok(())
    }

    fn bury(&mut self, _view: View<'_>, _lane: &Lane, point: usize) {
        self.died_waiting += u64::from(matches!(point, IN_WAIT | IN_TIMED_WAIT));
    }

    fn relieve(&mut self, view: View<'_>) -> Outcome {
        let (barrier, region) = self.open()?;
        let waiting = view.lanes_at(IN_WAIT).count();
        // When it is broken, or all have arrived, whoever still waits is to notice that by itself. A death wakes everybody,
        // and would hide that somebody waits for something else in vain: those come first.
        if (1..MEMBERS).contains(&waiting) && waiting == view.at_work() && !barrier.is_broken().map_err(refused)? {
            Self::sacrifice(barrier, region.name().unwrap_or_default())?;
        }
        Ok(())
    }

    fn check(&mut self, view: View<'_>) -> Outcome {
        let passed = view.sum(PASSED);
        let missing = passed.next_multiple_of(MEMBERS as u64) - passed;
        if missing > self.died_waiting {
            return Err(Fault::new(format!(
                "{MEMBERS} members passed {passed} rounds in all, and {} died in a wait: somebody passed alone",
                self.died_waiting
            )));
        }
        let (barrier, _) = self.open()?;
        barrier.reset().map_err(refused)?;
        // Every place is free, and they can meet.
        thread::scope(|scope| {
            let meet = || barrier.join().and_then(|member| member.wait_timeout(PATIENCE));
            let members: Vec<_> = (0..MEMBERS).map(|_| scope.spawn(meet)).collect();
            members.into_iter().try_for_each(|member| match member.join() {
                Ok(answer) => answer.map(drop).map_err(refused),
                Err(_) => Err(Fault::new("a member panicked")),
            })
        })
    }

    fn begin(&mut self, view: View<'_>) {
        view.clear();
        self.died_waiting = 0;
    }

    fn state(&self, _view: View<'_>) -> String {
        format!("{:?}", self.open.as_ref().map(|(barrier, _)| (barrier, barrier.is_broken())))
    }
}
